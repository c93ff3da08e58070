"""Doubling the precision until every output is a float."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import ctx
from pytensor.graph.basic import Variable

from pytensor_stabilize.graphs.exact.balls import UNKNOWN, as_array, object_array
from pytensor_stabilize.graphs.exact.program import Program
from pytensor_stabilize.graphs.exact.rounding import UNDECIDED, offsets, round_balls, round_integers
from pytensor_stabilize.graphs.exact.rules import Undecided
from pytensor_stabilize.graphs.exact.values import as_value
from pytensor_stabilize.graphs.graphlike import is_real
from pytensor_stabilize.graphs.truth import FIRST_BITS, Truth, widened

Point = Sequence[Any]


def decide(program: Program, points: Sequence[Point], max_bits: int) -> list[Truth]:
    """Truth of a program's outputs at points, each at the precision that it needs.

    Parameters
    ----------
    program
        What to run.
    points
        For each point one value an input: arrays of floats, or balls.
    max_bits
        Precision at which to give up.

    Returns
    -------
    list of Truth
        One an output, with the points along the first axis.
    """
    if not points:
        raise ValueError("There is no point to compute the truth at.")
    prepared = [
        [as_value(variable, value) for variable, value in zip(program.inputs, point, strict=True)]
        for point in points
    ]
    results = [_Result(variable) for variable in program.outputs]
    todo = list(range(len(points)))
    bits = FIRST_BITS
    while todo:
        with ctx.workprec(bits):
            computed = [_run(program, prepared[i]) for i in todo]
            for result, values in zip(results, zip(*computed, strict=True), strict=True):
                result.take(todo, values, bits)
        open_points = {i for result in results for i in result.open_points()}
        todo = sorted(open_points) if bits * 2 <= max_bits else []
        bits *= 2
    return [result.truth() for result in results]


def _run(program: Program, inputs: Point) -> Sequence[Any]:
    try:
        return program.run(inputs)
    except Undecided:
        # More bits may settle the condition; at the cap nothing more can be said.
        return program.run_each(inputs, UNKNOWN)


class _Result:
    """What is known of one output at all points, which stand along the first axis."""

    def __init__(self, variable: Variable):
        dtype = getattr(variable.type, "dtype", None)
        if dtype is None:
            raise ValueError(
                f"{variable} of type {variable.type} is no number, so it has no truth."
            )
        self.dtype: str = dtype
        self.discrete = not is_real(variable)
        self.bits = FIRST_BITS
        self.balls: np.ndarray | None = None

    def take(self, points: Sequence[int], values: Sequence[Any], bits: int) -> None:
        """Receive the balls of some points; what was decided before stays as it was."""
        arrays = [as_array(value) for value in values]
        shapes = {array.shape for array in arrays}
        # A point that is undecided as a whole has no shape of its own.
        shape = np.broadcast_shapes(*shapes)
        if len(shapes) > 1:
            arrays = [widened(array[None], (1, *shape))[0] for array in arrays]
        flat = [ball for array in arrays for ball in array.ravel().tolist()]
        balls = object_array(flat, (len(arrays), *shape))
        rounded, status, rough = (round_integers if self.discrete else round_balls)(
            balls, self.dtype
        )
        if self.balls is None:
            self.balls, self.value, self.status, self.rough = balls, rounded, status, rough
            return
        shape = np.broadcast_shapes(shape, self.status.shape[1:])
        if shape != self.status.shape[1:]:
            full = (len(self.status), *shape)
            self.balls, self.value, self.status, self.rough = (
                widened(a, full) for a in (self.balls, self.value, self.status, self.rough)
            )
        rows = np.asarray(points)
        still_open = (self.status[rows] == UNDECIDED) | self.rough[rows]
        if still_open.any():
            self.bits = bits
        for old, new in (
            (self.balls, balls),
            (self.value, rounded),
            (self.status, status),
            (self.rough, rough),
        ):
            old[rows] = np.where(still_open, widened(new, still_open.shape), old[rows])

    def open_points(self) -> list[int]:
        """Points with an element that needs more bits."""
        open_elements = ((self.status == UNDECIDED) | self.rough).reshape((len(self.status), -1))
        return np.flatnonzero(open_elements.any(axis=1)).tolist()

    def truth(self) -> Truth:
        """What was found, for all points."""
        assert self.balls is not None
        value, status = self.value, self.status
        if self.discrete:
            # Integers have no nan: a zero stands where nothing is known.
            return Truth(value, status, np.zeros(value.shape), self.bits)
        return Truth(value, status, offsets(self.balls, value), self.bits, self.balls)
