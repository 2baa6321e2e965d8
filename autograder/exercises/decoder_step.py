"""The exercise of lesson 07 about one decoder step with attention, and the mistakes that a step can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, normalize, one_hot, pad

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..sandbox.case import Callback, Case
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
from .common import ask, finite_gradients, wrapped
from .several import (
    DTYPES_OF_SEVERAL,
    LAST_RESORTS_OF_SEVERAL,
    fails_without_a_mask,
    mixing,
    not_the_asked_results,
    on_each,
    on_one,
    repeats_everything,
    writes_to,
)

LESSON = "07_attention_decoder"

# ---- one step in pieces: choose the query, look, join, advance, give


def look_with(attend: Callable, query: Tensor, keys: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    context, weights = attend(query[:, None], keys, mask)
    return context[:, 0], weights[:, 0]


def joined(embedded: Tensor, context: Tensor) -> Tensor:
    return torch.cat([embedded, context], 1)


def _advance(cell: Callable, x: Tensor, state: Tensor, context: Tensor) -> Tensor:
    return cell(x, state)


def one_step(query=None, look=None, join=None, advance=None, around=None) -> Callable:
    """The step (embedded, state, keys, mask, attend, cell) -> (state, context, weights) out of its pieces.

    `around(step)` makes another step of it, for mistakes in the order of things.
    """
    query = query or (lambda embedded, state: state)
    look, join, advance = look or look_with, join or joined, advance or _advance

    def step(embedded, state, keys, mask, attend, cell):
        context, weights = look(attend, query(embedded, state), keys, mask)
        return advance(cell, join(embedded, context), state, context), context, weights

    return wrapped(around, step)


def _build_decoder_step(give=None, outer=None, **pieces):
    step = one_step(**pieces)

    def answer(embedded, state, keys, mask, attend, cell):
        new, context, weights = step(embedded, state, keys, mask, attend, cell)
        return give(new, context, weights, state) if give else (new, context, weights)

    return wrapped(outer, answer)


def _state_first(context_before: Callable[[Tensor, Tensor | None], Tensor], again: bool) -> Callable:
    """The cell goes first, with some other context, and its new state is the query."""

    def around(step):
        def answer(embedded, state, keys, mask, attend, cell):
            new = cell(joined(embedded, context_before(keys, mask)), state)
            context, weights = look_with(attend, new, keys, mask)
            return cell(joined(embedded, context), new if again else state), context, weights

        return answer

    return around


def _state_first_only(context_before: Callable[[Tensor, Tensor | None], Tensor]) -> Callable:
    def around(step):
        def answer(embedded, state, keys, mask, attend, cell):
            new = cell(joined(embedded, context_before(keys, mask)), state)
            return (new, *look_with(attend, new, keys, mask))

        return answer

    return around


def _looks_again(step: Callable) -> Callable:
    """The step is right, but context and weights come from a second look, with the new state."""

    def answer(embedded, state, keys, mask, attend, cell):
        new, _, _ = step(embedded, state, keys, mask, attend, cell)
        return (new, *look_with(attend, new, keys, mask))

    return answer


def no_context(keys: Tensor, mask: Tensor | None) -> Tensor:
    return torch.zeros_like(keys[:, 0])


def mean_of_keys(keys: Tensor, mask: Tensor | None) -> Tensor:
    return keys.mean(1)


def _mean_of_real_keys(keys: Tensor, mask: Tensor | None) -> Tensor:
    return keys.mean(1) if mask is None else (keys * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _context_by(make: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Callable:
    """Looks rightly, but puts another context (of weights, keys and mask) in place of the one it found."""

    def look(attend, query, keys, mask):
        _, weights = look_with(attend, query, keys, mask)
        return make(weights, keys, mask), weights

    return look


def _mask_changed(change: Callable[[Tensor], Tensor | None]) -> Callable:
    return lambda attend, q, k, m: look_with(attend, q, k, None if m is None else change(m))


def _keys_zeroed(attend, q, k, m):
    return look_with(attend, q, k if m is None else k * m[..., None].to(k.dtype), None)


def _feeds(make: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Callable:
    """The right context comes back, but another one (of weights, keys and mask) is fed to the cell."""

    def around(step):
        def answer(embedded, state, keys, mask, attend, cell):
            context, weights = look_with(attend, state, keys, mask)
            return cell(joined(embedded, make(weights, keys, mask)), state), context, weights

        return answer

    return around


def _twice(step: Callable) -> Callable:
    def answer(embedded, state, *rest):
        return step(embedded, step(embedded, state, *rest)[0], *rest)

    return answer


def _step_swapped(step: Callable) -> Callable:
    """Puts context and weights, taken the other way round, back into their places."""

    def answer(*args):
        new, weights, context = step(*args)
        return new, context, weights

    return answer


def _mask_afterwards(attend, q, k, m):
    """Weights over all keys; those of the padding are cut off, and the context keeps its share of them."""
    context, weights = look_with(attend, q, k, None)
    return context, weights if m is None else weights * m


def _mask_afterwards_twice(attend, q, k, m):
    _, weights = look_with(attend, q, k, None)
    weights = weights if m is None else weights * m
    return (weights[:, None] @ k)[:, 0], weights


def _as_lengths(m: Tensor) -> Tensor:
    return torch.arange(m.shape[1]) < m.sum(1, keepdim=True)


def _cut_to_the_longest(attend, q, k, m):
    longest = k.shape[1] if m is None else max(int(m.sum(1).max()), 1)
    return look_with(attend, q, k[:, :longest], None if m is None else m[:, :longest])


def _own_dot_product(attend, q, k, m):
    """Where the sizes fit, scores of its own in place of those of `attend`."""
    if not same_width(q, k):
        return look_with(attend, q, k, m)
    scores = (k @ q[..., None])[..., 0]
    if m is not None:
        scores = scores.masked_fill(~m, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, 1) * (1 if m is None else m)
    return (weights[:, None] @ k)[:, 0], weights


def _without_a_mask(instead: Callable) -> Callable:
    return lambda attend, q, k, m: instead(attend, q, k) if m is None else look_with(attend, q, k, m)


def _uniform(attend, q, k):
    return k.mean(1), torch.full_like(k[..., 0], 1 / k.shape[1])


def _context_changed(change: Callable[[Tensor], Tensor]) -> Callable:
    def look(attend, q, k, m):
        context, weights = look_with(attend, q, k, m)
        return change(context), weights

    return look


def _weights_changed(change: Callable[[Tensor], Tensor]) -> Callable:
    def look(attend, q, k, m):
        context, weights = look_with(attend, q, k, m)
        return context, change(weights)

    return look


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


def _fits(change: Callable, test: Callable[..., bool], otherwise: Callable) -> Callable:
    """A mistake that raises unless sizes happen to fit, made only where they do."""
    return lambda *args: change(*args) if test(*args) else otherwise(*args)


def same_width(a: Tensor, b: Tensor) -> bool:
    return a.shape[-1] == b.shape[-1]


_CONTEXT_CHANGES = (
    torch.tanh,
    torch.relu,
    lambda z: z * z.shape[-1] ** 0.5,
    lambda z: z / z.shape[-1] ** 0.5,
    lambda z: normalize(z, dim=-1),
    lambda z: z.mean(0, keepdim=True).expand_as(z),
    lambda z: z[:1].expand_as(z),
)

STEP_MISTAKES = (
    Mistake(
        "query-is-the-new-state",
        "The query is the state after the cell. The cell needs the context, the context needs the weights, and the weights need a query: which state is there before any of them? "
        "(In Luong's decoder the order is another one, and the query is the current state.)",
        (
            *({"around": _state_first(made, False)} for made in (no_context, mean_of_keys)),
            *({"around": _state_first_only(made)} for made in (no_context, mean_of_keys)),
            {"around": _looks_again},
        ),
    ),
    Mistake(
        "cell-applied-twice",
        "The state goes through the cell twice in one step. One step takes the cell once.",
        (
            *({"around": _state_first(made, True)} for made in (no_context, mean_of_keys)),
            {"advance": lambda cell, x, s, z: cell(x, cell(x, s))},
            {"around": _twice},
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
            {"query": _fits(lambda y, s: y, same_width, lambda y, s: s)},
            {"query": _fits(lambda y, s: y + s, same_width, lambda y, s: s)},
        ),
    ),
    Mistake(
        "query-ignored",
        "The weights do not depend on the state: the query is a constant.",
        ({"query": lambda y, s: torch.zeros_like(s)}, {"query": lambda y, s: torch.ones_like(s)}),
    ),
    Mistake(
        "query-changed",
        "Something is done to the state before it is the query: a tanh, a scale, a sum over the batch. The state is the query as it is.",
        (
            {"query": lambda y, s: torch.tanh(s)},
            {"query": lambda y, s: normalize(s, dim=-1)},
            {"query": lambda y, s: s / s.shape[-1] ** 0.5},
            {"query": lambda y, s: torch.softmax(s, -1)},
            {"query": lambda y, s: s.reshape(s.shape[1], s.shape[0]).T},
            {"query": lambda y, s: s.mean(0, keepdim=True).expand_as(s)},
            {"query": lambda y, s: s[:1].expand_as(s)},
        ),
    ),
    Mistake(
        "state-ignored",
        "The cell does not get the state that came in, so the decoder forgets what it has written.",
        (
            {"advance": lambda cell, x, s, z: cell(x, torch.zeros_like(s))},
            {"around": _step_on(state=torch.zeros_like)},
            {"advance": lambda cell, x, s, z: cell(x)},
        ),
    ),
    Mistake(
        "state-is-the-context",
        "The cell gets the context in place of the state. The context is part of its input; its state is the decoder's own.",
        (
            {"advance": lambda cell, x, s, z: cell(x, z)},
            {"advance": lambda cell, x, s, z: cell(x, z if same_width(s, z) else s)},
        ),
    ),
    Mistake(
        "context-left-out",
        "The context does not reach the cell: its place in the input holds zeros, the token again, or something that every step shares. Then attention is computed and changes nothing.",
        (
            {"join": lambda y, z: joined(y, torch.zeros_like(z))},
            {"join": lambda y, z: joined(y, torch.ones_like(z))},
            {"join": _fits(lambda y, z: joined(y, y), same_width, joined)},
            {"join": _fits(lambda y, z: joined(z, z), same_width, joined)},
        ),
    ),
    Mistake(
        "token-left-out",
        "The embedded token does not reach the cell: its place in the input holds zeros.",
        ({"join": lambda y, z: joined(torch.zeros_like(y), z)},),
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
            {"join": _fits(lambda y, z: joined(y + z, z), same_width, joined)},
        ),
    ),
    Mistake(
        "joined-in-the-other-order",
        "The context stands before the token. Both orders have E + Dk numbers, so no error is raised, but the cell's weights expect the token first.",
        (
            {"join": lambda y, z: torch.cat([z, y], 1)},
            {"join": lambda y, z: torch.cat([z, y] if same_width(y, z) else [y, z], 1)},
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
            {"join": lambda y, z: torch.cat([y, z]).view(len(y), -1)},
            {"join": lambda y, z: torch.cat([y.flatten(), z.flatten()]).view(len(y), -1)},
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
        ({"look": lambda attend, q, k, m: look_with(lambda a, b, c: attend(b, a, c), q, k, m)},),
    ),
    Mistake(
        "attend-unpacked-the-other-way",
        "What the attention returns is taken the other way round: the context comes first, then the weights.",
        (
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m)[::-1]},
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m)[::-1], "around": _step_swapped},
        ),
    ),
    Mistake(
        "mask-after-the-weights",
        "The attention is not told of the mask, and its weights are cut off afterwards: they no longer sum to 1. Hand the mask to the attention.",
        ({"look": _mask_afterwards}, {"look": _mask_afterwards_twice}),
    ),
    Mistake(
        "mask-not-bool",
        "The mask is turned into numbers. A mask of numbers is added to the scores instead of obeyed; leave it bool.",
        (
            {"look": _mask_changed(lambda m: m.float())},
            {"look": lambda attend, q, k, m: look_with(attend, q, k, None if m is None else m.to(k.dtype))},
            {"look": _mask_changed(lambda m: m.int())},
        ),
    ),
    Mistake(
        "mask-read-as-lengths",
        "The mask is turned into a length, so that holes in it move to the end. Use the mask as it is.",
        ({"look": _mask_changed(_as_lengths)},),
    ),
    Mistake(
        "last-key-hidden",
        "One real key is hidden too, the last of each sample: look at where a range or a comparison ends.",
        ({"look": _mask_changed(lambda m: m & pad(m[:, 1:], (0, 1)))},),
    ),
    Mistake(
        "keys-in-another-order",
        "The keys are turned round. The order of the keys is that of the source, and of the mask.",
        (
            {"look": lambda attend, q, k, m: look_with(attend, q, k.flip(1), m)},
            {
                "look": lambda attend, q, k, m: look_with(
                    attend, q, k.flip(1), None if m is None else m.flip(1)
                )
            },
        ),
    ),
    Mistake(
        "truth-of-a-mask",
        "`if mask:` asks a whole tensor for one truth value. Ask `if mask is None`, or hand the mask on as it is: the attention knows what None means.",
        (
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m if m else None)},
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m or None)},
        ),
    ),
    Mistake(
        "keys-cut-to-the-longest",
        "Keys that no sample of the batch may attend to are cut off, so that the weights have fewer than S columns. Leave them: their weight is 0.",
        ({"look": _cut_to_the_longest},),
    ),
    Mistake(
        "attend-not-used",
        "The weights are not those of the attention that was given: a score of another kind stands in its place.",
        ({"look": _own_dot_product},),
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
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m.bool())},
            {"look": lambda attend, q, k, m: look_with(attend, q, k, m.to(k.device))},
            {"look": lambda attend, q, k, m: look_with(attend, q, k * m[..., None].to(k.dtype), m)},
        ),
        recognise=fails_without_a_mask,
    ),
    Mistake(
        "no-mask-taken-for-an-empty-one",
        "Without a mask (None) everything is hidden, or all keys get the same weight. None means that every key may be attended to.",
        (
            {
                "look": _without_a_mask(
                    lambda attend, q, k: look_with(attend, q, k, torch.zeros(k.shape[:2], dtype=torch.bool))
                )
            },
            {"look": _without_a_mask(_uniform)},
        ),
    ),
    Mistake(
        "mean-instead-of-weighted-sum",
        "The context is a plain mean or sum of the keys: the weights play no part in it.",
        (
            {"look": _context_by(lambda a, k, m: k.mean(1))},
            {"look": _context_by(lambda a, k, m: k.sum(1))},
            {"look": _context_by(lambda a, k, m: _mean_of_real_keys(k, m))},
            {"look": _context_by(lambda a, k, m: (a[..., None] * k).mean(1))},
            {"around": _feeds(lambda a, k, m: k.mean(1))},
            {"around": _feeds(lambda a, k, m: k.sum(1))},
            {"around": _feeds(lambda a, k, m: _mean_of_real_keys(k, m))},
        ),
    ),
    Mistake(
        "one-key-instead-of-weighted-sum",
        "The context is one single key, the last, the first or the best. It is the sum of all keys, each times its weight.",
        (
            {"look": _context_by(lambda a, k, m: k[:, -1])},
            {"look": _context_by(lambda a, k, m: k[:, 0])},
            {"around": _feeds(lambda a, k, m: k[:, -1])},
            {
                "look": _context_by(
                    lambda a, k, m: (one_hot(a.argmax(1), k.shape[1]).to(k.dtype)[:, None] @ k)[:, 0]
                )
            },
        ),
    ),
    Mistake(
        "context-changed",
        "Something is done to the context before the cell gets it: a tanh, a scale, a limit, a mean over the batch. It is joined as it is.",
        (
            *({"look": _context_changed(f)} for f in _CONTEXT_CHANGES),
            *({"join": lambda y, z, f=f: joined(y, f(z))} for f in _CONTEXT_CHANGES),
        ),
    ),
    Mistake(
        "weights-changed",
        "Something is done to the weights after the attention has made them: they are rounded, or their logarithm or the place of the largest is given back.",
        (
            {"look": _weights_changed(lambda a: a.round(decimals=2))},
            {"look": _weights_changed(lambda a: a.round())},
            {"look": _weights_changed(torch.log)},
            {"look": _weights_changed(lambda a: a.argmax(-1))},
            {"look": _weights_changed(lambda a: a / a.sum(-1, keepdim=True))},
        ),
    ),
    Mistake(
        "softmax-twice",
        "The weights went through a softmax once more: they come out too even. What the attention gives are weights already.",
        (
            {
                "look": lambda attend, q, k, m: (
                    ((a := torch.softmax(look_with(attend, q, k, m)[1], -1))[:, None] @ k)[:, 0],
                    a,
                )
            },
            {
                "look": lambda attend, q, k, m: (
                    (found := look_with(attend, q, k, m))[0],
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
                for f in (
                    torch.tanh,
                    torch.relu,
                    torch.sigmoid,
                    lambda h: torch.softmax(h, -1),
                    lambda h: layer_norm(h, h.shape[-1:]),
                )
            ),
            {
                "advance": lambda cell, x, s, z: (
                    (cell(x, s) + z) if same_width(s, z) else torch.tanh(cell(x, s))
                )
            },
        ),
    ),
)
"""Mistakes in one decoder step, alone and inside the decoder."""

STEP_CUTS = (
    {"query": lambda y, s: s.detach()},
    {"around": _step_on(embedded=lambda y: y.detach())},
    {"around": _step_on(state=lambda s: s.detach())},
    {"around": _step_on(keys=lambda k: k.detach())},
    {"advance": lambda cell, x, s, z: cell(x, s.detach())},
    {"advance": lambda cell, x, s, z: cell(x, s).detach()},
    {"join": lambda y, z: joined(y, z.detach())},
    {"join": lambda y, z: joined(y.detach(), z)},
    {"join": lambda y, z: torch.tensor(joined(y, z).tolist()).to(y.dtype)},
    {"look": lambda attend, q, k, m: tuple(r.detach() for r in look_with(attend, q, k, m))},
    {"look": _context_by(lambda a, k, m: (a.detach()[:, None] @ k)[:, 0])},
    {"look": _context_by(lambda a, k, m: (a[:, None] @ k.detach())[:, 0])},
)
_WEIGHTS_CUT = {
    "look": lambda attend, q, k, m: ((found := look_with(attend, q, k, m))[0], found[1].detach()),
}


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


def _keeps_until_another_shape(place: int) -> Callable:
    """Keeps one argument until one of another shape or dtype arrives."""

    def outer(f):
        kept = []

        def answer(*args):
            new = args[place]
            if new is None:
                return f(*args)
            if not kept or kept[0].shape != new.shape or kept[0].dtype != new.dtype:
                kept[:] = [new.detach().clone()]
            return f(*args[:place], kept[0], *args[place + 1 :])

        return answer

    return outer


def _keeps_mask_by_shape(f: Callable) -> Callable:
    memory = {}

    def answer(embedded, state, keys, mask, *rest):
        mask = mask if mask is None else memory.setdefault(tuple(mask.shape), mask.clone())
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


STEP_DTYPES = (
    {"join": lambda y, z: joined(y.float(), z.float())},
    {"join": lambda y, z: joined(y.float(), z.float()).to(y.dtype)},
    {"query": lambda y, s: s.float()},
    *(
        {"look": _context_changed(lambda z, d=d: z.to(d).to(z.dtype))}
        for d in (torch.float32, torch.bfloat16)
    ),
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


def ones_and_minus_ones(draw: Draw) -> Callable[..., Tensor]:
    return lambda *shape: draw.nonzero(*shape, most=1)


def _tiny_step(draw: Draw, mask: Tensor | None = None, gradient: bool = False, **sizes: int) -> Case:
    z = dict.fromkeys(_STEP_LETTERS, 1) | sizes
    return _step_case(ones_and_minus_ones(draw), z, mask, gradient)


def _clear_step(draw: Draw, forgets: bool, mask: Tensor | None = None, gradient: bool = False) -> Case:
    """A step in whole numbers that saturates nothing: the cell's tanh is of 1 in both.

    With state 0 all scores are 0 and the context is the mean of the keys, here 1. Otherwise the keys are
    equal, so that the context is 1 whatever the weights are, and what the state adds is seen.
    """
    sign = float(draw.nonzero(1, most=1))
    embedded, state, keys, shares = (3.0, 0.0, (2.0, 0.0), -2.0) if forgets else (-3.0, 1.0, (1.0, 1.0), 2.0)
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
    yield _step_case(draw.normal, _step_sizes(draw, S=13))
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
    yield _step_case(draw.normal, _step_sizes(draw, B=2, S=1), torch.tensor([[True], [False]]))


def _step_states(draw: Draw) -> Iterator[Case]:
    yield from _step_values(draw)
    z = _step_sizes(draw, B=3, S=4)
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
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
    # S equals Dk, where weights taken for a context raise nothing.
    yield _tiny_step(draw, torch.tensor([[True, False]]), S=2, D=2)
    yield _tiny_step(draw, torch.tensor([[False, False]]), S=2, D=2)
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
    masks = torch.tensor([[True, False], [True, True]]), torch.tensor([[True, True], [False, True]])
    again, alike = (
        _step_case(draw.normal, {"B": 2, "S": 2, "E": 1, "H": 2, "D": 1}, mask).calls[0] for mask in masks
    )
    yield Case((again, alike, again))


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
            _step_states,
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
            "arguments-in-another-order",
            "The arguments are taken in another order than they come: embedded, state, keys, mask, attend, cell.",
            (
                {"outer": lambda f: lambda y, s, k, m, attend, cell: f(y, s, k, m, cell, attend)},
                {"outer": lambda f: lambda y, s, k, m, attend, cell: f(s, y, k, m, attend, cell)},
                {"outer": lambda f: lambda y, s, k, m, attend, cell: f(y, s, m, k, attend, cell)},
            ),
        ),
        Mistake(
            "context-changed",
            "Large numbers of the context are cut off. It is given back, and joined, as it is.",
            ({"look": _context_changed(lambda z: z.clamp(-100, 100))},),
        ),
        Mistake(
            "step-axis-left",
            "The context or the weights still have the axis of size 1 of their one query. Take that axis away by its place: `[:, 0]` or `.squeeze(1)`.",
            (
                {"give": lambda new, z, a, s: (new, z[:, None], a[:, None])},
                {"give": lambda new, z, a, s: (new, z, a[:, None])},
                {"give": lambda new, z, a, s: (new, z, a[..., None])},
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
                        lambda y, *rest: (lambda new, z, a: (new, joined(y, z), a))(*step(y, *rest))
                    )
                },
            ),
        ),
        Mistake(
            "gradient-cut",
            "The numbers are right, but a gradient is missing: the state, the context, the weights or the keys were detached on one path. The scorer learns through the weights, so nothing may cut them off.",
            (*STEP_CUTS, _WEIGHTS_CUT),
        ),
        Mistake("detached", DETACHED.hint, ({"outer": on_each(lambda r: r.detach())},)),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": on_each(lambda r: r.squeeze())},
                {"outer": on_one(1, lambda r: r.squeeze())},
                {"outer": on_one(2, lambda r: r.squeeze())},
                {"outer": on_each(lambda r: r.squeeze(0))},
                {"look": lambda attend, q, k, m: tuple(r.squeeze(0) for r in attend(q[:, None], k, m))},
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
                {"outer": writes_to(0, lambda y: y.add_(1))},
                {"outer": writes_to(2, lambda k: k.mul_(2))},
            ),
            recognise=CHANGES_ITS_INPUT.recognise,
        ),
        replace(
            STALE_CACHE,
            recognise=repeats_everything,
            variants=(
                *STALE_CACHE.variants,
                *({"outer": _keeps_keys(by)} for by in (True, False)),
                *({"outer": _keeps_until_another_shape(place)} for place in (2, 3)),
                {"outer": _keeps_mask_by_shape},
            ),
        ),
        Mistake("mixes-samples", MIXES_SAMPLES.hint, mixing((0, 1, 2))),
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
                *STEP_DTYPES,
            ),
        ),
        NEEDS_CONTIGUOUS,
        RETURNS_NOTHING,
        not_the_asked_results("the state, the context and the weights"),
        *LAST_RESORTS_OF_SEVERAL,
    ),
    hints=(
        "Write the order down first: the state that came in → scores and weights → context → joined with the token → the cell → the new state. Which of these does attend do for you?",
        "attend takes queries (B, T, H), and here T is 1: state[:, None, :] has that shape. Its two results have an axis of size 1 as well; take it away with [:, 0].",
        "Join token and context along the features: torch.cat([…, …], dim=1), the token first. Then one call of the cell, with the state that came in.",
    ),
)
