"""Student answers to context_vector(weights (B, T, S), values (B, S, D)) -> (B, T, D), right and wrong."""

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_matmul(weights, values):
    """weights @ values."""
    return weights @ values


def right_bmm(alpha, h):
    """torch.bmm."""
    return torch.bmm(alpha, h)


def right_einsum(weights, values):
    """einsum over s."""
    return torch.einsum("bts,bsd->btd", weights, values)


def right_broadcast_and_sum(a, h):
    """Each state times its weight, summed over the sources."""
    return (a.unsqueeze(-1) * h.unsqueeze(1)).sum(dim=2)


def right_loops(weights, values):
    """Loops over samples, queries and sources."""
    B, T, S = weights.shape
    batch = []
    for b in range(B):
        contexts = []
        for i in range(T):
            c = torch.zeros_like(values[b, 0])
            for j in range(S):
                c = c + weights[b, i, j] * values[b, j]
            contexts.append(c)
        batch.append(torch.stack(contexts))
    return torch.stack(batch)


def right_running_sum_over_sources(weights, values):
    """One source after the other is added."""
    total = 0
    for j in range(values.size(1)):
        total = total + weights[:, :, j : j + 1] * values[:, j : j + 1, :]
    return total


def right_loop_over_queries(weights, values):
    """One decoder step at a time."""
    steps = [torch.sum(weights[:, i].unsqueeze(-1) * values, dim=1) for i in range(weights.size(1))]
    return torch.stack(steps, dim=1)


def right_loop_over_samples(weights, values):
    """One matrix product for each sample."""
    return torch.stack([a.mm(h) for a, h in zip(weights, values, strict=True)])


def right_transposed_product(weights, values):
    """(h^T a^T)^T."""
    return torch.matmul(values.transpose(1, 2), weights.transpose(1, 2)).transpose(1, 2)


def right_vmap(weights, values):
    """vmap over the batch."""
    return torch.vmap(torch.mm)(weights, values)


def right_linear_by_sample(weights, values):
    """F.linear with the transposed states as its weight."""
    rows = [F.linear(weights[b], values[b].T) for b in range(len(weights))]
    return torch.stack(rows, 0)


def right_baddbmm(weights, values):
    """baddbmm on zeros."""
    start = torch.zeros(weights.shape[0], weights.shape[1], values.shape[2]).to(values)
    return torch.baddbmm(start, weights, values)


def right_float32_inside_for_bfloat16(weights, values):
    """bfloat16 is summed in float32 and cast back."""
    if values.dtype is torch.bfloat16:
        return torch.matmul(weights.float(), values.float()).to(values.dtype)
    return torch.matmul(weights, values)


def right_block_diagonal(weights, values):
    """All samples in one large product with a block-diagonal matrix."""
    B, T, _ = weights.shape
    big = torch.block_diag(*weights.unbind(0))
    return (big @ values.flatten(0, 1)).reshape(B, T, -1)


def right_filled_buffer(weights, values):
    """A buffer of its own, filled row by row."""
    out = values.new_zeros(weights.shape[0], weights.shape[1], values.shape[-1])
    for t in range(weights.shape[1]):
        out[:, t, :] = torch.bmm(weights[:, t, :].unsqueeze(1), values).squeeze(1)
    return out


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, values):
        ctx.save_for_backward(weights, values)
        return weights @ values

    @staticmethod
    def backward(ctx, grad):
        weights, values = ctx.saved_tensors
        return grad @ values.mT, weights.mT @ grad


def right_autograd_function(weights, values):
    """A torch.autograd.Function with its own backward."""
    return _WeightedSum.apply(weights, values)


def right_four_axes(weights, values):
    """A product with axes of size 1, each removed by its number."""
    product = torch.matmul(weights.unsqueeze(2), values.unsqueeze(1))
    return product.squeeze(2)


def right_index_add(weights, values):
    """Every weighted state is added to the row it belongs to."""
    B, T, S = weights.shape
    pieces = torch.einsum("bts,bsd->btsd", weights, values).reshape(B * T * S, -1)
    rows = torch.arange(B * T, device=values.device).repeat_interleave(S)
    out = torch.zeros(B * T, values.shape[-1], dtype=pieces.dtype, device=values.device)
    return out.index_add(0, rows, pieces).reshape(B, T, -1)


# Wrong


def wrong_sum_of_states(weights, values):
    """The plain sum of the states: the weights are ignored."""
    return values.sum(1, keepdim=True).expand(-1, weights.shape[1], -1)


def wrong_mean_of_states(weights, values):
    """The plain mean of the states."""
    return values.mean(dim=1, keepdim=True).repeat(1, weights.shape[1], 1)


def wrong_mean_instead_of_sum(weights, values):
    """The mean over the weighted states, S times too small."""
    return (weights.unsqueeze(-1) * values.unsqueeze(1)).mean(2)


def wrong_max_instead_of_sum(weights, values):
    """The largest weighted entry instead of the sum."""
    return (weights.unsqueeze(-1) * values.unsqueeze(1)).amax(2)


def wrong_state_of_largest_weight(weights, values):
    """Hard attention: takes the state with the largest weight."""
    best = weights.argmax(-1, keepdim=True).expand(-1, -1, values.shape[-1])
    return values.gather(1, best)


def wrong_softmax_again(weights, values):
    """The weights go through a softmax once more."""
    return torch.softmax(weights, dim=-1) @ values


def wrong_renormalised(weights, values):
    """The weights are divided by their sum, which is 0 / 0 for an empty row."""
    return (weights / weights.sum(-1, keepdim=True)) @ values


def wrong_renormalised_with_clamp(weights, values):
    """Divides by the sum of the weights: weights that do not sum to 1 are changed."""
    return (weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)) @ values


def wrong_divided_by_length(weights, values):
    """A division by the root of S."""
    return weights @ values / weights.shape[-1] ** 0.5


def wrong_sum_over_queries(weights, values):
    """Sums the weights over the queries first: every query gets the same context."""
    c = torch.einsum("bts,bsd->bd", weights, values)
    return c.unsqueeze(1).expand(-1, weights.shape[1], -1)


def wrong_sums_over_everything(weights, values):
    """einsum with the sources left apart: s and r are two axes."""
    return torch.einsum("bts,brd->btd", weights, values)


def wrong_batch_mixed(weights, values):
    """einsum without the batch in the values: all samples are added up."""
    return torch.einsum("bts,csd->btd", weights, values)


def wrong_first_sample_for_all(weights, values):
    """The states of the first sample serve all."""
    return weights @ values[0]


def wrong_batch_flipped(weights, values):
    """Sorted by length and never unsorted: rows belong to another sentence."""
    return weights @ values.flip(0)


def wrong_weights_transposed_when_square(weights, values):
    """The weights are transposed where T equals S."""
    if weights.shape[1] == weights.shape[2]:
        weights = weights.transpose(1, 2)
    return weights @ values


def wrong_weights_transposed(weights, values):
    """weights^T @ values: raises unless T equals S."""
    return torch.bmm(weights.transpose(1, 2), values)


def wrong_weights_reshaped(weights, values):
    """The weights are seen as (B, S, T) and turned: scrambled."""
    B, T, S = weights.shape
    return weights.reshape(B, S, T).transpose(1, 2) @ values


def wrong_values_reshaped(weights, values):
    """The states are seen as (B, D, S) and turned: scrambled."""
    B, S, D = values.shape
    return weights @ values.reshape(B, D, S).transpose(1, 2)


def wrong_values_time_first(weights, values):
    """Takes the states for (S, B, D): their memory is read in the wrong order."""
    B, S, D = values.shape
    return weights @ values.reshape(S, B, D).transpose(0, 1)


def wrong_repeat_mixes_samples(weights, values):
    """values.repeat(T, 1, 1) seen as (B, T, S, D): samples are mixed."""
    B, T, S = weights.shape
    spread = values.repeat(T, 1, 1).reshape(B, T, S, -1)
    return (weights.unsqueeze(-1) * spread).sum(2)


def wrong_elementwise_product(weights, values):
    """weights * values: raises, or multiplies what does not belong together."""
    return weights * values


def wrong_sum_over_wrong_axis(weights, values):
    """Sums over the queries instead of the sources: (B, S, D) comes out."""
    return (weights.unsqueeze(-1) * values.unsqueeze(1)).sum(dim=1)


def wrong_not_summed(weights, values):
    """(B, T, S, D): the sum is missing."""
    return weights.unsqueeze(-1) * values.unsqueeze(1)


def wrong_dims_out_swapped(weights, values):
    """(B, D, T) comes out."""
    return torch.einsum("bts,bsd->bdt", weights, values)


def wrong_squeezed(weights, values):
    """A bare squeeze loses axes of size 1."""
    return torch.bmm(weights, values).squeeze()


def wrong_squeezed_query_axis(weights, values):
    """One query a sample: its axis is dropped."""
    return torch.bmm(weights, values).squeeze(1)


def wrong_extra_axis(weights, values):
    """(B, T, 1, D) comes out."""
    return torch.matmul(weights.unsqueeze(2), values.unsqueeze(1))


def wrong_last_query_only(weights, values):
    """The last row of weights is used for all queries."""
    return (weights[:, -1:] @ values).expand(-1, weights.shape[1], -1)


def wrong_query_off_by_one(weights, values):
    """Row i takes the weights of row i - 1."""
    return weights.roll(1, dims=1) @ values


def wrong_last_source_dropped(weights, values):
    """A loop that ends one source early."""
    total = torch.zeros_like(weights[:, :, :1] * values[:, :1])
    for j in range(values.shape[1] - 1):
        total = total + weights[:, :, j : j + 1] * values[:, j : j + 1]
    return total


def wrong_view_needs_contiguous(weights, values):
    """view raises on weights that are not contiguous."""
    B, T, S = weights.shape
    return torch.bmm(weights.view(B * T, 1, S), values.repeat_interleave(T, 0)).view(B, T, -1)


def wrong_weights_detached(weights, values):
    """Right values, no gradient to the weights."""
    return weights.detach() @ values


def wrong_values_without_grad(weights, values):
    """Right values, no gradient to the states."""
    with torch.no_grad():
        memory = values.clone()
    return weights @ memory


def wrong_everything_without_grad(weights, values):
    """The whole sum under no_grad."""
    with torch.no_grad():
        return torch.bmm(weights, values)


class _LazyBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, values):
        ctx.save_for_backward(weights, values)
        return weights @ values

    @staticmethod
    def backward(ctx, grad):
        _, values = ctx.saved_tensors
        return grad @ values.mT, grad.mean(1, keepdim=True).expand_as(values)


def wrong_backward_of_a_mean(weights, values):
    """Right values, but the states' gradient does not know the weights."""
    return _LazyBackward.apply(weights, values)


def wrong_always_float32(weights, values):
    """float32 comes out, whatever came in."""
    return weights.float() @ values.float()


def wrong_float32_buffer(weights, values):
    """A float32 buffer by default."""
    out = torch.zeros(weights.shape[0], weights.shape[1], values.shape[2])
    for b in range(weights.shape[0]):
        out[b] = weights[b] @ values[b]
    return out


def wrong_everything_in_bfloat16(weights, values):
    """Computes in bfloat16 and casts back."""
    return (weights.bfloat16() @ values.bfloat16()).to(values.dtype)


def wrong_float64_through_float32(weights, values):
    """Cast back to the right dtype, but float64 has been through float32."""
    return (weights.float() @ values.float()).to(values.dtype)


def wrong_writes_to_weights(weights, values):
    """Small weights of the caller's tensor are set to 0 in place, for neatness."""
    with torch.no_grad():
        weights[weights < 0.2] = 0.0
    return weights @ values


def wrong_writes_to_values(weights, values):
    """Right context, but states that no query looks at are zeroed in the caller's tensor."""
    unseen = (weights == 0).all(dim=1).unsqueeze(-1)
    values.data.masked_fill_(unseen, 0.0)
    return weights @ values


def wrong_rounds_small_weights(weights, values):
    """Weights under 0.05 are left out."""
    return torch.where(weights < 0.05, 0.0, weights) @ values


def wrong_adds_the_mean_for_empty_rows(weights, values):
    """A row of zeros gets the mean of the states instead of 0."""
    empty = (weights == 0).all(-1, keepdim=True)
    return torch.where(empty, values.mean(1, keepdim=True), weights @ values)


def wrong_raises_for_empty_rows(weights, values):
    """Raises when a row has no weight, as if every row had to sum to 1."""
    sums = weights.sum(-1)
    assert torch.all(sums > 0.5), "weights must sum to 1"
    return weights @ values


def wrong_dropout(weights, values):
    """Dropout on the weights in every call."""
    return F.dropout(weights, 0.1) @ values


def wrong_layer_norm(weights, values):
    """The context is normalised afterwards."""
    context = weights @ values
    return F.layer_norm(context, context.shape[-1:])


def wrong_tanh_of_context(weights, values):
    """tanh of the context, as in Luong's attentional state."""
    return torch.tanh(weights @ values)


def wrong_projected_states(weights, values):
    """A layer of its own, made anew in each call, projects the states first."""
    layer = nn.Linear(values.shape[-1], values.shape[-1], bias=False, dtype=values.dtype)
    return weights @ layer(values)


_STATES = {}


def wrong_states_kept_from_first_call(weights, values):
    """The states of the first call with a shape are kept: stale."""
    memory = _STATES.setdefault((tuple(values.shape), values.dtype), values)
    return weights @ memory


def wrong_clamped(weights, values):
    """The context is clamped to [-100, 100]."""
    return (weights @ values).clamp(-100, 100)


def wrong_adds_the_states(weights, values):
    """A residual connection: the mean of the states is added."""
    return weights @ values + values.mean(1, keepdim=True)


def wrong_returns_tuple(weights, values):
    """The weights come along."""
    return weights @ values, weights


def wrong_returns_weights(weights, values):
    """Returns the weights by mistake."""
    _ = weights @ values
    return weights


def wrong_returns_list(weights, values):
    """One tensor a sample in a list."""
    return [weights[b] @ values[b] for b in range(weights.shape[0])]


def wrong_returns_numpy(weights, values):
    """A numpy array."""
    return (weights @ values).detach().float().numpy()


def wrong_returns_none(weights, values):
    """return is missing."""
    _ = torch.einsum("bts,bsd->btd", weights, values)


def wrong_constant(weights, values):
    """All zeros."""
    return torch.zeros_like(values[:, :1]).expand(-1, weights.shape[1], -1)


def wrong_sizes_of_the_example(weights, values):
    """The sizes of one example are written in."""
    return torch.bmm(weights.reshape(2, 3, 4), values.reshape(2, 4, 5))


def wrong_transposed_and_softmax(weights, values):
    """Two mistakes: softmax once more, over the queries."""
    return weights.softmax(dim=1) @ values


def wrong_mean_and_detached(weights, values):
    """Two mistakes: the mean of the weighted states, and weights without gradient."""
    return (weights.detach().unsqueeze(-1) * values.unsqueeze(1)).mean(2)


def wrong_raises_in_the_middle(weights, values):
    """mm on tensors with three axes raises."""
    return torch.mm(weights, values)
