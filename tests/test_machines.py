"""The examples of docs/machines.md: several devices by JAX, several workers by Dask."""

import json
import sys
from pathlib import Path

import pytest
from helpers import run_python

EXAMPLES = str(Path(__file__).parents[1] / "examples")


def results(example: str, **environment: str):
    """What `main` of an example returns, run in a process of its own."""
    code = f"""
if __name__ == "__main__":
    import json, sys
    sys.path.insert(0, {EXAMPLES!r})
    import {example}
    print("RESULT", json.dumps({example}.main()))
"""
    done = run_python(code, PYTHONPATH=EXAMPLES, **environment)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.partition("RESULT ")[2])


def test_a_logp_that_is_sharded_over_devices():
    pytest.importorskip("jax")
    found = results("many_devices", XLA_FLAGS="--xla_force_host_platform_device_count=8")
    assert found["devices"] == 8
    assert found["difference"] < 1e-12
    assert found["gradient"] < 1e-9
    assert found["value"] < 0
    assert not abs(found["stock"]) < float("inf"), "the rules are what makes it finite"


@pytest.mark.skipif(sys.platform == "win32", reason="Dask's workers need the fork server")
def test_chains_that_are_spread_over_workers():
    pytest.importorskip("distributed")
    found = results("many_workers")
    for chain in found["ours"]:
        assert "log1p_minus_sigmoid" in chain["report"]
        assert chain["divergences"] == 0
    assert sum(chain["divergences"] for chain in found["stock"]) > 0
