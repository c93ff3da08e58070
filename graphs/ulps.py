"""The one definition of an error in ulps."""

from typing import Any

import numpy as np

from pytensor_stabilize.rewrites.checks import shown

FLOATS = ("float16", "float32", "float64")


def ulp_error(actual: Any, exact: Any) -> np.ndarray:
    r"""Distance of floats from exact values, in ulps.

    The ulp is the spacing of the floats of `actual`'s dtype at the correctly rounded exact value,
    and below the smallest normal float the spacing there (Goldberg 1991; Muller 2005, "On the
    definition of ulp(x)", discusses the choices):

    .. math:: |actual - exact| / \mathrm{spacing}(|\mathrm{round}(exact)|)

    Parameters
    ----------
    actual
        Floats of dtype float16, float32 or float64, of any shape.
    exact
        A `Truth`, whose balls give the fractions of an ulp, or floats of the same dtype, taken
        as they are.  It broadcasts against `actual`.

    Returns
    -------
    ndarray of float64
        Ulps, of the broadcast shape.  A correctly rounded result has at most 0.5.

        - Zeros of either sign are equal.  Of an exact zero the ulp is the smallest subnormal.
        - An infinity counts as the float that would follow the largest one, so an overflow
          that is almost justified costs little: the largest float is 1 ulp from infinity.
        - More ulps than the largest float64 are infinitely many, as for 1.0 instead of 0.0.
        - nan where the exact value is a number, or is undefined and `actual` is a number:
          infinite.  nan where it is undefined: 0.
        - nan where the truth is undecided.

    Raises
    ------
    TypeError
        `actual` or `exact` is not of a float dtype, or their dtypes differ.
    ValueError
        Their shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pytensor_stabilize.graphs import ulp_error
    >>> ulp_error(np.array([1.0, 0.0, np.inf]), np.array([np.nextafter(1, 2), -0.0, 1.7e308]))
    array([1.00000000e+00, 0.00000000e+00, 4.89483725e+14])
    """
    actual = _floats("actual", actual)
    values = _floats("exact", getattr(exact, "value", exact))
    if actual.dtype.name != values.dtype.name:
        raise TypeError(
            f"ulp_error: actual is {actual.dtype} and exact is {values.dtype}. An ulp is that of "
            "one dtype: compute the truth of a graph that ends in the dtype you have."
        )
    try:
        shape = np.broadcast_shapes(actual.shape, values.shape)
    except ValueError as error:
        raise ValueError(
            f"ulp_error: actual of shape {actual.shape} and exact of shape {values.shape} must "
            "broadcast."
        ) from error
    actual, values = np.broadcast_to(actual, shape), np.broadcast_to(values, shape)
    distance = _distance(actual, values)
    offset = getattr(exact, "offset", None)
    if offset is not None:
        # The rounded value is `offset` ulps above the exact one.
        distance = distance + np.broadcast_to(offset, shape)
    errors = np.abs(distance)
    missing = np.isnan(values)
    errors = np.where(np.isnan(actual) != missing, np.inf, errors)
    errors = np.where(np.isnan(actual) & missing, 0.0, errors)
    undecided = getattr(exact, "undecided", None)
    if undecided is not None:
        errors = np.where(np.broadcast_to(undecided, shape), np.nan, errors)
    return errors


def _floats(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        # Rows of different lengths.
        array = np.asarray(None)
    if array.dtype.name not in FLOATS:
        raise TypeError(
            f"ulp_error: {name} must be floats ({', '.join(FLOATS)}), got dtype {array.dtype} of "
            f"{shown(value)}."
        )
    return array


def spacing(values: np.ndarray) -> np.ndarray:
    """Spacing of the floats at a value, as float64; at an infinity, that of the largest float."""
    largest = np.finfo(values.dtype).max
    inside = np.where(np.isfinite(values), np.abs(values), largest).astype(values.dtype)
    # Below the largest float of a binade the spacing is that of the binade: toward zero.
    return np.spacing(np.minimum(inside, np.nextafter(largest, 0))).astype(np.float64)


def _distance(actual: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(actual - exact) / ulp(exact), without overflow on the way."""
    unit = spacing(values)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        # Dividing by a power of two is exact, unless the quotient overflows: then so be it.
        distance = _in_units(actual, unit) - _in_units(values, unit)
    return np.where(np.isnan(actual) | np.isnan(values), 0.0, distance)


def _in_units(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    info = np.finfo(values.dtype)
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    beyond = 2.0 ** (info.nmant + 1) * (spacing(np.asarray([info.max]))[0] / unit)
    return np.where(np.isinf(values), np.sign(values) * beyond, finite / unit)
