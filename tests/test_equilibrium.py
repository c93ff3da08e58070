"""How the rules are asked: the equilibrium rewriters that the databases make."""

import logging
import sys
from collections import Counter

import pytensor
import pytensor.tensor as pt
import pytest
from helpers import rule_of, run_python
from pytensor.compile.mode import optdb
from pytensor.graph.basic import equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import EquilibriumGraphRewriter, in2out, node_rewriter
from pytensor.graph.rewriting.db import EquilibriumDB

from pytensor_stabilize.rewrites.engine import RuleRewriter
from pytensor_stabilize.rewrites.internals.equilibrium import (
    AskingRules,
    AskingWhenSettled,
    ask_rules_in,
)

x, y = pt.dvectors("xy")
KINDS = (AskingRules, AskingWhenSettled)


def database(kind, *rewriters):
    made = EquilibriumDB()
    for number, rewriter in enumerate(rewriters):
        made.register(f"trial_{number}", rewriter, "trial")
    undo = ask_rules_in(made, kind)
    return made, undo


@pytest.mark.parametrize("kind", KINDS)
def test_rules_and_rewriters_of_pytensor_meet_until_nothing_changes(kind):
    @node_rewriter([pt.sin])
    def sine_to_cosine(fgraph, node):
        return [pt.cos(node.inputs[0])]

    to_sine = RuleRewriter(rule_of(lambda fgraph, node: pt.sin(node.inputs[0]), pt.exp))
    to_tangent = RuleRewriter(
        rule_of(lambda fgraph, node: pt.tan(node.inputs[0]), pt.cos, name="sigmoid_minus_one")
    )
    made, _ = database(kind, to_sine, sine_to_cosine, to_tangent)
    fgraph = FunctionGraph([x], [pt.exp(x)], clone=False)
    made.query("+trial").rewrite(fgraph)
    assert equal_computations(fgraph.outputs, [pt.tan(x)])


def looks(kind):
    """How often a rule looks at a sum below which PyTensor changes something in two passes."""
    asked = Counter()

    def look(fgraph, node):
        asked[node] += 1

    @node_rewriter([pt.sin, pt.cos])
    def on(fgraph, node):
        following = pt.cos if node.op == pt.sin else pt.tan
        return [following(node.inputs[0])]

    made, _ = database(kind, on, RuleRewriter(rule_of(look)))
    made.query("+trial").rewrite(FunctionGraph([x, y], [pt.sin(x) + y], clone=False))
    return sum(asked.values())


def test_in_specialize_a_rule_looks_once_all_others_are_done():
    assert looks(AskingWhenSettled) == 1 < looks(AskingRules)
    assert isinstance(optdb["specialize"].query("+fast_run"), AskingWhenSettled)
    assert not isinstance(optdb["stabilize"].query("+fast_run"), AskingWhenSettled)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_never_ends_is_named(kind, caplog):
    def look(fgraph, node):
        following = pt.cos if node.op == pt.sin else pt.sin
        return following(node.inputs[0])

    endless = RuleRewriter(rule_of(look, pt.sin, pt.cos))
    made, _ = database(kind, endless)
    fgraph = FunctionGraph([x], [pt.sin(x)], clone=False)
    with caplog.at_level(logging.ERROR), pytensor.config.change_flags(on_opt_error="warn"):
        made.query("+trial").rewrite(fgraph)
    assert "max'ed out by one_minus_sigmoid" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_class_that_a_database_had_is_kept_and_comes_back(kind):
    class Counting(EquilibriumGraphRewriter):
        applied = 0

        def apply(self, *args, **kwargs):
            Counting.applied += 1
            return super().apply(*args, **kwargs)

    made = EquilibriumDB(eq_rewriter_class=Counting)
    made.register("trial_0", RuleRewriter(rule_of(lambda fgraph, node: None)), "trial")
    undo = ask_rules_in(made, kind)
    rewriter = made.query("+trial")
    rewriter.rewrite(FunctionGraph([x, y], [x + y], clone=False))
    assert isinstance(rewriter, kind)
    assert Counting.applied == 1
    undo()
    assert made.eq_rewriter_class is Counting


def test_what_others_put_in_its_place_stays():
    made, undo = database(AskingRules)
    made.eq_rewriter_class = EquilibriumGraphRewriter
    undo()
    assert made.eq_rewriter_class is EquilibriumGraphRewriter


def test_without_our_rules_nothing_of_ours_is_asked():
    rewriter = optdb["stabilize"].query("+fast_run", "-pytensor_stabilize")
    assert not any(isinstance(r, RuleRewriter) for r in rewriter.get_node_rewriters())
    assert rewriter.rule_set not in list(EquilibriumGraphRewriter.get_node_rewriters(rewriter))


@pytest.mark.parametrize("name", ["stabilize", "specialize"])
def test_the_profile_has_each_rule_with_its_time_and_number(name):
    s = pt.sigmoid(x)
    # In specialize what stabilize would find.
    fgraph = FunctionGraph([x, y], [pt.log(s), s + y], clone=True)
    rewriter = optdb[name].query("+fast_run")
    profile = rewriter.apply(fgraph)
    _, _, counts, _, _, _, seconds, *_ = profile
    fired = Counter()
    for count in counts:
        fired.update({str(rewriter): n for rewriter, n in count.items()})
    assert fired["log_of_companions"] == 1
    assert {str(r): t for r, t in seconds.items()}["log_of_companions"] > 0
    assert rewriter.rule_set not in seconds
    rewriter.print_profile(sys.stdout, profile)


def test_unregister_gives_the_databases_their_class_back():
    code = """
from pytensor.compile.mode import optdb
before = [optdb[name].eq_rewriter_class for name in ("stabilize", "specialize")]
import pytensor_stabilize
pytensor_stabilize.register()
assert [optdb[name].eq_rewriter_class for name in ("stabilize", "specialize")] != before
pytensor_stabilize.unregister()
assert [optdb[name].eq_rewriter_class for name in ("stabilize", "specialize")] == before
print("same")
"""
    result = run_python(code)
    assert result.stdout.strip() == "same", result.stderr


def test_products_and_their_negation_share_an_exponential():
    """PyTensor writes -(a b) as -1 * a * b, which was another argument than a b."""
    a, b = pt.dvectors("ab")
    outputs = [pt.sigmoid(a * b), pt.sigmoid(-(a * b))]
    function = pytensor.function([a, b], outputs, mode="NUMBA")
    (loop,) = (n for n in function.maker.fgraph.apply_nodes if hasattr(n.op, "scalar_op"))
    names = [str(n.op) for n in loop.op.scalar_op.fgraph.apply_nodes]
    assert names.count("exp_minus_abs") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_pytensor_makes_in_between_shows_the_line_that_asked_for_it(kind):
    # PyTensor passes over the innermost frames that are in files of its own.
    source = "def to_cosine(fgraph, node):\n    return [pt.cos(node.inputs[0])]\n"
    space = {"pt": pt}
    exec(compile(source, "pytensor/tensor/trial.py", "exec"), space)
    made, _ = database(kind, node_rewriter([pt.exp])(space["to_cosine"]))
    fgraph = FunctionGraph([x], [pt.exp(x)], clone=False)
    made.query("+trial").rewrite(fgraph)
    (trace,) = fgraph.outputs[0].tag.trace
    file, _, _, line = trace[-1]
    assert file == __file__
    assert "rewrite(fgraph)" in line


def test_a_rule_shows_the_line_of_an_operand_where_pytensor_noted_none():
    """Nothing that is made in a pass has a line before its end, what rules replace included."""
    written = pt.exp(x)
    with pytensor.config.change_flags(traceback__limit=0):
        replaced = pt.cos(written)
    assert not getattr(replaced.tag, "trace", None)
    fgraph = FunctionGraph([x], [replaced], clone=False)
    rule = rule_of(lambda fgraph, node: pt.sin(node.inputs[0]), pt.cos)
    in2out(RuleRewriter(rule)).rewrite(fgraph)
    (trace,) = fgraph.outputs[0].tag.trace
    assert trace[-1][3] == "written = pt.exp(x)"
