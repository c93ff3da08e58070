"""Other processes: a cold and a warm numba cache, and functions that were pickled elsewhere."""

import os
import shutil
from pathlib import Path

import pytest
from helpers import run_python

ROOT = Path(__file__).parents[1]

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


LINKED = """
import pickle, pytensor, pytensor.tensor as pt, pytensor_stabilize
x = pt.dvector("x")
outputs = [pt.log(pt.erfc(x)), pt.grad(pt.sigmoid(x).sum(), x), pt.grad(pt.log1mexp(x).sum(), x)]
modes = ["NUMBA", "JAX"]
functions = [pytensor.function([x], outputs, mode=mode) for mode in modes]
pickle.dump(functions, open({path!r}, "wb"))
"""
LOADED = """
import pickle, sys, warnings
warnings.simplefilter("error")
with open({path!r}, "rb") as file:
    functions = pickle.load(file)
for function in functions:
    print(*(v.tobytes().hex() for v in function([-0.25, -30.0])))
"""


def test_functions_that_are_translated_load_where_nothing_was_compiled(tmp_path):
    """What a compilation imports, a process that only unpickles does not import."""
    pytest.importorskip("jax")
    path = str(tmp_path / "functions.pickle")
    printed = run(LINKED.format(path=path) + LOADED.format(path=path))
    assert run(LOADED.format(path=path)) == printed
    assert len(printed.split()) == 6


# A line of a file with coefficients, and one that is wrong.
CHANGES = {
    "rewrites/branch_free/coefficients.py": ("        0.16666666666666682,", "        0.16667,"),
    "rewrites/normal/coefficients.py": ("    1.0631379115113204,", "    1.06314,"),
}
COMPILED = """
import numpy as np, pytensor, pytensor.tensor as pt, pytensor_stabilize
x = pt.dvector("x")
for mode in ("NUMBA", "CVM"):
    for value in (pt.log(pt.erfc(x)), pt.grad(pt.sigmoid(x).sum(), x)):
        f = pytensor.function([x], value, mode=mode)
        print(f(np.array([0.3, 5.0])).tobytes().hex())
"""


def test_what_another_version_compiled_is_not_used(tmp_path):
    """The same cache on disk, and a copy of the package with other coefficients."""
    copy, flags = tmp_path / "pytensor_stabilize", f"base_compiledir={tmp_path / 'cache'}"
    copy.mkdir()
    for folder in ("rewrites", "graphs"):
        shutil.copytree(ROOT / folder, copy / folder)
    for module in ROOT.glob("*.py"):
        shutil.copy(module, copy)
    for file, (right, wrong) in CHANGES.items():
        text = (copy / file).read_text()
        assert right in text
        (copy / file).write_text(text.replace(right, wrong))
    ours = run(COMPILED, PYTENSOR_FLAGS=flags).split()
    other = run(COMPILED, PYTENSOR_FLAGS=flags, PYTHONPATH=str(tmp_path)).split()
    changed = [a != b for a, b in zip(other, ours, strict=True)]
    # What C makes of the sigmoid where it does not vectorise is the C library's.
    assert changed[:3] == [True, True, True]
