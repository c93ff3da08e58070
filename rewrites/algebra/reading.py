"""Read a region of a graph as a form: sums of products of companions and symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.algebra.arguments import (
    FUNCTIONS,
    SUMS,
    Moves,
    Multiple,
    abs_of_odd,
    absolute,
    as_multiple,
    broadcasts,
    clipped,
    is_float,
    kind_of,
    moved,
    moves_key,
    softplus_below,
)
from pytensor_stabilize.rewrites.algebra.companions import weight
from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Family, Member, Symbol, families
from pytensor_stabilize.rewrites.algebra.forms import (
    LARGEST_POWER,
    ONE,
    Monomial,
    Term,
    TooBigError,
    gathered,
    generators,
    merged,
    monomial,
    multiplied,
    raised,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.algebra.signs import is_positive_companion
from pytensor_stabilize.rewrites.algebra.spelled_functions import as_terms, is_read
from pytensor_stabilize.rewrites.algebra.survey import MOST_NODES, Survey, leaves_of
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    constant_exponent,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    without_cast,
)
from pytensor_stabilize.rewrites.memory import at_hand


class Reader(Survey):
    """Reads variables as forms, in the units that the survey chose."""

    def with_argument(self, family: Family, variable: Variable) -> Reader:
        """This reading with another argument in place of that of a family."""
        own: dict[Fraction, Variable] = {Fraction(family.unit): variable}
        arguments = {**self.arguments, (family.core, family.moves): own}
        others = {call: v for call, v in self.sources.items() if call[0] != family}
        return replace(self, arguments=arguments, sources=others)

    def cost(self, variable: Variable) -> int:
        """What the functions cost that a variable is made with and that are read as companions."""
        total = 0
        # What stands below a symbol, in a maximum for example, stays there.
        symbols = [g for g in generators(m for _, m in self.terms(variable)) if is_a(g, Symbol)]
        kept = {leaf.output for symbol in symbols for leaf in leaves_of(symbol.variable)}
        for leaf in leaves_of(variable):
            unit = self.units.get(leaf.name)
            if leaf.output in kept:
                continue
            if unit is None or is_read(leaf.op, leaf.argument.coefficient / unit):
                total += weight(str(leaf.op))
        return total

    def terms(self, variable: Variable, moves: Moves = ()) -> list[Term]:
        """The variable as a sum of products, multiplied out.

        Raises
        ------
        TooBigError
            There are too many terms, powers or nodes.
        """
        return self.remembered("terms", self._terms, variable, moves)

    def remembered[T](
        self, name: str, read: Callable[[Variable, Moves], T], variable: Variable, moves: Moves
    ) -> T:
        """What is read of a variable: once in a reading, and in all that would find the same.

        What has several clients would be read once a path to it, exponentially often; and each
        node of a region is the top of a region of its own.
        """
        key = (name, variable, moves)
        if key in self._known:
            # What is made of it looked aside as well.
            self.asides += key in self._looked_aside
            return self._known[key]
        memory, shared = at_hand.get(), dict[Hashable, Any]()
        way = None if memory is None or moves or _is_end(variable) else self._way(variable)
        if way is not None and memory is not None:
            shared = memory.about(variable)
        if (name, way) in shared:
            found = self._known[key] = shared[name, way]
            return found
        before = self.asides
        found = self._known[key] = read(variable, moves)
        if self.asides != before:
            self._looked_aside.add(key)
        else:
            shared[name, way] = found
        return found

    def _way(self, variable: Variable) -> Hashable | None:
        """How this reading reads the functions below a variable; None if there are too many."""
        try:
            leaves = leaves_of(variable)
        except TooBigError:
            return None
        names = {leaf.name for leaf in leaves}
        units = frozenset((name, self.units.get(name), name in self.exponentials) for name in names)
        return self.fine, self.open_sums, self.closed, units

    def _terms(self, variable: Variable, moves: Moves) -> list[Term]:
        self._nodes += 1
        if self._nodes > 8 * MOST_NODES:
            raise TooBigError
        constant = exact_constant(variable)
        if constant is not None:
            return [(constant, ONE)] if constant else []
        node = variable.owner
        if node is None or not is_float(variable):
            return [self._symbol(variable, moves)]
        op = scalar_op_of(node)
        if moves and op is not None and broadcasts(node):
            return [self._symbol(variable, moves)]
        if (softplus := softplus_below(node)) is not None:
            return self._exp_of_softplus(op, *softplus, variable, moves)
        if is_a(op, *FUNCTIONS):
            return self._function(op, as_multiple(node.inputs[0]), variable, moves)
        if (odd := abs_of_odd(node)) is not None:
            op = scalar_op_of(odd)
            assert op is not None
            return self._function(op, absolute(odd), variable, moves)
        if inner := moved(node, moves):
            return self.terms(*inner)
        if is_a(op, ps.Sign):
            self.asides += 1  # functions below it are none of the region's own
            if self._is_probability(node.inputs[0], moves):
                return [(Fraction(1), ONE)]
        if is_a(op, *SUMS):
            return self._sum(op, node, variable, moves)
        if is_a(op, ps.Neg):
            return [(-c, m) for c, m in self.terms(node.inputs[0], moves)]
        if is_a(op, ps.Mul) and self.closed:
            whole = self.by_factors(variable, moves)
            return [(whole.coefficient, whole.as_monomial())] if whole.coefficient else []
        if is_a(op, ps.Mul):
            result: list[Term] | None = None
            for operand, count in Counter(node.inputs).items():
                if count == 1:
                    factor = self.terms(operand, moves)
                else:
                    factor = self._raised(operand, Fraction(count), operand, moves)
                result = factor if result is None else multiplied(result, factor)
            return result or []
        if is_a(op, ps.TrueDiv):
            return multiplied(
                self.terms(node.inputs[0], moves), self._inverse(node.inputs[1], moves)
            )
        if is_a(op, ps.Reciprocal):
            return self._inverse(node.inputs[0], moves)
        power = constant_exponent(node)
        if power is not None:
            return self._raised(node.inputs[0], power, variable, moves)
        if (inside := clipped(node)) is not None and self._is_probability(inside, moves):
            return self.terms(inside, moves)
        return [self._symbol(variable, moves)]

    def factored(self, variable: Variable, moves: Moves = ()) -> Factored:
        """The variable as a product, its sums factored over their critical roots."""
        return self.remembered("factored", self._factored, variable, moves)

    def _factored(self, variable: Variable, moves: Moves) -> Factored:
        return canonical(self.terms(variable, moves), self.is_leaf)

    def by_factors(self, variable: Variable, moves: Moves = ()) -> Factored:
        """As `factored`, but each factor on its own: ``(1 - y s)**2`` is not multiplied out."""
        node = variable.owner
        op = scalar_op_of(node)
        if node is None or not is_float(variable) or (moves and broadcasts(node)):
            return self.factored(variable, moves)
        if is_a(op, ps.Mul):
            parts = [self.by_factors(v, moves) for v in node.inputs]
            return Factored(
                prod((part.coefficient for part in parts), start=Fraction(1)),
                times(*(part.as_monomial() for part in parts)),
            )
        power = constant_exponent(node)
        if power is not None:
            base = self.by_factors(node.inputs[0], moves)
            raised = self.raised(base.coefficient, base.as_monomial(), power)
            if raised is not None:
                return Factored(*raised)
        return self.factored(variable, moves)

    def is_leaf(self, symbol: Symbol, family: Family) -> bool:
        """Whether a symbol is data or an input, and so may be a label of exactly 0 or 1."""
        self.asides += 1
        variable = symbol.variable
        while variable.owner is not None and (
            is_a(variable.owner.op, *MOVES)
            or is_a(scalar_op_of(variable.owner), ps.Cast, ps.Second)
        ):
            variable = variable.owner.inputs[-1 if scalar_op_of(variable.owner) == ps.second else 0]
        if variable.owner is not None and is_float(variable):
            return False
        # What another function of the region is taken of is no label either.
        arguments = {v: None for known in self.arguments.values() for v in known.values()}
        return not any(_depends(argument, variable) for argument in arguments)

    def _symbol(self, variable: Variable, moves: Moves) -> Term:
        symbol = Symbol(without_cast(variable), moves_key(moves))
        return Fraction(1), monomial([(symbol, 1)])

    def _sum(self, op: ps.ScalarOp, node: Apply, variable: Variable, moves: Moves) -> list[Term]:
        result: list[Term] = []
        for position, operand in enumerate(node.inputs):
            own = self.terms(operand, moves)
            result += [(-c, m) for c, m in own] if position and is_a(op, ps.Sub) else own
        if len(result) > 4 * LARGEST_POWER:
            result = gathered(result)
            if len(result) > 2 * LARGEST_POWER:
                raise TooBigError
        bare = {f for f in families(m for _, m in result) if f[:3] in self.exponentials}
        if len(bare) > 1:
            # exp(a) + exp(b) would overflow as a quotient of sigmoids; it has rules of its own.
            return [self._symbol(variable, moves)]
        if not any(isinstance(g, Member) for _, m in result for g, _ in m):
            self.asides += 1
            total = merged(result)  # as a set, x + x would be x
            opposite = self.sums.get(frozenset((-c, m) for m, c in total.items()))
            if opposite is not None and not self.open_sums and same_pattern(opposite, variable):
                return [(Fraction(-1), self._symbol(opposite, moves)[1])]  # 1 - y beside y - 1
            first = self.sums.setdefault(frozenset((c, m) for m, c in total.items()), variable)
            if not self.open_sums:
                # y - (1 - y) beside y + -(1 - y)
                same = first if same_pattern(first, variable) else variable
                return [self._symbol(same, moves)]
        return result

    def _inverse(self, variable: Variable, moves: Moves) -> list[Term]:
        below = self.by_factors(variable, moves)
        if not below.coefficient:
            return [(Fraction(1), to_power(self._symbol(variable, moves)[1], Fraction(-1)))]
        coefficient, factors = below.inverse()
        return [(coefficient, factors)]

    def _raised(
        self, base: Variable, power: Fraction, variable: Variable, moves: Moves
    ) -> list[Term]:
        node = base.owner
        if power == 2 and isinstance(op := scalar_op_of(node), ps.Sin | ps.Sinh):
            inner = self._square(op, node, moves)  # type: ignore[arg-type]
            if inner is not None:
                return inner
        terms = self.terms(base, moves)
        whole = power.denominator == 1 and 0 < power <= LARGEST_POWER
        if whole and (power == 1 or len(terms) < 2 or not self._may_vanish(base, moves)):
            return raised(terms, int(power))
        found = self.factored(base, moves)
        result = self.raised(found.coefficient, found.as_monomial(), power)
        return [result] if result is not None else [self._symbol(variable, moves)]

    def _may_vanish(self, variable: Variable, moves: Moves) -> bool:
        """Whether a sum has a zero that is no companion's: multiplied out, its square has none."""
        residual = self.factored(variable, moves).residual
        if len(residual) < 2:
            return False
        return len({c > 0 for c in residual.values()}) > 1 or not all(
            map(is_positive_companion, generators(residual))
        )

    def raised(self, coefficient: Fraction, factors: Monomial, power: Fraction) -> Term | None:
        """A power of a product; None if it is not the product of the powers."""
        # The derivatives of 1 - q**5 have a q**9, which has nothing to be multiplied out.
        largest = LARGEST_POWER * (2 if all(isinstance(g, Member) for g, _ in factors) else 1)
        if abs(power) > largest or not coefficient:
            return None
        # The root of a symbol that may be negative is not the root of its square.
        positive = coefficient > 0 and all(is_positive_companion(g) for g, _ in factors)
        root = _exact_power(coefficient, power)
        if root is None or (power.denominator != 1 and not positive):
            return None
        return root, to_power(factors, power)

    def _square(self, op: ps.ScalarOp, node: Apply, moves: Moves) -> list[Term] | None:
        """``sin(u)**2 = 4 p q`` where the cosine of that argument stands in the region."""
        self.asides += 1
        argument = as_multiple(node.inputs[0])
        key = (argument.core, moves_key(moves))
        unit = self.units.get(("cosine", *key))
        if is_a(op, ps.Sin) and unit is not None and unit == abs(argument.coefficient):
            family = Family("cosine", *key, unit)
            return [(Fraction(4), monomial([(Member(family, "p"), 1), (Member(family, "q"), 1)]))]
        return None

    def _exp_of_softplus(
        self, op: ps.ScalarOp | None, power: int, inner: Apply, variable: Variable, moves: Moves
    ) -> list[Term]:
        """``exp(softplus(u)) = 1 + exp(u) = 1 / q``."""
        argument = as_multiple(inner.inputs[0])
        below = self._function(psm.sigmoid, argument, inner.outputs[0], moves, source=False)
        if len(below) != 1 or isinstance(next(iter(below[0][1]))[0], Symbol):
            return [self._symbol(variable, moves)]
        ((member, _),) = below[0][1]
        assert isinstance(member, Member)
        other = Member(member.family, "q" if member.companion == "p" else "p")
        result = [(Fraction(1), monomial([(other, -power)]))]
        return [*result, (Fraction(-1), ONE)] if is_a(op, ps.Expm1) else result

    def _is_probability(self, variable: Variable, moves: Moves) -> bool:
        """Whether a value between 0 and 1 is all that the floats can give."""
        terms = self.terms(variable, moves)
        return (
            len(terms) == 1
            and 0 < terms[0][0] <= 1
            and all(isinstance(g, Member) and g.companion != "t" and n > 0 for g, n in terms[0][1])
        )

    def _function(
        self,
        op: ps.ScalarOp,
        argument: Multiple,
        variable: Variable,
        moves: Moves,
        source: bool = True,
    ) -> list[Term]:
        key = (argument.core, moves_key(moves))
        kind = kind_of(op)
        unit = self.units.get((kind, *key))
        if unit is None or not is_float(variable):
            return [self._symbol(variable, moves)]
        ratio = argument.coefficient / unit
        family = Family(kind, *key, unit)
        result = as_terms(op, ratio, family)
        if result is None:
            return [self._symbol(variable, moves)]
        if source and not moves:
            self.sources.setdefault((family, type(op).__name__.lower(), ratio), variable)
        return result


def _is_end(variable: Variable) -> bool:
    """Whether there is nothing to read below a variable."""
    return variable.owner is None or is_a(scalar_op_of(variable.owner), *FUNCTIONS)


def _exact_power(base: Fraction, power: Fraction) -> Fraction | None:
    """A power of a rational number, if it is rational."""
    if base == 1:
        return base
    if power.denominator == 1:
        return base**power.numerator if abs(power) <= LARGEST_POWER else None
    if power.denominator != 2 or base < 0:
        return None
    root = Fraction(round(base.numerator**0.5), round(base.denominator**0.5))
    return root**power.numerator if root * root == base else None


def _depends(variable: Variable, on: Variable, limit: int = 60) -> bool:
    """Whether one variable is made of another, as far as a short search sees."""
    if isinstance(on, Constant):
        return False
    todo, seen = [variable], {variable}
    for current in todo:
        if current is on:
            return True
        if current.owner is not None:
            fresh = [i for i in current.owner.inputs if i not in seen]
            seen.update(fresh)
            todo += fresh
        if len(seen) > limit:
            return False
    return False
