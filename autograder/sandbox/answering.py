"""From frames to outcomes: what the grader makes of whatever comes back, or does not come back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .frames import WireError, read_marker

if TYPE_CHECKING:  # torch comes with it; see `runner` for why it is left for later
    from .case import Outcome

RESULTS_LIMIT = 64 << 20
"""The most bytes that one answer may send back in all."""


@dataclass(frozen=True)
class Limits:
    """What one answer may use in all: seconds by the clock, seconds of processor, memory and file size."""

    wall_s: float = 20.0
    cpu_s: int = 20
    memory_mb: int = 2048
    file_mb: int = 16


@dataclass(frozen=True)
class Job:
    """What is sent to an answer's process: the head and the cases, packed, and the names of the cells."""

    head: bytes
    cases: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def payloads(self) -> tuple[bytes, ...]:
        return (self.head, *self.cases)


class SandboxError(RuntimeError):
    """The sandbox itself could not be had. Never the student's fault."""


def collect(
    next_frame: Callable[[float], bytes | None],
    how_it_died: Callable[[], str],
    job: Job,
    limits: Limits,
) -> list[Outcome]:
    """One outcome a case. Cases that were not answered in time, or at all, say so in their outcome; where
    that happened in a cell, `place` is the cell's name.

    `next_frame(seconds)` gives the next frame, None at the end of them, raises `TimeoutError` and
    `WireError`.
    """
    from . import wire

    deadline = time.monotonic() + limits.wall_s
    outcomes: list[Outcome] = []
    cell = 0
    while len(outcomes) < len(job.cases):
        place = job.names[cell] if cell < len(job.names) else None
        try:
            payload = next_frame(deadline - time.monotonic())
            if payload is not None and not outcomes and (number := read_marker(payload)) is not None:
                cell = number
                continue
            if payload is None:
                found = _stopped("Died", how_it_died(), place)
            else:
                found = wire.unpack_outcome(payload)
        except TimeoutError:
            what = f"{place or 'It'} was stopped after {limits.wall_s:g} seconds."
            found = _stopped("TimeLimit", f"{what} Look for a loop that never ends.", place)
        except WireError as error:
            message = f"What came back from the answer's process could not be read ({error})."
            found = _stopped("Tampered", message)
        outcomes.append(found)
        if found.raised is not None and found.raised.stage == "limit":
            break
    return outcomes + outcomes[-1:] * (len(job.cases) - len(outcomes))


def death(code: int | None, limits: Limits) -> str:
    """One sentence on an exit status, as `subprocess` gives it: negative for a signal."""
    if code is None:
        return "The answer's process closed its results before it had given them all."
    if os.name == "posix" and -code in (signal.SIGXCPU, signal.SIGKILL):
        used = f"more than {limits.cpu_s} seconds of processor, or too much memory"
        return f"The answer's process was stopped for using {used}."
    return f"The answer's process ended by itself before it had given all results (exit status {code})."


def _stopped(kind: str, message: str, place: str | None = None) -> Outcome:
    from .case import Outcome, Raised

    return Outcome((Raised(kind, message, "limit", place=place),))
