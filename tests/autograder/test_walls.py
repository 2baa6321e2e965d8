"""The walls: what a hostile answer tries and does not get; a missing wall is found out at the start."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from autograder.sandbox import Call, Case, Limits, Sandbox, SandboxError, forked
from autograder.sandbox.answering import Job
from autograder.sandbox.forked import ForkServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

REPO = Path(__file__).resolve().parents[2]
LIMITS = Limits(wall_s=5, cpu_s=5, memory_mb=1024)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder that this process may write to, with a secret in it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("hunter2")
    return folder


def tried(sandbox, code, *given):
    """What `code`, the body of a function of `given`, raised, or "done" when it went through."""
    source = "import ctypes, os, signal, socket, subprocess, sys\ndef f(*given):\n"
    source += "".join(f"    {line}\n" for line in code.splitlines()) + "    raise RuntimeError('done')"
    (outcome,) = sandbox.run([("answer.py", source)], "f", [Case((Call(tuple(map(str, given))),))])
    found = outcome.raised
    return found.message if found.type == "RuntimeError" else found.type


FILES = {
    "read": "open(given[0] + '/secret').read()",
    "list": "os.listdir(given[0])",
    "write": "open(given[0] + '/secret', 'w')",
    "append": "open(given[0] + '/secret', 'a')",
    "cut": "os.open(given[0] + '/secret', os.O_RDONLY | os.O_TRUNC)",
    "truncate": "os.truncate(given[0] + '/secret', 0)",
    "make": "open(given[0] + '/new', 'w')",
    "make a folder": "os.mkdir(given[0] + '/new')",
    "remove": "os.remove(given[0] + '/secret')",
    "rename": "os.rename(given[0] + '/secret', given[0] + '/new')",
    "take": "os.rename(given[0] + '/secret', 'mine')",
    "link": "os.link(given[0] + '/secret', 'mine')",
    "through a symlink": "os.symlink(given[0] + '/secret', 'mine')\nopen('mine').read()",
    "mode": "os.chmod(given[0] + '/secret', 0o777)",
    "owner": "os.chown(given[0] + '/secret', 1, 1)",
    "time": "os.utime(given[0] + '/secret')",
    "attribute": "os.setxattr(given[0] + '/secret', 'user.x', b'x')",
    "fifo": "os.mkfifo('mine')",
    "shared memory": "open('/dev/shm/seqattn-test', 'w')",
    "temporary folder": "open('/tmp/seqattn-test', 'w')",
}


@pytest.mark.parametrize("name", FILES)
def test_files_outside_are_out_of_reach(sandbox, outside, name):
    assert tried(sandbox, FILES[name], outside) in {"PermissionError", "OSError"}
    assert [p.name for p in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "hunter2"
    assert not os.path.exists("/dev/shm/seqattn-test") and not os.path.exists("/tmp/seqattn-test")


@pytest.mark.parametrize(
    "path",
    [
        *("autograder/exercises/additive.py", "autograder/sandbox/wire.py", "seqattn_ref/attention.py"),
        *("solutions/05_additive/05_additive.ipynb", "nbgrader_config.py", ".git/HEAD"),
        *("notebooks/05_additive/05_additive.ipynb", "tests/answers/additive_scores.py"),
    ],
)
def test_the_courses_files_cannot_be_read(sandbox, path):
    if not (REPO / path).exists():
        pytest.skip(f"there is no {path} here")
    assert tried(sandbox, "open(given[0], 'rb').read()", REPO / path) == "PermissionError"


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/1/environ"),
        *("/proc/GRADER/environ", "/proc/GRADER/mem", "~"),
    ],
)
def test_the_machine_cannot_be_read(sandbox, path):
    path = os.path.expanduser(path.replace("GRADER", str(os.getpid())))
    assert tried(sandbox, "open(given[0], 'rb').read()", path) in {
        *("PermissionError", "FileNotFoundError", "IsADirectoryError"),
    }


CALLS = {
    "fork": "os.fork()",
    "program": "subprocess.run(['true'])",
    "shell": "import errno\nif os.system('true') != 0: raise OSError",
    "exec": "os.execv('/bin/true', ['true'])",
    "internet": "socket.socket()",
    "local socket": "socket.socket(socket.AF_UNIX)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "pair of datagram sockets": "socket.socketpair(type=socket.SOCK_DGRAM)",
    "pair of other sockets": "socket.socketpair(socket.AF_TIPC if hasattr(socket, 'AF_TIPC') else 30)",
    "sending from a pair": "a, b = socket.socketpair()\na.sendto(b'x', '/dev/log')",
    "name look-up": "socket.create_connection(('localhost', 80))",
    "kill parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "kill all": "os.kill(-1, signal.SIGKILL)",
    "stop itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "session": "os.setsid()",
    "user": "os.setuid(0)",
    "limit": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "limit of another": "import resource\nresource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))",
    "priority": "os.nice(-1)",
    "cores": "os.sched_setaffinity(0, [0])",
    "memory file": "os.memfd_create('x')",
    "signal for a file": "import fcntl\nfcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "another signal for a file": "import fcntl\nfcntl.fcntl(0, 10, signal.SIGKILL)",
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_no_answer_needs_are_refused(sandbox, name):
    assert tried(sandbox, CALLS[name]) in {"PermissionError", "OSError", "ValueError", "gaierror"}


@pytest.mark.parametrize(
    "number",
    [
        *(pytest.param(n, id=name) for name, n in {"io_uring_setup": 425, "landlock_create": 444}.items()),
        *(pytest.param(n, id=name) for name, n in {"pidfd_open": 434, "clone3": 435}.items()),
    ],
)
def test_raw_system_calls_are_refused(sandbox, number):
    code = (
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"status = libc.syscall({number}, 0, 0, 0, 0)\n"
        "if status == -1 and ctypes.get_errno() in (1, 38): raise PermissionError"
    )
    assert tried(sandbox, code) == "PermissionError"


def test_an_endless_answer_cannot_outlive_its_sandbox(sandbox):
    """Neither by threads nor by catching signals."""
    code = (
        "import threading, time\n"
        "for s in range(1, 65):\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "threading.Thread(target=lambda: time.sleep(1000)).start()"
    )
    assert tried(sandbox, code) == "done"
    assert sandbox._runs._process.poll() is None


def test_threads_are_counted(sandbox):
    code = (
        "import threading, time\nthreading.stack_size(1 << 15)\n"
        "for i in range({}): threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\n"
        "time.sleep(1)"
    )
    assert tried(sandbox, code.format(100)) == "done"
    assert tried(sandbox, code.format(3000)) in {"Died", "RuntimeError"}


def test_its_own_folder_is_small_and_private(sandbox):
    code = (
        "open('note', 'w').write('x')\nassert os.listdir() == ['note']\n"
        "assert os.getcwd() == os.environ['HOME']\n"
        "for i in range(100_000): open(f'f{i}', 'w').close()"
    )
    assert tried(sandbox, code) in {"OSError", "Died"}
    assert tried(sandbox, "assert os.listdir() == []") == "done"
    assert tried(sandbox, "assert open('big', 'wb').write(bytes(17 << 20)) < 17 << 20") in {"OSError", "done"}
    much = "for i in range(9): open(f'f{i}', 'wb').write(bytes(15 << 20))\nsignal.pause()"
    assert tried(sandbox, much) in {"OSError", "Died"}


def test_what_the_grader_holds_secret_is_not_in_its_memory(monkeypatch):
    """The environment of a process can be read back from memory, whatever os.environ says."""
    monkeypatch.setenv("GRADER_TOKEN", "hunter2")
    code = (
        "block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')\n"
        "import itertools\n"
        "held = list(itertools.takewhile(bool, (block[i] for i in itertools.count())))\n"
        "if any(b'hunter2' in h for h in held): raise KeyError"
    )
    with Sandbox(LIMITS) as own:
        assert tried(own, code) == "done"
        server = Path(f"/proc/{own._runs._process.pid}/environ").read_bytes()
    assert b"hunter2" not in server


def test_honest_work_goes_on_behind_the_walls(sandbox):
    source = (
        "import threading, tempfile, logging, json, warnings, wave, numpy as np, torch\n"
        "import matplotlib.pyplot as plt\n"
        "from IPython.display import display, HTML\n"
        "import ipywidgets\n"
        "fig, ax = plt.subplots(); ax.plot([1, 2]); fig.savefig('plot.png'); plt.show()\n"
        "with tempfile.NamedTemporaryFile() as file: file.write(b'x')\n"
        "torch.save(torch.ones(2), 'x.pt'); torch.load('x.pt')\n"
        "torch.set_num_threads(2)\n"
        "a = torch.randn(300, 300) @ torch.randn(300, 300)\n"
        "import asyncio; asyncio.new_event_loop().run_until_complete(asyncio.sleep(0.01))\n"
        "thread = threading.Thread(target=print); thread.start(); thread.join()\n"
        "@torch.compile\ndef f(x):\n    return x + float(np.ones(1)[0])\n"
    )
    (outcome,) = sandbox.run([("cell", source)], "f", [Case((Call((torch.ones(2),)),))], notebook=True)
    assert outcome.raised is None, outcome.raised
    assert torch.equal(outcome.results[0].outputs[0], torch.full((2,), 2.0))


# ---- proof


def copy_of_sandbox(folder, name, old, new):
    """A copy of the sandbox's code in which `old` in file `name` is `new`: a wall that was left out."""
    home = folder / "autograder" / "sandbox"
    shutil.copytree(REPO / "autograder" / "sandbox", home, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPO / "seqattn_ref" / "lab", folder / "seqattn_ref" / "lab")
    (folder / "autograder" / "exercises").mkdir()
    (folder / "autograder" / "exercises" / "__init__.py").write_text("")
    text = (home / name).read_text()
    assert old in text
    (home / name).write_text(text.replace(old, new))
    return home


LEFT_OUT = {
    "files": ("walls.py", "rules.restrict()", "pass", "a file outside can be read"),
    "calls": ("walls.py", "_check(_libc.prctl(_PR_SET_SECCOMP", "_check(0 and (_PR_SET_SECCOMP", "socket"),
    "limits": ("walls.py", "resource.setrlimit(kind, (soft, hard))", "pass", "a limit is not set"),
    "no library": ("syscalls.py", "libseccomp.so.2", "libnosuch.so.2", "system calls"),
    "socket": ("syscalls.py", "lseek sendfile", "lseek socket sendfile", "socket can be opened"),
    "fork": ("syscalls.py", "_CLONE_THREAD, _CLONE_THREAD", "0, 0", "another process can be started"),
    "mode": ("syscalls.py", "fsync fdatasync", "fsync chmod fchmodat", "the mode of a file outside"),
    "course": (
        "walls.py",
        "found = [p for",
        "found = [course] + [p for",
        "the course's own files can be read",
    ),
    "no folder": (
        "walls.py",
        "rules.allow_path(folder,",
        "(lambda *_: 0)(folder,",
        "write into its own folder",
    ),
    "no threads": ("syscalls.py", "_MASKED, _CLONE_THREAD, _CLONE_THREAD", "_EQ, 0, 0", "start a thread"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_wall_that_is_left_out_is_found_out(tmp_path, monkeypatch, name):
    file, old, new, said = LEFT_OUT[name]
    home = copy_of_sandbox(tmp_path, file, old, new)
    monkeypatch.setattr(forked, "__file__", str(home / "forked.py"))
    monkeypatch.setattr(forked, "COURSE", tmp_path)
    server = ForkServer(LIMITS, allow_unsafe=False)
    try:
        with pytest.raises(SandboxError, match="walls do not stand on this machine") as raised:
            server.prove()
        assert said in str(raised.value)
        assert "--allow-unsafe" in str(raised.value)
        with pytest.raises(SandboxError):
            server.run(Job(b"{}"))
    finally:
        server.close()


def test_what_was_allowed_to_be_unsafe_is_stamped(tmp_path, monkeypatch):
    home = copy_of_sandbox(tmp_path, *LEFT_OUT["no library"][:3])
    monkeypatch.setattr(forked, "__file__", str(home / "forked.py"))
    with Sandbox(LIMITS, allow_unsafe=True) as unsafe:
        (outcome,) = unsafe.run([("a", "def f(x):\n    return x")], "f", [Case((Call((torch.ones(1),)),))])
        assert outcome.raised is None
        assert unsafe.stamp.startswith("Not tamper-proof: ")
        assert "system calls" in unsafe.stamp


@pytest.mark.parametrize("namespaces", [True, False], ids=["namespaces", "none"])
def test_the_walls_stand_with_and_without_namespaces(tmp_path, monkeypatch, namespaces):
    if not namespaces:
        home = copy_of_sandbox(tmp_path, "forkserver.py", "walls.enter_namespaces()", "False")
        monkeypatch.setattr(forked, "__file__", str(home / "forked.py"))
        monkeypatch.setattr(forked, "COURSE", tmp_path)
    with Sandbox(LIMITS) as sandbox:
        sandbox.prove()
        assert sandbox.stamp is None
        assert tried(sandbox, "for i in range(2500): open(f'f{i}', 'w').close()\nsignal.pause()") in {
            *("OSError", "Died"),
        }
        assert tried(sandbox, "os.kill(os.getppid(), 9)") == "PermissionError"


def test_a_packages_folder_that_holds_the_course_is_read_around_it(tmp_path):
    from autograder.sandbox.walls import _without

    for name in ("numpy", "seqattn_ref/lab", "autograder/exercises", "torch/lib"):
        (tmp_path / name).mkdir(parents=True)
    hidden = [str(tmp_path / "autograder"), str(tmp_path / "seqattn_ref")]
    assert list(_without(str(tmp_path), hidden)) == [str(tmp_path / "numpy"), str(tmp_path / "torch")]
    assert list(_without(str(tmp_path / "torch"), hidden)) == [str(tmp_path / "torch")]
    assert list(_without(str(tmp_path / "autograder" / "exercises"), hidden)) == []


# ---- losses


def processes_of(server):
    """The fork-server's processes, itself first: pids as this process sees them."""
    found, waiting = [], [server._process.pid]
    while waiting:
        pid = waiting.pop(0)
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += map(int, task.read_text().split())
    return found


SLOW = "import time\ntime.sleep(1.5)\ndef f(x):\n    return x + 1"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["outer", "server", "child"])
def test_a_lost_process_costs_no_answer(which):
    with Sandbox(Limits(wall_s=20)) as sandbox:
        sandbox.prove()
        found = []
        case = Case((Call((torch.ones(1),)),))
        thread = threading.Thread(target=lambda: found.extend(sandbox.run([("a", SLOW)], "f", [case])))
        thread.start()
        server = sandbox._runs
        while len(running := processes_of(server)) < 3:
            pass
        os.kill({"outer": running[0], "server": running[1], "child": running[-1]}[which], signal.SIGKILL)
        thread.join(timeout=60)
        assert [o.raised for o in found] == [None]


@pytest.mark.slow
def test_a_job_that_is_always_lost_is_given_up():
    with Sandbox(Limits(wall_s=20)) as sandbox:
        sandbox.prove()
        stop = threading.Event()

        def kill():
            while not stop.is_set():
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                    for pid in processes_of(sandbox._runs)[2:]:
                        os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            with pytest.raises(SandboxError, match="It was tried 3 times"):
                sandbox.run([("a", SLOW)], "f", [Case((Call((torch.ones(1),)),))])
        finally:
            stop.set()
            killer.join()


@pytest.mark.slow
def test_nothing_is_left_when_the_grader_is_killed(tmp_path):
    script = (
        "import sys, threading, time\nfrom autograder.sandbox import *\n"
        "import torch\nsandbox = Sandbox()\nsandbox.prove()\n"
        "case = Case((Call((torch.ones(1),)),))\n"
        "threading.Thread(target=sandbox.run, args=([('a', 'while True: pass')], 'f', [case])).start()\n"
        "time.sleep(1)\nprint(sandbox._runs._process.pid, flush=True)\ntime.sleep(100)"
    )
    grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPO)
    pid = int(re.search(r"\d+", grader.stdout.readline())[0])
    left = [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()), pid]
    grader.kill()
    grader.wait()
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{p}") and "Z" not in _state(p) for p in left):
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"still there: {left}")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_sandbox_says_so_when_it_was_closed():
    sandbox = Sandbox(LIMITS)
    sandbox.close()
    with pytest.raises(SandboxError, match="was closed"):
        sandbox.run([("a", "f = 1")], "f", [Case((Call((1,)),))])
