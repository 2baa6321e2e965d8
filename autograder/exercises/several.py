"""Mistakes that can be made in any function with several results. Each wraps a right answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..exercise import Mistake
from ..judging import Tried, same
from ..sandbox.case import Other, Raised
from .anywhere import CONSTANT_RESULT, ONLY, SCALED, SHIFTED


def on_each(change: Callable[[Tensor], object]) -> Callable:
    """Change each of several results."""
    return lambda f: lambda *args: tuple(change(r) for r in f(*args))


def on_one(place: int, change: Callable[[Tensor], object]) -> Callable:
    def outer(f):
        def answer(*args):
            results = list(f(*args))
            results[place] = change(results[place])
            return tuple(results)

        return answer

    return outer


def on_arguments(places: tuple[int, ...], change: Callable[[Tensor], Tensor]) -> Callable:
    return lambda f: lambda *args: f(*(change(a) if i in places else a for i, a in enumerate(args)))


def writes_to(place: int, write: Callable[[Tensor], object]) -> Callable:
    """Overwrites one argument after using it."""

    def outer(f):
        def answer(*args):
            result = f(*args)
            write(args[place])
            return result

        return answer

    return outer


def mixing(places: tuple[int, ...]) -> tuple[dict, ...]:
    """Ways of letting samples meet, in one argument or in all results."""
    ways = (
        lambda x: x[:1].expand_as(x),
        lambda x: x.mean(0, keepdim=True).expand_as(x),
        lambda x: x.flip(0),
        lambda x: x.roll(1, 0),
    )
    return (
        *({"outer": on_arguments((place,), change)} for place in places for change in ways),
        *({"outer": on_each(change)} for change in ways),
    )


def not_the_asked_results(names: str) -> Mistake:
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
            {"outer": on_each(lambda r: r.detach().tolist())},
            {"outer": lambda f: lambda *args: dict(enumerate(f(*args)))},
        ),
        recognise=recognise,
    )


def fails_without_a_mask(failed: list[Tried]) -> set[int]:
    """The failing cases in which an exception is raised, if no call with a mask raises one."""
    raised = {i for i, t in enumerate(failed) if t.outcome.raised is not None}
    return set() if any(_raises_with_a_mask(failed[i]) for i in raised) else raised


def _raises_with_a_mask(t: Tried) -> bool:
    if not t.case.calls or t.outcome.raised.stage == "construct":
        return True
    args = t.case.calls[len(t.outcome.results) - 1].args
    return any(isinstance(a, Tensor) and a.dtype == torch.bool for a in args)


def repeats_everything(failed: list[Tried]) -> set[int]:
    """All failing cases, if in one of them two different calls get the very same results."""
    return set(range(len(failed))) if any(_repeated(t) for t in failed) else set()


def _repeated(t: Tried) -> bool:
    told = [
        (call, result.outputs)
        for call, result in zip(t.case.calls, t.outcome.results, strict=False)
        if not isinstance(result, Raised) and all(isinstance(o, Tensor) for o in result.outputs)
    ]
    return any(
        one is not other and len(first) == len(second) and all(map(same, first, second))
        for (one, first), (other, second) in itertools.combinations(told, 2)
        if any(len(o.unique()) > 1 for o in first)
    )


def _seen(recognise: Callable[[list[Tried]], set[int]]) -> Callable[[list[Tried]], set[int]]:
    """A factor near 1, or an amount near 0, is rounding."""

    def recognise_seen(failed: list[Tried]) -> set[int]:
        pairs = [(t.difference.got, t.difference.expected) for t in failed]
        return set() if any(g is None or _near(g, e) for g, e in pairs) else recognise(failed)

    return recognise_seen


def _near(got: Tensor, expected: Tensor) -> bool:
    return got.shape == expected.shape and torch.allclose(
        got.double(), expected.double(), rtol=0.02, atol=0.02
    )


LAST_RESORTS_OF_SEVERAL = (
    replace(CONSTANT_RESULT, variants=({"outer": on_each(torch.ones_like)},)),
    replace(
        SCALED,
        variants=({"outer": on_each(lambda r: 3 * r)}, {"outer": on_each(lambda r: r / 5)}),
        recognise=_seen(SCALED.recognise),
    ),
    replace(
        SHIFTED,
        variants=({"outer": on_each(lambda r: r + 2)}, {"outer": on_each(lambda r: r - 0.5)}),
        recognise=_seen(SHIFTED.recognise),
    ),
    *ONLY,
)

DTYPES_OF_SEVERAL = (
    {"outer": on_each(lambda r: r.float())},
    {"outer": on_each(lambda r: r.double())},
    {"outer": on_each(lambda r: r.float().to(r.dtype))},
    {"outer": on_each(lambda r: r.to(torch.bfloat16).to(r.dtype))},
)
