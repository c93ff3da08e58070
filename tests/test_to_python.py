"""to_python: the program that it prints rebuilds the graph."""

import ast
import doctest
import sys

import numpy as np
import pymc as pm
import pytensor
import pytensor.scalar as ps
import pytensor.tensor as pt
import pytest
from helpers import rewritten, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode, get_mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.conditional import ifelse
from pytensor.graph.basic import Apply, NominalVariable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.traversal import graph_inputs, toposort
from pytensor.link.vm import VMLinker
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.shape import shape_i

from pytensor_stabilize import sigmoid
from pytensor_stabilize.graphs.graphlike import view
from pytensor_stabilize.graphs.to_python import to_python

# No rewrites and no compiled code: what the graph says is what is computed.
PLAIN = Mode(linker=VMLinker(use_cloop=False, c_thunks=False), optimizer=None)

x, y = pt.dvectors("x", "y")
a, b = pt.dscalars("a", "b")
m, n = pt.dmatrices("m", "n")
f, w = pt.fvectors("f", "w")
i, k, mask = pt.lscalar("i"), pt.ivector("k"), pt.vector("mask", dtype="bool")
cube = pt.tensor("cube", dtype="float64", shape=(2, None, 3))
square = pt.eye(3) + pt.dot(m, m.T)
padded, s = x.dimshuffle("x", 0), pt.sigmoid(x)
SIGMOIDS = (pt.sigmoid, pt.tanh, pt.softplus)
TYPES = (pt.drow, pt.bscalar, pt.ztensor3, ps.int8, pt.TensorType("float16", (2, None)))
two = OpFromGraph([x, a], [pt.exp(x) * a, x.sum()])
inline = OpFromGraph([x, a], [pt.exp(x) * a, x.sum()], inline=True, name="own")
outer = OpFromGraph([y], [two(y, pt.constant(np.arange(70.0)).sum())[0] - y], name="outer")
stable = OpFromGraph([x], [sigmoid(x, pullback="stable")])
taps = {"initial": pt.stack([a, b]), "taps": [-1, -2]}
over = {"sequences": [x], "return_updates": False}
mapped = pytensor.scan(lambda v: pt.exp(v) + 1, **over)
recurrence = pytensor.scan(lambda v, p, q: p * a + v - q, outputs_info=[taps], **over)
u, v = ps.float64("u"), ps.float32()
fused = Elemwise(ps.Composite([u, v], [1 / (1 + ps.exp(-u)) * u + v, ps.maximum(u, 2)]))
add_inplace = Elemwise(ps.add, inplace_pattern={0: 0})
# Nodes that know less than their operands, as rewrites leave them.
refined = Apply(pt.exp, [pt.constant(np.arange(3.0)) * 2], [pt.dvector()]).outputs[0]
rng = pytensor.shared(np.random.default_rng(3))
# Printed without a pickle.
GRAPHS = {
    "infix": [1 - s, x + y - (x - y), x * y / (x / y), x / (y * x), x**y, (x**2) ** y, x ** (y**x)],
    "signs": [-(x**2), (-x) ** 2, 2 ** (-x), (-1.5) ** x, x ** (-1), -x - (-y), x - (1 - y)],
    "integers": [k // 2, k % 3, -k, i // 2, k & 1, k | 2, k ^ 1, k // -2, ~(k & 3), abs(k) ** 2],
    "true division of integers": [i / 3, k / 2, k.mean()],
    "comparisons": [x < y, x <= 1, x > y + 1, x >= a, pt.eq(x, y), pt.neq(k, 1), ~(x < y)],
    "functions": [pt.exp(x), pt.log1p(x), pt.erfc(x), pt.gammaln(x * x), pt.log1mexp(-x), abs(x)],
    "selection": [pt.minimum(x, 0), pt.clip(x, -1, 1), pt.switch(x > 0, x, 0), pt.isnan(x)],
    "broadcasting": [m + x, m * x.dimshuffle(0, "x"), a * m, x.dimshuffle("x", 0, "x") - cube],
    "shared padding": [m + padded, n * padded, s * s, pt.add(s, s, s)],
    "dimshuffle": [m.T, cube.transpose(2, 0, 1), cube.dimshuffle(2, "x", 1, 0), a.dimshuffle("x")],
    "casts": [x.astype("float32"), k.astype("float64") + a, pt.cast(f, "int8"), x.astype("bool")],
    "float32": [f * np.float32(0.1), f * 0.5 + w, f * np.float64(0.1), pt.sigmoid(f) - 1, f * 2],
    "int8": [k + np.int8(1), k + np.int64(1), k * np.uint8(200), k.astype("int8") + 1],
    "sums": [m.sum(), m.sum(axis=0), cube.sum(axis=(0, 2)), f.sum(dtype="float64"), k.sum()],
    "accumulators": [f.sum(acc_dtype="float32"), k.prod(dtype="int32"), m.mean(), x.var()],
    "reductions": [m.prod(axis=1), m.max(axis=0), m.min(), (m > 0).all(axis=1), (m > 0).any()],
    "other reductions": [CAReduce(ps.maximum, axis=(0,))(m), CAReduce(ps.xor)(k)],
    "dot": [pt.dot(m, n), pt.dot(m, x), pt.dot(x, y), m @ n, cube @ m],
    "reshape": [m.reshape((-1,)), x.reshape((i * 0 + 3, 1)), m.reshape(m.shape), x.reshape((1, 3))],
    "join": [pt.join(0, x, y), pt.join(1, m, n, m), pt.concatenate([x[None], y[None]], axis=-1)],
    "stack": [pt.stack([a, b]), pt.stack([x, y], axis=1), pt.as_tensor([i, 3, i]), pt.stack([x])],
    "split": [*pt.split(x, [1, 2], n_splits=2), pt.split(m, [i * 0 + 1, 2], n_splits=2, axis=1)[1]],
    "alloc": [pt.alloc(a, 2, i), pt.zeros((2, 3)), pt.ones_like(x), pt.full((i,), np.float32(0.1))],
    "ranges": [pt.arange(5), pt.arange(i, 9, 2), pt.eye(i, 4, 1, dtype="int8"), pt.empty((0, 3))],
    "shapes": [x.shape, m.shape[0], shape_i(m, 1), pt.specify_shape(m, (3, None)), m.size],
    "specified": [pt.specify_shape(cube, (None, 3, None)) + 1, pt.specify_shape(x, i * 0 + 3)],
    "indexing": [x[0], x[-1], x[1:], x[::-1], x[:i], m[i, ::2], m[:, 1:3], cube[..., 0], x[None]],
    "advanced indexing": [x[[0, 2]], x[k], m[k, k], m[0, k], x[mask], m[k, 1:], cube[0, k[None]]],
    "setting": [pt.set_subtensor(x[1:], 0.5), pt.set_subtensor(x[k], y), pt.set_subtensor(m[i], 2)],
    "in place": [pt.set_subtensor((x + 1)[:2], y[1:], inplace=True), add_inplace(x * 2, y)],
    "incrementing": [pt.inc_subtensor(m[i], x), pt.inc_subtensor(x[k], 1, ignore_duplicates=True)],
    "gradient of indexing": [pt.grad(x[k].sum() + (x[1:] ** 2).sum() + m[:, i].sum(), x)],
    "softmax": [pt.special.softmax(m, axis=-1), pt.special.log_softmax(x, axis=None)],
    "cumulative": [pt.cumsum(x), pt.cumprod(m, axis=1), pt.cumsum(m, axis=None), pt.diff(x)],
    "sorting": [pt.sort(m, axis=0), pt.argsort(x), pt.argmax(m, axis=1)],
    "ifelse": [ifelse(a > 0, x, y), *ifelse(i, (x, m), (y, n))],
    "scalars": [pt.tensor_from_scalar(u * 2), pt.scalar_from_tensor(a) + u, u**2, v - 1],
    "linear algebra": [pt.linalg.cholesky(square), pt.linalg.det(square), pt.linalg.pinv(m)],
    "blockwise": [pt.linalg.inv(cube[:, :3] + pt.eye(3) * 9), pt.diag(x), pt.diagonal(m)],
    "symbolic ops": [pt.pad(x, 2), pt.special.xlogy(x, y), pt.logsumexp(m, axis=0)],
    "op from graph": [*two(x, a), inline(y, 2.0)[0], outer(x) + outer(y), stable(y * 2)],
    "parts of op from graph": [two(x, a)[1], pt.grad(two(x, a)[0].sum(), a)],
    "our sigmoid": [sigmoid(x), 1 - sigmoid(f, pullback="stable"), sigmoid(k), sigmoid(m)],
    "our gradient": [pt.grad(sigmoid(x, pullback=form).sum(), x) for form in ("naive", "stable")],
    "composite": [*fused(x, f), *fused(m, f)],
    "hessians": [pt.hessian(function(x).sum(), x) for function in SIGMOIDS],
    "gradients": [pt.grad((function(x) ** 2 * y).sum(), x) for function in SIGMOIDS],
    "float32 gradients": [pt.grad(function(f).sum(), f) for function in SIGMOIDS],
    "scans": [mapped, recurrence, pt.grad(recurrence.sum(), x)],
    "refined types": [refined + 1, Apply(pt.add, [x, padded[0]], [pt.dvector()]).outputs[0]],
    "outputs of all kinds": [x, pt.constant(2.5), x + 1, x + 1, pt.constant(np.arange(9))],
    "constants only": [pt.constant(2) + pt.constant(3), pt.constant(10) ** pt.constant(10**9)],
    "types": [kind(name) for kind in TYPES for name in (None, "float64")],
    "nominal": [NominalVariable(0, x.type) + NominalVariable(1, x.type)],
    "long": [pt.add(*[pt.sigmoid(x * (t + 0.5)) for t in range(30)])],
}
PICKLED = {
    "scalar loop": [pt.grad(pt.gammainc(a, 2.0), a)],
    "random numbers": [pt.random.normal(x, 2.0, size=(3,), rng=rng, return_next_rng=True)[1]],
}


def rebuild(program):
    namespace = {}
    exec(program, namespace)
    return namespace["inputs"], namespace["outputs"]


def shared(outputs):
    return [v for v in graph_inputs(outputs) if isinstance(v, SharedVariable)]


def explicit(graph):
    return [v for v in view(graph, "").inputs if not isinstance(v, SharedVariable)]


def assert_equal(old, new, *paired):
    kinds = [[(type(n.op), [v.type for v in n.outputs]) for n in toposort(g)] for g in (old, new)]
    assert kinds[0] == kinds[1]
    assert equal_computations(list(old), list(new), *paired)


def check(graph, public=True):
    """Rebuild the graph, compare all there is to compare, and return the program."""
    program = to_python(graph)
    assert ("pickle" in program) is not public
    tree = ast.parse(program)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert tree.body[: len(imports)] == imports
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {(name.asname or name.name) for line in imports for name in line.names} <= used

    old, old_outputs = explicit(graph), view(graph, "").outputs
    inputs, outputs = rebuild(program)
    paired = (old + shared(old_outputs), inputs + shared(outputs))
    assert [(v.name, v.type) for v in paired[0]] == [(v.name, v.type) for v in paired[1]]
    if public:
        assert_equal(old_outputs, outputs, *paired)
    return program


def bits(value):
    value = np.asarray(value)
    return value.dtype, value.shape, value.tobytes()


def values(inputs, outputs):
    rng, drawn = np.random.default_rng(0), []
    for kind in (v.type for v in inputs):
        shape = [3 if length is None else length for length in getattr(kind, "shape", ())]
        is_float = kind.dtype.startswith("float")
        numbers = rng.normal(size=shape) if is_float else rng.integers(0, 2, size=shape)
        drawn.append(np.asarray(numbers, dtype=kind.dtype))
    options = {"mode": PLAIN, "on_unused_input": "ignore", "accept_inplace": True}
    with pytensor.config.change_flags(mode="FAST_COMPILE", linker="py"), np.errstate(all="ignore"):
        return list(map(bits, pytensor.function(inputs, list(outputs), **options)(*drawn)))


def assert_same_values(graph, program):
    assert values(*rebuild(program)) == values(explicit(graph), view(graph, "").outputs)


@pytest.mark.parametrize("name", [*GRAPHS, *PICKLED])
def test_rebuilds(name):
    graph = (GRAPHS | PICKLED)[name]
    program = check(graph, public=name in GRAPHS)
    if name != "nominal":  # which is no input of a function
        assert_same_values(graph, program)


def test_prints_short_programs():
    program = to_python([x[1:] * m[0, k] - pt.log(2 * a), pt.special.softmax(f).astype("int8")])
    assert "out_2 = x[1:] * m[0, k] - pt.log(2 * a)\n" in program
    assert "out = pt.special.softmax(f, axis=(0,)).astype(np.int8)\n" in program
    assert len(program.splitlines()) == 12
    assert "= k + np.int64(1)\n" in to_python(k + np.int64(1))
    long = pt.constant(np.arange(45.0))
    assert check([x + long, y * long, OpFromGraph([x], [x * long])(x)]).count("44.0") == 1
    assert "cube = pt.tensor('cube', dtype='float64', shape=(2, None, 3))\n" in to_python(cube)
    assert "= pt.second(t, pt.second(t.sum(), np.float64(1.0)))" in to_python(pt.grad(s.sum(), x))


NUMBERS = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.1, 1 / 3, 5e-324, 2.2e-308, 1.7e308, 1e-45, 3.0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("number", NUMBERS)
def test_floats_keep_their_bits(number, dtype):
    datum = np.asarray(number).astype(dtype)
    constants = [pt.constant(c) for c in (datum, np.stack([datum, datum * 2]), np.full(60, datum))]
    column = pt.tensor(dtype=dtype, shape=(None, 1))
    outputs = rebuild(check([*constants, *(column + constant for constant in constants)]))[1]
    for position, old in enumerate(constants):
        padding = outputs[3 + position].owner.inputs[1].owner
        for new in (outputs[position], padding.inputs[0]):
            assert (old.type, old.data.tobytes()) == (new.type, new.data.tobytes())


RANDOM = np.random.default_rng(0).normal(size=(4, 250))
ARRAYS = [
    ("array", np.arange(12, dtype="int8").reshape(3, 4)),
    ("array", np.array([True, False])),
    ("array", np.array([[2**64 - 1]], dtype="uint64")),
    ("array", RANDOM[0, :50]),
    ("frombuffer", RANDOM.astype("float32")),
    ("frombuffer", np.array([0xFFF8000000000123, 2**63], dtype="uint64").view("float64")),
    ("frombuffer", np.where(np.arange(60) % 2, 0.0, -0.0)),
    ("frombuffer", np.arange(240.0).reshape(10, 24).T[::3]),
    ("full", np.full((30, 40), 0.1, dtype="float32")),
    ("full", np.zeros((0, 3), dtype="int16")),
]


@pytest.mark.parametrize(("function", "array"), ARRAYS)
def test_arrays(function, array):
    program = check([pt.constant(array), pytensor.shared(array, name="w") * 1])
    constant, out = rebuild(program)[1]
    assert bits(constant.data) == bits(out.owner.inputs[0].get_value()) == bits(array)
    assert program.count("np.") == program.count(f"np.{function}(") == 2


NAMES = ["a b", "1x", "lambda", None, "model::x", "x", "x", "pt", "np", "inputs", "out", "print"]
NAMES += ["", "_", "__debug__", "\N{LATIN SMALL LIGATURE FI}", "fi", "β", "x²", "'quoted'", '"']
NAMES += ["a\nb", "float64", "Elemwise", "f(None)"]


def test_names():
    kinds = [pt.dvector(name) for name in NAMES]
    inplace = add_inplace(kinds[0] * 2, kinds[1])
    out = (pt.add(*kinds) + inplace + np.float64(0.1)).copy(name="x")
    out.owner.inputs[0].name = "a b"
    program = check(out)
    assert "\nβ = pt.dvector('β')\n" in program
    assert_same_values(out, program)


def test_shared_variables():
    held = [np.arange(3.0), np.float32(2.5), np.array(3, dtype="int8"), np.zeros((2, 3)), 7]
    variables = [pytensor.shared(value, name=f"s{k}") for k, value in enumerate(held)]
    variables += [pytensor.shared(np.ones((2, 3)), shape=(2, None))]
    total = sum(variables) + x[0]
    program = check([total])
    assert_same_values([total], program)
    assert "inputs = [x]\n" in program
    check([pytensor.shared({"any": 1}, name="o")])
    check([pytensor.shared({"any": object}, name="o")], public=False)
    # What they hold now, and with no tie to the original.
    variables[0].set_value(np.ones(3))
    copy = shared(rebuild(to_python(variables[0] * 2))[1])[0]
    variables[0].set_value(np.zeros(3))
    assert copy.get_value().tolist() == [1, 1, 1]


def test_updates_of_a_compiled_function():
    counter = pytensor.shared(np.arange(3.0), name="counter")
    function = pytensor.function([x], x * counter, updates={counter: counter + x}, mode="CVM")
    assert list(map(len, rebuild(check(function)))) == [1, 2]


REDUCED = (pt.exp(x) * pt.log1p(x * x)).sum()
FUSED = [1 - s * a, REDUCED, pt.exp(x[[0, 2]]), pt.grad((y * pt.log(1 - s)).sum(), x)]


@pytest.mark.parametrize("mode", ["NUMBA", "CVM", "FAST_COMPILE"])
@pytest.mark.parametrize("out", FUSED)
def test_compiled_functions(out, mode):
    function = pytensor.function([x, y, a], out, mode=get_mode(mode), on_unused_input="ignore")
    program = check(function, public="FusedElemwise" not in str(function.maker.fgraph))
    # A reduction with a Composite has no Python implementation.
    if out is not REDUCED or mode != "CVM":
        assert_same_values(function, program)


@pytest.mark.parametrize("out", [1 - s, pt.grad(pt.softplus(m @ x).sum(), x)])
def test_function_graphs(out):
    fgraph = FunctionGraph(outputs=[out], clone=True)
    assert len({to_python(form) for form in (fgraph, out, [out], (out,))}) == 1
    rewritten().optimizer.rewrite(fgraph)
    assert_same_values(fgraph, check(fgraph))
    check(fgraph.freeze())


def test_pymc_model():
    rng = np.random.default_rng(1)
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma")
        group = pm.Normal("group", 0, sigma, shape=2)[[0, 1] * 4]
        eta = pm.Data("data", rng.normal(size=(8, 3))) @ pm.Normal("β", 0, 2.5, shape=3) + group
        pm.Bernoulli("y", p=pm.math.sigmoid(eta), observed=rng.integers(0, 2, 8))
    graph = [model.logp(), model.dlogp()]
    assert_same_values(graph, check(graph))
    compiled = model.compile_dlogp()
    check(compiled, public="Fused" not in str(compiled.f.maker.fgraph))


def test_what_cannot_be_pickled_is_named():
    op = OpFromGraph([x], [x * 2], name="odd", pullback=lambda inputs, outputs, g: g)
    with pytest.raises(NotImplementedError, match=r"cannot print OpFromGraph odd\{inline=False\}"):
        to_python(op(x))
    with pytest.raises(NotImplementedError, match="around"):
        to_python(OpFromGraph([x], [op(x) + 1], name="around")(x))


class Tagged(Op):
    """Unequal to its own pickle."""

    def make_node(self, v):
        return Apply(self, [v], [v.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] + 1

    def __str__(self):
        return "with\n two lines"


def test_op_without_equality():
    graph = [Tagged()(x) + Tagged()(y)]
    program = check(graph, public=False)
    assert_same_values(graph, program)
    lines = [line for line in program.splitlines() if "pickle.loads" in line]
    assert [line.partition("  # ")[2] for line in lines] == ["Tagged with two lines"] * 2


@pytest.mark.parametrize(("printed", "run"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize(
    "name", ["float32", "true division of integers", "our sigmoid", "symbolic ops"]
)
def test_float_x_does_not_matter(name, printed, run):
    with pytensor.config.change_flags(floatX=printed):
        program = to_python(GRAPHS[name])
    with pytensor.config.change_flags(floatX=run):
        inputs, outputs = rebuild(program)
    assert_equal(GRAPHS[name], outputs, explicit(GRAPHS[name]), inputs)


def test_programs_run_by_themselves():
    names = ("ifelse", "our sigmoid", "scans", "softmax", "blockwise", "symbolic ops", "composite")
    graphs = [*(GRAPHS[name] for name in names), *PICKLED.values()]
    done = run_python("\n".join(f"exec({to_python(graph)!r}, {{}})" for graph in graphs))
    assert done.returncode == 0, done.stderr


def test_example():
    assert doctest.testmod(sys.modules[to_python.__module__]) == (0, 3)


@st.composite
def graphs(draw):
    """A few random operations on vectors and scalars of several dtypes."""
    pool = [x, f, k, a, pt.iscalar("i"), mask, pt.constant(draw(st.floats(width=32)))]
    binary = [pt.add, pt.sub, pt.mul, pt.true_div, pt.pow, pt.maximum, pt.lt, pt.eq, pt.second]
    unary = [pt.neg, pt.exp, pt.sigmoid, pt.invert, lambda v: v.astype("float32"), pt.sum]
    unary += [lambda v: 1 - v, lambda v: v[..., ::-1], lambda v: pt.stack([v, v]), pt.atleast_2d]
    for _ in range(draw(st.integers(1, 9))):
        function = draw(st.sampled_from(binary + unary))
        operands = [draw(st.sampled_from(pool)) for _ in range(1 + (function in binary))]
        if function in binary and draw(st.booleans()):
            operands[1] = draw(st.integers(-130, 130) | st.floats())
        try:
            made = function(*operands)
        except (TypeError, IndexError, NotImplementedError):
            continue
        if made.ndim < 4:
            pool.append(made)
    return draw(st.lists(st.sampled_from(pool[5:]), min_size=1, max_size=3))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=100, deadline=None)
@given(graphs())
def test_random_graphs(graph):
    check(graph)
