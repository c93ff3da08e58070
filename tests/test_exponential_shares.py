"""Sums of several exponentials: logarithms, quotients, and their derivatives up to the second."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth, ulp_error

POINTS = [(700.75, 700.5), (1.25, 0.25), (-40.0, 3.0), (300.0, -20.0), (-800.0, -5.0), (900.0, 3.0)]
POINTS += [(-60.5, -45.25)]


def share(a, b):
    return pt.exp(a) / (pt.exp(a) + pt.exp(b))


FORMS = {
    "log(2 + e)": lambda a, b: pt.log(2 + pt.exp(a)),
    "e / (3 + e)": lambda a, b: pt.exp(a) / (3 + pt.exp(a)),
    "log(1 + e + e)": lambda a, b: pt.log(1 + pt.exp(a) + pt.exp(b)),
    "log(1 + 3 e + e)": lambda a, b: pt.log(1 + 3 * pt.exp(a) + pt.exp(b)),
    "log1p(2 e + e)": lambda a, b: pt.log1p(2 * pt.exp(a) + pt.exp(b)),
    "log1p(e / 8 + e / 3)": lambda a, b: pt.log1p(pt.exp(a) / 8 + pt.exp(b) / 3),
    "e / (1 + e + e)": lambda a, b: pt.exp(a) / (1 + pt.exp(a) + pt.exp(b)),
    "1 / (1 + e + e)": lambda a, b: 1 / (1 + pt.exp(a) + pt.exp(b)),
    # What is added in a numerator is to be seen as well.
    "log1p(e + e + e e)": lambda a, b: pt.log1p(pt.exp(a) + pt.exp(b) + pt.exp(a + b)),
    "log1p(2 cosh)": lambda a, b: pt.log1p(2 * pt.cosh(a)),
    "log(3 + cosh)": lambda a, b: pt.log(3 + pt.cosh(a)),
    "log(e / (1 + e + e))": lambda a, b: pt.log(pt.exp(a) / (1 + pt.exp(a) + pt.exp(b))),
    "log(2 e / (3 + 2 e + e))": lambda a, b: pt.log(
        2 * pt.exp(a) / (3 + 2 * pt.exp(a) + pt.exp(b))
    ),
    "log(1 + e + e) - a": lambda a, b: pt.log(1 + pt.exp(a) + pt.exp(b)) - a,
    "b + a - log(2 + e e + e)": lambda a, b: (b + a) - pt.log(2 + pt.exp(a + b) + pt.exp(b)),
    "p (1 - p)": lambda a, b: share(a, b) * (1 - share(a, b)),
    "p - p**2": lambda a, b: share(a, b) - share(a, b) ** 2,
}
# The second derivative p q (1 - 6 p q) has an ordinary zero next to a gap of 1.
PROMISES = {"p (1 - p)": 8, "p - p**2": 8}


def quantities(form, a, b):
    value = form(a, b)
    first = pytensor.grad(value, a)
    return [value, first, pytensor.grad(first, a)]


@pytest.mark.parametrize("name", list(FORMS))
def test_value_and_two_derivatives(name):
    a, b = pt.dscalars("a", "b")
    outputs = [q + 0 * b for q in quantities(FORMS[name], a, b)]
    with linker("cvm") as mode:
        joint = pytensor.function([a, b], outputs, mode=mode)
        alone = [pytensor.function([a, b], q, mode=mode) for q in outputs]
    for point in POINTS:
        for i, output in enumerate(outputs):
            exact = truth(output, {a: point[0], b: point[1]})
            for value in (joint(*point)[i], alone[i](*point)):
                error = float(ulp_error(value, exact))
                # Tiny values end in 0.
                assert error <= PROMISES.get(name, 4) or abs(value - exact.value) < 1e-300, (
                    point,
                    i,
                    error,
                )


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (lambda a, b: pt.log(pt.exp(a) / (1 + pt.exp(a) + pt.exp(b))), -np.inf),
        (lambda a, b: a - pt.log1p(pt.exp(a) + pt.exp(b)), -np.inf),
        (lambda a, b: pt.log(2 + pt.exp(a) + pt.exp(b)) - a, np.inf),
    ],
)
def test_masked_logits(form, wanted):
    a, b = pt.dscalars("a", "b")
    function = compile_rewritten([a, b], form(a, b))
    assert function(-np.inf, -np.inf) == function(-np.inf, 2.0) == wanted
    assert np.isfinite(function(2.0, -np.inf))


@pytest.mark.parametrize("other", [1e6, 1000.0])
def test_an_argument_that_cancels_with_something_else_stays(other):
    a, b = pt.dscalars("a", "b")
    value = a + other - pt.log(1 + pt.exp(a) + pt.exp(b))
    found = compile_rewritten([a, b], value)(-other - 0.3, -0.5)
    assert ulp_error(found, truth(value, {a: -other - 0.3, b: -0.5})) <= 4


@pytest.mark.parametrize("name", ["log1p(e + e + e e)", "log1p(2 cosh)", "p (1 - p)"])
def test_float32(name):
    a, b = pt.fvectors("a", "b")
    value = FORMS[name](a, b)
    outputs = [value + 0 * b]
    for _ in range(2):
        outputs.append(pytensor.grad(outputs[-1].sum(), a) + 0 * b)
    at = np.float32(POINTS).T / 8
    with linker("cvm") as mode:
        joint = pytensor.function([a, b], outputs, mode=mode)(*at)
        last = pytensor.function([a, b], outputs[-1], mode=mode)(*at)
    for output, found in zip([*outputs, outputs[-1]], [*joint, last], strict=True):
        assert np.all(ulps(found, truth(output, {a: at[0], b: at[1]})) <= 8)


@pytest.mark.parametrize("name", list(FORMS))
def test_a_second_pass_changes_nothing(name):
    a, b = pt.scalars("a", "b")
    once = compile_rewritten([a, b], quantities(FORMS[name], a, b)).maker.fgraph
    assert not fired_again(once)


def test_without_the_rules_they_overflow():
    a, b = pt.dscalars("a", "b")
    with pytensor_stabilize.excluding("all"), linker("cvm") as mode:
        for form in FORMS.values():
            function = pytensor.function(
                [a, b], quantities(form, a, b), mode=mode, on_unused_input="ignore"
            )
            with np.errstate(all="ignore"):
                assert not np.isfinite(function(900.0, 3.0)).all()


def test_special_values():
    a, b = pt.dscalars("a", "b")
    with linker("cvm") as mode:
        function = pytensor.function([a, b], FORMS["e / (1 + e + e)"](a, b), mode=mode)
    assert function(np.inf, 1.0) == 1
    assert function(-np.inf, 1.0) == 0
    assert np.isnan(function(np.nan, 1.0))


@pytest.mark.parametrize(
    "form",
    [
        lambda a, b: pt.exp(a) + pt.exp(b) - 1,
        lambda a, b: a / (2 + pt.exp(b)),
        lambda a, b: pt.log(2 - pt.exp(a)),
        lambda a, b: pt.exp(a) * (1 + pt.exp(b) + a),
    ],
)
def test_what_must_not_match(form):
    fired = explain([form(*pt.scalars("a", "b"))]).fired
    assert not {"log_of_exponential_total", "shares_of_exponential_total"} & set(fired)
    assert "sum_over_exponential_total" not in fired


@pytest.mark.parametrize(
    "form",
    [
        lambda a, b, c: pt.log(3 * pt.exp(a) / (1 + pt.exp(a) + pt.exp(b))),
        lambda a, b, c: pt.log(pt.exp(a) / (1 + pt.exp(c) + pt.exp(b))),
        lambda a, b, c: pt.log(pt.exp(a) * (1 + pt.exp(a) + pt.exp(b))),
        lambda a, b, c: pt.log(pt.exp(a) / (1 + c + pt.exp(b))),
        lambda a, b, c: a - pt.log(1 + 2 * pt.exp(a) + pt.exp(b)),
        lambda a, b, c: a + c - pt.log(1 + pt.exp(a) + pt.exp(b)),
    ],
)
def test_what_is_no_share(form):
    assert not explain(form(*pt.scalars("a", "b", "c"))).fired["log_of_exponential_share"]
