"""All attacks in one class, graded with the commands of nbgrader itself."""

import csv
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook, MissingEntry

from .attack import POINTS
from .class_of_attacks import HANDED_IN, LESSONS, ODD, hand_in_all
from .grounds import HONEST, REPO, Grounds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's walls are Linux's"),
]
FED_BACK = (
    *("script-in-markdown", "attachments", "outputs-odd", "outputs-huge", "exceptions-long"),
    *(
        "forged-exceptions",
        "link-to-classmate",
        "links-beside",
        "truncated",
        "endless-loop",
        "open-reference",
    ),
    *("show-environments", "show-brackets", "show-quotes", "show-formulas", "show-operators"),
)
"""Whose feedback is made: making it takes longer than grading."""


class Course:
    """A course of nbgrader's with the class in it, graded once, and what came of it."""

    def __init__(self, root: Path):
        self.grounds = grounds = Grounds(root)
        grounds.lay_out(LESSONS)
        config = (REPO / "nbgrader_config.py").read_text(encoding="utf-8")
        settings = "c.GradeInSandbox.wall_seconds = 3\n"
        (grounds.course / "nbgrader_config.py").write_text(config + settings, encoding="utf-8")
        for lesson in LESSONS:
            self.nbgrader("generate_assignment", lesson)
        with self.gradebook() as book:
            book.update_or_create_student(HONEST[0], first_name=grounds.secret)
        with grounds.watched() as self.told:
            hand_in_all(grounds)
            before = grounds.protected()
            self.graded = [self.nbgrader("autograde", lesson, fails=True) for lesson in LESSONS]
        self.planted = grounds.planted()
        after = grounds.protected()
        self.changed = [p for p in before.keys() | after.keys() if before.get(p) != after.get(p)]
        self.left = [path.name for path in grounds.shared.iterdir()]
        others = {attack.folder for attack in (*HANDED_IN, *ODD) if attack.id not in FED_BACK}
        exclude = f"--CourseDirectory.student_id_exclude={','.join(filter(can_be_called, others))}"
        self.fed_back = [self.nbgrader("generate_feedback", lesson, exclude) for lesson in LESSONS]
        self.nbgrader("export", "--to=grades.csv")

    def nbgrader(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command],
            cwd=self.grounds.course,
            env=self.grounds.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        assert fails or done.returncode == 0, done.stdout.decode(errors="replace")
        return done

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.grounds.course / 'gradebook.db'}", "seqattn")

    def points(self, student: str, lesson: str) -> dict[str, float]:
        """The points that the gradebook holds, by exercise. Raises `MissingEntry`."""
        with self.gradebook() as book:
            (notebook,) = book.find_submission(lesson, student).notebooks
            assert not notebook.needs_manual_grade
            return {grade.name.removeprefix("check_"): grade.score for grade in notebook.grades}

    def files(self, step: str, student: str, lesson: str) -> list[str]:
        folder = self.grounds.course / "course" / step / student / lesson
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))

    def page(self, step: str, student: str, lesson: str, ending: str) -> str:
        folder = self.grounds.course / "course" / step / student / lesson
        return (folder / f"{lesson}.{ending}").read_text(encoding="utf-8")


def can_be_called(student: str) -> bool:
    """Whether nbgrader can hold a student of this name: one line of text without spaces at its ends."""
    return student.isprintable() and student == student.strip()


@pytest.fixture(scope="module")
def course():
    root = Path(tempfile.mkdtemp(prefix="seqattn-class-"))
    try:
        yield Course(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("attack", HANDED_IN, ids=lambda attack: attack.id)
def test_it_gains_nothing_and_gets_its_verdict(course, attack):
    student, lesson = attack.folder, attack.lesson
    if not can_be_called(student):
        with pytest.raises((MissingEntry, UnicodeEncodeError)):
            course.points(student, lesson)
        assert f"cannot be called {student!a}; rename it".encode() in course.graded[0].stdout
        return
    assert course.points(student, lesson) == attack.points()
    # Nothing of what lay beside the notebook travels on.
    assert set(course.files("autograded", student, lesson)) <= {f"{lesson}.ipynb", "timestamp.txt"}
    told = outputs(course.page("autograded", student, lesson, "ipynb"))
    if not attack.readable:
        assert re.search(r"[^\n]{10,}[.:)]", told)
    assert course.grounds.secret not in told
    assert course.grounds.mark not in told
    assert not re.search("root:[^:]*:0:0", told)


@pytest.mark.parametrize("attack", [a for a in HANDED_IN if a.id in FED_BACK], ids=lambda attack: attack.id)
def test_its_feedback_is_made_and_harmless(course, attack):
    page = course.page("feedback", attack.folder, attack.lesson, "html")
    assert course.files("feedback", attack.folder, attack.lesson) == [f"{attack.lesson}.html"]
    assert course.grounds.secret not in page
    assert not re.search(r"<script>(alert|fetch)|<img[^>]* onerror|<iframe|href=.javascript:", page)


def outputs(text: str) -> str:
    """What stands under the cells of a graded notebook."""
    made = nbformat.reads(text, as_version=4)
    return "\n".join(str(cell.get("outputs", "")) for cell in made.cells)


@pytest.mark.parametrize("oddity", ODD, ids=lambda oddity: oddity.id)
def test_an_honest_oddity_gets_all_points(course, oddity):
    assert course.points(oddity.folder, oddity.lesson) == oddity.points()


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("lesson", LESSONS)
def test_an_honest_student_loses_nothing(course, name, lesson):
    assert course.points(name, lesson) == POINTS[lesson]
    assert "About what was handed in" not in course.page("feedback", name, lesson, "html")


def test_the_class_is_graded_to_its_end(course):
    with open(course.grounds.course / "grades.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["timestamp"] or float(row["score"])]
    assert {float(row["max_score"]) for row in rows} <= {sum(p.values()) for p in POINTS.values()}
    assert all(float(row["score"]) <= float(row["max_score"]) for row in rows)


def test_nothing_of_the_machine_is_changed(course):
    assert course.changed == []
    assert course.planted == []
    assert course.told == []
    assert course.left == []


def test_nobody_writes_to_the_terminal(course):
    for done in (*course.graded, *course.fed_back):
        assert course.grounds.secret.encode() not in done.stdout
        assert not re.search(rb"\x1b\[2J|\x07|\xe2\x80\xae", done.stdout)
