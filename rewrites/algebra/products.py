"""Read products and quotients as monomials, each sum in them factored on its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites import arithmetic
from pytensor_stabilize.rewrites.algebra.arguments import (
    FUNCTIONS,
    Moves,
    broadcasts,
    softplus_below,
)
from pytensor_stabilize.rewrites.algebra.building import Builder, distributed, spent
from pytensor_stabilize.rewrites.algebra.companions import OPERATION, ROOT, constant_cost, cost
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.forms import (
    LARGEST_POWER,
    ONE,
    Monomial,
    TooBigError,
    times,
)
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.algebra.survey import leaves_of
from pytensor_stabilize.rewrites.matching import constant_exponent, is_a, scalar_op_of


@dataclass(frozen=True)
class Spelled:
    """A product as it is spelled.

    Attributes
    ----------
    coefficient, factors
        What the product is.
    cost
        What its factors cost as they are written, in quarters of an operation.
    """

    coefficient: Fraction
    factors: Monomial
    cost: int

    @property
    def saves(self) -> bool:
        """Whether something cancels between the factors."""
        return cost(self.coefficient, self.factors) < self.cost

    def build(self, reader: Reader, dtype: str) -> Variable | None:
        """The shortest product, if it is shorter than as it is spelled."""
        builder = Builder(reader, dtype)
        spread = distributed(self.coefficient, self.factors)
        if not spread.is_product and spent(spread) < self.cost:
            result = builder.product(spread)
            again = Reader(reader.fine, reader.open_sums)
            again.survey(result)
            if not spelled_product(again, result).saves:
                return result
        if not self.saves:
            return None
        return builder.product(Factored(self.coefficient, self.factors))


def spelled_product(reader: Reader, variable: Variable, moves: Moves = ()) -> Spelled:
    """Read a product factor by factor.

    Raises
    ------
    TooBigError
        There are too many factors or terms.
    """
    return reader.remembered("spelled", partial(_spelled, reader), variable, moves)


def _spelled(reader: Reader, variable: Variable, moves: Moves) -> Spelled:
    node = variable.owner
    op = scalar_op_of(node)
    if moves and node is not None and op is not None and broadcasts(node):
        return _whole(reader, variable, moves)
    if is_a(op, ps.Mul, ps.TrueDiv, ps.Neg, ps.Reciprocal, ps.Sqr, ps.Sqrt, ps.Pow):
        assert node is not None
        return _combined(reader, node, op, variable, moves)
    whole = _whole(reader, variable, moves)
    if node is not None and softplus_below(node) is not None:
        # exp(-softplus(u)) is sigmoid(-u)
        return replace(whole, cost=whole.cost + OPERATION)
    return whole


def _combined(
    reader: Reader, node: Apply, op: ps.ScalarOp, variable: Variable, moves: Moves
) -> Spelled:
    operands: list[tuple[Variable, Fraction]] = [(v, Fraction(1)) for v in node.inputs]
    if is_a(op, ps.TrueDiv):
        operands[1] = (node.inputs[1], Fraction(-1))
    elif is_a(op, ps.Reciprocal):
        operands = [(node.inputs[0], Fraction(-1))]
    elif is_a(op, ps.Sqr, ps.Sqrt, ps.Pow):
        power = constant_exponent(node)
        if power is None or power.denominator > 2 or abs(power) > LARGEST_POWER:
            return _whole(reader, variable, moves)
        operands = [(node.inputs[0], power)]
    coefficient, factors, total = Fraction(-1 if is_a(op, ps.Neg) else 1), ONE, 0
    for operand, power in operands:
        part = spelled_product(reader, operand, moves)
        if not part.coefficient:
            raise TooBigError
        raised = reader.raised(part.coefficient, part.factors, power)
        if raised is None:
            return _whole(reader, variable, moves)
        coefficient *= raised[0]
        factors = times(factors, raised[1])
        # A root is an operation of its own.  A constant is raised once, before anything runs:
        # (0.5 / y)**2 as 0.25 / y**2 would save nothing, and its gradient has a y**4.
        constant = min(part.cost, constant_cost(part.coefficient))
        total += constant + (part.cost - constant) * int(abs(power) + Fraction(1, 2))
        total += ROOT if power.denominator != 1 else 0
    return Spelled(coefficient, factors, total)


def _whole(reader: Reader, variable: Variable, moves: Moves) -> Spelled:
    found = reader.factored(variable, moves)
    if not found.coefficient:
        return Spelled(Fraction(0), ONE, 0)
    factors = found.as_monomial()
    # Never more than stand in the graph: sinh(x), read in x, is a product of two, with a constant.
    most = reader.cost(variable)
    if not is_a(scalar_op_of(variable.owner), *FUNCTIONS):
        most += constant_cost(found.coefficient)
    return Spelled(
        found.coefficient,
        factors,
        min(
            most,
            cost(found.coefficient, factors),
            spent(distributed(found.coefficient, factors)),
        ),
    )


def grows_one_way(product: Variable) -> bool:
    """Whether it has no functions but exponentials as factors, none of them another's inverse.

    ``exp(x) * exp(x)`` has nothing to cancel, and ``exp(2 * x)`` would be one exponential more.
    """
    ways: dict[Hashable, set[bool]] = defaultdict(set)
    for factor, count in arithmetic.factors(product)[1].items():
        leaves = leaves_of(factor)
        if [leaf.output for leaf in leaves] == [factor] and is_a(leaves[0].op, ps.Exp):
            argument = leaves[0].argument
            ways[argument.core].add((argument.coefficient > 0) == (count > 0))
        elif leaves:
            return False
    return all(len(found) == 1 for found in ways.values())
