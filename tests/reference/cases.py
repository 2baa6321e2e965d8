"""One case for each answer and each kind of mask: how to call it, its oracle, and inputs for it.

Modules are called as functions of their parameters too. So every test treats all answers alike.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

import seqattn_ref as ref

from . import oracle

DTYPES = [torch.float64, torch.float32, torch.bfloat16]


class Sizes(NamedTuple):
    B: int
    T: int
    S: int
    Dq: int
    Dk: int
    A: int


DISTINCT = Sizes(B=3, T=4, S=5, Dq=6, Dk=7, A=8)
SIZES = {
    "distinct": DISTINCT,
    "equal": Sizes(4, 4, 4, 4, 4, 4),
    "one sample": DISTINCT._replace(B=1),
    "one query": DISTINCT._replace(T=1),
    "one key": DISTINCT._replace(S=1),
    "one unit": DISTINCT._replace(A=1),
    "all one": Sizes(1, 1, 1, 1, 1, 1),
}


class Draw:
    """Inputs in float64, the same for the same sizes and seed."""

    def __init__(self, sizes: Sizes = DISTINCT, seed: int = 0):
        self.sizes = sizes
        self.generator = torch.Generator().manual_seed(seed)

    def real(self, *axes: str | int) -> Tensor:
        shape = [getattr(self.sizes, axis) if isinstance(axis, str) else axis for axis in axes]
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def padding(self) -> Tensor:
        """(B, S): the first sample whole, then shorter ones, the last empty unless it is the only one."""
        B, S = self.sizes.B, self.sizes.S
        lengths = [S - b * S // max(B - 1, 1) for b in range(B)]
        return torch.tensor([[j < length for j in range(S)] for length in lengths])

    def holes(self) -> Tensor:
        """(B, T, S): other places for each query. The last query of the last sample has none."""
        B, T, S = self.sizes.B, self.sizes.T, self.sizes.S
        mask = torch.rand(B, T, S, generator=self.generator) < 0.6
        mask[-1, -1] = False
        return mask

    def weights(self) -> Tensor:
        """(B, T, S): rows that sum to 1, the last one empty."""
        weights = torch.softmax(self.real("B", "T", "S"), dim=-1)
        weights[-1, -1] = 0
        return weights


# A module whose parameters are given needs making only once.
AdditiveAttention, BilinearAttention, Attention = map(
    cache, (ref.AdditiveAttention, ref.BilinearAttention, ref.Attention)
)


def additive_attention(queries, keys, mask, W_q, W_k, v):
    module = AdditiveAttention(queries.shape[-1], keys.shape[-1], v.shape[-1])
    return functional_call(
        module, {"W_q.weight": W_q, "W_k.weight": W_k, "v.weight": v}, (queries, keys, mask)
    )


def bilinear_attention(queries, keys, mask, W):
    module = BilinearAttention(queries.shape[-1], keys.shape[-1])
    return functional_call(module, {"W": W}, (queries, keys, mask))


def attention(y, h, W):
    return functional_call(Attention(y.shape[-1], h.shape[-1]), {"W": W}, (y, h))


class Case(NamedTuple):
    answer: Callable
    oracle: Callable
    inputs: Callable[[Draw], tuple]


def _additive_parameters(draw: Draw) -> tuple[Tensor, Tensor]:
    return draw.real("A", "Dq"), draw.real("A", "Dk")


def _additive(mask: Callable[[Draw], Tensor | None]) -> Case:
    def inputs(draw: Draw) -> tuple:
        queries, keys = draw.real("B", "T", "Dq"), draw.real("B", "S", "Dk")
        return queries, keys, mask(draw), *_additive_parameters(draw), draw.real(1, "A")

    return Case(additive_attention, oracle.additive_attention, inputs)


def _bilinear(mask: Callable[[Draw], Tensor | None]) -> Case:
    def inputs(draw: Draw) -> tuple:
        queries, keys = draw.real("B", "T", "Dq"), draw.real("B", "S", "Dk")
        return queries, keys, mask(draw), draw.real("Dq", "Dk")

    return Case(bilinear_attention, oracle.bilinear_attention, inputs)


CASES = {
    "masked_mean": Case(
        ref.masked_mean, oracle.masked_mean, lambda draw: (draw.real("B", "S", "Dk"), draw.padding())
    ),
    "masked_softmax": Case(
        ref.masked_softmax, oracle.masked_softmax, lambda draw: (draw.real("B", "T", "S"), draw.holes())
    ),
    "softmax_backward": Case(
        ref.softmax_backward, oracle.softmax_backward, lambda draw: (draw.weights(), draw.real("B", "T", "S"))
    ),
    "context_vector": Case(
        ref.context_vector, oracle.context_vector, lambda draw: (draw.weights(), draw.real("B", "S", "Dk"))
    ),
    "dot_scores": Case(
        ref.dot_scores, oracle.dot_scores, lambda draw: (draw.real("B", "T", "Dk"), draw.real("B", "S", "Dk"))
    ),
    "additive_score": Case(
        ref.additive_score,
        oracle.additive_score,
        lambda draw: (draw.real("Dq"), draw.real("Dk"), *_additive_parameters(draw), draw.real("A")),
    ),
    "additive_scores": Case(
        ref.additive_scores,
        oracle.additive_scores,
        lambda draw: (
            draw.real("B", "T", "Dq"),
            draw.real("B", "S", "Dk"),
            *_additive_parameters(draw),
            draw.real("A"),
        ),
    ),
    "bilinear_scores": Case(
        ref.bilinear_scores,
        oracle.bilinear_scores,
        lambda draw: (draw.real("B", "T", "Dq"), draw.real("B", "S", "Dk"), draw.real("Dq", "Dk")),
    ),
    "AdditiveAttention": _additive(lambda draw: None),
    "AdditiveAttention, mask (B, S)": _additive(Draw.padding),
    "AdditiveAttention, mask (B, T, S)": _additive(Draw.holes),
    "BilinearAttention": _bilinear(lambda draw: None),
    "BilinearAttention, mask (B, S)": _bilinear(Draw.padding),
    "BilinearAttention, mask (B, T, S)": _bilinear(Draw.holes),
    "Attention": Case(
        attention,
        oracle.attention,
        lambda draw: (draw.real("T", "Dq"), draw.real("S", "Dk"), draw.real("Dq", "Dk")),
    ),
}


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
