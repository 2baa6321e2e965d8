"""All attacks in one class, graded with `python -m autograder grade`."""

import csv
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .attack import POINTS
from .class_of_attacks import HANDED_IN, LESSONS, ODD, hand_in_all
from .grounds import HONEST, Grounds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's walls are Linux's"),
]


class Graded:
    """The class, graded once, and what came of it."""

    def __init__(self, root: Path):
        self.grounds = grounds = Grounds(root)
        grounds.lay_out(LESSONS)
        grounds.gradebook()
        book = (grounds.course / "gradebook.db").read_bytes()
        with grounds.watched() as self.told:
            hand_in_all(grounds)
            before = grounds.protected()
            command = ["autograder", "grade", str(grounds.submitted), "--out", str(grounds.out)]
            self.done = subprocess.run(
                [sys.executable, "-m", *command, "--workers", "2", "--time-limit", "3"],
                cwd=grounds.course,
                env=grounds.environment(),
                capture_output=True,
                timeout=900,
            )
        self.planted = grounds.planted()
        after = grounds.protected()
        self.changed = [p for p in before.keys() | after.keys() if before.get(p) != after.get(p)]
        self.gradebook_kept = (grounds.course / "gradebook.db").read_bytes() == book
        self.left = [path.name for path in grounds.shared.iterdir()]
        paths = sorted(grounds.out.glob("reports/*/*.json"))
        self.texts = {path: path.read_text(encoding="utf-8") for path in paths}
        self.results = {path: json.loads(text) for path, text in self.texts.items()}

    def of(self, folder: str) -> list[tuple[Path, dict]]:
        """The results for what lies in a student's folder, with where they are."""
        place = f"{self.grounds.submitted}/{printable(folder)}/"
        return [(path, r) for path, r in self.results.items() if f"{r['file']}/".startswith(place)]


def printable(text: str) -> str:
    """A name as it is written into files."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def points(result: dict) -> dict[str, float]:
    return {e["report"]["exercise"]: e["points"] for e in result["exercises"]}


@pytest.fixture(scope="module")
def graded():
    root = Path(tempfile.mkdtemp(prefix="seqattn-class-"))
    try:
        yield Graded(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("attack", HANDED_IN, ids=lambda attack: attack.id)
def test_it_gains_nothing_and_gets_its_verdict(graded, attack):
    ((path, result),) = graded.of(attack.folder)
    if attack.readable:
        assert result["assignment"] == attack.lesson
        assert (result["status"], result["reason"]) == ("graded", None)
        assert points(result) == attack.points()
        assert result["score"] == sum(attack.points().values())
    else:
        assert (result["status"], result["score"]) == ("failed", 0)
        assert re.fullmatch(r"[^\n]+[.:)]", result["reason"])
    assert result["stamp"] is None
    for text in (graded.texts[path], path.with_suffix(".html").read_text(encoding="utf-8")):
        assert graded.grounds.secret not in text
        assert graded.grounds.mark not in text
        assert not re.search("root:[^:]*:0:0", text)


@pytest.mark.parametrize("oddity", ODD, ids=lambda oddity: oddity.id)
def test_an_honest_oddity_gets_all_points(graded, oddity):
    ((_, result),) = graded.of(oddity.folder)
    assert (points(result), result["status"]) == (oddity.points(), "graded")


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_student_loses_nothing(graded, name):
    found = {result["assignment"]: result for _, result in graded.of(name)}
    assert {lesson: points(result) for lesson, result in found.items()} == {
        name: POINTS[name] for name in LESSONS
    }
    assert [result["notes"] for result in found.values()] == [[], []]


def test_the_class_is_graded_to_its_end(graded):
    assert graded.done.returncode == 1, graded.done.stderr.decode()
    assert len(graded.results) == len(HANDED_IN) + len(ODD) + 2 * len(HONEST)
    with open(graded.grounds.out / "grades.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(graded.results)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    log = (graded.grounds.out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([json.loads(line) for line in log]) == len(graded.results)


def test_nothing_of_the_machine_is_changed(graded):
    assert graded.changed == []
    assert graded.planted == []
    assert graded.told == []
    assert graded.gradebook_kept
    assert graded.left == []


def test_nobody_writes_to_the_terminal_or_into_a_page(graded):
    printed = graded.done.stdout + graded.done.stderr
    assert graded.grounds.secret.encode() not in printed
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", printed)
    for page in graded.grounds.out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script>alert|<img src=x|<iframe|javascript:", text), page
