"""What a teacher does: open formgrader in the browser, press a student's button, read the grade."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from .lab import PATIENCE, free_port, serve

REPO = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
# One that is right in part, and one that stops nbgrader's own grading of a class.
OFF_BY_ONE = """def pad_mask(lengths, max_len):
    return torch.arange(max_len)[None, :] <= lengths[:, None]
"""


@pytest.fixture
def course(tmp_path):
    """A course with the lesson handed out and two students' folders."""
    root = tmp_path / "course"
    shutil.copytree(REPO / "solutions" / LESSON, root / "solutions" / LESSON)
    shutil.copy(REPO / "nbgrader_config.py", root)
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", LESSON],
        cwd=root,
        env=environment(tmp_path),
        check=True,
        capture_output=True,
    )
    notebook = nbformat.read(root / "notebooks" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "pad_mask":
            cell.source = OFF_BY_ONE
    for student, text in {"ada": nbformat.writes(notebook), "broken": '{"cells": ['}.items():
        folder = root / "course" / "submitted" / student / LESSON
        folder.mkdir(parents=True)
        (folder / f"{LESSON}.ipynb").write_text(text, encoding="utf-8")
    return root


def environment(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG"))}
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
    packages = str(REPO) + os.pathsep + os.environ.get("PYTHONPATH", "")
    return {**kept, "HOME": str(home), "PATH": path, "PYTHONPATH": packages}


@pytest.mark.slow
def test_formgraders_button_grades_in_the_sandbox(course, lab, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--allow-root"]
    with serve(command, course, environment(tmp_path), 120) as url:
        page = lab.page
        page.goto(url)  # with its token, which lets the browser in
        page.goto(f"http://localhost:{port}/formgrader/manage_submissions/{LESSON}")
        for student in ("broken", "ada"):
            row = page.locator("tr", has=page.get_by_text(student, exact=True))
            row.locator(".autograde a").click(timeout=PATIENCE)
            dialog = page.locator(".modal.in, .modal.show")
            dialog.get_by_text("Successfully autograded").first.wait_for(timeout=PATIENCE)
            lab.picture(f"graded_{student}")
            dialog.get_by_text("OK", exact=True).click()
            dialog.wait_for(state="detached")
        lab.picture("table")
        assert "1/7" in row.inner_text().replace(" ", "")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        scores = {s: gradebook.find_submission(LESSON, s).score for s in ("ada", "broken")}
    assert scores == {"ada": 1, "broken": 0}
