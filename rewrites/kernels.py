"""Scalar kernels that PyTensor's own scalar ops cannot express without losing time."""

import numpy as np
from pytensor.scalar.basic import Cosh, Sinh, Tanh, UnaryScalarOp, upgrade_to_float
from pytensor.scalar.math import Log1mexp, Sigmoid, Softplus
from pytensor.tensor.elemwise import Elemwise


class BranchedSigmoid(UnaryScalarOp):
    """Sigmoid for the C linker that neither overflows nor flushes subnormal results to 0.

    PyTensor's ``1 / (1 + exp(-x))`` is 0 below -709.8, where ``exp(-x)`` overflows and the truth
    is a subnormal float.  Far below 0 the sigmoid equals ``exp(x)`` to the last bit, so this
    form branches there, where real data seldom is: a branch at 0 would be mispredicted for half
    of all random signs.  The hint to the compiler is worth 10 % of the loop in float64.
    """

    # 1 + exp(x) rounds to 1 below these: exp(-38) < 2**-54, exp(-18) < 2**-25.
    _thresholds = {"float64": "-38.0", "float32": "-18.0f"}

    def impl(self, x):
        e = np.exp(-np.abs(x))
        return (1 if x >= 0 else e) / (1 + e)

    def c_code(self, node, name, inp, out, sub):
        (x,), (z,) = inp, out
        threshold = self._thresholds.get(node.inputs[0].type.dtype)
        if threshold is None:
            raise NotImplementedError("BranchedSigmoid has C code for float32 and float64 only.")
        one = "1.0f" if threshold.endswith("f") else "1.0"
        far_below = f"__builtin_expect({x} < {threshold}, 0)"
        return f"{z} = {far_below} ? exp({x}) : {one} / ({one} + exp(-{x}));"

    def c_code_cache_version(self):
        return (2,)


branched_sigmoid = Elemwise(BranchedSigmoid(upgrade_to_float, name="branched_sigmoid"))


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
