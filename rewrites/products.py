"""Products as a constant times other factors, to be divided by one another."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.math import mul

from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import exact_constant, strip_sign


@dataclass(frozen=True)
class Factors:
    """``constant`` times the product of `others`."""

    constant: Fraction
    others: Counter[Variable]

    @classmethod
    def of(cls, variable: Variable) -> "Factors":
        """Read a product; quotients and powers are not taken apart."""
        value = exact_constant(variable)
        if value is not None:
            return cls(value, Counter())
        sign, core = strip_sign(variable)
        node = core.owner
        if node is None or node.op != mul:
            return cls(Fraction(sign), Counter([core]))
        constant, others = Fraction(sign), Counter[Variable]()
        for factor in node.inputs:
            read = cls.of(factor) if factor.type.dtype == variable.type.dtype else None
            if read is None:
                others[factor] += 1
            else:
                constant *= read.constant
                others += read.others
        return cls(constant, others)

    def over(self, other: "Factors") -> "Factors | None":
        """The quotient, if `other` divides this."""
        if not other.constant or other.others - self.others:
            return None
        return Factors(self.constant / other.constant, self.others - other.others)

    def build(self, dtype: str) -> Variable | None:
        """The product; None if its constant is no float of the dtype."""
        value = np.asarray(float(self.constant), dtype=dtype)
        if Fraction(float(value)) != self.constant:
            return None
        factors = list(self.others.elements())
        if self.constant != 1 or not factors:
            factors.insert(0, pt.constant(value))
        return product_of(factors)
