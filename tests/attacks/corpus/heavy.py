"""Attacks on the time of whoever reads, judges and shows a submission, before and after it runs."""

from collections.abc import Callable

from nbformat.v4 import new_code_cell, new_markdown_cell

from ..attack import MASKED_MEAN, PAD_MASK, Attack, hand_in, raw
from .malformed import BOTH


def beside(id: str, tries: str, *cells: str, **more) -> Attack:
    """Right answers beside cells of code that take long to read."""
    return raw(id, tries, hand_in(cells=cells), **(BOTH | more))


def prose(id: str, tries: str, text: str) -> Attack:
    """Right answers beside a cell of prose that takes long to show."""

    def change(made) -> None:
        made.cells.insert(0, new_markdown_cell(text))

    return raw(id, tries, hand_in(change=change), **BOTH)


def _many_cells(number: int, source: Callable[[int], str]) -> Callable:
    def change(made) -> None:
        made.cells += [new_code_cell(source(i), id=f"many-{i}") for i in range(number)]

    return change


ATTACKS = [
    # ---- reading
    beside("read-classes", "Defines 20,000 classes.", "\n".join(f"class A{i}: pass" for i in range(20_000))),
    beside("read-lambdas", "Has 50,000 lambdas.", "\n".join(f"lambda: a{i}" for i in range(50_000))),
    beside("read-comprehensions", "Has 40,000 comprehensions.", "[a for a in b]\n" * 40_000),
    beside("read-comparison", "Has one comparison of 300,000 parts.", "x = " + "a<" * 300_000 + "1"),
    beside("read-with", "Enters 200,000 contexts at once.", "with " + "a, " * 200_000 + "b: pass"),
    beside("read-signs", "Has a number with half a million signs.", "x = " + "-" * 500_000 + "1"),
    beside("read-brackets", "Has 400,000 open brackets.", "x = " + "(" * 400_000),
    beside("read-calls", "Calls what is called 200,000 times.", "x = a" + "()" * 200_000),
    beside("read-decorators", "Has 150,000 decorators.", "@a\n" * 150_000 + "def f(): pass"),
    beside(
        "read-arguments",
        "Has 80,000 arguments.",
        f"def f({', '.join(f'a{i}' for i in range(80_000))}): pass",
    ),
    beside("read-line-ends", "Has a word and 900,000 line ends.", "async" + "\n" * 900_000 + "("),
    beside("read-magics", "Has 199 magics in a long cell.", "%x\n" * 199 + "a = [1, 2, (3, 4)]\n" * 30_000),
    raw(
        "read-names-alike",
        "Has no answer, but 40,000 names that are nearly its name.",
        hand_in({"pad_mask": "\n".join(f"pad_masx{i} = 1" for i in range(40_000))}),
        masked_mean=4,
    ),
    raw(
        "read-cells",
        "Has 1,900 cells, each of which needs the one before it, and its answer all of them.",
        hand_in(
            {"pad_mask": PAD_MASK.replace("<", "* x1899 <")},
            cells=("x = [1]", "x0 = 1"),
            change=_many_cells(1900, lambda i: f"x{i} = x{i - 1}" if i else "x0 = 1"),
        ),
        **BOTH,
    ),
    raw(
        "read-cells-many-names",
        "Has 1,500 cells with 20 names each, which need one another in a tangle.",
        hand_in(
            {"pad_mask": PAD_MASK + "x1_5 = None\n"},
            change=_many_cells(
                1500, lambda i: "; ".join(f"x{i}_{j} = x{i * 7 % 1500}_{j} if 0 else 1" for j in range(20))
            ),
        ),
        **BOTH,
    ),
    raw(
        "read-answers",
        "Has 1,900 cells that all define the answer.",
        hand_in(change=_many_cells(1900, lambda i: PAD_MASK + f"# {i}")),
        **BOTH,
    ),
    # ---- compiling, in the sandbox
    beside(
        "compile-power", "Has constants that would be enormous.", "x = 10 ** 10 ** 10\ny = 'a' * 10 ** 12"
    ),
    raw(
        "compile-deep",
        "Nests its answer so deep that the compiler gives up.",
        hand_in(
            {
                "pad_mask": PAD_MASK
                + "x = "
                + "(lambda: " * 90
                + "1"
                + ")" * 90
                + "\n"
                + "f(" * 150
                + ")" * 150
            }
        ),
        pad_mask=3,
        masked_mean=4,
    ),
    # ---- showing
    prose("show-environments", "Opens 30,000 LaTeX environments in its prose.", "\\begin{a}" * 30_000),
    prose("show-brackets", "Has 200,000 brackets in its prose.", "[" * 200_000),
    prose("show-quotes", "Quotes 5,000 levels deep in its prose.", ">" * 5_000 + " a"),
    prose("show-table", "Has a table with 20,000 columns.", "|a" * 20_000 + "|\n" + "|-" * 20_000 + "|\n"),
    prose("show-formulas", "Has 100,000 signs of formulas in its prose.", "$a" * 50_000 + "$$ a " * 10_001),
    beside("show-operators", "Has 200,000 signs in a cell that is coloured.", "@" * 200_000),
    raw(
        "show-long-lines",
        "Has answers in lines of ninety thousand characters.",
        hand_in(
            {"pad_mask": PAD_MASK + "# " + "x" * 90_000, "masked_mean": MASKED_MEAN + "# " + "y" * 90_000}
        ),
        **BOTH,
    ),
    raw(
        "show-attachments",
        "Has 9 MB of pictures in its prose.",
        hand_in(
            change=lambda made: made.cells[0].update(attachments={"a.png": {"image/png": "A" * 9_000_000}})
        ),
        **BOTH,
    ),
]
