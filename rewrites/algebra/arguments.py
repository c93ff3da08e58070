"""Arguments of functions, and the shapes, casts and bounds that are looked through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.shape import SpecifyShape

from pytensor_stabilize.rewrites.algebra.families import Kind, MovesKey
from pytensor_stabilize.rewrites.algebra.forms import LARGEST_POWER
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    is_float_cast,
    same_pattern,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.memory import at_hand

Moves = tuple[Apply, ...]

_NORMAL = (psm.Erf, psm.Erfc)
_LOGISTIC = (psm.Sigmoid, psm.Softplus, ps.Tanh, ps.Exp, ps.Expm1, ps.Sinh, ps.Cosh)
# What a region is read in terms of.
FUNCTIONS = (*_LOGISTIC, *_NORMAL, ps.Cos)
SUMS = (ps.Add, ps.Sub)
ARITHMETIC = (ps.Mul, ps.TrueDiv, ps.Reciprocal, ps.Neg, ps.Sqr, ps.Pow, ps.Second, ps.Sqrt)


def is_float(variable: Variable) -> bool:
    return np.dtype(variable.type.dtype).kind == "f"


def moves_key(moves: Moves) -> MovesKey:
    """Equal for moves that have the same effect: each one's op, and its inputs but the first."""
    return tuple((node.op, *node.inputs[1:]) for node in moves)


_ONE = Fraction(1)


@dataclass(frozen=True)
class Multiple:
    """``coefficient * core`` as the argument of a function; `variable` is that product."""

    coefficient: Fraction
    core: Hashable
    variable: Variable


def as_multiple(variable: Variable) -> Multiple:
    """Take constant factors and signs off an argument; they must be exact in floats."""
    coefficient = _ONE
    core = variable
    while core.owner is not None and is_float(core):
        node = core.owner
        op = scalar_op_of(node)
        if is_a(op, ps.Neg):
            coefficient, core = -coefficient, node.inputs[0]
        elif is_a(op, ps.TrueDiv) and (c := exact_constant(node.inputs[1])):
            coefficient, core = coefficient / c, node.inputs[0]
        elif is_a(op, ps.Mul):
            constants = [c for i in node.inputs if (c := exact_constant(i)) is not None]
            others = [i for i in node.inputs if exact_constant(i) is None]
            if not all(constants) or not others:
                break
            for c in constants:
                coefficient *= c
            if len(others) > 1:
                key = ("mul", frozenset(Counter(others).items()))
                return Multiple(coefficient, key, variable)
            core = others[0]
        elif is_a(op, ps.Add):
            # PyTensor makes exp(x + x + x) of a product, and another such sum of the next one.
            terms = Counter(_named(i) for i in node.inputs)
            if len(terms) > 1:
                return Multiple(coefficient, ("add", frozenset(terms.items())), variable)
            coefficient, core = coefficient * len(node.inputs), node.inputs[0]
        elif is_a(op, ps.Sub):
            a, b = map(_named, node.inputs)
            if _comes_later(a, b):
                return Multiple(-coefficient, ("sub", b, a), variable)
            return Multiple(coefficient, ("sub", a, b), variable)
        elif is_a(node.op, SpecifyShape):
            core = node.inputs[0]
        else:
            break
        if core.type.broadcastable != variable.type.broadcastable:
            return Multiple(Fraction(1), variable, variable)
    return Multiple(coefficient, _twin(core), variable)


def _twin(core: Variable) -> Variable:
    """The first variable of a graph that holds the same elements of the same variable."""
    memory, node = at_hand.get(), core.owner
    if memory is None or node is None or not is_a(node.op, *MOVES):
        return core
    numbers = [isinstance(v, Constant) and np.ndim(v.data) == 0 for v in node.inputs]
    inputs = zip(node.inputs, numbers, strict=True)
    key = (node.op, *(v.data.item() if number else v for v, number in inputs))
    found = memory.twins.get(key)
    # The inputs of a node may have changed since.
    if found is None or found.owner is None or found.owner.inputs[0] is not node.inputs[0]:
        memory.twins[key] = found = core
    return found


def _named(term: Variable) -> Hashable:
    """A term of a sum; constants of one value are the same term, unless they give it a shape."""
    value = exact_constant(term) if all(term.type.broadcastable) else None
    return term if value is None else value


def _comes_later(a: Hashable, b: Hashable) -> bool:
    """Whether a is subtracted from b in the order that a difference is written in.

    Variables count up as they are made, so that it is the same in every run.
    """
    if isinstance(a, Variable) and isinstance(b, Variable):
        return (len(a.auto_name), a.auto_name) > (len(b.auto_name), b.auto_name)
    return isinstance(b, Variable)


@dataclass
class Leaf:
    """A function of the table as it stands in the graph."""

    op: ps.ScalarOp
    argument: Multiple
    moves: Moves
    output: Variable

    @cached_property
    def name(self) -> tuple[Kind, Hashable, MovesKey]:
        """What the functions of one family have in common."""
        return kind_of(self.op), self.argument.core, moves_key(self.moves)


def kind_of(op: ps.ScalarOp) -> Kind:
    if is_a(op, *_NORMAL):
        return "normal"
    return "cosine" if is_a(op, ps.Cos) else "logistic"


def softplus_below(node: Apply) -> tuple[int, Apply] | None:
    """``(n, softplus)`` if a node is exp or expm1 of n times a softplus."""
    if not is_a(scalar_op_of(node), ps.Exp, ps.Expm1):
        return None
    argument = as_multiple(node.inputs[0])
    core = argument.core
    if isinstance(core, Variable) and is_a(scalar_op_of(core.owner), psm.Softplus):
        n = argument.coefficient
        if n.denominator == 1 and abs(n) <= LARGEST_POWER:
            return int(n), core.owner
    return None


def abs_of_odd(node: Apply) -> Apply | None:
    """The tanh or erf of which a node is the absolute value."""
    if is_a(scalar_op_of(node), ps.Abs):
        inner = node.inputs[0].owner
        # The absolute value of -128 is -128 in int8.
        if is_a(scalar_op_of(inner), ps.Tanh, psm.Erf) and is_float(inner.inputs[0]):
            return inner
    return None


def absolute(node: Apply) -> Multiple:
    """``|f(c x)| = f(|c| |x|)``: the argument of the function at the absolute value."""
    inner = as_multiple(node.inputs[0])
    return Multiple(abs(inner.coefficient), ("abs", inner.core), pt.abs(inner.variable))


def moved(node: Apply, moves: Moves) -> tuple[Variable, Moves] | None:
    """What is moved about, and the moves, if that or a cast is what a node does."""
    if moves and _undoes(moves[0], node):
        return node.inputs[0], moves[1:]
    if is_a(node.op, SpecifyShape) and same_pattern(node.inputs[0], node.outputs[0]):
        return node.inputs[0], moves
    if is_a(node.op, *MOVES):
        return node.inputs[0], (node, *moves)
    if is_float_cast(node):
        return node.inputs[0], moves
    op = scalar_op_of(node)
    if is_a(op, ps.Second) and same_pattern(node.inputs[1], node.outputs[0]):
        return node.inputs[1], moves
    if is_a(node.op, Alloc) and is_float(node.outputs[0]):
        return node.inputs[0], (node, *moves)
    return None


def _undoes(outer: Apply, inner: Apply) -> bool:
    """Whether a shuffle of dimensions brings back those that another started from."""
    if not (is_a(outer.op, DimShuffle) and is_a(inner.op, DimShuffle)):
        return False
    before = inner.op.new_order
    order = [d if d == "x" else before[d] for d in outer.op.new_order]
    return order == list(range(inner.inputs[0].type.ndim))


def broadcasts(node: Apply) -> bool:
    """Whether an operand, constants aside, is broadcast: indices of the result do not fit it."""
    if scalar_op_of(node) is None:
        return False
    (output,) = node.outputs
    return any(not same_pattern(v, output) and exact_constant(v) is None for v in node.inputs)


def clipped(node: Apply) -> Variable | None:
    """The first input of a clip, maximum or minimum that keeps all of [0, 1]."""
    op = scalar_op_of(node)
    if is_a(op, ps.Clip):
        lo, hi = exact_constant(node.inputs[1]), exact_constant(node.inputs[2])
        keeps = lo is not None and hi is not None and lo <= 0 and hi >= 1
        return node.inputs[0] if keeps else None
    if is_a(op, ps.Maximum, ps.Minimum):
        for inside, bound in (node.inputs, node.inputs[::-1]):
            c = exact_constant(bound)
            if c is not None and (c <= 0 if is_a(op, ps.Maximum) else c >= 1):
                return inside
    return None
