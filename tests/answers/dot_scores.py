"""Student answers to dot_scores(queries (B, T, D), keys (B, S, D)) -> (B, T, S), right and wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_matmul_transpose(queries, keys):
    """queries @ keys transposed in its last two axes."""
    return queries @ keys.transpose(1, 2)


def right_bmm_permute(q, k):
    """bmm and permute."""
    return torch.bmm(q, k.permute(0, 2, 1))


def right_einsum(s, h):
    """einsum over the features."""
    return torch.einsum("btd,bsd->bts", s, h)


def right_mT(queries, keys):
    """matmul with .mT."""
    return torch.matmul(queries, keys.mT)


def right_broadcast_and_sum(queries, keys):
    """All pairs written out, multiplied and summed."""
    return (queries[:, :, None, :] * keys[:, None, :, :]).sum(-1)


def right_loops(queries, keys):
    """torch.dot for each pair."""
    return torch.stack(
        [
            torch.stack([torch.stack([torch.dot(s, h) for h in hs]) for s in ss])
            for ss, hs in zip(queries, keys, strict=True)
        ]
    )


def right_loop_over_features(queries, keys):
    """Outer products of one feature after the other; bfloat16 is summed in float32."""
    wide = torch.promote_types(queries.dtype, torch.float32)
    q, k = queries.to(wide), keys.to(wide)
    total = torch.zeros(q.shape[0], q.shape[1], k.shape[1], dtype=wide, device=q.device)
    for d in range(q.shape[2]):
        total = total + q[:, :, d].unsqueeze(2) * k[:, :, d].unsqueeze(1)
    return total.to(queries.dtype)


def right_loop_over_queries(queries, keys):
    """One decoder state at a time against all encoder states."""
    rows = []
    for t in range(queries.size(1)):
        rows.append((keys @ queries[:, t].unsqueeze(-1)).squeeze(-1))
    return torch.stack(rows, dim=1)


def right_loop_over_samples_linear(queries, keys):
    """F.linear with a sample's keys as the weight."""
    return torch.stack([F.linear(q, k) for q, k in zip(queries, keys, strict=True)], dim=0)


def right_keys_first(queries, keys):
    """keys times queries^T, transposed at the end."""
    return (keys @ queries.transpose(-2, -1)).transpose(-2, -1)


def right_vmap(queries, keys):
    """vmap over the batch."""
    return torch.vmap(lambda q, k: q @ k.T)(queries, keys)


def right_vmap_of_dot(queries, keys):
    """torch.dot under three vmaps."""
    over_keys = torch.vmap(torch.dot, in_dims=(None, 0))
    over_queries = torch.vmap(over_keys, in_dims=(0, None))
    return torch.vmap(over_queries)(queries, keys)


def right_baddbmm(queries, keys):
    """baddbmm with beta 0."""
    out = queries.new_zeros(queries.shape[0], queries.shape[1], keys.shape[1])
    return torch.baddbmm(out, queries, keys.transpose(2, 1), beta=0)


def right_filled_buffer(queries, keys):
    """A buffer of its own, filled column by column."""
    scores = torch.empty(queries.size(0), queries.size(1), keys.size(1), dtype=keys.dtype, device=keys.device)
    for j in range(keys.size(1)):
        scores[..., j] = (queries * keys[:, j].unsqueeze(1)).sum(dim=2)
    return scores


def right_blocks_of_a_large_product(queries, keys):
    """One product of all queries with all keys, of which the diagonal blocks are kept."""
    B, T, D = queries.shape
    S = keys.shape[1]
    everything = (queries.reshape(B * T, D) @ keys.reshape(B * S, D).T).reshape(B, T, B, S)
    return torch.stack([everything[b, :, b] for b in range(B)])


class _Dot(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return q @ k.mT

    @staticmethod
    def backward(ctx, grad):
        q, k = ctx.saved_tensors
        return grad @ k, grad.mT @ q


def right_autograd_function(queries, keys):
    """A torch.autograd.Function with its own backward."""
    return _Dot.apply(queries, keys)


def right_float32_inside_for_bfloat16(queries, keys):
    """bfloat16 goes through float32, the rest as it is."""
    if queries.dtype == torch.bfloat16:
        return torch.einsum("btd,bsd->bts", queries.float(), keys.float()).bfloat16()
    return torch.einsum("btd,bsd->bts", queries, keys)


def right_four_axes(queries, keys):
    """A row times a column for each pair, axes of size 1 removed by their numbers."""
    product = queries[:, :, None, None, :] @ keys[:, None, :, :, None]
    return product.squeeze(-1).squeeze(-1)


# Wrong


def wrong_scaled(queries, keys):
    """Scaled by the root of D."""
    return queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])


def wrong_scaled_by_size(queries, keys):
    """Divided by D: a mean instead of a sum."""
    return (queries.unsqueeze(2) * keys.unsqueeze(1)).mean(-1)


def wrong_scaled_by_length(queries, keys):
    """Divided by the root of S."""
    return queries @ keys.transpose(1, 2) / keys.shape[1] ** 0.5


def wrong_cosine(queries, keys):
    """Cosines: both sides are normalised."""
    return F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)


def wrong_keys_normalised(queries, keys):
    """The keys are brought to length 1."""
    return queries @ F.normalize(keys, dim=-1).transpose(1, 2)


def wrong_negative_distance(queries, keys):
    """Minus the squared distance instead of the product."""
    return -(queries.unsqueeze(2) - keys.unsqueeze(1)).pow(2).sum(-1)


def wrong_sum_instead_of_product(queries, keys):
    """Entries are added instead of multiplied."""
    return (queries.unsqueeze(2) + keys.unsqueeze(1)).sum(-1)


def wrong_absolute(queries, keys):
    """The absolute value of the product."""
    return (queries @ keys.transpose(1, 2)).abs()


def wrong_tanh(queries, keys):
    """tanh of the score."""
    return torch.tanh(queries @ keys.transpose(1, 2))


def wrong_relu(queries, keys):
    """Negative scores are cut off."""
    return F.relu(queries @ keys.transpose(1, 2))


def wrong_softmax_taken(queries, keys):
    """Returns weights."""
    return torch.softmax(queries @ keys.transpose(1, 2), dim=-1)


def wrong_transposed_out(queries, keys):
    """(B, S, T) comes out."""
    return keys @ queries.transpose(1, 2)


def wrong_transposed_out_reshaped(queries, keys):
    """(B, S, T), reshaped to (B, T, S): scrambled."""
    return (keys @ queries.transpose(1, 2)).reshape(queries.shape[0], queries.shape[1], keys.shape[1])


def wrong_keys_reshaped(queries, keys):
    """reshape where a transpose is needed."""
    B, S, D = keys.shape
    return queries @ keys.reshape(B, D, S)


def wrong_keys_viewed(queries, keys):
    """view where a transpose is needed."""
    return torch.bmm(queries, keys.view(keys.shape[0], keys.shape[2], keys.shape[1]))


def wrong_no_transpose_when_square(queries, keys):
    """Without the transpose where S equals D."""
    if keys.shape[1] == keys.shape[2]:
        return queries @ keys
    return queries @ keys.transpose(1, 2)


def wrong_no_transpose(queries, keys):
    """queries @ keys: raises unless S equals D."""
    return torch.bmm(queries, keys)


def wrong_all_axes_reversed(queries, keys):
    """permute(2, 1, 0), what .T does to three axes."""
    return torch.matmul(queries, keys.permute(2, 1, 0).reshape(keys.shape[0], keys.shape[2], keys.shape[1]))


def wrong_batch_first_forgotten(queries, keys):
    """Takes both for (time, batch, size)."""
    q, k = queries.transpose(0, 1), keys.transpose(0, 1)
    return q @ k.transpose(1, 2)


def wrong_first_sample_for_all(queries, keys):
    """All samples meet the keys of the first."""
    return queries @ keys[0].T


def wrong_samples_summed(queries, keys):
    """The batch letter of the keys differs, so that einsum sums over samples."""
    return torch.einsum("btd,csd->bts", queries, keys)


def wrong_batch_flipped(queries, keys):
    """Keys left in another order than the queries."""
    return queries @ keys.flip(0).transpose(1, 2)


def wrong_query_off_by_one(queries, keys):
    """Row i has the query of step i - 1, rolled around."""
    return queries.roll(1, 1) @ keys.transpose(1, 2)


def wrong_last_query_for_all(queries, keys):
    """The last decoder state is used for every step."""
    return (queries[:, -1:] @ keys.transpose(1, 2)).expand(-1, queries.shape[1], -1)


def wrong_keys_with_keys(queries, keys):
    """Scores of the keys among themselves, cut to T rows or filled with zeros."""
    scores = keys @ keys.transpose(1, 2)
    return F.pad(scores, (0, 0, 0, max(0, queries.shape[1] - keys.shape[1])))[:, : queries.shape[1]]


def wrong_query_ignored(queries, keys):
    """The sum of each key, whatever the query is."""
    return keys.sum(-1).unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_elementwise(queries, keys):
    """queries * keys summed: only for T = S, and it pairs step with step."""
    return (queries * keys).sum(-1).unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_not_summed(queries, keys):
    """(B, T, S, D): the sum is missing."""
    return queries.unsqueeze(2) * keys.unsqueeze(1)


def wrong_extra_axis(queries, keys):
    """(B, T, S, 1) comes out."""
    return (queries.unsqueeze(2) * keys.unsqueeze(1)).sum(-1, keepdim=True)


def wrong_squeezed(queries, keys):
    """A bare squeeze loses axes of size 1."""
    return torch.bmm(queries, keys.transpose(1, 2)).squeeze()


def wrong_source_axis_squeezed(queries, keys):
    """squeeze(-1) meant for something else: S = 1 loses its axis."""
    return torch.bmm(queries, keys.transpose(1, 2)).squeeze(-1)


def wrong_batch_of_one_squeezed(queries, keys):
    """B = 1 is turned into a plain matrix."""
    if queries.shape[0] == 1:
        return queries[0] @ keys[0].T
    return queries @ keys.transpose(1, 2)


def wrong_view_needs_contiguous(queries, keys):
    """view raises on queries that are not contiguous."""
    B, T, D = queries.shape
    q = queries.view(B * T, 1, D)
    return torch.bmm(q, keys.repeat_interleave(T, 0).transpose(1, 2)).view(B, T, -1)


def wrong_repeat_for_interleave(queries, keys):
    """Keys are tiled where they should be interleaved: samples are mixed."""
    B, T, D = queries.shape
    return torch.bmm(queries.reshape(B * T, 1, D), keys.repeat(T, 1, 1).mT).reshape(B, T, -1)


def wrong_keys_detached(queries, keys):
    """Right values, no gradient to the keys."""
    return queries @ keys.detach().transpose(1, 2)


def wrong_queries_data(queries, keys):
    """Right values, no gradient to the queries."""
    return queries.data @ keys.transpose(1, 2)


def wrong_no_grad(queries, keys):
    """Everything under no_grad."""
    with torch.no_grad():
        return queries @ keys.transpose(1, 2)


class _Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return q @ k.mT

    @staticmethod
    def backward(ctx, grad):
        q, k = ctx.saved_tensors
        return grad @ k, -(grad.mT @ q)


def wrong_sign_in_backward(queries, keys):
    """Right values, but the keys' gradient has the wrong sign."""
    return _Half.apply(queries, keys)


def wrong_numpy_inside(queries, keys):
    """numpy multiplies, so there is no gradient."""
    q, k = queries.detach().double().numpy(), keys.detach().double().numpy()
    return torch.from_numpy(q @ k.transpose(0, 2, 1)).to(queries.dtype)


def wrong_always_float32(queries, keys):
    """float32 comes out, whatever came in."""
    return queries.float() @ keys.float().transpose(1, 2)


def wrong_float32_buffer(queries, keys):
    """A float32 buffer by default."""
    scores = torch.zeros(queries.shape[0], queries.shape[1], keys.shape[1])
    for j in range(keys.shape[1]):
        scores[:, :, j] = (queries * keys[:, j : j + 1]).sum(-1)
    return scores


def wrong_float64_through_float32(queries, keys):
    """Cast back to the right dtype, but float64 has been through float32."""
    return (queries.float() @ keys.float().mT).to(queries.dtype)


def wrong_everything_in_bfloat16(queries, keys):
    """Computes in bfloat16 and casts back."""
    return (queries.bfloat16() @ keys.bfloat16().mT).to(queries.dtype)


def wrong_clamped(queries, keys):
    """Scores are clamped to 100 so that exp will not overflow."""
    return (queries @ keys.transpose(1, 2)).clamp(-100.0, 100.0)


def wrong_writes_to_queries(queries, keys):
    """The caller's queries are scaled in place and the scores scaled back."""
    queries.data.mul_(0.5)
    return 2 * (queries @ keys.transpose(1, 2))


def wrong_transposes_in_place(queries, keys):
    """transpose_ turns the caller's keys around."""
    return queries @ keys.transpose_(1, 2)


_PAST = {}


def wrong_keys_kept_from_first_call(queries, keys):
    """The keys of the first call with a shape are kept: stale."""
    memory = _PAST.setdefault((tuple(keys.shape), keys.dtype), keys.transpose(1, 2))
    return queries @ memory


def wrong_random_projection(queries, keys):
    """A new layer in each call projects the queries first."""
    layer = nn.Linear(queries.shape[-1], keys.shape[-1], bias=False, dtype=queries.dtype)
    return layer(queries) @ keys.transpose(1, 2)


def wrong_dropout(queries, keys):
    """Dropout on the queries in every call."""
    return F.dropout(queries, 0.1) @ keys.transpose(1, 2)


def wrong_bias(queries, keys):
    """A bias of 1 on each score."""
    return queries @ keys.transpose(1, 2) + 1


def wrong_maximum_taken_off(queries, keys):
    """Each row is shifted by its maximum: good for softmax, but not the score."""
    scores = queries @ keys.transpose(1, 2)
    return scores - scores.amax(-1, keepdim=True)


def wrong_causal_mask(queries, keys):
    """Later keys are hidden, though this is no self-attention."""
    scores = queries @ keys.transpose(1, 2)
    return scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -1e9)


def wrong_padding_guessed(queries, keys):
    """Keys that are all 0 get -1e9."""
    scores = queries @ keys.transpose(1, 2)
    return scores.masked_fill((keys == 0).all(-1).unsqueeze(1), -1e9)


def wrong_last_feature_lost(queries, keys):
    """[:-1] drops the last feature."""
    return queries[..., :-1] @ keys[..., :-1].transpose(1, 2)


def wrong_returns_context(queries, keys):
    """Goes on to the context."""
    return torch.softmax(queries @ keys.transpose(1, 2), -1) @ keys


def wrong_returns_tuple(queries, keys):
    """Scores and weights."""
    scores = queries @ keys.transpose(1, 2)
    return scores, scores.softmax(-1)


def wrong_returns_list(queries, keys):
    """One matrix a sample in a list."""
    return [q @ k.T for q, k in zip(queries, keys, strict=True)]


def wrong_returns_numpy(queries, keys):
    """A numpy array."""
    return (queries @ keys.transpose(1, 2)).detach().float().numpy()


def wrong_returns_none(queries, keys):
    """return is missing."""
    _ = queries @ keys.transpose(1, 2)


def wrong_constant(queries, keys):
    """All ones."""
    return torch.ones(queries.shape[0], queries.shape[1], keys.shape[1], dtype=queries.dtype)


def wrong_sizes_of_the_example(queries, keys):
    """The sizes of one example are written in."""
    return torch.bmm(queries.reshape(2, 3, 4), keys.reshape(2, 5, 4).transpose(1, 2))


def wrong_scaled_and_reshaped(queries, keys):
    """Two mistakes: scaled, and reshaped where a transpose is needed."""
    B, S, D = keys.shape
    return queries @ keys.reshape(B, D, S) / math.sqrt(D)


def wrong_softmax_over_queries(queries, keys):
    """Two mistakes: returns weights, and these over the queries."""
    return torch.softmax(queries @ keys.transpose(1, 2), dim=1)


def wrong_raises_in_the_middle(queries, keys):
    """torch.dot takes vectors only."""
    return torch.dot(queries, keys)
