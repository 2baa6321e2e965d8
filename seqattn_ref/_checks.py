"""Sentences for inputs that do not fit. Only dtypes and shapes are read, so no check waits for a GPU."""

import torch
from torch import Tensor


def check_shapes(**arguments: tuple[Tensor, str]) -> None:
    """Check each tensor against its layout; an axis name must stand for one size throughout.

    For example ``check_shapes(queries=(queries, "(B, T, D)"), keys=(keys, "(B, S, D)"))``.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: a tensor has another number of axes than its layout, or one axis name two sizes.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for name, (tensor, layout) in arguments.items():
        check_tensor(name, tensor)
        shape = tuple(tensor.shape)
        axes = layout.strip("(,)").split(", ")
        if len(shape) != len(axes):
            raise ValueError(f"{name} must have shape {layout}, but its shape is {shape}.")
        for axis, size in zip(axes, shape, strict=True):
            known, first = sizes.setdefault(axis, (size, name))
            if size != known:
                raise ValueError(
                    f"{name} must have shape {layout} with {axis} = {known}, as {first} has it, "
                    f"but its shape is {shape}."
                )


def check_tensor(name: str, value: object) -> None:
    """Raise TypeError unless the value is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, but it is a {type(value).__name__}.")


def check_mask(mask: Tensor) -> None:
    """Raise TypeError unless the mask is a bool tensor."""
    check_tensor("mask", mask)
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask must be a bool tensor with True for a real token, but its dtype is {mask.dtype}: "
            "turn zeros and ones into bool with mask.bool()."
        )
