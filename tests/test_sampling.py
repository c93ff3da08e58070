"""Samples of a range, and the order of the floats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor_stabilize.graphs import Range
from pytensor_stabilize.graphs.auditing.sampling import from_ordinal, to_ordinal


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_ordinals_are_ordered_as_the_floats(a, b):
    assert (to_ordinal(a, "float64") < to_ordinal(b, "float64")) == (a < b)
    assert from_ordinal([to_ordinal(a, "float64")], "float64")[0] == a


def test_neighbours_have_neighbouring_ordinals():
    for dtype in ("float16", "float32", "float64"):
        one = np.asarray(1, dtype)
        after = np.nextafter(one, np.asarray(2, dtype))
        assert to_ordinal(after, dtype) == to_ordinal(one, dtype) + 1
        assert to_ordinal(np.asarray(-0.0, dtype), dtype) == 0


@pytest.mark.parametrize("sampling", ["uniform", "log", "ordinal", "mixed"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("ends", [(-40.0, 50.0), (1e-3, 0.1), (-7.0, -0.1), (0.0, 1e20)])
def test_samples_lie_in_the_range_and_reach_its_ends(sampling, dtype, ends):
    values = Range(*ends, sampling).sample(300, dtype, np.random.default_rng(0))
    assert values.dtype == dtype
    assert len(values) == 300
    assert (np.diff(values) >= 0).all()
    assert (values.astype(float) >= ends[0]).all()
    assert (values.astype(float) <= ends[1]).all()
    assert values[-1] == pytest.approx(ends[1], rel=1e-6)
    assert len(np.unique(values)) > 250


def test_the_spread_is_what_it_is_called():
    rng = np.random.default_rng(0)
    near_zero = {
        kind: (np.abs(Range(-1, 1, kind).sample(1000, "float64", rng)) < 1e-3).mean()
        for kind in ("uniform", "log", "ordinal")
    }
    assert near_zero["uniform"] < 0.01
    assert 0.85 < near_zero["log"] < 0.95
    assert near_zero["ordinal"] > 0.98
