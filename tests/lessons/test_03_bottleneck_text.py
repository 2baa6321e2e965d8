"""Lesson 03: every number in its prose is one that its cells print or that the stored runs hold.

The lesson trains for half a minute, so what its own models reach is looked at in the slow tests.
"""

import math
import re

import pytest
import torch

from seqattn_ref import accuracy_by_length, lab
from seqattn_ref.lab import bottleneck

from .reading import Lesson, mean_of

SLUG = "03_bottleneck"


@pytest.fixture(scope="module")
def lesson():
    """Its prose alone: nothing is run."""
    return Lesson.read(SLUG)


@pytest.fixture
def ran(executed):
    """The lesson with what its cells printed."""
    return Lesson.of(executed(SLUG))


@pytest.fixture(scope="module")
def stored():
    return lab.stored("bottleneck")


def half(stored, name):
    """The longest length of which at least half is right."""
    return max(n for n in stored["lengths"] if mean_of(stored, name, n) >= 50)


# ---------------------------------------------------------------- without running it


def test_bits(lesson):
    bits = math.log2(20)
    lesson.says(
        rf"$\log_2 20 = {bits:.2f}$ bits",
        rf"$12 \cdot \log_2 20 = {12 * bits:.0f}$ bits",
        "$20^{12}$ sources of 12 letters, about $4 \\cdot 10^{15}$",
        f"sees {bottleneck.STEPS * bottleneck.BATCH:,} sources in all",
        "$H = 64$",
    )
    assert 4e15 < 20**12 < 4.2e15 and bottleneck.HIDDEN == 64
    # Five letters to a float32 number, none left over.
    assert 20**5 <= 2**24 < 20**6
    lesson.says("320 letters, five to a number")
    assert 64 * 5 == 320 and 20.0**5 - 1 == float(torch.tensor(20.0**5 - 1))


def test_the_settings(lesson):
    task = bottleneck.TASK
    lesson.says(
        f"| letters | {task.letters} |",
        f"{bottleneck.SHORTEST} to {bottleneck.LONGEST} letters, drawn anew",
        f"{bottleneck.STEPS} steps of {bottleneck.BATCH} sources",
        f"E = {bottleneck.EMBED}, H = {bottleneck.HIDDEN}",
        f"each length from {bottleneck.LENGTHS[0]} to {bottleneck.LENGTHS[-1]}",
        "100 sources of each length",
        "0, 1 and 2",
    )
    assert task.rule == "copy" and bottleneck.SEEDS == (0, 1, 2)
    assert torch.bincount(bottleneck.test_pairs().lengths)[1:].tolist() == [100] * 16


def test_the_four_sequences_by_hand(lesson):
    rows = re.findall(r"\| (\d) \| (\d \d \d) \| (\d \d \d) \| (yes|no)", lesson.prose)
    lengths, targets, written, _ = zip(*rows, strict=True)
    targets, written = (
        torch.tensor([[int(x) for x in row.split()] for row in side]) for side in (targets, written)
    )
    mask = torch.arange(3) <= torch.tensor([int(n) for n in lengths])[:, None]
    right = ((targets == written) | ~mask).all(1)
    assert [("no", "yes")[is_right] for is_right in right.tolist()] == [row[3] for row in rows]
    sources = torch.tensor([int(n) for n in lengths])
    accuracy, count = accuracy_by_length(written, targets, mask, sources, torch.tensor([2, 1, 3]))
    assert accuracy.tolist() == pytest.approx([1 / 3, 1, 0]) and count.tolist() == [3, 1, 0]
    lesson.says(
        "accuracy is 1 at length 1 and 1/3 at length 2",
        f"for all of them, {right.sum()} of {len(right)},",
        "at (2, 1, 3), give the accuracies 1/3, 1, 0 and the counts 3, 1, 0",
    )


def test_what_buys_what(lesson, stored):
    wide, long, longest, turned = (
        f"plain, {name}"
        for name in ("256 units", "4 times the steps", "16 times the steps", "source reversed")
    )
    lesson.says(f"at least half of the sources up to {half(stored, 'plain')} letters")
    models = stored["models"]
    assert 12 <= models[wide]["parameters"] / models["plain"]["parameters"] < 12.5
    slower = sum(models[wide]["seconds"]) / sum(models["plain"]["seconds"])
    assert 4.5 < slower < 6
    lesson.says(
        f"from {half(stored, 'plain')} to {half(stored, wide)} letters, for 12 times the parameters and about"
        " five times the time",
        f"Four times the steps also give {half(stored, long)} letters",
        f"Sixteen times the steps give {half(stored, longest)} letters",
        f"{mean_of(stored, 'plain', 6):.0f} % become {mean_of(stored, turned, 6):.0f} % at six letters",
        f"{mean_of(stored, longest, 12):.0f} % of the sources are right at 12 letters, and"
        f" {mean_of(stored, longest, 10):.0f} % at 10",
        f"with 16 times the budget the same model reaches {half(stored, longest)}",
    )
    assert models[long]["parameters"] == models["plain"]["parameters"]
    lesson.says("take eight minutes in all, and the longest a minute and a half")
    asked = [model["seconds"] for name, model in models.items() if name.startswith("plain")]
    assert 420 < sum(map(sum, asked)) < 540 and 75 < max(map(max, asked)) < 105
    assert half(stored, longest) > max(half(stored, name) for name in (wide, long, turned))


def test_the_answer_of_the_other_seeds_that_write_from_the_end(lesson, stored):
    lesson.says("the last letter of the source is kept best in all of them")
    assert [run.index(max(run)) for run in stored["positions"]["reverse"]] == [0, 0, 0]


def test_how_long_a_training_takes(lesson, stored):
    lesson.says("Four short trainings", "about 5 seconds each on a quiet core")
    assert 4 < min(stored["models"]["plain"]["seconds"]) < 7


def test_the_attention_curve_stays_hidden(lesson):
    code = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "code")
    assert '"attention"' not in code and "'attention'" not in code
    assert 'name.startswith("plain")' in code
    lesson.says("The other curve is kept for lesson 07")


# ---------------------------------------------------------------- after a run


@pytest.mark.slow
def test_packed_letters_are_read_back(ran):
    printed = ran.printed("place_value = ")
    assert "12 letters carry 52 bits; z has 2048 bits" in printed
    assert "without a mistake: 320 of 320" in printed


@pytest.mark.slow
def test_shapes(ran):
    assert "all states (2, 1, 2)  last state (1, 2, 2)" in ran.printed("step_input = ")
    assert "all states (2, 4, 2)  last state (1, 2, 2)" in ran.printed("all_steps = ")
    assert "the last of all states is the last state: True" in ran.printed("all_steps = ")


@pytest.mark.slow
def test_the_gradient_reaches_the_letters_of_the_source_alone(ran):
    sizes = [float(size) for size in re.findall(r"'([\d.]+)'", ran.printed("weight.grad.norm"))]
    assert min(sizes[:3]) > 0.001 and sizes[3] == 0


@pytest.mark.slow
def test_the_curve(ran, stored):
    alt = ran.printed("known = test.targets")
    shown = {int(n): int(share) for share, n in re.findall(r"(\d+) at (\d+)", alt)}
    ran.says("at four about 84 %, at six about 40 %, at eight about 7 %, and from ten on nothing")
    for length, said in ((4, 84), (6, 40), (8, 7), (10, 0), (12, 0)):
        assert shown[length] == pytest.approx(said, abs=6)
        # The learner's own runs are those of the stored plain model.
        assert shown[length] == pytest.approx(mean_of(stored, "plain", length), abs=6)
    ran.says("The seeds differ by more than ten points at length 5")
    spread, length = re.search(r"largest spread over the seeds: (\d+) points, at length (\d+)", alt).groups()
    assert int(spread) > 10 and length == "5"
    assert mean_of(stored, "plain", 5) > 50 > mean_of(stored, "plain", 6)  # answer c
    assert mean_of(stored, "plain", 3) > 98
    ran.says("from 99 % at 3 letters to 0 at 10", "fewer than half of the sources from 6 letters on")


@pytest.mark.slow
def test_the_order_is_lost_before_the_letters(ran):
    rows = re.findall(r"^ +(\d+) +(\d+)% +(\d+)% +(\d+)%$", ran.printed("def letters_kept"), flags=re.M)
    kept = {int(n): [int(share) for share in shares] for n, *shares in rows}
    assert list(kept) == [4, 6, 8, 10, 12]
    ran.says("At 8 letters about 95 % of the letters are there", "only about half of them in their place")
    in_place, anywhere, chance = kept[8]
    assert anywhere == pytest.approx(95, abs=3) and in_place == pytest.approx(50, abs=6) and chance < 35
    ran.says("from about 92 % at 4 letters to about a third at 12")
    assert kept[4][0] == pytest.approx(92, abs=3) and kept[12][0] == pytest.approx(33, abs=5)


@pytest.mark.slow
def test_sources_longer_than_in_training_are_cut_short(ran):
    ran.says("it stops before it has written 16")
    printed = ran.printed("def letters_kept")
    assert int(re.search(r"the first model wrote \d+ to (\d+) letters", printed)[1]) < 16


@pytest.mark.slow
def test_which_end_suffers(ran, stored):
    alt = ran.printed("def right_by_place")
    copying, ending = re.findall(r"(\d+) % at place 1, (\d+) at 7, (\d+) at 12", alt)
    copying, ending = ([int(share) for share in shares] for shares in (copying, ending))
    ran.says(
        "the first letter of the source is right in about 86 % of the cases, and the letters from place 7 on"
        " in about 40 to 50 %",
        "the last letter of the source that is kept best, with about 76 %",
    )
    assert copying[0] == pytest.approx(86, abs=4) and ending[2] == pytest.approx(76, abs=4)
    average = [sum(run[place] for run in stored["positions"]["copy"]) / 3 for place in range(12)]
    assert average[0] == max(average) and all(0.39 < share < 0.52 for share in average[6:])
    assert copying[1] < 50 and ending[0] < ending[2]
