"""How the scores hang together."""

import torch

from seqattn_ref import additive_score, additive_scores, bilinear_scores, dot_scores

from .calls import assert_close
from .cases import CASES
from .draw import Draw


def test_additive_scores_are_additive_score_pair_by_pair():
    queries, keys, *parameters = CASES["additive_scores"].inputs(Draw())
    scores = additive_scores(queries, keys, *parameters)
    for b, i, j in torch.cartesian_prod(*(torch.arange(size) for size in scores.shape)):
        pair = additive_score(queries[b, i], keys[b, j], *parameters)
        assert pair.shape == ()
        assert_close(scores[b, i, j], pair, 1e-12)


def test_the_tanh_lets_the_query_change_the_order_of_the_keys():
    """Without the tanh a query adds the same number to all its scores. The softmax takes it away again."""
    W = torch.ones(1, 1)
    keys = torch.tensor([[[0.0], [1.0]]])
    near, far = additive_scores(torch.tensor([[[0.0], [5.0]]]), keys, W, W, torch.ones(1))[0]
    assert near[1] - near[0] > 0.7
    assert far[1] - far[0] < 0.001


def test_a_bilinear_score_with_the_identity_is_the_dot_product():
    draw = Draw()
    queries, keys = draw.real("B", "T", "Dk"), draw.real("B", "S", "Dk")
    identity = torch.eye(keys.shape[-1], dtype=keys.dtype)
    assert_close(bilinear_scores(queries, keys, identity), dot_scores(queries, keys), 1e-12)


def test_dot_and_bilinear_scores_are_not_scaled():
    ones = torch.ones(1, 1, 16)
    assert dot_scores(ones, ones).item() == 16
    assert bilinear_scores(ones, ones, torch.eye(16)).item() == 16
