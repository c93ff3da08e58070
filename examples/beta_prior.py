# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A Beta prior that leans on 1
#
# One line of model: `pm.Beta("p", 3, 0.05)`, the prior of a probability that is close to 1.  PyMC
# samples its log odds `z` and adds `log(p) + log1p(-p)`, the jacobian, with `p = sigmoid(z)`.
# PyTensor mends the value of that, but before PyMC differentiates, canonicalization writes
# `log1p(-1 * p)`, and the rule does not know it again: from z = 37 on the gradient is nan.
# PyMC's start check looks at logp only.  The gradient is known: `3 (1 - p) - 0.05 p`.

# %%
import numpy as np
import pymc as pm
from scipy.special import expit
from scipy.stats import beta
from storytelling import (
    QUICK,
    WAYS,
    claim,
    draw_traces,
    draw_ways,
    line_of,
    panels,
    sample,
    save,
    table,
)

ALPHA, BETA = 3.0, 0.05


def build_model() -> pm.Model:
    with pm.Model() as model:
        pm.Beta("p", ALPHA, BETA)
    return model


# %% [markdown]
# ## The gradient, and what NUTS makes of it
#
# One draw in six belongs beyond z = 37, where 1 - p is less than 1e-16.


# %%
def main() -> None:
    points = np.linspace(-20, 100, 241)
    lines = line_of(build_model, [{"p_logodds__": z} for z in points])
    gradients = {name: line[:, 1] for name, line in lines.items()}
    truth = ALPHA * expit(-points) - BETA * expit(points)

    chains = {name: sample(build_model, name, draws=1000, tune=1000) for name in WAYS}
    # 1 - p has the distribution Beta(0.05, 3), in which small numbers are no difficulty.
    beyond = beta(BETA, ALPHA).cdf(expit(-37.0))
    rows = {"exact": {"z > 37": f"{beyond:.3f}"}}
    for name, found in chains.items():
        share = (found.posterior["p_logodds__"] > 37).mean()
        rows[name] = {"z > 37": f"{share:.3f}", **found.cells}
    table("NUTS on p ~ Beta(3, 0.05)", rows)

    bad = {name: int((~np.isfinite(gradients[name])).sum()) for name in WAYS}
    close = np.allclose(gradients["ours"], truth, rtol=1e-12)
    print()
    claim(f"stock: the gradient is nan at {bad['stock']} of 241 points", bad["stock"] > 100)
    claim("ours: it is right at all of them", close)
    divergences = {name: found.divergences for name, found in chains.items()}
    claim(
        f"divergences: stock {divergences['stock']}, ours {divergences['ours']}",
        divergences["stock"] > 5 * divergences["ours"] and (QUICK or divergences["ours"] == 0),
    )

    figure, (left, right) = panels()
    draw_ways(left, points, gradients)
    left.plot(points, truth, "k:", linewidth=1, label="exact")
    left.set(xlabel="z", title="gradient of logp")
    left.legend()
    draw_traces(right, {name: found.posterior["p_logodds__"] for name, found in chains.items()})
    right.set(title="draws of z")
    save(figure, "beta_prior")


if __name__ == "__main__":
    main()
