# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A choice within a choice
#
# How 210 people travelled between two cities (statsmodels' `modechoice`): by air or train, or by
# bus or car.  First one of the two pairs is chosen, by income, then one of the pair, by the
# differences of waiting time, cost and travelling time, in minutes and dollars as they are.  Four
# probabilities are products of sigmoids and of one minus sigmoids; the logarithm is taken of the
# chosen one.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import statsmodels.api as sm
from scipy.special import expit
from storytelling import COLOURS, WAYS, claim, compare, panels, save

DATA = sm.datasets.modechoice.load_pandas().data
COLUMNS = DATA[["ttme", "invc", "invt"]].to_numpy(float).reshape(-1, 4, 3)
INCOME = DATA["hinc"].to_numpy(float)[::4]
CHOSEN = DATA["choice"].to_numpy().reshape(-1, 4).argmax(1)
MODES = ("air", "train", "bus", "car")


def build_model() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 10, shape=3)
        b = pm.Normal("b", 0, 1, shape=3)
        by_income = pm.Normal("by_income", 0, 1)
        rail_or_air = pm.math.sigmoid(a[0] + by_income * INCOME)
        air = pm.math.sigmoid(a[1] + pt.dot(COLUMNS[:, 0] - COLUMNS[:, 1], b))
        car = pm.math.sigmoid(a[2] + pt.dot(COLUMNS[:, 3] - COLUMNS[:, 2], b))
        road = 1 - rail_or_air
        p = pt.stack(
            [rail_or_air * air, rail_or_air * (1 - air), road * (1 - car), road * car], axis=1
        )
        pm.Potential("logp", pt.log(p[np.arange(len(CHOSEN)), CHOSEN]).sum())
    return model


def chances(point: dict) -> np.ndarray:
    """Mean probability of each mode, at a point."""
    a, b, by_income = (np.asarray(point[k]) for k in ("a", "b", "by_income"))
    pair = a[0] + by_income * INCOME
    air = a[1] + (COLUMNS[:, 0] - COLUMNS[:, 1]) @ b
    car = a[2] + (COLUMNS[:, 3] - COLUMNS[:, 2]) @ b
    rows = [
        expit(pair) * expit(air),
        expit(pair) * expit(-air),
        expit(-pair) * expit(-car),
        expit(-pair) * expit(car),
    ]
    return np.mean(rows, axis=1)


# %% [markdown]
# ## Starts, chains and the optimum
#
# At the default start every probability is 1/4.  The first step of the optimiser along the gradient
# is a long one, since the columns are large; it meets -inf, takes back the step, and reports
# success where it began.


# %%
def main() -> None:
    told = compare("210 travellers, four modes", build_model, means=["b"])
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.logp} of {some.of} starts have a finite logp", some.logp < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)
    stays = not any(np.any(v) for v in stock.optimum.point.values())
    claim("stock: pm.find_MAP returns its start", stays, full=True)
    gap = ours.optimum.logp - stock.optimum.logp
    claim(f"ours: it finds an optimum that is {gap:.0f} higher", gap > 50, full=True)

    figure, (left, right) = panels()
    at = np.arange(4)
    left.bar(at - 0.27, np.bincount(CHOSEN) / len(CHOSEN), 0.25, color="0.6", label="chosen")
    for i, name in enumerate(WAYS):
        if not told[name].optimum.point:
            continue
        bars = chances(told[name].optimum.point)
        left.bar(at + 0.27 * i, bars, 0.25, color=COLOURS[name], label=f"find_MAP, {name}")
    left.set_xticks(at, MODES)
    left.set(title="share of each mode")
    left.set_ylim(top=0.42)
    left.legend(loc="upper center", ncols=3, fontsize=7)
    counts = [found.starts.gradient for found in told.values()]
    right.bar(WAYS, counts, 0.5, color=[COLOURS[name] for name in WAYS])
    right.set(title=f"starts with finite logp and gradient, of {some.of}")
    save(figure, "nested_choice")


if __name__ == "__main__":
    main()
