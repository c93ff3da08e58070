"""The algebra of the engine by itself: monomials, hidden roots, the functions of a monomial."""

from fractions import Fraction

import pytensor.tensor as pt
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from pytensor_stabilize.rewrites.algebra.companions import OPERATION, calls, cost, weight
from pytensor_stabilize.rewrites.algebra.factoring import canonical
from pytensor_stabilize.rewrites.algebra.families import Family, Member, Symbol
from pytensor_stabilize.rewrites.algebra.forms import ONE, Monomial, monomial

FAMILY = Family("logistic", "x", (), Fraction(1))
Y = Symbol(pt.dvector("y"), ())


def m(p: Fraction | int = 0, q: Fraction | int = 0, t: Fraction | int = 0, y: int = 0) -> Monomial:
    """``p**p q**q t**t y**y``."""
    powers = [(Member(FAMILY, name), n) for name, n in zip("pqt", (p, q, t), strict=True)]
    return monomial([*powers, (Y, y)])


def terms(**named: int) -> list[tuple[Fraction, Monomial]]:
    """A sum, for example ``one=1, p=-1``."""
    known = {"one": ONE, "p": m(1), "pp": m(2), "ppp": m(3), "q": m(0, 1), "t": m(t=1)}
    known |= {"tt": m(t=2), "y": m(y=1), "yp": m(1, y=1), "e": m(1, -1), "inverse": m(-1)}
    return [(Fraction(c), known[name]) for name, c in named.items()]


def labels(symbol: Symbol, family: Family) -> bool:
    return True


def factored(**named: int):
    return canonical(terms(**named), labels)


FACTORED = {
    "1 - p": ({"one": 1, "p": -1}, 1, m(0, 1)),
    "p - p**2": ({"p": 1, "pp": -1}, 1, m(1, 1)),
    "1 - 2 p + p**2": ({"one": 1, "p": -2, "pp": 1}, 1, m(0, 2)),
    "2 - 2 p": ({"one": 2, "p": -2}, 2, m(0, 1)),
    "1 - 2 p": ({"one": 1, "p": -2}, -1, m(t=1)),
    "1 - t": ({"one": 1, "t": -1}, 2, m(0, 1)),
    "1 - t**2": ({"one": 1, "tt": -1}, 4, m(1, 1)),
    "exp - 1": ({"e": 1, "one": -1}, 1, m(0, -1, 1)),
    "1 / p - 1": ({"inverse": 1, "one": -1}, 1, m(-1, 1)),
    "y - y p": ({"y": 1, "yp": -1}, 1, m(0, 1, y=1)),
    "p - 3 p**2 + 2 p**3": ({"p": 1, "pp": -3, "ppp": 2}, -1, m(1, 1, 1)),
}


@pytest.mark.parametrize("case", FACTORED)
def test_a_sum_with_critical_roots_is_a_product(case):
    named, coefficient, factors = FACTORED[case]
    found = factored(**named)
    assert found.hidden
    assert found.is_product
    assert (found.coefficient, found.factors) == (coefficient, factors)


NOTHING_HIDDEN = {
    "1 + p": {"one": 1, "p": 1},
    "2 - p": {"one": 2, "p": -1},
    "1 - 3 p": {"one": 1, "p": -3},
    "p + q t": {"p": 1, "t": 1},
    "exp + 1": {"e": 1, "one": 1},
    "y + p": {"y": 1, "p": 1},
}


@pytest.mark.parametrize("case", NOTHING_HIDDEN)
def test_a_sum_without_critical_roots_is_left(case):
    assert not factored(**NOTHING_HIDDEN[case]).hidden


def test_near_roots_are_no_roots():
    """The coefficients are the floats that stand in the graph: 0.1 + 0.2 is not 0.3."""
    spelled = [(Fraction(0.3), ONE), (Fraction(-0.1), m(1)), (Fraction(-0.2), m(1))]
    assert not canonical(spelled, labels).hidden
    third = [(Fraction(1, 3), ONE), (Fraction(-1, 3), m(1))]
    assert canonical(third, labels).hidden


def test_a_label_hides_a_root():
    found = factored(y=1, p=-1)
    assert found.hidden
    assert len(found.residual) == 2
    assert not canonical(terms(y=1, p=-1), lambda symbol, family: False).hidden


def test_one_exponential_in_place_of_two_sigmoids():
    both = cost(Fraction(1), m(1, 1))
    assert cost(Fraction(1), m(1, -1)) < both  # exp
    assert cost(Fraction(1), m(0, -1, 1)) < both  # expm1
    assert cost(Fraction(2), m(Fraction(1, 2), Fraction(1, 2))) < both + OPERATION  # 1 / cosh
    assert cost(Fraction(1), m(Fraction(1, 2))) > both  # a root is an operation


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("k", range(6))
def test_a_quotient_that_overflows_costs_more(n, k):
    """``exp(k x) / expm1(x)**n`` is inf / inf beyond 709."""
    overflowing = (weight("exp") if k else 0) + n * weight("expm1")
    if 0 < k <= n:
        assert cost(Fraction(1), m(k, n - k, -n)) < overflowing


HALVES = st.integers(-6, 6).map(lambda n: Fraction(n, 2))


def value(p: Fraction, q: Fraction, t: int, u: Fraction) -> arb:
    s = 1 / (1 + (-arb(u.numerator) / u.denominator).exp())
    half = [arb(n.numerator) / n.denominator for n in (p, q)]
    return s ** half[0] * (1 - s) ** half[1] * (2 * s - 1) ** t


@settings(max_examples=200, deadline=None)
@given(p=HALVES, q=HALVES, t=st.integers(-3, 3), u=st.sampled_from((-7, -1, 1, 5)))
def test_the_functions_of_a_monomial_are_equal_to_it(p, q, t, u):
    ctx.prec = 400
    factor, found = calls("logistic", p, q, t)
    product = arb(factor.numerator) / factor.denominator
    for name, ratio, power in found:
        at = arb(ratio.numerator) / ratio.denominator * u
        call = 1 / (1 + (-at).exp()) if name == "sigmoid" else getattr(at, name)()
        product *= call ** (arb(power.numerator) / power.denominator)
    wanted = value(p, q, t, Fraction(u))
    assert abs(product / wanted - 1) < arb(2) ** -300


@settings(max_examples=200, deadline=None)
@given(
    coefficients=st.lists(st.integers(-4, 4), min_size=2, max_size=5),
    shift=st.integers(-2, 1),
    u=st.sampled_from((-3, -1, 2)),
)
def test_factoring_keeps_the_value(coefficients, shift, u):
    ctx.prec = 300
    spelled = [(Fraction(c), m(k + shift)) for k, c in enumerate(coefficients) if c]
    if not spelled:
        return
    found = canonical(spelled, labels)
    s = 1 / (1 + (-arb(u)).exp())
    generators = {"p": s, "q": 1 - s, "t": 2 * s - 1}

    def evaluate(factors: Monomial) -> arb:
        result = arb(1)
        for generator, power in factors:
            result *= generators[generator.companion] ** int(power)
        return result

    wanted = sum((arb(int(c)) * evaluate(factors) for c, factors in spelled), arb(0))
    inner = sum(
        (arb(c.numerator) / c.denominator * evaluate(f) for f, c in found.residual.items()), arb(0)
    )
    coefficient = arb(found.coefficient.numerator) / found.coefficient.denominator
    assert abs(coefficient * evaluate(found.factors) * inner - wanted) < arb(2) ** -250
