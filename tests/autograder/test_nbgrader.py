"""nbgrader's face: what is written into a notebook, and how submissions reach nbgrader."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from nbgrader.api import Gradebook
from nbgrader.apps import api, autogradeapp
from nbgrader.converters.base import NbGraderException
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.utils import determine_grade
from traitlets.config import Config, PyFileConfigLoader

from autograder import nbgrader_plugin
from autograder.exercises import find
from autograder.nbgrader_plugin import GradeInSandbox, preprocessor
from autograder.nbgrader_plugin.converter import AutogradeCleanCopies
from autograder.sandbox import Outcome, SandboxError
from autograder.sandbox.perform import load, perform
from autograder.submission import notebook_submission

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
RESOURCES = {"nbgrader": {"notebook": LESSON}}

RIGHT = (
    "import torch\ndef pad_mask(lengths, max_len):\n    return torch.arange(max_len)[None] < lengths[:, None]"
)
OFF_BY_ONE = RIGHT.replace("<", "<=")
STUB = "def pad_mask(lengths, max_len):\n    raise NotImplementedError()"


class NoWall:
    """Stands for the sandbox and runs the answer right here: what runs is not what these tests are about."""

    def __init__(self):
        self.ran, self.asked, self.made = [], [], []
        self.stamp = None

    def __call__(self, limits, allow_unsafe):
        self.made.append((limits, allow_unsafe))
        return self

    def prove(self):
        pass

    def run(self, cells, entry, cases, notebook):
        assert notebook
        self.ran.append([source for _, source in cells])
        self.asked.append(cases)
        namespace = {}
        if failure := load(cells, entry, namespace):
            return [Outcome((failure,))] * len(cases)
        return list(perform(namespace[entry], cases))


@pytest.fixture
def sandbox(monkeypatch):
    sandbox = NoWall()
    monkeypatch.setattr(preprocessor, "_sandbox", sandbox)
    monkeypatch.setattr(preprocessor, "_runs", preprocessor._Runs())
    return sandbox


# ---------------------------------------------------------------- the preprocessor


def check_cell(exercise="pad_mask", points=3, **more):
    metadata = {
        "grade": True,
        "solution": False,
        "locked": True,
        "grade_id": f"check_{exercise}",
        "points": points,
    }
    return new_code_cell(f"check({exercise})", metadata={"nbgrader": {**metadata, **more}})


def grade(*cells, **options):
    graded, _ = GradeInSandbox(**options).preprocess(new_notebook(cells=list(cells)), RESOURCES)
    return graded.cells


def points_of(cell):
    return determine_grade(cell)[0]


def text_of(cell):
    return cell.outputs[0].text


def test_the_report_and_then_the_points_are_written(sandbox):
    cell = grade(new_code_cell(OFF_BY_ONE), check_cell())[1]
    stream, result = cell.outputs
    assert (stream.output_type, stream.name) == ("stream", "stdout")
    assert stream.text.startswith("pad_mask: 1 of 3 points\n")
    assert result.output_type == "execute_result"
    assert result.data == {"text/plain": "1.0"}
    assert points_of(cell) == 1


@pytest.mark.parametrize(("source", "share"), [(RIGHT, 1), (OFF_BY_ONE, 1 / 3), (STUB, 0)])
@pytest.mark.parametrize("points", [3, 10, 0.7, 0])
def test_points_are_scaled_to_those_of_the_cell(sandbox, source, share, points):
    cell = grade(new_code_cell(source), check_cell(points=points))[1]
    assert points_of(cell) == pytest.approx(points * share)
    assert points_of(cell) <= points


def test_an_untouched_answer_is_not_attempted(sandbox):
    assert "not attempted yet" in text_of(grade(new_code_cell(STUB), check_cell())[1])


def test_outputs_of_the_students_cells_are_left_out(sandbox):
    old = new_code_cell(RIGHT, execution_count=7, outputs=[new_output("stream", text="3 of 3 points")])
    cell = grade(old, check_cell())[0]
    assert cell.outputs == [] and cell.execution_count is None


def test_graded_cells_never_run_and_other_cells_keep_their_numbers(sandbox):
    broken = new_code_cell("def pad_mask(:")
    spoilt = check_cell()
    spoilt.source = "def pad_mask(lengths, max_len): return 1"
    _, _, cell = grade(new_code_cell(RIGHT), new_markdown_cell("text"), spoilt)
    assert points_of(cell) == 3
    assert sandbox.ran == [[RIGHT]]
    cell, *_ = grade(check_cell(), new_code_cell("x = 1"), broken)
    assert "Code cell 3: Line 1 is not valid Python" in text_of(cell)


def test_a_broken_cell_costs_its_exercise_only(sandbox):
    mean = "def masked_mean(x, mask):\n    return (x * mask[..., None]).sum(1)\nhere is an error"
    cells = grade(new_code_cell(RIGHT), check_cell(), new_code_cell(mean), check_cell("masked_mean", 4))
    assert points_of(cells[1]) == 3
    assert points_of(cells[3]) == 0
    assert "is not valid Python" in text_of(cells[3])


def test_a_missing_answer_is_said(sandbox):
    cell = grade(new_code_cell(RIGHT.replace("pad_mask", "padmask")), check_cell())[1]
    assert points_of(cell) == 0
    assert "00_start_here.ipynb defines no `pad_mask`: it defines `padmask`; rename it" in text_of(cell)


@pytest.mark.parametrize("grade_id", ["check_nothing", "pad_mask", "test_pad_mask", ""])
def test_a_graded_cell_that_names_no_exercise_is_refused_by_name(sandbox, grade_id):
    with pytest.raises(NbGraderException) as raised:
        grade(new_code_cell(RIGHT), check_cell(), check_cell(grade_id=grade_id))
    assert f"The graded cell '{grade_id}' of 00_start_here.ipynb names no exercise" in str(raised.value)
    assert sandbox.ran == []


def test_cells_that_a_person_grades_are_left_alone(sandbox):
    essay = new_markdown_cell(
        "My view.", metadata={"nbgrader": {"grade": True, "solution": True, "points": 2}}
    )
    manual = check_cell("essay", solution=True)
    cells = grade(new_code_cell(RIGHT), essay, manual, check_cell())
    assert cells[2].outputs == []
    assert points_of(cells[3]) == 3


def test_an_exception_with_half_a_character_can_be_stored(sandbox):
    source = "def pad_mask(lengths, max_len):\n    raise ValueError('\\ud800')"
    cell = grade(new_code_cell(source), check_cell())[1]
    assert "ValueError" in text_of(cell)
    text_of(cell).encode("utf-8")


def test_limits_come_from_the_configuration(sandbox):
    settings = {"wall_seconds": 2.5, "memory_megabytes": 512, "allow_unsafe": True}
    grade(new_code_cell(RIGHT), check_cell(), config=Config({"GradeInSandbox": settings}))
    limits, allow_unsafe = sandbox.made[-1]
    assert (limits.wall_s, limits.cpu_s, limits.memory_mb) == (2.5, 3, 512)
    assert allow_unsafe


def test_a_sandbox_that_can_be_tampered_with_says_so_in_every_report(sandbox):
    sandbox.stamp = "Not tamper-proof."
    cells = grade(new_code_cell(RIGHT), check_cell(), check_cell("masked_mean", 4))
    assert "\n\nNot tamper-proof.\n" in text_of(cells[1]) and "\n\nNot tamper-proof.\n" in text_of(cells[2])


def test_the_seed_of_the_run_is_told_at_the_end(sandbox):
    cell = grade(new_code_cell(RIGHT), check_cell(), seed=7)[1]
    again = "python -m autograder check pad_mask FILE --seed 7"
    assert text_of(cell).endswith(f"\n\nTo see this again: {again}\n")
    assert "--seed" not in text_of(grade(new_code_cell("x = 1"), check_cell(), seed=7)[1])


def test_all_in_a_run_are_asked_the_same(sandbox, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(preprocessor.time, "monotonic", lambda: now)
    seeds = []
    for pause in (0, 0, preprocessor.SAME_RUN_S - 1, preprocessor.SAME_RUN_S + 1):
        now += pause
        with GradeInSandbox().run() as (seed, _):
            seeds.append(seed)
            now += 10_000  # a run may take long
            grade(new_code_cell(RIGHT), check_cell())
            assert f"--seed {seed}" in text_of(grade(new_code_cell(RIGHT), check_cell())[1])
    assert seeds[0] == seeds[1] == seeds[2] != seeds[3]
    assert sandbox.asked[0] is sandbox.asked[1]


def test_notes_on_the_submission_stand_above_the_first_report(sandbox):
    notebook = new_notebook(cells=[new_code_cell(RIGHT), check_cell(), check_cell("masked_mean", 4)])
    notebook.metadata["seqattn"] = {"notes": ["One thing.", "Another."], "problem": None}
    graded, _ = GradeInSandbox().preprocess(notebook, RESOURCES)
    _, first, second = graded.cells
    assert text_of(first).startswith(
        "About what was handed in:\n  One thing.\n  Another.\n\npad_mask: 3 of 3"
    )
    assert text_of(second).startswith("masked_mean: 0 of 4 points")
    assert "seqattn" not in graded.metadata


def test_a_submission_that_could_not_be_used_has_no_points_and_the_reason(sandbox):
    notebook = new_notebook(cells=[new_code_cell(RIGHT), check_cell(), check_cell("masked_mean", 4)])
    notebook.metadata["seqattn"] = {"notes": [], "problem": "The file is empty."}
    graded, _ = GradeInSandbox().preprocess(notebook, RESOURCES)
    for cell in graded.cells[1:]:
        assert points_of(cell) == 0
        assert "The file is empty." in text_of(cell)
    assert sandbox.ran == []


def test_a_sandbox_that_does_not_start_is_not_the_students_fault(sandbox, monkeypatch):
    def lost(*args, **kwargs):
        raise SandboxError("The sandbox process did not start.")

    monkeypatch.setattr(sandbox, "run", lost)
    with pytest.raises(SandboxError):
        grade(new_code_cell(RIGHT), check_cell())


# ---------------------------------------------------------------- from the folder to the gradebook


def meta(grade_id, **more):
    base = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**base, "grade_id": grade_id, **more}}


def small_lesson():
    """An assignment with an exercise and a question that a person grades."""
    solution = RIGHT.replace("    return", "    ### BEGIN SOLUTION\n    return") + "\n    ### END SOLUTION"
    return new_notebook(
        cells=[
            new_code_cell(solution, id="pad_mask", metadata=meta("pad_mask", solution=True)),
            check_cell(points=6, task=False, schema_version=3),
            new_markdown_cell("Why?", id="why", metadata=meta("why", grade=True, solution=True, points=2)),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def settings(root):
    """nbgrader_config.py as nbgrader reads it, for a course in `root`."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(REPO)).load_config()
    config.CourseDirectory.root = str(root)
    config.Exchange.root = str(root / "exchange")
    return config


@pytest.fixture(scope="module")
def fresh_course(tmp_path_factory):
    """A course whose assignment is ready to be handed out."""
    root = tmp_path_factory.mktemp("course")
    (root / "exchange").mkdir()
    source = root / "solutions" / "small" / "small.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(small_lesson(), source)
    made = api.NbGraderAPI(config=settings(root)).generate_assignment("small")
    assert made["success"], made
    return root


class SmallCourse:
    """A course of its own for one test, graded through nbgrader's API, as formgrader's button does."""

    def __init__(self, root):
        self.root, self.config = root, settings(root)

    def hand_in(self, student, answer=None, timestamp=None, why=None):
        folder = self.root / "course" / "submitted" / student / "small"
        folder.mkdir(parents=True)
        notebook = nbformat.read(self.root / "notebooks" / "small" / "small.ipynb", as_version=4)
        notebook.cells[0].source = answer or notebook.cells[0].source
        notebook.cells[2].source = why or notebook.cells[2].source
        nbformat.write(notebook, folder / "small.ipynb")
        if timestamp is not None:
            (folder / "timestamp.txt").write_text(timestamp)
        return folder

    @property
    def api(self):
        return api.NbGraderAPI(config=self.config)

    def autograde(self, student="*"):
        used = self.api
        result = used.autograde("small", student)
        assert used.coursedir.submitted_directory == "course/submitted"
        assert list((self.root / "course" / "prepared").glob("*")) == []
        return result

    def gradebook(self):
        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}", "seqattn")

    def scores(self):
        with self.gradebook() as gradebook:
            return {s.student.id: s.score for s in gradebook.find_assignment("small").submissions}

    def grades(self, student):
        """(auto, manual, needs a person) of each graded cell."""
        with self.gradebook() as gradebook:
            found = gradebook.find_submission_notebook("small", "small", student).grades
            return {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade) for g in found}

    def autograded(self, student):
        return self.root / "course" / "autograded" / student / "small"

    def said_to(self, student):
        notebook = nbformat.read(self.autograded(student) / "small.ipynb", as_version=4)
        return next(text_of(cell) for cell in notebook.cells if cell.get("outputs"))


@pytest.fixture
def course(sandbox, fresh_course, tmp_path):
    shutil.copytree(fresh_course, tmp_path / "course")
    return SmallCourse(tmp_path / "course")


def test_configuring_puts_the_converter_where_nbgrader_looks(course):
    assert autogradeapp.Autograde is api.Autograde is AutogradeCleanCopies
    assert course.config.AutogradeCleanCopies.prepared_directory == "course/prepared"


def test_configuring_imports_no_torch():
    """Every command of nbgrader reads the configuration."""
    script = (
        "import sys\nfrom traitlets.config import Config\nfrom autograder.nbgrader_plugin import configure\n"
        "configure(Config())\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=REPO)


def test_alembic_is_found_beside_python(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    settings(REPO)
    assert shutil.which("alembic")


def test_a_submission_is_graded_from_a_clean_copy(course):
    folder = course.hand_in("ann", RIGHT, "2026-03-01 12:00:00 UTC", why="Because.")
    for name in ("torch.py", "conftest.py", "nbgrader_config.py"):
        (folder / name).write_text("raise SystemExit")
    course.hand_in("bob", OFF_BY_ONE)
    assert course.autograde()["success"]
    assert course.scores() == {"ann": 6, "bob": 2}
    assert course.grades("ann") == {"check_pad_mask": (6, None, False), "why": (None, None, True)}
    assert course.grades("bob")["why"] == (0, None, False)  # nothing was written
    assert {path.name for path in course.autograded("ann").iterdir()} == {"small.ipynb", "timestamp.txt"}
    notebook = nbformat.read(course.autograded("ann") / "small.ipynb", as_version=4)
    assert [cell.source for cell in notebook.cells] == [RIGHT, "check(pad_mask)", "Because."]


def test_what_is_wrong_with_a_submission_is_told_to_student_and_teacher(course):
    folder = course.hand_in("ann", RIGHT)
    (folder / "small.ipynb").rename(folder / "mine.ipynb")
    (course.hand_in("bob", RIGHT) / "small.ipynb").write_bytes(b"{")
    (course.root / "course" / "submitted" / "eve" / "small").mkdir(parents=True)
    result = course.autograde()
    assert result["success"]
    assert course.scores() == {"ann": 6, "bob": 0, "eve": 0}
    for student, sentence in {
        "ann": "small.ipynb was missing; mine.ipynb was taken for it.",
        "bob": "small.ipynb is not valid JSON: ",
        "eve": "No small.ipynb was handed in.",
    }.items():
        assert sentence in course.said_to(student)
        assert f"{student}: {sentence}" in result["log"]


def test_points_and_tests_are_those_of_the_gradebook(course):
    folder = course.hand_in("ann", RIGHT)
    notebook = nbformat.read(folder / "small.ipynb", as_version=4)
    notebook.cells[1].metadata.nbgrader.update(points="nan", schema_version=99, grade_id="pad_mask")
    notebook.cells[1].source = "6.0"
    notebook.cells.append(notebook.cells[0])
    (folder / "small.ipynb").write_text(nbformat.v4.writes(notebook))
    course.hand_in("bob", RIGHT)
    assert course.autograde()["success"]
    assert course.scores() == {"ann": 6, "bob": 6}


def test_when_the_sandbox_fails_for_one_the_class_goes_on(course, sandbox, monkeypatch):
    run = sandbox.run

    def fail_for_bob(cells, *args, **more):
        if "bob" in cells[-1][1]:
            raise SandboxError("The sandbox was lost.")
        return run(cells, *args, **more)

    monkeypatch.setattr(sandbox, "run", fail_for_bob)
    for student in ("ann", "bob", "eve"):
        course.hand_in(student, f"# {student}\n{RIGHT}")
    result = course.autograde()
    assert not result["success"]
    assert "error processing assignment 'small' for student 'bob'" in result["log"]
    assert "The sandbox was lost." in result["log"]
    assert (
        course.grades("ann")["check_pad_mask"] == course.grades("eve")["check_pad_mask"] == (6, None, False)
    )
    assert course.grades("bob")["check_pad_mask"] == (None, None, True)  # for a person, and no 0
    assert not course.autograded("bob").exists()


def test_when_the_walls_do_not_stand_nothing_is_graded(course, sandbox, monkeypatch):
    def refuse():
        raise SandboxError("Landlock is missing.")

    monkeypatch.setattr(sandbox, "prove", refuse)
    course.hand_in("ann", RIGHT)
    result = course.autograde()
    assert "NbGraderException: Landlock is missing." in result["error"]
    assert course.scores() == {} and sandbox.ran == []


def test_late_penalties_go_by_the_time_that_was_handed_in(course):
    course.config.LateSubmissionPlugin.penalty_method = "zero"
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("small", duedate="2026-03-01 12:00:00 UTC")
    course.hand_in("late", RIGHT, "2026-03-01 12:00:01 UTC")
    course.hand_in("early", RIGHT, "2026-03-01 11:59:59 UTC")
    course.hand_in("odd", RIGHT, "some day")
    (course.hand_in("pipe", RIGHT) / "timestamp.txt").symlink_to("/dev/zero")
    result = course.autograde()
    assert result["success"]
    with course.gradebook() as gradebook:
        found = gradebook.find_assignment("small").submissions
        assert {s.student.id: s.late_submission_penalty for s in found} == {
            **{"late": 6, "early": 0, "odd": 0, "pipe": 0}
        }
    assert "odd: timestamp.txt holds no time. It counts as handed in on time." in result["log"]


def test_what_a_person_has_graded_survives(course):
    course.hand_in("ann", RIGHT, why="Because.")
    assert course.autograde()["success"]
    with course.gradebook() as gradebook:
        for grade in gradebook.find_submission_notebook("small", "small", "ann").grades:
            grade.manual_score, grade.needs_manual_grade = (
                (1.5, False) if grade.name == "why" else (None, False)
            )
        gradebook.db.commit()
    assert course.autograde()["success"]
    assert course.grades("ann") == {"check_pad_mask": (6, None, False), "why": (None, 1.5, True)}
    assert course.scores() == {"ann": 7.5}


def test_only_the_student_asked_for_is_graded(course, sandbox):
    for student in ("ann", "bob", "a[1]*"):
        course.hand_in(student, RIGHT)
    assert course.autograde("bob")["success"]
    assert course.scores() == {"bob": 6}
    assert course.autograde("a[1]*")["success"]
    assert course.scores() == {"a[1]*": 6, "bob": 6}
    result = course.autograde("nobody")
    assert "No notebooks were matched by" in result["error"]
    assert len(sandbox.ran) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_folder_that_no_student_can_be_called_is_told_at_the_end(course):
    course.hand_in("ann", RIGHT)
    course.hand_in("new\nline", RIGHT)
    course.hand_in("z", RIGHT)
    result = course.autograde()
    assert not result["success"]
    assert "Not graded: a student's folder cannot be called 'new\\nline'; rename it" in result["log"]
    assert course.scores() == {"ann": 6, "z": 6}


def test_what_was_graded_is_graded_again_only_when_it_is_newer(course, sandbox):
    folder = course.hand_in("ann", RIGHT, "2026-03-01 12:00:00 UTC")
    used = course.api
    for expected, timestamp in ((1, None), (1, None), (2, "2026-03-02 12:00:00 UTC"), (2, None)):
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp)
        assert used.autograde("small", "ann", force=False)["success"]
        assert len(sandbox.ran) == expected


def test_formgraders_list_reads_no_pipe(course):
    folder = course.hand_in("ann", RIGHT, "2026-03-01 12:00:00 UTC")
    course.hand_in("bob", RIGHT, "2026-13-01")
    assert course.autograde("ann")["success"]
    if sys.platform != "win32":
        os.mkfifo(course.hand_in("eve", RIGHT) / "timestamp.txt")
    listed = {s["student"]: (s["autograded"], s["timestamp"]) for s in course.api.get_submissions("small")}
    assert listed["ann"] == (True, "2026-03-01T12:00:00")
    assert listed["bob"] == (False, None)
    assert folder.exists()


def test_an_assignment_without_its_release_is_refused(course):
    course.hand_in("ann", RIGHT)
    released = course.root / "notebooks" / "small" / "small.ipynb"
    notebook = nbformat.read(released, as_version=4)
    notebook.cells[1].metadata.nbgrader.grade_id = "check_nothing"
    nbformat.write(notebook, released)
    result = course.api.autograde("small", "*")
    assert "'check_nothing' of small.ipynb: There is no exercise called 'nothing'" in result["error"]
    released.unlink()
    result = course.api.autograde("small", "*")
    assert "run `nbgrader generate_assignment small` first." in result["error"]


def test_what_was_run_ahead_is_not_run_again(sandbox):
    resources = {"nbgrader": {"notebook": LESSON, "student": "ada"}}
    notebook = new_notebook(cells=[new_code_cell(RIGHT), check_cell()])
    with GradeInSandbox().run() as (_, ahead):
        submission = notebook_submission(notebook, f"{LESSON}.ipynb")
        ahead.begin("ada", LESSON, submission, [find("pad_mask")])
        graded, _ = GradeInSandbox().preprocess(notebook, resources)
        assert points_of(graded.cells[1]) == 3
        assert len(sandbox.ran) == 1
        # What was run ahead serves once, and only for the same cells.
        ahead.begin("ada", LESSON, submission, [find("pad_mask")])
        other = new_notebook(cells=[new_code_cell(OFF_BY_ONE), check_cell()])
        graded, _ = GradeInSandbox().preprocess(other, resources)
        assert points_of(graded.cells[1]) == 1
        assert len(sandbox.ran) == 3


FORMGRADER = {
    **dict.fromkeys(("last_name", "first_name", "base_url", "mathjax_url"), ""),
    **{"student": "ada", "assignment_id": "a", "notebook_id": "n", "submission_id": 1},
    **{"index": 0, "total": 1, "nbgrader": {"score": 1, "max_score": 2}},
}

HOSTILE_PROSE = """<script>fetch('/formgrader/api/grade/1')</script>

<img src="x" onerror="alert(1)"> <iframe srcdoc="hello"></iframe> [x](javascript:alert(1)) <form action="/x">

$a < b$ **bold** <details><summary>more</summary>text</details>
"""


def test_prose_is_shown_without_what_a_browser_would_run():
    """In the pages of formgrader, where a script would act as the teacher."""
    config = Config()
    nbgrader_plugin.configure(config)
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    raw = new_raw_cell("<script>fetch('raw')</script>")
    notebook = new_notebook(cells=[new_markdown_cell(HOSTILE_PROSE), raw])
    for cell in notebook.cells:
        cell.metadata["nbgrader"] = {}
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, resources=FORMGRADER)
    assert not re.search(r"<script>fetch|<img[^>]* onerror|<iframe|javascript:alert|<form action", page)
    assert all(text in page for text in ("<strong>bold</strong>", "<summary>more</summary>", "a &lt; b"))
