"""Scalar ops of the branch-free kernels.

They compute what `kernels` says; their numba dispatch is in `numba_dispatch`.
"""

from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.scalar import basic as ps
from pytensor.scalar.basic import ScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.branch_free import general, kernels
from pytensor_stabilize.rewrites.branch_free.c_code import statements

# g++ vectorises a loop with comparisons of floats only for these, unless it may assume that they
# do not trap, and PyTensor does not let an op say so.  One by one the kernels are slower than
# the C library's functions.
VECTORISED_C = "defined(__AVX512F__) || defined(__clang__)"

# 1 + exp(x) rounds to 1 far below 0: exp(-38) < 2**-54, exp(-18) < 2**-25.
_C_WORDS = {
    "float64": {"f": "", "far_below": "-38.0"},
    "float32": {"f": "f", "far_below": "-18.0f"},
}


class KernelOp(ScalarOp):
    """A kernel as a scalar op of float32 or float64.

    Attributes
    ----------
    plain_c
        An expression for C that does not vectorise the kernel, if the kernel is slow then;
        ``{f}`` is the suffix of float32's functions and literals.
    is_plain
        Whether to compile only that, because the loop has calls in it anyway.
    """

    kernel: ClassVar[Callable]
    plain_c: ClassVar[str] = ""
    is_plain: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(upgrade_to_float, name=self.kernel.__name__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Compiled functions are pickled with their rewritten graph, for the workers of PyMC's
        # sampler among others: there no lowering has loaded the dispatch.
        self.__dict__.update(state)
        import_module("pytensor_stabilize.rewrites.branch_free.numba_dispatch")

    def c_code(self, node: Apply, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        dtype = node.outputs[0].type.dtype
        if dtype not in kernels.FORMATS:
            raise NotImplementedError(f"{self} has no C code for {dtype}.")
        names = {f"in{i}": variable for i, variable in enumerate(inputs)} | {"out": outputs[0]}
        vectorised = statements(type(self).kernel, dtype, self.nin).format(**names)
        if not self.plain_c:
            return vectorised
        plain = f"{outputs[0]} = {self.plain_c.format(**_C_WORDS[dtype], **names)};"
        if self.is_plain:
            return plain
        return f"\n#if {VECTORISED_C}\n{vectorised}\n#else\n{plain}\n#endif\n"

    def c_code_cache_version(self) -> tuple[str, ...]:
        return (digest(self), self.plain_c if not self.is_plain else f"only {self.plain_c}")


class ExpMinusAbs(KernelOp):
    nin = 1
    kernel = staticmethod(kernels.exp_minus_abs)
    plain_c = "exp{f}(-fabs{f}({in0}))"

    def impl(self, x):
        return np.exp(-np.abs(x))


class Log1pOfUnit(KernelOp):
    nin = 1
    kernel = staticmethod(kernels.log1p_of_unit)
    plain_c = "log1p{f}({in0})"

    def impl(self, e):
        return np.log1p(e)


class SigmoidFromExp(KernelOp):
    nin = 2
    kernel = staticmethod(kernels.sigmoid_from_exp)
    # Without a select: g++ makes a branch of it, which half of all random signs mispredict.
    plain_c = "(({in0} >= 0) + ({in0} < 0) * {in1}) / (1.0{f} + {in1})"

    def impl(self, x, e):
        return (e if x < 0 else 1) / (1 + e)


class SigmoidOfMinusFromExp(KernelOp):
    nin = 2
    kernel = staticmethod(kernels.sigmoid_of_minus_from_exp)
    plain_c = "(({in0} <= 0) + ({in0} > 0) * {in1}) / (1.0{f} + {in1})"

    def impl(self, x, e):
        return (e if x > 0 else 1) / (1 + e)


class DensityFromExp(KernelOp):
    nin = 1
    kernel = staticmethod(kernels.density_from_exp)

    def impl(self, e):
        return min(e / (1 + e) ** 2, 0.25)


class SoftplusFromLog(KernelOp):
    nin = 2
    kernel = staticmethod(kernels.softplus_from_log)

    def impl(self, x, log):
        return np.maximum(x, 0) + log


class SoftplusOfMinusFromLog(KernelOp):
    nin = 2
    kernel = staticmethod(kernels.softplus_of_minus_from_log)

    def impl(self, x, log):
        return np.maximum(-x, 0) + log


class TanhFromExp(KernelOp):
    nin = 2
    kernel = staticmethod(kernels.tanh_from_exp)
    plain_c = "tanh{f}(0.5{f} * {in0})"

    def impl(self, x, e):
        return np.tanh(x / 2)


class WholeSigmoid(KernelOp):
    """For C, where its parts are slower than PyTensor's form if they are not vectorised."""

    nin = 1
    kernel = staticmethod(kernels.whole_sigmoid)
    # PyTensor's form is 0 where exp(-x) overflows and the truth is a subnormal float.  Far below
    # 0 the sigmoid equals exp(x) to the last bit; real data seldom is there, while a branch at 0
    # would be mispredicted for half of all random signs.
    plain_c = (
        "__builtin_expect({in0} < {far_below}, 0)"
        " ? exp{f}({in0}) : 1.0{f} / (1.0{f} + exp{f}(-{in0}))"
    )

    def impl(self, x):
        e = np.exp(-np.abs(x))
        return (e if x < 0 else 1) / (1 + e)


class WholeSoftplus(KernelOp):
    nin = 1
    kernel = staticmethod(kernels.whole_softplus)
    plain_c = "fmax{f}({in0}, 0.0{f}) + log1p{f}(exp{f}(-fabs{f}({in0})))"

    def impl(self, x):
        return np.logaddexp(x, 0)


class WholeTanh(KernelOp):
    nin = 1
    kernel = staticmethod(kernels.whole_tanh)
    plain_c = "tanh{f}({in0})"

    def impl(self, x):
        return np.tanh(x)


class PlainExpMinusAbs(ExpMinusAbs):
    is_plain = True


class PlainLog1pOfUnit(Log1pOfUnit):
    is_plain = True


class PlainSigmoidFromExp(SigmoidFromExp):
    is_plain = True


class PlainSigmoidOfMinusFromExp(SigmoidOfMinusFromExp):
    is_plain = True


class PlainTanhFromExp(TanhFromExp):
    is_plain = True


class PlainSigmoid(WholeSigmoid):
    is_plain = True


class PlainSoftplus(WholeSoftplus):
    is_plain = True


class PlainTanh(WholeTanh):
    is_plain = True


class GeneralExp(KernelOp):
    nin = 1
    kernel = staticmethod(general.exp)

    def impl(self, x):
        return np.exp(x)


class GeneralExpm1(KernelOp):
    nin = 1
    kernel = staticmethod(general.expm1)

    def impl(self, x):
        return np.expm1(x)


class GeneralLog(KernelOp):
    nin = 1
    kernel = staticmethod(general.log)

    def impl(self, x):
        return np.log(x)


class GeneralLog1p(KernelOp):
    nin = 1
    kernel = staticmethod(general.log1p)

    def impl(self, x):
        return np.log1p(x)


class GeneralLog1mexp(KernelOp):
    nin = 1
    kernel = staticmethod(general.log1mexp)

    def impl(self, x):
        return np.log1p(-np.exp(x)) if x < -0.7 else np.log(-np.expm1(x))


class StrictAdd(KernelOp):
    nin = 2
    kernel = staticmethod(general.strict_add)

    def impl(self, x, y):
        return x + y


class StrictSub(KernelOp):
    nin = 2
    kernel = staticmethod(general.strict_sub)

    def impl(self, x, y):
        return x - y


def digest(op: KernelOp) -> str:
    """Changes when the kernel does: compiled code is kept on disk under it."""
    texts = (statements(type(op).kernel, dtype, op.nin) for dtype in kernels.FORMATS)
    return sha256("".join(texts).encode()).hexdigest()


exp_minus_abs = Elemwise(ExpMinusAbs())
log1p_of_unit = Elemwise(Log1pOfUnit())
sigmoid_from_exp = Elemwise(SigmoidFromExp())
sigmoid_of_minus_from_exp = Elemwise(SigmoidOfMinusFromExp())
density_from_exp = Elemwise(DensityFromExp())
softplus_from_log = Elemwise(SoftplusFromLog())
softplus_of_minus_from_log = Elemwise(SoftplusOfMinusFromLog())
tanh_from_exp = Elemwise(TanhFromExp())
whole_sigmoid = Elemwise(WholeSigmoid())
whole_softplus = Elemwise(WholeSoftplus())
whole_tanh = Elemwise(WholeTanh())
exp = Elemwise(GeneralExp())
expm1 = Elemwise(GeneralExpm1())
log = Elemwise(GeneralLog())
log1p = Elemwise(GeneralLog1p())
log1mexp = Elemwise(GeneralLog1mexp())
strict_add = Elemwise(StrictAdd())
strict_sub = Elemwise(StrictSub())

PLAIN = {
    exp_minus_abs: Elemwise(PlainExpMinusAbs()),
    log1p_of_unit: Elemwise(PlainLog1pOfUnit()),
    sigmoid_from_exp: Elemwise(PlainSigmoidFromExp()),
    sigmoid_of_minus_from_exp: Elemwise(PlainSigmoidOfMinusFromExp()),
    tanh_from_exp: Elemwise(PlainTanhFromExp()),
    whole_sigmoid: Elemwise(PlainSigmoid()),
    whole_softplus: Elemwise(PlainSoftplus()),
    whole_tanh: Elemwise(PlainTanh()),
}

# Other scalar ops that call no library: a loop of these and of kernels is vectorised.
WITHOUT_CALLS = (
    *(ps.Add, ps.Sub, ps.Mul, ps.TrueDiv, ps.Neg, ps.Abs, ps.Sqr, ps.Reciprocal, ps.Sqrt),
    *(ps.LT, ps.LE, ps.GT, ps.GE, ps.EQ, ps.NEQ, ps.IsNan, ps.IsInf, ps.AND, ps.OR, ps.Invert),
    *(ps.Switch, ps.Maximum, ps.Minimum, ps.Cast, ps.Identity, ps.Second),
)
