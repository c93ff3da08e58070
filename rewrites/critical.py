"""Rules of the engine: sums over their critical values, products of what they leave, logarithms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import (
    add,
    cosh,
    exp,
    log,
    log1p,
    log2,
    log10,
    mul,
    reciprocal,
    sqrt,
    sub,
    true_div,
)
from pytensor.tensor.math import pow as pt_pow

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra import labels
from pytensor_stabilize.rewrites.algebra.arguments import FUNCTIONS, is_float, kind_of
from pytensor_stabilize.rewrites.algebra.building import Builder, needed, spent
from pytensor_stabilize.rewrites.algebra.companions import functions
from pytensor_stabilize.rewrites.algebra.conjugates import of_roots
from pytensor_stabilize.rewrites.algebra.factoring import OVER_DENOMINATOR, Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Residue, Symbol, families
from pytensor_stabilize.rewrites.algebra.filters import may_cancel, may_merge
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Form,
    Generator,
    merged,
)
from pytensor_stabilize.rewrites.algebra.growth import leaves_the_floats
from pytensor_stabilize.rewrites.algebra.homogeneous import of_one_sign
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.logs import LogBuilder
from pytensor_stabilize.rewrites.algebra.products import grows_one_way, spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.algebra.shorter_sums import over_common_sum, without_opposites
from pytensor_stabilize.rewrites.algebra.survey import leaves_of
from pytensor_stabilize.rewrites.algebra.weights import in_weights, where_positive
from pytensor_stabilize.rewrites.interning import interned, same_up_to_order
from pytensor_stabilize.rewrites.matching import exact_constant
from pytensor_stabilize.rewrites.memory import once
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.spelling import spelled

_ONE_TERM = [(Fraction(1), ONE)]
_LOG_SCALES = {log2: 1 / math.log(2), log10: 1 / math.log(10)}
# A sum of so many terms may grow by factoring, 1 - s * t to q + p * (1 - t) for example.
_FEW_TERMS = 3


_OVERFLOWS = Left("rewritten, a part of it would overflow, or be 0, before any part of it is")


def readings(variable: Variable, open_sums: bool = False, closed: bool = False) -> Iterator[Reader]:
    """Readings to try in turn: the coarse unit of the arguments, the fine one, open sums.

    Below a logarithm sums are open from the start: the complement of ``q + p (1 - y)`` is ``p y``.
    """
    reader = Reader(open_sums=open_sums, closed=closed)
    if not reader.survey(variable):
        return
    yield reader
    ways = [(True, open_sums)] if reader.has_choice else []
    if not open_sums and not closed and reader.sums:
        ways.append((False, True))
    for fine, opened in ways:
        other = Reader(fine, opened, closed)
        other.survey(variable)
        yield other


@within_limits
def sum_at_critical_value(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Factor a sum that vanishes where a function in it takes a critical value."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    result = factored_sum(output)
    if not isinstance(result, Variable):
        return result
    if not leaves_the_floats(result, output):
        if equal_computations([result], [output]):
            return None
        # As it will be in the graph: what is read of it now is read then.
        result = interned(spelled(result, fgraph), node, fgraph, {})
        return None if _undoes(result, node, fgraph) else result
    # What its factors hide, their own sums mend.
    closed = _factored_sum(output, readings(output, closed=True))
    if isinstance(closed, Variable) and not leaves_the_floats(closed, output):
        return closed
    return _OVERFLOWS


def factored_sum(output: Variable) -> Variable | Left | None:
    """A sum factored, once for the check that it does not undo a rule and for the rule itself."""
    return once(output, factored_sum, lambda: _factored_sum(output, readings(output)))


def opened(output: Variable) -> tuple[Reader, Factored]:
    """A sum with the sums in it multiplied out and factored, and how it was read."""
    reader = Reader(open_sums=True)
    reader.survey(output)
    return reader, canonical(reader.terms(output), reader.is_leaf, reduce_all=False)


def opened_sum(output: Variable) -> Variable | None:
    """The graph of that, where it shows a root."""
    reader, found = opened(output)
    if not found.hidden:
        return None
    gathered = labels.with_labels_gathered(found, reader.sums)
    return Builder(reader, str(output.type.dtype)).product(gathered)


def _factored_sum(output: Variable, ways: Iterable[Reader]) -> Variable | Left | None:
    reason: Left | None = None
    # A reading to build if none shows a root: of labels only, of roots, or of fewer functions.
    later: tuple[Reader, Factored] | None = None
    conjugate: tuple[Reader, Factored] | None = None
    shorter: tuple[Reader, Factored] | None = None
    dtype = str(output.type.dtype)
    for reader in ways:
        terms = reader.terms(output)
        shorter_sum = without_opposites(output, reader, terms)
        if shorter_sum is not None:
            return shorter_sum
        if reader.leaves > 1 and may_merge(terms):
            whole = canonical(terms, reader.is_leaf)
            if not whole.coefficient:
                return pt.zeros_like(output)
            form, price = merged(terms), reader.cost(output)
            smaller = needed(whole) == price and labels.loses_less(whole, form)
            if spent(whole) < sum(map(functions, form)) and (needed(whole) < price or smaller):
                if whole.is_product:
                    # s + s * exp(x) is exp(x): what a gradient leaves
                    return Builder(reader, dtype).product(whole)
                shorter = shorter or (reader, whole)
        if not may_cancel(terms):
            # What is a common factor of the sum stays one when inner sums are opened.
            later = conjugate = None
            break
        found = in_weights(canonical(terms, reader.is_leaf, reduce_all=False), reader.sums)
        if not found.coefficient:
            return pt.zeros_like(output)
        below = [len(g.items) for _, m in terms for g, _ in m if isinstance(g, Residue)]
        if len(found.residual) > max(_FEW_TERMS, len(terms), *below):
            reason = Left("factored, the sum would have more terms than it has")
            continue
        if len(found.residual) > max(_FEW_TERMS, len(signed_terms(output))):
            apart = over_common_sum(output, reader)
            if apart is not None:
                return apart
        if not found.hidden:
            positive = of_one_sign(found.residual)
            if positive is not None:
                return Builder(reader, dtype).product(replace(found, residual=positive))
            conjugate = conjugate or of_roots(terms, reader)
            if families([found.factors]) and labels.is_complement(found.residual):
                shorter = shorter or (reader, found)  # w a - a, where w is close to 1
            reason = Left("no root at a critical value is hidden by the sum")
            continue
        if reader.open_sums and not _opened(reader, found, output):
            continue
        if reader.sums and not reader.open_sums and found.only_labels:
            later = later or (reader, found)  # 1 - (c + (1 - c) s) has more to give, opened
            continue
        if shorter is not None and spent(shorter[1]) < spent(found) and not found.only_labels:
            reader, found = shorter
        gathered = labels.with_labels_gathered(found, reader.sums)
        if not gathered.residual:
            return pt.zeros_like(output)
        builder = Builder(reader, dtype)
        split = where_positive(gathered, reader.sums)
        if split is None:
            return builder.product(gathered)
        weight, changed = split
        otherwise = Factored(Fraction(1), residual=gathered.residual)
        both = map(builder.product, (changed, otherwise))
        either = pt.switch(pt.gt(weight, 0), *both)
        return mul(builder.product(replace(gathered, residual={ONE: Fraction(1)})), either)
    chosen = later or conjugate or shorter
    if chosen is not None:
        reader, found = chosen
        return Builder(reader, dtype).product(found)
    return reason


def _opened(reader: Reader, found: Factored, output: Variable) -> bool:
    """Whether multiplying out the sums in a sum is of use, and gives something new."""
    closed = Reader(reader.fine)
    closed.survey(output)
    spelled = merged(closed.terms(output))
    if len({c > 0 for c in spelled.values()}) < 2:
        return False
    if len(found.residual) > max(_FEW_TERMS, len(spelled)):
        return False  # y (..) + (1 - y) (..), in which the label cancels again
    if len(found.residual) > 1 and all(root.startswith("t ") for root in found.hidden):
        return False  # p - q (1 - y) is p at y = 1, and t + q y cancels there
    whole: Form = {}
    for factors, c in found.residual.items():
        coefficient = found.coefficient * c
        named: list[tuple[Generator, Exponent]] = []
        for generator, power in factors | found.factors:
            if isinstance(generator, Residue):
                sign, known = _named(reader, generator)
                coefficient *= sign ** int(power)
                named.append((known, power))
            else:
                named.append((generator, power))
        whole[frozenset(named)] = coefficient
    return whole != spelled


def _named(reader: Reader, generator: Residue) -> tuple[int, Symbol | Residue]:
    """A sum that stands in the graph, as the symbol that a closed reading makes of it."""
    for items, variable in reader.sums.items():
        for sign in (1, -1):
            if {(m, sign * c) for m, c in generator.items} == {(m, c) for c, m in items}:
                return sign, Symbol(variable, ())
    return 1, generator


def _undoes(result: Variable, old: Apply, fgraph: FunctionGraph) -> bool:
    """Whether the result, or a term of it, would be made what it is in the graph."""
    node = result.owner
    if node is None or node.op not in (add, sub):
        return False
    back = factored_sum(node.outputs[0])
    if isinstance(back, Variable):
        back = interned(spelled(back, fgraph), old, fgraph, {})
        if same_up_to_order(back, old.outputs[0]):
            return True
    for term in node.inputs:
        if term in old.inputs or term.owner is None:
            continue
        if _is_spread(term):
            return True
        if term.owner.op not in (add, sub):
            continue
        again = factored_sum(term)
        if isinstance(again, Variable):
            again = interned(again, old, fgraph, {})
            if any(_read_the_same(again, v) for v in old.inputs):
                return True
    return False


def _is_spread(quotient: Variable) -> bool:
    """Whether PyTensor divides the terms of a sum each on its own: ``(a q + b) / q`` again."""
    node = quotient.owner
    if node is None or node.op != true_div:
        return False
    above, below = map(_factors, node.inputs)
    sums = [v.owner for v in above if v.owner is not None and v.owner.op in (add, sub)]
    return any(v in _factors(term) for total in sums for term in total.inputs for v in below)


def _factors(product: Variable) -> list[Variable]:
    """The factors of a product, of a quotient those above."""
    node = product.owner
    if node is not None and node.op == true_div:
        return _factors(node.inputs[0])
    return list(node.inputs) if node is not None and node.op == mul else [product]


def _read_the_same(a: Variable, b: Variable) -> bool:
    reader = Reader(open_sums=True)
    reader.survey(pt.add(a, b))
    return merged(reader.terms(a)) == merged(reader.terms(b))


@within_limits
def product_of_companions(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Cancel companions between the factors of a product, numerator and denominator."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    if node.op == true_div and exact_constant(node.inputs[1]) == 1:
        # What p + q was factored to.  PyTensor drops it in canonicalize alone.
        return node.inputs[0]
    if not _may_save(node):
        return None
    for reader in readings(output):
        found = spelled_product(reader, output)
        result = found.build(reader, output.type.dtype) if found.coefficient else None
        if result is None or equal_computations([result], [output]):
            continue
        return _OVERFLOWS if leaves_the_floats(result, output) else result
    return None


def _may_save(node: Apply) -> bool:
    """Whether two functions could cancel, or a constant go into what a sum is factored to."""
    if node.op in (sqrt, exp, pt_pow):
        return True
    found: Counter[Hashable] = Counter()
    for operand in node.inputs:
        below = node.op == reciprocal or (node.op == true_div and operand is node.inputs[1])
        keys = [(kind_of(x.op), x.argument.core) for x in leaves_of(operand)]
        # A numerator that cancels in itself is looked at on its own; a denominator turns over.
        found.update(keys if below else set(keys))
    if any(n > 1 for n in found.values()):
        return not grows_one_way(node.outputs[0])
    sums = any(v.owner is not None and v.owner.op in (add, sub) for v in node.inputs)
    # A sign stays where it is.
    return sums and any(c is not None and abs(c) != 1 for c in map(exact_constant, node.inputs))


@within_limits
def log_of_companions(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Logarithm of a product of companions as a sum; of a sum close to 1 by its complement."""
    (output,), (argument,) = node.outputs, node.inputs
    if not (is_float(output) and is_float(argument)) or argument.owner is None:
        return None
    if argument.owner.op == cosh:
        return None  # it has a rule of its own, with fewer functions
    plus_one = node.op == log1p
    for reader in readings(argument, open_sums=True):
        if plus_one:
            summed = [*_ONE_TERM, *reader.terms(argument)]
            found = canonical(summed, reader.is_leaf)
            if not found.hidden and (roots := of_roots(summed, reader)) is not None:
                _, found = roots
            # 1 + (1 - f) / f is what the logarithm of f was written as
            if not found.hidden or OVER_DENOMINATOR in found.hidden or not found.coefficient:
                continue
            coefficient, factors, hidden = found.coefficient, found.as_monomial(), True
        else:
            product = spelled_product(reader, argument)
            coefficient, factors, hidden = product.coefficient, product.factors, False
        if not coefficient:
            continue
        builder = Builder(reader, output.type.dtype)
        result = LogBuilder(reader, builder).build(coefficient, factors, hidden)
        if result is not None:
            scale = _LOG_SCALES.get(node.op)
            return result if scale is None else result * pt.constant(scale, output.type.dtype)
    return None


CRITICAL: tuple[Rule, ...] = (
    Rule(
        name="sum_at_critical_value",
        before=lambda x: symbols.sigmoid(x) - symbols.sigmoid(x) ** 2,
        after=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="a polynomial in sigmoid, tanh, exp, erf or cos is 0 far from its root",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_at_critical_value,
        needs=FUNCTIONS,
        source="p + q = 1, p - q = t, p / q = exp(u) for p = sigmoid(u), q = sigmoid(-u)",
    ),
    Rule(
        name="product_of_companions",
        before=lambda x: symbols.exp(x) / (1 + symbols.exp(x)) ** 2,
        after=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="a quotient is inf / inf or 0 / 0 where its factors over- or underflow",
        databases=("stabilize", "specialize"),
        tracks=(mul, true_div, sqrt, pt_pow, reciprocal, exp),
        transform=product_of_companions,
        needs=FUNCTIONS,
        source="as above",
    ),
    Rule(
        name="log_of_companions",
        before=lambda x: symbols.log(symbols.sigmoid(x) * (1 - symbols.sigmoid(x))),
        after=lambda x: -symbols.softplus(-x) - symbols.softplus(x),
        domain={"x": REAL},
        promise=4.0,
        mends="log(s * (1 - s)) is -inf beyond 37, log(1 - s * t) is 0 where s * t is below 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(log, log1p, log2, log10),
        transform=log_of_companions,
        needs=FUNCTIONS,
        source="log sigmoid(x) = -softplus(-x), log f = -log1p((1 - f) / f)",
    ),
)
