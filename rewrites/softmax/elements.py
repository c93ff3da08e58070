"""Sums and logarithms of softmax components at an index: derivatives of ``softmax(x)[i]`` and kin.

The polynomial that an element of a row is in the component p of that element is factored over its
critical roots, as those in a sigmoid are (`rewrites.algebra.factoring`); with the other components

- ``q = 1 - p`` is their sum;
- ``t = p - q`` is p minus the largest of them, as an expm1, minus the sum of the others;
- ``log(q)`` is minus the softplus of the log-odds ``x[i] - logsumexp(the others)``;
- ``p[j] / q`` is a component of the softmax without x[i];
- ``g[i] - sum(g p)`` is what `rules.centred` computes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import log1p
from pytensor.tensor.special import LogSoftmax
from pytensor.tensor.subtensor import set_subtensor

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Monomial,
    Term,
    TooBigError,
    merged,
    monomial,
    times,
)
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import sum_of
from pytensor_stabilize.rewrites.matching import FLOATS
from pytensor_stabilize.rewrites.rules import Left
from pytensor_stabilize.rewrites.softmax.building import Builder, argument_of_share
from pytensor_stabilize.rewrites.softmax.components import (
    above_half,
    centred,
    log_odds,
    rest_of,
)
from pytensor_stabilize.rewrites.softmax.factoring import factored, no_leaf
from pytensor_stabilize.rewrites.softmax.forms import Forms
from pytensor_stabilize.rewrites.softmax.generators import (
    Hot,
    LeftOverError,
    Mean,
    Row,
    UnreadError,
    component_of,
    is_in_shares_of_pairs,
    is_share,
    with_components,
    with_shares_of_pairs,
)
from pytensor_stabilize.rewrites.softmax.groups import others_of_several
from pytensor_stabilize.rewrites.softmax.matching import adds_up, nearest

_MOST_ELEMENTS = 4


def _opened(fgraph: FunctionGraph, output: Variable) -> tuple[Forms, Variable] | None:
    """A reader of the rows of the softmax that is nearest to a variable."""
    if output.type.dtype not in FLOATS:
        return None
    x = nearest(output)
    if x is None:
        return None
    exponents, axes = x
    if len(axes) != 1 or exponents.type.ndim - output.type.ndim not in (0, 1):
        return None
    return Forms(fgraph, exponents, axes[0], output.type.dtype), exponents


@within_limits
def sum_of_elements(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Factor a polynomial in softmax components where it hides a root."""
    (output,) = node.outputs
    opened = _opened(fgraph, output)
    if opened is None:
        return None
    forms, exponents = opened
    if getattr(node.op, "set_instead_of_inc", False):
        return None
    try:
        if forms.is_row(output):
            return _row(forms, output, exponents)
        found = factored(forms, forms.scalar(output))
        if found is None:
            return None
        if not found.coefficient:
            return pt.zeros_like(output)
        return forms.shaped(Builder(forms).scalar(found), output)
    except (UnreadError, LeftOverError):
        return None


def _row(
    forms: Forms, output: Variable, exponents: Variable, whole: bool = False
) -> Variable | None:
    """A row with elements of its own at some indices, if these hide a root; or as a whole."""
    terms = forms.row(output)
    indices = list(dict.fromkeys(g.place for _, m in terms for g, _ in m if isinstance(g, Hot)))
    tilted = None if indices else _tilted(forms, terms)
    if not (indices or tilted or whole) or len(indices) > _MOST_ELEMENTS:
        return None
    elements = [(index, forms.at(index, terms)) for index in indices]
    found_at = [(index, read, factored(forms, read)) for index, read in elements]
    # Written out, the exponentials of the row overflow.
    if not (forms.written_out or tilted or any(found for _, _, found in found_at)):
        return None
    builder = Builder(forms, frozenset(indices))
    if tilted is not None:
        p, g, factor, rest = tilted
        gap = centred(p, builder.row([(Fraction(1), g)], exponents), (forms.axis,))
        product = pt.mul(builder.row([factor], exponents), gap)
        return sum_of([product, builder.row(rest, exponents)]) if rest else product
    base = [(c, m) for c, m in terms if not any(isinstance(g, Hot) for g, _ in m)]
    result = builder.row(base, exponents)
    for index, read, found in found_at:
        if found is None:
            found = canonical(read, no_leaf, reduce_all=False)
        value = builder.scalar(found) if found.coefficient else pt.zeros((), dtype=forms.dtype)
        result = set_subtensor(forms.pick(result, index), value)
    return result


def _tilted(forms: Forms, terms: list[Term]) -> tuple[Variable, Monomial, Term, list[Term]] | None:
    """``c g / sum(g p) - c``, of ``log(sum(g p))``: p, g, ``c / sum(g p)``, the other terms."""
    for large in terms:
        for mean, power in large[1]:
            if not isinstance(mean, Mean) or power > -1:
                continue
            for row, one in mean.rows:
                if one != 1 or not isinstance(row, Row) or not adds_up(row.variable, forms.axis):
                    continue
                g = mean.rows - {(row, one)}
                wanted = times(large[1], monomial([(mean, 1)]))
                for small in terms:
                    if g and small[0] == -large[0] and times(small[1], g) == wanted:
                        factor = large[0], times(small[1], monomial([(mean, -1)]))
                        rest = [term for term in terms if term is not large and term is not small]
                        return row.variable, g, factor, rest
    return None


def written_out_element(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``exp(x)[i] / sum(exp(x))``, ``sum(w exp(x)) / sum(exp(x))``, with whatever else it has."""
    (output,) = node.outputs
    opened = _opened(fgraph, output)
    if opened is None:
        return None
    forms, exponents = opened
    try:
        if forms.is_row(output):
            read = [g for m in merged(forms.row(output)) for g, _ in m]
            # Others, and what is 0, the rules of `rules` read.
            if not forms.written_out or not any(isinstance(g, Hot | Mean) for g in read):
                return None
            return _row(forms, output, exponents, whole=True)
        terms = with_shares_of_pairs(forms.scalar(output))
        if not (forms.written_out or is_in_shares_of_pairs(terms)):
            return None
        if len(terms) != 1:
            found = factored(forms, terms)
            if found is None or not found.coefficient:
                return None
            return forms.shaped(Builder(forms).scalar(found), output)
        ((coefficient, factors),) = terms
        factors = with_components(factors)
        if not any(isinstance(g, Member | Mean) for g, _ in factors):
            return None
        return forms.shaped(Builder(forms).scalar(Factored(coefficient, factors)), output)
    except (TooBigError, UnreadError, LeftOverError):
        return None


@within_limits
def log_of_elements(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(1 - p[i])`` and logarithms of products with it."""
    (output,), (argument,) = node.outputs, node.inputs
    opened = _opened(fgraph, argument)
    if opened is None or argument.type.dtype != output.type.dtype:
        return None
    forms, _ = opened
    if forms.is_row(argument):
        return None
    try:
        terms = forms.scalar(argument)
        if node.op == log1p:
            terms = [(Fraction(1), ONE), *terms]
        found = canonical(with_shares_of_pairs(terms), no_leaf, reduce_all=False)
        found = replace(found, factors=with_components(found.factors))
        logarithm = _logarithm(forms, found, output)
        return _log_of_several(forms, terms, node) if logarithm is None else logarithm
    except (UnreadError, LeftOverError):
        return None


def _logarithm(forms: Forms, found: Factored, output: Variable) -> Variable | None:
    members = [(g, n) for g, n in found.factors if isinstance(g, Member) and n == int(n)]
    shared = any(is_share(g.family) for g, _ in members)
    gaps = [(g, n) for g, n in members if g.companion == "q" or (shared and g.companion == "p")]
    if not gaps or found.coefficient <= 0:
        return None
    parts = []
    for generator, power in gaps:
        log_of_it = _log_of_member(forms, generator)
        parts.append(log_of_it if power == 1 else log_of_it * np.asarray(power, forms.dtype))
    rest = found.factors - set(gaps)
    if rest or found.coefficient != 1 or not found.is_product:
        left = Factored(found.coefficient, rest, found.residual)
        parts.append(pt.log(Builder(forms).scalar(left)))
    return forms.shaped(sum_of(parts), output)


def _log_of_several(forms: Forms, terms: list[Term], node: Apply) -> Variable | None:
    """``log(p[i] + p[j]) -> log1p(-r)`` where r, the sum of the others, is small; and log(r).

    Neither keeps its digits where its logarithm comes close to 0: what it was does.
    """
    (output,), (argument,) = node.outputs, node.inputs
    others = others_of_several(terms)
    if others is not None and others.coefficient > 0:
        rest = forms.shaped(Builder(forms).scalar(others), output)
        if node.op != log1p:
            return pt.log(rest)
        near = pt.lt(rest, np.asarray(0.5, forms.dtype))
        small = pt.switch(near, rest, pt.ones((), dtype=forms.dtype))
        far = pt.switch(near, pt.zeros((), dtype=forms.dtype), argument)
        return pt.switch(near, pt.log(small), pt.log1p(far))
    others = others_of_several([(Fraction(1), ONE), *((-c, m) for c, m in terms)])
    if others is None or others.coefficient <= 0 or not others.is_product:
        return None
    rest = forms.shaped(Builder(forms).scalar(others), output)
    near = pt.lt(rest, np.asarray(0.5, forms.dtype))
    small = pt.switch(near, rest, pt.zeros((), dtype=forms.dtype))
    harmless = np.asarray(0 if node.op == log1p else 1, forms.dtype)
    far = node.op(pt.switch(near, harmless, argument))
    return pt.switch(near, pt.log1p(pt.neg(small)), far)


def _log_of_member(forms: Forms, generator: Member) -> Variable:
    if is_share(generator.family):
        u = argument_of_share(forms, generator.family)
        return pt.neg(pt.softplus(u if generator.companion == "q" else pt.neg(u)))
    p, index = component_of(generator.family)
    if generator.companion == "p":
        return forms.pick(LogSoftmax(axis=(forms.axis,))(forms.logits(p)), index)
    component = forms.pick(p, index)
    far = pt.neg(pt.softplus(log_odds(p, forms.picks[index], forms.axis)))
    return pt.switch(above_half(component), far, pt.log1p(pt.neg(rest_of(component))))
