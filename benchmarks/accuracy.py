"""Worst error of sigmoid and its derivative in ulps, stock against ours, as a Markdown table.

    python benchmarks/accuracy.py [--points 2001]

At points spread evenly over the range where the result is a normal float, and densely near 0;
`graphs.truth` gives the exact values and `graphs.ulp_error` the errors.
"""

import argparse

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import get_mode
from versions import versions

import pytensor_stabilize
from pytensor_stabilize.graphs import truth, ulp_error

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
            u = pt.vector("u", dtype=dtype)
            s = pt.sigmoid(u)
            graph = pt.grad(s.sum(), u) if derivative else s
            exact = truth(graph, {u: x})
            for label, mode, fastmath in LINKERS:
                cells = []
                with pytensor.config.change_flags(numba__fastmath=fastmath):
                    with pytensor_stabilize.excluding("all"):
                        stock = pytensor.function([u], graph, mode=get_mode(mode))
                    ours = pytensor.function([u], graph, mode=get_mode(mode))
                for function in (stock, ours):
                    errors = ulp_error(np.asarray(function(x)), exact)
                    index = int(np.argmax(errors))
                    error = errors[index]
                    cells += [f"{error:.2g}" if error < 1e4 else f"{error:.1e}", f"{x[index]:.4g}"]
                name = "sigmoid'" if derivative else "sigmoid"
                print(f"| {name} | {dtype} | {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
