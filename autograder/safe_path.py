"""Keeps a student's `torch.py` from becoming ours. Imports almost nothing: each import is a chance for it."""

import os
import sys


def leave_out_current_folder() -> None:
    """Drop the current folder, which `python -m` puts on the import path, unless this package lives there."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    here = os.path.abspath(os.getcwd())
    if os.path.realpath(here) != os.path.realpath(home):
        sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != here]
