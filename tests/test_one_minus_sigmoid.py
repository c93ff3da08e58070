"""``1 - sigmoid(x) -> sigmoid(-x)``: every dtype, shape and spelling, and what must stay."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, exact_sigmoid, linker, rewritten, ulps
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.rewriting.basic import check_stack_trace

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, same_graph, truth


def mended(inputs, outputs) -> bool:
    """Whether no difference is left."""
    return op_counts(compile_rewritten(inputs, outputs))["sub"] == 0


def fired(outputs) -> int:
    """How often our two rules for the difference fired; PyTensor's own may be first."""
    counts = explain(outputs).fired
    return counts["one_minus_sigmoid"] + counts["sigmoid_minus_one"]


@pytest.mark.parametrize("ndim", range(5))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_any_rank_and_float_dtype(ndim, dtype):
    x = pt.tensor("x", shape=(None,) * ndim, dtype=dtype)
    s = pt.sigmoid(x)
    # float16 is not supported by the numba linker of this PyTensor.
    mode = "CVM" if dtype == "float16" else "NUMBA"
    function = pytensor.function([x], [s, 1 - s, pt.exp(1 - s)], mode=mode)
    at = {"float16": 9.5, "float32": 30.0, "float64": 50.0}[dtype]
    value = function(np.full((1,) * ndim, at, dtype=dtype))[1]
    assert value.dtype == dtype
    assert value.shape == (1,) * ndim
    exact = exact_sigmoid(-at)
    np.testing.assert_allclose(np.asarray(value, "float64"), exact, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"],
)
@pytest.mark.parametrize("name", ["numba", "cvm"])
def test_discrete_inputs(dtype, name):
    x = pt.vector("x", dtype=dtype)
    s = pt.sigmoid(x)
    lo, hi = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = np.array([lo, 0, 1, min(hi, 20), hi], dtype=dtype)
    with linker(name) as mode:
        got = pytensor.function([x], [s, 1 - s, pt.log(s), pt.log(1 - s)], mode=mode)(values)
    z = pt.dvector("z")
    stable = [pt.sigmoid(z), pt.sigmoid(-z), -pt.softplus(-z), -pt.softplus(z)]
    wanted = truth(stable, {z: values.astype("float64")})
    for actual, exact in zip(got, wanted, strict=True):
        rtol = 1e-14 if actual.dtype == "float64" else 1e-6
        tiny = np.finfo(actual.dtype).tiny
        np.testing.assert_allclose(actual, exact.value, rtol=rtol, atol=tiny)


x = pt.dvector("x")
m = pt.dmatrix("m")
s = pt.sigmoid(x)

SPELLINGS = {
    "1 - s": 1 - s,
    "1.0 - s": 1.0 - s,
    "-s + 1": -s + 1,
    "1 + -1 * s": 1 + (-1) * s,
    "2 - s - 1": 2 - s - 1,
    "ones_like(s) - s": pt.ones_like(s) - s,
    "ones((1,)) - s": np.ones((1,)) - s,
    "int8 one": pt.constant(np.int8(1)) - s,
    "float32 one": pt.constant(np.float32(1)) - s,
    "transposed": 1 - s.dimshuffle("x", 0),
    "indexed": 1 - s[1:],
    "advanced": 1 - s[np.array([0, 0, 1])],
    "reshaped": 1 - s.reshape((2, -1)),
    "s - 1": s - 1,
    "alloc one": pt.alloc(1.0, x.shape[0]) - s,
    "negated argument": 1 - pt.sigmoid(-x),
    "scaled argument": 1 - pt.sigmoid(-2 * x),
    "two nodes": 1 - pt.sigmoid(x + 0),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("clients", ["alone", "shared"])
def test_spellings(spelling, clients):
    difference = SPELLINGS[spelling]
    outputs = [difference] if clients == "alone" else [s, difference, pt.sqr(difference), s * 3]
    assert mended([x], outputs)
    # Alone PyTensor mends most spellings itself; with another client it is our work.
    if clients == "shared":
        assert fired(outputs) >= 1
    function = compile_rewritten([x], difference)
    at = np.array([60.0, -60.0, 0.5, 60.0])
    naive = pytensor.function([x], difference, mode=pytensor.compile.Mode("cvm", None))
    np.testing.assert_allclose(function(at), naive(at), rtol=1e-12, atol=1e-25)
    assert np.all(function(at) != 0)


MUST_STAY = {
    "near one below": (np.nextafter(1.0, 0.0) - s, "not exactly 1"),
    "near one above": (np.nextafter(1.0, 2.0) - s, "not exactly 1"),
    "1 - 1e-12": ((1 - 1e-12) - s, "not exactly 1"),
    "two": (2.0 - s, "not exactly 1"),
    "not constant": (x - s, "not a constant"),
}


@pytest.mark.parametrize("case", MUST_STAY)
def test_what_must_stay(case):
    difference, reason = MUST_STAY[case]
    explanation = explain([difference, s])
    assert not explanation.fired["one_minus_sigmoid"]
    assert any(reason in event.reason for event in explanation.left)


@pytest.mark.parametrize("value", [pt.log1p(s), pt.log(1 + s), pt.log1p(2 * s), pt.log1p(-s / 2)])
def test_other_logarithms_stay(value):
    assert not explain([value, s]).fired["log1p_minus_sigmoid"]
    at = np.array([-40.0, -0.3, 2.0, 40.0])
    found = compile_rewritten([x], value)(at)
    assert ulps(found, truth(value, {x: at})).max() <= 4


def test_an_uneven_constant_is_a_label():
    """It is 1 here and not there: no case for this rule, and one for the engine."""
    y = np.array([1.0, 2.0, 0.0])
    explanation = explain([y - s, s])
    assert not explanation.fired["one_minus_sigmoid"]
    assert explanation.fired["sum_at_critical_value"] == 1
    function = compile_rewritten([x], [y - s, s])
    for at in (np.full(3, 40.0), np.full(3, -40.0), np.array([600.0, 0.3, -600.0])):
        assert ulps(function(at)[0], truth(y - s, {x: at})).max() <= 4.0


def test_no_near_miss_is_a_candidate():
    explanation = explain([1 + s, s - s * x, 1 - pt.tanh(x), 1 - pt.exp(x)])
    assert not explanation.fired["one_minus_sigmoid"]


def test_complex_is_left():
    """PyTensor's sigmoid takes complex numbers; no identity of ours is meant for them."""
    z = pt.zvector("z")
    p = pt.sigmoid(z)
    explanation = explain([1 - p, p, p - 1, pt.log1p(-p), p * pt.sigmoid(-z) / pt.sigmoid(z + 1)])
    assert not explanation.fired
    assert {event.reason for event in explanation.left} == {"the result is complex"}


def test_mixed_dtypes_keep_the_result_and_its_digits():
    x32 = pt.vector("x", dtype="float32")
    difference = np.float64(1) - pt.sigmoid(x32).astype("float64")
    function = compile_rewritten([x32], [difference, pt.sigmoid(x32)])
    value, _ = function(np.array([50.0, -10.0], dtype="float32"))
    assert value.dtype == "float64"
    np.testing.assert_allclose(value, [exact_sigmoid(-50), exact_sigmoid(10)], rtol=1e-15)


def test_narrowing_cast_keeps_the_dtype():
    difference = np.float32(1) - pt.sigmoid(x).astype("float32")
    function = compile_rewritten([x], [difference, s])
    value, _ = function(np.array([50.0]))
    assert value.dtype == "float32"
    np.testing.assert_allclose(value, [exact_sigmoid(-50)], rtol=1e-6)


def test_the_one_may_give_the_shape():
    column = pt.ones((3, 1)) - s
    function = compile_rewritten([x], [column, s])
    value, _ = function(np.array([50.0, -50.0]))
    assert value.shape == (3, 2)
    np.testing.assert_allclose(value, [[exact_sigmoid(-50), 1.0]] * 3, rtol=1e-15)
    symbolic = pt.iscalar("n")
    function = compile_rewritten([x, symbolic], [pt.alloc(1.0, symbolic, 1) - s, s])
    assert function(np.array([50.0]), 4)[0].shape == (4, 1)


def test_static_shapes_are_kept():
    difference = np.ones(3) - s
    assert difference.type.shape == (3,)
    function = compile_rewritten([x], [difference, s])
    assert op_counts(function)["sub"] == 0
    assert function.maker.fgraph.outputs[0].type.shape == (3,)
    np.testing.assert_allclose(function(np.full(3, 50.0))[0], exact_sigmoid(-50), rtol=1e-15)


def test_inside_scan():
    def step(value):
        inner = pt.sigmoid(value)
        return inner, 1 - inner

    pair = pytensor.scan(step, sequences=[x], return_updates=False)
    function = pytensor.function([x], pair, mode=rewritten())
    np.testing.assert_allclose(function(np.array([50.0]))[1], exact_sigmoid(-50), rtol=1e-15)


def test_inside_opfromgraph():
    inner = pt.dvector("inner")
    op = OpFromGraph([inner], [pt.sigmoid(inner), 1 - pt.sigmoid(inner)])
    function = pytensor.function([x], op(x), mode="NUMBA")
    np.testing.assert_allclose(function(np.array([50.0]))[1], exact_sigmoid(-50), rtol=1e-15)


def test_in_vectorized_graphs():
    core = pt.dscalar("core")
    batched = vectorize_graph([pt.sigmoid(core), 1 - pt.sigmoid(core)], {core: x})
    assert mended([x], batched)


def test_stack_traces_are_copied():
    with pytensor.config.change_flags(traceback__limit=8):
        y = pt.dvector("y")
        difference = 1 - pt.sigmoid(y)
    function = compile_rewritten([y], [difference, pt.sigmoid(y)])
    assert check_stack_trace(function, ops_to_check="all", bug_print="ignore")
    (event,) = (
        e for e in explain([difference, pt.sigmoid(y)]).events if e.rule == "one_minus_sigmoid"
    )
    assert "difference = 1 - pt.sigmoid(y)" in event.where


def test_the_argument_is_not_negated_twice():
    function = compile_rewritten([x], [1 - pt.sigmoid(-x), pt.sigmoid(-x) * 2])
    wanted = compile_rewritten([x], [pt.sigmoid(x), pt.sigmoid(-x) * 2])
    assert same_graph(function, wanted)


@pytest.mark.parametrize("name", LINKERS)
def test_every_linker(name):
    with linker(name) as mode:
        function = pytensor.function([x], [s, 1 - s], mode=mode)
    at = np.array([40.0, 700.0, -40.0, np.inf, -np.inf, np.nan])
    value = np.asarray(function(at)[1])
    wanted = [*(exact_sigmoid(-v) for v in at[:3]), 0.0, 1.0, np.nan]
    np.testing.assert_allclose(value, wanted, rtol=1e-15)


def test_it_runs_alone():
    with pytensor_stabilize.only("one_minus_sigmoid"):
        function = compile_rewritten([x], [s, 1 - s])
    assert function(np.array([40.0]))[1] > 0
