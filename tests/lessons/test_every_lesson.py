"""What every lesson keeps to, whatever it teaches."""

import re

import pytest

from .conftest import REPO
from .reading import Lesson

SLUGS = sorted(folder.name for folder in (REPO / "solutions").iterdir() if folder.is_dir())


@pytest.fixture(params=SLUGS)
def lesson(request):
    return Lesson.read(request.param)


def test_cells_are_short(lesson):
    for cell in lesson.cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata:
            assert len(cell.source.splitlines()) <= 25, cell.source


def test_the_summary_is_six_lines_or_fewer(lesson):
    (summary,) = re.findall(r"^## Summary\n(.*?)(?=^## |\Z)", lesson.markdown, flags=re.M | re.S)
    assert 1 <= len(re.findall(r"^- ", summary, flags=re.M)) <= 6
