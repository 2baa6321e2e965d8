"""What exercises share: ways of drawing their cases, and the checks that every pure function gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..drawing import Draw
from ..exercise import Check
from ..sandbox.case import Call, Case, Outcome

Sizes = dict[str, int]
Fill = Callable[..., Tensor]
Pieces = dict[str, Callable]


def ask(*args: Any, cotangents: tuple[Tensor | None, ...] | None = None) -> Case:
    """A case of one call."""
    return Case((Call(args, cotangents),))


class Function:
    """How to draw the inputs of a pure function.

    `letters` name the sizes. `make(fill, sizes)` gives the arguments, using `fill(*shape)` for each
    floating-point tensor. `result(sizes)` is the shape of what comes back. `tiny` are sizes for cases that
    a person can check by hand, the smallest first, and `most` is the largest whole number in them.
    """

    def __init__(
        self,
        letters: str,
        make: Callable[[Fill, Sizes], tuple],
        result: Callable[[Sizes], tuple[int, ...]],
        tiny: tuple[Sizes, ...],
        most: int = 3,
    ):
        self.letters, self.make, self.result, self.tiny = letters.split(), make, result, tiny
        self.most = most

    def by_hand(self, draw: Draw) -> Fill:
        return lambda *shape: draw.nonzero(*shape, most=self.most)

    def case(self, fill: Fill, sizes: Sizes) -> Case:
        return ask(*self.make(fill, sizes))

    def distinct(self, draw: Draw) -> Sizes:
        """Sizes that all differ, so that no axis can be taken for another."""
        return dict(
            zip(self.letters, draw.distinct(len(self.letters), 2, 3 + len(self.letters)), strict=True)
        )

    def equal(self, n: int) -> Sizes:
        return dict.fromkeys(self.letters, n)

    def with_ones(self, draw: Draw) -> Iterator[Sizes]:
        """Each axis at size 1 in turn, then all."""
        for letter in self.letters:
            yield self.distinct(draw) | {letter: 1}
        yield self.equal(1)

    def with_gradient(self, draw: Draw, sizes: Sizes, whole: bool = False) -> Case:
        fill = self.by_hand(draw) if whole else draw.normal
        return ask(*self.make(fill, sizes), cotangents=(fill(*self.result(sizes)),))

    # The cases of the checks below, as functions of a Draw.

    def shapes(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw.normal, self.distinct(draw))
        for sizes in self.with_ones(draw):
            yield self.case(draw.normal, sizes)

    def values(self, draw: Draw) -> Iterator[Case]:
        for sizes in self.tiny:
            yield self.case(self.by_hand(draw), sizes)
        yield self.case(draw.normal, self.distinct(draw))
        sizes = self.distinct(draw)
        yield self.case(draw.normal, sizes | ({"S": 13} if "S" in sizes else {}))

    def special_sizes(self, draw: Draw) -> Iterator[Case]:
        yield self.case(self.by_hand(draw), self.equal(2))
        yield self.case(draw.normal, self.equal(3))
        for sizes in self.with_ones(draw):
            yield self.case(draw.normal, sizes)

    def gradients(self, draw: Draw) -> Iterator[Case]:
        yield self.with_gradient(draw, self.tiny[-1], whole=True)
        yield self.with_gradient(draw, self.distinct(draw))
        yield self.with_gradient(draw, self.equal(2))

    def dtypes(self, draw: Draw) -> Iterator[Case]:
        yield self.case(lambda *shape: draw.normal(*shape, dtype=torch.float64), self.distinct(draw))
        yield self.case(draw.quarters, self.tiny[-1])
        yield self.case(draw.quarters, {letter: 2 + i % 2 for i, letter in enumerate(self.letters)})

    def layouts(self, draw: Draw) -> Iterator[Case]:
        yield self.case(self.by_hand(draw), self.tiny[-1])
        yield self.case(lambda *shape: draw.strided(draw.normal(*shape)), self.distinct(draw))

    def twice(self, draw: Draw) -> Iterator[Case]:
        sizes = self.distinct(draw)
        args = self.make(draw.normal, sizes)
        again, alike = Call(args), Call(self.make(draw.normal, sizes))
        yield Case((again, alike, Call(self.make(draw.normal, self.distinct(draw))), again))


def function_checks(
    function: Function,
    shape: str,
    formula: str,
    gradients: str,
    points: tuple[float, float, float, float, float],
    large: Callable[[Draw], Iterator[Case]] | None = None,
) -> tuple[Check, ...]:
    """The five checks of a pure, differentiable function, in the order in which a teacher would raise them."""

    def robust(draw: Draw) -> Iterator[Case]:
        yield from function.layouts(draw)
        yield from function.twice(draw)
        yield from function.dtypes(draw)
        if large is not None:
            yield from large(draw)

    return (
        Check(shape, points[0], function.shapes, ("shape",)),
        Check(formula, points[1], function.values),
        Check("It stays right when sizes are equal, and when a size is 1", points[2], function.special_sizes),
        Check(gradients, points[3], function.gradients, ("gradients",)),
        Check(
            "It works in float64 and bfloat16, on any memory layout, for large numbers, and leaves its inputs as they were",
            points[4],
            robust,
            ("inputs", "dtype", "values"),
            also=finite_gradients,
        ),
    )


def wrapped(outer: Callable | None, answer: Callable) -> Callable:
    """The answer, inside the wrapper of a mistake when there is one."""
    return answer if outer is None else outer(answer)


def around(change: Callable[..., Any]) -> Pieces:
    """A mistake made around the right answer: `change(answer, *arguments)`."""
    return {"outer": lambda f: lambda *args: change(f, *args)}


def instead(answer: Callable[..., Any]) -> Pieces:
    """A mistake that is easier written as a whole answer than in pieces."""
    return {"outer": lambda f: answer}


def finite_gradients(case: Case, outcome: Outcome) -> str | None:
    """For inputs so large that float32 rounding alone moves the gradient: it must still be finite."""
    for name, gradient in (outcome.results[0].gradients or {}).items():
        if gradient is not None and not bool(gradient.isfinite().all()):
            return f"The gradient of {f'argument {int(name) + 1}' if name.isdigit() else name} is not finite for large scores."
    return None
