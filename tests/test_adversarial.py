"""Expressions that a fuzzer found: each was wrong, or was rewritten for ever."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import ulps
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors

import pytensor_stabilize
from pytensor_stabilize.graphs import same_graph, truth
from pytensor_stabilize.rewrites.arithmetic import build_product, factors, signed_sum

x, y = pt.dvectors("x", "y")
s, t = pt.sigmoid(x), pt.tanh(x)


def first(value):
    return pt.grad(value.sum(), x)


def second(value):
    return first(first(value))


SMALL = ([-1e-9, 1e-9, 3e-5, -2.3e-12], [1e-8, 0.0, 1e-9, 0.3])
LABELS = ([-40.1, -2.5, 40.1, 19.3, 0.7], [0.0, 1.0, 1.0, 1.0, 0.0])

# Expression, inputs' values, ulps.
EXACT = {
    "tanh - y, both small": (t - y, SMALL, 4.0),
    "y - tanh for labels": (y - t, LABELS, 4.0),
    "a root that the shortest sum does not show": (
        second(pt.arctan(pt.exp(s))),
        ([43.9, 19.3, -9.8, 1e-9], [0.0] * 4),
        8.0,
    ),
    "log1p of what is clipped": (
        pt.log1p(pt.clip(0.5 * pt.erfc(-x / np.sqrt(2)), 1e-6, 0.999999)),
        ([-0.7, -38.2, 0.0, 36.9], [0.0] * 4),
        4.0,
    ),
    "log1p of a maximum": (
        pt.log1p(pt.maximum(0.5 * pt.erfc(-x / np.sqrt(2)), 0.25)),
        ([-0.7, -38.2, 0.0, 36.9], [0.0] * 4),
        4.0,
    ),
    "log1p of a minimum": (
        pt.log1p(pt.minimum(pt.erfc(x), pt.sigmoid(x + 1))),
        ([-0.7, -3.2, 0.0, 2.9], [0.0] * 4),
        4.0,
    ),
    "p - q, in which y is left": (
        s - pt.sigmoid(-x) * (1 - y),
        ([-38.2, -40.2, 0.5], [1.0] * 3),
        4.0,
    ),
    "p - q sech**2, far from 0": (
        s - pt.sigmoid(-x) * (1 - pt.tanh(y) ** 2),
        ([-38.2, -20.0, 0.5, -40.2], [-39.2, -21.0, 3.0, 22.0]),
        4.0,
    ),
    "condition - tanh": ((y > 0.5) - t, ([-1e-9, 3e-5, -2.5, 40.1], [0.0, 0.0, 1.0, 1.0]), 4.0),
    "condition - erf": ((y > 0.5) - pt.erf(x), ([-1e-9, 3e-5, 9.1], [0.0, 0.0, 1.0]), 4.0),
    "expm1 + y, both small": (pt.expm1(x) + y, SMALL, 4.0),
    "(tanh - y) / sigmoid": ((t - y) / -pt.sigmoid(2 * x), SMALL, 5.0),
    "1 + y / tanh, both small": (1 + y / t, SMALL, 5.0),
    "erf - y - x, all small": (pt.erf(x) - y - x, ([-1e-17, 3e-9, -2e-5], [1e-8, 1e-9, 0.3]), 4.0),
    "tanh / (1 - s) - erf": (t / (1 - s) - pt.erf(x), ([-1e-9, 1e-9, 3e-5], [0.0] * 3), 6.0),
    "cosh * sinh next to the overflow": (
        pt.grad(pt.sqr(pt.cosh(x)).sum(), x),
        ([355.0, -355.0, 1e-9], [0.0] * 3),
        4.0 * 356,
    ),
    "the root of a sigmoid that underflows": (
        pt.grad((1 + pt.sigmoid(2 * x) * (1 - pt.exp(-x)) - pt.sigmoid(-x)).sum(), x),
        ([40.1, 300.2, 701.0], [0.0] * 3),
        4.0 * 702,
    ),
}


# What a mended product must not do: leave the floats before the parts of the old one.
EXACT |= {
    # It does not vanish in the middle, where the powers of p and q that it is made of cancel.
    "1e-9 - tanh": (second(pt.erfc(1e-9 - t)), ([0.0, -0.0, 2e-12, -3e-9], [0.0] * 4), 6.0),
    "logaddexp with a new dimension": (
        pt.logaddexp(x, y)[None][0],
        ([0.0, -1e-300, 0.0], [-40.1, -700.0, -36.9]),
        4.0,
    ),
    "a denominator that underflows": (
        (1 - pt.erf(x) / pt.sigmoid(2 * x)) / ((pt.exp(x / 2) - 1) / s - 3 / pt.exp(x / 2)),
        ([-310.2, -310.0, 1.3], [0.0] * 3),
        4.0 * 311,
    ),
    "exp * x**3 / x**3": (
        second(-1 - s * (s / x + pt.sinh(x))),
        ([701.0, 5.0], [0.0] * 2),
        4.0 * 702,
    ),
    "(exp + exp(-)) / 2": (
        second(pt.erf(x) * s - pt.cosh(x)),
        ([710.3, -710.3, 2.0], [0.0] * 3),
        4.0 * 711,
    ),
    "sinh**2 next to its overflow": (
        first(pt.sqr(1.5 * pt.sqrt(pt.expm1(x)) - pt.sinh(x))),
        ([355.0, 2.0], [0.0] * 2),
        4.0 * 356,
    ),
    "a square of a difference": (
        first((t - pt.exp(-x)) ** 3),
        # Next to its zero, where the error is that of the difference.
        ([0.6093788634], [0.0]),
        1e9,
    ),
    "sign of a sigmoid": (second(pt.log(pt.abs(s))), ([-700.1, 3.0], [0.0] * 2), 4.0),
}
# What a rule took for granted of a sign, a bound, a dtype or an index.
EXACT |= {
    "log of two negative factors": (
        pt.log(pt.expm1(x) * x),
        ([-0.7, 0.3, -40.1], [0.0] * 3),
        6.0,
    ),
    "log of tanh and a negative label": (pt.log(t * y), ([-0.7, 0.3], [-5.0, 30.0]), 6.0),
    "log of a large number minus a sigmoid": (
        pt.log(y - s),
        ([-708.9, 3.0, 0.3, 40.1, -2.0], [744.7, 1e20, 1.1, 1.0, 1e-3 + 1]),
        16.0,
    ),
    "expm1 and a large number": (
        pt.expm1(x) + y,
        ([2.7, 30.0, 0.1], [-354.9, -354.9, 1e17]),
        4.0,
    ),
    "a bound that tanh is below": (pt.log(pt.maximum(t, 1)), ([-2.1, 0.3], [0.0] * 2), 0.0),
    "a part of a join, up to a length": (
        pt.concatenate([pt.exp(x / 2), x])[: x.shape[0]] / s**2,
        ([0.3, -2.0], [0.0] * 2),
        6.0,
    ),
    "gradient of a part of a join": (
        first(pt.concatenate([pt.exp(x / 2), pt.exp(x / 2)])[: x.shape[0]] / s**2),
        ([0.3, -2.0], [0.0] * 2),
        6.0,
    ),
    "a sum of equal terms beside its term": (
        second(x * x * pt.cast(pt.sigmoid(pt.cast(x, "float32")), "float64")),
        ([5.2, 3.3, -0.7], [0.0] * 3),
        2.0**30,  # an ulp of the float32 that the sigmoid is
    ),
    "the root of a normal cdf": (
        pt.sqrt(0.5 * pt.erfc(-x / np.sqrt(2.0))) + 0 * y,
        ([-7.1, -0.3, 0.05, 3.0], [0.0] * 4),
        4.0,
    ),
    "a broken power of a normal cdf": (
        (0.5 * pt.erfc(-x)) ** 1.5 * (0.5 * pt.erfc(x)),
        ([-7.1, -0.3, 0.05, 3.0], [0.0] * 4),
        6.0,
    ),
    "what does not depend on x": (
        first(pt.sigmoid(x / (y * x - x))),
        ([0.3, -2.0, 5.5], [3.0, 0.25, -1.0]),
        np.inf,  # 0: what stock finds is rounding
    ),
    "a clip minus what it clips": (
        first(pt.log(pt.clip(pt.softplus(x), 1e-6, 1) - pt.softplus(x))),
        ([-19.4, -30.1, 44.3], [0.0] * 3),
        4.0,
    ),
    "what is set is not added": (
        first(pt.set_subtensor(x[:1], (s * x)[:1])),
        ([0.05, 0.3, -40.1], [0.0] * 3),
        4.0,
    ),
}
# Zero times what has not overflowed yet is zero; and an infinite value is infinite.
LIMITS = {
    "exp(x**2) twice": (second(pt.sigmoid(x / pt.exp(-(x**2))) ** 0.5), (20.1, 0.0), 0.0),
    "cosh twice": (second(pt.tanh(-y * pt.softplus(-x) * pt.cosh(x))), (-700.1, 0.3), 0.0),
    "the root of what underflows": ((1 / s) ** -0.5 - s, (-800.3, 0.0), 0.0),
    "an infinite factor": (
        first(0.1 * t + x * pt.expm1(y) * pt.softplus(x)),
        (801.0, 802.5),
        np.inf,
    ),
    # Outside of its condition the base of the power is negative, and 0 times it nan.
    "a power beside its condition": (
        first(pt.maximum(-pt.softplus(x), 0) ** x),
        (40.1, 0.0),
        0.0,
    ),
    "a power of 2 q beside a symbolic one": (
        first((1 - t) ** 0.3 * (1 - t) ** y),
        (400.0, 2.0),
        0.0,
    ),
    "cosh * erfc": ((3 * pt.erfc(x) * pt.cosh(x) - (1 - pt.cosh(x))) ** 2, (710.3, 0.0), np.inf),
}


def mode():
    return get_mode("CVM").excluding("fusion", "inplace", "sigmoids_share_exp")


@pytest.mark.parametrize("case", EXACT)
def test_it_has_all_its_digits(case):
    value, (at, labels), bound = EXACT[case]
    exact = truth(value, {x: at, y: labels} if y in ancestors([value]) else {x: at})
    function = pytensor.function([x, y], value, mode=mode(), on_unused_input="ignore")
    assert np.all(ulps(function(at, labels), exact) <= bound), case


@pytest.mark.parametrize("case", LIMITS)
def test_it_is_what_it_was_at_the_limits(case):
    value, (at, label), wanted = LIMITS[case]
    function = pytensor.function([x, y], value, mode=mode(), on_unused_input="ignore")
    assert function([at], [label])[0] == wanted


BELOW = pt.maximum(-x / pt.exp(x), 0)
ABOVE = x / pt.exp(x) + pt.exp(x)

ENDLESS = {
    "cosh - 1 beside another cosh": 0.3 / pt.cos(x) * (pt.cosh(x) - s) - (1 - pt.cosh(x)),
    "tanh - y": t - y,
    "cosh * sinh": pt.cosh(x) * pt.sinh(x),
    "an argument is no label": pt.erfc(y) + pt.sigmoid(-x) + pt.tanh(y) - x,
    "a sum over cosh, times cosh": first(pt.tanh(x / 2) * s - t * pt.sinh(x)),
    "a function made twice": first(pt.expm1(x) / pt.softplus(-x) / pt.tanh(t)),
    "a condition made twice": first(pt.maximum(x - t / x / pt.sigmoid(2 * x), 0)),
    "s - x * exp(-x**2)": first((s - x * pt.exp(-(x**2))) / (2 * x)),
    "two terms in another order": 2 * (x + pt.cosh(x)),
    "one term from each piece of a join": first(pt.tanh(pt.sigmoid(pt.concatenate([x, x])))),
    "sinh in two units": (1 + pt.sinh(y))
    * (x / pt.sigmoid(y) * pt.sinh(y) + 3 * (pt.sinh(y) - 1 + s)),
    # One rule wrote s**(4 - q) as s**2 s**(2 - q), and another gathered the powers again.
    "a sigmoid to the power of itself": second(s**s),
    # What stands in a maximum was taken for something that a factored sum would save.
    "a function in a maximum": first((BELOW / ABOVE - BELOW) * (BELOW / ABOVE)),
    "the root of sinh": second(1 / (-pt.sinh(x)) ** 0.5 / x),
    # PyTensor's spelling of what the rules leave: -1 a b for -(a b), 6 / a for 2 (3 / a).
    "minus a product": second(s),
    "minus 4 s q": first(-t),
    "a product in a product": first(y * t * (1 - t**2)),
    "a number times a quotient": first(x * pt.sqrt(s * (1 - s)) / y),
    "|2 x|": pt.log1p(t),
    "x - 1": first(pt.special.softmax(1 - x) + 1 - x),
    "a sum over all axes": pt.special.log_softmax(x),
    "the argument is a product": second(pt.softplus(x**3) / x**2),
    "logaddexp with a new dimension": pt.logaddexp(x, y)[None],
    # A length that PyTensor takes twice while it specializes.
    "a length that is taken twice": second(
        1 + pt.exp(-(x**2)) + pt.exp(-(x**2))[:, None],
    ),
    # The whole wrote erf + n for what a rule had made of that term, a label's sum.
    "a label in a part of a sum": first(
        (pt.cosh(pt.erf(x)) - 1) * (1 - pt.erf(x) - pt.cast(y > 0, "float64"))
    ),
    "a count in a part of a sum": first(
        (pt.cosh(pt.erf(x)) - 1) * (1 - pt.erf(x) - pt.cast(y, "int64"))
    ),
    # PyTensor divides the terms of (a q + b) / q each on its own again.
    "a quotient whose terms PyTensor divides": first(
        pt.sigmoid(pt.exp(1 - x)) * (pt.sigmoid((1 - x) ** 0.5) - pt.cast(y, "uint8"))
    ),
    # The sum over both ends of tanh is read as the sum with tanh in it.
    "tanh of a maximum": second(pt.tanh(pt.maximum(1, pt.exp(x + 1)))),
    "PyTensor writes 1 / y as a reciprocal": first(
        pt.log1p(t) / pt.log1mexp(-pt.cosh(pt.log1p(t))) + pt.log1p(t)
    ),
    "one over a softmax": first(-1 / pt.special.softmax(x)),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_second_pass_changes_nothing(case):
    once = FunctionGraph([x, y], [ENDLESS[case]], clone=True)
    with pytensor.config.change_flags(on_opt_error="raise"):
        mode().optimizer.rewrite(once)
        twice = once.clone()
        mode().optimizer.rewrite(twice)
    assert same_graph(once, twice)


def scanned(v):
    p = pt.sigmoid(v)
    return p * (1 - p)


TOTAL = pt.logsumexp(x, keepdims=True)

RAISED = {
    "a quotient by what a scan gives": second(
        x / pytensor.scan(scanned, sequences=[x], return_updates=False)
    ),
    "log-softmax of a scalar": pt.special.log_softmax(pt.expm1(x.mean()), axis=-1) * x,
    "softmax of a scalar": pt.log1p(pt.special.softmax(x.mean(), axis=-1)),
    "a part of a join that is all of a piece": first(pt.concatenate([TOTAL, x])[: TOTAL.shape[0]]),
    "a condition that is a term": first(pt.maximum(pt.maximum(x, 0), x)),
    "the square of a constant is beyond the floats": first(pt.arctan(1e300 + t**2)),
}


@pytest.mark.parametrize("case", RAISED)
def test_it_is_as_stock_has_it(case):
    at = [0.3, -2.0]
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x], RAISED[case], mode=mode())(at)
    np.testing.assert_allclose(pytensor.function([x], RAISED[case], mode=mode())(at), stock)


def test_a_wide_factor_makes_phi_of_a_narrow_input_wide():
    w = pt.fvector("w")
    value = pt.erfc(w * np.float64(-0.7))
    at = np.float32([0.05, -19.4, 3.0])
    assert np.all(ulps(pytensor.function([w], value, mode=mode())(at), truth(value, {w: at})) < 8)


def test_the_parts_of_a_join_are_cast():
    """In int8 12 * 12 is -112, and there is no negation of booleans."""
    n, b = pt.vector("n", dtype="int8"), pt.vector("b", dtype="bool")
    joined = pt.join(0, n, b, x)
    lengths = pt.stack([n.shape[0], b.shape[0], x.shape[0]])
    first_part, *_ = pt.split(1 - pt.sigmoid(joined * joined), lengths, n_splits=3, axis=0)
    gradient = pt.grad((-joined * joined * joined).sum(), x)
    given = np.int8([12, 5]), [True, False], [1.0, 2.0]
    function = pytensor.function([n, b, x], [first_part, gradient], mode=mode())
    for found, wanted in zip(
        function(*given),
        (1 / (1 + np.exp([144.0, 25.0])), [-3.0, -12.0]),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_what_is_subtracted_does_not_wrap():
    """Unsigned integers and conditions, as terms of a sum that is built anew."""
    u, b = pt.vector("u", dtype="uint8"), pt.vector("b", dtype="bool")
    for signed in ([(-1, u), (-1, u)], [(-1, b)], [(1, u), (-1, b)], [(1, b), (1, b), (-1, u)]):
        total = signed_sum(signed)
        values = {u: np.uint8([200, 3]), b: np.array([True, False])}
        given = {v: values[v] for _, v in signed}
        wanted = sum(sign * given[v].astype("int64") for sign, v in signed)
        assert np.array_equal(
            total.eval({v: a for v, a in given.items() if v in ancestors([total])}), wanted
        )


PRODUCTS = {
    "a square of a negation": pt.exp(x) / pt.sqr(-t),
    "squares in squares": pt.sqr(-3 * pt.sqr(-t)) / pt.reciprocal(-x),
    "an odd power of one": pt.reciprocal(pt.sqr(-t) * (-t)) * x,
    "quotients below a quotient": x / (t / (-x / pt.sqr(-0.5 * t))),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_a_product_is_what_is_read_of_it(case):
    """``A - B / sqr(-m)`` was read as ``A + B / m**2``: each negation turned the sign, whatever
    power it was raised to."""
    value = PRODUCTS[case]
    built = build_product(*factors(value), "float64")
    at = {x: [0.3, -2.0]}
    np.testing.assert_allclose(built.eval(at), value.eval(at), rtol=1e-14)
