"""Cases of lessons 01 to 03 and 07: recurrent cells, encoders, decoders and their loss."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

import seqattn_ref as ref

from . import oracle_sequences
from .calls import Case, call_module
from .draw import Draw

# A module whose parameters are given needs making only once.
Encoder, Seq2Seq, AttentionDecoder, AttentionSeq2Seq = map(
    cache, (ref.Encoder, ref.Seq2Seq, ref.AttentionDecoder, ref.AttentionSeq2Seq)
)


def encoder(source, lengths, *parameters):
    embedding, _, W_h = parameters[:3]
    module = Encoder(*embedding.shape, W_h.shape[1], bidirectional=len(parameters) == 9)
    return call_module(module, parameters, source, lengths)


def seq2seq(source, lengths, inputs, *parameters):
    (X, E), (V, H) = parameters[0].shape, parameters[-2].shape
    return call_module(Seq2Seq(X, V, E, H), parameters, source, lengths, inputs)


def attention_decoder(inputs, state, keys, mask, *parameters):
    embedding, W_q = parameters[:2]
    module = AttentionDecoder(*embedding.shape, state.shape[1], keys.shape[2], len(W_q))
    return call_module(module, parameters, inputs, state, keys, mask)


def attention_seq2seq(source, lengths, inputs, *parameters):
    (X, E), (V, H), A = parameters[0].shape, parameters[-2].shape, len(parameters[12])
    return call_module(AttentionSeq2Seq(X, V, E, H, A), parameters, source, lengths, inputs)


def decoder_step(embedded, state, keys, mask, W_q, W_k, v, *gru):
    def attend(queries, keys, mask):
        scores = ref.additive_scores(queries, keys, W_q, W_k, v)
        weights = ref.masked_softmax(scores, None if mask is None else mask[:, None])
        return ref.context_vector(weights, keys), weights

    return ref.decoder_step(embedded, state, keys, mask, attend, lambda x, s: ref.gru_step(x, s, *gru))


def gradient_by_distance(x, W_x, W_h, b):
    def rnn(x):
        state, states = x.new_zeros(len(x), len(W_h)), []
        for x_t in x.unbind(dim=1):
            state = ref.rnn_step(x_t, state, W_x, W_h, b)
            states.append(state)
        return torch.stack(states, dim=1)

    return ref.gradient_by_distance(rnn, x)


def _cell(answer: Callable, wanted: Callable, gates: int, states: int = 1, biases: int = 1) -> Case:
    def inputs(draw: Draw) -> tuple:
        rows = gates * draw.sizes.H
        x, before = draw.real("B", "D"), [draw.real("B", "H") for _ in range(states)]
        return (
            x,
            *before,
            draw.real(rows, "D"),
            draw.real(rows, "H"),
            *(draw.real(rows) for _ in range(biases)),
        )

    return Case(answer, wanted, inputs)


def _encoder(bidirectional: bool) -> Case:
    def inputs(draw: Draw) -> tuple:
        module = Encoder(draw.sizes.X, draw.sizes.E, draw.sizes.H, bidirectional)
        return draw.tokens("X", "B", "S"), draw.lengths(), *draw.parameters(module)

    return Case(encoder, oracle_sequences.encoder, inputs)


def _seq2seq(draw: Draw) -> tuple:
    module = Seq2Seq(draw.sizes.X, draw.sizes.V, draw.sizes.E, draw.sizes.H)
    return _pairs(draw) + draw.parameters(module)


def _decoder_step(mask: Callable[[Draw], Tensor | None]) -> Case:
    def inputs(draw: Draw) -> tuple:
        embedded, state, keys = draw.real("B", "E"), draw.real("B", "H"), draw.real("B", "S", "Dk")
        scorer = draw.real("A", "H"), draw.real("A", "Dk"), draw.real("A")
        gru = draw.parameters(nn.GRUCell(draw.sizes.E + draw.sizes.Dk, draw.sizes.H))
        return embedded, state, keys, mask(draw), *scorer, *gru

    return Case(decoder_step, oracle_sequences.decoder_step, inputs)


def _attention_decoder(mask: Callable[[Draw], Tensor | None]) -> Case:
    def inputs(draw: Draw) -> tuple:
        size = draw.sizes
        module = AttentionDecoder(size.V, size.E, size.H, size.Dk, size.A)
        given = draw.tokens("V", "B", "T"), draw.real("B", "H"), draw.real("B", "S", "Dk"), mask(draw)
        return given + draw.parameters(module)

    return Case(attention_decoder, oracle_sequences.attention_decoder, inputs)


def _attention_seq2seq(draw: Draw) -> tuple:
    size = draw.sizes
    return _pairs(draw) + draw.parameters(AttentionSeq2Seq(size.X, size.V, size.E, size.H, size.A))


def _pairs(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Source tokens, their lengths, and the decoder's inputs."""
    return draw.tokens("X", "B", "S"), draw.lengths(), draw.tokens("V", "B", "T")


def _answered(draw: Draw) -> tuple:
    """For accuracy_by_length: a few wrong tokens, and lengths to report on that do not occur."""
    targets, wrong = draw.tokens("V", "N", "T"), draw.tokens("N", "N", "T") == 0
    mask = torch.arange(draw.sizes.T) <= draw.tokens("T", "N")[:, None]
    at = torch.arange(draw.sizes.K).flip(0)
    return torch.where(wrong, targets + 1, targets), targets, mask, draw.tokens("S", "N"), at


SEQUENCES = {
    "rnn_step": _cell(ref.rnn_step, oracle_sequences.rnn_step, gates=1),
    "lstm_step": _cell(ref.lstm_step, oracle_sequences.lstm_step, gates=4, states=2),
    "gru_step": _cell(ref.gru_step, oracle_sequences.gru_step, gates=3, biases=2),
    "gradient_by_distance": Case(
        gradient_by_distance,
        oracle_sequences.gradient_by_distance,
        lambda draw: (draw.real("B", "T", "D"), draw.real("H", "D"), draw.real("H", "H") / 2, draw.real("H")),
        differentiable=False,
    ),
    "shift_right": Case(
        ref.shift_right,
        oracle_sequences.shift_right,
        lambda draw: (draw.tokens("V", "B", "T"), 7),
        dtypes=(torch.int64,),
        differentiable=False,
    ),
    "last_hidden": Case(
        ref.last_hidden,
        oracle_sequences.last_hidden,
        lambda draw: (draw.real("B", "S", "H"), draw.lengths()),
    ),
    "sequence_loss": Case(
        ref.sequence_loss,
        oracle_sequences.sequence_loss,
        lambda draw: (draw.real("B", "T", "V"), draw.tokens("V", "B", "T"), draw.padding("T")),
    ),
    "Seq2Seq": Case(seq2seq, oracle_sequences.seq2seq, _seq2seq),
    "Encoder": _encoder(bidirectional=False),
    "Encoder, both ways": _encoder(bidirectional=True),
    "decoder_step": _decoder_step(lambda draw: None),
    "decoder_step, mask (B, S)": _decoder_step(Draw.padding),
    "AttentionDecoder": _attention_decoder(lambda draw: None),
    "AttentionDecoder, mask (B, S)": _attention_decoder(Draw.padding),
    "AttentionSeq2Seq": Case(attention_seq2seq, oracle_sequences.attention_seq2seq, _attention_seq2seq),
    "accuracy_by_length": Case(
        ref.accuracy_by_length,
        oracle_sequences.accuracy_by_length,
        _answered,
        dtypes=(torch.float32, torch.int64),
        differentiable=False,
    ),
}
