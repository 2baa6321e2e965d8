"""Answers in plain processes under limits, for systems without a fork-server. Keeps mistakes apart; a hostile
program is not held.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from .answering import RESULTS_LIMIT, Job, Limits, SandboxError, collect, death
from .frames import WireError, frames, write_frame

if TYPE_CHECKING:
    from .case import Outcome

START_LIMIT_S = 180
"""How long a worker may take to import torch on a busy machine."""

NOT_WALLED = (
    "Not tamper-proof: the answers ran in plain processes, which a hostile program can leave. "
    "Grade on Linux, or in the container, where that is not enough."
)


def environment(folder: str) -> dict[str, str]:
    """The environment variables that an answer sees, with `folder` for its own files."""
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")
    own = {"HOME": folder, "TMPDIR": folder, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    own["TORCH_COMPILE_DISABLE"] = (
        "1"  # the compiler starts programs; torch.compile then gives the plain answer
    )
    return {name: os.environ[name] for name in kept if name in os.environ} | own


class Worker:
    """One process for one answer. It is started early, so that importing torch overlaps with other work."""

    def __init__(self):
        self._home = tempfile.TemporaryDirectory(prefix="seqattn-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._home.name,
            env=environment(self._home.name),
            start_new_session=os.name == "posix",
        )
        self._frames: queue.Queue[bytes | WireError | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, job: Job, limits: Limits) -> list[Outcome]:
        """One outcome for each case of the job."""
        try:
            self._wait_until_ready()
            try:
                for payload in job.payloads:
                    write_frame(self._process.stdin, payload)
                self._process.stdin.close()
            except BrokenPipeError:
                raise SandboxError(
                    f"The sandbox process ended before it was given its work: {self._last_words()}"
                ) from None
            return collect(self._next, lambda: self._death(limits), job, limits)
        finally:
            self.close()

    def _wait_until_ready(self) -> None:
        try:
            ready = self._next(START_LIMIT_S) == b"ready"
        except (TimeoutError, WireError):
            ready = False
        if not ready:
            raise SandboxError(f"The sandbox process did not start: {self._last_words()}")

    def _death(self, limits: Limits) -> str:
        try:
            return death(self._process.wait(timeout=5), limits)
        except subprocess.TimeoutExpired:
            return death(None, limits)

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


class PlainProcesses:
    """Runs each answer in a `Worker`, with the next one always warming up."""

    stamp: str | None = NOT_WALLED

    def __init__(self, limits: Limits):
        self._limits = limits
        self._lock = threading.Lock()
        self._ready = [Worker()]
        self._busy: set[Worker] = set()

    def prove(self) -> None:
        """There is nothing to prove; `stamp` says so."""

    def run(self, job: Job) -> list[Outcome]:
        with self._lock:
            worker = self._ready.pop()
            self._ready.append(Worker())
            self._busy.add(worker)
        try:
            return worker.run(job, self._limits)
        finally:
            with self._lock:
                self._busy.discard(worker)

    def close(self) -> None:
        with self._lock:
            for worker in self._busy:
                worker.kill()
            while self._ready:
                self._ready.pop().close()
