"""Notebooks that are no notebooks, or hardly: broken files, odd encodings, odd JSON."""

import json
from collections.abc import Callable

import nbformat

from ..attack import PAD_MASK, START, Attack, hand_in, put, raw

NAME = f"{START}.ipynb"


BOTH = {"pad_mask": 3, "masked_mean": 4}


def in_bytes(id: str, tries: str, change: Callable[[bytes], bytes], **more) -> Attack:
    """`change` does something to the bytes of a right notebook."""
    return raw(id, tries, hand_in(raw=change), **more)


def in_json(id: str, tries: str, change: Callable[[dict], object], **more) -> Attack:
    """`change` does something to the JSON of a right notebook."""

    def edit(data: bytes) -> bytes:
        made = json.loads(data)
        change(made)
        return json.dumps(made).encode("utf-8", "surrogatepass")

    return in_bytes(id, tries, edit, **more)


def unreadable(id: str, tries: str, content: bytes, **more) -> Attack:
    return raw(id, tries, lambda folder, _: put(folder / NAME, content), readable=False, **more)


def each_cell(do: Callable) -> Callable:
    return lambda made: [do(c) for c in (made["cells"] if isinstance(made, dict) else made.cells)]


def in_turn(do: Callable, values: list) -> Callable:
    """Do something to the first cells, with one value each."""
    return lambda made: [do(c, value) for c, value in zip(made["cells"], values, strict=False)]


def _older(version: int) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        made = nbformat.from_dict(json.loads(data))
        for c in made.cells:
            c.pop("id", None)
        made.nbformat_minor = 4
        return json.dumps(nbformat.convert(made, version)).encode()

    return convert


ATTACKS = [
    # ---- not a notebook
    unreadable("empty-file", "Hands in an empty file.", b""),
    unreadable("blank-file", "Hands in spaces.", b" \n" * 1000),
    unreadable("not-json", "Hands in a Python file under the notebook's name.", PAD_MASK.encode()),
    unreadable("json-list", "Hands in a list.", b'[{"cells": []}]'),
    unreadable("json-null", "Hands in null.", b"null"),
    unreadable("json-number", "Hands in a number of a million digits.", b"9" * 1_000_000),
    unreadable(
        "json-deep", "Hands in lists nested a million deep.", b'{"nbformat": 4, "cells": ' + b"[" * 1_000_000
    ),
    unreadable("json-deep-closed", "The same, with every list closed.", b"[" * 500_000 + b"]" * 500_000),
    unreadable("binary", "Hands in bytes of no meaning.", bytes(range(256)) * 100),
    unreadable(
        "no-cells",
        "Hands in a notebook without cells.",
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    ),
    unreadable(
        "cells-null",
        "Hands in a notebook whose cells are null.",
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": null}',
    ),
    raw(
        "cells-none",
        "Hands in a valid notebook with no cell in it.",
        lambda folder, _: put(
            folder / NAME, b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
        ),
        readable=False,
    ),
    in_bytes(
        "truncated",
        "Is cut off in the middle, as by a full disk.",
        lambda d: d[: len(d) // 2],
        readable=False,
    ),
    in_bytes("truncated-by-a-byte", "Lacks its last bracket.", lambda d: d.rstrip()[:-1], readable=False),
    in_bytes(
        "doubled-file", "Holds the notebook twice, one after the other.", lambda d: d + d, readable=False
    ),
    in_bytes(
        "conflict-marks",
        "Holds the marks of an unfinished git merge.",
        lambda d: b"<<<<<<< HEAD\n" + d + b"=======\n" + d + b">>>>>>> other\n",
        readable=False,
    ),
    in_bytes(
        "null-bytes",
        "Holds null bytes between the characters.",
        lambda d: d[:500] + b"\0" * 10 + d[500:],
        readable=False,
    ),
    in_bytes(
        "oversize", "Is 50 MB long, by spaces at its end.", lambda d: d + b" " * (50 << 20), readable=False
    ),
    raw(
        "nothing",
        "Hands in a folder without anything in it.",
        lambda folder, _: folder.mkdir(),
        readable=False,
    ),
    raw(
        "folder-is-a-file",
        "Hands in a file where the assignment's folder should be.",
        lambda folder, _: put(folder, b"here I am"),
        readable=False,
    ),
    # ---- odd encodings
    in_bytes(
        "bad-utf-8",
        "Holds a byte that is no UTF-8, in a comment.",
        lambda d: d.replace(b"# 00 Start", b"# \xff\xfe Start", 1),
        **BOTH,
    ),
    in_bytes("byte-order-mark", "Begins with a byte order mark.", lambda d: b"\xef\xbb\xbf" + d, **BOTH),
    in_bytes("utf-16", "Is UTF-16.", lambda d: d.decode().encode("utf-16"), **BOTH),
    in_bytes("utf-32", "Is UTF-32.", lambda d: d.decode().encode("utf-32"), **BOTH),
    in_bytes(
        "cp1252",
        "Is cp1252, with an accent in a comment.",
        lambda d: d.replace(b"places =", "é = places =".encode("cp1252"), 1),
        **BOTH,
    ),
    in_bytes(
        "crlf",
        "Has the line ends of Windows, in the file and in the cells.",
        lambda d: d.replace(b"\\n", b"\\r\\n").replace(b"\n", b"\r\n"),
        **BOTH,
    ),
    in_bytes(
        "half-characters",
        "Holds halves of surrogate pairs.",
        lambda d: d.replace(b"places =", b"s = '\\ud800'; places =", 1),
        pad_mask=3,
        masked_mean=4,
    ),
    # ---- nbformat
    *(
        raw(f"nbformat-{v}", f"Is a notebook of nbformat {v}.", hand_in(raw=_older(v)), **BOTH)
        for v in (3, 2)
    ),
    in_json(
        "nbformat-1", "Says that it has nbformat 1.", lambda made: made.update(nbformat=1), readable=False
    ),
    in_json(
        "nbformat-5", "Says that it has nbformat 5.", lambda made: made.update(nbformat=5), readable=False
    ),
    in_json(
        "nbformat-minor-99",
        "Says that it has nbformat 4.99.",
        lambda made: made.update(nbformat_minor=99),
        **BOTH,
    ),
    in_json(
        "nbformat-text",
        "Gives its nbformat as text.",
        lambda made: made.update(nbformat="4", nbformat_minor="5"),
        **BOTH,
    ),
    in_json(
        "nbformat-gone",
        "Does not say which nbformat it has.",
        lambda made: [made.pop(name) for name in ("nbformat", "nbformat_minor")],
        **BOTH,
    ),
    in_json(
        "nbformat-negative",
        "Says that it has nbformat -4.",
        lambda made: made.update(nbformat=-4, nbformat_minor=1e400),
        readable=False,
    ),
    in_json(
        "metadata-list",
        "Has lists where metadata should be.",
        lambda made: [part.update(metadata=[]) for part in (made, *made["cells"])],
        **BOTH,
    ),
    in_json(
        "metadata-odd",
        "Has text, numbers and nulls for nbgrader's metadata.",
        in_turn(lambda c, n: c["metadata"].update(nbgrader=n), [None, 3, "x", [], True] * 20),
        **BOTH,
    ),
    in_json(
        "source-odd",
        "Has cells whose source is null, a number or a nested list.",
        in_turn(lambda c, s: c.update(source=s), [None, 3, [["x"]], {"a": 1}]),
        **BOTH,
    ),
    in_json(
        "cells-odd",
        "Has cells that are no objects.",
        lambda made: made["cells"].extend([None, 3, "x", [], {}]),
        **BOTH,
    ),
    in_json(
        "cell-type-odd",
        "Has cells of types that do not exist.",
        in_turn(lambda c, t: c.update(cell_type=t), ["heading", "", None, 3]),
        **BOTH,
    ),
    in_json(
        "language-odd",
        "Says that it is written in R, with a kernel that does not exist.",
        lambda made: made["metadata"].update(
            kernelspec={"name": "../../evil", "display_name": "x", "language": "R"},
            language_info={"name": "R"},
        ),
        **BOTH,
    ),
    in_bytes(
        "keys-doubled",
        "Has every source twice, first another one.",
        lambda d: d.replace(b'"source":', b'"source": "x = 1", "source":'),
        **BOTH,
    ),
    in_json("ids-gone", "Has no cell ids.", each_cell(lambda c: c.pop("id", None)), **BOTH),
    in_json("ids-alike", "Has the same id for every cell.", each_cell(lambda c: c.update(id="same")), **BOTH),
    in_json(
        "ids-odd",
        "Has ids that are numbers, or long, or hold slashes.",
        in_turn(lambda c, i: c.update(id=i), [3, "x" * 5000, "../..", None, ""] * 20),
        **BOTH,
    ),
]
