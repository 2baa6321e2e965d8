"""What an attack is, and how the folder that a student hands in is made from answers."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from .grounds import REPO, Grounds

START, ADDITIVE = "00_start_here", "05_additive"
POINTS = {
    START: {"pad_mask": 3.0, "masked_mean": 4.0},
    ADDITIVE: {"additive_score": 3.0, "additive_scores": 4.0, "AdditiveAttention": 6.0},
}

PAD_MASK = """\
def pad_mask(lengths, max_len):
    places = torch.arange(max_len, device=lengths.device)
    return places[None, :] < lengths[:, None]
"""
MASKED_MEAN = """\
def masked_mean(x, mask):
    real = mask[:, :, None]
    total = x.masked_fill(~real, 0).sum(dim=1)
    return total / real.sum(dim=1).clamp(min=1)
"""
ADDITIVE_SCORE = """\
def additive_score(query, key, W_q, W_k, v):
    return v @ torch.tanh(W_q @ query + W_k @ key)
"""
ADDITIVE_SCORES = """\
def additive_scores(queries, keys, W_q, W_k, v):
    return torch.tanh((queries @ W_q.T)[:, :, None] + (keys @ W_k.T)[:, None]) @ v
"""
ADDITIVE_ATTENTION = """\
class AdditiveAttention(nn.Module):
    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        mask = mask[:, None] if mask is not None and mask.dim() == 2 else mask
        scores = additive_scores(queries, keys, self.W_q.weight, self.W_k.weight, self.v.weight[0])
        weights = masked_softmax(scores, mask)
        return context_vector(weights, keys), weights
"""
RIGHT = {
    START: {"pad_mask": PAD_MASK, "masked_mean": MASKED_MEAN},
    ADDITIVE: {
        "additive_score": ADDITIVE_SCORE,
        "additive_scores": ADDITIVE_SCORES,
        "AdditiveAttention": ADDITIVE_ATTENTION,
    },
}


Write = Callable[[Path, Grounds], None]
"""Makes the folder of one assignment of one student. The folder is not there yet, its parent is."""


@dataclass(frozen=True)
class Attack:
    """One submission. `tries` says in a sentence what it tries, `earned` what it deserves by exercise.

    `student` is the name of the student's folder where that is part of the attack. `hangs` tells that it runs
    into the time limit. `readable` is False where no notebook can be graded and a reason takes its place.
    """

    id: str
    tries: str
    write: Write
    earned: Mapping[str, float] = field(default_factory=dict)
    lesson: str = START
    student: str | None = None
    hangs: bool = False
    readable: bool = True

    @property
    def folder(self) -> str:
        return self.id if self.student is None else self.student

    def points(self) -> dict[str, float]:
        return {name: float(self.earned.get(name, 0)) for name in POINTS[self.lesson]}


@functools.cache
def _released(lesson: str) -> NotebookNode:
    return nbformat.read(REPO / "notebooks" / lesson / f"{lesson}.ipynb", as_version=4)


def notebook(lesson: str = START, answers: Mapping[str, str] | None = None) -> NotebookNode:
    """A fresh copy of the notebook as it was handed out, with these answers written into it."""
    made = copy.deepcopy(_released(lesson))
    for cell in made.cells:
        answer = (answers or {}).get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if answer is not None:
            cell.source = answer
    return made


def cell(made: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell of that grade_id."""
    return next(c for c in made.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def hand_in(
    answers: Mapping[str, str] | None = None,
    *,
    lesson: str = START,
    cells: tuple[str, ...] = (),
    change: Callable[[NotebookNode], object] | None = None,
    files: Mapping[str, str | bytes] | None = None,
    raw: Callable[[bytes], bytes] | None = None,
    name: str | None = None,
) -> Write:
    """A notebook with right answers but for `answers`.

    `cells` are put before the first answer. `change` may then do anything to the notebook, `raw` to its
    bytes; `files` are put beside it.
    """

    def write(folder: Path, grounds: Grounds) -> None:
        filled = {name: grounds.fill(text) for name, text in (answers or {}).items()}
        made = notebook(lesson, RIGHT[lesson] | filled)
        first = next(i for i, c in enumerate(made.cells) if c.metadata.get("nbgrader", {}).get("solution"))
        made.cells[first:first] = [
            new_code_cell(grounds.fill(text), id=f"own-{i}") for i, text in enumerate(cells)
        ]
        if change is not None:
            change(made)
        data = json.dumps(made, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
        put(folder / (name or f"{lesson}.ipynb"), data if raw is None else raw(data))
        for other, content in (files or {}).items():
            put(folder / other, grounds.fill(content) if isinstance(content, str) else content)

    return write


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def mask(id: str, tries: str, source: str, earned: float = 0, **more) -> Attack:
    """An attack in the cell of `pad_mask`, beside a right `masked_mean` that it must not cost anything."""
    write = hand_in({"pad_mask": source}, **_taken(more, "cells", "files", "change"))
    return Attack(id, tries, write, {"pad_mask": earned, "masked_mean": 4}, **more)


def module(id: str, tries: str, source: str, earned: float = 0, **more) -> Attack:
    """An attack in the cell of `AdditiveAttention`, with lesson 05's other answers right."""
    write = hand_in({"AdditiveAttention": source}, lesson=ADDITIVE, **_taken(more, "cells"))
    points = {"additive_score": 3, "additive_scores": 4, "AdditiveAttention": earned}
    return Attack(id, tries, write, points, lesson=ADDITIVE, **more)


def raw(id: str, tries: str, write: Write, pad_mask: float = 0, masked_mean: float = 0, **more) -> Attack:
    """An attack on the folder or the file itself."""
    return Attack(id, tries, write, {"pad_mask": pad_mask, "masked_mean": masked_mean}, **more)


def _taken(more: dict, *names: str) -> dict:
    return {name: more.pop(name) for name in names if name in more}
