"""op_counts, same_graph, diff, explain, report and debugprint."""

import io

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import rewritten
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph

import pytensor_stabilize
from pytensor_stabilize.graphs import debugprint, diff, explain, op_counts, report, same_graph

x, y = pt.dvectors("x", "y")
s = pt.sigmoid(x)
GRADIENT = pt.grad(s.sum(), x)


def stock(outputs, **kwargs):
    with pytensor_stabilize.excluding("all"):
        return pytensor.function([x], outputs, **kwargs)


def test_op_counts_looks_inside():
    inner = pt.dscalar("inner")
    ofg = OpFromGraph([inner], [pt.exp(inner) + pt.exp(-inner)])
    assert op_counts(ofg(x[0]))["exp"] == 2
    scanned = pytensor.scan(lambda v: pt.exp(v) + 1, sequences=[x], return_updates=False)
    assert op_counts(scanned)["exp"] == 1
    fused = stock([pt.exp(x) * pt.exp(-x + 1)], mode="NUMBA")
    assert op_counts(fused)["exp"] >= 1
    assert op_counts(pt.exp(x).sum()) == {"exp": 1, "sum": 1}
    reduced = stock([pt.log(x[np.array([0, 1])]).sum()], mode="NUMBA")
    assert op_counts(reduced)["log"] == 1


@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: FunctionGraph(outputs=[v], clone=True)]
)
def test_any_graph_will_do(wrap):
    assert op_counts(wrap(1 - s))["sigmoid"] == 1
    assert same_graph(wrap(1 - s), 1 - pt.sigmoid(pt.dvector("other")))


def test_same_graph_is_structural():
    a, b = pt.dvectors("a", "b")
    assert same_graph(x * y + 1, 1 + b * a)
    assert not same_graph(x - y, y - y)
    assert same_graph(x - y, b - a)
    # A variable of both graphs is the same input in both.
    assert not same_graph(x - y, y - x)
    assert same_graph(x + y, y + x)
    assert diff(x - y, y - x)
    assert not same_graph(x + 1, x + 2)
    assert not same_graph(x + 1, pt.fvector() + np.float32(1))
    assert not same_graph([x + 1], [x + 1, x])
    assert not same_graph(pt.exp(x), pt.expm1(x))
    assert same_graph(x[::2], y[::2])
    assert not same_graph(x[::2], y[::3])
    inner = pt.dscalar()
    assert same_graph(
        OpFromGraph([inner], [inner + 1])(x[0]), OpFromGraph([inner], [1 + inner])(y[0])
    )
    assert not same_graph(
        OpFromGraph([inner], [inner + 1])(x[0]), OpFromGraph([inner], [inner + 2])(x[0])
    )
    both = [x, y]
    assert not same_graph(pytensor.function(both, x - y), pytensor.function(both, y - x))


def test_fusion_does_not_make_another_graph():
    expression = pt.exp(x) * pt.log1p(x) + 3
    fused, plain = (stock(expression, mode=mode) for mode in ("NUMBA", rewritten()))
    assert same_graph(fused, plain)
    assert not diff(fused, plain)


def test_diff_says_what_and_by_which_rule():
    found = diff(stock(GRADIENT), pytensor.function([x], GRADIENT))
    assert found
    assert found.counts_a == {"sigmoid": 1, "sub": 1, "mul": 1}
    assert found.counts_b["exp_minus_abs"] == 1
    assert found.rules == ("one_minus_sigmoid", "sigmoids_share_exp")
    text = str(found)
    assert "- 1 - sigmoid(x)" in text
    assert "+ exp_minus_abs(x)" in text
    assert "rules that fired in the second: one_minus_sigmoid 1, sigmoids_share_exp 1" in text
    assert "1 - sigmoid(x)" in found._repr_html_()
    assert str(diff(s, pt.sigmoid(x))) == "The graphs are the same."


def test_explain_tells_what_fired_and_where():
    explanation = explain([1 - s, s])
    assert explanation.fired["one_minus_sigmoid"] == 1
    (event,) = (e for e in explanation.events if e.rule == "one_minus_sigmoid")
    assert (event.before, event.after) == ("1 - sigmoid(x)", "sigmoid(-x)")
    assert "test_graph_tools.py" in event.where
    assert "fired one_minus_sigmoid: 1 - sigmoid(x)  ->  sigmoid(-x)" in str(explanation)


def test_explain_tells_why_not():
    explanation = explain([0.25 - s, x - s])
    plain, engine = (
        {event.before: event.reason for event in explanation.left if event.rule == rule}
        for rule in ("one_minus_sigmoid", "sum_at_critical_value")
    )
    assert plain["0.25 - sigmoid(x)"] == "the constant is 0.25, not exactly 1"
    assert plain["x - sigmoid(x)"] == "the other term is not a constant"
    assert engine["0.25 - sigmoid(x)"] == "no root at a critical value is hidden by the sum"
    assert engine["x - sigmoid(x)"] == "no root at a critical value is hidden by the sum"
    mending = ("one_minus_sigmoid", "sum_at_critical_value")
    with pytensor_stabilize.excluding(*mending):
        events = [event for event in explain([1 - s, s]).events if event.rule in mending]
    assert sorted(event.rule for event in events) == sorted(mending)
    assert {event.outcome for event in events} == {"off"}
    assert all("switched off" in event.reason for event in events)
    assert "no rule found anything to do" in str(explain(pt.exp(x)))


@pytest.mark.parametrize("graph", [lambda p: 1 - p, lambda p: pt.log(1 - p), lambda p: p * (1 - p)])
def test_explain_says_what_an_input_has_lost(graph):
    p = pt.dvector("p")
    (event,) = explain(graph(p)).left
    assert event.reason.startswith("p is an input: if it is a sigmoid")
    assert explain(graph(s)).fired
    assert not explain(graph(s)).left


def test_explain_does_not_take_data_for_a_sigmoid():
    assert not explain((1 - x) * pt.exp(y)).left


def test_explain_changes_nothing():
    before = pytensor.dprint(GRADIENT, file="str")
    explain(GRADIENT)
    assert pytensor.dprint(GRADIENT, file="str") == before


def test_explain_takes_a_mode():
    assert not explain([1 - s, s], mode="FAST_COMPILE").events
    assert explain([1 - s, s], mode="CVM").fired["one_minus_sigmoid"] == 1


def test_report_of_a_function():
    function = pytensor.function([x], GRADIENT)
    found = report(function)
    assert found.fired["one_minus_sigmoid"] == 1
    assert report(function.maker.fgraph).events == found.events
    assert report([1 - s, s]).fired["one_minus_sigmoid"] == 1
    assert not report(stock(GRADIENT)).events


def test_explain_says_which_rules_a_mode_does_not_run():
    quiet = explain([1 - s, s], mode=get_mode("NUMBA").excluding("one_minus_sigmoid"))
    assert quiet.note == "This mode does not run one_minus_sigmoid."
    assert quiet.note in str(quiet)
    assert not explain([1 - s, s]).note
    pytensor_stabilize.unregister()
    assert "not registered" in str(explain([1 - s, s]))


def test_report_says_that_it_does_not_see_bodies():
    def step(v, total):
        p = pt.sigmoid(v + total)
        return total + 2 * p, 1 - p

    start = [pt.zeros(()), None]
    scanned = pytensor.scan(step, sequences=[x], outputs_info=start, return_updates=False)
    found = report(pytensor.function([x], scanned))
    assert "explain() sees them" in str(found)
    assert explain(scanned).fired["one_minus_sigmoid"] == 1


def test_our_sigmoid_counts_as_one_operation():
    assert op_counts(pytensor_stabilize.sigmoid(x)) == {"sigmoid": 1}


def test_the_source_line_is_the_users_own():
    events = [e for e in explain(np.array([0.25, 0.25]) - s).left if "0.25" in e.before]
    assert {e.rule for e in events} == {"one_minus_sigmoid", "sum_at_critical_value"}
    assert all("test_graph_tools.py" in e.where for e in events)


def test_debugprint_marks_our_nodes():
    text = debugprint(pytensor.function([x], GRADIENT, mode=rewritten()), file="str")
    marked = [line for line in text.splitlines() if "<- one_minus_sigmoid" in line]
    assert any("Sigmoid" in line for line in marked)
    assert sum("Sigmoid" in line for line in text.splitlines()) > len(marked) / 2
    plain = next(line for line in text.splitlines() if line.strip().startswith("├─ Sigmoid"))
    assert "<-" not in plain


def test_debugprint_marks_fused_nodes():
    text = debugprint(pytensor.function([x], pt.exp(GRADIENT), mode="NUMBA"), file="str")
    first = text.splitlines()[0]
    assert "Composite" in first
    assert "one_minus_sigmoid" in first
    assert "sigmoids_share_exp" in first


def test_debugprint_is_pytensors_otherwise():
    assert debugprint(GRADIENT, file="str") == pytensor.dprint(GRADIENT, file="str")
    function = stock(GRADIENT)
    assert debugprint(function, file="str") == pytensor.dprint(function, file="str")
    stream = io.StringIO()
    debugprint(function, file=stream, print_type=True)
    assert "Vector(float64" in stream.getvalue()


def test_a_function_with_marks_can_be_pickled_and_copied():
    import pickle

    function = pytensor.function([x], GRADIENT)
    again = pickle.loads(pickle.dumps(function))
    np.testing.assert_array_equal(again(np.array([40.0])), function(np.array([40.0])))
    copied = function.copy()
    np.testing.assert_array_equal(copied(np.array([40.0])), function(np.array([40.0])))
