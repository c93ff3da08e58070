"""No rule does harm where floats are special: a table made from the rules."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from helpers import LINKERS
from special_values import Finding, findings, points, special_numbers

from pytensor_stabilize import RULES


def negative_inside(finding: Finding) -> bool:
    return math.isnan(finding.numbers[2]) and finding.numbers[0] == -math.inf


def infinite(finding: Finding) -> bool:
    return any(map(math.isinf, finding.at))


# What a rule does at its special points that stock does not, and why it is left.
KNOWN: dict[str, tuple[Callable[[Finding], bool], str]] = {
    "log_tanh_minus_tanh": (negative_inside, "the logarithm of a negative number, which stock"
                            " rounds to 0, is nan"),
    "log_erf_difference": (negative_inside, "the same"),
    "product_with_switch": (lambda f: math.isnan(f.at[0]), "a condition on nan is false, and"
                            " the branch that it leaves a number; stock has 0 / 0 there"),
    "product_of_symbolic_powers": (infinite, "an infinite exponent: one exponential of"
                                   " inf - inf in place of a product of 0 and 1"),
    "log_of_symbolic_powers": (infinite, "0**0 is 1 where 0 * inf is nan"),
    "one_minus_symbolic_power": (infinite, "the same"),
    "log1p_of_minus_symbolic_power": (infinite, "the same"),
    "erfc_excess_times_argument": (lambda f: f.at[0] < -1e19, "float32 arguments in a float64"
                                   " graph: the op overflows before the cast"),
}  # fmt: skip


def is_flushed(finding, dtype):
    """Whether a finding is about numbers next to the subnormal ones, which XLA takes for 0."""
    least = 4 * np.finfo(dtype).tiny
    return any(0 < abs(number) <= least for number in (*finding.at, *finding.numbers))


@pytest.mark.parametrize("how", ["py", *LINKERS])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_does_no_harm(rule, dtype, how):
    is_known = KNOWN.get(rule.name, (lambda finding: False, ""))[0]
    found = [f for f in findings(rule, dtype, how) if not is_known(f)]
    if how == "jax":
        found = [f for f in found if not is_flushed(f, dtype)]
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_is_still_there(name):
    rule = next(rule for rule in RULES if rule.name == name)
    assert [f for dtype in ("float32", "float64") for f in findings(rule, dtype, "py")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_points_are_special(dtype):
    numbers, info = special_numbers(dtype), np.finfo(dtype)
    for wanted in (
        info.tiny,
        info.smallest_subnormal,
        info.max,
        np.inf,
        np.nextafter(info.tiny, 0),
    ):
        for sign in (1, -1):
            assert (numbers == sign * np.asarray(wanted, dtype)).any(), (sign, wanted)
    assert np.isnan(numbers).any()
    assert set(np.signbit(numbers[numbers == 0])) == {False, True}
    for rule in RULES:
        for column in points(rule, dtype):
            assert {np.inf, -np.inf, 0.0} <= set(column.tolist()), rule.name
            assert np.isnan(column).any(), rule.name
