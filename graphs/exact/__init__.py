"""PyTensor graphs in exact arithmetic: every op on balls of python-flint (Arb)."""

from pytensor_stabilize.graphs.exact import (  # noqa: F401
    elementwise,
    inner,
    linalg,
    normal,
    reductions,
    special,
    tensors,
)
from pytensor_stabilize.graphs.exact.decide import decide
from pytensor_stabilize.graphs.exact.program import Program
from pytensor_stabilize.graphs.exact.rules import Undecided, UnsupportedOp, register_exact

__all__ = ["Program", "Undecided", "UnsupportedOp", "decide", "register_exact"]
