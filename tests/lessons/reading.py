"""A lesson to be read by tests: its prose, and what each of its cells printed."""

import contextlib
import io
import re

import nbformat

from .conftest import REPO


class Lesson:
    """`markdown` is all Markdown, and `prose` the same with each run of white space as one space. `names` are
    what the cells left behind, where they were run here.
    """

    def __init__(self, cells, outputs, names=None):
        self.cells, self.outputs, self.names = cells, outputs, names
        self.markdown = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        self.prose = one_space(self.markdown)

    @classmethod
    def read(cls, slug):
        """Read the solved lesson without running anything."""
        return cls(nbformat.read(REPO / "solutions" / slug / f"{slug}.ipynb", as_version=4).cells, {})

    @classmethod
    def run(cls, slug, wanted=lambda source: True):
        """Run the solved lesson here, without the feedback of its checks: the code cells that are wanted."""
        cells = cls.read(slug).cells
        # The faces of the autograder have tests of their own; here they say nothing.
        names = {
            "check": lambda answer: None,
            "progress": lambda: None,
            "needs": lambda *answers: contextlib.nullcontext(),
        }
        outputs = {}
        for cell in cells:
            if cell.cell_type == "code" and wanted(cell.source):
                code = re.sub(r"^from autograder import .*$", "", cell.source, flags=re.MULTILINE)
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(code, slug, "exec"), names)
                outputs[cell.source] = printed.getvalue()
        return cls(cells, outputs, names)

    @classmethod
    def of(cls, notebook):
        """Read a notebook that a kernel has run."""
        outputs = {cell.source: _text(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}
        return cls(notebook.cells, outputs)

    @property
    def everything(self):
        """What all cells printed, with the alt texts of their figures."""
        return "\n".join(self.outputs.values())

    def printed(self, line):
        """What the one cell with `line` in it printed, with the alt texts of its figures."""
        (output,) = [output for source, output in self.outputs.items() if line in source]
        return output

    def says(self, *texts):
        """Assert that the prose has these words."""
        missing = [text for text in texts if one_space(text) not in self.prose]
        assert not missing, f"the prose does not say {missing}"


def mean_of(stored, name, length):
    """Per cent that a model of the stored bottleneck results gets right at a length, over its seeds."""
    column = stored["lengths"].index(length)
    runs = stored["models"][name]["accuracy"]
    return 100 * sum(run[column] for run in runs) / len(runs)


def one_space(text):
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def _text(outputs):
    """What is printed, and what stands for other outputs where only text can be shown."""
    parts = []
    for output in outputs:
        data = output.get("data", {}).get("text/plain")
        parts.append(output.text if output.output_type == "stream" else f"{data}\n")
    return "".join(parts)
