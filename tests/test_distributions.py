"""logp and dlogp of PyMC's distributions: as stock where that is right, and right where it is not.

The free parameters are inputs, so that PyTensor's and our rewrites see the density itself.
"""

import inspect
import re
import warnings
from pathlib import Path

import distribution_table
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from distribution_table import CASES, LEFT_OUT
from model_errors import quick_mode
from pymc.distributions.distribution import Distribution
from pymc.pytensorf import rewrite_pregrad

import pytensor_stabilize
from pytensor_stabilize.graphs.truth import Evaluator

MAX_BITS = 2**13
AGREE = {"float64": 1e-10, "float32": 1e-5}
# Where stock is wrong, as "distribution: quantities", and ours are right.
STOCK_IS_WRONG = {
    "float64": {"Logistic: dlogp", "OrderedLogistic: logp", "OrderedLogistic: dlogp"},
    "float32": {"Logistic: dlogp", "OrderedLogistic: logp", "OrderedLogistic: dlogp"},
}
# Where ours are wrong as well: differences of gamma functions and of their derivatives, of cdfs
# that SciPy computes, of terms that are summed first, and 1 + x / n with a large n.
BOTH_ARE_WRONG = {
    "float64": {
        "StudentT: dlogp",
        "Truncated Logistic: dlogp",
        "NegativeBinomial: dlogp",
        "HurdlePoisson: logp",
        "HurdlePoisson: dlogp",
    },
    "float32": {
        "StudentT: logp",
        "StudentT: dlogp",
        "SkewStudentT: dlogp",
        "LogitNormal: dlogp",
        "Truncated: logp",
        "Truncated: dlogp",
        "Truncated Logistic: dlogp",
        "NegativeBinomial: dlogp",
        "DiscreteWeibull: dlogp",
        "HurdlePoisson: logp",
        "HurdlePoisson: dlogp",
        "DirichletMultinomial: logp",
        "DirichletMultinomial: dlogp",
        "Wishart: dlogp",
    },
}


def test_none_is_forgotten():
    """Every distribution that PyMC has is in the table, or stands there with a reason."""
    classes = [v for v in vars(pm).values() if inspect.isclass(v) and issubclass(v, Distribution)]
    names = {v.__name__ for v in classes} - {"Distribution", "Continuous", "Discrete"}
    text = inspect.getsource(distribution_table)
    in_table = {name for name in names if re.search(rf"\bpm\.{name}\b", text)}
    assert names - in_table == LEFT_OUT.keys() & names


def test_the_page_names_where_they_are_wrong():
    page = (Path(__file__).parents[1] / "docs" / "trust.md").read_text()
    section = page.partition("## Every distribution")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w ]+: d?logp)`", section)
    wrong = [STOCK_IS_WRONG["float64"], BOTH_ARE_WRONG["float64"]]
    more = [STOCK_IS_WRONG["float32"] - wrong[0], BOTH_ARE_WRONG["float32"] - wrong[1]]
    assert sorted(named) == sorted(name for names in (*wrong, *more) for name in names)


def arguments(case, dtype: str) -> list[pt.TensorVariable]:
    value, *parameters = case.rows[0]
    first = np.asarray(value, dtype="int64" if case.discrete else dtype)
    arrays = [first, *(np.asarray(v, dtype=dtype) for v in parameters)]
    return [pt.tensor(f"v{i}", dtype=a.dtype, shape=a.shape) for i, a in enumerate(arrays)]


def quantities(case, dtype: str, pregrad: bool):
    """logp, and its gradient in the value and the parameters."""
    inputs = arguments(case, dtype)
    value, *parameters = inputs
    logp = pm.logp(case.make(*parameters), value).sum()
    wrt = parameters if case.discrete else inputs
    cost = rewrite_pregrad(logp) if pregrad else logp
    gradients = pt.grad(cost, wrt, disconnected_inputs="ignore") if wrt else []
    return inputs, [logp, *gradients]


def as_pymc():
    return quick_mode().including("local_check_parameter_to_ninf_switch")


def measure(case, dtype: str):
    """Exact values, stock's and ours, of each quantity at each row."""
    rows = [
        [
            np.asarray(v, dtype=i.type.dtype)
            for v, i in zip(row, arguments(case, dtype), strict=True)
        ]
        for row in case.rows
    ]
    inputs, graphs = quantities(case, dtype, pregrad=False)
    evaluator = Evaluator(graphs, inputs)
    exact = [evaluator(row, MAX_BITS) for row in rows]
    found = []
    for rules in ("all", None):
        with pytensor_stabilize.excluding("all") if rules else pytensor_stabilize.only("all"):
            inputs, graphs = quantities(case, dtype, pregrad=True)
            function = pytensor.function(inputs, graphs, mode=as_pymc(), on_unused_input="ignore")
        with np.errstate(all="ignore"):
            found.append([function(*row) for row in rows])
    return exact, *found


def error(actual, exact, dtype: str) -> float:
    """Relative, where the exact value is known and a float."""
    value = np.where(exact.decided, exact.value, np.nan).astype(np.float64)
    tiny = float(np.finfo(dtype).tiny)
    actual = np.asarray(actual, dtype=np.float64)
    with np.errstate(all="ignore"):
        relative = np.abs(actual - value) / np.maximum(np.abs(value), tiny)
    relative = np.where(np.isfinite(actual), relative, np.inf)
    flushed = (np.abs(value) < tiny) & (np.abs(actual) <= tiny)
    return float(np.max(relative, where=np.isfinite(value) & ~flushed, initial=0.0))


@pytest.mark.parametrize("dtype", AGREE)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_distributions(case, dtype):
    policy = pytensor.config.change_flags(floatX=dtype, cast_policy="numpy+floatX")
    with policy, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact, stock, ours = measure(case, dtype)
    for name, quantity in (("logp", slice(0, 1)), ("dlogp", slice(1, None))):
        wrong = set()
        for truths, theirs, mine in zip(exact, stock, ours, strict=True):
            for truth, a, b in zip(truths[quantity], theirs[quantity], mine[quantity], strict=True):
                by_stock, by_us = error(a, truth, dtype), error(b, truth, dtype)
                if by_us > AGREE[dtype]:
                    wrong.add("both" if by_stock > AGREE[dtype] else "ours")
                elif by_stock > AGREE[dtype]:
                    wrong.add("stock")
        assert "ours" not in wrong
        key = f"{case.name}: {name}"
        assert ("stock" in wrong) == (key in STOCK_IS_WRONG[dtype])
        assert ("both" in wrong) == (key in BOTH_ARE_WRONG[dtype])
