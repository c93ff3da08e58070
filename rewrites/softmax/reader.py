"""Read sums of products with softmax factors, whatever their spelling, and build them again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum, mul, neg, sub, true_div
from pytensor.tensor.special import Softmax

from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of, sum_of
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, without_cast
from pytensor_stabilize.rewrites.softmax.matching import (
    SCATTERS,
    axes_of,
    indexed_logit,
    is_exp,
    picks_rows,
    row_sum,
    softmax_axes,
)
from pytensor_stabilize.rewrites.softmax.terms import (
    ONE,
    Key,
    RowSum,
    Term,
    is_constant_along,
    is_one_hot,
    is_softmax_key,
    merged,
    of_key,
    order,
    softmax_keys,
)

# Bounds of what is read: deeper operands are opaque, longer sums are left.
_DEPTH = 8
_MOST_TERMS = 12
_LARGEST_POWER = 4
_MOST_LOOKED_AT = 200


class InexactError(Exception):
    """A coefficient that is no float of the dtype."""


@dataclass
class Reader:
    """Reads and builds the terms of one sum, in the dtype of that sum."""

    fgraph: FunctionGraph
    dtype: str
    distribute: bool = False
    built: dict[RowSum, Variable] = field(default_factory=dict)
    made: dict[tuple[Variable, tuple[int, ...]], Variable] = field(default_factory=dict)
    scatters: dict[Hashable, Variable] = field(default_factory=dict)
    _known: dict[tuple[Variable, int, bool], list[Term]] = field(default_factory=dict)

    def read(self, variable: Variable, depth: int = _DEPTH) -> list[Term]:
        """The terms of a variable; one opaque term if it is no arithmetic."""
        # Of second derivatives a part is met hundreds of times.
        key = variable, depth, self.distribute
        if key not in self._known:
            self._known[key] = self._read(variable, depth)
        return self._known[key]

    def _read(self, variable: Variable, depth: int) -> list[Term]:
        constant = exact_constant(variable)
        if constant is not None:
            return [Term(constant)]
        node = variable.owner
        if node is None or variable.type.dtype != self.dtype or not depth:
            return [of_key(variable)]
        if (condition := without_cast(variable)) is not variable:
            return [of_key(condition)]
        if is_a(node.op, Softmax):
            # Copies that are not merged yet are one and the same factor.
            return [of_key(self.softmax(node.inputs[0], softmax_axes(variable) or ()))]
        if is_a(node.op, DimShuffle):
            return [self._row_sum(node) or of_key(variable)]
        if is_a(node.op, *SCATTERS):
            return self._scattered(node, depth - 1)
        if not is_a(node.op, Elemwise):
            return [of_key(variable)]
        terms = self._read_elemwise(node, depth - 1)
        if terms is None or len(terms) > _MOST_TERMS:
            return [of_key(variable)]
        return [self._normalised(term) for term in terms]

    def _read_elemwise(self, node: Apply, depth: int) -> list[Term] | None:
        assert is_a(node.op, Elemwise)
        op, inputs = node.op.scalar_op, node.inputs
        if is_a(op, ps.Add):
            return [term for i in inputs for term in self.read(i, depth)]
        if is_a(op, ps.Sub, ps.Neg):
            minus = Term(Fraction(-1))
            kept = self.read(inputs[0], depth) if is_a(op, ps.Sub) else []
            return kept + [term.times(minus) for term in self.read(inputs[-1], depth)]
        if is_a(op, ps.Mul):
            product = [Term(Fraction(1))]
            for i in inputs:
                factor = self._factor(i, depth)
                product = [a.times(b) for a in product for b in factor]
                if len(product) > _MOST_TERMS:
                    return None
            return product
        if is_a(op, ps.TrueDiv, ps.Reciprocal):
            above = self._factor(inputs[0], depth) if is_a(op, ps.TrueDiv) else [ONE]
            below = self._single(inputs[-1], depth)
            return [t.times(below, -1) for t in above] if below.coefficient else None
        if is_a(op, ps.Exp):
            return self._read_exp(node)
        exponent = Fraction(2) if is_a(op, ps.Sqr) else None
        if is_a(op, ps.Pow):
            exponent = exact_constant(inputs[1])
        if exponent is None or exponent.denominator > 1 or abs(exponent) > _LARGEST_POWER:
            return None
        if exponent in (0, 1):
            return None
        base = self._single(inputs[0], depth)
        return [Term(Fraction(1)).times(base, int(exponent))] if base.coefficient else None

    def _read_exp(self, node: Apply) -> list[Term] | None:
        """``exp(2 * x)`` as the square of the ``exp(x)`` that the graph has as well."""
        product = node.inputs[0].owner
        if product is None or product.op != mul or len(product.inputs) != 2:
            return None
        for constant, x in (product.inputs, product.inputs[::-1]):
            multiple = exact_constant(constant)
            if multiple is None or multiple.denominator > 1 or not 1 < multiple <= _LARGEST_POWER:
                continue
            for client, _ in self.fgraph.clients.get(x, ()):
                if client.op == node.op:
                    return [ONE.times(of_key(client.outputs[0]), int(multiple))]
        return None

    def _factor(self, variable: Variable, depth: int) -> list[Term]:
        return self.read(variable, depth) if self.distribute else [self._single(variable, depth)]

    def _single(self, variable: Variable, depth: int) -> Term:
        terms = self.read(variable, depth)
        return terms[0] if len(terms) == 1 else of_key(variable)

    def _scattered(self, node: Apply, depth: int) -> list[Term]:
        """An increment as the sum of its first input and what it adds: constants times ones."""
        base, increment, *indices = node.inputs
        constant = _unchecked_constant(increment)
        empty = exact_constant(base) == 0
        if node.op.set_instead_of_inc or (empty and constant in (None, 1)):
            return [of_key(node.outputs[0])]
        if constant == 0:
            return self.read(base, depth)
        outside = Term(Fraction(1) if constant is None else constant)
        if constant is not None:
            increment = pt.second(increment, np.ones((), dtype=increment.type.dtype))
        for client, _ in self.fgraph.clients.get(node.inputs[-1], ()):
            if client.op != node.op or client.inputs[2:] != indices:
                continue
            if constant is None:
                wanted = client.inputs[1] is increment
            else:
                wanted = _unchecked_constant(client.inputs[1]) == 1
            empty_too = wanted and exact_constant(client.inputs[0]) == 0
            if empty_too and _is_apart(client.inputs[:2], node.outputs[0]):
                scatter = client.outputs[0]
                break
        else:
            where = (node.op, *indices, None if constant is not None else increment)
            if where not in self.scatters:
                zeros = base if empty else pt.zeros_like(base)
                self.scatters[where] = node.op.make_node(zeros, increment, *indices).outputs[0]
            scatter = self.scatters[where]
        return [*([] if empty else self.read(base, depth)), outside.times(of_key(scatter))]

    def _row_sum(self, node: Apply) -> Term | None:
        summed = node.inputs[0].owner
        if not node.op.is_expand_dims or summed is None or type(summed.op) is not Sum:
            return None
        (inner,) = summed.inputs
        axes = axes_of(summed)
        if tuple(sorted(node.op.augment)) != axes or inner.type.dtype != self.dtype:
            return None
        return self._summed(node.outputs[0], inner, axes)

    def _summed(self, whole: Variable, inner: Variable, axes: tuple[int, ...]) -> Term | None:
        read = replace(self, distribute=False).read(inner)
        if len(read) == 1:
            return self._summed_term(whole, read[0], axes)
        terms = [
            self._summed_term(None, term, axes)
            for term in replace(self, distribute=True).read(inner)
        ]
        if any(term is None for term in terms) or merged([t for t in terms if t is not None]):
            return self._summed_term(whole, of_key(inner), axes)
        # The row sum of a softmax's gradient: g p - p sum(g p) adds up to 0.
        return Term(Fraction(0), dropped=True)

    def _summed_term(
        self, whole: Variable | None, term: Term, axes: tuple[int, ...]
    ) -> Term | None:
        outside = Term(term.coefficient)
        for key, power in term.powers:
            if is_constant_along(key, axes):
                outside = outside.times(of_key(key), power)
        rest = term.times(outside, -1) if term.coefficient else Term(Fraction(0))
        if not rest.powers:
            return None
        if any(rest.powers == of_key(p).powers and a == axes for p, a in softmax_keys(rest)):
            return Term(outside.coefficient, outside.powers, dropped=True)
        if any(rest.powers == of_key(k).powers and is_one_hot(k, axes) for k, _ in rest.powers):
            return outside
        key = RowSum(axes, rest.powers)
        if outside == ONE and not term.converted and whole is not None:
            self.built[key] = whole
        return of_key(key).times(Term(outside.coefficient, outside.powers, dropped=term.dropped))

    def _normalised(self, term: Term) -> Term:
        """Read ``exp(x) / sum(exp(x))`` as the softmax of x, and cancel what was scattered."""
        for key, power in term.powers:
            if not isinstance(key, Variable):
                new = self._over_row_sum(term, key) if power == 1 else None
            elif power > 0 and is_exp(key):
                new = self._over_row_sum(term, key)
                if new is None:
                    new = self._indexed(term, key)
            else:
                new = self._scattered_quotient(term, key) if power == 1 else None
            if new is not None:
                return self._normalised(new)
        return term

    def _over_row_sum(self, term: Term, key: Key) -> Term | None:
        """Divide an exponential, or one below a `RowSum`, by the sum of its row."""
        inner = of_key(key) if isinstance(key, Variable) else Term(Fraction(1), key.powers)
        for row, power in term.powers:
            if power > -1 or not isinstance(row, RowSum) or len(row.powers) != 1:
                continue
            ((e, one),) = row.powers
            if one != 1 or not isinstance(e, Variable) or not is_exp(e) or inner.power(e) < 1:
                continue
            p = self.softmax(e.owner.inputs[0], row.axes)
            new = of_key(p)
            if isinstance(key, RowSum):
                if key.axes != row.axes:
                    continue
                new = of_key(RowSum(key.axes, inner.without(e).times(new).powers))
            return replace(term.without(key).times(of_key(row)).times(new), converted=True)
        return None

    def _indexed(self, term: Term, e: Variable) -> Term | None:
        """``exp(x[i]) / sum(exp(x))`` as an element of the softmax."""
        for total, power in term.powers:
            row = total.owner if power < 0 and isinstance(total, Variable) else None
            if row is None or type(row.op) is not Sum or not is_exp(row.inputs[0]):
                continue
            x = row.inputs[0].owner.inputs[0]
            axes = axes_of(row)
            index = indexed_logit(e.owner.inputs[0], x)
            if index is not None and picks_rows(index, axes):
                whole = self.softmax(x, axes)
                p = index.op.make_node(whole, *index.inputs[1:]).outputs[0]
                new = term.without(e).times(of_key(total)).times(of_key(p))
                return replace(new, converted=True)
        return None

    def _scattered_quotient(self, term: Term, key: Variable) -> Term | None:
        """``p * scatter(v / p[i], i)`` as ``scatter(v, i)``."""
        node = key.owner
        if node is None or not isinstance(node.op, SCATTERS) or node.op.set_instead_of_inc:
            return None
        base, increment, *indices = node.inputs
        if exact_constant(base) != 0:
            return None
        read = Reader(self.fgraph, increment.type.dtype, made=self.made).read(increment)
        for element, power in read[0].powers if len(read) == 1 else ():
            if power > -1 or not isinstance(element, Variable) or element.owner is None:
                continue
            p, *own = element.owner.inputs or [element]
            whole = self.read(p)
            if len(whole) == 1 and whole[0].converted and len(whole[0].powers) == 1:
                p = next(iter(whole[0].powers))[0]
            same = getattr(element.owner.op, "idx_list", None) == node.op.idx_list
            if not same or own != indices or not is_softmax_key(p) or term.power(p) < 1:
                continue
            # The quotient also gave the increment its shape.
            value = pt.second(element, self.build_sum([read[0].times(of_key(element))]))
            new = of_key(node.op.make_node(base, value, *indices).outputs[0])
            return replace(term.without(key).without(p).times(new), converted=True)
        return None

    def softmax(self, x: Variable, axes: tuple[int, ...]) -> Variable:
        """The softmax of `x`, the one that the graph has already if there is one."""
        if (x, axes) not in self.made:
            for client, _ in self.fgraph.clients.get(x, ()):
                if is_a(client.op, Softmax) and softmax_axes(client.outputs[0]) == axes:
                    self.made[x, axes] = client.outputs[0]
                    break
            else:
                self.made[x, axes] = Softmax(axis=axes)(x)
        return self.made[x, axes]

    def build(self, term: Term) -> Variable:
        """The absolute value of the coefficient times the product.

        Raises
        ------
        InexactError
            The coefficient is no float of the dtype.
        """
        above: list[Variable] = []
        below: list[Variable] = []
        size = abs(term.coefficient)
        if size != 1:
            value = np.asarray(float(size), dtype=self.dtype)
            if not np.isfinite(value) or Fraction(float(value)) != size:
                raise InexactError
            above.append(pt.constant(value))
        for key, power in sorted(term.powers, key=order):
            factor = as_dtype(self._build_key(key), self.dtype)
            (above if power > 0 else below).extend([factor] * abs(power))
        result = product_of(above) if above else pt.constant(1, dtype=self.dtype)
        return true_div(result, product_of(below)) if below else result

    def _build_key(self, key: Key) -> Variable:
        if isinstance(key, Variable):
            return key
        if key not in self.built:
            product = self.build(Term(Fraction(1), key.powers))
            self.built[key] = row_sum(product, key.axes)
        return self.built[key]

    def build_sum(self, terms: Sequence[Term]) -> Variable:
        """The sum of the terms."""
        above = [self.build(term) for term in terms if term.coefficient > 0]
        below = [self.build(term) for term in terms if term.coefficient < 0]
        if not above and not below:
            raise InexactError
        if not above:
            return neg(sum_of(below))
        return sub(sum_of(above), sum_of(below)) if below else sum_of(above)


def _is_apart(variables: Sequence[Variable], other: Variable) -> bool:
    """Whether variables are known not to be computed from another; zeros may have its shape."""
    todo = list(dict.fromkeys(variables))
    seen = set(todo)
    for current in todo:
        if current is other:
            return False
        fresh = [i for i in current.owner.inputs if i not in seen] if current.owner else []
        seen.update(fresh)
        todo += fresh
        if len(todo) > _MOST_LOOKED_AT:
            return False
    return True


def _unchecked_constant(variable: Variable) -> Fraction | None:
    """The value of a constant behind assertions of its shape."""
    while variable.owner is not None and is_a(variable.owner.op, CheckAndRaise):
        variable = variable.owner.inputs[0]
    return exact_constant(variable)
