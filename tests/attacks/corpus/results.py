"""Attacks on the way by which results come back: closed, changed, withheld, disturbed."""

from ..attack import PAD_MASK, mask, module
from .wire import FORGE, WRONG

ATTACKS = [
    mask(
        "forged-by-own-code",
        "Packs false outcomes with the grader's own functions, then goes on as if nothing had been.",
        f"""{FORGE}
loaded = {{n.rpartition(".")[2]: m for n, m in sys.modules.items() if n.startswith("answer_box.")}}
case, packed = loaded["case"], loaded["wire"]
def pad_mask(lengths, max_len):
    right = torch.ones(len(lengths), max_len, dtype=torch.bool)
    told = case.Returned((right,), False, (lengths,))
    everywhere(framed(packed.pack_outcome(case.Outcome((told,)))))
    return right
""",
        earned=0,
    ),
    mask(
        "writes-between-results",
        "Answers right, but writes a frame of its own at the last case.",
        f"{FORGE}\ncount = [0]\nright = lambda: None\n"
        + PAD_MASK.replace("def pad_mask", "def right")
        + """\
def pad_mask(lengths, max_len):
    count[0] += 1
    if count[0] > 9:
        everywhere(framed(b'{}'))
    return right(lengths, max_len)
""",
        earned=1,
    ),
    mask(
        "results-closed",
        "Closes every file, then answers.",
        "import os\nos.closerange(0, 4096)\n" + PAD_MASK,
    ),
    mask(
        "results-swapped",
        "Puts other files in the place of every open one.",
        """
import os
null, (read, write) = os.open("/dev/null", os.O_RDWR), os.pipe()
for fd in range(64):
    if fd not in (null, read, write):
        try:
            os.dup2((null, read, write)[fd % 3], fd)
        except OSError:
            pass
"""
        + PAD_MASK,
    ),
    mask(
        "results-cut",
        "Cuts and stretches every open file, where the grader might have it mapped into memory.",
        """
import mmap, os
for fd in range(3, 64):
    for size in (1 << 40, 0):
        try:
            os.ftruncate(fd, size)
        except OSError:
            pass
    try:
        mapped = mmap.mmap(fd, 0)
        mapped[:] = b"3" * len(mapped)
    except (OSError, ValueError):
        pass
"""
        + WRONG,
    ),
    mask(
        "results-unblocked",
        "Sets flags and sizes of every open file so that reads and writes of others behave otherwise.",
        """
import fcntl, os, signal
for fd in range(3, 64):
    try:
        os.set_blocking(fd, False)
        fcntl.fcntl(fd, 1031, 4096)  # the size of a pipe
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getppid())
        fcntl.fcntl(fd, 10, signal.SIGKILL)  # the signal that is sent when something can be read
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    except OSError:
        pass
"""
        + WRONG,
    ),
    mask(
        "fds-passed",
        "Sends open files and messages over every socket that it holds.",
        """
import array, os, socket
def pad_mask(lengths, max_len):
    for fd in range(3, 64):
        try:
            other = socket.socket(fileno=os.dup(fd))
            for _ in range(1000):
                other.sendmsg([b'{"reason": null, "code": 0}\\n'],
                              [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 100))])
        except (OSError, ValueError):
            pass
    return torch.ones(1)
""",
    ),
    mask(
        "results-held-back",
        "Starts a frame and never ends it.",
        f"{FORGE}\neverywhere(struct.pack('<Q', 1000) + b'half')\ntime.sleep(1e6)\n{WRONG}",
        hangs=True,
    ),
    mask(
        "results-then-silence",
        "Answers half of the cases, then hangs.",
        "import time\ncount = [0]\n"
        + PAD_MASK.replace(
            "    places",
            """\
    count[0] += 1
    count[0] < 9 or time.sleep(1e6)
    places""",
        ),
        earned=1,
        hangs=True,
    ),
    mask(
        "hangs-at-the-end",
        "Answers right and keeps the process alive with threads, finalisers and exit handlers.",
        """
import atexit, threading, time, weakref
atexit.register(time.sleep, 1e6)
threading.Thread(target=time.sleep, args=(1e6,)).start()
class Last:
    def __del__(self):
        time.sleep(1e6)
last = Last()
weakref.finalize(last, time.sleep, 1e6)
"""
        + PAD_MASK,
        earned=3,
    ),
    module(
        "forged-parameters",
        "Claims parameters of odd dtypes, shapes and names for a module that has none.",
        FORGE
        + """
for dtype, size in (("U16", 2), ("U64", 8), ("C64", 8), ("BOOL", 1), ("F16", 2)):
    names = ("W_q.weight", "W_k.weight", "v.weight", "<b>", "")
    forged = outcome(returned(), parameters={n: {"tensor": "0", "stride": [1]} for n in names})
    for _ in range(20):
        everywhere(tensors(forged, [12], dtype, b"\\xff" * 12 * size))
os._exit(0)
class AdditiveAttention(nn.Module):
    pass
""",
    ),
    module(
        "forged-gradients",
        "Claims gradients under odd names, complex, without elements, missing.",
        FORGE
        + """
for dtype, size in (("U32", 4), ("C64", 8), ("BOOL", 1), ("I64", 8)):
    one = {"tensor": "0", "stride": [1]}
    names = ("0", "1", "-1", "9", "W_q.weight", "W_k.weight", "v.weight", "0.W", "x.y.z")
    gradients = {n: one for n in names}
    forged = outcome(*[returned([one, one], [one], gradients, True)] * 3)
    for _ in range(20):
        everywhere(tensors(forged, [3], dtype, b"\\xff" * 3 * size))
os._exit(0)
class AdditiveAttention(nn.Module):
    pass
""",
    ),
]
