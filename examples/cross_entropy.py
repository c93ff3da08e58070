# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Cross entropy by hand, and with a guard
#
# Benign or malignant by the area of the cells, raw, up to 2,500 (scikit-learn's breast cancer
# data): a logistic regression whose log-likelihood is written out,
# `y log(p) + (1 - y) log1p(-p)`.  Three spellings of it are in use: this one, one with
# `p + 1e-7` in the logarithms, and one with p clipped to [1e-6, 1 - 1e-6].

# %%
from functools import partial

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from storytelling import (
    COLOURS,
    QUICK,
    WAYS,
    Chains,
    claim,
    draw_ways,
    line_of,
    panels,
    sample,
    save,
    starts,
    table,
)

DATA = load_breast_cancer()
AREA, BENIGN = DATA.data[:, 3], DATA.target


def cross_entropy(p: pt.TensorVariable, benign, spelling: str) -> pt.TensorVariable:
    if spelling == "log1p(-p)":
        return benign * pt.log(p) + (1 - benign) * pt.log1p(-p)
    if spelling == "p + 1e-7":
        return benign * pt.log(p + 1e-7) + (1 - benign) * pt.log(1 - p + 1e-7)
    p = pt.clip(p, 1e-6, 1 - 1e-6)
    return benign * pt.log(p) + (1 - benign) * pt.log(1 - p)


SPELLINGS = ("log1p(-p)", "p + 1e-7", "clip(p)")


def build_model(spelling: str) -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 10)
        b = pm.Normal("b", 0, 1)
        p = pm.math.sigmoid(a + b * AREA)
        pm.Potential("logp", cross_entropy(p, BENIGN, spelling).sum())
    return model


def build_row(spelling: str) -> pm.Model:
    """One malignant case, its prediction eta free."""
    with pm.Model() as model:
        eta = pm.Flat("eta")
        pm.Potential("logp", cross_entropy(pm.math.sigmoid(eta), 0, spelling))
    return model


# %% [markdown]
# ## What the sampler makes of them
#
# The slope is about -0.012.  A start of 0.5 makes eta 500, where the first spelling has a finite
# logp and a nan for its gradient: the chains do not move.  A guard makes the gradient 0 there, so
# the chains wander where it has put them, and may come back with the wrong sign.  That is not
# a failure of arithmetic that a rewrite could mend: the guard has made another model, whose logp
# and gradient we leave as they are.  The remedy is to take it out.


# %%
def main() -> None:
    rows, found = {}, {}
    for spelling in SPELLINGS:
        build = partial(build_model, spelling)
        for name in WAYS:
            finite, chains = starts(build, name), Chains(0.0, error="not run")
            if not QUICK or spelling == SPELLINGS[0]:
                chains = sample(build, name, draws=300, tune=300)
            found[spelling, name] = finite, chains
            rows[f"{spelling}, {name}"] = {
                "finite logp, gradient": f"{finite.logp}, {finite.gradient} of {finite.of}",
                **chains.cells,
                "stuck chains": chains.stuck,
                "mean of b": chains.mean("b"),
            }
    table("logistic regression on raw areas, three spellings", rows)
    print()
    stock, ours = (found["log1p(-p)", name] for name in WAYS)
    claim(f"log1p(-p), stock: {stock[1].stuck} of 2 chains never move", stock[1].stuck > 0)
    claim("log1p(-p), ours: every start has a finite gradient", ours[0].gradient == ours[0].of)
    claim("log1p(-p), ours: no chain is stuck", ours[1].stuck == 0)
    for spelling in SPELLINGS[1:]:
        wrong = found[spelling, "ours"][1].divergences
        claim(f"{spelling}: not cured, {wrong} divergences with ours", wrong > 50, full=True)

    etas = np.linspace(-10, 80, 361)
    figure, axes = panels(3)
    for each, spelling in zip(axes, SPELLINGS[:2], strict=False):
        lines = line_of(partial(build_row, spelling), [{"eta": eta} for eta in etas])
        draw_ways(each, etas, {name: line[:, 1] for name, line in lines.items()})
        each.plot(etas, -expit(etas), "k:", linewidth=1, label="without a guard")
        each.set(xlabel="eta", title=f"gradient of a malignant case, {spelling}")
    axes[0].legend()
    area = np.linspace(AREA.min(), AREA.max(), 300)
    for (spelling, name), (_, chains) in found.items():
        if spelling != SPELLINGS[0] and name == "stock":
            continue  # as with ours
        if chains.error:
            continue
        a, b = (chains.posterior[k].mean() for k in "ab")
        style = {"log1p(-p)": "-", "p + 1e-7": "--", "clip(p)": ":"}[spelling]
        label = f"{spelling}, {name if spelling == SPELLINGS[0] else 'both'}"
        axes[2].plot(area, expit(a + b * area), style, color=COLOURS[name], label=label)
    axes[2].plot(AREA, BENIGN, "|", color="0.5", markersize=7)
    axes[2].set(xlabel="area", title="chance to be benign, at the mean of a and b")
    axes[2].legend(fontsize=7)
    save(figure, "cross_entropy")


if __name__ == "__main__":
    main()
