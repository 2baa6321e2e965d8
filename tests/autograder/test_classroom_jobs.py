"""One submission as a result: points, notes, reasons, and how long a hang is waited for."""

import contextlib
import dataclasses
import json
import pickle
import tempfile
from pathlib import Path

import pytest

from autograder.classroom import jobs
from autograder.classroom.jobs import Job, failed, grade_one, versions
from autograder.classroom.pool import PoolError
from autograder.classroom.student_page import student_page
from autograder.released import released_notebooks
from autograder.sandbox import Limits, Outcome, Raised, SandboxError
from autograder.sandbox.perform import load, perform

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
SEED = 11

PAD_MASK = "def pad_mask(lengths, max_len):\n    return torch.arange(max_len)[None] < lengths[:, None]"
MASKED_MEAN = (
    "def masked_mean(x, mask):\n    x = x.masked_fill(~mask[..., None], 0)\n"
    "    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1).to(x.dtype)"
)
ENDLESS = "import torch\nwhile True:\n    pass\n"


class NoWall:
    """Stands for the sandbox and runs the answer right here, but for cells that never end."""

    stamp = "Not tamper-proof: there are no walls."

    def __init__(self):
        self.ran = []

    def run(self, cells, entry, cases, notebook):
        self.ran.append(entry)
        for name, source in cells:
            if "while True" in source:
                return [Outcome((Raised("TimeLimit", f"{name} was stopped.", "limit", place=name),))] * len(
                    cases
                )
        namespace = {"__name__": "__main__" if notebook else "submission"}
        if failure := load(cells, entry, namespace):
            return [Outcome((failure,))] * len(cases)
        return list(perform(namespace[entry], cases))


@pytest.fixture(scope="module")
def released():
    return released_notebooks(REPO / "notebooks")


@pytest.fixture
def sandbox():
    return NoWall()


def submission(**answers):
    """The released notebook with some of its cells replaced, by the cell's id."""
    notebook = json.loads((REPO / f"notebooks/{LESSON}/{LESSON}.ipynb").read_text())
    for cell in notebook["cells"]:
        if cell["id"] in answers:
            cell["source"] = answers[cell["id"]]
    return json.dumps(notebook).encode()


def job(data, file="submitted/alice/x.ipynb", assignment=LESSON):
    return Job("alice", assignment, file, data, "2026-03-01T12:00:00+00:00", ("A note.",))


def test_a_result_says_all_there_is_to_say(released, sandbox):
    data = submission(pad_mask=PAD_MASK.replace("<", "<="), masked_mean=MASKED_MEAN)
    result = grade_one(job(data), SEED, sandbox, released)
    assert list(result) == [
        *("format", "student", "assignment", "file", "sha256", "submitted_at", "status", "reason", "score"),
        *("max_score", "seed", "notes", "stamp", "graded_at", "versions", "exercises"),
    ]
    assert (result["status"], result["reason"], result["seed"]) == ("graded", None, SEED)
    assert (result["score"], result["max_score"]) == (5, 7)
    assert result["stamp"] == sandbox.stamp
    assert result["notes"][0] == "A note."
    assert result["versions"] == versions()
    pad_mask, masked_mean = result["exercises"]
    assert (pad_mask["grade_id"], pad_mask["points"], pad_mask["max_points"]) == ("check_pad_mask", 1, 3)
    assert pad_mask["report"]["diagnosis"]["id"] and "pad_mask: 1 of 3 points" in pad_mask["text"]
    assert masked_mean["points"] == masked_mean["max_points"] == 4
    assert json.loads(json.dumps(result)) == result
    assert result["sha256"] == job(data).sha256


def test_the_same_bytes_and_seed_give_the_same_result(released, sandbox):
    data = submission(pad_mask=PAD_MASK.replace("<", "<="))
    once, again = (
        grade_one(pickle.loads(pickle.dumps(job(data))), SEED, sandbox, released) for _ in range(2)
    )
    assert {**once, "graded_at": ""} == {**again, "graded_at": ""}


def test_a_stub_and_a_valid_notebook_without_answers_are_graded_0(released, sandbox):
    letter = {"cell_type": "markdown", "id": "letter", "metadata": {}, "source": "I was ill."}
    other = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [letter]}).encode()
    for data in (submission(), other):
        result = grade_one(job(data), SEED, sandbox, released)
        assert (result["status"], result["score"], result["max_score"]) == ("graded", 0, 7)
    assert all(
        "not attempted" in e["text"]
        for e in grade_one(job(submission()), SEED, sandbox, released)["exercises"]
    )


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\x00", b"[1]", b"null"])
def test_what_cannot_be_read_at_all_is_failed_with_one_sentence(released, sandbox, data):
    result = grade_one(job(data), SEED, sandbox, released)
    assert (result["status"], result["score"], result["max_score"]) == ("failed", 0, 7)
    assert result["exercises"] == [] and result["reason"].endswith(".") and "\n" not in result["reason"]
    assert sandbox.ran == []


def test_a_python_file_is_graded_as_it_stands(released, sandbox):
    source = f"import torch\n{PAD_MASK}\nif __name__ == '__main__':\n    raise SystemExit\n{MASKED_MEAN}\n"
    result = grade_one(job(source.encode(), "alice.py"), SEED, sandbox, released)
    assert (result["score"], result["notes"]) == (7, ["A note."])
    latin = grade_one(
        job(b"# -*- coding: latin-1 -*-\n# \xe9\n" + source.encode(), "a.py"), SEED, sandbox, released
    )
    assert latin["score"] == 7
    for data in (b"# \xe9", b"# coding: no-such\n"):
        result = grade_one(job(data, "alice.py"), SEED, sandbox, released)
        assert result["reason"] == "alice.py is not UTF-8 text, nor in an encoding that it declares."
    huge = grade_one(job(b"#" * 1_000_001, "alice.py"), SEED, sandbox, released)
    assert huge["reason"] == "alice.py holds more than 1,000,000 characters of code."


def test_a_cell_that_never_ends_is_waited_for_once(released, sandbox):
    first = next(c["id"] for c in released[LESSON].notebook.cells if c.cell_type == "code")
    uses_it_too = MASKED_MEAN.replace("return ", "return torch.ones(()) * ")
    data = submission(**{first: ENDLESS}, pad_mask=PAD_MASK, masked_mean=uses_it_too)
    result = grade_one(job(data), SEED, sandbox, released)
    assert (sandbox.ran, result["score"]) == (["pad_mask"], 0)
    messages = {check["message"] for e in result["exercises"] for check in e["report"]["checks"]}
    assert len(messages) == 1 and "was stopped." in messages.pop()
    grade_one(job(submission(pad_mask=PAD_MASK)), SEED, sandbox, released)
    assert sandbox.ran[1:] == ["pad_mask", "masked_mean"]


def test_a_hang_of_one_exercise_costs_no_other(released, sandbox):
    data = submission(pad_mask=PAD_MASK + "\nwhile True: pass", masked_mean=MASKED_MEAN)
    result = grade_one(job(data), SEED, sandbox, released)
    assert sandbox.ran == ["pad_mask", "masked_mean"]
    assert [e["points"] for e in result["exercises"]] == [0, 4]


def test_an_answer_that_hangs_when_it_is_called_costs_no_other(released, sandbox):
    class Hangs(NoWall):
        def run(self, cells, entry, cases, notebook):
            if entry == "pad_mask":
                return [Outcome((Raised("TimeLimit", "It was stopped.", "limit"),))] * len(cases)
            return super().run(cells, entry, cases, notebook)

    source = f"import torch\n{PAD_MASK}\n{MASKED_MEAN}\n".encode()
    result = grade_one(job(source, "alice.py"), SEED, Hangs(), released)
    assert [e["points"] for e in result["exercises"]] == [0, 4]


def test_a_failed_result_has_the_points_that_were_to_be_had(released):
    known = failed(job(None), "It is\na link\x1b.", SEED, released)
    assert (known["reason"], known["sha256"], known["max_score"]) == (
        "It is a link\N{REPLACEMENT CHARACTER}.",
        None,
        7,
    )
    assert failed(job(None, assignment="unknown"), "Why.", SEED, released)["max_score"] == 0


# ---- its page


def test_the_page_says_score_seed_and_how_to_recompute(released, sandbox):
    data = submission(pad_mask=PAD_MASK.replace("<", "<="), masked_mean=MASKED_MEAN)
    page = student_page(grade_one(job(data, "my work/x.ipynb"), SEED, sandbox, released))
    assert "alice: 5 of 7 points" in page
    assert "python -m autograder check pad_mask &#39;my work/x.ipynb&#39; --seed 11" in page
    assert "A note." in page and sandbox.stamp in page
    assert "What this looks like" in page and "all checks pass" in page


def test_the_page_needs_nothing_else_and_reads_in_light_and_dark(released, sandbox):
    page = student_page(grade_one(job(submission(pad_mask=PAD_MASK)), SEED, sandbox, released))
    assert "<script" not in page and "http://" not in page and "https://" not in page and "url(" not in page
    assert "color-scheme: light dark" in page


def test_the_page_escapes_whatever_a_student_wrote(released, sandbox):
    evil = "<img src=x onerror=alert(1)>&\x1b\ud800"
    raising = f"def pad_mask(lengths, max_len):\n    raise ValueError({evil!r})"
    made = grade_one(job(submission(pad_mask=raising)), SEED, sandbox, released)
    result = {**made, "student": evil, "assignment": evil, "file": evil, "notes": [evil], "stamp": evil}
    for page in (student_page(result), student_page({**result, "reason": evil, "status": "failed"})):
        assert "<img" not in page and "&lt;img" in page
        assert "\x1b" not in page
        page.encode()


def test_the_page_of_a_failed_one_says_why(released):
    page = student_page(failed(job(None), "The file is a link.", SEED, released))
    assert "alice: not graded" in page and "The file is a link." in page
    assert "autograder check" not in page


# ---- in a process of its own


def test_a_process_refuses_exercises_that_are_not_known(released, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "Sandbox", lambda limits, allow_unsafe: contextlib.nullcontext(NoWall()))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    question = dataclasses.replace(released[LESSON].questions[0], exercise="pad_maks")
    other = {LESSON: dataclasses.replace(released[LESSON], questions=(question,))}
    with (
        pytest.raises(PoolError, match=r"^00_start_here\.ipynb asks for what is not known: .*pad_mask"),
        jobs.grader(SEED, Limits(), False, other, str(tmp_path)),
    ):
        pass


def test_a_process_ends_with_one_sentence_when_the_walls_do_not_stand(released, monkeypatch, tmp_path):
    class Fallen(NoWall):
        def prove(self):
            raise SandboxError("The sandbox's walls do not stand.")

    monkeypatch.setattr(jobs, "Sandbox", lambda limits, allow_unsafe: contextlib.nullcontext(Fallen()))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    with (
        pytest.raises(PoolError, match=r"^The sandbox's walls do not stand\.$"),
        jobs.grader(SEED, Limits(), False, released, str(tmp_path)),
    ):
        pass
