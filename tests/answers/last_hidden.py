"""Student answers to last_hidden(states (B, S, H), lengths (B,) int) -> (B, H), right and wrong."""

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

# Right


def right_index_and_zero(states, lengths):
    """Index with lengths - 1, then zero the samples of length 0."""
    rows = torch.arange(states.shape[0], device=states.device)
    last = states[rows, (lengths.long() - 1).clamp(min=0)]
    return last.masked_fill((lengths == 0).unsqueeze(1), 0.0)


def right_gather(states, lengths):
    """gather with an index of shape (B, 1, H)."""
    index = (lengths.to(torch.int64) - 1).clamp_min(0).view(-1, 1, 1).expand(-1, 1, states.size(2))
    last = torch.gather(states, 1, index).squeeze(1)
    return torch.where(lengths[:, None] > 0, last, torch.zeros_like(last))


def right_zero_state_in_front(states, lengths):
    """A zero state is put before the first: then the length is the place."""
    padded = torch.cat([torch.zeros_like(states[:, :1]), states], dim=1)
    return padded[torch.arange(len(lengths)), lengths.long()]


def right_loop(states, lengths):
    """One sample after the other; the sum over an empty slice is the last one's or nothing."""
    out = []
    for h, n in zip(states, lengths.tolist(), strict=True):
        out.append(h[max(n - 1, 0) : n].sum(dim=0))
    return torch.stack(out)


def right_where_and_sum(h, lengths):
    """All places but the last real one are set to 0, then the sum over the steps."""
    place = torch.arange(h.shape[1], device=h.device)
    is_last = place[None, :] == lengths[:, None] - 1
    return torch.where(is_last[..., None], h, torch.zeros((), dtype=h.dtype)).sum(1)


def right_scan(states, lengths):
    """A running state that stops to change when the sample has ended."""
    state = torch.zeros_like(states[:, 0])
    for s, h in enumerate(states.unbind(dim=1)):
        state = torch.where((s < lengths).unsqueeze(-1), h, state)
    return state


def right_write_into_zeros(states, lengths):
    """Zeros, into which the states of the samples that have any are written."""
    out = states.new_zeros(states.size(0), states.size(2))
    some = lengths.nonzero().squeeze(1)
    out[some] = states[some, lengths[some].long() - 1]
    return out


def right_boolean_mask(states, lengths):
    """A bool mask of the last places picks one state for each sample that has one."""
    is_last = torch.arange(1, states.shape[1] + 1, device=states.device) == lengths.reshape(-1, 1)
    out = torch.zeros(states.shape[0], states.shape[2], dtype=states.dtype, device=states.device)
    out[is_last.any(dim=1)] = states[is_last]
    return out


def right_flat_index(states, lengths):
    """index_select in the flattened batch: sample b begins at b * S."""
    B, S, H = states.shape
    place = torch.arange(B, device=states.device) * S + (lengths.long() - 1).clamp(min=0)
    last = states.reshape(B * S, H).index_select(0, place)
    return last.masked_fill(lengths.eq(0).view(B, 1), 0)


def right_einsum(states, lengths):
    """Padding is emptied first; then a one-hot row for each sample and einsum."""
    S = states.shape[1]
    place = torch.arange(S, device=states.device)
    clean = states.masked_fill((place >= lengths[:, None]).unsqueeze(-1), 0)
    pick = F.one_hot(lengths.long(), S + 1)[:, 1:].to(states.dtype)
    return torch.einsum("bs,bsh->bh", pick, clean)


def right_take_along_dim(states, lengths):
    """take_along_dim."""
    at = torch.clamp(lengths.long(), min=1) - 1
    found = torch.take_along_dim(states, at[:, None, None], dim=1)[:, 0, :]
    return found.masked_fill(lengths[:, None] < 1, 0)


def right_diagonal(states, lengths):
    """All samples at all lengths, then the diagonal: wasteful and right."""
    longer = F.pad(states, (0, 0, 1, 0))
    return longer[:, lengths.long()].diagonal(dim1=0, dim2=1).T


def right_packed(states, lengths):
    """Packed and unpacked, which gives zeros after each end; the last is found from the lengths that come
    back."""
    packed = pack_padded_sequence(
        states, lengths.clamp(min=1).long().cpu(), batch_first=True, enforce_sorted=False
    )
    clean, n = pad_packed_sequence(packed, batch_first=True, total_length=states.shape[1])
    last = clean[torch.arange(len(n)), n - 1]
    return torch.where((lengths > 0)[:, None], last, last.new_zeros(()))


def right_vmap(states, lengths):
    """One sample as a function, vmap over the batch."""

    def last(h, n):
        return torch.where(n > 0, h.index_select(0, (n - 1).clamp(min=0).reshape(1))[0], 0.0)

    return torch.vmap(last)(states, lengths.long()).to(states.dtype)


def right_differences_of_the_mask(states, lengths):
    """The last place is where the mask is True and its neighbour on the right is not."""
    real = torch.arange(states.shape[1], device=states.device)[None] < lengths[:, None]
    last = real & ~F.pad(real, (0, 1))[:, 1:]
    return states.masked_fill(~last.unsqueeze(2), 0).sum(dim=1)


# Wrong: the place


def wrong_last_column(states, lengths):
    """The last column, which is padding for short samples."""
    return states[:, -1].masked_fill((lengths == 0)[:, None], 0)


def wrong_off_by_one(states, lengths):
    """The length is taken for the place: the first padding, or the last state at full length."""
    place = lengths.long().clamp(max=states.shape[1] - 1)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_off_by_one_raises(states, lengths):
    """Index with lengths: raises for a sample without padding."""
    return states[torch.arange(len(states)), lengths.long()].masked_fill((lengths == 0)[:, None], 0)


def wrong_two_before_the_end(states, lengths):
    """lengths - 2."""
    place = (lengths.long() - 2).clamp(min=0)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_first_state(states, lengths):
    """The first state."""
    return states[:, 0].masked_fill((lengths == 0)[:, None], 0)


def wrong_counted_from_the_right(states, lengths):
    """-lengths: right only where padding and real tokens are equally many, less one."""
    place = (states.shape[1] - lengths.long()).clamp(max=states.shape[1] - 1)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_longest_for_all(states, lengths):
    """The longest length is used for every sample."""
    last = states[:, max(int(lengths.max()) - 1, 0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_shortest_for_all(states, lengths):
    """The shortest length is used for every sample."""
    last = states[:, max(int(lengths.min()) - 1, 0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_length_of_the_first_sample(states, lengths):
    """[:, lengths - 1] and then the first: every sample at the first one's length."""
    last = states[:, (lengths.long() - 1).clamp(min=0)][:, 0]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_sample_of_the_length(states, lengths):
    """The two indices are swapped: sample lengths - 1 at step b, as far as that exists."""
    B, S, _ = states.shape
    b = (lengths.long() - 1).clamp(min=0) % B
    last = states[b, torch.arange(B) % S]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_left_padded(states, lengths):
    """Padding is thought to stand on the left."""
    return torch.where(lengths[:, None] > 0, states[:, -1], 0.0).to(states.dtype)


def wrong_last_state_that_is_not_zero(states, lengths):
    """The lengths are guessed from the states; padding that is not 0 is taken for real."""
    some = states.ne(0).any(dim=-1)
    place = torch.where(some, torch.arange(states.shape[1]), -1).amax(1)
    last = states[torch.arange(len(states)), place.clamp(min=0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_skips_real_zeros(states, lengths):
    """The last real state that is not 0: a real state of zeros is stepped over."""
    S = states.shape[1]
    some = states.ne(0).any(dim=-1) & (torch.arange(S) < lengths[:, None])
    place = torch.where(some, torch.arange(S), -1).amax(1)
    last = states[torch.arange(len(states)), place.clamp(min=0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_flat_index_by_length(states, lengths):
    """The ends are a cumulative sum of lengths: right for packed states only."""
    ends = lengths.long().cumsum(0) - 1
    last = states.reshape(-1, states.shape[2])[ends.clamp(min=0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_flat_index_time_first(states, lengths):
    """place * B + b: the flat place of a batch whose steps come first."""
    B = states.shape[0]
    flat = states.reshape(-1, states.shape[2])
    last = flat[(lengths.long() - 1).clamp(min=0) * B + torch.arange(B)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_ragged_only(states, lengths):
    """Equal lengths are taken for a batch without padding."""
    if bool((lengths == lengths[0]).all()):
        return states[:, -1].masked_fill((lengths == 0)[:, None], 0)
    place = (lengths.long() - 1).clamp(min=0)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_one_sample_has_no_padding(states, lengths):
    """A batch of one is taken to be without padding."""
    if len(states) == 1:
        return states[:, -1].masked_fill((lengths == 0)[:, None], 0)
    place = (lengths.long() - 1).clamp(min=0)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_no_padding_at_full_length(states, lengths):
    """When one sample is full, the last column is taken for all."""
    if int(lengths.max()) == states.shape[1]:
        return states[:, -1].masked_fill((lengths == 0)[:, None], 0)
    place = (lengths.long() - 1).clamp(min=0)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


def wrong_ten_steps_at_most(states, lengths):
    """Places after MAX_LENGTH = 10 are never looked at."""
    place = (lengths.long() - 1).clamp(min=0, max=9)
    return states[torch.arange(len(states)), place].masked_fill((lengths == 0)[:, None], 0)


# Wrong: samples without tokens


def wrong_length_zero_wraps(states, lengths):
    """Index -1 is the last column, so a sample without tokens gets padding."""
    return states[torch.arange(states.size(0)), lengths.long() - 1]


def wrong_length_zero_clamped(states, lengths):
    """A sample without tokens gets its first state."""
    return states[torch.arange(states.size(0)), (lengths.long() - 1).clamp(min=0)]


def wrong_length_zero_refused(states, lengths):
    """gather with index -1 raises."""
    index = (lengths.long() - 1)[:, None, None].expand(-1, -1, states.size(2))
    return states.gather(1, index)[:, 0]


def wrong_length_zero_not_packed(states, lengths):
    """pack_padded_sequence refuses a length of 0."""
    packed = pack_padded_sequence(states, lengths.long().cpu(), batch_first=True, enforce_sorted=False)
    clean, n = pad_packed_sequence(packed, batch_first=True)
    return clean[torch.arange(len(n)), n - 1]


def wrong_length_zero_is_nan(states, lengths):
    """A sample without tokens gets NaN."""
    place = (lengths.long() - 1).clamp(min=0)
    last = states[torch.arange(len(states)), place]
    return last.masked_fill((lengths == 0)[:, None], float("nan"))


def wrong_length_zero_left_out(states, lengths):
    """Samples without tokens are missing from the result."""
    some = lengths > 0
    return states[some][torch.arange(int(some.sum())), lengths[some].long() - 1]


def wrong_length_zero_by_any(states, lengths):
    """One sample without tokens empties the whole batch."""
    if bool((lengths == 0).any()):
        return torch.zeros_like(states[:, 0])
    return states[torch.arange(states.size(0)), lengths.long() - 1]


def wrong_length_zero_only_if_all(states, lengths):
    """Zeros only when every sample is empty."""
    if int(lengths.sum()) == 0:
        return torch.zeros_like(states[:, 0])
    return states[torch.arange(states.size(0)), lengths.long() - 1]


def wrong_zero_mask_without_its_axis(states, lengths):
    """(B,) meets (B, H): where B equals H, it zeroes columns instead of rows."""
    last = states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)]
    empty = lengths == 0
    return last.masked_fill(empty if len(empty) == last.shape[1] else empty[:, None], 0)


def wrong_one_is_emptied(states, lengths):
    """lengths > 1: a sample of one token gets 0 as well."""
    last = states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)]
    return last * (lengths > 1)[:, None].to(states.dtype)


def wrong_scaled_by_the_length(states, lengths):
    """Times lengths, to make empty samples 0; the others are scaled."""
    last = states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)]
    return last * lengths[:, None].to(states.dtype)


# Wrong: another summary of the states


def wrong_mean(states, lengths):
    """The mean over the real states."""
    real = torch.arange(states.shape[1]) < lengths[:, None]
    total = states.masked_fill(~real[..., None], 0).sum(1)
    return total / lengths[:, None].clamp(min=1).to(states.dtype)


def wrong_sum(states, lengths):
    """The sum over the real states."""
    real = torch.arange(states.shape[1]) < lengths[:, None]
    return states.masked_fill(~real[..., None], 0).sum(1)


def wrong_maximum(states, lengths):
    """The largest entry over the real states."""
    real = torch.arange(states.shape[1]) < lengths[:, None]
    top = states.masked_fill(~real[..., None], torch.finfo(states.dtype).min).amax(1)
    return top.masked_fill((lengths == 0)[:, None], 0)


def wrong_added_over_the_samples(states, lengths):
    """einsum without b in the result, spread over the batch: samples are added up."""
    S = states.shape[1]
    pick = (torch.arange(1, S + 1) == lengths[:, None]).to(states.dtype)
    clean = states.masked_fill((torch.arange(S) >= lengths[:, None]).unsqueeze(-1), 0)
    return torch.einsum("bs,bsh->h", pick, clean).expand(len(states), -1)


def wrong_tanh_again(states, lengths):
    """tanh is taken once more."""
    place = (lengths.long() - 1).clamp(min=0)
    return torch.tanh(states[torch.arange(len(states)), place]) * (lengths > 0)[:, None]


# Wrong: the layout


def wrong_all_pairs(states, lengths):
    """(B, B, H): every sample at every length."""
    return F.pad(states, (0, 0, 1, 0))[:, lengths.long()]


def wrong_step_axis_kept(states, lengths):
    """(B, 1, H) comes out."""
    index = lengths.long()[:, None, None].expand(-1, 1, states.shape[2])
    return F.pad(states, (0, 0, 1, 0)).gather(1, index)


def wrong_bare_squeeze(states, lengths):
    """squeeze() drops B = 1 and H = 1, too."""
    index = lengths.long()[:, None, None].expand(-1, 1, states.shape[2])
    return F.pad(states, (0, 0, 1, 0)).gather(1, index).squeeze()


def wrong_index_not_expanded(states, lengths):
    """gather with an index of (B, 1, 1) gives the first unit only."""
    return F.pad(states, (0, 0, 1, 0)).gather(1, lengths.long()[:, None, None])[:, 0]


def wrong_first_unit_for_all(states, lengths):
    """The first unit, spread over all of them."""
    first = F.pad(states, (0, 0, 1, 0)).gather(1, lengths.long()[:, None, None])[:, 0]
    return first.expand(-1, states.shape[2])


def wrong_time_first(states, lengths):
    """The states are read as (S, B, H), as far as the sizes let it."""
    if states.shape[0] == states.shape[1]:
        states = states.transpose(0, 1)
    return F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_view_for_transpose(states, lengths):
    """reshape to (S, B, H) scrambles the samples."""
    B, S, H = states.shape
    by_step = states.reshape(S, B, H)
    last = by_step[(lengths.long() - 1).clamp(min=0), torch.arange(B)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_sorted_order_left(states, lengths):
    """The samples come out sorted by length, the longest first."""
    order = lengths.argsort(descending=True, stable=True)
    states, lengths = states[order], lengths[order]
    return F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_unsorted_with_the_same_order(states, lengths):
    """Sorted back with the order itself, not its inverse: right for a swap, wrong for a turn of three."""
    order = lengths.argsort(descending=True, stable=True)
    last = F.pad(states, (0, 0, 1, 0))[order, lengths[order].long()]
    return last[order]


def wrong_needs_contiguous_states(states, lengths):
    """view refuses states that are not contiguous."""
    B, S, H = states.shape
    last = states.view(B * S, H)[torch.arange(B) * S + (lengths.long() - 1).clamp(min=0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


def wrong_strides_assumed(states, lengths):
    """as_strided takes the states for contiguous."""
    B, S, H = states.shape
    flat = torch.as_strided(states, (B * S, H), (H, 1))
    last = flat[torch.arange(B) * S + (lengths.long() - 1).clamp(min=0)]
    return last.masked_fill((lengths == 0)[:, None], 0)


# Wrong: gradients, inputs, types


def wrong_detached(states, lengths):
    """Right values, no gradient."""
    return F.pad(states.detach(), (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_copied_through_tensor(states, lengths):
    """torch.tensor of lists: the graph ends here."""
    rows = [
        h[n - 1].tolist() if n else [0.0] * len(h[0]) for h, n in zip(states, lengths.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=states.dtype)


def wrong_copied_by_data(states, lengths):
    """Filled through .data: the result is not tied to the states."""
    out = torch.zeros_like(states[:, 0])
    for b, n in enumerate(lengths.tolist()):
        if n > 0:
            out[b] = states.data[b, n - 1]
    return out


def wrong_one_sample_without_gradient(states, lengths):
    """The longest samples get their state under no_grad."""
    last = F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]
    return torch.where((lengths == states.shape[1])[:, None], last.detach(), last)


def wrong_zeroes_the_padding_of_the_caller(states, lengths):
    """The caller's padding is zeroed."""
    padding = torch.arange(states.shape[1]) >= lengths[:, None]
    states.data[padding] = 0
    return F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_zeroes_an_empty_sample_of_the_caller(states, lengths):
    """The first state of samples without tokens is zeroed in the caller's tensor."""
    states.data[lengths == 0, 0] = 0
    return states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)]


def wrong_writes_to_lengths(states, lengths):
    """sub_ and clamp_ change the caller's lengths."""
    empty = (lengths == 0)[:, None]
    last = states[torch.arange(len(states)), lengths.sub_(1).clamp_(min=0).long()]
    return last.masked_fill(empty, 0)


def wrong_lengths_clamped_in_place(states, lengths):
    """clamp_(min=1) makes a length of 0 a length of 1 for the caller, and here as well."""
    lengths.clamp_(min=1)
    return states[torch.arange(len(states)), lengths.long() - 1]


def wrong_int32_lengths_refused(states, lengths):
    """one_hot takes int64 only."""
    pick = F.one_hot(lengths, states.shape[1] + 1)[:, 1:, None] == 1
    return states.masked_fill(~pick, 0).sum(1)


def wrong_always_float32(states, lengths):
    """float32 comes out, whatever came in."""
    return F.pad(states.float(), (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_buffer_of_the_default_type(states, lengths):
    """zeros of the default type: float64 loses digits, bfloat16 becomes float32."""
    out = torch.zeros(states.shape[0], states.shape[2])
    for b, n in enumerate(lengths.tolist()):
        if n > 0:
            out[b] = states[b, n - 1]
    return out


def wrong_float_mask(states, lengths):
    """A float32 mask turns bfloat16 into float32."""
    last = states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)]
    return last * (lengths > 0).float().unsqueeze(1)


def wrong_single_precision_inside(states, lengths):
    """float64 passes through float32 and comes back with half of its digits."""
    last = F.pad(states.float(), (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]
    return last.to(states.dtype)


# Wrong: the rest

_places = {}


def wrong_places_kept(states, lengths):
    """The places are kept for each shape: stale when the lengths change."""
    key = tuple(states.shape)
    if key not in _places:
        _places[key] = lengths.long().clone()
    return F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), _places[key]]


def wrong_dropout(states, lengths):
    """Dropout on the way out."""
    return F.dropout(F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()], 0.2)


def wrong_pair(states, lengths):
    """The states come back beside the last one, as an RNN gives them."""
    return states, F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_list(states, lengths):
    """A list of B tensors comes out."""
    return list(F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()])


def wrong_returns_none(states, lengths):
    """return is missing."""
    _ = F.pad(states, (0, 0, 1, 0))[torch.arange(len(states)), lengths.long()]


def wrong_last_column_and_no_zero(states, lengths):
    """Two mistakes: the last column, and nothing for a length of 0."""
    return states[:, -1]


def wrong_off_by_one_and_float32(states, lengths):
    """Two mistakes: the length taken for the place, and float32."""
    place = lengths.long().clamp(max=states.shape[1] - 1)
    return states[torch.arange(len(states)), place].float()
