"""Kernels of the logistic family without branches, for numba and for C."""
