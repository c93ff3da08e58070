"""Polynomials over functions with critical values: read from a graph, factored, built again."""
