"""The notebook's face: `check`, `hint`, `needs` and `progress`.

Answers run in the learner's own kernel here, for feedback in an instant. Where a grade is at stake another
face runs them in the sandbox.
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import sys
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any

import torch

from .exercise import Exercise
from .exercises import UnknownExercise, all_exercises, find
from .judging import number
from .plan import draw
from .record import Record
from .report import Report, judge
from .sandbox.perform import by_raise_statement, perform

PATIENCE = 0.03
"""Seconds for telling apart several mistakes in one answer, so that a check answers at once."""

SEED = 1
"""A learner who checks again meets the same cases. Each exercise draws its own from this, by its name."""

_record = Record()


class CannotCheck(LookupError):
    """There is nothing to check, or no telling what. Its message says what to write instead."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this in place of a traceback, none of which would be the learner's.
        return [f"{type(self).__name__}: {self}"]


class Points(float):
    """Points of an exercise. As text it is the bare number, which nbgrader takes for the points of a cell."""

    def __new__(cls, score: float, max_score: float):
        points = super().__new__(cls, score)
        points.max_score = max_score
        return points

    def _repr_html_(self) -> str:
        return f"<small>{number(self)} of {number(self.max_score)} points</small>"


class _Shown:
    """A text and the same as HTML, for IPython to choose from."""

    def __init__(self, text: str, html: str):
        self._text, self._html = text, html

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._html

    def show(self) -> None:
        if _shell() is None:
            print(self._text)
        else:
            from IPython.display import display

            display(self)


def check(answer: Any, name: str | None = None) -> Points:
    """Check an answer to an exercise, show what is right and wrong with it, and return its points.

    `answer` is the function or class itself, or the name of the exercise. `name` says which exercise is meant
    when the answer does not tell (a lambda, a partial). Raises `CannotCheck` when no exercise is found.
    """
    if isinstance(answer, str):
        answer, name = _defined(answer), answer
    exercise = _find(name) if name is not None else _exercise_of(answer)
    plan = draw(exercise, SEED)
    with _one_thread():
        with _quiet() as printed:
            outcomes = list(perform(answer, plan.cases))
        report = judge(exercise, plan, outcomes, SEED, PATIENCE)
    _show(report, printed.lines)
    if report.attempted:
        mistakes = [m.id for m in report.diagnosis.mistakes] if report.diagnosis else []
        _record.add("check", exercise.name, score=report.score, max_score=report.max_score, mistakes=mistakes)
    return Points(report.score, report.max_score)


def hint(answer: Any) -> None:
    """Show one more hint, below those seen before. The exercise is given as function, class or name."""
    exercise = _find(answer) if isinstance(answer, str) else _exercise_of(answer)
    total = len(exercise.hints)
    before = sum(e["event"] == "hint" and e["exercise"] == exercise.name for e in _record.events())
    seen = min(before + 1, total)
    if before < total:
        _record.add("hint", exercise.name)
    for i, text in enumerate(exercise.hints[:seen], start=1):
        print(f"Hint {i} of {total}: {text}")
    left = total - seen
    print(f"{left} more: run this cell again." if left else "There are no more hints for this exercise.")


def progress(reset: bool = False) -> None:
    """Show for each exercise how often you tried it, your best points and which mistakes you met.

    With `reset=True` a new record begins; the old file is kept under another name, with the date in it.
    """
    if reset:
        _reset()
        return
    rows = _rows(_record.events())
    _Shown(_progress_text(rows), _progress_html(rows)).show()


class needs:
    """`with needs(pad_mask):` begins a block that uses answers of earlier exercises.

    While one of them is unsolved the block ends at the place where it was called, and one line says what it
    waits for. So it does where a name is missing that an earlier block, waiting like this one, would have
    made. Takes functions and classes, also such as are no graded exercises. No other exception is caught, nor
    one that a library raises.
    """

    def __init__(self, *functions: Any):
        self._functions = functions
        self._names = {_name_of(f) for f in functions}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, NotImplementedError):
            name = _unsolved(trace, self._names)
        elif isinstance(error, NameError):
            name = next((_name_of(f) for f in self._functions if _is_unwritten(f)), None)
        else:
            name = None
        if name is None:
            return False
        when = "its check passes" if name in all_exercises() else "you have written it"
        print(f"This cell waits for {name}. Come back when {when}.")
        return True


# ---- which exercise


def _find(name: str) -> Exercise:
    try:
        return find(name)
    except UnknownExercise as error:
        raise CannotCheck(str(error)) from None


def _exercise_of(answer: Any) -> Exercise:
    """The exercise that an object answers: by its own name, else by a name it has in the notebook."""
    known = all_exercises()
    own = getattr(answer, "__name__", None)
    if isinstance(own, str) and own in known:
        return known[own]
    for name, exercise in known.items():
        if _namespace().get(name) is answer and answer is not None:
            return exercise
    kind = type(answer).__name__
    if kind in known:
        raise CannotCheck(f"This is an object made from the class. Give the class itself: check({kind}).")
    if not callable(answer):
        raise CannotCheck(
            f"This is a {kind}, not a function. Give the function without calling it: check(pad_mask)."
        )
    if isinstance(own, str) and own.isidentifier():
        return _find(own)
    raise CannotCheck(
        'This object does not tell its name. Add the name of the exercise: check(answer, "pad_mask").'
    )


def _defined(name: str) -> Any:
    _find(name)
    try:
        return _namespace()[name]
    except KeyError:
        raise CannotCheck(
            f"Nothing called {name} is defined yet. Run the cell that defines it first."
        ) from None


def _namespace() -> dict[str, Any]:
    shell = _shell()
    return vars(sys.modules["__main__"]) if shell is None else shell.user_ns


def _shell():
    """The running IPython, or None outside of it."""
    ipython = sys.modules.get("IPython")
    return ipython and ipython.get_ipython()


# ---- check: the answer's own output, the report


class _LineCounter(io.TextIOBase):
    """Takes whatever is printed and keeps only how many lines there were."""

    def __init__(self):
        self._breaks, self._unfinished = 0, False

    def write(self, text: str) -> int:
        if text:
            self._breaks += text.count("\n")
            self._unfinished = not text.endswith("\n")
        return len(text)

    @property
    def lines(self) -> int:
        return self._breaks + self._unfinished


@contextlib.contextmanager
def _quiet() -> Iterator[_LineCounter]:
    """Swallow what the answer prints and displays."""
    printed = _LineCounter()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _no_display():
        yield printed


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Tensors as small as a check's are slower on two cores, many times so when the other one is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _no_display() -> contextlib.AbstractContextManager:
    if _shell() is None:
        return contextlib.nullcontext()
    from IPython.utils.capture import capture_output

    return capture_output(stdout=False, stderr=False)


def _show(report: Report, lines: int) -> None:
    note = ""
    if lines:
        note = (
            f"Your code printed {lines} line{'s' * (lines != 1)} during this check. They are not shown here."
        )
    text = f"{report}\n\n{note}" if note else str(report)
    _Shown(text, report._repr_html_() + (f"<p><small>{note}</small></p>" if note else "")).show()


# ---- needs


def _name_of(function: Any) -> str:
    if isinstance(function, str):
        return function
    if isinstance(function, functools.partial):
        return _name_of(function.func)
    return getattr(function, "__name__", type(function).__name__)


def _is_unwritten(function: Any) -> bool:
    """Whether a function, or a method of a class, still names the exception of a stub."""
    parts = vars(function).values() if isinstance(function, type) else [function]
    codes = (getattr(part, "__code__", None) for part in parts)
    return any(code is not None and "NotImplementedError" in code.co_names for code in codes)


def _unsolved(trace: TracebackType, names: set[str]) -> str | None:
    """The answer that a NotImplementedError comes from: one of `names` or an exercise. None when it comes
    from elsewhere.

    One that torch raises is a mistake to be shown.
    """
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    if not by_raise_statement(frames[-1]):
        return None
    # Where one answer calls another, the inner one is what is missing.
    for frame in reversed(frames):
        name = frame.tb_frame.f_code.co_qualname.partition(".")[0]
        if name in names or name in all_exercises():
            return name
    return None


# ---- progress

_COLUMNS = ("exercise", "points", "attempts", "last worked on", "mistakes met")


def _rows(events: list[dict]) -> dict[str, list[tuple[str, ...]]]:
    """For each lesson its exercises, each as one row of text."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for exercise in all_exercises().values():
        mine = [e for e in events if e["exercise"] == exercise.name]
        checks = [e for e in mine if e["event"] == "check"]
        scores = [e["score"] for e in checks if isinstance(e.get("score"), (int, float))]
        best = min(max(scores, default=0.0), exercise.max_score)
        met = [
            m
            for e in checks
            if isinstance(e.get("mistakes"), list)
            for m in e["mistakes"]
            if isinstance(m, str)
        ]
        row = (
            exercise.name,
            f"{number(best)} of {number(exercise.max_score)}",
            str(len(checks)),
            _when(mine[-1]["time"]) if mine else "",
            ", ".join(dict.fromkeys(met)),
        )
        rows.setdefault(exercise.lesson, []).append(row)
    return rows


def _when(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return ""


def _progress_text(rows: dict[str, list[tuple[str, ...]]]) -> str:
    everything = [_COLUMNS, *(row for lesson in rows.values() for row in lesson)]
    widths = [max(len(row[i]) for row in everything) for i in range(len(_COLUMNS))]

    def line(row: tuple[str, ...]) -> str:
        return ("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()

    lines = []
    for lesson, its_rows in rows.items():
        lines += [lesson, line(_COLUMNS), *map(line, its_rows), ""]
    return "\n".join(lines).rstrip()


def _progress_html(rows: dict[str, list[tuple[str, ...]]]) -> str:
    body = ""
    for lesson, its_rows in rows.items():
        body += f"<tr>{_cell('th', lesson, f'scope=rowgroup colspan={len(_COLUMNS)}')}</tr>"
        for name, *others in its_rows:
            body += (
                f"<tr>{_cell('th', name, 'scope=row')}{''.join(_cell('td', text) for text in others)}</tr>"
            )
    head = "".join(_cell("th", title, "scope=col") for title in _COLUMNS)
    return f"<table aria-label='Your progress'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, attributes: str = "") -> str:
    return f"<{tag} {attributes} style='text-align:left'>{html.escape(text)}</{tag}>"


def _reset() -> None:
    try:
        backup = _record.reset()
    except OSError as error:
        print(f"The record could not be put aside ({error.strerror or type(error).__name__}), so it goes on.")
        return
    print("A new record begins." if backup is None else f"A new record begins. The old one is now {backup}.")
