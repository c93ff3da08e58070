"""Rules for differences of one function at two arguments, their quotients and their logarithms."""
