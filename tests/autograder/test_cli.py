"""The command line: exit status, text, JSON, and no traceback of ours whatever the files hold."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.cli import main
from autograder.exercises import all_exercises
from autograder.sandbox import Limits, Sandbox, SandboxError

REPO = Path(__file__).parents[2]

RIGHT = """
import torch
def dot_scores(queries, keys):
    return queries @ keys.transpose(1, 2)
"""
WRONG = """
def dot_scores(queries, keys):
    return queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5
"""
HOSTILE = """
import os, sys, warnings
print('{"file": "mine", "score": 99}')
warnings.warn("look at me")
def dot_scores(queries, keys):
    print("out"); print("err", file=sys.stderr); os.write(1, b"raw"); os.write(2, b"raw")
    raise RuntimeError("\\x1b[2J gone")
"""
ENDLESS = "def dot_scores(queries, keys):\n    while True:\n        pass\n"
FILES = {
    "right.py": RIGHT,
    "wrong.py": WRONG,
    "hostile.py": HOSTILE,
    "untouched.py": "def dot_scores(queries, keys):\n    raise NotImplementedError('Your code here')\n",
    "broken.py": "def dot_scores(queries, keys:\n    return queries\n",
    "misnamed.py": "def dot_score(queries, keys):\n    return queries\n",
    "arity.py": "def dot_scores(queries):\n    return queries\n",
    "exits.py": "import os\nos._exit(0)\ndef dot_scores(queries, keys):\n    pass\n",
    "cut.ipynb": '{"cells": [',
}


def notebook(*sources):
    cells = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(Limits(wall_s=5, cpu_s=5)) as sandbox:
        yield sandbox


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name, source in FILES.items():
        (tmp_path / name).write_text(source)
    cells = (
        "%matplotlib inline\nimport torch",
        "while True: pass",
        "check(dot_scores)",
        RIGHT,
        "def other(:",
    )
    (tmp_path / "right.ipynb").write_text(notebook(*cells))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(sandbox, capsys, *arguments):
    """(exit status, standard output, standard error) of `check dot_scores`."""
    status = main(["check", "dot_scores", *arguments], sandbox)
    out, err = capsys.readouterr()
    return status, out, err


def test_json_is_one_object_a_file_in_order(files, sandbox, capsys):
    names = [*FILES, "right.ipynb", "missing.py", str(files)]
    status, out, err = check(sandbox, capsys, "--json", *names)
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 2
    assert [f["file"] for f in found] == names
    assert {f["exercise"] for f in found} == {"dot_scores"}
    assert len({f["max_score"] for f in found}) == 1
    by_name = {f["file"]: f for f in found}
    best = found[0]["max_score"]

    for name in ("right.py", "right.ipynb"):
        assert by_name[name]["score"] == best
        assert by_name[name]["diagnosis"] is None
        assert all(c["passed"] and c["message"] == "" for c in by_name[name]["checks"])
    assert list(by_name["right.py"]) == ["file", "exercise", "score", "max_score", "checks", "diagnosis"]
    assert list(by_name["right.py"]["checks"][0]) == ["name", "passed", "points", "message"]

    assert 0 < by_name["wrong.py"]["score"] < best
    assert by_name["wrong.py"]["diagnosis"]["id"] in {m.id for m in all_exercises()["dot_scores"].mistakes}
    assert by_name["wrong.py"]["diagnosis"]["message"]

    sentences = {
        "hostile.py": "It raised RuntimeError at line 7",
        "untouched.py": "Not attempted yet.",
        "broken.py": "Line 1 is not valid Python: '(' was never closed.",
        "misnamed.py": "misnamed.py defines no `dot_scores`: it defines `dot_score`; rename it.",
        "arity.py": "It is called with 2 arguments, but its own signature is `(queries)`.",
        "exits.py": "ended by itself before it had given all results (exit status 0).",
    }
    for name, sentence in sentences.items():
        assert by_name[name]["score"] == 0
        assert "error" not in by_name[name]
        assert not any(c["passed"] for c in by_name[name]["checks"])
        assert {sentence in c["message"] for c in by_name[name]["checks"]} == {True}

    failed = {
        "cut.ipynb": "not valid JSON",
        "missing.py": "There is no file missing.py.",
        str(files): "is a folder",
    }
    for name, sentence in failed.items():
        assert by_name[name]["score"] == 0
        assert by_name[name]["max_score"] == best
        assert by_name[name]["checks"] == []
        assert by_name[name]["diagnosis"] is None
        assert sentence in by_name[name]["error"]
    assert err.splitlines() == [by_name[name]["error"] for name in failed]


def test_text_of_several_files_is_headed_by_their_names(files, sandbox, capsys):
    status, out, err = check(sandbox, capsys, "right.py", "wrong.py", "hostile.py")
    assert (status, err) == (1, "")
    lines = out.splitlines()
    places = [lines.index(name) for name in ("right.py", "wrong.py", "hostile.py")]
    assert places == sorted(places)
    assert all(lines[place + 1].startswith("dot_scores: ") for place in places)
    assert "What this looks like:" in lines[places[1] : places[2]]
    assert "\x1b" not in out
    assert "\N{REPLACEMENT CHARACTER}[2J gone" in out
    assert "look at me" not in out


def test_full_marks_are_exit_status_0(files, sandbox, capsys):
    status, out, err = check(sandbox, capsys, "right.py")
    assert (status, err) == (0, "")
    assert out.startswith("dot_scores: ")
    assert "FAIL" not in out


def test_not_attempted_is_exit_status_1(files, sandbox, capsys):
    status, out, err = check(sandbox, capsys, "untouched.py")
    assert (status, err) == (1, "")
    assert out.startswith("dot_scores: not attempted yet (0 of ")


def test_a_file_that_cannot_be_read_is_exit_status_2_and_one_line(files, sandbox, capsys):
    assert check(sandbox, capsys, "missing.py") == (2, "", "There is no file missing.py.\n")


def test_a_strange_file_name_stays_one_line(files, sandbox, capsys):
    assert check(sandbox, capsys, "a\nb\x1b.py") == (
        2,
        "",
        "There is no file a b\N{REPLACEMENT CHARACTER}.py.\n",
    )


def test_the_same_seed_draws_the_same_cases(files, sandbox, capsys):
    once, again, other = (check(sandbox, capsys, "--json", "--seed", s, "wrong.py") for s in ("7", "7", "-8"))
    assert once == again
    assert once[1] != other[1]


def test_without_a_seed_the_cases_differ(files, sandbox, capsys):
    assert check(sandbox, capsys, "--json", "wrong.py") != check(sandbox, capsys, "--json", "wrong.py")


def test_an_unknown_exercise_is_one_line_and_exit_status_2(files, sandbox, capsys):
    assert main(["check", "dot_score", "right.py", "--json"], sandbox) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "did you mean 'dot_scores'" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["check"],
        ["check", "dot_scores"],
        ["grow"],
        ["check", "dot_scores", "a.py", "--time-limit", "0"],
        ["check", "dot_scores", "a.py", "--time-limit", "nan"],
        ["check", "dot_scores", "a.py", "--seed", "x"],
    ],
)
def test_bad_usage_is_exit_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_exercises_lists_every_exercise(capsys):
    assert main(["exercises"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(name, lesson) for name, lesson, *_ in lines] == [
        (e.name, e.lesson) for e in all_exercises().values()
    ]
    assert [float(line[2]) for line in lines] == [e.max_score for e in all_exercises().values()]


def test_misconceptions_lists_every_mistake_once_with_its_exercises(capsys):
    assert main(["misconceptions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: set(line.split(maxsplit=1)[1].split(", ")) for line in lines}
    assert len(listed) == len(lines)
    for exercise in all_exercises().values():
        for mistake in exercise.mistakes:
            assert exercise.name in listed[mistake.id]
    assert sum(map(len, listed.values())) == sum(
        len({m.id for m in e.mistakes}) for e in all_exercises().values()
    )


def test_a_sandbox_that_fails_is_said_and_stops_no_other_file(files, sandbox, capsys):
    class Failing:
        def run(self, cells, *args, **more):
            if "** 0.5" in cells[0][1]:
                raise SandboxError("The sandbox process did not start: no memory.")
            return sandbox.run(cells, *args, **more)

    status, out, err = check(Failing(), capsys, "--json", "wrong.py", "right.py")
    failed, graded = map(json.loads, out.splitlines())
    assert status == 2
    assert failed["error"] == "The sandbox process did not start: no memory."
    assert err == failed["error"] + "\n"
    assert graded["score"] == graded["max_score"] == failed["max_score"]


# ---- as a program


def start(*arguments, cwd, **more):
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "autograder", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, **pipes, **more)


def test_modules_beside_the_answers_are_not_imported(files):
    """`python -m` looks in the current folder first, where a student's torch.py may lie."""
    for name in ("torch.py", "json.py", "argparse.py", "secrets.py", "safetensors.py"):
        (files / name).write_text("open('taken', 'w')\n" + RIGHT)
    process = start("check", "dot_scores", "wrong.py", "torch.py", "--json", cwd=files)
    out, err = process.communicate(timeout=120)
    assert err == ""
    assert process.returncode == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == ["wrong.py", "torch.py"]
    assert not (files / "taken").exists()


def test_a_reader_that_leaves_is_no_error(files):
    process = start("misconceptions", cwd=files)
    process.stdout.close()
    assert process.wait(timeout=120) == 141
    assert process.stderr.read() == ""


@pytest.mark.slow
def test_an_interrupt_ends_with_one_line(files):
    (files / "endless.py").write_text(ENDLESS)
    process = start("check", "dot_scores", "endless.py", "endless.py", "endless.py", cwd=files)
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out, err) == (130, "", "Interrupted.\n")


@pytest.mark.slow
def test_the_time_limit_can_be_set(files):
    (files / "endless.py").write_text(ENDLESS)
    process = start("check", "dot_scores", "endless.py", "--time-limit", "0.5", cwd=files)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    assert "It was stopped after 0.5 seconds. Look for a loop that never ends." in out
