"""Student answers to additive_scores(queries, keys, W_q, W_k, v) -> (B, T, S), right and wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

# Right


def right_broadcast(queries, keys, W_q, W_k, v):
    """Project both, add an axis to each, tanh, multiply with v."""
    q = queries @ W_q.T
    k = keys @ W_k.T
    return torch.tanh(q[:, :, None, :] + k[:, None, :, :]) @ v


def right_linear_and_unsqueeze(q, k, wq, wk, v):
    """F.linear three times, the last one squeezed on its own axis."""
    hidden = F.linear(q, wq).unsqueeze(2) + F.linear(k, wk).unsqueeze(1)
    return F.linear(hidden.tanh(), v.unsqueeze(0)).squeeze(-1)


def right_einsum(s, h, Wq, Wk, v):
    """Three einsums."""
    projected_s = torch.einsum("btd,ad->bta", s, Wq)
    projected_h = torch.einsum("bsd,ad->bsa", h, Wk)
    energy = torch.tanh(projected_s.unsqueeze(2) + projected_h.unsqueeze(1))
    return torch.einsum("btsa,a->bts", energy, v)


def right_three_loops(queries, keys, W_q, W_k, v):
    """Pair by pair, as the formula reads."""
    samples = []
    for b in range(queries.shape[0]):
        rows = []
        for i in range(queries.shape[1]):
            row = [torch.dot(v, torch.tanh(W_q @ queries[b, i] + W_k @ h_j)) for h_j in keys[b]]
            rows.append(torch.stack(row))
        samples.append(torch.stack(rows))
    return torch.stack(samples)


def right_loop_over_queries(queries, keys, W_q, W_k, v):
    """One decoder step at a time, keys projected once."""
    memory = keys.matmul(W_k.t())
    steps = []
    for t in range(queries.size(1)):
        state = queries[:, t].matmul(W_q.t()).unsqueeze(1)
        steps.append((torch.tanh(memory + state) * v).sum(dim=-1))
    return torch.stack(steps, dim=1)


def right_loop_over_samples(queries, keys, W_q, W_k, v):
    """A loop over the batch with outer sums inside."""
    out = []
    for q, k in zip(queries, keys, strict=True):
        left, right = q.mm(W_q.t()), k.mm(W_k.t())
        out.append(torch.tanh(left.unsqueeze(1).add(right)).matmul(v))
    return torch.stack(out, dim=0)


def right_loop_over_units(queries, keys, W_q, W_k, v):
    """One alignment unit after the other, summed up; no (B, T, S, A) tensor."""
    work = torch.float32 if queries.dtype == torch.bfloat16 else queries.dtype
    q, k = queries.to(work) @ W_q.to(work).T, keys.to(work) @ W_k.to(work).T
    total = torch.zeros(q.shape[0], q.shape[1], k.shape[1], dtype=work, device=q.device)
    for a, v_a in enumerate(v.to(work)):
        total = total + v_a * torch.tanh(q[:, :, a].unsqueeze(2) + k[:, :, a].unsqueeze(1))
    return total.to(queries.dtype)


def _one_pair(query, key, W_q, W_k, v):
    return v @ torch.tanh(W_q @ query + W_k @ key)


def right_nested_vmap(queries, keys, W_q, W_k, v):
    """One pair as a function, vmap over keys, queries and samples."""
    over_keys = torch.vmap(_one_pair, in_dims=(None, 0, None, None, None))
    over_queries = torch.vmap(over_keys, in_dims=(0, None, None, None, None))
    over_samples = torch.vmap(over_queries, in_dims=(0, 0, None, None, None))
    return over_samples(queries, keys, W_q, W_k, v)


def right_concatenated_pairs(queries, keys, W_q, W_k, v):
    """Every pair [q; k] written out and multiplied with [W_q W_k]."""
    B, T, Dq = queries.shape
    S, Dk = keys.shape[1:]
    pairs = torch.cat(
        [queries.unsqueeze(2).expand(B, T, S, Dq), keys.unsqueeze(1).expand(B, T, S, Dk)], dim=-1
    )
    W = torch.cat([W_q, W_k], dim=1)
    return torch.tanh(pairs @ W.transpose(0, 1)) @ v


def right_repeat_interleave(queries, keys, W_q, W_k, v):
    """Queries interleaved, keys tiled, so that pairs line up in one long list."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    left = F.linear(queries, W_q).repeat_interleave(S, dim=1)
    right = F.linear(keys, W_k).repeat(1, T, 1)
    return (torch.tanh(left + right) * v).sum(-1).reshape(B, T, S)


def right_flat_rows(queries, keys, W_q, W_k, v):
    """Batch and time flattened for the projections, put back by reshape."""
    B, T, _ = queries.shape
    S = keys.size(1)
    q = torch.mm(queries.reshape(B * T, -1), W_q.t()).reshape(B, T, 1, -1)
    k = torch.mm(keys.reshape(B * S, -1), W_k.t()).reshape(B, 1, S, -1)
    hidden = torch.tanh(q + k)
    return torch.mv(hidden.reshape(B * T * S, -1), v).reshape(B, T, S)


def right_conv1d(queries, keys, W_q, W_k, v):
    """The projections as convolutions of width 1 over (B, D, time)."""
    q = F.conv1d(queries.transpose(1, 2), W_q.unsqueeze(-1))
    k = F.conv1d(keys.transpose(1, 2), W_k.unsqueeze(-1))
    hidden = torch.tanh(q.unsqueeze(3) + k.unsqueeze(2))
    return (hidden * v.reshape(1, -1, 1, 1)).sum(dim=1)


def right_tensordot(queries, keys, W_q, W_k, v):
    """tensordot for every product."""
    q = torch.tensordot(queries, W_q, dims=([2], [1]))
    k = torch.tensordot(keys, W_k, dims=([2], [1]))
    return torch.tensordot(torch.tanh(q.unsqueeze(-2) + k.unsqueeze(-3)), v, dims=1)


def right_functional_call(queries, keys, W_q, W_k, v):
    """nn.Linear layers that are called with the given weights."""

    def project(x, weight):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    hidden = project(queries, W_q).unsqueeze(2) + project(keys, W_k).unsqueeze(1)
    return project(torch.tanh(hidden), v.unsqueeze(0)).squeeze(-1)


def right_in_place_on_own_tensors(queries, keys, W_q, W_k, v):
    """tanh_ and a buffer that is filled slice by slice, all of it its own."""
    scores = queries.new_empty(queries.shape[0], queries.shape[1], keys.shape[1])
    memory = keys @ W_k.mT
    for i in range(queries.shape[1]):
        hidden = memory + (queries[:, i : i + 1] @ W_q.mT)
        scores[:, i] = hidden.tanh_() @ v
    return scores


def right_sigmoid_form(queries, keys, W_q, W_k, v):
    """tanh(x) = 2 sigmoid(2x) - 1; bfloat16 goes through float32."""
    dtype = queries.dtype
    if dtype == torch.bfloat16:
        queries, keys, W_q, W_k, v = (x.float() for x in (queries, keys, W_q, W_k, v))
    x = F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)
    return ((2 * torch.sigmoid(2 * x) - 1) @ v).to(dtype)


def right_checkpointed(queries, keys, W_q, W_k, v):
    """The big tensor is computed again in the backward pass."""

    def energies(q, k):
        return torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) @ v

    return checkpoint(energies, queries @ W_q.T, keys @ W_k.T, use_reentrant=False)


class _Energy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v):
        ctx.save_for_backward(q, k, v)
        return torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) @ v

    @staticmethod
    def backward(ctx, grad):
        q, k, v = ctx.saved_tensors
        t = torch.tanh(q.unsqueeze(2) + k.unsqueeze(1))
        inner = grad.unsqueeze(-1) * (1 - t * t) * v
        return inner.sum(2), inner.sum(1), torch.einsum("bts,btsa->a", grad, t)


def right_autograd_function(queries, keys, W_q, W_k, v):
    """Own backward that recomputes the tanh."""
    return _Energy.apply(queries @ W_q.T, keys @ W_k.T, v)


def right_weights_transposed_first(queries, keys, W_q, W_k, v):
    """Everything with the feature axis first: W q as columns."""
    q = torch.matmul(W_q, queries.transpose(-1, -2))
    k = torch.matmul(W_k, keys.transpose(-1, -2))
    hidden = torch.tanh(q[..., :, None] + k[..., None, :])
    return torch.matmul(v, hidden.flatten(2)).reshape(q.shape[0], q.shape[2], k.shape[2])


def right_bmm_with_expanded_weights(queries, keys, W_q, W_k, v):
    """bmm throughout, weights expanded over the batch."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    q = torch.bmm(queries, W_q.t().expand(B, -1, -1))
    k = torch.bmm(keys, W_k.t().expand(B, -1, -1))
    hidden = torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)).reshape(B, T * S, -1)
    return torch.bmm(hidden, v.view(1, -1, 1).expand(B, -1, -1)).reshape(B, T, S)


# Wrong


def wrong_no_tanh(queries, keys, W_q, W_k, v):
    """No tanh at all."""
    return ((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_tanh_after_v(queries, keys, W_q, W_k, v):
    """tanh of the finished score."""
    return torch.tanh(((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v)


def wrong_tanh_of_each_term(queries, keys, W_q, W_k, v):
    """tanh of each projection, then the sum."""
    return (torch.tanh(queries @ W_q.T).unsqueeze(2) + torch.tanh(keys @ W_k.T).unsqueeze(1)) @ v


def wrong_tanh_twice(queries, keys, W_q, W_k, v):
    """tanh of each projection and of the sum."""
    q, k = torch.tanh(queries @ W_q.T), torch.tanh(keys @ W_k.T)
    return torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) @ v


def wrong_tanh_of_query_only(queries, keys, W_q, W_k, v):
    """A misplaced bracket: tanh covers the query's term only."""
    return (torch.tanh(queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_product_of_projections(queries, keys, W_q, W_k, v):
    """The projections are multiplied instead of added."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) * (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_difference_of_projections(queries, keys, W_q, W_k, v):
    """The key's projection is taken off instead of added."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) - (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_relu(queries, keys, W_q, W_k, v):
    """relu in place of tanh."""
    return F.relu(F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)) @ v


def wrong_sigmoid(queries, keys, W_q, W_k, v):
    """sigmoid in place of tanh."""
    return torch.sigmoid(F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)) @ v


def wrong_gelu(queries, keys, W_q, W_k, v):
    """gelu in place of tanh."""
    return F.gelu(F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)) @ v


def wrong_hardtanh(queries, keys, W_q, W_k, v):
    """The projections' sum is clamped to [-1, 1] instead of put through tanh."""
    return (F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)).clamp(-1, 1) @ v


def wrong_rational_approximation(queries, keys, W_q, W_k, v):
    """x (27 + x^2) / (27 + 9 x^2) for tanh: fine near 0 only."""
    x = F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)
    return (x * (27 + x * x) / (27 + 9 * x * x)) @ v


def wrong_softsign(queries, keys, W_q, W_k, v):
    """x / (1 + |x|) for tanh."""
    return F.softsign(F.linear(queries, W_q).unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)) @ v


def wrong_ignores_queries(queries, keys, W_q, W_k, v):
    """The scores depend on the keys only."""
    return torch.tanh(keys @ W_k.T).matmul(v).unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_ignores_keys(queries, keys, W_q, W_k, v):
    """The scores depend on the queries only."""
    return torch.tanh(queries @ W_q.T).matmul(v).unsqueeze(2).expand(-1, -1, keys.shape[1])


def wrong_ignores_v(queries, keys, W_q, W_k, v):
    """Sums the units instead of weighting them with v."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)).sum(-1)


def wrong_mean_over_units(queries, keys, W_q, W_k, v):
    """The mean over units instead of the sum."""
    return (torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) * v).mean(-1)


def wrong_max_over_units(queries, keys, W_q, W_k, v):
    """The largest unit instead of the sum of all."""
    return (torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) * v).amax(-1)


def wrong_matrices_swapped(queries, keys, W_q, W_k, v):
    """W_q meets the keys and W_k the queries, as far as the sizes let them."""
    if W_q.shape == W_k.shape:
        W_q, W_k = W_k, W_q
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_one_matrix_for_both(queries, keys, W_q, W_k, v):
    """Where the sizes agree W_q serves queries and keys."""
    shared = W_q if W_q.shape == W_k.shape else W_k
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ shared.T).unsqueeze(1)) @ v


def wrong_transposed_when_square(queries, keys, W_q, W_k, v):
    """queries @ W_q without the transpose: silent where W_q is square."""
    left = queries @ W_q if W_q.shape[0] == W_q.shape[1] else queries @ W_q.T
    return torch.tanh(left.unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_missing_transpose(queries, keys, W_q, W_k, v):
    """No transpose anywhere: raises unless everything is square."""
    return torch.tanh((queries @ W_q).unsqueeze(2) + (keys @ W_k).unsqueeze(1)) @ v


def wrong_pairs_concatenated_in_wrong_order(queries, keys, W_q, W_k, v):
    """[k; q] meets [W_q W_k], with no error as the total width is the same."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    pairs = torch.cat(
        [keys.unsqueeze(1).expand(-1, T, -1, -1), queries.unsqueeze(2).expand(-1, -1, S, -1)], -1
    )
    return torch.tanh(pairs @ torch.cat([W_q, W_k], 1).T).matmul(v).reshape(B, T, S)


def wrong_bias_on_score(queries, keys, W_q, W_k, v):
    """A bias of one half on the finished score."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v + 0.5


def wrong_bias_inside(queries, keys, W_q, W_k, v):
    """A bias of 0.1 inside the tanh."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1) + 0.1) @ v


def wrong_random_bias_from_linear(queries, keys, W_q, W_k, v):
    """nn.Linear with its default bias, the weight replaced by the given one."""
    layer = nn.Linear(W_q.shape[1], W_q.shape[0], dtype=W_q.dtype)
    left = F.linear(queries, W_q, layer.bias)
    return torch.tanh(left.unsqueeze(2) + F.linear(keys, W_k).unsqueeze(1)) @ v


def wrong_scaled(queries, keys, W_q, W_k, v):
    """A division by the root of A that the formula does not have."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return scores / math.sqrt(v.shape[0])


def wrong_scaled_inside(queries, keys, W_q, W_k, v):
    """The query's projection is divided by the root of its size."""
    q = (queries @ W_q.T) / queries.shape[-1] ** 0.5
    return torch.tanh(q.unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_v_normalised(queries, keys, W_q, W_k, v):
    """v is brought to length 1."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return hidden @ F.normalize(v, dim=0)


def wrong_returns_weights(queries, keys, W_q, W_k, v):
    """Softmax already taken."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return torch.softmax(scores, dim=-1)


def wrong_axes_swapped(queries, keys, W_q, W_k, v):
    """(B, S, T) comes out."""
    return torch.tanh((keys @ W_k.T).unsqueeze(2) + (queries @ W_q.T).unsqueeze(1)) @ v


def wrong_reshaped_instead_of_transposed(queries, keys, W_q, W_k, v):
    """Computed as (B, S, T) and then reshaped: right shape, scrambled scores."""
    scores = torch.tanh((keys @ W_k.T).unsqueeze(2) + (queries @ W_q.T).unsqueeze(1)) @ v
    return scores.reshape(queries.shape[0], queries.shape[1], keys.shape[1])


def wrong_repeat_for_interleave(queries, keys, W_q, W_k, v):
    """Queries tiled where they should be interleaved: pairs do not line up."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    left = (queries @ W_q.T).repeat(1, S, 1)
    right = (keys @ W_k.T).repeat(1, T, 1)
    return (torch.tanh(left + right) @ v).reshape(B, T, S)


def wrong_repeat_mixes_samples(queries, keys, W_q, W_k, v):
    """keys.repeat(T, 1, 1) seen as (B, T, S, .): samples are mixed."""
    B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
    k = (keys @ W_k.T).repeat(T, 1, 1).reshape(B, T, S, -1)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + k) @ v


def wrong_first_sample_for_all(queries, keys, W_q, W_k, v):
    """Every sample is scored against the keys of the first."""
    k = (keys[:1] @ W_k.T).unsqueeze(1)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + k) @ v


def wrong_batch_summed_in_einsum(queries, keys, W_q, W_k, v):
    """The einsum sums over the batch and gives each sample the same."""
    q = torch.einsum("btd,ad->bta", queries, W_q)
    k = torch.einsum("bsd,ad->sa", keys, W_k)
    return torch.tanh(q.unsqueeze(2) + k) @ v


def wrong_pairs_step_with_itself(queries, keys, W_q, W_k, v):
    """Adds query i to key i: only where T equals S does this even run, and it is copied along S."""
    hidden = torch.tanh(queries @ W_q.T + keys @ W_k.T) @ v
    return hidden.unsqueeze(1).expand(-1, queries.shape[1], -1)


def wrong_right_only_for_one_query(queries, keys, W_q, W_k, v):
    """Uses the first query for every step."""
    hidden = torch.tanh((queries[:, :1] @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return hidden.expand(-1, queries.shape[1], -1)


def wrong_one_query_axis_lost(queries, keys, W_q, W_k, v):
    """One query a sample is assumed and (B, S) comes out then."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return scores[:, 0] if queries.shape[1] == 1 else scores


def wrong_query_of_next_step(queries, keys, W_q, W_k, v):
    """Off by one: row i is scored with the query of the step before, rolled around."""
    q = queries.roll(1, dims=1) @ W_q.T
    return torch.tanh(q.unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_squeezed(queries, keys, W_q, W_k, v):
    """A bare squeeze after multiplying with v as a column."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return (hidden @ v.unsqueeze(1)).squeeze()


def wrong_extra_axis(queries, keys, W_q, W_k, v):
    """(B, T, S, 1) comes out."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return hidden @ v.unsqueeze(1)


def wrong_reverses_all_axes(queries, keys, W_q, W_k, v):
    """.T on a tensor with three axes, which turns the batch inside out."""
    k = (W_k @ keys.permute(2, 1, 0).reshape(keys.shape[2], -1)).T.reshape(keys.shape[0], keys.shape[1], -1)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + k.unsqueeze(1)) @ v


def wrong_view_needs_contiguous(queries, keys, W_q, W_k, v):
    """view on what may not be contiguous."""
    B, T, Dq = queries.shape
    S, Dk = keys.shape[1:]
    q = (queries.view(B * T, Dq) @ W_q.t()).view(B, T, 1, -1)
    k = (keys.view(B * S, Dk) @ W_k.t()).view(B, 1, S, -1)
    return torch.tanh(q + k) @ v


def wrong_exponentials_overflow(queries, keys, W_q, W_k, v):
    """(e^2x - 1) / (e^2x + 1) is inf / inf for large x."""
    x = torch.exp(2 * ((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)))
    return ((x - 1) / (x + 1)) @ v


def wrong_product_of_exponentials(queries, keys, W_q, W_k, v):
    """1 - 2 / (1 + e^2q e^2k): inf times 0 when both are large."""
    q, k = torch.exp(2 * (queries @ W_q.T)), torch.exp(2 * (keys @ W_k.T))
    return (1 - 2 / (1 + q.unsqueeze(2) * k.unsqueeze(1))) @ v


def wrong_projections_clamped(queries, keys, W_q, W_k, v):
    """Each projection clamped to 20 before the sum: large ones of opposite sign cancel wrongly."""
    q, k = (queries @ W_q.T).clamp(-20, 20), (keys @ W_k.T).clamp(-20, 20)
    return torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) @ v


def wrong_sum_clamped(queries, keys, W_q, W_k, v):
    """The sum clamped to 3 before the tanh."""
    x = (queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)
    return torch.tanh(x.clamp(-3.0, 3.0)) @ v


def wrong_addition_theorem(queries, keys, W_q, W_k, v):
    """(tanh a + tanh b) / (1 + tanh a tanh b): 0 / 0 for large a and -b."""
    a, b = torch.tanh(queries @ W_q.T).unsqueeze(2), torch.tanh(keys @ W_k.T).unsqueeze(1)
    return ((a + b) / (1 + a * b)) @ v


def wrong_queries_detached(queries, keys, W_q, W_k, v):
    """Right values, no gradient to the queries."""
    q = queries.detach() @ W_q.T
    return torch.tanh(q.unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_keys_projected_without_grad(queries, keys, W_q, W_k, v):
    """The keys are projected under no_grad: W_k and the keys get no gradient."""
    with torch.no_grad():
        memory = (keys @ W_k.T).unsqueeze(1)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + memory) @ v


def wrong_v_data(queries, keys, W_q, W_k, v):
    """v.data has no gradient."""
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v.data


def wrong_parameters_wrapped_anew(queries, keys, W_q, W_k, v):
    """nn.Parameter(W) is a new leaf: the given matrices get no gradient."""
    W_q, W_k = nn.Parameter(W_q), nn.Parameter(W_k)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_weights_copied_into_linear(queries, keys, W_q, W_k, v):
    """Copies the matrices into nn.Linear layers, so the gradients go to the copies."""
    layers = []
    for W in (W_q, W_k):
        layer = nn.Linear(W.shape[1], W.shape[0], bias=False, dtype=W.dtype)
        layer.weight.data.copy_(W)
        layers.append(layer)
    return torch.tanh(layers[0](queries).unsqueeze(2) + layers[1](keys).unsqueeze(1)) @ v


class _StraightTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        return grad


def wrong_tanh_without_derivative(queries, keys, W_q, W_k, v):
    """Right values, but the backward pass forgets 1 - tanh^2."""
    x = (queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)
    return _StraightTanh.apply(x) @ v


def wrong_leaves_the_graph_through_numpy(queries, keys, W_q, W_k, v):
    """numpy does the tanh."""
    x = (queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)
    t = torch.from_numpy(x.detach().double().cpu().numpy()).tanh().to(x.dtype)
    return t @ v


def wrong_returns_numpy(queries, keys, W_q, W_k, v):
    """A numpy array comes out."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return scores.detach().float().numpy()


def wrong_returns_list(queries, keys, W_q, W_k, v):
    """A list with one tensor a query comes out: stack forgotten."""
    memory = keys @ W_k.T
    return [torch.tanh(memory + (queries[:, i] @ W_q.T).unsqueeze(1)) @ v for i in range(queries.shape[1])]


def wrong_returns_none(queries, keys, W_q, W_k, v):
    """return is missing."""
    _ = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_returns_after_first_query(queries, keys, W_q, W_k, v):
    """return stands inside the loop."""
    memory = keys @ W_k.T
    for i in range(queries.shape[1]):
        score = torch.tanh(memory + (queries[:, i : i + 1] @ W_q.T)) @ v
        return score.unsqueeze(1)


def wrong_returns_tuple(queries, keys, W_q, W_k, v):
    """The scores come with the hidden layer."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return hidden @ v, hidden


def wrong_always_float32(queries, keys, W_q, W_k, v):
    """float32 comes out, whatever came in."""
    queries, keys, W_q, W_k, v = (x.float() for x in (queries, keys, W_q, W_k, v))
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_float32_buffer(queries, keys, W_q, W_k, v):
    """torch.zeros without a dtype: the result is float32, whatever came in."""
    scores = torch.zeros(queries.shape[0], queries.shape[1], keys.shape[1])
    for j in range(keys.shape[1]):
        scores[:, :, j] = torch.tanh(queries @ W_q.T + (keys[:, j] @ W_k.T).unsqueeze(1)) @ v
    return scores


def wrong_float64_through_float32(queries, keys, W_q, W_k, v):
    """Cast back to the right dtype, but float64 has been through float32."""
    q, k = queries.float() @ W_q.float().T, keys.float() @ W_k.float().T
    return (torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)) @ v.float()).to(queries.dtype)


def wrong_writes_to_queries(queries, keys, W_q, W_k, v):
    """queries.data is scaled in place and not scaled back."""
    queries.data.mul_(1.0 / max(1.0, queries.detach().abs().max().item()))
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v


def wrong_writes_to_v(queries, keys, W_q, W_k, v):
    """Right scores, but v is rounded in place after use."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v.clone()
    with torch.no_grad():
        v.div_(v.norm())
    return scores


_MEMORY = {}


def wrong_projected_keys_kept(queries, keys, W_q, W_k, v):
    """Projected keys are kept for the next call with the same shapes: stale."""
    name = (tuple(keys.shape), tuple(W_k.shape), keys.dtype)
    if name not in _MEMORY:
        _MEMORY[name] = (keys @ W_k.T).unsqueeze(1)
    return torch.tanh((queries @ W_q.T).unsqueeze(2) + _MEMORY[name]) @ v


def wrong_own_random_matrices(queries, keys, W_q, W_k, v):
    """Makes its own layers in each call and ignores the given matrices."""
    left = nn.Linear(queries.shape[-1], v.shape[0], bias=False, dtype=v.dtype)
    right = nn.Linear(keys.shape[-1], v.shape[0], bias=False, dtype=v.dtype)
    return torch.tanh(left(queries).unsqueeze(2) + right(keys).unsqueeze(1)) @ v


def wrong_dropout_on_hidden(queries, keys, W_q, W_k, v):
    """Dropout on the hidden layer, active in every call."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return F.dropout(hidden, 0.1) @ v


def wrong_dot_product(queries, keys, W_q, W_k, v):
    """A dot product of the two projections: another kind of attention."""
    return (queries @ W_q.T) @ (keys @ W_k.T).transpose(1, 2)


def wrong_v_weighted_dot_product(queries, keys, W_q, W_k, v):
    """tanh of both projections and a dot product weighted with v."""
    return torch.einsum("bta,bsa,a->bts", torch.tanh(queries @ W_q.T), torch.tanh(keys @ W_k.T), v)


def wrong_v_before_tanh(queries, keys, W_q, W_k, v):
    """v goes inside: sum of tanh(v x) instead of v tanh(x)."""
    return torch.tanh(v * ((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))).sum(-1)


def wrong_constant(queries, keys, W_q, W_k, v):
    """All scores 0."""
    return torch.zeros(queries.shape[0], queries.shape[1], keys.shape[1], dtype=queries.dtype)


def wrong_sizes_of_the_example(queries, keys, W_q, W_k, v):
    """The sizes of one example are written into the reshape."""
    hidden = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1))
    return (hidden @ v).reshape(2, 3, 4)


def wrong_last_key_dropped(queries, keys, W_q, W_k, v):
    """range(S - 1): the last key keeps a score of 0."""
    q, k = queries @ W_q.T, keys @ W_k.T
    columns = [torch.tanh(q + k[:, j : j + 1]) @ v for j in range(keys.shape[1] - 1)]
    columns.append(torch.zeros_like(q[..., 0]))
    return torch.stack(columns, dim=-1)


def wrong_padding_guessed(queries, keys, W_q, W_k, v):
    """Keys that are all 0 are taken for padding and get -1e9."""
    scores = torch.tanh((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v
    return scores.masked_fill((keys == 0).all(-1).unsqueeze(1), -1e9)


def wrong_layer_norm(queries, keys, W_q, W_k, v):
    """The hidden layer is normalised before the tanh."""
    x = (queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)
    return torch.tanh(F.layer_norm(x, x.shape[-1:])) @ v


def wrong_sizes_must_agree(queries, keys, W_q, W_k, v):
    """Adds the states before projecting, which needs Dq = Dk."""
    return torch.tanh((queries.unsqueeze(2) + keys.unsqueeze(1)) @ W_q.T) @ v


def wrong_no_tanh_and_scaled(queries, keys, W_q, W_k, v):
    """Two mistakes: no tanh, and a division by the root of A."""
    return ((queries @ W_q.T).unsqueeze(2) + (keys @ W_k.T).unsqueeze(1)) @ v / math.sqrt(v.numel())


def wrong_sigmoid_and_reshaped(queries, keys, W_q, W_k, v):
    """Two mistakes: sigmoid, and a reshape where a transpose is needed."""
    scores = torch.sigmoid((keys @ W_k.T).unsqueeze(2) + (queries @ W_q.T).unsqueeze(1)) @ v
    return scores.reshape(queries.shape[0], queries.shape[1], keys.shape[1])


def wrong_tanh_each_and_detached(queries, keys, W_q, W_k, v):
    """Two mistakes: tanh of each term, and v detached."""
    q, k = torch.tanh(queries @ W_q.T), torch.tanh(keys @ W_k.T)
    return (q.unsqueeze(2) + k.unsqueeze(1)) @ v.detach()


def wrong_raises_in_the_middle(queries, keys, W_q, W_k, v):
    """Projections added without new axes: raises unless T equals S."""
    return torch.tanh(queries @ W_q.T + keys @ W_k.T).unsqueeze(-1) * v.reshape(1, 1, 1, -1)
