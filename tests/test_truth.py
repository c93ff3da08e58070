"""`truth` on hard cases, against SciPy, and what it refuses."""

import itertools
import subprocess
import sys
import textwrap

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.special as sp
from flint import arb
from mpmath import mp
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.special import log_softmax, softmax, xlog1py, xlogy

from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.graphs.exact import UnsupportedOp, register_exact
from pytensor_stabilize.graphs.truth import Evaluator

inf, nan = np.inf, np.nan
x, y = pt.dscalars("x", "y")
v = pt.dvector("v")
single, half = pt.fscalar("single"), pt.scalar("half", dtype="float16")


def exactly(function, *arguments):
    """An mpmath function, rounded once."""
    with mp.workprec(6000):
        return float(function(*map(mp.mpf, arguments)))


def sigmoid_below(at):
    return exactly(lambda a: 1 / (1 + mp.exp(a)), at)


# Graph, point, correctly rounded value.
HARD = [
    *((1 - pt.sigmoid(x), at, sigmoid_below(at)) for at in (40.0, 700.0, 745.0, 746.0, -800.0)),
    *(
        (pt.log(1 - pt.exp(x)), at, exactly(lambda a: mp.log(1 - mp.exp(a)), at))
        for at in (-1e-300, -1e-17, -0.7, -40.0, -700.0)
    ),
    (pt.log(pt.sigmoid(x)), -1e5, -1e5),
    (pt.exp(x) - 1, 1e-300, 1e-300),
    ((1e16 + x) - 1e16, 0.1, 0.1),
    (pt.exp(pt.exp(x)), 7.0, inf),
    (pt.exp(x), -745.2, 0.0),
    (pt.exp(x), -745.0, 5e-324),
    (pt.exp(x), 1e300, inf),
    (pt.exp(-x), 1e300, 0.0),
    (pt.tanh(x), 1e300, 1.0),
    (pt.sin(x), 1e300, exactly(mp.sin, 1e300)),
    (x * x, 1e300, inf),
    (x * x / x, 1e300, 1e300),
    (x * 2.0**-1074, 1.5, 1e-323),
    (x * 2.0**-1074, 0.5, 0.0),
    (x * 2.0**-1074, 2.5, 1e-323),
    (x + 2.0**-53, 1.0, 1.0),
    (x + 2.0**-53, np.nextafter(1, 2), np.nextafter(np.nextafter(1, 2), 2)),
    (pt.exp(x), inf, inf),
    (pt.exp(x), -inf, 0.0),
    (pt.exp(x), nan, nan),
    (pt.log(x), 0.0, -inf),
    (pt.log(x), -1.0, nan),
    (1 / x, 0.0, nan),
    (x - x, inf, nan),
    (0.5 * x * (1 / x), inf, nan),
    (pt.switch(x > 0, pt.log(x), 7.0), -1.0, 7.0),
    (pt.switch(pt.isnan(x), 1.0, x), nan, 1.0),
    (pt.logaddexp(x, x), 1000.0, exactly(lambda a: a + mp.log(2), 1000.0)),
    (pt.floor(x), 2.0, 2.0),
    (pt.sqrt(x) ** 2 - x, 4.0, 0.0),
]


@pytest.mark.parametrize(("graph", "at", "expected"), HARD, ids=str)
def test_hard_cases(graph, at, expected):
    found = truth(graph, {x: at})
    np.testing.assert_equal(float(found), expected)
    assert found.undefined == np.isnan(expected)
    assert found.decided == (not np.isnan(expected))


NARROW = [
    # (1 + 2**-24) is a tie of float32, and float64 keeps 2**-60 of nothing there.
    (single + 2.0**-24, single, 1.0, 1.0),
    (single + (2.0**-24 + 2.0**-60), single, 1.0, np.nextafter(np.float32(1), np.float32(2))),
    (single + 2.0**-24 * 3, single, 1.0, np.float32(1 + 2.0**-22)),
    (single * single, single, 3e20, inf),
    (single * 2.0**-149, single, 0.5, 0.0),
    (single * 2.0**-149, single, 1.5, np.float32(2.0**-148)),
    # Halfway from the largest float32 to the one that would follow it.
    (single * (2.0**128 - 2.0**103), single, 1.0, np.float32(np.inf)),
    (half + 2.0**-11, half, 1.0, 1.0),
    (half + (2.0**-11 + 2.0**-40), half, 1.0, 1 + 2.0**-10),
    (half * 64.0, half, 1023.75, inf),
    (half * 64.0, half, 1023.5, 65504.0),
]


@pytest.mark.parametrize(("graph", "variable", "at", "expected"), NARROW, ids=str)
def test_ties_and_double_rounding(graph, variable, at, expected):
    dtype = variable.type.dtype
    found = truth(pt.cast(graph, dtype), {variable: np.asarray(at, dtype)})
    assert found.decided
    assert found.value.dtype == dtype
    np.testing.assert_equal(float(found), float(expected))
    if np.isfinite(expected):
        assert abs(found.offset) <= 0.5


def test_sum_that_cancels():
    values = np.array([1e300, 1.0, -1e300, 2.0**-60, 1e-300, -1.0])
    assert float(truth(v.sum(), {v: values})) == 2.0**-60


def test_what_no_precision_decides():
    square = pt.sqrt(x) ** 2
    found = truth(pt.switch(square > x, 1.0, 2.0), {x: 2.0})
    assert found.undecided
    assert np.isnan(found.value)
    found = truth([square > x, pt.cast(square > x, "int8") * 3], {x: 2.0})
    assert all(f.undecided for f in found)
    assert found[0].value.dtype == np.bool_
    # What does not depend on the condition is known beside it.
    both = truth([pt.ones(3)[pt.cast(square > x, "int64")], x + 1], {x: 2.0})
    assert both[0].undecided
    assert float(both[1]) == 3


def test_status_of_each_element():
    found = truth(pt.log(v), {v: [1.0, -1.0, 0.0, np.e, nan]})
    np.testing.assert_array_equal(found.status, [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(found.value, [0, nan, -inf, 1.0, nan])
    assert found[1].undefined
    assert found.balls.shape == (5,)
    np.testing.assert_array_equal(np.asarray(found[:1]), [0.0])


def test_integers_are_exact():
    k = pt.lvector("k")
    found = truth([k * 3 + 1, k > 2, k / 3], {k: np.array([2**61 + 1, -3])})
    np.testing.assert_array_equal(found[0].value, np.array([3 * 2**61 + 4, -8]))
    assert found[0].value.dtype == np.int64
    assert found[0].balls is None
    np.testing.assert_array_equal(found[1].value, [True, False])
    np.testing.assert_array_equal(found[0].offset, 0)
    large = truth(pt.cast(x, "int64"), {x: 2.0**62 + 1024})
    assert int(large.value) == 2**62 + 1024
    assert truth(pt.cast(x, "int8"), {x: 300.0}).undefined
    wrapped = pt.cast(pt.sqrt(x) ** 2 >= 0, "uint8") - np.uint8(2)
    assert int(truth(wrapped, {x: 2.0}).value) == 255


def gradient(cost, at, wrt=x):
    return truth(pytensor.grad(cost, wrt), {wrt: at})


@pytest.mark.parametrize(
    ("cost", "at", "expected"),
    [
        (pt.switch(x > 0, pt.log(x), 7.0), 0.0, 0.0),
        (pt.switch(x > 0, pt.log(x), 7.0), -1.0, 0.0),
        (pt.switch(x > 0, pt.log(x), 7.0), 4.0, 0.25),
        (pt.switch(pt.eq(x, 0), 1.0, pt.sin(x) / x), 0.0, 0.0),
        (pt.switch(x > 0, pt.sqrt(x), x), 0.0, 1.0),
        (pt.sqrt(x), 0.0, nan),
        (pt.maximum(x, 0), -1.0, 0.0),
        (pt.maximum(x, 0), 2.0, 1.0),
        (pt.clip(x, -1, 1), 3.0, 0.0),
        (pt.clip(x, -1, 1), 0.5, 1.0),
        (pt.log(pt.clip(x, 0.5, 2.0)), 0.0, 0.0),
        (abs(x), -2.0, -1.0),
        (pt.switch(x > 1, pt.gammaln(x), pt.gammaln(1 - x)), -0.5, -sp.digamma(1.5)),
    ],
    ids=str,
)
def test_gradients_at_switches_and_poles(cost, at, expected):
    np.testing.assert_allclose(float(gradient(cost, at)), expected, rtol=1e-15)


def test_gradient_of_a_maximum_that_is_not_exact():
    cost = pt.max(pt.exp(v))
    np.testing.assert_array_equal(gradient(cost, [0.0, 1.0, 0.5], v).value, [0, np.e, 0])


SCIPY = {
    "expit": (pt.sigmoid, sp.expit, [-700, -30, -1, 0.5, 30]),
    "log_expit": (lambda a: pt.log(pt.sigmoid(a)), sp.log_expit, [-800, -3, 0.5, 30, 700]),
    "erf": (pt.erf, sp.erf, [-3, 1e-300, 0.4, 2.0]),
    "erfc": (pt.erfc, sp.erfc, [-3, 1e-20, 0.4, 2.0, 20.0]),
    "erfcx": (pt.erfcx, sp.erfcx, [-3, 0.4, 2.0, 20.0, 1e10, 1e300]),
    "erfinv": (pt.erfinv, sp.erfinv, [-0.9, 1e-20, 0.3]),
    "gammaln": (pt.gammaln, sp.gammaln, [0.3, 3.5, 1e5, -0.5, 1e300]),
    "digamma": (pt.psi, sp.digamma, [0.3, 3.5, 1e5, -0.5]),
    "trigamma": (pt.tri_gamma, lambda a: sp.polygamma(1, a), [0.3, 3.5, 1e5]),
    "ndtr": (lambda a: pt.erfc(-a / pt.sqrt(2.0)) / 2, sp.ndtr, [-1, 0.3, 2]),
    "log_ndtr": (lambda a: pt.log(pt.erfc(-a / pt.sqrt(2.0)) / 2), sp.log_ndtr, [-30, -5, 0.5]),
    "ndtri_exp": (pt.ndtri_exp, sp.ndtri_exp, [-50, -1, -0.1]),
    "gammainc": (lambda a: pt.gammainc(2.5, a), lambda a: sp.gammainc(2.5, a), [2.0, 9.0]),
    "gammaincc": (lambda a: pt.gammaincc(2.5, a), lambda a: sp.gammaincc(2.5, a), [0.1, 2.0]),
    "betainc": (lambda a: pt.betainc(2.0, 3.5, a), lambda a: sp.betainc(2, 3.5, a), [0.1, 0.6]),
    "gammaincinv": (
        lambda a: pt.gammaincinv(2.5, a),
        lambda a: sp.gammaincinv(2.5, a),
        [0.1, 0.5],
    ),
    "xlogy": (lambda a: xlogy(a, 2.5), lambda a: sp.xlogy(a, 2.5), [0.0, 0.3, 1e300]),
    "xlog1py": (lambda a: xlog1py(3.0, a), lambda a: sp.xlog1py(3.0, a), [-0.5, 1e-20, 4.0]),
    "i0": (pt.i0, sp.i0, [0.1, 3.0]),
    "log1p": (pt.log1p, np.log1p, [-0.5, 1e-20, 3.0]),
    "expm1": (pt.expm1, np.expm1, [-40, 1e-20, 3.0]),
    "log1mexp": (pt.log1mexp, lambda a: np.log1p(-np.exp(a)), [-40.0, -3.0]),
    "logsumexp": (lambda a: pt.logsumexp(a), sp.logsumexp, [-800.0, 1.5, 700.0, 701.0]),
    "softmax": (softmax, sp.softmax, [-800.0, 1.5, 700.0, 701.0]),
    "log_softmax": (log_softmax, sp.log_softmax, [-800.0, 1.5, 700.0, 701.0]),
}


@pytest.mark.parametrize("case", SCIPY)
def test_scipy_where_it_is_good(case):
    graph, function, points = SCIPY[case]
    points = np.asarray(points, dtype="float64")
    found = truth(graph(v), {v: points})
    assert found.decided.all()
    assert ulp_error(np.asarray(function(points)), found).max() <= 2


class Twice(Op):
    def make_node(self, value):
        value = pt.as_tensor(value)
        return Apply(self, [value], [value.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = 2 * inputs[0]


class Thrice(Twice):
    pass


def test_an_op_can_be_added():
    graph = pt.exp(Twice()(v))
    with pytest.raises(UnsupportedOp, match=r"does not know the op Twice.*register_exact\(Twice, "):
        truth(graph, {v: [1.0, 2.0]})
    register_exact(Thrice, lambda op, node, value: [3 * value])
    np.testing.assert_allclose(truth(pt.exp(Thrice()(v)), {v: [1.0]}).value, np.exp(3))
    with pytest.raises(TypeError, match="takes a class of PyTensor ops and a function"):
        register_exact("Twice", abs)


def test_a_branch_that_is_not_selected_may_hold_anything():
    graph = pt.switch(x > 0, Twice()(x), x)
    assert float(truth(graph, {x: -1.0})) == -1
    with pytest.raises(UnsupportedOp, match="Twice"):
        truth(graph, {x: 1.0})


def test_shared_variables_have_their_own_value():
    shared = pytensor.shared(np.array(2.0), name="w")
    assert float(truth(shared * x, {x: 3.0})) == 6
    assert float(truth(shared * x, {x: 3.0, shared: 5.0})) == 15
    assert float(truth(shared * x, {"x": 3.0, "w": 5.0})) == 15


def test_a_list_gives_a_list():
    found = truth([x, x + 1, pt.constant(2.5)], {x: 1.0})
    assert [float(f) for f in found] == [1, 2, 2.5]


def test_many_points_each_to_the_bits_it_needs():
    evaluator = Evaluator([1 - pt.sigmoid(x), pt.log(x)], [x])
    (found, log), at = evaluator.many([[a] for a in (-5.0, 0.0, 40.0, 700.0)]), (40.0, 700.0)
    np.testing.assert_array_equal(found.value[2:], [sigmoid_below(a) for a in at])
    np.testing.assert_array_equal(log.status, [1, 0, 0, 0])
    assert found.bits == 2048
    assert log.bits == 128
    low = evaluator.many([[700.0]], 512)[0]
    assert low.undecided.all()


def test_balls_as_inputs_are_numbers_of_their_own():
    """The same ball for two inputs does not make them the same number."""
    ball = arb(1, 0.25)
    found = Evaluator([x - y, pt.exp(x) * 0], [x, y])([ball, ball])
    assert found[0].undecided
    assert float(found[1]) == 0


def test_offset_is_known_though_few_bits_are_left():
    for at in itertools.chain(np.linspace(49.0, 52.0, 40)):
        found = truth(1 - pt.sigmoid(x), {x: at})
        with mp.workprec(400):
            exact = 1 / (1 + mp.exp(mp.mpf(at)))
            expected = float((mp.mpf(float(found)) - exact) / np.spacing(float(found)))
        assert float(found.offset) == pytest.approx(expected, abs=2.0**-7)


def test_message_without_python_flint():
    script = """
        import sys
        sys.modules["flint"] = None
        import pytensor.tensor as pt
        from pytensor_stabilize.graphs import truth
        x = pt.dscalar("x")
        try:
            truth(x, {x: 1.0})
        except ImportError as error:
            print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert "Exact values need python-flint: pip install" in run.stdout
