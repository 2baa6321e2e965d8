"""Honest submissions that look odd. The code is right, so all points are due."""

from collections.abc import Callable

from nbformat.v4 import new_code_cell

from ..attack import (
    MASKED_MEAN,
    PAD_MASK,
    POINTS,
    START,
    Attack,
    cell,
    hand_in,
)


def odd(id: str, what: str, *, lesson: str = START, **more) -> Attack:
    """A right submission, with something odd about it."""
    answers = more.pop("answers", None)
    return Attack(id, what, hand_in(answers, lesson=lesson, **more), POINTS[lesson], lesson=lesson)


def in_answer(id: str, what: str, line: str, top: str = "", lesson: str = START) -> Attack:
    """`line` is the first of the answer's body, `top` stands above the answer."""
    lines = "\n".join("    " + part for part in line.splitlines())
    body = PAD_MASK.replace("    places =", f"{lines}\n    places =") if line else PAD_MASK
    return odd(id, what, answers={"pad_mask": top + body})


def _edit(grade_id: str, change: Callable[[str], str]) -> Callable:
    def edit(made) -> None:
        found = cell(made, grade_id)
        found.source = change(found.source)

    return edit


def _after(source: str) -> Callable:
    return lambda made: made.cells.append(new_code_cell(source))


def _without(words: str) -> Callable:
    """Leave out the cells that hold these words."""
    return lambda made: made.cells.__setitem__(
        slice(None), [c for c in made.cells if words not in c.source or c.metadata.get("nbgrader")]
    )


def replaced(words: str, others: str) -> Callable:
    def edit(made) -> None:
        for c in made.cells:
            if not c.metadata.get("nbgrader"):
                c.source = c.source.replace(words, others)

    return edit


ATTACKS = [
    # ---- output
    in_answer(
        "warns",
        "Warns, from Python, torch and a logger.",
        """\
warnings.warn('careful')
warnings.warn('old', DeprecationWarning)
logging.error('logged')
torch.tensor(torch.ones(2))""",
        """\
import logging, warnings
logging.basicConfig(level=logging.DEBUG)
warnings.simplefilter('always')
""",
    ),
    in_answer(
        "warnings-as-errors",
        "Turns warnings into errors in another cell, as somebody does who looks for their cause.",
        "",
        "import warnings\nwarnings.simplefilter('error')\n",
    ),
    in_answer(
        "prints",
        "Prints much to both streams, without line ends and in any script.",
        "print('x' * 100_000, end='')\nprint('é \N{SNOWMAN}', file=sys.stderr, flush=True)\n"
        "sys.stdout.write('3.0')\n"
        "os.write(2, b'raw \\xff')\nprint(lengths, max_len, sep='\\n')",
        "import os, sys\n",
    ),
    in_answer(
        "displays",
        "Displays its tensors, HTML, Markdown and a progress line.",
        """\
display(lengths, HTML('<b>bold</b>'), Markdown('**bold**'))
clear_output(wait=True)
print('\\rprogress', end='')""",
        "from IPython.display import HTML, Markdown, clear_output, display\n",
    ),
    in_answer(
        "display-built-in", "Displays without an import.", "display(lengths)\nprogress()\nhint('pad_mask')"
    ),
    in_answer(
        "plots",
        "Plots with matplotlib at the top and in the answer, and shows and saves the figure.",
        "plt.figure()\nplt.close('all')",
        """\
import matplotlib
import matplotlib.pyplot as plt
plt.style.use('ggplot')
plt.plot([1, 2], [3, 4])
plt.title(r'$\\alpha_{ij}$')
plt.show()
fig, ax = plt.subplots()
ax.imshow(torch.ones(2, 2))
fig.savefig('figure.png')
""",
    ),
    odd(
        "widgets",
        "Makes widgets, with callbacks, in a cell that the answer needs.",
        answers={
            "pad_mask": """\
import ipywidgets as widgets
from ipywidgets import interact
slider = widgets.IntSlider(value=1, min=0, max=9)
slider.observe(print, 'value')
interact(lambda n: n, n=slider)
display(slider)
ONE = slider.value
"""
            + PAD_MASK.replace("<", "* ONE <")
        },
    ),
    # ---- IPython's own syntax
    odd(
        "magics",
        "Uses line magics, shell lines and help in the cells of its answers.",
        answers={
            "pad_mask": """\
%matplotlib inline
%load_ext autoreload
%autoreload 2
!pip install einops
!nvidia-smi
files = !ls
%env OMP_NUM_THREADS
%timeit -n 1 1 + 1
torch.arange?
?print
"""
            + PAD_MASK,
            "masked_mean": """\
get_ipython().run_line_magic('matplotlib', 'inline')
%pip list
"""
            + MASKED_MEAN,
        },
    ),
    odd(
        "time-magic",
        "Times its answers.",
        answers={"pad_mask": "%%time\n" + PAD_MASK, "masked_mean": "\n\n%%time\n\n" + MASKED_MEAN},
    ),
    odd(
        "capture-magic",
        "Captures what its answer prints.",
        answers={
            "pad_mask": """\
%%capture captured --no-stderr
%config InlineBackend.figure_format = 'retina'
"""
            + PAD_MASK
        },
    ),
    odd(
        "magics-inside",
        "Has a magic inside a function.",
        answers={
            "pad_mask": PAD_MASK.replace(
                "    return", "    if False:\n        %debug\n        !ls\n    return"
            )
        },
    ),
    odd(
        "magics-elsewhere",
        "Has cells of other languages and broken magics.",
        cells=(
            "%%bash\nrm -rf nothing",
            "%%javascript\nalert(1)",
            "%%html\n<b>",
            "%nosuchmagic x",
            "%%writefile notes.py\ndef pad_mask(: broken",
            "%%nosuch\n(",
        ),
    ),
    odd(
        "last-value",
        "Ends its cells with a value, a semicolon, or a call of the check.",
        answers={
            "pad_mask": PAD_MASK + "pad_mask(torch.tensor([1, 2]), 3);",
            "masked_mean": MASKED_MEAN + "check(masked_mean)\nmasked_mean",
        },
    ),
    # ---- other cells
    odd(
        "typo-elsewhere",
        "Has a typo at the top level of another cell.",
        cells=("prnt('hello')", "def broken(:\n    pass", "    indented", "1 +", "x = = 2"),
    ),
    odd(
        "error-elsewhere",
        "Has cells that raise, exit and divide by zero.",
        cells=(
            "1 / 0",
            "raise SystemExit",
            "exit()",
            "quit",
            "import nosuchpackage",
            "from os import nosuchname",
            "assert False, 'a check of mine'",
        ),
    ),
    odd(
        "error-below",
        "Has a demo below its answer, in the same cell, that fails.",
        answers={"pad_mask": PAD_MASK + "\nprint(pad_mask(torch.tensor([1]), 2).shape[5])\n"},
    ),
    odd(
        "training-elsewhere",
        "Trains for ever in a cell that no answer needs.",
        cells=(
            "import time\nwhile True:\n    time.sleep(1)\n    loss = 1",
            """\
model = torch.nn.Linear(2, 2)
for step in range(10**12):
    model(torch.ones(2))""",
        ),
    ),
    odd(
        "training-below",
        "Trains for ever with its own answer in a later cell.",
        change=_after("while True:\n    pad_mask(torch.tensor([1]), 2)"),
    ),
    odd(
        "helpers",
        "Has helpers in cells of its own.",
        cells=("def column(x):\n    return x[:, None]", "ROW = (None, slice(None))"),
        answers={
            "pad_mask": PAD_MASK.replace("lengths[:, None]", "column(lengths)").replace(
                "places[None, :]", "places[ROW]"
            )
        },
    ),
    odd(
        "helper-after",
        "Defines its helper in a later cell.",
        answers={"pad_mask": PAD_MASK.replace("lengths[:, None]", "column(lengths)")},
        change=_after("def column(x):\n    return x[:, None]"),
    ),
    odd(
        "class-in-parts",
        "Builds a class from parts that stand in several cells.",
        cells=(
            "class Tools:\n    pass",
            """\
def column(x):
    return x[:, None]
Tools.column = staticmethod(column)""",
            "def add_to(cls):\n    return lambda f: setattr(cls, f.__name__, staticmethod(f)) or f",
            "@add_to(Tools)\ndef row(x):\n    return x[None, :]",
        ),
        answers={
            "pad_mask": PAD_MASK.replace("lengths[:, None]", "Tools.column(lengths)").replace(
                "places[None, :]", "Tools.row(places)"
            )
        },
    ),
    odd(
        "registry",
        "Keeps its helpers in a registry that a decorator fills.",
        cells=(
            "REGISTRY = {}",
            "def register(f):\n    REGISTRY[f.__name__] = f\n    return f",
            "@register\ndef column(x):\n    return x[:, None]",
        ),
        answers={"pad_mask": PAD_MASK.replace("lengths[:, None]", "REGISTRY['column'](lengths)")},
    ),
    odd(
        "answer-elsewhere",
        "Answers in a cell of its own and leaves the given one as it was.",
        answers={
            "pad_mask": """\
def pad_mask(lengths, max_len):
    # Write your answer here.
    raise NotImplementedError()"""
        },
        change=_after(PAD_MASK),
    ),
    odd(
        "answer-beside-a-draft",
        "Keeps a wrong draft in an earlier cell.",
        cells=(PAD_MASK.replace("<", "<="), "def masked_mean(x, mask):\n    return x.mean(1)"),
    ),
    odd(
        "answers-in-one-cell",
        "Answers both in one cell.",
        answers={"pad_mask": PAD_MASK + "\n\n" + MASKED_MEAN, "masked_mean": "# see above"},
    ),
    odd(
        "import-edited",
        "Changes the cell of the imports.",
        change=replaced(
            "import torch\nimport torch.nn.functional as F",
            """\
import torch
import torch as th
import numpy as np
import torch.nn.functional as F""",
        ),
        answers={"pad_mask": "THOUSAND = np.int64(1000)\n" + PAD_MASK.replace("torch.arange", "th.arange")},
    ),
    odd(
        "import-deleted",
        "Has no cell of imports, and imports nothing itself.",
        change=_without("import torch\n"),
    ),
    odd(
        "import-star",
        "Imports everything from torch.",
        cells=("from torch import *\nfrom math import *",),
        answers={"pad_mask": PAD_MASK.replace("torch.arange", "arange")},
    ),
    odd(
        "import-inside",
        "Imports inside its answers.",
        answers={
            "pad_mask": PAD_MASK.replace(
                "    places",
                """\
    import torch, math, random, collections
    from torch import nn
    places""",
            )
        },
    ),
    odd(
        "check-called",
        "Calls check, hint, progress and needs in its own cells.",
        answers={
            "pad_mask": PAD_MASK
            + """\
check(pad_mask)
hint('pad_mask')
progress()
with needs(pad_mask):
    pad_mask(torch.tensor([1]), 2)
"""
        },
    ),
    odd(
        "lab-used",
        "Uses seqattn_ref.lab in the cells of its answers.",
        answers={
            "pad_mask": """\
from seqattn_ref import lab
from seqattn_ref.lab import figure, set_seed
set_seed(3)
lab.describe_device(lab.best_device())
fig, ax = lab.figure(width=3.0, height=2.0)
lab.show(fig, alt='nothing')
lab.PaddingExplorer()
"""
            + PAD_MASK
        },
    ),
]
