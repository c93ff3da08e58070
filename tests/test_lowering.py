"""The late lowering: one exponential for sigmoids of the same |x|."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import linker, points, ulps
from pytensor.compile.mode import get_mode

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, truth
from pytensor_stabilize.rewrites.branch_free import ops

x, y = pt.dvectors("x", "y")
s = pt.sigmoid(x)

# Ulps of sigmoid(x), sigmoid(-x), their product, and of sigmoid(x) alone.
BOUNDS = (2.5, 2.5, 4.0, 2.5)


def derivatives(value):
    """A value, its gradient in x and the diagonal of its Hessian."""
    gradient = pt.grad(value.sum(), x)
    return [value, gradient, pt.grad(gradient.sum(), x)]


ONE_EXPONENTIAL = {
    "gradient": [pt.grad(s.sum(), x)],
    "value and gradient": [s, pt.grad(s.sum(), x)],
    "both sigmoids": [s, pt.sigmoid(-x)],
    "difference": [s, 1 - s],
    "scaled": [pt.sigmoid(2 * x), pt.sigmoid(-2 * x)],
    "a - b and b - a": [pt.sigmoid(x - y), pt.sigmoid(y - x)],
    "negated argument": [pt.grad(pt.sigmoid(-x).sum(), x)],
    "squares": [pt.sqr(s) * pt.sigmoid(-x), s],
    "weighted": [pt.grad((y * s).sum(), x)],
    "softplus and its gradient": [pt.softplus(x), pt.grad(pt.softplus(x).sum(), x)],
    "both softplus": [pt.softplus(x), pt.softplus(-x)],
    "log sigmoid": [pt.log(s), pt.grad(pt.log(s).sum(), x)],
    "second derivative": [pt.grad(pt.grad(s.sum(), x).sum(), x)],
    "tanh of half": [pt.tanh(x / 2), s],
    "tanh and its derivatives": derivatives(pt.tanh(x)),
    "tanh of a difference": [pt.tanh(0.5 * (x - y)), pt.sigmoid(y - x)],
    "tanh with a constant": [pt.tanh(0.15 * x), pt.sigmoid(-0.3 * x)],
    "log-likelihood": derivatives(y * pt.log(s) + (1 - y) * pt.log(1 - s)),
    "log-likelihood of softplus": derivatives(y * x - pt.softplus(x)),
}
TRANSCENDENTAL = {"exp", "log1p", "expm1", "sigmoid", "softplus", "tanh"}


@pytest.mark.parametrize("case", ONE_EXPONENTIAL)
@pytest.mark.parametrize("name", ["numba", "cvm"])
def test_one_exponential(case, name):
    function = pytensor.function(
        [x, y], ONE_EXPONENTIAL[case], mode=name.upper(), on_unused_input="ignore"
    )
    counts = op_counts(function)
    assert counts["exp_minus_abs"] == 1
    assert counts["log1p_of_unit"] <= 1
    assert not TRANSCENDENTAL & set(counts)
    at = np.array([-50.0, -1.0, 0.0, 0.7, 50.0])
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        plain = pytensor.function([x, y], ONE_EXPONENTIAL[case], on_unused_input="ignore")
    for value, wanted in zip(function(at, at[::-1]), plain(at, at[::-1]), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-14)


def test_the_derivative_takes_one_division():
    counts = op_counts(pytensor.function([x], pt.grad(s.sum(), x), mode="NUMBA"))
    assert counts == {"exp_minus_abs": 1, "density_from_exp": 1}


@pytest.mark.parametrize("name", ["numba", "cvm"])
def test_a_function_of_a_function_is_lowered_inside_as_well(name):
    inner = pt.softplus(x)
    outputs = [x * pt.tanh(inner), pt.sigmoid(s), pt.exp(inner), pt.log1p(s)]
    function = pytensor.function([x], outputs, mode=name.upper())
    assert not {"sigmoid", "softplus", "tanh"} & set(op_counts(function))
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        plain = pytensor.function([x], outputs)
    at = np.array([-50.0, -1.0, 0.0, 0.7, 50.0])
    for value, wanted in zip(function(at), plain(at), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-14)


@pytest.mark.parametrize("name", ["numba", "cvm"])
def test_a_product_of_two_families_is_lowered_for_both(name):
    value = pt.sigmoid(x) * pt.sigmoid(-x) * pt.sigmoid(y) * pt.sigmoid(-y)
    function = pytensor.function([x, y], value, mode=name.upper())
    assert "sigmoid" not in op_counts(function)
    assert op_counts(function)["density_from_exp"] == 2
    # Where the sigmoid is subnormal PyTensor's is 0.
    assert function(np.array([-720.0]), np.array([0.5])) > 0


@pytest.mark.parametrize("swapped", [False, True])
def test_what_an_argument_is_made_of_is_lowered_once(swapped):
    z = pt.sigmoid(x) * pt.sigmoid(-x) * y
    outputs = [pt.softplus(-z), pt.sigmoid(z)]
    function = pytensor.function([x, y], outputs[::-1] if swapped else outputs, mode="NUMBA")
    counts = op_counts(function)
    assert not {"sigmoid", "softplus"} & set(counts)
    assert counts["density_from_exp"] == counts["mul"] == 1


def test_an_argument_and_its_negation_are_computed_once():
    function = pytensor.function([x, y], [pt.sigmoid(x * y), pt.softplus(-x * y)], mode="NUMBA")
    assert "neg" not in op_counts(function)
    assert op_counts(function)["mul"] == 1


def test_two_arguments_keep_two_exponentials():
    function = pytensor.function([x, y], [pt.sigmoid(x) * pt.sigmoid(-y)], mode="NUMBA")
    assert op_counts(function)["exp_minus_abs"] == 2


def test_no_constant_is_broadcast_at_run_time():
    function = pytensor.function([x], [s, pt.grad(s.sum(), x)], mode="NUMBA")
    assert len(function.maker.fgraph.apply_nodes) == 1


def test_jax_keeps_its_sigmoids():
    """JAX differentiates after us, and d|x|/dx at 0 is not what the sigmoid needs."""
    outputs = [s, pt.sigmoid(-x)]
    function = pytensor.function([x], outputs, mode="JAX")
    assert op_counts(function)["sigmoid"] == 2
    with pytensor_stabilize.excluding("slopes_for_jax"):
        explanation = explain(outputs, mode="JAX")
    assert any("differentiates after us" in event.reason for event in explanation.left)


def test_jax_differentiates_what_we_leave_at_zero():
    import jax

    function = pytensor.function([x], [s * (1 - s)], mode="JAX")
    jitted = function.vm.jit_fn
    derivative = jax.jacobian(lambda v: jitted(v)[0])(np.array([0.0, 1.0]))
    wanted = [0.0, -0.09085774767294842]
    np.testing.assert_allclose(np.diag(derivative), wanted, atol=1e-15)


@pytest.mark.parametrize("name", ["numba", "cvm", "jax"])
def test_value_gradient_and_hessian_at_zero(name):
    z = pt.dscalar("z")
    first = pt.grad(pt.sigmoid(z), z)
    with linker(name) as mode:
        function = pytensor.function([z], [pt.sigmoid(z), first, pt.grad(first, z)], mode=mode)
    for zero in (0.0, -0.0):
        assert [float(v) for v in function(zero)] == [0.5, 0.25, 0.0]


def test_it_is_excluded_by_name_alone():
    mode = get_mode("NUMBA").excluding("sigmoids_share_exp")
    for function in (
        pytensor.function([x], pt.grad(s.sum(), x), mode=mode),
        _excluding_here(),
    ):
        assert op_counts(function) == {"sigmoid": 2, "neg": 1, "mul": 1}


def _excluding_here():
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        return pytensor.function([x], pt.grad(s.sum(), x))


def test_only_the_lowering():
    with pytensor_stabilize.only("sigmoids_share_exp"):
        function = pytensor.function([x], [s, pt.sigmoid(-x)])
    assert op_counts(function)["exp_minus_abs"] == 1


def test_discrete_and_half_precision_arguments_are_left():
    i, h = pt.lvector("i"), pt.vector("h", dtype="float16")
    with pytensor_stabilize.only("sigmoids_share_exp"):
        function = pytensor.function([i], [pt.sigmoid(i), pt.sigmoid(-i)], mode="CVM")
    assert op_counts(function)["sigmoid"] == 2
    half = pytensor.function([h], [pt.sigmoid(h), 1 - pt.sigmoid(h)], mode="CVM")
    np.testing.assert_allclose(half(np.array([3.0], "float16"))[1], [0.0474], rtol=2e-3)


def test_what_has_another_size_is_not_shared():
    for other in (pt.tanh(x), pt.sigmoid(0.3 * x), pt.sigmoid(pt.switch(y > 0, x, 2 * x))):
        function = pytensor.function([x, y], [s, other], mode="NUMBA", on_unused_input="ignore")
        assert op_counts(function)["exp_minus_abs"] == 2


def test_c_takes_the_library_in_loops_that_call_it():
    """g++ does not vectorise them, and the kernels one by one are slower."""
    function = pytensor.function([x, y], [s, pt.sigmoid(-x) * pt.log(y)], mode="CVM")
    (node,) = function.maker.fgraph.apply_nodes
    scalar_ops = {type(inner.op) for inner in node.op.scalar_op.fgraph.apply_nodes}
    assert {ops.PlainExpMinusAbs, ops.PlainSigmoidFromExp} < scalar_ops
    assert op_counts(function)["exp_minus_abs"] == 1


def test_where_nothing_is_compiled_the_sigmoid_is_made_of_ordinary_ops():
    with pytensor.config.change_flags(cxx=""):
        counts = op_counts(pytensor.function([x], [s, pt.softplus(x)], mode="CVM"))
    assert counts["exp"] == counts["switch"] == counts["softplus"] == 1
    assert "sigmoid" not in counts


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["numba", "numba_strict", "cvm"])
def test_precision(name, dtype):
    at = points(dtype, {"float64": 745.0, "float32": 103.0}[dtype])
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        outputs = [pt.sigmoid(u), pt.sigmoid(-u), pt.sigmoid(u) * pt.sigmoid(-u)]
        both = pytensor.function([u], outputs, mode=mode)(at)
        alone = pytensor.function([u], pt.sigmoid(u), mode=mode)(at)
    for value, graph, bound in zip([*both, alone], [*outputs, outputs[0]], BOUNDS, strict=True):
        assert ulps(np.asarray(value), truth(graph, {u: at})).max() <= bound


def test_inside_scan():
    scanned = pytensor.scan(
        lambda v: pt.sigmoid(v) * pt.sigmoid(-v), sequences=[x], return_updates=False
    )
    assert op_counts(pytensor.function([x], scanned, mode="NUMBA"))["exp_minus_abs"] == 1


@pytest.mark.parametrize("name", ["numba", "numba_strict", "cvm"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_derivative_of_sigmoid_is_even_and_at_most_a_quarter(name, dtype):
    """Without the minimum 9 % of the points near 0 are above 1/4."""
    rng = np.random.default_rng(4)
    size = 10.0 ** rng.uniform(-12, 0.5, 20_000)
    at = np.concatenate([[0.0], size, -size]).astype(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        value = pytensor.function([u], pt.grad(pt.sigmoid(u).sum(), u), mode=mode)(at)
    assert value.max() == 0.25
    assert value[0] == 0.25
    half = len(size)
    np.testing.assert_array_equal(value[1 : half + 1], value[half + 1 :])
