"""One value at one precision: into balls and out again."""

from typing import Any

import numpy as np
from flint import arb, ctx
from pytensor.graph.basic import Variable

from pytensor_stabilize.graphs.exact.balls import (
    as_array,
    balls_of,
    from_array,
    has_balls,
    object_array,
)
from pytensor_stabilize.graphs.exact.rounding import offsets, round_balls
from pytensor_stabilize.graphs.graphlike import is_real
from pytensor_stabilize.graphs.truth import Truth


def as_value(variable: Variable, value: Any) -> Any:
    """What a program takes for a variable: balls if it is real, else what PyTensor takes."""
    if has_balls(value):
        # Objects of its own: one object is one number, and who gave it may have meant two.
        copies = object_array(map(arb, as_array(value).ravel().tolist()), np.shape(as_array(value)))
        return from_array(copies)
    return balls_of(np.asarray(value), structural=False) if is_real(variable) else value


def round_value(variable: Variable, value: Any) -> Truth:
    """Truth of a value as far as the precision that it was computed at decides it."""
    balls = as_array(value)
    rounded, status, _ = round_balls(balls, variable.type.dtype)
    return Truth(rounded, status, offsets(balls, rounded), ctx.prec, balls)
