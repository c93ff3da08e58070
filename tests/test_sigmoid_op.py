"""The Sigmoid Op: equality, printing, pickling, backends, PyTensor's rules, switching."""

import pickle

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, exact_sigmoid, linker
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.graph.replace import clone_replace, vectorize_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor.blockwise import Blockwise

from pytensor_stabilize import Sigmoid, sigmoid, with_pullback
from pytensor_stabilize.graphs import op_counts, same_graph

x = pt.dvector("x")
AT = np.array([1000.0, -1000.0, 40.0, -40.0, 0.0, -0.0, np.inf, -np.inf, np.nan, -740.0])
WANTED = np.array(
    [
        1.0,
        0.0,
        1.0,
        exact_sigmoid(-40),
        0.5,
        0.5,
        1.0,
        0.0,
        np.nan,
        exact_sigmoid(-740),
    ]
)


def ops(variable):
    return [v.owner.op for v in ancestors([variable]) if v.owner is not None]


def test_the_pullback_is_part_of_equality_and_hash():
    naive, stable = sigmoid(x).owner.op, sigmoid(x, pullback="stable").owner.op
    assert naive != stable
    assert naive == sigmoid(pt.dvector()).owner.op
    assert hash(naive) == hash(sigmoid(pt.dvector()).owner.op)
    assert hash(naive) != hash(stable)
    assert Sigmoid(pullback="naive") != Sigmoid(pullback="stable")
    assert Sigmoid(pullback="stable") == Sigmoid(pullback="stable")
    assert naive != sigmoid(pt.fvector()).owner.op


def test_merging_keeps_the_kinds_apart():
    from pytensor.graph.rewriting.utils import rewrite_graph

    merged = rewrite_graph(
        [sigmoid(x), sigmoid(x, pullback="stable"), sigmoid(x)], include=("merge",)
    )
    assert merged[0] is merged[2]
    assert merged[0] is not merged[1]


@pytest.mark.parametrize("order", [("naive", "stable"), ("stable", "naive")])
def test_the_kinds_stay_apart_in_inner_graphs(order):
    """PyTensor interns inner graphs by equality: the first kind seen must not stand for both."""
    inner = pt.dscalar("inner")
    mode = Mode("cvm", "fast_run").excluding("stabilize", "specialize")
    found = {}
    for pullback in order:
        op = OpFromGraph([inner], [sigmoid(inner, pullback=pullback)])
        z = pt.dscalar("z")
        found["ofg", pullback] = pytensor.function([z], pt.grad(op(z), z), mode=mode)(40.0)
        scanned = pytensor.scan(
            lambda v, p=pullback: sigmoid(v, pullback=p), sequences=[x], return_updates=False
        )
        function = pytensor.function([x], pt.grad(scanned.sum(), x), mode=mode)
        found["scan", pullback] = function(np.array([40.0]))[0]
    for kind in ("ofg", "scan"):
        assert found[kind, "naive"] == 0
        assert found[kind, "stable"] > 0


def test_a_node_can_be_made_from_the_template():
    node = Sigmoid(pullback="stable").make_node(x)
    assert node.op == sigmoid(x, pullback="stable").owner.op


def test_printing():
    text = pytensor.dprint(sigmoid(x, pullback="stable"), file="str")
    assert "Sigmoid{pullback=stable}" in text
    assert "Sigmoid{pullback=naive}" in pytensor.dprint(sigmoid(x), file="str")


@pytest.mark.parametrize("pullback", ["naive", "stable"])
def test_pickling_and_cloning(pullback):
    variable = sigmoid(x, pullback=pullback)
    again = pickle.loads(pickle.dumps(variable))
    assert again.owner.op == variable.owner.op
    assert pickle.loads(pickle.dumps(Sigmoid(pullback=pullback))) == Sigmoid(pullback=pullback)
    assert clone_replace(variable, {x: pt.dvector()}).owner.op == variable.owner.op
    function = pickle.loads(pickle.dumps(pytensor.function([x], pt.grad(variable.sum(), x))))
    np.testing.assert_allclose(function(np.array([40.0])), exact_sigmoid(-40), rtol=1e-15)


@pytest.mark.parametrize("pullback", ["naive", "stable"])
@pytest.mark.parametrize("name", LINKERS)
def test_values_on_every_linker(name, pullback):
    with linker(name) as mode:
        function = pytensor.function([x], sigmoid(x, pullback=pullback), mode=mode)
    # XLA flushes subnormal results to zero.
    wanted = (
        np.where(np.abs(WANTED) < np.finfo("float64").tiny, 0, WANTED) if name == "jax" else WANTED
    )
    np.testing.assert_allclose(function(AT), wanted, rtol=1e-15)


FALLBACKS = {
    "FAST_COMPILE": "FAST_COMPILE",
    "py": Mode("py", "fast_run"),
    "vm": Mode("vm", "fast_compile"),
    "no rewriting": Mode("py", None),
}


@pytest.mark.parametrize("mode", FALLBACKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_python_fallback_never_overflows(mode, dtype):
    u = pt.vector("u", dtype=dtype)
    function = pytensor.function([u], sigmoid(u), mode=FALLBACKS[mode])
    at = AT.astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        value = function(at)
    np.testing.assert_allclose(value, WANTED.astype(dtype), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["numba", "cvm"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradual_underflow(name, dtype):
    u = pt.vector("u", dtype=dtype)
    at = np.linspace(*{"float64": (-744.0, -709.0), "float32": (-103.0, -88.0)}[dtype], 50).astype(
        dtype
    )
    with linker(name) as mode:
        value = pytensor.function([u], sigmoid(u), mode=mode)(at)
    step = np.finfo(dtype).smallest_subnormal
    exact = np.array([exact_sigmoid(v) for v in at])
    assert np.all(value > 0)
    assert np.all(np.abs(value.astype("float64") - exact) <= 2 * float(step))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float16", "float32"])
def test_dtypes_are_pytensors(dtype):
    u = pt.vector("u", dtype=dtype)
    assert sigmoid(u).type == pt.sigmoid(u).type
    for pullback in ("naive", "stable"):
        derivative = pt.grad(sigmoid(u, pullback=pullback).sum(), u)
        assert derivative.type.dtype.startswith("float")


def test_unsigned_arguments_are_cast_before_they_are_negated():
    u = pt.vector("u", dtype="uint8")
    derivative = pt.grad(sigmoid(u, pullback="stable").sum(), u)
    function = pytensor.function([u], derivative, mode=Mode("py", None))
    np.testing.assert_allclose(function(np.array([3], "uint8")), 0.045176659730912, rtol=1e-6)


def test_pytensors_rules_apply():
    """log(sigmoid) -> softplus and the rest, as for PyTensor's own."""
    for build in (
        pt.log,
        lambda s: pt.log(1 - s),
        lambda s: pt.log1p(-s),
        lambda s: s / (1 - s),
        lambda s: pt.exp(x) * (1 - s),
    ):
        ours, theirs = (compile_rewritten([x], build(s)) for s in (sigmoid(x), pt.sigmoid(x)))
        assert same_graph(ours, theirs)


def test_pushforward():
    from pytensor.gradient import pushforward

    tangent = pt.dvector("tangent")
    for pullback in ("naive", "stable"):
        for direct in (True, False):
            out = pushforward(sigmoid(x, pullback=pullback), x, tangent, use_op_pushforward=direct)
            value = pytensor.function([x, tangent], out)(np.array([40.0]), np.array([2.0]))
            np.testing.assert_allclose(value, 2 * exact_sigmoid(-40), rtol=1e-14)


def test_vectorized_it_stays_elementwise():
    core = pt.dscalar("core")
    for pullback in ("naive", "stable"):
        batched = vectorize_graph(sigmoid(core, pullback=pullback), {core: x})
        assert isinstance(batched.owner.op, Sigmoid)
        assert batched.owner.op.pullback_form == pullback


def pullbacks(variable):
    """Pullback forms in a graph, inner graphs included; "pytensor" for PyTensor's sigmoid."""
    found = []
    todo = [*ops(variable)]
    while todo:
        op = todo.pop()
        if isinstance(op, Sigmoid):
            found.append(op.pullback_form)
            continue
        if getattr(getattr(op, "scalar_op", None), "name", None) == "sigmoid":
            found.append("pytensor")
        if isinstance(op, Blockwise):
            todo.append(op.core_op)
        if hasattr(op, "fgraph"):
            todo += [node.op for node in op.fgraph.toposort()]
    return sorted(found)


def test_with_pullback_switches_every_sigmoid():
    inner = pt.dscalar("inner")
    ofg = OpFromGraph([inner], [pt.sigmoid(inner) * 2])
    scanned = pytensor.scan(pt.sigmoid, sequences=[x], return_updates=False)
    everywhere = (
        pt.sigmoid(x).sum() + sigmoid(x, pullback="naive").sum() + ofg(x[0]) + scanned.sum()
    )
    switched = with_pullback(everywhere, "stable")
    assert pullbacks(switched) == ["stable"] * 4
    assert pullbacks(with_pullback(switched, "naive")) == ["naive"] * 4
    # The original is untouched, and the copy has the same inputs.
    assert pullbacks(everywhere) == ["naive", "pytensor", "pytensor", "pytensor"]
    mode = Mode("cvm", "fast_run").excluding("stabilize", "specialize")
    at = np.array([40.0])
    assert pytensor.function([x], pt.grad(everywhere, x), mode=mode)(at)[0] == 0
    assert pytensor.function([x], pt.grad(switched, x), mode=mode)(at)[0] > 1e-17


def test_with_pullback_inside_blockwise():
    core = pt.dvector("core")
    op = Blockwise(OpFromGraph([core], [pt.sigmoid(core).sum()]), signature="(n)->()")
    switched = with_pullback(op(pt.dmatrix("m")), "stable")
    assert pullbacks(switched) == ["stable"]


def test_with_pullback_shares_what_does_not_change():
    total = pt.exp(x).sum()
    both = with_pullback([total, pt.sigmoid(x)], "stable")
    assert both[0] is total
    assert isinstance(both, list)
    assert op_counts(both[1])
