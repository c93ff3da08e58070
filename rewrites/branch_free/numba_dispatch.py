"""Numba dispatch of the kernels: LLVM's instructions, one by one.

numba puts the fast-math flags that PyTensor asks for on every instruction of a function, and with
`reassoc` the compensated steps of a kernel are simplified away.  Instructions of a function that
was compiled without them keep their own when they are inlined.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from pytensor.scalar import basic as ps
from pytensor.scalar.basic import Composite

from pytensor_stabilize.rewrites.branch_free import ops
from pytensor_stabilize.rewrites.branch_free.kernels import FORMATS
from pytensor_stabilize.rewrites.branch_free.loops import Apart, WithoutGaps
from pytensor_stabilize.rewrites.branch_free.ops import WITHOUT_CALLS, KernelOp, digest
from pytensor_stabilize.rewrites.internals.numba import (
    FusedElemwise,
    ScalarizedElemwise,
    compile_numba_function_src,
    numba_funcify_and_cache_key,
    numba_funcify_Composite,
    numba_funcify_FusedElemwise,
    numba_njit,
    register_funcify_and_cache_key,
    register_funcify_default_op_cache_key,
    register_scalar_funcify,
    scalar_op_cache_key,
)

# Compiled code is kept on disk: the instructions may change where the kernels do not.
VERSION = sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def plain_exp_minus_abs(x):
    return np.exp(-np.abs(x))


def plain_log1p(x):
    return np.log1p(x)


def plain_exp(x):
    return np.exp(x)


def plain_log(x):
    return np.log(x)


def plain_log1mexp(x):
    return np.log1p(-np.exp(x)) if x < -0.7 else np.log(-np.expm1(x))


# In a loop that is not vectorised the C library is faster, but for expm1: it looks up tables.
PLAIN = {
    ops.ExpMinusAbs: plain_exp_minus_abs,
    ops.Log1pOfUnit: plain_log1p,
    ops.GeneralExp: plain_exp,
    ops.GeneralLog: plain_log,
    ops.GeneralLog1p: plain_log1p,
    ops.GeneralLog1mexp: plain_log1mexp,
}
# Of the loop that is translated: whether it will not be vectorised, takes scalars, must be
# without branches.
_one_by_one: ContextVar[bool] = ContextVar("one_by_one", default=False)
_takes_scalars: ContextVar[bool] = ContextVar("takes_scalars", default=False)
_without_branches: ContextVar[bool] = ContextVar("without_branches", default=False)


@contextmanager
def during(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


class LLVMBackend:
    """Writes instructions with a builder."""

    def __init__(self, builder: ir.IRBuilder, dtype: str) -> None:
        self.builder = builder
        self.dtype = dtype
        self.type = ir.DoubleType() if dtype == "float64" else ir.FloatType()
        self.add = builder.fadd
        self.sub = builder.fsub
        self.mul = builder.fmul
        self.div = builder.fdiv
        self.negative = builder.fneg

    def constant(self, number: float) -> ir.Constant:
        return ir.Constant(self.type, number)

    def _call(self, name: str, *arguments: ir.Value) -> ir.Value:
        signature = ir.FunctionType(self.type, [self.type] * len(arguments))
        function = self.builder.module.declare_intrinsic(name, [self.type], signature)
        return self.builder.call(function, arguments)

    def abs(self, a: ir.Value) -> ir.Value:
        return self._call("llvm.fabs", a)

    def copysign(self, size: ir.Value, sign: ir.Value) -> ir.Value:
        return self._call("llvm.copysign", size, sign)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        # Unlike llvm.fma never a call of a library where the processor has no such instruction.
        return self._call("llvm.fmuladd", a, b, c)

    def choose_below(self, a: ir.Value, b: ir.Value, yes: ir.Value, no: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), yes, no)

    def exponent(self, a: ir.Value) -> ir.Value:
        integer = ir.IntType(64 if self.dtype == "float64" else 32)
        bits = self.builder.bitcast(a, integer)
        shift = ir.Constant(integer, FORMATS[self.dtype].digits)
        return self.builder.bitcast(self.builder.shl(bits, shift), self.type)

    def split(self, a: ir.Value) -> tuple[ir.Value, ir.Value]:
        form, builder = FORMATS[self.dtype], self.builder
        integer = ir.IntType(64 if self.dtype == "float64" else 32)
        one, least, shifter = (
            builder.bitcast(self.constant(number), integer)
            for number in (1.0, 2 / 3, 2.0**form.digits)
        )
        bits = builder.bitcast(a, integer)
        moved = builder.add(bits, builder.sub(one, least))
        biased = builder.lshr(moved, ir.Constant(integer, form.digits))
        number = builder.bitcast(builder.or_(biased, shifter), self.type)
        exponent = builder.and_(moved, ir.Constant(integer, -(1 << form.digits)))
        mantissa = builder.add(builder.sub(bits, exponent), one)
        k = self.sub(number, self.constant(2.0**form.digits + form.bias))
        return k, builder.bitcast(mantissa, self.type)


def funcify(op, node, **kwargs):
    if _one_by_one.get() and type(op) in PLAIN:
        function = numba_njit(PLAIN[type(op)], fastmath=False)
        return function, scalar_op_cache_key(op, plain=VERSION)
    kernel = type(op).kernel

    def codegen(context, builder, signature, arguments):
        return kernel(LLVMBackend(builder, str(signature.return_type)), *arguments)

    if op.nin == 1:

        @intrinsic
        def of_one(typing_context, x):
            return x(x), codegen

        def branch_free(x):
            return of_one(x)  # type: ignore[call-arg]

    else:

        @intrinsic
        def of_two(typing_context, x, y):
            return x(x, y), codegen

        def branch_free(x, y):  # type: ignore[misc]
            return of_two(x, y)  # type: ignore[call-arg]

    function = numba_njit(branch_free, fastmath=False, forceinline=True)
    return function, scalar_op_cache_key(op, digest=digest(op), version=VERSION)


@intrinsic
def select(typing_context, condition, yes, no):
    """A switch without a branch, of numbers."""
    result = typing_context.unify_types(yes, no)

    def codegen(context, builder, signature, arguments):
        condition, yes, no = arguments
        return builder.select(
            context.is_true(builder, signature.args[0], condition),
            context.cast(builder, yes, signature.args[1], result),
            context.cast(builder, no, signature.args[2], result),
        )

    return result(condition, yes, no), codegen


def select_of(condition, yes, no):
    return select(condition, yes, no)  # type: ignore[call-arg]


# LLVM moves what only one side of a branch needs into it, and does not vectorise the loop if that
# is much.
_funcify_switch = numba_funcify_and_cache_key.dispatch(ps.Switch)


@register_funcify_and_cache_key(ps.Switch)
def funcify_switch(op, node, **kwargs):
    function, key = _funcify_switch(op, node=node, **kwargs)
    if not _without_branches.get() or len({i.type.dtype for i in node.inputs[1:]}) > 1:
        return function, key
    return numba_njit(select_of, forceinline=True), scalar_op_cache_key(op, select=VERSION)


def inlined(function, count: int):
    """LLVM inlines what is small, and a loop with a call in it is not vectorised.

    PyTensor wraps the function of a loop that takes scalars once more.  There it is called by an
    intrinsic, which can mark the wrapper too.
    """
    function.targetoptions["forceinline"] = True
    if not _takes_scalars.get():
        return function

    def callee():
        return types.Dispatcher(function)  # which keeps no reference to it

    def typed(typing_context, *arguments):
        signature = typing_context.resolve_function_type(callee(), arguments, {})

        def codegen(context, builder, signature, values):
            builder.function.attributes.add("alwaysinline")
            return context.get_function(callee(), signature)(builder, values)

        return signature, codegen

    # numba packs the arguments of an intrinsic that takes *args.
    names = ", ".join(f"x{i}" for i in range(count))
    source = f"def called_inline(context, {names}):\n    return typed(context, {names})\n"
    return intrinsic(compile_numba_function_src(source, "called_inline", {"typed": typed}))


def is_vectorised(op: Composite) -> bool:
    """Whether nothing in the function of one element calls a library."""
    return all(isinstance(node.op, (KernelOp, *WITHOUT_CALLS)) for node in op.fgraph.apply_nodes)


def funcify_composite(op, node, **kwargs):
    if not any(isinstance(inner.op, KernelOp) for inner in op.fgraph.apply_nodes):
        return numba_funcify_Composite(op, node=node, **kwargs)
    if not is_vectorised(op):
        with during(_one_by_one, True):
            return numba_funcify_Composite(op, node=node, **kwargs)
    with during(_without_branches, True):
        function, key = numba_funcify_Composite(op, node=node, **kwargs)
    return function, key and f"{key}_inlined_{VERSION}"


for _op_type in KernelOp.__subclasses__():
    # A kernel returns its own dtype: the casts of `register_scalar_funcify` may not be inlined.
    register_funcify_and_cache_key(_op_type)(funcify)
register_scalar_funcify(Composite)(funcify_composite)
# With the casts of its results, which are another function.
_cast_composite = numba_funcify_and_cache_key.dispatch(Composite)


@register_funcify_and_cache_key(Composite)
def funcify_cast_composite(op, node, **kwargs):
    function, key = _cast_composite(op, node=node, **kwargs)
    with_kernel = any(isinstance(inner.op, KernelOp) for inner in op.fgraph.apply_nodes)
    if with_kernel and is_vectorised(op):
        return inlined(function, op.nin), key
    return function, key


@register_funcify_and_cache_key(FusedElemwise)
@register_funcify_and_cache_key(ScalarizedElemwise)
def funcify_fused(op, node, **kwargs):
    scalars = any(isinstance(v.type, ps.ScalarType) for v in node.inputs)
    with during(_takes_scalars, scalars):
        return numba_funcify_FusedElemwise(op, node=node, **kwargs)


@register_funcify_default_op_cache_key(Apart)
def funcify_apart(op, **kwargs):
    @numba_njit
    def apart(x):
        return x

    return apart


@register_funcify_default_op_cache_key(WithoutGaps)
def funcify_without_gaps(op, **kwargs):
    @numba_njit
    def without_gaps(x):
        return np.ascontiguousarray(x)

    return without_gaps
