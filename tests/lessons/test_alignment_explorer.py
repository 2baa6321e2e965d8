"""The explorer of alignments: what is drawn and said is the row of the step, whatever the tokens are."""

import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref.lab import AlignmentExplorer

WEIGHTS = torch.tensor([[0.9, 0.07, 0.03, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 0.0]])
SVG = "{http://www.w3.org/2000/svg}"


def explorer(**rest):
    return AlignmentExplorer(WEIGHTS, "abca", ["x", "y", "eos"], **rest)


def parts(shown, name):
    return [e for e in ElementTree.fromstring(shown.svg()).iter(f"{SVG}rect") if e.get("class") == name]


def test_the_slider_goes_through_the_steps():
    shown = explorer()
    assert (shown.step.min, shown.step.max, shown.step.value) == (1, 3, 1)
    assert shown.row.tolist() == pytest.approx([0.9, 0.07, 0.03, 0.0])
    shown.step.value = 2
    assert shown.row.tolist() == pytest.approx([0.25] * 4)


def test_the_sentence_says_what_the_context_is_made_of():
    shown = explorer()
    assert shown.sentence() == "Step 1 of 3 writes x: z1 = 0.90 h1 (a) + 0.07 h2 (b) + 0.03 h3 (c)."
    shown.step.value = 2
    assert "z2 = 0.25 h1 (a) + 0.25 h2 (b) + 0.25 h3 (c) + …. The other key has 0.25." in shown.sentence()
    shown.step.value = 3
    assert shown.sentence() == "Step 3 of 3 writes eos: z3 is 0, since no weight is above 0."


def test_many_small_weights_are_told_as_one():
    shown = AlignmentExplorer(torch.full((1, 10), 0.1), range(10), ["y"])
    assert "0.10 h3 (2) + …. The other 7 keys share 0.70." in shown.sentence()
    shown = AlignmentExplorer([[0.996] + [0.001] * 4], "abcde", "a")
    assert "z1 = 1.00 h1 (a) + …. The other 4 keys share 0.00." in shown.sentence()


def test_with_keys_the_nearest_state_is_named():
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0], [-5.0, 0.0]])
    shown = explorer(keys=keys)
    assert shown.context.tolist() == pytest.approx([0.99, 0.16])
    assert shown.sentence().endswith("Of all states, h1 (a) is the nearest to z1.")
    shown.step.value = 2
    assert shown.context.tolist() == pytest.approx([-0.25, 1.0])
    assert "h2 (b) is the nearest to z2" in shown.sentence()
    assert explorer().context is None


def test_a_move_redraws_picture_and_sentence():
    shown = explorer()
    picture, caption = shown.picture.value, shown.caption.value
    shown.step.value = 2
    assert shown.picture.value != picture and shown.caption.value != caption
    assert "Step 2 of 3" in shown.caption.value


def test_the_row_is_marked_and_its_weights_stand_below():
    shown = explorer()
    for step in (1, 2, 3):
        shown.step.value = step
        (frame,) = parts(shown, "row")
        cells = [e for e in ElementTree.fromstring(shown.svg()).iter(f"{SVG}rect") if not e.get("class")]
        assert len(cells) == WEIGHTS.numel()
        first = cells[4 * (step - 1)]
        assert float(frame.get("y")) == float(first.get("y")) - 1
        assert [float(c.get("fill-opacity")) for c in cells] == pytest.approx(WEIGHTS.flatten().tolist())
        heights = [float(bar.get("height")) for bar in parts(shown, "bar")]
        assert heights == pytest.approx([80 * w for w in WEIGHTS[step - 1].tolist()], abs=0.06)


def test_words_stand_aslant_and_are_escaped():
    shown = AlignmentExplorer(torch.eye(2), ["<red>", "car & co"], ["coche", "rojo"])
    words = [text for text in ElementTree.fromstring(shown.svg()).iter(f"{SVG}text")]
    assert {"<red>", "car & co", "coche"} <= {text.text for text in words}
    assert any("rotate" in (text.get("transform") or "") for text in words)
    assert "(&lt;red&gt;)" in shown.caption.value


@pytest.mark.parametrize("shape", [(1, 1), (40, 60), (3, 1), (1, 40)])
def test_any_size_is_drawn(shape):
    weights = torch.softmax(torch.randn(shape, generator=torch.Generator().manual_seed(0)), 1)
    shown = AlignmentExplorer(weights, range(shape[1]), range(shape[0]))
    svg = ElementTree.fromstring(shown.svg())
    assert len(parts(shown, "bar")) == shape[1]
    assert float(svg.get("width")) < 1000


def test_weights_that_still_learn_and_other_dtypes_are_taken():
    weights = WEIGHTS.to(torch.bfloat16).requires_grad_()
    assert AlignmentExplorer(weights, "abca", "xyz").row.dtype == torch.float64


def test_without_a_kernel_a_still_and_its_words_remain():
    shown = explorer()
    shown.step.value = 2
    bundle = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    alt = re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1]
    assert alt == shown.sentence()
    assert "data:image/png;base64," in bundle["text/html"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((WEIGHTS, "abc", "xyz"), r"3 target and 3 source tokens .* \(3, 4\)"),
        ((WEIGHTS, "abca", "xy"), r"2 target and 4 source tokens"),
        ((WEIGHTS[0], "abca", "x"), r"of shape \(4,\)"),
        ((WEIGHTS[:0], "abca", ""), "0 target"),
        ((WEIGHTS, "abca", "xyz", torch.ones(3, 2)), r"4 source tokens came with keys of shape \(3, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        AlignmentExplorer(*arguments)
