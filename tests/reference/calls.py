"""How an answer is called, and its results compared with those of its oracle.

Modules are called as functions of their parameters too. So every test treats all answers alike.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .draw import Draw


class Case(NamedTuple):
    """A way to call an answer.

    dtypes are those of the results where they do not follow the dtype of the inputs. An answer that is not
    differentiable takes or gives whole numbers, or gives a gradient.
    """

    answer: Callable
    oracle: Callable
    inputs: Callable[[Draw], tuple]
    dtypes: tuple[torch.dtype, ...] | None = None
    differentiable: bool = True


def call_module(module: nn.Module, parameters: Iterable[Tensor], *arguments):
    """Call the module with these parameters, given in the order of its own."""
    names = (name for name, _ in module.named_parameters())
    return functional_call(module, dict(zip(names, parameters, strict=True)), arguments)


def is_real(x: object) -> bool:
    """Whether x is a tensor that a gradient can flow to."""
    return isinstance(x, Tensor) and x.is_floating_point()


def move(inputs: tuple, dtype: torch.dtype, device: str = "cpu") -> tuple:
    """Copies on the device, the floating-point ones in the dtype."""
    return tuple(
        x.to(device, dtype if is_real(x) else x.dtype, copy=True) if isinstance(x, Tensor) else x
        for x in inputs
    )


def outputs(case: Case, inputs: tuple) -> tuple[Tensor, ...]:
    result = case.answer(*inputs)
    return result if isinstance(result, tuple) else (result,)


def expected(case: Case, inputs: tuple) -> tuple[Tensor, ...]:
    """What the oracle makes of the very numbers that the inputs hold, in float64."""
    result = case.oracle(*(x.tolist() if isinstance(x, Tensor) else x for x in inputs))
    results = result if isinstance(result, tuple) else (result,)
    return tuple(torch.tensor(r, dtype=torch.float64) for r in results)


def gradients(case: Case, inputs: tuple) -> tuple[Tensor, ...]:
    """The gradient of a fixed weighted sum of the outputs, for each floating-point input."""
    _, grads = outputs_and_gradients(case, inputs)
    return grads


def outputs_and_gradients(
    case: Case, inputs: tuple, parameters: Iterable[Tensor] = ()
) -> tuple[tuple, tuple]:
    """The outputs and, from the same call, the gradients for each floating-point input and each parameter."""
    if not case.differentiable:
        return outputs(case, inputs), ()
    leaves = tuple(x.detach().clone().requires_grad_() if is_real(x) else x for x in inputs)
    outs = outputs(case, leaves)
    total = sum((out * _ramp(out)).sum() for out in outs)
    return outs, torch.autograd.grad(total, [*filter(is_real, leaves), *parameters])


def _ramp(x: Tensor) -> Tensor:
    """Weights that differ from place to place, so that no part of a gradient cancels."""
    return torch.linspace(-1, 2, x.numel(), dtype=torch.float64).reshape(x.shape).to(x)


def assert_close(actual: Tensor, wanted: Tensor, tolerance: float) -> None:
    """Compare in float64 on the CPU; the tolerance is relative to the largest number wanted, or to 1."""
    scale = max(1.0, wanted.abs().max().item())
    torch.testing.assert_close(actual.double().cpu(), wanted.double().cpu(), rtol=0, atol=tolerance * scale)
