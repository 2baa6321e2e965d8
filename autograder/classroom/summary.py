"""What the class page says, as numbers: made from the results alone."""

from __future__ import annotations

import functools
import itertools
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .plain import natural

NOT_ATTEMPTED = "Not attempted yet."
"""What every check of an untouched answer says."""


@dataclass
class Check:
    """One check of an exercise, and how many of the attempted answers passed it."""

    sentence: str
    passed: int = 0
    attempted: int = 0


@dataclass
class Exercise:
    """One graded exercise, and what became of its answers."""

    name: str
    max_points: float
    full: int = 0
    partial: int = 0
    none: int = 0
    untouched: int = 0
    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        return self.full + self.partial + self.none + self.untouched

    @property
    def hardest(self) -> Check | None:
        """The check that the smallest share passed; None where all passed all."""
        tried = [c for c in self.checks.values() if c.passed < c.attempted]
        return min(tried, key=lambda c: c.passed / c.attempted, default=None)


@dataclass
class Misconception:
    """A known mistake and the students who made it, each counted once, in whichever exercises."""

    id: str
    about: str
    exercises: list[str] = field(default_factory=list)
    students: list[str] = field(default_factory=list)

    def met(self, student: str, exercise: str) -> None:
        """Note an answer. All answers of a student are noted one after the other."""
        if exercise not in self.exercises:
            self.exercises.append(exercise)
        if student not in self.students[-1:]:
            self.students.append(student)


@dataclass(frozen=True)
class Spread:
    """Where the scores of a class lie."""

    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float
    mean: float


@dataclass(frozen=True)
class Bin:
    """Scores from `low` up to but not including `high`; the last one holds full marks alone."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Row:
    """One student's line in the table. `score` is None where no grade could be given."""

    student: str
    score: float | None
    points: tuple[float | None, ...]


@dataclass
class Assignment:
    """Everything that the page says about one assignment.

    `undiagnosed` has for an exercise the students whose wrong answers behave like no known mistake.
    """

    name: str
    max_score: float
    scores: list[float]
    spread: Spread | None
    bins: list[Bin]
    exercises: list[Exercise]
    misconceptions: list[Misconception]
    undiagnosed: dict[str, list[str]]
    failures: list[tuple[str, list[str]]]
    rows: list[Row]

    @property
    def failed(self) -> int:
        return sum(len(students) for _, students in self.failures)

    @property
    def full_marks(self) -> int:
        return self.bins[-1].count if self.bins else 0


def summarise(results: Iterable[dict]) -> list[Assignment]:
    """One summary an assignment, in the order of their names."""
    grouped = defaultdict(list)
    for result in results:
        grouped[result["assignment"]].append(result)
    return [_assignment(name, grouped[name]) for name in sorted(grouped, key=natural)]


def _assignment(name: str, results: list[dict]) -> Assignment:
    results.sort(key=lambda r: (natural(r["student"]), r["student"]))
    graded = [r for r in results if r["status"] == "graded"]
    max_score = max((r["max_score"] for r in graded), default=0.0)
    scores = [r["score"] for r in graded]
    exercises, misconceptions, undiagnosed = _exercises(graded)
    return Assignment(
        name,
        max_score,
        scores,
        spread_of(scores),
        bins_of(scores, max_score),
        list(exercises.values()),
        misconceptions,
        undiagnosed,
        _failures(r for r in results if r["status"] != "graded"),
        [_row(r, list(exercises)) for r in results],
    )


# ---- scores


def spread_of(scores: list[float]) -> Spread | None:
    """Least, quartiles, greatest and mean; None for no scores."""
    if not scores:
        return None
    # Python 3.11 refuses the quartiles of a single number.
    quartiles = statistics.quantiles(scores * 2 if len(scores) == 1 else scores, n=4, method="inclusive")
    return Spread(min(scores), *quartiles, max(scores), statistics.fmean(scores))


MOST_BINS = 16


def bins_of(scores: list[float], max_score: float) -> list[Bin]:
    """The histogram: bins of a round width from 0 on, and one for full marks. Empty without points."""
    if not scores or max_score <= 0:
        return []
    step = bin_width(max_score)
    edges = [i * step for i in range(_bins_below(max_score, step))]
    found = Counter(_bin(score, max_score, step, len(edges)) for score in scores)
    ends = [*edges[1:], max_score, max_score]
    return [
        Bin(low, high, found[i]) for i, (low, high) in enumerate(zip([*edges, max_score], ends, strict=True))
    ]


def bin_width(max_score: float) -> float:
    """The smallest of 0.1, 0.5, 1, 2, 5, 10, 20 … that needs no more than `MOST_BINS` bins."""
    widths = itertools.chain(
        (0.1, 0.5), (digit * 10**zeros for zeros in itertools.count() for digit in (1, 2, 5))
    )
    return next(width for width in widths if _bins_below(max_score, width) < MOST_BINS)


def _bins_below(max_score: float, step: float) -> int:
    return max(1, -int(-(max_score - 1e-9) // step))


def _bin(score: float, max_score: float, step: float, full_marks: int) -> int:
    # Sums of shares of points miss round numbers by a hair.
    if score >= max_score - 1e-6:
        return full_marks
    return min(max(0, int((score + 1e-6) // step)), full_marks - 1)


# ---- exercises and misconceptions


def _exercises(
    graded: list[dict],
) -> tuple[dict[str, Exercise], list[Misconception], dict[str, list[str]]]:
    exercises: dict[str, Exercise] = {}
    found: dict[tuple[str, str], Misconception] = {}
    undiagnosed: dict[str, list[str]] = defaultdict(list)
    for result in graded:
        for answer in result["exercises"]:
            report = answer["report"]
            name, diagnosis = report["exercise"], report["diagnosis"]
            exercise = exercises.setdefault(answer["grade_id"], Exercise(name, answer["max_points"]))
            if not _tally(exercise, report):
                continue
            if diagnosis is None:
                undiagnosed[name].append(result["student"])
                continue
            id = diagnosis["id"]
            about = _about(name, id, diagnosis["message"])
            found.setdefault((id, about), Misconception(id, about)).met(result["student"], name)
    often = sorted(found.values(), key=lambda m: (-len(m.students), m.id, m.about))
    return exercises, often, dict(sorted(undiagnosed.items(), key=lambda pair: -len(pair[1])))


def _tally(exercise: Exercise, report: dict) -> bool:
    """Count one answer. Returns whether it was attempted and something is wrong with it."""
    checks = report["checks"]
    if checks and all(c["message"] == NOT_ATTEMPTED for c in checks):
        exercise.untouched += 1
        return False
    for check in checks:
        counted = exercise.checks.setdefault(check["name"], Check(check["name"]))
        counted.attempted += 1
        counted.passed += check["passed"]
    if all(c["passed"] for c in checks):
        exercise.full += 1
        return False
    if report["score"] > 0:
        exercise.partial += 1
    else:
        exercise.none += 1
    return True


@functools.cache
def _hints() -> dict[tuple[str, str], str]:
    from ..exercises import all_exercises

    return {(e.name, m.id): m.hint for e in all_exercises().values() for m in e.mistakes}


def _about(exercise: str, id: str, message: str) -> str:
    """The first sentence of the mistake's hint; of what the report says, where the catalogue dropped it."""
    return first_sentence(_hints().get((exercise, id), message))


def first_sentence(text: str) -> str:
    """Up to the first full stop that a new sentence follows."""
    return re.split(r"(?<=[.!?])\s+(?=[\"'(`]?[A-Z])", text.strip(), maxsplit=1)[0]


# ---- failures and students


def _failures(failed: Iterable[dict]) -> list[tuple[str, list[str]]]:
    """(reason, students) for each reason, the most frequent first."""
    grouped: dict[str, list[dict]] = defaultdict(list)
    for result in failed:
        grouped[_without_names(result)].append(result)
    found = [
        (results[0]["reason"] if len(results) == 1 else reason, [r["student"] for r in results])
        for reason, results in grouped.items()
    ]
    return sorted(found, key=lambda pair: -len(pair[1]))


def _without_names(result: dict) -> str:
    """The reason without the file's and the student's name, so that equal reasons are counted together."""
    reason = result["reason"] or "No reason was given."
    path = result["file"] or ""
    for name in (path, re.split(r"[/\\]", path)[-1], result["student"]):
        if len(name) > 2:
            reason = reason.replace(name, "…")
    return reason


def _row(result: dict, grade_ids: list[str]) -> Row:
    if result["status"] != "graded":
        return Row(result["student"], None, tuple(None for _ in grade_ids))
    points = {answer["grade_id"]: answer["points"] for answer in result["exercises"]}
    return Row(result["student"], result["score"], tuple(points.get(id) for id in grade_ids))
