"""What students wrote or are called, made harmless for the files that quote it. How numbers are written."""

from __future__ import annotations

import re

# Neither XML nor HTML may hold these, and half a surrogate pair cannot be written as UTF-8.
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: str) -> str:
    """The text with a replacement character for each one that no XML or HTML file may hold."""
    return _UNUSABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def amount(points: float) -> str:
    """A number of points as people write it: 3, 2.5 and 0.33."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def how_many(n: int, what: str) -> str:
    """`1 student`, `2 students`, `1,200 students`."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def natural(text: str) -> list[tuple[bool, int, str]]:
    """A key for sorting that puts s2 before s10 and pays no heed to capitals."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text.casefold())
    return [(True, 0, p) if p[0] not in "0123456789" else _by_size(p.lstrip("0")) for p in parts]


def _by_size(digits: str) -> tuple[bool, int, str]:
    """Numbers are compared by their length and then as text, so that none is too long."""
    return False, len(digits), digits
