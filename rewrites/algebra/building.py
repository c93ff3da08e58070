"""Build forms as graphs: companions as functions, few operations, nothing that overflows early."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import mul, neg, sub

from pytensor_stabilize.rewrites.algebra.companions import (
    HALF_ERFC,
    OPERATION,
    Call,
    calls,
    constant,
    cost,
    functions,
    powers,
    weight,
)
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import (
    Family,
    Member,
    MovesKey,
    Residue,
    Symbol,
    companions_in,
    families,
    members,
    stable_key,
    without,
)
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Form,
    Generator,
    Monomial,
    common_measure,
    monomial,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.algebra.labels import one_term
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of, sum_of
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, negate, scalar_op


class InexactError(Exception):
    """A constant would leave the floats."""


@dataclass
class Builder:
    """Builds what a reader read, in one dtype."""

    reader: Reader
    dtype: str
    _made: dict[Generator, tuple[Variable, Fraction]] = field(default_factory=dict)

    def product(self, found: Factored) -> Variable:
        """The graph of a factored sum.

        Raises
        ------
        InexactError
            A constant of the result is no float of the dtype.
        """
        if not found.is_product:
            spread = distributed(found.coefficient, found.as_monomial())
            found = found if spread.is_product else spread
        coefficient, factors = found.coefficient, found.factors
        above: list[Variable] = []
        below: list[Variable] = []
        symbols = [(g, n) for g, n in factors if not isinstance(g, Member)]
        for generator, power in sorted(symbols, key=stable_key):
            base, factor = self._generator(generator)
            if power.denominator == 1:
                coefficient *= factor ** int(power)
            elif factor != 1:
                base = mul(self.constant(factor), base)
            self._power(base, power, above, below)
        for family in families([factors]):
            coefficient *= self._family(family, factors, above, below)
        if not found.is_product:
            total, factor = self.sum_of(found.residual)
            coefficient *= factor
            above.append(total)
        return self._assemble(coefficient, above, below)

    def _assemble(
        self, coefficient: Fraction, above: list[Variable], below: list[Variable]
    ) -> Variable:
        # PyTensor's canonical form: -4 * x / y, but -(x / y).
        sign = 1 if coefficient != -1 else -1
        # 3 erfc(x) cosh(x): 3 cosh(x) is inf before cosh(x) is, and erfc(x) is 0 there.
        above, below = sorted(above, key=_is_unbounded), sorted(below, key=_is_unbounded)
        if abs(coefficient) != 1:
            above = [self.constant(coefficient), *above]
        top = product_of(above) if above else self.constant(Fraction(1))
        if below:
            top = pt.true_div(top, product_of(below))
        return top if sign > 0 else neg(top)

    def constant(self, value: Fraction) -> Variable:
        """A constant of the dtype: a coefficient of the result, which may be rounded once.

        Roots were found with exact fractions; after that rounding costs what that of a product
        does.  Only what is no normal float has no constant.
        """
        info = np.finfo(self.dtype)
        if value and not Fraction(float(info.tiny)) <= abs(value) <= Fraction(float(info.max)):
            raise InexactError("it is no normal float of that dtype")
        return pt.constant(np.dtype(self.dtype).type(float(value)), dtype=self.dtype)

    def _is_exact(self, value: Fraction) -> bool:
        largest = Fraction(float(np.finfo(self.dtype).max))
        return abs(value) <= largest and Fraction(float(np.dtype(self.dtype).type(value))) == value

    def sum(self, form: Form) -> Variable:
        """The graph of a sum."""
        total, factor = self.sum_of(form)
        return self._assemble(factor, [total], [])

    def sum_of(self, form: Form) -> tuple[Variable, Fraction]:
        """The graph of a sum, and what it has to be multiplied with."""
        known = self._known_sum(form)
        if known is not None:
            return known
        single = one_term(form, self.reader.sums)
        if single is not None:
            coefficient, factors = single
            return self.product(Factored(Fraction(1), factors)), coefficient
        form = self._hyperbolic(form)
        # 2 sinh(u) - 2 q is what 1 / 2 was taken out of.
        factor = common_measure(c * constant(m) for m, c in form.items())
        if factor.denominator != 1:
            factor = Fraction(1)
        form = {m: c / factor for m, c in form.items()}
        above: list[Variable] = []
        below: list[Variable] = []
        for coefficient, factors in self._parts(form):
            if coefficient < 0 and not factors and len(form) > 1:
                # y - 1 is -1 + y in PyTensor's canonical form
                above.append(self.constant(coefficient))
                continue
            variable = self.product(Factored(abs(coefficient), factors))
            (above if coefficient > 0 else below).append(variable)
        if not above:
            return sum_of(below), -factor
        return (sub(sum_of(above), sum_of(below)) if below else sum_of(above)), factor

    def _known_sum(self, form: Form) -> tuple[Variable, Fraction] | None:
        """A sum of symbols that stands in the graph already."""
        for items, variable in self.reader.sums.items():
            if variable.type.dtype in FLOATS and variable.type.dtype != self.dtype:
                continue  # rounded to float32
            for sign in (1, -1):
                if {m: sign * c for m, c in form.items()} == {m: c for c, m in items}:
                    return as_dtype(variable, self.dtype), Fraction(sign)
        return None

    def _hyperbolic(self, form: Form) -> Form:
        """``exp(u) + exp(-u)`` as ``2 cosh(u)``, which overflows no sooner than its half."""
        result = dict(form)
        for factors, coefficient in form.items():
            for family in families([factors]):
                p, q, t = powers(factors, family)
                if family.kind != "logistic" or p <= 0 or q != -p or t or factors not in result:
                    continue
                rest = without(factors, family)
                mirrored = times(rest, members(family, q, p))
                if abs(result.get(mirrored, 0)) != abs(coefficient):
                    continue
                even = result.pop(mirrored) == result.pop(factors)
                made = self._call(family, Call("cosh" if even else "sinh", Fraction(p), 1))
                symbol = Symbol(made, ())
                result[times(rest, monomial([(symbol, 1)]))] = 2 * coefficient
        return result

    def _parts(self, form: Form) -> list[tuple[Fraction, Monomial]]:
        """Group the terms of a sum by what is no family, each polynomial in its shortest form."""
        groups: dict[Monomial, Form] = defaultdict(dict)
        for factors, coefficient in form.items():
            rest = frozenset((g, n) for g, n in factors if not isinstance(g, Member))
            groups[rest][factors] = coefficient
        parts: list[tuple[Fraction, Monomial]] = []
        for rest, group in groups.items():
            own = {companions_in(m): c for m, c in group.items()}
            shorter = _shortest(own)
            if not all(map(self._is_exact, shorter.values())):
                shorter = own
            parts += [(c, rest | m) for m, c in shorter.items()]
        return parts

    def _generator(self, generator: Generator) -> tuple[Variable, Fraction]:
        if generator not in self._made:
            if isinstance(generator, Symbol):
                moved = self._move(generator.variable, generator.moves)
                self._made[generator] = as_dtype(moved, self.dtype), Fraction(1)
            else:
                assert isinstance(generator, Residue)
                self._made[generator] = self.sum_of(generator.form)
        return self._made[generator]

    def _power(
        self, base: Variable, power: Exponent, above: list[Variable], below: list[Variable]
    ) -> None:
        target = above if power > 0 else below
        size = abs(Fraction(power))
        if size == 1:
            target.append(base)
        elif size == 2:
            target.append(pt.sqr(base))
        elif size == Fraction(1, 2):
            target.append(pt.sqrt(base))
        elif size.denominator == 1:
            target.append(pt.pow(base, pt.constant(int(size), dtype="int8")))
        else:
            target.append(pt.pow(base, self.constant(size)))

    def _family(
        self,
        family: Family,
        factors: Monomial,
        above: list[Variable],
        below: list[Variable],
    ) -> Fraction:
        """Add the companions of a family to the factors; return the rational factor beside them."""
        factor, found = calls(family.kind, *powers(factors, family))
        for call in found:
            self._power(self._call(family, call), call.power, above, below)
        return factor

    def _call(self, family: Family, call: Call) -> Variable:
        if call.function == HALF_ERFC:
            return mul(
                self.constant(Fraction(1, 2)), self._call(family, call._replace(function="erfc"))
            )
        key = (family, call.function, call.ratio)
        source = self.reader.sources.get(key)
        if source is None or source.type.dtype != self.dtype:
            source = self.unary(getattr(pt, call.function), family, call.ratio)
            self.reader.sources[key] = source
        return source

    def unary(
        self, function: Callable[[Variable], Variable], family: Family, ratio: Fraction
    ) -> Variable:
        """A function of ``ratio * u``."""
        return self.moved(function(self.argument(family, ratio)), family)

    def moved(self, variable: Variable, family: Family) -> Variable:
        """Move the elements of what was made of an argument as the graph moved the function's."""
        return self._move(variable, family.moves)

    def argument(self, family: Family, ratio: Fraction) -> Variable:
        """``ratio * u``, not moved yet."""
        coefficient = ratio * family.unit
        known = self.reader.arguments[family.core, family.moves]
        if coefficient in known:
            return as_dtype(known[coefficient], self.dtype)
        if -coefficient in known:
            # Cast before it is negated: unsigned integers wrap.
            return negate(as_dtype(known[-coefficient], self.dtype))
        old = Fraction(1) if Fraction(1) in known else next(iter(known))
        base = known[old]
        return mul(self.constant(coefficient / old), as_dtype(base, self.dtype))

    def _move(self, variable: Variable, moves: MovesKey) -> Variable:
        for op, *others in moves:
            if is_a(op, DimShuffle) and op.input_ndim != variable.type.ndim:
                raise InexactError("the dimensions do not fit")
            variable = op.make_node(variable, *others).outputs[0]
        return variable


def _is_unbounded(variable: Variable) -> bool:
    return is_a(scalar_op(variable), ps.Exp, ps.Expm1, ps.Sinh, ps.Cosh)


def distributed(coefficient: Fraction, factors: Monomial) -> Factored:
    """A product; the terms of a sum in it divided by what the sum is, where that is shorter.

    ``(y q - (1 - y) p) / (p q)`` is ``y / p - (1 - y) / q``, which is no quotient of zeros, and
    ``p (a p + b q) / q**2``, with ``p / q = exp(u)``, is ``exp(u) (a exp(u) + b)``.
    """
    best = Factored(coefficient, factors)
    sums = [g for g, n in factors if isinstance(g, Residue) and n == 1]
    if len(sums) != 1 or not any(isinstance(g, Member) and n < 0 for g, n in factors):
        return best
    terms = sums[0].form
    lowest = cost(coefficient, factors) - OPERATION + sum(map(functions, terms))
    rest = times(factors, monomial([(sums[0], -1)]))
    for part in _parts_below(rest):
        found = Factored(
            coefficient,
            times(rest, to_power(part, -1)),
            {times(m, part): c for m, c in terms.items()},
        )
        if spent(found) < lowest:
            best, lowest = found, spent(found)
    return best


def _parts_below(factors: Monomial) -> Iterator[Monomial]:
    """Parts of a product by which the terms of a sum in it may be divided."""
    yield frozenset((g, n) for g, n in factors if isinstance(g, Member) and n < 0)
    whole: Monomial = ONE
    unbalanced: Monomial = ONE
    for family in families([factors]):
        p, q, t = powers(factors, family)
        if p >= 0 and q >= 0 and t >= 0:
            continue
        shared = min(abs(Fraction(p)), abs(Fraction(q))) if p * q < 0 else 0
        step = 1 if p > 0 else -1
        whole = times(whole, members(family, p, q, t))
        unbalanced = times(unbalanced, members(family, p - step * shared, q + step * shared, t))
    yield whole
    yield unbalanced


def spent(found: Factored) -> int:
    """What a product costs with the functions in its sum."""
    return cost(found.coefficient, found.factors) + sum(map(functions, found.residual))


def needed(found: Factored) -> int:
    """What the functions in it cost, each of them once."""
    parts = [found.factors, *found.residual]
    used = {
        (family, call.function, call.ratio)
        for part in parts
        for family in families([part])
        for call in calls(family.kind, *powers(part, family))[1]
    }
    return sum(weight(function) for _, function, _ in used)


def _shortest(form: Form) -> Form:
    """An equal polynomial with fewer factors, if one has no cancellation either.

    ``q + 2 p`` is ``1 + p``: the sum is written in powers of p alone, or of q alone, if all its
    coefficients have one sign there.
    """
    found = families(form)
    if len(form) < 2 or len(found) != 1:
        return form
    (family,) = found
    best, cost = form, _cost(form)
    for name in ("p", "q"):
        other = _in_powers_of(form, family, name)
        if other is None or len({c > 0 for c in other.values()}) > 1:
            continue
        if _cost(other) < cost:
            best, cost = other, _cost(other)
    return best


def _cost(form: Form) -> int:
    return sum(1 + sum(abs(int(n)) for _, n in m) for m in form)


def _in_powers_of(form: Form, family: Family, name: str) -> Form | None:
    """Replace the other companion by one minus this one."""
    result: dict[Monomial, Fraction] = defaultdict(Fraction)
    for factors, coefficient in form.items():
        p, q, t = powers(factors, family)
        if without(factors, family) or t or any(n != int(n) or n < 0 for n in (p, q)):
            return None
        own, other = (int(p), int(q)) if name == "p" else (int(q), int(p))
        for k in range(other + 1):
            power = own + k
            key = members(family, power, 0) if name == "p" else members(family, 0, power)
            result[key] += coefficient * comb(other, k) * (-1) ** k
    return {m: c for m, c in result.items() if c}
