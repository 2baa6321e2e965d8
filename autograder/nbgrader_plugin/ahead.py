"""Runs the answers of the next submissions while nbgrader is busy with the present one.

nbgrader takes one submission after the other, and most of the time for each goes into its own steps. The
children of the fork-server can use the other cores meanwhile. Only running is done ahead, in threads; reading
and judging stay where they are, since they set what all threads share.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..classroom.jobs import Patient
from ..exercise import Exercise
from ..plan import draw
from ..sandbox import Case, Outcome, Sandbox
from ..submission import NoAnswer, Submission

Cells = Sequence[tuple[str, str]]
Given = tuple[Cells, list[Outcome]]


class Ahead:
    """What was run ahead, by student and notebook. Close it when the run is over."""

    def __init__(self, sandbox: Sandbox, seed: int):
        self._sandbox, self._seed = sandbox, seed
        self.depth = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        """How many submissions are worth being begun at the same time."""
        self._pool = ThreadPoolExecutor(self.depth)
        self._begun: dict[tuple[str, str], Future[Mapping[str, Given]]] = {}

    def begin(
        self, student: str, notebook: str, submission: Submission, exercises: Sequence[Exercise]
    ) -> None:
        """Start running the answers of one submission."""
        asked = []
        for exercise in exercises:
            try:
                cells = submission.cells_for(exercise.name)
            except NoAnswer:
                continue  # it will be said when this is graded
            asked.append((exercise.name, cells, draw(exercise, self._seed).cases))
        self._begun[student, notebook] = self._pool.submit(self._run, asked, submission.notebook)

    def _run(self, asked: Sequence[tuple[str, Cells, list[Case]]], notebook: bool) -> dict[str, Given]:
        patient = Patient(self._sandbox)
        return {name: (cells, patient.run(cells, name, cases, notebook)) for name, cells, cases in asked}

    def sandbox_for(self, student: str, notebook: str) -> Sandbox | _Told:
        """What stands for the sandbox when this submission is graded. Raises what running it ahead raised."""
        begun = self._begun.pop((student, notebook), None)
        return self._sandbox if begun is None else _Told(begun.result(), self._sandbox)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Told:
    """Gives what was run ahead, and runs what was not."""

    def __init__(self, given: Mapping[str, Given], sandbox: Sandbox):
        self._given, self._sandbox = given, sandbox

    def run(self, cells: Cells, entry: str, cases: Sequence[Case], notebook: bool) -> list[Outcome]:
        found = self._given.get(entry)
        if found is not None and found[0] == cells and len(found[1]) == len(cases):
            return found[1]
        return self._sandbox.run(cells, entry, cases, notebook)
