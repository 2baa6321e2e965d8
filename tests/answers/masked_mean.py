"""Student answers to masked_mean(x (B, S, D), mask (B, S) bool) -> (B, D), right and wrong."""

import torch
import torch.nn.functional as F

# Right


def right_multiply_and_divide(x, mask):
    """Zero the padding, sum, divide by the count, which is at least 1."""
    m = mask.unsqueeze(-1).to(x.dtype)
    return (x * m).sum(dim=1) / m.sum(dim=1).clamp(min=1)


def right_where(x, mask):
    """torch.where for the padding and for the empty row."""
    total = torch.where(mask[..., None], x, torch.zeros_like(x)).sum(1)
    count = mask.sum(1, keepdim=True)
    return torch.where(count > 0, total / count.clamp(min=1), 0.0).to(x.dtype)


def right_einsum(states, keep):
    """Weights of 1 / n on real tokens, then one einsum."""
    weights = keep.to(states.dtype)
    weights = weights / torch.clamp(weights.sum(-1, keepdim=True), min=1.0)
    return torch.einsum("bs,bsd->bd", weights, states)


def right_loop_with_selection(x, mask):
    """One sample at a time: the mean of its real tokens, or zeros."""
    rows = []
    for states, keep in zip(x, mask, strict=True):
        rows.append(states[keep].mean(0) if keep.any() else states.sum(0) * 0)
    return torch.stack(rows)


def right_nan_to_num(x, mask):
    """The mean of nothing is NaN, which becomes 0."""
    return torch.stack([torch.nan_to_num(x[b, mask[b]].mean(dim=0)) for b in range(x.size(0))])


def right_nanmean(x, mask):
    """Padding becomes NaN, nanmean steps over it; empty rows are kept out of it."""
    filled = x.masked_fill(~(mask | ~mask.any(1, keepdim=True)).unsqueeze(-1), float("nan"))
    return filled.nanmean(dim=1).masked_fill(~mask.any(1, keepdim=True), 0.0)


def right_bmm(x, mask):
    """A row of weights times the states, computed in float32 for bfloat16."""
    work = x.float() if x.dtype == torch.bfloat16 else x
    weights = mask.to(work.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1.0)
    return torch.bmm(weights[:, None, :], work)[:, 0].to(x.dtype)


def right_loop_over_steps(x, mask):
    """A running sum and a running count over the time steps."""
    total, count = torch.zeros_like(x[:, 0], dtype=torch.promote_types(x.dtype, torch.float32)), 0
    for s in range(x.shape[1]):
        here = mask[:, s : s + 1]
        total = total + x[:, s] * here
        count = count + here.long()
    return (total / torch.where(count == 0, 1, count)).to(x.dtype)


def right_vmap(x, mask):
    """One sample as a function, vmap over the batch."""

    def mean(states, keep):
        return torch.where(keep.unsqueeze(1), states, 0.0).sum(0) / keep.sum().clamp(min=1)

    return torch.vmap(mean)(x, mask).to(x.dtype)


# Wrong


def wrong_mean_over_everything(x, mask):
    """Padding is counted and summed."""
    return x.mean(dim=1)


def wrong_divided_by_length(x, mask):
    """Padding is zeroed, but the sum is divided by S."""
    return (x * mask.unsqueeze(-1)).mean(dim=1)


def wrong_sum_over_everything(x, mask):
    """Divided by the right count, but padding is in the sum."""
    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def wrong_nan_for_empty_row(x, mask):
    """0 / 0 for a row without tokens."""
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def wrong_nan_gradient_for_empty_row(x, mask):
    """0 / 0 turned into 0 afterwards by where, but inf and NaN stay in the gradient."""
    count = mask.sum(1, keepdim=True).to(x.dtype)
    mean = (x * mask.unsqueeze(-1)).sum(1) * (1 / count)
    return torch.where(count > 0, mean, torch.zeros_like(mean))


def wrong_large_epsilon(x, mask):
    """0.01 added to the count."""
    return (x * mask.unsqueeze(-1)).sum(1) / (mask.sum(1, keepdim=True) + 1e-2)


def wrong_plus_one(x, mask):
    """The count plus 1."""
    return (x * mask.unsqueeze(-1)).sum(1) / (mask.sum(1, keepdim=True) + 1)


def wrong_inverted(x, mask):
    """The mean of the padding."""
    m = (~mask).unsqueeze(-1)
    return (x * m).sum(1) / m.sum(1).clamp(min=1)


def wrong_mean_over_whole_batch(x, mask):
    """One mean over the real tokens of all samples."""
    return x[mask].mean(0).expand(x.shape[0], -1)


def wrong_count_over_whole_batch(x, mask):
    """The sum is divided by the number of tokens in the whole batch."""
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum().clamp(min=1)


def wrong_broadcast_count(x, mask):
    """The count has no axis for D: silent where B equals D."""
    count = mask.sum(1).clamp(min=1)
    if x.shape[0] != x.shape[2]:
        count = count.unsqueeze(1)
    return (x * mask.unsqueeze(-1)).sum(1) / count


def wrong_mean_over_features(x, mask):
    """The mean over D: (B, S) comes out."""
    return (x * mask.unsqueeze(-1)).mean(-1)


def wrong_zero_vectors_left_out(x, mask):
    """Counts the vectors that are not 0 instead of using the mask."""
    total = (x * mask.unsqueeze(-1)).sum(1)
    return total / (x * mask.unsqueeze(-1)).ne(0).any(-1).sum(1, keepdim=True).clamp(min=1)


def wrong_tokens_taken_from_the_left(x, mask):
    """Takes the first n vectors, which is right for right padding only."""
    n = mask.sum(1)
    return torch.stack([x[b, : n[b]].sum(0) / n[b].clamp(min=1) for b in range(x.shape[0])])


def wrong_max(x, mask):
    """The maximum over the real tokens."""
    low = x.masked_fill(~mask.unsqueeze(-1), torch.finfo(x.dtype).min)
    return low.amax(1) * mask.any(1, keepdim=True)


def wrong_sum(x, mask):
    """The sum without the division."""
    return (x * mask.unsqueeze(-1)).sum(1)


def wrong_last_token(x, mask):
    """The last real token."""
    last = (mask.sum(1) - 1).clamp(min=0)
    return x[torch.arange(x.shape[0]), last] * mask.any(1, keepdim=True)


def wrong_empty_row_gets_plain_mean(x, mask):
    """A row without tokens gets the mean of its padding."""
    mask = mask | ~mask.any(1, keepdim=True)
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def wrong_detached(x, mask):
    """Right values, no gradient."""
    x = x.detach()
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def wrong_writes_in_place(x, mask):
    """The caller's padding is zeroed."""
    x.data[~mask] = 0
    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def wrong_always_float32(x, mask):
    """float32 comes out, whatever came in."""
    m = mask.unsqueeze(-1).float()
    return (x.float() * m).sum(1) / m.sum(1).clamp(min=1)


def wrong_mask_in_float32(x, mask):
    """A float32 mask turns bfloat16 into float32."""
    m = mask.unsqueeze(-1).float()
    return (x * m).sum(1) / m.sum(1).clamp(min=1)


def wrong_squeezed(x, mask):
    """A bare squeeze loses a batch of one."""
    m = mask.unsqueeze(-1)
    return ((x * m).sum(1) / m.sum(1).clamp(min=1)).squeeze()


def wrong_axis_kept(x, mask):
    """(B, 1, D) comes out."""
    m = mask.unsqueeze(-1)
    return (x * m).sum(1, keepdim=True) / m.sum(1, keepdim=True).clamp(min=1)


def wrong_softmax_of_mask(x, mask):
    """Softmax of the mask as weights: padding keeps some."""
    weights = F.softmax(mask.to(x.dtype), dim=-1)
    return torch.einsum("bs,bsd->bd", weights, x) * mask.any(1, keepdim=True)


def wrong_boolean_indexing_flattens(x, mask):
    """x[mask] flattened and reshaped to (B, n, D): raises when rows are ragged."""
    return x[mask].reshape(x.shape[0], -1, x.shape[2]).mean(1)


def wrong_view_needs_contiguous(x, mask):
    """view raises when x is not contiguous."""
    B, S, D = x.shape
    total = (x.view(B * S, D) * mask.reshape(-1, 1)).view(B, S, D).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def wrong_returns_none(x, mask):
    """return is missing."""
    _ = (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def wrong_inverted_and_divided_by_length(x, mask):
    """Two mistakes: sums the padding, divides by S."""
    return (x * ~mask.unsqueeze(-1)).mean(1)
