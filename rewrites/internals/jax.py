"""How PyTensor translates ops for JAX."""

from pytensor.link.jax.dispatch.basic import jax_funcify

__all__ = ["jax_funcify"]
