"""Drawing inputs: everything a case needs comes out of one seed, the same on every machine."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


class Draw:
    """A source of random inputs, fixed by a seed and by the names of what it is for."""

    def __init__(self, seed: int, *purpose: str):
        digest = hashlib.sha256("/".join((str(seed), *purpose)).encode()).digest()
        self._generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(torch.randint(low, high + 1, (), generator=self._generator))

    def distinct(self, count: int, low: int, high: int) -> list[int]:
        """`count` different whole numbers from low to high."""
        return (torch.randperm(high - low + 1, generator=self._generator)[:count] + low).tolist()

    def normal(self, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Independent normal numbers."""
        return (torch.randn(shape, generator=self._generator, dtype=torch.float64) * scale).to(dtype)

    def whole(self, *shape: int, low: int = -2, high: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
        """Small whole numbers, for cases that a person can check by hand."""
        return torch.randint(low, high + 1, shape, generator=self._generator).to(dtype)

    def nonzero(self, *shape: int, most: int = 3) -> Tensor:
        """Whole numbers from −most to most without 0, which would hide what it is multiplied with.

        All different where there are few enough of them.
        """
        values = torch.tensor([float(v) for v in range(-most, most + 1) if v])
        count = math.prod(shape)
        if count <= len(values):
            return values[torch.randperm(len(values), generator=self._generator)[:count]].reshape(shape)
        return values[torch.randint(len(values), shape, generator=self._generator)]

    def quarters(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        """Multiples of ¼ between −1 and 1: bfloat16 holds them, and their products, exactly."""
        return (torch.randint(-4, 5, shape, generator=self._generator) / 4).to(dtype)

    def apart(self, *shape: int, gap: float = 0.5, dtype: torch.dtype = torch.float32) -> Tensor:
        """Rows whose entries differ from one another by at least about `gap`, in random order."""
        order = torch.rand(shape, generator=self._generator, dtype=torch.float64).argsort(-1)
        jitter = torch.rand(shape, generator=self._generator, dtype=torch.float64) * 0.2
        return ((order - (shape[-1] - 1) / 2) * gap + jitter * gap).to(dtype)

    def lengths(self, batch: int, longest: int, shortest: int = 1) -> Tensor:
        """Ragged lengths. The longest is reached; with two samples or more, so is a shorter one."""
        lengths = torch.randint(shortest, longest, (batch,), generator=self._generator)
        lengths[self.integer(0, batch - 1)] = longest
        return lengths

    def prefix_mask(self, batch: int, size: int) -> Tensor:
        """(batch, size) mask of ragged lengths: True for the first tokens of a row, at least one pad
        somewhere.
        """
        lengths = self.lengths(batch, size)
        if batch == 1:
            lengths[0] = self.integer(1, size - 1)
        return torch.arange(size) < lengths[:, None]

    def scattered_mask(self, *shape: int) -> Tensor:
        """A mask with holes anywhere; every row holds at least two True and one False (three or more places
        a row).
        """
        order = torch.rand(shape, generator=self._generator).argsort(-1)
        kept = torch.randint(2, shape[-1], (*shape[:-1], 1), generator=self._generator)
        return order < kept

    def strided(self, tensor: Tensor) -> Tensor:
        """The same values in a tensor that is not contiguous: axes in reverse order in memory, with gaps."""
        memory = tensor.new_zeros(*reversed(tensor.shape), 2)[..., 0]
        return memory.permute(*reversed(range(tensor.dim()))).copy_(tensor)
