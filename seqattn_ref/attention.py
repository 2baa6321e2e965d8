"""Attention whole: scores to weights to context."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqattn_ref._checks import check_mask, check_shapes
from seqattn_ref.masking import masked_softmax, softmax_backward
from seqattn_ref.scores import additive_scores, bilinear_scores, score_projected


def context_vector(weights: Tensor, values: Tensor) -> Tensor:
    """Take the weighted sum of the values: c_i = Σ_j α_ij h_j.

    This is equation 5 of Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1).

    Args:
        weights: (B, T, S).
        values: (B, S, D). They must be finite at padded places too, since 0 times NaN is NaN.

    Returns:
        (B, T, D).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(weights=(weights, "(B, T, S)"), values=(values, "(B, S, D)"))
    return weights @ values


def alignment_gradient(
    query: Tensor, keys: Tensor, weights: Tensor, grad_context: Tensor
) -> tuple[Tensor, Tensor]:
    """Carry a gradient from the context back to the matrix of a bilinear scorer, by hand.

    The forward pass is e_j = qᵀ W h_j, α = softmax(e), z = Σ_j α_j h_j. With g = ∂L/∂z the chain rule gives

        ∂L/∂α_j = gᵀ h_j        ∂L/∂e_j = α_j (gᵀ h_j - gᵀ z)        ∂L/∂W = Σ_j ∂L/∂e_j q h_jᵀ

    It is the backward pass of equations 5 and 6 of Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1) with
    the score ``general`` of Luong et al. 2015 (arXiv 1508.04025, section 3.1).

    Args:
        query: (B, Dq).
        keys: (B, S, Dk), the values too.
        weights: (B, S), the softmax of the scores; 0 where a key is hidden.
        grad_context: (B, Dk), the gradient of the loss with respect to the context.

    Returns:
        The gradient of the loss with respect to the scores (B, S), and to W (Dq, Dk), summed over the batch.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        query=(query, "(B, Dq)"),
        keys=(keys, "(B, S, Dk)"),
        weights=(weights, "(B, S)"),
        grad_context=(grad_context, "(B, Dk)"),
    )
    grad_weights = (keys @ grad_context[:, :, None])[:, :, 0]  # (B, S)
    grad_scores = softmax_backward(weights, grad_weights)
    pulled = (grad_scores[:, None, :] @ keys)[:, 0]  # (B, Dk): Σ_j ∂L/∂e_j h_j
    return grad_scores, query.T @ pulled


class AdditiveAttention(nn.Module):
    """Attention scored by a small network.

    This is the attention of Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1 and appendix A.1.2).

    The parameters are ``W_q.weight`` (A, Dq), ``W_k.weight`` (A, Dk) and ``v.weight`` (1, A), without biases.
    They start from Xavier's uniform distribution (Glorot & Bengio 2010, section 4.2.1, equation 16).

    Args:
        query_dim: Dq.
        key_dim: Dk.
        attn_dim: A.
    """

    def __init__(self, query_dim: int, key_dim: int, attn_dim: int):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for layer in (self.W_q, self.W_k, self.v):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attend from each query over the keys, which are the values too.

        Args:
            queries: (B, T, Dq).
            keys: (B, S, Dk), finite at padded places too.
            mask: (B, S) or (B, T, S) bool, True for a key that may be attended to. Without it every key
                may be.

        Returns:
            The context (B, T, Dk) and the weights (B, T, S).

        Raises:
            TypeError: an argument is not a tensor, or ``mask`` is not bool.
            ValueError: the shapes do not fit.
        """
        scores = additive_scores(queries, keys, self.W_q.weight, self.W_k.weight, self.v.weight[0])
        return _attend(scores, keys, mask)

    def _over(self, keys: Tensor) -> Callable[..., tuple[Tensor, Tensor]]:
        """What ``forward`` does, for many calls with the same keys (B, S, Dk).

        The keys are projected here, once, as appendix A.1.2 of the paper advises.
        """
        projected_keys = self.W_k(keys)  # (B, S, A)

        def attend(queries: Tensor, values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
            scores = score_projected(self.W_q(queries), projected_keys, self.v.weight[0])
            return _attend(scores, values, mask)

        return attend


class BilinearAttention(nn.Module):
    """Attention scored by a bilinear form.

    The score is ``general`` of Luong et al. 2015 (arXiv 1508.04025, section 3.1).

    The parameter is ``W`` (Dq, Dk). It starts from Xavier's uniform distribution (Glorot & Bengio 2010,
    section 4.2.1, equation 16).

    Args:
        query_dim: Dq.
        key_dim: Dk.
    """

    def __init__(self, query_dim: int, key_dim: int):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameter anew."""
        nn.init.xavier_uniform_(self.W)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attend from each query over the keys, which are the values too.

        Args:
            queries: (B, T, Dq).
            keys: (B, S, Dk), finite at padded places too.
            mask: (B, S) or (B, T, S) bool, True for a key that may be attended to. Without it every key
                may be.

        Returns:
            The context (B, T, Dk) and the weights (B, T, S).

        Raises:
            TypeError: an argument is not a tensor, or ``mask`` is not bool.
            ValueError: the shapes do not fit.
        """
        return _attend(bilinear_scores(queries, keys, self.W), keys, mask)


class Attention(nn.Module):
    """Bilinear attention over one sequence, without batch or mask.

    This is the class the course starts from, repaired. ``W`` was uninitialised memory. Now it starts from
    Xavier's uniform distribution (Glorot & Bengio 2010, section 4.2.1, equation 16). The softmax ran over the
    queries. Now it runs over the source steps. ``h`` was said to have one row. It has one for each source
    step.

    The score is ``general`` of Luong et al. 2015 (arXiv 1508.04025, section 3.1).

    Args:
        y_dim: size of a query y.
        h_dim: size of an encoder state h.
    """

    def __init__(self, y_dim: int, h_dim: int):
        super().__init__()
        self.y_dim = y_dim
        self.h_dim = h_dim
        self.W = nn.Parameter(torch.empty(y_dim, h_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameter anew."""
        nn.init.xavier_uniform_(self.W)

    def forward(self, y: Tensor, h: Tensor) -> Tensor:
        """Attend from each query over the encoder states.

        Args:
            y: (T, y_dim).
            h: (S, h_dim).

        Returns:
            The context (T, h_dim).

        Raises:
            TypeError: an argument is not a tensor.
            ValueError: the shapes do not fit.
        """
        check_shapes(W=(self.W, "(y_dim, h_dim)"), y=(y, "(T, y_dim)"), h=(h, "(S, h_dim)"))
        scores = y @ self.W @ h.T  # (T, S)
        weights = masked_softmax(scores)
        return weights @ h


def _attend(scores: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """From scores (B, T, S) and values (B, S, D) to the context (B, T, D) and the weights (B, T, S)."""
    weights = masked_softmax(scores, _mask_per_query(mask, scores))
    return context_vector(weights, values), weights


def _mask_per_query(mask: Tensor | None, scores: Tensor) -> Tensor | None:
    """Give a mask (B, S) the axis of the queries, so that it hides the same keys from all of them."""
    if mask is None:
        return None
    check_mask(mask)
    if mask.dim() == 2:
        check_shapes(scores=(scores, "(B, T, S)"), mask=(mask, "(B, S)"))
        return mask[:, None, :]
    if mask.dim() == 3:
        check_shapes(scores=(scores, "(B, T, S)"), mask=(mask, "(B, T, S)"))
        return mask
    raise ValueError(f"mask must have shape (B, S) or (B, T, S), but its shape is {tuple(mask.shape)}.")
