"""Guards against a probability that was rounded to its limit: ``switch(eq(s, 1), 1 - eps, s)``.

A sigmoid of a finite number is never 1; only its float is.  So the guard replaces the value from
37 on, the logarithm of the complement stops there and its gradient is 0.  Asked of the argument,
the same condition holds at infinity only, where it was meant.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.math import add, eq, sub
from pytensor.tensor.variable import TensorConstant

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.factoring import canonical
from pytensor_stabilize.rewrites.algebra.families import Member
from pytensor_stabilize.rewrites.algebra.forms import ONE, TooBigError
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, constant_like, signed_sum
from pytensor_stabilize.rewrites.branches import hides_a_root
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule

_MOST_CLIENTS = 60
_COMPARISONS = (ps.GE, ps.LE, ps.GT, ps.LT, ps.EQ, ps.NEQ, ps.IsNan, ps.IsInf)
_FUNCTIONS = (psm.Sigmoid, ps.Tanh, ps.Exp, psm.Erf, psm.Erfc)
_MOVING = (ps.Switch, ps.Cast, ps.Second, ps.Identity)
_PASSING = (ps.Add, ps.Sub, ps.Mul, ps.Neg, ps.Sqr, ps.TrueDiv, ps.Pow, *_MOVING)


@within_limits
def guard_at_limit(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``eq(s(x), 1) -> eq(x, inf)`` as the condition of ``switch(eq(s(x), 1), c, s(x))``."""
    (output,) = node.outputs
    guarded = False
    for client, position in fgraph.clients[output]:
        op = scalar_op_of(client)
        if is_a(op, ps.AND, ps.OR, ps.Invert):
            continue  # a condition that this rule made
        if not is_a(op, ps.Switch) or position:
            return None
        _, chosen, value = client.inputs
        if exact_constant(chosen) == 0 and value not in node.inputs:
            continue  # the pullback of the guard
        if value not in node.inputs and not is_companion(value):
            return None
        if not _is_taken_care_of(fgraph, client.outputs[0]):
            return Left("what becomes of the guarded value may need the guard", lasts=False)
        guarded = True
    return asked_of_argument(output) if guarded else None


def asked_of_argument(condition: Variable) -> Variable | None:
    """A comparison of a value with its limit, as a condition that its argument is infinite."""
    node = condition.owner
    if node is None or not is_a(scalar_op_of(node), ps.EQ):
        return None
    for value, limit in (node.inputs, node.inputs[::-1]):
        c = exact_constant(limit)
        if c is not None and is_float(value):
            reached = _reaches(value, c)
            return reached if reached is None or same_pattern(reached, condition) else None
    return None


def _reaches(value: Variable, limit: Fraction) -> Variable | None:
    """The condition that a value is at a limit that only an infinite argument gives it."""
    node = value.owner
    if node is not None and is_a(scalar_op_of(node), ps.Switch):
        # A guard at the other limit: its constant is not this one.
        condition, chosen, inner = node.inputs
        other = exact_constant(chosen)
        if other is None or other == limit:
            return None
        reached = _reaches(inner, limit)
        return None if reached is None else pt.and_(pt.invert(condition), reached)
    reader = Reader()
    if not reader.survey(value):
        return None
    found = canonical(
        [*reader.terms(value), (-limit, ONE)] if limit else reader.terms(value), reader.is_leaf
    )
    if not found.coefficient or not found.is_product or len(found.factors) != 1:
        return None
    ((member, power),) = found.factors
    if not isinstance(member, Member) or member.companion == "t" or power <= 0:
        return None
    if member.family.kind not in ("logistic", "normal"):
        return None
    builder = Builder(reader, str(value.type.dtype))
    end = np.asarray(np.inf if member.companion == "q" else -np.inf, dtype=value.type.dtype)
    argument = builder.argument(member.family, Fraction(1))
    return builder.moved(pt.eq(argument, pt.constant(end)), member.family)


def is_companion(value: Variable) -> bool:
    """Whether a value is a product of companions: what 1 - p has become, for example."""
    reader = Reader()
    try:
        if not reader.survey(value):
            return False
        found = spelled_product(reader, value)
    except TooBigError:
        return False
    return bool(found.factors) and all(isinstance(g, Member) for g, _ in found.factors)


def _is_taken_care_of(fgraph: FunctionGraph, variable: Variable) -> bool:
    """Whether a value only goes, by arithmetic, into logarithms, denominators and comparisons.

    There our rules keep what the guard was for.  Elsewhere, in ``erfinv(2 s - 1)`` or as an output,
    the rounded 1 would be seen.
    """
    todo, seen = [variable], {variable}
    while todo:
        if len(seen) > _MOST_CLIENTS:
            return False
        for client, position in fgraph.clients[todo.pop()]:
            op = scalar_op_of(client)
            if is_a(op, ps.Log, ps.Log1p, *_COMPARISONS, ps.Reciprocal):
                continue
            if is_a(op, ps.TrueDiv) and position == 1:
                continue
            if not is_a(op, *_PASSING) and not is_a(client.op, *MOVES, Join, MakeVector):
                return False
            todo += [v for v in client.outputs if v not in seen]
            seen.update(client.outputs)
    return True


def _is_at_infinity(condition: Variable) -> bool:
    """Whether a condition is one that `guard_at_limit` made."""
    node = condition.owner
    op = scalar_op_of(node)
    if node is None:
        return False
    if is_a(op, ps.AND):
        return any(map(_is_at_infinity, node.inputs))
    return is_a(op, ps.EQ) and any(
        isinstance(v, TensorConstant) and np.all(np.isinf(v.data)) for v in node.inputs
    )


def sum_with_guard(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - switch(c, k, p) -> switch(c, 1 - k, 1 - p)``, where ``1 - p`` cancels."""
    (output,) = node.outputs
    signed = list(terms(node))
    if not is_float(output) or len(signed) != 2:
        return None
    for (one, constant), (sign, term) in (signed, signed[::-1]):
        c = exact_constant(constant)
        own, core = strip_sign(term)
        if c is None or core.owner is None or not is_a(scalar_op_of(core.owner), ps.Switch):
            continue
        condition, *branches = core.owner.inputs
        if not _is_at_infinity(condition):
            continue
        known = [exact_constant(v) for v in branches]
        if sum(v is None for v in known) != 1:
            continue
        dtype = str(output.type.dtype)
        new = [
            signed_sum([(one, constant), (sign * own, as_dtype(v, dtype))])
            if k is None
            else constant_like(float(one * c + sign * own * k), output)
            for v, k in zip(branches, known, strict=True)
        ]
        inner = new[known.index(None)]
        if hides_a_root(inner) or is_a(scalar_op_of(branches[known.index(None)].owner), ps.Switch):
            return pt.switch(condition, *new)
    return None


GUARDS: tuple[Rule, ...] = (
    Rule(
        name="guard_at_limit",
        before=lambda x: symbols.log(1 - symbols.sigmoid(x)),
        after=lambda x: -symbols.softplus(x),
        domain={"x": REAL},
        tested_in="tests/test_guards.py",
        promise=4.0,
        mends="the guard switch(eq(s, 1), 1 - eps, s) stops log(1 - s) at 37, its gradient is 0",
        databases=("stabilize", "specialize"),
        tracks=(eq,),
        transform=guard_at_limit,
        needs=tuple((kind, ps.EQ) for kind in _FUNCTIONS),
        sees_clients=True,
        source="sigmoid(x) = 1 at x = inf only",
    ),
    Rule(
        name="sum_with_guard",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_guards.py",
        promise=4.0,
        mends="1 - switch(c, k, p) is 0 where p rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_with_guard,
        needs=tuple((kind, ps.Switch) for kind in _FUNCTIONS),
        source="Branch by branch",
    ),
)
