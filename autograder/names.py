"""What a piece of Python binds and uses at its top level, found by reading it. Nothing is run."""

from __future__ import annotations

import ast
import functools
import symtable
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

PIECE_LIMIT = 100_000
"""The most characters of a piece that is read. The time that reading takes can grow with the square of it."""

_SHORT = 20_000
"""The most characters of a short piece. A class shares most of its short cells, so that many are kept."""

_CHANGING = {"append", "extend", "insert", "update", "setdefault", "add", "register"}


def remember(function: Callable) -> Callable:
    """Remember what `function` gives for many short texts, so that a class of cells is read once, and for the
    last few long ones, so that no cell is read time and again.
    """
    short, long = functools.lru_cache(4096)(function), functools.lru_cache(16)(function)

    @functools.wraps(function)
    def remembering(text: str):
        return (short if len(text) <= _SHORT else long)(text)

    return remembering


@dataclass(frozen=True)
class Names:
    """Names at the top level of a cell.

    `bound` get a value there, `imported` of these only by an import, `unfinished` of these only by a function
    or class that is still to be written. `changed` are reached into (`f.x = …`, `d[k] = …`, `d.update(…)`).
    `used` are read, in functions too. `star`: it has a star import. `hides_names`: it may bind names that
    reading does not find. `decorators` stand above its functions and classes: what they do with these cannot
    be read.
    """

    bound: frozenset[str]
    imported: frozenset[str]
    unfinished: frozenset[str]
    changed: frozenset[str]
    used: frozenset[str]
    hides_names: bool
    star: bool
    decorators: frozenset[str]


@dataclass(frozen=True)
class Reading:
    """What came of reading a piece: its names, or the fault that makes it invalid Python."""

    names: Names | None
    fault: str | None = None


@remember
def read(source: str) -> Reading:
    """Read a piece of Python. The fault is one sentence."""
    if len(source) > PIECE_LIMIT:
        return Reading(None, f"The code is longer than {PIECE_LIMIT:,} characters, too long to be read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(source, "cell", "exec")
            return Reading(_names(ast.parse(source, "cell"), table))
    except SyntaxError as error:
        where = f"Line {error.lineno}" if error.lineno else "The code"
        return Reading(None, f"{where} is not valid Python: {error.msg}.")
    except (RecursionError, MemoryError):
        return Reading(None, "The code is nested too deeply for Python to read.")
    except ValueError:  # null bytes, half of a surrogate pair
        return Reading(None, "The code holds characters that Python cannot read.")


def _names(tree: ast.Module, top: symtable.SymbolTable) -> Names:
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
    return Names(
        frozenset(bound),
        frozenset(imported),
        frozenset(_unfinished(tree)),
        frozenset(_changed(tree.body)),
        frozenset(used),
        star or dynamic,
        star,
        frozenset(_decorators(tree)),
    )


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    waiting = [table]
    while waiting:
        table = waiting.pop()
        yield table
        waiting += table.get_children()


def _decorators(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Name):
                    yield called.id


def _unfinished(tree: ast.Module) -> set[str]:
    """Functions that always raise NotImplementedError, and classes with such a method."""
    found = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
            parts = methods if isinstance(node, ast.ClassDef) else [node]
            (found.add if any(map(_gives_up, parts)) else found.discard)(node.name)
    return found


def _gives_up(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    raised = [s.exc for s in function.body if isinstance(s, ast.Raise)]
    raised = [e.func if isinstance(e, ast.Call) else e for e in raised]
    return any(isinstance(e, ast.Name) and e.id == "NotImplementedError" for e in raised)


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
