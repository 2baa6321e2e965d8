"""Reads the reports that `grade` has saved, and writes files whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..plain import how_many, natural

FORMAT = 1
"""The version of a result's layout that is understood."""

NAMED = 5
"""The most students that a note names."""

_KEYS = {
    "student": str,
    "assignment": str,
    "status": str,
    "score": (int, float),
    "max_score": (int, float),
    "exercises": list,
}


class ExportError(Exception):
    """Grades cannot be exported. Its message is one sentence that says what to do."""


@dataclass(frozen=True)
class Exported:
    """What was written, as a sentence; what a teacher should know of it; whether every result is in it."""

    said: str
    notes: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Saved:
    """One result, and the names of the folder and the file that hold it: safe on every system."""

    result: dict
    folder: str
    stem: str

    @property
    def graded(self) -> bool:
        return self.result["status"] == "graded"


def saved_results(results_dir: Path) -> Iterator[Saved]:
    """All results in the folder, by assignment and student.

    Raises `ExportError` where the folder is not one that `grade` has made, or a file in it is damaged.
    """
    reports = results_dir / "reports"
    if not reports.is_dir() and not (results_dir / "run.json").is_file():
        raise ExportError(f"{results_dir} holds no reports: give the folder that `grade --out` made.")
    paths = reports.glob("*/*.json")
    for path in sorted(paths, key=lambda p: (natural(p.parent.name), natural(p.stem), p.name)):
        yield Saved(_read(path), path.parent.name, path.stem)


def _read(path: Path) -> dict:
    try:
        result = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        result = None
    if not isinstance(result, dict) or not all(isinstance(result.get(k), kind) for k, kind in _KEYS.items()):
        raise ExportError(f"{path} is damaged: delete it and grade again with --resume.")
    if result.get("format") != FORMAT:
        raise ExportError(f"{path} was written by another version of this program: grade again.")
    return result


def named(students: Sequence[str]) -> str:
    """`ada, alan and 3 others`."""
    different = list(dict.fromkeys(students))
    shown = different if len(different) <= NAMED else different[: NAMED - 1]
    rest = len(different) - len(shown)
    return ", ".join(shown) + (f" and {how_many(rest, 'other')}" if rest else "")


@contextlib.contextmanager
def whole_file(path: Path, newline: str | None = None) -> Iterator[IO[str]]:
    """A text file to write, which takes the place of `path` at once when all is written.

    Raises `ExportError` when it cannot be written; then `path` is as it was.
    """
    part = path.with_name(f".{path.name[:40]}-{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8", newline=newline) as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _cannot_write(path: Path, error: OSError) -> ExportError:
    return ExportError(f"{path} cannot be written: {error.strerror or error}.")
