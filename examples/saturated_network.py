# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Gradients through a saturated network
#
# 200 hand-written digits (scikit-learn's, 64 pixels of 0 to 16, not scaled), five layers of 64
# units, random weights of four times the usual size.  How large is the gradient of the cross
# entropy in each layer?  Where a sigmoid or tanh is saturated its derivative is small, and stock
# PyTensor makes it exactly 0 where the output has rounded to 1: that part is arithmetic, and is
# mended.  The norm of the gradient is another matter.  It comes from the units that are not
# saturated, and is the same with and without our rules: what is small because it is small stays
# so.

# %%
import numpy as np
import pytensor
import pytensor.tensor as pt
from sklearn.datasets import load_digits
from storytelling import COLOURS, LABELS, WAYS, claim, mode, panels, save, table, way

LAYERS, WIDTH, IMAGES = 5, 64, 200
GAINS = {"sigmoid": 1.0, "tanh": 1.0, "relu": 2.0}
DIGITS = load_digits()
# Standard deviation of a weight, in units of the one that keeps the size of the signal.
SCALE = 4.0


def gradients(name: str, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Norm of the gradient in each layer's pre-activations, and the share of exact zeros."""
    rng = np.random.default_rng(20261129)
    signal = pt.constant(DIGITS.data[:IMAGES])
    inputs, before = pt.dscalar("one"), []
    signal = signal * inputs
    for _ in range(LAYERS):
        scale = SCALE * np.sqrt(GAINS[activation] / WIDTH)
        before.append(pt.dot(signal, rng.normal(scale=scale, size=(WIDTH, WIDTH))))
        signal = getattr(pt, activation, pt.maximum)(before[-1], *relu_floor(activation))
    logits = pt.dot(signal, rng.normal(scale=np.sqrt(1 / WIDTH), size=(WIDTH, 10)))
    rows = np.arange(IMAGES)
    loss = -pt.special.log_softmax(logits, axis=1)[rows, DIGITS.target[:IMAGES]].sum()
    slopes = [pt.grad(loss, each) for each in before]
    # A norm by way of the largest one, which cannot underflow where the slopes do not.
    largest = [pt.abs(slope).max() for slope in slopes]
    norms = [m * pt.sqrt(pt.sqr(s / m).sum()) for m, s in zip(largest, slopes, strict=True)]
    zeros = [pt.eq(slope, 0).mean() for slope in slopes]
    with way(name):
        function = pytensor.function([inputs], [pt.stack(norms), pt.stack(zeros)], mode=mode())
    found = function(1.0)
    return np.asarray(found[0]), np.asarray(found[1])


def relu_floor(activation: str) -> list[float]:
    return [0.0] if activation == "relu" else []


# %% [markdown]
# ## Norms and zeros, layer by layer
#
# A relu has zeros as well, and rightly so: it is flat on one side.


# %%
def main() -> None:
    found = {(a, name): gradients(name, a) for a in GAINS for name in WAYS}
    layers = [f"layer {i + 1}" for i in range(LAYERS)]
    for title, part, form in (("norm of the gradient", 0, ".2e"), ("exact zeros, %", 1, ".1f")):
        rows = {
            f"{a}, {name}": {
                layer: format(value * (100 if part else 1), form)
                for layer, value in zip(layers, both[part], strict=True)
            }
            for (a, name), both in found.items()
        }
        table(title, rows)
    print()
    for activation in ("sigmoid", "tanh"):
        stock, ours = (found[activation, name][1].max() for name in WAYS)
        claim(
            f"{activation}: exact zeros in a layer, at most: stock {stock:.0%}, ours {ours:.0%}",
            ours < stock,
        )
    apart = max(np.abs(found[a, "ours"][0] / found[a, "stock"][0] - 1).max() for a in GAINS)
    claim(f"the norms differ by at most {apart:.1g} of their size", apart < 1e-6)

    figure, (left, right) = panels()
    at = np.arange(1, LAYERS + 1)
    for (activation, name), (norms, zeros) in found.items():
        if activation == "relu" and name == "stock":
            continue
        style = {"sigmoid": "-o", "tanh": "--s", "relu": ":^"}[activation]
        colour = "0.3" if activation == "relu" else COLOURS[name]
        label = activation if activation == "relu" else f"{activation}, {LABELS[name]}"
        width = 3 if name == "ours" else 1.4
        left.semilogy(at, norms, style, color=colour, linewidth=width, label=label)
        right.plot(at, 100 * zeros, style, color=colour, linewidth=width, label=label)
    left.set(title="norm of the gradient", xticks=at, xlabel="layer")
    right.set(title="gradients that are exactly 0, %", xticks=at, xlabel="layer", ylim=(-3, 103))
    right.legend(fontsize=7)
    save(figure, "saturated_network")


if __name__ == "__main__":
    main()
