"""Names and signatures that lessons and graders rely on."""

import inspect

import pytest

import seqattn_ref as ref

SIGNATURES = {
    "pad_mask": "(lengths, max_len)",
    "masked_mean": "(x, mask)",
    "masked_softmax": "(scores, mask=None)",
    "softmax_backward": "(weights, grad_weights)",
    "dot_scores": "(queries, keys)",
    "additive_score": "(query, key, W_q, W_k, v)",
    "additive_scores": "(queries, keys, W_q, W_k, v)",
    "bilinear_scores": "(queries, keys, W)",
    "context_vector": "(weights, values)",
    "AdditiveAttention": "(query_dim, key_dim, attn_dim)",
    "AdditiveAttention.forward": "(self, queries, keys, mask=None)",
    "BilinearAttention": "(query_dim, key_dim)",
    "BilinearAttention.forward": "(self, queries, keys, mask=None)",
    "Attention": "(y_dim, h_dim)",
    "Attention.forward": "(self, y, h)",
    "alignment_gradient": "(query, keys, weights, grad_context)",
    "rnn_step": "(x, state, W_x, W_h, b)",
    "lstm_step": "(x, state, cell, W_x, W_h, b)",
    "gru_step": "(x, state, W_x, W_h, b_x, b_h)",
    "gradient_by_distance": "(rnn, x)",
    "shift_right": "(tokens, bos)",
    "last_hidden": "(states, lengths)",
    "sequence_loss": "(logits, targets, mask)",
    "Seq2Seq": "(source_vocab, target_vocab, embed_dim, hidden_dim)",
    "Seq2Seq.encode": "(self, source, lengths)",
    "Seq2Seq.decode": "(self, inputs, state, z)",
    "Seq2Seq.forward": "(self, source, lengths, inputs)",
    "Encoder": "(vocab, embed_dim, hidden_dim, bidirectional=False)",
    "Encoder.forward": "(self, source, lengths)",
    "decoder_step": "(embedded, state, keys, mask, attend, cell)",
    "AttentionDecoder": "(vocab, embed_dim, hidden_dim, key_dim, attn_dim)",
    "AttentionDecoder.step": "(self, tokens, state, keys, mask=None)",
    "AttentionDecoder.forward": "(self, inputs, state, keys, mask=None)",
    "AttentionSeq2Seq": "(source_vocab, target_vocab, embed_dim, hidden_dim, attn_dim)",
    "AttentionSeq2Seq.encode": "(self, source, lengths)",
    "AttentionSeq2Seq.forward": "(self, source, lengths, inputs)",
    "greedy_decode": "(step, state, first, eos, max_len)",
    "accuracy_by_length": "(predictions, targets, mask, lengths, at)",
}


@pytest.mark.parametrize(("name", "wanted"), SIGNATURES.items(), ids=SIGNATURES.keys())
def test_signatures(name, wanted):
    answer, _, method = name.partition(".")
    found = getattr(ref, answer)
    signature = inspect.signature(getattr(found, method) if method else found)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == wanted


def test_a_star_import_brings_every_answer():
    found = {}
    exec("from seqattn_ref import *", found)
    assert {name for name in SIGNATURES if "." not in name} <= found.keys()
    assert set(ref.__all__) == {name for name in SIGNATURES if "." not in name}
