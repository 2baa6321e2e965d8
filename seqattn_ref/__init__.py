"""The reference answers of the course, each under the name of its exercise.

Every tensor is batch first. The letters in the docstrings are the same everywhere: B samples in a batch,
T queries (target steps, index i), S keys (source steps, index j), Dq and Dk the sizes of a query and a key,
A the alignment size, D any other size.

A mask is a bool tensor with True for a real token. A query that may attend to nothing gets weights of 0 and a
context of 0. Results have the dtype and the device of the inputs. No input is ever written to.
"""

from seqattn_ref.attention import AdditiveAttention, Attention, BilinearAttention, context_vector
from seqattn_ref.masking import masked_mean, masked_softmax, pad_mask, softmax_backward
from seqattn_ref.scores import additive_score, additive_scores, bilinear_scores, dot_scores

__all__ = [
    "AdditiveAttention",
    "Attention",
    "BilinearAttention",
    "additive_score",
    "additive_scores",
    "bilinear_scores",
    "context_vector",
    "dot_scores",
    "masked_mean",
    "masked_softmax",
    "pad_mask",
    "softmax_backward",
]
