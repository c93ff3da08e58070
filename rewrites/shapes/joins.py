"""Elementwise functions of what is joined, where only a piece of the result is asked for."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.basic import Join, MakeVector, Split
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import FUNCTIONS, is_float
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.matching import is_a, scalar_op
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.shapes.pieces import (
    MOST_PIECES,
    Length,
    Pieces,
    indexed_axis,
    items,
    length_of,
    lengths_in,
)
from pytensor_stabilize.rewrites.shapes.writes import WRITES, shuffled

_MOST_LOOKED_AT = 100


def split_of_join(fgraph: FunctionGraph, node: Apply) -> list[Variable] | Left | None:
    """``split(f(join(a, b))) -> f(a), f(b)``."""
    variable, sizes = node.inputs
    lengths = lengths_in(sizes, len(node.outputs))
    if lengths is None or not is_float(variable) or len(lengths) > MOST_PIECES:
        return None
    found = Pieces(fgraph, node.op.axis, lengths).of(variable)
    if found is None or not _have_functions(found):
        return None
    return found


@within_limits
def read_of_join(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f(join(a, b))[i]``, for a constant index, from the pieces that it names."""
    (output,) = node.outputs
    taken = indexed_axis(node, node.inputs[1:]) if is_float(output) else None
    if taken is None:
        return None
    axis, index = taken
    found = items(fgraph, node.inputs[0], axis, index)
    if found is None and isinstance(index, slice):
        found = _sliced(fgraph, node.inputs[0], axis, index)
    if not found or not _have_functions([node.inputs[0]]):
        return None
    if isinstance(index, int):
        (piece,) = found
        kept = [d for d in range(piece.type.ndim) if d != axis]
        return shuffled(piece, kept)
    # What is sliced off has no elements left.
    found = [piece for piece in found if piece.type.shape[axis] != 0] or found[:1]
    return found[0] if len(found) == 1 else pt.join(axis, *found)


def _sliced(
    fgraph: FunctionGraph, variable: Variable, axis: int, index: slice
) -> list[Variable] | None:
    """What a slice leaves of pieces whose lengths are not known."""
    lengths = _natural_lengths(fgraph, variable, axis)
    if lengths is None:
        return None
    pieces = Pieces(fgraph, axis, lengths).of(variable)
    if pieces is None:
        return None
    view = Pieces(fgraph, axis, lengths, index)
    return [view.part(p, *bounds) for p, bounds in zip(pieces, view.bounds, strict=True)]


def _natural_lengths(fgraph: FunctionGraph, variable: Variable, axis: int) -> list[Length] | None:
    """The lengths of the pieces that a variable was joined of."""
    node = variable.owner
    if node is None:
        return None
    if is_a(node.op, Join) and node.op.axis == axis and len(node.inputs) <= MOST_PIECES:
        return [length_of(fgraph, piece, axis) for piece in node.inputs]
    if is_a(node.op, Elemwise):
        candidates: list[tuple[Variable, Any]] = [
            (v, axis) for v in node.inputs if not v.type.broadcastable[axis]
        ]
    elif is_a(node.op, DimShuffle) and node.op.new_order[axis] != "x":
        candidates = [(node.inputs[0], node.op.new_order[axis])]
    else:
        return None
    found = (_natural_lengths(fgraph, v, a) for v, a in candidates)
    return next((lengths for lengths in found if lengths is not None), None)


def _have_functions(pieces: list[Variable]) -> bool:
    """Whether a function of the table stands close to the end of a piece."""
    todo = list(pieces)
    for variable in todo:
        if is_a(scalar_op(variable), *FUNCTIONS):
            return True
        if variable.owner is not None and len(todo) < _MOST_LOOKED_AT:
            todo += variable.owner.inputs
    return False


JOINS: tuple[Rule, ...] = (
    Rule(
        name="split_of_join",
        before=lambda x: symbols.sigmoid(x) * (1 - symbols.sigmoid(x)) / symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="the gradient of log(join(p, 1 - p)) is 0 * inf",
        databases=("stabilize", "specialize"),
        tracks=(Split,),
        transform=split_of_join,
        needs=(Split,),
        source="Piece by piece",
        tested_in="tests/test_scatters.py",
    ),
    Rule(
        name="read_of_join",
        before=lambda x: symbols.log(1 - symbols.sigmoid(x)),
        after=lambda x: -symbols.softplus(x),
        domain={"x": REAL},
        promise=4.0,
        mends="log(stack([p, 1 - p])[1]) is -inf where 1 - p is 0, its gradient 0 * inf",
        databases=("stabilize", "specialize"),
        tracks=(Subtensor, AdvancedSubtensor),
        transform=read_of_join,
        needs=(Join, MakeVector, *WRITES),
        source="Piece by piece",
        tested_in="tests/test_scatters.py",
    ),
)
