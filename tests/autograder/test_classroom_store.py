"""The folder of results: whole whenever the grader is killed, and safe whatever students are called."""

import csv
import json
import os
from pathlib import Path

import pytest

from autograder.classroom import store as store_module
from autograder.classroom.jobs import Job, failed, versions
from autograder.classroom.names import csv_cell, file_stem, one_line, printable_name, report_stem
from autograder.classroom.store import COLUMNS, Store, StoreError

GIVEN = {"seed": 5, "time_limit": None, "allow_unsafe": None, "release": {"hw": "0f"}}
USUAL = {"seed": 1, "time_limit": 20.0, "allow_unsafe": False}


def result(student, score=1.0, assignment="hw", data=b"x", **more):
    """A result as `grade_one` gives it."""
    made = failed(Job(student, assignment, f"{student}.ipynb", data), "Why.", GIVEN["seed"], {})
    return {**made, "status": "graded", "reason": None, "score": score, "max_score": 2.0, **more}


def open_store(folder, resume=False, **given):
    return Store(Path(folder), {**GIVEN, **given}, USUAL, resume)


def logged(folder):
    """The lines of the log that are whole."""
    found = []
    for line in (Path(folder) / "log.jsonl").read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def table(folder):
    with open(Path(folder) / "grades.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- what it holds


def test_everything_is_where_it_should_be(tmp_path):
    with open_store(tmp_path / "out") as store:
        store.save(result("bob", 2.0))
        store.save(result("alice", 1 / 3, assignment="b"))
        store.save(failed(Job("carol", "hw", "c.ipynb", None), "It is a link.", 5, {}))
        store.summarise()
    out = tmp_path / "out"
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        *("grades.csv", "index.html", "log.jsonl"),
        *("reports/b/alice.html", "reports/b/alice.json", "reports/hw/bob.html", "reports/hw/bob.json"),
        *("reports/hw/carol.html", "reports/hw/carol.json", "run.json"),
    ]
    rows = table(out)
    assert list(rows[0]) == list(COLUMNS)
    assert [
        (r["student"], r["assignment"], r["status"], r["score"], r["max_score"], r["reason"]) for r in rows
    ] == [
        ("alice", "b", "graded", "0.3333333333", "2", ""),
        ("bob", "hw", "graded", "2", "2", ""),
        ("carol", "hw", "failed", "0", "0", "It is a link."),
    ]
    assert [(line["student"], line["status"], line["seed"]) for line in logged(out)] == [
        ("bob", "graded", 5),
        ("alice", "graded", 5),
        ("carol", "failed", 5),
    ]
    assert logged(out)[0]["versions"] == versions()
    run = json.loads((out / "run.json").read_text())
    assert (run["seed"], run["time_limit"], run["allow_unsafe"], run["release"]) == (
        5,
        20.0,
        False,
        {"hw": "0f"},
    )


def test_a_report_holds_no_html_of_its_own(tmp_path):
    exercise = {
        "grade_id": "check_x",
        "points": 1.0,
        "max_points": 2.0,
        "report": {"exercise": "x"},
        "text": "x: 1",
    }
    with open_store(tmp_path) as store:
        store.save(result("bob", exercises=[{**exercise, "html": "<p>one</p>"}]))
    assert json.loads((tmp_path / "reports/hw/bob.json").read_text())["exercises"] == [exercise]
    assert "<p>one</p>" in (tmp_path / "reports/hw/bob.html").read_text()


# ---- going on


def test_what_was_graded_is_not_graded_again(tmp_path):
    same, other = result("bob")["sha256"], result("bob", data=b"y")["sha256"]
    with open_store(tmp_path) as store:
        store.save(result("bob"))
        store.save(failed(Job("carol", "hw", "c.ipynb", b"x"), "Lost.", 5, {}))
        store.save(result("dave", seed=6))
        assert store.has("bob", "hw", same)
    with open_store(tmp_path, resume=True) as store:
        assert store.has("bob", "hw", same)
        assert not store.has("bob", "hw", other)
        assert not store.has("bob", "b", same)
        assert not store.has("carol", "hw", same)
        assert not store.has("dave", "hw", same)
        assert not store.has("eve", "hw", same)


@pytest.mark.parametrize("torn", [b"", b"{", b"null", b"[]", b'{"format": 1}', b"\xff", b"[" * 100_000])
def test_a_report_that_is_not_whole_counts_as_none(tmp_path, torn):
    with open_store(tmp_path) as store:
        store.save(result("bob"))
    (tmp_path / "reports/hw/bob.json").write_bytes(torn)
    with open_store(tmp_path, resume=True) as store:
        assert not store.has("bob", "hw", result("bob")["sha256"])
        assert store.summarise() == []


def test_a_second_grade_replaces_the_first_and_has_its_own_line(tmp_path):
    with open_store(tmp_path) as store:
        store.save(failed(Job("bob", "hw", "b.ipynb", b"x"), "Lost.", 5, {}))
    with open_store(tmp_path, resume=True) as store:
        store.save(result("bob"))
        store.summarise()
    assert [row["status"] for row in table(tmp_path)] == ["graded"]
    assert [line["status"] for line in logged(tmp_path)] == ["failed", "graded"]


def test_settings_that_are_not_given_are_those_of_the_run(tmp_path):
    with open_store(tmp_path, time_limit=3.0):
        pass
    with open_store(tmp_path, resume=True, seed=None) as store:
        assert (store.run["seed"], store.run["time_limit"]) == (5, 3.0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"seed": 6}, "was begun with --seed 5: do the same, or name another folder."),
        ({"time_limit": 3.0}, "was begun with --time-limit 20: do the same, or name another folder."),
        ({"allow_unsafe": True}, "was begun without --allow-unsafe: do the same, or name another folder."),
        (
            {"release": {"hw": "1f"}},
            "was begun with other handed out notebooks: do the same, or name another folder.",
        ),
    ],
)
def test_other_settings_than_the_runs_are_one_sentence(tmp_path, given, sentence):
    with open_store(tmp_path):
        pass
    with pytest.raises(StoreError) as error:
        open_store(tmp_path, resume=True, **given)
    assert str(error.value) == f"{tmp_path} {sentence}"


def test_results_that_are_there_are_not_overwritten(tmp_path):
    with open_store(tmp_path):
        pass
    with pytest.raises(StoreError, match=r"holds results already: add --resume, or name another folder\.$"):
        open_store(tmp_path)


def test_resume_without_a_run_begins_one(tmp_path):
    with open_store(tmp_path / "new", resume=True) as store:
        assert store.run["seed"] == 5


def test_results_without_their_run_are_one_sentence(tmp_path):
    (tmp_path / "reports").mkdir()
    with pytest.raises(StoreError, match=r"no run\.json"):
        open_store(tmp_path, resume=True)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(StoreError, match="not whole"):
        open_store(tmp_path, resume=True)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(StoreError, match="cannot be written: "):
            open_store(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs locks of files")
def test_two_runs_never_write_to_one_folder(tmp_path):
    with open_store(tmp_path), pytest.raises(StoreError, match=r"^Another run writes to "):
        open_store(tmp_path, resume=True)
    with open_store(tmp_path, resume=True):
        pass


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with open_store(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"cannot be written: No space left on device\.$"):
            store.save(result("bob"))


# ---- killed


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


@pytest.mark.parametrize("step", range(1, 40))
def test_killed_at_any_step_nothing_is_lost_and_nothing_counts_twice(tmp_path, monkeypatch, step):
    """Every `step` is a call that changes what is on the disk. A write may get half of its bytes out."""
    left = step

    def mortal(name):
        real = getattr(os, name)

        def call(*args, **more):
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                raise Killed
            return real(*args, **more)

        return call

    def go_on():
        with open_store(tmp_path / "out", resume=True) as store:
            for student in ("alice", "bob", "carol"):
                made = result(student)
                if not store.has(student, "hw", made["sha256"]):
                    store.save(made)
            store.summarise()

    with monkeypatch.context() as patch:
        for name in ("replace", "fsync", "write", "mkdir", "open"):
            patch.setattr(os, name, mortal(name))
        try:
            go_on()
            finished = True
        except Killed:
            finished = False
    assert finished or left == 0
    go_on()
    out = tmp_path / "out"
    assert [row["student"] for row in table(out)] == ["alice", "bob", "carol"]
    verdicts = [(line["student"], line["time"]) for line in logged(out)]
    assert len(verdicts) == len(set(verdicts))
    for student in ("alice", "bob", "carol"):
        report = json.loads((out / f"reports/hw/{student}.json").read_text())
        assert (student, report["graded_at"]) in verdicts
        assert (out / f"reports/hw/{student}.html").exists()
    assert not list(out.rglob("*.tmp"))


def test_the_steps_above_reach_to_the_end(tmp_path, monkeypatch):
    calls = []
    for name in ("replace", "fsync", "write", "mkdir", "open"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, **more: (calls.append(real), real(*a, **more))[1])
    with open_store(tmp_path / "out") as store:
        for student in ("alice", "bob", "carol"):
            store.save(result(student))
        store.summarise()
    assert 30 < len(calls) < 40


@pytest.mark.parametrize("torn", [b'{"time": "2026', b"{}", b"\xff", b"[1]\n", b"\n\n", b'{"student": []}'])
def test_a_torn_line_of_the_log_stays_and_harms_nothing(tmp_path, torn):
    with open_store(tmp_path) as store:
        store.save(result("bob"))
    log = tmp_path / "log.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + torn)
    with open_store(tmp_path, resume=True) as store:
        store.save(result("carol"))
    assert log.read_bytes().startswith(before + torn)
    lines = log.read_bytes()[len(before + torn) :].lstrip(b"\n").splitlines()
    assert [json.loads(line)["student"] for line in lines] == ["carol"]


def test_a_result_whose_line_is_missing_gets_it(tmp_path):
    with open_store(tmp_path) as store:
        store.save(result("bob"))
        store.save(result("carol"))
    log = tmp_path / "log.jsonl"
    first, second = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first + second[:-5])
    for _ in range(2):
        with open_store(tmp_path, resume=True):
            pass
    assert [line["student"] for line in logged(tmp_path)] == ["bob", "carol"]


# ---- names

ODD = [
    "..",
    ".",
    "",
    " ",
    "a/b",
    "a\\b",
    "a\nb",
    "a\0b",
    "=1+1",
    "-rf",
    "CON",
    "nul.txt",
    "a:b",
    "x" * 300,
    "é" * 90,
]
ODD += ["\x1b[2J", "a\u202eb", "half\ud800", "~", "a~1", ".hidden", "dot.", "sp ", "名" * 60, "<b>", "a?b*c"]


def test_plain_names_are_their_own_file_names():
    for name in ("alice", "s001", "Jane Doe", "o'neil", "jane.doe@example.org", "名前", "a+b", "x_1-2"):
        assert file_stem(name) == name
    assert report_stem("05_additive", "alice") == "reports/05_additive/alice"


def test_odd_names_become_safe_and_stay_apart():
    stems = [file_stem(name) for name in ODD]
    assert len(set(stems)) == len(ODD)
    for stem in stems:
        assert stem.isprintable() and not set(stem) & set('/\\:*?"<>|')
        assert stem not in ("", ".", "..") and stem[0] not in "-. " and stem[-1] not in ". "
        assert len(f".{stem}.json.tmp".encode()) < 255
        assert stem.partition(".")[0].casefold() not in ("con", "nul")
    assert file_stem(file_stem("a/b")) != file_stem("a/b")  # nobody can be called what another's file is


@pytest.mark.parametrize("name", ODD)
def test_a_report_of_any_name_is_written_and_found_again(tmp_path, name):
    with open_store(tmp_path / "out") as store:
        store.save(result(name, assignment=name))
        store.summarise()
        assert store.has(name, name, result(name)["sha256"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert len(list((tmp_path / "out/reports").glob("*/*.json"))) == 1
    assert len(table(tmp_path / "out")) == 1


@pytest.mark.parametrize("name", ODD)
def test_names_and_sentences_are_made_fit_for_one_line(name):
    for text in (printable_name(name), one_line(name)):
        assert text.isprintable() and text.strip() == text != ""


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_of_the_table_is_a_formula(tmp_path, text):
    with open_store(tmp_path) as store:
        store.save({**result(text), "status": "failed", "reason": text, "file": text, "submitted_at": text})
        store.summarise()
    (row,) = table(tmp_path)
    for column in ("student", "reason", "file", "submitted_at"):
        assert row[column].lstrip(" ")[0] not in "=+@-" or row[column][0] == "'"
        assert row[column].isprintable()
    assert csv_cell("alice") == "alice"


def test_a_reason_with_commas_and_quotes_stays_one_cell(tmp_path):
    with open_store(tmp_path) as store:
        store.save({**result("bob"), "reason": 'He said "no", twice'})
        store.summarise()
    assert table(tmp_path)[0]["reason"] == 'He said "no", twice'


def test_the_store_knows_every_setting_that_it_compares():
    assert store_module._SETTINGS.keys() == GIVEN.keys()
