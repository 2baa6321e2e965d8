"""What lies in the folder of a student, and what the student is called."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from ..attack import MASKED_MEAN, PAD_MASK, START, hand_in, put, raw
from ..grounds import Grounds
from .edited import OFF_BY_ONE
from .malformed import BOTH, NAME


def _link(name: str, target: str) -> Callable[[Path, Grounds], None]:
    def write(folder: Path, grounds: Grounds) -> None:
        hand_in({"pad_mask": OFF_BY_ONE})(folder, grounds)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(grounds.fill(target))

    return write


def _special(make: Callable[[Path], object], name: str = NAME) -> Callable[[Path, Grounds], None]:
    def write(folder: Path, grounds: Grounds) -> None:
        folder.mkdir()
        make(folder / name)

    return write


def _beside(make: Callable[[Path, Grounds], object], answers: dict | None = None) -> Callable:
    """A right notebook with something beside it."""

    def write(folder: Path, grounds: Grounds) -> None:
        hand_in(answers)(folder, grounds)
        make(folder, grounds)

    return write


def _socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(path.parent)  # the name of a socket may not be long
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def _many(folder: Path, _: Grounds) -> None:
    for i in range(10_000):
        (folder / f"file-{i}.txt").touch()


def _deep(folder: Path, _: Grounds) -> None:
    for i in range(100):
        folder = folder / f"folder-{i}"
    folder.mkdir(parents=True)
    (folder / "last.txt").touch()


def _second(answers: dict, name: str) -> Callable:
    return lambda folder, grounds: hand_in(answers, name=name)(folder, grounds)


ATTACKS = [
    # ---- names and files
    raw(
        "renamed",
        "Hands in the notebook under another name.",
        hand_in(name="My Solution (final).ipynb"),
        **BOTH,
    ),
    raw(
        "renamed-case",
        "Hands in the notebook under its name in capitals.",
        hand_in(name="00_START_HERE.IPYNB"),
        **BOTH,
    ),
    raw(
        "renamed-copy",
        "Hands in the copy that a browser names so.",
        hand_in(name="00_start_here (1).ipynb"),
        **BOTH,
    ),
    raw(
        "in-a-folder",
        "Hands in the notebook one folder further down.",
        hand_in(name=f"00_start_here/{NAME}"),
        **BOTH,
    ),
    raw(
        "second-notebook",
        "Hands in a second notebook with other answers beside the right one.",
        _beside(_second({"pad_mask": OFF_BY_ONE}, "old.ipynb")),
        **BOTH,
    ),
    raw(
        "second-notebook-better",
        "Hands in the wrong notebook under the right name and the right one under another.",
        _beside(_second({}, "better.ipynb"), {"pad_mask": OFF_BY_ONE}),
        pad_mask=1,
        masked_mean=4,
    ),
    raw(
        "checkpoint",
        "Has Jupyter's checkpoint beside it, with other answers.",
        _beside(_second({"pad_mask": OFF_BY_ONE}, f".ipynb_checkpoints/{START}-checkpoint.ipynb")),
        **BOTH,
    ),
    raw("other-lesson", "Hands in the notebook of another lesson.", hand_in(lesson="05_additive", name=NAME)),
    raw(
        "as-python",
        "Hands in the answers as a Python file.",
        lambda folder, _: put(folder / "00_start_here.py", f"import torch\n{PAD_MASK}\n{MASKED_MEAN}"),
        readable=False,
    ),
    raw(
        "link-to-classmate",
        "Hands in a link to a classmate's notebook.",
        _link(NAME, f"@SUBMITTED@/aa-honest/{START}/{NAME}"),
        readable=False,
    ),
    raw(
        "link-to-solution",
        "Hands in a link to the solutions.",
        _link(NAME, f"@COURSE@/solutions/{START}/{NAME}"),
        readable=False,
    ),
    raw(
        "link-relative",
        "Hands in a link that leads to a classmate by dots.",
        _link(NAME, f"../../aa-honest/{START}/{NAME}"),
        readable=False,
    ),
    raw(
        "link-to-gradebook",
        "Hands in a link to the gradebook.",
        _link(NAME, "@COURSE@/gradebook.db"),
        readable=False,
    ),
    raw(
        "link-to-passwd",
        "Hands in a link to the machine's accounts.",
        _link(NAME, "/etc/passwd"),
        readable=False,
    ),
    raw("link-to-itself", "Hands in a link that leads to itself.", _link(NAME, NAME), readable=False),
    raw("link-to-nothing", "Hands in a link that leads nowhere.", _link(NAME, "gone.ipynb"), readable=False),
    raw(
        "link-to-device",
        "Hands in a link to a device that never ends.",
        _link(NAME, "/dev/zero"),
        readable=False,
    ),
    raw(
        "link-to-terminal",
        "Hands in a link to a device that waits for a person.",
        _link(NAME, "/dev/tty"),
        readable=False,
    ),
    raw(
        "links-beside",
        "Has links to secrets, devices and folders beside the notebook.",
        _beside(
            lambda f, g: [
                (f / n).symlink_to(t)
                for n, t in (
                    ("secret.txt", g.course / "secret.txt"),
                    ("data.db", g.course / "gradebook.db"),
                    ("zero", "/dev/zero"),
                    ("course", g.course),
                    ("loop", "."),
                    ("gone", "nothing"),
                )
            ]
        ),
        **BOTH,
    ),
    raw(
        "folder-is-a-link",
        "Hands in a link to a classmate's folder.",
        lambda folder, g: folder.symlink_to(g.submitted / "aa-honest" / START),
        readable=False,
    ),
    raw(
        "notebook-is-a-folder",
        "Hands in a folder that is named as the notebook.",
        _special(lambda p: p.mkdir()),
        readable=False,
    ),
    raw("notebook-is-a-fifo", "Hands in a pipe that nobody writes to.", _special(os.mkfifo), readable=False),
    raw("notebook-is-a-socket", "Hands in a socket.", _special(_socket), readable=False),
    raw(
        "fifo-beside",
        "Has a pipe and a socket beside the notebook.",
        _beside(lambda f, _: (os.mkfifo(f / "data.csv"), _socket(f / "s"))),
        **BOTH,
    ),
    raw("files-beside-10000", "Has 10,000 files beside the notebook.", _beside(_many), **BOTH),
    raw(
        "folders-beside-deep",
        "Has a hundred folders, one in another, beside the notebook.",
        _beside(_deep),
        **BOTH,
    ),
    raw(
        "mode-000",
        "Took away all rights from the notebook.",
        _beside(lambda f, _: (f / NAME).chmod(0)),
        **BOTH,
    ),
    raw(
        "stray-modules",
        "Has modules beside the notebook that would replace the grader's own.",
        hand_in(
            {"pad_mask": OFF_BY_ONE},
            files={
                name: """\
import os, sys
open('@COURSE@/@MARK@-stray', 'w').close()
raise SystemExit(0)
"""
                for name in (
                    *("torch.py", "json.py", "numpy/__init__.py", "seqattn_ref.py", "autograder/__init__.py"),
                    *("ipykernel_launcher.py", "conftest.py", "sitecustomize.py", "usercustomize.py"),
                    *(
                        "nbgrader_config.py",
                        "jupyter_config.py",
                        "pytest.ini",
                        "x.pth",
                        "setup.py",
                        "IPython.py",
                    ),
                )
            },
        ),
        pad_mask=1,
        masked_mean=4,
    ),
    raw(
        "stray-results",
        "Has files beside the notebook that are named as the grader's own.",
        _beside(
            lambda f, _: [
                put(f / n, b'{"score": 7.0}')
                for n in (
                    "grades.csv",
                    "results.json",
                    f"{START}.json",
                    "log.jsonl",
                    "gradebook.db",
                    "feedback/x.html",
                )
            ],
            {"pad_mask": OFF_BY_ONE},
        ),
        pad_mask=1,
        masked_mean=4,
    ),
    *(
        raw(f"timestamp-{id}", f"Has a timestamp {what}.", hand_in(files={"timestamp.txt": text}), **BOTH)
        for id, what, text in (
            ("empty", "without text", ""),
            ("nonsense", "that is no time", "yesterday, I think"),
            ("far", "beyond all calendars", "99999-12-31 23:59:59 UTC"),
            ("binary", "of bytes that are no text", b"\xff\xfe\x00"),
            ("long", "of a megabyte", "2025-" * 200_000),
            ("zone", "in a zone that does not exist", "2025-01-01 00:00:00 +99999999"),
        )
    ),
    raw(
        "timestamp-link",
        "Has a timestamp that is a link to a secret.",
        _beside(lambda f, g: (f / "timestamp.txt").symlink_to(g.course / "secret.txt")),
        **BOTH,
    ),
    raw(
        "timestamp-device",
        "Has a timestamp that is a link to a device that never ends.",
        _beside(lambda f, _: (f / "timestamp.txt").symlink_to("/dev/zero")),
        **BOTH,
    ),
    raw(
        "timestamp-fifo",
        "Has a timestamp that is a pipe.",
        _beside(lambda f, _: os.mkfifo(f / "timestamp.txt")),
        **BOTH,
    ),
    raw(
        "timestamp-folder",
        "Has a timestamp that is a folder.",
        _beside(lambda f, _: (f / "timestamp.txt").mkdir()),
        **BOTH,
    ),
    # ---- names of students
    *(
        raw(f"student-{id}", f"Is handed in by a student whose name {what}.", hand_in(), student=name, **BOTH)
        for id, what, name in (
            ("spaces", "has spaces at its ends", " Ann  Lee "),
            ("quotes", "breaks quotes and HTML", "'\"><img src=x onerror=alert(1)>"),
            ("formula", "is a spreadsheet's formula", '=HYPERLINK("http:x","y")'),
            ("option", "looks like an option", "--force"),
            ("template", "is a template", "{{7*7}}{0}{student_id}%s$HOME"),
            ("glob", "is a pattern", "a[b]*?"),
            ("newline", "has a line break", "ann\nbob,7,7"),
            ("terminal", "steers a terminal", "\x1b[2Jann\x07\u202e"),
            ("bytes", "is no UTF-8", "ann\udcff\udcfe"),
            ("long", "has 250 characters", "x" * 250),
            ("wide", "has 250 bytes in 83 letters", "\N{SNOWMAN}" * 83),
            ("composed", "has an accent in one way", "Ren\u00e9"),
            ("decomposed", "has the same accent in another way", "Rene\u0301"),
            ("upper", "is another's in capitals", "AA-HONEST"),
            ("reserved", "is reserved on Windows", "CON"),
            ("index", "is that of a file of the grader", "index.html"),
            ("dots", "has dots", "ann...json"),
            ("plus", "has signs that mean something elsewhere", "ann+1&b=2#c%2e%2e;d"),
        )
    ),
]
