"""The catalogue against itself: every mistake is caught and named, every right answer passes, whatever the
seed."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from autograder.exercises import all_exercises
from autograder.judging import first_difference
from autograder.plan import draw, expect
from autograder.report import judge
from autograder.sandbox.perform import perform

EXERCISES = all_exercises()
CORE = (
    "pad_mask",
    "masked_softmax",
    "context_vector",
    "dot_scores",
    "additive_scores",
    "bilinear_scores",
    "AdditiveAttention",
    "BilinearAttention",
    "Attention",
)
ANSWERS = Path(__file__).parents[1] / "answers"
SEEDS = int(os.environ.get("SEQATTN_SEEDS", "10"))


def graded(exercise, answer, seed=0):
    plan = draw(exercise, seed)
    return judge(exercise, plan, list(perform(answer, plan.cases)), seed)


def answers(name: str, kind: str) -> dict[str, object]:
    """Held-out answers whose names begin with `kind`, made anew, since some keep state."""
    namespace = {"__name__": f"answers_{name}"}
    exec(compiled(name), namespace)
    return {key: value for key, value in namespace.items() if key.startswith(kind)}


@cache
def compiled(name: str):
    path = ANSWERS / f"{name}.py"
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


def variants(exercise):
    return [(m, i) for m in exercise.mistakes for i in range(len(m.variants))]


class Asked:
    """The cases of one seed, with what the reference gives on those that were needed so far."""

    def __init__(self, exercise, seed):
        self.exercise = exercise
        plan = zip(exercise.checks, exercise.cases(seed), strict=True)
        self.cases = [(check, case) for check, cases in plan for case in cases]
        self.expected: dict[int, object] = {}

    def catches(self, answer, first: int | None = None) -> int | None:
        """The place of a case to which some check objects (place `first` is tried first), or None."""
        if first is not None and self._objects(first, next(perform(answer, [self.cases[first][1]]))):
            return first
        outcomes = []
        for i, outcome in enumerate(perform(answer, [case for _, case in self.cases])):
            if self._objects(i, outcome):
                return i
            outcomes.append(outcome)
        for check in self.exercise.checks:
            mine = [o for (c, _), o in zip(self.cases, outcomes, strict=True) if c is check]
            if check.across and check.across(mine):
                return 0
        return None

    def _objects(self, i: int, outcome) -> bool:
        check, case = self.cases[i]
        if i not in self.expected:
            self.expected[i] = expect(self.exercise.reference, case)
        return first_difference(self.exercise, check, case, outcome, self.expected[i]) is not None


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_and_the_assembled_answer_get_full_marks(name):
    exercise = EXERCISES[name]
    for answer in (exercise.reference, exercise.build()):
        report = graded(exercise, answer)
        assert report.perfect, str(report)


@pytest.mark.parametrize("which", ["first", pytest.param("others", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EXERCISES)
def test_every_mistake_is_caught_and_named(name, which):
    exercise = EXERCISES[name]
    wrong = []
    for mistake, i in variants(exercise):
        if (which == "first") != (i == 0):
            continue
        report = graded(exercise, exercise.build(**mistake.variants[i]))
        named = report.diagnosis and report.diagnosis.id
        if report.perfect or named != mistake.id:
            wrong.append(
                f"{mistake.id} (variant {i}): {'not caught' if report.perfect else f'named {named}'}"
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", EXERCISES)
def test_every_right_answer_gets_full_marks(name):
    for key, answer in answers(name, "right_").items():
        report = graded(EXERCISES[name], answer, seed=7)
        assert report.perfect, f"{key}\n{report}"


@pytest.mark.parametrize("name", EXERCISES)
def test_every_held_out_wrong_answer_is_caught(name):
    asked, missed = Asked(EXERCISES[name], seed=7), []
    for key in answers(name, "wrong_"):
        if asked.catches(answers(name, key)[key]) is None:
            missed.append(key)
    assert not missed


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_over_many_seeds_no_wrong_answer_survives(name):
    """Every mistake meets every seed; its variants take turns."""
    exercise = EXERCISES[name]
    caught_at: dict[tuple[str, int], int] = {}
    for seed in range(SEEDS):
        asked = Asked(exercise, seed)
        for mistake in exercise.mistakes:
            if mistake.variants:
                turn = seed % len(mistake.variants)
                answer = exercise.build(**mistake.variants[turn])
                place = asked.catches(answer, first=caught_at.get((mistake.id, turn)))
                assert place is not None, f"{mistake.id} (variant {turn}) passes with seed {seed}"
                caught_at[mistake.id, turn] = place


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_over_many_seeds_no_right_answer_fails(name):
    """The reference and the held-out right answers take turns."""
    right = [EXERCISES[name].reference, *answers(name, "right_").values()]
    for seed in range(SEEDS):
        answer = right[seed % len(right)]
        place = Asked(EXERCISES[name], seed).catches(answer)
        assert place is None, f"{answer.__name__} fails with seed {seed} on case {place}"


def test_the_catalogue_is_as_large_as_promised():
    for name in CORE:
        assert len(answers(name, "right_")) >= 6
    assert sum(len({m.id for m in EXERCISES[name].mistakes if m.variants}) for name in CORE) >= 40


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_is_complete(name):
    exercise = EXERCISES[name]
    assert exercise.max_score == round(exercise.max_score) > 0
    assert len(exercise.hints) >= 3
    for mistake in exercise.mistakes:
        assert mistake.hint.endswith((".", "?", ")")) and mistake.id == mistake.id.lower().replace(" ", "-")
        assert mistake.variants or mistake.general
    for check in exercise.checks:
        assert not check.sentence.endswith(".")


@pytest.mark.parametrize("name", EXERCISES)
def test_drawing_is_fixed_by_the_seed(name):
    exercise = EXERCISES[name]

    def drawn(seed):
        """All that is put in, as text, since NaN differs from itself."""
        return [str(call.args) for cases in exercise.cases(seed) for case in cases for call in case.calls]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
