"""All exercises, by name. One file a lesson."""

from __future__ import annotations

import difflib
from functools import cache

from ..exercise import Exercise


class UnknownExercise(LookupError):
    """No exercise has this name. Its message says which come close."""


@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the lessons."""
    from . import (
        additive,
        attention_by_hand,
        attention_decoder,
        bilinear,
        bottleneck,
        gradient_flow,
        seq2seq,
        start_here,
    )

    lessons = (
        start_here,
        seq2seq,
        gradient_flow,
        bottleneck,
        attention_by_hand,
        additive,
        bilinear,
        attention_decoder,
    )
    return {exercise.name: exercise for lesson in lessons for exercise in lesson.EXERCISES}


def find(name: str) -> Exercise:
    """The exercise called `name`. Raises `UnknownExercise` with the nearest names."""
    known = all_exercises()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownExercise(
        f"There is no exercise called {name!r}: {meant}The exercises are {', '.join(known)}."
    )
