"""Whether the rules are registered.

A module of its own, because the rules ask it and the registry, which imports the rules, sets it.
PyMC keeps results of database queries from its own import on, so a rewriter that has left the
database can still be called: it must know that it was taken out.
"""

is_registered: bool = False
opt_in: bool = False
