"""nbgrader's face: `nbgrader autograde` and formgrader's button grade in the sandbox.

An nbgrader_config.py needs two lines:

    from autograder.nbgrader_plugin import configure
    configure(c)

Then submissions reach nbgrader as clean copies only (`converter.py`), and each exercise is graded in the
sandbox (`preprocessor.py`). Every command of nbgrader reads this, so importing it does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = ["GradeInSandbox", "configure"]


def configure(c: Config) -> None:
    """Let nbgrader grade in the sandbox. Call it from nbgrader_config.py; what is set after it counts."""
    from .converter import install

    # What is left of nbgrader's own lists. A clean copy has no outputs, no double grade_ids, and the kernel
    # that was handed out; the gradebook still has the last word on points and locked cells.
    c.Autograde.sanitize_preprocessors = [
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    # The sandbox stands where nbgrader has its own Execute. No cell is run here, so none of the preprocessors
    # that work on what cells wrote is needed.
    c.Autograde.autograde_preprocessors = [
        "autograder.nbgrader_plugin.GradeInSandbox",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
    ]
    # What students wrote is shown to others, by feedback and by formgrader. A raw cell would be HTML there.
    c.HTMLExporter.filters = {"markdown2html": "autograder.nbgrader_plugin.prose.safe_markdown"}
    c.HTMLExporter.raw_mimetypes = []
    install()


def __getattr__(name: str):
    """Load the preprocessor when it is asked for."""
    if name != "GradeInSandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(".preprocessor", __name__).GradeInSandbox
