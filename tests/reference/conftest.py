"""Where the tests of this folder run."""

import pytest
import torch


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
        ),
    ]
)
def device(request) -> str:
    return request.param
