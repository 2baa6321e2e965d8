"""A class of 200, and SIGKILL for whoever takes part in grading it; Ctrl-C; a folder full of traps."""

import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.classroom.jobs import Job, grade_one
from autograder.released import released_notebooks
from autograder.sandbox import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux lists them"),
]

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
SEED = 7

PAD_MASK = "def pad_mask(lengths, max_len):\n    return torch.arange(max_len)[None] < lengths[:, None]"
MASKED_MEAN = (
    "def masked_mean(x, mask):\n    x = x.masked_fill(~mask[..., None], 0)\n"
    "    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1).to(x.dtype)"
)
ANSWERS = [
    {"pad_mask": PAD_MASK, "masked_mean": MASKED_MEAN},
    {
        "pad_mask": PAD_MASK.replace("<", "<="),
        "masked_mean": "def masked_mean(x, mask):\n    return x.mean(1)",
    },
    {},
    {"pad_mask": PAD_MASK, "masked_mean": "def masked_mean(x, mask:\n    return x"},
    {"pad_mask": "def pad_mask(lengths, max_len):\n    return lengths / 0 + [1]"},
    {"pad_mask": "import os\ndef pad_mask(lengths, max_len):\n    os._exit(0)", "masked_mean": MASKED_MEAN},
]


def submission(answers):
    notebook = json.loads((REPO / f"notebooks/{LESSON}/{LESSON}.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    return json.dumps(notebook).encode()


FILES = [*map(submission, ANSWERS), submission({})[:2000]]


def make_class(folder, students):
    """Writes a class of that many. Returns the place in `FILES` of what each handed in."""
    handed_in = {}
    for number in range(students):
        student = f"s{number:03}"
        handed_in[student] = number % len(FILES)
        path = Path(folder, "submitted", student, LESSON, f"{LESSON}.ipynb")
        path.parent.mkdir(parents=True)
        path.write_bytes(FILES[handed_in[student]])
    return handed_in


def start(*arguments, cwd, **more):
    # Whoever is killed leaves its temporary files behind.
    (cwd / "temporary").mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(REPO), "TMPDIR": str(cwd / "temporary")}
    command = [sys.executable, "-m", "autograder", "grade", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, **pipes, **more)


def processes():
    """(parent, command line) of every process that has not ended, by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found[int(folder.name)] = int(parent), command
    return found


def family(pid):
    """The descendants of a process by their part in grading: worker, fork-server or child."""
    everyone = processes()
    parts = {"worker": [], "fork-server": [], "child": []}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for own, (above, command) in everyone.items():
            if above != parent:
                continue
            waiting.append(own)
            if "spawn_main" in command:
                parts["worker"].append(own)
            elif "forkserver.py" in command:
                parts["child" if parent in parts["fork-server"] else "fork-server"].append(own)
    return parts


def kill_one(grader, part, draw):
    """Kill a process that has this part. Returns whether there was one before the run was over."""
    while grader.poll() is None:
        if found := family(grader.pid)[part]:  # a child lives for some milliseconds only
            with contextlib.suppress(ProcessLookupError):
                os.kill(draw.choice(found), signal.SIGKILL)
                return True
    return False


def gone(pids, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and processes().keys() & set(pids):
        time.sleep(0.05)
    return not processes().keys() & set(pids)


def reports(out):
    return {path.stem: json.loads(path.read_bytes()) for path in Path(out).glob("reports/*/*.json")}


def no_progress(complained):
    """What stands on standard error besides the lines that tell how far a slow run is."""
    return [line for line in complained.splitlines() if not re.match(r"\d+ of \d+: \d+ graded", line)]


def verdict(result):
    """A result without what differs from student to student and from time to time."""
    return {key: value for key, value in result.items() if key not in ("student", "file", "graded_at")}


@pytest.fixture(scope="module")
def undisturbed():
    """What each of `FILES` is worth when nobody is killed."""
    released = released_notebooks(REPO / "notebooks")
    with Sandbox() as sandbox:
        found = [grade_one(Job("", LESSON, "", data), SEED, sandbox, released) for data in FILES]
    for result in found:
        for exercise in result["exercises"]:
            del exercise["html"]
    return found


def test_whoever_is_killed_the_grades_are_the_same_and_each_is_there_once(tmp_path, undisturbed):
    draw = random.Random(20260504)
    handed_in = make_class(tmp_path, 200)
    out = tmp_path / "out"
    arguments = ("submitted", "--out", "out", "--seed", SEED, "--workers", 2, "--resume")
    victims = draw.sample(["coordinator", "worker", "fork-server", "child"] * 3, 12)
    killed = dict.fromkeys(victims, 0)
    ever = set()

    grader = start(*arguments, cwd=tmp_path)
    time.sleep(draw.uniform(0, 4))  # the first may die before it has begun
    while victims and grader.poll() is None:
        victim = victims.pop()
        parts = family(grader.pid)
        ever |= {pid for pids in parts.values() for pid in pids}
        if victim == "coordinator":
            grader.kill()
            grader.communicate()
            assert gone([pid for pids in parts.values() for pid in pids])
            grader = start(*arguments, cwd=tmp_path)
        elif not kill_one(grader, victim, draw):
            break
        killed[victim] += 1
        enough = len(reports(out)) + draw.randint(4, 14)
        while grader.poll() is None and len(reports(out)) < enough:
            time.sleep(draw.uniform(0.01, 0.1))
    ever |= {pid for pids in family(grader.pid).values() for pid in pids}
    said, complained = grader.communicate(timeout=300)

    assert (grader.returncode, no_progress(complained)) == (1, []), said
    assert killed["coordinator"] == 3 and min(killed.values()) > 0
    results = reports(out)
    assert results.keys() == handed_in.keys()
    for student, result in results.items():
        assert verdict(result) == verdict(undisturbed[handed_in[student]])
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    graded = sorted(line["student"] for line in lines if line["status"] == "graded")
    assert graded == sorted(s for s, result in results.items() if result["status"] == "graded")
    assert {line["student"] for line in lines} == handed_in.keys()
    assert len({(line["student"], line["time"]) for line in lines}) == len(lines)
    with open(out / "grades.csv", newline="") as file:
        scores = {row["student"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {student: result["score"] for student, result in results.items()}
    assert not list(out.rglob("*.tmp"))
    assert gone(ever)


def test_an_interrupt_from_the_terminal_ends_all_with_one_line_and_the_run_can_go_on(tmp_path):
    make_class(tmp_path, 24)
    out = tmp_path / "out"
    grader = start("submitted", "--out", "out", "--workers", 2, cwd=tmp_path, start_new_session=True)
    while len(reports(out)) < 3:
        assert grader.poll() is None
        time.sleep(0.05)
    taking_part = [pid for pids in family(grader.pid).values() for pid in pids]
    os.killpg(grader.pid, signal.SIGINT)  # as Ctrl-C does: the workers get it too
    said, complained = grader.communicate(timeout=60)
    assert grader.returncode == 130
    assert no_progress(complained) == [
        "Interrupted. What was graded is kept: the same command with --resume goes on."
    ]
    assert "Seed: " in said
    assert gone(taking_part)
    kept = {student: result["graded_at"] for student, result in reports(out).items()}
    assert 3 <= len(kept) < 24
    assert len((out / "grades.csv").read_text().splitlines()) == len(kept) + 1

    grader = start("submitted", "--out", "out", "--workers", 2, "--resume", cwd=tmp_path)
    said, complained = grader.communicate(timeout=120)
    assert (grader.returncode, no_progress(complained)) == (1, [])
    after = reports(out)
    assert len(after) == 24
    assert len({result["seed"] for result in after.values()}) == 1
    for student, when in kept.items():
        assert after[student]["graded_at"] == when or after[student]["status"] == "failed"


def test_modules_that_lie_beside_the_submissions_are_not_imported(tmp_path):
    make_class(tmp_path, 3)
    for name in (
        "torch",
        "json",
        "pickle",
        "multiprocessing",
        "struct",
        "signal",
        "nbformat",
        "jinja2",
        "tempfile",
    ):
        for folder in (tmp_path, tmp_path / "submitted" / "s000" / LESSON):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w')\n")
    grader = start("submitted", "--out", "out", cwd=tmp_path)
    said, complained = grader.communicate(timeout=120)
    assert (grader.returncode, no_progress(complained)) == (0, [])
    assert said.startswith("3 graded, 0 failed.\n")
    assert not (tmp_path / "taken").exists()
