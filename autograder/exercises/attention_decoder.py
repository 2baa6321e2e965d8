"""Exercises of lesson 07: one decoder step with attention, the whole decoder, and the gradient through an alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, one_hot

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Callback, Case, Construct, Other
from .anywhere import (
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    CONSTANT_RESULT,
    DETACHED,
    DIFFERENT_EACH_CALL,
    HARD_CODED_DTYPE,
    MIXES_SAMPLES,
    NEEDS_CONTIGUOUS,
    ONLY,
    RETURNS_NOTHING,
    SCALED,
    SHIFTED,
    STALE_CACHE,
    without,
)
from .common import ask, finite_gradients, wrapped
from .modules import parameter_mistakes, seeds_differ

LESSON = "07_attention_decoder"

# ---- one step in pieces: choose the query, look, join, advance, give


def _look(attend: Callable, query: Tensor, keys: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    context, weights = attend(query[:, None], keys, mask)
    return context[:, 0], weights[:, 0]


def _join(embedded: Tensor, context: Tensor) -> Tensor:
    return torch.cat([embedded, context], 1)


def _advance(cell: Callable, x: Tensor, state: Tensor, context: Tensor) -> Tensor:
    return cell(x, state)


def _one_step(query=None, look=None, join=None, advance=None, around=None) -> Callable:
    """The step (embedded, state, keys, mask, attend, cell) -> (state, context, weights) out of its pieces.

    `around(step)` makes another step of it, for mistakes in the order of things.
    """
    query = query or (lambda embedded, state: state)
    look, join, advance = look or _look, join or _join, advance or _advance

    def step(embedded, state, keys, mask, attend, cell):
        context, weights = look(attend, query(embedded, state), keys, mask)
        return advance(cell, join(embedded, context), state, context), context, weights

    return wrapped(around, step)


STEP_PIECES = ("query", "look", "join", "advance", "around")


def _build_decoder_step(give=None, outer=None, **pieces):
    step = _one_step(**pieces)

    def answer(embedded, state, keys, mask, attend, cell):
        new, context, weights = step(embedded, state, keys, mask, attend, cell)
        return give(new, context, weights, state) if give else (new, context, weights)

    return wrapped(outer, answer)


def _state_first(context_before: Callable[[Tensor, Tensor | None], Tensor], again: bool) -> Callable:
    """The cell goes first, with some other context, and its new state is the query."""

    def around(step):
        def answer(embedded, state, keys, mask, attend, cell):
            new = cell(_join(embedded, context_before(keys, mask)), state)
            context, weights = _look(attend, new, keys, mask)
            return cell(_join(embedded, context), new if again else state), context, weights

        return answer

    return around


def _state_first_only(context_before: Callable[[Tensor, Tensor | None], Tensor]) -> Callable:
    def around(step):
        def answer(embedded, state, keys, mask, attend, cell):
            new = cell(_join(embedded, context_before(keys, mask)), state)
            return (new, *_look(attend, new, keys, mask))

        return answer

    return around


def _looks_again(step: Callable) -> Callable:
    """The step is right, but context and weights come from a second look, with the new state."""

    def answer(embedded, state, keys, mask, attend, cell):
        new, _, _ = step(embedded, state, keys, mask, attend, cell)
        return (new, *_look(attend, new, keys, mask))

    return answer


def _no_context(keys: Tensor, mask: Tensor | None) -> Tensor:
    return torch.zeros_like(keys[:, 0])


def _mean_of_keys(keys: Tensor, mask: Tensor | None) -> Tensor:
    return keys.mean(1)


def _mean_of_real_keys(keys: Tensor, mask: Tensor | None) -> Tensor:
    return keys.mean(1) if mask is None else (keys * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _context_by(make: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Callable:
    """Looks rightly, but puts another context (of weights, keys and mask) in place of the one it found."""

    def look(attend, query, keys, mask):
        _, weights = _look(attend, query, keys, mask)
        return make(weights, keys, mask), weights

    return look


def _mask_changed(change: Callable[[Tensor], Tensor | None]) -> Callable:
    return lambda attend, q, k, m: _look(attend, q, k, None if m is None else change(m))


def _keys_zeroed(attend, q, k, m):
    return _look(attend, q, k if m is None else k * m[..., None].to(k.dtype), None)


def _step_on(**changes: Callable[[Tensor], Tensor]) -> Callable:
    """The step with some of its tensors changed on the way in."""
    places = ("embedded", "state", "keys")

    def around(step):
        def answer(*args):
            args = list(args)
            for name, change in changes.items():
                args[places.index(name)] = change(args[places.index(name)])
            return step(*args)

        return answer

    return around


def _step_result(place: int, change: Callable[[Tensor], Tensor]) -> Callable:
    """The step with one of its three results changed."""

    def around(step):
        def answer(*args):
            results = list(step(*args))
            results[place] = change(results[place])
            return tuple(results)

        return answer

    return around


def _fits(change: Callable, test: Callable[..., bool], otherwise: Callable) -> Callable:
    """A mistake that raises unless sizes happen to fit, made only where they do."""
    return lambda *args: change(*args) if test(*args) else otherwise(*args)


def _same_width(a: Tensor, b: Tensor) -> bool:
    return a.shape[-1] == b.shape[-1]


STEP_MISTAKES = (
    Mistake(
        "query-is-the-new-state",
        "The query is the state after the cell. The cell needs the context, the context needs the weights, and the weights need a query: which state is there before any of them? "
        "(In Luong's decoder the order is another one, and the query is the current state.)",
        (
            *({"around": _state_first(made, False)} for made in (_no_context, _mean_of_keys)),
            *({"around": _state_first_only(made)} for made in (_no_context, _mean_of_keys)),
            {"around": _looks_again},
        ),
    ),
    Mistake(
        "cell-applied-twice",
        "The state goes through the cell twice in one step. One step takes the cell once.",
        (
            *({"around": _state_first(made, True)} for made in (_no_context, _mean_of_keys)),
            {"advance": lambda cell, x, s, z: cell(x, cell(x, s))},
        ),
    ),
    Mistake(
        "query-of-the-wrong-shape",
        "The attention is given a query of the wrong shape. It takes queries (B, T, H), here with T = 1: the state that came in, with a middle axis of size 1.",
        (
            {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q, k, m))},
            {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q[None], k, m))},
            {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q[..., None], k, m))},
            {"query": lambda y, s: torch.cat([y, s], 1)},
        ),
    ),
    Mistake(
        "embedded-token-as-query",
        "The query is made of the embedded token. What the decoder is looking for is known by its state: the token alone does not say what was written before it.",
        (
            {"query": lambda y, s: y},
            {"query": _fits(lambda y, s: y, _same_width, lambda y, s: s)},
            {"query": _fits(lambda y, s: y + s, _same_width, lambda y, s: s)},
        ),
    ),
    Mistake(
        "query-ignored",
        "The weights do not depend on the state: the query is a constant.",
        ({"query": lambda y, s: torch.zeros_like(s)}, {"query": lambda y, s: torch.ones_like(s)}),
    ),
    Mistake(
        "state-ignored",
        "The cell does not get the state that came in, so the decoder forgets what it has written.",
        (
            {"advance": lambda cell, x, s, z: cell(x, torch.zeros_like(s))},
            {"around": _step_on(state=torch.zeros_like)},
        ),
    ),
    Mistake(
        "state-is-the-context",
        "The cell gets the context in place of the state. The context is part of its input; its state is the decoder's own.",
        (
            {"advance": lambda cell, x, s, z: cell(x, z)},
            {"advance": lambda cell, x, s, z: cell(x, z if _same_width(s, z) else s)},
        ),
    ),
    Mistake(
        "context-left-out",
        "The context does not reach the cell: its place in the input holds zeros, the token again, or something that every step shares. Then attention is computed and changes nothing.",
        (
            {"join": lambda y, z: _join(y, torch.zeros_like(z))},
            {"join": lambda y, z: _join(y, torch.ones_like(z))},
            {"join": _fits(lambda y, z: _join(y, y), _same_width, _join)},
            {"join": _fits(lambda y, z: _join(z, z), _same_width, _join)},
        ),
    ),
    Mistake(
        "token-left-out",
        "The embedded token does not reach the cell: its place in the input holds zeros.",
        ({"join": lambda y, z: _join(torch.zeros_like(y), z)},),
    ),
    Mistake(
        "cell-input-of-the-wrong-shape",
        "The cell is given an input of the wrong shape: the token alone, the context alone, or both with an axis too many. Its input is both, joined: (B, E + Dk).",
        (
            {"join": lambda y, z: y},
            {"join": lambda y, z: z},
            {"join": lambda y, z: torch.cat([y[:, None], z[:, None]], 2)},
        ),
    ),
    Mistake(
        "added-instead-of-joined",
        "The token and the context are added or multiplied. They are joined: their numbers stand one after the other.",
        (
            {"join": lambda y, z: y + z},
            {"join": lambda y, z: y * z},
            {"join": _fits(lambda y, z: _join(y + z, z), _same_width, _join)},
        ),
    ),
    Mistake(
        "joined-in-the-other-order",
        "The context stands before the token. Both orders have E + Dk numbers, so no error is raised, but the cell's weights expect the token first.",
        (
            {"join": lambda y, z: torch.cat([z, y], 1)},
            {"join": lambda y, z: torch.cat([z, y] if _same_width(y, z) else [y, z], 1)},
        ),
    ),
    Mistake(
        "joined-along-the-wrong-axis",
        "Token and context are joined along the batch, or stacked on a new axis. They are joined along the last axis, the one of features.",
        (
            {"join": lambda y, z: torch.cat([y, z])},
            {"join": lambda y, z: torch.stack([y, z], 1)},
            {"join": lambda y, z: torch.stack([y, z], -1).flatten(1)},
            {
                "join": lambda y, z: (
                    torch.stack([y, z], -1).flatten(1) if y.shape == z.shape else torch.cat([y, z], 1)
                )
            },
        ),
    ),
    Mistake(
        "cell-arguments-swapped",
        "The cell gets the state first. Its order is (input, state).",
        ({"advance": lambda cell, x, s, z: cell(s, x)},),
    ),
    Mistake(
        "attend-arguments-swapped",
        "The attention gets the keys first. Its order is (queries, keys, mask).",
        ({"look": lambda attend, q, k, m: _look(lambda a, b, c: attend(b, a, c), q, k, m)},),
    ),
    Mistake(
        "mask-missing",
        "The mask does not reach the attention: padding takes part of the weight.",
        ({"look": _mask_changed(lambda m: None)}, {"look": _mask_changed(torch.ones_like)}),
    ),
    Mistake(
        "mask-inverted",
        "The mask is turned round: only the padding is attended to. True means a real token, for the attention too.",
        ({"look": _mask_changed(lambda m: ~m)},),
    ),
    Mistake(
        "mask-of-the-first-sample",
        "Every sample gets the mask of the first one.",
        ({"look": _mask_changed(lambda m: m[:1].expand_as(m))},),
    ),
    Mistake(
        "keys-zeroed-instead-of-masked",
        "The padded keys are set to 0, and the attention is not told of them. A key of 0 has a score like any other, and e⁰ = 1: it still takes weight. Hand the mask on.",
        ({"look": _keys_zeroed},),
    ),
    Mistake(
        "mask-required",
        "Without a mask (None) the call fails. None means that every key may be attended to: hand it on as it is.",
        (
            {"look": lambda attend, q, k, m: _look(attend, q, k, m.bool())},
            {"look": lambda attend, q, k, m: _look(attend, q, k, m.to(k.device))},
            {"look": lambda attend, q, k, m: _look(attend, q, k * m[..., None].to(k.dtype), m)},
        ),
    ),
    Mistake(
        "mean-instead-of-weighted-sum",
        "The context is a plain mean or sum of the keys: the weights play no part in it.",
        (
            {"look": _context_by(lambda a, k, m: k.mean(1))},
            {"look": _context_by(lambda a, k, m: k.sum(1))},
            {"look": _context_by(lambda a, k, m: _mean_of_real_keys(k, m))},
        ),
    ),
    Mistake(
        "one-key-instead-of-weighted-sum",
        "The context is one single key, the last, the first or the best. It is the sum of all keys, each times its weight.",
        (
            {"look": _context_by(lambda a, k, m: k[:, -1])},
            {"look": _context_by(lambda a, k, m: k[:, 0])},
            {
                "look": _context_by(
                    lambda a, k, m: (one_hot(a.argmax(1), k.shape[1]).to(k.dtype)[:, None] @ k)[:, 0]
                )
            },
        ),
    ),
    Mistake(
        "softmax-twice",
        "The weights went through a softmax once more: they come out too even. What the attention gives are weights already.",
        (
            {
                "look": lambda attend, q, k, m: (
                    ((a := torch.softmax(_look(attend, q, k, m)[1], -1))[:, None] @ k)[:, 0],
                    a,
                )
            },
            {
                "look": lambda attend, q, k, m: (
                    (found := _look(attend, q, k, m))[0],
                    torch.softmax(found[1], -1),
                )
            },
        ),
    ),
    Mistake(
        "old-state-kept",
        "The old state is still in the result: it comes back as it was, or is added to the new one. The cell's result is the new state.",
        (
            {"advance": lambda cell, x, s, z: s},
            {"advance": lambda cell, x, s, z: cell(x, s) + s},
            {"advance": lambda cell, x, s, z: (cell(x, s) + s) / 2},
        ),
    ),
    Mistake(
        "function-applied-afterwards",
        "Something more is done to the cell's result: a tanh, a ReLU, the context added. The cell's result is the new state as it is.",
        (
            *(
                {"advance": lambda cell, x, s, z, f=f: f(cell(x, s))}
                for f in (torch.tanh, torch.relu, torch.sigmoid, lambda h: torch.softmax(h, -1))
            ),
            {
                "advance": lambda cell, x, s, z: (
                    (cell(x, s) + z) if _same_width(s, z) else torch.tanh(cell(x, s))
                )
            },
        ),
    ),
)
"""Mistakes in one decoder step, alone and inside the decoder."""

_STEP_CUTS = (
    {"query": lambda y, s: s.detach()},
    {"around": _step_on(embedded=lambda y: y.detach())},
    {"around": _step_on(state=lambda s: s.detach())},
    {"around": _step_on(keys=lambda k: k.detach())},
    {"advance": lambda cell, x, s, z: cell(x, s.detach())},
    {"advance": lambda cell, x, s, z: cell(x, s).detach()},
    {"join": lambda y, z: _join(y, z.detach())},
    {"join": lambda y, z: _join(y.detach(), z)},
    {"look": lambda attend, q, k, m: tuple(r.detach() for r in _look(attend, q, k, m))},
    {"look": _context_by(lambda a, k, m: (a.detach()[:, None] @ k)[:, 0])},
    {"look": _context_by(lambda a, k, m: (a[:, None] @ k.detach())[:, 0])},
)
_WEIGHTS_CUT = {
    "look": lambda attend, q, k, m: ((found := _look(attend, q, k, m))[0], found[1].detach()),
}


def _on_each(change: Callable[[Tensor], object]) -> Callable:
    """Change each of several results."""
    return lambda f: lambda *args: tuple(change(r) for r in f(*args))


def _on_one(place: int, change: Callable[[Tensor], object]) -> Callable:
    def outer(f):
        def answer(*args):
            results = list(f(*args))
            results[place] = change(results[place])
            return tuple(results)

        return answer

    return outer


def _on_arguments(places: tuple[int, ...], change: Callable[[Tensor], Tensor]) -> Callable:
    return lambda f: lambda *args: f(*(change(a) if i in places else a for i, a in enumerate(args)))


def _writes_to(place: int, write: Callable[[Tensor], object]) -> Callable:
    """Overwrites one argument after using it."""

    def outer(f):
        def answer(*args):
            result = f(*args)
            write(args[place])
            return result

        return answer

    return outer


def _writes_state(f: Callable) -> Callable:
    def answer(*args):
        result = f(*args)
        args[1].copy_(result[0])
        return result

    return answer


def _zeroes_keys(f: Callable) -> Callable:
    def answer(embedded, state, keys, mask, *rest):
        if mask is not None:
            keys.masked_fill_(~mask[..., None], 0)
        return f(embedded, state, keys, mask, *rest)

    return answer


def _keeps_keys(by_shape: bool) -> Callable:
    def outer(f):
        memory = {}

        def answer(embedded, state, keys, *rest):
            kept = memory.setdefault(tuple(keys.shape) if by_shape else None, keys)
            return f(embedded, state, kept, *rest)

        return answer

    return outer


def _mixing(places: tuple[int, ...]) -> tuple[dict, ...]:
    """Ways of letting samples meet, in one argument or in all results."""
    ways = (
        lambda x: x[:1].expand_as(x),
        lambda x: x.mean(0, keepdim=True).expand_as(x),
        lambda x: x.flip(0),
        lambda x: x.roll(1, 0),
    )
    return (
        *({"outer": _on_arguments((place,), change)} for place in places for change in ways),
        *({"outer": _on_each(change)} for change in ways),
    )


def _no_tensors(names: str) -> Mistake:
    """Results of another kind or number."""

    def recognise(failed: list[Tried]) -> set[int]:
        nothing = (Other("NoneType"),)
        return {
            i
            for i, t in enumerate(failed)
            if t.difference.aspect == "kind"
            and not any(getattr(r, "outputs", None) == nothing for r in t.outcome.results)
        }

    return Mistake(
        "not-the-asked-results",
        f"What comes back is not what was asked for: {names}, each a tensor, as one tuple.",
        (
            {"outer": lambda f: lambda *args: f(*args)[0]},
            {"outer": lambda f: lambda *args: f(*args)[:-1]},
            {"outer": lambda f: lambda *args: (*(r := f(*args)), r[0])},
            {"outer": _on_each(lambda r: r.detach().tolist())},
            {"outer": lambda f: lambda *args: dict(enumerate(f(*args)))},
        ),
        recognise=recognise,
    )


_SEVERAL_LAST_RESORTS = (
    replace(CONSTANT_RESULT, variants=({"outer": _on_each(torch.ones_like)},)),
    replace(SCALED, variants=({"outer": _on_each(lambda r: 3 * r)}, {"outer": _on_each(lambda r: r / 5)})),
    replace(SHIFTED, variants=({"outer": _on_each(lambda r: r + 2)}, {"outer": _on_each(lambda r: r - 0.5)})),
    *ONLY,
)

_DTYPE_VARIANTS = (
    {"outer": _on_each(lambda r: r.float())},
    {"outer": _on_each(lambda r: r.double())},
    {"outer": _on_each(lambda r: r.float().to(r.dtype))},
    {"outer": _on_each(lambda r: r.to(torch.bfloat16).to(r.dtype))},
)


# ---- decoder_step

_STEP_LETTERS = "BSEHD"  # D stands for Dk


def _step_sizes(draw: Draw, **fixed: int) -> dict[str, int]:
    sizes = draw.distinct(len(_STEP_LETTERS), 2, 2 + len(_STEP_LETTERS))
    return dict(zip(_STEP_LETTERS, sizes, strict=True)) | fixed


def _step_case(
    fill: Callable[..., Tensor],
    z: dict[str, int],
    mask: Tensor | None = None,
    gradient: bool = False,
    keys=None,
) -> Case:
    """A case of one step. A smaller share of each input reaches the cell's tanh where there are many."""
    wide = 1.0 if z["E"] + z["D"] + z["H"] < 5 else 0.5
    embedded, state = fill(z["B"], z["E"]), fill(z["B"], z["H"])
    keys = fill(z["B"], z["S"], z["D"]) if keys is None else keys
    attend = Callback("attend", {"W": fill(z["H"], z["D"])})
    cell = Callback("cell", {"W_x": wide * fill(z["H"], z["E"] + z["D"]), "W_h": wide * fill(z["H"], z["H"])})
    wanted = (fill(z["B"], z["H"]), fill(z["B"], z["D"]), fill(z["B"], z["S"])) if gradient else None
    return ask(embedded, state, keys, mask, attend, cell, cotangents=wanted)


def _ones_and_minus_ones(draw: Draw) -> Callable[..., Tensor]:
    return lambda *shape: draw.nonzero(*shape, most=1)


def _tiny_step(draw: Draw, mask: Tensor | None = None, gradient: bool = False, **sizes: int) -> Case:
    z = dict.fromkeys(_STEP_LETTERS, 1) | sizes
    return _step_case(_ones_and_minus_ones(draw), z, mask, gradient)


def _clear_step(draw: Draw, forgets: bool, mask: Tensor | None = None, gradient: bool = False) -> Case:
    """A step in whole numbers that saturates nothing: the cell's tanh is of 1 in both.

    With state 0 all scores are 0 and the context is the mean of the keys, here 1. Otherwise the keys are
    equal, so that the context is 1 whatever the weights are, and what the state adds is seen.
    """
    sign = float(draw.nonzero(1, most=1))
    embedded, state, keys, shares = (2.0, 0.0, (2.0, 0.0), -1.0) if forgets else (-2.0, 1.0, (1.0, 1.0), 1.0)
    one = torch.ones(1, 1)
    wanted = tuple(draw.nonzero(1, size, most=2) for size in (1, 1, 2)) if gradient else None
    return ask(
        embedded * one,
        state * one,
        sign * torch.tensor(keys)[None, :, None],
        mask,
        Callback("attend", {"W": one}),
        Callback("cell", {"W_x": torch.tensor([[1.0, sign * shares]]), "W_h": one}),
        cotangents=wanted,
    )


def _step_shapes(draw: Draw) -> Iterator[Case]:
    yield _step_case(draw.normal, _step_sizes(draw))
    for letter in _STEP_LETTERS:
        yield _step_case(draw.normal, _step_sizes(draw, **{letter: 1}))


def _step_values(draw: Draw) -> Iterator[Case]:
    yield _clear_step(draw, True)
    yield _clear_step(draw, False)
    yield _tiny_step(draw, S=3, D=2, H=2)
    yield _step_case(draw.normal, _step_sizes(draw))
    yield _step_case(draw.normal, _step_sizes(draw, S=9))
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 3))
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 2))
    for letter in "BSH":
        yield _step_case(draw.normal, _step_sizes(draw, **{letter: 1}))


def _step_masks(draw: Draw) -> Iterator[Case]:
    yield _clear_step(draw, True, torch.tensor([[True, False]]))
    yield _tiny_step(draw, torch.tensor([[True, True, False], [False, True, True]]), B=2, S=3)
    z = _step_sizes(draw)
    yield _step_case(draw.normal, z, draw.prefix_mask(z["B"], z["S"]))
    z = _step_sizes(draw, S=5)
    yield _step_case(draw.normal, z, draw.scattered_mask(z["B"], 5))
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 3), draw.prefix_mask(3, 3))
    mask = draw.prefix_mask(z["B"], 5)
    keys = draw.normal(z["B"], 5, z["D"]).masked_fill(~mask[..., None], 1e4)
    yield _step_case(draw.normal, z, mask, keys=keys)
    mask = draw.prefix_mask(z["B"], 5)
    mask[draw.integer(0, z["B"] - 1)] = False
    yield _step_case(draw.normal, z, mask)


def _step_gradients(draw: Draw) -> Iterator[Case]:
    yield _clear_step(draw, True, gradient=True)
    yield _tiny_step(draw, S=2, gradient=True)
    yield _step_case(draw.normal, _step_sizes(draw), gradient=True)
    z = _step_sizes(draw, B=3, S=4)
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _step_case(draw.normal, z, mask, gradient=True)
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 2), gradient=True)


def _loud_step(draw: Draw) -> Case:
    """Scores of ±20,000 and 0, exact in float32: the query saturates the tanh of `attend`."""
    keys = 1e4 * torch.tensor([[[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]])
    keys = torch.cat([keys, -keys])
    attend = Callback("attend", {"W": torch.eye(2)})
    cell = Callback("cell", {"W_x": draw.whole(2, 3), "W_h": torch.eye(2)})
    states = 1e4 * torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    wanted = draw.normal(2, 2), draw.normal(2, 2), draw.normal(2, 3)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    return ask(1e4 * draw.whole(2, 1), states, keys, mask, attend, cell, cotangents=wanted)


def _step_robust(draw: Draw) -> Iterator[Case]:
    z = _step_sizes(draw)
    yield _tiny_step(draw, torch.tensor([[True, False]]), S=2)
    yield _step_case(
        lambda *s: draw.strided(draw.normal(*s)), z, draw.strided(draw.prefix_mask(z["B"], z["S"]))
    )
    yield _step_case(lambda *s: draw.normal(*s, dtype=torch.float64), z, draw.prefix_mask(z["B"], z["S"]))
    yield _step_case(draw.quarters, dict.fromkeys(_STEP_LETTERS, 2), draw.prefix_mask(2, 2))
    yield _step_case(draw.quarters, {"B": 2, "S": 3, "E": 2, "H": 3, "D": 1})
    yield _loud_step(draw)
    again, alike = (_step_case(draw.normal, z).calls[0] for _ in range(2))
    other = _step_case(draw.normal, _step_sizes(draw), None).calls[0]
    yield Case((again, alike, other, again))


DECODER_STEP = Exercise(
    name="decoder_step",
    lesson=LESSON,
    asked="One step of a decoder with attention. The state s^{i-1} (B, H) that came in is the query over all keys (B, S, Dk), by attend(queries (B, 1, H), keys, mask) -> (context (B, 1, Dk), weights (B, 1, S)). "
    "The embedded token (B, E) joined with the context, in this order, and the state go into cell(input (B, E + Dk), state) -> (B, H). Return (state (B, H), context (B, Dk), weights (B, S)).",
    arguments=("embedded (B, E)", "state (B, H)", "keys (B, S, Dk)", "mask (B, S)", "attend", "cell"),
    returns=("state (B, H)", "context (B, Dk)", "weights (B, S)"),
    reference=seqattn_ref.decoder_step,
    build=_build_decoder_step,
    checks=(
        Check("It returns (state (B, H), context (B, Dk), weights (B, S))", 0.5, _step_shapes, ("shape",)),
        Check("The weights are those for the state that came in", 1, _step_values, outputs=(2,)),
        Check("The context is the one that attend gives", 0.5, _step_values, outputs=(1,)),
        Check(
            "The new state is the cell's, from the token and the context joined, and the state that came in",
            1,
            _step_values,
            outputs=(0,),
        ),
        Check(
            "The mask reaches the attention, whatever stands at the padding", 0.5, _step_masks, outputs=(1, 2)
        ),
        Check(
            "Gradients reach the token, the state, the keys and what attend and cell learn",
            1,
            _step_gradients,
            ("gradients",),
        ),
        Check(
            "It works in float64 and bfloat16, on any memory layout, for large numbers, and leaves its inputs as they were",
            0.5,
            _step_robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    ),
    mistakes=(
        *STEP_MISTAKES,
        Mistake(
            "old-state-kept",
            "The state that comes back is the one that came in. The cell's result is the new state.",
            ({"give": lambda new, z, a, s: (s, z, a)},),
        ),
        Mistake(
            "results-in-another-order",
            "The three results have changed places. The order is the state, the context, the weights.",
            tuple(
                {"give": lambda new, z, a, s, order=order: tuple((new, z, a)[i] for i in order)}
                for order in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
            ),
        ),
        Mistake(
            "step-axis-left",
            "The context or the weights still have the axis of size 1 of their one query. Take that axis away by its place: `[:, 0]` or `.squeeze(1)`.",
            (
                {"give": lambda new, z, a, s: (new, z[:, None], a[:, None])},
                {"give": lambda new, z, a, s: (new, z, a[:, None])},
                {"give": lambda new, z, a, s: (new, z[:, None], a)},
                {"give": lambda new, z, a, s: (new[:, None], z[:, None], a[:, None])},
                {"give": lambda new, z, a, s: (new[:, None], z, a)},
                {"look": lambda attend, q, k, m: attend(q[:, None], k, m)},
            ),
        ),
        Mistake(
            "joined-input-returned",
            "The second result is the cell's input, token and context joined. The context alone is asked for.",
            (
                {
                    "around": lambda step: (
                        lambda y, *rest: (lambda new, z, a: (new, _join(y, z), a))(*step(y, *rest))
                    )
                },
            ),
        ),
        Mistake(
            "gradient-cut",
            "The numbers are right, but a gradient is missing: the state, the context, the weights or the keys were detached on one path. The scorer learns through the weights, so nothing may cut them off.",
            (*_STEP_CUTS, _WEIGHTS_CUT),
        ),
        Mistake("detached", DETACHED.hint, ({"outer": _on_each(lambda r: r.detach())},)),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": _on_each(lambda r: r.squeeze())},
                {"outer": _on_one(1, lambda r: r.squeeze())},
                {"outer": _on_one(2, lambda r: r.squeeze())},
                {"outer": _on_each(lambda r: r.squeeze(0))},
                {
                    "look": lambda attend, q, k, m: tuple(r.squeeze() for r in attend(q[:, None], k, m)),
                },
                {
                    "look": lambda attend, q, k, m: (
                        (found := attend(q[:, None], k, m))[0].squeeze(1),
                        found[1].squeeze(),
                    )
                },
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (
                {"outer": _writes_state},
                {"outer": _zeroes_keys},
                {"outer": _writes_to(0, lambda y: y.add_(1))},
                {"outer": _writes_to(2, lambda k: k.mul_(2))},
            ),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        replace(
            STALE_CACHE,
            variants=(*STALE_CACHE.variants, *({"outer": _keeps_keys(by)} for by in (True, False))),
        ),
        Mistake("mixes-samples", MIXES_SAMPLES.hint, _mixing((0, 1, 2))),
        Mistake(
            "differs-from-call-to-call",
            DIFFERENT_EACH_CALL.hint,
            (
                {"outer": _on_each(lambda r: r + torch.rand_like(r))},
                {"outer": _on_one(0, lambda r: dropout(r, 0.5, True))},
            ),
            recognise=DIFFERENT_EACH_CALL.recognise,
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *_DTYPE_VARIANTS,
                {"join": lambda y, z: _join(y.float(), z.float())},
                {"join": lambda y, z: _join(y.float(), z.float()).to(y.dtype)},
                {"query": lambda y, s: s.float()},
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        _no_tensors("the state, the context and the weights"),
        *_SEVERAL_LAST_RESORTS,
    ),
    hints=(
        "Write the order down first: the state that came in → scores and weights → context → joined with the token → the cell → the new state. Which of these does attend do for you?",
        "attend takes queries (B, T, H), and here T is 1: state[:, None, :] has that shape. Its two results have an axis of size 1 as well; take it away with [:, 0].",
        "Join token and context along the features: torch.cat([…, …], dim=1), the token first. Then one call of the cell, with the state that came in.",
    ),
)

# ---- AttentionDecoder


def _make(
    module: nn.Module,
    vocab: int,
    embed_dim: int,
    hidden_dim: int,
    key_dim: int,
    attn_dim: int,
    attention: type[nn.Module] | None = None,
) -> None:
    module.embedding = nn.Embedding(vocab, embed_dim)
    module.attention = (attention or seqattn_ref.AdditiveAttention)(hidden_dim, key_dim, attn_dim)
    module.cell = nn.GRUCell(embed_dim + key_dim, hidden_dim)
    module.output = nn.Linear(hidden_dim, vocab)


def _build_decoder(
    make=None,
    feed=None,
    start=None,
    carry=None,
    read=None,
    pack=None,
    whole=None,
    give=None,
    outer=None,
    **pieces,
) -> type[nn.Module]:
    """A decoder class out of pieces.

    `feed(inputs, i, logits)` gives the tokens of step i, `start(state)` the first state, `carry(new, old,
    first)` the next one, `read(module, new, context, old, embedded)` the logits of a step, `pack(steps)` joins
    the steps, `give(logits, weights)` makes the result. `whole(module, step, inputs, state, keys, mask)` takes
    the place of the loop. The other pieces are those of one step.
    """
    step = _one_step(**pieces)
    feed = feed or (lambda inputs, i, logits: inputs[:, i])
    start = start or (lambda state: state)
    carry = carry or (lambda new, old, first: new)
    read = read or (lambda module, new, context, old, embedded: module.output(new))
    pack = pack or (lambda steps: torch.stack(steps, 1))
    give = give or (lambda logits, weights: (logits, weights))

    def loop(self, step, inputs, state, keys, mask):
        first = state = start(state)
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            embedded = self.embedding(feed(inputs, i, logits))
            new, context, alpha = step(embedded, state, keys, mask, self.attention, self.cell)
            logits.append(read(self, new, context, state, embedded))
            weights.append(alpha)
            state = carry(new, state, first)
        return logits, weights

    class Decoder(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            (make or _make)(self, *sizes)

        def answer(self, inputs, state, keys, mask=None):
            logits, weights = (whole or loop)(self, step, inputs, state, keys, mask)
            return give(pack(logits), pack(weights))

        def forward(self, inputs, state, keys, mask=None):
            return wrapped(outer, self.answer)(inputs, state, keys, mask)

    return Decoder


_LETTERS = "BTSVEHDA"  # D stands for Dk


def _sizes(draw: Draw, **fixed: int) -> dict[str, int]:
    return dict(zip(_LETTERS, draw.distinct(len(_LETTERS), 2, 2 + len(_LETTERS)), strict=True)) | fixed


def _few_steps(draw: Draw, **fixed: int) -> dict[str, int]:
    """Distinct sizes with a short target, since each step costs time."""
    rest = draw.distinct(len(_LETTERS) - 1, 4, 2 + len(_LETTERS) + 2)
    return {"T": 3} | dict(zip(_LETTERS.replace("T", ""), rest, strict=True)) | fixed


def _arguments(z: dict[str, int]) -> tuple[int, ...]:
    return tuple(z[letter] for letter in "VEHDA")


def _parameter_shapes(z: dict[str, int]) -> dict[str, tuple[int, ...]]:
    V, E, H, D, A = _arguments(z)
    return {
        "embedding.weight": (V, E),
        "attention.W_q.weight": (A, H),
        "attention.W_k.weight": (A, D),
        "attention.v.weight": (1, A),
        "cell.weight_ih": (3 * H, E + D),
        "cell.weight_hh": (3 * H, H),
        "cell.bias_ih": (3 * H,),
        "cell.bias_hh": (3 * H,),
        "output.weight": (V, H),
        "output.bias": (V,),
    }


def _made(fill: Callable[..., Tensor], z: dict[str, int], dtype: torch.dtype = torch.float32) -> Construct:
    named = {name: fill(*shape).to(dtype) for name, shape in _parameter_shapes(z).items()}
    return Construct(_arguments(z), dtype, named)


def _born(z: dict[str, int], seed: int = 0) -> Case:
    return Case((), Construct(_arguments(z)), seed)


def _tokens(draw: Draw, z: dict[str, int]) -> Tensor:
    """Any token but 0, whose embedding does not learn where a learner takes it for padding."""
    return draw.whole(z["B"], z["T"], low=min(1, z["V"] - 1), high=z["V"] - 1, dtype=torch.int64)


def _decoder_call(
    draw: Draw,
    z: dict[str, int],
    mask: Tensor | None = None,
    fill=None,
    gradient: bool = False,
    dtype: torch.dtype = torch.float32,
    keys: Tensor | None = None,
) -> Call:
    fill = fill or draw.normal
    state = fill(z["B"], z["H"])
    keys = fill(z["B"], z["S"], z["D"]) if keys is None else keys
    args = (_tokens(draw, z), state.to(dtype), keys.to(dtype), *(() if mask is None else (mask,)))
    wanted = (fill(z["B"], z["T"], z["V"]).to(dtype), fill(z["B"], z["T"], z["S"]).to(dtype))
    return Call(args, wanted if gradient else None)


def _decoder_case(draw: Draw, z: dict[str, int], mask: Tensor | None = None, fill=None, **rest) -> Case:
    made = _made(fill or draw.normal, z, rest.get("dtype", torch.float32))
    return Case((_decoder_call(draw, z, mask, fill, **rest),), made)


_SMALL = dict.fromkeys(_LETTERS, 1) | {"V": 2, "S": 2}


def _set_by_hand(**values: list) -> Construct:
    """A decoder of the smallest sizes: the numbers given, 0 everywhere else."""
    named = {name: torch.zeros(shape) for name, shape in _parameter_shapes(_SMALL).items()}
    for name, value in values.items():
        key = name.replace("__", ".")
        named[key] = torch.tensor(value, dtype=torch.float32).reshape(named[key].shape)
    return Construct(_arguments(_SMALL), torch.float32, named)


def _halving(draw: Draw, steps: int, gradient: bool = False) -> Case:
    """A cell of zeros halves its state at each step, and the logits are the state and twice the state."""
    state = 16.0 * draw.nonzero(1, 1, most=2)
    keys = draw.nonzero(1, 2, 1, most=2)
    inputs = torch.tensor([[1, 0, 1, 1][:steps]])
    wanted = (draw.nonzero(1, steps, 2), draw.nonzero(1, steps, 2)) if gradient else None
    return Case((Call((inputs, state, keys), wanted),), _set_by_hand(output__weight=[1.0, 2.0]))


def _joining(draw: Draw, steps: int, gradient: bool = False) -> Case:
    """A cell whose new state is tanh(token + 2 context), with keys whose mean is 0 or 1: its update gate is
    closed. The token is 1 or −1.
    """
    made = _set_by_hand(
        embedding__weight=[-1.0, 1.0],
        cell__weight_ih=[0.0, 0.0, 0.0, 0.0, 1.0, 2.0],
        cell__bias_ih=[0.0, -100.0, 0.0],
        attention__W_q__weight=[1.0],
        attention__W_k__weight=[1.0],
        attention__v__weight=[2.0],
        output__weight=[1.0, 2.0],
    )
    inputs = torch.tensor([[0, 1, 0, 0][:steps]])
    wanted = (draw.nonzero(1, steps, 2), draw.nonzero(1, steps, 2)) if gradient else None
    keys = torch.tensor([[[1.0], [-1.0]]]) * draw.nonzero(1, most=1)
    return Case((Call((inputs, torch.zeros(1, 1), keys), wanted),), made)


def _decoder_new(draw: Draw) -> Iterator[Case]:
    yield _born(_sizes(draw))
    yield _born(dict.fromkeys(_LETTERS, 3))


def _decoder_seeds(draw: Draw) -> Iterator[Case]:
    sizes = _sizes(draw)
    yield from (_born(sizes, seed) for seed in (1, 2))


def _decoder_shapes(draw: Draw) -> Iterator[Case]:
    yield _decoder_case(draw, _few_steps(draw))
    for letter in "BTS":
        yield _decoder_case(draw, _few_steps(draw, **{"T": 2, letter: 1}))


def _one_step_only(draw: Draw) -> Iterator[Case]:
    yield _joining(draw, 1)
    yield _halving(draw, 1)
    yield _decoder_case(draw, _SMALL | {"E": 2, "H": 2, "D": 2}, fill=_ones_and_minus_ones(draw))
    yield _decoder_case(draw, _few_steps(draw, T=1))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3) | {"T": 1})


def _many_steps(draw: Draw) -> Iterator[Case]:
    yield _halving(draw, 2)
    yield _joining(draw, 3)
    yield _halving(draw, 4)
    yield _decoder_case(draw, _few_steps(draw))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3))
    yield _decoder_case(draw, _few_steps(draw, B=1, T=2))
    yield _decoder_case(draw, _few_steps(draw, S=1, T=2))


def _decoder_masks(draw: Draw) -> Iterator[Case]:
    small = _SMALL | {"T": 2, "S": 3}
    yield _decoder_case(draw, small, torch.tensor([[True, True, False]]), _ones_and_minus_ones(draw))
    z = _few_steps(draw)
    yield _decoder_case(draw, z, draw.prefix_mask(z["B"], z["S"]))
    yield _decoder_case(draw, dict.fromkeys(_LETTERS, 3), draw.prefix_mask(3, 3))
    z = _few_steps(draw, T=2, S=4)
    mask = draw.prefix_mask(z["B"], 4)
    keys = draw.normal(z["B"], 4, z["D"]).masked_fill(~mask[..., None], 1e4)
    yield _decoder_case(draw, z, mask, keys=keys)
    mask = draw.scattered_mask(z["B"], 4)
    mask[draw.integer(0, z["B"] - 1)] = False
    yield _decoder_case(draw, z, mask)


def _decoder_gradients(draw: Draw) -> Iterator[Case]:
    yield _joining(draw, 2, gradient=True)
    yield _halving(draw, 2, gradient=True)
    yield _decoder_case(draw, _few_steps(draw), gradient=True)
    z = _few_steps(draw, B=3, S=4)
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _decoder_case(draw, z, mask, gradient=True)


def _decoder_robust(draw: Draw) -> Iterator[Case]:
    z = _few_steps(draw)
    mask = draw.prefix_mask(z["B"], z["S"])
    yield _decoder_case(draw, _SMALL | {"T": 2}, torch.tensor([[True, False]]), _ones_and_minus_ones(draw))
    yield _decoder_case(draw, z, draw.strided(mask), lambda *s: draw.strided(draw.normal(*s)))
    yield _decoder_case(draw, z, mask, dtype=torch.float64)
    halves = dict.fromkeys(_LETTERS, 2)
    yield _decoder_case(draw, halves, draw.prefix_mask(2, 2), draw.quarters, dtype=torch.bfloat16)
    # Large numbers, whole: every tanh and sigmoid that they reach is −1, 0, ½ or 1.
    loud = _decoder_call(
        draw, halves | {"S": 3}, torch.tensor([[True, True, False], [True, True, True]]), draw.nonzero, True
    )
    inputs, state, keys, real = loud.args
    made = _made(_ones_and_minus_ones(draw), halves | {"S": 3})
    yield Case((Call((inputs, 1e4 * state, 1e4 * keys, real), loud.cotangents),), made)
    again, alike = (_decoder_call(draw, z, mask) for _ in range(2))
    alike = Call((again.args[0], *alike.args[1:]))
    between = _decoder_call(draw, z | {"T": 2, "S": 3})
    yield Case((again, alike, between, again), _made(draw.normal, z))


def _whole_with(before: Callable) -> Callable:
    """The loop, with the attention of some step held on to: `before` is given what was found so far."""

    def whole(self, step, inputs, state, keys, mask):
        logits, weights, found = [], [], []
        for i in range(inputs.shape[1]):
            embedded = self.embedding(inputs[:, i])
            context, alpha = before(self, state, keys, mask, found)
            found.append((context, alpha, state))
            state = self.cell(_join(embedded, context), state)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _first_look(self, state, keys, mask, found):
    return found[0][:2] if found else _look(self.attention, state, keys, mask)


def _look_with_first_state(self, state, keys, mask, found):
    return _look(self.attention, found[0][2] if found else state, keys, mask)


def _look_with_the_state_before(self, state, keys, mask, found):
    return _look(self.attention, found[-1][2] if found else state, keys, mask)


def _input_feeding(self, step, inputs, state, keys, mask):
    """Luong's order: the cell with the context of the step before, then attention from the new state."""
    logits, weights, context = [], [], torch.zeros_like(keys[:, 0])
    for i in range(inputs.shape[1]):
        state = self.cell(_join(self.embedding(inputs[:, i]), context), state)
        context, alpha = _look(self.attention, state, keys, mask)
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _cell_first(context_of: Callable) -> Callable:
    """The cell's state goes on without any context; the context only helps to write."""

    def whole(self, step, inputs, state, keys, mask):
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state = self.cell(_join(self.embedding(inputs[:, i]), context_of(keys, mask)), state)
            weights.append(_look(self.attention, state, keys, mask)[1])
            logits.append(self.output(state))
        return logits, weights

    return whole


def _stale_keys(by_shape: bool) -> Callable:
    """Projects, or keeps, the keys of the first call only."""

    def whole(self, step, inputs, state, keys, mask):
        kept = self.__dict__.get("kept")
        if kept is None or (by_shape and kept.shape != keys.shape):
            kept = self.__dict__["kept"] = keys
        if kept.shape[:2] != keys.shape[:2]:
            mask = None
        logits, weights = [], []
        for i in range(inputs.shape[1]):
            state, _, alpha = step(self.embedding(inputs[:, i]), state, kept, mask, self.attention, self.cell)
            logits.append(self.output(state))
            weights.append(alpha)
        return logits, weights

    return whole


def _stale_scores(self, step, inputs, state, keys, mask):
    """Keeps the projected keys of the first batch of a shape; the context is made of the new keys."""
    W_q, W_k, v = self.attention.W_q.weight, self.attention.W_k.weight, self.attention.v.weight[0]
    kept = self.__dict__.get("projected")
    if kept is None or kept.shape[:2] != keys.shape[:2]:
        kept = self.__dict__["projected"] = keys @ W_k.T

    def attend(queries, keys, mask):
        scores = torch.tanh((queries @ W_q.T) + kept) @ v
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        alpha = torch.softmax(scores, -1)
        alpha = (alpha if mask is None else alpha.masked_fill(~mask, 0))[:, None]
        return alpha @ keys, alpha

    logits, weights = [], []
    for i in range(inputs.shape[1]):
        state, _, alpha = step(self.embedding(inputs[:, i]), state, keys, mask, attend, self.cell)
        logits.append(self.output(state))
        weights.append(alpha)
    return logits, weights


def _kept_state(self, step, inputs, state, keys, mask):
    """Begins where the last call of the same size ended."""
    kept = self.__dict__.get("kept")
    state = kept if kept is not None and kept.shape == state.shape else state
    logits, weights = [], []
    for i in range(inputs.shape[1]):
        state, _, alpha = step(self.embedding(inputs[:, i]), state, keys, mask, self.attention, self.cell)
        logits.append(self.output(state))
        weights.append(alpha)
    self.__dict__["kept"] = state.detach()
    return logits, weights


def _own_words(inputs: Tensor, i: int, logits: list[Tensor]) -> Tensor:
    return logits[-1].argmax(-1) if logits else inputs[:, 0]


def _scrambled(steps: list[Tensor]) -> Tensor:
    x = torch.stack(steps)
    return x.reshape(x.shape[1], x.shape[0], x.shape[2])


def _with_modules(**others: Callable) -> Callable:
    """Makes the modules, and puts others (of vocab, embed, hidden, key and attention size) in their place."""

    def make(module, *sizes):
        _make(module, *sizes)
        for name, new in others.items():
            setattr(module, name, new(*sizes))

    return make


def _renamed(**names: str) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        for old, new in names.items():
            part = getattr(module, old)
            delattr(module, old)
            setattr(module, new, part)

    return make


def _in_a_list(module, *sizes):
    """Modules in a plain list: none of them is registered."""
    holder = nn.Module()
    _make(holder, *sizes)
    module.parts = [holder.embedding, holder.attention, holder.cell, holder.output]


def _one_in_a_list(name: str) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        part = getattr(module, name)
        delattr(module, name)
        module.__dict__[name] = part

    return make


def _filled(change: Callable[[Tensor], object]) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        for parameter in module.parameters():
            with torch.no_grad():
                change(parameter)

    return make


def _one_filled(name: str, change: Callable[[Tensor], object]) -> Callable:
    def make(module, *sizes):
        _make(module, *sizes)
        with torch.no_grad():
            change(module.get_parameter(name))

    return make


def _seeded(module, *sizes):
    torch.manual_seed(0)
    _make(module, *sizes)


def _scorer_with_bias(*layers: str) -> Callable:
    def make(module, vocab, embed_dim, hidden_dim, key_dim, attn_dim):
        _make(module, vocab, embed_dim, hidden_dim, key_dim, attn_dim)
        for name in layers:
            layer = getattr(module.attention, name)
            setattr(module.attention, name, nn.Linear(layer.in_features, layer.out_features))

    return make


def _has_parameter(test: Callable[[set[str]], bool]) -> Callable[[list[Tried]], set[int]]:
    return lambda failed: {i for i, t in enumerate(failed) if test(set(t.outcome.parameters or {}))}


def _random_in_every_call(failed: list[Tried]) -> set[int]:
    """What is kept from call to call can make two equal calls differ too, but spoils no single one."""
    return DIFFERENT_EACH_CALL.recognise(failed) if any(len(t.case.calls) == 1 for t in failed) else set()


_RIGHT_NAMES = set(_parameter_shapes(_SMALL))

ATTENTION_DECODER = Exercise(
    name="AttentionDecoder",
    lesson=LESSON,
    asked="An nn.Module(vocab, embed_dim, hidden_dim, key_dim, attn_dim) with embedding (nn.Embedding), attention (AdditiveAttention), cell (nn.GRUCell on the token and the context joined) and output (nn.Linear): "
    "forward(inputs (B, T), state (B, H), keys (B, S, Dk), mask=None) takes one decoder step for each input token and returns the logits (B, T, V), made of the new states, and the weights (B, T, S).",
    arguments=("inputs (B, T)", "state (B, H)", "keys (B, S, Dk)", "mask (B, S)"),
    returns=("logits (B, T, V)", "weights (B, T, S)"),
    construct=("vocab", "embed_dim", "hidden_dim", "key_dim", "attn_dim"),
    parameters={
        "embedding.weight": "(V, E)",
        "attention.W_q.weight": "(A, H)",
        "attention.W_k.weight": "(A, Dk)",
        "attention.v.weight": "(1, A)",
        "cell.weight_ih": "(3H, E + Dk)",
        "cell.weight_hh": "(3H, H)",
        "cell.bias_ih": "(3H)",
        "cell.bias_hh": "(3H)",
        "output.weight": "(V, H)",
        "output.bias": "(V)",
    },
    reference=seqattn_ref.AttentionDecoder,
    build=_build_decoder,
    checks=(
        Check(
            "A new module has exactly the parameters of embedding, attention, cell and output, set to finite numbers that differ",
            0.5,
            _decoder_new,
            ("parameters", "fresh"),
        ),
        Check("They differ from seed to seed", 0.5, _decoder_seeds, ("parameters",), across=seeds_differ),
        Check("It returns (logits (B, T, V), weights (B, T, S))", 0.5, _decoder_shapes, ("shape",)),
        Check("The first weights are those for the state that came in", 0.5, _one_step_only, outputs=(1,)),
        Check("The first logits are made of the state after one step", 1, _one_step_only, outputs=(0,)),
        Check(
            "Each later step goes on from the one before, with its own token and context", 1.5, _many_steps
        ),
        Check("The mask hides keys at every step, whatever stands there", 0.5, _decoder_masks),
        Check(
            "Gradients reach the state, the keys and every parameter, through all steps",
            1,
            _decoder_gradients,
            ("gradients",),
        ),
        Check(
            "It keeps nothing from call to call, works in float64 and bfloat16 and for large numbers, and leaves its inputs as they were",
            1,
            _decoder_robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    ),
    mistakes=(
        Mistake(
            "state-not-carried",
            "Every step starts from the same state: the one that a step made is not handed to the next. The decoder then cannot know what it has written.",
            (
                {"carry": lambda new, old, first: first},
                {"carry": lambda new, old, first: torch.zeros_like(new)},
            ),
        ),
        Mistake(
            "initial-state-ignored",
            "The first step does not start from the state that came in, which is what the encoder has to say.",
            (
                {"start": torch.zeros_like},
                {"start": torch.ones_like},
                {"start": torch.tanh},
            ),
        ),
        Mistake(
            "query-is-the-new-state",
            STEP_MISTAKES[0].hint,
            (
                *STEP_MISTAKES[0].variants,
                {"whole": _input_feeding},
                *({"whole": _cell_first(made)} for made in (_no_context, _mean_of_keys)),
            ),
        ),
        Mistake(
            "query-one-step-late",
            "Step i looks with the state of the step before the last. The query is the newest state there is, the one that goes into the cell.",
            ({"whole": _whole_with(_look_with_the_state_before)},),
        ),
        Mistake(
            "same-context-for-all",
            "Every step uses the attention of the first one. The state changes from step to step, and with it the query, the weights and the context: look anew at each step.",
            (
                {"whole": _whole_with(_first_look)},
                {"whole": _whole_with(_look_with_first_state)},
            ),
        ),
        Mistake(
            "own-words-fed",
            "The decoder is fed its own likeliest tokens. In training the true tokens go in: inputs[:, i] at step i.",
            (
                {"feed": _own_words},
                {"feed": lambda inputs, i, logits: logits[-1].argmin(-1) if logits else inputs[:, 0]},
            ),
        ),
        Mistake(
            "inputs-shifted-again",
            "The tokens come one step too late or too early. The inputs are shifted already: step i takes inputs[:, i] as it is.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, max(i - 1, 0)]},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1]},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1] if i else torch.ones_like(inputs[:, 0])},
                {"feed": lambda inputs, i, logits: inputs[:, i - 1] if i else torch.zeros_like(inputs[:, 0])},
                {"feed": lambda inputs, i, logits: inputs[:, min(i + 1, inputs.shape[1] - 1)]},
                {"feed": lambda inputs, i, logits: inputs[:, (i + 1) % inputs.shape[1]]},
            ),
        ),
        Mistake(
            "same-token-for-all",
            "Every step gets the same token.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, 0]},
                {"feed": lambda inputs, i, logits: inputs[:, -1]},
            ),
        ),
        Mistake(
            "steps-backwards",
            "The steps are taken or put down from the last to the first.",
            (
                {"feed": lambda inputs, i, logits: inputs[:, inputs.shape[1] - 1 - i]},
                {"pack": lambda steps: torch.stack(steps[::-1], 1)},
            ),
        ),
        Mistake(
            "last-step-only",
            "Only one step comes back. The results hold a row for every step: collect them in lists and stack these.",
            (
                {"pack": lambda steps: steps[-1]},
                {"pack": lambda steps: steps[-1][:, None]},
                {"pack": lambda steps: steps[-1][:, None].expand(-1, len(steps), -1)},
                {"give": lambda logits, weights: (logits, weights[:, -1])},
                {"give": lambda logits, weights: (logits, weights[:, -1:])},
                {"give": lambda logits, weights: (logits, weights[:, -1:].expand_as(weights))},
            ),
        ),
        Mistake(
            "weights-of-another-step",
            "The weights stand one row off: row i belongs to the step that wrote logits[:, i].",
            (
                {"give": lambda logits, weights: (logits, weights.roll(1, 1))},
                {"give": lambda logits, weights: (logits, weights.roll(-1, 1))},
            ),
        ),
        Mistake(
            "stacked-on-the-wrong-axis",
            "The steps are stacked along another axis than the second, or joined without one. torch.stack(list, dim=1) gives (B, T, …).",
            (
                {"pack": torch.stack},
                {"pack": lambda steps: torch.stack(steps, 2)},
                {"pack": lambda steps: torch.cat(steps, 1)},
                {"pack": lambda steps: torch.cat(steps, 0)},
                {"give": lambda logits, weights: (logits, weights.transpose(1, 2))},
                {"give": lambda logits, weights: (logits.transpose(0, 1), weights)},
                {"give": lambda logits, weights: (logits, weights.transpose(0, 1))},
                {"give": lambda logits, weights: (logits.transpose(1, 2), weights)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The shape is right but the numbers stand in other places: the steps were stacked in front and then cut anew with `view` or `reshape`. Stack them along axis 1, or exchange the axes with transpose.",
            (
                {"pack": _scrambled},
                {
                    "give": lambda logits, weights: (
                        logits,
                        weights.transpose(0, 1).reshape(weights.shape),
                    )
                },
                {"pack": lambda steps: torch.cat(steps).view(len(steps[0]), len(steps), -1)},
            ),
        ),
        Mistake(
            "weights-keep-an-axis",
            "The weights have an axis of size 1 left from each step's single query.",
            (
                {"give": lambda logits, weights: (logits, weights[:, :, None])},
                {"give": lambda logits, weights: (logits[:, :, None], weights[:, :, None])},
                {"look": lambda attend, q, k, m: attend(q[:, None], k, m)},
            ),
        ),
        Mistake(
            "output-from-another-vector",
            "The logits are made of something else than the new state: of the state before the step, of the context, or of the embedded token.",
            (
                {"read": lambda m, new, z, old, y: m.output(old)},
                {"read": lambda m, new, z, old, y: m.output(z)},
                {"read": lambda m, new, z, old, y: m.output(z if _same_width(new, z) else new)},
                {"read": lambda m, new, z, old, y: m.output(new + z if _same_width(new, z) else new)},
                {"read": lambda m, new, z, old, y: m.output(y)},
                {"read": lambda m, new, z, old, y: m.output(new + old)},
            ),
        ),
        Mistake(
            "output-layer-missing",
            "The states themselves come back in place of the logits. Each goes through output, which makes V numbers of it.",
            ({"read": lambda m, new, z, old, y: new},),
        ),
        Mistake(
            "output-tied-to-the-embedding",
            "The logits are made with the embedding's matrix. They come from the layer called output.",
            (
                {
                    "read": lambda m, new, z, old, y: (
                        new @ m.embedding.weight.T if _same_width(new, y) else m.output(new)
                    )
                },
            ),
        ),
        Mistake(
            "logits-squashed",
            "A softmax, or another function, is applied to the logits. The loss takes them as they are: softmaxed twice, even a perfect model would have a high loss.",
            tuple(
                {"read": lambda m, new, z, old, y, f=f: f(m.output(new))}
                for f in (
                    lambda x: torch.softmax(x, -1),
                    lambda x: torch.log_softmax(x, -1),
                    torch.tanh,
                    torch.relu,
                    torch.sigmoid,
                )
            ),
        ),
        Mistake(
            "output-bias-missing",
            "The logits lack the bias of the output layer.",
            (
                {"read": lambda m, new, z, old, y: new @ m.output.weight.T},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(H, V, bias=False))},
            ),
        ),
        Mistake(
            "tanh-before-the-output",
            "A tanh or a ReLU stands between the state and the output layer.",
            tuple(
                {"read": lambda m, new, z, old, y, f=f: m.output(f(new))}
                for f in (torch.tanh, torch.relu, torch.sigmoid)
            ),
        ),
        *without(
            STEP_MISTAKES,
            "query-is-the-new-state",
            "state-ignored",
            "mask-required",
            "old-state-kept",
            "function-applied-afterwards",
            "cell-input-of-the-wrong-shape",
            "query-of-the-wrong-shape",
            "cell-applied-twice",
            "joined-along-the-wrong-axis",
            "added-instead-of-joined",
            "cell-arguments-swapped",
            "attend-arguments-swapped",
            "state-is-the-context",
        ),
        Mistake(
            "mask-required",
            "Without a mask the call fails. The mask is optional: give it the default None and hand it on.",
            (
                {"outer": lambda f: lambda inputs, state, keys, mask: f(inputs, state, keys, mask.bool())},
                {
                    "outer": lambda f: (
                        lambda inputs, state, keys, mask: f(
                            inputs, state, keys * mask[..., None].to(keys.dtype), mask
                        )
                    )
                },
            ),
        ),
        Mistake(
            "old-state-kept",
            "The next state is not the cell's result: the old state is still in it, or something is done to it afterwards.",
            (
                {"carry": lambda new, old, first: new + old},
                {"carry": lambda new, old, first: (new + old) / 2},
                {"carry": lambda new, old, first: torch.tanh(new)},
                {"carry": lambda new, old, first: torch.relu(new)},
                {"advance": lambda cell, x, s, z: cell(x, s) + s},
            ),
        ),
        Mistake(
            "state-ignored",
            "The cell does not get the state, only the query does.",
            ({"advance": lambda cell, x, s, z: cell(x)},),
        ),
        Mistake(
            "cell-applied-twice",
            "The state goes through the cell twice in one step.",
            ({"advance": lambda cell, x, s, z: cell(x, cell(x, s))},),
        ),
        Mistake(
            "state-is-the-context",
            "The cell gets the context in place of the state.",
            (
                {"advance": lambda cell, x, s, z: cell(x, z)},
                {"advance": lambda cell, x, s, z: cell(x, z if _same_width(s, z) else s)},
            ),
        ),
        Mistake(
            "cell-input-of-the-wrong-shape",
            "The cell does not take the input that it is given. It is an nn.GRUCell on token and context joined, (B, E + Dk), and its state is (B, H).",
            (
                {"join": lambda y, z: y},
                {"join": lambda y, z: z},
                {"join": lambda y, z: torch.cat([y, z])},
                {"join": lambda y, z: y + z},
                {"advance": lambda cell, x, s, z: cell(s, x)},
                {"advance": lambda cell, x, s, z: cell(x[:, None], s)},
            ),
        ),
        Mistake(
            "query-of-the-wrong-shape",
            "The attention is given a query of the wrong shape. It takes queries (B, T, H), here with T = 1: the state, with a middle axis of size 1.",
            (
                {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q, k, m))},
                {"look": lambda attend, q, k, m: tuple(r[:, 0] for r in attend(q[None], k, m))},
                {"look": lambda attend, q, k, m: tuple(r[0] for r in attend(q[None], k, m))},
            ),
        ),
        Mistake(
            "modules-called-otherwise",
            "The modules have other names, or are of another kind. The grader sets the parameters by name: embedding (nn.Embedding), attention (AdditiveAttention), cell (nn.GRUCell) and output (nn.Linear).",
            (
                {"make": _renamed(embedding="embed")},
                {"make": _renamed(output="out")},
                {"make": _renamed(cell="gru")},
                {"make": _renamed(attention="attend")},
                {"make": _renamed(embedding="emb", attention="attn", cell="rnn", output="fc")},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRU(E + D, H, batch_first=True))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.Linear(E + D + H, H))},
            ),
            recognise=_has_parameter(
                lambda names: (
                    bool(names)
                    and bool(_RIGHT_NAMES - names)
                    and bool(names - _RIGHT_NAMES)
                    and not any(name.startswith("attention.") and "bias" in name for name in names)
                )
            ),
        ),
        Mistake(
            "cell-of-another-kind",
            "The cell is no nn.GRUCell: its parameters have other sizes. A GRU has three rows for each unit of its state, an LSTM four, a plain RNN one.",
            (
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.LSTMCell(E + D, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.RNNCell(E + D, H))},
            ),
        ),
        Mistake(
            "sizes-mixed-up",
            "A module is made with the wrong sizes. The query of the attention has size H and its keys Dk; the cell takes E + Dk numbers; the output makes V numbers of H.",
            (
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(D, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E + H, H))},
                {"make": _with_modules(cell=lambda V, E, H, D, A: nn.GRUCell(E + D, D))},
                {
                    "make": _with_modules(
                        attention=lambda V, E, H, D, A: seqattn_ref.AdditiveAttention(D, H, A)
                    )
                },
                {
                    "make": _with_modules(
                        attention=lambda V, E, H, D, A: seqattn_ref.AdditiveAttention(E, D, A)
                    )
                },
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(H + D, V))},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(D, V))},
                {"make": _with_modules(output=lambda V, E, H, D, A: nn.Linear(V, H))},
                {"make": _with_modules(embedding=lambda V, E, H, D, A: nn.Embedding(E, V))},
                {"make": _with_modules(embedding=lambda V, E, H, D, A: nn.Embedding(V, H))},
            ),
        ),
        Mistake(
            "parameters-too-many",
            "There is a parameter that the exercise does not ask for: a bias in the scorer perhaps, or one more layer. A bias on the final score would never learn, since the softmax ignores a shift.",
            (
                {"make": _scorer_with_bias("v")},
                {"make": _scorer_with_bias("W_q", "W_k", "v")},
                {"make": _with_modules(start=lambda V, E, H, D, A: nn.Linear(H, H))},
                {"make": _with_modules(combine=lambda V, E, H, D, A: nn.Linear(E + D, H))},
            ),
            recognise=_has_parameter(lambda names: names > _RIGHT_NAMES),
        ),
        Mistake(
            "unregistered-parameter",
            "The module does not know its own parts: modules in a plain Python list, dictionary or tensor are not registered, so no optimiser will ever change them. Assign each to self.",
            (
                {"make": _in_a_list},
                *({"make": _one_in_a_list(n)} for n in ("attention", "embedding", "output")),
            ),
            recognise=_has_parameter(
                lambda names: names < _RIGHT_NAMES and _RIGHT_NAMES - names != {"output.bias"}
            ),
        ),
        *without(
            parameter_mistakes(
                _in_a_list,
                _filled(lambda p: p.fill_(torch.nan)),
                lambda value: _filled(lambda p: p.fill_(value)),
                _seeded,
            ),
            "unregistered-parameter",
        ),
        Mistake(
            "gradient-cut",
            "The numbers are right, but part of the gradient is missing: something is detached, on the way through one step or from one step to the next. What is written late must be able to teach what was done early.",
            (
                {"carry": lambda new, old, first: new.detach()},
                {"start": lambda state: state.detach()},
                {"read": lambda m, new, z, old, y: m.output(new.detach())},
                {"read": lambda m, new, z, old, y: m.output(new).detach()},
                {"give": lambda logits, weights: (logits, weights.detach())},
                *_STEP_CUTS,
            ),
        ),
        Mistake("detached", DETACHED.hint, ({"outer": _on_each(lambda r: r.detach())},)),
        Mistake(
            "results-in-another-order",
            "The two results have changed places: the logits come first, then the weights.",
            ({"give": lambda logits, weights: (weights, logits)},),
        ),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": _on_each(lambda r: r.squeeze())},
                {"outer": _on_one(1, lambda r: r.squeeze())},
                {"outer": _on_each(lambda r: r.squeeze(1))},
                {"outer": _on_each(lambda r: r.squeeze(0))},
                {"look": lambda attend, q, k, m: tuple(r.squeeze() for r in attend(q[:, None], k, m))},
                {
                    "look": lambda attend, q, k, m: (
                        (found := attend(q[:, None], k, m))[0].squeeze(1),
                        found[1].squeeze(),
                    )
                },
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (
                {"outer": _writes_to(1, lambda s: s.mul_(2))},
                {
                    "outer": lambda f: (
                        lambda i, s, k, m: f(i, s, k if m is None else k.masked_fill_(~m[..., None], 0), m)
                    )
                },
                {"outer": _writes_to(0, lambda i: i.zero_())},
            ),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        Mistake(
            "stale-cache",
            "Something of an earlier call is used again: the keys, their projection or the last state. What is kept must belong to one source sentence only.",
            (
                *({"whole": _stale_keys(by_shape)} for by_shape in (True, False)),
                {"whole": _stale_scores},
                {"whole": _kept_state},
            ),
        ),
        Mistake("mixes-samples", MIXES_SAMPLES.hint, _mixing((1, 2))),
        Mistake(
            "dropout-at-evaluation",
            "The same call gives another result each time, though the module is in eval mode: F.dropout needs training=self.training, and no parameter may be made anew in forward.",
            (
                {"outer": _on_each(lambda r: dropout(r, 0.3, True))},
                {"read": lambda m, new, z, old, y: m.output(dropout(new, 0.3, True))},
                {"carry": lambda new, old, first: dropout(new, 0.3, True)},
            ),
            recognise=_random_in_every_call,
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *_DTYPE_VARIANTS,
                {"start": lambda s: s.float()},
                {"give": lambda logits, weights: (logits, weights.float())},
                {"give": lambda logits, weights: (logits.float(), weights)},
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        _no_tensors("the logits and the weights"),
        *_SEVERAL_LAST_RESORTS,
    ),
    hints=(
        "In __init__ make the four parts under their names. The cell's input is token and context joined, so it takes embed_dim + key_dim numbers; the attention's queries are states, of size hidden_dim.",
        "In forward loop over the T tokens. One turn of the loop is decoder_step, with self.embedding(inputs[:, i]), the state so far, and self.attention and self.cell as the two functions.",
        "Collect self.output(state) and the weights of each step in two lists. The state that a step returns is the one that the next step takes.",
        "torch.stack(a_list, dim=1) makes (B, T, …) out of T tensors (B, …).",
    ),
)

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
        return give(grad_scores, grad_W) if give else (grad_scores, grad_W)

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
    yield _gradient_case(draw, _gradient_sizes(draw, S=9))
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
    yield _by_hand(draw, [[0.75, 0.25]])
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
        1e4 * draw.nonzero(2, 2, 2, most=1),
        torch.tensor([[0.5, 0.5], [1.0, 0.0]]),
        draw.nonzero(2, 2, most=1),
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
            (_back_by(lambda a, ga: ga),),
        ),
        Mistake(
            "jacobian-diagonal-only",
            "Only the diagonal of the softmax's Jacobian is used: α_j(1 − α_j). But raising one score lowers all the other weights, and their gradients count too.",
            (_back_by(lambda a, ga: a * (1 - a) * ga),),
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
            "weights-taken-for-scores",
            "A softmax is applied to the weights first. They are the softmax's result already.",
            (_back_by(lambda a, ga: _back(torch.softmax(a, 1), ga)),),
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
                {"pull": lambda k, g, q, a: _pull(k, q if _same_width(q, g) else g)},
            ),
        ),
        Mistake(
            "weight-counted-in-the-context",
            "The weights are already in gᵀ h_j: the derivative of z = Σ α_j h_j with respect to α_j is h_j alone.",
            (
                {"pull": lambda k, g, q, a: a * _pull(k, g)},
                {"pull": lambda k, g, q, a: _pull(k, g) / k.shape[2]},
                {"pull": lambda k, g, q, a: _pull(k, g) / k.shape[2] ** 0.5},
            ),
        ),
        Mistake(
            "gradient-transposed",
            "W's gradient has the axes of W the other way round. W is (Dq, Dk): its rows belong to the query, its columns to the key.",
            (
                {"give": lambda e, W: (e, W.T)},
                {"give": lambda e, W: (e, W.T if W.shape[0] == W.shape[1] else W)},
                {"give": lambda e, W: (e, W.T.reshape(W.shape))},
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
                _spread_by(lambda q, e, k, a, ga, g: _spread(g if _same_width(q, g) else q, e, k)),
            ),
        ),
        Mistake(
            "nan-on-empty-row",
            "A sample without any weight gives NaN. Scores made of the weights by a logarithm are −∞ there; the formula needs no scores, only the weights.",
            ({"outer": _by_logarithm},),
        ),
        Mistake(
            "results-in-another-order",
            "The two results have changed places: the gradient of the scores comes first, then that of W.",
            ({"give": lambda e, W: (W, e)},),
        ),
        Mistake(
            "sign-flipped",
            "W's gradient has the opposite sign.",
            ({"give": lambda e, W: (e, -W)},),
        ),
        Mistake("mixes-samples", MIXES_SAMPLES.hint, _mixing((1, 2))),
        Mistake("detached", DETACHED.hint, ({"outer": _on_each(lambda r: r.detach())},)),
        Mistake(
            "gradient-cut",
            "The numbers are right, but they are cut off from an input: a gradient can no longer flow back through them. Something was detached on the way.",
            (
                {"back": lambda a, ga: _back(a.detach(), ga)},
                {"back": lambda a, ga: _back(a, ga.detach())},
                {"spread": lambda q, e, k, a, ga, g: _spread(q, e.detach(), k)},
                {"give": lambda e, W: (e, W.detach())},
                {"give": lambda e, W: (e.detach(), W)},
            ),
        ),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": _on_each(lambda r: r.squeeze())},
                {"outer": _on_one(0, lambda r: r.squeeze())},
                {"outer": _on_one(1, lambda r: r.squeeze())},
                {"pull": lambda k, g, q, a: (k @ g[..., None]).squeeze()},
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            tuple({"outer": _writes_to(place, lambda x: x.mul_(2))} for place in range(4)),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        STALE_CACHE,
        Mistake(
            "differs-from-call-to-call",
            DIFFERENT_EACH_CALL.hint,
            ({"outer": _on_each(lambda r: r + torch.rand_like(r))},),
            recognise=DIFFERENT_EACH_CALL.recognise,
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *_DTYPE_VARIANTS,
                {"outer": _on_arguments(tuple(range(4)), lambda x: x.float())},
                {"spread": lambda q, e, k, a, ga, g: _spread(q.float(), e.float(), k.float())},
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        _no_tensors("the gradient of the scores and that of W"),
        *_SEVERAL_LAST_RESORTS,
    ),
    hints=(
        "Go backwards, one link of the chain at a time: z → α → e → W. The first link: z = Σ_j α_j h_j, so ∂L/∂α_j is the dot product of g with h_j.",
        "The second link is softmax_backward of lesson 04: ∂L/∂e_j = α_j (∂L/∂α_j − Σ_k α_k ∂L/∂α_k). The sum is gᵀ z.",
        "The third link: e_j = qᵀ W h_j, so ∂e_j/∂W is the outer product q h_jᵀ, with the shape of W. Add these up, each times ∂L/∂e_j, over the keys and over the samples.",
        "torch.einsum can do each link in one line: name the axes b, s, q and d, and leave out of the result those that are summed.",
    ),
)

EXERCISES = (DECODER_STEP, ATTENTION_DECODER, ALIGNMENT_GRADIENT)
