"""Exercises of lesson 02: one step of a plain recurrent network and of an LSTM, and how far gradients reach."""

from __future__ import annotations

LESSON = "02_gradient_flow"

EXERCISES = ()
