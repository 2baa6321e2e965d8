"""Student answers to masked_softmax(scores (..., S), mask=None) -> (..., S), right and wrong."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_minus_inf_and_nan_to_num(scores, mask=None):
    """Fill with -inf, softmax, turn the NaN of empty rows into 0."""
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.nan_to_num(F.softmax(scores, dim=-1), nan=0.0)


def right_finfo_min_then_multiply(e, m=None):
    """Fill with the smallest number of the dtype, then multiply the weights by the mask."""
    if m is None:
        return torch.softmax(e, dim=-1)
    filled = torch.where(m, e, torch.finfo(e.dtype).min)
    return torch.softmax(filled, dim=-1) * m


def right_exp_with_shift(x, keep=None):
    """exp and sum by hand, shifted by each row's largest real score."""
    keep = torch.ones_like(x, dtype=torch.bool) if keep is None else keep.expand_as(x)
    lowest = torch.finfo(x.dtype).min
    top = x.masked_fill(~keep, lowest).max(dim=-1, keepdim=True).values
    shifted = torch.where(keep, x - top, torch.zeros_like(x))
    numerator = shifted.exp() * keep
    total = numerator.sum(-1, keepdim=True)
    return numerator / torch.where(total > 0, total, torch.ones_like(total))


def right_logsumexp_of_shifted(scores, mask=None):
    """exp(score - logsumexp), after the row's maximum has been taken off both."""
    if mask is None:
        mask = torch.ones(scores.shape[-1], dtype=torch.bool, device=scores.device)
    dead = ~mask.any(dim=-1, keepdim=True)
    # A row without tokens is let through whole and zeroed at the end, so no inf - inf turns up.
    logits = scores.masked_fill(~(mask | dead), -math.inf)
    logits = logits - logits.detach().amax(-1, keepdim=True)
    weights = torch.exp(logits - torch.logsumexp(logits, dim=-1, keepdim=True))
    return weights.masked_fill(dead, 0.0)


def right_log_softmax_exp(logits, attend=None):
    """exp of log_softmax, zeroed wherever the mask is False."""
    if attend is not None:
        logits = logits.masked_fill(attend.logical_not(), torch.finfo(logits.dtype).min)
    out = F.log_softmax(logits, dim=-1).exp()
    if attend is not None:
        out = out.masked_fill(attend.logical_not(), 0)
    return out


def right_row_by_row(scores, mask=None):
    """A Python loop over the rows that takes the softmax of the real entries only."""
    S = scores.shape[-1]
    rows = scores.reshape(-1, S)
    if mask is None:
        keep = torch.ones_like(rows, dtype=torch.bool)
    else:
        keep = mask.broadcast_to(scores.shape).reshape(-1, S)
    done = []
    for row, ok in zip(rows, keep, strict=True):
        if ok.any():
            done.append(torch.zeros_like(row).masked_scatter(ok, torch.softmax(row[ok], dim=0)))
        else:
            done.append(row * 0)
    return torch.stack(done).reshape(scores.shape)


def _one_row(row, keep):
    filled = torch.where(keep, row, -math.inf)
    top = torch.nan_to_num(filled.max(), neginf=0.0)
    e = torch.where(keep, torch.exp(torch.where(keep, row - top, 0.0)), 0.0)
    total = e.sum()
    return (e / torch.where(total == 0, 1.0, total)).to(row.dtype)


def right_vmap_over_rows(scores, mask=None):
    """One row written as a function, vmap over all of them."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    flat = scores.reshape(-1, scores.size(-1))
    keep = mask.expand(scores.shape).reshape(flat.shape)
    return torch.vmap(_one_row)(flat, keep).reshape(scores.shape)


class _MaskedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores, keep):
        shifted = scores.masked_fill(~keep, -math.inf)
        weights = torch.softmax(shifted, dim=-1).masked_fill(~keep, 0.0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, grad):
        (weights,) = ctx.saved_tensors
        return weights * (grad - (weights * grad).sum(-1, keepdim=True)), None


def right_autograd_function(scores, mask=None):
    """A torch.autograd.Function with its own backward."""
    keep = scores.new_ones((), dtype=torch.bool) if mask is None else mask
    return _MaskedSoftmax.apply(scores, keep)


def right_float32_inside_for_bfloat16(scores, mask=None):
    """bfloat16 is computed in float32 and cast back, other dtypes stay as they are."""
    work = scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores
    if mask is not None:
        work = work.masked_fill(~mask, torch.finfo(work.dtype).min)
    weights = work.softmax(-1)
    if mask is not None:
        weights = weights * mask.to(weights.dtype)
    return weights.to(scores.dtype)


def right_double_inside(scores, mask=None):
    """Everything in float64, cast back at the end."""
    work = scores.double()
    if mask is not None:
        work = work.masked_fill(~mask, -1e300)
    weights = F.softmax(work, dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights.type_as(scores)


def right_online(scores, mask=None):
    """One pass over the sources with a running maximum and a running sum."""
    columns = scores.unbind(dim=-1)
    if mask is None:
        keeps = [torch.ones_like(c, dtype=torch.bool) for c in columns]
    else:
        keeps = mask.expand_as(scores).unbind(dim=-1)
    low = torch.finfo(scores.dtype).min
    top = torch.full_like(columns[0], low)
    for c, k in zip(columns, keeps, strict=True):
        top = torch.maximum(top, torch.where(k, c, low))
    top = top.detach()
    running = torch.zeros_like(top)
    parts = []
    for c, k in zip(columns, keeps, strict=True):
        part = torch.where(k, c - top, 0.0).exp() * k
        running = running + part
        parts.append(part)
    safe = torch.where(running > 0, running, torch.ones_like(running))
    return torch.stack([p / safe for p in parts], dim=-1)


def right_running_rescale(scores, mask=None):
    """The online softmax that rescales its sum each time a larger score comes."""
    keep = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    low = torch.finfo(scores.dtype).min
    m = scores.new_full(scores.shape[:-1], low)
    z = scores.new_zeros(scores.shape[:-1])
    with torch.no_grad():
        for j in range(scores.shape[-1]):
            candidate = torch.where(keep[..., j], scores[..., j], low)
            higher = torch.maximum(m, candidate)
            z = z * torch.exp(m - higher) + torch.exp(candidate - higher) * keep[..., j]
            m = higher
    weights = torch.where(keep, scores - m[..., None], 0.0).exp() * keep
    total = weights.sum(dim=-1, keepdim=True)
    return weights / total.masked_fill((z == 0)[..., None], 1.0)


def right_additive_bias(scores, mask=None):
    """A finite bias added to the scores, empty rows zeroed afterwards."""
    if mask is None:
        return scores.softmax(dim=-1)
    bias = torch.zeros(mask.shape, dtype=scores.dtype, device=scores.device)
    bias = bias.masked_fill(~mask, torch.finfo(scores.dtype).min / 2)
    return torch.softmax(scores + bias, dim=-1) * mask.any(dim=-1, keepdim=True)


def right_rescue_empty_rows_first(scores, mask=None):
    """Empty rows are opened before the softmax and closed after it, so no NaN ever exists."""
    if mask is None:
        return F.softmax(scores, -1)
    has_token = mask.any(dim=-1, keepdim=True)
    logits = scores.masked_fill(~mask & has_token, float("-inf"))
    return F.softmax(logits, -1).masked_fill(~has_token, 0.0)


def right_index_assignment_on_a_clone(scores, mask=None):
    """Boolean index assignment, on a copy of its own."""
    own = scores.clone()
    if mask is None:
        return own.softmax(dim=-1)
    hidden = ~mask.expand_as(scores)
    own[hidden] = torch.finfo(own.dtype).min
    weights = own.softmax(dim=-1).clone()
    weights[hidden] = 0
    return weights


def right_axis_moved_to_the_front(scores, mask=None):
    """Softmax over dim 0, of scores whose last axis has been moved there."""
    first = scores.movedim(-1, 0)
    if mask is not None:
        keep = mask.expand_as(scores).movedim(-1, 0)
        first = first.masked_fill(~keep, -torch.inf)
    weights = F.softmax(first, dim=0)
    if mask is not None:
        weights = torch.where(keep, weights, torch.zeros_like(weights))
    return weights.movedim(0, -1)


def right_softmax_module(att_scores, att_mask=None):
    """nn.Softmax and a multiplication with the mask."""
    softmax = nn.Softmax(dim=-1)
    if att_mask is None:
        return softmax(att_scores)
    att_scores = att_scores.masked_fill(att_mask == 0, torch.finfo(att_scores.dtype).min)
    return att_mask * softmax(att_scores)


def right_sdpa_reads_off_the_weights(scores, mask=None):
    """scaled_dot_product_attention with the scores as its bias and the identity as its values."""
    S = scores.shape[-1]
    rows = scores.reshape(-1, S).unsqueeze(1)
    if mask is not None:
        keep = mask.expand(scores.shape).reshape(-1, 1, S)
        empty = ~keep.any(-1, keepdim=True)
        rows = rows.masked_fill(~keep & ~empty, float("-inf"))
    nothing = scores.new_zeros(rows.shape[0], 1, 1)
    identity = torch.eye(S, dtype=scores.dtype, device=scores.device).expand(rows.shape[0], S, S)
    keys = scores.new_zeros(rows.shape[0], S, 1)
    out = F.scaled_dot_product_attention(nothing, keys, identity, attn_mask=rows)
    if mask is not None:
        out = out.masked_fill(empty, 0.0)
    return out.reshape(scores.shape)


def right_torch_masked(scores, mask=None):
    """torch.masked does the work, its NaN in empty rows are set to 0."""
    if mask is None:
        return torch.softmax(scores, -1)
    keep = mask.expand_as(scores)
    return torch.masked.softmax(scores, -1, mask=keep).masked_fill(~keep, 0.0)


def right_powers_of_two(scores, mask=None):
    """exp2 of the shifted scores times log2(e), normalised with einsum."""
    keep = torch.tensor(True, device=scores.device) if mask is None else mask
    top = torch.where(keep, scores, torch.finfo(scores.dtype).min).amax(-1, keepdim=True).detach()
    gap = (scores - top).masked_fill(~keep, 0.0)
    powers = torch.exp2(gap * math.log2(math.e)).masked_fill(~keep, 0.0)
    total = torch.einsum("...s->...", powers).unsqueeze(-1)
    return powers / (total + (total == 0))


def right_sorted_to_the_front(scores, mask=None):
    """Real entries are gathered to the front by a stable sort, normalised there and put back."""
    if mask is None:
        return scores.softmax(-1)
    keep = mask.expand_as(scores)
    order = torch.sort((~keep).to(torch.int8), dim=-1, stable=True).indices
    packed = scores.gather(-1, order)
    count = keep.sum(-1, keepdim=True)
    real = torch.arange(scores.size(-1), device=scores.device) < count
    weights = packed.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(-1) * real
    return torch.zeros_like(scores).scatter(-1, order, weights)


# Wrong


def wrong_softmax_over_first_axis(scores, mask=None):
    """Softmax over dim 0 instead of the last axis."""
    if mask is None:
        return F.softmax(scores, dim=0)
    return torch.nan_to_num(F.softmax(scores.masked_fill(~mask, -math.inf), dim=0))


def wrong_softmax_over_queries(scores, mask=None):
    """Softmax over the queries, the axis before the last."""
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-2 if scores.dim() > 1 else -1)
    return weights if mask is None else weights * mask


def wrong_dim_one(scores, mask=None):
    """dim=1 written down, which is the last axis for two axes only."""
    axis = 1 if scores.dim() > 1 else 0
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = F.softmax(scores, dim=axis)
    return weights if mask is None else weights.masked_fill(~mask, 0.0)


def wrong_softmax_over_flattened(scores, mask=None):
    """One softmax over all axes flattened together."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.nan_to_num(scores.flatten().softmax(0)).reshape(scores.shape)


def wrong_softmax_over_last_two(scores, mask=None):
    """Queries and keys of a sample are normalised together."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    if scores.dim() < 2:
        return torch.nan_to_num(scores.softmax(-1))
    return torch.nan_to_num(scores.flatten(-2).softmax(-1)).reshape(scores.shape)


def wrong_naive_exp(scores, mask=None):
    """exp without taking off the maximum overflows."""
    e = torch.exp(scores)
    if mask is not None:
        e = torch.where(mask, e, torch.zeros_like(e))
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total == 0, torch.ones_like(total), total)


def wrong_global_maximum(scores, mask=None):
    """Shifts by the largest score of the whole tensor, so that low rows underflow to 0."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    top = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).max()
    e = torch.where(mask, torch.exp(scores - top), torch.zeros_like(scores))
    total = e.sum(dim=-1, keepdim=True)
    return e / total.masked_fill(total == 0, 1.0)


def wrong_maximum_counts_masked(scores, mask=None):
    """The maximum that is taken off looks at masked places too."""
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    if mask is not None:
        e = e * mask
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total > 0, total, 1.0)


def wrong_scaled_by_root_length(scores, mask=None):
    """A needless division by the root of S."""
    scores = scores / math.sqrt(scores.shape[-1])
    if mask is None:
        return scores.softmax(-1)
    return scores.masked_fill(~mask, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_mask_ignored(scores, mask=None):
    """The mask is never used."""
    return torch.softmax(scores, dim=-1)


def wrong_masked_fill_thrown_away(scores, mask=None):
    """The result of masked_fill is not kept."""
    if mask is not None:
        scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1).nan_to_num(0.0)


def wrong_mask_after_softmax(scores, mask=None):
    """Masked after the softmax and not renormalised."""
    weights = torch.softmax(scores, dim=-1)
    return weights if mask is None else weights * mask


def wrong_mask_after_softmax_renormalised(scores, mask=None):
    """Masked after the softmax and renormalised, which is lost when a masked score dominates."""
    weights = torch.softmax(scores, dim=-1)
    if mask is None:
        return weights
    weights = weights * mask
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total > 0, total, torch.ones_like(total))


def wrong_scores_times_mask(scores, mask=None):
    """Scores are multiplied by the mask, and exp(0) is 1."""
    if mask is not None:
        scores = scores * mask
    return torch.softmax(scores, dim=-1)


def wrong_fill_with_tiny_number(scores, mask=None):
    """Masked scores are set to 1e-9 instead of something very negative."""
    if mask is not None:
        scores = scores.masked_fill(mask == 0, 1e-9)
    return F.softmax(scores, dim=-1)


def wrong_mask_inverted(scores, mask=None):
    """Hides the real tokens and attends to the padding."""
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return torch.nan_to_num(torch.softmax(scores, dim=-1))


def wrong_nan_on_empty_row(scores, mask=None):
    """-inf and nothing else: NaN when a row has no token."""
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1)


def wrong_minus_inf_added(scores, mask=None):
    """-inf added as a bias and nan_to_num after: right values, NaN gradients in empty rows."""
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -math.inf)
        scores = scores + bias
    return torch.nan_to_num(torch.softmax(scores, dim=-1), nan=0.0)


def wrong_minus_1e9_on_empty_row(scores, mask=None):
    """-1e9 everywhere in an empty row, which gives uniform weights."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    return torch.softmax(scores, dim=-1)


def wrong_minus_1e9_added(scores, mask=None):
    """(1 - mask) * -1e9 added, so an empty row keeps weights."""
    if mask is not None:
        scores = scores + (1.0 - mask.to(scores.dtype)) * -1e9
    return torch.softmax(scores, dim=-1)


def wrong_zero_times_inf(scores, mask=None):
    """mask * s + (1 - mask) * (-inf) is NaN at every real token."""
    if mask is not None:
        m = mask.to(scores.dtype)
        scores = m * scores + (1 - m) * float("-inf")
    return torch.softmax(scores, dim=-1)


def wrong_one_minus_bool(scores, mask=None):
    """1 - mask on a bool tensor raises."""
    if mask is not None:
        scores = scores + (1 - mask) * torch.finfo(scores.dtype).min
    return torch.softmax(scores, dim=-1)


def wrong_writes_scores_in_place(scores, mask=None):
    """masked_fill_ on the caller's scores, only when there is a mask."""
    if mask is not None:
        scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
        return torch.softmax(scores, dim=-1) * mask
    return torch.softmax(scores, dim=-1)


def wrong_writes_through_data(scores, mask=None):
    """Writes the mask through .data: autograd does not notice, the caller's tensor changes."""
    if mask is None:
        return scores.softmax(-1)
    scores.data.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    return torch.softmax(scores, dim=-1).masked_fill(~mask, 0.0)


def wrong_subtracts_maximum_in_place(scores, mask=None):
    """scores -= max changes the caller's scores."""
    with torch.no_grad():
        scores -= scores.amax(dim=-1, keepdim=True)
    if mask is None:
        return F.softmax(scores, dim=-1)
    return F.softmax(scores.masked_fill(~mask, -math.inf), dim=-1).nan_to_num(0.0)


def wrong_in_place_on_softmax_output(scores, mask=None):
    """weights *= mask overwrites what softmax needs for backward."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    weights = torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1)
    weights *= mask
    return weights


def wrong_inverts_mask_in_place(scores, mask=None):
    """logical_not_ on the caller's mask: the next call gets the opposite."""
    if mask is None:
        return scores.softmax(dim=-1)
    hidden = mask.logical_not_()
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-1).nan_to_num(0.0)


def wrong_squeezed(scores, mask=None):
    """A bare squeeze loses every axis of size 1."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.nan_to_num(torch.softmax(scores, dim=-1)).squeeze()


def wrong_view_needs_contiguous(scores, mask=None):
    """view(-1, S) raises for non-contiguous scores."""
    flat = scores.view(-1, scores.shape[-1])
    if mask is not None:
        flat = flat.masked_fill(~mask.expand(scores.shape).reshape(flat.shape), -math.inf)
    return torch.softmax(flat, dim=-1).nan_to_num(0.0).view(scores.shape)


def wrong_softmax_twice(scores, mask=None):
    """Softmax of the softmax."""
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(torch.softmax(scores, dim=-1), dim=-1)
    return weights if mask is None else weights * mask


def wrong_softmax_twice_masked_twice(scores, mask=None):
    """A full masked softmax, applied to its own result."""
    for _ in range(2):
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        scores = torch.softmax(scores, dim=-1).nan_to_num(0.0)
    return scores


def wrong_detached(scores, mask=None):
    """Right values, no gradient."""
    scores = scores.detach()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.nan_to_num(scores.softmax(dim=-1))


def wrong_no_grad_with_mask(scores, mask=None):
    """The masked path sits under no_grad."""
    if mask is None:
        return scores.softmax(dim=-1)
    with torch.no_grad():
        return scores.masked_fill(~mask, -math.inf).softmax(dim=-1).nan_to_num(0.0)


def wrong_denominator_detached(scores, mask=None):
    """Right values, but the sum below is detached, so gradients miss a term."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    filled = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    e = torch.exp(filled - filled.amax(-1, keepdim=True).detach()) * mask
    total = e.sum(-1, keepdim=True).detach()
    return e / torch.where(total > 0, total, torch.ones_like(total))


class _HalfBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores):
        weights = torch.softmax(scores, dim=-1).nan_to_num(0.0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, grad):
        (weights,) = ctx.saved_tensors
        return weights * (1 - weights) * grad


def wrong_sigmoid_like_backward(scores, mask=None):
    """Own backward with w (1 - w) only: the cross terms of the Jacobian are missing."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return _HalfBackward.apply(scores)


def wrong_numpy_inside(scores, mask=None):
    """Goes through numpy, so the gradient ends there."""
    s = scores.detach().double().numpy().copy()
    if mask is not None:
        s[~mask.expand(scores.shape).numpy()] = -math.inf
    return torch.from_numpy(s).softmax(-1).nan_to_num(0.0).to(scores.dtype)


def wrong_returns_numpy(scores, mask=None):
    """Returns a numpy array."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.detach().float().softmax(-1).nan_to_num(0.0).numpy()


def wrong_returns_list(scores, mask=None):
    """Returns nested lists."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0).tolist()


def wrong_returns_none(scores, mask=None):
    """Forgets to return."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    scores.softmax(-1).nan_to_num(0.0)


def wrong_returns_tuple(scores, mask=None):
    """Returns the weights and the masked scores."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0), scores


def wrong_returns_scores(scores, mask=None):
    """Returns the masked scores: the softmax was forgotten."""
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores


def wrong_returns_log_weights(scores, mask=None):
    """log_softmax without the exp."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    return F.log_softmax(scores, dim=-1)


def wrong_extra_axis(scores, mask=None):
    """Puts an axis of size 1 at the end."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0).unsqueeze(-1)


def wrong_always_float32(scores, mask=None):
    """Whatever comes in, float32 goes out."""
    scores = scores.float()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0)


def wrong_float64_through_float32(scores, mask=None):
    """Casts back to the right dtype, but float64 scores have lost their digits on the way."""
    work = scores.float()
    if mask is not None:
        work = work.masked_fill(~mask, -math.inf)
    return work.softmax(-1).nan_to_num(0.0).to(scores.dtype)


def wrong_everything_in_bfloat16(scores, mask=None):
    """Computes in bfloat16 and casts back."""
    work = scores.bfloat16()
    if mask is not None:
        work = work.masked_fill(~mask, -math.inf)
    return work.softmax(-1).nan_to_num(0.0).to(scores.dtype)


def wrong_mask_buffer_in_float32(scores, mask=None):
    """A float32 bias turns bfloat16 scores into float32 when there is a mask."""
    if mask is None:
        return scores.softmax(-1)
    bias = torch.zeros(mask.shape).masked_fill(~mask, -1e30)
    return torch.softmax(scores + bias, dim=-1) * mask


def wrong_fill_minus_1e4(scores, mask=None):
    """-10000 as fill: no smaller than a real score can be."""
    if mask is None:
        return scores.softmax(-1)
    has_token = mask.any(-1, keepdim=True)
    return torch.softmax(scores.masked_fill(~mask, -1e4), dim=-1) * has_token


def wrong_minus_1e4_added(scores, mask=None):
    """-10000 added to masked scores, which a masked score of 10000 undoes."""
    if mask is None:
        return scores.softmax(-1)
    bias = mask.logical_not().to(scores.dtype) * -10000.0
    return torch.softmax(scores + bias, dim=-1) * mask.any(-1, keepdim=True)


def wrong_fill_minus_100(scores, mask=None):
    """-100 as fill."""
    if mask is None:
        return scores.softmax(-1)
    return torch.softmax(scores.masked_fill(~mask, -100.0), dim=-1) * mask.any(-1, keepdim=True)


def wrong_fill_one_below_minimum(scores, mask=None):
    """Masked places get the smallest score minus 1: still a visible weight."""
    if mask is None:
        return scores.softmax(-1)
    low = scores.amin(-1, keepdim=True).detach() - 1
    return torch.softmax(torch.where(mask, scores, low), dim=-1) * mask.any(-1, keepdim=True)


def wrong_large_epsilon(scores, mask=None):
    """1e-2 in the denominator: rows sum to less than 1."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    filled = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    e = torch.exp(filled - filled.amax(-1, keepdim=True)) * mask
    return e / (e.sum(-1, keepdim=True) + 1e-2)


def wrong_scores_clamped(scores, mask=None):
    """Clamps the scores to 50 against overflow, so larger scores become equal."""
    e = torch.exp(scores.clamp(-50, 50))
    if mask is not None:
        e = e * mask
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total > 0, total, 1.0)


def wrong_empty_row_uniform(scores, mask=None):
    """On purpose: where nothing may be attended to, attend to all equally."""
    if mask is None:
        return scores.softmax(-1)
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return torch.where(mask.any(-1, keepdim=True), weights.nan_to_num(0.0), 1 / scores.size(-1))


def wrong_empty_row_looked_for_in_whole_mask(scores, mask=None):
    """Only a mask that is False everywhere counts as empty; one empty row is NaN."""
    if mask is None:
        return scores.softmax(-1)
    if not mask.any():
        return scores * 0
    return scores.masked_fill(~mask, -math.inf).softmax(-1)


def wrong_one_empty_row_zeroes_all(scores, mask=None):
    """An empty row anywhere makes the whole result 0."""
    if mask is None:
        return scores.softmax(-1)
    if not mask.any(-1).all():
        return scores * 0
    return scores.masked_fill(~mask, -math.inf).softmax(-1)


def wrong_one_place_is_always_one(scores, mask=None):
    """With S = 1 the weight is always 1, though the only place may be masked."""
    if scores.shape[-1] == 1:
        return scores * 0 + 1
    if mask is None:
        return scores.softmax(-1)
    return scores.masked_fill(~mask, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_needs_a_mask(scores, mask=None):
    """~None raises when there is no mask."""
    return torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1).nan_to_num(0.0)


def wrong_no_mask_means_nothing(scores, mask=None):
    """Without a mask it takes every place as hidden."""
    if mask is None:
        mask = torch.zeros_like(scores, dtype=torch.bool)
    return torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1).nan_to_num(0.0)


def wrong_no_mask_masks_zero_scores(scores, mask=None):
    """Without a mask it guesses one: scores of 0 are taken for padding."""
    if mask is None:
        mask = scores != 0
    return torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1).nan_to_num(0.0)


def wrong_mask_must_have_full_shape(scores, mask=None):
    """Boolean indexing with the mask as it comes: no broadcasting."""
    own = scores.clone()
    if mask is not None:
        own[~mask] = -math.inf
    return own.softmax(-1).nan_to_num(0.0)


def wrong_mask_always_unsqueezed(scores, mask=None):
    """Takes every mask for (B, S) and puts an axis in for the queries."""
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(1), -math.inf)
    return scores.softmax(-1).nan_to_num(0.0)


def wrong_mask_of_first_sample(scores, mask=None):
    """The first sample's mask is used for all."""
    if mask is None:
        return scores.softmax(-1)
    keep = mask.expand_as(scores)[:1] if scores.dim() > 1 else mask
    return scores.masked_fill(~keep, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_mask_taken_as_prefix(scores, mask=None):
    """Counts the real tokens and keeps that many from the left: only for right padding."""
    if mask is None:
        return scores.softmax(-1)
    count = mask.expand_as(scores).sum(-1, keepdim=True)
    keep = torch.arange(scores.size(-1)) < count
    return scores.masked_fill(~keep, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_mask_added_as_number(scores, mask=None):
    """The mask is added as 0 and 1."""
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    return scores.softmax(-1)


def wrong_keepdim_missing(scores, mask=None):
    """The row sum has lost its axis and is broadcast along the wrong one."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    filled = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    e = torch.exp(filled - filled.amax(-1, keepdim=True)) * mask
    total = e.sum(-1)
    return e / torch.where(total > 0, total, 1.0)


def wrong_softmin(scores, mask=None):
    """exp(-score): the lowest score gets the largest weight."""
    if mask is not None:
        scores = scores.masked_fill(~mask, math.inf)
    return F.softmin(scores, dim=-1).nan_to_num(0.0)


def wrong_divided_by_sum(scores, mask=None):
    """Scores divided by their sum, without exp."""
    if mask is not None:
        scores = scores * mask
    total = scores.sum(-1, keepdim=True)
    return scores / torch.where(total == 0, 1.0, total)


def wrong_hard_maximum(scores, mask=None):
    """One-hot of the largest score."""
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = F.one_hot(scores.argmax(-1), scores.size(-1)).to(scores.dtype)
    return weights if mask is None else weights * mask


def wrong_straight_through(scores, mask=None):
    """Forward one-hot, backward the softmax."""
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    soft = scores.softmax(-1) if mask is None else scores.softmax(-1) * mask
    hard = (soft == soft.amax(-1, keepdim=True)).to(soft.dtype) * (soft > 0)
    return hard + soft - soft.detach()


def wrong_sigmoid(scores, mask=None):
    """A sigmoid for each score; rows do not sum to 1."""
    weights = torch.sigmoid(scores)
    return weights if mask is None else weights * mask


def wrong_uniform(scores, mask=None):
    """Every real token gets the same weight, whatever its score."""
    keep = torch.ones_like(scores) if mask is None else mask.expand_as(scores).to(scores.dtype)
    return keep / keep.sum(-1, keepdim=True).clamp(min=1) + scores * 0


def wrong_temperature(scores, mask=None):
    """Sharpened with a temperature of one half."""
    scores = scores / 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0)


def wrong_dropout(scores, mask=None):
    """Dropout on the weights, active in every call."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return F.dropout(scores.softmax(-1).nan_to_num(0.0), p=0.2)


def wrong_pairwise_ratios(scores, mask=None):
    """1 / sum_k exp(s_k - s_j): right values, but inf / inf in the gradient when gaps are large."""
    keep = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    gaps = scores.unsqueeze(-2) - scores.unsqueeze(-1)
    ratios = torch.where(keep.unsqueeze(-2), torch.exp(gaps), 0.0).sum(-1)
    return torch.where(keep, 1 / torch.where(keep, ratios, 1.0), 0.0)


_SEEN = {}


def wrong_mask_kept_from_first_call(scores, mask=None):
    """The mask of the first call with a shape is kept and used for all later ones."""
    if mask is None:
        return scores.softmax(-1)
    hidden = _SEEN.setdefault(tuple(scores.shape), ~mask.expand_as(scores))
    return scores.masked_fill(hidden, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_only_three_axes(scores, mask=None):
    """Unpacks the shape as B, T, S."""
    B, T, S = scores.shape
    keep = torch.ones(B, T, S, dtype=torch.bool) if mask is None else mask.expand(B, T, S)
    return scores.masked_fill(~keep, -math.inf).softmax(-1).nan_to_num(0.0)


def wrong_weights_rounded(scores, mask=None):
    """Small weights are cut off to make the picture tidy."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num(0.0)
    return torch.where(weights < 0.05, torch.zeros_like(weights), weights)


def wrong_empty_row_from_scores(scores, mask=None):
    """Takes rows whose scores are all 0 for empty."""
    live = (scores != 0).any(-1, keepdim=True)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num(0.0) * live


def wrong_queries_axis_and_inverted_mask(scores, mask=None):
    """Two mistakes: softmax over the queries and the mask the wrong way round."""
    if mask is not None:
        scores = scores.masked_fill(mask, -math.inf)
    return torch.nan_to_num(scores.softmax(dim=-2 if scores.dim() > 1 else 0))


def wrong_naive_exp_and_float32(scores, mask=None):
    """Two mistakes: no shift, and float32 whatever came in."""
    e = scores.to(torch.float32).exp()
    if mask is not None:
        e = e * mask
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total > 0, total, 1.0)


def wrong_late_mask_and_epsilon(scores, mask=None):
    """Two mistakes: masked after the softmax, renormalised with a large epsilon."""
    weights = scores.softmax(-1)
    if mask is None:
        return weights
    weights = weights * mask
    return weights / (weights.sum(-1, keepdim=True) + 0.05)


def wrong_attribute_typo(scores, mask=None):
    """Raises in the middle: tensors have no method soft_max."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.soft_max(-1)
