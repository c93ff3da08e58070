"""The kernels in C, as statements of a block."""

from collections.abc import Callable
from functools import cache
from math import isfinite, isnan

import numpy as np

from pytensor_stabilize.rewrites.branch_free.kernels import FORMATS

C_TYPES = {"float64": ("npy_float64", "npy_uint64"), "float32": ("npy_float32", "npy_uint32")}


class CBackend:
    """Collects statements; its values are names and literals."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.type, self.integer = C_TYPES[dtype]
        self.suffix = "f" if dtype == "float32" else ""
        self.statements: list[str] = []

    def value(self, expression: str) -> str:
        name = self._new()
        self.statements.append(f"const {self.type} {name} = {expression};")
        return name

    def _new(self) -> str:
        return f"v{len(self.statements)}"

    def constant(self, number: float) -> str:
        if not isfinite(number):
            return f"(__builtin_{number!r}{self.suffix}{'("")' if isnan(number) else '()'})"
        return f"({number!r}{self.suffix})"

    def add(self, a: str, b: str) -> str:
        return self.value(f"{a} + {b}")

    def sub(self, a: str, b: str) -> str:
        return self.value(f"{a} - {b}")

    def mul(self, a: str, b: str) -> str:
        return self.value(f"{a} * {b}")

    def div(self, a: str, b: str) -> str:
        return self.value(f"{a} / {b}")

    def negative(self, a: str) -> str:
        return self.value(f"-{a}")

    def abs(self, a: str) -> str:
        return self.value(f"__builtin_fabs{self.suffix}({a})")

    def copysign(self, size: str, sign: str) -> str:
        return self.value(f"__builtin_copysign{self.suffix}({size}, {sign})")

    def multiply_add(self, a: str, b: str, c: str) -> str:
        return self.value(f"{a} * {b} + {c}")

    def choose_below(self, a: str, b: str, yes: str, no: str) -> str:
        return self.value(f"({a} < {b}) ? {yes} : {no}")

    def exponent(self, a: str) -> str:
        bits = self._new()
        self.statements.append(
            f"{self.integer} {bits}; __builtin_memcpy(&{bits}, &{a}, sizeof({bits}));"
        )
        result = self._new()
        self.statements.append(
            f"{bits} <<= {FORMATS[self.dtype].digits}; "
            f"{self.type} {result}; __builtin_memcpy(&{result}, &{bits}, sizeof({bits}));"
        )
        return result

    def split(self, a: str) -> tuple[str, str]:
        digits, bias = FORMATS[self.dtype].digits, FORMATS[self.dtype].bias
        bits, moved, exponent, number, k, m = (f"{self._new()}_{i}" for i in range(6))
        one, least, shifter = (
            np.array(number, self.dtype).view(f"u{np.dtype(self.dtype).itemsize}")
            for number in (1.0, 2 / 3, 2.0**digits)
        )
        self.statements.append(
            f"{self.integer} {bits}; __builtin_memcpy(&{bits}, &{a}, sizeof({bits})); "
            f"const {self.integer} {moved} = {bits} + {one - least}u, "
            f"{exponent} = {moved} >> {digits}; "
            f"const {self.integer} {number} = {exponent} | {shifter}u; "
            f"{self.type} {k}; __builtin_memcpy(&{k}, &{number}, sizeof({k})); "
            f"{k} -= {2.0**digits + bias!r}{self.suffix}; "
            f"{bits} += {one}u - ({exponent} << {digits}); "
            f"{self.type} {m}; __builtin_memcpy(&{m}, &{bits}, sizeof({m}));"
        )
        return k, m


@cache
def statements(kernel: Callable, dtype: str, count: int) -> str:
    """A block of C that takes `count` values and puts the kernel's result into `out`.

    To be formatted with the names ``out``, ``in0``, ``in1``.
    """
    do = CBackend(dtype)
    arguments = [do.value(f"{{in{i}}}") for i in range(count)]
    result = kernel(do, *arguments)
    lines = "\n    ".join(do.statements)
    return f"{{{{\n    {lines}\n    {{out}} = {result};\n}}}}"
