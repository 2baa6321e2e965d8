"""The exercise of lesson 07 about the way back: from the context through the weights and scores to the scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..sandbox.case import Call, Case
from .anywhere import (
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    DETACHED,
    DIFFERENT_EACH_CALL,
    HARD_CODED_DTYPE,
    MIXES_SAMPLES,
    NEEDS_CONTIGUOUS,
    RETURNS_NOTHING,
    STALE_CACHE,
)
from .common import ask, wrapped
from .decoder_step import same_width
from .several import (
    DTYPES_OF_SEVERAL,
    LAST_RESORTS_OF_SEVERAL,
    mixing,
    not_the_asked_results,
    on_arguments,
    on_each,
    on_one,
    writes_to,
)

LESSON = "07_attention_decoder"

# ---- alignment_gradient


def _pull(keys: Tensor, grad_context: Tensor) -> Tensor:
    return torch.einsum("bsd,bd->bs", keys, grad_context)


def _back(weights: Tensor, grad_weights: Tensor) -> Tensor:
    return weights * (grad_weights - (weights * grad_weights).sum(1, keepdim=True))


def _spread(query: Tensor, grad_scores: Tensor, keys: Tensor) -> Tensor:
    return torch.einsum("bq,bs,bsd->qd", query, grad_scores, keys)


def _build_alignment_gradient(pull=None, back=None, spread=None, give=None, outer=None):
    """Out of three pieces: `pull` to the weights, `back` to the scores, `spread` to W.

    `pull(keys, grad_context, query, weights)`, `back(weights, grad_weights)` and
    `spread(query, grad_scores, keys, weights, grad_weights, grad_context)`.
    """

    def answer(query, keys, weights, grad_context):
        grad_weights = pull(keys, grad_context, query, weights) if pull else _pull(keys, grad_context)
        grad_scores = (back or _back)(weights, grad_weights)
        if spread:
            grad_W = spread(query, grad_scores, keys, weights, grad_weights, grad_context)
        else:
            grad_W = _spread(query, grad_scores, keys)
        return give(grad_scores, grad_W, grad_weights) if give else (grad_scores, grad_W)

    return wrapped(outer, answer)


def _by_logarithm(f: Callable) -> Callable:
    """Makes scores of the weights and asks autograd."""

    def answer(query, keys, weights, grad_context):
        with torch.enable_grad():
            scores = weights.log()
            scores = scores if scores.requires_grad else scores.requires_grad_()
            context = (torch.softmax(scores, 1)[:, None] @ keys)[:, 0]
            (grad_scores,) = torch.autograd.grad(context, scores, grad_context, create_graph=True)
        return grad_scores, _spread(query, grad_scores, keys)

    return answer


_GRADIENT_LETTERS = "BSQD"  # Q stands for Dq, D for Dk


def _gradient_sizes(draw: Draw, **fixed: int) -> dict[str, int]:
    return dict(zip(_GRADIENT_LETTERS, draw.distinct(4, 2, 6), strict=True)) | fixed


def _gradient_call(
    draw: Draw,
    z: dict[str, int],
    weights: Tensor | None = None,
    fill=None,
    dtype: torch.dtype = torch.float32,
    layout: Callable[[Tensor], Tensor] = lambda t: t,
    gradient: bool = False,
) -> Call:
    fill = fill or draw.normal
    if weights is None:
        weights = torch.softmax(draw.normal(z["B"], z["S"], dtype=torch.float64), 1)
    args = fill(z["B"], z["Q"]), fill(z["B"], z["S"], z["D"]), weights, fill(z["B"], z["D"])
    wanted = (draw.normal(z["B"], z["S"]), draw.normal(z["Q"], z["D"])) if gradient else None
    return Call(tuple(layout(a.to(dtype)) for a in args), wanted)


def _gradient_case(*args, **kwargs) -> Case:
    return Case((_gradient_call(*args, **kwargs),))


def _by_hand(draw: Draw, weights: list, **sizes: int) -> Case:
    weights = torch.tensor(weights)
    z = {"B": weights.shape[0], "S": weights.shape[1], "Q": 1, "D": 1} | sizes
    return _gradient_case(draw, z, weights, draw.nonzero)


def _gradient_shapes(draw: Draw) -> Iterator[Case]:
    yield _gradient_case(draw, _gradient_sizes(draw))
    for letter in _GRADIENT_LETTERS:
        yield _gradient_case(draw, _gradient_sizes(draw, **{letter: 1}))


def _gradient_values(draw: Draw) -> Iterator[Case]:
    # Whole numbers: the keys and g differ, so that the gradient is not 0.
    yield ask(
        2 * draw.nonzero(1, 1, most=1),
        torch.tensor([[[3.0], [-1.0]]]) * draw.nonzero(1, most=1),
        torch.tensor([[0.5, 0.5]]),
        2 * draw.nonzero(1, 1, most=1),
    )
    yield _by_hand(draw, [[0.5, 0.25, 0.25]])
    yield _by_hand(draw, [[0.5, 0.5], [0.25, 0.75]], Q=2, D=2)
    yield _gradient_case(draw, _gradient_sizes(draw))
    yield _gradient_case(draw, _gradient_sizes(draw, S=13))
    yield ask(
        draw.nonzero(1, 1, most=1),
        torch.tensor([[[40.0], [-20.0]]]) * draw.nonzero(1, most=1),
        torch.tensor([[0.5, 0.5]]),
        draw.nonzero(1, 1, most=2),
    )
    yield _gradient_case(draw, dict.fromkeys(_GRADIENT_LETTERS, 3))
    yield _gradient_case(draw, dict.fromkeys(_GRADIENT_LETTERS, 2))
    for letter in _GRADIENT_LETTERS:
        yield _gradient_case(draw, _gradient_sizes(draw, **{letter: 1}))


def _gradient_hidden(draw: Draw) -> Iterator[Case]:
    yield _by_hand(draw, [[0.5, 0.5, 0.0]])
    yield _by_hand(draw, [[0.0, 1.0]])
    yield _by_hand(draw, [[0.0, 0.0], [0.5, 0.5]])
    z = _gradient_sizes(draw, B=3, S=4)
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    weights = torch.softmax(draw.normal(3, 4).masked_fill(~mask, -1e9), 1).masked_fill(~mask, 0)
    query, keys, weights, grad = _gradient_call(draw, z, weights).args
    yield ask(query, keys.masked_fill(~mask[..., None], 1e4), weights, grad)


def _gradient_robust(draw: Draw) -> Iterator[Case]:
    yield _by_hand(draw, [[0.75, 0.25], [0.5, 0.5]])
    z = _gradient_sizes(draw)
    yield _gradient_case(draw, z, layout=draw.strided)
    yield _gradient_case(draw, z, dtype=torch.float64)
    weights = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    yield _gradient_case(
        draw, dict.fromkeys(_GRADIENT_LETTERS, 2), weights, draw.quarters, dtype=torch.bfloat16
    )
    yield _gradient_case(draw, z, gradient=True)
    large = ask(
        draw.nonzero(2, 2, most=2),
        1e4 * torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, 1.0]]]) * draw.nonzero(1, most=1),
        torch.tensor([[0.5, 0.5], [1.0, 0.0]]),
        torch.tensor([[2.0, 1.0], [1.0, -2.0]]),
    )
    yield large
    again, alike = (_gradient_call(draw, z) for _ in range(2))
    other = _gradient_call(draw, _gradient_sizes(draw))
    yield Case((again, alike, other, again))


def _back_by(formula: Callable[[Tensor, Tensor], Tensor]) -> dict:
    return {"back": formula}


def _spread_by(formula: Callable) -> dict:
    return {"spread": lambda q, e, k, a, ga, g: formula(q, e, k, a, ga, g)}


ALIGNMENT_GRADIENT = Exercise(
    name="alignment_gradient",
    lesson=LESSON,
    asked="For e_j = qᵀ W h_j, α = softmax(e) and z = Σ_j α_j h_j, carry the gradient g of the loss with respect to z back by hand. From query (B, Dq), keys (B, S, Dk), weights α (B, S) and g (B, Dk) "
    "give the gradient with respect to the scores e, (B, S), and with respect to W, (Dq, Dk), summed over the batch.",
    arguments=("query (B, Dq)", "keys (B, S, Dk)", "weights (B, S)", "grad_context (B, Dk)"),
    returns=("grad_scores (B, S)", "grad_W (Dq, Dk)"),
    reference=seqattn_ref.alignment_gradient,
    build=_build_alignment_gradient,
    checks=(
        Check("It returns (grad_scores (B, S), grad_W (Dq, Dk))", 0.5, _gradient_shapes, ("shape",)),
        Check(
            "The gradient of the scores is the one that autograd gives", 1.5, _gradient_values, outputs=(0,)
        ),
        Check("So is the gradient of W, summed over keys and samples", 1.5, _gradient_values, outputs=(1,)),
        Check(
            "A key of weight 0 adds nothing, whatever stands there, and a sample without any weight gets 0",
            0.5,
            _gradient_hidden,
        ),
        Check(
            "It works in float64 and bfloat16, on any memory layout, for large numbers, and leaves its inputs as they were",
            1,
            _gradient_robust,
            ("inputs", "dtype", "values", "gradients"),
        ),
    ),
    mistakes=(
        Mistake(
            "jacobian-forgotten",
            "This is gᵀ h_j, the gradient with respect to the weights. The scores lie behind the softmax: its derivative is still missing.",
            (
                _back_by(lambda a, ga: ga),
                {"give": lambda e, W, ga: (ga, W)},
                _back_by(lambda a, ga: ga - a * ga.sum(1, keepdim=True)),
            ),
        ),
        Mistake(
            "jacobian-diagonal-only",
            "Part of the softmax's Jacobian is missing: it has α_j(1 − α_j) on its diagonal and −α_j α_k beside it. Raising one score raises its own weight and lowers all the others, and all their gradients count.",
            (
                _back_by(lambda a, ga: a * (1 - a) * ga),
                _back_by(lambda a, ga: -a * (a * ga).sum(1, keepdim=True)),
            ),
        ),
        Mistake(
            "common-term-missing",
            "This is α_j gᵀh_j alone. What all weights lose when one score rises still has to be taken away: it is the same number for the whole row, gᵀz.",
            (_back_by(lambda a, ga: a * ga),),
        ),
        Mistake(
            "outer-weight-missing",
            "The common term is taken away, but the result is not multiplied by the weight of its own key.",
            (_back_by(lambda a, ga: ga - (a * ga).sum(1, keepdim=True)),),
        ),
        Mistake(
            "plain-mean-of-gradients",
            "A plain mean or sum over the keys is taken away. Each key counts in it as much as its weight.",
            (
                _back_by(lambda a, ga: a * (ga - ga.mean(1, keepdim=True))),
                _back_by(lambda a, ga: a * (ga - ga.sum(1, keepdim=True))),
                _back_by(lambda a, ga: a * (ga - (a * ga).mean(1, keepdim=True))),
            ),
        ),
        Mistake(
            "plus-instead-of-minus",
            "A sign is the wrong way round. Raising one score takes weight away from the others, so the common term is subtracted.",
            (
                _back_by(lambda a, ga: a * (ga + (a * ga).sum(1, keepdim=True))),
                _back_by(lambda a, ga: a * ((a * ga).sum(1, keepdim=True) - ga)),
            ),
        ),
        Mistake(
            "square-of-the-weight",
            "The own weight counts twice: check where α_j stands in the product.",
            (
                _back_by(lambda a, ga: a * ga - a * a * ga.sum(1, keepdim=True)),
                _back_by(lambda a, ga: a * a * (ga - (a * ga).sum(1, keepdim=True))),
            ),
        ),
        Mistake(
            "wrong-axis",
            "The sum runs over another axis than the keys. Each sample has a softmax of its own, over its keys.",
            (
                _back_by(lambda a, ga: a * (ga - (a * ga).sum(0, keepdim=True))),
                _back_by(lambda a, ga: a * (ga - (a * ga).sum())),
            ),
        ),
        Mistake(
            "missing-axis",
            "The sum over the keys has lost its axis, and is then lined up with the wrong one. Keep it with keepdim=True.",
            (_back_by(lambda a, ga: a * (ga - (a * ga).sum(1))),),
        ),
        Mistake(
            "samples-lined-up-with-keys",
            "A tensor (B, Dk) or (B, Dq) meets one of (B, S, …) without an axis for the keys: broadcasting then lines the samples up with the keys, where B equals S or is 1, and raises an error elsewhere. Give it that axis: [:, None, :].",
            (
                {"pull": lambda k, g, q, a: (k * g).sum(-1)},
                {"pull": lambda k, g, q, a: k @ g.T},
                {"pull": lambda k, g, q, a: (k @ g.T)[..., 0]},
            ),
        ),
        Mistake(
            "weights-taken-for-scores",
            "A softmax is applied to the weights first. They are the softmax's result already.",
            (_back_by(lambda a, ga: _back(torch.softmax(a, 1), ga)),),
        ),
        Mistake(
            "weights-changed",
            "The weights are changed first: kept away from 0, cut off when small, or divided by their sum. They are what the softmax gave; take them as they are.",
            (
                _back_by(lambda a, ga: _back(a.clamp(min=1e-3), ga)),
                _back_by(lambda a, ga: _back(a * (a > 0.01), ga)),
                _back_by(lambda a, ga: (a * ga / a - (a * ga).sum(1, keepdim=True)) * a),
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The keys were reshaped with `view` or `reshape` where their axes should have been exchanged: numbers of different keys are mixed.",
            (
                {"pull": lambda k, g, q, a: (g[:, None] @ k.reshape(len(k), k.shape[2], k.shape[1]))[:, 0]},
                _spread_by(
                    lambda q, e, k, a, ga, g: _spread(
                        q, e, k.reshape(len(k), k.shape[2], k.shape[1]).transpose(1, 2)
                    )
                ),
            ),
        ),
        Mistake(
            "gradient-cut-off",
            "Large gradients are cut off or scaled down. That is the optimiser's matter; the formula has no limit.",
            (
                _back_by(lambda a, ga: _back(a, ga).clamp(-5, 5)),
                _back_by(lambda a, ga: _back(a, ga).clamp(-1, 1)),
                _back_by(lambda a, ga: _back(a, ga.clamp(-1e4, 1e4))),
                _back_by(lambda a, ga: (x := _back(a, ga)) / x.norm(dim=1, keepdim=True).clamp(min=1)),
            ),
        ),
        Mistake(
            "keys-left-out",
            "The gradient with respect to a weight α_j is gᵀ h_j: it depends on the key. Here the keys play no part, or only their sum does.",
            (
                {"pull": lambda k, g, q, a: g.sum(1, keepdim=True).expand_as(a)},
                {"pull": lambda k, g, q, a: k.sum(2)},
                {"pull": lambda k, g, q, a: _pull(k.mean(1, keepdim=True).expand_as(k), g)},
                {"pull": lambda k, g, q, a: k.mean(2) * g.mean(1, keepdim=True)},
            ),
        ),
        Mistake(
            "query-instead-of-gradient",
            "The query meets the keys where the gradient g of the context should: ∂L/∂α_j is gᵀ h_j.",
            (
                {"pull": lambda k, g, q, a: _pull(k, q)},
                {"pull": lambda k, g, q, a: _pull(k, q if same_width(q, g) else g)},
            ),
        ),
        Mistake(
            "weight-counted-in-the-context",
            "The weights are already in gᵀ h_j: the derivative of z = Σ α_j h_j with respect to α_j is h_j alone.",
            (
                {"pull": lambda k, g, q, a: a * _pull(k, g)},
                {"pull": lambda k, g, q, a: _pull(k, g) / k.shape[2]},
                {"pull": lambda k, g, q, a: _pull(k, g) / k.shape[2] ** 0.5},
                {"pull": lambda k, g, q, a: _pull(k, g) / k.shape[1]},
            ),
        ),
        Mistake(
            "gradient-transposed",
            "W's gradient has the axes of W the other way round. W is (Dq, Dk): its rows belong to the query, its columns to the key.",
            (
                {"give": lambda e, W, ga: (e, W.T)},
                {"give": lambda e, W, ga: (e, W.T if W.shape[0] == W.shape[1] else W)},
                {"give": lambda e, W, ga: (e, W.T.reshape(W.shape))},
            ),
        ),
        Mistake(
            "averaged-over-the-batch",
            "W's gradient is averaged over the samples, or over the keys. A gradient adds up what every use of W says: sum over both.",
            (
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, e, k) / len(q)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, e, k) / k.shape[1]),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, e, k) / (len(q) * k.shape[1])),
            ),
        ),
        Mistake(
            "not-summed-over-the-batch",
            "There is one matrix for each sample. All samples share W, so its gradient is their sum.",
            (
                _spread_by(lambda q, e, k, a, ga, g: torch.einsum("bq,bs,bsd->bqd", q, e, k)),
                _spread_by(lambda q, e, k, a, ga, g: torch.einsum("bq,bs,bsd->bsqd", q, e, k)),
                _spread_by(lambda q, e, k, a, ga, g: torch.einsum("bq,bs,bsd->sqd", q, e, k)),
            ),
        ),
        Mistake(
            "one-sample-only",
            "W's gradient comes from one sample of the batch. Every sample adds to it.",
            (
                _spread_by(lambda q, e, k, a, ga, g: _spread(q[-1:], e[-1:], k[-1:])),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q[:1], e[:1], k[:1])),
            ),
        ),
        Mistake(
            "one-key-only",
            "W's gradient comes from one key of each sample. Every score e_j depends on W, so every key adds to it.",
            (
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, e[:, -1:], k[:, -1:])),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, e[:, :1], k[:, :1])),
                _spread_by(
                    lambda q, e, k, a, ga, g: _spread(q, e * one_hot(a.argmax(1), k.shape[1]).to(e.dtype), k)
                ),
            ),
        ),
        Mistake(
            "sums-before-products",
            "Sums are taken before the product: the gradients of the scores and the keys were each summed first, and then multiplied. Multiply ∂L/∂e_j with its own q h_jᵀ, then sum.",
            (
                _spread_by(lambda q, e, k, a, ga, g: q.T @ (e.sum(1, keepdim=True) * k.sum(1))),
                _spread_by(lambda q, e, k, a, ga, g: q.T @ (e.sum(1, keepdim=True) * k.mean(1))),
                _spread_by(lambda q, e, k, a, ga, g: q.T @ k.sum(1)),
            ),
        ),
        Mistake(
            "samples-multiplied-crosswise",
            "The query of one sample meets the keys of another: the samples were summed before they were multiplied.",
            (
                _spread_by(lambda q, e, k, a, ga, g: torch.outer(q.sum(0), torch.einsum("bs,bsd->d", e, k))),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q.flip(0), e, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q.roll(1, 0), e, k)),
                {"pull": lambda k, g, q, a: (g @ k.transpose(1, 2))[0]},
            ),
        ),
        Mistake(
            "another-gradient-in-w",
            "W's gradient is made with the weights, or with the gradient of the weights. The chain goes through the scores: take ∂L/∂e_j.",
            (
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, a, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, ga, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, a * ga, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(q, a * e, k)),
                _spread_by(lambda q, e, k, a, ga, g: q.T @ g),
            ),
        ),
        Mistake(
            "query-left-out",
            "The derivative of e_j = qᵀ W h_j with respect to W is the outer product q h_jᵀ. Here q or h_j is missing, or another vector stands in its place.",
            (
                _spread_by(lambda q, e, k, a, ga, g: _spread(torch.ones_like(q), e, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(g, e, k)),
                _spread_by(lambda q, e, k, a, ga, g: _spread(g if same_width(q, g) else q, e, k)),
            ),
        ),
        Mistake(
            "nan-on-empty-row",
            "A sample without any weight gives NaN: the weights are divided by their sum, or scores are made of them by a logarithm, which is −∞ there. The formula needs the weights as they are.",
            ({"outer": _by_logarithm}, _back_by(lambda a, ga: _back(a / a.sum(1, keepdim=True), ga))),
        ),
        Mistake(
            "results-in-another-order",
            "The two results have changed places: the gradient of the scores comes first, then that of W.",
            ({"give": lambda e, W, ga: (W, e)},),
        ),
        Mistake(
            "sign-flipped",
            "W's gradient has the opposite sign.",
            ({"give": lambda e, W, ga: (e, -W)},),
        ),
        Mistake(
            "mixes-samples",
            MIXES_SAMPLES.hint,
            (
                *mixing((1, 2)),
                {"outer": on_arguments((0,), lambda x: x[:1].expand_as(x))},
                {"outer": on_arguments((0,), lambda x: x.mean(0, keepdim=True).expand_as(x))},
            ),
        ),
        Mistake("detached", DETACHED.hint, ({"outer": on_each(lambda r: r.detach())},)),
        Mistake(
            "gradient-cut",
            "The numbers are right, but they are cut off from an input: a gradient can no longer flow back through them. Something was detached on the way.",
            (
                {"back": lambda a, ga: _back(a.detach(), ga)},
                {"back": lambda a, ga: _back(a, ga.detach())},
                {"spread": lambda q, e, k, a, ga, g: _spread(q, e.detach(), k)},
                {"give": lambda e, W, ga: (e, W.detach())},
                {"give": lambda e, W, ga: (e.detach(), W)},
            ),
        ),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": on_each(lambda r: r.squeeze())},
                {"outer": on_one(0, lambda r: r.squeeze())},
                {"outer": on_one(1, lambda r: r.squeeze())},
                {"pull": lambda k, g, q, a: (k @ g[..., None]).squeeze()},
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            tuple({"outer": writes_to(place, lambda x: x.mul_(2))} for place in range(4)),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        STALE_CACHE,
        Mistake(
            "differs-from-call-to-call",
            DIFFERENT_EACH_CALL.hint,
            ({"outer": on_each(lambda r: r + torch.rand_like(r))},),
            recognise=DIFFERENT_EACH_CALL.recognise,
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *DTYPES_OF_SEVERAL,
                {"outer": on_arguments(tuple(range(4)), lambda x: x.float())},
                {"spread": lambda q, e, k, a, ga, g: _spread(q.float(), e.float(), k.float())},
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        not_the_asked_results("the gradient of the scores and that of W"),
        *LAST_RESORTS_OF_SEVERAL,
    ),
    hints=(
        "Go backwards, one link of the chain at a time: z → α → e → W. The first link: z = Σ_j α_j h_j, so ∂L/∂α_j is the dot product of g with h_j.",
        "The second link is softmax_backward of lesson 04: ∂L/∂e_j = α_j (∂L/∂α_j − Σ_k α_k ∂L/∂α_k). The sum is gᵀ z.",
        "The third link: e_j = qᵀ W h_j, so ∂e_j/∂W is the outer product q h_jᵀ, with the shape of W. Add these up, each times ∂L/∂e_j, over the keys and over the samples.",
        "torch.einsum can do each link in one line: name the axes b, s, q and d, and leave out of the result those that are summed.",
    ),
)
