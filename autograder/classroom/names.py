"""What students and their files are called, made safe for a file name, a table and a terminal."""

from __future__ import annotations

import hashlib
import re

_PLAIN_STEM = re.compile(r"\w[\w.@+=,'() -]*(?<![. ])")
_STEM_LIMIT = 120  # bytes; file systems allow 255, and endings are added
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


def printable_name(name: str) -> str:
    """One line of text that any file and any terminal can hold, never empty.

    Control characters, half characters and what turns the direction of writing become replacement characters.
    """
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name).strip()
    return text or "unnamed"


def one_line(text: str) -> str:
    """A sentence as one line of text that any file and any terminal can hold."""
    return printable_name(" ".join(text.split()))


def file_stem(name: str) -> str:
    """A file name without ending that is safe on every system. Different names give different stems."""
    short = len(name.encode("utf-8", "surrogatepass")) <= _STEM_LIMIT
    if short and _PLAIN_STEM.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    # No plain name holds a tilde, so none can be mistaken for one that was changed.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]}~{digest}"


def report_stem(assignment: str, student: str) -> str:
    """Where the report of one submission lies under the results' folder, without `.json` or `.html`."""
    return f"reports/{file_stem(assignment)}/{file_stem(student)}"


def csv_cell(text: str) -> str:
    """Text that a spreadsheet shows and never takes for a formula."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
