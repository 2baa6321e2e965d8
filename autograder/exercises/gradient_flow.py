"""Exercises of lesson 02: one step of a plain recurrent network and of an LSTM, and how far gradients reach."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.case import Call, Callback, Case
from .anywhere import (
    ANY_FUNCTION,
    BARE_SQUEEZE,
    DIFFERENT_EACH_CALL,
    EXTRA_AXIS,
    HARD_CODED_DTYPE,
    LAST_RESORTS,
    NEEDS_CONTIGUOUS,
    RETURNS_NOTHING,
    STALE_CACHE,
    on_result,
    without,
    wrote_to_input,
)
from .common import Function, ask, finite_gradients, function_checks, wrapped

LESSON = "02_gradient_flow"

# ---- what both cells share: a sum of two products and a bias


def _plus(a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
    return a + b + bias


def _sum_of_products(project_x=None, project_h=None, join=None) -> Callable[..., Tensor]:
    """W_x x + W_h h + b, of pieces."""
    project_x = project_x or (lambda x, W: x @ W.T)
    project_h = project_h or (lambda h, W: h @ W.T)
    join = join or _plus
    return lambda x, h, W_x, W_h, b: join(project_x(x, W_x), project_h(h, W_h), b)


def _swapping(answer: Callable, how: str) -> Callable:
    """The answer with W_x and W_h exchanged ("always", or "fits": where their shapes agree), or one of them used for both."""

    def swapped(*args):
        *states, W_x, W_h, b = args
        fits = W_x.shape == W_h.shape
        if how == "always" or (how == "fits" and fits):
            W_x, W_h = W_h, W_x
        elif how == "first" and fits:
            W_h = W_x
        elif how == "second" and fits:
            W_x = W_h
        return answer(*states, W_x, W_h, b)

    return swapped


def _wrong_order(x: Tensor, h: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor) -> Tensor:
    """[h; x] meets [W_x W_h]: it fits whatever the sizes are."""
    return torch.cat([h, x], 1) @ torch.cat([W_x, W_h], 1).T + b


def _on_argument(place: int, change: Callable[[Tensor], Tensor]) -> Callable:
    """Change one argument before the answer sees it."""
    return lambda f: lambda *args: f(*args[:place], change(args[place]), *args[place + 1 :])


def _keeps_state_at_zeros(f: Callable) -> Callable:
    """Gives the old states back where a row of x is all 0."""

    def answer(x, *rest):
        idle = (x == 0).all(1, keepdim=True)
        new = f(x, *rest)
        if isinstance(new, Tensor):
            return torch.where(idle, rest[0], new)
        return tuple(torch.where(idle, old, n) for old, n in zip(rest, new, strict=False))

    return answer


def _keeps_first(*places: int) -> Callable:
    """Goes on with the first arguments that it was given at these places, for each shape and dtype of the first of them."""

    def outer(f):
        memory: dict = {}

        def answer(*args):
            key = args[places[0]].shape, args[places[0]].dtype
            kept = memory.setdefault(key, {place: args[place] for place in places})
            return f(*(kept.get(place, a) for place, a in enumerate(args)))

        return answer

    return outer


def _of_all(mistakes: tuple[Mistake, ...]) -> tuple[Mistake, ...]:
    """The same mistakes; a general one is named only if it accounts for every failing case.

    The smallest cases here have sizes of 1, so that many a wrong answer fails there first.
    """

    def whole(rule):
        return lambda failed: found if len(found := rule(failed)) == len(failed) else set()

    return tuple(replace(m, recognise=whole(m.recognise)) if m.general else m for m in mistakes)


_AMONG_SAMPLES = (
    lambda t: t.flip(0),
    lambda t: t.roll(1, 0),
    lambda t: t.mean(0, keepdim=True).expand_as(t),
    lambda t: t[:1].expand_as(t),
)


def _carried_along_the_batch(f: Callable) -> Callable:
    """Takes the samples for the steps of one sequence."""

    def answer(x, *rest):
        *states, W_x, W_h, b = rest
        now, rows = tuple(state[:1] for state in states), []
        for one in x.split(1):
            new = f(one, *now, W_x, W_h, b)
            now = (new,) if isinstance(new, Tensor) else new
            rows.append(now)
        joined = tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
        return joined[0] if len(joined) == 1 else joined

    return answer


def _mixes_samples(places: tuple[int, ...], on_results: Callable) -> Mistake:
    """Samples mixed in one of the arguments at `places`, or in the result."""
    return Mistake(
        "mixes-samples",
        "Samples of the batch influence one another, or stand in another's place: row b of the result must depend on row b of the inputs alone. Look at which axis is summed, repeated or reshaped.",
        (
            *({"outer": on_results(change)} for change in _AMONG_SAMPLES),
            *(
                {"outer": _on_argument(place, change)}
                for place, change in itertools.product(places, _AMONG_SAMPLES)
            ),
            {"outer": _carried_along_the_batch},
        ),
    )


_SHARED_MISTAKES = (
    Mistake(
        "weights-swapped",
        "W_x is applied to the state and W_h to the input. That only fits when both have the same size, and then the numbers are wrong.",
        ({"swap": "always"}, {"swap": "fits"}),
    ),
    Mistake(
        "same-weights-for-both",
        "One matrix is used for input and state alike. Each has a matrix of its own.",
        (
            {"swap": "first"},
            {"swap": "second"},
            {"joined": lambda x, h, W_x, W_h, b: (x + h) @ W_x.T + b},
            {"joined": lambda x, h, W_x, W_h, b: (x + h) @ W_h.T + b},
        ),
    ),
    Mistake(
        "joined-in-the-wrong-order",
        "Input and state are joined to one long vector, but in the other order than their weights: every number meets a weight that belongs to another one. The shapes fit, so nothing complains.",
        ({"joined": _wrong_order},),
    ),
    Mistake(
        "bias-missing",
        "The bias b is not added.",
        ({"join": lambda a, b, bias: a + b}, {"join": lambda a, b, bias: a + b + 0 * bias}),
    ),
    Mistake(
        "bias-twice",
        "The bias is added twice. PyTorch's cells have two biases, b_ih and b_hh; here b is already their sum.",
        ({"join": lambda a, b, bias: (a + bias) + (b + bias)},),
    ),
    Mistake(
        "bias-subtracted",
        "The bias is subtracted. The formula adds it.",
        ({"join": lambda a, b, bias: a + b - bias},),
    ),
    Mistake(
        "state-ignored",
        "The new state does not depend on the state before: nothing is carried from step to step, so this network has no memory.",
        (
            {"project_h": lambda h, W: 0 * (h @ W.T)},
            {"project_h": lambda h, W: torch.zeros_like(h) @ W.T},
            {"project_h": lambda h, W: torch.ones_like(h) @ W.T},
        ),
    ),
    Mistake(
        "input-ignored",
        "The new state does not depend on the input of this step.",
        (
            {"project_x": lambda x, W: 0 * (x @ W.T)},
            {"project_x": lambda x, W: torch.ones_like(x) @ W.T},
        ),
    ),
    Mistake(
        "product-instead-of-sum",
        "What comes from the input and what comes from the state are multiplied. The formula adds them.",
        ({"join": lambda a, b, bias: a * b + bias}, {"join": lambda a, b, bias: (a + bias) * (b + bias)}),
    ),
    Mistake(
        "difference-instead-of-sum",
        "One term is subtracted from the other. The formula adds them.",
        ({"join": lambda a, b, bias: a - b + bias}, {"join": lambda a, b, bias: b - a + bias}),
    ),
    Mistake(
        "divided-by-size",
        "A term is divided by a size or its root, or the sum is averaged. The formula has plain sums.",
        (
            {"project_x": lambda x, W: x @ W.T / x.shape[-1] ** 0.5},
            {"project_h": lambda h, W: h @ W.T / h.shape[-1] ** 0.5},
            {"project_x": lambda x, W: x @ W.T / x.shape[-1]},
            {"project_h": lambda h, W: h @ W.T / h.shape[-1]},
            {"join": lambda a, b, bias: (a + b) / 2 + bias},
            {"join": lambda a, b, bias: (a + b + bias) / 2},
            {"join": lambda a, b, bias: (a + b + bias) / bias.shape[-1] ** 0.5},
        ),
    ),
    Mistake(
        "bias-added",
        "A number is added that the formula does not have.",
        ({"join": lambda a, b, bias: a + b + bias + 1}, {"join": lambda a, b, bias: a + b + bias + 0.1}),
    ),
    Mistake(
        "bias-not-for-all",
        "The bias reaches only some of the units or samples, or one entry of it is used for all. Each unit has an entry of its own, the same for every sample.",
        (
            {"join": lambda a, b, bias: a + b + bias[0]},
            {"join": lambda a, b, bias: a + b + bias.mean()},
            {"join": lambda a, b, bias: torch.cat([(a + b)[:1] + bias, (a + b)[1:]])},
            {"join": lambda a, b, bias: a + b + bias * (torch.arange(len(bias)) < (len(bias) + 3) // 4)},
        ),
    ),
    Mistake(
        "diagonal-only",
        "Each unit sees only its own old state: what stands off the diagonal of W_h is lost. `*` multiplies entry by entry; a matrix product needs `@`.",
        (
            {"project_h": lambda h, W: h * W.diagonal()},
            {"project_h": lambda h, W: torch.cat([h * own.diagonal() for own in W.split(W.shape[1])], 1)},
            {"project_h": lambda h, W: torch.cat([h * own.sum(1) for own in W.split(W.shape[1])], 1)},
        ),
    ),
    Mistake(
        "zeros-taken-for-padding",
        "An input of zeros is taken for padding. It is an input like any other: the bias and the state still count.",
        ({"outer": _keeps_state_at_zeros},),
    ),
    Mistake(
        "tied-to-sizes-of-the-batch",
        "A bias or a state is shaped so that it only fits when the batch has as many samples as the state has units: b belongs to the units, the last axis.",
        (
            {"join": lambda a, b, bias: a + b + bias[:, None]},
            {"join": lambda a, b, bias: a + b + (bias[:, None] if len(a) == len(bias) else bias)},
        ),
    ),
)


class _Step(Function):
    """One step of a cell. Its smallest cases show a matrix that is used transposed."""

    def small(self, draw: Draw, sizes: dict) -> Case:
        x, h, *cell, W_x, W_h, b = self.make(self.by_hand(draw), sizes)
        if (H := sizes["H"]) > 1:
            for gate in W_h.split(H):
                gate[1, 0] = -gate[0, 1]
        return ask(x, h, *cell, W_x, W_h, b)

    def values(self, draw: Draw) -> Iterator[Case]:
        for sizes in self.tiny:
            yield self.small(draw, sizes)
        yield self.case(draw.normal, self.distinct(draw))
        yield self.case(draw.normal, self.distinct(draw))

    def zeros(self, draw: Draw) -> Iterator[Case]:
        """An input of zeros, and a state of zeros as at the first step."""
        for place in (0, 1):
            args = self.make(self.by_hand(draw), {"B": 2, "D": 1, "H": 2})
            args[place][0] = 0
            yield ask(*args)

    def special_sizes(self, draw: Draw) -> Iterator[Case]:
        yield self.small(draw, self.equal(2))
        yield self.case(draw.normal, self.equal(3))
        yield from self.zeros(draw)
        yield self.case(draw.normal, {"B": 8, "D": 3, "H": 2})
        yield self.case(draw.normal, {"B": 3, "D": 4, "H": 3})
        yield self.case(draw.normal, {"B": 2, "D": 3, "H": 3})
        for sizes in self.with_ones(draw):
            yield self.case(draw.normal, sizes)


_TINY = (
    {"B": 1, "D": 1, "H": 1},
    {"B": 1, "D": 1, "H": 2},
    {"B": 2, "D": 1, "H": 2},
)


def _values_first(*args: Any) -> tuple[Check, ...]:
    """The checks of a function. An infinite gradient is told as a wrong number, not as a change of the inputs."""
    *others, robust = function_checks(*args)
    return (*others, replace(robust, aspects=("values", "dtype", "inputs")))


# ---- rnn_step


def _build_rnn_step(
    project_x=None, project_h=None, join=None, squash=None, joined=None, swap=None, emit=None, outer=None
):
    add = joined or _sum_of_products(project_x, project_h, join)
    squash = squash or torch.tanh
    emit = emit or (lambda new, h: new)

    def step(x, h, W_x, W_h, b):
        return emit(squash(add(x, h, W_x, W_h, b)), h)

    return wrapped(outer, _swapping(step, swap) if swap else step)


_RNN = _Step(
    "B D H",
    lambda fill, z: (
        fill(z["B"], z["D"]),
        fill(z["B"], z["H"]),
        fill(z["H"], z["D"]),
        fill(z["H"], z["H"]),
        fill(z["H"]),
    ),
    lambda z: (z["B"], z["H"]),
    _TINY,
    most=1,  # a larger sum would saturate the tanh and hide what went into it
)


def _rnn_large(draw: Draw) -> Iterator[Case]:
    """Sums of ±10,000: the tanh saturates exactly, and nothing overflows."""
    shapes = (2, 2), (2, 3), (3, 2), (3, 3), (3,)
    x, h, W_x, W_h, b = (draw.whole(*shape) for shape in shapes)
    wanted = (draw.normal(2, 3),)
    yield ask(1e4 * x, h, W_x, W_h, b, cotangents=wanted)
    yield ask(x, 1e4 * h, W_x, W_h, b, cotangents=wanted)
    yield ask(x, h, W_x, W_h, 1e4 * b, cotangents=wanted)
    # Weights so small that the sum is not: what is cut off beforehand shows.
    yield ask(1e4 * draw.nonzero(2, 2), 1e4 * draw.nonzero(2, 3), 1e-4 * W_x, 1e-4 * W_h, b)
    # In float64 the tanh of 8 is still told from that of 5, and from 1.
    yield ask(
        *(torch.full(shape, 1.9, dtype=torch.float64) for shape in ((1, 1),) * 4), torch.zeros(1).double()
    )


def _naive_tanh(x: Tensor) -> Tensor:
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


_ACTIVATIONS = (
    torch.sigmoid,
    torch.relu,
    nn.functional.gelu,
    nn.functional.silu,
    nn.functional.elu,
    nn.functional.leaky_relu,
    nn.functional.softplus,
    nn.functional.softsign,
    nn.functional.hardtanh,
    torch.sin,
    torch.atan,
    torch.erf,
)

RNN_MISTAKES = (
    Mistake(
        "tanh-missing",
        "These are the numbers one gets without the tanh: W_x x + W_h h + b. Then nothing bounds the state, and the whole network is one linear map.",
        (
            {"squash": lambda a: a},
            {"squash": lambda a: a, "join": lambda a, b, bias: a + b},
            {"squash": lambda a: a, "project_h": lambda h, W: h @ W},
        ),
    ),
    Mistake(
        "stops-half-way",
        "Only what comes from the input is there. What comes from the state, and the bias, still have to be added before the tanh; and what comes out of the tanh is what is returned.",
        (
            {"joined": lambda x, h, W_x, W_h, b: x @ W_x.T, "squash": lambda a: a},
            {"joined": lambda x, h, W_x, W_h, b: x @ W_x.T},
            {"joined": lambda x, h, W_x, W_h, b: x @ W_x.T + b, "squash": lambda a: a},
        ),
    ),
    Mistake(
        "another-activation",
        "Another function stands where the tanh should be.",
        tuple({"squash": f} for f in _ACTIVATIONS),
    ),
    Mistake(
        "tanh-of-each-term",
        "The tanh is applied to a part of the sum. It has to see the whole sum, bias included: then every entry of the new state lies between -1 and 1.",
        (
            {"join": lambda a, b, bias: torch.tanh(a) + torch.tanh(b) + bias, "squash": lambda a: a},
            {"join": lambda a, b, bias: torch.tanh(a) + torch.tanh(b + bias), "squash": lambda a: a},
            {"join": lambda a, b, bias: torch.tanh(a + bias) + torch.tanh(b), "squash": lambda a: a},
            {"join": lambda a, b, bias: torch.tanh(a + b) + bias, "squash": lambda a: a},
            {"join": lambda a, b, bias: torch.tanh(a) + b + bias, "squash": lambda a: a},
            {"join": lambda a, b, bias: a + torch.tanh(b) + bias, "squash": lambda a: a},
            {"join": lambda a, b, bias: torch.tanh(a + bias) + b, "squash": lambda a: a},
            {"join": lambda a, b, bias: a + torch.tanh(b + bias), "squash": lambda a: a},
            {
                "join": lambda a, b, bias: torch.tanh(a) + torch.tanh(b) + torch.tanh(bias),
                "squash": lambda a: a,
            },
            {"join": lambda a, b, bias: torch.tanh(a) + torch.tanh(b) + bias},
            {"join": lambda a, b, bias: torch.tanh(a) + b + bias},
            {"join": lambda a, b, bias: a + torch.tanh(b) + bias},
        ),
    ),
    Mistake(
        "tanh-twice",
        "The tanh is applied twice.",
        ({"squash": lambda a: torch.tanh(torch.tanh(a))}, {"project_h": lambda h, W: torch.tanh(h) @ W.T}),
    ),
    Mistake(
        "weights-transposed",
        "A weight matrix is used transposed. W_h is square, so this fits whatever the sizes are, and the numbers are wrong in silence. Row r of W_h belongs to unit r of the new state. Work out one entry by hand, and see which row or column of W_h your product takes for it.",
        (
            {"project_h": lambda h, W: h @ W},
            {"project_h": lambda h, W: h @ W, "join": lambda a, b, bias: a + b},
            {"project_h": lambda h, W: h @ W, "project_x": lambda x, W: x @ W},
            {"project_x": lambda x, W: x @ W},
            {"project_x": lambda x, W: x @ (W if W.shape[0] == W.shape[1] else W.T)},
            {
                "project_x": lambda x, W: x @ (W if W.shape[0] == W.shape[1] else W.T),
                "project_h": lambda h, W: h @ W,
            },
        ),
    ),
    Mistake(
        "matrix-on-the-left",
        "The matrix stands to the left of a batch. On paper the state is a column and the matrix stands on its left; here each sample is a row, so the batch stands on the left, and the matrix on its right with its axes exchanged.",
        (
            *(
                {"project_h": project, "join": join, **more}
                for project in (lambda h, W: W @ h, lambda h, W: W @ h.T)
                for join in (_plus, lambda a, b, bias: a + b)
                for more in ({}, {"squash": lambda a: a})
            ),
            {"project_x": lambda x, W: W @ x},
            {"project_x": lambda x, W: W @ x.T},
            {"project_x": lambda x, W: W @ x.T, "project_h": lambda h, W: W @ h.T},
            {"project_x": lambda x, W: W @ x, "project_h": lambda h, W: W @ h},
        ),
    ),
    Mistake(
        "view-instead-of-transpose",
        "A weight matrix was reshaped with `view` or `reshape` where its axes should have been exchanged: the shape fits, the numbers do not.",
        ({"project_x": lambda x, W: x @ W.reshape(W.shape[1], W.shape[0])},),
    ),
    Mistake(
        "weights-missing",
        "The state, or the input, goes into the sum as it is. Each is multiplied with its matrix first.",
        (
            {"project_h": lambda h, W: h},
            {"project_x": lambda x, W: x},
            {"project_x": lambda x, W: x, "project_h": lambda h, W: h},
        ),
    ),
    Mistake(
        "entry-by-entry",
        "State and matrix are multiplied entry by entry with `*`. A matrix product needs `@`: each unit of the new state sees all units of the old one.",
        (
            {"project_h": lambda h, W: h * W},
            {"project_x": lambda x, W: x * W},
        ),
    ),
    *_SHARED_MISTAKES,
    Mistake(
        "step-taken-twice",
        "The step is taken twice: the new state is put in once more with the same input.",
        ({"outer": lambda f: lambda x, h, *w: f(x, f(x, h, *w), *w)},),
    ),
    Mistake(
        "old-state-added",
        "The old state is added to the new one, or the two are averaged. The plain cell has no such path past the tanh; the LSTM's cell state will be one.",
        (
            {"emit": lambda new, h: h + new},
            {"emit": lambda new, h: (h + new) / 2},
            {"emit": lambda new, h: torch.tanh(h + new)},
            {"emit": lambda new, h: h * new},
        ),
    ),
    Mistake(
        "old-state-returned",
        "What comes back is the state that went in.",
        ({"emit": lambda new, h: h}, {"emit": lambda new, h: h.clone() + 0 * new}),
    ),
    Mistake(
        "axes-swapped",
        "The result lies the other way round: units in rows, samples in columns. W @ x.T gives (H, B); the exercise wants (B, H).",
        (
            {"outer": on_result(lambda r: r.transpose(0, 1))},
            {"outer": on_result(lambda r: r.transpose(0, 1).reshape(r.shape))},
        ),
    ),
    _mixes_samples((0, 1), on_result),
    Mistake(
        "naive-exp",
        "A tanh made of exponentials overflows: e⁸⁹ is already more than float32 can hold. Where the value is not NaN, its gradient is. torch.tanh knows how to avoid that.",
        (
            {"squash": _naive_tanh},
            {"squash": lambda a: (torch.exp(2 * a) - 1) / (torch.exp(2 * a) + 1)},
            {"squash": lambda a: 1 - 2 / (1 + torch.exp(2 * a))},
        ),
    ),
    Mistake(
        "cut-off",
        "The input, the state or their sum is cut off, normalised or approximated before the tanh. The formula takes them as they are.",
        (
            *({"squash": lambda a, c=c: torch.tanh(a.clamp(-c, c))} for c in (1, 2, 3, 5)),
            {"project_h": lambda h, W: h.clamp(-1, 1) @ W.T},
            {"project_x": lambda x, W: x.clamp(-10, 10) @ W.T},
            {"squash": lambda a: torch.tanh(nn.functional.layer_norm(a, a.shape[-1:]))},
            {"squash": lambda a: a - a**3 / 3},
            {"squash": lambda a: torch.tanh(2 * a / 3) * 1.7159},
        ),
    ),
    Mistake(
        "function-applied-afterwards",
        "Something more is done to the right result: it is normalised or passed through another function. The formula ends one step earlier.",
        tuple(
            {"outer": on_result(change)}
            for change in (
                lambda r: torch.softmax(r, -1),
                torch.relu,
                torch.sigmoid,
                torch.abs,
                torch.square,
                lambda r: r - r.mean(-1, keepdim=True),
                lambda r: r / r.norm(dim=-1, keepdim=True),
                lambda r: nn.functional.layer_norm(r, r.shape[-1:]),
                lambda r: (r + 1) / 2,
                lambda r: r.sum(-1, keepdim=True).expand_as(r),
            )
        ),
    ),
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: something was detached on the way. A state that is detached at each step makes a network that cannot learn from the past.",
        (
            {"project_h": lambda h, W: h.detach() @ W.T},
            {"project_x": lambda x, W: x.detach() @ W.T},
            {"project_h": lambda h, W: h @ W.T.detach()},
            {"project_x": lambda x, W: x @ W.T.detach()},
            {"project_h": lambda h, W: (h @ W.T).detach()},
            {"project_x": lambda x, W: (x @ W.T).detach()},
            {"join": lambda a, b, bias: a + b + bias.detach()},
            {"project_x": lambda x, W: x @ W.T.detach(), "project_h": lambda h, W: h @ W.T.detach()},
            {"project_x": lambda x, W: x.detach() @ W.T, "project_h": lambda h, W: h.detach() @ W.T},
        ),
    ),
)

RNN_STEP = Exercise(
    name="rnn_step",
    lesson=LESSON,
    asked="One step of a plain recurrent network for a batch: from the input x (B, D) and the state (B, H) give the new state tanh(W_x x + W_h h + b), (B, H), with W_x (H, D), W_h (H, H) and b (H,).",
    arguments=("x (B, D)", "state (B, H)", "W_x (H, D)", "W_h (H, H)", "b (H)"),
    returns=("state (B, H)",),
    reference=seqattn_ref.rnn_step,
    build=_build_rnn_step,
    checks=_values_first(
        _RNN,
        "The new state has shape (B, H)",
        "It is tanh(W_x x + W_h h + b)",
        "Gradients reach x, the state, W_x, W_h and b",
        (0.5, 1, 0.5, 0.5, 0.5),
        _rnn_large,
    ),
    mistakes=(
        *RNN_MISTAKES,
        replace(
            STALE_CACHE,
            variants=(*STALE_CACHE.variants, {"outer": _keeps_first(0, 2)}, {"outer": _keeps_first(2, 3)}),
        ),
        *_of_all(without(ANY_FUNCTION, "stale-cache")),
    ),
    hints=(
        "Work out one sample first: W_x (H, D) times x (D,) gives (H,), and so does W_h times the state. Add the two and the bias, and squash the sum.",
        "A batch holds a sample in each row. Then the product W_x x of every row is x @ W_x.T, of shape (B, H).",
        "W_h is square, so state @ W_h and state @ W_h.T both run. Only one of them multiplies row r of W_h with the state to make unit r.",
        "There is one tanh, and it is the last thing that happens.",
    ),
)

# ---- lstm_step: the sum, cut into four gates, then the new cell state and the new state

Gates = tuple[Tensor, Tensor, Tensor, Tensor]


def _chunked(order: str = "ifgo") -> Callable[[Tensor, Tensor, Tensor], Gates]:
    """Cut (B, 4H) into four and take the pieces for the gates named by `order`."""

    def split(sums: Tensor, x: Tensor, h: Tensor) -> Gates:
        found = dict(zip(order, sums.chunk(4, dim=1), strict=True))
        return tuple(found[gate] for gate in "ifgo")

    return split


def _update(f: Tensor, c: Tensor, i: Tensor, g: Tensor, h: Tensor) -> Tensor:
    return f * c + i * g


def _build_lstm_step(
    project_x=None,
    project_h=None,
    join=None,
    joined=None,
    swap=None,
    squash=None,
    split=None,
    peep=None,
    gate=None,
    candidate=None,
    update=None,
    emit=None,
    keep=None,
    give=None,
    outer=None,
):
    add = joined or _sum_of_products(project_x, project_h, join)
    squash = squash or (lambda a: a)
    split = split or _chunked()
    gate, candidate = gate or (lambda name, a: torch.sigmoid(a)), candidate or torch.tanh
    update = update or _update
    emit = emit or (lambda o, new, old: o * torch.tanh(new))
    keep = keep or (lambda o, new: new)
    give = give or (lambda state, cell, h, c: (state, cell))

    def step(x, h, c, W_x, W_h, b):
        i, f, g, o = split(squash(add(x, h, W_x, W_h, b)), x, h)
        if peep is not None:
            i, f, o = peep(i, f, o, c)
        cell = update(gate("f", f), c, gate("i", i), candidate(g), h)
        o = gate("o", o)
        return give(emit(o, cell, c), keep(o, cell), h, c)

    return wrapped(outer, _swapping(step, swap) if swap else step)


class _TwoResults(_Step):
    def with_gradient(self, draw: Draw, sizes: dict, whole: bool = False) -> Case:
        fill = self.by_hand(draw) if whole else draw.normal
        wanted = tuple(fill(*self.result(sizes)) for _ in range(2))
        return ask(*self.make(fill, sizes), cotangents=wanted)

    def values(self, draw: Draw) -> Iterator[Case]:
        yield _four_different_gates(draw)
        yield from super().values(draw)

    def gradients(self, draw: Draw) -> Iterator[Case]:
        yield from super().gradients(draw)
        # Each result alone: a cut on the way to one of them cannot hide behind the other.
        for place in (0, 1):
            sizes = self.distinct(draw)
            wanted = [None, None]
            wanted[place] = draw.normal(*self.result(sizes))
            yield ask(*self.make(draw.normal, sizes), cotangents=tuple(wanted))


def _four_different_gates(draw: Draw) -> Case:
    """One unit whose four sums are -2, -1, 1 and 2 in some order, so that none can be taken for another."""
    x, h, c = (draw.nonzero(1, 1, most=most) for most in (1, 1, 2))
    W_h, b = draw.nonzero(4, 1, most=1), draw.nonzero(4, most=1)
    return ask(x, h, c, (draw.nonzero(4, 1, most=2) - W_h * h - b[:, None]) * x, W_h, b)


_LSTM = _TwoResults(
    "B D H",
    lambda fill, z: (
        fill(z["B"], z["D"]),
        fill(z["B"], z["H"]),
        fill(z["B"], z["H"]),
        fill(4 * z["H"], z["D"]),
        fill(4 * z["H"], z["H"]),
        fill(4 * z["H"]),
    ),
    lambda z: (z["B"], z["H"]),
    _TINY,
    most=1,
)


def _lstm_large(draw: Draw) -> Iterator[Case]:
    """Sums and cell states of ±10,000: gates open or shut for good, and nothing overflows."""
    shapes = (2, 2), (2, 3), (2, 3), (12, 2), (12, 3), (12,)
    x, h, c, W_x, W_h, b = (draw.nonzero(*shape, most=2) for shape in shapes)
    wanted = (draw.normal(2, 3), draw.normal(2, 3))
    yield ask(1e4 * x, h, c, W_x, W_h, b, cotangents=wanted)
    yield ask(x, 1e4 * h, c, W_x, W_h, b, cotangents=wanted)
    yield ask(x, h, 1e4 * c, W_x, W_h, b, cotangents=wanted)
    yield ask(x, h, c, W_x, W_h, 1e4 * b, cotangents=wanted)
    # Weights so small that the sum is not: what is cut off beforehand shows.
    yield ask(1e4 * x, 1e4 * h, c, 1e-4 * W_x, 1e-4 * W_h, b)
    # One gate at a time is shut for good, by its bias alone.
    for rows in torch.arange(12).split(3):
        shut = b.clone()
        shut[rows] = -1e4
        yield ask(x, h, c, W_x, W_h, shut, cotangents=wanted)
    # In float64 a gate at 8 is still told from one that is open for good.
    shapes = (1, 1), (1, 1), (1, 1), (4, 1), (4, 1), (4,)
    sizes = 1.9, 1.9, 12.0, 1.9, 1.9, 0.0
    yield ask(*(torch.full(shape, n, dtype=torch.float64) for shape, n in zip(shapes, sizes, strict=True)))


def _lstm_robust(draw: Draw) -> Iterator[Case]:
    yield from _LSTM.layouts(draw)
    yield from _LSTM.twice(draw)
    yield from _LSTM.dtypes(draw)
    yield from _lstm_large(draw)


def _of_each_gate(project: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A product with each gate's own matrix."""
    return lambda x, W: torch.cat([project(x, own) for own in W.chunk(4)], dim=1)


def _only(names: str, instead: Callable[[Tensor], Tensor]) -> Callable[[str, Tensor], Tensor]:
    """Another function for some of the gates."""
    return lambda name, a: instead(a) if name in names else torch.sigmoid(a)


def _on_both(change: Callable[[Tensor], Any]) -> Callable:
    return lambda f: lambda *args: tuple(change(r) for r in f(*args))


def _on_one(place: int, change: Callable[[Tensor], Any]) -> Callable:
    return lambda f: lambda *args: tuple(change(r) if i == place else r for i, r in enumerate(f(*args)))


def _naive_sigmoid(a: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-a))


def _writes_into_cell(f: Callable) -> Callable:
    def answer(*args):
        results = f(*args)
        args[2].copy_(results[1])
        return results

    return answer


def _keeps_states(f: Callable) -> Callable:
    """Goes on from its own last states while the batch has the same shape."""
    memory: dict = {}

    def answer(x, h, c, W_x, W_h, b):
        h, c = memory.get((x.shape, h.shape), (h, c))
        memory[x.shape, h.shape] = f(x, h, c, W_x, W_h, b)
        return memory[x.shape, h.shape]

    return answer


def _on_every_result(mistakes: tuple[Mistake, ...]) -> tuple[Mistake, ...]:
    """Mistakes that change one result, made in both results at once. Their wrappers must take functions of one result."""

    def both(outer):
        def wrap(f):
            parts = [outer(lambda *args, i=i: f(*args)[i]) for i in range(2)]
            return lambda *args: tuple(part(*args) for part in parts)

        return wrap

    return tuple(
        Mistake(
            m.id,
            m.hint,
            tuple({"outer": both(v["outer"])} for v in m.variants),
            m.recognise,
            m.general,
            m.stateful,
        )
        for m in mistakes
    )


def _bias_in_order(order: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The products in the right order, the bias in another."""
    places = [order.index(gate) for gate in "ifgo"]
    return lambda a, b, bias: a + b + torch.cat([bias.chunk(4)[k] for k in places])


_WRONG_ORDERS = tuple(
    order for order in map("".join, itertools.permutations("ifgo")) if order not in ("ifgo", "figo")
)

LSTM_MISTAKES = (
    Mistake(
        "gradient-cut",
        "The numbers are right, but part of the gradient is missing: something was detached on the way. A state or a cell state that is detached at each step makes a network that cannot learn from the past.",
        (
            {"update": lambda f, c, i, g, h: f * c.detach() + i * g},
            {"update": lambda f, c, i, g, h: f.detach() * c + i * g},
            {"update": lambda f, c, i, g, h: f * c + (i * g).detach()},
            {"update": lambda f, c, i, g, h: f * c + i.detach() * g},
            {"emit": lambda o, new, old: o * torch.tanh(new).detach()},
            {"emit": lambda o, new, old: o.detach() * torch.tanh(new)},
            {"project_h": lambda h, W: h.detach() @ W.T},
            {"project_x": lambda x, W: x.detach() @ W.T},
            {"project_h": lambda h, W: h @ W.T.detach()},
            {"project_x": lambda x, W: x @ W.T.detach()},
            {"join": lambda a, b, bias: a + b + bias.detach()},
            {"give": lambda state, cell, h, c: (state, cell.detach())},
            {"give": lambda state, cell, h, c: (state.detach(), cell)},
            {
                "update": lambda f, c, i, g, h: f * c.detach() + i * g,
                "project_h": lambda h, W: h.detach() @ W.T,
            },
        ),
    ),
    Mistake(
        "naive-exp",
        "A sigmoid or a tanh made of exponentials overflows for large numbers: e⁸⁹ is already more than float32 can hold. Even where the value comes out right, its gradient is NaN. torch.sigmoid and torch.tanh know how to avoid that.",
        (
            {"gate": lambda name, a: _naive_sigmoid(a)},
            {"gate": lambda name, a: torch.exp(a) / (1 + torch.exp(a))},
            {"gate": lambda name, a: _naive_sigmoid(a), "candidate": lambda a: 2 * _naive_sigmoid(2 * a) - 1},
            {"candidate": _naive_tanh},
            {"emit": lambda o, new, old: o * _naive_tanh(new)},
            {"gate": lambda name, a: _naive_sigmoid(a), "candidate": _naive_tanh},
            {
                "gate": lambda name, a: _naive_sigmoid(a),
                "candidate": _naive_tanh,
                "emit": lambda o, new, old: o * _naive_tanh(new),
            },
        ),
    ),
    Mistake(
        "forget-and-input-swapped",
        "The input gate and the forget gate have changed places: f belongs to the old cell state, i to the candidate. In the weights the rows of i come first, then those of f.",
        (
            {"split": _chunked("figo")},
            {"update": lambda f, c, i, g, h: i * c + f * g},
        ),
    ),
    Mistake(
        "gate-order",
        "The four blocks of rows are given to the wrong gates. Their order is i, f, g, o: input gate, forget gate, candidate, output gate. Other libraries use other orders, which is why weights that are carried from one to another go wrong in silence.",
        (
            *({"split": _chunked(order)} for order in _WRONG_ORDERS),
            *({"join": _bias_in_order(order)} for order in ("figo", "ifog")),
        ),
    ),
    Mistake(
        "interleaved-gates",
        "The sums are cut in the wrong places: each gate gets every fourth number. The first H of the 4H belong to i, the next H to f, and so on.",
        (
            {"split": lambda a, x, h: a.view(len(a), -1, 4).unbind(-1)},
            {"split": lambda a, x, h: tuple(a[:, k::4] for k in range(4))},
        ),
    ),
    Mistake(
        "cut-along-the-batch",
        "The four parts are cut along the axis of the batch. The 4H numbers of a sample lie on the last axis: cut there.",
        (
            {"split": lambda a, x, h: a.chunk(4)},
            {"split": lambda a, x, h: a.split(h.shape[1])},
            {"split": lambda a, x, h: a.reshape(4, len(a), -1).unbind(0)},
            {"split": lambda a, x, h: a.T.reshape(4, len(a), -1).unbind(0)},
        ),
    ),
    Mistake(
        "cut-by-another-size",
        "The sums are cut into pieces of another size than H, the size of the state: it fits only where that size happens to be the same.",
        (
            {"split": lambda a, x, h: a.split(x.shape[1], dim=1)},
            {"split": lambda a, x, h: a.split(len(h), dim=1)},
            {"split": lambda a, x, h: a.split(4, dim=1)},
            {"split": lambda a, x, h: a.unfold(1, h.shape[1], max(1, h.shape[1] - 1)).unbind(1)[:4]},
        ),
    ),
    Mistake(
        "nothing-squashed",
        "The four parts are used as they are. The gates i, f and o go through a sigmoid, the candidate g through a tanh.",
        (
            {"gate": lambda name, a: a, "candidate": lambda a: a},
            {"gate": lambda name, a: a, "candidate": lambda a: a, "emit": lambda o, new, old: o * new},
        ),
    ),
    Mistake(
        "tanh-before-the-gates",
        "The sum has been through a tanh before it is cut into gates, as in a plain RNN. Each of the four has one function of its own, and sees the plain sum.",
        (
            {"squash": torch.tanh},
            {"squash": torch.tanh, "candidate": lambda a: a},
            {"squash": torch.sigmoid},
        ),
    ),
    Mistake(
        "no-tanh-at-all",
        "Both tanhs are missing: that of the candidate g, and that of the cell state on its way out.",
        ({"candidate": lambda a: a, "emit": lambda o, new, old: o * new},),
    ),
    Mistake(
        "candidate-through-sigmoid",
        "The candidate g goes through the sigmoid. It is no gate: it is what may be written into the cell, and its tanh lets it be negative. With a sigmoid the cell state could only be raised.",
        ({"candidate": torch.sigmoid},),
    ),
    Mistake(
        "candidate-without-tanh",
        "The candidate g is not squashed by a tanh, or by another function.",
        (
            {"candidate": lambda a: a},
            {"candidate": torch.relu},
            {"candidate": lambda a: torch.tanh(torch.tanh(a))},
            {"candidate": nn.functional.softsign},
            {"candidate": nn.functional.hardtanh},
        ),
    ),
    Mistake(
        "sigmoid-and-tanh-swapped",
        "The gates go through a tanh and the candidate through a sigmoid. It is the other way round: a gate is between 0 and 1, the candidate between -1 and 1.",
        ({"gate": lambda name, a: torch.tanh(a), "candidate": torch.sigmoid},),
    ),
    Mistake(
        "softmax-over-the-gates",
        "A softmax makes the gates share what there is. Each gate has a sigmoid of its own: all may be open, or all shut.",
        (
            {
                "peep": lambda i, f, o, c: torch.softmax(torch.stack([i, f, o]), 0).unbind(0),
                "gate": lambda name, a: a,
            },
            {"gate": lambda name, a: torch.softmax(a, -1)},
        ),
    ),
    Mistake(
        "gate-without-sigmoid",
        "A gate is not squashed by the sigmoid. A gate is a number between 0 and 1, shut and open; a tanh runs from -1 to 1, and a plain sum has no bounds.",
        (
            *(
                {"gate": _only(names, f)}
                for f in (lambda a: a, torch.tanh)
                for names in ("ifo", "i", "f", "o")
            ),
            *(
                {"gate": _only("ifo", f)}
                for f in (
                    torch.relu,
                    nn.functional.hardsigmoid,
                    lambda a: a.clamp(0, 1),
                    lambda a: (0.2 * a + 0.5).clamp(0, 1),
                )
            ),
        ),
    ),
    Mistake(
        "tanh-on-the-cell-missing",
        "The new state is o times the cell state itself. The cell state goes through a tanh on its way out: h' = o ⊙ tanh(c').",
        (
            {"emit": lambda o, new, old: o * new},
            {"emit": lambda o, new, old: o * torch.sigmoid(new)},
            {"emit": lambda o, new, old: torch.tanh(o * new)},
            {"emit": lambda o, new, old: o * torch.relu(new)},
        ),
    ),
    Mistake(
        "tanh-twice",
        "The cell state goes through the tanh twice on its way out.",
        ({"emit": lambda o, new, old: o * torch.tanh(torch.tanh(new))},),
    ),
    Mistake(
        "tanh-inside-the-cell",
        "A tanh is applied to the cell state that is carried on. The old cell state times f stands in c' without any squashing: this is the path on which a gradient is multiplied by f alone.",
        (
            {"update": lambda *a: torch.tanh(_update(*a)), "emit": lambda o, new, old: o * new},
            {"update": lambda *a: torch.tanh(_update(*a))},
            {"update": lambda f, c, i, g, h: f * torch.tanh(c) + i * g},
            {"update": lambda f, c, i, g, h: torch.tanh(f * c) + i * g},
            {"update": lambda f, c, i, g, h: f * torch.tanh(c) + i * g, "emit": lambda o, new, old: o * new},
            {"update": lambda *a: torch.sigmoid(_update(*a))},
        ),
    ),
    Mistake(
        "output-gate-missing",
        "The output gate is not used: the new state is o ⊙ tanh(c').",
        (
            {"emit": lambda o, new, old: torch.tanh(new)},
            {"emit": lambda o, new, old: torch.tanh(new) + 0 * o},
            {"emit": lambda o, new, old: o + torch.tanh(new)},
        ),
    ),
    Mistake(
        "output-gate-on-the-cell",
        "The output gate is applied to the cell state that is carried on. It only decides what of the cell is shown in h'; the cell state itself goes on whole.",
        (
            {"keep": lambda o, new: o * new},
            {"keep": lambda o, new: o * new, "emit": lambda o, new, old: torch.tanh(o * new)},
        ),
    ),
    Mistake(
        "output-of-the-old-cell",
        "The new state is read from the old cell state. It is read from the new one.",
        ({"emit": lambda o, new, old: o * torch.tanh(old)},),
    ),
    Mistake(
        "input-gate-missing",
        "The candidate is added without its gate: c' = f ⊙ c + i ⊙ g.",
        (
            {"update": lambda f, c, i, g, h: f * c + g},
            {"update": lambda f, c, i, g, h: f * c + i},
            {"update": lambda f, c, i, g, h: f * c + i + g},
        ),
    ),
    Mistake(
        "forget-gate-missing",
        "The old cell state is carried on whole, without the forget gate. The LSTM of 1997 was so; the forget gate came in 2000, so that a cell can be emptied.",
        (
            {"update": lambda f, c, i, g, h: c + i * g},
            {"update": lambda f, c, i, g, h: c + i * g + 0 * f},
            {"update": lambda f, c, i, g, h: (f + c) + i * g},
        ),
    ),
    Mistake(
        "coupled-gates",
        "One gate does the work of two: what is kept and what is written add up to 1. That is the GRU's habit. In an LSTM the forget gate and the input gate are free of each other.",
        (
            {"update": lambda f, c, i, g, h: f * c + (1 - f) * g},
            {"update": lambda f, c, i, g, h: (1 - i) * c + i * g},
            {"update": lambda f, c, i, g, h: (1 - f) * c + f * g},
            {"update": lambda f, c, i, g, h: i * c + (1 - i) * g},
        ),
    ),
    Mistake(
        "same-gate-twice",
        "One gate serves both terms. The old cell state has the forget gate, the candidate the input gate.",
        (
            {"update": lambda f, c, i, g, h: i * c + i * g},
            {"update": lambda f, c, i, g, h: f * c + f * g},
        ),
    ),
    Mistake(
        "gru-step",
        "This is a GRU's step: one gate mixes the old state with the candidate, and the cell state is left aside.",
        (
            {
                "update": lambda f, c, i, g, h: f * h + (1 - f) * g,
                "emit": lambda o, new, old: new,
                "give": lambda state, cell, h, c: (state, c),
            },
            {
                "update": lambda f, c, i, g, h: i * h + (1 - i) * g,
                "emit": lambda o, new, old: new,
                "give": lambda state, cell, h, c: (state, c),
            },
        ),
    ),
    Mistake(
        "forget-gate-inverted",
        "The forget gate is used the other way round. In spite of its name, f says how much is kept: f = 1 keeps all of the cell state.",
        ({"update": lambda f, c, i, g, h: (1 - f) * c + i * g},),
    ),
    Mistake(
        "gate-acts-on-the-state",
        "The forget gate is applied to the state h. It acts on the cell state c, and h takes part only inside the gates.",
        (
            {"update": lambda f, c, i, g, h: f * h + i * g},
            {"update": lambda f, c, i, g, h: f * (c + h) + i * g},
            {"update": lambda f, c, i, g, h: f * c + i * g + h},
        ),
    ),
    Mistake(
        "cell-not-carried",
        "The old cell state plays no part in the new one: c' = f ⊙ c + i ⊙ g has lost its first term.",
        (
            {"update": lambda f, c, i, g, h: i * g},
            {"update": lambda f, c, i, g, h: f * torch.zeros_like(c) + i * g},
            {"update": lambda f, c, i, g, h: f + i * g},
        ),
    ),
    Mistake(
        "nothing-written",
        "The candidate never reaches the cell: c' = f ⊙ c + i ⊙ g has lost its second term.",
        ({"update": lambda f, c, i, g, h: f * c}, {"update": lambda f, c, i, g, h: f * c + 0 * i * g}),
    ),
    Mistake(
        "forget-gate-on-the-sum",
        "The brackets stand in another place: a gate acts on more than its own term. f belongs to c alone and i to g alone.",
        (
            {"update": lambda f, c, i, g, h: f * (c + i * g)},
            {"update": lambda f, c, i, g, h: i * (f * c + g)},
            {"update": lambda f, c, i, g, h: f * c * i * g},
            {"update": lambda f, c, i, g, h: f * i * (c + g)},
            {"update": lambda f, c, i, g, h: f * c - i * g},
            {"update": lambda f, c, i, g, h: (f * c + i * g) / 2},
        ),
    ),
    Mistake(
        "results-swapped",
        "The two results have changed places: the state h' comes first, then the cell state c'.",
        ({"give": lambda state, cell, h, c: (cell, state)},),
    ),
    Mistake(
        "state-and-cell-swapped",
        "The arguments state and cell have changed places, or one stands for both: h takes part in the sum with W_h, and c is what the forget gate keeps.",
        (
            {"outer": lambda f: lambda x, h, c, *w: f(x, c, h, *w)},
            {"outer": lambda f: lambda x, h, c, *w: f(x, c, c, *w)},
        ),
    ),
    Mistake(
        "same-result-twice",
        "Both results are the same. The state h' is what the cell shows, the cell state c' what it keeps.",
        (
            {"give": lambda state, cell, h, c: (cell, cell)},
            {"give": lambda state, cell, h, c: (state, state)},
        ),
    ),
    Mistake(
        "old-state-returned",
        "One of the results is the one that went in.",
        (
            {"give": lambda state, cell, h, c: (state, c)},
            {"give": lambda state, cell, h, c: (h, cell)},
            {"give": lambda state, cell, h, c: (h, c)},
        ),
    ),
    Mistake(
        "old-state-added",
        "The old state, or the old cell state, is added to the new one. The only path past the gates is f ⊙ c, inside the cell.",
        (
            {"give": lambda state, cell, h, c: (h + state, cell)},
            {"give": lambda state, cell, h, c: (state, c + cell)},
            {"give": lambda state, cell, h, c: (h + state, c + cell)},
        ),
    ),
    Mistake(
        "step-taken-twice",
        "The step is taken twice: the new states are put in once more with the same input.",
        ({"outer": lambda f: lambda x, h, c, *w: f(x, *f(x, h, c, *w), *w)},),
    ),
    Mistake(
        "not-two-results",
        "Two results are asked for, the new state and the new cell state, as a tuple (state, cell). Without the cell state the next step cannot go on.",
        (
            {"give": lambda state, cell, h, c: state},
            {"give": lambda state, cell, h, c: cell},
            {"give": lambda state, cell, h, c: (state, (state, cell))},
            {"give": lambda state, cell, h, c: (state, cell, cell)},
            {"give": lambda state, cell, h, c: (state, state, cell)},
            {"give": lambda state, cell, h, c: torch.stack([state, cell])},
            {"give": lambda state, cell, h, c: torch.cat([state, cell], 1)},
            {"give": lambda state, cell, h, c: (state.tolist(), cell.tolist())},
        ),
    ),
    Mistake(
        "extra-forget-bias",
        "A number is added to a gate's sum. A forget bias of 1 is a way to start training, and belongs into b; the step itself adds nothing.",
        (
            {"peep": lambda i, f, o, c: (i, f + 1, o)},
            {"peep": lambda i, f, o, c: (i + 1, f, o)},
            {"peep": lambda i, f, o, c: (i, f, o + 1)},
        ),
    ),
    Mistake(
        "peepholes",
        "The gates look at the cell state. Some LSTMs have such peepholes; here the gates see x and h alone.",
        (
            {"peep": lambda i, f, o, c: (i + c, f + c, o + c)},
            {"peep": lambda i, f, o, c: (i + c, f + c, o)},
            {"peep": lambda i, f, o, c: (i, f + c, o)},
        ),
    ),
    Mistake(
        "weights-transposed",
        "The matrix of each gate is used transposed: that fits where it is square, as that of the state always is. Row r of a gate's block belongs to its unit r. Work out one entry by hand, and see which row or column your product takes for it.",
        (
            {"project_h": _of_each_gate(lambda h, W: h @ W)},
            {"project_x": _of_each_gate(lambda x, W: x @ (W if W.shape[0] == W.shape[1] else W.T))},
            {"project_h": lambda h, W: h @ W},
            {"project_x": lambda x, W: x @ W, "project_h": lambda h, W: h @ W},
            {"project_x": lambda x, W: x @ W},
        ),
    ),
    Mistake(
        "matrix-on-the-left",
        "The matrix stands to the left of a batch. On paper the state is a column and the matrix stands on its left; here each sample is a row, so the batch stands on the left, and the matrix on its right with its axes exchanged.",
        (
            {"project_h": lambda h, W: W @ h},
            {"project_h": lambda h, W: W @ h.T},
            {"project_x": lambda x, W: W @ x},
            {"project_x": lambda x, W: W @ x.T},
            {"project_x": lambda x, W: W @ x.T, "project_h": lambda h, W: W @ h.T},
            {"project_x": lambda x, W: W @ x, "project_h": lambda h, W: W @ h},
        ),
    ),
    Mistake(
        "view-instead-of-transpose",
        "A weight matrix was reshaped with `view` or `reshape` where its axes should have been exchanged: the shape fits, the numbers do not.",
        (
            {"project_x": lambda x, W: x @ W.reshape(W.shape[1], W.shape[0])},
            {"project_h": lambda h, W: h @ W.reshape(W.shape[1], W.shape[0])},
            {
                "project_x": lambda x, W: x @ W.reshape(W.shape[1], W.shape[0]),
                "project_h": lambda h, W: h @ W.reshape(W.shape[1], W.shape[0]),
            },
        ),
    ),
    *_SHARED_MISTAKES,
    _mixes_samples((0, 1, 2), _on_both),
    Mistake(
        "axes-swapped",
        "The results lie the other way round: units in rows, samples in columns. The exercise wants (B, H).",
        (
            {"outer": _on_both(lambda r: r.transpose(0, 1))},
            {"outer": _on_both(lambda r: r.transpose(0, 1).reshape(r.shape))},
        ),
    ),
    Mistake(
        "cut-off",
        "Something is cut off: the cell state, a gate's sum, the input or the state. The cell state has no bounds, and gates may open fully.",
        (
            *({"update": lambda *a, k=k: _update(*a).clamp(-k, k)} for k in (1, 3, 5, 10, 50)),
            *({"gate": lambda name, a, k=k: torch.sigmoid(a.clamp(-k, k))} for k in (1, 2, 5)),
            {"project_h": lambda h, W: h.clamp(-1, 1) @ W.T},
            {"project_x": lambda x, W: x.clamp(-10, 10) @ W.T},
        ),
    ),
    Mistake(
        "changes-its-input",
        "The cell state is updated in place: `cell *= f` and `cell += i * g` write into the caller's tensor, and the backward pass needs the old numbers. Make a new tensor, and leave the one that you were given as it is.",
        (
            {"outer": _writes_into_cell},
            {"update": lambda f, c, i, g, h: c.mul_(f).add_(i * g)},
        ),
        recognise=wrote_to_input,
    ),
    Mistake(
        "function-applied-afterwards",
        "Something more is done to a right result: it is normalised or passed through another function.",
        tuple(
            {"outer": _on_one(place, change)}
            for place in (0, 1)
            for change in (
                lambda r: torch.softmax(r, -1),
                torch.relu,
                lambda r: r - r.mean(-1, keepdim=True),
            )
        ),
    ),
)

LSTM_STEP = Exercise(
    name="lstm_step",
    lesson=LESSON,
    asked="One step of an LSTM for a batch: cut W_x x + W_h h + b (B, 4H) into i, f, g and o, in this order; i, f and o go through a sigmoid, g through a tanh. "
    "Return (state, cell), both (B, H): the new cell state f ⊙ c + i ⊙ g, and the new state o ⊙ tanh(new cell state).",
    arguments=("x (B, D)", "state (B, H)", "cell (B, H)", "W_x (4H, D)", "W_h (4H, H)", "b (4H)"),
    returns=("state (B, H)", "cell (B, H)"),
    reference=seqattn_ref.lstm_step,
    build=_build_lstm_step,
    checks=(
        Check("It returns (state, cell), both of shape (B, H)", 0.5, _LSTM.shapes, ("shape",)),
        Check("The new cell state is f ⊙ c + i ⊙ g", 1.5, _LSTM.values, outputs=(1,)),
        Check("The new state is o ⊙ tanh(new cell state)", 1, _LSTM.values, outputs=(0,)),
        Check("It stays right when sizes are equal, and when a size is 1", 0.5, _LSTM.special_sizes),
        Check(
            "Gradients reach x, the state, the cell state, W_x, W_h and b",
            1,
            _LSTM.gradients,
            ("gradients",),
        ),
        Check(
            "It works in float64 and bfloat16, on any memory layout, for large numbers, and leaves its inputs as they were",
            0.5,
            _lstm_robust,
            ("values", "dtype", "inputs"),
            also=finite_gradients,
        ),
    ),
    mistakes=(
        *LSTM_MISTAKES,
        RETURNS_NOTHING,
        replace(
            DIFFERENT_EACH_CALL,
            hint="The same call gives another result each time. Something random happens inside, or a state is kept from call to call: the states come in as arguments and go out as results, and nothing else is remembered.",
            variants=({"outer": _keeps_states}, {"outer": _on_both(lambda r: r + torch.rand_like(r))}),
        ),
        *_on_every_result((HARD_CODED_DTYPE, BARE_SQUEEZE, EXTRA_AXIS, NEEDS_CONTIGUOUS)),
        replace(
            STALE_CACHE,
            variants=(*STALE_CACHE.variants, {"outer": _keeps_first(3, 4)}, {"outer": _keeps_first(0, 3)}),
        ),
        *_of_all(_on_every_result(LAST_RESORTS)),
    ),
    hints=(
        "Begin as in rnn_step, without the tanh: x @ W_x.T + state @ W_h.T + b. It has 4H numbers for each sample, H for each of i, f, g and o.",
        "chunk(4, dim=1) cuts (B, 4H) into four tensors (B, H). Name them in the order of the rows: i, f, g, o.",
        "The three gates i, f and o go through a sigmoid. The candidate g is no gate: it goes through a tanh.",
        "First the new cell state: what the forget gate keeps of the old one, and what the input gate lets in of the candidate. Then the new state, from the new cell state.",
        "Write cell = f * cell + i * g. It makes a new tensor; `cell *= f` would write into the caller's.",
    ),
)

# ---- gradient_by_distance: a leaf, what is differentiated, the size of its gradient, the order of the steps


def _copy_of(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def _build_gradient_by_distance(leaf=None, read=None, pick=None, measure=None, order=None, outer=None):
    leaf, read = leaf or _copy_of, read or (lambda rnn, x: rnn(x))
    pick = pick or (lambda states: states[:, -1].sum())
    measure = measure or (lambda g: g.norm(dim=2).mean(dim=0))
    order = order or (lambda sizes: sizes.flip(0))

    def answer(rnn, x):
        x = leaf(x)
        (gradient,) = torch.autograd.grad(pick(read(rnn, x)), x)
        return order(measure(gradient))

    return wrapped(outer, answer)


class _Distances(Function):
    """Inputs, and a network with numbers of its own."""

    def small(self, draw: Draw, W_x: list, W_h: list, x: list) -> Case:
        W_x, W_h, x = (torch.tensor(t, dtype=torch.float32) for t in (W_x, W_h, x))
        return ask(Callback("rnn", {"W_x": W_x, "W_h": W_h}), x)

    def values(self, draw: Draw) -> Iterator[Case]:
        # At input 0 the state is 0 and the slope of the tanh is 1: entry k is 3·2ᵏ, then 5·2ᵏ, and so on.
        sign = draw.integer(0, 1) * 2 - 1
        size = float(draw.integer(2, 3) * sign)
        yield self.small(draw, [[3.0]], [[size]], [[[0.0]] * 3])
        yield self.small(draw, [[3.0 * sign, 4.0]], [[2.0]], [[[0.0, 0.0]] * 3])
        yield self.small(draw, [[1.0, 0.0], [2.0, -1.0 * sign]], [[0.0, 2.0], [1.0, 1.0]], [[[0.0, 0.0]] * 3])
        for _ in range(2):
            yield self.case(draw.normal, self.distinct(draw))

    def batches(self, draw: Draw) -> Iterator[Case]:
        # At the last input of 50 the tanh is flat: the second sample's gradient is 0.
        yield self.small(draw, [[3.0]], [[2.0]], [[[0.0], [0.0]], [[0.0], [50.0]]])
        yield self.small(draw, [[3.0, 4.0]], [[2.0]], [[[0.0, 0.0]] * 2, [[0.0, 0.0], [50.0, 0.0]]])
        for B in (2, 3, 5):
            yield self.case(draw.normal, self.distinct(draw) | {"B": B})

    def special_sizes(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw.normal, self.equal(3))
        yield self.case(draw.normal, self.equal(2))
        yield self.case(draw.normal, self.distinct(draw) | {"T": 13})
        for sizes in self.with_ones(draw):
            yield self.case(draw.normal, sizes)

    def robust(self, draw: Draw) -> Iterator[Case]:
        yield self.small(draw, [[1.0]], [[2.0]], [[[0.0], [0.0]]])
        callback, x = self.make(draw.normal, self.distinct(draw))
        yield ask(callback, draw.strided(x))
        yield from self.twice(draw)
        # The same network again with other inputs, and the same inputs with another network.
        sizes = self.distinct(draw)
        (rnn, x), (other, y) = self.make(draw.normal, sizes), self.make(draw.normal, sizes)
        first = Call((rnn, x))
        yield Case((first, Call((rnn, y)), Call((other, x)), first))
        yield from self.dtypes(draw)
        # Far away: at input 0 and with W_h = 1 the gradient stays 1, however far.
        yield self.small(draw, [[1.0]], [[1.0]], [[[0.0]] * 60])
        # Long gradients, none at all, and inputs of ±10,000 at which every tanh is flat.
        yield self.small(draw, [[1.0]], [[10.0]], [[[0.0]] * 5])
        yield self.small(draw, [[1e4]], [[1.0]], [[[0.0]] * 2])
        yield self.small(draw, [[1.0]], [[0.0]], [[[0.0]] * 3])
        yield self.small(draw, [[1.0, 0.0]], [[1.0]], [[[1e4, 0.0], [-1e4, 0.0]]])
        # Short ones: what is cut off or kept above a floor shows here.
        tiny = torch.tensor([[[0.0]] * 4], dtype=torch.float64)
        weights = {"W_x": torch.tensor([[1.0]]).double(), "W_h": torch.tensor([[0.001]]).double()}
        yield ask(Callback("rnn", weights), tiny)


_DISTANCES = _Distances(
    "B T D H",
    lambda fill, z: (
        Callback("rnn", {"W_x": fill(z["H"], z["D"]), "W_h": fill(z["H"], z["H"])}),
        fill(z["B"], z["T"], z["D"]),
    ),
    lambda z: (z["T"],),
    ({"B": 1, "T": 2, "D": 1, "H": 1}, {"B": 2, "T": 2, "D": 1, "H": 1}, {"B": 2, "T": 3, "D": 2, "H": 2}),
    most=1,
)


def _size(g: Tensor) -> Tensor:
    return g.norm(dim=2).mean(dim=0)


def _without_grad(f: Callable) -> Callable:
    def answer(rnn, x):
        with torch.no_grad():
            return f(rnn, x)

    return answer


def _of_the_states(rnn: Callable, x: Tensor) -> Tensor:
    """The gradient is asked for at the states that came back, of which only the last one matters."""
    states = rnn(x)
    (gradient,) = torch.autograd.grad(states[:, -1].sum(), states)
    return gradient.norm(dim=2).mean(dim=0).flip(0)


def _tuple_of_gradients(rnn: Callable, x: Tensor) -> Any:
    leaf = _copy_of(x)
    return torch.autograd.grad(rnn(leaf)[:, -1].sum(), leaf)


def _gradient(rnn: Callable, x: Tensor) -> Tensor:
    leaf = _copy_of(x)
    return torch.autograd.grad(rnn(leaf)[:, -1].sum(), leaf)[0]


def _unit_by_unit(rnn: Callable, x: Tensor) -> Tensor:
    """(H, B, T): the sizes of the gradients of each unit of the last state."""
    leaf = _copy_of(x)
    last = rnn(leaf)[:, -1].sum(0)
    return torch.stack(
        [torch.autograd.grad(unit, leaf, retain_graph=True)[0].norm(dim=2) for unit in last.unbind()]
    )


def _a_sequence_for_each_distance(rnn: Callable, x: Tensor) -> Tensor:
    T = x.shape[1]
    return torch.stack([_size(_gradient(rnn, x[:, T - 1 - k :]))[0] for k in range(T)])


def _piles_up_over_samples(rnn: Callable, x: Tensor) -> Tensor:
    """A backward pass for each sample, on one leaf, read each time."""
    leaf = _copy_of(x)
    sizes = []
    for b in range(len(x)):
        rnn(leaf)[b, -1].sum().backward()
        sizes.append(leaf.grad.norm(dim=2).sum(0))
    return torch.stack(sizes).mean(0).flip(0)


def _every_state_by_itself(rnn: Callable, x: Tensor) -> Tensor:
    """How state k answers to the first input, in place of how the last state answers to each input."""
    leaf = _copy_of(x)
    states = rnn(leaf)
    rows = [
        torch.autograd.grad(states[:, t].sum(), leaf, retain_graph=True)[0][:, 0] for t in range(x.shape[1])
    ]
    return torch.stack([row.norm(dim=1).mean() for row in rows])


def _own_input(rnn: Callable, x: Tensor) -> Tensor:
    """How each state answers to the input of its own step."""
    leaf = _copy_of(x)
    states = rnn(leaf)
    rows = [
        torch.autograd.grad(states[:, t].sum(), leaf, retain_graph=True)[0][:, t] for t in range(x.shape[1])
    ]
    return torch.stack([row.norm(dim=1).mean() for row in rows]).flip(0)


def _finite_difference(rnn: Callable, x: Tensor) -> Tensor:
    """A numerical gradient, coarse."""
    gradient = torch.zeros_like(x)
    for t, d in itertools.product(*map(range, x.shape[1:])):
        step = torch.zeros_like(x)
        step[:, t, d] = 1e-2
        gradient[:, t, d] = (rnn(x + step)[:, -1].sum(1) - rnn(x - step)[:, -1].sum(1)) / 2e-2
    return _size(gradient).flip(0)


def _nearly_right(failed: list[Tried]) -> set[int]:
    """All failing cases, if each result is off by no more than a fifth of its largest entry."""
    for t in failed:
        got, expected = t.difference.got, t.difference.expected
        if t.difference.aspect != "values" or got is None or not bool(got.isfinite().all()):
            return set()
        if float((got.double() - expected.double()).abs().max()) > 0.2 * float(expected.abs().max()):
            return set()
    return set(range(len(failed)))


def _accumulates(f: Callable) -> Callable:
    """Keeps one leaf for inputs of a shape, whose gradient is never set back to 0."""
    memory: dict = {}

    def answer(rnn, x):
        memory[x.shape] = memory.get(x.shape, 0) + f(rnn, x)
        return memory[x.shape]

    return answer


def _backward_again(from_last: bool) -> Callable:
    """A backward pass for every entry, each adding to the same .grad."""

    def order(sizes: Tensor) -> Tensor:
        times = torch.arange(1, len(sizes) + 1, dtype=sizes.dtype)
        return sizes.flip(0) * (times if from_last else times.flip(0))

    return order


def _shifted(by: int, wrap: bool) -> Callable[[Tensor], Tensor]:
    def order(sizes: Tensor) -> Tensor:
        rolled = sizes.flip(0).roll(by)
        if not wrap:
            rolled[0 if by > 0 else -1] = 0
        return rolled

    return order


def _backward_on(rnn: Callable, x: Tensor) -> Tensor:
    """Asks the caller's tensor itself for its gradient."""
    x.requires_grad_()
    rnn(x)[:, -1].sum().backward()
    return _size(x.grad).flip(0)


def _writes_zeros(f: Callable) -> Callable:
    def answer(rnn, x):
        result = f(rnn, x)
        x.zero_()
        return result

    return answer


GRADIENT_MISTAKES = (
    Mistake(
        "not-flipped",
        "The entries stand in the order of the steps, the first input first. They are asked for by distance: entry 0 belongs to the last input, entry 1 to the one before it.",
        ({"order": lambda sizes: sizes},),
    ),
    Mistake(
        "far-steps-lost",
        "Beyond some distance the entries are 0, or missing: the way back was cut after a number of steps. All T inputs count, however far they are.",
        (
            *(
                {"order": lambda sizes, k=k: sizes.flip(0) * (torch.arange(len(sizes)) < k)}
                for k in (10, 20, 50)
            ),
            *({"order": lambda sizes, k=k: sizes.flip(0)[:k]} for k in (10, 20, 50)),
        ),
    ),
    Mistake(
        "rolled-instead-of-flipped",
        "The entries are shifted round in a circle, which `roll` does. They are to be turned round: the last becomes the first, the last but one the second.",
        ({"order": lambda sizes: sizes.roll(1)}, {"order": lambda sizes: sizes.roll(-1)}),
    ),
    Mistake(
        "sorted",
        "The entries are sorted by size. A gradient need not shrink with the distance; it can grow, and that is to be seen.",
        (
            {"order": lambda sizes: sizes.sort(descending=True).values},
            {"order": lambda sizes: sizes.sort().values},
        ),
    ),
    Mistake(
        "added-up-over-distances",
        "The entries are added up from one distance to the next. Each is the size at its own distance alone.",
        (
            {"order": lambda sizes: sizes.flip(0).cumsum(0)},
            {"order": lambda sizes: sizes.cumsum(0).flip(0)},
            {"order": lambda sizes: sizes.flip(0).cumprod(0)},
        ),
    ),
    Mistake(
        "input-reversed",
        "The network is given the inputs in the other order. It reads from the first to the last; only the result is turned round.",
        (
            {"read": lambda rnn, x: rnn(x.flip(1)), "order": lambda sizes: sizes},
            {"read": lambda rnn, x: rnn(x.flip(1))},
        ),
    ),
    Mistake(
        "sum-over-the-batch",
        "The lengths are added up over the batch. The average is asked for, so that the result does not grow with the number of samples.",
        ({"measure": lambda g: g.norm(dim=2).sum(dim=0)},),
    ),
    Mistake(
        "gradient-is-a-tuple",
        "torch.autograd.grad gives a tuple, with one gradient for each tensor that was asked for. Take the one that is in it.",
        (
            {"outer": lambda f: lambda rnn, x: _tuple_of_gradients(rnn, x).norm(dim=2).mean(0).flip(0)},
            {"outer": lambda f: lambda rnn, x: torch.norm(_tuple_of_gradients(rnn, x), dim=2)},
            {"outer": lambda f: lambda rnn, x: _tuple_of_gradients(rnn, x).shape},
        ),
    ),
    Mistake(
        "not-one-number",
        "A gradient starts from one number. The last state of a batch has B·H of them: add them all up first.",
        (
            {"pick": lambda s: s[:, -1]},
            {"pick": lambda s: s},
            {"pick": lambda s: s[:, -1].sum(1)},
            {"pick": lambda s: s[:, -1].sum(0)},
        ),
    ),
    Mistake(
        "negative-step",
        "A tensor cannot be turned round with [::-1], as a list can: torch has no negative steps. There is a method for it.",
        ({"order": lambda sizes: sizes[::-1]},),
    ),
    Mistake(
        "norm-over-the-batch-too",
        "One length is taken over the batch and the features together. Each sample's gradient has a length of its own; these lengths are averaged.",
        (
            {"measure": lambda g: g.norm(dim=(0, 2))},
            {"measure": lambda g: g.norm(dim=(0, 2)) / len(g)},
            {"measure": lambda g: g.norm(dim=(0, 2)) / len(g) ** 0.5},
            {"measure": lambda g: (g**2).sum(2).mean(0).sqrt()},
            {"measure": lambda g: g.norm(dim=2).norm(dim=0)},
        ),
    ),
    Mistake(
        "averaged-before-the-norm",
        "The gradients of the samples are added up or averaged before their length is taken. Then samples that point in opposite directions cancel, although each has a gradient. First the lengths, then their average.",
        (
            {"measure": lambda g: g.mean(0).norm(dim=1)},
            {"measure": lambda g: g.sum(0).norm(dim=1)},
        ),
    ),
    Mistake(
        "squared-norm",
        "The squared length is given. The root is missing.",
        (
            {"measure": lambda g: (g**2).sum(2).mean(0)},
            {"measure": lambda g: (g**2).sum(2).sum(0)},
            {"measure": lambda g: (g**2).mean(2).mean(0)},
        ),
    ),
    Mistake(
        "another-norm",
        "The length of a vector is the root of the sum of its squares. Here the absolute values are added, averaged, or only the largest one counts.",
        (
            {"measure": lambda g: g.abs().sum(2).mean(0)},
            {"measure": lambda g: g.abs().amax(2).mean(0)},
            {"measure": lambda g: g.abs().mean(2).mean(0)},
            {"measure": lambda g: g.abs().mean(0).norm(dim=1)},
            {"measure": lambda g: g.abs().amax(2).amax(0)},
        ),
    ),
    Mistake(
        "sum-instead-of-norm",
        "The entries of the gradient are added up or averaged with their signs. They can cancel; the size of a gradient is the length of the vector.",
        (
            {"measure": lambda g: g.sum(2).mean(0)},
            {"measure": lambda g: g.mean(2).mean(0)},
            {"measure": lambda g: g.sum(2).abs().mean(0)},
            {"measure": lambda g: g.sum((0, 2))},
            {"measure": lambda g: g.mean((0, 2)).abs()},
            {"measure": lambda g: g[:, :, 0].mean(0)},
            {"measure": lambda g: g[:, :, 0].abs().mean(0)},
        ),
    ),
    Mistake(
        "divided-by-size",
        "The length is divided by the number of features, or by its root. The plain Euclidean length is asked for.",
        (
            {"measure": lambda g: _size(g) / g.shape[2] ** 0.5},
            {"measure": lambda g: _size(g) / g.shape[2]},
            {"measure": lambda g: _size(g) / g.shape[1]},
        ),
    ),
    Mistake(
        "one-sample-only",
        "Only one sample of the batch, or its middle or largest one, is measured. The average over all samples is asked for.",
        (
            {"measure": lambda g: g[0].norm(dim=1)},
            {"measure": lambda g: g[-1].norm(dim=1)},
            {"measure": lambda g: g.norm(dim=2).amax(0)},
            {"measure": lambda g: g.norm(dim=2).median(0).values},
            {"measure": lambda g: g.norm(dim=2).amin(0)},
        ),
    ),
    Mistake(
        "all-states-instead-of-the-last",
        "The states of all steps are added up. Then every input has a state right beside it, and the distance is lost. Only the state after the last step counts.",
        (
            {"pick": lambda s: s.sum()},
            {"pick": lambda s: s.sum(), "order": lambda sizes: sizes},
            {"pick": lambda s: s.mean()},
            {"pick": lambda s: s[:, -2:].sum()},
            {"pick": lambda s: s.mean(1).sum()},
        ),
    ),
    Mistake(
        "last-sample-instead-of-last-step",
        "`states[-1]` is the last sample of the batch, with all its steps. Batch first: the last step of every sample is `states[:, -1]`.",
        ({"pick": lambda s: s[-1].sum()},),
    ),
    Mistake(
        "another-step-than-the-last",
        "The gradient starts at another state than the last one. Nothing flows from an earlier state to later inputs: their entries are 0.",
        (
            {"pick": lambda s: s[:, 0].sum()},
            {"pick": lambda s: s[:, min(1, s.shape[1] - 1)].sum()},
            {"pick": lambda s: s[:, max(s.shape[1] - 2, 0)].sum()},
        ),
    ),
    Mistake(
        "last-unit-only",
        "Only one unit of the last state is differentiated, or one unit at all steps. The sum of all its entries is asked for.",
        (
            {"pick": lambda s: s[:, -1, -1].sum()},
            {"pick": lambda s: s[:, -1, 0].sum()},
            {"pick": lambda s: s[:, :, -1].sum()},
            {"pick": lambda s: s[..., 0].sum()},
            {"pick": lambda s: s[:, -1].amax(1).sum()},
        ),
    ),
    Mistake(
        "mean-of-the-last-state",
        "What is differentiated is a mean. The sum of the last state's entries is asked for; a mean makes the gradient smaller by the number of entries.",
        (
            {"pick": lambda s: s[:, -1].mean()},
            {"pick": lambda s: s[:, -1].mean(1).sum()},
            {"pick": lambda s: s[:, -1].sum(1).mean()},
        ),
    ),
    Mistake(
        "another-number-than-the-sum",
        "What is differentiated is not the sum of the last state's entries, but their length, their squares or another number made of them.",
        (
            {"pick": lambda s: s[:, -1].norm()},
            {"pick": lambda s: s[:, -1].norm(dim=1).sum()},
            {"pick": lambda s: (s[:, -1] ** 2).sum()},
            {"pick": lambda s: s[:, -1].abs().sum()},
            {"pick": lambda s: (s[:, -1] ** 2).mean()},
        ),
    ),
    Mistake(
        "normalised",
        "The entries are divided by entry 0, by the largest or by their sum. The sizes themselves are asked for; a plot can divide them later.",
        (
            {"measure": lambda g: _size(g) / _size(g)[-1]},
            {"measure": lambda g: _size(g) / _size(g)[0]},
            {"measure": lambda g: _size(g) / _size(g).amax()},
            {"measure": lambda g: _size(g) / _size(g).sum()},
            {"measure": lambda g: _size(g / g.norm(dim=2)[:, -1:, None])},
        ),
    ),
    Mistake(
        "logarithm-taken",
        "The logarithm of the sizes is given. The sizes themselves are asked for.",
        (
            {"measure": lambda g: _size(g).log()},
            {"measure": lambda g: _size(g).log10()},
            {"measure": lambda g: g.norm(dim=2).log().mean(0)},
            {"measure": lambda g: g.norm(dim=2).log().mean(0).exp()},
        ),
    ),
    Mistake(
        "gradient-of-the-states",
        "The gradient is taken with respect to the states that came back. The last state does not depend on that tensor's other rows, so they get 0. Ask for the gradient with respect to the input x.",
        ({"outer": lambda f: lambda rnn, x: _of_the_states(rnn, _copy_of(x))},),
    ),
    Mistake(
        "no-gradient-taken",
        "These are the sizes of the states or of the inputs themselves. The gradient is asked for: how much the last state moves when an input does.",
        (
            {"outer": lambda f: lambda rnn, x: _size(rnn(x)).flip(0)},
            {"outer": lambda f: lambda rnn, x: _size(x).flip(0)},
        ),
    ),
    Mistake(
        "gradient-times-input",
        "The gradient is multiplied with the input. Its own length is asked for.",
        ({"outer": lambda f: lambda rnn, x: _size(_gradient(rnn, x) * x).flip(0)},),
    ),
    Mistake(
        "units-one-by-one",
        "The gradient of each unit of the last state is measured by itself, and the sizes are put together. The gradient of their sum is asked for: one vector for each input.",
        (
            {"outer": lambda f: lambda rnn, x: _unit_by_unit(rnn, x).norm(dim=0).mean(0).flip(0)},
            {"outer": lambda f: lambda rnn, x: _unit_by_unit(rnn, x).sum(0).mean(0).flip(0)},
            {"outer": lambda f: lambda rnn, x: _unit_by_unit(rnn, x).mean((0, 1)).flip(0)},
        ),
    ),
    Mistake(
        "sequence-cut-off",
        "Each distance is measured on a sequence of its own, which begins there. Then the network has not read what came before. Run it once, over all steps.",
        ({"outer": lambda f: _a_sequence_for_each_distance},),
    ),
    Mistake(
        "nothing-carried",
        "The network is called for each step by itself, so nothing is carried from step to step. Give it the whole sequence.",
        ({"read": lambda rnn, x: torch.cat([rnn(one) for one in x.split(1, dim=1)], dim=1)},),
    ),
    Mistake(
        "input-not-used",
        "The gradient is measured at other inputs than the given ones: zeros, ones, or a copy without its numbers. How steep the network is depends on where it stands.",
        (
            {"leaf": lambda x: torch.zeros_like(x).requires_grad_()},
            {"leaf": lambda x: torch.ones_like(x).requires_grad_()},
        ),
    ),
    Mistake(
        "distance-of-the-state-instead",
        "The input stays the same here and the state moves. It is the other way round: one state, the last, and every input by its distance.",
        (
            {"outer": lambda f: _every_state_by_itself},
            {"outer": lambda f: _own_input},
        ),
    ),
    Mistake(
        "off-by-one",
        "The entries are shifted by one. Entry 0 is the last input itself, at distance 0.",
        tuple({"order": _shifted(by, wrap)} for by in (1, -1) for wrap in (True, False)),
    ),
    Mistake(
        "last-step-lost",
        "One step is missing. Every input has an entry: T of them.",
        (
            {"order": lambda sizes: sizes.flip(0)[1:]},
            {"order": lambda sizes: sizes.flip(0)[:-1]},
            {"order": lambda sizes: sizes[:-1]},
        ),
    ),
    Mistake(
        "gradient-accumulated",
        "Gradients of several backward passes have been added up: `.grad` keeps what it holds and adds to it. Take the gradient once, with torch.autograd.grad, or make a fresh copy of x for every pass.",
        (
            {"order": _backward_again(True)},
            {"order": _backward_again(False)},
            {"outer": lambda f: _piles_up_over_samples},
        ),
    ),
    Mistake(
        "axis-not-averaged",
        "An axis is left over or a wrong one has been taken away. The gradient has shape (B, T, D): the length runs over D, the average over B, and T stays.",
        (
            {"measure": lambda g: g.norm(dim=2), "order": lambda sizes: sizes.flip(1)},
            {"measure": lambda g: g.norm(dim=1).mean(0)},
            {"measure": lambda g: g.norm(dim=2).mean(1)},
            {"measure": lambda g: g.norm(dim=0).mean(1)},
            {"measure": lambda g: g.norm(dim=0).mean(0)},
            {"measure": lambda g: g.mean(0), "order": lambda sizes: sizes.flip(0)},
            {"measure": lambda g: g, "order": lambda sizes: sizes.flip(1)},
            {"measure": lambda g: g.norm()},
            {"measure": lambda g: g.norm().expand(1)},
            {"measure": lambda g: _size(g.transpose(0, 1))},
            {"measure": lambda g: _size(g.transpose(0, 1) if g.shape[0] == g.shape[1] else g)},
        ),
    ),
    Mistake(
        "view-instead-of-transpose",
        "The gradient was cut anew with `view` or `reshape`: samples and steps are mixed. Its axes are (B, T, D) already; name the one you mean with dim.",
        (
            {"measure": lambda g: g.reshape(g.shape[1], g.shape[0], -1).norm(dim=2).mean(1)},
            {"measure": lambda g: g.reshape(len(g), -1, g.shape[1]).norm(dim=1).mean(0)},
        ),
    ),
    Mistake(
        "no-graph",
        "There is nothing to differentiate: the input does not ask for a gradient, or the network ran where none is recorded. Call the network on a copy of x that has requires_grad, outside of torch.no_grad.",
        (
            {"leaf": lambda x: x.detach().clone()},
            {"outer": _without_grad},
            {"read": lambda rnn, x: rnn(x.detach())},
            {"read": lambda rnn, x: rnn(x).detach()},
            {"read": lambda rnn, x: rnn(x.detach().clone().requires_grad_())},
        ),
    ),
    Mistake(
        "coarse-gradient",
        "The numbers are nearly right, but not exactly. A gradient from small differences, or one that passed through fewer digits, is too coarse: let autograd compute it in the dtype of x.",
        (
            {"outer": lambda f: _finite_difference},
            {"measure": lambda g: _size(g.half()).to(g.dtype)},
        ),
        recognise=_nearly_right,
        general=True,
    ),
    Mistake(
        "cut-off",
        "Small gradients are kept above a floor, or large ones are clipped. How small and how large they get is the very question.",
        (
            {"measure": lambda g: _size(g).clamp(min=1e-3)},
            {"measure": lambda g: _size(g).clamp(min=1e-6)},
            {"measure": lambda g: _size(g).clamp(max=1)},
            {"measure": lambda g: _size(g).clamp(max=10)},
            {"measure": lambda g: _size(g.clamp(-1, 1))},
            {"measure": lambda g: _size(g / g.norm().clamp(min=1))},
            {"measure": lambda g: (g.pow(2).sum(2) + 1e-2).sqrt().mean(0)},
            {"measure": lambda g: (g.pow(2).sum(2) + 1e-6).sqrt().mean(0)},
            {"measure": lambda g: _size(g) + 1e-6},
        ),
    ),
    Mistake(
        "changes-its-input",
        "The caller's x is not as it was: other numbers stand in it, or a gradient was left on it, to which the next call will add. Work on a copy: x.detach().clone().requires_grad_().",
        ({"outer": lambda f: _backward_on}, {"outer": _writes_zeros}),
        recognise=wrote_to_input,
    ),
)

_SQUEEZED = (
    {"measure": lambda g: g.squeeze().norm(dim=-1).mean(0)},
    {"measure": lambda g: g.norm(dim=2).squeeze().mean(0)},
    {"pick": lambda s: s.squeeze()[:, -1].sum()},
)

GRADIENT_BY_DISTANCE = Exercise(
    name="gradient_by_distance",
    lesson=LESSON,
    asked="For rnn, a function from inputs (B, T, D) to the states of all steps (B, T, H), and inputs x (B, T, D): take the gradient of the sum of the last state's entries with respect to x. "
    "Return (T,): entry k is the Euclidean length (over D) of the gradient at the input k steps before the last, averaged over the batch. Entry 0 belongs to the last input.",
    arguments=("rnn", "x (B, T, D)"),
    returns=("sizes (T)",),
    reference=seqattn_ref.gradient_by_distance,
    build=_build_gradient_by_distance,
    checks=(
        Check("The result has shape (T,)", 0.5, _DISTANCES.shapes, ("shape",)),
        Check(
            "Entry k is the length of the gradient at the input k steps before the last",
            1.5,
            _DISTANCES.values,
        ),
        Check("The lengths are averaged over the batch", 0.5, _DISTANCES.batches),
        Check("It stays right when sizes are equal, and when a size is 1", 0.5, _DISTANCES.special_sizes),
        Check(
            "It works in float64 and bfloat16, on any memory layout, for short and long gradients, call after call, and leaves x as it was",
            1,
            _DISTANCES.robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        *GRADIENT_MISTAKES,
        replace(
            DIFFERENT_EACH_CALL,
            hint="The same call gives another result each time. Something random happens inside, or gradients of earlier calls are added up: `.grad` keeps what it holds and adds to it. Make a fresh copy of x in each call.",
            variants=({"outer": _accumulates}, *DIFFERENT_EACH_CALL.variants),
        ),
        replace(BARE_SQUEEZE, variants=(*BARE_SQUEEZE.variants, *_SQUEEZED)),
        # Gradients need not depend on x, so a result that comes twice tells nothing.
        replace(STALE_CACHE, recognise=None),
        *_of_all(
            without(
                ANY_FUNCTION,
                "detached",
                "changes-its-input",
                "gradient-cut",
                "differs-from-call-to-call",
                "bare-squeeze",
                "stale-cache",
            )
        ),
    ),
    hints=(
        "x must be a leaf of the graph that asks for a gradient, and the caller's x must stay as it was: leaf = x.detach().clone().requires_grad_().",
        "rnn(leaf) has shape (B, T, H). The last state of every sample is [:, -1]; the sum of all its entries is one number.",
        "torch.autograd.grad(number, leaf) gives a tuple with one gradient, of the shape of leaf: (B, T, D).",
        "Length over D with norm(dim=2), average over the batch, and then turn the T entries round with flip(0).",
    ),
)

EXERCISES = (RNN_STEP, LSTM_STEP, GRADIENT_BY_DISTANCE)
