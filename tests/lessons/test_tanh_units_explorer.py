"""The explorer of lesson 05: what is drawn is the formula, and without the tanh the query moves no weight."""

import math
import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref.lab import TanhUnitsExplorer

V, W_Q, W_K, KEYS = (3.0, -3.0, 0.5), (-1.0, -3.0, 0.0), (2.0, 2.0, 0.5), range(-4, 5)


def scores_by_hand(query, squash):
    """The score of each key, written as the formula reads."""
    return [
        sum(v * squash(w_q * query + w_k * key) for v, w_q, w_k in zip(V, W_Q, W_K, strict=True))
        for key in KEYS
    ]


@pytest.mark.parametrize("query", [-2.0, 0.0, 1.0, 2.75])
@pytest.mark.parametrize("tanh", [True, False])
def test_scores_are_the_formula(query, tanh):
    explorer = TanhUnitsExplorer()
    explorer.query.value, explorer.tanh.value = query, tanh
    by_hand = scores_by_hand(query, math.tanh if tanh else lambda heard: heard)
    assert explorer.scores.tolist() == pytest.approx(by_hand)
    exps = [math.exp(score - max(by_hand)) for score in by_hand]
    assert explorer.weights.tolist() == pytest.approx([exp / sum(exps) for exp in exps])


def test_the_query_moves_the_weights_only_with_the_tanh():
    explorer = TanhUnitsExplorer(query=1.0)
    first = explorer.weights
    explorer.query.value = 3.0
    assert (explorer.weights - first).abs().max() > 0.3
    explorer.tanh.value = False
    before, scores = explorer.weights, explorer.scores
    explorer.query.value = -1.0
    assert torch.allclose(explorer.weights, before)
    assert (explorer.scores - scores).abs().min() > 1


@pytest.mark.parametrize("query", [1, 2, 3])
def test_the_bump_follows_the_query(query):
    explorer = TanhUnitsExplorer(query=query)
    assert explorer.places[explorer.weights.argmax()] == query


def test_the_score_is_odd():
    explorer = TanhUnitsExplorer(query=2.0)
    scores = explorer.scores
    explorer.query.value = -2.0
    assert torch.allclose(explorer.scores, -scores.flip(0))


def test_a_move_redraws_picture_and_sentence():
    explorer = TanhUnitsExplorer(query=1.0)
    picture, caption = explorer.picture.value, explorer.caption.value
    assert "Query 1, tanh on: the largest weight is 0.92, on key 1." in caption
    assert "differ from those of query 0 by at most 0.79" in caption
    explorer.query.value = 2.0
    assert explorer.picture.value != picture
    assert "Query 2, tanh on: the largest weight is 0.88, on key 2." in explorer.caption.value
    explorer.tanh.value = False
    assert "tanh off: the largest weight is 0.25, on key 4." in explorer.caption.value
    assert "by at most 0.00" in explorer.caption.value


@pytest.mark.parametrize("tanh", [True, False])
def test_the_picture_holds_three_units_their_sum_and_nine_keys(tanh):
    explorer = TanhUnitsExplorer(query=2.0)
    explorer.tanh.value = tanh
    svg = ElementTree.fromstring(explorer.svg())
    name = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f".//{name}polyline")) == 4
    assert len(svg.findall(f".//{name}circle")) == len(KEYS)
    heights = [float(bar.get("height")) for bar in svg.iter(f"{name}rect")]
    assert heights == pytest.approx([80 * weight for weight in explorer.weights.tolist()], abs=0.06)
    words = [text.text for text in svg.iter(f"{name}text")]
    assert ("unit 1: 3 tanh(2k - q)" if tanh else "unit 1: 3 (2k - q)") in words
    assert "k = q" in words
    # Lines differ in their dashes, not in colour alone.
    dashes = {line.get("stroke-dasharray") for line in svg.iter(f"{name}polyline")}
    assert len(dashes) == 4


def test_without_a_kernel_a_still_and_its_words_remain():
    explorer = TanhUnitsExplorer(query=2.0)
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    alt = re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1]
    assert alt == explorer.sentence()
    assert explorer.sentence() in bundle["text/plain"]
    assert "data:image/png;base64," in bundle["text/html"]


def test_what_it_cannot_draw_is_refused():
    with pytest.raises(ValueError, match="three units"):
        TanhUnitsExplorer(v=(1.0, 2.0))
    for keys in ([0], [1, 1], [2, 1]):
        with pytest.raises(ValueError, match="rising order"):
            TanhUnitsExplorer(keys=keys)
