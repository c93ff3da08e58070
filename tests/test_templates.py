"""In a large graph of parts that are alike a rule is asked once for all of them."""

from collections import Counter

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.sparse
from helpers import compile_rewritten, ulps
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.utils import rewrite_graph

from pytensor_stabilize.graphs import explain, same_graph, truth
from pytensor_stabilize.rewrites import engine, memory
from pytensor_stabilize.rewrites.templates import Templates


def cross_entropies(xs, y):
    """A term of each vector, and the gradients."""
    terms = [y * pt.log(p) + (1 - y) * pt.log1p(-p) for p in map(pt.sigmoid, xs)]
    total = sum(term.sum() for term in terms)
    return [total, *pytensor.grad(total, xs)]


@pytest.fixture
def looks(monkeypatch):
    """How often each rule looked at a node."""
    counted = Counter()
    look = engine.RuleRewriter._look

    def counting(self, *args):
        counted[self.rule.name] += 1
        return look(self, *args)

    monkeypatch.setattr(engine.RuleRewriter, "_look", counting)
    return counted


def test_looks_do_not_grow_with_the_number_of_terms(looks):
    y = pt.dvector("y")
    found = []
    for count in (50, 100):
        looks.clear()
        outputs = cross_entropies([pt.dvector() for _ in range(count)], y)
        rewrite_graph(outputs, ("canonicalize", "stabilize"))
        found.append(looks["sum_at_critical_value"])
    # Sums of all terms are looked at as well.
    assert found[1] < found[0] + 25, found


def test_the_graph_is_the_one_that_is_found_without(monkeypatch):
    xs, y = [pt.dvector(f"x{i}") for i in range(40)], pt.dvector("y")
    graphs = []
    for large in (1, 10**9):
        monkeypatch.setattr(memory, "LARGE", large)
        graphs.append(compile_rewritten([*xs, y], cross_entropies(xs, y)).maker.fgraph)
    assert same_graph(*graphs)


def test_the_value_and_the_gradients(monkeypatch):
    monkeypatch.setattr(memory, "LARGE", 1)
    xs, y = [pt.dvector(f"x{i}") for i in range(4)], pt.dvector("y")
    outputs = cross_entropies(xs, y)
    labels = np.array([0.0, 1.0, 1.0, 0.3])
    at = [np.array([-40.0, 45.0, -3.0, 0.1]) * (1 + i) for i in range(4)]
    found = compile_rewritten([*xs, y], outputs)(*at, labels)
    exact = truth(outputs, dict(zip([*xs, y], [*at, labels], strict=True)))
    for value, right in zip(found, exact, strict=True):
        assert ulps(value, right).max() <= 4


def key_of(outputs):
    """What a graph is compared by, and its templates."""
    templates = Templates()
    graph = FunctionGraph(outputs=outputs, clone=True)
    return [templates.of(output.owner)[0] for output in graph.outputs]


X, Y = pt.dvector("x"), pt.dvector("y")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pt.sigmoid(X) - X, pt.sigmoid(Y) - Y),
        (X * Y - Y, Y * X - X),
        (2.5 * X + 1, 2.5 * Y + 1),
    ],
)
def test_alike(a, b):
    first, second = key_of([a, b])
    assert first is second


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (X - pt.sigmoid(X), X - pt.sigmoid(Y)),
        (2.5 * X, 2.0 * X),
        (X * X, X * Y),
        (X + 1.0, pt.fvector("z") + 1.0),
        (X + 1.0, pt.dcol("c") + 1.0),
        (X - Y, X + Y),
        (pt.add(X, pt.add(X, Y)), pt.add(X, pt.add(X), Y)),
        (X * np.array([1.0, 2.0]), X * np.array([1.0, 3.0])),
        (X.sum(), pt.dmatrix("m").sum()),
        (X[0], X[1]),
    ],
)
def test_not_alike(a, b):
    first, second = key_of([a, b])
    assert first is not second


def test_what_is_too_large_has_no_template():
    total = X
    for _ in range(70):
        total = pt.exp(total)
    graph = FunctionGraph(outputs=[total], clone=True)
    assert Templates().of(graph.outputs[0].owner) is None


def test_a_sparse_constant_with_one_element(monkeypatch):
    monkeypatch.setattr(memory, "LARGE", 1)
    matrix = pytensor.sparse.as_sparse_variable(scipy.sparse.csr_matrix([[0.0, 1e16], [0.0, 0.0]]))
    z = pt.dmatrix("z")
    total = pytensor.sparse.structured_dot(matrix, z)
    value = pt.sqrt(total + 1) - pt.sqrt(total)
    with pytensor.config.change_flags(on_opt_error="raise"):
        found = compile_rewritten([z], value)(np.ones((2, 1)))
    assert found[0, 0] == pytest.approx(5e-9)


def test_each_node_is_explained(monkeypatch):
    monkeypatch.setattr(memory, "LARGE", 1)
    xs = [pt.dvector(f"x{i}") for i in range(3)]
    report = explain([1 - pt.sigmoid(x) for x in xs])
    fired = [e.before for e in report.events if e.rule == "one_minus_sigmoid"]
    assert fired == [f"1 - sigmoid({x.name})" for x in xs]
    reasons = explain([1 - pt.abs(0.5 - pt.sigmoid(x)) for x in xs]).left
    assert len([e for e in reasons if e.rule == "one_minus_distance"]) == 3
