"""audit: where it looks, what it measures, how it tells it, and what it refuses."""

import json
import sys

import jsonschema
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode, get_mode

from pytensor_stabilize.graphs import Range, Truth, audit
from pytensor_stabilize.graphs.auditing.progress import Progress
from pytensor_stabilize.graphs.auditing.result import joined
from pytensor_stabilize.graphs.auditing.sampling import is_elementwise
from pytensor_stabilize.graphs.auditing.schema import SCHEMA
from pytensor_stabilize.graphs.auditing.ways import way_of

x, y = pt.dscalars("x", "y")
v = pt.dvector("v")
m = pt.dmatrix("m")
s = 1 - pt.sigmoid(x)


@pytest.fixture(scope="module")
def tail():
    """The audit that most tests look at: stock fails from 36.7 on, ours does not."""
    return audit(s, ranges={x: (-60, 60)}, wrt=x, points=300)


# --- where it looks


def test_integers_are_sampled_as_integers():
    n = pt.lscalar("n")
    found = audit(pt.log(n), ranges={n: (1, 9)}, points=50, modes=["ours"])
    assert found.max_ulps["ours"] < 2


def test_points_of_the_users_own():
    found = audit(s, inputs={"x": [1.0, 40.0, 50.0]}, modes=["stock"])
    assert found.points == 3
    assert found.outputs[0].errors.shape == (3,)
    assert found.outputs[0].worst_input["x"] in (40.0, 50.0)


def test_fixed_values_hold_for_all_points():
    found = audit(s * y, inputs={y: 2.0}, ranges={x: (-1, 1)}, points=20, modes=["ours"])
    assert found.outputs[0].worst_input["y"] == 2.0


def test_one_row_a_point_of_a_vector():
    posterior = np.random.default_rng(0).normal(size=(7, 3))
    found = audit(pt.special.softmax(v), inputs={v: posterior}, modes=["ours"])
    assert found.outputs[0].errors.shape == (7, 3)


def test_an_elementwise_graph_takes_all_points_in_one_call():
    many = audit(1 - pt.sigmoid(v), ranges={v: (-60, 60)}, points=300, wrt=v)
    one = audit(s, ranges={x: (-60, 60)}, points=300, wrt=x)
    assert many.points == 300
    for a, b in zip(many.outputs, one.outputs, strict=True):
        assert a.measured == b.measured == 300
        assert a.cause == b.cause


@pytest.mark.parametrize(
    ("graph", "inputs", "elementwise"),
    [
        (pt.sigmoid(v) * 2, [v], True),
        (pt.grad(pt.sigmoid(v).sum(), v), [v], True),
        (pt.sigmoid(m) + m, [m], True),
        (v - v.sum(), [v], False),
        (v[::-1], [v], False),
        (pt.cumsum(v), [v], False),
        (v * y, [v, y], False),
        (pt.special.softmax(v), [v], False),
    ],
)
def test_what_counts_as_elementwise(graph, inputs, elementwise):
    assert is_elementwise([graph], inputs) is elementwise


def test_shapes_are_asked_for_where_they_matter():
    with pytest.raises(ValueError, match=r"shapes=\{x: \(3,\)\}"):
        audit(v - v.sum())
    found = audit(v - v.max(), shapes={"v": (3,)}, points=20, modes=["ours"])
    assert found.outputs[0].errors.shape == (20, 3)


def test_a_shared_variable_keeps_its_value():
    w = pytensor.shared(np.array(3.0), name="w")
    found = audit(w * pt.sigmoid(x), points=30, modes=["ours"])
    assert found.inputs == ("x",)
    assert found.max_ulps["ours"] < 4


def test_the_same_seed_gives_the_same_points():
    a, b = (audit(s * pt.sigmoid(y), points=40, seed=3, nodes=False) for _ in range(2))
    assert a.to_dict() == b.to_dict()


# --- what it measures


def test_stock_fails_in_the_tail_and_ours_does_not(tail):
    for what in ("1 - sigmoid(x)", "d f / d x"):
        assert tail[what, "stock"].max_ulps > 2**52
        assert tail[what, "stock"].no_digit > 0.05
        assert tail[what, "stock"].cause == "cancellation"
        assert tail[what, "ours"].max_ulps < 4
        assert tail[what, "ours"].no_digit == 0
        assert tail[what, "ours"].cause == ""
    assert tail.max_ulps["ours"] < 4 < tail.max_ulps["stock"]


def test_worst_input_is_where_the_largest_error_is(tail):
    worst = tail["1 - sigmoid(x)", "stock"]
    function = pytensor.function([x], s, mode="FAST_COMPILE")
    assert worst.worst_actual == function(worst.worst_input["x"])
    exact = np.exp(-worst.worst_input["x"])
    assert worst.worst_exact == pytest.approx(exact, rel=1e-12)
    assert np.nanmax(worst.errors) == worst.max_ulps == worst.errors[worst.worst_point]


def test_the_percentile_is_an_error_that_occurs():
    found = audit(s, ranges={x: (-60, 60)}, points=2000, modes=["stock"], nodes=False).outputs[0]
    assert found.p999_ulps in found.errors
    assert 1 <= (found.errors > found.p999_ulps).sum() <= 2


def test_condition_number_of_a_power():
    found = audit((pt.sqrt(1 + x) - 1) ** 3, inputs={x: 1e-9}, modes=["stock"]).outputs[0]
    assert found.condition_number == pytest.approx(3, rel=1e-6)


def test_condition_number_sums_over_inputs_and_elements():
    graph = (pt.exp(v) - 1).prod() * (1 - pt.cos(y))
    at = {v: np.array([1e-12, 1e-13]), y: 1e-7}
    found = audit(graph, inputs=at, modes=["stock"]).outputs[0]
    assert found.condition_number == pytest.approx(1 + 1 + 2, rel=1e-6)


def test_a_sensitive_question_is_called_that():
    found = audit(x**2 - 1, inputs={x: 1 + 1e-9}, modes=[("plain", Mode("py", None))]).outputs[0]
    assert found.condition_number == pytest.approx(1e9, rel=1e-3)
    assert found.cause == "sensitive question"


def test_undefined_points_are_counted_and_not_measured():
    found = audit(pt.log(x), ranges={x: (-1, 3, "uniform")}, points=401, modes=["ours"]).outputs[0]
    assert found.undefined == 100
    assert found.measured == 301
    assert np.isnan(found.errors).sum() == 100
    assert "100 undefined" in str(audit(pt.log(x), inputs={x: np.linspace(-1, 3, 401)}))


def test_undecided_points_are_counted():
    tie = pt.switch(pt.exp(pt.log(x)) >= x, 1.0, -1.0) * x
    found = audit(tie, inputs={x: [2.0, 3.0]}, modes=["ours"]).outputs[0]
    assert found.undecided == 2
    assert found.measured == 0
    assert np.isnan(found.max_ulps)


def test_nothing_measured_is_no_small_error():
    assert np.isnan(audit(pt.log(x), inputs={x: [-1.0]}, modes=["ours"]).max_ulps["ours"])


def test_exact_values_of_points_that_have_no_shape_of_their_own():
    known = Truth(np.ones((2, 3)), np.zeros((2, 3), np.int8), np.zeros((2, 3)), 128)
    unknown = Truth(np.full(3, np.nan), np.full(3, 2, np.int8), np.zeros(3), 4096)
    both = joined([known, unknown])
    assert both.value.shape == (5, 3)
    assert both.undecided.sum() == 9


def test_an_exception_without_a_message_is_told():
    checked = pytensor.raise_op.CheckAndRaise(ZeroDivisionError, "")(x, x < 2)
    assert "ZeroDivisionError" in str(audit(checked, inputs={x: [1.0, 3.0]}, modes=["ours"]))


def test_second_derivatives():
    found = audit(pt.tanh(x), ranges={x: (0.5, 3)}, wrt="all", order=2, points=50, modes=["ours"])
    names = [o.output for o in found.outputs]
    assert names == ["tanh(x)", "d f / d x", "d2 f / d x2"]
    assert all(o.max_ulps < 100 for o in found.outputs)


def test_derivatives_by_several_inputs():
    named = pt.sigmoid(x) * y
    named.name = "f"
    found = audit(named, wrt=["x", y], points=20, modes=["ours"])
    assert [o.output for o in found.outputs] == ["f", "d f / d x", "d f / d y"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["ours", "ours:cvm", "ours:jax", "ours:FAST_COMPILE"])
def test_other_linkers_and_dtypes(mode, dtype):
    u = pt.scalar("u", dtype=dtype)
    found = audit(pt.sigmoid(u), ranges={u: (-20, 20)}, points=60, modes=[mode], nodes=False)
    assert found.outputs[0].dtype == dtype
    assert found.outputs[0].max_ulps < 4


def test_a_mode_of_the_users_own():
    found = audit(s, modes=[("plain", get_mode("CVM").excluding("stabilize"))], points=20)
    assert found.modes == ("plain",)


def test_stock_is_without_our_rules():
    together = [s, pt.sigmoid(x)]
    assert way_of("stock").compile([x], together)(40.0)[0] == 0
    assert way_of("ours").compile([x], together)(40.0)[0] > 0


def test_a_function_that_raises_has_no_number():
    checked = pytensor.raise_op.Assert("x must be small")(x, x < 2)
    found = audit(checked * 1.5, inputs={x: [1.0, 3.0]}, modes=["ours"])
    assert "x must be small (1 of 2 calls)" in str(found)
    assert found.outputs[0].undefined == 1
    assert found.max_ulps["ours"] == 0


def test_inputs_and_outputs_with_one_name_are_kept_apart():
    a, b = pt.dscalar("d"), pt.dscalar("d")
    found = audit([a - pt.exp(b), a - pt.exp(b)], wrt="all", points=20, modes=["ours"])
    names = [o.output for o in found.outputs]
    assert names == ["d - exp(d)", "d - exp(d)#2", "d sum / d d", "d sum / d d#2"]
    assert set(found.outputs[0].worst_input) == {"d", "d#2"}


def test_the_line_of_a_graph_that_is_made_in_the_call():
    found = audit((1 - pt.cos(x)) / x**2, inputs={x: 1e-7}, modes=["stock"]).outputs[0]
    assert "1 - pt.cos(x)" in found.blamed.where


def test_what_two_modes_say_alike_is_said_once():
    text = str(audit(pt.arcsin(x) - x, inputs={x: 1e-3}))
    assert text.count("cancellation in") == 1
    assert ": stock, ours" in text


# --- how it tells it


def test_the_table_names_output_mode_cause_and_line(tail):
    text = str(tail)
    assert "300 points" in text
    for part in ("1 - sigmoid(x)", "stock", "ours", "cancellation", "test_audit.py:", "no digit"):
        assert part in text
    assert "condition number" in text


def test_the_dict_follows_the_schema_and_survives_json(tail):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for found in (tail, audit(1 / x, inputs={x: [0.0, 1e-320]})):
        plain = found.to_dict()
        jsonschema.validate(plain, SCHEMA)
        assert json.loads(found.to_json()) == plain
    assert plain["outputs"][0]["undefined"] == 1


def test_the_schema_refuses_what_is_wrong(tail):
    plain = tail.to_dict()
    plain["outputs"][0]["max_ulps"] = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, SCHEMA)


def test_the_page_needs_no_network(tail, tmp_path):
    tail.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert "<script" not in page
    for part in ("1 - sigmoid(x)", "cancellation", "local ulp", "Sigmoid [id"):
        assert part in page


def test_names_are_escaped_in_the_page(tmp_path):
    bad = pt.dscalar("<b>&x")
    audit(1 - pt.sigmoid(bad), points=20).to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<b>&x" not in page
    assert "&lt;b&gt;&amp;x" in page


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture(tail, tmp_path, suffix):
    tail.plot(tmp_path / f"errors.{suffix}")
    assert (tmp_path / f"errors.{suffix}").stat().st_size > 5000


def test_a_picture_of_a_single_point(tmp_path):
    audit(s, inputs={x: 40.0}).plot(tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 5000


def test_an_unknown_key_lists_what_there_is(tail):
    with pytest.raises(KeyError, match="the modes stock, ours"):
        tail["1 - sigmoid(x)", "theirs"]


def test_progress_writes_to_the_error_stream(capsys):
    with Progress(True) as bar:
        assert list(bar.over([1, 2, 3], "count")) == [1, 2, 3]
    out, err = capsys.readouterr()
    assert out == ""
    assert "count" in err
    with Progress(None) as bar:
        assert list(bar.over([1], "quiet")) == [1]
    assert capsys.readouterr().err == "" or sys.stderr.isatty()


@pytest.mark.parametrize(
    ("dtype", "ends", "least", "largest"),
    [
        ("int8", (-1e6, 1e6), -128, 127),
        ("uint64", (-3, 1e30), 0, 2**64 - 1),
        ("bool", (-5, 5), False, True),
        ("float32", (-1e300, 1e300), -np.finfo("float32").max, np.finfo("float32").max),
        ("float64", (-1.7e308, 1.7e308), -1.7e308, 1.7e308),
    ],
)
def test_a_range_beyond_the_dtype_ends_where_the_dtype_does(dtype, ends, least, largest):
    found = Range(*ends).sample(3000, dtype, np.random.default_rng(0))
    assert found.dtype == dtype
    assert np.isfinite(found).all()
    near = 0.01 * (float(largest) / 2 - float(least) / 2)
    assert least <= found.min() <= least + near
    assert largest >= found.max() >= largest - near
