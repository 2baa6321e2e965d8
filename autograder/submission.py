"""Reads a submission: a `.py` file or a notebook becomes cells of plain Python.

An exercise gets the cells that its answer needs. Nothing here runs a submission or imports one: names are
found by reading (`names.py`). So a cell that trains for an hour, or does not parse, costs an exercise
nothing as long as its answer does not need it.
"""

from __future__ import annotations

import builtins
import difflib
import io
import os
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .names import Names, read, remember
from .notebook_file import CODE_LIMIT, FileCell, SubmissionError, cells_of, read_bytes, read_notebook

__all__ = [
    "CHECK",
    "Cell",
    "NoAnswer",
    "Submission",
    "SubmissionError",
    "notebook_submission",
    "read_submission",
]

CHECK = "check_"
"""The grade_id of an exercise's check cell is this and the exercise's name."""

COMPARED = 2_000
"""The most names that are compared with a missing one."""

MAGIC_LIMIT = 300_000
"""The most characters that are read to translate IPython's syntax: for each such line of a cell, its cell."""

_ALWAYS_THERE = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "__name__", "__file__"}


class NoAnswer(ValueError):
    """The file is readable but holds no answer that can run. The message is one sentence that says why."""


@dataclass(frozen=True)
class Cell:
    """A piece of a submission as plain Python, under the name that its tracebacks show.

    `check` is the exercise whose check cell this is; such a cell only marks a place. `untouched` is a cell
    that is as it was handed out, `restored` one that was missing in the submission.
    """

    name: str
    source: str
    check: str | None = None
    graded: bool = False
    untouched: bool = False
    restored: bool = False

    @property
    def names(self) -> Names | None:
        """What the cell binds and uses, or None when it is not valid Python."""
        return read(self.source).names

    @property
    def fault(self) -> str | None:
        """Why the cell is not valid Python, or None when it is."""
        return read(self.source).fault

    def defines(self, name: str) -> bool:
        """Whether the cell gives `name` a value; where it is not valid Python, whether it looks like it."""
        if (names := self.names) is not None:
            return name in names.bound
        word = re.escape(name)
        return (
            re.search(rf"^(async\s+)?(def|class)\s+{word}\b|^{word}\s*=(?!=)", self.source, re.M) is not None
        )

    def standing(self, name: str) -> int:
        """How much of an answer the definition of `name` in this cell is: the higher, the more."""
        if self.untouched:
            return 0
        names = self.names
        if names is not None and name in names.unfinished:
            return 1
        if names is not None and name in names.imported:
            return 2
        return 3 if self.graded else 4


@dataclass(frozen=True)
class Submission:
    """A file that was read: its cells in order, whether it is a notebook, and what was put right in it."""

    name: str
    cells: tuple[Cell, ...]
    notebook: bool
    notes: tuple[str, ...] = ()

    def cells_for(self, entry: str) -> list[tuple[str, str]]:
        """The cells, as (name, source), that must run for `entry` to be there, in the order of the file.

        The answer is the last finished definition of `entry` before its check cell, else the last anywhere.
        Raises `NoAnswer` when nothing defines `entry`, or when the cell that does is not valid Python or
        needs one that is not.
        """
        end = self._check_of(entry)
        definitions = [i for i, cell in enumerate(self.cells) if cell.defines(entry)]
        if not definitions:
            return self._without_definition(entry)
        answer = max(definitions, key=lambda i: (self.cells[i].standing(entry), i <= end, i))
        cell = self.cells[answer]
        if cell.fault:
            raise NoAnswer(f"{cell.name}: {cell.fault}" if self.notebook else cell.fault)
        if cell.restored and (near := self._near(entry)):
            raise NoAnswer(self._no_such_name(entry, near))
        return [(c.name, c.source) for c in self._needed(entry, answer, max(answer, end))]

    def defines(self, entry: str) -> bool:
        """Whether the file itself gives `entry` a value. An import does not count."""
        definitions = [cell for cell in self.cells if cell.defines(entry) and not cell.graded]
        return any(cell.names is None or entry not in cell.names.imported for cell in definitions)

    def _check_of(self, entry: str) -> int:
        """Where the check cell of `entry` stands; the end where there is none."""
        found = [i for i, cell in enumerate(self.cells) if cell.check == entry]
        graded = [i for i in found if self.cells[i].graded]
        return (graded or found or [len(self.cells)])[-1]

    def _without_definition(self, entry: str) -> list[tuple[str, str]]:
        for cell in self.cells:
            if cell.fault and not self.notebook:
                raise NoAnswer(cell.fault)
        readable = [cell for cell in self.cells if not (cell.fault or cell.graded)]
        if any(cell.names.hides_names for cell in readable):  # reading cannot tell; running will
            return [(cell.name, cell.source) for cell in readable]
        raise NoAnswer(self._no_such_name(entry, self._near(entry)))

    def _no_such_name(self, entry: str, near: str | None) -> str:
        rename = f": it defines `{near}`; rename it" if near else ""
        return f"{self.name} defines no `{entry}`{rename}."

    def _near(self, entry: str) -> str | None:
        """A name that the file defines and that may be `entry` misspelt. Other exercises' names are not."""
        own = [cell.names for cell in self.cells if cell.names is not None and not cell.restored]
        others = {cell.check for cell in self.cells}
        defined = sorted({name for names in own for name in names.bound - names.imported} - others - {entry})
        by_lower = {name.lower(): name for name in defined[:COMPARED]}
        near = difflib.get_close_matches(entry.lower(), by_lower, n=1, cutoff=0.75)
        return by_lower[near[0]] if near else None

    def _needed(self, entry: str, answer: int, end: int) -> list[Cell]:
        """The cells that the answer needs, found from cell to cell through the names that they use.

        A name has the value that it has at `end`; one that gets its first value later has that. Cells after
        the answer that give `entry` another value are left out.
        """
        usable = {
            i: cell.names
            for i, cell in enumerate(self.cells)
            if i == answer or not (cell.fault or cell.graded or (i > answer and entry in cell.names.bound))
        }
        own = {name for names in usable.values() for name in names.bound - names.imported}
        kept = {i for i, names in usable.items() if names.star or names.decorators & own} | {answer}
        wanted: set[str] = set()
        waiting = [entry, *(name for i in kept for name in usable[i].used)]
        while waiting:
            name = waiting.pop()
            if name in wanted:
                continue
            wanted.add(name)
            givers = [i for i, names in usable.items() if name in names.bound]
            if not givers and not any(usable[i].star for i in kept):
                self._refuse_broken(name, entry)
            last = end if any(i <= end for i in givers) else len(self.cells)
            for i, names in usable.items():
                if i > last or i in kept or (name == entry and self.cells[i].untouched):
                    continue
                if name in names.bound or name in names.changed:
                    kept.add(i)
                    waiting += names.used
        return [self.cells[i] for i in sorted(kept)]

    def _refuse_broken(self, name: str, entry: str) -> None:
        """Raise `NoAnswer` when the only cell that gives `name` its value is not valid Python."""
        if name in _ALWAYS_THERE:
            return
        broken = [cell for cell in self.cells if cell.fault and not cell.graded and cell.defines(name)]
        if broken:
            raise NoAnswer(f"`{entry}` needs `{name}` from {broken[-1].name}: {broken[-1].fault}")


def read_submission(path: str | os.PathLike) -> Submission:
    """Read a `.py` or `.ipynb` file. Raises `SubmissionError` with one sentence when that cannot be done."""
    path = Path(path)
    kind = path.suffix.lower()
    data = read_bytes(path)
    if kind == ".ipynb":
        cells, notes = read_notebook(data, path.name)
        return Submission(path.name, _python_cells(cells), True, tuple(notes))
    if kind != ".py":
        raise SubmissionError(f"{path.name} is neither a .py file nor a notebook (.ipynb).")
    return python_submission(data, path.name)


def python_submission(data: bytes, name: str) -> Submission:
    """A `.py` file that was already read. Raises `SubmissionError`."""
    source = _decode(name, data)
    if len(source) > CODE_LIMIT:
        raise SubmissionError(f"{name} holds more than {CODE_LIMIT:,} characters of code.")
    return Submission(name, (Cell(name, source),), False)


def notebook_submission(notebook: Mapping, name: str) -> Submission:
    """A notebook that was already read from its JSON. Raises `SubmissionError` when it is not one."""
    notes: list[str] = []
    return Submission(name, _python_cells(cells_of(notebook, name, notes)), True, tuple(notes))


def _decode(name: str, data: bytes) -> str:
    """Source text in the encoding that its first lines declare (PEP 263), UTF-8 by default."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        raise SubmissionError(f"{name} is not UTF-8 text, nor in an encoding that it declares.") from None
    return io.StringIO(text, newline=None).read()


# ---- cells of a notebook as Python


def _python_cells(cells: Iterable[FileCell]) -> tuple[Cell, ...]:
    budget, found = MAGIC_LIMIT, []
    for cell in cells:
        if cell.kind != "code":
            continue
        source = without_cell_magic(cell.source)
        if read(source).fault and (cost := _magic_lines(source) * len(source)) <= budget:
            budget -= cost
            source = _translated(source)
        check = _checked_by(cell)
        found.append(
            Cell(
                cell.label,
                source,
                check,
                cell.graded,
                cell.marks.get("untouched") is True,
                cell.marks.get("restored") is True,
            )
        )
    return tuple(found)


def _checked_by(cell: FileCell) -> str | None:
    """The exercise whose check cell this is: by nbgrader's metadata, else by what it says."""
    if cell.graded and (cell.grade_id or "").startswith(CHECK):
        return cell.grade_id.removeprefix(CHECK)
    call = re.fullmatch(r"check\((\w+)\)", cell.source.strip())
    return call[1] if call else None


_TRANSPARENT_MAGICS = {"time", "timeit", "capture", "prun"}


def without_cell_magic(source: str) -> str:
    """The cell as Python where its magic only watches it run; nothing where it is not Python at all."""
    lines = source.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    while start < len(lines) and (magic := re.match(r"%%(\w+)", lines[start])):
        if magic[1] not in _TRANSPARENT_MAGICS:
            return ""
        lines[start] = "#" + lines[start]
        start += 1
    return "".join(lines)


def _magic_lines(source: str) -> int:
    """How many lines look like IPython's syntax. Translating reads the cell again for each."""
    lines = map(str.strip, source.splitlines())
    return sum(
        1 for s in lines if s.startswith(tuple("%!?,;/")) or s.endswith("?") or re.search(r"=\s*[%!]", s)
    )


@remember
def _translated(source: str) -> str:
    """A cell with IPython's syntax turned into Python, line for line."""
    from IPython.core.inputtransformer2 import TransformerManager

    # These run a statement that may give names values, so it stays a statement.
    lines = re.sub(r"^([ \t]*)%(?:time|prun)[ \t]+(?=[^-\s])", r"\1", source, flags=re.M).splitlines(
        keepends=True
    )
    blank = next((i for i, line in enumerate(lines) if line.strip()), 0)
    try:
        # IPython drops blank lines at the start. Line numbers should stay what the learner sees.
        return "\n" * blank + TransformerManager().transform_cell("".join(lines[blank:]))
    except (
        SyntaxError,
        RuntimeError,
        ValueError,
        tokenize.TokenError,
    ):  # it gives up: the cell stays invalid
        return source
