"""Cases and outcomes as bytes: a JSON skeleton beside raw tensor bytes, in the safetensors format. Never
pickle.

safetensors (https://github.com/huggingface/safetensors) checks offsets, sizes and dtypes of what it reads;
the skeleton is read back field by field here, so that whatever the other side sends becomes a `Case` or an
`Outcome`, or `WireError`.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import torch
from safetensors import SafetensorError, TensorSpec, serialize
from safetensors.torch import load as load_tensors
from torch import Tensor

from .case import DIMENSIONS_LIMIT, Call, Callback, Case, Construct, Other, Outcome, Raised, Returned
from .frames import WireError

STRIDED_LIMIT = 1 << 24
"""The most elements that a strided tensor may span; a few bytes must not ask for terabytes."""

_CROSSING = {
    torch.bool,
    *(
        torch.uint8,
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
    ),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
}
_DTYPES = {
    str(d).removeprefix("torch."): d for d in (torch.float32, torch.float64, torch.bfloat16, torch.float16)
}


class _Packer:
    """Collects tensors while a skeleton is built."""

    def __init__(self):
        self.tensors: dict[str, Tensor] = {}

    def value(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.dtype not in _CROSSING:
                # No exercise asks for such a dtype, so another one that none asks for says as much.
                value = value.to(torch.complex64 if value.is_complex() else torch.float16)
            name = str(len(self.tensors))
            self.tensors[name] = value.detach().contiguous()
            return {"tensor": name, "stride": value.stride()}
        if isinstance(value, Other):
            return {"other": value.type_name[:200]}
        if isinstance(value, Callback):
            return {"callback": value.kind, "tensors": self.mapping(value.tensors)}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise TypeError(
            f"Only tensors, callbacks, numbers, strings and None cross the wall, not {type(value).__name__}."
        )

    def values(self, values: Any) -> Any:
        return None if values is None else [self.value(v) for v in values]

    def mapping(self, mapping: dict | None) -> Any:
        return None if mapping is None else {name: self.value(v) for name, v in mapping.items()}

    def payload(self, skeleton: Any) -> bytes:
        # Not safetensors.torch.save: for tensors as small as these its preparations take most of the time.
        specs = {
            name: TensorSpec(
                dtype=str(tensor.dtype).removeprefix("torch."),
                shape=tensor.shape,
                data_ptr=tensor.data_ptr(),
                data_len=tensor.nbytes,
            )
            for name, tensor in self.tensors.items()
        }
        return serialize(specs, {"skeleton": json.dumps(skeleton)})


class _Unpacker:
    """Reads a skeleton back, refusing whatever is not of the expected kind."""

    def __init__(self, payload: bytes):
        try:
            self.tensors = load_tensors(payload)
            size = struct.unpack("<Q", payload[:8])[0]
            self.skeleton = json.loads(json.loads(payload[8 : 8 + size])["__metadata__"]["skeleton"])
        except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
            raise WireError(f"unreadable payload ({type(error).__name__})") from None
        if not all(tensor.dtype in _CROSSING for tensor in self.tensors.values()):
            raise WireError("unexpected dtype")
        if any(tensor.dim() > DIMENSIONS_LIMIT for tensor in self.tensors.values()):
            raise WireError("more dimensions than any result has")

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "other" in value:
                return Other(self.text(value["other"], 200))
            if "callback" in value:
                return Callback(self.text(value["callback"], 200), self.mapping(value.get("tensors")))
            return self._tensor(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise WireError("unexpected value")

    def _tensor(self, value: dict) -> Tensor:
        try:
            tensor, stride = self.tensors[value["tensor"]], tuple(value["stride"])
        except (KeyError, TypeError):
            raise WireError("a tensor is missing") from None
        if stride == tensor.stride() or tensor.numel() < 2:
            return tensor
        if len(stride) != tensor.dim() or not all(type(s) is int and 0 < s < 1 << 20 for s in stride):
            raise WireError("strides do not fit")
        if sum((size - 1) * step for size, step in zip(tensor.shape, stride, strict=True)) > STRIDED_LIMIT:
            raise WireError("strides reach too far")
        return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)

    def values(self, values: Any, most: int = 64) -> tuple | None:
        if values is None:
            return None
        return tuple(self.value(v) for v in self.items(values, most))

    def mapping(self, mapping: Any, most: int = 64) -> dict | None:
        if mapping is None:
            return None
        if not isinstance(mapping, dict) or len(mapping) > most:
            raise WireError("expected a mapping")
        return {self.text(k, 200): self.tensor_or_none(v) for k, v in mapping.items()}

    def tensor_or_none(self, value: Any) -> Tensor | None:
        value = self.value(value)
        if value is not None and not isinstance(value, Tensor):
            raise WireError("expected a tensor")
        return value

    @staticmethod
    def items(value: Any, most: int) -> list:
        if not isinstance(value, list) or len(value) > most:
            raise WireError("expected a list")
        return value

    @staticmethod
    def text(value: Any, most: int = 1000) -> str:
        if not isinstance(value, str):
            raise WireError("expected text")
        return value[:most].encode("utf-8", "replace").decode("utf-8")  # half characters cannot be printed


def pack_case(case: Case) -> bytes:
    pack = _Packer()
    construct = case.construct and {
        "args": pack.values(case.construct.args),
        "dtype": str(case.construct.dtype).removeprefix("torch."),
        "parameters": pack.mapping(case.construct.parameters),
    }
    calls = [{"args": pack.values(c.args), "cotangents": pack.values(c.cotangents)} for c in case.calls]
    return pack.payload({"construct": construct, "calls": calls, "seed": case.seed})


def unpack_case(payload: bytes) -> Case:
    read = _Unpacker(payload)
    s = read.skeleton
    construct = s["construct"] and Construct(
        read.values(s["construct"]["args"]),
        _DTYPES[s["construct"]["dtype"]],
        read.mapping(s["construct"]["parameters"]),
    )
    calls = tuple(Call(read.values(c["args"]), read.values(c["cotangents"])) for c in s["calls"])
    return Case(calls, construct, s["seed"])


def pack_outcome(outcome: Outcome) -> bytes:
    pack = _Packer()
    results = [
        {"raised": [r.type, r.message, r.stage, r.line, r.source, r.place]}
        if isinstance(r, Raised)
        else {
            "outputs": pack.values(r.outputs),
            "sequence": r.sequence,
            "args_after": pack.values(r.args_after),
            "gradients": pack.mapping(r.gradients),
        }
        for r in outcome.results
    ]
    return pack.payload(
        {"results": results, "parameters": pack.mapping(outcome.parameters), "stub": outcome.stub}
    )


def unpack_outcome(payload: bytes) -> Outcome:
    """Bytes from the sandbox as an `Outcome`, trusting nothing. Raises `WireError` for anything else."""
    try:
        return _unpack_outcome(payload)
    except RecursionError:
        raise WireError("values are nested too deeply") from None


def _unpack_outcome(payload: bytes) -> Outcome:
    read = _Unpacker(payload)
    s = read.skeleton
    if not isinstance(s, dict):
        raise WireError("expected an outcome")
    results = tuple(_unpack_result(read, r) for r in read.items(s.get("results"), 16))
    return Outcome(results, read.mapping(s.get("parameters")), s.get("stub") is True)


def _unpack_result(read: _Unpacker, r: Any) -> Returned | Raised:
    if not isinstance(r, dict):
        raise WireError("expected a result")
    if "raised" in r:
        fields = read.items(r["raised"], 6)
        if len(fields) != 6:
            raise WireError("expected an exception")
        kind, message, stage, line, source, place = fields
        optional = [None if text is None else read.text(text, 300) for text in (source, place)]
        return Raised(
            read.text(kind, 100),
            read.text(message),
            read.text(stage, 20),
            line if type(line) is int else None,
            *optional,
        )
    outputs, args_after = read.values(r.get("outputs"), 8), read.values(r.get("args_after"), 64)
    if outputs is None or args_after is None or not all(isinstance(o, (Tensor, Other)) for o in outputs):
        raise WireError("expected outputs")
    if not all(a is None or isinstance(a, Tensor) for a in args_after):
        raise WireError("expected arguments")
    return Returned(outputs, r.get("sequence") is True, args_after, read.mapping(r.get("gradients")))
