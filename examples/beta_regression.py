# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Beta regression on a raw column
#
# The alcohol in 178 wines, a share of the volume, by their magnesium, raw, 70 to 162
# (scikit-learn's wine data): `Beta(mu phi, (1 - mu) phi)` with `mu = sigmoid(a + b x)`.  A slope of
# 0.5 in a line search or a start is eta = 50; there `1 - mu` is 0, and so is the second shape
# parameter.

# %%
import numpy as np
import pymc as pm
from scipy.special import expit, gammaln
from sklearn.datasets import load_wine
from storytelling import COLOURS, WAYS, claim, compare, draw_ways, line_of, panels, save

DATA = load_wine(as_frame=True).data
MAGNESIUM = DATA["magnesium"].to_numpy()
ALCOHOL = DATA["alcohol"].to_numpy() / 100


def build_model() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Normal("b", 0, 1)
        phi = pm.HalfNormal("phi", 1000)
        mu = pm.math.sigmoid(a + b * MAGNESIUM)
        pm.Beta("alcohol", alpha=mu * phi, beta=(1 - mu) * phi, observed=ALCOHOL)
    return model


def build_row() -> pm.Model:
    """One wine of 13 %, its prediction eta free."""
    with pm.Model() as model:
        mu = pm.math.sigmoid(pm.Flat("eta"))
        pm.Beta("alcohol", alpha=mu * 1000, beta=(1 - mu) * 1000, observed=0.13)
    return model


def exact(eta: np.ndarray) -> np.ndarray:
    """Logp of that wine, from mu and 1 - mu as two sigmoids."""
    alpha, beta = 1000 * expit(eta), 1000 * expit(-eta)
    normal = gammaln(1000) - gammaln(alpha) - gammaln(beta)
    return normal + (alpha - 1) * np.log(0.13) + (beta - 1) * np.log(0.87)


# %% [markdown]
# ## Starts, chains and the optimum
#
# The optimiser of `pm.find_MAP` meets the wall in its first line search and stays beside
# it.  Chains that begin at all get away from it in both ways.  With ours a chain may begin far out,
# where the posterior is steep, and needs its tuning to come back: 1,000 steps here.


# %%
def main() -> None:
    told = compare("178 wines", build_model, means=["a", "b", "phi"], draws=500, tune=1000)
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.logp} of {some.of} starts have a finite logp", some.logp < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)
    gap = ours.optimum.logp - stock.optimum.logp
    claim(f"pm.find_MAP: stock ends {gap:.0f} below the optimum", gap > 1000, full=True)

    etas = np.linspace(-80, 80, 321)
    lines = line_of(build_row, [{"eta": eta} for eta in etas])
    values = {name: line[:, 0] for name, line in lines.items()}
    claim("ours: logp of one wine is right", np.allclose(values["ours"], exact(etas), rtol=1e-9))
    figure, (left, right) = panels()
    draw_ways(left, etas, values)
    left.plot(etas, exact(etas), "k:", linewidth=1, label="exact")
    left.set(xlabel="eta", title="logp of a wine of 13 %")
    left.legend()
    x = np.linspace(MAGNESIUM.min(), MAGNESIUM.max(), 200)
    right.plot(MAGNESIUM, ALCOHOL, ".", color="0.6", label="wines")
    for name, found in told.items():
        if found.optimum.point:
            a, b = (found.optimum.point[k] for k in "ab")
            right.plot(x, expit(a + b * x), color=COLOURS[name], label=f"find_MAP, {name}")
    right.set(xlabel="magnesium", title="share of alcohol")
    right.legend()
    save(figure, "beta_regression")


if __name__ == "__main__":
    main()
