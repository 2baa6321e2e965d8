"""Student answers to greedy_decode(step, state, first (B,) int, eos, max_len) -> (B, max_len), right and
wrong; step(tokens (B,), state) -> (logits (B, V), state)."""

import itertools

import torch
import torch.nn.functional as F

# Right


def right_buffer_and_early_stop(step, state, first, eos, max_len):
    """A tensor full of eos; stops when all have ended."""
    out = torch.full((first.shape[0], max_len), eos, dtype=first.dtype, device=first.device)
    done = torch.zeros(first.shape[0], dtype=torch.bool, device=first.device)
    token = first
    for t in range(max_len):
        logits, state = step(token, state)
        token = torch.where(done, eos, logits.argmax(dim=-1))
        out[:, t] = token
        done |= token == eos
        if done.all():
            break
    return out


def right_list_with_first(step, state, first, eos, max_len):
    """The list begins with `first`, which is cut off at the end; no early stop."""
    tokens, ended = [first], torch.zeros_like(first).bool()
    while len(tokens) <= max_len:
        logits, state = step(tokens[-1], state)
        y = logits.argmax(1).to(first.dtype)
        y[ended] = eos
        ended = torch.logical_or(ended, y.eq(eos))
        tokens.append(y)
    return torch.stack(tokens, dim=1)[:, 1:]


def right_filled_afterwards(step, state, first, eos, max_len):
    """Decodes on as if nothing ended; everything from the first eos on is set afterwards."""
    out = first.new_zeros(len(first), max_len)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.max(dim=1).indices
        out[:, t] = y
    return out.masked_fill((out == eos).cumsum(dim=1) > 0, eos)


def right_still_alive_by_product(step, state, first, eos, max_len):
    """A cumulative product tells who is alive; arithmetic instead of a condition."""
    ys = []
    for _ in range(max_len):
        logits, state = step(ys[-1] if ys else first, state)
        ys.append(torch.topk(logits, 1, dim=-1).indices[:, 0])
    if not ys:
        return first.reshape(-1, 1)[:, :0]
    out = torch.stack(ys, -1)
    alive = torch.cumprod((out != eos).long(), dim=-1)
    return (out * alive + eos * (1 - alive)).to(first.dtype)


def right_python_lists(step, state, first, eos, max_len):
    """A list for each sample, and plain Python for who has ended."""
    B = len(first)
    rows = [[] for _ in range(B)]
    y = first
    for _ in range(max_len):
        logits, state = step(y, state)
        best = logits.argmax(dim=1).tolist()
        for b in range(B):
            rows[b].append(eos if eos in rows[b] else best[b])
        y = torch.tensor([row[-1] for row in rows], device=first.device)
    return torch.tensor(rows, dtype=first.dtype, device=first.device).reshape(B, max_len)


def right_recursion(step, state, first, eos, max_len):
    """One token, then the rest of the sentence by itself."""

    def rest(y, s, ended, n):
        if n == 0:
            return []
        logits, s = step(y, s)
        y = logits.argmax(-1).masked_fill(ended, eos)
        return [y, *rest(y, s, ended | (y == eos), n - 1)]

    columns = rest(first, state, torch.zeros(first.shape, dtype=torch.bool), max_len)
    return torch.stack([first, *columns], 1)[:, 1:].to(first.dtype)


def right_only_the_living_are_written(step, state, first, eos, max_len):
    """Rows that have ended are not touched any more; they still run through step."""
    out = first.new_full((first.size(0), max_len), eos)
    alive = torch.ones_like(first, dtype=torch.bool)
    y, i = first, 0
    while i < max_len and alive.any():
        logits, state = step(y, state)
        y = logits.argmax(dim=1)
        out[alive, i] = y[alive].to(out.dtype)
        alive = alive & (y != eos)
        i += 1
    return out


def right_generator(step, state, first, eos, max_len):
    """A generator writes for ever; islice takes max_len; the tail comes from the place of the first eos."""

    def forever(y, s):
        while True:
            logits, s = step(y, s)
            y = logits.argmax(dim=1)
            yield y

    columns = list(itertools.islice(forever(first, state), max_len))
    if len(columns) == 0:
        return torch.empty(len(first), 0, dtype=first.dtype, device=first.device)
    out = torch.stack(columns, dim=1)
    is_eos = out == eos
    ends = torch.where(is_eos.any(1), is_eos.int().argmax(1), max_len)
    place = torch.arange(max_len, device=out.device)
    return torch.where(place >= ends[:, None], eos, out).to(first.dtype)


def right_log_probabilities(step, state, first, eos, max_len):
    """log_softmax in float64; the largest by sorting."""
    out, ended = [], set()
    y = first.clone()
    for _ in range(max_len):
        logits, state = step(y, state)
        y = F.log_softmax(logits.double(), dim=-1).argsort(dim=-1, descending=True)[:, 0]
        for b in ended:
            y[b] = eos
        ended.update(torch.nonzero(y == eos).flatten().tolist())
        out.append(y)
        if len(ended) == len(first):
            break
    out += [torch.full_like(first, eos)] * (max_len - len(out))
    return torch.stack([first, *out], dim=1)[:, 1:].to(first.dtype)


def right_concatenated(step, state, first, eos, max_len):
    """cat, column by column; short results are padded with eos."""
    seq = first[:, None]
    finished = torch.zeros(seq.shape, dtype=torch.bool, device=seq.device)
    for _ in range(max_len):
        logits, state = step(seq[:, -1], state)
        nxt = logits.argmax(dim=1, keepdim=True).to(seq.dtype)
        nxt = torch.where(finished, torch.full_like(nxt, eos), nxt)
        finished = finished.logical_or(nxt == eos)
        seq = torch.cat((seq, nxt), dim=1)
        if finished.sum() == finished.numel():
            break
    return F.pad(seq, (0, max_len + 1 - seq.shape[1]), value=eos)[:, 1:]


def right_lengths(step, state, first, eos, max_len):
    """Remembers the step at which each sample ended."""
    B = first.shape[0]
    end = torch.full((B,), max_len)
    out = torch.full((max_len, B), eos, dtype=first.dtype)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[t] = torch.where(t > end, eos, y)
        end = torch.where((y == eos) & (end == max_len), t, end)
    return out.T


def right_no_grad(step, state, first, eos, max_len):
    """Under no_grad, one loop and one where."""
    with torch.no_grad():
        y, ys = first, first.new_full((len(first), max_len), eos)
        for i in range(max_len):
            logits, state = step(y, state)
            before = ys[:, i - 1] if i else torch.full_like(first, eos + 1)
            y = torch.where(before == eos, before, logits.argmax(dim=1).to(first.dtype))
            ys[:, i] = y
        return ys


# Wrong: what goes from step to step


def _decode(step, state, first, eos, max_len):
    """Decoding as it should be, for answers that spoil something around it."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
        if ended.all():
            break
    return out


def _no_end(step, state, first, eos, max_len):
    """Decoding that goes on after eos, for answers that mend it afterwards."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
    return out


def wrong_state_not_carried(step, state, first, eos, max_len):
    """Every step begins with the first state."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, _ = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_state_one_behind(step, state, first, eos, max_len):
    """The new state is used one step too late."""
    out = first.new_full((len(first), max_len), eos)
    y, ended, waiting = first, torch.zeros_like(first, dtype=torch.bool), state
    for t in range(max_len):
        logits, new = step(y, state)
        state, waiting = waiting, new
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_state_used_twice(step, state, first, eos, max_len):
    """step is called once for the state and again for the logits: the state goes on by two."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        _, state = step(y, state)
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_first_read_twice(step, state, first, eos, max_len):
    """`first` is read once before the loop to warm up, and again in it."""
    _, state = step(first, state)
    return _decode(step, state, first, eos, max_len)


def wrong_token_not_fed_back(step, state, first, eos, max_len):
    """`first` goes in at every step."""
    out = first.new_full((len(first), max_len), eos)
    ended = torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(first, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_token_one_behind(step, state, first, eos, max_len):
    """The token before the last goes in."""
    out = first.new_full((len(first), max_len), eos)
    before = y = first
    ended = torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(before, state)
        before, y = y, logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_token_of_the_first_sample(step, state, first, eos, max_len):
    """The first sample's token is fed to all."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y[:1].expand(len(first)), state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_eos_fed_first(step, state, first, eos, max_len):
    """Decoding starts from eos instead of `first`."""
    return _decode(step, state, torch.full_like(first, eos), eos, max_len)


def wrong_same_start_for_all(step, state, first, eos, max_len):
    """Every sample starts from the first one's token."""
    start = torch.full_like(first, int(first[0]))
    return _decode(step, state, start, eos, max_len)


def wrong_one_step_for_all(step, state, first, eos, max_len):
    """step is called once; the token is repeated."""
    if max_len == 0:
        return first.new_empty(len(first), 0)
    logits, _ = step(first, state)
    return logits.argmax(1).to(first.dtype)[:, None].repeat(1, max_len)


def wrong_tokens_with_a_step_axis(step, state, first, eos, max_len):
    """(B, 1) goes into step, which takes (B,)."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first[:, None], torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        best = logits.argmax(-1).reshape(-1).masked_fill(ended, eos)
        out[:, t] = best
        ended = ended | (best == eos)
        y = best[:, None]
    return out


def wrong_probabilities_fed_back(step, state, first, eos, max_len):
    """The largest logit itself is fed back instead of its place."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.max(1).values.to(first.dtype).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


# Wrong: the end of a sentence


def wrong_no_end(step, state, first, eos, max_len):
    """Goes on after eos."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
    return out


def wrong_end_forgotten(step, state, first, eos, max_len):
    """Only the step after eos is eos: `ended` is made anew each time from the token chosen, not written."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        best = logits.argmax(1)
        y = best.masked_fill(ended, eos)
        out[:, t] = y
        ended = best == eos
    return out


def wrong_stops_when_one_has_ended(step, state, first, eos, max_len):
    """any where all is meant: the other samples are cut short."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
        if (y == eos).any():
            break
    return out


def wrong_stops_with_the_first_sample(step, state, first, eos, max_len):
    """Only sample 0 is asked whether it has ended."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
        if ended[0]:
            break
    return out


def wrong_stops_with_the_last_sample(step, state, first, eos, max_len):
    """A loop over the samples whose last word decides."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
        stop = False
        for b in range(len(first)):
            stop = bool(ended[b])
        if stop:
            break
    return out


def wrong_stops_only_all_at_once(step, state, first, eos, max_len):
    """Ends only if all write eos at the same step; who ends alone goes on."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
        if (y == eos).all():
            break
    return out


def wrong_eos_not_written(step, state, first, eos, max_len):
    """The loop stops before eos is written, and the rest is 0."""
    out = first.new_zeros(len(first), max_len)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        ended = ended | (y == eos)
        if ended.all():
            break
        out[:, t] = y
    return out


def wrong_rest_is_zero(step, state, first, eos, max_len):
    """After eos comes 0."""
    out = _decode(step, state, first, eos, max_len)
    after = (out == eos).cumsum(1) > 1
    return out.masked_fill(after, 0)


def wrong_rest_is_zero_after_the_stop(step, state, first, eos, max_len):
    """A tensor of zeros: what is left when all have ended is 0, not eos."""
    out = torch.zeros(len(first), max_len, dtype=first.dtype)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
        if ended.all():
            break
    return out


def wrong_rest_is_not_initialised(step, state, first, eos, max_len):
    """empty: what is left when all have ended is whatever the memory holds."""
    out = torch.empty(len(first), max_len, dtype=first.dtype).random_(-99, -1)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        if ended.all():
            break
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_rest_is_minus_one(step, state, first, eos, max_len):
    """From eos on, the row holds -1."""
    out = _decode(step, state, first, eos, max_len)
    return out.masked_fill(out == eos, -1)


def wrong_rest_repeats_the_last_word(step, state, first, eos, max_len):
    """Who has ended keeps its last word instead of eos."""
    out = _decode(step, state, first, eos, max_len)
    for t in range(1, max_len):
        out[:, t] = torch.where(out[:, t] == eos, out[:, t - 1], out[:, t])
    return out


def wrong_end_one_late(step, state, first, eos, max_len):
    """The step after eos is still written; eos comes from then on."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    ended = late = torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(late, eos)
        out[:, t] = y
        late, ended = ended | late, ended | (y == eos)
    return out


def wrong_end_one_early(step, state, first, eos, max_len):
    """The word before eos becomes eos as well."""
    out = _decode(step, state, first, eos, max_len)
    early = F.pad(out == eos, (0, 1))[:, 1:]
    return out.masked_fill(early, eos)


def wrong_filled_from_the_second_eos(step, state, first, eos, max_len):
    """cumsum > 1: what stands between the first and the second eos stays."""
    out = _no_end(step, state, first, eos, max_len)
    return out.masked_fill((out == eos).cumsum(1) > 1, eos)


def wrong_filled_from_the_last_eos(step, state, first, eos, max_len):
    """The last eos of a row is looked for instead of the first."""
    out = _no_end(step, state, first, eos, max_len)
    place = torch.arange(max_len)
    last = torch.where(out == eos, place, -1)
    last = last.amax(1) if max_len else last.sum(1)
    return out.masked_fill((place > last[:, None]) & (last >= 0)[:, None], eos)


def wrong_filled_where_all_rows_end(step, state, first, eos, max_len):
    """The earliest eos of the batch ends every row."""
    out = _no_end(step, state, first, eos, max_len)
    return out.masked_fill((out == eos).any(0).cumsum(0) > 0, eos)


def wrong_filled_down_the_batch(step, state, first, eos, max_len):
    """cumsum runs over the samples."""
    out = _no_end(step, state, first, eos, max_len)
    return out.masked_fill((out == eos).cumsum(0) > 0, eos)


def wrong_no_eos_means_all_eos(step, state, first, eos, max_len):
    """argmax of a row without eos is 0, so the whole row becomes eos."""
    out = _no_end(step, state, first, eos, max_len)
    if max_len == 0:
        return out
    ends = (out == eos).int().argmax(1)
    return torch.where(torch.arange(max_len) >= ends[:, None], eos, out)


def wrong_eos_at_zero_means_none(step, state, first, eos, max_len):
    """An end at place 0 is taken for no end, since argmax is 0 in both cases."""
    out = _no_end(step, state, first, eos, max_len)
    if max_len == 0:
        return out
    ends = (out == eos).int().argmax(1)
    ends = torch.where(ends == 0, max_len, ends)
    return torch.where(torch.arange(max_len) >= ends[:, None], eos, out)


def wrong_first_may_end(step, state, first, eos, max_len):
    """A sample whose `first` is eos is taken for ended: models that start from eos write nothing."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, first == eos
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_never_empty(step, state, first, eos, max_len):
    """eos is not allowed as the first word."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        if t == 0:
            logits = logits.clone()
            logits[:, eos] = -float("inf")
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_last_is_always_eos(step, state, first, eos, max_len):
    """The last column is eos, whether or not the sentence has ended."""
    out = _decode(step, state, first, eos, max_len)
    out[:, -1:] = eos
    return out


def wrong_no_word_twice(step, state, first, eos, max_len):
    """The token just read may not be written again."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        logits = logits.scatter(1, y.long()[:, None], -1e30)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_eos_zero_is_no_eos(step, state, first, eos, max_len):
    """`if eos` is False for eos = 0."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        if eos:
            y = y.masked_fill(ended, eos)
            ended = ended | (y == eos)
        out[:, t] = y
    return out


def wrong_eos_is_two(step, state, first, eos, max_len):
    """The number of one example's eos is written into the code."""
    return _decode(step, state, first, 2, max_len)


# Wrong: the choice


def wrong_argmax_over_the_batch(step, state, first, eos, max_len):
    """argmax over axis 0: silent where B equals V."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(0).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_argmax_over_the_batch_when_it_fits(step, state, first, eos, max_len):
    """The axis is wrong where B equals V only."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        axis = 0 if logits.shape[0] == logits.shape[1] else 1
        y = logits.argmax(axis).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_argmax_of_everything(step, state, first, eos, max_len):
    """argmax without an axis: one place in the flattened logits."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        best = logits.argmax() % logits.shape[1]
        y = best.expand(len(first)).masked_fill(ended, eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_argmin(step, state, first, eos, max_len):
    """The least likely token."""
    return _decode(_changed(step, torch.neg), state, first, eos, max_len)


def _changed(step, change):
    """A step whose logits are changed."""

    def changed(y, s):
        logits, s = step(y, s)
        return change(logits), s

    return changed


def wrong_largest_by_size(step, state, first, eos, max_len):
    """The largest absolute value."""
    return _decode(_changed(step, torch.abs), state, first, eos, max_len)


def wrong_second_best(step, state, first, eos, max_len):
    """topk(2)[:, 1], as far as there are two."""

    def second(logits):
        return F.one_hot(logits.topk(min(2, logits.shape[1]), dim=1).indices[:, -1], logits.shape[1])

    return _decode(_changed(step, second), state, first, eos, max_len)


def wrong_sampled(step, state, first, eos, max_len):
    """Drawn from the softmax."""

    def drawn(logits):
        return F.one_hot(torch.multinomial(logits.softmax(-1), 1)[:, 0], logits.shape[1])

    return _decode(_changed(step, drawn), state, first, eos, max_len)


def wrong_noise_on_the_logits(step, state, first, eos, max_len):
    """A little noise against ties is not a little."""

    def noisy(logits):
        return logits + torch.randn_like(logits)

    return _decode(_changed(step, noisy), state, first, eos, max_len)


def wrong_exponentials(step, state, first, eos, max_len):
    """exp / sum without a shift: NaN for large logits."""

    def naive(logits):
        return logits.exp() / logits.exp().sum(1, keepdim=True)

    return _decode(_changed(step, naive), state, first, eos, max_len)


def wrong_sigmoid(step, state, first, eos, max_len):
    """sigmoid is flat for large logits: many ties at 1."""
    return _decode(_changed(step, torch.sigmoid), state, first, eos, max_len)


def wrong_rounded_logits(step, state, first, eos, max_len):
    """Logits are compared as integers."""
    return _decode(_changed(step, torch.Tensor.long), state, first, eos, max_len)


def wrong_logits_in_bfloat16(step, state, first, eos, max_len):
    """bfloat16 cannot tell near logits apart."""

    def rough(logits):
        return logits.to(torch.bfloat16)

    return _decode(_changed(step, rough), state, first, eos, max_len)


def wrong_softmax_over_the_batch(step, state, first, eos, max_len):
    """The probabilities are made over the samples, then each sample's largest is taken."""

    def over_samples(logits):
        return logits.double().log_softmax(0)

    return _decode(_changed(step, over_samples), state, first, eos, max_len)


def wrong_last_class_never(step, state, first, eos, max_len):
    """[:, :-1] drops the last class, as far as there is another."""

    def shorter(logits):
        return logits[:, :-1] if logits.shape[1] > 1 else logits

    return _decode(_changed(step, shorter), state, first, eos, max_len)


def wrong_zero_never(step, state, first, eos, max_len):
    """Token 0 is taken for padding and never written."""

    def without_zero(logits):
        return torch.cat([torch.full_like(logits[:, :1], -1e30), logits[:, 1:]], dim=1)

    return _decode(_changed(step, without_zero), state, first, eos, max_len)


# Wrong: the length and the layout


def wrong_first_in_the_result(step, state, first, eos, max_len):
    """(B, max_len + 1): `first` stands in front."""
    out = _decode(step, state, first, eos, max_len)
    return torch.cat([first[:, None], out], dim=1)


def wrong_first_in_place_of_the_last(step, state, first, eos, max_len):
    """`first` stands in front, and the last word is dropped to keep the size."""
    out = _decode(step, state, first, eos, max_len)
    return torch.cat([first[:, None], out], dim=1)[:, :max_len]


def wrong_one_step_too_few(step, state, first, eos, max_len):
    """range(1, max_len)."""
    return _decode(step, state, first, eos, max(max_len - 1, 0))


def wrong_one_step_too_many(step, state, first, eos, max_len):
    """max_len + 1 tokens."""
    return _decode(step, state, first, eos, max_len + 1)


def wrong_last_step_not_taken(step, state, first, eos, max_len):
    """The size is right, but the last column was never decoded."""
    out = _decode(step, state, first, eos, max(max_len - 1, 0))
    return F.pad(out, (0, max_len - out.shape[1]), value=eos)


def wrong_at_least_one_step(step, state, first, eos, max_len):
    """The test comes after the step: with max_len = 0 a token is written."""
    return _decode(step, state, first, eos, max(max_len, 1))


def wrong_stack_of_nothing(step, state, first, eos, max_len):
    """torch.stack of an empty list raises with max_len = 0."""
    out, y, ended = [], first, torch.zeros_like(first, dtype=torch.bool)
    for _ in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        ended = ended | (y == eos)
        out.append(y)
    return torch.stack(out, dim=1).to(first.dtype)


def wrong_shorter_when_all_end(step, state, first, eos, max_len):
    """Stops early and gives back only the columns so far."""
    out, y, ended = [first], first, torch.zeros_like(first, dtype=torch.bool)
    for _ in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        ended = ended | (y == eos)
        out.append(y)
        if ended.all():
            break
    return torch.stack(out, dim=1)[:, 1:].to(first.dtype)


def wrong_trimmed_to_the_longest(step, state, first, eos, max_len):
    """Columns in which all rows hold eos are cut off, but for the first of them."""
    out = _decode(step, state, first, eos, max_len)
    return out[:, : int((out != eos).any(0).sum()) + 1]


def wrong_ten_tokens_at_most(step, state, first, eos, max_len):
    """MAX_LENGTH = 10 from a tutorial; the rest is eos."""
    out = _decode(step, state, first, eos, min(max_len, 10))
    return F.pad(out, (0, max_len - out.shape[1]), value=eos)


def wrong_time_first(step, state, first, eos, max_len):
    """(max_len, B) comes out."""
    return _decode(step, state, first, eos, max_len).T


def wrong_reshaped_from_time_first(step, state, first, eos, max_len):
    """Stacked over the steps and reshaped to (B, max_len): rows are mixed."""
    out = _decode(step, state, first, eos, max_len)
    return out.T.reshape(len(first), max_len)


def wrong_newest_first(step, state, first, eos, max_len):
    """insert(0, …): the words come out backwards."""
    return _decode(step, state, first, eos, max_len).flip(1)


def wrong_bare_squeeze(step, state, first, eos, max_len):
    """squeeze() drops B = 1 and max_len = 1."""
    return _decode(step, state, first, eos, max_len).squeeze()


def wrong_squeezed_tokens(step, state, first, eos, max_len):
    """squeeze() on the chosen tokens: with B = 1, step is given no axis at all."""
    out = first.new_full((len(first), max_len), eos)
    y, ended = first, torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1, keepdim=True).squeeze()
        y = y.masked_fill(ended.squeeze(), eos)
        out[:, t] = y
        ended = ended | (y == eos)
    return out


def wrong_item(step, state, first, eos, max_len):
    """.item() works with one sample only."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        best = logits.argmax(1).item()
        if best == eos:
            break
        out[0, t] = best
        y = torch.tensor([best])
    return out


def wrong_first_row_only(step, state, first, eos, max_len):
    """out[0] is written where out[:, t] is meant."""
    out = _decode(step, state, first, eos, max_len)
    out[1:] = eos
    return out


def wrong_living_samples_closed_up(step, state, first, eos, max_len):
    """Samples that have ended are taken out of the tokens, and the rest moves up to other states."""
    out = first.new_full((len(first), max_len), eos)
    y, who = first, torch.arange(len(first))
    for t in range(max_len):
        fed = torch.cat([y, y.new_full((len(first) - len(y),), eos)])
        logits, state = step(fed, state)
        y = logits.argmax(1)[: len(who)].to(first.dtype)
        out[who, t] = y
        who, y = who[y != eos], y[y != eos]
        if len(who) == 0:
            break
    return out


# Wrong: types, inputs, state


def wrong_float_buffer(step, state, first, eos, max_len):
    """torch.zeros without a dtype: float32 comes out."""
    return _decode(step, state, first, eos, max_len).float()


def wrong_logits_out(step, state, first, eos, max_len):
    """The logits (B, max_len, V) come out."""
    ys, y = [], first
    for _ in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        ys.append(logits)
    return torch.stack(ys, dim=1) if ys else first.new_zeros(len(first), 0)


def wrong_one_hot_out(step, state, first, eos, max_len):
    """One-hot rows come out."""
    out = _decode(step, state, first, eos, max_len)
    return F.one_hot(out.long(), max(int(out.max()), eos) + 1) if out.numel() else out


def wrong_writes_to_first(step, state, first, eos, max_len):
    """The caller's `first` holds the last tokens afterwards."""
    out = first.new_full((len(first), max_len), eos)
    ended = torch.zeros_like(first, dtype=torch.bool)
    for t in range(max_len):
        logits, state = step(first, state)
        first.copy_(logits.argmax(1).masked_fill(ended, eos))
        out[:, t] = first
        ended |= first == eos
        if ended.all():
            break
    return out


def wrong_one_tensor_for_all_steps(step, state, first, eos, max_len):
    """The same tensor is appended at each step and written over: all columns are the last one."""
    out, y = [first], first.clone()
    ended = torch.zeros_like(first, dtype=torch.bool)
    for _ in range(max_len):
        logits, state = step(y, state)
        y.copy_(logits.argmax(1).masked_fill(ended, eos))
        ended = ended | (y == eos)
        out.append(y)
    return torch.stack(out, dim=1)[:, 1:]


def wrong_list(step, state, first, eos, max_len):
    """Lists of numbers come out."""
    return _decode(step, state, first, eos, max_len).tolist()


def wrong_ragged_list(step, state, first, eos, max_len):
    """A list of tensors without their eos."""
    out = _decode(step, state, first, eos, max_len)
    return [row[row != eos] for row in out]


def wrong_tokens_and_lengths(step, state, first, eos, max_len):
    """The lengths come out beside the tokens."""
    out = _decode(step, state, first, eos, max_len)
    return out, (out != eos).sum(1)


def wrong_returns_none(step, state, first, eos, max_len):
    """return is missing."""
    _ = _decode(step, state, first, eos, max_len)


_last = {}


def wrong_goes_on_from_the_last_call(step, state, first, eos, max_len):
    """The last tokens of the call before are the start of this one, if the batch is as large."""
    start = _last.get(len(first), first).to(first.dtype)
    out = _decode(step, state, start, eos, max_len)
    if max_len:
        _last[len(first)] = out[:, -1].clone()
    return out


def wrong_ended_is_kept(step, state, first, eos, max_len, _ended={}):  # noqa: B006
    """Who has ended is kept in a default argument: in the next call of this size they are ended from the
    start."""
    ended = _ended.setdefault(len(first), torch.zeros(len(first), dtype=torch.bool))
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1).masked_fill(ended, eos)
        out[:, t] = y
        ended |= y == eos
    return out


def wrong_two_state_and_end(step, state, first, eos, max_len):
    """Two mistakes: the state is not carried, and nothing ends."""
    out = first.new_full((len(first), max_len), eos)
    y = first
    for t in range(max_len):
        logits, _ = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
    return out


def wrong_two_any_and_zero(step, state, first, eos, max_len):
    """Two mistakes: stops when one has ended, and the rest is 0."""
    out = first.new_zeros(len(first), max_len)
    y = first
    for t in range(max_len):
        logits, state = step(y, state)
        y = logits.argmax(1)
        out[:, t] = y
        if (y == eos).any():
            break
    return out
