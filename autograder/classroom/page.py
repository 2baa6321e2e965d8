"""The class page: what a class understood and what it did not, as one HTML file that needs nothing else.

Students choose their names and make the messages, so the template engine escapes all text, and a content
policy in the page keeps a browser from running or loading anything.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import resources
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from . import charts
from .names import report_stem
from .plain import amount, how_many, plain
from .summary import Assignment, Exercise, summarise

FEW = 3
"""Up to so many names stand open."""

LISTED = 100
"""The most names under one misconception or reason."""

LINKED = 1000
"""With more results than this, a list of names has no links: they would be most of the page."""

OPEN = 8
"""The most misconceptions that stand open; the rarer ones are folded."""

REASONS = 20
"""The most reasons for a missing grade that are listed."""

LONG, GROUP = 500, 100
"""A table of more students than `LONG` is folded into groups of `GROUP`."""

KINDS = (("full", "full"), ("partial", "partial"), ("none", "none"), ("untouched", "not attempted"))
"""How an exercise's answers are divided: the attribute of `summary.Exercise`, and the word for it."""


def class_page(results: list[dict], run: dict) -> str:
    """The page on all `results` of a run, as UTF-8 text that can always be written."""
    return _template().render(page=_Page(results, run))


class _Page:
    """What the template is given."""

    def __init__(self, results: list[dict], run: dict):
        self.assignments = summarise(results)
        self.results = len(results)
        self.linked = len(results) <= LINKED
        self.stamps = Counter(r["stamp"] for r in results if r["stamp"]).most_common()
        self.seeds = sorted({r["seed"] for r in results} or ({run["seed"]} if "seed" in run else set()))
        students = len({r["student"] for r in results})
        graded = sum(r["status"] == "graded" for r in results)
        self.lead = (
            f"{how_many(students, 'student')}, {how_many(len(self.assignments), 'assignment')}: "
            f"{how_many(graded, 'submission')} graded"
            + (f", {self.results - graded:,} not graded." if graded < self.results else ".")
        )
        self.about = list(_about(results, self.seeds, run))

    def report(self, assignment: Assignment, student: str) -> str:
        """The address of a student's report, seen from the page."""
        return f"{quote(report_stem(assignment.name, student))}.html"


def _about(results: Sequence[dict], seeds: Sequence[int], run: dict) -> Iterator[tuple[str, str]]:
    """What can be said of how the results were made, each a (term, value)."""
    if seeds:
        yield "seed", ", ".join(map(str, seeds))
    if times := sorted(r["graded_at"] for r in results):
        first, last = _when(times[0]), _when(times[-1])
        yield "graded", first if first == last else f"{first} to {last}"
    if "time_limit" in run:
        yield "time limit", f"{run['time_limit']:g} seconds for each answer"
    versions: dict[str, set[str]] = {}
    for result in results:
        for part, version in result["versions"].items():
            versions.setdefault(part, set()).add(str(version))
    for part, found in versions.items():
        yield part, ", ".join(sorted(found))


def _when(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return time


# ---- the template


@functools.cache
def _template():
    here = resources.files(__package__)
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_usable)
    environment.filters.update(
        amount=amount, how_many=how_many, whole="{:,}".format, code=_with_code, parts=_parts, open=_open
    )
    environment.globals.update(
        css=Markup(here.joinpath("page.css").read_text(encoding="utf-8")),
        histogram=charts.histogram,
        spread_line=charts.spread_line,
        stacked_bar=charts.stacked_bar,
        share_bar=charts.share_bar,
        **{name: globals()[name] for name in ("FEW", "LISTED", "REASONS", "LONG", "GROUP", "KINDS")},
    )
    return environment.from_string(here.joinpath("page.html").read_text(encoding="utf-8"))


def _usable(value: object) -> object:
    """Every text that the template writes goes through here before it is escaped."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _with_code(text: str) -> Markup:
    """What stands between backticks is code, as in Markdown."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(plain(text)))))


def _parts(exercise: Exercise) -> list[tuple[str, str, int]]:
    return [(kind, word, getattr(exercise, kind)) for kind, word in KINDS]


def _open(assignment: Assignment) -> int:
    """How many misconceptions stand open: those that several students met, and three in any case."""
    several = sum(len(m.students) > 1 for m in assignment.misconceptions[:OPEN])
    return max(several, min(3, len(assignment.misconceptions)))
