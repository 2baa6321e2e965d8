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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .comparing import agree
from .exercise import Mistake
from .judging import Judgement, Tried
from .plan import Question, Variant

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
    variant: Variant | None  # None: recognised by a rule of its own
    explained: set[int]


class _Inquiry:
    """One answer's failing cases, and what each mistake of the catalogue does on them."""

    def __init__(self, judgement: Judgement, patience: float):
        self.deadline = time.perf_counter() + patience
        self.judgement = judgement
        self.plan = judgement.plan
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
        for mistake in self.plan.exercise.mistakes:
            if mistake.recognise and mistake.general == general:
                found = mistake.recognise(self.judgement.failed)
                if general and len(found) < len(self.judgement.failed):
                    continue  # what all failing cases have in common must hold for those not chosen, too
                if explained := {
                    place[id(t)] for i, t in enumerate(self.judgement.failed) if i in found and id(t) in place
                }:
                    yield _Suspect(mistake, None, explained)

    def single(self) -> Mistake | None:
        """The first mistake that explains every failing case and fails nowhere else.

        Most answers make one mistake, and one case rules out most of the others: a case known from an earlier
        answer, or else the quickest.
        """
        passed = {t.question.place for t in self.judgement.passed}
        probe = self._probe()
        for variant in self.plan.variants:
            if not variant.wrong.isdisjoint(passed) or (probe and variant.fails(probe)):
                continue
            if all(_alike(variant, t) for t in self.failed) and not self._contradicted(variant):
                return variant.mistake
        return None

    def _probe(self) -> Question | None:
        """A passed case that is quicker to run than the smallest failing one and that most mistakes fail."""
        passed = [t.question for t in self.judgement.passed if t.case.calls and "values" in t.check.aspects]
        probe = max(passed, key=lambda q: (-q.effort, q.check.outputs is None, q.size), default=None)
        return probe if probe and probe.effort < self.failed[0].question.effort else None

    def suspects(self, screened: int) -> Iterator[_Suspect]:
        """Mistakes that, when run, behave like the answer on one of the `screened` smallest failing cases,
        with all that they explain.
        """
        for variant in self.plan.variants:
            if screened > 1 and self.late:
                return
            if any(_alike(variant, t) for t in self.failed[:screened]):
                yield _Suspect(variant.mistake, variant, self._explained(variant))

    def _explained(self, variant: Variant) -> set[int]:
        return {i for i, t in enumerate(self.failed) if _alike(variant, t)}

    def trusted(self, suspects: Iterable[_Suspect], doubt: float = 0.0) -> Iterator[_Suspect]:
        """Those that fail nowhere, or hardly anywhere, where the answer passes."""
        return (s for s in suspects if s.variant is None or not self._contradicted(s.variant, doubt))

    def _contradicted(self, variant: Variant, doubt: float = 0.0) -> bool:
        """Whether the mistake fails on a larger share of the passed cases than `doubt`."""
        wrong = 0
        for t in self.judgement.passed:
            wrong += variant.fails(t.question)
            if wrong / len(self.judgement.passed) > doubt:
                return True
        return False

    def pair(self, suspects: list[_Suspect]) -> Diagnosis | None:
        """Two mistakes in different pieces of the answer that together give exactly what failed.

        Where one of them shows alone on some case (a wrong score does, without a mask), only its partner
        has to be found.
        """
        everyone = [v for v in self.plan.variants if not v.mistake.stateful]
        seen = [s.variant for s in suspects if s.variant]
        inner = [v for v in everyone if "outer" not in v.pieces]
        pairs = itertools.product(seen[:3], everyone) if seen else itertools.combinations(inner, 2)
        pairs = (
            (a, b) for a, b in pairs if a.mistake.id != b.mistake.id and not a.pieces.keys() & b.pieces.keys()
        )
        explained = set().union(*(s.explained for s in suspects)) if suspects else set()
        hard = next((t for i, t in enumerate(self.failed) if i not in explained), self.failed[0])
        for one, other in itertools.islice(pairs, PAIRS):
            if self.late:
                return None
            both = self.plan.together(one, other)
            if all(_alike(both, t) for t in (hard, *self.failed)) and not self._contradicted(both):
                return Diagnosis((one.mistake, other.mistake), complete=True, together=True)
        return None

    def completed(self, recognised: list[_Suspect], suspects: list[_Suspect]) -> Diagnosis | None:
        """A mistake that explains all that a rule of another one leaves over.

        A module that is made wrongly and works wrongly too is such an answer. Nothing new is run for it but
        the passed cases, so that both are named however little time there is.
        """
        for rule in recognised:
            rest = self.everything - rule.explained
            fitting = [s for s in suspects if rest and len(rest & s.explained) >= ENOUGH * len(rest)]
            for suspect in self.trusted(sorted(fitting, key=lambda s: -len(rest & s.explained))):
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
    if mistake := inquiry.single():
        return Diagnosis((mistake,), complete=True)
    found = list(inquiry.suspects(screened=1))
    likely = [suspect for suspect in found if inquiry.explains_enough(suspect)]
    if both := inquiry.completed(recognised, found):
        return both
    likely.sort(key=lambda s: -len(s.explained))  # stable: the catalogue's order decides among equals
    if best := next(itertools.chain(inquiry.trusted(likely), inquiry.trusted(likely, DOUBT)), None):
        return Diagnosis((best.mistake,), complete=True)
    suspects = list(inquiry.suspects(screened=4))
    believed = list(inquiry.trusted(recognised + suspects))
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


def _alike(variant: Variant, t: Tried) -> bool:
    """Whether a mistake fails on a case in the same way as the answer."""
    return agree(t.check, t.case, t.outcome, variant.outcome(t.question)) and variant.fails(t.question)


def _chosen(judgement: Judgement) -> list[Tried]:
    """The smallest failing cases, with at least one from every check that failed; those that only make a
    module come last, since most mistakes cannot show there.
    """
    by_size = sorted(judgement.failed, key=lambda t: t.size)
    first = {id(t.check): t for t in reversed(by_size)}
    chosen = list(first.values())
    chosen += [t for t in by_size if all(t is not c for c in chosen)][: max(0, SCREENED - len(chosen))]
    return sorted(chosen, key=lambda t: (not t.case.calls, t.size))
