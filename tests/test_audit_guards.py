"""Guards on probabilities: an audit says where they change the model, and what it is without."""

import json

import jsonschema
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from model_errors import build_model, settings
from model_table import CASES

from pytensor_stabilize.graphs import audit, audit_model, truth
from pytensor_stabilize.graphs.auditing.guards import find_guards, without_guards
from pytensor_stabilize.graphs.auditing.schema import SCHEMA

x, y = pt.dscalars("x", "y")
v = pt.dvector("v")
s = pt.sigmoid(x)
probit = 0.5 * (1 + pt.erf(x / np.sqrt(2)))

# Guarded values, with where they change what they guard: 1 % of it, a bound, a rounding to 1.
ADDED = float(np.log(0.01 / 1e-7 - 1))
BOUND = float(np.log(1e6 - 1))
ROUNDED = float(np.log(2.0**54))
CASES_BY_HAND = {
    "p + eps": (s + 1e-7, "added", -np.log(1e5 - 1), None),
    "1 - p + eps": (1 - s + 1e-7, "added", None, np.log(1e5 - 1)),
    "1 + eps - p": (1 + 1e-7 - s, "added", None, np.log(1e5 - 1)),
    "eps below": (s - 1e-7, "added", -np.log(1e5 - 1), None),
    "clip": (pt.clip(s, 1e-6, 1 - 1e-6), "bounded", -BOUND, BOUND),
    "one bound": (pt.maximum(s, 1e-6), "bounded", -BOUND, None),
    "a bound by switch": (pt.switch(s < 1e-6, 1e-6, s), "bounded", -BOUND, None),
    "Bambi's": (pt.switch(pt.eq(s, 1), 1 - 2e-16, s), "replaced", None, ROUNDED),
    "written out": (1 / (1 + pt.exp(-x)) + 1e-7, "added", -np.log(1e5 - 1), None),
    "of 2 x": (pt.sigmoid(2 * x) + 1e-7, "added", -np.log(1e5 - 1) / 2, None),
    "cloglog": (1 - pt.exp(-pt.exp(x)) + 1e-7, "added", float(np.log(1e-5)), None),
    "tanh": (pt.clip(pt.tanh(x), -1 + 1e-6, 1 - 1e-6), "bounded", -7.2543, 7.2543),
    "probit": (probit + 1e-10, "added", -5.612, None),
    "read by an index": (pt.sigmoid(v)[::2] + 1e-7, "added", -np.log(1e5 - 1), None),
}


@pytest.mark.parametrize("name", CASES_BY_HAND)
def test_where_a_guard_takes_over(name):
    graph, kind, below, above = CASES_BY_HAND[name]
    (guard,) = find_guards([pt.log(graph)])
    assert guard.kind == kind
    assert guard.argument in ("x", "v")
    for found, wanted in ((guard.below, below), (guard.above, above)):
        assert found == (None if wanted is None else pytest.approx(wanted, rel=1e-4))
    assert "test_audit_guards.py" in guard.where


@pytest.mark.parametrize(
    "graph",
    [
        pt.special.softmax(v) + 1e-8,
        y + (1 - y) * s + 1e-7,
        pt.clip(pt.sigmoid(x) * pt.sigmoid(y), 1e-6, 1 - 1e-6),
        pt.clip(pt.concatenate([pt.sigmoid(v), pt.sigmoid(2 * v)]) * y, 1e-6, 1),
    ],
)
def test_of_several_inputs_it_is_named_without_a_place(graph):
    (guard,) = find_guards([graph])
    assert (guard.argument, guard.below, guard.above) == ("", None, None)


@pytest.mark.parametrize(
    "graph",
    [
        0.02 + 0.98 * s,  # a guessing rate
        pt.clip(s, 0.1, 0.9),  # bounds that the model means
        pt.maximum(s, 0.0),  # no bound
        pt.exp(x) + 1e-6,  # a scale
        pt.softplus(x) + 1e-6,
        x + 1e-7,
        pt.log(s) + 1e-7,
        pt.clip(x, 1e-6, 1 - 1e-6),
        pt.clip(pt.sin(x), 1e-6, 1 - 1e-6),
        pt.switch(x > 0, 1e-6, s),  # not asked of s
        pt.switch(pt.eq(s, 1), 1.0, s),  # the limit itself
        1 - s,
    ],
)
def test_what_is_no_guard(graph):
    assert not find_guards([graph])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_in_models_the_guards_are_found_and_nothing_else(case, dtype):
    guarded = {
        "guarded_by_equality": 2,
        "guarded_probit": 2,
        "clipped": 1,
        "log_of_sum_with_eps": 2,
    }
    with settings(dtype):
        found = find_guards([build_model(case.build).logp()])
    assert len(found) == guarded.get(case.name, 0)
    assert all(guard.below or guard.above for guard in found)


def test_the_graph_without_them():
    p = pt.switch(pt.eq(s, 1), 1 - 2e-16, s)
    guarded = pt.log(pt.clip(p, 1e-6, 1 - 1e-6)) + y * pt.log(1 - p + 1e-7)
    (bare,) = without_guards([guarded])
    at = {x: -30.0, y: 2.0}
    assert truth(bare, at).value == truth(pt.log(s) + y * pt.log(1 - s), at).value
    assert truth(guarded, at).value > -14
    assert without_guards([pt.log(s)])[0].owner.inputs[0] is s


@pytest.mark.parametrize("guard", ["p + eps", "clip"])
def test_the_rules_leave_the_value_alone(guard):
    """What the guard makes of p is computed, as exactly as the rest."""
    # Towards 16, where it is 0, log(p + eps) cancels: the rules leave it.
    value = pt.log(CASES_BY_HAND[guard][0])
    found = audit(value, ranges={x: (-60, 0)}, wrt=x, points=200, modes=["ours"])
    assert found.max_ulps["ours"] < 8
    slope = pytensor.function([x], pt.grad(value, x))
    assert (slope(-60.0) == 0) == (guard == "clip")
    assert slope(-60.0) < 1e-18


def test_an_audit_says_what_they_do():
    found = audit(pt.log(s + 1e-7), ranges={x: (-50, 50)}, wrt=x, points=100)
    value, slope = found.unguarded
    assert value.inputs == {"x": -50.0}
    assert (value.exact, value.without) == pytest.approx((np.log(1e-7), -50.0))
    assert slope.without == pytest.approx(1)
    assert abs(slope.exact) < 0.01
    text = str(found)
    assert (
        "x <= -11.5: 1 % of sigmoid(x) and more; it ends at 1e-07, the logarithm at -16.1" in text
    )
    assert "x = -50: -16.1181, -50" in text
    assert "Leave them out" in text
    assert "made at tests/test_audit_guards.py" in text


def test_without_guards_nothing_is_said():
    found = audit(pt.log(s), ranges={x: (-50, 50)}, points=10)
    assert not found.guards
    assert "guard" not in str(found)


def test_at_points_that_it_does_not_change():
    found = audit(pt.log(pt.clip(s, 1e-6, 1 - 1e-6)), ranges={x: (-3, 3)}, points=10)
    assert len(found.guards) == 1
    assert not found.unguarded
    assert "they change nothing at the points looked at" in str(found)


def bambi() -> pm.Model:
    """Its logit link, and another guard of a user's own."""
    eps, column = np.finfo(float).eps, np.array([-60.0, -1.0, 40.0, 2.0])
    with pm.Model() as model:
        p = pm.math.sigmoid(pm.Normal("b", 0, 1) * column)
        p = pt.switch(pt.eq(p, 0), eps, p)
        p = pt.switch(pt.eq(p, 1), 1 - eps, p)
        pm.Bernoulli("y", p=pt.clip(p, 1e-6, 1 - 1e-6), observed=[1, 0, 0, 1])
    return model


def test_of_a_model():
    found = audit_model(bambi(), {"b": 1.0})
    assert [guard.kind for guard in found.guards] == ["replaced", "replaced", "bounded"]
    changed = {c.output: c for c in found.unguarded}
    assert set(changed) == {"logp", "d logp / d b", "logp of y, by row"}
    assert changed["logp of y, by row"].element == (0,)
    assert changed["logp of y, by row"].without == pytest.approx(-60)
    assert changed["d logp / d b"].without < -90
    assert changed["d logp / d b"].exact > -2
    assert "sigmoid(b * constant) rounds to its limit" in str(found)


def test_as_json_and_as_a_page(tmp_path):
    found = audit_model(bambi(), {"b": 1.0}, modes=["ours"])
    told = json.loads(found.to_json())
    jsonschema.validate(told, SCHEMA)
    assert len(told["guards"]) == 3
    assert told["unguarded"][0]["output"] == "logp"
    found.to_html(tmp_path / "page.html")
    assert "<h2>Guards</h2>" in (tmp_path / "page.html").read_text()
