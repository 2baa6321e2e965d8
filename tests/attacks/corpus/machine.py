"""Attacks on what all processes share: memory, processes, files, the network, the kernel."""

from .process import call, top

ATTACKS = [
    # ---- grows
    top(
        "many-processes",
        "Starts a thousand processes.",
        """
import os, time
started = 0
for _ in range(1000):
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        started += 1
    except OSError:
        break
if started:
    raise RuntimeError(f"@MARK@ {started} processes")
""",
    ),
    top(
        "many-threads",
        "Starts eight thousand threads with small stacks, of all that the machine can have.",
        """
import threading, time
threading.stack_size(1 << 15)
started = 0
try:
    for _ in range(8000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        started += 1
except RuntimeError:
    pass
if started > 2000:
    raise RuntimeError(f"@MARK@ {started} threads")
""",
    ),
    top(
        "memory-python",
        "Grows by Python objects to six gigabytes.",
        """
hog = []
try:
    while len(hog) < 600:
        hog.append(b"x" * (10 << 20))
except MemoryError:
    hog = None
""",
    ),
    top(
        "memory-torch",
        "Grows by tensors to six gigabytes, then asks for more than any machine has.",
        """
hog = []
try:
    while len(hog) < 60:
        hog.append(torch.ones(25 << 20))
    torch.ones(1 << 50)
except RuntimeError:
    hog = None
""",
    ),
    top(
        "memory-anonymous-files",
        "Grows by files in memory, pipes and shared memory, which count for no process.",
        """
import mmap, os
hold = []
try:
    for i in range(100):
        fd = os.memfd_create(f"m{i}")
        os.posix_fallocate(fd, 0, 10 << 20)
        hold.append(fd)
except OSError:
    pass
try:
    for _ in range(2000):
        read, write = os.pipe()
        os.set_blocking(write, False)
        os.write(write, bytes(1 << 16))
except OSError:
    pass
hold.append(mmap.mmap(-1, 64 << 20))
""",
    ),
    top(
        "output-gigabyte",
        "Writes a gigabyte to the standard streams.",
        """
import os, sys
text = "x" * (1 << 20)
for _ in range(512):
    sys.stdout.write(text)
    sys.stderr.write(text)
    os.write(1, text.encode())
    os.write(2, text.encode())
""",
    ),
    call(
        "output-huge-results",
        "Returns the largest tensors that may come back, for every case.",
        "return [torch.zeros(1 << 22, dtype=torch.float64)] * 8",
    ),
    call(
        "output-expanded",
        "Returns a few bytes that claim to be terabytes.",
        "return torch.ones(1).expand(1 << 40)",
    ),
    # ---- attacks others
    top(
        "kill-parent",
        "Kills, interrupts and stops the process that started it, and every group it can name.",
        """
import os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
    for pid in (os.getppid(), int("@SLEEPER@")):
        for send in (os.kill, os.killpg):
            try:
                send(pid, number)
            except OSError:
                pass
""",
    ),
    top(
        "kill-by-files",
        "Has the kernel send signals for it: owners of files, timers, pidfds, queued signals, raw calls.",
        """
import ctypes, fcntl, os, signal, struct
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), int("@SLEEPER@")):
    read, write = os.pipe()
    for number in (signal.SIGKILL, signal.SIGSTOP):
        try:
            fcntl.fcntl(read, 10, number)
            fcntl.fcntl(read, fcntl.F_SETOWN, pid)
            fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
            os.write(write, b"x")
        except OSError:
            pass
        libc.syscall(424, libc.syscall(434, pid, 0), number, None, 0)
        libc.syscall(62, pid, number)
        libc.syscall(200, pid, number)
        libc.syscall(129, pid, number, struct.pack("iii", number, 0, -1) + bytes(116))
""",
    ),
    top(
        "limits-of-others",
        "Sets the limits, priority and processors of the process that started it.",
        """
import os, resource
for pid in (os.getppid(), int("@SLEEPER@")):
    for attempt in (
        lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0)),
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)),
        lambda: resource.prlimit(pid, resource.RLIMIT_AS, (0, 0)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
        lambda: os.sched_setaffinity(pid, {0}),
    ):
        try:
            attempt()
        except (OSError, ValueError):
            pass
""",
    ),
    top(
        "own-limits-raised",
        "Raises its own limits, priority and privileges.",
        """
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
for attempt in (
    *(lambda kind=kind: resource.setrlimit(kind, (resource.RLIM_INFINITY,) * 2)
      for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)),
    lambda: os.nice(-20), lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
    lambda: open("/proc/self/oom_score_adj", "w").write("-1000"),
):
    try:
        attempt()
    except (OSError, ValueError, OverflowError):
        pass
libc.prctl(1, 0, 0, 0, 0)      # do not end with the parent
libc.prctl(4, 1, 0, 0, 0)      # let others look
libc.prctl(36, 1, 0, 0, 0)     # take over orphans
libc.prctl(38, 0, 0, 0, 0)     # new privileges
libc.prctl(22, 0, 0, 0, 0)     # no filter
""",
    ),
    top(
        "ptrace",
        "Traces the process that started it and lets itself be traced.",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), int("@SLEEPER@")):
    for request in (16, 0x4206):
        if libc.ptrace(request, pid, 0, 0) == 0:
            os.waitpid(pid, 0x40000000)
            libc.ptrace(8, pid, 0, 0)
libc.ptrace(0, 0, 0, 0)
""",
    ),
    call(
        "network",
        "Talks to the network: internet, name lookup, local sockets, netlink, packets.",
        """
import socket, urllib.request
heard = []
families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET, 40, 38)
for family in families:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            heard.append(socket.socket(family, kind).family)
        except OSError:
            pass
try:
    heard.append(urllib.request.urlopen("http://localhost:8888/", timeout=1).status)
except OSError:
    pass
try:
    heard.append(socket.create_server(("127.0.0.1", 0)).getsockname())
except OSError:
    pass
if heard:
    raise RuntimeError(f"@MARK@ {heard}")
""",
    ),
    call(
        "kernel-calls",
        "Tries the calls that sandboxes have been broken with.",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "userfaultfd": (323, 0), "perf_event_open": (298, 0, 0, -1, -1, 0), "bpf": (321, 0, 0, 0),
    "keyctl": (250, 0, -3, 1), "add_key": (248, b"user", b"x", b"x", 1, -4), "io_uring_setup": (425, 1, 0),
    "memfd_create": (319, b"x", 0), "memfd_secret": (447, 0), "pidfd_open": (434, os.getppid(), 0),
    "unshare": (272, 0x10000000), "chroot": (161, b"/"), "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, 0, 0, b""), "swapon": (167, b"/x", 0), "fanotify_init": (300, 0, 0),
    "fsopen": (430, b"tmpfs", 0), "open_tree": (428, -100, b"/", 0), "modify_ldt": (154, 0, 0, 0),
    "shmget": (29, 0, 4096, 0o1666), "msgget": (68, 0, 0o1666), "mq_open": (240, b"x", 0o102, 0o666, 0),
    "personality": (135, 0x0040000), "ptrace": (101, 0, 0, 0, 0), "iopl": (172, 3),
    "landlock_restrict_self": (446, -1, 0), "process_madvise": (440, -1, 0, 0, 0, 0),
}
worked = []
for name, (number, *args) in calls.items():
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    if libc.syscall(number, *args) >= 0:
        worked.append(name)
if worked:
    raise RuntimeError("@MARK@ " + " ".join(worked))
""",
    ),
    top(
        "deep-folders",
        "Goes down ten thousand folders and leaves the others behind it.",
        """
import os
try:
    for i in range(10_000):
        os.mkdir("d")
        os.chdir("d")
except OSError:
    pass
""",
    ),
    top(
        "quick-deaths",
        "Fills every resource that counts: open files, threads, timers, watches.",
        """
import ctypes, os, select
libc, hold = ctypes.CDLL(None, use_errno=True), []
for make in (lambda: os.open("/dev/null", os.O_RDONLY), os.pipe, select.epoll, lambda: os.eventfd(0),
             lambda: libc.inotify_init(), lambda: libc.timerfd_create(0, 0)):
    try:
        for _ in range(100_000):
            hold.append(make())
            if hold[-1] == -1:
                break
    except OSError:
        pass
""",
    ),
]
