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
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit
from storytelling import (
    COLOURS,
    WAYS,
    breast_cancer,
    claim,
    compare_spellings,
    draw_malignant,
    panels,
    save,
)

X, BENIGN = breast_cancer(3)
AREA = X[:, 0]


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
    title = "logistic regression on raw areas, three spellings"
    plain, *guarded = SPELLINGS
    told = compare_spellings(title, build_model, SPELLINGS, quick=[plain], draws=300, tune=300)
    stock, ours = (told[plain][name] for name in WAYS)
    claim(f"{plain}, stock: {stock.chains.stuck} of 2 chains never move", stock.chains.stuck > 0)
    claim(
        f"{plain}, ours: every start has a finite gradient", ours.starts.gradient == ours.starts.of
    )
    claim(f"{plain}, ours: no chain is stuck", ours.chains.stuck == 0)
    for spelling in guarded:
        wrong = told[spelling]["ours"].chains.divergences
        claim(f"{spelling}: not cured, {wrong} divergences with ours", wrong > 50, full=True)

    figure, axes = panels(3)
    for each, spelling in zip(axes, SPELLINGS[:2], strict=False):
        draw_malignant(each, build_row, spelling, np.linspace(-10, 80, 361))
    axes[0].legend()
    area = np.linspace(AREA.min(), AREA.max(), 300)
    for spelling, style in zip(SPELLINGS, ("-", "--", ":"), strict=True):
        # With a guard, stock does what ours does.
        for name in WAYS if spelling == plain else WAYS[1:]:
            chains = told[spelling][name].chains
            if chains.error:
                continue
            a, b = (chains.posterior[k].mean() for k in "ab")
            label = f"{spelling}, {name if spelling == plain else 'both'}"
            axes[2].plot(area, expit(a + b * area), style, color=COLOURS[name], label=label)
    axes[2].plot(AREA, BENIGN, "|", color="0.5", markersize=7)
    axes[2].set(xlabel="area", title="chance to be benign, at the mean of a and b")
    axes[2].legend(fontsize=7)
    save(figure, "cross_entropy")


if __name__ == "__main__":
    main()
