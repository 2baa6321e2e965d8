"""A few processes that grade side by side, any of which may die without harm.

Each has one job at a time and is given the next when it has answered. What a lost process had in hand is
tried again on a new one. The processes end with the one that started them, however that ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

TRIES = 3
"""How many processes a job may cost."""

STARTS = 4
"""How many processes in a row may be lost before they are ready."""

Start = Callable[..., AbstractContextManager[Callable[[Any], Any]]]


class PoolError(RuntimeError):
    """No process can be had that works. Raised in one of them: it cannot go on.

    The message is one sentence for people.
    """


@dataclass(frozen=True)
class Lost:
    """Stands in place of a result that no process could give, with one sentence that says why."""

    reason: str


def run(
    jobs: Iterable[Any], workers: int, start: Start, *args: Any, time_limit: float
) -> Iterator[tuple[Any, Any]]:
    """Each job with its result or with `Lost`, as they come. A job is asked for when there is room for it.

    `start(*args)` is called in each process and gives the function that turns a job into its result. All of
    these are pickled. A job that takes more than `time_limit` seconds is given up. Raises `PoolError`.
    Closing the iterator ends the processes.
    """
    pool = _Pool(workers, start, args, time_limit)
    try:
        yield from pool.run(iter(jobs))
    finally:
        pool.close()


@dataclass
class _Task:
    job: Any
    losses: int = 0


class _Worker:
    """One process and our end of the line to it."""

    def __init__(self, start: Start, args: tuple):
        # Nor may a process that begins import what lies in the current folder; see `safe_path`.
        os.environ["PYTHONSAFEPATH"] = "1"
        spawn = multiprocessing.get_context("spawn")
        self.line, theirs = spawn.Pipe()
        # multiprocessing waits for ever when a process dies that has not read all it is started with. So that
        # is made small enough for a pipe to hold, and the rest is sent when the process asks for it.
        self.process = spawn.Process(target=_work, args=(theirs,), daemon=True)
        with theirs, _interrupts_kept_away(), _short_command_line():
            self.process.start()
        self._setup = start, args
        self.ready = False
        self.task: _Task | None = None
        self.deadline = float("inf")

    def set_up(self) -> None:
        self._send(self._setup)

    def give(self, task: _Task, seconds: float) -> None:
        self.task, self.deadline = task, time.monotonic() + seconds
        self._send(task.job)

    def _send(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # it has died; reading from it will tell
            self.line.send(message)

    def end(self) -> str:
        """Kill it. Returns how it had ended where it had."""
        self.line.close()
        self.process.join(0.2)
        code = self.process.exitcode
        self.process.kill()
        self.process.join()
        if code is None:
            return "it hung up"
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


class _Pool:
    def __init__(self, size: int, start: Start, args: tuple, time_limit: float):
        self._size, self._start, self._args, self._time_limit = size, start, args, time_limit
        self._workers: list[_Worker] = []
        self._waiting: deque[_Task] = deque()
        self._failed_starts = 0

    def run(self, jobs: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        more = True
        while True:
            while more and len(self._waiting) + len(self._busy()) < self._size:
                job = next(jobs, None)
                more = job is not None
                if more:
                    self._waiting.append(_Task(job))
            wanted = len(self._waiting) + len(self._busy())
            if not wanted:
                return
            while len(self._workers) < wanted:
                self._workers.append(_Worker(self._start, self._args))
            for worker in self._workers:
                if worker.ready and worker.task is None and self._waiting:
                    worker.give(self._waiting.popleft(), self._time_limit)
            yield from self._listen()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _listen(self) -> Iterator[tuple[Any, Any]]:
        """Wait until a process has something to say, and deal with all that has come."""
        patience = min(worker.deadline for worker in self._workers) - time.monotonic()
        lines = {worker.line: worker for worker in self._workers}
        for line in wait(list(lines), max(0.0, patience) if patience < float("inf") else None):
            yield from self._hear(lines[line])
        for worker in [w for w in self._workers if w.deadline < time.monotonic()]:
            task = worker.task
            self._remove(worker)
            yield task.job, Lost(f"Grading it took more than {self._time_limit:g} seconds and was given up.")

    def _hear(self, worker: _Worker) -> Iterator[tuple[Any, Any]]:
        try:
            kind, value = worker.line.recv()
        except (EOFError, OSError):
            yield from self._lose(worker, None)
            return
        if kind == "started":
            worker.set_up()
        elif kind == "error":
            yield from self._lose(worker, value)
        elif kind == "ready":
            worker.ready, self._failed_starts = True, 0
        else:
            task, worker.task, worker.deadline = worker.task, None, float("inf")
            yield task.job, value

    def _lose(self, worker: _Worker, why: str | None) -> Iterator[tuple[Any, Any]]:
        how = self._remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise PoolError(f"The processes that should grade do not start: {why or how}.")
        task = worker.task
        if task is None:
            return
        task.losses += 1
        if task.losses < TRIES:
            self._waiting.appendleft(task)
        elif why is not None:
            yield task.job, Lost(f"The grader itself failed on it {TRIES} times: {why}.")
        else:
            lost = f"The process that graded it was lost {TRIES} times ({how}): try again with --resume."
            yield task.job, Lost(lost)

    def _remove(self, worker: _Worker) -> str:
        self._workers.remove(worker)
        return worker.end()

    def close(self) -> None:
        for worker in self._workers:
            worker.line.close()
        for worker in self._workers:
            if worker.task is None and worker.ready:
                worker.process.join(5)  # it puts its things away
            worker.process.kill()
            worker.process.join()


@contextlib.contextmanager
def _interrupts_kept_away() -> Iterator[None]:
    """Processes that begin here never see Ctrl-C, which a terminal sends to all. This one sees it later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _short_command_line() -> Iterator[None]:
    """Processes that begin here are told the command line, which may name thousands of files."""
    whole = sys.argv
    sys.argv = whole[:1]
    try:
        yield
    finally:
        sys.argv = whole


# ---- in the process


def _work(line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        line.send(("started", None))
        start, args = line.recv()
        with start(*args) as do:
            line.send(("ready", None))
            while True:
                line.send(("done", do(line.recv())))
    except (EOFError, BrokenPipeError):
        return  # nothing more is wanted
    except PoolError as error:
        line.send(("error", str(error).rstrip(".")))
    except Exception as error:  # a fault of ours; the process that started this one says so
        line.send(("error", _said(error)))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _said(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).rstrip(".")
    return f"{type(error).__name__}: {text} ({os.path.basename(frame.filename)}, line {frame.lineno})"
