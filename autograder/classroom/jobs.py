"""Grades one submission: a pure function of its bytes, the seed and what was handed out."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ..notebook_file import SubmissionError
from ..sandbox import Limits, Sandbox, SandboxError
from ..submission import Submission, notebook_submission, python_submission
from .names import one_line
from .pool import PoolError

if TYPE_CHECKING:  # torch comes with these
    from ..released import Released
    from ..sandbox.case import Case, Outcome, Raised

FORMAT = 1


@dataclass(frozen=True)
class Job:
    """A submission on its way to be graded. `data` are the bytes of its file, None where there are none."""

    student: str
    assignment: str
    file: str
    data: bytes | None
    submitted_at: str | None = None
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def sha256(self) -> str | None:
        return None if self.data is None else hashlib.sha256(self.data).hexdigest()


def grade_one(job: Job, seed: int, sandbox: Sandbox, released: Mapping[str, Released]) -> dict:
    """The result for one submission. Each exercise in it has its report as `html` too, for `student_page`.

    Raises `SandboxError` when the sandbox fails.
    """
    from ..exercises import find
    from ..grading import grade

    notebook = released[job.assignment]
    try:
        submission, notes = _submission(job, notebook)
    except SubmissionError as reason:
        return failed(job, str(reason), seed, released)
    patient = Patient(sandbox)
    exercises = []
    for question in notebook.questions:
        report = grade(submission, find(question.exercise), patient, seed)
        exercises.append(
            {
                "grade_id": question.grade_id,
                "points": question.points * report.score / report.max_score,
                "max_points": question.points,
                "report": report.as_dict(),
                "text": str(report),
                "html": report._repr_html_(),
            }
        )
    return _result(
        job,
        seed,
        status="graded",
        score=float(sum(exercise["points"] for exercise in exercises)),
        max_score=max_score(notebook),
        notes=[*job.notes, *notes],
        stamp=sandbox.stamp,
        exercises=exercises,
    )


@contextlib.contextmanager
def grader(
    seed: int, limits: Limits, allow_unsafe: bool, released: Mapping[str, Released], scratch: str
) -> Iterator[Callable[[Job], dict]]:
    """What `pool.run` starts in each process: `grade_one` with a sandbox of its own.

    `scratch` is a folder for temporary files, which whoever starts the process removes.
    """
    tempfile.tempdir = scratch
    try:
        with Sandbox(limits, allow_unsafe) as sandbox:
            import torch  # while the sandbox's own process does the same

            torch.set_num_threads(1)
            _know_exercises(released)
            sandbox.prove()
            yield lambda job: grade_one(job, seed, sandbox, released)
    except SandboxError as error:
        raise PoolError(str(error)) from None


def _know_exercises(released: Mapping[str, Released]) -> None:
    from ..exercises import UnknownExercise, find

    for notebook in released.values():
        for question in notebook.questions:
            try:
                find(question.exercise)
            except UnknownExercise as error:
                raise PoolError(f"{notebook.name}.ipynb asks for what is not known: {error}") from None


def failed(job: Job, reason: str, seed: int, released: Mapping[str, Released]) -> dict:
    """The result for a submission that could not be graded fairly, with one sentence that says why."""
    known = released.get(job.assignment)
    points = max_score(known) if known else 0.0
    return _result(job, seed, status="failed", reason=one_line(reason), max_score=points, notes=[*job.notes])


def max_score(notebook: Released) -> float:
    return float(sum(question.points for question in notebook.questions))


def _result(job: Job, seed: int, **found) -> dict:
    return {
        "format": FORMAT,
        "student": job.student,
        "assignment": job.assignment,
        "file": job.file,
        "sha256": job.sha256,
        "submitted_at": job.submitted_at,
        "status": "failed",
        "reason": None,
        "score": 0.0,
        "max_score": 0.0,
        "seed": seed,
        "notes": [],
        "stamp": None,
        "graded_at": datetime.now(UTC).isoformat(),
        "versions": versions(),
        "exercises": [],
        **found,
    }


def _submission(job: Job, notebook: Released) -> tuple[Submission, Sequence[str]]:
    """The submission as cells, and notes on what was put right. Raises `SubmissionError`."""
    name = Path(job.file).name
    if job.data is not None and Path(job.file).suffix.lower() == ".py":
        return python_submission(job.data, name), ()
    rebuilt = notebook.rebuild(job.data)
    if rebuilt.problem is not None:
        raise SubmissionError(rebuilt.problem)
    return notebook_submission(rebuilt.notebook, f"{notebook.name}.ipynb"), rebuilt.notes


class Patient:
    """The sandbox for one submission. Tries a cell only once that never ends.

    Exercises share the cells that they need, and such a cell would hold up each of them for the whole limit.
    """

    def __init__(self, sandbox: Sandbox):
        self._sandbox = sandbox
        self._endless: dict[tuple[str, str], Outcome] = {}

    def run(
        self, cells: Sequence[tuple[str, str]], entry: str, cases: Sequence[Case], notebook: bool
    ) -> list[Outcome]:
        for cell in cells:
            if cell in self._endless:
                return [self._endless[cell]] * len(cases)
        outcomes = self._sandbox.run(cells, entry, cases, notebook=notebook)
        where = _stopped_in(outcomes[0].raised) if outcomes else None
        self._endless |= {cell: outcomes[0] for cell in cells if cell[0] == where}
        return outcomes


def _stopped_in(raised: Raised | None) -> str | None:
    """The cell at which a limit was hit before the answer was there; None where that is not what happened."""
    return raised.place if raised is not None and raised.stage == "limit" else None


@functools.cache
def versions() -> dict[str, str]:
    """What a grade depends on besides the submission and the seed. `code` is a hash of our own source."""
    home = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in (home, home.with_name("seqattn_ref")):
        for path in sorted(package.rglob("*.py")):
            digest.update(
                f"{path.relative_to(home.parent).as_posix()}\0".encode() + path.read_bytes() + b"\0"
            )
    return {
        "seqattn": _version("seqattn"),
        "torch": _version("torch"),
        "python": platform.python_version(),
        "code": digest.hexdigest(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a checkout that was not installed
        return "not installed"
