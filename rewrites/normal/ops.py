"""Elementwise ops of the normal family, closed under differentiation.

All take a constant ``k = hi + lo`` beside their arguments and are functions of ``u = k x``, or of
``a = k x`` and ``b = k y``:

===========================  =================================================================
`erfc_scaled`                ``erfc(u)``
`log_erfc`                   ``log(erfc(u))``
`log_half_erfc`              ``log(erfc(u) / 2)``
`log_erfcx`                  ``log(erfc(u)) + u**2``
`erfc_ratio`                 ``r(u) = exp(-u**2) / erfc(u)``
`erfc_excess`                ``d(u) = 2 / sqrt(pi) r(u) - 2 u``
`erfc_second`                ``w(u) = 1 - u d(u)``
`erfc_slope`                 ``s(u) = 2 - c r(u) d(u)``
`erfc_curvature`             ``q(u) = c r(u) d(u)``
`erf_difference`             ``erf(a) - erf(b)``
`log_erf_difference`         ``log(erf(a) - erf(b))``
`log_half_erf_difference`    ``log((erf(a) - erf(b)) / 2)``
`erf_difference_ratio`       ``r(a, b) = exp(-a**2) / (erf(a) - erf(b))``
`erf_difference_excess`      ``d(a, b) = 2 / sqrt(pi) r(a, b) + 2 a``
===========================  =================================================================

Derivatives, with ``c = 2 / sqrt(pi)``: ``(log erfc)' = -c r``, ``(log erfcx)' = -d``,
``r' = r d``, ``d' = -s``, ``s' = c r (s - d**2) = -q'``, ``w' = u s - d``, and for two arguments
``c r(a, b)``, ``c r(b, a)``, ``-r(a, b) d(a, b)`` and ``-c r(a, b) r(b, a)``.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np
import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply
from pytensor.scalar.basic import (
    ScalarOp,
    ScalarType,
    ScalarVariable,
    constant,
    exp,
    get_scalar_type,
    upgrade_to_float,
)
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.normal.c_code import SUPPORT

C = 2 / np.sqrt(np.pi)
# Compiled code is kept on disk under this: it changes when the code does.
VERSION = sha256(SUPPORT.encode()).hexdigest()
Scalars = Sequence[ScalarVariable]


def _type_of_argument(*types: ScalarType) -> tuple[ScalarType]:
    """The constants are float64; the result has the dtype of the arguments, as a float."""
    return upgrade_to_float(get_scalar_type(dtype=ScalarType.upcast(*types[:-2])))


class NormalOp(ScalarOp):
    """A kernel of `kernels` as a scalar op, computed in float64 whatever its dtype."""

    kernel: str

    def __init__(self) -> None:
        super().__init__(_type_of_argument, name=self.kernel)

    def make_node(self, *inputs: Any) -> Apply:
        # numba is slow to import, and its dispatch is asked only for ops that have nodes.
        import_module("pytensor_stabilize.rewrites.normal.numba_dispatch")
        return super().make_node(*inputs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # An unpickled function is linked without a node being made.
        self.__dict__.update(state)
        import_module("pytensor_stabilize.rewrites.normal.numba_dispatch")

    def impl(self, *inputs: float) -> Any:
        kernels = import_module("pytensor_stabilize.rewrites.normal.kernels")
        with np.errstate(all="ignore"):
            return getattr(kernels, self.kernel)(*map(float, inputs))

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> list[Any]:
        (g,) = grads
        *_, hi, lo = inputs
        dtype = outputs[0].type.dtype
        k = (hi + lo).astype(dtype)
        slopes = self.slopes(constant(C, dtype=dtype), k, inputs, outputs[0])
        return [g * slope for slope in slopes] + [hi.zeros_like(), lo.zeros_like()]

    def slopes(
        self, c: ScalarVariable, k: ScalarVariable, inputs: Scalars, output: ScalarVariable
    ) -> list[ScalarVariable]:
        """Derivatives by the arguments."""
        raise NotImplementedError

    def c_support_code(self, **kwargs: Any) -> str:
        return SUPPORT

    def c_code(
        self, node: Apply, name: str, inp: Sequence[str], out: Sequence[str], sub: dict[str, str]
    ) -> str:
        return f"{out[0]} = ps_{self.kernel}({', '.join(inp)});"

    def c_code_cache_version(self) -> tuple[str]:
        return (VERSION,)


class ErfcScaled(NormalOp):
    nin, kernel = 3, "erfc_scaled"

    def slopes(self, c, k, inputs, output):
        u = k * inputs[0]
        return [-c * k * exp(-u * u)]


class LogErfc(NormalOp):
    nin, kernel = 3, "log_erfc"

    def slopes(self, c, k, inputs, output):
        return [-c * k * scalar_erfc_ratio(*inputs)]


class LogHalfErfc(LogErfc):
    kernel = "log_half_erfc"


class LogErfcx(NormalOp):
    nin, kernel = 3, "log_erfcx"

    def slopes(self, c, k, inputs, output):
        return [-k * scalar_erfc_excess(*inputs)]


class ErfcRatio(NormalOp):
    nin, kernel = 3, "erfc_ratio"

    def slopes(self, c, k, inputs, output):
        return [k * output * scalar_erfc_excess(*inputs)]


class ErfcExcess(NormalOp):
    nin, kernel = 3, "erfc_excess"

    def slopes(self, c, k, inputs, output):
        return [-k * scalar_erfc_slope(*inputs)]


class ErfcSlope(NormalOp):
    nin, kernel = 3, "erfc_slope"

    def slopes(self, c, k, inputs, output):
        d = scalar_erfc_excess(*inputs)
        return [k * c * scalar_erfc_ratio(*inputs) * (output - d * d)]


class ErfcCurvature(NormalOp):
    nin, kernel = 3, "erfc_curvature"

    def slopes(self, c, k, inputs, output):
        d, s = scalar_erfc_excess(*inputs), scalar_erfc_slope(*inputs)
        return [k * c * scalar_erfc_ratio(*inputs) * (d * d - s)]


class ErfcSecond(NormalOp):
    nin, kernel = 3, "erfc_second"

    def slopes(self, c, k, inputs, output):
        d, s = scalar_erfc_excess(*inputs), scalar_erfc_slope(*inputs)
        return [-k * (d - k * inputs[0] * s)]


class ErfDifference(NormalOp):
    nin, kernel = 4, "erf_difference"

    def slopes(self, c, k, inputs, output):
        a, b = (k * x for x in inputs[:2])
        return [c * k * exp(-a * a), -c * k * exp(-b * b)]


class LogHalfErfDifference(NormalOp):
    nin, kernel = 4, "log_half_erf_difference"

    def slopes(self, c, k, inputs, output):
        return [c * k * ratio for ratio in _both_ratios(inputs)]


class LogErfDifference(LogHalfErfDifference):
    kernel = "log_erf_difference"


class ErfDifferenceRatio(NormalOp):
    nin, kernel = 4, "erf_difference_ratio"

    def slopes(self, c, k, inputs, output):
        _, other = _both_ratios(inputs)
        return [-k * output * scalar_erf_difference_excess(*inputs), -c * k * output * other]


class ErfDifferenceExcess(NormalOp):
    nin, kernel = 4, "erf_difference_excess"

    def slopes(self, c, k, inputs, output):
        two = constant(2, dtype=output.type.dtype)
        ratio, other = _both_ratios(inputs)
        return [k * (two - c * ratio * output), -c * c * k * ratio * other]


def _both_ratios(inputs: Scalars) -> tuple[ScalarVariable, ScalarVariable]:
    a, b, hi, lo = inputs
    return scalar_erf_difference_ratio(a, b, hi, lo), scalar_erf_difference_ratio(b, a, hi, lo)


_OWN = (
    *(ErfcScaled, LogErfc, LogHalfErfc, LogErfcx, ErfcRatio, ErfcExcess, ErfcSlope, ErfcSecond),
    ErfcCurvature,
    *(ErfDifference, LogHalfErfDifference, LogErfDifference),
    *(ErfDifferenceRatio, ErfDifferenceExcess),
)
# The normal functions, PyTensor's and ours: the family's rules have nothing to do without one.
FAMILY: tuple[type[ScalarOp], ...] = (psm.Erf, psm.Erfc, psm.Erfcx, *_OWN)

scalar_erfc_ratio: Callable[..., Any] = ErfcRatio()
scalar_erfc_excess: Callable[..., Any] = ErfcExcess()
scalar_erfc_slope: Callable[..., Any] = ErfcSlope()
scalar_erf_difference_ratio: Callable[..., Any] = ErfDifferenceRatio()
scalar_erf_difference_excess: Callable[..., Any] = ErfDifferenceExcess()

erfc_scaled = Elemwise(ErfcScaled())
log_erfc = Elemwise(LogErfc())
log_half_erfc = Elemwise(LogHalfErfc())
log_erfcx = Elemwise(LogErfcx())
erfc_ratio = Elemwise(scalar_erfc_ratio)
erfc_excess = Elemwise(scalar_erfc_excess)
erfc_slope = Elemwise(scalar_erfc_slope)
erfc_curvature = Elemwise(ErfcCurvature())
erfc_second = Elemwise(ErfcSecond())
erf_difference = Elemwise(ErfDifference())
log_erf_difference = Elemwise(LogErfDifference())
log_half_erf_difference = Elemwise(LogHalfErfDifference())
erf_difference_ratio = Elemwise(scalar_erf_difference_ratio)
erf_difference_excess = Elemwise(scalar_erf_difference_excess)
