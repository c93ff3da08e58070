# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Survival in intervals
#
# 69 people after a heart transplant (statsmodels' `heart`), by age, raw, with a hazard `h =
# sigmoid(a_k + b age)` in each of seven intervals of time.  To die in interval k is to survive
# those before: `log(cumprod(1 - h)[k - 1] * h[k])`, written as in a textbook.  One hazard of 1
# makes the product 0 for all that come after.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import statsmodels.api as sm
from storytelling import WAYS, claim, compare, draw_ways, line_of, panels, save

DATA = sm.datasets.heart.load_pandas().data
AGE = DATA["age"].to_numpy(float)
DIED = DATA["censors"].to_numpy(int)
ENDS = np.array([30, 60, 120, 240, 480, 960])
INTERVAL = np.searchsorted(ENDS, DATA["survival"].to_numpy(), side="right")


def log_likelihood(h: pt.TensorVariable, interval, died) -> pt.TensorVariable:
    before = pt.concatenate([pt.ones((h.shape[0], 1)), pt.cumprod(1 - h, axis=1)], axis=1)
    row = np.arange(len(interval))
    dies, survives = before[row, interval] * h[row, interval], before[row, interval + 1]
    return pt.where(pt.eq(died, 1), pt.log(dies), pt.log(survives))


def build_model() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 2, shape=7)
        b = pm.Normal("b", 0, 1)
        h = pm.math.sigmoid(a[None, :] + b * AGE[:, None])
        pm.Potential("logp", log_likelihood(h, INTERVAL, DIED).sum())
    return model


def build_row() -> pm.Model:
    """Somebody who died in the third interval, with one eta for all of them."""
    with pm.Model() as model:
        h = pm.math.sigmoid(pm.Flat("eta")) * np.ones((1, 3))
        pm.Potential("logp", log_likelihood(h, np.array([2]), np.array([1])).sum())
    return model


# %% [markdown]
# ## Starts, chains and the optimum


# %%
def main() -> None:
    told = compare("69 people, seven intervals", build_model, means=["b"])
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.logp} of {some.of} starts have a finite logp", some.logp < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)

    etas = np.linspace(-20, 80, 201)
    lines = line_of(build_row, [{"eta": eta} for eta in etas])
    values, slopes = ({n: line[:, i] for n, line in lines.items()} for i in (0, 1))
    exact = -2 * np.logaddexp(0, etas) - np.logaddexp(0, -etas)
    claim("ours: logp of one person is right", np.allclose(values["ours"], exact, rtol=1e-12))
    figure, (left, right) = panels()
    draw_ways(left, etas, values)
    left.plot(etas, exact, "k:", linewidth=1, label="exact")
    left.set(xlabel="eta", title="logp of a death in interval 3")
    left.legend()
    draw_ways(right, etas, slopes)
    right.set(xlabel="eta", title="its gradient")
    save(figure, "discrete_survival")


if __name__ == "__main__":
    main()
