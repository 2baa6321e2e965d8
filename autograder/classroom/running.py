"""A run of `python -m autograder grade`: find, grade in parallel, keep, sum up."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..grading import fresh_seed, printable
from ..notebook_file import SubmissionError
from ..released import Released, ReleaseError, released_notebooks
from ..sandbox import Limits
from . import pool
from .finding import Found, NothingToGrade, find
from .jobs import Job, failed, grader, versions
from .names import one_line, printable_name
from .placing import SUBMITTED, course_of
from .plain import amount
from .progress import Progress
from .store import GRADES, INDEX, Store, StoreError

ALL_GRADED, SOME_FAILED, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 130

REASONS = 10
"""The most submissions that could not be graded that the summary lists."""

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for and return its exit status."""
    try:
        released = _released(args)
        found, left_out = find(args.paths, released, Path(args.out))
        for sentence in left_out:
            _say(sentence)
        given = {
            "seed": args.seed,
            "time_limit": args.time_limit,
            "allow_unsafe": args.allow_unsafe or None,
            "release": {name: _digest(notebook) for name, notebook in released.items()},
        }
        usual = {"seed": fresh_seed(), "time_limit": Limits.wall_s, "allow_unsafe": False}
        with Store(Path(args.out), given, usual, args.resume) as store:
            return _grade(store, found, released, args.workers)
    except (NothingToGrade, ReleaseError, StoreError, pool.PoolError) as error:
        _say(str(error))
        return NOTHING_DONE


def _released(args: argparse.Namespace) -> dict[str, Released]:
    """What was handed out: as said, else as the course of a tree holds it, else this course's own."""
    courses = [Path(course_of(Path(os.path.abspath(path)))) for path in args.paths]
    beside = [course / "release" for course in courses if (course / SUBMITTED).is_dir()]
    folders = [Path(args.release)] if args.release else [*beside, NOTEBOOKS]
    folder = next((folder for folder in folders if folder.is_dir()), folders[-1])
    released = released_notebooks(folder) if folder.is_dir() else {}
    if not released:
        raise NothingToGrade(
            f"There are no handed out notebooks in {printable_name(str(folder))}: name the folder that holds "
            "<assignment>/<notebook>.ipynb with --release."
        )
    return released


def _digest(notebook: Released) -> str:
    return hashlib.sha256(json.dumps(notebook.notebook, sort_keys=True).encode()).hexdigest()


def _grade(store: Store, found: Sequence[Found], released: Mapping[str, Released], workers: int) -> int:
    seed, wall_s = store.run["seed"], store.run["time_limit"]
    if store.run["versions"] != versions():
        _say("The autograder, torch or Python has changed since this run began: its grades are made by both.")
    limits = Limits(wall_s=wall_s, cpu_s=int(wall_s) + 1)
    # Every exercise may use up its limit. What is beyond that is our own reading and judging, gone astray.
    patience = 60 + (wall_s + 10) * max(len(notebook.questions) for notebook in released.values())
    status = ALL_GRADED
    with Progress(len(found), sys.stderr) as progress, _scratch() as scratch:
        jobs = _jobs(store, found, released, progress)
        setup = (seed, limits, store.run["allow_unsafe"], released, scratch)
        results = pool.run(jobs, min(workers, len(found)), grader, *setup, time_limit=patience)
        try:
            with contextlib.closing(results):
                for job, result in results:
                    if isinstance(result, pool.Lost):
                        result = failed(job, result.reason, seed, released)
                    store.save(result)
                    progress.add(result["status"])
        except KeyboardInterrupt:
            status = INTERRUPTED
        finally:
            every = store.summarise()
    if status == ALL_GRADED and progress.failed:
        status = SOME_FAILED
    _sum_up(store, every, progress)
    if status == INTERRUPTED:
        _say("Interrupted. What was graded is kept: the same command with --resume goes on.")
    return status


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="seqattn-", ignore_cleanup_errors=True) as folder:
        yield folder


def _jobs(
    store: Store, found: Sequence[Found], released: Mapping[str, Released], progress: Progress
) -> Iterator[Job]:
    """What is to be graded, each read when it is its turn. Deals by itself with what needs no grading."""
    for one in found:
        data, reason = None, None
        try:
            data = one.read()
        except SubmissionError as error:
            reason = str(error)
        job = Job(
            one.student, one.assignment, printable_name(str(one.path)), data, one.submitted_at(), one.notes
        )
        if store.has(job.student, job.assignment, job.sha256):
            progress.add("earlier")
        elif reason is not None:
            store.save(failed(job, reason, store.run["seed"], released))
            progress.add("failed")
        else:
            yield job


# ---- saying what came of it


def _sum_up(store: Store, results: Sequence[dict], progress: Progress) -> None:
    """Print what is in the folder of results now."""
    earlier = f" ({progress.earlier} of them earlier)" if progress.earlier else ""
    lines = [f"{progress.graded + progress.earlier} graded{earlier}, {progress.failed} failed."]
    graded: dict[str, list[dict]] = defaultdict(list)
    for result in results:
        if result["status"] == "graded":
            graded[result["assignment"]].append(result)
    for name, those in graded.items():
        mean = amount(statistics.fmean(result["score"] for result in those))
        lines.append(f"{name}: {mean} of {amount(those[0]['max_score'])} points on average")
    not_graded = [result for result in results if result["status"] == "failed"]
    lines += ["Not graded:"] if not_graded else []
    lines += [f"  {r['student']}, {r['assignment']}: {r['reason']}" for r in not_graded[:REASONS]]
    if len(not_graded) > REASONS:
        lines.append(f"  and {len(not_graded) - REASONS} more, in {GRADES}")
    lines += sorted({result["stamp"] for result in results if result["stamp"]})
    lines.append(f"Seed: {store.run['seed']}")
    lines.append(f"Results: {store.folder / GRADES} and {store.folder / INDEX}")
    print("\n".join(map(printable, lines)), flush=True)


def _say(sentence: str) -> None:
    print(one_line(sentence), file=sys.stderr, flush=True)
