"""What the lessons are given: figures, widgets and small helpers. Nothing here knows an exercise's answer.

Models and functions that a learner writes come in as arguments, so importing the lab never shows a solution.
"""

from seqattn_ref.lab.device import describe_device
from seqattn_ref.lab.explorers.context import ContextExplorer
from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.explorers.padding import PaddingExplorer
from seqattn_ref.lab.explorers.tanh_units import TanhUnitsExplorer
from seqattn_ref.lab.figures import COLOURS, Picture, figure, heatmap, ragged_batch, show

__all__ = [
    "COLOURS",
    "ContextExplorer",
    "Explorer",
    "PaddingExplorer",
    "Picture",
    "TanhUnitsExplorer",
    "describe_device",
    "figure",
    "heatmap",
    "ragged_batch",
    "show",
]
