"""The kernels of exp, expm1, log, log1p and log1mexp, and what the lowering makes of the ops."""

import re
from importlib import import_module

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import linker, ulps
from pytensor.tensor.type import TensorType
from test_kernels import COMPILERS, DTYPES, assembly_of, both_signs, called, on_x86_64
from test_kernels import TABLE as KERNELS

import pytensor_stabilize
from pytensor_stabilize.graphs import op_counts, truth
from pytensor_stabilize.rewrites.branch_free import ops
from pytensor_stabilize.rewrites.interpolations import is_interpolation

# The lowering loads it; here the ops are compiled without.
import_module("pytensor_stabilize.rewrites.branch_free.numba_dispatch")
INF, NAN, TINY = np.inf, np.nan, 5e-324
LOG2 = float(np.log(2))
# Where exp is finite and normal, and the range of normal floats as powers of ten.
LIMITS = {"float64": (-708.3, 709.7), "float32": (-87.3, 88.7)}
POWERS = {"float64": (-307, 308), "float32": (-37, 38)}


def around(dtype, *numbers):
    """The numbers and their neighbours."""
    at = np.array(numbers, dtype)
    return np.concatenate([np.nextafter(at, dtype(-INF)), at, np.nextafter(at, dtype(INF))])


def exponents(dtype):
    """All sizes, the farthest from a multiple of log(2), and the neighbours of thresholds."""
    rng = np.random.default_rng(5)
    low, high = LIMITS[dtype]
    small = 10.0 ** rng.uniform(POWERS[dtype][0], 0, 1000)
    middles = (np.arange(int(low / LOG2), int(high / LOG2)) + 0.5) * LOG2
    parts = (rng.uniform(low, high, 1500), rng.uniform(-2, 2, 2000), small, -small, middles)
    unit = np.finfo(dtype).eps
    ends = (-40.0, -20.0, -0.7, 0.7, unit, -unit, unit / 4, -unit / 4, high)
    return np.concatenate([*parts, around(np.dtype(dtype).type, *ends)]).astype(dtype)


def positive(dtype):
    rng = np.random.default_rng(6)
    parts = (10.0 ** rng.uniform(*POWERS[dtype], 2000), rng.uniform(0.3, 2.5, 3000))
    ends = around(np.dtype(dtype).type, 2 / 3, 4 / 3, 1, np.finfo(dtype).tiny)
    return np.concatenate([*parts, ends]).astype(dtype)


def above_minus_one(dtype):
    at = np.concatenate([positive(dtype), -positive(dtype), exponents(dtype)])
    at = np.concatenate([at, around(np.dtype(dtype).type, -0.25, 0.5, 1.0)]).astype(dtype)
    return at[at > -1]


def negative(dtype):
    at = exponents(dtype)
    ends = around(np.dtype(dtype).type, -np.log(3), -LOG2)
    return np.concatenate([at[at < 0], ends]).astype(dtype)


# Of each kernel: the op, PyTensor's function, points, and ulps.
TABLE = {
    "exp": (ops.exp, pt.exp, exponents, 0.6),
    "expm1": (ops.expm1, pt.expm1, exponents, 0.9),
    "log": (ops.log, pt.log, positive, 0.8),
    "log1p": (ops.log1p, pt.log1p, above_minus_one, 0.8),
    "log1mexp": (ops.log1mexp, pt.log1mexp, negative, 0.9),
}


def compiled(op, dtype, mode):
    u = pt.vector("u", dtype=dtype)
    return pytensor.function([u], op(u), mode=mode)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", TABLE)
def test_accuracy(kernel, dtype):
    op, function, points, bound = TABLE[kernel]
    at = points(dtype)
    u = pt.vector("u", dtype=dtype)
    exact = truth(function(u), {u: at})
    for name in COMPILERS:
        with linker(name) as mode:
            value = compiled(op, dtype, mode)(at)
        assert value.dtype == dtype
        assert ulps(value, exact).max() <= bound, name


@pytest.mark.parametrize("name", COMPILERS)
def test_gradual_underflow(name):
    at = np.linspace(-745.1, -708.3, 2000)
    u = pt.dvector("u")
    with linker(name) as mode:
        values = [compiled(op, "float64", mode)(at) for op in (ops.exp, ops.log1mexp)]
    exact = truth(pt.exp(u), {u: at}).value
    for value, sign in zip(values, (1, -1), strict=True):
        assert (np.abs(value - sign * exact) <= TINY).all()


# Arguments and results; `TINY` stands for the least float of the dtype.
SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e30, INF), (-1e30, 0.0)],
    "expm1": [
        *[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (1e30, INF), (-1e30, -1.0)],
        *[(TINY, TINY), (-TINY, -TINY), (-50.0, -1.0)],
    ],
    "log": [(0.0, -INF), (-0.0, -INF), (INF, INF), (1.0, 0.0), (-1.0, NAN), (-INF, NAN)],
    "log1p": [
        *[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-1.0, -INF), (-2.0, NAN), (-INF, NAN)],
        *[(TINY, TINY), (-TINY, -TINY)],
    ],
    "log1mexp": [(0.0, -INF), (-0.0, -INF), (-INF, 0.0), (-1e30, 0.0), (1.0, NAN), (INF, NAN)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.parametrize("kernel", SPECIAL)
def test_special_values(kernel, name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    rows = [[np.copysign(tiny, v) if abs(v) == TINY else v for v in row] for row in SPECIAL[kernel]]
    at, wanted = np.array([*rows, (NAN, NAN)], dtype).T
    with linker(name) as mode:
        value = compiled(TABLE[kernel][0], dtype, mode)(np.ascontiguousarray(at))
    np.testing.assert_array_equal(value, wanted)
    if kernel in ("expm1", "log1p"):
        np.testing.assert_array_equal(np.signbit(value)[:-1], np.signbit(wanted)[:-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", TABLE)
def test_fast_math_changes_no_bit(kernel, dtype):
    op, _, points, _ = TABLE[kernel]
    values = []
    for name in ("numba", "numba_strict"):
        with linker(name) as mode:
            values.append(compiled(op, dtype, mode)(points(dtype)))
    np.testing.assert_array_equal(*values)


# Exact, so that they change the result of a kernel only where they are mixed with its steps.
EXACT = {
    "negated": lambda v: -v,
    "halved": lambda v: np.asarray(0.5, v.dtype) * v,
    "halved by division": lambda v: v / np.asarray(2, v.dtype),
    "minus its half": lambda v: np.asarray(-0.5, v.dtype) * v,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [*TABLE, *KERNELS])
def test_fast_math_around_a_kernel_changes_no_bit(kernel, dtype):
    """LLVM moves negations and factors with fast-math flags into products: -exp(88.53) was -inf."""
    op, *_, points, _ = (TABLE | KERNELS)[kernel]
    at, u = points(dtype), pt.vector("u", dtype=dtype)
    with linker("numba") as mode:
        alone = compiled(op, dtype, mode)(at)
        found = [pytensor.function([u], f(op(u)), mode=mode)(at) for f in EXACT.values()]
    for function, value in zip(EXACT.values(), found, strict=True):
        np.testing.assert_array_equal(value, function(alone))


def assembly(inputs, outputs, *values):
    with pytensor.config.change_flags(numba__cache=False):  # what comes from disk has no assembly
        function = pytensor.function(inputs, outputs, mode="NUMBA", on_unused_input="ignore")
        function(*values)
    return assembly_of(function)


def assert_vectorised(text, packed):
    assert re.search(rf"\b(v?mul|vfmadd\d+){packed}\b", text)
    library = r"exp|log|tanh|composite|branch_free|scalar_core|scalar_outputs"
    assert not [name for name in called(text) if re.search(library, name)]


@on_x86_64
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", TABLE)
def test_an_op_alone_is_vectorised(kernel, dtype):
    u = pt.vector("u", dtype=dtype)
    text = assembly([u], TABLE[kernel][1](u), np.full(3, -0.5, dtype))
    assert_vectorised(text, "pd" if dtype == "float64" else "ps")


@on_x86_64
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_loop_with_a_scalar_is_vectorised(dtype):
    """PyTensor wraps its function once more, and LLVM moves code into the sides of a switch."""
    u, v, w = (pt.vector(name, dtype=dtype) for name in "uvw")
    valid = pt.vector("valid", dtype="bool")
    same = pt.isinf(u) & pt.eq(u, -v)
    total = pt.log1mexp(pt.switch(same, 0, w)) - pt.softplus(u) - pt.softplus(v)
    value = pt.switch(valid.all(), total, -np.inf)
    ones = [np.full(3, -1.0, dtype)] * 3
    for results in ([value.sum(), -v], [value, -v]):
        text = assembly([u, v, w, valid], results, *ones, np.ones(2, bool))
        assert_vectorised(text, "pd" if dtype == "float64" else "ps")


x, y = pt.dvectors("x", "y")


def test_what_is_lowered():
    small = TensorType("float64", (3,))("small")
    # Counts are cast to floats before anything else is done, and have a kernel then.
    outputs = [pt.exp(pt.dscalar("t")), pt.exp(small), pt.exp(pt.vector("h", dtype="float16"))]
    inputs = [v for v in pytensor.graph.traversal.graph_inputs(outputs) if v.name]
    for mode, graphs in (("NUMBA", outputs), ("CVM", [pt.expm1(x)])):
        given = inputs if mode == "NUMBA" else [x]
        function = pytensor.function(given, graphs, mode=mode)
        assert not has_kernel(function)
    assert has_kernel(pytensor.function([x], pt.expm1(x), mode="NUMBA"))
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        assert not has_kernel(pytensor.function([x], pt.expm1(x), mode="NUMBA"))


@pytest.mark.parametrize("shape", [(2000, 3), (5000, 1), (5, 1000, 4)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_short_rows_get_a_long_loop(dtype, shape):
    u = TensorType(dtype, shape)("u")
    at = np.random.default_rng(1).normal(size=shape).astype(dtype)
    outputs = [pt.expm1(u), pt.sigmoid(u) * pt.softplus(u).sum(-1, keepdims=True), pt.exp(u.T)]
    function = pytensor.function([u], outputs, mode="NUMBA")
    assert op_counts(function)["Reshape"] > 2
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        plain = pytensor.function([u], outputs, mode="NUMBA")
    for value, wanted in zip(function(at), plain(at), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=20 * np.finfo(dtype).eps)


def has_kernel(function):
    found = [node.op.scalar_op for node in function.maker.fgraph.apply_nodes if is_elemwise(node)]
    inner = [n.op for op in found for n in getattr(getattr(op, "fgraph", 0), "apply_nodes", ())]
    return any(isinstance(op, ops.KernelOp) for op in (*found, *inner))


def is_elemwise(node):
    return hasattr(node.op, "scalar_op")


def labels(x, y):
    s = pt.sigmoid(x)
    return {
        "likelihood": y * s + (1 - y) * (1 - s),
        "minus": y * s - (y - 1) * (1 - s),
        "minus one plus": y * s - (-1 + y) * (1 - s),
        "three terms": y * s + pt.exp(-pt.sqr(x)) + (1 - y) * (1 - s),
        "scaled": 0.5 * y * s + (1 - y) * (1 - s) * 0.5,
        "softplus": y * pt.softplus(-x) + (1 - y) * pt.softplus(x),
        "minus softplus": -y * pt.softplus(-x) - (1 - y) * pt.softplus(x),
        "exponentials": y * pt.exp(x) + (1 - y) * pt.exp(-x),
    }


LABELS = labels(x, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", LABELS)
def test_labels_far_out(case, dtype):
    """LLVM would make B + y (A - B) of y A + (1 - y) B."""
    far = {"float64": (1.0, 17.0, 36.0, 40.0, 300.0), "float32": (1.0, 8.0, 17.0, 25.0, 40.0)}
    at = np.repeat(both_signs(np.array(far[dtype]), dtype), 2)
    outcomes = np.tile([0.0, 1.0], len(at) // 2).astype(dtype)
    inputs = [pt.vector(v, dtype=dtype) for v in "xy"]
    value = labels(*inputs)[case]
    outputs = [value, pt.grad(value.sum(), inputs[0])]
    given = (at, outcomes)
    with linker("numba") as mode:
        graphs = [outputs, outputs[:1], outputs[1:]]
        found = [
            pytensor.function(inputs, graph, mode=mode, on_unused_input="ignore")(*given)
            for graph in graphs
        ]
    exact = [truth(o, dict(zip(inputs, given, strict=True))) for o in outputs]
    for values, wanted in zip(found, [exact, exact[:1], exact[1:]], strict=True):
        for one, right in zip(values, wanted, strict=True):
            assert ulps(one, right).max() <= 4


def test_only_such_sums_are_strict():
    a, b = pt.dvectors("a", "b")
    plain = [a * x + b * y, a + (1 - y) * b, y * a * (1 - y) + b, (2 - y) * a + y * b, a * y - b]
    for graph in plain:
        assert not is_interpolation(graph.owner)
    for graph in LABELS.values():
        assert is_interpolation(graph.owner)
    function = pytensor.function([x, y, a, b], y * a + (1 - y) * b, on_unused_input="ignore")
    assert op_counts(function)["strict_add"] == 1
    with pytensor_stabilize.excluding("sigmoids_share_exp"):
        function = pytensor.function([x, y, a, b], y * a + (1 - y) * b, on_unused_input="ignore")
    assert "strict_add" not in op_counts(function)


def test_a_deep_sum_takes_no_long_time():
    total = y
    for _ in range(2000):
        total = (total + x) * 2 - y
    assert not is_interpolation(total.owner)
