"""Exercises of lesson 03: an encoder and a decoder with one vector between them, and accuracy by length."""

from __future__ import annotations

LESSON = "03_bottleneck"

EXERCISES = ()
