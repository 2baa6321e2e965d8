"""Made pairs: what the lessons train on is what it says, and the same for the same seed."""

import pytest
import torch

from seqattn_ref import lab
from seqattn_ref.lab import BOS, EOS, PAD, bottleneck


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def rows(pairs):
    """(source, target) of each pair as words, by the lengths and the mask alone."""
    vocabulary = lab.Letters().vocabulary
    for source, length, target, mask in zip(*pairs, strict=True):
        assert target[mask].tolist()[-1] == EOS
        yield lab.text(vocabulary, source[:length]), lab.text(vocabulary, target[mask])


def test_a_vocabulary_goes_there_and_back():
    vocabulary = lab.Vocabulary(["the", "cat", "sat"])
    assert len(vocabulary) == 6
    assert vocabulary.encode(["cat", "sat"]) == [4, 5]
    assert vocabulary.decode([4, 5, EOS, 3]) == ["cat", "sat"]
    assert vocabulary.decode(torch.tensor([BOS, 3, PAD])) == ["bos", "the"]
    with pytest.raises(ValueError, match="'dog' is not one of its 6 tokens"):
        vocabulary.encode(["cat", "dog"])
    for tokens in (["a", "a"], ["pad"]):
        with pytest.raises(ValueError, match="once"):
            lab.Vocabulary(tokens)


@pytest.mark.parametrize(("rule", "step"), [("copy", 1), ("reverse", -1)])
def test_letters_follow_their_rule(rule, step):
    pairs = lab.Letters(rule).draw(200, 2, 9, seeded(0))
    found = list(rows(pairs))
    assert all(target == source[::step] for source, target in found)
    assert {len(source) for source, _ in found} == set(range(2, 10))
    assert {letter for source, _ in found for letter in source} == set("abcdefghijklmnopqrst")


def test_padding_follows_the_real_tokens():
    pairs = lab.Letters().draw(50, 1, 6, seeded(1))
    assert pairs.source.shape == (50, 6) and pairs.targets.shape == pairs.mask.shape == (50, 7)
    assert torch.equal(pairs.source != PAD, torch.arange(6) < pairs.lengths[:, None])
    assert torch.equal(pairs.mask, torch.arange(7) <= pairs.lengths[:, None])
    assert torch.equal(pairs.targets != PAD, pairs.mask)


def test_the_same_seed_gives_the_same_pairs():
    one, same, other = (lab.Letters().draw(8, 1, 9, seeded(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.source, other.source)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: lab.Letters("sort"), "not 'sort'"),
        (lambda: lab.Letters(letters=30), "not 30"),
        (lambda: lab.Letters().draw(2, 0, 3), "not 0 and 3"),
        (lambda: lab.Letters().draw(2, 4, 3), "not 4 and 3"),
    ],
)
def test_what_cannot_be_drawn_is_said(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_experiments_batches_grow_to_the_longest():
    draw = bottleneck.batches(0)
    assert draw(0).source.shape == (bottleneck.BATCH, bottleneck.SHORTEST)
    assert draw(bottleneck.STEPS // 5).source.shape[1] < bottleneck.LONGEST
    late = draw(bottleneck.STEPS - 1)
    assert late.source.shape[1] == late.lengths.max() == bottleneck.LONGEST
    assert torch.equal(bottleneck.batches(5)(700).source, bottleneck.batches(5)(700).source)


def test_the_experiments_test_holds_each_length_as_often():
    pairs = bottleneck.test_pairs(each=7)
    assert pairs.lengths.tolist() == [n for n in bottleneck.LENGTHS for _ in range(7)]
    assert all(target == source for source, target in rows(pairs))
