"""Judge outcomes: compare what an answer gave with what the reference gives, check by check. Pure: runs
nothing of the student's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .comparing import close, constant, dtype_of, same
from .exercise import Check, Exercise
from .sandbox.case import Call, Case, Other, Outcome, Raised, Returned

if TYPE_CHECKING:
    from .plan import Plan, Question

_OF_PARAMETERS = frozenset({"parameters", "fresh"})
_OF_SHAPE = frozenset({"shape", "values", "gradients"})


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


@dataclass(frozen=True, eq=False)
class Tried:
    """A question with what the answer gave and the first difference from what it should have given."""

    question: Question
    outcome: Outcome
    difference: Difference | None

    @property
    def check(self) -> Check:
        return self.question.check

    @property
    def case(self) -> Case:
        return self.question.case

    @property
    def expected(self) -> Outcome:
        return self.question.expected

    @property
    def size(self) -> tuple[bool, int]:
        return self.question.size


def first_difference(
    exercise: Exercise, check: Check, case: Case, outcome: Outcome, expected: Outcome
) -> Difference | None:
    """The first difference that this check looks at."""
    found = next(_differences(exercise, check, case, outcome, expected), None)
    if found is not None or check.also is None:
        return found
    sentence = check.also(case, outcome)
    return Difference(check.aspects[0], sentence) if sentence else None


def _differences(
    exercise: Exercise, check: Check, case: Case, outcome: Outcome, expected: Outcome
) -> Iterator[Difference]:
    """The differences that the check looks at, the plainest first."""
    if (
        outcome.raised is not None
        and case.construct is not None
        and not outcome.results[:-1]
        and outcome.raised.stage == "construct"
    ):
        yield Difference("raised", _say_raised(outcome.raised, exercise))
        return
    if case.construct is not None and not _OF_PARAMETERS.isdisjoint(check.aspects):
        found = _parameter_differences(outcome.parameters or {}, expected.parameters or {})
        yield from (d for d in found if d.aspect in check.aspects)
    dtype = dtype_of(case)
    for i, (call, result, right) in enumerate(
        zip(case.calls, outcome.results, expected.results, strict=False)
    ):
        if isinstance(result, Raised):
            yield Difference("raised", _say_raised(result, exercise), call=i)
            return
        yield from _output_differences(exercise, check, i, result, right, dtype)
        if "inputs" in check.aspects:
            yield from _input_differences(exercise, i, call, result)
        if "gradients" in check.aspects:
            yield from _gradient_differences(exercise, i, result, right, dtype, check.slack)
    if len(outcome.results) < len(case.calls):
        yield Difference("raised", "Some results are missing.")


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
        elif name in right and constant(parameter) and parameter.shape == right[name].shape:
            yield Difference("fresh", f"A new module's `{name}` has the same number everywhere.", label=name)


def _output_differences(
    exercise: Exercise, check: Check, i: int, result: Returned, right: Returned, dtype: torch.dtype
) -> Iterator[Difference]:
    named_results = exercise.results
    names = [r.name for r in named_results]
    if result.sequence != right.sequence or len(result.outputs) != len(right.outputs):
        yield Difference("kind", _say_kind(names, result), call=i)
        return
    for place, (named, got, expected) in enumerate(
        zip(named_results, result.outputs, right.outputs, strict=True)
    ):
        at = {"call": i, "label": named.name, "axes": named.axes}
        if isinstance(got, Other):
            yield Difference("kind", _say_kind(names, result), **at)
            continue
        if check.outputs is not None and place not in check.outputs:
            continue
        wanted_dtype = dtype if expected.is_floating_point() else expected.dtype
        if got.shape != expected.shape:
            if not _OF_SHAPE.isdisjoint(check.aspects):
                sentence = _say_shape(named.name, named.axes, got, expected)
                yield Difference("shape", sentence, expected=expected, got=got, **at)
            continue
        if got.dtype != wanted_dtype and "dtype" in check.aspects:
            yield Difference(
                "dtype", f"{named.name} should be {_dtype(wanted_dtype)}, but is {_dtype(got.dtype)}.", **at
            )
        if "values" not in check.aspects:
            continue
        if got.dtype == torch.bool and expected.dtype != torch.bool:
            got = got.to(torch.int64)
        compared = got.to(torch.bool) if expected.dtype == torch.bool and not got.is_complex() else got
        if not close(compared, expected, dtype, check.slack):
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
    """All questions of a plan with what became of them. `outcomes` holds one outcome for each, in order."""

    def __init__(self, plan: Plan, outcomes: Sequence[Outcome]):
        self.plan = plan
        self.tried = [
            Tried(question, outcome, question.difference(outcome))
            for question, outcome in zip(plan.questions, outcomes, strict=True)
        ]
        self._look_across()

    def _look_across(self) -> None:
        """Checks that compare several cases: when one of them objects, all its cases count as failed."""
        for check in self.plan.exercise.checks:
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
    def passed(self) -> list[Tried]:
        return [t for t in self.tried if t.difference is None]

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
