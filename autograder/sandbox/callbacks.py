"""Functions that an answer is given as arguments. A case holds their numbers; they are made here, where the
answer runs.

They are small models of their own, made for this purpose: none of them solves an exercise. Each refuses what
does not fit in a sentence that names the tensor and the shape it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Callback


def make(callback: Callback, tensors: Mapping[str, Tensor]) -> Callable:
    """The function itself. `tensors` stand for the callback's own, for example as leaves of a graph."""
    return _MAKERS[callback.kind](**tensors)


def _table(logits: Tensor) -> Callable:
    """A step of a decoder that looks its logits up: `logits` (N, V, V), the state (B,) a whole number.

    A sample in state n that is given token y gets `logits[n % N, y]`, and goes on to state n + 1.
    """

    def step(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        _fits("step's tokens", tokens, (len(state),))
        return logits[state % len(logits), tokens], state + 1

    return step


def _recurrent_step(E: Tensor, W_h: Tensor, W_o: Tensor) -> Callable:
    """A step of a decoder with a state (B, H): embedding `E` (V, H), `W_h` (H, H) and output `W_o` (V, H)."""

    def step(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        _fits("step's state", state, (len(state), len(W_h)))
        _fits("step's tokens", tokens, (len(state),))
        state = torch.tanh(E[tokens] + state @ W_h)
        return state @ W_o.T, state

    return step


def _rnn(W_x: Tensor, W_h: Tensor) -> Callable:
    """A recurrent network: inputs (B, T, D) to states (B, T, H), with `W_x` (H, D) and `W_h` (H, H)."""

    def rnn(x: Tensor) -> Tensor:
        _fits("rnn's input", x, (len(x), x.shape[1] if x.dim() > 1 else 1, W_x.shape[1]))
        state, states = x.new_zeros(len(x), len(W_h)), []
        for step in x.unbind(1):
            state = torch.tanh(step @ W_x.T + state @ W_h)
            states.append(state)
        return torch.stack(states, 1)

    return rnn


def _attend(W: Tensor) -> Callable:
    """Attention from queries (B, T, H) over keys (B, S, Dk) with `W` (H, Dk); gives context and weights."""

    def attend(queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        _fits("attend's queries", queries, (len(keys), queries.shape[1] if queries.dim() > 1 else 1, len(W)))
        _fits("attend's keys", keys, (len(keys), keys.shape[1], W.shape[1]))
        if mask is not None:
            _fits("attend's mask", mask, keys.shape[:2])
            mask = mask[:, None, None]
        heads = torch.tanh(queries @ W)[:, None], keys[:, None]
        each = torch.eye(keys.shape[1], dtype=keys.dtype).expand(len(keys), 1, -1, -1)
        context, weights = (
            F.scaled_dot_product_attention(*heads, values, attn_mask=mask, scale=2.0)[:, 0]
            for values in (heads[1], each)
        )
        return context, weights

    return attend


def _cell(W_x: Tensor, W_h: Tensor) -> Callable:
    """One recurrent step: input (B, D) and state (B, H) to a state, with `W_x` (H, D) and `W_h` (H, H)."""

    def cell(x: Tensor, state: Tensor) -> Tensor:
        _fits("cell's input", x, (len(x), W_x.shape[1]))
        _fits("cell's state", state, (len(x), len(W_h)))
        return torch.tanh(x @ W_x.T + 2 * state @ W_h)

    return cell


_MAKERS = {
    "table": _table,
    "recurrent step": _recurrent_step,
    "rnn": _rnn,
    "attend": _attend,
    "cell": _cell,
}

ABOUT = {
    "table": "a step that gives logits[state % N, token] and the state plus 1",
    "recurrent step": "a step with state' = tanh(E[token] + state @ W_h) and logits = state' @ W_o.T",
    "rnn": "a network with h' = tanh(W_x x + h @ W_h)",
    "attend": "an attention scored by 2 tanh(query @ W) @ key",
    "cell": "a cell with state' = tanh(W_x x + 2 state @ W_h)",
}
"""What each kind does, for people."""


def _fits(what: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{what} must be a tensor, but it is a {type(tensor).__name__}.")
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(f"{what} must have shape {tuple(shape)}, but came with shape {tuple(tensor.shape)}.")
