"""PyTensor's own debugging modes find nothing in the rules, at points where stock is right."""

import contextlib
import io
import warnings
from dataclasses import replace

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.debug.debugmode import DebugMode
from pytensor.compile.debug.nanguardmode import NanGuardMode
from pytensor.compile.mode import Mode
from special_values import computed
from test_rules_table import sample

from pytensor_stabilize import RULES, excluding
from pytensor_stabilize.graphs import explain, truth, ulp_error
from pytensor_stabilize.rewrites.rules import Interval

# Every so many of the rules; all of them with --all-linkers.
EVERY = 8
some_rules = pytest.mark.parametrize(
    "rule",
    [
        pytest.param(r, marks=[pytest.mark.thorough] if i % EVERY else [])
        for i, r in enumerate(RULES)
    ],
    ids=lambda rule: rule.name,
)
# What PyTensor compares, it compares to six digits; points where stock has these.
DIGITS = 2.0**30
# Of a step on the way to the gradient 1 / gap**2 digits are lost, and mended by the next.
MORE_DIGITS = {"log1p_neg_sigmoid_ratio": 2.0**16}


@pytest.fixture(autouse=True)
def python_alone():
    """Nothing is compiled: these modes look at the graph of every step."""
    with pytensor.config.change_flags(cxx=""), np.errstate(all="ignore"):
        yield


def graph_of(rule):
    """A rule's left side and its gradients, with points where stock gets all of them right."""
    args = [pt.vector(name) for name in rule.domain]
    value = rule.before(*args)
    outputs = [value]
    if value.type.dtype.startswith("float"):
        outputs += pytensor.grad(value.sum(), args, disconnected_inputs="ignore")
    # An identity holds beyond the domain as well, and stock may fail in all of the domain.
    for domain in (rule.domain, dict.fromkeys(rule.domain, Interval(0.5, 2.0))):
        if not all(i.hi > -3 and i.lo < 3 for i in domain.values()):
            continue
        columns = np.transpose(sample(replace(rule, domain=domain), 60, limit=3.0))
        everywhere, kept = np.ones(len(columns[0]), bool), []
        digits = MORE_DIGITS.get(rule.name, DIGITS)
        for output, where in zip(outputs, right(args, outputs, columns, digits), strict=True):
            if (everywhere & where).any():
                everywhere &= where
                kept.append(output)
        if kept:
            return args, kept, [np.ascontiguousarray(c[everywhere][:8]) for c in columns]
    raise AssertionError("stock is right nowhere")


def right(args, outputs, columns, digits):
    """Of each output, where stock has its digits."""
    with excluding("all"):
        stock = computed("py", args, outputs, columns)
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    return [
        np.isfinite(s) & ((ulp_error(s, e) < digits) if s.dtype.kind == "f" else s == e.value)
        for s, e in zip(stock, exact, strict=True)
    ]


@some_rules
def test_every_step_computes_the_same(rule):
    """`DebugMode` compares the values before and after each replacement, and rewrites twice."""
    args, outputs, columns = graph_of(rule)
    mode = DebugMode(optimizer="fast_run", check_c_code=False, stability_patience=2)
    pytensor.function(args, outputs, mode=mode)(*columns)


@some_rules
def test_nothing_on_the_way_is_nan_or_infinite(rule):
    args, outputs, columns = graph_of(rule)
    mode = NanGuardMode(nan_is_error=True, inf_is_error=True, big_is_error=False)
    pytensor.function(args, outputs, mode=mode)(*columns)


@some_rules
def test_every_new_variable_has_a_trace(rule):
    """PyTensor's own rules leave some without, so that only ours are looked for."""
    args, outputs, _ = graph_of(rule)
    mode = Mode("py", "fast_run").including("CheckStackTrace")
    with (
        pytensor.config.change_flags(check_stack_trace="warn"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        pytensor.function(args, outputs, mode=mode)
    reasons = {str(w.message).rpartition(" is ")[2].rstrip(".") for w in caught}
    assert reasons, "PyTensor checks nothing any more, or is mended"
    assert not reasons & {rule.name for rule in RULES}


@some_rules
def test_what_fires_is_named_in_what_pytensor_prints(rule):
    args, outputs, _ = graph_of(rule)
    fired = explain(outputs, mode=Mode("py", "fast_run")).fired
    with (
        pytensor.config.change_flags(optimizer_verbose=True),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        pytensor.function(args, outputs, mode=Mode("py", "fast_run"))
    missing = [name for name in fired if f"rewriting: rewrite {name} " not in printed.getvalue()]
    assert not missing
