"""Recognise the normal family: scaled arguments, sums of erf and erfc, and products of powers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Erf, Erfc, Erfcx

from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
)
from pytensor_stabilize.rewrites.normal.forms import call
from pytensor_stabilize.rewrites.normal.ops import (
    ErfcCurvature,
    ErfcScaled,
    ErfDifference,
    NormalOp,
    erfc_excess,
    erfc_ratio,
)

C = Fraction(2 / np.sqrt(np.pi))
_LARGEST_POWER = 8
_DEEPEST = 12
_MOST_TERMS = 16
# PyTensor folds products of constants in floating point: -(k x)**2 reaches us as c * x**2 with c
# rounded two or three times.
_ROUNDING = {"float64": Fraction(1, 1 << 49), "float32": Fraction(1, 1 << 20)}

Powers = dict[Hashable, int]

# 1 / sqrt(2) rounded correctly; the quotient of the floats 1 and sqrt(2) is the float below it.
ROOT_HALF = 0.7071067811865476
ROOT_HALF_ERROR = 4.833646656726457e-17


def _reciprocals() -> dict[Fraction, Fraction]:
    """The exact factor that a rounded reciprocal of sqrt(2) stands for.

    PyTensor makes ``x * (1 / c)`` of ``x / c`` before any rule sees it.
    """
    exact = {}
    for dtype in (np.float64, np.float32):
        root = np.sqrt(dtype(2))
        exact[Fraction(float(dtype(1) / root))] = 1 / Fraction(float(root))
    # What `widen_constants` makes of x / pt.sqrt(2.0).
    exact[Fraction(ROOT_HALF)] = Fraction(ROOT_HALF) - Fraction(ROOT_HALF_ERROR)
    return exact


_RECIPROCALS = _reciprocals()


def close(a: Fraction, b: Fraction, dtype: str) -> bool:
    """Whether two constants are equal up to the rounding of a few operations."""
    return abs(a - b) <= _ROUNDING[dtype] * abs(b)


@dataclass
class Monomial:
    """``coefficient`` times a product of powers, read through products, quotients and squares.

    Keys of `powers` stand for variables; `variables` says which.
    """

    coefficient: Fraction = Fraction(1)
    powers: Powers = field(default_factory=dict)
    variables: dict[Hashable, Variable] = field(default_factory=dict)

    @classmethod
    def of(cls, variable: Variable) -> Monomial:
        monomial = cls()
        monomial._multiply(variable, 1, str(variable.type.dtype))
        return monomial

    @property
    def key(self) -> frozenset[tuple[Hashable, int]]:
        return frozenset(self.powers.items())

    def _multiply(self, variable: Variable, power: int, dtype: str) -> None:
        constant = exact_constant(variable)
        if constant:
            self.coefficient *= constant**power
            return
        op = scalar_op(variable)
        if op is not None and variable.type.dtype == dtype and dtype.startswith("float"):
            inputs = variable.owner.inputs
            if is_a(op, ps.Mul):
                for factor in inputs:
                    self._multiply(factor, power, dtype)
                return
            if is_a(op, ps.TrueDiv):
                self._multiply(inputs[0], power, dtype)
                self._multiply(inputs[1], -power, dtype)
                return
            if is_a(op, ps.Neg):
                self.coefficient *= (-1) ** power
                self._multiply(inputs[0], power, dtype)
                return
            if is_a(op, ps.Reciprocal):
                self._multiply(inputs[0], -power, dtype)
                return
            exponent = _integer_power(op, inputs)
            if exponent and abs(exponent * power) <= _LARGEST_POWER:
                self._multiply(inputs[0], exponent * power, dtype)
                return
        self.times_factor(variable, power)

    def times_factor(self, variable: Variable, power: int) -> None:
        if is_a(scalar_op(variable), ErfcCurvature) and _scale_of(variable.owner) is not None:
            # Sums look for the two factors.
            u = argument_of(variable.owner)
            self.coefficient *= C**power
            for op in (erfc_ratio, erfc_excess):
                self.times_factor(call(op, u.k, u.core), power)
            return
        key: Hashable = variable
        found = score(variable)
        if found is not None:
            key = found
        self.powers[key] = self.powers.get(key, 0) + power
        self.variables.setdefault(key, variable)
        if not self.powers[key]:
            del self.powers[key]

    def build(self, dtype: str, coefficient: Fraction | None = None) -> Variable:
        """The product as a graph; the coefficient rounded to `dtype`."""
        c = self.coefficient if coefficient is None else coefficient
        above = list(self._factors(1))
        below = list(self._factors(-1))
        if c == -1 and above:
            above[0] = pt.neg(above[0])
        elif c != 1 or not above:
            above.insert(0, pt.constant(float(c), dtype=dtype))
        result = product_of(above)
        return pt.true_div(result, product_of(below)) if below else result

    def _factors(self, side: int) -> Iterator[Variable]:
        for key, power in self.powers.items():
            if power * side > 0:
                base = self.variables[key]
                power = abs(power)
                if power > 2:
                    yield base ** pt.constant(power, dtype="int8")
                else:
                    yield pt.sqr(base) if power == 2 else base


def _integer_power(op: ps.ScalarOp, inputs: list[Variable]) -> int:
    if is_a(op, ps.Sqr):
        return 2
    value = exact_constant(inputs[1]) if is_a(op, ps.Pow) else None
    return int(value) if value is not None and value.denominator == 1 else 0


@dataclass(frozen=True)
class Argument:
    """An argument ``k * core``; equal if they are equal whatever their spelling."""

    k: Fraction
    key: frozenset[tuple[Hashable, int]]
    core: Variable = field(compare=False)

    @classmethod
    def of(cls, variable: Variable) -> Argument:
        monomial = Monomial.of(variable)
        c = monomial.coefficient
        if c == 1 or not monomial.powers:
            return cls(Fraction(1), monomial.key, variable)
        # A constant may have made it wider than what it multiplies.
        dtype = str(variable.type.dtype)
        core = as_dtype(monomial.build(dtype, Fraction(1)), dtype)
        if not same_pattern(core, variable):
            return cls(Fraction(1), frozenset({(variable, 1)}), variable)
        return cls(_RECIPROCALS.get(abs(c), abs(c)) * (1 if c > 0 else -1), monomial.key, core)

    def __neg__(self) -> Argument:
        return Argument(-self.k, self.key, self.core)

    @property
    def variable(self) -> Variable:
        """The argument itself, as a graph."""
        k = pt.constant(float(self.k), dtype=self.core.type.dtype)
        return self.core if self.k == 1 else k * self.core

    def move(self, node: Apply) -> Argument:
        """The argument with its elements moved as the node moves those of its input."""
        core = node.op.make_node(self.core, *node.inputs[1:]).outputs[0]
        return Argument(self.k, frozenset({(core, 1)}), core)

    def is_square_of(self, coefficient: Fraction, powers: Powers, dtype: str) -> int:
        """Return n if ``coefficient * powers`` is ``-n`` times the argument's square, else 0."""
        if frozenset(powers.items()) != frozenset((f, 2 * p) for f, p in self.key):
            return 0
        n = round(-coefficient / (self.k * self.k))
        return n if n > 0 and close(coefficient, -n * self.k * self.k, dtype) else 0


def common_scale(a: Argument, b: Argument) -> tuple[Fraction, Variable, Variable]:
    """Return ``(k, x, y)`` with ``k > 0``, ``a = k x`` and ``b = k y``."""
    if abs(a.k) == abs(b.k):
        x, y = (v.core if v.k > 0 else pt.neg(v.core) for v in (a, b))
        return abs(a.k), x, y
    return Fraction(1), a.variable, b.variable


@dataclass
class ErfSum:
    """``constant + sum of coefficients times erf(argument)``, each argument with ``k > 0``."""

    constant: Fraction = Fraction(0)
    terms: dict[Argument, Fraction] = field(default_factory=dict)

    @classmethod
    def of(cls, variable: Variable) -> ErfSum | None:
        """Read sums and multiples of erf and erfc; None if anything else is in it."""
        total = cls()
        return total if total._add(variable, Fraction(1), (), _DEEPEST) and total.terms else None

    def _add(self, variable: Variable, c: Fraction, moves: tuple[Apply, ...], depth: int) -> bool:
        node = variable.owner
        constant = exact_constant(variable)
        if constant is not None:
            self.constant += c * constant
            return True
        if node is None or not depth:
            return False
        depth -= 1
        if is_a(node.op, *MOVES):
            return self._add(node.inputs[0], c, (node, *moves), depth)
        op = scalar_op(variable)
        if op is None or any(v.type.dtype != variable.type.dtype for v in node.inputs[:1]):
            return False
        inputs = node.inputs
        if is_a(op, Erf, Erfc, ErfcScaled, ErfDifference):
            if is_a(op, ErfDifference):
                a, b = pair_of(node)
                return self._add_term(a, c, moves) and self._add_term(b, -c, moves)
            if is_a(op, ErfcScaled):
                self.constant += c
                return self._add_term(argument_of(node), -c, moves)
            erf = is_a(op, Erf)
            self.constant += 0 if erf else c
            return self._add_term(Argument.of(inputs[0]), c if erf else -c, moves)
        if is_a(op, ps.Add):
            return all(self._add(v, c, moves, depth) for v in inputs)
        if is_a(op, ps.Sub):
            return self._add(inputs[0], c, moves, depth) and self._add(inputs[1], -c, moves, depth)
        if is_a(op, ps.Neg):
            return self._add(inputs[0], -c, moves, depth)
        if is_a(op, ps.TrueDiv):
            below = exact_constant(inputs[1])
            return self._add(inputs[0], c / below, moves, depth) if below else False
        if is_a(op, ps.Mul):
            constants = [exact_constant(v) for v in inputs]
            rest = [v for v, value in zip(inputs, constants, strict=True) if value is None]
            if len(rest) != 1:
                return False
            for value in constants:
                c *= value if value is not None else 1
            return bool(c) and self._add(rest[0], c, moves, depth)
        return False

    def _add_term(self, argument: Argument, c: Fraction, moves: Iterable[Apply]) -> bool:
        if argument.k < 0:
            argument, c = -argument, -c
        for node in moves:
            # A constant term may have given the sum its shape.
            if not same_pattern(argument.core, node.inputs[0]):
                return False
            argument = argument.move(node)
        self.terms[argument] = self.terms.get(argument, Fraction(0)) + c
        if not self.terms[argument]:
            del self.terms[argument]
        return True

    def plus(self, other: ErfSum, sign: int) -> None:
        self.constant += sign * other.constant
        for argument, c in other.terms.items():
            self._add_term(argument, sign * c, ())

    @property
    def tail(self) -> tuple[Fraction, Argument] | None:
        """``(c, u)`` if it is ``c * erfc(u)``."""
        if len(self.terms) != 1:
            return None
        ((argument, c),) = self.terms.items()
        if abs(c) != abs(self.constant):
            return None
        return self.constant, (-argument if c == self.constant else argument)

    @property
    def difference(self) -> tuple[Fraction, Argument, Argument] | None:
        """``(c, a, b)`` with c > 0 if it is ``c * (erf(a) - erf(b))``."""
        if len(self.terms) != 2 or self.constant:
            return None
        (a, c), (b, e) = self.terms.items()
        if abs(c) != abs(e):
            return None
        if c < 0 < e:
            return e, b, a
        return abs(c), (a if c > 0 else -a), (-b if e > 0 else b)


def _scale_of(node: Apply) -> Fraction | None:
    hi, lo = (exact_constant(v) for v in node.inputs[-2:])
    return None if hi is None or lo is None else hi + lo


def argument_of(node: Apply, position: int = 0) -> Argument:
    """Argument of a node of `ops`."""
    inner = Argument.of(node.inputs[position])
    k = _scale_of(node)
    assert k is not None
    return Argument(inner.k * k, inner.key, inner.core)


def pair_of(node: Apply) -> tuple[Argument, Argument]:
    return argument_of(node, 0), argument_of(node, 1)


def score(variable: Variable) -> Hashable | None:
    """What tells a node of `ops` or an erfcx from others: its name and its arguments."""
    op = scalar_op(variable)
    if is_a(op, NormalOp) and _scale_of(variable.owner) is not None:
        count = len(variable.owner.inputs) - 2
        return (op.kernel, *(argument_of(variable.owner, i) for i in range(count)))
    if is_a(op, Erfcx):
        return ("erfcx", Argument.of(variable.owner.inputs[0]))
    return None


def summands(variable: Variable) -> list[tuple[int, Variable]] | None:
    """Signed terms of a sum, through nested sums of the same dtype; None if there are too many."""
    found: list[tuple[int, Variable]] = []
    pending = [(1, variable)]
    while pending:
        sign, term = pending.pop()
        op = scalar_op(term)
        if is_a(op, ps.Add):
            pending.extend((sign, v) for v in term.owner.inputs)
        elif is_a(op, ps.Sub):
            pending.extend([(sign, term.owner.inputs[0]), (-sign, term.owner.inputs[1])])
        else:
            found.append((sign, term))
        if len(found) + len(pending) > _MOST_TERMS:
            return None
    return found


def without(powers: Mapping[Hashable, int], *changes: tuple[Hashable, int]) -> Powers:
    """Powers divided by others."""
    result = dict(powers)
    for key, power in changes:
        result[key] = result.get(key, 0) - power
        if not result[key]:
            del result[key]
    return result
