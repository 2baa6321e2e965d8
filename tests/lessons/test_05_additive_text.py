"""Lesson 05: every number that its prose states is the one that its code gives."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from .reading import Lesson

# One row of the training table: step, loss, right house in percent, perplexity, gap.
ROW = re.compile(r"^ *(\d+) +([\d.]+) +(\d+)% +([\d.]+) +([\d.]+)$", re.MULTILINE)

# The two keys that the prose works with by hand.
KEYS = torch.tensor([[1.0, 2.0, 0.0, 0.0], [-1.0, 1.0, 1.0, -1.0]])


@pytest.fixture(scope="module")
def lesson():
    state = torch.get_rng_state()
    yield Lesson.run("05_additive")
    torch.set_rng_state(state)


def test_the_pair_by_hand(lesson):
    W_q, W_k, v, query = (lesson.names[name] for name in ("W_q", "W_k", "v", "query"))
    assert (W_q @ query).tolist() == [1, 1]
    assert [(W_k @ key).tolist() for key in KEYS] == [[1, -2], [-2, 0]]
    first, second = (float(v @ torch.tanh(W_q @ query + W_k @ key)) for key in KEYS)
    alpha = torch.softmax(torch.tensor([first, second]), dim=0)
    assert "e = 1.166" in lesson.printed("said = torch.tanh(heard)")
    assert f"[{alpha[0]:.3f}, {alpha[1]:.3f}]" in lesson.printed("said = torch.tanh(heard)")
    lesson.says(
        f"= {first:.3f}",
        f"the first key above give {first:.3f}",
        f"e_2 = {2 * float(torch.tanh(torch.tensor(-1.0))):.3f} + 0.762 = {second:.3f}",
        f"${first - second:.3f}$",
        f"= {float(torch.tensor(first - second).exp()):.1f}$ times",
        f"${alpha[0]:.3f}$ against ${alpha[1]:.3f}$",
    )


def test_the_diagonal(lesson):
    assert "tensor([ 0., 11., 22.])" in lesson.printed("without_axes =")
    lesson.says("you get 0, 11, 22")


def test_the_example_of_additive_scores(lesson):
    names = lesson.names
    W_q, W_k, v = (names[name] for name in ("W_q", "W_k", "v"))
    scores = names["additive_scores"](names["two_queries"][None], KEYS[None], W_q, W_k, v)[0]
    (a, b), (c, d) = scores.tolist()
    lesson.says(rf"{a:.2f} & {b:.2f} \\ {c:.2f} & {d:.2f}")


def test_without_the_tanh_the_gap_is_the_same(lesson):
    assert lesson.names["without_tanh"].tolist() == [[3, -1], [7, 3]]
    lesson.says("$(3, -1)$ for the first query and $(7, 3)$ for the second", "The gap is 4 both times")
    # what unit 1 hears: (query, key)
    heard = lesson.names["heard"][:, :, 0]
    assert heard.tolist() == [[2, -1], [4, 1]]
    lesson.says(*(f"{said:.3f}" for said in torch.tanh(heard).flatten().tolist()))
    alt = lesson.printed('title="without tanh"')
    weights = torch.softmax(lesson.names["with_tanh"], dim=1)[:, 0].tolist()
    assert all(f"{weight:.2f}" in alt for weight in [*weights, 1 / (1 + torch.tensor(-4.0).exp().item())])


def test_gradients_that_are_nothing(lesson):
    with_tanh, without = lesson.printed("for name, squash in").splitlines()
    assert float(re.search(r"W_q ([\d.]+)", with_tanh)[1]) > 0.1
    assert float(re.search(r"W_q ([\d.]+)", without)[1]) < 1e-5
    assert float(re.search(r"W_k ([\d.]+)", without)[1]) > 0.1
    c, v = re.search(r"gradient of c (\S+), largest gradient of v (\S+)", lesson.printed("+ c\n")).groups()
    assert abs(float(c)) < 1e-6 < 0.1 < float(v)


def test_zero_votes_give_the_plain_mean(lesson):
    printed = lesson.printed("nn.init.zeros_")
    assert "sample 0: [0.25, 0.25, 0.25, 0.25]" in printed
    assert "sample 1: [0.5, 0.5, 0.0, 0.0]" in printed


def test_the_postman_learns(lesson):
    rows = [tuple(map(float, row)) for row in ROW.findall(lesson.printed("trained = train"))]
    assert [row[0] for row in rows] == list(range(0, 401, 50))
    _, _, found, perplexity, gap = rows[0]
    lesson.says("about one time in five", "nearly 6 houses", "from about 0.1 to nearly 5")
    assert 15 <= found <= 25 and 5.5 < perplexity < 6 and 0.05 < gap < 0.15
    _, _, found, perplexity, gap = rows[-1]
    lesson.says("all but every time", "the perplexity is about 1.1.")
    assert found >= 99 and 1.05 <= perplexity < 1.15 and 4.5 < gap < 5


def test_what_the_postman_learned(lesson):
    assert float(re.search(r"at least ([\d.]+?)\.\]", lesson.printed("least =")).group(1)) > 0.9
    peaks = re.search(r"peaks are at ([\d., ]+)\.\]", lesson.printed("peaks ="))[1].split(", ")
    assert [float(peak) for peak in peaks] == pytest.approx([2, 5, 8], abs=0.3)
    flat = lesson.names["before"]
    assert float((flat.amax(1) - flat.amin(1)).max()) < 1


def test_without_the_tanh_the_postman_guesses(lesson):
    rows = [tuple(map(float, row)) for row in ROW.findall(lesson.printed("without = train"))]
    lesson.says("The loss stays near 0.8", "about one house in six")
    assert all(0.75 < loss < 0.9 and 10 <= found <= 25 for _, loss, found, _, _ in rows)


def test_a_score_between_minus_one_and_one_stays_flat(lesson):
    scores = torch.full((50,), -1.0)
    scores[0] = 1.0
    largest = torch.softmax(scores, dim=0)[0]
    assert 0.12 < largest < 0.14
    lesson.says("With 50 keys the largest weight stays below 0.14", "$e^2 = 7.4$")
    assert f"{torch.tensor(2.0).exp():.1f}" == "7.4"


def test_multiplications_are_counted_as_pytorch_counts_them(lesson):
    count = lesson.names["multiplications"]
    sizes = {"T": 3, "S": 4, "Dq": 5, "Dk": 6, "A": 7}
    T, S, Dq, Dk, A = sizes.values()
    query, key, pair = (torch.empty(n, device="meta") for n in ((1, Dq), (S, Dk), (1, Dq + Dk)))
    W_q, W_k, W = (torch.empty(n, A, device="meta") for n in (Dq, Dk, Dq + Dk))
    votes, v = torch.empty(S, A, device="meta"), torch.empty(A, 1, device="meta")
    ways = {
        "each pair anew, [s; h] joined": lambda: [
            [pair @ W for _ in range(T * S)],
            [votes @ v for _ in range(T)],
        ],
        "X: keys anew at each step": lambda: [(query @ W_q, key @ W_k, votes @ v) for _ in range(T)],
        "Y: keys once": lambda: [key @ W_k, [(query @ W_q, votes @ v) for _ in range(T)]],
    }
    for name, expected in count(**sizes).items():
        with FlopCounterMode(display=False) as counter:
            ways[name]()
        # PyTorch counts a multiplication and its addition as two.
        assert counter.get_total_flops() == 2 * expected, name


def test_the_cost_in_the_text(lesson):
    at_each_step, once = (
        lesson.names["counts"][name] for name in ("X: keys anew at each step", "Y: keys once")
    )
    lesson.says(f"about {at_each_step / once:.0f} times", "800 MB, for scores that take 0.8 MB", "80 GB")
    assert "800 MB;  the scores: 0.8 MB" in lesson.printed('device="meta"')
    assert 80 * 500 * 500 * 1000 * 4 == 80e9
