"""The walls around each child of the fork-server. Linux only.

Landlock (https://docs.kernel.org/userspace-api/landlock.html) decides which files a child may open, seccomp
(`syscalls.py`) what it may ask of the kernel, and rlimits how much of everything it may use. None of the
three needs any rights. Where the kernel allows namespaces too, the fork-server lives in its own: a child then
sees no other process, no network device, and its folder is a small file system in memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence

FOLDER_MB = 32
"""How much a child may write into its own folder in all."""

FOLDER_FILES = 2000
"""How many files and folders a child may make there."""

THREADS = 256
"""How many threads a child may have."""

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    *(0x00020000, 0x04000000, 0x08000000),
    *(0x10000000, 0x20000000, 0x40000000),
)
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522


def _check(status: int, what: str) -> None:
    if status != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


# ---- namespaces, for the fork-server as a whole


def enter_namespaces() -> bool:
    """Move this process, which must have one thread, into namespaces of its own. Returns whether it could.

    Returns in a new process, the first of its process namespace: when that ends, the kernel ends all that is
    left in there. The process that called waits for it and ends with it.
    """
    trial = os.fork()
    if trial == 0:  # what fails half-way cannot be undone, so it is tried in another process first
        with contextlib.suppress(OSError):
            _unshare()
            mount_folder(os.getcwd())
            os._exit(0)
        os._exit(1)
    if os.waitpid(trial, 0)[1] != 0:
        return False
    _unshare()
    inner = os.fork()
    if inner:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) & 0xFF)
    end_with_parent()
    return True


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount")


def mount_folder(path: str) -> None:
    """Put a small file system in memory over `path`, in a mount namespace of this process's own."""
    _check(_libc.unshare(_NEWNS), "unshare")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    options = f"size={FOLDER_MB}m,nr_inodes={FOLDER_FILES},mode=0700".encode()
    _check(_libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options), "mount")


def end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def count_threads() -> dict[int, int]:
    """How many threads each child of this process has, by the pid that this process knows it by."""
    found = {}
    with open("/proc/thread-self/children") as file:  # as the pids of whoever mounted /proc
        children = file.read().split()
    for child in children:
        with contextlib.suppress(OSError), open(f"/proc/{child}/status") as file:
            said = dict(line.split(":", 1) for line in file)
            found[int(said["NSpid"].split()[-1])] = int(said["Threads"])
    return found


# ---- the walls of one child


def raise_walls(limits: dict, readable: Sequence[str], folder: str, program: bytes | None) -> dict[str, str]:
    """Wall this process in for good. `folder` is all it may write to; `program` is the seccomp filter.

    Returns the walls that do not stand, each with the reason.
    """
    missing: dict[str, str] = {}

    def up(wall: str, build: Callable[[], None]) -> None:
        try:
            build()
        except (OSError, ImportError, ValueError) as error:
            missing[wall] = f"{type(error).__name__}: {error}"

    up("limits", lambda: _set_limits(limits))
    up("privileges", _drop_privileges)
    up("files", lambda: _restrict_files(readable, folder))
    up("system calls", lambda: _restrict_calls(program))
    return missing


def _set_limits(limits: dict) -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory runs out, the kernel takes this process and no other
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    cpu = int(limits["cpu_s"]) + 1  # one more, so that a plain endless loop meets the clock first
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, *(used + (limits["memory_mb"] << 20),) * 2),
        (resource.RLIMIT_FSIZE, *(limits["file_mb"] << 20,) * 2),
        (resource.RLIMIT_NOFILE, 128, 128),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def _drop_privileges() -> None:
    """Give up what root has, or what the first process of a user namespace has, and never gain any."""
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), nothing), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def _restrict_files(readable: Sequence[str], folder: str) -> None:
    from landlockpy import AccessFS, Ruleset, Scope

    read = AccessFS.READ_FILE | AccessFS.READ_DIR
    write = AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.MAKE_REG | AccessFS.MAKE_DIR
    write |= AccessFS.REMOVE_FILE | AccessFS.REMOVE_DIR | AccessFS.REFER
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
        for path in readable:
            with contextlib.suppress(FileNotFoundError):
                rules.allow_path(path, read if os.path.isdir(path) else AccessFS.READ_FILE)
        rules.allow_path("/dev/null", AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE)
        rules.allow_path(folder, read | write)
        rules.restrict()


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def _restrict_calls(program: bytes | None) -> None:
    if program is None:
        raise OSError("There is no filter: libseccomp was not found.")
    found = _Program(len(program) // 8, program)
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(found), 0, 0), "seccomp")


# ---- what Python needs to read


def readable_paths(course: str) -> list[str]:
    """What a child may read: Python and its packages, without the course's own but for `seqattn_ref.lab`.

    `course` is the folder that holds the course's packages: a checkout, or the folder of all packages.
    """
    paths = sysconfig.get_paths()
    packages = [os.path.realpath(paths[kind]) for kind in ("purelib", "platlib")]
    system = [
        *(os.path.join(sys.base_prefix, "lib"), os.path.join(sys.base_exec_prefix, "lib")),
        *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"),
        *("/usr/share/fonts", "/etc/localtime", "/etc/ld.so.cache"),
        *("/dev/zero", "/dev/random", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo"),
        "/sys/devices/system/cpu",
    ]
    course = os.path.realpath(course)
    private = ["autograder", "seqattn_ref"]
    if course not in packages:
        private += ["solutions", "notebooks", "tests", "tools", "course", ".git"]
    hidden = [os.path.join(course, name) for name in private]
    found = [p for path in (*system, *packages) for p in _without(os.path.realpath(path), hidden)]
    return [*dict.fromkeys(found), os.path.join(course, "seqattn_ref", "lab")]


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _without(path: str, hidden: Sequence[str]) -> Iterator[str]:
    """`path` itself, or the parts of it that hold nothing hidden. A rule of Landlock covers all beneath."""
    if any(_within(path, h) for h in hidden):
        return
    if not any(_within(h, path) for h in hidden):
        yield path
    else:
        for entry in sorted(os.listdir(path)):
            yield from _without(os.path.join(path, entry), hidden)
