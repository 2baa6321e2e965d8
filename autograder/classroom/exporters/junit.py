"""One JUnit XML file of a whole run: a test suite for each submission, a test case for each check.

It is written piece by piece, so that a class of any size fits into memory.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import XMLGenerator

from ..names import one_line
from ..plain import amount, how_many, plain
from .saved import Exported, saved_results, whole_file


def export_junit(results_dir: Path, out: Path) -> Exported:
    """Write the checks of all submissions to `out`. A check that failed is a failure; a submission without a
    grade is an error.
    """
    suites = 0
    with whole_file(out) as file:
        xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
        xml.startDocument()
        _start(xml, "testsuites", name="autograder")
        for saved in saved_results(results_dir):
            xml.ignorableWhitespace("\n")
            _suite(xml, saved.result)
            suites += 1
        xml.ignorableWhitespace("\n")
        xml.endElement("testsuites")
        xml.endDocument()
    return Exported(f"Wrote {how_many(suites, 'test suite')} to {out}.")


def _suite(xml: XMLGenerator, result: dict) -> None:
    checks = [(e, check) for e in result["exercises"] for check in e["report"]["checks"]]
    graded = result["status"] == "graded"
    label = f"{result['assignment']}.{result['student']}"
    _start(
        xml,
        "testsuite",
        name=label,
        tests=len(checks) if graded else 1,
        failures=sum(not check["passed"] for _, check in checks),
        errors=int(not graded),
        skipped=0,
        timestamp=result["graded_at"],
    )
    _properties(xml, result)
    if not graded:
        _case(xml, label, "can be graded", ("error", "NotGraded", result["reason"] or "", ""))
    for exercise, check in checks:
        report = exercise["report"]
        failure = (
            None if check["passed"] else ("failure", "CheckFailed", check["message"], _details(exercise))
        )
        _case(xml, f"{label}.{report['exercise']}", check["name"], failure)
    xml.endElement("testsuite")


def _properties(xml: XMLGenerator, result: dict) -> None:
    found = {
        "score": amount(result["score"]),
        "max_score": amount(result["max_score"]),
        "seed": result["seed"],
    }
    found |= result["versions"]
    if result["stamp"]:
        found["stamp"] = result["stamp"]
    _start(xml, "properties")
    for name, value in found.items():
        _start(xml, "property", name=name, value=value)
        xml.endElement("property")
    xml.endElement("properties")


def _details(exercise: dict) -> str:
    found = exercise["report"]["diagnosis"]
    return f"Misconception: {found['id']}\n{found['message']}" if found else ""


def _case(xml: XMLGenerator, label: str, name: str, problem: tuple[str, str, str, str] | None) -> None:
    _start(xml, "testcase", classname=label, name=name)
    if problem is not None:
        tag, kind, message, details = problem
        _start(xml, tag, type=kind, message=message)
        xml.characters(plain(details))
        xml.endElement(tag)
    xml.endElement("testcase")


def _start(xml: XMLGenerator, tag: str, **attributes: object) -> None:
    xml.startElement(tag, {name: one_line(str(value)) for name, value in attributes.items()})
