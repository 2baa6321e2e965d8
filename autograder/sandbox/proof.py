"""Proves that the walls stand: tries, from behind them, what a student must not be able to do.

Runs in a child of the fork-server in place of an answer. It trusts nothing that the walls say of themselves:
each attempt is really made, and is harmless where it succeeds.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
from collections.abc import Callable


def attempts(canary: str, secrets: list[str]) -> dict[str, str]:
    """What succeeded though it must not, or failed though an honest answer needs it, each with a word on it.

    `canary` is a file outside in a folder that the grader may write to; `secrets` are files of the course.
    Empty when every wall stands.
    """
    found = {}
    for name, attempt in _forbidden(canary, secrets).items():
        with contextlib.suppress(Exception):
            if (what := attempt()) is not None:
                found[name] = str(what)
    for name, attempt in _NEEDED.items():
        try:
            attempt()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def _forbidden(canary: str, secrets: list[str]) -> dict[str, Callable[[], object]]:
    folder = os.path.dirname(canary)
    beside = os.path.join(folder, "planted")
    readable = [path for path in secrets if _can(lambda path: open(path, "rb").close(), path)]
    return {
        "a file outside can be read": lambda: open(canary).read(),
        "a folder outside can be listed": lambda: os.listdir(folder),
        "a file outside can be written": lambda: open(canary, "a").close() or canary,
        "a file outside can be cut": lambda: os.close(os.open(canary, os.O_RDONLY | os.O_TRUNC)) or canary,
        "a file outside can be made": lambda: os.close(os.open(beside, os.O_CREAT | os.O_WRONLY)) or beside,
        "a file outside can be removed": lambda: os.remove(canary) or canary,
        "a file outside can be moved": lambda: os.rename(canary, beside) or beside,
        "the mode of a file outside can be changed": lambda: os.chmod(canary, 0o600) or canary,
        "the course's own files can be read": lambda: readable or None,
        "memory of another process can be read": lambda: open(f"/proc/{os.getppid()}/mem", "rb"),
        "an internet socket can be opened": lambda: socket.socket(socket.AF_INET).fileno(),
        "a local socket can be opened": lambda: socket.socket(socket.AF_UNIX).fileno(),
        "another process can be started": _start_process,
        "another program can be started": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "another process can be signalled": lambda: os.kill(os.getppid(), 0) or os.getppid(),
        "a limit is not set": _unlimited,
        "a limit can be raised": _raise_limit,
        "the session can be left": lambda: os.setsid(),
    }


def _can(attempt: Callable[[str], object], path: str) -> bool:
    try:
        attempt(path)
    except OSError:
        return False
    return True


def _start_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


def _unlimited() -> str | None:
    names = ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
    endless = [n for n in names if resource.getrlimit(getattr(resource, n))[1] == resource.RLIM_INFINITY]
    return ", ".join(endless) or None


def _raise_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard + 1))
    return hard + 1


def _write_own_folder() -> None:
    with open("own", "w+") as file:
        file.write("kept")
    os.remove("own")


def _start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def _compute() -> None:
    import torch

    x = torch.ones(3, 3, requires_grad=True)
    (x @ x).sum().backward()


_NEEDED: dict[str, Callable[[], object]] = {
    "an answer cannot write into its own folder": _write_own_folder,
    "an answer cannot import from the standard library": lambda: __import__("wave"),
    "an answer cannot start a thread": _start_thread,
    "an answer cannot compute": _compute,
    "an answer gets no random bytes": lambda: os.urandom(8),
}
