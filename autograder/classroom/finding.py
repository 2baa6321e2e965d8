"""Finds what is to be graded: one `Found` for each student and assignment."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ..notebook_file import SubmissionError, read_bytes
from .files import NOTEBOOK, entries_of, is_notebook, is_own_folder, is_students, look
from .names import printable_name
from .placing import SUBMITTED, Place, Placing, below_submitted, person

if TYPE_CHECKING:
    from ..released import Released

CLASS_LIMIT = 100_000
"""The most files and folders that the folder of a class may hold side by side."""

GRADED = (NOTEBOOK, ".py")
READ_LIMIT = 50_000_000
"""How many bytes of one student's folder are read to see which assignments its notebooks answer."""

COMPARED = 20
"""How many renamed notebooks in a student's folder are read to see which one is meant."""

UNKNOWN = "unknown"
"""The assignment of what belongs to none."""

SHOWN = 3
"""How many stray notebooks a note names."""


class NothingToGrade(ValueError):
    """What was asked for cannot be graded at all. The message is one sentence that says why."""


@dataclass(frozen=True)
class Found:
    """One submission: whose, for which assignment, and where it lies.

    `reason` says why it cannot be graded, where that is known already; `path` is then what was found instead.
    `tree`: it lies in a student's own folder, as nbgrader lays it out.
    """

    student: str
    assignment: str
    path: Path
    notes: tuple[str, ...] = ()
    reason: str | None = None
    tree: bool = False

    def read(self) -> bytes:
        """The bytes of the file. Raises `SubmissionError` with one sentence when it gives none."""
        if self.reason is not None:
            raise SubmissionError(self.reason)
        return read_bytes(self.path, follow_links=False)

    def submitted_at(self) -> str | None:
        """The time that nbgrader's `timestamp.txt` beside a submission tells, which it puts there itself."""
        if not self.tree:
            return None
        try:
            text = read_bytes(self.path.with_name("timestamp.txt"), follow_links=False).decode()
            date, _, zone = text.strip().rpartition(" ")  # "2026-03-01 12:00:00.000000 UTC"
            return datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone)).isoformat()
        except (SubmissionError, ValueError, LookupError, OSError):
            return None


def find(paths: Sequence[str], released: Mapping[str, Released], out: Path) -> tuple[list[Found], list[str]]:
    """All submissions under `paths`, by assignment and student, and a sentence for each path left out.

    `out`, where results are written, is not looked into. Raises `NothingToGrade`.
    """
    finder = _Finder(released, out)
    for path in dict.fromkeys(paths):
        finder.add(Path(path))
    found = finder.settled()
    if not found:
        where = ", ".join(printable_name(path) for path in paths)
        raise NothingToGrade(f"There is no notebook to grade in {where}.")
    return found, finder.left_out


class _Finder:
    def __init__(self, released: Mapping[str, Released], out: Path):
        self._released, self._placing = released, Placing(released)
        self._out = os.path.abspath(out)
        self._unread = math.inf
        self._files: dict[str, tuple[tuple, Found]] = {}
        self._empty: list[tuple[str, str | None, Path, str]] = []
        self.left_out: list[str] = []

    def add(self, path: Path) -> None:
        """Look at one PATH. Raises `NothingToGrade` when it is not there."""
        name = printable_name(str(path))
        if not os.path.lexists(path):
            raise NothingToGrade(f"There is no file or folder {name}.")
        if path.is_symlink() and path.suffix.lower() not in GRADED:
            reason = f"{name} is a symbolic link, which is not followed: name what it leads to."
            self._empty.append((person(path.name), None, path, reason))
        elif path.suffix.lower() in GRADED:
            self._add_files([path], path.parent)
        elif path.is_dir():
            # A student may have made a folder of that name too, further down.
            course = SUBMITTED not in _absolute(path).parts and is_own_folder(path / SUBMITTED)
            self._add_class(path / SUBMITTED if course else path)
        else:
            self.left_out.append(f"{name} is neither a notebook (.ipynb) nor a .py file and is left out.")

    def _add_class(self, top: Path) -> None:
        if below_submitted(_absolute(top)):
            if not self._add_student(top, top):
                self._add_empty(top)
            return
        name = printable_name(str(top))
        try:
            entries = entries_of(top, CLASS_LIMIT + 1)
        except OSError as error:
            raise NothingToGrade(f"The folder {name} cannot be read: {error.strerror}.") from None
        if len(entries) > CLASS_LIMIT:
            raise NothingToGrade(f"{name} holds more than {CLASS_LIMIT:,} files and folders.")
        entries = [entry for entry in entries if is_students(entry.name)]
        self._add_files([Path(entry.path) for entry in entries if is_notebook(entry.name)], top)
        folders = [Path(e.path) for e in entries if not is_notebook(e.name) and os.path.isdir(e.path)]
        folders = [folder for folder in folders if os.path.abspath(folder) != self._out]
        without = [folder for folder in folders if not self._add_student(folder, top)]
        if _absolute(top).name != SUBMITTED:
            # Beside folders with notebooks, one without is that of a student who handed in something else.
            without = [f for f in without if len(without) < len(folders) and not (f / "run.json").exists()]
        for folder in without:
            self._add_empty(folder)

    def _add_student(self, folder: Path, top: Path) -> bool:
        """Look through a folder that is most likely one student's. Returns whether that gave a row."""
        if folder.is_symlink():
            return False
        listing = look(folder)
        self._unread = READ_LIMIT
        self._add_files(listing.notebooks, top, tuple(filter(None, [listing.complaint])))
        self._unread = math.inf
        filled = {parent for notebook in listing.notebooks for parent in notebook.parents}
        empty = [
            inner for inner in [folder, *listing.folders] if inner not in filled and self._owner(inner)[1]
        ]
        for inner in empty:
            self._add_empty(inner, listing.complaint)
        if not listing.notebooks and not empty and listing.complaint:
            self._add_empty(folder, listing.complaint)
        return bool(listing.notebooks or empty or listing.complaint)

    def _owner(self, folder: Path) -> tuple[str, str | None]:
        """The student to whom a folder belongs, and the assignment where it is the folder of one."""
        where = _absolute(folder)
        if below := below_submitted(where):
            return below[0], below[1] if len(below) == 2 and below[1] in self._released else None
        if where.name in self._released:
            return person(where.parent.name), where.name
        return person(where.name), None

    def _add_empty(self, folder: Path, reason: str | None = None) -> None:
        student, assignment = self._owner(folder)
        if reason is None:
            name = printable_name(folder.name)
            link = f"{name} is a symbolic link, which is not followed: hand in the notebook itself."
            reason = link if folder.is_symlink() else f"The folder {name} holds no notebook (.ipynb)."
        self._empty.append((student, assignment, folder, reason))

    def _add_files(self, files: Sequence[Path], top: Path, notes: tuple[str, ...] = ()) -> None:
        placed = [(file, self._place(file, top)) for file in files]
        unnamed = Counter((file.parent, place.assignment) for file, place in placed if place.student is None)
        # Two notebooks for one assignment in a folder are two students'. Else the folder is one student's.
        shared = {top} | {folder for (folder, _), number in unnamed.items() if number > 1}
        for file, place in placed:
            student = place.student
            if student is None:
                student = person(file.stem if file.parent in shared else file.parent.name)
            reason = None
            if place.assignment is None:
                known = ", ".join(self._released)
                reason = f"{printable_name(file.name)} belongs to none of the handed out notebooks ({known})."
            assignment = place.assignment or place.folder or UNKNOWN
            found = Found(
                printable_name(student), printable_name(assignment), file, notes, reason, place.tree
            )
            # Two names may look the same once they are made printable.
            self._files.setdefault(os.path.abspath(file), ((top, student), found))

    def _place(self, file: Path, top: Path) -> Place:
        place = self._placing.place(_absolute(file), _absolute(top))
        return place if place.assignment else replace(place, assignment=self._by_content(file))

    def _by_content(self, file: Path) -> str | None:
        if self._unread <= 0:
            return None
        try:
            data = read_bytes(file, follow_links=False)
        except SubmissionError:
            return None
        self._unread -= len(data)
        return self._placing.by_content(data)

    # ---- settling who has which row

    def settled(self) -> list[Found]:
        """One `Found` for each student and assignment, in their order."""
        own: dict[tuple, list[Found]] = defaultdict(list)
        found = []
        for student, one in self._files.values():
            if one.tree:
                own[student, one.assignment].append(one)
            else:
                found.append(one)
        for student in {student for student, assignment in own if assignment in self._released}:
            # What lies beside the folders of assignments is no assignment of its own.
            stray = own.pop((student, UNKNOWN), [])
            next(files for (whose, _), files in own.items() if whose == student).extend(stray)
        for files in own.values():
            best, *others = self._ordered(files)
            found.append(replace(best, notes=(*best.notes, *_stray(others))))
        return sorted(self._distinct(found), key=_row)

    def _ordered(self, files: list[Found]) -> list[Found]:
        """The notebooks of one student for one assignment. The first is the one that counts."""
        released = self._released.get(files[0].assignment)
        files = sorted(files, key=lambda one: (one.reason is not None, len(one.path.parts), one.path))
        if len(files) == 1 or released is None:
            return files
        named = [one for one in files if one.path.stem == released.name]
        alike = (one for one in files[:COMPARED] if self._by_content(one.path) == one.assignment)
        best = next(iter(named), None) or next(alike, files[0])
        return [best, *(one for one in files if one is not best)]

    def _distinct(self, found: list[Found]) -> Iterator[Found]:
        """Every file keeps a row of its own, and every student without a file gets one."""
        taken = {(one.assignment, one.student) for one in found}
        seen: set[tuple[str, str]] = set()
        for one in sorted(found, key=_row):
            if (one.assignment, one.student) in seen:
                numbered = (f"{one.student}-{number}" for number in itertools.count(2))
                student = next(name for name in numbered if (one.assignment, name) not in taken)
                taken.add((one.assignment, student))
                same = f"Another file is by {one.student} too, so this one is listed as {student}."
                one = replace(one, student=student, notes=(*one.notes, same))
            seen.add((one.assignment, one.student))
            yield one
        students, assignments = {s for _, s in taken}, {a for a, _ in taken if a in self._released}
        only = next(iter(assignments)) if len(assignments) == 1 else UNKNOWN
        for student, assignment, path, reason in self._empty:
            student = printable_name(student)
            key = (assignment or only, student)
            if key not in taken and (assignment or student not in students):
                taken.add(key)
                yield Found(student, key[0], path, reason=reason)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _row(one: Found) -> tuple:
    return (one.assignment, one.student, str(one.path))


def _stray(others: Sequence[Found]) -> Iterator[str]:
    if others:
        names = ", ".join(printable_name(one.path.name) for one in others[:SHOWN])
        more = f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
        yield f"Only one notebook is graded for each assignment. Left out: {names}{more}."
