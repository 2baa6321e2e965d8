"""What the contract asks of every answer alike."""

import pytest
import torch
from torch.autograd import gradcheck

from .calls import assert_close, expected, gradients, is_real, move, outputs
from .cases import CASES
from .draw import DTYPES, SIZES, SMALL, Draw

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.int64: 0}

every_answer = pytest.mark.parametrize("name", CASES)
every_formula = pytest.mark.parametrize("name", [name for name in CASES if CASES[name].differentiable])
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def huge(inputs: tuple) -> tuple:
    """The same inputs with every number 1e4 in magnitude, the padded and masked ones too."""
    return tuple(x.sign() * 1e4 if is_real(x) else x for x in inputs)


@every_answer
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_agrees_with_the_oracle_at_every_size(name, sizes):
    case = CASES[name]
    inputs = case.inputs(Draw(sizes))
    for actual, wanted in zip(outputs(case, inputs), expected(case, inputs), strict=True):
        assert_close(actual, wanted, TOLERANCES[actual.dtype])


@every_answer
@every_dtype
def test_agrees_with_the_oracle_in_every_dtype(name, dtype, device):
    case = CASES[name]
    inputs = move(case.inputs(Draw()), dtype, device)
    actuals = outputs(case, inputs)
    assert tuple(actual.dtype for actual in actuals) == (case.dtypes or (dtype,) * len(actuals))
    for actual, wanted in zip(actuals, expected(case, inputs), strict=True):
        assert actual.device.type == device
        assert_close(actual, wanted, TOLERANCES[actual.dtype])


@every_answer
def test_agrees_with_the_oracle_at_magnitudes_of_1e4(name):
    case = CASES[name]
    inputs = huge(case.inputs(Draw()))
    for actual, wanted in zip(outputs(case, inputs), expected(case, inputs), strict=True):
        assert_close(actual, wanted, TOLERANCES[actual.dtype])


@every_answer
@every_dtype
def test_magnitudes_of_1e4_stay_finite_forward_and_backward(name, dtype, device):
    case = CASES[name]
    inputs = move(huge(case.inputs(Draw())), dtype, device)
    for number in (*outputs(case, inputs), *gradients(case, inputs)):
        assert number.isfinite().all()


@every_formula
@pytest.mark.parametrize("sizes", [SMALL, SIZES["all one"]], ids=["small", "all one"])
def test_gradcheck(name, sizes):
    case = CASES[name]
    leaves = tuple(x.requires_grad_() if is_real(x) else x for x in case.inputs(Draw(sizes)))
    # The whole Jacobian of a small formula, a random projection of a large one.
    large = sum(leaf.numel() for leaf in filter(is_real, leaves)) > 60
    assert gradcheck(lambda *inputs: outputs(case, inputs), leaves, fast_mode=large)


@every_formula
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2)], ids=str)
def test_gradients_in_lower_precision(name, dtype, tolerance, device):
    case = CASES[name]
    inputs = move(case.inputs(Draw()), dtype, device)
    for actual, wanted in zip(
        gradients(case, inputs), gradients(case, move(inputs, torch.float64)), strict=True
    ):
        assert actual.dtype == dtype
        assert_close(actual, wanted, tolerance)


@every_formula
def test_every_argument_of_the_formula_gets_a_gradient(name):
    case = CASES[name]
    for gradient in gradients(case, case.inputs(Draw())):
        assert gradient.abs().max() > 0


@every_answer
def test_inputs_are_never_written_to(name, device):
    case = CASES[name]
    inputs = move(case.inputs(Draw()), torch.float32, device)
    before = move(inputs, torch.float32, device)
    outputs(case, inputs)
    gradients(case, inputs)
    for now, then in zip(inputs, before, strict=True):
        if isinstance(now, torch.Tensor):
            assert now._version == 0
            assert torch.equal(now, then)


@every_answer
def test_outputs_share_no_memory_with_the_inputs(name):
    case = CASES[name]
    inputs = case.inputs(Draw())
    lent = {x.untyped_storage().data_ptr() for x in inputs if isinstance(x, torch.Tensor)}
    assert not lent & {out.untyped_storage().data_ptr() for out in outputs(case, inputs)}


@every_answer
def test_inputs_may_be_non_contiguous(name, device):
    def scatter(x):
        """The same numbers, the axes stored in the opposite order, with a gap after each number."""
        if not isinstance(x, torch.Tensor):
            return x
        backwards = x.permute(*reversed(range(x.dim())))
        stored = torch.stack([backwards, backwards], dim=-1)
        return stored[..., 0].permute(*reversed(range(x.dim())))

    case = CASES[name]
    inputs = move(case.inputs(Draw()), torch.float64, device)
    scattered = tuple(scatter(x) for x in inputs)
    assert not any(x.is_contiguous() for x in scattered if isinstance(x, torch.Tensor))
    for actual, wanted in zip(outputs(case, scattered), outputs(case, inputs), strict=True):
        assert_close(actual, wanted, 1e-12)
    for actual, wanted in zip(gradients(case, scattered), gradients(case, inputs), strict=True):
        assert_close(actual, wanted, 1e-12)


@every_answer
def test_no_number_is_read_back(name):
    """A meta tensor has a shape but no numbers. What works on it never makes a GPU wait."""
    case = CASES[name]
    inputs = case.inputs(Draw())
    wanted = outputs(case, inputs)
    for actual, known in zip(outputs(case, move(inputs, torch.float64, "meta")), wanted, strict=True):
        assert actual.is_meta
        assert actual.shape == known.shape


@every_answer
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_is_never_waited_for(name):
    case = CASES[name]
    inputs = move(case.inputs(Draw()), torch.float32, "cuda")
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        outputs(case, inputs)
    finally:
        torch.cuda.set_sync_debug_mode(before)
