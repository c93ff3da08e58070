"""Local error blames the operation with the planted fault, and nobody in a clean graph."""

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from pytensor_stabilize.graphs import audit

# Without rewrites: PyTensor mends some of these, and the fault must stay where it is planted.
PLAIN = ("plain", Mode("py", None))

x, y = pt.dscalars("x", "y")
v = pt.dvector("v")


def logsumexp(u):
    return pt.log(pt.exp(u).sum())


# name: (graph, inputs, op to blame, part of its formula, causes that are right)
FAULTS = {
    "1 - s": (1 - pt.sigmoid(x), {x: 40.0}, "Sub", "1 - sigmoid(x)", {"cancellation"}),
    "1 - s, under a log": (
        pt.exp(pt.log(1 - pt.tanh(x)) + 3),
        {x: 22.0},
        "Sub",
        "tanh",
        {"cancellation"},
    ),
    "1 + tanh": (pt.sin(1 + pt.tanh(x)), {x: -22.0}, "Add", "tanh(x)", {"cancellation"}),
    "1 - erf": (pt.sqrt(1 - pt.erf(x)), {x: 5.5}, "Sub", "erf(x)", {"cancellation"}),
    "1 - cos": ((1 - pt.cos(x)) / x**2, {x: 1e-6}, "Sub", "cos(x)", {"cancellation"}),
    "sqrt(1 + x) - 1": (pt.sqrt(1 + x) - 1, {x: 1e-12}, "Sub", "sqrt", {"cancellation"}),
    "exp(x) - exp(y)": (
        pt.log(pt.exp(x) - pt.exp(y)),
        {x: 3.0, y: 3.0 - 1e-13},
        "Sub",
        "exp",
        {"cancellation"},
    ),
    "log of what is nearly 1": (
        pt.log(pt.sigmoid(x) ** 2 + pt.exp(-x)),
        {x: 30.0},
        "Log",
        "log",
        {"amplified rounding"},
    ),
    "exp overflows": (
        pt.exp(x) / (1 + pt.exp(x) + pt.sqr(pt.sin(x))),
        {x: 800.0},
        "TrueDiv",
        "exp(x)",
        {"overflow"},
    ),
    "square overflows": (pt.sqrt(x**2 + y**2), {x: 1e200, y: 2e200}, "Sqrt", "sqr", {"overflow"}),
    "square underflows": (
        pt.sqrt(x**2 + y**2),
        {x: 1e-200, y: 2e-200},
        "Sqrt",
        "sqr",
        {"underflow"},
    ),
    "exp underflows": (
        pt.log(pt.exp(x) + pt.exp(y)),
        {x: -800.0, y: -801.0},
        "Log",
        "exp",
        {"underflow"},
    ),
    "log of a sum of large exponentials": (
        logsumexp(v),
        {v: np.array([900.0, 901.0])},
        "Log",
        "Sum",
        {"overflow"},
    ),
    "softmax written out": (
        (pt.exp(v) / pt.exp(v).sum() * np.arange(2.0)).sum(),
        {v: np.array([-800.0, -801.0])},
        "TrueDiv",
        "exp",
        {"underflow", "overflow"},
    ),
    "power of a rounded base": (
        (1 + x) ** 1e15,
        {x: 1e-15 / 3},
        "Pow",
        "1 + x",
        {"amplified rounding"},
    ),
    "sine of a rounded product": (
        pt.sin(x * y) + 3,
        {x: 1e15 / 3, y: 1.1},
        "Sin",
        "x * y",
        {"amplified rounding"},
    ),
    "variance by moments": (
        (v**2).mean() - v.mean() ** 2,
        {v: 1e8 + np.array([0.1, 0.2, 0.4])},
        "Sub",
        "",
        {"cancellation"},
    ),
    "difference of sigmoids": (
        pt.log(pt.sigmoid(x) - pt.sigmoid(y)),
        {x: 35.0, y: 34.0},
        "Sub",
        "sigmoid",
        {"cancellation"},
    ),
}

CLEAN = {
    "sigmoid": (pt.sigmoid(x), (-700, 700)),
    "softplus": (pt.softplus(x), (-700, 700)),
    "log(sigmoid)": (pt.log(pt.sigmoid(x)), (-700, 700)),
    "log1p(x)": (pt.log1p(x), (-0.9, 100)),
    "expm1": (pt.expm1(x), (-700, 700)),
    "tanh": (pt.tanh(x), (-30, 30)),
    "erfc": (pt.erfc(x), (-5, 25)),
    "log of a square": (pt.log1p(x**2), (-1e10, 1e10)),
    "gaussian": (pt.exp(-(x**2) / 2), (-5, 5)),
    "gradient of a gaussian": (pt.grad(-(x**2) / 2, x), (-100, 100)),
    "gradient of tanh": (pt.grad(pt.tanh(x), x), (-1, 1)),
    "rational": ((x**2 + 1) / (x**4 + 3), (-100, 100)),
    "trigonometry": (pt.sin(x) ** 2 + 1, (-10, 10)),
    "square root": (pt.sqrt(1 + x**2), (-1e100, 1e100)),
    "switch": (pt.switch(x > 0, pt.log1p(pt.abs(x)), -pt.sqrt(pt.abs(x))), (-100, 100)),
    "softmax": (pt.special.softmax(pt.stack([x, 0.5 * x, 1.0]))[0], (-50, 50)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_blames_the_planted_fault(name):
    graph, at, op, part, causes = FAULTS[name]
    found = audit(graph, inputs=at, modes=[PLAIN]).outputs[0]
    assert found.max_ulps > 32
    node = found.blamed
    assert node is not None
    assert node.op == op, node
    assert part in node.formula, node
    assert node.cause in causes, node
    assert node.effect_ulps > 32
    assert found.cause in causes | {"sensitive question"}


def one(graph, at, modes=("ours",)):
    return audit(graph, inputs=at, modes=modes).outputs[0]


def test_a_sum_that_cancels_in_one_node():
    found = one(pt.sum(pt.sinh(v)), {v: np.array([30, 1e-3, -30.0])}, [PLAIN])
    assert found.blamed.cause == "cancellation"
    assert found.blamed.op == "Sum"
    found = one(pt.dot(pt.exp(v), np.array([1, 1e-17, -1])), {v: np.array([0.1, 0.2, 0.1])})
    assert found.blamed.cause == "cancellation"


def test_the_second_output_of_a_node_is_looked_at():
    rows = np.random.default_rng(0).normal(size=(3, 3))
    rows[2] = rows[0] * (1 + 1e-9)
    m = pt.dmatrix("m")
    found = one(pt.linalg.slogdet(m @ m.T + 1e-9 * pt.eye(3))[1], {m: rows})
    assert found.blamed.op == "SLogDet"


def test_a_float32_inside():
    u, narrow = pt.dscalar("u"), pt.fscalar("narrow")
    found = one(u + pt.exp(narrow), {u: 0.3, narrow: np.float32(1.7)})
    assert found.cause == "narrow dtype"
    assert "exp(narrow) is a float32" in found.blamed.detail


def test_a_constant_that_rewriting_rounds():
    # PyTensor's sine of an int8 is a float32, and no rule widens it.
    assert one(x * pt.sin(np.int8(2)) + x, {x: 0.7}).cause == "folded constant"


def test_an_exact_zero_is_no_sensitive_question_by_itself():
    found = one(x * x - 2 * x * y + y * y, {x: 1 / 3, y: 1 / 3}, [PLAIN, "ours"])
    assert found.condition_number is None
    assert found.cause != "sensitive question"


@pytest.mark.parametrize("name", CLEAN)
def test_it_blames_nobody_in_a_clean_graph(name):
    graph, ends = CLEAN[name]
    for found in audit(graph, ranges={x: ends}, points=200).outputs:
        assert found.max_ulps < 32
        assert found.blamed is None
        assert found.cause == ""
        assert found.measured == 200
