"""Rules for differences whose parts are not exponentials: softplus, square roots, logarithms."""

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid, Softplus
from pytensor.tensor.math import add, log, mul, sub
from pytensor.tensor.subtensor import Subtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import (
    as_dtype,
    constant_like,
    difference_of,
    factors,
)
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    negate,
    scalar_op,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.memory import once
from pytensor_stabilize.rewrites.products import Factors
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule
from pytensor_stabilize.rewrites.softmax.matching import is_softmax


def signed_terms(variable: Variable) -> list[tuple[int, Variable]]:
    """Terms of a sum with their signs, nested sums of the same dtype taken apart."""
    return list(once(variable, signed_terms, lambda: _signed_terms(variable)))


def _signed_terms(variable: Variable, sign: int = 1, depth: int = 0) -> list[tuple[int, Variable]]:
    outer, core = strip_sign(variable)
    node = core.owner
    if node is None or node.op not in (add, sub) or depth > 6:
        return [(sign * outer, core)]
    found = []
    for inner, term in terms(node):
        if term.type.dtype != variable.type.dtype:
            found.append((sign * outer * inner, term))
        else:
            found += _signed_terms(term, sign * outer * inner, depth + 1)
    return found


def with_complement(
    output: Variable, complement: Callable[[Variable], tuple[int, Variable] | None]
) -> Variable | None:
    """``c - c f``, with whatever else is added, as c times what a function makes of f.

    The function returns ``1 - f`` with the sign that it has to take, or None where it makes none.
    """
    signed = signed_terms(output)
    numbers = [(i, s * c) for i, (s, v) in enumerate(signed) if (c := exact_constant(v))]
    if len(numbers) != 1:
        return None
    ((at, number),) = numbers
    for i, (sign, term) in enumerate(signed):
        c, counted = factors(term)
        if sign * c != -number or list(counted.values()) != [1]:
            continue
        (f,) = counted
        found = complement(f)
        if found is None:
            continue
        side, made = found
        rest = [t for k, t in enumerate(signed) if k not in (i, at)]
        product = made if abs(c) == 1 else pt.mul(constant_like(float(abs(c)), made), made)
        return difference_of([*rest, (side if number > 0 else -side, product)])
    return None


def softplus_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Merge ``a * softplus(t)`` with ``-b * t``, or with ``-a * softplus(-t)``."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or not any(_has_softplus(v) for v in node.inputs):
        return None
    signed = signed_terms(output)
    read = [Factors.of(term) for _, term in signed]
    # Trying each pair of many terms would be quadratic.
    holders: dict[Variable, list[int]] = {}
    for i, product in enumerate(read):
        for v in product.others:
            holders.setdefault(_key(v), []).append(i)
    found: list[tuple[int, Variable]] = []
    used: set[int] = set()
    for i in range(len(read)):
        if i in used:
            continue
        for j, merged in _partners(i, signed, read, holders, dtype):
            if j not in used:
                used |= {i, j}
                found.append(merged)
                break
    if not found:
        return None
    return difference_of([*(s for k, s in enumerate(signed) if k not in used), *found])


def _key(variable: Variable) -> Variable:
    """The argument of a softplus without its sign; any other variable itself."""
    if is_a(scalar_op(variable), Softplus):
        return strip_sign(variable.owner.inputs[0])[1]  # type: ignore[union-attr]
    return variable


def _partners(
    i: int,
    signed: list[tuple[int, Variable]],
    read: list[Factors],
    holders: dict[Variable, list[int]],
    dtype: str,
) -> Iterator[tuple[int, tuple[int, Variable]]]:
    """Other terms that merge with a softplus in one, and what they merge to."""
    for softplus in read[i].others:
        if not is_a(scalar_op(softplus), Softplus) or softplus.type.dtype != dtype:
            continue
        t = softplus.owner.inputs[0]
        if t.type.dtype != dtype:
            continue
        a = Factors(read[i].constant * signed[i][0], read[i].others - Counter([softplus]))
        argument = Factors.of(t)
        sharing = {j for v in (*argument.others, _key(softplus)) for j in holders.get(v, ())}
        for j in sorted(sharing - {i}):
            other = read[j]
            b = Factors(-other.constant * signed[j][0], other.others)
            merged = _merged(a, b, t, argument, dtype)
            if merged is not None:
                yield j, merged


def _merged(
    a: Factors, b: Factors, t: Variable, argument: Factors, dtype: str
) -> tuple[int, Variable] | None:
    """``a * softplus(t) - b`` as one term with its sign, if its parts can cancel."""
    slope = b.over(argument)
    # Asked for every pair of terms: nothing is built before there is something to merge.
    if slope is None and not any(is_a(scalar_op(v), Softplus) for v in b.others):
        return None
    sign = 1 if a.constant > 0 else -1
    for other in b.others:
        if is_a(scalar_op(other), Softplus):
            mirrored, key = strip_sign(other.owner.inputs[0]), strip_sign(t)
            opposite = mirrored[1] is key[1] and mirrored[0] == -key[0]
            if not opposite or Factors(b.constant, b.others - Counter([other])) != a:
                return None
            outer = Factors(sign * a.constant, a.others).build(dtype)
            return None if outer is None else (sign, _times(outer, t))
    if slope is None:
        return None
    a, b = Factors(sign * a.constant, a.others), Factors(sign * b.constant, b.others)
    outer, slope = a.build(dtype), b.over(argument)
    if outer is None or slope is None:
        return None
    if slope == a:
        return sign, _times(outer, pt.softplus(negate(t)))
    if not slope.others and not a.others:
        return None  # its zero, if there is one, is an ordinary one
    ratio = slope.over(a)
    if ratio is not None and ratio.constant < 0 and all(map(_is_positive, ratio.others)):
        return None  # softplus(x) + x sigmoid(x): for large x both have one sign
    factor = slope.build(dtype)
    if factor is None:
        return None
    factor = as_dtype(factor, dtype)  # a label's negation would wrap
    # (a [t > 0] - b) t + a softplus(-|t|).  The switch in place of -|t| gives the derivative at
    # 0 that abs would not.
    above = pt.gt(t, np.asarray(0, dtype=dtype))
    steep = pt.mul(pt.switch(above, pt.sub(outer, factor), pt.neg(factor)), t)
    tail = pt.softplus(pt.switch(above, negate(t), t))
    return sign, pt.add(steep, _times(outer, tail))


def _is_positive(variable: Variable) -> bool:
    return is_a(scalar_op(variable), Sigmoid, Softplus, ps.Exp, ps.Sqr, ps.Abs)


def _has_softplus(variable: Variable, depth: int = 0) -> bool:
    op = scalar_op(variable)
    if is_a(op, Softplus):
        return True
    if depth > 4 or not is_a(op, ps.Mul, ps.Neg, ps.Add, ps.Sub):
        return False
    assert variable.owner is not None
    return any(_has_softplus(v, depth + 1) for v in variable.owner.inputs)


def _times(factor: Variable, other: Variable) -> Variable:
    return other if exact_constant(factor) == 1 else pt.mul(factor, other)


def log_of_successor(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1p(x) - log(x) -> log1p(1 / x)`` for x > 1, also with ``c log(z)`` for ``x = z**c``."""
    (output,) = node.outputs
    signed = [(s * c, v) for s, term in terms(node) for c, v in [strip_sign(term)]]
    if output.type.dtype not in FLOATS or len(signed) != 2 or signed[0][0] == signed[1][0]:
        return None
    for (sign, one), (_, other) in (signed, signed[::-1]):
        if not is_a(scalar_op(one), ps.Log1p):
            continue
        x = one.owner.inputs[0]
        read = Factors.of(other)
        power = pt.constant(np.asarray(float(read.constant), dtype=output.type.dtype))
        (log_of_base,) = read.others if len(read.others) == 1 else (None,)
        if log_of_base is None or not is_a(scalar_op(log_of_base), ps.Log):
            continue
        z = log_of_base.owner.inputs[0]
        exponent = _exponent(x, z)
        if exponent != read.constant or exponent < 0 or x.type.dtype != output.type.dtype:
            return None
        if is_a(scalar_op(x), ps.Switch) or is_a(scalar_op(z), ps.Switch):
            return None  # the branch below 1 of what this rule made
        # Below 1 nothing cancels, and 1 / x overflows for subnormal x.  Arguments of 1 keep
        # the branch that is not taken finite: JAX differentiates both.
        unit = constant_like(1, output)
        large = pt.gt(x, unit)
        small, safe = pt.switch(large, unit, x), pt.switch(large, x, unit)
        log_of_x = pt.log(small if z is x else pt.switch(large, unit, z))
        plain = pt.log1p(small) - (log_of_x if exponent == 1 else power * log_of_x)
        result = pt.switch(large, pt.log1p(pt.reciprocal(safe)), plain)
        return result if sign > 0 else pt.neg(result)
    return None


def _exponent(variable: Variable, base: Variable) -> Fraction | None:
    """The c of ``base**c``."""
    if variable is base:
        return Fraction(1)
    node = variable.owner
    if node is None or not node.inputs or node.inputs[0] is not base:
        return None
    if is_a(scalar_op(variable), ps.Sqr, ps.Sqrt):
        return Fraction(2) if is_a(scalar_op(variable), ps.Sqr) else Fraction(1, 2)
    return exact_constant(node.inputs[1]) if is_a(scalar_op(variable), ps.Pow) else None


def _are_of_one_softmax(*variables: Variable) -> bool:
    """Whether all are components of one softmax, at indices that are known."""
    picks = [v.owner for v in variables if v.owner is not None and is_a(v.owner.op, Subtensor)]
    known = [pick for pick in picks if all(is_a(v, Constant) for v in pick.inputs[1:])]
    rows = {pick.inputs[0] for pick in known}
    if len(known) < len(variables) or len(rows) > 1:
        return False
    node = rows.pop().owner
    return node is not None and is_softmax(node)


def log_of_share(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(a / (a + b)) -> -log1p(b / a)`` where b is small beside a, and the reciprocal."""
    (argument,), (output,) = node.inputs, node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or not is_a(scalar_op(argument), ps.TrueDiv):
        return None
    above, below = argument.owner.inputs  # type: ignore[union-attr]
    for part, whole, sign in ((above, below, -1), (below, above, 1)):
        if exact_constant(part) is not None or not is_a(scalar_op(whole), ps.Add):
            continue
        summed = signed_terms(whole)
        if (1, part) not in summed or any(v.type.dtype != dtype for v in (part, whole)):
            continue
        summed.remove((1, part))
        if len(summed) == 1 and _are_of_one_softmax(part, summed[0][1]):
            return None  # their share is the sigmoid of a difference of logits, its logarithm more
        ratio = pt.true_div(difference_of(summed), part)
        near = pt.lt(pt.abs(ratio), constant_like(0.5, ratio))
        small = pt.log1p(pt.switch(near, ratio, constant_like(0, ratio)))
        far = pt.log(pt.switch(near, constant_like(1, ratio), argument))
        return pt.switch(near, small if sign > 0 else pt.neg(small), far)
    return None


_OWN_COMPANIONS = ("Tanh", "Sigmoid", "Sin", "Cos", "Erf", "Erfc", "Exp", "Expm1", "Cosh", "Sinh")


def squared(variable: Variable) -> Variable | None:
    """The x of ``x**2`` or ``x * x``."""
    node = variable.owner
    if node is not None and node.op == mul and len(node.inputs) == 2:
        return node.inputs[0] if node.inputs[0] is node.inputs[1] else None
    return node.inputs[0] if node is not None and node.op == pt.sqr else None


def difference_of_squares(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``a**2 - b**2 -> (a - b) * (a + b)``, also where one of the squares is a constant."""
    (output,) = node.outputs
    dtype = output.type.dtype
    signed = [(s * c, v) for s, term in terms(node) for c, v in [strip_sign(term)]]
    if dtype not in FLOATS or len(signed) != 2:
        return None
    roots: list[tuple[int, Variable]] = []
    for sign, term in signed:
        constant = exact_constant(term)
        if constant is not None:
            if abs(constant) != 1:
                return None
            roots.append((sign * (1 if constant > 0 else -1), pt.constant(np.asarray(1, dtype))))
        else:
            root = squared(term)
            if root is None or root.type.dtype != dtype:
                return None
            roots.append((sign, root))
    (s, a), (r, b) = roots
    if s == r or all(exact_constant(v) is not None for v in (a, b)):
        return None
    names = {type(scalar_op(v)).__name__ for v in (a, b)}
    # Of one function at two arguments the difference of squares is no companion.
    if names & set(_OWN_COMPANIONS) and names not in ({"Sigmoid"}, {"Tanh"}):
        return None
    a, b = (a, b) if s > 0 else (b, a)
    if exact_constant(b) is not None:
        # PyTensor's canonical form of a - 1 and a + 1
        return mul(pt.add(pt.neg(b), a), pt.add(b, a))
    return mul(pt.sub(a, b), pt.add(a, b))


ADDITIVE: tuple[Rule, ...] = (
    Rule(
        name="softplus_minus_argument",
        before=lambda x: symbols.softplus(x) - x,
        after=lambda x: symbols.softplus(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="softplus(x) - x is 0 for x > 36.7, and so is y*x - softplus(x) for y = 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=softplus_sum,
        needs=(Softplus,),
        source="softplus(x) - softplus(-x) = x",
    ),
    Rule(
        name="log_successor_minus_log",
        before=lambda x: symbols.log1p(x) - symbols.log(x),
        after=lambda x: symbols.log1p(1 / x),
        domain={"x": Interval(1e-300)},
        tested_in="tests/test_additive.py",
        promise=4.0,
        mends="log(1 + x) - log(x) is 0 for x > 1e17",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=log_of_successor,
        needs=((ps.Log1p, ps.Log),),
        source="(1 + x) / x = 1 + 1 / x",
    ),
    Rule(
        name="log_of_share",
        before=lambda a, b: symbols.log(a / (a + b)),
        after=lambda a, b: -symbols.log1p(b / a),
        # It holds for all positive numbers; here the naive form fails.
        domain={"a": Interval(1.0, 2.0), "b": Interval(1e-20, 1e-17)},
        promise=4.0,
        mends="log(mu / (mu + alpha)) is 0 where alpha is below 1e-16 mu",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_share,
        tested_in="tests/test_spelled_otherwise.py",
        source="(a + b) / a = 1 + b / a",
    ),
    Rule(
        name="difference_of_squares",
        before=lambda a, b: a**2 - b**2,
        after=lambda a, b: (a - b) * (a + b),
        # It holds for all reals; here the naive form fails.
        domain={"a": Interval(1.0, 1.0 + 1e-9), "b": Interval(1.0 + 2e-9, 1.0 + 3e-9)},
        promise=4.0,
        mends="1 - x**2 keeps no digit next to x = 1: the derivatives of arcsin, arccosh, arctanh",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference_of_squares,
        source="Higham, Accuracy and Stability of Numerical Algorithms (2002), section 1.15",
    ),
)
