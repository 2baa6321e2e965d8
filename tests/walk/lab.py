"""What a learner does in JupyterLab, done by a real Chromium: open, run, type, read, look."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+/lab\S*token=\w+")
# A kernel that imports torch on a busy machine takes its time.
PATIENCE = 180_000

STDERR = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"

# Every code cell has run and has its number, or one of them has stopped with an error.
ALL_RUN = """stderr => {
    const prompts = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')];
    const numbered = prompts.every(prompt => /\\[\\d+\\]/.test(prompt.textContent));
    return prompts.length > 0 && (numbered || document.querySelector(stderr) !== null);
}"""


# ---------------------------------------------------------------- the server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve(command: Sequence[str], cwd: Path, env: dict[str, str], patience: float) -> Iterator[str]:
    """Run a command that starts JupyterLab, and yield the address with its token that it prints.

    The command gets a process group of its own, which Ctrl-C ends afterwards. Fails when no address is
    printed in ``patience`` seconds, or when Ctrl-C does not end it.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    # Read to the end, or the server would stop at a full pipe.
    reader = threading.Thread(target=lambda: said.extend(process.stdout), daemon=True)
    reader.start()
    try:
        yield _address(process, said, time.monotonic() + patience)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0, f"Ctrl-C ended it with status {process.returncode}:\n{''.join(said)}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        process.stdout.close()


def _address(process: subprocess.Popen, said: list[str], deadline: float) -> str:
    while True:
        # Jupyter prints its address a moment before it answers there.
        if (found := ADDRESS.search("".join(said))) and _answers(found.group()):
            return found.group()
        assert process.poll() is None, f"It ended with status {process.returncode}:\n{''.join(said)}"
        assert time.monotonic() < deadline, f"No address was printed in time:\n{''.join(said)}"
        time.sleep(0.2)


def _answers(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port), timeout=1).close()
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- the browser


class Lab:
    """JupyterLab in a browser's page, with one notebook open."""

    def __init__(self, page: Page, pictures: Sequence[Path]):
        """``pictures`` are the folders that every picture goes to."""
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._pictures = pictures
        self._taken = 0
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda channel: self.requests.append(channel.url))

    @property
    def offsite(self) -> list[str]:
        """The addresses of other machines that the page asked for."""
        return [
            url for url in self.requests if urlsplit(url).hostname not in (None, "localhost", "127.0.0.1")
        ]

    def picture(self, name: str) -> None:
        """Keep what the page looks like now."""
        self._taken += 1
        file_name = f"{self._taken}_{name}.png"
        # A tooltip or a half-closed menu belongs to no stage.
        self.page.mouse.move(2, 2)
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=self._pictures[0] / file_name)
        for folder in self._pictures[1:]:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._pictures[0] / file_name, folder)

    # ---- opening and running

    def open(self, url: str) -> None:
        """Open the address and wait until the notebook's kernel is ready."""
        self.page.goto(url)
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=PATIENCE)
        self.wait_until_idle()
        # Right after opening, JupyterLab may replace the kernel once. What runs at that moment is lost.
        self.page.wait_for_timeout(1500)
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        indicator = self.page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator")
        expect(indicator).to_have_attribute("data-status", "idle", timeout=PATIENCE)

    def choose(self, *labels: str) -> None:
        """Click through a menu: choose("Run", "Run All Cells")."""
        self.page.locator("#jp-MainMenu .lm-MenuBar-item").get_by_text(labels[0], exact=True).click()
        for label in labels[1:]:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).click()

    def run_all(self, patience: float = PATIENCE) -> None:
        """Run > Run All Cells, by the mouse. Waits until every code cell has run or one has failed."""
        self.choose("Run", "Run All Cells")
        self.page.wait_for_function(ALL_RUN, arg=STDERR, timeout=patience)
        self.wait_until_idle()

    # ---- cells

    def cell(self, beginning: str) -> Locator:
        """The one code cell whose source begins so."""
        editor = self.page.locator(".cm-content").filter(has_text=re.compile("^" + re.escape(beginning)))
        found = self.page.locator(".jp-Notebook .jp-CodeCell").filter(has=editor)
        expect(found).to_have_count(1)
        return found

    def output(self, beginning: str) -> str:
        """What is read below the cell that begins so."""
        output = self.cell(beginning).locator(".jp-OutputArea")
        # JupyterLab lays out what is far from view only when one scrolls there.
        output.scroll_into_view_if_needed()
        expect(output).not_to_have_text("", use_inner_text=True)
        return output.inner_text()

    def errors(self) -> list[str]:
        """What cells printed to stderr. JupyterLab shows the traceback of an exception in the same way."""
        return self.page.locator(STDERR).all_text_contents()

    def answer(self, beginning: str, line: str) -> None:
        """Click into the cell, type ``line`` in place of its last line, and run it and the check below."""
        cell = self.cell(beginning)
        cell.locator(".cm-content").click()
        for key in ("Control+End", "Shift+Home"):
            self.page.keyboard.press(key)
        self.page.keyboard.type(line, delay=5)
        # An editor that closes brackets by itself must not leave one too many.
        expect(cell.locator(".cm-line").last).to_have_text(line)
        self._run_with_check(cell, beginning)

    def paste(self, beginning: str, source: str) -> None:
        """Put ``source`` in place of the whole cell, and run it and the check below."""
        cell = self.cell(beginning)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)
        expect(cell.locator(".cm-line").last).to_have_text(source.splitlines()[-1])
        self._run_with_check(cell, beginning)

    def _run_with_check(self, cell: Locator, beginning: str) -> None:
        name = re.match(r"(?:def|class) (\w+)", beginning)[1]
        check = self.cell(f"check({name})")
        before = [self._number(cell), self._number(check)]
        self.page.keyboard.press("Shift+Enter")
        self.page.keyboard.press("Shift+Enter")
        for box, number in zip((cell, check), before, strict=True):
            prompt = box.locator(".jp-InputPrompt")
            expect(prompt).not_to_have_text(f"[{number}]:", timeout=PATIENCE)
            expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)
        self.wait_until_idle()

    @staticmethod
    def _number(cell: Locator) -> int:
        return int(re.search(r"\d+", cell.locator(".jp-InputPrompt").inner_text()).group())


def one_space(text: str) -> str:
    """The text with every run of white space as one space, as a browser may have broken its lines."""
    return " ".join(text.split())
