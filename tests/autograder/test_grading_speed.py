"""The notebook that tools/grading_speed.py has graded: its plain tests tell right from wrong, too."""

import importlib.util
import sys
from pathlib import Path

import pytest

from autograder.exercises import find

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def grading_speed(monkeypatch):
    spec = importlib.util.spec_from_file_location("grading_speed_script", TOOLS / "grading_speed.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def run(cells):
    """The exercises whose test fails."""
    namespace, failed = {}, []
    for cell in cells:
        try:
            exec(cell.source, namespace)
        except AssertionError:
            failed.append(cell.metadata.nbgrader.grade_id.removeprefix("check_"))
    return failed


def test_the_notebook_holds_every_exercise_of_the_lesson(grading_speed):
    graded = [name for cell in grading_speed.cells() if (name := grading_speed._graded_exercise(cell))]
    assert graded == list(grading_speed.TESTS)
    assert {find(name).lesson for name in graded} == {grading_speed.LESSON}


def test_right_answers_pass_the_plain_tests_and_the_others_fail_some(grading_speed):
    cells = grading_speed.with_tests(grading_speed.cells())
    assert run(cells) == []
    for cell in cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = cell.source.replace("torch.tanh", "torch.sigmoid")
    assert run(cells) == ["additive_score", "additive_scores"]


def test_every_number_is_at_least_one(grading_speed, capsys):
    with pytest.raises(SystemExit):
        grading_speed.main(["--batch=0"])
    assert "every number must be 1 or more" in capsys.readouterr().err
