"""nbgrader's `autograde`, given clean copies of what was handed in.

nbgrader walks a student's folder, copies what it finds, and trusts the notebook's metadata; one odd file or
cell there stops the grading of the class. So for the time of a run nbgrader's folder of submissions is one of
our own, in which each submission stands as the notebooks of the release with the student's answers in them,
its timestamp, and nothing else. All further steps are nbgrader's.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import glob
import os
import re
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import nbformat
import nbgrader.api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import api, autogradeapp
from nbgrader.converters.autograde import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets import Unicode

from ..classroom.names import one_line, printable_name
from ..notebook_file import LABEL, SubmissionError
from ..released import Released, ReleaseError
from ..sandbox import SandboxError
from ..submission import notebook_submission
from .handed_in import TIMESTAMP, HandedIn, read_folder, read_timestamp


def install() -> None:
    """Put the converter where nbgrader's command and its API, and with it formgrader, look for theirs.

    `exporter_class`, which can be configured, does not suffice: it is given a notebook that nbgrader has
    found, and whose folder it has copied by then. nbgrader asks for the two times below outside of a run as
    well, for formgrader's list; its own readers follow a link and wait for a pipe.
    """
    if shutil.which("alembic") is None:
        # nbgrader calls it by its bare name, and leaves half a gradebook behind where it does not find it.
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), sysconfig.get_path("scripts")])
    autogradeapp.Autograde = api.Autograde = AutogradeCleanCopies
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    api.NbGraderAPI.get_submitted_timestamp = _submitted_timestamp


class AutogradeCleanCopies(Autograde):
    """Autograde, on clean copies of the submissions."""

    prepared_directory = Unicode(
        "prepared",
        help="The folder, in the course's own, for the clean copies of submissions while they are graded.",
    ).tag(config=True)

    def start(self) -> None:
        """Raises `NbGraderException` when some could not be graded, after all others were."""
        from .preprocessor import GradeInSandbox

        self._released = self._read_released()
        self._folders: dict[str, Path] = {}
        self._nameless: list[str] = []
        self._read: dict[str, HandedIn] = {}
        home = Path(self.coursedir.root) / self.prepared_directory
        if not home.is_dir():
            home.mkdir(parents=True)
            if self.coursedir.groupshared:  # for the other instructors
                home.chmod(0o2770)
        submitted = self.coursedir.submitted_directory
        try:
            with (
                _one_engine(),
                GradeInSandbox(parent=self).run() as (seed, self._ahead),
                tempfile.TemporaryDirectory(prefix="run-", dir=home) as prepared,
            ):
                self.log.info("The cases of this run are drawn from seed %s", seed)
                self._know_exercises()
                self._find_submissions()
                self.coursedir.submitted_directory = os.path.relpath(prepared, self.coursedir.root)
                super().start()
        except SandboxError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None
        finally:
            self.coursedir.submitted_directory = submitted

    # ---- which submissions there are

    def _read_released(self) -> Mapping[str, Released]:
        """The notebooks of the assignment as they were handed out, by name. Raises `NbGraderException`."""
        assignment = self.coursedir.assignment_id
        folder = Path(self.coursedir.format_path(self.coursedir.release_directory, ".", assignment))
        paths = sorted(folder.glob("*.ipynb"))
        try:
            if not paths:
                raise ReleaseError(
                    f"There is no released notebook in {folder}: "
                    f"run `nbgrader generate_assignment {assignment}` first."
                )
            return {path.stem: Released.read(path) for path in paths}
        except ReleaseError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None

    def _know_exercises(self) -> None:
        """Raises `NbGraderException` where a released notebook asks what the autograder does not know."""
        from ..exercises import UnknownExercise, find

        for name, notebook in self._released.items():
            for question in notebook.questions:
                try:
                    find(question.exercise)
                except UnknownExercise as error:
                    msg = f"{question.grade_id!r} of {name}.ipynb: {error}"
                    self.log.error(msg)
                    raise NbGraderException(msg) from None

    def _find_submissions(self) -> None:
        """Note the folder of each student whose submission is asked for. Raises `NbGraderException`."""
        place = (self.coursedir.submitted_directory, "*", self.coursedir.assignment_id)
        wanted = self.coursedir.student_id
        name = re.compile(self.coursedir.format_path(place[0], "(?P<id>.*)", place[2], escape=True), re.S)
        for folder in sorted(glob.glob(self.coursedir.format_path(*place))):
            match = name.fullmatch(folder)
            student = match["id"] if match else os.path.basename(os.path.dirname(folder))
            if student != wanted and not fnmatch.fnmatchcase(student, wanted):
                continue
            if match and student == printable_name(student) and "/" not in student:
                self._folders[student] = Path(folder)
            else:
                self._nameless.append(student)
        if not self._folders and not self._nameless:
            super().init_notebooks()  # says that there are none

    def init_notebooks(self) -> None:
        wanted = fnmatch.filter(self._released, self.coursedir.notebook_id)
        if not wanted:
            msg = f"No released notebook is called {self.coursedir.notebook_id!r}"
            self.log.error(msg)
            raise NbGraderException(msg)
        clean = {s: self._format_source(self.coursedir.assignment_id, s) for s in self._folders}
        self.assignments = {
            clean[student]: [os.path.join(clean[student], f"{name}.ipynb") for name in wanted]
            for student in self._folders
        }

    def convert_notebooks(self) -> None:
        try:
            super().convert_notebooks()
        finally:
            for student in self._nameless:
                self.log.error("Not graded: a student's folder cannot be called %a; rename it", student)
        if self._nameless:
            raise NbGraderException("Some folders of students have names that cannot be used")

    # ---- one submission

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Before nbgrader compares the times."""
        self._write_timestamp(Path(self._format_source(assignment_id, student_id)), student_id)
        return super().init_destination(assignment_id, student_id)

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Before nbgrader copies what lies in the folder."""
        folder = Path(self._format_source(assignment_id, student_id))
        self._look_ahead(assignment_id, student_id)
        handed_in = self._read.pop(student_id, None)
        if handed_in is None:
            handed_in = read_folder(self._folders[student_id], self._released)
        self._write_notebooks(folder, handed_in, student_id)
        super().init_assignment(assignment_id, student_id)

    def _look_ahead(self, assignment_id: str, student_id: str) -> None:
        """Begin to run the answers of the students who follow, as far as they are graded for certain."""
        from ..exercises import find

        students = list(self._folders)
        at = students.index(student_id) + 1
        for student in students[at : at + self._ahead.depth]:
            new = self.force or not os.path.exists(self._format_dest(assignment_id, student))
            if student in self._read or not new:
                continue
            handed_in = self._read[student] = read_folder(self._folders[student], self._released)
            for name, rebuilt in handed_in.notebooks.items():
                if rebuilt.problem is not None:
                    continue
                exercises = [find(q.exercise) for q in self._released[name].questions]
                with contextlib.suppress(SubmissionError):  # it will be said when this is graded
                    submission = notebook_submission(rebuilt.notebook, f"{name}.ipynb")
                    self._ahead.begin(student, name, submission, exercises)

    def _write_timestamp(self, folder: Path, student_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            time = read_timestamp(self._folders[student_id])
        except SubmissionError as error:
            self.log.warning("%s: %s It counts as handed in on time.", student_id, error)
        else:
            if time is not None:
                (folder / TIMESTAMP).write_text(f"{time.isoformat(' ')} UTC", encoding="ascii")

    def _write_notebooks(self, folder: Path, handed_in: HandedIn, student_id: str) -> None:
        notes = tuple(handed_in.notes)
        for name, rebuilt in handed_in.notebooks.items():
            told = [one_line(note) for note in (*notes, *rebuilt.notes)]
            for sentence in (*told, *filter(None, [rebuilt.problem])):
                self.log.warning("%s: %s", student_id, one_line(sentence))
            rebuilt.notebook.metadata[LABEL] = {"notes": told, "problem": rebuilt.problem}
            text = nbformat.v4.writes(rebuilt.notebook)
            (folder / f"{name}.ipynb").write_text(f"{text}\n", encoding="utf-8")
            notes = ()  # once is enough

    def convert_single_notebook(self, notebook_filename: str) -> None:
        try:
            super().convert_single_notebook(notebook_filename)
        except Exception:
            self._leave_to_a_person(notebook_filename)
            raise

    def _leave_to_a_person(self, notebook_filename: str) -> None:
        """Grading failed through no fault of the student: what has no grade yet must not pass for a 0."""
        found = self.init_single_notebook_resources(notebook_filename)["nbgrader"]
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                submission = gradebook.find_submission_notebook(
                    found["notebook"], found["assignment"], found["student"]
                )
            except MissingEntry:
                return
            for grade in submission.grades:
                if grade.auto_score is None and grade.manual_score is None:
                    grade.needs_manual_grade = True
            gradebook.db.commit()


@contextlib.contextmanager
def _one_engine() -> Iterator[None]:
    """nbgrader makes an engine for each of eight looks into the gradebook that a submission costs, and loses
    with it what SQLAlchemy has compiled: a quarter of the time that it takes in all.
    """
    create = nbgrader.api.create_engine
    nbgrader.api.create_engine = functools.cache(create)
    try:
        yield
    finally:
        nbgrader.api.create_engine = create


# ---- nbgrader's readers of times


def _existing_timestamp(self: CourseDirectory, dest_path: str) -> datetime | None:
    """In place of `CourseDirectory.get_existing_timestamp`."""
    try:
        return read_timestamp(dest_path)
    except SubmissionError as error:
        self.log.warning("%s: %s", dest_path, error)
        return None


def _submitted_timestamp(self: api.NbGraderAPI, assignment_id: str, student_id: str) -> datetime | None:
    """In place of `NbGraderAPI.get_submitted_timestamp`."""
    place = (self.coursedir.submitted_directory, student_id, assignment_id)
    return self.coursedir.get_existing_timestamp(os.path.abspath(self.coursedir.format_path(*place)))
