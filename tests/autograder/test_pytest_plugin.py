"""`pytest --submission FILE`, as a program: the checks as items, and no student code in pytest itself."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from autograder.exercises import find

REPO = Path(__file__).parents[2]
INSTALLED = any(point.name == "autograder" for point in entry_points(group="pytest11"))

RIGHT = """
import torch
def dot_scores(queries, keys):
    return queries @ keys.transpose(1, 2)
"""
WRONG = """
open("taken", "a").close()
def test_mine():
    assert True
def dot_scores(queries, keys):
    return queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5
def pad_mask(lengths, max_len):
    raise NotImplementedError("Your code here")
"""
CONFTEST = """
open("taken", "a").close()
def pytest_runtest_makereport(item, call):
    call.excinfo = None
"""


def named(check):
    """What an item calls a check: pytest keeps square brackets for itself."""
    return check.sentence.replace("[", "(").replace("]", ")")


SENTENCES = [named(check) for check in find("dot_scores").checks]


def pytest_in(folder, *arguments):
    """(exit status, output) of pytest in a folder."""
    plugin = [] if INSTALLED else ["-p", "autograder.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def test_right_answers_pass(tmp_path):
    (tmp_path / "answer.py").write_text(RIGHT)
    status, output = pytest_in(tmp_path, "--submission", "answer.py", "-v")
    assert status == 0, output
    for sentence in SENTENCES:
        assert f"answer.py::dot_scores::{sentence} PASSED" in output
    assert f"{len(SENTENCES)} passed" in output


def test_wrong_and_untouched_answers_fail_and_nothing_beside_them_is_loaded(tmp_path):
    """The file has a test's name and hostile company, and lies where pytest is started."""
    (tmp_path / "test_mine.py").write_text(WRONG)
    for name in ("conftest.py", "torch.py", "secrets.py", "__init__.py"):
        (tmp_path / name).write_text(CONFTEST)
    status, output = pytest_in(tmp_path, "--submission", "test_mine.py", "-v", "--junitxml=report.xml")
    assert status == 1, output
    assert not (tmp_path / "taken").exists()
    assert "Traceback" not in output
    assert "autograder/" not in output

    cases = list(ElementTree.parse(tmp_path / "report.xml").getroot().iter("testcase"))
    failures = {(case.get("classname"), case.get("name")): case.find("failure") for case in cases}
    asked = [("test_mine.dot_scores", sentence) for sentence in SENTENCES]
    asked += [("test_mine.pad_mask", named(check)) for check in find("pad_mask").checks]
    assert sorted(failures) == sorted(asked)

    untouched = [failure for (place, _), failure in failures.items() if place == "test_mine.pad_mask"]
    assert {failure.text for failure in untouched} == {"Not attempted yet."}
    assert failures["test_mine.dot_scores", SENTENCES[0]] is None  # the shape is right
    told = failures["test_mine.dot_scores", SENTENCES[1]].text
    assert "should be" in told.splitlines()[0]
    for title in ("What was asked:", "The smallest case on which it fails:", "What this looks like:"):
        assert title in told
    scaling = next(m for m in find("dot_scores").mistakes if m.id == "needless-scaling")
    assert scaling.hint in told


def test_items_are_chosen_and_stopped_as_usual(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    status, output = pytest_in(tmp_path, "--submission", "wrong.py", "-k", "dot_scores", "-x", "-q")
    assert status == 1
    assert "1 failed, 1 passed" in output
    assert "deselected" in output


def test_collecting_only_runs_nothing(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "right.py").write_text(RIGHT)
    status, output = pytest_in(
        tmp_path, "--submission", "wrong.py", "--submission", "right.py", "--collect-only", "-q"
    )
    assert status == 0
    assert f"right.py::dot_scores::{SENTENCES[0]}" in output
    assert f"wrong.py::dot_scores::{SENTENCES[0]}" in output


def test_a_broken_file_fails_with_the_line(tmp_path):
    (tmp_path / "broken.py").write_text("def dot_scores(queries:\n    pass\n")
    status, output = pytest_in(tmp_path, "--submission", "broken.py")
    assert status == 1
    assert "Line 1 is not valid Python: '(' was never closed." in output
    assert f"{len(SENTENCES)} failed" in output


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.py", "ERROR: There is no file "),
        ("plain.py", "plain.py defines no exercise of the course."),
        ("broken.ipynb", "ERROR: broken.ipynb is not valid JSON: "),
    ],
)
def test_files_without_an_exercise_are_a_usage_error(tmp_path, name, sentence):
    (tmp_path / "plain.py").write_text("def something():\n    pass\n")
    (tmp_path / "broken.ipynb").write_text("{")
    status, output = pytest_in(tmp_path, "--submission", name, "-q")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert sentence in output
    assert "Traceback" not in output


def test_without_the_option_tests_are_collected_as_ever(tmp_path):
    (tmp_path / "test_plain.py").write_text(
        "import sys\n"
        "def test_light():\n"
        "    assert 'torch' not in sys.modules\n"
        "    assert 'autograder.pytest_plugin' in sys.modules\n"
    )
    (tmp_path / "conftest.py").write_text("open('loaded', 'w').close()\n")
    status, output = pytest_in(tmp_path)
    assert status == 0, output
    assert "1 passed" in output
    assert (tmp_path / "loaded").exists()


@pytest.mark.slow
def test_a_hostile_answer_fails_its_items(tmp_path):
    (tmp_path / "hostile.py").write_text(
        "import os\n"
        "def dot_scores(q, k):\n    os._exit(0)\n"
        "def pad_mask(n, size):\n    while True:\n        pass\n"
    )
    status, output = pytest_in(tmp_path, "--submission", "hostile.py")
    assert status == 1
    assert "ended by itself before it had given all results" in output
    assert "It was stopped after 20 seconds. Look for a loop that never ends." in output


@pytest.mark.slow
def test_under_xdist(tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "wrong.py").write_text(WRONG)
    status, output = pytest_in(tmp_path, "--submission", "wrong.py", "-n2", "-q")
    assert status == 1
    assert f"{len(SENTENCES) + len(find('pad_mask').checks) - 1} failed, 1 passed" in output
    assert "Not attempted yet." in output
