"""Every tensor op of `truth` and its gradient against what PyTensor computes on benign inputs."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.ifelse import ifelse
from pytensor.scan.utils import until
from pytensor.tensor.extra_ops import cumprod, cumsum
from pytensor.tensor.reshape import join_dims, split_dims
from pytensor.tensor.special import log_softmax, softmax, xlogy

from pytensor_stabilize.graphs import truth

rng = np.random.default_rng(7)
PLAIN = Mode("py", None)

x, y, z = pt.dvectors("x", "y", "z")
m, n = pt.dmatrices("m", "n")
a, b = pt.dscalars("a", "b")
t, u = pt.dtensor3("t"), pt.dtensor3("u")
four = pt.tensor4("four", dtype="float64")
f = pt.fvector("f")
i, k = pt.lvector("i"), pt.lscalar("k")
column = pt.tensor("column", dtype="float64", shape=(None, 1))

M = rng.uniform(0.2, 2.0, (3, 3)) + 2 * np.eye(3)
VALUES = {
    x: np.array([0.5, -1.25, 2.0, 0.75, 1.1]),
    y: np.array([0.3, 1.7, -0.9, 2.2, 0.6]),
    z: np.array([1.5, 0.25, 3.0]),
    m: M,
    n: rng.normal(size=(3, 3)),
    a: np.array(0.7),
    b: np.array(1.9),
    t: rng.normal(size=(2, 3, 3)) + 3 * np.eye(3),
    u: rng.normal(size=(2, 3, 2)),
    four: rng.normal(size=(2, 1, 3, 2)),
    f: np.array([0.5, -1.25, 0.1], dtype="float32"),
    i: np.array([2, 0, 2, 1]),
    k: np.array(2),
    column: rng.normal(size=(3, 1)),
}
square = [x * x, x, y]
spd = pt.dot(m, m.T)
spd_batch = pt.matmul(t, t.transpose(0, 2, 1))
lower = pt.tril(m)


def einsum(spec, *operands):
    return pt.einsum(spec, *operands)


CASES = {
    # Shapes and moves.
    "dimshuffle": m.dimshuffle(1, "x", 0) * 2,
    "transpose": t.transpose(2, 0, 1),
    "squeeze": four.squeeze(1),
    "reshape": t.reshape((3, 6)),
    "reshape with -1": pt.reshape(t, (-1, 2), ndim=2),
    "flatten": m.flatten() * 3,
    "join_dims": join_dims(t, 0, 2),
    "split_dims": split_dims(t.reshape((6, 3)), axis=0, shape=(3, 2)),
    "join": pt.join(0, x, y, z),
    "join of columns": pt.join(1, m, column),
    "join with integers": pt.concatenate([x, i]),
    "stack": pt.stack([x, y], axis=1),
    "split": pt.concatenate(pt.split(x, [2, 3])[::-1]),
    "make_vector": pt.stack([a, b, a * b, 3.0]),
    "alloc": pt.alloc(a, 2, 3),
    "alloc of a row": pt.alloc(z, 2, 3),
    "empty, set": pt.set_subtensor(pt.empty((5,))[:], x),
    "zeros, set": pt.set_subtensor(pt.zeros((4, 3))[1:], m),
    "arange": pt.arange(5) * x,
    "arange of floats": pt.arange(0.5, 3.0, 0.5) * x,
    "eye": pt.eye(3, k=1) * m,
    "repeat": pt.repeat(x, 2),
    "repeat, axis": pt.repeat(m, i[:3], axis=1),
    "tile": pt.tile(m, (2, 1)),
    "diagonal": pt.diagonal(m, offset=1),
    "diag": pt.diag(z),
    "diagonal of a stack": pt.diagonal(t, axis1=1, axis2=2),
    "tril": pt.tril(m),
    "triu": pt.triu(m, k=1),
    "roll": pt.roll(x, 2),
    "flip": pt.flip(m, axis=1),
    "broadcast_to": pt.broadcast_to(z, (2, 3)),
    "broadcasting": column * z + m,
    "shape": x.shape[0] * x,
    "specify_shape": pt.specify_shape(x, (5,)),
    "fill": pt.fill(m, a),
    "block_diag": pt.linalg.block_diag(m, n[:2]),
    "kron": pt.linalg.kron(m, n[:2, :2]),
    # Indexing.
    "slice": x[1:4],
    "negative step": x[::-2],
    "scalar index": m[1, k],
    "negative index": x[-2],
    "slice by variables": x[k - 1 : k + 2],
    "slice of matrix": m[::2, 1:],
    "newaxis": x[:, None] * x[None, :],
    "integers": x[i],
    "integers of matrix": m[i, i[::-1]],
    "integers and slice": m[1:, i],
    "integers apart": t[i % 2, :, i],
    "matrix of indices": x[i.reshape((2, 2))],
    "mask": x[np.array([True, False, True, True, False])],
    "computed mask": x[x > 0.6] * 2,
    "mask of matrix": m[m > 1.0],
    "mask and integers": t[:, np.array([True, False, True]), i[:2]],
    "set slice": pt.set_subtensor(x[1:3], y[3:]),
    "set scalar": pt.set_subtensor(x[k], a),
    "inc slice": pt.inc_subtensor(m[::2], z),
    "inc integers twice": pt.inc_subtensor(x[i], y[:4]),
    "set integers": pt.set_subtensor(x[i[1:]], y[:3]),
    "inc mask": pt.inc_subtensor(x[x > 0.6], 1.5),
    "inc matrix": pt.inc_subtensor(m[i, i], y[:4]),
    "inc ignoring duplicates": pt.inc_subtensor(x[i], y[:4], ignore_duplicates=True),
    "take": pt.take(m, i, axis=1),
    # Reductions.
    **{
        f"{name}, {label}": getattr(pt, name)(v, axis=axis)
        for name in ("sum", "prod", "max", "min", "mean", "var")
        for label, v, axis in (
            ("all", x, None),
            ("rows", m, 0),
            ("columns", m, 1),
            ("two axes", t, (0, 2)),
        )
    },
    "sum of nothing": pt.sum(x[:0]),
    "prod of nothing": pt.prod(x[:0]),
    "sum, keepdims": m / m.sum(axis=1, keepdims=True),
    "std": pt.std(m, axis=0),
    "prod with a zero": pt.prod(x * pt.as_tensor([1.0, 0.0, 1.0, 1.0, 1.0])),
    "norm": pt.sqrt(pt.sum(pt.sqr(m), axis=0)),
    "all": pt.all(x > -2, axis=0),
    "any": pt.any(m > 1.5, axis=1),
    "argmax": pt.argmax(m, axis=1),
    "argmax of all": pt.argmax(m),
    "argmin": pt.argmin(x),
    "cumsum": cumsum(x),
    "cumsum, axis": cumsum(m, axis=1),
    "cumsum of all": cumsum(m),
    "cumprod": cumprod(m, axis=0),
    "diff": pt.diff(x),
    "sort": pt.sort(x),
    "sort, axis": pt.sort(m, axis=0),
    "argsort": pt.argsort(x),
    "argsort, axis": pt.argsort(m, axis=0),
    "median": pt.median(x),
    # Products.
    "dot of vectors": pt.dot(x, y),
    "dot of matrix and vector": pt.dot(m, z),
    "dot of vector and matrix": pt.dot(z, m),
    "dot of matrices": pt.dot(m, n),
    "dot with nothing": pt.dot(m[:, :0], n[:0]),
    "matmul": t @ u,
    "matmul, broadcast": m @ u,
    "matmul with a vector": t @ z,
    "tensordot": pt.tensordot(t, u, axes=[[0, 1], [0, 1]]),
    "outer": pt.outer(z, x),
    "einsum": einsum("bij,bjk->ik", t, u),
    "einsum of one": einsum("ij->j", m),
    "batched_dot": pt.matmul(t, u),
    # Functions of rows.
    **{
        f"{function.__name__}, axis {axis}": function(m, axis=axis)
        for function in (softmax, log_softmax)
        for axis in (None, 0, 1, -1)
    },
    "logsumexp": pt.logsumexp(m, axis=1),
    "logsumexp, keepdims": pt.logsumexp(m, axis=0, keepdims=True),
    "logsumexp of all": pt.logsumexp(x),
    "logaddexp": pt.logaddexp(x, y),
    "xlogy": xlogy(z, z),
    "clip": pt.clip(x, -1, 1),
    "maximum": pt.maximum(x, y),
    "switch": pt.switch(x > 0.6, pt.exp(x), x**2),
    "where, broadcast": pt.where(m > 1, column, z),
    "sign, abs": pt.sgn(x) * abs(y),
    "invert": pt.switch(~(x > 0.6), x, y),
    "xor": pt.switch((x > 0.6) ^ (y > 0.5), x, y),
    "isnan": pt.switch(pt.isnan(x), 0.0, x),
    "floor": pt.floor(3 * x) + pt.ceil(x) + pt.round(y) + pt.trunc(x),
    "mod": x % 0.4 + x // 0.4,
    "integers only": (i * 2 + 1) // 3 % 2,
    "cast": pt.cast(3 * x, "int64") * y,
    "integer division": i / 3,
    "float32": pt.cast(f, "float64") * 2,
    # Linear algebra.
    "det": pt.linalg.det(m),
    "slogdet": pt.linalg.slogdet(m)[1],
    "inv": pt.linalg.inv(m),
    "solve": pt.linalg.solve(m, n),
    "solve with a vector": pt.linalg.solve(m, z, b_ndim=1),
    "solve, pos": pt.linalg.solve(spd, z, assume_a="pos", b_ndim=1),
    "solve_triangular": pt.linalg.solve_triangular(lower, n, lower=True),
    "solve_triangular, upper": pt.linalg.solve_triangular(m, z, lower=False, b_ndim=1),
    "solve_triangular, trans": pt.linalg.solve_triangular(lower, n, lower=True, trans=1),
    "solve_triangular, unit": pt.linalg.solve_triangular(m, n, lower=True, unit_diagonal=True),
    "cholesky": pt.linalg.cholesky(spd),
    "cholesky, upper": pt.linalg.cholesky(spd, lower=False),
    "cho_solve": pt.linalg.cho_solve((pt.linalg.cholesky(spd), True), z, b_ndim=1),
    "trace": pt.linalg.trace(m),
    "stack of det": pt.linalg.det(t),
    "stack of slogdet": pt.linalg.slogdet(t)[1],
    "stack of inv": pt.linalg.inv(t),
    "stack of solve": pt.linalg.solve(t, u),
    "stack of solve_triangular": pt.linalg.solve_triangular(t, u, lower=True, b_ndim=2),
    "stack of cholesky": pt.linalg.cholesky(spd_batch),
    "stack of cho_solve": pt.linalg.cho_solve((pt.linalg.cholesky(spd_batch), True), u, b_ndim=2),
    # Ops that hold a graph.
    "OpFromGraph": OpFromGraph([x, y], [pt.exp(x) * y, x + y])(y, x)[0],
    "ifelse": ifelse(a > 0.5, x, y),
    "ifelse, integers": ifelse(a > 0.5, i, i + 1) * 2,
    "vectorize": pt.vectorize(lambda row: cumsum(row)[-1] * row, "(n)->(n)")(m),
}
# The gradient is not defined, or PyTensor has none.
NO_GRADIENT = {"floor", "mod", "median", "sort, axis"}


def by_pytensor(outputs, inputs):
    # The ops that compile an inner graph of their own do it in Python too.
    with pytensor.config.change_flags(linker="py", cxx=""):
        function = pytensor.function(inputs, outputs, mode=PLAIN, on_unused_input="ignore")
        return function(*(VALUES[v] for v in inputs))


def inputs_of(variable):
    from pytensor.graph.traversal import explicit_graph_inputs

    return [v for v in explicit_graph_inputs([variable]) if v in VALUES]


def check(outputs, rtol=1e-13):
    inputs = list(dict.fromkeys(v for o in outputs for v in inputs_of(o)))
    found = truth(outputs, {v: VALUES[v] for v in inputs})
    for ours, theirs in zip(found, by_pytensor(outputs, inputs), strict=True):
        theirs = np.asarray(theirs)
        assert ours.decided.all()
        assert ours.value.dtype == theirs.dtype
        assert ours.value.shape == theirs.shape
        scale = np.abs(theirs).max(initial=0.0)
        np.testing.assert_allclose(ours.value, theirs, rtol=rtol, atol=rtol * scale)


def cost_of(value):
    """A sum in which every element has a weight of its own."""
    # Irrational ones: a sum of floats may be a tie, which no precision decides.
    weights = pt.cos(pt.arange(1, value.size + 1)).reshape(value.shape)
    return pt.sum(value * weights)


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient(case):
    value = CASES[case]
    check([value])
    wrt = [v for v in inputs_of(value) if v.type.dtype == "float64"]
    if not value.type.dtype.startswith("float") or case in NO_GRADIENT or not wrt:
        return
    check(pytensor.grad(cost_of(value), wrt, disconnected_inputs="ignore"), rtol=1e-12)


def scan_cumulative():
    return pytensor.scan(lambda s, prev: prev * 0.5 + pt.tanh(s), sequences=x, outputs_info=a)


def scan_two_taps():
    return pytensor.scan(
        lambda s, before, last: 0.3 * before + pt.sin(last) * s,
        sequences=x,
        outputs_info={"initial": z[:2], "taps": [-2, -1]},
    )


def scan_of_sequence_taps():
    return pytensor.scan(
        lambda first, second: first * second + 1, sequences={"input": x, "taps": [0, 1]}
    )


def scan_several():
    (total, other), _ = pytensor.scan(
        lambda s, p, q: [p + s * q, pt.exp(-p)], sequences=y, outputs_info=[a, b]
    )
    return total + other, _


def scan_nested():
    def outer(row):
        inner, _ = pytensor.scan(
            lambda s, prev: prev + s * s, sequences=row, outputs_info=pt.zeros(())
        )
        return inner[-1] * row

    return pytensor.scan(outer, sequences=m)


def scan_until():
    return pytensor.scan(lambda prev: (prev * 1.5, until(prev > 4)), outputs_info=a, n_steps=20)


def scan_with_index():
    return pytensor.scan(lambda j, prev, v: prev + v[j], pt.arange(5), a, non_sequences=x)


def scan_of_matrices():
    return pytensor.scan(lambda s, prev: pt.dot(prev, m) * s, sequences=z, outputs_info=n)


def scan_of_integers():
    return pytensor.scan(lambda j, prev: prev * 2 + j, sequences=i, outputs_info=k)


def scan_backwards():
    return pytensor.scan(
        lambda s, prev: prev + s**2, sequences=x, outputs_info=a, go_backwards=True
    )


SCANS = {
    f.__name__[5:]: f
    for f in (
        scan_cumulative,
        scan_two_taps,
        scan_of_sequence_taps,
        scan_several,
        scan_nested,
        scan_until,
        scan_with_index,
        scan_of_matrices,
        scan_of_integers,
        scan_backwards,
    )
}


@pytest.mark.parametrize("case", SCANS)
def test_scan(case):
    trace, _ = SCANS[case]()
    for value in (trace, trace[-1]):
        check([value])
        wrt = [v for v in inputs_of(value) if v.type.dtype == "float64"]
        if not value.type.dtype.startswith("float"):
            continue
        gradients = pytensor.grad(cost_of(value), wrt, disconnected_inputs="ignore")
        check(gradients, rtol=1e-12)


@pytest.mark.parametrize("case", ["cumulative", "two_taps", "with_index"])
def test_second_derivative_of_a_scan(case):
    trace, _ = SCANS[case]()
    gradient = pytensor.grad(pt.sum(trace**2), x)
    check([pytensor.grad(cost_of(gradient), x)], rtol=1e-11)


def test_hessian():
    check([pt.hessian(pt.sum(pt.exp(x * x.sum() / 3)), x)], rtol=1e-12)


def test_float32_graph():
    g = pt.fvector("g")
    graph = pt.log1p(pt.exp(g)).sum()
    at = np.array([0.1, -3.0, 5.0], dtype="float32")
    found = truth([graph, pytensor.grad(graph, g)], {g: at})
    exact = at.astype("float64")
    assert found[0].value.dtype == np.float32
    np.testing.assert_array_equal(found[0].value, np.float32(np.log1p(np.exp(exact)).sum()))
    np.testing.assert_array_equal(found[1].value, (1 / (1 + np.exp(-exact))).astype("float32"))
