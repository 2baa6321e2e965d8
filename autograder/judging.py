"""Judge outcomes: compare what an answer gave with what the reference gives, check by check. Pure: runs
nothing of the student's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .exercise import Check, Exercise
from .sandbox.case import Call, Callback, Case, Construct, Other, Outcome, Raised, Returned
from .sandbox.perform import perform

TOLERANCE = {torch.float64: 1e-9, torch.float32: 5e-5, torch.bfloat16: 4e-2, torch.float16: 4e-3}
"""Largest error that passes, absolute up to magnitude 1 and relative to the largest number of the result
beyond it.
"""


@dataclass(frozen=True)
class Difference:
    """One way in which a case came out wrong. `sentence` says it; `expected` and `got` are shown beside
    each other if they help.
    """

    aspect: str
    sentence: str
    call: int = 0
    label: str | None = None
    axes: tuple[str, ...] | None = None
    expected: Tensor | None = None
    got: Tensor | None = None


@dataclass(frozen=True)
class Tried:
    """A case with what it gave and what it should have given."""

    check: Check
    case: Case
    outcome: Outcome
    expected: Outcome
    difference: Difference | None

    @property
    def size(self) -> tuple[bool, int]:
        """Small cases of whole numbers first: these are the ones to show."""
        return (_unhandy(self.case), _elements(self.case))


def expect(reference, case: Case) -> Outcome:
    """What the reference gives on the case, computed in float64 whatever the case's own dtype is."""
    return next(perform(reference, [_in_float64(case)]))


def differences(
    exercise: Exercise, case: Case, outcome: Outcome, expected: Outcome, slack: float = 1.0
) -> Iterator[Difference]:
    """All differences between an outcome and what was expected, the plainest first."""
    if (
        outcome.raised is not None
        and case.construct is not None
        and not outcome.results[:-1]
        and outcome.raised.stage == "construct"
    ):
        yield Difference("raised", _say_raised(outcome.raised, exercise))
        return
    if case.construct is not None:
        yield from _parameter_differences(outcome.parameters or {}, expected.parameters or {})
    dtype = dtype_of(case)
    for i, (call, result, right) in enumerate(
        zip(case.calls, outcome.results, expected.results, strict=False)
    ):
        if isinstance(result, Raised):
            yield Difference("raised", _say_raised(result, exercise), call=i)
            return
        yield from _output_differences(exercise, i, result, right, dtype, slack)
        yield from _input_differences(exercise, i, call, result)
        yield from _gradient_differences(exercise, i, result, right, dtype, slack)
    if len(outcome.results) < len(case.calls):
        yield Difference("raised", "Some results are missing.")


def first_difference(
    exercise: Exercise, check: Check, case: Case, outcome: Outcome, expected: Outcome
) -> Difference | None:
    """The first difference that this check looks at."""
    wanted = {"raised", "kind", *check.aspects}
    if "values" in wanted:
        wanted.add("shape")
    if "gradients" in wanted:
        wanted.add("shape")
    labels = None if check.outputs is None else {exercise.results[i].name for i in check.outputs}
    for found in differences(exercise, case, outcome, expected, check.slack):
        if found.aspect not in wanted:
            continue
        if found.aspect in ("shape", "dtype", "values") and labels is not None and found.label not in labels:
            continue
        return found
    sentence = check.also(case, outcome) if check.also else None
    return Difference(check.aspects[0], sentence) if sentence else None


def agree(check: Check, case: Case, one: Outcome, other: Outcome) -> bool:
    """Whether two answers behave alike on a case, in what the check looks at."""
    if len(one.results) != len(other.results):
        return False
    dtype = dtype_of(case)
    if (one.parameters is None) != (other.parameters is None):
        return False
    if "parameters" in check.aspects or "fresh" in check.aspects:
        return _kinship(one.parameters) == _kinship(other.parameters)
    return all(_results_agree(check, a, b, dtype) for a, b in zip(one.results, other.results, strict=True))


def _results_agree(check: Check, a: Returned | Raised, b: Returned | Raised, dtype: torch.dtype) -> bool:
    if isinstance(a, Raised) or isinstance(b, Raised):
        return isinstance(a, Raised) and isinstance(b, Raised) and _kind_of_error(a) == _kind_of_error(b)
    if a.sequence != b.sequence or len(a.outputs) != len(b.outputs):
        return False
    chosen = (
        range(len(a.outputs)) if check.outputs is None else [i for i in check.outputs if i < len(a.outputs)]
    )
    for i in chosen:
        x, y = a.outputs[i], b.outputs[i]
        if isinstance(x, Other) or isinstance(y, Other):
            if x != y:
                return False
        elif (
            x.shape != y.shape
            or x.dtype != y.dtype
            or ("values" in check.aspects and not close(x, y, dtype, check.slack))
        ):
            return False
    if "gradients" in check.aspects and not _gradients_agree(a.gradients, b.gradients, dtype):
        return False
    if "inputs" in check.aspects:
        return all(same(x, y) for x, y in zip(a.args_after, b.args_after, strict=False))
    return True


def _kind_of_error(raised: Raised) -> tuple[str, str, str]:
    """What two exceptions share when the same mistake was made with other sizes."""
    return raised.type, raised.stage, re.sub(r"\d+", "#", raised.message)[:60]


def _gradients_agree(a: dict | None, b: dict | None, dtype: torch.dtype) -> bool:
    if a is None or b is None or a.keys() != b.keys():
        return a is b
    return all(
        (g is None and b[name] is None)
        or (g is not None and b[name] is not None and close(g, b[name], dtype))
        for name, g in a.items()
    )


def _kinship(parameters: dict[str, Tensor] | None) -> object:
    """What two ways of making the same parameters share, whatever the random numbers are."""
    if parameters is None:
        return None
    return {name: (tuple(p.shape), bool(p.isfinite().all()), _constant(p)) for name, p in parameters.items()}


def close(got: Tensor, expected: Tensor, dtype: torch.dtype, slack: float = 1.0) -> bool:
    """Equal up to the rounding that `dtype` allows; NaN and infinities must stand in the same places. Whole
    numbers are not rounded.
    """
    if got.shape != expected.shape or got.is_complex() or expected.is_complex():
        return False
    if got.dtype == torch.bool or expected.dtype == torch.bool:
        return got.dtype == expected.dtype and bool((got == expected).all())
    a, b = got.to(torch.float64), expected.to(torch.float64)
    if a.numel() == 0:
        return True
    finite = b.isfinite()
    if not bool((a.isfinite() == finite).all()) or not same(a[~finite], b[~finite]):
        return False
    if not expected.is_floating_point():
        return bool((a == b).all())
    largest = float(b[finite].abs().max()) if bool(finite.any()) else 0.0
    return bool(
        ((a[finite] - b[finite]).abs() <= slack * TOLERANCE.get(dtype, 5e-5) * max(1.0, largest)).all()
    )


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Bit for bit the same numbers (NaN equals NaN)."""
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return a is b
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _constant(tensor: Tensor) -> bool:
    return tensor.numel() > 1 and bool((tensor == tensor.flatten()[0]).all())


def dtype_of(case: Case) -> torch.dtype:
    """The floating-point type that a case asks for; float32 where it has none."""
    if case.construct is not None:
        return case.construct.dtype
    floats = (
        a.dtype for call in case.calls for a in call.args if isinstance(a, Tensor) and a.is_floating_point()
    )
    return next(floats, torch.float32)


def _in_float64(case: Case) -> Case:
    def up(value):
        if isinstance(value, Callback):
            return Callback(value.kind, {name: up(t) for name, t in value.tensors.items()})
        return value.to(torch.float64) if isinstance(value, Tensor) and value.is_floating_point() else value

    calls = tuple(
        Call(
            tuple(up(a) for a in c.args), None if c.cotangents is None else tuple(up(t) for t in c.cotangents)
        )
        for c in case.calls
    )
    made = case.construct
    if made is not None:
        named = None if made.parameters is None else {name: up(p) for name, p in made.parameters.items()}
        made = Construct(made.args, torch.float64, named)
    return replace(case, calls=calls, construct=made)


def _tensors(case: Case) -> Iterator[Tensor]:
    """All tensors that are put in, those of callbacks too."""
    for call in case.calls:
        for a in call.args:
            if isinstance(a, Callback):
                yield from a.tensors.values()
            elif isinstance(a, Tensor):
                yield a


def _elements(case: Case) -> int:
    return sum(t.numel() for t in _tensors(case)) or 10**6


def _unhandy(case: Case) -> bool:
    """Whether the case holds numbers that nobody wants to check by hand: fractions, or large ones."""
    return any(
        bool(((t != t.round()) | (t.abs() >= 100)).any()) for t in _tensors(case) if t.is_floating_point()
    )


# ---- what can differ
#
#


def _parameter_differences(got: dict[str, Tensor], right: dict[str, Tensor]) -> Iterator[Difference]:
    for name, parameter in right.items():
        if name not in got:
            names = ", ".join(f"`{n}`" for n in got) or "none at all"
            yield Difference(
                "parameters", f"There is no registered parameter `{name}`; the registered ones are: {names}."
            )
        elif got[name].shape != parameter.shape:
            yield Difference(
                "parameters",
                f"`{name}` should have shape {tuple(parameter.shape)}, but has {tuple(got[name].shape)}.",
                label=name,
            )
    if extra := [f"`{name}`" for name in got if name not in right]:
        yield Difference("parameters", f"There should be no parameter {', '.join(extra)}.")
    for name, parameter in got.items():
        if not bool(parameter.isfinite().all()):
            yield Difference(
                "fresh",
                f"A new module's `{name}` holds memory that nothing has set (filled with NaN here).",
                label=name,
            )
        elif name in right and _constant(parameter) and parameter.shape == right[name].shape:
            yield Difference("fresh", f"A new module's `{name}` has the same number everywhere.", label=name)


def _output_differences(
    exercise: Exercise, i: int, result: Returned, right: Returned, dtype: torch.dtype, slack: float
) -> Iterator[Difference]:
    names = [r.name for r in exercise.results]
    if result.sequence != right.sequence or len(result.outputs) != len(right.outputs):
        yield Difference("kind", _say_kind(names, result), call=i)
        return
    for named, got, expected in zip(exercise.results, result.outputs, right.outputs, strict=True):
        at = {"call": i, "label": named.name, "axes": named.axes}
        if isinstance(got, Other):
            yield Difference("kind", _say_kind(names, result), **at)
            continue
        wanted_dtype = dtype if expected.is_floating_point() else expected.dtype
        if got.shape != expected.shape:
            yield Difference(
                "shape", _say_shape(named.name, named.axes, got, expected), expected=expected, got=got, **at
            )
            continue
        if got.dtype != wanted_dtype:
            yield Difference(
                "dtype", f"{named.name} should be {_dtype(wanted_dtype)}, but is {_dtype(got.dtype)}.", **at
            )
        if got.dtype == torch.bool and expected.dtype != torch.bool:
            got = got.to(torch.int64)
        compared = got.to(torch.bool) if expected.dtype == torch.bool and not got.is_complex() else got
        if not close(compared, expected, dtype, slack):
            yield Difference(
                "values", _say_values(named.name, got, expected, dtype), expected=expected, got=got, **at
            )


def _input_differences(exercise: Exercise, i: int, call: Call, result: Returned) -> Iterator[Difference]:
    for named, before, after in zip(exercise.inputs, call.args, result.args_after, strict=False):
        if isinstance(before, Tensor) and not same(before, after):
            at = {"call": i, "label": named.name, "axes": named.axes}
            if after is None:
                left = f"The call left a gradient on its input `{named.name}`: the next is added to it."
                yield Difference("inputs", left, call=i)
                continue
            yield Difference(
                "inputs", f"The call changed its input `{named.name}`.", expected=before, got=after, **at
            )


def _gradient_differences(
    exercise: Exercise, i: int, result: Returned, right: Returned, dtype: torch.dtype, slack: float
) -> Iterator[Difference]:
    if right.gradients is None:
        return
    axes = {str(k): named for k, named in enumerate(exercise.inputs)}
    for key, expected in right.gradients.items():
        place, _, inner = key.partition(".")
        name = axes[key].name if key in axes else f"{axes[place].name}'s {inner}" if place in axes else key
        at = {"call": i, "label": f"gradient of {name}", "axes": axes[key].axes if key in axes else None}
        got = (result.gradients or {}).get(key)
        if expected is None or (got is None and not bool(expected.any())):
            continue
        if got is None:
            yield Difference("gradients", f"No gradient reaches `{name}`.", expected=expected, **at)
        elif not close(got, expected, dtype, slack):
            yield Difference(
                "gradients",
                _say_values(f"the gradient of {name}", got, expected, dtype),
                expected=expected,
                got=got,
                **at,
            )


# ---- saying it
#
#


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _say_kind(names: list[str], result: Returned) -> str:
    wanted = names[0] if len(names) == 1 else f"the tuple ({', '.join(names)})"
    kinds = [o.type_name if isinstance(o, Other) else "a tensor" for o in result.outputs]
    if not result.sequence and kinds == ["NoneType"]:
        return f"It should return {wanted}, but it returned None. Does every path end with `return`?"
    got = f"a sequence of {len(kinds)} ({', '.join(kinds)})" if result.sequence else kinds[0]
    return f"It should return {wanted}, made of tensors; it returned {got}."


def _say_shape(name: str, axes: tuple[str, ...] | None, got: Tensor, expected: Tensor) -> str:
    letters = f" = ({', '.join(axes)})" if axes else ""
    return f"{name} should have shape {tuple(expected.shape)}{letters}, but has {tuple(got.shape)}."


def _say_values(name: str, got: Tensor, expected: Tensor, dtype: torch.dtype) -> str:
    if got.is_complex():
        return f"{name} should be real numbers, not complex ones."
    a, b = got.to(torch.float64), expected.to(torch.float64)
    if bool((a.isnan() & ~b.isnan()).any()):
        return f"{name} holds NaN."
    if bool((a.isinf() & ~b.isinf()).any()):
        return f"{name} holds an infinite number."
    off = (a - b).abs().nan_to_num()
    place = tuple((off == off.max()).nonzero()[0].tolist())
    index = f"[{', '.join(map(str, place))}]" if place else ""
    show = (lambda v: str(bool(v))) if expected.dtype == torch.bool else number
    return f"{name}{index} should be {show(b[place].item())}, but is {show(a[place].item())}."


def number(value: float) -> str:
    """A number as a person writes it: 2, 0.7311, 1.2e-07, and never −0."""
    return f"{value + 0.0:.0f}" if value == round(value) and abs(value) < 1e7 else f"{value:.4g}"


def _say_raised(raised: Raised, exercise: Exercise) -> str:
    if raised.type == "WrongArity":
        wanted = (
            exercise.construct
            if raised.stage == "construct"
            else tuple(named.name for named in exercise.inputs)
        )
        return f"{raised.message} The exercise asks for ({', '.join(wanted)})."
    plain = {
        "NotAClass",
        "NotAModule",
        "NotAFunction",
        "NotDense",
        "WrongDevice",
        "TooLarge",
        "MissingParameter",
        "ParameterShape",
    }
    if raised.stage == "limit" or raised.type in plain | {"NotDefined"}:
        return raised.message
    where = {
        "backward": "The backward pass",
        "construct": "Making the module",
        "load": "Running the cell",
    }.get(raised.stage, "It")
    line = f" at line {raised.line}" if raised.line else ""
    source = f", `{raised.source}`" if raised.line and raised.source else ""
    message = " ".join(raised.message.split())
    return f"{where} raised {raised.type}{line}{source}: {message[:300]}"


# ---- all checks of an exercise


class Judgement:
    """All cases of one answer with what became of them.

    `plan` holds a list of cases for each check and `outcomes` one outcome for each case in the same order,
    flattened.
    """

    def __init__(self, exercise: Exercise, plan: Sequence[Sequence[Case]], outcomes: Sequence[Outcome]):
        self.exercise = exercise
        flat = [(check, case) for check, cases in zip(exercise.checks, plan, strict=True) for case in cases]
        self.tried: list[Tried] = []
        for (check, case), outcome in zip(flat, outcomes, strict=True):
            expected = expect(exercise.reference, case)
            found = first_difference(exercise, check, case, outcome, expected)
            self.tried.append(Tried(check, case, outcome, expected, found))
        self._look_across()

    def _look_across(self) -> None:
        """Checks that compare several cases: when one of them objects, all its cases count as failed."""
        for check in self.exercise.checks:
            mine = [t for t in self.tried if t.check is check]
            if check.across is None or any(t.difference for t in mine):
                continue
            if sentence := check.across([t.outcome for t in mine]):
                told = Difference(check.aspects[0], sentence)
                self.tried = [replace(t, difference=told) if t.check is check else t for t in self.tried]

    @cached_property
    def failed(self) -> list[Tried]:
        return [t for t in self.tried if t.difference is not None]

    @cached_property
    def never_ran(self) -> str | None:
        """Why no case could be put to the answer at all, or None."""
        raised = [t.outcome.raised for t in self.tried]
        if all(r is not None and r.stage == "load" for r in raised):
            return self.tried[0].difference.sentence
        return None

    @cached_property
    def attempted(self) -> bool:
        """False when every case ended in NotImplementedError, or the body of the function is empty."""
        if any(t.outcome.stub for t in self.tried):
            return False
        raised = [t.outcome.raised for t in self.tried]
        return not all(
            r is not None and r.type == "NotImplementedError" and r.stage != "load" for r in raised
        )

    def complaint(self, check: Check) -> str | None:
        """What is wrong in one check, or None when it passes."""
        wrong = [t for t in self.failed if t.check is check]
        return min(wrong, key=lambda t: t.size).difference.sentence if wrong else None

    @cached_property
    def example(self) -> Tried | None:
        """The smallest failing case; one with wrong results before one with wrong gradients or side
        effects.
        """
        later = ("gradients", "inputs", "parameters", "fresh", "dtype")
        return min(self.failed, key=lambda t: (t.difference.aspect in later, *t.size), default=None)
