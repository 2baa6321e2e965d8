"""What was handed out, and a submission put back into it.

Of a submission, only the answers and the student's own cells are taken. All else (the tests, the points, the
order of the cells) comes from the notebook that was handed out, whatever became of it on the way.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .matching import Slot, resemblance, slots_of
from .notebook_file import SubmissionError, read_bytes, read_notebook
from .rebuilding import fill
from .submission import CHECK, notebook_submission

__all__ = ["Question", "Rebuilt", "ReleaseError", "Released", "cells_for", "released_notebooks"]


class ReleaseError(ValueError):
    """A notebook cannot be used as the one that was handed out. The message is one sentence that says why."""


@dataclass(frozen=True)
class Question:
    """A graded check cell of a released notebook."""

    grade_id: str
    exercise: str
    points: float


@dataclass(frozen=True)
class Rebuilt:
    """A submission put back into the released notebook.

    `notes` are sentences on what was put right or could not be used. `problem` is one sentence when nothing
    of the submission could be used; `notebook` is then the released one, untouched.
    """

    notebook: NotebookNode
    notes: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Released:
    """One notebook as handed out. `questions` are its graded check cells, in order."""

    name: str
    notebook: NotebookNode
    questions: tuple[Question, ...]

    @classmethod
    def read(cls, path: str | os.PathLike) -> Released:
        """Read a released notebook. Raises `ReleaseError`.

        Whether the autograder knows the exercises is not asked here: `exercises.find` says so.
        """
        path = Path(path)
        try:
            text = read_bytes(path).decode("utf-8-sig")
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
        except (ValueError, LookupError, AttributeError, TypeError, nbformat.ValidationError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ReleaseError(f"{path} cannot be used as a released notebook: {reason}") from None
        return cls.of(notebook, path.stem)

    @classmethod
    def of(cls, notebook: NotebookNode, name: str) -> Released:
        """A valid notebook that was read already. Raises `ReleaseError`."""
        seen: set[str] = set()
        questions = []
        for cell in notebook.cells:
            metadata = cell.metadata.get("nbgrader", {})
            grade_id = metadata.get("grade_id")
            if grade_id is None:
                continue
            if grade_id in seen:
                raise ReleaseError(f"{name}.ipynb has the grade_id {grade_id!r} twice; each must be unique.")
            seen.add(grade_id)
            if cell.cell_type == "code" and metadata.get("grade") and not metadata.get("solution"):
                questions.append(_question(grade_id, metadata.get("points"), name))
        return cls(name, notebook, tuple(questions))

    def rebuild(self, data: bytes | None) -> Rebuilt:
        """Put a submission, given as its file's bytes, back into this notebook. None: nothing was handed in.

        Never raises for what stands in the file.
        """
        file = f"{self.name}.ipynb"
        if data is None:
            return Rebuilt(self._untouched(), (), f"No {file} was handed in.")
        try:
            cells, notes = read_notebook(data, file)
        except SubmissionError as error:
            return Rebuilt(self._untouched(), (), str(error))
        rebuilt, more = fill(self._slots, cells)
        return Rebuilt(self._with(rebuilt), (*notes, *more))

    def resemblance(self, data: bytes) -> int:
        """How many marks of this notebook (ids of its cells, names of its exercises) a file bears."""
        try:
            cells, _ = read_notebook(data, self.name)
        except SubmissionError:
            return 0
        return resemblance(self._slots, cells)

    @cached_property
    def _slots(self) -> tuple[Slot, ...]:
        return slots_of(self.notebook.cells, {question.exercise for question in self.questions})

    def _untouched(self) -> NotebookNode:
        return self._with(fill(self._slots, [])[0])

    def _with(self, cells: list[NotebookNode]) -> NotebookNode:
        metadata = nbformat.from_dict({**self.notebook.metadata})
        return NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)


def _question(grade_id: object, points: object, name: str) -> Question:
    if not isinstance(grade_id, str) or not re.fullmatch(rf"{CHECK}\w+", grade_id):
        raise ReleaseError(
            f"The graded cell {grade_id!r} of {name}.ipynb names no exercise: its grade_id must be "
            f"{CHECK}<exercise>, with an exercise that the autograder knows."
        )
    number = isinstance(points, (int, float)) and not isinstance(points, bool)
    if not number or not math.isfinite(points) or points < 0:
        raise ReleaseError(f"The cell {grade_id!r} of {name}.ipynb has {points!r} points; give it 0 or more.")
    return Question(grade_id, grade_id.removeprefix(CHECK), float(points))


def cells_for(notebook: Mapping, name: str, exercise: str) -> list[tuple[str, str]]:
    """The cells (name, source) that must run for `exercise`, of a rebuilt notebook or any other.

    Raises `NoAnswer`, or `SubmissionError` for what is no notebook. Who asks for several exercises keeps the
    result of `submission.notebook_submission` and asks that.
    """
    return notebook_submission(notebook, name).cells_for(exercise)


def released_notebooks(folder: str | os.PathLike) -> dict[str, Released]:
    """The released notebooks in `folder/<assignment>/`, by the name of their assignment.

    An assignment's notebook has its name, or is the only one there. Raises `ReleaseError`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ReleaseError(f"There is no folder {folder} with released notebooks.")
    found = {}
    for assignment in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        notebooks = sorted(assignment.glob("*.ipynb"))
        named = [path for path in notebooks if path.stem == assignment.name] or notebooks
        if len(named) > 1:
            raise ReleaseError(f"{assignment} holds several notebooks, and none is {assignment.name}.ipynb.")
        if named:
            found[assignment.name] = Released.read(named[0])
    return found
