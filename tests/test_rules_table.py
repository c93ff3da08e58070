"""Tests made from the table of rules: one set of cases a row."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from flint import arb, ctx
from helpers import compile_rewritten, second_pass, ulps

import pytensor_stabilize
from pytensor_stabilize import RULES
from pytensor_stabilize.graphs import diff, explain, same_graph, truth
from pytensor_stabilize.rewrites.rules import Rule

# Rules about rows of numbers are tested where they say; here only their identity, for rows of two.
SCALAR_RULES = [rule for rule in RULES if not rule.tested_in]
GRAPH_RULES = [rule for rule in SCALAR_RULES if rule.transform is not None]
FLOAT_RULES = [rule for rule in GRAPH_RULES if rule.name != "function_of_discrete"]
by_name = pytest.mark.parametrize("rule", SCALAR_RULES, ids=lambda rule: rule.name)
float_rules = pytest.mark.parametrize("rule", FLOAT_RULES, ids=lambda rule: rule.name)


def sample(rule: Rule, count: int, limit: float) -> list[list[float]]:
    """Points of the domain, even and of all sizes; `limit` stands for its infinite ends."""
    rng = np.random.default_rng(20261121)
    columns = []
    for interval in rule.domain.values():
        lo, hi = (
            np.sign(end) * limit if np.isinf(end) else end for end in (interval.lo, interval.hi)
        )
        even = rng.uniform(lo, hi, count // 2)
        most = np.log10(max(-lo, hi)) if max(-lo, hi) > limit else 1
        sizes = 10 ** rng.uniform(-20, most, count - count // 2)
        sized = np.clip(rng.choice([-1, 1], len(sizes)) * sizes, lo, hi)
        columns.append(rng.permutation(np.concatenate([even, sized])))
    return [list(map(float, row)) for row in np.transpose(columns)]


def variables(rule: Rule, dtype: str = "float64") -> list[pt.TensorVariable]:
    return [pt.vector(name, dtype=dtype) for name in rule.domain]


def exact(function, row: list[float]):
    """Ball of 60 correct digits or more: the precision doubles until it is that narrow."""
    bits = 256
    while True:
        ctx.prec = bits
        ball = function(*(arb(value) for value in row))
        if ball.rel_accuracy_bits() > 200 or ball.is_zero():
            return ball
        bits *= 2
        assert bits < 1 << 16, f"no digit of {function} at {row}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_two_sides_are_equal_in_exact_arithmetic(rule):
    for row in sample(rule, 60, limit=700.0):
        before, after = exact(rule.before, row), exact(rule.after, row)
        assert abs(before / after - 1) < arb(2) ** -180, row


@float_rules
def test_it_fires_and_leaves_the_right_side(rule):
    args = variables(rule)
    # PyTensor mends the plain spellings itself; the rule has to do it where it does not.
    fired = explain([rule.before(*args), *(pt.sigmoid(a) for a in args)]).fired
    assert fired[rule.name] >= 1
    with pytensor_stabilize.only(rule.name):
        after = compile_rewritten(args, rule.after(*args))
        alone = compile_rewritten(args, rule.before(*args))
    assert same_graph(alone, after)


@float_rules
def test_it_does_not_mind_other_clients(rule):
    args = variables(rule)
    before = rule.before(*args)
    clients = [pt.sigmoid(a) * 3 for a in args] + [pt.sqr(before)]
    after = rule.after(*args)
    mended = compile_rewritten(args, [before, *clients])
    wanted = compile_rewritten(args, [after, *clients[:-1], pt.sqr(after)])
    assert same_graph(mended, wanted), str(diff(mended, wanted))


@by_name
@pytest.mark.parametrize("fastmath", [True, False])
def test_it_keeps_its_promise(rule, fastmath):
    rows = sample(rule, 300, limit=700.0)
    args = variables(rule)
    with pytensor.config.change_flags(numba__fastmath=fastmath):
        function = pytensor.function(args, rule.before(*args), mode="NUMBA")
    columns = np.transpose(rows)
    exact = truth(rule.before(*args), dict(zip(args, columns, strict=True)))
    errors = ulps(function(*columns), exact)
    assert errors.max() <= rule.promise, rows[int(errors.argmax())]


# Rules whose left side is accurate as it stands, and what they are for instead.
NOT_FOR_VALUES = {
    "function_of_discrete": "integers, tested in test_one_minus_sigmoid.py",
    "sigmoids_share_exp": "one exponential in place of two",
}


@pytest.mark.parametrize(
    "rule", [r for r in SCALAR_RULES if r.name not in NOT_FOR_VALUES], ids=lambda rule: rule.name
)
def test_without_it_digits_are_lost(rule):
    """Without rewriting, the left side is bad somewhere: else the rule would be useless."""
    rows = sample(rule, 300, limit=700.0)
    args = variables(rule)
    naive = pytensor.function(args, rule.before(*args), mode=pytensor.compile.Mode("cvm", None))
    columns = np.transpose(rows)
    exact = truth(rule.before(*args), dict(zip(args, columns, strict=True)))
    errors = ulps(naive(*columns), exact)
    assert errors.max() > 100


@by_name
def test_special_values(rule):
    """At zeros, infinities and nan the rule gives what its right side gives, and nan for nan."""
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324])
    args = variables(rule)
    function = pytensor.function(args, rule.before(*args), mode="NUMBA")
    fixed = [np.ones_like(special) for _ in args[1:]]
    values = function(*fixed, special)
    right = pytensor.function(args, rule.after(*args), mode="NUMBA")(*fixed, special)
    assert np.isnan(values[4])
    assert not np.isnan(np.delete(values, 4)).any()
    np.testing.assert_allclose(values, right, rtol=1e-15)


@by_name
def test_a_second_pass_changes_nothing(rule):
    """The rewritten graph, rewritten again, is the same: no rule undoes another's work."""
    args = variables(rule)
    once = compile_rewritten(args, rule.before(*args)).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)
