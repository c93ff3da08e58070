"""What the functions, switches and rules refuse: a row is a call, the error, and what it says."""

import io
import math
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import get_mode

from pytensor_stabilize.rewrites import (
    RULES,
    Interval,
    Left,
    Rule,
    Sigmoid,
    excluding,
    functions,
    is_active,
    only,
    register,
    show_config,
    sigmoid,
    switches,
    with_pullback,
)


class Row(NamedTuple):
    name: str
    call: Callable[[], Any]
    error: type[Exception]
    message: str


def rows(name: str, *found: tuple[Callable[[], Any], type[Exception], str]) -> list[Row]:
    return [Row(name, *row) for row in found]


def required_arguments(name: str) -> list[str]:
    parameters = signature(getattr(functions, name)).parameters.values()
    return [p.name for p in parameters if p.default is p.empty]


x, y = pt.dscalars("x", "y")
v = pt.dvector("v")
s = pt.sigmoid(x)
NAN = float("nan")

NOT_REAL = {
    "complex": (pt.zvector("z"), "complex128"),
    "complex number": (1j, "complex128"),
    "sparse": (pytensor.sparse.csr_matrix("sparse"), "Make it dense"),
    "text": ("text", "str"),
    "array of texts": (np.array(["a"]), "ndarray"),
    "array of objects": (np.array([None]), "ndarray"),
    "date": (np.datetime64("2020-01-01"), "datetime64"),
    "None": (None, "NoneType"),
    "dict": ({"x": 1.0}, "dict"),
    "ragged": ([[1.0], [1.0, 2.0]], "list"),
    "generator": (pt.random.type.random_generator_type("rng"), "RandomGenerator"),
    "compiled": (pytensor.function([x], x), "Function"),
    "beyond the floats": (10**400, "1000"),
    "beyond what Python writes": (10**5000, "too long to show|000000"),
    "a million numbers": ([*range(10**6), "a"], r"\.\.\. of type list"),
}


def function_rows() -> Iterator[Row]:
    """Of each function, with each bad value for each argument."""
    for name in sorted({*functions.__all__} - {"sigmoid"}):
        function, required = getattr(functions, name), required_arguments(name)
        for i, argument in enumerate(required):
            for bad, message in NOT_REAL.values():
                values = [0.5] * len(required)
                values[i] = bad
                message = rf"{name} takes for '{argument}'.*({message})"
                yield Row(name, partial(function, *values), TypeError, message)
        if len(required) > 1:
            shapes = [np.zeros(3), np.zeros(2), *[0.5] * (len(required) - 2)]
            shown = rf"{name} takes tensors that broadcast; .*\(3,\), \w+ \(2,\)"
            yield Row(name, partial(function, *shapes), ValueError, shown)


def fused() -> list:
    plain = get_mode("NUMBA").excluding("pytensor_stabilize")
    return list(pytensor.function([x], pt.exp(s), mode=plain).maker.fgraph.outputs)


def environment(text: str) -> None:
    try:
        switches.read_environment({switches.ENVIRONMENT_VARIABLE: text})
    finally:
        switches.read_environment()


CHOICES = "'naive' or 'stable'"
PULLBACKS = ["Stable", "", None, 1, "exact", ["stable"], np.array(["naive", "stable"])]
bce = functions.binary_cross_entropy_with_logits
FUNCTIONS = [
    *function_rows(),
    *rows(
        "leaky_relu",
        (lambda: functions.leaky_relu(x, alpha=math.inf), ValueError, "finite number for 'alpha'"),
        (lambda: functions.leaky_relu(x, alpha=NAN), ValueError, "finite number for 'alpha'"),
        (lambda: functions.leaky_relu(x, alpha=10**400), TypeError, "'alpha'.*beyond the floats"),
        (lambda: functions.leaky_relu(x, alpha=True), TypeError, "'alpha'"),
        (lambda: functions.leaky_relu(x, alpha="0.1"), TypeError, "'alpha'"),
        (lambda: functions.leaky_relu(x, alpha=1j), TypeError, "'alpha'.*complex128"),
    ),
    *rows(
        "gelu",
        (lambda: functions.gelu(x, approximate="tanh"), TypeError, "True or False for 'approxim"),
        (lambda: functions.gelu(x, approximate=None), TypeError, "True or False for 'approximate'"),
    ),
    *rows(
        "binary_cross_entropy_with_logits",
        (lambda: bce(x, [0, 2]), ValueError, "0 or 1"),
        (lambda: bce(x, [0.5, 1.5]), ValueError, r"in \[0, 1\]"),
        (lambda: bce(x, -1), ValueError, "0 or 1"),
    ),
    *(
        Row(name, call, ValueError, f"pullback must be {CHOICES}, got")
        for bad in PULLBACKS
        for name, call in {
            "sigmoid": lambda bad=bad: sigmoid(x, pullback=bad),
            "Sigmoid": lambda bad=bad: Sigmoid(pullback=bad),
            "with_pullback": lambda bad=bad: with_pullback(s, bad),
        }.items()
    ),
    *(
        Row("sigmoid", lambda bad=bad: sigmoid(bad), TypeError, "real numbers|one dense tensor")
        for bad, _message in NOT_REAL.values()
    ),
    *rows(
        "Sigmoid",
        (lambda: Sigmoid("stable"), TypeError, "one dense tensor, got 'stable'. Use Sigmoid"),
        (lambda: Sigmoid(x), TypeError, "one dense tensor"),
        (lambda: Sigmoid([]), TypeError, "one dense tensor"),
        (lambda: Sigmoid([x.type, x.type]), TypeError, "one dense tensor"),
        (lambda: Sigmoid([pt.zvector().type]), TypeError, "real numbers"),
        (lambda: Sigmoid()(object()), TypeError, "cannot be made a tensor"),
        (lambda: Sigmoid(pullback="stable")("x"), TypeError, "cannot be made a tensor"),
    ),
    *rows(
        "with_pullback",
        (lambda: with_pullback([], "stable"), TypeError, r"pass model.logp\(\)"),
        (lambda: with_pullback([1.0], "stable"), TypeError, "variable or a list"),
        (lambda: with_pullback({x: s}, "stable"), TypeError, "variable or a list"),
        (
            lambda: with_pullback(pytensor.function([x], x), "stable"),
            TypeError,
            "compiled function is too late",
        ),
        (lambda: with_pullback(fused(), "stable"), NotImplementedError, "fused into a Composite"),
    ),
]

NO_RULE = r"there is no rule named 'nope'\. Valid names: .*one_minus_sigmoid.*or 'all'"
NO_NAME = "takes rule names"
SWITCHES = [
    *(
        Row(name, lambda switch=switch, bad=bad: switch(bad), error, rf"{name}\(\).*{message}")
        for name, switch in {"excluding": excluding, "only": only, "is_active": is_active}.items()
        for bad, error, message in (
            ("nope", ValueError, NO_RULE),
            ("", ValueError, "Valid names"),
            ("one_minus_sigmoyd", ValueError, "Did you mean 'one_minus_sigmoid'"),
            ("one_minus_sigmoid, roots", ValueError, "there is no rule named"),
            (3, TypeError, f"{NO_NAME}.*got 3"),
            (None, TypeError, NO_NAME),
            (["one_minus_sigmoid"], TypeError, NO_NAME),
            (RULES[0], TypeError, rf"{NO_NAME}.*Rule\(name='one_minus_sigmoid'.*\.\.\."),
        )
    ),
    *rows("excluding", (lambda: excluding(), ValueError, "at least one rule name, or 'all'")),
    *rows("only", (lambda: only(), ValueError, "at least one rule name, or 'all'")),
    *rows(
        "register",
        (lambda: register("yes"), TypeError, "opt_in must be True or False, got 'yes'"),
        (lambda: register(1), TypeError, "opt_in must be True or False"),
        (lambda: register(None), TypeError, "opt_in must be True or False"),
    ),
    *rows(
        "show_config",
        (lambda: show_config(3), TypeError, "None or an open text file, got 3"),
        (lambda: show_config("report.txt"), TypeError, "None or an open text file"),
        (lambda: show_config(io.BytesIO()), TypeError, "None or an open text file"),
    ),
    *rows(
        "PYTENSOR_STABILIZE_EXCLUDING",
        (lambda: environment("nope"), ValueError, f"PYTENSOR_STABILIZE_EXCLUDING.*{NO_RULE}"),
        (lambda: environment("all, nope"), ValueError, NO_RULE),
    ),
]

GOOD_RULE = {
    "name": "a_rule",
    "before": lambda x: x,
    "after": lambda x: x,
    "domain": {"x": Interval()},
    "promise": 1.0,
    "mends": "nothing",
    "databases": ("stabilize",),
    "tracks": (pt.exp,),
    "transform": lambda fgraph, node: Left("never"),
}
BAD_PARTS = [
    ("name", "Not Snake", ValueError, "snake_case, got 'Not Snake'"),
    ("name", 3, ValueError, "snake_case, got 3"),
    ("before", 3, TypeError, "before must be a callable, got 3"),
    ("after", None, TypeError, "after must be a callable"),
    ("after", lambda u: u, ValueError, "domain is that of x, but a side takes u"),
    ("domain", {}, ValueError, "states no domain"),
    ("domain", {"x": (0, 1)}, TypeError, "domain must be a dict of Interval"),
    ("domain", [1], TypeError, "domain must be a dict of Interval"),
    ("domain", {"u": Interval()}, ValueError, "domain is that of u, but a side takes x"),
    ("promise", 0.0, ValueError, "promises 0.0 ulps; state a number"),
    ("promise", NAN, ValueError, "promises nan ulps"),
    ("promise", math.inf, ValueError, "promises inf ulps"),
    ("promise", "2", TypeError, "promise must be a number"),
    ("mends", "", ValueError, "does not say which failure"),
    ("mends", 3, TypeError, "mends must be a few words"),
    ("databases", (), ValueError, "valid: .'canonicalize'"),
    ("databases", ("stabilise",), ValueError, "'stabilise'.*valid: .'canonicalize'"),
    ("databases", "stabilize", TypeError, "databases must be a tuple of names"),
    ("tracks", (), ValueError, "would never run"),
    ("tracks", pt.exp, TypeError, "tracks must be a tuple of ops"),
    ("tracks", ("exp",), TypeError, "tracks must be a tuple of ops"),
    ("transform", None, ValueError, "needs a transform"),
    ("transform", 3, TypeError, "transform must be a callable"),
    ("needs", int, TypeError, "needs must be a tuple of classes"),
    ("needs", ((3,),), TypeError, "needs must be a tuple of classes"),
    ("tags", "fast_run", TypeError, "tags must be a tuple of names"),
    ("upstream", "local_name", TypeError, "upstream must be a tuple of names"),
    ("source", None, TypeError, "source must be a text"),
    ("tested_in", 3, TypeError, "tested_in must be the name of a file"),
    ("sees_clients", "no", TypeError, "sees_clients must be True or False"),
    ("opt_in", None, TypeError, "opt_in must be True or False"),
]
RULE_ROWS = [
    *(
        Row("Rule", lambda part=part, bad=bad: Rule(**{**GOOD_RULE, part: bad}), error, message)
        for part, bad, error, message in BAD_PARTS
    ),
    *rows(
        "Interval",
        (lambda: Interval(1.0, 1.0), ValueError, "lo < hi"),
        (lambda: Interval(2.0, 1.0), ValueError, "lo < hi"),
        (lambda: Interval(NAN, 1.0), ValueError, "lo < hi, got .nan, 1.0"),
        (lambda: Interval("a", 1.0), TypeError, "real numbers, got 'a'"),
        (lambda: Interval(None, 1.0), TypeError, "real numbers, got None"),
        (lambda: Interval(0.0, 1j), TypeError, "real numbers, got 1j"),
    ),
    *rows(
        "Left",
        (lambda: Left(""), ValueError, "a reason in words, got ''"),
        (lambda: Left(3), ValueError, "a reason in words, got 3"),
    ),
]
# Public names that take no input of which one could be bad.
REASONS = {
    "RULES": "a tuple",
    "__version__": "a text",
    "unregister": "takes nothing",
    "Audit": "a result: audit() makes it; its methods have rows",
    "Explanation": "a result: explain() and report() make it",
    "GraphDiff": "a result: diff() makes it",
    "Truth": "a result: truth() makes it",
}
REWRITE_ROWS = [*FUNCTIONS, *SWITCHES, *RULE_ROWS]
