"""Rules for softmax, log-softmax and the logarithm of a sum of exponentials."""
