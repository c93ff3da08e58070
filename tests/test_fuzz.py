"""Random graphs: the quick profile of the fuzzer, and tests of the fuzzer itself."""

from contextlib import nullcontext

import numpy as np
import pytest
from fuzz_findings import Finding, known
from fuzz_graphs import Program, build, cases, random_case, smaller
from fuzzing import findings, rewritten, shrunk
from hypothesis import HealthCheck, Phase, given, settings

import pytensor_stabilize

# About a minute of CPU time; `make fuzz` looks at as many as it is asked to.
GRAPHS = 200


@settings(
    max_examples=GRAPHS,
    derandomize=True,
    deadline=None,
    database=None,
    # A seed cannot be made smaller; `shrunk` makes the program smaller.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_no_graph_is_harmed(case):
    new = [finding for finding in findings(*case) if known(finding) is None]
    assert not new, "\n\n".join(f"{f}\n{f.to_python()}" for f in map(shrunk, new))


def program(*steps, order=0):
    return Program(tuple(steps), order, False, "float64")


LOSSY = program(("sigmoid", ("x",)), ("one_minus", (0,)), ("log", (1,)))
VALUES = {"x": np.array([0.3, 40.1, -2.0])}


def test_what_stock_gets_wrong_would_be_found(monkeypatch):
    """With the roles exchanged the fuzzer says that ours is worse."""
    roles = iter([nullcontext(), pytensor_stabilize.excluding("all")])

    def exchanged(inputs, outputs):
        with next(roles):
            return rewritten(inputs, outputs)

    monkeypatch.setattr("fuzzing.rewritten", exchanged)
    monkeypatch.setattr("fuzzing.excluding", lambda _: nullcontext())
    slope = program(("sigmoid", ("x",)), ("one_minus", (0,)), ("mul", (0, 1)))
    found = findings(slope, VALUES)
    assert [dict(f.point) for f in found if f.kind == "worse"] == [{"x": 40.1}]


def test_what_the_question_makes_sensitive_is_no_finding():
    assert not findings(program(("sin", ("x",))), {"x": np.array([1e16, 3.141592653589793])})


def test_a_finding_shrinks_to_what_it_needs(monkeypatch):
    def seen(program, values, counts=None):
        needed = any(name == "tanh" for name, _ in program.steps)
        return [Finding("worse", "", program, values)] if needed else []

    monkeypatch.setattr("fuzzing.findings", seen)
    long = program(("sigmoid", ("x",)), ("tanh", (0,)), ("add", (1, "y")), ("exp", (2,)), order=2)
    small = shrunk(Finding("worse", "", long, VALUES)).program
    assert small == program(("tanh", ("x",)))


@pytest.mark.parametrize("seed", range(5))
def test_programs_are_the_same_each_time_and_become_smaller(seed):
    first, values = random_case(seed)
    again, others = random_case(seed)
    assert first == again
    assert all(np.array_equal(values[k], others[k], equal_nan=True) for k in values)
    assert all(len(p.steps) <= len(first.steps) for p in smaller(first))


def test_a_finding_prints_as_a_program():
    namespace = {}
    exec(Finding("worse", "no detail", LOSSY, VALUES).to_python(), namespace)
    assert [v.name for v in namespace["inputs"]] == [v.name for v in build(LOSSY)[0]]
    assert np.array_equal(namespace["values"]["x"], VALUES["x"])
