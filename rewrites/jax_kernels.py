"""JAX dispatch of the logistic functions, with the slopes that JAX is to use.

The slopes are closed under differentiation: with the density D = sigmoid(x) sigmoid(-x)::

    sigmoid' = D      D' = -D tanh(x / 2)      tanh' = 4 D(2 x)
    softplus' = sigmoid
    log1mexp' = -r with r = 1 / expm1(-x), and r' = r (1 + r)
"""

import jax
import jax.numpy as jnp
from jax import lax
from pytensor.link.jax.dispatch.basic import jax_funcify

from pytensor_stabilize.rewrites import kernels


def with_slope(slope):
    """Decorator of a function of one number: JAX takes its derivative from `slope(x, value)`."""

    def decorate(function):
        decorated = jax.custom_jvp(function)
        decorated.defjvps(lambda tangent, value, x: tangent * slope(x, value))
        return decorated

    return decorate


@with_slope(lambda x, value: density(x))
def sigmoid(x):
    return lax.logistic(x)


@with_slope(lambda x, value: -value * tanh(0.5 * x))
def density(x):
    return sigmoid(x) * sigmoid(-x)


@with_slope(lambda x, value: 4 * density(2 * x))
def tanh(x):
    return jnp.tanh(x)


@with_slope(lambda x, value: sigmoid(x))
def softplus(x):
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@with_slope(lambda x, value: value * (1 + value))
def odds_of_exp(x):
    return 1 / jnp.expm1(-x)


@with_slope(lambda x, value: -odds_of_exp(x))
def log1mexp(x):
    # Either form, where it is the better one: log(1/2) is where their errors are equal.
    return jnp.where(x < jnp.log(0.5), jnp.log1p(-jnp.exp(x)), jnp.log(-jnp.expm1(x)))


for _op, _function in (
    (kernels.JaxSigmoid, sigmoid),
    (kernels.JaxLogisticDensity, density),
    (kernels.JaxTanh, tanh),
    (kernels.JaxSoftplus, softplus),
    (kernels.JaxLog1mexp, log1mexp),
):
    jax_funcify.register(_op, lambda *_, function=_function, **__: function)
