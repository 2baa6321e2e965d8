"""Student answers to softmax_backward(weights, grad_weights) -> grad_scores, right and wrong."""

import torch

# Right


def right_centred(weights, grad_weights):
    """w (g - sum of w g)."""
    return weights * (grad_weights - (weights * grad_weights).sum(dim=-1, keepdim=True))


def right_two_terms(alpha, g):
    """w g - w sum(w g)."""
    wg = alpha * g
    return wg - alpha * wg.sum(-1, keepdim=True)


def right_jacobian(weights, grad_weights):
    """The Jacobian diag(w) - w w^T, times g."""
    jacobian = torch.diag_embed(weights) - weights.unsqueeze(-1) * weights.unsqueeze(-2)
    return (jacobian @ grad_weights.unsqueeze(-1)).squeeze(-1)


def right_einsum(p, dp):
    """The inner product by einsum."""
    inner = torch.einsum("...s,...s->...", p, dp)
    return p * (dp - inner[..., None])


def right_loops_over_rows(weights, grad_weights):
    """One row at a time, torch.dot and torch.stack."""
    S = weights.shape[-1]
    rows = []
    for w, g in zip(weights.reshape(-1, S), grad_weights.reshape(-1, S), strict=True):
        rows.append(w * (g - torch.dot(w, g)))
    return torch.stack(rows).reshape(weights.shape)


def right_entry_by_entry(weights, grad_weights):
    """The sum over i of g_i w_i (delta_ij - w_j), one j after the other."""
    columns = []
    for j in range(weights.shape[-1]):
        delta = torch.zeros_like(weights)
        delta[..., j] = 1
        columns.append((grad_weights * weights * (delta - weights[..., j : j + 1])).sum(-1))
    return torch.stack(columns, dim=-1)


def right_matmul_row_times_column(weights, grad_weights):
    """The inner product as a row times a column."""
    inner = torch.matmul(weights.unsqueeze(-2), grad_weights.unsqueeze(-1)).squeeze(-1)
    return torch.mul(weights, torch.sub(grad_weights, inner))


def right_float32_inside_for_bfloat16(weights, grad_weights):
    """bfloat16 goes through float32, the rest as it is."""
    w, g = weights, grad_weights
    if weights.dtype == torch.bfloat16:
        w, g = w.float(), g.float()
    return (w * (g - torch.sum(w * g, -1, True))).to(weights.dtype)


def right_vmap(weights, grad_weights):
    """One row as a function, vmap over the rest."""
    S = weights.size(-1)
    rows = torch.vmap(lambda w, g: w * g - w * (w @ g))
    return rows(weights.reshape(-1, S), grad_weights.reshape(-1, S)).reshape(weights.shape)


# Wrong


def wrong_diagonal_only(weights, grad_weights):
    """w (1 - w) g: the sigmoid's derivative, cross terms forgotten."""
    return weights * (1 - weights) * grad_weights


def wrong_elementwise_product(weights, grad_weights):
    """w g only."""
    return weights * grad_weights


def wrong_gradient_passed_on(weights, grad_weights):
    """g goes through as it is."""
    return grad_weights.clone()


def wrong_not_weighted(weights, grad_weights):
    """g - sum(w g) without the factor w."""
    return grad_weights - (weights * grad_weights).sum(-1, keepdim=True)


def wrong_plain_mean_subtracted(weights, grad_weights):
    """The plain mean of g is taken off instead of the weighted one."""
    return weights * (grad_weights - grad_weights.mean(-1, keepdim=True))


def wrong_plain_sum_subtracted(weights, grad_weights):
    """The plain sum of g is taken off."""
    return weights * (grad_weights - grad_weights.sum(-1, keepdim=True))


def wrong_log_softmax_backward(weights, grad_weights):
    """The backward of log_softmax: g - w sum(g)."""
    return grad_weights - weights * grad_weights.sum(-1, keepdim=True)


def wrong_sign(weights, grad_weights):
    """The sign is turned around."""
    return weights * ((weights * grad_weights).sum(-1, keepdim=True) - grad_weights)


def wrong_plus(weights, grad_weights):
    """Plus where minus belongs."""
    return weights * (grad_weights + (weights * grad_weights).sum(-1, keepdim=True))


def wrong_sum_over_first_axis(weights, grad_weights):
    """The inner product runs over dim 0."""
    return weights * (grad_weights - (weights * grad_weights).sum(0, keepdim=True))


def wrong_sum_over_queries(weights, grad_weights):
    """The inner product runs over the axis before the last."""
    axis = -2 if weights.dim() > 1 else -1
    return weights * (grad_weights - (weights * grad_weights).sum(axis, keepdim=True))


def wrong_sum_over_everything(weights, grad_weights):
    """One inner product over all axes."""
    return weights * (grad_weights - (weights * grad_weights).sum())


def wrong_keepdim_missing(weights, grad_weights):
    """The inner product has lost its axis: raises, or is silent where sizes agree."""
    return weights * (grad_weights - (weights * grad_weights).sum(-1))


def wrong_divides_by_weights(weights, grad_weights):
    """Goes through the logarithm: inf times 0 where a weight is 0."""
    log_grad = grad_weights / weights
    return weights * weights * (log_grad - (weights * weights * log_grad).sum(-1, keepdim=True) / weights)


def wrong_softmax_again(weights, grad_weights):
    """Takes the weights for scores and puts them through softmax."""
    w = torch.softmax(weights, dim=-1)
    return w * (grad_weights - (w * grad_weights).sum(-1, keepdim=True))


def wrong_recomputed_from_log(weights, grad_weights):
    """softmax of log w and autograd: NaN for a row of zeros, and no gradient further on."""
    with torch.enable_grad():
        scores = weights.detach().log().requires_grad_()
        out = torch.softmax(scores, -1)
        return torch.autograd.grad(out, scores, grad_weights.detach())[0]


def wrong_log_with_epsilon(weights, grad_weights):
    """softmax of log(w + 0.01): zeros come alive."""
    w = torch.softmax(torch.log(weights + 1e-2), dim=-1)
    return w * (grad_weights - (w * grad_weights).sum(-1, keepdim=True))


def wrong_jacobian_plus_identity(weights, grad_weights):
    """I - w w^T instead of diag(w) - w w^T."""
    eye = torch.eye(weights.shape[-1], dtype=weights.dtype)
    jacobian = eye - weights.unsqueeze(-1) * weights.unsqueeze(-2)
    return (jacobian @ grad_weights.unsqueeze(-1)).squeeze(-1)


def wrong_jacobian_without_diagonal(weights, grad_weights):
    """Only -w w^T."""
    return -weights * (weights * grad_weights).sum(-1, keepdim=True)


def wrong_detached(weights, grad_weights):
    """Right values, but the graph is cut at the incoming gradient."""
    g = grad_weights.detach()
    return weights * (g - (weights * g).sum(-1, keepdim=True))


def wrong_writes_in_place(weights, grad_weights):
    """The incoming gradient is overwritten."""
    with torch.no_grad():
        grad_weights -= (weights * grad_weights).sum(-1, keepdim=True)
    return weights * grad_weights


def wrong_always_float32(weights, grad_weights):
    """float32 comes out, whatever came in."""
    w, g = weights.float(), grad_weights.float()
    return w * (g - (w * g).sum(-1, keepdim=True))


def wrong_clipped(weights, grad_weights):
    """The gradient is clipped to [-1, 1]."""
    return (weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))).clamp(-1, 1)


def wrong_squeezed(weights, grad_weights):
    """A bare squeeze loses axes of size 1."""
    return (weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))).squeeze()


def wrong_returns_jacobian(weights, grad_weights):
    """Returns the Jacobian itself, (..., S, S)."""
    return torch.diag_embed(weights) - weights.unsqueeze(-1) * weights.unsqueeze(-2)


def wrong_view_needs_contiguous(weights, grad_weights):
    """view raises when the gradient is not contiguous."""
    S = weights.shape[-1]
    w, g = weights.view(-1, S), grad_weights.view(-1, S)
    return (w * (g - (w * g).sum(1, keepdim=True))).view(weights.shape)


def wrong_arguments_swapped(weights, grad_weights):
    """Weights and gradient change places."""
    return grad_weights * (weights - (weights * grad_weights).sum(-1, keepdim=True))


def wrong_returns_none(weights, grad_weights):
    """return is missing."""
    _ = weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))


def wrong_sign_and_axis(weights, grad_weights):
    """Two mistakes: the wrong sign, and the inner product over dim 0."""
    return weights * ((weights * grad_weights).sum(0, keepdim=True) - grad_weights)
