"""The fork-server: imports torch once, then forks one walled-in child for each answer. Linux only.

Started by `forked.py` as a script, in isolated mode, with a socket as standard input. It knows no exercise,
no reference and no gradebook, and never runs student code itself.

Over the socket come jobs, each with three descriptors: the job's frames in memory, a pipe for the results,
and a socket on which the child's end is told. When the grader closes that socket the child is killed; when it
closes the first one, all children are, and the fork-server ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time

_FOLDER = os.path.dirname(os.path.abspath(__file__))
RESULTS = 3
"""The descriptor that a child writes its results to. It holds no other but the standard ones."""

USUAL = ("numpy", "matplotlib.pyplot", "IPython.display", "ipywidgets", "seqattn_ref.lab")
"""What lessons import. The fork-server imports it when it has nothing else to do, so that no child must."""

_LOOK_S = 0.05
"""How often the children are looked after: their threads, and their folders where these are no file systems
of their own.
"""


def _load_own_package():
    """Import this folder under a name of its own, so that `autograder` itself is never imported here."""
    path = os.path.join(_FOLDER, "__init__.py")
    spec = importlib.util.spec_from_file_location("answer_box", path, submodule_search_locations=[_FOLDER])
    package = importlib.util.module_from_spec(spec)
    sys.modules["answer_box"] = package
    spec.loader.exec_module(package)


class _Child:
    """A child at work: its process, the grader's end of it, its folder and when it must be over."""

    def __init__(self, pid: int, line: socket.socket, folder: str | None, wall_s: float):
        self.pid, self.line, self.folder = pid, line, folder
        # The grader's own clock is first. This one is for a grader that is itself held up.
        self.deadline = time.monotonic() + wall_s + 10
        self.reason: str | None = None

    def kill(self, reason: str | None = None) -> None:
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class _Server:
    def __init__(self, control: socket.socket, namespaces: bool):
        from answer_box import inside, syscalls, walls

        self.control, self.namespaces = control, namespaces
        self.children: dict[int, _Child] = {}
        self.waiting = list(USUAL)
        self.readable = walls.readable_paths(inside.COURSE)
        try:
            self.program = syscalls.compile_filter()
        except OSError as error:
            self.program, self.no_program = None, str(error)
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
        wake, self.wakeup = os.pipe()
        for end in (wake, self.wakeup):
            os.set_blocking(end, False)
        self.selector.register(wake, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakeup, warn_on_full_buffer=False)
        _warm_up()
        gc.collect()
        gc.freeze()  # so that no child's collector touches, and thereby copies, what it shares

    def serve(self) -> None:
        while True:
            happened = self.selector.select(self._patience())
            for key, _ in happened:
                if key.fileobj is self.control:
                    if not self._receive():
                        return
                elif isinstance(key.data, _Child):
                    key.data.kill()  # the grader has all it wants, or has ended
                    self.selector.unregister(key.fileobj)
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(key.fd, 4096)
            self._reap()
            self._look_after()
            if not happened and self.waiting:
                self._import_usual(self.waiting.pop(0))

    def _patience(self) -> float | None:
        if self.waiting:
            return 0
        return _LOOK_S if self.children else None

    def _import_usual(self, name: str) -> None:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
        if not self.waiting:
            gc.collect()
            gc.freeze()

    def _receive(self) -> bool:
        """Start the next job. False when the grader has closed the socket."""
        message, descriptors, _, _ = socket.recv_fds(self.control, 65536, 3)
        if not message:
            return False
        job_fd, results_fd, line_fd = descriptors
        order = json.loads(message)
        pid = os.fork()
        if pid == 0:
            try:
                self._become_child(order, job_fd, results_fd)
            finally:
                os._exit(70)
        os.close(job_fd)
        os.close(results_fd)
        line = socket.socket(fileno=line_fd)
        child = _Child(pid, line, None if self.namespaces else order["folder"], order["limits"]["wall_s"])
        self.children[pid] = child
        self.selector.register(line, selectors.EVENT_READ, child)
        return True

    def _reap(self) -> None:
        while self.children:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue
            end = {
                "code": os.waitstatus_to_exitcode(status),
                "cpu": used.ru_utime + used.ru_stime,
                "reason": child.reason,
            }
            with contextlib.suppress(KeyError):
                self.selector.unregister(child.line)
            with contextlib.suppress(OSError):
                child.line.send(json.dumps(end).encode())
            child.line.close()

    def _look_after(self) -> None:
        from answer_box import walls

        threads = walls.count_threads() if self.children else {}
        for child in self.children.values():
            if time.monotonic() > child.deadline:
                child.kill()
            elif threads.get(child.pid, 0) > walls.THREADS:
                child.kill("It started too many threads.")
            elif child.folder is not None and _outgrown(child.folder):
                child.kill("It wrote too many files, or too much into them.")

    def _become_child(self, order: dict, job_fd: int, results_fd: int) -> None:
        from answer_box import inside, proof, walls
        from answer_box.frames import frames, write_frame

        os.setsid()
        walls.end_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        with os.fdopen(os.dup(job_fd), "rb") as stream:
            job, cases = inside.read_job(frames(stream))
        os.dup2(results_fd, 200)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.dup2(200, RESULTS)
        os.closerange(RESULTS + 1, 1 << 20)
        folder = order["folder"]
        if self.namespaces:
            walls.mount_folder(folder)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(order["environment"])
        tempfile.tempdir = None  # what was found out about the fork-server's own does not hold here
        missing = walls.raise_walls(order["limits"], self.readable, folder, self.program)
        results = os.fdopen(RESULTS, "wb", closefd=False)
        write_frame(results, json.dumps({"missing": missing, "namespaces": self.namespaces}).encode())
        if missing and not order["allow_unsafe"]:
            os._exit(0)
        if "proof" in job:
            write_frame(results, json.dumps(proof.attempts(**job["proof"])).encode())
        else:
            inside.answer(job, cases, lambda payload: write_frame(results, payload))
        os._exit(0)  # skip whatever the student registered to run at exit


def _warm_up() -> None:
    """Do once what each child would otherwise do for the first time. No backward: a process that has done one
    cannot be forked.
    """
    import torch
    from answer_box import wire
    from answer_box.case import Call, Case, Outcome
    from answer_box.perform import perform

    with contextlib.suppress(ImportError):  # a child then says that this wall is missing
        importlib.import_module("landlockpy").abi_version()

    def answer(x):
        return torch.tanh(x @ x.T).softmax(-1)

    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        case = wire.unpack_case(wire.pack_case(Case((Call((torch.ones(2, 2, dtype=dtype), 1, None)),))))
        for outcome in perform(answer, [case, Case((Call((torch.ones(2, 2, dtype=dtype),)),))]):
            wire.pack_outcome(Outcome(outcome.results, {"W": torch.ones(2)}))


def _outgrown(folder: str) -> bool:
    from answer_box import walls

    files = size = 0
    for path, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_size
        if files > walls.FOLDER_FILES or size > walls.FOLDER_MB << 20:
            return True
    return False


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    _load_own_package()
    from answer_box import walls

    walls.end_with_parent()
    namespaces = walls.enter_namespaces()
    import torch
    from answer_box import inside

    torch.set_num_threads(1)
    inside.hide_course()
    # What is not found once is looked up in lists of all folders, which a child may not make for itself.
    importlib.util.find_spec("no_such_module")
    server = _Server(control, namespaces)
    control.send(b"ready")
    server.serve()
    for child in server.children.values():
        child.kill()


if __name__ == "__main__":
    main()
