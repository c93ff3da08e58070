"""Functions of one ``|x|`` in a graph: what can share one exponential."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import mul

from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    signed_key,
)

# Log 2 of what an argument is to be multiplied by: tanh(u) is made of exp(-|2 u|).
KINDS: dict[type, int] = {psm.Sigmoid: 0, psm.Softplus: 0, ps.Tanh: 1}


@dataclass(frozen=True)
class Member:
    """A function of ``sign * 2**-n * x``; the sign is 0 where it differs between elements."""

    kind: type
    sign: int
    argument: Variable


@dataclass
class Family:
    """The functions of one argument up to sign.

    Attributes
    ----------
    x
        The argument of one of them, or its double.
    own_sign
        The sign of that one.
    members
        By the variables that they compute.
    """

    x: Variable
    own_sign: int
    members: dict[Variable, Member]

    def is_alone(self) -> bool:
        """Whether only one function is taken, of one argument."""
        return len({(member.kind, member.sign) for member in self.members.values()}) == 1

    def sign(self, variable: Variable) -> int:
        """The sign in ``sigmoid(+-x)``; 0 for what is no such sigmoid."""
        member = self.members.get(variable)
        return member.sign if member is not None and member.kind is psm.Sigmoid else 0


def families_of(nodes: Iterable[Apply]) -> list[Family]:
    """The nodes, whose scalar ops are of the classes in `KINDS`, by their arguments."""
    groups: dict[Hashable, dict[Variable, Member]] = defaultdict(dict)
    for node in nodes:
        (u,) = node.inputs
        kind = type(scalar_op_of(node))
        sign, exponent, key = scaled_key(u)
        alike = (key, exponent + KINDS[kind], u.type.dtype, u.type.broadcastable)
        groups[alike][node.outputs[0]] = Member(kind, sign, u)
    families = []
    for members in groups.values():
        plainest = max(members.values(), key=lambda m: (-KINDS[m.kind], abs(m.sign), m.sign))
        families.append(Family(full_argument(plainest), plainest.sign, members))
    return families


def full_argument(member: Member) -> Variable:
    """The argument in whose exponential the member is expressed."""
    return doubled(member.argument) if KINDS[member.kind] else member.argument


def scaled_key(variable: Variable) -> tuple[int, int, Hashable]:
    """Return ``(sign, n, key)``; arguments of one key are equal up to sign and a factor 2**n.

    Products with powers of 2 are exact.  The sign is 0 for ``|x|`` and for a switch between x
    and -x.
    """
    sign, key = signed_key(variable)
    match key:
        case ("mul", Fraction() as constant, frozenset() as factors) if constant:
            exponent = trailing_zeros(constant.numerator) - trailing_zeros(constant.denominator)
            odd = constant / Fraction(2) ** exponent
            (factor, count), *others = factors
            if odd == 1 and count == 1 and not others:
                inner_sign, inner_exponent, inner = scaled_key(factor)
                return sign * inner_sign, exponent + inner_exponent, inner
            return sign, exponent, ("mul", odd, factors)
        case Variable(owner=Apply() as node):
            if is_a(scalar_op_of(node), ps.Abs):
                _, exponent, inner = scaled_key(node.inputs[0])
                return 0, exponent, inner
            if is_a(scalar_op_of(node), ps.Switch):
                _, *branches = node.inputs
                (_, *one), (_, exponent, inner) = map(scaled_key, branches)
                if one == [exponent, inner]:
                    return 0, exponent, inner
    return sign, 0, key


def trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def doubled(variable: Variable) -> Variable:
    """``2 * variable``, with a constant factor doubled."""
    node = variable.owner
    if node is not None and node.op == mul:
        constants = [i for i in node.inputs if exact_constant(i) is not None]
        others = [i for i in node.inputs if exact_constant(i) is None]
        data = getattr(constants[0], "data", None) if len(constants) == 1 and others else None
        if data is not None and data.dtype == variable.type.dtype:
            product = product_of(others)
            if exact_constant(constants[0]) == Fraction(1, 2) and (
                same_pattern(product, variable) and product.type.dtype == variable.type.dtype
            ):
                return product
            return mul(pt.constant(2 * data), *others)
    # Of full rank: constant folding is over, so a DimShuffle of a scalar would run at every call.
    two = np.full((1,) * variable.type.ndim, 2, dtype=variable.type.dtype)
    return mul(pt.constant(two), variable)


def products(fgraph: FunctionGraph, family: Family) -> list[Apply]:
    """Products in which both sigmoids of the family are factors."""
    found: dict[Apply, None] = {}
    for variable in family.members:
        for client, _ in fgraph.clients.get(variable, ()):
            if client.op == mul and all(_split(client, family)):
                found[client] = None
    return list(found)


def with_density(node: Apply, family: Family, density: Variable) -> Variable:
    """The product, with each ``sigmoid(x) * sigmoid(-x)`` in it as one factor."""
    plus, minus = _split(node, family)
    pairs = min(len(plus), len(minus))
    taken = {*plus[:pairs], *minus[:pairs]}
    rest = [v for i, v in enumerate(node.inputs) if i not in taken]
    return product_of([density] * pairs + rest)


def _split(node: Apply, family: Family) -> tuple[list[int], list[int]]:
    """Positions of the factors sigmoid(x) and sigmoid(-x) among the node's inputs."""
    signs = [family.sign(v) for v in node.inputs]
    return [i for i, s in enumerate(signs) if s > 0], [i for i, s in enumerate(signs) if s < 0]
