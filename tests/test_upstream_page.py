"""The page for PyTensor's maintainers: what it proposes to PyTensor does what the page says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from pytensor.compile.mode import optdb

from pytensor_stabilize import RULES
from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites.internals import names_in

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the sdist has no benchmarks", allow_module_level=True)


def load():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location("upstream", ROOT / "benchmarks/upstream.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["upstream"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


upstream = load()
PATTERNS = [p for p in upstream.PROPOSALS if p.pattern is not None]


@pytest.mark.parametrize("proposal", PATTERNS, ids=lambda p: p.what)
def test_a_pattern_mends_what_stock_gets_wrong(proposal):
    graph, points = proposal.graph(), proposal.points[::10]
    exact = truth(graph, {upstream.x: points})
    errors = []
    for change in (None, proposal.pattern):
        with upstream.stock(change), np.errstate(all="ignore"):
            values = upstream.compiled([graph], [upstream.x], "CVM")(points)
        errors += upstream.worst(values, [exact])
    assert errors[0] > 1e6
    assert errors[1] < 8


def test_nothing_of_it_stays_in_pytensor():
    with upstream.stock(PATTERNS[0].pattern):
        assert "local_proposed" in names_in(optdb["stabilize"])
    for database in ("stabilize", "specialize"):
        assert "local_proposed" not in names_in(optdb[database])


def test_the_page_is_filled_for_every_proposal_and_choice():
    page = (ROOT / "docs" / "upstream.md").read_text()
    for proposal in upstream.PROPOSALS:
        assert f"| {proposal.what} |" in page
        assert proposal.rule in {rule.name for rule in RULES}
    for loss in upstream.LOSSES:
        assert f"| {loss} | ulps |" in page
