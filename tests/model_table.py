"""Models that PyMC users write around a saturating function, and what stock gets wrong in them.

s and t stand for sigmoid(a).  A row says which of logp and dlogp stock PyTensor gets wrong
somewhere within |a| <= 700 (float32: 80), and where ours stop being right, with the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import model_distributions as dist
import model_probabilities as prob

FAR = {"float64": inf, "float32": inf}


@dataclass(frozen=True)
class Case:
    """A model.

    Attributes
    ----------
    build
        Writes the model, within a `pymc.Model`.
    text
        What it is.
    wrong
        Which of logp and dlogp stock gets wrong, in float64 and in float32.
    until
        The largest |a| at which logp and dlogp are right with our rules, by dtype.
    left
        Why not beyond it.
    meant
        The model whose exact value is meant, where constants are rounded.
    """

    build: Callable[[], None]
    text: str
    wrong: str = ""
    until: Mapping[str, float] | None = None
    left: str = ""
    meant: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        return self.build.__name__

    def right_at(self, eta: float, dtype: str) -> bool:
        """Whether the table says that ours are right there."""
        return abs(eta) <= (self.until or FAR)[dtype]


# Wrong also with our rules where sigmoid(-|a|) is 0 in floats: it stands there in a sum whose
# logarithm is taken, or as a parameter.
WRONG_BEYOND = {
    "four_parameters_free",
    "product",
    "power",
    "at_least_one_of_k",
    "noisy_or",
    "noisy_and",
    "log_mixed",
    "beta_regression",
    "beta_mean",
    "beta_binomial",
    "ordered_logistic_cutpoints",
    "cloglog",
}

CASES = [
    Case(prob.indexed, "`Bernoulli(sigmoid(a)[index])`", "logp dlogp"),
    Case(prob.binomial_indexed, "`Binomial(p=sigmoid(a)[index])`", "logp dlogp"),
    Case(prob.concatenated, "`Bernoulli(concatenate([s, t]))`", "logp dlogp"),
    Case(prob.stacked, "`Bernoulli(stack([s, t]))`", "logp dlogp"),
    Case(prob.written_into, "`Bernoulli(set_subtensor(p[1:], s))`", "logp dlogp"),
    Case(prob.scanned, "`Bernoulli(scan(sigmoid, a))`", "dlogp"),
    Case(prob.scanned_logarithm, "`scan(log1p(-s))`", "dlogp"),
    Case(prob.learnt, "Rescorla-Wagner: a value learnt in a scan"),
    Case(prob.three_parameters, "3PL, `c + (1 - c) s`, c = 1/4", "logp dlogp"),
    Case(
        prob.three_parameters_rounded,
        "3PL, `0.2 + 0.8 s`",
        "logp dlogp",
        meant=prob.three_parameters_meant,
    ),
    Case(prob.three_parameters_free, "3PL, c free", "logp dlogp"),
    Case(prob.four_parameters, "4PL, `c + (d - c) s`, constants", "logp dlogp"),
    Case(prob.four_parameters_free, "4PL, c and d free", "logp dlogp"),
    Case(prob.lapse, "`Bernoulli(s (1 - 0.02))`, y = 1"),
    Case(prob.lapse_free, "`Bernoulli(s (1 - lapse))`, lapse free", "dlogp"),
    Case(prob.choice_with_lapse, "`lapse / 2 + (1 - lapse) s`", "dlogp"),
    Case(prob.forced_choice, "`0.5 + 0.5 s`, y = 0", "logp dlogp"),
    Case(prob.product, "`Bernoulli(s t)`, y = 0", "logp dlogp"),
    Case(prob.square, "`Bernoulli(s**2)`, y = 0", "logp dlogp"),
    Case(prob.power, "`Bernoulli(s**k)`, k free", "logp dlogp"),
    Case(prob.at_least_one_of_three, "`1 - (1 - s)**3`", "logp dlogp"),
    Case(prob.at_least_one_of_k, "`1 - (1 - s)**k`, k data", "logp dlogp"),
    Case(
        prob.noisy_or,
        "`1 - prod(1 - s)`, y = 1",
        "logp dlogp",
    ),
    Case(
        prob.noisy_and,
        "`prod(s)`, y = 0",
        "logp dlogp",
    ),
    Case(prob.dina, "DINA, `guess**(1 - h) (1 - slip)**h`, h = `prod(s)`", "dlogp"),
    Case(prob.nested_choice, "`Categorical([1 - s, s (1 - t), s t])`", "logp dlogp"),
    Case(
        prob.survival_cumprod,
        "`log(cumprod(1 - h) h)`",
        "logp",
    ),
    Case(prob.survival_prod, "`log(prod(1 - h[:2]) h[2])`", "logp dlogp"),
    Case(
        prob.survival_shifted,
        "`log(concatenate([1, cumprod(1 - h)[:-1]]) h)`",
        "logp dlogp",
    ),
    Case(prob.log_switch, "`log(switch(y, s, 1 - s))`", "logp dlogp"),
    Case(prob.log_mixed, "`log(y s + (1 - y) (1 - s))`", "logp dlogp"),
    Case(prob.cross_entropy, "`y log(s) + (1 - y) log1p(-s)`", "dlogp"),
    Case(prob.log_variance, "`log(s (1 - s))`", "logp"),
    Case(prob.mixture, "`Mixture(w=[s, 1 - s])`", "logp dlogp"),
    Case(prob.mixture_of_three, "`Mixture(w=[s, (1 - s) t, (1 - s) (1 - t)])`", "dlogp"),
    Case(prob.mixture_by_row, "`Mixture(w=stack([s, 1 - s], axis=-1))`", "dlogp"),
    Case(prob.categorical, "`Categorical([1 - s, s])`", "dlogp"),
    Case(prob.zero_inflated_poisson, "`ZeroInflatedPoisson(psi=s)`", "dlogp"),
    Case(prob.zero_inflated_binomial, "`ZeroInflatedBinomial(psi=s)`", "dlogp"),
    Case(prob.zero_inflated_binomial_rate, "`ZeroInflatedBinomial(p=s)`", "logp"),
    Case(prob.zero_inflated_negative_binomial, "`ZeroInflatedNegativeBinomial(psi=s)`", "dlogp"),
    Case(prob.hurdle_poisson, "`HurdlePoisson(psi=s)`", "logp"),
    Case(prob.hurdle_gamma, "`HurdleGamma(psi=s)`", "logp"),
    Case(dist.beta_regression, "`Beta(mu phi, (1 - mu) phi)`", "logp dlogp"),
    Case(dist.beta_mean, "`Beta(mu=s, nu=4)`", "logp dlogp"),
    Case(dist.beta_binomial, "`BetaBinomial(mu phi, (1 - mu) phi)`", "logp dlogp"),
    Case(dist.beta_prior, "`Beta(3, 0.1)` prior", "dlogp"),
    Case(dist.beta_prior_used, "`Bernoulli(Beta(2, 2))`, y = 0", "dlogp"),
    Case(dist.beta_prior_of_a_count, "`Binomial(p=Beta(2, 0.5))`", "dlogp"),
    Case(dist.kumaraswamy_prior, "`Kumaraswamy(2, 3)` prior", "logp dlogp"),
    Case(dist.triangular_prior, "`Triangular` prior", "logp"),
    Case(dist.uniform_prior, "`Uniform(0, 1)` prior"),
    Case(dist.uniform_prior_used, "`Bernoulli(Uniform(0, 1))`, y = 0"),
    Case(dist.truncated_normal_prior, "`TruncatedNormal` prior"),
    Case(dist.ordered_logistic, "`OrderedLogistic`, cutpoints 1.5 apart", "logp dlogp"),
    Case(dist.ordered_logistic_close, "`OrderedLogistic`, 0.001 apart", "logp dlogp"),
    Case(dist.ordered_logistic_far, "`OrderedLogistic`, 50 apart", "logp dlogp"),
    Case(dist.ordered_logistic_cutpoints, "`OrderedLogistic`, cutpoints free", "logp dlogp"),
    Case(
        dist.ordered_transform,
        "`OrderedLogistic`, gaps `exp(a)` by the ordered transform",
        "logp dlogp",
        until={"float64": 3, "float32": 3},
        left="gaps are differences of a cumulative sum; beyond 7 they are 1,000 wide",
    ),
    Case(dist.ordered_multinomial, "`OrderedMultinomial`, cutpoints 1.5 apart", "logp dlogp"),
    Case(dist.ordered_multinomial_close, "`OrderedMultinomial`, 0.001 apart", "logp dlogp"),
    Case(dist.ordered_probit, "`OrderedProbit`, cutpoints 1.5 apart", "logp dlogp"),
    Case(
        dist.ordered_probit_close,
        "`OrderedProbit`, 0.001 apart",
        "logp dlogp",
        until={"float64": inf, "float32": 0},
        left="in float32 the difference of arguments 0.001 apart has 14 bits",
    ),
    Case(dist.probit_0, "`Bernoulli(invprobit(a))`, y = 0", "logp dlogp"),
    Case(dist.probit_1, "`Bernoulli(invprobit(a))`, y = 1", "logp dlogp"),
    Case(dist.probit_written, "`0.5 (1 + erf(a / sqrt(2)))`", "logp dlogp"),
    Case(dist.tanh_link, "`0.5 (1 + tanh(a / 2))`", "logp dlogp"),
    Case(dist.cloglog, "`1 - exp(-exp(a))`"),
    Case(dist.cauchit, "`0.5 + arctan(a) / pi`"),
    Case(dist.exponential_link, "`1 - exp(-softplus(a))`"),
    Case(dist.log_tanh_slope, "`log(1 - tanh(a)**2)`", "logp dlogp"),
    Case(dist.log_square_slope, "`log(1 - (2 s - 1)**2)`", "logp dlogp"),
    Case(
        dist.softplus_scale,
        "`Normal(0, softplus(a))`",
        "dlogp",
        until={"float64": 200, "float32": 25},
        left="the gradient divides by the cube of the scale, which underflows",
    ),
    Case(dist.truncated_logistic, "`Truncated(Logistic(a, 1), lower=0)`", "dlogp"),
    Case(
        dist.truncated_logistic_twice,
        "`Truncated(Logistic(a, 1), 0, 3)`",
        "dlogp",
        until={"float64": 3, "float32": 3},
        left="the constant is a switch: its gradient is not read with the sum over the data",
    ),
    Case(dist.censored_logistic, "`Censored(Logistic(a, 1), 0, 3)`"),
    Case(dist.truncated_normal, "`Truncated(Normal(a, 1), 0, 3)`"),
    Case(dist.censored_normal, "`Censored(Normal(a, 1), 0, 3)`"),
    Case(
        dist.guarded_by_equality,
        "Bambi's logit link: `switch(eq(s, 1), 1 - eps, s)`",
        "logp dlogp",
    ),
    Case(
        dist.guarded_probit,
        "Bambi's probit link",
        "logp dlogp",
    ),
    Case(dist.clipped, "`clip(s, 1e-6, 1 - 1e-6)`"),
    Case(
        dist.log_of_sum_with_eps,
        "`log(s + 1e-7) + log(1 - t + 1e-7)`",
        "dlogp",
        until={"float64": 12, "float32": 3},
        left="1 + 1e-7 becomes one constant, which is rounded",
    ),
    Case(dist.bernoulli_p, "`Bernoulli(s)`"),
    Case(dist.bernoulli_logit, "`Bernoulli(logit_p=a)`"),
    Case(dist.bernoulli_deterministic, "`Bernoulli(Deterministic(s))`"),
    Case(dist.bernoulli_written, "`Bernoulli(1 / (1 + exp(-a)))`"),
    Case(dist.binomial, "`Binomial(s)`"),
    Case(dist.geometric, "`Geometric(s)`"),
    Case(dist.negative_binomial, "`NegativeBinomial(p=s)`"),
    Case(dist.log_one_minus_p, "`y log(s) + (1 - y) log(1 - s)`"),
]
