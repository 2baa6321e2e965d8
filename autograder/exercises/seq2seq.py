"""Exercises of lesson 01: teacher forcing, the last state, the loss of a padded batch, and greedy decoding."""

from __future__ import annotations

LESSON = "01_seq2seq"

EXERCISES = ()
