"""Values that are only checked against bounds keep the user's spelling, which costs less."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from pytensor_stabilize.graphs import explain, op_counts

a, b = pt.dmatrices("a", "b")
DIFFERENCE = pt.sigmoid(a) - pt.sigmoid(b)
SUM = pt.abs(DIFFERENCE.sum(axis=1) - 1) <= 1e-5
CHECKS = {
    "at least 0": (DIFFERENCE >= 0).all(),
    "at most 1": (DIFFERENCE <= 1).all(),
    "all of them": pt.and_((DIFFERENCE >= 0).all(), pt.and_((DIFFERENCE <= 1).all(), SUM.all())),
}
USES = {
    "above 0": (DIFFERENCE > 0).all(),
    "another bound": (DIFFERENCE >= 1e-20).all(),
    "equal": pt.eq(DIFFERENCE, 0).all(),
    "its sum is wanted too": DIFFERENCE.sum(axis=1),
    "a product": (DIFFERENCE * a >= 0).all(),
}


def exponentials(output):
    counts = op_counts(pytensor.function([a, b], output, mode="CVM"))
    return counts.get("expm1", 0)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_is_left(name):
    assert exponentials(CHECKS[name]) == 0


def test_explain_says_so():
    assert "only checked against bounds" in str(explain(CHECKS["at least 0"]))


@pytest.mark.parametrize("name", USES)
def test_a_use_is_mended(name):
    assert exponentials(USES[name]) == 1
    assert exponentials([USES[name], CHECKS["all of them"]]) == 1


def test_the_check_of_what_saturates_comes_out_the_same():
    high, low = np.array([[40.0, 701.0, 3.0]]), np.array([[38.0, 700.0, 1.0]])
    function = pytensor.function([a, b], CHECKS["all of them"] | CHECKS["at least 0"], mode="CVM")
    assert function(high, low)
    assert not pytensor.function([a, b], CHECKS["at least 0"], mode="CVM")(
        low[:, ::2], high[:, ::2] + 9
    )
