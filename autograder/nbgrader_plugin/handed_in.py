"""Reads one student's folder, whatever lies in it, into the notebooks that were handed out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from ..classroom.files import look
from ..classroom.names import printable_name
from ..notebook_file import SubmissionError, read_bytes
from ..released import Rebuilt, Released

TIMESTAMP = "timestamp.txt"
COMPARED = 20
"""The most notebooks of other names that are read to find a missing one."""
SHOWN = 3
"""The most of them that a sentence names."""

# How a course writes its times can be configured. A year must be there, or any number would be a time.
_TIME = re.compile(r"(?=.*(?<!\d)\d{4}(?!\d))[\w :./,+-]{8,100}", re.ASCII)
# nbgrader takes a third word for a time zone and looks for a file of this name.
_ZONE = re.compile(r"[A-Za-z][\w+-]*(/[A-Za-z][\w+-]*)*|[+-]\d{4}", re.ASCII)


@dataclass(frozen=True)
class HandedIn:
    """What a student handed in for an assignment: a rebuilt notebook for each that was released, by name.

    `notes` are sentences on the folder as a whole.
    """

    notebooks: Mapping[str, Rebuilt]
    notes: Sequence[str] = field(default_factory=list)


def read_folder(folder: Path, released: Mapping[str, Released]) -> HandedIn:
    """Read what lies in a student's folder. Follows no link, waits for no pipe, and never raises for what is
    found there.
    """
    reason = _no_folder(folder)
    if reason is not None:
        return HandedIn({name: _unusable(one, reason) for name, one in released.items()})
    listing = look(folder)
    expected = {name: folder / f"{name}.ipynb" for name in released}
    strays = [path for path in listing.notebooks if path not in expected.values() and _is_file(path)]
    missing = [name for name, path in expected.items() if not os.path.lexists(path)]
    renamed = _renamed(missing, strays, released)
    found = {}
    for name, notebook in released.items():
        if name not in missing:
            found[name] = _read(expected[name], notebook)
        elif isinstance(taken := renamed.get(name), Path):
            strays.remove(taken)
            where = printable_name(taken.relative_to(folder).as_posix())
            found[name] = _read(taken, notebook, f"{name}.ipynb was missing; {where} was taken for it.")
        else:
            found[name] = _unusable(notebook, taken or listing.complaint)
    told = any(isinstance(why, str) for why in renamed.values())
    unread = [] if told else [printable_name(path.name) for path in strays]
    return HandedIn(found, [f"Not read, since not asked for: {_several(unread)}."] if unread else [])


def read_timestamp(folder: str | os.PathLike) -> datetime | None:
    """When a submission was handed in, by its timestamp.txt (UTC); None where that is missing.

    Raises `SubmissionError` where it is something else than a time. Follows no link and waits for no pipe.
    """
    folder = Path(folder)
    path = folder / TIMESTAMP
    if _no_folder(folder) or not os.path.lexists(path):
        return None
    text = read_bytes(path, follow_links=False, name=TIMESTAMP)[:200].decode("ascii", "replace").strip()
    words = text.split(" ")
    try:
        if not _TIME.fullmatch(text) or (len(words) == 3 and not _ZONE.fullmatch(words[2])):
            raise ValueError
        return parse_utc(text)
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError):  # dateutil's, on odd text
        raise SubmissionError(f"{TIMESTAMP} holds no time.") from None


def _no_folder(folder: Path) -> str | None:
    name = printable_name(folder.name)
    if folder.is_symlink() or folder.parent.is_symlink():
        return f"{name} is a link to another place: hand in the folder itself."
    if not folder.is_dir():
        return f"{name} is not a folder: hand in a folder of this name with the notebook in it."
    return None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _read(path: Path, released: Released, note: str | None = None) -> Rebuilt:
    try:
        data = read_bytes(path, follow_links=False, name=printable_name(path.name))
    except SubmissionError as error:
        return _unusable(released, str(error))
    rebuilt = released.rebuild(data)
    return Rebuilt(rebuilt.notebook, (*([note] if note else []), *rebuilt.notes), rebuilt.problem)


def _unusable(released: Released, reason: str | None) -> Rebuilt:
    nothing = released.rebuild(None)
    return Rebuilt(nothing.notebook, (), reason or nothing.problem)


# ---- notebooks under another name


def _renamed(
    missing: Sequence[str], strays: Sequence[Path], released: Mapping[str, Released]
) -> dict[str, Path | str]:
    """For each missing notebook that another one may be: the file, or a sentence that says why not."""
    if len(missing) == 1 and len(strays) == 1:
        return {missing[0]: strays[0]}
    found: dict[str, Path | str] = {}
    compared = strays[:COMPARED]
    data = {path: _bytes_of(path) for path in compared} if missing else {}
    for name in missing:
        likeness = {path: released[name].resemblance(data[path]) for path in compared}
        most = max(likeness.values(), default=0)
        best = [path for path in compared if likeness[path] == most > 0]
        if best and len({data[path] for path in best}) == 1:
            found[name] = best[0]
        elif compared:
            names = _several([printable_name(path.name) for path in best or compared])
            found[name] = f"{name}.ipynb is missing: give this name to the right one of {names}."
    for path in compared:
        claimed = [name for name in missing if found.get(name) == path]
        if len(claimed) > 1:
            sentence = (
                f"{' and '.join(claimed)} are missing, and {printable_name(path.name)} may be any of them."
            )
            found |= dict.fromkeys(claimed, sentence)
    return found


def _bytes_of(path: Path) -> bytes:
    try:
        return read_bytes(path, follow_links=False)
    except SubmissionError:
        return b""


def _several(names: Sequence[str]) -> str:
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    shown = [*names[:SHOWN], *more]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
