"""nbgrader's face: grades submissions in the sandbox, in place of nbgrader's own `Execute`.

nbgrader_config.py names `GradeInSandbox` among `c.Autograde.autograde_preprocessors`. `nbgrader autograde`
and formgrader both use it.
"""

from __future__ import annotations

import atexit
import functools
import math
import secrets
from collections.abc import Mapping

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Float, Integer

from .exercise import Exercise
from .exercises import all_exercises
from .report import Report, judge, refuse
from .sandbox import Case, Limits, Sandbox
from .submission import NoAnswer, SubmissionError, notebook_submission

PREFIX = "check_"

# Drawn once for the whole class, so that all are asked the same, and never told.
_SEED = secrets.randbits(63)


class GradeInSandbox(NbGraderPreprocessor):
    """Grades each cell `check_<exercise>` and writes the report and the points into it, as if it had run.

    No kernel is started. For each exercise the student's cells run in a process of their own, so one that
    fails or never ends costs that exercise alone. Whatever outputs the student's other cells had are left
    out.
    """

    wall_seconds = Float(
        20.0, min=0.1, help="How long one exercise of one student may take, in seconds."
    ).tag(config=True)
    memory_megabytes = Integer(4096, min=64, help="How much memory one exercise of one student may use.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Raises `NbGraderException` for a cell that should be graded and names no exercise.

        nbgrader gives full points to a graded cell without output, so such a cell may not pass unseen.
        """
        name = f"{resources['nbgrader']['notebook']}.ipynb"
        graded = [(cell, _exercise_of(cell, name)) for cell in nb.cells if _is_autograded(cell)]
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        # A graded cell keeps its place, so that the student's cells keep their numbers, but it never runs.
        cells = [{**cell, "source": ""} if _is_autograded(cell) else cell for cell in nb.cells]
        students = {"nbformat": nb.nbformat, "cells": cells}
        for cell, exercise in graded:
            report = self._grade(students, name, exercise)
            points = float(cell.metadata.nbgrader["points"]) * (report.score / report.max_score)
            self.log.info("%s: %s of %s points", exercise.name, report.score, report.max_score)
            cell.outputs = [
                new_output("stream", name="stdout", text=_storable(f"{report}\n")),
                new_output("execute_result", data={"text/plain": repr(points)}),
            ]
        return nb, resources

    def _grade(self, notebook: Mapping, name: str, exercise: Exercise) -> Report:
        try:
            cells = notebook_submission(notebook, name).cells_for(exercise.name)
        except (SubmissionError, NoAnswer) as error:
            return refuse(exercise, str(error))
        limits = Limits(
            wall_s=self.wall_seconds, cpu_s=math.ceil(self.wall_seconds), memory_mb=self.memory_megabytes
        )
        plan = _plan(exercise.name)
        asked = [case for cases in plan for case in cases]
        outcomes = _sandbox(limits).run(cells, exercise.name, asked, notebook=True)
        return judge(exercise, plan, outcomes, _SEED)


def _is_autograded(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def _exercise_of(cell: NotebookNode, notebook: str) -> Exercise:
    grade_id = cell.metadata.nbgrader.get("grade_id", "")
    exercise = all_exercises().get(grade_id.removeprefix(PREFIX))
    if exercise is None or not grade_id.startswith(PREFIX):
        raise NbGraderException(
            f"The graded cell {grade_id!r} of {notebook} names no exercise: "
            f"its grade_id must be {PREFIX}<exercise>, with an exercise that the autograder knows."
        )
    return exercise


@functools.cache
def _plan(name: str) -> list[list[Case]]:
    return all_exercises()[name].cases(_SEED)


@functools.cache
def _sandbox(limits: Limits) -> Sandbox:
    """One for all submissions of a run, so that the next process is always warm."""
    sandbox = Sandbox(limits)
    atexit.register(sandbox.close)
    return sandbox


def _storable(text: str) -> str:
    """A student's exception may hold characters that no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")
