# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A link with a guard inside
#
# Bambi's logit link returns `1 - eps` where the sigmoid is 1, and eps where it is 0, so that no
# logarithm is infinite.  Here it is written in PyMC, for scikit-learn's breast cancer data with
# three raw columns and priors N(0, 1).  With stock PyTensor the guard takes over at eta = 37, and
# from there on the gradient is exactly 0.  But a sigmoid is 1 at infinity only: the guard tests a
# rounding, and our rules ask the argument instead, so that it takes over where it should.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit
from storytelling import (
    STARTS,
    WAYS,
    breast_cancer,
    claim,
    compare_spellings,
    draw_malignant,
    panels,
    save,
)

X, BENIGN = breast_cancer(0, 2, 3)
EPS = np.finfo(float).eps
SPELLINGS = ("guarded", "plain")


def link(eta: pt.TensorVariable, spelling: str) -> pt.TensorVariable:
    s = pm.math.sigmoid(eta)
    if spelling == "plain":
        return s
    return pt.switch(pt.eq(s, 1), 1 - EPS, pt.switch(pt.eq(s, 0), EPS, s))


def build_model(spelling: str) -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Normal("b", 0, 1, shape=3)
        pm.Bernoulli("benign", p=link(a + pt.dot(X, b), spelling), observed=BENIGN)
    return model


def build_row(spelling: str) -> pm.Model:
    """One malignant case, its prediction eta free."""
    with pm.Model() as model:
        pm.Bernoulli("benign", p=link(pm.Flat("eta"), spelling), observed=0)
    return model


# %% [markdown]
# ## What the sampler makes of them
#
# PyTensor rescues the plain formula, `p=sigmoid(eta)`, by itself: `log(1 - sigmoid(eta))` is one of
# its rules.  So the second pair of rows shows what the first one should be.


# %%
def main() -> None:
    title = "logistic regression on three raw columns"
    told = compare_spellings(title, build_model, SPELLINGS, draws=300, tune=500)
    alive = all(told[kind][name].starts.gradient == STARTS for kind in SPELLINGS for name in WAYS)
    claim("every start has a finite logp and gradient, guarded or not, both ways", alive)

    figure, axes = panels()
    etas = np.linspace(-10, 80, 181)
    slopes = {
        kind: draw_malignant(each, build_row, kind, etas)
        for each, kind in zip(axes, SPELLINGS, strict=True)
    }
    flat = int((slopes["guarded"]["stock"] == 0).sum())
    claim(f"guarded: points with a gradient of 0: stock {flat}", flat > 50)
    right = np.allclose(slopes["guarded"]["ours"], -expit(etas), rtol=1e-12)
    claim("guarded: with ours the gradient is that of the plain formula", right)
    stock, ours = (told["guarded"][name].chains.divergences for name in WAYS)
    claim(f"guarded: divergences, stock {stock}, ours {ours}", stock > 10 + 10 * ours, full=True)
    axes[1].legend()
    save(figure, "guarded_link")


if __name__ == "__main__":
    main()
