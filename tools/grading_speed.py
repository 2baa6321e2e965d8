"""Measure how fast grading is: nbgrader by itself, nbgrader with the sandbox, a whole class, one exercise.

    python tools/grading_speed.py                    about two minutes on two idle cores
    python tools/grading_speed.py --class-size 30    a smaller class

All grade the same notebook: the exercises of lesson 05 and the cells that they need, without the lesson's
figures and training. Every third student has made a mistake. nbgrader by itself runs plain test cells of
asserts; the others put the course's own checks to the answers. The courses are made in a temporary folder and
nothing is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.exercises import find
from autograder.grading import fresh_seed
from autograder.plan import draw
from autograder.report import judge
from autograder.sandbox import Sandbox
from autograder.submission import read_submission

REPO = Path(__file__).resolve().parents[1]
LESSON = "05_additive"
CORE = (
    "pad_mask",
    "masked_softmax",
    "context_vector",
    "dot_scores",
    "additive_scores",
    "bilinear_scores",
    "AdditiveAttention",
    "BilinearAttention",
    "Attention",
)
IMPORTS = "import torch\nfrom torch import nn"

TESTS = {
    "additive_score": """
torch.manual_seed(1)
query, key, W_q, W_k, v = (torch.randn(s) for s in [(3,), (4,), (5, 3), (5, 4), (5,)])
expected = v @ torch.tanh(W_q @ query + W_k @ key)
assert torch.allclose(additive_score(query, key, W_q, W_k, v), expected, atol=1e-5)
""",
    "additive_scores": """
torch.manual_seed(2)
queries, keys, W_q, W_k, v = (torch.randn(s) for s in [(2, 4, 3), (2, 6, 5), (7, 3), (7, 5), (7,)])
expected = torch.tanh((queries @ W_q.T)[:, :, None] + (keys @ W_k.T)[:, None]) @ v
assert torch.allclose(additive_scores(queries, keys, W_q, W_k, v), expected, atol=1e-5)
""",
    "AdditiveAttention": """
torch.manual_seed(3)
module, queries, keys = AdditiveAttention(3, 5, 7), torch.randn(2, 4, 3), torch.randn(2, 6, 5)
context, weights = module(queries, keys, torch.arange(6) < torch.tensor([[6], [4]]))
assert torch.allclose(weights.sum(dim=2), torch.ones(2, 4), atol=1e-5) and not weights[1, :, 4:].any()
assert torch.allclose(context, weights @ keys, atol=1e-5)
""",
}
"""What a teacher would write into the test cells of nbgrader."""

SANDBOXED = "from autograder.nbgrader_plugin import configure\nconfigure(c)\n"


@dataclass(frozen=True)
class Time:
    """How long something took for some submissions."""

    what: str
    submissions: int
    seconds: float

    @property
    def each(self) -> float:
        return self.seconds / self.submissions


def cells() -> list[NotebookNode]:
    """The cells of the lesson that the exercises need, solved, each exercise with the cell that grades it."""
    lesson = nbformat.read(REPO / "solutions" / LESSON / f"{LESSON}.ipynb", as_version=4)
    solved = read_submission(REPO / "solutions" / LESSON / f"{LESSON}.ipynb")
    needed = {source for name in TESTS for _, source in solved.cells_for(name)}
    found = [new_code_cell(IMPORTS)]
    for cell in lesson.cells:
        graded = cell.metadata.get("nbgrader", {}).get("grade")
        if graded or (cell.cell_type == "code" and cell.source in needed and "import" not in cell.source):
            found.append(cell)
    return found


def with_tests(solved: list[NotebookNode]) -> list[NotebookNode]:
    """The same with asserts in the cells that grade."""
    tested = [NotebookNode(cell) for cell in solved]
    for cell in tested:
        cell.source = TESTS.get(_graded_exercise(cell), cell.source)
    return tested


def _graded_exercise(cell: NotebookNode) -> str:
    about = cell.metadata.get("nbgrader", {})
    return about.get("grade_id", "").removeprefix("check_") if about.get("grade") else ""


class Course:
    """A course folder with one assignment that was handed out and a class that has handed it in."""

    def __init__(self, root: Path, solved: list[NotebookNode], config: str, students: int):
        self.root = root
        (root / "nbgrader_config.py").parent.mkdir(parents=True)
        (root / "nbgrader_config.py").write_text(f"c = get_config()\n{config}", encoding="utf-8")
        _write(root / "source" / LESSON / f"{LESSON}.ipynb", solved)
        self.run("-m", "nbgrader", "generate_assignment", LESSON)
        released = nbformat.read(root / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
        answers = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in solved}
        self.students = [f"student{i:03}" for i in range(students)]
        for i, student in enumerate(self.students):
            for cell in released.cells:
                if cell.metadata.get("nbgrader", {}).get("solution"):
                    answer = answers[cell.metadata.nbgrader.grade_id]
                    cell.source = answer.replace("torch.tanh", "torch.sigmoid") if i % 3 == 2 else answer
            _write(root / "submitted" / student / LESSON / f"{LESSON}.ipynb", released.cells)

    def run(self, *command: str) -> float:
        """Run Python with `command` in the course and return the seconds that it took."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG"))}
        # nbgrader calls alembic by its bare name.
        path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
        packages = str(REPO) + os.pathsep + os.environ.get("PYTHONPATH", "")
        environment = {**kept, "HOME": str(home), "PATH": path, "PYTHONPATH": packages}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"`{' '.join(command)}` ended with exit status {done.returncode}:\n{done.stdout}")
        return seconds

    def autograde(self, *options: str) -> float:
        return self.run("-m", "nbgrader", "autograde", LESSON, *options)

    def see_that_all_are_graded(self) -> None:
        graded = {path.parent.parent.name for path in self.root.glob(f"autograded/*/{LESSON}/*.ipynb")}
        if graded != set(self.students):
            sys.exit(f"nbgrader graded {len(graded)} of {len(self.students)} submissions.")


def _write(path: Path, found: list[NotebookNode]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=found, metadata={"kernelspec": kernel}), path)


def import_torch(times: int) -> Time:
    began = time.perf_counter()
    for _ in range(times):
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return Time("`import torch` in a fresh process", times, time.perf_counter() - began)


def nbgrader_alone(root: Path, students: int) -> list[Time]:
    course = Course(root, with_tests(cells()), "", students)
    cold = sum(course.autograde(f"--student={student}") for student in course.students)
    course.see_that_all_are_graded()
    batch = course.autograde("--force")
    return [
        Time("nbgrader by itself, a command for each", students, cold),
        Time("nbgrader by itself, one command for all", students, batch),
    ]


def nbgrader_sandboxed(root: Path, students: int) -> Time:
    course = Course(root, cells(), SANDBOXED, students)
    seconds = course.autograde()
    course.see_that_all_are_graded()
    return Time("nbgrader with the sandbox, one command for all", students, seconds)


def whole_class(root: Path, students: int, workers: int) -> Time:
    course = Course(root, cells(), SANDBOXED, students)
    command = ("-m", "autograder", "grade", "submitted", "--out=results", "--release=release")
    seconds = course.run(*command, f"--workers={workers}")
    with open(root / "results" / "grades.csv", newline="", encoding="utf-8") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    if rows != students:
        sys.exit(f"grades.csv holds {rows} of {students} submissions.")
    return Time(f"`python -m autograder grade`, {workers} at a time", students, seconds)


def table(times: list[Time], cold: Time) -> str:
    lines = [
        "| | submissions | seconds | seconds each | times as fast as nbgrader cold |",
        "| --- " * 5 + "|",
    ]
    for t in times:
        ratio = f"{cold.each / t.each:.1f}"
        lines.append(f"| {t.what} | {t.submissions} | {t.seconds:.1f} | {t.each:.2f} | {ratio} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Costs:
    """What running and judging one right answer costs, in milliseconds: by the clock, of the processor in all
    processes together, and of the processor for the judging alone.
    """

    cases: int
    clock: float
    processor: float
    judging: float


def costs(name: str, sandbox: Sandbox, seed: int, repeat: int) -> Costs:
    exercise = find(name)
    lesson = REPO / "solutions" / exercise.lesson / f"{exercise.lesson}.ipynb"
    answer = read_submission(lesson).cells_for(name)
    plan = draw(exercise, seed)
    report = judge(exercise, plan, sandbox.run(answer, name, plan.cases, notebook=True), seed)
    if not report.perfect:
        sys.exit(f"The lesson's own answer does not pass:\n{report}")
    clock, judging, used = [], 0.0, processor_seconds()
    for _ in range(repeat):
        began = time.perf_counter()
        outcomes = sandbox.run(answer, name, plan.cases, notebook=True)
        ran = time.process_time()
        judge(exercise, plan, outcomes, seed)
        judging += time.process_time() - ran
        clock.append(1000 * (time.perf_counter() - began))
    used = processor_seconds() - used
    return Costs(len(plan.cases), statistics.median(clock), 1000 * used / repeat, 1000 * judging / repeat)


def processor_seconds() -> float:
    """What this process, those it started and theirs have used so far."""
    time.sleep(0.05)  # for the last child to end
    seconds = 0.0
    # What an ended process has used is added to what its parent says, so parents are asked last.
    for process in (*reversed(psutil.Process().children(recursive=True)), psutil.Process()):
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def wait_until_idle() -> None:
    """The fork-server goes on importing, while it has nothing else to do, what lessons use."""
    used = -1.0
    while processor_seconds() - used > 0.02:
        used = processor_seconds()
        time.sleep(0.5)


def exercise_table(repeat: int) -> str:
    """One answer after another, so that no more than one core is at work."""
    torch.set_num_threads(1)
    head = "| exercise | cases | ms by the clock | ms of processor | of these, judging |"
    lines = [head, "| --- " * 5 + "|"]
    with Sandbox() as sandbox:
        sandbox.prove()
        wait_until_idle()
        for name in CORE:
            c = costs(name, sandbox, fresh_seed(), repeat)
            lines.append(f"| `{name}` | {c.cases} | {c.clock:.0f} | {c.processor:.0f} | {c.judging:.1f} |")
    return "\n".join(lines)


def machine() -> str:
    names = ("torch", "nbgrader", "nbconvert", "ipykernel")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--alone", type=int, default=3, metavar="N", help="submissions for nbgrader by itself"
    )
    parser.add_argument("--batch", type=int, default=100, metavar="N", help="for nbgrader with the sandbox")
    parser.add_argument("--class-size", type=int, default=100, metavar="N", help="for `autograder grade`")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="for the same")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="runs of each core exercise")
    args = parser.parse_args(arguments)
    if min(vars(args).values()) < 1:
        parser.error("every number must be 1 or more")
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        bare = import_torch(3)
        cold, together = nbgrader_alone(root / "alone", args.alone)
        sandboxed = nbgrader_sandboxed(root / "sandboxed", args.batch)
        graded = whole_class(root / "class", args.class_size, args.workers)
    print(table([bare, cold, together, sandboxed, graded], cold))
    print(f"\nA right answer to each core exercise, on one core:\n\n{exercise_table(args.repeat)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
