"""Derivatives of softmax components at an index, twice, alone and together with the value."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.graph.traversal import ancestors
from pytensor.tensor.special import log_softmax, softmax

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth, ulp_error

# Gaps are exact, so that only what the rules do is measured; ties and near ties at the top.
ROWS = np.array(
    [
        [38.0, 0.5, 0.25],
        [0.25, 40.0, 1.0],
        [-20.0, 33.0, 34.0],
        [45.0, 6.0, -30.0],
        [20.0, 20.0, -3.0],
        [300.0, 0.0, -2.0],
        [1.0, 0.5, 0.25],
        [-(2.0**-30), 2.0**-30, 2.0**-29],
    ]
)
LARGE = np.array([801.0, 800.0, 799.0])


def written_out(x):
    e = pt.exp(x)
    return e / e.sum()


def weights(x):
    return np.array([0.5, 2.0, 0.25], x.dtype)


FORMS = {
    "p": lambda x: softmax(x)[0],
    "1 - p": lambda x: 1 - softmax(x)[0],
    "p (1 - p)": lambda x: softmax(x)[0] * (1 - softmax(x)[0]),
    "(p - p**2)[0]": lambda x: (softmax(x) - softmax(x) ** 2)[0],
    "p - one hot": lambda x: (softmax(x) - np.array([1, 0, 0], x.dtype))[0],
    "log(1 - p)": lambda x: pt.log(1 - softmax(x)[0]),
    "log1p(-p)": lambda x: pt.log1p(-softmax(x)[0]),
    "log p": lambda x: pt.log(softmax(x))[0],
    "log_softmax": lambda x: log_softmax(x)[0],
    "p log p": lambda x: (pt.exp(log_softmax(x)) * log_softmax(x))[0],
    "mean": lambda x: (softmax(x) * x).sum(),
    "entropy": lambda x: -(softmax(x) * pt.log(softmax(x))).sum(),
    "written out": lambda x: written_out(x)[0],
    "written out element": lambda x: pt.exp(x[0]) / pt.exp(x).sum(),
    "written out, indexed after": lambda x: pt.exp(x)[0] / pt.exp(x).sum(),
    "log of written out": lambda x: pt.log(written_out(x))[0],
    "written out, negated": lambda x: pt.exp(-x)[0] / pt.exp(-x).sum(),
    "log of written out, negated": lambda x: pt.log(pt.exp(-x)[0] / pt.exp(-x).sum()),
    "written out, weighted": lambda x: (pt.exp(x) * weights(x)).sum() / pt.exp(x).sum(),
    "x - log sum": lambda x: x[0] - pt.log(pt.exp(x).sum()),
    "log sum": lambda x: pt.log(pt.exp(x).sum()),
    # Two components are near 1 together, and what they leave is the third.
    "1 - p - p": lambda x: 1 - softmax(x)[0] - softmax(x)[1],
    "log(p + p)": lambda x: pt.log(softmax(x)[0] + softmax(x)[1]),
    # The sum of squares is near 1 where a component is.
    "Gini": lambda x: 0.5 * (1 - pt.sqr(softmax(x)).sum()),
    "focal": lambda x: -(1 - pt.exp(log_softmax(x)[0])) * log_softmax(x)[0],
}
# Where terms of both signs meet, ordinary zeros are near.
TIED = ("written out", "1 - p - p", "log(p + p)")
SUMS = ("mean", "entropy", "p log p", "Gini", "1 - p - p", "log(p + p)")


def quantities(form, x):
    value = form(x)
    first = pytensor.grad(value, x)
    diagonal = [pytensor.grad(first[i], x)[i] for i in range(3)]
    return [value, first, pt.stack(diagonal)]


def rows_of(name):
    # At a tie, 2 p - 1 is left in the second derivative of exp(x) / sum(exp(x)), read in parts.
    if name in TIED:
        return np.delete(ROWS, 4, axis=0)
    # Where all components are alike the sum of squares has a minimum.
    return ROWS[:-1] if name == "Gini" else ROWS


def worst(x, outputs, rows, mode):
    function = pytensor.function([x], outputs, mode=mode)
    found = [0.0] * len(outputs)
    for row in rows.astype(x.dtype):
        for i, (output, value) in enumerate(zip(outputs, function(row), strict=True)):
            exact = truth(output, {x: row})
            value = np.asarray(value).astype(exact.value.dtype)
            error = ulp_error(value, exact)
            tiny = np.finfo(value.dtype).tiny
            error[(np.abs(exact.value) < tiny) & (np.abs(value) <= 2 * tiny)] = 0
            found[i] = max(found[i], error.max())
    return found


@pytest.mark.parametrize("name", list(FORMS))
def test_value_and_two_derivatives(name):
    x = pt.vector("x")
    outputs = quantities(FORMS[name], x)
    promise = 5 if name not in SUMS else 12
    rows = rows_of(name)
    with linker("cvm") as mode:
        assert max(worst(x, outputs, rows, mode)) <= promise
        for output in outputs:
            assert max(worst(x, [output], rows, mode)) <= promise


@pytest.mark.parametrize("name", list(FORMS))
def test_float32(name):
    x = pt.vector("x", dtype="float32")
    outputs = [pt.cast(o, "float32") for o in quantities(FORMS[name], x)]
    rows = rows_of(name)[[0, 1, -2]]
    with linker("cvm") as mode:
        assert max(worst(x, outputs, rows, mode)) <= (8 if name not in SUMS else 12)


@pytest.mark.parametrize("name", ["jax", "numba_strict"])
@pytest.mark.parametrize("form", ["p", "p (1 - p)", "log(1 - p)", "written out"])
def test_linkers(form, name):
    x = pt.vector("x", shape=(3,))
    with linker(name) as mode:
        # XLA's own functions are 2 to 3 ulp off.
        assert max(worst(x, quantities(FORMS[form], x), ROWS, mode)) <= 12


@pytest.mark.parametrize("name", [name for name in FORMS if "written" in name or "sum" in name])
def test_exponentials_do_not_overflow(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        assert max(worst(x, quantities(FORMS[name], x), np.array([LARGE, -LARGE]), mode)) <= 8


def test_the_log_of_what_two_components_leave():
    x = pt.vector("x")
    p = softmax(x)
    for value in (pt.log(1 - p[0] - p[1]), pt.log1p(-(p[0] + p[1]))):
        with linker("cvm") as mode:
            assert max(worst(x, [value, pytensor.grad(value, x)], ROWS, mode)) <= 5
            # Where the two are small, and the logarithm with them.
            others = np.roll(ROWS, 2, axis=1)
            assert max(worst(x, [value, pytensor.grad(value, x)], others, mode)) <= 5


@pytest.mark.parametrize("name", list(FORMS))
def test_a_second_pass_changes_nothing(name):
    x = pt.vector("x", shape=(3,))
    once = compile_rewritten([x], quantities(FORMS[name], x)).maker.fgraph
    assert not fired_again(once)


def test_without_the_rules_digits_are_lost():
    x = pt.vector("x")
    with pytensor_stabilize.excluding("all"), linker("cvm") as mode:
        for name in ("p", "p (1 - p)", "log(1 - p)", "mean", "written out"):
            assert max(worst(x, quantities(FORMS[name], x), ROWS[:1], mode)) > 1e10


def test_rows_of_a_matrix():
    x = pt.matrix("x", shape=(None, 3))
    p = softmax(x, axis=-1)[:, 0]
    first = pytensor.grad(p.sum(), x)
    outputs = [first, pytensor.grad(first[:, 0].sum(), x)[:, 0]]
    with linker("cvm") as mode:
        function = pytensor.function([x], outputs, mode=mode)
    for output, value in zip(outputs, function(ROWS), strict=True):
        assert ulp_error(value, truth(output, {x: ROWS})).max() <= 4


def chosen(x, y):
    """Elements of rows, written out."""
    e = pt.exp(x)
    return e[pt.arange(x.shape[0]), y] / e.sum(1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", ["counted", "constant"])
@pytest.mark.parametrize("of", ["p", "log p"])
def test_chosen_elements_of_rows(of, rows, dtype):
    # Of an unknown number of rows the first four might be asked for.
    shape = (4 if rows == "constant" else None, None)
    x, y, g = pt.matrix("x", shape=shape, dtype=dtype), pt.lvector("y"), pt.vector("g", dtype=dtype)
    at = np.array([LARGE, -LARGE, [-800.0, 800.0, 3.0], [1.0, 2.0, 0.5]], dtype)
    if dtype == "float32":
        at /= 8
    values = {x: at, y: np.array([1, 2, 2, 0]), g: np.array([1.0, -2.0, 0.5, 1.5], dtype)}
    e = pt.exp(x)
    p = chosen(x, y) if rows == "counted" else e[np.arange(4), y] / e.sum(1)
    outputs = [p if of == "p" else pt.log(p)]
    for weighted in (g, g[:3]):
        outputs.append(pytensor.grad((outputs[-1] * weighted).sum(), x))
    with linker("cvm") as mode:
        joint = pytensor.function([x, y, g], outputs, mode=mode, on_unused_input="ignore")(
            *values.values()
        )
        alone = pytensor.function([x, y, g], outputs[-1], mode=mode, on_unused_input="ignore")(
            *values.values()
        )
    for output, value in zip([*outputs, outputs[-1]], [*joint, alone], strict=True):
        known = {k: v for k, v in values.items() if k in ancestors([output])}
        assert ulps(value, truth(output, known)).max() <= 12


def softmaxes():
    x, z, y = pt.dmatrix("x"), pt.dmatrix("z"), pt.lvector("y")
    wide = pt.matrix("x", shape=(5, 300), dtype="float64")
    some = softmax(x, axis=1)[np.arange(2), y]
    p, r = softmax(x, axis=1), softmax(z, axis=0)
    bytes_ = np.int8([-1, -2, -1, -3, -4])
    q = softmax(wide, axis=1)
    numerator = pt.exp(x)[np.arange(2), y]
    return {
        "the first rows": (x, pytensor.grad(pt.log(some).sum(), x)),
        "a function of the first rows": (x, pt.log1p(-some)),
        "the first rows over their sums": (
            x,
            pytensor.grad((numerator / pt.exp(x).sum(1)[:2]).sum(), x),
        ),
        "a softmax along the other axis": (x, p[:, 0] - p[:, 0] * r.sum(1)),
        "written out, the other axis": (x, pt.exp(x)[:, 0] / pt.exp(x).sum(1) * r.sum(1)),
        "its gradient": (
            x,
            pytensor.grad((((1 - p) * r).sum(1) * r[:, 0] * pt.arange(1, 6)).sum(), z),
        ),
        "indices of the same bytes": (
            wide,
            q[np.arange(5), bytes_] - q[np.arange(5), bytes_.view("uint8")],
        ),
    }, (z, y)


@pytest.mark.parametrize("case", softmaxes()[0])
def test_what_is_no_element_of_its_row(case):
    cases, others = softmaxes()
    x, value = cases[case]
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(5, x.type.shape[1] or 3)), rng.normal(size=(5, 3)), [0, 2]]
    with linker("cvm") as mode, pytensor.config.change_flags(on_opt_error="raise"):
        found = pytensor.function([x, *others], value, mode=mode, on_unused_input="ignore")(*given)
        with pytensor_stabilize.excluding("all"):
            stock = pytensor.function([x, *others], value, mode=mode, on_unused_input="ignore")
        np.testing.assert_allclose(found, stock(*given), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_log_of_a_weighted_sum(dtype):
    """Value and first derivative; the second cancels where one component is nearly 1."""
    x = pt.vector("x", dtype=dtype)
    value = pt.log((pt.exp(x) * weights(x)).sum() / pt.exp(x).sum())
    outputs = [value, pytensor.grad(value, x)]
    rows = np.array([LARGE, -LARGE, *ROWS]) if dtype == "float64" else ROWS[[0, 1, -2]]
    with linker("cvm") as mode:
        assert max(worst(x, outputs, rows, mode)) <= 16
        assert max(worst(x, outputs[1:], rows, mode)) <= 16
    second = pytensor.grad(outputs[1][0], x)
    with linker("cvm") as mode:
        assert max(worst(x, [second], rows[-1:], mode)) <= 64


def test_special_values():
    x = pt.vector("x", shape=(3,))
    with linker("cvm") as mode:
        function = pytensor.function([x], quantities(FORMS["log(1 - p)"], x), mode=mode)
    assert np.isnan(function(np.array([0.0, np.nan, 1.0]))[0])
    value, first, _ = function(np.array([-np.inf, 0.0, 1.0]))
    assert value == 0
    assert first[0] == 0
    assert function(np.array([1.0, -np.inf, -np.inf]))[0] == -np.inf


@pytest.mark.parametrize(
    "form",
    [
        lambda x: softmax(x)[0] - 2 * softmax(x)[1],
        lambda x: 1 - 3 * softmax(x)[0],
        lambda x: softmax(x)[0] * softmax(x)[1] + softmax(x)[2],
        lambda x: 2 * x[0] - x[0] ** 2,
    ],
)
def test_what_hides_no_root_stays(form):
    x = pt.vector("x")
    assert "softmax_elements" not in explain([form(x)]).fired
