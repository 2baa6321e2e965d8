"""Exercises of lesson 01: teacher forcing, the last state, the loss of a padded batch, and greedy decoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..sandbox.case import Call, Case
from .anywhere import (
    ANY_FUNCTION,
    ANY_RESULT,
    CHANGES_ITS_INPUT,
    DIFFERENT_EACH_CALL,
    HARD_CODED_DTYPE,
    NEEDS_CONTIGUOUS,
    SQUASHED,
    random_everywhere,
    without,
    wrote_to_input,
)
from .common import Pieces, around, ask, instead, wrapped
from .greedy import GREEDY_DECODE

LESSON = "01_seq2seq"

PAD, EOS = 0, 2  # as the course's vocabularies have them; an answer must not rely on it


def _different(draw: Draw, batch: int, steps: int, dtype: torch.dtype = torch.int64) -> Tensor:
    """(batch, steps) tokens that all differ, none of them pad, bos or eos."""
    numbers = draw.distinct(batch * steps, 3, 3 + 2 * batch * steps)
    return torch.tensor(numbers, dtype=dtype).view(batch, steps)


# ---- shift_right


def _build_shift_right(first=None, rest=None, join=None, outer=None):
    first = first or (lambda tokens, bos: torch.full_like(tokens[:, :1], bos))
    rest = rest or (lambda tokens: tokens[:, :-1])
    join = join or (lambda a, b: torch.cat([a, b], 1))
    return wrapped(outer, lambda tokens, bos: join(first(tokens, bos), rest(tokens)))


def _padded(draw: Draw, batch: int, steps: int) -> Tensor:
    """Targets as the lessons have them: tokens, eos, pads."""
    tokens, places = _different(draw, batch, steps), torch.arange(steps)
    last = draw.lengths(batch, steps)[:, None] - 1
    return tokens.masked_fill(places == last, EOS).masked_fill(places > last, PAD)


def _shift_shapes(draw: Draw) -> Iterator[Case]:
    yield ask(_different(draw, 2, 3), draw.integer(5, 9))
    yield ask(_different(draw, *draw.distinct(2, 3, 8)), 1)


def _shift_values(draw: Draw) -> Iterator[Case]:
    yield ask(_different(draw, 1, 3), 1)
    yield ask(_different(draw, 2, 2), 1)
    yield ask(torch.tensor([[5, 6, EOS], [7, EOS, PAD]]), 1)
    for bos in (0, 2, draw.integer(30, 90)):
        yield ask(_padded(draw, *draw.distinct(2, 3, 8)), bos)
    yield ask(_different(draw, 3, 3), draw.integer(90, 99))
    # A target may have the number of bos, in the first place too.
    yield ask(torch.tensor([[4, 6, 4, 5], [7, 4, 8, 4]]), 4)


def _shift_one_step(draw: Draw) -> Iterator[Case]:
    yield ask(_different(draw, 5, 1), 1)
    yield ask(torch.full((4, 1), EOS), 9)
    yield ask(_different(draw, 1, 6), 1)


def _shift_robust(draw: Draw) -> Iterator[Case]:
    yield ask(_different(draw, 2, 4, torch.int32), 1)
    yield ask(_different(draw, 3, 2, torch.int16), 2)
    yield ask(draw.strided(_different(draw, 3, 4)), 1)
    yield ask(_different(draw, 4, 3).T, 1)
    yield ask(_different(draw, 3, 1), 2)
    # Large vocabularies and long sequences.
    yield ask(torch.tensor([[40_000, 2**24 + 1, 3], [2**31 - 1, 4, 5]]), 70_001)
    yield ask(_different(draw, 2, 130), 1)
    again, alike = Call((_different(draw, 2, 3), 1)), Call((_different(draw, 2, 3), 0))
    yield Case((again, alike, Call((_different(draw, 3, 5), 1)), again))


def _shift_in_place(tokens: Tensor, bos: int) -> Tensor:
    tokens[:, 1:] = tokens[:, :-1].clone()
    tokens[:, 0] = bos
    return tokens


def _bos_in_place(tokens: Tensor, bos: int) -> Tensor:
    shifted = torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-1]], 1)
    tokens[:, 0] = bos
    return shifted


def _moved(move: Callable[[Tensor], Tensor], at: Any = (slice(None), 0)) -> Pieces:
    """Other tokens, with bos written to one place of the result."""

    def answer(tokens, bos):
        result = move(tokens).clone()
        result[at] = bos
        return result

    return instead(answer)


def _last_real_dropped(tokens: Tensor, bos: int) -> Tensor:
    """The last token that is not 0 makes room for bos, and the padding stays where it is."""
    last = (tokens.ne(PAD) * torch.arange(tokens.shape[1])).amax(1, keepdim=True)
    shifted = torch.cat([torch.full_like(tokens[:, :1], bos), tokens[:, :-1]], 1)
    return torch.where(torch.arange(tokens.shape[1]) <= last, shifted, tokens)


def _dropped_by_chance(share: float) -> Pieces:
    """Some tokens give way to bos, as in word dropout."""

    def answer(f, tokens, bos):
        return f(tokens, bos).masked_fill(torch.rand(tokens.shape) < share, bos)

    return around(answer)


SHIFT_RIGHT = Exercise(
    name="shift_right",
    lesson=LESSON,
    asked="For the targets y¹ … y^T (B, T), give what goes into the decoder under teacher forcing, (B, T): bos, y¹, …, y^{T−1}.",
    arguments=("tokens (B, T)", "bos"),
    returns=("inputs (B, T)",),
    reference=seqattn_ref.shift_right,
    build=_build_shift_right,
    checks=(
        Check("The inputs have the shape (B, T) of the tokens", 0.5, _shift_shapes, ("shape",)),
        Check("Each row is bos, then its own tokens up to the last but one", 1, _shift_values),
        Check("It works for one step and for one sample", 0.5, _shift_one_step),
        Check(
            "It keeps the dtype of the tokens, works on any memory layout, and leaves them as they were",
            1,
            _shift_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "roll-wraps-around",
            "torch.roll pushes the last token out at one end and in again at the other: a row begins with a target, where bos should stand.",
            (
                {"first": lambda tokens, bos: tokens[:, -1:]},
                instead(lambda tokens, bos: tokens.roll(1)),
                _moved(lambda tokens: tokens.roll(1), (0, 0)),
                _moved(lambda tokens: tokens.roll(1, 1), (slice(None), -1)),
            ),
        ),
        Mistake(
            "shifted-the-wrong-way",
            "The tokens moved to the left: step i would be given y^{i+1}, which it does not even have to predict yet. It must be given y^{i−1}, the one before.",
            (
                {"rest": lambda tokens: tokens[:, 1:], "join": lambda a, b: torch.cat([b, a], 1)},
                instead(lambda tokens, bos: tokens.roll(-1, 1)),
                _moved(lambda tokens: tokens.roll(-1, 1)),
                instead(lambda tokens, bos: F.pad(tokens[:, 1:], (0, 1), value=PAD)),
                instead(lambda tokens, bos: F.pad(tokens[:, 1:], (0, 1), value=EOS)),
            ),
        ),
        Mistake(
            "not-shifted",
            "The targets come back as they are. Then each step is given the very token that it is to predict: the loss falls to 0, and the model has learned to repeat its input.",
            (instead(lambda tokens, bos: tokens.clone()),),
        ),
        Mistake(
            "first-token-overwritten",
            "bos was written over y¹ and the other tokens stayed where they were. So y¹ is lost, and every later step is still given its own answer. The tokens have to move.",
            (_moved(lambda tokens: tokens),),
        ),
        Mistake(
            "one-too-long",
            "bos stands in front of all the tokens, so that there is one input more than there are targets. The last target is never an input: nothing comes after it.",
            ({"rest": lambda tokens: tokens},),
        ),
        Mistake(
            "bos-missing",
            "The tokens are there, but bos does not stand before them. Each row needs it at its first step, where no token has been written yet.",
            (
                instead(lambda tokens, bos: tokens[:, :-1]),
                {"first": lambda tokens, bos: tokens[:, :1]},
                {"first": lambda tokens, bos: torch.zeros_like(tokens[:, :1])},
            ),
        ),
        Mistake(
            "bos-not-a-column",
            "One bos cannot be joined to B rows. torch.cat wants a column (B, 1): as many rows as there are samples, and an axis for the steps.",
            (
                {"first": lambda tokens, bos: torch.tensor([[bos]])},
                {"first": lambda tokens, bos: torch.tensor([bos])},
                {"first": lambda tokens, bos: torch.full((len(tokens),), bos)},
                {"first": lambda tokens, bos: torch.full_like(tokens[:, 0], bos)},
                {"first": lambda tokens, bos: torch.tensor(bos)},
                {"first": lambda tokens, bos: torch.full_like(tokens[:1, :1], bos)},
            ),
        ),
        Mistake(
            "bos-hard-coded",
            "The first column holds a fixed number. The number of bos is an argument: another vocabulary may count otherwise.",
            tuple({"first": lambda tokens, bos, n=n: torch.full_like(tokens[:, :1], n)} for n in (1, 2, -1)),
        ),
        Mistake(
            "bos-in-one-row-only",
            "Only one row begins with bos. In `x[0] = …` the index names a sample; the first step of every sample is `x[:, 0]`.",
            (
                _moved(lambda tokens: tokens.roll(1, 1), (0, 0)),
                _moved(lambda tokens: tokens.roll(1, 1), 0),
                _moved(lambda tokens: F.pad(tokens[:, :-1], (1, 0)), (0, 0)),
                _moved(lambda tokens: F.pad(tokens[:, :-1], (1, 0)), 0),
                _moved(lambda tokens: tokens, 0),
            ),
        ),
        Mistake(
            "shifts-the-batch",
            "The rows moved down by one: each sample got the tokens of the sample before it. In (B, T) the steps are the second axis.",
            (
                instead(lambda tokens, bos: torch.cat([torch.full_like(tokens[:1], bos), tokens[:-1]])),
                instead(lambda tokens, bos: tokens.roll(1, 0)),
                _moved(lambda tokens: tokens.roll(1, 0)),
            ),
        ),
        Mistake(
            "shifted-by-two",
            "The tokens moved by two places instead of one: no step is given the token right before its own.",
            (
                instead(
                    lambda tokens, bos: F.pad(tokens[:, : max(tokens.shape[1] - 2, 0)], (2, 0), value=bos)[
                        :, -tokens.shape[1] :
                    ]
                ),
                _moved(lambda tokens: tokens.roll(2, 1)),
                around(
                    lambda f, tokens, bos: f(f(tokens, bos), bos) if tokens.shape[1] > 1 else tokens.clone()
                ),
            ),
        ),
        Mistake(
            "last-token-kept",
            "The last token was kept and another one dropped for it. Drop the last one, whatever it is: nothing comes after it.",
            (
                instead(
                    lambda tokens, bos: torch.cat(
                        [torch.full_like(tokens[:, :1], bos), tokens[:, :-2], tokens[:, -1:]], 1
                    )[:, : tokens.shape[1]]
                ),
            ),
        ),
        Mistake(
            "bos-guessed",
            "A row whose first token has the number of bos was taken for shifted already. Shift every row: what the tokens are does not matter here.",
            (around(lambda f, tokens, bos: torch.where(tokens[:, :1] == bos, tokens, f(tokens, bos))),),
        ),
        Mistake(
            "bos-in-other-places",
            "bos stands at the end as well, or in the place of another token. It stands at the first step and nowhere else.",
            (
                {"join": lambda a, b: torch.cat([a, b[:, :-1], a], 1)[:, : b.shape[1] + 1]},
                around(lambda f, tokens, bos: f(tokens, bos).masked_fill(f(tokens, bos) == PAD, bos)),
            ),
        ),
        Mistake(
            "eos-taken-out",
            "eos, or the padding, has been replaced by another token. Move all the tokens as they are: what a step after eos is given does not matter, since the loss leaves out the pads.",
            (
                {"rest": lambda tokens: tokens[:, :-1].masked_fill(tokens[:, :-1] == EOS, PAD)},
                {"rest": lambda tokens: tokens[:, :-1].masked_fill(tokens[:, :-1] == PAD, EOS)},
                around(lambda f, tokens, bos: f(tokens, bos).masked_fill(tokens == PAD, PAD)),
                instead(_last_real_dropped),
            ),
        ),
        Mistake(
            "reversed",
            "The order of the tokens is turned round. They keep their order, one place further on.",
            (
                {"rest": lambda tokens: tokens.flip(1)[:, :-1]},
                {"rest": lambda tokens: tokens[:, :-1].flip(1)},
            ),
        ),
        Mistake(
            "mixes-samples",
            "Tokens stand in another sample's row: row b must be made from row b alone. Flattened, the last token of a row stands right before the next row.",
            (
                instead(
                    lambda tokens, bos: torch.cat(
                        [tokens.new_full((len(tokens),), bos), tokens.reshape(-1)[: -len(tokens)]]
                    ).view(tokens.shape)
                ),
                {"rest": lambda tokens: tokens[:, :-1].flip(0)},
                {"rest": lambda tokens: tokens[:1, :-1].expand(len(tokens), -1)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "`view` or `reshape` cut the same row of numbers anew where samples and steps should have been exchanged. You need neither: the steps are the second axis.",
            (around(lambda f, tokens, bos: f(tokens, bos).T.reshape(tokens.shape)),),
        ),
        Mistake(
            "axes-swapped",
            "Samples and steps have changed places: the result should be (B, T), a row for each sample.",
            (around(lambda f, tokens, bos: f(tokens, bos).T),),
        ),
        Mistake(
            "hard-coded-dtype",
            "The result has another dtype than the tokens. torch.zeros and torch.ones make floats, torch.tensor and torch.full make int64, and joined with int32 they win: make the first column from the "
            "tokens, as in torch.full_like(…).",
            (
                *(
                    around(lambda f, tokens, bos, to=to: f(tokens, bos).to(to))
                    for to in (torch.int64, torch.float32, torch.int32, torch.bool)
                ),
                {"first": lambda tokens, bos: torch.full((len(tokens), 1), bos)},
                {"first": lambda tokens, bos: torch.full((len(tokens), 1), float(bos))},
            ),
        ),
        Mistake(
            "numbers-too-large-for-the-dtype",
            "Large token numbers come back changed. On the way they went through a dtype that cannot hold them: int16 ends at 32767, and float32 rounds whole numbers above 2²⁴.",
            (
                *(
                    around(lambda f, tokens, bos, to=to: f(tokens.to(to), bos).to(tokens.dtype))
                    for to in (torch.float32, torch.int16, torch.int8, torch.float16)
                ),
                *(
                    around(lambda f, tokens, bos, to=to: f(tokens.to(to).to(tokens.dtype), bos))
                    for to in (torch.float32, torch.int16)
                ),
            ),
        ),
        Mistake(
            "longest-length-hard-coded",
            "A long sequence comes back wrong: a longest length is built in. Take it from the tokens.",
            (
                *(
                    around(
                        lambda f, tokens, bos, n=n: F.pad(
                            f(tokens[:, :n], bos), (0, max(tokens.shape[1] - n, 0))
                        )
                    )
                    for n in (100, 128)
                ),
                around(lambda f, tokens, bos: f(tokens, bos)[:, :100]),
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (
                instead(_shift_in_place),
                instead(_bos_in_place),
                around(lambda f, tokens, bos: f(tokens, bos) if tokens.shape[1] > 1 else tokens.fill_(bos)),
            ),
            recognise=wrote_to_input,
        ),
        Mistake(
            "fails-for-one-step",
            "With a single step there is no token to move: the input is bos alone. Look for a squeeze, or for a slice that expects two steps.",
            (
                around(lambda f, tokens, bos: f(tokens, bos) if tokens.shape[1] > 1 else tokens.clone()),
                *(
                    around(lambda f, tokens, bos, axis=axis: f(tokens, bos).squeeze(*axis))
                    for axis in ((), (1,), (-1,), (0,))
                ),
            ),
        ),
        Mistake(
            "differs-from-call-to-call",
            DIFFERENT_EACH_CALL.hint,
            (_dropped_by_chance(0.5), _dropped_by_chance(0.2)),
            recognise=random_everywhere,
        ),
        NEEDS_CONTIGUOUS,
        *without(ANY_RESULT, "changes-its-input"),
    ),
    hints=(
        "Write one row by hand: with the targets 5, 6, 7 and bos 1, what should go in before 5 comes out? Before 6? Before 7?",
        "The result has two parts: one column that holds bos in every row, and all the tokens but the last of each row.",
        "torch.cat joins them along the steps. Make the column from the tokens themselves, with full_like or new_full, so that its dtype and device are theirs.",
    ),
)

# ---- last_hidden


def _build_last_hidden(place=None, take=None, clear=None, outer=None):
    """The place of the last real token, the state there, and zeros for a sample of length 0."""
    place = place or (lambda states, lengths: (lengths.long() - 1).clamp(min=0))
    take = take or (lambda states, at: states[torch.arange(len(states)), at])
    clear = clear or (lambda found, lengths: found.masked_fill((lengths == 0)[:, None], 0))
    return wrapped(outer, lambda states, lengths: clear(take(states, place(states, lengths)), lengths))


def _hidden_case(
    fill: Callable[..., Tensor],
    batch: int,
    steps: int,
    dim: int,
    lengths: Tensor,
    gradient: bool = False,
    padding: float | None = None,
) -> Case:
    states = fill(batch, steps, dim)
    if padding is not None:
        states = states.masked_fill(~_real(states, lengths), padding)
    return ask(states, lengths, cotangents=(fill(batch, dim),) if gradient else None)


def _real(states: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(states.shape[1]) < lengths[:, None])[..., None]


def _ragged(draw: Draw, batch: int, steps: int) -> Tensor:
    """Lengths of which at least one is shorter than the steps, for a batch of one too."""
    return draw.lengths(batch, steps) if batch > 1 else torch.tensor([draw.integer(1, steps - 1)])


def _hidden_shapes(draw: Draw) -> Iterator[Case]:
    batch, steps, dim = draw.distinct(3, 2, 6)
    yield _hidden_case(draw.normal, batch, steps, dim, _ragged(draw, batch, steps))
    yield _hidden_case(draw.normal, 1, 3, 2, torch.tensor([2]))
    yield _hidden_case(draw.normal, 3, 1, 2, torch.tensor([1, 1, 1]))
    yield _hidden_case(draw.normal, 2, 3, 1, torch.tensor([1, 3]))
    yield _hidden_case(draw.normal, 1, 1, 1, torch.tensor([1]))


def _hidden_values(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[2.0], [5.0], [9.0]]]), torch.tensor([2]))
    yield ask(torch.tensor([[[4.0], [7.0], [3.0]], [[6.0], [1.0], [8.0]]]), torch.tensor([3, 1]))
    yield _hidden_case(draw.nonzero, 2, 4, 2, torch.tensor([2, 3]))
    for _ in range(2):
        batch, steps, dim = draw.distinct(3, 3, 7)
        yield _hidden_case(draw.normal, batch, steps, dim, _ragged(draw, batch, steps))
    yield _hidden_case(draw.normal, 4, 4, 4, torch.tensor([3, 1, 4, 2]))
    yield _hidden_case(draw.normal, 3, 3, 3, torch.tensor([2, 1, 2]))
    yield _hidden_case(draw.normal, 4, 5, 3, torch.tensor([2, 2, 2, 2]))
    yield _hidden_case(draw.normal, 2, 13, 2, torch.tensor([13, 11]))
    # A real state may be all 0.
    yield ask(torch.tensor([[[3.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]), torch.tensor([2]))


def _hidden_padding(draw: Draw) -> Iterator[Case]:
    for number in (1e4, float("nan")):
        yield ask(torch.tensor([[[3.0], [4.0], [number]]]), torch.tensor([2]))
    states, lengths = draw.normal(2, 5, 3), torch.tensor([3, 2])
    for number in (-1e4, float("nan")):
        yield ask(states.masked_fill(~_real(states, lengths), number), lengths)
    yield ask(states[:, :3], lengths)
    yield ask(torch.cat([states, torch.zeros(2, 3, 3)], 1), lengths)


def _hidden_empty(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[2.0], [4.0]], [[3.0], [5.0]]]), torch.tensor([0, 1]))
    yield _hidden_case(draw.normal, 3, 4, 2, torch.tensor([4, 0, 2]))
    yield _hidden_case(draw.normal, 2, 3, 2, torch.tensor([0, 2]))
    yield _hidden_case(draw.normal, 2, 3, 2, torch.tensor([0, 0]))
    yield _hidden_case(draw.normal, 1, 3, 2, torch.tensor([0]), padding=1e4)
    yield _hidden_case(draw.normal, 3, 2, 3, torch.tensor([1, 2, 0]), padding=float("nan"))


def _hidden_gradients(draw: Draw) -> Iterator[Case]:
    yield _hidden_case(draw.nonzero, 1, 3, 1, torch.tensor([2]), gradient=True)
    batch, steps, dim = draw.distinct(3, 3, 6)
    yield _hidden_case(draw.normal, batch, steps, dim, _ragged(draw, batch, steps), gradient=True)
    yield _hidden_case(draw.normal, 3, 3, 2, torch.tensor([0, 3, 1]), gradient=True, padding=1e4)
    yield _hidden_case(draw.normal, 3, 4, 2, torch.tensor([3, 0, 1]), gradient=True, padding=float("nan"))
    yield _hidden_case(draw.nonzero, 2, 2, 1, torch.tensor([1, 0]), gradient=True)


def _hidden_robust(draw: Draw) -> Iterator[Case]:
    yield _hidden_case(draw.nonzero, 2, 3, 2, torch.tensor([2, 3], dtype=torch.int32))
    yield _hidden_case(draw.normal, 3, 4, 2, torch.tensor([4, 0, 1], dtype=torch.int32))
    yield ask(draw.strided(draw.normal(3, 4, 2)), draw.strided(_ragged(draw, 3, 4)))
    lengths = torch.tensor([2, 0, 4])
    yield _hidden_case(lambda *shape: draw.normal(*shape, dtype=torch.float64), 3, 4, 2, lengths)
    yield _hidden_case(draw.quarters, 2, 4, 3, torch.tensor([1, 3]))
    yield _hidden_case(lambda *shape: 1e4 * draw.whole(*shape, low=1), 2, 3, 2, torch.tensor([1, 2]))
    again, alike = (Call((draw.normal(2, 3, 4), _ragged(draw, 2, 3))) for _ in range(2))
    yield Case((again, alike, Call((draw.normal(3, 5, 2), _ragged(draw, 3, 5))), again))


def _one_hot(states: Tensor, at: Tensor) -> Tensor:
    return F.one_hot(at, states.shape[1]).to(states.dtype)


def _gathered(states: Tensor, at: Tensor) -> Tensor:
    return states.gather(1, at[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]


def _plain_place(states: Tensor, lengths: Tensor) -> Tensor:
    """Without making int64 of it."""
    return (lengths - 1).clamp(min=0)


def _at(states: Tensor, place: Tensor) -> Tensor:
    return states[torch.arange(len(states)), place]


def _lengths_in_place(states: Tensor, lengths: Tensor) -> Tensor:
    empty = (lengths == 0)[:, None]
    lengths -= 1
    return _at(states, lengths.clamp(min=0)).masked_fill(empty, 0)


def _padding_in_place(f: Callable, states: Tensor, lengths: Tensor) -> Tensor:
    states.masked_fill_(~_real(states, lengths), 0)
    return f(states, lengths)


def _last_nonzero(states: Tensor) -> Tensor:
    """How many states there are up to the last one that is not 0."""
    return ((states != 0).any(-1) * torch.arange(1, states.shape[1] + 1)).amax(1)


def _packed(states: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(states, lengths.long(), batch_first=True, enforce_sorted=False)
    clean, found = pad_packed_sequence(packed, batch_first=True)
    return _at(clean, found - 1)


def _end_of(states: Tensor, lengths: Tensor) -> Tensor:
    return states[:, -1].masked_fill((lengths == 0)[:, None], 0)


LAST_HIDDEN = Exercise(
    name="last_hidden",
    lesson=LESSON,
    asked="For states (B, S, H) and lengths (B,), give the state at the last real token of each sample, (B, H). A sample of length 0 gets zeros. Padding may hold anything, NaN too.",
    arguments=("states (B, S, H)", "lengths (B)"),
    returns=("last (B, H)",),
    reference=seqattn_ref.last_hidden,
    build=_build_last_hidden,
    checks=(
        Check("It returns a tensor of shape (B, H)", 0.5, _hidden_shapes, ("shape",)),
        Check("Row b is the state at the last real token of sample b", 1, _hidden_values),
        Check(
            "What stands in the padding, and how much padding there is, changes nothing",
            0.5,
            _hidden_padding,
        ),
        Check("A sample of length 0 gets zeros", 0.5, _hidden_empty),
        Check(
            "The gradient reaches that one state, and is 0 everywhere else",
            1,
            _hidden_gradients,
            ("gradients",),
        ),
        Check(
            "It works in float64 and bfloat16, for int32 lengths, on any memory layout, and leaves its inputs as they were",
            0.5,
            _hidden_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "last-place-not-last-token",
            "This is the state at the last place of the padded row, `states[:, -1]`. For a shorter sample the RNN has read pads by then, and how many depends on the other samples of the batch.",
            (
                {"place": lambda states, lengths: torch.full_like(lengths.long(), states.shape[1] - 1)},
                instead(lambda states, lengths: states[:, -1]),
                instead(lambda states, lengths: states[:, -1] * (lengths > 0)[:, None]),
            ),
        ),
        Mistake(
            "same-place-for-all",
            "Every sample's state is taken at the same place. Each sample has a length of its own.",
            tuple(
                {
                    "place": lambda states, lengths, one=one: (
                        (one(lengths).long() - 1).clamp(min=0).expand(len(lengths))
                    )
                }
                for one in (torch.max, torch.min, lambda n: n[0], lambda n: n[-1])
            ),
        ),
        Mistake(
            "lengths-not-minus-one",
            "The place is off by one: places count from 0, so the last real token of a row of length 3 stands at place 2. At place 3 the first pad has been read, or the row has ended.",
            (
                {"place": lambda states, lengths: lengths.long()},
                {"place": lambda states, lengths: lengths.long().clamp(max=states.shape[1] - 1)},
                {"place": lambda states, lengths: lengths.long() % states.shape[1]},
            ),
        ),
        Mistake(
            "last-but-one",
            "The state is taken one place too early: the last real token has not been read yet.",
            (
                {"place": lambda states, lengths: lengths.long() - 2},
                {"place": lambda states, lengths: (lengths.long() - 2).clamp(min=0)},
            ),
        ),
        Mistake(
            "counted-from-the-end",
            "The place is counted from the end of the padded row. The tokens come first and the padding after them: count from the beginning.",
            (
                {
                    "place": lambda states, lengths: (states.shape[1] - lengths.long()).clamp(
                        max=states.shape[1] - 1
                    )
                },
                {"place": lambda states, lengths: (states.shape[1] - 1 - lengths.long()).clamp(min=0)},
                {"place": lambda states, lengths: -lengths.long()},
            ),
        ),
        Mistake(
            "assumes-no-padding",
            "In some batches the last place is taken for the last token: when all lengths are equal, when one sample is as long as the row, or when there is one sample. There may be padding in each of these.",
            (
                around(lambda f, x, n: _end_of(x, n) if bool((n == n[0]).all()) else f(x, n)),
                around(lambda f, x, n: _end_of(x, n) if int(n.max()) == x.shape[1] else f(x, n)),
                around(lambda f, x, n: _end_of(x, n) if len(x) == 1 else f(x, n)),
            ),
        ),
        Mistake(
            "zero-length-mishandled",
            "A sample of length 0 has read nothing, so it gets zeros, and the others are left alone. Its place would be −1: as an index that is the last place of the row, clamped to 0 it is the first, and "
            "`gather` and packing refuse it.",
            (
                {"clear": lambda found, lengths: found},
                {
                    "place": lambda states, lengths: lengths.long() - 1,
                    "clear": lambda found, lengths: found,
                },
                {"place": lambda states, lengths: lengths.long() - 1, "take": _gathered},
                instead(_packed),
                {"clear": lambda found, lengths: found * (lengths > 0)[:, None]},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0)[:, None], 1)},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0)[:, None], torch.nan)},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0).all(), 0)},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0).any(), 0)},
                around(lambda f, x, n: torch.zeros_like(x[:, 0]) if bool((n == 0).any()) else f(x, n)),
                around(lambda f, x, n: f(x[n > 0], n[n > 0])),
            ),
        ),
        Mistake(
            "single-token-emptied",
            "A sample of one token has a state: the one after that token. Only length 0 gives zeros.",
            ({"clear": lambda found, lengths: found.masked_fill((lengths <= 1)[:, None], 0)},),
        ),
        Mistake(
            "missing-axis",
            "A (B,) tensor meets a (B, H) one: it is laid along the features, which fails, or is silently wrong where B equals H. Give it a second axis of size 1.",
            (
                {"clear": lambda found, lengths: found.masked_fill(lengths == 0, 0)},
                {
                    "clear": lambda found, lengths: found.masked_fill(
                        lengths == 0 if len(lengths) == found.shape[1] else (lengths == 0)[:, None], 0
                    )
                },
                {"clear": lambda found, lengths: found * (lengths > 0)},
            ),
        ),
        Mistake(
            "scaled-by-the-length",
            "The state is multiplied or divided by the length. It is asked for as it is.",
            (
                {"clear": lambda found, lengths: found * lengths[:, None]},
                {"clear": lambda found, lengths: found / lengths.clamp(min=1)[:, None]},
            ),
        ),
        Mistake(
            "mean-instead-of-last",
            "This is a mean or a sum over the tokens. One state is asked for: the one that the RNN was in after it had read the last real token.",
            (
                instead(lambda x, n: x.mean(1)),
                instead(lambda x, n: x.masked_fill(~_real(x, n), 0).sum(1) / n.clamp(min=1)[:, None]),
                instead(lambda x, n: x.masked_fill(~_real(x, n), 0).sum(1)),
                instead(lambda x, n: x.sum(1)),
            ),
        ),
        Mistake(
            "maximum-instead-of-last",
            "This is the largest number that each unit reached. One state is asked for: the one after the last real token.",
            (
                instead(lambda x, n: x.amax(1)),
                instead(
                    lambda x, n: (
                        x.masked_fill(~_real(x, n), -torch.inf).amax(1).masked_fill((n == 0)[:, None], 0)
                    )
                ),
            ),
        ),
        Mistake(
            "first-state",
            "This is the state after the first token. (A backward RNN ends there; a forward one begins there.)",
            (
                instead(lambda x, n: x[:, 0]),
                {"place": lambda states, lengths: torch.zeros_like(lengths.long())},
            ),
        ),
        Mistake(
            "every-sample-with-every-length",
            "`states[:, lengths - 1]` takes all the places from every sample. Sample 0 goes with length 0, sample 1 with length 1: name both indices, torch.arange(B) and the place.",
            (
                {"take": lambda states, at: states[:, at]},
                {"take": lambda states, at: states[:, at], "clear": lambda found, lengths: found},
            ),
        ),
        Mistake(
            "batch-axis-second",
            "The indices stand in the order (step, sample). The states are (B, S, H): the sample comes first.",
            (
                {"take": lambda states, at: states[at, torch.arange(len(states))]},
                {
                    "take": lambda states, at: states[
                        at % len(states), torch.arange(len(states)) % states.shape[1]
                    ]
                },
                {
                    "take": lambda states, at: _at(
                        states.transpose(0, 1) if states.shape[0] == states.shape[1] else states, at
                    )
                },
            ),
        ),
        Mistake(
            "mixes-samples",
            "States stand in another sample's row, or come from another sample: row b must come from sample b alone. When you flatten (B, S, H), sample b begins at row b·S.",
            (
                {"take": lambda states, at: states[0, at]},
                {"take": lambda states, at: states.reshape(-1, states.shape[2])[at]},
                {"take": lambda states, at: states.reshape(-1, states.shape[2])[((at + 1).cumsum(0) - 1)]},
                around(
                    lambda f, x, n: x.reshape(-1, x.shape[2])[
                        (n.long().cumsum(0) - 1).clamp(min=0)
                    ].masked_fill((n == 0)[:, None], 0)
                ),
                {"take": lambda x, at: x.reshape(x.shape[1], len(x), -1)[at, torch.arange(len(x))]},
                {
                    "take": lambda x, at: x.transpose(0, 1).reshape(-1, x.shape[2])[
                        torch.arange(len(at)) * x.shape[1] + at
                    ]
                },
                around(lambda f, x, n: f(x, n).flip(0)),
                around(lambda f, x, n: f(x, n).mean(0, keepdim=True).expand(len(x), -1)),
                around(lambda f, x, n: f(x, n).sum(0, keepdim=True).expand(len(x), -1)),
                around(lambda f, x, n: f(x, n.flip(0))),
            ),
        ),
        Mistake(
            "rows-in-another-order",
            "The rows are right but stand in the order of the lengths, or were put back with the order itself. After sorting a batch, put the rows back with the inverse of the order: order.argsort().",
            (
                around(lambda f, x, n: f(x, n)[n.argsort(descending=True, stable=True)]),
                around(lambda f, x, n: f(x, n)[n.argsort(stable=True)]),
                around(lambda f, x, n: f(x, n.sort(descending=True).values)),
                around(
                    lambda f, x, n: (lambda order: f(x, n)[order][order])(
                        n.argsort(descending=True, stable=True)
                    )
                ),
            ),
        ),
        Mistake(
            "padding-leaks",
            "The padding is multiplied by 0 and added up with the rest. 0 times NaN is NaN, in the gradient too: pick the state by its index, or set the padding to 0 with masked_fill or torch.where before the sum.",
            (
                {"take": lambda states, at: (states * _one_hot(states, at)[..., None]).sum(1)},
                {"take": lambda states, at: torch.einsum("bs,bsh->bh", _one_hot(states, at), states)},
                {"take": lambda states, at: (_one_hot(states, at)[:, None] @ states)[:, 0]},
            ),
        ),
        Mistake(
            "length-guessed-from-the-states",
            "The last state that is not 0 is taken. A real state may be all 0: only the lengths tell where a sample ends.",
            (
                around(lambda f, x, n: f(x, _last_nonzero(x.masked_fill(~_real(x, n), 0)))),
                around(lambda f, x, n: f(x, _last_nonzero(x))),
            ),
        ),
        Mistake(
            "first-feature-only",
            "Only one number of each state comes back. `gather` gives as many as its index has: expand the index over H.",
            (
                {"take": lambda states, at: states.gather(1, at[:, None, None])[:, 0]},
                around(lambda f, x, n: f(x, n)[:, 0]),
                {
                    "take": lambda states, at: states.gather(1, at[:, None, None])[:, 0].expand(
                        -1, states.shape[2]
                    )
                },
            ),
        ),
        Mistake(
            "takes-a-feature-not-a-step",
            "The length is used as an index into the features. In (B, S, H) the steps are the second axis.",
            (
                {"take": lambda x, at: x[torch.arange(len(at)), :, at.clamp(max=x.shape[2] - 1)]},
                {"take": lambda x, at: x[torch.arange(len(at)), :, at]},
            ),
        ),
        Mistake(
            "longest-length-hard-coded",
            "A long sequence comes back wrong: a longest length is built in. Take it from the states.",
            tuple(
                {"place": lambda states, lengths, n=n: (lengths.long() - 1).clamp(min=0, max=n - 1)}
                for n in (10, 8)
            ),
        ),
        Mistake(
            "lengths-must-be-int64",
            "Some operations take int64 alone, `take_along_dim` and `one_hot` among them, and lengths of int32 raise an error there. `.long()` makes them int64.",
            (
                {
                    "place": _plain_place,
                    "take": lambda states, at: states.take_along_dim(at[:, None, None], 1)[:, 0],
                },
                {
                    "place": _plain_place,
                    "take": lambda states, at: states.masked_fill(
                        _one_hot(states, at)[..., None] == 0, 0
                    ).sum(1),
                },
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (*CHANGES_ITS_INPUT.variants, instead(_lengths_in_place), around(_padding_in_place)),
            recognise=wrote_to_input,
        ),
        SQUASHED,
        *without(ANY_FUNCTION, "changes-its-input"),
    ),
    hints=(
        "A row of length 3 has its real tokens at the places 0, 1 and 2. Which place do you want?",
        "Sample b wants its own place. Indexing with two tensors of B numbers, the samples and the places, goes through them in step; torch.gather with an index (B, 1, H) does the same.",
        "A length of 0 gives the place −1, which is another place in disguise. Clamp it so that the index is legal, and set the row to 0 afterwards.",
        "masked_fill overwrites whatever stood there, NaN too. Multiplying by 0 does not.",
    ),
)

# ---- sequence_loss


def _build_sequence_loss(log_probs=None, pick=None, average=None, outer=None):
    """log p of all tokens (B, T, V), the loss of each target (B, T), and their mean."""
    log_probs = log_probs or (lambda logits: torch.log_softmax(logits, -1))
    pick = pick or (lambda found, targets: -found.gather(-1, targets.long()[..., None])[..., 0])
    average = average or (lambda each, mask: _sum(each, mask) / mask.sum().clamp(min=1))
    return wrapped(outer, lambda logits, targets, mask: average(pick(log_probs(logits), targets), mask))


def _sum(each: Tensor, mask: Tensor, axis: int | None = None) -> Tensor:
    kept = each.masked_fill(~mask, 0)
    return kept.sum() if axis is None else kept.sum(axis)


def _targets(draw: Draw, batch: int, steps: int, vocab: int) -> Tensor:
    return draw.whole(batch, steps, low=0, high=vocab - 1, dtype=torch.int64)


def _all(batch: int, steps: int) -> Tensor:
    return torch.ones(batch, steps, dtype=torch.bool)


def _loss_case(
    draw: Draw,
    fill: Callable[..., Tensor],
    batch: int,
    steps: int,
    vocab: int,
    mask: Tensor | None = None,
    gradient: bool = False,
) -> Case:
    mask = draw.prefix_mask(batch, steps) if mask is None else mask
    args = fill(batch, steps, vocab), _targets(draw, batch, steps, vocab), mask
    return ask(*args, cotangents=(fill(),) if gradient else None)


def _loss_shapes(draw: Draw) -> Iterator[Case]:
    yield _loss_case(draw, draw.normal, *draw.distinct(3, 2, 6))
    yield _loss_case(draw, draw.normal, 1, 3, 2)
    yield _loss_case(draw, draw.normal, 3, 1, 2, _all(3, 1))
    yield _loss_case(draw, draw.normal, 2, 3, 1)
    yield _loss_case(draw, draw.normal, 1, 1, 1, _all(1, 1))


_LENGTHS = torch.tensor([[5], [1], [2]])
_HOLES = torch.tensor([[True, False, True, True, False], [False, True, False, False, True]])


def _loss_values(draw: Draw) -> Iterator[Case]:
    # Two tokens that are equally likely: ln 2. Then one that is e times as likely as the other.
    yield ask(torch.tensor([[[2.0, 2.0]]]), torch.tensor([[1]]), _all(1, 1))
    yield ask(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0]]), _all(1, 1))
    yield ask(torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]), torch.tensor([[0, 1]]), _all(1, 2))
    logits, targets = torch.tensor([[[1.0, 0.0], [3.0, -1.0]]]), torch.tensor([[1, 1]])
    yield ask(logits, targets, torch.tensor([[True, False]]))
    logits = [[[1.0, 0.0, 2.0], [3.0, -1.0, 0.0]], [[0.0, 2.0, -1.0], [1.0, 3.0, 0.0]]]
    mask = torch.tensor([[True, True], [True, False]])
    yield ask(torch.tensor(logits), torch.tensor([[2, 1], [0, 0]]), mask)
    for _ in range(2):
        yield _loss_case(draw, draw.normal, *draw.distinct(3, 3, 7))
    yield _loss_case(draw, draw.normal, 2, 3, 3, _all(2, 3))
    yield _loss_case(draw, draw.normal, 3, 3, 3, torch.arange(3) < torch.tensor([[1], [3], [2]]))
    yield _loss_case(draw, draw.normal, 3, 5, 4, torch.arange(5) < _LENGTHS)
    yield _loss_case(draw, draw.normal, 2, 5, 4, _HOLES)
    # The first token, and the last, may be real targets, and stand in the padding as well.
    mask = torch.tensor([[True, True, True, False]] * 2)
    yield ask(draw.normal(2, 4, 3), torch.tensor([[0, 2, 1, 0], [2, 0, 1, 2]]), mask)
    yield _loss_case(draw, draw.normal, 4, 1, 3, _all(4, 1))


def _loss_padding(draw: Draw) -> Iterator[Case]:
    logits, mask = torch.tensor([[[0.0, 1.0], [0.0, 10000.0]]]), torch.tensor([[True, False]])
    yield ask(logits, torch.tensor([[0, 0]]), mask)
    logits, targets, mask = draw.normal(2, 5, 3), _targets(draw, 2, 5, 3), torch.arange(5) < _LENGTHS[[2, 1]]
    yield ask(logits.masked_fill(~mask[..., None], -1e4), targets, mask)
    yield ask(logits[:, :2], targets[:, :2], mask[:, :2])
    more = 1e4 * draw.whole(2, 4, 3)
    yield ask(torch.cat([logits, more], 1), F.pad(targets, (0, 4)), F.pad(mask, (0, 4)))
    yield ask(logits, targets.masked_fill(~mask, 2), mask)


def _loss_empty(draw: Draw) -> Iterator[Case]:
    nothing, one = torch.zeros(2, 3, dtype=torch.bool), torch.tensor(2.0)
    logits = torch.tensor([[[1.0, 0.0], [2.0, 3.0]]])
    yield ask(logits, torch.tensor([[0, 1]]), nothing[:1, :2], cotangents=(one,))
    yield _loss_case(draw, draw.normal, 2, 3, 4, nothing, gradient=True)
    # One sample without real tokens does not disturb the others.
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _loss_case(draw, draw.normal, 3, 4, 2, mask, gradient=True)


def _loss_gradients(draw: Draw) -> Iterator[Case]:
    logits, mask = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]), torch.tensor([[True, False]])
    yield ask(logits, torch.tensor([[1, 0]]), mask, cotangents=(torch.tensor(1.0),))
    yield _loss_case(draw, draw.normal, *draw.distinct(3, 2, 6), gradient=True)
    yield _loss_case(draw, draw.normal, 3, 5, 4, torch.arange(5) < _LENGTHS, gradient=True)


def _loss_large(draw: Draw) -> Iterator[Case]:
    def single(*logits, target):
        one = torch.tensor(1.0)
        return ask(torch.tensor([[logits]]), torch.tensor([[target]]), _all(1, 1), cotangents=(one,))

    yield single(10000.0, 0.0, target=1)
    yield single(10000.0, -10000.0, 0.0, target=0)
    yield single(60.0, 0.0, 10.0, target=1)
    # A token that is certain costs nothing, and is counted.
    yield ask(torch.tensor([[[10000.0, 0.0], [1.0, 0.0]]]), torch.tensor([[0, 1]]), _all(1, 2))
    yield _loss_case(draw, lambda *shape: 1e4 * draw.whole(*shape, low=-1, high=1), 2, 3, 4)
    yield ask(draw.normal(2, 3, 4) - 1e4, _targets(draw, 2, 3, 4), draw.prefix_mask(2, 3))


def _loss_robust(draw: Draw) -> Iterator[Case]:
    def arguments(batch, steps, vocab, dtype=torch.float32):
        logits, targets = draw.normal(batch, steps, vocab, dtype=dtype), _targets(draw, batch, steps, vocab)
        return logits, targets, draw.prefix_mask(batch, steps)

    yield _loss_case(draw, draw.nonzero, 2, 3, 2)
    yield ask(*map(draw.strided, arguments(3, 4, 2)))
    yield ask(*arguments(2, 4, 3, torch.float64))
    yield _loss_case(draw, draw.quarters, 2, 3, 4)
    logits, targets, mask = arguments(2, 3, 4)
    yield ask(logits, targets.int(), mask)
    again, alike = Call(arguments(2, 3, 4)), Call(arguments(2, 3, 4))
    yield Case((again, alike, Call(arguments(3, 5, 2)), again))


def _losses(loss_of: Callable[[Tensor, Tensor], Tensor]) -> Pieces:
    """A mistake in the loss of each token (B, T), with the right mean over them."""
    return instead(
        lambda logits, targets, mask: _sum(loss_of(logits, targets), mask) / mask.sum().clamp(min=1)
    )


def _counting(real: Callable[[Tensor, Tensor], Tensor]) -> Pieces:
    """A mistake in what counts as real: `real(mask, targets)` stands for the mask."""
    return around(lambda f, logits, targets, mask: f(logits, targets, real(mask, targets)))


def _entropies(logits: Tensor, targets: Tensor, **how: Any) -> Tensor:
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none", **how)


def _one_hot_targets(logits: Tensor, targets: Tensor) -> Tensor:
    return F.one_hot(targets, logits.shape[-1]).to(logits.dtype)


def _binary(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, _one_hot_targets(logits, targets), reduction="none")


def _squared(logits: Tensor, targets: Tensor) -> Tensor:
    return (torch.softmax(logits, -1) - _one_hot_targets(logits, targets)).square()


def _means_by(axis: int, all_rows: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean of the means along one axis: over all rows, or over those with real tokens."""

    def average(each, mask):
        means = _sum(each, mask, axis) / mask.sum(axis).clamp(min=1)
        return means.mean() if all_rows else means.sum() / mask.any(axis).sum().clamp(min=1)

    return average


def _shifted_once_more(f: Callable, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return f(logits[:, :-1], targets[:, 1:], mask[:, 1:])


def _without_place(place: int) -> Callable[[Tensor, Tensor], Tensor]:
    def real(mask, targets):
        kept = mask.clone()
        kept[:, place] = False
        return kept

    return real


def _ignoring(number: Callable[[Tensor], int]) -> Pieces:
    """Padding is marked with a number that real tokens have too, and left out by it."""

    def answer(f, logits, targets, mask):
        marked = targets.long().masked_fill(~mask, number(logits))
        return f(logits, marked, marked != number(logits))

    return around(answer)


def _backward_inside(f: Callable, *args: Tensor) -> Tensor:
    loss = f(*args)
    if loss.requires_grad:
        loss.backward()
    return loss


SEQUENCE_LOSS = Exercise(
    name="sequence_loss",
    lesson=LESSON,
    asked="For logits (B, T, V), targets (B, T) and a mask (B, T), give the mean of −ln softmax(logits)[target] over all real tokens of the batch: one number, a tensor without axes. No real token: 0.",
    arguments=("logits (B, T, V)", "targets (B, T)", "mask (B, T)"),
    returns=("loss ()",),
    reference=seqattn_ref.sequence_loss,
    build=_build_sequence_loss,
    checks=(
        Check("The loss is one number: a tensor of shape ()", 0.5, _loss_shapes, ("shape",)),
        Check("It is the mean of −ln p(target) over the real tokens of the batch", 1.5, _loss_values),
        Check(
            "What stands in the padding, and how much padding there is, changes nothing", 0.5, _loss_padding
        ),
        Check(
            "A batch without any real token gives 0, with a gradient of 0",
            0.5,
            _loss_empty,
            ("values", "gradients"),
        ),
        Check("The gradient reaches the logits, and is 0 at the padding", 1, _loss_gradients, ("gradients",)),
        Check("Logits of ±10,000 do no harm", 0.5, _loss_large, ("values", "gradients")),
        Check(
            "It works in float64 and bfloat16, for int32 targets, on any memory layout, and leaves its inputs as they were",
            0.5,
            _loss_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "pads-counted",
            "The padding is in the mean with the real tokens. Then the loss depends on how much padding there is, and the model is trained to predict pads. Leave out the places where the mask is False.",
            (
                {"average": lambda each, mask: each.mean()},
                {"average": lambda each, mask: each.sum() / mask.sum().clamp(min=1)},
                around(lambda f, x, y, mask: f(x, y * mask, torch.ones_like(mask))),
            ),
        ),
        Mistake(
            "mean-over-padded-length",
            "The sum leaves the padding out, but it is divided by a number of places that counts padding. Divide by the number of real tokens.",
            (
                {"average": lambda each, mask: _sum(each, mask) / mask.numel()},
                {"average": lambda each, mask: _sum(each, mask) / mask.shape[1]},
                {
                    "average": lambda each, mask: (
                        _sum(each, mask) / (len(mask) * mask.sum(1).max()).clamp(min=1)
                    )
                },
            ),
        ),
        Mistake(
            "divided-by-the-batch",
            "The sum is divided by the number of samples, so that the loss grows with their length. Divide by the number of real tokens.",
            (
                {"average": lambda each, mask: _sum(each, mask) / len(mask)},
                {"average": lambda each, mask: _sum(each, mask) / mask.any(1).sum().clamp(min=1)},
            ),
        ),
        Mistake(
            "mean-of-means",
            "Each sequence (or each step) was averaged first, and then these means: a token of a short sequence counts more than one of a long sequence. The mean is over all the real tokens of the batch together.",
            tuple({"average": _means_by(axis, all_rows)} for axis in (1, 0) for all_rows in (True, False)),
        ),
        Mistake(
            "sum-instead-of-mean",
            "This is the sum over the real tokens. Divide it by how many there are.",
            ({"average": lambda each, mask: _sum(each, mask)},),
        ),
        Mistake(
            "not-reduced",
            "A loss for each token, or for each sample, comes back. The mean over the batch is one number.",
            (
                {"average": lambda each, mask: each},
                {"average": lambda each, mask: each.masked_fill(~mask, 0)},
                {"average": lambda each, mask: _sum(each, mask, 1) / mask.sum(1).clamp(min=1)},
                {"average": lambda each, mask: _sum(each, mask, 1)},
                {"average": lambda each, mask: each[mask]},
            ),
        ),
        Mistake(
            "mask-inverted",
            "This averages over the padding and leaves the real tokens out. True in the mask means a real token.",
            (
                _counting(lambda mask, targets: ~mask),
                {"average": lambda each, mask: _sum(each, ~mask) / mask.sum().clamp(min=1)},
            ),
        ),
        Mistake(
            "empty-batch-mishandled",
            "A batch without any real token must give 0. Nothing divided by nothing is NaN, in the gradient too, and a mean over the padding is no answer either: decide what to divide by when there is nothing to count.",
            (
                {"average": lambda each, mask: _sum(each, mask) / mask.sum()},
                {"average": lambda each, mask: (each * mask).sum() / mask.sum()},
                {"average": lambda each, mask: each[mask].mean()},
                {"average": lambda each, mask: (each * mask * (1 / mask.sum())).sum().nan_to_num()},
                {"average": lambda each, mask: each[mask].mean() if bool(mask.any()) else each.mean()},
            ),
        ),
        Mistake(
            "empty-sequence-counted",
            "A sequence without any real token was counted as one token. Count the True places of the whole mask, and guard that count alone against being 0.",
            ({"average": lambda each, mask: _sum(each, mask) / mask.sum(1).clamp(min=1).sum()},),
        ),
        Mistake(
            "epsilon-too-large",
            "The number added to the count to avoid dividing by 0 changes every other loss. Guard the empty batch without touching the rest.",
            tuple(
                {"average": lambda each, mask, e=e: _sum(each, mask) / (mask.sum() + e)}
                for e in (1, 1e-1, 1e-2, 1e-3)
            ),
        ),
        Mistake(
            "masks-the-logits",
            "The logits at the padding were set to 0, and then these places were counted: equal logits are no certainty, each of them adds ln V. Leave the places out of the sum and of the count.",
            (
                around(lambda f, x, y, mask: f(x * mask[..., None], y, torch.ones_like(mask))),
                around(lambda f, x, y, mask: f(x * mask[..., None], y * mask, torch.ones_like(mask))),
                around(
                    lambda f, x, y, mask: (
                        f(x * mask[..., None], y, torch.ones_like(mask))
                        * mask.numel()
                        / mask.sum().clamp(min=1)
                    )
                ),
            ),
        ),
        Mistake(
            "minus-infinity-at-the-padding",
            "The logits at the padding were set to minus infinity, and what the softmax makes of them is NaN. 0 times NaN is NaN: the mask comes too late.",
            (
                {
                    "outer": lambda f: (
                        lambda x, y, mask: _build_sequence_loss(
                            average=lambda each, m: (each * m).sum() / m.sum().clamp(min=1)
                        )(x.masked_fill(~mask[..., None], -torch.inf), y, mask)
                    )
                },
                around(
                    lambda f, x, y, mask: f(
                        x.masked_fill(~mask[..., None], -torch.inf), y, torch.ones_like(mask)
                    )
                ),
            ),
        ),
        Mistake(
            "pad-number-instead-of-mask",
            "Targets with a certain number were left out, or counted, as padding. The mask alone says which tokens are real: here any number may be a real token, and padding may hold any number.",
            (
                _counting(lambda mask, targets: targets != 0),
                _counting(lambda mask, targets: mask & (targets != 0)),
                around(
                    lambda f, x, y, mask: F.cross_entropy(
                        x.reshape(-1, x.shape[2]), y.reshape(-1).long(), ignore_index=0
                    )
                ),
                around(
                    lambda f, x, y, mask: (
                        f(x, y, mask) * mask.sum().clamp(min=1) / (y != 0).sum().clamp(min=1)
                    )
                ),
                around(
                    lambda f, x, y, mask: (
                        f(x, y, mask & (y != 0))
                        * (mask & (y != 0)).sum().clamp(min=1)
                        / mask.sum().clamp(min=1)
                    )
                ),
                _ignoring(lambda logits: 0),
                _ignoring(lambda logits: logits.shape[2] - 1),
            ),
        ),
        Mistake(
            "mask-read-as-lengths",
            "The mask is turned into a length, so that it has no holes any more: places between two real tokens count, or tokens after a hole do not. Use the mask as it is.",
            (
                _counting(lambda mask, targets: torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)),
                _counting(lambda mask, targets: mask.long().cumprod(1).bool()),
                _counting(lambda mask, targets: mask.long().flip(1).cumsum(1).flip(1) > 0),
            ),
        ),
        Mistake(
            "mask-transposed",
            "The mask is read step by step where the losses stand sample by sample. Both are (B, T): flatten them in the same order.",
            (
                {
                    "average": lambda each, mask: (
                        _sum(each.reshape(-1), mask.T.reshape(-1)) / mask.sum().clamp(min=1)
                    )
                },
                _counting(lambda mask, targets: mask.T if mask.shape[0] == mask.shape[1] else mask),
                _counting(lambda mask, targets: mask.T.reshape(mask.shape)),
            ),
        ),
        Mistake(
            "first-sample-for-all",
            "One sample stands for all: its mask, its targets or its loss are used for the whole batch. Each sample has its own.",
            (
                _counting(lambda mask, targets: mask[:1].expand_as(mask)),
                around(lambda f, x, y, mask: f(x, y[:1].expand_as(y), mask)),
                around(lambda f, x, y, mask: f(x[:1], y[:1], mask[:1])),
            ),
        ),
        Mistake(
            "token-left-out",
            "The first token or the last one of each sequence is not counted. The first target is a real token, since bos is no target, and the model must learn to write eos too.",
            (
                _counting(_without_place(0)),
                _counting(_without_place(-1)),
                _counting(lambda mask, targets: mask & F.pad(mask, (0, 1))[:, 1:]),
            ),
        ),
        Mistake(
            "softmax-twice",
            "A softmax was applied before the cross-entropy, which has one of its own. All probabilities lie between 0 and 1, so the second softmax makes them nearly equal: even a perfect model then seems to guess.",
            (
                {"log_probs": lambda logits: torch.log_softmax(torch.softmax(logits, -1), -1)},
                {"log_probs": lambda logits: torch.log(torch.softmax(torch.softmax(logits, -1), -1))},
            ),
        ),
        Mistake(
            "log-missing",
            "This is a mean of probabilities: the logarithm is missing. A token of probability p costs −ln p.",
            (
                {"log_probs": lambda logits: torch.softmax(logits, -1)},
                _losses(lambda x, y: torch.softmax(x, -1).gather(-1, y.long()[..., None])[..., 0]),
                _losses(lambda x, y: 1 - torch.softmax(x, -1).gather(-1, y.long()[..., None])[..., 0]),
            ),
        ),
        Mistake(
            "log-of-the-mean",
            "The probabilities were averaged first, and the logarithm was taken of their mean. Take the logarithm of each token's probability, then the mean.",
            (
                {
                    "log_probs": lambda logits: torch.softmax(logits, -1),
                    "average": lambda each, mask: -torch.log(-_sum(each, mask) / mask.sum().clamp(min=1)),
                },
                {
                    "log_probs": lambda logits: torch.softmax(logits, -1),
                    "average": lambda each, mask: (
                        -torch.log(-(each * mask).sum() / mask.sum()) if bool(mask.any()) else each.sum() * 0
                    ),
                },
            ),
        ),
        Mistake(
            "softmax-missing",
            "The logits were taken for probabilities, or for their logarithms: the softmax is missing. Logits may be any numbers, and adding the same number to all of them must not change the loss.",
            (
                {"log_probs": lambda logits: logits},
                {"log_probs": lambda logits: F.logsigmoid(logits)},
                {"log_probs": lambda logits: torch.log(logits)},
            ),
        ),
        Mistake(
            "wrong-axis",
            "The softmax runs over another axis than the vocabulary. In (B, T, V) it is the last; cross_entropy wants the classes in axis 1, which here is the steps, and says nothing when V = T.",
            (
                {"log_probs": lambda logits: torch.log_softmax(logits, 1)},
                {"log_probs": lambda logits: torch.log_softmax(logits, 0)},
                _losses(lambda x, y: F.cross_entropy(x, y, reduction="none")),
                _losses(lambda x, y: F.cross_entropy(torch.log_softmax(x, -1), y, reduction="none")),
                _losses(lambda x, y: F.nll_loss(torch.log_softmax(x, -1), y, reduction="none")),
                instead(lambda x, y, mask: F.cross_entropy(x, y)),
                instead(lambda x, y, mask: F.cross_entropy(torch.log_softmax(x, -1), y)),
                instead(lambda x, y, mask: F.nll_loss(torch.log_softmax(x, -1), y)),
                _losses(
                    lambda x, y: (
                        F.cross_entropy(x, y, reduction="none")
                        if x.shape[1] == x.shape[2]
                        else _entropies(x, y)
                    )
                ),
                {"log_probs": lambda logits: torch.log_softmax(logits.flatten(1), -1).view(logits.shape)},
                {"log_probs": lambda logits: torch.log_softmax(logits.flatten(0, 1), 0).view(logits.shape)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "`view` or `reshape` made (B, V, T) out of (B, T, V), or flattened samples and steps in another order than the targets. It cuts the same row of numbers anew and does not exchange axes: use transpose(1, 2).",
            (
                _losses(
                    lambda x, y: F.cross_entropy(
                        x.reshape(len(x), x.shape[2], x.shape[1]), y, reduction="none"
                    )
                ),
                _losses(lambda x, y: _entropies(x, y.T.reshape(y.shape))),
                _losses(lambda x, y: _entropies(x.transpose(0, 1).reshape(x.shape), y)),
            ),
        ),
        Mistake(
            "shifted-once-more",
            "Logits and targets were shifted against each other. They belong together as they come: the inputs were shifted before the model, so the logits at step i already speak of target i.",
            (
                around(_shifted_once_more),
                around(lambda f, x, y, mask: f(x.roll(1, 1), y, mask)),
                around(lambda f, x, y, mask: f(x, y.roll(1, 1), mask)),
                around(lambda f, x, y, mask: f(x, y.roll(-1, 1), mask)),
            ),
        ),
        Mistake(
            "log-base",
            "The logarithm has another base: this loss is in bits or in tens. Here it is the natural logarithm, so that guessing among V tokens costs ln V.",
            (
                {"log_probs": lambda logits: torch.log_softmax(logits, -1) / 0.6931471805599453},
                {"log_probs": lambda logits: torch.log_softmax(logits, -1) / 2.302585092994046},
            ),
        ),
        Mistake(
            "perplexity-instead-of-loss",
            "This is the perplexity, e to the loss. The loss itself is asked for.",
            (around(lambda f, *args: torch.exp(f(*args))),),
        ),
        Mistake(
            "naive-log",
            "The logarithm is taken of a finished softmax. An unlikely token's probability is rounded to 0 first, and its logarithm is infinite, or cut off by the number that was added. log_softmax takes both steps at once.",
            (
                {"log_probs": lambda logits: torch.log(torch.softmax(logits, -1))},
                *(
                    {"log_probs": lambda logits, e=e: torch.log(torch.softmax(logits, -1) + e)}
                    for e in (1e-12, 1e-10, 1e-9, 1e-8)
                ),
                {"log_probs": lambda logits: torch.log(torch.softmax(logits, -1).clamp(min=1e-7))},
                {"log_probs": lambda logits: torch.log(torch.softmax(logits, -1).clamp(min=1e-12))},
            ),
        ),
        Mistake(
            "naive-exp",
            "The exponentials overflow for large logits: e¹⁰⁰ has no place in float32. log_softmax, logsumexp and cross_entropy subtract the largest logit first.",
            (
                {"log_probs": lambda logits: logits - torch.log(torch.exp(logits).sum(-1, keepdim=True))},
                {
                    "log_probs": lambda logits: torch.log(
                        torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
                    )
                },
            ),
        ),
        Mistake(
            "global-maximum",
            "The largest logit of the whole batch was subtracted, so that tokens with smaller logits all underflow to 0. Each token's own largest logit is to be subtracted; log_softmax does so.",
            (
                {
                    "log_probs": lambda logits: (
                        (logits - logits.max())
                        - torch.log(torch.exp(logits - logits.max()).sum(-1, keepdim=True))
                    )
                },
            ),
        ),
        Mistake(
            "cut-off",
            "Large logits, or large losses, are cut off. A token that the model thought impossible costs as much as the logits say.",
            (
                *(
                    {"log_probs": lambda logits, c=c: torch.log_softmax(logits.clamp(-c, c), -1)}
                    for c in (50, 100)
                ),
                {"log_probs": lambda logits: torch.log_softmax(logits, -1).clamp(min=-100)},
            ),
        ),
        Mistake(
            "certain-tokens-not-counted",
            "The real tokens were counted by their losses. A token that was predicted with certainty has loss 0 and counts all the same: count the True places of the mask.",
            ({"average": lambda each, mask: _sum(each, mask) / ((each > 0) & mask).sum().clamp(min=1)},),
        ),
        Mistake(
            "another-loss",
            "This is another loss: binary cross-entropy, a squared error, or one with label smoothing. Asked for is −ln of the probability that the softmax gives to the target.",
            (
                _losses(lambda x, y: _binary(x, y.long()).mean(-1)),
                _losses(lambda x, y: _binary(x, y.long()).sum(-1)),
                _losses(lambda x, y: _squared(x, y.long()).sum(-1)),
                _losses(lambda x, y: _squared(x, y.long()).mean(-1)),
                _losses(lambda x, y: _entropies(x, y.long(), label_smoothing=0.1)),
            ),
        ),
        Mistake(
            "median-instead-of-mean",
            "This is the median of the losses. Asked for is their mean.",
            ({"average": lambda each, mask: each[mask].median() if bool(mask.any()) else each.sum() * 0},),
        ),
        Mistake(
            "mean-over-the-vocabulary",
            "The loss of a token was averaged over the vocabulary too: it is divided by V as well.",
            (
                {"pick": lambda found, targets: -found.mean(-1)},
                {
                    "pick": lambda found, targets: (
                        -(found * F.one_hot(targets.long(), found.shape[-1])).mean(-1)
                    )
                },
            ),
        ),
        Mistake(
            "missing-axis",
            "A column met a row: (N, 1) and (N,), or (B, T, 1) and (B, T), gave a whole table, each loss with each place of the mask. Bring both to the shape (B, T) first.",
            (
                {
                    "average": lambda each, mask: (
                        (each.reshape(-1) * mask.reshape(-1, 1)).sum() / mask.sum().clamp(min=1)
                    )
                },
                {"average": lambda each, mask: (each.reshape(-1) * mask.reshape(-1, 1)).mean()},
                {"average": lambda each, mask: (each[..., None] * mask).sum() / mask.sum().clamp(min=1)},
                {"average": lambda each, mask: _sum(each[..., None], mask) / mask.sum().clamp(min=1)},
            ),
        ),
        Mistake(
            "every-token-with-every-target",
            "Indexing with the targets took all of them from every place: (B, T, B, T). Each place wants its own target: gather with an index (B, T, 1) picks one for each.",
            (
                {
                    "pick": lambda found, targets: -found[:, :, targets.long()],
                    "average": lambda each, mask: (each * mask).sum() / mask.sum().clamp(min=1),
                },
                {
                    "pick": lambda found, targets: -found[:, :, targets.long()],
                    "average": lambda each, mask: each[mask].mean() if bool(mask.any()) else each.sum() * 0,
                },
                {
                    "pick": lambda found, targets: -found[:, :, targets.long()],
                    "average": lambda each, mask: each.mean(),
                },
                {"pick": lambda found, targets: -found[..., targets.long()].mean((2, 3))},
            ),
        ),
        Mistake(
            "targets-must-be-int64",
            "cross_entropy takes targets of int64 alone, and int32 ones raise an error. `.long()` makes them int64.",
            (_losses(_entropies),),
        ),
        Mistake(
            "backward-inside",
            "backward() is called inside the function, so that the graph is gone when the caller wants a gradient. Return the loss; what to do with it is the caller's.",
            (around(_backward_inside),),
        ),
        Mistake(
            "hard-coded-dtype",
            HARD_CODED_DTYPE.hint,
            (
                *HARD_CODED_DTYPE.variants,
                {
                    "average": lambda each, mask: (
                        each * (mask / mask.sum().clamp(min=1)).to(each.dtype)
                    ).sum()
                },
                {"log_probs": lambda logits: torch.log_softmax(logits.half(), -1)},
                {"log_probs": lambda logits: torch.log_softmax(logits.half(), -1).to(logits.dtype)},
            ),
        ),
        *without(ANY_FUNCTION, "bare-squeeze", "hard-coded-dtype"),
        *(m for m in ANY_FUNCTION if m.id == "hard-coded-dtype" and m.general),
    ),
    hints=(
        "Take one token first: softmax turns its V logits into probabilities, and the token costs −ln of the one that its target got. Three equal logits cost ln 3 = 1.0986, whatever the target is.",
        'log_softmax over the last axis gives all logarithms at once, and gather with the targets (B, T, 1) picks one for each token. Or let F.cross_entropy do both, with reduction="none": mind which axis it takes for the classes.',
        "Then you have (B, T) numbers. Set those at the padding to 0, add up the rest, and divide by the number of real tokens of the whole batch.",
        "A batch with no real token would divide 0 by 0. A count that is at least 1 does not.",
    ),
)

EXERCISES = (LAST_HIDDEN, SHIFT_RIGHT, SEQUENCE_LOSS, GREEDY_DECODE)
