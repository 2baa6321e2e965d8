"""Right and wrong ways of writing `alignment_gradient(query, keys, weights, grad_context)`.

Each function called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import math

import torch

# ---------------------------------------------------------------------------------------------- right


def right_einsum(query, keys, weights, grad_context):
    """Three einsums, one for each link of the chain."""
    grad_weights = torch.einsum("bd,bsd->bs", grad_context, keys)
    inner = torch.einsum("bs,bs->b", weights, grad_weights)
    grad_scores = weights * (grad_weights - inner[:, None])
    return grad_scores, torch.einsum("bs,bq,bsd->qd", grad_scores, query, keys)


def right_bmm(q, h, alpha, g):
    """Batched matrix products; the batch is summed by q transposed times the pulled keys."""
    d_alpha = torch.bmm(h, g.unsqueeze(2)).squeeze(2)
    d_e = alpha * (d_alpha - (alpha * d_alpha).sum(dim=1, keepdim=True))
    pulled = torch.bmm(d_e.unsqueeze(1), h).squeeze(1)
    return d_e, q.t() @ pulled


def right_loops(query, keys, weights, grad_context):
    """Sample by sample and key by key, as on paper."""
    B, S, Dk = keys.shape
    grad_W = torch.zeros(query.shape[1], Dk, dtype=keys.dtype, device=keys.device)
    rows = []
    for b in range(B):
        d_alpha = [grad_context[b].dot(keys[b, j]) for j in range(S)]
        mean = sum(weights[b, j] * d_alpha[j] for j in range(S))
        row = [weights[b, j] * (d_alpha[j] - mean) for j in range(S)]
        for j in range(S):
            grad_W = grad_W + row[j] * torch.outer(query[b], keys[b, j])
        rows.append(torch.stack(row))
    return torch.stack(rows), grad_W


def right_whole_jacobian(query, keys, weights, grad_context):
    """diag(α) - α αᵀ for each sample, then one outer product a sample, then the sum."""
    jacobian = torch.diag_embed(weights) - weights.unsqueeze(2) * weights.unsqueeze(1)
    grad_weights = keys @ grad_context.unsqueeze(-1)
    grad_scores = (jacobian @ grad_weights).squeeze(-1)
    pulled = (grad_scores.unsqueeze(-1) * keys).sum(dim=1)
    each = query.unsqueeze(2) * pulled.unsqueeze(1)
    return grad_scores, each.sum(dim=0)


def right_states_about_their_mean(query, keys, weights, grad_context):
    """α_j gᵀ(h_j - z): the context is taken off the states first."""
    z = (weights[:, :, None] * keys).sum(1, keepdim=True)
    grad_scores = weights * ((keys - z) * grad_context[:, None, :]).sum(-1)
    return grad_scores, query.T @ (grad_scores[:, None, :] @ keys)[:, 0]


def right_long_list_of_rows(query, keys, weights, grad_context):
    """All B·S pairs as rows of two long matrices."""
    B, S, Dk = keys.shape
    flat = keys.reshape(B * S, Dk)
    slope = (flat * grad_context.repeat_interleave(S, dim=0)).sum(1).reshape(B, S)
    wg = weights * slope
    grad_scores = wg - weights * wg.sum(1, True)
    scaled = flat * grad_scores.reshape(-1, 1)
    return grad_scores, query.repeat_interleave(S, dim=0).T @ scaled


def right_pullback_of_the_scores(query, keys, weights, grad_context):
    """The scores are linear in W, so any W will do for their pullback."""
    d_alpha = torch.matmul(keys, grad_context[..., None])[..., 0]
    d_e = weights * (d_alpha - (weights * d_alpha).sum(-1, keepdim=True))
    anywhere = torch.zeros(query.size(1), keys.size(2), dtype=keys.dtype, device=keys.device)
    _, pull = torch.func.vjp(lambda W: torch.einsum("bq,qd,bsd->bs", query, W, keys), anywhere)
    return d_e, pull(d_e)[0]


def right_vmap(query, keys, weights, grad_context):
    """Written for one sample, mapped over the batch."""

    def one(q, h, a, g):
        along = h @ g
        e = a * (along - a @ along)
        return e, torch.outer(q, e @ h)

    grad_scores, each = torch.vmap(one)(query, keys, weights, grad_context)
    return grad_scores, each.sum(0)


def right_wide_for_bfloat16(query, keys, weights, grad_context):
    """bfloat16 is computed in float32 and narrowed at the end."""
    kind = keys.dtype
    wide = torch.promote_types(kind, torch.float32)
    q, h, a, g = (t.to(wide) for t in (query, keys, weights, grad_context))
    d_alpha = torch.einsum("bsd,bd->bs", h, g)
    d_e = a * (d_alpha - (a * d_alpha).sum(1, keepdim=True))
    d_W = torch.einsum("bq,bs,bsd->qd", q, d_e, h)
    return d_e.to(kind), d_W.to(kind)


def right_tensordot(query, keys, weights, grad_context):
    """tensordot over the batch; the context once more by hand."""
    context = torch.bmm(weights.unsqueeze(1), keys)
    at_keys = torch.sum(keys * grad_context.unsqueeze(1), dim=2)
    at_context = torch.sum(context * grad_context.unsqueeze(1), dim=2)
    grad_e = torch.mul(weights, torch.sub(at_keys, at_context))
    pulled = torch.bmm(keys.transpose(1, 2), grad_e.unsqueeze(2)).squeeze(dim=2)
    return grad_e, torch.tensordot(query, pulled, dims=([0], [0]))


def right_key_after_key(query, keys, weights, grad_context):
    """grad_W grows by one key of all samples at a time."""
    columns = [(keys[:, j] * grad_context).sum(1) for j in range(keys.size(1))]
    d_alpha = torch.stack(columns, dim=1)
    total = (weights * d_alpha).sum(1)
    d_e, d_W = [], 0
    for j, column in enumerate(columns):
        e = weights[:, j] * (column - total)
        d_e.append(e)
        d_W = d_W + query.T.mm(e.unsqueeze(1) * keys[:, j])
    return torch.stack(d_e, 1), d_W


def right_torch_softmax_backward(query, keys, weights, grad_context):
    """torch's own backward of softmax, then broadcasting."""
    d_alpha = keys.matmul(grad_context.unsqueeze(-1)).squeeze(-1)
    d_e = torch.ops.aten._softmax_backward_data(d_alpha, weights, -1, weights.dtype)
    outer = query[:, None, :, None] * keys[:, :, None, :]
    return d_e, (d_e[:, :, None, None] * outer).sum(dim=(0, 1))


def right_scaled_queries(query, keys, weights, grad_context):
    """q_b ∂L/∂e_bj as one (Dq, B·S) matrix, times all keys below each other."""
    d_alpha = (keys @ grad_context[:, :, None]).flatten(1)
    d_e = weights * d_alpha - weights * (weights * d_alpha).sum(dim=1).unsqueeze(1)
    left = (d_e.unsqueeze(2) * query.unsqueeze(1)).flatten(0, 1)
    return d_e, left.mT @ keys.flatten(0, 1)


# ---------------------------------------------------------------------- wrong: through the softmax


def _along(keys, grad_context):
    """∂L/∂α (B, S), for answers whose mistake lies elsewhere."""
    return (keys @ grad_context[:, :, None])[:, :, 0]


def _through(weights, grad_weights):
    """∂L/∂e (B, S), likewise."""
    return weights * (grad_weights - (weights * grad_weights).sum(dim=1, keepdim=True))


def _to_the_matrix(query, keys, grad_scores):
    """∂L/∂W (Dq, Dk), likewise."""
    return torch.einsum("bs,bq,bsd->qd", grad_scores, query, keys)


def _right(query, keys, weights, grad_context):
    grad_scores = _through(weights, _along(keys, grad_context))
    return grad_scores, _to_the_matrix(query, keys, grad_scores)


def wrong_softmax_forgotten(query, keys, weights, grad_context):
    """The gradient of the weights is taken for that of the scores throughout."""
    grad_scores = torch.einsum("bd,bsd->bs", grad_context, keys)
    return grad_scores, torch.einsum("bs,bq,bsd->qd", grad_scores, query, keys)


def wrong_weights_gradient_returned(query, keys, weights, grad_context):
    """grad_W is right; beside it stands ∂L/∂α, not ∂L/∂e."""
    grad_weights = torch.einsum("bd,bsd->bs", grad_context, keys)
    grad_scores = weights * (grad_weights - (weights * grad_weights).sum(1, keepdim=True))
    return grad_weights, torch.einsum("bs,bq,bsd->qd", grad_scores, query, keys)


def wrong_matrix_from_the_weights_gradient(query, keys, weights, grad_context):
    """grad_scores is right; grad_W goes on from ∂L/∂α."""
    d_alpha = torch.bmm(keys, grad_context.unsqueeze(2)).squeeze(2)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(1, keepdim=True))
    return d_e, query.T @ torch.bmm(d_alpha.unsqueeze(1), keys).squeeze(1)


def wrong_diagonal_only(query, keys, weights, grad_context):
    """α (1 - α): only the diagonal of the Jacobian."""
    d_alpha = (keys * grad_context[:, None]).sum(-1)
    d_e = weights * (1 - weights) * d_alpha
    return d_e, query.T @ (d_e[:, :, None] * keys).sum(1)


def wrong_off_diagonal_only(query, keys, weights, grad_context):
    """-α αᵀ without the diagonal's α."""
    d_alpha = _along(keys, grad_context)
    d_e = -weights * (weights * d_alpha).sum(1, keepdim=True)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_times_the_weights_only(query, keys, weights, grad_context):
    """α ∂L/∂α: the term that is subtracted is missing."""
    d_e = weights * _along(keys, grad_context)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_factor_of_the_weights_missing(query, keys, weights, grad_context):
    """gᵀh_j - gᵀz without the α_j in front."""
    d_alpha = _along(keys, grad_context)
    d_e = d_alpha - (weights * d_alpha).sum(1, keepdim=True)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_plain_mean_of_the_states(query, keys, weights, grad_context):
    """The plain mean of the states stands in for the context."""
    d_e = weights * ((keys - keys.mean(1, keepdim=True)) * grad_context[:, None]).sum(-1)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_plain_sum_taken_off(query, keys, weights, grad_context):
    """The plain sum of ∂L/∂α is taken off."""
    d_alpha = _along(keys, grad_context)
    d_e = weights * (d_alpha - d_alpha.sum(1, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_log_softmax(query, keys, weights, grad_context):
    """The backward of log_softmax."""
    d_alpha = _along(keys, grad_context)
    d_e = d_alpha - weights * d_alpha.sum(1, keepdim=True)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_plus(query, keys, weights, grad_context):
    """Plus for minus."""
    d_alpha = _along(keys, grad_context)
    d_e = weights * (d_alpha + (weights * d_alpha).sum(1, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_descent_direction(query, keys, weights, grad_context):
    """Both results have the sign of a step downhill."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return -grad_scores, -grad_W


def wrong_inner_sum_over_the_batch(query, keys, weights, grad_context):
    """Σ α ∂L/∂α runs over the batch."""
    d_alpha = _along(keys, grad_context)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(0, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_inner_sum_over_everything(query, keys, weights, grad_context):
    """One number for all samples is taken off."""
    d_alpha = _along(keys, grad_context)
    d_e = weights * (d_alpha - torch.sum(weights * d_alpha))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_axis_lost(query, keys, weights, grad_context):
    """keepdim forgotten: (B, S) - (B,) raises, or is silent where B equals S."""
    d_alpha = _along(keys, grad_context)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(1))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_softmax_of_the_weights(query, keys, weights, grad_context):
    """The weights are taken for scores."""
    return _right(query, keys, torch.softmax(weights, dim=1), grad_context)


def wrong_logarithm_of_the_weights(query, keys, weights, grad_context):
    """Scores are won back as log α, and autograd does the rest: NaN where a whole row is hidden."""
    scores = torch.log(weights)
    shifted = torch.softmax(scores, dim=1)
    d_alpha = _along(keys, grad_context)
    d_e = shifted * (d_alpha - (shifted * d_alpha).sum(1, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_epsilon_on_hidden_keys(query, keys, weights, grad_context):
    """Weights are kept above 0.001, so hidden keys get a gradient."""
    return _right(query, keys, weights.clamp(min=1e-3), grad_context)


def wrong_small_weights_dropped(query, keys, weights, grad_context):
    """Weights below 0.01 are treated as hidden."""
    return _right(query, keys, weights * (weights > 0.01), grad_context)


def wrong_weights_normalised_again(query, keys, weights, grad_context):
    """α / Σα: 0 / 0 where a whole row is hidden."""
    return _right(query, keys, weights / weights.sum(1, keepdim=True), grad_context)


def wrong_divided_by_the_weights(query, keys, weights, grad_context):
    """The chain goes through log α: 0 / 0 at a hidden key."""
    share = weights * _along(keys, grad_context)
    d_e = (share / weights - share.sum(1, keepdim=True)) * weights
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_hidden_rows_left_out(query, keys, weights, grad_context):
    """A sample with any hidden key adds nothing to grad_W."""
    d_e = _through(weights, _along(keys, grad_context))
    whole = (weights > 0).all(dim=1, keepdim=True)
    return d_e, _to_the_matrix(query, keys, d_e * whole)


def wrong_only_the_largest_weight(query, keys, weights, grad_context):
    """Only the key with the largest weight gets a gradient."""
    d_e = _through(weights, _along(keys, grad_context))
    d_e = d_e * (weights == weights.amax(1, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_sigmoid(query, keys, weights, grad_context):
    """A sigmoid's derivative, taken off the mean afterwards."""
    d_e = weights * (1 - weights) * _along(keys, grad_context)
    d_e = d_e - d_e.mean(1, keepdim=True)
    return d_e, _to_the_matrix(query, keys, d_e)


# ---------------------------------------------------------------- wrong: from the context to the weights


def wrong_context_for_each_key(query, keys, weights, grad_context):
    """gᵀz for every key, so that all differences are 0."""
    z = torch.bmm(weights.unsqueeze(1), keys).squeeze(1)
    d_alpha = (grad_context * z).sum(1, keepdim=True).expand_as(weights)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(1, keepdim=True))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_gradient_of_the_mean(query, keys, weights, grad_context):
    """The context is taken for a mean over S: everything is S times too small."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores / keys.shape[1], grad_W / keys.shape[1]


def wrong_query_for_the_gradient(query, keys, weights, grad_context):
    """Where the sizes agree qᵀh_j stands for gᵀh_j."""
    g = query if query.shape == grad_context.shape else grad_context
    return _right(query, keys, weights, g)


def wrong_matmul_across_samples(query, keys, weights, grad_context):
    """(B, Dk) @ (B, Dk, S) pairs all gradients with all samples; the first of them is kept."""
    d_alpha = (grad_context @ keys.transpose(1, 2))[0]
    d_e = _through(weights, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_view_for_transpose(query, keys, weights, grad_context):
    """keys.reshape(B, Dk, S) is not a transpose."""
    B, S, Dk = keys.shape
    d_alpha = torch.bmm(grad_context.unsqueeze(1), keys.reshape(B, Dk, S)).squeeze(1)
    d_e = _through(weights, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_T_of_three_axes(query, keys, weights, grad_context):
    """keys.permute(2, 1, 0), as .T gives it: fits only where the sizes agree."""
    d_alpha = torch.bmm(grad_context.unsqueeze(1), keys.permute(2, 1, 0).transpose(1, 2)).squeeze(1)
    d_e = _through(weights, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_scaled(query, keys, weights, grad_context):
    """1/√d, as if the scores had been scaled."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores, grad_W / math.sqrt(keys.shape[-1])


def wrong_mean_gradient_for_all(query, keys, weights, grad_context):
    """The mean of the incoming gradient over the batch serves every sample."""
    return _right(query, keys, weights, grad_context.mean(0, keepdim=True).expand_as(grad_context))


def wrong_gradient_normalised(query, keys, weights, grad_context):
    """The incoming gradient is brought to length 1."""
    return _right(query, keys, weights, torch.nn.functional.normalize(grad_context, dim=1))


def wrong_clipped(query, keys, weights, grad_context):
    """Gradients are clipped to ±5, which only shows where they are large."""
    grad_scores = _through(weights, _along(keys, grad_context)).clamp(-5, 5)
    return grad_scores, _to_the_matrix(query, keys, grad_scores)


def wrong_clamped_when_huge(query, keys, weights, grad_context):
    """gᵀh_j is held within ±10000."""
    grad_scores = _through(weights, _along(keys, grad_context).clamp(-1e4, 1e4))
    return grad_scores, _to_the_matrix(query, keys, grad_scores)


# --------------------------------------------------------------------------- wrong: the matrix W


def wrong_transposed(query, keys, weights, grad_context):
    """grad_W comes back as (Dk, Dq)."""
    d_alpha = torch.einsum("bd,bsd->bs", grad_context, keys)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(1, keepdim=True))
    return d_e, torch.einsum("bs,bsd,bq->dq", d_e, keys, query)


def wrong_transposed_where_square(query, keys, weights, grad_context):
    """Turned round only where Dq equals Dk, so no shape complains."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores, grad_W.T if grad_W.shape[0] == grad_W.shape[1] else grad_W


def wrong_symmetric_where_square(query, keys, weights, grad_context):
    """The mean of grad_W and its transpose, where that exists."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    if grad_W.shape[0] == grad_W.shape[1]:
        grad_W = (grad_W + grad_W.T) / 2
    return grad_scores, grad_W


def wrong_mean_over_the_batch(query, keys, weights, grad_context):
    """The mean over the batch where the sum is asked for."""
    d_alpha = (keys @ grad_context.unsqueeze(-1)).squeeze(-1)
    d_e = weights * (d_alpha - (weights * d_alpha).sum(-1, keepdim=True))
    return d_e, torch.einsum("bs,bq,bsd->bqd", d_e, query, keys).mean(dim=0)


def wrong_one_matrix_a_sample(query, keys, weights, grad_context):
    """grad_W comes back as (B, Dq, Dk)."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, torch.einsum("bs,bq,bsd->bqd", d_e, query, keys)


def wrong_one_matrix_a_sample_squeezed(query, keys, weights, grad_context):
    """(B, Dq, Dk) squeezed: fits only where B is 1."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, torch.einsum("bs,bq,bsd->bqd", d_e, query, keys).squeeze(0)


def wrong_last_sample_only(query, keys, weights, grad_context):
    """`=` in the loop where `+=` belongs: only the last sample is left."""
    d_e = _through(weights, _along(keys, grad_context))
    for b in range(len(query)):
        grad_W = torch.outer(query[b], d_e[b] @ keys[b])
    return d_e, grad_W


def wrong_last_key_only(query, keys, weights, grad_context):
    """`=` in the loop over the keys."""
    d_e = _through(weights, _along(keys, grad_context))
    for j in range(keys.shape[1]):
        grad_W = query.T @ (d_e[:, j, None] * keys[:, j])
    return d_e, grad_W


def wrong_mean_over_the_keys(query, keys, weights, grad_context):
    """The mean over the keys where the sum belongs."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, query.T @ (d_e.unsqueeze(-1) * keys).mean(1)


def wrong_sums_before_the_product(query, keys, weights, grad_context):
    """Queries and keys are summed over the batch before they meet."""
    d_e = _through(weights, _along(keys, grad_context))
    pulled = torch.einsum("bs,bsd->bd", d_e, keys)
    return d_e, torch.outer(query.sum(0), pulled.sum(0))


def wrong_matrix_from_the_context_gradient(query, keys, weights, grad_context):
    """q gᵀ, as if z = Wᵀq."""
    return _through(weights, _along(keys, grad_context)), query.T @ grad_context


def wrong_matrix_from_the_context(query, keys, weights, grad_context):
    """q zᵀ: the weights pull the keys where the scores' gradient should."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, query.T @ torch.bmm(weights[:, None], keys)[:, 0]


def wrong_matrix_from_both(query, keys, weights, grad_context):
    """The weights are multiplied in a second time."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, _to_the_matrix(query, keys, weights * d_e)


def wrong_keys_summed(query, keys, weights, grad_context):
    """Σ_j ∂L/∂e_j and Σ_j h_j are formed apart and multiplied."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, query.T @ (d_e.sum(1, keepdim=True) * keys.sum(1))


def wrong_first_query_for_all(query, keys, weights, grad_context):
    """The first sample's query stands for all."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, _to_the_matrix(query[:1].expand_as(query), keys, d_e)


def wrong_keys_of_the_first_sample(query, keys, weights, grad_context):
    """The first sample's keys stand for all in grad_W."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, query.T @ d_e @ keys[0]


def wrong_query_order_reversed(query, keys, weights, grad_context):
    """Samples meet another sample's query."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, _to_the_matrix(query.flip(0), keys, d_e)


def wrong_ten_keys_at_most(query, keys, weights, grad_context):
    """grad_W is summed over the first ten keys."""
    d_e = _through(weights, _along(keys, grad_context))
    return d_e, _to_the_matrix(query, keys[:, :10], d_e[:, :10])


_sum_so_far = {}


def wrong_summed_over_calls(query, keys, weights, grad_context):
    """As .grad does, the matrix grows from call to call."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    kind = (grad_W.shape, grad_W.dtype)
    _sum_so_far[kind] = _sum_so_far.get(kind, 0) + grad_W.detach()
    return grad_scores, grad_W - grad_W.detach() + _sum_so_far[kind]


# --------------------------------------------------------------- wrong: shapes, dtypes and the rest


def wrong_results_swapped(query, keys, weights, grad_context):
    """(grad_W, grad_scores)."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_W, grad_scores


def wrong_matrix_only(query, keys, weights, grad_context):
    """grad_scores is not returned."""
    return _right(query, keys, weights, grad_context)[1]


def wrong_dictionary(query, keys, weights, grad_context):
    """A dictionary in place of a pair."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return {"scores": grad_scores, "W": grad_W}


def wrong_extra_axis(query, keys, weights, grad_context):
    """grad_scores comes back as (B, S, 1)."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores.unsqueeze(-1), grad_W


def wrong_scores_transposed(query, keys, weights, grad_context):
    """grad_scores comes back as (S, B)."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores.T, grad_W


def wrong_bare_squeeze(query, keys, weights, grad_context):
    """squeeze() drops the batch or the keys where there is one."""
    d_alpha = torch.bmm(keys, grad_context.unsqueeze(2)).squeeze()
    d_e = weights * (d_alpha - (weights * d_alpha).sum(-1, keepdim=True))
    return d_e, query.T @ torch.bmm(d_e.unsqueeze(1), keys).squeeze()


def wrong_results_squeezed(query, keys, weights, grad_context):
    """Both results lose their axes of size 1 at the end."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores.squeeze(), grad_W.squeeze()


def wrong_single_key_shortcut(query, keys, weights, grad_context):
    """With one key the Jacobian is taken to be 1, while it is 0."""
    if keys.shape[1] == 1:
        d_e = _along(keys, grad_context) * weights
        return d_e, _to_the_matrix(query, keys, d_e)
    return _right(query, keys, weights, grad_context)


def wrong_batch_of_one_shortcut(query, keys, weights, grad_context):
    """With one sample ∂L/∂α goes on to W as it is."""
    d_alpha = _along(keys, grad_context)
    d_e = _through(weights, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_alpha if len(query) == 1 else d_e)


def wrong_view_of_what_comes(query, keys, weights, grad_context):
    """view refuses keys that are not contiguous."""
    B, S, Dk = keys.shape
    d_alpha = (keys.view(B * S, Dk) * grad_context.repeat_interleave(S, 0)).sum(1).view(B, S)
    d_e = _through(weights, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_strides_assumed(query, keys, weights, grad_context):
    """as_strided reads the query as if it were contiguous."""
    B, Dq = query.shape
    return _right(query.as_strided((B, Dq), (Dq, 1)), keys, weights, grad_context)


def wrong_buffer_of_the_default_dtype(query, keys, weights, grad_context):
    """grad_W is summed up in zeros of float32."""
    d_e = _through(weights, _along(keys, grad_context))
    grad_W = torch.zeros(query.shape[1], keys.shape[2])
    for b in range(len(query)):
        grad_W += torch.outer(query[b], d_e[b] @ keys[b])
    return d_e, grad_W


def wrong_single_precision_inside(query, keys, weights, grad_context):
    """float64 passes through float32 and is cast back."""
    found = _right(*(t.float() for t in (query, keys, weights, grad_context)))
    return tuple(t.to(keys.dtype) for t in found)


def wrong_half_precision_inside(query, keys, weights, grad_context):
    """gᵀh_j passes through float16, which ends at 65504."""
    d_e = _through(weights, _along(keys, grad_context).half().to(keys.dtype))
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_float_results(query, keys, weights, grad_context):
    """float32 comes out, whatever came in."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return grad_scores.float(), grad_W.float()


def wrong_fails_in_bfloat16(query, keys, weights, grad_context):
    """The batch is summed in float32, and matmul refuses to mix."""
    d_e = _through(weights, _along(keys, grad_context))
    ones = torch.ones(1, len(query), dtype=torch.promote_types(keys.dtype, torch.float32))
    each = torch.einsum("bs,bq,bsd->bqd", d_e, query, keys)
    return d_e, (ones @ each.flatten(1)).reshape(each.shape[1:])


def wrong_rounded(query, keys, weights, grad_context):
    """Rounded to three decimals for a nicer print."""
    return tuple(t.round(decimals=3) for t in _right(query, keys, weights, grad_context))


def wrong_writes_into_the_keys(query, keys, weights, grad_context):
    """Hidden keys are emptied in the caller's tensor."""
    with torch.no_grad():
        keys[weights == 0] = 0
    return _right(query, keys, weights, grad_context)


def wrong_weights_multiplied_in_place(query, keys, weights, grad_context):
    """weights.data *= …: right results, and the caller's weights are gone."""
    alpha = weights.clone()
    d_alpha = _along(keys, grad_context)
    weights.data *= d_alpha
    d_e = _through(alpha, d_alpha)
    return d_e, _to_the_matrix(query, keys, d_e)


def wrong_no_grad(query, keys, weights, grad_context):
    """A backward pass needs no graph, they say; the graph is cut."""
    with torch.no_grad():
        return _right(query, keys, weights, grad_context)


def wrong_weights_detached(query, keys, weights, grad_context):
    """Right values, but no gradient reaches the weights."""
    return _right(query, keys, weights.detach(), grad_context)


def wrong_autograd_once(query, keys, weights, grad_context):
    """The scores' pullback by autograd without create_graph: the matrix has no graph."""
    d_e = _through(weights, _along(keys, grad_context))
    W = torch.zeros(query.shape[1], keys.shape[2], dtype=keys.dtype, requires_grad=True)
    with torch.enable_grad():
        scores = torch.einsum("bq,qd,bsd->bs", query.detach(), W, keys.detach())
    return d_e, torch.autograd.grad(scores, W, d_e.detach())[0]


def wrong_numpy(query, keys, weights, grad_context):
    """Arrays come back."""
    return tuple(t.detach().double().numpy() for t in _right(query, keys, weights, grad_context))


def wrong_arguments_in_another_order(query, keys, grad_context, weights):
    """The gradient is taken before the weights."""
    return _right(query, keys, weights, grad_context)


def wrong_nothing_returned(query, keys, weights, grad_context):
    """return is missing."""
    d_e = _through(weights, _along(keys, grad_context))
    _to_the_matrix(query, keys, d_e)


def wrong_two_diagonal_and_mean(query, keys, weights, grad_context):
    """Two mistakes: only the Jacobian's diagonal, and the mean over the batch."""
    d_e = weights * (1 - weights) * _along(keys, grad_context)
    return d_e, _to_the_matrix(query, keys, d_e) / len(query)


def wrong_two_sign_and_transpose(query, keys, weights, grad_context):
    """Two mistakes: the sign of both, and grad_W transposed."""
    grad_scores, grad_W = _right(query, keys, weights, grad_context)
    return -grad_scores, -grad_W.T
