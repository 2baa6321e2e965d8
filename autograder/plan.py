"""What an answer is asked, and all that does not depend on the answer: what is expected, and what each known
mistake gives.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .comparing import looked_at
from .exercise import Check, Exercise, Mistake
from .judging import Difference, first_difference
from .sandbox.case import Call, Callback, Case, Construct, Outcome
from .sandbox.perform import perform

KEPT = 64
"""How many plans `draw` keeps: those of a whole course."""

PAIRS_KEPT = 1200
"""How many pairs of mistakes a plan keeps what they give of."""


class Question:
    """One case of a plan, with the check that asks it. `place` is its place among all of the plan."""

    def __init__(self, exercise: Exercise, check: Check, case: Case, place: int):
        self.check, self.case, self.place = check, case, place
        self._exercise = exercise

    @cached_property
    def expected(self) -> Outcome:
        """What the reference gives."""
        return expect(self._exercise.reference, self.case)

    @cached_property
    def size(self) -> tuple[bool, int]:
        """Small cases of whole numbers first: these are the ones to show."""
        return _unhandy(self.case), _elements(self.case)

    @property
    def effort(self) -> int:
        """How much is to be run: a call counts once, one with its gradient three times."""
        return sum(1 if call.cotangents is None else 3 for call in self.case.calls)

    def difference(self, outcome: Outcome) -> Difference | None:
        """The first thing that is wrong with an outcome."""
        return first_difference(self._exercise, self.check, self.case, outcome, self.expected)


class Variant:
    """One way of making a mistake, or of making two at once, as an answer that is asked each question once.

    A stateful one is asked in the order of the plan, as a learner's answer is; any other is made anew for
    each question, so that no answer is judged by what was asked for the one before it.
    """

    def __init__(self, plan: Plan, mistake: Mistake, pieces: Mapping[str, Any]):
        self.mistake, self.pieces = mistake, pieces
        self.wrong: set[int] = set()
        """The places of the questions on which it is known to fail."""
        self._plan = plan
        self._outcomes: dict[int, Outcome] = {}

    def outcome(self, question: Question) -> Outcome:
        """What it gives, as far as the check looks at it."""
        self._ask(question)
        return self._outcomes[question.place]

    def fails(self, question: Question) -> bool:
        """Whether what it gives is wrong."""
        self._ask(question)
        return question.place in self.wrong

    def _ask(self, question: Question) -> None:
        if self.mistake.stateful:
            for earlier in self._plan.questions[len(self._outcomes) : question.place + 1]:
                self._note(earlier, next(self._in_order))
        elif question.place not in self._outcomes:
            self._note(question, next(perform(self._make(), [question.case])))

    def _note(self, question: Question, outcome: Outcome) -> None:
        if question.difference(outcome) is not None:
            self.wrong.add(question.place)
        self._outcomes[question.place] = looked_at(question.check, outcome)

    def _make(self) -> Any:
        return self._plan.exercise.build(**self.pieces)

    @cached_property
    def _in_order(self) -> Iterator[Outcome]:
        return perform(self._make(), self._plan.cases)


class Plan(Sequence[list[Case]]):
    """The cases of an exercise, as `Exercise.cases` draws them: a list for each check.

    Whoever judges many answers by one plan computes only once what all of them share. It is computed when it
    is first needed, and lives as long as the plan.
    """

    def __init__(self, exercise: Exercise, cases: Sequence[Sequence[Case]]):
        self.exercise = exercise
        self._by_check = [list(mine) for mine in cases]
        self.cases = [case for mine in self._by_check for case in mine]
        asked = [
            (check, case)
            for check, mine in zip(exercise.checks, self._by_check, strict=True)
            for case in mine
        ]
        self.questions = [Question(exercise, check, case, place) for place, (check, case) in enumerate(asked)]
        self._pairs: OrderedDict[tuple[Variant, Variant], Variant] = OrderedDict()

    def __getitem__(self, index):
        return self._by_check[index]

    def __len__(self) -> int:
        return len(self._by_check)

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """All ways of making one mistake, in the catalogue's order."""
        return tuple(Variant(self, m, pieces) for m in self.exercise.mistakes for pieces in m.variants)

    def together(self, one: Variant, other: Variant) -> Variant:
        """Two mistakes at once, in different pieces of the answer."""
        pair = self._pairs.get((one, other))
        if pair is None:
            pair = self._pairs[one, other] = Variant(self, one.mistake, {**one.pieces, **other.pieces})
            if len(self._pairs) > PAIRS_KEPT:
                self._pairs.popitem(last=False)
        return pair


_drawn: OrderedDict[tuple[int, int], Plan] = OrderedDict()


def draw(exercise: Exercise, seed: int) -> Plan:
    """The plan of an exercise for a seed. It is kept, so that all who are asked the same share one."""
    key = id(exercise), seed  # no other exercise gets this id while the plan holds its own
    if key not in _drawn:
        with _torch_as_it_comes():
            _drawn[key] = Plan(exercise, exercise.cases(seed))
        if len(_drawn) > KEPT:
            _drawn.popitem(last=False)
    return _drawn[key]


@contextlib.contextmanager
def _torch_as_it_comes() -> Iterator[None]:
    """The defaults that torch starts with, whatever a notebook has set."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(dtype)


def expect(reference: Any, case: Case) -> Outcome:
    """What the reference gives on the case, computed in float64 whatever the case's own dtype is."""
    return next(perform(reference, [_in_float64(case)]))


def _in_float64(case: Case) -> Case:
    def up(value):
        if isinstance(value, Callback):
            return Callback(value.kind, {name: up(t) for name, t in value.tensors.items()})
        return value.to(torch.float64) if isinstance(value, Tensor) and value.is_floating_point() else value

    calls = tuple(
        Call(
            tuple(up(a) for a in c.args), None if c.cotangents is None else tuple(up(t) for t in c.cotangents)
        )
        for c in case.calls
    )
    made = case.construct
    if made is not None:
        named = None if made.parameters is None else {name: up(p) for name, p in made.parameters.items()}
        made = Construct(made.args, torch.float64, named)
    return replace(case, calls=calls, construct=made)


def _tensors(case: Case) -> Iterator[Tensor]:
    """All tensors that are put in, those of callbacks too."""
    for call in case.calls:
        for a in call.args:
            if isinstance(a, Callback):
                yield from a.tensors.values()
            elif isinstance(a, Tensor):
                yield a


def _elements(case: Case) -> int:
    return sum(t.numel() for t in _tensors(case)) or 10**6


def _unhandy(case: Case) -> bool:
    """Whether the case holds numbers that nobody wants to check by hand: fractions, or large ones."""
    return any(
        bool(((t != t.round()) | (t.abs() >= 100)).any()) for t in _tensors(case) if t.is_floating_point()
    )
