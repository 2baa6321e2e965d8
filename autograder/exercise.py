"""What an exercise is: its question, its checks, its reference, its known mistakes and its hints, in one
object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .drawing import Draw
from .sandbox.case import Case, Outcome

ASPECTS = ("shape", "dtype", "values", "gradients", "inputs", "parameters", "fresh")
"""What a check may look at. `values` needs the shape to be right. An exception fails whatever check it
meets.

shape       number of results and their shapes
dtype       dtype of the results
values      the numbers
gradients   gradients with respect to arguments and parameters
inputs      the arguments are left as they were
parameters  names and shapes of a module's parameters
fresh       a newly made module's parameters are finite and not all equal
"""


@dataclass(frozen=True)
class Named:
    """A tensor (or number) in a signature: its name and the letters of its axes."""

    name: str
    axes: tuple[str, ...] | None

    @classmethod
    def parse(cls, text: str) -> Named:
        """`"queries (B, T, Dq)"` has three axes, `"loss ()"` none, `"max_len"` is a plain number."""
        match = re.fullmatch(r"([\w.]+)(?: \((.*)\))?", text)
        if match is None:
            raise ValueError(f"{text!r} is not of the form 'name (axis, axis)'.")
        name, axes = match.groups()
        return cls(name, None if axes is None else tuple(a.strip() for a in axes.split(",") if a.strip()))


@dataclass(frozen=True)
class Check:
    """One thing that must be true of an answer.

    `sentence` is true of a right answer; it is what a learner reads. `draw` gives the cases, smallest
    first. `aspects` says what is compared with the reference, `outputs` which of several results (all by
    default). `also` may add a test on one case, and `across` one on all cases together; each returns a
    sentence that says what is wrong, or None. `slack` widens the tolerance where float32 itself is coarse.
    """

    sentence: str
    points: float
    draw: Callable[[Draw], Iterable[Case]]
    aspects: tuple[str, ...] = ("values",)
    outputs: tuple[int, ...] | None = None
    also: Callable[[Case, Outcome], str | None] | None = None
    across: Callable[[list[Outcome]], str | None] | None = None
    slack: float = 1.0

    def __post_init__(self):
        if unknown := set(self.aspects) - set(ASPECTS):
            raise ValueError(f"Unknown aspects {sorted(unknown)}.")


@dataclass(frozen=True)
class Mistake:
    """A mistake that people really make, as code.

    `variants` are ways of making it, each a mapping from the names of `Exercise.build`'s pieces to what is
    put in their place. `hint` names the mistake and points to the reasoning that repairs it.

    Some mistakes cannot be recognised by comparing numbers, since these change from run to run: `recognise`
    is given the failing cases (`judging.Tried`) and returns the indices of those that the mistake accounts
    for. A `general` mistake is so wide that it is named only when nothing more exact fits. A `stateful` one
    depends on earlier calls, so it is run on every case in order.
    """

    id: str
    hint: str
    variants: tuple[Mapping[str, Any], ...]
    recognise: Callable[[list[Any]], set[int]] | None = None
    general: bool = False
    stateful: bool = False


@dataclass(frozen=True)
class Exercise:
    """One graded exercise.

    `build(**pieces)` assembles an answer from named pieces; without arguments it is right. Mistakes replace
    pieces, so that two of them can be made at once.
    """

    name: str
    lesson: str
    asked: str
    arguments: tuple[str, ...]
    returns: tuple[str, ...]
    reference: Any
    checks: tuple[Check, ...]
    build: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    construct: tuple[str, ...] = ()
    parameters: Mapping[str, str] | None = None

    @property
    def max_score(self) -> float:
        return float(sum(check.points for check in self.checks))

    @property
    def inputs(self) -> tuple[Named, ...]:
        return tuple(Named.parse(a) for a in self.arguments)

    @property
    def results(self) -> tuple[Named, ...]:
        return tuple(Named.parse(r) for r in self.returns)

    def cases(self, seed: int) -> list[list[Case]]:
        """For each check, its cases drawn from `seed`. The same seed gives the same cases everywhere."""
        return [list(check.draw(Draw(seed, self.name, check.sentence))) for check in self.checks]
