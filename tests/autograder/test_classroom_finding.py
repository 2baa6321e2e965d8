"""What is found to be graded, whose it is, and that nothing hostile stalls or misleads the search."""

import json
import os
from pathlib import Path

import pytest

from autograder.classroom import files, finding
from autograder.classroom.finding import NothingToGrade, find
from autograder.classroom.placing import person
from autograder.notebook_file import SubmissionError
from autograder.released import released_notebooks

REPO = Path(__file__).resolve().parents[2]
START, ADDITIVE = "00_start_here", "05_additive"


@pytest.fixture(scope="module")
def released():
    return released_notebooks(REPO / "notebooks")


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty current folder, and `put("a/b.ipynb")`, which makes a file in it."""
    monkeypatch.chdir(tmp_path)

    def put(*names, data=b"{}"):
        for name in names:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return put


@pytest.fixture
def rows(released):
    """(student, assignment, path, reason is None) of each row that `find` gives."""

    def rows(*paths):
        found, _ = find(paths, released, Path("results"))
        return [(one.student, one.assignment, str(one.path), one.reason is None) for one in found]

    return rows


def cells(*sources, **more):
    found = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": found, **more}).encode()


# ---- nbgrader's tree


def test_a_tree_tells_student_and_assignment(there, rows):
    there(
        f"course/submitted/alice/{START}/{START}.ipynb", f"course/submitted/alice/{ADDITIVE}/{ADDITIVE}.ipynb"
    )
    there(f"course/submitted/bob/{START}/{START}.ipynb", "course/submitted/README.txt")
    tree = Path("course/submitted")
    everything = [
        ("alice", START, str(tree / f"alice/{START}/{START}.ipynb"), True),
        ("bob", START, str(tree / f"bob/{START}/{START}.ipynb"), True),
        ("alice", ADDITIVE, str(tree / f"alice/{ADDITIVE}/{ADDITIVE}.ipynb"), True),
    ]
    assert rows("course/submitted") == everything
    assert rows("course") == everything
    assert rows("course/submitted", "course/submitted/alice", "./course") == everything
    assert rows("course/submitted/alice") == [everything[0], everything[2]]
    assert rows(f"course/submitted/bob/{START}") == [everything[1]]
    assert rows(f"course/submitted/bob/{START}/{START}.ipynb") == [everything[1]]


def test_other_folders_of_a_course_are_not_submissions(there, rows):
    there(f"course/submitted/alice/{START}/{START}.ipynb", f"course/autograded/alice/{START}/{START}.ipynb")
    there(f"course/release/{START}/{START}.ipynb", f"course/source/{START}/{START}.ipynb")
    assert [row[:2] for row in rows("course")] == [("alice", START)]


@pytest.mark.parametrize(
    ("names", "wins"),
    [
        (
            [f"{START}/{START}.ipynb", f"{START}/a.ipynb", f"{START}/old/{START}.ipynb"],
            f"{START}/{START}.ipynb",
        ),
        ([f"{START}/{START} (1).ipynb", f"{START}/{START}.ipynb"], f"{START}/{START}.ipynb"),
        ([f"{START}/mine.ipynb"], f"{START}/mine.ipynb"),
        ([f"{START}/old/{START}.ipynb", f"{START}/mine.ipynb"], f"{START}/old/{START}.ipynb"),
        ([f"{START}.ipynb"], f"{START}.ipynb"),
        ([f"my {START}.ipynb", "scratch.ipynb"], f"my {START}.ipynb"),
        ([f"work/{START}/deep/{START}.ipynb"], f"work/{START}/deep/{START}.ipynb"),
    ],
)
def test_in_a_students_folder_one_notebook_counts(there, rows, names, wins):
    there(*(f"submitted/alice/{name}" for name in names))
    assert rows("submitted") == [("alice", START, f"submitted/alice/{wins}", True)]


def test_the_notebooks_that_do_not_count_are_named_in_a_note(there, released):
    there(*(f"submitted/alice/{START}/{name}.ipynb" for name in (START, "a", "b", "c", "d", "e")))
    (alice,), _ = find(["submitted"], released, Path("out"))
    assert alice.notes == (
        "Only one notebook is graded for each assignment. Left out: a.ipynb, b.ipynb, c.ipynb and 2 more.",
    )


def test_a_notebook_beside_the_folders_of_assignments_is_a_stray_one(there, released):
    there(
        f"submitted/alice/{START}/{START}.ipynb", "submitted/alice/a scratch.ipynb", "submitted/bob/b.ipynb"
    )
    (alice, bob), _ = find(["submitted"], released, Path("out"))
    assert alice.path == Path(f"submitted/alice/{START}/{START}.ipynb") and alice.reason is None
    assert alice.notes == ("Only one notebook is graded for each assignment. Left out: a scratch.ipynb.",)
    assert (bob.student, bob.assignment) == ("bob", "unknown")


def test_of_renamed_notebooks_the_one_with_the_answers_counts(there, rows):
    there(f"submitted/alice/{START}/a.ipynb", data=cells("x = 1"))
    there(f"submitted/alice/{START}/b.ipynb", data=cells("def pad_mask(lengths, max_len): ..."))
    assert rows("submitted") == [("alice", START, f"submitted/alice/{START}/b.ipynb", True)]


def test_a_students_folder_without_a_notebook_is_a_row(there, released):
    there(
        f"submitted/alice/{START}/{START}.ipynb", f"submitted/bob/{START}/answers.txt", "submitted/eve/a.py"
    )
    there(f"submitted/mallory/{ADDITIVE}/torch.py")
    os.mkdir("submitted/zoe")
    found, _ = find(["submitted"], released, Path("out"))
    assert [(one.student, one.assignment, one.reason) for one in found if one.reason] == [
        ("bob", START, f"The folder {START} holds no notebook (.ipynb)."),
        ("eve", START, "The folder eve holds no notebook (.ipynb)."),
        ("zoe", START, "The folder zoe holds no notebook (.ipynb)."),
        ("mallory", ADDITIVE, f"The folder {ADDITIVE} holds no notebook (.ipynb)."),
    ]
    assert find([f"submitted/bob/{START}"], released, Path("out"))[0][0].reason is not None
    assert find(["submitted/zoe"], released, Path("out"))[0][0].assignment == "unknown"


def test_an_assignment_that_was_never_handed_out_is_a_row(there, released):
    there(f"submitted/alice/{START}/{START}.ipynb", "submitted/alice/ps9/ps9.ipynb")
    _, unknown = find(["submitted"], released, Path("out"))[0]
    assert (unknown.student, unknown.assignment) == ("alice", "ps9")
    assert unknown.reason.startswith("ps9.ipynb belongs to none of the handed out notebooks (00_start_here, ")


def test_a_student_cannot_hand_in_for_another(there, rows):
    there(f"submitted/bob/{START}/{START}.ipynb", f"submitted/mallory/submitted/bob/{START}/{START}.ipynb")
    there(f"submitted/mallory/submitted/bob_{START}.ipynb")
    for paths in (
        ["submitted"],
        ["submitted/bob", "submitted/mallory"],
        sorted(map(str, Path("submitted").rglob("*.ipynb"))),
    ):
        assert [row[:3] for row in rows(*paths) if row[0] == "bob"] == [
            ("bob", START, f"submitted/bob/{START}/{START}.ipynb")
        ]


# ---- loose files


@pytest.mark.parametrize(
    ("name", "student"),
    [
        (f"alice/{ADDITIVE}.ipynb", "alice"),
        (f"alice/{ADDITIVE} (1).ipynb", "alice"),
        (f"alice/Copy of {ADDITIVE}.ipynb", "alice"),
        (f"alice/{ADDITIVE}-Copy1.ipynb", "alice"),
        (f"alice/{ADDITIVE}/{ADDITIVE}.ipynb", "class"),  # a folder of the class: see below
        (f"x/alice/{ADDITIVE}/{ADDITIVE}.ipynb", "alice"),
        (f"x/alice/{ADDITIVE}/anything.ipynb", "alice"),
        (f"alice_{ADDITIVE}.ipynb", "alice"),
        (f"alice-{ADDITIVE}-1.ipynb", "alice"),
        (f"{ADDITIVE}_alice.ipynb", "alice"),
        (f"{ADDITIVE}/alice.ipynb", "alice"),
        (f"{ADDITIVE}.ipynb", "class"),
        (f"Alice {ADDITIVE.upper()}.IPYNB", "Alice"),
        (f"doejane_LATE_123_45678_{ADDITIVE}-2.ipynb", "doejane_123"),
        (f"Jane Doe_123_assignsubmission_file_{ADDITIVE}.ipynb", "Jane Doe"),
        (f"Jane Doe_123_assignsubmission_file_/{ADDITIVE}.ipynb", "Jane Doe"),
    ],
)
def test_a_name_tells_student_and_assignment(there, rows, name, student):
    there(f"class/{name}")
    if name.startswith(f"alice/{ADDITIVE}/"):
        student = "alice"
        assert rows("class/alice") == [(student, ADDITIVE, f"class/{name}", True)]
    assert rows("class") == [(student, ADDITIVE, f"class/{name}", True)]
    assert rows(f"class/{name}")[0][1:3] == (ADDITIVE, f"class/{name}")


@pytest.mark.parametrize(
    "data",
    [
        cells(
            "import torch",
            "def additive_score(q, k): ...\nclass AdditiveAttention: ...",
            "def masked_softmax(s): 0",
        ),
        (REPO / f"notebooks/{ADDITIVE}/{ADDITIVE}.ipynb").read_bytes(),
        json.dumps(
            {
                "nbformat": 3,
                "nbformat_minor": 0,
                "metadata": {},
                "worksheets": [{"cells": [{"cell_type": "code", "input": "def additive_score(q, k): 0"}]}],
            }
        ).encode(),
    ],
    ids=["names", "ids", "nbformat 3"],
)
def test_content_tells_the_assignment(there, rows, data):
    there("class/alice.ipynb", "class/bob.ipynb", "class/folder/homework.ipynb", data=data)
    assert [row[:2] for row in rows("class")] == [
        ("alice", ADDITIVE),
        ("bob", ADDITIVE),
        ("folder", ADDITIVE),
    ]
    assert rows("class/alice.ipynb") == [("alice", ADDITIVE, "class/alice.ipynb", True)]


def test_two_files_for_one_assignment_in_a_folder_are_two_students(there, rows):
    there("class/section/alice.ipynb", "class/section/bob.ipynb", data=cells("def pad_mask(a, b): ..."))
    there("class/carol/one.ipynb", data=cells("def pad_mask(a, b): ..."))
    there("class/carol/two.ipynb", data=cells("def additive_score(a, b): ..."))
    assert [row[:2] for row in rows("class")] == [
        ("alice", START),
        ("bob", START),
        ("carol", START),
        ("carol", ADDITIVE),
    ]


def test_a_python_file_counts_when_it_is_named(there, rows):
    there("alice.py", data=b"def additive_scores(q, k, W_q, W_k, v): ...\ndef masked_softmax(s): ...")
    there(f"bob_{START}.py", data=b"")
    there("carol/x.py", data=b"print()")
    assert rows("alice.py", f"bob_{START}.py", "carol/x.py") == [
        ("bob", START, f"bob_{START}.py", True),
        ("alice", ADDITIVE, "alice.py", True),
        ("x", "unknown", "carol/x.py", False),
    ]


def test_every_loose_file_keeps_a_row(there, released):
    there(
        f"a/alice_{START}.ipynb",
        f"b/alice_{START}.ipynb",
        f"b/alice-2_{START}.ipynb",
        f"c/alice_{START}.ipynb",
    )
    found, _ = find(["a", "b", "c"], released, Path("out"))
    assert sorted(one.student for one in found) == ["alice", "alice-2", "alice-3", "alice-4"]
    assert len({one.path for one in found}) == 4
    assert [one.notes for one in found if one.student == "alice-3"] == [
        ("Another file is by alice too, so this one is listed as alice-3.",)
    ]


def test_what_belongs_to_no_assignment_is_a_row_with_the_reason(there, rows):
    there("class/alice.ipynb", data=b"\xff\xfe not json")
    there(f"class/bob_{START}.ipynb")
    assert [row[:2] + row[3:] for row in rows("class")] == [("bob", START, True), ("alice", "unknown", False)]


def test_a_folder_without_a_notebook_beside_those_of_others_is_a_row(there, rows):
    there(f"class/alice/{START}.ipynb", "class/bob/answer.py", "class/.git/x", "class/__MACOSX/y")
    there("class/earlier results/run.json", "results/run.json")
    assert [row[:2] + row[3:] for row in rows("class")] == [("alice", START, True), ("bob", START, False)]


# ---- what is not looked at


def test_hidden_files_and_copies_of_the_editor_are_no_submissions(there, rows):
    there(f"class/alice/{START}.ipynb", f"class/alice/.ipynb_checkpoints/{START}-checkpoint.ipynb")
    there(f"class/._alice_{START}.ipynb", f"class/__MACOSX/alice_{START}.ipynb", "class/grades.csv")
    assert [row[:2] for row in rows("class")] == [("alice", START)]


def test_the_folder_of_results_is_not_looked_into(there, released):
    there(f"class/alice_{START}.ipynb", f"class/out/{START}.ipynb")
    found, _ = find(["class"], released, Path("class/out"))
    assert [one.student for one in found] == ["alice"]


def test_links_are_not_followed(there, released):
    there(f"submitted/alice/{START}/{START}.ipynb", data=b"alice's")
    os.makedirs(f"submitted/bob/{START}")
    os.symlink(f"../../alice/{START}/{START}.ipynb", f"submitted/bob/{START}/{START}.ipynb")
    os.mkdir("submitted/carol")
    os.symlink(f"../alice/{START}", f"submitted/carol/{START}")
    os.symlink("alice", "submitted/dave")
    os.makedirs(f"submitted/eve/{START}")
    os.symlink("..", f"submitted/eve/{START}/loop")
    found, _ = find(["submitted"], released, Path("out"))
    assert [one.student for one in found] == ["alice", "bob", "carol", "dave", "eve"]
    assert found[0].read() == b"alice's"
    for one in found[1:]:
        with pytest.raises(SubmissionError):
            one.read()
    assert "link" in found[2].reason and "link" in found[3].reason
    given, _ = find(["submitted/dave", f"submitted/bob/{START}/{START}.ipynb"], released, Path("out"))
    for one in given:
        with pytest.raises(SubmissionError, match="link"):
            one.read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_pipes_and_folders_with_a_notebooks_name_are_rows_that_cannot_be_read(there, released):
    os.makedirs(f"submitted/bob/{START}/{START}.ipynb")
    os.makedirs(f"submitted/eve/{START}")
    os.mkfifo(f"submitted/eve/{START}/{START}.ipynb")
    os.mkfifo("loose.ipynb")
    found, _ = find(["submitted", "loose.ipynb"], released, Path("out"))
    assert len(found) == 3
    for one in found:
        with pytest.raises(SubmissionError):
            one.read()


def test_a_folder_with_too_many_files_costs_its_own_row_alone(there, released, monkeypatch):
    monkeypatch.setattr(files, "ENTRY_LIMIT", 40)
    there(f"submitted/alice/{START}/{START}.ipynb")
    there(*(f"submitted/bob/{START}/{n:03}.txt" for n in range(50)))
    there(*(f"submitted/eve/x/{n:03}.txt" for n in range(50)), f"submitted/eve/{START}/{START}.ipynb")
    there("submitted/zoe/" + "x/" * 20 + f"{START}.ipynb")
    found, _ = find(["submitted"], released, Path("out"))
    too_many = "The folder holds far too many files: hand in the notebook alone."
    assert [(one.student, one.reason, one.notes) for one in found] == [
        ("alice", None, ()),
        ("bob", too_many, ()),
        ("eve", None, (too_many,)),
        ("zoe", "Folders lie in one another more than 6 deep: hand in the notebook alone.", ()),
    ]


def test_a_folder_with_too_many_notebooks_is_one_row_in_a_tree(there, released, monkeypatch):
    monkeypatch.setattr(files, "NOTEBOOK_LIMIT", 10)
    there(*(f"submitted/bob/{START}/{n:03}.ipynb" for n in range(50)))
    (bob,), _ = find(["submitted"], released, Path("out"))
    assert bob.path.name == "000.ipynb" and len(bob.notes) == 2


def test_only_so_much_of_a_students_folder_is_read(there, released, monkeypatch):
    answers = cells("def pad_mask(lengths, max_len): ...")
    monkeypatch.setattr(finding, "READ_LIMIT", 3 * len(answers) - 1)
    there(*(f"submitted/bob/work/{n}.ipynb" for n in range(9)), data=answers)
    there("class/section/a.ipynb", *(f"class/{n}.ipynb" for n in range(9)), data=answers)
    bob, _ = find(["submitted"], released, Path("out"))
    assert [(one.assignment, one.path.name) for one in bob] == [(START, "0.ipynb"), ("work", "3.ipynb")]
    loose, _ = find(["class"], released, Path("out"))
    assert [one.assignment for one in loose] == [START] * 10


def test_a_folder_that_cannot_be_read_is_a_row(there, released, monkeypatch):
    there(f"submitted/alice/{START}/{START}.ipynb", f"submitted/bob/{START}/{START}.ipynb")

    def entries_of(folder, most, original=files.entries_of):
        if str(folder) == f"submitted/bob/{START}":  # root may read everything, so this is said for it
            raise PermissionError(13, "Permission denied")
        return original(folder, most)

    monkeypatch.setattr(files, "entries_of", entries_of)
    found, _ = find(["submitted"], released, Path("out"))
    assert [(one.student, one.reason) for one in found] == [
        ("alice", None),
        ("bob", f"The folder {START} cannot be read: Permission denied."),
    ]


# ---- names


@pytest.mark.parametrize(
    "name",
    ["a\nb", "\x1b[2J", "x..", "-rf", "=1+1", "a\u202eb", " ", "~", "CON", "é", "x" * 200]
    + ([os.fsdecode(b"\xff\xfe")] if os.name == "posix" else []),
)
def test_odd_names_of_students_are_one_printable_line(there, released, name):
    there(f"submitted/{name}/{START}/{START}.ipynb")
    (one,), left_out = find(["submitted"], released, Path("out"))
    assert one.student.isprintable() and one.student.strip()
    assert one.read() == b"{}"
    assert not left_out


def test_names_that_only_look_alike_keep_their_rows(there, released):
    there(f"submitted/a\nb/{START}/{START}.ipynb", f"submitted/a\tb/{START}/{START}.ipynb")
    found, _ = find(["submitted"], released, Path("out"))
    assert len({one.student for one in found}) == 2


@pytest.mark.parametrize("text", ["1" * 250 + "x", "-1" * 120 + "x", "_" * 250, "a_" + "1" * 240, "_1" * 120])
def test_a_long_name_is_read_at_once(there, rows, text):
    person(text)
    there(f"class/{text[:200]}{START}.ipynb", f"class/{START}{text[:200]}.ipynb")
    assert len(rows("class")) == 2


# ---- what the command is told


def test_what_is_not_there_is_one_sentence(there, released):
    os.mkdir("empty")
    with pytest.raises(NothingToGrade, match=r"There is no file or folder nowhere\."):
        find(["nowhere"], released, Path("out"))
    with pytest.raises(NothingToGrade, match=r"There is no notebook to grade in empty\."):
        find(["empty"], released, Path("out"))


def test_other_files_are_left_out_with_a_sentence(there, released):
    there("notes.txt", f"alice_{START}.ipynb")
    found, left_out = find(["notes.txt", f"alice_{START}.ipynb"], released, Path("out"))
    assert len(found) == 1
    assert left_out == ["notes.txt is neither a notebook (.ipynb) nor a .py file and is left out."]


def test_a_class_beyond_all_bounds_is_one_sentence(there, released, monkeypatch):
    monkeypatch.setattr(finding, "CLASS_LIMIT", 5)
    there(*(f"class/{n}.txt" for n in range(9)))
    with pytest.raises(NothingToGrade, match="more than 5 files"):
        find(["class"], released, Path("out"))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"2026-03-01 12:30:00.000000 UTC\n", "2026-03-01T12:30:00+00:00"),
        (b"2026-03-01 12:30:00 Europe/Berlin", "2026-03-01T12:30:00+01:00"),
        (b"2026-03-01 12:30:00 ../../etc/passwd", None),
        (b"yesterday", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_the_time_of_submission_is_nbgraders(there, released, text, time):
    there(f"submitted/alice/{START}/{START}.ipynb")
    there(f"submitted/alice/{START}/timestamp.txt", data=text)
    assert find(["submitted"], released, Path("out"))[0][0].submitted_at() == time
