"""The grader's end of the fork-server: hands out jobs, proves the walls, and starts it anew when it is lost.
Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .answering import RESULTS_LIMIT, Job, Limits, SandboxError, collect, death
from .frames import FRAME_LIMIT, WireError, write_frame
from .plain import START_LIMIT_S, environment

if TYPE_CHECKING:
    from .case import Outcome

TRIES = 3
"""How often a job is tried that is lost through no fault of the answer."""

COURSE = Path(__file__).resolve().parents[2]


class _Lost(Exception):
    """The fork-server, or a child of it, was ended from outside."""


class _Results:
    """The frames of one child, read from a pipe as they come."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._buffer = bytearray()
        self._total = 0

    def next(self, seconds: float) -> bytes | None:
        """The next frame, or None at the end. Raises `TimeoutError`, and `WireError` for one too long or cut
        short.
        """
        deadline = time.monotonic() + seconds
        while True:
            if len(self._buffer) >= 8:
                (size,) = struct.unpack_from("<Q", self._buffer)
                if size > FRAME_LIMIT:
                    raise WireError("a frame is larger than is allowed")
                if len(self._buffer) >= 8 + size:
                    payload = bytes(self._buffer[8 : 8 + size])
                    del self._buffer[: 8 + size]
                    return payload
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            try:
                data = os.read(self._descriptor, 1 << 20)
            except BlockingIOError:
                continue
            if not data:
                if self._buffer:
                    raise WireError("a frame was cut short")
                return None
            self._buffer += data
            self._total += len(data)
            if self._total > RESULTS_LIMIT:
                raise WireError("far more came back than was asked for")


class _Child:
    """One job in the hands of the fork-server."""

    def __init__(self, results: _Results, line: socket.socket):
        self.results, self.line = results, line
        self._end: dict | None = None

    def end(self, seconds: float = 5.0) -> dict | None:
        """How the child ended, as the fork-server says; None when it has not. Raises `_Lost` with the
        fork-server itself.
        """
        if self._end is None:
            self.line.settimeout(seconds)
            try:
                message = self.line.recv(4096)
            except TimeoutError:
                return None
            if not message:
                raise _Lost("The sandbox's fork-server was killed.")
            self._end = json.loads(message)
        return self._end


class ForkServer:
    """Runs each answer in a walled-in child of one process that holds torch.

    Several threads may call `run` at once. `stamp` is None once the walls are proved, and the sentence to put
    on every report where they do not stand and `allow_unsafe` was said.
    """

    def __init__(self, limits: Limits, allow_unsafe: bool):
        self._limits, self._allow_unsafe = limits, allow_unsafe
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="seqattn-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile()
        self._proved = self._closed = False
        self.stamp: str | None = None
        self._start()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).with_name("forkserver.py"))],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                cwd=self._folder.name,
                env=_own_environment(),
                start_new_session=True,
            )
        self._ready = self._proved = False

    def prove(self) -> None:
        """See that every wall stands, once for each start. Raises `SandboxError` where one does not, unless
        `allow_unsafe` was said.
        """
        with self._lock:
            if self._closed:
                raise SandboxError("The sandbox was closed.")
            if not self._ready:
                self._wait_until_ready()
            if not self._proved:
                self._prove()

    def _wait_until_ready(self) -> None:
        self._control.settimeout(START_LIMIT_S)
        try:
            self._ready = self._control.recv(64) == b"ready"
        except (TimeoutError, ConnectionError):
            self._ready = False
        if not self._ready:
            raise SandboxError(f"The sandbox's fork-server did not start: {self._last_words()}")
        self._control.settimeout(None)

    def _prove(self) -> None:
        with tempfile.TemporaryDirectory(prefix="seqattn-outside-") as outside:
            canary = Path(outside, "canary")
            canary.write_text("untouched")
            files = ("autograder/exercises/__init__.py", "seqattn_ref/__init__.py", "nbgrader_config.py")
            secrets = [str(COURSE / name) for name in files if (COURSE / name).exists()]
            job = Job(json.dumps({"proof": {"canary": str(canary), "secrets": secrets}}).encode())
            try:
                with self._child(job) as child:
                    missing = self._walls(child)
                    faults = missing or json.loads(child.results.next(self._limits.wall_s + 20) or b"{}")
            except (TimeoutError, WireError, ValueError, _Lost) as error:
                raise SandboxError(f"The sandbox could not prove its walls: {error}") from None
            if [p.name for p in Path(outside).iterdir()] != ["canary"] or canary.read_text() != "untouched":
                faults = {**faults, "a file outside was changed": "the canary"}
        if faults:
            said = "; ".join(f"{name} ({text})" for name, text in sorted(faults.items()))
            if not self._allow_unsafe:
                raise SandboxError(
                    f"The sandbox's walls do not stand on this machine: {said}. Grade on Linux 5.13 or later "
                    "with Landlock and libseccomp, or in the container, or allow it to be unsafe "
                    "(--allow-unsafe), which is written on every report."
                )
            self.stamp = f"Not tamper-proof: {said}."
        self._proved = True

    def run(self, job: Job) -> list[Outcome]:
        """One outcome for each case. Raises `SandboxError` when the job is lost `TRIES` times."""
        for _ in range(TRIES):
            self.prove()
            process = self._process
            try:
                return self._try(job)
            except _Lost as error:
                reason = str(error)
                self._renew(process)
        raise SandboxError(f"{reason} It was tried {TRIES} times.")

    def _try(self, job: Job) -> list[Outcome]:
        with self._child(job) as child:
            try:
                missing = self._walls(child)
            except (TimeoutError, WireError):
                raise _Lost("A child of the sandbox's fork-server did not come up.") from None
            if missing and not self._allow_unsafe:
                raise SandboxError(f"The sandbox's walls did not go up: {missing}.")
            return collect(child.results.next, lambda: self._death(child), job, self._limits)

    @staticmethod
    def _walls(child: _Child) -> dict[str, str]:
        """The walls that are missing, by the child's own word, which it gives before any student's code."""
        first = child.results.next(START_LIMIT_S)
        if first is None:
            child.end()
            raise _Lost("A child of the sandbox's fork-server was killed.")
        return json.loads(first)["missing"]

    def _death(self, child: _Child) -> str:
        end = child.end()
        if end is None:
            return death(None, self._limits)
        if end["reason"]:
            return end["reason"]
        # A child cannot kill itself, and the fork-server did not. What is left is someone outside, or the
        # kernel for lack of memory; to try again is right for both.
        if end["code"] == -signal.SIGKILL and end["cpu"] < self._limits.cpu_s:
            raise _Lost("The answer's process was killed from outside, perhaps for lack of memory.")
        return death(end["code"], self._limits)

    @contextlib.contextmanager
    def _child(self, job: Job):
        """Hand a job over. When the block ends, so does the child."""
        folder = tempfile.mkdtemp(dir=self._folder.name)
        memory = os.memfd_create("job")
        read_end, write_end = os.pipe()
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {
            "folder": folder,
            "environment": environment(folder),
            "limits": asdict(self._limits),
            "allow_unsafe": self._allow_unsafe,
        }
        try:
            with os.fdopen(memory, "wb") as stream, theirs:
                for payload in job.payloads:
                    write_frame(stream, payload)
                stream.flush()
                os.lseek(memory, 0, os.SEEK_SET)
                try:
                    socket.send_fds(
                        self._control, [json.dumps(order).encode()], [memory, write_end, theirs.fileno()]
                    )
                except OSError:
                    raise _Lost("The sandbox's fork-server was killed.") from None
                finally:
                    os.close(write_end)
            yield _Child(_Results(read_end), line)
        finally:
            line.close()
            os.close(read_end)
            _remove(folder)

    def _renew(self, lost: subprocess.Popen) -> None:
        """Start again after a loss, unless another thread has done so, or only a child was lost."""
        with self._lock:
            if self._closed or lost is not self._process:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                lost.wait(0.2)
            if lost.poll() is not None:
                self._end()
                self._start()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read(20_000).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing."

    def _end(self) -> None:
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._closed = True
        self._end()
        self._errors.close()
        self._folder.cleanup()


def _own_environment() -> dict[str, str]:
    """What the fork-server starts with. Its children inherit its memory, so nothing private may be in it; the
    places of matplotlib's and torch's caches may.
    """
    own = environment(os.path.expanduser("~"))
    del own["TMPDIR"]
    kept = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    return own | {name: os.environ[name] for name in kept if name in os.environ}


def _remove(folder: str) -> None:
    """The child's folder: empty where it was a file system of its own, else with all that is in it."""
    try:
        os.rmdir(folder)
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
