"""Grade answers where it counts: run them in the sandbox and judge what comes back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .sandbox.runner import SandboxError
from .submission import NoAnswer, Submission

if TYPE_CHECKING:  # torch comes with these; see `sandbox.runner` for why it is left for later
    from .exercise import Exercise
    from .report import Report
    from .sandbox import Sandbox


def fresh_seed() -> int:
    """A seed that nobody knows beforehand."""
    return secrets.randbits(63)


def grade(submission: Submission, exercise: Exercise, sandbox: Sandbox, seed: int) -> Report:
    """Grade `exercise` from one submission. Raises `SandboxError` when the sandbox fails."""
    from .plan import draw
    from .report import judge, refuse

    try:
        cells = submission.cells_for(exercise.name)
    except NoAnswer as reason:
        return refuse(exercise, str(reason))
    plan = draw(exercise, seed)
    outcomes = sandbox.run(cells, exercise.name, plan.cases, notebook=submission.notebook)
    return judge(exercise, plan, outcomes, seed)


def grade_all(
    submissions: Sequence[Submission], exercise: Exercise, sandbox: Sandbox, seed: int, workers: int
) -> Iterator[Report | SandboxError]:
    """Grade `exercise` from each submission, in order, on the same cases. `workers` answers run at once.

    Gives the error instead of a report where the sandbox fails. Only running is done in threads: reading and
    judging set Python's warnings and torch's random state for a while, which all threads share.
    """
    from .plan import draw
    from .report import judge, refuse

    plan = draw(exercise, seed)
    answers = [_cells_or_reason(submission, exercise.name) for submission in submissions]
    runs = [i for i, answer in enumerate(answers) if not isinstance(answer, NoAnswer)]
    pool = ThreadPoolExecutor(workers)
    try:
        running = {
            i: pool.submit(
                *(sandbox.run, answers[i], exercise.name, plan.cases),
                notebook=submissions[i].notebook,
            )
            for i in runs
        }
        for i, answer in enumerate(answers):
            if i not in running:
                yield refuse(exercise, str(answer))
                continue
            try:
                outcomes = running.pop(i).result()
            except SandboxError as error:
                yield error
            else:
                yield judge(exercise, plan, outcomes, seed)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cells_or_reason(submission: Submission, entry: str) -> list[tuple[str, str]] | NoAnswer:
    try:
        return submission.cells_for(entry)
    except NoAnswer as reason:
        return reason


def printable(text: str) -> str:
    """The text without what could steer a terminal: messages quote what a student's code raised."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
