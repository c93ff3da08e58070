"""Scalar ops of `truth` at the ends of their domains, and conditions that are not decided."""

import itertools
import math

import numpy as np
import pytensor
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
import pytest
from flint import arb, ctx
from pymc.distributions import dist_math
from pytensor.ifelse import ifelse
from pytensor.raise_op import assert_op
from pytensor.tensor.math import MulWithoutZeros

from pytensor_stabilize.graphs import truth
from pytensor_stabilize.graphs.exact import special  # noqa: F401 (registers)
from pytensor_stabilize.graphs.exact.arithmetic import BITS
from pytensor_stabilize.graphs.exact.balls import EITHER, UNKNOWN, is_unknown
from pytensor_stabilize.graphs.exact.scalars import SCALARS, scalar_function

inf, nan = math.inf, math.nan


def function_of(op):
    return scalar_function(op.__new__(op))


# Points outside the domain, at its ends, and what stands there.
LIMITS = [
    (ps.Log, (0.0,), -inf),
    (ps.Log, (-1.0,), nan),
    (ps.Log2, (inf,), inf),
    (ps.Log10, (0.0,), -inf),
    (ps.Log1p, (-1.0,), -inf),
    (ps.Log1p, (-1.5,), nan),
    (ps.Sqrt, (-1e-300,), nan),
    (ps.Sqrt, (0.0,), 0.0),
    (ps.Exp, (-inf,), 0.0),
    (ps.Exp, (inf,), inf),
    (ps.Expm1, (-inf,), -1.0),
    (ps.Exp2, (-inf,), 0.0),
    (ps.Sin, (inf,), nan),
    (ps.Tan, (-inf,), nan),
    (ps.ArcTan, (inf,), math.pi / 2),
    (ps.ArcTan, (-inf,), -math.pi / 2),
    (ps.ArcSin, (1.0000001,), nan),
    (ps.ArcCos, (1.0,), 0.0),
    (ps.ArcCosh, (0.5,), nan),
    (ps.ArcTanh, (1.0,), inf),
    (ps.ArcTanh, (2.0,), nan),
    (ps.Tanh, (-inf,), -1.0),
    (ps.Cosh, (-inf,), inf),
    (ps.Reciprocal, (0.0,), nan),
    (ps.Reciprocal, (-inf,), 0.0),
    (ps.TrueDiv, (1.0, 0.0), nan),
    (ps.TrueDiv, (1.0, inf), 0.0),
    (ps.TrueDiv, (inf, inf), nan),
    (ps.TrueDiv, (-inf, 2.0), -inf),
    (ps.Add, (inf, -inf), nan),
    (ps.Add, (inf, inf), inf),
    (ps.Add, (1.0, -inf), -inf),
    (ps.Sub, (inf, inf), nan),
    (ps.Mul, (0.0, inf), nan),
    (ps.Mul, (-2.0, inf), -inf),
    (ps.Mul, (-inf, -inf), inf),
    (ps.Sqr, (-inf,), inf),
    (ps.Abs, (-inf,), inf),
    (ps.Sign, (-inf,), -1.0),
    (ps.Maximum, (1.0, inf), inf),
    (ps.Minimum, (1.0, nan), nan),
    (ps.Floor, (-inf,), -inf),
    (ps.RoundHalfToEven, (2.5,), 2.0),
    (ps.RoundHalfToEven, (-3.5,), -4.0),
    (ps.RoundHalfAwayFromZero, (2.5,), 3.0),
    (ps.RoundHalfAwayFromZero, (-0.5,), -1.0),
    (ps.Trunc, (-0.5,), 0.0),
    (ps.Mod, (-7.0, 3.0), 2.0),
    (ps.Mod, (7.0, 0.0), nan),
    (ps.Mod, (1e300, 3.0), float(int(1e300) % 3)),
    (ps.Pow, (0.0, 0.0), 1.0),
    (ps.Pow, (0.0, 2.5), 0.0),
    (ps.Pow, (0.0, -1.0), nan),
    (ps.Pow, (-2.0, 3.0), -8.0),
    (ps.Pow, (-2.0, 0.5), nan),
    (ps.Pow, (-1.0, 1e300), 1.0),
    (ps.Pow, (2.0, -inf), 0.0),
    (ps.Pow, (0.5, -inf), inf),
    (ps.Pow, (1.0, inf), nan),
    (ps.Pow, (inf, -0.5), 0.0),
    (ps.Pow, (-inf, 3.0), -inf),
    (ps.ArcTan2, (0.0, 0.0), 0.0),
    (ps.ArcTan2, (0.0, -1.0), math.pi),
    (ps.ArcTan2, (1.0, inf), 0.0),
    (ps.ArcTan2, (-inf, 1.0), -math.pi / 2),
    (ps.ArcTan2, (inf, inf), nan),
    (psm.Sigmoid, (-inf,), 0.0),
    (psm.Sigmoid, (inf,), 1.0),
    (psm.Softplus, (-inf,), 0.0),
    (psm.Log1mexp, (0.0,), -inf),
    (psm.Log1mexp, (1.0,), nan),
    (psm.Log1mexp, (-inf,), 0.0),
    (psm.Erf, (-inf,), -1.0),
    (psm.Erfc, (-inf,), 2.0),
    (psm.Erfcx, (-inf,), inf),
    (psm.Erfinv, (1.0,), inf),
    (psm.Erfinv, (1.1,), nan),
    (psm.Erfcinv, (0.0,), inf),
    (psm.NdtriExp, (0.0,), inf),
    (psm.NdtriExp, (0.1,), nan),
    (psm.Gamma, (-2.0,), nan),
    (psm.Gamma, (0.0,), nan),
    (psm.Gamma, (inf,), inf),
    (psm.GammaLn, (0.0,), inf),
    (psm.GammaLn, (-3.0,), inf),
    (psm.Psi, (-1.0,), nan),
    (psm.TriGamma, (inf,), 0.0),
    (psm.PolyGamma, (-1.0, 2.0), nan),
    (psm.PolyGamma, (1.5, 2.0), nan),
    (psm.PolyGamma, (2.0, 0.0), nan),
    (psm.GammaInc, (2.0, 0.0), 0.0),
    (psm.GammaInc, (2.0, inf), 1.0),
    (psm.GammaInc, (-1.0, 2.0), nan),
    (psm.GammaIncC, (2.0, 0.0), 1.0),
    (psm.GammaIncC, (2.0, -1.0), nan),
    (psm.GammaIncInv, (2.0, 1.0), inf),
    (psm.GammaIncInv, (2.0, 1.5), nan),
    (psm.GammaIncCInv, (2.0, 0.0), inf),
    (psm.BetaInc, (2.0, 3.0, 1.0), 1.0),
    (psm.BetaInc, (2.0, 3.0, 1.1), nan),
    (psm.BetaIncInv, (1.0, 1.0, 0.5), 0.5),
    (psm.BetaIncInv, (2.0, 3.0, 0.0), 0.0),
    (psm.Hyp2F1, (1.0, 2.0, -1.0, 0.5), nan),
    (psm.Hyp2F1, (1.0, 2.0, 3.0, 1.5), nan),
    (psm.Jv, (0.5, -1.0), nan),
    (psm.J0, (inf,), 0.0),
    (psm.I1, (-inf,), -inf),
    (psm.Kve, (0.5, -1.0), nan),
    (dist_math.I0e, (inf,), 0.0),
]


@pytest.mark.parametrize(("op", "point", "expected"), LIMITS, ids=str)
def test_ends_of_the_domain(op, point, expected):
    with ctx.workprec(2048):
        ball = function_of(op)(*map(arb, point))
    assert not is_unknown(ball)
    found = float(ball.mid()) if ball.is_finite() else float(ball)
    np.testing.assert_equal(found, expected)


ORDER = {
    ps.LT: np.less,
    ps.LE: np.less_equal,
    ps.GT: np.greater,
    ps.GE: np.greater_equal,
    ps.EQ: np.equal,
    ps.NEQ: np.not_equal,
}


@pytest.mark.parametrize("op", ORDER, ids=lambda op: op.__name__)
def test_order(op):
    function = SCALARS[op]
    numbers = [-inf, -1.0, 0.0, 5e-324, 1.0, 1e300, inf]
    for a, b in itertools.product(numbers, repeat=2):
        assert function(arb(a), arb(b)) == int(ORDER[op](a, b))
    for a, b in ((nan, 1.0), (1.0, nan), (nan, nan)):
        assert function(arb(a), arb(b)).is_nan()
    assert is_unknown(function(UNKNOWN, arb(1)))
    assert function(arb(1, 0.5), arb(1.2)) is EITHER
    # One object is one number; two balls need not be.
    ball, other = arb(1, 0.5), arb(1, 0.5)
    assert function(ball, ball) == int(ORDER[op](1, 1))
    assert function(ball, other) is EITHER
    assert function(EITHER, EITHER) is EITHER


def test_a_ball_at_a_jump_goes_either_way():
    for op in (ps.RoundHalfToEven, ps.RoundHalfAwayFromZero):
        ball = SCALARS[op](arb(2.5, 2.0**-40))
        assert ball.contains(arb(2))
        assert ball.contains(arb(3))
    assert is_unknown(SCALARS[ps.Pow](arb(-2), arb(3, 2.0**-40)))
    assert SCALARS[ps.Pow](arb(-2), arb(2.5, 2.0**-40)).is_nan()
    product = SCALARS[MulWithoutZeros](arb(0, 2.0**-40), arb(5))
    assert product.contains(arb(5))
    assert product.contains(arb(0))


def test_conditions_that_are_not_decided():
    zero, one, unknown = arb(0), arb(1), UNKNOWN
    conjunction, disjunction = SCALARS[ps.AND], SCALARS[ps.OR]
    assert conjunction(zero, EITHER).is_zero()
    assert conjunction(zero, unknown).is_zero()
    assert conjunction(one, EITHER) is EITHER
    assert is_unknown(conjunction(one, unknown))
    assert disjunction(one, EITHER) == 1
    assert disjunction(zero, EITHER) is EITHER
    for a, b in itertools.product((0, 1), repeat=2):
        assert conjunction(arb(a), arb(b)) == (a & b)
        assert disjunction(arb(a), arb(b)) == (a | b)
        assert SCALARS[ps.XOR](arb(a), arb(b)) == (a ^ b)
    assert SCALARS[ps.Invert](zero) == 1
    assert SCALARS[ps.Invert](EITHER) is EITHER
    assert BITS["AND"](arb(6), arb(3)) == 2
    assert is_unknown(BITS["OR"](arb(6), EITHER))
    assert SCALARS[ps.Switch](EITHER, arb(2), arb(3)).contains(arb(2.5))
    assert is_unknown(SCALARS[ps.Switch](unknown, arb(2), arb(2)))
    assert SCALARS[ps.IsNan](unknown) is EITHER
    assert SCALARS[ps.IsInf](arb(inf)) == 1


v, m = pt.dvector("v"), pt.dmatrix("m")
# The square of a root: a ball around its number, at any precision.
near = pt.sqrt(v) ** 2
positive = pt.sqrt(m) ** 2
ONES, TWOS = np.ones((2, 2)), np.full((2, 2), 2.0)
STATUS = [
    # Of what cannot be ordered no place is known, and of nan there is none.
    (pt.argmax(near), {v: [2.0, 2.0]}, 2),
    (pt.argmax(near), {v: [2.0, 3.0]}, 0),
    (pt.argmax(v), {v: [2.0, 2.0]}, 0),
    (pt.argmax(v), {v: [1.0, nan]}, 1),
    (pt.sort(v), {v: [1.0, nan]}, 1),
    (pt.argsort(near), {v: [2.0, 2.0]}, 2),
    (pt.max(near), {v: [2.0, 2.0]}, 0),
    (pt.max(v), {v: [nan, 2.0]}, 1),
    (near[pt.argmax(near)], {v: [2.0, 2.0]}, 2),
    (near[near > 2], {v: [2.0, 3.0]}, 2),
    (pt.all(near > 2), {v: [2.0, 3.0]}, 2),
    (pt.all(near > 2), {v: [2.0, 1.0]}, 0),
    (pt.any(near > 2), {v: [2.0, 3.0]}, 0),
    (pt.sum(pt.cast(near > 2, "float64")) * 0, {v: [2.0, 3.0]}, 0),
    (pt.sum(v), {v: [inf, -inf]}, 1),
    (pt.sum(v), {v: [inf, 1e300]}, 0),
    (ifelse(near[0] > 2, v, -v), {v: [2.0, 3.0]}, 2),
    (pt.arange(near[0]), {v: [2.0]}, 2),
    (pt.arange(v[0] / 2), {v: [2.0]}, 0),
    (assert_op(pt.log(v), (v > 0).all()), {v: [-1.0, 1.0]}, 1),
    (assert_op(pt.log(v), (near > 2).all()), {v: [2.0]}, 2),
    (assert_op(pt.log(v), (v > 0).all()), {v: [2.0]}, 0),
    (pt.linalg.inv(m), {m: ONES}, 1),
    (pt.linalg.inv(positive), {m: TWOS}, 2),
    (pt.linalg.solve(m, m), {m: ONES}, 1),
    (pt.linalg.solve(m, m), {m: [[1.0, nan], [0.0, 1.0]]}, 1),
    (pt.linalg.det(m), {m: ONES}, 0),
    (pt.linalg.det(m), {m: [[1.0, nan], [0.0, 1.0]]}, 1),
    (pt.linalg.slogdet(positive)[1], {m: TWOS}, 2),
    (pt.linalg.cholesky(m)[1, 1], {m: [[1.0, 2.0], [2.0, 1.0]]}, 1),
    (pt.linalg.cholesky(positive)[1, 1], {m: [[2.0, 2.0], [2.0, 2.0]]}, 2),
    (pt.cast(near, "int64"), {v: [2.0]}, 2),
    (pt.cast(near, "bool"), {v: [2.0]}, 0),
    (pt.cast(v, "int64"), {v: [inf]}, 1),
    (pt.cast(v, "int64"), {v: [1e300]}, 1),
    (pt.floor(near), {v: [2.0]}, 2),
    (pt.round(near + 0.5), {v: [2.0]}, 2),
    (pytensor.grad(pt.prod(near - 2), v), {v: [2.0, 3.0]}, 2),
]


@pytest.mark.parametrize("case", range(len(STATUS)))
def test_status_of_tensor_ops(case):
    graph, givens, expected = STATUS[case]
    status = truth(graph, givens, max_bits=512).status
    assert status.size
    assert (status == expected).all(), status


def test_what_is_not_finite_stays_in_its_row():
    found = truth(pt.dot(m, v), {m: [[1.0, inf], [0.0, 1.0]], v: [1.0, 2.0]})
    np.testing.assert_array_equal(found.value, [inf, 2])
    found = truth(pt.dot(m, v), {m: [[1.0, inf], [0.0, 1.0]], v: [1.0, 0.0]})
    np.testing.assert_array_equal(found.status, [1, 0])


def test_a_structural_zero_survives_sums_and_products():
    """The gradient of what a switch did not select is 0, also behind a matrix product."""
    inside = pt.switch(v > 0, v, 0.0)
    cost = pt.switch(v > 0, pt.dot(m, pt.log(v)), 0.0).sum()
    found = truth(pytensor.grad(cost, v), {v: [0.0, -2.0], m: ONES})
    np.testing.assert_array_equal(found.value, [0, 0])
    assert found.decided.all()
    found = truth(pytensor.grad(pt.sqrt(pt.dot(m, inside)).sum(), v), {v: [-1.0, 4.0], m: ONES})
    np.testing.assert_array_equal(found.value, [0, 0.5])


def test_a_gradient_that_chooses_between_equal_elements():
    """The condition is never decided, and does not matter: both choices have one gradient."""
    v = pt.dvector("v")
    gradient = pytensor.grad(pt.logsumexp(pt.log(pt.exp(v))), v)
    assert truth(gradient, {v: np.array([1.0, 1.0])}).value.tolist() == [0.5, 0.5]


def test_no_cholesky_factor_is_undefined_in_every_element():
    m = pt.dmatrix("m")
    assert truth(pt.linalg.cholesky(m), {m: -np.eye(2)}).undefined.all()
