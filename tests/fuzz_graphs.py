"""Random graphs for the fuzzer: programs of a few steps over the ops that the rules touch.

A program is data: each step names an operation and its operands, which are earlier steps (by
number), inputs or constants (by name).  So it can be printed, made smaller, and built again.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytensor
import pytensor.tensor as pt
from hypothesis import strategies as st
from pytensor.compile.builders import OpFromGraph
from pytensor.gradient import DisconnectedInputError, NullTypeGradError
from pytensor.graph.basic import Variable

Operand = int | str


class UnbuildableError(Exception):
    """The program makes no graph, with or without our rules."""


@dataclass(frozen=True)
class Program:
    """Steps, and what is compiled of the last one.

    Attributes
    ----------
    steps
        Operation and operands.
    order
        The derivative by x that is looked at.
    together
        Whether the value and the lower derivatives are outputs of the same function.
    dtype
        Of the inputs; one of them has the other width.
    """

    steps: tuple[tuple[str, tuple[Operand, ...]], ...]
    order: int
    together: bool
    dtype: str

    def __str__(self) -> str:
        lines = [f"{i}: {name}({', '.join(map(str, args))})" for i, (name, args) in self.numbered]
        what = ("value", "dx", "dxx")[self.order] + (" and lower" if self.together else "")
        return f"{what}, {self.dtype}: " + "; ".join(lines)

    @property
    def numbered(self) -> Iterator[tuple[int, tuple[str, tuple[Operand, ...]]]]:
        """The steps and their numbers."""
        return iter(enumerate(self.steps))


def _scanned(a):
    def step(v):
        s = pt.sigmoid(v)
        return s * (1 - s)

    return pytensor.scan(step, sequences=[a], return_updates=False)


def _inner_graph(a):
    inner = a.type()
    return OpFromGraph([inner], [pt.log(pt.sigmoid(inner)) * (1 - pt.sigmoid(inner))])(a)


def _written(a, b):
    return pt.set_subtensor(a[:1], b[:1])


# By name: how often it is drawn, the number of operands, the operation.
OPS = {
    **{name: (4, 1, getattr(pt, name)) for name in ("sigmoid", "tanh", "exp", "log")},
    **{name: (2, 1, getattr(pt, name)) for name in ("expm1", "log1p", "softplus", "sqrt", "sqr")},
    **{name: (1, 1, getattr(pt, name)) for name in ("erf", "erfc", "cosh", "sinh", "cos", "sin")},
    **{name: (1, 1, getattr(pt, name)) for name in ("abs", "arctan", "reciprocal", "log1mexp")},
    "neg": (3, 1, lambda a: -a),
    "one_minus": (4, 1, lambda a: 1 - a),
    "minus_one": (2, 1, lambda a: a - 1),
    "one_plus": (2, 1, lambda a: 1 + a),
    "half": (1, 1, lambda a: a / 2),
    "twice": (1, 1, lambda a: 2 * a),
    "cube": (1, 1, lambda a: a**3),
    "to_half": (1, 1, lambda a: a**0.5),
    "bell": (1, 1, lambda a: pt.exp(-(a**2))),
    "phi": (1, 1, lambda a: 0.5 * pt.erfc(-a / math.sqrt(2.0))),
    "relu": (1, 1, lambda a: pt.maximum(a, 0)),
    "clip": (1, 1, lambda a: pt.clip(a, 1e-6, 1 - 1e-6)),
    "softmax": (1, 1, lambda a: pt.special.softmax(a, axis=-1)),
    "log_softmax": (1, 1, lambda a: pt.special.log_softmax(a, axis=-1)),
    "logsumexp": (1, 1, lambda a: pt.logsumexp(a, axis=-1, keepdims=True)),
    "sum": (1, 1, lambda a: a.sum(axis=-1, keepdims=True)),
    "mean": (1, 1, lambda a: a.mean()),
    "max": (1, 1, lambda a: a.max(axis=-1, keepdims=True)),
    "cumsum": (1, 1, lambda a: pt.cumsum(a, axis=-1)),
    "reversed": (1, 1, lambda a: a[::-1]),
    "first": (1, 1, lambda a: a[:1]),
    "picked": (1, 1, lambda a: a[np.array([0, 0, -1])]),
    "column": (1, 1, lambda a: a[..., None]),
    "flat": (1, 1, lambda a: a.ravel()),
    "narrowed": (1, 1, lambda a: a.astype("float32")),
    "widened": (1, 1, lambda a: a.astype("float64")),
    "positive": (1, 1, lambda a: a > 0),
    "scan": (1, 1, _scanned),
    "inner_graph": (1, 1, _inner_graph),
    "add": (8, 2, lambda a, b: a + b),
    "sub": (8, 2, lambda a, b: a - b),
    "mul": (10, 2, lambda a, b: a * b),
    "div": (8, 2, lambda a, b: a / b),
    "pow": (1, 2, lambda a, b: a**b),
    "maximum": (1, 2, pt.maximum),
    "logaddexp": (1, 2, pt.logaddexp),
    "join": (1, 2, lambda a, b: pt.concatenate([a, b], axis=-1)),
    "joined_part": (1, 2, lambda a, b: pt.concatenate([a, b])[: a.shape[0]]),
    "written": (1, 2, _written),
    "switch": (2, 3, lambda a, b, c: pt.switch(a > 0, b, c)),
    "blend": (2, 3, lambda a, b, c: a * b + (1 - a) * c),
}
# Near critical values, and of several dtypes and shapes.
CONSTANTS = {
    **{str(c): c for c in (0, 1, 2, -1, 3, 0.5, 0.1, -0.3, 1e-300, 1e300, 0.25)},
    **{str(c): c for c in (np.nextafter(1.0, 0), np.nextafter(1.0, 2), 1e-9)},
    "float32 0.1": np.float32(0.1),
    "int8 1": np.int8(1),
    "one": np.ones((1,)),
    "ones": np.ones((2, 1)),
    "float32 ones": np.ones((1,), "float32"),
}
# Inputs: dtype ("" is the program's, "other" the other width) and static shape.
INPUTS = {
    "x": ("", (None,)),
    "y": ("", (None,)),
    "c": ("", ()),
    "o": ("", (1,)),
    "m": ("", (None, 1)),
    "w": ("other", (None,)),
    "n": ("int64", (None,)),
    "u": ("uint8", (None,)),
    "b": ("bool", (None,)),
}


def dtype_of(name: str, dtype: str) -> str:
    """The dtype of an input in a program of a dtype."""
    other = "float32" if dtype == "float64" else "float64"
    return {"": dtype, "other": other}.get(INPUTS[name][0], INPUTS[name][0])


def build(program: Program) -> tuple[list[Variable], list[Variable]]:
    """Inputs and outputs.

    Raises
    ------
    UnbuildableError
        PyTensor refuses it.
    """
    inputs: dict[str, Variable] = {}

    def value(operand: Operand) -> Variable:
        if isinstance(operand, int):
            return made[operand]
        if operand in INPUTS and operand not in inputs:
            dtype = dtype_of(operand, program.dtype)
            inputs[operand] = pt.tensor(operand, dtype=dtype, shape=INPUTS[operand][1])
        return inputs[operand] if operand in INPUTS else pt.as_tensor(CONSTANTS[operand])

    made: list[Variable] = []
    try:
        for name, operands in program.steps:
            made.append(OPS[name][2](*map(value, operands)))
        outputs = [made[-1]]
        for _ in range(program.order):
            outputs.append(pytensor.grad(outputs[-1].sum(), inputs["x"]))
    except (
        *(TypeError, ValueError, IndexError, KeyError, NotImplementedError, AssertionError),
        *(DisconnectedInputError, NullTypeGradError),
    ) as error:
        raise UnbuildableError(str(error)) from error
    if outputs[-1].type.dtype not in ("float32", "float64"):
        raise UnbuildableError("no float")
    return list(inputs.values()), outputs if program.together else outputs[-1:]


_ORDINARY = (0.3, -0.7, 1.0, 1.3, -2.1, 5.2, -9.8, 19.3, -19.4, 36.9, -38.2, 40.1, 0.05)
_SMALL = (0.0, -0.0, 1e-3, -3e-5, 1e-9, -2e-17, 1e-160, -1e-300)
_TINY = {"float64": (2.3e-308, -5e-324), "float32": (1.2e-38, -1e-45)}
_ENDS = {
    "float64": (300.2, 354.9, 355.4, 700.1, 708.9, 709.6, 710.3, 720.0, 744.7, 745.3, 750.0),
    "float32": (17.3, 43.9, 44.5, 87.2, 88.2, 88.6, 89.0, 103.2, 104.1, 110.0),
}
_LARGE = {
    "float64": (1e3, -1e5, 1e16, 1e155, 1.7e308, np.inf, -np.inf, np.nan),
    "float32": (1e3, -1e5, 1e10, 1e20, 3e38, np.inf, -np.inf, np.nan),
}
_WHOLE = (0, 1, 2, 3, 7, 40, 255)


def _pools(dtype: str) -> list[tuple[float, ...]]:
    """One pool for each element of an input: half of them ordinary."""
    if dtype == "bool":
        return [(False, True)]
    if dtype.startswith(("int", "uint")):
        return [_WHOLE if dtype == "uint8" else (*_WHOLE, -1, -3)]
    ends = tuple(sign * end for end in _ENDS[dtype] for sign in (1, -1))
    return [
        _ORDINARY,
        _ORDINARY,
        _SMALL,
        ends,
        _ORDINARY,
        ends,
        _LARGE[dtype] + _TINY[dtype],
    ]


def random_case(seed: int, most_steps: int = 8) -> tuple[Program, dict[str, np.ndarray]]:
    """A program, and the values of all inputs that it may have."""
    rng = random.Random(seed)
    names = [name for name, (often, _, _) in OPS.items() for _ in range(often)]
    leaves = [*["x"] * 8, *["y"] * 3, *(name for name in INPUTS if name not in "xy")]
    steps: list[tuple[str, tuple[Operand, ...]]] = []
    for i in range(rng.randint(3, most_steps)):
        name = rng.choice(names)
        operands: list[Operand] = []
        for _ in range(OPS[name][1]):
            kind = rng.choice(["step"] * 5 + ["input"] * 3 + ["constant"])
            pool = range(i) if kind == "step" and i else leaves
            operands.append(rng.choice(list(CONSTANTS) if kind == "constant" else pool))
        if i and i - 1 not in operands and rng.random() < 0.7:
            operands[rng.randrange(len(operands))] = i - 1  # or most steps would be dead
        if not i and operands[0] not in INPUTS:
            operands[0] = "x"
        steps.append((name, tuple(operands)))
    dtype = rng.choice(["float64"] * 3 + ["float32"])
    order = rng.choice([0, 1, 1, 2])
    program = used(Program(tuple(steps), order, rng.random() < 0.3, dtype))
    length = rng.choice([7] * 12 + [1, 0])
    values = {}
    for name, (_, shape) in INPUTS.items():
        own = dtype_of(name, dtype)
        size = 1 if shape in ((), (1,)) else length
        pools = _pools(own)
        elements = [rng.choice(pools[k % len(pools)]) for k in range(size)]
        full = tuple(length if n is None else n for n in shape)
        values[name] = np.array(elements, dtype=own).reshape(full)
    return _of_x(program), values


def cases() -> st.SearchStrategy[tuple[Program, dict[str, np.ndarray]]]:
    """Programs and values, by a seed: hypothesis repeats longer examples with little changed."""
    return st.integers(0, 2**40).map(random_case)


def _of_x(program: Program) -> Program:
    """The program with x in place of its first constant or other input, if it has none."""
    steps = list(program.steps)
    if not any("x" in operands for _, operands in steps):
        name, operands = steps[0]
        steps[0] = name, ("x", *operands[1:])
    return replace(program, steps=tuple(steps))


def used(program: Program) -> Program:
    """The program without the steps that the last one does not need."""
    needed = {len(program.steps) - 1}
    for i in range(len(program.steps) - 1, -1, -1):
        if i in needed:
            needed |= {o for o in program.steps[i][1] if isinstance(o, int)}
    new = {old: number for number, old in enumerate(sorted(needed))}
    steps = [
        (name, tuple(new[o] if isinstance(o, int) else o for o in operands))
        for i, (name, operands) in enumerate(program.steps)
        if i in needed
    ]
    return replace(program, steps=tuple(steps))


def smaller(program: Program) -> Iterator[Program]:
    """Programs that are simpler by one change, those that leave out most first."""
    for last in range(1, len(program.steps)):
        yield used(replace(program, steps=program.steps[:last]))
    for order in range(program.order):
        yield replace(program, order=order)
    if program.together:
        yield replace(program, together=False)
    if program.dtype != "float64":
        yield replace(program, dtype="float64")
    for i, (name, operands) in program.numbered:
        # The step is left out: what used it takes one of its operands.
        for instead in dict.fromkeys(operands):
            if i == len(program.steps) - 1 and not isinstance(instead, int):
                continue
            steps = [
                (n, tuple(instead if o == i and isinstance(o, int) else o for o in args))
                for n, args in program.steps
            ]
            if i == len(program.steps) - 1:
                steps = steps[: int(instead) + 1]
            yield used(replace(program, steps=tuple(steps)))
        for position, operand in enumerate(operands):
            for simpler in ("x", "1"):
                if operand not in ("x", simpler):
                    changed = (*operands[:position], simpler, *operands[position + 1 :])
                    steps = [*program.steps]
                    steps[i] = (name, changed)
                    yield used(replace(program, steps=tuple(steps)))
