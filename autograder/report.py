"""A report on one answer: for people as text and HTML, for programs as a dictionary."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .diagnosis import Diagnosis, diagnose
from .exercise import Exercise
from .judging import Judgement, Tried, number
from .plan import Plan
from .sandbox.callbacks import ABOUT
from .sandbox.case import Callback, Case, Outcome

SHOWN_ELEMENTS = 64
"""A tensor with more elements than this is described, not printed."""


@dataclass(frozen=True)
class Verdict:
    """What became of one check."""

    sentence: str
    points: float
    passed: bool
    message: str = ""


@dataclass(frozen=True)
class Report:
    """Everything there is to say about one answer to one exercise."""

    exercise: Exercise
    verdicts: tuple[Verdict, ...]
    attempted: bool = True
    example: Tried | None = None
    diagnosis: Diagnosis | None = None
    seed: int | None = None

    @property
    def score(self) -> float:
        return float(sum(v.points for v in self.verdicts if v.passed))

    @property
    def max_score(self) -> float:
        return self.exercise.max_score

    @property
    def perfect(self) -> bool:
        return all(v.passed for v in self.verdicts)

    @property
    def one_reason(self) -> str | None:
        """The one sentence that explains why every check failed, where it is the same for all."""
        messages = {v.message for v in self.verdicts}
        return messages.pop() if self.attempted and len(messages) == 1 and self.score == 0 else None

    def as_dict(self) -> dict:
        """The object that `--json` prints, without the name of the file."""
        checks = [
            {"name": v.sentence, "passed": v.passed, "points": float(v.points), "message": v.message}
            for v in self.verdicts
        ]
        found = self.diagnosis and {"id": self.diagnosis.id, "message": self.diagnosis.message}
        return {
            "exercise": self.exercise.name,
            "score": self.score,
            "max_score": self.max_score,
            "checks": checks,
            "diagnosis": found,
        }

    def sections(self) -> list[tuple[str, str]]:
        """(title, text) of what a learner reads when something is wrong, in order: asked, smallest case,
        expected and got, mistake.
        """
        if not self.attempted or self.perfect:
            return []
        found = [("What was asked", self.exercise.asked)]
        if self.example is not None:
            said = {v.message for v in self.verdicts}
            shown = _show_example(self.exercise, self.example)
            # The sentence about this case stands under its check already, unless a smaller case spoke there.
            found += [part for part in shown if part[1] not in said]
        if self.diagnosis is not None:
            found.append(("What this looks like", self.diagnosis.message))
        return found

    def __str__(self) -> str:
        name, score = self.exercise.name, f"{number(self.score)} of {number(self.max_score)} points"
        if not self.attempted:
            points = f"0 of {number(self.max_score)} points"
            return f"{name}: not attempted yet ({points}).\nAsked: {self.exercise.asked}"
        lines = [f"{name}: {score}"]
        for v in self.verdicts:
            lines.append(f"  {'PASS' if v.passed else 'FAIL'}  {v.sentence} ({number(v.points)})")
            if v.message and not self.one_reason:
                lines.append(f"        {v.message}")
        if self.one_reason:
            lines += ["", self.one_reason]
        for title, text in self.sections():
            lines += ["", f"{title}:", *("  " + line for line in text.splitlines())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return render_html(self)


def judge(
    exercise: Exercise,
    plan: Sequence[Sequence[Case]],
    outcomes: Sequence[Outcome],
    seed: int | None = None,
    patience: float = math.inf,
) -> Report:
    """Judge the outcomes of `plan` and name the mistake.

    `plan` is what `plan.draw` gives, which keeps for the next answer what does not depend on this one, or the
    bare cases of each check. `patience` bounds the seconds spent on finding several mistakes at once.
    """
    judgement = Judgement(plan if isinstance(plan, Plan) else Plan(exercise, plan), outcomes)
    if reason := judgement.never_ran:
        return refuse(exercise, reason)
    if not judgement.attempted:
        untried = tuple(Verdict(c.sentence, c.points, False, "Not attempted yet.") for c in exercise.checks)
        return Report(exercise, untried, attempted=False, seed=seed)
    verdicts = tuple(_verdict(judgement, check) for check in exercise.checks)
    perfect = all(v.passed for v in verdicts)
    diagnosis = None if perfect else diagnose(judgement, patience)
    return Report(exercise, verdicts, True, judgement.example, diagnosis, seed)


def refuse(exercise: Exercise, message: str) -> Report:
    """A report of 0 points for an answer that could not be put to the question, with the reason."""
    return Report(exercise, tuple(Verdict(c.sentence, c.points, False, message) for c in exercise.checks))


def _verdict(judgement: Judgement, check) -> Verdict:
    complaint = judgement.complaint(check)
    return Verdict(check.sentence, check.points, complaint is None, complaint or "")


# ---- the failing case, printed so that a person can check it by hand


def _show_example(exercise: Exercise, tried: Tried) -> list[tuple[str, str]]:
    found, case = tried.difference, tried.case
    shown = []
    if case.construct is not None:
        made = ", ".join(f"{n}={v}" for n, v in zip(exercise.construct, case.construct.args, strict=False))
        shown.append(f"{exercise.name}({made})")
        for name, value in (case.construct.parameters or {}).items():
            axes = (exercise.parameters or {}).get(name)
            shown.append(
                _show(name, value, tuple(a.strip() for a in axes.strip("()").split(",")) if axes else None)
            )
    calls = case.calls[: found.call + 1]
    for i, call in enumerate(calls):
        if len(case.calls) > 1:
            shown.append(f"call {i + 1} of {len(case.calls)}:")
        shown += [
            _show(named.name, value, named.axes)
            for named, value in zip(exercise.inputs, call.args, strict=False)
        ]
    parts = [
        ("The smallest case on which it fails", "\n".join(shown)),
        ("What is wrong there", found.sentence),
    ]
    if found.expected is not None:
        together = [_show("expected", found.expected, found.axes, len("expected"))]
        if found.got is not None:
            together.append(_show("got", found.got, found.axes, len("expected")))
        parts.append((f"Expected and got: {found.label}", "\n".join(together)))
    return parts


def _show(name: str, value, axes: tuple[str, ...] | None, width: int = 0) -> str:
    if isinstance(value, Callback):
        inner = [f"  {_show(n, t, None)}" for n, t in value.tensors.items()]
        return "\n".join([f"{name}, {ABOUT[value.kind]}, with", *inner])
    if not isinstance(value, Tensor):
        return f"{name:{width}} = {value}"
    fits = axes is not None and len(axes) == value.dim()
    sizes = [
        f"{axis}={n}" if fits and not axis.isdigit() else str(n)
        for axis, n in zip(axes if fits else value.shape, value.shape, strict=True)
    ]
    # The dtype matters to what is put in; results are compared as numbers, and their dtype has a check of
    # its own.
    plain = width or value.dtype in (torch.float32, torch.bool, torch.int64)
    shape = f"({', '.join(sizes)})" + ("" if plain else f" {str(value.dtype).removeprefix('torch.')}")
    if value.numel() > SHOWN_ELEMENTS:
        return f"{name:{width}} {shape}, too long to print"
    return f"{name:{width}} {shape} = {_nested(value)}"


def _nested(tensor: Tensor) -> str:
    if tensor.dim() == 0:
        value = tensor.item()
        return str(value) if isinstance(value, (bool, complex)) else _number(value)
    return f"[{', '.join(_nested(part) for part in tensor)}]"


def _number(value: float) -> str:
    return number(value) if value == value and abs(value) != float("inf") else str(value)


# ---- HTML
#
#

_MARK = {True: ("PASS", "#0072b2"), False: ("FAIL", "#d55e00"), None: ("NOT YET", "#808080")}


def render_html(report: Report) -> str:
    """HTML that reads in light and dark themes: no colour carries meaning alone, text takes the page's own
    colour.
    """
    state = None if not report.attempted else report.perfect
    word, colour = _MARK[state]
    name = html.escape(report.exercise.name)
    head = {None: "not attempted yet", True: "all checks pass", False: "something is not right yet"}[state]
    rows = "".join(_html_row(v, report.attempted, report.one_reason is None) for v in report.verdicts)
    body = "".join(
        f'<p style="margin:.7em 0 .1em"><b>{html.escape(title)}</b></p>{_html_text(title, text)}'
        for title, text in report.sections()
    )
    points = f"{number(report.score)} of {number(report.max_score)} points"
    reason = f"<p style='margin:.4em 0'>{html.escape(report.one_reason)}</p>" if report.one_reason else ""
    border = f"border-left:4px solid {colour};padding:.2em 0 .2em 1em;margin:.3em 0"
    return (
        f'<div role="group" aria-label="Check of {name}: {head}" style="{border}">'
        f"<p style='margin:0'><b>{word}</b> <code>{name}</code>: {head}, {points}</p>"
        f'<ul style="list-style:none;padding:0;margin:.4em 0">{rows}</ul>{reason}{body}</div>'
    )


def _html_row(verdict: Verdict, attempted: bool, explained: bool) -> str:
    word = _MARK[verdict.passed if attempted else None][0]
    note = ""
    if verdict.message and attempted and explained:
        note = f"<br><span style='margin-left:5.5em'>{html.escape(verdict.message)}</span>"
    mark = f'<b style="display:inline-block;min-width:5.5em">{word}</b> '
    return f"<li>{mark}{html.escape(verdict.sentence)} ({number(verdict.points)}){note}</li>"


def _html_text(title: str, text: str) -> str:
    if title.startswith(("The smallest case", "Expected and got")):
        return f'<pre style="white-space:pre-wrap;margin:.2em 0">{html.escape(text)}</pre>'
    # What stands between backticks is code, as in Markdown.
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return f'<p style="margin:.1em 0">{marked}</p>'
