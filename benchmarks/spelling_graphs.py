"""The graphs of the spellings in `spelling_list.py`, and the points they are measured at."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from measuring import Point, derivative
from pytensor.gradient import NullTypeGradError
from pytensor.graph.traversal import ancestors
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable
from spelling_list import SHORTHANDS, Spelling

# Functions whose values become further outputs of the joint compilation.
INSIDE = {"Sigmoid", "Tanh", "Exp", "Erf", "Erfc", "Softplus", "Log1p", "Cos", "Cosh"}
INPUTS = {"pairs": "ab", "power": "ab", "mix": "xw", "label": "xy", "soft": "xy", "vector": "v"}

# Before a kind of points: the spelling counts on inputs that are vectors, if of one element.
SHAPED = "shaped "

# No round numbers: a graph that is right at 1 and 40 may be wrong beside them.
NEAR = (1e-300, 3.1e-150, 1.1e-40, 2.3e-20, 1.7e-17, 1.3e-16, 6.1e-13, 2.9e-10, 7.3e-8, 1.9e-6)
NEAR += (3.7e-5, 8.3e-4, 0.0123, 0.0571, 0.217, 0.4812, 0.713, 0.987)
FAR = (1.313, 1.871, 2.531, 3.713, 5.19, 7.77, 10.13, 13.71, 17.03, 18.37, 19.21, 22.7, 28.3)
FAR += (33.1, 36.1, 36.71, 37.43, 38.07, 39.9, 44.7, 61.3, 87.3, 88.9, 103.1, 151.3, 301.7)
FAR += (354.1, 377.1, 699.3, 708.7, 710.1, 744.3, 745.7, 801.3)
REAL = np.array([-m for m in reversed(NEAR + FAR)] + [*NEAR, *FAR])
GRID = (-803.1, -301.7, -40.3, -19.2, -2.31, -0.31, 1.3e-9, 0.317, 2.13, 19.7, 39.1, 300.3, 701.3)
CENTRES = (-702.3, -38.3, -7.1, -0.61, 0.0123, 0.717, 5.3, 19.3, 38.7, 700.7)
VECTORS = ((0.1, 0.37, -0.2), (1.3, 0.1, 0.7), (5.1, 0.3, -4.9), (19.3, 0.2, 0.1))
VECTORS += ((38.1, 0.7, 0.3), (40.3, 1.1, 0.1), (0.3, 40.1, 1.7), (-37.9, 0.1, 0.4))
VECTORS += ((300.1, 0.1, -2.0), (801.3, 800.1, 799.0), (-801.3, -800.1, -799.7))
VECTORS += ((0.1, 700.3, 1.0), (745.1, 0.3, 0.7), (20.1, 20.1, -3.0), (41.3, 41.1, 0.2))
VECTORS += ((-1e-9, 1e-9, 2e-9), (-20.3, 33.7, 34.1), (3.1, -38.0, -39.0))


def product(first: Any, second: Any) -> list[np.ndarray]:
    return list(np.array([(p, q) for p in first for q in second]).T)


def columns(kind: str) -> list[np.ndarray]:
    """Points, one array an input."""
    match kind.removeprefix(SHAPED):
        case "real":
            return [REAL]
        case "calls":
            return [np.array([*REAL[::5], -36.9, 37.3, 40.1, -709.3, 744.9])]
        case "positive":
            return [np.array([*REAL[REAL > 1e-100], 1.7e4, 2.3e9, 3.3e17])]
        case "negative":
            return [REAL[REAL < 0]]
        case "small":
            return [REAL[np.abs(REAL) < 1.5]]
        case "unit":
            return [np.array([*NEAR, 0.93, 0.999, 1 - 1e-7, 1 - 1e-13])]
        case "pairs":
            close = [(c, c * (1 + gap)) for c in CENTRES for gap in (-3e-14, 1e-9, -1e-3)]
            grid = [(p, q) for p in GRID for q in GRID if p != q]
            signs = [(38.1, -38.1), (-0.31, 0.31), (701.3, -701.3)]
            equal = [(0.717, 0.717), (-38.7, -38.7)]
            return list(np.array(close + grid[::2] + [p[::-1] for p in close] + signs + equal).T)
        case "power":
            return product((*GRID, 37.1, -37.3, 11.0, -11.0, 1e-3), (0.013, 0.37, 1.9, 12.3, 101.0))
        case "mix":
            return product(REAL[::3], (1e-8, 0.0313, 0.41, 0.97))
        case "label":
            return product(REAL[::2], (0.0, 1.0))
        case "soft":
            return product(REAL[::3], (1e-8, 0.3, 0.97))
        case "vector":
            return [np.array(VECTORS)]
    raise ValueError(f"There is no set of points {kind!r}.")


def points_of(spelling: Spelling, dtype: str) -> list[Point]:
    """Points of a spelling; for each an array an input."""
    with np.errstate(all="ignore"):
        arrays = [np.asarray(column).astype(dtype) for column in columns(spelling.points)]
    if spelling.points.removeprefix(SHAPED) == "pairs":
        a, b = arrays
        # Pairs closer than a float32 stay as close as can be.
        lost = (a == b) & (columns("pairs")[0] != columns("pairs")[1])
        arrays[1] = np.where(lost, np.nextafter(b, np.asarray(np.inf, dtype)), b)
    return [[np.atleast_1d(row) for row in point] for point in zip(*arrays, strict=True)]


class Numbers:
    """NumPy, with floats of one dtype: a float64 number would make a float32 graph float64."""

    def __init__(self, dtype: str):
        self.dtype = dtype

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return (lambda *given: self.cast(found(*given))) if callable(found) else self.cast(found)

    def cast(self, number: Any) -> np.ndarray:
        array = np.asarray(number)
        return array.astype(self.dtype) if array.dtype.kind == "f" else array


class Namespace(dict[str, Any]):
    """Names of a spelling: its inputs, their sigmoids, PyTensor's functions."""

    def __missing__(self, name: str) -> Any:
        shared = {"s": ("sigmoid", "x"), "t": ("tanh", "x")}
        shared |= {"sa": ("sigmoid", "a"), "sb": ("sigmoid", "b")}
        if name in shared and shared[name][1] in self:
            function, argument = shared[name]
            made = getattr(pt, function)(self[argument])
        elif name in SHORTHANDS:
            made = eval(SHORTHANDS[name], self)
        elif hasattr(pt, name):
            made = getattr(pt, name)
        else:
            raise KeyError(name)
        self[name] = made
        return made


class Graph:
    """One spelling: its inputs and its quantities, by name.

    Parameters
    ----------
    scalar
        Make inputs scalars where that is the same at one point: exact values are quicker so.

    Attributes
    ----------
    scalars
        Whether the inputs are.
    by_call
        Whether exact values and functions are computed a point at a time, because the spelling
        is not elementwise.
    """

    def __init__(self, spelling: Spelling, dtype: str, quick: bool, scalar: bool = False):
        self.by_call = spelling.points in ("calls", "vector")
        names = INPUTS.get(spelling.points.removeprefix(SHAPED), "x")
        self.scalars = scalar and not self.by_call and not spelling.points.startswith(SHAPED)
        make = pt.scalar if self.scalars else pt.vector
        self.inputs = [make(name, dtype=dtype) for name in names]
        namespace = Namespace({"np": Numbers(dtype)} | dict(zip(names, self.inputs, strict=True)))
        with pytensor.config.change_flags(floatX=dtype):
            value = eval(spelling.text, namespace)
        self.wrt = [namespace[name] for name in spelling.wrt]
        self.quantities: dict[str, TensorVariable] = {"value": value.astype(dtype)}
        for variable in self.wrt:
            first = derivative(value, variable)
            self.quantities[f"d{variable.name}"] = first
            if quick:
                continue
            # PyTensor has no second derivative of a product over an axis.
            with suppress(NullTypeGradError):
                self.quantities[f"d{variable.name}{variable.name}"] = self.second(first, variable)

    def second(self, first: TensorVariable, variable: TensorVariable) -> TensorVariable:
        """Derivative of a gradient; of a vector's, the diagonal of the Hessian."""
        if variable.name != "v":
            return derivative(first, variable)
        return pt.stack([derivative(first[i], variable)[i] for i in range(len(VECTORS[0]))])

    def inside(self) -> list[TensorVariable]:
        """Values of the functions that the spelling is made of."""
        return [
            variable
            for variable in ancestors([self.quantities["value"]])
            if variable.owner is not None
            and isinstance(variable.owner.op, Elemwise)
            and type(variable.owner.op.scalar_op).__name__ in INSIDE
        ]
