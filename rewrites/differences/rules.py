"""Rules for differences of one function at two arguments, and for their logarithms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import add, log, log1p, log2, log10, mul, neg, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import softplus_below
from pytensor_stabilize.rewrites.arithmetic import as_dtype, build_product, factors, signed_sum
from pytensor_stabilize.rewrites.checked import is_only_checked
from pytensor_stabilize.rewrites.differences import forms
from pytensor_stabilize.rewrites.differences.densities import DENSITY_RULES
from pytensor_stabilize.rewrites.differences.pairs import (
    EXP,
    SIGMOID,
    TANH,
    Arguments,
    Family,
    Pair,
    family_of,
    find_pair,
    flat_terms,
    moved,
)
from pytensor_stabilize.rewrites.differences.ratios import RATIO_RULES
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    is_a,
    is_complex,
    is_float_cast,
    same_pattern,
    scalar_op,
)
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule, Transform
from pytensor_stabilize.rewrites.sizes import SIZES
from pytensor_stabilize.rewrites.symbols import Value

VALUES: dict[Family, Callable[[Value, Value], Value]] = {
    SIGMOID: forms.sigmoid_difference,
    TANH: forms.tanh_difference,
    EXP: forms.exp_difference,
}
LOGS: dict[Family, Callable[[Value, Value], Value]] = {
    SIGMOID: forms.log_sigmoid_difference,
    TANH: forms.log_tanh_difference,
    EXP: forms.log_exp_difference,
}
# Factors that cannot be negative: log(c * x) = log(c) + log(x) needs that of c.
_POSITIVE = ("Sigmoid", "Exp", "Softplus", "Sqr", "Abs", "Sqrt", "Cosh", "Erfc")


def _sigmoid_sum(a: Variable, b: Variable) -> Variable:
    return pt.sigmoid(a) + pt.sigmoid(b)


def difference(family: Family) -> Transform:
    """Make the transform of ``c * f(a) - c * f(b)``, whatever stands beside it in the sum."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        pair = find_pair(node)
        if pair is None or pair.family is not family:
            return None
        if family is EXP and _is_sigmoid(pair.plus) and _is_sigmoid(pair.minus):
            return None
        if is_only_checked(fgraph, node.outputs[0]):
            return Left("its value is only checked against bounds", lasts=False)
        dtype = node.outputs[0].type.dtype
        a, b = pair.arguments(dtype)
        form = _sigmoid_sum if pair.kind == "sum" else VALUES[family]
        value = form(a, b)
        own, product = factors(as_dtype(value, dtype))
        product.update(pair.coefficient)
        result = build_product(pair.constant * own, product, dtype)
        return signed_sum([(1, result), *pair.rest])

    return transform


def _is_sigmoid(variable: Variable) -> bool:
    """Whether it is ``exp(-softplus(x))``, which is about to become a sigmoid."""
    return variable.owner is not None and softplus_below(variable.owner) is not None


def log_of_difference(family: Family) -> Transform:
    """Make the transform of ``log(c * (f(a) - f(b)))``, also moved about and times a positive c.

    Of the size of such a difference, ``log(abs(f(a) - f(b)))``, as well.
    """

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        core = node.inputs[0]
        path: list[Apply] = []
        while core.owner is not None and (is_a(core.owner.op, *MOVES) or is_float_cast(core.owner)):
            if is_a(core.owner.op, *MOVES):
                path.insert(0, core.owner)
            core = core.owner.inputs[0]
        if core.owner is None or not is_a(core.owner.op, Elemwise):
            return None
        found = _pair_factor(core, family)
        if found is None:
            return None
        pair, constant, others, is_size = found
        output = node.outputs[0]
        if is_complex(output):
            return Left("the result is complex")
        if constant < 0:
            pair.plus, pair.minus = pair.minus, pair.plus
            pair.signs = (pair.signs[1], pair.signs[0])
        a, b = pair.arguments(output.type.dtype)
        if is_size:
            above = pt.ge(a, b)
            a, b = pt.switch(above, a, b), pt.switch(above, b, a)
        if path:
            a, b = (moved(_spread(v, core, a, b), path) for v in (a, b))
        result = LOGS[family](a, b)
        if others:
            rest = build_product(Fraction(1), others, output.type.dtype)
            result = result + pt.log(moved(_spread(rest, core, core), path) if path else rest)
        if abs(constant) != 1:
            result = np.asarray(np.log(float(abs(constant))), result.type.dtype) + result
        assert result.owner is not None
        if result.owner.op in (add, sub):
            result = signed_sum(flat_terms(result.owner))  # as PyTensor would write it
        if node.op != log:
            base = 2 if node.op == log2 else 10
            result = result * np.asarray(1 / np.log(base), result.type.dtype)
        return result

    return transform


def log_of_ratio(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """``log1p(-s(a) / s(b))``, the logarithm of a hazard of two survivals."""
    (argument,), (output,) = node.inputs, node.outputs
    if is_complex(output):
        return None
    constant, counted = factors(argument)
    if constant != -1 or sorted(counted.values()) != [-1, 1]:
        return None
    above, below = sorted(counted, key=lambda v: -counted[v])
    if not family_of(above) is family_of(below) is SIGMOID:
        return None
    arguments = Arguments(SIGMOID, output.type.dtype)
    a, b = arguments.of(above), arguments.of(below)
    wide = str(np.result_type(a.type.dtype, b.type.dtype))
    return forms.log_one_minus_sigmoid_ratio(as_dtype(a, wide), as_dtype(b, wide))


def _pair_factor(
    core: Variable, family: Family
) -> tuple[Pair, Fraction, Counter[Variable], bool] | None:
    """The difference among the factors of `core`, the constant, and the other factors.

    Also whether it is the absolute value of the difference.
    """
    assert core.owner is not None
    if core.owner.op in (add, sub):
        constant, counted = Fraction(1), Counter([core])
    elif core.owner.op in (mul, neg) or is_a(core.owner.op.scalar_op, ps.TrueDiv, ps.Abs):
        constant, counted = factors(core)
    else:
        return None
    for v, power in counted.items():
        is_size = power == 1 and is_a(scalar_op(v), ps.Abs)
        own, inside = factors(v.owner.inputs[0]) if is_size else (Fraction(1), Counter([v]))  # type: ignore[union-attr]
        (u, *more) = inside or [v]
        if power != 1 or more or u.owner is None or u.owner.op not in (add, sub):
            continue
        pair = find_pair(u.owner)
        if pair is None or pair.family is not family or pair.kind != "difference" or pair.rest:
            continue
        others = Counter({u: p for u, p in counted.items() if u is not v})
        for u, p in pair.coefficient.items():
            others[u] += p
        positive = all(p % 2 == 0 or _is_positive(u) for u, p in others.items())
        if positive and constant and pair.constant and own:
            total = constant * (abs(own * pair.constant) if is_size else pair.constant)
            return None if is_size and total < 0 else (pair, total, others, is_size)
    return None


def _is_positive(variable: Variable) -> bool:
    node = variable.owner
    scalar_op = getattr(node.op, "scalar_op", None) if node is not None else None
    return type(scalar_op).__name__ in _POSITIVE


def _spread(variable: Variable, core: Variable, *shapes: Variable) -> Variable:
    """`variable` in the broadcast shape of `core`, so that its elements can be moved."""
    if same_pattern(variable, core):
        return variable
    return pt.broadcast_to(variable, pt.broadcast_shape(*shapes))


_GAP = Interval(1e-6, 1.0)
_NEAR = "the terms agree where the arguments are close, or both in the same tail"

VALUE_RULES: tuple[Rule, ...] = (
    Rule(
        name="sigmoid_minus_sigmoid",
        before=lambda a, b: symbols.sigmoid(a) - symbols.sigmoid(b),
        after=forms.sigmoid_difference,
        domain={"a": REAL, "b": REAL},
        promise=6.0,
        mends=_NEAR,
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference(SIGMOID),
        source="sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a))",
    ),
    Rule(
        name="tanh_minus_tanh",
        before=lambda a, b: symbols.tanh(a) - symbols.tanh(b),
        after=forms.tanh_difference,
        domain={"a": Interval(-350.0, 350.0), "b": Interval(-350.0, 350.0)},
        promise=6.0,
        mends=_NEAR,
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference(TANH),
        source="tanh(x) = 2 sigmoid(2x) - 1",
    ),
    Rule(
        name="exp_minus_exp",
        before=lambda a, b: symbols.exp(a) - symbols.exp(b),
        after=forms.exp_difference,
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends=_NEAR,
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference(EXP),
        source="exp(a) - exp(b) = exp(a) (1 - exp(b - a))",
    ),
)
LOG_RULES: tuple[Rule, ...] = (
    Rule(
        name="log_sigmoid_minus_sigmoid",
        before=lambda gap, b: symbols.log(symbols.sigmoid(b + gap) - symbols.sigmoid(b)),
        after=lambda gap, b: forms.log_sigmoid_difference(b + gap, b),
        domain={"gap": _GAP, "b": REAL},
        promise=4.0,
        mends="the logarithm is -inf where both sigmoids are 0 or 1, and their difference is lost",
        databases=("stabilize", "specialize"),
        tracks=(log, log2, log10),
        transform=log_of_difference(SIGMOID),
        source="as sigmoid_minus_sigmoid; log sigmoid(x) = -softplus(-x)",
    ),
    Rule(
        name="log1p_neg_sigmoid_ratio",
        before=lambda gap, b: symbols.log1p(-symbols.sigmoid(b) / symbols.sigmoid(b + gap)),
        after=lambda gap, b: forms.log_one_minus_sigmoid_ratio(b, b + gap),
        domain={"gap": _GAP, "b": REAL},
        promise=4.0,
        mends="the logarithm is -inf where both sigmoids are 1, nan where they are 0",
        databases=("stabilize", "specialize"),
        tracks=(log1p,),
        transform=log_of_ratio,
        source="1 - sigmoid(a) / sigmoid(b) = sigmoid(-a) (1 - exp(a - b))",
    ),
    Rule(
        name="log_tanh_minus_tanh",
        before=lambda gap, b: symbols.log(symbols.tanh(b + gap) - symbols.tanh(b)),
        after=lambda gap, b: forms.log_tanh_difference(b + gap, b),
        domain={"gap": _GAP, "b": REAL},
        promise=4.0,
        mends="the logarithm is -inf where both are 1 or -1, and their difference is lost",
        databases=("stabilize", "specialize"),
        tracks=(log, log2, log10),
        transform=log_of_difference(TANH),
        source="tanh(x) = 2 sigmoid(2x) - 1",
    ),
    Rule(
        name="log_exp_minus_exp",
        before=lambda gap, b: symbols.log(3 * symbols.exp(b + gap) - 3 * symbols.exp(b)),
        after=lambda gap, b: forms.log_exp_difference(b + gap, b) + symbols.log(0 * b + 3),
        domain={"gap": _GAP, "b": Interval(20.0, 700.0)},
        promise=4.0,
        mends="the logarithm is -inf or nan where the exponentials are 0 or inf",
        databases=("stabilize", "specialize"),
        tracks=(log, log2, log10),
        transform=log_of_difference(EXP),
        source="log(exp(a) - exp(b)) = a + log(1 - exp(b - a))",
    ),
)
# These see a difference as a factor, and come before the rules that multiply sums out.
OVER_DIFFERENCES: tuple[Rule, ...] = SIZES + RATIO_RULES + LOG_RULES
DIFFERENCES: tuple[Rule, ...] = VALUE_RULES + DENSITY_RULES
