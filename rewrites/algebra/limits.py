"""What the algebra gives up on, as the reasons that `explain` gives."""

from collections.abc import Callable
from functools import wraps

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.algebra.building import InexactError
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.rules import Left

_TOO_BIG = Left("it has more terms than are multiplied out")
Look = Callable[[FunctionGraph, Apply], Variable | Left | None]


def within_limits(look: Look) -> Look:
    """Leave a node whose region is too big, or whose result has a constant that is no float."""

    @wraps(look)
    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        try:
            return look(fgraph, node)
        except (TooBigError, OverflowError):  # the latter of a constant beyond the floats
            return _TOO_BIG
        except InexactError as error:
            return Left(f"a constant of the result would be lost: {error}")

    return transform
