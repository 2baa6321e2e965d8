"""Right and wrong ways of writing `decoder_step(embedded, state, keys, mask, attend, cell)`.

Each function called `right_…` or `wrong_…` is one answer. See README.md in this folder.
"""

import math

import torch
import torch.nn.functional as F

# ---------------------------------------------------------------------------------------------- right


def right_unsqueeze_and_squeeze(embedded, state, keys, mask, attend, cell):
    """An axis for T is put on the state and taken off the results."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context = context.squeeze(1)
    state = cell(torch.cat([embedded, context], dim=1), state)
    return state, context, weights.squeeze(1)


def right_none_as_index(y, s, h, m, attend, cell):
    """None puts the axis on, 0 takes it off."""
    z, alpha = attend(s[:, None], h, m)
    return cell(torch.cat((y, z[:, 0]), -1), s), z[:, 0], alpha[:, 0]


def right_reshape(embedded, state, keys, mask, attend, cell):
    """reshape with sizes written out."""
    B, H = state.shape
    context, weights = attend(state.reshape(B, 1, H), keys, mask)
    context = context.reshape(B, keys.shape[2])
    weights = weights.reshape(B, keys.shape[1])
    new_state = cell(torch.hstack([embedded, context]), state)
    return new_state, context, weights


def right_flatten(embedded, state, keys, mask, attend, cell):
    """stack of one makes the axis, flatten removes it."""
    found = attend(torch.stack([state], dim=1), keys, mask)
    context, weights = (part.flatten(start_dim=1) for part in found)
    return cell(torch.concat([embedded, context], dim=-1), state), context, weights


def right_sum_over_the_one_step(embedded, state, keys, mask, attend, cell):
    """The axis of size 1 is summed away."""
    context, weights = attend(state.view(state.size(0), 1, state.size(1)), keys, mask)
    context, weights = context.sum(dim=1), weights.sum(dim=1)
    return cell(torch.cat([embedded, context], dim=1), state), context, weights


def right_filled_buffer(embedded, state, keys, mask, attend, cell):
    """The cell's input is a buffer that is filled from both sides."""
    (B, E), D = embedded.shape, keys.shape[-1]
    context, weights = attend(state[:, None, :], keys, mask)
    joined = embedded.new_zeros(B, E + D)
    joined[:, :E] = embedded
    joined[:, E:] = context[:, 0]
    return cell(joined, state), context[:, 0], weights[:, 0]


def right_sample_by_sample(embedded, state, keys, mask, attend, cell):
    """Each sample alone, as a batch of one."""
    states, contexts, weights = [], [], []
    for b in range(embedded.shape[0]):
        one = slice(b, b + 1)
        allowed = None if mask is None else mask[one]
        c, w = attend(state[one].unsqueeze(1), keys[one], allowed)
        states.append(cell(torch.cat([embedded[one], c[:, 0]], dim=1), state[one]))
        contexts.append(c[0])
        weights.append(w[0])
    return torch.cat(states), torch.cat(contexts), torch.cat(weights)


def right_padded_and_added(embedded, state, keys, mask, attend, cell):
    """Both parts are padded to E + Dk and added."""
    context, weights = attend(state.unsqueeze(-2), keys, mask)
    (context,), (weights,) = context.unbind(1), weights.unbind(1)
    x = F.pad(embedded, (0, context.shape[1])) + F.pad(context, (embedded.shape[1], 0))
    return cell(x, state), context, weights


def right_joined_with_three_axes(embedded, state, keys, mask, attend, cell):
    """The embedded token gets the axis too, and all lose it at the end."""
    query = state.unsqueeze(1)
    context, weights = attend(query, keys, mask)
    inputs = torch.cat([embedded.unsqueeze(1), context], dim=2)
    return cell(inputs.squeeze(1), query.squeeze(1)), context.select(1, 0), weights.select(1, 0)


def right_columns_below_each_other(embedded, state, keys, mask, attend, cell):
    """[y; z] as columns: transposed, joined along axis 0, transposed back."""
    out = attend(state.T.unsqueeze(0).permute(2, 0, 1), keys, mask)
    z = out[0].transpose(0, 1)[0]
    a = out[1].transpose(0, 1)[0]
    return cell(torch.vstack([embedded.T, z.T]).T, state), z, a


def right_all_true_for_none(embedded, state, keys, mask, attend, cell):
    """Without a mask, a mask that hides nothing."""
    if mask is None:
        mask = torch.ones(keys.shape[:2], dtype=torch.bool, device=keys.device)
    context, weights = attend(torch.atleast_3d(state).mT, keys, mask)
    context = torch.mean(context, 1)
    return cell(torch.column_stack([embedded, context]), state), context, torch.mean(weights, 1)


def right_named_on_the_way(embedded, state, keys, mask, attend, cell):
    """A dictionary for what has been found, and a nested function for each arrow."""
    found = {"s before": state}

    def look():
        z, a = attend(found["s before"][:, None, :], keys, mask)
        found["z"], found["alpha"] = z[:, -1, :], a[:, -1, :]

    def move():
        found["s"] = cell(torch.cat([embedded, found["z"]], dim=1), found["s before"])

    look()
    move()
    return tuple(found[name] for name in ("s", "z", "alpha"))


def right_narrow(embedded, state, keys, mask, attend, cell):
    """Ones give the query its axis; narrow picks the only step."""
    one = torch.ones(1, 1, 1, dtype=state.dtype, device=state.device)
    z, a = attend(one * state[:, None], keys, mask)
    z = z.narrow(1, 0, 1).squeeze(dim=1)
    a = torch.squeeze(a, dim=1)
    parts = [embedded, z]
    return cell(torch.cat(parts, dim=1), state), z, a


# ------------------------------------------------------------------------- wrong: who asks, and when


def _look(state, keys, mask, attend):
    """The context and the weights of one step, for answers whose mistake lies elsewhere."""
    context, weights = attend(state[:, None], keys, mask)
    return context[:, 0], weights[:, 0]


def _move(embedded, context, state, cell):
    """The next state, likewise."""
    return cell(torch.cat([embedded, context], dim=1), state)


def wrong_new_state_asks(embedded, state, keys, mask, attend, cell):
    """The cell moves first, with a context of zeros, and s_i asks."""
    nothing = torch.zeros_like(keys[:, 0])
    state = cell(torch.cat([embedded, nothing], dim=1), state)
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return state, context.squeeze(1), weights.squeeze(1)


def wrong_looks_again_after_the_move(embedded, state, keys, mask, attend, cell):
    """The state is right; context and weights are those that s_i asks for."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    state = cell(torch.cat([embedded, context.squeeze(1)], dim=1), state)
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return state, context.squeeze(1), weights.squeeze(1)


def wrong_moves_twice(embedded, state, keys, mask, attend, cell):
    """The whole step is done twice."""
    for _ in range(2):
        context, weights = _look(state, keys, mask, attend)
        state = _move(embedded, context, state, cell)
    return state, context, weights


def wrong_cell_twice(embedded, state, keys, mask, attend, cell):
    """The cell is run twice with one context."""
    context, weights = _look(state, keys, mask, attend)
    state = _move(embedded, context, _move(embedded, context, state, cell), cell)
    return state, context, weights


def wrong_token_asks(embedded, state, keys, mask, attend, cell):
    """The embedded token is the query: raises, or is silent where E equals H."""
    context, weights = attend(embedded.unsqueeze(1), keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights[:, 0]


def wrong_token_asks_where_it_fits(embedded, state, keys, mask, attend, cell):
    """Where E equals H the embedded token is the query."""
    query = embedded if embedded.shape == state.shape else state
    context, weights = _look(query, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_sum_of_token_and_state_asks(embedded, state, keys, mask, attend, cell):
    """Where E equals H the token is added to the query."""
    query = state + embedded if embedded.shape == state.shape else state
    context, weights = _look(query, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_nobody_asks(embedded, state, keys, mask, attend, cell):
    """A query of zeros: every step looks at the same places."""
    context, weights = _look(torch.zeros_like(state), keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_tanh_of_the_query(embedded, state, keys, mask, attend, cell):
    """The query is put through a tanh."""
    context, weights = _look(torch.tanh(state), keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_query_of_length_one(embedded, state, keys, mask, attend, cell):
    """The query is normalised."""
    context, weights = _look(F.normalize(state, dim=-1), keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mean_state_asks(embedded, state, keys, mask, attend, cell):
    """The mean state of the batch asks for all."""
    context, weights = _look(state.mean(0, keepdim=True).expand_as(state), keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_batch_asks_as_steps(embedded, state, keys, mask, attend, cell):
    """state.unsqueeze(0): the samples are taken for steps of one sample."""
    context, weights = attend(state.unsqueeze(0), keys, mask)
    return _move(embedded, context.squeeze(0), state, cell), context.squeeze(0), weights.squeeze(0)


def wrong_state_with_two_axes(embedded, state, keys, mask, attend, cell):
    """attend is given (B, H)."""
    context, weights = attend(state, keys, mask)
    return _move(embedded, context, state, cell), context, weights


def wrong_scrambled_query(embedded, state, keys, mask, attend, cell):
    """reshape(H, B).T mixes the samples."""
    B, H = state.shape
    context, weights = _look(state.reshape(H, B).T, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


# ------------------------------------------------------------------------- wrong: what is looked at


def wrong_mask_not_passed(embedded, state, keys, mask, attend, cell):
    """attend is given no mask."""
    context, weights = attend(state.unsqueeze(1), keys, None)
    context = context.squeeze(1)
    return cell(torch.cat([embedded, context], 1), state), context, weights.squeeze(1)


def wrong_mask_inverted(embedded, state, keys, mask, attend, cell):
    """~mask: only the padding is looked at."""
    context, weights = _look(state, keys, None if mask is None else ~mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_after_the_weights(embedded, state, keys, mask, attend, cell):
    """Weights over all keys, the padding's cut off afterwards; the context is left as it was."""
    context, weights = _look(state, keys, None, attend)
    if mask is not None:
        weights = weights * mask
    return _move(embedded, context, state, cell), context, weights


def wrong_padding_emptied(embedded, state, keys, mask, attend, cell):
    """Keys at padding are set to 0 in place of a mask: they still get weight."""
    if mask is not None:
        keys = keys * mask.unsqueeze(-1)
    context, weights = _look(state, keys, None, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_as_numbers(embedded, state, keys, mask, attend, cell):
    """mask.to(dtype): a mask of numbers is added to the scores, not obeyed."""
    context, weights = _look(state, keys, None if mask is None else mask.to(keys.dtype), attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_of_the_first_sample(embedded, state, keys, mask, attend, cell):
    """The first sample's mask serves all."""
    context, weights = _look(state, keys, None if mask is None else mask[:1].expand_as(mask), attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_that_all_share(embedded, state, keys, mask, attend, cell):
    """A key is open to all where it is open to one."""
    if mask is not None:
        mask = mask.any(dim=0, keepdim=True).expand_as(mask)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_taken_for_a_prefix(embedded, state, keys, mask, attend, cell):
    """Only the number of True is used; a hole in the mask is lost."""
    if mask is not None:
        mask = torch.arange(mask.shape[1], device=mask.device) < mask.sum(1, keepdim=True)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_one_short(embedded, state, keys, mask, attend, cell):
    """The last real key of each sample is hidden too."""
    if mask is not None:
        mask = mask & F.pad(mask[:, 1:], (0, 1), value=False)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_dropped_for_an_empty_row(embedded, state, keys, mask, attend, cell):
    """One sample without any open key, and the mask is dropped for all, against NaN."""
    if mask is not None and not bool(mask.any(dim=1).all()):
        mask = None
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_empty_row_opened(embedded, state, keys, mask, attend, cell):
    """A sample without any open key looks at all of them."""
    if mask is not None:
        mask = mask | ~mask.any(dim=1, keepdim=True)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_empty_row_waits(embedded, state, keys, mask, attend, cell):
    """A sample without any open key keeps its old state."""
    context, weights = _look(state, keys, mask, attend)
    new = _move(embedded, context, state, cell)
    if mask is not None:
        new = torch.where(mask.any(1, keepdim=True), new, state)
    return new, context, weights


def wrong_weights_normalised_again(embedded, state, keys, mask, attend, cell):
    """Divided by their sum once more: 0 / 0 in an empty row."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights / weights.sum(1, keepdim=True)


def wrong_truth_of_a_mask(embedded, state, keys, mask, attend, cell):
    """`if mask:` asks a tensor for one truth value."""
    context, weights = _look(state, keys, mask if mask else None, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_required(embedded, state, keys, mask, attend, cell):
    """None has no bool()."""
    context, weights = _look(state, keys, mask.bool(), attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_none_hides_everything(embedded, state, keys, mask, attend, cell):
    """Without a mask, a mask of zeros."""
    if mask is None:
        mask = torch.zeros(keys.shape[:2], dtype=torch.bool)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_uniform_without_a_mask(embedded, state, keys, mask, attend, cell):
    """Without a mask all keys get the same weight."""
    if mask is None:
        weights = torch.full_like(keys[:, :, 0], 1 / keys.shape[1])
        context = keys.mean(dim=1)
    else:
        context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_cut_to_the_longest(embedded, state, keys, mask, attend, cell):
    """Keys past the longest sample are cut off: the weights have fewer than S columns."""
    if mask is not None:
        longest = max(int(mask.sum(dim=1).max()), 1)
        keys, mask = keys[:, :longest], mask[:, :longest]
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_ten_keys_at_most(embedded, state, keys, mask, attend, cell):
    """Keys past the tenth are hidden."""
    allowed = torch.ones(keys.shape[:2], dtype=torch.bool) if mask is None else mask.clone()
    allowed[:, 10:] = False
    context, weights = _look(state, keys, allowed, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_keys_reversed(embedded, state, keys, mask, attend, cell):
    """The keys are read backwards, so the weights belong to other places."""
    flipped = None if mask is None else mask.flip(1)
    context, weights = _look(state, keys.flip(1), flipped, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_keys_reversed_without_the_mask(embedded, state, keys, mask, attend, cell):
    """The keys are read backwards and the weights put back; the mask is not turned."""
    context, weights = _look(state, keys.flip(1), mask, attend)
    return _move(embedded, context, state, cell), context, weights.flip(1)


def wrong_keys_of_the_first_sample(embedded, state, keys, mask, attend, cell):
    """keys[0] for the whole batch."""
    context, weights = _look(state, keys[:1].expand_as(keys), mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_single_key_needs_no_look(embedded, state, keys, mask, attend, cell):
    """With one key the weight is 1, whatever the mask says."""
    if keys.shape[1] == 1:
        context, weights = keys[:, 0], torch.ones_like(keys[:, :, 0])
    else:
        context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_own_dot_product(embedded, state, keys, mask, attend, cell):
    """Where H equals Dk the scores are dot products; attend is not asked."""
    if state.shape[1] != keys.shape[2]:
        context, weights = _look(state, keys, mask, attend)
    else:
        scores = torch.bmm(keys, state.unsqueeze(2)).squeeze(2)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1)
        weights = weights if mask is None else weights * mask
        context = torch.bmm(weights.unsqueeze(1), keys).squeeze(1)
    return _move(embedded, context, state, cell), context, weights


# --------------------------------------------------------------------------------- wrong: the context


def wrong_context_before_the_token(embedded, state, keys, mask, attend, cell):
    """[z; y] for [y; z]."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context, weights = context.squeeze(1), weights.squeeze(1)
    return cell(torch.cat([context, embedded], dim=1), state), context, weights


def wrong_context_before_the_token_where_it_fits(embedded, state, keys, mask, attend, cell):
    """[z; y] where E equals Dk."""
    context, weights = _look(state, keys, mask, attend)
    pair = [context, embedded] if context.shape == embedded.shape else [embedded, context]
    return cell(torch.cat(pair, dim=1), state), context, weights


def wrong_context_not_fed(embedded, state, keys, mask, attend, cell):
    """Zeros stand where the context belongs."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context = context.squeeze(1)
    state = cell(torch.cat([embedded, torch.zeros_like(context)], dim=1), state)
    return state, context, weights.squeeze(1)


def wrong_token_alone_fed(embedded, state, keys, mask, attend, cell):
    """The cell is given (B, E)."""
    context, weights = _look(state, keys, mask, attend)
    return cell(embedded, state), context, weights


def wrong_context_alone_fed(embedded, state, keys, mask, attend, cell):
    """Zeros stand where the token belongs."""
    context, weights = _look(state, keys, mask, attend)
    return _move(torch.zeros_like(embedded), context, state, cell), context, weights


def wrong_added_where_it_fits(embedded, state, keys, mask, attend, cell):
    """Where E equals Dk the context is added to the token before they are joined."""
    context, weights = _look(state, keys, mask, attend)
    token = embedded + context if embedded.shape == context.shape else embedded
    return _move(token, context, state, cell), context, weights


def wrong_joined_row_after_row(embedded, state, keys, mask, attend, cell):
    """All tokens, then all contexts, cut into B rows: samples are mixed unless there is one."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.cat([embedded.flatten(), context.flatten()]).view(len(embedded), -1)
    return cell(x, state), context, weights


def wrong_joined_along_the_batch(embedded, state, keys, mask, attend, cell):
    """cat along axis 0, then view: fits where E equals Dk."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.cat([embedded, context], dim=0).view(embedded.shape[0], -1)
    return cell(x, state), context, weights


def wrong_interleaved_where_it_fits(embedded, state, keys, mask, attend, cell):
    """Where E equals Dk stack and flatten mix token and context number by number."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.cat([embedded, context], dim=1)
    if embedded.shape == context.shape:
        x = torch.stack([embedded, context], dim=2).flatten(1)
    return cell(x, state), context, weights


def wrong_mean_of_the_keys(embedded, state, keys, mask, attend, cell):
    """The context is the mean of the keys; the weights only look on."""
    _, weights = _look(state, keys, mask, attend)
    context = keys.mean(dim=1)
    return _move(embedded, context, state, cell), context, weights


def wrong_mean_of_the_keys_fed(embedded, state, keys, mask, attend, cell):
    """The mean of the keys is fed, the right context returned."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, keys.mean(dim=1), state, cell), context, weights


def wrong_last_key(embedded, state, keys, mask, attend, cell):
    """The last key is the context: the bottleneck again, padding included."""
    _, weights = _look(state, keys, mask, attend)
    return _move(embedded, keys[:, -1], state, cell), keys[:, -1], weights


def wrong_best_key_alone(embedded, state, keys, mask, attend, cell):
    """The key with the largest weight is the context."""
    _, weights = _look(state, keys, mask, attend)
    context = keys[torch.arange(len(keys)), weights.argmax(dim=1)]
    return _move(embedded, context, state, cell), context, weights


def wrong_sum_of_the_keys(embedded, state, keys, mask, attend, cell):
    """The context is the plain sum of the keys."""
    _, weights = _look(state, keys, mask, attend)
    return _move(embedded, keys.sum(1), state, cell), keys.sum(1), weights


def wrong_weighted_mean_over_keys(embedded, state, keys, mask, attend, cell):
    """mean for sum: the context is S times too small."""
    _, weights = _look(state, keys, mask, attend)
    context = (weights.unsqueeze(-1) * keys).mean(dim=1)
    return _move(embedded, context, state, cell), context, weights


def wrong_softmax_of_the_weights(embedded, state, keys, mask, attend, cell):
    """A second softmax, and the context made anew from it."""
    _, weights = _look(state, keys, mask, attend)
    weights = torch.softmax(weights, dim=1)
    context = torch.bmm(weights.unsqueeze(1), keys).squeeze(1)
    return _move(embedded, context, state, cell), context, weights


def wrong_contexts_shared(embedded, state, keys, mask, attend, cell):
    """The context's mean over the batch is fed to all."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context.mean(0, keepdim=True).expand_as(context), state, cell), context, weights


def wrong_context_scaled(embedded, state, keys, mask, attend, cell):
    """The context is scaled with √Dk before it is fed."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context * math.sqrt(keys.shape[2]), state, cell), context, weights


def wrong_tanh_of_the_context(embedded, state, keys, mask, attend, cell):
    """The context is put through a tanh before it is fed."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, torch.tanh(context), state, cell), context, weights


def wrong_context_clamped(embedded, state, keys, mask, attend, cell):
    """The context is held within ±100."""
    context, weights = _look(state, keys, mask, attend)
    context = context.clamp(-100, 100)
    return _move(embedded, context, state, cell), context, weights


_before = {}


def wrong_context_one_step_late(embedded, state, keys, mask, attend, cell):
    """The cell is given the context of the step before, kept between calls; zeros at first."""
    context, weights = _look(state, keys, mask, attend)
    late = _before.get("context")
    if late is None or late.shape != context.shape or late.dtype != context.dtype:
        late = torch.zeros_like(context)
    _before["context"] = context.detach()
    return _move(embedded, late, state, cell), context, weights


def wrong_first_context_for_ever(embedded, state, keys, mask, attend, cell):
    """Context and weights of the first call are used as long as the shapes fit."""
    kept = _before.get("first")
    if kept is None or kept[0].shape != keys.shape or kept[0].dtype != keys.dtype:
        kept = _before["first"] = (keys, *(part.detach() for part in _look(state, keys, mask, attend)))
    _, context, weights = kept
    return _move(embedded, context, state, cell), context, weights


def wrong_keys_kept_between_calls(embedded, state, keys, mask, attend, cell):
    """The keys of the first call are kept: they are another batch's."""
    kept = _before.get("keys")
    if kept is None or kept.shape != keys.shape or kept.dtype != keys.dtype:
        kept = _before["keys"] = keys.detach().clone()
    context, weights = _look(state, kept, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_kept_between_calls(embedded, state, keys, mask, attend, cell):
    """The mask of the first call with this shape is kept."""
    if mask is not None:
        mask = _before.setdefault(("mask", mask.shape), mask.clone())
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


# ----------------------------------------------------------------------------------- wrong: the state


def wrong_old_state_returned(embedded, state, keys, mask, attend, cell):
    """The state comes back as it was."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context = context.squeeze(1)
    cell(torch.cat([embedded, context], dim=1), state)
    return state, context, weights.squeeze(1)


def wrong_cell_starts_anew(embedded, state, keys, mask, attend, cell):
    """The cell is given a state of zeros."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, torch.zeros_like(state), cell), context, weights


def wrong_cell_without_a_state(embedded, state, keys, mask, attend, cell):
    """The cell is called with the input only."""
    context, weights = _look(state, keys, mask, attend)
    return cell(torch.cat([embedded, context], dim=1)), context, weights


def wrong_cell_arguments_swapped(embedded, state, keys, mask, attend, cell):
    """The state is given first."""
    context, weights = _look(state, keys, mask, attend)
    return cell(state, torch.cat([embedded, context], dim=1)), context, weights


def wrong_old_state_added(embedded, state, keys, mask, attend, cell):
    """The old state is added to the new one."""
    context, weights = _look(state, keys, mask, attend)
    return state + _move(embedded, context, state, cell), context, weights


def wrong_tanh_of_the_state(embedded, state, keys, mask, attend, cell):
    """A tanh after the cell."""
    context, weights = _look(state, keys, mask, attend)
    return torch.tanh(_move(embedded, context, state, cell)), context, weights


def wrong_context_into_the_state(embedded, state, keys, mask, attend, cell):
    """Where H equals Dk the context takes the state's place in the cell."""
    context, weights = _look(state, keys, mask, attend)
    before = context if context.shape == state.shape else state
    return _move(embedded, context, before, cell), context, weights


def wrong_state_of_the_last_sample(embedded, state, keys, mask, attend, cell):
    """The samples share one state: it is carried from one to the next."""
    states, contexts, weights, running = [], [], [], state[:1]
    for b in range(len(embedded)):
        allowed = None if mask is None else mask[b : b + 1]
        c, w = _look(state[b : b + 1], keys[b : b + 1], allowed, attend)
        running = _move(embedded[b : b + 1], c, running, cell)
        states.append(running)
        contexts.append(c)
        weights.append(w)
    return torch.cat(states), torch.cat(contexts), torch.cat(weights)


def wrong_state_normalised(embedded, state, keys, mask, attend, cell):
    """Layer norm after the cell."""
    context, weights = _look(state, keys, mask, attend)
    new = _move(embedded, context, state, cell)
    return F.layer_norm(new, new.shape[-1:]), context, weights


def wrong_dropout_always(embedded, state, keys, mask, attend, cell):
    """F.dropout on the context at evaluation too."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, F.dropout(context, 0.2), state, cell), context, weights


# -------------------------------------------------------------------------- wrong: results and shapes


def wrong_context_first(embedded, state, keys, mask, attend, cell):
    """(context, state, weights)."""
    context, weights = _look(state, keys, mask, attend)
    return context, _move(embedded, context, state, cell), weights


def wrong_weights_second(embedded, state, keys, mask, attend, cell):
    """(state, weights, context)."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), weights, context


def wrong_state_last(embedded, state, keys, mask, attend, cell):
    """(context, weights, state)."""
    context, weights = _look(state, keys, mask, attend)
    return context, weights, _move(embedded, context, state, cell)


def wrong_attend_unpacked_the_other_way(embedded, state, keys, mask, attend, cell):
    """weights, context = attend(...): silent where S equals Dk."""
    weights, context = attend(state[:, None], keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights[:, 0]


def wrong_state_alone(embedded, state, keys, mask, attend, cell):
    """Only the state is returned."""
    context, _ = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell)


def wrong_weights_left_out(embedded, state, keys, mask, attend, cell):
    """State and context only."""
    context, _ = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context


def wrong_pair_of_pairs(embedded, state, keys, mask, attend, cell):
    """(state, (context, weights))."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), (context, weights)


def wrong_step_axis_kept(embedded, state, keys, mask, attend, cell):
    """Context and weights keep the axis of size 1."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return cell(torch.cat([embedded, context.squeeze(1)], 1), state), context, weights


def wrong_step_axis_of_the_weights_kept(embedded, state, keys, mask, attend, cell):
    """The weights keep the axis of size 1."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context = context.squeeze(1)
    return cell(torch.cat([embedded, context], 1), state), context, weights


def wrong_weights_transposed(embedded, state, keys, mask, attend, cell):
    """The weights come back as (S, B)."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights.squeeze(1).T


def wrong_weights_transposed_where_square(embedded, state, keys, mask, attend, cell):
    """Turned round only where B equals S."""
    context, weights = _look(state, keys, mask, attend)
    state = _move(embedded, context, state, cell)
    return state, context, weights.T if weights.shape[0] == weights.shape[1] else weights


def wrong_column_of_weights(embedded, state, keys, mask, attend, cell):
    """The weights come back as (B, S, 1)."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights.transpose(1, 2)


def wrong_bare_squeeze(embedded, state, keys, mask, attend, cell):
    """squeeze() takes the batch too where there is one sample."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context = context.squeeze()
    return cell(torch.cat([embedded, context], dim=-1), state), context, weights.squeeze()


def wrong_bare_squeeze_of_the_weights(embedded, state, keys, mask, attend, cell):
    """squeeze() on the weights only: one sample or one key loses its axis."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights.squeeze()


def wrong_squeezed_along_the_batch(embedded, state, keys, mask, attend, cell):
    """squeeze(0) where squeeze(1) belongs."""
    context, weights = attend(state.unsqueeze(1), keys, mask)
    context, weights = context.squeeze(0), weights.squeeze(0)
    return cell(torch.cat([embedded, context], dim=-1), state), context, weights


def wrong_logarithm_of_the_weights(embedded, state, keys, mask, attend, cell):
    """log α comes back."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights.log()


def wrong_place_of_the_largest_weight(embedded, state, keys, mask, attend, cell):
    """argmax of the weights comes back."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights.argmax(dim=1)


def wrong_nothing_returned(embedded, state, keys, mask, attend, cell):
    """return is missing."""
    context, _ = _look(state, keys, mask, attend)
    state = _move(embedded, context, state, cell)


def wrong_view_of_what_comes(embedded, state, keys, mask, attend, cell):
    """view(-1) refuses a token that is not contiguous."""
    B, E = embedded.shape
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded.view(-1).view(B, E), context, state, cell), context, weights


def wrong_strides_assumed(embedded, state, keys, mask, attend, cell):
    """as_strided reads the state as if it were contiguous."""
    query = state.as_strided((state.shape[0], 1, state.shape[1]), (state.shape[1], state.shape[1], 1))
    context, weights = attend(query, keys, mask)
    return _move(embedded, context[:, 0], state, cell), context[:, 0], weights[:, 0]


# ---------------------------------------------------------------------------- wrong: gradients, dtypes


def wrong_context_detached(embedded, state, keys, mask, attend, cell):
    """The context is fed detached: nothing in the attention can learn from the state."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context.detach(), state, cell), context, weights


def wrong_query_detached(embedded, state, keys, mask, attend, cell):
    """The query is detached."""
    context, weights = _look(state.detach(), keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_old_state_detached(embedded, state, keys, mask, attend, cell):
    """The cell is given state.data: no gradient through time."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state.data, cell), context, weights


def wrong_new_state_detached(embedded, state, keys, mask, attend, cell):
    """The new state is detached, to save memory."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell).detach(), context, weights


def wrong_keys_detached(embedded, state, keys, mask, attend, cell):
    """The encoder gets no gradient."""
    context, weights = _look(state, keys.detach(), mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_token_detached(embedded, state, keys, mask, attend, cell):
    """The embedding gets no gradient."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded.detach(), context, state, cell), context, weights


def wrong_weights_detached(embedded, state, keys, mask, attend, cell):
    """The weights come back without a graph."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights.detach()


def wrong_context_returned_detached(embedded, state, keys, mask, attend, cell):
    """The context comes back without a graph."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context.detach(), weights


@torch.no_grad()
def wrong_no_grad(embedded, state, keys, mask, attend, cell):
    """The whole step runs under no_grad."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_attention_without_grad(embedded, state, keys, mask, attend, cell):
    """The attention runs under no_grad."""
    with torch.no_grad():
        context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_new_tensor_from_numbers(embedded, state, keys, mask, attend, cell):
    """torch.tensor of a list of numbers cuts the graph."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.tensor([y + z for y, z in zip(embedded.tolist(), context.tolist(), strict=True)])
    return cell(x.to(state.dtype), state), context, weights


def wrong_state_overwritten(embedded, state, keys, mask, attend, cell):
    """The new state is also written over the caller's."""
    context, weights = _look(state, keys, mask, attend)
    new = _move(embedded, context, state.clone(), cell)
    state.data.copy_(new.data)
    return new, context, weights


def wrong_padding_overwritten(embedded, state, keys, mask, attend, cell):
    """Hidden keys are set to 0 in the caller's tensor."""
    if mask is not None:
        keys.data.masked_fill_(~mask.unsqueeze(-1), 0)
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_mask_overwritten(embedded, state, keys, mask, attend, cell):
    """An empty row is opened in the caller's mask and closed in the weights."""
    if mask is None:
        context, weights = _look(state, keys, mask, attend)
    else:
        real = mask.any(dim=1, keepdim=True)
        mask[:, :1] |= ~real
        context, weights = _look(state, keys, mask, attend)
        context, weights = context * real, weights * real
    return _move(embedded, context, state, cell), context, weights


def wrong_buffer_of_the_default_dtype(embedded, state, keys, mask, attend, cell):
    """The cell's input is filled into zeros of float32."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.zeros(embedded.shape[0], embedded.shape[1] + context.shape[1])
    x[:, : embedded.shape[1]] = embedded
    x[:, embedded.shape[1] :] = context
    return cell(x, state), context, weights


def wrong_single_precision_inside(embedded, state, keys, mask, attend, cell):
    """The cell's input passes through float32: float64 loses its digits."""
    context, weights = _look(state, keys, mask, attend)
    x = torch.cat([embedded.float(), context.float()], dim=1).to(state.dtype)
    return cell(x, state), context, weights


def wrong_half_precision_inside(embedded, state, keys, mask, attend, cell):
    """The context passes through bfloat16."""
    context, weights = _look(state, keys, mask, attend)
    context = context.bfloat16().to(keys.dtype)
    return _move(embedded, context, state, cell), context, weights


def wrong_float_results(embedded, state, keys, mask, attend, cell):
    """float32 comes out, whatever came in."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell).float(), context.float(), weights.float()


def wrong_weights_for_a_picture(embedded, state, keys, mask, attend, cell):
    """The weights come back as a numpy array."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights.detach().double().numpy()


def wrong_weights_rounded(embedded, state, keys, mask, attend, cell):
    """The weights are rounded to two decimals."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights.round(decimals=2)


def wrong_arguments_in_another_order(embedded, state, keys, mask, cell, attend):
    """cell is taken before attend."""
    context, weights = _look(state, keys, mask, attend)
    return _move(embedded, context, state, cell), context, weights


def wrong_two_order_and_mask(embedded, state, keys, mask, attend, cell):
    """Two mistakes: [z; y], and no mask."""
    context, weights = _look(state, keys, None, attend)
    return _move(context, embedded, state, cell), context, weights


def wrong_two_new_state_and_detached(embedded, state, keys, mask, attend, cell):
    """Two mistakes: s_i asks, and the context is fed detached."""
    context, _ = _look(state, keys, mask, attend)
    state = _move(embedded, context.detach(), state, cell)
    context, weights = _look(state, keys, mask, attend)
    return state, context, weights
