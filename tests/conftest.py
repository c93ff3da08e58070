import os

# One thread each: the tests run in parallel, and the machine has two cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytensor
import pytest

import pytensor_stabilize

# Each of their cases is compiled for every linker, alone and together: half an hour in all.
TABLES = ("additive", "differences", "functions", "normal", "pullbacks", "softmax")
# Python's functions without the flag, which need no compiler.
PYTHON_ALONE = ("special",)
# Compiled by LLVM with fast-math, and by g++: an order of magnitude slower than the other two.
SLOW_LINKERS = {"numba", "cvm"}
LINKERS = {*SLOW_LINKERS, "numba_strict", "jax"}


def pytest_addoption(parser):
    parser.addoption(
        "--all-linkers",
        action="store_true",
        help="run the tables of the families under every linker, not only two",
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "thorough: runs only with --all-linkers")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--all-linkers"):
        return
    slow = [item for item in items if _is_slow(item)]
    chosen = set(map(id, slow))
    items[:] = [item for item in items if id(item) not in chosen]
    config.hook.pytest_deselected(items=slow)


def _is_slow(item):
    if item.get_closest_marker("thorough"):
        return True
    table = item.path.stem.removeprefix("test_").partition("_")[0]
    slow = LINKERS if table in PYTHON_ALONE else SLOW_LINKERS if table in TABLES else ()
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    return any(v in slow for v in values if isinstance(v, str))


@pytest.fixture(autouse=True)
def errors_in_rewrites_are_errors():
    """PyTensor logs an exception in a rewriter and goes on; a test must see it."""
    with pytensor.config.change_flags(on_opt_error="raise"):
        yield
    pytensor_stabilize.register()
