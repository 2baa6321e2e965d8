"""Exercises of lesson 01: teacher forcing, the last state, the loss of a padded batch, and greedy decoding."""

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
from ..sandbox.case import Call, Callback, Case, Raised
from .anywhere import (
    ANY_FUNCTION,
    ANY_RESULT,
    BARE_SQUEEZE,
    CHANGES_ITS_INPUT,
    NEEDS_CONTIGUOUS,
    random_everywhere,
    without,
    wrote_to_input,
)
from .common import ask, wrapped

LESSON = "01_seq2seq"

PAD, EOS = 0, 2  # as the course's vocabularies have them; an exercise must not rely on it


def _tokens(draw: Draw, batch: int, steps: int, dtype: torch.dtype = torch.int64) -> Tensor:
    """(batch, steps) tokens that all differ, none of them pad, bos or eos."""
    return torch.tensor(draw.distinct(batch * steps, 3, 3 + 2 * batch * steps), dtype=dtype).view(
        batch, steps
    )


# ---- shift_right


def _build_shift_right(first=None, rest=None, join=None, outer=None):
    first = first or (lambda tokens, bos: torch.full_like(tokens[:, :1], bos))
    rest = rest or (lambda tokens: tokens[:, :-1])
    join = join or (lambda a, b: torch.cat([a, b], 1))
    return wrapped(outer, lambda tokens, bos: join(first(tokens, bos), rest(tokens)))


def _padded(draw: Draw, batch: int, steps: int) -> Tensor:
    """Targets as the lessons have them: tokens, eos, pads."""
    tokens, places = _tokens(draw, batch, steps), torch.arange(steps)
    last = draw.lengths(batch, steps)[:, None] - 1
    return tokens.masked_fill(places == last, EOS).masked_fill(places > last, PAD)


def _shift_shapes(draw: Draw) -> Iterator[Case]:
    yield ask(_tokens(draw, 2, 3), draw.integer(5, 9))
    batch, steps = draw.distinct(2, 3, 8)
    yield ask(_tokens(draw, batch, steps), 1)


def _shift_values(draw: Draw) -> Iterator[Case]:
    yield ask(_tokens(draw, 1, 3), 1)
    yield ask(_tokens(draw, 2, 2), 1)
    yield ask(torch.tensor([[5, 6, EOS], [7, EOS, PAD]]), 1)
    for bos in (0, 2, draw.integer(30, 90)):
        batch, steps = draw.distinct(2, 3, 8)
        yield ask(_padded(draw, batch, steps), bos)
    yield ask(_tokens(draw, 3, 3), draw.integer(90, 99))


def _shift_one_step(draw: Draw) -> Iterator[Case]:
    yield ask(_tokens(draw, 5, 1), 1)
    yield ask(torch.full((4, 1), EOS), 9)
    yield ask(_tokens(draw, 1, 6), 1)
    yield ask(torch.tensor([[7]]), 3)


def _shift_robust(draw: Draw) -> Iterator[Case]:
    yield ask(_tokens(draw, 2, 4, torch.int32), 1)
    yield ask(_tokens(draw, 3, 2, torch.int16), 2)
    yield ask(draw.strided(_tokens(draw, 3, 4)), 1)
    yield ask(_tokens(draw, 4, 3).T, 1)
    again, alike = Call((_tokens(draw, 2, 3), 1)), Call((_tokens(draw, 2, 3), 0))
    yield Case((again, alike, Call((_tokens(draw, 3, 5), 1)), again))


def _shift_in_place(tokens: Tensor, bos: int) -> Tensor:
    tokens[:, 1:] = tokens[:, :-1].clone()
    tokens[:, 0] = bos
    return tokens


def _bos_in_place(tokens: Tensor, bos: int) -> Tensor:
    shifted = torch.cat([tokens[:, :1], tokens[:, :-1]], 1)
    tokens[:, 0] = bos
    shifted[:, 0] = bos
    return shifted


def _instead(answer: Callable) -> dict[str, Callable]:
    """A mistake that is easier written as a whole than in pieces."""
    return {"outer": lambda f: answer}


def _and_bos(shifted: Callable[[Tensor], Tensor]) -> dict[str, Callable]:
    """The wrong tokens behind the right first column."""

    def answer(tokens, bos):
        result = shifted(tokens).clone()
        result[:, 0] = bos
        return result

    return _instead(answer)


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
            "torch.roll pushes the last token out at one end and in again at the other: the first step sees the last target, and bos never goes in. What stands before y¹ is bos.",
            (
                _instead(lambda tokens, bos: torch.roll(tokens, 1, 1)),
                _instead(lambda tokens, bos: torch.roll(tokens, 1)),
            ),
        ),
        Mistake(
            "shifted-the-wrong-way",
            "The tokens moved to the left: step i would be given y^{i+1}, a token that it has not even to predict yet. It must be given y^{i−1}, the one before.",
            (
                _instead(
                    lambda tokens, bos: torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], bos)], 1)
                ),
                _instead(lambda tokens, bos: torch.roll(tokens, -1, 1)),
                _and_bos(lambda tokens: torch.roll(tokens, -1, 1)),
                _instead(lambda tokens, bos: torch.cat([tokens[:, 1:], torch.zeros_like(tokens[:, :1])], 1)),
                _instead(
                    lambda tokens, bos: torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], EOS)], 1)
                ),
            ),
        ),
        Mistake(
            "not-shifted",
            "The targets come back as they are. Then each step is given the very token that it is to predict: the loss falls to 0, and the model has learned to repeat its input.",
            (_instead(lambda tokens, bos: tokens.clone()),),
        ),
        Mistake(
            "first-token-overwritten",
            "bos was written over y¹ and the other tokens stayed where they were. So y¹ is lost, and every later step is still given its own answer. The tokens have to move.",
            (_and_bos(lambda tokens: tokens),),
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
                _instead(lambda tokens, bos: tokens[:, :-1]),
                {"first": lambda tokens, bos: tokens[:, :1]},
                {
                    "first": lambda tokens, bos: torch.zeros_like(tokens[:, :1]),
                    "rest": lambda tokens: tokens[:, :-1],
                },
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
                {
                    "first": lambda tokens, bos: torch.cat(
                        [torch.full_like(tokens[:1, :1], bos), tokens[1:, :1]]
                    )
                },
                {
                    "first": lambda tokens, bos: torch.cat(
                        [torch.full_like(tokens[:1, :1], bos), torch.zeros_like(tokens[1:, :1])]
                    )
                },
            ),
        ),
        Mistake(
            "shifts-the-batch",
            "The rows moved down by one: each sample got the tokens of the sample before it. In (B, T) the steps are the second axis.",
            (
                _instead(lambda tokens, bos: torch.cat([torch.full_like(tokens[:1], bos), tokens[:-1]])),
                _instead(lambda tokens, bos: torch.roll(tokens, 1, 0)),
                _and_bos(lambda tokens: torch.roll(tokens, 1, 0)),
            ),
        ),
        Mistake(
            "shifted-by-two",
            "The tokens moved by two places instead of one: the step before last is missing from what each step is given.",
            (
                {
                    "first": lambda tokens, bos: torch.full_like(tokens[:, :2], bos),
                    "rest": lambda tokens: tokens[:, :-2],
                },
                _and_bos(lambda tokens: torch.roll(tokens, 2, 1)),
            ),
        ),
        Mistake(
            "bos-on-both-sides",
            "There is a bos at the end as well, or in the place of another token. It stands at the first step and nowhere else.",
            (
                {"join": lambda a, b: torch.cat([a, b[:, :-1], a], 1)[:, : b.shape[1] + 1]},
                {
                    "join": lambda a, b: torch.cat([a, b], 1).masked_fill(
                        torch.cat([a, b], 1) == PAD, int(a[0, 0])
                    )
                },
            ),
        ),
        Mistake(
            "eos-taken-out",
            "eos, or the padding, has been replaced by another token. Move all the tokens as they are: what a step after eos is given does not matter, since the loss leaves out the pads.",
            (
                {"rest": lambda tokens: tokens[:, :-1].masked_fill(tokens[:, :-1] == EOS, PAD)},
                {"rest": lambda tokens: tokens[:, :-1].masked_fill(tokens[:, :-1] == PAD, EOS)},
            ),
        ),
        Mistake(
            "mixes-samples",
            "Rows stand in another's place: row b must be made from row b alone.",
            (
                {"rest": lambda tokens: tokens[:, :-1].flip(0)},
                {"rest": lambda tokens: tokens[:1, :-1].expand(len(tokens), -1)},
                {
                    "rest": lambda tokens: (
                        torch.cat([tokens.flatten()[:1], tokens.flatten()])[: tokens.numel()]
                        .view(tokens.shape)[:, 1:]
                        .flip(1)
                    )
                },
            ),
        ),
        Mistake(
            "axes-swapped",
            "Samples and steps have changed places: the result should be (B, T), a row for each sample.",
            ({"outer": lambda f: lambda tokens, bos: f(tokens, bos).T},),
        ),
        Mistake(
            "hard-coded-dtype",
            "The result has another dtype than the tokens. torch.zeros and torch.ones make floats, torch.tensor and torch.full make int64, and joined with int32 they win: make the first column from the "
            "tokens, as in torch.full_like(…).",
            (
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).long()},
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).float()},
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).int()},
                {"first": lambda tokens, bos: torch.full((len(tokens), 1), bos)},
                {"first": lambda tokens, bos: torch.full((len(tokens), 1), float(bos))},
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (_instead(_shift_in_place), _instead(_bos_in_place)),
            recognise=wrote_to_input,
        ),
        Mistake(
            "fails-for-one-step",
            "With a single step there is no token to move: the input is bos alone. Look for a squeeze, or for a slice that expects two steps.",
            (
                {
                    "outer": lambda f: (
                        lambda tokens, bos: f(tokens, bos) if tokens.shape[1] > 1 else tokens.clone()
                    )
                },
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).squeeze(1)},
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).squeeze()},
                {"outer": lambda f: lambda tokens, bos: f(tokens, bos).squeeze(-1)},
            ),
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
        states = states.masked_fill((torch.arange(steps) >= lengths[:, None])[..., None], padding)
    return ask(states, lengths, cotangents=(fill(batch, dim),) if gradient else None)


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
    # A real state may be all 0.
    yield ask(torch.tensor([[[3.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]), torch.tensor([2]))


def _hidden_padding(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[3.0], [4.0], [10000.0]]]), torch.tensor([2]))
    states, lengths = draw.normal(2, 5, 3), torch.tensor([3, 2])
    hidden = (torch.arange(5) >= lengths[:, None])[..., None]
    for number in (1e4, -1e4, float("nan")):
        yield ask(states.masked_fill(hidden, number), lengths)
    yield ask(states[:, :3], lengths)
    yield ask(torch.cat([states, torch.zeros(2, 3, 3)], 1), lengths)


def _hidden_empty(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[2.0], [4.0]], [[3.0], [5.0]]]), torch.tensor([0, 1]))
    yield _hidden_case(draw.normal, 3, 4, 2, torch.tensor([4, 0, 2]))
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
    yield _hidden_case(
        lambda *shape: draw.normal(*shape, dtype=torch.float64), 3, 4, 2, torch.tensor([2, 0, 4])
    )
    yield _hidden_case(draw.quarters, 2, 4, 3, torch.tensor([1, 3]))
    yield _hidden_case(lambda *shape: 1e4 * draw.whole(*shape, low=1), 2, 3, 2, torch.tensor([1, 2]))
    again, alike = (Call((draw.normal(2, 3, 4), _ragged(draw, 2, 3))) for _ in range(2))
    yield Case((again, alike, Call((draw.normal(3, 5, 2), _ragged(draw, 3, 5))), again))


def _real(states: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(states.shape[1]) < lengths[:, None])[..., None]


def _one_hot(states: Tensor, at: Tensor) -> Tensor:
    return F.one_hot(at, states.shape[1]).to(states.dtype)[..., None]


def _lengths_in_place(states: Tensor, lengths: Tensor) -> Tensor:
    empty = (lengths == 0)[:, None]
    lengths -= 1
    return states[torch.arange(len(states)), lengths.clamp(min=0)].masked_fill(empty, 0)


def _padding_in_place(states: Tensor, lengths: Tensor) -> Tensor:
    states.masked_fill_(~_real(states, lengths), 0)
    return states[torch.arange(len(states)), (lengths.long() - 1).clamp(min=0)].masked_fill(
        (lengths == 0)[:, None], 0
    )


def _found_by_content(states: Tensor, lengths: Tensor) -> Tensor:
    """Takes the last state that is not 0, after the padding has been set to 0."""
    kept = states.masked_fill(~_real(states, lengths), 0)
    full = (kept != 0).any(-1) * torch.arange(1, states.shape[1] + 1)
    return kept[torch.arange(len(states)), (full.amax(1) - 1).clamp(min=0)]


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
                {"outer": lambda f: lambda states, lengths: states[:, -1]},
                {"outer": lambda f: lambda states, lengths: states[:, -1] * (lengths > 0)[:, None]},
            ),
        ),
        Mistake(
            "same-place-for-all",
            "Every sample's state is taken at the same place. Each sample has a length of its own.",
            (
                {
                    "place": lambda states, lengths: (
                        (lengths.max().long() - 1).clamp(min=0).expand(len(lengths))
                    )
                },
                {"place": lambda states, lengths: (lengths[0].long() - 1).clamp(min=0).expand(len(lengths))},
                {"place": lambda states, lengths: (lengths[-1].long() - 1).clamp(min=0).expand(len(lengths))},
                {
                    "place": lambda states, lengths: (
                        (lengths.min().long() - 1).clamp(min=0).expand(len(lengths))
                    )
                },
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
            "zero-length-mishandled",
            "A sample of length 0 has read nothing, so it gets zeros. Its place would be −1: as an index that is the last place of the row, clamped to 0 it is the first, and `gather` refuses it.",
            (
                {"clear": lambda found, lengths: found},
                {"place": lambda states, lengths: lengths.long() - 1, "clear": lambda found, lengths: found},
                {
                    "place": lambda states, lengths: lengths.long() - 1,
                    "take": lambda states, at: states.gather(
                        1, at[:, None, None].expand(-1, 1, states.shape[2])
                    )[:, 0],
                },
                {"clear": lambda found, lengths: found * (lengths > 0)[:, None]},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0)[:, None], 1)},
                {"clear": lambda found, lengths: found.masked_fill((lengths == 0)[:, None], torch.nan)},
            ),
        ),
        Mistake(
            "mean-instead-of-last",
            "This is a mean or a sum over the tokens. One state is asked for: the one that the RNN was in after it had read the last real token.",
            (
                {"outer": lambda f: lambda states, lengths: states.mean(1)},
                {
                    "outer": lambda f: (
                        lambda states, lengths: (
                            states.masked_fill(~_real(states, lengths), 0).sum(1)
                            / lengths.clamp(min=1)[:, None]
                        )
                    )
                },
                {
                    "outer": lambda f: (
                        lambda states, lengths: states.masked_fill(~_real(states, lengths), 0).sum(1)
                    )
                },
                {"outer": lambda f: lambda states, lengths: states.sum(1)},
            ),
        ),
        Mistake(
            "maximum-instead-of-last",
            "This is the largest number that each unit reached. One state is asked for: the one after the last real token.",
            (
                {"outer": lambda f: lambda states, lengths: states.amax(1)},
                {
                    "outer": lambda f: (
                        lambda states, lengths: (
                            states.masked_fill(~_real(states, lengths), -torch.inf)
                            .amax(1)
                            .masked_fill((lengths == 0)[:, None], 0)
                        )
                    )
                },
            ),
        ),
        Mistake(
            "first-state",
            "This is the state after the first token. (A backward RNN ends there, a forward one begins there.)",
            (
                {"outer": lambda f: lambda states, lengths: states[:, 0]},
                {"place": lambda states, lengths: torch.zeros_like(lengths.long())},
            ),
        ),
        Mistake(
            "every-sample-with-every-length",
            "`states[:, lengths - 1]` takes all the places from every sample. Sample 0 goes with length 0, sample 1 with length 1: name both indices, torch.arange(B) and the place.",
            (
                {
                    "take": lambda states, at: states[:, at],
                    "clear": lambda found, lengths: found.masked_fill((lengths == 0)[:, None], 0),
                },
                {"take": lambda states, at: states[:, at], "clear": lambda found, lengths: found},
                {"take": lambda states, at: states.index_select(1, at)},
                {
                    "take": lambda states, at: states.index_select(1, at),
                    "clear": lambda found, lengths: found,
                },
            ),
        ),
        Mistake(
            "batch-axis-second",
            "The indices stand in the order (step, sample). The states are (B, S, H): the sample comes first.",
            ({"take": lambda states, at: states[at, torch.arange(len(states))]},),
        ),
        Mistake(
            "mixes-samples",
            "States stand in another sample's row, or come from another sample: row b must come from sample b alone. When you flatten (B, S, H), sample b begins at row b·S.",
            (
                {"take": lambda states, at: states[0, at]},
                {"take": lambda states, at: states.reshape(-1, states.shape[2])[at]},
                {
                    "take": lambda states, at: states.transpose(0, 1).reshape(-1, states.shape[2])[
                        torch.arange(len(at)) * states.shape[1] + at
                    ]
                },
                {
                    "take": lambda states, at: (
                        states.view(-1, len(at), states.shape[2])[at, torch.arange(len(at))]
                        if states.is_contiguous()
                        else states.reshape(-1, len(at), states.shape[2])[at, torch.arange(len(at))]
                    )
                },
                {"outer": lambda f: lambda states, lengths: f(states, lengths).flip(0)},
                {
                    "outer": lambda f: (
                        lambda states, lengths: (
                            f(states, lengths).mean(0, keepdim=True).expand(len(states), -1)
                        )
                    )
                },
                {"outer": lambda f: lambda states, lengths: f(states, lengths.flip(0))},
            ),
        ),
        Mistake(
            "rows-in-another-order",
            "The rows are right but stand in the order of the lengths. After packing a sorted batch, put the rows back into the order in which they came.",
            (
                {
                    "outer": lambda f: (
                        lambda states, lengths: f(states, lengths)[lengths.argsort(descending=True)]
                    )
                },
                {"outer": lambda f: lambda states, lengths: f(states, lengths)[lengths.argsort()]},
                {"outer": lambda f: lambda states, lengths: f(states, lengths.sort(descending=True).values)},
            ),
        ),
        Mistake(
            "padding-leaks",
            "The padding is multiplied by 0 and added up with the rest. 0 times NaN is NaN, in the gradient too: pick the state by its index, or set the padding to 0 with masked_fill or torch.where before the sum.",
            (
                {"take": lambda states, at: (states * _one_hot(states, at)).sum(1)},
                {"take": lambda states, at: torch.einsum("bs,bsh->bh", _one_hot(states, at)[..., 0], states)},
                {"take": lambda states, at: (_one_hot(states, at).transpose(1, 2) @ states)[:, 0]},
            ),
        ),
        Mistake(
            "length-guessed-from-the-states",
            "The last state that is not 0 is taken. A real state may be all 0: only the lengths tell where a sample ends.",
            (
                {"outer": lambda f: _found_by_content},
                {
                    "outer": lambda f: (
                        lambda states, lengths: f(
                            states, ((states != 0).any(-1) * torch.arange(1, states.shape[1] + 1)).amax(1)
                        )
                    )
                },
            ),
        ),
        Mistake(
            "first-feature-only",
            "Only one number of each state comes back. `gather` gives as many as its index has: expand the index over H.",
            (
                {"take": lambda states, at: states.gather(1, at[:, None, None])[:, 0]},
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
                {
                    "take": lambda states, at: states[
                        torch.arange(len(at)), :, at.clamp(max=states.shape[2] - 1)
                    ]
                },
                {"take": lambda states, at: states[torch.arange(len(at)), :, at]},
            ),
        ),
        Mistake(
            "lengths-must-be-int64",
            "Some operations take int64 alone, `take_along_dim` and `one_hot` among them, and lengths of int32 raise an error there. `.long()` makes them int64.",
            (
                {
                    "place": lambda states, lengths: (lengths - 1).clamp(min=0),
                    "take": lambda states, at: states.take_along_dim(at[:, None, None], 1)[:, 0],
                },
                {
                    "place": lambda states, lengths: (lengths - 1).clamp(min=0),
                    "take": lambda states, at: states.masked_fill(~_one_hot(states, at).bool(), 0).sum(1),
                },
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            (
                *CHANGES_ITS_INPUT.variants,
                {"outer": lambda f: _lengths_in_place},
                {"outer": lambda f: _padding_in_place},
            ),
            recognise=wrote_to_input,
        ),
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
    log_probs = log_probs or (lambda logits: torch.log_softmax(logits, -1))
    pick = pick or (lambda found, targets: -found.gather(-1, targets[..., None])[..., 0])
    average = average or (lambda each, mask: each.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1))
    return wrapped(outer, lambda logits, targets, mask: average(pick(log_probs(logits), targets), mask))


def _targets(draw: Draw, batch: int, steps: int, vocab: int) -> Tensor:
    return draw.whole(batch, steps, low=0, high=vocab - 1, dtype=torch.int64)


def _loss_case(
    draw: Draw,
    fill: Callable[..., Tensor],
    batch: int,
    steps: int,
    vocab: int,
    mask: Tensor | None = None,
    gradient: bool = False,
) -> Case:
    """Two steps or more: as many different lengths as there is room for, so that the ways of averaging differ."""
    if mask is None:
        mask = draw.prefix_mask(batch, steps)
    args = fill(batch, steps, vocab), _targets(draw, batch, steps, vocab), mask
    return ask(*args, cotangents=(fill(),) if gradient else None)


def _all(batch: int, steps: int) -> Tensor:
    return torch.ones(batch, steps, dtype=torch.bool)


def _loss_shapes(draw: Draw) -> Iterator[Case]:
    yield _loss_case(draw, draw.normal, *draw.distinct(3, 2, 6))
    yield _loss_case(draw, draw.normal, 1, 3, 2)
    yield _loss_case(draw, draw.normal, 3, 1, 2, _all(3, 1))
    yield _loss_case(draw, draw.normal, 2, 3, 1)
    yield _loss_case(draw, draw.normal, 1, 1, 1, _all(1, 1))


def _loss_values(draw: Draw) -> Iterator[Case]:
    # Two tokens, equally likely: ln 2. Then one that is e times as likely as the other.
    yield ask(torch.tensor([[[2.0, 2.0]]]), torch.tensor([[1]]), _all(1, 1))
    yield ask(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0]]), _all(1, 1))
    yield ask(torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]), torch.tensor([[0, 1]]), _all(1, 2))
    yield ask(
        torch.tensor([[[1.0, 0.0], [3.0, -1.0]]]), torch.tensor([[1, 1]]), torch.tensor([[True, False]])
    )
    yield ask(
        torch.tensor([[[1.0, 0.0, 2.0], [3.0, -1.0, 0.0]], [[0.0, 2.0, -1.0], [1.0, 3.0, 0.0]]]),
        torch.tensor([[2, 1], [0, 0]]),
        torch.tensor([[True, True], [True, False]]),
    )
    for _ in range(2):
        yield _loss_case(draw, draw.normal, *draw.distinct(3, 3, 7))
    yield _loss_case(draw, draw.normal, 2, 3, 3, _all(2, 3))
    yield _loss_case(draw, draw.normal, 3, 3, 3)
    yield _loss_case(draw, draw.normal, 3, 5, 4, torch.arange(5) < torch.tensor([[5], [1], [2]]))
    yield _loss_case(draw, draw.normal, 2, 5, 4, draw.scattered_mask(2, 5))
    # Token 0 may be a real target.
    yield ask(
        draw.normal(2, 3, 4), torch.tensor([[0, 2, 3], [1, 0, 3]]), torch.tensor([[True, True, False]] * 2)
    )
    yield _loss_case(draw, draw.normal, 4, 1, 3, _all(4, 1))


def _loss_padding(draw: Draw) -> Iterator[Case]:
    yield ask(
        torch.tensor([[[0.0, 1.0], [0.0, 10000.0]]]), torch.tensor([[0, 0]]), torch.tensor([[True, False]])
    )
    logits, targets, mask = (
        draw.normal(2, 5, 3),
        _targets(draw, 2, 5, 3),
        torch.arange(5) < torch.tensor([[3], [2]]),
    )
    yield ask(logits.masked_fill(~mask[..., None], -1e4), targets, mask)
    yield ask(logits[:, :3], targets[:, :3], mask[:, :3])
    yield ask(torch.cat([logits, 1e4 * draw.whole(2, 4, 3)], 1), F.pad(targets, (0, 4)), F.pad(mask, (0, 4)))
    yield ask(logits, targets.masked_fill(~mask, 2), mask)


def _loss_empty(draw: Draw) -> Iterator[Case]:
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    yield ask(
        torch.tensor([[[1.0, 0.0], [2.0, 3.0]]]),
        torch.tensor([[0, 1]]),
        nothing,
        cotangents=(torch.tensor(2.0),),
    )
    yield _loss_case(draw, draw.normal, 2, 3, 4, torch.zeros(2, 3, dtype=torch.bool), gradient=True)
    # One sample without real tokens does not disturb the others.
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _loss_case(draw, draw.normal, 3, 4, 2, mask, gradient=True)


def _loss_gradients(draw: Draw) -> Iterator[Case]:
    yield ask(
        torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]),
        torch.tensor([[1, 0]]),
        torch.tensor([[True, False]]),
        cotangents=(torch.tensor(1.0),),
    )
    yield _loss_case(draw, draw.normal, *draw.distinct(3, 2, 6), gradient=True)
    yield _loss_case(
        draw, draw.normal, 3, 5, 4, torch.arange(5) < torch.tensor([[5], [1], [2]]), gradient=True
    )


def _loss_large(draw: Draw) -> Iterator[Case]:
    one = torch.tensor(1.0)
    yield ask(torch.tensor([[[10000.0, 0.0]]]), torch.tensor([[1]]), _all(1, 1), cotangents=(one,))
    yield ask(torch.tensor([[[10000.0, -10000.0, 0.0]]]), torch.tensor([[0]]), _all(1, 1), cotangents=(one,))
    yield ask(torch.tensor([[[60.0, 0.0, 10.0]]]), torch.tensor([[1]]), _all(1, 1), cotangents=(one,))
    yield _loss_case(draw, lambda *shape: 1e4 * draw.whole(*shape, low=-1, high=1), 2, 3, 4)
    yield ask(draw.normal(2, 3, 4) - 1e4, _targets(draw, 2, 3, 4), draw.prefix_mask(2, 3))


def _loss_robust(draw: Draw) -> Iterator[Case]:
    yield _loss_case(draw, draw.nonzero, 2, 3, 2)
    yield ask(
        *(draw.strided(a) for a in (draw.normal(3, 4, 2), _targets(draw, 3, 4, 2), draw.prefix_mask(3, 4)))
    )
    yield _loss_case(draw, lambda *shape: draw.normal(*shape, dtype=torch.float64), 2, 4, 3)
    yield _loss_case(draw, draw.quarters, 2, 3, 4)
    again, alike = (
        Call((draw.normal(2, 3, 4), _targets(draw, 2, 3, 4), draw.prefix_mask(2, 3))) for _ in range(2)
    )
    other = Call((draw.normal(3, 5, 2), _targets(draw, 3, 5, 2), draw.prefix_mask(3, 5)))
    yield Case((again, alike, other, again))


def _losses(loss_of: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Callable]:
    """A mistake in the loss of each token, (B, T), with the right mean over them."""

    def outer(f):
        def answer(logits, targets, mask):
            return loss_of(logits, targets).masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)

        return answer

    return {"outer": outer}


def _shifted_once_more(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    each = -torch.log_softmax(logits[:, :-1], -1).gather(-1, targets[:, 1:, None])[..., 0]
    return each.masked_fill(~mask[:, 1:], 0).sum() / mask[:, 1:].sum().clamp(min=1)


def _mean_of_means(each: Tensor, mask: Tensor) -> Tensor:
    return (each.masked_fill(~mask, 0).sum(1) / mask.sum(1).clamp(min=1)).mean()


def _mean_of_real_means(each: Tensor, mask: Tensor) -> Tensor:
    """The same, but samples without real tokens do not count."""
    return (each.masked_fill(~mask, 0).sum(1) / mask.sum(1).clamp(min=1)).sum() / mask.any(1).sum().clamp(
        min=1
    )


def _mean_by_steps(each: Tensor, mask: Tensor) -> Tensor:
    return (each.masked_fill(~mask, 0).sum(0) / mask.sum(0).clamp(min=1)).mean()


def _one_hot_targets(logits: Tensor, targets: Tensor) -> Tensor:
    return F.one_hot(targets, logits.shape[-1]).to(logits.dtype)


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
            "It works in float64 and bfloat16, on any memory layout, and leaves its inputs as they were",
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
            ),
        ),
        Mistake(
            "mean-over-padded-length",
            "The sum leaves the padding out, but it is divided by B·T, all the places. Divide by the number of real tokens.",
            (
                {"average": lambda each, mask: each.masked_fill(~mask, 0).mean()},
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum() / mask.shape[1]},
            ),
        ),
        Mistake(
            "divided-by-the-batch",
            "The sum is divided by the number of samples, so that long sequences weigh more in it and the loss grows with their length. Divide by the number of real tokens.",
            (
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum() / len(mask)},
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum(1).mean()},
                {
                    "average": lambda each, mask: (
                        each.masked_fill(~mask, 0).sum() / mask.any(1).sum().clamp(min=1)
                    )
                },
            ),
        ),
        Mistake(
            "mean-of-means",
            "Each sequence was averaged first, and then the sequences: a token of a short sequence counts more than one of a long sequence. The mean is over all the real tokens of the batch together.",
            ({"average": _mean_of_means}, {"average": _mean_of_real_means}, {"average": _mean_by_steps}),
        ),
        Mistake(
            "sum-instead-of-mean",
            "This is the sum over the real tokens. Divide it by how many there are.",
            ({"average": lambda each, mask: each.masked_fill(~mask, 0).sum()},),
        ),
        Mistake(
            "not-reduced",
            "A loss for each token, or for each sample, comes back. The mean over the batch is one number.",
            (
                {"average": lambda each, mask: each},
                {"average": lambda each, mask: each.masked_fill(~mask, 0)},
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum(1) / mask.sum(1).clamp(min=1)},
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum(1)},
                {"average": lambda each, mask: each[mask]},
            ),
        ),
        Mistake(
            "mask-inverted",
            "This averages over the padding and leaves the real tokens out. True in the mask means a real token.",
            (
                {"average": lambda each, mask: each.masked_fill(mask, 0).sum() / (~mask).sum().clamp(min=1)},
                {"average": lambda each, mask: each.masked_fill(mask, 0).sum() / mask.sum().clamp(min=1)},
            ),
        ),
        Mistake(
            "nan-on-empty-batch",
            "A batch without any real token gives 0/0, which is NaN, in the gradient too. Decide what to divide by when there is nothing to count.",
            (
                {"average": lambda each, mask: each.masked_fill(~mask, 0).sum() / mask.sum()},
                {"average": lambda each, mask: each[mask].mean()},
            ),
        ),
        Mistake(
            "epsilon-too-large",
            "The number added to the count to avoid dividing by 0 changes every other loss. Guard the empty batch without touching the rest.",
            tuple(
                {"average": lambda each, mask, e=e: each.masked_fill(~mask, 0).sum() / (mask.sum() + e)}
                for e in (1, 1e-1, 1e-2, 1e-3)
            ),
        ),
        Mistake(
            "masks-the-logits",
            "The logits at the padding were set to 0, and then these places were counted: equal logits are no certainty, each of them adds ln V. Leave the places out of the sum and of the count.",
            (
                {
                    "outer": lambda f: (
                        lambda logits, targets, mask: f(
                            logits * mask[..., None], targets, torch.ones_like(mask)
                        )
                    )
                },
                {
                    "outer": lambda f: (
                        lambda logits, targets, mask: f(
                            logits.masked_fill(~mask[..., None], 0),
                            targets.masked_fill(~mask, 0),
                            torch.ones_like(mask),
                        )
                    )
                },
                {
                    "outer": lambda f: (
                        lambda logits, targets, mask: (
                            f(logits * mask[..., None], targets, torch.ones_like(mask))
                            * mask.numel()
                            / mask.sum().clamp(min=1)
                        )
                    )
                },
            ),
        ),
        Mistake(
            "pad-number-instead-of-mask",
            "Targets with the number 0 were left out, and the mask was not used. The mask alone says which tokens are real: in this batch 0 may be a token, and padding may hold another number.",
            (
                {
                    "outer": lambda f: (
                        lambda logits, targets, mask: F.cross_entropy(
                            logits.reshape(-1, logits.shape[2]), targets.reshape(-1), ignore_index=0
                        )
                    )
                },
                {"outer": lambda f: lambda logits, targets, mask: f(logits, targets, targets != 0)},
                {"outer": lambda f: lambda logits, targets, mask: f(logits, targets, mask & (targets != 0))},
            ),
        ),
        Mistake(
            "mask-read-as-lengths",
            "The mask is turned into lengths, so that holes in it move to the end. Use the mask as it is.",
            (
                {
                    "outer": lambda f: (
                        lambda logits, targets, mask: f(
                            logits, targets, torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)
                        )
                    )
                },
            ),
        ),
        Mistake(
            "softmax-twice",
            "A softmax was applied before the cross-entropy, which has one of its own. All probabilities lie between 0 and 1, so the second softmax makes them nearly equal: even a perfect model then seems to guess.",
            (
                {"log_probs": lambda logits: torch.log_softmax(torch.softmax(logits, -1), -1)},
                {
                    "log_probs": lambda logits: torch.softmax(torch.log_softmax(logits, -1), -1).log_softmax(
                        -1
                    )
                },
                {"log_probs": lambda logits: torch.log(torch.softmax(torch.softmax(logits, -1), -1))},
            ),
        ),
        Mistake(
            "log-missing",
            "This is a mean of probabilities: the logarithm is missing. A token of probability p costs −ln p.",
            (
                {"log_probs": lambda logits: torch.softmax(logits, -1)},
                {"pick": lambda found, targets: found.exp().gather(-1, targets[..., None])[..., 0]},
                {"pick": lambda found, targets: 1 - found.exp().gather(-1, targets[..., None])[..., 0]},
            ),
        ),
        Mistake(
            "softmax-missing",
            "The logits were taken for log-probabilities: the softmax is missing. Logits may be any numbers, and adding the same number to all of them must not change the loss.",
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
                _losses(lambda logits, targets: F.cross_entropy(logits, targets, reduction="none")),
                {"outer": lambda f: lambda logits, targets, mask: F.cross_entropy(logits, targets)},
                _losses(
                    lambda logits, targets: (
                        F.cross_entropy(logits, targets, reduction="none")
                        if logits.shape[1] == logits.shape[2]
                        else F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
                    )
                ),
                {"log_probs": lambda logits: torch.log_softmax(logits.flatten(1), -1).view(logits.shape)},
                {"log_probs": lambda logits: torch.log_softmax(logits.flatten(0, 1), 0).view(logits.shape)},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "`view` or `reshape` made (B, V, T) out of (B, T, V) for cross_entropy. It cuts the same row of numbers anew and does not exchange axes: use transpose(1, 2), or flatten samples and steps together.",
            (
                _losses(
                    lambda logits, targets: F.cross_entropy(
                        logits.reshape(len(logits), logits.shape[2], logits.shape[1]),
                        targets,
                        reduction="none",
                    )
                ),
                _losses(
                    lambda logits, targets: F.cross_entropy(
                        logits.reshape(-1, logits.shape[2]), targets.T.reshape(-1), reduction="none"
                    ).view(targets.shape)
                ),
                _losses(
                    lambda logits, targets: F.cross_entropy(
                        logits.transpose(0, 1).reshape(-1, logits.shape[2]),
                        targets.reshape(-1),
                        reduction="none",
                    ).view(targets.shape)
                ),
            ),
        ),
        Mistake(
            "shifted-once-more",
            "Logits and targets were shifted against each other. They belong together as they come: the inputs were shifted before the model, so the logits at step i already speak of target i.",
            (
                {"outer": lambda f: _shifted_once_more},
                {"outer": lambda f: lambda logits, targets, mask: f(logits.roll(1, 1), targets, mask)},
                {"outer": lambda f: lambda logits, targets, mask: f(logits, targets.roll(1, 1), mask)},
                {"outer": lambda f: lambda logits, targets, mask: f(logits, targets.roll(-1, 1), mask)},
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
            ({"outer": lambda f: lambda *a: torch.exp(f(*a))},),
        ),
        Mistake(
            "naive-log",
            "The logarithm is taken of a finished softmax. An unlikely token's probability is rounded to 0 first, and its logarithm is infinite, or cut off by the number that was added. log_softmax takes both steps at once.",
            (
                {"log_probs": lambda logits: torch.log(torch.softmax(logits, -1))},
                *(
                    {"log_probs": lambda logits, e=e: torch.log(torch.softmax(logits, -1) + e)}
                    for e in (1e-12, 1e-9, 1e-8, 1e-10)
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
            "another-loss",
            "This is another loss, binary cross-entropy, a squared error or one with label smoothing. Asked for is −ln of the probability that the softmax gives to the target.",
            (
                _losses(
                    lambda logits, targets: F.binary_cross_entropy_with_logits(
                        logits, _one_hot_targets(logits, targets), reduction="none"
                    ).mean(-1)
                ),
                _losses(
                    lambda logits, targets: F.binary_cross_entropy_with_logits(
                        logits, _one_hot_targets(logits, targets), reduction="none"
                    ).sum(-1)
                ),
                _losses(
                    lambda logits, targets: (
                        (torch.softmax(logits, -1) - _one_hot_targets(logits, targets)).square().sum(-1)
                    )
                ),
                _losses(
                    lambda logits, targets: (
                        (torch.softmax(logits, -1) - _one_hot_targets(logits, targets)).square().mean(-1)
                    )
                ),
                _losses(
                    lambda logits, targets: F.cross_entropy(
                        logits.transpose(1, 2), targets, reduction="none", label_smoothing=0.1
                    )
                ),
            ),
        ),
        Mistake(
            "mean-over-the-vocabulary",
            "The loss of a token was averaged over the vocabulary too: it is divided by V as well.",
            (
                {"pick": lambda found, targets: -found.mean(-1)},
                {"pick": lambda found, targets: -(found * F.one_hot(targets, found.shape[-1])).mean(-1)},
            ),
        ),
        *without(ANY_FUNCTION, "bare-squeeze"),
    ),
    hints=(
        "Take one token first: softmax turns its V logits into probabilities, and the token costs −ln of the one that its target got. Three equal logits cost ln 3 = 1.0986, whatever the target is.",
        'log_softmax over the last axis gives all logarithms at once, and gather with the targets (B, T, 1) picks one for each token. Or let F.cross_entropy do both, with reduction="none": mind which axis it takes for the classes.',
        "Then you have (B, T) numbers. Set those at the padding to 0, add up the rest, and divide by the number of real tokens of the whole batch.",
        "A batch with no real token would divide 0 by 0. A count that is at least 1 does not.",
    ),
)

# ---- greedy_decode


def _right_pack(written: list[Tensor], first: Tensor, eos: int, max_len: int) -> Tensor:
    rest = torch.full_like(first, eos)
    return torch.stack([*written, *[rest] * (max_len - len(written))], 1)


def _build_greedy_decode(
    begin=None,
    put=None,
    carry=None,
    choose=None,
    fill=None,
    note=None,
    feed=None,
    halt=None,
    steps=None,
    pack=None,
    outer=None,
):
    """A decoder in pieces, all right where none is given.

    `begin(first)` goes in at first; `put(step, tokens, state)` takes the step; `carry(given, old, new)` is
    the next state; `choose(logits, i)` the tokens; `fill(tokens, ended, eos)` what is written for samples
    that have ended; `note(ended, tokens, eos, i)` which have ended now; `feed(first, tokens)` goes in next;
    `halt(ended)` says whether to stop; `steps(max_len)` how many there are; `pack` makes the result.
    """
    begin = begin or (lambda first: first)
    put = put or (lambda step, tokens, state: step(tokens, state))
    carry = carry or (lambda given, old, new: new)
    choose = choose or (lambda logits, i: logits.argmax(-1))
    fill = fill or (lambda tokens, ended, eos: tokens.masked_fill(ended, eos))
    note = note or (lambda ended, tokens, eos, i: ended | (tokens == eos))
    feed = feed or (lambda first, tokens: tokens)
    halt = halt or (lambda ended: bool(ended.all()))
    steps = steps or (lambda max_len: max_len)
    pack = pack or _right_pack

    def decode(step, state, first, eos, max_len):
        given, tokens, ended, written = state, begin(first), torch.zeros_like(first, dtype=torch.bool), []
        for i in range(steps(max_len)):
            logits, new = put(step, tokens, state)
            state = carry(given, state, new)
            chosen = choose(logits, i)
            written.append(fill(chosen, ended, eos))
            ended = note(ended, chosen, eos, i)
            if halt(ended):
                break
            tokens = feed(first, chosen)
        return pack(written, first, eos, max_len)

    return wrapped(outer, decode)


class _Walk:
    """What a step writes when nobody looks for eos: tokens (B, T), and how clear each choice was."""

    def __init__(self, step: Callable, state: Tensor, first: Tensor, steps: int):
        self.step, self.state, self.first, self.steps = step, state, first, steps
        self.tokens, self.gap = self._take()

    def _take(self, carry: bool = True, feed: bool = True) -> tuple[Tensor, float]:
        tokens, state, written, gap = self.first, self.state, [], float("inf")
        for _ in range(self.steps):
            logits, new = self.step(tokens, state)
            best = logits.topk(2, -1)
            gap = min(gap, float((best.values[:, 0] - best.values[:, 1]).min()))
            written.append(best.indices[:, 0])
            state = new if carry else state
            tokens = written[-1] if feed else tokens
        return torch.stack(written, 1), gap

    def leans_on(self, **left_out: bool) -> bool:
        """Whether every sample goes another way when the state is not carried, or the tokens not fed back."""
        return bool((self._take(**left_out)[0] != self.tokens).any(1).all())

    def ends(self, eos: int) -> tuple[int | None, ...]:
        """Where each sample first writes eos."""
        return tuple(row.index(eos) if eos in row else None for row in self.tokens.tolist())


def _decoding(draw: Draw, vocab: int, steps: int, ends: tuple[int | None, ...], rows: int = 1) -> Call:
    """A call with a table of whole numbers. Sample b writes its first eos at step ends[b] (None: never) and
    would write other tokens after it.

    Where no sample ends, each depends on the tokens being fed back and, with several rows, on the state.
    """
    batch = len(ends)
    while True:
        best = draw.whole(rows, vocab, low=0, high=vocab - 1, dtype=torch.int64).tolist()
        other = iter(draw.whole(batch * steps, low=1, high=vocab - 1, dtype=torch.int64).tolist())
        eos, *first = draw.whole(1 + batch, low=0, high=vocab - 1, dtype=torch.int64).tolist()
        first = [(eos + next(other)) % vocab if y == eos else y for y in first]
        state = draw.whole(batch, low=0, high=rows - 1, dtype=torch.int64)
        used: set[tuple[int, int]] = set()
        good = True
        for y, n, end in zip(first, state.tolist(), ends, strict=True):
            for i in range(steps):
                place = ((n + i) % rows, y)
                wrong = (best[place[0]][y] == eos) != (i == end)
                if wrong and place not in used:
                    best[place[0]][y] = eos if i == end else (eos + next(other, 1)) % vocab
                    wrong = False
                good = good and not wrong
                used.add(place)
                y = best[place[0]][y]
        if good:
            starts = list(zip(state.tolist(), first, strict=True))
            if (
                any(end is not None for end in ends)
                or steps == 1
                or all(
                    _path(best, *start, steps) != _path(best, *start, steps, **left_out)
                    for start in starts
                    for left_out in ({"feed": False}, {"carry": False})[: min(rows, 2)]
                )
            ):
                table = Callback("table", {"logits": _with_winners(draw, torch.tensor(best))})
                return Call((table, state, torch.tensor(first), eos, steps))


def _path(
    best: list[list[int]], state: int, token: int, steps: int, carry: bool = True, feed: bool = True
) -> list[int]:
    """The tokens that a table writes when nobody looks for eos."""
    written, given = [], token
    for i in range(steps):
        written.append(best[(state + i * carry) % len(best)][given])
        given = written[-1] if feed else token
    return written


def _with_winners(draw: Draw, best: Tensor) -> Tensor:
    """Logits (rows, V, V) of whole numbers without ties, largest where `best` says."""
    vocab = best.shape[1]
    ranks = draw.apart(*best.shape, vocab, gap=1.0).round()
    largest = ranks.argmax(-1, keepdim=True)
    kept, top = ranks.gather(-1, best[..., None]), ranks.gather(-1, largest)
    ranks = ranks.scatter(-1, largest, kept).scatter(-1, best[..., None], top)
    # Each row's largest is another number, so that no row can be taken for another.
    return ranks + draw.whole(*best.shape, 1, low=-1, high=2)


def _recurrent(draw: Draw, vocab: int, size: int, steps: int, ends: tuple[int | None, ...]) -> Call:
    """The same with a step that has a state of `size` numbers."""
    shapes = {"E": (vocab, size), "W_h": (size, size), "W_o": (vocab, size)}
    while True:
        callback = Callback("recurrent step", {name: 1.5 * draw.normal(*s) for name, s in shapes.items()})
        state = draw.normal(len(ends), size)
        first = draw.whole(len(ends), low=0, high=vocab - 1, dtype=torch.int64)
        walk = _Walk(make(callback, callback.tensors), state, first, steps)
        # A choice that is nearly a tie may come out otherwise in another precision.
        open_ended = all(end is None for end in ends)
        if walk.gap < 0.05 or (open_ended and not (walk.leans_on(carry=False) and walk.leans_on(feed=False))):
            continue
        for eos in range(vocab):
            if eos not in first.tolist() and walk.ends(eos) == ends:
                return Call((callback, state, first, eos, steps))


def _greedy_shapes(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 4, 3, (None, None), rows=2),))
    yield Case((_decoding(draw, 5, 4, (1, 0, 2), rows=3),))
    yield Case((_decoding(draw, 5, 1, (None, None, 0)),))


def _greedy_values(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 3, (None,)),))
    yield Case((_decoding(draw, 3, 3, (None,), rows=2),))
    yield Case((_decoding(draw, 4, 4, (None,) * 2, rows=3),))
    yield Case((_decoding(draw, 7, 5, (None,) * 3, rows=5),))
    yield Case((_decoding(draw, 9, 6, (None,) * 4, rows=7),))
    yield Case((_recurrent(draw, 6, 3, 4, (None,) * 2),))


def _greedy_ends(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 4, (1,)),))
    yield Case((_decoding(draw, 3, 3, (0,)),))
    yield Case((_decoding(draw, 4, 4, (1, None), rows=2),))
    yield Case((_decoding(draw, 4, 4, (None, 1), rows=2),))
    yield Case((_decoding(draw, 5, 5, (2, 0, None), rows=3),))
    yield Case((_decoding(draw, 4, 6, (0, 2), rows=2),))
    yield Case((_decoding(draw, 7, 5, (None, 3, 1), rows=4),))


def _greedy_sizes(draw: Draw) -> Iterator[Case]:
    yield Case((_decoding(draw, 3, 1, (None, 0, None, None), rows=2),))
    yield Case((_decoding(draw, 3, 3, (None,) * 3, rows=3),))
    yield Case((_decoding(draw, 4, 4, (None,) * 4, rows=3),))
    yield Case((_decoding(draw, 5, 4, (2,), rows=3),))
    yield Case((_decoding(draw, 4, 1, (None,)),))


def _greedy_robust(draw: Draw) -> Iterator[Case]:
    yield Case((_recurrent(draw, 6, 4, 5, (None,) * 3),))
    yield Case((_recurrent(draw, 5, 4, 4, (1, None)),))
    # All logits far below 0, and far above it.
    for shift in (-1e4, 1e4):
        step, *others = _decoding(draw, 4, 3, (None,) * 2, rows=2).args
        yield ask(Callback("table", {"logits": 10 * step.tensors["logits"] + shift}), *others)
    step, state, first, eos, steps = _decoding(draw, 5, 4, (None,) * 3, rows=2).args
    yield ask(step, draw.strided(state), draw.strided(first), eos, steps)
    again, alike = (_decoding(draw, 5, 4, (None,) * 2, rows=3) for _ in range(2))
    yield Case((again, alike, _decoding(draw, 4, 3, (None,) * 3, rows=2), again))


def _step_twice(step, tokens, state):
    _, state = step(tokens, state)
    return step(tokens, state)


def _fed_in_place(step, state, first, eos, max_len):
    written, ended = [], torch.zeros_like(first, dtype=torch.bool)
    for _ in range(max_len):
        logits, state = step(first, state)
        chosen = logits.argmax(-1)
        written.append(chosen.masked_fill(ended, eos))
        ended = ended | (chosen == eos)
        first.copy_(chosen)
    return torch.stack(written, 1)


def _state_in_place(step, state, first, eos, max_len):
    written, ended, tokens = [], torch.zeros_like(first, dtype=torch.bool), first
    for _ in range(max_len):
        logits, new = step(tokens, state)
        state.copy_(new)
        tokens = logits.argmax(-1)
        written.append(tokens.masked_fill(ended, eos))
        ended = ended | (tokens == eos)
    return torch.stack(written, 1)


def _one_list(step, state, first, eos, max_len):
    """Every entry of `written` is the same tensor, overwritten at each step."""
    written, tokens = [], first.clone()
    for _ in range(max_len):
        logits, state = step(tokens, state)
        tokens.copy_(logits.argmax(-1))
        written.append(tokens)
    return torch.stack(written, 1)


def _grows(step, state, first, eos, max_len):
    """Feeds all that was written so far, (B, t), as models without a state are fed."""
    written = first[:, None]
    for _ in range(max_len):
        logits, state = step(written, state)
        written = torch.cat([written, logits.argmax(-1)[:, None]], 1)
    return written[:, 1:]


def _cut_after_the_last(f: Callable) -> Callable:
    """The result ends where the last sample has ended."""

    def answer(step, state, first, eos, max_len):
        result = f(step, state, first, eos, max_len)
        ends = [row.index(eos) + 1 if eos in row else max_len for row in result.tolist()]
        return result[:, : max(ends)]

    return answer


def _only_after_first(f: Callable) -> Callable:
    """Takes the first step's eos for an accident, and goes on."""

    def choose(logits, i):
        return logits.argmax(-1)

    return _build_greedy_decode(
        choose=choose, note=lambda ended, tokens, eos, i: ended | ((tokens == eos) & (i > 0))
    )


def _forbids_eos_first(f: Callable) -> Callable:
    def answer(step, state, first, eos, max_len):
        def choose(logits, i):
            if i > 0:
                return logits.argmax(-1)
            logits = logits.clone()
            logits[:, eos] = -torch.inf
            return logits.argmax(-1)

        return _build_greedy_decode(choose=choose)(step, state, first, eos, max_len)

    return answer


def _never_eos(f: Callable) -> Callable:
    def answer(step, state, first, eos, max_len):
        def choose(logits, i):
            logits = logits.clone()
            logits[:, eos] = -torch.inf
            return logits.argmax(-1)

        return _build_greedy_decode(choose=choose)(step, state, first, eos, max_len)

    return answer


def _after_first_eos(change: Callable[[Tensor, Tensor, int], Tensor]) -> dict[str, Callable]:
    """Change the finished result; `change(result, is_eos, eos)`."""
    return {
        "outer": lambda f: lambda *args: (lambda result: change(result, result == args[3], args[3]))(f(*args))
    }


def _late(step, state, first, eos, max_len):
    """Looks for eos in what went in, not in what came out."""
    tokens, ended, written = first, torch.zeros_like(first, dtype=torch.bool), []
    for _ in range(max_len):
        logits, state = step(tokens, state)
        chosen = logits.argmax(-1)
        written.append(chosen.masked_fill(ended, eos))
        ended = ended | (tokens == eos)
        tokens = chosen
    return torch.stack(written, 1)


def _step_refused(failed: list[Tried]) -> set[int]:
    """The step was called with something that does not fit: its own sentence says so."""
    return {
        i
        for i, t in enumerate(failed)
        if isinstance(t.outcome.raised, Raised) and t.outcome.raised.message.startswith("step's tokens must")
    }


GREEDY_DECODE = Exercise(
    name="greedy_decode",
    lesson=LESSON,
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
        Check("It works for a single step, for one sample, and for equal sizes", 0.5, _greedy_sizes),
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
            "token-not-fed-back",
            "Each step is given the same token. What comes out at one step goes in at the next: that is what autoregressive means.",
            ({"feed": lambda first, tokens: first},),
        ),
        Mistake(
            "first-in-the-result",
            "The result begins with the token that went in first. Collect what comes out of each step, not what goes in.",
            (
                {
                    "pack": lambda written, first, eos, n: torch.cat(
                        [first[:, None], _right_pack(written, first, eos, n)], 1
                    )
                },
                {
                    "pack": lambda written, first, eos, n: torch.cat(
                        [first[:, None], _right_pack(written, first, eos, n)], 1
                    )[:, :-1]
                },
            ),
        ),
        Mistake(
            "first-ignored",
            "The first tokens are not those that were given: another number, or one sample's token, goes in at the first step. `first` (B,) holds a token for each sample.",
            (
                {"begin": lambda first: torch.ones_like(first)},
                {"begin": lambda first: torch.zeros_like(first)},
                {"begin": lambda first: first[:1].expand_as(first)},
                {"begin": lambda first: first[-1:].expand_as(first)},
                {"begin": lambda first: torch.full_like(first, EOS)},
            ),
        ),
        Mistake(
            "mixes-samples",
            "The samples are mixed up: one sample's state or token is used for another, or the rows have changed places. Row b must come from sample b alone.",
            (
                {"outer": lambda f: lambda step, state, *a: f(step, state[:1].expand_as(state), *a)},
                {"outer": lambda f: lambda step, state, *a: f(step, state.flip(0), *a)},
                {"carry": lambda given, old, new: new[:1].expand_as(new)},
                {"feed": lambda first, tokens: tokens[:1].expand_as(tokens)},
                {"outer": lambda f: lambda *a: f(*a).flip(0)},
                {"outer": lambda f: lambda *a: f(*a)[:1].expand(len(a[2]), -1)},
            ),
        ),
        Mistake(
            "wrong-axis",
            "argmax runs over the samples, or over all the logits at once. The logits of a step are (B, V): each sample chooses among its own V tokens.",
            (
                {"choose": lambda logits, i: logits.argmax(0)},
                {"choose": lambda logits, i: logits.argmax().expand(len(logits))},
                {
                    "choose": lambda logits, i: (
                        logits.argmax(0) if logits.shape[0] == logits.shape[1] else logits.argmax(1)
                    )
                },
                {"choose": lambda logits, i: (logits.argmax() % logits.shape[1]).expand(len(logits))},
            ),
        ),
        Mistake(
            "not-the-likeliest",
            "The tokens are not the ones with the largest logits. Greedy means: at each step the largest.",
            (
                {"choose": lambda logits, i: logits.argmin(-1)},
                {"choose": lambda logits, i: logits.topk(2, -1).indices[:, 1]},
                {"choose": lambda logits, i: logits.abs().argmax(-1)},
                {"choose": lambda logits, i: logits[:, 1:].argmax(-1) + 1},
            ),
        ),
        Mistake(
            "samples-a-token",
            "The tokens are drawn at random from the softmax, so that the same call may give another result. Greedy decoding takes the likeliest one.",
            ({"choose": lambda logits, i: torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]},),
            recognise=random_everywhere,
        ),
        Mistake(
            "goes-on-after-eos",
            "The row goes on after its first eos with whatever the step writes next. It has ended: from there on it holds eos, whatever comes out.",
            ({"fill": lambda tokens, ended, eos: tokens},),
        ),
        Mistake(
            "end-forgotten",
            "A sample is held back for a single step after its eos, and then goes on writing. Remember for each sample that it has ended: once ended, always ended.",
            (
                {"note": lambda ended, tokens, eos, i: tokens == eos, "halt": lambda ended: False},
                {"note": lambda ended, tokens, eos, i: tokens == eos},
            ),
        ),
        Mistake(
            "pads-after-eos",
            "After its first eos the row holds something else than eos: zeros, or the last token again. Here it holds eos to the end.",
            (
                {"fill": lambda tokens, ended, eos: tokens.masked_fill(ended, PAD)},
                {
                    "fill": lambda tokens, ended, eos: tokens.masked_fill(ended, PAD),
                    "pack": lambda written, first, eos, n: F.pad(
                        torch.stack(written, 1), (0, n - len(written))
                    ),
                },
                {
                    "pack": lambda written, first, eos, n: F.pad(
                        torch.stack(written, 1), (0, n - len(written))
                    )
                },
                {
                    "pack": lambda written, first, eos, n: F.pad(
                        torch.stack(written, 1), (0, n - len(written)), value=-1
                    )
                },
                {
                    "fill": lambda tokens, ended, eos: tokens.masked_fill(ended, -1),
                    "halt": lambda ended: False,
                },
            ),
        ),
        Mistake(
            "eos-missing",
            "The eos itself is not in the row: the row ended before it was written down. eos is a token like any other, and the reader of the row needs it.",
            (
                _after_first_eos(lambda result, is_eos, eos: result.masked_fill(is_eos, PAD)),
                _after_first_eos(
                    lambda result, is_eos, eos: result.masked_fill(is_eos & (is_eos.cumsum(1) == 1), PAD)
                ),
                _after_first_eos(lambda result, is_eos, eos: result.masked_fill(is_eos, -1)),
                {"outer": _never_eos},
            ),
        ),
        Mistake(
            "eos-one-step-late",
            "The end is noticed one step late: one more token is written after eos before the row stops.",
            ({"outer": lambda f: _late},),
        ),
        Mistake(
            "eos-at-the-first-step-ignored",
            "A sample that writes eos at the very first step goes on. It has ended with nothing but eos: that is a legal answer.",
            ({"outer": _only_after_first}, {"outer": _forbids_eos_first}),
        ),
        Mistake(
            "one-sample-ends-all",
            "When one sample ends, all of them stop. Each sample ends for itself: the loop may stop early only when all have ended.",
            (
                {"halt": lambda ended: bool(ended.any())},
                {"halt": lambda ended: bool(ended[0])},
                {"halt": lambda ended: bool(ended[-1])},
                {"note": lambda ended, tokens, eos, i: ended | (tokens == eos).any()},
                {
                    "halt": lambda ended: bool(ended.any()),
                    "pack": lambda written, first, eos, n: torch.stack(written, 1),
                },
                {
                    "halt": lambda ended: bool(ended[0]),
                    "pack": lambda written, first, eos, n: torch.stack(written, 1),
                },
            ),
        ),
        Mistake(
            "too-short-when-all-end",
            "The loop stops when all samples have ended, and the result has fewer than max_len columns. Stopping is fine; fill the rest with eos, so that the shape is always (B, max_len).",
            (
                {"pack": lambda written, first, eos, n: torch.stack(written, 1)},
                {"outer": _cut_after_the_last},
            ),
        ),
        Mistake(
            "wrong-number-of-steps",
            "The number of steps is off: max_len tokens are written for each sample, the first of them by the first step.",
            (
                {
                    "steps": lambda n: n - 1,
                    "pack": lambda written, first, eos, n: _right_pack(written, first, eos, n - 1),
                },
                {
                    "steps": lambda n: n + 1,
                    "pack": lambda written, first, eos, n: _right_pack(written, first, eos, n + 1),
                },
                {"steps": lambda n: n - 1},
                {
                    "outer": lambda f: (
                        lambda step, state, first, eos, n: f(step, state, first, eos, n + 1)[:, 1:]
                    )
                },
            ),
        ),
        Mistake(
            "eos-hard-coded",
            "A fixed number is taken for eos. It is an argument: another vocabulary may count otherwise.",
            (
                {"outer": lambda f: lambda step, state, first, eos, n: f(step, state, first, EOS, n)},
                {"outer": lambda f: lambda step, state, first, eos, n: f(step, state, first, PAD, n)},
                {"outer": lambda f: lambda step, state, first, eos, n: f(step, state, first, 1, n)},
            ),
        ),
        Mistake(
            "step-called-twice",
            "The step is called twice for each token, so that the state runs ahead of what is written. One call gives both the logits and the next state.",
            ({"put": _step_twice},),
        ),
        Mistake(
            "step-given-the-wrong-shape",
            "The step was given something else than one token for each sample. It takes tokens of shape (B,): not all that was written so far, no extra axis, no single number. The state remembers the rest.",
            (
                {"outer": lambda f: _grows},
                {"choose": lambda logits, i: logits.argmax(-1, keepdim=True)},
                {"begin": lambda first: first[:, None]},
                {"begin": lambda first: first[0]},
                {"begin": lambda first: first[:1]},
                {"feed": lambda first, tokens: tokens[0]},
            ),
            recognise=_step_refused,
        ),
        Mistake(
            "one-tensor-overwritten",
            "All columns are the same: one tensor was put into the list again and again and overwritten in place, so that every entry shows the last tokens. Make a new tensor at each step.",
            (
                {"outer": lambda f: _one_list},
                {
                    "pack": lambda written, first, eos, n: _right_pack(
                        written[-1:] * len(written), first, eos, n
                    )
                },
            ),
        ),
        Mistake(
            "axes-swapped",
            "Samples and steps have changed places: the result should be (B, max_len), a row for each sample. torch.stack puts a new axis where `dim` says.",
            ({"outer": lambda f: lambda *a: f(*a).T},),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The shape is right but the tokens stand in other places: they were joined step after step, and `view` or `reshape` cut the row anew without exchanging axes.",
            ({"outer": lambda f: lambda *a: f(*a).T.reshape(len(a[2]), -1)},),
        ),
        Mistake(
            "returns-logits",
            "Numbers for all V tokens come back, or the size of the largest one. Asked for are the tokens themselves: whole numbers, (B, max_len).",
            (
                {
                    "choose": lambda logits, i: logits,
                    "fill": lambda logits, ended, eos: logits,
                    "note": lambda ended, logits, eos, i: ended | (logits.argmax(-1) == eos),
                    "feed": lambda first, logits: logits.argmax(-1),
                    "halt": lambda ended: False,
                    "pack": lambda written, first, eos, n: torch.stack(written, 1),
                },
                {
                    "choose": lambda logits, i: logits,
                    "fill": lambda logits, ended, eos: logits.amax(-1),
                    "note": lambda ended, logits, eos, i: ended,
                    "feed": lambda first, logits: logits.argmax(-1),
                    "pack": lambda written, first, eos, n: torch.stack(written, 1),
                },
            ),
        ),
        Mistake(
            "result-not-whole-numbers",
            "The tokens come back as floats: torch.zeros makes floats. Token numbers are whole, so make the tensor from `first`, or stack what argmax gave.",
            (
                {"outer": lambda f: lambda *a: f(*a).float()},
                {"outer": lambda f: lambda *a: f(*a).double()},
                {"outer": lambda f: lambda *a: f(*a).int()},
            ),
        ),
        Mistake(
            "changes-its-input",
            CHANGES_ITS_INPUT.hint,
            ({"outer": lambda f: _fed_in_place}, {"outer": lambda f: _state_in_place}),
            recognise=wrote_to_input,
        ),
        BARE_SQUEEZE,
        *without(ANY_RESULT, "changes-its-input"),
    ),
    hints=(
        "Follow one sample through the smallest case by hand: which row of the logits does the first step look at, which token wins, and what goes in next?",
        "The loop keeps two things from step to step: the tokens (B,) that go in next, and the state. One call of step gives the logits (B, V) and the new state.",
        "For the end, keep a third: a bool tensor (B,) that says which samples have ended. Where it is True, write eos whatever comes out. A sample joins it after it has written eos.",
        "Collect the tokens of each step and stack them along dim=1. If you stop early because all have ended, fill up with eos to max_len.",
    ),
)


EXERCISES = (SHIFT_RIGHT, LAST_HIDDEN, SEQUENCE_LOSS, GREEDY_DECODE)
