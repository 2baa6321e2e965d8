"""Mistakes that can be made in any function of tensors. Each wraps a right answer: `outer(answer)` is the wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..exercise import Mistake
from ..judging import Tried, same
from ..sandbox.case import Other, Raised

Failed = list[Tried]


def on_result(change: Callable[[Tensor], Any]) -> Callable:
    """Change what the answer returns."""
    return lambda f: lambda *args: change(f(*args))


def on_input(place: int, change: Callable[[Tensor], Tensor]) -> Callable:
    """Change one argument (those with three axes) before the answer sees it."""

    def outer(f):
        def answer(*args):
            if place < len(args) and isinstance(args[place], Tensor) and args[place].dim() == 3:
                args = (*args[:place], change(args[place]), *args[place + 1 :])
            return f(*args)

        return answer

    return outer


def _floats_to(dtype: torch.dtype, args: tuple) -> tuple:
    return tuple(a.to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in args)


def _dtype(args: tuple) -> torch.dtype:
    return next(a.dtype for a in args if isinstance(a, Tensor) and a.is_floating_point())


def _computed_in(dtype: torch.dtype, cast_back: bool) -> Callable:
    def outer(f):
        def answer(*args):
            result = f(*_floats_to(dtype, args))
            return result.to(_dtype(args)) if cast_back else result

        return answer

    return outer


def _changes_first(f: Callable) -> Callable:
    def answer(*args):
        result = f(*args)
        args[0].mul_(2)
        return result

    return answer


def _keeps(result_of: Callable[[tuple], Any]) -> Callable:
    """Remembers something from an earlier call under a key made of the arguments."""

    def outer(f):
        memory = {}

        def answer(*args):
            return memory.setdefault(result_of(args), f(*args))

        return answer

    return outer


def _keeps_argument(place: int, by_shape: bool) -> Callable:
    def outer(f):
        memory = {}

        def answer(*args):
            key = tuple(tuple(a.shape) for a in args if isinstance(a, Tensor)) if by_shape else None
            kept = memory.setdefault(key, args[place])
            return f(*args[:place], kept, *args[place + 1 :])

        return answer

    return outer


def _off_by_one_step(shift: int, wrap: bool) -> Callable[[Tensor], Tensor]:
    def change(x):
        rolled = torch.roll(x, shift, 1)
        if wrap:
            return rolled
        edge = torch.zeros_like(rolled)
        edge[:, 0 if shift > 0 else -1] = 1
        return rolled * (1 - edge)

    return change


# ---- rules for mistakes whose numbers cannot be compared


def random_everywhere(failed: Failed) -> set[int]:
    """All failing cases, if one of them makes the same call twice and gets different results."""
    return set(range(len(failed))) if any(_differs_when_repeated(t) for t in failed) else set()


def _differs_when_repeated(t: Tried) -> bool:
    case, outcome = t.case, t.outcome
    if len(case.calls) < 2 or case.calls[0] is not case.calls[-1] or outcome.raised is not None:
        return False
    pairs = zip(outcome.results[0].outputs, outcome.results[-1].outputs, strict=False)
    return any(isinstance(a, Tensor) and isinstance(b, Tensor) and not same(a, b) for a, b in pairs)


def _repeats_itself(failed: Failed) -> set[int]:
    """All failing cases, if in one of them a call with other arguments gets the very result of an earlier call."""
    return set(range(len(failed))) if any(_answers_from_memory(t) for t in failed) else set()


def _answers_from_memory(t: Tried) -> bool:
    seen = []
    for call, result in zip(t.case.calls, t.outcome.results, strict=False):
        if isinstance(result, Raised) or not result.outputs or not isinstance(result.outputs[-1], Tensor):
            continue
        output = result.outputs[-1]
        if (
            bool(output.isfinite().all())
            and not _is_constant(output)
            and any(earlier is not call and same(output, before) for earlier, before in seen)
        ):
            return True
        seen.append((call, output))
    return False


def wrote_to_input(failed: Failed) -> set[int]:
    """The failing cases in which an argument was changed, or torch refused to change it because its gradient was asked for."""
    return {
        i
        for i, t in enumerate(failed)
        if t.difference.aspect == "inputs" or _refused_in_place(t.outcome.raised) or _changed(t)
    }


def _refused_in_place(raised: Raised | None) -> bool:
    return raised is not None and "leaf Variable that requires grad" in raised.message


def _changed(t: Tried) -> bool:
    return any(
        isinstance(before, Tensor) and not same(before, after)
        for call, result in zip(t.case.calls, t.outcome.results, strict=False)
        if not isinstance(result, Raised)
        for before, after in zip(call.args, result.args_after, strict=False)
    )


def _is_constant(tensor: Tensor) -> bool:
    return tensor.numel() < 2 or bool((tensor == tensor.flatten()[0]).all())


def _returned_none(t: Tried) -> bool:
    return any(not isinstance(r, Raised) and r.outputs == (Other("NoneType"),) for r in t.outcome.results)


def _where(test: Callable[[Tried], bool]) -> Callable[[Failed], set[int]]:
    return lambda failed: {i for i, t in enumerate(failed) if test(t)}


def _raised_with(text: str) -> Callable[[Failed], set[int]]:
    return _where(lambda t: t.outcome.raised is not None and text in t.outcome.raised.message)


def _tensors(t: Tried) -> list[Tensor]:
    return [a for call in t.case.calls for a in call.args if isinstance(a, Tensor)]


def _got_and_expected(failed: Failed) -> list[tuple[Tensor, Tensor]]:
    """(got, expected) of every failing result, or nothing if one failed otherwise than in its values."""
    pairs = [(t.difference.got, t.difference.expected) for t in failed if t.difference.aspect == "values"]
    usable = all(g is not None and g.is_floating_point() and bool(g.isfinite().all()) for g, _ in pairs)
    return [(g.double(), e.double()) for g, e in pairs] if usable and len(pairs) == len(failed) else []


def _one_factor(failed: Failed) -> set[int]:
    """Every result is the same multiple of what it should be."""
    pairs = [(g, e) for g, e in _got_and_expected(failed) if bool(e.any())]
    if not pairs:
        return set()
    factors = [float((g * e).sum() / (e * e).sum()) for g, e in pairs]
    fits = all(torch.allclose(g, factors[0] * e, rtol=1e-2, atol=1e-4) for g, e in pairs)
    return set(range(len(failed))) if fits and abs(factors[0]) > 1e-6 else set()


def _one_shift(failed: Failed) -> set[int]:
    """Every result is off by the same number."""
    pairs = [(g, e) for g, e in _got_and_expected(failed) if g.numel()]
    if not pairs:
        return set()
    shift = float((pairs[0][0] - pairs[0][1]).mean())
    return (
        set(range(len(failed)))
        if all(torch.allclose(g - e, torch.full_like(g, shift), rtol=1e-2, atol=5e-2) for g, e in pairs)
        else set()
    )


def _same_number_everywhere(failed: Failed) -> set[int]:
    outputs = [
        o
        for t in failed
        for r in t.outcome.results
        if not isinstance(r, Raised)
        for o in r.outputs
        if isinstance(o, Tensor)
    ]
    flat = bool(outputs) and all(_is_constant(o) for o in outputs) and any(o.numel() > 1 for o in outputs)
    alike = (
        flat
        and len({float(o.flatten()[0].double()) for o in outputs if o.numel() and not o.is_complex()}) == 1
    )
    return set(range(len(failed))) if alike else set()


def _has_empty_row(t: Tried) -> bool:
    masks = [a for a in _tensors(t) if a.dtype == torch.bool]
    return any(bool((~m.any(-1)).any()) for m in masks)


def _has_unit_axis(t: Tried) -> bool:
    return any(1 in a.shape for a in _tensors(t))


def _is_large(t: Tried) -> bool:
    floats = [a for a in _tensors(t) if a.is_floating_point()] + list(
        (t.case.construct.parameters or {}).values() if t.case.construct else ()
    )
    return any(bool((a.abs() >= 99).any()) for a in floats)


def _is_other_dtype(t: Tried) -> bool:
    floats = {a.dtype for a in _tensors(t) if a.is_floating_point()}
    if t.case.construct is not None:
        floats.add(t.case.construct.dtype)
    return bool(floats) and torch.float32 not in floats


# ---- the mistakes

RETURNS_NOTHING = Mistake(
    "returns-nothing",
    "The function computes something but gives back None. End every path with `return`.",
    ({"outer": on_result(lambda r: None)},),
    recognise=lambda failed: {i for i, t in enumerate(failed) if _returned_none(t)},
)
RETURNS_NO_TENSOR = Mistake(
    "returns-no-tensor",
    "What comes back is a list, a number, a numpy array or a tuple, where one tensor is asked for. Build the result with tensor operations (torch.stack joins a list), and return it alone.",
    (
        {"outer": on_result(lambda r: r.tolist())},
        {"outer": on_result(lambda r: r.detach().float().numpy())},
        {"outer": on_result(lambda r: (r, r))},
        {"outer": on_result(lambda r: list(r.reshape(-1)))},
    ),
    recognise=lambda failed: {
        i for i, t in enumerate(failed) if t.difference.aspect == "kind" and not _returned_none(t)
    },
)
DETACHED = Mistake(
    "detached",
    "The numbers are right, but the result is cut off from its inputs, so that no gradient flows back and nothing can be learned through it. "
    "Look for `.detach()`, `.data`, `.item()`, `torch.no_grad()`, numpy, or a new tensor built from numbers.",
    (
        {"outer": on_result(lambda r: r.detach())},
        {"outer": on_result(lambda r: r.detach().clone().requires_grad_())},
    ),
)
HARD_CODED_DTYPE = Mistake(
    "hard-coded-dtype",
    "The computation is tied to one dtype: a float64 or bfloat16 input comes back in another dtype, raises an error, or loses digits on the way. Make new tensors with the dtype and "
    "device of the inputs, as in `torch.zeros(..., dtype=x.dtype, device=x.device)`.",
    (
        {"outer": _computed_in(torch.float32, cast_back=False)},
        {"outer": _computed_in(torch.float32, cast_back=True)},
        {"outer": on_result(lambda r: r.float())},
        {"outer": on_result(lambda r: r.double())},
        {"outer": _computed_in(torch.float64, cast_back=False)},
        {"outer": _computed_in(torch.bfloat16, cast_back=True)},
        {"outer": _computed_in(torch.bfloat16, cast_back=False)},
        {"outer": _computed_in(torch.float16, cast_back=True)},
    ),
)
ONLY_FLOAT32 = Mistake(
    "hard-coded-dtype",
    HARD_CODED_DTYPE.hint,
    (),
    recognise=_where(_is_other_dtype),
    general=True,
)
CHANGES_ITS_INPUT = Mistake(
    "changes-its-input",
    "The function writes into a tensor that belongs to its caller, who will find other numbers there afterwards. Names that end in an underscore, `x[...] = …`, "
    "`+=` and `*=` write in place: work on a new tensor.",
    ({"outer": _changes_first},),
    recognise=wrote_to_input,
)
BARE_SQUEEZE = Mistake(
    "bare-squeeze",
    "An axis of size 1 has vanished: a bare `.squeeze()` drops every axis that happens to have one entry, so a batch of one or a single step "
    "changes shape. Name the axis to drop, or do not squeeze.",
    tuple(
        {"outer": on_result(change)}
        for change in (
            lambda r: r.squeeze(),
            lambda r: r.squeeze(0),
            lambda r: r.squeeze(1),
            lambda r: r.squeeze(-1),
        )
    ),
)
EXTRA_AXIS = Mistake(
    "extra-axis",
    "The result has one axis too many, of size 1. Perhaps a product with a column gave (…, 1): drop that axis by name with `.squeeze(-1)`.",
    tuple({"outer": on_result(lambda r, axis=axis: r.unsqueeze(axis))} for axis in (-1, 0, 1, -2)),
)
TRANSPOSED_RESULT = Mistake(
    "axes-swapped",
    "Rows and columns of the result have changed places: the entry for query i and key j stands at [j, i]. Say which axis each size belongs to before you multiply.",
    ({"outer": on_result(lambda r: r.transpose(-1, -2))},),
)
SCRAMBLED_BY_VIEW = Mistake(
    "view-instead-of-transpose",
    "The shape is right but the numbers stand in other places: `view` and `reshape` cut the same row of numbers anew, they do not exchange axes. Use `transpose` or `permute` for that.",
    (
        {"outer": on_result(lambda r: r.transpose(-1, -2).reshape(r.shape))},
        {"outer": on_result(lambda r: r.transpose(0, 1).reshape(r.shape))},
        *(
            {
                "outer": on_input(
                    place, lambda x: x.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(1, 2)
                )
            }
            for place in (0, 1)
        ),
        *(
            {
                "outer": on_input(
                    place, lambda x: x.reshape(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1)
                )
            }
            for place in (0, 1)
        ),
    ),
)
MIXES_SAMPLES = Mistake(
    "mixes-samples",
    "Samples of the batch influence one another, or stand in another's place: what stands at index b must depend on sample b alone. Look at which axis is summed, repeated, sorted or reshaped.",
    (
        *(
            {"outer": on_result(change)}
            for change in (
                lambda r: r.sum(0, keepdim=True).expand_as(r),
                lambda r: r.mean(0, keepdim=True).expand_as(r),
                lambda r: r.flip(0),
                lambda r: r.roll(1, 0),
            )
        ),
        *(
            {"outer": on_input(place, change)}
            for place in (0, 1)
            for change in (
                lambda x: x[:1].expand_as(x),
                lambda x: x[-1:].expand_as(x),
                lambda x: x.sum(0, keepdim=True).expand_as(x),
                lambda x: x.mean(0, keepdim=True).expand_as(x),
                lambda x: x.flip(0),
                lambda x: x.roll(1, 0),
            )
        ),
    ),
)
OFF_BY_ONE_STEP = Mistake(
    "off-by-one-step",
    "Row i of the result belongs to another step: the queries, or the keys, are shifted by one. Row i must come from query i.",
    tuple(
        {"outer": on_input(place, _off_by_one_step(shift, wrap))}
        for place in (0, 1)
        for shift in (1, -1)
        for wrap in (True, False)
    ),
)
SAME_QUERY_FOR_ALL = Mistake(
    "same-query-for-all",
    "Every row of the result is the same, or comes from one query. Each query needs a row of its own.",
    tuple(
        {"outer": on_input(0, change)}
        for change in (
            lambda x: x[:, :1].expand_as(x),
            lambda x: x[:, -1:].expand_as(x),
            lambda x: x.mean(1, keepdim=True).expand_as(x),
        )
    ),
)
SIGN_FLIPPED = Mistake(
    "sign-flipped",
    "Every number has the opposite sign. Look for a minus that should not be there, or one that is missing.",
    ({"outer": on_result(lambda r: -r)},),
)
APPLIED_AFTERWARDS = Mistake(
    "function-applied-afterwards",
    "Something more is done to the right result: it is squashed, cut off, shifted or normalised. The formula ends one step earlier.",
    tuple(
        {"outer": on_result(change)}
        for change in (
            torch.abs,
            torch.exp,
            torch.square,
            torch.round,
            lambda r: torch.softmax(r, -2 if r.dim() > 1 else -1),
            lambda r: torch.log_softmax(r, -1),
            lambda r: r - r.amax(-1, keepdim=True),
            lambda r: r - r.mean(-1, keepdim=True),
            lambda r: r / r.norm(dim=-1, keepdim=True),
            lambda r: r / r.sum(-1, keepdim=True),
            lambda r: torch.nn.functional.layer_norm(r, r.shape[-1:]),
            lambda r: r.clamp(-100, 100),
            lambda r: r.clamp(-50, 50),
            lambda r: r.clamp(-10, 10),
            lambda r: r.clamp(-5, 5),
            lambda r: r.clamp(-1, 1),
            lambda r: r.clamp(0, 1),
        )
    ),
)
SQUASHED = Mistake(
    "squashed-result",
    "A tanh, a ReLU or a sigmoid is applied to the result. The formula has none.",
    tuple({"outer": on_result(change)} for change in (torch.tanh, torch.relu, torch.sigmoid)),
)
SCALED = Mistake(
    "scaled-result",
    "Every number is the same multiple of what it should be: a factor or a division is there that the formula does not have.",
    ({"outer": on_result(lambda r: 3 * r)}, {"outer": on_result(lambda r: r / 5)}),
    recognise=_one_factor,
    general=True,
)
SHIFTED = Mistake(
    "constant-added",
    "Every number is off by the same amount: something is added that the formula does not have, a bias perhaps.",
    ({"outer": on_result(lambda r: r + 2)}, {"outer": on_result(lambda r: r - 0.5)}),
    recognise=_one_shift,
    general=True,
)
DIFFERENT_EACH_CALL = Mistake(
    "differs-from-call-to-call",
    "The same call gives another result each time. Something random happens inside: dropout that is not switched off in eval mode, or weights that are made anew instead of once.",
    ({"outer": on_result(lambda r: r + torch.rand_like(r))},),
    recognise=random_everywhere,
)
STALE_CACHE = Mistake(
    "stale-cache",
    "A call with other inputs still gives an answer made from earlier ones. Something is kept between calls that belongs to one call only.",
    (
        {"outer": _keeps(lambda args: None)},
        {"outer": _keeps(lambda args: tuple(tuple(a.shape) for a in args if isinstance(a, Tensor)))},
        *({"outer": _keeps_argument(place, by_shape)} for place in (0, 1) for by_shape in (True, False)),
    ),
    recognise=_repeats_itself,
    stateful=True,
)
NEEDS_CONTIGUOUS = Mistake(
    "needs-contiguous-input",
    "`view` refuses a tensor whose numbers do not lie one after the other in memory, such as a transposed one. Use `reshape`, or better an operation that needs neither.",
    (
        {
            "outer": lambda f: (
                lambda *args: f(*(a.view(-1).view(a.shape) if isinstance(a, Tensor) else a for a in args))
            )
        },
    ),
    recognise=_raised_with("view size is not compatible"),
)
CONSTANT_RESULT = Mistake(
    "constant-result",
    "The result is the same number everywhere, whatever the inputs are. Is what you compute also what you return?",
    ({"outer": on_result(torch.zeros_like)}, {"outer": on_result(torch.ones_like)}),
    recognise=_same_number_everywhere,
    general=True,
)

# ---- last resorts: what all failing cases have in common

ONLY_GRADIENTS = Mistake(
    "gradient-cut",
    "The numbers are right, but a gradient is missing or wrong: something is detached on one path, goes through numpy or `.data`, or a backward pass of your own leaves out a term.",
    (),
    recognise=_where(
        lambda t: t.difference.aspect == "gradients" or t.difference.sentence.startswith("The gradient of")
    ),
    general=True,
)
ONLY_LAYOUT = Mistake(
    "needs-contiguous-input",
    "It goes wrong only when an input is not contiguous in memory, as a transposed tensor is. `view`, `as_strided` and `.T` tricks depend on the layout; `reshape`, `transpose` and indexing do not.",
    (),
    recognise=_where(lambda t: any(not a.is_contiguous() for a in _tensors(t))),
    general=True,
)
ONLY_EMPTY_ROWS = Mistake(
    "empty-row-mishandled",
    "It goes wrong only where a row has nothing to attend to (its mask is all False). Such a row must give zeros, with a finite gradient, and must not disturb the others.",
    (),
    recognise=_where(_has_empty_row),
    general=True,
)
ONLY_LARGE = Mistake(
    "breaks-on-large-numbers",
    "It goes wrong only for large numbers: an exponential overflows, a difference loses its digits, or something is cut off.",
    (),
    recognise=_where(_is_large),
    general=True,
)
ONLY_UNIT_AXES = Mistake(
    "fails-at-size-one",
    "It goes wrong only where a size is 1: a batch of one, a single query or a single key. Look for squeezes, broadcasts and special cases.",
    (),
    recognise=_where(_has_unit_axis),
    general=True,
)
RAISES = Mistake(
    "raises-an-error",
    "The code stops with an exception before it gives a result. Go to the line named above and print the shapes just before it.",
    (),
    recognise=_where(lambda t: t.difference.aspect == "raised"),
    general=True,
)
WRONG_SHAPE = Mistake(
    "wrong-shape",
    "The numbers cannot even be compared: the shape is another one. Write the shape of every intermediate result beside its line, with the letters of the axes.",
    (),
    recognise=_where(lambda t: t.difference.aspect in ("shape", "raised")),
    general=True,
)

ONLY = (
    ONLY_GRADIENTS,
    ONLY_FLOAT32,
    ONLY_LAYOUT,
    ONLY_EMPTY_ROWS,
    ONLY_LARGE,
    ONLY_UNIT_AXES,
    RAISES,
    WRONG_SHAPE,
)
LAST_RESORTS = (CONSTANT_RESULT, SCALED, SHIFTED, *ONLY)
"""Named when nothing more exact fits, for what all failing cases have in common."""

ANY_RESULT = (
    RETURNS_NOTHING,
    RETURNS_NO_TENSOR,
    STALE_CACHE,
    CHANGES_ITS_INPUT,
    EXTRA_AXIS,
    CONSTANT_RESULT,
    *ONLY,
)
"""Mistakes that can be made in any function, whatever it returns."""

ANY_MODULE = (
    RETURNS_NOTHING,
    RETURNS_NO_TENSOR,
    DETACHED,
    HARD_CODED_DTYPE,
    BARE_SQUEEZE,
    EXTRA_AXIS,
    SIGN_FLIPPED,
    DIFFERENT_EACH_CALL,
    CHANGES_ITS_INPUT,
    *LAST_RESORTS,
)
"""Mistakes that can be made in the forward method of a module with one result."""

ANY_FUNCTION = (*ANY_MODULE, STALE_CACHE, NEEDS_CONTIGUOUS)
"""Mistakes that can be made in any function that gives floating-point numbers."""

PAIRWISE = (TRANSPOSED_RESULT, SCRAMBLED_BY_VIEW, MIXES_SAMPLES, OFF_BY_ONE_STEP, SAME_QUERY_FOR_ALL)
"""Mistakes that can be made in any function of a batch of queries and a batch of keys."""


def without(mistakes: tuple[Mistake, ...], *ids: str) -> tuple[Mistake, ...]:
    """The mistakes but for those with these ids."""
    return tuple(m for m in mistakes if m.id not in ids)
