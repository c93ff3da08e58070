"""Read a region of a graph as a form: which functions of which arguments, and what is opaque."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar import math as psm
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical, families
from pytensor_stabilize.rewrites.algebra.families import Companion, Family, Kind, Member, Symbol
from pytensor_stabilize.rewrites.algebra.forms import (
    LARGEST_POWER,
    ONE,
    Monomial,
    Term,
    TooBigError,
    monomial,
    multiplied,
    raised,
    to_power,
)
from pytensor_stabilize.rewrites.matching import MOVES, exact_constant, is_float_cast

Moves = tuple[Apply, ...]

_SUMS = (ps.Add, ps.Sub)
_LOGISTIC = (
    psm.Sigmoid,
    psm.Softplus,
    ps.Tanh,
    ps.Exp,
    ps.Expm1,
    ps.Sinh,
    ps.Cosh,
)
_NORMAL = (psm.Erf, psm.Erfc)
_OF_THEIR_OWN_UNIT = (psm.Sigmoid, psm.Softplus, ps.Expm1, ps.Cos, *_NORMAL)
FUNCTIONS = (*_LOGISTIC, *_NORMAL, ps.Cos)
_ARITHMETIC = (ps.Mul, ps.TrueDiv, ps.Reciprocal, ps.Neg, ps.Sqr, ps.Pow, ps.Second, ps.Sqrt)
# A region with more nodes is left: reading it at each of its nodes would cost too much.
_MOST_NODES = 120


def scalar_op(node: Apply | None) -> ps.ScalarOp | None:
    """The scalar op of an elementwise node."""
    return node.op.scalar_op if node is not None and isinstance(node.op, Elemwise) else None


def is_float(variable: Variable) -> bool:
    return np.dtype(variable.type.dtype).kind == "f"


def moves_key(moves: Moves) -> Hashable:
    """Equal for moves that have the same effect."""
    return tuple((node.op, *node.inputs[1:]) for node in moves)


@dataclass(frozen=True)
class Multiple:
    """``coefficient * core`` as the argument of a function; `variable` is that product."""

    coefficient: Fraction
    core: Hashable
    variable: Variable


def as_multiple(variable: Variable) -> Multiple:
    """Take constant factors and signs off an argument; they must be exact in floats."""
    coefficient = Fraction(1)
    core = variable
    while core.owner is not None and is_float(core):
        node = core.owner
        op = scalar_op(node)
        if isinstance(op, ps.Neg):
            coefficient, core = -coefficient, node.inputs[0]
        elif isinstance(op, ps.TrueDiv) and (c := exact_constant(node.inputs[1])):
            coefficient, core = coefficient / c, node.inputs[0]
        elif isinstance(op, ps.Mul):
            constants = [c for i in node.inputs if (c := exact_constant(i)) is not None]
            others = [i for i in node.inputs if exact_constant(i) is None]
            if not all(constants) or not others:
                break
            for c in constants:
                coefficient *= c
            if len(others) > 1:
                key = ("mul", frozenset(Counter(others).items()))
                return Multiple(coefficient, key, variable)
            core = others[0]
        elif isinstance(op, ps.Sub):
            a, b = node.inputs
            # Variables count up as they are made, so that the order is the same in every run.
            if (len(a.auto_name), a.auto_name) > (len(b.auto_name), b.auto_name):
                return Multiple(-coefficient, ("sub", b, a), variable)
            return Multiple(coefficient, ("sub", a, b), variable)
        else:
            break
        if core.type.broadcastable != variable.type.broadcastable:
            return Multiple(Fraction(1), variable, variable)
    return Multiple(coefficient, core, variable)


@dataclass
class Leaf:
    """A function of the table as it stands in the graph."""

    op: ps.ScalarOp
    argument: Multiple
    moves: Moves
    output: Variable


@dataclass
class Reader:
    """Reads variables as forms and remembers what stands behind the generators.

    Attributes
    ----------
    fine
        Whether exponentials are read in the finest unit that they have in common.
    open_sums
        Whether sums without a function of the table are multiplied out too.
    has_choice
        Whether the fine reading differs.
    leaves
        How many functions of the table there are.
    visited
        Nodes that were looked at.
    """

    fine: bool = False
    open_sums: bool = False
    arguments: dict[tuple[Hashable, Hashable], dict[Fraction, Variable]] = field(
        default_factory=dict
    )
    moves: dict[Hashable, Moves] = field(default_factory=dict)
    sums: dict[frozenset, Variable] = field(default_factory=dict)
    sources: dict[Member, Variable] = field(default_factory=dict)
    units: dict[tuple[Kind, Hashable, Hashable], Fraction] = field(default_factory=dict)
    exponentials: set[tuple[Kind, Hashable, Hashable]] = field(default_factory=set)
    has_choice: bool = False
    leaves: int = 0
    visited: dict[Apply, None] = field(default_factory=dict)
    _nodes: int = 0

    # -- first pass: which functions there are ---------------------------------------------

    def survey(self, variable: Variable) -> list[Leaf]:
        """Collect the functions of a region and choose the unit of every argument."""
        leaves = list(self._leaves(variable, (), set()))
        self.leaves = len(leaves)
        found: dict[tuple[Kind, Hashable, Hashable], list[Leaf]] = {}
        for leaf in leaves:
            key = (leaf.argument.core, moves_key(leaf.moves))
            self.moves[key[1]] = leaf.moves
            found.setdefault((_kind(leaf.op), *key), []).append(leaf)
            known = self.arguments.setdefault(key, {})
            known.setdefault(leaf.argument.coefficient, leaf.argument.variable)
            if isinstance(leaf.argument.core, Variable):
                known.setdefault(Fraction(1), leaf.argument.core)
        for name, group in found.items():
            if all(isinstance(leaf.op, ps.Exp) for leaf in group):
                self.exponentials.add(name)
            self.units[name] = self._unit(group, self.fine)
            self.has_choice |= self.units[name] != self._unit(group, not self.fine)
        return leaves

    def _leaves(
        self, variable: Variable, moves: Moves, seen: set[tuple[Variable, Hashable]]
    ) -> Iterator[Leaf]:
        key = (variable, moves_key(moves))
        node = variable.owner
        if node is None or key in seen:
            return
        seen.add(key)
        self.visited[node] = None
        if len(seen) > _MOST_NODES:
            raise TooBigError
        op = scalar_op(node)
        if (softplus := softplus_below(node)) is not None:
            inner = softplus[1]
            yield Leaf(psm.sigmoid, as_multiple(inner.inputs[0]), moves, inner.outputs[0])
        elif isinstance(op, FUNCTIONS):
            if is_float(variable):
                yield Leaf(op, as_multiple(node.inputs[0]), moves, variable)
        elif (odd := _abs_of_odd(node)) is not None:
            yield Leaf(scalar_op(odd), _absolute(odd), moves, variable)  # type: ignore[arg-type]
        elif inner := _moved(node, moves):
            yield from self._leaves(*inner, seen)
        elif isinstance(op, (*_SUMS, *_ARITHMETIC)) and is_float(variable):
            for operand in node.inputs:
                yield from self._leaves(operand, moves, seen)
        elif (inside := _clipped(node)) is not None:
            yield from self._leaves(inside, moves, seen)

    def functions(self, variable: Variable) -> int:
        """How many functions of the table a variable is made with."""
        return sum(1 for _ in self._leaves(variable, (), set()))

    def _unit(self, group: list[Leaf], fine: bool) -> Fraction:
        """The ``u`` of the family in multiples of the core.

        sigmoid(c x) wants c, tanh(c x) 2c; exponentials go along with them.  Alone they want the
        largest unit in which their exponents differ by integers, ``exp(x) - exp(-x)`` for example
        2, and in the fine reading the largest in which they are integers.
        """
        wanted: list[Fraction] = []
        exponents: list[Fraction] = []
        for leaf in group:
            c = abs(leaf.argument.coefficient)
            if isinstance(leaf.op, _OF_THEIR_OWN_UNIT):
                wanted.append(c)
            elif isinstance(leaf.op, ps.Tanh):
                wanted.append(2 * c)
            elif isinstance(leaf.op, ps.Sinh | ps.Cosh):
                wanted.append(c if fine else 2 * c)
            else:
                exponents.append(leaf.argument.coefficient)
        if wanted:
            return min(wanted) if fine else max(wanted)
        numbers = [abs(c) for c in exponents]
        if not fine and len(exponents) > 1:
            spread = [abs(c - exponents[0]) for c in exponents if c != exponents[0]]
            numbers = spread or numbers
        return Fraction(
            gcd(*(n.numerator for n in numbers)), lcm(*(n.denominator for n in numbers))
        )

    def with_argument(self, family: Family, variable: Variable) -> Reader:
        """This reading with another argument in place of that of a family."""
        arguments = {**self.arguments, (family.core, family.moves): {family.unit: variable}}
        others = {g: v for g, v in self.sources.items() if g.family != family}
        return replace(self, arguments=arguments, sources=others)

    # -- second pass: the form -------------------------------------------------------------

    def terms(self, variable: Variable, moves: Moves = ()) -> list[Term]:
        """The variable as a sum of products, multiplied out.

        Raises
        ------
        TooBigError
            There are too many terms, powers or nodes.
        """
        self._nodes += 1
        if self._nodes > 8 * _MOST_NODES:
            raise TooBigError
        constant = exact_constant(variable)
        if constant is not None:
            return [(constant, ONE)] if constant else []
        node = variable.owner
        if node is None or not is_float(variable):
            return [self._symbol(variable, moves)]
        op = scalar_op(node)
        if (softplus := softplus_below(node)) is not None:
            return self._exp_of_softplus(op, *softplus, variable, moves)
        if isinstance(op, FUNCTIONS):
            return self._function(op, as_multiple(node.inputs[0]), variable, moves)
        if (odd := _abs_of_odd(node)) is not None:
            op = scalar_op(odd)
            assert op is not None
            return self._function(op, _absolute(odd), variable, moves)
        if inner := _moved(node, moves):
            return self.terms(*inner)
        if isinstance(op, _SUMS):
            return self._sum(op, node, variable, moves)
        if isinstance(op, ps.Neg):
            return [(-c, m) for c, m in self.terms(node.inputs[0], moves)]
        if isinstance(op, ps.Mul):
            result = [(Fraction(1), ONE)]
            for operand in node.inputs:
                result = multiplied(result, self.terms(operand, moves))
            return result
        if isinstance(op, ps.TrueDiv):
            return multiplied(
                self.terms(node.inputs[0], moves), self._inverse(node.inputs[1], moves)
            )
        if isinstance(op, ps.Reciprocal):
            return self._inverse(node.inputs[0], moves)
        power = self.power(op, node)
        if power is not None:
            return self._raised(node.inputs[0], power, variable, moves)
        if (inside := _clipped(node)) is not None and self._is_probability(inside, moves):
            return self.terms(inside, moves)
        return [self._symbol(variable, moves)]

    def factored(self, variable: Variable, moves: Moves = ()) -> Factored:
        """The variable as a product, its sums factored over their critical roots."""
        return canonical(self.terms(variable, moves), self.is_leaf)

    def is_leaf(self, symbol: Symbol, family: Family) -> bool:
        """Whether a symbol is data or an input, and so may be a label of exactly 0 or 1."""
        variable = symbol.variable
        while variable.owner is not None and (
            isinstance(variable.owner.op, MOVES)
            or isinstance(scalar_op(variable.owner), ps.Cast | ps.Second)
        ):
            variable = variable.owner.inputs[-1 if scalar_op(variable.owner) == ps.second else 0]
        if variable.owner is not None and is_float(variable):
            return False
        arguments = self.arguments.get((family.core, family.moves), {})
        return not any(_depends(argument, variable) for argument in arguments.values())

    def _symbol(self, variable: Variable, moves: Moves) -> Term:
        key = moves_key(moves)
        self.moves.setdefault(key, moves)
        return Fraction(1), monomial([(Symbol(variable, key), 1)])

    def _sum(self, op: ps.ScalarOp, node: Apply, variable: Variable, moves: Moves) -> list[Term]:
        result: list[Term] = []
        for position, operand in enumerate(node.inputs):
            sign = -1 if position and isinstance(op, ps.Sub) else 1
            result += [(sign * c, m) for c, m in self.terms(operand, moves)]
        if len(result) > 4 * LARGEST_POWER:
            raise TooBigError
        bare = {f for f in families(m for _, m in result) if f[:3] in self.exponentials}
        if len(bare) > 1:
            # exp(a) + exp(b) would overflow as a quotient of sigmoids; it has rules of its own.
            return [self._symbol(variable, moves)]
        if not any(isinstance(g, Member) for _, m in result for g, _ in m):
            self.sums.setdefault(frozenset(result), variable)
            if not self.open_sums:
                return [self._symbol(variable, moves)]
        return result

    def _inverse(self, variable: Variable, moves: Moves) -> list[Term]:
        below = self.factored(variable, moves)
        if not below.coefficient:
            return [(Fraction(1), self._symbol(variable, moves)[1])]
        coefficient, factors = below.inverse()
        return [(coefficient, factors)]

    def power(self, op: ps.ScalarOp | None, node: Apply) -> Fraction | None:
        """The exponent of a square, a root or a constant power."""
        if isinstance(op, ps.Sqr):
            return Fraction(2)
        if isinstance(op, ps.Sqrt):
            return Fraction(1, 2)
        if isinstance(op, ps.Pow):
            return exact_constant(node.inputs[1])
        return None

    def _raised(
        self, base: Variable, power: Fraction, variable: Variable, moves: Moves
    ) -> list[Term]:
        node = base.owner
        if power == 2 and isinstance(op := scalar_op(node), ps.Sin | ps.Sinh):
            inner = self._square(op, node, moves)  # type: ignore[arg-type]
            if inner is not None:
                return inner
        if power.denominator == 1 and 0 < power <= LARGEST_POWER:
            return raised(self.terms(base, moves), int(power))
        found = self.factored(base, moves)
        result = self.raised(found.coefficient, found.as_monomial(), power)
        return [result] if result is not None else [self._symbol(variable, moves)]

    def raised(self, coefficient: Fraction, factors: Monomial, power: Fraction) -> Term | None:
        """A power of a product; None if it is not the product of the powers."""
        if abs(power) > LARGEST_POWER or not coefficient:
            return None
        # The root of a symbol that may be negative is not the root of its square.
        positive = coefficient > 0 and all(_is_positive(g) for g, _ in factors)
        root = _exact_power(coefficient, power)
        if root is None or (power.denominator != 1 and not positive):
            return None
        return root, to_power(factors, power)

    def _square(self, op: ps.ScalarOp, node: Apply, moves: Moves) -> list[Term] | None:
        """``sin(u)**2 = 4 p q`` where the cosine of that argument stands in the region."""
        argument = as_multiple(node.inputs[0])
        key = (argument.core, moves_key(moves))
        unit = self.units.get(("cosine", *key))
        if isinstance(op, ps.Sin) and unit is not None and unit == abs(argument.coefficient):
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
        other = Member(member.family, "q" if member.companion == "p" else "p")
        result = [(Fraction(1), monomial([(other, -power)]))]
        return [*result, (Fraction(-1), ONE)] if isinstance(op, ps.Expm1) else result

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
        kind = _kind(op)
        unit = self.units.get((kind, *key))
        if unit is None or not is_float(variable):
            return [self._symbol(variable, moves)]
        family = Family(kind, *key, unit)
        result = _as_terms(op, argument.coefficient / unit, family)
        if result is None:
            return [self._symbol(variable, moves)]
        if source and not moves and len(result) == 1:
            ((c, factors),) = result
            if c == 1 and len(factors) == 1:
                ((generator, n),) = factors
                if n == 1:
                    self.sources.setdefault(generator, variable)  # type: ignore[arg-type]
        return result


def _kind(op: ps.ScalarOp) -> Kind:
    if isinstance(op, _NORMAL):
        return "normal"
    return "cosine" if isinstance(op, ps.Cos) else "logistic"


def _as_terms(op: ps.ScalarOp, ratio: Fraction, family: Family) -> list[Term] | None:
    """A function of ``ratio * u`` in terms of the family at ``u``; None if it is no polynomial."""

    def powers(p: Fraction | int = 0, q: Fraction | int = 0, t: Fraction | int = 0) -> Monomial:
        pairs: list[tuple[Companion, Fraction | int]] = [("p", p), ("q", q), ("t", t)]
        return monomial((Member(family, name), n) for name, n in pairs)

    one, half, sign = Fraction(1), Fraction(1, 2), 1 if ratio > 0 else -1
    if isinstance(op, ps.Exp):
        return [(one, powers(ratio, -ratio))]
    if isinstance(op, ps.Expm1):
        if abs(ratio) == 1:
            # expm1(u) = t / q, expm1(-u) = -t / p
            return [(one, powers(q=-1, t=1)) if sign > 0 else (-one, powers(p=-1, t=1))]
        return [(one, powers(ratio, -ratio)), (-one, ONE)]
    if isinstance(op, psm.Sigmoid) and abs(ratio) == 1:
        return [(one, powers(p=1) if sign > 0 else powers(q=1))]
    if isinstance(op, psm.Erf) and abs(ratio) == 1:
        return [(sign * one, powers(t=1))]
    if isinstance(op, psm.Erfc) and abs(ratio) == 1:
        return [(2 * one, powers(q=1) if sign > 0 else powers(p=1))]
    if isinstance(op, ps.Cos) and abs(ratio) == 1:
        return [(one, powers(t=1))]
    if isinstance(op, ps.Tanh) and abs(ratio) == half:
        return [(sign * one, powers(t=1))]
    if isinstance(op, ps.Tanh) and abs(ratio) == 1:
        # In the fine unit: (p**2 - q**2) / (p**2 + q**2), which is not read.
        return None
    if isinstance(op, ps.Sinh | ps.Cosh):
        odd = isinstance(op, ps.Sinh)
        if abs(ratio) == half:
            return [(half * (sign if odd else 1), powers(-half, -half, 1 if odd else 0))]
        return [
            (half, powers(ratio, -ratio)),
            (-half if odd else half, powers(-ratio, ratio)),
        ]
    return None


def softplus_below(node: Apply) -> tuple[int, Apply] | None:
    """``(n, softplus)`` if a node is exp or expm1 of n times a softplus."""
    if not isinstance(scalar_op(node), ps.Exp | ps.Expm1):
        return None
    argument = as_multiple(node.inputs[0])
    core = argument.core
    if isinstance(core, Variable) and isinstance(scalar_op(core.owner), psm.Softplus):
        n = argument.coefficient
        if n.denominator == 1 and abs(n) <= LARGEST_POWER:
            return int(n), core.owner
    return None


def _abs_of_odd(node: Apply) -> Apply | None:
    """The tanh or erf of which a node is the absolute value."""
    if isinstance(scalar_op(node), ps.Abs):
        inner = node.inputs[0].owner
        if isinstance(scalar_op(inner), ps.Tanh | psm.Erf):
            return inner
    return None


def _absolute(node: Apply) -> Multiple:
    """``|f(c x)| = f(|c| |x|)``: the argument of the function at the absolute value."""
    inner = as_multiple(node.inputs[0])
    return Multiple(abs(inner.coefficient), ("abs", inner.core), pt.abs(inner.variable))


def _moved(node: Apply, moves: Moves) -> tuple[Variable, Moves] | None:
    """What is moved about, and the moves, if that or a cast is what a node does."""
    if isinstance(node.op, MOVES):
        return node.inputs[0], (node, *moves)
    if is_float_cast(node):
        return node.inputs[0], moves
    op = scalar_op(node)
    if isinstance(op, ps.Second) and _same_shape(node.inputs[1], node.outputs[0]):
        return node.inputs[1], moves
    if isinstance(node.op, Alloc) and is_float(node.outputs[0]):
        return node.inputs[0], (node, *moves)
    return None


def _same_shape(a: Variable, b: Variable) -> bool:
    return a.type.broadcastable == b.type.broadcastable


def _clipped(node: Apply) -> Variable | None:
    """The first input of a clip, maximum or minimum that keeps all of [0, 1]."""
    op = scalar_op(node)
    if isinstance(op, ps.Clip):
        lo, hi = exact_constant(node.inputs[1]), exact_constant(node.inputs[2])
        keeps = lo is not None and hi is not None and lo <= 0 and hi >= 1
        return node.inputs[0] if keeps else None
    if isinstance(op, ps.Maximum | ps.Minimum):
        for inside, bound in (node.inputs, node.inputs[::-1]):
            c = exact_constant(bound)
            if c is not None and (c <= 0 if isinstance(op, ps.Maximum) else c >= 1):
                return inside
    return None


def _is_positive(generator: Hashable) -> bool:
    return (
        isinstance(generator, Member)
        and generator.companion != "t"
        and generator.family.kind != "cosine"
    )


def _exact_power(base: Fraction, power: Fraction) -> Fraction | None:
    """A power of a rational number, if it is rational."""
    if power.denominator == 1:
        return base**power.numerator if abs(power) <= LARGEST_POWER else None
    if power.denominator != 2 or base < 0:
        return None
    root = Fraction(round(base.numerator**0.5), round(base.denominator**0.5))
    return root**power.numerator if root * root == base else None


def _depends(variable: Variable, on: Variable, limit: int = 60) -> bool:
    """Whether one variable is made of another, as far as a short search sees; else True."""
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
