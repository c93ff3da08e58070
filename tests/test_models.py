"""Every model of `model_table`: right with our rules, in float64 and float32, and wrong without."""

import numpy as np
import pytest
from model_errors import (
    BEYOND,
    ETAS,
    QUANTITIES,
    compiled,
    exact_values,
    quick_mode,
    relative_error,
    settings,
    wrong,
    wrong_beyond,
)
from model_table import CASES, WRONG_BEYOND

# Relative; the worst are close cutpoints of a probit model, and a normal tail at 700 in float32.
PROMISE = {"float64": 1e-11, "float32": 2e-5}
# Compiled as a user does it, by numba.
IN_DEFAULT_MODE = ("indexed", "cross_entropy", "ordered_logistic", "zero_inflated_poisson")


def etas(dtype: str) -> list[float]:
    return [sign * size for size in ETAS[dtype] for sign in (1.0, -1.0)]


@pytest.mark.parametrize("dtype", ETAS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_models(case, dtype):
    with settings(dtype):
        at = etas(dtype)
        exact = exact_values(case.meant or case.build, at)
        ours = compiled(case.build, stock=False, mode=quick_mode())
        stock = compiled(case.build, stock=True, mode=quick_mode())
        for name in QUANTITIES:
            decided = [(e, x) for e, x in zip(at, exact[name], strict=True) if np.isfinite(x).any()]
            assert {np.sign(e) for e, _ in decided} == {1, -1}
            for eta, value in decided:
                if case.right_at(eta, dtype):
                    got = ours[name](eta)
                    assert relative_error(got, value, dtype) <= PROMISE[dtype], (name, eta, got)
            if name in case.wrong.split():
                assert any(wrong(name, stock[name](e), x, dtype) for e, x in decided), name
            elif dtype == "float64":
                assert not any(wrong(name, stock[name](e), x, dtype) for e, x in decided), name
        # Where sigmoid(-|a|) is 0 no case is worse than with stock.
        beyond = exact_values(case.meant or case.build, BEYOND[dtype])
        wrong_ones = [wrong_beyond(way, beyond, dtype) for way in (stock, ours)]
        assert wrong_ones != [False, True]
        if not case.until:
            assert wrong_ones[1] == (case.name in WRONG_BEYOND)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_left_is_said_with_its_reason(case):
    assert bool(case.until) == bool(case.left)


@pytest.mark.parametrize("name", IN_DEFAULT_MODE)
def test_in_the_default_mode(name):
    (case,) = (case for case in CASES if case.name == name)
    with settings("float64"):
        at = [20.0, -20.0, 40.0, -40.0, 700.0]
        exact = exact_values(case.build, at)
        ours = compiled(case.build, stock=False, mode=None)
        for name in QUANTITIES:
            for eta, value in zip(at, exact[name], strict=True):
                assert relative_error(ours[name](eta), value, "float64") <= PROMISE["float64"]
