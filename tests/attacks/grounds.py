"""The ground on which a class is graded: secrets that nobody may read, files and processes that must stay."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import secrets
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
HONEST = ("aa-honest", "mm-honest", "zz-honest")
"""Students with right answers, who must get full points whatever the others do."""


@dataclass
class Grounds:
    """Where a class lives. In the text of an attack `@COURSE@` and so on stand for these.

    `secret` is a text that only the grader may read: it stands in files, in the environment, in a
    classmate's notebook and in the gradebook. `mark` is what an attack leaves where it may not write.
    """

    root: Path
    secret: str = field(default_factory=lambda: f"canary-{secrets.token_hex(8)}")
    mark: str = field(default_factory=lambda: f"planted-{secrets.token_hex(4)}")
    sleeper: int = 0
    """A process of the one who grades that has nothing to do with the class."""

    @property
    def course(self) -> Path:
        return self.root / "course"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def shared(self) -> Path:
        """The temporary folder of the machine, as the one who grades and all others see it."""
        return self.root / "tmp"

    @property
    def submitted(self) -> Path:
        return self.course / "course" / "submitted"

    @property
    def out(self) -> Path:
        return self.course / "results"

    def fill(self, text: str) -> str:
        names = {
            "COURSE": self.course,
            "HOME": self.home,
            "SUBMITTED": self.submitted,
            "OUT": self.out,
            "TMP": self.shared,
            "REPO": REPO,
            "MARK": self.mark,
            "SLEEPER": self.sleeper,
            "PYTHON": sys.executable,
        }
        for name, value in names.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def environment(self) -> dict[str, str]:
        """The environment of the one who grades."""
        kept = {
            name: v for name, v in os.environ.items() if not name.startswith(("JUPYTER", "XDG", "PYTEST"))
        }
        # nbgrader calls alembic by its bare name.
        path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
        own = {"HOME": str(self.home), "TMPDIR": str(self.shared), "PYTHONPATH": str(REPO), "PATH": path}
        return kept | own | {"SEQATTN_TEST_SECRET": self.secret}

    # ---- what is there before

    def lay_out(self, lessons: tuple[str, ...]) -> None:
        """Make the course and the home, open to everybody, so that only the sandbox's walls protect them."""
        self.root.chmod(0o755)
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        self.submitted.mkdir(parents=True)
        for lesson in lessons:
            source = (REPO / "solutions" / lesson / f"{lesson}.ipynb").read_text(encoding="utf-8")
            marked = source.replace("### BEGIN SOLUTION\\n", f"### BEGIN SOLUTION\\n# {self.secret}\\n")
            _write(self.course / "solutions" / lesson / f"{lesson}.ipynb", marked)
        text = f"{self.secret}\n"
        for name in ("secret.txt", f"{self.secret}.txt", ".git/config"):
            _write(self.course / name, text)
        _write(self.course / ".git" / "objects" / "ab" / "cdef", zlib.compress(f"blob\0{text}".encode()))
        for name in (".ssh/id_rsa", ".netrc", ".bashrc", ".git-credentials", f"{self.secret}.txt"):
            _write(self.home / name, text)
        (self.home / ".jupyter").mkdir()

    def gradebook(self) -> None:
        """A stand-in for nbgrader's gradebook where nbgrader is not used."""
        with contextlib.closing(sqlite3.connect(self.course / "gradebook.db")) as book, book:
            book.execute("create table grade (auto_score real, manual_score real)")
            book.execute("create table comment (comment text)")
            book.execute("insert into grade values (1, 0)")
            book.execute("insert into comment values (?)", (self.secret,))

    def protected(self) -> dict[str, tuple]:
        """What must be as it was afterwards: path to mode, owner, time, attributes and contents."""
        places = [
            *(self.course / "solutions", self.course / ".git", self.course / "secret.txt"),
            # Libraries keep their caches in a home, so its own folder may change.
            *(path for path in self.home.iterdir() if path.name not in (".cache", ".config")),
            *(self.submitted / name for name in HONEST),
        ]
        found = {}
        for place in places:
            for path in [place, *sorted(place.rglob("*"))]:
                status = path.lstat()
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                times = status.st_mtime_ns if path.is_file() else 0
                found[str(path)] = (status.st_mode, status.st_uid, times, tuple(os.listxattr(path)), content)
        return found

    # ---- what is there afterwards

    def planted(self) -> list[str]:
        """Files that an attack left, wherever they are. They are removed."""
        library = Path(sysconfig.get_path("stdlib"))
        packages = Path(sysconfig.get_path("purelib"))
        shallow = (
            *("/", "/tmp", self.shared, "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue"),
            *(REPO, REPO / "autograder", REPO / "autograder" / "exercises", REPO / "seqattn_ref"),
            *(REPO / "seqattn_ref" / "lab", library, packages, packages / "torch"),
        )
        found = [p for place in shallow for p in Path(place).glob(f"*{self.mark}*")]
        for place in (self.course, self.home):
            for path in place.rglob("*"):
                # What the grader writes of a submission may quote it.
                quotes = self.out in path.parents or {"autograded", "feedback"} & {*path.parts}
                if self.submitted in path.parents:
                    continue
                if self.mark in path.name or (path.is_file() and not quotes and self._marked(path)):
                    found.append(path)
        for path in found:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return sorted({str(path) for path in found})

    def _marked(self, path: Path) -> bool:
        return self.mark.encode() in path.read_bytes()

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Gives a list that afterwards tells what became of processes that must neither change nor stay."""
        told: list[str] = []
        # Whatever is left behind becomes a child of this process, and can be seen.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        sleeper = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(3600)"],
            env=self.environment(),
            start_new_session=True,
        )
        self.sleeper = sleeper.pid
        try:
            before, children = _state(sleeper.pid), set(_children())
            yield told
            if sleeper.poll() is not None:
                told.append(f"the sleeping process ended with {sleeper.returncode}")
            elif (after := _state(sleeper.pid)) != before:
                told.append(f"the sleeping process was {before} and is {after}")
            deadline = time.monotonic() + 10  # the kernel may still be ending what was killed
            while (left := set(_children()) - children) and time.monotonic() < deadline:
                time.sleep(0.1)
            told += [f"process {pid} was left behind" for pid in left]
        finally:
            sleeper.kill()
            sleeper.wait()


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _state(pid: int) -> tuple:
    """What others could change of a process, and whether it runs at all."""
    status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_AS)
    return (
        status not in "TtZX",
        *(resource.prlimit(pid, kind) for kind in kinds),
        os.getpriority(os.PRIO_PROCESS, pid),
        os.sched_getscheduler(pid),
        os.sched_getaffinity(pid),
    )


def _children() -> Iterator[int]:
    """Processes whose parent is this one, but for those that have ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                yield int(path.parent.name)
