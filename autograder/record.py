"""What a learner has done so far, kept as one small file of JSON lines on the learner's own machine.

Each check and each hint adds one line at the end, in one write, so that two notebooks may be open at once. A
record that cannot be read or written never stops anything: one sentence says so, once, and the events of this
session are kept in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

FILE_NAME = "progress.jsonl"


def folder() -> Path:
    """`$SEQATTN_HOME`, or the folder `seqattn` where this system keeps the data of programs."""
    if chosen := os.environ.get("SEQATTN_HOME"):
        return Path(os.path.expanduser(chosen))
    from platformdirs import user_data_path

    return user_data_path("seqattn", appauthor=False)


class Record:
    """The events of one learner. An event is a dictionary with at least `time`, `event` and `exercise`."""

    def __init__(self):
        self._unwritten: list[dict] = []
        self._complained = False

    @property
    def path(self) -> Path:
        return folder() / FILE_NAME

    def add(self, event: str, exercise: str, **more) -> None:
        """Note that something happened now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"time": now, "event": event, "exercise": exercise, **more}
        try:
            _append(self.path, entry)
        except OSError as error:
            self._unwritten.append(entry)
            self._complain("written", error)

    def events(self) -> list[dict]:
        """All events, oldest first. A line that is not whole is left out."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        except OSError as error:
            lines = []
            self._complain("read", error)
        return [*_whole(lines), *self._unwritten]

    def reset(self) -> Path | None:
        """Begin a new record. Returns where the old one now lies, or None when there was none.

        Raises `OSError` when the file cannot be renamed.
        """
        self._unwritten.clear()
        old = self.path
        if not old.exists():
            return None
        stem = f"progress-{datetime.now():%Y-%m-%d-%H%M%S}"
        backup = old.with_name(f"{stem}.jsonl")
        count = 2
        while backup.exists():
            backup = old.with_name(f"{stem}-{count}.jsonl")
            count += 1
        return old.rename(backup)

    def _complain(self, what: str, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            reason = error.strerror or type(error).__name__
            print(f"Your progress is not kept: {self.path} could not be {what} ({reason}).")
            print("Everything else works without it.")


def _append(path: Path, entry: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            # A line that a crash cut short must not swallow this one.
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            line = line if os.read(descriptor, 1) == b"\n" else b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError("it was cut short")
    finally:
        os.close(descriptor)


def _whole(lines: Iterable[bytes]) -> list[dict]:
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and all(
            isinstance(entry.get(key), str) for key in ("time", "event", "exercise")
        ):
            found.append(entry)
    return found
