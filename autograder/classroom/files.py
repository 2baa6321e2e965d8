"""Looks through folders that students made: within bounds, and following no symbolic link."""

from __future__ import annotations

import itertools
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from .names import printable_name

ENTRY_LIMIT = 20_000
"""The most files and folders that one student's folder is searched for."""

NOTEBOOK_LIMIT = 1_000
"""The most notebooks that are taken from one folder of students' work."""

DEPTH_LIMIT = 6
NOTEBOOK = ".ipynb"
_OTHERS = ("__MACOSX", "__pycache__")


@dataclass
class Listing:
    """What lies in a folder and below: notebooks, folders (links to folders too, but not what is in those),
    and a sentence where not all could be seen.
    """

    notebooks: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    complaint: str | None = None


def look(folder: Path) -> Listing:
    """Look through a student's folder, what lies near first. Never raises for what is found there."""
    found, left = Listing(), ENTRY_LIMIT
    waiting = deque([(folder, 0)])
    while waiting:
        current, depth = waiting.popleft()
        try:
            entries = entries_of(current, left)
        except OSError as error:
            found.complaint = f"The folder {printable_name(current.name)} cannot be read: {error.strerror}."
            continue
        left -= len(entries)
        for entry in entries:
            if is_notebook(entry.name):
                found.notebooks.append(Path(entry.path))
            elif is_students(entry.name) and os.path.isdir(entry.path):
                found.folders.append(Path(entry.path))
                if not entry.is_symlink():
                    waiting.append((Path(entry.path), depth + 1))
        if left <= 0 or len(found.notebooks) > NOTEBOOK_LIMIT:
            del found.notebooks[NOTEBOOK_LIMIT:]
            found.complaint = "The folder holds far too many files: hand in the notebook alone."
            break
        if waiting and waiting[0][1] > DEPTH_LIMIT:
            found.complaint = (
                f"Folders lie in one another more than {DEPTH_LIMIT} deep: hand in the notebook alone."
            )
            break
    return found


def entries_of(folder: Path, most: int) -> list[os.DirEntry]:
    """What lies in a folder, by name; only the first `most` that the system tells where there are more."""
    with os.scandir(folder) as scan:
        return sorted(itertools.islice(scan, most), key=lambda entry: entry.name)


def is_notebook(name: str) -> bool:
    return name.lower().endswith(NOTEBOOK) and is_students(name)


def is_students(name: str) -> bool:
    """Whether a person made a file or folder of this name: not hidden, not made by a system."""
    return not name.startswith(".") and name not in _OTHERS


def is_own_folder(path: Path) -> bool:
    """Whether it is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()
