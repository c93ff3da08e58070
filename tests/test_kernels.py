"""The branch-free kernels: accuracy, special values, and what compilers make of them."""

import platform
import re
from importlib import import_module

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import linker, run_python, ulps
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites.branch_free import c_code, kernels, ops

# The lowering loads it; here the ops are compiled without.
import_module("pytensor_stabilize.rewrites.branch_free.numba_dispatch")
COMPILERS = ("numba", "numba_strict", "cvm")
DTYPES = ("float64", "float32")
# Where the exponential becomes subnormal, and where it is no more than half of the least float.
LIMITS = {"float64": (708.3, 745.1), "float32": (87.3, 103.9)}
LOG2 = float(np.log(2))


def both_signs(positive, dtype):
    return np.concatenate([positive, -positive]).astype(dtype)


def arguments(dtype):
    """All sizes of arguments, and those that are farthest from a multiple of log(2)."""
    rng = np.random.default_rng(5)
    normal, _ = LIMITS[dtype]
    parts = (
        rng.uniform(0, 1, 1500),
        rng.uniform(0, normal, 1500),
        10.0 ** rng.uniform(-30, 0, 500),
        (np.arange(int(normal / LOG2)) + 0.5) * LOG2,
    )
    return both_signs(np.concatenate(parts), dtype)


def unit(dtype):
    rng = np.random.default_rng(6)
    half = [0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 1.0]
    parts = (rng.uniform(0, 1, 3000), 10.0 ** rng.uniform(-37, 0, 500), half)
    return np.concatenate(parts).astype(dtype)


# Of each kernel: what it computes as a graph, its points, and ulps.
TABLE = {
    "exp_minus_abs": (ops.exp_minus_abs, arguments, 0.6),
    "log1p_of_unit": (ops.log1p_of_unit, unit, 0.8),
    "density_from_exp": (ops.density_from_exp, unit, 2.3),
    "whole_sigmoid": (ops.whole_sigmoid, arguments, 2.3),
    "whole_softplus": (ops.whole_softplus, arguments, 1.4),
    "whole_tanh": (ops.whole_tanh, arguments, 2.5),
}


# Of -x, made of x and what x and -x share.
OF_MINUS = {
    "sigmoid": (lambda x: ops.sigmoid_of_minus_from_exp(x, ops.exp_minus_abs(x)), 2.3),
    "softplus": (
        lambda x: ops.softplus_of_minus_from_log(x, ops.log1p_of_unit(ops.exp_minus_abs(x))),
        1.4,
    ),
}


def compiled(op, dtype, mode):
    u = pt.vector("u", dtype=dtype)
    return pytensor.function([u], op(u), mode=mode)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.parametrize("function", OF_MINUS)
def test_of_the_negated_argument(function, name, dtype):
    op, bound = OF_MINUS[function]
    at = arguments(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        found = compiled(op, dtype, mode)
        special = found(np.array([np.inf, -np.inf, np.nan], dtype=dtype))
    assert ulps(found(at), truth(getattr(pt, function)(-u), {u: at})).max() <= bound
    np.testing.assert_array_equal(special, [0, 1 if function == "sigmoid" else np.inf, np.nan])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.parametrize("kernel", TABLE)
def test_accuracy(kernel, name, dtype):
    op, points, bound = TABLE[kernel]
    at = points(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        value = compiled(op, dtype, mode)(at)
    assert value.dtype == dtype
    assert ulps(value, truth(op(u), {u: at})).max() <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPILERS)
def test_gradual_underflow(name, dtype):
    at = np.linspace(*LIMITS[dtype], 2000).astype(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        value = compiled(ops.exp_minus_abs, dtype, mode)(at)
    exact = truth(ops.exp_minus_abs(u), {u: at}).value
    tiny = np.finfo(dtype).smallest_subnormal
    assert (value > 0).all()
    assert (np.abs(value - exact) <= tiny).all()


INF, NAN, TINY = np.inf, np.nan, 5e-324
# Arguments and results that are exact; `TINY` stands for the least float of the dtype.
SPECIAL = {
    "exp_minus_abs": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 0.0), (1e30, 0.0), (TINY, 1.0)],
    "log1p_of_unit": [(0.0, 0.0), (1.0, LOG2), (TINY, TINY)],
    "density_from_exp": [(1.0, 0.25), (0.0, 0.0), (TINY, TINY)],
    "whole_sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (-1e30, 0.0), (50.0, 1.0)],
    "whole_softplus": [(0.0, LOG2), (INF, INF), (-INF, 0.0), (1e30, 1e30), (-1e30, 0.0)],
    "whole_tanh": [(0.0, 0.0), (INF, 1.0), (-INF, -1.0), (TINY, TINY), (-TINY, -TINY), (1e30, 1.0)],
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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [name for name, row in TABLE.items() if row[0] in ops.PLAIN])
def test_what_c_compiles_where_it_does_not_vectorise(kernel, dtype):
    op, points, bound = TABLE[kernel]
    at = points(dtype)
    u = pt.vector("u", dtype=dtype)
    function = compiled(ops.PLAIN[op], dtype, "CVM")
    assert ulps(function(at), truth(op(u), {u: at})).max() <= bound + 0.5
    ends = np.array([row for row in SPECIAL[kernel] if abs(row[0]) != TINY] + [(NAN, NAN)], dtype)
    np.testing.assert_array_equal(function(np.ascontiguousarray(ends[:, 0])), ends[:, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", TABLE)
def test_fast_math_changes_no_bit(kernel, dtype):
    op, points, _ = TABLE[kernel]
    values = []
    for name in ("numba", "numba_strict"):
        with linker(name) as mode:
            values.append(compiled(op, dtype, mode)(points(dtype)))
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPILERS)
def test_symmetry(name, dtype):
    """To the last bit: the exponential is that of the size."""
    at = arguments(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        function = pytensor.function([u], [pt.tanh(u), pt.grad(pt.sigmoid(u).sum(), u)], mode=mode)
    (tanh, density), (minus_tanh, same) = function(at), function(-at)
    np.testing.assert_array_equal(tanh, -minus_tanh)
    np.testing.assert_array_equal(density, same)


def derivatives(value, x, count):
    values = [value]
    for _ in range(count):
        values.append(pt.grad(values[-1].sum(), x))
    return values


def log_likelihood(x, y):
    p = pt.sigmoid(x)
    return y * pt.log(p) + (1 - y) * pt.log(1 - p)


LOOPS = {
    "density": lambda x, y: [pt.grad(pt.sigmoid(x).sum(), x)],
    "value and gradient": lambda x, y: derivatives(pt.sigmoid(x), x, 1),
    "softplus": lambda x, y: derivatives(pt.softplus(x), x, 1),
    "tanh": lambda x, y: derivatives(pt.tanh(x), x, 2),
    # Three outputs: LLVM would call the function of one element if it was left to it.
    "log-likelihood": lambda x, y: derivatives(log_likelihood(x, y), x, 2),
}


on_x86_64 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly"
)


def assembly_of(function):
    jitted = function.vm.jit_fn
    return "".join(jitted.inspect_asm(signature) for signature in jitted.signatures)


def called(assembly):
    """Names of functions whose addresses are taken, which is how calls of libraries are made."""
    return re.findall(r"(?:\$|\bcallq?\s+)([A-Za-z_]\w*)", assembly)


@on_x86_64
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", LOOPS)
def test_the_loop_is_vectorised(case, dtype):
    x, y = (pt.vector(name, dtype=dtype) for name in "xy")
    outputs = LOOPS[case](x, y)
    with pytensor.config.change_flags(numba__cache=False):  # what comes from disk has no assembly
        function = pytensor.function([x, y], outputs, mode="NUMBA", on_unused_input="ignore")
        function(np.ones(3, dtype), np.ones(3, dtype))
    assembly = assembly_of(function)
    packed = "pd" if dtype == "float64" else "ps"
    assert re.search(rf"\bv?div{packed}\b", assembly)
    assert re.search(rf"\b(v?mul|vfmadd\d+){packed}\b", assembly)
    assert not [n for n in called(assembly) if re.search(r"exp|log|tanh|composite|branch_free", n)]


@on_x86_64
def test_a_loop_that_cannot_be_vectorised_takes_the_library():
    """One by one its functions are faster than the kernels."""
    x = pt.dvector("x")
    with pytensor.config.change_flags(numba__cache=False):
        function = pytensor.function([x], pt.sigmoid(x) * pt.cos(0.01 * x), mode="NUMBA")
        function(np.linspace(-40, 40, 50))
    assert "exp" in called(assembly_of(function))


def test_the_keys_of_compiled_code_change_with_the_kernel(monkeypatch):
    def keys():
        c_code.statements.cache_clear()
        x = pt.dvector("x")
        node = ops.exp_minus_abs.make_scalar_node(x)
        return numba_funcify_and_cache_key(node.op, node=node)[1], node.op.c_code_cache_version()

    before = keys()
    assert before == keys()
    changed = {dtype: (*row[:-1], row[-1] * 1.5) for dtype, row in kernels.EXP.items()}
    monkeypatch.setattr(kernels, "EXP", changed)
    after = keys()
    monkeypatch.undo()
    assert keys() == before
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_all_kernels_have_keys_of_their_own():
    assert len({ops.digest(cls()) for cls in ops.KernelOp.__subclasses__()}) == 18


def test_import_does_not_load_numba():
    code = (
        "import sys, pytensor_stabilize\n"
        "assert 'pytensor_stabilize.rewrites.branch_free.ops' in sys.modules\n"
        "assert 'pytensor_stabilize.rewrites.branch_free.numba_dispatch' not in sys.modules\n"
        "assert 'numba' not in sys.modules, 'numba'\n"
    )
    done = run_python(code)
    assert not done.returncode, done.stderr


def test_a_pickled_function_finds_its_kernels(tmp_path):
    file = tmp_path / "function.pkl"
    make = (
        "import pickle, pytensor, pytensor.tensor as pt, pytensor_stabilize\n"
        "x = pt.dvector('x')\n"
        "function = pytensor.function([x], pt.grad(pt.sigmoid(x).sum(), x), mode='NUMBA')\n"
        f"pickle.dump(function, open({str(file)!r}, 'wb'))\n"
    )
    load = (
        "import pickle, warnings\n"
        "warnings.simplefilter('error')\n"
        f"function = pickle.load(open({str(file)!r}, 'rb'))\n"
        "assert function([0.0])[0] == 0.25\n"
    )
    for code in (make, load):
        done = run_python(code)
        assert not done.returncode, done.stderr
