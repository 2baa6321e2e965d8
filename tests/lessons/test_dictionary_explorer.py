"""The explorer of lesson 06: what is drawn is qᵀ W h, and no W lets a key inside the others win."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref import bilinear_scores
from seqattn_ref.lab import DictionaryExplorer

KEYS = ((2, 0), (0.5, 1.5), (-1.5, 1), (-0.5, -1.5), (0.4, 0.3))


@pytest.mark.parametrize(
    ("query", "turn", "stretch", "kept"),
    [(20, 0, 1.0, 1.0), (60, 90, 2.5, 0.3), (-135, 45, 0.5, 0.0), (180, -180, 3.0, 0.7)],
)
def test_what_is_drawn_is_the_formula(query, turn, stretch, kept):
    explorer = DictionaryExplorer(query=query, turn=turn, stretch=stretch, kept=kept)
    q = torch.tensor([math.cos(math.radians(query)), math.sin(math.radians(query))], dtype=torch.float64)
    W = torch.tensor(explorer.W, dtype=torch.float64)
    keys = torch.tensor(KEYS, dtype=torch.float64)
    scores = bilinear_scores(q[None, None], keys[None], W)[0, 0]
    assert explorer.translated == pytest.approx((q @ W).tolist())
    assert explorer.scores == pytest.approx(scores.tolist())
    assert explorer.weights == pytest.approx(torch.softmax(scores, dim=0).tolist())


def test_w_turns_stretches_and_forgets():
    explorer = DictionaryExplorer(query=30, turn=40, stretch=2.0)
    x, y = explorer.translated
    assert math.degrees(math.atan2(y, x)) == pytest.approx(70)
    assert math.hypot(x, y) == pytest.approx(2)
    explorer.kept.value = 0.0
    x, y = explorer.translated
    assert math.degrees(math.atan2(y, x)) == pytest.approx(40)
    assert math.hypot(x, y) == pytest.approx(2 * math.cos(math.radians(30)))
    assert torch.linalg.matrix_rank(torch.tensor(explorer.W, dtype=torch.float64)) == 1


def test_a_key_inside_the_others_never_has_the_largest_weight():
    explorer = DictionaryExplorer()
    for turn, stretch, kept in itertools.product(range(-180, 180, 30), (0.5, 3.0), (0.0, 0.4, 1.0)):
        explorer.turn.value, explorer.stretch.value, explorer.kept.value = turn, stretch, kept
        for query in range(-180, 180, 30):
            x, y = explorer._translate(query)
            scores = [x * key_x + y * key_y for key_x, key_y in KEYS]
            assert scores[4] <= max(scores[:4]) + 1e-9


def test_the_nearest_key_need_not_win():
    explorer = DictionaryExplorer()
    distances = [math.dist(explorer.translated, key) for key in KEYS]
    assert distances.index(min(distances)) == 4
    assert explorer.weights.index(max(explorer.weights)) == 0


def test_a_move_redraws_picture_and_sentence():
    explorer = DictionaryExplorer()
    assert "The largest weight is 0.57, on h¹." in explorer.caption.value
    before = explorer.picture.value
    explorer.turn.value = 90
    assert explorer.picture.value != before
    assert "turns it by 90°" in explorer.caption.value
    explorer.stretch.value = 0
    assert "All weights are 0.20." in explorer.caption.value
    assert "-0.00" not in explorer.sentence()


def test_the_picture_holds_two_planes_and_a_bar_for_each_key():
    explorer = DictionaryExplorer(query=60, turn=90, stretch=2.5, kept=0.3)
    svg = ElementTree.fromstring(explorer.svg())
    name = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f".//{name}polyline")) == 2
    assert len(svg.findall(f".//{name}circle")) == len(KEYS)
    widths = [float(bar.get("width")) for bar in svg.iter(f"{name}rect") if bar.get("fill") != "none"]
    assert widths == pytest.approx([110 * weight for weight in explorer.weights], abs=0.06)
    assert "W = [[0.00, 2.50], [-0.75, 0.00]]" in [text.text for text in svg.iter(f"{name}text")]
    # An arrow without a length is drawn as a dot.
    explorer.stretch.value = 0
    svg = ElementTree.fromstring(explorer.svg())
    assert len(svg.findall(f".//{name}circle")) == len(KEYS) + 1


def test_without_a_kernel_a_still_and_its_words_remain():
    explorer = DictionaryExplorer(query=60, turn=90)
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    alt = re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1]
    assert alt == explorer.sentence()
    assert explorer.sentence() in bundle["text/plain"]
    assert "data:image/png;base64," in bundle["text/html"]


@pytest.mark.parametrize("keys", [((1, 0),), ((1, 0),) * 6, ((1, 0), (1, 0, 0))])
def test_what_it_cannot_draw_is_refused(keys):
    with pytest.raises(ValueError, match="two to five keys"):
        DictionaryExplorer(keys=keys)
