"""Recognise sigmoids, their negations and exact constants, whatever the spelling."""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeGuard

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid as ScalarSigmoid
from pytensor.tensor.basic import (
    Alloc,
    NotScalarConstantError,
    get_underlying_scalar_constant_value,
)
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import mul, neg, sub
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorConstant

# What the rules for one dtype are written for.
FLOATS = ("float32", "float64")

# Ops that move the elements of their first input about and change none of them.
MOVES = (DimShuffle, Reshape, SpecifyShape, Subtensor, AdvancedSubtensor)

# Ops, elementwise ones by their scalar op, that hold one of their inputs in another shape or dtype.
_FILLS: dict[type, int] = {ps.Second: 1, ps.Cast: 0, DimShuffle: 0, Alloc: 0, SpecifyShape: 0}

# Scalar ops of products and negations.
_SIGNS = (ps.Neg, ps.Mul)


class _Subclasses(dict[type, bool]):
    """Which classes are subclasses of some; each is found out once."""

    def __init__(self, classes: tuple[type, ...]) -> None:
        self._classes = classes

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = issubclass(kind, self._classes)
        return found


class _SubclassesOf(dict[tuple[type, ...], _Subclasses]):
    def __missing__(self, classes: tuple[type, ...]) -> _Subclasses:
        found = self[classes] = _Subclasses(classes)
        return found


_subclasses_of = _SubclassesOf()
_elemwise = _subclasses_of[Elemwise,]


def is_a[T](thing: object, *classes: type[T]) -> TypeGuard[T]:
    """``isinstance``, which asks PyTensor's abstract base classes each time."""
    return _subclasses_of[classes][type(thing)]


def scalar_op_of(node: Apply | None) -> ps.ScalarOp | None:
    """The scalar op of an elementwise node."""
    if node is None:
        return None
    op = node.op
    return op.scalar_op if _elemwise[type(op)] else None  # type: ignore[attr-defined]


def scalar_op(variable: Variable) -> ps.ScalarOp | None:
    """The scalar op of the elementwise node that made a variable."""
    return scalar_op_of(variable.owner)


def is_sigmoid_node(node: Apply) -> bool:
    """Whether the node is PyTensor's elementwise sigmoid."""
    return is_a(scalar_op_of(node), ScalarSigmoid)


def is_complex(variable: Variable) -> bool:
    return str(variable.type.dtype).startswith("complex")


def exact_constant(variable: Variable) -> Fraction | None:
    """Exact value of a real constant whose elements are all equal, else None.

    Sees through the broadcasting that PyTensor builds (``ones_like``, alloc, dimshuffle), and
    returns a fraction, so that 1 + 2**-52 is not 1.
    """
    # Asked often, and mostly of what is no constant: PyTensor's own search would take long.
    base, node = variable, variable.owner
    while node is not None:
        kind: type = type(node.op)
        if kind is Elemwise:
            kind = type(node.op.scalar_op)
        position = _FILLS.get(kind)
        if position is None:
            return None
        base = node.inputs[position]
        node = base.owner
    if not is_a(base, Constant):
        return None
    if base is variable:
        # Looking at each element again would take long.
        if not hasattr(base.tag, "exact_constant"):
            value = base.unique_value if is_a(base, TensorConstant) else base.data  # type: ignore[attr-defined]
            base.tag.exact_constant = None if value is None else _exact_value(value)
        return base.tag.exact_constant
    try:
        return _exact_value(get_underlying_scalar_constant_value(variable))
    except NotScalarConstantError:
        return None


def _exact_value(data: object) -> Fraction | None:
    array = np.asarray(data)
    if array.dtype.kind not in "biuf" or array.size != 1:
        return None
    number = array.item()
    if array.dtype.kind != "f":
        return Fraction(int(number))
    # float() of a float16 or float32 is exact; float128 does not occur in PyTensor.
    return Fraction(float(number)) if np.isfinite(number) else None


def constant_exponent(node: Apply) -> Fraction | None:
    """The exponent of a square, a root or a constant power."""
    op = scalar_op_of(node)
    if is_a(op, ps.Sqr):
        return Fraction(2)
    if is_a(op, ps.Sqrt):
        return Fraction(1, 2)
    return exact_constant(node.inputs[1]) if is_a(op, ps.Pow) else None


def is_condition(variable: Variable) -> bool:
    """Whether a variable is a truth value, as a number or not."""
    if is_a(scalar_op(variable), ps.Cast):
        return is_condition(variable.owner.inputs[0])  # type: ignore[union-attr]
    return str(variable.type.dtype) == "bool"


def without_cast(variable: Variable) -> Variable:
    """The truth value that is cast to a number, as in the gradient of a maximum; or the variable.

    Both are one symbol of a sum: ``c - cast(c)`` is 0.
    """
    while is_a(scalar_op(variable), ps.Cast) and is_condition(variable):
        variable = variable.owner.inputs[0]  # type: ignore[union-attr]
    return variable


def strip_sign(variable: Variable) -> tuple[int, Variable]:
    """Return ``(sign, core)`` with ``variable == sign * core``, through `neg` and ``-1 * core``."""
    node = variable.owner
    kind: type = type(scalar_op_of(node))
    # The negation of an unsigned integer, or of INT_MIN, wraps: it is not the one we mean.
    if node is None or kind not in _SIGNS or np.dtype(variable.type.dtype).kind != "f":
        return 1, variable
    if kind is ps.Neg:
        sign, core = strip_sign(node.inputs[0])
        return -sign, core
    if len(node.inputs) == 2:
        for constant, other in (node.inputs, node.inputs[::-1]):
            if exact_constant(constant) == -1 and same_pattern(other, variable):
                sign, core = strip_sign(other)
                return -sign, core
    return 1, variable


def same_pattern(a: Variable, b: Variable) -> bool:
    """Whether the same dimensions of `a` and `b` are broadcast; an index has none."""
    first, second = (getattr(v.type, "broadcastable", ()) for v in (a, b))
    return first == second


def signed_key(variable: Variable) -> tuple[int, Hashable]:
    """Return ``(sign, key)``; two arguments are equal up to sign if their keys are equal.

    ``-x``, ``-1 * x``, ``-2 * x`` beside ``2 * x`` and ``b - a`` beside ``a - b`` are negations
    of one another exactly, because rounding to nearest is symmetric.
    """
    sign, core = strip_sign(variable)
    node = core.owner
    if node is not None and node.op == mul and np.dtype(core.type.dtype).kind == "f":
        constants = [c for c in map(exact_constant, node.inputs) if c is not None]
        others = [i for i in node.inputs if exact_constant(i) is None]
        if len(constants) == 1 and constants[0] < 0 and others:
            sign = -sign
        if len(constants) < 2 and others:
            # A product without a constant beside its negation, which PyTensor makes -1 * a * b.
            factor = abs(constants[0]) if constants else Fraction(1)
            return sign, ("mul", factor, frozenset(Counter(others).items()))
    if node is not None and node.op == sub:
        a, b = node.inputs
        # Variables count up as they are made, so that the order is the same in every run.
        if (len(a.auto_name), a.auto_name) > (len(b.auto_name), b.auto_name):
            return -sign, ("sub", b, a)
        return sign, ("sub", a, b)
    return sign, core


def negate(variable: Variable) -> Variable:
    """Return ``-variable`` without stacking negations or products with constants."""
    sign, core = strip_sign(variable)
    if sign < 0:
        return core
    node = core.owner
    if node is not None and node.op == mul and np.dtype(core.type.dtype).kind == "f":
        constants = [i for i in node.inputs if exact_constant(i) is not None]
        others = [i for i in node.inputs if exact_constant(i) is None]
        data = getattr(constants[0], "data", None) if len(constants) == 1 and others else None
        if data is not None and exact_constant(constants[0]) == -1 and len(others) > 1:
            product = mul(*others)
            return product if product.type == core.type else neg(core)
        if data is not None and data.dtype.kind == "f":
            return mul(pt.constant(-data, dtype=data.dtype), *others)
    return neg(core)


@dataclass(frozen=True, slots=True)
class SigmoidUse:
    """A variable that is ``sign * sigmoid(argument)`` with its elements moved about or cast.

    Attributes
    ----------
    sign
        1 or -1.
    sigmoid
        Output of the elementwise sigmoid.
    path
        Nodes between `sigmoid` and the variable, from the sigmoid outwards.
    """

    sign: int
    sigmoid: Variable
    path: tuple[Apply, ...]

    @property
    def argument(self) -> Variable:
        node = self.sigmoid.owner
        assert node is not None
        return node.inputs[0]

    def rebuild(self, replacement: Variable) -> Variable:
        """Move the elements of `replacement` as the path moves those of the sigmoid.

        Casts are left out: the caller sets the dtype.
        """
        for node in self.path:
            if is_a(node.op, *MOVES):
                replacement = node.op.make_node(replacement, *node.inputs[1:]).outputs[0]
        return replacement


def is_float_cast(node: Apply) -> bool:
    return (
        is_a(node.op, Elemwise)
        and is_a(node.op.scalar_op, ps.Cast)
        and all(np.dtype(v.type.dtype).kind == "f" for v in (node.inputs[0], node.outputs[0]))
    )


def sigmoid_use(variable: Variable) -> SigmoidUse | None:
    """Recognise ``+-sigmoid(x)``, also indexed, reshaped, transposed or cast between floats."""
    sign = 1
    path: list[Apply] = []
    while True:
        step, variable = strip_sign(variable)
        sign *= step
        node = variable.owner
        if node is None:
            return None
        if is_sigmoid_node(node):
            return SigmoidUse(sign, variable, tuple(reversed(path)))
        if not (is_a(node.op, *MOVES) or is_float_cast(node)):
            return None
        path.append(node)
        variable = node.inputs[0]


def terms(node: Apply) -> Iterator[tuple[int, Variable]]:
    """Yield the signed terms of an `add` or `sub` node."""
    kind = type(scalar_op_of(node))
    if kind is ps.Add:
        yield from ((1, term) for term in node.inputs)
    elif kind is ps.Sub:
        yield 1, node.inputs[0]
        yield -1, node.inputs[1]
