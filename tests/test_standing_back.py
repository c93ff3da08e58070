"""Rules that PyTensor has itself: ours stand back by name, and find nothing by effect."""

from contextlib import contextmanager

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import PatternNodeRewriter
from pytensor.tensor.math import sigmoid as pt_sigmoid
from pytensor.tensor.math import sub

import pytensor_stabilize
from pytensor_stabilize import is_active, register, show_config, unregister
from pytensor_stabilize.graphs import explain
from pytensor_stabilize.rewrites import registry
from pytensor_stabilize.rewrites.internals import names_in, remove
from pytensor_stabilize.rewrites.standing_back import DIFFERENT, does_the_same

x = pt.dvector("x")
# With s as an output too, PyTensor's own pattern does not match.
GRAPH = [1 - pt.sigmoid(x), pt.sigmoid(x)]


@contextmanager
def pytensor_has(name: str, allow_multiple_clients: bool = True):
    """PyTensor with a rewrite of ``1 - sigmoid(x)`` of that name, registered before our rules."""
    rewriter = PatternNodeRewriter(
        (sub, 1, (pt_sigmoid, "x")),
        (pt_sigmoid, (pt.neg, "x")),
        allow_multiple_clients=allow_multiple_clients,
        name=name,
    )
    unregister()
    optdb["stabilize"].register(name, rewriter, "fast_run", "stabilize")
    try:
        register()
        yield
    finally:
        unregister()
        remove(optdb["stabilize"], name)
        register()


@pytest.mark.parametrize("name", ["one_minus_sigmoid", "local_one_minus_sigmoid"])
def test_a_rule_stands_back_by_name(name, capsys):
    with pytensor_has(name):
        assert not is_active("one_minus_sigmoid")
        assert is_active("sum_at_critical_value")
        # No rewriter of ours among those that a mode runs, whatever it is called.
        placed = [n for _database, n in registry.registration_state.placed]
        assert "one_minus_sigmoid" not in placed
        told = explain(GRAPH)
        assert "one_minus_sigmoid" not in told.fired
        assert f"one_minus_sigmoid stands back: PyTensor has {name} in stabilize." in told.note
        assert "does not run" not in told.note
        show_config()
        line = f"  off one_minus_sigmoid: stabilize, specialize (stands back: PyTensor has {name}"
        assert line in capsys.readouterr().out
        value, _ = pytensor.function([x], GRAPH)(np.array([40.0]))
        np.testing.assert_allclose(value, np.exp(-40.0), rtol=1e-15)
    assert is_active("one_minus_sigmoid")
    assert explain(GRAPH).fired["one_minus_sigmoid"]


def test_a_declared_name_counts(monkeypatch):
    from dataclasses import replace

    rules = tuple(
        replace(rule, upstream=("local_complement",)) if rule.name == "one_minus_sigmoid" else rule
        for rule in registry.RULES
    )
    monkeypatch.setattr(registry, "RULES", rules)
    with pytensor_has("local_complement"):
        assert not is_active("one_minus_sigmoid")


def test_a_name_alone_is_not_enough():
    """PyTensor's pattern that needs to be alone, and one that does something else."""
    weaker = {"allow_multiple_clients": False}
    with pytensor_has("local_one_minus_sigmoid", **weaker):
        assert is_active("one_minus_sigmoid")
        assert explain(GRAPH).fired["one_minus_sigmoid"]
    assert "local_log_erfc" in names_in(optdb["stabilize"])
    assert is_active("log_erfc")
    (log_erfc,) = (rule for rule in registry.RULES if rule.name == "log_erfc")
    for name in DIFFERENT:
        assert not does_the_same("stabilize", name, log_erfc)


def test_by_effect_ours_finds_nothing_left():
    with pytensor_has("local_named_in_no_way_like_ours"):
        assert is_active("one_minus_sigmoid")
        told = explain(GRAPH)
        assert not {"one_minus_sigmoid", "sum_at_critical_value"} & set(told.fired)
        value, _ = pytensor.function([x], GRAPH)(np.array([40.0]))
        np.testing.assert_allclose(value, np.exp(-40.0), rtol=1e-15)


def test_this_pytensor_has_none_of_them():
    assert registry.registration_state.stood_back == {}
    assert all(map(is_active, (rule.name for rule in pytensor_stabilize.RULES)))


def test_unregistering_leaves_nothing_of_it():
    before = names_in(optdb["stabilize"])
    with pytensor_has("local_one_minus_sigmoid"):
        pass
    assert names_in(optdb["stabilize"]) == before
    assert registry.registration_state.stood_back == {}
