"""Worst error of sigmoid and its derivative in ulps, stock against ours, as a Markdown table.

    python benchmarks/accuracy.py [--points 2001]

Truth by mpmath at 60 digits, at points spread evenly over the range where the result is a normal
float, and densely near 0.  Errors count in ulps of the truth.
"""

import argparse

import mpmath
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import get_mode
from versions import versions

import pytensor_stabilize

mpmath.mp.dps = 60
LIMITS = {"float64": 708.0, "float32": 87.0}
LINKERS = (
    ("numba", "NUMBA", True),
    ("numba, fast-math off", "NUMBA", False),
    ("cvm", "CVM", True),
    ("jax", "JAX", True),
)


def points(dtype: str, count: int) -> np.ndarray:
    near = np.logspace(-20, 0, count // 8)
    even = np.linspace(-LIMITS[dtype], LIMITS[dtype], count)
    return np.concatenate([even, near, -near]).astype(dtype)


def exact(x: np.ndarray, derivative: bool) -> list[mpmath.mpf]:
    values = []
    for v in x:
        e = mpmath.exp(-abs(mpmath.mpf(float(v))))
        sigmoid = (1 if v >= 0 else e) / (1 + e)
        values.append(e / (1 + e) ** 2 if derivative else sigmoid)
    return values


def worst(actual: np.ndarray, truth: list[mpmath.mpf]) -> tuple[float, int]:
    errors = [
        float(abs(mpmath.mpf(float(a)) - t) / float(np.spacing(np.asarray(float(t), actual.dtype))))
        for a, t in zip(actual, truth, strict=True)
    ]
    index = int(np.argmax(errors))
    return errors[index], index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=2001)
    options = parser.parse_args()
    print(versions(), "\n")
    print("| quantity | dtype | linker | stock, ulps | at x | ours, ulps | at x |")
    print("|---|---|---|---|---|---|---|")
    for derivative in (False, True):
        for dtype in LIMITS:
            x = points(dtype, options.points)
            truth = exact(x, derivative)
            u = pt.vector("u", dtype=dtype)
            s = pt.sigmoid(u)
            graph = pt.grad(s.sum(), u) if derivative else s
            for label, mode, fastmath in LINKERS:
                cells = []
                with pytensor.config.change_flags(numba__fastmath=fastmath):
                    with pytensor_stabilize.excluding("all"):
                        stock = pytensor.function([u], graph, mode=get_mode(mode))
                    ours = pytensor.function([u], graph, mode=get_mode(mode))
                for function in (stock, ours):
                    error, index = worst(np.asarray(function(x)), truth)
                    cells += [f"{error:.2g}" if error < 1e4 else f"{error:.1e}", f"{x[index]:.4g}"]
                name = "sigmoid'" if derivative else "sigmoid"
                print(f"| {name} | {dtype} | {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
