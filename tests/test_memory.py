"""What is remembered while a graph is rewritten: the operations in it, and fruitless looks."""

from collections import Counter

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import rule_of
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out
from pytensor.scalar import basic as ps
from pytensor.tensor.math import Sum

from pytensor_stabilize.rewrites import memory as memory_module
from pytensor_stabilize.rewrites.algebra.arguments import as_multiple
from pytensor_stabilize.rewrites.engine import RuleRewriter
from pytensor_stabilize.rewrites.memory import Wanted, memory_of
from pytensor_stabilize.rewrites.rules import Left

x, y = pt.dvectors("xy")


def graph(*outputs):
    return FunctionGraph([x, y], list(outputs), clone=False)


def watching(answer=None, **options):
    """A rule that counts how often it is asked, and its rewriter."""
    asked = Counter()

    def look(fgraph, node):
        asked[node] += 1
        return answer

    return asked, RuleRewriter(rule_of(look, **options))


@pytest.mark.parametrize("answer", [None, Left("for a reason")])
def test_a_node_is_looked_at_again_only_after_a_change_upstream(answer):
    inner = pt.exp(x)
    total, other = inner + y, x + y
    fgraph = graph(total, other)
    asked, rewriter = watching(answer)
    for _ in range(3):
        in2out(rewriter).rewrite(fgraph)
    assert asked == {total.owner: 1, other.owner: 1}
    fgraph.replace(inner, pt.cos(x))
    in2out(rewriter).rewrite(fgraph)
    assert asked == {total.owner: 2, other.owner: 1}


def test_a_reason_does_not_outlast_what_gave_it():
    """Where the change brings a new class of op, nothing else may be left to forget."""
    total = x + y
    fgraph = graph(total)
    asked, rewriter = watching(Left("for a reason"))
    in2out(rewriter).rewrite(fgraph)
    fgraph.replace(x, pt.exp(y))
    in2out(rewriter).rewrite(fgraph)
    assert sum(asked.values()) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_reading_serves_no_region_that_reads_otherwise(order):
    """The square of a sine is read by the cosine of its argument, where that stands beside it."""
    u = pt.dscalar("u")
    square = pt.sqr(pt.sin(u))
    s = pt.sigmoid(y.sum())
    outputs = [2 - 2 * pt.cos(u) - square, square - square * s]
    function = pytensor.function([u, y], [outputs[i] for i in order], mode="CVM")
    found = dict(zip(order, function(1e-4, [40.0]), strict=True))
    np.testing.assert_allclose(found[0], 4 * np.sin(0.5e-4) ** 4, rtol=1e-14)
    np.testing.assert_allclose(found[1], np.sin(1e-4) ** 2 * np.exp(-40.0), rtol=1e-14)


def test_a_change_at_a_distance_is_noticed():
    deep = pt.exp(x)
    between = deep
    for _ in range(5):
        between = pt.sin(between)
    total = between + y
    fgraph = graph(total)
    asked, rewriter = watching()
    in2out(rewriter).rewrite(fgraph)
    fgraph.replace(deep, pt.cos(x))
    in2out(rewriter).rewrite(fgraph)
    assert asked[total.owner] == 2


def test_a_rule_that_looks_at_clients_is_always_asked():
    fgraph = graph(x + y)
    asked, rewriter = watching(sees_clients=True)
    for _ in range(3):
        in2out(rewriter).rewrite(fgraph)
    assert sum(asked.values()) == 3


def test_a_change_with_much_downstream_makes_everything_be_looked_at_anew(monkeypatch):
    monkeypatch.setattr(memory_module, "_MOST_DOWNSTREAM", 3)
    start = pt.exp(x)
    chain = start
    for _ in range(6):
        chain = chain + y
    apart = x + y
    fgraph = graph(chain, apart)
    asked, rewriter = watching()
    in2out(rewriter).rewrite(fgraph)
    fgraph.replace(start, pt.cos(x))
    in2out(rewriter).rewrite(fgraph)
    assert set(asked.values()) == {2}


def test_a_rule_is_asked_only_where_what_it_needs_occurs():
    with_exp, with_both, without = (
        pt.exp(x) + y,
        pt.exp(x).sum() + y,
        pt.sin(x) + y,
    )
    needs = (ps.Cos, (ps.Exp, Sum))
    asked, rewriter = watching(needs=needs)
    for output in (with_exp, with_both, without, pt.cos(x) + y):
        in2out(rewriter).rewrite(graph(output))
    assert len(asked) == 2


def test_what_a_node_is_made_of_follows_the_graph():
    inner = pt.exp(x)
    total, apart = pt.sin(inner) + y, pt.exp(y)
    fgraph = graph(total, apart)
    memory = memory_of(fgraph)
    has_exp, has_cos = Wanted.of((ps.Exp,)), Wanted.of((ps.Cos, (ps.Tan, ps.Exp)))
    assert has_exp.among(memory.kinds(total.owner))
    assert not has_cos.among(memory.kinds(total.owner))
    fgraph.replace(inner, pt.cos(x))
    assert has_cos.among(memory.kinds(total.owner))
    assert not has_cos.among(memory.kinds(apart.owner))


def test_a_group_of_needs_asks_for_all_of_it():
    memory = memory_of(graph(total := pt.exp(x) + y, both := pt.exp(x).sum()))
    wanted = Wanted.of(((ps.Exp, Sum),))
    assert not wanted.among(memory.kinds(total.owner))
    assert wanted.among(memory.kinds(both.owner))


def test_a_compiled_function_keeps_nothing_of_it():
    function = pytensor.function([x], 1 - pt.sigmoid(x), mode="CVM")
    memory = memory_of(function.maker.fgraph)
    assert not any(known for known in vars(memory).values() if not isinstance(known, int))


def test_a_clone_starts_afresh():
    fgraph = graph(pt.exp(x) + y)
    asked, rewriter = watching()
    in2out(rewriter).rewrite(fgraph)
    clone = fgraph.clone()
    in2out(rewriter).rewrite(clone)
    assert sum(asked.values()) == 2


def test_what_one_rule_leaves_for_another_is_found():
    """The sum is looked at before and after its parts have become sigmoids."""
    written_out = 1 / (1 + pt.exp(-x))
    function = pytensor.function([x], 1 - written_out, mode="CVM")
    np.testing.assert_allclose(function([40.0]), np.exp(-40.0), rtol=1e-14)


def test_equal_indices_are_one_argument():
    """PyTensor makes an index of what was replaced beside the one that there is."""
    x = pt.dvector("x")
    p = pt.sigmoid(x[0])
    value = pt.log(pt.stack([1 - p, p])[0])
    second = pt.grad(pt.grad(value, x)[0], x)[0]
    for outputs in ([second], [value, second, p]):
        function = pytensor.function([x], outputs, mode="CVM")
        found = function([38.0])[outputs.index(second)]
        np.testing.assert_allclose(found, -np.exp(-38.0), rtol=1e-14)


def test_what_had_an_input_changed_is_no_twin():
    """A node stands for others by what it is computed from now."""
    fgraph = graph(pt.exp(x[0]), pt.exp(y))
    token = memory_module.at_hand.set(memory_of(fgraph))
    try:
        first = fgraph.outputs[0].owner.inputs[0]
        assert as_multiple(first).core is first
        assert as_multiple(x[0]).core is first
        assert as_multiple(x[1]).core is not first
        fgraph.change_node_input(first.owner, 0, y)
        again = x[0]
        assert as_multiple(again).core is again
    finally:
        memory_module.at_hand.reset(token)
