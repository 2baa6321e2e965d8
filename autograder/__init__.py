"""Checks answers to the exercises of seqattn and says what is wrong with them.

In a notebook: `from autograder import check, hint, needs, progress`. These four are loaded when they are
asked for, so that the command line and pytest's plugin do not wait for torch.
"""

TYPE_CHECKING = False  # type checkers read it as True; importing typing here could find a student's typing.py
if TYPE_CHECKING:
    from .notebook import check, hint, needs, progress

__all__ = ["check", "hint", "needs", "progress"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return [*__all__]
