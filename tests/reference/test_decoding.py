"""Writing greedily, and counting which sequences are right."""

import pytest
import torch

from seqattn_ref import (
    AttentionDecoder,
    Seq2Seq,
    accuracy_by_length,
    greedy_decode,
    shift_right,
)

from . import oracle_sequences
from .cases import CASES
from .draw import DISTINCT, DTYPES, Draw

B, T, S, _, Dk, A, _, E, H, X, V, _, _ = DISTINCT
EOS = 2


def reads(table):
    """A step whose logits are the row of the table at each token."""
    return lambda tokens, state: (table[tokens.long()], state)


def likely_to_end(draw):
    """A table (V, V) of logits after which some samples end and some do not."""
    return draw.real("V", "V") + torch.nn.functional.one_hot(torch.tensor(EOS), V)


def says(*steps):
    """A step that says what is written here, one token a sample and step. Its state counts the steps."""

    def step(tokens, i):
        if i == len(steps):
            pytest.fail(f"step was called more than {i} times")
        return torch.nn.functional.one_hot(torch.tensor(steps[i]), V).float(), i + 1

    return step


# greedy_decode


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("max_len", [1, 7])
def test_it_writes_what_a_loop_over_samples_writes(seed, max_len):
    draw = Draw(seed=seed)
    table, first = likely_to_end(draw), draw.tokens("V", "N")
    wanted = oracle_sequences.greedy_decode(table.tolist(), first.tolist(), EOS, max_len)
    assert greedy_decode(reads(table), None, first, EOS, max_len).tolist() == wanted


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_it_takes_logits_of_every_dtype(dtype, device):
    draw = Draw()
    table, first = likely_to_end(draw).to(device, dtype), draw.tokens("V", "B").to(device)
    written = greedy_decode(reads(table), None, first, EOS, T)
    assert written.device == first.device
    assert written.tolist() == oracle_sequences.greedy_decode(table.tolist(), first.tolist(), EOS, T)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_tokens_keep_the_dtype_of_the_first_ones(dtype):
    given = []

    def step(tokens, state):
        given.append(tokens.dtype)
        return torch.eye(V)[[3, 4]], state

    written = greedy_decode(step, None, torch.tensor([1, 1], dtype=dtype), EOS, 3)
    assert written.dtype == dtype
    assert given == [dtype] * 3
    assert written.tolist() == [[3, 3, 3], [4, 4, 4]]


def test_from_the_first_eos_on_a_row_holds_eos():
    """The second sample would go on to write 5 and 6."""
    written = greedy_decode(says([7, EOS], [8, 5], [9, 6]), 0, torch.tensor([1, 1]), EOS, 3)
    assert written.tolist() == [[7, 8, 9], [EOS, EOS, EOS]]


def test_when_all_have_ended_no_step_is_taken_and_not_before():
    step = says([7, EOS, 8], [EOS, 5, 8], [9, 5, EOS])
    written = greedy_decode(step, 0, torch.tensor([1, 1, 1]), EOS, 6)
    assert written.tolist() == [[7, *[EOS] * 5], [EOS] * 6, [8, 8, *[EOS] * 4]]


def test_eos_may_come_first_in_all_rows():
    written = greedy_decode(says([EOS, EOS]), 0, torch.tensor([1, 1]), EOS, 4)
    assert written.tolist() == [[EOS] * 4] * 2


def test_eos_among_the_first_tokens_ends_nothing():
    written = greedy_decode(says([7], [8]), 0, torch.tensor([EOS]), EOS, 2)
    assert written.tolist() == [[7, 8]]


def test_what_comes_out_goes_in_next():
    given = []

    def step(tokens, state):
        given.append(tokens.tolist())
        return torch.eye(V)[(tokens + 1) % V], state

    assert greedy_decode(step, None, torch.tensor([3, 7]), EOS, 3).tolist() == [[4, 5, 6], [8, 9, 10]]
    assert given == [[3, 7], [4, 8], [5, 9]]


def test_no_step_is_taken_for_a_length_of_0():
    written = greedy_decode(says(), 0, torch.tensor([1, 1], dtype=torch.int32), EOS, 0)
    assert written.shape == (2, 0)
    assert written.dtype == torch.int32


@pytest.mark.parametrize("start", [None, 0, (1, "two"), {"h": [3]}, object(), torch.zeros(2, 3)], ids=type)
def test_a_state_of_any_type_is_handed_on_as_it_is(start):
    handed = [start, "after one", ["after", "two"]]
    seen = []

    def step(tokens, state):
        seen.append(state)
        return torch.eye(V)[[5, 5]], handed[len(seen)] if len(seen) < 3 else None

    greedy_decode(step, start, torch.tensor([1, 1]), EOS, 3)
    assert all(mine is theirs for mine, theirs in zip(seen, handed, strict=True))


def test_the_first_tokens_may_be_a_slice_and_are_not_written_to(device):
    draw = Draw()
    table, tokens = likely_to_end(draw).to(device), draw.tokens("V", "B", "T").to(device)
    first, before = tokens[:, 1], tokens.clone()
    assert not first.is_contiguous()
    written = greedy_decode(reads(table), None, first, EOS, T)
    assert torch.equal(tokens, before)
    assert torch.equal(written, greedy_decode(reads(table), None, first.clone(), EOS, T))
    assert written.untyped_storage().data_ptr() != tokens.untyped_storage().data_ptr()


def test_a_sample_is_written_alike_alone_and_among_others():
    draw = Draw(seed=2)
    table, first = likely_to_end(draw), draw.tokens("V", "N")
    together = greedy_decode(reads(table), None, first, EOS, 7)
    assert 0 < (together == EOS).any(dim=1).sum() < len(first)  # some end and some do not
    for b in range(len(first)):
        assert torch.equal(greedy_decode(reads(table), None, first[b : b + 1], EOS, 7)[0], together[b])


@pytest.mark.parametrize("kind", ["one vector", "attention"])
def test_a_models_own_tokens_fed_back_are_likeliest_again(kind):
    """Teacher forcing with what was written must predict what was written, up to the first eos."""
    torch.manual_seed(0)
    draw = Draw()
    first = torch.ones(B, dtype=torch.int64)
    if kind == "one vector":
        model = Seq2Seq(X, V, E, H).double()
        source, lengths = draw.tokens("X", "B", "S"), draw.lengths()
        z = model.encode(source, lengths)

        def step(tokens, state):
            logits, state = model.decode(tokens[:, None], state, z)
            return logits[:, 0], state

        written = greedy_decode(step, z, first, EOS, T)
        logits = model(source, lengths, shift_right(written, 1))
    else:
        model = AttentionDecoder(V, E, H, Dk, A).double()
        state, keys, mask = draw.real("B", "H"), draw.real("B", "S", "Dk"), draw.padding()

        def step(tokens, state):
            logits, state, _ = model.step(tokens, state, keys, mask)
            return logits, state

        written = greedy_decode(step, state, first, EOS, T)
        logits, _ = model(shift_right(written, 1), state, keys, mask)
    counts = ((written == EOS).cumsum(dim=1) - (written == EOS).long()) == 0  # up to the first eos
    assert torch.equal(logits.argmax(dim=2)[counts], written[counts])


# accuracy_by_length


@pytest.mark.parametrize("seed", range(20))
def test_accuracy_is_what_a_loop_over_sequences_counts(seed):
    case = CASES["accuracy_by_length"]
    inputs = case.inputs(Draw(seed=seed))
    accuracy, count = case.answer(*inputs)
    wanted_accuracy, wanted_count = case.oracle(*(x.tolist() for x in inputs))
    assert accuracy.tolist() == pytest.approx(wanted_accuracy)
    assert count.tolist() == wanted_count


def test_a_sequence_is_right_as_a_whole_or_not_at_all(device):
    targets = torch.tensor([[5, 6, 2], [5, 2, 0], [7, 7, 2], [7, 2, 0]])
    predictions = torch.tensor([[5, 6, 2], [5, 2, 9], [7, 8, 2], [7, 2, 2]])
    mask = torch.tensor([[True, True, True], [True, True, False], [True, True, True], [True, True, False]])
    lengths, at = torch.tensor([3, 2, 3, 2]), torch.tensor([2, 3, 4, 3])
    given = (x.to(device) for x in (predictions, targets, mask, lengths, at))
    accuracy, count = accuracy_by_length(*given)
    assert accuracy.dtype == torch.float32
    assert count.dtype == torch.int64
    assert accuracy.tolist() == [1, 0.5, 0, 0.5]  # the 9 and the second 2 stand in padding
    assert count.tolist() == [2, 2, 0, 2]


def test_a_wrong_eos_is_wrong():
    """The prediction goes on where the target ends."""
    row = torch.tensor([[5, 6, 2]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    accuracy, _ = accuracy_by_length(
        torch.tensor([[5, 6, 7]]), row, mask, torch.tensor([2]), torch.tensor([2])
    )
    assert accuracy.tolist() == [0]


def test_a_sequence_without_real_tokens_is_right():
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    zero = torch.tensor([0])
    accuracy, count = accuracy_by_length(torch.ones(1, 3), torch.zeros(1, 3), nothing, zero, zero)
    assert (accuracy.tolist(), count.tolist()) == ([1], [1])


def test_accuracy_is_float32_whatever_the_default_dtype_is():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        accuracy, _ = CASES["accuracy_by_length"].answer(*CASES["accuracy_by_length"].inputs(Draw()))
    finally:
        torch.set_default_dtype(before)
    assert accuracy.dtype == torch.float32
