"""Exporters: what is written is read back as the program would that it is for."""

import argparse
import csv
import json
import os
import shutil
import sqlite3
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime

import pytest
from class_results import CRASH, HOSTILE, LESSON, RIGHT, SCALED, SEED, STUB, by_hand, judged, result, save
from nbgrader.api import Gradebook, MissingEntry

from autograder.classroom.exporters import FORMATS, ExportError, add_export, export, run_export
from autograder.classroom.exporters.gradescope import gradescope_results
from autograder.classroom.names import file_stem

FAILED = "It is empty: hand in the notebook again."
OTHER = "05_additive"


@pytest.fixture
def small_class(tmp_path):
    """Three grades, one untouched answer, and one submission that could not be graded."""
    return save(
        tmp_path / "out",
        [
            result("ada", judged(RIGHT)),
            result(
                "alan", judged(SCALED), stamp="It ran without Landlock.", notes=["Two cells were put back."]
            ),
            result("barbara", judged(CRASH)),
            result("claude", judged(STUB)),
            result("donald", reason=FAILED),
        ],
    )


def command(*arguments):
    """The exit status of the command as the command line gives it."""
    parser = argparse.ArgumentParser()
    add_export(parser.add_subparsers(required=True))
    return run_export(parser.parse_args(["export", *map(str, arguments)]))


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def tree_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---- any format


@pytest.mark.parametrize("format", ["canvas", "gradescope", "junit"])
def test_an_empty_class_gives_a_valid_file(tmp_path, format, capsys):
    assert command(save(tmp_path, []), format) == 0
    if format == "canvas":
        assert len(rows_of(tmp_path / "canvas.csv")) == 2
    if format == "junit":
        assert len(ElementTree.parse(tmp_path / "junit.xml").getroot()) == 0


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_without_reports_is_one_sentence(tmp_path, format, gradebook, capsys):
    arguments = ["--db", gradebook] if format == "nbgrader" else []
    assert command(tmp_path / "nowhere", format, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{tmp_path / 'nowhere'} holds no reports: give the folder that `grade --out` made.\n"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"format": 1}', b"[" * 100_000])
@pytest.mark.parametrize("format", ["canvas", "junit", "gradescope"])
def test_a_damaged_report_is_named_and_nothing_is_written(small_class, format, content, capsys):
    path = small_class / "reports" / LESSON / "zoe.json"
    path.write_bytes(content)
    out = small_class / "out"
    assert command(small_class, format, "--to", out) == 2
    assert capsys.readouterr().err == f"{path} is damaged: delete it and grade again with --resume.\n"
    assert format == "gradescope" or not out.exists()
    assert [p.name for p in small_class.rglob("*.part")] == []


def test_a_report_of_another_version_is_refused(small_class):
    save(small_class, [result("zoe", judged(RIGHT), format=2)])
    with pytest.raises(ExportError, match="another version"):
        export(small_class, "junit")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["junit", "--roster", "x.csv"], "A roster is used for the format canvas only"),
        (["canvas", "--db", "x.db"], "A database is used for the format nbgrader only"),
        (["nbgrader", "--to", "x"], "name it with --db and leave out --to"),
    ],
)
def test_options_of_another_format_are_refused(small_class, arguments, sentence, capsys):
    assert command(small_class, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_an_unknown_format_is_refused(small_class):
    with pytest.raises(ExportError, match="the formats are canvas, gradescope, junit, nbgrader"):
        export(small_class, "excel")


@pytest.mark.parametrize("format", ["canvas", "junit"])
def test_a_place_that_cannot_be_written_is_one_sentence(small_class, format, capsys):
    folder = small_class / "taken"
    folder.mkdir()
    assert command(small_class, format, "--to", folder) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{folder} cannot be written: ") and err.count("\n") == 1
    assert [p.name for p in small_class.rglob("*.part")] == []


@pytest.mark.parametrize("format", ["canvas", "junit", "gradescope"])
def test_an_export_made_again_is_the_same(small_class, tmp_path, format):
    folder = tmp_path / "made"
    export(small_class, format, folder / "it")
    first = tree_of(folder)
    export(small_class, format, folder / "it")
    assert tree_of(folder) == first != {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_what_is_written_can_be_read_as_any_new_file(small_class):
    export(small_class, "junit")
    (small_class / "plain").touch()
    assert (small_class / "junit.xml").stat().st_mode == (small_class / "plain").stat().st_mode


@pytest.mark.parametrize("format", ["canvas", "junit", "gradescope"])
def test_three_thousand_submissions(tmp_path, format):
    answers = [judged(s) for s in (RIGHT, SCALED, STUB)]
    save(tmp_path, [result(f"student{i}", answers[i % 3]) for i in range(3000)])
    export(tmp_path, format, tmp_path / "it")
    if format == "canvas":
        rows = rows_of(tmp_path / "it")[2:]
        assert [row[0] for row in rows] == [f"student{i}" for i in range(3000)]
        assert sum(float(row[-1]) for row in rows) == 3500
    elif format == "junit":
        assert len(ElementTree.parse(tmp_path / "it").getroot()) == 3000
    else:
        assert len(list((tmp_path / "it" / LESSON).iterdir())) == 3000


# ---- Canvas

HEADER = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]


def write_roster(path, assignments, rows, delimiter=",", points=None, encoding="utf-8"):
    """A gradebook as Canvas exports it, with the columns that it computes itself at the end."""
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow([*HEADER, *assignments, "Current Score", "Final Score"])
        writer.writerow(["", "", "", "", "", *["Manual Posting" for _ in assignments], "", ""])
        writer.writerow(
            [
                "    Points Possible",
                "",
                "",
                "",
                "",
                *(points or ["3.00"] * len(assignments)),
                "(read only)",
                "(read only)",
            ]
        )
        for row in rows:
            writer.writerow([*row, "90.00", "45.00"])
    return path


def test_canvas_without_a_roster(small_class, capsys):
    assert command(small_class, "canvas") == 1
    rows = rows_of(small_class / "canvas.csv")
    assert rows[0] == [*HEADER, LESSON]
    assert rows[1] == ["    Points Possible", "", "", "", "", "3"]
    assert rows[2:] == [
        ["ada", "", "", "ada", "", "3"],
        ["alan", "", "", "alan", "", "0.5"],
        ["barbara", "", "", "barbara", "", "0"],
        ["claude", "", "", "claude", "", "0"],
    ]
    out, err = capsys.readouterr()
    assert out == f"Wrote the grades of 4 students to {small_class / 'canvas.csv'}.\n"
    assert err == "1 submission could not be graded and got no new grade: donald.\n"


def test_canvas_leaves_a_cell_empty_where_one_of_two_is_missing(tmp_path):
    save(tmp_path, [result("ada", judged(RIGHT)), result("alan", judged(RIGHT), assignment=OTHER)])
    export(tmp_path, "canvas")
    assert [row[-2:] for row in rows_of(tmp_path / "canvas.csv")] == [
        [LESSON, OTHER],
        ["3", "3"],
        ["3", ""],
        ["", "3"],
    ]


def test_a_class_of_which_none_could_be_graded(tmp_path, capsys):
    save(tmp_path, [result(f"s{i}", reason=FAILED) for i in range(9)])
    assert command(tmp_path, "canvas") == 1
    assert rows_of(tmp_path / "canvas.csv") == [HEADER, ["    Points Possible", "", "", "", ""]]
    assert "9 submissions could not be graded and got no new grade: s0, s1, s2, s3 and 5 others." in (
        capsys.readouterr().err
    )
    assert command(tmp_path, "junit") == 0
    suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {suite.get("errors") for suite in suites} == {"1"}


def test_a_roster_is_filled_in_by_login_id_and_sis_id(tmp_path, capsys):
    students = ["ada", "1002", "SIS3", "Donald"]
    save(tmp_path, [result(s, judged(SCALED)) for s in students])
    roster = write_roster(
        tmp_path / "roster.csv",
        [f"{LESSON} (4711)", "Essay (4712)"],
        [
            ["Lovelace, Ada", "1001", "SIS1", "ada", "A", "", "7"],
            ["Turing, Alan", "1002", "SIS2", "alan@uni.example", "A", "2.00", "8"],
            ["Liskov, Barbara", "1003", "SIS3", "barbara@uni.example", "B", "", "9"],
            ["Knuth, Donald", "1004", "SIS4", "donald@uni.example", "B", "", "9"],
            ["Hopper, Grace", "1005", "SIS5", "grace@uni.example", "B", "1.00", "9"],
        ],
        encoding="utf-8-sig",
    )
    assert command(tmp_path, "canvas", "--roster", roster) == 0
    rows = rows_of(tmp_path / "canvas.csv")
    assert rows[0] == [*HEADER, f"{LESSON} (4711)"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "3.00"]
    assert [(row[0], row[1], row[-1]) for row in rows[2:]] == [
        ("Lovelace, Ada", "1001", "0.5"),
        ("Turing, Alan", "1002", "0.5"),
        ("Liskov, Barbara", "1003", "0.5"),
        ("Knuth, Donald", "1004", "0.5"),
    ]
    assert capsys.readouterr().err == ""


def test_a_cell_without_a_new_grade_keeps_what_canvas_has(tmp_path):
    """Canvas takes an empty cell for "no grade" and would remove the one that is there."""
    save(
        tmp_path,
        [
            result("ada", judged(RIGHT)),
            result("ada", reason=FAILED, assignment=OTHER),
            result("alan", reason=FAILED),
            result("alan", judged(RIGHT), assignment=OTHER),
            result("grace", reason=FAILED),
        ],
    )
    roster = write_roster(
        tmp_path / "roster.csv",
        [f"{LESSON} (1)", f"{OTHER} (2)"],
        [
            ["Lovelace, Ada", "11", "", "ada", "A", "1.00", "EX"],
            ["Turing, Alan", "12", "", "alan", "A", "2,50", ""],
            ["Hopper, Grace", "13", "", "grace", "A", "0.00", "1.00"],
        ],
    )
    assert not export(tmp_path, "canvas", roster=roster).complete
    assert [row[-2:] for row in rows_of(tmp_path / "canvas.csv")[2:]] == [["3", "EX"], ["2,50", "3"]]


def test_students_who_are_not_in_the_roster_are_left_out_and_named(tmp_path, capsys):
    save(tmp_path, [result(s, judged(RIGHT)) for s in ("ada", "zoe", "12")])
    rows = [
        ["Lovelace, Ada", "11", "", "ada", "A", ""],
        ["Turing, Alan", "12", "", "alan", "A", ""],
        ["Hopper, Grace", "13", "12", "grace", "A", ""],  # her number at the university is his in Canvas
    ]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)"], rows)
    assert command(tmp_path, "canvas", "--roster", roster) == 1
    assert [row[0] for row in rows_of(tmp_path / "canvas.csv")[2:]] == ["Lovelace, Ada"]
    assert capsys.readouterr().err == "Not in the roster, or not for certain, and so left out: 12, zoe.\n"


def test_names_as_canvas_gives_them_to_downloads_are_found_by_id(tmp_path):
    save(
        tmp_path, [result(s, judged(RIGHT)) for s in ("lovelaceada_1001", "someoneelse_1002", "turingalan_7")]
    )
    rows = [
        ["Lovelace, Ada", "1001", "", "al", "A", ""],
        ["Turing, Alan", "1002", "", "at", "A", ""],
    ]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)"], rows)
    done = export(tmp_path, "canvas", roster=roster)
    assert [row[0] for row in rows_of(tmp_path / "canvas.csv")[2:]] == ["Lovelace, Ada"]
    assert "someoneelse_1002, turingalan_7" in done.notes[0]


def test_two_students_who_are_the_same_one_in_the_roster_are_refused(tmp_path):
    save(tmp_path, [result(s, judged(RIGHT)) for s in ("ada", "ada@uni.example")])
    rows = [["Lovelace, Ada", "11", "", "ada@uni.example", "A", ""]]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)"], rows)
    with pytest.raises(ExportError, match=r"Two students here, ada and ada@uni\.example"):
        export(tmp_path, "canvas", roster=roster)
    assert not (tmp_path / "canvas.csv").exists()


def test_scores_are_scaled_to_the_points_in_canvas(tmp_path):
    save(tmp_path, [result("ada", judged(RIGHT)), result("alan", judged(SCALED))])
    rows = [["Lovelace, Ada", "11", "", "ada", "A", ""], ["Turing, Alan", "12", "", "alan", "A", ""]]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)"], rows, points=["10,00"])
    done = export(tmp_path, "canvas", roster=roster)
    rows = rows_of(tmp_path / "canvas.csv")
    assert [row[-1] for row in rows[1:]] == ["10,00", "10", "1.6667"]
    assert done.complete
    assert done.notes == (
        f"{LESSON} has 10 points in Canvas and 3 here: scores are scaled to those of Canvas.",
    )


@pytest.mark.parametrize("points", ["", "0.00", "3.00", "(read only)"])
def test_scores_stay_where_canvas_has_no_other_points(tmp_path, points):
    save(tmp_path, [result("alan", judged(SCALED))])
    rows = [["Turing, Alan", "12", "", "alan", "A", ""]]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)"], rows, points=[points])
    assert export(tmp_path, "canvas", roster=roster).notes == ()
    assert rows_of(tmp_path / "canvas.csv")[2][-1] == "0.5"


def test_an_assignment_is_found_by_its_letters_and_else_made_anew(tmp_path):
    save(tmp_path, [result("alan", judged(SCALED)), result("alan", judged(RIGHT), assignment=OTHER)])
    rows = [["Turing, Alan", "12", "", "alan", "A", ""]]
    roster = write_roster(tmp_path / "roster.csv", ["04 Attention by Hand (77)"], rows, delimiter=";")
    done = export(tmp_path, "canvas", roster=roster)
    header, points, row = rows_of(tmp_path / "canvas.csv")
    assert header[5:] == ["04 Attention by Hand (77)", OTHER]
    assert (points[5:], row[5:]) == (["3.00", "3"], ["0.5", "3"])
    assert done.notes == (
        f"Canvas will make a new assignment for {OTHER}: the roster has none of that name.",
    )


def test_assignments_that_cannot_be_told_apart_are_refused(tmp_path):
    save(tmp_path, [result("alan", judged(RIGHT))])
    rows = [["Turing, Alan", "12", "", "alan", "A", "", ""]]
    roster = write_roster(tmp_path / "r.csv", ["04 Attention By Hand (1)", "04-attention-by-hand (2)"], rows)
    with pytest.raises(ExportError, match="several assignments called"):
        export(tmp_path, "canvas", roster=roster)
    save(tmp_path, [result("alan", judged(RIGHT), assignment="04-Attention-by-Hand")])
    roster = write_roster(tmp_path / "r.csv", ["04 Attention By Hand (1)"], [rows[0][:-1]])
    with pytest.raises(ExportError, match="Two assignments here"):
        export(tmp_path, "canvas", roster=roster)


def test_a_roster_with_first_and_last_names(tmp_path):
    save(tmp_path, [result("ada", judged(RIGHT)), result("turingalan_12", judged(RIGHT))])
    roster = tmp_path / "roster.csv"
    roster.write_text(
        f"LastName,FirstName,ID,SIS Login ID,Section,{LESSON} (1)\n"
        "    Points Possible,,,,,3\nLovelace,Ada,11,ada,A,\nTuring,Alan,12,at,A,\n"
    )
    export(tmp_path, "canvas", roster=roster)
    assert [row[:3] for row in rows_of(tmp_path / "canvas.csv")[2:]] == [
        ["Lovelace", "Ada", "11"],
        ["Turing", "Alan", "12"],
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no columns ID and Section"),
        (b"name,grade\nada,3\n", "has no columns ID and Section"),
        (b"Student,ID,Section\n\xff\xfe", "is not UTF-8 text"),
        (b'Student,ID,Section\n"ada', "is not a CSV file"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_roster_that_is_none_is_one_sentence(small_class, tmp_path, content, sentence):
    roster = tmp_path / "roster.csv"
    if content is not None:
        roster.write_bytes(content)
    with pytest.raises(ExportError, match=sentence) as raised:
        export(small_class, "canvas", roster=roster)
    assert content is None or "In Canvas choose Grades, Export" in str(raised.value)


@pytest.mark.parametrize("name", [*HOSTILE, "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(tmp_path, name):
    save(tmp_path, [result(name, judged(RIGHT), assignment=name)])
    export(tmp_path, "canvas")
    header, points, row = rows_of(tmp_path / "canvas.csv")
    assert len(header) == len(points) == len(row) == 6
    for cell in (*header, *row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert "\n" not in cell
    assert row[-1] == "3"


def test_a_name_in_the_roster_is_no_formula_and_numbers_stay_numbers(tmp_path):
    save(tmp_path, [result("ada", judged(RIGHT)), result("ada", reason=FAILED, assignment=OTHER)])
    save(tmp_path, [result("alan", judged(RIGHT), assignment=OTHER)])
    rows = [["=cmd|' /C calc'!A0", "11", "", "ada", "A", "", "-1.5"], ["T", "12", "", "alan", "A", "", ""]]
    roster = write_roster(tmp_path / "roster.csv", [f"{LESSON} (1)", f"{OTHER} (2)"], rows)
    export(tmp_path, "canvas", roster=roster)
    row = rows_of(tmp_path / "canvas.csv")[2]
    assert (row[0], row[-1]) == ("'=cmd|' /C calc'!A0", "-1.5")


# ---- Gradescope


def test_gradescope_results(small_class, capsys):
    assert command(small_class, "gradescope") == 0
    folder = small_class / "gradescope" / LESSON
    found = {p.name: json.loads((p / "results.json").read_text()) for p in folder.iterdir()}
    assert set(found) == {"ada", "alan", "barbara", "claude", "donald"}
    for each in found.values():
        assert each["score"] == pytest.approx(sum(t["score"] for t in each["tests"]))
        assert sum(t["max_score"] for t in each["tests"]) == 3
        assert each["output_format"] == "text"
        for test in each["tests"]:
            assert test["status"] == ("passed" if test["score"] == test["max_score"] else "failed")
            assert (test["output_format"], test["name_format"], test["visibility"]) == (
                "text",
                "text",
                "visible",
            )
    assert found["ada"]["score"] == 3 and found["ada"]["output"] == "3 of 3 points."
    alan = found["alan"]
    assert alan["output"].split("\n\n")[:3] == [
        "Not tamper-proof. It ran without Landlock.",
        "0.5 of 3 points.",
        "Two cells were put back.",
    ]
    assert "Here the plain, unscaled score is asked for." in alan["output"]
    assert [t["number"] for t in alan["tests"]] == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert alan["tests"][0]["name"] == "dot_scores: The scores have shape (B, T, S)"
    assert alan["extra_data"]["misconceptions"] == {"dot_scores": "needless-scaling"}
    assert alan["extra_data"]["seed"] == SEED
    donald = found["donald"]
    assert donald["score"] == 0
    assert donald["tests"][0]["output"] == FAILED and FAILED in donald["output"]


@pytest.mark.parametrize("points", [1, 10, 0.7, 0])
def test_gradescope_scales_checks_to_the_points_of_the_notebook(points):
    found = gradescope_results(result("alan", judged(SCALED, max_points=points)))
    assert sum(t["max_score"] for t in found["tests"]) == pytest.approx(points, abs=1e-5)
    assert sum(t["score"] for t in found["tests"]) == pytest.approx(points / 6, abs=1e-5)
    assert found["score"] == pytest.approx(points / 6, abs=1e-5)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_gradescope_gets_plain_text(tmp_path, hostile):
    answer = by_hand("dot_scores", 1, "some-id", hostile)
    save(tmp_path, [result(hostile, answer, assignment=hostile, notes=[hostile])])
    export(tmp_path, "gradescope", tmp_path / "gs")
    (path,) = (tmp_path / "gs").rglob("results.json")
    assert path.relative_to(tmp_path / "gs").parts[:-1] == (file_stem(hostile), file_stem(hostile))
    text = json.dumps(json.loads(path.read_text(encoding="utf-8")), ensure_ascii=False)
    text.encode("utf-8")
    assert "\\u0000" not in text and "\\u001b" not in text


# ---- JUnit


def test_junit(small_class, capsys):
    assert command(small_class, "junit", "--to", small_class / "deep" / "er" / "it.xml") == 0
    root = ElementTree.parse(small_class / "deep" / "er" / "it.xml").getroot()
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [f"{LESSON}.{s}" for s in ("ada", "alan", "barbara", "claude", "donald")]
    for suite in suites.values():
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.get("tests"))
        assert len(suite.findall("testcase/failure")) == int(suite.get("failures"))
        assert len(suite.findall("testcase/error")) == int(suite.get("errors"))
        datetime.fromisoformat(suite.get("timestamp"))
    alan = suites[f"{LESSON}.alan"]
    assert (alan.get("tests"), alan.get("failures"), alan.get("errors")) == ("5", "4", "0")
    case = alan.findall("testcase")[1]
    assert case.get("classname") == f"{LESSON}.alan.dot_scores"
    assert case.get("name") == "e_ij is the dot product of query i and key j"
    assert case.find("failure").get("message")
    assert case.find("failure").text.startswith("Misconception: needless-scaling\nThe dot products")
    properties = {p.get("name"): p.get("value") for p in alan.findall("properties/property")}
    assert properties["score"] == "0.5" and properties["seed"] == str(SEED)
    assert properties["stamp"] == "It ran without Landlock."
    assert suites[f"{LESSON}.donald"].find("testcase/error").get("message") == FAILED


@pytest.mark.parametrize("hostile", HOSTILE)
def test_junit_is_well_formed_whatever_the_messages_hold(tmp_path, hostile):
    answer = by_hand("dot_scores", 1, "some-id", f"]]>{hostile}")
    save(tmp_path, [result(hostile, answer, assignment=hostile), result("b", reason=hostile)])
    export(tmp_path, "junit")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert len(root) == 2
    if hostile.isprintable():
        text = root.find("testsuite[@failures='4']/testcase/failure").text
        assert text == f"Misconception: some-id\n]]>{hostile}"


# ---- nbgrader

CELLS = {LESSON: {"check_dot_scores": 3.0, "check_pad_mask": 3.0, "essay": 2.0}}


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory):
    """nbgrader starts another program for a new gradebook, so that is done once."""
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        # It calls alembic by its bare name.
        patch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""))
        Gradebook(f"sqlite:///{path}", "seqattn").close()
    return path


def fill(path, assignments):
    """Put in what `nbgrader generate_assignment` does."""
    with Gradebook(f"sqlite:///{path}", "seqattn") as gradebook:
        for assignment, cells in assignments.items():
            gradebook.add_assignment(assignment, duedate="2026-05-01T12:00:00")
            gradebook.add_notebook(assignment, assignment)
            for name, points in cells.items():
                kind = "markdown" if name == "essay" else "code"
                gradebook.add_grade_cell(name, assignment, assignment, max_score=points, cell_type=kind)
                gradebook.add_source_cell(name, assignment, assignment, source="", cell_type=kind)
            gradebook.add_solution_cell("dot_scores", assignment, assignment)
    return path


@pytest.fixture
def gradebook(tmp_path, empty_gradebook):
    return fill(shutil.copy(empty_gradebook, tmp_path / "gradebook.db"), CELLS)


def grade_of(path, student, cell="check_dot_scores", assignment=LESSON):
    with Gradebook(f"sqlite:///{path}") as gradebook:
        return gradebook.find_grade(cell, assignment, assignment, student).to_dict()


def test_grades_go_into_the_gradebook(small_class, gradebook, capsys):
    assert command(small_class, "nbgrader", "--db", f"sqlite:///{gradebook}") == 1
    out, err = capsys.readouterr()
    assert out == f"Wrote the grades of 4 submissions into sqlite:///{gradebook}.\n"
    assert err == "1 submission could not be graded and got no score: donald.\n"
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert [s.id for s in found.students] == ["ada", "alan", "barbara", "claude"]
        scores = {s.student.id: s.score for s in found.assignment_submissions(LESSON)}
        assert [a.name for a in found.assignments] == [LESSON]
    assert scores == {"ada": 3, "alan": 0.5, "barbara": 0, "claude": 0}
    graded = grade_of(gradebook, "alan")
    assert (graded["auto_score"], graded["needs_manual_grade"]) == (0.5, False)
    # Nobody has read the essay, and the other exercise is not in these results.
    for cell in ("essay", "check_pad_mask"):
        waiting = grade_of(gradebook, "alan", cell)
        assert (waiting["auto_score"], waiting["needs_manual_grade"]) == (None, True)


def test_no_other_table_changes(small_class, gradebook):
    def others():
        with Gradebook(f"sqlite:///{gradebook}", "") as found:
            from nbgrader.api import BaseCell, Course, Notebook

            return [sorted(map(repr, found.db.query(table))) for table in (Course, BaseCell, Notebook)]

    before = others()
    export(small_class, "nbgrader", db=str(gradebook))
    assert others() == before


def test_the_time_of_submission_is_kept_in_utc(tmp_path, gradebook):
    save(tmp_path, [result("ada", judged(RIGHT), submitted_at="2026-05-01T15:30:00+02:00")])
    export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        submission = found.find_submission(LESSON, "ada")
        assert submission.timestamp == datetime(2026, 5, 1, 13, 30)
        assert submission.total_seconds_late == 5400
    save(tmp_path, [result("ada", judged(RIGHT))])
    export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert found.find_submission(LESSON, "ada").timestamp == datetime(2026, 5, 1, 13, 30)


def test_a_score_that_a_person_gave_stays_and_counts(tmp_path, gradebook):
    save(tmp_path, [result("ada", judged(SCALED))])
    export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        grade = found.find_grade("check_dot_scores", LESSON, LESSON, "ada")
        grade.manual_score, grade.extra_credit = 2.0, 0.25
        found.db.commit()
    assert export(tmp_path, "nbgrader", db=str(gradebook)).notes == ()
    assert not grade_of(gradebook, "ada")["needs_manual_grade"]
    save(tmp_path, [result("ada", judged(STUB))])
    done = export(tmp_path, "nbgrader", db=str(gradebook))
    graded = grade_of(gradebook, "ada")
    assert (graded["auto_score"], graded["manual_score"], graded["extra_credit"]) == (0, 2, 0.25)
    assert graded["needs_manual_grade"]
    assert "1 cell had a score that a person gave" in done.notes[0] and done.complete
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert found.find_submission(LESSON, "ada").score == 2.25


def test_a_submission_that_could_not_be_graded_keeps_its_old_score(tmp_path, gradebook):
    save(tmp_path, [result("ada", judged(RIGHT))])
    export(tmp_path, "nbgrader", db=str(gradebook))
    save(tmp_path, [result("ada", reason=FAILED)])
    assert not export(tmp_path, "nbgrader", db=str(gradebook)).complete
    assert grade_of(gradebook, "ada")["auto_score"] == 3


def test_scores_are_scaled_to_the_points_in_the_gradebook(tmp_path, empty_gradebook):
    gradebook = fill(shutil.copy(empty_gradebook, tmp_path / "g.db"), {LESSON: {"check_dot_scores": 12.0}})
    save(tmp_path, [result("alan", judged(SCALED))])
    done = export(tmp_path, "nbgrader", db=str(gradebook))
    assert grade_of(gradebook, "alan")["auto_score"] == pytest.approx(2)
    assert "scores are scaled to the gradebook's" in done.notes[0]


def test_an_assignment_that_is_not_in_the_gradebook_is_one_sentence(tmp_path, gradebook, capsys):
    save(tmp_path, [result("ada", judged(RIGHT)), result("ada", judged(RIGHT), assignment=OTHER)])
    before = gradebook.read_bytes()
    assert command(tmp_path, "nbgrader", "--db", gradebook) == 2
    err = capsys.readouterr().err
    assert f"run `nbgrader generate_assignment {OTHER}` in the course's folder first" in err
    assert err.count("\n") == 1
    assert gradebook.read_bytes() == before


def test_a_cell_that_is_not_in_the_gradebook_leaves_no_trace(tmp_path, gradebook):
    save(tmp_path, [result("ada", judged(RIGHT)), result("alan", by_hand("masked_softmax", 0))])
    with pytest.raises(ExportError, match="has no graded cell 'check_masked_softmax'"):
        export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert found.students == []
        with pytest.raises(MissingEntry):
            found.find_submission(LESSON, "ada")


def test_a_gradebook_that_is_none_is_one_sentence_and_stays_as_it_is(small_class, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"empty.db": b"", "text.db": b"hello" * 400, "missing.db": None}.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ExportError, match=r"is not a gradebook|There is no gradebook"):
            export(small_class, "nbgrader", db=name)
        assert (
            not (tmp_path / name).exists() if content is None else (tmp_path / name).read_bytes() == content
        )
    with pytest.raises(ExportError, match=r"There is no gradebook at gradebook\.db"):
        export(small_class, "nbgrader")
    for address in ("nonsense://x", "://", "sqlite:///"):
        with pytest.raises(ExportError):
            export(small_class, "nbgrader", db=address)


def test_a_gradebook_in_use_is_one_sentence(tmp_path, gradebook, monkeypatch):
    save(tmp_path, [result("ada", judged(RIGHT))])
    with sqlite3.connect(gradebook, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ExportError, match="database is locked"):
            export(tmp_path, "nbgrader", db=f"sqlite:///{gradebook}?timeout=0.1")
        other.execute("ROLLBACK")
    assert export(tmp_path, "nbgrader", db=str(gradebook)).complete


def test_the_default_gradebook_is_in_the_current_folder(small_class, gradebook, monkeypatch):
    monkeypatch.chdir(gradebook.parent)
    export(small_class, "nbgrader")
    assert grade_of(gradebook, "ada")["auto_score"] == 3


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_are_students_as_any(tmp_path, gradebook, hostile):
    save(tmp_path, [result(hostile, judged(RIGHT))])
    export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert [s.score for s in found.assignment_submissions(LESSON)] == [3]


def test_without_nbgrader_one_sentence_says_what_to_install(small_class, gradebook, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    assert command(small_class, "nbgrader", "--db", gradebook) == 2
    assert capsys.readouterr().err == (
        "nbgrader is not installed here: run `pip install nbgrader`, then export again.\n"
    )


@pytest.mark.slow
def test_three_thousand_submissions_in_the_gradebook(tmp_path, gradebook):
    answers = [judged(s) for s in (RIGHT, SCALED, STUB)]
    save(tmp_path, [result(f"student{i}", answers[i % 3]) for i in range(3000)])
    export(tmp_path, "nbgrader", db=str(gradebook))
    with Gradebook(f"sqlite:///{gradebook}") as found:
        assert sum(s.score for s in found.assignment_submissions(LESSON)) == 3500
