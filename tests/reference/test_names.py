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
