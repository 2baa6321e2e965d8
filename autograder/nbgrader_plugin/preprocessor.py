"""Grades the check cells of one notebook and writes into each what came of it."""

from __future__ import annotations

import atexit
import functools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Float, Integer

from ..classroom.jobs import Patient
from ..grading import fresh_seed, grade, printable
from ..notebook_file import LABEL
from ..sandbox import Limits, Sandbox
from ..submission import CHECK, Submission, SubmissionError, notebook_submission

if TYPE_CHECKING:  # torch comes with these; see `GradeInSandbox.run`
    from ..exercise import Exercise
    from ..report import Report
    from .ahead import Ahead

SAME_RUN_S = 300
"""Formgrader's button for all grades one submission after the other. Those that follow each other within
this many seconds are asked the same. Later, what was asked may have been published."""


class GradeInSandbox(NbGraderPreprocessor):
    """Grades each cell `check_<exercise>` and writes the report and the points into it, as if it had run.

    No kernel is started. For each exercise the student's cells run in a process of their own, so one that
    fails or never ends costs that exercise alone. Whatever outputs the student's other cells had are left
    out.
    """

    wall_seconds = Float(
        Limits.wall_s, min=0.1, help="How long one exercise of one student may take, in seconds."
    ).tag(config=True)
    memory_megabytes = Integer(
        Limits.memory_mb, min=64, help="How much memory one exercise of one student may use."
    ).tag(config=True)
    allow_unsafe = Bool(
        False,
        help="Grade even where the walls of the sandbox do not stand. Every report then says so.",
    ).tag(config=True)
    seed = Integer(
        None,
        allow_none=True,
        help="The number that the cases are drawn from, to grade as in an earlier run. "
        "By default each run has a fresh secret one.",
    ).tag(config=True)

    @contextmanager
    def run(self) -> Iterator[tuple[int, Ahead]]:
        """What belongs to one run: its seed, and a sandbox that was proved and can be given work ahead.

        Raises `SandboxError`.
        """
        sandbox = self._sandbox()
        import torch  # while the sandbox's own process does the same

        from .ahead import Ahead

        # Small tensors are judged here. More threads than one only wait for each other.
        torch.set_num_threads(1)
        sandbox.prove()
        _runs.begin()
        seed = _runs.seed(self.seed)
        _runs.ahead = Ahead(sandbox, seed)
        try:
            yield seed, _runs.ahead
        finally:
            _runs.end()

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Raises `SandboxError`, and `NbGraderException` for a cell to be graded that names no exercise:
        nbgrader gives full points to a graded cell without output, so such a cell may not pass unseen.
        """
        from ..report import refuse

        name = f"{resources['nbgrader']['notebook']}.ipynb"
        # What the converter has to say about the submission.
        told = nb.metadata.pop(LABEL, {})
        graded = [(cell, _exercise_of(cell, name)) for cell in nb.cells if _is_autograded(cell)]
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        seed, sandbox = _runs.seed(self.seed), self._sandbox()
        if _runs.ahead is not None:
            found = resources["nbgrader"]
            sandbox = _runs.ahead.sandbox_for(found.get("student", ""), found["notebook"])
        sandbox = Patient(sandbox)
        submission = _submission(nb, name, told.get("problem"))
        notes = told.get("notes", ())
        for cell, exercise in graded:
            if isinstance(submission, Submission):
                report = grade(submission, exercise, sandbox, seed)
            else:
                report = refuse(exercise, submission)
            points = float(cell.metadata.nbgrader["points"]) * (report.score / report.max_score)
            self.log.info("%s: %s of %s points", exercise.name, report.score, report.max_score)
            cell.outputs = [
                new_output("stream", name="stdout", text=self._text(report, notes)),
                new_output("execute_result", data={"text/plain": repr(points)}),
            ]
            notes = ()  # once is enough
        return nb, resources

    def _text(self, report: Report, notes) -> str:
        parts = []
        if notes:
            parts.append("\n".join(["About what was handed in:", *(f"  {note}" for note in notes)]))
        parts.append(str(report))
        if stamp := self._sandbox().stamp:
            parts.append(stamp)
        if report.seed is not None:
            again = f"python -m autograder check {report.exercise.name} FILE --seed {report.seed}"
            parts.append(f"To see this again: {again}")
        # A student's exception may hold characters that no file can, and such as hide others.
        return printable("\n\n".join(parts) + "\n")

    def _sandbox(self) -> Sandbox:
        limits = Limits(
            wall_s=self.wall_seconds, cpu_s=math.ceil(self.wall_seconds), memory_mb=self.memory_megabytes
        )
        return _sandbox(limits, self.allow_unsafe)


def _submission(nb: NotebookNode, name: str, problem: str | None) -> Submission | str:
    """The notebook as cells, or the sentence that says why nothing of it can be graded."""
    if problem is not None:
        return problem
    try:
        return notebook_submission(nb, name)
    except SubmissionError as error:
        return str(error)


def _is_autograded(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def _exercise_of(cell: NotebookNode, notebook: str) -> Exercise:
    from ..exercises import UnknownExercise, find

    grade_id = cell.metadata.nbgrader.get("grade_id", "")
    try:
        if not grade_id.startswith(CHECK):
            raise UnknownExercise
        return find(grade_id.removeprefix(CHECK))
    except UnknownExercise:
        raise NbGraderException(
            f"The graded cell {grade_id!r} of {notebook} names no exercise: "
            f"its grade_id must be {CHECK}<exercise>, with an exercise that the autograder knows."
        ) from None


@functools.cache
def _sandbox(limits: Limits, allow_unsafe: bool) -> Sandbox:
    """One for all submissions that this process grades."""
    sandbox = Sandbox(limits, allow_unsafe=allow_unsafe)
    atexit.register(sandbox.close)
    return sandbox


class _Runs:
    """The seed of the present run, so that all who are graded in it are asked the same."""

    def __init__(self):
        self._seed: int | None = None
        self._ended = -math.inf
        self.ahead: Ahead | None = None

    def begin(self) -> None:
        if time.monotonic() - self._ended > SAME_RUN_S:
            self._seed = None

    def end(self) -> None:
        self._ended = time.monotonic()
        if self.ahead is not None:
            self.ahead.close()
            self.ahead = None

    def seed(self, wanted: int | None) -> int:
        if wanted is not None:
            return wanted
        if self._seed is None:
            self._seed = fresh_seed()
        return self._seed


_runs = _Runs()
