"""Puts the cells of a submission into the places that the released notebook has for them."""

from __future__ import annotations

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nbformat import NotebookNode

from .matching import ANSWER, CHECKED, GIVEN, LOCKED, Slot, choose, defines, in_order, matched, plain
from .notebook_file import LABEL, FileCell
from .submission import Cell


def fill(slots: Sequence[Slot], cells: Sequence[FileCell]) -> tuple[list[NotebookNode], list[str]]:
    """The cells of the rebuilt notebook, and a note on each thing that was put right."""
    copies = matched(slots, cells)
    chosen = {number: choose(slots[number], found, cells) for number, found in copies.items()}
    beside, own = _own_cells(slots, cells, copies, chosen)
    places = _places(slots, copies, chosen, beside, own)
    ids = {slot.id for slot in slots}
    rebuilt = [_own_cell(cells[i], ids) for i in places.get(-1, ())]
    for slot in slots:
        taken = cells[chosen[slot.number]] if slot.number in chosen else None
        rebuilt.append(_slot_cell(slot, taken))
        rebuilt += [_own_cell(cells[i], ids) for i in places.get(slot.number, ())]
    return rebuilt, _notes(slots, cells, copies, chosen, own) if cells else []


# ---- the student's own cells


def _own_cells(slots, cells, copies, chosen) -> tuple[list[int], list[int]]:
    """The cells of the submission that stand in no slot and are kept: those beside the slot that they are a
    version of, and the others. All by number, in order.
    """
    beside, own = [], sorted(set(range(len(cells))) - {i for found in copies.values() for i in found})
    for number, found in copies.items():
        slot = slots[number]
        changed = [i for i in found if cells[i].source.strip() and not slot.handed_out(cells[i])]
        if slot.role == CHECKED:
            # Somebody who merged the answer into the check cell has answered all the same.
            found = [i for i in changed if defines(cells[i], [slot.exercise])]
            beside += found[-1:] if not _answered(slot.exercise, cells) else []
        elif slot.role == GIVEN:
            fits = slot.kind != "code" and cells[chosen[number]].kind == slot.kind
            beside += [i for i in changed if not (fits and i == chosen[number])]
        elif slot.role == ANSWER:
            kept = plain(cells[chosen[number]].source)
            own += [i for i in changed if i != chosen[number] and plain(cells[i].source) != kept]
    return sorted(beside), sorted(own)


def _answered(exercise: str, cells: Sequence[FileCell]) -> bool:
    others = (Cell(c.label, c.source) for c in cells if c.kind == "code" and not c.graded)
    return any(c.defines(exercise) and c.standing(exercise) > 1 for c in others)


def _places(slots, copies, chosen, beside: Iterable[int], own: Iterable[int]) -> dict[int, list[int]]:
    """For each slot the cells that follow it; -1 stands for the beginning."""
    where = {i: number for number, found in copies.items() for i in found}
    places: dict[int, list[int]] = defaultdict(list)
    for i in beside:
        before = slots[where[i]].role == CHECKED
        places[where[i] - before].append(i)
    anchors = in_order((i, number) for number, i in chosen.items())
    firsts = [i for i, _ in anchors]
    for i in own:
        at = bisect.bisect(firsts, i)
        if at:
            places[anchors[at - 1][1]].append(i)
        else:
            places[anchors[0][1] - 1 if anchors else len(slots) - 1].append(i)
    return places


# ---- cells of the rebuilt notebook


def _slot_cell(slot: Slot, taken: FileCell | None) -> NotebookNode:
    metadata = NotebookNode(
        {k: NotebookNode(v) if isinstance(v, dict) else v for k, v in slot.cell.metadata.items()}
    )
    source, attachments = slot.source, slot.cell.get("attachments")
    if taken is not None and (
        slot.role == ANSWER or (slot.role == GIVEN and slot.kind == taken.kind != "code")
    ):
        source, attachments = taken.source, taken.attachments
    if slot.kind == "code":
        same = taken is not None and (slot.role == ANSWER or slot.handed_out(taken))
        metadata[LABEL] = NotebookNode(cell=taken.label if same else slot.label)
        if slot.role == ANSWER and source == slot.source:
            metadata[LABEL].untouched = True
        if taken is None:
            metadata[LABEL].restored = True
    return _cell(slot.kind, slot.id, source, metadata, attachments)


def _own_cell(cell: FileCell, ids: set[str]) -> NotebookNode:
    known = cell.id if cell.id and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.id) else "own"
    names = itertools.chain([known], (f"own-{n}" for n in itertools.count(1)))
    id = next(name for name in names if name not in ids)
    ids.add(id)
    metadata = NotebookNode()
    if cell.kind == "code":
        metadata[LABEL] = NotebookNode(cell=cell.label)
    return _cell(cell.kind, id, cell.source, metadata, cell.attachments)


def _cell(kind: str, id: str, source: str, metadata: NotebookNode, attachments) -> NotebookNode:
    cell = NotebookNode(cell_type=kind, id=id, metadata=metadata, source=source)
    if kind == "code":
        cell.execution_count, cell.outputs = None, []
    elif attachments:
        cell.attachments = NotebookNode(attachments)
    return cell


# ---- what is said about it


def _notes(slots, cells, copies, chosen, own) -> list[str]:
    telling = [slot for slot in slots if slot.role != GIVEN]
    if not any(slot.number in chosen for slot in telling):
        if not any(defines(c, [slot.exercise]) for slot in slots if slot.exercise for c in cells):
            return ["The file has none of this notebook's exercises: it seems to be another notebook."]
    return [
        *_missing(slots, cells, chosen, own),
        *_changed_checks(slots, cells, copies),
        *_several(slots, cells, copies, chosen, own),
        *_moved(chosen),
    ]


def _missing(slots, cells, chosen, own) -> Iterator[str]:
    missing = [slot for slot in slots if slot.number not in chosen]
    for slot in missing:
        if slot.role != ANSWER:
            continue
        found = [cells[i].label for i in own if slot.names and slot.answered_by(cells[i])]
        instead = f"{found[-1]} defines it" if found else "it was put back as it was handed out"
        yield f"The answer cell of `{_title(slot)}` was missing: {instead}."
    checks = [f"`{slot.exercise}`" for slot in missing if slot.role == CHECKED]
    if checks:
        yield f"Put back, since missing: the check of {', '.join(checks)}."
    others = sum(1 for slot in missing if slot.role in (LOCKED, GIVEN))
    if others:
        yield f"{others} cell{'s' * (others > 1)} of the notebook had been deleted or replaced; put back."


def _changed_checks(slots, cells, copies) -> Iterator[str]:
    for number, found in copies.items():
        slot = slots[number]
        if slot.role not in (CHECKED, LOCKED):
            continue
        what = [
            *(["text"] if any(not slot.handed_out(cells[i]) for i in found) else []),
            *(
                ["points"]
                if any(cells[i].nbgrader.get("points", slot.points) != slot.points for i in found)
                else []
            ),
        ]
        if what:
            name = f"check of `{slot.exercise}`" if slot.exercise else f"locked cell `{_title(slot)}`"
            yield f"The {' and '.join(what)} of the {name} had been changed; the original counts."


def _several(slots, cells, copies, chosen, own) -> Iterator[str]:
    for number, found in copies.items():
        slot = slots[number]
        if slot.role != ANSWER:
            continue
        taken = cells[chosen[number]]
        if set(found) & set(own):
            yield f"The answer cell of `{_title(slot)}` was there several times: {taken.label} was taken."
        if taken.kind != slot.kind:
            what = f"The answer cell of `{_title(slot)}` had become a {taken.kind} cell"
            yield f"{what}; it was read as a {slot.kind} cell."


def _moved(chosen: dict[int, int]) -> Iterator[str]:
    if len(in_order((i, number) for number, i in chosen.items())) < len(chosen):
        yield "Cells had been moved; they were put back in their order."


def _title(slot: Slot) -> str:
    return min(slot.names, default=None) or slot.grade_id or slot.id
