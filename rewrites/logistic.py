"""Rules for the logistic function: the transforms, and the table that names them."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import add, log1p, mul, neg, sub, true_div
from pytensor.tensor.math import sigmoid as pt_sigmoid

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of, sum_of
from pytensor_stabilize.rewrites.factors import Product
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_complex,
    negate,
    sigmoid_use,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.reach import complement_use, unmended_numerator, unmended_reach
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule, Transform

_ONE_SIDE = "mending one side of a quotient alone is worse than leaving both"
_COMPLEX = Left("the result is complex")
_MOST_TERMS = 8
POSITIVE = Interval(1e-3, 1e6)
_IDENTITIES = "sigmoid(x) + sigmoid(-x) = 1 and sigmoid(x) = exp(x) sigmoid(-x)"


def guard(fgraph: FunctionGraph, sigmoids: Iterable[Variable]) -> Left | None:
    """Hold back a rule that mends ``1 - sigmoid(x)`` where another use of it stays unmended."""
    for sigmoid in sigmoids:
        reached = unmended_reach(fgraph, sigmoid)
        if reached is not None:
            return Left(f"sigmoid(x) also reaches {reached}: {_ONE_SIDE}")
    return None


def complement(sign: int) -> Transform:
    """Make the transform of ``1 - sigmoid(x)`` (sign 1) or of ``sigmoid(x) - 1`` (sign -1)."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        rest = list(terms(node))
        for term_sign, term in rest:
            use = sigmoid_use(term)
            if use is not None and term_sign * use.sign == -sign:
                rest.remove((term_sign, term))
                break
        else:
            return None
        (output,) = node.outputs
        if is_complex(output):
            return _COMPLEX
        total = Fraction(0)
        for term_sign, term in rest:
            constant = exact_constant(term)
            if constant is None:
                return Left("the other term is not a constant") if sign > 0 else None
            total += sign * term_sign * constant
        if total != 1:
            return Left(f"the constant is {float(total):.17g}, not exactly 1")
        held_back = guard(fgraph, [use.sigmoid])
        if held_back is not None:
            return held_back
        numerator = unmended_numerator(fgraph, output, use.sigmoid)
        if numerator is not None:
            return Left(f"it divides {numerator}, which no rule mends yet: {_ONE_SIDE}")
        # The argument is cast before it is negated: unsigned integers and INT_MIN wrap, numpy
        # has no negation of booleans.  Where the result is wider than the sigmoid, a float32
        # sigmoid(-x) would lose digits that the float64 difference has.
        dtype = str(np.promote_types(use.sigmoid.type.dtype, output.type.dtype))
        companion = use.rebuild(pt_sigmoid(negate(as_dtype(use.argument, dtype))))
        companion = as_dtype(companion, output.type.dtype)
        return companion if sign > 0 else neg(companion)

    return transform


def log1p_of_minus_sigmoid(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1p(-sigmoid(x)) -> -softplus(x)``, also as ``log1p(-1 * sigmoid(x))``."""
    use = sigmoid_use(node.inputs[0])
    if use is None or use.sign > 0:
        return None
    dtype = node.outputs[0].type.dtype
    return neg(use.rebuild(pt.softplus(as_dtype(use.argument, dtype))))


def sigmoid_quotient(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Cancel sigmoids between numerator and denominator; ``sigmoid(x) / sigmoid(-x) -> exp(x)``.

    A difference ``1 - sigmoid(x)`` counts as the factor ``sigmoid(-x)``.  PyTensor's own
    cancellation runs before the differences are mended, so it does not see that they are equal.
    """
    product = Product.of(node.outputs[0])
    if product is None or not product.cancels:
        return None
    if is_complex(node.outputs[0]):
        return _COMPLEX
    return guard(fgraph, product.from_differences) or product.build()


def sigmoid_times_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``(a / sigmoid(x) + b) * sigmoid(x) -> a + b * sigmoid(x)``, where a term cancels.

    The gradient of a cross entropy has this form.  PyTensor multiplies it out where it sees the
    cancellation; it does not see it between ``1 - sigmoid(x)`` and ``sigmoid(-x)``.
    """
    if is_complex(node.outputs[0]):
        return None
    if not any(f.owner is not None and f.owner.op in (add, sub) for f in node.inputs):
        return None
    sums = [i for i, factor in enumerate(node.inputs) if is_logistic_sum(factor)]
    # Sums multiplied out with further sums would grow exponentially.
    if len(sums) != 1:
        return None
    summed = list(terms(node.inputs[sums[0]].owner))
    others = [factor for i, factor in enumerate(node.inputs) if i != sums[0]]
    if len(summed) > _MOST_TERMS or Product.of(*others) is None:
        return None
    products = [p.times(s) for s, term in summed if (p := Product.of(*others, term)) is not None]
    if any(is_logistic_sum(v) for p in products for v in (*p.numerator, *p.denominator)):
        return None
    # Only what a term brings along, a sigmoid below the bar or an exponential, may cancel: if
    # the other factors cancel among themselves, nothing has to be multiplied out.
    alone = [Product.of(term, need_sigmoid=False) for _, term in summed]
    divides = any(product is not None and product.divides for product in alone)
    merged = merge_odds(products)
    if merged is None and not (divides and any(product.cancels for product in products)):
        return None
    held_back = guard(fgraph, (s for p in products for s in p.from_differences))
    return held_back or signed_sum([(1, product.build()) for product in merged or products])


def is_logistic_sum(variable: Variable) -> bool:
    """Whether it is a sum with a logistic factor in a term, and not ``1 - sigmoid(x)`` itself.

    Multiplied out, ``1 - sigmoid(x)`` would become a difference of large products.
    """
    node = variable.owner
    if node is None or node.op not in (add, sub) or complement_use(node) is not None:
        return False
    return any(Product.of(term, need_sigmoid=False) is not None for _, term in terms(node))


def signed_sum(signed: list[tuple[int, Variable]]) -> Variable:
    """Sum of the positive terms minus the sum of the negative ones."""
    return difference_of([(s * sign, core) for s, t in signed for sign, core in [strip_factor(t)]])


def difference_of(stripped: list[tuple[int, Variable]]) -> Variable:
    """As `signed_sum`, of terms that have no sign of their own left."""
    above = [core for sign, core in stripped if sign > 0]
    below = [core for sign, core in stripped if sign < 0]
    if not above:
        return neg(sum_of(below))
    return sub(sum_of(above), sum_of(below)) if below else sum_of(above)


def strip_factor(variable: Variable) -> tuple[int, Variable]:
    """As `strip_sign`, and through a factor -1 of a longer product."""
    sign, core = strip_sign(variable)
    node = core.owner
    if node is not None and node.op == mul and len(node.inputs) > 2:
        rest = [factor for factor in node.inputs if exact_constant(factor) != -1]
        if len(rest) == len(node.inputs) - 1:
            product = product_of(rest)
            if product.type.broadcastable == core.type.broadcastable:
                return -sign, product
    return sign, core


def sum_without_minus_one(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``-a * s - (-b * t) -> b * t - a * s``: two terms, so that nothing is rounded differently."""
    signed = list(terms(node))
    if len(signed) != 2 or is_complex(node.outputs[0]):
        return None
    own = [strip_factor(term) for _, term in signed]
    if all(sign > 0 for sign, _ in own) or any(Product.of(term) is None for _, term in signed):
        return None
    outer = [sign for sign, _ in signed]
    return difference_of([(a * b, core) for a, (b, core) in zip(outer, own, strict=True)])


def sum_over_odds(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c * sigmoid(x) + c * sigmoid(x) * exp(x) -> c * exp(x)``: the gradient of the odds."""
    products = [(term, Product.of(term)) for term in node.inputs]
    merged = merge_odds([product for _, product in products if product is not None])
    if merged is None:
        return None
    if is_complex(node.outputs[0]):
        return _COMPLEX
    held_back = guard(fgraph, (s for product in merged for s in product.from_differences))
    if held_back is not None:
        return held_back
    rest = [(1, term) for term, product in products if product is None]
    return signed_sum(rest + [(1, product.build()) for product in merged])


def merge_odds(products: list[Product]) -> list[Product] | None:
    """Merge one pair ``c * sigmoid(x)``, ``c * sigmoid(x) * exp(x)``; None if there is none."""
    positions = {product.signature: i for i, product in enumerate(products)}
    for i, product in enumerate(products):
        for signature, total in product.sums_over_odds():
            j = positions.get(signature)
            if j is not None:
                return [total, *(p for k, p in enumerate(products) if k not in (i, j))]
    return None


def float_argument(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Cast the discrete argument of a sigmoid to the dtype of its result."""
    (argument,), (output,) = node.inputs, node.outputs
    if np.dtype(argument.type.dtype).kind not in "biu":
        return None
    return pt_sigmoid(pt.cast(argument, output.type.dtype))


LOGISTIC: tuple[Rule, ...] = (
    Rule(
        name="one_minus_sigmoid",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=3.0,
        mends="1 - s is 0 for x > 36.7 (17.3 in float32)",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=complement(1),
        source=_IDENTITIES,
    ),
    Rule(
        name="sigmoid_minus_one",
        before=lambda x: symbols.sigmoid(x) - 1,
        after=lambda x: -symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=3.0,
        mends="s - 1 is 0 for x > 36.7 (17.3 in float32)",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=complement(-1),
        source=_IDENTITIES,
    ),
    Rule(
        name="log1p_minus_sigmoid",
        before=lambda x: symbols.log1p(-symbols.sigmoid(x)),
        after=lambda x: -symbols.softplus(x),
        domain={"x": REAL},
        promise=3.0,
        mends="log1p(-s) is -inf for x > 36.7, and canonicalize hides it as log1p(-1 * s)",
        databases=("stabilize", "specialize"),
        tracks=(log1p,),
        transform=log1p_of_minus_sigmoid,
        source=_IDENTITIES,
    ),
    Rule(
        name="sigmoid_quotient",
        before=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x) / (1 - symbols.sigmoid(x)),
        after=symbols.sigmoid,
        domain={"x": REAL},
        promise=3.0,
        mends="quotients with 1 - s are inf or nan for x > 36.7, and none of them cancels",
        databases=("stabilize", "specialize"),
        tracks=(true_div,),
        transform=sigmoid_quotient,
        source=_IDENTITIES,
    ),
    Rule(
        name="sigmoid_plus_sigmoid_exp",
        before=lambda x: symbols.sigmoid(x) + symbols.sigmoid(x) * symbols.exp(x),
        after=symbols.exp,
        domain={"x": REAL},
        promise=2.0,
        mends="the gradient of s / (1 - s) keeps a sum where exp(x) is enough",
        databases=("stabilize", "specialize"),
        tracks=(add,),
        transform=sum_over_odds,
        source=_IDENTITIES,
    ),
    Rule(
        name="sigmoid_times_sum",
        before=lambda a, x: (a / (1 - symbols.sigmoid(x)) + 1) * symbols.sigmoid(-x),
        after=lambda a, x: a + symbols.sigmoid(-x),
        domain={"a": POSITIVE, "x": REAL},
        promise=4.0,
        mends="the gradient of a cross entropy is inf - inf or inf * 0 where 1 - s is 0",
        databases=("stabilize", "specialize"),
        tracks=(mul,),
        transform=sigmoid_times_sum,
        source="Distributive law",
    ),
    Rule(
        name="sigmoid_sum_signs",
        before=lambda a, x: -1 * a * symbols.sigmoid(x) - a * symbols.sigmoid(2 * x),
        after=lambda a, x: -(a * symbols.sigmoid(x) + a * symbols.sigmoid(2 * x)),
        domain={"a": POSITIVE, "x": REAL},
        promise=4.0,
        mends="a gradient keeps a multiplication by -1 in every term",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_without_minus_one,
        source="-a - (-b) = b - a, exact in floating point",
    ),
    Rule(
        name="sigmoid_of_discrete",
        before=symbols.sigmoid,
        after=symbols.sigmoid,
        domain={"x": REAL},
        promise=3.0,
        mends="the negation of unsigned integers wraps: 1 - sigmoid(uint8(1)) is 1",
        databases=("canonicalize",),
        tracks=(pt_sigmoid,),
        transform=float_argument,
        source="The result's dtype holds every value that the rule casts, or rounds it as before.",
    ),
)
