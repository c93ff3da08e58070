"""How PyTensor translates ops for numba, and keeps what was compiled on disk."""

from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import (
    numba_funcify_and_cache_key,
    numba_njit,
    register_funcify_and_cache_key,
    register_funcify_default_op_cache_key,
)
from pytensor.link.numba.dispatch.elemwise import numba_funcify_FusedElemwise
from pytensor.link.numba.dispatch.scalar import (
    numba_funcify_Composite,
    register_scalar_funcify,
    scalar_op_cache_key,
)
from pytensor.tensor.rewriting.fused_elemwise import FusedElemwise
from pytensor.tensor.rewriting.scalarize import ScalarizedElemwise

__all__ = [
    "FusedElemwise",
    "ScalarizedElemwise",
    "compile_numba_function_src",
    "numba_funcify_Composite",
    "numba_funcify_FusedElemwise",
    "numba_funcify_and_cache_key",
    "numba_njit",
    "register_funcify_and_cache_key",
    "register_funcify_default_op_cache_key",
    "register_scalar_funcify",
    "scalar_op_cache_key",
]
