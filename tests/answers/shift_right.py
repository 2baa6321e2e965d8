"""Student answers to shift_right(tokens (B, T) int, bos) -> (B, T), right and wrong."""

import torch
import torch.nn.functional as F

# Right


def right_cat(tokens, bos):
    """A column of bos before all but the last token."""
    start = torch.full((tokens.shape[0], 1), bos, dtype=tokens.dtype, device=tokens.device)
    return torch.cat([start, tokens[:, :-1]], dim=1)


def right_pad(tokens, bos):
    """F.pad on the left, cut on the right."""
    return F.pad(tokens, (1, 0), value=bos)[:, :-1]


def right_negative_pad(y, bos):
    """F.pad adds one on the left and takes one off on the right."""
    return F.pad(y, [1, -1], "constant", bos)


def right_roll_then_overwrite(tokens, bos):
    """roll along the steps; the last token, which comes round to the front, is replaced."""
    shifted = tokens.roll(1, dims=1)
    shifted[:, 0] = bos
    return shifted


def right_new_full_and_slices(targets, bos_id):
    """A tensor of bos; all but its first column is written."""
    inputs = targets.new_full(targets.shape, bos_id)
    inputs[:, 1:] = targets[:, :-1]
    return inputs


def right_empty_like(tokens, bos):
    """empty_like, filled in two parts."""
    out = torch.empty_like(tokens)
    out[:, :1].fill_(bos)
    out[:, 1:].copy_(tokens[:, :-1])
    return out


def right_python_lists(tokens, bos):
    """Lists of numbers, and back to a tensor."""
    rows = [[bos, *row[:-1]] for row in tokens.tolist()]
    return torch.tensor(rows, dtype=tokens.dtype, device=tokens.device)


def right_columns(tokens, bos):
    """unbind into columns, put one in front, drop the last, stack."""
    columns = list(tokens.unbind(dim=1))
    columns.insert(0, torch.zeros_like(columns[0]) + bos)
    return torch.stack(columns[:-1], dim=1)


def right_where_on_positions(tokens, bos):
    """Place t reads place t - 1; place 0 reads bos."""
    place = torch.arange(tokens.size(1), device=tokens.device)
    before = tokens[:, (place - 1).clamp(min=0)]
    return torch.where(place == 0, bos, before)


def right_gather(tokens, bos):
    """gather with the places moved by one, in the sequence with bos in front."""
    B, T = tokens.shape
    longer = torch.cat([tokens, tokens.new_tensor([[bos]]).expand(B, 1)], dim=1)
    index = torch.tensor([T, *range(T - 1)], device=tokens.device)
    return longer.gather(1, index.expand(B, T))


def right_loop_over_steps(tokens, bos):
    """The token before is carried along."""
    inputs, before = torch.zeros_like(tokens), bos
    for t in range(tokens.shape[1]):
        inputs[:, t] = before
        before = tokens[:, t]
    return inputs


def right_shift_matrix(tokens, bos):
    """Times a matrix of ones above the diagonal, and bos where that leaves 0."""
    T = tokens.shape[1]
    one_later = torch.triu(torch.ones(T, T, dtype=tokens.dtype), 1) - torch.triu(
        torch.ones(T, T, dtype=tokens.dtype), 2
    )
    first = torch.zeros(T, dtype=tokens.dtype)
    first[0] = bos
    return tokens @ one_later + first


def right_flat(tokens, bos):
    """The whole batch moves by one as a long row; then each row's first place is set."""
    flat = torch.cat([tokens.new_zeros(1), tokens.reshape(-1)[:-1]]).reshape(tokens.shape)
    flat[:, 0] = bos
    return flat


def right_row_by_row(tokens, bos):
    """One sentence after the other."""
    return torch.stack([torch.cat((row.new_tensor([bos]), row[:-1])) for row in tokens])


def right_masked_fill(tokens, bos):
    """Rolled, and the first column filled by a mask."""
    first = torch.zeros_like(tokens, dtype=torch.bool)
    first[:, 0] = True
    return torch.roll(tokens, shifts=1, dims=-1).masked_fill(first, bos)


# Wrong: the direction and the ends


def wrong_shift_left(tokens, bos):
    """To the left, with bos at the end."""
    return torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], bos)], dim=1)


def wrong_bos_replaces_the_first_token(tokens, bos):
    """Nothing is shifted: the decoder reads each answer at its own step."""
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, 1:]], dim=1)


def wrong_not_shifted(tokens, bos):
    """The targets themselves."""
    return tokens.clone()


def wrong_one_too_long(tokens, bos):
    """(B, T + 1): the last token stays."""
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens], dim=1)


def wrong_one_too_short(tokens, bos):
    """(B, T - 1): the last token is dropped and no bos comes in."""
    return tokens[:, :-1]


def wrong_shifted_by_two(tokens, bos):
    """Two places."""
    return torch.cat([torch.full_like(tokens, bos), tokens], 1)[:, tokens.shape[1] - 2 :][
        :, : tokens.shape[1]
    ]


def wrong_roll_wraps(tokens, bos):
    """The last token comes round to the front; bos is not used."""
    return torch.roll(tokens, 1, dims=1)


def wrong_roll_without_dims(tokens, bos):
    """roll without dims runs over the whole batch: only the very first place is mended."""
    out = tokens.roll(1)
    out[0, 0] = bos
    return out


def wrong_roll_over_the_batch(tokens, bos):
    """Dimension 0 is rolled."""
    out = tokens.roll(1, dims=0)
    out[:, 0] = bos
    return out


def wrong_roll_backwards(tokens, bos):
    """roll by -1 and bos in front."""
    out = tokens.roll(-1, dims=1)
    out[:, 0] = bos
    return out


def wrong_bos_in_the_last_column(tokens, bos):
    """Rolled the right way, but bos is written to the end."""
    out = tokens.roll(1, dims=1)
    out[:, -1] = bos
    return out


def wrong_bos_in_the_first_row_only(tokens, bos):
    """bos goes to [0, 0]; the other rows keep the token that came round."""
    out = tokens.roll(1, dims=1)
    out[0, 0] = bos
    return out


def wrong_bos_fills_the_first_row(tokens, bos):
    """out[0] where out[:, 0] is meant."""
    out = tokens.roll(1, dims=1)
    out[0] = bos
    return out


def wrong_zero_in_front(tokens, bos):
    """F.pad's own 0 instead of bos."""
    return F.pad(tokens, (1, -1))


def wrong_bos_is_one(tokens, bos):
    """The number of one example's bos is written into the code."""
    return F.pad(tokens, (1, -1), value=1)


def wrong_first_token_doubled(tokens, bos):
    """The front repeats y¹, as replicate padding does."""
    return torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)


def wrong_keeps_the_last_token(tokens, bos):
    """The last token is taken for eos and kept; the one before it is dropped."""
    if tokens.shape[1] == 1:
        return torch.full_like(tokens, bos)
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-2], tokens[:, -1:]], dim=1)


def wrong_reversed(tokens, bos):
    """The sentence is turned round, too."""
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens.flip(1)[:, :-1]], dim=1)


def wrong_time_first(tokens, bos):
    """Shifted along the samples, as if the steps came first."""
    return torch.cat([torch.full_like(tokens[:1], bos), tokens[:-1]], dim=0)


# Wrong: assumptions about the tokens


def wrong_already_begins_with_bos(tokens, bos):
    """A row whose first token is bos is taken for shifted already."""
    shifted = F.pad(tokens, (1, -1), value=bos)
    return torch.where(tokens[:, :1] == bos, tokens, shifted)


def wrong_zero_stays_padding(tokens, bos):
    """Token 0 is taken for padding: where it stands, 0 comes out."""
    return F.pad(tokens, (1, -1), value=bos).masked_fill(tokens == 0, 0)


def wrong_zeros_become_bos(tokens, bos):
    """bos is written wherever a 0 stands after the shift, also where token 0 was."""
    shifted = F.pad(tokens, (1, -1))
    return torch.where(shifted == 0, bos, shifted)


def wrong_trailing_zeros_not_shifted_into(tokens, bos):
    """The last token that is not 0 is dropped instead of the last place."""
    rows = []
    for row in tokens:
        last = int(row.nonzero().max()) if bool(row.any()) else len(row) - 1
        rows.append(torch.cat([row.new_tensor([bos]), row[:last], row[last + 1 :]]))
    return torch.stack(rows)


def wrong_without_single_tokens(tokens, bos):
    """A sequence of one token is given back as it is: there is nothing to shift."""
    if tokens.shape[1] < 2:
        return tokens.clone()
    return F.pad(tokens, (1, -1), value=bos)


def wrong_batch_of_one_only(tokens, bos):
    """A (1, 1) bos is joined to (B, T - 1)."""
    return torch.cat([torch.tensor([[bos]], dtype=tokens.dtype), tokens[:, :-1]], dim=1)


def wrong_bos_without_its_axis(tokens, bos):
    """(B,) is joined to (B, T - 1): one axis is missing."""
    return torch.cat([torch.full((tokens.shape[0],), bos), tokens[:, :-1]], dim=1)


def wrong_hundred_tokens_at_most(tokens, bos):
    """A table of 100 places holds the result."""
    out = tokens.new_full((tokens.shape[0], 100), bos)
    out[:, 1 : tokens.shape[1]] = tokens[:, : min(tokens.shape[1] - 1, 99)]
    return out[:, : tokens.shape[1]]


# Wrong: the layout


def wrong_flat_batch_without_mending(tokens, bos):
    """Moved by one as a long row: each row but the first begins with the last token of the row above."""
    flat = torch.cat([tokens.new_tensor([bos]), tokens.reshape(-1)[:-1]])
    return flat.reshape(tokens.shape)


def wrong_flat_with_all_bos_in_front(tokens, bos):
    """B times bos in front of the flattened tokens, then a view: samples are mixed."""
    B, T = tokens.shape
    return torch.cat([tokens.new_full((B,), bos), tokens.reshape(-1)[:-B]]).view(B, T)


def wrong_shift_of_the_transposed_memory(tokens, bos):
    """reshape to (T, B) where a transpose is meant."""
    B, T = tokens.shape
    by_step = tokens.reshape(T, B)
    return torch.cat([tokens.new_full((1, B), bos), by_step[:-1]]).reshape(B, T)


def wrong_needs_contiguous_tokens(tokens, bos):
    """view refuses tokens that are not contiguous."""
    flat = tokens.view(-1).roll(1).view(tokens.shape)
    flat[:, 0] = bos
    return flat


def wrong_reads_memory_by_strides(tokens, bos):
    """as_strided takes the tokens for contiguous."""
    B, T = tokens.shape
    before = torch.as_strided(tokens, (B, T - 1), (T, 1))
    return torch.cat([tokens.new_full((B, 1), bos), before], dim=1)


def wrong_bare_squeeze(tokens, bos):
    """squeeze() at the end drops B = 1 and T = 1."""
    return F.pad(tokens, (1, -1), value=bos).squeeze()


def wrong_transposed(tokens, bos):
    """(T, B) comes out."""
    return F.pad(tokens, (1, -1), value=bos).T


def wrong_extra_axis(tokens, bos):
    """(B, T, 1) comes out."""
    return F.pad(tokens, (1, -1), value=bos).unsqueeze(-1)


# Wrong: the caller's tensor and the type


def wrong_overwrites_the_targets(tokens, bos):
    """The targets are shifted where they lie."""
    tokens[:, 1:] = tokens[:, :-1].clone()
    tokens[:, 0] = bos
    return tokens


def wrong_sets_bos_in_the_targets(tokens, bos):
    """The result is right, but the caller's last column is bos afterwards."""
    tokens[:, -1] = bos
    return tokens.roll(1, dims=1)


def wrong_single_token_filled_in_place(tokens, bos):
    """With T = 1 the caller's tensor is filled and given back."""
    if tokens.shape[1] == 1:
        return tokens.fill_(bos)
    return torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-1]], dim=1)


def wrong_resized_in_place(tokens, bos):
    """The first column is inserted, and the caller's tensor is set to the result."""
    tokens.data = F.pad(tokens, (1, -1), value=bos)
    return tokens


def wrong_always_int64(tokens, bos):
    """int64 comes out of int32."""
    return F.pad(tokens, (1, -1), value=bos).long()


def wrong_bos_of_the_default_type(tokens, bos):
    """An int64 column of bos turns everything into int64."""
    return torch.cat([torch.full((tokens.shape[0], 1), bos), tokens[:, :-1]], dim=1)


def wrong_ones_of_the_default_type(tokens, bos):
    """torch.ones is float32, so a float tensor comes out."""
    return torch.cat([torch.ones(tokens.shape[0], 1) * bos, tokens[:, :-1]], dim=1)


def wrong_through_float(tokens, bos):
    """float32 on the way: token numbers above 2²⁴ are rounded."""
    start = torch.ones(tokens.shape[0], 1) * bos
    return torch.cat([start, tokens[:, :-1].float()], dim=1).to(tokens.dtype)


def wrong_through_int16(tokens, bos):
    """int16 to save memory: token numbers above 32767 turn negative."""
    return F.pad(tokens.short(), (1, -1), value=0).to(tokens.dtype).index_fill(1, torch.tensor([0]), bos)


def wrong_boolean(tokens, bos):
    """zeros of bool: every token becomes True or False."""
    out = torch.zeros(tokens.shape, dtype=torch.bool)
    out[:, 1:] = tokens[:, :-1]
    out[:, 0] = bos
    return out


# Wrong: the rest

_seen = {}


def wrong_remembered_by_shape(tokens, bos):
    """A batch of a shape seen before gets the answer of that batch."""
    key = tuple(tokens.shape)
    if key not in _seen:
        _seen[key] = F.pad(tokens, (1, -1), value=bos)
    return _seen[key].to(tokens.dtype)


def wrong_bos_of_the_first_call(tokens, bos, _kept=[]):  # noqa: B006
    """bos is kept in a default argument and never changes again."""
    _kept.append(bos)
    return F.pad(tokens, (1, -1), value=_kept[0])


def wrong_words_dropped(tokens, bos):
    """One input in five becomes bos, by chance."""
    shifted = F.pad(tokens, (1, -1), value=bos)
    return torch.where(torch.rand(tokens.shape) < 0.2, bos, shifted)


def wrong_list(tokens, bos):
    """A list of lists comes out."""
    return [[bos, *row[:-1]] for row in tokens.tolist()]


def wrong_numpy(tokens, bos):
    """An array comes out."""
    return F.pad(tokens, (1, -1), value=bos).numpy()


def wrong_inputs_and_targets(tokens, bos):
    """A pair comes out: the inputs, and the targets beside them."""
    return F.pad(tokens, (1, -1), value=bos), tokens


def wrong_returns_none(tokens, bos):
    """return is missing."""
    out = tokens.clone()
    out[:, 1:] = tokens[:, :-1]
    out[:, 0] = bos


def wrong_two_roll_and_type(tokens, bos):
    """Two mistakes: the last token comes round, and float32 comes out."""
    return torch.roll(tokens.float(), 1, dims=1)


def wrong_two_left_and_squeezed(tokens, bos):
    """Two mistakes: shifted to the left, and a bare squeeze."""
    return torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], bos)], dim=1).squeeze()
