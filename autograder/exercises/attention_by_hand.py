"""Exercises of lesson 04: softmax with a mask, the weighted sum, dot-product scores, and the gradient through a softmax."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..sandbox.case import Call, Case
from .anywhere import ANY_FUNCTION, APPLIED_AFTERWARDS, PAIRWISE, SCRAMBLED_BY_VIEW, SQUASHED, without
from .common import Function, ask, finite_gradients, function_checks, wrapped
from .normalising import SOFTMAX_MISTAKES, assemble

LESSON = "04_attention_by_hand"

# ---- masked_softmax


def _build_masked_softmax(outer=None, **pieces):
    answer = assemble(**pieces)
    return wrapped(outer, lambda scores, mask=None: answer(scores, mask))


def _empty_row_mask(draw: Draw, *shape: int) -> Tensor:
    """A mask with a hidden place in every row and one row with nothing to attend to."""
    mask = draw.scattered_mask(*shape)
    mask.view(-1, shape[-1])[draw.integer(0, mask.numel() // shape[-1] - 1)] = False
    return mask


def _softmax_shapes(draw: Draw) -> Iterator[Case]:
    b, t, s = draw.distinct(3, 2, 6)
    yield ask(draw.normal(b, t, s))
    yield ask(draw.normal(s))
    yield ask(draw.normal(t, s), draw.prefix_mask(t, s) if s > 1 else None)
    yield ask(draw.normal(1, t, s), draw.prefix_mask(1, s)[:, None])
    yield ask(draw.normal(b, 1, 1))


def _softmax_plain(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
    yield ask(torch.tensor([[1.0, 2.0, 4.0]]))
    yield ask(draw.whole(1, 2, 3))
    b, t, s = draw.distinct(3, 2, 6)
    yield ask(draw.normal(b, t, s, scale=2))
    yield ask(draw.normal(3, 3, 3, scale=2))
    yield ask(draw.normal(4, scale=2))
    yield ask(draw.normal(2, 3, 2, 4, scale=2))
    yield ask(draw.normal(2, 3, 1))
    yield ask(torch.zeros(2, 3))
    yield ask(draw.normal(2, 1, 13))


def _softmax_masked(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[True, True, False]]))
    yield ask(draw.whole(2, 2, 3), torch.tensor([[[True, True, False]], [[True, False, False]]]))
    b, t, s = draw.distinct(3, 3, 6)
    yield ask(draw.normal(b, t, s), draw.scattered_mask(b, t, s))
    yield ask(draw.normal(b, t, s), draw.prefix_mask(b, s)[:, None])
    yield ask(draw.normal(b, t, s), draw.scattered_mask(t, s))
    yield ask(draw.normal(3, 3, 3), draw.scattered_mask(3, 3, 3))
    yield ask(draw.normal(s), draw.scattered_mask(s))
    yield ask(draw.normal(2, b, t, s), draw.scattered_mask(2, 1, 1, s))
    yield ask(torch.zeros(2, 3), torch.tensor([[True, True, False], [True, True, True]]))


def _hides_exactly(case: Case, outcome) -> str | None:
    scores, mask = case.calls[0].args
    weights = outcome.results[0].outputs[0]
    if bool((weights[~mask.expand_as(scores)] != 0).any()):
        return "Hidden places should get a weight of exactly 0; some get a tiny weight."
    return None


def _softmax_empty(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[True, True], [False, False]]))
    b, t, s = draw.distinct(3, 3, 6)
    yield ask(draw.normal(b, t, s), _empty_row_mask(draw, b, t, s))
    lengths = draw.lengths(b, s)
    lengths[draw.integer(0, b - 1)] = 0
    yield ask(draw.normal(b, t, s), (torch.arange(s) < lengths[:, None])[:, None])
    yield ask(draw.normal(1, 1, 3), torch.zeros(1, 1, 3, dtype=torch.bool))
    yield ask(torch.tensor([[2.0], [3.0]]), torch.tensor([[True], [False]]))


def _softmax_large(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[100.0, 101.0]]))
    yield ask(torch.tensor([[-200.0, -201.0, 9000.0]]), torch.tensor([[True, True, False]]))
    yield ask(torch.tensor([[10000.0, 9999.0, 9998.0], [-10000.0, -9999.0, -9997.0]]))
    yield ask(torch.tensor([[-10000.0, -9998.0, 3.0, 10000.0]]), torch.tensor([[True, True, False, False]]))
    yield ask(
        torch.tensor([[10000.0, 10001.0, -10000.0], [2.0, 1.0, 10000.0]]),
        torch.tensor([[True, True, False], [True, True, False]]),
    )
    yield ask(torch.tensor([[1e4, -1e4], [-1e4, 1e4]]), torch.tensor([[False, True], [False, False]]))
    yield ask(draw.normal(2, 3, 4, scale=1) + 300.0 * draw.whole(2, 3, 1, low=-9, high=9))
    far = torch.tensor([[0.0, 10000.0, -10000.0], [-300.0, 0.0, 10000.0]])
    yield ask(far, torch.tensor([[True, True, True], [True, True, False]]), cotangents=(draw.normal(2, 3),))
    yield ask(far, cotangents=(draw.normal(2, 3),))
    row = draw.normal(1, 3, 5) + torch.tensor([[[-10000.0], [0.0], [10000.0]]]).round()
    yield ask(row.round(), draw.scattered_mask(1, 3, 5))


def _softmax_gradients(draw: Draw) -> Iterator[Case]:
    b, t, s = draw.distinct(3, 3, 5)
    yield ask(draw.whole(1, 2, 3), cotangents=(draw.whole(1, 2, 3),))
    yield ask(draw.normal(b, t, s), cotangents=(draw.normal(b, t, s),))
    yield ask(draw.normal(b, t, s), draw.scattered_mask(b, t, s), cotangents=(draw.normal(b, t, s),))
    yield ask(
        torch.tensor([[1.0, 2.0], [0.0, 3.0]]),
        torch.tensor([[True, True], [False, False]]),
        cotangents=(torch.tensor([[1.0, 2.0], [3.0, 4.0]]),),
    )
    yield ask(draw.normal(b, t, s), _empty_row_mask(draw, b, t, s), cotangents=(draw.normal(b, t, s),))


def _softmax_robust(draw: Draw) -> Iterator[Case]:
    yield ask(draw.whole(2, 3), draw.scattered_mask(2, 3))
    yield ask(draw.strided(draw.normal(2, 3, 4)), draw.strided(draw.scattered_mask(2, 3, 4)))
    yield ask(draw.normal(2, 3, 4, dtype=torch.float64), draw.scattered_mask(2, 3, 4))
    yield ask(draw.normal(2, 3, 4, dtype=torch.float64))
    yield ask(draw.quarters(2, 3, 4), _empty_row_mask(draw, 2, 3, 4))
    yield ask(draw.quarters(2, 3, 4))
    yield ask(draw.normal(2, 3), torch.tensor([[True, False, True], [False, False, False]]))
    again = Call((draw.normal(2, 3, 4), draw.prefix_mask(2, 4)[:, None]))
    alike = Call((draw.normal(2, 3, 4), draw.prefix_mask(2, 4)[:, None]))
    bare = Call((draw.normal(2, 3, 4),))
    yield Case((again, alike, bare, Call((draw.normal(3, 2, 5), draw.prefix_mask(3, 5)[:, None])), again))


MASKED_SOFTMAX = Exercise(
    name="masked_softmax",
    lesson=LESSON,
    asked="Softmax of the scores (…, S) over their last axis, over the places where the mask is True; other places get 0, and a row without any True is all 0.",
    arguments=("scores", "mask"),
    returns=("weights",),
    reference=seqattn_ref.masked_softmax,
    build=_build_masked_softmax,
    checks=(
        Check("The weights have the shape of the scores", 0.5, _softmax_shapes, ("shape",)),
        Check("Without a mask it is the softmax over the last axis", 1, _softmax_plain),
        Check(
            "Hidden places get exactly 0, the others sum to 1; the mask broadcasts",
            1,
            _softmax_masked,
            also=_hides_exactly,
        ),
        Check("A row with nothing to attend to is all 0", 0.5, _softmax_empty, also=_hides_exactly),
        Check(
            "Scores of ±10,000 do no harm, hidden or not",
            0.5,
            _softmax_large,
            also=finite_gradients,
            slack=20,
        ),
        Check(
            "Gradients reach the scores and are finite, also for an empty row",
            1,
            _softmax_gradients,
            ("gradients",),
        ),
        Check(
            "It works in float64 and bfloat16, on any memory layout, and leaves its inputs as they were",
            0.5,
            _softmax_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        *SOFTMAX_MISTAKES,
        Mistake(
            "mask-of-the-first-sample",
            "Every sample gets the mask of the first one.",
            (
                {"outer": lambda f: lambda scores, mask=None: f(scores, mask if mask is None else mask[:1])},
                {"outer": lambda f: lambda scores, mask=None: f(scores, mask if mask is None else mask[0])},
            ),
        ),
        Mistake(
            "mask-read-as-lengths",
            "The mask is turned into a length, so that holes in it move to the end. Use the mask as it is.",
            (
                {
                    "outer": lambda f: (
                        lambda scores, mask=None: f(
                            scores,
                            mask
                            if mask is None
                            else torch.arange(mask.shape[-1]) < mask.sum(-1, keepdim=True),
                        )
                    )
                },
            ),
        ),
        Mistake(
            "mask-required",
            "Without a mask the call fails. The mask is optional: give it the default None and treat that case.",
            (
                {"outer": lambda f: lambda scores, mask=None: f(scores, mask.bool())},
                {"outer": lambda f: lambda scores, mask: f(scores, mask)},
                {"outer": lambda f: lambda scores, mask=None: f(scores, ~(~mask))},
                {
                    "outer": lambda f: (
                        lambda scores, mask=None: (
                            f(scores, mask == 1) if scores.masked_fill(mask == 0, 0) is not None else None
                        )
                    )
                },
            ),
        ),
        Mistake(
            "mask-not-broadcast",
            "The mask must have the very shape of the scores here. A mask of shape (B, 1, S) should serve all queries: expand or broadcast it.",
            (
                {
                    "outer": lambda f: (
                        lambda scores, mask=None: f(scores, None if mask is None else mask.view(scores.shape))
                    )
                },
                {
                    "outer": lambda f: (
                        lambda scores, mask=None: f(
                            scores, None if mask is None else mask.reshape(scores.shape)
                        )
                    )
                },
                {"before": lambda s, m: s if m is None else _assigned(s, m)},
            ),
        ),
        Mistake(
            "changes-its-input",
            "The scores are overwritten in place: the caller finds other numbers in its tensor afterwards. `masked_fill_` and `scores[...] = …` write into what they are given.",
            (
                {"before": lambda s, m: s if m is None else s.masked_fill_(~m, -1e38)},
                {
                    "before": lambda s, m: (
                        s.sub_(s.amax(-1, keepdim=True)) if m is None else s.masked_fill(~m, -1e38)
                    )
                },
            ),
        ),
        *ANY_FUNCTION,
    ),
    hints=(
        "Take it in two steps: first make the hidden scores so low that their exponential is 0, then apply the softmax over the last axis.",
        "The mask is True where a score counts, so the places to hide are ~mask. masked_fill returns a new tensor; the caller's scores stay as they are.",
        "If all scores of a row are equally low, the softmax shares the weight out evenly. So set the hidden weights to 0 once more after the softmax.",
        "Minus infinity everywhere in a row makes 0/0 = NaN. The lowest finite number of the dtype, torch.finfo(scores.dtype).min, does not.",
    ),
)


def _assigned(scores: Tensor, mask: Tensor) -> Tensor:
    copy = scores.clone()
    copy[~mask] = -torch.inf
    return copy


# ---- context_vector


def _build_context_vector(mix=None, outer=None):
    return wrapped(outer, mix or (lambda weights, values: weights @ values))


def weigh(fill, sizes) -> tuple[Tensor, Tensor]:
    return fill(sizes["B"], sizes["T"], sizes["S"]), fill(sizes["B"], sizes["S"], sizes["D"])


_CONTEXT = Function(
    "B T S D",
    weigh,
    lambda z: (z["B"], z["T"], z["D"]),
    ({"B": 1, "T": 1, "S": 2, "D": 1}, {"B": 1, "T": 2, "S": 3, "D": 2}, {"B": 2, "T": 1, "S": 2, "D": 2}),
)


def _context_large(draw: Draw) -> Iterator[Case]:
    weights = torch.softmax(draw.normal(2, 2, 3), -1)
    yield ask(weights, 1e4 * draw.whole(2, 3, 2))
    yield ask(torch.tensor([[[0.0, 0.0], [0.5, 0.5]]]), draw.nonzero(1, 2, 2))
    yield ask(
        weights.masked_fill(torch.tensor([True, False, False]), 0),
        draw.normal(2, 3, 2) * torch.tensor([[1e4], [1.0], [1.0]]),
    )


CONTEXT_MISTAKES = (
    Mistake(
        "mean-instead-of-weighted-sum",
        "The states are averaged evenly: the weights play no part. Each state must count as much as its weight says.",
        (
            {"mix": lambda w, v: v.mean(1, keepdim=True).expand(-1, w.shape[1], -1)},
            {"mix": lambda w, v: v.sum(1, keepdim=True).expand(-1, w.shape[1], -1)},
        ),
    ),
    Mistake(
        "weights-transposed",
        "The weights are used the other way round: row and column have changed places. Row i of the weights belongs to query i and has one entry for each state.",
        (
            {"mix": lambda w, v: w.transpose(1, 2) @ v},
            {"mix": lambda w, v: w.reshape(w.shape[0], w.shape[2], w.shape[1]) @ v},
        ),
    ),
    Mistake(
        "same-context-for-all",
        "Every query gets the same context. Each query has weights of its own.",
        (
            {"mix": lambda w, v: (w[:, :1] @ v).expand(-1, w.shape[1], -1)},
            {"mix": lambda w, v: (w[:, -1:] @ v).expand(-1, w.shape[1], -1)},
            {"mix": lambda w, v: (w.mean(1, keepdim=True) @ v).expand(-1, w.shape[1], -1)},
            {"mix": lambda w, v: (w.sum(1, keepdim=True) @ v).expand(-1, w.shape[1], -1)},
        ),
    ),
    Mistake(
        "softmax-twice",
        "The weights went through another softmax. They are weights already: use them as they are.",
        ({"mix": lambda w, v: torch.softmax(w, -1) @ v},),
    ),
    Mistake(
        "weights-renormalised",
        "The weights are divided by their sum once more. Use them as they are: they need not sum to 1 here.",
        ({"mix": lambda w, v: (w / w.sum(-1, keepdim=True)) @ v},),
    ),
    Mistake(
        "hard-maximum",
        "Only the state with the largest weight is taken. The context is a sum over all states, each times its weight.",
        ({"mix": lambda w, v: v.gather(1, w.argmax(-1, keepdim=True).expand(-1, -1, v.shape[-1]))},),
    ),
    Mistake(
        "sum-missing",
        "The products of weight and state are there, but they are not summed over the states.",
        ({"mix": lambda w, v: w[..., None] * v[:, None]},),
    ),
    Mistake(
        "divided-by-length",
        "The sum is divided by the number of states. The weights already say how much each state counts.",
        ({"mix": lambda w, v: (w[..., None] * v[:, None]).mean(2)},),
    ),
    Mistake(
        "last-state-lost",
        "The last (or the first) state is left out of the sum: look at where a loop or a slice ends.",
        ({"mix": lambda w, v: w[..., :-1] @ v[:, :-1]}, {"mix": lambda w, v: w[..., 1:] @ v[:, 1:]}),
    ),
    Mistake(
        "something-added-to-the-context",
        "The context holds more than the weighted sum: the states, or a squashing function, come on top.",
        (
            {"mix": lambda w, v: w @ v + v.mean(1, keepdim=True)},
            {"mix": lambda w, v: w @ v + v.sum(1, keepdim=True)},
            {"mix": lambda w, v: torch.tanh(w @ v)},
        ),
    ),
    Mistake(
        "small-weights-dropped",
        "Small weights are rounded or left out. Every state counts as much as its weight says, however little.",
        (
            {"mix": lambda w, v: w.masked_fill(w < 0.05, 0) @ v},
            {"mix": lambda w, v: (w * 100).round() / 100 @ v},
            {"mix": lambda w, v: w.masked_fill(w < 0.01, 0) @ v},
        ),
    ),
    Mistake(
        "returns-the-weights",
        "The weights themselves come back. The context is what they make of the values.",
        ({"mix": lambda w, v: w.clone()},),
    ),
    Mistake(
        "gradient-cut",
        "The numbers are right, but no gradient reaches one of the factors: the weights or the states were detached.",
        ({"mix": lambda w, v: w.detach() @ v}, {"mix": lambda w, v: w @ v.detach()}),
    ),
)

CONTEXT_VECTOR = Exercise(
    name="context_vector",
    lesson=LESSON,
    asked="For weights (B, T, S) and values (B, S, D), give for each query the sum of the values, each times its weight: zⁱ = Σ_j α_ij h^j, (B, T, D).",
    arguments=("weights (B, T, S)", "values (B, S, D)"),
    returns=("context (B, T, D)",),
    reference=seqattn_ref.context_vector,
    build=_build_context_vector,
    checks=function_checks(
        _CONTEXT,
        "The context has shape (B, T, D)",
        "Row i is the sum of the values, each times its weight α_ij",
        "Gradients reach the weights and the values",
        (0.5, 1, 0.5, 0.5, 0.5),
        _context_large,
    ),
    mistakes=(*CONTEXT_MISTAKES, *without(PAIRWISE, "same-query-for-all"), *ANY_FUNCTION),
    hints=(
        "Work out one query first: with weights (0.5, 0.5, 0) the context is the mean of the first two states.",
        "For one sample this is a matrix product: which of (T, S) and (S, D) comes first?",
        "torch.bmm, or the @ operator, multiplies the matrices of every sample at once.",
    ),
)

# ---- dot_scores


def _build_dot_scores(score=None, outer=None):
    return wrapped(outer, score or (lambda queries, keys: queries @ keys.transpose(1, 2)))


_DOT = Function(
    "B T S D",
    lambda fill, z: (fill(z["B"], z["T"], z["D"]), fill(z["B"], z["S"], z["D"])),
    lambda z: (z["B"], z["T"], z["S"]),
    ({"B": 1, "T": 1, "S": 2, "D": 2}, {"B": 1, "T": 2, "S": 3, "D": 2}, {"B": 2, "T": 2, "S": 3, "D": 2}),
)


def _dot_large(draw: Draw) -> Iterator[Case]:
    yield ask(1e4 * draw.whole(2, 2, 2, low=1), draw.whole(2, 3, 2))
    yield ask(draw.whole(1, 2, 2, low=1), torch.tensor([[[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]]]))


def _cosine(q: Tensor, k: Tensor) -> Tensor:
    return torch.nn.functional.normalize(q, dim=-1) @ torch.nn.functional.normalize(k, dim=-1).transpose(1, 2)


ALREADY_SOFTMAXED = Mistake(
    "softmax-in-the-scores",
    "These are weights, not scores: a softmax has been applied. The score function stops before it.",
    ({"outer": lambda f: lambda *a: torch.softmax(f(*a), -1)},),
)

DOT_SCORES = Exercise(
    name="dot_scores",
    lesson=LESSON,
    asked="For queries (B, T, D) and keys (B, S, D), give the dot product of every query with every key of the same sample, (B, T, S), without any scaling.",
    arguments=("queries (B, T, D)", "keys (B, S, D)"),
    returns=("scores (B, T, S)",),
    reference=seqattn_ref.dot_scores,
    build=_build_dot_scores,
    checks=function_checks(
        _DOT,
        "The scores have shape (B, T, S)",
        "e_ij is the dot product of query i and key j",
        "Gradients reach the queries and the keys",
        (0.5, 1, 0.5, 0.5, 0.5),
        _dot_large,
    ),
    mistakes=(
        Mistake(
            "needless-scaling",
            "The dot products are divided by √D (or by D). Here the plain, unscaled score is asked for.",
            (
                {"score": lambda q, k: q @ k.transpose(1, 2) / q.shape[-1] ** 0.5},
                {"score": lambda q, k: q @ k.transpose(1, 2) / q.shape[-1]},
                {"score": lambda q, k: q @ k.transpose(1, 2) * q.shape[-1] ** 0.5},
                {"score": lambda q, k: q @ k.transpose(1, 2) / k.shape[1] ** 0.5},
            ),
        ),
        Mistake(
            "cosine-instead-of-dot",
            "The vectors were brought to length 1 first: these are cosines. The dot product keeps their lengths.",
            (
                {"score": _cosine},
                {"score": lambda q, k: q @ torch.nn.functional.normalize(k, dim=-1).transpose(1, 2)},
                {"score": lambda q, k: torch.nn.functional.normalize(q, dim=-1) @ k.transpose(1, 2)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The keys were reshaped with `view` or `reshape` where their axes should have been exchanged: the numbers of different keys are mixed. Use `transpose`.",
            (
                {"score": lambda q, k: q @ k.reshape(k.shape[0], k.shape[2], k.shape[1])},
                {"outer": SCRAMBLED_BY_VIEW.variants[0]["outer"]},
            ),
        ),
        Mistake(
            "keys-not-transposed",
            "The product is taken without exchanging the axes of the keys: that only fits when S equals D, and then it is wrong.",
            (
                {"score": lambda q, k: q @ k},
                {"score": lambda q, k: q @ (k if k.shape[1] == k.shape[2] else k.transpose(1, 2))},
            ),
        ),
        Mistake(
            "reverses-all-axes",
            "`.T` on a tensor with three axes reverses all of them, the batch too. Exchange the last two by name: `transpose(1, 2)`.",
            ({"score": lambda q, k: q @ k.permute(2, 1, 0)},),
        ),
        Mistake(
            "pairs-only",
            "Query i is compared with key i alone. Every query must meet every key.",
            (
                {"score": lambda q, k: (q * k).sum(-1)},
                {"score": lambda q, k: (q * k).sum(-1, keepdim=True).expand(-1, -1, k.shape[1])},
            ),
        ),
        Mistake(
            "sum-instead-of-product",
            "The entries of query and key are added. A dot product multiplies them, entry by entry, and sums the products.",
            ({"score": lambda q, k: (q[:, :, None] + k[:, None]).sum(-1)},),
        ),
        Mistake(
            "query-ignored",
            "The score does not depend on the query.",
            ({"score": lambda q, k: k.sum(-1)[:, None].expand(-1, q.shape[1], -1)},),
        ),
        Mistake(
            "last-feature-lost",
            "The last feature is left out of the sum: look at where a slice or a range ends.",
            (
                {"score": lambda q, k: q[..., :-1] @ k[..., :-1].transpose(1, 2)},
                {"score": lambda q, k: q[..., 1:] @ k[..., 1:].transpose(1, 2)},
            ),
        ),
        Mistake(
            "goes-on-to-the-context",
            "The scores are turned into weights and a context already. This function stops at the scores.",
            ({"score": lambda q, k: torch.softmax(q @ k.transpose(1, 2), -1) @ k},),
        ),
        Mistake(
            "distance-instead-of-dot",
            "These are distances between query and key, not dot products.",
            (
                {"score": lambda q, k: -torch.cdist(q, k)},
                {"score": lambda q, k: torch.cdist(q, k)},
                {"score": lambda q, k: -(torch.cdist(q, k) ** 2)},
            ),
        ),
        Mistake(
            "gradient-cut",
            "The numbers are right, but no gradient reaches the queries or the keys: one of them was detached.",
            (
                {"score": lambda q, k: q.detach() @ k.transpose(1, 2)},
                {"score": lambda q, k: q @ k.detach().transpose(1, 2)},
            ),
        ),
        ALREADY_SOFTMAXED,
        SQUASHED,
        APPLIED_AFTERWARDS,
        *PAIRWISE,
        *ANY_FUNCTION,
    ),
    hints=(
        "The dot product of two vectors multiplies entry by entry and sums. Do it for one query and one key first.",
        "All pairs at once are a matrix product of (T, D) with (D, S). The keys come as (S, D).",
        "Exchange the last two axes of the keys with transpose(1, 2), then multiply with @.",
    ),
)

# ---- softmax_backward


def _build_softmax_backward(combine=None, outer=None):
    return wrapped(outer, combine or (lambda a, g: a * (g - (a * g).sum(-1, keepdim=True))))


def _backward_case(draw: Draw, *shape: int, dtype: torch.dtype = torch.float32, layout=lambda t: t) -> Case:
    weights = torch.softmax(draw.normal(*shape, scale=1.5, dtype=torch.float64), -1).to(dtype)
    return ask(layout(weights), layout(draw.normal(*shape, dtype=dtype)))


def _backward_shapes(draw: Draw) -> Iterator[Case]:
    yield _backward_case(draw, *draw.distinct(3, 2, 6))
    yield _backward_case(draw, 4)
    yield _backward_case(draw, 1, 3)
    yield _backward_case(draw, 2, 1, 1)


def _backward_values(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([0.5, 0.5]), torch.tensor([4.0, 0.0]))
    yield ask(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[4.0, 8.0, 0.0]]))
    yield ask(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[1.0, 2.0], [3.0, 1.0]]))
    yield _backward_case(draw, *draw.distinct(3, 2, 6))
    yield _backward_case(draw, 3, 3)
    yield _backward_case(draw, 4)
    yield _backward_case(draw, 2, 1, 1)
    yield ask(torch.tensor([0.5, 0.25, 0.25]), torch.tensor([400.0, -80.0, 0.0]))
    yield _backward_case(draw, 2, 13)


def _backward_masked(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[0.0, 0.0], [0.5, 0.5]]), torch.tensor([[3.0, 1.0], [2.0, 0.0]]))
    mask = _empty_row_mask(draw, 2, 3, 4)
    weights = torch.softmax(draw.normal(2, 3, 4).masked_fill(~mask, -1e9), -1).masked_fill(~mask, 0)
    yield ask(weights, draw.normal(2, 3, 4))
    yield ask(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[5.0, 1e4, -1e4]]))


def _backward_robust(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([0.5, 0.5]), torch.tensor([2.0, 0.0]))
    yield _backward_case(draw, 2, 3, 4, layout=draw.strided)
    yield _backward_case(draw, 2, 3, 4, dtype=torch.float64)
    yield _backward_case(draw, 2, 3, dtype=torch.bfloat16)
    weights, gradient = _backward_case(draw, 2, 3).calls[0].args
    yield ask(weights, gradient, cotangents=(draw.normal(2, 3),))
    again = Call(_backward_case(draw, 2, 3).calls[0].args)
    alike, other = (_backward_case(draw, *shape).calls[0] for shape in ((2, 3), (3, 4)))
    yield Case((again, alike, other, again))


SOFTMAX_BACKWARD = Exercise(
    name="softmax_backward",
    lesson=LESSON,
    asked="For the weights α (…, S) that a softmax gave and the gradient g (…, S) of the loss with respect to them, give the gradient with respect to the scores, (…, S).",
    arguments=("weights", "grad_weights"),
    returns=("grad_scores",),
    reference=seqattn_ref.softmax_backward,
    build=_build_softmax_backward,
    checks=(
        Check("The result has the shape of the weights", 0.5, _backward_shapes, ("shape",)),
        Check("It is the gradient that autograd gives for a softmax over the last axis", 2, _backward_values),
        Check("Places of weight 0 get gradient 0, and a row of zeros stays zeros", 0.5, _backward_masked),
        Check(
            "It works in float64 and bfloat16, on any memory layout, and leaves its inputs as they were",
            1,
            _backward_robust,
            ("inputs", "dtype", "values", "gradients"),
        ),
    ),
    mistakes=(
        Mistake(
            "jacobian-diagonal-only",
            "Only the diagonal of the softmax's Jacobian is used: α_j(1 − α_j) g_j. But raising one score lowers all the other weights, and their gradients count too.",
            ({"combine": lambda a, g: a * (1 - a) * g},),
        ),
        Mistake(
            "common-term-missing",
            "This is α_j g_j alone. What all weights lose when one score rises, the weighted mean of the gradients, still has to be taken away.",
            ({"combine": lambda a, g: a * g},),
        ),
        Mistake(
            "outer-weight-missing",
            "The weighted mean is taken away, but the result is not multiplied by the weight of its own place.",
            ({"combine": lambda a, g: g - (a * g).sum(-1, keepdim=True)},),
        ),
        Mistake(
            "plain-mean-of-gradients",
            "A plain mean or sum of the gradients is taken away. Each gradient counts in it as much as its weight.",
            (
                {"combine": lambda a, g: a * (g - g.mean(-1, keepdim=True))},
                {"combine": lambda a, g: a * (g - g.sum(-1, keepdim=True))},
                {"combine": lambda a, g: a * (g - (a * g).mean(-1, keepdim=True))},
            ),
        ),
        Mistake(
            "wrong-axis",
            "The sum runs over another axis than the keys. Each row of weights has a softmax of its own, over the last axis.",
            (
                {"combine": lambda a, g: a * (g - (a * g).sum(0, keepdim=True))},
                {"combine": lambda a, g: a * (g - (a * g).sum())},
                {"combine": lambda a, g: a * (g - (a * g).sum(-2, keepdim=True))},
            ),
        ),
        Mistake(
            "missing-axis",
            "The sum over the last axis has lost that axis, and is then lined up with the wrong one. Keep it with keepdim=True.",
            ({"combine": lambda a, g: a * (g - (a * g).sum(-1))},),
        ),
        Mistake(
            "weights-taken-for-scores",
            "A softmax is applied to the weights first. They are the softmax's result already.",
            ({"combine": lambda a, g: (s := torch.softmax(a, -1)) * (g - (s * g).sum(-1, keepdim=True))},),
        ),
        Mistake(
            "returns-the-gradient-unchanged",
            "The gradient at the weights is handed on as it is, as if there were no softmax.",
            ({"combine": lambda a, g: g.clone()},),
        ),
        Mistake(
            "square-of-the-weight",
            "The own weight counts twice: check where α_j stands in the product.",
            (
                {"combine": lambda a, g: a * g - a * a * g.sum(-1, keepdim=True)},
                {"combine": lambda a, g: a * a * (g - (a * g).sum(-1, keepdim=True))},
                {"combine": lambda a, g: a * g - a * (a * a * g).sum(-1, keepdim=True)},
            ),
        ),
        Mistake(
            "arguments-swapped",
            "The two arguments have changed places: the first are the weights, the second the gradient.",
            ({"combine": lambda a, g: g * (a - (a * g).sum(-1, keepdim=True))},),
        ),
        Mistake(
            "plus-instead-of-minus",
            "The common term is added. Raising one score takes weight away from the others, so it is subtracted.",
            (
                {"combine": lambda a, g: a * (g + (a * g).sum(-1, keepdim=True))},
                {"combine": lambda a, g: g - a * (a * g).sum(-1, keepdim=True)},
                {"combine": lambda a, g: -a * (a * g).sum(-1, keepdim=True)},
                {"combine": lambda a, g: g - a * g.sum(-1, keepdim=True)},
            ),
        ),
        *ANY_FUNCTION,
    ),
    hints=(
        "Raising the score e_k raises α_k and lowers every other weight. The derivative of α_j with respect to e_k is α_j(1 − α_k) when j = k, and −α_j α_k otherwise.",
        "The chain rule sums g_j · ∂α_j/∂e_k over all j. Write the sum out and take α_k in front.",
        "What remains is α_k times (g_k minus one number that is the same for the whole row). Which number is it?",
    ),
)

EXERCISES = (MASKED_SOFTMAX, CONTEXT_VECTOR, DOT_SCORES, SOFTMAX_BACKWARD)
