"""Reads a submission: a `.py` file or a notebook becomes cells of plain Python.

An exercise gets the cells that its answer needs. Nothing here runs a submission or imports one: names are
found by reading (`ast`, `symtable`). So a cell that trains for an hour, or does not parse, costs an exercise
nothing as long as its answer does not need it.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import os
import re
import stat
import symtable
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FILE_LIMIT = 10_000_000
"""The most bytes that a file may have. Stored figures make notebooks large."""

CODE_LIMIT = 1_000_000
"""The most characters of code that a submission may have."""

MAGIC_LIMIT = 200
"""The most lines of IPython syntax that a submission may have. Translating them takes time for each."""


class SubmissionError(ValueError):
    """The file cannot be read as a submission at all. The message is one sentence that says why."""


class NoAnswer(ValueError):
    """The file is readable but holds no answer that can run. The message is one sentence that says why."""


@dataclass(frozen=True)
class Cell:
    """A piece of a submission as plain Python, under the name that its tracebacks show."""

    name: str
    source: str

    @cached_property
    def names(self) -> _Names | None:
        """What the cell binds and uses, or None when it is not valid Python."""
        return None if self.fault else _Names.of(self._tree, self.source, self.name)

    @cached_property
    def fault(self) -> str | None:
        """Why the cell is not valid Python, or None when it is."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                symtable.symtable(self.source, self.name, "exec")
                _ = self._tree
        except SyntaxError as error:
            where = f"Line {error.lineno}" if error.lineno else "The code"
            return f"{where} is not valid Python: {error.msg}."
        except (RecursionError, MemoryError):
            return "The code is nested too deeply for Python to read."
        except ValueError:  # null bytes, half of a surrogate pair
            return "The code holds characters that Python cannot read."
        return None

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.source, self.name)

    def defines(self, name: str) -> bool:
        """Whether the cell gives `name` a value; where it is not valid Python, whether it looks like it."""
        if self.names is not None:
            return name in self.names.bound
        word = re.escape(name)
        return (
            re.search(rf"^(async\s+)?(def|class)\s+{word}\b|^{word}\s*=(?!=)", self.source, re.M) is not None
        )


@dataclass(frozen=True)
class Submission:
    """A file that was read: its cells in order, and whether it is a notebook."""

    name: str
    cells: tuple[Cell, ...]
    notebook: bool

    def cells_for(self, entry: str) -> list[tuple[str, str]]:
        """The cells, as (name, source), that must run for `entry` to be there, in the order of the file.

        Raises `NoAnswer` when nothing defines `entry`, or when the last cell that does is not valid Python.
        """
        definitions = [cell for cell in self.cells if cell.defines(entry)]
        if not definitions:
            return self._without_definition(entry)
        last = definitions[-1]
        if last.fault:
            raise NoAnswer(f"{last.name}: {last.fault}" if self.notebook else last.fault)
        needed = _needed([cell for cell in self.cells if not cell.fault], entry)
        return [(cell.name, cell.source) for cell in needed]

    def defines(self, entry: str) -> bool:
        """Whether the file itself gives `entry` a value. An import does not count."""
        definitions = [cell for cell in self.cells if cell.defines(entry)]
        return any(cell.names is None or entry not in cell.names.imported for cell in definitions)

    def _without_definition(self, entry: str) -> list[tuple[str, str]]:
        for cell in self.cells:
            if cell.fault and not self.notebook:
                raise NoAnswer(cell.fault)
        readable = [cell for cell in self.cells if not cell.fault]
        if any(cell.names.hides_names for cell in readable):  # reading cannot tell; running will
            return [(cell.name, cell.source) for cell in readable]
        raise NoAnswer(self._no_such_name(entry, readable))

    def _no_such_name(self, entry: str, readable: list[Cell]) -> str:
        defined = sorted({name for cell in readable for name in cell.names.bound - cell.names.imported})
        by_lower = {name.lower(): name for name in defined}
        near = difflib.get_close_matches(entry.lower(), by_lower, n=1, cutoff=0.75)
        rename = f": it defines `{by_lower[near[0]]}`; rename it" if near else ""
        return f"{self.name} defines no `{entry}`{rename}."


def read_submission(path: str | os.PathLike) -> Submission:
    """Read a `.py` or `.ipynb` file. Raises `SubmissionError` with one sentence when that cannot be done."""
    path = Path(path)
    kind = path.suffix.lower()
    data = _read_bytes(path)
    if kind == ".ipynb":
        return notebook_submission(_parse_json(path.name, data), path.name)
    if kind != ".py":
        raise SubmissionError(f"{path.name} is neither a .py file nor a notebook (.ipynb).")
    return Submission(
        path.name, _within_limits(path.name, [Cell(path.name, _decode(path.name, data))]), False
    )


def notebook_submission(notebook: Mapping, name: str) -> Submission:
    """A notebook that was already read from its JSON. Raises `SubmissionError` when it is not one."""
    sources = list(_code_cells(_as_version_4(notebook, name), name))
    _within_limits(name, [Cell(name, source) for source in sources])
    magics = [0]
    cells = [Cell(f"Code cell {n}", _plain_python(source, magics)) for n, source in enumerate(sources, 1)]
    return Submission(name, _within_limits(name, cells), True)


def _within_limits(name: str, cells: list[Cell]) -> tuple[Cell, ...]:
    if sum(len(cell.source) for cell in cells) > CODE_LIMIT:
        raise SubmissionError(f"{name} holds more than {CODE_LIMIT:,} characters of code.")
    return tuple(cells)


# ---- reading files


def _read_bytes(path: Path) -> bytes:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise SubmissionError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SubmissionError(f"{path} cannot be opened: {reason}.") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise SubmissionError(f"{path} is a folder, not a file.")
        if not stat.S_ISREG(mode):
            raise SubmissionError(f"{path} is not a regular file.")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    if len(data) > FILE_LIMIT:
        raise SubmissionError(f"{path} is larger than {FILE_LIMIT // 1_000_000} MB.")
    return data


def _decode(name: str, data: bytes) -> str:
    """Source text in the encoding that its first lines declare (PEP 263), UTF-8 by default."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        raise SubmissionError(f"{name} is not UTF-8 text, nor in an encoding that it declares.") from None
    return io.StringIO(text, newline=None).read()


def _parse_json(name: str, data: bytes) -> Mapping:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SubmissionError(f"{name} is not UTF-8 text.") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise SubmissionError(f"{name} is nested too deeply to be read.") from None
    except json.JSONDecodeError as error:
        raise SubmissionError(f"{name} is not valid JSON: {error.msg} at line {error.lineno}.") from None
    except ValueError:  # a number of thousands of digits
        raise SubmissionError(f"{name} is not valid JSON.") from None


# ---- notebooks


def _as_version_4(notebook: Mapping, name: str) -> Mapping:
    version = notebook.get("nbformat") if isinstance(notebook, Mapping) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise SubmissionError(f"{name} is not a notebook: it does not say which nbformat it has.")
    if version == 4:
        return notebook
    if not 1 <= version < 4:
        raise SubmissionError(f"{name} has nbformat {version}, which is not known here.")
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            older = nbformat.versions[version].to_notebook_json(notebook)
            return nbformat.convert(older, 4)
    except Exception as error:  # the converters meet whatever stands in the file with errors of any type
        reason = type(error).__name__
        raise SubmissionError(
            f"{name} has nbformat {version} and cannot be converted to 4 ({reason})."
        ) from None


def _code_cells(notebook: Mapping, name: str) -> Iterator[str]:
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise SubmissionError(f"{name} is not a notebook: it has no list of cells.")
    for number, cell in enumerate(cells, 1):
        source = cell.get("source") if isinstance(cell, Mapping) else None
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            raise SubmissionError(f"{name} is not a valid notebook: its cell {number} has no source.")
        if cell.get("cell_type") == "code":
            yield source


_TRANSPARENT_MAGICS = {"time", "timeit", "capture", "prun"}


def _plain_python(source: str, magics: list[int]) -> str:
    """A cell with IPython's syntax turned into Python, line for line. `magics` counts over all cells."""
    lines = source.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    while start < len(lines) and (magic := re.match(r"%%(\w+)", lines[start])):
        if magic[1] not in _TRANSPARENT_MAGICS:
            return ""
        lines[start] = "#" + lines[start]
        start += 1
    source = "".join(lines)
    if not Cell("", source).fault:  # no IPython syntax is valid Python
        return source
    magics[0] += sum(1 for line in lines if re.match(r"\s*([%!?,;/]|.*(\?|[=]\s*[%!].*)\s*$)", line))
    if magics[0] > MAGIC_LIMIT:
        return source
    from IPython.core.inputtransformer2 import TransformerManager

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


# ---- who needs what

_CHANGING = {"append", "extend", "insert", "update", "setdefault", "add", "register"}


@dataclass(frozen=True)
class _Names:
    """Names at the top level of a cell.

    `bound` get a value there, `imported` of these only by an import. `changed` are reached into (`f.x = …`,
    `d[k] = …`, `d.update(…)`). `used` are read, in functions too. `star`: it has a star import.
    `hides_names`: it may bind names that reading does not find.
    """

    bound: frozenset[str]
    imported: frozenset[str]
    changed: frozenset[str]
    used: frozenset[str]
    hides_names: bool
    star: bool

    @classmethod
    def of(cls, tree: ast.Module, source: str, name: str) -> _Names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            top = symtable.symtable(source, name, "exec")
        bound, imported, used = set(), set(), set()
        for table in _tables(top):
            for symbol in table.get_symbols():
                at_top = table is top or (symbol.is_global() and symbol.is_declared_global())
                if at_top and (symbol.is_assigned() or symbol.is_imported()):
                    bound.add(symbol.get_name())
                    if symbol.is_imported() and not symbol.is_assigned():
                        imported.add(symbol.get_name())
                if symbol.is_referenced() and (table is top or symbol.is_global()):
                    used.add(symbol.get_name())
        star = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree))
        dynamic = bool(used & {"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"})
        changed = frozenset(_changed(tree.body))
        return cls(frozenset(bound), frozenset(imported), changed, frozenset(used), star or dynamic, star)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    waiting = [table]
    while waiting:
        table = waiting.pop()
        yield table
        waiting += table.get_children()


def _changed(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that top-level statements reach into, without looking into functions and classes."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        targets: list[ast.expr] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            # @add_to(Attention) changes Attention
            for decorator in node.decorator_list:
                targets += decorator.args if isinstance(decorator, ast.Call) else []
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            targets = [node]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
                targets = node.args[:1]
            elif isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
                targets = [node.func.value]
        for target in targets:
            while isinstance(target, ast.Attribute | ast.Subscript):
                target = target.value
            if isinstance(target, ast.Name):
                yield target.id
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _needed(cells: list[Cell], entry: str) -> list[Cell]:
    """The cells that `entry` needs, found from cell to cell through the names that they use."""
    kept: set[int] = {i for i, cell in enumerate(cells) if cell.names.star}
    wanted, waiting = set(), [entry, *(name for i in kept for name in cells[i].names.used)]
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        wanted.add(name)
        for i, cell in enumerate(cells):
            if i not in kept and (name in cell.names.bound or name in cell.names.changed):
                kept.add(i)
                waiting += cell.names.used
    return [cell for i, cell in enumerate(cells) if i in kept]
