"""The explorer of lesson 02: what is drawn is f^t and w^t, and the sentence says so."""

import math
import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref.lab import ForgetGateExplorer

SVG = "{http://www.w3.org/2000/svg}"


def moved(bias, weight, distance):
    explorer = ForgetGateExplorer()
    explorer.bias.value, explorer.weight.value, explorer.distance.value = bias, weight, distance
    return explorer


@pytest.mark.parametrize("bias", [-2, 0, 1, 3, 6])
@pytest.mark.parametrize("distance", [1, 20, 50])
def test_what_is_left_is_a_power_of_the_sigmoid(bias, distance):
    gate = float(torch.sigmoid(torch.tensor(bias, dtype=torch.float64)))
    through_gate, plain = moved(bias, 1.1, distance).left
    assert through_gate == pytest.approx(gate**distance)
    assert plain == pytest.approx(1.1**distance)


def test_the_gate_is_what_a_gradient_meets_on_the_way_through_the_cell():
    explorer = moved(1.0, 0.9, 20)
    cell = torch.ones((), dtype=torch.float64, requires_grad=True)
    state = cell
    for _ in range(20):
        state = torch.sigmoid(torch.tensor(1.0, dtype=torch.float64)) * state + 0.3
    state.backward()
    assert explorer.left[0] == pytest.approx(float(cell.grad))


def test_no_gradient_through_a_plain_unit_exceeds_the_other_curve():
    torch.manual_seed(0)
    explorer = moved(0.0, 1.3, 20)
    first = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    state = first
    for _ in range(20):
        state = torch.tanh(1.3 * state + 0.3 * torch.randn(50, dtype=torch.float64))
    state.sum().backward()
    assert 0 < float(first.grad.max()) < explorer.left[1]


@pytest.mark.parametrize(
    ("bias", "weight", "distance", "gate", "through_gate", "plain"),
    [
        (0, 0.9, 20, "0.500", "9.5e-07", "0.12"),
        (1, 1.0, 20, "0.731", "0.0019", "1"),
        (3, 1.5, 50, "0.953", "0.088", "6.38e+08"),
        (3, 0.0, 1, "0.953", "0.95", "0"),
    ],
)
def test_the_sentence_says_what_is_left(bias, weight, distance, gate, through_gate, plain):
    explorer = moved(bias, weight, distance)
    steps = "1 step" if distance == 1 else f"{distance} steps"
    assert explorer.sentence() == (
        f"Forget bias {bias}: the gate is {gate}, and after {steps} {through_gate} of the gradient is left."
        f" Plain unit with w = {weight:g}: at most {plain}."
    )
    assert explorer.sentence().replace("'", "&#x27;") in explorer.caption.value


def test_a_move_redraws_the_picture():
    explorer = ForgetGateExplorer()
    for control, value in ((explorer.bias, 3), (explorer.weight, 1.2), (explorer.distance, 40)):
        before = explorer.picture.value
        control.value = value
        assert explorer.picture.value != before


@pytest.mark.parametrize(("bias", "weight"), [(0, 0.9), (-2, 0.0), (6, 1.5)])
def test_the_picture_holds_both_curves_on_a_logarithmic_scale(bias, weight):
    explorer = moved(bias, weight, 10)
    svg = ElementTree.fromstring(explorer.svg())
    lines = svg.findall(f".//{SVG}polyline")
    assert len(lines) == len(svg.findall(f".//{SVG}circle")) == 2
    assert len({line.get("stroke-dasharray") for line in lines}) == 2
    # A power is a straight line here, from 1 at distance 0.
    x, y = zip(*(map(float, point.split(",")) for point in lines[0].get("points").split()), strict=True)
    assert len(x) == 51 and y[0] == pytest.approx(256 * 4 / 16)
    power = 10 * math.log10(explorer.gate)
    assert y[10] == pytest.approx(256 * (4 - power) / 16, abs=0.1)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {"1", "1e+04", "1e-12", "distance t"} <= set(words)


def test_without_a_kernel_a_still_and_its_words_remain():
    explorer = moved(3, 0.9, 20)
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1] == explorer.sentence()
    assert explorer.sentence() in bundle["text/plain"]
