"""Saturation in numbers and in one picture: the tables and the figure of docs/saturation.md.

    python benchmarks/saturation_figure.py [--figure docs/figures/saturation.png]

Prints each table between the markers of its block on the page.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pytensor
import pytensor.tensor as pt
from versions import versions

import pytensor_stabilize
from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites import functions

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "saturation.png"
POINTS = (1.0, 10.0, 18.0, 30.0, 36.0, 37.0, 40.0, 100.0)
DEPTHS = (1, 5, 10, 20, 30)
WIDTH = 64
# Variance of a weight times the width: what keeps the size of the signal for each function.
GAINS = {"sigmoid": 1.0, "tanh": 1.0, "relu": 2.0}
STOCK, OURS, TRUTH = "#c0392b", "#1f5fa8", "0.55"


def compiled(inputs, outputs, stock: bool):
    if not stock:
        return pytensor.function(inputs, outputs, mode="NUMBA")
    with pytensor_stabilize.excluding("all"):
        return pytensor.function(inputs, outputs, mode="NUMBA")


def slope(name: str, dtype: str = "float64", stock: bool = False):
    """The compiled derivative of a function of the family."""
    x = pt.vector("x", dtype=dtype)
    return compiled([x], pt.grad(getattr(functions, name)(x).sum(), x), stock)


def first_zero(name: str, dtype: str) -> float:
    """Least x > 0 at which stock PyTensor's derivative is 0, to four digits."""
    derivative = slope(name, dtype, stock=True)
    x = np.arange(1.0, 60.0, 0.001)
    return float(x[derivative(x.astype(dtype)) == 0][0])


def block(name: str, *lines: str) -> None:
    print(f"<!-- begin {name} -->", *lines, f"<!-- end {name} -->", sep="\n", flush=True)


def largest_table() -> list[str]:
    x = np.linspace(-60, 60, 120_001)
    rows = [
        "| function | largest derivative | stock: 0 from x (float64) | stock: 0 from x (float32) |"
    ]
    rows.append("|---|---|---|---|")
    for name in GAINS:
        largest = slope(name)(x).max()
        zeros = ["never", "never"]
        if name != "relu":
            zeros = [f"{first_zero(name, dtype):.1f}" for dtype in ("float64", "float32")]
        rows.append(f"| {name} | {largest:g} | {zeros[0]} | {zeros[1]} |")
    return rows


def output_table() -> list[str]:
    """The derivative from s alone, where s is the correctly rounded sigmoid."""
    x = pt.dvector("x")
    at = np.array(POINTS)
    s = truth(pt.sigmoid(x), {x: at}).value
    exact = truth(pt.grad(pt.sigmoid(x).sum(), x), {x: at}).value
    from_output, ours = s * (1 - s), slope("sigmoid")(at)
    rows = ["| x | s | true derivative | s * (1 - s) | relative error | ours | relative error |"]
    rows.append("|---|---|---|---|---|---|---|")
    for row in zip(at, s, exact, from_output, ours, strict=True):
        errors = [abs(value / row[2] - 1) for value in row[3:]]
        rows.append(
            f"| {row[0]:g} | {float(row[1])!r} | {row[2]:.6g} | {row[3]:.6g} | {errors[0]:.1g} "
            f"| {row[4]:.6g} | {errors[1]:.1g} |"
        )
    return rows


def different_floats() -> list[str]:
    """How many numbers x there are, evenly spaced, for each s that they have."""
    x = pt.dvector("x")
    sigmoid = compiled([x], pt.sigmoid(x), stock=True)
    rows = ["| 1,000,000 evenly spaced x between | different floats s |", "|---|---|"]
    for lo, hi in ((0, 1), (20, 21), (30, 31), (35, 36), (36, 37), (37, 38)):
        count = np.unique(sigmoid(np.linspace(lo, hi, 1_000_000, endpoint=False))).size
        rows.append(f"| {lo} and {hi} | {count:,} |")
    return rows


def norms_through_depth(name: str, stock: bool) -> np.ndarray:
    """Norm of the gradient k layers before the output, over that at the output."""
    rng = np.random.default_rng(20261121)
    scale = np.sqrt(GAINS[name] / WIDTH)
    signal = first = pt.dvector("first")
    signals = [signal]
    for _ in range(max(DEPTHS)):
        weights = rng.normal(scale=scale, size=(WIDTH, WIDTH))
        signal = getattr(functions, name)(pt.dot(weights, signal))
        signals.append(signal)
    cost = pt.dot(rng.normal(size=WIDTH), signal)
    gradients = pt.grad(cost, signals)
    norms = compiled([first], pt.stack([pt.sqrt(pt.sqr(g).sum()) for g in gradients]), stock)
    found = np.asarray(norms(rng.normal(size=WIDTH)))[::-1]
    return found / found[0]


def depth_table(norms: dict[str, np.ndarray], stock: dict[str, np.ndarray]) -> list[str]:
    rows = ["| layers | " + " | ".join(norms) + " | 1/4 to that power |", "|---|---|---|---|---|"]
    for depth in DEPTHS:
        cells = " | ".join(f"{values[depth]:.2g}" for values in norms.values())
        rows.append(f"| {depth} | {cells} | {0.25**depth:.2g} |")
    apart = max(float(np.abs(stock[name] / norms[name] - 1).max()) for name in norms)
    return [
        *rows,
        "",
        f"Stock PyTensor's norms differ from ours by at most {apart:.1g} of their size.",
    ]


def draw_slopes(axes) -> None:
    x = np.linspace(0, 60, 1201)
    for name, line, label_at in (("sigmoid", "-", 42), ("tanh", "--", 40)):
        exact, stock = slope(name)(x), slope(name, stock=True)(x)
        alive = stock > 0
        axes.plot(x, exact, color=OURS, linestyle=line, linewidth=2.2)
        axes.plot(x[alive], stock[alive], color=STOCK, linestyle=line, linewidth=2.2)
        end = x[alive][-1], stock[alive][-1]
        axes.plot([end[0]] * 2, [end[1], 1e-60], color=STOCK, linestyle=":", linewidth=1.4)
        axes.plot(*end, "o", color=STOCK, markersize=7)
        height = np.interp(label_at, x, np.log10(exact))
        axes.annotate(
            f"{name}, ours",
            (label_at, 10**height),
            (8, 6),
            textcoords="offset points",
            color=OURS,
            fontsize=12,
        )
        axes.annotate(
            "stock is 0\nfrom here",
            (end[0], 1e-52),
            (6, 0),
            textcoords="offset points",
            color=STOCK,
            fontsize=11,
        )
    axes.annotate(
        "stock, and ours beneath it",
        (9, slope("sigmoid")(np.array([9.0]))[0]),
        (10, 4),
        textcoords="offset points",
        color=STOCK,
        fontsize=11,
    )
    axes.plot(x[1:], slope("relu")(x[1:]), color="0.25", linewidth=2.2)
    axes.annotate("relu", (53, 1), (0, -17), textcoords="offset points", fontsize=12)
    axes.set(yscale="log", ylim=(1e-54, 1e3), xlim=(0, 60), xlabel="x")
    axes.set_yticks([10.0**power for power in range(-50, 1, 10)])
    axes.set_title("Derivative", loc="left", fontsize=13)


def draw_depth(axes, norms: dict[str, np.ndarray]) -> None:
    layers = np.arange(max(DEPTHS) + 1)
    styles = {"sigmoid": ("-", OURS), "tanh": ("--", OURS), "relu": ("-", "0.25")}
    for name, values in norms.items():
        line, color = styles[name]
        axes.plot(layers, values, line, color=color, linewidth=2.2)
        axes.annotate(
            name,
            (layers[-1], values[-1]),
            (6, -4),
            textcoords="offset points",
            color=color,
            fontsize=12,
            annotation_clip=False,
        )
    axes.plot(layers, 0.25**layers, ":", color=TRUTH, linewidth=1.8)
    axes.annotate(
        "1/4 per layer",
        (18, 0.25**18),
        (8, 4),
        textcoords="offset points",
        color="0.35",
        fontsize=11,
    )
    axes.set(yscale="log", xlim=(0, max(DEPTHS)), xlabel="layers before the output")
    axes.set_title("Norm of the gradient, relative to the output's", loc="left", fontsize=13)


def save_figure(path: Path, norms: dict[str, np.ndarray]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), facecolor="white")
    draw_slopes(left)
    draw_depth(right, norms)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9")
        axes.tick_params(labelsize=11)
        axes.xaxis.label.set_size(12)
    figure.tight_layout(w_pad=3)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args()
    norms = {name: norms_through_depth(name, stock=False) for name in GAINS}
    stock = {name: norms_through_depth(name, stock=True) for name in GAINS}
    block("versions", versions())
    block("largest", *largest_table())
    block("output", *output_table())
    block("floats", *different_floats())
    block("depth", *depth_table(norms, stock))
    save_figure(options.figure, norms)


if __name__ == "__main__":
    main()
