"""What README shows is what the programs print."""

from __future__ import annotations

import re
from pathlib import Path

from autograder.exercises import find
from autograder.report import judge
from autograder.sandbox.perform import perform

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_wrong_answer_is_what_the_check_says():
    answer = re.search(r"leaves out the tanh:\n\n```python\n(.*?)```", README, re.S).group(1)
    shown = re.search(r"<!-- example: tanh-missing -->\n```\n(.*?)```", README, re.S).group(1)
    namespace: dict = {}
    exec(answer, namespace)
    exercise = find("additive_scores")
    plan = exercise.cases(0)
    report = judge(
        exercise,
        plan,
        list(perform(namespace["additive_scores"], [case for cases in plan for case in cases])),
    )
    assert shown.strip() in str(report)
    assert report.diagnosis.id == "tanh-missing"


def test_the_engineers_example_runs():
    namespace: dict = {}
    exec(re.search(r"## For engineers.*?```python\n(.*?)```", README, re.S).group(1), namespace)
    assert namespace["context"].shape == (2, 5, 128)
    assert namespace["weights"].shape == (2, 5, 7)


def test_the_table_of_lessons_names_what_stands():
    rows = re.findall(r"^\| (\d\d) (\w+) \| (.*) \|$", README, re.M)
    standing = sorted(p.name for p in (Path(__file__).parents[2] / "solutions").iterdir() if p.is_dir())
    assert [f"{number}_{slug}" for number, slug, _ in rows] == standing
    for number, slug, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert find(name).lesson == f"{number}_{slug}"
