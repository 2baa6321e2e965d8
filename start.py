"""Set the course up and start it, or test it. Needs nothing but Python and this folder.

    python3 start.py                 open the course in JupyterLab at lesson 00
    python3 start.py --no-browser    the same, and print the address instead of opening a browser
    python3 start.py --port 8890     the same, at a port of your choice
    python3 start.py test            run the tests; what follows goes to pytest

Everything is installed into the folder .venv beside this file, and only when it is not there yet or has
changed. Nothing is installed elsewhere, so it also works where the system's Python refuses to install
packages. To undo it, delete .venv.

This file keeps to the syntax of Python 3.6, so that an older Python gets as far as the sentence that refuses
it.
"""

import argparse
import collections
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "start.json"

OLDEST, NEWEST = (3, 11), (3, 13)
# What each command installs. Who wants to test needs all that a learner needs and more.
REQUIREMENTS = {"course": ["requirements.txt"], "test": ["requirements.txt", "requirements-dev.txt"]}
LESSON = "notebooks/00_start_here/00_start_here.ipynb"

NETWORK_TROUBLE = re.compile(
    "NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Read timed out|Connection broken|ProxyError|"
    "NameResolutionError|RemoteDisconnected|Connection aborted|SSLError|CERTIFICATE_VERIFY_FAILED|"
    "Could not fetch URL"
)
# "Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (190.1 MB)": the big ones are worth a line.
BIG_DOWNLOAD = re.compile(
    r"(Downloading|Using cached) (?:\S*/)?([\w.]+)-([^-\s]+)-\S+ \((\d\d+\.?\d* MB|\S+ GB)\)"
)

# Jupyter ends with a traceback when Ctrl-C comes while it is still loading.
LAB = """
import sys
try:
    from jupyterlab.labapp import main
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(0)
"""


class Stop(Exception):
    """The reason why it cannot go on: one sentence that says what to do."""


def say(text):
    """Print a line at once, so that it does not come after what another program prints."""
    print(text, flush=True)


# ---------------------------------------------------------------- what must be there


def check_python(version, executable):
    """Raise Stop if ``version`` (major, minor, patch) is not one that the course runs on."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return
    names = ["python%d.%d" % (3, minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = [name for name in names if shutil.which(name) and runs(name)]
    advice = (
        "Run `%s start.py` instead." % found[0]
        if found
        else "Install one of them from https://www.python.org/downloads/ and run start.py with it."
    )
    raise Stop(
        "This course needs Python 3.11, 3.12 or 3.13, and %s is Python %d.%d.%d. %s"
        % ((executable,) + tuple(version[:3]) + (advice,))
    )


def runs(program):
    """Whether a Python of this name starts and is the version that its name says."""
    try:
        answer = subprocess.check_output(
            [program, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.decode().strip() == program


def check_folder(folder):
    """Raise Stop if files cannot be made in ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        raise Stop(
            "The course's folder %s cannot be written to (%s): move the course to a folder of your own, "
            "or change the folder's permissions, and run this again." % (folder, error.strerror)
        ) from None


def check_disk(folder, needed_gb):
    """Raise Stop if the disk that holds ``folder`` has less than ``needed_gb`` GB free."""
    free_gb = shutil.disk_usage(str(folder)).free / 1e9
    if free_gb < needed_gb:
        raise Stop(
            "The disk that holds %s has %.1f GB free. The course needs %d GB: make room and run this again."
            % (folder, free_gb, needed_gb)
        )


def check_venv_module():
    """Raise Stop if this Python cannot make an environment with pip in it, as Debian's cannot at first."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Stop(
            "This Python comes without its venv module: on Debian and Ubuntu install it with "
            "`sudo apt install python%d.%d-venv`, elsewhere install a complete Python, and run this again."
            % tuple(sys.version_info[:2])
        )


# ---------------------------------------------------------------- what is installed


def fingerprint(level):
    """A hash of all files that decide what ``level`` installs."""
    content = hashlib.sha256()
    for name in REQUIREMENTS[level] + ["pyproject.toml"]:
        content.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return content.hexdigest()


def home():
    """What an environment is tied to: it breaks when it is moved or when Python's version changes."""
    return {"python": "%d.%d" % tuple(sys.version_info[:2]), "folder": str(ROOT)}


def read_stamp():
    """What is known of .venv: its home and the fingerprint of each finished level. None if it is not ours."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(finished):
    """Note which levels are finished (level → fingerprint). None are, while something is being installed."""
    STAMP.write_text(json.dumps(dict(home(), **finished), indent=1) + "\n", encoding="utf-8")


def is_ready(level):
    """Whether .venv holds exactly what ``level`` needs."""
    stamp = read_stamp() or {}
    return PYTHON.exists() and stamp.get(level) == fingerprint(level) and home().items() <= stamp.items()


def can_be_updated():
    """Whether .venv was once finished for this folder and Python. A half-made one is made anew instead."""
    stamp = read_stamp() or {}
    return PYTHON.exists() and bool(set(REQUIREMENTS) & set(stamp)) and home().items() <= stamp.items()


@contextlib.contextmanager
def alone():
    """Hold back every other start.py of this folder, and wait for what an interrupted one left running.

    The programs started meanwhile inherit the lock (hence their ``close_fds=False``) and hold it as long as
    they live. Windows has no such locks, but neither does it delete files that are in use.
    """
    with open(str(ROOT / "start.py")) as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Another start.py is still at work in this folder: waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            os.set_inheritable(file.fileno(), True)
        yield


def prepare(level):
    """Install what ``level`` needs, unless it is there. Raises Stop when that cannot be done."""
    with alone():
        if not is_ready(level):
            make_ready(level)


def make_ready(level):
    """Install what ``level`` needs. Raises Stop when that cannot be done."""
    started = time.monotonic()
    check_folder(ROOT)
    if can_be_updated():
        say("Bringing the course's packages in .venv up to date.")
    else:
        check_venv_module()
        check_disk(ROOT, 3)
        say("Setting the course up in .venv.")
        say("This is done once and takes 2 to 3 minutes and about 2 GB (more where PyTorch comes with CUDA).")
        make_venv()
    # From here until the end nothing counts as finished. An interrupted install is thereby begun anew.
    write_stamp({})
    install(["-r", REQUIREMENTS[level][-1]])
    install(["--no-deps", "--no-build-isolation", "--editable", "."])
    levels = REQUIREMENTS if level == "test" else ["course"]
    write_stamp({name: fingerprint(name) for name in levels})
    say("Done in %d seconds." % (time.monotonic() - started))


def make_venv():
    """Make an empty environment in .venv, in place of a half-made one. Raises Stop when that fails."""
    if VENV.exists() and read_stamp() is None and os.listdir(str(VENV)):
        raise Stop(
            "The folder %s was not made by start.py: rename it or delete it, and run this again." % VENV
        )
    VENV.mkdir(exist_ok=True)
    # The stamp goes first and stays, so that .venv is known as ours whenever this is interrupted.
    write_stamp({})
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path != STAMP:
            path.unlink()
    say("  making the environment")
    # Run by the Python of .venv itself, this must not rely on that one any more.
    python = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run(
        [python, "-m", "venv", str(VENV)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,
    )
    if made.returncode != 0:
        show_last_lines(made.stdout.decode(errors="replace").splitlines())
        raise Stop(
            "Python could not make an environment in %s: its own last lines are above. "
            "Mend what they name, and run this again." % VENV
        )


def install(arguments):
    """Let pip install. Raises Stop with the reason in one sentence when it fails."""
    status, lines = run_pip(arguments)
    if status == 0:
        return
    show_last_lines(lines)
    output = "\n".join(lines)
    if "No space left on device" in output:
        reason = "The disk is full: make room"
    elif NETWORK_TROUBLE.search(output):
        reason = "The package index could not be reached: check the network and, if you have one, the proxy"
    elif "No matching distribution found for torch" in output:
        reason = (
            "There is no PyTorch for this Python and machine: use a 64-bit Python 3.11 to 3.13 on Linux, on "
            "Windows or on a Mac with Apple silicon"
        )
    else:
        reason = "pip could not install the packages (its own last lines are above): mend what they name"
    raise Stop(reason + ", and run this again.")


def run_pip(arguments):
    """Run `pip install` in .venv, telling of the long steps. Returns its exit status and its lines."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"] + arguments
    lines = []
    with subprocess.Popen(
        command,
        cwd=str(ROOT),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,
    ) as process:
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            big = BIG_DOWNLOAD.search(line)
            if big:
                verb = "downloading" if big.group(1) == "Downloading" else "taking from pip's cache"
                say("  %s %s %s (%s)" % (verb, big.group(2), big.group(3), big.group(4)))
            elif line.startswith("Installing collected packages") and line.count(",") > 20:
                say("  installing %d packages, which takes about a minute" % (line.count(",") + 1))
            elif "Retrying" in line and not any("Retrying" in earlier for earlier in lines):
                say("  no answer from the package index, trying again")
            lines.append(line)
    return process.returncode, lines


def show_last_lines(lines):
    """Show the end of what another program said."""
    for line in collections.deque((line for line in lines if line.strip()), maxlen=6):
        say("  | " + line)


# ---------------------------------------------------------------- what is run


def environment():
    """The environment variables for everything in .venv: it comes first, and nothing outside it leaks in."""
    variables = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
        variables.pop(name, None)
    variables["PIP_USER"] = "0"
    variables["VIRTUAL_ENV"] = str(VENV)
    # nbgrader calls the alembic of its environment by its bare name.
    variables["PATH"] = str(PYTHON.parent) + os.pathsep + variables.get("PATH", "")
    return variables


def become(command):
    """Run a program of .venv to its end in this one's place and end with its exit status."""
    sys.stdout.flush()
    if os.name != "nt":
        os.chdir(str(ROOT))
        os.execve(command[0], command, environment())
    process = subprocess.Popen(command, cwd=str(ROOT), env=environment())
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            # Windows sends Ctrl-C to both. The program ends by itself, and this one waits for it.
            continue


def quiet_lab():
    """Turn off JupyterLab's question about news and its check for updates, in .venv only."""
    settings = VENV / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    choices = {"fetchNews": "false", "checkForUpdates": False}
    overrides = json.dumps({"@jupyterlab/apputils-extension:notification": choices}, indent=1)
    (settings / "overrides.json").write_text(overrides + "\n", encoding="utf-8")


def lab_command(browser, port):
    """The command that starts JupyterLab at lesson 00.

    Its root is this folder, since nbgrader looks for the course there. ``port`` may be None.
    """
    command = [
        str(PYTHON),
        "-c",
        LAB,
        "--ServerApp.root_dir=%s" % ROOT,
        "--LabApp.default_url=/lab/tree/%s" % LESSON,
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.log_level=ERROR",
        "--ServerApp.log_level=ERROR",
        # Ctrl-C means stop, without a question.
        "--ServerApp.answer_yes=True",
        # Kernels encrypt what they say where they can. Without this each warns that it does not.
        "--KernelManager.transport_encryption=auto",
    ]
    if not browser:
        command.append("--no-browser")
    if port is not None:
        command.append("--port=%d" % port)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def main(arguments):
    """Do what the command line asks. Returns the exit status if there is nothing left to run."""
    check_python(sys.version_info, sys.executable)
    # A name that the terminal cannot show must not end in an error.
    sys.stdout.reconfigure(errors="replace")
    if arguments[:1] == ["test"]:
        prepare("test")
        say("Running the tests: pytest %s" % " ".join(arguments[1:]))
        become([str(PYTHON), "-m", "pytest"] + arguments[1:])
    parser = argparse.ArgumentParser(
        prog="start.py",
        description="Set the course up and open it in JupyterLab at lesson 00.",
        epilog="`start.py test` sets up and runs the tests; what follows `test` goes to pytest.",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    parser.add_argument("--port", type=int, help="the port of JupyterLab (8888, or the next free one)")
    options = parser.parse_args(arguments)
    prepare("course")
    quiet_lab()
    say("Starting JupyterLab with lesson 00. Stop it with Ctrl-C.")
    become(lab_command(not options.no_browser, options.port))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as reason:
        sys.exit("\n%s" % reason)
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        sys.exit("\nA file or program could not be used (%s): mend that, and run this again." % error)
