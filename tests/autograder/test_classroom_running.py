"""A run from the command line's arguments to its exit status. Processes are replaced by this one."""

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from autograder.classroom import pool, progress, running
from autograder.classroom.jobs import grade_one
from autograder.classroom.progress import Progress
from autograder.cli import main
from autograder.sandbox import Outcome, Raised

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
RELEASED = (REPO / f"notebooks/{LESSON}/{LESSON}.ipynb").read_bytes()


class Nothing:
    """Stands for the sandbox. Whatever is asked ends in the same exception."""

    stamp = None

    def run(self, cells, entry, cases, notebook):
        return [Outcome((Raised("ValueError", "no", "call"),))] * len(cases)


@pytest.fixture
def class_of(tmp_path, monkeypatch):
    """Makes a class of the students named, in the current folder."""
    monkeypatch.chdir(tmp_path)

    def class_of(*students, data=RELEASED):
        for student in students:
            path = Path("submitted", student, LESSON, f"{LESSON}.ipynb")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return class_of


@pytest.fixture
def graded(monkeypatch):
    """The students that were graded, in order. What `graded.hook` returns for one stands for its result."""

    class Graded(list):
        hook = staticmethod(lambda job: None)
        workers = None

    found = Graded()

    def run(jobs, workers, start, *args, time_limit):
        seed, _, _, released, _ = args
        found.workers = workers
        for job in jobs:
            found.append(job.student)
            yield job, found.hook(job) or grade_one(job, seed, Nothing(), released)

    monkeypatch.setattr(pool, "run", run)
    return found


def grade(*arguments):
    return main(["grade", *map(str, arguments)])


def test_a_class_is_graded_and_summed_up(class_of, graded, capsys):
    class_of("alice", "bob")
    assert grade("submitted", "--out", "out", "--seed", 5, "--workers", 7) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "2 graded, 0 failed.",
        f"{LESSON}: 0 of 7 points on average",
        "Seed: 5",
        f"Results: {Path('out/grades.csv')} and {Path('out/index.html')}",
    ]
    assert err == ""
    assert graded == ["alice", "bob"]
    assert graded.workers == 2


def test_what_could_not_be_graded_is_told_and_the_rest_goes_on(class_of, graded, capsys):
    class_of("alice", "bob")
    class_of("carol", data=b"{")
    os.makedirs(f"submitted/dave/{LESSON}")
    os.symlink(f"../../alice/{LESSON}/{LESSON}.ipynb", f"submitted/dave/{LESSON}/{LESSON}.ipynb")
    graded.hook = lambda job: pool.Lost("It was lost.") if job.student == "bob" else None
    assert grade("submitted", "--out", "out") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "1 graded, 3 failed."
    told = out[out.index("Not graded:") + 1 :]
    assert told[0] == f"  bob, {LESSON}: It was lost."
    assert told[1].startswith(f"  carol, {LESSON}: {LESSON}.ipynb is not ")
    assert told[2].startswith(f"  dave, {LESSON}: ") and "link" in told[2]
    rows = Path("out/grades.csv").read_text().splitlines()
    assert [row.split(",")[2] for row in rows[1:]] == ["graded", "failed", "failed", "failed"]
    assert (
        len(list(Path("out/reports").glob("*/*.json")))
        == len(list(Path("out/reports").glob("*/*.html")))
        == 4
    )


def test_many_that_could_not_be_graded_are_counted(class_of, graded, capsys):
    class_of(*(f"s{n:02}" for n in range(15)), data=b"")
    assert grade("submitted", "--out", "out") == 1
    assert "  and 5 more, in grades.csv" in capsys.readouterr().out.splitlines()


def test_resume_grades_what_is_new_or_changed_or_failed(class_of, graded, capsys):
    class_of("alice", "bob", "carol")
    graded.hook = lambda job: pool.Lost("It was lost.") if job.student == "bob" else None
    assert grade("submitted", "--out", "out") == 1
    graded.clear()
    graded.hook = lambda job: None
    class_of("dave")
    class_of("carol", data=RELEASED + b"\n")
    assert grade("submitted", "--out", "out", "--resume") == 0
    assert graded == ["bob", "carol", "dave"]
    assert "4 graded (1 of them earlier), 0 failed." in capsys.readouterr().out
    seeds = {json.loads(line)["seed"] for line in Path("out/log.jsonl").read_text().splitlines()}
    assert len(seeds) == 1
    graded.clear()
    assert grade("submitted", "--out", "out", "--resume") == 0
    assert graded == []


def test_an_interrupt_keeps_what_was_graded_and_says_how_to_go_on(class_of, graded, capsys):
    class_of("alice", "bob", "carol")

    def hook(job):
        if job.student == "bob":
            raise KeyboardInterrupt

    graded.hook = hook
    assert grade("submitted", "--out", "out") == 130
    out, err = capsys.readouterr()
    assert out.startswith("1 graded, 0 failed.\n")
    assert err == "Interrupted. What was graded is kept: the same command with --resume goes on.\n"
    assert len(Path("out/grades.csv").read_text().splitlines()) == 2
    assert Path("out/index.html").exists()


def test_processes_that_do_not_start_are_one_sentence(class_of, graded, capsys):
    class_of("alice", "bob")

    def hook(job):
        raise pool.PoolError("The processes that should grade do not start: no walls.")

    graded.hook = hook
    assert grade("submitted", "--out", "out") == 2
    assert capsys.readouterr().err == "The processes that should grade do not start: no walls.\n"


def test_another_version_is_said_on_resume(class_of, graded, capsys, monkeypatch):
    class_of("alice")
    assert grade("submitted", "--out", "out") == 0
    monkeypatch.setattr(running, "versions", lambda: {"torch": "newer"})
    assert grade("submitted", "--out", "out", "--resume") == 0
    assert "has changed since this run began" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "--out", "out"], "There is no file or folder nowhere."),
        (["empty", "--out", "out"], "There is no notebook to grade in empty."),
        (["submitted", "--out", "file"], "file cannot be written: File exists."),
        (["submitted", "--out", "held"], "held holds results already: add --resume, or name another folder."),
        (
            ["submitted", "--out", "out", "--release", "empty"],
            "There are no handed out notebooks in empty: name the folder that holds "
            "<assignment>/<notebook>.ipynb with --release.",
        ),
    ],
)
def test_bad_usage_is_one_sentence_and_nothing_is_graded(class_of, graded, capsys, arguments, sentence):
    class_of("alice")
    os.mkdir("empty")
    os.mkdir("held")
    Path("held/run.json").write_text("{}")
    Path("file").write_text("")
    assert grade(*arguments) == 2
    assert capsys.readouterr() == ("", sentence + "\n")
    assert graded == []
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["grade"],
        ["grade", "x"],
        ["grade", "--out", "x"],
        *(
            ["grade", "x", "--out", "y", "--workers", number]
            for number in ("0", "-1", "x", "1.5", "9999", "²")
        ),
        ["grade", "x", "--out", "y", "--seed", "z"],
        ["grade", "x", "--out", "y", "--time-limit", "0"],
    ],
)
def test_arguments_that_do_not_parse_are_exit_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_what_is_left_out_is_said(class_of, graded, capsys):
    class_of("alice")
    Path("notes.txt").write_text("")
    assert grade("notes.txt", "submitted", "--out", "out") == 0
    assert (
        capsys.readouterr().err
        == "notes.txt is neither a notebook (.ipynb) nor a .py file and is left out.\n"
    )


# ---- what was handed out


def released_name(*arguments):
    assert grade(*arguments, "--out", "out") in (0, 1)
    return [*json.loads(Path("out/run.json").read_text())["release"]]


def test_the_courses_own_notebooks_are_used_unless_another_is_beside(class_of, graded):
    class_of("alice")
    assert released_name("submitted") == sorted(path.name for path in (REPO / "notebooks").iterdir())


@pytest.mark.parametrize(
    "path", ["submitted", ".", "submitted/alice", f"submitted/alice/{LESSON}/{LESSON}.ipynb"]
)
def test_a_courses_release_folder_is_used(class_of, graded, path):
    class_of("alice")
    shutil.copytree(REPO / f"notebooks/{LESSON}", f"release/{LESSON}")
    assert released_name(path) == [LESSON]


def test_the_folder_that_is_named_is_used(class_of, graded):
    class_of("alice")
    shutil.copytree(REPO / f"notebooks/{LESSON}", f"release/{LESSON}")
    shutil.copytree(REPO / "notebooks/05_additive", "mine/05_additive")
    assert released_name("submitted", "--release", "mine") == ["05_additive"]


def test_a_release_that_has_changed_is_one_sentence(class_of, graded, capsys):
    class_of("alice")
    shutil.copytree(REPO / f"notebooks/{LESSON}", f"release/{LESSON}")
    assert grade("submitted", "--out", "out") == 0
    notebook = Path(f"release/{LESSON}/{LESSON}.ipynb")
    notebook.write_text(notebook.read_text().replace('"points": 3', '"points": 5'))
    assert grade("submitted", "--out", "out", "--resume") == 2
    assert "was begun with other handed out notebooks" in capsys.readouterr().err


# ---- progress


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_person_sees_a_bar(monkeypatch):
    monkeypatch.setattr(progress, "BAR_EVERY_S", 0)
    monkeypatch.setenv("COLUMNS", "100")
    screen = Screen()
    with Progress(4, screen) as shown:
        for status in ("earlier", "graded", "failed"):
            shown.add(status)
    first, *_, last = screen.getvalue().rstrip("\n").split("\r")[1:]
    assert first.startswith("[....") and "0 of 4: 0 graded, 0 failed" in first
    assert last.startswith("[####") and "....] 3 of 4: 2 graded, 1 failed, " in last and " left" in last
    assert all(len(line) < 100 for line in screen.getvalue().rstrip("\n").split("\r"))


@pytest.mark.parametrize("columns", ["10", "40", "1000"])
def test_a_bar_never_breaks_its_line(monkeypatch, columns):
    monkeypatch.setattr(progress, "BAR_EVERY_S", 0)
    monkeypatch.setenv("COLUMNS", columns)
    screen = Screen()
    with Progress(20_000, screen) as shown:
        shown.add("graded")
    assert all(len(line) < int(columns) for line in screen.getvalue().rstrip("\n").split("\r"))


def test_a_file_gets_plain_lines_now_and_then(monkeypatch):
    stream = io.StringIO()
    with Progress(3, stream) as shown:
        shown.add("graded")
    assert stream.getvalue() == ""
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    with Progress(3, stream) as shown:
        shown.add("graded")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("1 of 3: 1 graded, 0 failed, ") and line.isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (7325, "2:02:05")]
)
def test_time_left_is_written_as_a_clock(seconds, text):
    assert progress._clock(seconds) == text
