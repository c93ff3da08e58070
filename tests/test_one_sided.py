"""What is mended in a numerator is mended in its denominator, in logarithms and their gradients."""

from contextlib import nullcontext

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.special import xlog1py

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, truth

x, y, ones = pt.dvectors("x", "y", "ones")
s = pt.sigmoid(x)
INPUTS = [x, y, ones]
# Stock is right up to 36 where numerator and denominator have the same error, and nan from 37 on.
POINTS = (20.0, 33.0, 36.0, 36.5, 40.0, 60.0)


def python_mode() -> Mode:
    """Our rules and NumPy's functions: nothing to compile, and no fast-math."""
    return Mode("py", "fast_run").excluding("fusion", "inplace")


def compiled(outputs, inputs=INPUTS):
    return pytensor.function(inputs, outputs, mode=python_mode(), on_unused_input="ignore")


def stock(outputs):
    with pytensor_stabilize.excluding("all"):
        return compiled(outputs)


def arguments(at: float) -> list[np.ndarray]:
    return [np.array([at, at - 0.75]), np.array([0.3, 0.4]), np.ones(2)]


def exact(quantity, at: float) -> np.ndarray:
    givens = dict(zip(INPUTS, arguments(at), strict=True))
    used = set(graph_inputs([quantity]))
    return np.asarray(truth(quantity, {v: a for v, a in givens.items() if v in used}).value)


def gradient(cost):
    return pt.grad(cost.sum(), x)


LOGARITHMS = {
    "log": pt.log(1 - s),
    "log1p": pt.log1p(-s),
    "xlog1py": xlog1py(2.0, -s),
    "power": pt.log((1 - s) ** 3),
    "sum of like signs": pt.log(0.5 + 0.5 * s) + pt.log(1 - s),
    "one minus a product": pt.log(1 - s * s),
    "one minus a power": pt.log(1 - s**3),
    "log1p of a product": pt.log1p(-(s * s)),
    "xlog1py of a product": xlog1py(2.0, -s * s),
    "absolute value": pt.log(abs(1 - s * s)),
    "reciprocal": pt.sqrt(1 / (1 - s * s)),
    "difference of two": pt.log(pt.sigmoid(x + 1) - pt.sigmoid(x)),
    "3PL": pt.log(1 - (0.25 + 0.75 * s)),
    "3PL, symbol": pt.log(1 - (y + (1 - y) * s)),
}
# The sigmoid is moved about before the difference is taken.
MOVED = {
    "join": pt.log(1 - pt.concatenate([s, s])),
    "stack": pt.log(1 - pt.stack([s, s])),
    "indexed": pt.log(1 - s[np.array([0, 0, 1])]),
    "log1p indexed": pt.log1p(-s[np.array([0, 0, 1])]),
    "indexed log of the sigmoid": pt.log(s[np.array([0, 1])]),
    "sliced": pt.log(1 - s[::-1]),
    "transposed": pt.log(1 - s[:, None]),
    "reshaped": pt.log(1 - s.reshape((1, -1))),
    "written to zeros": pt.log(1 - pt.set_subtensor(pt.zeros_like(s)[:2], s[:2])),
    "written to a vector": pt.log(
        1 - pt.set_subtensor(pt.zeros((6,))[1:5], pt.concatenate([s, s]))
    ),
}
RATIOS = {
    "product": (1 - s * s) / (1 - s),
    "multiple": (2 - 2 * s) / (1 - s),
    "affine": (1 - (0.25 + 0.75 * s)) / (1 - s),
    "power, ratio": (1 - s**3) / (1 - s),
    "reciprocal, product": pt.reciprocal(1 - s) * (1 - s * s),
    "over the companion": y * (1 - s) / pt.sigmoid(-x),
}
DIFFERENCE = ones - s
HALF = 0.5 * s + 0.5 * pt.sigmoid(x + 1)
# Of a label and in functions other than the logarithm.
FUNCTIONS = {
    "log |d|": pt.log(pt.abs(DIFFERENCE)),
    "gammaln(d)": pt.gammaln(DIFFERENCE),
    "beta function": pt.gammaln(2 * s) + pt.gammaln(2 * ones - 2 * s),
    "erfcinv(2d)": pt.erfcinv(2 * DIFFERENCE),
    "log(-log p)": pt.log(-pt.log(HALF)),
    "log1mexp(log p)": pt.log1mexp(pt.log(HALF)),
    "log(-expm1(log p))": pt.log(-pt.expm1(pt.log(ones * s))),
    "log tan d": pt.log(pt.tan(DIFFERENCE)),
    "log erf d": pt.log(pt.erf(DIFFERENCE)),
    "log expm1 d": pt.log(pt.expm1(DIFFERENCE)),
    "log(1 - exp(-d))": pt.log(1 - pt.exp(-DIFFERENCE)),
}


def _logs_in_a_scan():
    return pytensor.scan(
        lambda p, total: total + pt.log(1 - p * total),
        sequences=[s],
        outputs_info=[pt.constant(0.9)],
        return_updates=False,
    )


OTHERS = {
    "identity matrix": pt.log(1 - pt.dot(np.eye(2), s)),
    "join in a ratio": (1 - pt.concatenate([s, s * s])).sum() / (1 - s),
    "scan": _logs_in_a_scan(),
}
MENDED = LOGARITHMS | MOVED | RATIOS | FUNCTIONS | OTHERS


@pytest.mark.parametrize("case", MENDED)
def test_value_and_gradient_are_right(case):
    value = MENDED[case]
    derivative = gradient(value)
    together, alone = compiled([value, derivative]), compiled([derivative])
    for at in POINTS:
        wanted = [exact(quantity, at) for quantity in (value, derivative)]
        for actual, right in zip(together(*arguments(at)), wanted, strict=True):
            np.testing.assert_allclose(actual, right, rtol=1e-12, err_msg=f"at {at}")
        np.testing.assert_allclose(alone(*arguments(at))[0], wanted[1], rtol=1e-12)


# The difference is not elementwise where it is taken, or its constants do not add up to 1.
# Beyond 30 the gradient may be wrong where stock is right by equal errors.
KNOWN = {
    "contrast": pt.log(pt.dot(pt.stack([ones, s], axis=1), np.array([1.0, -1.0]))),
    "cumsum": pt.log(pt.cumsum(pt.stack([ones, -s], axis=1), axis=1)[:, 1]),
    "erfinv(2p - 1)": pt.erfinv(2 * s - 1),
    "3PL, rounded constants": pt.log(1 - (0.2 + 0.8 * s)),
}


@pytest.mark.parametrize("case", KNOWN)
def test_what_is_not_mended_is_right_at_20_and_finite_where_stock_is(case):
    value = KNOWN[case]
    quantities = [value, gradient(value)]
    ours, theirs = compiled(quantities), stock(quantities)
    for at in POINTS:
        for actual, before in zip(ours(*arguments(at)), theirs(*arguments(at)), strict=True):
            assert np.all(np.isfinite(actual) | ~np.isfinite(before)), at
    for actual, quantity in zip(ours(*arguments(20.0)), quantities, strict=True):
        np.testing.assert_allclose(actual, exact(quantity, 20.0), rtol=1e-6)


def test_a_difference_is_not_multiplied_out():
    """(s / sigmoid(-x)) * (1 - s) is not exp(x) - exp(x) * s, which is 0 from 37 on."""
    z = pt.dscalar("z")
    p = pt.sigmoid(z)
    for cost, true in (
        (pt.log1p(-p) - 2 * pt.log(pt.sigmoid(-z)), 1.0),
        (pt.log1p(-p) + 0.5 * pt.log(pt.sigmoid(-z)), -1.5),
    ):
        function = compiled(pt.grad(cost, z), [z])
        for at in (36.0, 38.5, 100.0):
            assert function(at) == pytest.approx(true, rel=1e-12)


def test_exponentials_are_not_stacked():
    """exp(2x) * sigmoid(-x) is inf from 355 on, exp(x) * sigmoid(x) is not."""
    c = s * pt.sigmoid(-x) * pt.exp(x)
    function = compiled(c + c * pt.exp(x), [x])
    at = np.array([360.0, 600.0])
    np.testing.assert_allclose(function(at), np.exp(at), rtol=1e-13)


def test_products_of_sums_do_not_grow():
    labels = pt.dvectors(4)
    product = pt.ones_like(x)
    for label in labels:
        product = product * (label / (1 - s) + (1 - label) / s) * s * (1 - s)
    derivative = gradient(product)
    sizes = []
    for excluded in ((), ("all",)):
        context = pytensor_stabilize.excluding(*excluded) if excluded else nullcontext()
        with context:
            function = compiled(derivative, [x, *labels])
        sizes.append(len(function.maker.fgraph.apply_nodes))
    assert sizes[0] <= 1.3 * sizes[1]


def test_a_network_is_mended():
    """Saturated units behind weights and biases are what the rules are for."""
    weights, bias = pt.dmatrix("weights"), pt.dvector("bias")
    hidden = pt.sigmoid(pt.dot(weights, s) + bias)
    for cost in (
        pt.sqr(y - hidden).sum(),
        -pt.special.log_softmax(hidden)[0],
        pt.log(hidden).sum(),
    ):
        explanation = explain(pt.grad(cost, [x, weights]))
        assert explanation.fired["one_minus_sigmoid"] >= 1
        assert not explanation.left


def test_one_sigmoid_does_not_hold_back_another():
    other = pt.sigmoid(y)
    outputs = [gradient(KNOWN["contrast"]), 1 - other, other]
    assert explain(outputs).fired["one_minus_sigmoid"] == 2


def test_a_sum_of_hundreds_of_terms_is_left():
    terms = [s * float(k) for k in range(2, 302)]
    explanation = explain([1 - s, 1 - pt.add(*terms)])
    assert explanation.fired["one_minus_sigmoid"] == 1
    assert any("more terms than are multiplied out" in e.reason for e in explanation.left)


def test_explain_leaves_no_rest_when_everything_is_mended():
    explanation = explain([gradient(pt.log(1 - s)), s])
    assert not explanation.left
    assert op_counts(pytensor.function([x], gradient(pt.log(1 - s))))["sub"] == 0
