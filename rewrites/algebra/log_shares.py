"""The logarithm of a share, ``log(b / (b + exp(u))) = -log1p(exp(u) / b)``, as models write it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.companions import powers
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import Residue, Symbol, families, without
from pytensor_stabilize.rewrites.algebra.forms import Monomial, Term, monomial, times, to_power


def other_over_own(coefficient: Fraction, factors: Monomial) -> Term | None:
    """``b / a`` of a share ``a / (a + b)`` of two products."""
    below = [g for g, n in factors if isinstance(g, Residue) and n == -1]
    if len(below) != 1 or len(below[0].items) != 2:
        return None
    own = times(factors, monomial([(below[0], 1)]))
    (m, c), (n, d) = below[0].items
    if (own, coefficient) == (n, d):
        (m, c), (n, d) = (n, d), (m, c)
    return (d / c, times(n, to_power(m, -1))) if (own, coefficient) == (m, c) else None


def log_of_share(builder: Builder, coefficient: Fraction, factors: Monomial) -> Variable | None:
    """The logarithm of a share that holds a symbol and an exponential of one argument.

    Where the exponential is large it is the difference of the logarithms.
    """
    found = other_over_own(coefficient, factors)
    if found is None:
        return None
    c, ratio = found
    inner = families([ratio])
    if len(inner) != 1 or inner[0].kind != "logistic" or inner[0].moves:
        return None
    (family,) = inner
    p, q, t = powers(ratio, family)
    rest = without(ratio, family)
    if t or not p or p != -q or not rest or not all(isinstance(g, Symbol) for g, _ in rest):
        return None
    u = builder.argument(family, Fraction(1))
    rate = Fraction(p)
    floor = int(np.log(np.finfo(builder.dtype).tiny))
    end = builder.constant(Fraction(round(-floor / (2 * rate))))
    rises = rate > 0
    small = pt.lt(u, end) if rises else pt.gt(u, end)

    def at(kept: Variable, power: int) -> Variable:
        """The ratio, or one over it, at an argument that keeps it finite."""
        reader = builder.reader.with_argument(family, kept)
        product = Factored(c**power, to_power(ratio, power))
        return replace(builder, reader=reader, _made={}).product(product)

    near = pt.neg(pt.log1p(at(pt.minimum(u, end) if rises else pt.maximum(u, end), 1)))
    log = pt.log(builder.product(Factored(1 / c, to_power(rest, -1))))
    linear = u if abs(rate) == 1 else pt.mul(builder.constant(abs(rate)), u)
    log = pt.sub(log, linear) if rises else pt.add(log, linear)
    far = pt.sub(log, pt.log1p(at(pt.maximum(u, end) if rises else pt.minimum(u, end), -1)))
    return pt.switch(small, near, far)
