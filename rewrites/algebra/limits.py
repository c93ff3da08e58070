"""What the algebra gives up on, as the reasons that `explain` gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock

from pytensor.configdefaults import config
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.algebra.building import InexactError
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.rules import Left

_TOO_BIG = Left("it has more terms than are multiplied out")
Look = Callable[[FunctionGraph, Apply], Variable | Left | None]
# Looks under way, in all threads, and PyTensor's setting before the first of them.
_lock = Lock()
_depth = 0
_limit = 0


@contextmanager
def untraced() -> Iterator[None]:
    """Spare PyTensor the search for the line that makes a node: half of the time to make it.

    What fires gets the line of what it replaces.
    """
    global _depth, _limit
    with _lock:
        if not _depth:
            _limit, config.traceback__limit = config.traceback__limit, 0
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                config.traceback__limit = _limit


def within_limits(look: Look) -> Look:
    """Leave a node whose region is too big, or whose result has a constant that is no float."""

    @wraps(look)
    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        try:
            with untraced():
                return look(fgraph, node)
        except (TooBigError, OverflowError):  # the latter of a constant beyond the floats
            return _TOO_BIG
        except InexactError as error:
            return Left(f"a constant of the result would be lost: {error}")

    return transform
