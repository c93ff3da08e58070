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
# three raw columns and priors N(0, 1).  Beyond eta = 37 the guard makes logp flat: its gradient is
# exactly 0. This is another model, and no rewrite may make it the one that was meant.  What mends
# it is the plain formula, `p=sigmoid(eta)`, which needs no guard.

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
# PyTensor rescues the plain formula by itself: `log(1 - sigmoid(eta))` is one of its rules.  So
# here there is nothing that our rules add, and nothing that they could do about the guard; the
# first column counts the starts where they do harm.


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
    some, every = found["guarded", "ours"][0], found["guarded", "stock"][0]
    claim(
        f"with the guard, of {some.of} starts {every.gradient} are of use to stock, "
        f"{some.gradient} to ours",
        some.gradient <= every.gradient,
    )
    alive = all(found["plain", name][0].gradient == STARTS for name in WAYS)
    claim("the plain formula: every start has a finite logp and gradient, both ways", alive)
    for name in WAYS:
        guarded, plain = (found[kind, name][1].divergences for kind in KINDS)
        claim(
            f"divergences, {name}: with the guard {guarded}, the plain formula {plain}",
            guarded > 10 + 10 * plain,
            full=True,
        )

    etas = np.linspace(-10, 80, 181)
    figure, axes = panels()
    for each, (kind, guarded) in zip(axes, KINDS.items(), strict=True):
        lines = line_of(partial(build_row, guarded), [{"eta": eta} for eta in etas])
        draw_ways(each, etas, {name: line[:, 1] for name, line in lines.items()})
        each.plot(etas, -expit(etas), "k:", linewidth=1, label="without a guard")
        each.set(xlabel="eta", title=f"gradient of a malignant case, {kind}")
    axes[1].legend()
    save(figure, "guarded_link")


if __name__ == "__main__":
    main()
