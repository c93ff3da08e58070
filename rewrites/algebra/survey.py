"""The first look at a region: its functions, and the unit of every argument."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytensor.scalar.math as psm
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.algebra.arguments import (
    ARITHMETIC,
    FUNCTIONS,
    SUMS,
    Leaf,
    Moves,
    abs_of_odd,
    absolute,
    as_multiple,
    broadcasts,
    clipped,
    is_float,
    moved,
    moves_key,
    softplus_below,
)
from pytensor_stabilize.rewrites.algebra.families import Family, Kind, MovesKey
from pytensor_stabilize.rewrites.algebra.forms import TooBigError, common_measure
from pytensor_stabilize.rewrites.matching import is_a, scalar_op_of
from pytensor_stabilize.rewrites.memory import once

_OF_THEIR_OWN_UNIT = (psm.Sigmoid, psm.Softplus, ps.Expm1, ps.Cos, psm.Erf, psm.Erfc)
# A region with more nodes is left: reading it at each of its nodes would cost too much.
MOST_NODES = 120


@dataclass
class Survey:
    """What a region is made of, and what stands behind the generators that it is read as.

    Attributes
    ----------
    fine
        Whether exponentials are read in the finest unit that they have in common.
    open_sums
        Whether sums without a function of the table are multiplied out too.
    closed
        Whether the sums in a product are factored each on its own, and not multiplied out.
    has_choice
        Whether the fine reading differs.
    leaves
        How many functions of the table there are.
    asides
        How often the reading looked at the rest of its region: whether a symbol is a label, which
        sums were read before.  What is read without that is the same in every region.
    """

    fine: bool = False
    open_sums: bool = False
    closed: bool = False
    arguments: dict[tuple[Hashable, MovesKey], dict[Fraction, Variable]] = field(
        default_factory=dict
    )
    sums: dict[frozenset, Variable] = field(default_factory=dict)
    sources: dict[tuple[Family, str, Fraction], Variable] = field(default_factory=dict)
    units: dict[tuple[Kind, Hashable, MovesKey], Fraction | int] = field(default_factory=dict)
    exponentials: set[tuple[Kind, Hashable, MovesKey]] = field(default_factory=set)
    has_choice: bool = False
    leaves: int = 0
    asides: int = 0
    _nodes: int = 0
    _known: dict[tuple[str, Variable, Moves], Any] = field(default_factory=dict, init=False)
    # Of what is known, that for which the reading looked aside.
    _looked_aside: set[tuple[str, Variable, Moves]] = field(default_factory=set, init=False)

    def survey(self, variable: Variable) -> list[Leaf]:
        """Collect the functions of a region and choose the unit of every argument."""
        self._known.clear()  # units may change
        self._looked_aside.clear()
        leaves = leaves_of(variable)
        self.leaves = len(leaves)
        found: dict[tuple[Kind, Hashable, MovesKey], list[Leaf]] = {}
        for leaf in leaves:
            name = leaf.name
            found.setdefault(name, []).append(leaf)
            known = self.arguments.setdefault(name[1:], {})
            known.setdefault(leaf.argument.coefficient, leaf.argument.variable)
            if isinstance(leaf.argument.core, Variable):
                known.setdefault(Fraction(1), leaf.argument.core)
        for name, group in found.items():
            if all(is_a(leaf.op, ps.Exp) for leaf in group):
                self.exponentials.add(name)
            unit = self._unit(group, self.fine)
            # An integer is hashed a dozen times as fast, and the hash of a family is asked often.
            self.units[name] = int(unit) if unit.denominator == 1 else unit
            self.has_choice |= unit != self._unit(group, not self.fine)
        return leaves

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
            if is_a(leaf.op, *_OF_THEIR_OWN_UNIT):
                wanted.append(c)
            elif is_a(leaf.op, ps.Tanh):
                wanted.append(2 * c)
            elif is_a(leaf.op, ps.Sinh, ps.Cosh):
                wanted.append(c if fine else 2 * c)
            else:
                exponents.append(leaf.argument.coefficient)
        if wanted:
            return min(wanted) if fine else max(wanted)
        numbers = [abs(c) for c in exponents]
        if not fine and len(exponents) > 1:
            spread = [abs(c - exponents[0]) for c in exponents if c != exponents[0]]
            numbers = spread or numbers
        return common_measure(numbers)


def leaves_of(variable: Variable) -> list[Leaf]:
    """The functions of a region, which several rules and readings ask for one after another."""
    leaves = once(variable, "leaves", lambda: _all_leaves(variable))
    if leaves is None:
        raise TooBigError
    return leaves


def _all_leaves(variable: Variable) -> list[Leaf] | None:
    try:
        return list(_leaves(variable, (), set()))
    except TooBigError:
        return None


def _leaves(
    variable: Variable, moves: Moves, seen: set[tuple[Variable, Hashable]]
) -> Iterator[Leaf]:
    key = (variable, moves_key(moves))
    node = variable.owner
    if node is None or key in seen:
        return
    seen.add(key)
    if len(seen) > MOST_NODES:
        raise TooBigError
    op = scalar_op_of(node)
    if moves and op is not None and broadcasts(node):
        return
    if (softplus := softplus_below(node)) is not None:
        inner = softplus[1]
        yield Leaf(psm.sigmoid, as_multiple(inner.inputs[0]), moves, inner.outputs[0])
    elif is_a(op, *FUNCTIONS):
        if is_float(variable):
            yield Leaf(op, as_multiple(node.inputs[0]), moves, variable)
    elif (odd := abs_of_odd(node)) is not None:
        yield Leaf(scalar_op_of(odd), absolute(odd), moves, variable)  # type: ignore[arg-type]
    elif (below := moved(node, moves)) is not None:
        yield from _leaves(*below, seen)
    elif is_a(op, *SUMS, *ARITHMETIC) and is_float(variable):
        for operand in node.inputs:
            yield from _leaves(operand, moves, seen)
    elif (inside := clipped(node)) is not None:
        yield from _leaves(inside, moves, seen)
