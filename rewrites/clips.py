"""Clipped probabilities: what a bound is worth where its own condition holds.

The pullback of ``clip(p, lo, hi)`` is a condition, that p is inside, and beside that condition the
clipped value is p.  ``inside * p (1 - p) / clip(p)`` is then ``inside * (1 - p)``, and its
derivative has nothing left to cancel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import ARITHMETIC, SUMS, is_float
from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Symbol
from pytensor_stabilize.rewrites.algebra.forms import times
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, constant_like, signed_sum
from pytensor_stabilize.rewrites.branches import hides_a_root
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.matching import (
    constant_exponent,
    exact_constant,
    is_a,
    is_condition,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule

_MOST_NODES = 80
_ROUNDING = Fraction(1, 2**22)
_HALF = Fraction(1, 2)
_BOUNDED = (ps.Clip, ps.Maximum, ps.Minimum)


@dataclass(frozen=True)
class _Bounds:
    """``lo <= inside <= hi``; None where there is no bound."""

    inside: Variable
    lo: Fraction | None
    hi: Fraction | None


def _bounds_of(variable: Variable) -> _Bounds | None:
    """What a clip, maximum or minimum keeps between constants."""
    node, op = variable.owner, scalar_op_of(variable.owner)
    if node is None:
        return None
    if is_a(op, ps.Clip):
        lo, hi = map(exact_constant, node.inputs[1:])
        return None if lo is None or hi is None else _Bounds(node.inputs[0], lo, hi)
    if is_a(op, ps.Maximum, ps.Minimum) and len(node.inputs) == 2:
        for inside, bound in (node.inputs, node.inputs[::-1]):
            c = exact_constant(bound)
            if c is not None and exact_constant(inside) is None:
                return _Bounds(inside, *((c, None) if is_a(op, ps.Maximum) else (None, c)))
    return None


def _bounds_in(condition: Variable) -> list[_Bounds]:
    """The comparisons with constants that a condition is made of."""
    node, op = condition.owner, scalar_op_of(condition.owner)
    if node is None:
        return []
    if is_a(op, ps.Cast):
        return _bounds_in(node.inputs[0])
    if is_a(op, ps.AND):
        return [found for v in node.inputs for found in _bounds_in(v)]
    if is_a(op, ps.GE, ps.GT, ps.LE, ps.LT):
        for k, (v, bound) in enumerate((node.inputs, node.inputs[::-1])):
            c = exact_constant(bound)
            if c is not None:
                above = is_a(op, ps.GE, ps.GT) != bool(k)
                return [_Bounds(v, c, None) if above else _Bounds(v, None, c)]
    return []


def _holds(bounds: _Bounds, known: list[_Bounds]) -> bool:
    """Whether what is kept inside bounds is inside them where all that is known holds."""
    below, above = [], []
    for k in known:
        if k.inside is bounds.inside:
            own = k
        elif _add_up_to_one(k.inside, bounds.inside):
            own = _Bounds(bounds.inside, *(None if v is None else 1 - v for v in (k.hi, k.lo)))
        else:
            continue
        below += [] if own.lo is None else [own.lo]
        above += [] if own.hi is None else [own.hi]
    # One minus a bound was rounded.
    lo = bounds.lo is None or any(v >= bounds.lo * (1 - _ROUNDING) for v in below)
    return lo and (bounds.hi is None or any(v <= bounds.hi * (1 + _ROUNDING) for v in above))


def _add_up_to_one(p: Variable, q: Variable) -> bool:
    if not (is_float(p) and same_pattern(p, q)):
        return False
    total = pt.add(p, q)
    reader = Reader()
    if not reader.survey(total):
        return False
    found = canonical(reader.terms(total), reader.is_leaf)
    return found.is_product and not found.factors and found.coefficient == 1


@within_limits
def clip_beside_its_condition(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``(lo <= p <= hi) * p (1 - p) / clip(p, lo, hi) -> (lo <= p <= hi) * (1 - p)``."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    summed = flat_terms(node) if node.op in (add, sub) else [(1, output)]
    beside = [{_bare(c): c for c in _conditions(term)} for _, term in summed]
    reason = None
    for bare, condition in {k: v for own in beside for k, v in own.items()}.items():
        own = [term for term, found in zip(summed, beside, strict=True) if bare in found]
        result = _with_condition(signed_sum(own), condition)
        if isinstance(result, Variable):
            rest = [term for term, found in zip(summed, beside, strict=True) if bare not in found]
            return signed_sum([*rest, (1, result)])
        reason = result or reason
    return reason


def _with_condition(variable: Variable, condition: Variable) -> Variable | Left | None:
    """A sum of products with one condition, what that keeps inside its bounds without them."""
    new, found, remade = _without_bounds(variable, condition, _bounds_in(condition))
    reader = Reader()
    if not found or not reader.survey(new):
        return None
    if is_a(scalar_op_of(new.owner), *SUMS):
        factored = canonical(reader.terms(new), reader.is_leaf)
    else:
        product = spelled_product(reader, new)
        factored = Factored(product.coefficient, product.factors)
    if not factored.coefficient:
        return pt.zeros_like(variable)
    # Where the condition does not hold it is 0 times this, which has to be finite.
    parts = [times(factored.factors, own) for own in factored.residual]
    divisors = [g for own in parts for g, n in own if n < 0]
    if any(not isinstance(g, Symbol) or g.variable in remade for g in divisors):
        return Left("it would be infinite where the value is outside its bounds")
    dtype = str(variable.type.dtype)
    return pt.mul(as_dtype(condition, dtype), Builder(reader, dtype).product(factored))


def _conditions(variable: Variable) -> list[Variable]:
    """The conditions among the factors of a product, or of every term of a sum."""
    node, op = variable.owner, scalar_op_of(variable.owner)
    if is_condition(variable):
        return [variable]
    if node is None or not is_float(variable):
        return []
    if is_a(op, *SUMS):
        first, *others = map(_conditions, node.inputs)
        shared = [{_bare(c) for c in own} for own in others]
        return [c for c in first if all(_bare(c) in own for own in shared)]
    if is_a(op, ps.Mul):
        return [c for v in node.inputs for c in _conditions(v)]
    return _conditions(node.inputs[0]) if is_a(op, ps.Neg, ps.TrueDiv, ps.Sqr) else []


def _bare(condition: Variable) -> Variable:
    while is_a(scalar_op_of(condition.owner), ps.Cast):
        condition = condition.owner.inputs[0]  # type: ignore[union-attr]
    return condition


def _without_bounds(
    output: Variable, condition: Variable, known: list[_Bounds]
) -> tuple[Variable, bool, set[Variable]]:
    """A product with 1 for a condition, and in it what the condition keeps inside its bounds.

    Also whether there was such a thing, and all that had to be made anew for it.
    """
    made: dict[Variable, Variable] = {}
    found = False

    def new(variable: Variable) -> Variable:
        nonlocal found
        if variable in made:
            return made[variable]
        node, op = variable.owner, scalar_op_of(variable.owner)
        result = variable
        if node is None or len(made) > _MOST_NODES:
            return variable
        if is_condition(variable):
            if _bare(variable) is _bare(condition):
                result = pt.ones_like(variable, dtype=output.type.dtype)
        elif is_a(op, *_BOUNDED):
            bounds = _bounds_of(variable)
            if (
                bounds is not None
                and same_pattern(bounds.inside, variable)
                and _holds(bounds, known)
            ):
                result, found = bounds.inside, True
        elif is_a(op, *SUMS, *ARITHMETIC) and is_float(variable) and not _is_symbolic(node):
            inputs = [new(v) for v in node.inputs]
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                result = node.op(*inputs)
        made[variable] = result
        return result

    result = new(output)
    return result, found, {v for old, v in made.items() if v is not old}


def _is_symbolic(node: Apply) -> bool:
    """Whether a node is a power that may be nan where its base is outside its bounds."""
    return is_a(scalar_op_of(node), ps.Pow) and constant_exponent(node) is None


def sum_with_clip(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - clip(p, lo, hi) -> clip(1 - p, 1 - hi, 1 - lo)``, where ``1 - p`` cancels."""
    (output,) = node.outputs
    signed = list(terms(node))
    if not is_float(output) or len(signed) != 2:
        return None
    for (one, constant), (sign, term) in (signed, signed[::-1]):
        c = exact_constant(constant)
        own, core = strip_sign(term)
        bounds = _bounds_of(core)
        if c is None or bounds is None or not same_pattern(bounds.inside, output):
            continue
        outer, inner = Fraction(one) * c, sign * own
        total = signed_sum([(one, constant), (inner, as_dtype(bounds.inside, output.type.dtype))])
        if not hides_a_root(total):
            return None
        ends = [None if v is None else outer + inner * v for v in (bounds.lo, bounds.hi)]
        lo, hi = ends if inner > 0 else ends[::-1]
        result = total
        if lo is not None and hi is not None:
            return pt.clip(result, constant_like(float(lo), total), constant_like(float(hi), total))
        if lo is not None:
            return pt.maximum(result, constant_like(float(lo), total))
        assert hi is not None
        return pt.minimum(result, constant_like(float(hi), total))
    return None


def log_of_clipped_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(max(f, lo)) -> log1p(-(1 - f))`` where a sum f is above 1/2, far from the bound."""
    (output,), (argument,) = node.outputs, node.inputs
    bounds = _bounds_of(argument)
    if bounds is None or bounds.lo is None or not 0 < bounds.lo < _HALF or not is_float(output):
        return None
    f = bounds.inside
    if not is_a(scalar_op_of(f.owner), *SUMS) or f.type.dtype != output.type.dtype:
        return None
    if not same_pattern(f, output) or (bounds.hi is not None and bounds.hi <= _HALF):
        return None
    one, half = constant_like(1.0, f), constant_like(0.5, f)
    complement = pt.sub(one, f)
    if not hides_a_root(complement):
        return None
    near = pt.gt(f, half)
    logarithm = pt.log1p(pt.neg(pt.switch(near, complement, half)))
    if bounds.hi is not None:
        logarithm = pt.minimum(logarithm, constant_like(math.log(bounds.hi), f))
    # A smaller sum is no sum of this rule any more.
    far = pt.maximum(pt.minimum(f, half), constant_like(float(bounds.lo), f))
    return pt.switch(near, logarithm, pt.log(far))


CLIPS: tuple[Rule, ...] = (
    Rule(
        name="clip_beside_its_condition",
        before=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x) / symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": Interval(-700.0, 700.0)},
        tested_in="tests/test_clips.py",
        promise=4.0,
        mends="the second derivative of log(clip(p, lo, hi)) cancels where p is small",
        databases=("stabilize", "specialize"),
        tracks=(add, sub, mul, true_div),
        transform=clip_beside_its_condition,
        needs=_BOUNDED,
        source="clip(p, lo, hi) = p where lo <= p <= hi",
    ),
    Rule(
        name="sum_with_clip",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_clips.py",
        promise=4.0,
        mends="1 - clip(p, lo, hi) has few digits where p is close to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_with_clip,
        needs=_BOUNDED,
        source="1 - clip(p, lo, hi) = clip(1 - p, 1 - hi, 1 - lo)",
    ),
    Rule(
        name="log_of_clipped_sum",
        before=lambda x: symbols.log(1 - symbols.sigmoid(x)),
        after=lambda x: -symbols.softplus(x),
        domain={"x": REAL},
        tested_in="tests/test_clips.py",
        promise=4.0,
        mends="log(clip(y p + (1 - y) (1 - p), lo, 1)) is 0 where the sum rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_clipped_sum,
        needs=tuple((bound, kind) for bound in _BOUNDED for kind in (psm.Sigmoid, ps.Exp, ps.Tanh)),
        source="log(f) = log1p(-(1 - f))",
    ),
)
