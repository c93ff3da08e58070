"""Signs and sizes of what a form is made of."""

from collections.abc import Hashable

from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid, Softplus

from pytensor_stabilize.rewrites.algebra.families import Member, Residue, Symbol
from pytensor_stabilize.rewrites.algebra.forms import Exponent, Generator, Term
from pytensor_stabilize.rewrites.matching import is_a, is_condition, scalar_op

# Functions that are above 0 at all finite arguments.
_POSITIVE = (ps.Exp, ps.Cosh, Sigmoid, Softplus)


def is_positive_companion(generator: Hashable) -> bool:
    """Whether a generator is a companion that is above 0 everywhere."""
    return (
        isinstance(generator, Member)
        and generator.companion != "t"
        and generator.family.kind != "cosine"
    )


def is_bounded(terms: list[Term]) -> bool:
    """Whether a sum of products has no factor that may be large."""
    return all(
        is_condition(g.variable)
        if isinstance(g, Symbol)
        else n > 0 or (isinstance(g, Residue) and is_above_0(g))
        for _, factors in terms
        for g, n in factors
    )


def is_above_0(generator: Hashable) -> bool:
    """Whether it is a companion, or a sum of companions, without a zero at finite arguments."""
    if not isinstance(generator, Residue):
        return is_positive_companion(generator) or _is_odd_of_positive(generator)
    return is_positive((generator, 1)) and not any(
        isinstance(g, Symbol) for m, _ in generator.items for g, _ in m
    )


def _is_odd_of_positive(generator: Hashable) -> bool:
    """``1 - exp(-exp(x))``: the companion with a zero, at an argument that has none."""
    if not isinstance(generator, Member) or generator.family.kind == "cosine":
        return False
    core = generator.family.core
    return isinstance(core, Variable) and is_a(scalar_op(core), *_POSITIVE)


def is_positive(factor: tuple[Generator, Exponent]) -> bool:
    """Whether a factor cannot be negative; a symbol may be."""
    generator, power = factor
    if power % 2 == 0:
        return True
    if isinstance(generator, Residue):
        return all(c > 0 and all(map(is_positive, m)) for m, c in generator.items)
    return isinstance(generator, Member) and generator.companion != "t"
