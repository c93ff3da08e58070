"""Spellings that no rule was written for, by what has to be seen in them: what people write.

`benchmarks/spelling_list_held_out.py` has the rest of them.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.compile.mode import get_mode
from pytensor.graph.traversal import ancestors

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth

x, y, w = pt.dvectors("x", "y", "w")
s, e = pt.sigmoid(x), pt.exp(x)
sy = pt.sigmoid(y)

TAILS = [-300.3, -37.9, -5.1, -0.3, 0.7, 3.1, 18.3, 36.7, 301.7]
SMALL = [-3e-3, -2.3e-9, 1.7e-17, 2.1e-5]
ABOVE = [1e-12, 0.3, 2.7, 41.3, 3e17]
HALVES = [0.3, 1e-8, 0.97, 0.41, 0.5, 0.013, 0.77, 0.2, 0.99]

# Name: (expression, points of x, points of the other input, ulps of value and two derivatives;
# None where a derivative is not promised).
CASES = {
    # A difference of two logarithms of one pair is the argument.
    "entropy": (-s * pt.log(s) - (1 - s) * pt.log1p(-s), TAILS, None, (4, 4, 8)),
    # Coefficients of the result may be rounded, once the root is found.
    "Beta prior": (1.3 * pt.log(s) + 0.4 * pt.log(1 - s), TAILS, None, (4, 8, 4)),
    "zero inflation": (pt.log(s + 0.2725 * (1 - s)), TAILS, None, (6, 6, None)),
    # Functions of constants, which PyTensor computes in float32.
    "zero inflation, exp(-2.5)": (pt.log(s + (1 - s) * pt.exp(-2.5)), TAILS, None, (4, 4, 4)),
    "half lives": (1 - pt.exp(-pt.log(2.0) * pt.exp(x)), [-37.3, -2.1, 0.3], None, (4, 4, 20)),
    "odds ratio": (x * pt.exp(1.5) / (1 - x + x * pt.exp(1.5)), ABOVE[:2], None, (4, 4, None)),
    "probit of a slope": (0.5 * (1 + pt.erf(x / pt.sqrt(2.0))), [-5.1, 0.3], None, (4, 25, 25)),
    "log(2) x**3": (pt.log(2.0) * x**3, TAILS[3:-2], None, (4, 4, 4)),
    # Exponents that are no small fractions.
    "1 - s**1.7": (1 - s**1.7, TAILS, None, (None, 4, None)),
    "log(1 - s**1.7)": (pt.log1p(-(s**1.7)), [-3.1, 0.7, 18.3, 38.3, 301.7], None, (4, 6, None)),
    # Terms that cancel only over their common denominator.
    "posterior of a mixture": (w * e / (w * e + 1 - w), TAILS, HALVES, (4, 6, None)),
    # Logarithms of quotients and sums that come close to 1.
    "negative binomial": (pt.log(e / (e + 2.5)), [*TAILS, 720.1, -720.1], None, (4, 6, 6)),
    "negative binomial, alpha": (pt.log(e / (e + w)), TAILS, HALVES, (3, 8, None)),
    "negative binomial, no counts": (
        pt.log(w / (w + e)),
        [*TAILS, 720.1, -670.1],
        HALVES,
        (3, 8, 8),
    ),
    "cumulants of a Bernoulli": (pt.log(1 - w + w * e), [*SMALL, 3.1], HALVES, (6, 6, None)),
    "log(2 - exp(x))": (pt.log(2 - e), [-300.3, -2.1, *SMALL, 0.3], None, (4, 6, 6)),
    "log(3 - 2 exp(x))": (pt.log(3 - 2 * e), [-40.3, *SMALL, 0.2], None, (4, 6, 8)),
    "log(3/2 - s)": (pt.log(1.5 - s), [*SMALL, -37.3, 2.1, 40.3], None, (4, 4, 4)),
    "log(2 - cosh(x))": (pt.log(2 - pt.cosh(x)), [*SMALL, 0.3, 1.1], None, (4, 6, None)),
    "log(a / (a + b))": (pt.log(w / (w + y)), None, None, None),
    # Switches.
    "1 - Laplace cdf": (
        1 - pt.where(x < 0, 0.5 * e, 1 - 0.5 * pt.exp(-x)),
        TAILS,
        None,
        (4, 4, 4),
    ),
    "log(where(y, p, 1 - p))": (
        -pt.log(pt.where(pt.eq(y, 1), s, 1 - s)),
        TAILS,
        [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0],
        (4, 4, 4),
    ),
    # A symbol between equal products, and sums that are 1 at an end.
    "log(1 - p + w p)": (pt.log(1 - s + w * s), [-36.7, -3.1, 0.7, 18.3], [0.97], (4, 4, 20)),
    "zero-inflated Poisson": (
        pt.log(w + (1 - w) * pt.exp(-e)),
        [-36.7, -3.1, 0.7, 3.3],
        HALVES[:4],
        (4, 8, None),
    ),
    "seen in three visits, or not": (
        pt.log(y * (1 - (1 - s) ** 3) + (1 - y) * (1 - s) ** 3),
        [-36.7, -3.1, 2.1, 18.3, 37.4],
        [1.0, 0.0, 1.0, 0.0, 1.0],
        (6, 6, None),
    ),
    "seen in four visits": (
        pt.log(1 - (1 - s) ** 4),
        [-36.7, -0.217, -0.01, 3.1],
        None,
        (10, 8, 8),
    ),
    "seen in five visits": (pt.log(1 - (1 - s) ** 5), [-36.7, -0.7, 3.1, 6.2], None, (4, 8, 8)),
    # Two arguments.
    "softplus(x + 1) - softplus(x)": (
        pt.softplus(x + 1) - pt.softplus(x),
        [-30.3, 3.1, 33.1, 600.3],
        None,
        (4, 6, None),
    ),
    "cos(w + x) - cos(w)": (pt.cos(w + x) - pt.cos(w), SMALL, HALVES[:4], (4, 4, 4)),
    "noisy or": (
        pt.log1p(-s * sy),
        [-3.1, 0.7, 37.9, 600.3, -60.3],
        [2.1, -30.3, 38.3, 601.3, 1.3],
        (4, 6, 8),
    ),
    "mixture of two": (
        pt.log(0.3 * e + 0.7 * pt.exp(y)),
        [720.3, 300.3, -720.3, 3.0],
        [719.3, 1.5, -722.3, 40.3],
        (4, 4.0 * 300, 4.0 * 300),
    ),
    "Bernoulli divergence in logits": (
        s * (x - y) - pt.softplus(x) + pt.softplus(y),
        [40.3, 30.1, 40.3, -40.3, 3.1, -0.7],
        [30.1, 40.3, -40.3, -30.1, 2.1, 0.3],
        (8, 4, None),
    ),
    # Powers and roots.
    "log(1 - (1 - exp(-x))**3)": (
        pt.log(1 - (1 - pt.exp(-x)) ** 3),
        [1e-6, 0.057, 0.7, 3.1, 40.3],
        None,
        (4, 8, 20),
    ),
    "log(1 - (1 - exp(-x))**2)": (
        pt.log(1 - (1 - pt.exp(-x)) ** 2),
        [1e-6, 0.057, 0.7, 3.1, 40.3],
        None,
        (4, 4, 8),
    ),
    "log-logistic": (pt.log(1 + x**1.7) - 1.7 * pt.log(x), ABOVE, None, (4, None, None)),
    "sqrt(x**2 + 1) - |x|": (
        pt.sqrt(x**2 + 1) - pt.abs(x),
        [-1e7, -39.1, 0.1, 303.0],
        None,
        (4, None, None),
    ),
    # Second derivatives have terms twice, and with them more than are multiplied out.
    "mish": (
        x * (e**2 + 2 * e) / (e**2 + 2 * e + 2),
        [-36.7, -3.1, 0.7, 18.3, 44.7],
        None,
        (4, 6, 12),
    ),
    "(1 + x)**12 - 1": ((1 + x) ** 12 - 1, SMALL, None, (4, 8, 8)),
    "1 / sqrt(1 - x**2) - 1": (1 / pt.sqrt(1 - x**2) - 1, SMALL, None, (4, 6, 6)),
    "probit": (pt.erfinv(2 * x - 1), [1e-300, 3e-17, 0.013, 0.51, 0.93], None, (4, None, None)),
    "probit of a logit": (
        pt.erfinv(2 * s - 1),
        [-300.3, -38.3, -1.7, 1e-20, 1e-9, 0.3, 37.3, 300.3],
        None,
        (8, None, None),
    ),
}
MEASURED = [(name, order) for name, case in CASES.items() if case[3] for order in range(3)]


def mode():
    return get_mode("CVM").excluding("fusion", "inplace")


@pytest.mark.parametrize(("name", "order"), MEASURED)
def test_it_has_its_digits(name, order):
    value, at, others, bounds = CASES[name]
    if bounds[order] is None:
        pytest.skip("no promise")
    for _ in range(order):
        value = pt.grad(value.sum(), x)
    givens = {x: at}
    for other in (y, w):
        if other in ancestors([value]):
            givens[other] = (
                others[: len(at)] if len(others) >= len(at) else np.resize(others, len(at))
            )
    exact = truth(value, givens)
    function = pytensor.function(list(givens), value, mode=mode(), on_unused_input="ignore")
    errors = ulps(function(*givens.values()), exact)
    assert np.all(errors <= bounds[order]), errors


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3]])
def test_without_the_rules_digits_are_lost(name):
    value, at, others, bounds = CASES[name]
    worst = 0.0
    with pytensor_stabilize.excluding("all"):
        for bound in bounds:
            givens = {x: at}
            for other in (y, w):
                if other in ancestors([value]):
                    givens[other] = np.resize(others, len(at))
            exact = truth(value, givens)
            function = pytensor.function(list(givens), value, mode=mode())
            with np.errstate(all="ignore"):
                errors = ulps(function(*map(np.asarray, givens.values())), exact)
            if bound is not None:
                worst = max(worst, float(np.nanmax(np.where(np.isnan(errors), np.inf, errors))))
            value = pt.grad(value.sum(), x)
    assert worst > 30, worst


@pytest.mark.parametrize("name", CASES)
def test_in_a_second_pass_no_rule_fires(name):
    value = CASES[name][0]
    graphs = [value]
    if x in ancestors([value]):
        graphs.append(pt.grad(value.sum(), x))
    once = compile_rewritten([x, y, w], graphs).maker.fgraph
    assert not fired_again(once)


@pytest.mark.parametrize(
    ("small", "large"), [(1e-20, 1.0), (3e-310, 2e-300), (1.0, 1e300), (0.0, 3.0), (3.0, np.inf)]
)
def test_a_share_is_finite_where_it_was(small, large):
    """``b / a`` overflows long before ``a / (a + b)`` does."""
    value = pt.log(w / (w + y))
    function = pytensor.function([w, y], value, mode=mode())
    with np.errstate(all="ignore"):
        if large == np.inf or small == 0:
            assert function([large], [small])[0] == 0
            assert function([small], [large])[0] == -np.inf
            return
        for at in ((large, small), (small, large)):
            exact = truth(value, {w: at[:1], y: at[1:]})
            assert ulps(function(at[:1], at[1:]), exact) <= 4


def test_the_mean_of_exponentials():
    for value in (pt.log(e.mean()), pt.log(e.sum() / 3), pt.log(0.5 * e.sum())):
        function = pytensor.function([x], value, mode=mode())
        for shift in (-800.3, 0.3, 801.7):
            at = np.array([1.0, 2.5, -3.0]) + shift
            exact = truth(value, {x: at})
            assert ulps(function(at), exact) <= 4
    # The mean of one element.
    assert pytensor.function([x], pt.log(e.mean()), mode=mode())([1e-20]) == 1e-20


def test_a_row_maximum_of_conditions_and_a_gradient_that_is_zero():
    """The derivatives of these raised in rules, and their graphs were left as they were."""
    p = pt.special.softmax(x)
    for value in (1 - p.max(), (p * 2.0)[0]):
        first = pt.grad(value.sum(), x)
        second = pt.stack([pt.grad(first[i], x)[i] for i in range(3)])
        with pytensor.config.change_flags(on_opt_error="raise"):
            function = pytensor.function([x], second, mode=mode())
        assert np.all(np.isfinite(function([0.3, 2.5, -1.0])))


# What must not match: the same rules, where nothing is hidden.
LEFT = {
    "a guard": pt.switch(pt.gt(x, 0), pt.log(pt.switch(pt.gt(x, 0), x, 1.0)), 0.0),
    "a switch of inputs": 1 - pt.switch(pt.gt(y, 0), x, w),
    "a product with a switch": s * pt.switch(pt.gt(y, 0), x, w),
    "log(a / b)": pt.log(x / y),
    "log(1 / (1 + a))": pt.log(1 / (1 + x**2)),
    "log of a mean": pt.log(x.mean()),
    "log of a sum over an input": pt.log(e.sum() / w),
    "erfinv of an input": pt.erfinv(x),
    "erfinv(x - 3)": pt.erfinv(x - 3),
    "an ordinary root": 1 / pt.sqrt(x) - 3,
    "x**12 - 1": x**12 - 1,
    "constants that are not 1 in sum": 0.3 - 0.1 * s - 0.2 * s,
}
NEW = {
    "product_with_switch",
    "sum_of_switches",
    "log_of_share",
    "log_of_mean_exponential",
    "erfinv_near_one",
    "difference_of_reciprocal_roots",
    "power_minus_one",
    "sum_at_critical_value",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_hides_nothing_is_left(name):
    assert not NEW & set(explain([LEFT[name]]).fired)


p, q, a, b, c, d = pt.dscalars(*"pqabcd")
AT = {p: 300.3, q: -300.7, a: -500.1, b: -500.2, c: 499.8, d: 500.3}
# Of (p / a) (q / b) either is infinite or 0 where the whole is an ordinary number.
UNRELATED = {
    "p q / (a b)": (
        pt.exp(p) * pt.sigmoid(q) / ((pt.exp(a) + pt.exp(b)) * (pt.exp(c) + pt.exp(d))),
        AT,
    ),
    "p q / r**2": (
        pt.exp(p) * pt.sigmoid(q) / (pt.exp(a) + pt.exp(b)) ** 2,
        {p: 500.3, q: -500.7, a: -300.1, b: -300.2},
    ),
    "vanishing ones": (
        pt.sigmoid(p) * pt.sigmoid(q) / ((pt.sigmoid(a) + pt.exp(b)) * (pt.exp(c) + pt.sigmoid(d))),
        {p: 300.3, q: -400.7, a: -600.1, b: -600.3, c: 400.2, d: 500.3},
    ),
}


@pytest.mark.parametrize("form", UNRELATED)
def test_a_quotient_of_unrelated_functions_stays_finite(form):
    value, at = UNRELATED[form]
    with linker("cvm") as mode:
        found = pytensor.function(list(at), value, mode=mode)(*at.values())
    assert ulps(found, truth(value, at)) <= 16


sp, sq = pt.sigmoid(p), pt.sigmoid(q)
BOTH = sp * sq / (sp * sq + (1 - sp) * (1 - sq))
# What is divided by twice vanishes where p is large and q is small, and the other way round.
CORNERS = {
    "two probabilities": pytensor.grad(BOTH, p),
    "... of the other": pytensor.grad(BOTH, q),
    "... twice": pytensor.grad(pytensor.grad(BOTH, p), p),
    "tanh(p + q)": pytensor.grad((pt.tanh(p) + pt.tanh(q)) / (1 + pt.tanh(p) * pt.tanh(q)), p),
}


@pytest.mark.parametrize("form", CORNERS)
@pytest.mark.parametrize("at", [(-301.7, 300.3), (300.3, -301.7), (-20.5, 20.0), (3.0, 1.0)])
def test_a_quotient_whose_denominator_vanishes_at_two_corners(form, at):
    value = CORNERS[form]
    with linker("cvm") as mode:
        found = pytensor.function([p, q], value, mode=mode)(*at)
    assert ulps(found, truth(value, {p: at[0], q: at[1]})) <= 8


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_product_of_three_roots_leaves_the_floats_first(dtype):
    u, v = (pt.vector(name, dtype=dtype) for name in "uv")
    value = 1 / pt.sqrt(u) - 1 / pt.sqrt(v)
    assert explain(value).fired["difference_of_reciprocal_roots"]
    size = 206 if dtype == "float64" else 26
    near = np.array([10.0**-size, 10.0**size, 1.0], dtype)
    for other in (near * 2, near * np.asarray(1.001, dtype), np.full(3, np.inf, dtype)):
        found = compile_rewritten([u, v], value)(near, other)
        exact = truth(value, {u: near, v: other})
        # As written outside of the range: two digits of the difference are lost there.
        assert np.all(ulps(found, exact) <= [4000, 4000, 4])
