"""Time of exact values and of audits, as a Markdown table.

    python benchmarks/truth.py [--points 20000] [--rows 10000]

Microseconds a point of a scalar chain of five operations, by CPU time, and seconds for the
gradient of a logistic regression at one point: its exact value, and its audit in stock PyTensor
and with our rules.
"""

import argparse
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import time
from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from versions import versions

from pytensor_stabilize.graphs import audit, truth
from pytensor_stabilize.graphs.truth import Evaluator

x = pt.dscalar("x")
CHAINS = {
    "exp(log1p(tanh(sqrt(abs x)))), x in [-30, 30]": (
        pt.exp(pt.log1p(pt.tanh(pt.sqrt(pt.abs(x))))),
        30.0,
    ),
    "1 - sigmoid(x), x in [-30, 30]": (1 - pt.sigmoid(x), 30.0),
    "1 - sigmoid(x), x in [-700, 700]": (1 - pt.sigmoid(x), 700.0),
    "sigmoid'(x), x in [-700, 700]": (pt.grad(pt.sigmoid(x), x), 700.0),
}


def cpu_seconds(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def chain_times(count: int) -> None:
    print("| scalar graph | exact values, microseconds a point |")
    print("|---|---|")
    for name, (graph, limit) in CHAINS.items():
        evaluator = Evaluator([graph])
        points = [[np.asarray(value)] for value in np.linspace(-limit, limit, count)]
        seconds = sorted(cpu_seconds(lambda e=evaluator, p=points: e.many(p)) for _ in range(3))
        print(f"| {name} | {seconds[1] / count * 1e6:.1f} |", flush=True)


def regression(rows: int) -> tuple[list[pt.TensorVariable], dict[pt.TensorVariable, np.ndarray]]:
    rng = np.random.default_rng(0)
    columns, labels = rng.normal(size=(rows, 5)), rng.integers(0, 2, rows)
    b = pt.dvector("b")
    p = pt.sigmoid(pt.dot(columns, b))
    loss = -(labels * pt.log(p) + (1 - labels) * pt.log1p(-p)).sum()
    return [loss, pt.grad(loss, b)], {b: np.array([1.0, 20.0, -3.0, 4.0, 5.0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    print(f"{versions()}; CPU time\n")
    chain_times(options.points)
    graphs, at = regression(options.rows)
    print(f"\n| logistic regression, {options.rows} rows: loss and gradient, one point | seconds |")
    print("|---|---|")
    print(f"| exact value | {cpu_seconds(lambda: truth(graphs, at)):.2f} |", flush=True)
    seconds = cpu_seconds(lambda: audit(graphs, inputs=at))
    print(f"| audit, stock and ours, with the nodes to blame | {seconds:.1f} |")


if __name__ == "__main__":
    main()
