"""Scores e_ij: how well query i fits key j. All are unscaled and none sees the mask."""

import torch
from torch import Tensor

from seqattn_ref._checks import check_shapes


def dot_scores(queries: Tensor, keys: Tensor) -> Tensor:
    """Score by the dot product: e_ij = q_iᵀ k_j.

    This is the score ``dot`` of Luong et al. 2015 (arXiv 1508.04025, section 3.1).

    Args:
        queries: (B, T, D).
        keys: (B, S, D).

    Returns:
        (B, T, S).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(queries=(queries, "(B, T, D)"), keys=(keys, "(B, S, D)"))
    return queries @ keys.mT


def additive_score(query: Tensor, key: Tensor, W_q: Tensor, W_k: Tensor, v: Tensor) -> Tensor:
    """Score one pair with the alignment network: e = vᵀ tanh(W_q q + W_k k).

    This is the alignment model of Bahdanau et al. 2015 (arXiv 1409.0473, appendix A.1.2), where W_q, W_k and
    v are called W_a, U_a and v_a.

    Args:
        query: (Dq,).
        key: (Dk,).
        W_q: (A, Dq).
        W_k: (A, Dk).
        v: (A,).

    Returns:
        (), a scalar tensor.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        W_q=(W_q, "(A, Dq)"), W_k=(W_k, "(A, Dk)"), v=(v, "(A,)"), query=(query, "(Dq,)"), key=(key, "(Dk,)")
    )
    return v @ torch.tanh(W_q @ query + W_k @ key)


def additive_scores(queries: Tensor, keys: Tensor, W_q: Tensor, W_k: Tensor, v: Tensor) -> Tensor:
    """Score all pairs at once with the alignment network: e_ij = vᵀ tanh(W_q q_i + W_k k_j).

    This is the alignment model of Bahdanau et al. 2015 (arXiv 1409.0473, appendix A.1.2), where W_q, W_k and
    v are called W_a, U_a and v_a.

    Each query and each key is projected once. The pairs then take B·T·S·A numbers.

    Args:
        queries: (B, T, Dq).
        keys: (B, S, Dk).
        W_q: (A, Dq).
        W_k: (A, Dk).
        v: (A,).

    Returns:
        (B, T, S).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        W_q=(W_q, "(A, Dq)"),
        W_k=(W_k, "(A, Dk)"),
        v=(v, "(A,)"),
        queries=(queries, "(B, T, Dq)"),
        keys=(keys, "(B, S, Dk)"),
    )
    return score_projected(queries @ W_q.T, keys @ W_k.T, v)


def score_projected(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """The second half of ``additive_scores``: from queries (B, T, A) and keys (B, S, A) to (B, T, S)."""
    pairs = queries[:, :, None, :] + keys[:, None, :, :]  # (B, T, S, A)
    return torch.tanh(pairs) @ v


def bilinear_scores(queries: Tensor, keys: Tensor, W: Tensor) -> Tensor:
    """Score by a bilinear form: e_ij = q_iᵀ W k_j.

    This is the score ``general`` of Luong et al. 2015 (arXiv 1508.04025, section 3.1).

    Args:
        queries: (B, T, Dq).
        keys: (B, S, Dk).
        W: (Dq, Dk).

    Returns:
        (B, T, S).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(W=(W, "(Dq, Dk)"), queries=(queries, "(B, T, Dq)"), keys=(keys, "(B, S, Dk)"))
    return queries @ W @ keys.mT
