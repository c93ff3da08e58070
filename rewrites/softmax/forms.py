"""Read rows and their elements as polynomials in softmax components.

A row is a sum of products of scalars and of what varies along it: softmaxes, ones at an index, and
whatever is not looked into.  Its sum over the axis and its element at an index are then exact:
the sum of a softmax is 1, of a product with a one at i it is the rest at i, and an element of a
softmax is the p of a family ``p + q = 1`` (`rewrites.algebra.families`), of which no other rule
would know that 1 - p is the sum of the other components.

``exp(x)`` is ``softmax(x)`` times a total that has to cancel, so the written-out form needs nothing
of its own and cannot overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import (
    AdvancedSubtensor,
    Subtensor,
)

from pytensor_stabilize.rewrites.algebra.families import Companion, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    LARGEST_POWER,
    ONE,
    Term,
    merged,
    monomial,
    multiplied,
    raised,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, scalar_op, without_cast
from pytensor_stabilize.rewrites.softmax.generators import (
    Hot,
    Mean,
    Row,
    Scalar,
    Total,
    UnreadError,
    complemented,
    component_family,
    constant_row,
    exp_of_log_softmax,
    hot,
    minus,
    number_at,
    of_any_shape,
    one_over_one_and_total,
    one_over_pair,
    other_companion,
    same,
    squared_ones,
    unshifted,
    with_shares,
)
from pytensor_stabilize.rewrites.softmax.groups import others_of_several
from pytensor_stabilize.rewrites.softmax.matching import (
    SCATTERS,
    adds_up,
    axes_of,
    is_exp,
)
from pytensor_stabilize.rewrites.softmax.picks import Picks

Seen = dict[Variable, tuple[list[Term], bool]]
Read = Callable[[Variable, int], list[Term]]
# What is deeper is opaque; shared parts are read once, so that this bounds recursion, not work.
_DEPTH = 80


@dataclass
class Forms(Picks):
    """Reads what has to do with the rows of one softmax.

    Attributes
    ----------
    written_out
        Whether an exponential was read as a softmax in what is not opaque.
    """

    written_out: bool = False
    _rows: Seen = field(default_factory=dict)
    _scalars: Seen = field(default_factory=dict)

    def row(self, variable: Variable, depth: int = 0) -> list[Term]:
        """The terms of a row, or of what is broadcast along it."""
        if not self.is_row(variable):
            return self.scalar(variable, depth)
        return self._once(self._rows, variable, self._row, depth)

    def scalar(self, variable: Variable, depth: int = 0) -> list[Term]:
        """The terms of what is constant along the axis."""
        return self._once(self._scalars, variable, self._scalar, depth)

    def _once(self, seen: Seen, variable: Variable, read: Read, depth: int) -> list[Term]:
        if variable not in seen:
            outside, self.written_out = self.written_out, False
            seen[variable] = with_shares(read(variable, depth + 1)), self.written_out
            self.written_out = outside
        terms, written_out = seen[variable]
        self.written_out |= written_out
        return terms

    def _known(self, terms: list[Term] | None, opaque: list[Term]) -> list[Term]:
        # What is opaque keeps its exponentials.
        self.written_out &= terms is not None
        return opaque if terms is None else terms

    def _row(self, variable: Variable, depth: int) -> list[Term]:
        constant = exact_constant(variable)
        if constant is not None:
            return [(constant, ONE)] if constant else []
        if isinstance(variable, Constant):
            return constant_row(variable, self.made)
        node = variable.owner
        opaque = [(Fraction(1), monomial([(Row(without_cast(variable)), 1)]))]
        if node is None or variable.type.dtype != self.dtype or depth > _DEPTH:
            return opaque
        if (inner := of_any_shape(variable)) is not variable:
            return self.row(inner, depth)
        if is_a(node.op, Softmax):
            if not adds_up(variable, self.axis):
                return opaque
            return [(Fraction(1), monomial([(Row(self.softmax(node.inputs[0])), 1)]))]
        if is_a(node.op, *SCATTERS):
            return self._known(self._scattered(node, depth), opaque)
        if is_a(node.op, Alloc) and not self.is_row(node.inputs[0]):
            return self._known(self._alloc(node, depth), opaque)
        if is_exp(variable) and self._is_ours(node.inputs[0]):
            return self._exponential(node.inputs[0])
        if complemented(variable) is not None:
            return opaque
        return self._known(self._arithmetic(node, depth, rows=True), opaque)

    def _scalar(self, variable: Variable, depth: int) -> list[Term]:
        constant = exact_constant(variable)
        if constant is not None:
            return [(constant, ONE)] if constant else []
        node = variable.owner
        opaque = [(Fraction(1), monomial([(Scalar(without_cast(variable)), 1)]))]
        if node is None or variable.type.dtype != self.dtype or depth > _DEPTH:
            return opaque
        if (inner := of_any_shape(variable)) is not variable:
            return self.scalar(inner, depth)
        if is_a(node.op, DimShuffle):
            # Between a scalar and one that is broadcast along the axis.
            (inner,) = node.inputs
            full = node.op.augment == (self.axis,) and inner.type.ndim == self.ndim - 1
            flat = tuple(node.op.drop) == (self.axis,) and variable.type.ndim == self.ndim - 1
            ordered = not node.op.is_transpose
            return self.scalar(inner, depth) if ordered and (full or flat) else opaque
        if is_a(node.op, Sum) and self.is_row(node.inputs[0]):
            if axes_of(node) == (self.axis,):
                return self.summed(self.row(node.inputs[0], depth))
            return opaque
        if is_a(node.op, Subtensor, AdvancedSubtensor) and self.is_row(node.inputs[0]):
            index = self.index_of(node)
            if index is not None:
                return self.at(index, self.row(node.inputs[0], depth))
            return opaque
        if (read := self._picked_exponential(variable)) is not None:
            return read
        if (component := complemented(variable)) is not None:
            return other_companion(self.scalar(component, depth)) or opaque
        return self._known(self._arithmetic(node, depth, rows=False), opaque)

    def _arithmetic(self, node: Apply, depth: int, rows: bool) -> list[Term] | None:
        if not is_a(node.op, Elemwise):
            return None
        op, inputs = node.op.scalar_op, node.inputs
        read = self.row if rows else self.scalar
        if is_a(op, ps.Add):
            return [term for i in inputs for term in read(i, depth)]
        if is_a(op, ps.Sub):
            return [*read(inputs[0], depth), *minus(read(inputs[1], depth))]
        if is_a(op, ps.Neg):
            return minus(read(inputs[0], depth))
        if is_a(op, ps.Second):
            return read(inputs[1], depth)
        if is_a(op, ps.Mul):
            product = [(Fraction(1), ONE)]
            for i in inputs:
                product = squared_ones(multiplied(product, read(i, depth)))
            return product
        if is_a(op, ps.Sqr, ps.Pow):
            power = Fraction(2) if is_a(op, ps.Sqr) else exact_constant(inputs[1])
            if power is None or power.denominator != 1 or not 0 < power <= LARGEST_POWER:
                return None
            return squared_ones(raised(read(inputs[0], depth), int(power)))
        if is_a(op, ps.TrueDiv, ps.Reciprocal):
            below = self._inverse(inputs[-1], rows, depth)
            if below is None:
                return None
            above = [(Fraction(1), ONE)] if is_a(op, ps.Reciprocal) else read(inputs[0], depth)
            return multiplied(above, [below])
        return None

    def _inverse(self, variable: Variable, rows: bool, depth: int) -> Term | None:
        """One over a product, factor by factor: 1 - p is q, and its square not multiplied out."""
        op = scalar_op(variable)
        if is_a(op, ps.Mul, ps.Sqr, ps.Neg) and depth < _DEPTH:
            factors = variable.owner.inputs * (2 if is_a(op, ps.Sqr) else 1)
            inverses = [self._inverse(i, rows, depth + 1) for i in factors]
            read = [term for term in inverses if term is not None]
            if len(read) < len(inverses):
                return None
            sign = -1 if is_a(op, ps.Neg) else 1
            return prod((c for c, _ in read), start=Fraction(sign)), times(*(m for _, m in read))
        before = self.written_out
        form = merged((self.row if rows else self.scalar)(variable, depth))
        if (share := one_over_one_and_total(form) or one_over_pair(form, self.logits)) is not None:
            return share
        if len(form) == 2 and form.get(ONE) == 1:
            form = {m: c for c, m in other_companion([(-c, m) for m, c in form.items() if m])}
        if len(form) != 1:
            if rows:
                return None
            others = others_of_several([(c, m) for m, c in form.items()])
            if others:
                return others.inverse()
            # What is divided by as a whole, another division by it will be of the same.
            self.written_out = before
            return Fraction(1), monomial([(Scalar(variable), -1)])
        ((factors, coefficient),) = form.items()
        if any(isinstance(g, Hot) for g, _ in factors):
            return None
        return 1 / coefficient, to_power(factors, -1)

    def _scattered(self, node: Apply, depth: int) -> list[Term] | None:
        """A row to which something is added at an index."""
        base, increment = node.inputs[:2]
        index = self.index_of(node)
        if index is None or (increment.type.ndim > self.ndim - 1 and self.ndim > 1):
            return None
        kept = self.row(base, depth)
        if node.op.set_instead_of_inc:
            kept = [*kept, *minus(multiplied(kept, [(Fraction(1), hot(index))]))]
        added = multiplied(self.scalar(increment, depth), [(Fraction(1), hot(index))])
        return [*kept, *squared_ones(added)]

    def _alloc(self, node: Apply, depth: int) -> list[Term] | None:
        value = node.inputs[0]
        fits = value.type.ndim == self.ndim or value.type.ndim == self.ndim - 1 == 0
        return self.scalar(value, depth) if fits else None

    def _exponential(self, exponents: Variable) -> list[Term]:
        p = self.softmax(unshifted(exponents, self.axis))
        self.written_out = True
        return [(Fraction(1), monomial([(Row(p), 1), (Total(of_any_shape(exponents)), 1)]))]

    def _is_ours(self, exponents: Variable) -> bool:
        """Whether it is what the softmax is of, both perhaps less their maximum."""
        return same(*(unshifted(x, self.axis) for x in (exponents, self.exponents)))

    def _picked_exponential(self, variable: Variable) -> list[Term] | None:
        is_expm1 = is_a(scalar_op(variable), ps.Expm1)
        pick = variable.owner.inputs[0].owner if is_expm1 or is_exp(variable) else None  # type: ignore[union-attr]
        if pick is None or not is_a(pick.op, Subtensor, AdvancedSubtensor):
            return None
        x = pick.inputs[0]
        p = exp_of_log_softmax(self.softmax, x, self.axis)
        ours = self.is_row(x) and (p is not None or self._is_ours(x))
        if not ours or (index := self.index_of(pick)) is None:
            return None
        row = self._exponential(x) if p is None else [(Fraction(1), monomial([(Row(p), 1)]))]
        return [*self.at(index, row), *[(Fraction(-1), ONE)] * is_expm1]

    def summed(self, terms: list[Term]) -> list[Term]:
        """The sum of a row over the axis."""
        result: list[Term] = []
        for coefficient, factors in terms:
            index = next((g.place for g, _ in factors if isinstance(g, Hot)), None)
            if index is not None:
                result += self.at(index, [(coefficient, factors)])
                continue
            rows = frozenset((g, n) for g, n in factors if isinstance(g, Row))
            rest = factors - rows
            if not rows:
                raise UnreadError
            if len(rows) == 1 and all(n == 1 and adds_up(g.variable, self.axis) for g, n in rows):
                result.append((coefficient, rest))
            else:
                result.append((coefficient, times(rest, monomial([(Mean(rows), 1)]))))
        return result

    def at(self, index: Hashable, terms: list[Term]) -> list[Term]:
        """The element of a row at an index."""
        result: list[Term] = []
        for coefficient, factors in terms:
            product = [(coefficient, ONE)]
            for generator, power in factors:
                if isinstance(generator, Hot):
                    if generator.place == index:
                        continue
                    if not (isinstance(index, int) and isinstance(generator.place, int)):
                        raise UnreadError
                    if (index < 0) != (generator.place < 0):
                        raise UnreadError
                    product = []
                    break
                number = number_at(generator, index, self.axis)
                if number is not None and power == int(power) and (number or power > 0):
                    product = [(c * number ** int(power), m) for c, m in product]
                    continue
                factor = self.element(generator, index)
                product = multiplied(product, [(Fraction(1), monomial([(factor, power)]))])
            result += product
        return result

    def element(self, generator: Hashable, index: Hashable) -> Hashable:
        """What a generator is at an index."""
        if not isinstance(generator, Row):
            return generator
        companion: Companion = "p"
        p = generator.variable
        if (component := complemented(p)) is not None:
            p, companion = component, "q"
        if not adds_up(p, self.axis):
            return Scalar(self.pick(generator.variable, index))
        return Member(component_family(p, index), companion)
