"""The grader's side of the wall: hand a job over, believe only checked bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .answering import Job, Limits, SandboxError

# `case` and `wire` bring torch with them. They are imported where they are used, so that the sandbox's
# process, which needs seconds to import torch itself, is on its way before the grader begins to.
if TYPE_CHECKING:
    from .case import Case, Outcome

__all__ = ["Limits", "Sandbox", "SandboxError"]


class Sandbox:
    """Runs answers, each in a process of its own: behind walls on Linux, under limits elsewhere.

    Use as a context manager. Several threads may call `run` at once. With `allow_unsafe` it goes on where the
    walls do not stand, and `stamp` says so.
    """

    def __init__(self, limits: Limits | None = None, allow_unsafe: bool = False):
        self.limits = limits or Limits()
        if sys.platform == "linux":
            from .forked import ForkServer

            self._runs: ForkServer | PlainProcesses = ForkServer(self.limits, allow_unsafe)
        else:
            from .plain import PlainProcesses

            self._runs = PlainProcesses(self.limits)

    @property
    def stamp(self) -> str | None:
        """The sentence to put on every report when an answer could tamper; None when it cannot. Known after
        `prove`, or after the first `run`.
        """
        return self._runs.stamp

    def prove(self) -> None:
        """See that the walls stand. Raises `SandboxError`, with what is missing, where they do not.

        `run` does it too, before the first answer after each start.
        """
        self._runs.prove()

    def run(
        self, cells: Sequence[tuple[str, str]], entry: str, cases: Sequence[Case], notebook: bool = False
    ) -> list[Outcome]:
        """Run `cells` (name, source) in a fresh process and put `cases` to what they call `entry`.

        Returns one outcome a case. Raises `SandboxError` when the sandbox itself fails.
        """
        from dataclasses import asdict

        from . import wire

        job = {"cells": list(cells), "entry": entry, "limits": asdict(self.limits), "notebook": notebook}
        return self._runs.run(
            Job(
                json.dumps(job).encode(),
                tuple(wire.pack_case(case) for case in cases),
                tuple(name for name, _ in cells),
            )
        )

    def close(self) -> None:
        """End the processes, those at work too: their `run` returns at once and says so."""
        self._runs.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()
