"""Logarithms of sums of exponentials and their derivatives, with the other rules beside."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, linker, second_pass, ulps
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.traversal import graph_inputs

import pytensor_stabilize
from pytensor_stabilize.graphs import same_graph, truth

ONE = {
    "log1mexp": (pt.log1mexp, (-700, -1e-30)),
    "log(1-exp)": (lambda x: pt.log(1 - pt.exp(x)), (-700, -1e-30)),
    "log1p(-exp)": (lambda x: pt.log1p(-pt.exp(x)), (-700, -1e-30)),
    "log(-expm1)": (lambda x: pt.log(-pt.expm1(x)), (-700, -1e-30)),
    "log(cosh)": (lambda x: pt.log(pt.cosh(x)), (-2000, 2000)),
    "log((exp+exp)/2)": (lambda x: pt.log((pt.exp(x) + pt.exp(-x)) / 2), (-2000, 2000)),
    "log(2 cosh)": (lambda x: pt.log(2 * pt.cosh(x)), (-2000, 2000)),
    # PyTensor's own, whose derivatives are graphs inside nodes.
    "logaddexp(x, -x)": (lambda x: pt.logaddexp(x, -x), (-2000, 2000)),
    "log(exp+exp)": (lambda x: pt.log(pt.exp(x) + pt.exp(-x)), (-2000, 2000)),
}
# Their values have an ordinary zero, where 4 ulp of the result cannot be had.
DERIVATIVES_ONLY = {
    "log(sinh)": (lambda x: pt.log(pt.sinh(x)), (1e-30, 700)),
    "log(expm1)": (lambda x: pt.log(pt.expm1(x)), (1e-30, 2000)),
    "coth": (lambda x: pt.cosh(x) / pt.sinh(x), (1e-30, 300)),
    # A number is broadcast: the derivatives with respect to it are sums.
    "logaddexp(0, -x) + logaddexp(0, x)": (
        lambda x: -pt.logaddexp(0, -x) - pt.logaddexp(0.0, x),
        (-2000, 2000),
    ),
}
TWO = {
    "log(exp a + exp b)": lambda a, b: pt.log(pt.exp(a) + pt.exp(b)),
    "logaddexp": pt.logaddexp,
    "a + softplus(b - a)": lambda a, b: a + pt.softplus(b - a),
    "a + log1p(exp(b - a))": lambda a, b: a + pt.log1p(pt.exp(b - a)),
}
MINUS = {
    "log(exp a - exp b)": lambda a, b: pt.log(pt.exp(a) - pt.exp(b)),
    "a + log1mexp(b - a)": lambda a, b: a + pt.log1mexp(b - a),
}


def sample(lo: float, hi: float, dtype: str = "float64") -> np.ndarray:
    factor = 1.0 if dtype == "float64" else 0.12
    rng = np.random.default_rng(4)
    small = 10.0 ** rng.uniform(-300 if dtype == "float64" else -36, 0, 60)
    small = small * (rng.choice([-1, 1], 60) if lo < 0 < hi else 1 if hi > 0 else -1)
    even = rng.uniform(lo * factor, hi * factor, 80)
    middle = np.clip(rng.uniform(-40, 40, 60), lo * factor, hi * factor)
    return np.concatenate([even, small, middle]).astype(dtype)


def with_derivatives(function, *args):
    value = function(*args)
    first = [pytensor.grad(value.sum(), a) for a in args]
    second = [
        pytensor.grad(first[0].sum(), a, disconnected_inputs="ignore", return_disconnected="zero")
        for a in args
    ]
    return [value, *first, *second]


def worst(outputs, args, columns, mode, limit=None):
    """Largest errors of the outputs, compiled together and each alone."""
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    together = pytensor.function(args, outputs, mode=mode, on_unused_input="ignore")(*columns)
    found = []
    for output, one, right in zip(outputs, together, exact, strict=True):
        alone = pytensor.function(args, output, mode=mode, on_unused_input="ignore")(*columns)
        limits = np.ones(len(columns[0])) if limit is None else limit
        errors = [np.where(np.isinf(right.value), 0, ulps(v, right)) / limits for v in (one, alone)]
        found.append(max(np.nan_to_num(e, nan=np.inf).max() for e in errors))
    return found


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", {**ONE, **DERIVATIVES_ONLY})
def test_value_and_derivatives(form, name):
    function, ends = {**ONE, **DERIVATIVES_ONLY}[form]
    x = pt.dvector("x")
    outputs = with_derivatives(function, x)[form in DERIVATIVES_ONLY :]
    with linker(name) as mode:
        found = worst(outputs, [x], [sample(*ends)], mode)
    # XLA's own exp, tanh and log1p are up to 4 ulp off, its sinh 17, and that is squared.
    assert max(found) <= (4.5 if name != "jax" else 40), found


# PyTensor computes logaddexp of float32 in float64, and its second derivatives between the two.
@pytest.mark.parametrize(
    "form", [f for f in {**ONE, **DERIVATIVES_ONLY} if not f.startswith("logaddexp(")]
)
def test_float32(form):
    function, ends = {**ONE, **DERIVATIVES_ONLY}[form]
    x = pt.fvector("x")
    outputs = with_derivatives(function, x)[form in DERIVATIVES_ONLY :]
    with linker("numba_strict") as mode:
        # tanh's own kernel is 1.9 ulp off there, and the derivatives of coth square it.
        promise = 4.5 if form != "coth" else 5.5
        assert max(worst(outputs, [x], [sample(*ends, "float32")], mode)) <= promise


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", {**TWO, **MINUS})
def test_two_arguments(form, name):
    """The rounding of a - b counts 1 + |a - b| ulp, whatever the formula."""
    rng = np.random.default_rng(5)
    a = np.concatenate([rng.uniform(-900, 900, 100), rng.uniform(3, 9, 100)])
    b = a - 10 ** rng.uniform(-12, 2.6, 200)
    if form in TWO:
        a, b = (np.where(rng.random(200) < 0.5, *pair) for pair in ((a, b), (b, a)))
    x, y = pt.dvectors("a", "b")
    outputs = with_derivatives({**TWO, **MINUS}[form], x, y)[form in MINUS :]
    with linker(name) as mode:
        found = worst(outputs, [x, y], [a, b], mode, limit=1 + np.abs(a - b))
    # XLA has its own exp.
    assert max(found) <= (6 if name == "jax" else 4), found


@pytest.mark.parametrize("form", TWO)
def test_small_logaddexp(form):
    """Nothing of exp(b) is lost where a is 0, nor of b where exp(a) is nothing."""
    x, y = pt.dvectors("a", "b")
    columns = [np.array([0.0, -800.0, 0.0]), np.array([-23.5, 1e-17, -700.0])]
    assert max(worst([TWO[form](x, y)], [x, y], columns, "NUMBA")) <= 4


@pytest.mark.parametrize("form", TWO)
def test_logaddexp_at_infinity_and_ties(form):
    x, y = pt.dvectors("a", "b")
    inf = np.inf
    a, b = np.array([inf, inf, -inf, -inf, 3, 3]), np.array([inf, 1, -inf, 1, inf, -inf])
    if form in ("log(exp a + exp b)", "logaddexp"):
        function = pytensor.function([x, y], TWO[form](x, y), mode="NUMBA")
        np.testing.assert_array_equal(function(a, b), [inf, inf, -inf, 1, inf, 3])
        assert np.isnan(function(np.array([np.nan, 1.0]), np.array([1.0, np.nan]))).all()
    outputs = with_derivatives(TWO[form], x, y)
    tie = pytensor.function([x, y], outputs, mode="NUMBA")(*[np.array([2.5])] * 2)
    np.testing.assert_allclose(np.ravel(tie)[1:], [0.5, 0.5, 0.25, -0.25])


@pytest.mark.parametrize("form", [*ONE, *TWO])
def test_what_is_left_differentiates_well(form):
    """PyMC rewrites before it differentiates: the new value's derivatives are right as well."""
    args = [pt.dvector("a")] if form in ONE else list(pt.dvectors("a", "b"))
    function = ONE[form][0] if form in ONE else TWO[form]
    value = function(*args)
    rewritten = pytensor.graph.rewriting.utils.rewrite_graph(
        value, include=("canonicalize", "stabilize")
    )
    args_left = [v for v in args if v in set(graph_inputs([rewritten]))]
    outputs = with_derivatives(lambda *_: rewritten, *args_left)
    columns = [sample(*ONE[form][1])[80:]] if form in ONE else [sample(-300, 300)] * 2
    if form not in ONE:
        columns[1] = np.roll(columns[1], 7)
    original = with_derivatives(function, *args)
    exact = truth(original, dict(zip(args, columns, strict=True)))
    values = pytensor.function(args, outputs, mode="NUMBA")(*columns)
    for value, right in zip(values, exact, strict=True):
        near = np.abs(columns[0]) > 1e-150
        gap = 1 + (0 if form in ONE else np.abs(columns[0] - columns[1]))
        errors = (ulps(value, right) / gap)[near & np.isfinite(right.value)]
        assert errors.max() <= 12


def test_logaddexp_of_arguments_that_are_broadcast():
    x, c = pt.dmatrix("x"), pt.dvector("c")
    value = -pt.logaddexp(x, c[:, None]) - 2 * pt.logaddexp(c[:, None], -x)
    first = pytensor.grad(pt.sqr(value).sum(), [x, c])
    outputs = [*first, *pytensor.grad(sum(pt.sqr(g).sum() for g in first), [x, c])]
    data = np.array([[1e-3, -0.4, 2.0, 40.0], [0.5, 3.0, -30.0, 1.0]]), np.array([0.3, -1.0])
    function = compile_rewritten([x, c], outputs)
    assert not any(type(n.op) is OpFromGraph for n in function.maker.fgraph.apply_nodes)
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x, c], outputs, mode="CVM")
    for ours, theirs in zip(function(*data), stock(*data), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_where_the_infinities_go():
    x = pt.dvector("x")
    outputs = [pt.log(pt.cosh(x)), pt.log(pt.exp(x) + pt.exp(-x))]
    values = pytensor.function([x], outputs, mode="NUMBA")(np.array([np.inf, -np.inf, np.nan]))
    for value in values:
        np.testing.assert_array_equal(value, [np.inf, np.inf, np.nan])


NOT_TO_MATCH = {
    "three exponentials": lambda a, b: pt.exp(a) / (pt.exp(a) + pt.exp(b) + pt.exp(a * b)),
    "weights": lambda a, b: pt.exp(a) / (3 * pt.exp(a) + 2 * pt.exp(b)),
    "no exponential": lambda a, b: a / (a + b),
    "left over": lambda a, b: pt.exp(a * b) / (pt.exp(a) + pt.exp(b)),
    "cosh alone": lambda a, b: b / pt.cosh(a),
    "nothing cancels": lambda a, b: 1 / (1 + a) + 1 / a,
}


@pytest.mark.parametrize("form", NOT_TO_MATCH)
def test_what_must_not_match(form):
    a, b = pt.dvectors("a", "b")
    names = ("quotient_of_exponential_sums", "sum_over_exponential_sums")
    with pytensor_stabilize.only(*names):
        with_rules = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    with pytensor_stabilize.excluding("all"):
        without = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    assert same_graph(with_rules, without)


# Without log(exp a - exp b), whose derivatives the rules for differences take first.
@pytest.mark.parametrize("form", [*ONE, *DERIVATIVES_ONLY, *TWO, "a + log1mexp(b - a)"])
def test_a_second_pass_changes_nothing(form):
    one = {**ONE, **DERIVATIVES_ONLY}
    args = [pt.dvector("a")] if form in one else list(pt.dvectors("a", "b"))
    function = one[form][0] if form in one else {**TWO, **MINUS}[form]
    outputs = with_derivatives(function, *args)
    if form == "logaddexp":
        outputs = outputs[:1]  # its gradient is a graph inside a node
    elif form in DERIVATIVES_ONLY:
        outputs = outputs[1:]
    else:
        outputs = outputs[:4]
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)
