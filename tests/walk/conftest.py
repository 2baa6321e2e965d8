"""A Chromium for each test, with its pictures."""

import os
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
# Root, as in containers, has no sandbox of Chromium's. The rest keeps it from asking its maker for anything.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def lab(request, tmp_path):
    """An empty page. Pictures go to the test's folder, and to $SEQATTN_SCREENSHOTS where that is set."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: on Debian install it with `sudo apt install chromium`")
    from playwright.sync_api import sync_playwright

    from .lab import Lab

    pictures = [tmp_path]
    if chosen := os.environ.get("SEQATTN_SCREENSHOTS"):
        pictures.append(Path(chosen).expanduser() / request.node.name.replace("[", "_").rstrip("]"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield Lab(browser.new_page(viewport={"width": 1400, "height": 1000}), pictures)
        browser.close()
