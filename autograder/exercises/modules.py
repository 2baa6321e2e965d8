"""Attention as a module: how its cases are drawn, how one is assembled from pieces, and the mistakes that any such module can have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..drawing import Draw
from ..exercise import Check, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Case, Construct, Outcome
from .anywhere import (
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    DIFFERENT_EACH_CALL,
    HARD_CODED_DTYPE,
    LAST_RESORTS,
    NEEDS_CONTIGUOUS,
    RETURNS_NOTHING,
)
from .common import finite_gradients
from .normalising import SOFTMAX_MISTAKES, assemble

Shapes = dict[str, tuple[int, ...]]


class Module:
    """How to draw cases for an attention module.

    `arguments(sizes)` are the constructor's arguments and `shapes(sizes)` the parameters' shapes by name.
    `loud` is a module and inputs (1, 3, Dq) and (1, 4, Dk) whose scores are exact whole numbers near
    10,000, −10,000 and 0, one row each; the last key scores far above the others in the last row.
    """

    def __init__(
        self,
        letters: str,
        arguments: Callable[[dict], tuple],
        shapes: Callable[[dict], Shapes],
        loud: tuple[Construct, Tensor, Tensor],
    ):
        self.letters, self.arguments, self.shapes, self.loud = letters.split(), arguments, shapes, loud

    def distinct(self, draw: Draw) -> dict:
        return dict(
            zip(self.letters, draw.distinct(len(self.letters), 2, 3 + len(self.letters)), strict=True)
        )

    def equal(self, n: int) -> dict:
        return dict.fromkeys(self.letters, n)

    def born(self, sizes: dict, seed: int = 0) -> Case:
        """Construct only: what are the parameters of a new module?"""
        return Case((), Construct(self.arguments(sizes)), seed)

    def inputs(self, fill: Callable[..., Tensor], z: dict) -> tuple[Tensor, Tensor]:
        return fill(z["B"], z["T"], z["Dq"]), fill(z["B"], z["S"], z["Dk"])

    def construct(
        self, fill: Callable[..., Tensor], z: dict, dtype: torch.dtype = torch.float32
    ) -> Construct:
        return Construct(
            self.arguments(z), dtype, {name: fill(*shape).to(dtype) for name, shape in self.shapes(z).items()}
        )

    def case(
        self,
        draw: Draw,
        z: dict,
        mask=None,
        fill=None,
        gradient: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> Case:
        fill = fill or draw.normal
        queries, keys = self.inputs(fill, z)
        args = (queries.to(dtype), keys.to(dtype)) + (() if mask is None else (mask,))
        wanted = None
        if gradient:
            wanted = (fill(z["B"], z["T"], z["Dk"]).to(dtype), fill(z["B"], z["T"], z["S"]).to(dtype))
        return Case((Call(args, wanted),), self.construct(fill, z, dtype))

    def tiny(self, draw: Draw, mask=None, gradient: bool = False, **sizes: int) -> Case:
        """Whole numbers, small enough to check by hand."""
        return self.case(
            draw, self.equal(1) | {"S": 2} | sizes, mask, lambda *s: draw.nonzero(*s, most=1), gradient
        )


def module_checks(module: Module, names: str, weights_sentence: str) -> tuple[Check, ...]:
    """The checks of an attention module that returns (context, weights)."""

    def born(draw: Draw) -> Iterator[Case]:
        yield module.born(module.distinct(draw))
        yield module.born(module.equal(3))

    def seeds(draw: Draw) -> Iterator[Case]:
        sizes = module.distinct(draw)
        for seed in (1, 2):
            yield module.born(sizes, seed)

    def shapes(draw: Draw) -> Iterator[Case]:
        yield module.case(draw, module.distinct(draw))
        for letter in ("B", "T", "S"):
            yield module.case(draw, module.distinct(draw) | {letter: 1})

    def plain(draw: Draw) -> Iterator[Case]:
        yield module.tiny(draw)
        yield module.tiny(draw, T=2, S=3, Dq=2, Dk=2)
        yield module.case(draw, module.distinct(draw))
        yield module.case(draw, module.equal(3))
        yield module.case(draw, module.equal(2))
        yield module.case(draw, module.distinct(draw) | {"S": 13})
        queries, keys = module.inputs(draw.normal, z := module.distinct(draw))
        keys[:, 0] = 0
        yield Case((Call((queries, keys)),), module.construct(draw.normal, z))
        for letter in ("B", "T", "S"):
            yield module.case(draw, module.distinct(draw) | {letter: 1})

    def masked(draw: Draw) -> Iterator[Case]:
        yield module.tiny(draw, torch.tensor([[True, True, False]]), T=2, S=3)
        yield module.tiny(draw, torch.tensor([[[True, False, True], [True, True, False]]]), T=2, S=3)
        z = module.distinct(draw)
        yield module.case(draw, z, draw.prefix_mask(z["B"], z["S"]))
        z = module.distinct(draw) | {"S": 4}
        yield module.case(draw, z, draw.scattered_mask(z["B"], z["T"], 4))
        yield module.case(draw, module.equal(3), draw.prefix_mask(3, 3))
        yield module.case(draw, module.equal(3), draw.scattered_mask(3, 3, 3))
        queries, keys = module.inputs(draw.normal, z)
        mask = draw.prefix_mask(z["B"], 4)
        loud = keys.masked_fill(~mask[..., None], 1e4)
        yield Case((Call((queries, loud, mask)),), module.construct(draw.normal, z))

    def empty(draw: Draw) -> Iterator[Case]:
        yield module.tiny(draw, torch.tensor([[False, False]]))
        mask = draw.prefix_mask(3, 4)
        mask[draw.integer(0, 2)] = False
        z = module.distinct(draw) | {"B": 3, "S": 4}
        yield module.case(draw, z, mask)
        mask = draw.scattered_mask(3, z["T"], 4)
        mask[draw.integer(0, 2), draw.integer(0, z["T"] - 1)] = False
        yield module.case(draw, z, mask)

    def large(draw: Draw) -> Iterator[Case]:
        made, queries, keys = module.loud
        wanted = (draw.normal(1, 3, keys.shape[-1]), draw.normal(1, 3, 4))
        ragged = torch.tensor(
            [[[True, True, True, False], [True, False, True, False], [False, False, False, False]]]
        )
        for mask in (torch.tensor([[True, True, True, False]]), ragged):
            yield Case((Call((queries, keys, mask)),), made)
            yield Case((Call((queries, keys, mask), wanted),), made)
        yield Case((Call((queries, keys), wanted),), made)

    def gradients(draw: Draw) -> Iterator[Case]:
        yield module.tiny(draw, T=1, S=2, gradient=True)
        yield module.case(draw, module.distinct(draw), gradient=True)
        z = module.distinct(draw) | {"B": 3, "S": 4}
        mask = draw.prefix_mask(3, 4)
        mask[draw.integer(0, 2)] = False
        yield module.case(draw, z, mask, gradient=True)
        yield module.case(draw, z, draw.scattered_mask(3, z["T"], 4), gradient=True)

    def robust(draw: Draw) -> Iterator[Case]:
        z = module.distinct(draw)
        yield module.tiny(draw, torch.tensor([[True, False]]), T=2)
        yield module.case(
            draw, z, draw.strided(draw.prefix_mask(z["B"], z["S"])), lambda *s: draw.strided(draw.normal(*s))
        )
        yield module.case(draw, z, draw.prefix_mask(z["B"], z["S"]), dtype=torch.float64)
        yield module.case(
            draw, module.equal(2), draw.prefix_mask(2, 2), lambda *s: draw.quarters(*s), dtype=torch.bfloat16
        )
        again = Call((*module.inputs(draw.normal, z), draw.prefix_mask(z["B"], z["S"])))
        other = z | {"B": z["B"] + 1, "T": z["T"] + 1, "S": z["S"] + 2}
        between = Call((*module.inputs(draw.normal, other), draw.prefix_mask(other["B"], other["S"])))
        shorter = Call(module.inputs(draw.normal, z))
        yield Case((again, shorter, between, again), module.construct(draw.normal, z))
        yield module.case(
            draw, z | {"S": 4}, torch.arange(4) < torch.tensor([[0], [3]] + [[4]] * (z["B"] - 2))
        )

    return (
        Check(
            f"A new module has exactly the parameters {names}, all set to finite numbers that differ",
            0.5,
            born,
            ("parameters", "fresh"),
        ),
        Check("The parameters differ from seed to seed", 0.5, seeds, ("parameters",), across=seeds_differ),
        Check("It returns (context (B, T, Dk), weights (B, T, S))", 0.5, shapes, ("shape",)),
        Check(weights_sentence, 1, plain, outputs=(1,)),
        Check("The context is the sum of the keys, each times its weight", 0.5, plain, outputs=(0,)),
        Check(
            "A mask of shape (B, S) or (B, T, S) hides keys, whatever stands there",
            0.5,
            masked,
            also=_hidden_are_zero,
        ),
        Check("A query with nothing to attend to gets weights 0 and context 0", 0.5, empty),
        Check("Scores of ±10,000 do no harm, hidden or not", 0.5, large, also=finite_gradients, slack=20),
        Check(
            "Gradients reach the queries, the keys and every parameter, and stay finite",
            1,
            gradients,
            ("gradients",),
        ),
        Check(
            "It gives the same answer twice, keeps nothing from call to call, works in float64 and bfloat16, and leaves its inputs as they were",
            0.5,
            robust,
            ("inputs", "dtype", "values"),
        ),
    )


def seeds_differ(outcomes: list[Outcome]) -> str | None:
    first, second = (o.parameters or {} for o in outcomes)
    for name, value in first.items():
        if (
            name in second
            and value.shape == second[name].shape
            and value.numel() > 1
            and torch.equal(value, second[name])
        ):
            return f"Two modules made after different torch.manual_seed have the same `{name}`."
    return None


def _hidden_are_zero(case: Case, outcome: Outcome) -> str | None:
    mask = case.calls[0].args[2]
    weights = outcome.results[0].outputs[1]
    hidden = ~(mask[:, None] if mask.dim() == 2 else mask).expand_as(weights)
    return (
        "Hidden keys should get a weight of exactly 0; some get a tiny weight."
        if bool((weights[hidden] != 0).any())
        else None
    )


# ---- assembling


def build_attention(
    make: Callable[..., None],
    score: Callable[[nn.Module, Tensor, Tensor], Tensor],
    widen: Callable | None = None,
    combine: Callable | None = None,
    give: Callable | None = None,
    outer: Callable | None = None,
    **softmax_pieces,
) -> type[nn.Module]:
    """An attention module class out of pieces.

    `make(module, *sizes)` registers parameters, `score(module, queries, keys)` gives (B, T, S),
    `widen(mask, scores)` makes the mask broadcast, the softmax's pieces are those of `normalising`,
    `combine(module, weights, queries, keys)` gives the context, and `give(context, weights, scores)` the
    result. `outer` wraps the forward method.
    """
    normalise = assemble(**softmax_pieces)
    widen = widen or (lambda mask, scores: mask[:, None] if mask.dim() == 2 else mask)
    combine = combine or (lambda module, weights, queries, keys: weights @ keys)
    give = give or (lambda context, weights, scores: (context, weights))

    class Attention(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            make(self, *sizes)

        def answer(self, queries, keys, mask=None):
            scores = score(self, queries, keys)
            weights = normalise(scores, None if mask is None else widen(mask, scores))
            return give(combine(self, weights, queries, keys), weights, scores)

        def forward(self, queries, keys, mask=None):
            if outer is not None:
                return outer(self.answer)(queries, keys, mask)
            return self.answer(queries, keys, mask)

    return Attention


def _on_both(change: Callable[[Tensor], Tensor]) -> Callable:
    return lambda f: lambda *args: tuple(change(r) for r in f(*args))


def _inputs_to(dtype: torch.dtype) -> Callable:
    return lambda f: lambda q, k, m: f(q.to(dtype), k.to(dtype), m)


def _changes_keys(f: Callable) -> Callable:
    def answer(queries, keys, mask):
        if mask is not None and mask.dim() == 2:
            keys.masked_fill_(~mask[..., None], 0)
        return f(queries, keys, mask)

    return answer


def _changes_keys_always(f: Callable) -> Callable:
    def answer(queries, keys, mask):
        result = f(queries, keys, mask)
        keys.mul_(2)
        return result

    return answer


MODULE_MISTAKES = (
    Mistake(
        "context-and-weights-swapped",
        "The two results have changed places: the context comes first, then the weights.",
        ({"give": lambda c, w, s: (w, c)},),
    ),
    Mistake(
        "returns-scores-not-weights",
        "The second result holds the scores, before the softmax. Give back the weights.",
        ({"give": lambda c, w, s: (c, s)},),
    ),
    Mistake(
        "returns-context-alone",
        "Only one result comes back. The exercise asks for the context and the weights, as a tuple.",
        ({"give": lambda c, w, s: c}, {"give": lambda c, w, s: w}, {"give": lambda c, w, s: (c, w, s)}),
    ),
    Mistake(
        "mean-instead-of-weighted-sum",
        "The context is a plain mean or sum of the keys: the weights are computed but not used.",
        (
            {"combine": lambda m, w, q, k: k.mean(1, keepdim=True).expand(-1, w.shape[1], -1)},
            {"combine": lambda m, w, q, k: k.sum(1, keepdim=True).expand(-1, w.shape[1], -1)},
            {"combine": lambda m, w, q, k: w @ k / k.shape[1]},
        ),
    ),
    Mistake(
        "context-from-queries",
        "The context is made of the queries (the decoder's states). What is looked up are the keys, the encoder's states.",
        (
            {"combine": lambda m, w, q, k: w.transpose(1, 2) @ q},
            {"combine": lambda m, w, q, k: w @ q},
            {"combine": lambda m, w, q, k: w.sum(-1, keepdim=True) * q},
            {"combine": lambda m, w, q, k: w @ (q if q.shape == k.shape else k)},
        ),
    ),
    Mistake(
        "weights-transposed",
        "The weights are used the other way round when the context is made. Row i of the weights belongs to query i.",
        (
            {"combine": lambda m, w, q, k: w.transpose(1, 2) @ k},
            {"combine": lambda m, w, q, k: w.reshape(w.shape[0], w.shape[2], w.shape[1]) @ k},
        ),
    ),
    Mistake(
        "weights-on-scores",
        "The context is not made of the encoder's states: the weights multiply something else. Weight the keys.",
        ({"combine": lambda m, w, q, k: w},),
    ),
    Mistake(
        "same-context-for-all",
        "Every query gets the same context. Each query has weights of its own.",
        (
            {"combine": lambda m, w, q, k: (w[:, :1] @ k).expand(-1, w.shape[1], -1)},
            {"combine": lambda m, w, q, k: (w.mean(1, keepdim=True) @ k).expand(-1, w.shape[1], -1)},
            {"combine": lambda m, w, q, k: (w[:, -1:] @ k).expand(-1, w.shape[1], -1)},
        ),
    ),
    Mistake(
        "mixes-samples",
        "Samples of the batch influence one another: what stands at index b must depend on sample b alone.",
        (
            {"combine": lambda m, w, q, k: w @ k[:1]},
            {"combine": lambda m, w, q, k: torch.einsum("bts,csd->btd", w, k)},
            {"outer": lambda f: lambda q, k, m: f(q, k[:1].expand_as(k), m)},
        ),
    ),
    Mistake(
        "query-added-to-the-context",
        "The context holds more than the weighted keys: the query has been added or joined. That step belongs to the decoder.",
        (
            {"combine": lambda m, w, q, k: w @ k + q},
            {"combine": lambda m, w, q, k: torch.cat([w @ k, q], -1)},
            {"combine": lambda m, w, q, k: torch.tanh(w @ k)},
        ),
    ),
    Mistake(
        "sum-missing",
        "The products of weight and key are there, but they are not summed over the keys.",
        ({"combine": lambda m, w, q, k: w[..., None] * k[:, None]},),
    ),
    Mistake(
        "softmax-missing",
        "The scores themselves are used as weights: the softmax is missing.",
        ({"normalise": lambda s, m: s},),
    ),
    Mistake(
        "best-key-only",
        "The context is the one key with the largest weight. It should be the sum of all keys, each times its weight.",
        (
            {
                "combine": lambda m, w, q, k: k.gather(
                    1, w.argmax(-1, keepdim=True).expand(-1, -1, k.shape[-1])
                )
            },
        ),
    ),
    Mistake(
        "mask-of-the-first-sample",
        "Every sample gets the mask of the first one.",
        ({"widen": lambda m, s: (m[:, None] if m.dim() == 2 else m)[:1].expand(s.shape[0], -1, -1)},),
    ),
    Mistake(
        "mask-read-as-lengths",
        "The mask is turned into a length, so that holes in it move to the end. Use the mask as it is.",
        (
            {
                "widen": lambda m, s: (
                    torch.arange(m.shape[-1]) < (m[:, None] if m.dim() == 2 else m).sum(-1, keepdim=True)
                )
            },
        ),
    ),
    Mistake(
        "inputs-swapped",
        "forward takes the keys first here. The order is (queries, keys, mask).",
        ({"outer": lambda f: lambda q, k, m: f(k, q, m)},),
    ),
    Mistake(
        "first-query-for-all",
        "Every query gets the weights of one of them.",
        (
            {"outer": lambda f: lambda q, k, m: f(q[:, :1].expand_as(q), k, m)},
            {"outer": lambda f: lambda q, k, m: f(q[:, -1:].expand_as(q), k, m)},
        ),
    ),
    Mistake(
        "mask-on-the-wrong-axis",
        "The mask (B, S) is lined up with the wrong axis of the scores (B, T, S). Its last axis speaks of the keys: give it a middle axis of size 1.",
        (
            {"widen": lambda m, s: m[:, :, None] if m.dim() == 2 else m},
            {"widen": lambda m, s: m},
            {
                "widen": lambda m, s: (
                    m[:, :, None]
                    if m.dim() == 2 and s.shape[1] == s.shape[2]
                    else m[:, None]
                    if m.dim() == 2
                    else m
                )
            },
            {"widen": lambda m, s: m[None] if m.dim() == 2 else m},
        ),
    ),
    Mistake(
        "mask-per-query-not-handled",
        "A mask of shape (B, S) works, but one of shape (B, T, S), with a row for each query, does not. Add the middle axis only when it is missing.",
        (
            {"widen": lambda m, s: m[:, None]},
            {"widen": lambda m, s: m[:, None, :] if m.dim() == 2 else m[:, :1]},
            {"widen": lambda m, s: m[:, None, :] if m.dim() == 2 else m.any(1, keepdim=True)},
            {"widen": lambda m, s: m.view(m.shape[0], 1, m.shape[-1])},
        ),
    ),
    Mistake(
        "mask-required",
        "Without a mask the call fails. The mask is optional: give it the default None and treat that case.",
        (
            {"outer": lambda f: lambda q, k, m: f(q, k, m.bool())},
            {"outer": lambda f: lambda q, k, m: f(q, k, m[:, None] if m.dim() == 2 else m)},
        ),
    ),
    Mistake(
        "detached",
        "The numbers are right, but the result is cut off from its inputs: no gradient flows back. Look for `.detach()`, `.data`, `.item()`, torch.no_grad() or numpy.",
        ({"outer": _on_both(lambda r: r.detach())},),
    ),
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: the weights, the queries or the keys were detached on one path.",
        (
            {"combine": lambda m, w, q, k: w.detach() @ k},
            {"combine": lambda m, w, q, k: w @ k.detach()},
            {"give": lambda c, w, s: (c, w.detach())},
            {"outer": lambda f: lambda q, k, m: f(q.detach(), k, m)},
            {"outer": lambda f: lambda q, k, m: f(q, k.detach(), m)},
        ),
    ),
    Mistake(
        "hard-coded-dtype",
        HARD_CODED_DTYPE.hint,
        (
            {"outer": _inputs_to(torch.float32)},
            {"outer": _on_both(lambda r: r.float())},
            {"outer": lambda f: lambda q, k, m: tuple(r.float().to(q.dtype) for r in f(q, k, m))},
            {"give": lambda c, w, s: (c, w.float())},
            {"give": lambda c, w, s: (c.float(), w)},
            {
                "outer": lambda f: (
                    lambda q, k, m: (lambda c, w: (c.float().to(c.dtype), w.float().to(w.dtype)))(*f(q, k, m))
                )
            },
        ),
    ),
    Mistake(
        "bare-squeeze",
        BARE_SQUEEZE.hint,
        (
            {"outer": _on_both(lambda r: r.squeeze())},
            {"give": lambda c, w, s: (c.squeeze(), w)},
            {"give": lambda c, w, s: (c, w.squeeze())},
            {"give": lambda c, w, s: (c.squeeze(1), w.squeeze(1))},
            {"give": lambda c, w, s: (c.squeeze(1), w)},
            {"give": lambda c, w, s: (c.squeeze(0), w.squeeze(0))},
        ),
    ),
    Mistake(
        "returns-nothing",
        RETURNS_NOTHING.hint,
        ({"give": lambda c, w, s: None},),
    ),
    Mistake(
        "dropout-at-evaluation",
        "The same call gives another result each time, though the module is in eval mode: dropout is applied always (F.dropout needs training=self.training), or parameters are made anew in "
        "every forward.",
        ({"outer": _on_both(lambda r: nn.functional.dropout(r, 0.3, True))},),
        recognise=DIFFERENT_EACH_CALL.recognise,
    ),
    Mistake(
        "changes-its-input",
        CHANGES_ITS_INPUT.hint,
        ({"outer": _changes_keys}, {"outer": _changes_keys_always}),
        recognise=CHANGES_ITS_INPUT.recognise,
    ),
    NEEDS_CONTIGUOUS,
    *LAST_RESORTS,
    # A module's scores always have three axes, so that an axis counted from the front is no mistake there.
    *(m for m in SOFTMAX_MISTAKES if m.id != "axis-counted-from-the-front"),
)
"""Mistakes that do not depend on the score function."""


def parameter_mistakes(
    make_bare: Callable, make_uninitialised: Callable, make_constant: Callable, make_fixed: Callable
) -> tuple[Mistake, ...]:
    """Mistakes in making the parameters, from the four ways of making them wrongly."""
    return (
        Mistake(
            "unregistered-parameter",
            "The module does not know its own weights: a plain tensor, a Python list of layers, or `nn.Parameter(...).to(...)` is not registered, so no optimiser will ever change it. Assign an "
            "nn.Parameter or an nn.Linear directly to self.",
            tuple({"make": m} for m in (make_bare,)),
            recognise=_nothing_registered,
        ),
        Mistake(
            "uninitialised-memory",
            "torch.FloatTensor(n, m), torch.Tensor(n, m) and torch.empty take memory as they find it: any number may stand there, NaN too, and no seed helps. Initialise it, for example with "
            "nn.init.xavier_uniform_.",
            ({"make": make_uninitialised},),
            recognise=_unset_memory,
        ),
        Mistake(
            "constant-initialisation",
            "All entries of a parameter start equal: units that start equal stay equal, since they get the same gradient. Start with random numbers.",
            tuple({"make": make_constant(value)} for value in (0.0, 1.0, 0.1)),
            recognise=_all_equal,
        ),
        Mistake(
            "fixed-seed-inside",
            "Every new module has the same numbers, whatever the seed outside is: a seed is set inside the module. Leave seeds to the caller.",
            ({"make": make_fixed},),
            recognise=_same_for_all_seeds,
        ),
    )


def _nothing_registered(failed: list[Tried]) -> set[int]:
    return set(range(len(failed))) if any(t.outcome.parameters == {} for t in failed) else set()


def _unset_memory(failed: list[Tried]) -> set[int]:
    return _born_as(failed, lambda p: not bool(p.isfinite().all()))


def _all_equal(failed: list[Tried]) -> set[int]:
    equal = _born_as(failed, lambda p: p.numel() > 1 and bool((p == p.flatten()[0]).all()))
    return equal | _same_for_all_seeds(failed) if equal else set()


def _born_as(failed: list[Tried], odd: Callable[[Tensor], bool]) -> set[int]:
    """The failing constructions in which a parameter is odd."""
    return {
        i
        for i, t in enumerate(failed)
        if not t.case.calls and any(odd(p) for p in (t.outcome.parameters or {}).values())
    }


def _same_for_all_seeds(failed: list[Tried]) -> set[int]:
    return {i for i, t in enumerate(failed) if t.check.across is seeds_differ}
