"""Padding masks, and the mean and the softmax that respect them."""

import torch
from torch import Tensor

from seqattn_ref._checks import check_mask, check_shapes, check_tensor


def pad_mask(lengths: Tensor, max_len: int) -> Tensor:
    """Mark the real tokens of a padded batch.

    The convention, True for a place that may be attended to, is that of
    ``torch.nn.functional.scaled_dot_product_attention``.

    Args:
        lengths: (B,) integers, how many real tokens each sample has. A length above ``max_len`` counts as
            ``max_len``, one below 0 as 0.
        max_len: the padded length S.

    Returns:
        (B, max_len) bool, True where ``j < lengths[b]``.

    Raises:
        TypeError: ``lengths`` is not an integer tensor, or ``max_len`` is not an int.
        ValueError: ``lengths`` is not one-dimensional, or ``max_len`` is negative.
    """
    check_shapes(lengths=(lengths, "(B,)"))
    if lengths.dtype == torch.bool or lengths.is_floating_point() or lengths.is_complex():
        raise TypeError(
            f"lengths must hold integers, but its dtype is {lengths.dtype}: convert it with lengths.long()."
        )
    if not isinstance(max_len, int):
        raise TypeError(f"max_len must be an int, but it is a {type(max_len).__name__}: pass int(max_len).")
    if max_len < 0:
        raise ValueError(f"max_len must be 0 or more, but it is {max_len}.")
    positions = torch.arange(max_len, device=lengths.device)
    return positions < lengths[:, None]


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average the real tokens of each sample.

    Args:
        x: (B, S, D). Padding may hold anything, NaN too, since it is never added up.
        mask: (B, S) bool, True for a real token.

    Returns:
        (B, D), the mean over the real tokens. A sample without any gets 0.

    Raises:
        TypeError: ``x`` is not a tensor, or ``mask`` is not a bool tensor.
        ValueError: the shapes do not fit.
    """
    check_mask(mask)
    check_shapes(x=(x, "(B, S, D)"), mask=(mask, "(B, S)"))
    total = x.masked_fill(~mask[:, :, None], 0).sum(dim=1)
    count = mask.sum(dim=1)[:, None]
    return total / count.clamp(min=1)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn scores into weights over the last axis, with weight only where the mask is True.

    This is equation 6 of Bahdanau et al. 2015 (arXiv 1409.0473, section 3.1), summed over real tokens only.

    Args:
        scores: (..., S) floating point.
        mask: bool, broadcastable to the shape of ``scores``, True for a place that may be attended to.
            Without it every place may be.

    Returns:
        (..., S). Each row sums to 1. A row with nothing to attend to is all 0 and sends back a gradient of 0.

    Raises:
        TypeError: ``scores`` is not a floating-point tensor, or ``mask`` is not a bool tensor.
        ValueError: ``mask`` does not broadcast to the shape of ``scores``.
    """
    check_tensor("scores", scores)
    if not scores.is_floating_point():
        raise TypeError(
            f"scores must be floating point, but its dtype is {scores.dtype}: convert it with scores.float()."
        )
    if mask is None:
        return torch.softmax(scores, dim=-1)
    check_mask(mask)
    if not _broadcasts_to(mask.shape, scores.shape):
        raise ValueError(
            f"mask must broadcast to the shape of scores, {tuple(scores.shape)}, "
            f"but its shape is {tuple(mask.shape)}: give each axis the size it has in scores, or 1."
        )
    hidden = ~mask
    # The lowest finite number and not -inf: in an empty row -inf would make 0/0, forward and backward.
    lowest = torch.finfo(scores.dtype).min
    weights = torch.softmax(scores.masked_fill(hidden, lowest), dim=-1)
    # An empty row is uniform by now. Zero it.
    return weights.masked_fill(hidden, 0)


def softmax_backward(weights: Tensor, grad_weights: Tensor) -> Tensor:
    """Carry a gradient back through the softmax, from the weights to the scores.

    The softmax has the Jacobian ∂α_j/∂e_k = α_j (δ_jk - α_k). So ∂L/∂e_j = α_j (g_j - Σ_k α_k g_k) with
    g = ∂L/∂α (Dao et al. 2022, arXiv 2205.14135, appendix B.2).

    Args:
        weights: (..., S), the output of the softmax. A row of 0 (nothing to attend to) is allowed.
        grad_weights: (..., S), the gradient of the loss with respect to the weights.

    Returns:
        (..., S), the gradient of the loss with respect to the scores. Where a weight is 0 so is the gradient.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the two shapes differ.
    """
    check_tensor("weights", weights)
    check_tensor("grad_weights", grad_weights)
    if grad_weights.shape != weights.shape:
        raise ValueError(
            f"grad_weights must have the shape of weights, {tuple(weights.shape)}, "
            f"but its shape is {tuple(grad_weights.shape)}."
        )
    mean_grad = (weights * grad_weights).sum(dim=-1, keepdim=True)
    return weights * (grad_weights - mean_grad)


def _broadcasts_to(shape: torch.Size, target: torch.Size) -> bool:
    """Whether a tensor of this shape can be read as one of the target shape without the target growing."""
    if len(shape) > len(target):
        return False
    return all(size in (1, wanted) for size, wanted in zip(reversed(shape), reversed(target), strict=False))
