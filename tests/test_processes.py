"""Other processes: a cold and a warm numba cache, and functions that were pickled elsewhere."""

import os

from helpers import run_python

CODE = """
import numpy as np, pytensor, pytensor.tensor as pt, pytensor_stabilize
x = pt.dvector("x")
s = pt.sigmoid(x)
f = pytensor.function([x], [s, pt.grad(s.sum(), x), pt.grad(pt.log1p(-s).sum(), x)], mode="NUMBA")
print(*(v.tobytes().hex() for v in f(np.array([-740.0, -1.5, 0.0, 40.0]))))
"""


def run(code: str, **environment: str) -> str:
    result = run_python(code, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_cold_and_a_warm_numba_cache_agree(tmp_path):
    flags = f"base_compiledir={tmp_path}"
    cold = run(CODE, PYTENSOR_FLAGS=flags)
    cached = sum(len(files) for _, _, files in os.walk(tmp_path))
    warm = run(CODE, PYTENSOR_FLAGS=flags)
    assert cold == warm
    assert cached > 0
    assert sum(len(files) for _, _, files in os.walk(tmp_path)) == cached


def test_a_stock_cache_does_not_leak_into_ours(tmp_path):
    """Kernels that stock compiled under the same cache must not be used for ours."""
    flags = f"base_compiledir={tmp_path}"
    stock = run(CODE, PYTENSOR_FLAGS=flags, PYTENSOR_STABILIZE_EXCLUDING="all")
    ours = run(CODE, PYTENSOR_FLAGS=flags)
    assert ours != stock
    assert ours == run(CODE)


def test_pickles_load_where_the_package_is_not_imported_yet(tmp_path):
    path = tmp_path / "graph.pickle"
    write = f"""
import pickle, pytensor, pytensor.tensor as pt, pytensor_stabilize
x = pt.dvector("x")
s = pytensor_stabilize.sigmoid(x, pullback="stable")
f = pytensor.function([x], pt.grad(s.sum(), x))
pickle.dump((x, s, f), open({str(path)!r}, "wb"))
"""
    read = f"""
import pickle, sys
x, s, f = pickle.load(open({str(path)!r}, "rb"))
assert "pytensor_stabilize" in sys.modules
print(f([40.0])[0] > 0, s.owner.op)
"""
    run(write)
    assert run(read).strip() == "True Sigmoid{pullback=stable}"


def test_no_optional_package_is_imported():
    """The rules load with PyTensor alone: no flint, PyMC, JAX or matplotlib."""
    code = """
import sys, pytensor
before = set(sys.modules)
import pytensor_stabilize, pytensor_stabilize.graphs
new = {name.partition(".")[0] for name in set(sys.modules) - before}
heavy = {"flint", "pymc", "jax", "matplotlib", "mpmath", "sklearn", "statsmodels", "rich"}
print(sorted(new & heavy))
"""
    assert run(code).strip() == "[]"
