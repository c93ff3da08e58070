"""Values that are only checked against bounds, as PyMC checks the probabilities it is given.

``p >= 0``, ``p <= 1`` and a sum of p near 1 come out the same for any spelling of p, and the stable
one of a difference costs three exponentials where the user's costs one.
"""

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum

from pytensor_stabilize.rewrites.matching import MOVES, exact_constant, is_a, scalar_op_of

_PASSED_ON = (*MOVES, Join, MakeVector)
_COMPARISONS = (ps.GE, ps.LE, ps.GT, ps.LT, ps.EQ, ps.NEQ, ps.IsNan, ps.IsInf)
_MOST_NODES = 30


def is_only_checked(fgraph: FunctionGraph, variable: Variable) -> bool:
    """Whether all that is computed of a variable is ``>= 0``, ``<= 1`` and tests of its sum."""
    todo, seen = [(variable, False)], {variable}
    for current, summed in todo:
        clients = fgraph.clients.get(current, ())
        if not clients or len(seen) > _MOST_NODES:
            return False
        for client, position in clients:
            op = scalar_op_of(client)
            if is_a(op, *_COMPARISONS):
                if summed or _is_bound(client, position):
                    continue
                return False
            sums = is_a(client.op, Sum)
            if not (sums or is_a(client.op, *_PASSED_ON) or (summed and is_a(client.op, Elemwise))):
                return False
            fresh = [v for v in client.outputs if v not in seen]
            seen.update(fresh)
            todo += [(v, summed or sums) for v in fresh]
    return True


def _is_bound(comparison: Apply, position: int) -> bool:
    """Whether a comparison says that the input at the position is at least 0, or at most 1."""
    op = scalar_op_of(comparison)
    if not is_a(op, ps.GE, ps.LE):
        return False
    at_least = is_a(op, ps.GE) == (position == 0)
    return exact_constant(comparison.inputs[1 - position]) == (0 if at_least else 1)
