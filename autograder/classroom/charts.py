"""The pictures of the class page: inline SVG that takes its colours and its text size from the page.

Places are given in per cent and there is no viewBox, so a picture is as wide as the page leaves it while its
text stays as large as the page's. Each has a sentence that says what it shows; the tables beside the pictures
hold the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from .plain import amount
from .summary import Bin, Spread, bin_width

ROOM_FOR_NUMBER = 8
"""A part of a bar that takes less than this share of its width, in per cent, has no number in it."""


def histogram(bins: Sequence[Bin], spread: Spread, max_score: float) -> Markup:
    """How many students have which score, over a line that shows the quartiles."""
    top = max(b.count for b in bins)
    base, height = 168, 140
    step = 100 / len(bins)
    parts = [_line(0, 100, base, "axis")]
    every = 1 if max(len(amount(b.low)) for b in bins) <= 3 else 2
    for i, found in enumerate(bins):
        middle = (i + 0.5) * step
        tall = height * found.count / top
        if found.count:
            parts.append(_rect(i * step + step * 0.08, base - tall, step * 0.84, tall, "bar"))
            parts.append(_text(middle, base - tall - 5, f"{found.count:,}", "number"))
        if (len(bins) - 1 - i) % every == 0:
            parts.append(_text(middle, base + 18, amount(found.low), "label"))
    place = _places(bins, max_score)
    parts += _spread_marks(spread, place, base + 38)
    said = ", ".join(f"{_scores(b)}: {b.count}" for b in bins if b.count)
    said = f"Number of students by score. {said}. {_said(spread, max_score)}"
    return _svg("histogram", base + 48, said, parts)


def spread_line(spread: Spread, max_score: float) -> Markup:
    """Least, quartiles, median and greatest on one line from 0 to full marks."""
    # A little room on both sides, so that a mark at the end is seen whole.
    parts = _spread_marks(spread, lambda score: 1 + 98 * score / max_score, 12)
    return _svg("spread", 24, _said(spread, max_score), [_rect(0, 11, 100, 2, "track"), *parts])


def stacked_bar(parts: Iterable[tuple[str, str, int]]) -> Markup:
    """One bar of several parts, each a (class, word, number)."""
    parts = list(parts)
    total = sum(n for _, _, n in parts)
    drawn, left = [], 0.0
    for kind, _, n in parts:
        share = 100 * n / total
        if n:
            drawn.append(_rect(left, 1, share, 26, kind))
        if share >= ROOM_FOR_NUMBER:
            drawn.append(_text(left + share / 2, 19, f"{n:,}", f"in-{kind}"))
        left += share
    return _svg("stacked", 28, ", ".join(f"{word} {n}" for _, word, n in parts) + ".", drawn)


def share_bar(n: int, of: int, about: str) -> Markup:
    """A bar that is as long as the share of `n` in `of`, on a pale one that is the whole."""
    share = 100 * n / of
    parts = [_rect(0, 4, 100, 10, "track"), *([_rect(0, 4, share, 10, "bar")] if n else [])]
    return _svg("share", 18, f"{about}: {n} of {of}, {share:.0f} %.", parts)


def _said(spread: Spread, max_score: float) -> str:
    return (
        f"Lowest {amount(spread.low)}, quartiles {amount(spread.quarter)} and "
        f"{amount(spread.three_quarters)}, median {amount(spread.median)}, "
        f"highest {amount(spread.high)} of {amount(max_score)}."
    )


def _scores(found: Bin) -> str:
    if found.low == found.high:
        return f"full marks, {amount(found.low)}"
    return f"{amount(found.low)} up to below {amount(found.high)}"


def _places(bins: Sequence[Bin], max_score: float) -> Callable[[float], float]:
    """Where a score lies on the histogram's axis: a bin's least score at its middle."""
    step, last = bin_width(max_score), len(bins) - 1

    def place(score: float) -> float:
        return 100 * ((last if score >= max_score else score / step) + 0.5) / len(bins)

    return place


def _spread_marks(spread: Spread, place: Callable[[float], float], y: float) -> list[Markup]:
    left, right = place(spread.quarter), place(spread.three_quarters)
    return [
        _line(place(spread.low), place(spread.high), y, "whisker"),
        _rect(left, y - 6, max(right - left, 0.3), 12, "middle-half"),
        Markup('<line x1="{0:.4g}%" x2="{0:.4g}%" y1="{1:g}" y2="{2:g}" class="median"/>').format(
            place(spread.median), y - 9, y + 9
        ),
    ]


def _svg(kind: str, height: float, said: str, parts: Iterable[Markup]) -> Markup:
    opening = Markup('<svg class="{}" role="img" aria-label="{}" width="100%" height="{:g}">')
    return opening.format(kind, said, height) + Markup("").join(parts) + Markup("</svg>")


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return Markup('<rect x="{:.4g}%" y="{:.4g}" width="{:.4g}%" height="{:.4g}" class="{}"/>').format(
        x, y, width, height, kind
    )


def _line(x1: float, x2: float, y: float, kind: str) -> Markup:
    return Markup('<line x1="{0:.4g}%" x2="{1:.4g}%" y1="{2:g}" y2="{2:g}" class="{3}"/>').format(
        x1, x2, y, kind
    )


def _text(x: float, y: float, words: object, kind: str) -> Markup:
    return Markup('<text x="{:.4g}%" y="{:.4g}" class="{}">{}</text>').format(x, y, kind, words)
