"""Attacks on the machine: hanging, dying, growing, killing, talking to the network."""

from ..attack import PAD_MASK, Attack, hand_in, mask, module, raw

WRONG = "\ndef pad_mask(lengths, max_len):\n    return torch.ones(1)\n"


def top(id: str, tries: str, body: str, **more) -> Attack:
    """`body` runs at the top of the cell, then comes a wrong answer."""
    return mask(id, tries, f"{body.strip()}\n{WRONG}", **more)


def call(id: str, tries: str, body: str, **more) -> Attack:
    """`body` runs inside the answer, which is wrong."""
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return mask(id, tries, f"def pad_mask(lengths, max_len):\n{lines}\n    return torch.ones(1)\n", **more)


def quits(id: str, tries: str, body: str, **more) -> Attack:
    return call(id, tries, f"import ctypes, os, signal, sys\n{body}", **more)


ATTACKS = [
    # ---- ends itself
    quits("exit-0", "Exits with status 0, as if all were well.", "os._exit(0)"),
    quits("sys-exit", "Raises SystemExit.", "sys.exit(0)"),
    top("exit-at-the-top", "Exits while the cell loads.", "import os\nos._exit(0)"),
    quits("segfault", "Reads from address 0.", "ctypes.string_at(0)"),
    quits("abort", "Aborts.", "os.abort()"),
    quits(
        "illegal-instruction", "Sends itself a signal that ends it.", "os.kill(os.getpid(), signal.SIGILL)"
    ),
    quits("kill-self", "Kills itself.", "os.kill(os.getpid(), signal.SIGKILL)\nos.kill(0, signal.SIGKILL)"),
    quits(
        "kill-self-by-files",
        "Has the kernel kill it for a file that can be read, as if somebody else had.",
        """\
import fcntl, time
read, write = os.pipe()
fcntl.fcntl(read, 10, signal.SIGKILL)
fcntl.fcntl(read, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
os.write(write, b'x')
time.sleep(1)""",
    ),
    quits(
        "stack-overflow",
        "Overflows the C stack by recursion without a limit.",
        """\
sys.setrecursionlimit(1 << 30)
class A:
    def __repr__(self): return repr(self)
def deep(x):
    return deep((x,))
hash_me = ()
for _ in range(1_000_000):
    hash_me = (hash_me,)
hash(hash_me)
repr(A())
deep(())""",
    ),
    call("recursion", "Recurses for ever.", "return pad_mask(lengths, max_len)"),
    # ---- never ends
    top(
        "endless-loop",
        "Loops for ever and swallows every interrupt and every signal that can be.",
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
        hangs=True,
    ),
    call("endless-sleep", "Sleeps for years.", "import time\ntime.sleep(1e9)", hangs=True),
    call(
        "endless-lock",
        "Waits for a lock that it holds, and for a thread that waits for it.",
        """\
import threading
lock = threading.Lock()
lock.acquire()
lock.acquire()""",
        hangs=True,
    ),
    call(
        "endless-regex",
        "Hangs inside C: a regular expression that backtracks for ever.",
        'import re\nre.match(r"(a+)+$", "a" * 64 + "b")',
        hangs=True,
    ),
    call(
        "endless-power",
        "Hangs inside C: a power of a million digits.",
        "return torch.ones(1) * len(str(7 ** (7 ** 9)))",
        hangs=True,
    ),
    call(
        "endless-torch",
        "Hangs inside torch, with many threads.",
        """\
torch.set_num_threads(8)
big = torch.ones(3000, 3000)
for _ in range(100_000):
    big = big @ big""",
        hangs=True,
    ),
    top(
        "endless-stop",
        "Stops itself with SIGSTOP, so that it neither runs nor ends.",
        """\
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
signal.raise_signal(signal.SIGSTOP)""",
    ),
    raw(
        "endless-for-both",
        "Hangs in a cell that both answers need, so that both run into the limit.",
        hand_in(
            {"pad_mask": PAD_MASK.replace("places =", "helper()\n    places =")},
            cells=("def helper():\n    pass\nwhile True:\n    helper()",),
            change=lambda made: (
                made.cells.__setitem__(0, made.cells[0])
                or [c.update(source=c.source.replace("real =", "helper()\n    real =")) for c in made.cells]
            ),
        ),
        hangs=True,
    ),
    call(
        "endless-fork",
        "Starts a process that outlives it and waits for it.",
        """\
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
    os._exit(0)
os.wait()""",
    ),
    module(
        "endless-construct",
        "A module that takes for ever to be made.",
        """\
class AdditiveAttention(nn.Module):
    def __init__(self, *args):
        while True:
            pass
""",
        hangs=True,
    ),
]
