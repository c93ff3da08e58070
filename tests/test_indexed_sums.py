"""Elements of joined differences that arrays name, and the loops of a likelihood with them."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.tensor.basic import Join
from pytensor.tensor.subtensor import AdvancedIncSubtensor
from test_differences import probabilities

import pytensor_stabilize

INF = np.inf
NAME = "index_of_joined_sum"
eta, c = pt.dvector("eta"), pt.dvector("c")
table = pt.dmatrix("table")
label = pt.lvector("label")
# The fourth row takes a difference that is small.
ETA = np.array([0.3, -INF, INF, 0.0, 700.0])
C = np.array([-1.0, 0.5, 2e-20])
ROWS = np.arange(5)[:, None]
LABELS = np.array([[0], [1], [4], [3], [0]])


def joined(x, value=INF, axis=1):
    first = x[:, :1] if axis == 1 else x[:1]
    ends = [pt.full_like(first, -value), x, pt.full_like(first, value)]
    return pt.concatenate(ends, axis=axis)


differences = c - eta[:, None]
TAKEN = {
    "constant rows": joined(differences)[ROWS, LABELS],
    "flat arrays": joined(differences)[ROWS.ravel(), LABELS.ravel()],
    "other rows": joined(differences)[ROWS[::-1] - 2, LABELS - 5],
    "symbolic labels": joined(differences)[ROWS.ravel(), label],
    "all rows and some labels": joined(differences)[ROWS, np.array([[0, 4, 1]])],
    "along the first axis": joined(eta - c[:, None], axis=0)[LABELS, ROWS],
    "two sums": joined(c + 1 - eta[:, None] - 2 * eta[:, None])[ROWS, LABELS],
    "plus": joined(eta[:, None] + c)[ROWS, LABELS],
    "part of the cutpoints": joined(differences[:, 1:][:, :1])[ROWS, LABELS % 3],
    "one end": pt.join(1, differences, pt.full_like(eta[:, None], INF))[ROWS, LABELS % 4],
}
LEFT = {
    "a slice": joined(differences)[:, LABELS.ravel()],
    "finite ends": joined(differences, 1.0)[ROWS, LABELS],
    "of two joins": pt.join(1, differences, 2 * differences)[ROWS, LABELS],
    "cutpoints of each row": joined(table - eta[:, None])[ROWS, LABELS],
    "no difference": joined(table)[ROWS, LABELS],
    "a mask": joined(differences)[pt.ge(joined(differences), 0)],
}
GIVEN = {eta: ETA, c: C, label: LABELS.ravel(), table: np.zeros((5, 3))}


def values(outputs, **settings):
    function = pytensor.function(list(GIVEN), outputs, on_unused_input="ignore", **settings)
    return function(*GIVEN.values())


def has_join_of_rows(variable):
    nodes = pytensor.graph.traversal.applys_between([], [variable])
    return any(isinstance(node.op, Join) and node.outputs[0].type.ndim > 1 for node in nodes)


@pytest.mark.parametrize("case", TAKEN)
def test_elements_are_the_same(case):
    taken = TAKEN[case]
    squares = pt.sqr(pt.switch(pt.isinf(taken), 0, taken)).sum()
    graphs = [taken, pt.grad(squares, c)]
    wanted = values(graphs, mode="FAST_COMPILE")
    for mode in ("NUMBA", "CVM"):
        value, slope = values(graphs, mode=mode)
        np.testing.assert_array_equal(value, wanted[0])
        np.testing.assert_allclose(slope, wanted[1], rtol=1e-14)
    with pytensor_stabilize.only(NAME):
        assert not has_join_of_rows(rewrite_graph(taken, include=("canonicalize", "stabilize")))


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left(case):
    with pytensor_stabilize.only(NAME):
        assert has_join_of_rows(rewrite_graph(LEFT[case], include=("canonicalize", "stabilize")))


def test_a_likelihood_writes_one_number_a_row_into_the_cutpoints():
    """As PyMC compiles it: rewritten before it is differentiated."""
    p = probabilities(eta, c)
    rows = pt.take_along_axis(p, pt.as_tensor(LABELS[:, :1] % 4), axis=-1).squeeze(-1)
    total = rewrite_graph(pt.log(rows).sum(), include=("canonicalize", "stabilize"))
    slopes = pt.grad(total, [eta, c])
    function = pytensor.function([eta, c], [total, *slopes], mode="NUMBA")
    writes = [
        node
        for node in function.maker.fgraph.apply_nodes
        if isinstance(node.op, AdvancedIncSubtensor)
    ]
    # Apart from the loop with the exponentials, which is vectorised so.
    assert writes
    assert all(node.outputs[0].type.ndim == 1 for node in writes)
    at = np.array([0.3, -30.0, 800.0, -2.0, -800.0]), np.array([-1.0, -1.0 + 1e-3, 2.0])
    plain = pytensor.function([eta, c], [total, *slopes], mode="CVM")
    for one, other in zip(function(*at), plain(*at), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
