"""Compare results: with what is expected, up to rounding, and with what a known mistake gives."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from .exercise import Check
from .sandbox.case import Case, Other, Outcome, Raised, Returned

TOLERANCE = {torch.float64: 1e-9, torch.float32: 5e-5, torch.bfloat16: 4e-2, torch.float16: 4e-3}
"""Largest error that passes, absolute up to magnitude 1 and relative to the largest number of the result
beyond it.
"""


def close(got: Tensor, expected: Tensor, dtype: torch.dtype, slack: float = 1.0) -> bool:
    """Equal up to the rounding that `dtype` allows; NaN and infinities must stand in the same places. Whole
    numbers are not rounded.
    """
    if got.shape != expected.shape or got.is_complex() or expected.is_complex():
        return False
    if got.dtype == torch.bool or expected.dtype == torch.bool:
        return got.dtype == expected.dtype and torch.equal(got, expected)
    a, b = got.to(torch.float64), expected.to(torch.float64)
    if a.numel() == 0:
        return True
    if not expected.is_floating_point():
        return torch.equal(a, b)
    allowed = slack * TOLERANCE.get(dtype, 5e-5) * max(1.0, _largest(b))
    return torch.allclose(a, b, rtol=0.0, atol=allowed, equal_nan=True)


def _largest(tensor: Tensor) -> float:
    """The largest magnitude among the finite numbers."""
    largest = float(tensor.abs().max())
    if math.isfinite(largest):
        return largest
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Bit for bit the same numbers (NaN equals NaN)."""
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return a is b
    if not a.is_complex() and torch.equal(a, b):  # which does not know every complex dtype
        return True
    return bool(((a == b) | ((a != a) & (b != b))).all())


def constant(tensor: Tensor) -> bool:
    """The same number everywhere, in more than one place."""
    return tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all())


def dtype_of(case: Case) -> torch.dtype:
    """The floating-point type that a case asks for; float32 where it has none."""
    if case.construct is not None:
        return case.construct.dtype
    floats = (
        a.dtype for call in case.calls for a in call.args if isinstance(a, Tensor) and a.is_floating_point()
    )
    return next(floats, torch.float32)


def looked_at(check: Check, outcome: Outcome) -> Outcome:
    """The part of an outcome that `agree` looks at: the rest need not be kept."""

    def part(result: Returned | Raised) -> Returned | Raised:
        if isinstance(result, Raised):
            return result
        after = result.args_after if "inputs" in check.aspects else ()
        gradients = result.gradients if "gradients" in check.aspects else None
        return Returned(result.outputs, result.sequence, after, gradients)

    parameters = outcome.parameters
    if parameters is not None and not _looks_at_parameters(check):
        parameters = {}
    return Outcome(tuple(part(result) for result in outcome.results), parameters)


def agree(check: Check, case: Case, one: Outcome, other: Outcome) -> bool:
    """Whether two answers behave alike on a case, in what the check looks at."""
    if len(one.results) != len(other.results):
        return False
    if (one.parameters is None) != (other.parameters is None):
        return False
    if _looks_at_parameters(check):
        return _kinship(one.parameters) == _kinship(other.parameters)
    dtype = dtype_of(case)
    return all(_results_agree(check, a, b, dtype) for a, b in zip(one.results, other.results, strict=True))


def _results_agree(check: Check, a: Returned | Raised, b: Returned | Raised, dtype: torch.dtype) -> bool:
    if isinstance(a, Raised) or isinstance(b, Raised):
        return isinstance(a, Raised) and isinstance(b, Raised) and _kind_of_error(a) == _kind_of_error(b)
    if a.sequence != b.sequence or len(a.outputs) != len(b.outputs):
        return False
    chosen = (
        range(len(a.outputs)) if check.outputs is None else [i for i in check.outputs if i < len(a.outputs)]
    )
    for i in chosen:
        x, y = a.outputs[i], b.outputs[i]
        if isinstance(x, Other) or isinstance(y, Other):
            if x != y:
                return False
        elif (
            x.shape != y.shape
            or x.dtype != y.dtype
            or ("values" in check.aspects and not close(x, y, dtype, check.slack))
        ):
            return False
    if "gradients" in check.aspects and not _gradients_agree(a.gradients, b.gradients, dtype):
        return False
    if "inputs" in check.aspects:
        return all(same(x, y) for x, y in zip(a.args_after, b.args_after, strict=False))
    return True


def _kind_of_error(raised: Raised) -> tuple[str, str, str]:
    """What two exceptions share when the same mistake was made with other sizes."""
    return raised.type, raised.stage, re.sub(r"\d+", "#", raised.message)[:60]


def _gradients_agree(a: dict | None, b: dict | None, dtype: torch.dtype) -> bool:
    if a is None or b is None or a.keys() != b.keys():
        return a is b
    return all(
        (g is None and b[name] is None)
        or (g is not None and b[name] is not None and close(g, b[name], dtype))
        for name, g in a.items()
    )


def _looks_at_parameters(check: Check) -> bool:
    return "parameters" in check.aspects or "fresh" in check.aspects


def _kinship(parameters: dict[str, Tensor] | None) -> object:
    """What two ways of making the same parameters share, whatever the random numbers are."""
    if parameters is None:
        return None
    return {name: (tuple(p.shape), bool(p.isfinite().all()), constant(p)) for name, p in parameters.items()}
