"""One process for one answer, where there is no fork-server (macOS, Windows). Started by `plain.py` as a
script, in isolated mode. Under limits, but not behind walls.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import signal
import sys
import time

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def _load_own_package():
    """Import this folder under a name of its own, so that `autograder` itself is never imported here."""
    path = os.path.join(_FOLDER, "__init__.py")
    spec = importlib.util.spec_from_file_location("answer_box", path, submodule_search_locations=[_FOLDER])
    package = importlib.util.module_from_spec(spec)
    sys.modules["answer_box"] = package
    spec.loader.exec_module(package)


def _limit(limits: dict) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the wall clock still holds there
        return
    for name, value in {
        # What the imports used up is not the answer's.
        "RLIMIT_CPU": math.ceil(time.process_time()) + 1 + limits["cpu_s"],
        "RLIMIT_FSIZE": limits["file_mb"] << 20,
        "RLIMIT_CORE": 0,
    }.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (value, value))
    # The grader's own clock ends the answer first. This one is for a grader that was killed meanwhile.
    signal.alarm(math.ceil(limits["wall_s"]) + 10)


def main() -> None:
    _load_own_package()
    import torch
    from answer_box import inside
    from answer_box.frames import frames, write_frame
    from answer_box.perform import silence_output

    torch.set_num_threads(1)
    results = os.fdopen(os.dup(1), "wb")
    jobs = os.fdopen(os.dup(0), "rb")
    silence_output()
    write_frame(results, b"ready")
    with contextlib.closing(jobs):
        found = inside.read_job(frames(jobs))
    if found is None:
        return
    job, cases = found
    _limit(job["limits"])
    inside.hide_course()
    inside.answer(job, cases, lambda payload: write_frame(results, payload))
    os._exit(0)  # skip whatever the student registered to run at exit


if __name__ == "__main__":
    main()
