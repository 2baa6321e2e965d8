"""Lesson 06: every number that its prose states is the one that its code gives."""

import json
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autograder.exercises import all_exercises
from autograder.notebook import PATIENCE, SEED
from autograder.report import judge
from autograder.sandbox.perform import perform
from seqattn_ref.lab import DictionaryExplorer

from .conftest import REPO
from .reading import Lesson

ADDITIVE = REPO / "solutions" / "05_additive" / "05_additive.ipynb"


@pytest.fixture(scope="module")
def lesson():
    state = torch.get_rng_state()
    yield Lesson.run("06_bilinear")
    torch.set_rng_state(state)


def test_the_pairs_by_hand(lesson):
    W, queries, keys = (lesson.names[name] for name in ("W", "two_queries", "two_keys"))
    assert W.tolist() == [[0, 1, 2], [2, 0, -1]]
    assert (queries @ W).tolist() == [[2, 1, 1], [0, 1, 2]]
    assert (keys @ W.T).tolist() == [[5, -2], [0, 4]]
    assert (queries @ W @ keys.T).tolist() == [[3, 4], [5, 0]]
    printed = lesson.printed("votes = ")
    assert "keys translated [3.0, 4.0], all votes [3.0, 4.0]" in printed
    assert "keys translated [5.0, 0.0], all votes [5.0, 0.0]" in printed
    first, second = torch.softmax(queries @ W @ keys.T, dim=1).tolist()
    assert f"[{first[0]:.3f}, {first[1]:.3f}]" in printed
    lesson.says(
        f"${first[0]:.3f}$ to ${first[1]:.3f}$",
        f"gives ${second[0]:.3f}$ to the noun",
        r"3 & 4 \\ 5 & 0",
        "W h^1 = (5, -2)$ and $W h^2 = (0, 4)",
        "W^\\top q = 1 \\cdot (0, 1, 2) + 1 \\cdot (2, 0, -1) = (2, 1, 1)",
    )


def test_the_scores_agree_with_a_loop_and_with_pytorch(lesson):
    differences = re.findall(r"(\S+)$", lesson.printed("fused = "), flags=re.MULTILINE)
    assert len(differences) == 2 and all(float(difference) < 1e-5 for difference in differences)


def test_what_the_explorer_shows(lesson):
    explorer = DictionaryExplorer()
    assert explorer.query.value == 20 and explorer.W == ((1, 0), (0, 1))
    lesson.says("$h^5$ has a score of 0.48 and $h^1$ has 1.88")
    assert [f"{explorer.scores[i]:.2f}" for i in (4, 0)] == ["0.48", "1.88"]

    def best(query, turn):
        explorer.query.value, explorer.turn.value = query, turn
        return explorer.weights.index(max(explorer.weights)) + 1

    turns = [turn for turn in range(-175, 181, 5) if best(20, turn) == 3]
    assert turns == list(range(85, 181, 5))
    assert best(110, 120) == 4
    lesson.says("Any turn between 85° and 180° does it", "lands at 230° and finds $h^4$")
    explorer.query.value, explorer.turn.value, explorer.stretch.value = 20, 0, 0
    assert {round(weight, 2) for weight in explorer.weights} == {0.20}
    explorer.stretch.value = 3
    assert 0.88 < max(explorer.weights) < 0.96
    lesson.says("all weights are 0.20", "one key has 0.9 or so")


def test_multiplications_are_counted_as_pytorch_counts_them(lesson):
    sizes = {"T": 3, "S": 4, "Dq": 5, "Dk": 6}
    q, k, W = (torch.empty(shape, device="meta") for shape in ((3, 5), (4, 6), (5, 6)))
    ways = {"translate the queries": lambda: (q @ W) @ k.T, "translate the keys": lambda: q @ (W @ k.T)}
    for name, expected in lesson.names["multiplications"](**sizes).items():
        with FlopCounterMode(display=False) as counter:
            ways[name]()
        # PyTorch counts a multiplication and its addition as two.
        assert counter.get_total_flops() == 2 * expected, name


def test_the_cost_in_the_text(lesson):
    printed = lesson.printed("def multiplications")
    assert "the keys take 47.6 times as much" in printed and "the keys take 1.0 times as much" in printed
    lesson.says(
        "about 48 times", "takes 48 times the work", "32 MB", "800 MB for a batch of 80", "152.5 million"
    )
    assert 80 * 50 * 2000 * 4 == 32e6
    # the additive scorer's figures are those of lesson 05
    names = {}
    for cell in json.loads(ADDITIVE.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("def multiplications"):
            exec(source.partition("\n\n\n")[0], names)
    counts = names["multiplications"](T=50, S=50, Dq=1000, Dk=2000, A=1000)
    assert counts["Y: keys once"] == 152.5e6
    assert 80 * 50 * 50 * 1000 * 4 == 800e6


def test_two_thin_matrices(lesson):
    printed = lesson.printed("U, V = ")
    assert "one matrix: 2,000,000 numbers; two thin ones: 192,000" in printed
    one, other = re.search(r"k = (\S+),  \(U\^T q\) \. \(V\^T k\) = (\S+)", printed).groups()
    assert float(one) == pytest.approx(float(other), rel=1e-4)
    lesson.says("here two million")


def test_the_dot_product_grows_with_the_square_root(lesson):
    rows = re.findall(
        r"d = +(\d+): variance +([\d.]+), standard deviation +([\d.]+)", lesson.printed("products =")
    )
    assert len(rows) == 5
    for d, variance, deviation in rows:
        assert float(variance) == pytest.approx(int(d), rel=0.06)
        assert float(deviation) == pytest.approx(math.sqrt(int(d)), rel=0.03)
    lesson.says("At d = 256 gaps of 16 and more are usual")
    gaps = (torch.randn(4000, 256) * torch.randn(4000, 256)).sum(1).view(2, -1).diff(dim=0).abs()
    assert float(gaps.median()) > 14


def test_what_size_does_to_five_scorers(lesson):
    deviation, largest, passed = (lesson.names[name] for name in ("deviation", "largest", "passed"))
    sizes = lesson.names["sizes"]
    grows = ("dot", "general, Xavier")
    for name, row in deviation.items():
        for d, found in zip(sizes, row, strict=True):
            if name in grows:
                assert found == pytest.approx(math.sqrt(d), rel=0.08)
            elif name == "additive":
                assert 0.4 < found < 1.2
            else:
                assert found == pytest.approx(1, abs=0.12)
    at = sizes.index(256)
    for name in deviation:
        assert largest[name][at] == pytest.approx(0.9 if name in grows else 0.2, abs=0.05)
        if name in grows:
            assert 4.8 < passed["scaled dot"][at] / passed[name][at] < 6.7
        else:
            assert passed[name][at] == pytest.approx(passed["scaled dot"][at], rel=0.05)
    lesson.says("is about 0.9 for dot and general, and about 0.2 for the others", "five to six times smaller")


@pytest.mark.parametrize(("Dq", "Dk"), [(256, 256), (100, 900)])
def test_the_variance_of_a_general_score_from_xaviers_start(lesson, Dq, Dk):
    lesson.says(
        r"\frac{2\, D_q D_k}{D_q + D_k}",
        "variance $2/(D_q + D_k)$",
        "variance $1/(D_q D_k)$, the fourth line",
    )
    torch.manual_seed(0)
    W = nn.init.xavier_uniform_(torch.empty(Dq, Dk))
    assert float(W.var()) == pytest.approx(2 / (Dq + Dk), rel=0.03)
    assert float(W.abs().max()) <= math.sqrt(6 / (Dq + Dk))
    scores = torch.randn(400, Dq) @ W @ torch.randn(Dk, 400)
    assert float(scores.var()) == pytest.approx(2 * Dq * Dk / (Dq + Dk), rel=0.05)
    small = torch.randn(Dq, Dk) / math.sqrt(Dq * Dk)
    assert float((torch.randn(400, Dq) @ small @ torch.randn(Dk, 400)).var()) == pytest.approx(1, rel=0.05)


def test_the_start_decides(lesson):
    rows = re.findall(
        r"found +(\d+), deviation +([\d.]+), largest weight ([\d.]+)", lesson.printed("learn_codes(shrink)\n")
    )
    (found, _, top), _, (found_later, _, top_later) = [tuple(map(float, row)) for row in rows[:3]]
    assert found <= 2 and found_later <= 4 and f"{top:.2f}" == "0.93" and top_later > top
    (_, spread, top), (at_100, _, _), (at_200, _, _) = [tuple(map(float, row)) for row in rows[3:]]
    assert (
        at_100 == at_200 == 20 and top == pytest.approx(0.2, abs=0.03) and spread == pytest.approx(1, abs=0.1)
    )
    lesson.says(
        "largest weights of 0.93",
        "still finds hardly any",
        "weights of about 0.2, and has found all 20 at step 100",
    )


def test_the_states_of_a_new_gru_are_small(lesson):
    states, scores = re.findall(
        r": (?:standard deviation )?([\d.]+)$", lesson.printed("encoder ="), re.MULTILINE
    )
    assert float(states) < 0.2 and float(scores) < 0.5


def test_luongs_table_is_quoted_as_the_evidence_has_it(lesson):
    # EMNLP 2015, table 4: global (dot), global (general) and local-p (general), after unk replacement
    lesson.says("dot reaches 20.5 and general 19.1", "general is best with 20.9")


def test_three_scorers_learn_the_dictionary(lesson):
    printed = lesson.printed("makers = ")
    assert "plain dot finds 0%" in printed
    for name, numbers in (("additive", 256), ("bilinear", 54), ("projected", 45)):
        shares = dict(
            (int(step), int(share))
            for share, step in re.findall(
                r"(\d+)% at (\d+)", re.search(rf"^{name}, +{numbers} .*$", printed, re.M)[0]
            )
        )
        assert shares[0] < 30 and shares[50] >= 97 and shares[200] >= 97, name
    lesson.says("all learn it within 50 steps", "has 256 numbers for it and the bilinear one 54")


def test_w_becomes_the_dictionary(lesson):
    before, after, meant = (lesson.names[name] for name in ("before", "after", "meant"))
    assert after[:, :6].argmax(dim=1).tolist() == meant.tolist()
    largest = after[torch.arange(6), meant]
    others = after[:, :6].masked_fill(F.one_hot(meant, 6).bool(), -math.inf)
    assert (largest > others.amax(dim=1) + 2).all()
    assert before.abs().max() < 1 and before[:, 6:].abs().max() > 0.5 and after[:, 6:].abs().max() < 0.15
    # "noir" is at home where "black" is, and no word has the same place in both languages
    french, english = lesson.names["french"], lesson.names["english"]
    pairs = dict(zip(french, (english[place] for place in meant), strict=True))
    assert pairs == {
        "chat": "cat",
        "chien": "dog",
        "dort": "sleeps",
        "mange": "eats",
        "noir": "black",
        "petit": "small",
    }
    assert not (meant == torch.arange(6)).any()
    lesson.says('"chat" is place 0 in French, and "cat" is place 3 in English', '"chat" finds "sleeps"')
    assert (french.index("chat"), english.index("cat"), english[0]) == (0, 3, "sleeps")


def test_one_matrix_and_the_postman(lesson):
    shares = [int(share) for share in re.findall(r"(\d+)% at step", lesson.printed("straight = "))]
    assert len(shares) == 4 and all(25 <= share <= 45 for share in shares[1:])
    shares = [int(share) for share in re.findall(r"(\d+)% at step", lesson.printed("bent = "))]
    assert shares[-1] >= 95
    (a, b), (c, d) = lesson.names["bent"].W[:, :2].tolist()
    assert a == pytest.approx(16, abs=1) and d == pytest.approx(-8, abs=0.6)
    assert a / d == pytest.approx(-2, abs=0.1) and abs(b) < 0.3 and abs(c) < 0.3
    lesson.says("about 16 and about $-8$, which is 2 to $-1$", "two houses of six")
    # with the number alone the largest weight is always at an end of the street
    queries, keys, *_ = lesson.names["draw_streets"](200)
    chosen = lesson.names["straight"](queries, keys)[1].argmax(dim=2)
    rank = keys[:, :, 0].argsort(dim=1).argsort(dim=1).gather(1, chosen)
    assert ((rank == 0) | (rank == 5)).float().mean() > 0.9


def test_two_a_n_minus_n_squared():
    W = torch.tensor([[2.0, 0.0], [0.0, -1.0]])
    for a in range(10):
        n = torch.arange(10.0)
        scores = torch.stack([n, n**2], dim=1) @ W.T @ torch.tensor([float(a), 1.0])
        assert torch.equal(scores, a**2 - (n - a) ** 2)
        assert scores.argmax() == a


# ---------------------------------------------------------------- the operating table


def test_the_patient_is_the_class_as_it_was(lesson):
    (source,) = [source for source in lesson.outputs if source.startswith("seed = 172")]
    for line in (
        "self.W = nn.Parameter(torch.FloatTensor(self.y_dim, self.h_dim))",
        "score = torch.matmul(y, torch.matmul(self.W, h.T))  # (1, y_dim) * ((y_dim, h_dim) * (h_dim, 1))",
        "score = F.softmax(score, dim=0)",
        "return torch.matmul(score, h)",
        "h: torch.Tensor,  # h.size() = (1, h_dim)",
    ):
        assert line in source


def test_the_patients_symptoms(lesson):
    names = lesson.names
    assert "weights [[1.0, 1.0, 1.0]]" in lesson.printed("def with_matrix")
    right = torch.softmax(names["y"] @ names["W"], dim=-1)[0].tolist()
    lesson.says("scores for the three states are $(2, 1, 1)$", f"({', '.join(f'{x:.2f}' for x in right)})")
    printed = lesson.printed("for one_query in")
    assert printed.count("gives [[3.0, 5.0, 1.0]]") == 3 and "sum of the states: [3.0, 5.0, 1.0]" in printed
    printed = lesson.printed("h_leaf.grad")
    assert "gradient of W [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]" in printed
    assert "gradient of y [[0.0, 0.0]]" in printed and "gradient of h [[1.54" in printed
    printed = lesson.printed("sums of the columns")
    assert "sums of the columns [1.0, 1.0, 1.0]" in printed
    assert "the first query alone: [1.0, 1.0, 1.0]" in printed
    printed = lesson.printed("right_one = ")
    one, four = (re.findall(r"\[.*?\]", line) for line in printed.splitlines()[:2])
    assert one[0] == one[1] and four[0] != four[1]


def test_leftovers_read_as_numbers(lesson):
    numbers = torch.frombuffer(lesson.names["leftovers"], dtype=torch.float32)
    assert (numbers[1:4] > 1e20).all() and (numbers[4:6] == 0).all() and numbers[6].isnan()
    lesson.says("16 bytes of text, 8 bytes of zeros and 4 bytes of ones", "Numbers of $10^{20}$ and more")
    # What the next cell finds depends on the machine, and the prose says so.
    assert re.fullmatch(
        r"(after .* new W: (True|False)\n){2}you said: None\n", lesson.printed("old_number_turns_up(number)}")
    )


def test_memory_is_marked_and_the_mode_is_put_back(lesson):
    printed = lesson.printed("def unset_numbers")
    assert "the patient: 6 of 6" in printed and "BilinearAttention: 0 of 6" in printed
    assert torch.get_deterministic_debug_mode() == 0


def test_the_tests_of_the_repair_list(lesson):
    assert lesson.printed("def examine").count("NO ") == 5
    printed = lesson.printed("examine(Attention)")
    assert printed.count("yes ") == 5 and "NO " not in printed
    assert float(re.search(r"BilinearAttention: (\S+)", printed)[1]) < 1e-6


def test_the_example_of_attention(lesson):
    repaired = lesson.names["with_matrix"](lesson.names["Attention"], torch.ones(1, 1))
    y, h = torch.zeros(1, 1), torch.tensor([[4.0], [8.0]])
    assert repaired(y, h).tolist() == [[6.0]]
    lesson.says("the states $(4)$, $(8)$ give the context $(6)$")


def operated(initialise, softmax):
    """The patient, with another start for W and another softmax."""

    class Attention(nn.Module):
        def __init__(self, y_dim, h_dim):
            super().__init__()
            self.W = nn.Parameter(initialise(torch.FloatTensor(y_dim, h_dim)))

        def forward(self, y, h):
            return torch.matmul(softmax(torch.matmul(y, torch.matmul(self.W, h.T))), h)

    return Attention


def as_it_is(score):
    return F.softmax(score, dim=0)


def mended(score):
    return F.softmax(score, dim=-1)


STEPS = {
    "as it was": (operated(lambda W: W, as_it_is), 1, ["softmax-over-queries", "uninitialised-memory"]),
    "only $W$ initialised": (operated(nn.init.xavier_uniform_, as_it_is), 1.5, ["softmax-over-queries"]),
    "only the axis mended": (operated(lambda W: W, mended), 4.5, ["uninitialised-memory"]),
    "the axis mended, $W$ filled with zeros": (
        operated(nn.init.zeros_, mended),
        4,
        ["constant-initialisation"],
    ),
    "$W$ initialised, the query's axis squeezed away before the softmax": (
        operated(nn.init.xavier_uniform_, lambda score: F.softmax(score.squeeze(0), dim=0)),
        1,
        ["needs-one-query"],
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_check_names_what_is_still_wrong_after_each_step(lesson, step):
    answer, points, named = STEPS[step]
    exercise = all_exercises()["Attention"]
    plan = exercise.cases(SEED)
    outcomes = list(perform(answer, [case for cases in plan for case in cases]))
    report = judge(exercise, plan, outcomes, SEED, PATIENCE)
    assert report.score == points
    assert [mistake.id for mistake in report.diagnosis.mistakes] == named
    lesson.says(f"| {step} | {points} of 5 |")


def test_the_patient_itself_gets_that_report(lesson):
    exercise = all_exercises()["Attention"]
    plan = exercise.cases(SEED)
    outcomes = list(perform(lesson.names["Patient"], [case for cases in plan for case in cases]))
    # However little time there is, both faults are named.
    report = judge(exercise, plan, outcomes, SEED, 0.0)
    assert report.score == 1
    assert [m.id for m in report.diagnosis.mistakes] == ["softmax-over-queries", "uninitialised-memory"]


def test_a_tanh_bounds_the_ratio_of_two_weights(lesson):
    lesson.says("no weight can be more than $e^2$ times another")
    weights = torch.softmax(torch.tanh(torch.tensor([1e4, -1e4])), dim=0)
    assert float(weights[0] / weights[1]) == pytest.approx(math.e**2, rel=1e-4)
