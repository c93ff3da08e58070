"""Sums, quotients and logarithms of exponentials of several arguments."""
