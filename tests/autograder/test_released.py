"""What was handed out, and whatever comes back put into it again."""

import copy
import json
import random
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.notebook_file import FILE_LIMIT
from autograder.released import Question, Released, ReleaseError, cells_for, released_notebooks
from autograder.submission import NoAnswer

REPO = Path(__file__).resolve().parents[2]

IMPORTS = "import torch"
STUB = "def {}(x):\n    # Write your answer here.\n    raise NotImplementedError()"
MEAN = "def mean(x):\n    return x.mean()"
TOTAL = "def total(x):\n    return x.sum()"


def meta(grade_id, **more):
    base = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**base, "grade_id": grade_id, **more}}


def answer_cell(name, source=None):
    return new_code_cell(source or STUB.format(name), id=name, metadata=meta(name, solution=True))


def check_cell(name, points=3):
    graded = meta(f"check_{name}", grade=True, locked=True, points=points)
    return new_code_cell(f"check({name})", id=f"check_{name}", metadata=graded)


def handed_out():
    cells = [
        new_markdown_cell("# A lesson", id="title"),
        new_code_cell(IMPORTS, id="imports"),
        new_code_cell("prediction = None", id="predict"),
        answer_cell("mean"),
        check_cell("mean"),
        new_code_cell("prediction = None", id="predict-2"),
        new_markdown_cell("Why?", id="why", metadata=meta("why", grade=True, solution=True, points=2)),
        answer_cell("total"),
        check_cell("total", 4),
        new_code_cell("progress()", id="progress"),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


RELEASED = Released.of(handed_out(), "lesson")
IDS = [cell.id for cell in RELEASED.notebook.cells]


class Student:
    """A copy of the lesson that somebody works on."""

    def __init__(self, **answers):
        self.notebook = json.loads(nbformat.writes(handed_out()))
        for name, source in answers.items():
            self[name]["source"] = source

    @property
    def cells(self):
        return self.notebook["cells"]

    def __getitem__(self, id):
        return next(cell for cell in self.cells if cell["id"] == id)

    def delete(self, *ids):
        self.notebook["cells"] = [cell for cell in self.cells if cell["id"] not in ids]
        return self

    def insert(self, after, source, kind="code", **more):
        """Put a cell of the student's own after the one called `after`."""
        at = self.cells.index(self[after]) + 1
        cell = {"cell_type": kind, "source": source, "metadata": {}, "id": f"{after}-own", **more}
        self.cells.insert(at, cell | ({"outputs": [], "execution_count": 1} if kind == "code" else {}))
        return self

    def strip(self):
        """Save it with a tool that knows neither ids nor nbgrader."""
        for cell in self.cells:
            cell["metadata"] = {}
            del cell["id"]
        self.notebook["nbformat_minor"] = 2
        return self

    def hand_in(self):
        return RELEASED.rebuild(json.dumps(self.notebook).encode())


def rebuild(student):
    """Rebuild it, and see that what every rebuilt notebook keeps to is kept to."""
    rebuilt = student.hand_in()
    assert rebuilt.problem is None
    nbformat.validate(rebuilt.notebook)
    cells = rebuilt.notebook.cells
    assert len({cell.id for cell in cells}) == len(cells)
    assert [cell.id for cell in cells if cell.id in IDS] == IDS
    for cell, given in ((c, o) for o in RELEASED.notebook.cells for c in cells if c.id == o.id):
        assert cell.cell_type == given.cell_type
        assert cell.metadata.get("nbgrader") == given.metadata.get("nbgrader")
        if given.cell_type == "code" and not given.metadata.get("nbgrader", {}).get("solution"):
            assert cell.source == given.source
    for cell in cells:
        assert cell.id in IDS or set(cell.metadata) <= {"seqattn"}
        assert cell.get("outputs", []) == []
    return rebuilt


def source(rebuilt, id):
    return next(cell.source for cell in rebuilt.notebook.cells if cell.id == id)


def order(rebuilt):
    """The cells: the names of released ones, the sources of the student's own."""
    return [cell.id if cell.id in IDS else cell.source for cell in rebuilt.notebook.cells]


def answer(rebuilt, exercise):
    return cells_for(rebuilt.notebook, "lesson.ipynb", exercise)


# ---- what was handed out


def test_questions_are_the_check_cells_with_their_points():
    assert RELEASED.questions == (Question("check_mean", "mean", 3.0), Question("check_total", "total", 4.0))


def test_the_lessons_of_this_repository(tmp_path):
    lessons = released_notebooks(REPO / "notebooks")
    assert "05_additive" in lessons
    for name, released in lessons.items():
        assert released.name == name
        path = Path(name) / f"{name}.ipynb"
        untouched = released.rebuild((REPO / "notebooks" / path).read_bytes())
        assert (untouched.notes, untouched.problem) == ((), None)
        assert [c.source for c in untouched.notebook.cells] == [c.source for c in released.notebook.cells]
        solved = released.rebuild((REPO / "solutions" / path).read_bytes())
        assert (solved.notes, solved.problem) == ((), None)
        assert len(solved.notebook.cells) == len(released.notebook.cells)
        for question in released.questions:
            entry = question.exercise
            asked = cells_for(solved.notebook, name, entry)
            assert any("NotImplementedError" not in text and entry in text for _, text in asked), entry


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cells: cells.append(check_cell("mean")), "has the grade_id 'check_mean' twice"),
        (lambda cells: cells[4].metadata.nbgrader.update(grade_id="test_1"), "names no exercise"),
        (lambda cells: cells[4].metadata.nbgrader.update(points=-1), "has -1 points"),
        (lambda cells: cells[4].metadata.nbgrader.update(points=float("nan")), "has nan points"),
        (lambda cells: cells[4].metadata.nbgrader.pop("points"), "has None points"),
    ],
)
def test_a_release_that_cannot_be_graded_is_refused(spoil, message):
    notebook = handed_out()
    spoil(notebook.cells)
    with pytest.raises(ReleaseError, match=message):
        Released.of(notebook, "lesson")


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"nbformat": 4, "cells": [{}]}'])
def test_a_file_that_is_no_release_is_refused(tmp_path, data):
    (tmp_path / "lesson.ipynb").write_bytes(data)
    with pytest.raises(ReleaseError, match="cannot be used as a released notebook"):
        Released.read(tmp_path / "lesson.ipynb")


def test_folders_of_released_notebooks(tmp_path):
    with pytest.raises(ReleaseError, match="There is no folder"):
        released_notebooks(tmp_path / "none")
    for path in ("one/any.ipynb", "two/two.ipynb", "two/extra.ipynb", ".git/a.ipynb", "empty/readme.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(nbformat.writes(handed_out()))
    assert {name: found.name for name, found in released_notebooks(tmp_path).items()} == {
        "one": "any",
        "two": "two",
    }
    (tmp_path / "two" / "two.ipynb").rename(tmp_path / "two" / "three.ipynb")
    with pytest.raises(ReleaseError, match=r"holds several notebooks, and none is two\.ipynb"):
        released_notebooks(tmp_path)


# ---- what nothing can be made of


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "No lesson.ipynb was handed in."),
        (b"", "lesson.ipynb is an empty file: save the notebook and hand it in again."),
        (b'{"nbformat": 4, "cells": [{"cell_ty', "cut off: save the notebook and hand it in again."),
        (b"<html>", "hand in the notebook as Jupyter saves it."),
        (b'{"nbformat": 4, "cells": []}', "holds no cells"),
        (b'{"nbformat": 99, "cells": [{}]}', "has nbformat 99"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * FILE_LIMIT + b"{}", "larger than 10 MB"),
    ],
)
def test_what_cannot_be_used_leaves_the_released_notebook(data, message):
    rebuilt = RELEASED.rebuild(data)
    assert message in rebuilt.problem and "\n" not in rebuilt.problem
    assert rebuilt.notes == ()
    assert [c.source for c in rebuilt.notebook.cells] == [c.source for c in RELEASED.notebook.cells]
    nbformat.validate(rebuilt.notebook)
    ((_, stub),) = answer(rebuilt, "mean")
    assert stub == STUB.format("mean")


def test_rebuilding_changes_nothing_of_the_release():
    before = copy.deepcopy(RELEASED.notebook)
    rebuilt = rebuild(Student(mean=MEAN))
    for cell in rebuilt.notebook.cells:
        cell.metadata.setdefault("nbgrader", {})["points"] = 99
        cell.source = ""
    rebuilt.notebook.metadata.kernelspec["name"] = "other"
    assert RELEASED.notebook == before


# ---- which cell is which


def test_answers_come_from_the_student_and_the_rest_from_the_release():
    student = Student(mean=MEAN, why="Because.")
    student["imports"]["outputs"] = [{"output_type": "nonsense"}]
    student["check_mean"]["metadata"]["tags"] = ["skip-execution"]
    rebuilt = rebuild(student)
    assert rebuilt.notes == ()
    assert order(rebuilt) == IDS
    assert source(rebuilt, "mean") == MEAN
    assert source(rebuilt, "why") == "Because."
    assert source(rebuilt, "total") == STUB.format("total")
    assert answer(rebuilt, "mean") == [("Code cell 3", MEAN)]


def test_a_cell_is_known_by_its_grade_id_before_its_id():
    student = Student(mean=MEAN, total=TOTAL)
    student["mean"]["id"], student["total"]["id"] = "total", "mean"
    rebuilt = rebuild(student)
    assert (source(rebuilt, "mean"), source(rebuilt, "total")) == (MEAN, TOTAL)


def test_a_cell_without_metadata_is_known_by_its_id():
    student = Student(mean="# nothing yet")
    student["mean"]["metadata"] = {}
    assert source(rebuild(student), "mean") == "# nothing yet"


def test_a_notebook_without_ids_and_metadata_is_known_by_names_and_sources():
    student = Student(mean=MEAN + "  \n", total="total = torch.sum").strip()
    rebuilt = rebuild(student)
    assert rebuilt.notes == ()
    assert order(rebuilt) == IDS
    assert source(rebuilt, "mean") == MEAN + "  \n"
    assert answer(rebuilt, "total") == [("Code cell 1", IMPORTS), ("Code cell 6", "total = torch.sum")]


def test_nothing_but_the_answers_in_a_new_notebook():
    student = Student()
    student.notebook["cells"] = [
        {"cell_type": "code", "source": IMPORTS + "\n" + TOTAL, "metadata": {}, "outputs": []},
        {"cell_type": "code", "source": MEAN, "metadata": {}, "outputs": []},
    ]
    rebuilt = rebuild(student)
    assert answer(rebuilt, "mean")[-1] == ("Code cell 2", MEAN)
    assert answer(rebuilt, "total")[-1] == ("Code cell 1", IMPORTS + "\n" + TOTAL)
    assert "had been deleted or replaced" in rebuilt.notes[-2]


def test_deleted_cells_are_put_back():
    rebuilt = rebuild(Student(mean=MEAN).delete("title", "imports", "check_mean", "total", "progress", "why"))
    assert rebuilt.notes == (
        "The answer cell of `why` was missing: it was put back as it was handed out.",
        "The answer cell of `total` was missing: it was put back as it was handed out.",
        "Put back, since missing: the check of `mean`.",
        "3 cells of the notebook had been deleted or replaced; put back.",
    )
    assert answer(rebuilt, "mean") == [("Code cell 2", MEAN)]
    assert answer(rebuilt, "total") == [("Released code cell 6", STUB.format("total"))]


def test_an_answer_in_a_new_cell_at_the_place_of_the_old_one():
    rebuilt = rebuild(Student().insert("predict", MEAN).delete("mean"))
    assert rebuilt.notes == ()
    assert source(rebuilt, "mean") == MEAN


def test_an_answer_elsewhere_is_not_moved_away_from_what_it_needs():
    student = Student().delete("mean").insert("progress", "class Base:\n    pass")
    student.insert("progress-own", "class mean(Base):\n    pass")
    rebuilt = rebuild(student)
    assert rebuilt.notes == ("The answer cell of `mean` was missing: Code cell 9 defines it.",)
    assert [name for name, _ in answer(rebuilt, "mean")] == ["Code cell 8", "Code cell 9"]


def test_an_answer_below_the_stub_counts():
    rebuilt = rebuild(Student().insert("mean", MEAN))
    assert source(rebuilt, "mean") == MEAN
    rebuilt = rebuild(Student().insert("check_mean", MEAN))
    assert order(rebuilt)[3:6] == ["mean", "check_mean", MEAN]
    assert answer(rebuilt, "mean") == [("Code cell 5", MEAN)]


def test_a_misspelt_answer_is_said_when_its_cell_was_deleted():
    rebuilt = rebuild(Student().delete("total").insert("why", "def totals(x):\n    return x.sum()"))
    with pytest.raises(
        NoAnswer, match=r"^lesson.ipynb defines no `total`: it defines `totals`; rename it\.$"
    ):
        answer(rebuilt, "total")


@pytest.mark.parametrize("times", [1, 3])
def test_of_several_copies_the_last_answer_counts(times):
    student = Student(mean=MEAN)
    for _ in range(times):
        student.cells.append({**student["mean"], "source": STUB.format("mean")})
    rebuilt = rebuild(student)
    assert source(rebuilt, "mean") == MEAN
    better = MEAN.replace("x.mean()", "x.mean(0)")
    student.cells.insert(4, {**student["mean"], "source": better})
    rebuilt = rebuild(student)
    assert source(rebuilt, "mean") == better
    assert order(rebuilt)[2:5] == ["predict", MEAN, "mean"]
    assert "The answer cell of `mean` was there several times: Code cell 4 was taken." in rebuilt.notes


def test_a_copied_cell_that_holds_a_helper_does_not_displace_the_answer():
    student = Student(mean="def mean(x):\n    return helper(x)")
    student.cells.insert(4, {**student["mean"], "source": "def helper(x):\n    return x.mean()"})
    rebuilt = rebuild(student)
    assert source(rebuilt, "mean") == "def mean(x):\n    return helper(x)"
    assert [name for name, _ in answer(rebuilt, "mean")] == ["Code cell 3", "Code cell 4"]


def test_the_whole_notebook_twice():
    student = Student(mean=MEAN)
    student.cells.extend(copy.deepcopy(student.cells))
    rebuilt = rebuild(student)
    assert order(rebuilt) == IDS
    assert source(rebuilt, "mean") == MEAN


def test_reordered_cells_are_put_back_in_order():
    student = Student(mean=MEAN, total=TOTAL, why="Because.")
    student.cells.reverse()
    rebuilt = rebuild(student)
    assert order(rebuilt) == IDS
    assert rebuilt.notes == ("Cells had been moved; they were put back in their order.",)
    assert answer(rebuilt, "total") == [("Code cell 3", TOTAL)]  # the number that the learner sees


def test_own_cells_keep_their_place_between_their_neighbours():
    student = (
        Student().insert("imports", "a = 1").insert("mean", "b = 2", "markdown").insert("progress", "c = 3")
    )
    student.cells.insert(0, {"cell_type": "raw", "source": "first", "metadata": {}, "id": "x"})
    assert order(rebuild(student)) == [
        *("first", "title", "imports", "a = 1", "predict", "mean", "b = 2"),
        *(IDS[IDS.index("check_mean") :]),
        "c = 3",
    ]


def test_own_cells_stay_where_they_were_when_a_cell_beside_them_was_moved():
    student = Student().insert("progress", "a = 1")
    moved = student["check_mean"]
    student.cells.remove(moved)
    student.cells.insert(len(student.cells) - 1, moved)
    assert order(rebuild(student)) == [*IDS, "a = 1"]


def test_own_cells_lose_the_metadata_of_nbgrader_and_double_ids():
    student = Student()
    for id, source in (("not an id", "a = 1"), ("mine", "b = 2"), ("mine", "c = 3"), ("x" * 65, "d = 4")):
        bonus = meta("bonus", grade=True, points=50)
        cell = {"cell_type": "code", "source": source, "metadata": bonus, "id": id, "outputs": []}
        student.cells.append(cell | {"execution_count": 7})
    rebuilt = rebuild(student)
    own = [cell for cell in rebuilt.notebook.cells if cell.id not in IDS]
    assert [(cell.id, cell.source) for cell in own] == [
        ("own", "a = 1"),
        ("mine", "b = 2"),
        ("own-1", "c = 3"),
        ("own-2", "d = 4"),
    ]
    assert [cell.metadata for cell in own] == [
        {"seqattn": {"cell": f"Code cell {n}"}} for n in (9, 10, 11, 12)
    ]


# ---- what is not the student's to change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "print(1)"}, "The text of the check of `mean`"),
        ({"source": ""}, "The text of the check of `mean`"),
        ({"metadata": meta("check_mean", grade=True, points=300)}, "The points of the check of `mean`"),
        ({"metadata": meta("check_mean", grade=True, points="nan")}, "The points of the check of `mean`"),
        ({"metadata": meta("check_mean", grade=True, points=-1)}, "The points of the check of `mean`"),
        ({"metadata": meta("check_mean", solution=True), "source": "x"}, "The text of the check of `mean`"),
        ({"cell_type": "markdown"}, "The text of the check of `mean`"),
        ({"metadata": {}}, None),
        ({"metadata": meta("check_mean", grade=True, points=3, schema_version=99)}, None),
        ({"metadata": meta("check_mean", grade=True, points=3, schema_version=1)}, None),
    ],
)
def test_a_changed_check_cell_is_not_used(change, said):
    student = Student(mean=MEAN)
    student["check_mean"].update(change)
    rebuilt = rebuild(student)
    assert order(rebuilt) == IDS
    assert rebuilt.notes == ((f"{said} had been changed; the original counts.",) if said else ())
    assert answer(rebuilt, "mean") == [("Code cell 3", MEAN)]


def test_a_check_cell_that_redefines_the_answer_is_not_used():
    student = Student(mean=MEAN)
    student["check_mean"]["source"] = "def mean(x):\n    return 3\ncheck(mean)"
    rebuilt = rebuild(student)
    assert order(rebuilt) == IDS
    assert answer(rebuilt, "mean") == [("Code cell 3", MEAN)]


def test_an_answer_that_was_merged_into_its_check_cell_counts():
    student = Student().delete("mean")
    student["check_mean"]["source"] = merged = f"{MEAN}\n\ncheck(mean)"
    rebuilt = rebuild(student)
    assert order(rebuilt)[3:6] == ["mean", merged, "check_mean"]
    assert answer(rebuilt, "mean") == [("Code cell 3", merged)]


def test_a_changed_given_cell_runs_after_the_original():
    student = Student(mean="def mean(x):\n    return torch.mean(x) * scale", imports=f"{IMPORTS}\nscale = 1")
    rebuilt = rebuild(student)
    assert order(rebuilt)[1:4] == ["imports", f"{IMPORTS}\nscale = 1", "predict"]
    assert rebuilt.notes == ()
    names = [name for name, _ in answer(rebuilt, "mean")]
    assert names == ["Released code cell 1", "Code cell 1", "Code cell 3"]


def test_a_given_cell_that_the_student_broke_costs_nothing():
    rebuilt = rebuild(Student(mean="def mean(x):\n    return torch.mean(x)", imports="imprt torch"))
    assert [name for name, _ in answer(rebuilt, "mean")] == ["Released code cell 1", "Code cell 3"]


def test_a_given_text_is_shown_as_the_student_left_it():
    student = Student(title="# A lesson\n\nMy notes: ![](attachment:a.png)")
    student["title"]["attachments"] = {"a.png": {"image/png": "AAAA", "x": 3}, "b.png": 4}
    rebuilt = rebuild(student)
    assert order(rebuilt) == IDS
    assert source(rebuilt, "title").endswith("attachment:a.png)")
    assert rebuilt.notebook.cells[0].attachments == {"a.png": {"image/png": "AAAA"}}


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_an_answer_whose_cell_became_another_kind_is_read_all_the_same(kind):
    student = Student(mean=MEAN)
    student["mean"]["cell_type"] = kind
    rebuilt = rebuild(student)
    assert rebuilt.notes == (
        f"The answer cell of `mean` had become a {kind} cell; it was read as a code cell.",
    )
    assert answer(rebuilt, "mean") == [(f"{kind.capitalize()} cell {2 if kind == 'markdown' else 1}", MEAN)]


def test_the_notes_of_reading_the_file_are_kept():
    student = Student(mean=MEAN)
    student["imports"]["source"] = 3
    rebuilt = rebuild(student)
    assert rebuilt.notes == (
        "Cell 2 of the file could not be read and was left out.",
        "1 cell of the notebook had been deleted or replaced; put back.",
    )
    assert answer(rebuilt, "mean") == [("Code cell 3", MEAN)]


def test_another_lessons_notebook_is_said_to_be_one():
    data = (REPO / "solutions" / "05_additive" / "05_additive.ipynb").read_bytes()
    rebuilt = RELEASED.rebuild(data)
    assert rebuilt.notes == (
        "The file has none of this notebook's exercises: it seems to be another notebook.",
    )
    assert RELEASED.resemblance(data) == 0
    assert RELEASED.resemblance(b"{") == 0
    assert RELEASED.resemblance(json.dumps(Student().notebook).encode()) == 5
    assert RELEASED.resemblance(json.dumps(Student(mean=MEAN).strip().notebook).encode()) == 5


def test_old_notebooks():
    student = Student(mean=MEAN)
    cells = [
        {"cell_type": "code", "input": c["source"], "language": "python", "outputs": [], "metadata": {}}
        if c["cell_type"] == "code"
        else {"cell_type": "markdown", "source": c["source"], "metadata": {}}
        for c in student.cells
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    rebuilt = RELEASED.rebuild(json.dumps(old).encode())
    assert rebuilt.notes == ("The file has nbformat 3; it was converted to nbformat 4.",)
    assert order(rebuilt) == IDS
    assert answer(rebuilt, "mean") == [("Code cell 3", MEAN)]


def test_the_rebuilt_notebook_can_be_rebuilt_again():
    student = Student(mean=MEAN, imports="import torch, math").insert("mean", "a = 1").delete("total")
    once = rebuild(student)
    again = RELEASED.rebuild(nbformat.writes(once.notebook).encode())
    assert order(again) == order(once)
    assert answer(again, "mean") == answer(once, "mean")


JUNK = [
    None,
    True,
    3,
    -1,
    1e400,
    "",
    "x",
    [],
    {},
    [1],
    ["a"],
    {"nbgrader": 3},
    "\ud800",
    "mean",
    "code",
    "\0",
]
JUNK += [{"nbgrader": {"grade_id": ["x"], "grade": 1}}, {"cell": "Code cell 9"}, "raw", "%%bash\n", MEAN]
KEYS = ["cells", "source", "metadata", "cell_type", "id", "outputs", "nbgrader", "attachments", "worksheets"]


def spoil(draw, value):
    """Change something somewhere inside `value`."""
    if not isinstance(value, (dict, list)) or not value:
        return
    where = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    match draw.randrange(8):
        case 0:
            value[where] = copy.deepcopy(draw.choice(JUNK))
        case 1:
            del value[where]
        case 2 if isinstance(value, dict):
            value[draw.choice(KEYS)] = copy.deepcopy(draw.choice(JUNK))
        case 2:
            value.append(copy.deepcopy(value[where]))
        case 3 if isinstance(value, list):
            draw.shuffle(value)
        case _:
            spoil(draw, value[where])


def test_whatever_stands_in_the_file_gives_a_valid_notebook():
    draw = random.Random(3)
    for _ in range(200):
        student = Student(mean=MEAN).insert("mean", "a = 1")
        for _ in range(draw.randint(1, 10)):
            spoil(draw, student.notebook)
        data = bytearray(json.dumps(student.notebook).encode())
        for _ in range(draw.choice([0, 0, 0, 2])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        rebuilt = RELEASED.rebuild(bytes(data))
        nbformat.validate(rebuilt.notebook)
        nbformat.writes(rebuilt.notebook).encode()
        found = [cell for cell in rebuilt.notebook.cells if "nbgrader" in cell.metadata]
        assert [cell.id for cell in found] == ["mean", "check_mean", "why", "total", "check_total"]
        assert all("\n" not in sentence for sentence in (*rebuilt.notes, rebuilt.problem or ""))
