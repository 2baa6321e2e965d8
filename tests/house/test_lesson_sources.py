"""solutions/ is in normal form, notebooks/ is what nbgrader makes of it, lessons survive as text."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from .conftest import REPO, load

LESSONS = load(REPO / "tools" / "lessons.py").all_lessons()

SOLUTION = {
    "grade": False,
    "grade_id": "twice",
    "locked": False,
    "schema_version": 3,
    "solution": True,
    "task": False,
}
SOURCE = "def twice(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def code(source, **metadata):
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def prose(source):
    return nbformat.v4.new_markdown_cell(source)


@pytest.fixture
def course(lessons, tmp_path):
    """A course of one small lesson, 01_toy, in a folder of its own. `lessons` works on it."""
    lessons.ROOT = tmp_path
    shutil.copy(REPO / "nbgrader_config.py", tmp_path)
    toy = notebook(prose("# Toy"), code(SOURCE, nbgrader=SOLUTION), code("twice(2)"))
    path = lessons.notebook_of("01_toy")
    lessons.write(path, lessons.dumps(lessons.normal_form(toy)))
    return tmp_path


# ---------------------------------------------------------------- the repository's lessons


def test_there_are_lessons():
    assert {"00_start_here", "04_attention_by_hand", "05_additive"} <= set(LESSONS)


@pytest.mark.parametrize("slug", LESSONS)
def test_a_source_is_in_normal_form(lessons, slug):
    path = lessons.notebook_of(slug)
    wanted = lessons.dumps(lessons.normal_form(lessons.read_notebook(path)))
    assert path.read_text(encoding="utf-8") == wanted, "run `python tools/lessons.py normal`"


@pytest.mark.parametrize("slug", LESSONS)
def test_a_source_survives_as_text(lessons, slug):
    source = lessons.read_notebook(lessons.notebook_of(slug))
    assert lessons.dumps(lessons.from_text(lessons.to_text(source))) == lessons.dumps(source)


def test_the_learners_notebooks_are_what_generating_makes(lessons, tmp_path):
    lessons.generate(LESSONS, tmp_path)
    assert lessons.outdated(LESSONS, tmp_path) == [], "run `python tools/lessons.py release`"
    assert lessons.orphans() == []


@pytest.mark.slow
def test_nbgraders_own_command_makes_the_same_bytes(lessons, tmp_path):
    shutil.copy(REPO / "nbgrader_config.py", tmp_path)
    slug = LESSONS[0]
    shutil.copytree(REPO / "solutions" / slug, tmp_path / "solutions" / slug)
    # nbgrader calls alembic by its bare name.
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", slug]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, capture_output=True)
    lessons.generate([slug], tmp_path / "ours")
    assert lessons.files_of(tmp_path / "notebooks" / slug) == lessons.files_of(tmp_path / "ours" / slug)


# ---------------------------------------------------------------- normal form


def test_normal_form_forgets_what_running_and_editing_left(lessons):
    cell = code("1 + 1", collapsed=True, tags=["keep"], nbgrader={**SOLUTION, "checksum": "abc"})
    cell.execution_count = 7
    cell.outputs = [nbformat.v4.new_output("stream", text="2")]
    untidy = notebook(cell)
    untidy.metadata.update(widgets={"state": {}}, kernelspec={"name": "mine", "display_name": "Mine"})
    normal = lessons.normal_form(untidy)
    assert normal.cells[0].outputs == []
    assert normal.cells[0].execution_count is None
    assert normal.cells[0].metadata == {"tags": ["keep"], "nbgrader": SOLUTION}
    assert normal.metadata == {"kernelspec": lessons.KERNELSPEC, "language_info": {"name": "python"}}
    assert (normal.nbformat, normal.nbformat_minor) == (4, 5)
    assert lessons.dumps(normal).endswith("}\n")


def test_normal_form_is_its_own_normal_form(lessons):
    once = lessons.normal_form(notebook(prose("a\r\nb\n"), code("x = 1"), code("x = 1")))
    assert lessons.dumps(lessons.normal_form(once)) == lessons.dumps(once)


def test_a_cells_id_does_not_depend_on_its_place(lessons):
    a, b, graded = code("a = 1"), prose("b"), code(SOURCE, nbgrader=SOLUTION)
    one = {cell.source: cell.id for cell in lessons.normal_form(notebook(a, b, graded)).cells}
    other = {cell.source: cell.id for cell in lessons.normal_form(notebook(graded, b, a)).cells}
    assert one == other
    assert one[SOURCE] == "twice"


def test_equal_cells_get_different_ids(lessons):
    cells = lessons.normal_form(notebook(code("x"), code("x"), prose("x"), code("x"))).cells
    assert len({cell.id for cell in cells}) == 4


def test_a_grade_id_must_be_unique(lessons):
    with pytest.raises(lessons.LessonError, match="'twice'"):
        lessons.normal_form(notebook(code("a", nbgrader=SOLUTION), code("b", nbgrader=SOLUTION)))


def test_a_grade_id_must_be_one_that_nbgrader_takes(lessons):
    with pytest.raises(lessons.LessonError, match="'my id'"):
        lessons.normal_form(notebook(code("a", nbgrader={**SOLUTION, "grade_id": "my id"})))


def test_an_attachment_is_refused_since_text_would_lose_it(lessons):
    cell = prose("![](attachment:a.png)")
    cell.attachments = {"a.png": {"image/png": "AAAA"}}
    with pytest.raises(lessons.LessonError, match=r"a\.png"):
        lessons.normal_form(notebook(cell))


# ---------------------------------------------------------------- text


@pytest.mark.parametrize("source", ["a = 1\n# %%\nb = 2", "# %% [markdown]\na = 1"])
def test_a_cell_that_would_split_is_refused(lessons, source):
    with pytest.raises(lessons.LessonError, match="Cell 2"):
        lessons.to_text(lessons.normal_form(notebook(prose("Hello"), code(source))))


def test_text_keeps_commands_metadata_and_line_breaks(lessons):
    cells = (
        prose("two spaces  \nbreak a line: $e_{ij}$"),
        code("%matplotlib inline"),
        code(SOURCE, nbgrader=SOLUTION),
    )
    source = lessons.normal_form(notebook(*cells))
    assert lessons.from_text(lessons.to_text(source)) == source


def test_a_lesson_can_be_edited_as_text_again_and_again(course, lessons, capsys):
    assert lessons.main(["text", "01"]) == 0
    text = course / "solutions" / "01_toy" / "01_toy.py"
    for old, new in (("# Toy", "# Toys"), ("# Toys", "# Games")):
        text.write_text(text.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        assert lessons.main(["build", "01"]) == 0
        assert lessons.read_notebook(lessons.notebook_of("01_toy")).cells[0].source == new
    assert "built solutions/01_toy/01_toy.ipynb" in capsys.readouterr().out


def test_build_does_not_overwrite_what_the_text_does_not_know(course, lessons, capsys):
    lessons.main(["text", "01"])
    path = lessons.notebook_of("01_toy")
    path.write_text(
        path.read_text(encoding="utf-8").replace("# Toy", "# Edited in Jupyter"), encoding="utf-8"
    )
    assert lessons.main(["build", "01"]) == 2
    assert "has changed since" in capsys.readouterr().err
    assert "Edited in Jupyter" in path.read_text(encoding="utf-8")
    assert lessons.main(["build", "01", "--force"]) == 0
    assert "Edited in Jupyter" not in path.read_text(encoding="utf-8")


def test_a_text_from_elsewhere_becomes_a_new_lesson(course, lessons, tmp_path_factory):
    text = tmp_path_factory.mktemp("elsewhere") / "02_new.py"
    text.write_text("# %% [markdown]\n# # New\n\n# %%\nx = 1\n", encoding="utf-8")
    assert lessons.main(["build", str(text)]) == 0
    assert [cell.source for cell in lessons.read_notebook(lessons.notebook_of("02_new")).cells] == [
        "# New",
        "x = 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["text", "07"], "'07' names 0 lessons of solutions/ (there are: 01_toy)."),
        (["build", "01"], "There is no text solutions/01_toy/01_toy.py: make it with `text` first."),
        (["build", "notes.py"], "'notes.py' must be called like its lesson"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(course, lessons, capsys, arguments, sentence):
    assert lessons.main(arguments) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_a_broken_notebook_is_named(course, lessons, capsys):
    lessons.notebook_of("01_toy").write_text("{", encoding="utf-8")
    assert lessons.main(["normal"]) == 2
    assert "solutions/01_toy/01_toy.ipynb is not a notebook" in capsys.readouterr().err


def test_normal_mends_a_source(course, lessons, capsys):
    path = lessons.notebook_of("01_toy")
    tidy = path.read_text(encoding="utf-8")
    untidy = lessons.read_notebook(path)
    untidy.cells[1].execution_count = 3
    nbformat.write(untidy, path)
    assert lessons.main(["normal"]) == 0
    assert path.read_text(encoding="utf-8") == tidy
    assert lessons.main(["normal", "01"]) == 0
    assert capsys.readouterr().out.split()[::2] == ["changed", "kept"]


# ---------------------------------------------------------------- release


def test_release_takes_solutions_out_and_leaves_texts_behind(course, lessons):
    lessons.main(["text", "01"])
    assert lessons.main(["release"]) == 0
    files = lessons.files_of(course / "notebooks" / "01_toy")
    assert list(files) == ["01_toy.ipynb"]
    stub = lessons.read_notebook(course / "notebooks" / "01_toy" / "01_toy.ipynb").cells[1].source
    assert stub == "def twice(x):\n    # Write your answer here.\n    raise NotImplementedError()"


def test_release_check_names_what_differs(course, lessons, capsys):
    assert lessons.main(["release", "--check"]) == 1
    assert not (course / "notebooks").exists()
    lessons.main(["release"])
    assert lessons.main(["release", "--check"]) == 0
    released = course / "notebooks" / "01_toy" / "01_toy.ipynb"
    released.write_text(released.read_text(encoding="utf-8").replace("# Toy", "# Edited"), encoding="utf-8")
    (course / "notebooks" / "09_gone").mkdir()
    capsys.readouterr()
    assert lessons.main(["release", "--check"]) == 1
    out = capsys.readouterr().out
    assert "notebooks/01_toy is out of date" in out
    assert "notebooks/09_gone has no source in solutions/" in out


def test_release_says_why_nbgrader_refuses_a_lesson(course, lessons, capsys):
    path = lessons.notebook_of("01_toy")
    path.write_text(path.read_text(encoding="utf-8").replace("END SOLUTION", "END"), encoding="utf-8")
    assert lessons.main(["release"]) == 2
    error = capsys.readouterr().err
    assert error == "nbgrader cannot make the learner's notebook of 01_toy: no end solution statement found\n"
