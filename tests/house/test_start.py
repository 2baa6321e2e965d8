"""start.py: what it installs and when, what it runs, and how it ends when something is missing."""

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from .conftest import REPO

START = REPO / "start.py"


def sentence(raised):
    """The reason given, which must be one that a learner can act on and no traceback."""
    text = str(raised.value)
    assert text.endswith(".") and "\n" not in text
    return text


@pytest.fixture
def folder(start, tmp_path):
    """An empty course folder that start works on. Its environment's Python is there, and that is all."""
    start.ROOT = tmp_path
    start.VENV = tmp_path / ".venv"
    start.PYTHON = start.VENV / "bin" / "python"
    start.STAMP = start.VENV / "start.json"
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(REPO / name, tmp_path)
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    return tmp_path


# ---------------------------------------------------------------- what must be there


def test_it_parses_under_python_3_6():
    ast.parse(START.read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 14, 0)])
def test_a_python_that_does_not_fit_is_named(start, monkeypatch, version):
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    with pytest.raises(start.Stop) as raised:
        start.check_python(version, "/usr/bin/python3")
    assert "needs Python 3.11, 3.12 or 3.13" in sentence(raised)
    assert "/usr/bin/python3 is Python {}.{}.{}.".format(*version) in sentence(raised)


def test_a_python_that_fits_is_pointed_to(start, monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: name if name == "python3.12" else None)
    monkeypatch.setattr(start, "runs", lambda name: True)
    with pytest.raises(start.Stop) as raised:
        start.check_python((3, 9, 2), "python3")
    assert sentence(raised).endswith("Run `python3.12 start.py` instead.")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 9)])
def test_the_pythons_that_fit_are_taken(start, version):
    start.check_python(version, "python3")


def test_an_old_python_gets_the_sentence_and_no_syntax_error(start):
    old = [
        name
        for name in ("python3.6", "python3.7", "python3.8", "python3.9", "python3.10")
        if start.runs(name)
    ]
    if not old:
        pytest.skip("there is no Python older than 3.11 here")
    ended = subprocess.run([old[0], START], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("\nThis course needs Python 3.11, 3.12 or 3.13, and ")
    assert "Traceback" not in ended.stderr


def test_debians_missing_venv_package_is_named(start, monkeypatch):
    monkeypatch.setattr(
        start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object()
    )
    with pytest.raises(start.Stop) as raised:
        start.check_venv_module()
    assert "`sudo apt install python{}.{}-venv`".format(*sys.version_info) in sentence(raised)


def test_a_complete_python_passes(start):
    start.check_venv_module()


def test_a_folder_that_cannot_be_written_is_named(start, monkeypatch, tmp_path):
    start.check_folder(tmp_path)

    def refuse(dir):
        raise PermissionError(13, "Permission denied", dir)

    # By hand, since nothing is forbidden to root.
    monkeypatch.setattr(start.tempfile, "TemporaryFile", refuse)
    with pytest.raises(start.Stop) as raised:
        start.check_folder(tmp_path)
    assert f"{tmp_path} cannot be written to (Permission denied)" in sentence(raised)


def test_a_full_disk_is_named(start, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: usage(10e9, 7.5e9, 2.5e9))
    with pytest.raises(start.Stop) as raised:
        start.check_disk(tmp_path, 3)
    assert "has 2.5 GB free. The course needs 3 GB" in sentence(raised)
    start.check_disk(tmp_path, 2)


def test_a_failing_venv_is_explained(start, folder, monkeypatch, capsys):
    shutil.rmtree(start.VENV)
    failed = subprocess.CompletedProcess([], 1, stdout=b"Error: the disk is on fire\n")
    monkeypatch.setattr(start.subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(start.Stop) as raised:
        start.make_venv()
    assert "could not make an environment" in sentence(raised)
    assert "  | Error: the disk is on fire" in capsys.readouterr().out


def test_a_venv_of_someone_else_is_left_alone(start, folder):
    assert start.read_stamp() is None
    with pytest.raises(start.Stop) as raised:
        start.make_venv()
    assert "was not made by start.py" in sentence(raised)
    assert start.PYTHON.exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/torch/", "index"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no PyTorch for this Python"),
        ("error: metadata-generation-failed", "its own last lines are above"),
    ],
)
def test_pips_failures_are_explained(start, monkeypatch, capsys, line, reason):
    monkeypatch.setattr(start, "run_pip", lambda arguments: (1, [line]))
    with pytest.raises(start.Stop) as raised:
        start.install(["-r", "requirements.txt"])
    assert reason in sentence(raised)
    assert sentence(raised).endswith("run this again.")
    assert f"  | {line}" in capsys.readouterr().out


# ---------------------------------------------------------------- when it installs


def test_nothing_counts_until_it_is_finished(start, folder):
    assert not start.is_ready("course")
    start.write_stamp({})
    assert not start.is_ready("course")
    assert not start.can_be_updated()
    start.write_stamp({"course": start.fingerprint("course")})
    assert start.is_ready("course")
    assert not start.is_ready("test")


@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml"])
def test_a_changed_file_calls_for_an_update(start, folder, changed):
    start.write_stamp({level: start.fingerprint(level) for level in start.REQUIREMENTS})
    assert start.is_ready("course") and start.is_ready("test")
    with (folder / changed).open("a") as file:
        file.write("# one more line\n")
    assert not start.is_ready("course") and not start.is_ready("test")
    assert start.can_be_updated()


def test_learners_do_not_care_about_the_tools_of_developers(start, folder):
    start.write_stamp({level: start.fingerprint(level) for level in start.REQUIREMENTS})
    (folder / "requirements-dev.txt").write_text("-r requirements.txt\nruff==99\n")
    assert start.is_ready("course") and not start.is_ready("test")


def test_another_python_or_place_calls_for_a_new_environment(start, folder, monkeypatch):
    start.write_stamp({"course": start.fingerprint("course")})
    here = start.home()
    for other in ({**here, "python": "3.99"}, {**here, "folder": "/elsewhere"}):
        monkeypatch.setattr(start, "home", lambda other=other: other)
        assert not start.is_ready("course") and not start.can_be_updated()


def test_an_environment_that_lost_its_python_is_made_anew(start, folder):
    start.write_stamp({"course": start.fingerprint("course")})
    start.PYTHON.unlink()
    assert not start.is_ready("course") and not start.can_be_updated()


def test_a_damaged_stamp_is_ours_but_says_nothing(start, folder):
    start.STAMP.write_text("{")
    assert start.read_stamp() == {}
    assert not start.is_ready("course") and not start.can_be_updated()


def test_two_do_not_install_at_once(start, capsys):
    fcntl = pytest.importorskip("fcntl")
    other = START.open()
    fcntl.flock(other, fcntl.LOCK_EX)
    released = threading.Timer(0.3, other.close)
    released.start()
    with start.alone():
        assert other.closed
    assert "Another start.py is still at work" in capsys.readouterr().out
    with start.alone():
        assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- what it runs


def test_lab_opens_at_lesson_00_and_serves_the_whole_repository(start):
    command = start.lab_command(True, None)
    assert f"--ServerApp.root_dir={REPO}" in command
    assert f"--LabApp.default_url=/lab/tree/{start.LESSON}" in command
    assert (REPO / start.LESSON).exists()
    assert not any(part.startswith(("--no-browser", "--port")) for part in command)


def test_labs_options_are_passed_on(start):
    assert {"--no-browser", "--port=8890"} <= set(start.lab_command(False, 8890))


def test_root_is_allowed_only_to_root(start, monkeypatch):
    monkeypatch.setattr(start.os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in start.lab_command(True, None)
    monkeypatch.setattr(start.os, "geteuid", lambda: 1000, raising=False)
    assert "--allow-root" not in start.lab_command(True, None)
    monkeypatch.delattr(start.os, "geteuid")
    assert "--allow-root" not in start.lab_command(True, None)


def test_nothing_from_outside_leaks_into_the_environment(start, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    variables = start.environment()
    assert "PYTHONPATH" not in variables and "PIP_TARGET" not in variables
    assert variables["PIP_USER"] == "0"
    assert variables["PATH"].split(os.pathsep)[0] == str(start.PYTHON.parent)


# ---------------------------------------------------------------- from an empty folder, with small packages

BACKEND = """
import zipfile


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "seqattn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel_directory + "/" + name, "w") as wheel:
        info = "seqattn-0.1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: seqattn\\nVersion: 0.1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
LABAPP = "import json, os, sys\n\ndef main():\n    print(json.dumps([os.getcwd()] + sys.argv[1:]))\n"
PYTEST = "import json, os, sys\nprint(json.dumps([os.getcwd()] + sys.argv[1:]))\nsys.exit(5)\n"


def make_wheel(folder, name, version, files):
    info = f"{name}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    everything = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": tag, f"{info}/RECORD": ""}
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in everything.items():
            wheel.writestr(path, content)


class Clone:
    """A fresh clone with start.py and tiny packages under the real names, which come from a folder only."""

    def __init__(self, base: Path):
        self.root = base / "a folder with spaces"
        self.wheels = base / "wheels"
        self.elsewhere = base / "elsewhere"
        for folder in (self.root, self.wheels, self.elsewhere):
            folder.mkdir()
        shutil.copy(START, self.root)
        self.write("backend.py", BACKEND)
        self.write(
            "pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "seqattn"\nversion = "0.1.0"\n',
        )
        self.write("requirements.txt", "torch==2.13.0\njupyterlab==4.6.6\n")
        self.write("requirements-dev.txt", "-r requirements.txt\npytest==9.2.0\n")
        make_wheel(self.wheels, "torch", "2.13.0", {"torch.py": ""})
        make_wheel(self.wheels, "pytest", "9.2.0", {"pytest/__init__.py": "", "pytest/__main__.py": PYTEST})
        make_wheel(
            self.wheels, "jupyterlab", "4.6.6", {"jupyterlab/__init__.py": "", "jupyterlab/labapp.py": LABAPP}
        )

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def run(self, *arguments, **variables):
        """Run start.py from another folder. Returns its exit status, its output and its error output."""
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri(), "PIP_CONFIG_FILE": os.devnull}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        ended = subprocess.run(
            [sys.executable, self.root / "start.py", *arguments],
            cwd=self.elsewhere,
            env={**clean, **offline, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in ended.stdout + ended.stderr
        return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.slow
def test_from_an_empty_folder_to_lab_and_tests(tmp_path):
    clone = Clone(tmp_path)

    # No network: said in a sentence. Nothing counts as installed.
    nobody = {
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "1",
    }
    status, out, error = clone.run("--no-browser", **nobody)
    assert status == 1
    assert "takes 2 to 3 minutes and about 2 GB" in out
    assert error == (
        "\nThe package index could not be reached: check the network and, if you have one, the proxy, "
        "and run this again.\n"
    )

    # The next time it is finished, and Lab is started in the clone's root.
    status, out, error = clone.run("--no-browser", "--port", "8899")
    assert (status, error) == (0, "")
    assert "Setting the course up in .venv." in out
    cwd, *lab = json.loads(out.splitlines()[-1])
    assert Path(cwd) == clone.root
    assert {f"--ServerApp.root_dir={clone.root}", "--no-browser", "--port=8899"} <= set(lab)
    settings = clone.root / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert '"fetchNews": "false"' in settings.read_text(encoding="utf-8")

    # The second time nothing is installed.
    status, out, error = clone.run("--no-browser")
    assert (status, error) == (0, "")
    assert out.splitlines()[0] == "Starting JupyterLab with lesson 00. Stop it with Ctrl-C."

    # Tests need one package more. pytest's arguments and its exit status are passed on.
    status, out, error = clone.run("test", "-k", "a or b", "-x")
    assert (status, error) == (5, "")
    cwd, *arguments = json.loads(out.splitlines()[-1])
    assert Path(cwd) == clone.root
    assert arguments == ["-k", "a or b", "-x"]

    # What tests need is all that a learner needs.
    assert clone.run()[1].startswith("Starting JupyterLab")

    # A changed file brings the environment up to date without making it anew.
    clone.write("requirements.txt", "torch==2.13.0\njupyterlab==4.6.6  # changed\n")
    assert clone.run()[1].startswith("Bringing the course's packages in .venv up to date.")
