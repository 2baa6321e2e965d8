"""Sizes and inputs for the answers."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

DTYPES = [torch.float64, torch.float32, torch.bfloat16]


class Sizes(NamedTuple):
    """The letters of the docstrings. X is the number of source tokens, V that of target tokens."""

    B: int
    T: int
    S: int
    Dq: int
    Dk: int
    A: int
    D: int
    E: int
    H: int
    X: int
    V: int
    N: int
    K: int


DISTINCT = Sizes(B=3, T=4, S=5, Dq=6, Dk=7, A=8, D=9, E=2, H=10, X=11, V=12, N=14, K=13)
SMALL = Sizes(B=2, T=2, S=3, Dq=2, Dk=3, A=2, D=3, E=2, H=2, X=3, V=4, N=3, K=2)
SIZES = {
    "distinct": DISTINCT,
    "equal": Sizes(*[4] * len(Sizes._fields)),
    "one sample": DISTINCT._replace(B=1, N=1),
    "one query": DISTINCT._replace(T=1),
    "one key": DISTINCT._replace(S=1, K=1),
    "one unit": DISTINCT._replace(A=1, H=1),
    "all one": Sizes(*[1] * len(Sizes._fields)),
}


class Draw:
    """Inputs in float64, the same for the same sizes and seed."""

    def __init__(self, sizes: Sizes = DISTINCT, seed: int = 0):
        self.sizes = sizes
        self.generator = torch.Generator().manual_seed(seed)

    def real(self, *axes: str | int) -> Tensor:
        return torch.randn(self._shape(axes), generator=self.generator, dtype=torch.float64)

    def tokens(self, vocab: str, *axes: str) -> Tensor:
        """Integers from 0 to the size of the vocabulary less 1."""
        return torch.randint(getattr(self.sizes, vocab), self._shape(axes), generator=self.generator)

    def parameters(self, module: nn.Module) -> tuple[Tensor, ...]:
        """Other numbers for each parameter of the module."""
        return tuple(self.real(*parameter.shape) / 2 for parameter in module.parameters())

    def lengths(self, axis: str = "S") -> Tensor:
        """(B,): the first sample whole, then shorter ones, the last empty unless it is the only one."""
        B, size = self.sizes.B, getattr(self.sizes, axis)
        return torch.tensor([size - b * size // max(B - 1, 1) for b in range(B)])

    def padding(self, axis: str = "S") -> Tensor:
        """(B, S), or another axis in the place of S: the mask of these lengths."""
        return torch.arange(getattr(self.sizes, axis)) < self.lengths(axis)[:, None]

    def holes(self) -> Tensor:
        """(B, T, S): other places for each query. The last query of the last sample has none."""
        B, T, S = self.sizes.B, self.sizes.T, self.sizes.S
        mask = torch.rand(B, T, S, generator=self.generator) < 0.6
        mask[-1, -1] = False
        return mask

    def weights(self, *axes: str) -> Tensor:
        """Rows that sum to 1, the last one empty."""
        weights = torch.softmax(self.real(*axes), dim=-1)
        weights.reshape(-1, weights.shape[-1])[-1] = 0
        return weights

    def _shape(self, axes: tuple[str | int, ...]) -> list[int]:
        return [getattr(self.sizes, axis) if isinstance(axis, str) else axis for axis in axes]
