"""The correctly rounded value of any graph, by ball arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any, overload

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import graph_inputs

from pytensor_stabilize.graphs.graphlike import outputs_of, shared_value
from pytensor_stabilize.rewrites.checks import check_count, shown

FIRST_BITS = 128
MAX_BITS = 4096


def widened(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat the elements of points that stayed undecided as a whole, and have no shape."""
    missing = len(shape) - array.ndim
    return np.broadcast_to(array.reshape(array.shape + (1,) * missing), shape).copy()


@dataclass(frozen=True, eq=False)
class Truth:
    """What a graph's output is, exactly.

    Attributes
    ----------
    value
        The correctly rounded value, of the output's dtype and shape; nan where it is undefined
        or undecided, or 0 if the dtype has no nan.
    status
        Of each element 0 (decided), 1 (undefined: there is no real value) or 2 (undecided: the
        cap on the precision was reached, as at a tie or at a condition on two equal values).
    offset
        By how many ulps `value` lies above the exact value, within [-0.5, 0.5]; 0 for integers
        and where `value` is infinite.
    bits
        Largest precision that was needed, in bits.
    balls
        Object array of `flint.arb` that hold the exact values; None for integers.
    """

    value: np.ndarray
    status: np.ndarray
    offset: np.ndarray
    bits: int
    balls: np.ndarray | None = field(repr=False, default=None)

    @property
    def decided(self) -> np.ndarray:
        """Where the exact value is known."""
        return self.status == 0

    @property
    def undefined(self) -> np.ndarray:
        """Where there is no real value."""
        return self.status == 1

    @property
    def undecided(self) -> np.ndarray:
        """Where the cap on the precision was reached."""
        return self.status == 2

    def __getitem__(self, index: Any) -> Truth:
        parts = (np.asarray(a)[index] for a in (self.value, self.status, self.offset))
        value, status, offset = (np.asarray(part) for part in parts)
        balls = None if self.balls is None else self.balls[index]
        return Truth(value, status, offset, self.bits, balls)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.value)


Givens = Mapping[Variable, Any] | Mapping[str, Any] | None


@overload
def truth(variables: Variable, givens: Givens = ..., *, max_bits: int = ...) -> Truth: ...
@overload
def truth(
    variables: Sequence[Variable], givens: Givens = ..., *, max_bits: int = ...
) -> list[Truth]: ...


# PyTensor says of its gradients that they may be a variable, several, or None.
@overload
def truth(variables: Any, givens: Givens = ..., *, max_bits: int = ...) -> Any: ...


def truth(variables, givens=None, *, max_bits=MAX_BITS):
    """Compute the correctly rounded value of a graph, as it stands and without rewriting.

    The graph is interpreted in ball arithmetic (Arb, Johansson 2017) at a precision that doubles
    until both ends of each output's ball round to the same float.  Inputs and constants are the
    exact values of their floats; casts between floats change nothing; integers and conditions
    are computed as PyTensor does.  Only the branch that a switch selects counts.  A zero of a
    constant, an integer or a condition annihilates what it multiplies, also where that is
    undefined: it is what makes the gradient of a switch right.  Zeros have no sign.

    Parameters
    ----------
    variables
        A variable or a list of variables, gradients included.
    givens
        Values of the inputs, by variable or by name.  Shared variables have their own value
        unless one is given.
    max_bits
        Precision at which to give up, in bits: at least the 128 that it begins with.

    Returns
    -------
    Truth or list of Truth

    Raises
    ------
    ImportError
        python-flint is not installed.
    UnsupportedOp
        An op is not known; the message names it and says how to add it.
    TypeError
        `variables` is not made of variables, for example a compiled function, or `givens` is no
        mapping.
    ValueError
        An input has no value, a given is no input or has a wrong shape, a value is not a float
        of the input's dtype, or `max_bits` is no integer or too small.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_stabilize.graphs import truth
    >>> x = pt.dscalar("x")
    >>> print(truth(1 - pt.sigmoid(x), {x: 800.0}).value)
    0.0
    >>> print(truth(1 - pt.sigmoid(x), {"x": 700.0}).value)
    9.85967654375977e-305
    """
    single = isinstance(variables, Variable)
    outputs = outputs_of(variables, "truth()")
    check_count("max_bits", max_bits, FIRST_BITS)
    evaluator = Evaluator(outputs)
    results = evaluator(evaluator.values_of(givens), max_bits)
    return results[0] if single else results


def import_exact() -> Any:
    """The modules that compute on balls; they need python-flint."""
    try:
        from pytensor_stabilize.graphs import exact
    except ImportError as error:
        if error.name != "flint":
            raise
        raise ImportError(
            "Exact values need python-flint: pip install 'pytensor-stabilize[truth]' "
            "(or pip install python-flint)."
        ) from error
    return exact


class Evaluator:
    """Truth of one graph at many points: the graph is translated once.

    Parameters
    ----------
    outputs
        Variables of an unrewritten graph.
    inputs
        Variables that are given; by default all roots that are not constants.
    """

    def __init__(self, outputs: Sequence[Variable], inputs: Sequence[Variable] | None = None):
        self.exact = import_exact()
        self.outputs = list(outputs)
        self.inputs = free_inputs(outputs) if inputs is None else list(inputs)
        self.program = self.exact.Program(self.inputs, self.outputs)

    def values_of(self, givens: Mapping[Any, Any] | None) -> list[np.ndarray]:
        """Values of the inputs in their order, checked.

        Raises
        ------
        ValueError
            See `truth`.
        """
        given = by_variable(givens, self.inputs, "givens: ")
        values = {v: check_value(v, a) for v, a in given.items()}
        for variable in self.inputs:
            if variable not in values and isinstance(variable, SharedVariable):
                values[variable] = shared_value(variable)
        missing = [str(variable) for variable in self.inputs if variable not in values]
        if missing:
            raise ValueError(
                f"No value was given for {', '.join(missing)}. Pass givens={{variable: value}}."
            )
        return [values[variable] for variable in self.inputs]

    def __call__(self, values: Sequence[Any], max_bits: int = MAX_BITS) -> list[Truth]:
        """Truth of the outputs at one point: one value an input, floats or balls."""
        return [result[0] for result in self.many([values], max_bits)]

    def many(self, points: Sequence[Sequence[Any]], max_bits: int = MAX_BITS) -> list[Truth]:
        """Truth of the outputs at several points, which stand along the first axis."""
        return self.exact.decide(self.program, points, max_bits)


def by_variable(
    given: Mapping[Any, Any] | None, inputs: Sequence[Variable], what: str = ""
) -> dict[Variable, Any]:
    """A mapping by variable or by name, by variable.

    Raises
    ------
    TypeError
        What is given is no mapping.
    ValueError
        A key is none of the inputs, or the name of several; the message begins with `what`.
    """
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(
            f"{what}a dict by input, or by its name, is expected, as in {{x: ...}}; "
            f"got {shown(given)}."
        )
    found: dict[Variable, Any] = {}
    for key, value in (given or {}).items():
        matching = [v for v in inputs if v is key or (isinstance(key, str) and v.name == key)]
        if len(matching) != 1:
            names = ", ".join(map(str, inputs)) or "none"
            problem = "is the name of several inputs" if matching else "is no input"
            raise ValueError(
                f"{what}{shown(key)} {problem} of this graph; its inputs are: {names}."
            )
        found[matching[0]] = value
    return found


def free_inputs(outputs: Sequence[Variable]) -> list[Variable]:
    """Roots of a graph that are not constants, shared variables among them."""
    roots = dict.fromkeys(graph_inputs(outputs))
    return [variable for variable in roots if not isinstance(variable, Constant)]


def check_value(variable: Variable, value: Any) -> np.ndarray:
    """A value as an array of the variable's dtype and number of dimensions.

    Raises
    ------
    ValueError
        The value does not fit, or would be rounded.
    """
    dtype, ndim = getattr(variable.type, "dtype", None), getattr(variable.type, "ndim", None)
    if dtype is None or ndim is None:
        raise ValueError(f"The input {variable} of type {variable.type} cannot be given a number.")
    try:
        given = np.asarray(value)
        # Python's integers beyond int64 make an array of objects, None one that becomes nan.
        if given.dtype.kind not in "biufc" and not all(isinstance(n, Number) for n in given.flat):
            raise TypeError("not made of numbers")
        if given.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            raise TypeError("complex")
        # What does not survive is reported below.
        with np.errstate(all="ignore"):
            array = given.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{shown(value)} is no value for {variable} of type {variable.type}."
        ) from error
    if array.ndim != ndim:
        raise ValueError(f"{variable} has {ndim} dimensions, its value has {array.ndim}.")
    shape = getattr(variable.type, "shape", (None,) * ndim)
    if any(wanted not in (None, got) for wanted, got in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{variable} has the static shape {shape}, its value {array.shape}.")
    if not np.array_equal(
        array, given, equal_nan=array.dtype.kind == "f" and given.dtype.kind == "f"
    ):
        raise ValueError(
            f"A value for {variable} is no {dtype} and would be rounded. Pass an array of {dtype}."
        )
    return array
