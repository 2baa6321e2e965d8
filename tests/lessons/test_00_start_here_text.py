"""What lesson 00 says is what its cells show: numbers, words of the figure, and which lessons exist."""

import re

import pytest
import torch

from seqattn_ref import lab

from .conftest import REPO
from .reading import Lesson


@pytest.fixture(scope="module")
def lesson():
    return Lesson.run("00_start_here")


@pytest.fixture(scope="module")
def prose(lesson):
    return lesson.prose


@pytest.fixture(scope="module")
def printed(lesson):
    return lesson.everything


def test_padding_counts(prose, printed):
    assert "lengths: [3, 5, 1]" in printed
    assert "places that hold a pad: 6 of 15" in printed
    assert "6 of the 15 vectors" in prose
    assert "9 rows (8 words and the pad) and D = 4 columns" in prose
    assert "(3, 5, 4)" in printed


def test_the_figure_says_what_the_batch_is(printed):
    assert "Row 0 holds the, cat, sat and 2 hatched pads" in printed
    assert "['hello'] [4]" in printed


def test_mean_over_pads(prose, printed):
    assert "mean alone:  tensor([[6., 2.]])" in printed
    assert "mean padded: tensor([[2.0000, 0.6667]])" in printed
    assert "(6 + 0 + 0) / 3 = 2, and (2 + 0 + 0) / 3 = 0.67" in prose


def test_three_zero_pads_halve_the_mean(prose):
    explorer = lab.PaddingExplorer()
    explorer.pads.value = 3
    assert "12 / 6 = 2" in explorer.sentence()
    assert "Three pads of zeros already halve it, since 12 / 6 = 2." in prose


def test_broadcast_loss(prose, printed):
    assert "shape of the difference: (3, 3)" in printed
    assert "loss: 1.33" in printed
    assert "so the mean is 12 / 9, about 1.33" in prose


def test_the_broadcast_loss_is_smallest_at_the_mean(prose):
    targets = torch.tensor([1.0, 2.0, 5.0])
    outputs = targets.mean().expand(3, 1).clone().requires_grad_()
    ((outputs - targets) ** 2).mean().backward()
    assert outputs.grad.abs().max() < 1e-6
    assert "smallest when every output equals the mean of all the targets" in prose


def test_examples_by_hand(lesson):
    names = lesson.names
    expected = [[True, True, True, False], [True, False, False, False]]
    assert names["pad_mask"](torch.tensor([3, 1]), 4).tolist() == expected
    x = torch.tensor([[[2.0, 10.0], [4.0, 20.0], [9.0, 99.0]]])
    assert names["masked_mean"](x, torch.tensor([[True, True, False]])).tolist() == [[3.0, 15.0]]


def test_only_the_longest_sentence_survives_the_plain_mean(printed):
    lines = r"^(\w.*)\n +plain mean is off by (\d\.\d+)\n +masked mean is off by 0\.0000$"
    off = dict(re.findall(lines, printed, flags=re.M))
    assert len(off) == 3
    assert [sentence for sentence, size in off.items() if float(size) == 0] == ["we ate the whole cake"]


def test_the_table_of_lessons_is_right(prose):
    there = {folder.name for folder in (REPO / "solutions").iterdir() if folder.is_dir()}
    rows = re.findall(r"\| \[?(\d\d \w+)[^|]*\|[^|]*\| (open|coming|you are here) \|", prose)
    assert len(rows) == 12
    for name, state in rows:
        assert (name.replace(" ", "_") in there) == (state != "coming"), name
    for target in re.findall(r"\]\(\.\./([^)]+)\)", prose):
        assert (REPO / "solutions" / target).is_file()
