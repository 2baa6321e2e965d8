"""The two programs that live outside the packages, loaded as modules: start.py and tools/lessons.py."""

import importlib.util
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start():
    """A fresh copy of start.py's module, so that a test may change it."""
    return load(REPO / "start.py")


@pytest.fixture
def lessons():
    """A fresh copy of tools/lessons.py's module, so that a test may change it."""
    return load(REPO / "tools" / "lessons.py")
