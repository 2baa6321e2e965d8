"""Gradescope's `results.json`, one for each submission.

The layout is that of Gradescope's autograder specification. All text is sent as plain text, which Gradescope
escapes, so nothing that a student wrote is read as HTML or Markdown.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..plain import amount, how_many, plain
from .saved import Exported, saved_results, whole_file


def export_gradescope(results_dir: Path, out: Path) -> Exported:
    """Write `out/<assignment>/<student>/results.json` for each submission."""
    written = 0
    for saved in saved_results(results_dir):
        found = gradescope_results(saved.result)
        with whole_file(out / saved.folder / saved.stem / "results.json") as file:
            json.dump(found, file, indent=1, allow_nan=False)
        written += 1
    return Exported(f"Wrote results.json for {how_many(written, 'submission')} into {out}.")


def gradescope_results(result: dict) -> dict:
    """What Gradescope shows of one result. One that could not be graded has 0 points and says why."""
    tests = [
        test
        for number, exercise in enumerate(result["exercises"], start=1)
        for test in _tests(number, exercise)
    ]
    if result["status"] != "graded":
        tests = [
            _test("1", "The submission can be graded", 0.0, result["max_score"], result["reason"], False)
        ]
    return {
        "score": round(result["score"], 6),
        "output": plain("\n\n".join(_said(result))),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {
            "student": plain(result["student"]),
            "assignment": plain(result["assignment"]),
            "seed": result["seed"],
            "versions": result["versions"],
            "misconceptions": {
                e["report"]["exercise"]: e["report"]["diagnosis"]["id"]
                for e in result["exercises"]
                if e["report"]["diagnosis"]
            },
        },
    }


def _tests(number: int, exercise: dict) -> list[dict]:
    report = exercise["report"]
    # A notebook may count an exercise for more or less than the exercise itself does.
    scale = exercise["max_points"] / report["max_score"] if report["max_score"] else 0.0
    return [
        _test(
            f"{number}.{i}",
            f"{report['exercise']}: {check['name']}",
            check["points"] * scale if check["passed"] else 0.0,
            check["points"] * scale,
            check["message"],
            check["passed"],
        )
        for i, check in enumerate(report["checks"], start=1)
    ]


def _test(number: str, name: str, score: float, max_score: float, output: str | None, passed: bool) -> dict:
    return {
        "number": number,
        "name": plain(name),
        "name_format": "text",
        "score": round(score, 6),
        "max_score": round(max_score, 6),
        "status": "passed" if passed else "failed",
        "output": plain(output or ""),
        "output_format": "text",
        "visibility": "visible",
    }


def _said(result: dict) -> list[str]:
    """What concerns the whole submission: the stamp, notes, and the reports on what is not right yet."""
    said = [f"Not tamper-proof. {result['stamp']}"] if result["stamp"] else []
    if result["status"] != "graded":
        return [*said, f"This submission could not be graded. {result['reason']}"]
    said.append(f"{amount(result['score'])} of {amount(result['max_score'])} points.")
    said += result["notes"]
    return said + [
        e["text"] for e in result["exercises"] if not all(c["passed"] for c in e["report"]["checks"])
    ]
