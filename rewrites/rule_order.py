"""All rules, in the order in which they are asked at one op."""

from dataclasses import replace

import pytensor.scalar.math as psm
from pytensor.scalar import basic as ps
from pytensor.tensor.math import Sum
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax

from pytensor_stabilize.rewrites.additive import ADDITIVE
from pytensor_stabilize.rewrites.arctangents import ARCTANGENTS
from pytensor_stabilize.rewrites.asymptotes import ASYMPTOTES
from pytensor_stabilize.rewrites.branches import BRANCHES
from pytensor_stabilize.rewrites.clips import CLIPS
from pytensor_stabilize.rewrites.common_powers import COMMON_POWERS
from pytensor_stabilize.rewrites.critical import CRITICAL
from pytensor_stabilize.rewrites.differences.addition import ADDITION
from pytensor_stabilize.rewrites.differences.rules import DIFFERENCES, OVER_DIFFERENCES
from pytensor_stabilize.rewrites.distances import DISTANCES
from pytensor_stabilize.rewrites.exponentials.log1mexp_sums import LOG1MEXP_SUMS
from pytensor_stabilize.rewrites.exponentials.log_exprel import LOG_EXPREL
from pytensor_stabilize.rewrites.exponentials.log_shares import LOG_SHARES
from pytensor_stabilize.rewrites.exponentials.log_two import LOG_TWO_RULES
from pytensor_stabilize.rewrites.exponentials.logaddexp import LOGADDEXP
from pytensor_stabilize.rewrites.exponentials.logs import LOG_SUMS
from pytensor_stabilize.rewrites.exponentials.nested import NESTED
from pytensor_stabilize.rewrites.exponentials.shares import SHARES
from pytensor_stabilize.rewrites.extremes import EXTREMES
from pytensor_stabilize.rewrites.guards import GUARDS
from pytensor_stabilize.rewrites.jax_lowering import JAX_LOWERING
from pytensor_stabilize.rewrites.log_parts import LOG_PARTS
from pytensor_stabilize.rewrites.logistic import LOGISTIC
from pytensor_stabilize.rewrites.lowering import LOWERING
from pytensor_stabilize.rewrites.monotone import MONOTONE
from pytensor_stabilize.rewrites.normal.inverse import INVERSE
from pytensor_stabilize.rewrites.normal.ops import FAMILY as NORMAL_FAMILY
from pytensor_stabilize.rewrites.normal.table import NORMAL
from pytensor_stabilize.rewrites.paired_quotients import PAIRS
from pytensor_stabilize.rewrites.powers import POWERS
from pytensor_stabilize.rewrites.powers_near_one import POWERS_NEAR_ONE
from pytensor_stabilize.rewrites.products_over_axes import PRODUCTS_OVER_AXES
from pytensor_stabilize.rewrites.pullbacks import PULLBACKS
from pytensor_stabilize.rewrites.rational.rules import RATIONAL
from pytensor_stabilize.rewrites.reduced_sums import REDUCED_SUMS
from pytensor_stabilize.rewrites.removable import REMOVABLE
from pytensor_stabilize.rewrites.roots import ROOTS
from pytensor_stabilize.rewrites.rules import Rule
from pytensor_stabilize.rewrites.scaling import SCALING
from pytensor_stabilize.rewrites.shapes.indexed_sums import INDEXED_SUMS
from pytensor_stabilize.rewrites.shapes.joins import JOINS
from pytensor_stabilize.rewrites.shapes.scatters import SCATTERS
from pytensor_stabilize.rewrites.softmax.cumulative import CUMULATIVE
from pytensor_stabilize.rewrites.softmax.logs import LOG_SOFTMAX
from pytensor_stabilize.rewrites.softmax.one_row import ONE_ROW
from pytensor_stabilize.rewrites.softmax.parts import PARTS
from pytensor_stabilize.rewrites.softmax.reference import REFERENCE
from pytensor_stabilize.rewrites.softmax.rules import SOFTMAX
from pytensor_stabilize.rewrites.softsign import SOFTSIGN
from pytensor_stabilize.rewrites.symbolic_powers import SYMBOLIC_POWERS


def needing(rules: tuple[Rule, ...], *kinds: type | tuple[type, ...]) -> tuple[Rule, ...]:
    """The rules, to be asked only in graphs with an operation of one of the classes."""
    return tuple(rule if rule.needs else replace(rule, needs=kinds) for rule in rules)


def local(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules, which look at nothing but what a node is computed from."""
    return tuple(replace(rule, is_local=True) for rule in rules)


SOFTMAX_NEEDS = (Softmax, LogSoftmax, LogSumExp, (ps.Exp, Sum))
# For one op the rules run in this order: roots in one argument, (1 - p) (1 - r) multiplied out,
# before differences of two, which would take pairs out of it.  What has such a difference as a
# factor comes before both: multiplied out, it is not found again.  Symbolic powers of one base are
# taken together first, since a common factor taken out leaves others in a sum of quotients.
RULES: tuple[Rule, ...] = (
    local(LOGISTIC)
    + local(needing(OVER_DIFFERENCES, psm.Sigmoid, ps.Tanh, ps.Exp))
    + JOINS
    + INDEXED_SUMS
    + SCATTERS
    + COMMON_POWERS
    + LOG_SHARES
    + DISTANCES
    + local(EXTREMES)
    + local(CRITICAL)
    + LOG_PARTS
    + PRODUCTS_OVER_AXES
    + REDUCED_SUMS
    + BRANCHES
    + CLIPS
    + GUARDS
    + MONOTONE
    + local(SYMBOLIC_POWERS)
    + local(POWERS)
    + local(POWERS_NEAR_ONE)
    + local(RATIONAL)
    + local(SOFTSIGN)
    + local(ASYMPTOTES)
    + local(PULLBACKS)
    + needing(DIFFERENCES, psm.Sigmoid, ps.Tanh, ps.Exp, ps.Expm1, psm.Softplus, psm.Log1mexp)
    + local(ADDITION)
    + local(ADDITIVE)
    + local(ROOTS)
    + LOG_TWO_RULES
    + local(LOG_EXPREL)
    + local(LOG1MEXP_SUMS)
    + local(ARCTANGENTS)
    + LOG_SUMS
    + LOGADDEXP
    + SHARES
    + SCALING
    + needing(NORMAL, *NORMAL_FAMILY)
    + INVERSE
    + ONE_ROW
    + CUMULATIVE
    + PARTS
    + needing(SOFTMAX, *SOFTMAX_NEEDS)
    + needing(LOG_SOFTMAX, *SOFTMAX_NEEDS)
    + REFERENCE
    + NESTED
    + PAIRS
    + local(REMOVABLE)
    + JAX_LOWERING
    + LOWERING
)
