"""Products of powers with symbolic exponents, ``s**a * (1 - s)**b / s**c``, in log space.

The factors under- and overflow long before their product does; the exponent of
``exp(a log s + b log(1 - s) - c log s)`` is a sum of softplus and does not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, log1p, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.building import Builder, InexactError
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Monomial,
    Term,
    TooBigError,
    merged,
    monomial,
)
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

_MOST_FACTORS = 12
# 1 - s**3 is a short polynomial times sigmoid(-x).
_FEW = 3

# A multiple of an exponent; of 1 where there is none.
Power = tuple[Fraction, Variable | None]


@dataclass
class Exponents:
    """``exp(sum of exponents * log(companion))`` times a quotient of other factors."""

    reader: Reader
    powers: dict[Member, list[Power]] = field(default_factory=lambda: defaultdict(list))
    linear: Reader = field(default_factory=lambda: Reader(open_sums=True))
    symbolic: int = 0
    plain: int = 0
    above: list[Variable] = field(default_factory=list)
    below: list[Variable] = field(default_factory=list)

    def read(self, variable: Variable, power: int = 1) -> None:
        """Take a product apart."""
        node = variable.owner
        op = scalar_op_of(node)
        if node is not None and isinstance(op, ps.Mul) and same_patterns(node):
            for factor in node.inputs:
                self.read(factor, power)
        elif node is not None and isinstance(op, ps.TrueDiv) and same_patterns(node):
            self.read(node.inputs[0], power)
            self.read(node.inputs[1], -power)
        elif node is not None and isinstance(op, ps.Reciprocal):
            self.read(node.inputs[0], -power)
        elif node is not None and isinstance(op, ps.Pow) and self._symbolic(node, power):
            self.symbolic += 1
        elif (factors := self._companions(variable)) is not None:
            self.plain += 1
            for member, n in factors:
                self.powers[member].append((Fraction(n) * power, None))  # type: ignore[index]
        else:
            (self.above if power > 0 else self.below).append(variable)
        if len(self.above) + len(self.below) > _MOST_FACTORS:
            raise TooBigError

    def _symbolic(self, node: Apply, power: int) -> bool:
        base, exponent = node.inputs
        if exact_constant(exponent) is not None:
            return False
        factors = self._companions(base)
        if factors is None:
            return False
        for member, n in factors:
            self.powers[member].append((Fraction(n) * power, exponent))  # type: ignore[index]
        return True

    def _companions(self, variable: Variable) -> Monomial | None:
        """The variable as a product of sigmoids, if it is nothing else."""
        found = self.reader.factored(variable)
        members = [g for g, _ in found.factors]
        if found.coefficient != 1 or not found.is_product or not members:
            return None
        if not all(_has_log(g) for g in members):
            return None
        return found.factors

    def logarithm(self, dtype: str) -> Variable:
        """The sum of the exponents times the logarithms of the companions."""
        builder = Builder(self.reader, dtype)
        parts = []
        for member, exponents in self.powers.items():
            ratio = Fraction(-1 if member.companion == "p" else 1)
            softplus = builder.unary(pt.softplus, member.family, ratio)
            total = self._summed(exponents, builder)
            if total is not None:
                parts.append(pt.mul(total, softplus))
        if len(parts) > 1:
            return -pt.add(*parts)
        # PyTensor's canonical form of -(a * softplus)
        minus_one = builder.constant(Fraction(-1))
        factors = parts[0].owner.inputs if parts[0].owner.op == mul else [parts[0]]
        return mul(minus_one, *factors)

    def _summed(self, exponents: list[Power], builder: Builder) -> Variable | None:
        """The sum of the exponents of a companion; None if it is 0."""
        if len(exponents) == 1:
            ((n, exponent),) = exponents
            if exponent is None:
                return builder.constant(n)
            own = as_dtype(exponent, builder.dtype)
            return own if n == 1 else pt.mul(builder.constant(n), own)
        form = self._total(exponents)
        if not form:
            return None
        total, sign = Builder(self.linear, builder.dtype).sum_of(form)
        return total if sign > 0 else pt.neg(total)

    def _total(self, exponents: list[Power]) -> Form:
        """``a - (a - 1)`` is 1: what a gradient leaves of the exponents."""
        terms: list[Term] = []
        for n, exponent in exponents:
            own = [(Fraction(1), ONE)] if exponent is None else self.linear.terms(exponent)
            terms += [(n * c, m) for c, m in own]
        return merged(terms)

    def as_monomial(self) -> Monomial | None:
        """The powers of the companions, if the symbols in all exponents cancel."""
        found: list[tuple[Member, Fraction]] = []
        for member, exponents in self.powers.items():
            form = self._total(exponents)
            if form.keys() - {ONE}:
                return None
            found.append((member, form.get(ONE, Fraction(0))))
        return monomial(found)

    @property
    def degree(self) -> Fraction:
        """The sum of the constant exponents."""
        return sum(
            (n for exponents in self.powers.values() for n, v in exponents if v is None),
            start=Fraction(0),
        )

    def rest(self, dtype: str) -> Variable | None:
        """The other factors; None if there are none."""
        above = [as_dtype(v, dtype) for v in self.above]
        below = [as_dtype(v, dtype) for v in self.below]
        top = product_of(above) if above else None
        if not below:
            return top
        one = Builder(self.reader, dtype).constant(Fraction(1))
        return pt.true_div(one if top is None else top, product_of(below))


def same_patterns(node: Apply) -> bool:
    return all(
        same_pattern(v, node.outputs[0]) or v.type.ndim == 0 or exact_constant(v) is not None
        for v in node.inputs
    )


def _has_log(generator: object) -> bool:
    return (
        isinstance(generator, Member)
        and isinstance(generator.family, Family)
        and generator.family.kind == "logistic"
        and generator.companion != "t"
    )


def _read(variable: Variable) -> Exponents | None:
    reader = Reader()
    if not is_float(variable) or not _may_hold_power(variable) or not reader.survey(variable):
        return None
    exponents = Exponents(reader)
    exponents.read(variable)
    return exponents


def _may_hold_power(variable: Variable) -> bool:
    """Cheap test, asked of every product in a graph with a power."""
    op = scalar_op_of(variable.owner)
    if isinstance(op, ps.Mul | ps.TrueDiv | ps.Reciprocal):
        assert variable.owner is not None
        return any(map(_may_hold_power, variable.owner.inputs))
    return isinstance(op, ps.Pow)


def product_of_powers(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``s**a * (1 - s)**b -> exp(a log s + b log(1 - s))``, with whatever else is a factor."""
    (output,) = node.outputs
    try:
        found = _read(output)
        if found is None or not found.symbolic or found.symbolic + found.plain < 2:
            return None
        dtype = str(output.type.dtype)
        factors = found.as_monomial()
        rest = found.rest(dtype)
        if factors is None:
            power = pt.exp(found.logarithm(dtype))
        else:
            power = Builder(found.reader, dtype).product(Factored(Fraction(1), factors))
        return power if rest is None else rest * power
    except TooBigError:
        return None
    except InexactError as error:
        return Left(f"a constant of the result would be rounded: {error}")


def log_of_powers(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(s**a * r) -> a log s + log r``."""
    (output,), (argument,) = node.outputs, node.inputs
    try:
        found = _read(argument)
        if found is None or not found.symbolic:
            return None
        dtype = str(output.type.dtype)
        rest = found.rest(dtype)
        logarithm = found.logarithm(dtype)
        return logarithm if rest is None else logarithm + pt.log(rest)
    except TooBigError:
        return None
    except InexactError as error:
        return Left(f"a constant of the result would be rounded: {error}")


def one_minus_power(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - c s**k -> -c expm1(k log s)``, for a symbolic k and for one above 3."""
    (output,) = node.outputs
    summed = list(terms(node))
    if not is_float(output) or len(summed) != 2:
        return None
    for (sign, one), (other, power) in (summed, summed[::-1]):
        c = exact_constant(one)
        if not c or not same_pattern(power, output):
            continue
        logarithm = _log_of_power(power, -sign * other * c, str(output.type.dtype))
        if isinstance(logarithm, Variable):
            return _times(-sign * c, pt.expm1(logarithm))
        return logarithm
    return None


def log1p_of_minus_power(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1p(-s**k) -> log1mexp(k log s)``."""
    (output,), (argument,) = node.outputs, node.inputs
    if not is_float(output):
        return None
    logarithm = _log_of_power(argument, Fraction(-1), str(output.type.dtype))
    return pt.log1mexp(logarithm) if isinstance(logarithm, Variable) else logarithm


def _log_of_power(variable: Variable, factor: Fraction, dtype: str) -> Variable | Left | None:
    """The logarithm of a product of powers of companions, if `factor` times it is the variable."""
    sign, power = strip_sign(variable)
    try:
        found = _read(power)
        if found is None or found.below or not (found.symbolic or found.degree > _FEW):
            return None
        constants = [exact_constant(v) or Fraction(0) for v in found.above]
        if sign * prod(constants, start=Fraction(1)) != factor:
            return None
        if found.symbolic and found.as_monomial() is not None:
            return None
        return found.logarithm(dtype)
    except TooBigError:
        return None
    except InexactError as error:
        return Left(f"a constant of the result would be rounded: {error}")


def _times(c: Fraction, variable: Variable) -> Variable:
    if abs(c) == 1:
        return variable if c > 0 else pt.neg(variable)
    return pt.mul(pt.constant(float(c), dtype=variable.type.dtype), variable)


_POSITIVE = Interval(0.1, 10.0)
_NARROW = Interval(-60.0, 60.0)
_SOURCE = "s**a = exp(a log s)"

SYMBOLIC_POWERS: tuple[Rule, ...] = (
    Rule(
        name="product_of_symbolic_powers",
        before=lambda a, b, x: symbols.sigmoid(x) ** a * (1 - symbols.sigmoid(x)) ** b,
        after=lambda a, b, x: symbols.exp(-(a * symbols.softplus(-x) + b * symbols.softplus(x))),
        domain={"a": _POSITIVE, "b": _POSITIVE, "x": _NARROW},
        # The rounding of the exponent t: 4 (1 + |t|) ulp, and |t| goes to 600 here.
        promise=600.0,
        mends="s**a * (1 - s)**b / (s**c * (1 - s)**d) is 0 / 0 where the powers underflow",
        databases=("stabilize", "specialize"),
        tracks=(mul, true_div),
        transform=product_of_powers,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
    Rule(
        name="log_of_symbolic_powers",
        before=lambda a, x: symbols.log((1 - symbols.sigmoid(x)) ** a),
        after=lambda a, x: -(a * symbols.softplus(x)),
        domain={"a": _POSITIVE, "x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="log((1 - s)**a) is -inf where the power underflows",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_powers,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
    Rule(
        name="one_minus_symbolic_power",
        before=lambda a, x: 1 - symbols.sigmoid(x) ** a,
        after=lambda a, x: -symbols.expm1(-(a * symbols.softplus(-x))),
        domain={"a": _POSITIVE, "x": Interval(-700.0, 700.0)},
        promise=5.0,
        mends="1 - s**k is 0 where s is close to 1, and 1 - (1 - s)**k where it is close to 0",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_power,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
    Rule(
        name="log1p_of_minus_symbolic_power",
        before=lambda a, x: symbols.log1p(-(symbols.sigmoid(x) ** a)),
        after=lambda a, x: symbols.log1mexp(-(a * symbols.softplus(-x))),
        domain={"a": _POSITIVE, "x": _NARROW},
        # Where s**a is small the rounding of the exponent t: 4 (1 + |t|) ulp.
        promise=600.0,
        mends="log(1 - s**k) is -inf where s is close to 1",
        databases=("stabilize", "specialize"),
        tracks=(log1p,),
        transform=log1p_of_minus_power,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
)
