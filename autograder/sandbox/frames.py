"""Length-prefixed frames, the envelope of all that crosses the wall. Needs no torch."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

FRAME_LIMIT = 64 << 20
"""The most bytes that one frame may have."""


_MARKER = struct.Struct("<I")  # shorter than any payload, so that no payload looks like one


class WireError(ValueError):
    """The bytes do not hold what they should."""


def marker(number: int) -> bytes:
    """A frame that says how far the cells have come."""
    return _MARKER.pack(number)


def read_marker(payload: bytes) -> int | None:
    """The number in a marker, or None for any other frame."""
    return _MARKER.unpack(payload)[0] if len(payload) == _MARKER.size else None


def write_frame(stream: BinaryIO, payload: bytes) -> None:
    stream.write(struct.pack("<Q", len(payload)))
    stream.write(payload)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, or None at the end of the stream. Raises `WireError` for one too long or cut short."""
    head = stream.read(8)
    if not head:
        return None
    if len(head) < 8:
        raise WireError("a frame was cut short")
    (size,) = struct.unpack("<Q", head)
    if size > FRAME_LIMIT:
        raise WireError("a frame is larger than is allowed")
    payload = stream.read(size)
    if len(payload) < size:
        raise WireError("a frame was cut short")
    return payload


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """All frames until the stream ends."""
    while (payload := read_frame(stream)) is not None:
        yield payload
