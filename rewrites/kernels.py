"""Scalar kernels that PyTensor's own scalar ops cannot express without losing time."""

import numpy as np
from pytensor.scalar.basic import Cosh, Sinh, Tanh, UnaryScalarOp, upgrade_to_float
from pytensor.scalar.math import Log1mexp, Sigmoid, Softplus
from pytensor.tensor.elemwise import Elemwise


class JaxSigmoid(Sigmoid):
    """PyTensor's sigmoid, with a JAX dispatch of our own (`jax_kernels`)."""


class JaxTanh(Tanh):
    """PyTensor's tanh, with a JAX dispatch of our own."""


class JaxSinh(Sinh):
    """PyTensor's sinh, with a JAX dispatch of our own."""


class JaxCosh(Cosh):
    """PyTensor's cosh, with a JAX dispatch of our own."""


class JaxSoftplus(Softplus):
    """PyTensor's softplus, with a JAX dispatch of our own."""


class JaxLog1mexp(Log1mexp):
    """PyTensor's log1mexp, with a JAX dispatch of our own."""


class JaxLogisticDensity(UnaryScalarOp):
    """``sigmoid(x) * sigmoid(-x)``, for JAX."""

    def impl(self, x):
        e = np.exp(-np.abs(x))
        return e / (1 + e) ** 2

    def c_code(self, node, name, inp, out, sub):
        raise NotImplementedError("It is made for JAX alone.")


jax_sigmoid = Elemwise(JaxSigmoid(upgrade_to_float, name="sigmoid"))
jax_tanh = Elemwise(JaxTanh(upgrade_to_float, name="tanh"))
jax_sinh = Elemwise(JaxSinh(upgrade_to_float, name="sinh"))
jax_cosh = Elemwise(JaxCosh(upgrade_to_float, name="cosh"))
jax_softplus = Elemwise(JaxSoftplus(upgrade_to_float, name="softplus"))
jax_log1mexp = Elemwise(JaxLog1mexp(upgrade_to_float, name="log1mexp"))
jax_logistic_density = Elemwise(JaxLogisticDensity(upgrade_to_float, name="logistic_density"))
