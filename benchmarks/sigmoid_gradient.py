"""Speed of the sigmoid's derivative: ours against stock, side by side in one run.

Prints a Markdown table of nanoseconds an element and the ratio to stock, with the versions.  The
timed calls are interleaved, so that a slow moment of the machine hits all of them.

    python benchmarks/sigmoid_gradient.py [--sizes 1000 100000] [--repeats 15]
"""

import argparse
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import time
from statistics import median

import numpy as np
import pytensor
import pytensor.tensor as pt
from versions import versions

import pytensor_stabilize

QUANTITIES = {
    "sigmoid": lambda x: [pt.sigmoid(x)],
    "sigmoid'": lambda x: [pt.grad(pt.sigmoid(x).sum(), x)],
    "sigmoid, sigmoid'": lambda x: [pt.sigmoid(x), pt.grad(pt.sigmoid(x).sum(), x)],
    "gradient of log(1 - sigmoid)": lambda x: [pt.grad(pt.log(1 - pt.sigmoid(x)).sum(), x)],
}
ELEMENTS_A_SAMPLE = 2_000_000


def build(quantity: str, dtype: str, linker: str):
    x = pt.vector("x", dtype=dtype)
    outputs = [pytensor.Out(out, borrow=True) for out in QUANTITIES[quantity](x)]
    function = pytensor.function([pytensor.In(x, borrow=True)], outputs, mode=linker)
    function.trust_input = True
    return function


def interleaved(functions: dict, x: np.ndarray, repeats: int) -> dict[str, float]:
    """Median CPU nanoseconds an element of each function."""
    calls = max(1, ELEMENTS_A_SAMPLE // x.size)
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function(x)
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.process_time_ns()
            for _ in range(calls):
                function(x)
            samples[name].append((time.process_time_ns() - begin) / calls / x.size)
    return {name: median(values) for name, values in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    print(versions(), "one thread, median CPU time", sep="; ")
    print("\n| linker | dtype | n | quantity | stock, ns | ours, ns | ours / stock |")
    print("|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for linker in ("NUMBA", "CVM"):
        for dtype in ("float64", "float32"):
            for quantity in QUANTITIES:
                with pytensor_stabilize.excluding("all"):
                    functions = {"stock": build(quantity, dtype, linker)}
                functions["ours"] = build(quantity, dtype, linker)
                for n in options.sizes:
                    x = rng.normal(scale=5, size=n).astype(dtype)
                    times = interleaved(functions, x, options.repeats)
                    ratio = times["ours"] / times["stock"]
                    print(
                        f"| {linker.lower()} | {dtype} | {n} | {quantity} | "
                        f"{times['stock']:.2f} | {times['ours']:.2f} | {ratio:.2f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
