"""requirements.txt pins everything exactly and completely, and agrees with pyproject.toml."""

import importlib.metadata
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .conftest import REPO

FILES = ("requirements.txt", "requirements-dev.txt")
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines(file):
    text = (REPO / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(*files):
    """The pinned requirements by their canonical names."""
    found = [Requirement(line) for file in files for line in lines(file) if not line.startswith("-r ")]
    return {canonicalize_name(pin.name): pin for pin in found}


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_an_exact_version(file):
    wanted = lines(file)
    if file == "requirements-dev.txt":
        assert wanted.pop(0) == "-r requirements.txt"
    for line in wanted:
        # No local version such as +cpu: it exists on one index only.
        assert re.fullmatch(r"[\w.-]+==[\w.]+(; \w+ [=!<>]+ \"[\w.]+\")?", line), line


def test_no_package_is_pinned_twice():
    names = [
        canonicalize_name(Requirement(line).name)
        for file in FILES
        for line in lines(file)[file == FILES[1] :]
    ]
    assert len(names) == len(set(names))


def test_torch_is_the_version_that_was_measured():
    assert str(pins("requirements.txt")["torch"].specifier) == "==2.13.0"


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        (PROJECT["dependencies"], FILES[:1]),
        (PROJECT["optional-dependencies"]["nbgrader"], FILES[:1]),
        (PROJECT["optional-dependencies"]["dev"], FILES),
    ],
    ids=["dependencies", "nbgrader", "dev"],
)
def test_the_pins_lie_in_the_ranges_of_pyproject(wanted, files):
    pinned = pins(*files)
    for requirement in map(Requirement, wanted):
        pin = next(iter(pinned[canonicalize_name(requirement.name)].specifier))
        assert requirement.specifier.contains(pin.version), requirement


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["learners", "developers"])
def test_what_the_pinned_packages_need_is_pinned_too(files):
    """As `pip check`, but against the files, so that nothing is left for pip to choose."""
    pinned = pins(*files)
    checked = 0
    for name, pin in pinned.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        for need in map(Requirement, importlib.metadata.requires(name) or []):
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            needed = pinned.get(canonicalize_name(need.name))
            assert needed is not None, f"{name} needs {need}, which is not pinned"
            version = next(iter(needed.specifier)).version
            assert need.specifier.contains(version, prereleases=True), (
                f"{name} needs {need}, pinned is {version}"
            )
            checked += 1
    assert checked > 100


def test_the_packages_run_on_the_pythons_that_start_accepts(start):
    (major, oldest), (_, newest) = start.OLDEST, start.NEWEST
    assert PROJECT["requires-python"] == f">={major}.{oldest},<{major}.{newest + 1}"


@pytest.mark.parametrize("python", ["3.11.2", "3.12.0", "3.13.0"])
def test_every_pin_runs_on_every_python(python):
    """3.11.2 is Debian 12's. Some packages refuse the first releases of a Python."""
    for name, pin in pins(*FILES).items():
        if pin.marker and not pin.marker.evaluate():
            continue
        wanted = importlib.metadata.metadata(name)["Requires-Python"]
        assert SpecifierSet(wanted or "").contains(python), f"{name} needs Python {wanted}"


def test_git_ignores_what_holds_solutions_or_grades():
    ignored = (REPO / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".venv/", "/course/", "/gradebook.db*", "/solutions/*/[0-9][0-9]_*.py"} <= set(ignored)
