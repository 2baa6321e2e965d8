"""What goes on in the process that student code runs in: hide the course, run the cells, answer the cases.

Imported under the name `answer_box` by the scripts that run there (`forkserver.py`, `worker.py`), so that
`autograder` itself is never imported in that process.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import json
import os
import sys
import types
from collections.abc import Callable, Iterator

from . import wire
from .case import Case, Outcome
from .frames import marker
from .perform import load, perform

_FOLDER = os.path.dirname(os.path.abspath(__file__))
COURSE = os.path.dirname(os.path.dirname(_FOLDER))
"""The folder that holds the packages `autograder` and `seqattn_ref`, in a checkout as in an installation."""

_WITHHELD = "`{}` is not available while an answer is graded; write the answer without it"


class _Hidden(importlib.abc.MetaPathFinder):
    """Keeps the answers and the checks out of reach of an import."""

    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        if top == "autograder" or (top == "seqattn_ref" and rest.split(".")[0] != "lab"):
            raise ImportError(_WITHHELD.format(name))
        return None


class _AnyCall:
    """Takes every call and gives nothing: stands for what only makes sense in a live notebook."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args, **kwargs):
        return None


def _course_package(name: str, path: list[str]) -> types.ModuleType:
    """An empty package that says why it is empty."""

    def missing(attribute: str):
        raise AttributeError(_WITHHELD.format(f"{name}.{attribute}"))

    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = path
    package.__getattr__ = missing
    return package


def hide_course() -> None:
    """`from autograder import check` in a student's cell gives do-nothing faces; `seqattn_ref` offers its
    `lab` alone.
    """
    faces = _course_package("autograder", [])
    faces.check = faces.hint = faces.progress = lambda *args, **kwargs: None
    faces.needs = lambda *functions: contextlib.suppress(NotImplementedError)
    _course_package("seqattn_ref", [os.path.join(COURSE, "seqattn_ref")])
    sys.meta_path.insert(0, _Hidden())


def read_job(payloads: Iterator[bytes]) -> tuple[dict, list[Case]] | None:
    """The job and its cases out of their frames, or None where the grader sent nothing after all."""
    head = next(payloads, None)
    if head is None:
        return None
    return json.loads(head), [wire.unpack_case(payload) for payload in payloads]


def answer(job: dict, cases: list[Case], emit: Callable[[bytes], None]) -> None:
    """Run the job's cells and put the cases to what they define.

    `emit` gets a marker before each cell and after them all, then one packed outcome a case.
    """
    # In a notebook `__name__` is "__main__"; a file that guards its own demo with it should not run the demo
    # here.
    namespace = {"__name__": "__main__" if job["notebook"] else "submission"}
    if job["notebook"]:
        live = _AnyCall()
        namespace |= {"get_ipython": lambda: live, "display": live, "In": [], "Out": {}}
        namespace["input"] = lambda *prompt: ""
        if any("get_ipython" in source for _, source in job["cells"]):
            import IPython

            IPython.get_ipython = IPython.core.getipython.get_ipython = lambda: live
    sys.modules[namespace["__name__"]] = module = types.ModuleType(namespace["__name__"])
    module.__dict__.update(namespace)
    failure = load(job["cells"], job["entry"], module.__dict__, lambda number: emit(marker(number)))
    emit(marker(len(job["cells"])))
    if failure is not None:
        outcomes = (Outcome((failure,)) for _ in cases)
    else:
        outcomes = perform(module.__dict__[job["entry"]], cases)
    for outcome in outcomes:
        emit(wire.pack_outcome(outcome))
