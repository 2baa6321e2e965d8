"""Reads the bytes of a notebook that anybody may have written."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FILE_LIMIT = 10_000_000
"""The most bytes that a file may have. Stored figures make notebooks large."""

CODE_LIMIT = 1_000_000
"""The most characters of code that a submission may have."""

CELL_LIMIT = 2_000
"""The most cells that a notebook may have. A lesson has fewer than a hundred."""

LABEL = "seqattn"
"""The key of a cell's metadata that says which cell of the submission it was (see `FileCell.label`)."""

_KINDS = {"code": "Code", "markdown": "Markdown", "raw": "Raw"}


class SubmissionError(ValueError):
    """The file cannot be read as a submission at all. The message is one sentence that says why."""


@dataclass(frozen=True)
class FileCell:
    """A cell as it stands in the file.

    `label` is what messages call it: "Code cell 12" is the twelfth code cell of what was handed in.
    `nbgrader` is nbgrader's part of the metadata, unchecked, and `marks` what `Released.rebuild` noted there.
    """

    label: str
    kind: str
    source: str
    id: str | None = None
    nbgrader: Mapping = field(default_factory=dict)
    marks: Mapping = field(default_factory=dict)
    attachments: Mapping = field(default_factory=dict)

    @property
    def grade_id(self) -> str | None:
        found = self.nbgrader.get("grade_id")
        return found if isinstance(found, str) else None

    @property
    def graded(self) -> bool:
        """Whether this is a cell whose points the autograder gives."""
        return self.kind == "code" and bool(self.nbgrader.get("grade")) and not self.nbgrader.get("solution")


def read_bytes(path: str | os.PathLike, follow_links: bool = True, name: str | None = None) -> bytes:
    """The bytes of a regular file. Waits for no pipe, reads no device and not more than `FILE_LIMIT`.

    Raises `SubmissionError`, in which the file is called `name` (its path by default). With `follow_links`
    false, that is also so where the file itself is a link.
    """
    name = str(path) if name is None else name
    # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        if not follow_links and os.path.islink(path):
            raise SubmissionError(f"{name} is a link to another file; hand in the file itself.")
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise SubmissionError(f"There is no file {name}.") from None
    except SubmissionError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SubmissionError(f"{name} cannot be opened: {reason}.") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise SubmissionError(f"{name} is a folder, not a file.")
        if not stat.S_ISREG(mode):
            raise SubmissionError(f"{name} is not a regular file.")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise SubmissionError(f"{name} cannot be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    if len(data) > FILE_LIMIT:
        raise SubmissionError(f"{name} is larger than {FILE_LIMIT // 1_000_000} MB.")
    return data


def read_notebook(data: bytes, name: str) -> tuple[list[FileCell], list[str]]:
    """The cells of a notebook and a note on each thing that was put right on the way.

    Raises `SubmissionError` when nothing of it can be used.
    """
    if len(data) > FILE_LIMIT:
        raise SubmissionError(f"{name} is larger than {FILE_LIMIT // 1_000_000} MB.")
    if not data.strip(b"\0 \t\r\n"):
        raise SubmissionError(f"{name} is an empty file: save the notebook and hand it in again.")
    notes: list[str] = []
    text = _decode(data, name, notes)
    return cells_of(_parse(text, name), name, notes), notes


def cells_of(notebook: object, name: str, notes: list[str] | None = None) -> list[FileCell]:
    """The cells of a notebook that was already read from its JSON. Adds to `notes` what was put right.

    Raises `SubmissionError`.
    """
    notes = [] if notes is None else notes
    found = _as_version_4(notebook, name, notes).get("cells")
    if not isinstance(found, list):
        raise SubmissionError(f"{name} is not a notebook: it has no list of cells.")
    if len(found) > CELL_LIMIT:
        raise SubmissionError(f"{name} has more than {CELL_LIMIT:,} cells.")
    counts = dict.fromkeys(_KINDS, 0)
    cells, lost = [], []
    for number, cell in enumerate(found, 1):
        source = _joined(cell.get("source")) if isinstance(cell, Mapping) else None
        kind = _kind(cell) if isinstance(cell, Mapping) else "raw"
        counts[kind] += 1
        if source is None:
            lost.append(number)
        else:
            cells.append(_file_cell(cell, kind, f"{_KINDS[kind]} cell {counts[kind]}", source))
    if not cells:
        what = "no cell that can be read" if lost else "no cells"
        raise SubmissionError(f"{name} holds {what}: save the notebook and hand it in again.")
    if lost:
        notes.append(f"{_numbered(lost)} of the file could not be read and {_were(lost)} left out.")
    if sum(len(cell.source) for cell in cells if cell.kind == "code") > CODE_LIMIT:
        raise SubmissionError(f"{name} holds more than {CODE_LIMIT:,} characters of code.")
    return cells


# ---- bytes to JSON


def _decode(data: bytes, name: str, notes: list[str]) -> str:
    encoding = json.detect_encoding(data)
    if not encoding.startswith("utf-8") or data.startswith(codecs.BOM_UTF8):
        try:
            text = data.decode(encoding)
            if encoding != "utf-8-sig":
                notes.append(
                    f"The file is written as {encoding.upper()} and not as UTF-8; it was read as such."
                )
            return text
        except UnicodeDecodeError:
            pass
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_anyhow(data, notes)


def _decode_anyhow(data: bytes, notes: list[str]) -> str:
    """Text that is nearly UTF-8 keeps its good characters; other text is taken for Windows' or Latin-1."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\N{REPLACEMENT CHARACTER}")
    good = sum(1 for c in text if c > "\x7f") - bad
    if good >= bad:
        notes.append(f"{bad} bytes of the file are not UTF-8; a placeholder stands in their place.")
        return text
    for encoding in ("cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        notes.append(f"The file is not UTF-8; it was read as {encoding}, so some characters may be wrong.")
        return text
    raise AssertionError("latin-1 reads any bytes")


def _parse(text: str, name: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise SubmissionError(f"{name} is nested too deeply to be read.") from None
    except json.JSONDecodeError as error:
        raise SubmissionError(_not_json(text, name, error)) from None
    except ValueError:  # a number of thousands of digits
        raise SubmissionError(f"{name} is not valid JSON.") from None


def _not_json(text: str, name: str, error: json.JSONDecodeError) -> str:
    what = f"{name} is not valid JSON: {error.msg.removesuffix(' at')} at line {error.lineno}"
    if re.search(r"^<{7} ", text, re.M):
        return f"{what}; it holds the marks of a git merge (<<<<<<<), which must be resolved first."
    # An error within the last word is that of its being cut, say in `tru`.
    ends = error.pos + len("false") > len(text.rstrip()) or error.msg.startswith("Unterminated")
    if text.lstrip()[:1] == "{" and ends:
        return f"{what}; it seems cut off: save the notebook and hand it in again."
    return f"{what}; hand in the notebook as Jupyter saves it."


# ---- JSON to cells


def _as_version_4(notebook: object, name: str, notes: list[str]) -> Mapping:
    if not isinstance(notebook, Mapping):
        raise SubmissionError(f"{name} is not a notebook: hand in the notebook as Jupyter saves it.")
    version = notebook.get("nbformat")
    if not isinstance(version, int) or isinstance(version, bool):
        if not isinstance(notebook.get("cells"), list):
            raise SubmissionError(f"{name} is not a notebook: it does not say which nbformat it has.")
        notes.append("The file does not say which nbformat it has; it was read as nbformat 4.")
        return notebook
    if version == 4:
        return notebook
    if not 1 <= version < 4:
        raise SubmissionError(
            f"{name} has nbformat {str(version)[:20]}, which is not known here: "
            "save it with a Jupyter that writes nbformat 4."
        )
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            older = nbformat.versions[version].to_notebook_json(notebook)
            converted = nbformat.convert(older, 4)
    except Exception as error:  # the converters meet whatever stands in the file with errors of any type
        reason = type(error).__name__
        raise SubmissionError(
            f"{name} has nbformat {version} and cannot be converted to 4 ({reason})."
        ) from None
    notes.append(f"The file has nbformat {version}; it was converted to nbformat 4.")
    return converted


def _kind(cell: Mapping) -> str:
    kind = cell.get("cell_type")
    if isinstance(kind, str) and kind in _KINDS:
        return kind
    return "code" if "outputs" in cell or "execution_count" in cell else "raw"


def _file_cell(cell: Mapping, kind: str, label: str, source: str) -> FileCell:
    metadata = _mapping(cell.get("metadata"))
    marks = _mapping(metadata.get(LABEL))
    known = marks.get("cell")
    if isinstance(known, str) and re.fullmatch(r"(Released code|Code|Markdown|Raw) cell [0-9]{1,6}", known):
        label = known
    identity = cell.get("id")
    return FileCell(
        label,
        kind,
        source,
        identity if isinstance(identity, str) else None,
        _mapping(metadata.get("nbgrader")),
        marks,
        _attachments(cell.get("attachments")),
    )


def _mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def _joined(source: object) -> str | None:
    """A multi-line string of nbformat as one string without half characters, or None when it is none."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", source)


def _attachments(value: object) -> dict[str, dict[str, str]]:
    """The pictures of a Markdown cell, as far as they are well formed."""
    kept = {}
    for name, bundle in _mapping(value).items():
        if isinstance(name, str) and isinstance(bundle, Mapping):
            data = {kind: _joined(part) for kind, part in bundle.items() if isinstance(kind, str)}
            kept[_joined(name)] = {_joined(kind): part for kind, part in data.items() if part is not None}
    return kept


def _numbered(numbers: Sequence[int]) -> str:
    shown = [str(n) for n in numbers[:5]] + ([f"{len(numbers) - 5} more"] if len(numbers) > 5 else [])
    if len(shown) == 1:
        return f"Cell {shown[0]}"
    return f"Cells {', '.join(shown[:-1])} and {shown[-1]}"


def _were(numbers: Sequence[int]) -> str:
    return "was" if len(numbers) == 1 else "were"
