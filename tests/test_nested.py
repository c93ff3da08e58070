"""Functions of exp(x): the complementary log-log link, from underflow to overflow."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import (
    compile_rewritten,
    fired_again,
    linker,
    second_pass,
    together_and_alone,
    ulps,
    with_gradients,
)
from pytensor.graph.traversal import ancestors

from pytensor_stabilize.graphs import explain, same_graph, truth

WAYS = [("numba_strict", "float64"), ("numba_strict", "float32"), ("jax", "float64")]
RNG = np.random.default_rng(23)
FAR = np.concatenate([RNG.uniform(-800, 2, 40), RNG.uniform(-40, 2, 40), RNG.uniform(-2, 2, 20)])
HARD = RNG.integers(0, 2, 100).astype(float)

CASES = {
    "log(1 - exp(-exp(x)))": (lambda x: pt.log(1 - pt.exp(-pt.exp(x))), [FAR]),
    "log1p(-exp(-exp(x)))": (lambda x: pt.log1p(-pt.exp(-pt.exp(x))), [FAR]),
    "log1mexp(-exp(x))": (lambda x: pt.log1mexp(-pt.exp(x)), [FAR]),
    "log(-expm1(-exp(x)))": (lambda x: pt.log(-pt.expm1(-pt.exp(x))), [FAR]),
    "Gumbel": (lambda x: pt.log(1 - pt.exp(-pt.exp(-x))), [-FAR]),
    "log(exp(exp(x)) - 1)": (lambda x: pt.log(pt.exp(pt.exp(x)) - 1), [FAR]),
    "a model": (
        lambda x, y: y * pt.log(1 - pt.exp(-pt.exp(x))) - (1 - y) * pt.exp(x),
        [FAR, HARD],
    ),
}


@pytest.mark.parametrize(("name", "dtype"), WAYS)
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name, dtype):
    function, columns = CASES[form]
    args, outputs = with_gradients(function, len(columns), 2, dtype)
    columns = [column.astype(dtype) for column in columns]
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with linker(name) as mode:
        found = together_and_alone(args, outputs, columns, mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)[np.isfinite(right.value)]
            # exp(-t) with t = exp(x) up to 8
            assert errors.max() <= (40 if name == "jax" else 36), columns[0][errors.argmax()]


@pytest.mark.parametrize("form", list(CASES)[:4])
def test_where_the_logarithm_is_small(form):
    """The rounding of ``w = exp(x)`` alone costs w ulps of exp(-w)."""
    x = pt.dvector("x")
    value = CASES[form][0](x)
    at = np.array([3.7, 5.5, 6.3])
    exact = truth(value, {x: at})
    assert (np.abs(exact.value) < 2.0**-54).all()
    assert (ulps(pytensor.function([x], value)(at), exact) <= 4 + np.exp(at)).all()


@pytest.mark.parametrize("form", CASES)
def test_limits(form):
    function, columns = CASES[form]
    args, outputs = with_gradients(function, len(columns), 2)
    found = pytensor.function(args, outputs)(
        *[np.array([710.1, 745.0, -745.0, -2000.0])] * 1,
        *([np.ones(4)] if len(columns) > 1 else []),
    )
    if form == "a model":
        found = [value[2:] for value in found]  # y log(p) - (1 - y) exp(x) is 0 * inf at 710
    if form != "log(exp(exp(x)) - 1)":
        assert not any(np.isnan(value).any() for value in found)


@pytest.mark.parametrize("form", [form for form in CASES if form != "log1mexp(-exp(x))"])
def test_a_second_pass_changes_nothing(form):
    function, columns = CASES[form]
    args, outputs = with_gradients(function, len(columns), 1)
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


def test_a_part_that_was_mended_before_is_found_again():
    """The terms of the derivative of w / expm1(w) are mended first, and cancel next to w = 0."""
    args, outputs = with_gradients(lambda x: pt.exp(x) / (pt.exp(pt.exp(x)) - 1), 1, 1)
    at = np.linspace(-700, 1, 50)
    exact = truth(outputs[1], {args[0]: at})
    found = pytensor.function(args, outputs[1])(at)
    assert ulps(found, exact).max() <= 8


def test_what_has_nothing_to_mend_has_no_branches():
    x = pt.dvector("x")
    function = compile_rewritten([x], [pt.exp(-pt.exp(x)), 1 - pt.exp(-pt.exp(x))])
    assert "witch" not in str(function.maker.fgraph.toposort())


# Counts that are not 0: the rate's logarithm is taken of what is left of one.
NOT_ZERO = {
    "one": lambda x, y: x - pt.exp(x) - pt.log(1 - pt.exp(-pt.exp(x))),
    "y of them": lambda x, y: (y + 1) * x - pt.exp(x) - pt.log(1 - pt.exp(-pt.exp(x))),
    "written out": lambda x, y: pt.log(pt.exp(x)) - pt.exp(x) - pt.log1p(-pt.exp(-pt.exp(x))),
    "exposure": lambda x, y: (y + 1) * x - 0.5 * pt.exp(x) - pt.log1mexp(-0.5 * pt.exp(x)),
    "of the rate": lambda x, y: pt.log(1 - pt.exp(-(pt.exp(2 * x) ** 0.5))) - x,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", NOT_ZERO)
def test_counts_that_are_not_0(form, dtype):
    x, y = (pt.vector(name, dtype=dtype) for name in "xy")
    value = NOT_ZERO[form](x, y).astype(dtype)
    at = np.array([-60.3, -37.3, -7.1, -0.9, -0.013, 0.4, 1.3, 3.1, 5.7], dtype)
    for labels in (np.zeros_like(at), np.full_like(at, 2)):
        given = {x: at, y: labels} if y in ancestors([value]) else {x: at}
        # Beside a multiple of x that is as large the sum has a zero of its own.
        scale = pt.abs(value) + pt.abs(y * x) if y in given else value
        if form == "exposure":
            scale = scale + 1
        exact, size = truth([value, scale], given)
        found = pytensor.function(list(given), value)(*given.values())
        assert ulps(found, exact, size).max() <= 8


def test_two_counts_that_are_not_0():
    x = pt.dvector("x")
    of_rate = pt.log1mexp(-pt.exp(x))
    value = pt.add(of_rate, of_rate) - x
    at = np.array([-40.0, -4.0, 1.3])
    assert ulps(compile_rewritten([x], value)(at), truth(value, {x: at})).max() <= 4


@pytest.mark.parametrize(
    "made",
    [
        lambda x: pt.log1mexp(-pt.exp(x)) + x,
        lambda x: -pt.log1mexp(-pt.exp(x)) - 2 * x,
        lambda x: pt.log(x) + pt.log1mexp(-x),
        # No rate, and none that is one variable.
        lambda x: pt.log1mexp(pt.exp(x)) - x,
        lambda x: pt.log1mexp(-x - pt.exp(x)) - pt.log(x + pt.exp(x)),
        lambda x: pt.log1mexp(-pt.exp(x.astype("float16"))) - x.astype("float16"),
    ],
)
def test_logarithms_that_do_not_cancel(made):
    value = made(pt.dvector("x"))
    assert not explain(value).fired["log1mexp_minus_log"]


def test_counts_that_are_not_0_a_second_time():
    x, y = pt.dvectors("x", "y")
    for made in NOT_ZERO.values():
        once = compile_rewritten([x, y], made(x, y)).maker.fgraph
        assert not fired_again(once)
