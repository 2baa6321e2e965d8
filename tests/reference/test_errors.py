"""Input that does not fit gets one sentence that says what to change.

The tensors are meta tensors, which hold no numbers. So the checks read none and never make a GPU wait.
"""

import pytest
import torch

import seqattn_ref as ref


def real(*shape):
    return torch.empty(shape, device="meta")


def mask(*shape):
    return torch.empty(shape, dtype=torch.bool, device="meta")


def ints(*shape):
    return torch.empty(shape, dtype=torch.int64, device="meta")


ADDITIVE = (real(8, 6), real(8, 7), real(8))

BAD_CALLS = {
    "lengths is a list": (
        lambda: ref.pad_mask([3, 1], 4),
        TypeError,
        "lengths must be a tensor, but it is a list.",
    ),
    "lengths are fractions": (
        lambda: ref.pad_mask(real(2), 4),
        TypeError,
        "lengths must hold integers, but its dtype is torch.float32: convert it with lengths.long().",
    ),
    "lengths is a mask": (
        lambda: ref.pad_mask(mask(2), 4),
        TypeError,
        "lengths must hold integers, but its dtype is torch.bool: convert it with lengths.long().",
    ),
    "lengths has two axes": (
        lambda: ref.pad_mask(ints(2, 1), 4),
        ValueError,
        "lengths must have shape (B,), but its shape is (2, 1).",
    ),
    "max_len is a tensor": (
        lambda: ref.pad_mask(ints(2), ints()),
        TypeError,
        "max_len must be an int, but it is a Tensor: pass int(max_len).",
    ),
    "max_len is negative": (
        lambda: ref.pad_mask(ints(2), -1),
        ValueError,
        "max_len must be 0 or more, but it is -1.",
    ),
    "mean with a mask of numbers": (
        lambda: ref.masked_mean(real(2, 5, 7), real(2, 5)),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.float32: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "mean with a mask of another length": (
        lambda: ref.masked_mean(real(2, 5, 7), mask(2, 6)),
        ValueError,
        "mask must have shape (B, S) with S = 5, as x has it, but its shape is (2, 6).",
    ),
    "softmax of integers": (
        lambda: ref.masked_softmax(ints(2, 4, 5)),
        TypeError,
        "scores must be floating point, but its dtype is torch.int64: convert it with scores.float().",
    ),
    "softmax of a list": (
        lambda: ref.masked_softmax([1.0, 2.0]),
        TypeError,
        "scores must be a tensor, but it is a list.",
    ),
    "softmax with a mask of numbers": (
        lambda: ref.masked_softmax(real(2, 4, 5), ints(2, 4, 5)),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.int64: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "softmax with a mask that is a list": (
        lambda: ref.masked_softmax(real(2), [True, False]),
        TypeError,
        "mask must be a tensor, but it is a list.",
    ),
    "softmax with a mask (B, S)": (
        lambda: ref.masked_softmax(real(2, 4, 5), mask(2, 5)),
        ValueError,
        "mask must broadcast to the shape of scores, (2, 4, 5), but its shape is (2, 5): "
        "give each axis the size it has in scores, or 1.",
    ),
    "softmax with a mask that has more axes": (
        lambda: ref.masked_softmax(real(4, 5), mask(2, 4, 5)),
        ValueError,
        "mask must broadcast to the shape of scores, (4, 5), but its shape is (2, 4, 5): "
        "give each axis the size it has in scores, or 1.",
    ),
    "softmax with a mask that would make the scores grow": (
        lambda: ref.masked_softmax(real(2, 1, 5), mask(2, 4, 5)),
        ValueError,
        "mask must broadcast to the shape of scores, (2, 1, 5), but its shape is (2, 4, 5): "
        "give each axis the size it has in scores, or 1.",
    ),
    "softmax_backward with two shapes": (
        lambda: ref.softmax_backward(real(2, 4, 5), real(2, 1, 5)),
        ValueError,
        "grad_weights must have the shape of weights, (2, 4, 5), but its shape is (2, 1, 5).",
    ),
    "softmax_backward of a list": (
        lambda: ref.softmax_backward(real(2), [0.5, 0.5]),
        TypeError,
        "grad_weights must be a tensor, but it is a list.",
    ),
    "context with values of another length": (
        lambda: ref.context_vector(real(2, 4, 5), real(2, 6, 7)),
        ValueError,
        "values must have shape (B, S, D) with S = 5, as weights has it, but its shape is (2, 6, 7).",
    ),
    "context without a batch": (
        lambda: ref.context_vector(real(4, 5), real(5, 7)),
        ValueError,
        "weights must have shape (B, T, S), but its shape is (4, 5).",
    ),
    "dot of two sizes": (
        lambda: ref.dot_scores(real(2, 4, 6), real(2, 5, 7)),
        ValueError,
        "keys must have shape (B, S, D) with D = 6, as queries has it, but its shape is (2, 5, 7).",
    ),
    "dot of two batches": (
        lambda: ref.dot_scores(real(2, 4, 6), real(1, 5, 6)),
        ValueError,
        "keys must have shape (B, S, D) with B = 2, as queries has it, but its shape is (1, 5, 6).",
    ),
    "one pair with a batch": (
        lambda: ref.additive_score(real(2, 6), real(7), *ADDITIVE),
        ValueError,
        "query must have shape (Dq,), but its shape is (2, 6).",
    ),
    "one pair with a key of another size": (
        lambda: ref.additive_score(real(6), real(6), *ADDITIVE),
        ValueError,
        "key must have shape (Dk,) with Dk = 7, as W_k has it, but its shape is (6,).",
    ),
    "additive with v (1, A)": (
        lambda: ref.additive_scores(real(2, 4, 6), real(2, 5, 7), *ADDITIVE[:2], real(1, 8)),
        ValueError,
        "v must have shape (A,), but its shape is (1, 8).",
    ),
    "additive with queries and keys swapped": (
        lambda: ref.additive_scores(real(2, 5, 7), real(2, 4, 6), *ADDITIVE),
        ValueError,
        "queries must have shape (B, T, Dq) with Dq = 6, as W_q has it, but its shape is (2, 5, 7).",
    ),
    "bilinear with W transposed": (
        lambda: ref.bilinear_scores(real(2, 4, 6), real(2, 5, 7), real(7, 6)),
        ValueError,
        "queries must have shape (B, T, Dq) with Dq = 7, as W has it, but its shape is (2, 4, 6).",
    ),
    "AdditiveAttention on keys of another size": (
        lambda: ref.AdditiveAttention(6, 7, 8).to("meta")(real(2, 4, 6), real(2, 5, 6)),
        ValueError,
        "keys must have shape (B, S, Dk) with Dk = 7, as W_k has it, but its shape is (2, 5, 6).",
    ),
    "AdditiveAttention with a mask of another length": (
        lambda: ref.AdditiveAttention(6, 7, 8).to("meta")(real(2, 4, 6), real(2, 5, 7), mask(2, 4)),
        ValueError,
        "mask must have shape (B, S) with S = 5, as scores has it, but its shape is (2, 4).",
    ),
    "AdditiveAttention with a mask of numbers": (
        lambda: ref.AdditiveAttention(6, 7, 8).to("meta")(real(2, 4, 6), real(2, 5, 7), real(2, 5)),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.float32: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "BilinearAttention with a mask (S,)": (
        lambda: ref.BilinearAttention(6, 7).to("meta")(real(2, 4, 6), real(2, 5, 7), mask(5)),
        ValueError,
        "mask must have shape (B, S) or (B, T, S), but its shape is (5,).",
    ),
    "BilinearAttention with a mask for another number of queries": (
        lambda: ref.BilinearAttention(6, 7).to("meta")(real(2, 4, 6), real(2, 5, 7), mask(2, 3, 5)),
        ValueError,
        "mask must have shape (B, T, S) with T = 4, as scores has it, but its shape is (2, 3, 5).",
    ),
    "Attention on a batch": (
        lambda: ref.Attention(6, 7).to("meta")(real(4, 6), real(2, 5, 7)),
        ValueError,
        "h must have shape (S, h_dim), but its shape is (2, 5, 7).",
    ),
    "alignment_gradient with weights (B, 1, S)": (
        lambda: ref.alignment_gradient(real(2, 6), real(2, 5, 7), real(2, 1, 5), real(2, 7)),
        ValueError,
        "weights must have shape (B, S), but its shape is (2, 1, 5).",
    ),
    "alignment_gradient with the gradient of another context": (
        lambda: ref.alignment_gradient(real(2, 6), real(2, 5, 7), real(2, 5), real(2, 6)),
        ValueError,
        "grad_context must have shape (B, Dk) with Dk = 7, as keys has it, but its shape is (2, 6).",
    ),
    "a plain step on an input of another size": (
        lambda: ref.rnn_step(real(2, 4), real(2, 3), real(3, 5), real(3, 3), real(3)),
        ValueError,
        "x must have shape (B, D) with D = 5, as W_x has it, but its shape is (2, 4).",
    ),
    "a plain step with W_h that is not square": (
        lambda: ref.rnn_step(real(2, 5), real(2, 3), real(3, 5), real(3, 5), real(3)),
        ValueError,
        "W_h must have shape (H, H) with H = 3, as W_x has it, but its shape is (3, 5).",
    ),
    "an LSTM with the weights of a GRU": (
        lambda: ref.lstm_step(real(2, 5), real(2, 3), real(2, 3), real(9, 5), real(9, 3), real(9)),
        ValueError,
        "W_x must have 4H = 12 rows, 4 for each unit of the state, but its shape is (9, 5).",
    ),
    "an LSTM without a batch in its cell": (
        lambda: ref.lstm_step(real(2, 5), real(2, 3), real(3), real(12, 5), real(12, 3), real(12)),
        ValueError,
        "cell must have shape (B, H), but its shape is (3,).",
    ),
    "a GRU with the weights of an LSTM": (
        lambda: ref.gru_step(real(2, 5), real(2, 3), real(12, 5), real(12, 3), real(12), real(12)),
        ValueError,
        "W_x must have 3H = 9 rows, 3 for each unit of the state, but its shape is (12, 5).",
    ),
    "gradients of a sequence without a batch": (
        lambda: ref.gradient_by_distance(lambda x: x, real(4, 5)),
        ValueError,
        "x must have shape (B, T, D), but its shape is (4, 5).",
    ),
    "gradients through a layer that returns a pair": (
        lambda: ref.gradient_by_distance(lambda x: (x, x), real(2, 4, 5)),
        TypeError,
        "what rnn returns must be a tensor, but it is a tuple.",
    ),
    "gradients through a layer that returns the last state only": (
        lambda: ref.gradient_by_distance(lambda x: x[:, -1], real(2, 4, 5)),
        ValueError,
        "states must have shape (B, T, H), but its shape is (2, 5).",
    ),
    "gradients through a layer with time first": (
        lambda: ref.gradient_by_distance(lambda x: x.transpose(0, 1), real(2, 4, 5)),
        ValueError,
        "states must have shape (B, T, H) with B = 2, as x has it, but its shape is (4, 2, 5).",
    ),
    "shift_right of fractions": (
        lambda: ref.shift_right(real(2, 4), 1),
        TypeError,
        "tokens must hold integers, but its dtype is torch.float32: convert it with tokens.long().",
    ),
    "shift_right of one sequence": (
        lambda: ref.shift_right(ints(4), 1),
        ValueError,
        "tokens must have shape (B, T), but its shape is (4,).",
    ),
    "last_hidden with time first": (
        lambda: ref.last_hidden(real(5, 2, 7), ints(2)),
        ValueError,
        "lengths must have shape (B,) with B = 5, as states has it, but its shape is (2,).",
    ),
    "last_hidden with a mask for lengths": (
        lambda: ref.last_hidden(real(2, 5, 7), mask(2)),
        TypeError,
        "lengths must hold integers, but its dtype is torch.bool: convert it with lengths.long().",
    ),
    "a loss of logits (B, V, T)": (
        lambda: ref.sequence_loss(real(2, 9, 4), ints(2, 4), mask(2, 4)),
        ValueError,
        "targets must have shape (B, T) with T = 9, as logits has it, but its shape is (2, 4).",
    ),
    "a loss with targets that are not tokens": (
        lambda: ref.sequence_loss(real(2, 4, 9), real(2, 4), mask(2, 4)),
        TypeError,
        "targets must hold integers, but its dtype is torch.float32: convert it with targets.long().",
    ),
    "a loss with a mask of numbers": (
        lambda: ref.sequence_loss(real(2, 4, 9), ints(2, 4), real(2, 4)),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.float32: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "Seq2Seq with a source that is embedded already": (
        lambda: ref.Seq2Seq(9, 8, 3, 4).to("meta")(real(2, 5, 3), ints(2), ints(2, 4)),
        ValueError,
        "source must have shape (B, S), but its shape is (2, 5, 3).",
    ),
    "Seq2Seq with a source of fractions": (
        lambda: ref.Seq2Seq(9, 8, 3, 4).to("meta")(real(2, 5), ints(2), ints(2, 4)),
        TypeError,
        "source must hold integers, but its dtype is torch.float32: convert it with source.long().",
    ),
    "Seq2Seq with inputs of fractions": (
        lambda: ref.Seq2Seq(9, 8, 3, 4).to("meta")(ints(2, 5), ints(2), real(2, 4)),
        TypeError,
        "inputs must hold integers, but its dtype is torch.float32: convert it with inputs.long().",
    ),
    "Seq2Seq with inputs of another batch": (
        lambda: ref.Seq2Seq(9, 8, 3, 4).to("meta")(ints(2, 5), ints(2), ints(3, 4)),
        ValueError,
        "inputs must have shape (B, T) with B = 2, as source has it, but its shape is (3, 4).",
    ),
    "Seq2Seq.decode from a state (1, B, H)": (
        lambda: ref.Seq2Seq(9, 8, 3, 4).to("meta").decode(ints(2, 4), real(1, 2, 4), real(2, 4)),
        ValueError,
        "state must have shape (B, H), but its shape is (1, 2, 4).",
    ),
    "Encoder with a source of fractions": (
        lambda: ref.Encoder(9, 3, 4).to("meta")(real(2, 5), ints(2)),
        TypeError,
        "source must hold integers, but its dtype is torch.float32: convert it with source.long().",
    ),
    "Encoder with one length for all": (
        lambda: ref.Encoder(9, 3, 4, bidirectional=True).to("meta")(ints(2, 5), ints(1)),
        ValueError,
        "lengths must have shape (B,) with B = 2, as source has it, but its shape is (1,).",
    ),
    "decoder_step with a state (1, B, H)": (
        lambda: ref.decoder_step(real(2, 3), real(1, 2, 4), real(2, 5, 7), None, None, None),
        ValueError,
        "state must have shape (B, H), but its shape is (1, 2, 4).",
    ),
    "AttentionDecoder with a state of another size": (
        lambda: ref.AttentionDecoder(9, 3, 4, 7, 8).to("meta")(ints(2, 6), real(2, 7), real(2, 5, 7)),
        ValueError,
        "state must have shape (B, H) with H = 4, as W_q has it, but its shape is (2, 7).",
    ),
    "AttentionDecoder with keys of another size": (
        lambda: ref.AttentionDecoder(9, 3, 4, 7, 8).to("meta")(ints(2, 6), real(2, 4), real(2, 5, 4)),
        ValueError,
        "keys must have shape (B, S, Dk) with Dk = 7, as W_k has it, but its shape is (2, 5, 4).",
    ),
    "AttentionDecoder with inputs of fractions": (
        lambda: ref.AttentionDecoder(9, 3, 4, 7, 8).to("meta")(real(2, 6), real(2, 4), real(2, 5, 7)),
        TypeError,
        "inputs must hold integers, but its dtype is torch.float32: convert it with inputs.long().",
    ),
    "AttentionDecoder with a mask of another length": (
        lambda: ref.AttentionDecoder(9, 3, 4, 7, 8).to("meta")(
            ints(2, 6), real(2, 4), real(2, 5, 7), mask(2, 6)
        ),
        ValueError,
        "mask must have shape (B, S) with S = 5, as scores has it, but its shape is (2, 6).",
    ),
    "AttentionDecoder with a mask of numbers": (
        lambda: ref.AttentionDecoder(9, 3, 4, 7, 8).to("meta")(
            ints(2, 6), real(2, 4), real(2, 5, 7), ints(2, 5)
        ),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.int64: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "AttentionSeq2Seq with lengths of fractions": (
        lambda: ref.AttentionSeq2Seq(9, 8, 3, 4, 6).to("meta")(ints(2, 5), real(2), ints(2, 4)),
        TypeError,
        "lengths must hold integers, but its dtype is torch.float32: convert it with lengths.long().",
    ),
    "greedy_decode from a list": (
        lambda: ref.greedy_decode(None, None, [1, 1], 2, 5),
        TypeError,
        "first must be a tensor, but it is a list.",
    ),
    "greedy_decode from tokens (B, 1)": (
        lambda: ref.greedy_decode(None, None, ints(2, 1), 2, 5),
        ValueError,
        "first must have shape (B,), but its shape is (2, 1).",
    ),
    "greedy_decode for a negative number of steps": (
        lambda: ref.greedy_decode(None, None, ints(2), 2, -1),
        ValueError,
        "max_len must be 0 or more, but it is -1.",
    ),
    "accuracy with a mask of numbers": (
        lambda: ref.accuracy_by_length(ints(2, 4), ints(2, 4), ints(2, 4), ints(2), ints(3)),
        TypeError,
        "mask must be a bool tensor with True for a real token, but its dtype is torch.int64: "
        "turn zeros and ones into bool with mask.bool().",
    ),
    "accuracy of predictions that are shorter": (
        lambda: ref.accuracy_by_length(ints(2, 3), ints(2, 4), mask(2, 4), ints(2), ints(3)),
        ValueError,
        "targets must have shape (N, T) with T = 3, as predictions has it, but its shape is (2, 4).",
    ),
    "accuracy with a range to report on": (
        lambda: ref.accuracy_by_length(ints(2, 4), ints(2, 4), mask(2, 4), ints(2), range(3)),
        TypeError,
        "at must be a tensor, but it is a range.",
    ),
}


@pytest.mark.parametrize(("call", "kind", "sentence"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_bad_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence
