"""nbgrader's face: what is written into a notebook, and a class of ten with nbgrader's own commands."""

import csv
import html
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import determine_grade
from traitlets.config import Config

from autograder import nbgrader_plugin
from autograder.exercises import all_exercises
from autograder.nbgrader_plugin import GradeInSandbox
from autograder.sandbox import Outcome, SandboxError
from autograder.sandbox.perform import load, perform

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
RESOURCES = {"nbgrader": {"notebook": LESSON}}

RIGHT = (
    "import torch\ndef pad_mask(lengths, max_len):\n    return torch.arange(max_len)[None] < lengths[:, None]"
)
OFF_BY_ONE = RIGHT.replace("<", "<=")
STUB = "def pad_mask(lengths, max_len):\n    raise NotImplementedError()"


# ---------------------------------------------------------------- the preprocessor


class NoWall:
    """Stands for the sandbox and runs the answer right here: what runs is not what these tests are about."""

    def __init__(self):
        self.ran, self.limits = [], []

    def __call__(self, limits):
        self.limits.append(limits)
        return self

    def run(self, cells, entry, cases, notebook):
        assert notebook
        self.ran.append([source for _, source in cells])
        namespace = {}
        if failure := load(cells, entry, namespace):
            return [Outcome((failure,))] * len(cases)
        return list(perform(namespace[entry], cases))


@pytest.fixture
def sandbox(monkeypatch):
    sandbox = NoWall()
    monkeypatch.setattr(nbgrader_plugin, "_sandbox", sandbox)
    return sandbox


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
    config = Config({"GradeInSandbox": {"wall_seconds": 2.5, "memory_megabytes": 512}})
    grade(new_code_cell(RIGHT), check_cell(), config=config)
    (limits,) = sandbox.limits
    assert (limits.wall_s, limits.cpu_s, limits.memory_mb) == (2.5, 3, 512)


def test_a_sandbox_that_does_not_start_is_not_the_students_fault(monkeypatch):
    class Lost:
        def run(self, *args, **kwargs):
            raise SandboxError("The sandbox process did not start.")

    monkeypatch.setattr(nbgrader_plugin, "_sandbox", lambda limits: Lost())
    with pytest.raises(SandboxError):
        grade(new_code_cell(RIGHT), check_cell())


# ---------------------------------------------------------------- a class of ten

PAD_MASK = """def pad_mask(lengths, max_len):
    places = torch.arange(max_len, device=lengths.device)
    return places[None, :] < lengths[:, None]
"""
MASKED_MEAN = """def masked_mean(x, mask):
    real = mask[:, :, None]
    total = x.masked_fill(~real, 0).sum(dim=1)
    return total / real.sum(dim=1).clamp(min=1)
"""
NO_REFERENCE = """from seqattn_ref import pad_mask
"""
NO_EXERCISES = """from autograder.exercises import find
masked_mean = find("masked_mean").reference
"""

# For each student the answers (None leaves the cell as it was handed out), the points of each exercise, and
# what the feedback must say. pad_mask gives 3 points and masked_mean 4.
CLASS = {
    "perfect": (PAD_MASK, MASKED_MEAN, 3, 4, ["pad_mask: 3 of 3 points", "masked_mean: 4 of 4 points"]),
    "untouched": (None, None, 0, 0, ["pad_mask: not attempted yet", "masked_mean: not attempted yet"]),
    "off-by-one": (PAD_MASK.replace("<", "<="), MASKED_MEAN, 1, 4, [("pad_mask", "off-by-one")]),
    "inverted": (PAD_MASK.replace("<", ">="), MASKED_MEAN, 1, 4, [("pad_mask", "mask-inverted")]),
    "padded-length": (
        PAD_MASK,
        MASKED_MEAN.replace("real.sum(dim=1).clamp(min=1)", "x.shape[1]"),
        3,
        0.5,
        [("masked_mean", "mean-over-padded-length")],
    ),
    "partial": (
        PAD_MASK,
        MASKED_MEAN.replace(".clamp(min=1)", ""),
        3,
        3.5,
        [("masked_mean", "nan-on-empty-row"), "masked_mean: 3.5 of 4 points"],
    ),
    "stderr": (
        "import sys, warnings\n" + PAD_MASK.replace("return", "print('hello', file=sys.stderr)\n    return"),
        MASKED_MEAN.replace("return", "warnings.warn('careful')\n    return"),
        3,
        4,
        ["pad_mask: 3 of 3 points", "masked_mean: 4 of 4 points"],
    ),
    "syntax": (PAD_MASK.replace("return", "retrun"), MASKED_MEAN, 0, 4, ["Line 3 is not valid Python"]),
    "endless": (
        PAD_MASK,
        MASKED_MEAN.replace("return", "while True:\n        pass\n    return"),
        3,
        0,
        ["It was stopped after 5 seconds."],
    ),
    "reference": (NO_REFERENCE, NO_EXERCISES, 0, 0, ["is not available while an answer is graded"]),
}


class Course:
    """A course folder and an exchange of its own, and nbgrader's commands run in it."""

    def __init__(self, root):
        self.root = root
        self.course = root / "course"
        shutil.copytree(REPO / "solutions" / LESSON, self.course / "solutions" / LESSON)
        (root / "exchange").mkdir()
        settings = f"c.Exchange.root = {str(root / 'exchange')!r}\nc.GradeInSandbox.wall_seconds = 5\n"
        config = (REPO / "nbgrader_config.py").read_text(encoding="utf-8")
        (self.course / "nbgrader_config.py").write_text(config + settings, encoding="utf-8")

    def environment(self, user):
        home = self.root / "homes" / user
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG"))}
        # nbgrader calls alembic by its bare name.
        path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
        packages = str(REPO) + os.pathsep + os.environ.get("PYTHONPATH", "")
        return {**kept, "HOME": str(home), "PATH": path, "PYTHONPATH": packages}

    def run(self, *command, user="teacher", folder=None):
        command = [sys.executable, *command]
        done = subprocess.run(
            command,
            cwd=folder or self.course,
            env=self.environment(user),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def nbgrader(self, *command, **options):
        return self.run("-m", "nbgrader", *command, **options)

    def hand_in(self, student):
        """Put a student's answers into the notebook as it was released, and submit it as that student."""
        folder = self.root / "homes" / student
        shutil.copytree(self.root / "exchange" / "seqattn" / "outbound" / LESSON, folder / LESSON)
        shutil.copy(self.course / "nbgrader_config.py", folder)
        path = folder / LESSON / f"{LESSON}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        answers = dict(zip(("pad_mask", "masked_mean"), CLASS[student], strict=False))
        for cell in notebook.cells:
            answer = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if answer is not None:
                cell.source = answer
        nbformat.write(notebook, path)
        # All accounts of a test are one account, so the name is given.
        self.nbgrader("submit", LESSON, f"--student={student}", user=student, folder=folder)

    def autograded(self, student):
        path = self.course / "course" / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        return nbformat.read(path, as_version=4)

    def feedback(self, student):
        """The words of a student's feedback page."""
        path = self.course / "course" / "feedback" / student / LESSON / f"{LESSON}.html"
        return words(html.unescape(re.sub(r"<[^>]*>", "", path.read_text(encoding="utf-8"))))


def words(text):
    return " ".join(text.split())


@pytest.mark.slow
def test_a_class_of_ten(tmp_path):
    """The whole way of an assignment: handed out, handed in, graded and given back."""
    course = Course(tmp_path)
    course.nbgrader("generate_assignment", LESSON)
    course.nbgrader("release_assignment", LESSON)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(course.hand_in, CLASS))
    course.nbgrader("collect", LESSON)
    log = course.nbgrader("autograde", LESSON)
    course.nbgrader("generate_feedback", LESSON)
    course.nbgrader("export", "--to=grades.csv")

    assert "error" not in log.lower()
    with open(course.course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    expected = {student: pad_mask + mean for student, (_, _, pad_mask, mean, _) in CLASS.items()}
    assert {student: float(row["score"]) for student, row in rows.items()} == expected
    assert {float(row["max_score"]) for row in rows.values()} == {7}
    for student, (_, _, pad_mask, mean, sentences) in CLASS.items():
        notebook = course.autograded(student)
        assert scores(notebook) == {"check_pad_mask": pad_mask, "check_masked_mean": mean}, student
        for cell in notebook.cells:
            is_graded = "points" in cell.metadata.get("nbgrader", {})
            kinds = [(output.output_type, output.get("name")) for output in cell.get("outputs", [])]
            assert kinds == ([("stream", "stdout"), ("execute_result", None)] if is_graded else []), student
        feedback = course.feedback(student)
        for said in sentences:
            assert words(said if isinstance(said, str) else hint_of(*said)) in feedback, student

    # formgrader's button calls the same converter through nbgrader's API, in the server's process.
    script = f"""
from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.nbgraderapp import NbGrader
app = NbGrader()
app.initialize([])
result = NbGraderAPI(config=app.config).autograde({LESSON!r}, "partial")
assert result["success"], result
"""
    before = scores(course.autograded("partial"))
    shutil.rmtree(course.course / "course" / "autograded" / "partial")
    course.run("-c", script)
    assert scores(course.autograded("partial")) == before


def scores(notebook):
    """The points that nbgrader reads from each graded cell."""
    graded = [cell for cell in notebook.cells if "points" in cell.metadata.get("nbgrader", {})]
    return {cell.metadata.nbgrader.grade_id: determine_grade(cell)[0] for cell in graded}


def hint_of(name, mistake):
    return next(m.hint for m in all_exercises()[name].mistakes if m.id == mistake)
