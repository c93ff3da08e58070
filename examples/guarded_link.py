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
from functools import partial

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from storytelling import (
    QUICK,
    STARTS,
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
X, BENIGN = DATA.data[:, [0, 2, 3]], DATA.target
EPS = np.finfo(float).eps


def link(eta: pt.TensorVariable, guarded: bool) -> pt.TensorVariable:
    s = pm.math.sigmoid(eta)
    if not guarded:
        return s
    return pt.switch(pt.eq(s, 1), 1 - EPS, pt.switch(pt.eq(s, 0), EPS, s))


def build_model(guarded: bool) -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Normal("b", 0, 1, shape=3)
        pm.Bernoulli("benign", p=link(a + pt.dot(X, b), guarded), observed=BENIGN)
    return model


def build_row(guarded: bool) -> pm.Model:
    """One malignant case, its prediction eta free."""
    with pm.Model() as model:
        pm.Bernoulli("benign", p=link(pm.Flat("eta"), guarded), observed=0)
    return model


KINDS = {"guarded": True, "plain": False}


# %% [markdown]
# ## What the sampler makes of them
#
# PyTensor rescues the plain formula, `p=sigmoid(eta)`, by itself: `log(1 - sigmoid(eta))` is one of
# its rules.  So the second pair of rows shows what the first one should be.


# %%
def main() -> None:
    rows, found = {}, {}
    for kind, guarded in KINDS.items():
        build = partial(build_model, guarded)
        for name in WAYS:
            finite, chains = starts(build, name), Chains(0.0, error="not run")
            if not QUICK:
                chains = sample(build, name, draws=300, tune=500)
            found[kind, name] = finite, chains
            rows[f"{kind}, {name}"] = {
                "finite logp, gradient": f"{finite.logp}, {finite.gradient} of {finite.of}",
                **chains.cells,
                "mean of b": chains.mean("b"),
            }
    table("logistic regression on three raw columns", rows)
    print()
    alive = all(found[kind, name][0].gradient == STARTS for kind in KINDS for name in WAYS)
    claim("every start has a finite logp and gradient, guarded or not, both ways", alive)
    etas = np.linspace(-10, 80, 181)
    lines = {
        kind: line_of(partial(build_row, guarded), [{"eta": eta} for eta in etas])
        for kind, guarded in KINDS.items()
    }
    flat = {name: int((lines["guarded"][name][:, 1] == 0).sum()) for name in WAYS}
    claim(f"guarded: points with a gradient of 0: stock {flat['stock']}", flat["stock"] > 50)
    right = np.allclose(lines["guarded"]["ours"][:, 1], -expit(etas), rtol=1e-12)
    claim("guarded: with ours the gradient is that of the plain formula", right)
    stock, ours = (found["guarded", name][1].divergences for name in WAYS)
    claim(f"guarded: divergences, stock {stock}, ours {ours}", stock > 10 + 10 * ours, full=True)

    figure, axes = panels()
    for each, kind in zip(axes, KINDS, strict=True):
        draw_ways(each, etas, {name: line[:, 1] for name, line in lines[kind].items()})
        each.plot(etas, -expit(etas), "k:", linewidth=1, label="without a guard")
        each.set(xlabel="eta", title=f"gradient of a malignant case, {kind}")
    axes[1].legend()
    save(figure, "guarded_link")


if __name__ == "__main__":
    main()
