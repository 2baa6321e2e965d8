"""A learner's walk through the course in a real browser."""
