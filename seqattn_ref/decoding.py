"""Writing a sequence without knowing it, and measuring how often it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqattn_ref._checks import check_mask, check_shapes


def greedy_decode(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: Any, first: Tensor, eos: int, max_len: int
) -> Tensor:
    """Write token after token, each time the likeliest one.

    What comes out at one step goes in at the next. Samples that have ended wait for the others; when all have
    ended, ``step`` is called no more.

    Args:
        step: maps tokens (B,) and a state to logits (B, V) and the next state.
        state: the state before the first step, whatever ``step`` takes.
        first: (B,) integers, the tokens to start with, usually bos.
        eos: the token that ends a sample.
        max_len: how many tokens to write at the most, T.

    Returns:
        (B, T) integers of the dtype of ``first``, which is not among them. From the first eos on, a row holds
        eos.

    Raises:
        TypeError: ``first`` is not a tensor.
        ValueError: ``first`` does not have one axis, or ``max_len`` is negative.
    """
    check_shapes(first=(first, "(B,)"))
    if max_len < 0:
        raise ValueError(f"max_len must be 0 or more, but it is {max_len}.")
    written = first.new_full((len(first), max_len), eos)
    tokens, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for i in range(max_len):
        logits, state = step(tokens, state)
        tokens = logits.argmax(dim=1).to(first.dtype).masked_fill(ended, eos)
        written[:, i] = tokens
        ended = ended | (tokens == eos)
        if bool(ended.all()):
            break
    return written


def accuracy_by_length(
    predictions: Tensor, targets: Tensor, mask: Tensor, lengths: Tensor, at: Tensor
) -> tuple[Tensor, Tensor]:
    """Count how many sequences of each length are right as a whole.

    Args:
        predictions: (N, T) integers.
        targets: (N, T) integers.
        mask: (N, T) bool, True for a real token of the target, eos included. Elsewhere anything may be
            predicted. A sequence without any real token is right.
        lengths: (N,) integers, the length of each source.
        at: (K,) integers, the lengths to report on.

    Returns:
        The share of sequences of each length whose real tokens are all right, (K,) float32, and how many
        sequences of each length there are, (K,) int64. A length that does not occur has accuracy 0.

    Raises:
        TypeError: an argument is not a tensor, or ``mask`` is not bool.
        ValueError: the shapes do not fit.
    """
    check_mask(mask)
    check_shapes(
        predictions=(predictions, "(N, T)"),
        targets=(targets, "(N, T)"),
        mask=(mask, "(N, T)"),
        lengths=(lengths, "(N,)"),
        at=(at, "(K,)"),
    )
    right = ((predictions == targets) | ~mask).all(dim=1)  # (N,)
    of_this_length = lengths == at[:, None]  # (K, N)
    count = of_this_length.sum(dim=1)
    return (of_this_length & right).sum(dim=1).float() / count.clamp(min=1), count
