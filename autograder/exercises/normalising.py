"""How a masked softmax goes wrong: pieces and mistakes shared by `masked_softmax` and by every attention
module that contains one.

A softmax is assembled from three pieces: `before(scores, mask)` hides scores, `normalise(scores, mask)`
makes weights, and `after(weights, mask)` mends them. The mask is None or a bool tensor; the pieces are told
so.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..exercise import Mistake


def assemble(
    before: Callable | None = None, normalise: Callable | None = None, after: Callable | None = None
) -> Callable:
    """A masked softmax made of the given pieces; right where none is given."""
    before, normalise, after = before or fill(-torch.inf), normalise or softmax_over(-1), after or zero_hidden

    def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return after(normalise(before(scores, mask), mask), mask)

    return masked_softmax


def fill(value: float) -> Callable:
    """Hide scores by putting a number in their place."""

    def before(scores, mask):
        return (
            scores if mask is None else scores.masked_fill(~mask, max(value, torch.finfo(scores.dtype).min))
        )

    return before


def softmax_over(axis: int) -> Callable:
    return lambda scores, mask: torch.softmax(scores, axis if -scores.dim() <= axis < scores.dim() else -1)


def zero_hidden(weights: Tensor, mask: Tensor | None) -> Tensor:
    return weights if mask is None else weights.masked_fill(~mask, 0)


def as_they_are(x: Tensor, mask: Tensor | None) -> Tensor:
    return x


def _minus_infinity(scores, mask):
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def _zero_times_infinity(scores, mask):
    if mask is None:
        return scores
    m = mask.to(scores.dtype)
    return m * scores + (1 - m) * -torch.inf


def _infinite_bias(scores, mask):
    return scores if mask is None else scores + torch.zeros_like(scores).masked_fill(~mask, -torch.inf)


def _renormalise(weights, mask):
    if mask is None:
        return weights
    kept = weights * mask
    return kept / kept.sum(-1, keepdim=True)


def _renormalise_guarded(weights, mask):
    if mask is None:
        return weights
    kept = weights * mask
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-9)


def _exp_ratio(shift: Callable, mask_in_sum: bool = True) -> Callable:
    def normalise(scores, mask):
        e = torch.exp(scores - shift(scores))
        if mask is not None and mask_in_sum:
            e = e * mask
        total = e.sum(-1, keepdim=True)
        return (
            torch.where(total == 0, 0.0, e / total.masked_fill(total == 0, 1))
            if mask is not None
            else e / total
        )

    return normalise


def _with_epsilon(epsilon: float) -> Callable:
    def normalise(scores, mask):
        e = torch.exp(scores - scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min))
        return e / (e.sum(-1, keepdim=True) + epsilon)

    return normalise


def _scaled(factor: Callable[[int], float]) -> Callable:
    return lambda scores, mask: torch.softmax(scores * factor(scores.shape[-1]), -1)


def _over_everything(scores, mask):
    return torch.softmax(scores.reshape(-1), 0).reshape(scores.shape)


def _over_rows_of_a_sample(scores, mask):
    if scores.dim() < 3:
        return _over_everything(scores, mask)
    return torch.softmax(scores.flatten(1), -1).reshape(scores.shape)


def _implicit_axis(scores, mask):
    """What F.softmax does when no axis is named."""
    return torch.softmax(scores, 0 if scores.dim() in (0, 1, 3) else 1)


def _hard(scores, mask):
    return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def _mask_in_place(weights, mask):
    return weights if mask is None else weights.masked_fill_(~mask, 0)


def _without_exp(scores, mask):
    kept = scores if mask is None else scores.masked_fill(~mask, 0)
    return kept / kept.sum(-1, keepdim=True)


def _clamped(limit: float) -> Callable:
    return lambda scores, mask: torch.softmax(
        scores.clamp(-limit, limit).masked_fill(torch.isneginf(scores), -torch.inf), -1
    )


def _inverted(scores, mask):
    return scores if mask is None else scores.masked_fill(mask, torch.finfo(scores.dtype).min)


def _keep_hidden(weights, mask):
    return weights if mask is None else weights.masked_fill(mask, 0)


def _fill_after(value: float) -> Callable:
    return lambda weights, mask: weights if mask is None else weights.masked_fill(~mask, value)


def _zero_empty_rows(weights, mask):
    return weights if mask is None else weights * mask.any(-1, keepdim=True)


def _multiply(scores, mask):
    return scores if mask is None else scores * mask


def _put(value: float) -> Callable:
    return lambda scores, mask: scores if mask is None else scores.masked_fill(~mask, value)


def _add(value: float) -> Callable:
    return lambda scores, mask: scores if mask is None else scores + (~mask).to(scores.dtype) * value


def _nan_gives(value: Callable[[int], float]) -> Callable:
    return lambda weights, mask: torch.where(
        weights.isnan(), torch.full_like(weights, value(weights.shape[-1])), weights
    )


_GLOBAL_MAXIMUM = _exp_ratio(lambda s: s.max())

SOFTMAX_MISTAKES = (
    Mistake(
        "softmax-over-queries",
        "These are the numbers one gets when the softmax runs over the queries: the columns sum to 1, the rows do not. Each query shares out one unit of attention among the keys, "
        "so which axis must sum to 1?",
        ({"normalise": softmax_over(-2)}, {"normalise": softmax_over(1)}),
    ),
    Mistake(
        "softmax-over-batch",
        "These are the numbers one gets when the softmax runs over the first axis, the batch: samples share one unit of attention among them. (With a single row every weight is 1.) "
        "Which axis holds the keys?",
        ({"normalise": softmax_over(0)}, {"normalise": _implicit_axis}),
    ),
    Mistake(
        "softmax-over-everything",
        "All rows together sum to 1: the softmax ran over several axes at once. Every row needs a sum of its own.",
        ({"normalise": _over_everything}, {"normalise": _over_rows_of_a_sample}),
    ),
    Mistake(
        "axis-counted-from-the-front",
        "This works for one number of axes only: the softmax's axis is counted from the front. The keys are always the last axis, whatever stands before it.",
        ({"normalise": lambda s, m: torch.softmax(s, 2)}, {"normalise": lambda s, m: torch.softmax(s, 1)}),
    ),
    Mistake(
        "mask-missing",
        "The mask has no effect: padding takes part of the attention. Was it used at all, or was a result such as that of `scores.masked_fill(...)` (which returns a new tensor) thrown away?",
        ({"before": as_they_are, "after": as_they_are},),
    ),
    Mistake(
        "mask-inverted",
        "The mask is read the wrong way round: only the padding is attended to. True means a real token here.",
        (
            {"before": _inverted, "after": _keep_hidden},
            {"before": _inverted, "after": as_they_are},
            {"before": _inverted},
            {"before": as_they_are, "after": _keep_hidden},
        ),
    ),
    Mistake(
        "mask-after-softmax",
        "The hidden weights are set to 0 after the softmax, so the weights that remain no longer sum to 1. Hide the scores before the softmax.",
        ({"before": as_they_are},),
    ),
    Mistake(
        "masked-scores-set-to-zero",
        "A hidden score was set to 0 (or nearly 0), but e⁰ = 1: the padding still gets weight. What must a score be so that its exponential is 0?",
        (
            {"before": _multiply, "after": as_they_are},
            {"before": _multiply},
            {"before": _put(0.0), "after": as_they_are},
            {"before": _put(0.0)},
            {"before": _put(1e-9), "after": as_they_are},
            {"before": _put(-1e-9), "after": as_they_are},
        ),
    ),
    Mistake(
        "nan-on-empty-row",
        "A row with nothing to attend to gives NaN: every score is −∞, and the softmax divides 0 by 0. Say what such a row should be, and see to it that no NaN is made on the way.",
        (
            {"before": _minus_infinity, "after": as_they_are},
            {"before": _minus_infinity, "after": lambda w, m: w if m is None else w * m},
            {"after": _renormalise},
            {"before": as_they_are, "after": _renormalise},
        ),
    ),
    Mistake(
        "uniform-on-empty-row",
        "A row with nothing to attend to spreads its weight evenly over the padding: when all scores are equally low, the softmax sees no difference. Such a row must be all 0.",
        (
            {"after": as_they_are, "before": fill(-3.4e38)},
            {"after": as_they_are, "before": _put(-1e9)},
            {"after": as_they_are, "before": _add(-1e9)},
            {"before": _minus_infinity, "after": _nan_gives(lambda n: 1 / n)},
        ),
    ),
    Mistake(
        "one-on-empty-row",
        "A row with nothing to attend to still gets weight. Its weights must all be 0.",
        ({"before": _minus_infinity, "after": _nan_gives(lambda n: 1.0)},),
    ),
    Mistake(
        "nan-gradient-on-empty-row",
        "The weights are right, but the gradient is NaN where a row has nothing to attend to: NaN was made on the way and replaced afterwards, and the backward pass still goes through it. "
        "Replace the scores (masked_fill blocks the gradient) instead of adding −∞ to them.",
        ({"before": _infinite_bias, "after": lambda w, m: torch.nan_to_num(w)},),
    ),
    Mistake(
        "zero-times-infinity",
        "NaN comes from 0 · ∞: multiplying −∞ by a mask of 0 does not give 0. Choose between two values with torch.where or masked_fill instead of multiplying.",
        ({"before": _zero_times_infinity, "after": as_they_are}, {"before": _zero_times_infinity}),
    ),
    Mistake(
        "naive-exp",
        "Large scores overflow: e⁸⁹ is already more than float32 can hold, and ∞/∞ is NaN. The softmax does not change when the same number is taken from all scores of a row: which number helps?",
        (
            {"normalise": _exp_ratio(lambda s: 0.0)},
            {"normalise": lambda s, m: torch.exp(s) / torch.exp(s).sum(-1, keepdim=True)},
            {"normalise": lambda s, m: torch.exp(s) / (torch.exp(s).sum(-1, keepdim=True) + 1e-9)},
            {"before": as_they_are, "normalise": _exp_ratio(lambda s: 0.0)},
        ),
    ),
    Mistake(
        "global-maximum",
        "The maximum of all scores is taken from every row. A row far below it underflows to 0/0. Each row needs its own maximum.",
        (
            {"normalise": lambda s, m: torch.exp(s - s.max()) / torch.exp(s - s.max()).sum(-1, keepdim=True)},
            {"normalise": _GLOBAL_MAXIMUM},
            {"before": as_they_are, "normalise": _GLOBAL_MAXIMUM},
        ),
    ),
    Mistake(
        "maximum-counts-masked",
        "Hidden scores still take part before they are taken out: where padding scores far above the real tokens, the real ones underflow to 0. Hide the scores first, then find the maximum.",
        (
            {"before": as_they_are, "normalise": _exp_ratio(lambda s: s.amax(-1, keepdim=True))},
            {"before": as_they_are, "after": _renormalise_guarded},
        ),
    ),
    Mistake(
        "mask-fill-too-small",
        "The hidden scores are lowered by a number that is not low enough: a real score can be lower still, and padding then gets weight. Use minus infinity or the dtype's lowest number.",
        tuple(
            {"before": make(value), "after": after}
            for make, values, afters in (
                (_put, (-1.0, -10.0, -100.0, -1e3, -1e4), (as_they_are, zero_hidden, _zero_empty_rows)),
                # With zero_hidden too, a sum is a mistake of another name: hidden scores count in the maximum.
                (_add, (-1.0, -10.0, -100.0), (as_they_are, _zero_empty_rows)),
            )
            for value in values
            for after in afters
        ),
    ),
    Mistake(
        "in-place-on-softmax-output",
        "The softmax's own result is overwritten in place, and its backward pass needs that result: torch refuses. Make a new tensor (masked_fill without the underscore).",
        ({"after": _mask_in_place},),
    ),
    Mistake(
        "softmax-twice",
        "The weights went through a softmax twice: they come out too even. A weight is already a share; do not normalise it again.",
        (
            {"after": lambda w, m: zero_hidden(torch.softmax(w, -1), m)},
            {"after": lambda w, m: torch.softmax(w, -1)},
            {
                "after": lambda w, m: torch.softmax(
                    zero_hidden(w, m).masked_fill(~m, -1e9) if m is not None else w, -1
                )
            },
        ),
    ),
    Mistake(
        "divides-without-exp",
        "The scores are divided by their sum, without the exponential. Scores may be negative; the exponential makes shares of them.",
        ({"normalise": _without_exp}, {"before": as_they_are, "normalise": _without_exp}),
    ),
    Mistake(
        "wrong-scale",
        "The scores are divided or multiplied by something before the softmax: the weights are too flat or too sharp. No scale is asked for here.",
        (
            *(
                {"normalise": _scaled(f)}
                for f in (
                    lambda n: n**-0.5,
                    lambda n: 1 / n,
                    lambda n: 0.5,
                    lambda n: 2.0,
                    lambda n: 10.0,
                    lambda n: 0.1,
                )
            ),
            {"normalise": lambda s, m: zero_hidden(torch.softmax(s, -1), m) / s.shape[-1]},
        ),
    ),
    Mistake(
        "base-two",
        "The weights come from 2ˣ where the softmax has eˣ.",
        ({"normalise": lambda s, m: torch.softmax(s * 0.6931471805599453, -1)},),
    ),
    Mistake(
        "softmin",
        "The lowest score gets the largest weight: the sign of the scores is turned.",
        ({"normalise": lambda s, m: torch.softmax((-s).masked_fill(torch.isneginf(s), -torch.inf), -1)},),
    ),
    Mistake(
        "log-softmax",
        "These are logarithms of weights. Attention needs the weights themselves.",
        (
            {"normalise": lambda s, m: torch.log_softmax(s, -1)},
            {"normalise": lambda s, m: torch.log_softmax(s, -1), "after": as_they_are},
        ),
    ),
    Mistake(
        "sigmoid-instead-of-softmax",
        "Each score was squashed by itself, as a sigmoid does: the weights do not compete and do not sum to 1.",
        ({"normalise": lambda s, m: torch.sigmoid(s)},),
    ),
    Mistake(
        "not-normalised",
        "The weights do not sum to 1: the exponentials still have to be divided by their sum.",
        (
            {"normalise": lambda s, m: torch.exp(s)},
            {"normalise": lambda s, m: torch.exp(s - s.amax(-1, keepdim=True))},
        ),
    ),
    Mistake(
        "clamped-scores",
        "Large scores are cut off before the softmax, so that two different large scores get the same weight. Take the row's maximum away instead: it changes nothing else.",
        tuple({"normalise": _clamped(limit)} for limit in (5, 10, 20, 50, 80, 88, 100, 1000)),
    ),
    Mistake(
        "epsilon-too-large",
        "The number added to the denominator is large enough to be seen: the weights sum to less than 1. After the row's maximum is taken away the sum is at least 1, and nothing has to be added.",
        tuple({"normalise": _with_epsilon(e)} for e in (1.0, 0.1, 1e-2, 1e-3)),
    ),
    Mistake(
        "hard-maximum",
        "All weight goes to the largest score. A softmax shares it out, and only so does a gradient flow.",
        ({"normalise": _hard},),
    ),
    Mistake(
        "hidden-weights-not-zero",
        "Hidden places get a tiny weight, or a fill value, instead of exactly 0.",
        (
            {"after": _fill_after(1e-9)},
            {"after": _fill_after(-1e9)},
            {"after": _fill_after(-torch.inf)},
            {"after": lambda w, m: w + 1e-4},
        ),
    ),
    Mistake(
        "ignores-the-scores",
        "Every key that may be attended to gets the same weight, whatever the scores are.",
        (
            {
                "normalise": lambda s, m: torch.softmax(
                    torch.where(torch.isneginf(s), s, torch.zeros_like(s)), -1
                )
            },
        ),
    ),
)
"""Mistakes in the pieces `before`, `normalise` and `after`."""
