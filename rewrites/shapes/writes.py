"""Writes to an array, products with them, and what is read where they write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable, equal_computations
from pytensor.scalar.basic import ScalarType, discrete_dtypes
from pytensor.tensor.basic import get_underlying_scalar_constant_value
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import mul, true_div
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)

from pytensor_stabilize.rewrites.algebra.arguments import (
    ARITHMETIC,
    FUNCTIONS,
    SUMS,
    as_multiple,
    is_float,
)
from pytensor_stabilize.rewrites.algebra.survey import leaves_of
from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.internals import READ_REWRITERS
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    strip_sign,
)

WRITES = (IncSubtensor, AdvancedIncSubtensor)
READS = (Subtensor, AdvancedSubtensor)


class Scatter:
    """A write, and those into zeros that made what is written.

    Attributes
    ----------
    nodes
        The writes, from the outside inwards.
    value
        What is written.
    """

    def __init__(self, variable: Variable) -> None:
        self.nodes: list[Apply] = []
        while (node := variable.owner) is not None and (
            writes_to_zeros(node) or (writes(node) and not self.nodes)
        ):
            self.nodes.append(node)
            variable = node.inputs[0] if is_a(node.op, DimShuffle) else node.inputs[1]
        self.value = variable
        self.gathered: dict[Variable, Variable] = {}
        self._lowered: dict[Variable, Variable] = {}

    @property
    def base(self) -> Variable:
        """What is written to."""
        node = next(node for node in self.nodes if not is_a(node.op, DimShuffle))
        return node.inputs[0]

    def write(self, value: Variable, base: Variable | None = None) -> Variable:
        """The same writes of another value, to another base."""
        for node in reversed(self.nodes):
            if is_a(node.op, DimShuffle):
                value = cast(Variable, node.op(value))
                continue
            to = base if base is not None and node is self.nodes[0] else node.inputs[0]
            value = cast(Variable, node.op(to, value, *node.inputs[2:]))
        return value

    @property
    def increments(self) -> bool:
        """Whether the same can be added to another base."""
        op = self.nodes[0].op
        return is_a(op, IncSubtensor) or (
            is_a(op, AdvancedIncSubtensor) and not op.set_instead_of_inc
        )

    def increment(self, value: Variable, base: Variable) -> Variable:
        """A base with a value added to its elements that are written to."""
        outer, *inner = self.nodes
        for node in reversed(inner):
            shuffles = is_a(node.op, DimShuffle)
            value = node.op(*(() if shuffles else node.inputs[:1]), value, *node.inputs[2:])
        if not outer.op.set_instead_of_inc:
            return cast(Variable, outer.op(base, value, *outer.inputs[2:]))
        return cast(Variable, pt.inc_subtensor(read(base, outer, outer.inputs[2:]), value))

    @property
    def sets(self) -> bool:
        """Whether one write puts each of its elements into a place of its own."""
        last = self.nodes[-1]
        if sum(not is_a(node.op, DimShuffle) for node in self.nodes) > 1:
            return False
        if last.op.set_instead_of_inc or is_a(last.op, IncSubtensor):
            return True
        index = last.inputs[2] if len(last.inputs) == 3 else None
        data = index.data if isinstance(index, Constant) else None
        return data is not None and data.min() >= 0 and len(np.unique(data)) == data.size

    def set(self, value: Variable, elsewhere: Variable) -> Variable:
        """A value where this writes, and a number everywhere else."""
        *shuffles, last = self.nodes
        base = pt.second(last.inputs[0], elsewhere)
        result: Variable = pt.set_subtensor(read(base, last, last.inputs[2:]), value)
        for node in reversed(shuffles):
            result = node.op(result)
        return result

    def gather(self, variable: Variable) -> Variable:
        """The elements of a variable that are written to."""
        if variable not in self.gathered:
            result = variable
            for node in self.nodes:
                if is_a(node.op, DimShuffle):
                    result = _shuffled_back(node, result)
                    continue
                result = self._merged(read(result, node, node.inputs[2:]))
            self.gathered[variable] = result
        return self.gathered[variable]

    def _merged(self, variable: Variable) -> Variable:
        """A read as PyTensor writes it where no write comes between: ``x[1:][0]`` is ``x[1]``."""
        for rewriter in READ_REWRITERS:
            if variable.owner is not None and variable.owner.op.__class__ in rewriter.tracks():
                merged = rewriter.transform(None, variable.owner)
                variable = merged[0] if merged else variable
        return variable

    def below(self, variable: Variable) -> Variable:
        """The elements that are written to, of the operands of what is elementwise."""
        node = variable.owner
        if is_scalar_constant(variable):
            return shuffled(variable, [])
        op = scalar_op_of(node)
        if is_a(op, *FUNCTIONS, *SUMS, *ARITHMETIC) and all(
            same_pattern(v, variable) or exact_constant(v) is not None for v in node.inputs
        ):
            return cast(Variable, node.op(*map(self.below, node.inputs)))
        return self.gather(variable)

    def lowered(self, variable: Variable) -> Variable:
        """The variable with its functions of elements read as functions of the operands'."""
        if variable not in self._lowered:
            self._lowered[variable] = self._lower(variable)
        return self._lowered[variable]

    def _lower(self, variable: Variable) -> Variable:
        node = variable.owner
        if node is None:
            return variable
        if is_a(node.op, SpecifyShape):
            return self.lowered(node.inputs[0])  # the write looks at the shape again
        source = variable
        while source.owner is not None and is_a(source.owner.op, *READS):
            source = source.owner.inputs[0]
            if not same_pattern(source, self.nodes[0].outputs[0]):
                continue
            if same(self.gather(source), variable):
                return self.below(source)
        if is_a(scalar_op_of(node), *FUNCTIONS, *SUMS, *ARITHMETIC):
            inputs = [self.lowered(v) for v in node.inputs]
            if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
                return cast(Variable, node.op(*inputs))
        return variable

    @property
    def is_basic(self) -> bool:
        """Whether no element is written to twice, and no more are than there are."""
        return not any(is_a(node.op, AdvancedIncSubtensor) for node in self.nodes)

    def writes_like(self, other: Scatter) -> bool:
        """Whether both write to the same elements, so that their values may be added up."""
        return len(self.nodes) == len(other.nodes) and all(
            a.op == b.op and all(map(same, a.inputs[2:], b.inputs[2:]))
            for a, b in zip(self.nodes, other.nodes, strict=True)
        )

    def inside(self, variable: Variable, lower: bool) -> Variable:
        if is_scalar_constant(variable):
            return shuffled(variable, [])
        return self.below(variable) if lower else self.gather(variable)


class Term(NamedTuple):
    """``sign * scatter * above / below * rest``; the rest is broadcast and stays outside."""

    sign: int
    scatter: Scatter
    above: list[Variable]
    below: list[Variable]
    rest: list[tuple[Variable, int]]

    def value(self, lower: bool) -> Variable:
        """What is written, after the multiplication."""
        own = self.scatter.lowered(self.scatter.value) if lower else self.scatter.value
        above = [self.scatter.inside(v, lower) for v in self.above]
        return quotient([own, *above], [self.scatter.inside(v, lower) for v in self.below])

    @property
    def base(self) -> Variable:
        """What is written to, after the multiplication."""
        return quotient([self.scatter.base, *self.above], self.below)

    @property
    def has_functions(self) -> bool:
        return any(leaves_of(v) for v in (self.scatter.value, *self.above, *self.below))

    @property
    def meets(self) -> bool:
        """Whether functions of one argument stand on both sides of the write."""
        outside = _cores(self.above + self.below)
        if not outside:
            return False
        return not is_zero(self.scatter.base) or bool(outside & _cores([self.scatter.value]))


def _cores(variables: list[Variable]) -> set[Hashable]:
    """What functions of the table are taken of, without the moves of its parts."""
    return {_unmoved(leaf.argument.core) for v in variables for leaf in leaves_of(v)}


def _unmoved(core: Hashable, depth: int = 8) -> Hashable:
    if isinstance(core, tuple | frozenset):
        return type(core)(_unmoved(part, depth) for part in core)
    while isinstance(core, Variable) and core.owner is not None:
        node, inner = core.owner, as_multiple(core).core
        if is_a(node.op, *MOVES):
            core = node.inputs[0]
        elif inner is not core:
            return _unmoved(inner, depth)
        elif is_a(node.op, Elemwise) and depth:
            return (node.op, *(_unmoved(v, depth - 1) for v in node.inputs))
        else:
            break
    return core


def quotient(above: list[Variable], below: list[Variable]) -> Variable:
    top = product_of(above)
    return cast(Variable, true_div(top, product_of(below))) if below else top


def term_of(variable: Variable) -> Term | None:
    """Read a product with a scatter among its factors."""
    factors: list[tuple[Variable, int]] = []
    sign = _factors(variable, 1, factors)
    found = next(
        (v for v, n in factors if n > 0 and writes(v.owner) and same_pattern(v, variable)), None
    )
    if found is None:
        return None
    factors.remove((found, 1))
    inside = [same_pattern(v, variable) or is_scalar_constant(v) for v, _ in factors]
    above = [v for (v, n), fits in zip(factors, inside, strict=True) if fits and n > 0]
    below = [v for (v, n), fits in zip(factors, inside, strict=True) if fits and n < 0]
    rest = [factor for factor, fits in zip(factors, inside, strict=True) if not fits]
    return Term(sign, Scatter(found), above, below, rest)


def _factors(variable: Variable, power: int, found: list[tuple[Variable, int]]) -> int:
    """Collect the factors of a product or quotient; return its sign."""
    sign, core = strip_sign(variable)
    node = core.owner
    if node is not None and node.op == mul:
        for factor in node.inputs:
            sign *= _factors(factor, power, found)
    elif node is not None and node.op == true_div:
        sign *= _factors(node.inputs[0], power, found)
        sign *= _factors(node.inputs[1], -power, found)
    else:
        found.append((core, power))
    return sign


def is_scalar_constant(variable: Variable) -> bool:
    return exact_constant(variable) is not None and all(variable.type.broadcastable)


def with_fewest_arguments(basic: bool, build: Callable[[bool], Variable]) -> Variable:
    """Choose between functions of elements and elements of functions.

    Both are equal, and what is written may contain the one where the factors contain the other.
    Elements named by arrays may be more than there are: their functions are computed before.
    """
    versions = [build(lower) for lower in ((True, False) if basic else (False, True))]
    return min(versions, key=_arguments)


def _arguments(variable: Variable) -> int:
    return len({leaf.name for leaf in leaves_of(variable)})


def read(variable: Variable, node: Apply, inputs: Sequence[Variable]) -> Variable:
    """The elements of a variable that a node reads or writes to."""
    indices = indices_from_subtensor(inputs, node.op.idx_list)
    return cast(Variable, variable[tuple(indices)])  # type: ignore[index]


def shuffled(variable: Variable, order: Sequence[int | str]) -> Variable:
    return cast(Variable, variable.dimshuffle(order))  # type: ignore[attr-defined]


def writes(node: Apply | None) -> bool:
    """Whether a node writes to an array, or shuffles the dimensions of a write into zeros."""
    if node is None or not is_float(node.outputs[0]):
        return False
    return is_a(node.op, *WRITES) or writes_to_zeros(node)


def writes_to_zeros(node: Apply) -> bool:
    if is_a(node.op, *WRITES):
        return is_float(node.outputs[0]) and is_zero(node.inputs[0])
    below = node.inputs[0].owner if is_a(node.op, DimShuffle) else None
    return below is not None and writes_to_zeros(below)


def _shuffled_back(node: Apply, variable: Variable) -> Variable:
    """Undo a shuffle of dimensions."""
    order = list(node.op.new_order)
    back = [order.index(d) if d in order else "x" for d in range(node.inputs[0].type.ndim)]
    return shuffled(variable, back)


def is_zero(variable: Variable) -> bool:
    return exact_constant(variable) == 0


def same(a: Variable, b: Variable) -> bool:
    """Whether two reads are equal: the same op, the same array, equal indices."""
    if a is b or (isinstance(a, Constant) and isinstance(b, Constant) and a.equals(b)):
        return True
    if _is_index(a) and _is_index(b):
        # 1 + 0, where two reads became one, is folded later.
        numbers = [
            get_underlying_scalar_constant_value(i, raise_not_constant=False) for i in (a, b)
        ]
        if any(isinstance(n, Variable) for n in numbers):
            return equal_computations([a], [b])
        return bool(numbers[0] == numbers[1])
    if a.owner is None or b.owner is None or a.owner.op != b.owner.op:
        return False
    return is_a(a.owner.op, *READS) and all(map(same, a.owner.inputs, b.owner.inputs))


def _is_index(variable: Variable) -> bool:
    return isinstance(variable.type, ScalarType) and variable.type.dtype in discrete_dtypes
