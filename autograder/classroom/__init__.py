"""Grades whole classes and shows what came of it."""
