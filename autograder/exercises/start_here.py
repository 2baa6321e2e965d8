"""Exercises of lesson 00: masks of padded batches, and a mean that respects them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

import seqattn_ref

from ..drawing import Draw
from ..exercise import Check, Exercise, Mistake
from ..sandbox.case import Call, Case
from .anywhere import ANY_FUNCTION, ANY_RESULT, BARE_SQUEEZE
from .common import ask, wrapped

LESSON = "00_start_here"

# ---- pad_mask


def _build_pad_mask(positions=None, compare=None, outer=None):
    positions = positions or (lambda lengths, max_len: torch.arange(max_len)[None, :])
    compare = compare or (lambda positions, lengths: positions < lengths[:, None])
    return wrapped(outer, lambda lengths, max_len: compare(positions(lengths, max_len), lengths))


def _lengths(draw: Draw, batch: int, longest: int, dtype: torch.dtype = torch.int64) -> Tensor:
    return draw.lengths(batch, longest, shortest=0).to(dtype)


def _pad_mask_shapes(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([2, 0, 1]), 2)
    batch, size = draw.distinct(2, 4, 9)
    yield ask(_lengths(draw, batch, size), size)
    yield ask(torch.tensor([3]), 3)
    yield ask(torch.tensor([1, 1]), 1)


def _pad_mask_values(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([2, 1]), 3)
    yield ask(torch.tensor([1, 0, 3]), 3)
    yield ask(torch.tensor([2]), 4)
    for _ in range(3):
        batch, size = draw.distinct(2, 3, 9)
        yield ask(_lengths(draw, batch, size), size)
    yield ask(torch.tensor([4, 4]), 4)


def _pad_mask_longer(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([1, 2]), 4)
    yield ask(torch.tensor([0, 0]), 2)
    batch, size = draw.distinct(2, 3, 6)
    yield ask(_lengths(draw, batch, size), size + draw.integer(1, 4))
    yield ask(_lengths(draw, batch, size, torch.int32), size + 1)
    yield ask(draw.strided(_lengths(draw, batch, size)), size + 2)
    again = Call((_lengths(draw, batch, size), size))
    alike = Call((_lengths(draw, batch, size), size))
    yield Case((again, alike, Call((_lengths(draw, size, batch), batch)), again))
    yield ask(torch.tensor([130, 200, 0]), 201)
    yield ask(torch.tensor([3, 1, 2], dtype=torch.int16), 4)


def _scrambled(lengths: Tensor, max_len: int) -> Tensor:
    return torch.arange(max_len).repeat_interleave(len(lengths)).view(len(lengths), max_len)


PAD_MASK = Exercise(
    name="pad_mask",
    lesson=LESSON,
    asked="For lengths (B,) and a size max_len, give a (B, max_len) tensor of bool: True at the first lengths[b] places of row b, False at the padding after them.",
    arguments=("lengths (B)", "max_len"),
    returns=("mask (B, max_len)",),
    reference=seqattn_ref.pad_mask,
    build=_build_pad_mask,
    checks=(
        Check("It returns a bool tensor of shape (B, max_len)", 1, _pad_mask_shapes, ("shape", "dtype")),
        Check(
            "Row b is True at its first lengths[b] places and False after them",
            1,
            _pad_mask_values,
            ("values",),
        ),
        Check(
            "max_len may be longer than the longest row, lengths may be of any integer type, and they are left as they were",
            1,
            _pad_mask_longer,
            ("inputs", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "mask-inverted",
            "The mask says the opposite: True stands at the padding. In this course, as in torch's own scaled_dot_product_attention, True means a real token.",
            ({"compare": lambda p, lengths: p >= lengths[:, None]},),
        ),
        Mistake(
            "off-by-one",
            "The boundary is off by one place. Positions count from 0, so a row of length 2 has the places 0 and 1: which comparison holds for exactly these?",
            (
                {"compare": lambda p, lengths: p <= lengths[:, None]},
                {"compare": lambda p, lengths: p + 1 < lengths[:, None]},
                {"positions": lambda lengths, n: torch.arange(1, n + 1)[None, :]},
            ),
        ),
        Mistake(
            "ignores-max-len",
            "The width of the mask comes from the longest row here, not from max_len. The caller may have padded further than that.",
            ({"positions": lambda lengths, n: torch.arange(int(lengths.max()))[None, :]},),
        ),
        Mistake(
            "mask-not-bool",
            "The mask holds numbers instead of True and False. A comparison already gives torch.bool: return it as it is.",
            (
                {"outer": lambda f: lambda *a: f(*a).to(torch.uint8)},
                {"outer": lambda f: lambda *a: torch.zeros(f(*a).shape).masked_fill(~f(*a), -torch.inf)},
                {"outer": lambda f: lambda *a: f(*a).float()},
                {"outer": lambda f: lambda *a: f(*a).long()},
                {"outer": lambda f: lambda *a: f(*a).int()},
            ),
        ),
        Mistake(
            "axes-swapped",
            "Rows and columns have changed places: the batch should run down and the positions across.",
            ({"outer": lambda f: lambda *a: f(*a).T},),
        ),
        Mistake(
            "missing-axis",
            "The lengths are compared along the wrong axis: a (max_len,) row against a (B,) row lines up position j with sample j. Give the lengths a second axis of size 1, so "
            "that each sample meets every position.",
            (
                {"compare": lambda p, lengths: (p[0] < lengths)[None].expand(len(lengths), -1)},
                {"compare": lambda p, lengths: p < lengths},
                {"compare": lambda p, lengths: p[0] < lengths},
            ),
        ),
        Mistake(
            "padding-on-the-left",
            "The real tokens are marked at the end of each row. Here a row begins with its tokens and the padding follows.",
            ({"compare": lambda p, lengths: p >= p.shape[-1] - lengths[:, None]},),
        ),
        Mistake(
            "same-row-for-all",
            "Every row of the mask is the same. Each sample has a length of its own.",
            (
                {"compare": lambda p, lengths: (p < lengths.max()).expand(len(lengths), -1)},
                {"compare": lambda p, lengths: (p < lengths[0]).expand(len(lengths), -1)},
                {"compare": lambda p, lengths: (p < lengths.min()).expand(len(lengths), -1)},
            ),
        ),
        Mistake(
            "marks-one-place",
            "Only one place of each row is marked. All places before the length are real tokens, not the last one alone.",
            (
                {"compare": lambda p, lengths: p == lengths[:, None]},
                {"compare": lambda p, lengths: p == lengths[:, None] - 1},
            ),
        ),
        Mistake(
            "view-instead-of-transpose",
            "The shape is right but the positions are scrambled: `repeat` or `view` laid them out row by row in another order than you meant. Let broadcasting do it.",
            ({"positions": _scrambled},),
        ),
        Mistake(
            "rows-in-another-order",
            "The rows are right but stand in another order: row b must belong to lengths[b].",
            (
                {"outer": lambda f: lambda lengths, n: f(lengths.flip(0), n)},
                {"outer": lambda f: lambda lengths, n: f(lengths.sort().values, n)},
                {"outer": lambda f: lambda lengths, n: f(lengths.sort(descending=True).values, n)},
                {"outer": lambda f: lambda lengths, n: f(lengths.roll(1), n)},
            ),
        ),
        Mistake(
            "zero-length-becomes-one",
            "A row of length 0 has no real token at all, not one.",
            ({"outer": lambda f: lambda lengths, n: f(lengths.clamp(min=1), n)},),
        ),
        Mistake(
            "first-place-missing",
            "The first place of each row is left out. Positions count from 0.",
            ({"outer": lambda f: lambda lengths, n: f(lengths, n) & (torch.arange(n) > 0)},),
        ),
        Mistake(
            "bare-squeeze",
            BARE_SQUEEZE.hint,
            (
                {"outer": lambda f: lambda *a: f(*a).squeeze()},
                {"outer": lambda f: lambda *a: f(*a).squeeze(0)},
            ),
        ),
        *ANY_RESULT,
    ),
    hints=(
        "Write the positions 0, 1, …, max_len − 1 as a row, for example with torch.arange.",
        "A place is real when its position is smaller than the row's length. That is one comparison.",
        "To compare every length with every position, give the lengths shape (B, 1): broadcasting then makes (B, max_len).",
    ),
)

# ---- masked_mean


def _build_masked_mean(keep=None, total=None, count=None, divide=None, outer=None):
    keep = keep or (lambda x, mask: x.masked_fill(~mask[..., None], 0))
    total = total or (lambda x: x.sum(1))
    count = count or (lambda x, mask: mask.sum(1, keepdim=True))
    divide = divide or (lambda total, count: total / count.clamp(min=1))
    return wrapped(outer, lambda x, mask: divide(total(keep(x, mask)), count(x, mask)))


def _mean_case(
    draw: Draw, fill, batch: int, size: int, dim: int, mask: Tensor | None = None, gradient: bool = False
) -> Case:
    mask = draw.prefix_mask(batch, size) if mask is None else mask
    return ask(fill(batch, size, dim), mask, cotangents=(fill(batch, dim),) if gradient else None)


def _mean_shapes(draw: Draw) -> Iterator[Case]:
    yield _mean_case(draw, draw.normal, 2, 4, 3)
    yield _mean_case(draw, draw.normal, 1, 3, 2)
    yield _mean_case(draw, draw.normal, 3, 2, 1)


def _mean_values(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([[True, True, False]]))
    yield ask(
        torch.tensor([[[1.0, 2.0], [3.0, 6.0]], [[5.0, 7.0], [8.0, 9.0]]]),
        torch.tensor([[True, True], [True, False]]),
    )
    for _ in range(2):
        batch, size, dim = draw.distinct(3, 3, 7)
        yield _mean_case(draw, draw.normal, batch, size, dim)
    yield _mean_case(draw, draw.normal, 3, 3, 3)
    yield _mean_case(draw, draw.normal, 2, 5, 4, draw.scattered_mask(2, 5))
    yield ask(torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]]), torch.tensor([[True, True, True]]))
    yield ask(1e4 * draw.whole(2, 3, 2), draw.prefix_mask(2, 3))
    yield _mean_case(draw, draw.normal, 2, 13, 3)


def _mean_padding(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[1.0], [3.0]], [[5.0], [10000.0]]]), torch.tensor([[True, True], [True, False]]))
    x, mask = draw.normal(2, 5, 3), torch.arange(5) < torch.tensor([[3], [2]])
    yield ask(x.masked_fill(~mask[..., None], 1e4), mask)
    yield ask(x[:, :3], mask[:, :3])
    yield ask(draw.normal(3, 4, 2), torch.ones(3, 4, dtype=torch.bool))


def _mean_empty(draw: Draw) -> Iterator[Case]:
    yield ask(torch.tensor([[[2.0], [4.0]], [[3.0], [5.0]]]), torch.tensor([[True, True], [False, False]]))
    mask = draw.prefix_mask(3, 4)
    mask[draw.integer(0, 2)] = False
    yield _mean_case(draw, draw.normal, 3, 4, 2, mask)
    yield _mean_case(draw, draw.normal, 1, 3, 2, torch.zeros(1, 3, dtype=torch.bool))


def _mean_gradients(draw: Draw) -> Iterator[Case]:
    yield _mean_case(draw, draw.whole, 1, 3, 1, gradient=True)
    yield _mean_case(draw, draw.normal, 2, 4, 3, gradient=True)
    mask = draw.prefix_mask(2, 3)
    mask[1] = False
    yield _mean_case(draw, draw.normal, 2, 3, 2, mask, gradient=True)
    yield ask(
        torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]),
        torch.tensor([[True, True], [False, False]]),
        cotangents=(torch.tensor([[2.0], [3.0]]),),
    )


def _mean_robust(draw: Draw) -> Iterator[Case]:
    yield _mean_case(draw, draw.whole, 2, 3, 2)
    yield ask(draw.strided(draw.normal(3, 4, 2)), draw.strided(draw.prefix_mask(3, 4)))
    yield _mean_case(draw, lambda *s: draw.normal(*s, dtype=torch.float64), 2, 4, 3)
    yield _mean_case(draw, draw.quarters, 2, 4, 3)
    again = Call((draw.normal(2, 3, 4), draw.prefix_mask(2, 3)))
    alike = Call((draw.normal(2, 3, 4), draw.prefix_mask(2, 3)))
    yield Case((again, alike, Call((draw.normal(3, 5, 2), draw.prefix_mask(3, 5))), again))


MASKED_MEAN = Exercise(
    name="masked_mean",
    lesson=LESSON,
    asked="For x (B, S, D) and a mask (B, S), give the mean over the real tokens of each sample, (B, D). A sample without any real token gets zeros.",
    arguments=("x (B, S, D)", "mask (B, S)"),
    returns=("mean (B, D)",),
    reference=seqattn_ref.masked_mean,
    build=_build_masked_mean,
    checks=(
        Check("It returns a tensor of shape (B, D)", 0.5, _mean_shapes, ("shape",)),
        Check("It is the mean over the real tokens of each sample", 1, _mean_values),
        Check(
            "What stands in the padding, and how much padding there is, changes nothing", 0.5, _mean_padding
        ),
        Check("A sample without real tokens gets zeros", 0.5, _mean_empty),
        Check("Gradients reach x, and are 0 at the padding", 1, _mean_gradients, ("gradients",)),
        Check(
            "It works in float64 and bfloat16, on any memory layout, and leaves its inputs as they were",
            0.5,
            _mean_robust,
            ("inputs", "dtype", "values"),
        ),
    ),
    mistakes=(
        Mistake(
            "mask-missing",
            "The padding is averaged in with the real tokens: these are the numbers of a plain mean. Leave out the places where the mask is False.",
            (
                {
                    "keep": lambda x, mask: x,
                    "count": lambda x, mask: torch.full_like(mask[:, :1], 1, dtype=torch.long) * x.shape[1],
                },
            ),
        ),
        Mistake(
            "mean-over-padded-length",
            "The sum leaves the padding out, but it is divided by the padded length S. Divide by the number of real tokens of each sample.",
            ({"count": lambda x, mask: torch.full_like(mask[:, :1], 1, dtype=torch.long) * x.shape[1]},),
        ),
        Mistake(
            "padding-in-the-sum",
            "The division counts only the real tokens, but the padding is still in the sum.",
            ({"keep": lambda x, mask: x},),
        ),
        Mistake(
            "mask-inverted",
            "This averages the padding instead of the tokens. True in the mask means a real token.",
            (
                {
                    "keep": lambda x, mask: x.masked_fill(mask[..., None], 0),
                    "count": lambda x, mask: (~mask).sum(1, keepdim=True),
                },
                {"keep": lambda x, mask: x.masked_fill(mask[..., None], 0)},
            ),
        ),
        Mistake(
            "nan-on-empty-row",
            "A sample without real tokens gives 0/0, which is NaN. Decide what to divide by when there is nothing to count.",
            ({"divide": lambda total, count: total / count},),
        ),
        Mistake(
            "epsilon-too-large",
            "The number added to the count to avoid dividing by 0 changes the mean of every other sample. Guard the empty sample without touching the rest.",
            (
                {"divide": lambda total, count: total / (count + 1)},
                {"divide": lambda total, count: total / (count + 1e-1)},
                {"divide": lambda total, count: total / (count + 1e-2)},
                {"divide": lambda total, count: total / (count + 1e-3)},
            ),
        ),
        Mistake(
            "counts-the-whole-batch",
            "Each sample is divided by the number of real tokens of the whole batch. Count them per sample.",
            ({"count": lambda x, mask: mask.sum().expand(len(mask), 1)},),
        ),
        Mistake(
            "mixes-samples",
            "The samples are averaged together: row b of the result must come from sample b alone. `x[mask]` forgets which sample a token came from.",
            (
                {"outer": lambda f: lambda x, mask: x[mask].mean(0).expand(len(x), -1)},
                {"outer": lambda f: lambda x, mask: x[mask].mean(0)},
                {"outer": lambda f: lambda x, mask: f(x, mask).mean(0, keepdim=True).expand(len(x), -1)},
            ),
        ),
        Mistake(
            "sum-not-mean",
            "This is the sum over the real tokens. Divide it by how many there are.",
            ({"divide": lambda total, count: total},),
        ),
        Mistake(
            "wrong-axis",
            "The mean runs over another axis than the tokens' one. In (B, S, D) the tokens are axis 1.",
            (
                {"outer": lambda f: lambda x, mask: x.masked_fill(~mask[..., None], 0).mean(-1)},
                {"outer": lambda f: lambda x, mask: x.masked_fill(~mask[..., None], 0).sum(0)},
            ),
        ),
        Mistake(
            "missing-axis",
            "The counts (B,) are lined up with the last axis of the sums (B, D): that fails, or is silently wrong when B equals D. Keep the counts as (B, 1).",
            ({"count": lambda x, mask: mask.sum(1)},),
        ),
        Mistake(
            "maximum-instead-of-mean",
            "This is the largest of the real tokens' numbers, not their mean.",
            ({"outer": lambda f: lambda x, mask: x.masked_fill(~mask[..., None], -1e30).amax(1)},),
        ),
        Mistake(
            "last-token-only",
            "Only one token is taken. The mean is over all real tokens.",
            (
                {"outer": lambda f: lambda x, mask: x[torch.arange(len(x)), mask.sum(1) - 1]},
                {"outer": lambda f: lambda x, mask: x[:, 0]},
                {"outer": lambda f: lambda x, mask: x[:, -1]},
            ),
        ),
        *ANY_FUNCTION,
    ),
    hints=(
        "A mean is a sum divided by a count. Find each of them for one sample first.",
        "Give the mask a third axis, (B, S, 1), and every feature of a padded token can be set to 0 before you sum over the tokens.",
        "The count of real tokens is the sum of the mask over S. Keep its axis (keepdim=True) so that it divides (B, D), and make sure you never divide by 0.",
    ),
)

EXERCISES = (PAD_MASK, MASKED_MEAN)
