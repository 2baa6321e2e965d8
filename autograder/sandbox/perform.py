"""Put cases to an answer: construct, call, differentiate, and note what happened.

Runs in the learner's own kernel (instant feedback) and, unchanged, inside the sandbox (when a grade is at
stake).
"""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import inspect
import linecache
import os
import random
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from .callbacks import make
from .case import DIMENSIONS_LIMIT, Call, Callback, Case, Construct, Other, Outcome, Raised, Returned

MESSAGE_LIMIT = 600
OUTPUT_LIMIT = 1 << 22  # elements; no exercise asks for a result near this size
_IDLE = {
    dis.opmap[name]
    for name in ("RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP", "CACHE")
    if name in dis.opmap  # not every version of Python has all of them
}
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARIES = tuple(
    {
        os.path.abspath(sysconfig.get_path(kind)) + os.sep
        for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)


def perform(answer: Any, cases: Iterable[Case]) -> Iterator[Outcome]:
    """Yield one outcome a case. Never raises for what the answer does, short of `KeyboardInterrupt`."""
    stub = _is_stub(answer)
    for case in cases:
        with _clean_state(case.seed):
            outcome = _perform_case(answer, case, stub)
        yield outcome


@contextlib.contextmanager
def _clean_state(seed: int) -> Iterator[None]:
    """A fixed seed, quiet warnings and torch's defaults, whatever the notebook set; all put back
    afterwards.

    Deterministic mode makes torch fill new, uninitialised memory with NaN, so that an answer which reads
    such memory shows it.
    """
    mode = torch.get_deterministic_debug_mode()
    dtype = torch.get_default_dtype()
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            # Not torch.use_deterministic_algorithms: that imports the compiler, a second or more.
            torch.set_deterministic_debug_mode("warn")
            torch.set_default_dtype(torch.float32)
            # Not torch.manual_seed: before CUDA starts, that keeps a formatted stack for each call.
            torch.default_generator.manual_seed(seed)
            random.seed(seed)
            yield
        finally:
            torch.set_rng_state(torch_state)
            random.setstate(python_state)
            torch.set_default_dtype(dtype)
            torch.set_deterministic_debug_mode(mode)


def _perform_case(answer: Any, case: Case, stub: bool) -> Outcome:
    parameters, target, results = None, answer, []
    try:
        if case.construct is not None:
            target = _construct(answer, case.construct)
            parameters = {name: _plain(p) for name, p in target.named_parameters()}
            _set_parameters(target, case.construct)
    except (Exception, SystemExit) as error:
        return Outcome((_raised(error, "construct"),), parameters, stub)
    for call in case.calls:
        results.append(_call(target, call))
        if isinstance(results[-1], Raised):
            break
    return Outcome(tuple(results), parameters, stub)


class _Refused(Exception):
    """The answer cannot be put to the question at all. `type` tells the judge why."""

    def __init__(self, type: str, message: str):
        super().__init__(message)
        self.type = type


def _construct(answer: Any, construct: Construct) -> nn.Module:
    if not callable(answer):
        raise _Refused("NotAClass", f"It should be a class, but it is {_article(type(answer).__name__)}.")
    module = _called(answer, construct.args, answer)
    if not isinstance(module, nn.Module):
        raise _Refused(
            "NotAModule",
            "The class is not an nn.Module: write `class Name(nn.Module):` and call `super().__init__()`.",
        )
    return module.to(construct.dtype).eval()


def _set_parameters(module: nn.Module, construct: Construct) -> None:
    if construct.parameters is None:
        return
    own = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in construct.parameters.items():
            if name not in own:
                names = ", ".join(own) or "none at all"
                raise _Refused(
                    "MissingParameter",
                    f"The module has no parameter called `{name}`. Its parameters are: {names}.",
                )
            if own[name].shape != value.shape:
                wanted, got = tuple(value.shape), tuple(own[name].shape)
                raise _Refused(
                    "ParameterShape",
                    f"The parameter `{name}` should have shape {wanted}, but has shape {got}.",
                )
            own[name].copy_(value)


def _call(target: Callable, call: Call) -> Returned | Raised:
    wants_gradient = call.cotangents is not None
    lent = {
        i: {name: _fresh(t, wants_gradient) for name, t in a.tensors.items()}
        for i, a in enumerate(call.args)
        if isinstance(a, Callback)
    }
    args = tuple(
        make(a, lent[i]) if i in lent else _fresh(a, wants_gradient) if isinstance(a, Tensor) else a
        for i, a in enumerate(call.args)
    )
    try:
        if not callable(target):
            raise _Refused(
                "NotAFunction", f"It should be a function, but it is {_article(type(target).__name__)}."
            )
        value = _called(target, args, target.forward if isinstance(target, nn.Module) else target)
        sequence = isinstance(value, (tuple, list))
        raw = tuple(value)[:8] if sequence else (value,)
        device = next((a.device for a in args if isinstance(a, Tensor)), None)
        outputs = tuple(_output(v, device) for v in raw)
    except (Exception, SystemExit) as error:
        return _raised(error, "call")
    gradients = None
    if wants_gradient:
        try:
            gradients = _gradients(target, args, lent, raw, call.cotangents)
        except (Exception, SystemExit) as error:
            return _raised(error, "backward")
    # None for an argument that holds a gradient now: the answer's next one would be added to it.
    after = tuple(_plain(a) if isinstance(a, Tensor) and not _holds_gradient(a) else None for a in args)
    return Returned(outputs, sequence, after, gradients)


def _gradients(
    target: Any, args: tuple, lent: dict[int, dict[str, Tensor]], raw: tuple, cotangents: tuple
) -> dict[str, Tensor | None]:
    wanted = {str(i): a for i, a in enumerate(args) if isinstance(a, Tensor) and a.is_floating_point()}
    wanted |= {
        f"{i}.{name}": t for i, own in lent.items() for name, t in own.items() if t.is_floating_point()
    }
    if isinstance(target, nn.Module):
        wanted |= dict(target.named_parameters())
    terms = [
        (value * cotangent.to(value.device, value.dtype)).sum()
        for value, cotangent in zip(raw, cotangents, strict=False)
        if cotangent is not None
        and isinstance(value, Tensor)
        and value.shape == cotangent.shape
        and value.requires_grad
    ]
    if not terms:
        return dict.fromkeys(wanted)
    leaves = [leaf for leaf in wanted.values() if leaf.requires_grad]
    found = iter(torch.autograd.grad(functools.reduce(torch.add, terms), leaves, allow_unused=True))
    gradients = {name: next(found) if leaf.requires_grad else None for name, leaf in wanted.items()}
    return {name: None if g is None else _plain(g) for name, g in gradients.items()}


def _holds_gradient(tensor: Tensor) -> bool:
    return tensor.is_leaf and tensor.grad is not None


def _fresh(tensor: Tensor, requires_grad: bool) -> Tensor:
    """A copy with the same strides, so that a non-contiguous argument stays one."""
    copy = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device).copy_(
        tensor
    )
    return copy.requires_grad_(requires_grad and tensor.is_floating_point())


def _plain(tensor: Tensor) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _output(value: Any, device: torch.device | None) -> Tensor | Other:
    if not isinstance(value, Tensor):
        kind = type(value)
        return Other(
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may say anything of itself
        if value.layout != torch.strided or value.is_quantized:
            raise _Refused("NotDense", "It returned a sparse or quantised tensor; return a plain dense one.")
        value = Tensor.as_subclass(value, Tensor)
    if device is not None and value.device != device:
        raise _Refused(
            "WrongDevice", f"Its inputs are on {device}, but it returned a tensor on {value.device}."
        )
    if value.numel() > OUTPUT_LIMIT or value.dim() > DIMENSIONS_LIMIT:
        raise _Refused(
            "TooLarge", f"It returned a tensor of shape {tuple(value.shape)}, far larger than was asked for."
        )
    return _plain(value)


def _called(function: Callable, args: tuple, signed: Callable) -> Any:
    """What the function gives. A wrong number of arguments is told by the signature of `signed`.

    The signature is read only when the call has failed: that takes longer than many an answer.
    """
    try:
        return function(*args)
    except TypeError:
        _check_arity(signed, args)
        raise


def _check_arity(function: Callable, args: tuple) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins without a signature: the call itself will tell
        return
    try:
        signature.bind(*args)
    except TypeError:
        count = f"{len(args)} argument" + "s" * (len(args) != 1)
        raise _Refused(
            "WrongArity", f"It is called with {count}, but its own signature is `{signature}`."
        ) from None


def _is_stub(answer: Any) -> bool:
    """True for a function whose body is only a docstring, `pass`, `...` or a bare return."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    if not _IDLE.issuperset(code.co_code[::2]):
        return False
    returns = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(value is None for value in returns)


def _raised(error: BaseException, stage: str) -> Raised:
    kind = error.type if isinstance(error, _Refused) else type(error).__name__
    if isinstance(error, NotImplementedError) and not by_raise_statement(error.__traceback__):
        kind = (
            "NotImplementedError (from torch)"  # not to be taken for an exercise that is still to be written
        )
    line, source, place = _own_line(error)
    return Raised(kind, _message(error), stage, line, source, place)


def by_raise_statement(trace: TracebackType | None) -> bool:
    """Whether Python code raised this itself, as a stub does. torch raises NotImplementedError too, for
    example for a dtype that an operation does not take.
    """
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _message(error: BaseException) -> str:
    """What the exception says, short, and without half characters, which no encoding can write."""
    try:
        message = str(error)
    except Exception:  # the answer's own exception may raise when it is asked what it says
        message = ""
    return message[:MESSAGE_LIMIT].encode("utf-8", "replace").decode("utf-8")


def _own_line(error: BaseException) -> tuple[int | None, str | None, str | None]:
    """The innermost line of the traceback that is neither ours nor a library's: the student's own."""
    found = (None, None, None)
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        absolute = os.path.abspath(path)
        library = absolute.startswith(_LIBRARIES) or path.startswith("<frozen")
        if not absolute.startswith(_OURS) and not library:
            found = (trace.tb_lineno, linecache.getline(path, trace.tb_lineno).strip() or None, path)
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and found[0] is None and error.lineno:
        found = (error.lineno, (error.text or "").strip() or None, error.filename)
    return found


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def load(
    cells: Iterable[tuple[str, str]],
    entry: str,
    namespace: dict[str, Any],
    begin: Callable[[int], None] = lambda number: None,
) -> Raised | None:
    """Run the cells (name, source) in order in `namespace`. Return why `entry` could not be had, or None
    when it is there. `begin` is told the number of each cell before it runs.

    An error in one cell does not keep the others from running: what counts is that `entry` ends up defined.
    """
    failure = None
    for number, (name, source) in enumerate(cells):
        begin(number)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        before = namespace.get(entry)
        try:
            _run(compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
        except (Exception, SystemExit) as error:
            if namespace.get(entry) is before:
                failure = failure or _raised(error, "load")
    if entry in namespace:
        return None
    return failure or Raised("NotDefined", f"Nothing called `{entry}` is defined.", "load")


def _run(code: CodeType, namespace: dict[str, Any]) -> None:
    """Run a cell. One with `await` at its top, which notebooks allow, is stepped by hand: an event loop would
    need a socket.
    """
    waiting = eval(code, namespace)
    if inspect.iscoroutine(waiting):
        with contextlib.suppress(StopIteration):
            while True:
                waiting.send(None)


def silence_output() -> None:
    """Point the process's standard streams at nothing: what an answer prints is not part of it."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
