"""Whether the rules are registered.

A module of its own, because the rules ask it and the registry, which imports the rules, sets it.
PyMC keeps results of database queries from its own import on, so a rewriter that has left the
database can still be called: it must know that it was taken out.
"""

from collections.abc import Callable

from pytensor.graph.rewriting.db import RewriteDatabase

is_registered: bool = False
opt_in: bool = False
# Where the rules were put, for `unregister`; here, so that a reload of the registry keeps it.
placed: list[tuple[RewriteDatabase, str]] = []
# Of the rules that PyTensor has by now, what it calls its own.
stood_back: dict[str, str] = {}
warned_about_old_functions: bool = False
# What lets PyTensor's databases make their own rewriters again.
undone: list[Callable[[], None]] = []
