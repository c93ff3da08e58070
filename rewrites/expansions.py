"""Sums and products of functions of one variable, as power series where they may cancel.

That is next to 0, next to 1 for ``x log(x) - x + 1``, and far out, in powers of 1 / x, for
``x log(1 + 1/x) - 1``.  With ``t = softplus(u)`` the exponentials of u are functions of t: the
second derivative of ``log(softplus(u))`` cancels where t is small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid, Softplus
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites.arithmetic import build_product, constant_like, factors
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.matching import (
    constant_exponent,
    exact_constant,
    is_a,
    scalar_op,
    signed_key,
)
from pytensor_stabilize.rewrites.power_series import (
    FUNCTIONS,
    NoSeriesError,
    Series,
    coefficients,
    combined,
)

_POWERS = (ps.Pow, ps.Sqr, ps.Sqrt, ps.Composite)
_ARITHMETIC = (ps.Add, ps.Sub, ps.Mul, ps.TrueDiv, ps.Neg, ps.Reciprocal, *_POWERS)
WITH_SERIES = (*FUNCTIONS, ps.Log)
_MINE = (*_ARITHMETIC, *WITH_SERIES)
_MOST_NODES = 60
# Powers of x lose nothing beside one another here.
_FAR_FROM_ONE = 16


@dataclass(frozen=True)
class Point:
    """Where series are taken: in powers of ``local(x)``, which is 0 there."""

    order: int
    start: tuple[int, ...]
    local: Callable[[Variable], Variable]
    edge: Callable[[Fraction], Fraction]
    """The x of which ``local(x)`` is a radius."""

    def of_variable(self, size: int) -> Series:
        """The series of x itself."""
        more = [Fraction(0)] * (size - len(self.start))
        return Series(self.order, [*map(Fraction, self.start), *more])


ZERO = Point(1, (1,), lambda x: x, lambda radius: radius)
ONE = Point(0, (1, 1), lambda x: pt.sub(x, constant_like(1, x)), lambda radius: 1 + radius)
INFINITY = Point(-1, (1,), pt.reciprocal, lambda radius: 1 / radius)


@dataclass
class Reader:
    """Reads variables as series next to a point.

    Attributes
    ----------
    softplus
        A softplus(u): the exponential and the sigmoids of u are functions of it.
    """

    dtype: str
    size: int
    point: Point = ZERO
    softplus: Variable | None = None
    _leaves: dict[Variable, frozenset[Variable]] = field(default_factory=dict)
    _series: dict[Variable, Series] = field(default_factory=dict)

    def at(self, point: Point, size: int) -> Reader:
        """A reader of the same functions next to another point."""
        return Reader(self.dtype, size, point, self.softplus, self._leaves)

    def look_for_softplus(self, variables: list[Variable]) -> None:
        """Take the one softplus among variables for what others are functions of."""
        found = {v for v in variables if is_a(scalar_op(v), Softplus)}
        if len(found) == 1 and not self._leaves:
            (self.softplus,) = found

    def leaves(self, variable: Variable) -> frozenset[Variable]:
        """What a variable is made of by arithmetic and the functions that have a series."""
        if variable not in self._leaves:
            if exact_constant(variable) is not None:
                found = frozenset[Variable]()
            elif self._exponential(variable) is not None:
                assert self.softplus is not None
                found = frozenset([self.softplus])
            elif not self._is_mine(variable) or len(self._leaves) > _MOST_NODES:
                found = frozenset([variable])
            else:
                assert variable.owner is not None
                # Counted before what it is made of, so that no chain is followed far.
                self._leaves[variable] = frozenset([variable])
                found = frozenset().union(*(self.leaves(v) for v in variable.owner.inputs))
            self._leaves[variable] = found
        return self._leaves[variable]

    def _is_mine(self, variable: Variable) -> bool:
        return variable.type.dtype == self.dtype and is_a(scalar_op(variable), *_MINE)

    def _exponential(self, variable: Variable) -> int | None:
        """The sign in exp(u), exp(-u), sigmoid(u) or sigmoid(-u), where softplus(u) is known."""
        if self.softplus is None or variable.type.dtype != self.dtype:
            return None
        return _exponential_of(variable, self.softplus)

    def series(self, variable: Variable) -> Series:
        """The series of a variable that has one leaf.

        Raises
        ------
        NoSeriesError
            It has none that is known here.
        """
        if variable not in self._series:
            self._series[variable] = self._read(variable)
        return self._series[variable]

    def constant(self, value: Fraction) -> Series:
        """The series of a number."""
        return Series.of(0, [value] + [Fraction(0)] * (self.size - 1))

    def _read(self, variable: Variable) -> Series:
        constant = exact_constant(variable)
        if constant is not None:
            return self.constant(constant)
        sign = self._exponential(variable)
        if sign is not None:
            return self._in_softplus(is_a(scalar_op(variable), Sigmoid), sign)
        if self.leaves(variable) == {variable}:
            return self.point.of_variable(self.size)
        node, op = variable.owner, scalar_op(variable)
        assert node is not None
        if is_a(op, *_POWERS):
            exponent = _squared_power(op) if is_a(op, ps.Composite) else constant_exponent(node)
            if exponent is None:
                raise NoSeriesError
            return self.series(node.inputs[0]).power(exponent)
        parts = [self.series(v) for v in node.inputs]
        found = combined(op, parts)
        if found is not None:
            return found
        (first,) = parts
        if is_a(op, ps.Log):
            return logarithm(first)
        if not first.c or first.order < 1:
            raise NoSeriesError
        return first.inside(coefficients(type(op), first.end))

    def _in_softplus(self, is_sigmoid: bool, sign: int) -> Series:
        """``sigmoid(-u) = exp(-t)`` and ``exp(u) = exp(t) - 1``."""
        t = self.point.of_variable(self.size)
        if is_sigmoid:
            decay = t.scaled(Fraction(-1)).inside(coefficients(ps.Exp, t.end))
            one = self.constant(Fraction(1))
            return decay if sign < 0 else one.plus(decay.scaled(Fraction(-1)))
        growth = t.inside(coefficients(ps.Expm1, t.end))
        return growth if sign > 0 else growth.inverse()


def _exponential_of(variable: Variable, softplus: Variable) -> int | None:
    """The sign in exp(u), exp(-u), sigmoid(u) or sigmoid(-u), of the u in softplus(u)."""
    if not is_a(scalar_op(variable), ps.Exp, Sigmoid):
        return None
    sign, key = signed_key(variable.owner.inputs[0])  # type: ignore[union-attr]
    own, known = signed_key(softplus.owner.inputs[0])  # type: ignore[union-attr]
    return sign * own if key == known else None


def logarithm(of: Series) -> Series:
    """The series of the logarithm of ``1 + ...``.

    Raises
    ------
    NoSeriesError
        The series does not begin with 1.
    """
    if of.order or not of.c or of.c[0] != 1:
        raise NoSeriesError
    rest = Series.of(0, [Fraction(0), *of.c[1:]])
    if not rest.c:
        raise NoSeriesError
    return rest.inside(coefficients(ps.Log1p, rest.end))


@dataclass
class Region:
    """``opaque * sum of terms``, every term a product of functions of x."""

    x: Variable
    opaque: Counter[Variable]
    terms: list[tuple[Fraction, Counter[Variable]]]

    def series(self, reader: Reader) -> tuple[Series, int]:
        """The sum, and the lowest power that a term of it has."""
        total: Series | None = None
        lowest = []
        for constant, counted in self.terms:
            term = reader.constant(constant)
            for v, power in counted.items():
                term = term.times(reader.series(v).power(Fraction(power)))
            lowest.append(term.order)
            total = term if total is None else total.plus(term)
        assert total is not None
        return total, min(lowest)

    def holds(self, *kinds: type[ps.ScalarOp]) -> bool:
        """Whether a factor of a term is one of these functions, or made of one by arithmetic."""
        return any(holds_function(v, kinds) for _, counted in self.terms for v in counted)


def region_of(node: Apply, reader: Reader) -> Region | None:
    """A sum, or product, as functions of one variable; None where it is none."""
    (output,) = node.outputs
    summed = flat_terms(node) if node.op in (add, sub) else [(1, output)]
    read = [(sign, *_factors(term)) for sign, term in summed]
    inner = [v for _, _, counted in read for v in counted]
    reader.look_for_softplus(inner)
    candidates = {
        leaf
        for v in inner
        if len(leaves := reader.leaves(v)) == 1
        and (reader.softplus in leaves or holds_function(v, WITH_SERIES))
        for leaf in leaves
    }
    if len(candidates) != 1:
        return None
    (x,) = candidates
    if x.type.dtype != reader.dtype or is_a(scalar_op(x), ps.Switch, ps.Clip):
        return None
    opaque: list[Counter[Variable]] = []
    terms: list[tuple[Fraction, Counter[Variable]]] = []
    for sign, constant, counted in read:
        own = {v: n for v, n in counted.items() if reader.leaves(v) == {x}}
        opaque.append(Counter({v: n for v, n in counted.items() if v not in own}))
        terms.append((sign * constant, Counter(own)))
    return Region(x, opaque[0], terms) if all(o == opaque[0] for o in opaque) else None


def _factors(term: Variable) -> tuple[Fraction, Counter[Variable]]:
    """Factors of a term, and of what specialize writes of a power: squares in one op.

    Only here: built again as a power it would be written so again.
    """
    constant, counted = factors(term)
    for v, n in list(counted.items()):
        op = scalar_op(v)
        exponent = _squared_power(op) if is_a(op, ps.Composite) else None
        if exponent is not None:
            c, inner = factors(v.owner.inputs[0])  # type: ignore[union-attr]
            times = n * int(exponent)
            constant *= c**times if c else 0
            del counted[v]
            counted.update({w: m * times for w, m in inner.items()})
    return constant, Counter({v: n for v, n in counted.items() if n})


def _squared_power(op: ps.Composite) -> Fraction | None:
    """The n of ``x**n`` as specialize writes it, squares and products in one scalar op."""
    if len(op.inputs) != 1 or len(op.outputs) != 1:
        return None
    powers = {op.inputs[0]: 1}

    def power_of(variable: Variable) -> int:
        if variable not in powers:
            node = variable.owner
            if node is None or not is_a(node.op, ps.Sqr, ps.Mul):
                return 0
            parts = [power_of(v) for v in node.inputs]
            powers[variable] = 2 * parts[0] if is_a(node.op, ps.Sqr) else sum(parts)
            if not all(parts):
                powers[variable] = 0
        return powers[variable]

    n = power_of(op.outputs[0])
    return Fraction(n) if n else None


def holds_function(
    variable: Variable, kinds: tuple[type[ps.ScalarOp], ...], level: int = 0
) -> bool:
    """Whether a variable is a function of these kinds, or made of some by arithmetic."""
    op = scalar_op(variable)
    if is_a(op, *kinds):
        return True
    if variable.owner is None or level > 5 or not is_a(op, *_ARITHMETIC):
        return False
    return any(holds_function(v, kinds, level + 1) for v in variable.owner.inputs)


def _with_zero_at_one(region: Region, near: Variable, radius: Fraction) -> Region:
    """The region with its powers of x, if they add up to 0 at x = 1, as ``(x - 1) q(x)``.

    Left as they are they would be rounded next to 1.  In a switch PyTensor does not add them to
    the rest, where they would be rounded in a second pass.
    """
    x = region.x
    powers = {counted[x]: c for c, counted in region.terms if set(counted) <= {x}}
    others = [term for term in region.terms if not set(term[1]) <= {x}]
    lowest = min(powers, default=0)
    size = max(powers, default=0) - lowest
    if sum(powers.values()) or not 0 < size <= 8 or len(powers) + len(others) < len(region.terms):
        return region
    quotient = [Fraction(0)]
    for k in range(size, 0, -1):
        quotient.append(powers.get(lowest + k, Fraction(0)) + quotient[-1])
    product = Counter({ONE.local(x): 1, x: lowest})
    at_edge = ONE.edge(radius) ** lowest * radius
    if size == 1:
        coefficient = quotient[1]
    else:
        coefficient = Fraction(1)
        q = constant_like(float(quotient[1]), x)
        for c in quotient[2:]:
            q = pt.add(constant_like(float(c), x), pt.mul(x, q))
        product[q] = 1
        at_edge *= sum(c * ONE.edge(radius) ** k for k, c in enumerate(reversed(quotient[1:])))
    whole = build_product(Fraction(1), product, str(x.type.dtype))
    if lowest < 0:
        # Far out the product of what is multiplied and what divides is inf / inf.
        written = [
            build_product(c, Counter({x: k} if k else {}), str(x.type.dtype))
            for k, c in powers.items()
        ]
        coefficient, whole = Fraction(1), build_product(coefficient, product, str(x.type.dtype))
        whole = pt.switch(pt.gt(x, constant_like(_FAR_FROM_ONE, x)), pt.add(*written), whole)
    kept = pt.switch(near, constant_like(float(at_edge), x), whole)
    return Region(x, region.opaque, [*others, (coefficient, Counter([kept]))])


def far_from(region: Region, near: Variable, point: Point, radius: Fraction) -> Variable:
    """The sum of the region, with x at the edge where it is near the point."""
    x = region.x
    dtype = x.type.dtype
    edge = point.edge(radius)
    known = {x: pt.switch(near, constant_like(float(edge), x), x)}
    of_softplus = is_a(scalar_op(x), Softplus)
    if point is ONE:
        region = _with_zero_at_one(region, near, radius)

    def at(variable: Variable) -> Variable:
        node = variable.owner
        if variable not in known:
            if (
                node is None
                or is_a(scalar_op(variable), ps.Switch)
                or exact_constant(variable) is not None
                or (of_softplus and _exponential_of(variable, x) is not None)
            ):
                return variable
            moved = list(map(at, node.inputs))
            same = all(a is b for a, b in zip(moved, node.inputs, strict=True))
            known[variable] = variable if same else node.op.make_node(*moved).outputs[0]
        return known[variable]

    found = []
    for constant, counted in region.terms:
        moved: Counter[Variable] = Counter()
        for v, n in counted.items():
            if v is x and abs(n) > 1:
                # As PyTensor would write the power of a switch.
                power = abs(n)
                far = pt.sqr(x) if power == 2 else pt.mul(*[x] * power)
                at_edge = pt.constant(np.asarray(float(edge**power), dtype=dtype))
                moved[pt.switch(near, at_edge, far)] += n // power
            else:
                moved[at(v)] += n
        found.append(build_product(constant, moved, dtype))
    return pt.add(*found) if len(found) > 1 else found[0]
