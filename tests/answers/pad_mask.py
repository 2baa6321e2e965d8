"""Student answers to pad_mask(lengths (B,), max_len) -> (B, max_len) bool, right and wrong."""

import torch
import torch.nn.functional as F
from torch import nn

# Right


def right_arange_broadcast(lengths, max_len):
    """Positions as a row, lengths as a column, one comparison."""
    return torch.arange(max_len, device=lengths.device)[None, :] < lengths[:, None]


def right_ge_negated(lengths, max_len):
    """The padding first, then its opposite."""
    positions = torch.arange(max_len, device=lengths.device).unsqueeze(0)
    padding = positions >= lengths.unsqueeze(1)
    return ~padding


def right_fill_row_by_row(lengths, max_len):
    """zeros, and a slice of each row set to True."""
    mask = torch.zeros(len(lengths), max_len, dtype=torch.bool, device=lengths.device)
    for b, n in enumerate(lengths.tolist()):
        mask[b, :n] = True
    return mask


def right_list_comprehension(seq_lens, width):
    """Nested lists of booleans, made into a tensor at the end."""
    rows = [[j < n for j in range(width)] for n in seq_lens.tolist()]
    return torch.tensor(rows, dtype=torch.bool, device=seq_lens.device)


def right_stack_of_rows(lengths, max_len):
    """One comparison for each sample, stacked."""
    steps = torch.arange(max_len, device=lengths.device)
    return torch.stack([steps < n for n in lengths])


def right_cumsum_of_ones(lengths, max_len):
    """cumsum counts 1, 2, 3, ... along each row."""
    ones = torch.ones(lengths.shape[0], max_len, dtype=torch.long, device=lengths.device)
    return ones.cumsum(dim=1) <= lengths.reshape(-1, 1)


def right_repeat_both(lengths, max_len):
    """Both sides repeated to the full size before comparing."""
    B = lengths.size(0)
    places = torch.arange(max_len, device=lengths.device).repeat(B, 1)
    limits = lengths.reshape(B, 1).expand(B, max_len)
    return torch.lt(places, limits)


def right_pad_sequence(lengths, max_len):
    """Rows of True of each length, padded with False."""
    rows = [torch.ones(int(n), dtype=torch.bool, device=lengths.device) for n in lengths]
    # One row of full width makes pad_sequence pad to max_len; it is dropped again.
    rows.append(torch.ones(max_len, dtype=torch.bool, device=lengths.device))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=False)[:-1, :max_len]


def right_concatenated_rows(lengths, max_len):
    """Each row is so many ones and so many zeros."""
    rows = []
    for n in lengths.tolist():
        real = min(n, max_len)
        rows.append([1] * real + [0] * (max_len - real))
    return torch.tensor(rows, device=lengths.device).bool()


def right_triangular_lookup(lengths, max_len):
    """Row n of a lower triangle has n ones; the lengths pick the rows."""
    table = torch.ones(max_len + 1, max_len, dtype=torch.bool, device=lengths.device).tril(-1)
    return table[lengths.long().clamp(0, max_len)]


def right_one_hot_and_cumsum(lengths, max_len):
    """A one at the first padded place, spread to the right by cumsum."""
    first_pad = F.one_hot(lengths.long().clamp(max=max_len), max_len + 1)
    return first_pad.cumsum(dim=-1)[:, :max_len] == 0


def right_vmap(lengths, max_len):
    """One length as a function, vmap over the batch."""
    steps = torch.arange(max_len, device=lengths.device)
    return torch.vmap(lambda n: steps < n)(lengths)


def right_subtraction(lengths, max_len):
    """What is left at each place is positive as long as there are tokens."""
    left = lengths.long().view(-1, 1) - torch.arange(max_len, device=lengths.device).view(1, -1)
    return left.clamp(min=0).to(torch.bool)


def right_meshgrid(lengths, max_len):
    """meshgrid with indexing ij."""
    n, j = torch.meshgrid(lengths.long(), torch.arange(max_len, device=lengths.device), indexing="ij")
    return torch.gt(n, j)


def right_transposed_at_the_end(lengths, max_len):
    """Made time first and transposed."""
    time_first = torch.arange(max_len, device=lengths.device).unsqueeze(1) < lengths
    return time_first.t()


# Wrong


def wrong_inverted(lengths, max_len):
    """True at the padding."""
    return torch.arange(max_len)[None, :] >= lengths[:, None]


def wrong_one_too_long(lengths, max_len):
    """<= counts one token too many."""
    return torch.arange(max_len)[None, :] <= lengths[:, None]


def wrong_one_too_short(lengths, max_len):
    """The last token is lost."""
    return torch.arange(max_len)[None, :] < lengths[:, None] - 1


def wrong_positions_from_one(lengths, max_len):
    """Positions count from 1 but the comparison is still <."""
    return torch.arange(1, max_len + 1)[None, :] < lengths[:, None]


def wrong_first_token_lost(lengths, max_len):
    """Positions start at 1, <= is right, but place 0 is set to False as if it were BOS."""
    mask = torch.arange(max_len)[None, :] < lengths[:, None]
    return mask & (torch.arange(max_len) > 0)


def wrong_left_padding(lengths, max_len):
    """Real tokens stand at the end of the row."""
    return torch.arange(max_len)[None, :] >= max_len - lengths[:, None]


def wrong_flipped(lengths, max_len):
    """Right in each row, but the batch is upside down."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).flip(0)


def wrong_transposed(lengths, max_len):
    """(max_len, B) comes out."""
    return torch.arange(max_len)[:, None] < lengths[None, :]


def wrong_reshaped_to_fit(lengths, max_len):
    """Made time first and reshaped instead of transposed."""
    return (torch.arange(max_len)[:, None] < lengths[None, :]).reshape(lengths.shape[0], max_len)


def wrong_no_new_axis(lengths, max_len):
    """(max_len,) against (B,): raises, or gives one row when the sizes agree."""
    return torch.arange(max_len) < lengths


def wrong_no_new_axis_expanded(lengths, max_len):
    """Compares (max_len,) with (B,) where they agree, and only the first length where they do not."""
    n = lengths if lengths.numel() == max_len else lengths[0]
    return (torch.arange(max_len) < n).expand(lengths.numel(), max_len)


def wrong_int_dtype(lengths, max_len):
    """int64 comes out instead of bool."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).long()


def wrong_float_dtype(lengths, max_len):
    """float32 comes out instead of bool."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).float()


def wrong_uint8_dtype(lengths, max_len):
    """A uint8 mask, as years ago."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).to(torch.uint8)


def wrong_additive_mask(lengths, max_len):
    """0 and -inf, to be added to scores."""
    mask = torch.arange(max_len)[None, :] < lengths[:, None]
    return torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))


def wrong_width_from_lengths(lengths, max_len):
    """max_len is ignored: as wide as the longest sequence."""
    return torch.arange(int(lengths.max()))[None, :] < lengths[:, None]


def wrong_always_one_full_row(lengths, max_len):
    """The lengths are stretched so that the longest fills the row."""
    n = lengths + (max_len - lengths.max())
    return torch.arange(max_len)[None, :] < n[:, None]


def wrong_zero_length_becomes_one(lengths, max_len):
    """A sequence without tokens gets one."""
    return torch.arange(max_len)[None, :] < lengths.clamp(min=1)[:, None]


def wrong_full_row_is_emptied(lengths, max_len):
    """A slice [-0:] is everything: a row without padding loses all its tokens."""
    mask = torch.ones(len(lengths), max_len, dtype=torch.bool)
    for b, n in enumerate(lengths.tolist()):
        mask[b, -(max_len - n) :] = False
    return mask


def wrong_index_of_last_token(lengths, max_len):
    """mask[b, n - 1] marks the last token only."""
    mask = torch.zeros(len(lengths), max_len, dtype=torch.bool)
    for b, n in enumerate(lengths.tolist()):
        if n > 0:
            mask[b, n - 1] = True
    return mask


def wrong_ends_at_full_length(lengths, max_len):
    """mask[b, n] is set by index first, which raises for a full row."""
    mask = torch.ones(len(lengths), max_len, dtype=torch.bool)
    for b, n in enumerate(lengths.tolist()):
        mask[b, n] = False
        mask[b, n:] = False
    return mask


def wrong_first_pad_only(lengths, max_len):
    """Only the first padded place is False."""
    return torch.arange(max_len)[None, :] != lengths[:, None]


def wrong_first_row_for_all(lengths, max_len):
    """Every row gets the length of the first sample."""
    row = torch.arange(max_len) < lengths[0]
    return row.unsqueeze(0).repeat(len(lengths), 1)


def wrong_shared_row_list(lengths, max_len):
    """[row] * B is one list B times: all rows end up with every True that was ever set."""
    rows = [[False] * max_len] * len(lengths)
    for b, n in enumerate(lengths.tolist()):
        for j in range(n):
            rows[b][j] = True
    return torch.tensor(rows, dtype=torch.bool)


def wrong_all_true(lengths, max_len):
    """No padding anywhere."""
    return torch.ones(len(lengths), max_len, dtype=torch.bool)


def wrong_squeezed(lengths, max_len):
    """A bare squeeze loses the batch of one."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).squeeze()


def wrong_extra_axis(lengths, max_len):
    """(B, 1, max_len), made ready for scores."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).unsqueeze(1)


def wrong_contiguous_memory_assumed(lengths, max_len):
    """as_strided reads the lengths one after the other in memory, whatever their stride is."""
    n = torch.as_strided(lengths, (lengths.numel(), 1), (1, 1))
    return torch.arange(max_len)[None, :] < n


def wrong_sorts_the_lengths(lengths, max_len):
    """Rows come out in order of length, and are not put back."""
    ordered = lengths.sort(descending=True).values
    return torch.arange(max_len)[None, :] < ordered[:, None]


def wrong_counts_down_in_place(lengths, max_len):
    """Right mask, but the caller's lengths are capped and counted down to 0."""
    rows = []
    for _ in range(max_len):
        rows.append(lengths > 0)
        lengths -= 1
    return torch.stack(rows, dim=1)


def wrong_clamps_lengths_in_place(lengths, max_len):
    """clamp_ with a minimum of 1 writes to the caller's lengths."""
    lengths.clamp_(1, max_len)
    return torch.arange(max_len)[None, :] < lengths[:, None]


def wrong_sizes_of_the_example(lengths, max_len):
    """The sizes of one example are written in."""
    return torch.arange(5)[None, :] < lengths.reshape(3, 1)


_BUILT = {}


def wrong_kept_from_first_call(lengths, max_len):
    """Built once for each shape and kept, whatever the lengths are the next time."""
    shape = (len(lengths), max_len)
    if shape not in _BUILT:
        _BUILT[shape] = torch.arange(max_len)[None, :] < lengths[:, None]
    return _BUILT[shape]


def wrong_returns_list(lengths, max_len):
    """Nested lists of booleans, not a tensor."""
    return [[j < n for j in range(max_len)] for n in lengths.tolist()]


def wrong_returns_numpy(lengths, max_len):
    """A numpy array."""
    return (torch.arange(max_len)[None, :] < lengths[:, None]).numpy()


def wrong_returns_none(lengths, max_len):
    """return is missing."""
    _ = torch.arange(max_len)[None, :] < lengths[:, None]


def wrong_returns_positions(lengths, max_len):
    """The positions, with 0 at the padding."""
    steps = torch.arange(max_len).expand(len(lengths), -1)
    return steps * (steps < lengths[:, None])


def wrong_lengths_in_int8(lengths, max_len):
    """int8 overflows for lengths past 127."""
    return torch.arange(max_len)[None, :] < lengths.to(torch.int8)[:, None]


def wrong_tokens_instead_of_lengths(lengths, max_len):
    """Takes the lengths for token ids: a row is real where its id is not 0."""
    return (lengths != 0)[:, None].expand(-1, max_len).clone()


def wrong_inverted_and_one_off(lengths, max_len):
    """Two mistakes: True at the padding, and the border one place off."""
    return torch.arange(max_len)[None, :] > lengths[:, None]


def wrong_transposed_and_float(lengths, max_len):
    """Two mistakes: time first, and float."""
    return (torch.arange(max_len)[:, None] < lengths[None, :]).float()
