# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Two alternatives and one slip
#
# A forced choice between two alternatives: whoever sees nothing guesses, and is right half of the
# time, so `p = 0.5 + 0.5 sigmoid(slope (x - threshold))` for a stimulus shown x milliseconds.  The
# data are simulated: 200 trials, and in the one with the longest stimulus the observer pressed the
# wrong key.  The probability of that is `0.5 sigmoid(-slope (x - threshold))`, small and positive;
# computed as `1 - p` it is 0 from 37 on, and logp is -inf wherever PyMC may start.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit
from storytelling import WAYS, claim, compare, draw_ways, line_of, panels, save

RNG = np.random.default_rng(20261129)
SHOWN = RNG.uniform(0, 500, 200)
RIGHT = (RNG.uniform(size=200) < 0.5 + 0.5 * expit(0.03 * (SHOWN - 150))).astype(int)
RIGHT[SHOWN.argmax()] = 0


def build_model(trials: slice = slice(None)) -> pm.Model:
    with pm.Model() as model:
        threshold = pm.Normal("threshold", 100, 50)
        slope = pm.HalfNormal("slope", 1)
        p = 0.5 + 0.5 * pm.math.sigmoid(slope * (SHOWN[trials] - threshold))
        pm.Bernoulli("right", p=p, observed=RIGHT[trials])
    return model


def build_slip() -> pm.Model:
    """The trial with the slip alone, its prediction eta free."""
    with pm.Model() as model:
        eta = pm.Flat("eta")
        pm.Potential("logp", pt.log(1 - (0.5 + 0.5 * pm.math.sigmoid(eta))))
    return model


# %% [markdown]
# ## Starts, chains and the optimum
#
# PyMC starts at slope 1, as the prior says, and the longest stimulus lies 400 milliseconds above
# the threshold.  With a finite logp to start from, both samplers and optimiser find their way.


# %%
def main() -> None:
    told = compare("200 trials, one slip", build_model, means=["threshold", "slope"])
    stock, ours = (told[name] for name in WAYS)
    claim("stock: no start has a finite logp", stock.starts.logp == 0)
    claim("stock: pm.sample raises", stock.chains.error == "raises", full=True)
    claim("stock: pm.find_MAP raises", stock.optimum.error == "raises", full=True)
    claim("ours: every start is finite", ours.starts.gradient == ours.starts.of)
    claim("ours: the optimum has no gradient left", ours.optimum.slope < 0.1, full=True)

    etas = np.linspace(-10, 80, 181)
    lines = line_of(build_slip, [{"eta": eta} for eta in etas])
    figure, (left, right) = panels()
    draw_ways(left, etas, {name: line[:, 0] for name, line in lines.items()})
    left.set(xlabel="slope (x - threshold)", title="logp of the slip")
    left.legend()
    x = np.linspace(0, 500, 300)
    draws = ours.chains.posterior
    if draws:
        slope, threshold = (draws[k].reshape(-1, 1)[::5] for k in ("slope", "threshold"))
        curves = 0.5 + 0.5 * expit(slope * (x - threshold))
        low, middle, high = np.quantile(curves, [0.05, 0.5, 0.95], axis=0)
        right.fill_between(x, low, high, color="#1f5fa8", alpha=0.25, linewidth=0)
        right.plot(x, middle, color="#1f5fa8", label="with pytensor_stabilize")
        right.legend(loc="center right")
    right.plot(SHOWN, RIGHT, "|", color="0.4", markersize=9)
    right.set(xlabel="milliseconds", title="chance to be right; stock has no answer")
    save(figure, "forced_choice")


if __name__ == "__main__":
    main()
