"""What is asked of an answer (`Case`) and what comes back (`Outcome`).

Both sides of the wall share these: the grader draws cases and judges outcomes, the sandbox turns one into
the other. Nothing in this folder knows an exercise, a reference answer or an expected value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

DIMENSIONS_LIMIT = 16
"""The most dimensions that a result may have. Many operations of torch take no more than 64."""


@dataclass(frozen=True)
class Callback:
    """A function that the answer is given. Only its kind and its numbers are kept here: `callbacks.make`
    makes it where the answer runs.
    """

    kind: str
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Call:
    """One call of the answer.

    `args` holds tensors, numbers, callbacks or None, given positionally. With `cotangents` (one tensor or
    None for each output) the gradient of Σ output·cotangent is asked for too, with respect to every
    floating-point argument, every parameter and every tensor of a callback.
    """

    args: tuple[Any, ...]
    cotangents: tuple[Tensor | None, ...] | None = None


@dataclass(frozen=True)
class Construct:
    """How a class is made before it is called: its arguments, its dtype, and its parameters (None leaves
    them as they were born).
    """

    args: tuple[Any, ...]
    dtype: torch.dtype = torch.float32
    parameters: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class Case:
    """One question: optionally construct an object, then call it once or several times in a row."""

    calls: tuple[Call, ...] = ()
    construct: Construct | None = None
    seed: int = 0

    def __post_init__(self):
        if not self.calls and self.construct is None:
            raise ValueError("A case must construct something or call something.")


@dataclass(frozen=True)
class Other:
    """Stands for a returned object that is no tensor; only the name of its type crosses the wall."""

    type_name: str


@dataclass(frozen=True)
class Returned:
    """What one call gave.

    `sequence` tells whether the answer returned one tensor or several. `args_after` are the tensor
    arguments as the call left them, None for one on which it left a gradient. `gradients` maps "0", "1",
    … (arguments), "2.W" (tensor W of the callback that is argument 2) and parameter names to a gradient, or
    to None where the graph does not reach; it is None when no gradient was asked for.
    """

    outputs: tuple[Tensor | Other, ...]
    sequence: bool
    args_after: tuple[Tensor | None, ...]
    gradients: dict[str, Tensor | None] | None = None


@dataclass(frozen=True)
class Raised:
    """An exception, or a limit that was hit. `line` and `source` point into the student's own code where
    they can.
    """

    type: str
    message: str
    stage: str  # "load", "construct", "call", "backward" or "limit"
    line: int | None = None
    source: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What one case gave: the parameters a constructed module was born with, and one result a call (fewer
    after an exception).
    """

    results: tuple[Returned | Raised, ...] = ()
    parameters: dict[str, Tensor] | None = None
    stub: bool = field(default=False)

    @property
    def raised(self) -> Raised | None:
        """The exception that ended the case, if one did."""
        last = self.results[-1] if self.results else None
        return last if isinstance(last, Raised) else None
