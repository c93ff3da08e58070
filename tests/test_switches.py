"""Every way to switch rules off and on, one by one."""

import sys
import threading

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import run_python
from pytensor.compile.debug.profiling import _atexit_print_list
from pytensor.compile.mode import FAST_COMPILE, Mode, get_default_mode, get_mode, optdb
from pytensor.graph.rewriting.utils import rewrite_graph

import pytensor_stabilize
from pytensor_stabilize import RULES, excluding, is_active, only, register, show_config, unregister
from pytensor_stabilize.graphs import op_counts, same_graph

x = pt.dvector("x")
GRADIENT = pt.grad(pt.sigmoid(x).sum(), x)
NAMES = [rule.name for rule in RULES]
OPT_IN = [rule.name for rule in RULES if rule.opt_in]
BY_DEFAULT = [rule.name for rule in RULES if not rule.opt_in]
AT_40 = np.array([40.0])
# Either of them alone mends 1 - sigmoid(x), and with it the gradient.
MENDING = ("one_minus_sigmoid", "sum_at_critical_value")


def text(mode=None, outputs=GRADIENT) -> str:
    return pytensor.dprint(pytensor.function([x], outputs, mode=mode), file="str")


def value(mode=None) -> float:
    return float(pytensor.function([x], GRADIENT, mode=mode)(AT_40)[0])


def stock_text(mode=None, outputs=GRADIENT) -> str:
    unregister()
    try:
        return text(mode, outputs)
    finally:
        register()


@pytest.mark.parametrize("mode", ["default", "NUMBA", "CVM", "JAX", "FAST_RUN", "FAST_COMPILE"])
def test_excluding_the_tag_compiles_what_stock_compiles(mode):
    mode = get_default_mode() if mode == "default" else get_mode(mode)
    outputs = [pt.sigmoid(x), GRADIENT, pt.log1p(-pt.sigmoid(x)), 1 - pt.sigmoid(x)]
    assert text(mode.excluding("pytensor_stabilize"), outputs) == stock_text(mode, outputs)


def test_excluding_stabilize_switches_off_all_of_ours():
    mode = get_default_mode().excluding("stabilize")
    assert text(mode) == stock_text(mode)
    assert value(mode) == 0


@pytest.mark.parametrize("name", BY_DEFAULT)
def test_excluding_one_name_switches_off_that_one(name):
    assert _run_by(get_default_mode()) == set(BY_DEFAULT)
    assert _run_by(get_default_mode().excluding(name)) == set(BY_DEFAULT) - {name}


@pytest.mark.parametrize("name", OPT_IN)
def test_a_rare_rule_runs_only_where_it_is_included(name):
    assert _run_by(get_default_mode().including(name)) == {*BY_DEFAULT, name}
    assert _run_by(get_default_mode().including("pytensor_stabilize_opt_in")) == set(NAMES)
    mode = get_default_mode().including("pytensor_stabilize_opt_in").excluding(name)
    assert _run_by(mode) == set(NAMES) - {name}


def _run_by(mode):
    """Names of our rules among the rewriters that a mode would run, inside databases too."""
    found, todo = [], [mode.optimizer._rewriter]
    while todo:
        rewriter = todo.pop()
        found.append(rewriter)
        todo += list(getattr(rewriter, "data", ()))
        if hasattr(rewriter, "get_node_rewriters"):
            todo += list(rewriter.get_node_rewriters())
    return {str(rewriter) for rewriter in found} & set(NAMES)


def test_names_show_up_in_verbose_output(capsys):
    with pytensor.config.change_flags(optimizer_verbose=True):
        value()
    printed = capsys.readouterr().out
    assert "one_minus_sigmoid" in printed
    assert "sigmoids_share_exp" in printed


def test_names_show_up_in_profiles(capsys):
    with pytensor.config.change_flags(profile=True, profile_optimizer=True):
        function = pytensor.function([x], GRADIENT, mode="CVM")
        function.profile.summary(file=sys.stdout)
    function.profile.print_summary = False
    _atexit_print_list.clear()
    assert "one_minus_sigmoid" in capsys.readouterr().out


@pytest.mark.parametrize("tag", ["pytensor_stabilize", "one_minus_sigmoid"])
def test_including_turns_rules_on_where_they_do_not_run(tag):
    assert value(FAST_COMPILE) == 0
    assert value(FAST_COMPILE.including(tag)) > 0
    ours = 1 - pytensor_stabilize.sigmoid(x)
    assert pytensor.function([x], ours, mode=FAST_COMPILE)(AT_40)[0] == 0
    assert pytensor.function([x], ours, mode=FAST_COMPILE.including(tag))(AT_40)[0] > 0


def subtractions_before_the_gradient() -> int:
    """As PyMC's pre-gradient pass does it: it asks the database and no mode."""
    s = pt.sigmoid(x)
    outputs = rewrite_graph([1 - s, s], include=("canonicalize", "stabilize"))
    return op_counts(outputs)["sub"]


def test_opt_in():
    register(opt_in=True)
    try:
        assert value() == 0
        assert is_active("one_minus_sigmoid")
        assert value(get_default_mode().including("pytensor_stabilize")) > 0
        assert value(get_default_mode().including("one_minus_sigmoid")) > 0
        assert subtractions_before_the_gradient() == 1
        compiled = text()
    finally:
        register()
    assert compiled == stock_text()
    assert value() > 0


def test_only_runs_one_rule():
    with only("one_minus_sigmoid"):
        function = pytensor.function([x], GRADIENT)
        assert [name for name in NAMES if is_active(name)] == ["one_minus_sigmoid"]
    assert op_counts(function) == {"sigmoid": 2, "neg": 1, "mul": 1}
    with excluding("one_minus_sigmoid"), only("one_minus_sigmoid"):
        assert value() == 0
    with only("all"):
        assert value() > 0
    with excluding("pytensor_stabilize"):
        assert value() == 0


def test_excluding_is_obeyed_where_modes_do_not_reach():
    assert subtractions_before_the_gradient() == 0
    for names in (MENDING, ("all",), ("log1p_minus_sigmoid", *MENDING)):
        with excluding(*names):
            assert subtractions_before_the_gradient() == 1
    for name in MENDING:
        with excluding(name):
            assert subtractions_before_the_gradient() == 0
    assert subtractions_before_the_gradient() == 0


def fail_inside_excluding():
    with excluding("one_minus_sigmoid"), excluding("product_of_companions"):
        assert not is_active("one_minus_sigmoid")
        assert not is_active("product_of_companions")
        raise KeyError


def test_excluding_nests_and_ends_with_an_exception():
    with pytest.raises(KeyError):
        fail_inside_excluding()
    assert all(map(is_active, NAMES))


def test_excluding_holds_in_its_own_thread_only():
    seen, inside, checked = {}, threading.Event(), threading.Event()

    def excluded():
        with excluding("all"):
            inside.set()
            checked.wait(30)
            seen["excluded"] = value()

    def free():
        inside.wait(30)
        seen["free"] = value()
        checked.set()

    threads = [threading.Thread(target=target) for target in (excluded, free)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["excluded"] == 0
    assert seen["free"] > 0


CODE = """
import numpy as np, pytensor, pytensor.tensor as pt, pytensor_stabilize
x = pt.dvector("x")
f = pytensor.function([x], pt.grad(pt.sigmoid(x).sum(), x))
print(f(np.array([40.0]))[0] > 0, pytensor_stabilize.is_active("one_minus_sigmoid"))
"""


def test_environment_variable():
    assert run_python(CODE).stdout.split() == ["True", "True"]
    for names in ("all", " sum_at_critical_value , one_minus_sigmoid "):
        result = run_python(CODE, PYTENSOR_STABILIZE_EXCLUDING=names)
        assert result.stdout.split() == ["False", "False"], result.stderr
    result = run_python(CODE, PYTENSOR_STABILIZE_EXCLUDING="one_minus_sigmoid")
    assert result.stdout.split() == ["True", "False"], result.stderr
    wrong = run_python(CODE, PYTENSOR_STABILIZE_EXCLUDING="one_minus_sigmod")
    assert wrong.returncode != 0
    assert "no rule named 'one_minus_sigmod'" in wrong.stderr
    assert "one_minus_sigmoid" in wrong.stderr


@pytest.mark.parametrize("excluded", ["pytensor_stabilize", ":".join(MENDING), "stabilize"])
def test_pytensor_flags(excluded):
    result = run_python(CODE, PYTENSOR_FLAGS=f"optimizer_excluding={excluded}")
    assert result.stdout.split() == ["False", "True"], result.stderr


def test_pytensor_flags_can_exclude_every_name_and_the_package_still_registers():
    result = run_python(CODE, PYTENSOR_FLAGS="optimizer_excluding=" + ":".join(NAMES))
    assert result.stdout.split() == ["False", "True"], result.stderr


def snapshot():
    databases = {
        "optdb": optdb,
        **{n: optdb[n] for n in ("canonicalize", "stabilize", "specialize")},
    }
    return {
        name: (
            {tag: list(members) for tag, members in db.__db__.items() if members},
            set(db._names),
            dict(getattr(db, "__final__", {})),
            dict(getattr(db, "__cleanup__", {})),
            dict(getattr(db, "__position__", {})),
        )
        for name, db in databases.items()
    }


def test_register_twice_and_reload_are_harmless():
    import importlib

    before = snapshot()
    register()
    importlib.reload(pytensor_stabilize)
    assert snapshot() == before
    importlib.reload(sys.modules["pytensor_stabilize.rewrites.registry"]).register()
    assert value() > 0
    assert {k: v[1] for k, v in snapshot().items()} == {k: v[1] for k, v in before.items()}


def test_unregister_leaves_the_database_as_it_was():
    unregister()
    without = snapshot()
    assert not any("pytensor_stabilize" in part[0] for part in without.values())
    assert value() == 0
    register()
    assert value() > 0
    unregister()
    assert snapshot() == without
    unregister()
    register()


def test_unregister_in_a_fresh_process():
    code = """
from pytensor.compile.mode import optdb
def snap():
    dbs = [optdb] + [optdb[n] for n in ("canonicalize", "stabilize", "specialize")]
    return [({t: list(m) for t, m in d.__db__.items() if m}, set(d._names),
             dict(getattr(d, "__position__", {})), dict(getattr(d, "__final__", {}))) for d in dbs]
before = snap()
import pytensor_stabilize
assert snap() != before
pytensor_stabilize.unregister()
assert snap() == before
print("same")
"""
    result = run_python(code)
    assert result.stdout.strip() == "same", result.stderr


def test_registering_reaches_modes_made_before():
    mode, default = Mode("numba", "fast_run"), get_default_mode()
    unregister()
    assert value(mode) == value(default) == value("NUMBA") == 0
    register()
    assert value(mode) > 0
    assert value(default) > 0
    assert value("NUMBA") > 0


def test_sigmoid_works_without_the_rules():
    unregister()
    try:
        s = pytensor_stabilize.sigmoid(x, pullback="stable")
        function = pytensor.function([x], pt.grad(s.sum(), x))
        assert function(AT_40)[0] > 0
    finally:
        register()


def test_the_unwrapping_is_never_excluded():
    s = pytensor_stabilize.sigmoid(x)
    plain = get_default_mode().excluding("pytensor_stabilize")
    with excluding("all"):
        assert same_graph(
            pytensor.function([x], pt.log(s)), pytensor.function([x], pt.log(pt.sigmoid(x)))
        )
    assert op_counts(pytensor.function([x], s, mode=plain)) == {"sigmoid": 1}


def test_show_config(capsys):
    with excluding("sum_at_critical_value"):
        show_config()
    printed = capsys.readouterr().out
    assert f"pytensor {pytensor.__version__}" in printed
    assert "off sum_at_critical_value" in printed
    assert "on  one_minus_sigmoid: stabilize, specialize" in printed


WARNING_CODE = """
import warnings, numpy as np, pytensor, pytensor.tensor as pt
x = pt.dscalar("x")
{before}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import pytensor_stabilize
print([str(w.message) for w in caught if "before pytensor_stabilize" in str(w.message)])
print([w.filename for w in caught])
"""


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", 0),
        ("pt.exp(x).eval({x: 1.0}); f = pytensor.function([x], pt.exp(x))", 0),
        ("y = pt.grad(pt.sigmoid(x), x); y.eval({x: 1.0})", 1),
        ("f = pytensor.function([x], pt.sigmoid(x), mode='FAST_COMPILE')", 1),
    ],
)
def test_a_warning_tells_of_functions_compiled_before(before, expected):
    result = run_python(WARNING_CODE.format(before=before))
    messages, files = result.stdout.strip().splitlines()
    assert ("before pytensor_stabilize" in messages) == bool(expected), result.stderr
    if expected:
        assert "<string>" in files


PYMC_WARNING = """
import warnings, pymc as pm
with pm.Model() as model:
    eta = pm.Normal("eta")
    pm.Bernoulli("y", logit_p=eta, observed=1)
dlogp = model.compile_dlogp()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import pytensor_stabilize
print(sum("before pytensor_stabilize" in str(w.message) for w in caught))
"""


def test_a_warning_tells_of_functions_that_pymc_compiled_before():
    result = run_python(PYMC_WARNING)
    assert result.stdout.strip() == "1", result.stderr
