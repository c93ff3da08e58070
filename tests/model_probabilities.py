"""Models around probabilities that are indexed, joined, multiplied and mixed.

Each model has one free variable, called ``a``; the tests put all its elements to one number, which
is the linear predictor (or, for a prior with a transform, the value on the whole real line).
"""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from model_parts import a, bernoulli, p, potential, sigmoid

INDEX = np.array([0, 1, 1])

# Shapes


def indexed():
    bernoulli(p(2)[INDEX], np.zeros(3))


def binomial_indexed():
    pm.Binomial("y", n=3, p=p(2)[INDEX], observed=np.array([1, 0, 2]))


def concatenated():
    both = a(2)
    bernoulli(pt.concatenate([sigmoid(both), sigmoid(2 * both[:1])]), np.array([0, 1, 0]))


def stacked():
    both = a(2)
    bernoulli(pt.stack([sigmoid(both[0]), sigmoid(both[1])]), np.array([0, 1]))


def written_into():
    bernoulli(pt.set_subtensor(pt.full(3, 0.5)[1:], p(2)), np.array([1, 0, 0]))


def scanned():
    probability = pytensor.scan(sigmoid, sequences=a(3), return_updates=False)
    bernoulli(probability, np.array([0, 1, 0]))


def scanned_logarithm():
    logp = pytensor.scan(lambda x: pt.log1p(-sigmoid(x)), sequences=a(2), return_updates=False)
    potential(logp.sum())


def learnt():
    """Rescorla-Wagner: a value is learnt from rewards, choices are made by its sigmoid."""
    rewards, choices = np.array([1, 0, 1, 1]), np.array([1, 0, 1, 0])
    values = pytensor.scan(
        lambda reward, value: value + 0.5 * (reward - value),
        sequences=pt.as_tensor(rewards.astype(pytensor.config.floatX)),
        outputs_info=pt.zeros((), dtype=pytensor.config.floatX),
        return_updates=False,
    )
    bernoulli(sigmoid(a() * values), choices)


# Probabilities made of probabilities


def three_parameters():
    bernoulli(0.25 + 0.75 * p())


def three_parameters_rounded():
    bernoulli(0.2 + 0.8 * p())


def three_parameters_meant():
    guess = pm.Data("guess", 0.2)
    bernoulli(guess + (1 - guess) * p())


def three_parameters_free():
    guess = pm.Data("guess", [0.2, 0.1])
    bernoulli(guess + (1 - guess) * p(2), [0, 1])


def four_parameters():
    bernoulli(0.25 + (1.0 - 0.25) * p(2), [0, 1])


def four_parameters_free():
    guess, slip = pm.Data("guess", [0.2, 0.1]), pm.Data("slip", [0.0, 0.05])
    bernoulli(guess + (1 - slip - guess) * p(2), [0, 1])


def lapse():
    bernoulli(p() * (1 - 0.02), 1)


def lapse_free():
    bernoulli(p(2) * (1 - pm.Data("lapse", [0.02, 0.5])), [1, 0])


def choice_with_lapse():
    bernoulli(0.5 * 0.02 + (1 - 0.02) * p(2), [0, 1])


def forced_choice():
    bernoulli(0.5 + 0.5 * p())


def product():
    eta = a()
    bernoulli(sigmoid(eta) * sigmoid(eta + 1))


def square():
    bernoulli(p() ** 2)


def power():
    bernoulli(p(2) ** pm.Data("k", [3.0, 0.7]), [0, 1])


def at_least_one_of_three():
    bernoulli(1 - (1 - p(2)) ** 3, [0, 1])


def at_least_one_of_k():
    bernoulli(1 - (1 - p(4)) ** np.array([1, 2, 5, 5]), [0, 1, 1, 0])


def noisy_or():
    bernoulli(1 - pt.prod(1 - p(3)), 1)


def noisy_and():
    bernoulli(pt.prod(p(3)), 0)


def dina():
    """An item is solved by whoever has all three skills and does not slip."""
    has_all = pt.prod(p(3))
    bernoulli(0.25 ** (1 - has_all) * (1 - 0.125) ** has_all, 1)


def nested_choice():
    """The second choice is only made by those who made the first."""
    eta = a()
    first, second = sigmoid(eta), sigmoid(eta - 1)
    pm.Categorical("y", p=pt.stack([1 - first, first * (1 - second), first * second]), observed=1)


def survival_cumprod():
    hazard = p(3)
    potential(pt.log(pt.cumprod(1 - hazard) * hazard).sum())


def survival_prod():
    hazard = p(3)
    potential(pt.log(pt.prod(1 - hazard[:2]) * hazard[2]))


def survival_shifted():
    hazard = p(3)
    alive = pt.concatenate([pt.ones(1), pt.cumprod(1 - hazard)[:-1]])
    potential(pt.log(alive * hazard).sum())


# Labels and joins of a probability and its complement


def log_switch():
    y, s = np.array([0, 1]), p(2)
    potential(pt.log(pt.switch(y, s, 1 - s)).sum())


def log_mixed():
    y, s = pm.Data("labels", [0.0, 1.0]), p(2)
    potential(pt.log(y * s + (1 - y) * (1 - s)).sum())


def cross_entropy():
    y, s = pm.Data("labels", [0.0, 1.0]), p(2)
    potential((y * pt.log(s) + (1 - y) * pt.log1p(-s)).sum())


def log_variance():
    s = p()
    potential(pt.log(s * (1 - s)))


def mixture():
    s = p()
    parts = [pm.Normal.dist(0, 1), pm.Normal.dist(30, 1)]
    pm.Mixture("y", w=pt.stack([s, 1 - s]), comp_dists=parts, observed=29.0)


def mixture_of_three():
    s, t = (v := p(2))[0], v[1]
    parts = [pm.Normal.dist(m, 1) for m in (0, 4, 8)]
    weights = pt.stack([s, (1 - s) * t, (1 - s) * (1 - t)])
    pm.Mixture("y", w=weights, comp_dists=parts, observed=7.5)


def mixture_by_row():
    s = p(2)
    parts = [pm.Poisson.dist(2.0), pm.Poisson.dist(9.0)]
    weights = pt.stack([s, 1 - s], axis=-1)
    pm.Mixture("y", w=weights, comp_dists=parts, observed=np.array([8, 1]))


def categorical():
    s = p()
    pm.Categorical("y", p=pt.stack([1 - s, s]), observed=0)


def zero_inflated_poisson():
    pm.ZeroInflatedPoisson("y", psi=p(), mu=2.0, observed=np.array([0, 0, 3]))


def zero_inflated_binomial():
    pm.ZeroInflatedBinomial("y", psi=p(), n=4, p=0.25, observed=np.array([0, 0, 3]))


def zero_inflated_binomial_rate():
    pm.ZeroInflatedBinomial("y", psi=0.75, n=4, p=p(), observed=np.array([0, 4, 3]))


def zero_inflated_negative_binomial():
    pm.ZeroInflatedNegativeBinomial("y", psi=p(), mu=2.0, alpha=1.5, observed=np.array([0, 0, 3]))


def hurdle_poisson():
    pm.HurdlePoisson("y", psi=p(), mu=2.0, observed=np.array([0, 3]))


def hurdle_gamma():
    pm.HurdleGamma("y", psi=p(), alpha=2.0, beta=1.0, observed=np.array([0.0, 3.0]))
