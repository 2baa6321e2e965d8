"""The reference answers of the course, each under the name of its exercise.

Every tensor is batch first. The letters in the docstrings are the same everywhere: B samples in a batch,
T queries (target steps, index i), S keys (source steps, index j), Dq and Dk the sizes of a query and a key,
A the alignment size, D any other size.

A mask is a bool tensor with True for a real token. A query that may attend to nothing gets weights of 0 and a
context of 0. Results have the dtype and the device of the inputs. No input is ever written to.
"""

from seqattn_ref.attention import (
    AdditiveAttention,
    Attention,
    BilinearAttention,
    alignment_gradient,
    context_vector,
)
from seqattn_ref.decoding import accuracy_by_length, greedy_decode
from seqattn_ref.masking import masked_mean, masked_softmax, pad_mask, softmax_backward
from seqattn_ref.recurrent import gradient_by_distance, gru_step, lstm_step, rnn_step
from seqattn_ref.scores import additive_score, additive_scores, bilinear_scores, dot_scores
from seqattn_ref.seq2seq import (
    AttentionDecoder,
    AttentionSeq2Seq,
    Encoder,
    Seq2Seq,
    decoder_step,
    last_hidden,
    sequence_loss,
    shift_right,
)

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionSeq2Seq",
    "BilinearAttention",
    "Encoder",
    "Seq2Seq",
    "accuracy_by_length",
    "additive_score",
    "additive_scores",
    "alignment_gradient",
    "bilinear_scores",
    "context_vector",
    "decoder_step",
    "dot_scores",
    "gradient_by_distance",
    "greedy_decode",
    "gru_step",
    "last_hidden",
    "lstm_step",
    "masked_mean",
    "masked_softmax",
    "pad_mask",
    "rnn_step",
    "sequence_loss",
    "shift_right",
    "softmax_backward",
]
