"""One case for each answer and each kind of mask: how to call it, its oracle, and inputs for it."""

from .cases_attention import ATTENTION
from .cases_sequences import SEQUENCES

CASES = ATTENTION | SEQUENCES
