"""Student answers to bilinear_scores(queries, keys, W) -> (B, T, S), right and wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_matmul_chain(queries, keys, W):
    """queries @ W @ keys^T."""
    return queries @ W @ keys.transpose(1, 2)


def right_keys_projected(queries, keys, W):
    """The keys are brought to the queries' size, W k, then dot products."""
    return queries @ (keys @ W.T).transpose(1, 2)


def right_single_einsum(s, h, W):
    """The formula as one einsum."""
    return torch.einsum("bti,ij,bsj->bts", s, W, h)


def right_two_einsums(s, h, weight):
    """Project the states, then score."""
    projected = torch.einsum("btq,qk->btk", s, weight)
    return torch.einsum("btk,bsk->bts", projected, h)


def right_linear(queries, keys, W):
    """F.linear(k, W) is W k."""
    return torch.bmm(queries, F.linear(keys, W).permute(0, 2, 1))


def right_bmm_expanded(queries, keys, W):
    """bmm twice, W expanded over the batch."""
    left = torch.bmm(queries, W.unsqueeze(0).expand(queries.size(0), -1, -1))
    return torch.bmm(left, keys.mT)


def right_loops(queries, keys, W):
    """q dot W k for each pair."""
    out = []
    for b in range(queries.shape[0]):
        rows = [torch.stack([q @ (W @ k) for k in keys[b]]) for q in queries[b]]
        out.append(torch.stack(rows))
    return torch.stack(out)


def right_loop_over_samples(queries, keys, W):
    """Two matrix products for each sample."""
    return torch.stack([q.mm(W).mm(k.t()) for q, k in zip(queries, keys, strict=True)])


def right_loop_over_queries(queries, keys, W):
    """One decoder state at a time against keys projected once."""
    memory = torch.matmul(keys, W.t())
    rows = [torch.sum(memory * queries[:, i].unsqueeze(1), dim=-1) for i in range(queries.shape[1])]
    return torch.stack(rows, dim=1)


def right_broadcast_and_sum(queries, keys, W):
    """Project, all pairs by broadcasting, multiply and sum."""
    q = (queries.unsqueeze(-1) * W).sum(dim=-2)
    return (q.unsqueeze(2) * keys.unsqueeze(1)).sum(dim=-1)


def right_f_bilinear_on_pairs(queries, keys, W):
    """F.bilinear on every pair."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    q = queries.unsqueeze(2).expand(B, T, S, -1).reshape(B * T * S, -1)
    k = keys.unsqueeze(1).expand(B, T, S, -1).reshape(B * T * S, -1)
    if q.dtype == torch.bfloat16:
        return F.bilinear(q.float(), k.float(), W.float().unsqueeze(0)).reshape(B, T, S).bfloat16()
    return F.bilinear(q, k, W.unsqueeze(0)).reshape(B, T, S)


def right_nested_vmap(queries, keys, W):
    """One pair as a function, vmap three times."""

    def score(q, k):
        return q @ W @ k

    return torch.vmap(torch.vmap(torch.vmap(score, (None, 0)), (0, None)))(queries, keys)


def right_outer_products(queries, keys, W):
    """The outer product of each pair, weighted with W and summed over both axes."""
    pairs = queries[:, :, None, :, None] * keys[:, None, :, None, :]
    if pairs.dtype == torch.bfloat16:
        pairs = queries.float()[:, :, None, :, None] * keys.float()[:, None, :, None, :]
    return (pairs * W).sum(dim=(-2, -1)).to(queries.dtype)


def right_flat_projection(queries, keys, W):
    """Batch and time flattened for the projection."""
    B, T, Dq = queries.shape
    left = queries.reshape(B * T, Dq).mm(W).reshape(B, T, -1)
    return torch.baddbmm(left.new_zeros(B, T, keys.shape[1]), left, keys.transpose(1, 2))


def right_conv1d(queries, keys, W):
    """The projection as a convolution of width 1."""
    memory = F.conv1d(keys.transpose(1, 2), W.unsqueeze(-1))
    return torch.matmul(queries, memory)


def right_functional_call(queries, keys, W):
    """nn.Linear called with the given weight."""
    layer = nn.Linear(W.shape[1], W.shape[0], bias=False, device="meta")
    projected = torch.func.functional_call(layer, {"weight": W}, (keys,))
    return torch.einsum("btd,bsd->bts", queries, projected)


def right_keys_first(queries, keys, W):
    """k W^T q^T for each sample, transposed at the end."""
    scores = torch.matmul(torch.matmul(keys, W.t()), queries.transpose(1, 2))
    return scores.transpose(1, 2)


class _Bilinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, W):
        ctx.save_for_backward(q, k, W)
        return q @ W @ k.mT

    @staticmethod
    def backward(ctx, grad):
        q, k, W = ctx.saved_tensors
        return grad @ (k @ W.T), grad.mT @ (q @ W), torch.einsum("bts,bti,bsj->ij", grad, q, k)


def right_autograd_function(queries, keys, W):
    """A torch.autograd.Function with its own backward."""
    return _Bilinear.apply(queries, keys, W)


def right_float32_inside_for_bfloat16(queries, keys, W):
    """bfloat16 goes through float32, the rest as it is."""
    dtype = queries.dtype
    if dtype == torch.bfloat16:
        queries, keys, W = queries.float(), keys.float(), W.float()
    return torch.matmul(torch.matmul(queries, W), keys.transpose(-1, -2)).to(dtype)


# Wrong


def wrong_w_ignored_when_square(queries, keys, W):
    """A plain dot product where the sizes agree: W is not used."""
    if queries.shape[-1] == keys.shape[-1]:
        return queries @ keys.transpose(1, 2)
    return queries @ W @ keys.transpose(1, 2)


def wrong_transposed_when_square(queries, keys, W):
    """W transposed where it is square."""
    if W.shape[0] == W.shape[1]:
        W = W.T
    return queries @ W @ keys.transpose(1, 2)


def wrong_transposed(queries, keys, W):
    """W as (Dk, Dq): raises unless it is square."""
    return queries @ W.T @ keys.transpose(1, 2)


def wrong_reshaped_matrix(queries, keys, W):
    """W reshaped where it should be transposed, so that it fits the keys."""
    return queries @ (keys @ W.reshape(W.shape[1], W.shape[0])).transpose(1, 2)


def wrong_linear_on_the_wrong_side(queries, keys, W):
    """F.linear(queries, W) multiplies with W^T; it is turned around by view to fit."""
    return F.linear(queries, W.reshape(W.shape[1], W.shape[0])) @ keys.transpose(1, 2)


def wrong_symmetrised(queries, keys, W):
    """Square matrices are made symmetric first."""
    if W.shape[0] == W.shape[1]:
        W = (W + W.T) / 2
    return queries @ W @ keys.transpose(1, 2)


def wrong_diagonal_only(queries, keys, W):
    """Only the diagonal of W is used."""
    n = min(W.shape)
    return (queries[..., :n] * torch.diagonal(W)) @ keys[..., :n].transpose(1, 2)


def wrong_scaled(queries, keys, W):
    """Scaled by the root of Dk."""
    return queries @ W @ keys.transpose(1, 2) / math.sqrt(keys.shape[-1])


def wrong_scaled_by_query_size(queries, keys, W):
    """Scaled by the root of Dq."""
    return queries @ W @ keys.transpose(1, 2) * queries.shape[-1] ** -0.5


def wrong_mean_over_features(queries, keys, W):
    """The mean over the features instead of the sum."""
    return ((queries @ W).unsqueeze(2) * keys.unsqueeze(1)).mean(-1)


def wrong_tanh_of_projection(queries, keys, W):
    """tanh of the projected query."""
    return torch.tanh(queries @ W) @ keys.transpose(1, 2)


def wrong_tanh_of_score(queries, keys, W):
    """tanh of the score."""
    return torch.tanh(queries @ W @ keys.transpose(1, 2))


def wrong_relu_of_projection(queries, keys, W):
    """relu of the projected query."""
    return torch.relu(queries @ W) @ keys.transpose(1, 2)


def wrong_softmax_taken(queries, keys, W):
    """Returns weights."""
    return torch.softmax(queries @ W @ keys.transpose(1, 2), dim=-1)


def wrong_softmax_over_first_axis(queries, keys, W):
    """The seed's own: weights, and over dim 0."""
    return F.softmax(queries @ W @ keys.transpose(1, 2), dim=0)


def wrong_softmax_of_matrix(queries, keys, W):
    """W goes through a softmax."""
    return queries @ W.softmax(-1) @ keys.transpose(1, 2)


def wrong_additive_form(queries, keys, W):
    """qW + k instead of their product."""
    return ((queries @ W).unsqueeze(2) + keys.unsqueeze(1)).sum(-1)


def wrong_key_ignored(queries, keys, W):
    """The sum of the projected query, whatever the key is."""
    return (queries @ W).sum(-1, keepdim=True).expand(-1, -1, keys.shape[1])


def wrong_query_ignored(queries, keys, W):
    """The sum of the projected key, whatever the query is."""
    return (keys @ W.T).sum(-1).unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_w_on_both_sides(queries, keys, W):
    """The keys go through W^T and W as well before they meet q W."""
    return (queries @ W) @ (keys @ W.T @ W).transpose(1, 2)


def wrong_cosine(queries, keys, W):
    """Cosine of projected query and key."""
    return F.normalize(queries @ W, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)


def wrong_bias(queries, keys, W):
    """A bias of one half."""
    return queries @ W @ keys.transpose(1, 2) + 0.5


def wrong_query_bias(queries, keys, W):
    """A bias on the projected query."""
    return (queries @ W + 0.1) @ keys.transpose(1, 2)


def wrong_transposed_out(queries, keys, W):
    """(B, S, T) comes out."""
    return keys @ (queries @ W).transpose(1, 2)


def wrong_transposed_out_reshaped(queries, keys, W):
    """(B, S, T), reshaped to (B, T, S): scrambled."""
    scores = keys @ (queries @ W).transpose(1, 2)
    return scores.reshape(queries.shape[0], queries.shape[1], keys.shape[1])


def wrong_keys_reshaped(queries, keys, W):
    """reshape where a transpose is needed."""
    return queries @ W @ keys.reshape(keys.shape[0], keys.shape[2], keys.shape[1])


def wrong_no_transpose_when_square(queries, keys, W):
    """Keys are not transposed where S equals Dk."""
    if keys.shape[1] == keys.shape[2]:
        return queries @ W @ keys
    return queries @ W @ keys.transpose(1, 2)


def wrong_all_axes_reversed(queries, keys, W):
    """permute(2, 1, 0), what .T does to three axes."""
    return torch.matmul(queries @ W, keys.permute(2, 1, 0).reshape(keys.shape[0], keys.shape[2], -1))


def wrong_first_sample_for_all(queries, keys, W):
    """All samples meet the keys of the first."""
    return queries @ W @ keys[0].T


def wrong_samples_summed(queries, keys, W):
    """einsum sums over the samples of the keys."""
    return torch.einsum("bti,ij,csj->bts", queries, W, keys)


def wrong_flattened_view_mixes(queries, keys, W):
    """All keys in one list, and every query gets the first S of them."""
    flat = keys.reshape(-1, keys.shape[-1])
    return (queries @ W @ flat.T)[..., : keys.shape[1]]


def wrong_query_off_by_one(queries, keys, W):
    """Row i has the query of step i - 1, rolled around."""
    return queries.roll(1, 1) @ W @ keys.transpose(1, 2)


def wrong_first_query_for_all(queries, keys, W):
    """The first decoder state is used for every step."""
    return (queries[:, :1] @ W @ keys.transpose(1, 2)).expand(-1, queries.shape[1], -1)


def wrong_paired_steps(queries, keys, W):
    """Step i meets key i only: raises unless T equals S."""
    scores = ((queries @ W) * keys).sum(-1)
    return scores.unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_squeezed(queries, keys, W):
    """A bare squeeze loses axes of size 1."""
    return (queries @ W @ keys.transpose(1, 2)).squeeze()


def wrong_query_axis_squeezed(queries, keys, W):
    """T = 1 loses its axis."""
    return (queries @ W @ keys.transpose(1, 2)).squeeze(1)


def wrong_extra_axis(queries, keys, W):
    """(B, 1, T, S), an axis for heads."""
    return (queries @ W @ keys.transpose(1, 2)).unsqueeze(1)


def wrong_view_needs_contiguous(queries, keys, W):
    """view raises on queries that are not contiguous."""
    B, T, Dq = queries.shape
    return (queries.view(-1, Dq) @ W).view(B, T, -1) @ keys.transpose(1, 2)


def wrong_contiguous_memory_assumed(queries, keys, W):
    """as_strided reads W row by row, whatever its strides are."""
    W = torch.as_strided(W, W.shape, (W.shape[1], 1))
    return queries @ W @ keys.transpose(1, 2)


def wrong_queries_detached(queries, keys, W):
    """Right values, no gradient to the queries."""
    return queries.detach() @ W @ keys.transpose(1, 2)


def wrong_projection_without_grad(queries, keys, W):
    """W k under no_grad: neither W nor the keys learn."""
    with torch.no_grad():
        memory = keys @ W.T
    return queries @ memory.transpose(1, 2)


def wrong_w_data(queries, keys, W):
    """W.data has no gradient."""
    return queries @ W.data @ keys.transpose(1, 2)


def wrong_parameter_made_anew(queries, keys, W):
    """nn.Parameter(W) is a new leaf: the given W gets no gradient."""
    weight = nn.Parameter(W)
    return queries @ weight @ keys.transpose(1, 2)


def wrong_weight_copied_into_linear(queries, keys, W):
    """W is copied into nn.Linear: the gradient goes to the copy."""
    layer = nn.Linear(W.shape[1], W.shape[0], bias=False, dtype=W.dtype)
    with torch.no_grad():
        layer.weight.copy_(W)
    return queries @ layer(keys).transpose(1, 2)


class _MeanGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, W):
        ctx.save_for_backward(q, k, W)
        return q @ W @ k.mT

    @staticmethod
    def backward(ctx, grad):
        q, k, W = ctx.saved_tensors
        of_w = torch.einsum("bts,bti,bsj->ij", grad, q, k) / q.shape[0]
        return grad @ (k @ W.T), grad.mT @ (q @ W), of_w


def wrong_gradient_averaged_over_batch(queries, keys, W):
    """Right values, but W's gradient is divided by B."""
    return _MeanGrad.apply(queries, keys, W)


def wrong_numpy_inside(queries, keys, W):
    """numpy multiplies, so there is no gradient."""
    q, k, w = (x.detach().double().numpy() for x in (queries, keys, W))
    return torch.from_numpy(q @ w @ k.transpose(0, 2, 1)).to(queries.dtype)


def wrong_always_float32(queries, keys, W):
    """float32 comes out, whatever came in."""
    return queries.float() @ W.float() @ keys.float().transpose(1, 2)


def wrong_float32_weight_cast(queries, keys, W):
    """Only W is cast to float32: float64 and bfloat16 raise."""
    return queries @ W.to(torch.float32) @ keys.transpose(1, 2)


def wrong_float64_through_float32(queries, keys, W):
    """Cast back to the right dtype, but float64 has been through float32."""
    return (queries.float() @ W.float() @ keys.float().mT).to(queries.dtype)


def wrong_everything_in_bfloat16(queries, keys, W):
    """Computes in bfloat16 and casts back."""
    return (queries.bfloat16() @ W.bfloat16() @ keys.bfloat16().mT).to(queries.dtype)


def wrong_clamped(queries, keys, W):
    """Scores are clamped to 50."""
    return (queries @ W @ keys.transpose(1, 2)).clamp(-50, 50)


def wrong_writes_to_w(queries, keys, W):
    """W is rescaled in place when it is large."""
    with torch.no_grad():
        W.div_(W.norm())
    return queries @ W @ keys.transpose(1, 2)


def wrong_writes_to_queries(queries, keys, W):
    """Right scores, but the caller's queries are overwritten with zeros afterwards."""
    scores = queries.clone() @ W @ keys.transpose(1, 2)
    queries.data.zero_()
    return scores


_MEMORY = {}


def wrong_projected_keys_kept(queries, keys, W):
    """Projected keys are kept for the next call with these shapes: stale."""
    shape = (tuple(keys.shape), tuple(W.shape), W.dtype)
    if shape not in _MEMORY:
        _MEMORY[shape] = (keys @ W.T).transpose(1, 2)
    return queries @ _MEMORY[shape]


def wrong_own_random_matrix(queries, keys, W):
    """Makes its own W in each call."""
    own = torch.empty_like(W)
    nn.init.normal_(own)
    return queries @ own @ keys.transpose(1, 2)


def wrong_uninitialised_matrix(queries, keys, W):
    """The seed's way: a FloatTensor of that size, never filled."""
    weight = nn.Parameter(torch.FloatTensor(*W.shape))
    return queries @ weight.to(queries.dtype) @ keys.transpose(1, 2)


def wrong_dropout(queries, keys, W):
    """Dropout on the projected queries in every call."""
    return F.dropout(queries @ W, 0.2) @ keys.transpose(1, 2)


def wrong_maximum_taken_off(queries, keys, W):
    """Each row is shifted by its maximum."""
    scores = queries @ W @ keys.transpose(1, 2)
    return scores - scores.max(-1, keepdim=True).values


def wrong_returns_context(queries, keys, W):
    """Goes on to the context."""
    return torch.softmax(queries @ W @ keys.transpose(1, 2), -1) @ keys


def wrong_returns_tuple(queries, keys, W):
    """Scores and weights."""
    scores = queries @ W @ keys.transpose(1, 2)
    return scores, scores.softmax(-1)


def wrong_returns_projection(queries, keys, W):
    """Stops at q W."""
    return queries @ W


def wrong_returns_list(queries, keys, W):
    """One matrix a sample in a list."""
    return [q @ W @ k.T for q, k in zip(queries, keys, strict=True)]


def wrong_returns_numpy(queries, keys, W):
    """A numpy array."""
    return (queries @ W @ keys.transpose(1, 2)).detach().float().numpy()


def wrong_returns_none(queries, keys, W):
    """return is missing."""
    _ = queries @ W @ keys.transpose(1, 2)


def wrong_constant(queries, keys, W):
    """All zeros, shaped as asked."""
    return torch.zeros(queries.shape[0], queries.shape[1], keys.shape[1], dtype=queries.dtype)


def wrong_sizes_of_the_example(queries, keys, W):
    """The sizes of one example are written in."""
    return (queries @ W @ keys.transpose(1, 2)).reshape(2, 3, 5)


def wrong_last_feature_lost(queries, keys, W):
    """A loop over range(Dk - 1): the last feature of the keys is lost."""
    q = queries @ W
    total = torch.zeros_like(q[..., :1] @ keys[..., :1].mT)
    for d in range(keys.shape[-1] - 1):
        total = total + q[..., d : d + 1] * keys[..., d].unsqueeze(1)
    return total


def wrong_transposed_and_scaled(queries, keys, W):
    """Two mistakes: W transposed where it is square, and scaled."""
    if W.shape[0] == W.shape[1]:
        W = W.t()
    return queries @ W @ keys.transpose(1, 2) / math.sqrt(W.shape[1])


def wrong_softmax_and_detached(queries, keys, W):
    """Two mistakes: returns weights, and W has no gradient."""
    return torch.softmax(queries @ W.detach() @ keys.transpose(1, 2), dim=-1)


def wrong_raises_in_the_middle(queries, keys, W):
    """Keys are not transposed: raises unless S equals Dk."""
    return queries @ W @ keys
