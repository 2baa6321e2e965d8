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
}


@pytest.mark.parametrize(("call", "kind", "sentence"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_bad_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence
