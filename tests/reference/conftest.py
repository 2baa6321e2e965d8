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
def device(request, monkeypatch) -> str:
    if request.param == "cuda":
        # cuDNN's recurrent layers round float32 to TF32 unless told not to.
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return request.param
