"""What the tools of `graphs` refuse: a row is a call, the error, and what it says."""

import warnings
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from bad_input_table import NAN, Row, rows
from pytensor.graph.op import Op

from pytensor_stabilize.graphs import (
    Audit,
    Range,
    audit,
    audit_model,
    debugprint,
    diff,
    explain,
    op_counts,
    register_exact,
    report,
    same_graph,
    to_python,
    truth,
    ulp_error,
)
from pytensor_stabilize.graphs.exact import UnsupportedOp

x, y = pt.dscalars("x", "y")
k, q = pt.dscalars("k", "q")
v, n, z, f = pt.dvector("v"), pt.lscalar("n"), pt.zscalar("z"), pt.fscalar("f")
byte, unsigned, flag = (pt.scalar(d, dtype=d) for d in ("int8", "uint8", "bool"))
s = pt.sigmoid(x)
floats32 = pt.fvector("floats32")
two = pt.dvector("two", shape=(2,))
NOWHERE = Path(gettempdir()) / "no such folder" / "page.html"

BAD_GRAPHS = [None, 3, "x", [], [1.0], [x, None], {"x": x}, {s}, np.ones(2), s.owner, pm.Model]
TOOLS = {
    "op_counts": op_counts,
    "debugprint": debugprint,
    "report": report,
    "explain": explain,
    "to_python": to_python,
    "truth": truth,
    "audit": audit,
    "same_graph": lambda graph: same_graph(x, graph),
    "diff": lambda graph: diff(graph, x),
}
GRAPHS = [
    *(
        Row(
            name,
            lambda tool=tool, bad=bad: tool(bad),
            TypeError,
            rf"{name}\(\) takes a.*PyTensor variable or a list of variables, got ",
        )
        for name, tool in TOOLS.items()
        for bad in BAD_GRAPHS
    ),
    *rows(
        "explain",
        (lambda: explain(pytensor.function([x], s)), TypeError, r"use report\(\)"),
        (lambda: explain(s, mode="NUMBO"), ValueError, "no mode 'NUMBO'"),
        (lambda: explain(s, mode=""), ValueError, "no mode ''"),
        (lambda: explain(s, mode=3), TypeError, "mode must be a PyTensor mode or its name, got 3"),
    ),
    *rows(
        "debugprint",
        (lambda: debugprint(s, file=3), TypeError, 'None, "str" or an open text file, got 3'),
        (lambda: debugprint(s, file="page.txt"), TypeError, "open text file, got 'page.txt'"),
    ),
]

REFUSED_TRUTHS = [
    (pytensor.grad(pt.gammainc(k, x), k), {k: 2.0, x: 1.0}, UnsupportedOp, "gammainc"),
    (pytensor.grad(pt.gammaincc(k, x), k), {k: 2.0, x: 1.0}, UnsupportedOp, "gammaincc"),
    (pytensor.grad(pt.betainc(k, q, x), k), {k: 2.0, q: 3.0, x: 0.4}, UnsupportedOp, "betainc"),
    (pytensor.grad(pt.betainc(k, q, x), q), {k: 2.0, q: 3.0, x: 0.4}, UnsupportedOp, "betainc"),
    (x + y, {x: 1.0}, ValueError, "No value was given for y"),
    (x + y, None, ValueError, "No value was given for (x, y|y, x)"),
    (x + y, 3, TypeError, "givens: a dict by input, or by its name, is expected.*got 3"),
    (x + y, [1.0, 2.0], TypeError, "givens: a dict by input"),
    (x + y, {"x": 1.0, "z": 2.0}, ValueError, "'z' is no input of this graph; its inputs"),
    (x + y, {x: 1.0, k: 2.0}, ValueError, "k is no input"),
    (x + y, {3: 1.0}, ValueError, "3 is no input"),
    (x + pt.dscalar("x"), {"x": 1.0}, ValueError, "'x' is the name of several inputs"),
    (v + 1, {v: 1.0}, ValueError, "v has 1 dimensions, its value has 0"),
    (two + 1, {"two": np.ones(3)}, ValueError, "static shape"),
    (floats32 + 1, {"floats32": [0.1]}, ValueError, "is no float32 and would be rounded"),
    (floats32 + 1, {"floats32": [1e300]}, ValueError, "is no float32 and would be rounded"),
    (n + 1, {"n": 0.5}, ValueError, "is no int64"),
    (n + 1, {n: 2**70}, ValueError, "is no value for n"),
    (byte + 1, {byte: 300}, ValueError, "is no int8"),
    (v + 1, {v: ["a"]}, ValueError, "is no value for v"),
    (v + 1, {v: [[1.0], [1.0, 2.0]]}, ValueError, "is no value for v"),
    (s, {x: None}, ValueError, "None is no value for x"),
    (s, {x: "1.5"}, ValueError, "'1.5' is no value for x"),
    (s, {x: y}, ValueError, "y is no value for x"),
    (s, {x: object()}, ValueError, "is no value for x"),
    (s, {x: 1j}, ValueError, "1j is no value for x"),
    (abs(z), {z: 1j}, UnsupportedOp, "computes with real numbers"),
    (z, {z: 1j}, UnsupportedOp, "complex"),
    (pm.Normal.dist(x, 1.0) + 1, {x: 0.0}, UnsupportedOp, "a random draw has no exact value"),
    (pt.random.integers(0, 9), {}, UnsupportedOp, "a random draw has no exact value"),
    (pt.type_other.NoneConst.clone(), {}, ValueError, "is no number"),
    (pytensor.function([x], s), {"x": 1.0}, TypeError, "has forgotten the graph"),
]


def strict_truth(graph, givens):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return truth(graph, givens)


BITS = "max_bits must be an integer of at least 128"
EXACT = [
    *(
        Row("truth", lambda graph=graph, givens=givens: strict_truth(graph, givens), error, message)
        for graph, givens, error, message in REFUSED_TRUTHS
    ),
    *(
        Row("truth", lambda bad=bad: truth(s, {x: 1.0}, max_bits=bad), ValueError, BITS)
        for bad in (0, -1, 64, "a", NAN, 256.0, True, None)
    ),
    *rows(
        "ulp_error",
        (lambda: ulp_error(np.array([1]), 1.0), TypeError, "actual must be floats.*got dtype int"),
        (lambda: ulp_error(1.0, np.array([1], "int32")), TypeError, "exact must be floats"),
        (lambda: ulp_error(np.float32(1), 1.0), TypeError, "actual is float32 and exact is float6"),
        (lambda: ulp_error(np.array([1j]), 1.0), TypeError, "float16, float32, float64.*complex"),
        (lambda: ulp_error(np.longdouble(1), 1.0), TypeError, "actual must be floats"),
        (lambda: ulp_error("a", 1.0), TypeError, "actual must be floats.*'a'"),
        (lambda: ulp_error(1.0, None), TypeError, "exact must be floats.*None"),
        (lambda: ulp_error(x, 1.0), TypeError, "actual must be floats.* x"),
        (lambda: ulp_error([[1.0], [1.0, 2.0]], 1.0), TypeError, "actual must be floats"),
        (lambda: ulp_error(np.ones(3), np.ones(2)), ValueError, r"\(3,\).*\(2,\) must broadcast"),
    ),
    *(
        Row(
            "register_exact",
            lambda pair=pair: register_exact(*pair),
            TypeError,
            "takes a class of PyTensor ops and a function",
        )
        for pair in (("Twice", abs), (None, None), (int, abs), (pt.sigmoid, abs), (Op, None))
    ),
]

RANGES = rows(
    "Range",
    (lambda: Range(1, 0), ValueError, "lo < hi, got 1, 0"),
    (lambda: Range(0, 0), ValueError, "lo < hi"),
    (lambda: Range(NAN, 1), ValueError, "two finite ends, lo < hi, got nan, 1"),
    (lambda: Range(0, NAN), ValueError, "two finite ends"),
    (lambda: Range(0, np.inf), ValueError, "two finite ends"),
    (lambda: Range("0", 1), TypeError, "real numbers, got '0'"),
    (lambda: Range(None, 1), TypeError, "real numbers, got None"),
    (lambda: Range(0, 1j), TypeError, "real numbers, got 1j"),
    (lambda: Range([0], [1]), TypeError, "real numbers"),
    (lambda: Range(0, 1, "even"), ValueError, "sampling must be one of .*'log'.*got 'even'"),
    (lambda: Range(0, 1, ["log"]), ValueError, "sampling must be one of"),
)
AUDITS = rows(
    "audit",
    (lambda: audit(pytensor.function([x], s)), TypeError, "has forgotten the graph"),
    (lambda: audit(n + 1), TypeError, "measures real outputs"),
    (lambda: audit(pt.type_other.NoneConst), TypeError, "measures real outputs"),
    (lambda: audit(pt.real(z)), TypeError, "works with real inputs"),
    (lambda: audit(pt.random.normal(x)), UnsupportedOp, "a random draw has no"),
    (lambda: audit(s, order=3), ValueError, "order must be 1 or 2"),
    (lambda: audit(s, order="1"), ValueError, "order must be 1 or 2"),
    (lambda: audit(s, order=True), ValueError, "order must be 1 or 2"),
    (lambda: audit(s, order=2), ValueError, "order=2 needs wrt="),
    (lambda: audit(s, points=0), ValueError, "points must be an integer of at least 1"),
    (lambda: audit(s, points=1.5), ValueError, "points must be an integer"),
    (lambda: audit(s, points=True), ValueError, "points must be an integer"),
    (lambda: audit(s, points=NAN), ValueError, "points must be an integer"),
    (lambda: audit(s, seed=-1), ValueError, "seed must be an integer"),
    (lambda: audit(s, seed=None), ValueError, "seed must be an integer"),
    (lambda: audit(s, nodes="no"), TypeError, "nodes must be True or False, got 'no'"),
    (lambda: audit(s, progress="a"), TypeError, "progress, which may be None too, must be True"),
    (lambda: audit(s, title=3), TypeError, "title must be a text, got 3"),
    (lambda: audit(s, sampling="even"), ValueError, "sampling must be one of"),
    (lambda: audit(s, sampling=["log"]), ValueError, "sampling must be one of"),
    (lambda: audit(s, inputs=3), TypeError, "inputs: a dict by input.*got 3"),
    (lambda: audit(s, inputs={x: [[1.0]]}), ValueError, "dimensions"),
    (lambda: audit(s, inputs={x: []}), ValueError, "empty"),
    (lambda: audit(s, inputs={x: "a"}), ValueError, "is no value for x"),
    (lambda: audit(s, inputs={x: None}), ValueError, "is no value for x"),
    (lambda: audit(s, inputs={x: 1j}), ValueError, "is no value for x: pass real numbers"),
    (lambda: audit(s, inputs={x: [[1.0], [1.0, 2.0]]}), ValueError, "is no value for x"),
    (lambda: audit(s * y, inputs={x: [1.0], y: [1.0, 2.0]}), ValueError, "different numbers"),
    (lambda: audit(s, inputs={x: 1.0}, ranges={x: (0, 1)}), ValueError, "not both"),
    (lambda: audit(s, ranges=(0, 1)), TypeError, "ranges: a dict by input"),
    (lambda: audit(s, ranges={"t": (0, 1)}), ValueError, "'t' is no input of this graph"),
    (lambda: audit(s, ranges={x: (1,)}), ValueError, r"A range is \(lo, hi\)"),
    (lambda: audit(s, ranges={x: 4}), ValueError, r"A range is \(lo, hi\)"),
    (lambda: audit(s, ranges={x: "ab"}), ValueError, r"A range is \(lo, hi\).*got 'ab'"),
    (lambda: audit(s, ranges={x: (1, 0)}), ValueError, "lo < hi"),
    (lambda: audit(s, ranges={x: (NAN, 1)}), ValueError, "two finite ends"),
    (lambda: audit(s, ranges={x: (0, np.inf)}), ValueError, "two finite ends"),
    (lambda: audit(s, ranges={x: (0, None)}), TypeError, "real numbers, got None"),
    (lambda: audit(s, ranges={x: ("0", "1")}), TypeError, "real numbers, got '0'"),
    (lambda: audit(s, ranges={x: (0, 1, "even")}), ValueError, "sampling must be one of"),
    (lambda: audit(pt.log(n), ranges={n: (0.2, 0.8)}), ValueError, "no integer of int64 from"),
    (lambda: audit(pt.exp(byte), ranges={byte: (300, 400)}), ValueError, "no integer of int8 from"),
    (lambda: audit(pt.exp(unsigned), ranges={unsigned: (-5, -1)}), ValueError, "of uint8 from"),
    (lambda: audit(pt.exp(flag), ranges={flag: (2, 3)}), ValueError, "no integer of bool from"),
    (lambda: audit(pt.exp(f), ranges={f: (1e299, 1e300)}), ValueError, "no number of float32"),
    (lambda: audit(pt.exp(f), ranges={f: (1 + 1e-9, 1 + 2e-9)}), ValueError, "no number of float3"),
    (lambda: audit(pt.log(n)), ValueError, "pass ranges="),
    (lambda: audit(v.sum()), ValueError, "Pass shapes="),
    (lambda: audit(v.sum(), shapes=(3,)), TypeError, "shapes: a dict by input"),
    (lambda: audit(v.sum(), shapes={v: 3}), ValueError, "its shape is a tuple"),
    (lambda: audit(v.sum(), shapes={v: (2, 2)}), ValueError, "its shape is a tuple"),
    (lambda: audit(v.sum(), shapes={v: (0,)}), ValueError, "positive integers; got"),
    (lambda: audit(v.sum(), shapes={v: (True,)}), ValueError, "positive integers; got"),
    (lambda: audit(two.sum(), shapes={two: (3,)}), ValueError, "has the static shape"),
    (lambda: audit(s, modes=None), TypeError, r"modes is a list such as \['stock', 'ours'\]"),
    (lambda: audit(s, modes=[]), ValueError, "modes is empty"),
    (lambda: audit(s, modes=["theirs"]), ValueError, "A mode is 'stock', 'ours'"),
    (lambda: audit(s, modes=["ours", None]), ValueError, "A mode is 'stock', 'ours'.*got None"),
    (lambda: audit(s, modes="ours:"), ValueError, "A mode is 'stock', 'ours'"),
    (lambda: audit(s, modes=["ours:abacus"]), ValueError, "no mode 'abacus'"),
    (lambda: audit(s, modes=["ours", "ours"]), ValueError, "ours stands twice"),
    (lambda: audit(s, wrt="t"), ValueError, "wrt: 't' is no input"),
    (lambda: audit(s, wrt=3), TypeError, 'wrt takes an input, its name, a list of them, or "all"'),
    (lambda: audit(s, wrt=[[x]]), TypeError, "wrt takes an input"),
    (lambda: audit(s, wrt=[]), ValueError, "wrt is empty"),
    (lambda: audit(pt.exp(n), wrt=n), ValueError, "derivatives are by real inputs"),
    (lambda: audit(pt.exp(n), wrt="all"), ValueError, "no real input to differentiate by"),
    (lambda: audit(pt.gammaincinv(x, 0.5), wrt=x), ValueError, "cannot differentiate"),
)


def transformed() -> pm.Model:
    with pm.Model() as model:
        sigma, w = pm.HalfNormal("sigma"), pm.Dirichlet("w", np.ones(3))
        pm.Normal("y", w[0], sigma, observed=[1.0])
    return model


def free_input() -> pm.Model:
    with pm.Model() as model:
        mu = pm.Normal("mu", pt.dscalar("prior_mean"), 1)
        pm.Normal("y", mu, 1, observed=[0.5])
    return model


MODELS = rows(
    "audit_model",
    (lambda: audit_model(x), TypeError, r"takes a pymc\.Model, got x"),
    (lambda: audit_model(None), TypeError, r"takes a pymc\.Model, got None"),
    (lambda: audit_model(pm.Model), TypeError, r"takes a pymc\.Model"),
    (lambda: audit_model(pm.Model()), ValueError, "no free variables"),
    (lambda: audit_model(free_input()), ValueError, "without a value: prior_mean"),
    (lambda: audit_model(transformed(), point={"sigma": 1.0}), ValueError, "sigma_log__"),
    (lambda: audit_model(transformed(), point={3: 1.0}), ValueError, "names 3; .*sigma_log__"),
    (lambda: audit_model(transformed(), point={"sigma_log__": [1.0]}), ValueError, "dimensions"),
    (lambda: audit_model(transformed(), point={"sigma_log__": None}), ValueError, "is no value"),
    (lambda: audit_model(transformed(), point=[]), ValueError, "a dict from names"),
    (lambda: audit_model(transformed(), point=3), ValueError, "a dict from names.*got 3"),
    (lambda: audit_model(transformed(), rows=0), ValueError, "rows must be an integer"),
    (lambda: audit_model(transformed(), n_draws=0), ValueError, "n_draws must be an integer"),
    (lambda: audit_model(transformed(), seed=1.5), ValueError, "seed must be an integer"),
    (lambda: audit_model(transformed(), nodes=1), TypeError, "nodes must be True or False"),
    (lambda: audit_model(transformed(), progress=1), TypeError, "progress.* must be True or False"),
    (lambda: audit_model(transformed(), modes=3), TypeError, "modes is a list"),
    (lambda: audit_model(transformed(), modes=[]), ValueError, "modes is empty"),
    (lambda: audit_model(transformed(), point={}, draws={}), ValueError, "not both"),
    (lambda: audit_model(transformed(), draws=3), TypeError, "what pm.sample returned.*got 3"),
    (lambda: audit_model(transformed(), draws={"w": 1}), TypeError, "what pm.sample returned"),
    (lambda: audit_model(transformed(), draws=no_dataset()), ValueError, "lacks sigma"),
)


def no_dataset():
    import xarray

    return xarray.Dataset({"w": (("chain", "draw", "w_dim"), np.ones((1, 1, 3)) / 3)})


EMPTY = Audit((), (), 0)
RESULTS = rows(
    "Audit",
    (lambda: EMPTY["s", "ours"], KeyError, "the outputs are"),
    (lambda: EMPTY.plot(3), TypeError, r"plot\(\) takes the name of a file.*got 3"),
    (lambda: EMPTY.plot(gettempdir()), IsADirectoryError, "is a folder; name a file"),
    (lambda: EMPTY.plot(NOWHERE), FileNotFoundError, "there is no folder"),
    (lambda: EMPTY.to_html(None), TypeError, r"to_html\(\) takes the name of a file"),
    (lambda: EMPTY.to_html(gettempdir()), IsADirectoryError, "is a folder; name a file"),
    (lambda: EMPTY.to_html(NOWHERE), FileNotFoundError, "there is no folder"),
)
GRAPH_ROWS = [*GRAPHS, *EXACT, *RANGES, *AUDITS, *MODELS, *RESULTS]
