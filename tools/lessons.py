"""Edit lessons as text and make the learner's notebooks from them.

The one source of a lesson is ``solutions/NN_slug/NN_slug.ipynb``, kept in a normal form so that its
differences read well. The learner's notebook in ``notebooks/`` is made from it by nbgrader and never edited.

    python tools/lessons.py text 04        write the lesson as py:percent text beside its notebook
    python tools/lessons.py build 04       turn that text into the notebook
    python tools/lessons.py normal         put every notebook of solutions/ into normal form
    python tools/lessons.py release        make notebooks/ from solutions/
    python tools/lessons.py release --check    only say which lessons of notebooks/ are out of date

``text`` and ``build`` take lesson numbers, names or paths. So do ``normal`` and ``release``, which take every
lesson when given none. The exit status is 0 when all went well, 1 when ``release --check`` finds a
difference, and 2 when something could not be done.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}
# What a lesson may say about a cell. Editors leave more behind: folding, timing, jupytext's spacing.
CELL_METADATA = ("deletable", "editable", "jupyter", "nbgrader", "tags")
# The first line of a text that was made from a notebook. It tells `build` which notebook the text knows.
MARKER = re.compile(r"# Text of the notebook with digest ([0-9a-f]{12})\. Keep this line\.\n")


class LessonError(Exception):
    """Something the maintainer must mend first. Its text is one sentence for them."""


# ---------------------------------------------------------------- normal form


def normal_form(notebook: NotebookNode) -> NotebookNode:
    """The same lesson without anything that running or editing it leaves behind.

    No outputs, no execution counts, nbformat 4.5, one kernel, and cell ids that change only when the cell
    does: an nbgrader cell has its grade id, any other a short hash of its type and source.

    Raises LessonError when a cell has an attachment (text cannot hold it) or a grade id is badly formed or
    used twice.
    """
    cells = []
    taken: set[str] = set()
    for cell in notebook.cells:
        if cell.get("attachments"):
            raise LessonError(
                f"A cell has an attached file ({', '.join(cell.attachments)}): link to a file instead."
            )
        metadata = {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        if "nbgrader" in metadata:
            # nbgrader adds these two when it makes the learner's notebook. In the source they are only noise.
            made = ("cell_type", "checksum")
            metadata["nbgrader"] = {key: v for key, v in metadata["nbgrader"].items() if key not in made}
        source = cell.source.replace("\r\n", "\n").strip("\n")
        new_cell = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}.get(
            cell.cell_type, nbformat.v4.new_raw_cell
        )
        identifier = _cell_id(cell.cell_type, source, metadata.get("nbgrader", {}).get("grade_id"), taken)
        cells.append(new_cell(source, metadata=metadata, id=identifier))
    normal = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE_INFO)}
    )
    normal.nbformat, normal.nbformat_minor = 4, 5
    nbformat.validate(normal)
    return normal


def _cell_id(cell_type: str, source: str, grade_id: str | None, taken: set[str]) -> str:
    if grade_id:
        stem = grade_id
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", stem):
            raise LessonError(
                f"The grade id {grade_id!r} may hold letters, digits, '-' and '_', and 64 of them at most."
            )
        if stem in taken:
            raise LessonError(f"Two cells share the nbgrader grade id {grade_id!r}: give each its own.")
    else:
        stem = hashlib.sha256(f"{cell_type}\n{source}".encode()).hexdigest()[:8]
    identifier, count = stem, 1
    while identifier in taken:
        count += 1
        identifier = f"{stem}-{count}"
    taken.add(identifier)
    return identifier


def dumps(notebook: NotebookNode) -> str:
    """The notebook as the text of its file: indented by one, with one newline at the end."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook. Raises LessonError when the file is missing or is no notebook."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise LessonError(f"There is no notebook {shown(path)}.") from None
    except (ValueError, nbformat.ValidationError) as error:
        raise LessonError(f"{shown(path)} is not a notebook that Jupyter can read: {error}") from None


# ---------------------------------------------------------------- text


def to_text(notebook: NotebookNode) -> str:
    """A notebook in normal form as py:percent text.

    Raises LessonError when the text would not turn back into the same notebook: a line that starts with
    ``# %%``, for instance, begins a new cell.
    """
    import jupytext

    text = jupytext.writes(notebook, fmt="py:percent")
    again = from_text(text)
    for number, cell in enumerate(notebook.cells, start=1):
        if number > len(again.cells) or again.cells[number - 1] != cell:
            first_line = (cell.source.splitlines() or ["(empty)"])[0]
            raise LessonError(
                f"Cell {number} ({first_line!r}) does not survive as text: look in it for a line that starts"
                " with '# %%' or for a notebook command."
            )
    if len(again.cells) != len(notebook.cells):
        raise LessonError("The last cells do not survive as text.")
    return text


def from_text(text: str) -> NotebookNode:
    """Turn py:percent text into a notebook in normal form. Raises LessonError as normal_form does."""
    import jupytext

    return normal_form(jupytext.reads(text, fmt="py:percent"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _marked(text: str, path: Path) -> str:
    return f"# Text of the notebook with digest {_digest(path)}. Keep this line.\n{text}"


def write_text(slug: str) -> Path:
    """Write the lesson's text beside its notebook and return where it is."""
    notebook_path = notebook_of(slug)
    text_path = notebook_path.with_suffix(".py")
    write(text_path, _marked(to_text(normal_form(read_notebook(notebook_path))), notebook_path))
    return text_path


def build(text_path: Path, force: bool = False) -> Path:
    """Turn the text of a lesson into its notebook in solutions/ and return where that is.

    Raises LessonError when there is no text, when the text was made from another state of the notebook than
    the one that stands there (unless ``force``), or when the result would not survive as text.
    """
    try:
        text = text_path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LessonError(f"There is no text {shown(text_path)}: make it with `text` first.") from None
    notebook_path = notebook_of(text_path.stem)
    marker = MARKER.match(text)
    body = text[marker.end() :] if marker else text
    if marker and not force and notebook_path.exists() and _digest(notebook_path) != marker[1]:
        raise LessonError(
            f"{shown(notebook_path)} has changed since {shown(text_path)} was made from it:"
            " make the text again, or pass --force to lose those changes."
        )
    notebook = from_text(body)
    to_text(notebook)
    write(notebook_path, dumps(notebook))
    if marker:
        # The text now speaks of the notebook just written, so it can be edited and built again.
        write(text_path, _marked(body, notebook_path))
    return notebook_path


def normalise(slug: str) -> bool:
    """Put the lesson's notebook into normal form. Returns whether the file changed."""
    path = notebook_of(slug)
    text = dumps(normal_form(read_notebook(path)))
    if path.read_bytes() == text.encode():
        return False
    write(path, text)
    return True


# ---------------------------------------------------------------- the learner's notebooks


def generate(slugs: Iterable[str], folder: Path) -> None:
    """Make the learner's version of each lesson in ``folder/NN_slug`` with nbgrader's generate_assignment.

    Works on a copy, so that neither this repository nor its gradebook is touched. Raises LessonError when
    nbgrader refuses a lesson.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.utils import capture_log
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    with tempfile.TemporaryDirectory(prefix="seqattn-release-") as scratch:
        course = Path(scratch).resolve()
        config.CourseDirectory.root = str(course)
        config.CourseDirectory.source_directory = "source"
        config.CourseDirectory.release_directory = "release"
        # As `nbgrader generate_assignment --no-db`: a gradebook is for submissions, and there are none here.
        config.SaveCells.enabled = False
        config.GenerateAssignment.no_database = True
        for slug in slugs:
            shutil.copytree(notebook_of(slug).parent, course / "source" / slug)
            coursedir = CourseDirectory(config=config, assignment_id=slug)
            converter = GenerateAssignment(coursedir=coursedir, config=config)
            result = capture_log(converter)
            if not result["success"]:
                raise LessonError(f"nbgrader cannot make the learner's notebook of {slug}: {_reason(result)}")
            shutil.copytree(course / "release" / slug, folder / slug, dirs_exist_ok=True)


def _reason(result: dict) -> str:
    """What nbgrader's log says was wrong, without its tracebacks."""
    log = result.get("log", "") + result["error"]
    causes = re.findall(r"^ *(?:\w+\.)*\w+(?:Error|Exception): (.+)$", log, flags=re.MULTILINE)
    return causes[0] if causes else log


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder by their names, without what Jupyter and Python leave there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".ipynb_checkpoints", "__pycache__"} & set(path.parts)
    }


def outdated(slugs: Iterable[str], fresh: Path) -> list[str]:
    """The lessons whose folder in notebooks/ differs from the one just made in ``fresh``."""
    return [slug for slug in slugs if files_of(ROOT / "notebooks" / slug) != files_of(fresh / slug)]


def orphans() -> list[str]:
    """The lessons of notebooks/ that have no source in solutions/."""
    sources = set(all_lessons())
    return [slug for slug in lessons_in(ROOT / "notebooks") if slug not in sources]


# ---------------------------------------------------------------- names


def lessons_in(folder: Path) -> list[str]:
    """The names of the lesson folders below ``folder``, in order."""
    return sorted(path.name for path in folder.glob("[0-9][0-9]_*") if path.is_dir())


def all_lessons() -> list[str]:
    """The lessons of solutions/ that have a notebook, in order."""
    return [slug for slug in lessons_in(ROOT / "solutions") if notebook_of(slug).exists()]


def notebook_of(slug: str) -> Path:
    """Where the source notebook of a lesson is kept."""
    return ROOT / "solutions" / slug / f"{slug}.ipynb"


def lesson_named(name: str) -> str:
    """The lesson meant by a number, a name or a path. Raises LessonError when it is none or not one."""
    stem = Path(name).stem
    matches = [slug for slug in lessons_in(ROOT / "solutions") if slug == stem or slug.startswith(f"{stem}_")]
    if len(matches) != 1:
        known = ", ".join(lessons_in(ROOT / "solutions")) or "none yet"
        raise LessonError(f"{name!r} names {len(matches)} lessons of solutions/ (there are: {known}).")
    return matches[0]


def text_named(name: str) -> Path:
    """The text file meant by a path or by the name of a lesson. Raises LessonError when it cannot be one."""
    path = Path(name)
    if path.suffix != ".py":
        return notebook_of(lesson_named(name)).with_suffix(".py")
    if not re.fullmatch(r"\d\d_\w+", path.stem):
        raise LessonError(f"{name!r} must be called like its lesson, for instance 04_attention_by_hand.py.")
    return path.resolve()


def shown(path: Path) -> str:
    """A path as it is named to a person: from the root of the repository where it lies in it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def write(path: Path, text: str) -> None:
    """Write a text file with plain newlines on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


# ---------------------------------------------------------------- command line


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked, tell the person, and return the exit status."""
    if arguments.command == "text":
        for name in arguments.lessons:
            print(f"wrote {shown(write_text(lesson_named(name)))}")
        return 0
    if arguments.command == "build":
        for name in arguments.lessons:
            print(f"built {shown(build(text_named(name), arguments.force))}")
        return 0
    slugs = [lesson_named(name) for name in arguments.lessons] or all_lessons()
    if arguments.command == "normal":
        for slug in slugs:
            print(f"{'changed' if normalise(slug) else 'kept'} {shown(notebook_of(slug))}")
        return 0
    stray = [] if arguments.lessons else orphans()
    for slug in stray:
        print(f"notebooks/{slug} has no source in solutions/: remove it")
    with tempfile.TemporaryDirectory(prefix="seqattn-fresh-") as scratch:
        fresh = Path(scratch)
        generate(slugs, fresh)
        changed = outdated(slugs, fresh)
        if arguments.check:
            for slug in changed:
                print(f"notebooks/{slug} is out of date: run `python tools/lessons.py release`")
            return 1 if changed or stray else 0
        for slug in changed:
            target = ROOT / "notebooks" / slug
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(fresh / slug, target)
            print(f"made notebooks/{slug}")
    print(f"{len(slugs) - len(changed)} of {len(slugs)} lessons were up to date")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="tools/lessons.py", description="Edit lessons as text; make notebooks/."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, many, what in (
        ("text", "+", "write the lesson as py:percent text"),
        ("build", "+", "turn the text into the notebook"),
        ("normal", "*", "put notebooks into normal form"),
        ("release", "*", "make the learner's notebooks"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument(
            "lessons", nargs=many, metavar="LESSON", help="04, 04_attention_by_hand, or a path"
        )
        if name == "build":
            command.add_argument(
                "--force", action="store_true", help="lose changes made in the notebook meanwhile"
            )
        if name == "release":
            command.add_argument(
                "--check", action="store_true", help="only say what differs; exit 1 if anything does"
            )
    arguments = parser.parse_args(argv)
    try:
        return run(arguments)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
