"""One step of each recurrent cell, written out, and a measure of how far its gradients reach.

Weights have the layout of ``torch.nn.RNNCell``, ``LSTMCell`` and ``GRUCell``, so that theirs can be used.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from seqattn_ref._checks import check_shapes, check_tensor


def rnn_step(x: Tensor, state: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor) -> Tensor:
    """Take one step of a plain recurrent network: h' = tanh(W_x x + W_h h + b).

    This is the simple recurrent network of Elman 1990 ("Finding structure in time"), with tanh in place of
    the logistic function.

    Args:
        x: (B, D), the input of this step.
        state: (B, H), the state h after the step before.
        W_x: (H, D).
        W_h: (H, H).
        b: (H,).

    Returns:
        (B, H), the new state.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        W_x=(W_x, "(H, D)"), W_h=(W_h, "(H, H)"), b=(b, "(H,)"), x=(x, "(B, D)"), state=(state, "(B, H)")
    )
    return torch.tanh(x @ W_x.T + state @ W_h.T + b)


def lstm_step(
    x: Tensor, state: Tensor, cell: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """Take one step of an LSTM with a forget gate.

    With the input gate i, the forget gate f, the candidate g and the output gate o,

        c' = f ⊙ c + i ⊙ g        h' = o ⊙ tanh(c')

    The cell is that of Hochreiter & Schmidhuber 1997 ("Long short-term memory") with the forget gate of Gers,
    Schmidhuber & Cummins 2000 ("Learning to forget", section 3), without peepholes.

    Args:
        x: (B, D), the input of this step.
        state: (B, H), the state h after the step before.
        cell: (B, H), the cell state c after the step before.
        W_x: (4H, D), the rows of i, f, g and o in this order.
        W_h: (4H, H), likewise.
        b: (4H,), likewise.

    Returns:
        The new state and the new cell state, both (B, H).

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        W_x=(W_x, "(4H, D)"),
        W_h=(W_h, "(4H, H)"),
        b=(b, "(4H,)"),
        x=(x, "(B, D)"),
        state=(state, "(B, H)"),
        cell=(cell, "(B, H)"),
    )
    _check_gates(4, W_x, state)
    i, f, g, o = (x @ W_x.T + state @ W_h.T + b).chunk(4, dim=1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def gru_step(x: Tensor, state: Tensor, W_x: Tensor, W_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
    """Take one step of a GRU.

    With the reset gate r, the update gate u and the candidate n,

        n = tanh(W_x x + b_x + r ⊙ (W_h h + b_h))        h' = u ⊙ h + (1 - u) ⊙ n

    The gated unit is that of Cho et al. 2014 (arXiv 1406.1078, section 2.3). As in ``torch.nn.GRU``, the
    reset gate acts after the product with W_h and not before it.

    Args:
        x: (B, D), the input of this step.
        state: (B, H), the state h after the step before.
        W_x: (3H, D), the rows of r, u and n in this order.
        W_h: (3H, H), likewise.
        b_x: (3H,), likewise.
        b_h: (3H,), likewise.

    Returns:
        (B, H), the new state.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: the shapes do not fit.
    """
    check_shapes(
        W_x=(W_x, "(3H, D)"),
        W_h=(W_h, "(3H, H)"),
        b_x=(b_x, "(3H,)"),
        b_h=(b_h, "(3H,)"),
        x=(x, "(B, D)"),
        state=(state, "(B, H)"),
    )
    _check_gates(3, W_x, state)
    r_x, u_x, n_x = (x @ W_x.T + b_x).chunk(3, dim=1)
    r_h, u_h, n_h = (state @ W_h.T + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(r_x + r_h), torch.sigmoid(u_x + u_h)
    n = torch.tanh(n_x + r * n_h)
    return u * state + (1 - u) * n


def gradient_by_distance(rnn: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Measure how much of a gradient at the last state reaches the input of each earlier step.

    The gradient of Σ h^T (the sum of the entries of the last state) with respect to x^t is a product of T - t
    Jacobians (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063, section 1.1, equation 5), and of the one that
    leads from x^t into its state.

    Args:
        rnn: maps inputs (B, T, D) to the states (B, T, H) of all steps. State t depends on inputs up to t.
            On a GPU a layer of ``torch.nn`` must be in training mode, or cuDNN gives no gradient.
        x: (B, T, D). It is left as it is, ``requires_grad`` too.

    Returns:
        (T,), without a gradient of its own. Entry k is the Euclidean norm of the gradient with respect to the
        input k steps before the last, averaged over the batch: entry 0 belongs to the last input.

    Raises:
        TypeError: ``x`` is not a tensor, or ``rnn`` does not return one.
        ValueError: ``x`` or the states do not have three axes, or they differ in B or T.
    """
    check_shapes(x=(x, "(B, T, D)"))
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        states = rnn(leaf)
        check_tensor("what rnn returns", states)
        check_shapes(x=(leaf, "(B, T, D)"), states=(states, "(B, T, H)"))
        (gradient,) = torch.autograd.grad(states[:, -1].sum(), leaf)
    # In float64: the squares of what has vanished, or exploded, leave float32 long before it does itself.
    sizes = torch.linalg.vector_norm(gradient, dim=2, dtype=torch.float64)
    return sizes.mean(dim=0).flip(0).to(x.dtype)


def _check_gates(gates: int, W_x: Tensor, state: Tensor) -> None:
    """Raise ValueError unless the weights hold the rows of so many gates."""
    if W_x.shape[0] != gates * state.shape[1]:
        raise ValueError(
            f"W_x must have {gates}H = {gates * state.shape[1]} rows, {gates} for each unit of the state, "
            f"but its shape is {tuple(W_x.shape)}."
        )
