"""Students' folders: whatever lies there, each notebook of the release comes back."""

import datetime
import json
import os
import shutil
import socket
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.nbgrader_plugin import handed_in
from autograder.nbgrader_plugin.handed_in import read_folder, read_timestamp
from autograder.notebook_file import FILE_LIMIT, SubmissionError
from autograder.released import Released

ANSWER = "def {}(x):\n    return x.mean()"


def notebook(exercise, source):
    check = {"grade": True, "solution": False, "grade_id": f"check_{exercise}", "points": 3}
    answer = {"grade": False, "solution": True, "grade_id": exercise}
    return new_notebook(
        cells=[
            new_code_cell(source, id=exercise, metadata={"nbgrader": answer}),
            new_code_cell(f"check({exercise})", id=f"check_{exercise}", metadata={"nbgrader": check}),
        ]
    )


def released(*names):
    stub = "def {}(x):\n    raise NotImplementedError()"
    return {name: Released.of(notebook(f"{name}_x", stub.format(f"{name}_x")), name) for name in names}


ONE, TWO = released("one"), released("one", "two")


def text_of(name="one"):
    return nbformat.writes(notebook(f"{name}_x", ANSWER.format(f"{name}_x")))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "submitted" / "student" / "lesson"
    path.mkdir(parents=True)
    return path


def put(path, text=None):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of() if text is None else text, encoding="utf-8")


def answered(rebuilt):
    return rebuilt.problem is None and "NotImplementedError" not in rebuilt.notebook.cells[0].source


def only(found):
    """The one rebuilt notebook."""
    assert list(found.notebooks) == ["one"]
    nbformat.validate(found.notebooks["one"].notebook)
    return found.notebooks["one"]


def test_a_tidy_folder(folder):
    put(folder / "one.ipynb")
    found = read_folder(folder, ONE)
    assert answered(only(found)) and only(found).notes == () and found.notes == []


def test_a_notebook_of_the_right_name_is_all_that_is_read(folder):
    put(folder / "one.ipynb")
    for name in ("torch.py", "conftest.py", "nbgrader_config.py", "timestamp.txt", ".hidden.ipynb"):
        put(folder / name, "raise SystemExit")
    put(folder / ".ipynb_checkpoints" / "one-checkpoint.ipynb")
    for i in range(5):
        put(folder / f"copy {i}.ipynb", "{}")
    found = read_folder(folder, ONE)
    assert answered(only(found)) and only(found).notes == ()
    assert found.notes == [
        "Not read, since not asked for: copy 0.ipynb, copy 1.ipynb, copy 2.ipynb and 2 more."
    ]


# ---- notebooks under another name


@pytest.mark.parametrize("name", ["one (1).ipynb", "ONE.ipynb", "one.IPYNB", "in/one.ipynb", "a/b/c.ipynb"])
def test_the_only_other_notebook_is_taken_for_a_missing_one(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    put(folder / name)
    rebuilt = only(read_folder(folder, ONE))
    assert answered(rebuilt)
    assert rebuilt.notes == (f"one.ipynb was missing; {name} was taken for it.",)


def test_the_only_other_notebook_is_taken_even_when_it_is_not_alike(folder):
    put(folder / "x.ipynb", nbformat.writes(new_notebook(cells=[new_code_cell("y = 1")])))
    rebuilt = only(read_folder(folder, ONE))
    assert rebuilt.problem is None and not answered(rebuilt)


def test_of_several_other_notebooks_the_one_that_is_alike_is_taken(folder):
    put(folder / "a.ipynb", nbformat.writes(new_notebook(cells=[new_code_cell("x = 1")])))
    put(folder / "b.ipynb")
    put(folder / "c.ipynb", "not a notebook")
    found = read_folder(folder, ONE)
    assert answered(only(found))
    assert only(found).notes == ("one.ipynb was missing; b.ipynb was taken for it.",)
    assert found.notes == ["Not read, since not asked for: a.ipynb and c.ipynb."]


def test_of_the_same_notebook_twice_either_is_taken(folder):
    put(folder / "a.ipynb")
    put(folder / "b.ipynb")
    assert answered(only(read_folder(folder, ONE)))


def test_different_notebooks_that_are_all_alike_are_refused_in_one_sentence(folder):
    put(folder / "a.ipynb")
    put(folder / "b.ipynb", text_of().replace("mean", "sum"))
    found = read_folder(folder, ONE)
    assert only(found).problem == (
        "one.ipynb is missing: give this name to the right one of a.ipynb and b.ipynb."
    )
    assert found.notes == []


def test_several_missing_notebooks_are_told_apart(folder):
    put(folder / "a.ipynb", text_of("two"))
    put(folder / "b.ipynb", text_of("one"))
    found = read_folder(folder, TWO).notebooks
    assert answered(found["one"]) and answered(found["two"])
    assert found["two"].notes == ("two.ipynb was missing; a.ipynb was taken for it.",)


def test_one_notebook_for_two_missing_ones(folder):
    put(folder / "a.ipynb", text_of("two"))
    found = read_folder(folder, TWO).notebooks
    assert answered(found["two"])
    assert found["one"].problem == "one.ipynb is missing: give this name to the right one of a.ipynb."
    both = notebook("one_x", "x = 1")
    both.cells += notebook("two_x", "x = 1").cells
    put(folder / "a.ipynb", nbformat.writes(both))
    problems = {rebuilt.problem for rebuilt in read_folder(folder, TWO).notebooks.values()}
    assert problems == {"one and two are missing, and a.ipynb may be any of them."}


# ---- what is no notebook, and what is no folder


def link_to_answer(path):
    put(path.parents[2] / "other.ipynb")
    path.symlink_to(path.parents[2] / "other.ipynb")


def listen(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the whole path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


ODD = {
    "nothing": (lambda path: None, "No one.ipynb was handed in."),
    "empty": (lambda path: path.write_bytes(b""), "one.ipynb is an empty file"),
    "truncated": (lambda path: path.write_text(text_of()[:200]), "seems cut off"),
    "huge": (lambda path: path.write_bytes(b" " * (FILE_LIMIT + 1)), "one.ipynb is larger than 10 MB."),
    "folder": (lambda path: path.mkdir(), "one.ipynb is a folder, not a file."),
    "pipe": (lambda path: os.mkfifo(path), "one.ipynb is not a regular file."),
    "socket": (listen, "one.ipynb cannot be opened"),
    "link": (link_to_answer, "one.ipynb is a link to another file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "one.ipynb is a link to another file"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "one.ipynb is a link to another file"),
    "loop": (lambda path: path.symlink_to("one.ipynb"), "one.ipynb is a link to another file"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_notebook_is_said_in_one_sentence(folder, kind):
    make, message = ODD[kind]
    make(folder / "one.ipynb")
    rebuilt = only(read_folder(folder, ONE))
    assert message in rebuilt.problem and "\n" not in rebuilt.problem
    assert str(folder.parent) not in rebuilt.problem  # the grader's own folders are nobody's business
    assert not answered(rebuilt)


def test_links_among_the_other_notebooks_are_not_followed(folder):
    put(folder.parent / "secret.ipynb")
    (folder / "a.ipynb").symlink_to(folder.parent / "secret.ipynb")
    (folder / "sub").symlink_to(folder.parent)
    assert only(read_folder(folder, ONE)).problem == "No one.ipynb was handed in."


def test_folders_that_are_links_or_files(folder, tmp_path):
    put(folder / "one.ipynb")
    (tmp_path / "linked").symlink_to(folder)
    assert "lesson is" not in (only(read_folder(tmp_path / "linked", ONE)).problem or "")
    assert "linked is a link to another place" in only(read_folder(tmp_path / "linked", ONE)).problem
    (tmp_path / "someone").symlink_to(folder.parent)
    assert "is a link to another place" in only(read_folder(tmp_path / "someone" / "lesson", ONE)).problem
    put(tmp_path / "file")
    assert "file is not a folder" in only(read_folder(tmp_path / "file", ONE)).problem
    assert "missing is not a folder" in only(read_folder(tmp_path / "missing", ONE)).problem


def test_folders_with_far_too_much_in_them(folder, monkeypatch):
    deepest = folder
    for _ in range(40):
        deepest = deepest / "d"
    deepest.mkdir(parents=True)
    rebuilt = only(read_folder(folder, ONE))
    assert "deep: hand in the notebook alone." in rebuilt.problem
    put(folder / "one.ipynb")
    assert answered(only(read_folder(folder, ONE)))
    shutil.rmtree(folder / "d")
    read = []
    monkeypatch.setattr(handed_in, "read_bytes", lambda path, **more: read.append(path) or b"")
    (folder / "one.ipynb").unlink()
    for i in range(100):
        put(folder / f"{i}.ipynb", "{}")
    assert "give this name to the right one of" in only(read_folder(folder, ONE)).problem
    assert len(read) == handed_in.COMPARED


def test_names_that_could_break_a_line_or_a_page(folder):
    put(folder / "a\nb\x1b[31m.ipynb")
    rebuilt = only(read_folder(folder, ONE))
    assert rebuilt.notes == ("one.ipynb was missing; a\ufffdb\ufffd[31m.ipynb was taken for it.",)


# ---- times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01 12:00:00.250000 UTC\n", "2026-03-01 12:00:00.250000"),
        ("2026-03-01 12:00:00 Europe/Berlin", "2026-03-01 11:00:00"),
        ("2026-03-01 12:00:00 +0200", "2026-03-01 12:00:00"),
        ("2026-03-01T12:00:00", "2026-03-01 12:00:00"),
        ("Sun, 1 Mar 2026 12:00:00", "2026-03-01 12:00:00"),
    ],
)
def test_times(folder, text, expected):
    (folder / "timestamp.txt").write_text(text)
    found = read_timestamp(folder)
    assert found.tzinfo is None
    if "+0200" in text:  # nbgrader takes a number for seconds
        assert found == datetime.datetime(2026, 3, 1, 11, 56, 40)
    else:
        assert found == datetime.datetime.fromisoformat(expected)


TIMES = {
    "empty": b"",
    "word": b"yesterday, 2026",
    "number": b"12",
    "bytes": b"\xff\xfe2026-03-01",
    "long": b"2026-03-01 12:00:00" + b" " * 150 + b"x" * 1000,
    "impossible": b"2026-13-41 99:00:00",
    "out of range": b"0001-01-01 00:00:00 +9999999",
    "another file's zone": b"2026-03-01 12:00:00 ../../../etc/passwd",
    "a path": b"2026-03-01 12:00:00 /etc/localtime",
    "json": json.dumps({"at": 2026}).encode(),
}


@pytest.mark.parametrize("kind", TIMES)
def test_what_is_no_time(folder, kind):
    (folder / "timestamp.txt").write_bytes(TIMES[kind])
    with pytest.raises(SubmissionError, match=r"^timestamp.txt holds no time\.$"):
        read_timestamp(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_times_that_are_not_in_a_file(folder, tmp_path):
    assert read_timestamp(folder) is None
    assert read_timestamp(tmp_path / "nowhere") is None
    os.mkfifo(folder / "timestamp.txt")
    with pytest.raises(SubmissionError, match="not a regular file"):
        read_timestamp(folder)
    (folder / "timestamp.txt").unlink()
    (tmp_path / "real.txt").write_text("2026-03-01 12:00:00 UTC")
    (folder / "timestamp.txt").symlink_to(tmp_path / "real.txt")
    with pytest.raises(SubmissionError, match="is a link"):
        read_timestamp(folder)
    (tmp_path / "linked").symlink_to(folder)
    assert read_timestamp(tmp_path / "linked") is None
