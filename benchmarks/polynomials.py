"""The polynomials of the branch-free kernels: prints `rewrites/branch_free/coefficients.py`.

Each is the polynomial of its degree with the least greatest relative error of the kernel's result
(Remez's exchange on a grid, at 500 bits); the greatest error, in halves of an ulp of 1, stands
beside it.

    python benchmarks/polynomials.py
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx

ctx.prec = 500
GRID = 3001  # odd: the middle of an interval may be 0, where a function is 0 / 0
ROUNDS = 12
Function = Callable[[arb], arb]


@dataclass(frozen=True)
class Problem:
    """`function` on an interval, and by what an error of it is multiplied in the result."""

    name: str
    function: Function
    weight: Function
    interval: tuple[arb, arb]
    degrees: dict[str, int]
    formula: str


LN2 = arb(2).log()
PROBLEMS = (
    Problem(
        "EXP",
        lambda r: (r.exp() - 1 - r) / r**2,
        lambda r: r**2 / r.exp(),
        # A little more than half of log 2: the multiple of log 2 is found with a rounded product.
        (-LN2 / 2 * arb("1.0001"), LN2 / 2 * arb("1.0001")),
        {"float64": 10, "float32": 5},
        "exp(r) = 1 + r + r**2 EXP(r), |r| <= log(2) / 2",
    ),
    Problem(
        "EXPM1",
        lambda t: (t - 1 + (-t).exp()) / t**2,
        lambda t: t**2 / (1 - (-t).exp()),
        (arb(0), LN2 * arb("1.0001")),
        {"float64": 10, "float32": 5},
        "1 - exp(-t) = t - t**2 EXPM1(t), 0 <= t <= log(2)",
    ),
    Problem(
        "LOG1P",
        lambda z: (2 * z.sqrt().atanh() / z.sqrt() - 2) / z,
        lambda z: z.sqrt() ** 3 / (2 * z.sqrt().atanh()),
        (arb(0), arb("0.04")),
        {"float64": 7, "float32": 2},
        "2 atanh(s) = 2 s + s**3 LOG1P(s**2), s**2 <= 0.04",
    ),
)


def value(polynomial: Sequence[arb], x: arb) -> arb:
    """Horner's rule, the lowest power first."""
    total = arb(0)
    for coefficient in reversed(polynomial):
        total = total * x + coefficient
    return total


def remez(problem: Problem, degree: int) -> tuple[list[arb], float]:
    """Coefficients, the lowest power first, and the greatest weighted error."""
    low, high = problem.interval
    cosines = [(arb.pi() * i / GRID).cos() for i in range(GRID + 1)]
    # Off the ends by a little: the function has a removable singularity at 0.
    grid = [(low + high) / 2 - (high - low) / 2 * c * (1 - arb(2) ** -60) for c in cosines]
    grid = [x.mid() for x in grid]
    exact = [problem.function(x).mid() for x in grid]
    weights = [problem.weight(x).mid() for x in grid]
    nodes = [round(GRID * (i + 0.5) / (degree + 2)) for i in range(degree + 2)]
    polynomial: list[arb] = []
    worst = np.inf
    for _ in range(ROUNDS):
        rows = [
            [grid[i] ** k for k in range(degree + 1)] + [(-1) ** j / weights[i]]
            for j, i in enumerate(nodes)
        ]
        solved = arb_mat(rows).solve(arb_mat([[exact[i]] for i in nodes]))
        polynomial = [solved[k, 0].mid() for k in range(degree + 1)]
        errors = np.array(
            [
                float(w * (f - value(polynomial, x)))
                for x, f, w in zip(grid, exact, weights, strict=True)
            ]
        )
        worst = float(np.abs(errors).max())
        nodes = extremes(errors, degree + 2)
    return polynomial, worst


def extremes(errors: np.ndarray, count: int) -> list[int]:
    """The `count` neighbouring extremes of alternating sign that have the largest errors."""
    signs = np.sign(errors)
    pieces = np.split(np.arange(len(errors)), np.nonzero(signs[1:] != signs[:-1])[0] + 1)
    peaks = [int(piece[np.argmax(np.abs(errors[piece]))]) for piece in pieces]
    while len(peaks) > count:
        ends = abs(errors[peaks[0]]) < abs(errors[peaks[-1]])
        peaks.pop(0 if ends else -1)
    return peaks


def split_log2(bits: int, dtype: type) -> tuple[float, float]:
    """log(2) as a number of `bits` bits and the rest."""
    scale = arb(2) ** bits
    high = arb((LN2 * scale).floor().unique_fmpz()) / scale
    return float(high), float(dtype(float(LN2 - high)))


def main() -> None:
    print('"""Coefficients of the branch-free kernels, the highest power first::\n')
    for problem in PROBLEMS:
        print(f"    {problem.formula}")
    print("\nMade by ``benchmarks/polynomials.py``.  `LOG2` is log(2) in two parts.")
    print('"""\n\n# fmt: off')
    for problem in PROBLEMS:
        print(f"{problem.name} = {{")
        for dtype, degree in problem.degrees.items():
            polynomial, worst = remez(problem, degree)
            unit = np.finfo(dtype).eps / 2
            print(f'    "{dtype}": (  # {worst / unit:.3f}')
            for coefficient in reversed(polynomial):
                print(f"        {float(np.dtype(dtype).type(float(coefficient)))!r},")
            print("    ),")
        print("}")
    print("LOG2 = {")
    # So short that its product with the exponent is exact.
    for dtype, bits, kind in (("float64", 42, np.float64), ("float32", 15, np.float32)):
        print(f'    "{dtype}": {split_log2(bits, kind)},')
    print("}")


if __name__ == "__main__":
    main()
