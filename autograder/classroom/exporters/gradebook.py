"""Puts grades into nbgrader's gradebook, as `nbgrader autograde` would have.

Only the automatic score of cells that were graded is written. A score that a person gave stays and counts.
Comments, late penalties and everything else in the gradebook stay too. Either all is written or nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..plain import how_many, plain
from .saved import Exported, ExportError, named, saved_results

DEFAULT = "sqlite:///gradebook.db"


def export_gradebook(results_dir: Path, db: str | None) -> Exported:
    """Write the grades into the gradebook at `db`. Raises `ExportError`, also where nbgrader is missing."""
    try:
        from nbgrader.api import InvalidEntry
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise ExportError(
            "nbgrader is not installed here: run `pip install nbgrader`, then export again."
        ) from None
    found = [_needed(saved.result) for saved in saved_results(results_dir)]
    try:
        url = _address(db or DEFAULT)
        with _gradebook(url) as gradebook:
            return _Export(gradebook, found).run(url)
    except (SQLAlchemyError, InvalidEntry) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ExportError(
            f"The gradebook {db or DEFAULT} could not be written: {reason}. If an older nbgrader made it, "
            "run `nbgrader db upgrade`; if another program is using it, try again when that has ended."
        ) from None


def _needed(result: dict) -> dict:
    """The result without its reports, which for a large class would fill the memory."""
    exercises = [{k: e[k] for k in ("grade_id", "points", "max_points")} for e in result["exercises"]]
    return {**result, "exercises": exercises}


class _Export:
    """One export: what the gradebook knows, and what is put in."""

    def __init__(self, gradebook, found: list[dict]):
        self.gradebook = gradebook
        self.graded = [result for result in found if result["status"] == "graded"]
        self.failed = [result["student"] for result in found if result["status"] != "graded"]
        self.cells = {
            name: self._cells_of(name)
            for name in dict.fromkeys(result["assignment"] for result in self.graded)
        }
        self.students = {student.id for student in gradebook.students}
        self.other_points: set[str] = set()
        self.reviewed = 0

    def run(self, url) -> Exported:
        for result in self.graded:
            self._add(result)
        notes = []
        if self.other_points:
            notes.append(
                f"Cells of {', '.join(sorted(self.other_points))} have other points in the gradebook than "
                "here: scores are scaled to the gradebook's."
            )
        if self.reviewed:
            notes.append(
                f"{how_many(self.reviewed, 'cell')} had a score that a person gave, which stays and counts. "
                "nbgrader marks them for review."
            )
        if self.failed:
            notes.append(
                f"{how_many(len(self.failed), 'submission')} could not be graded and got no score: "
                f"{named(self.failed)}."
            )
        said = f"Wrote the grades of {how_many(len(self.graded), 'submission')} into {url}."
        return Exported(said, tuple(notes), not self.failed)

    def _cells_of(self, assignment: str) -> Mapping[str, object]:
        """The graded cells of an assignment by their names."""
        from nbgrader.api import MissingEntry

        try:
            notebooks = self.gradebook.find_assignment(assignment).notebooks
        except MissingEntry:
            raise ExportError(
                f"The gradebook knows no assignment {assignment!r}: run `nbgrader generate_assignment "
                f"{assignment}` in the course's folder first."
            ) from None
        cells = {}
        for notebook in notebooks:
            for cell in notebook.grade_cells:
                if cell.name in cells:
                    raise ExportError(
                        f"Two notebooks of {assignment} have a graded cell {cell.name!r}: rename one and "
                        f"run `nbgrader generate_assignment {assignment} --force`."
                    )
                cells[cell.name] = cell
        return cells

    def _add(self, result: dict) -> None:
        assignment, student = result["assignment"], plain(result["student"])
        if student not in self.students:
            self.gradebook.add_student(student)
            self.students.add(student)
        when = {"timestamp": result["submitted_at"]} if result["submitted_at"] else {}
        submission = self.gradebook.update_or_create_submission(assignment, student, **when)
        grades = {grade.cell_id: grade for notebook in submission.notebooks for grade in notebook.grades}
        for exercise in result["exercises"]:
            cell = self.cells[assignment].get(exercise["grade_id"])
            if cell is None or cell.id not in grades:
                raise ExportError(
                    f"The gradebook's {assignment} has no graded cell {exercise['grade_id']!r}: grade with "
                    f"the notebooks that `nbgrader generate_assignment {assignment}` made."
                )
            self._score(grades[cell.id], cell, exercise, assignment)

    def _score(self, grade, cell, exercise: dict, assignment: str) -> None:
        score = exercise["points"]
        if cell.max_score != exercise["max_points"]:
            self.other_points.add(assignment)
            score = cell.max_score * score / exercise["max_points"] if exercise["max_points"] else 0.0
        changed = grade.auto_score != score
        grade.auto_score = score
        if grade.manual_score is None:
            grade.needs_manual_grade = False
        elif changed:
            # As nbgrader does: a person looks whether the score they gave is still right.
            grade.needs_manual_grade = True
            self.reviewed += 1


def _address(db: str):
    """The database's address. A path stands for a SQLite file. Raises `ExportError` where there is none."""
    from sqlalchemy import create_engine, inspect, make_url
    from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

    try:
        url = make_url(db if "://" in db else f"sqlite:///{db}")
        engine = create_engine(url)
    except ImportError as error:
        raise ExportError(f"Python's driver for the database {db!r} is not installed: {error}.") from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ExportError(
            f"{db!r} is no address of a database: write --db sqlite:///gradebook.db, or the path of the file."
        ) from None
    # nbgrader would make an empty gradebook where it finds none.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise ExportError(
            f"There is no gradebook at {url.database}: say where with --db, or run `nbgrader "
            "generate_assignment` in the course's folder first."
        )
    try:
        known = inspect(engine).has_table("submitted_assignment")
    except OperationalError:  # locked, or not to be reached
        raise
    except DatabaseError:
        known = False
    finally:
        engine.dispose()
    if not known:
        raise ExportError(f"{url} is not a gradebook of nbgrader: say with --db where it is.")
    return url


@contextlib.contextmanager
def _gradebook(url) -> Iterator:
    """nbgrader's gradebook in one transaction, which ends well or leaves no trace."""
    from nbgrader.api import Gradebook
    from sqlalchemy.orm import scoped_session, sessionmaker

    # Without a name nbgrader adds no course.
    with Gradebook(url.render_as_string(hide_password=False), course_id="") as gradebook:
        gradebook.db.remove()
        with gradebook.engine.connect() as connection, connection.begin():
            # Each of nbgrader's methods commits. On a connection that is in a transaction already that only
            # writes to it, and the whole is committed at the end.
            session = sessionmaker(bind=connection, autoflush=False, expire_on_commit=False, future=True)
            gradebook.db = scoped_session(session)
            try:
                yield gradebook
                gradebook.db.commit()
            finally:
                gradebook.db.remove()
