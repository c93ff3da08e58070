"""What `compile_time.py` compiles: PyMC models, on simulated data, and graphs of many terms."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.aliasing import add_supervisor_to_fgraph
from pytensor.compile.io import In
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from demo import build_model

transforms = pm.distributions.transforms


def response() -> pm.Model:
    """Three-parameter item response: lapse, slope and difficulty by item, ability by person."""
    # NumPy prints arrays of up to 1,000 numbers in full, and PyTensor's translation to numba every
    # constant: at 1,000 answers that would be a tenth of what is measured.
    rng = np.random.default_rng(0)
    person, item = rng.integers(0, 100, 2000), rng.integers(0, 20, 2000)
    with pm.Model() as model:
        ability, difficulty = pm.Normal("ability", shape=100), pm.Normal("difficulty", shape=20)
        slope = pm.LogNormal("slope", shape=20)
        guess = pm.Beta("guess", 5, 17, shape=20)[item]
        right = pm.math.sigmoid(slope[item] * (ability[person] - difficulty[item]))
        pm.Bernoulli("y", p=guess + (1 - guess) * right, observed=rng.integers(0, 2, 2000))
    return model


def ordinal() -> pm.Model:
    """Ordered logistic regression with four free cutpoints."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 3)), rng.integers(0, 5, 500)
    with pm.Model() as model:
        slopes = pm.Normal("slopes", shape=3)
        start = np.arange(4.0)
        cutpoints = pm.Normal("cut", 0, 3, shape=4, transform=transforms.ordered, initval=start)
        pm.OrderedLogistic("y", eta=x @ slopes, cutpoints=cutpoints, observed=y)
    return model


def hierarchical() -> pm.Model:
    """Varying intercepts and slopes with normal noise: no function of the family but exp."""
    rng = np.random.default_rng(0)
    county, floor = rng.integers(0, 85, 900), rng.integers(0, 2, 900)
    with pm.Model() as model:
        mean, spread = pm.Normal("mean", 0, 10, shape=2), pm.HalfNormal("spread", 1, shape=2)
        own = mean + spread * pm.Normal("offset", shape=(85, 2))
        expected = own[county, 0] + own[county, 1] * floor
        pm.Normal("y", expected, pm.Exponential("noise", 1), observed=rng.normal(size=900))
    return model


MODELS: dict[str, Callable[[], pm.Model]] = {
    "logistic, varying slopes (the demo's)": build_model,
    "item response, three parameters": response,
    "ordered logistic": ordinal,
    "hierarchical normal": hierarchical,
}


def compile_model(name: str) -> None:
    """Build a model, compile logp and its gradient, and call each once."""
    model = MODELS[name]()
    point = model.initial_point()
    model.compile_logp()(point)
    model.compile_dlogp()(point)


def graph_of_terms(count: int) -> FunctionGraph:
    """A sum of so many cross entropies, each of data of its own, and its gradient.

    With shared labels PyTensor fuses all of them to one loop, and from 1,024 operands on none.
    """
    xs, ys = ([pt.vector(f"{name}{i}") for i in range(count)] for name in "xy")
    terms = (
        y * pt.log(p) + (1 - y) * pt.log1p(-p) for y, p in zip(ys, map(pt.sigmoid, xs), strict=True)
    )
    total = sum(term.sum() for term in terms)
    inputs = [*xs, *ys]
    graph = FunctionGraph(inputs, [total, *pt.grad(total, xs)], clone=True)
    # Without it the in-place rewriters print the graph in a warning.
    add_supervisor_to_fgraph(graph, [In(x) for x in inputs])
    return graph


def rewrite(graph: FunctionGraph) -> None:
    """Rewrite a graph as for a function that numba compiles."""
    get_mode("NUMBA").optimizer.rewrite(graph)
