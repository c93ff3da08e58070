"""Logarithms of what is put together of parts, some of which may be left out."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten
from pytensor.graph.rewriting.utils import rewrite_graph

import pytensor_stabilize
from pytensor_stabilize.graphs import explain

x, y = pt.dvectors("x", "y")
i, rows = pt.lscalar("i"), pt.lvector("rows")
s = pt.sigmoid(y)
JOINED, STACKED = pt.concatenate([s, x]), pt.stack([s, x])
AT = np.array([0.0, 0.5, 1.0])

# Each leaves out elements of x that are 0 or 1, where a logarithm has no derivative.
LEFT_OUT = {
    "an element of a join": pt.log(JOINED[i]),
    "elements of a join": pt.log(JOINED[rows]),
    "of one minus a join": pt.log1p(-JOINED[i]),
    "a row of a stack": pt.log(STACKED[i]),
    "elements of a stack": pt.log(STACKED[rows, pt.arange(3)]),
    "an element of two": pt.log(pt.stack([s[0], x[0]])[i]),
    "what is written over": pt.log(pt.set_subtensor(x[:1], s[:1])[:2]),
    "at an array": pt.log(x[np.array([0])].set(s[:1])[:2]),
    "one minus what is written over": pt.log1p(-pt.set_subtensor(x[2], s[0])[1:]),
    "written over twice": pt.log(pt.set_subtensor(pt.set_subtensor(x[1], 0.5)[0], s[0])[:2]),
}
SAFE = {
    "the parts of a join": pt.log(pt.concatenate([s, x])),
    "an element of two probabilities": pt.log(pt.concatenate([s, 1 - s])[i]),
    "an element beside zeros": pt.log(pt.concatenate([s, np.zeros(2)])[i]),
    "a complementary log-log link": pt.log(
        pt.switch(pt.eq(x, 1), 1 - pt.exp(-pt.exp(y)), pt.exp(-pt.exp(y)))
    ),
    "log(1 + exp) in a switch": pt.log(pt.switch(y > 1, pt.tanh(pt.softplus(y)), 0.5)),
    "a write to zeros": pt.log(pt.set_subtensor(pt.zeros(3)[1], s[0])),
    "writes to what is empty": pt.log(
        pt.set_subtensor(pt.set_subtensor(pt.empty(2)[0], s[0])[1], 1 - s[0])
    ),
}


@pytest.mark.parametrize("form", LEFT_OUT)
def test_what_is_left_out_has_a_finite_derivative(form):
    """PyMC and JAX differentiate what the rules made."""
    value = LEFT_OUT[form]
    slopes = []
    for built in (value, rewrite_graph(value, include=("canonicalize", "stabilize"))):
        slope = pytensor.grad(built.sum(), x)
        slopes.append(compile_rewritten([x, y, i, rows], slope)(AT, [0.3, 1.2, -0.7], 0, [0, 0, 0]))
    assert np.isfinite(slopes[0]).all()
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-14)


@pytest.mark.parametrize("form", SAFE)
def test_what_has_one_everywhere_is_mended(form):
    assert explain(SAFE[form]).fired["log_of_parts"]


e = pt.exp(y)
# The logarithm of a part is nan, or has no derivative at 0, where the other part is chosen.
BEYOND = {
    "a maximum with a negative number": pt.log1p(pt.maximum(s, -3.0)),
    "one minus a minimum": pt.log1p(-pt.minimum(e, 0.5)),
    "one minus what is clipped": pt.log(1 - pt.clip(e, 1e-7, 1 - 1e-7)),
    "one minus a switch": pt.log1p(-pt.switch(y < -1, e, 0.5)),
    "a complement in a switch": pt.log(pt.switch(y < -1, 1 - e, 0.5)),
    "tanh in a switch": pt.log(pt.switch(y > 1, pt.tanh(y), 0.5)),
    "its square in a maximum": pt.log(pt.maximum(pt.tanh(y) ** 2, 0.3)),
    "cos in a switch": pt.log(pt.switch(y > 1, 1 - pt.cos(y), 0.5)),
}


@pytest.mark.parametrize("form", BEYOND)
def test_what_is_not_chosen_has_no_part_in_it(form):
    value = BEYOND[form]
    built = rewrite_graph(value, include=("canonicalize", "stabilize"))
    at = np.array([-3.0, -1.5, 0.0, 0.4, 3.0])
    found = compile_rewritten([y], [value, pytensor.grad(built.sum(), y)])(at)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([y], [value, pytensor.grad(value.sum(), y)])(at)
    for ours, theirs in zip(found, stock, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
