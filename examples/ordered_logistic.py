# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Seven ordered answers
#
# How people place themselves between two parties, in seven steps, by age, education and income:
# 944 people of the American National Election Study of 1996 (statsmodels' `anes96`).  The columns
# are raw, age in years, and the slopes have the prior N(0, 1).  The probability of an answer is the
# difference of two sigmoids, `sigmoid(c2 - eta) - sigmoid(c1 - eta)`, which is 0 once both are 1:
# below eta = -36, or -30 where the cutpoints are close to each other.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import statsmodels.api as sm
from storytelling import WAYS, claim, compare, draw_ways, line_of, panels, save

DATA = sm.datasets.anes96.load_pandas().data
X = DATA[["age", "educ", "income"]].to_numpy(float)
ANSWER = DATA["PID"].to_numpy(int)


def build_model() -> pm.Model:
    with pm.Model() as model:
        slopes = pm.Normal("slopes", 0, 1, shape=3)
        cutpoints = pm.Normal(
            "cutpoints",
            0,
            10,
            shape=6,
            transform=pm.distributions.transforms.ordered,
            initval=np.arange(6) - 2.5,
        )
        eta = pt.dot(X, slopes)
        pm.OrderedLogistic("answer", eta=eta, cutpoints=cutpoints, compute_p=False, observed=ANSWER)
    return model


def build_answer() -> pm.Model:
    """One answer in the middle, its prediction eta free."""
    with pm.Model() as model:
        eta = pm.Flat("eta")
        cuts = np.arange(6) - 2.5
        pm.OrderedLogistic("answer", eta=eta, cutpoints=cuts, compute_p=False, observed=3)
    return model


# %% [markdown]
# ## Starts
#
# PyMC jitters its starts by up to 1 in every parameter, and a slope of -0.5 with an age of 80 is
# eta = -40.  It draws another start where logp is -inf, up to ten times, so most chains begin all
# the same, but not where the prior says.  The optimiser has one start, and its line searches run
# into the same wall.


# %%
def main() -> None:
    told = compare("944 answers, raw columns", build_model, means=["slopes"])
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.logp} of {some.of} starts have a finite logp", some.logp < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)
    claim(
        "both ways: no divergences once a chain has found a start",
        stock.chains.divergences == ours.chains.divergences == 0,
        full=True,
    )
    gap = ours.optimum.logp - stock.optimum.logp
    claim(f"pm.find_MAP: stock ends {gap:.0f} below the optimum", gap > 100, full=True)

    etas = np.linspace(-100, 100, 201)
    lines = line_of(build_answer, [{"eta": eta} for eta in etas])
    figure, (left, right) = panels()
    draw_ways(left, etas, {name: line[:, 0] for name, line in lines.items()})
    left.set(xlabel="eta", title="logp of the middle answer")
    draw_ways(right, etas, {name: line[:, 1] for name, line in lines.items()})
    right.set(xlabel="eta", title="its gradient")
    right.legend()
    save(figure, "ordered_logistic")


if __name__ == "__main__":
    main()
