"""Differences of a function at two arguments: values, logarithms, derivatives, what is left."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, linker, second_pass, ulps

import pytensor_stabilize
from pytensor_stabilize import RULES
from pytensor_stabilize.graphs import explain, same_graph, truth
from pytensor_stabilize.rewrites.differences.rules import DIFFERENCES, OVER_DIFFERENCES

NAMES = [rule.name for rule in OVER_DIFFERENCES + DIFFERENCES]
s, tanh, exp = pt.sigmoid, pt.tanh, pt.exp
VALUES = {"sigmoid": s, "tanh": tanh, "exp": exp}


def grid(dtype, limit, ordered=False):
    """Pairs far apart and close, in the middle, in the tails and near 0."""
    rng = np.random.default_rng(20261121)
    k = 20
    wide = rng.uniform(-limit, limit, (2, k))
    middle = rng.uniform(-20, 20, (2, k))
    start = rng.uniform(-limit, limit, k)
    close = np.stack([start, start + rng.choice([-1, 1], k) * 10 ** rng.uniform(-12, 1, k)])
    small = rng.choice([-1, 1], (2, k)) * 10 ** rng.uniform(-12, 1, (2, k))
    a, b = np.concatenate([wide, middle, close, small], axis=1).astype(dtype)
    a, b = a[a != b], b[a != b]
    return (np.maximum(a, b), np.minimum(a, b)) if ordered else (a, b)


def errors_of(build, dtype, limit, name, ordered, joint, order):
    a, b = pt.vector("a", dtype=dtype), pt.vector("b", dtype=dtype)
    value = build(a, b)
    outputs = [value]
    if order > 0:
        outputs += pt.grad(value.sum(), [a, b])
    if order > 1:
        first = outputs[1:]
        outputs += [
            pt.grad(g.sum(), v, disconnected_inputs="ignore") for g in first for v in (a, b)
        ]
    given = grid(dtype, limit, ordered)
    exact = truth(outputs, dict(zip((a, b), given, strict=True)))
    with linker(name) as mode:
        if joint:
            results = pytensor.function([a, b], outputs, mode=mode)(*given)
        else:
            parts = [
                pytensor.function([a, b], o, mode=mode, on_unused_input="ignore") for o in outputs
            ]
            results = [f(*given) for f in parts]
    return [float(np.max(ulps(r, t))) for r, t in zip(results, exact, strict=True)]


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", VALUES)
def test_values_and_derivatives(function, dtype, name):
    f = VALUES[function]
    limit = (700.0 if dtype == "float64" else 85.0) / (2 if function == "tanh" else 1)
    errors = errors_of(lambda a, b: f(a) - f(b), dtype, limit, name, False, True, 1)
    assert errors[0] <= 6
    assert max(errors[1:]) <= 6


@pytest.mark.parametrize(
    ("name", "joint"), [*((name, True) for name in LINKERS), ("numba_strict", False)]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_logarithms_and_derivatives(function, dtype, name, joint):
    """The user's gradient of the naive spelling, to second order."""
    f = VALUES[function]
    limit = 600.0 if dtype == "float64" else 75.0
    limit /= 2 if function == "tanh" else 1
    # In float32 the tails of tanh leave the range where the quotient is taken: exp(t) then.
    loose = 80 if function == "tanh" and dtype == "float32" else 8
    errors = errors_of(lambda a, b: pt.log(f(a) - f(b)), dtype, limit, name, True, joint, 2)
    if function == "sigmoid":
        assert errors[0] <= 4
    assert max(errors[1:]) <= loose


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_derivatives_of_logdiffexp(dtype, name):
    """``log(exp(a) - exp(b))`` is 0 at ordinary arguments; its derivatives are not."""
    limit = 600.0 if dtype == "float64" else 75.0
    errors = errors_of(lambda a, b: pt.log(exp(a) - exp(b)), dtype, limit, name, True, True, 2)
    # LLVM's fast-math merges exp(a) exp(-b) to exp(a - b): 4 (1 + |a - b|) ulps.
    assert max(errors[1:]) <= (8 if name != "numba" else 4 * (1 + 2 * limit))


# Pairs at which the difference tends to 1 as its arguments go to critical values.
SMALL_LOGARITHMS = {
    "sigmoid": ([100.0, 60.0, 45.0, 700.0], [-60.0, -100.0, -45.0, -700.0]),
    "tanh": ([50.0, 1e-20, 300.0, 1e-300, 30.0], [1e-20, -50.0, 1e-300, -300.0, -1e-25]),
    "exp": ([1e-20, -1e-25, 1e-300, 0.0], [-800.0, -700.0, -np.inf, -60.0]),
}


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("function", SMALL_LOGARITHMS)
def test_where_the_logarithm_is_small(function, name):
    f = VALUES[function]
    a, b = pt.dvectors("a", "b")
    # PyTensor has a rule of its own for log(exp(a) - exp(b)).
    values = [pt.log(f(a) - f(b)), pt.log2(f(a) - f(b))]
    at = dict(zip((a, b), map(np.array, SMALL_LOGARITHMS[function]), strict=True))
    with linker(name) as mode:
        results = pytensor.function([a, b], values, mode=mode)(*at.values())
    for result, exact in zip(results, truth(values, at), strict=True):
        assert (np.abs(exact.value) < 2.0**-54).all()
        assert ulps(np.asarray(result), exact).max() <= 4


SPELLINGS = {
    "minus_first": lambda a, b: -s(b) + s(a),
    "plus_minus_one": lambda a, b: s(a) + s(-b) - 1,
    "one_minus_both": lambda a, b: 1 - s(-a) - s(b),
    "half": lambda a, b: 2 * (0.5 * s(a) - 0.5 * s(b)),
    "moved": lambda a, b: (s(a)[::-1] - s(b)[::-1])[::-1],
    "stacked": lambda a, b: pt.stack([s(a), s(b)])[0] - pt.stack([s(a), s(b)])[1],
    "row": lambda a, b: (s(a)[None, :] - s(b)[None, :])[0],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings(spelling):
    a, b = pt.dvectors("a", "b")
    value = SPELLINGS[spelling](a, b)
    # Other clients hinder nothing.
    given = grid("float64", 700.0)
    exact = truth(value, dict(zip((a, b), given, strict=True)))
    function = pytensor.function([a, b], [value, s(a), s(b) * 3], mode="NUMBA")
    assert ulps(function(*given)[0], exact).max() <= 6


def test_a_coefficient_and_other_terms():
    a, b, c, y = pt.dvectors("a", "b", "c", "y")
    value = c * s(a) - s(b) * c + y
    function = pytensor.function([a, b, c, y], value, mode="NUMBA")
    at = ([-800.0, -60.0, 50.0], [-801.0, -59.0, 40.0], [2.0, 3.0, 1.0], [0.0, 0.0, 0.0])
    exact = truth(value, dict(zip((a, b, c, y), map(np.array, at), strict=True)))
    assert ulps(function(*at), exact).max() <= 6
    assert "sigmoid_minus_sigmoid" in explain([value]).fired


POWERS_IN_LOGARITHMS = {
    "a reciprocal": lambda d, b: 1 / d,
    "below": lambda d, b: s(b) / d,
    "twice": lambda d, b: d * d,
    "a square and a factor": lambda d, b: pt.sqr(d) * s(b),
    "a cube": lambda d, b: d**3,
    "a term beside": lambda d, b: d + pt.exp(b),
}


@pytest.mark.parametrize("form", POWERS_IN_LOGARITHMS)
def test_logarithms_of_powers(form):
    """The logarithm of a difference counts as often as the difference is a factor."""
    a, b = pt.dvectors("a", "b")
    value = pt.log(POWERS_IN_LOGARITHMS[form](s(a) - s(b), b))
    at = {a: np.array([2.0, 50.0]), b: np.array([1.0, 49.0])}
    found = compile_rewritten([a, b], value)(*at.values())
    assert ulps(found, truth(value, at)).max() <= 4


def test_nothing_cancels_in_a_sum_of_complements():
    """``1 + s(a) - s(b)`` is ``s(a) + s(-b)``, and not 1 plus a difference."""
    a, b = pt.dvectors("a", "b")
    mended = compile_rewritten([a, b], 1 + s(a) - s(b))
    assert same_graph(mended, compile_rewritten([a, b], s(a) + s(-b)))


LEFT = {
    "different_coefficients": lambda a, b: 2 * s(a) - 3 * s(b),
    "different_functions": lambda a, b: s(a) - tanh(b),
    "other_constant": lambda a, b: 0.5 + s(a) - s(b),
    "two_ways_to_pair": lambda a, b: s(a) + s(a * b) - s(b),
    "a_sum": lambda a, b: s(a) + s(b),
    "a_sum_of_exp": lambda a, b: exp(a) + exp(b),
    "a_product": lambda a, b: s(a) - s(a) * s(b),
    "two_complements": lambda a, b: 1 - s(a) - s(b) + s(a) * s(b),
    "complex": lambda a, b: exp(a * 1j) - exp(b * 1j),
    "clipped": lambda a, b: pt.clip(s(a), 0.1, 0.9) - s(b),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left(case):
    a, b = pt.dvectors("a", "b")
    with pytensor_stabilize.only(*NAMES):
        fired = explain([LEFT[case](a, b)]).fired
    assert not any(fired.get(name) for name in NAMES)


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_special_values(dtype, name):
    """nan stays nan, equal infinities give 0, and nothing that stock has finite is lost."""
    inf = np.inf
    points = np.array([0.0, -0.0, inf, -inf, np.nan, 1e37, -1e37, 1e-40, -800, -801, 60, -60, 1])
    at = [x.ravel().astype(dtype) for x in np.meshgrid(points, points)]
    a, b = pt.vector("a", dtype=dtype), pt.vector("b", dtype=dtype)
    for f in VALUES.values():
        for value in (f(a) - f(b), pt.log(f(a) - f(b))):
            outputs = [value, *pt.grad(value.sum(), [a, b])]
            with linker(name) as mode, np.errstate(all="ignore"):
                ours = pytensor.function([a, b], outputs, mode=mode)(*at)
                with pytensor_stabilize.excluding("all"):
                    stock = pytensor.function([a, b], outputs, mode=mode)(*at)
            # Where a < b the logarithm is undefined; stock says so unless both sides round to
            # the same float.
            defined = (at[0] >= at[1]) | (outputs[0].owner.op == pt.sub)
            for mine, theirs in zip(ours, stock, strict=True):
                mine, theirs = np.asarray(mine), np.asarray(theirs)
                assert np.isfinite(mine)[np.isfinite(theirs) & defined].all()
            assert np.isnan(np.asarray(ours[0])[np.isnan(at[0]) | np.isnan(at[1])]).all()


@pytest.mark.parametrize("name", LINKERS)
def test_a_tie(name):
    """At a = b the value is 0, its derivatives those of the function, the logarithm -inf."""
    a, b = pt.dscalars("a", "b")
    value = s(a) - s(b)
    with linker(name) as mode:
        function = pytensor.function([a, b], [value, pt.log(value)], mode=mode)
        for x in (0.3, -700.0, 60.0, np.inf, -np.inf):
            difference, logarithm = function(x, x)
            assert difference == 0
            assert logarithm == -np.inf


def test_derivatives_of_the_form_that_is_left():
    """PyMC differentiates what the rules leave: also at a tie, where max and min would fail."""
    from pytensor_stabilize.rewrites.differences.forms import sigmoid_difference

    a, b = pt.dvectors("a", "b")
    naive = s(a) - s(b)
    x, y = grid("float64", 600.0)
    x, y = np.append(x, [0.3, -40.0]), np.append(y, [0.3, -40.0])
    exact = truth(pt.grad(naive.sum(), [a, b]), {a: x, b: y})
    left = pt.grad(sigmoid_difference(a, b).sum(), [a, b])
    for name in LINKERS:
        with linker(name) as mode:
            results = pytensor.function([a, b], left, mode=mode)(x, y)
        for result, true in zip(results, exact, strict=True):
            assert ulps(np.asarray(result), true).max() <= 8, name


def test_jax_differentiates_what_is_left():
    jax = pytest.importorskip("jax")
    a, b = pt.dscalars("a", "b")
    value = s(a) - s(b)
    function = pytensor.function([a, b], [value, pt.log(value)], mode="JAX").vm.jit_fn
    for x, y in ((0.3, 0.3), (-3.0, 2.0), (1.0, -np.inf), (np.inf, 1.0), (np.inf, np.inf)):
        slope = jax.grad(lambda x, y: function(x, y)[0], argnums=(0, 1))(x, y)
        exact = truth(pt.grad(s(a), a), {a: x}) if np.isfinite(x) else 0.0
        np.testing.assert_allclose(float(slope[0]), float(exact), rtol=1e-14)
        assert np.isfinite(slope[1])
    slope = jax.grad(lambda x, y: function(x, y)[1])(-8.0, -9.0)
    np.testing.assert_allclose(float(slope), 1.5816413567398860, rtol=1e-11)


@pytest.mark.parametrize("name", ["numba_strict", "cvm"])
def test_the_shift_of_both_arguments(name):
    """By eta the large parts cancel: d log(s(c1 - eta) - s(c0 - eta)) = s(a) + s(b) - 1."""
    c1, c0, eta = pt.dvectors("c1", "c0", "eta")
    value = pt.log(s(c1 - eta) - s(c0 - eta))
    slope = pt.grad(value.sum(), eta)
    curve = pt.grad(slope.sum(), eta)
    at = {c1: [1e-9, 1.0, 1.5, 2.0], c0: [0.0, 0.0, 1.5 - 1e-12, 1.0], eta: [3.0, -34.0, 0.2, 700]}
    exact = truth([slope, curve], {k: np.array(v) for k, v in at.items()})
    with linker(name) as mode:
        results = pytensor.function(list(at), [slope, curve], mode=mode)(*at.values())
    for result, true in zip(results, exact, strict=True):
        assert ulps(result, true).max() <= 8


def probabilities(eta, cutpoints):
    """As `pymc.OrderedLogistic` builds them."""
    inner = s(cutpoints - pt.shape_padright(eta))
    first = pt.shape_padright(inner[..., 0])
    joined = pt.concatenate([pt.zeros_like(first), inner, pt.ones_like(first)], axis=-1)
    return joined[..., 1:] - joined[..., :-1]


@pytest.mark.parametrize("eta", [-700.0, -34.0, 0.3, 40.0, 700.0])
def test_cumulative_probabilities_and_their_logarithms(eta):
    x, c = pt.dvector("x"), pt.dvector("c")
    p = probabilities(x, c)
    picked = pt.log(pt.take_along_axis(p, np.array([[0], [1], [2], [3]]), axis=-1).squeeze(-1))
    cutpoints = np.array([0.0, 1e-9, 2.0])
    at = {x: np.full(4, eta), c: cutpoints}
    function = pytensor.function([x, c], [p, picked, pt.log(p)], mode="NUMBA")
    exact = truth([p, picked, pt.log(p)], at)
    results = function(*at.values())
    # exp(t) of the user's own t = c - eta, which is rounded
    assert ulps(results[0], exact[0]).max() <= 4 * (1 + abs(eta))
    for result, true in zip(results[1:], exact[1:], strict=True):
        assert ulps(result, true).max() <= 8


@pytest.mark.parametrize("ends", [(-np.inf, np.inf), (0.0, 1.0), (-2.0, np.inf), (-np.inf, 5.0)])
@pytest.mark.parametrize("function", [s, pt.tanh, pt.exp])
def test_what_is_finite_beside_the_cutpoints_is_not_shifted(function, ends):
    x, c = pt.dvectors("x", "c")
    first, last = (pt.full((x.shape[0], 1), end) for end in ends)
    joined = pt.concatenate([first, c - pt.shape_padright(x), last], axis=1)
    value = function(joined[:, 1:]) - function(joined[:, :-1])
    at = {x: np.array([0.3, -1.1]), c: np.array([1.0, 2.5])}
    found = compile_rewritten([x, c], value)(*at.values())
    assert ulps(found, truth(value, at)).max() <= 16


MODELS = {
    "logistic": lambda pm, eta, c: pm.OrderedLogistic(
        "y", eta=eta, cutpoints=c, observed=[0, 1, 2, 3, 1], compute_p=False
    ),
    "multinomial": lambda pm, eta, c: pm.OrderedMultinomial(
        "y", eta=eta, cutpoints=c, n=5, observed=[[1, 2, 1, 1]], compute_p=False
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("eta", [-500.0, -34.0, 0.3, 40.0, 800.0])
def test_pymc_ordered_models(model, eta):
    """logp and dlogp, against the sum of logarithms in exact arithmetic."""
    pm = pytest.importorskip("pymc")
    with pm.Model() as built:
        MODELS[model](pm, pm.Flat("eta"), pm.Flat("c", shape=3))
    point = {"eta": np.array(eta), "c": np.array([0.0, 1e-3, 2.0])}
    x, c = pt.dvector("eta"), pt.dvector("c")
    rows = pt.log(probabilities(x, c)[0])
    total = (rows * np.array([1.0, 2.0, 1.0, 1.0])).sum()
    constant = 60.0 if model == "multinomial" else 1.0  # 5! / 2!
    at = {x: np.array([eta]), c: point["c"]}
    exact = truth([total, *pt.grad(total, [x, c])], at)
    logp = built.compile_logp(jacobian=False)(point)
    np.testing.assert_allclose(logp, float(exact[0]) + np.log(constant), rtol=1e-14)
    slopes = np.concatenate([exact[1].value, exact[2].value])
    np.testing.assert_allclose(built.compile_dlogp(jacobian=False)(point), slopes, rtol=2e-13)


@pytest.mark.parametrize("function", VALUES)
def test_a_second_pass_changes_nothing(function):
    f = VALUES[function]
    a, b = pt.dvectors("a", "b")
    value = pt.log(f(a) - f(b))
    outputs = [f(a) - f(b), value, *pt.grad(value.sum(), [a, b])]
    with pytensor_stabilize.only(*NAMES):
        once = compile_rewritten([a, b], outputs).maker.fgraph
        again = second_pass(once)
    assert same_graph(once, again)


def test_each_rule_is_registered():
    assert set(NAMES) <= {rule.name for rule in RULES}
