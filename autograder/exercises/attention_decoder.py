"""Exercises of lesson 07: one decoder step with attention, the whole decoder, and the gradient through an alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import dropout, one_hot

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Callback, Case, Other
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
)
from .common import ask, finite_gradients, wrapped

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
    replace(
        CONSTANT_RESULT,
        variants=({"outer": _on_each(torch.zeros_like)}, {"outer": _on_each(torch.ones_like)}),
    ),
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


def _step_shapes(draw: Draw) -> Iterator[Case]:
    yield _step_case(draw.normal, _step_sizes(draw))
    for letter in _STEP_LETTERS:
        yield _step_case(draw.normal, _step_sizes(draw, **{letter: 1}))


def _step_values(draw: Draw) -> Iterator[Case]:
    yield _tiny_step(draw)
    yield _tiny_step(draw, S=2)
    yield _tiny_step(draw, S=3, D=2, H=2)
    yield _step_case(draw.normal, _step_sizes(draw))
    yield _step_case(draw.normal, _step_sizes(draw))
    yield _step_case(draw.normal, _step_sizes(draw, S=9))
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 3))
    yield _step_case(draw.normal, dict.fromkeys(_STEP_LETTERS, 2))
    for letter in "BSEHD":
        yield _step_case(draw.normal, _step_sizes(draw, **{letter: 1}))


def _step_masks(draw: Draw) -> Iterator[Case]:
    yield _tiny_step(draw, torch.tensor([[True, False]]), S=2)
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
        Check("The mask reaches the attention, whatever stands at the padding", 0.5, _step_masks),
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

EXERCISES = (DECODER_STEP,)
