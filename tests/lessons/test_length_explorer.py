"""The explorer of lesson 03: what it marks as wrong is wrong, and its bars are the accuracy by length."""

import re
from xml.etree import ElementTree

import pytest
import torch

from seqattn_ref import accuracy_by_length
from seqattn_ref.lab import BOS, EOS, PAD, LengthExplorer, Letters, Pairs, Vocabulary, bottleneck

VOCABULARY = Vocabulary("abcd")
A, B, C, D = VOCABULARY.encode("abcd")


def small():
    """Lengths 1, 2 and 2, and what a model wrote: right, one letter wrong, stopped too early."""
    source = torch.tensor([[A, PAD], [A, B], [C, D]])
    targets = torch.tensor([[A, EOS, PAD], [A, B, EOS], [C, D, EOS]])
    mask = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])
    written = torch.tensor([[A, EOS, B], [A, C, EOS], [C, EOS, EOS]])
    return Pairs(source, torch.tensor([1, 2, 2]), targets, mask), written


@pytest.fixture
def explorer():
    return LengthExplorer(*small(), VOCABULARY)


def test_it_begins_with_the_shortest_and_says_what_is_seen(explorer):
    assert explorer.shown == [["a"], ["a"], ["a"]]
    assert explorer.sentence() == (
        "Length 1, example 1 of 1: the source is a, the right answer a. The model wrote a: every place is"
        " right. Of the 1 sources of this length 1 are right as a whole."
    )


def test_a_wrong_letter_is_marked(explorer):
    explorer.length.value = 2
    assert explorer.shown == [["a", "b"], ["a", "b"], ["a", "c"]]
    assert explorer.wrong == [1]
    assert "The model wrote ac: 1 place is wrong, place 2." in explorer.sentence()
    assert "Of the 2 sources of this length 0 are right as a whole." in explorer.sentence()


def test_a_missing_letter_is_marked(explorer):
    explorer.length.value, explorer.example.value = 2, 2
    assert explorer.shown[2] == ["c"]
    assert explorer.wrong == [1]
    words = [
        text.text for text in ElementTree.fromstring(explorer.svg()).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert "–" in words and words.count("×") == 1


def test_letters_too_many_are_wrong_too():
    pairs, written = small()
    written[0] = torch.tensor([A, B, EOS])
    explorer = LengthExplorer(pairs, written, VOCABULARY)
    assert explorer.wrong == [1] and explorer.accuracy[1] == 0
    written[1:, :] = torch.tensor([B, A, C])
    explorer.length.value = 2
    assert explorer.wrong == [0, 1, 2]
    assert "3 places are wrong, the first of them place 1." in explorer.sentence()


def test_nothing_written_is_said():
    pairs, written = small()
    written[0] = EOS
    explorer = LengthExplorer(pairs, written, VOCABULARY)
    assert "The model wrote nothing: 1 place is wrong" in explorer.sentence()
    ElementTree.fromstring(explorer.svg())


def test_examples_begin_again_where_a_length_has_fewer(explorer):
    explorer.length.value, explorer.example.value = 2, 2
    explorer.length.value = 1
    assert "example 1 of 1" in explorer.sentence()


def test_the_accuracy_is_that_of_the_exercise():
    pairs = bottleneck.test_pairs(each=8)
    generator = torch.Generator().manual_seed(0)
    spoiled = torch.rand(pairs.targets.shape, generator=generator) < 0.1
    written = torch.where(spoiled, BOS, pairs.targets)
    explorer = LengthExplorer(pairs, written, bottleneck.TASK.vocabulary, length=5)
    at = torch.tensor(list(explorer.accuracy))
    wanted, _ = accuracy_by_length(written, pairs.targets, pairs.mask, pairs.lengths, at)
    assert list(explorer.accuracy.values()) == pytest.approx(wanted.tolist())
    for _ in range(8):
        # Marked exactly where the text under the picture says so.
        is_right = "every place is right" in explorer.sentence()
        assert is_right == (explorer.wrong == [])
        explorer.example.value += 1


def test_bars_are_as_high_as_the_accuracy_and_one_is_filled(explorer):
    explorer.length.value = 2
    svg = ElementTree.fromstring(explorer.svg())
    bars = [r for r in svg.iter("{http://www.w3.org/2000/svg}rect") if r.get("stroke") == "#0072B2"]
    assert [float(bar.get("height")) for bar in bars] == [90, 0]
    assert [bar.get("fill") for bar in bars] == ["none", "#0072B2"]


def test_a_wrong_place_differs_in_more_than_colour(explorer):
    explorer.length.value = 2
    frames = [r for r in ElementTree.fromstring(explorer.svg()).iter("{http://www.w3.org/2000/svg}rect")]
    assert [frame.get("stroke-dasharray") is not None for frame in frames[:6]] == [False] * 5 + [True]


def test_a_move_redraws_picture_and_sentence(explorer):
    picture, caption = explorer.picture.value, explorer.caption.value
    explorer.length.value = 2
    assert explorer.picture.value != picture and explorer.caption.value != caption
    picture = explorer.picture.value
    explorer.example.value = 2
    assert explorer.picture.value != picture


def test_words_are_shown_as_words_and_escaped():
    words = Vocabulary(["<one>", "two"])
    one, two = words.encode(["<one>", "two"])
    pairs = Pairs(
        torch.tensor([[one, two]]),
        torch.tensor([2]),
        torch.tensor([[two, one, EOS]]),
        torch.ones(1, 3, dtype=torch.bool),
    )
    explorer = LengthExplorer(pairs, pairs.targets, words)
    assert "the source is <one> two, the right answer two <one>." in explorer.sentence()
    ElementTree.fromstring(explorer.svg())


def test_without_a_kernel_a_still_and_its_words_remain():
    task = Letters("reverse", letters=4)
    pairs = task.draw(6, 2, 5, torch.Generator().manual_seed(1))
    explorer = LengthExplorer(pairs, pairs.targets.flip(0), task.vocabulary)
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert re.search(r'<img alt="([^"]*)"', bundle["text/html"])[1] == explorer.sentence()
    assert "data:image/png;base64," in bundle["text/html"]


def test_what_it_cannot_show_is_refused():
    pairs, written = small()
    with pytest.raises(ValueError, match="predictions of shape"):
        LengthExplorer(pairs, written[:, :2], VOCABULARY)
    with pytest.raises(ValueError, match="no source of length 7"):
        LengthExplorer(pairs, written, VOCABULARY, length=7)
