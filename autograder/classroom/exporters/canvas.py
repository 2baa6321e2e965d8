"""A CSV file for Canvas's gradebook ("Grades", "Import").

Canvas takes an empty cell for "no grade" and removes a grade that is there. So with a roster, which is the
gradebook as Canvas exports it, a cell without a new grade keeps what the roster has, and students without any
new grade are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..names import csv_cell
from ..plain import how_many, natural, plain
from .saved import Exported, ExportError, named, saved_results, whole_file

IDENTITY = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS_POSSIBLE = "    Points Possible"
_HOW = "In Canvas choose Grades, Export, Export Entire Gradebook."
_TITLE = re.compile(r"(?P<title>.*\S)\s*\((?P<id>\d+)\)\s*", re.S)
_NUMBER = re.compile(r"-?[\d.,]+ ?%?")


@dataclass
class Column:
    """An assignment: its name here, its points, and the scores of the students who have a grade."""

    assignment: str
    max_score: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Roster:
    """A gradebook exported from Canvas."""

    header: list[str]
    points: list[str] | None
    rows: list[list[str]]

    @property
    def identity(self) -> int:
        """How many columns say who a student is."""
        return self.header.index("Section") + 1

    def cell(self, row: Sequence[str], name: str) -> str:
        return row[self.header.index(name)].strip() if name in self.header else ""

    def name(self, row: Sequence[str]) -> str:
        return self.cell(row, "Student") or self.cell(row, "LastName") + self.cell(row, "FirstName")


def export_canvas(results_dir: Path, out: Path, roster: Path | None) -> Exported:
    """Write `out`, with the rows of `roster` where there is one."""
    columns, failed = _columns(results_dir)
    notes = []
    if failed:
        notes.append(
            f"{how_many(len(failed), 'submission')} could not be graded and got no new grade: "
            f"{named(failed)}."
        )
    if roster is None:
        rows, strangers = _bare(columns), []
    else:
        filled = _Filled(_read_roster(roster), columns)
        rows, strangers = filled.rows, filled.strangers
        notes += filled.notes
    with whole_file(out, newline="") as file:
        csv.writer(file).writerows([_safe(cell) for cell in row] for row in rows)
    said = f"Wrote the grades of {how_many(len(rows) - 2, 'student')} to {out}."
    return Exported(said, tuple(notes), not failed and not strangers)


def _columns(results_dir: Path) -> tuple[list[Column], list[str]]:
    """A column for each assignment, and the students of submissions that could not be graded."""
    columns: dict[str, Column] = {}
    failed = []
    for saved in saved_results(results_dir):
        result = saved.result
        if not saved.graded:
            failed.append(result["student"])
            continue
        column = columns.setdefault(result["assignment"], Column(result["assignment"]))
        column.max_score = max(column.max_score, result["max_score"])
        column.scores[result["student"]] = result["score"]
    return sorted(columns.values(), key=lambda c: natural(c.assignment)), failed


def _bare(columns: list[Column]) -> list[list[str]]:
    """Without a roster: the student's name here is taken for the login."""
    rows = [[*IDENTITY, *(c.assignment for c in columns)]]
    rows.append([POINTS_POSSIBLE, "", "", "", "", *(_points(c.max_score) for c in columns)])
    for student in sorted({s for c in columns for s in c.scores}, key=lambda s: (natural(s), s)):
        scores = [_points(c.scores[student]) if student in c.scores else "" for c in columns]
        rows.append([student, "", "", student, "", *scores])
    return rows


class _Filled:
    """A roster's rows with the new grades, and what a teacher should know of it."""

    def __init__(self, roster: Roster, columns: list[Column]):
        self.notes: list[str] = []
        self._roster = roster
        places = {c.assignment: _place_of(c.assignment, roster) for c in columns}
        _refuse_shared(
            places.items(), "Two assignments here, {} and {}, are called like the same one in Canvas"
        )
        row_of, self.strangers = _match({s for c in columns for s in c.scores}, roster)
        titles = [
            c.assignment if places[c.assignment] is None else roster.header[places[c.assignment]]
            for c in columns
        ]
        identity = roster.identity
        self.rows = [[*roster.header[:identity], *titles]]
        self.rows.append([POINTS_POSSIBLE, *[""] * (identity - 1)])
        factors = {}
        for c in columns:
            theirs = "" if roster.points is None else _theirs(roster.points, places[c.assignment])
            factors[c.assignment] = self._factor(c, theirs)
            self.rows[1].append(theirs or _points(c.max_score))
        student_of = {row: student for student, row in row_of.items()}
        for row in sorted(student_of):
            student = student_of[row]
            cells = [
                _points(c.scores[student] * factors[c.assignment])
                if student in c.scores
                else _theirs(roster.rows[row], places[c.assignment])
                for c in columns
            ]
            self.rows.append([*roster.rows[row][:identity], *cells])
        self._tell(places)

    def _factor(self, column: Column, theirs: str) -> float:
        """What a score is multiplied by, so that full marks here are full marks in Canvas."""
        possible = _as_number(theirs)
        if not possible or not column.max_score or abs(possible - column.max_score) < 0.005:
            return 1.0
        self.notes.append(
            f"{column.assignment} has {_points(possible)} points in Canvas and {_points(column.max_score)} "
            "here: scores are scaled to those of Canvas."
        )
        return possible / column.max_score

    def _tell(self, places: dict[str, int | None]) -> None:
        if new := [name for name, place in places.items() if place is None]:
            self.notes.append(
                f"Canvas will make a new assignment for {', '.join(new)}: the roster has none of that name."
            )
        if self.strangers:
            self.notes.append(
                f"Not in the roster, or not for certain, and so left out: {named(self.strangers)}."
            )


# ---- who is who


def _match(students: set[str], roster: Roster) -> tuple[dict[str, int], list[str]]:
    """The row of each student, and the students that have none or might have several."""
    index: dict[str, set[int]] = defaultdict(set)
    for i, row in enumerate(roster.rows):
        for name in ("SIS Login ID", "SIS User ID", "ID"):
            if value := roster.cell(row, name).casefold():
                index[value].add(i)
    # An account's name often stands without what follows the @ in a login.
    for i, row in enumerate(roster.rows):
        local, at, _ = roster.cell(row, "SIS Login ID").casefold().partition("@")
        if at and local:
            index[local].add(i)
    found, strangers = {}, []
    for student in sorted(students, key=lambda s: (natural(s), s)):
        rows = index.get(student.strip().casefold()) or _downloaded(student, roster)
        if len(rows) == 1:
            (found[student],) = rows
        else:
            strangers.append(student)
    _refuse_shared(found.items(), "Two students here, {} and {}, are the same one in the roster")
    return found, strangers


def _downloaded(student: str, roster: Roster) -> set[int]:
    """Rows that fit a name as Canvas gives it to downloaded submissions: `doejane_4711`, with the ID."""
    name, _, number = student.rpartition("_")
    return {
        i
        for i, row in enumerate(roster.rows)
        if number and roster.cell(row, "ID") == number and _letters(roster.name(row)) == _letters(name)
    }


def _refuse_shared(pairs: Iterable[tuple[str, int | None]], sentence: str) -> None:
    seen: dict[int, str] = {}
    for name, place in pairs:
        if place is not None and place in seen:
            raise ExportError(f"{sentence.format(seen[place], name)}: rename one and grade again.")
        if place is not None:
            seen[place] = name


def _place_of(assignment: str, roster: Roster) -> int | None:
    """The roster's column for an assignment: `05_additive (4711)`, else one whose letters are the same."""
    titles = {
        i: match["title"]
        for i, cell in enumerate(roster.header)
        if i >= roster.identity and (match := _TITLE.fullmatch(cell))
    }
    same = [i for i, title in titles.items() if title.strip() == assignment]
    same = same or [i for i, title in titles.items() if _letters(title) == _letters(assignment)]
    if len(same) > 1:
        raise ExportError(
            f"The roster has several assignments called {assignment!r}: rename the others in Canvas."
        )
    return same[0] if same else None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


# ---- reading and writing


def _read_roster(path: Path) -> Roster:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ExportError(f"The roster {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ExportError(f"The roster {path} is not UTF-8 text. {_HOW}") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ExportError(f"The roster {path} is not a CSV file ({error}). {_HOW}") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "Section" not in header or not {"ID", "SIS Login ID"} & set(header):
        raise ExportError(
            f"The roster {path} has no columns ID and Section, so it is no gradebook of Canvas. {_HOW}"
        )
    rows = [row + [""] * (len(header) - len(row)) for row in rows[1:]]
    points = next((row for row in rows if "Points Possible" in row[0]), None)
    return Roster(header, points, [row for row in rows if row is not points and _is_student(row)])


def _is_student(row: list[str]) -> bool:
    """Not the line that says which assignments are posted by hand, nor an empty one."""
    return not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell, re.I) for cell in row)


def _theirs(row: Sequence[str], place: int | None) -> str:
    return "" if place is None else row[place].strip()


def _as_number(text: str) -> float | None:
    """A number as Canvas writes it, with a point or a comma."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _points(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _safe(cell: str) -> str:
    """No spreadsheet takes the cell for a formula."""
    return cell if _NUMBER.fullmatch(cell) or cell == POINTS_POSSIBLE else csv_cell(plain(cell))
