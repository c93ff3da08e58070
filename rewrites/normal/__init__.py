"""Rules, ops and kernels of erf, erfc and the normal distribution function."""
