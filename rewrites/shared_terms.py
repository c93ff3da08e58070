"""Differences of two arguments without the terms that both have."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import add, mul, sub
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

from pytensor_stabilize.rewrites.arithmetic import difference_of, product_of
from pytensor_stabilize.rewrites.differences.pairs import moved
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.shapes.indices import indices_of


def subtract(a: Variable, b: Variable) -> Variable:
    """``a - b`` without the terms that both have.

    ``(c1 - eta) - (c0 - eta)`` is ``c1 - c0``: that is more accurate, and its derivative with
    respect to eta is 0 instead of a difference of large numbers.
    """
    shorter = _without_common(a, b)
    return sub(a, b) if shorter is None else shorter


def add_up(a: Variable, b: Variable) -> Variable:
    """``a + b`` with the terms added up that both have: ``(a + b) + a`` is ``2 a + b``.

    Where the sum vanishes the rounding of its parts would be all that is left.
    """
    total: dict[Variable | Fraction, int] = {}
    variables: dict[Variable | Fraction, Variable] = {}
    signed = [term for side in (a, b) for term in signed_terms(side)]
    for sign, v in signed:
        key = _value_or_itself(v)
        if isinstance(key, Fraction) and key < 0:
            sign, key, v = -sign, -key, pt.constant(-np.asarray(v.data))  # type: ignore[attr-defined]
        total[key] = total.get(key, 0) + sign
        variables.setdefault(key, v)
    if len(total) == len(signed) or not any(total.values()):
        return add(a, b)
    dtype = np.result_type(a.type.dtype, b.type.dtype)
    return difference_of(
        [
            (1 if n > 0 else -1, v if abs(n) == 1 else mul(np.asarray(abs(n), dtype), v))
            for key, n in total.items()
            for v in [variables[key]]
            if n
        ]
    )


def _without_common(a: Variable, b: Variable) -> Variable | None:
    node_a, node_b = a.owner, b.owner
    if node_a is not None and node_b is not None and is_a(node_a.op, *MOVES):
        base_a, base_b = node_a.inputs[0], node_b.inputs[0]
        if node_a.op == node_b.op and node_a.inputs[1:] == node_b.inputs[1:]:
            inner = _without_common(base_a, base_b)
            if inner is None or not same_pattern(base_a, base_b):
                return None
            if not same_pattern(inner, base_a):
                indices = indices_of(node_a) if is_a(node_a.op, AdvancedSubtensor) else None
                if indices is not None:
                    # Of each of the two, which are wanted by themselves as well: one index less.
                    parts = [(sign, indices.elements(v)) for sign, v in signed_terms(inner)]
                    return indices.in_shape(difference_of(parts))
                inner = pt.broadcast_to(inner, pt.shape(base_a))
            return moved(inner, [node_a])
        if base_a is base_b:
            return _joined_without_common(node_a, node_b)
    if node_a is not None and node_b is not None and node_a.op == node_b.op == mul:
        return _scaled_without_common(node_a, node_b)
    sides = [Counter(signed_terms(v)) for v in (a, b)]
    common = sides[0] & sides[1]
    if a is b or not common:
        return None
    left = [list((side - common).elements()) for side in sides]
    if not any(left):
        return None  # the two are equal, which the value of the difference shows by itself
    return difference_of(left[0] + [(-sign, v) for sign, v in left[1]])


def _scaled_without_common(node_a: Apply, node_b: Apply) -> Variable | None:
    """``k * (c1 - eta) - k * (c0 - eta)`` is ``k * (c1 - c0)``."""
    sides = [Counter(map(_value_or_itself, node.inputs)) for node in (node_a, node_b)]
    common = sides[0] & sides[1]
    rest = [list((side - common).elements()) for side in sides]
    if not common or not all(len(side) == 1 for side in rest):
        return None
    first, second = rest[0][0], rest[1][0]
    if not (isinstance(first, Variable) and isinstance(second, Variable)):
        return None
    inner = _without_common(first, second)
    if inner is None:
        return None
    constants = [v for v in node_a.inputs if exact_constant(v) is not None]
    shared = [v for v in common.elements() if isinstance(v, Variable)]
    return product_of([*constants, *shared, inner])


def _value_or_itself(v: Variable) -> Variable | Fraction:
    """Two constants of one value are two variables."""
    constant = exact_constant(v)
    return v if constant is None else constant


def signed_terms(variable: Variable) -> list[tuple[int, Variable]]:
    """The terms of a sum, with their signs."""
    sign, core = strip_sign(variable)
    node = core.owner
    if node is None or node.op not in (add, sub):
        return [(sign, core)]
    stripped = ((outer, *strip_sign(term)) for outer, term in terms(node))
    return [(sign * outer * own, inner) for outer, own, inner in stripped]


def _joined_without_common(node_a: Apply, node_b: Apply) -> Variable | None:
    """Difference of two slices of ``join(-inf, c - eta, inf)``, eta being constant along it."""
    joined = node_a.inputs[0].owner
    if joined is None or not is_a(joined.op, Join):
        return None
    parts = joined.inputs
    constants = {part: constant_of(part) for part in parts}
    inner = [part for part in parts if constants[part] is None]
    # Only of what is infinite anyway: eta is in the difference from a finite constant.
    if len(inner) != 1 or not all(c is None or np.isinf(c) for c in constants.values()):
        return None
    position = joined.op.axis % inner[0].type.ndim
    signed = signed_terms(inner[0])
    kept = [t for t in signed if not t[1].type.broadcastable[position]]
    if not kept or len(kept) == len(signed):
        return None
    core = difference_of(kept)
    before, after = inner[0].type.broadcastable, core.type.broadcastable
    changed = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
    if changed and not all(_leaves(node, changed) for node in (node_a, node_b)):
        return None
    shorter = [core if part is inner[0] else _narrowed(part, changed) for part in parts]
    (new,) = joined.op.make_node(*shorter).outputs
    return sub(moved(new, [node_a]), moved(new, [node_b]))


def constant_of(part: Variable) -> float | None:
    """The constant that all elements are, infinite ones too."""
    while part.owner is not None and part.type.ndim and part.owner.inputs:
        # full_like(x, value): the value is the last input of a fill, the first of an alloc.
        second = is_a(scalar_op_of(part.owner), ps.Second)
        if not second and not is_a(part.owner.op, DimShuffle, Alloc, Subtensor):
            return None
        part = part.owner.inputs[1 if second else 0]
    value = np.unique(part.data) if isinstance(part, Constant) else np.empty(0)
    return float(value[0]) if value.size == 1 else None


def _leaves(node: Apply, axes: list[int]) -> bool:
    """Whether a basic slice takes all of these axes."""
    if not is_a(node.op, Subtensor):
        return False
    index = node.op.idx_list
    return all(i >= len(index) or index[i] == slice(None) for i in axes)


def _narrowed(part: Variable, axes: list[int]) -> Variable:
    """The constant `part` with length 1 along `axes`."""
    shape = [1 if i in axes else length for i, length in enumerate(part.type.shape)]
    if None not in shape:
        return pt.constant(np.full(shape, constant_of(part), dtype=part.type.dtype))
    index = tuple(slice(0, 1) if i in axes else slice(None) for i in range(part.type.ndim))
    return pt.specify_broadcastable(pt.as_tensor_variable(part)[index], *axes)
