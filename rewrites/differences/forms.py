"""Differences of a function at two arguments, without a subtraction that cancels.

Each form holds for a above, below and equal to b, and for infinite arguments.  The larger and
the smaller argument are chosen by `switch`: the derivatives of maximum and minimum at a tie,
1/2 each in JAX and 1 each in PyTensor, would make that of the difference 0 at a = b.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.matching import negate
from pytensor_stabilize.rewrites.shared_terms import add_up, subtract
from pytensor_stabilize.rewrites.symbols import Value, switch


def _number(value: float, like: Value) -> Value:
    """A constant of the dtype of `like`, so that nothing has to be cast or folded later."""
    return np.asarray(value, like.type.dtype) if isinstance(like, Variable) else value


def times(number: float, x: Value) -> Value:
    """``number * x``, with a constant that `negate` finds."""
    if not isinstance(x, Variable):
        return number * x
    return pt.constant(np.full((1,) * x.type.ndim, number, x.type.dtype)) * x


def negated(x: Value) -> Value:
    if isinstance(x, Variable):
        return negate(x)
    return -x


def _at_equal_infinities(a: Value, b: Value, value: Value) -> Value:
    """`value`, but 0 where a and b are the same infinity."""
    if not isinstance(a, Variable):
        return value
    return pt.switch(pt.and_(pt.isinf(a), pt.eq(a, b)), _number(0, a), value)


def minus(a: Value, b: Value) -> Value:
    """``a - b``, and 0 where both are the same infinity."""
    return _at_equal_infinities(a, b, difference(a, b))


def plus(a: Value, b: Value) -> Value:
    """``a + b``, of two sums without what cancels between them."""
    return add_up(a, b) if isinstance(a, Variable) else a + b


def difference(a: Value, b: Value) -> Value:
    """``a - b`` without the terms that both have."""
    return subtract(a, b) if isinstance(a, Variable) else a - b


class Ordered:
    """Two arguments in order, the sign of their difference and minus its size."""

    def __init__(self, a: Value, b: Value) -> None:
        d = difference(a, b)
        self.above = d >= _number(0, a)
        # Its derivative at 0 is not 0, as that of abs is.
        self.size = _at_equal_infinities(a, b, switch(self.above, -d, d))
        self.a, self.b = a, b

    @property
    def hi(self) -> Value:
        return switch(self.above, self.a, self.b)

    @property
    def lo(self) -> Value:
        return switch(self.above, self.b, self.a)

    @property
    def share(self) -> Value:
        """``1 - exp(-|a - b|)`` with the sign of ``a - b``."""
        e = symbols.expm1(self.size)
        return switch(self.above, -e, e)


def sigmoid_difference(a: Value, b: Value) -> Value:
    """``sigmoid(a) - sigmoid(b)``."""
    order = Ordered(a, b)
    return symbols.sigmoid(order.hi) * symbols.sigmoid(negated(order.lo)) * order.share


def tanh_difference(a: Value, b: Value) -> Value:
    """``tanh(a) - tanh(b)``."""
    return _number(2, a) * sigmoid_difference(times(2, a), times(2, b))


def sigmoid_density_difference(a: Value, b: Value) -> Value:
    """``sigmoid(a) sigmoid(-a) - sigmoid(b) sigmoid(-b)``.

    It is ``(p - p') (q - p')``; with h and l the larger and the smaller of |a| and |b| that is
    ``+-sigmoid(h)**2 sigmoid(l) sigmoid(-l) (1 - exp(-|a - b|)) (1 - exp(-|a + b|))``.
    """
    return _density_difference(a, b, 1)


def tanh_square_difference(a: Value, b: Value) -> Value:
    """``tanh(a)**2 - tanh(b)**2``."""
    return times(4, _density_difference(b, a, 2))


def _density_difference(a: Value, b: Value, scale: int) -> Value:
    """That of a logistic density at multiples of two arguments, which are subtracted unscaled."""
    sizes = abs(a), abs(b)
    first = sizes[0] >= sizes[1]
    high, low = (_scaled(scale, switch(first, *pair)) for pair in (sizes, sizes[::-1]))
    top, slope = symbols.sigmoid(high), symbols.sigmoid(low) * symbols.sigmoid(negated(low))
    shares = _share(b, a, difference(b, a), scale) * _share(a, negated(b), plus(a, b), scale)
    return top * top * slope * shares


def _scaled(number: int, x: Value) -> Value:
    return x if number == 1 else times(number, x)


def _share(a: Value, b: Value, d: Value, scale: int = 1) -> Value:
    """``1 - exp(-|d|)`` with the sign of d, a multiple of ``a - b``."""
    d = _scaled(scale, d)
    above = d >= _number(0, d)
    e = symbols.expm1(_at_equal_infinities(a, b, switch(above, negated(d), d)))
    return switch(above, -e, e)


def exp_difference(a: Value, b: Value) -> Value:
    """``exp(a) - exp(b)``."""
    order = Ordered(a, b)
    return symbols.exp(order.hi) * order.share


def log_sigmoid_difference(a: Value, b: Value) -> Value:
    """``log(sigmoid(a) - sigmoid(b))``; nan where a < b."""
    outside = symbols.softplus(negated(a)) + symbols.softplus(b)
    return symbols.log1mexp(minus(b, a)) - outside


def log_one_minus_sigmoid_ratio(a: Value, b: Value) -> Value:
    """``log(1 - sigmoid(a) / sigmoid(b))``; nan where a > b."""
    return symbols.log1mexp(minus(a, b)) - symbols.softplus(a)


def log_tanh_difference(a: Value, b: Value) -> Value:
    """``log(tanh(a) - tanh(b))``; nan where a < b.

    In the limit of large a at b = 0, or of large -b at a = 0, the difference is 1.  Near that its
    logarithm is ``log(tanh(a)) + log(1 - tanh(b) / tanh(a))``, of which each part vanishes alone.
    """
    twice_a, twice_b = times(2, a), times(2, b)
    if not isinstance(a, Variable):
        return log_sigmoid_difference(twice_a, twice_b) + (a - a + 2).log()
    far = pt.add(_number(np.log(2), a), pt.log1mexp(minus(twice_b, twice_a))) - pt.add(
        pt.softplus(negate(twice_a)), pt.softplus(twice_b)
    )
    # tanh(a) - tanh(b) = tanh(-b) - tanh(-a): x is the one that saturates
    right = pt.gt(a, negate(b))
    x, y = pt.switch(right, a, negate(b)), pt.switch(right, b, negate(a))
    near = pt.and_(pt.gt(x, _number(1, a)), pt.lt(pt.abs(y), _number(0.25, a)))
    x, y = _guarded(near, x, 1), _guarded(near, y, 0)
    first = pt.log1p(times(-2, pt.sigmoid(times(-2, x))))
    return pt.switch(near, first + pt.log1p(-pt.tanh(y) / pt.tanh(x)), far)


def log_exp_difference(a: Value, b: Value) -> Value:
    """``log(exp(a) - exp(b))``; nan where a < b."""
    if not isinstance(a, Variable):
        return a + symbols.log1mexp(b - a)
    inside = pt.switch(pt.eq(b, _number(-np.inf, b)), _number(-np.inf, b), subtract(b, a))
    return a + pt.log1mexp(inside)


def _limit(x: Value) -> Value:
    """Arguments up to this size have an exponential that is a normal float."""
    if not isinstance(x, Variable):
        return np.inf
    return _number(np.floor(-np.log(np.finfo(x.type.dtype).tiny) - 1), x)


def sigmoid_ratio(a: Value, b: Value) -> Value:
    """``sigmoid'(a) / (sigmoid(a) - sigmoid(b))``.

    With x and y the arguments, negated if a > b, it is
    ``sign * sigmoid(x) / (sigmoid(y) (1 - exp(x - y)))``, or where sigmoid(x) underflows
    ``sign * (sigmoid(x) + exp(x - y)) / (1 - exp(x - y))``, which rounds x - y first.
    """
    order = Ordered(a, b)
    return _sigmoid_ratio(
        order, switch(order.above, negated(a), a), switch(order.above, negated(b), b)
    )


def sigmoid_ratio_second(a: Value, b: Value) -> Value:
    """``sigmoid'(b) / (sigmoid(a) - sigmoid(b))``."""
    order = Ordered(a, b)
    return _sigmoid_ratio(
        order, switch(order.above, b, negated(b)), switch(order.above, a, negated(a))
    )


def tanh_ratio(a: Value, b: Value) -> Value:
    """``tanh'(a) / (tanh(a) - tanh(b))``."""
    a, b = times(2, a), times(2, b)
    order = Ordered(a, b)
    x, y = switch(order.above, negated(a), a), switch(order.above, negated(b), b)
    return _sigmoid_ratio(order, x, y, 2)


def _sigmoid_ratio(order: Ordered, x: Value, y: Value, scale: int = 1) -> Value:
    normal = x > -_limit(x)
    s = symbols.sigmoid(x)
    below = symbols.sigmoid(_guarded(normal, y, 0))
    top = switch(normal, s / below, s + symbols.exp(order.size))
    return (top if scale == 1 else times(scale, top)) / order.share


def _guarded(condition: Value, x: Value, number: float) -> Value:
    """`x`, and `number` where it is not selected: 0 / 0 there would spoil the derivative."""
    return pt.switch(condition, x, _number(number, x)) if isinstance(x, Variable) else x


def exp_ratio(a: Value, b: Value) -> Value:
    """``exp(a) / (exp(a) - exp(b))``, which is ``-1 / expm1(b - a)``."""
    order = Ordered(a, b)
    e = symbols.expm1(order.size)
    return switch(order.above, _number(-1, a) / e, _smaller(order) / e)


def exp_ratio_second(a: Value, b: Value) -> Value:
    """``exp(b) / (exp(a) - exp(b))``, which is ``1 / expm1(a - b)``."""
    order = Ordered(a, b)
    e = symbols.expm1(order.size)
    return -switch(order.above, _smaller(order) / e, _number(-1, a) / e)


def _smaller(order: Ordered) -> Value:
    """``exp(-|a - b|)``.

    As a quotient as long as both exponentials are normal floats: the exponential amplifies the
    rounding of a - b.
    """
    value = symbols.exp(order.size)
    if not isinstance(order.a, Variable):
        return value
    limit = _limit(order.a)
    normal = pt.and_(order.lo > -limit, order.hi < limit)
    # The switches also keep PyTensor from merging the exponentials again.
    above = pt.switch(normal, pt.exp(_guarded(normal, order.lo, 0)), value)
    return above * pt.exp(_guarded(normal, -order.hi, 0))
