"""Functions as arguments: drawn as numbers, made where the answer runs, judged like everything else."""

from __future__ import annotations

import pytest
import torch

import seqattn_ref
from autograder.drawing import Draw
from autograder.exercise import Check, Exercise
from autograder.plan import expect
from autograder.report import judge
from autograder.sandbox import Call, Callback, Case, Other, Returned, Sandbox, wire
from autograder.sandbox.callbacks import ABOUT, make
from autograder.sandbox.frames import WireError
from autograder.sandbox.perform import perform

DRAW = Draw(0, "callbacks")
TABLE = Callback("table", {"logits": torch.tensor([[[0.0, 2.0, 1.0], [3.0, 0.0, 1.0], [0.0, 1.0, 2.0]]])})
ATTEND = Callback("attend", {"W": DRAW.normal(4, 6)})
CELL = Callback("cell", {"W_x": DRAW.normal(4, 9), "W_h": DRAW.normal(4, 4)})
RNN = Callback("rnn", {"W_x": DRAW.normal(3, 2), "W_h": DRAW.normal(3, 3)})
STEP = Callback(
    "recurrent step", {"E": DRAW.normal(5, 3), "W_h": DRAW.normal(3, 3), "W_o": DRAW.normal(5, 3)}
)


def function(callback):
    return make(callback, callback.tensors)


def attending(wanted=None):
    """A step of a decoder, as a case."""
    mask = torch.tensor([[True, True, False, False, False], [False] * 5])
    args = (DRAW.normal(2, 3), DRAW.normal(2, 4), DRAW.normal(2, 5, 6), mask, ATTEND, CELL)
    return Case((Call(args, wanted),))


# ---- what they do


def test_a_table_gives_the_logits_of_state_and_token():
    logits, state = function(TABLE)(torch.tensor([1, 0]), torch.tensor([0, 7]))
    assert logits.tolist() == [[3, 0, 1], [0, 2, 1]]
    assert state.tolist() == [1, 8]


def test_a_recurrent_step_depends_on_token_and_state():
    step = function(STEP)
    tokens, state = torch.tensor([1, 4]), DRAW.normal(2, 3)
    logits, after = step(tokens, state)
    assert logits.shape == (2, 5) and after.shape == (2, 3)
    assert not torch.equal(step(tokens.flip(0), state)[0], logits)
    assert not torch.equal(step(tokens, state.flip(0))[0], logits)


def test_a_network_gives_a_state_for_each_step_that_knows_only_what_came_before():
    rnn = function(RNN)
    x = DRAW.normal(2, 4, 2)
    changed = x.clone()
    changed[:, 2] += 1
    same = (rnn(x) == rnn(changed)).all(dim=2)
    assert rnn(x).shape == (2, 4, 3)
    assert same.tolist() == [[True, True, False, False]] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_an_attention_weighs_the_keys_that_the_mask_shows(dtype):
    mask = torch.tensor([[True, False, True], [False, False, False]])
    attend = make(ATTEND, {"W": ATTEND.tensors["W"].to(dtype)})
    keys = DRAW.normal(2, 3, 6).to(dtype)
    context, weights = attend(DRAW.normal(2, 1, 4).to(dtype), keys, mask)
    assert context.dtype == weights.dtype == dtype
    assert weights.sum(2).flatten().tolist() == pytest.approx([1, 0], abs=1e-2)
    assert float(weights[0, 0, 1]) == 0
    assert torch.allclose(context, weights @ keys, atol=1e-5 if dtype != torch.bfloat16 else 5e-2)


@pytest.mark.parametrize(
    ("callback", "args", "sentence"),
    [
        (TABLE, ([[1]], [0]), r"step's tokens must have shape \(1,\), but came with shape \(1, 1\)"),
        (STEP, ([1], [[[0.0, 0.0, 0.0]]]), r"step's state must have shape \(1, 3\)"),
        (ATTEND, ([[0.0] * 4], [[[0.0] * 6]], None), r"attend's queries must have shape \(1, 4, 4\)"),
        (ATTEND, ([[[0.0] * 4]], [[[0.0] * 6]], [True]), r"attend's mask must have shape \(1, 1\)"),
        (CELL, ([[0.0] * 8], [[0.0] * 4]), r"cell's input must have shape \(1, 9\)"),
        (CELL, ([[0.0] * 9], [[[0.0] * 4]]), r"cell's state must have shape \(1, 4\)"),
        (RNN, ([[0.0, 0.0]],), r"rnn's input must have shape \(1, 2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(callback, args, sentence):
    tensors = [None if a is None else torch.tensor(a) for a in args]
    with pytest.raises(ValueError, match=sentence):
        function(callback)(*tensors)


def test_every_kind_is_described_for_people():
    assert {c.kind for c in (TABLE, STEP, RNN, ATTEND, CELL)} == set(ABOUT)


# ---- on the way


def test_gradients_reach_the_tensors_of_a_callback():
    wanted = (DRAW.normal(2, 4), DRAW.normal(2, 6), DRAW.normal(2, 5))
    (result,) = next(perform(seqattn_ref.decoder_step, [attending(wanted)])).results
    assert list(result.gradients) == ["0", "1", "2", "4.W", "5.W_x", "5.W_h"]
    assert all(bool(g.any()) for g in result.gradients.values())
    assert bool((ATTEND.tensors["W"] == attending().calls[0].args[4].tensors["W"]).all())


def test_the_reference_is_asked_in_float64():
    outputs = expect(seqattn_ref.decoder_step, attending()).results[0].outputs
    assert [o.dtype for o in outputs] == [torch.float64] * 3


def test_a_case_with_callbacks_crosses_the_wall():
    case = attending()
    back = wire.unpack_case(wire.pack_case(case))
    sent, received = (c.calls[0].args[4:] for c in (case, back))
    for one, other in zip(sent, received, strict=True):
        assert one.kind == other.kind
        assert all(torch.equal(t, other.tensors[name]) for name, t in one.tensors.items())


def test_no_callback_comes_back_from_the_sandbox():
    from autograder.sandbox.case import Outcome

    crafted = wire.pack_outcome(Outcome((Returned((TABLE,), False, ()),)))
    with pytest.raises(WireError):
        wire.unpack_outcome(crafted)


def test_in_the_sandbox_the_answer_gets_the_same_functions():
    source = (
        "import torch\n"
        "def decoder_step(embedded, state, keys, mask, attend, cell):\n"
        "    z, alpha = attend(state[:, None], keys, mask)\n"
        "    return cell(torch.cat([embedded, z[:, 0]], 1), state), z[:, 0], alpha[:, 0]\n"
        "def curious(embedded, state, keys, mask, attend, cell):\n"
        "    return cell\n"
    )
    case = attending()
    here = next(perform(seqattn_ref.decoder_step, [case])).results[0].outputs
    with Sandbox() as sandbox:
        there = sandbox.run([("answer.py", source)], "decoder_step", [case])[0].results[0].outputs
        odd = sandbox.run([("answer.py", source)], "curious", [case])[0].results[0].outputs
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert odd == (Other("function"),)


# ---- in a report


def _exercise():
    def cases(draw):
        yield Case((Call((TABLE, torch.tensor([0]), torch.tensor([1]), 2, 3)),))

    return Exercise(
        name="greedy_decode",
        lesson="01_seq2seq",
        asked="Write the likeliest tokens.",
        arguments=("step", "state (B)", "first (B)", "eos", "max_len"),
        returns=("tokens (B, T)",),
        reference=seqattn_ref.greedy_decode,
        build=lambda: seqattn_ref.greedy_decode,
        checks=(Check("It writes the likeliest tokens", 1, cases),),
        mistakes=(),
        hints=(),
    )


def test_a_learner_sees_what_the_function_does_and_its_numbers():
    exercise = _exercise()
    plan = exercise.cases(0)
    answer = lambda step, state, first, eos, max_len: step(first, state)[0]  # noqa: E731
    text = str(judge(exercise, plan, list(perform(answer, plan[0]))))
    assert f"step, {ABOUT['table']}, with" in text
    assert "logits (1, 3, 3) = [[[0, 2, 1], [3, 0, 1], [0, 1, 2]]]" in text
