"""A class, graded with nbgrader's own commands in processes of their own, and through its API."""

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import determine_grade

from autograder.exercises import all_exercises

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
NOTEBOOK = f"{LESSON}.ipynb"

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


def truncate(folder):
    (folder / NOTEBOOK).write_bytes((folder / NOTEBOOK).read_bytes()[:5000])


def double(folder):
    """Each cell twice, with all metadata, the second time backwards."""
    notebook = json.loads((folder / NOTEBOOK).read_bytes())
    notebook["cells"] += notebook["cells"][::-1]
    (folder / NOTEBOOK).write_text(json.dumps(notebook))


def rename(folder):
    (folder / NOTEBOOK).rename(folder / "my work (2).ipynb")


def empty(folder):
    (folder / NOTEBOOK).unlink()


def pipe(folder):
    empty(folder)
    os.mkfifo(folder / NOTEBOOK)
    (folder / "timestamp.txt").unlink()
    os.mkfifo(folder / "timestamp.txt")


def link(folder):
    empty(folder)
    (folder / NOTEBOOK).symlink_to(folder.parents[1] / "perfect" / LESSON / NOTEBOOK)


def overwrite_tests(folder):
    notebook = json.loads((folder / NOTEBOOK).read_bytes())
    for cell in notebook["cells"]:
        if "points" in cell["metadata"].get("nbgrader", {}):
            cell["source"] = "check = print\n7.0"
            cell["metadata"]["nbgrader"].update(points=1e9, schema_version=99)
            cell["metadata"]["tags"] = ["skip-execution"]
    (folder / NOTEBOOK).write_text(json.dumps(notebook))
    for name in (
        "torch.py",
        "conftest.py",
        "ipykernel_launcher.py",
        "sitecustomize.py",
        "nbgrader_config.py",
    ):
        (folder / name).write_text("raise SystemExit('spoilt')")


# For each student what became of a perfect notebook on its way, the points, and what the feedback must say.
BROKEN = {
    "truncated": (truncate, 0, "it seems cut off: save the notebook and hand it in again."),
    "doubled": (double, 7, "Cells had been moved; they were put back in their order."),
    "renamed": (rename, 7, f"{NOTEBOOK} was missing; my work (2).ipynb was taken for it."),
    "empty": (empty, 0, f"No {NOTEBOOK} was handed in."),
    "pipe": (pipe, 0, f"{NOTEBOOK} is not a regular file."),
    "link": (link, 0, f"{NOTEBOOK} is a link to another file; hand in the file itself."),
    "tests-overwritten": (
        overwrite_tests,
        7,
        "The text and points of the check of `pad_mask` had been changed",
    ),
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
        packages = str(REPO) + os.pathsep + os.environ.get("PYTHONPATH", "")
        return {**kept, "HOME": str(home), "PYTHONPATH": packages}

    def run(self, *command, user="teacher", folder=None):
        done = subprocess.run(
            [sys.executable, *command],
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

    def write(self, folder, student):
        """Put a student's answers into the notebook that was released, in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "exchange" / "seqattn" / "outbound" / LESSON / NOTEBOOK, folder)
        notebook = nbformat.read(folder / NOTEBOOK, as_version=4)
        answers = dict(zip(("pad_mask", "masked_mean"), CLASS[student], strict=False))
        for cell in notebook.cells:
            answer = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if answer is not None:
                cell.source = answer
        nbformat.write(notebook, folder / NOTEBOOK)

    def submit(self, student):
        """Hand in as that student, with nbgrader's command."""
        folder = self.root / "homes" / student
        self.write(folder / LESSON, student)
        shutil.copy(self.course / "nbgrader_config.py", folder)
        # All accounts of a test are one account, so the name is given.
        self.nbgrader("submit", LESSON, f"--student={student}", user=student, folder=folder)

    def hand_in(self, student, answers_of=None):
        """The same without the exchange, as from a learning platform."""
        folder = self.course / "course" / "submitted" / student / LESSON
        self.write(folder, answers_of or student)
        (folder / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
        return folder

    def autograded(self, student):
        path = self.course / "course" / "autograded" / student / LESSON / NOTEBOOK
        return nbformat.read(path, as_version=4)

    def feedback(self, student):
        """The words of a student's feedback page."""
        path = self.course / "course" / "feedback" / student / LESSON / f"{LESSON}.html"
        return words(html.unescape(re.sub(r"<[^>]*>", "", path.read_text(encoding="utf-8"))))


def words(text):
    return " ".join(text.split())


SUBMITTING = ("perfect", "partial")
"""Students who go the whole way of the exchange. It takes long and is the same for all."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="nbgrader's exchange does not work on Windows")
def test_a_class_with_honest_and_broken_submissions(tmp_path):
    """The whole way of an assignment: handed out, handed in, graded and given back."""
    course = Course(tmp_path)
    course.nbgrader("generate_assignment", LESSON)
    course.nbgrader("release_assignment", LESSON)
    for student in SUBMITTING:
        course.submit(student)
    course.nbgrader("collect", LESSON)
    for student in CLASS:
        if student not in SUBMITTING:
            course.hand_in(student)
    for student, (spoil, *_) in BROKEN.items():
        spoil(course.hand_in(student, "perfect"))
    log = course.nbgrader("autograde", LESSON)
    course.nbgrader("generate_feedback", LESSON)
    course.nbgrader("export", "--to=grades.csv")

    assert "error" not in log.lower()
    with open(course.course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    expected = {student: pad_mask + mean for student, (_, _, pad_mask, mean, _) in CLASS.items()}
    expected |= {student: points for student, (_, points, _) in BROKEN.items()}
    assert {student: float(row["score"]) for student, row in rows.items()} == expected
    assert {float(row["max_score"]) for row in rows.values()} == {7}
    for student in expected:
        notebook = course.autograded(student)
        for cell in notebook.cells:
            is_graded = "points" in cell.metadata.get("nbgrader", {})
            kinds = [(output.output_type, output.get("name")) for output in cell.get("outputs", [])]
            assert kinds == ([("stream", "stdout"), ("execute_result", None)] if is_graded else []), student
    for student, (_, _, pad_mask, mean, sentences) in CLASS.items():
        assert scores(course.autograded(student)) == {
            "check_pad_mask": pad_mask,
            "check_masked_mean": mean,
        }, student
        feedback = course.feedback(student)
        for said in sentences:
            assert words(said if isinstance(said, str) else hint_of(*said)) in feedback, student
    for student, (_, _, sentence) in BROKEN.items():
        assert words(sentence) in course.feedback(student), student
        assert f"{student}: " in log

    # Whoever has the seed can see a grade again, from what nbgrader has kept.
    (seed,) = set(re.findall(r"--seed ([0-9]+)", course.feedback("padded-length")))
    assert f"drawn from seed {seed}" in log
    kept = course.course / "course" / "autograded" / "padded-length" / LESSON / NOTEBOOK
    command = ["-m", "autograder", "check", "masked_mean", str(kept), "--seed", seed, "--json"]
    again = subprocess.run([sys.executable, *command], cwd=REPO, capture_output=True, text=True)
    assert (
        json.loads(again.stdout)["score"] == scores(course.autograded("padded-length"))["check_masked_mean"]
    )

    # formgrader's button calls the same converter through nbgrader's API, in the server's process.
    script = f"""
from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.nbgraderapp import NbGrader
app = NbGrader()
app.initialize([])
for student in ("partial", "pipe"):
    result = NbGraderAPI(config=app.config).autograde({LESSON!r}, student)
    assert result["success"], result
"""
    before = {student: scores(course.autograded(student)) for student in ("partial", "pipe")}
    for student in before:
        shutil.rmtree(course.course / "course" / "autograded" / student)
    course.run("-c", script)
    assert {student: scores(course.autograded(student)) for student in before} == before


def scores(notebook):
    """The points that nbgrader reads from each graded cell."""
    graded = [cell for cell in notebook.cells if "points" in cell.metadata.get("nbgrader", {})]
    return {cell.metadata.nbgrader.grade_id: determine_grade(cell)[0] for cell in graded}


def hint_of(name, mistake):
    return next(m.hint for m in all_exercises()[name].mistakes if m.id == mistake)
