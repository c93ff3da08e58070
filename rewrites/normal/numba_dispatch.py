"""Numba dispatch of the normal family."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from pytensor_stabilize.rewrites.internals.numba import (
    numba_njit,
    register_scalar_funcify,
    scalar_op_cache_key,
)
from pytensor_stabilize.rewrites.normal import coefficients as normal_coefficients
from pytensor_stabilize.rewrites.normal import kernels as normal_kernels
from pytensor_stabilize.rewrites.normal.ops import NormalOp

# Compiled code is kept on disk under this key: it must change when a kernel does.
_SOURCES = (__file__, normal_kernels.__file__, normal_coefficients.__file__)
_DIGEST = sha256(b"".join(Path(source).read_bytes() for source in _SOURCES)).hexdigest()


def funcify(op, node, **kwargs):
    kernel = getattr(normal_kernels, op.kernel)

    def of_one(x, hi, lo):
        return kernel(np.float64(x), np.float64(hi), np.float64(lo))

    def of_two(a, b, hi, lo):
        return kernel(np.float64(a), np.float64(b), np.float64(hi), np.float64(lo))

    normal_kernel = of_one if op.nin == 3 else of_two
    return numba_njit(normal_kernel, fastmath=False), scalar_op_cache_key(op, digest=_DIGEST)


def _subclasses(cls: type) -> Iterator[type]:
    direct: list[type] = cls.__subclasses__()
    for subclass in direct:
        yield subclass
        yield from _subclasses(subclass)


for _op_type in _subclasses(NormalOp):
    register_scalar_funcify(_op_type)(funcify)
