"""Tell JAX of our ops where PyTensor tells it of its own, and only there: JAX is slow to import.

No pass of a mode can do it: an unpickled function is linked as it was rewritten, in a process that
may have compiled nothing.
"""

from importlib import import_module
from types import ModuleType

from pytensor_stabilize.rewrites.after_import import after_import

_MODULE = "pytensor.link.jax.dispatch"


def load_with_jax() -> None:
    """Import our dispatch for JAX, now or when PyTensor imports its own."""
    after_import(_MODULE, _load)


def _load(module: ModuleType) -> None:
    import_module("pytensor_stabilize.rewrites.normal.jax_dispatch")
    import_module("pytensor_stabilize.rewrites.jax_kernels")
