# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Probit on raw columns
#
# Whose grade in economics improved: 32 students, by grade point average, a test score between 12
# and 29, and the way they were taught (statsmodels' `spector`).  `p = invprobit(eta)`, the normal
# distribution function.  `1 - p` is 0 from eta = 8.3 on, which is nearer than a sigmoid's 37.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import statsmodels.api as sm
from scipy.stats import norm
from storytelling import WAYS, claim, compare, draw_ways, line_of, panels, save

DATA = sm.datasets.spector.load_pandas().data
X = DATA[["GPA", "TUCE", "PSI"]].to_numpy(float)
IMPROVED = DATA["GRADE"].to_numpy(int)


def build_model() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 10)
        b = pm.Normal("b", 0, 1, shape=3)
        p = pm.math.invprobit(a + pt.dot(X, b))
        pm.Bernoulli("improved", p=p, observed=IMPROVED)
    return model


def build_row() -> pm.Model:
    """One student whose grade did not improve, the prediction eta free."""
    with pm.Model() as model:
        pm.Bernoulli("improved", p=pm.math.invprobit(pm.Flat("eta")), observed=0)
    return model


# %% [markdown]
# ## Starts, chains and the optimum
#
# A jitter of up to 1 in each slope, times a score of 29, is enough.  As PyMC draws again where logp
# is -inf, chains begin in both ways; from its default start the optimiser finds its way in both,
# too.


# %%
def main() -> None:
    told = compare("32 students", build_model, means=["a", "b"])
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.logp} of {some.of} starts have a finite logp", some.logp < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)

    etas = np.linspace(-10, 30, 241)
    lines = line_of(build_row, [{"eta": eta} for eta in etas])
    values, slopes = ({n: line[:, i] for n, line in lines.items()} for i in (0, 1))
    exact = norm.logcdf(-etas)
    # pm.math.invprobit has a square root of 2 in float32.
    claim("ours: logp of a row is right", np.allclose(values["ours"], exact, rtol=1e-6))
    figure, (left, right) = panels()
    draw_ways(left, etas, values)
    left.plot(etas, exact, "k:", linewidth=1, label="exact")
    left.set(xlabel="eta", title="logp where the grade did not improve")
    left.legend()
    draw_ways(right, etas, slopes)
    right.plot(etas, -np.exp(norm.logpdf(etas) - exact), "k:", linewidth=1)
    right.set(xlabel="eta", title="its gradient")
    save(figure, "probit")


if __name__ == "__main__":
    main()
