"""Finds the place in the released notebook that each cell of a submission belongs to."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from .names import read
from .notebook_file import FileCell
from .submission import CHECK, Cell, without_cell_magic

ANSWER, CHECKED, LOCKED, GIVEN = "answer", "checked", "locked", "given"


@dataclass(frozen=True)
class Slot:
    """A cell of the released notebook, as a place for a cell of a submission.

    role        answer: the student's to write; checked: graded by the autograder; locked: nobody's to
                change; given: the rest
    names       what an answer cell is there to define
    exercise    whose check cell this is
    """

    number: int
    label: str
    role: str
    kind: str
    source: str
    plain: str
    id: str
    grade_id: str | None
    points: object
    names: frozenset[str]
    exercise: str | None
    cell: NotebookNode

    def handed_out(self, cell: FileCell) -> bool:
        """Whether the cell says what was handed out."""
        return cell.kind == self.kind and plain(cell.source) == self.plain

    def answered_by(self, cell: FileCell) -> bool:
        """Whether the cell defines what this one is there to define."""
        return defines(cell, self.names)


def slots_of(cells: Sequence[NotebookNode], exercises: Iterable[str]) -> tuple[Slot, ...]:
    """The cells of a released notebook that asks `exercises`, as slots."""
    code = itertools.count(1)
    return tuple(_slot(cell, number, code, frozenset(exercises)) for number, cell in enumerate(cells))


def _slot(cell: NotebookNode, number: int, code: Iterator[int], exercises: frozenset[str]) -> Slot:
    metadata = cell.metadata.get("nbgrader", {})
    grade_id, is_code = metadata.get("grade_id"), cell.cell_type == "code"
    role = GIVEN
    if metadata.get("solution"):
        role = ANSWER
    elif metadata.get("grade") or metadata.get("locked"):
        role = CHECKED if metadata.get("grade") and is_code else LOCKED
    names = read(cell.source).names if is_code and role == ANSWER else None
    # A stub that defines nothing, or does not parse, is named by its grade_id.
    defined = (names.bound - names.imported if names else frozenset()) or {grade_id} & exercises
    return Slot(
        number,
        f"Released code cell {next(code)}" if is_code else "",
        role,
        cell.cell_type,
        cell.source,
        plain(cell.source),
        cell.get("id") or f"released-{number}",
        grade_id,
        metadata.get("points"),
        frozenset(defined) if is_code and role == ANSWER else frozenset(),
        grade_id.removeprefix(CHECK) if role == CHECKED else None,
        cell,
    )


def plain(source: str) -> str:
    """A source without what editors add and drop by themselves."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def defines(cell: FileCell, names: Iterable[str]) -> bool:
    return any(map(Cell(cell.label, without_cell_magic(cell.source)).defines, names))


def resemblance(slots: Sequence[Slot], cells: Sequence[FileCell]) -> int:
    """How many of the slots that tell this notebook from others have a cell of their own among `cells`."""
    telling = [slot.number for slot in slots if slot.role != GIVEN]
    copies = matched(slots, cells)
    return sum(1 for number in telling if number in copies)


# ---- which cell belongs into which slot


def matched(slots: Sequence[Slot], cells: Sequence[FileCell]) -> dict[int, list[int]]:
    """For each slot that has any: the cells that are its own, in order. By grade_id, else by the cell's id,
    else by what it says, else by the name that it defines.
    """
    by_grade_id = {slot.grade_id: slot.number for slot in slots if slot.grade_id is not None}
    by_id = {slot.id: slot.number for slot in slots}
    copies: dict[int, list[int]] = defaultdict(list)
    unmatched = []
    for i, cell in enumerate(cells):
        number = by_grade_id.get(cell.grade_id, by_id.get(cell.id))
        if number is None:
            unmatched.append(i)
        else:
            copies[number].append(i)
    unmatched = _match_sources(slots, cells, unmatched, copies)
    _match_names(slots, cells, unmatched, copies)
    return {number: sorted(found) for number, found in sorted(copies.items())}


def _match_sources(slots, cells, unmatched: list[int], copies: dict[int, list[int]]) -> list[int]:
    """Several released cells may say the same, so a cell takes the next of them that is still free."""
    free: dict[tuple[str, str], list[int]] = defaultdict(list)
    for slot in slots:
        if slot.plain and slot.number not in copies:
            free[slot.kind, slot.plain].append(slot.number)
    left, last = [], -1
    where = {i: number for number, found in copies.items() for i in found}
    for i, cell in enumerate(cells):
        last = max(last, where.get(i, -1))
        if i in where:
            continue
        numbers = free.get((cell.kind, plain(cell.source)), [])
        if not numbers:
            left.append(i)
            continue
        last = numbers.pop(bisect.bisect(numbers, last) % len(numbers))
        copies[last].append(i)
    return left


def _match_names(slots, cells, unmatched: list[int], copies: dict[int, list[int]]) -> None:
    """An answer cell without an attempt takes the last cell that defines its name, if that stands between
    the same neighbours. From elsewhere it is not moved: it may need what stands before it there.
    """
    anchors = in_order([(found[-1], number) for number, found in copies.items()])
    for slot in slots:
        found = copies.get(slot.number, ())
        if not slot.names or any(not slot.handed_out(cells[i]) for i in found):
            continue
        near = [i for i in unmatched if cells[i].kind == "code" and slot.answered_by(cells[i])]
        near = [i for i in near if _between(i, slot.number, anchors)]
        if near:
            copies[slot.number].append(near[-1])
            unmatched.remove(near[-1])


def _between(cell: int, slot: int, anchors: Sequence[tuple[int, int]]) -> bool:
    return all((i < cell) == (number < slot) for i, number in anchors if number != slot)


def in_order(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of (cell, slot) pairs, the most that can be had with both growing."""
    ends: list[int] = []  # the least slot that a run of each length can end with
    runs: list[list[tuple[int, int]]] = []
    best: list[tuple[tuple[int, int], int | None]] = []
    for pair in sorted(pairs):
        at = bisect.bisect_left(ends, pair[1])
        before = runs[at - 1] if at else None
        best.append((pair, before))
        ends[at : at + 1], runs[at : at + 1] = [pair[1]], [len(best) - 1]
    found, i = [], runs[-1] if runs else None
    while i is not None:
        found.append(best[i][0])
        i = best[i][1]
    return found[::-1]


def choose(slot: Slot, found: Sequence[int], cells: Sequence[FileCell]) -> int:
    """The copy that stands for the slot: the last that answers it, else the last that was changed."""

    def worth(i: int) -> tuple:
        cell = cells[i]
        attempted = bool(cell.source.strip()) and not slot.handed_out(cell)
        return attempted and slot.answered_by(cell), attempted, bool(cell.source.strip()), i

    return max(found, key=worth)
