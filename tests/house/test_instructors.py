"""What docs/instructors.md says of commands, options, settings and files is so."""

import ast
import re
import shlex

import pytest

from autograder.classroom import store
from autograder.cli import _parser
from autograder.exercises import all_exercises
from autograder.nbgrader_plugin import GradeInSandbox

from .conftest import REPO

TEXT = (REPO / "docs" / "instructors.md").read_text(encoding="utf-8")
CODE = re.findall(r"^ *```\w*\n(.*?)^ *```$", TEXT, re.M | re.S)
COMMANDS = [m for block in CODE for m in re.findall(r"python -m autograder (.*)", block)]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    args = _parser().parse_args(shlex.split(command))
    if args.command == "check":
        assert args.exercise in all_exercises()


def test_there_are_commands_of_each_kind():
    assert {command.split()[0] for command in COMMANDS} == {"grade", "check", "export"}


def test_options_of_grade_exist():
    (table,) = re.findall(r"\| option \|.*?\n\n", TEXT, re.S)
    options = re.findall(r"^\| `(--[\w-]+)", table, re.M)
    (grade,) = [
        p for a in _parser()._actions if a.choices for name, p in a.choices.items() if name == "grade"
    ]
    assert len(options) >= 5
    assert set(options) <= set(grade._option_string_actions)


def test_settings_exist_and_have_the_defaults_that_are_said():
    settings = re.findall(r"^\| `c\.GradeInSandbox\.(\w+)` \| (.*?) \|", TEXT, re.M)
    assert len(settings) >= 3
    for name, said in settings:
        default = GradeInSandbox.class_traits(config=True)[name].default_value
        if default is None:
            assert said == "a fresh secret one"
        else:
            assert ast.literal_eval(said.strip("`")) == default


def test_files_are_called_as_the_store_calls_them():
    for name in (store.RUN, store.LOG, store.GRADES, store.INDEX):
        assert f"`{name}`" in TEXT or f"`{name}" in TEXT
    assert f"`{store.REPORTS}/LESSON/STUDENT.html`" in TEXT


def test_links_lead_somewhere():
    headings = {
        re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 5
    for link in links:
        if link.startswith("#"):
            assert link[1:] in headings
        elif not link.startswith("https://"):
            assert (REPO / "docs" / link).is_file()
