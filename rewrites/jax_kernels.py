"""JAX dispatch of the logistic and hyperbolic functions, with the slopes that JAX is to use.

The slopes are closed under differentiation: with the density D = sigmoid(x) sigmoid(-x)::

    sigmoid' = D      D' = -D tanh(x / 2)      tanh' = 4 D(2 x)
    softplus' = sigmoid
    log1mexp' = -r with r = 1 / expm1(-x), and r' = r (1 + r)
"""

import jax
import jax.numpy as jnp
from jax import lax

from pytensor_stabilize.rewrites import kernels
from pytensor_stabilize.rewrites.internals.jax import jax_funcify


def with_slope(slope):
    """Decorator of a function of one number: JAX takes its derivative from `slope(x, value)`."""

    def decorate(function):
        decorated = jax.custom_jvp(function)
        decorated.defjvps(lambda tangent, value, x: tangent * slope(x, value))
        return decorated

    return decorate


@with_slope(lambda x, value: density(x))
def sigmoid(x):
    # XLA knows that 1 / logistic(x) is 1 + exp(-x), so what is subnormal here is not lost there.
    return lax.logistic(x)


@with_slope(lambda x, value: -value * tanh(0.5 * x))
def density(x):
    e = jnp.exp(-jnp.abs(x))
    return e / jnp.square(1 + e)


@with_slope(lambda x, value: 4 * density(2 * x))
def tanh(x):
    # XLA's own is 6 ulps from the truth at 19.
    e = jnp.expm1(-2 * jnp.abs(x))
    return -jnp.sign(x) * e / (2 + e)


@with_slope(lambda x, value: cosh(x))
def sinh(x):
    # XLA's own rounds x - log(2), which is 500 ulps at 700.  Where exp(|x|) is no float any more,
    # its half may still be one.
    e, root = jnp.expm1(jnp.abs(x)), jnp.exp(0.5 * jnp.abs(x))
    size = jnp.where(jnp.isfinite(e), 0.5 * (e + e / (1 + e)), 0.5 * root * root)
    return jnp.sign(x) * size


@with_slope(lambda x, value: sinh(x))
def cosh(x):
    e, root = jnp.exp(jnp.abs(x)), jnp.exp(0.5 * jnp.abs(x))
    return jnp.where(jnp.isfinite(e), 0.5 * (e + 1 / e), 0.5 * root * root)


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
    (kernels.JaxSinh, sinh),
    (kernels.JaxCosh, cosh),
    (kernels.JaxSoftplus, softplus),
    (kernels.JaxLog1mexp, log1mexp),
):
    jax_funcify.register(_op, lambda *_, function=_function, **__: function)
