"""What lesson 04 says in numbers is what the formulas give and what its cells print."""

import math
import re

import pytest
import torch

from .reading import Lesson


@pytest.fixture(scope="module")
def lesson():
    return Lesson.run("04_attention_by_hand")


@pytest.fixture(scope="module")
def says(lesson):
    return lesson.says


@pytest.fixture(scope="module")
def printed(lesson):
    """What the solved lesson prints, with the alt text of its figures."""
    return re.sub(r" +", " ", "".join(lesson.outputs.values()))


def softmax(*scores):
    exps = [math.exp(score - max(scores)) for score in scores]
    return [exp / sum(exps) for exp in exps]


def row(numbers, digits):
    return ", ".join(f"{number:.{digits}f}" for number in numbers)


def test_the_worked_example(says, printed):
    weights = softmax(2, 1, 0)
    exps = [math.exp(score) for score in (2, 1, 0)]
    says(
        f"| $\\exp(e)$ | {exps[0]:.2f} | {exps[1]:.2f} | {exps[2]:.2f} | {sum(exps):.2f} |",
        f"| weight $\\alpha$ | {weights[0]:.3f} | {weights[1]:.3f} | {weights[2]:.3f} | 1 |",
        f"\\approx {2 * weights[0] - weights[1] + weights[2]:.2f}$",
        f"\\approx {2 * weights[1] - weights[2]:.2f}$",
    )
    assert "weights tensor([0.6652, 0.2447, 0.0900])\ncontext tensor([1.1758, 0.3994])" in printed


def test_the_completion_can_be_done_in_ones_head(printed):
    assert (
        "(tensor([0.7500, 0.2500]), tensor([3., 2.]))\nby hand: weights 0.75 and 0.25, context (3, 2)"
        in printed
    )


def test_the_table_of_dot_products(says):
    products = torch.tensor([[1, 1], [2, 0]]) @ torch.tensor([[2, 0], [-1, 2], [1, -1]]).T
    for query, scores in zip(("(1, 1)", "(2, 0)"), products.tolist(), strict=True):
        says(f"| ${query}$ | {scores[0]} | {scores[1]} | {scores[2]} |")


def test_what_softmax_does_to_pairs(says, printed):
    says("The scores 0.1 and 0.2 become {:.3f} and {:.3f}.".format(*softmax(0.1, 0.2)))
    says("The scores 0.9 and 0.1 become {:.2f} and {:.2f},".format(*softmax(0.9, 0.1)))
    says("10 and 20 give {:.3f} and {:.3f}.".format(*softmax(10, 20)))
    for pair in ((0.1, 0.2), (0.9, 0.1), (1.0, 2.0), (10.0, 20.0), (101.0, 102.0)):
        divided = [score / sum(pair) for score in pair]
        assert "{} {:.3f} {:.3f} {:.3f} {:.3f}".format(pair, *divided, *softmax(*pair)) in printed


def test_gaps_become_ratios(says):
    ratios = [math.exp(gap) for gap in (0.1, 1, 2, 5, 10)]
    says("| {:.2f} | {:.2f} | {:.2f} | {:.0f} | {:.0f} |".format(*ratios))


def test_temperature(says, printed):
    cold, hot = softmax(8, 4, 0), softmax(0.5, 0.25, 0)
    says(f"the first state takes {cold[0]:.2f}", f"it takes {hot[0]:.2f}, not far from one third")
    assert "temperature 0.25: " + row(cold, 4).replace(", ", " ") in printed
    assert "temperature 4.0: " + row(hot, 4).replace(", ", " ") in printed


def test_longer_rows_are_flatter(says, printed):
    def best(gap, length):
        return softmax(gap, *[0] * (length - 1))[0]

    says(f"it gets a weight of {best(2, 3):.2f}", f"c) {best(2, 100):.2f}", f"It is c, {best(2, 100):.3f}.")
    for gap in (2, 5, 10):
        lengths = (3, 10, 100, 1000)
        line = ", ".join(f"{best(gap, length):.3f} at S = {length}" for length in lengths)
        assert f"gap {gap}: {line}" in printed
    assert f"falls from {best(2, 3):.2f} at 3 states to {best(2, 100):.2f} at 100." in printed
    assert (
        f"With gap 5 it is {best(5, 100):.2f} at 100. With gap 10 it is {best(10, 1000):.2f} at 1000."
        in printed
    )


def test_overflow(says, printed):
    mantissa, power = f"{math.exp(89):.1e}".split("e+")
    says(f"$e^{{89}}$ is about ${mantissa} \\cdot 10^{{{power}}}$")
    mantissa, power = f"{torch.finfo(torch.float32).max:.1e}".split("e+")
    says(f"The largest float32 is about ${mantissa} \\cdot 10^{{{power}}}$")
    assert "exp(89) = inf" in printed
    assert "minus nothing [[nan, nan], [0.269, 0.731]]" in printed
    assert "minus the largest score of all [[0.269, 0.731], [nan, nan]]" in printed
    assert "minus the largest score of each row [[0.269, 0.731], [0.269, 0.731]]" in printed


def test_ways_to_mask(says, printed):
    filled, unmasked = softmax(-1, -2, 0), softmax(-1, -2, 5)
    says(
        f"With the score 0 the pad gets {filled[2]:.3f}",
        f"The real ones have only {math.exp(-1):.2f} and {math.exp(-2):.2f}.",
        f"Here they sum to {sum(unmasked[:2]):.3f},",
    )
    assert sorted(filled) == pytest.approx(sorted(softmax(2, 1, 0)))
    assert f"pad's score set to 0 {[round(weight, 3) for weight in filled]}" in printed
    assert f"pad's weight set to 0 {[round(weight, 3) for weight in unmasked[:2]] + [0.0]}" in printed
    assert "pad's score set to -inf [0.731, 0.269, 0.0]" in printed


def test_an_empty_row(printed):
    assert "filled with -inf [nan, nan, nan]" in printed
    assert "filled with -1e9 [0.333, 0.333, 0.333]" in printed
    assert "added and repaired [0.0, 0.0, 0.0] with gradient [nan, nan, nan]" in printed


def test_the_hand_examples_of_the_exercises(says):
    from seqattn_ref import context_vector, masked_softmax, softmax_backward

    for scores, mask, result in (
        ([0, 0, 0], [True, True, False], "0.5, 0.5, 0"),
        ([0, 0, 10000], [True, True, False], "0.5, 0.5, 0"),
        ([7, 8, 9], [False, False, False], "0, 0, 0"),
    ):
        weights = masked_softmax(torch.tensor(scores, dtype=torch.float64), torch.tensor(mask))
        assert ", ".join(f"{weight:g}" for weight in weights.tolist()) == result
        words = ", ".join("real" if real else "pad" for real in mask)
        says(f"| {', '.join(map(str, scores))} | {words} | {result} |")

    weights = torch.tensor([[[0.5, 0.25, 0.25]]])
    states = torch.tensor([[[2.0, 0.0], [-1.0, 2.0], [1.0, -1.0]]])
    assert context_vector(weights, states).tolist() == [[[1.0, 0.25]]]
    says("0.25 \\cdot (1, -1) = (1, 0.25)$")

    gradient = softmax_backward(weights[0, 0], torch.tensor([4.0, 0.0, 2.0])).tolist()
    says("the gradient 4, 0, 2 give {:g}, {:g}, {:g}.".format(*gradient))


def test_the_way_back_by_hand(says, printed):
    alpha, g = (0.5, 0.25, 0.25), (4, 0, 2)
    moves = [alpha[0] - alpha[0] ** 2, -alpha[1] * alpha[0], -alpha[2] * alpha[0]]
    says(
        f"$4 \\cdot {moves[0]:g} + 0 \\cdot ({moves[1]:g}) + 2 \\cdot ({moves[2]:g}) = "
        f"{sum(slope * move for slope, move in zip(g, moves, strict=True)):g}$"
    )
    average = sum(a * slope for a, slope in zip(alpha, g, strict=True))
    gradient = [a * (slope - average) for a, slope in zip(alpha, g, strict=True)]
    says(f"0.25 \\cdot 2 = {average:g}$")
    says(
        "\\cdot 1.5 = {:g}$, then $0.25 \\cdot (-2.5) = {:g}$, then $0.25 \\cdot (-0.5) = {:g}$".format(
            *gradient
        )
    )
    assert "tensor([ 0.7500, -0.6250, -0.1250])" in printed


def test_a_saturated_softmax_passes_little(says, printed):
    lines = re.findall(r"spread (\d+): largest weight ([\d.]+), gradient ([\d.]+)", printed)
    assert [int(spread) for spread, _, _ in lines] == [1, 2, 4, 8, 16, 32, 64]
    passed = [float(gradient) for _, _, gradient in lines]
    says(f"falls from about {passed[0]:.3f} to about {passed[-1]:.3f}, so it is c")
    says("c) smaller, to less than a tenth")
    assert passed[-1] < passed[0] / 10
    assert passed == sorted(passed, reverse=True)


def test_the_two_sentences(says, printed):
    forgotten = softmax(3, 1, 2, 2)
    says(f"The pads take {sum(forgotten[2:]):.2f},")
    says(f'"cat" gets {softmax(3, 1)[0]:.2f} before "chat" instead of {forgotten[0]:.2f}')
    assert "'le' looks at 'the' (0.87), 'chat' at 'cat' (0.76), 'noir' at 'black' (0.81)" in printed
    assert "In sentence 2 the pads get 0.00." in printed
    assert float(re.search(r"largest difference from PyTorch: (\S+)", printed)[1]) < 1e-6


def test_alpha_is_computed(printed):
    assert "before chat: alpha [0.04, 0.1, 0.76, 0.1]" in printed
    assert "before noir: alpha [0.04, 0.81, 0.11, 0.04]" in printed
    assert "alpha is a parameter: False" in printed
    slopes = re.findall(r"gradient of the query \[(\S+), (\S+), (\S+), (\S+)\]", printed)
    assert len(slopes) == 2
    for _, colour, _, _ in slopes:
        assert float(colour) < 0


def test_the_explorers_answers(says):
    from seqattn_ref import lab

    explorer = lab.ContextExplorer()
    explorer.temperature.value = 0.1
    says("a number like 5e-05")
    assert "5e-05" in explorer.sentence()
