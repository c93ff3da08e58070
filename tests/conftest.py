import os

# One thread each: the tests run in parallel, and the machine has two cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytensor
import pytest

import pytensor_stabilize


@pytest.fixture(autouse=True)
def errors_in_rewrites_are_errors():
    """PyTensor logs an exception in a rewriter and goes on; a test must see it."""
    with pytensor.config.change_flags(on_opt_error="raise"):
        yield
    pytensor_stabilize.register()
