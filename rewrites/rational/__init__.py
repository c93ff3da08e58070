"""Sums that are rational functions of one variable, with exact coefficients."""
