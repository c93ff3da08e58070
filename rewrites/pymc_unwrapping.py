"""Make PyMC's logprob inference see PyTensor's sigmoid where a model uses ours.

PyMC infers the density of ``sigmoid(Normal)`` by looking at the ops of the graph, in a rewrite
database of its own.  It is told to unwrap our Sigmoid before it looks, now if PyMC is imported
already, else as soon as it is.
"""

from types import ModuleType

from pytensor_stabilize.rewrites.after_import import after_import
from pytensor_stabilize.rewrites.ops import UnwrapSigmoid

_MODULE = "pymc.logprob.rewriting"
_NAME = "pytensor_stabilize_unwrap_sigmoid"
# PyMC's first own pass has position 0.
_POSITION = -1.0


def unwrap_in_pymc() -> None:
    """Register the unwrapping in PyMC's logprob database, now or when PyMC is imported."""
    after_import(_MODULE, _register)


def _register(module: ModuleType) -> None:
    database = module.logprob_rewrites_db
    if _NAME not in database:
        database.register(_NAME, UnwrapSigmoid(), "basic", position=_POSITION)
