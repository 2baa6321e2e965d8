"""Lesson 04's explorer: what moves, what must not, and what is left without a kernel."""

import xml.etree.ElementTree as ElementTree
from itertools import product

import pytest
import torch

from seqattn_ref import lab

STATES = ((2.0, 0.0), (-1.0, 2.0), (1.0, -1.0))


@pytest.fixture
def explorer():
    return lab.ContextExplorer()


def rectangles(explorer):
    """Widths of the three filled bars."""
    root = ElementTree.fromstring(explorer.svg())
    bars = [node for node in root.iter() if node.tag.endswith("rect") and node.get("fill") != "none"]
    return [float(bar.get("width")) for bar in bars]


def test_it_starts_at_the_worked_example(explorer):
    assert explorer.weights == pytest.approx([0.6652, 0.2447, 0.0900], abs=1e-4)
    assert explorer.context == pytest.approx((1.1758, 0.3994), abs=1e-4)
    assert explorer.sentence() == (
        "Weights 0.665, 0.245, 0.090. Context z = (1.18, 0.40). z is inside the triangle."
    )


@pytest.mark.parametrize("real", [real for real in product([True, False], repeat=3) if any(real)])
def test_weights_and_context_against_torch(explorer, real):
    for slider, score in zip(explorer.scores, (-3.0, 4.5, 0.7), strict=True):
        slider.value = score
    for box, value in zip(explorer.real, real, strict=True):
        box.value = value
    explorer.temperature.value = 2.0
    scores = torch.tensor([-3.0, 4.5, 0.7], dtype=torch.float64) / 2
    weights = scores.masked_fill(~torch.tensor(real), float("-inf")).softmax(dim=-1)
    assert explorer.weights == pytest.approx(weights.tolist())
    assert explorer.context == pytest.approx((weights @ torch.tensor(STATES, dtype=torch.float64)).tolist())


def test_a_slider_moves_picture_and_sentence(explorer):
    picture, sentence = explorer.picture.value, explorer.caption.value
    explorer.scores[2].value = 3.0
    assert explorer.picture.value != picture
    assert explorer.caption.value != sentence
    assert explorer.sentence() in explorer.caption.value
    assert rectangles(explorer) == pytest.approx([170 * weight for weight in explorer.weights], abs=0.06)


def test_adding_to_all_moves_nothing(explorer):
    picture, weights = explorer.picture.value, explorer.weights
    explorer.shift.value = 3.5
    assert explorer.weights == pytest.approx(weights)
    assert explorer.picture.value == picture


def test_a_cold_softmax_makes_small_weights_and_never_zero(explorer):
    explorer.temperature.value = 0.1
    assert all(weight > 0 for weight in explorer.weights)
    assert "Weights 1.000, 5e-05, 2e-09." in explorer.sentence()


def test_masks_take_corners_away(explorer):
    explorer.real[2].value = False
    assert explorer.weights[2] == 0
    assert "z is on the line between h¹ and h²." in explorer.sentence()
    explorer.real[0].value = False
    assert explorer.context == STATES[1]
    assert "Only h² is left, and z is that state." in explorer.sentence()
    explorer.real[1].value = False
    assert explorer.weights == [0.0, 0.0, 0.0]
    assert explorer.context == (0.0, 0.0)
    assert "every weight is 0" in explorer.sentence()
    assert explorer.svg().count("masked") == 6  # at each point and at each bar


@pytest.mark.parametrize("real", list(product([True, False], repeat=3)))
def test_every_picture_can_be_drawn(explorer, real):
    for box, value in zip(explorer.real, real, strict=True):
        box.value = value
    ElementTree.fromstring(explorer.svg())
    html = explorer._repr_mimebundle_()["text/html"]
    assert html.startswith(f'<img alt="{explorer.sentence()}"')
    assert "data:image/png;base64," in html


def test_the_sentence_has_no_negative_zero():
    explorer = lab.ContextExplorer(states=((0, -1), (0, 1), (-1e-9, 0)), scores=(0, 0, 0))
    assert "Context z = (0.00, 0.00)" in explorer.sentence()


@pytest.mark.parametrize(
    "arguments", [{"scores": (1, 2)}, {"states": ((0, 0), (1, 1))}, {"states": ((0, 0, 0), (1, 1), (2, 2))}]
)
def test_it_refuses_other_sizes(arguments):
    with pytest.raises(ValueError, match="three states of two numbers each, and three scores"):
        lab.ContextExplorer(**arguments)
