# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A mixture with a gate
#
# Two regimes, and a gate that says which one holds: `pm.NormalMixture` with the weights `[s, 1 -
# s]`, `s = sigmoid(a + b x)`.  The data are simulated: 300 points, the mean goes from 0 to 3 where
# x, between 0 and 100, passes 60.  The weights stand in one array, and once the gate is shut to 37
# the second one is 0: its logarithm is -inf, its gradient nan.
#
# The means are ordered, so that no chain can settle in the mirror image of the model, with the two
# regimes swapped.

# %%
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import ordered
from storytelling import WAYS, claim, compare, draw_traces, draw_ways, line_of, panels, save

RNG = np.random.default_rng(2)
X = RNG.uniform(0, 100, 300)
Y = np.where(X < 60, RNG.normal(0, 1, 300), RNG.normal(3, 1, 300))


def build_model() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a", 0, 50)
        b = pm.Normal("b", 0, 1)
        mu = pm.Normal("mu", [0, 3], 1, transform=ordered, initval=[0, 3])
        sigma = pm.HalfNormal("sigma", 1)
        s = pm.math.sigmoid(a + b * X)
        pm.NormalMixture("y", w=pt.stack([s, 1 - s], axis=1), mu=mu, sigma=sigma, observed=Y)
    return model


def build_row() -> pm.Model:
    """One point of the second regime, its gate eta free."""
    with pm.Model() as model:
        s = pm.math.sigmoid(pm.Flat("eta"))
        pm.NormalMixture("y", w=pt.stack([s, 1 - s]), mu=[0, 12], sigma=1, observed=12.0)
    return model


# %% [markdown]
# ## Starts and chains
#
# Stock has a finite logp at every start, for a mixture of which one part is left is still a
# density. It is only wrong, and does not say so.  Its chains stay where the gate is not steep, with
# another posterior and a good R-hat; the divergences are the only sign.


# %%
def main() -> None:
    told = compare("300 simulated points, two regimes", build_model, means=["a", "b"])
    stock, ours = (told[name] for name in WAYS)
    some, every = stock.starts, ours.starts
    claim(f"stock: {some.gradient} of {some.of} gradients are finite", some.gradient < some.of)
    claim("ours: every start has a finite logp and gradient", every.gradient == every.of)
    divergences = stock.chains.divergences, ours.chains.divergences
    claim(
        f"divergences: stock {divergences[0]}, ours {divergences[1]}",
        divergences[0] > 10 + 10 * divergences[1],
        full=True,
    )
    lost = ours.optimum.logp - stock.optimum.logp
    claim(f"pm.find_MAP: stock ends {lost:.0f} below the optimum", lost > 10, full=True)

    etas = np.linspace(-20, 100, 241)
    lines = line_of(build_row, [{"eta": eta} for eta in etas])
    exact = np.logaddexp(-np.logaddexp(0, -etas) - 72, -np.logaddexp(0, etas))
    exact -= 0.5 * np.log(2 * np.pi)
    figure, (left, right) = panels()
    draw_ways(left, etas, {name: line[:, 0] for name, line in lines.items()})
    left.plot(etas, exact, "k:", linewidth=1, label="exact")
    left.set(xlabel="eta", title="logp of a point 12 sd from regime 1")
    left.legend()
    draws = {n: found.chains.posterior["b"] for n, found in told.items() if not found.chains.error}
    draw_traces(right, draws)
    right.set(title="draws of b")
    save(figure, "gated_mixture")


if __name__ == "__main__":
    main()
