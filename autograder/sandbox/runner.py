"""The grader's side of the wall: hand a job to a worker process, believe only checked bytes from it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .frames import WireError, frames, write_frame

# `case` and `wire` bring torch with them. They are imported where they are used, so that a worker, which
# needs
# seconds to import torch itself, is on its way before the grader begins to.
if TYPE_CHECKING:
    from .case import Case, Outcome

START_LIMIT_S = 180
"""How long a worker may take to import torch on a busy machine."""

RESULTS_LIMIT = 256 << 20
"""The most bytes that one answer may send back in all."""


@dataclass(frozen=True)
class Limits:
    """What one answer may use in all: seconds by the clock, seconds of processor, memory and file size."""

    wall_s: float = 20.0
    cpu_s: int = 20
    memory_mb: int = 4096
    file_mb: int = 16


class SandboxError(RuntimeError):
    """The sandbox itself could not be had. Never the student's fault."""


class Worker:
    """One process for one answer. It is started early, so that importing torch overlaps with other work."""

    def __init__(self):
        self._home = tempfile.TemporaryDirectory(prefix="seqattn-", ignore_cleanup_errors=True)
        environment = {
            "HOME": self._home.name,
            "TMPDIR": self._home.name,
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
        }
        kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")
        environment |= {name: os.environ[name] for name in kept if name in os.environ}
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._home.name,
            env=environment,
            start_new_session=os.name == "posix",
        )
        self._frames: queue.Queue[bytes | WireError | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(
        self,
        cells: Sequence[tuple[str, str]],
        entry: str,
        cases: Sequence[Case],
        limits: Limits,
        notebook: bool,
    ) -> list[Outcome]:
        """One outcome a case, in order. Cases that were not answered in time, or at all, say so in their
        outcome.
        """
        try:
            self._wait_until_ready()
            deadline = time.monotonic() + limits.wall_s
            self._send(cells, entry, cases, limits, notebook)
            outcomes: list[Outcome] = []
            while len(outcomes) < len(cases):
                outcomes.append(self._outcome(deadline, limits))
                if outcomes[-1].raised is not None and outcomes[-1].raised.stage == "limit":
                    break
            return outcomes + outcomes[-1:] * (len(cases) - len(outcomes))
        finally:
            self.close()

    def _wait_until_ready(self) -> None:
        try:
            ready = self._next(START_LIMIT_S) == b"ready"
        except (TimeoutError, WireError):
            ready = False
        if not ready:
            raise SandboxError(f"The sandbox process did not start: {self._last_words()}")

    def _send(self, cells, entry, cases, limits, notebook) -> None:
        from . import wire

        job = {"cells": list(cells), "entry": entry, "limits": asdict(limits), "notebook": notebook}
        stream = self._process.stdin
        try:
            write_frame(stream, json.dumps(job).encode())
            for case in cases:
                write_frame(stream, wire.pack_case(case))
            stream.close()
        except BrokenPipeError:
            raise SandboxError(
                f"The sandbox process ended before it was given its work: {self._last_words()}"
            ) from None

    def _outcome(self, deadline: float, limits: Limits) -> Outcome:
        from . import wire

        try:
            payload = self._next(deadline - time.monotonic())
        except TimeoutError:
            return _stopped(
                "TimeLimit",
                f"It was stopped after {limits.wall_s:g} seconds. Look for a loop that never ends.",
            )
        except WireError as error:
            return _stopped(
                "Tampered", f"What came back from the answer's process could not be read ({error})."
            )
        if payload is None:
            return _stopped("Died", self._how_it_died(limits))
        try:
            return wire.unpack_outcome(payload)
        except WireError as error:
            return _stopped(
                "Tampered", f"What came back from the answer's process could not be read ({error})."
            )

    def _how_it_died(self, limits: Limits) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "The answer's process closed its results before it had given them all."
        if os.name == "posix" and -code in (signal.SIGXCPU, signal.SIGKILL):
            used = f"more than {limits.cpu_s} seconds of processor, or too much memory"
            return f"The answer's process was stopped for using {used}."
        return f"The answer's process ended by itself before it had given all results (exit status {code})."

    def _read(self) -> None:
        total = 0
        with self._process.stdout as stream:
            try:
                for payload in frames(stream):
                    total += len(payload) + 8
                    if total > RESULTS_LIMIT:
                        raise WireError("far more came back than was asked for")
                    self._frames.put(payload)
                self._frames.put(None)
            except WireError as error:
                self._frames.put(error)

    def _next(self, seconds: float) -> bytes | None:
        try:
            frame = self._frames.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(frame, WireError):
            raise frame
        return frame

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read(20_000).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing."

    def kill(self) -> None:
        """End the process and everything it started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def close(self) -> None:
        """End the process and everything it started, and leave nothing of it behind."""
        self.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._errors.close()
        self._home.cleanup()


class Sandbox:
    """Runs answers, each in a process of its own, with the next processes always warming up.

    Use as a context manager. `spare` workers are kept ready. Several threads may call `run` at once.
    """

    def __init__(self, limits: Limits | None = None, spare: int = 1):
        self.limits = limits or Limits()
        self._spare = spare
        self._lock = threading.Lock()
        self._ready: list[Worker] = []
        self._busy: set[Worker] = set()
        self._top_up()

    def _top_up(self) -> None:
        while len(self._ready) < self._spare:
            self._ready.append(Worker())

    def run(
        self,
        cells: Sequence[tuple[str, str]],
        entry: str,
        cases: Sequence[Case],
        notebook: bool = False,
        last: bool = False,
    ) -> list[Outcome]:
        """Run `cells` (name, source) in a fresh process and put `cases` to what they call `entry`.

        Returns one outcome a case. Set `last` when the workers at hand suffice for the runs still to come,
        to save a process. Raises `SandboxError` when the sandbox itself fails.
        """
        with self._lock:
            worker = self._ready.pop(0) if self._ready else Worker()
            self._busy.add(worker)
            if not last:
                self._top_up()
        try:
            return worker.run(cells, entry, cases, self.limits, notebook)
        finally:
            with self._lock:
                self._busy.discard(worker)

    def close(self) -> None:
        """End the waiting processes, and those at work: their `run` returns at once and says so."""
        with self._lock:
            for worker in self._busy:
                worker.kill()
            while self._ready:
                self._ready.pop().close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()


def _stopped(kind: str, message: str) -> Outcome:
    from .case import Outcome, Raised

    return Outcome((Raised(kind, message, "limit"),))
