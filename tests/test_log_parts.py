"""Logarithms of what is put together of parts, some of which may be left out."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten
from pytensor.graph.rewriting.utils import rewrite_graph

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
