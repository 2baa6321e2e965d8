"""What the lessons are given: figures, widgets and small helpers. Nothing here knows an exercise's answer.

Models and functions that a learner writes come in as arguments, so importing the lab never shows a solution.
"""

from seqattn_ref.lab import bottleneck, memory
from seqattn_ref.lab.data import BOS, EOS, PAD, Letters, Pairs, Vocabulary, text
from seqattn_ref.lab.device import best_device, describe_device
from seqattn_ref.lab.explorers.alignment import AlignmentExplorer
from seqattn_ref.lab.explorers.context import ContextExplorer
from seqattn_ref.lab.explorers.decoder_steps import DecoderStepsExplorer
from seqattn_ref.lab.explorers.dictionary import DictionaryExplorer
from seqattn_ref.lab.explorers.explorer import Explorer
from seqattn_ref.lab.explorers.forget_gate import ForgetGateExplorer
from seqattn_ref.lab.explorers.length import LengthExplorer
from seqattn_ref.lab.explorers.padding import PaddingExplorer
from seqattn_ref.lab.explorers.tanh_units import TanhUnitsExplorer
from seqattn_ref.lab.figures import COLOURS, Picture, curve, figure, heatmap, ragged_batch, show
from seqattn_ref.lab.stored import stored
from seqattn_ref.lab.training import Progress, Trained, set_seed, train

__all__ = [
    "BOS",
    "COLOURS",
    "EOS",
    "PAD",
    "AlignmentExplorer",
    "ContextExplorer",
    "DecoderStepsExplorer",
    "DictionaryExplorer",
    "Explorer",
    "ForgetGateExplorer",
    "LengthExplorer",
    "Letters",
    "PaddingExplorer",
    "Pairs",
    "Picture",
    "Progress",
    "TanhUnitsExplorer",
    "Trained",
    "Vocabulary",
    "best_device",
    "bottleneck",
    "curve",
    "describe_device",
    "figure",
    "heatmap",
    "memory",
    "ragged_batch",
    "set_seed",
    "show",
    "stored",
    "text",
    "train",
]
