"""Functions behind indices and joins, in values and in the gradients that PyTensor builds."""
