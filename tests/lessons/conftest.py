"""Lessons run by a real kernel, each of them once, whichever test or process asks first."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """Kernels that run this very Python, whatever is installed for the user."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("SEQATTN_HOME", str(tmp_path / "home"))


def execute(lesson, folder):
    """Run all cells of a notebook. The outputs are then in it. Raises what a cell raised."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(lesson, timeout=600, kernel_name="python3", resources=resources).execute()
    return lesson


@pytest.fixture
def executed(kernel, tmp_path, tmp_path_factory):
    """`executed(slug)` is the solved lesson with its outputs."""
    # Next to the folders of all processes of this run.
    shared = tmp_path_factory.getbasetemp()
    shared = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "executed"
    shared.mkdir(exist_ok=True)

    def solved(slug):
        file = shared / f"{slug}.ipynb"
        with FileLock(shared / f"{slug}.lock"):
            if not file.exists():
                lesson = nbformat.read(REPO / "solutions" / slug / f"{slug}.ipynb", as_version=4)
                part = file.with_suffix(".part")
                nbformat.write(execute(lesson, tmp_path), part)
                shutil.move(part, file)
        return nbformat.read(file, as_version=4)

    return solved
