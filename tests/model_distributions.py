"""Models around PyMC's distributions, their transforms, and other links than the logistic one.

Each model has one free variable, called ``a``; the tests put all its elements to one number, which
is the linear predictor (or, for a prior with a transform, the value on the whole real line).
"""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from model_parts import a, bernoulli, floats, p, potential
from pymc.distributions.transforms import ordered

# Probabilities as parameters and as priors


def beta_regression():
    mu, phi = p(2), 4.0
    pm.Beta("y", mu * phi, (1 - mu) * phi, observed=[0.25, 0.75])


def beta_mean():
    pm.Beta("y", mu=p(2), nu=4.0, observed=[0.25, 0.75])


def beta_binomial():
    mu, phi = p(2), 4.0
    pm.BetaBinomial("y", mu * phi, (1 - mu) * phi, n=5, observed=[0, 3])


def beta_prior():
    pm.Beta("a", 3, 0.1)


def kumaraswamy_prior():
    pm.Kumaraswamy("a", 2.0, 3.0)


def triangular_prior():
    pm.Triangular("a", lower=0.0, c=0.25, upper=1.0)


def uniform_prior():
    pm.Uniform("a", 0, 1)


def uniform_prior_used():
    bernoulli(pm.Uniform("a", 0, 1))


def beta_prior_used():
    bernoulli(pm.Beta("a", 2, 2))


def beta_prior_of_a_count():
    pm.Binomial("y", 5, pm.Beta("a", 2, 0.5), observed=3)


def truncated_normal_prior():
    pm.TruncatedNormal("a", mu=0.0, sigma=1.0, lower=-1.0, upper=1.0)


# Ordinal outcomes


def ordered_logistic():
    pm.OrderedLogistic(
        "y", eta=a(4), cutpoints=floats([-1.0, 0.5, 2.0]), observed=[0, 1, 2, 3], compute_p=False
    )


def ordered_logistic_close():
    cutpoints = floats([0.0, 2.0**-10, 2.0**-9])
    pm.OrderedLogistic("y", eta=a(4), cutpoints=cutpoints, observed=[0, 1, 2, 3], compute_p=False)


def ordered_logistic_far():
    cutpoints = floats([-50.0, 0.0, 50.0])
    pm.OrderedLogistic("y", eta=a(4), cutpoints=cutpoints, observed=[0, 1, 2, 3], compute_p=False)


def ordered_logistic_cutpoints():
    """The cutpoints are free; the first is the variable, the others are 1 apart."""
    cutpoints = a() + floats([0, 1, 2])
    pm.OrderedLogistic(
        "y", eta=floats([0, 0]), cutpoints=cutpoints, observed=[1, 2], compute_p=False
    )


def ordered_transform():
    """Every gap between cutpoints is the exponential of the variable."""
    cutpoints = pm.Flat("a", shape=3, transform=ordered, initval=floats([0, 1, 2]))
    pm.OrderedLogistic(
        "y", eta=floats([0, 0, 0, 0]), cutpoints=cutpoints, observed=[0, 1, 2, 3], compute_p=False
    )


def ordered_multinomial():
    cutpoints = floats([-1.0, 0.5, 2.0])
    pm.OrderedMultinomial(
        "y", eta=a(), cutpoints=cutpoints, n=4, observed=[1, 0, 2, 1], compute_p=False
    )


def ordered_multinomial_close():
    cutpoints = floats([0.0, 2.0**-10, 2.0**-9])
    pm.OrderedMultinomial(
        "y", eta=a(), cutpoints=cutpoints, n=4, observed=[1, 0, 2, 1], compute_p=False
    )


def ordered_probit():
    pm.OrderedProbit(
        "y", eta=a(4), cutpoints=floats([-1.0, 0.5, 2.0]), observed=[0, 1, 2, 3], compute_p=False
    )


def ordered_probit_close():
    cutpoints = floats([0.0, 2.0**-10, 2.0**-9])
    pm.OrderedProbit("y", eta=a(4), cutpoints=cutpoints, observed=[0, 1, 2, 3], compute_p=False)


# Other links


def probit_0():
    bernoulli(pm.math.invprobit(a()), 0)


def probit_1():
    bernoulli(pm.math.invprobit(a()), 1)


def probit_written():
    bernoulli(0.5 * (1 + pt.erf(a(2) / np.sqrt(2.0))), [0, 1])


def tanh_link():
    bernoulli(0.5 * (1 + pt.tanh(a(2) / 2)), [0, 1])


def cloglog():
    bernoulli(1 - pt.exp(-pt.exp(a(2))), [0, 1])


def cauchit():
    bernoulli(0.5 + pt.arctan(a(2)) / np.pi, [0, 1])


def exponential_link():
    bernoulli(1 - pt.exp(-pt.softplus(a(2))), [0, 1])


def log_tanh_slope():
    potential(pt.log(1 - pt.tanh(a()) ** 2))


def log_square_slope():
    potential(pt.log(1 - (2 * p() - 1) ** 2))


def softplus_scale():
    pm.Normal("y", 0, pt.softplus(a()), observed=0.5)


def truncated_logistic():
    pm.Truncated("y", pm.Logistic.dist(a(), 1), lower=0, observed=[0.5, 2.0])


def truncated_logistic_twice():
    pm.Truncated("y", pm.Logistic.dist(a(), 1), lower=0, upper=3, observed=[0.5, 2.0])


def censored_logistic():
    pm.Censored("y", pm.Logistic.dist(a(), 1), lower=0, upper=3, observed=[0.0, 2.0, 3.0])


def truncated_normal():
    pm.Truncated("y", pm.Normal.dist(a(), 1), lower=0, upper=3, observed=[0.5, 2.0])


def censored_normal():
    pm.Censored("y", pm.Normal.dist(a(), 1), lower=0, upper=3, observed=[0.0, 2.0, 3.0])


# Guards


def guarded_by_equality():
    """Bambi's inverse link."""
    eps = np.finfo(pytensor.config.floatX).eps
    s = p(2)
    s = pt.switch(pt.eq(s, 0), eps, s)
    s = pt.switch(pt.eq(s, 1), 1 - eps, s)
    bernoulli(s, [0, 1])


def guarded_probit():
    eps = np.finfo(pytensor.config.floatX).eps
    s = 0.5 + 0.5 * pt.erf(a(2) / pt.sqrt(2))
    s = pt.switch(pt.eq(s, 0), eps, s)
    s = pt.switch(pt.eq(s, 1), 1 - eps, s)
    bernoulli(s, [0, 1])


def clipped():
    bernoulli(pt.clip(p(2), 2.0**-20, 1 - 2.0**-20), [0, 1])


def log_of_sum_with_eps():
    s = p(2)
    potential(pt.log(s[0] + 1e-7) + pt.log(1 - s[1] + 1e-7))


# What stock PyTensor gets right


def bernoulli_p():
    bernoulli(p(2), [0, 1])


def bernoulli_logit():
    pm.Bernoulli("y", logit_p=a(2), observed=[0, 1])


def bernoulli_deterministic():
    bernoulli(pm.Deterministic("p", p(2)), [0, 1])


def bernoulli_written():
    bernoulli(1 / (1 + pt.exp(-a(2))), [0, 1])


def binomial():
    pm.Binomial("y", n=4, p=p(2), observed=[0, 3])


def geometric():
    pm.Geometric("y", p=p(2), observed=[1, 4])


def negative_binomial():
    pm.NegativeBinomial("y", n=2.0, p=p(2), observed=[0, 4])


def log_one_minus_p():
    y, s = pm.Data("labels", [0.0, 1.0]), p(2)
    potential((y * pt.log(s) + (1 - y) * pt.log(1 - s)).sum())
