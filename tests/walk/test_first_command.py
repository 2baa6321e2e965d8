"""From an empty folder to a solved exercise: clone, the README's first command, lesson 00 in a browser."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from autograder.exercises import find

pytest.importorskip("playwright", reason="these tests need requirements-dev.txt")
from .lab import free_port, one_space, serve

REPO = Path(__file__).resolve().parents[2]
# Where a machine keeps its own programs, whatever environment these tests run in.
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
FITS = "import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
# From a stranger's shell: what says how to reach the package index, and where pip keeps what it has fetched.
NETWORK = re.compile(r"PIP_\w+|(?:https?|all|no)_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.I)

pytestmark = pytest.mark.slow


def first_command():
    """The README's command for learners: the first code block below its heading."""
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    below = re.split(r"^## Learn$", readme, flags=re.MULTILINE)[1]
    return re.search(r"^```\w*\n(.+?)\n```$", below, flags=re.MULTILINE | re.DOTALL)[1]


def git(*arguments, cwd):
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def published(folder):
    """A repository with one commit that holds this one's files as they stand, committed or not."""
    folder.mkdir()
    for name in git("ls-files", "-z", "-co", "--exclude-standard", cwd=REPO).split("\0"):
        if name and (REPO / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, folder / name)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    someone = (
        "-c",
        "user.name=someone",
        "-c",
        "user.email=someone@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    git(*someone, "commit", "--quiet", "-m", "As it stands", cwd=folder)
    return folder


def stranger(home):
    """The environment of somebody who has only Python and git: nothing of the one that runs this test."""
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    # pip's own settings of this machine and what it has fetched before are all that is kept of the old home.
    for name in (".config/pip/pip.conf", ".pip/pip.conf"):
        if (Path.home() / name).exists():
            (home / name).parent.mkdir(parents=True)
            shutil.copy(Path.home() / name, home / name)
    env.setdefault("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    python = shutil.which("python3", path=SYSTEM)
    path = SYSTEM
    if python is None or subprocess.run([python, "-c", FITS], capture_output=True).returncode != 0:
        path = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), SYSTEM])
    return {**env, "HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "SEQATTN_HOME": str(home / "record")}


def shown_case(told):
    """The smallest case as the page prints it: lengths, max_len, expected, got."""
    lines = [rf"^{name}\s*(?:\(.+?\))? = (.+)$" for name in ("lengths", "max_len", "expected", "got")]
    return [literal_eval(re.search(line, told, flags=re.MULTILINE)[1]) for line in lines]


@pytest.fixture
def clone(tmp_path):
    """A fresh clone in an empty folder, and the environment to work in it."""
    source = published(tmp_path / "published")
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    env = stranger(tmp_path / "home")
    subprocess.run(["git", "clone", "--quiet", source, "seqattn"], cwd=folder, env=env, check=True)
    yield folder / "seqattn", env
    # pytest keeps the folders of the last runs, and this part of it takes 2 GB.
    shutil.rmtree(folder / "seqattn" / ".venv", ignore_errors=True)


def test_the_walk_from_an_empty_folder(lab, clone):
    folder, env = clone
    command = [*shlex.split(first_command()), "--no-browser", "--port", str(free_port())]
    with serve(command, folder, env, patience=600) as url:
        assert "/lab/tree/notebooks/00_start_here/00_start_here.ipynb" in url
        lab.open(url)
        lab.picture("opened")

        lab.run_all()
        assert lab.errors() == []
        for name in ("pad_mask", "masked_mean"):
            assert f"{name}: not attempted yet" in one_space(lab.output(f"check({name})"))
        assert "This cell waits for pad_mask." in lab.output("with needs(pad_mask):")
        lab.picture("not_attempted_yet")

        lab.answer("def pad_mask(", "return places[None, :] >= lengths[:, None]")
        told = lab.output("check(pad_mask)")
        lab.picture("wrong")
        assert re.search(r"FAIL\s+pad_mask: something is not right yet, [12] of 3 points", told)
        assert "PASS" in told
        assert "The smallest case on which it fails" in told
        lengths, size, expected, got = shown_case(told)
        assert expected == [[place < length for place in range(size)] for length in lengths]
        assert got == [[place >= length for place in range(size)] for length in lengths]
        hint = next(m.hint for m in find("pad_mask").mistakes if m.id == "mask-inverted")
        assert one_space(hint.replace("`", "")) in one_space(told)

        lab.choose("Settings", "Theme", "JupyterLab Dark")
        lab.page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
        lab.picture("wrong_in_the_dark")
        lab.choose("Settings", "Theme", "JupyterLab Light")

        lab.answer("def pad_mask(", "return places[None, :] < lengths[:, None]")
        told = lab.output("check(pad_mask)")
        lab.picture("right")
        assert "FAIL" not in told
        assert "pad_mask: all checks pass, 3 of 3 points" in told

        assert lab.offsite == []
        assert lab.complaints == []
