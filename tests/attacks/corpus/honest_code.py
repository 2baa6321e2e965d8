"""Honest submissions whose code or file looks odd. The code is right, so all points are due."""

import json

from nbformat.v4 import new_markdown_cell, new_output

from ..attack import ADDITIVE, ADDITIVE_ATTENTION, ADDITIVE_SCORES, MASKED_MEAN, PAD_MASK
from .honest import odd, replaced


def _ran(made) -> None:
    """As it looks after Run All: numbers, outputs, pictures, errors, widgets."""
    for n, c in enumerate(c for c in made.cells if c.cell_type == "code"):
        c.execution_count = n + 1
        c.outputs = [
            new_output("stream", name="stderr", text="UserWarning: careful\n"),
            new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}),
            new_output("error", ename="KeyboardInterrupt", evalue="", traceback=["\x1b[31mstopped"]),
        ]
    made.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    made.metadata["kernelspec"] = {
        "name": "my-env",
        "display_name": "My own environment",
        "language": "python",
    }


def _colab(made) -> None:
    made.metadata["colab"] = {"provenance": [], "toc_visible": True}
    made.metadata["accelerator"] = "GPU"
    for c in made.cells:
        c.metadata["id"] = "aB3xY_"
        c.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
        c.metadata["outputId"] = "x"


def _lines(data: bytes) -> bytes:
    """Every source as a list of lines, as Jupyter writes it."""
    made = json.loads(data)
    for c in made["cells"]:
        c["source"] = c["source"].splitlines(keepends=True)
    return json.dumps(made).encode()


ATTACKS = [
    # ---- state of torch and Python
    odd(
        "seeds",
        "Sets seeds and threads and deterministic mode everywhere.",
        answers={
            "pad_mask": """\
import random, numpy as np
torch.manual_seed(0); random.seed(0); np.random.seed(0)
torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)
torch.backends.cudnn.benchmark = False
"""
            + PAD_MASK
        },
    ),
    odd(
        "default-dtype",
        "Changes the default dtype.",
        answers={
            "pad_mask": "torch.set_default_dtype(torch.float64)\n" + PAD_MASK,
            "masked_mean": "torch.set_default_dtype(torch.float64)\n" + MASKED_MEAN,
        },
    ),
    odd(
        "default-device",
        "Chooses a device as tutorials do.",
        answers={
            "pad_mask": """\
device = 'cuda' if torch.cuda.is_available() else 'cpu'
torch.set_default_device(device)
"""
            + PAD_MASK
        },
    ),
    odd(
        "no-grad-elsewhere",
        "Switches gradients off in the cell of an answer.",
        answers={"masked_mean": "torch.set_grad_enabled(False)\n" + MASKED_MEAN},
    ),
    odd(
        "dataclasses",
        "Keeps its settings in a dataclass, an enumeration and a named tuple, and pickles them.",
        answers={
            "pad_mask": """\
import copy, enum, pickle
from dataclasses import dataclass, field
from typing import NamedTuple, get_type_hints
class Side(enum.Enum):
    LEFT = 0
class Pair(NamedTuple):
    one: int = 1
@dataclass
class Settings:
    side: Side = Side.LEFT
    pair: Pair = field(default_factory=Pair)
settings = pickle.loads(pickle.dumps(copy.deepcopy(Settings())))
assert get_type_hints(Settings) and __name__ == "__main__"
"""
            + PAD_MASK.replace("<", "* settings.pair.one <")
        },
    ),
    odd(
        "anomaly-detection",
        "Leaves autograd's detection of anomalies on.",
        answers={"masked_mean": "torch.autograd.set_detect_anomaly(True)\n" + MASKED_MEAN},
    ),
    odd(
        "for-colab",
        "Begins as notebooks for Colab do.",
        answers={
            "pad_mask": """\
import os, sys
if "google.colab" in sys.modules:
    !pip install -q seqattn
try:
    from google.colab import drive
    drive.mount("/content/drive")
except ImportError:
    pass
os.environ["CUDA_VISIBLE_DEVICES"] = "0"
"""
            + PAD_MASK
        },
    ),
    odd(
        "print-options",
        "Changes how tensors and arrays are printed.",
        answers={
            "pad_mask": """\
import numpy as np
torch.set_printoptions(precision=2, sci_mode=False)
np.set_printoptions(suppress=True)
"""
            + PAD_MASK
        },
    ),
    odd(
        "recursion-limit",
        "Raises the limit of recursion and tunes the collector.",
        answers={"pad_mask": "import gc, sys\nsys.setrecursionlimit(10_000)\ngc.collect()\n" + PAD_MASK},
    ),
    odd(
        "threads-left",
        "Leaves a thread and an event loop running.",
        answers={
            "pad_mask": """\
import asyncio, threading, time
threading.Thread(target=time.sleep, args=(30,)).start()
async def later():
    await asyncio.sleep(0)
asyncio.new_event_loop().run_until_complete(later())
"""
            + PAD_MASK
        },
    ),
    odd(
        "await-at-the-top",
        "Awaits at the top level of a cell, as notebooks may.",
        cells=("import asyncio\nawait asyncio.sleep(0)",),
    ),
    odd(
        "files-used",
        "Writes and reads files in the current folder and in a temporary one.",
        answers={
            "pad_mask": """\
import json, os, pickle, tempfile
json.dump([1], open('notes.json', 'w'))
torch.save({'w': torch.ones(1)}, 'w.pt')
torch.load('w.pt')
os.makedirs('runs/1', exist_ok=True)
with tempfile.NamedTemporaryFile() as file:
    pickle.dump(3, file)
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, 'x'), 'w').close()
"""
            + PAD_MASK
        },
    ),
    odd(
        "files-missing",
        "Catches the error of a file that is not there.",
        answers={
            "pad_mask": """\
import os
try:
    data = open('data.csv').read()
except FileNotFoundError:
    data = ''
assert not os.path.exists('/home/me/data')
"""
            + PAD_MASK
        },
    ),
    # ---- ways of writing
    odd(
        "future-import",
        "Imports from __future__.",
        answers={
            "pad_mask": "from __future__ import annotations\n" + PAD_MASK,
            "masked_mean": '"""Mine."""\nfrom __future__ import annotations\n\n' + MASKED_MEAN,
        },
    ),
    odd(
        "annotations",
        "Annotates its arguments, with names that are not there at run time.",
        answers={
            "pad_mask": """\
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from jaxtyping import Int
"""
            + PAD_MASK.replace(
                "(lengths, max_len)", "(lengths: Int[torch.Tensor, 'B'], max_len: int) -> torch.Tensor"
            )
        },
    ),
    odd(
        "decorated",
        "Decorates its answers.",
        answers={
            "pad_mask": """\
import functools, time
def timed(f):
    @functools.wraps(f)
    def inner(*args, **kwargs):
        start = time.perf_counter()
        result = f(*args, **kwargs)
        print(time.perf_counter() - start)
        return result
    return inner
@timed
"""
            + PAD_MASK,
            "masked_mean": "@torch.no_grad\ndef unused(x):\n    return x\n" + MASKED_MEAN,
        },
    ),
    odd(
        "lambda-answer",
        "Answers with a lambda.",
        answers={
            "pad_mask": "pad_mask = lambda lengths, max_len: torch.arange(max_len)[None] < lengths[:, None]"
        },
    ),
    odd(
        "partial-answer",
        "Answers with a partial and with a callable object.",
        answers={
            "pad_mask": """\
import functools
def full(base, lengths, max_len):
    return base[:max_len] < lengths[:, None]
pad_mask = functools.partial(full, torch.arange(1000))""",
            "masked_mean": """\
class Mean:
    def __call__(self, x, mask):
        real = mask[:, :, None]
        return x.masked_fill(~real, 0).sum(1) / real.sum(1).clamp(min=1)
masked_mean = Mean()""",
        },
    ),
    odd(
        "renamed-arguments",
        "Renames the arguments, with defaults and more that are optional.",
        answers={
            "pad_mask": "def pad_mask(n, /, size=None, *rest, verbose=False, **more):\n"
            "    return torch.arange(size)[None] < n[:, None]"
        },
    ),
    odd(
        "main-guard",
        "Guards its demo with __name__.",
        answers={
            "pad_mask": PAD_MASK
            + """\
if __name__ == '__main__':
    print(pad_mask(torch.tensor([1]), 2))
"""
        },
    ),
    odd(
        "global-state",
        "Counts its calls in a global and keeps them in a list.",
        answers={
            "pad_mask": "calls, seen = 0, []\n"
            + PAD_MASK.replace(
                "    places =",
                """\
    global calls
    calls += 1
    seen.append(lengths)
    places =""",
            )
        },
    ),
    odd(
        "scripted",
        "Compiles its answer with torch.jit.",
        answers={
            "pad_mask": """\
def _mask(lengths: torch.Tensor, max_len: int) -> torch.Tensor:
    return torch.arange(max_len)[None, :] < lengths[:, None]
pad_mask = torch.jit.trace(lambda x: x, torch.ones(1)) and _mask"""
        },
    ),
    odd(
        "compiled",
        "Compiles its answer with torch.compile, as a tutorial told.",
        answers={"pad_mask": "@torch.compile\n" + PAD_MASK},
    ),
    odd(
        "numpy-inside",
        "Computes with numpy inside.",
        answers={
            "pad_mask": """\
import numpy as np
def pad_mask(lengths, max_len):
    return torch.from_numpy(np.arange(max_len)[None] < lengths.numpy()[:, None])"""
        },
    ),
    odd(
        "loops",
        "Writes loops where others broadcast.",
        answers={
            "pad_mask": """\
def pad_mask(lengths, max_len):
    out = torch.zeros(len(lengths), max_len, dtype=torch.bool)
    for b, n in enumerate(lengths):
        for j in range(max_len):
            out[b, j] = j < n
    return out"""
        },
    ),
    odd(
        "vmapped",
        "Uses torch.func.",
        answers={
            "pad_mask": "def pad_mask(lengths, max_len):\n"
            "    return torch.func.vmap(lambda n: torch.arange(max_len) < n)(lengths)"
        },
    ),
    odd("tabs", "Indents with tabs.", answers={"pad_mask": PAD_MASK.replace("    ", "\t")}),
    odd(
        "comments",
        "Has cells of comments alone, empty cells and cells of one long line.",
        cells=("# a note", "", "\n\n\n", "x = [" + "1, " * 20_000 + "]", '"""a text"""'),
    ),
    odd(
        "unicode-names",
        "Names its variables in other scripts.",
        answers={"pad_mask": PAD_MASK.replace("places", "Plätze_α")},
    ),
    odd(
        "odd-spaces",
        "Has spaces that cannot be seen, as copied from a page.",
        answers={"pad_mask": PAD_MASK + "# a\N{NO-BREAK SPACE}comment\N{ZERO WIDTH SPACE}\n"},
    ),
    # ---- the file
    odd("run-all", "Was run from top to bottom, with outputs, errors and widgets stored.", change=_ran),
    odd("from-colab", "Comes back from Colab, with metadata of its own.", change=_colab),
    odd("source-in-lines", "Has its sources as lists of lines, as Jupyter writes them.", raw=_lines),
    odd(
        "extra-markdown",
        "Has notes, pictures and formulas between the cells.",
        change=lambda made: [
            made.cells.insert(
                2 * i,
                new_markdown_cell(
                    "My note $\\alpha_{ij}$ ![](attachment:a.png) <details><summary>x</summary></details>"
                ),
            )
            for i in range(20)
        ],
    ),
    odd("prose-edited", "Edits the prose.", change=replaced("Welcome.", "Welcome, me.")),
    # ---- a module
    odd(
        "module-other-ways",
        "Writes its module with einsum, helpers, buffers and a reset.",
        lesson=ADDITIVE,
        answers={
            "AdditiveAttention": "import math\n"
            + ADDITIVE_ATTENTION.replace(
                "super().__init__()",
                """\
nn.Module.__init__(self)
        self.register_buffer('one', torch.ones(1), persistent=False)
        self.calls = 0""",
            )
            .replace(
                "    def forward",
                """\
    @property
    def scale(self):
        return math.sqrt(1)

    def forward""",
            )
            .replace("        scores =", "        self.calls += 1\n        scores =")
        },
    ),
    odd(
        "module-printed",
        "Prints in its module and keeps the weights for a figure.",
        lesson=ADDITIVE,
        answers={
            "AdditiveAttention": ADDITIVE_ATTENTION.replace(
                "        return context",
                """\
        self.last = weights.detach()
        print(self.last.shape, queries.shape)
        return context""",
            )
        },
    ),
    odd(
        "module-own-scores",
        "Does not need its earlier answers, which are missing.",
        lesson=ADDITIVE,
        answers={
            "AdditiveAttention": ADDITIVE_SCORES.replace("additive_scores", "scores_of")
            + ADDITIVE_ATTENTION.replace("additive_scores(", "scores_of(")
        },
    ),
]
