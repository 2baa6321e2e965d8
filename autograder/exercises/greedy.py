"""The exercise `greedy_decode` of lesson 01: a decoder in pieces, steps to put it to, and how it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..judging import Tried
from ..sandbox.callbacks import make
from ..sandbox.case import Call, Callback, Case
from .anywhere import (
    ANY_RESULT,
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    STALE_CACHE,
    random_everywhere,
    without,
    wrote_to_input,
)
from .common import Pieces, around, ask, instead, wrapped

PAD, EOS = 0, 2  # as the course's vocabularies have them; an answer must not rely on it


def _columns(written: list[Tensor], first: Tensor, eos: int, max_len: int) -> Tensor:
    """What was written, filled up with eos to max_len columns."""
    result = first.new_full((len(first), max_len), eos)
    for i, tokens in enumerate(written):
        result[:, i] = tokens
    return result


def _stacked(written: list[Tensor], first: Tensor, eos: int, max_len: int) -> Tensor:
    return torch.stack(written, 1)


def _padded_with(number: int) -> Callable:
    return lambda written, first, eos, n: F.pad(torch.stack(written, 1), (0, n - len(written)), value=number)


def _stopped_before_eos(written: list[Tensor], first: Tensor, eos: int, max_len: int) -> Tensor:
    """The loop was left before the last eos was written down; the rest is 0."""
    kept = written[:-1] if written and bool((torch.stack(written, 1) == eos).any(1).all()) else written
    return _columns(kept, first, PAD, max_len)


def _build_greedy_decode(
    put=None, carry=None, choose=None, fill=None, note=None, feed=None, halt=None, pack=None, outer=None
):
    """A decoder in pieces, all right where none is given.

    `put(step, tokens, state)` takes the step; `carry(given, old, new)` is the state that goes in next;
    `choose(logits, i)` the tokens; `fill(tokens, ended, eos)` what is written for samples that have ended;
    `note(ended, tokens, eos, i)` which have ended now; `feed(first, before, chosen, filled)` the tokens that
    go in next; `halt(ended)` says whether to stop; `pack(written, first, eos, max_len)` makes the result.
    """
    put = put or (lambda step, tokens, state: step(tokens, state))
    carry = carry or (lambda given, old, new: new)
    choose = choose or (lambda logits, i: logits.argmax(-1))
    fill = fill or (lambda tokens, ended, eos: tokens.masked_fill(ended, eos))
    note = note or (lambda ended, tokens, eos, i: ended | (tokens == eos))
    feed = feed or (lambda first, before, chosen, filled: chosen)
    halt = halt or (lambda ended: bool(ended.all()))
    pack = pack or _columns

    def decode(step, state, first, eos, max_len):
        given, tokens, ended, written = state, first, torch.zeros_like(first, dtype=torch.bool), []
        before = first
        for i in range(max_len):
            logits, new = put(step, tokens, state)
            state = carry(given, state, new)
            chosen = choose(logits, i)
            written.append(fill(chosen, ended, eos))
            ended = note(ended, chosen, eos, i)
            if halt(ended):
                break
            tokens, before = feed(first, before, chosen, written[-1]), chosen
        return pack(written, first, eos, max_len)

    return wrapped(outer, decode)


Ends = tuple[int | tuple[int, ...] | None, ...]


def _decoding(
    draw: Draw,
    vocab: int,
    steps: int,
    ends: Ends,
    rows: int = 1,
    end: int | None = None,
    first_is_eos: bool = False,
) -> Call:
    """A call with a table of whole numbers.

    Followed without looking for eos, sample b would write it at the steps ends[b] (one, several, or None)
    and nowhere else; `end` is its number (any by default). Where no sample ends, each depends on the tokens
    being fed back and, with several rows, on the state.
    """
    batch = len(ends)
    places = [{at} if isinstance(at, int) else set(at or ()) for at in ends]
    while True:
        best = draw.whole(rows, vocab, low=0, high=vocab - 1, dtype=torch.int64).tolist()
        other = iter(draw.whole(batch * (steps + 1), low=1, high=vocab - 1, dtype=torch.int64).tolist())
        eos, *first = draw.whole(1 + batch, low=0, high=vocab - 1, dtype=torch.int64).tolist()
        eos = eos if end is None else end
        first = [(eos + next(other)) % vocab if y == eos else y for y in first]
        if first_is_eos:
            first[0] = eos
        state = draw.whole(batch, low=0, high=rows - 1, dtype=torch.int64)
        starts = list(zip(state.tolist(), first, strict=True))
        if _steer(best, starts, steps, places, eos, other) and (
            any(places) or all(_wanders(best, start, steps, rows > 1) for start in starts)
        ):
            table = Callback("table", {"logits": _with_winners(draw, torch.tensor(best))})
            return Call((table, state, torch.tensor(first), eos, steps))


def _steer(
    best: list[list[int]],
    starts: list[tuple[int, int]],
    steps: int,
    places: list[set[int]],
    eos: int,
    other: Iterator[int],
) -> bool:
    """Change winners so that each sample writes eos at its places. False where two samples want different ones."""
    used: set[tuple[int, int]] = set()
    for (state, token), mine in zip(starts, places, strict=True):
        for i in range(steps):
            row = best[(state + i) % len(best)]
            if (row[token] == eos) != (i in mine):
                if ((state + i) % len(best), token) in used:
                    return False
                row[token] = eos if i in mine else (eos + next(other)) % len(row)
            used.add(((state + i) % len(best), token))
            token = row[token]
    return True


def _wanders(best: list[list[int]], start: tuple[int, int], steps: int, on_state: bool) -> bool:
    """Whether a sample goes another way when its tokens are not fed back, or its state is not carried."""

    def path(carry: bool = True, feed: bool = True) -> list[int]:
        state, token = start
        written = []
        for i in range(steps):
            written.append(best[(state + i * carry) % len(best)][written[-1] if feed and written else token])
        return written

    return steps < 2 or (path() != path(feed=False) and not (on_state and path() == path(carry=False)))


def _with_winners(draw: Draw, best: Tensor) -> Tensor:
    """Logits (rows, V, V), whole numbers without ties, the largest where `best` says."""
    vocab = best.shape[1]
    ranks = draw.apart(*best.shape, vocab, gap=1.0).round()
    largest = ranks.argmax(-1, keepdim=True)
    kept, top = ranks.gather(-1, best[..., None]), ranks.gather(-1, largest)
    ranks = ranks.scatter(-1, largest, kept).scatter(-1, best[..., None], top)
    # Another largest number in each row, so that no row is taken for another unnoticed.
    return ranks + draw.whole(*best.shape, 1, low=-1, high=2)


def _recurrent(draw: Draw, vocab: int, size: int, steps: int, ends: tuple[int | None, ...]) -> Call:
    """The same with a step whose state is a vector of `size` numbers."""
    shapes = {"E": (vocab, size), "W_h": (size, size), "W_o": (vocab, size)}
    while True:
        callback = Callback("recurrent step", {name: 1.5 * draw.normal(*s) for name, s in shapes.items()})
        state = draw.normal(len(ends), size)
        first = draw.whole(len(ends), low=0, high=vocab - 1, dtype=torch.int64)
        tokens, gap = _followed(callback, state, first, steps)
        # A choice that is nearly a tie may come out otherwise in another precision.
        if gap < 0.05:
            continue
        if all(end is None for end in ends) and not all(
            bool((_followed(callback, state, first, steps, **left_out)[0] != tokens).any(1).all())
            for left_out in ({"carry": False}, {"feed": False})
        ):
            continue
        for eos in range(vocab):
            found = tuple(row.index(eos) if eos in row else None for row in tokens.tolist())
            if eos not in first.tolist() and found == ends:
                return Call((callback, state, first, eos, steps))


def _followed(
    callback: Callback, state: Tensor, first: Tensor, steps: int, carry: bool = True, feed: bool = True
) -> tuple[Tensor, float]:
    """What a step writes when nobody looks for eos, (B, T), and the smallest lead of a winner."""
    step, tokens, written, lead = make(callback, callback.tensors), first, [], []
    for _ in range(steps):
        logits, new = step(tokens, state)
        best = logits.topk(2, -1)
        lead.append((best.values[:, 0] - best.values[:, 1]).min())
        written.append(best.indices[:, 0])
        state, tokens = new if carry else state, written[-1] if feed else first
    return torch.stack(written, 1), float(torch.stack(lead).min())


def _greedy_shapes(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 4, 3, (None, None), rows=2),))
    yield Case((_decoding(draw, 5, 4, (1, 0, 2), rows=3),))
    yield Case((_decoding(draw, 5, 1, (None, None, 0)),))


def _greedy_values(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 3, (None,)),))
    yield Case((_decoding(draw, 3, 3, (None,), rows=2),))
    yield Case((_decoding(draw, 4, 4, (None,) * 2, rows=3),))
    yield Case((_decoding(draw, 7, 5, (None,) * 3, rows=5),))
    yield Case((_decoding(draw, 9, 12, (None,) * 4, rows=7),))
    yield Case((_recurrent(draw, 6, 3, 4, (None,) * 2),))


def _greedy_ends(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 4, (1,)),))
    yield Case((_decoding(draw, 3, 3, (0,)),))
    yield Case((_decoding(draw, 4, 4, (1, None), rows=2),))
    yield Case((_decoding(draw, 4, 4, (None, 1), rows=2, end=0),))
    yield Case((_decoding(draw, 5, 5, (2, 0, None), rows=3),))
    yield Case((_decoding(draw, 4, 6, (0, 2), rows=3),))
    yield Case((_decoding(draw, 7, 5, (None, 3, 1), rows=4),))
    # Followed on, it would write eos once more.
    yield Case((_decoding(draw, 5, 6, ((1, 4), None), rows=3),))
    # A decoder may be started with eos.
    yield Case((_decoding(draw, 4, 4, (2, None), rows=3, first_is_eos=True),))


def _greedy_sizes(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 1, (None, 0, None, None), rows=2),))
    yield Case((_decoding(draw, 3, 3, (None,) * 3, rows=3),))
    yield Case((_decoding(draw, 4, 4, (None,) * 4, rows=3),))
    yield Case((_decoding(draw, 5, 4, (2,), rows=3),))
    yield Case((_decoding(draw, 4, 1, (None,)),))
    yield ask(*_decoding(draw, 5, 1, (None,) * 2, rows=2).args[:-1], 0)


def _greedy_robust(draw: Draw) -> Iterator[Case]:
    yield Case((_recurrent(draw, 6, 4, 5, (None,) * 3),))
    yield Case((_recurrent(draw, 5, 4, 4, (1, None)),))
    # All logits far below 0, and far above it.
    for shift in (-1e4, 1e4):
        step, *others = _decoding(draw, 4, 3, (None,) * 2, rows=2).args
        yield ask(Callback("table", {"logits": 4 * step.tensors["logits"] + shift}), *others)
    step, *others = _decoding(draw, 4, 4, (None,) * 3, rows=3).args
    yield ask(Callback("table", {"logits": step.tensors["logits"] / 8}), *others)
    step, state, first, *others = _decoding(draw, 5, 4, (None,) * 3, rows=2).args
    yield ask(step, draw.strided(state), draw.strided(first), *others)
    again, alike = _decoding(draw, 5, 4, (1, None), rows=3), _decoding(draw, 5, 4, (None,) * 2, rows=3)
    yield Case((again, alike, _decoding(draw, 4, 3, (None,) * 3, rows=2), again))


def _with_state(change: Callable[[Tensor], Tensor]) -> Pieces:
    return around(lambda f, step, state, *rest: f(step, change(state), *rest))


def _with_first(change: Callable[[Tensor, int], Tensor]) -> Pieces:
    return around(lambda f, step, state, first, eos, n: f(step, state, change(first, eos), eos, n))


def _with_eos(number: int) -> Pieces:
    return around(lambda f, step, state, first, eos, n: f(step, state, first, number, n))


def _with_logits(change: Callable[[Tensor], Tensor]) -> Pieces:
    """The winner is looked for in something made from the logits."""
    return {"choose": lambda logits, i: change(logits).argmax(-1)}


def _afterwards(change: Callable[[Tensor, Tensor, int], Tensor]) -> Pieces:
    """Change the finished result: `change(result, is_eos, eos)`."""

    def answer(f, *args):
        result = f(*args)
        return change(result, result == args[3], args[3])

    return around(answer)


def _followed_then(change: Callable[[Tensor, Tensor, int], Tensor]) -> Pieces:
    """Follow the step without looking for eos, then fill in eos: `change(tokens, is_eos, eos)`."""
    plain = _build_greedy_decode(fill=lambda tokens, ended, eos: tokens, halt=lambda ended: False)

    def answer(f, *args):
        result = plain(*args)
        return change(result, result == args[3], args[3])

    return around(answer)


def _lasting(is_eos: Tensor) -> Tensor:
    return is_eos.cumsum(1) > 0


def _from_last(tokens: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    last = torch.where(is_eos, torch.arange(1, is_eos.shape[1] + 1), 0)
    last = last.amax(1, keepdim=True) if is_eos.shape[1] else last.sum(1, keepdim=True)
    return tokens.masked_fill((torch.arange(1, is_eos.shape[1] + 1) > last) & (last > 0), eos)


def _from_argmax(tokens: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    if not is_eos.shape[1]:
        return tokens
    end = is_eos.long().argmax(1, keepdim=True)
    return tokens.masked_fill(torch.arange(is_eos.shape[1]) >= end, eos)


def _step_before(result: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    return result.masked_fill(F.pad(is_eos, (0, 1))[:, 1:], eos)


def _repeat_last(result: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    kept = result.clone()
    for i in range(1, kept.shape[1]):
        kept[:, i] = torch.where(is_eos[:, i], kept[:, i - 1], kept[:, i])
    return kept


def _repeat_last_after_eos(result: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    """eos itself stays, and the word before it comes again after it."""
    kept = _repeat_last(result, is_eos, eos)
    return torch.where(is_eos & (is_eos.cumsum(1) == 1), eos, kept)


def _last_column(result: Tensor, is_eos: Tensor, eos: int) -> Tensor:
    result = result.clone()
    result[:, -1:] = eos
    return result


def _step_twice(step, tokens, state):
    _, state = step(tokens, state)
    return step(tokens, state)


def _warmed_up(f, step, state, first, eos, max_len):
    _, state = step(first, state)
    return f(step, state, first, eos, max_len)


def _state_one_behind(step, state, first, eos, max_len):
    waiting = [state]

    def late(tokens, state):
        logits, new = step(tokens, state)
        waiting.append(new)
        return logits, waiting.pop(0)

    return _build_greedy_decode()(late, state, first, eos, max_len)


def _fed_in_place(step, state, first, eos, max_len):
    def feed(start, before, chosen, filled):
        return first.copy_(chosen)

    return _build_greedy_decode(feed=feed)(step, state, first, eos, max_len)


def _state_in_place(step, state, first, eos, max_len):
    return _build_greedy_decode(carry=lambda given, old, new: state.copy_(new))(
        step, state, first, eos, max_len
    )


def _one_tensor(step, state, first, eos, max_len):
    """Every entry of `written` is the same tensor, overwritten at each step."""
    kept = first.clone()
    return _build_greedy_decode(
        choose=lambda logits, i: kept.copy_(logits.argmax(-1)),
        fill=lambda tokens, ended, eos: tokens,
        halt=lambda ended: False,
    )(step, state, first, eos, max_len)


def _grows(step, state, first, eos, max_len):
    """Feeds all that was written so far, (B, t), as models without a state are fed."""
    written = first[:, None]
    for _ in range(max_len):
        logits, state = step(written, state)
        written = torch.cat([written, logits.argmax(-1)[:, None]], 1)
    return written[:, 1:]


def _late(step, state, first, eos, max_len):
    """Looks for eos in what went in, not in what came out."""
    tokens, ended, written = first, torch.zeros_like(first, dtype=torch.bool), []
    for _ in range(max_len):
        logits, state = step(tokens, state)
        chosen = logits.argmax(-1)
        written.append(chosen.masked_fill(ended, eos))
        ended, tokens = ended | (tokens == eos), chosen
    return _columns(written, first, eos, max_len)


def _cut_after_the_last(f, *args):
    """The result ends where the last sample has ended."""
    result = f(*args)
    ends = [row.index(args[3]) + 1 if args[3] in row else args[4] for row in result.tolist()]
    return result[:, : max(ends)]


def _forbidding_eos(steps: Callable[[int], bool]) -> Pieces:
    """eos cannot win at these steps."""

    def answer(f, step, state, first, eos, max_len):
        def choose(logits, i):
            forbidden = torch.arange(logits.shape[1]) == eos
            return (logits.masked_fill(forbidden, -torch.inf) if steps(i) else logits).argmax(-1)

        return _build_greedy_decode(choose=choose)(step, state, first, eos, max_len)

    return around(answer)


def _no_repeats(step, state, first, eos, max_len):
    """The token that went in may not come out."""

    def other(tokens, state):
        logits, state = step(tokens, state)
        return logits.scatter(1, tokens[:, None], -torch.inf), state

    return _build_greedy_decode()(other, state, first, eos, max_len)


def _closed_up(step, state, first, eos, max_len):
    """Takes ended samples out of the tokens, but not out of the state."""
    result, tokens, who = first.new_full((len(first), max_len), eos), first, torch.arange(len(first))
    for i in range(max_len):
        logits, state = step(F.pad(tokens, (0, len(first) - len(tokens)), value=eos), state)
        tokens = logits.argmax(1)[: len(who)]
        result[who, i] = tokens
        who, tokens = who[tokens != eos], tokens[tokens != eos]
    return result


def _remembers(what: str) -> Pieces:
    """Keeps which samples have ended, or the last tokens, from one call to the next of the same batch size."""

    def outer(f):
        kept: dict[int, Tensor] = {}

        def answer(step, state, first, eos, max_len):
            if what == "tokens":
                result = f(step, state, kept.get(len(first), first), eos, max_len)
                if max_len:
                    kept[len(first)] = result[:, -1].clone()
                return result
            before = kept.setdefault(len(first), torch.zeros(len(first), dtype=torch.bool))

            def note(ended, tokens, eos, i):
                return before.logical_or_(ended | (tokens == eos))

            fill = lambda tokens, ended, eos: tokens.masked_fill(before, eos)  # noqa: E731
            return _build_greedy_decode(fill=fill, note=note, halt=lambda ended: False)(
                step, state, first, eos, max_len
            )

        return answer

    return {"outer": outer}


def _is_one_sample(failed: list[Tried]) -> set[int]:
    """The answer asked a tensor of several numbers for its one number."""
    said = ("cannot be converted to Scalar", "only one element tensors", "more than one value is ambiguous")
    return {
        i
        for i, t in enumerate(failed)
        if t.outcome.raised is not None and any(text in t.outcome.raised.message for text in said)
    }


def _step_refused(failed: list[Tried]) -> set[int]:
    """The step was called with something that does not fit: its own sentence says so."""
    return {
        i
        for i, t in enumerate(failed)
        if t.outcome.raised is not None and t.outcome.raised.message.startswith("step's tokens must")
    }


def _right_up_to_eos(failed: list[Tried]) -> set[int]:
    """All failing cases, if each is right up to the first eos of every row, and wrong after one."""

    def fits(t: Tried) -> bool:
        got, expected, eos = t.difference.got, t.difference.expected, t.case.calls[t.difference.call].args[3]
        if got is None or expected is None or got.shape != expected.shape:
            return False
        is_eos = expected == eos
        return bool((got == expected)[~_lasting(is_eos) | (is_eos & (is_eos.cumsum(1) == 1))].all())

    return set(range(len(failed))) if all(map(fits, failed)) else set()


GREEDY_DECODE = Exercise(
    name="greedy_decode",
    lesson="01_seq2seq",
    asked="Call logits, state = step(tokens, state) again and again, first with the tokens `first` (B,), then with the likeliest tokens of the step before. Give the max_len tokens of each sample, (B, max_len), "
    "without `first`; from its first eos on, a row holds eos.",
    arguments=("step", "state", "first (B)", "eos", "max_len"),
    returns=("tokens (B, max_len)",),
    reference=seqattn_ref.greedy_decode,
    build=_build_greedy_decode,
    checks=(
        Check(
            "It returns whole numbers of shape (B, max_len), however early the samples end",
            0.5,
            _greedy_shapes,
            ("shape", "dtype"),
        ),
        Check(
            "Each step takes the likeliest token, and hands it and the state to the next step",
            1.5,
            _greedy_values,
        ),
        Check("From its first eos on a row holds eos, and the other rows go on", 1, _greedy_ends),
        Check("It works for one sample, for one step and for none, and for equal sizes", 0.5, _greedy_sizes),
        Check(
            "It works with any step, keeps nothing from call to call, and leaves its inputs as they were",
            0.5,
            _greedy_robust,
            ("inputs", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "state-not-carried",
            "Each step starts from the same state: the one that the step returned was not handed on. So the decoder does not know what it has written, nor how far it has come.",
            ({"carry": lambda given, old, new: given},),
        ),
        Mistake(
            "state-one-behind",
            "The state lags behind: a step is given the state from before the last step. Hand on the one that the last step returned.",
            (instead(_state_one_behind),),
        ),
        Mistake(
            "token-not-fed-back",
            "Each step is given the same token. What comes out at one step goes in at the next: that is what autoregressive means.",
            ({"feed": lambda first, before, chosen, filled: first},),
        ),
        Mistake(
            "token-one-behind",
            "The token that goes in is the one before the last. What came out at this very step goes in at the next.",
            ({"feed": lambda first, before, chosen, filled: before},),
        ),
        Mistake(
            "step-called-twice",
            "The step is called more often than tokens are written, so that the state runs ahead. One call gives both the logits and the next state, and the first call already belongs to the first token.",
            ({"put": _step_twice}, around(_warmed_up)),
        ),
        Mistake(
            "first-in-the-result",
            "The result begins with the token that went in first. Collect what comes out of each step, not what goes in.",
            (
                around(lambda f, *args: torch.cat([args[2][:, None], f(*args)], 1)),
                around(lambda f, *args: torch.cat([args[2][:, None], f(*args)], 1)[:, :-1]),
            ),
        ),
        Mistake(
            "first-ignored",
            "The first tokens are not those that were given: another number, or one sample's token, goes in at the first step. `first` (B,) holds a token for each sample.",
            (
                _with_first(lambda first, eos: torch.ones_like(first)),
                _with_first(lambda first, eos: torch.zeros_like(first)),
                _with_first(lambda first, eos: torch.full_like(first, eos)),
                _with_first(lambda first, eos: first[:1].expand_as(first)),
                _with_first(lambda first, eos: first[-1:].expand_as(first)),
            ),
        ),
        Mistake(
            "first-counts-as-end",
            "A sample whose first token has the number of eos was taken for ended. What goes in first is not part of the result: a decoder may well be started with eos.",
            (around(lambda f, *args: f(*args).masked_fill((args[2] == args[3])[:, None], args[3])),),
        ),
        Mistake(
            "mixes-samples",
            "The samples are mixed up: one sample's state or token is used for another, or the rows have changed places. Row b must come from sample b alone.",
            (
                _with_state(lambda state: state[:1].expand_as(state)),
                _with_state(lambda state: state.flip(0)),
                {"carry": lambda given, old, new: new[:1].expand_as(new)},
                {"put": lambda step, tokens, state: step(tokens[:1].expand_as(tokens), state)},
                {"feed": lambda first, before, chosen, filled: chosen[:1].expand_as(chosen)},
                around(lambda f, *args: f(*args).flip(0)),
                around(lambda f, *args: f(*args)[:1].expand(len(args[2]), -1)),
                _followed_then(lambda tokens, is_eos, eos: tokens.masked_fill(is_eos.cumsum(0) > 0, eos)),
            ),
        ),
        Mistake(
            "first-sample-only",
            "Only the first sample's tokens are written down. In the result, column i takes the tokens of all samples: `result[:, i]`, not `result[i]`.",
            (
                around(
                    lambda f, *args: f(*args).masked_fill(torch.arange(len(args[2]))[:, None] > 0, args[3])
                ),
                around(lambda f, *args: f(*args).masked_fill(torch.arange(len(args[2]))[:, None] > 0, PAD)),
            ),
        ),
        Mistake(
            "wrong-axis",
            "The largest logit, or the softmax, was taken over the samples, or over all logits at once. The logits of a step are (B, V): each sample chooses among its own V tokens.",
            (
                {"choose": lambda logits, i: logits.argmax(0)},
                {"choose": lambda logits, i: logits.argmax(0), "pack": _stacked, "halt": lambda ended: False},
                {"choose": lambda logits, i: logits.argmax().expand(len(logits))},
                *(
                    {
                        "choose": lambda logits, i: logits.argmax(int(logits.shape[0] != logits.shape[1])),
                        "feed": feed,
                    }
                    for feed in (
                        lambda first, before, chosen, filled: chosen,
                        lambda first, before, chosen, filled: filled,
                    )
                ),
                {"choose": lambda logits, i: (logits.argmax() % logits.shape[1]).expand(len(logits))},
                _with_logits(lambda logits: torch.log_softmax(logits.double(), 0)),
                _with_logits(lambda logits: torch.softmax(logits, 0)),
            ),
        ),
        Mistake(
            "not-the-likeliest",
            "The tokens are not the ones with the largest logits. Greedy means: at each step the largest, whichever token it is.",
            (
                {"choose": lambda logits, i: logits.argmin(-1)},
                {"choose": lambda logits, i: logits.topk(2, -1).indices[:, 1]},
                _with_logits(torch.abs),
                {"choose": lambda logits, i: logits[:, 1:].argmax(-1) + 1},
                _with_logits(lambda logits: logits[:, :-1]),
                instead(_no_repeats),
            ),
        ),
        Mistake(
            "logits-squashed-first",
            "Something was done to the logits before the largest was looked for, and some became equal or NaN: an exponential without a shift, a sigmoid, whole numbers, too few digits. argmax needs the logits alone.",
            (
                _with_logits(lambda logits: logits.exp() / logits.exp().sum(-1, keepdim=True)),
                _with_logits(torch.exp),
                _with_logits(torch.sigmoid),
                _with_logits(torch.tanh),
                _with_logits(torch.relu),
                _with_logits(lambda logits: logits.long()),
                _with_logits(torch.round),
                _with_logits(lambda logits: logits.bfloat16()),
            ),
        ),
        Mistake(
            "value-instead-of-index",
            "The largest logit itself was taken for a token. `max` over an axis gives two things, the values and where they stand: the place is the token.",
            (
                {"choose": lambda logits, i: logits.amax(-1).long()},
                {"choose": lambda logits, i: logits.amax(-1)},
                {
                    "feed": lambda first, before, chosen, filled: filled,
                    "choose": lambda logits, i: logits.amax(-1).long(),
                },
            ),
        ),
        Mistake(
            "samples-a-token",
            "The tokens are drawn at random from the softmax. Greedy decoding takes the likeliest one.",
            ({"choose": lambda logits, i: torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]},),
        ),
        Mistake(
            "goes-on-after-eos",
            "The row goes on after its first eos with whatever the step writes next. It has ended: from there on it holds eos, whatever comes out.",
            (
                {"fill": lambda tokens, ended, eos: tokens},
                {"fill": lambda tokens, ended, eos: tokens, "halt": lambda ended: False},
                {
                    "note": lambda ended, tokens, eos, i: (tokens == eos).all().expand_as(ended),
                    "fill": lambda tokens, ended, eos: tokens,
                },
                _followed_then(lambda tokens, is_eos, eos: tokens.masked_fill(is_eos.cumsum(1) > 1, eos)),
                _followed_then(_from_last),
            ),
        ),
        Mistake(
            "end-forgotten",
            "A sample is held back for a single step after its eos, and then goes on writing. Remember for each sample that it has ended: once ended, always ended.",
            (
                *(
                    {"note": lambda ended, tokens, eos, i: tokens == eos, "halt": halt, "feed": feed}
                    for halt in (lambda ended: False, lambda ended: bool(ended.all()))
                    for feed in (
                        lambda first, before, chosen, filled: chosen,
                        lambda first, before, chosen, filled: filled,
                    )
                ),
            ),
        ),
        Mistake(
            "pads-after-eos",
            "After its first eos the row holds something else than eos: zeros, or the word before it again. Here it holds eos to the end.",
            (
                {"fill": lambda tokens, ended, eos: tokens.masked_fill(ended, PAD)},
                {
                    "fill": lambda tokens, ended, eos: tokens.masked_fill(ended, PAD),
                    "pack": _padded_with(PAD),
                },
                {"pack": _padded_with(PAD)},
                {"pack": _padded_with(-1)},
                {"fill": lambda tokens, ended, eos: tokens.masked_fill(ended, -1), "pack": _padded_with(-1)},
                _afterwards(_repeat_last_after_eos),
            ),
        ),
        Mistake(
            "eos-missing",
            "The eos itself is not in the row: the row ended before it was written down. eos is a token like any other, and the reader of the row needs it.",
            (
                _afterwards(lambda result, is_eos, eos: result.masked_fill(is_eos, PAD)),
                _afterwards(
                    lambda result, is_eos, eos: result.masked_fill(is_eos & (is_eos.cumsum(1) == 1), PAD)
                ),
                _afterwards(lambda result, is_eos, eos: result.masked_fill(is_eos, -1)),
                _afterwards(_repeat_last),
                _forbidding_eos(lambda i: True),
                {"pack": _stopped_before_eos},
            ),
        ),
        Mistake(
            "eos-one-step-late",
            "The end is noticed one step late: one more token is written after eos before the row stops.",
            (instead(_late),),
        ),
        Mistake(
            "eos-one-step-early",
            "The token before eos was overwritten with eos as well. The row ends with its first eos, and not one step before it.",
            (_afterwards(_step_before),),
        ),
        Mistake(
            "eos-at-the-first-step-ignored",
            "A sample that writes eos at the very first step goes on. It has ended with nothing but eos: that is a legal answer.",
            (
                {"note": lambda ended, tokens, eos, i: ended | ((tokens == eos) & (i > 0))},
                _forbidding_eos(lambda i: i == 0),
            ),
        ),
        Mistake(
            "eos-where-there-is-none",
            "A row that never writes eos holds eos all the same: at its end, or from its beginning, since argmax of a row without any True is 0. Such a row is simply full.",
            (_afterwards(_last_column), _followed_then(_from_argmax)),
        ),
        Mistake(
            "eos-zero-taken-for-none",
            "When eos is 0, no row ends: `if eos:` is False for 0. Compare with None, or do not ask.",
            (
                around(
                    lambda f, *args: (
                        f(*args)
                        if args[3]
                        else _build_greedy_decode(
                            fill=lambda tokens, ended, eos: tokens, halt=lambda ended: False
                        )(*args)
                    )
                ),
            ),
        ),
        Mistake(
            "one-sample-ends-all",
            "When one sample ends, all of them stop. Each sample ends for itself: the loop may stop early only when all have ended.",
            (
                *(
                    {"halt": halt, **pack}
                    for pack in ({}, {"pack": _stacked})
                    for halt in (
                        lambda ended: bool(ended.any()),
                        lambda ended: bool(ended[0]),
                        lambda ended: bool(ended[-1]),
                    )
                ),
                {"note": lambda ended, tokens, eos, i: ended | (tokens == eos).any()},
                _followed_then(
                    lambda tokens, is_eos, eos: tokens.masked_fill(_lasting(is_eos.any(0)[None]), eos)
                ),
            ),
        ),
        Mistake(
            "ended-samples-taken-out",
            "Samples that had ended were taken out of the tokens, but not out of the state, so that the others met a state that is not theirs. Keep all B samples in the batch to the end.",
            (instead(_closed_up),),
        ),
        Mistake(
            "too-short-when-all-end",
            "The loop stops when all samples have ended, and the result has fewer than max_len columns. Stopping is fine; fill the rest with eos, so that the shape is always (B, max_len).",
            ({"pack": _stacked}, around(_cut_after_the_last)),
        ),
        Mistake(
            "no-steps-mishandled",
            "With max_len 0 nothing is written, and the result is (B, 0). torch.stack refuses an empty list, and a loop that tests at its end takes a step too many. A tensor (B, max_len) full of eos, made before the loop, has no such trouble.",
            (
                around(lambda f, *args: f(*args) if args[4] else torch.stack([], 1)),
                around(lambda f, *args: f(*args[:4], max(args[4], 1))),
                around(lambda f, *args: f(*args) if args[4] else args[2].new_zeros(0)),
            ),
        ),
        Mistake(
            "wrong-number-of-steps",
            "The number of steps is off: max_len tokens are written for each sample, the first of them by the first step.",
            (
                around(lambda f, *args: f(*args[:4], max(args[4] - 1, 0))),
                around(lambda f, *args: f(*args[:4], args[4] + 1)),
                around(lambda f, *args: f(*args[:4], args[4] + 1)[:, 1:]),
            ),
        ),
        Mistake(
            "longest-length-hard-coded",
            "A long result is cut off: a largest number of steps is built in. max_len says how many there are.",
            (
                around(
                    lambda f, *args: F.pad(
                        f(*args[:4], min(args[4], 10)), (0, max(args[4] - 10, 0)), value=args[3]
                    )
                ),
                around(lambda f, *args: f(*args[:4], min(args[4], 10))),
            ),
        ),
        Mistake(
            "eos-hard-coded",
            "A fixed number is taken for eos. It is an argument: another vocabulary may count otherwise.",
            (_with_eos(EOS), _with_eos(PAD), _with_eos(1)),
        ),
        Mistake(
            "step-given-the-wrong-shape",
            "The step was given something else than one token for each sample. It takes tokens of shape (B,): not all that was written so far, no extra axis, no single number. The state remembers the rest.",
            (
                instead(_grows),
                {"choose": lambda logits, i: logits.argmax(-1, keepdim=True)},
                _with_first(lambda first, eos: first[:, None]),
                _with_first(lambda first, eos: first[:1]),
                {"put": lambda step, tokens, state: step(tokens.squeeze(), state)},
            ),
            recognise=_step_refused,
            general=True,
        ),
        Mistake(
            "needs-one-sample",
            "`.item()`, `int()` or `if` was used on a tensor with a number for each sample. They take a single number: choose, write and compare for all samples at once.",
            (
                {"choose": lambda logits, i: torch.tensor([logits.argmax(-1).item()])},
                {"halt": lambda ended: bool(ended)},
            ),
            recognise=_is_one_sample,
        ),
        Mistake(
            "one-tensor-overwritten",
            "All columns are the same: one tensor was put into the list again and again and overwritten in place, so that every entry shows the last tokens. Make a new tensor at each step.",
            (
                instead(_one_tensor),
                {"pack": lambda written, first, eos, n: _columns(written[-1:] * len(written), first, eos, n)},
            ),
        ),
        Mistake(
            "newest-first",
            "The tokens stand in the opposite order. The first step's token comes first.",
            (around(lambda f, *args: f(*args).flip(1)),),
        ),
        Mistake(
            "axes-swapped",
            "Samples and steps have changed places: the result should be (B, max_len), a row for each sample. torch.stack puts a new axis where `dim` says.",
            (around(lambda f, *args: f(*args).T),),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The shape is right but the tokens stand in other places: they were joined step after step, and `view` or `reshape` cut the row anew without exchanging axes.",
            (around(lambda f, *args: f(*args).T.reshape(len(args[2]), args[4])),),
        ),
        Mistake(
            "returns-logits",
            "Numbers for all V tokens come back, or the size of the largest one. Asked for are the tokens themselves: whole numbers, (B, max_len).",
            (
                {
                    "choose": lambda logits, i: logits,
                    "fill": lambda logits, ended, eos: logits,
                    "note": lambda ended, logits, eos, i: ended | (logits.argmax(-1) == eos),
                    "feed": lambda first, before, logits, filled: logits.argmax(-1),
                    "halt": lambda ended: False,
                    "pack": _stacked,
                },
                {
                    "choose": lambda logits, i: logits,
                    "fill": lambda logits, ended, eos: logits.amax(-1),
                    "note": lambda ended, logits, eos, i: ended,
                    "feed": lambda first, before, logits, filled: logits.argmax(-1),
                    "pack": _stacked,
                },
            ),
        ),
        Mistake(
            "result-not-whole-numbers",
            "The tokens come back in another dtype: torch.zeros makes floats. Token numbers are whole, so make the result from `first`, or stack what argmax gave.",
            tuple(
                around(lambda f, *args, to=to: f(*args).to(to))
                for to in (torch.float32, torch.float64, torch.int32)
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (instead(_fed_in_place), instead(_state_in_place)),
            recognise=wrote_to_input,
        ),
        Mistake(
            "stale-cache",
            STALE_CACHE.hint,
            (_remembers("ended"), _remembers("tokens"), *STALE_CACHE.variants),
            stateful=True,
        ),
        Mistake(
            "differs-from-call-to-call",
            "The same call gives another result each time. Something random happens inside, or something is kept from the call before.",
            (_with_logits(lambda logits: logits + torch.rand_like(logits) * 3),),
            recognise=random_everywhere,
            general=True,
        ),
        Mistake(
            "wrong-after-eos",
            "Up to the first eos of each row everything is right, and after it something else stands. From its first eos on, a row holds eos.",
            (),
            recognise=_right_up_to_eos,
            general=True,
        ),
        BARE_SQUEEZE,
        *without(ANY_RESULT, "changes-its-input", "stale-cache"),
    ),
    hints=(
        "Follow one sample through the smallest case by hand: which row of the logits does the first step look at, which token wins, and what goes in next?",
        "The loop keeps two things from step to step: the tokens (B,) that go in next, and the state. One call of step gives the logits (B, V) and the new state.",
        "For the end, keep a third: a bool tensor (B,) that says which samples have ended. Where it is True, write eos whatever comes out. A sample joins it after it has written eos.",
        "Make the result first, (B, max_len) full of eos, and put the tokens of step i into column i. Then nothing has to be joined, and stopping early does no harm.",
    ),
)
