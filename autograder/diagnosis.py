"""Name the mistake: run the catalogue's wrong answers on the cases that failed and see which one behaves
the same.

Nothing here reads the student's source. A mistake explains a failing case when it fails there too and gives
the same numbers, shapes, gradients or exception. It is believed only if it never fails where the answer
passes.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .exercise import Mistake
from .judging import Judgement, Tried, agree, first_difference
from .sandbox.case import Outcome
from .sandbox.perform import perform

SCREENED = 8
"""How many failing cases each mistake is tried on."""

ENOUGH = 0.8
"""The share of the failing cases that one mistake must explain to be named alone. Rounding can hide the
likeness in extreme cases.
"""

DOUBT = 0.15
"""The share of the passed cases on which a mistake that explains enough may fail all the same.

Someone may have mended part of what usually goes with it, the empty rows for example.
"""

PAIRS = 600
"""How many pairs of mistakes are tried at the most."""


@dataclass(frozen=True)
class Diagnosis:
    """The mistakes that an answer behaves like. `complete` when together they account for what failed."""

    mistakes: tuple[Mistake, ...]
    complete: bool
    together: bool = False

    @property
    def id(self) -> str:
        return self.mistakes[0].id

    @property
    def message(self) -> str:
        first, *rest = (m.hint for m in self.mistakes)
        if self.together:
            return f"Two mistakes at once give these results. One: {first} The other: {rest[0]}"
        told = " ".join([first, *(f"Besides: {hint}" for hint in rest)])
        return told if self.complete else f"{told} (This explains part of what failed, not all of it.)"


@dataclass
class _Suspect:
    mistake: Mistake
    pieces: Mapping[str, Any] | None  # None: recognised by a rule of its own
    explained: set[int]


class _Inquiry:
    """One answer's failing cases, and what each mistake of the catalogue does on them."""

    def __init__(self, judgement: Judgement, patience: float):
        self.deadline = time.perf_counter() + patience
        self.judgement = judgement
        self.exercise = judgement.exercise
        self.failed = _chosen(judgement)
        self.everything = set(range(len(self.failed)))

    @property
    def late(self) -> bool:
        return time.perf_counter() > self.deadline

    def explains_enough(self, suspect: _Suspect) -> bool:
        return len(suspect.explained) >= ENOUGH * len(self.failed) and 0 in suspect.explained

    def recognised(self, general: bool) -> Iterator[_Suspect]:
        """Mistakes that a rule of their own finds among all failing cases."""
        place = {id(t): i for i, t in enumerate(self.failed)}
        for mistake in self.exercise.mistakes:
            if mistake.recognise and mistake.general == general:
                found = mistake.recognise(self.judgement.failed)
                if general and len(found) < len(self.judgement.failed):
                    continue  # what all failing cases have in common must hold for those not chosen, too
                if explained := {
                    place[id(t)] for i, t in enumerate(self.judgement.failed) if i in found and id(t) in place
                }:
                    yield _Suspect(mistake, None, explained)

    def suspects(self, screened: int) -> Iterator[_Suspect]:
        """Mistakes that, when run, behave like the answer on one of the `screened` smallest failing cases,
        with all that they explain.
        """
        for mistake in self.exercise.mistakes:
            for pieces in mistake.variants:
                if screened > 1 and self.late:
                    return
                if any(self._agreeing(mistake, pieces, [t]) for t in self.failed[:screened]):
                    yield _Suspect(mistake, pieces, self._agreeing(mistake, pieces, self.failed))

    def _agreeing(self, mistake: Mistake, pieces: Mapping[str, Any], tried: list[Tried]) -> set[int]:
        """On which of these cases the mistake fails in the same way as the answer."""
        outcomes = self._run(mistake, pieces, tried)
        return {
            i
            for i, (t, outcome) in enumerate(zip(tried, outcomes, strict=True))
            if agree(t.check, t.case, t.outcome, outcome) and self._fails(t, outcome)
        }

    def _run(
        self, mistake: Mistake | None, pieces: Mapping[str, Any], tried: list[Tried]
    ) -> Iterator[Outcome]:
        answer = self.exercise.build(**pieces)
        if mistake is None or not mistake.stateful:
            return perform(answer, [t.case for t in tried])
        everywhere = perform(answer, [t.case for t in self.judgement.tried])
        found = {id(t.case): outcome for t, outcome in zip(self.judgement.tried, everywhere, strict=True)}
        return iter([found[id(t.case)] for t in tried])

    def _fails(self, tried: Tried, outcome: Outcome) -> bool:
        return first_difference(self.exercise, tried.check, tried.case, outcome, tried.expected) is not None

    def trusted(self, suspects: list[_Suspect], doubt: float = 0.0) -> list[_Suspect]:
        """Those that fail nowhere, or hardly anywhere, where the answer passes."""
        return [s for s in suspects if s.pieces is None or self._contradicted(s.mistake, s.pieces) <= doubt]

    def _contradicted(self, mistake: Mistake | None, pieces: Mapping[str, Any]) -> float:
        """The share of the passed cases on which the mistake fails."""
        passed = [t for t in self.judgement.tried if t.difference is None]
        outcomes = self._run(mistake, pieces, passed)
        wrong = sum(self._fails(t, outcome) for t, outcome in zip(passed, outcomes, strict=True))
        return wrong / max(1, len(passed))

    def pair(self, suspects: list[_Suspect]) -> Diagnosis | None:
        """Two mistakes in different pieces of the answer that together give exactly what failed.

        Where one of them shows alone on some case (a wrong score does, without a mask), only its partner
        has to be found.
        """
        everyone = [(m, v) for m in self.exercise.mistakes if not m.stateful for v in m.variants]
        seen = [(s.mistake, s.pieces) for s in suspects if s.pieces]
        inner = [(m, v) for m, v in everyone if "outer" not in v]
        pairs = itertools.product(seen[:3], everyone) if seen else itertools.combinations(inner, 2)
        pairs = ((a, b) for a, b in pairs if a[0].id != b[0].id and not a[1].keys() & b[1].keys())
        explained = set().union(*(s.explained for s in suspects)) if suspects else set()
        hard = next((t for i, t in enumerate(self.failed) if i not in explained), self.failed[0])
        for (one, first), (two, second) in itertools.islice(pairs, PAIRS):
            if self.late:
                return None
            pieces = {**first, **second}
            if not self._agreeing(one, pieces, [hard]):
                continue
            if self._agreeing(one, pieces, self.failed) == self.everything and not self._contradicted(
                None, pieces
            ):
                return Diagnosis((one, two), complete=True, together=True)
        return None

    def completed(self, recognised: list[_Suspect], suspects: list[_Suspect]) -> Diagnosis | None:
        """A mistake that explains all that a rule of another one leaves over.

        A module that is made wrongly and works wrongly too is such an answer. Nothing new is run for it but
        the passed cases, so that both are named however little time there is.
        """
        for rule in recognised:
            rest = self.everything - rule.explained
            fitting = [s for s in suspects if rest and len(rest & s.explained) >= ENOUGH * len(rest)]
            for suspect in sorted(self.trusted(fitting), key=lambda s: -len(rest & s.explained)):
                if suspect.mistake is not rule.mistake:
                    return Diagnosis((suspect.mistake, rule.mistake), complete=True)
        return None

    def cover(self, suspects: list[_Suspect]) -> Diagnosis | None:
        """Mistakes that each explain some of the failing cases, the one that explains most first."""
        left, found = set(self.everything), []
        while left and suspects and len(found) < 3:
            best = max(suspects, key=lambda s: len(s.explained & left))
            if not best.explained & left:
                break
            if best.mistake not in found:
                found.append(best.mistake)
            left -= best.explained
        return Diagnosis(tuple(found), complete=not left) if found else None


def diagnose(judgement: Judgement, patience: float = math.inf) -> Diagnosis | None:
    """The known mistake, or mistakes, that best explain what failed; None when nothing in the catalogue
    behaves like it.

    Every single mistake is always tried. After `patience` seconds no more is done to find several at once.
    """
    inquiry = _Inquiry(judgement, patience)
    recognised = list(inquiry.recognised(general=False))
    if whole := [s for s in recognised if s.explained == inquiry.everything]:
        return Diagnosis((whole[0].mistake,), complete=True)
    # Most answers make one mistake: what does not explain the smallest case is not it, and need not be run
    # on the others.
    likely, found = [], []
    for suspect in inquiry.suspects(screened=1):
        if suspect.explained == inquiry.everything and inquiry.trusted([suspect]):
            return Diagnosis((suspect.mistake,), complete=True)
        found.append(suspect)
        if inquiry.explains_enough(suspect):
            likely.append(suspect)
    if both := inquiry.completed(recognised, found):
        return both
    likely.sort(key=lambda s: -len(s.explained))  # stable: the catalogue's order decides among equals
    if best := inquiry.trusted(likely) or inquiry.trusted(likely, DOUBT):
        return Diagnosis((best[0].mistake,), complete=True)
    suspects = list(inquiry.suspects(screened=4))
    believed = inquiry.trusted(recognised + suspects)
    cover = inquiry.cover(believed)
    if cover is not None and cover.complete and len(cover.mistakes) == 2:
        return cover
    if pair := inquiry.pair(suspects):
        return pair
    for suspect in inquiry.recognised(general=True):
        if suspect.explained == inquiry.everything:
            return Diagnosis((suspect.mistake,), complete=True)
    plenty = any(len(s.explained) * 2 >= len(inquiry.failed) for s in believed)
    return cover if cover is not None and (cover.complete or plenty) else None


def _chosen(judgement: Judgement) -> list[Tried]:
    """The smallest failing cases, with at least one from every check that failed; those that only make a
    module come last, since most mistakes cannot show there.
    """
    by_size = sorted(judgement.failed, key=lambda t: t.size)
    first = {id(t.check): t for t in reversed(by_size)}
    chosen = list(first.values())
    chosen += [t for t in by_size if all(t is not c for c in chosen)][: max(0, SCREENED - len(chosen))]
    return sorted(chosen, key=lambda t: (not t.case.calls, t.size))
