"""Which system calls a child of the fork-server may make, as a seccomp filter. Linux, x86-64 and arm64.

A list of what is allowed: what Python, torch and matplotlib need to compute, to read files and to write into
their own folder. libseccomp (https://github.com/seccomp/libseccomp) knows the numbers on each machine and
writes the filter; every system with systemd or apt has it.
"""

from __future__ import annotations

import ctypes
import errno
import os

ALLOWED = """
read write readv writev pread64 pwrite64 preadv pwritev lseek sendfile copy_file_range
close close_range dup dup2 dup3 pipe pipe2 flock fsync fdatasync ftruncate fallocate
stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat
getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2
poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd eventfd2
mmap munmap mprotect mremap madvise brk msync mincore membarrier
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause
alarm setitimer getitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid getpgrp getpgid getsid
getrusage getrlimit setrlimit getpriority sysinfo uname umask getrandom getcpu capget wait4 waitid
sendto recvfrom futex set_robust_list get_robust_list set_tid_address rseq arch_prctl
restart_syscall exit exit_group
sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
""".split()

REFUSED = """
fork vfork execve execveat kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
socket connect bind listen accept accept4 ptrace process_vm_readv process_vm_writev
mount umount2 unshare setns chroot pivot_root bpf perf_event_open keyctl add_key io_uring_setup userfaultfd
memfd_create chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat truncate link linkat
symlink symlinkat mknod mknodat setxattr lsetxattr fsetxattr removexattr setsid setpgid setuid setgid
setgroups setresuid setresgid setpriority sched_setaffinity sched_setscheduler ioprio_set personality
""".split()
"""What a program may well try, and is told that it is not permitted. Whatever stands in neither list does not
exist here (ENOSYS), so that the C library falls back to an older call where it knows one.
"""

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EQ, _MASKED = 4, 7
_OPTIMIZE = 8
_AF_UNIX, _SOCK_STREAM = 1, 1
_CLONE_THREAD = 0x00010000
_PR_SET_NAME, _PR_GET_NAME = 15, 16
# fcntl can have the kernel signal another process when a file is ready. These cannot.
_FCNTL = [*(0, 1, 2, 3, 4, 5, 6, 7), *(36, 37, 38), 1030]  # F_DUPFD to F_SETLKW, F_OFD_*, F_DUPFD_CLOEXEC
_TCGETS, _FIONREAD, _FIONBIO, _FIOCLEX, _TIOCGWINSZ = 0x5401, 0x541B, 0x5421, 0x5451, 0x5413


class _Compare(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    ]


def _conditions() -> list[tuple]:
    """Calls that are allowed with certain arguments: the name, then (argument, comparison, mask or value,
    value) for each condition.
    """
    # Landlock knows truncation only since Linux 6.2, so a file opened for reading may not be cut here.
    opening = [
        (_MASKED, os.O_TRUNC, 0),
        (_MASKED, os.O_ACCMODE, os.O_WRONLY),
        (_MASKED, os.O_ACCMODE, os.O_RDWR),
    ]
    return [
        *(("open", (1, *c)) for c in opening),
        *(("openat", (2, *c)) for c in opening),
        *(("fcntl", (1, _EQ, command, 0)) for command in _FCNTL),
        # An event loop wakes itself through such a pair. One of datagrams could send to others' sockets.
        ("socketpair", (0, _EQ, _AF_UNIX, 0), (1, _MASKED, 0xF, _SOCK_STREAM)),
        ("clone", (0, _MASKED, _CLONE_THREAD, _CLONE_THREAD)),  # threads, and no other process
        ("prlimit64", (0, _EQ, 0, 0)),  # its own limits, and nobody else's
        *(("prctl", (0, _EQ, option, 0)) for option in (_PR_SET_NAME, _PR_GET_NAME)),
        *(
            ("ioctl", (1, _EQ, request, 0))
            for request in (_TCGETS, _FIONREAD, _FIONBIO, _FIOCLEX, _TIOCGWINSZ)
        ),
    ]


def compile_filter() -> bytes:
    """The filter as the kernel takes it. Raises `OSError` where libseccomp is missing or refuses."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Compare),
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    context = library.seccomp_init(_ERRNO | errno.ENOSYS)
    if not context:
        raise OSError("libseccomp could not be started.")

    def rule(action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # unknown on this machine, or to this version of the library: not allowed then
            return
        array = (_Compare * len(comparisons))(*(_Compare(*c) for c in comparisons))
        status = library.seccomp_rule_add_array(context, action, number, len(comparisons), array)
        if status < 0:
            raise OSError(-status, f"libseccomp refuses a rule for {name}: {os.strerror(-status)}")

    try:
        for name in ALLOWED:
            rule(_ALLOW, name)
        for name, *comparisons in _conditions():
            rule(_ALLOW, name, *comparisons)
        for name in REFUSED:
            rule(_ERRNO | errno.EPERM, name)
        # Also without this they would be refused, but not as something that is forbidden.
        rule(_ERRNO | errno.EPERM, "clone", (0, _MASKED, _CLONE_THREAD, 0))
        library.seccomp_attr_set(context, _OPTIMIZE, 2)  # a tree instead of a list; older versions know none
        with os.fdopen(os.memfd_create("filter"), "w+b") as file:
            status = library.seccomp_export_bpf(context, file.fileno())
            if status < 0:
                raise OSError(-status, f"libseccomp cannot write the filter: {os.strerror(-status)}")
            file.seek(0)
            return file.read()
    finally:
        library.seccomp_release(context)
