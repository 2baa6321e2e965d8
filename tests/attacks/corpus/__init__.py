"""The submissions by kind. Each module has a list of them."""

from ..attack import Attack
from . import (
    edited,
    folders,
    guessing,
    heavy,
    honest,
    honest_code,
    interpreter,
    machine,
    malformed,
    objects,
    process,
    reading,
    results,
    secrets,
    wire,
    writing,
)

_HOSTILE = (interpreter, objects, wire, results, reading, secrets, writing, process, machine, guessing)
_ODD = (malformed, edited, folders, heavy)
MODULES = (*_HOSTILE, *_ODD)

ATTACKS: tuple[Attack, ...] = tuple(attack for module in MODULES for attack in module.ATTACKS)
"""What should gain nothing, and what must find a fair end whatever became of it."""

ODDITIES: tuple[Attack, ...] = (*honest.ATTACKS, *honest_code.ATTACKS)
"""What is right, and must get all points."""
