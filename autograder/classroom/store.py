"""The folder of results, and the only one who writes it.

A result is there once its JSON is: it is written beside its place and renamed into it, then its line is added
to the log. So a run may be killed at any moment. The next one finds whole results, and gives those that were
not logged yet their line. `grades.csv` and `index.html` are made from the JSON files.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from .jobs import FORMAT, versions
from .names import csv_cell, printable_name, report_stem
from .page import class_page
from .student_page import student_page

COLUMNS = ("student", "assignment", "status", "score", "max_score", "reason", "submitted_at", "file")
LOGGED = (
    "student",
    "assignment",
    "file",
    "sha256",
    "status",
    "reason",
    "score",
    "max_score",
    "seed",
    "versions",
)
RUN, LOG, GRADES, INDEX, REPORTS = "run.json", "log.jsonl", "grades.csv", "index.html", "reports"

# What must be the same when a run goes on, and what to say of a run where it is not.
_SETTINGS = {
    "seed": "with --seed {}",
    "time_limit": "with --time-limit {:g}",
    "allow_unsafe": "without --allow-unsafe",
    "release": "with other handed out notebooks",
}


class StoreError(RuntimeError):
    """The folder cannot hold the results of this run. The message is one sentence that says what to do."""


class Store:
    """The results of one run in `folder`. Use as a context manager; `run` is what `run.json` holds.

    `given` are the settings that were asked for. None stands for what is in `usual`, or for what the run had
    that is gone on with. Raises `StoreError`.
    """

    def __init__(self, folder: Path, given: dict, usual: dict, resume: bool):
        self.folder = folder
        self._name = printable_name(str(folder))
        with self._writing(), contextlib.ExitStack() as stack:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock(stack)
            held = self._held(resume)
            self._remove_unfinished()
            self.run = self._continued(given) if held else self._begun(given, usual)
            (folder / REPORTS).mkdir(exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._log = os.open(folder / LOG, flags, 0o644)
            stack.callback(os.close, self._log)
            self._logged = self._read_log()
            self._log_the_rest(self.results())
            self._open = stack.pop_all()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info) -> None:
        self._open.close()

    # ---- results

    def has(self, student: str, assignment: str, sha256: str | None) -> bool:
        """Whether this very file was graded in this run."""
        result = self._load(self._path(assignment, student, ".json"))
        return result is not None and result["status"] == "graded" and result["sha256"] == sha256

    def save(self, result: dict) -> None:
        """Write one result, in place of an earlier one. Raises `StoreError` when that cannot be done."""
        page = student_page(result)
        exercises = [{k: v for k, v in exercise.items() if k != "html"} for exercise in result["exercises"]]
        result = {**result, "exercises": exercises}
        where = result["assignment"], result["student"]
        with self._writing():
            self._path(*where, "").parent.mkdir(exist_ok=True)
            _write(self._path(*where, ".html"), page)
            _write(self._path(*where, ".json"), json.dumps(result, indent=1) + "\n")
            self._append(result)

    def results(self) -> Iterator[dict]:
        """All results that are whole, in no order."""
        for path in (self.folder / REPORTS).glob("*/*.json"):
            if (result := self._load(path)) is not None:
                yield result

    def summarise(self) -> list[dict]:
        """Write `grades.csv` and `index.html`. Returns the results by assignment and student."""
        with self._writing():
            results = sorted(self.results(), key=lambda r: (r["assignment"], r["student"]))
            self._log_the_rest(results)  # where an interrupt came between a result and its line
            _write(self.folder / GRADES, _table(results))
            _write(self.folder / INDEX, class_page(results, self.run))
        return results

    def _path(self, assignment: str, student: str, ending: str) -> Path:
        return self.folder / f"{report_stem(assignment, student)}{ending}"

    def _load(self, path: Path) -> dict | None:
        """A result of this run, or None for a file that is none."""
        try:
            result = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        whole = isinstance(result, dict) and result.get("format") == FORMAT and result.keys() >= {*LOGGED}
        return result if whole and result["seed"] == self.run["seed"] else None

    # ---- the log

    def _append(self, result: dict) -> None:
        entry = {"time": result["graded_at"], **{key: result[key] for key in LOGGED}}
        line = json.dumps(entry).encode() + b"\n"
        if os.write(self._log, line) < len(line):
            raise OSError(None, "the log was cut short")
        os.fsync(self._log)
        self._logged.add(_key(entry))

    def _read_log(self) -> set[tuple]:
        """Which verdicts have their line. One that was cut short has none, and stays as it is."""
        logged, line = set(), b"\n"
        with open(self._log, "rb", closefd=False) as file:
            for line in file:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    logged.add(_key(json.loads(line)))
        if not line.endswith(b"\n"):
            os.write(self._log, b"\n")
        return logged

    def _log_the_rest(self, results: Iterable[dict]) -> None:
        for result in results:
            if _key({"time": result["graded_at"], **result}) not in self._logged:
                self._append(result)

    # ---- the folder

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StoreError(f"{self._name} cannot be written: {reason}.") from None

    def _held(self, resume: bool) -> bool:
        """Whether there are results to go on with."""
        held = [name for name in (RUN, LOG, GRADES, INDEX, REPORTS) if (self.folder / name).exists()]
        if held and not resume:
            raise StoreError(f"{self._name} holds results already: add --resume, or name another folder.")
        if held and RUN not in held:
            raise StoreError(
                f"{self._name} holds results, but no {RUN} with their seed: name another folder."
            )
        return bool(held)

    def _begun(self, given: dict, usual: dict) -> dict:
        settings = {name: usual[name] if given[name] is None else given[name] for name in _SETTINGS}
        begun = {"begun_at": datetime.now(UTC).isoformat(), "versions": versions()}
        run = {"format": FORMAT, **settings, **begun}
        _write(self.folder / RUN, json.dumps(run, indent=1) + "\n")
        return run

    def _continued(self, given: dict) -> dict:
        try:
            run = json.loads((self.folder / RUN).read_bytes())
            begun = {name: said.format(run[name]) for name, said in _SETTINGS.items()}
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{self._name}/{RUN} is not whole: name another folder.") from None
        for name in _SETTINGS:
            if given[name] is not None and given[name] != run[name]:
                raise StoreError(
                    f"{self._name} was begun {begun[name]}: do the same, or name another folder."
                )
        return run

    def _lock(self, stack: contextlib.ExitStack) -> None:
        """Hold the folder until this process ends, however it ends."""
        try:
            import fcntl
        except ImportError:  # Windows
            return
        descriptor = os.open(self.folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"Another run writes to {self._name}: wait for it, or name another folder."
            ) from None
        except OSError:  # a file system without locks
            return

    def _remove_unfinished(self) -> None:
        for path in [*self.folder.glob(".*.tmp"), *(self.folder / REPORTS).glob("*/.*.tmp")]:
            path.unlink(missing_ok=True)


def _key(entry: dict) -> tuple:
    return entry["student"], entry["assignment"], entry["time"]


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    unfinished = path.with_name(f".{path.name}.tmp")
    with open(unfinished, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _table(results: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        writer.writerow(_cell(result[column]) for column in COLUMNS)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return csv_cell(value) if isinstance(value, str) else f"{value:.10g}"
