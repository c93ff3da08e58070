"""Powers of one base whose symbolic exponents differ by numbers, in terms of one of them.

The derivatives of ``s**b`` hold ``s**(b - 1)`` and ``s**(b - 2)``, those of its logarithm also
``s**(2 b)``.  Written as the largest of them times powers of the base they are terms of one
polynomial, whose roots and common factors the algebra finds; apart, they cancel to rounding.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import ARITHMETIC, SUMS, as_multiple, is_float
from pytensor_stabilize.rewrites.algebra.building import Builder, spent
from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Companion, Family, Member, Symbol
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Monomial,
    common_measure,
    merged,
    power_of,
    times,
)
from pytensor_stabilize.rewrites.algebra.labels import gathered
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.critical import readings
from pytensor_stabilize.rewrites.exponents import has_log
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, same_pattern, scalar_op_of
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.symbolic_powers import product_of_powers

_MOST_NODES = 80


_Key = tuple[tuple[Fraction, Member], frozenset]


@dataclass(frozen=True)
class _Power:
    """``base ** (multiple * unit + number)`` of a companion, `unit` symbols only.

    The base may be a multiple of a companion: ``1 - tanh(x)`` is 2 q.
    """

    base: tuple[Fraction, Member]
    unit: frozenset[tuple[Monomial, Fraction]]
    multiple: Fraction
    number: Fraction


def symbolic_powers(variable: Variable) -> list[Variable]:
    """The powers with symbolic exponents that a region is made of."""
    return [v for v in _region(variable) if v.owner is not None and _is_power(v.owner)]


def _roots(variable: Variable) -> set[Variable]:
    """What a region raises to a number that is no integer."""
    nodes = [v.owner for v in _region(variable) if is_a(scalar_op_of(v.owner), ps.Pow)]
    exponents = {node: exact_constant(node.inputs[1]) for node in nodes if node is not None}
    return {node.inputs[0] for node, n in exponents.items() if n is not None and n.denominator > 1}


def _region(variable: Variable) -> list[Variable]:
    """What is calculated with in a region; nothing if that is too much."""
    found: list[Variable] = []
    seen = {variable}
    todo = [variable]
    for current in todo:
        node = current.owner
        if node is None or not is_float(current):
            continue
        found.append(current)
        if not _is_power(node) and is_a(scalar_op_of(node), *SUMS, *ARITHMETIC):
            fresh = [v for v in dict.fromkeys(node.inputs) if v not in seen]
            seen.update(fresh)
            todo += fresh
        if len(seen) > _MOST_NODES:
            return []
    return found


def _is_power(node: Apply) -> bool:
    op = scalar_op_of(node)
    if is_a(op, ps.Pow):
        return exact_constant(node.inputs[1]) is None
    return is_a(op, ps.Exp) and _is_symbolic(node.inputs[0])


def _is_symbolic(exponent: Variable, depth: int = 3) -> bool:
    """Whether an exponent is a product of symbols, or the sum of such."""
    node = exponent.owner
    op = scalar_op_of(node)
    if node is None or not depth:
        return False
    if is_a(op, ps.Mul) and sum(exact_constant(v) is None for v in node.inputs) > 1:
        return True
    return is_a(op, *SUMS, ps.Mul, ps.Neg) and any(_is_symbolic(v, depth - 1) for v in node.inputs)


@dataclass
class _Powers:
    """Reads the symbolic powers of a region, and writes each in terms of one of its base."""

    output: Variable
    reader: Reader = field(default_factory=Reader)
    linear: Reader = field(default_factory=lambda: Reader(open_sums=True))
    read: dict[Variable, list[_Power]] = field(default_factory=dict)
    numbers: dict[_Key, tuple[Fraction, int]] = field(default_factory=dict)
    made: dict[_Key, Variable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dtype = str(self.output.type.dtype)

    def look(self, powers: list[Variable]) -> bool:
        """Whether two powers differ by a number, or by a factor, in their exponents."""
        for power in powers:
            own = self._read(power)
            if own is not None:
                self.read[power] = own
        groups: dict[_Key, list[_Power]] = {}
        for read in self.read.values():
            for each in read:
                if each.unit:
                    groups.setdefault((each.base, each.unit), []).append(each)
        for key, group in groups.items():
            unit = common_measure(p.multiple for p in group)
            if all(p.multiple < 0 for p in group):
                unit = -unit  # s**(2 - q) and not 1 / s**(q - 2)
            self.numbers[key] = unit, max(ceil(p.number * unit / p.multiple) for p in group)
        return any(len(set(group)) > 1 for group in groups.values())

    def _read(self, power: Variable) -> list[_Power] | None:
        node = power.owner
        assert node is not None
        if not same_pattern(node.inputs[0], power) or power.type.dtype != self.dtype:
            return None
        exponents: dict[tuple[Fraction, Member], Form] = {}
        if is_a(scalar_op_of(node), ps.Pow):
            base = self.reader.factored(node.inputs[0])
            if base.coefficient <= 0 or not base.is_product or not base.factors:
                return None
            if base.coefficient != 1 and (
                # (4 p)**n is infinite where (4 p q)**n is not, and (2 p)**0.3 stays as it is, so
                # that its derivative would be a negative power beside a positive one
                [n for _, n in base.factors] != [1] or node.inputs[0] in _roots(self.output)
            ):
                return None
            own = self.linear.terms(node.inputs[1])
            for generator, n in base.factors:
                if not has_log(generator):
                    return None
                exponents[base.coefficient, generator] = merged((n * c, m) for c, m in own)
        else:
            for c, m in self.linear.terms(node.inputs[0]):
                logarithm = self._logarithm(m)
                if logarithm is None:
                    return None
                rest, logs = logarithm
                for member, n in logs:
                    key = Fraction(1), member
                    form = exponents.setdefault(key, {})
                    exponents[key] = merged([*((k, v) for v, k in form.items()), (c * n, rest)])
        found = [_split(base, form) for base, form in exponents.items()]
        return found if any(power.unit for power in found) else None

    def _logarithm(
        self, factors: Monomial
    ) -> tuple[Monomial, list[tuple[Member, Fraction]]] | None:
        """A product with a softplus, or with the argument of a sigmoid, as logarithms."""
        for generator, n in factors:
            if n != 1 or not isinstance(generator, Symbol):
                continue
            rest = times(factors, frozenset([(generator, -1)]))
            node = generator.variable.owner
            if node is not None and is_a(scalar_op_of(node), psm.Softplus):
                argument = as_multiple(node.inputs[0])
                family = self._family(argument.core)
                if family is None or family.unit != abs(argument.coefficient):
                    return None
                name: Companion = "q" if argument.coefficient > 0 else "p"
                return rest, [(Member(family, name), Fraction(-1))]
            family = self._family(generator.variable)
            if family is not None and rest:
                n = Fraction(1) / family.unit
                return rest, [(Member(family, "p"), n), (Member(family, "q"), -n)]
        return None

    def _family(self, core: Hashable) -> Family | None:
        """The logistic family of an argument that the region holds a sigmoid of."""
        unit = self.reader.units.get(("logistic", core, ()))
        return None if unit is None else Family("logistic", core, (), unit)

    def rewritten(self) -> Variable:
        """The region with every power in terms of the one of its group."""
        self.made.clear()
        known: dict[Variable, Variable] = {}

        def new(variable: Variable) -> Variable:
            if variable not in known:
                node = variable.owner
                if variable in self.read:
                    known[variable] = self._product(self.read[variable])
                elif (
                    node is None
                    or not is_float(variable)
                    or not is_a(scalar_op_of(node), *SUMS, *ARITHMETIC)
                ):
                    return variable
                else:
                    inputs = [new(v) for v in node.inputs]
                    same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
                    known[variable] = (
                        variable if same else node.clone_with_new_inputs(inputs).outputs[0]
                    )
            return known[variable]

        return new(self.output)

    def _product(self, powers: list[_Power]) -> Variable:
        factors = []
        for power in powers:
            rest = power.number
            if power.unit:
                unit, number = self.numbers[power.base, power.unit]
                factors.append(self._constant_power(self._unit(power), power.multiple / unit))
                rest -= power.multiple / unit * number
            if rest:
                factors.append(self._constant_power(self._companion(power.base), rest))
        return pt.mul(*factors) if len(factors) > 1 else factors[0]

    def _constant_power(self, base: Variable, power: Fraction) -> Variable:
        if power == 1:
            return base
        whole = power.denominator == 1
        constant = (
            pt.constant(int(power), dtype="int8")
            if whole
            else Builder(self.reader, self.dtype).constant(power)
        )
        return pt.pow(base, constant)

    def _companion(self, base: tuple[Fraction, Member]) -> Variable:
        number, member = base
        factors: Monomial = frozenset([(member, 1)])
        return Builder(self.reader, self.dtype).product(Factored(number, factors))

    def _unit(self, power: _Power) -> Variable:
        key = power.base, power.unit
        if key not in self.made:
            unit, number = self.numbers[key]
            form: Form = {m: c * unit for m, c in power.unit}
            if number:
                form[ONE] = Fraction(number)
            exponent = Builder(self.linear, self.dtype).sum(form)
            self.made[key] = pt.pow(self._companion(power.base), exponent)
        return self.made[key]

    def lower(self, found: Factored) -> bool:
        """Take the units low enough that no power of a base is left below a fraction bar."""
        changed = False
        for key, variable in self.made.items():
            unit, number = self.numbers[key]
            least = Fraction(0)
            for own in found.residual:
                whole = times(found.factors, own)
                n = power_of(whole, Symbol(variable, ()))
                if n > 0:
                    least = min(least, Fraction(power_of(whole, key[0][1])) / n)
            if least < 0:
                self.numbers[key] = unit, number - ceil(-least)
                changed = True
        return changed


def _split(base: tuple[Fraction, Member], form: Form) -> _Power:
    number = form.get(ONE, Fraction(0))
    rest = {m: c for m, c in form.items() if m != ONE}
    if not rest:
        return _Power(base, frozenset(), Fraction(0), number)
    multiple = common_measure(rest.values())
    if sum(c > 0 for c in rest.values()) * 2 < len(rest):
        multiple = -multiple
    return _Power(base, frozenset((m, c / multiple) for m, c in rest.items()), multiple, number)


@within_limits
def powers_of_one_base(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``b s**(b - 1) s (1 - s) / s**b -> b (1 - s)`` and the like."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    powers = symbolic_powers(output)
    if len(powers) < 2:
        return None
    region = _Powers(output)
    if not region.reader.survey(output) or not region.look(powers):
        return None
    for _ in range(2):
        best = _shortest(region.rewritten())
        if best is None:
            return None
        reader, found = best
        if not found.coefficient:
            return pt.zeros_like(output)
        if not region.lower(found):
            break
    result = Builder(reader, region.dtype).product(found)
    # Another rule gathers the powers of a product, which may make several of one again.
    left = symbolic_powers(_gathered(result, fgraph))
    return result if len(left) < len(powers) else None


def _gathered(region: Variable, fgraph: FunctionGraph) -> Variable:
    """A region with the powers of each product gathered, as `product_of_powers` will do."""
    known: dict[Variable, Variable] = {}

    def new(variable: Variable) -> Variable:
        if variable not in known:
            node = variable.owner
            known[variable] = variable
            if node is None or not is_a(scalar_op_of(node), *SUMS, *ARITHMETIC):
                return variable
            made = None
            if is_a(scalar_op_of(node), ps.Mul, ps.TrueDiv):
                made = product_of_powers(fgraph, node)
            if is_a(made, Variable):
                known[variable] = made
            elif any(new(v) is not v for v in node.inputs):
                known[variable] = node.clone_with_new_inputs(list(map(new, node.inputs))).outputs[0]
        return known[variable]

    return new(region)


def _shortest(variable: Variable) -> tuple[Reader, Factored] | None:
    """The reading of a sum or a product that takes the fewest functions."""
    whole = scalar_op_of(variable.owner)
    found: list[tuple[int, Reader, Factored]] = []
    for reader in readings(variable):
        if is_a(whole, *SUMS):
            form = gathered(merged(reader.terms(variable)), reader.sums)
            read = canonical([(c, m) for m, c in form.items()], reader.is_leaf)
        else:
            spelled = spelled_product(reader, variable)
            read = Factored(spelled.coefficient, spelled.factors)
        found.append((spent(read), reader, read))
    return min(found, key=lambda each: each[0])[1:] if found else None


_POSITIVE = Interval(0.5, 10.0)

COMMON_POWERS: tuple[Rule, ...] = (
    Rule(
        name="powers_of_one_base",
        before=lambda b, x: (
            b * symbols.sigmoid(x) ** (b - 1) * symbols.sigmoid(-x) / symbols.sigmoid(x) ** b
        ),
        after=lambda b, x: b * symbols.sigmoid(-x) / symbols.sigmoid(x),
        domain={"b": _POSITIVE, "x": Interval(-30.0, 30.0)},
        tested_in="tests/test_common_powers.py",
        promise=6.0,
        mends="the second derivative of log(s**b) is 0 / 0 where the powers underflow",
        databases=("stabilize", "specialize"),
        tracks=(add, sub, mul, true_div),
        transform=powers_of_one_base,
        needs=(ps.Pow, (ps.Exp, psm.Softplus)),
        source="s**(b + n) = s**b s**n",
    ),
)
