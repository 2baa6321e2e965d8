"""Right and wrong ways of writing `AdditiveAttention(query_dim, key_dim, attn_dim)`.

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


class _Additive(nn.Module):
    """The right module in three parts, for answers with one mistake in one part."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def score(self, queries, keys):
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))
        return self.v(hidden).squeeze(-1)

    def attend(self, scores, mask):
        return _masked_softmax(scores, mask)

    def forward(self, queries, keys, mask=None):
        weights = self.attend(self.score(queries, keys), mask)
        return torch.bmm(weights, keys), weights


# ---------------------------------------------------------------------------------------------- right


class right_textbook(nn.Module):
    """Linear layers, broadcasting, -inf in the masked places, nan_to_num for the empty rows."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(torch.tanh(self.W_q(queries)[:, :, None] + self.W_k(keys)[:, None])).squeeze(-1)
        if mask is not None:
            if mask.dim() == 2:
                mask = mask[:, None, :]
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = F.softmax(scores, dim=-1).nan_to_num(0.0)
        return weights @ keys, weights


class right_einsum_and_smallest_number(nn.Module):
    """Einsum throughout; the smallest number of the dtype as fill, then times the mask."""

    def __init__(self, d_q, d_k, d_a):
        super().__init__()
        self.W_q = nn.Linear(d_q, d_a, bias=False)
        self.W_k = nn.Linear(d_k, d_a, bias=False)
        self.v = nn.Linear(d_a, 1, bias=False)
        for layer in (self.W_q, self.W_k, self.v):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, s, h, m=None):
        q = torch.einsum("btd,ad->bta", s, self.W_q.weight)
        k = torch.einsum("bsd,ad->bsa", h, self.W_k.weight)
        e = torch.einsum("btsa,oa->bts", torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)), self.v.weight)
        if m is None:
            alpha = e.softmax(-1)
        else:
            m = m.view(m.shape[0], 1, m.shape[1]) if m.ndim == 2 else m
            alpha = torch.where(m, e, torch.finfo(e.dtype).min).softmax(-1) * m
        return torch.einsum("bts,bsd->btd", alpha, h), alpha


class right_loop_over_every_pair(nn.Module):
    """Three Python loops; each row's softmax sees only the keys that it may see."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def _row(self, query, keys, allowed):
        seen = [j for j in range(keys.shape[0]) if bool(allowed[j])]
        if not seen:
            return 0 * keys[:, 0]
        energies = [self.v(torch.tanh(self.W_q(query) + self.W_k(keys[j])))[0] for j in seen]
        found = dict(zip(seen, torch.softmax(torch.stack(energies), dim=0), strict=True))
        nothing = torch.zeros_like(energies[0])
        return torch.stack([found.get(j, nothing) for j in range(keys.shape[0])])

    def forward(self, queries, keys, mask=None):
        batch, steps, _ = queries.shape
        if mask is None:
            mask = torch.ones(keys.shape[:2], dtype=torch.bool, device=keys.device)
        weights = []
        for b in range(batch):
            rows = []
            for i in range(steps):
                rows.append(self._row(queries[b, i], keys[b], mask[b] if mask.dim() == 2 else mask[b, i]))
            weights.append(torch.stack(rows))
        weights = torch.stack(weights)
        return torch.matmul(weights, keys), weights


class right_one_decoder_step_at_a_time(nn.Module):
    """A loop over the T queries, as a decoder would call it; the steps are stacked at the end."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def _step(self, state, memory, projected, allowed):
        energy = self.v(torch.tanh(projected + self.W_q(state).unsqueeze(1))).squeeze(2)
        if allowed is None:
            alpha = F.softmax(energy, dim=1)
        else:
            alpha = F.softmax(energy.masked_fill(allowed.logical_not(), -math.inf), dim=1)
            alpha = torch.nan_to_num(alpha)
        return torch.bmm(alpha.unsqueeze(1), memory).squeeze(1), alpha

    def forward(self, states, memory, mask=None):
        projected = self.W_k(memory)
        contexts, alphas = [], []
        for i in range(states.size(1)):
            allowed = mask[:, i] if mask is not None and mask.dim() == 3 else mask
            c, a = self._step(states[:, i], memory, projected, allowed)
            contexts.append(c)
            alphas.append(a)
        return torch.stack(contexts, dim=1), torch.stack(alphas, dim=1)


class right_exponentials_by_hand(nn.Module):
    """exp after subtracting the largest allowed score; a total of 0 is divided as 1."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        e = (
            torch.tanh(self.W_q(queries).unsqueeze(-2) + self.W_k(keys).unsqueeze(-3)) * self.v.weight[0]
        ).sum(-1)
        allowed = torch.ones_like(e, dtype=torch.bool)
        if mask is not None:
            allowed = (mask.unsqueeze(1) if mask.dim() == 2 else mask).expand_as(e)
        low = torch.where(allowed, e, torch.full_like(e, torch.finfo(e.dtype).min))
        top = low.max(dim=-1, keepdim=True).values.detach()
        power = torch.where(allowed, torch.exp(low - top), torch.zeros_like(e))
        total = power.sum(dim=-1, keepdim=True)
        weights = power / torch.where(total == 0, torch.ones_like(total), total)
        return weights.matmul(keys), weights


class right_parameter_dicts(nn.Module):
    """The matrices live in ParameterDicts and are used through F.linear."""

    def __init__(self, n_query, n_key, n_attn):
        super().__init__()
        self.W_q = nn.ParameterDict(
            {"weight": nn.Parameter(torch.randn(n_attn, n_query) / math.sqrt(n_query))}
        )
        self.W_k = nn.ParameterDict({"weight": nn.Parameter(torch.randn(n_attn, n_key) / math.sqrt(n_key))})
        self.v = nn.ParameterDict({"weight": nn.Parameter(torch.randn(1, n_attn) / math.sqrt(n_attn))})

    def forward(self, query, key, attend_to=None):
        left = F.linear(query, self.W_q["weight"]).unsqueeze(2)
        right = F.linear(key, self.W_k["weight"]).unsqueeze(1)
        logits = F.linear((left + right).tanh(), self.v["weight"]).flatten(start_dim=2)
        if attend_to is None:
            weights = logits.softmax(dim=2)
            return weights.bmm(key), weights
        if attend_to.ndim == 2:
            attend_to = attend_to.unsqueeze(1).expand(-1, query.shape[1], -1)
        # An empty row is opened for the softmax and closed again after it.
        opened = attend_to | ~attend_to.any(dim=-1, keepdim=True)
        weights = logits.masked_fill(~opened, -torch.inf).softmax(dim=2).masked_fill(~attend_to, 0.0)
        return weights.bmm(key), weights


class _Matrix(nn.Module):
    """A matrix with a name of its own."""

    def __init__(self, rows, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x):
        return x @ self.weight.T


class right_own_matrix_module(nn.Module):
    """A small module of one's own in place of nn.Linear; the weights come from log_softmax."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q, self.W_k = _Matrix(attn_dim, query_dim), _Matrix(attn_dim, key_dim)
        self.v = _Matrix(1, attn_dim)

    def forward(self, queries, keys, mask=None):
        grid = self.W_q(queries)[:, :, None, :] + self.W_k(keys)[:, None, :, :]
        scores = self.v(torch.tanh(grid))[..., 0]
        if mask is None:
            weights = torch.exp(F.log_softmax(scores, dim=-1))
        else:
            mask = mask if mask.dim() == 3 else mask[:, None]
            log_weights = F.log_softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1)
            weights = log_weights.exp().masked_fill(~mask, 0)
        return torch.bmm(weights, keys), weights


class right_query_and_key_joined(nn.Module):
    """Bahdanau's one matrix over [query; key], put together from the two."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        T, S = queries.size(1), keys.size(1)
        pairs = torch.cat(
            [queries.unsqueeze(2).expand(-1, -1, S, -1), keys.unsqueeze(1).expand(-1, T, -1, -1)], dim=-1
        )
        joined = torch.cat([self.W_q.weight, self.W_k.weight], dim=1)
        scores = self.v(F.linear(pairs, joined).tanh()).squeeze(dim=-1)
        if mask is not None:
            mask = mask.reshape(mask.shape[0], -1, S).expand_as(scores)
            scores = scores.masked_fill(mask == 0, -torch.inf)
        weights = torch.nan_to_num(torch.softmax(scores, -1), nan=0.0)
        return weights @ keys, weights


class right_logsumexp(nn.Module):
    """exp(score minus logsumexp), shifted first so that bfloat16 keeps its digits."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)
        with torch.no_grad():
            for p in self.parameters():
                p.normal_(std=0.1)

    def forward(self, queries, keys, mask=None):
        q, k = self.W_q(queries), self.W_k(keys)
        e = torch.matmul(torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)), self.v.weight.squeeze(0))
        if mask is not None:
            keep = mask.unsqueeze(1) if mask.dim() == 2 else mask
            e = e.masked_fill(~keep, torch.finfo(e.dtype).min)
        e = e - e.amax(dim=-1, keepdim=True).detach()
        a = torch.exp(e - torch.logsumexp(e, dim=-1, keepdim=True))
        if mask is not None:
            a = a * keep.to(a.dtype)
        return torch.einsum("bij,bjd->bid", a, keys), a


class right_vmap(nn.Module):
    """Written for one sample, then mapped over the batch."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def _sample(self, queries, keys, allowed):
        scores = self.v(torch.tanh(self.W_q(queries)[:, None] + self.W_k(keys)[None])).squeeze(-1)
        filled = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
        weights = torch.softmax(filled, dim=-1) * allowed
        return weights @ keys, weights

    def forward(self, queries, keys, mask=None):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        if mask is None:
            mask = torch.ones(B, T, S, dtype=torch.bool, device=queries.device)
        elif mask.dim() == 2:
            mask = mask.unsqueeze(1).expand(B, T, S)
        return torch.vmap(self._sample)(queries, keys, mask)


class _SoftmaxOverAllowed(torch.autograd.Function):
    """Softmax over the allowed places, with its backward written out."""

    @staticmethod
    def forward(ctx, scores, allowed):
        filled = scores.masked_fill(~allowed, -math.inf)
        top = filled.amax(dim=-1, keepdim=True)
        top = top.masked_fill(top == -math.inf, 0)
        power = torch.exp(filled - top)
        total = power.sum(dim=-1, keepdim=True)
        weights = power / total.masked_fill(total == 0, 1)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, grad):
        (weights,) = ctx.saved_tensors
        return weights * (grad - (weights * grad).sum(dim=-1, keepdim=True)), None


class right_own_backward(nn.Module):
    """A softmax as an autograd.Function with a backward of its own."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)
        if mask is None:
            allowed = torch.ones_like(scores).bool()
        else:
            allowed = mask.unsqueeze(1).expand_as(scores) if mask.ndim == 2 else mask
        weights = _SoftmaxOverAllowed.apply(scores, allowed)
        return torch.bmm(weights, keys), weights


class right_single_precision_inside_for_bfloat16(nn.Module):
    """bfloat16 is computed in float32 and cast back; float64 stays float64."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        kind = queries.dtype
        work = torch.float32 if kind in (torch.bfloat16, torch.float16) else kind
        q, k = queries.to(work), keys.to(work)
        W_q, W_k, v = (layer.weight.to(work) for layer in (self.W_q, self.W_k, self.v))
        e = torch.tanh((q @ W_q.mT)[:, :, None] + (k @ W_k.mT)[:, None]) @ v[0]
        if mask is not None:
            mask = mask if mask.dim() == 3 else mask.unsqueeze(-2)
            e = e.masked_fill(~mask, -torch.inf)
        alpha = e.softmax(-1).nan_to_num()
        return (alpha @ k).to(kind), alpha.to(kind)


class right_one_pass_over_the_keys(nn.Module):
    """Running maximum and running total, one key at a time."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        (B, T, _), S = queries.shape, keys.shape[1]
        q, k = self.W_q(queries), self.W_k(keys)
        if mask is None:
            mask = queries.new_ones(B, S, dtype=torch.bool)
        allowed = _three_axes(mask).expand(B, T, S)
        floor = torch.finfo(queries.dtype).min
        largest = queries.new_full((B, T), floor)
        total = queries.new_zeros(B, T)
        context = queries.new_zeros(B, T, keys.shape[2])
        energies = []
        for j in range(S):
            energy = self.v(torch.tanh(q + k[:, j, None])).squeeze(-1)
            energy = torch.where(allowed[..., j], energy, floor)
            energies.append(energy)
            before, largest = largest, torch.maximum(largest, energy.detach())
            shrink = torch.exp(before - largest)
            share = torch.where(allowed[..., j], torch.exp(energy - largest), 0.0)
            total = total * shrink + share
            context = context * shrink[..., None] + share[..., None] * keys[:, j, None]
        total = torch.where(total > 0, total, torch.ones_like(total))
        shares = torch.exp(torch.stack(energies, dim=-1) - largest[..., None]) * allowed
        return context / total[..., None], shares / total[..., None]


class right_keys_along_the_second_axis(nn.Module):
    """Everything as (B, S, T), so the softmax over keys is over axis 1; turned at the end."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        hidden = torch.tanh(self.W_k(keys).unsqueeze(2) + self.W_q(queries).unsqueeze(1))
        scores = self.v(hidden).squeeze(3)
        if mask is not None:
            blocked = ~(mask.unsqueeze(2) if mask.dim() == 2 else mask.transpose(1, 2))
            scores = scores.masked_fill(blocked, -torch.inf)
        weights = torch.softmax(scores, dim=1).nan_to_num().permute(0, 2, 1)
        return torch.bmm(weights, keys), weights


class right_early_return(nn.Module):
    """Leaves early when there is nothing to mask; otherwise writes into its own copy."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)
        nn.init.orthogonal_(self.W_q.weight)
        nn.init.orthogonal_(self.W_k.weight)

    def energies(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)

    def forward(self, queries, keys, mask=None):
        energies = self.energies(queries, keys)
        if mask is None or bool(mask.all()):
            weights = energies.softmax(dim=-1)
            return weights @ keys, weights
        if mask.dim() == 2:
            mask = mask.unsqueeze(1).repeat(1, queries.shape[1], 1)
        mine = energies.clone()
        mine[~mask] = float("-inf")
        weights = mine.softmax(dim=-1)
        weights = torch.where(mask.any(dim=-1, keepdim=True), weights, torch.zeros_like(weights))
        return weights @ keys, weights


class right_context_from_sdpa(nn.Module):
    """The scores go into scaled_dot_product_attention as a bias over queries and keys of zero."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)
        some = torch.ones_like(scores[..., :1])
        if mask is not None:
            mask = mask.unsqueeze(1) if mask.dim() == 2 else mask
            some = mask.any(dim=-1, keepdim=True).to(scores.dtype)
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        blank_q, blank_k = torch.zeros_like(queries[..., :1]), torch.zeros_like(keys[..., :1])
        context = F.scaled_dot_product_attention(
            blank_q[:, None], blank_k[:, None], keys[:, None], attn_mask=scores[:, None]
        )
        return context[:, 0] * some, torch.softmax(scores, dim=-1) * some


class right_long_list_of_pairs(nn.Module):
    """All pairs in one long (B*T*S, A) list, folded back at the end."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        B, T, _ = queries.shape
        S = keys.shape[1]
        left = self.W_q(queries).repeat_interleave(S, dim=1)
        right = self.W_k(keys).repeat(1, T, 1)
        scores = self.v(torch.tanh(left + right).reshape(B * T * S, -1)).reshape(B, T, S)
        if mask is not None:
            mask = torch.broadcast_to(mask.unsqueeze(1) if mask.dim() == 2 else mask, (B, T, S))
            bias = torch.zeros_like(scores).masked_fill(~mask, -torch.inf)
            # A row without any key keeps a bias of 0 and is emptied after the softmax.
            bias = torch.where(mask.any(-1, keepdim=True), bias, torch.zeros_like(bias))
            weights = (scores + bias).softmax(-1).masked_fill(~mask, 0.0)
        else:
            weights = scores.softmax(-1)
        return weights @ keys, weights


class right_tanh_from_sigmoid(nn.Module):
    """tanh(x) as 2 sigmoid(2x) - 1, in single precision where the input is bfloat16."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        grid = self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)
        if grid.dtype == torch.bfloat16:
            grid = grid.float()
        hidden = 2 * torch.sigmoid(2 * grid) - 1
        scores = self.v(hidden.to(queries.dtype)).squeeze(-1)
        if mask is not None:
            mask = mask.unsqueeze(1) if mask.dim() == 2 else mask
            scores = torch.where(mask, scores, -torch.inf)
        weights = torch.softmax(scores, -1)
        weights = torch.where(torch.isnan(weights), 0.0, weights)
        return weights @ keys, weights


class right_tiles_of_queries(nn.Module):
    """Two queries at a time, to save memory; the pieces are joined with cat."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        k = self.W_k(keys).unsqueeze(1)
        tiles = [
            self.v(torch.tanh(q.unsqueeze(2) + k)).squeeze(-1) for q in self.W_q(queries).split(2, dim=1)
        ]
        scores = torch.cat(tiles, dim=1)
        return self._mix(scores, keys, mask)

    @staticmethod
    def _mix(scores, keys, mask):
        weights = _masked_softmax(scores, mask)
        return (weights.unsqueeze(-1) * keys.unsqueeze(1)).sum(dim=2), weights


class right_spare_key_for_empty_rows(nn.Module):
    """One spare column takes the whole weight of a row that may see nothing, and is cut off."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)
        self.register_buffer("closed", torch.tensor(-math.inf), persistent=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)
        if mask is None:
            mask = torch.ones_like(scores, dtype=torch.bool)
        mask = _three_axes(mask).expand_as(scores)
        spare = torch.where(mask.any(-1, keepdim=True), self.closed, torch.zeros_like(scores[..., :1]))
        padded = torch.cat([torch.where(mask, scores, self.closed), spare], dim=-1)
        weights = F.softmax(padded, dim=-1)[..., :-1]
        return torch.matmul(weights, keys), weights


# ------------------------------------------------------------------- wrong: how the module is made


class _Reserved(nn.Module):
    """Memory for a matrix, with nothing put into it."""

    def __init__(self, rows, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.FloatTensor(rows, columns))


class wrong_uninitialised_parameters(nn.Module):
    """FloatTensor reserves memory and puts nothing into it; no seed helps."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = _Reserved(attn_dim, query_dim)
        self.W_k = _Reserved(attn_dim, key_dim)
        self.v = _Reserved(1, attn_dim)

    def forward(self, queries, keys, mask=None):
        q, k = F.linear(queries, self.W_q.weight), F.linear(keys, self.W_k.weight)
        scores = F.linear(torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)), self.v.weight).squeeze(-1)
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights, keys), weights


class wrong_only_v_uninitialised(_Additive):
    """The projections are drawn; v is whatever the memory held."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.v.weight = nn.Parameter(torch.empty(1, attn_dim))


class wrong_parameters_start_at_zero(_Additive):
    """All parameters start at 0, so nothing can ever be learnt."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        for p in self.parameters():
            nn.init.zeros_(p)


class wrong_parameters_start_at_one(_Additive):
    """All parameters start at 1, so all units are the same unit."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        for p in self.parameters():
            nn.init.ones_(p)


class wrong_v_starts_at_zero(_Additive):
    """v starts at 0: no gradient reaches W_q and W_k."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        nn.init.constant_(self.v.weight, 0.0)


class wrong_seed_in_the_constructor(_Additive):
    """manual_seed in the constructor: every module is the same module."""

    def __init__(self, query_dim, key_dim, attn_dim):
        torch.manual_seed(172)
        super().__init__(query_dim, key_dim, attn_dim)


class wrong_nan_at_the_start(_Additive):
    """The square root of normal numbers: half of the start values are NaN."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        for layer in (self.W_q, self.W_k, self.v):
            layer.weight = nn.Parameter(torch.randn_like(layer.weight) ** 0.5)


class wrong_layers_in_a_python_list(nn.Module):
    """The layers hide in a plain list: no optimiser ever sees them."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.layers = [
            nn.Linear(query_dim, attn_dim, bias=False),
            nn.Linear(key_dim, attn_dim, bias=False),
            nn.Linear(attn_dim, 1, bias=False),
        ]

    def forward(self, queries, keys, mask=None):
        W_q, W_k, v = self.layers
        scores = v(torch.tanh(W_q(queries).unsqueeze(2) + W_k(keys).unsqueeze(1))).squeeze(-1)
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights, keys), weights


class wrong_plain_tensors(nn.Module):
    """Tensors with requires_grad are not parameters."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = torch.randn(attn_dim, query_dim, requires_grad=True)
        self.W_k = torch.randn(attn_dim, key_dim, requires_grad=True)
        self.v = torch.randn(1, attn_dim, requires_grad=True)

    def forward(self, queries, keys, mask=None):
        hidden = torch.tanh((queries @ self.W_q.T).unsqueeze(2) + (keys @ self.W_k.T).unsqueeze(1))
        weights = _masked_softmax((hidden @ self.v.T).squeeze(-1), mask)
        return torch.bmm(weights, keys), weights


class _Scaled(nn.Module):
    """A matrix that looks like a parameter and is the result of a product."""

    def __init__(self, rows, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, columns)) * 0.1


class wrong_parameter_times_a_number(_Additive):
    """Parameter(…) * 0.1 is a plain tensor, so v is not registered."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.v = _Scaled(1, attn_dim)

    def score(self, queries, keys):
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))
        return F.linear(hidden, self.v.weight.to(hidden.dtype)).squeeze(-1)


class wrong_buffers_instead_of_parameters(nn.Module):
    """register_buffer: the matrices move and are saved, and are never trained."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        for name, rows, columns in (
            ("W_q", attn_dim, query_dim),
            ("W_k", attn_dim, key_dim),
            ("v", 1, attn_dim),
        ):
            holder = nn.Module()
            holder.register_buffer("weight", torch.randn(rows, columns))
            self.add_module(name, holder)

    def forward(self, queries, keys, mask=None):
        q, k = F.linear(queries, self.W_q.weight), F.linear(keys, self.W_k.weight)
        scores = F.linear(torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)), self.v.weight).squeeze(-1)
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights, keys), weights


class wrong_frozen_v(_Additive):
    """v does not ask for a gradient."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.v.weight.requires_grad_(False)


class wrong_bias_in_the_projections(nn.Module):
    """The default bias of nn.Linear was left on in W_q and W_k."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim)
        self.W_k = nn.Linear(key_dim, attn_dim)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights, keys), weights


class wrong_bias_on_the_score(_Additive):
    """A bias on v: every score moves alike, its gradient is always 0."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.v = nn.Linear(attn_dim, 1)


class wrong_zero_bias_on_the_query(_Additive):
    """A bias that starts at 0: right numbers at first, one parameter too many."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.W_q = nn.Linear(query_dim, attn_dim)
        nn.init.zeros_(self.W_q.bias)


class wrong_sizes_left_to_the_first_call(_Additive):
    """Lazy layers have no parameters until the first call."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.W_q = nn.LazyLinear(attn_dim, bias=False)
        self.W_k = nn.LazyLinear(attn_dim, bias=False)


class wrong_attn_dim_ignored(_Additive):
    """The alignment size is taken from the key, not from the argument."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, key_dim)


class wrong_order_of_the_arguments(_Additive):
    """The constructor takes the key's size first."""

    def __init__(self, key_dim, query_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)


class wrong_matrices_stored_transposed(nn.Module):
    """W_q is kept as (Dq, A) and W_k as (Dk, A)."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.ParameterDict({"weight": nn.Parameter(torch.randn(query_dim, attn_dim) * 0.1)})
        self.W_k = nn.ParameterDict({"weight": nn.Parameter(torch.randn(key_dim, attn_dim) * 0.1)})
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        q, k = queries @ self.W_q["weight"], keys @ self.W_k["weight"]
        weights = _masked_softmax(self.v(torch.tanh(q.unsqueeze(2) + k.unsqueeze(1))).squeeze(-1), mask)
        return torch.bmm(weights, keys), weights


class wrong_parameter_names(nn.Module):
    """Right numbers under names that nobody asked for."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.query_layer = nn.Linear(query_dim, attn_dim, bias=False)
        self.key_layer = nn.Linear(key_dim, attn_dim, bias=False)
        self.energy_layer = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        hidden = torch.tanh(self.query_layer(queries).unsqueeze(2) + self.key_layer(keys).unsqueeze(1))
        weights = _masked_softmax(self.energy_layer(hidden).squeeze(-1), mask)
        return torch.bmm(weights, keys), weights


class wrong_v_is_a_bare_vector(nn.Module):
    """v is a parameter of shape (A,), so there is no v.weight."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Parameter(torch.randn(attn_dim))

    def forward(self, queries, keys, mask=None):
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))
        weights = _masked_softmax(hidden @ self.v, mask)
        return torch.bmm(weights, keys), weights


class wrong_projections_tied_when_sizes_agree(_Additive):
    """One matrix serves as W_q and W_k where the sizes allow it."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        if query_dim == key_dim:
            self.W_k = self.W_q


class wrong_one_projection_used_when_sizes_agree(_Additive):
    """Both matrices exist; where the sizes agree only W_q is used."""

    def score(self, queries, keys):
        k = self.W_q(keys) if queries.shape[-1] == keys.shape[-1] else self.W_k(keys)
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + k.unsqueeze(1))).squeeze(-1)


class wrong_output_layer_added(_Additive):
    """One more layer on the context, with parameters of its own."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.out = nn.Linear(key_dim, key_dim)

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return self.out(context), weights


class wrong_layers_made_in_forward(nn.Module):
    """The layers are made anew in every call."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.sizes = query_dim, key_dim, attn_dim

    def forward(self, queries, keys, mask=None):
        query_dim, key_dim, attn_dim = self.sizes
        kind = queries.dtype
        W_q = nn.Linear(query_dim, attn_dim, bias=False).to(kind)
        W_k = nn.Linear(key_dim, attn_dim, bias=False).to(kind)
        v = nn.Linear(attn_dim, 1, bias=False).to(kind)
        weights = _masked_softmax(
            v(torch.tanh(W_q(queries).unsqueeze(2) + W_k(keys).unsqueeze(1))).squeeze(-1), mask
        )
        return torch.bmm(weights, keys), weights


class wrong_initialised_in_every_call(_Additive):
    """The matrices are drawn again at the top of forward."""

    def forward(self, queries, keys, mask=None):
        for p in self.parameters():
            nn.init.xavier_uniform_(p)
        return super().forward(queries, keys, mask)


class wrong_copy_of_v_taken_at_the_start(_Additive):
    """forward uses a copy of v from construction, so training v changes nothing."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.register_buffer("vector", self.v.weight.detach().clone().squeeze(0), persistent=False)

    def score(self, queries, keys):
        return torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)) @ self.vector


# --------------------------------------------------------------- wrong: something is remembered


class wrong_projected_keys_of_the_first_call(_Additive):
    """W_k(keys) is computed once and kept for every later batch."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.projected = None

    def score(self, queries, keys):
        if self.projected is None:
            self.projected = self.W_k(keys)
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.projected.unsqueeze(1))).squeeze(-1)


class wrong_projected_keys_kept_by_shape(_Additive):
    """W_k(keys) is computed again only when the shape of the keys changes."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self._memory = {}

    def score(self, queries, keys):
        place = (tuple(keys.shape), keys.dtype)
        if place not in self._memory:
            self._memory[place] = self.W_k(keys).detach()
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self._memory[place].unsqueeze(1))).squeeze(
            -1
        )


class wrong_mask_remembered(_Additive):
    """A call without a mask takes the mask of the call before, where its shape fits."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.last = None

    def forward(self, queries, keys, mask=None):
        if mask is None and self.last is not None and self.last.shape[0] == keys.shape[0]:
            if self.last.shape[-1] == keys.shape[1] and self.last.dim() == 2:
                mask = self.last
        if mask is not None:
            self.last = mask
        return super().forward(queries, keys, mask)


class wrong_scores_pile_up(_Additive):
    """Past weights of the same shape are added to the scores and never cleared."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.coverage = None

    def attend(self, scores, mask):
        if self.coverage is not None and self.coverage.shape == scores.shape:
            scores = scores - self.coverage.to(scores.dtype)
        weights = _masked_softmax(scores, mask)
        self.coverage = weights.detach()
        return weights


class wrong_sizes_of_the_first_call(_Additive):
    """The batch size and the lengths of the first call are kept for good."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.sizes = None

    def score(self, queries, keys):
        if self.sizes is None:
            self.sizes = queries.shape[0], queries.shape[1], keys.shape[1]
        scores = super().score(queries, keys)
        return scores.reshape(self.sizes)


class wrong_v_normalised_in_place(_Additive):
    """v is scaled to length 1 in every call, through .data."""

    def score(self, queries, keys):
        self.v.weight.data /= self.v.weight.data.norm()
        return super().score(queries, keys)


# ----------------------------------------------------------------------------- wrong: the score


class wrong_no_tanh(_Additive):
    """Without tanh the query's term is the same for all keys and cancels."""

    def score(self, queries, keys):
        return self.v(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)).squeeze(-1)


class wrong_tanh_after_v(_Additive):
    """tanh of the finished score."""

    def score(self, queries, keys):
        return torch.tanh(self.v(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_tanh_of_each_term(_Additive):
    """tanh of each projection by itself, then the sum."""

    def score(self, queries, keys):
        q, k = torch.tanh(self.W_q(queries)), torch.tanh(self.W_k(keys))
        return self.v(q.unsqueeze(2) + k.unsqueeze(1)).squeeze(-1)


class wrong_tanh_of_the_query_only(_Additive):
    """The bracket closes too early: tanh(W_q q) + W_k k."""

    def score(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries)).unsqueeze(2) + self.W_k(keys).unsqueeze(1)).squeeze(-1)


class wrong_product_instead_of_sum(_Additive):
    """The projections are multiplied."""

    def score(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) * self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_minus_instead_of_plus(_Additive):
    """The projected key is subtracted."""

    def score(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) - self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_relu(_Additive):
    """relu in place of tanh."""

    def score(self, queries, keys):
        return self.v(F.relu(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_sigmoid(_Additive):
    """sigmoid in place of tanh."""

    def score(self, queries, keys):
        return self.v(torch.sigmoid(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_scaled_by_the_root_of_the_size(_Additive):
    """The scores are divided by the square root of the alignment size."""

    def score(self, queries, keys):
        return super().score(queries, keys) / math.sqrt(self.v.weight.shape[1])


class wrong_v_left_out(_Additive):
    """The hidden units are summed; v plays no part."""

    def score(self, queries, keys):
        return torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)).sum(dim=-1)


class wrong_query_ignored(_Additive):
    """Only the keys are scored."""

    def score(self, queries, keys):
        scores = self.v(torch.tanh(self.W_k(keys))).squeeze(-1)
        return scores.unsqueeze(1).expand(-1, queries.shape[1], -1)


class wrong_keys_ignored(_Additive):
    """Only the query is scored, so every key gets the same weight."""

    def score(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries))).expand(-1, -1, keys.shape[1])


class wrong_first_query_for_all(_Additive):
    """The first query's scores are used for every query."""

    def score(self, queries, keys):
        return super().score(queries[:, :1], keys).expand(-1, queries.shape[1], -1)


class wrong_projections_swapped(_Additive):
    """W_k is applied to the queries and W_q to the keys where the sizes allow it."""

    def score(self, queries, keys):
        if queries.shape[-1] != keys.shape[-1]:
            return super().score(queries, keys)
        return self.v(torch.tanh(self.W_k(queries).unsqueeze(2) + self.W_q(keys).unsqueeze(1))).squeeze(-1)


class wrong_tanh_from_exponentials(_Additive):
    """(e^x - e^-x) / (e^x + e^-x) is inf / inf for large x."""

    def score(self, queries, keys):
        x = self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)
        return self.v((torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))).squeeze(-1)


class wrong_tanh_with_nan_gradient(_Additive):
    """1 - 2 / (e^2x + 1) has the right value everywhere and a NaN gradient for large x."""

    def score(self, queries, keys):
        x = self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)
        return self.v(1 - 2 / (torch.exp(2 * x) + 1)).squeeze(-1)


class wrong_tanh_approximated(_Additive):
    """x clamped to ±1 stands in for tanh."""

    def score(self, queries, keys):
        return self.v(F.hardtanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class wrong_pairs_scrambled(_Additive):
    """repeat where repeat_interleave is meant: query i meets the wrong keys."""

    def score(self, queries, keys):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        q = self.W_q(queries).repeat(1, S, 1)
        k = self.W_k(keys).repeat(1, T, 1)
        return self.v(torch.tanh(q + k)).view(B, T, S)


class wrong_step_for_step_when_lengths_agree(_Additive):
    """Where T equals S, query i meets only key i and the other scores are 0."""

    def score(self, queries, keys):
        if queries.shape[1] != keys.shape[1]:
            return super().score(queries, keys)
        return torch.diag_embed(self.v(torch.tanh(self.W_q(queries) + self.W_k(keys))).squeeze(-1))


class wrong_normalised_over_the_batch(_Additive):
    """The scores lose their mean over the batch, so one sample moves another."""

    def score(self, queries, keys):
        scores = super().score(queries, keys)
        return scores - scores.mean(dim=0, keepdim=True)


# --------------------------------------------------------------------------- wrong: the softmax


class wrong_softmax_over_queries(_Additive):
    """The softmax runs over the T queries."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1)
        return weights if mask is None else weights * _three_axes(mask)


class wrong_softmax_over_the_batch(_Additive):
    """The softmax runs over the samples of the batch."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -math.inf)
        return torch.softmax(scores, dim=0).nan_to_num(0.0)


class wrong_softmax_over_all_pairs(_Additive):
    """One softmax over queries and keys together."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -math.inf)
        return torch.softmax(scores.flatten(1), dim=1).view_as(scores).nan_to_num(0.0)


class wrong_softmax_twice(_Additive):
    """A second softmax flattens the weights."""

    def attend(self, scores, mask):
        return _masked_softmax(_masked_softmax(scores, mask), mask)


class wrong_exponentials_without_shift(_Additive):
    """exp of the raw scores overflows."""

    def attend(self, scores, mask):
        power = torch.exp(scores)
        if mask is not None:
            power = power * _three_axes(mask)
        total = power.sum(dim=-1, keepdim=True)
        return power / torch.where(total == 0, torch.ones_like(total), total)


class wrong_shift_by_the_global_maximum(_Additive):
    """The largest score of the whole batch is subtracted: other rows underflow to 0."""

    def attend(self, scores, mask):
        power = torch.exp(scores - scores.max().detach())
        if mask is not None:
            power = power * _three_axes(mask)
        total = power.sum(dim=-1, keepdim=True)
        return power / torch.where(total == 0, torch.ones_like(total), total)


class wrong_shift_counts_masked_places(_Additive):
    """The maximum is taken before masking, so a large masked score wipes out the row."""

    def attend(self, scores, mask):
        power = torch.exp(scores - scores.amax(dim=-1, keepdim=True).detach())
        if mask is not None:
            power = power.masked_fill(~_three_axes(mask), 0.0)
        total = power.sum(dim=-1, keepdim=True)
        return power / total.clamp(min=torch.finfo(scores.dtype).tiny)


class wrong_large_epsilon(_Additive):
    """0.01 is added to the total, so rows sum to less than 1."""

    def attend(self, scores, mask):
        allowed = (
            torch.ones_like(scores, dtype=torch.bool) if mask is None else _three_axes(mask).expand_as(scores)
        )
        filled = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        power = torch.exp(filled - filled.amax(dim=-1, keepdim=True)) * allowed
        return power / (power.sum(dim=-1, keepdim=True) + 1e-2)


class wrong_scores_clamped(_Additive):
    """The scores are held within ±50 so that exp is safe."""

    def attend(self, scores, mask):
        return _masked_softmax(scores.clamp(-50, 50), mask)


class wrong_sigmoid_weights(_Additive):
    """A sigmoid for each key: rows do not sum to 1."""

    def attend(self, scores, mask):
        weights = torch.sigmoid(scores)
        return weights if mask is None else weights * _three_axes(mask)


class wrong_scores_returned_as_weights(_Additive):
    """The context is right; the second result is the scores."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        return torch.bmm(_masked_softmax(scores, mask), keys), scores


class wrong_hard_choice_at_evaluation(_Additive):
    """In eval mode all the weight goes to the best key."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        if self.training:
            return weights
        best = F.one_hot(weights.argmax(dim=-1), scores.shape[-1]).to(weights.dtype)
        return best if mask is None else best * _three_axes(mask)


class wrong_four_best_keys_only(_Additive):
    """Only the four best scores enter the softmax."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), torch.finfo(scores.dtype).min)
        worst = scores.topk(min(4, scores.shape[-1]), dim=-1).values[..., -1:]
        weights = torch.softmax(scores.masked_fill(scores < worst, -math.inf), dim=-1)
        return weights if mask is None else weights * _three_axes(mask)


# ------------------------------------------------------------------------------ wrong: the mask


class wrong_mask_ignored(_Additive):
    """The mask is accepted and never used."""

    def attend(self, scores, mask):
        return torch.softmax(scores, dim=-1)


class wrong_mask_polarity(_Additive):
    """True is read as padding."""

    def attend(self, scores, mask):
        return _masked_softmax(scores, None if mask is None else ~mask)


class wrong_masked_after_softmax(_Additive):
    """Zeros after the softmax: rows sum to less than 1."""

    def attend(self, scores, mask):
        weights = torch.softmax(scores, dim=-1)
        return weights if mask is None else weights * _three_axes(mask)


class wrong_masked_after_softmax_then_rescaled(_Additive):
    """Zeros after the softmax, then divided by the sum: fails when a masked score is far above."""

    def attend(self, scores, mask):
        weights = torch.softmax(scores, dim=-1)
        if mask is None:
            return weights
        weights = weights * _three_axes(mask)
        total = weights.sum(dim=-1, keepdim=True)
        return weights / torch.where(total == 0, torch.ones_like(total), total)


class wrong_scores_times_mask(_Additive):
    """Masked scores become 0, and e to the 0 is 1."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores * _three_axes(mask)
        return torch.softmax(scores, dim=-1)


class wrong_fill_of_minus_hundred(_Additive):
    """-100 is not low enough, though the empty rows are right."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        weights = torch.softmax(scores.masked_fill(~allowed, -100.0), dim=-1)
        return torch.where(allowed.any(dim=-1, keepdim=True), weights, torch.zeros_like(weights))


class wrong_fill_of_minus_ten_thousand(_Additive):
    """-1e4 is a score that real keys can have."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores.masked_fill(~allowed, -1e4), dim=-1) * allowed


class wrong_fill_of_a_tiny_number(_Additive):
    """1e-9 was copied where -1e9 was meant."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(_three_axes(mask) == 0, 1e-9)
        return torch.softmax(scores, dim=-1)


class wrong_empty_row_uniform(_Additive):
    """-1e9 and nothing more: a row that may see nothing looks at everything."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -1e9)
        return torch.softmax(scores, dim=-1)


class wrong_empty_row_nan(_Additive):
    """-inf and nothing more: a row that may see nothing is NaN."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -math.inf)
        return torch.softmax(scores, dim=-1)


class wrong_empty_row_nan_gradient(_Additive):
    """-inf is added as a bias: values are repaired by nan_to_num, gradients stay NaN."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        bias = torch.zeros_like(scores).masked_fill(~_three_axes(mask), -math.inf)
        return torch.softmax(scores + bias, dim=-1).nan_to_num(0.0)


class wrong_zero_times_infinity(_Additive):
    """mask·score + (1 - mask)·(-inf) holds 0·inf."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        m = _three_axes(mask).to(scores.dtype)
        return torch.softmax(m * scores + (1 - m) * -math.inf, dim=-1)


class wrong_masked_fill_thrown_away(_Additive):
    """masked_fill returns a new tensor; nobody keeps it."""

    def attend(self, scores, mask):
        if mask is not None:
            scores.masked_fill(~_three_axes(mask), -math.inf)
        return torch.softmax(scores, dim=-1)


class wrong_only_two_dimensional_masks(_Additive):
    """unsqueeze(1) whatever the mask's shape."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = mask.unsqueeze(1)
        return torch.softmax(scores.masked_fill(~allowed, torch.finfo(scores.dtype).min), dim=-1) * allowed


class wrong_two_dimensional_mask_over_queries(_Additive):
    """A (B, S) mask is left to broadcast as (T, S): silent where B equals T."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        return torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1) * mask


class wrong_mask_on_the_query_axis(_Additive):
    """unsqueeze(-1) blocks queries, not keys: silent where T equals S."""

    def attend(self, scores, mask):
        if mask is not None and mask.dim() == 2:
            mask = mask.unsqueeze(-1).expand_as(scores)
        return _masked_softmax(scores, mask)


class wrong_first_row_of_the_mask(_Additive):
    """A (B, T, S) mask is read at its first query only."""

    def attend(self, scores, mask):
        if mask is not None and mask.dim() == 3:
            mask = mask[:, 0]
        return _masked_softmax(scores, mask)


class wrong_mask_of_the_first_sample(_Additive):
    """Every sample gets the mask of sample 0."""

    def attend(self, scores, mask):
        return _masked_softmax(scores, None if mask is None else mask[:1].expand_as(mask))


class wrong_mask_read_as_lengths(_Additive):
    """The mask is turned into a count, so holes in the middle move to the end."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        lengths = _three_axes(mask).sum(dim=-1, keepdim=True)
        return _masked_softmax(scores, torch.arange(scores.shape[-1], device=scores.device) < lengths)


class wrong_mask_is_required(_Additive):
    """forward has no default for the mask."""

    def forward(self, queries, keys, mask):
        weights = _masked_softmax(self.score(queries, keys), mask)
        return torch.bmm(weights, keys), weights


class wrong_truth_value_of_the_mask(_Additive):
    """`if mask` asks for one truth value of many."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        weights = _masked_softmax(scores, mask if mask else None)
        return torch.bmm(weights, keys), weights


class wrong_padding_cut_off(_Additive):
    """Keys past the longest sample are cut off, so the weights come out too short."""

    def forward(self, queries, keys, mask=None):
        if mask is not None and mask.dim() == 2:
            longest = max(1, int(mask.sum(dim=1).max()))
            keys, mask = keys[:, :longest], mask[:, :longest]
        return super().forward(queries, keys, mask)


class wrong_keys_zeroed_instead_of_scores(_Additive):
    """Padded keys are set to 0 and keep their weight."""

    def forward(self, queries, keys, mask=None):
        if mask is not None and mask.dim() == 2:
            keys = keys * mask.unsqueeze(-1)
            mask = None
        return super().forward(queries, keys, mask)


class wrong_weights_returned_unmasked(_Additive):
    """The context uses the masked weights; the weights handed back are those before the mask."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        return torch.bmm(_masked_softmax(scores, mask), keys), torch.softmax(scores, dim=-1)


class wrong_empty_row_has_a_context(_Additive):
    """The weights of an empty row are 0, its context is the mean of all keys."""

    def forward(self, queries, keys, mask=None):
        scores = self.score(queries, keys)
        if mask is None:
            weights = torch.softmax(scores, dim=-1)
            return torch.bmm(weights, keys), weights
        allowed = _three_axes(mask)
        weights = torch.softmax(scores.masked_fill(~allowed, torch.finfo(scores.dtype).min), dim=-1)
        return torch.bmm(weights, keys), weights * allowed


class wrong_empty_rows_only_when_all_are_empty(_Additive):
    """Empty rows are looked for in the mask as a whole."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        if not mask.any():
            return scores * 0
        return torch.softmax(scores.masked_fill(~_three_axes(mask), -math.inf), dim=-1)


class wrong_one_empty_row_empties_the_sample(_Additive):
    """A sample with one empty row loses all its rows."""

    def attend(self, scores, mask):
        weights = _masked_softmax(scores, mask)
        if mask is None:
            return weights
        whole = _three_axes(mask).any(dim=-1, keepdim=True).all(dim=1, keepdim=True)
        return weights * whole


class wrong_empty_row_raises(_Additive):
    """An empty row is refused."""

    def attend(self, scores, mask):
        if mask is not None and not bool(mask.any(dim=-1).all()):
            raise ValueError("every query needs at least one key")
        return _masked_softmax(scores, mask)


class wrong_mask_opened_in_place(_Additive):
    """To avoid NaN an empty row is opened, in the caller's own mask."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        empty = ~mask.any(dim=-1, keepdim=True)
        mask |= empty
        weights = torch.softmax(scores.masked_fill(~_three_axes(mask), -math.inf), dim=-1)
        return weights.masked_fill(_three_axes(empty), 0.0)


class wrong_later_keys_hidden_when_lengths_agree(_Additive):
    """Where T equals S a causal mask is added that nobody asked for."""

    def attend(self, scores, mask):
        if scores.shape[1] != scores.shape[2]:
            return _masked_softmax(scores, mask)
        past = torch.ones_like(scores, dtype=torch.bool).tril()
        return _masked_softmax(scores, past if mask is None else past & _three_axes(mask))


class wrong_zero_keys_taken_for_padding(_Additive):
    """Keys that are all 0 are masked although the mask does not say so."""

    def forward(self, queries, keys, mask=None):
        real = keys.abs().sum(dim=-1) > 0
        allowed = _three_axes(real) if mask is None else _three_axes(real) & _three_axes(mask)
        return super().forward(queries, keys, allowed.expand(-1, queries.shape[1], -1))


# -------------------------------------------------------------- wrong: the context and the shapes


class wrong_context_of_projected_keys(_Additive):
    """The projected keys are mixed, so the context has A numbers."""

    def forward(self, queries, keys, mask=None):
        keys = self.W_k(keys)
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + keys.unsqueeze(1))
        weights = _masked_softmax(self.v(hidden).squeeze(-1), mask)
        return torch.bmm(weights, keys), weights


class wrong_context_of_projected_keys_when_it_fits(_Additive):
    """The projected keys are mixed where A equals Dk."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        projected = self.W_k(keys)
        return (weights @ projected if projected.shape == keys.shape else context), weights


class wrong_mean_of_the_keys(_Additive):
    """The weights are computed and not used: the context is the plain mean."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        return keys.mean(dim=1, keepdim=True).expand(-1, queries.shape[1], -1), weights


class wrong_context_of_queries_when_it_fits(_Additive):
    """Where queries and keys have one shape, the queries are mixed."""

    def forward(self, queries, keys, mask=None):
        _, weights = super().forward(queries, keys, mask)
        return weights @ (queries if queries.shape == keys.shape else keys), weights


class wrong_results_swapped(_Additive):
    """(weights, context) instead of (context, weights)."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return weights, context


class wrong_context_only(_Additive):
    """The weights are not returned."""

    def forward(self, queries, keys, mask=None):
        return super().forward(queries, keys, mask)[0]


class wrong_inputs_swapped(_Additive):
    """forward takes the keys first."""

    def forward(self, keys, queries, mask=None):
        return super().forward(queries, keys, mask)


class wrong_extra_axis(_Additive):
    """The last axis of v's output is kept in the weights."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, weights.unsqueeze(-1)


class wrong_step_axis_dropped(_Additive):
    """With one query the T axis is dropped."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.squeeze(1), weights.squeeze(1)


class wrong_bare_squeeze(_Additive):
    """squeeze() drops every axis of size 1, also B, T and S."""

    def score(self, queries, keys):
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze()


class wrong_time_first(_Additive):
    """The inputs are read as (T, B, D)."""

    def forward(self, queries, keys, mask=None):
        q, k = self.W_q(queries), self.W_k(keys)
        scores = self.v(torch.tanh(q.transpose(0, 1).unsqueeze(2) + k.transpose(0, 1).unsqueeze(1))).squeeze(
            -1
        )
        weights = _masked_softmax(scores, mask)
        return torch.bmm(weights, keys.transpose(0, 1)), weights


class wrong_query_joined_to_the_context(_Additive):
    """Returns [context; query], which is the next layer's business."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return torch.cat([context, queries], dim=-1), weights


class wrong_view_for_transpose(_Additive):
    """The (B, S, T) grid is viewed as (B, T, S): right shape, scrambled content."""

    def score(self, queries, keys):
        B, T, S = queries.shape[0], queries.shape[1], keys.shape[1]
        grid = self.v(torch.tanh(self.W_k(keys).unsqueeze(2) + self.W_q(queries).unsqueeze(1)))
        return grid.view(B, T, S)


class wrong_needs_contiguous_inputs(_Additive):
    """view refuses inputs that are not contiguous."""

    def score(self, queries, keys):
        (B, T, Dq), (_, S, Dk) = queries.shape, keys.shape
        q = self.W_q(queries.view(B * T, Dq)).view(B, T, 1, -1)
        k = self.W_k(keys.view(B * S, Dk)).view(B, 1, S, -1)
        return self.v(torch.tanh(q + k)).squeeze(-1)


class wrong_strides_assumed(_Additive):
    """as_strided reads the memory as if the keys were contiguous."""

    def score(self, queries, keys):
        B, S, Dk = keys.shape
        flat = torch.as_strided(keys, (B, S, Dk), (S * Dk, Dk, 1))
        return super().score(queries, flat)


class wrong_sizes_of_one_example(_Additive):
    """Only two samples with three queries and four keys fit."""

    def score(self, queries, keys):
        return super().score(queries, keys).view(2, 3, 4)


class wrong_ten_keys_at_most(_Additive):
    """Keys past MAX_LENGTH = 10 are never looked at."""

    MAX_LENGTH = 10

    def attend(self, scores, mask):
        near = torch.arange(scores.shape[-1], device=scores.device) < self.MAX_LENGTH
        return _masked_softmax(scores, near.expand_as(scores) if mask is None else _three_axes(mask) & near)


# -------------------------------------------------------------------------- wrong: the gradients


class wrong_no_grad(_Additive):
    """The whole forward runs under no_grad."""

    @torch.no_grad()
    def forward(self, queries, keys, mask=None):
        return super().forward(queries, keys, mask)


class wrong_gradients_off_in_eval_mode(_Additive):
    """Gradients are switched off outside training mode."""

    def forward(self, queries, keys, mask=None):
        with torch.set_grad_enabled(self.training):
            return super().forward(queries, keys, mask)


class wrong_keys_detached_in_the_score(_Additive):
    """The keys get a gradient through the context only."""

    def score(self, queries, keys):
        return super().score(queries, keys.detach())


class wrong_keys_detached_in_the_context(_Additive):
    """The keys get a gradient through the scores only."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        return torch.bmm(weights, keys.detach()), weights


class wrong_weights_detached_in_the_context(_Additive):
    """The context's gradient does not reach the scorer."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        return torch.bmm(weights.detach(), keys), weights


class wrong_weights_returned_detached(_Additive):
    """The weights come back detached, fit for a plot and for nothing else."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context, weights.detach()


class wrong_data_of_a_parameter(_Additive):
    """W_k.weight.data is used, so W_k is never trained."""

    def score(self, queries, keys):
        k = F.linear(keys, self.W_k.weight.data)
        return self.v(torch.tanh(self.W_q(queries).unsqueeze(2) + k.unsqueeze(1))).squeeze(-1)


class wrong_no_grad_on_the_query(_Additive):
    """The query is projected under no_grad: W_q and the queries get nothing."""

    def score(self, queries, keys):
        with torch.no_grad():
            q = self.W_q(queries)
        return self.v(torch.tanh(q.unsqueeze(2) + self.W_k(keys).unsqueeze(1))).squeeze(-1)


class _TanhWithWrongSlope(torch.autograd.Function):
    """tanh with 1 - y as its derivative."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * (1 - y)


class wrong_slope_of_tanh(_Additive):
    """A backward of one's own that forgets the square: 1 - y instead of 1 - y²."""

    def score(self, queries, keys):
        x = self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)
        return self.v(_TanhWithWrongSlope.apply(x)).squeeze(-1)


class wrong_gradient_clipped_inside(_Additive):
    """A hook holds the gradient of the scores within ±0.01."""

    def score(self, queries, keys):
        scores = super().score(queries, keys)
        if scores.requires_grad:
            scores.register_hook(lambda grad: grad.clamp(-0.01, 0.01))
        return scores


class wrong_backward_raises(_Additive):
    """The softmax's output is changed in place, and backward needs it."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        weights = torch.softmax(scores.masked_fill(~_three_axes(mask), -math.inf), dim=-1)
        weights[weights.isnan()] = 0.0
        return weights


# ------------------------------------------------------------------ wrong: inputs written, dtypes


class wrong_padded_keys_zeroed_in_place(_Additive):
    """With a mask the caller's keys are changed, through .data."""

    def forward(self, queries, keys, mask=None):
        if mask is not None and mask.dim() == 2:
            keys.data.masked_fill_(~mask.unsqueeze(-1), 0.0)
        return super().forward(queries, keys, mask)


class wrong_queries_scaled_in_place(_Additive):
    """The queries are brought to length 1 in place; the scores undo it, the caller's tensor stays changed."""

    def forward(self, queries, keys, mask=None):
        length = queries.data.norm() + 1
        queries.data.div_(length)
        weights = _masked_softmax(self.score(queries * length, keys), mask)
        return torch.bmm(weights, keys), weights


class wrong_keys_turned_in_place(_Additive):
    """transpose_ turns the caller's keys around."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        keys.data = keys.data.transpose(1, 2)
        return context, weights


class wrong_mask_inverted_in_place(_Additive):
    """logical_not_ flips the caller's mask."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        blocked = _three_axes(mask.logical_not_())
        weights = torch.softmax(scores.masked_fill(blocked, torch.finfo(scores.dtype).min), dim=-1)
        return weights.masked_fill(blocked, 0.0)


class wrong_always_single_precision(_Additive):
    """Whatever comes in, float32 goes out."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.float(), weights.float()


class wrong_single_precision_inside(_Additive):
    """float64 is computed in float32 and cast back, which loses half of the digits."""

    def forward(self, queries, keys, mask=None):
        q = F.linear(queries.float(), self.W_q.weight.float())
        k = F.linear(keys.float(), self.W_k.weight.float())
        scores = F.linear(torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)), self.v.weight.float()).squeeze(-1)
        weights = _masked_softmax(scores, mask)
        return (weights @ keys.float()).to(keys.dtype), weights.to(keys.dtype)


class wrong_bfloat16_inside(_Additive):
    """The scores pass through bfloat16 to save memory."""

    def attend(self, scores, mask):
        return _masked_softmax(scores.to(torch.bfloat16).to(scores.dtype), mask)


class wrong_buffer_of_the_default_type(_Additive):
    """The weights are written into a zeros tensor of the default dtype."""

    def attend(self, scores, mask):
        weights = torch.zeros(scores.shape)
        weights[:] = _masked_softmax(scores, mask)
        return weights


class wrong_float_mask(_Additive):
    """mask.float() turns bfloat16 weights into float32 ones, and bmm refuses."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores.masked_fill(~allowed, -1e30), dim=-1) * allowed.float()


class wrong_fill_of_another_type(_Additive):
    """The smallest float64 does not fit into float32."""

    def attend(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=-1)
        allowed = _three_axes(mask)
        return torch.softmax(scores.masked_fill(~allowed, torch.finfo(torch.float64).min), dim=-1) * allowed


# ------------------------------------------------------------------------------- wrong: the rest


class wrong_dropout_always(_Additive):
    """F.dropout without `training` drops weights at evaluation too."""

    def attend(self, scores, mask):
        return F.dropout(_masked_softmax(scores, mask), p=0.3)


class wrong_noise_on_the_scores(_Additive):
    """Gumbel noise is added in every call."""

    def attend(self, scores, mask):
        noise = -torch.log(-torch.log(torch.rand_like(scores, dtype=torch.float64) * 0.98 + 0.01))
        return _masked_softmax(scores + noise.to(scores.dtype), mask)


class wrong_returns_nothing(_Additive):
    """The return line is missing."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        torch.bmm(weights, keys)


class wrong_raises_in_the_middle(_Additive):
    """matmul of the weights with the projected queries: the sizes do not fit."""

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        context = torch.bmm(weights.transpose(1, 2), keys.transpose(1, 2).unsqueeze(-1))
        return context, weights


class wrong_returns_numpy(_Additive):
    """Arrays come back instead of tensors."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.detach().float().numpy(), weights.detach().float().numpy()


class wrong_returns_lists(_Additive):
    """Nested lists come back instead of tensors."""

    def forward(self, queries, keys, mask=None):
        context, weights = super().forward(queries, keys, mask)
        return context.tolist(), weights.tolist()


class wrong_uniform_weights(_Additive):
    """Every allowed key gets the same weight, whatever the scores."""

    def attend(self, scores, mask):
        return _masked_softmax(scores * 0, mask)


class wrong_two_no_tanh_and_over_queries(nn.Module):
    """Two mistakes: no tanh, and the softmax runs over the queries."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)

    def forward(self, queries, keys, mask=None):
        scores = self.v(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)).squeeze(-1)
        if mask is not None:
            scores = scores.masked_fill(~_three_axes(mask), -1e9)
        weights = torch.softmax(scores, dim=1)
        return torch.bmm(weights, keys), weights


class wrong_two_polarity_and_nan(_Additive):
    """Two mistakes: the mask is read upside down, and a full row becomes NaN."""

    def attend(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(_three_axes(mask), -math.inf)
        return torch.softmax(scores, dim=-1)


class wrong_two_scaled_and_unmasked(_Additive):
    """Two mistakes: scores divided by the root of A, and the mask ignored."""

    def attend(self, scores, mask):
        return torch.softmax(scores / math.sqrt(self.v.in_features), dim=-1)


class wrong_two_bias_and_detached(_Additive):
    """Two mistakes: a bias in the key's projection, and the context cut off from the scorer."""

    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__(query_dim, key_dim, attn_dim)
        self.W_k = nn.Linear(key_dim, attn_dim)

    def forward(self, queries, keys, mask=None):
        weights = _masked_softmax(self.score(queries, keys), mask)
        return torch.bmm(weights.detach(), keys), weights
