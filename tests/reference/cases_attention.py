"""Cases of lessons 00 and 04 to 06: masks, scores and attention, with each kind of mask."""

from collections.abc import Callable
from functools import cache

from torch import Tensor

import seqattn_ref as ref

from . import oracle
from .calls import Case, call_module
from .draw import Draw

# A module whose parameters are given needs making only once.
AdditiveAttention, BilinearAttention, Attention = map(
    cache, (ref.AdditiveAttention, ref.BilinearAttention, ref.Attention)
)


def additive_attention(queries, keys, mask, W_q, W_k, v):
    module = AdditiveAttention(queries.shape[-1], keys.shape[-1], v.shape[-1])
    return call_module(module, (W_q, W_k, v), queries, keys, mask)


def bilinear_attention(queries, keys, mask, W):
    module = BilinearAttention(queries.shape[-1], keys.shape[-1])
    return call_module(module, (W,), queries, keys, mask)


def attention(y, h, W):
    return call_module(Attention(y.shape[-1], h.shape[-1]), (W,), y, h)


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


ATTENTION = {
    "masked_mean": Case(
        ref.masked_mean, oracle.masked_mean, lambda draw: (draw.real("B", "S", "Dk"), draw.padding())
    ),
    "masked_softmax": Case(
        ref.masked_softmax, oracle.masked_softmax, lambda draw: (draw.real("B", "T", "S"), draw.holes())
    ),
    "softmax_backward": Case(
        ref.softmax_backward,
        oracle.softmax_backward,
        lambda draw: (draw.weights("B", "T", "S"), draw.real("B", "T", "S")),
    ),
    "context_vector": Case(
        ref.context_vector,
        oracle.context_vector,
        lambda draw: (draw.weights("B", "T", "S"), draw.real("B", "S", "Dk")),
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
    "alignment_gradient": Case(
        ref.alignment_gradient,
        oracle.alignment_gradient,
        lambda draw: (
            draw.real("B", "Dq"),
            draw.real("B", "S", "Dk"),
            draw.weights("B", "S"),
            draw.real("B", "Dk"),
        ),
    ),
    "Attention": Case(
        attention,
        oracle.attention,
        lambda draw: (draw.real("T", "Dq"), draw.real("S", "Dk"), draw.real("Dq", "Dk")),
    ),
}
