"""The command line: `python -m autograder check`, `grade`, `export`, `misconceptions` and `exercises`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .classroom.exporters import add_export, run_export
from .grading import fresh_seed, grade_all, printable
from .sandbox.runner import Limits, Sandbox
from .submission import Submission, SubmissionError, read_submission

if TYPE_CHECKING:
    from .exercise import Exercise
    from .report import Report

ALL_FULL_MARKS, SOME_LESS, SOME_NOT_GRADED, INTERRUPTED, READER_GONE = 0, 1, 2, 130, 141
WORKERS = 2
"""The most answers that run at the same time. Each holds a torch of its own."""


def main(argv: Sequence[str] | None = None, sandbox: Sandbox | None = None) -> int:
    """Run one command and return its exit status. `sandbox` replaces the one that `check` would make."""
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        if args.command == "check":
            return _check(args, sandbox)
        if args.command == "grade":
            from .classroom.running import run

            return run(args)
        if args.command == "export":
            return run_export(args)
        print("\n".join(_misconceptions() if args.command == "misconceptions" else _exercises()), flush=True)
        return ALL_FULL_MARKS
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has left. Python would still try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograder", description="Grades answers to the exercises of seqattn."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="grade one exercise from each file",
        description="Grades one exercise from each file, each in a sandbox of its own. "
        "Exit status: 0 all full marks, 1 some less, 2 some could not be graded.",
    )
    check.add_argument("exercise", metavar="EXERCISE", help="its name, as `exercises` lists it")
    check.add_argument(
        "files", metavar="FILE", nargs="+", help="a .py file, or an .ipynb whose cells define it"
    )
    check.add_argument("--json", action="store_true", help="print one JSON object a line, one for each file")
    check.add_argument(
        "--seed", type=int, help="draw the cases from this number (default: a fresh secret one)"
    )
    check.add_argument(
        "--time-limit",
        type=_seconds,
        default=Limits.wall_s,
        metavar="SECONDS",
        help="how long one answer may run (default: %(default)g)",
    )
    _add_grade(commands)
    add_export(commands)
    commands.add_parser(
        "misconceptions", help="list the mistakes that are known by name, with their exercises"
    )
    commands.add_parser("exercises", help="list the exercises with their lessons and points")
    return parser


def _add_grade(commands: argparse._SubParsersAction) -> None:
    grade = commands.add_parser(
        "grade",
        help="grade the notebooks of a class",
        description="Grades whole notebooks, several at the same time, each answer in a sandbox of its own. "
        "Writes DIR/grades.csv, DIR/index.html, a JSON and an HTML report for each submission, and a log. "
        "Exit status: 0 all were graded, 1 some failed, 2 nothing could be done, 130 interrupted.",
    )
    grade.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="a notebook, a folder of notebooks, an nbgrader tree (submitted/), or a .py file",
    )
    grade.add_argument("--out", required=True, metavar="DIR", help="the folder for the results")
    grade.add_argument(
        "--workers",
        type=_workers,
        default=_cores(),
        metavar="N",
        help="how many submissions are graded at the same time (default: one for each core)",
    )
    grade.add_argument("--resume", action="store_true", help="go on with the run whose results DIR holds")
    grade.add_argument(
        "--release",
        metavar="DIR",
        help="the notebooks as they were handed out, DIR/<assignment>/<notebook>.ipynb (default: the folder "
        "`release` beside `submitted`, else the notebooks of this course)",
    )
    grade.add_argument(
        "--seed", type=int, help="draw the cases from this number (default: a fresh secret one)"
    )
    grade.add_argument(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        help=f"how long one answer may run (default: {Limits.wall_s:g})",
    )
    grade.add_argument(
        "--allow-unsafe",
        action="store_true",
        help="grade even where the walls of the sandbox do not stand; every report then says so",
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1024")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0 and up to 3600")
    return seconds


def _exercises() -> Iterator[str]:
    from .exercises import all_exercises

    for exercise in all_exercises().values():
        yield f"{exercise.name:20} {exercise.lesson:22} {exercise.max_score:g} points"


def _misconceptions() -> Iterator[str]:
    from .exercises import all_exercises

    where: dict[str, list[str]] = {}
    for exercise in all_exercises().values():
        for mistake in exercise.mistakes:
            where.setdefault(mistake.id, []).append(exercise.name)
    for id, names in sorted(where.items()):
        yield f"{id:32} {', '.join(names)}"


# ---- check


def _check(args: argparse.Namespace, sandbox: Sandbox | None) -> int:
    with contextlib.ExitStack() as stack:
        workers = min(WORKERS, os.cpu_count() or 1, len(args.files))
        if sandbox is None:
            # Before the exercises: both need torch, and import it at the same time this way.
            limits = Limits(wall_s=args.time_limit, cpu_s=int(args.time_limit) + 1)
            sandbox = stack.enter_context(Sandbox(limits))
        submissions = [_read(path) for path in args.files]
        from .exercises import UnknownExercise, find

        try:
            exercise = find(args.exercise)
        except UnknownExercise as error:
            _complain(str(error))
            return SOME_NOT_GRADED
        seed = fresh_seed() if args.seed is None else args.seed
        readable = [s for s in submissions if isinstance(s, Submission)]
        reports = grade_all(readable, exercise, sandbox, seed, workers)
        stack.enter_context(
            contextlib.closing(reports)
        )  # before the sandbox: no answer should start after it
        statuses = [
            _print(args, exercise, path, next(reports) if isinstance(found, Submission) else found)
            for path, found in zip(args.files, submissions, strict=True)
        ]
    return max(statuses)


def _read(path: str) -> Submission | SubmissionError:
    try:
        return read_submission(path)
    except SubmissionError as error:
        return error


def _print(args: argparse.Namespace, exercise: Exercise, path: str, report: Report | Exception) -> int:
    """Print what became of one file and return the exit status that it calls for."""
    failed = isinstance(report, Exception)
    if failed:
        _complain(str(report))
    if args.json:
        nothing = {"exercise": exercise.name, "score": 0.0, "max_score": exercise.max_score, "checks": []}
        found = {**nothing, "diagnosis": None, "error": str(report)} if failed else report.as_dict()
        print(json.dumps({"file": path, **found}), flush=True)
    elif not failed:
        text = f"{path}\n{report}\n" if len(args.files) > 1 else str(report)
        print(printable(text), flush=True)
    if failed:
        return SOME_NOT_GRADED
    return ALL_FULL_MARKS if report.perfect else SOME_LESS


def _complain(message: str) -> None:
    print(printable(" ".join(message.splitlines())), file=sys.stderr, flush=True)
