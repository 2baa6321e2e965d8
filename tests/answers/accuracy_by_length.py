"""Right and wrong ways of writing `accuracy_by_length(predictions, targets, mask, lengths, at)`.

Each function called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

from collections import Counter, defaultdict

import numpy as np
import torch
import torch.nn.functional as F

# ---------------------------------------------------------------------------------------------- right


def right_table_of_lengths(predictions, targets, mask, lengths, at):
    """A (K, N) table of who has which length."""
    right = ((predictions == targets) | ~mask).all(dim=1)
    belongs = at.unsqueeze(1) == lengths.unsqueeze(0)
    count = belongs.sum(1)
    return (belongs & right).sum(1) / count.clamp(min=1), count


def right_loop_over_the_lengths(predictions, targets, mask, lengths, at):
    """One length at a time; a length that does not occur is skipped."""
    wrong = ((predictions != targets) & mask).any(dim=1)
    accuracy = torch.zeros(len(at), dtype=torch.float32, device=at.device)
    count = torch.zeros(len(at), dtype=torch.int64, device=at.device)
    for k in range(len(at)):
        chosen = lengths == at[k]
        count[k] = chosen.sum()
        if count[k] > 0:
            accuracy[k] = 1 - wrong[chosen].float().mean()
    return accuracy, count


def right_plain_python(predictions, targets, mask, lengths, at):
    """Lists and dictionaries only."""
    seen, good = Counter(), Counter()
    for p, t, m, n in zip(
        predictions.tolist(), targets.tolist(), mask.tolist(), lengths.tolist(), strict=True
    ):
        seen[n] += 1
        good[n] += all(a == b for a, b, real in zip(p, t, m, strict=True) if real)
    accuracy = [good[n] / seen[n] if seen[n] else 0.0 for n in at.tolist()]
    count = [seen[n] for n in at.tolist()]
    return torch.tensor(accuracy, device=at.device), torch.tensor(count, device=at.device)


def right_row_after_row(predictions, targets, mask, lengths, at):
    """torch.equal on what is real of each row."""
    results = defaultdict(list)
    for i in range(predictions.size(0)):
        real = mask[i]
        results[int(lengths[i])].append(torch.equal(predictions[i][real], targets[i][real]))
    accuracy, count = [], []
    for n in at:
        mine = results.get(int(n), [])
        count.append(len(mine))
        accuracy.append(sum(mine) / max(len(mine), 1))
    return torch.tensor(accuracy, dtype=torch.float32), torch.tensor(count, dtype=torch.long)


def right_no_errors(predictions, targets, mask, lengths, at):
    """A sequence is right when its number of errors is 0; matmul counts."""
    errors = (predictions.ne(targets) & mask).sum(1)
    right = (errors == 0).to(torch.float64)
    one_hot = (lengths[None, :] == at[:, None]).to(torch.float64)
    total = one_hot @ torch.ones_like(right)
    share = torch.where(total > 0, (one_hot @ right) / total.clamp(min=1), 0.0)
    return share.float(), total.long()


def right_targets_filled_in(predictions, targets, mask, lengths, at):
    """Padding takes over the target, so that it is right; mean with nan_to_num."""
    filled = torch.where(mask, predictions, targets)
    right = torch.eq(filled, targets).all(-1).float()
    shares, counts = [], []
    for length in at.unbind():
        these = right[lengths == length]
        shares.append(these.mean().nan_to_num(0.0))
        counts.append(these.numel())
    return torch.stack(shares), torch.tensor(counts, dtype=torch.int64)


def right_bincount(predictions, targets, mask, lengths, at):
    """Two histograms over all lengths, read off at the asked places."""
    ok = ~((predictions != targets) & mask).any(1)
    size = int(max(lengths.max(), at.max())) + 1
    lengths = lengths.long()
    count = torch.bincount(lengths, minlength=size)
    good = torch.bincount(lengths[ok], minlength=size)
    accuracy = good.float() / count.float().clamp_min(1.0)
    return accuracy[at.long()], count[at.long()]


def right_index_add(predictions, targets, mask, lengths, at):
    """The places of at are found first, then the samples are added up there."""
    values, place = torch.unique(torch.cat([at, lengths.to(at.dtype)]), return_inverse=True)
    mine = place[len(at) :]
    ok = torch.logical_or(predictions == targets, torch.logical_not(mask)).all(dim=1)
    count = torch.zeros(len(values), dtype=torch.int64).index_add_(0, mine, torch.ones_like(mine))
    good = torch.zeros(len(values)).index_add_(0, mine, ok.float())
    share = good / torch.maximum(count, torch.ones_like(count))
    return share[place[: len(at)]], count[place[: len(at)]]


def right_as_many_as_real(predictions, targets, mask, lengths, at):
    """As many right places as real ones."""
    n_right = ((predictions == targets) & mask).sum(dim=-1)
    n_real = mask.sum(dim=-1)
    whole = (n_right == n_real).long()
    same = (lengths.view(1, -1) == at.view(-1, 1)).long()
    count = same.sum(dim=1)
    hits = (same * whole).sum(dim=1)
    accuracy = torch.zeros(at.shape[0])
    occurs = count > 0
    accuracy[occurs] = hits[occurs].float() / count[occurs].float()
    return accuracy, count


def right_differences(predictions, targets, mask, lengths, at):
    """The largest masked difference is 0."""
    gap = (predictions.long() - targets.long()).abs() * mask
    right = gap.amax(dim=1) == 0
    count = torch.stack([(lengths == n).sum() for n in at])
    good = torch.stack([right[lengths == n].sum() for n in at])
    return torch.div(good, count.clamp(min=1)).to(torch.float32), count


def right_numpy(predictions, targets, mask, lengths, at):
    """numpy, and back."""
    p, t, m, n, a = (x.cpu().numpy() for x in (predictions, targets, mask, lengths, at))
    right = np.all((p == t) | np.logical_not(m), axis=1)
    accuracy, count = np.zeros(len(a), dtype=np.float32), np.zeros(len(a), dtype=np.int64)
    for k, value in enumerate(a):
        group = right[n == value]
        count[k] = group.size
        accuracy[k] = group.mean() if group.size else 0
    return torch.from_numpy(accuracy).to(at.device), torch.from_numpy(count).to(at.device)


def right_product(predictions, targets, mask, lengths, at):
    """The product of zeros and ones along a row; vmap over the lengths."""
    places = (predictions == targets).int().masked_fill(~mask, 1)
    right = places.prod(dim=1)

    def of(length):
        mine = (lengths == length).long()
        return (mine * right).sum(), mine.sum()

    good, count = torch.vmap(of)(at)
    return good.float() / count.clamp(min=1).float(), count


def right_sorted_groups(predictions, targets, mask, lengths, at):
    """Samples sorted by length; searchsorted gives where each group begins and ends."""
    order = lengths.argsort()
    sorted_lengths = lengths[order].contiguous()
    right = ((predictions == targets) | ~mask).all(1)[order].long()
    before = F.pad(right.cumsum(0), (1, 0))
    at = at.to(sorted_lengths.dtype).contiguous()
    begin = torch.searchsorted(sorted_lengths, at)
    end = torch.searchsorted(sorted_lengths, at, right=True)
    count = end - begin
    return (before[end] - before[begin]) / count.clamp(min=1).float(), count


# ------------------------------------------------------------------- wrong: what a right sequence is


def _whole(predictions, targets, mask):
    """Which sequences are right (N,), for answers whose mistake lies elsewhere."""
    return ((predictions == targets) | ~mask).all(dim=1)


def _grouped(right, lengths, at):
    """Accuracy and count from one number a sample, likewise."""
    belongs = lengths == at[:, None]
    count = belongs.sum(dim=1)
    return (belongs * right).sum(dim=1) / count.clamp(min=1), count


def wrong_token_accuracy(predictions, targets, mask, lengths, at):
    """Right tokens over all tokens of that length."""
    hits = (predictions == targets) & mask
    belongs = lengths == at[:, None]
    count = belongs.sum(dim=1)
    n_right = (belongs * hits.sum(dim=1)).sum(dim=1)
    n_real = (belongs * mask.sum(dim=1)).sum(dim=1)
    return n_right / n_real.clamp(min=1), count


def wrong_mean_of_token_accuracies(predictions, targets, mask, lengths, at):
    """The share of right tokens in each sequence, averaged."""
    share = ((predictions == targets) & mask).sum(1) / mask.sum(1).clamp(min=1)
    return _grouped(share, lengths, at)


def wrong_tokens_are_counted(predictions, targets, mask, lengths, at):
    """The count is of real tokens, not of sequences."""
    accuracy, _ = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy, ((lengths == at[:, None]) * mask.sum(1)).sum(1)


def wrong_padding_counts_as_error(predictions, targets, mask, lengths, at):
    """The mask is not used."""
    right = (predictions == targets).all(dim=1)
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return (belongs & right).sum(1) / count.clamp(min=1), count


def wrong_padding_must_be_wrong(predictions, targets, mask, lengths, at):
    """& for |: a sequence with padding is never right."""
    return _grouped(((predictions == targets) & mask).all(dim=1), lengths, at)


def wrong_padding_makes_all_right(predictions, targets, mask, lengths, at):
    """any for all: one padded or right place is enough."""
    return _grouped(((predictions == targets) | ~mask).any(dim=1), lengths, at)


def wrong_mask_inverted(predictions, targets, mask, lengths, at):
    """Only the padding has to be right."""
    return _grouped(((predictions == targets) | mask).all(dim=1), lengths, at)


def wrong_any_right_token(predictions, targets, mask, lengths, at):
    """One right token is enough."""
    return _grouped(((predictions == targets) & mask).any(dim=1), lengths, at)


def wrong_zero_is_padding(predictions, targets, mask, lengths, at):
    """Token 0 is taken for padding; the mask is not looked at."""
    real = targets != 0
    return _grouped(((predictions == targets) | ~real).all(dim=1), lengths, at)


def wrong_zero_need_not_be_right(predictions, targets, mask, lengths, at):
    """Real places whose target is 0 are left out as well."""
    return _grouped(((predictions == targets) | ~(mask & (targets != 0))).all(dim=1), lengths, at)


def wrong_predictions_masked_alone(predictions, targets, mask, lengths, at):
    """predictions * mask against the targets as they are: padding must be 0."""
    return _grouped((predictions * mask == targets).all(dim=1), lengths, at)


def wrong_targets_masked_alone(predictions, targets, mask, lengths, at):
    """Padding is right only where 0 is predicted."""
    return _grouped((predictions == targets.masked_fill(~mask, 0)).all(dim=1), lengths, at)


def wrong_mask_from_the_source_lengths(predictions, targets, mask, lengths, at):
    """The source's lengths are taken for the target's."""
    steps = torch.arange(targets.shape[1], device=targets.device)
    real = steps < lengths.unsqueeze(1)
    return _grouped(((predictions == targets) | ~real).all(dim=1), lengths, at)


def wrong_last_real_token_left_out(predictions, targets, mask, lengths, at):
    """eos need not be right: the last real place of each row is dropped."""
    real = mask.clone()
    real[:, :-1] &= mask[:, 1:]
    real[:, -1] = False
    return _grouped(((predictions == targets) | ~real).all(dim=1), lengths, at)


def wrong_last_column_left_out(predictions, targets, mask, lengths, at):
    """[:, :-1]: the last column is never looked at."""
    right = ((predictions[:, :-1] == targets[:, :-1]) | ~mask[:, :-1]).all(dim=1)
    return _grouped(right, lengths, at)


def wrong_first_column_left_out(predictions, targets, mask, lengths, at):
    """[:, 1:]: the first token is taken for bos."""
    right = ((predictions[:, 1:] == targets[:, 1:]) | ~mask[:, 1:]).all(dim=1)
    return _grouped(right, lengths, at)


def wrong_last_real_token_alone(predictions, targets, mask, lengths, at):
    """Only the last real token is compared."""
    last = (mask.sum(1) - 1).clamp(min=0).unsqueeze(1)
    return _grouped((predictions.gather(1, last) == targets.gather(1, last))[:, 0], lengths, at)


def wrong_first_token_alone(predictions, targets, mask, lengths, at):
    """Only the first token is compared."""
    return _grouped(predictions[:, 0] == targets[:, 0], lengths, at)


def wrong_shifted_by_one(predictions, targets, mask, lengths, at):
    """Predictions are held against the token before."""
    shifted = torch.cat([targets[:, :1], targets[:, :-1]], dim=1)
    return _grouped(_whole(predictions, shifted, mask), lengths, at)


def wrong_order_of_tokens_ignored(predictions, targets, mask, lengths, at):
    """The same tokens in any order are right."""
    low = min(int(predictions.min()), int(targets.min())) - 1
    p = predictions.masked_fill(~mask, low).sort(dim=1).values
    t = targets.masked_fill(~mask, low).sort(dim=1).values
    return _grouped((p == t).all(dim=1), lengths, at)


def wrong_sums_of_tokens(predictions, targets, mask, lengths, at):
    """Two sequences with one sum are taken for the same."""
    return _grouped((predictions * mask).sum(1) == (targets * mask).sum(1), lengths, at)


def wrong_signed_differences(predictions, targets, mask, lengths, at):
    """Differences of both signs cancel: no abs before the maximum."""
    gap = (predictions.long() - targets.long()) * mask
    return _grouped(gap.amax(dim=1) <= 0, lengths, at)


def wrong_one_error_forgiven(predictions, targets, mask, lengths, at):
    """< 2 errors."""
    return _grouped(((predictions != targets) & mask).sum(1) < 2, lengths, at)


def wrong_more_than_half(predictions, targets, mask, lengths, at):
    """More than half of the tokens right counts as right."""
    return _grouped(((predictions == targets) & mask).sum(1) * 2 > mask.sum(1), lengths, at)


def wrong_as_many_as_columns(predictions, targets, mask, lengths, at):
    """As many right real places as there are columns."""
    n_right = ((predictions == targets) & mask).sum(dim=1)
    return _grouped(n_right == targets.size(1), lengths, at)


def wrong_as_many_as_the_longest(predictions, targets, mask, lengths, at):
    """As many right real places as the longest row has."""
    n_right = ((predictions == targets) & mask).sum(dim=1)
    return _grouped(n_right == mask.sum(dim=1).max(), lengths, at)


def wrong_mask_taken_for_a_prefix(predictions, targets, mask, lengths, at):
    """The first mask.sum() places are compared, wherever the mask is True."""
    right = [torch.equal(p[:n], t[:n]) for p, t, n in zip(predictions, targets, mask.sum(1), strict=True)]
    return _grouped(torch.tensor(right), lengths, at)


def wrong_row_without_tokens_is_wrong(predictions, targets, mask, lengths, at):
    """0 / 0 is not 1: a row without any real place is counted as wrong."""
    share = ((predictions == targets) & mask).sum(1) / mask.sum(1)
    return _grouped(share == 1, lengths, at)


def wrong_all_over_the_batch(predictions, targets, mask, lengths, at):
    """all() without an axis: one wrong sample spoils every length."""
    return _grouped(((predictions == targets) | ~mask).all(), lengths, at)


def wrong_all_along_the_batch(predictions, targets, mask, lengths, at):
    """all(dim=0) asks each column, not each sample: raises, or is silent where N equals T."""
    return _grouped(((predictions == targets) | ~mask).all(dim=0), lengths, at)


def wrong_first_row_of_the_mask(predictions, targets, mask, lengths, at):
    """The first sample's mask serves all."""
    return _grouped(_whole(predictions, targets, mask[:1].expand_as(mask)), lengths, at)


def wrong_tokens_as_bytes(predictions, targets, mask, lengths, at):
    """Tokens are narrowed to uint8: 3 and 259 are the same."""
    return _grouped(_whole(predictions.to(torch.uint8), targets.to(torch.uint8), mask), lengths, at)


def wrong_tokens_as_half(predictions, targets, mask, lengths, at):
    """float16 has no odd numbers past 2048."""
    return _grouped(_whole(predictions.half(), targets.half(), mask), lengths, at)


def wrong_argmax_once_more(predictions, targets, mask, lengths, at):
    """argmax over what are tokens already."""
    best = predictions.argmax(dim=-1)
    return _grouped(_whole(best[:, None], targets, mask), lengths, at)


# ------------------------------------------------------------------------- wrong: which length it is


def wrong_target_lengths(predictions, targets, mask, lengths, at):
    """Sorted by the target's length."""
    return _grouped(_whole(predictions, targets, mask), mask.sum(dim=1), at)


def wrong_target_lengths_without_eos(predictions, targets, mask, lengths, at):
    """Sorted by the target's length, eos not counted."""
    return _grouped(_whole(predictions, targets, mask), mask.sum(dim=1) - 1, at)


def wrong_columns_for_lengths(predictions, targets, mask, lengths, at):
    """Every sample is taken to be T long."""
    full = torch.full_like(lengths, targets.shape[1])
    return _grouped(_whole(predictions, targets, mask), full, at)


def wrong_one_too_short(predictions, targets, mask, lengths, at):
    """lengths - 1, as for an index."""
    return _grouped(_whole(predictions, targets, mask), lengths - 1, at)


def wrong_one_too_long(predictions, targets, mask, lengths, at):
    """lengths + 1, as if bos were counted."""
    return _grouped(_whole(predictions, targets, mask), lengths + 1, at)


def wrong_up_to_this_length(predictions, targets, mask, lengths, at):
    """<= for ==: all shorter ones are counted too."""
    right = _whole(predictions, targets, mask)
    belongs = lengths <= at[:, None]
    count = belongs.sum(1)
    return (belongs & right).sum(1) / count.clamp(min=1), count


def wrong_from_this_length(predictions, targets, mask, lengths, at):
    """>= for ==."""
    right = _whole(predictions, targets, mask)
    belongs = lengths >= at[:, None]
    count = belongs.sum(1)
    return (belongs & right).sum(1) / count.clamp(min=1), count


def wrong_bins_between_the_lengths(predictions, targets, mask, lengths, at):
    """A sample falls to the next length that is asked for."""
    right = _whole(predictions, targets, mask)
    nearest = torch.where(at >= lengths[:, None], at, at.max() + 1).amin(dim=1)
    return _grouped(right, nearest, at)


def wrong_nearest_length(predictions, targets, mask, lengths, at):
    """A sample falls to the nearest length that is asked for."""
    right = _whole(predictions, targets, mask)
    nearest = at[(lengths[:, None] - at).abs().argmin(dim=1)]
    return _grouped(right, nearest, at)


def wrong_searchsorted_without_a_look(predictions, targets, mask, lengths, at):
    """searchsorted's place is taken without asking whether that length stands there."""
    right = _whole(predictions, targets, mask).float()
    place = torch.searchsorted(at.sort().values, lengths.to(at.dtype)).clamp(max=len(at) - 1)
    count = torch.bincount(place, minlength=len(at))
    return torch.bincount(place, weights=right, minlength=len(at)).float() / count.clamp(min=1), count


def wrong_places_for_lengths(predictions, targets, mask, lengths, at):
    """Entry k is about length k; what `at` holds is not looked at."""
    return _grouped(_whole(predictions, targets, mask), lengths, torch.arange(len(at)))


def wrong_lengths_that_occur(predictions, targets, mask, lengths, at):
    """One entry a length that occurs; `at` is not looked at."""
    return _grouped(_whole(predictions, targets, mask), lengths, lengths.unique())


def wrong_every_length(predictions, targets, mask, lengths, at):
    """One entry a length from 0 to the largest."""
    return _grouped(_whole(predictions, targets, mask), lengths, torch.arange(int(lengths.max()) + 1))


def wrong_at_sorted(predictions, targets, mask, lengths, at):
    """The entries come back in the order of growing lengths."""
    return _grouped(_whole(predictions, targets, mask), lengths, at.sort().values)


def wrong_at_without_repeats(predictions, targets, mask, lengths, at):
    """A length that is asked for twice is answered once."""
    once = list(dict.fromkeys(at.tolist()))
    return _grouped(_whole(predictions, targets, mask), lengths, torch.tensor(once))


def wrong_repeats_answered_once(predictions, targets, mask, lengths, at):
    """Places are looked up in a dictionary: of two equal lengths only the last is filled."""
    place = {n: k for k, n in enumerate(at.tolist())}
    good, count = torch.zeros(len(at)), torch.zeros(len(at), dtype=torch.int64)
    for ok, n in zip(_whole(predictions, targets, mask).tolist(), lengths.tolist(), strict=True):
        if n in place:
            count[place[n]] += 1
            good[place[n]] += ok
    return good / count.clamp(min=1), count


def wrong_last_length_forgotten(predictions, targets, mask, lengths, at):
    """range(K - 1) leaves the last entry at 0."""
    accuracy, count = torch.zeros(len(at)), torch.zeros(len(at), dtype=torch.long)
    right = _whole(predictions, targets, mask)
    for k in range(len(at) - 1):
        mine = lengths == at[k]
        count[k] = mine.sum()
        accuracy[k] = right[mine].sum() / count[k].clamp(min=1)
    return accuracy, count


def wrong_largest_length_only(predictions, targets, mask, lengths, at):
    """Every entry is about the largest length."""
    return _grouped(_whole(predictions, targets, mask), lengths, at.max().expand_as(at))


def wrong_lengths_side_by_side(predictions, targets, mask, lengths, at):
    """lengths == at: raises, or compares place by place where N equals K."""
    belongs = lengths == at
    right = _whole(predictions, targets, mask)
    return (belongs & right).float(), belongs.long()


def wrong_table_summed_the_other_way(predictions, targets, mask, lengths, at):
    """The (N, K) table is summed over the lengths: one entry a sample."""
    belongs = lengths[:, None] == at
    count = belongs.sum(1)
    right = _whole(predictions, targets, mask)[:, None]
    return (belongs & right).sum(1) / count.clamp(min=1), count


def wrong_histogram_too_short(predictions, targets, mask, lengths, at):
    """bincount without minlength: a length past the longest is an index error."""
    right = _whole(predictions, targets, mask).double()
    count = torch.bincount(lengths)
    good = torch.bincount(lengths, weights=right)
    return (good / count.clamp(min=1))[at].float(), count[at]


def wrong_histogram_wraps(predictions, targets, mask, lengths, at):
    """A length past the longest is answered with the longest."""
    return _grouped(_whole(predictions, targets, mask), lengths, at.clamp(max=int(lengths.max())))


def wrong_length_zero_left_out(predictions, targets, mask, lengths, at):
    """Length 0 is taken for a length that does not occur."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.masked_fill(at == 0, 0), count.masked_fill(at == 0, 0)


def wrong_lengths_sorted_first(predictions, targets, mask, lengths, at):
    """Lengths are sorted, the samples are not."""
    return _grouped(_whole(predictions, targets, mask), lengths.sort().values, at)


# ------------------------------------------------------------------------------- wrong: the share


def wrong_nan_for_a_missing_length(predictions, targets, mask, lengths, at):
    """The mean of nothing is NaN."""
    right = _whole(predictions, targets, mask).float()
    groups = [right[lengths == n] for n in at]
    return torch.stack([g.mean() for g in groups]), torch.tensor([len(g) for g in groups])


def wrong_zero_division(predictions, targets, mask, lengths, at):
    """Python's division raises where a length does not occur."""
    right = _whole(predictions, targets, mask)
    accuracy, count = [], []
    for n in at.tolist():
        mine = [bool(r) for r, m in zip(right, lengths.tolist(), strict=True) if m == n]
        count.append(len(mine))
        accuracy.append(sum(mine) / len(mine))
    return torch.tensor(accuracy), torch.tensor(count)


def wrong_missing_length_is_perfect(predictions, targets, mask, lengths, at):
    """No errors, so accuracy 1 where a length does not occur."""
    wrong = ~_whole(predictions, targets, mask)
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return 1 - (belongs & wrong).sum(1) / count.clamp(min=1), count


def wrong_missing_length_is_minus_one(predictions, targets, mask, lengths, at):
    """-1 marks a length that does not occur."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return torch.where(count == 0, -1.0, accuracy), count


def wrong_missing_lengths_left_out(predictions, targets, mask, lengths, at):
    """Fewer than K entries where a length does not occur."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy[count > 0], count[count > 0]


def wrong_clamped_count_returned(predictions, targets, mask, lengths, at):
    """The count that was made safe for the division comes back: 1 where 0 belongs."""
    belongs = lengths == at[:, None]
    count = belongs.sum(dim=1).clamp(min=1)
    return (belongs & _whole(predictions, targets, mask)).sum(dim=1) / count, count


def wrong_share_of_all_samples(predictions, targets, mask, lengths, at):
    """Divided by N."""
    belongs = lengths == at[:, None]
    return (belongs & _whole(predictions, targets, mask)).float().mean(dim=1), belongs.sum(1)


def wrong_share_of_the_asked_samples(predictions, targets, mask, lengths, at):
    """Divided by the number of samples of all asked lengths."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return (belongs & _whole(predictions, targets, mask)).sum(1) / count.sum().clamp(min=1), count


def wrong_share_of_the_right_ones(predictions, targets, mask, lengths, at):
    """Divided by all right sequences: how the successes are spread."""
    right = _whole(predictions, targets, mask)
    belongs = lengths == at[:, None]
    return (belongs & right).sum(1) / right.sum().clamp(min=1), belongs.sum(1)


def wrong_one_added_below(predictions, targets, mask, lengths, at):
    """count + 1 below the line, against 0."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return (belongs & _whole(predictions, targets, mask)).sum(1) / (count + 1), count


def wrong_two_at_least(predictions, targets, mask, lengths, at):
    """clamp(min=2): a single right sequence gives one half."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return (belongs & _whole(predictions, targets, mask)).sum(1) / count.clamp(min=2), count


def wrong_rare_lengths_hidden(predictions, targets, mask, lengths, at):
    """A length with a single sample counts as missing."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.masked_fill(count < 2, 0), count


def wrong_integer_division(predictions, targets, mask, lengths, at):
    """//: everything but 1 becomes 0."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1)
    return ((belongs & _whole(predictions, targets, mask)).sum(1) // count.clamp(min=1)).float(), count


def wrong_rounded(predictions, targets, mask, lengths, at):
    """Rounded to one decimal."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.round(decimals=1), count


def wrong_percent(predictions, targets, mask, lengths, at):
    """Percent."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return 100 * accuracy, count


def wrong_error_rate(predictions, targets, mask, lengths, at):
    """The share of wrong sequences."""
    return _grouped(~_whole(predictions, targets, mask), lengths, at)


def wrong_number_of_right_ones(predictions, targets, mask, lengths, at):
    """The number of right sequences, not divided."""
    belongs = lengths == at[:, None]
    return (belongs & _whole(predictions, targets, mask)).sum(1).float(), belongs.sum(1)


def wrong_count_of_right_ones(predictions, targets, mask, lengths, at):
    """The count is of right sequences."""
    right = _whole(predictions, targets, mask)
    accuracy, _ = _grouped(right, lengths, at)
    return accuracy, (right & (lengths == at[:, None])).sum(1)


def wrong_overall_accuracy(predictions, targets, mask, lengths, at):
    """The accuracy of the whole batch for each length."""
    right = _whole(predictions, targets, mask)
    _, count = _grouped(right, lengths, at)
    return right.float().mean() * (count > 0), count


def wrong_running_share(predictions, targets, mask, lengths, at):
    """The sums are not set back to 0 from length to length."""
    accuracy, counts, good, count = [], [], 0, 0
    right = _whole(predictions, targets, mask)
    for n in at:
        mine = lengths == n
        good, count = good + int((right & mine).sum()), count + int(mine.sum())
        accuracy.append(good / max(count, 1))
        counts.append(int(mine.sum()))
    return torch.tensor(accuracy), torch.tensor(counts)


def wrong_byte_count(predictions, targets, mask, lengths, at):
    """Counted in uint8: 256 samples are 0."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1, dtype=torch.uint8)
    good = (belongs & _whole(predictions, targets, mask)).sum(1, dtype=torch.uint8)
    return good / count.clamp(min=1), count.long()


def wrong_count_in_bfloat16(predictions, targets, mask, lengths, at):
    """Counts pass through bfloat16, which has no 257."""
    belongs = lengths == at[:, None]
    count = belongs.sum(1).bfloat16()
    good = (belongs & _whole(predictions, targets, mask)).sum(1).bfloat16()
    return (good / count.clamp(min=1)).float(), count.long()


# --------------------------------------------------------------------- wrong: results and arguments


def wrong_results_swapped(predictions, targets, mask, lengths, at):
    """(count, accuracy)."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return count, accuracy


def wrong_results_stacked(predictions, targets, mask, lengths, at):
    """One (2, K) tensor."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return torch.stack([accuracy, count.float()])


def wrong_accuracy_alone(predictions, targets, mask, lengths, at):
    """The count is not returned."""
    return _grouped(_whole(predictions, targets, mask), lengths, at)[0]


def wrong_dictionary(predictions, targets, mask, lengths, at):
    """A dictionary from length to accuracy."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return dict(zip(at.tolist(), zip(accuracy.tolist(), count.tolist(), strict=True), strict=True))


def wrong_lists(predictions, targets, mask, lengths, at):
    """Lists of numbers."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.tolist(), count.tolist()


def wrong_accuracy_in_float64(predictions, targets, mask, lengths, at):
    """float64 where float32 is asked for."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.double(), count


def wrong_count_in_float(predictions, targets, mask, lengths, at):
    """The count is a float."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy, count.float()


def wrong_count_in_int32(predictions, targets, mask, lengths, at):
    """The count is int32."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy, count.int()


def wrong_squeezed(predictions, targets, mask, lengths, at):
    """One length asked for: the axis is gone."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    return accuracy.squeeze(), count.squeeze()


def wrong_inputs_squeezed(predictions, targets, mask, lengths, at):
    """squeeze() on the way in: one sample or one column fails or is mixed up."""
    right = ((predictions == targets) | ~mask).squeeze().all(dim=-1)
    return _grouped(right, lengths, at)


def wrong_column_of_lengths(predictions, targets, mask, lengths, at):
    """Results are (K, 1)."""
    belongs = (lengths == at[:, None]).float()
    right = _whole(predictions, targets, mask).float()[:, None]
    count = belongs.sum(1, keepdim=True)
    return belongs @ right / count.clamp(min=1), count.long()


def wrong_view_of_what_comes(predictions, targets, mask, lengths, at):
    """view refuses predictions that are not contiguous."""
    flat = (predictions.view(-1) == targets.view(-1)) | ~mask.view(-1)
    return _grouped(flat.view(len(lengths), -1).all(dim=1), lengths, at)


def wrong_view_for_transpose(predictions, targets, mask, lengths, at):
    """Time first, by reshape: samples are mixed."""
    ok = ((predictions == targets) | ~mask).reshape(targets.shape[1], targets.shape[0])
    return _grouped(ok.all(dim=0), lengths, at)


def wrong_predictions_overwritten(predictions, targets, mask, lengths, at):
    """The caller's predictions get the targets at padding."""
    predictions[~mask] = targets[~mask]
    return _grouped((predictions == targets).all(dim=1), lengths, at)


def wrong_mask_overwritten(predictions, targets, mask, lengths, at):
    """The caller's mask is turned round in place."""
    padding = mask.logical_not_()
    return _grouped(((predictions == targets) | padding).all(dim=1), lengths, at)


def wrong_targets_overwritten(predictions, targets, mask, lengths, at):
    """Both the caller's tensors are emptied at padding."""
    predictions.masked_fill_(~mask, 0)
    targets.masked_fill_(~mask, 0)
    return _grouped((predictions == targets).all(dim=1), lengths, at)


_counts = {}


def wrong_summed_over_calls(predictions, targets, mask, lengths, at):
    """The tallies of earlier calls are kept."""
    right = _whole(predictions, targets, mask)
    for ok, n in zip(right.tolist(), lengths.tolist(), strict=True):
        good, count = _counts.get(n, (0, 0))
        _counts[n] = (good + ok, count + 1)
    found = [_counts.get(n, (0, 0)) for n in at.tolist()]
    return torch.tensor([g / max(c, 1) for g, c in found]), torch.tensor([c for _, c in found])


def wrong_arguments_in_another_order(predictions, targets, lengths, mask, at):
    """The lengths are taken before the mask."""
    return _grouped(_whole(predictions, targets, mask), lengths, at)


def wrong_nothing_returned(predictions, targets, mask, lengths, at):
    """It prints where it should return."""
    accuracy, count = _grouped(_whole(predictions, targets, mask), lengths, at)
    "\n".join(f"{n}: {a:.0%} of {c}" for n, a, c in zip(at, accuracy, count, strict=True))


def wrong_two_tokens_and_nan(predictions, targets, mask, lengths, at):
    """Two mistakes: tokens where sequences are meant, and NaN for a missing length."""
    hits = (predictions == targets) & mask
    shares = [hits[lengths == n].sum() / mask[lengths == n].sum() for n in at]
    return torch.stack(shares), (lengths == at[:, None]).sum(1)


def wrong_two_bins_and_denominator(predictions, targets, mask, lengths, at):
    """Two mistakes: the target's lengths, and N below the line."""
    belongs = mask.sum(1) == at[:, None]
    return (belongs & _whole(predictions, targets, mask)).sum(1) / len(lengths), belongs.sum(1)
