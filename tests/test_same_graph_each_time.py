"""A graph is written in the same way each time: numba's cache on disk knows it by its text."""

from fractions import Fraction

import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.algebra.factoring import residue
from pytensor_stabilize.rewrites.algebra.families import Symbol
from pytensor_stabilize.rewrites.algebra.forms import monomial


def test_the_terms_of_a_sum_come_in_the_order_of_their_age():
    symbols = [Symbol(pt.dvector(), ()) for _ in range(30)]
    terms = [monomial([(symbol, 1)]) for symbol in symbols]
    form = residue({term: Fraction(1) for term in reversed(terms)}).form
    assert list(form) == terms


def response(x, c, y):
    """Logarithmic likelihood of a three-parameter item response, and its gradient."""
    guess = pt.sigmoid(c)[[0, 1, 0]]
    p = guess + (1 - guess) * pt.sigmoid(x)
    value = (y * pt.log(p) + (1 - y) * pt.log1p(-p)).sum()
    return [value, *pt.grad(value, [x, c])]


def mixture(x, c, y):
    value = pt.log(pt.sigmoid(c)[0] * pt.exp(-(x**2)) + pt.sigmoid(-c)[0] * pt.exp(-(y**2))).sum()
    return [value, *pt.grad(value, [x, c])]


@pytest.mark.parametrize("make", [response, mixture])
def test_a_graph_is_rewritten_to_the_same_text(make):
    texts, others = set(), []
    for repeat in range(6):
        # What stays alive moves what comes next to other addresses.
        others.append([object() for _ in range(997 * repeat)])
        inputs = [pt.dvector(name) for name in "xcy"]
        graph = FunctionGraph(inputs, make(*inputs), clone=True)
        get_mode("CVM").optimizer.rewrite(graph)
        texts.add(pytensor.dprint(graph.outputs, file="str"))
    assert len(texts) == 1
