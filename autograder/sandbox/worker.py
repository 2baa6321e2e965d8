"""The process that student code runs in when it counts. Started by `runner.py` as a script, in isolated
mode.

It reads cells and cases, runs the cells, puts the cases to the answer and writes one outcome frame a case.
It imports neither the exercises nor the reference, and hides both from the student's imports.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import json
import math
import os
import signal
import sys
import time
import types

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_WITHHELD = "`{}` is not available while an answer is graded; write the answer without it"


def _load_own_package():
    """Import this folder under a name of its own, so that `autograder` itself is never imported here."""
    path = os.path.join(_FOLDER, "__init__.py")
    spec = importlib.util.spec_from_file_location("answer_box", path, submodule_search_locations=[_FOLDER])
    package = importlib.util.module_from_spec(spec)
    sys.modules["answer_box"] = package
    spec.loader.exec_module(package)


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


def _hide_course() -> None:
    """`from autograder import check` in a student's cell gives do-nothing faces; `seqattn_ref` offers its
    `lab` alone.
    """
    faces = _course_package("autograder", [])
    faces.check = faces.hint = faces.progress = lambda *args, **kwargs: None
    faces.needs = lambda *functions: contextlib.suppress(NotImplementedError)
    # The two packages lie side by side, in a checkout as in an installation.
    _course_package("seqattn_ref", [os.path.join(os.path.dirname(os.path.dirname(_FOLDER)), "seqattn_ref")])
    sys.meta_path.insert(0, _Hidden())


def _limit(limits: dict) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the wall clock still holds there
        return
    with (
        open("/proc/self/statm") if os.path.exists("/proc/self/statm") else contextlib.nullcontext() as statm
    ):
        used = int(statm.read().split()[0]) * resource.getpagesize() if statm else 0
    for name, value in {
        # What the imports used up is not the answer's.
        "RLIMIT_CPU": math.ceil(time.process_time()) + 1 + limits["cpu_s"],
        "RLIMIT_AS": used + (limits["memory_mb"] << 20) if used else None,
        "RLIMIT_FSIZE": limits["file_mb"] << 20,
        "RLIMIT_CORE": 0,
    }.items():
        if value is not None:
            hard = resource.getrlimit(getattr(resource, name))[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(getattr(resource, name), (value, value))
    # The grader's own clock ends the answer first. This one is for a grader that was killed meanwhile.
    signal.alarm(math.ceil(limits["wall_s"]) + 10)


def main() -> None:
    _load_own_package()
    import torch
    from answer_box import wire
    from answer_box.case import Outcome
    from answer_box.frames import frames, read_frame, write_frame
    from answer_box.perform import load, perform, silence_output

    torch.set_num_threads(1)
    results = os.fdopen(os.dup(1), "wb")
    jobs = os.fdopen(os.dup(0), "rb")
    silence_output()
    write_frame(results, b"ready")
    head = read_frame(jobs)
    if head is None:  # the grader had no job after all
        return
    job = json.loads(head)
    cases = [wire.unpack_case(payload) for payload in frames(jobs)]
    jobs.close()
    _limit(job["limits"])
    _hide_course()
    # In a notebook `__name__` is "__main__"; a file that guards its own demo with it should not run the demo
    # here.
    namespace = {"__name__": "__main__" if job["notebook"] else "submission"}
    if job["notebook"]:
        live = _AnyCall()
        namespace |= {"get_ipython": lambda: live, "display": live, "In": [], "Out": {}}
    sys.modules[namespace["__name__"]] = module = types.ModuleType(namespace["__name__"])
    module.__dict__.update(namespace)
    failure = load(job["cells"], job["entry"], module.__dict__)
    if failure is not None:
        outcomes = (Outcome((failure,)) for _ in cases)
    else:
        outcomes = perform(module.__dict__[job["entry"]], cases)
    for outcome in outcomes:
        write_frame(results, wire.pack_outcome(outcome))
    os._exit(0)  # skip whatever the student registered to run at exit


if __name__ == "__main__":
    main()
