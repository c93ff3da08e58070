"""The engine on graphs: every spelling ends in the graph that one would write with companions."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, second_pass, ulps
from pytensor.compile.mode import Mode

import pytensor_stabilize
from pytensor_stabilize.graphs import diff, explain, same_graph, truth

x, a, y, c = pt.dvectors("x", "a", "y", "c")
s, t, e = pt.sigmoid(x), pt.tanh(x), pt.exp(x)
sa = pt.sigmoid(a)
p, q = pt.sigmoid(x), pt.sigmoid(-x)
index = pt.lvector("index")


# spelling: (as it is written, as it ends)
def log_of_difference(g, f):
    """``log(f)`` for ``f = 1 - g``, which may be large: y is a label, or any number."""
    return pt.switch(pt.lt(g, 0), pt.log1p(pt.abs(y) * p), -pt.log1p(g / f))


SUMS = {
    "1 - s": (1 - s, q),
    "s - 1": (s - 1, -q),
    "2 - 2 s": (2 - 2 * s, 2 * q),
    "a - a s": (a - a * s, a * q),
    "1 - s + y": (1 - s + y, y + q),
    "s - s**2": (s - s**2, p * q),
    "s*(1 - s)": (s * (1 - s), p * q),
    "1 - s**2": (1 - s**2, q * (1 + p)),
    "1 - 2 s": (1 - 2 * s, -pt.tanh(0.5 * x)),
    "1 - 2 s + s**2": (1 - 2 * s + s**2, pt.sqr(q)),
    "1 - (1 - s)**2": (1 - (1 - s) ** 2, p * (1 + q)),
    "1 - t": (1 - t, 2 * pt.sigmoid(-(2 * x))),
    "1 + t": (1 + t, 2 * pt.sigmoid(2 * x)),
    "1 - t**2": (1 - t**2, 4 * pt.sigmoid(2 * x) * pt.sigmoid(-(2 * x))),
    "(1 - t) (1 + t)": ((1 - t) * (1 + t), 4 * pt.sigmoid(2 * x) * pt.sigmoid(-(2 * x))),
    "1 - |t|": (1 - abs(t), 2 * pt.sigmoid(-(2 * abs(x)))),
    "1 - exp": (1 - e, -pt.expm1(x)),
    "exp(2x) - 2 exp(x) + 1": (pt.exp(2 * x) - 2 * e + 1, pt.sqr(pt.expm1(x))),
    "cosh - 1": (pt.cosh(x) - 1, 2 * pt.sqr(pt.sinh(0.5 * x))),
    "1 - cos": (1 - pt.cos(x), 2 * pt.sqr(pt.sin(0.5 * x))),
    "1 - 0.9 s": (1 - 0.9 * s, 0.9 * q + (1 - 0.9)),
    "1 - s + 0.1 s": (1 - s + 0.1 * s, q + 0.1 * p),
    "1 - erf": (1 - pt.erf(x), pt.erfc(x)),
    "1 - erf**2": (1 - pt.erf(x) ** 2, pt.erfc(-x) * pt.erfc(x)),
    "exp - exp(-x)": (e - pt.exp(-x), 2 * pt.sinh(x)),
    "1 - sqrt(s)": (1 - pt.sqrt(s), q / (1 + pt.sqrt(p))),
    "y - s": (y - s, y * q + (y - 1) * p),
    "1 - s y": (1 - s * y, q + (1 - y) * p),
    "1 - s sa": (1 - s * sa, q + p * pt.sigmoid(-a)),
    "(1 - s)(1 - sa) spelled out": (1 - s - sa + s * sa, q * pt.sigmoid(-a)),
    "s + sa - s sa": (s + sa - s * sa, p + q * sa),
    "1 - (c + (1 - c) s)": (1 - (c + (1 - c) * s), q * (1 - c)),
    "1 - s, through a row": (1 - s[None, :], q[None, :]),
    "s (1 - s), indexed": (s[index] * (1 - s[index]), p[index] * q[index]),
    "1 - float32": (1 - pt.cast(pt.sigmoid(pt.cast(x, "float64")), "float64"), q),
}
PRODUCTS = {
    "s / (1 - s)": (s / (1 - s), pt.exp(x)),
    "1 / s - 1": (1 / s - 1, pt.exp(-x)),
    "3 (1 - s) / s": (3 * (1 - s) / s, 3 * pt.exp(-x)),
    "exp / (1 + exp)": (e / (1 + e), p),
    "exp / (1 + exp)**2": (e / (1 + e) ** 2, p * q),
    "2 / (1 + exp(-2x)) - 1": (2 / (1 + pt.exp(-2 * x)) - 1, t),
    "2 sigmoid(2x) - 1": (2 * pt.sigmoid(2 * x) - 1, t),
    "tanh written out": ((e - pt.exp(-x)) / (e + pt.exp(-x)), t),
    "(exp - 1) / (exp + 1)": ((e - 1) / (e + 1), pt.tanh(0.5 * x)),
    "(1 - t) / (1 + t)": ((1 - t) / (1 + t), pt.exp(-(2 * x))),
    "(1 + tanh(x/2)) / 2": ((1 + pt.tanh(x / 2)) / 2, p),
    "sqrt(s (1 - s))": (pt.sqrt(s * (1 - s)), 0.5 / pt.cosh(0.5 * x)),
    "exp(-softplus)": (pt.exp(-pt.softplus(x)), q),
    "exp(-x) s": (pt.exp(-x) * s, q),
}
LOGS = {
    "log(s (1 - s))": (pt.log(s * (1 - s)), -pt.softplus(-x) - pt.softplus(x)),
    "log(1 - s)": (pt.log(1 - s), -pt.softplus(x)),
    "log(a s)": (pt.log(a * s), pt.log(a) - pt.softplus(-x)),
    "log(1 - exp)": (pt.log(1 - e), pt.log1mexp(x)),
    "log(s / (1 - s))": (pt.log(s / (1 - s)), x),
    "log of a row": (pt.log(s[None, :]), -pt.softplus(-x)[None, :]),
    "log, indexed": (pt.log(s[index]), -pt.softplus(-x)[index]),
    "log of a join": (
        pt.log(pt.concatenate([s, 1 - s])),
        pt.concatenate([-pt.softplus(-x), -pt.softplus(x)]),
    ),
    "log of a switch": (
        pt.log(pt.switch(pt.gt(y, 0), s, 1 - s)),
        pt.switch(pt.gt(y, 0), -pt.softplus(-x), -pt.softplus(x)),
    ),
    "log of a clip": (pt.log(pt.clip(s, 0, 1)), -pt.softplus(-x)),
    "log(1 - s y)": (pt.log(1 - s * y), log_of_difference(y * p, q + (1 - y) * p)),
}
ALL = SUMS | PRODUCTS | LOGS
INPUTS = [x, a, y, c, index]


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("clients", ["one", "several"])
def test_it_ends_as_one_would_write_it(case, clients):
    before, after = ALL[case]
    others = [] if clients == "one" else [3 * s, 3 * t, 3 * e]
    made = compile_rewritten(INPUTS, [before, *others])
    wanted = compile_rewritten(INPUTS, [after, *others])
    for graph in (made, wanted):
        assert not pytensor_stabilize.graphs.op_counts(graph)["composite"]
    assert same_graph(made, wanted), str(diff(made, wanted))


@pytest.mark.parametrize("case", ALL)
def test_a_second_pass_changes_nothing(case):
    once = compile_rewritten(INPUTS, ALL[case][0]).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again), str(diff(once, again))


@pytest.mark.parametrize(
    "power",
    [
        pytest.param(lambda k: 1 - s**k, id="1 - s**k"),
        pytest.param(lambda k: 2 - 2 * (1 - s) ** k, id="2 - 2 (1 - s)**k"),
        pytest.param(lambda k: pt.log1p(-(s**k)), id="log1p(-s**k)"),
        pytest.param(lambda k: pt.log(1 - (1 - s) ** k), id="log(1 - (1 - s)**k)"),
    ],
)
@pytest.mark.parametrize("exponent", [a, pt.as_tensor(5)], ids=["symbolic", "constant"])
def test_powers_next_to_1(power, exponent):
    """Where the power is small it has the rounding of its exponent."""
    cost = power(exponent)
    at = np.array([-600.3, -38.1, -17.3, -2.5, 0.4, 3.1, 17.3, 38.1, 600.3])
    values = np.array([0.7, 2.5, 4.0, 12.3, 5.0, 0.5, 3.0, 1.5, 1.1])
    givens = {x: at} | ({a: values} if exponent is a else {})
    for quantity in (cost, pt.grad(cost.sum(), x)):
        function = pytensor.function([x, a], quantity, mode=python_mode(), on_unused_input="ignore")
        exact = truth(quantity, givens)
        errors = ulps(function(at, values), exact)
        decided = np.isfinite(np.asarray(exact.value, "float64"))
        sizes = 4 * (1 + np.abs(at) * np.maximum(values, 5.0))
        assert np.all((errors <= sizes) | ~decided), errors


@pytest.mark.parametrize(
    ("cost", "nearest"),
    [
        pytest.param(pt.log(1 - pt.erf(x) ** 2), 0, id="1 - erf**2"),
        # The derivatives of the two logarithms cancel at 0.
        pytest.param(pt.log(pt.erfc(x) * (2 - pt.erfc(x))), 1, id="erfc (2 - erfc)"),
    ],
)
def test_logarithms_of_both_tails(cost, nearest):
    at = np.array([-60.2, -27.3, -6.1, -0.7, -1e-3, 1e-9, 0.2, 0.5, 3.3, 6.2, 27.1, 60.3])
    for quantity in (cost, pt.grad(cost.sum(), x)):
        function = pytensor.function([x], quantity, mode=python_mode())
        exact = truth(quantity, {x: at})
        decided = np.isfinite(np.asarray(exact.value, "float64"))
        assert decided.sum() >= 10
        if quantity is not cost:
            decided &= np.abs(at) > nearest
        assert ulps(function(at), exact)[decided].max() <= 6.0


@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    "cost",
    [
        pytest.param((y - s) / (s * (1 - s)), id="(y - s) / (s (1 - s))"),
        pytest.param(pt.log(1 - y * s / 2), id="log(1 - y s / 2)"),
        pytest.param(pt.log(s**y * (1 - s) ** (1 - y)), id="log(s**y (1 - s)**(1 - y))"),
    ],
)
def test_labels_in_denominators_and_exponents(cost, label):
    """PyTensor divides sums term by term and multiplies squares out: both cancel."""
    at = np.array([-300.3, -38.1, -17.3, -2.5, 0.4, 3.1, 17.3, 38.1, 300.3])
    labels = np.full_like(at, label)
    first = pt.grad(cost.sum(), x)
    for quantity in (cost, first):
        function = pytensor.function([x, y], quantity, mode=python_mode(), on_unused_input="ignore")
        errors = ulps(function(at, labels), truth(quantity, {x: at, y: labels}))
        assert np.all(errors <= 5.0), errors


def test_the_hessian_of_a_switch_is_mended():
    """PyTensor leaves a switch minus a switch times tanh(x / 2)."""
    label = pt.gt(y, 0.5)
    cost = pt.switch(label, pt.log(s), pt.log(1 - s)).sum()
    second = pt.grad(pt.grad(cost, x).sum(), x)
    assert explain(second).fired["sum_of_switches"] == 1
    at = np.array([-60.0, -38.0, -17.3, 0.3, 17.3, 38.0, 60.0])
    labels = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    value = pytensor.function([x, y], second, mode=python_mode())(at, labels)
    assert ulps(value, truth(second, {x: at, y: labels})).max() <= 4.0


def test_a_join_below_a_sum_is_mended():
    ratio = (1 - pt.concatenate([s, s * s])).sum() / (1 - s)
    assert explain(ratio).fired["sum_with_join"] == 1
    function = pytensor.function([x], ratio, mode=python_mode())
    for at in (-40.0, -0.3, 20.0, 36.0, 40.0, 300.0):
        assert ulps(function([at]), truth(ratio, {x: [at]})) <= 4, at


STAYS = {
    "1 + s": 1 + s,
    "2 - s": 2 - s,
    "s - s y z": s - s * y * c,
    "0.3 - 0.1 s - 0.2 s": 0.3 - 0.1 * s - 0.2 * s,
    "0.9 - s": 0.9 - s,
    "1 + exp": 1 + e,
    "exp(x) + exp(-x)": e + pt.exp(-x),
    "c + (1 - c) s": c + (1 - c) * s,
    "x - s": x - s,
    "s of another function": pt.exp(a) - s,
    "a sum that shows its root": s * q + p * q * q,
    "1 - s of complex": 1 - pt.sigmoid(pt.zvector("z")),
    "log(2.5 + s)": pt.log(2.5 + s),
}
RULES_OF_THE_ENGINE = ("sum_at_critical_value", "product_of_companions", "log_of_companions")


@pytest.mark.parametrize("case", STAYS)
def test_what_must_stay(case):
    explanation = explain([STAYS[case]])
    assert not any(explanation.fired[name] for name in RULES_OF_THE_ENGINE), str(explanation)


def python_mode() -> Mode:
    """Our rules and NumPy's functions: nothing to compile, and no fast-math."""
    return Mode("py", "fast_run").excluding("fusion", "inplace")


AT = np.array(
    [
        -700.2,
        -60.3,
        -38.1,
        -19.2,
        -3.7,
        -0.31,
        -1e-9,
        1e-17,
        0.02,
        1.9,
        17.3,
        36.9,
        40.2,
        90.1,
        700.5,
    ]
)
ONE_ARGUMENT = {
    name: before
    for name, (before, _) in ALL.items()
    if not set(pytensor.graph.traversal.ancestors([before])) & {a, y, c, index}
}
# Where the value is a power of a function the roundings add up; ulps.
# exp(-x**2) has the rounding of its argument, an ordinary zero lies at 1.76, and PyTensor does not
# see the parts of a join whose gradient it takes.
WIDE = {
    "exp / (1 + exp)**2": 12.0,
    "1 - erf": 1600.0,
    "1 - erf**2": 1600.0,
    "sqrt(s (1 - s))": 30.0,
}
ONE_ARGUMENT |= {
    "1 - (1 - s)**5": 1 - (1 - s) ** 5,
    "exp / expm1**2": e / pt.expm1(x) ** 2,
}


@pytest.mark.parametrize("case", ONE_ARGUMENT)
def test_value_and_derivatives_have_all_their_digits(case):
    """Alone and together; errors at ordinary zeros in ulps of the terms."""
    value = ONE_ARGUMENT[case]
    first = pt.grad(value.sum(), x)
    second = pt.grad(first.sum(), x)
    quantities = [value, first, second]
    exact = [truth(quantity, {x: AT}) for quantity in quantities]
    together = pytensor.function([x], [*quantities, s, t], mode=python_mode())(AT)
    for position, quantity in enumerate(quantities):
        alone = pytensor.function([x], quantity, mode=python_mode())(AT)
        wanted = exact[position]
        decided = np.isfinite(np.asarray(wanted.value, "float64"))
        for actual in (alone, together[position]):
            errors = np.ravel(np.where(decided, ulps(np.asarray(actual), wanted), 0.0))
            condition = 4.0 * (1 + np.abs(AT)) if "exp" in case or "cosh" in case else 4.0
            bound = np.maximum(condition, WIDE.get(case, 5.0))
            worst = int(np.argmax(errors / bound))
            assert np.all(errors <= bound), (position, AT[worst], errors[worst])


def test_exponentials_that_grow_the_same_way_are_left_and_quotients_are_not():
    x = pt.dvector("x")
    fired = explain([pt.exp(x) * pt.exp(x), (x - 1) / pt.exp(x) / pt.exp(x)]).fired
    assert "product_of_companions" not in fired
    # 2.5 exp(x) / (2.5 + exp(x))**2 is inf / inf beyond 709.
    slope = pt.grad((1 - 2.5 / (2.5 + pt.exp(x))).sum(), x)
    at = np.array([710.1, 700.0, 5.0])
    found = compile_rewritten([x], slope)(at)
    assert ulps(found, truth(slope, {x: at})).max() <= 16
