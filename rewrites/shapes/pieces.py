"""The pieces of what was joined, behind elementwise functions, indices and writes into zeros.

The gradient of ``log(join(p, 1 - p))`` is cut into pieces only after it was computed for the whole.
Cut before, each piece is a product of companions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import Reshape
from pytensor.tensor.subtensor import indices_from_subtensor

from pytensor_stabilize.rewrites.arithmetic import as_dtype, factors
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.shapes.writes import READS, WRITES, read, shuffled

MOST_PIECES = 16
# An int where it is known, else a variable.
Length = Any
Index = int | slice | list[int]


class Pieces:
    """Cuts variables along an axis; one that is given as a slice of the whole, as that slice is.

    Parameters
    ----------
    fgraph
        Whose shapes are asked for.
    axis
        Along which it is cut.
    lengths
        Of the pieces.
    window
        If given, the variables are this slice of the whole that the lengths add up to.
    """

    def __init__(
        self,
        fgraph: FunctionGraph,
        axis: int,
        lengths: Sequence[Length],
        window: slice | None = None,
    ) -> None:
        self.fgraph = fgraph
        self.axis = axis
        self.lengths = list(lengths)
        self.window = window
        self._known: dict[Variable, list[Variable] | None] = {}

    @property
    def single(self) -> bool:
        """Whether all pieces are known to have length 1."""
        return self.window is None and all(isinstance(n, int) and n == 1 for n in self.lengths)

    def of(self, variable: Variable) -> list[Variable] | None:
        """The pieces, if they stand in the graph."""
        if variable not in self._known:
            found = self._find(variable)
            # A join casts its parts: int8 would wrap, and there is no negation of booleans.
            dtype = variable.type.dtype
            self._known[variable] = found and [as_dtype(piece, dtype) for piece in found]
        return self._known[variable]

    def cut(self, variable: Variable) -> list[Variable]:
        """The pieces, cut out where they do not stand in the graph."""
        if variable.type.broadcastable[self.axis] and (self.window or self.lengths != [1]):
            return [variable] * len(self.lengths)
        found = self.of(variable)
        if found is not None:
            return found
        result, begin = [], cast(Length, 0)
        for start, stop in self.bounds:
            end = begin + (stop if equal_lengths(start, 0) else stop - start)
            result.append(self.part(variable, begin, end))
            begin = end
        return result

    @cached_property
    def bounds(self) -> list[tuple[Length, Length]]:
        """What the window shows of each piece."""
        if self.window is None:
            return [(0, length) for length in self.lengths]
        total = sum(self.lengths[1:], self.lengths[0])
        start, stop = (
            _clip(end + total, 0, total) if end is not None and end < 0 else end
            for end in (self.window.start, self.window.stop)
        )
        before: Length = 0
        found = []
        for length in self.lengths:
            first = 0 if start is None else _clip(start - before, 0, length)
            last = length if stop is None else _clip(stop - before, first, length)
            found.append((first, last))
            before = before + length
        return found

    def part(self, variable: Variable, start: Length, stop: Length) -> Variable:
        """A slice of a variable, or all of it."""
        if equal_lengths(start, 0) and equal_lengths(
            stop, length_of(self.fgraph, variable, self.axis)
        ):
            return variable
        return self.sliced(variable, start, stop)

    def sliced(self, variable: Variable, start: Length, stop: Length) -> Variable:
        index = (slice(None),) * self.axis + (slice(start, stop),)
        return cast(Variable, variable[index])  # type: ignore[index]

    def _find(self, variable: Variable) -> list[Variable] | None:
        node = variable.owner
        if node is None or self.axis >= variable.type.ndim:
            return None
        if is_a(node.op, Elemwise):
            return self._elementwise(node)
        if is_a(node.op, DimShuffle):
            return self._shuffled(node)
        if is_a(node.op, *READS):
            return self._read(node)
        if is_a(node.op, *WRITES):
            return self._written(node)
        if self.window is not None:
            return None
        if is_a(node.op, Join) and node.op.axis == self.axis:
            return self._fitting(node.inputs)
        if is_a(node.op, MakeVector):
            return self._fitting([pt.expand_dims(v, 0) for v in node.inputs])
        if is_a(node.op, Reshape) and (tiled := self._tiled(node)) is not None:
            return self._fitting([tiled] * len(self.lengths))
        return None

    def _fitting(self, found: list[Variable]) -> list[Variable] | None:
        if len(found) != len(self.lengths):
            return None
        lengths = [length_of(self.fgraph, v, self.axis) for v in found]
        return list(found) if all(map(equal_lengths, lengths, self.lengths)) else None

    def _elementwise(self, node: Apply) -> list[Variable] | None:
        if _has_share(node):
            return None  # the pieces would overflow where the softmax that it becomes does not
        whole = [v.type.broadcastable[self.axis] for v in node.inputs]
        found = [None if w else self.of(v) for v, w in zip(node.inputs, whole, strict=True)]
        if not any(found):
            return None
        columns = [
            pieces or ([v] * len(self.lengths) if w else self.cut(v))
            for v, w, pieces in zip(node.inputs, whole, found, strict=True)
        ]
        return [cast(Variable, node.op(*row)) for row in zip(*columns, strict=True)]

    def _shuffled(self, node: Apply) -> list[Variable] | None:
        below = node.op.new_order[self.axis]
        if below == "x":
            return None
        inner = Pieces(self.fgraph, below, self.lengths, self.window)
        (variable,) = node.inputs
        found = inner.of(variable)
        if found is None:
            return None
        dropped = [d for d in range(variable.type.ndim) if d not in node.op.new_order]
        if not all(piece.type.broadcastable[d] for piece in found for d in dropped):
            return None
        return [cast(Variable, node.op(piece)) for piece in found]

    def _tiled(self, node: Apply) -> Variable | None:
        """What is repeated, if that is what PyTensor has made of a join of equal parts."""
        spread = node.inputs[0]
        kept: list[Any] = list(range(spread.type.ndim))
        if spread.owner is not None and is_a(spread.owner.op, DimShuffle):
            kept = list(spread.owner.op.new_order)
            (spread,) = spread.owner.inputs
        alloc = spread.owner
        if alloc is None or not is_a(alloc.op, Alloc) or kept != sorted(kept, key=str):
            return None
        value, *shape = alloc.inputs
        own_axes = [d for n, d in enumerate(kept) if n != self.axis]
        left = [d for d in range(value.type.ndim) if d not in own_axes]
        if value.type.ndim != len(shape) or not all(value.type.broadcastable[d] for d in left):
            return None
        own = [length_of(self.fgraph, value, d) for d in own_axes]
        target = lengths_in(node.inputs[1], node.outputs[0].type.ndim)
        if target is None or len(target) != len(own) or "x" in kept:
            return None
        wanted = [*own[: self.axis], len(self.lengths), *own[self.axis :]]
        sizes = [as_length(shape[d]) for d in kept]
        fits = all(map(equal_lengths, sizes, wanted)) and all(
            equal_lengths(n, own[d]) for d, n in enumerate(target) if d != self.axis
        )
        return shuffled(value, own_axes) if fits else None

    def _read(self, node: Apply) -> list[Variable] | None:
        found = indexed_axis(node, node.inputs[1:])
        if found is None:
            return None
        position, index = found
        source = node.inputs[0]
        axis = self.axis + (isinstance(index, int) and position <= self.axis)
        if axis != position:
            pieces = Pieces(self.fgraph, axis, self.lengths, self.window).of(source)
            return None if pieces is None else [read(p, node, node.inputs[1:]) for p in pieces]
        if self.single:
            picked = items(self.fgraph, source, axis, index)
            return picked if picked is not None and len(picked) == len(self.lengths) else None
        if isinstance(index, slice) and index == self.window:
            pieces = Pieces(self.fgraph, axis, self.lengths).of(source)
            if pieces is not None:
                return [self.part(p, *b) for p, b in zip(pieces, self.bounds, strict=True)]
        return None

    def _written(self, node: Apply) -> list[Variable] | None:
        base, value, *inputs = node.inputs
        found = indexed_axis(node, inputs)
        if found is None or found[0] != self.axis or self.window is not None:
            return None
        index = found[1]
        if value.type.ndim != base.type.ndim - isinstance(index, int):
            return None
        if exact_constant(base) == 0:
            bases = [self._zeros(base, length) for length in self.lengths]
        elif (under := self.of(base)) is not None:
            bases = under
        else:
            return None
        if self.single:
            return self._placed(node, value, index, bases)
        if not isinstance(index, slice):
            return None
        inner = Pieces(self.fgraph, self.axis, self.lengths, index)
        write = pt.set_subtensor if node.op.set_instead_of_inc else pt.inc_subtensor
        places = [self.sliced(v, *b) for v, b in zip(bases, inner.bounds, strict=True)]
        written = []
        for part, place, piece in zip(bases, places, inner.cut(value), strict=True):
            if place is part:  # all of it
                whole = pt.second if node.op.set_instead_of_inc else pt.add
                written.append(as_dtype(whole(part, piece), part.type.dtype))
            else:
                written.append(write(place, piece))
        return written

    def _placed(
        self, node: Apply, value: Variable, index: Index, bases: list[Variable]
    ) -> list[Variable] | None:
        """Pieces of length 1: all that is written to one is added up, or the last of it set."""
        places = positions(index, len(bases))
        if isinstance(index, int):
            values: list[Variable] = [pt.expand_dims(value, self.axis)]
        elif value.type.broadcastable[self.axis]:
            values = [value] * len(places)
        elif len(places) == 1:
            values = [value]
        elif (found := Pieces(self.fgraph, self.axis, [1] * len(places)).of(value)) is not None:
            values = found
        else:
            return None
        result = list(bases)
        for place, piece in zip(places, values, strict=True):
            old = result[place]
            fits = same_pattern(piece, bases[place])
            if fits and (node.op.set_instead_of_inc or exact_constant(old) == 0):
                result[place] = piece
            elif node.op.set_instead_of_inc:
                result[place] = pt.add(pt.zeros_like(old), piece)
            else:
                result[place] = pt.add(old, piece)
        return result

    def _zeros(self, base: Variable, length: Length) -> Variable:
        shape = [length_of(self.fgraph, base, d) for d in range(base.type.ndim)]
        shape[self.axis] = length
        return pt.zeros(shape, dtype=base.type.dtype)


def _has_share(node: Apply) -> bool:
    """Whether a product has a factor ``exp(x) / sum(exp(x))``."""
    if not is_a(scalar_op_of(node), ps.Mul, ps.TrueDiv):
        return False
    _, counted = factors(node.outputs[0])
    for total, power in counted.items():
        while total.owner is not None and is_a(total.owner.op, DimShuffle):
            total = total.owner.inputs[0]
        if power == -1 and total.owner is not None and type(total.owner.op) is Sum:
            (exponential,) = total.owner.inputs
            if counted.get(exponential) == 1 and is_a(scalar_op(exponential), ps.Exp):
                return True
    return False


def items(
    fgraph: FunctionGraph, variable: Variable, axis: int, index: Index
) -> list[Variable] | None:
    """Elements along an axis, each with that axis, if they stand in the graph one by one."""
    size = variable.type.shape[axis]
    if size is None or not 1 < size <= MOST_PIECES:
        return None
    places = positions(index, size)
    found = Pieces(fgraph, axis, [1] * size).of(variable)
    return None if found is None else [found[place] for place in places]


def positions(index: Index, size: int) -> list[int]:
    """Which of so many elements an index names."""
    chosen = np.arange(size)[index]
    return [int(place) for place in np.atleast_1d(chosen)]


def indexed_axis(node: Apply, inputs: Sequence[Variable]) -> tuple[int, Index] | None:
    """The one axis that a node indexes, and its index, if that is constant."""
    indices = indices_from_subtensor(inputs, node.op.idx_list)
    taken = [(k, i) for k, i in enumerate(indices) if i != slice(None)]
    if len(taken) != 1:
        return None
    ((axis, index),) = taken
    if isinstance(index, slice):
        ends = [None if e is None else _number(e) for e in (index.start, index.stop, index.step)]
        given = [e for e in (index.start, index.stop, index.step) if e is not None]
        known = all(isinstance(_number(e), int) for e in given) and ends[2] in (None, 1)
        return (axis, slice(*ends[:2])) if known else None
    number = _number(index)
    return None if number is None else (axis, number)


def _number(index: object) -> int | list[int] | None:
    """A constant index; None if it is not known."""
    if isinstance(index, int):
        return index
    if isinstance(index, Constant) and np.asarray(index.data).dtype.kind in "iu":
        data = np.asarray(index.data)
        if data.ndim <= 1 and data.size <= MOST_PIECES:
            return int(data) if data.ndim == 0 else data.tolist()
    return None


def as_length(variable: Variable) -> Length:
    constant = exact_constant(variable)
    return variable if constant is None else int(constant)


def length_of(fgraph: FunctionGraph, variable: Variable, axis: int) -> Length:
    """The length of an axis, as the graph's other shapes are written."""
    static = variable.type.shape[axis]
    if static is not None:
        return int(static)
    feature = getattr(fgraph, "shape_feature", None)
    if feature is None:
        return as_length(cast(Any, variable).shape[axis])
    return as_length(feature.get_shape(variable, axis))


def lengths_in(vector: Variable, count: int) -> list[Length] | None:
    """The elements of a vector of lengths."""
    if isinstance(vector, Constant) and len(vector.data) == count:
        return [int(n) for n in vector.data]
    node = vector.owner
    if node is not None and is_a(node.op, MakeVector) and len(node.inputs) == count:
        return [as_length(n) for n in node.inputs]
    return None


def equal_lengths(a: Length, b: Length) -> bool:
    """Whether two lengths are known to be equal."""
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    return a is b or equal_computations([a], [b])


def _clip(length: Length, least: Length, most: Length) -> Length:
    if all(isinstance(n, int) for n in (length, least, most)):
        return min(max(length, least), most)  # type: ignore[type-var]
    return cast(Variable, pt.minimum(pt.maximum(length, least), most))
