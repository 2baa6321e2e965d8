"""Lessons 04, 05 and 07 in JupyterLab, as a learner meets them."""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.exercises import find

expect = pytest.importorskip("playwright.sync_api", reason="these tests need requirements-dev.txt").expect
from .lab import free_port, one_space, serve  # noqa: E402

REPO = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture
def address(lab, tmp_path):
    """The address of a JupyterLab of this Python, on a copy of notebooks/, with settings of its own."""
    shutil.copytree(REPO / "notebooks", tmp_path / "notebooks")
    # No question about news over the pictures.
    asked = tmp_path / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    asked.parent.mkdir(parents=True)
    asked.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    env = dict(
        os.environ,
        HOME=str(tmp_path),
        JUPYTER_PREFER_ENV_PATH="1",
        JUPYTERLAB_SETTINGS_DIR=str(tmp_path / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(tmp_path / "workspaces"),
        PYTHONPATH=os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
        SEQATTN_HOME=str(tmp_path / "record"),
    )
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        env[name] = str(tmp_path / name.lower())
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={free_port()}"),
        f"--ServerApp.root_dir={tmp_path}",
        "--ServerApp.answer_yes=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--KernelManager.transport_encryption=auto",
    ]
    with serve(command, tmp_path, env, patience=90) as url:
        yield url.replace("/lab?", "/lab/tree/notebooks/{0}/{0}.ipynb?")


def runs_untouched(lab, url, cells_that_wait):
    """Open the lesson, run all of it, and see that nothing stops."""
    lab.open(url)
    lab.run_all()
    assert lab.errors() == []
    notebook = lab.page.locator(".jp-Notebook")
    assert notebook.get_by_text("This cell waits for").count() == cells_that_wait


def sentence_after(lab, explorer, handle, key):
    """Press a key on an explorer's slider. Returns the sentence below the picture before and after it."""
    sentence = explorer.locator("[aria-live=polite]")
    before = sentence.inner_text()
    slider = explorer.get_by_role("slider").nth(handle)
    slider.scroll_into_view_if_needed()
    slider.focus()
    lab.page.keyboard.press(key)
    expect(sentence).not_to_have_text(before)
    after = sentence.inner_text()
    # The picture's name follows, for people who cannot see it.
    expect(explorer.locator("[role=img]")).to_have_attribute("aria-label", after)
    return before, after


def test_04_attention_by_hand(lab, address):
    runs_untouched(lab, address.format("04_attention_by_hand"), cells_that_wait=3)
    assert "not attempted yet" in lab.output("check(masked_softmax)")

    explorer = lab.cell("lab.ContextExplorer(").locator(".jp-OutputArea")
    before, after = sentence_after(lab, explorer, handle=0, key="ArrowRight")
    assert before.startswith("Weights 0.665, 0.245, 0.090.")
    # exp(2.1) / (exp(2.1) + exp(1) + exp(0)) = 0.687
    assert after.startswith("Weights 0.687, 0.229, 0.084.")
    lab.picture("explorer")

    lab.answer(
        "def dot_scores(", "return queries @ keys.reshape(keys.shape[0], keys.shape[2], keys.shape[1])"
    )
    told = lab.output("check(dot_scores)")
    lab.picture("wrong")
    assert "FAIL" in told and "The smallest case on which it fails" in told
    hint = next(m.hint for m in find("dot_scores").mistakes if m.id == "view-instead-of-transpose")
    assert one_space(hint.replace("`", "")) in one_space(told)

    lab.answer("def dot_scores(", "return queries @ keys.transpose(1, 2)")
    told = lab.output("check(dot_scores)")
    lab.picture("right")
    assert "FAIL" not in told and "all checks pass" in told
    assert lab.offsite == []
    assert lab.complaints == []


def test_05_additive(lab, address):
    runs_untouched(lab, address.format("05_additive"), cells_that_wait=5)
    assert "not attempted yet" in lab.output("check(AdditiveAttention)")

    explorer = lab.cell("lab.TanhUnitsExplorer(").locator(".jp-OutputArea")
    before, after = sentence_after(lab, explorer, handle=0, key="ArrowRight")
    assert before.startswith("Query 1, tanh on:")
    assert after.startswith("Query 1.25, tanh on:")
    # The box by the keyboard: without tanh the weights are those of any other query.
    explorer.get_by_role("checkbox").focus()
    lab.page.keyboard.press("Space")
    explorer.get_by_text("Query 1.25, tanh off:").wait_for()
    assert (
        "differ from those of query 0 by at most 0.00" in explorer.locator("[aria-live=polite]").inner_text()
    )
    lab.picture("explorer")
    assert lab.offsite == []
    assert lab.complaints == []


def solved(slug, grade_id):
    """The source of an exercise's cell with its solution, without nbgrader's marks."""
    lesson = nbformat.read(REPO / "solutions" / slug / f"{slug}.ipynb", as_version=4)
    (cell,) = [c for c in lesson.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return re.sub(r"^ *### (BEGIN|END) SOLUTION\n", "", cell.source, flags=re.M)


def test_07_attention_decoder(lab, address):
    slug = "07_attention_decoder"
    lab.open(address.format(slug))
    lab.run_all()
    assert lab.errors() == []
    notebook = lab.page.locator(".jp-Notebook")
    assert notebook.get_by_text("This cell waits for").count() >= 8

    # The context before the word: no shape complains.
    right = solved(slug, "decoder_step")
    joined = "torch.cat([embedded, context], dim=1)"
    assert joined in right
    lab.paste("def decoder_step(", right.replace(joined, "torch.cat([context, embedded], dim=1)"))
    told = lab.output("check(decoder_step)")
    lab.picture("wrong")
    assert "FAIL" in told and "The smallest case on which it fails" in told
    hint = next(m.hint for m in find("decoder_step").mistakes if m.id == "joined-in-the-other-order")
    assert one_space(hint.replace("`", "")) in one_space(told)

    for beginning, name in (
        ("def decoder_step(", "decoder_step"),
        ("class AttentionDecoder(", "AttentionDecoder"),
        ("def alignment_gradient(", "alignment_gradient"),
    ):
        lab.paste(beginning, solved(slug, name))
        told = lab.output(f"check({name})")
        assert "FAIL" not in told and "all checks pass" in told
    lab.picture("right")

    # The trainings of the lesson, all six.
    lab.run_all(patience=600_000)
    assert lab.errors() == []
    assert notebook.get_by_text("This cell waits for").count() == 0
    figures = notebook.locator(".jp-OutputArea-output img")
    assert figures.count() >= 2
    described = [figures.nth(i).get_attribute("alt") for i in range(figures.count())]
    assert all(described) and any(alt.startswith("Accuracy against length") for alt in described)
    figures.first.scroll_into_view_if_needed()
    lab.picture("curve")

    explorer = lab.cell("def alignment(").locator(".jp-OutputArea")
    before, after = sentence_after(lab, explorer, handle=0, key="ArrowRight")
    assert before != after
    lab.picture("alignment")
    assert lab.offsite == []
    assert lab.complaints == []
