"""Exercises of lesson 07: one decoder step with attention, the whole decoder, and the gradient through an alignment."""

from __future__ import annotations

LESSON = "07_attention_decoder"

EXERCISES = ()
