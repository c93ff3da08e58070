"""Counts, labels and float32 beside float64: what a rule adds or multiplies elsewhere may wrap."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, ulps
from pytensor.graph.traversal import ancestors

from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites.normal.ops import erfc_excess, erfc_ratio, log_erfc, log_erfcx

NUMBERS = {
    "int8": [-128, -100, -3, -1, 0, 1, 40, 127],
    "uint8": [0, 1, 2, 3, 40, 100, 200, 255],
    "int64": [-300, -2, -1, 0, 1, 2, 3, 4000],
    "bool": [False, True] * 4,
    "float32": [1e-8, 0.1, 0.2, 0.3, 0.4, 0.7, 0.9, 1.0],
}
X = np.array([-700.3, -40.1, -19.7, -0.31, 1e-9, 0.7, 12.3, 41.7])
FLOAT32 = ("float32",)
COUNTS = ("uint8", "int8", "int64")
# PyTensor makes a float32 of a Python number beside a small integer.
one, two, three = (pt.constant(v, dtype="float64") for v in (1.0, 2.0, 3.0))


def share(a, n):
    return a / (a + n + pt.maximum(n, n[::-1]))


# Of x, a float64, and n: the expression, and the dtypes of n.
CASES = {
    "a label": (lambda x, n: n * x - pt.softplus(x), tuple(NUMBERS)),
    "two labels": (lambda x, n: n * n[::-1] * x - pt.softplus(x), ("bool", "int64")),
    "zero-truncated": (lambda x, n: n * x - pt.log1mexp(-pt.exp(x)), tuple(NUMBERS)),
    "a difference": (lambda x, n: x - pt.log1mexp(-pt.exp(x)) + (n - n[::-1]), COUNTS),
    "1 + n": (lambda x, n: one - (one + n) ** (pt.sigmoid(x) / 50), (*COUNTS, "float32")),
    "a number as power": (lambda x, n: one - (two + n - one) ** 2.5, (*COUNTS, "float32")),
    "n as power": (lambda x, n: 1 - 1 / (1 + 1e-3 * pt.sigmoid(x)) ** n, tuple(NUMBERS)),
    "a sum of counts": (lambda x, n: pt.log(share(pt.sqrt(1e12 + x), n)), COUNTS),
    "a rational sum": (lambda x, n: one - (one + n / three) ** -3, COUNTS),
    "a weight": (lambda x, n: pt.log(n + (1 - n) * pt.sigmoid(x)), FLOAT32),
    "its complement": (lambda x, n: pt.log(1 - (n + (1 - n) * pt.sigmoid(x))), FLOAT32),
    "hyperbolic": (lambda x, n: pt.log(pt.cosh(n)), COUNTS),
    "artanh": (lambda x, n: pt.log((two + n - one) / (one - n)), FLOAT32),
    "a factor before a sum": (lambda x, n: pt.exp(x) / (1 + n * pt.exp(x)) / n, ("uint8", "int64")),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, (_, dtypes) in CASES.items() for dtype in dtypes]
)
def test_as_it_is_written(name, dtype):
    x, n = pt.dvector("x"), pt.vector("n", dtype=dtype)
    value = CASES[name][0](x, n)
    points = ((x, X), (n, np.array(NUMBERS[dtype], dtype)))
    given = {v: at for v, at in points if v in ancestors([value])}
    exact = truth(value, given)
    function = compile_rewritten(list(given), value)
    with np.errstate(all="ignore"):
        errors = ulps(function(*given.values()), exact)
    assert np.all(errors[exact.decided] <= 4), errors


def test_an_absolute_value_wraps():
    n = pt.vector("n", dtype="int8")
    function = compile_rewritten([n], 1 - pt.abs(pt.tanh(n)))
    np.testing.assert_allclose(function(np.array([-128, 127], "int8")), 0, atol=1e-7)


def test_a_label_whose_negation_pytensor_leaves():
    x, y = pt.dvector("x"), pt.vector("y", dtype="uint8")
    s = pt.sigmoid(x)
    likelihood = pt.log(s**y * (1 - s) ** (1 - y))
    slope = pt.grad(likelihood.sum(), x)
    at = {x: X, y: np.arange(8, dtype="uint8") % 2}
    # It tries to write -y as -1 y in uint8.
    with pytensor.config.change_flags(on_opt_error="ignore"):
        function = compile_rewritten([x, y], slope)
    assert ulps(function(*at.values()), truth(slope, at)).max() <= 8


# Of two counts: what a rule subtracts or negates in their dtype wraps.
OF_COUNTS = {
    "a share": lambda m, n: pt.exp(m) / (pt.exp(m) + pt.exp(n)),
    "the other share": lambda m, n: pt.exp(n) / (pt.exp(m) + pt.exp(n)),
    "a slope of logaddexp": lambda m, n: pt.exp(m - pt.logaddexp(m, n)),
    "a difference": lambda m, n: pt.log(pt.exp(m) - pt.exp(n)),
    "a product": lambda m, n: pt.exp(m) * pt.sigmoid(n),
    "an average": lambda m, n: pt.log(pt.exp(m) + pt.exp(n)),
    "one minus it": lambda m, n: 1 - pt.exp(m) / (pt.exp(m) + pt.exp(n)),
    "tails": lambda m, n: pt.log(pt.erfcx(m)) + pt.log(pt.erfc(n)),
    "quotients": lambda m, n: 1 / pt.erfcx(m) + pt.exp(-(n**2)) / pt.erfc(n),
    "softplus": lambda m, n: pt.log1mexp(-pt.softplus(m)) + pt.tanh(n),
}
LARGER = {"bool": [True] * 3, "uint8": [1, 2, 5], "int8": [1, 2, 5], "int64": [1, 3, 4]}
SMALLER = {"bool": [True, False, True], "uint8": [0, 1, 1], "int64": [1, -2, 3]}
PAIRS = [("bool", "uint8"), ("uint8", "bool"), ("uint8", "uint8"), ("int8", "bool"), ("int64",) * 2]


@pytest.mark.parametrize("dtypes", PAIRS)
@pytest.mark.parametrize("name", OF_COUNTS)
def test_functions_of_counts(name, dtypes):
    m, n = (pt.vector(v, dtype=dtype) for v, dtype in zip("mn", dtypes, strict=True))
    a, b = pt.dvectors("a", "b")
    at = [np.array(v[d], d) for v, d in zip((LARGER, SMALLER), dtypes, strict=True)]
    value = OF_COUNTS[name](m, n)
    # numba subtracts in int64.
    with linker("cvm") as mode, np.errstate(all="ignore"):
        found = pytensor.function([m, n], value, mode=mode)(*at)
    exact = truth(OF_COUNTS[name](a, b), {a: at[0], b: at[1]})
    rtol = 1e-6 if found.dtype == "float32" else 1e-14
    # log(exp(m) - exp(n)) of equal counts is not.
    known = exact.decided
    assert known.any()
    np.testing.assert_allclose(found[known], exact.value[known], rtol=rtol)


@pytest.mark.parametrize("op", [log_erfc, erfc_ratio, erfc_excess, log_erfcx])
def test_the_normal_family_of_counts(op):
    n, x = pt.lvector("n"), pt.dvector("x")
    counts, numbers = op(n, 1.0, 0.0), op(x, 1.0, 0.0)
    assert counts.type.dtype == "float64"
    found = pytensor.function([n], counts)([-2, 0, 3])
    np.testing.assert_array_equal(found, pytensor.function([x], numbers)([-2.0, 0.0, 3.0]))
