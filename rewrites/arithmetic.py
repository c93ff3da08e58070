"""Build sums and products without nodes that do nothing."""

from collections.abc import Sequence
from typing import cast

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.math import add, mul


def as_dtype(variable: Variable, dtype: str) -> Variable:
    """Cast only where the dtype differs."""
    return variable if variable.type.dtype == dtype else pt.cast(variable, dtype)


def sum_of(terms: Sequence[Variable]) -> Variable:
    """Sum of one or more terms."""
    return cast(Variable, add(*terms)) if len(terms) > 1 else terms[0]


def product_of(factors: Sequence[Variable]) -> Variable:
    """Product of one or more factors."""
    return cast(Variable, mul(*factors)) if len(factors) > 1 else factors[0]
