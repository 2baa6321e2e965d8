"""Every lesson runs from top to bottom: solved with full marks, untouched with 0 and without an error."""

import importlib.util
import re
import sys

import matplotlib
import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from autograder import notebook
from autograder.exercises import all_exercises
from autograder.record import Record

from .conftest import REPO, execute


def _tools():
    spec = importlib.util.spec_from_file_location("lessons", REPO / "tools" / "lessons.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tools = _tools()
LESSONS = tools.all_lessons()
# These train for a minute. With their solutions they are run by a kernel alone, in the slow tests.
LONG = ("02_gradient_flow", "03_bottleneck", "07_attention_decoder")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQATTN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(notebook, "_record", Record())


@pytest.fixture(scope="session")
def untouched(tmp_path_factory):
    """The learner's form of every lesson, made from its source. Another test holds notebooks/ to it."""
    folder = tmp_path_factory.mktemp("notebooks")
    tools.generate(LESSONS, folder)
    return folder


def read(folder, slug):
    return nbformat.read(folder / slug / f"{slug}.ipynb", as_version=4)


def graded(lesson):
    """(exercise, cell) for each autograded cell."""
    for cell in lesson.cells:
        metadata = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and metadata.get("grade") and not metadata.get("solution"):
            yield all_exercises()[metadata["grade_id"].removeprefix("check_")], cell


# ---------------------------------------------------------------- what a lesson grades


@pytest.mark.parametrize("slug", LESSONS)
def test_a_lesson_grades_all_its_exercises_and_no_others(slug):
    its_own = [exercise.name for exercise in all_exercises().values() if exercise.lesson == slug]
    assert sorted(exercise.name for exercise, _ in graded(read(REPO / "solutions", slug))) == sorted(its_own)


@pytest.mark.parametrize("slug", LESSONS)
def test_a_graded_cell_checks_its_exercise_for_its_points(slug):
    for exercise, cell in graded(read(REPO / "solutions", slug)):
        assert cell.metadata.nbgrader.grade_id == f"check_{exercise.name}"
        assert cell.metadata.nbgrader.points == exercise.max_score
        assert cell.source == f"check({exercise.name})"


# ---------------------------------------------------------------- in one process, every day


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """IPython in this process, and everything that a lesson may change put back after it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    main, state, dtype = sys.modules["__main__"], torch.get_rng_state(), torch.get_default_dtype()
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    torch.set_rng_state(state)
    torch.set_default_dtype(dtype)


def run(shell, lesson):
    """Run all code cells. Returns the points and the text of each check by its exercise's name."""
    checks = {id(cell): exercise for exercise, cell in graded(lesson)}
    found = {}
    for cell in lesson.cells:
        if cell.cell_type != "code":
            continue
        with capture_output() as captured:
            result = shell.run_cell(cell.source)
        assert result.success, f"{result.error_in_exec or result.error_before_exec!r} in:\n{cell.source}"
        if exercise := checks.get(id(cell)):
            found[exercise.name] = (result.result, captured.outputs[0].data["text/plain"])
    return found


@pytest.mark.parametrize("slug", [slug for slug in LESSONS if slug not in LONG])
def test_a_solved_lesson_gets_full_marks(slug, shell):
    lesson = read(REPO / "solutions", slug)
    found = run(shell, lesson)
    assert {name: points for name, (points, _) in found.items()} == {
        e.name: e.max_score for e, _ in graded(lesson)
    }


@pytest.mark.parametrize("slug", LESSONS)
def test_an_untouched_lesson_runs_and_gets_nothing(slug, shell, untouched):
    lesson = read(untouched, slug)
    found = run(shell, lesson)
    assert found.keys() == {exercise.name for exercise, _ in graded(lesson)}
    for name, (points, text) in found.items():
        assert points == 0
        assert text.startswith(f"{name}: not attempted yet (0 of ")


# ---------------------------------------------------------------- with a real kernel


def checked(lesson):
    """The outputs of each check by its exercise's name."""
    return {exercise.name: cell.outputs for exercise, cell in graded(lesson)}


@pytest.mark.slow
@pytest.mark.parametrize("slug", LESSONS)
def test_a_solved_lesson_gets_full_marks_in_a_kernel(slug, executed):
    lesson = executed(slug)
    outputs = checked(lesson)
    for exercise, _ in graded(lesson):
        report, points = outputs[exercise.name]
        assert report.data["text/html"].startswith("<div")
        assert float(points.data["text/plain"]) == exercise.max_score


@pytest.mark.slow
@pytest.mark.parametrize("slug", LESSONS)
def test_an_untouched_lesson_runs_in_a_kernel(slug, kernel, untouched, tmp_path):
    lesson = execute(read(untouched, slug), tmp_path)
    outputs = checked(lesson)
    for exercise, _ in graded(lesson):
        report, points = outputs[exercise.name]
        assert report.data["text/plain"].startswith(f"{exercise.name}: not attempted yet")
        assert points.data["text/plain"] == "0.0"
    # A cell that waits says so. Nothing goes to stderr.
    streams = [
        output
        for cell in lesson.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    assert any(re.search(r"^This cell waits for \w+\.", output.text, re.M) for output in streams)
    assert [output.text for output in streams if output.name == "stderr"] == []
