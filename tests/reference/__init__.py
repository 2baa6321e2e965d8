"""Tests of the reference answers."""
