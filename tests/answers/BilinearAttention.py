"""Right and wrong ways of writing `BilinearAttention(query_dim, key_dim)`.

Each class called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def _three_axes(mask):
    """A (B, S) mask as (B, 1, S); a (B, T, S) mask as it is."""
    return mask.unsqueeze(1) if mask.dim() == 2 else mask


def _masked_softmax(scores, mask):
    """The right weights, for answers whose mistake lies elsewhere."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    allowed = _three_axes(mask)
    filled = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return torch.softmax(filled, dim=-1) * allowed


class _Bilinear(nn.Module):
    """The right module in three parts, for answers with one mistake in one part."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        nn.init.xavier_uniform_(self.W)

    def score(self, queries, keys):
        return queries @ self.W @ keys.transpose(1, 2)

    def attend(self, scores, mask):
        return _masked_softmax(scores, mask)

    def forward(self, queries, keys, mask=None):
        weights = self.attend(self.score(queries, keys), mask)
        return weights @ keys, weights


# ---------------------------------------------------------------------------------------------- right


class right_textbook(nn.Module):
    """(q W) kᵀ with matmul, -inf in the masked places, nan_to_num for the empty rows."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        nn.init.xavier_uniform_(self.W)

    def forward(self, queries, keys, mask=None):
        scores = torch.matmul(queries @ self.W, keys.transpose(-2, -1))
        if mask is not None:
            if mask.dim() == 2:
                mask = mask.unsqueeze(1)
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.nan_to_num(torch.softmax(scores, dim=-1), nan=0.0)
        return torch.matmul(weights, keys), weights


class right_one_einsum(nn.Module):
    """One einsum over queries, W and keys; the smallest number as fill, then times the mask."""

    def __init__(self, y_dim, h_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(y_dim, h_dim) / math.sqrt(h_dim))

    def forward(self, y, h, keep=None):
        e = torch.einsum("bip,pq,bjq->bij", y, self.W, h)
        if keep is None:
            alpha = torch.softmax(e, 2)
        else:
            keep = keep[:, None, :] if keep.ndim == 2 else keep
            alpha = torch.softmax(torch.where(keep, e, torch.finfo(e.dtype).min), 2) * keep
        return torch.einsum("bij,bjd->bid", alpha, h), alpha


class right_keys_projected_first(nn.Module):
    """The keys go through W with F.linear, once for all queries; then bmm."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        bound = math.sqrt(6 / (query_dim + key_dim))
        self.W = nn.Parameter(torch.empty(query_dim, key_dim).uniform_(-bound, bound))

    def forward(self, queries, keys, mask=None):
        projected = F.linear(keys, self.W)
        logits = torch.bmm(queries, projected.permute(0, 2, 1))
        if mask is not None:
            blocked = torch.logical_not(mask if mask.dim() == 3 else mask.unsqueeze(1))
            logits = logits.masked_fill(blocked, -math.inf)
        weights = F.softmax(logits, dim=-1)
        if mask is not None:
            weights = weights.masked_fill(blocked, 0)
        return torch.bmm(weights, keys), weights


class right_loop_over_every_pair(nn.Module):
    """Loops over samples, queries and keys; each row's softmax sees only what it may see."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.rand(query_dim, key_dim) - 0.5)

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        all_weights, all_contexts = [], []
        for b in range(B):
            for i in range(T):
                zero = (0 * queries[b, i]).sum()
                row, context = [zero] * S, 0 * keys[b, 0] + zero
                if mask is None:
                    seen = list(range(S))
                else:
                    allowed = mask[b] if mask.dim() == 2 else mask[b, i]
                    seen = torch.nonzero(allowed).flatten().tolist()
                if seen:
                    energies = torch.stack([queries[b, i] @ self.W @ keys[b, j] for j in seen])
                    for j, weight in zip(seen, energies.softmax(dim=0), strict=True):
                        row[j] = weight
                        context = context + weight * keys[b, j]
                all_weights.append(torch.stack(row))
                all_contexts.append(context)
        return torch.stack(all_contexts).reshape(B, T, -1), torch.stack(all_weights).reshape(B, T, S)


class right_one_decoder_step_at_a_time(nn.Module):
    """A loop over the T queries; the steps are put side by side with cat."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.register_parameter("W", nn.Parameter(torch.Tensor(query_dim, key_dim)))
        nn.init.kaiming_uniform_(self.W, a=math.sqrt(5))

    def forward(self, queries, keys, mask=None):
        contexts, weights = [], []
        for i, state in enumerate(queries.unbind(dim=1)):
            energy = torch.bmm(keys, (state @ self.W).unsqueeze(2)).squeeze(2)
            if mask is not None:
                allowed = mask if mask.dim() == 2 else mask[:, i]
                energy = energy.masked_fill(~allowed, -torch.inf)
            alpha = torch.nan_to_num(energy.softmax(dim=1))
            contexts.append((alpha.unsqueeze(2) * keys).sum(dim=1, keepdim=True))
            weights.append(alpha.unsqueeze(1))
        return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)


class right_functional_bilinear(nn.Module):
    """F.bilinear on all pairs; exp after subtracting the largest allowed score."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(query_dim, key_dim))
        nn.init.normal_(self.W, std=0.1)

    def forward(self, queries, keys, mask=None):
        (B, T, Dq), (_, S, Dk) = queries.shape, keys.shape
        left = queries[:, :, None].expand(B, T, S, Dq).reshape(-1, Dq)
        right = keys[:, None].expand(B, T, S, Dk).reshape(-1, Dk)
        scores = F.bilinear(left, right, self.W[None]).view(B, T, S)
        if mask is None:
            mask = torch.ones(B, 1, S, dtype=torch.bool, device=keys.device)
        allowed = _three_axes(mask)
        top = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min).amax(-1, keepdim=True).detach()
        power = torch.where(allowed, scores - top, -torch.inf).exp()
        total = power.sum(-1, keepdim=True)
        weights = power / total.masked_fill(total == 0, 1.0)
        return weights @ keys, weights


class right_sdpa_twice(nn.Module):
    """scaled_dot_product_attention with scale 1: once over the keys, once over a unit matrix."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_normal_(torch.empty(query_dim, key_dim)))

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        q, k = (queries @ self.W).unsqueeze(1), keys.unsqueeze(1)
        some = None
        if mask is not None:
            mask = (mask.unsqueeze(1) if mask.dim() == 2 else mask).expand(B, T, S)
            some = mask.any(dim=-1, keepdim=True)
            mask = (mask | ~some).unsqueeze(1)
        unit = torch.eye(S, dtype=keys.dtype, device=keys.device).expand(B, 1, S, S)
        context = F.scaled_dot_product_attention(q, k, k, attn_mask=mask, scale=1.0).squeeze(1)
        weights = F.scaled_dot_product_attention(q, k, unit, attn_mask=mask, scale=1.0).squeeze(1)
        if some is None:
            return context, weights
        return context.masked_fill(~some, 0), weights.masked_fill(~some, 0)


class right_vmap(nn.Module):
    """Written for one query and its keys, then mapped twice."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, key_dim) * 0.1)

    def _one(self, query, keys, allowed):
        energies = keys @ (self.W.T @ query)
        filled = torch.where(allowed, energies, torch.finfo(energies.dtype).min)
        weights = torch.where(allowed, torch.softmax(filled, 0), 0.0)
        return weights @ keys, weights

    def forward(self, queries, keys, mask=None):
        shape = queries.shape[0], queries.shape[1], keys.shape[1]
        if mask is None:
            mask = torch.ones((), dtype=torch.bool, device=keys.device)
        elif mask.dim() == 2:
            mask = mask[:, None]
        over_queries = torch.vmap(self._one, in_dims=(0, None, 0))
        return torch.vmap(over_queries)(queries, keys, mask.expand(shape))


class right_low_bias_and_baddbmm(nn.Module):
    """A very low finite bias is added by baddbmm; the mask closes the places after the softmax."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.orthogonal_(self.W)

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        W = self.W.unsqueeze(0).expand(B, -1, -1)
        q, k_t = torch.bmm(queries, W), keys.transpose(1, 2)
        if mask is None:
            weights = torch.bmm(q, k_t).softmax(dim=-1)
            return torch.bmm(weights, keys), weights
        open_ = mask.reshape(B, -1, S).expand(B, T, S).to(keys.dtype)
        bias = (1 - open_) * (torch.finfo(keys.dtype).min / 2)
        weights = torch.baddbmm(bias, q, k_t).softmax(dim=-1) * open_
        return torch.bmm(weights, keys), weights


class _Attend(torch.autograd.Function):
    """Softmax and weighted sum together, with the backward written out."""

    @staticmethod
    def forward(ctx, scores, values, allowed):
        low = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
        power = torch.exp(low - low.max(dim=-1, keepdim=True).values) * allowed
        weights = power / power.sum(dim=-1, keepdim=True).clamp(min=0.5)
        ctx.save_for_backward(weights, values)
        return torch.bmm(weights, values), weights

    @staticmethod
    def backward(ctx, grad_context, grad_weights):
        weights, values = ctx.saved_tensors
        grad = torch.bmm(grad_context, values.transpose(1, 2)) + grad_weights
        grad_scores = weights * (grad - (weights * grad).sum(dim=-1, keepdim=True))
        return grad_scores, torch.bmm(weights.transpose(1, 2), grad_context), None


class right_own_backward(nn.Module):
    """An autograd.Function that returns context and weights, with a backward of its own."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, key_dim).div(math.sqrt(query_dim)))

    def forward(self, queries, keys, mask=None):
        scores = queries @ (self.W @ keys.mT)
        if mask is None:
            allowed = scores.new_ones((), dtype=torch.bool).expand_as(scores)
        else:
            allowed = _three_axes(mask).expand_as(scores)
        return _Attend.apply(scores, keys, allowed)


class right_only_the_allowed_pairs(nn.Module):
    """Only allowed pairs are scored, as one long list; rows are put together with index_add."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        with torch.no_grad():
            self.W.uniform_(-0.1, 0.1)

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        if mask is None:
            mask = torch.ones(B, T, S, dtype=torch.bool, device=keys.device)
        b, i, j = torch.nonzero(_three_axes(mask).expand(B, T, S), as_tuple=True)
        energy = ((queries @ self.W)[b, i] * keys[b, j]).sum(dim=-1)
        row = b * T + i
        top = energy.new_full((B * T,), torch.finfo(energy.dtype).min)
        top = top.scatter_reduce(0, row, energy.detach(), reduce="amax")
        power = torch.exp(energy - top[row])
        total = power.new_zeros(B * T).index_add(0, row, power)
        weights = queries.new_zeros(B, T, S).index_put((b, i, j), power / total[row])
        return weights @ keys, weights


class right_single_precision_inside_for_bfloat16(nn.Module):
    """bfloat16 is widened to float32 for the sums and cast back; other dtypes stay as they are."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.zeros(query_dim, key_dim), gain=0.5))

    def forward(self, queries, keys, mask=None):
        dtype = keys.dtype
        if dtype == torch.bfloat16:
            context, weights = self._attend(queries.float(), keys.float(), self.W.float(), mask)
            return context.to(dtype), weights.to(dtype)
        return self._attend(queries, keys, self.W, mask)

    @staticmethod
    def _attend(queries, keys, W, mask):
        scores = (queries @ W).bmm(keys.transpose(1, 2))
        weights = _masked_softmax(scores, mask)
        return weights.bmm(keys), weights


class right_keys_along_the_second_axis(nn.Module):
    """Scores as (B, S, T): the softmax over keys is over axis 1; transposed at the end."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, key_dim) * 0.02)

    def forward(self, queries, keys, mask=None):
        scores = torch.bmm(keys, (queries @ self.W).transpose(1, 2))
        if mask is None:
            weights = F.softmax(scores, dim=1).transpose(1, 2)
        else:
            keep = mask[:, :, None] if mask.dim() == 2 else mask.transpose(1, 2)
            log_weights = F.log_softmax(scores.masked_fill(~keep, torch.finfo(scores.dtype).min), dim=1)
            weights = (log_weights.exp() * keep).transpose(1, 2)
        return torch.bmm(weights, keys), weights


class right_early_return(nn.Module):
    """No mask: out at once. A mask: rows are filled in place, in a tensor of its own."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.query_dim, self.key_dim = query_dim, key_dim
        self.W = nn.Parameter(torch.normal(0.0, 0.1, size=(query_dim, key_dim)))

    def __repr__(self):
        return f"BilinearAttention({self.query_dim}, {self.key_dim})"

    def forward(self, queries, keys, mask=None):
        scores = torch.tensordot(queries, self.W, dims=1) @ keys.transpose(1, 2)
        if mask is None:
            weights = scores.softmax(-1)
            return weights @ keys, weights
        grid = mask.clone() if mask.dim() == 3 else mask[:, None].repeat(1, queries.size(1), 1)
        empty = ~grid.any(-1)
        grid[empty] = True
        scores[~grid] = -torch.inf
        weights = scores.softmax(-1).masked_fill(empty[..., None], 0.0)
        return weights @ keys, weights


class right_one_pass_over_the_keys(nn.Module):
    """Running maximum and total, one key at a time."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, key_dim) / (query_dim * key_dim) ** 0.25)

    def forward(self, queries, keys, mask=None):
        q = queries @ self.W
        B, T, S = q.shape[0], q.shape[1], keys.shape[1]
        allowed = (
            torch.ones(B, 1, S, dtype=torch.bool, device=q.device) if mask is None else _three_axes(mask)
        )
        low = torch.finfo(q.dtype).min
        top, total = q.new_full((B, T), low), q.new_zeros(B, T)
        scores = []
        for j in range(S):
            score = torch.where(allowed[..., j], (q * keys[:, j, None]).sum(-1), low)
            higher = torch.maximum(top, score.detach())
            here = torch.where(allowed[..., j], torch.exp(score - higher), 0.0)
            total = total * torch.exp(top - higher) + here
            top = higher
            scores.append(score)
        power = torch.exp(torch.stack(scores, -1) - top.unsqueeze(-1)) * allowed
        weights = power / torch.where(total > 0, total, 1.0).unsqueeze(-1)
        return weights @ keys, weights


class right_logsumexp(nn.Module):
    """Shifted scores, logsumexp, exp; a row without keys is opened before and closed after."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))
        nn.init.trunc_normal_(self.W, std=0.05)

    def forward(self, queries, keys, mask=None):
        scores = torch.einsum("btq,bsq->bts", queries, keys @ self.W.t())
        if mask is None:
            return self._mix(scores, keys)
        mask = mask.unsqueeze(-2) if mask.dim() == 2 else mask
        some = mask.any(-1, keepdim=True)
        context, weights = self._mix(scores.masked_fill(~mask & some, -torch.inf), keys)
        return torch.where(some, context, 0.0), torch.where(some, weights, 0.0)

    @staticmethod
    def _mix(scores, keys):
        scores = scores - scores.max(dim=-1, keepdim=True)[0].detach()
        weights = (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()
        return weights @ keys, weights


# ------------------------------------------------------------------- wrong: how the module is made


class wrong_uninitialised_parameter(nn.Module):
    """FloatTensor reserves memory and puts nothing into it; no seed helps."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.FloatTensor(query_dim, key_dim))

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_initialiser_not_called(nn.Module):
    """There is a reset_parameters, and nobody calls it."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.empty(query_dim, key_dim))

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.W)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_starts_at_zero(_Bilinear):
    """W starts at 0."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W = nn.Parameter(torch.zeros(query_dim, key_dim))


class wrong_starts_at_one_over_size(_Bilinear):
    """Every entry of W starts at the same number."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W = nn.Parameter(torch.full((query_dim, key_dim), 1 / key_dim))


class wrong_starts_as_the_unit_matrix(_Bilinear):
    """W starts as the unit matrix, whatever the seed."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W = nn.Parameter(torch.eye(query_dim, key_dim))


class wrong_starts_as_a_ramp(_Bilinear):
    """W starts as evenly spaced numbers, whatever the seed."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        ramp = torch.linspace(-0.1, 0.1, query_dim * key_dim)
        self.W = nn.Parameter(ramp.reshape(query_dim, key_dim))


class wrong_generator_with_a_fixed_seed(_Bilinear):
    """A generator seeded with 0 draws the same W every time."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        generator = torch.Generator().manual_seed(0)
        self.W = nn.Parameter(torch.randn(query_dim, key_dim, generator=generator) * 0.1)


class wrong_starts_with_a_nan(_Bilinear):
    """The logarithm of numbers from 0 to 1, moved: some start as NaN."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W = nn.Parameter(torch.log(torch.rand(query_dim, key_dim) - 0.5))


class wrong_plain_tensor(nn.Module):
    """W is a tensor with requires_grad, not a parameter."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = torch.randn(query_dim, key_dim).requires_grad_()

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W.to(queries.dtype) @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_parameter_converted(nn.Module):
    """Parameter(…).to(…) is a plain tensor, so nothing is registered."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, key_dim)).to(torch.float64)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W.to(queries.dtype) @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_buffer(nn.Module):
    """W is a buffer: saved, moved, and never trained."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.register_buffer("W", torch.randn(query_dim, key_dim) * 0.1)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_frozen_parameter(_Bilinear):
    """W does not ask for a gradient."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W.requires_grad = False


class wrong_parameter_in_a_dict(nn.Module):
    """W hides in a plain dict."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.weights = {"W": nn.Parameter(torch.randn(query_dim, key_dim) * 0.1)}

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.weights["W"] @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_linear_layer_for_w(nn.Module):
    """W is a Linear layer, so the parameter is called W.weight."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Linear(key_dim, query_dim, bias=False)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(torch.bmm(queries, self.W(keys).transpose(1, 2)), mask)
        return torch.bmm(weights, keys), weights


class wrong_bilinear_layer(nn.Module):
    """nn.Bilinear brings a third axis, a bias and other names."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.scorer = nn.Bilinear(query_dim, key_dim, 1)

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        left = queries.unsqueeze(2).expand(-1, -1, S, -1).contiguous()
        right = keys.unsqueeze(1).expand(-1, T, -1, -1).contiguous()
        weights = _masked_softmax(self.scorer(left, right).view(B, T, S), mask)
        return torch.bmm(weights, keys), weights


class wrong_matrix_stored_transposed(nn.Module):
    """W is kept as (Dk, Dq): silent where the sizes agree."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(key_dim, query_dim) * 0.1)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.W.T @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_square_matrix(_Bilinear):
    """W is (Dq, Dq), so only keys of the query's size fit."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, query_dim)


class wrong_order_of_the_arguments(_Bilinear):
    """The constructor takes the key's size first."""

    def __init__(self, key_dim, query_dim):
        super().__init__(query_dim, key_dim)


class wrong_bias_added(_Bilinear):
    """A trained bias on the score: its gradient is always 0."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.bias = nn.Parameter(torch.zeros(1))

    def score(self, queries, keys):
        return super().score(queries, keys) + self.bias


class wrong_temperature_learnt(_Bilinear):
    """A trained temperature that starts at 1."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.temperature = nn.Parameter(torch.ones(()))

    def attend(self, scores, mask):
        return _masked_softmax(scores / self.temperature, mask)


class wrong_two_small_matrices(nn.Module):
    """W as a product of two smaller matrices, under other names."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.left = nn.Parameter(torch.randn(query_dim, 2))
        self.right = nn.Parameter(torch.randn(2, key_dim))

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(queries @ self.left @ self.right @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_matrix_made_in_forward(nn.Module):
    """W is drawn anew in every call."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.query_dim, self.key_dim = query_dim, key_dim

    def forward(self, queries, keys, mask=None):
        W = nn.Parameter(torch.randn(self.query_dim, self.key_dim, dtype=keys.dtype, device=keys.device))
        weights = _masked_softmax(queries @ W @ keys.transpose(1, 2), mask)
        return torch.bmm(weights, keys), weights


class wrong_matrix_drawn_again(_Bilinear):
    """W is registered and then drawn again at the top of forward."""

    def score(self, queries, keys):
        nn.init.xavier_uniform_(self.W)
        return super().score(queries, keys)


class wrong_transposed_copy_from_construction(_Bilinear):
    """forward uses a transposed copy of W from construction, so W itself is never used."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.W_t = self.W.detach().T.clone()

    def score(self, queries, keys):
        return torch.bmm(queries, (keys @ self.W_t.to(keys.dtype)).transpose(1, 2))


class wrong_matrix_normalised_in_place(_Bilinear):
    """W is divided by its norm in every call, through .data."""

    def score(self, queries, keys):
        self.W.data = F.normalize(self.W.data, dim=0)
        return super().score(queries, keys)


# --------------------------------------------------------------- wrong: something is remembered


class wrong_keys_of_the_first_call(_Bilinear):
    """The projected keys of the first call serve every later call."""

    projected = None

    def score(self, queries, keys):
        if self.projected is None:
            self.projected = self.W @ keys.transpose(1, 2)
        return queries @ self.projected


class wrong_keys_kept_while_the_shape_stays(_Bilinear):
    """The projected keys are made again only when their shape or dtype changes."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.projected = None

    def score(self, queries, keys):
        old = self.projected
        if old is None or old.dtype != keys.dtype or (old.shape[0], old.shape[2]) != keys.shape[:2]:
            self.projected = (self.W @ keys.transpose(1, 2)).detach()
        return queries @ self.projected


class wrong_weights_mixed_with_the_last(_Bilinear):
    """The weights are averaged with those of the call before, where the shapes agree."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.last = None

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        if self.last is not None and self.last.shape == weights.shape and self.last.dtype == weights.dtype:
            weights = 0.5 * weights + 0.5 * self.last
        self.last = weights.detach()
        return weights


class wrong_mask_remembered(_Bilinear):
    """A mask once given is used again when none is given."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.mask = None

    def attend(self, scores, mask):
        self.mask = mask if mask is not None else self.mask
        if self.mask is None or self.mask.shape[-1] != scores.shape[-1] or len(self.mask) != len(scores):
            return _masked_softmax(scores, mask)
        return _masked_softmax(scores, self.mask if self.mask.dim() == 2 else mask)


class wrong_batch_size_of_the_first_call(_Bilinear):
    """W is expanded to the batch size of the first call and kept."""

    def __init__(self, query_dim, key_dim):
        super().__init__(query_dim, key_dim)
        self.batch = None

    def score(self, queries, keys):
        self.batch = self.batch or queries.shape[0]
        return torch.bmm(torch.bmm(queries, self.W.expand(self.batch, -1, -1)), keys.transpose(1, 2))


# ----------------------------------------------------------------------------- wrong: the score


class wrong_matrix_transposed_when_square(_Bilinear):
    """W is turned around as soon as its sizes allow it."""

    def score(self, queries, keys):
        W = self.W.T if self.W.shape[1] == queries.shape[-1] else self.W
        return queries @ W @ keys.transpose(1, 2)


class wrong_linear_transposes(_Bilinear):
    """F.linear(queries, W) is q Wᵀ: it fails, or is silently transposed where the sizes agree."""

    def score(self, queries, keys):
        return torch.bmm(F.linear(queries, self.W), keys.transpose(1, 2))


class wrong_plain_dot_when_sizes_agree(_Bilinear):
    """Where Dq equals Dk the dot product is taken and W plays no part."""

    def score(self, queries, keys):
        if queries.shape[-1] == keys.shape[-1]:
            return queries @ keys.transpose(1, 2)
        return super().score(queries, keys)


class wrong_scaled_by_key_size(_Bilinear):
    """Divided by the square root of Dk."""

    def score(self, queries, keys):
        return super().score(queries, keys) / math.sqrt(keys.shape[-1])


class wrong_scaled_by_query_size(_Bilinear):
    """Divided by the square root of Dq."""

    def score(self, queries, keys):
        return super().score(queries, keys) * queries.shape[-1] ** -0.5


class wrong_scaled_by_source_length(_Bilinear):
    """Divided by the number of keys."""

    def score(self, queries, keys):
        return super().score(queries, keys) / keys.shape[1]


class wrong_default_scale_of_sdpa(_Bilinear):
    """The context comes from scaled_dot_product_attention with its own 1/√d."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        allowed = None if mask is None else _three_axes(mask).expand_as(weights)
        context = F.scaled_dot_product_attention(queries @ self.W, keys, keys, attn_mask=allowed)
        return context, weights


class wrong_tanh_on_the_score(_Bilinear):
    """tanh squeezes the score into ±1."""

    def score(self, queries, keys):
        return torch.tanh(super().score(queries, keys))


class wrong_relu_on_the_score(_Bilinear):
    """Negative scores become 0."""

    def score(self, queries, keys):
        return F.relu(super().score(queries, keys))


class wrong_tanh_on_the_projection(_Bilinear):
    """tanh between the projection and the dot product."""

    def score(self, queries, keys):
        return torch.tanh(queries @ self.W) @ keys.transpose(1, 2)


class wrong_cosine(_Bilinear):
    """Projected query and key are brought to length 1."""

    def score(self, queries, keys):
        return F.normalize(queries @ self.W, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)


class wrong_query_ignored(_Bilinear):
    """The mean query of the sample serves every query."""

    def score(self, queries, keys):
        mean = queries.mean(dim=1, keepdim=True).expand_as(queries)
        return super().score(mean, keys)


class wrong_keys_ignored(_Bilinear):
    """The mean key serves every key, so all weights are equal."""

    def score(self, queries, keys):
        return super().score(queries, keys.mean(dim=1, keepdim=True).expand_as(keys))


class wrong_last_query_for_all(_Bilinear):
    """Only the last query is scored."""

    def score(self, queries, keys):
        last = super().score(queries[:, -1:], keys)
        return last.expand(-1, queries.shape[1], -1)


class wrong_distance_instead_of_product(_Bilinear):
    """Minus the squared distance of projected query and key."""

    def score(self, queries, keys):
        return -((queries @ self.W).unsqueeze(2) - keys.unsqueeze(1)).square().sum(dim=-1)


class wrong_reversed_axes(_Bilinear):
    """permute(2, 1, 0), as .T does on three axes: fails, or mixes samples where B equals Dk."""

    def score(self, queries, keys):
        return queries @ self.W @ keys.permute(2, 1, 0)


class wrong_view_for_transpose(_Bilinear):
    """reshape(B, Dk, S) has the right shape and scrambled content."""

    def score(self, queries, keys):
        B, S, Dk = keys.shape
        return queries @ self.W @ keys.reshape(B, Dk, S)


class wrong_keys_of_another_sample(_Bilinear):
    """The batch is rolled by one between query and key."""

    def score(self, queries, keys):
        return super().score(queries, keys.roll(1, dims=0))


class wrong_centred_over_the_batch(_Bilinear):
    """The mean over the batch is taken from the keys before scoring."""

    def score(self, queries, keys):
        return super().score(queries, keys - keys.mean(dim=0, keepdim=True))


class wrong_position_added(_Bilinear):
    """A small bonus for early keys: the order of the keys matters."""

    def score(self, queries, keys):
        place = torch.arange(keys.shape[1], device=keys.device, dtype=keys.dtype)
        return super().score(queries, keys) - 0.1 * place


# --------------------------------------------------------------------------- wrong: the softmax


class wrong_softmax_over_queries(_Bilinear):
    """The softmax runs over the T queries."""

    def attend(self, scores, mask):
        if mask is None:
            return F.softmax(scores, dim=-2)
        return F.softmax(scores.masked_fill(~_three_axes(mask), -1e30), dim=-2) * _three_axes(mask)


class wrong_softmax_over_the_batch(_Bilinear):
    """F.softmax(…, dim=0), as in the seed, over the samples."""

    def attend(self, scores, mask):
        weights = F.softmax(scores, dim=0)
        return weights if mask is None else weights.masked_fill(~_three_axes(mask), 0.0)


class wrong_softmax_over_all_pairs(_Bilinear):
    """One softmax over the flattened (T, S) grid."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -math.inf)
        return scores.reshape(scores.shape[0], -1).softmax(dim=-1).reshape(scores.shape).nan_to_num()


class wrong_softmax_twice(_Bilinear):
    """The weights go through a second softmax."""

    def attend(self, scores, mask):
        weights = torch.softmax(_masked_softmax(scores, mask), dim=-1)
        return weights if mask is None else weights * _three_axes(mask)


class wrong_divided_by_the_sum(_Bilinear):
    """Scores divided by their sum, without exp."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores * _three_axes(mask)
        total = scores.sum(dim=-1, keepdim=True)
        return scores / torch.where(total == 0, torch.ones_like(total), total)


class wrong_exponentials_without_shift(_Bilinear):
    """exp of the raw scores overflows."""

    def attend(self, scores, mask):
        power = torch.exp(scores)
        if mask is not None:
            power = torch.where(_three_axes(mask), power, 0.0)
        total = power.sum(dim=-1, keepdim=True)
        return torch.where(total > 0, power / total, 0.0)


class wrong_shift_by_the_global_maximum(_Bilinear):
    """One maximum for the whole batch: low rows underflow to 0."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), torch.finfo(scores.dtype).min)
        power = torch.exp(scores - scores.max().detach())
        if mask is not None:
            power = power * _three_axes(mask)
        return power / power.sum(dim=-1, keepdim=True).clamp(min=1e-30)


class wrong_shift_counts_masked_places(_Bilinear):
    """The maximum is taken before masking."""

    def attend(self, scores, mask):
        power = torch.exp(scores - scores.max(dim=-1, keepdim=True).values.detach())
        if mask is not None:
            power = power * _three_axes(mask).to(power.dtype)
        total = power.sum(dim=-1, keepdim=True)
        return power / total.masked_fill(total == 0, 1)


class wrong_pairs_of_differences(_Bilinear):
    """1 / Σ exp(e_k - e_j): the right value, a NaN gradient where exp overflows."""

    def attend(self, scores, mask):
        gaps = scores.unsqueeze(-2) - scores.unsqueeze(-1)
        if mask is None:
            return 1 / torch.exp(gaps).sum(dim=-1)
        allowed = _three_axes(mask)
        total = torch.exp(gaps.masked_fill(~allowed.unsqueeze(-2), -math.inf)).sum(dim=-1)
        return torch.where(allowed, 1 / total.masked_fill(~allowed, 1), 0.0)


class wrong_large_epsilon(_Bilinear):
    """0.001 is added to the total."""

    def attend(self, scores, mask):
        allowed = torch.ones_like(scores).bool() if mask is None else _three_axes(mask)
        filled = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
        power = torch.exp(filled - filled.amax(dim=-1, keepdim=True)) * allowed
        return power / (power.sum(dim=-1, keepdim=True) + 1e-3)


class wrong_scores_clamped(_Bilinear):
    """Scores are held within ±10."""

    def attend(self, scores, mask):
        return _masked_softmax(torch.clamp(scores, min=-10, max=10), mask)


class wrong_extra_one_in_the_total(_Bilinear):
    """exp / (1 + Σ exp): a row can weigh less than 1."""

    def attend(self, scores, mask):
        allowed = torch.ones_like(scores).bool() if mask is None else _three_axes(mask).expand_as(scores)
        nothing = torch.zeros_like(scores[..., :1])
        padded = torch.cat([scores.masked_fill(~allowed, -math.inf), nothing], dim=-1)
        return torch.softmax(padded, dim=-1)[..., :-1]


class wrong_logarithm_of_the_weights(_Bilinear):
    """log_softmax is returned as weights; the context is right."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, torch.log(weights + 1e-9)


class wrong_scores_for_weights(_Bilinear):
    """The softmax is missing altogether."""

    def attend(self, scores, mask):
        return scores if mask is None else scores * _three_axes(mask)


class wrong_temperature(_Bilinear):
    """A temperature of one half sharpens the weights."""

    def attend(self, scores, mask):
        return _masked_softmax(scores / 0.5, mask)


class wrong_best_key_only(_Bilinear):
    """All the weight goes to the best key; a trick keeps the gradient alive."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        best = F.one_hot(weights.argmax(dim=-1), weights.shape[-1]).to(weights.dtype)
        if mask is not None:
            best = best * _three_axes(mask)
        return best + weights - weights.detach()


class wrong_weights_rounded(_Bilinear):
    """The weights are rounded to three digits for display."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        return weights + (torch.round(weights * 1000) / 1000 - weights).detach()


# ------------------------------------------------------------------------------ wrong: the mask


class wrong_mask_ignored(_Bilinear):
    """The mask is accepted and never used."""

    def forward(self, queries, keys, mask=None):
        weights = F.softmax(self.score(queries, keys), dim=-1)
        return weights @ keys, weights


class wrong_mask_polarity(_Bilinear):
    """True is read as padding, as nn.MultiheadAttention does."""

    def attend(self, scores, key_padding_mask):
        if key_padding_mask is not None:
            scores = scores.masked_fill(_three_axes(key_padding_mask), -math.inf)
        return torch.softmax(scores, dim=-1).nan_to_num(0.0)


class wrong_masked_after_softmax(_Bilinear):
    """Zeros after the softmax, and rows that no longer sum to 1."""

    def attend(self, scores, mask):
        weights = scores.softmax(dim=-1)
        return weights if mask is None else torch.where(_three_axes(mask), weights, torch.zeros_like(weights))


class wrong_masked_after_softmax_then_rescaled(_Bilinear):
    """Zeros after the softmax, then rescaled with 1e-9 for safety: lost where masked scores are high."""

    def attend(self, scores, mask):
        weights = scores.softmax(dim=-1)
        if mask is None:
            return weights
        weights = weights * _three_axes(mask)
        return weights / (weights.sum(dim=-1, keepdim=True) + 1e-9)


class wrong_scores_times_mask(_Bilinear):
    """Masked scores become 0 and keep a weight; only the empty rows are seen to."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores * allowed, dim=-1) * allowed.any(dim=-1, keepdim=True)


class wrong_fill_of_zero(_Bilinear):
    """masked_fill with 0."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), 0)
        return torch.softmax(scores, dim=-1)


class wrong_fill_of_minus_hundred(_Bilinear):
    """-100 is not low enough."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        return _masked_softmax(scores.masked_fill(~_three_axes(mask), -100), None) * _three_axes(mask).any(
            -1, True
        )


class wrong_fill_of_minus_ten_thousand(_Bilinear):
    """-1e4 is a score that real keys can have; a row of them keeps too little."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(torch.where(allowed, scores, -1e4), dim=-1) * allowed


class wrong_large_penalty_added(_Bilinear):
    """-1e4 is added to masked scores, which can be as high as that themselves."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores - 1e4 * (~allowed), dim=-1) * allowed


class wrong_empty_row_uniform(_Bilinear):
    """The smallest number as fill and nothing more: an empty row looks at everything."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), torch.finfo(scores.dtype).min)
        return torch.softmax(scores, dim=-1)


class wrong_empty_row_nan(_Bilinear):
    """-inf and nothing more."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = torch.where(_three_axes(mask), scores, -math.inf)
        return torch.softmax(scores, dim=-1)


class wrong_empty_row_nan_gradient(_Bilinear):
    """-inf added as a bias: nan_to_num repairs the values, the gradient stays NaN."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        bias = torch.where(_three_axes(mask), 0.0, -math.inf).to(scores.dtype)
        return torch.nan_to_num(torch.softmax(scores + bias, dim=-1), nan=0.0)


class wrong_empty_row_division(_Bilinear):
    """exp by hand, right but for an empty row: 0 / 0."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        filled = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        power = torch.exp(filled - filled.amax(dim=-1, keepdim=True)) * allowed
        return power / power.sum(dim=-1, keepdim=True)


class wrong_zero_times_infinity(_Bilinear):
    """mask·score + (1 - mask)·(-inf) holds 0·inf."""

    def attend(self, scores, mask):
        if mask is not None:
            m = _three_axes(mask).to(scores.dtype)
            scores = m * scores + (1 - m) * float("-inf")
        return torch.softmax(scores, dim=-1)


class wrong_masked_fill_thrown_away(_Bilinear):
    """The filled scores are not kept."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        if mask is not None:
            torch.masked_fill(scores, ~_three_axes(mask), -1e30)
        weights = scores.softmax(-1)
        return weights @ keys, weights


class wrong_only_three_dimensional_masks(_Bilinear):
    """Only a (B, T, S) mask fits; a (B, S) one is laid over (T, S), silent where B equals T."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        return torch.softmax(scores.masked_fill(~mask, -1e30), dim=-1) * mask


class wrong_only_two_dimensional_masks(_Bilinear):
    """A (B, T, S) mask is refused."""

    def attend(self, scores, mask):
        if mask is not None and mask.dim() != 2:
            raise ValueError("the mask must be (B, S)")
        return _masked_softmax(scores, mask)


class wrong_any_query_opens_a_key(_Bilinear):
    """A (B, T, S) mask is folded into (B, S) with any."""

    def attend(self, scores, mask):
        if mask is not None and mask.dim() == 3:
            mask = mask.any(dim=1)
        return _masked_softmax(scores, mask)


class wrong_mask_transposed_when_lengths_agree(_Bilinear):
    """A (B, T, S) mask is turned around where T equals S."""

    def attend(self, scores, mask):
        if mask is not None and mask.dim() == 3 and mask.shape[1] == mask.shape[2]:
            mask = mask.transpose(1, 2)
        return _masked_softmax(scores, mask)


class wrong_mask_on_the_query_axis(_Bilinear):
    """A (B, S) mask blocks queries: silent where T equals S."""

    def attend(self, scores, mask):
        if mask is None or mask.dim() == 3:
            return _masked_softmax(scores, mask)
        return _masked_softmax(scores, mask[:, :, None].expand(-1, -1, scores.shape[-1]))


class wrong_mask_read_as_lengths(_Bilinear):
    """The mask is turned into lengths, so holes move to the end."""

    def attend(self, scores, mask):
        if mask is None:
            return scores.softmax(-1)
        lengths = mask.sum(-1, keepdim=True)
        prefix = torch.arange(mask.shape[-1], device=mask.device).expand_as(mask) < lengths
        return _masked_softmax(scores, prefix)


class wrong_last_place_counted(_Bilinear):
    """The mask ends at its last True, so holes before it are open."""

    def attend(self, scores, mask):
        if mask is None:
            return scores.softmax(-1)
        until = mask.flip(-1).cummax(dim=-1).values.flip(-1) if mask.shape[-1] else mask
        return _masked_softmax(scores, until.bool())


class wrong_without_mask_fails(_Bilinear):
    """~None: the mask is not optional here."""

    def attend(self, scores, mask):
        blocked = ~mask if mask.dim() == 3 else ~mask.unsqueeze(1)
        return scores.masked_fill(blocked, -torch.inf).softmax(-1).nan_to_num()


class wrong_truth_value_of_the_mask(_Bilinear):
    """`mask or …` asks for one truth value of many."""

    def attend(self, scores, mask):
        return _masked_softmax(scores, mask or torch.ones_like(scores, dtype=torch.bool))


class wrong_real_keys_packed_together(_Bilinear):
    """keys[mask].view(B, -1, Dk) needs the same number of real keys in each sample."""

    def forward(self, queries, keys, mask=None):
        if mask is not None and mask.dim() == 2:
            keys = keys[mask].view(keys.shape[0], -1, keys.shape[2])
            mask = None
        return super().forward(queries, keys, mask)


class wrong_context_from_unmasked_weights(_Bilinear):
    """The weights are masked, the context uses those from before."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        return torch.softmax(scores, dim=-1) @ keys, _masked_softmax(scores, mask)


class wrong_empty_sample_only(_Bilinear):
    """Only a sample without any key is emptied; one empty row in a sample looks at everything."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        weights = torch.softmax(scores.masked_fill(~allowed, torch.finfo(scores.dtype).min), dim=-1)
        return weights * allowed.flatten(1).any(dim=1)[:, None, None]


class wrong_padded_rows_emptied(_Bilinear):
    """all where any is meant: every row with padding is set to 0."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        return weights if mask is None else weights * _three_axes(mask).all(dim=-1, keepdim=True)


class wrong_empty_row_takes_first_key(_Bilinear):
    """An empty row is sent to key 0."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        first = torch.arange(mask.shape[-1], device=mask.device) == 0
        return _masked_softmax(scores, mask | (~mask.any(dim=-1, keepdim=True) & first))


class wrong_zero_scores_taken_for_padding(_Bilinear):
    """A score of exactly 0 is masked although the mask does not say so."""

    def attend(self, scores, mask):
        real = scores != 0
        return _masked_softmax(scores, real if mask is None else real & _three_axes(mask))


class wrong_causal_when_lengths_agree(_Bilinear):
    """SDPA's is_causal is switched on where T equals S."""

    def attend(self, scores, mask):
        T, S = scores.shape[-2:]
        past = torch.ones(T, S, dtype=torch.bool, device=scores.device)
        past = past.tril() if T == S else past
        return _masked_softmax(scores, past.expand_as(scores) if mask is None else _three_axes(mask) & past)


# -------------------------------------------------------------- wrong: the context and the shapes


class wrong_context_of_projected_keys(_Bilinear):
    """The projected keys are mixed, so the context has Dq numbers."""

    def forward(self, queries, keys, mask=None):
        projected = keys @ self.W.T
        weights = _masked_softmax(queries @ projected.transpose(1, 2), mask)
        return weights @ projected, weights


class wrong_context_of_projected_keys_when_it_fits(_Bilinear):
    """The projected keys are mixed where Dq equals Dk."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        projected = keys @ self.W.T
        return (weights @ projected if projected.shape == keys.shape else context), weights


class wrong_sum_of_the_keys(_Bilinear):
    """The context is the plain sum of the keys."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        return torch.ones_like(weights) @ keys, weights


class wrong_mean_after_weighting(_Bilinear):
    """mean where sum is meant: the context is S times too small."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        return (weights.unsqueeze(-1) * keys.unsqueeze(1)).mean(dim=2), weights


class wrong_best_key_as_context(_Bilinear):
    """The weights are right; the context is the best key alone."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        best = weights.argmax(dim=-1, keepdim=True).expand_as(context)
        return keys.gather(1, best) * (weights.sum(-1, keepdim=True) > 0.5), weights


class wrong_context_of_queries_when_it_fits(_Bilinear):
    """Queries are mixed where queries and keys have one shape."""

    def forward(self, queries, keys, mask=None):
        values = queries if queries.shape == keys.shape else keys
        weights = _masked_softmax(self.score(queries, keys), mask)
        return weights @ values, weights


class wrong_query_added_to_the_context(_Bilinear):
    """A residual connection where the sizes allow one."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return (context + queries if context.shape == queries.shape else context), weights


class wrong_results_swapped(_Bilinear):
    """(weights, context)."""

    def forward(self, queries, keys, mask=None):
        weights = self.attend(self.score(queries, keys), mask)
        return weights, weights @ keys


class wrong_weights_only(_Bilinear):
    """The context is forgotten."""

    def forward(self, queries, keys, mask=None):
        return self.attend(self.score(queries, keys), mask)


class wrong_three_results(_Bilinear):
    """The scores come along as a third result."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        weights = self.attend(scores, mask)
        return weights @ keys, weights, scores


class wrong_dictionary(_Bilinear):
    """A dict of results."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return {"context": context, "weights": weights}


class wrong_weights_transposed(_Bilinear):
    """The weights come back as (B, S, T)."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, weights.transpose(1, 2)


class wrong_head_axis_kept(_Bilinear):
    """An axis for one head stays in both results."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.unsqueeze(1), weights.unsqueeze(1)


class wrong_bare_squeeze(_Bilinear):
    """squeeze() on the results drops every axis of size 1."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.squeeze(), weights.squeeze()


class wrong_batch_axis_dropped(_Bilinear):
    """With one sample the batch axis is dropped."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.squeeze(0), weights.squeeze(0)


class wrong_one_sample_fails(_Bilinear):
    """squeeze before bmm: dies with one sample, one query or one key."""

    def score(self, queries, keys):
        projected = torch.einsum("btq,qk->btk", queries, self.W).squeeze()
        return torch.bmm(projected, keys.squeeze().transpose(1, 2))


class wrong_needs_contiguous_inputs(_Bilinear):
    """view refuses keys that are not contiguous."""

    def score(self, queries, keys):
        B, S, Dk = keys.shape
        projected = keys.view(-1, Dk) @ self.W.T
        return torch.bmm(queries, projected.view(B, S, -1).transpose(1, 2))


class wrong_strides_assumed(_Bilinear):
    """as_strided reads the memory as if the queries were contiguous."""

    def score(self, queries, keys):
        B, T, Dq = queries.shape
        return super().score(queries.as_strided((B, T, Dq), (T * Dq, Dq, 1)), keys)


class wrong_sizes_of_one_example(_Bilinear):
    """The weights are viewed as (2, 3, 4)."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, weights.reshape(2, 3, 4)


class wrong_eight_keys_at_most(_Bilinear):
    """A window of eight keys; the rest is never looked at."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        seen = torch.zeros_like(scores, dtype=torch.bool)
        seen[..., :8] = True
        weights = _masked_softmax(scores, seen if mask is None else seen & _three_axes(mask))
        return weights @ keys, weights


# -------------------------------------------------------------------------- wrong: the gradients


class wrong_no_grad(_Bilinear):
    """Everything runs under no_grad."""

    def forward(self, queries, keys, mask=None):
        with torch.no_grad():
            return super().forward(queries, keys, mask)


class wrong_inference_mode(_Bilinear):
    """inference_mode: the results can never be part of a backward."""

    @torch.inference_mode()
    def forward(self, queries, keys, mask=None):
        return super().forward(queries, keys, mask)


class wrong_queries_detached(_Bilinear):
    """The queries get no gradient."""

    def score(self, queries, keys):
        return super().score(queries.detach(), keys)


class wrong_matrix_detached(_Bilinear):
    """W.data: W gets no gradient."""

    def score(self, queries, keys):
        return queries @ self.W.data @ keys.transpose(1, 2)


class wrong_keys_detached_in_the_score(_Bilinear):
    """The keys get a gradient through the context only."""

    def score(self, queries, keys):
        with torch.no_grad():
            fixed = keys.clone()
        return super().score(queries, fixed)


class wrong_keys_detached_in_the_context(_Bilinear):
    """The keys get a gradient through the scores only."""

    def forward(self, queries, keys, mask=None):
        weights = self.attend(self.score(queries, keys), mask)
        return weights @ keys.data, weights


class wrong_weights_returned_detached(_Bilinear):
    """The weights come back detached."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, weights.detach()


class wrong_maximum_not_detached_total_detached(_Bilinear):
    """The softmax's total is detached: right values, wrong gradient."""

    def attend(self, scores, mask):
        allowed = torch.ones_like(scores).bool() if mask is None else _three_axes(mask)
        filled = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
        power = torch.exp(filled - filled.amax(dim=-1, keepdim=True).detach()) * allowed
        total = power.sum(dim=-1, keepdim=True).detach()
        return power / total.masked_fill(total == 0, 1)


class _HalfBackward(torch.autograd.Function):
    """Softmax whose backward leaves out the sum over the row."""

    @staticmethod
    def forward(ctx, scores, mask):
        weights = _masked_softmax(scores, mask)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, grad):
        (weights,) = ctx.saved_tensors
        return weights * (1 - weights) * grad, None


class wrong_diagonal_of_the_softmax_backward(_Bilinear):
    """A backward of one's own with w(1 - w) only, as for a sigmoid."""

    def attend(self, scores, mask):
        return _HalfBackward.apply(scores, mask)


class wrong_gradient_of_w_scaled(_Bilinear):
    """The gradient of W is made ten times smaller on the way back."""

    def score(self, queries, keys):
        W = 0.1 * self.W + 0.9 * self.W.detach()
        return queries @ W @ keys.transpose(1, 2)


class wrong_through_numpy(_Bilinear):
    """The context is computed with numpy and turned back into a tensor."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        context = weights.detach().double().numpy() @ keys.detach().double().numpy()
        return torch.from_numpy(context).to(keys.dtype), weights


class wrong_backward_raises(_Bilinear):
    """The softmax's output is changed in place, and backward needs it."""

    def attend(self, scores, mask):
        weights = torch.softmax(scores, dim=-1)
        if mask is not None:
            weights.masked_fill_(~_three_axes(mask), 0.0)
            weights /= weights.sum(dim=-1, keepdim=True)
        return weights


# ------------------------------------------------------------------ wrong: inputs written, dtypes


class wrong_padded_keys_zeroed_in_place(_Bilinear):
    """The caller's padded keys are set to 0 when a mask is given."""

    def forward(self, queries, keys, mask=None):
        if mask is not None and mask.dim() == 2:
            with torch.no_grad():
                keys *= mask.unsqueeze(-1)
        return super().forward(queries, keys, mask)


class wrong_keys_normalised_in_place(_Bilinear):
    """The caller's keys are centred in place."""

    def forward(self, queries, keys, mask=None):
        keys.data -= keys.data.mean(dim=1, keepdim=True)
        return super().forward(queries, keys, mask)


class wrong_mask_opened_in_place(_Bilinear):
    """An empty row of the caller's mask is opened, to be closed later."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        empty = ~mask.any(dim=-1)
        mask[empty] = True
        weights = torch.softmax(scores.masked_fill(~_three_axes(mask), -torch.inf), dim=-1)
        return weights * (~empty).reshape(len(empty), -1, 1)


class wrong_mask_inverted_in_place(_Bilinear):
    """The caller's mask is turned around in place and not turned back."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        mask ^= True
        return _masked_softmax(scores, ~mask)


class wrong_always_single_precision(_Bilinear):
    """Inputs are cast to float32 and never cast back."""

    def forward(self, queries, keys, mask=None):
        scores = queries.float() @ self.W.float() @ keys.float().transpose(1, 2)
        weights = _masked_softmax(scores, mask)
        return weights @ keys.float(), weights


class wrong_always_double_precision(_Bilinear):
    """Inputs are cast to float64 and never cast back."""

    def forward(self, queries, keys, mask=None):
        scores = queries.double() @ self.W.double() @ keys.double().transpose(1, 2)
        weights = _masked_softmax(scores, mask)
        return weights @ keys.double(), weights


class wrong_weights_of_another_type(_Bilinear):
    """The softmax is asked for float32 and its result is returned as it is."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -torch.inf)
        weights = F.softmax(scores, dim=-1, dtype=torch.float32).nan_to_num()
        return weights.to(keys.dtype) @ keys, weights


class wrong_single_precision_inside(_Bilinear):
    """float64 is computed in float32 and cast back."""

    def attend(self, scores, mask):
        return _masked_softmax(scores.float(), mask).to(scores.dtype)


class wrong_half_precision_inside(_Bilinear):
    """The product runs in bfloat16 and is cast back."""

    def score(self, queries, keys):
        return super().score(queries, keys).bfloat16().to(queries.dtype)


class wrong_buffer_of_the_default_type(_Bilinear):
    """The context is gathered in a zeros tensor of the default dtype."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        context = torch.zeros(queries.shape[0], queries.shape[1], keys.shape[2])
        for i in range(queries.shape[1]):
            context[:, i] = torch.einsum("bs,bsd->bd", weights[:, i], keys)
        return context, weights


class wrong_float_mask(_Bilinear):
    """The mask as float32 makes the bfloat16 weights float32, and matmul refuses."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        return weights if mask is None else weights * _three_axes(mask).float()


class wrong_fill_of_another_type(_Bilinear):
    """-1e300 fits into float64 only."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores.masked_fill(~allowed, -1e300), dim=-1) * allowed


# ------------------------------------------------------------------------------- wrong: the rest


class wrong_dropout_always(_Bilinear):
    """F.dropout without `training`."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return F.dropout(context, 0.2), weights


class wrong_noise_on_the_scores(_Bilinear):
    """A little noise in every call."""

    def score(self, queries, keys):
        scores = super().score(queries, keys)
        return scores + 0.05 * torch.randn_like(scores)


class wrong_returns_nothing(_Bilinear):
    """The results are kept on the module and not returned."""

    def forward(self, queries, keys, mask=None):
        self.context, self.weights = super().forward(queries, keys, mask)


class wrong_raises_in_the_middle(_Bilinear):
    """A name that does not exist."""

    def forward(self, queries, keys, mask=None):
        weights = self.attend(self.score(queries, keys), mask)
        return self.combine(weights, keys), weights


class wrong_returns_numpy(_Bilinear):
    """Arrays come back instead of tensors."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.detach().double().numpy(), weights.detach().double().numpy()


class wrong_results_filled_with_zeros(_Bilinear):
    """Zeros of the right shape."""

    def forward(self, queries, keys, mask=None):
        weights = torch.zeros_like(self.score(queries, keys))
        return torch.zeros_like(weights @ keys), weights


class wrong_uniform_weights(_Bilinear):
    """Every allowed key gets the same weight."""

    def attend(self, scores, mask):
        allowed = torch.ones_like(scores) if mask is None else torch.ones_like(scores) * _three_axes(mask)
        return allowed / allowed.sum(dim=-1, keepdim=True).clamp(min=1)


class wrong_two_transposed_and_over_queries(_Bilinear):
    """Two mistakes: W transposed where it is square, and the softmax over the queries."""

    def forward(self, queries, keys, mask=None):
        W = self.W.T if self.W.shape[0] == self.W.shape[1] else self.W
        scores = queries @ W @ keys.transpose(1, 2)
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -1e9)
        weights = torch.softmax(scores, dim=1)
        return weights @ keys, weights


class wrong_two_scaled_and_masked_late(_Bilinear):
    """Two mistakes: 1/√d on the scores, and the mask after the softmax."""

    def forward(self, queries, keys, mask=None):
        weights = torch.softmax(self.score(queries, keys) / math.sqrt(keys.shape[-1]), dim=-1)
        if mask is not None:
            weights = weights * _three_axes(mask)
        return weights @ keys, weights


class wrong_two_seed_faults(nn.Module):
    """Two mistakes of the seed: memory as it was found, and the softmax over axis 0."""

    def __init__(self, query_dim, key_dim):
        super().__init__()
        self.W = nn.Parameter(torch.FloatTensor(query_dim, key_dim))

    def forward(self, queries, keys, mask=None):
        scores = queries @ self.W @ keys.transpose(1, 2)
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -1e9)
        weights = F.softmax(scores, dim=0)
        return weights @ keys, weights


class wrong_two_polarity_and_swapped(_Bilinear):
    """Two mistakes: mask upside down, results swapped."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), None if mask is None else ~mask)
        return weights, weights @ keys
