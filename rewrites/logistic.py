"""Rules for the logistic function: the transforms, and the table that names them."""

from fractions import Fraction
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.math import Sigmoid as ScalarSigmoid
from pytensor.tensor.math import add, log1p, neg, sub
from pytensor.tensor.math import sigmoid as pt_sigmoid

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_complex,
    negate,
    sigmoid_use,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule, Transform

_COMPLEX = Left("the result is complex")
# Functions whose arguments are negated, subtracted or divided by what the rules make.
_FUNCTIONS = (
    *(pt_sigmoid, pt.exp, pt.expm1, pt.tanh, pt.cosh, pt.sinh, pt.softplus, pt.log1mexp),
    *(pt.erf, pt.erfc, pt.erfcx),
)
_IDENTITIES = "sigmoid(x) + sigmoid(-x) = 1 and sigmoid(x) = exp(x) sigmoid(-x)"


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


def float_argument(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Cast the discrete argument of a function to the dtype of its result."""
    (argument,), (output,) = node.inputs, node.outputs
    if np.dtype(argument.type.dtype).kind not in "biu" or output.type.dtype not in FLOATS:
        return None
    return cast(Variable, node.op(pt.cast(argument, output.type.dtype)))


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
        needs=(ScalarSigmoid,),
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
        needs=(ScalarSigmoid,),
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
        needs=(ScalarSigmoid,),
        source=_IDENTITIES,
    ),
    Rule(
        name="function_of_discrete",
        before=symbols.sigmoid,
        after=symbols.sigmoid,
        domain={"x": REAL},
        promise=3.0,
        mends="unsigned integers wrap where they are negated: 1 - sigmoid(uint8(1)) is 1",
        databases=("canonicalize",),
        tracks=_FUNCTIONS,
        transform=float_argument,
        source="The result's dtype holds every value that the rule casts, or rounds it as before.",
    ),
)
