"""`ulp_error` against its definition in exact fractions."""

from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
import pytest

from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.graphs.truth import Truth

DTYPES = ("float16", "float32", "float64")
rng = np.random.default_rng(3)


def specials(dtype):
    info = np.finfo(dtype)
    tiny, big, normal = info.smallest_subnormal, info.max, info.smallest_normal
    few = [0.0, tiny, 2 * tiny, 3 * tiny, normal, 1.0, 2.0, 3.0, 0.1, big, np.inf]
    few += [np.nextafter(v, way, dtype=dtype) for v in (normal, 1.0, 2.0) for way in (0, 9)]
    few += [np.nextafter(big, 0, dtype=dtype), big / 2]
    return np.array([*few, *(-v for v in few)], dtype)


def unit_of(exact, dtype):
    """Spacing of the floats at a number, by the exponents of the dtype."""
    info = np.finfo(dtype)
    _, exponent = np.frexp(np.float64(min(abs(exact), info.max)))
    lowest = info.minexp - info.nmant
    return (
        Fraction(2) ** max(int(exponent) - 1 - info.nmant, lowest)
        if exact
        else Fraction(2) ** (lowest)
    )


def number(value, dtype):
    if np.isinf(value):
        return Fraction(2) ** int(np.finfo(dtype).maxexp) * (1 if value > 0 else -1)
    return Fraction(float(value))


def by_definition(actual, exact, dtype):
    ulps = abs(number(actual, dtype) - number(exact, dtype)) / unit_of(exact, dtype)
    return np.inf if ulps > Fraction(np.finfo("float64").max) else float(ulps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_definition(dtype):
    bits = rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize - 1), 200).astype(
        f"uint{8 * np.dtype(dtype).itemsize}"
    )
    random = bits.view(dtype)
    values = np.concatenate([specials(dtype), random[np.isfinite(random)][:60]])
    found = ulp_error(values[:, None], values[None, :])
    assert found.dtype == np.float64
    assert found.shape == (len(values), len(values))
    expected = [[by_definition(a, e, dtype) for e in values] for a in values]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_number(dtype):
    nan, one, inf = (np.array(v, dtype) for v in (np.nan, 1.0, np.inf))
    largest = np.array(np.finfo(dtype).max, dtype)
    assert ulp_error(nan, one) == np.inf
    assert ulp_error(one, nan) == np.inf
    assert ulp_error(inf, nan) == np.inf
    assert ulp_error(nan, nan) == 0
    assert ulp_error(largest, inf) == 1
    assert ulp_error(inf, largest) == 1
    assert ulp_error(inf, inf) == 0
    assert ulp_error(-inf, inf) == 2.0 ** (np.finfo(dtype).nmant + 2)


def test_zeros_and_subnormals():
    tiny = 5e-324
    np.testing.assert_array_equal(
        ulp_error(np.array([-0.0, tiny, -tiny, 2.5e-308]), np.array([0.0, 0.0, tiny, 2.5e-308])),
        [0, 1, 2, 0],
    )


def test_scalars_and_shapes():
    assert ulp_error(1.0, np.nextafter(1.0, 2)).shape == ()
    assert ulp_error(1.0, np.nextafter(1.0, 2)) == 1
    assert ulp_error(np.ones((3, 1)), np.ones(4)).shape == (3, 4)
    assert ulp_error(np.ones((0, 2)), 1.0).shape == (0, 2)


def test_fractions_of_an_ulp():
    x = pt.dscalar("x")
    third = truth(x / 3, {x: 1.0})
    exact = (Fraction(float(third.value)) - Fraction(1, 3)) / Fraction(2) ** -54
    assert ulp_error(third.value, third) == pytest.approx(abs(float(exact)), rel=1e-12)
    above = np.nextafter(third.value, 1)
    assert ulp_error(above, third) == pytest.approx(abs(float(exact) + 1), rel=1e-12)
    below = np.nextafter(-third.value, 1)
    assert ulp_error(below, truth(-x / 3, {x: 1.0})) == pytest.approx(abs(1 - float(exact)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_correctly_rounded_result_has_half_an_ulp_at_most(dtype):
    x = pt.vector("x", dtype=dtype)
    at = np.exp(rng.uniform(-7, 7, 200)).astype(dtype)
    found = truth(pt.sqrt(x) / 7, {x: at})
    errors = ulp_error(found.value, found)
    assert errors.max() <= 0.5
    # In a subnormal result, too, and they are not all exact.
    assert errors.mean() == pytest.approx(0.25, abs=0.05)


def test_truth_without_a_value():
    """Undefined is nan and 0 for nan, undecided nan whatever was computed."""
    value, status = np.array([np.nan, np.nan, np.nan, 1.0]), np.array([1, 1, 2, 0], "int8")
    exact = Truth(value, status, np.zeros(4), 128)
    np.testing.assert_array_equal(
        ulp_error(np.array([np.nan, 1.0, 1.0, 1.0]), exact), [0, np.inf, np.nan, 0]
    )
