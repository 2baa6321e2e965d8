"""Notebooks that were edited: cells deleted, doubled and moved, checks and metadata changed."""

import copy
from collections.abc import Callable

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from ..attack import MASKED_MEAN, PAD_MASK, RIGHT, START, Attack, cell, hand_in, notebook, raw
from .malformed import BOTH, each_cell

OFF_BY_ONE = PAD_MASK.replace("<", "<=")


def right(id: str, tries: str, change: Callable | None = None, **more) -> Attack:
    """Right answers in a notebook that `change` did something to: full points."""
    return raw(id, tries, hand_in(change=change, **more), **BOTH)


def wrong(id: str, tries: str, change: Callable | None = None, pad_mask: float = 1, **more) -> Attack:
    """`pad_mask` is off by one, `masked_mean` right, and `change` does something to gain more."""
    return raw(id, tries, hand_in({"pad_mask": OFF_BY_ONE}, change=change, **more), pad_mask, 4)


def each_answer(do: Callable) -> Callable:
    """Do something to the cell of each answer."""
    return lambda made: [do(made, cell(made, name)) for name in RIGHT[START]]


def metadata(**fields) -> Callable:
    """Set nbgrader's fields on the cells of both checks."""
    return lambda made: [
        cell(made, f"check_{name}").metadata.nbgrader.update(fields) for name in RIGHT[START]
    ]


def checks(do: Callable) -> Callable:
    return lambda made: [do(made, cell(made, f"check_{name}")) for name in RIGHT[START]]


def _doubled(made) -> None:
    made.cells += [copy.deepcopy(c) for c in made.cells]


def _stub_after(made, answer) -> None:
    """A second cell of the same grade_id, as it was handed out."""
    stub = copy.deepcopy(cell(notebook(), answer.metadata.nbgrader.grade_id))
    stub.id = f"{answer.id}-again"
    made.cells.append(stub)


def _to_prose(made, check) -> None:
    check.cell_type = "markdown" if "mean" in check.source else "raw"
    for name in ("outputs", "execution_count"):
        check.pop(name, None)


def _points_in_check(made, check) -> None:
    check.source = "3.0"
    check.outputs = [new_output("execute_result", data={"text/plain": "4.0"}, execution_count=1)]
    check.execution_count = 1


ATTACKS = [
    # ---- edited by hand
    right(
        "metadata-stripped",
        "Has no metadata at all, as some tools leave it.",
        each_cell(lambda c: c.update(metadata={})),
    ),
    right("checks-deleted", "Lacks the cells of the checks.", checks(lambda made, c: made.cells.remove(c))),
    right("cells-reordered", "Has its cells in the opposite order.", lambda made: made.cells.reverse()),
    right("cells-doubled", "Has every cell twice, by an accident of copying.", _doubled),
    right("imports-deleted", "Lacks the cell that imports torch.", lambda made: made.cells.pop(3)),
    right(
        "cells-joined",
        "Has all code in one cell.",
        lambda made: made.cells.__setitem__(
            slice(None), [new_code_cell("\n\n".join(["import torch", PAD_MASK, MASKED_MEAN]))]
        ),
    ),
    right(
        "only-answers",
        "Hands in the two answers and nothing else.",
        lambda made: made.cells.__setitem__(slice(None), [cell(made, n) for n in RIGHT[START]]),
    ),
    right(
        "grade-ids-doubled",
        "Has the cell of each check twice.",
        checks(lambda made, c: made.cells.append(copy.deepcopy(c))),
    ),
    right(
        "answers-to-markdown",
        "Has its answers in cells that were made Markdown and back, so that metadata is lost.",
        each_answer(lambda made, c: c.update(metadata={"nbgrader": {}})),
    ),
    wrong(
        "checks-edited",
        "Edits the checks so that they pass, and stores outputs that say so.",
        checks(_points_in_check),
    ),
    wrong("points-changed", "Gives its checks a thousand points each.", metadata(points=1000)),
    wrong("points-odd", "Gives its checks points that are no numbers.", metadata(points="NaN")),
    wrong("points-infinite", "Gives its checks infinitely many points.", metadata(points=1e308 * 10)),
    wrong("points-negative", "Gives its checks fewer than no points.", metadata(points=-3)),
    wrong("schema-1", "Says that its metadata has schema 1.", metadata(schema_version=1)),
    wrong("schema-99", "Says that its metadata has schema 99.", metadata(schema_version=99)),
    wrong("schema-odd", "Says that its metadata has a schema that is a list.", metadata(schema_version=[3])),
    wrong("not-graded", "Says that its checks are not to be graded.", metadata(grade=False, locked=False)),
    wrong(
        "graded-by-hand",
        "Says that its checks are answers to be graded by hand.",
        metadata(solution=True, locked=False),
    ),
    wrong("tasks", "Says that its checks are tasks.", metadata(task=True, grade=False)),
    wrong(
        "grade-ids-exchanged",
        "Exchanges the ids of the two checks, so that the worse one counts for less.",
        lambda made: [
            cell(made, "check_pad_mask").metadata.nbgrader.update(grade_id="x"),
            cell(made, "check_masked_mean").metadata.nbgrader.update(grade_id="check_pad_mask"),
            cell(made, "x").metadata.nbgrader.update(grade_id="check_masked_mean"),
        ],
    ),
    wrong(
        "grade-ids-odd",
        "Gives its checks ids that are no exercise, or no text.",
        lambda made: [
            cell(made, "check_pad_mask").metadata.nbgrader.update(grade_id="../../x"),
            cell(made, "check_masked_mean").metadata.nbgrader.update(grade_id=3),
        ],
    ),
    wrong("checksums", "Gives its cells checksums of its own.", metadata(checksum="0" * 32)),
    wrong(
        "skip-execution",
        "Tags its checks so that they are not run and keep their outputs.",
        checks(
            lambda made, c: (
                c.metadata.update(tags=["skip-execution", "raises-exception", "remove-cell"])
                or _points_in_check(made, c)
            )
        ),
    ),
    wrong(
        "cell-types-swapped",
        "Makes its checks Markdown and raw cells.",
        checks(_to_prose),
    ),
    wrong(
        "checks-above",
        "Moves its checks above everything, where nothing is defined.",
        lambda made: made.cells.sort(key=lambda c: not c.metadata.get("nbgrader", {}).get("grade")),
    ),
    wrong(
        "second-grade-cell",
        "Adds graded cells of its own, worth a hundred points.",
        lambda made: made.cells.append(
            new_code_cell(
                "100.0",
                metadata={
                    "nbgrader": {
                        "grade": True,
                        "solution": False,
                        "locked": True,
                        "grade_id": "check_bonus",
                        "points": 100,
                        "schema_version": 3,
                        "cell_type": "code",
                    }
                },
            )
        ),
    ),
    wrong(
        "other-lessons-check",
        "Adds the check of another lesson's exercise, which it can answer.",
        lambda made: made.cells.append(
            new_code_cell(
                "",
                metadata={
                    "nbgrader": {
                        "grade": True,
                        "solution": False,
                        "locked": True,
                        "grade_id": "check_dot_scores",
                        "points": 100,
                        "schema_version": 3,
                        "cell_type": "code",
                    }
                },
            )
        ),
        cells=("def dot_scores(queries, keys):\n    return queries @ keys.transpose(1, 2)",),
    ),
    wrong(
        "solution-marks",
        "Writes nbgrader's marks for solutions and hidden tests into its cells.",
        lambda made: cell(made, "pad_mask").update(
            source="""\
### BEGIN HIDDEN TESTS
### END HIDDEN TESTS
### BEGIN SOLUTION
"""
            + OFF_BY_ONE
            + "### END SOLUTION\n### AUTOTEST 3\n# HASHED AUTOTEST 3\n"
        ),
    ),
    wrong(
        "answer-twice",
        "Answers wrong in the cell of the answer, and right in another one with the same id before it.",
        lambda made: made.cells.insert(
            0, new_code_cell(PAD_MASK, metadata=copy.deepcopy(cell(made, "pad_mask").metadata))
        ),
        pad_mask=1,
    ),
    right("stub-again", "Has the untouched cells again at its end.", each_answer(_stub_after)),
    wrong(
        "outputs-huge",
        "Stores 5 MB of outputs and stale errors.",
        each_cell(
            lambda c: (
                c.cell_type == "code"
                and c.update(
                    outputs=[
                        new_output("stream", text="x" * 200_000),
                        new_output("error", ename="E", evalue="e", traceback=["t"]),
                    ]
                )
            )
        ),
    ),
    wrong(
        "outputs-odd",
        "Stores outputs of types that do not exist.",
        raw=lambda d: d.replace(
            b'"outputs": []', b'"outputs": [{"output_type": "grade", "data": {"text/plain": "3.0"}}, null, 3]'
        ),
    ),
    wrong(
        "attachments",
        "Has attachments, some broken.",
        lambda made: [
            c.update(attachments={"a.png": {"image/png": "A" * 100_000}, "b": {"text/html": "<script>"}})
            for c in made.cells
            if c.cell_type == "markdown"
        ],
    ),
    wrong(
        "script-in-markdown",
        "Writes script and forms into its prose for whoever looks at it while grading.",
        lambda made: made.cells.insert(
            0,
            new_markdown_cell(
                "<script>fetch('/formgrader/api/grade/1')</script>\n\n<img src=x onerror=alert(1)>\n\n"
                "<iframe srcdoc='hello'></iframe>\n\n[x](javascript:alert(1))"
            ),
        ),
    ),
]
