"""Results of a class as `grade` saves them: made by hand, and from answers that are really judged."""

import functools
import json

from autograder.classroom.names import report_stem
from autograder.exercises import all_exercises
from autograder.grading import grade
from autograder.sandbox import Outcome
from autograder.sandbox.perform import load, perform
from autograder.submission import Cell, Submission

LESSON = "04_attention_by_hand"
SEED = 20260512

RIGHT = "def dot_scores(queries, keys):\n    return queries @ keys.transpose(1, 2)\n"
SCALED = RIGHT.replace("(1, 2)", "(1, 2) / queries.shape[-1] ** 0.5")
STUB = "def dot_scores(queries, keys):\n    raise NotImplementedError()\n"
CRASH = "def dot_scores(queries, keys):\n    raise ValueError('<b>\\x1b[31m no & no')\n"

HOSTILE = [
    '<script>alert("1")</script>',
    "\"><img src=x onerror=alert(1)>'",
    '=HYPERLINK("http://example.com";"x")',
    "{{ 7 * 7 }}{% for %}",
    "../../../etc/passwd",
    "right\u202eto-left",
    "half\ud800",
    "nul\x00 and \x1b[2J",
    'two\nlines,"and" commas;',
    "x" * 300,
    "名前 Ünïcödé 🙂",
]


class NoWall:
    """Stands for the sandbox and runs the answer right here: what runs is not what these tests are about."""

    def run(self, cells, entry, cases, notebook):
        namespace = {}
        if failure := load(cells, entry, namespace):
            return [Outcome((failure,))] * len(cases)
        return list(perform(namespace[entry], cases))


@functools.cache
def _judged(name, source):
    submission = Submission("answer.py", (Cell("answer.py", source),), False)
    report = grade(submission, all_exercises()[name], NoWall(), SEED)
    return json.dumps({"report": report.as_dict(), "text": str(report)})


def judged(source, name="dot_scores", max_points=None):
    """What a result holds on one exercise, for an answer that is judged as any other."""
    found = json.loads(_judged(name, source))
    most = found["report"]["max_score"] if max_points is None else max_points
    points = most * found["report"]["score"] / found["report"]["max_score"]
    return {"grade_id": f"check_{name}", "points": points, "max_points": most, **found}


def by_hand(name, passed, diagnosis=None, message="The numbers differ.", untouched=False):
    """The same for an answer that passes the first `passed` checks of an exercise."""
    exercise = all_exercises()[name]
    checks = [
        {
            "name": c.sentence,
            "passed": i < passed,
            "points": float(c.points),
            "message": "" if i < passed else "Not attempted yet." if untouched else message,
        }
        for i, c in enumerate(exercise.checks)
    ]
    score = sum(c["points"] for c in checks if c["passed"])
    report = {
        "exercise": name,
        "score": score,
        "max_score": exercise.max_score,
        "checks": checks,
        "diagnosis": diagnosis and {"id": diagnosis, "message": message},
    }
    return {
        "grade_id": f"check_{name}",
        "points": score,
        "max_points": exercise.max_score,
        "report": report,
        "text": f"{name}: {score:g} points\n{message}",
    }


def result(student, *exercises, assignment=LESSON, **more):
    """A graded result, or with `reason=…` one that could not be graded."""
    failed = more.get("reason") is not None
    return {
        "format": 1,
        "student": student,
        "assignment": assignment,
        "file": f"submitted/{student}/{assignment}/{assignment}.ipynb",
        "sha256": "ab" * 32,
        "submitted_at": None,
        "status": "failed" if failed else "graded",
        "reason": None,
        "score": 0.0 if failed else sum(e["points"] for e in exercises),
        "max_score": sum(e["max_points"] for e in exercises) or 3.0,
        "seed": SEED,
        "notes": [],
        "stamp": None,
        "graded_at": "2026-05-12T14:03:09+00:00",
        "versions": {"seqattn": "0.1.0", "torch": "2.13.0", "python": "3.11.9", "code": "c0de" * 16},
        "exercises": list(exercises),
        **more,
    }


def save(folder, results):
    """Lay the results out as `grade --out` does."""
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    for found in results:
        path = folder / f"{report_stem(found['assignment'], found['student'])}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return folder
