"""Lesson 01: every number that its prose states is the one that its code gives."""

import math
import re

import pytest
import torch

from seqattn_ref import last_hidden, sequence_loss

from .reading import Lesson

# One row of the table over word lengths: letters, words right, tokens right with its own and the true tokens.
ROW = re.compile(r"^(\d) letters: words +(\d+)%; tokens +(\d+)% with its own, +(\d+)% with the true$", re.M)


@pytest.fixture(scope="module")
def lesson():
    state = torch.get_rng_state()
    yield Lesson.run("01_seq2seq")
    torch.set_rng_state(state)


def test_anything_can_be_a_token(lesson):
    printed = lesson.printed("words, letters =")
    assert "words: 3 tokens of 3 kinds" in printed
    assert "letters: 11 tokens of 7 kinds" in printed
    assert "patches: 4 tokens of 2 kinds: [0, 1, 1, 0]" in printed
    lesson.says('"the cat sat" has 3 tokens', "b: 11 tokens of 7 kinds", "a sequence of 4 tokens of 2 kinds")


def test_the_vocabulary(lesson):
    printed = lesson.printed("task = lab.Letters(")
    assert printed.startswith("13 tokens: pad bos eos a b c d e f g h i j\n")
    assert "badge -> [4, 3, 6, 9, 7]" in printed
    assert "-> ['f', 'h', 'b', 'a', 'c']" in printed
    lesson.says("for all 13 tokens", "`nn.Embedding(13, …)` knows 0 to 12")
    with pytest.raises(IndexError, match="index out of range"):
        torch.nn.Embedding(13, 2)(torch.tensor(13))


def test_the_batch_in_the_figure(lesson):
    batch, printed = lesson.names["batch"], lesson.printed("batch = task.draw(3")
    assert sorted(batch.lengths.tolist()) == [2, 3, 5]
    assert batch.targets.shape[1] == batch.source.shape[1] + 1 == 6
    assert (batch.mask.sum(1) == batch.lengths + 1).all()
    assert "j h g g f with f g g h j eos; c b with b c eos; i h j with j h i eos" in printed
    lesson.says("Each target is one longer than its source, since eos is part of it.")


def test_the_last_place_depends_on_the_company(lesson):
    read, last = lesson.names["read"], []
    for company, pads in (([], 0), (["badge"], 2), (["abcdefghi"], 6)):
        states, lengths = read("cab", *company)
        assert states.shape[1] - lengths[0] == pads
        last.append(states[0, -1])
        assert torch.allclose(states[0, lengths[0] - 1], last[0], atol=1e-6)
    assert all((last[i] - last[j]).abs().max() > 0.1 for i, j in ((0, 1), (0, 2), (1, 2)))
    lesson.says('Beside "badge" it has read two pads after "cab", beside the long word six')


def test_alone_and_in_the_batch_agree(lesson):
    differences = re.findall(r"differs by (\S+)", lesson.printed("together ="))
    assert len(differences) == 3 and all(float(d) < 1e-6 for d in differences)


def test_reading_both_ways(lesson):
    padded, packed = map(float, re.findall(r"off by ([\d.]+)", lesson.printed("both_ways =")))
    assert padded > 0.02 and packed == 0
    lesson.says("It is at the **first** token")


def test_the_table_by_hand(lesson):
    assert lesson.names["table"].sum(1).tolist() == pytest.approx([1] * 5)
    printed = lesson.printed("def table_step")
    assert "step 3: b goes in, eos comes out; product so far 0.27" in printed
    lesson.says(r"$0.6 \cdot 0.5 \cdot 0.9 = 0.27$", "the likeliest is eos with 0.90")


def test_what_the_explorer_is_said_to_show(lesson):
    explorer = lesson.names["lab"].DecoderStepsExplorer(
        lesson.names["table_step"], None, lesson.names["names"], target=[4, 2], steps=3
    )
    explorer.step.value = 3
    free = explorer.taken_in, explorer.written
    explorer.forced.value = True
    forced = explorer.taken_in, explorer.written
    assert free[0][:2] == ["bos", "a"] and forced[0][:2] == ["bos", "b"]
    assert forced[1][1] == "eos"
    explorer.step.value = 2
    assert f"{explorer.probabilities.max():.2f}" == "0.90"


def test_greedy_is_not_the_likeliest(lesson):
    probability = lesson.names["probability"]
    words = ["", *(a + b for a in ("", "a", "b", "aa", "ab", "ba") for b in "ab")]
    best = max(filter(None, words), key=probability)
    assert best == "b" and f"{probability('b'):.2f}" == "0.36" and f"{probability('ab'):.2f}" == "0.27"
    assert "greedy: [[3, 4, 2, 2, 2]] ab" in lesson.printed("def probability")
    lesson.says(r"$0.4 \cdot 0.9 = 0.36$", "is `[[3, 4, 2, 2, 2]]`")


def test_all_steps_at_once(lesson):
    printed = lesson.printed("at_once, _ =")
    assert "inputs ['bos', 'e', 'g', 'd', 'a', 'b']" in printed
    assert float(printed.rsplit(" ", 1)[1]) < 1e-6


def test_the_loss_by_hand(lesson):
    p = torch.softmax(torch.tensor([2.0, 1.0, 0.0]), dim=0)
    for chance in p.tolist():
        lesson.says(f"{chance:.3f}", f"{-math.log(chance):.2f}")
    assert "p = 0.245, loss 1.41" in lesson.printed("for logits, target in")
    assert f"{math.log(13):.2f}" == "2.56"
    lesson.says(r"\ln 13 = 2.56", rf"$\ln(1 + e) = {math.log(1 + math.e):.3f}$")


def test_pads_make_a_plain_mean_fall(lesson):
    plain = re.findall(r"places ([\d.]+)", lesson.printed("padded_logits.append"))
    mine = re.findall(r"tokens ([\d.]+)", lesson.printed("mask=targets != lab.PAD"))
    assert plain == ["2.56", "1.28", "0.64"] and mine == ["2.56"] * 3
    lesson.says("the loss falls from 2.56 to 0.64")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "`[[[4.], [7.], [3.]], [[6.], [1.], [8.]]]` and lengths `[3, 1]` it is `[[3.], [6.]]`",
            lambda f: f(torch.tensor([[[4.0], [7.0], [3.0]], [[6.0], [1.0], [8.0]]]), torch.tensor([3, 1])),
        ),
        (
            "`[[5, 6, 2], [7, 2, 0]]` with bos 1 gives `[[1, 5, 6], [1, 7, 2]]`",
            lambda f: f(torch.tensor([[5, 6, 2], [7, 2, 0]]), 1),
        ),
    ],
)
def test_the_examples_of_the_exercises(lesson, text, value):
    lesson.says(text)
    name = "last_hidden" if "lengths" in text else "shift_right"
    shown = str(value(lesson.names[name]).tolist()).replace(".0", ".")
    assert shown == re.findall(r"`([^`]+)`", text)[-1]


def test_its_answers_are_those_of_the_reference(lesson):
    torch.manual_seed(3)
    states, lengths = torch.randn(3, 4, 2), torch.tensor([4, 0, 2])
    assert torch.equal(lesson.names["last_hidden"](states, lengths), last_hidden(states, lengths))
    logits, targets = torch.randn(2, 3, 5), torch.randint(0, 5, (2, 3))
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert torch.allclose(
        lesson.names["sequence_loss"](logits, targets, mask), sequence_loss(logits, targets, mask)
    )


def test_it_learns_what_it_was_trained_on(lesson):
    first, last = re.search(
        r"first step ([\d.]+), at the last ([\d.]+)", lesson.printed("def forced_loss")
    ).groups()
    assert abs(float(first) - math.log(13)) < 0.1 and float(last) < 0.1
    written = lesson.printed("some_words =")
    assert all(f"trained: {word[::-1]}\n" in written for word in ("ace", "head", "badge"))
    lesson.says("The first loss is close to $\\ln 13 = 2.56$", "takes a few seconds")


def test_what_watching_it_write_shows(lesson):
    lab, vocabulary, model = (lesson.names[name] for name in ("lab", "vocabulary", "model"))
    assert any(source.startswith('word = "facade"') for source in lesson.outputs)
    z = model.encode(torch.tensor([vocabulary.encode("facade")]), torch.tensor([6]))
    target = [*vocabulary.encode("edacaf"), lab.EOS]
    shown = lab.DecoderStepsExplorer(model.step, z, vocabulary.tokens, target, source="facade")
    shown.step.value = 7
    right = {}
    for forced in (False, True):
        shown.forced.value = forced
        right[forced] = [name == true for name, true in zip(shown.written, [*"edacaf", "eos"], strict=True)]
    assert right[False][:2] == right[True][:2] == [True, False]
    assert sum(right[False][2:]) <= 2 and sum(right[True]) == 6
    lesson.says("At step 2 it is not sure, and writes the wrong letter", "most of the rest is wrong too")


def test_longer_words(lesson):
    rows = {int(n): tuple(map(int, rest)) for n, *rest in ROW.findall(lesson.printed("def measure"))}
    assert sorted(rows) == list(range(2, 9))
    assert all(rows[n][0] >= 99 for n in (2, 3, 4)) and rows[5][0] >= 90
    assert 25 <= rows[6][0] < 50 and rows[7][0] <= 5
    assert 86 <= rows[6][2] <= 94 and 76 <= rows[6][1] <= 86
    lesson.says(
        "Up to 5 letters it is nearly perfect",
        "Of the words of 6 letters less than half are right, and of those of 7 hardly any",
        "about nine tokens in ten are right when the true tokens go in, and about eight in ten",
    )


def test_long_words_come_out_too_short(lesson):
    write, model = lesson.names["write"], lesson.names["model"]
    words = ("facade", "badhead", "cabbage")
    written = write(model, words)
    assert all(
        found[0] == word[-1] and found != word[::-1] for found, word in zip(written, words, strict=True)
    )
    assert all(len(found) < 7 for found in written[1:])
    lesson.says(
        "the first letter is right, and then it goes astray", "The words of 7 letters come out too short"
    )
    assert model.encoder.hidden_size == 64
    lesson.says("$z$ has 64 numbers")


def test_the_figure_says_its_numbers(lesson):
    alt = lesson.printed('title="whole words right"')
    results = lesson.names["results"]
    for value in (results[3, 0], results[4, 0], results[5, 0], results[4, 1], results[4, 2]):
        assert f"{value:.2f}" in alt


def test_without_the_shift_it_learns_nothing(lesson):
    printed = lesson.printed("def unshifted_loss")
    assert float(re.search(r"last step ([\d.]+)", printed)[1]) < 0.005
    written = re.findall(r"it writes: (.+)", printed)
    assert len(written) == 3
    assert all(word == "(nothing)" or len(set(word)) == 1 for word in written)
    lesson.says("the loss is better than that of the model that can do the task")
    assert lesson.names["copied"].losses[-1] < lesson.names["trained"].losses[-1]


def test_wrong_ways_in_the_list_are_wrong(lesson):
    """cross_entropy on (B, T, V) says nothing when V = T, and h_n of a padded batch is its last place."""
    logits, targets = torch.randn(2, 4, 4), torch.randint(0, 4, (2, 4))
    silent = torch.nn.functional.cross_entropy(logits, targets)
    right = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets)
    assert (silent - right).abs() > 1e-3
    states, h_n = torch.nn.GRU(3, 2, batch_first=True)(torch.randn(2, 5, 3))
    assert torch.equal(states[:, -1], h_n[0])
    lesson.says("So has the `h_n` that `nn.GRU` returns for a batch that was not packed")
