"""How far a run is: a bar where a person watches, and now and then a plain line where nobody does."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

BAR_EVERY_S, LINE_EVERY_S = 0.1, 30.0


class Progress:
    """Counts results of `total` and shows the counts on `stream`. Use as a context manager."""

    def __init__(self, total: int, stream: TextIO):
        self.graded = self.failed = self.earlier = 0
        self._total, self._stream = total, stream
        self._bar = stream.isatty()
        self._begun = self._shown = time.monotonic()

    def add(self, status: str) -> None:
        """Count one result: "graded", "failed", or "earlier" for one that an earlier run has graded."""
        setattr(self, status, getattr(self, status) + 1)
        self._show()

    def __enter__(self) -> Progress:
        if self._bar:
            self._show(now=True)
        return self

    def __exit__(self, *exc_info) -> None:
        if self._bar:
            self._show(now=True)
            self._stream.write("\n")
            self._stream.flush()

    def _show(self, now: bool = False) -> None:
        if now or time.monotonic() - self._shown >= (BAR_EVERY_S if self._bar else LINE_EVERY_S):
            self._shown = time.monotonic()
            text = self._text()
            if self._bar:
                width = shutil.get_terminal_size().columns
                text = "\r" + f"{self._drawn(width - len(text) - 4)}{text}"[: width - 1].ljust(width - 1)
            self._stream.write(text if self._bar else text + "\n")
            self._stream.flush()

    def _drawn(self, width: int) -> str:
        if width < 10:
            return ""
        full = round(min(width, 40) * self._done / max(1, self._total))
        return f"[{'#' * full:.<{min(width, 40)}}] "

    @property
    def _done(self) -> int:
        return self.graded + self.failed + self.earlier

    def _text(self) -> str:
        text = f"{self._done} of {self._total}: {self.graded + self.earlier} graded, {self.failed} failed"
        fresh, seconds = self.graded + self.failed, time.monotonic() - self._begun
        if fresh:
            left = (self._total - self._done) * seconds / fresh
            text += f", {fresh / seconds:.1f} a second, {_clock(left)} left"
        return text


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
