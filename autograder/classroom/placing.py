"""Whose a file is and which assignment it answers: told by its folders, else its name, else its content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..released import Released

SUBMITTED = "submitted"
"""The folder that holds one folder a student in an nbgrader course."""

# What people and browsers add to the name of a copy: "-1", " (2)", "_final", "Copy of ".
_COPY_SUFFIX = re.compile(r"([\W_]+(\d{1,2}|copy\d*|final|v\d+|late))*[\W_]*", re.I)
_COPY_PREFIX = re.compile(r"[\W_]*copy of[\W_]*", re.I)

# Students as learning platforms write them: "doejane_LATE_123_45678" in Canvas, where the first number stands
# for the student, and "Jane Doe_12_assignsubmission_file" in Moodle, where it stands for one submission.
_CANVAS = re.compile(r"(?P<name>[^_]+)(?:_late)?_(?P<id>\d{2,})_\d{4,}(?:_.*)?", re.I | re.S)
_MOODLE = re.compile(r"(?P<name>.+)_\d+_assignsubmission_[a-z]+(?:_.*)?", re.I | re.S)

_DEFINITION = re.compile(r"^(?:(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|(\w+)[ \t]*=(?!=))", re.M)


def person(text: str) -> str:
    """The student in a name that a learning platform has made, or that a person has."""
    text = text.strip("_-. ")
    if match := _MOODLE.fullmatch(text):
        return match["name"]
    if match := _CANVAS.fullmatch(text):
        return f"{match['name']}_{match['id']}"
    return text


@dataclass(frozen=True)
class Place:
    """What the place of a file says. `student` or `assignment` is None where it says nothing.

    `tree`: it lies in a student's own folder for one assignment, where a second notebook is a stray one.
    `folder` is what that folder is called when no assignment is.
    """

    student: str | None
    assignment: str | None
    tree: bool = False
    folder: str | None = None


class Placing:
    """Knows the names of the handed out notebooks."""

    def __init__(self, released: Mapping[str, Released]):
        self._released = released
        names = {notebook.name: assignment for assignment, notebook in released.items()}
        names |= {assignment: assignment for assignment in released}
        self._names = dict(sorted(names.items(), key=lambda pair: -len(pair[0])))

    def place(self, file: PurePath, top: PurePath) -> Place:
        """Where `file` stands, by its name and its folders; both paths absolute. `top` is the folder that is
        being looked through.
        """
        if below := below_submitted(file.parent):
            return self._in_tree(file, below)
        found, rest = self._in_name(file.stem)
        here, first = file.parent.parts, len(top.parts)
        folder = max((i for i in range(first - 1, len(here)) if here[i] in self._released), default=None)
        if folder is None:
            student = person(rest) if rest else self._nearest_person(here) if found else None
            own = _MOODLE.fullmatch(file.parent.name.rstrip("_")) is not None
            return Place(person(file.parent.name), found, own) if own else Place(student, found)
        if folder > first:  # a student's folder stands between
            return Place(person(here[folder - 1]), here[folder], tree=True)
        student = rest or ("" if found else file.stem)
        return Place(person(student) or self._nearest_person(here), found or here[folder])

    def _in_tree(self, file: PurePath, below: tuple[str, ...]) -> Place:
        """`submitted/<student>/<assignment>/…`, or less tidy than that."""
        folder = next((name for name in reversed(below[1:]) if name in self._released), None)
        assignment = folder or self._in_name(file.stem)[0]
        return Place(below[0], assignment, tree=True, folder=below[1] if len(below) > 1 else None)

    def _nearest_person(self, folders: tuple[str, ...]) -> str:
        return next((person(name) for name in reversed(folders) if name not in self._released), "")

    def _in_name(self, stem: str) -> tuple[str | None, str]:
        """The assignment that a file is named after, and what is left of its name."""
        for name, assignment in self._names.items():
            match = re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", stem, re.I)
            if match:
                before, after = stem[: match.start()], stem[match.end() :]
                before = "" if _COPY_PREFIX.fullmatch(before) else before.strip("_-. ")
                return assignment, before or ("" if _COPY_SUFFIX.fullmatch(after) else after)
        return None, ""

    def by_content(self, data: bytes) -> str | None:
        """The assignment whose cells a notebook holds, else whose exercises it, or a .py file, defines."""
        text = data.decode("utf-8-sig", "replace")
        cells = list(_cells(text))
        code = "\n".join(map(_source, cells)) if cells else text
        ids = {id for cell in cells for id in _ids(cell)}
        defined = {name for pair in _DEFINITION.findall(code) for name in pair if name}
        likeness = {name: self._likeness(notebook, ids, defined) for name, notebook in self._released.items()}
        best = max(likeness, key=likeness.__getitem__, default=None)
        return best if best is not None and any(likeness[best]) else None

    @staticmethod
    def _likeness(notebook: Released, ids: set[str], defined: set[str]) -> tuple[int, float, int]:
        """Graded cells in common, then the share of the exercises that are defined, then their number."""
        graded = {question.grade_id for question in notebook.questions}
        exercises = {question.exercise for question in notebook.questions}
        there = len(exercises & defined)
        return len(graded & ids), there / max(1, len(exercises)), there


def below_submitted(folder: PurePath) -> tuple[str, ...]:
    """The names of the folders from `submitted` down to `folder`; none when there is no such folder."""
    parts = folder.parts
    # The first one: further down, a student may have made another.
    return parts[parts.index(SUBMITTED) + 1 :] if SUBMITTED in parts else ()


def course_of(path: PurePath) -> PurePath:
    """The folder of the course that `path`, in or above its `submitted`, belongs to."""
    return PurePath(*path.parts[: path.parts.index(SUBMITTED)]) if SUBMITTED in path.parts else path


def _cells(text: str) -> Iterator[Mapping]:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return
    # Up to nbformat 3 the cells stood in worksheets, and their code was called input.
    sheets = notebook.get("worksheets") if isinstance(notebook, Mapping) else None
    for sheet in [notebook, *(sheets if isinstance(sheets, list) else [])]:
        cells = sheet.get("cells") if isinstance(sheet, Mapping) else None
        if isinstance(cells, list):
            yield from (cell for cell in cells if isinstance(cell, Mapping))


def _source(cell: Mapping) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) and cell.get("cell_type") == "code" else ""


def _ids(cell: Mapping) -> Iterable[str]:
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, Mapping) else None
    found = [cell.get("id"), nbgrader.get("grade_id") if isinstance(nbgrader, Mapping) else None]
    return [id for id in found if isinstance(id, str)]
