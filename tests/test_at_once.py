"""Several threads, processes and samplers at once give what one alone gives."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.rewriting.utils import rewrite_graph
from test_processes import CODE

from pytensor_stabilize import RULES, excluding
from pytensor_stabilize.graphs import same_graph

pm = pytest.importorskip("pymc")

THREADS = 4
SHOWN = [rule for rule in RULES if not rule.tested_in][::4]


def compiled(rule):
    args = [pt.dvector(name) for name in rule.domain]
    return pytensor.function(args, rule.before(*args), mode=Mode("py", "fast_run"))


def in_threads(work):
    """What threads return that start together and change places often."""
    start, interval = threading.Barrier(THREADS), sys.getswitchinterval()

    def started(thread: int):
        start.wait(60)
        return work(thread)

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(started, range(THREADS)))
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture
def settings():
    """No compiler, and all as it was: flags that several threads change stay changed.

    `pytensor.function` changes the mode and the traceback limit, without us as well.
    """
    mode, limit = pytensor.config.mode, pytensor.config.traceback__limit
    with pytensor.config.change_flags(cxx=""):
        yield
    pytensor.config.mode, pytensor.config.traceback__limit = mode, limit


@pytest.mark.usefixtures("settings")
def test_threads_that_compile_at_once():
    """Each in another order, so that different rules run at the same time."""
    wanted = [compiled(rule) for rule in SHOWN]

    def work(thread: int):
        order = np.roll(np.arange(len(SHOWN)), 3 * thread)
        return {i: compiled(SHOWN[i]) for i in order}

    for found in in_threads(work):
        for i, function in found.items():
            assert same_graph(function, wanted[i]), SHOWN[i].name


@pytest.mark.usefixtures("settings")
def test_a_switch_in_one_thread_while_others_compile():
    rule = RULES[0]
    with excluding("all"):
        stock = compiled(rule)
    ours = compiled(rule)

    def work(thread: int):
        if thread % 2:
            return [compiled(rule) for _ in range(5)]
        with excluding("all"):
            return [compiled(rule) for _ in range(5)]

    for thread, found in enumerate(in_threads(work)):
        for function in found:
            assert same_graph(function, ours if thread % 2 else stock)
    assert not same_graph(ours, stock)


def test_the_traceback_limit_is_what_it_was():
    """The rules set PyTensor's limit to 0 while they look, whichever thread looks last."""
    limit = pytensor.config.traceback__limit
    assert limit

    def work(thread: int):
        for rule in SHOWN:
            args = [pt.dvector(name) for name in rule.domain]
            rewrite_graph(rule.before(*args), include=("canonicalize", "stabilize"))

    in_threads(work)
    assert pytensor.config.traceback__limit == limit


@pytest.mark.thorough
def test_processes_that_fill_one_cache_at_once(tmp_path):
    """numba's cache, cold, by three processes: each gets what one alone gets from it."""
    command = [sys.executable, "-c", f"import os\nos.environ['PYTENSOR_FLAGS'] = "
               f"'base_compiledir={tmp_path}'\n{CODE}"]  # fmt: skip
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = [process.communicate(timeout=300) for process in processes]
    assert not any(process.returncode for process in processes), printed
    alone = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {text for text, _ in printed} == {alone}


@pytest.mark.parametrize(
    "context",
    ["spawn", *(pytest.param(c, marks=pytest.mark.thorough) for c in ("fork", "forkserver"))],
)
@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_chains_in_processes_are_those_of_one(context):
    rng = np.random.default_rng(3)
    x = rng.normal(size=40)
    y = rng.random(40) < 1 / (1 + np.exp(-x))
    with pm.Model():
        a, b = pm.Normal("a"), pm.Normal("b")
        p = pt.sigmoid(a + b * x)
        pm.Potential("y", (y * pt.log(p) + (1 - y) * pt.log1p(-p)).sum())
        how = {"tune": 20, "draws": 20, "chains": 2, "random_seed": 5, "progressbar": False}
        how |= {"compute_convergence_checks": False}
        alone = pm.sample(**how, cores=1)
        spread = pm.sample(**how, cores=2, mp_ctx=context)
    for name in "ab":
        np.testing.assert_array_equal(alone.posterior[name], spread.posterior[name])
