"""The command line: audit, rules, diff."""

import json
import sys

import jsonschema
import pytest
from command_files import write_files
from helpers import run_python

from pytensor_stabilize import RULES
from pytensor_stabilize.graphs.auditing.schema import SCHEMA
from pytensor_stabilize.graphs.cli.command import main


@pytest.fixture
def file(tmp_path):
    write_files(tmp_path)
    return lambda target: str(tmp_path / target)


def test_it_audits_what_the_file_offers(file, capsys):
    assert main(["audit", file("one.py"), "--points", "60"]) == 0
    out = capsys.readouterr().out
    assert "audit of y: 60 points" in out
    assert "cancellation in 1 - sigmoid(x)" in out
    assert "one.py:4" in out


def test_a_gradient_is_blamed_on_the_line_of_the_function(file, capsys):
    command = ["audit", file("function.py:f"), "--range", "a=15:20", "--wrt", "a"]
    assert main([*command, "--points", "20"]) == 0
    assert "function.py:3: return pt.tanh(a) * b" in capsys.readouterr().out


def test_several_things_are_listed(file, capsys):
    assert main(["audit", file("two.py")]) == 2
    out = capsys.readouterr().out
    assert "two.py:a  (variable)" in out
    assert "two.py:b  (variables)" in out


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("two.py:b", "log1p"),
        ("function.py:f", "tanh(a) * b"),
        ("model.py", "d logp / d mu"),
        ("model.py:model", "logp of y, by row"),
        ("build.py", "d logp / d mu"),
    ],
)
def test_what_can_be_named(file, capsys, target, part):
    options = [] if "model" in target or "build" in target else ["--points", "20"]
    assert main(["audit", file(target), *options]) == 0
    assert part in capsys.readouterr().out


def test_max_ulp_judges_ours(file, capsys):
    command = ["audit", file("one.py"), "--points", "60", "--max-ulp"]
    assert main([*command, "4"]) == 0
    assert main([*command, "0.1"]) == 1
    assert "y, ours: " in capsys.readouterr().err
    assert main([*command, "4", "--modes", "stock"]) == 1


def test_what_cannot_be_measured_is_not_good_enough(file, capsys):
    command = ["audit", file("two.py:b"), "--range", "x=-9:-8", "--points", "9", "--max-ulp", "9"]
    assert main(command) == 0
    (path := file("undefined.py"))
    with open(path, "w") as undefined:
        undefined.write("import pytensor.tensor as pt\ny = pt.log(pt.dscalar('x'))\n")
    assert main(["audit", path, "--range", "x=-9:-8", "--points", "9", "--max-ulp", "9"]) == 1
    assert "nothing could be measured" in capsys.readouterr().err


def test_json_is_the_schemas(file, capsys):
    assert main(["audit", file("one.py"), "--points", "30", "--json", "--wrt", "x"]) == 0
    plain = json.loads(capsys.readouterr().out)
    jsonschema.validate(plain, SCHEMA)
    assert {o["output"] for o in plain["outputs"]} == {"y", "d y / d x"}


def test_html_is_saved(file, tmp_path):
    page = tmp_path / "page.html"
    assert main(["audit", file("one.py"), "--points", "30", "--html", str(page)]) == 0
    assert "data:image/png" in page.read_text()


def test_the_files_name_shadows_no_module(file):
    import random

    assert main(["audit", file("random.py")]) == 2
    assert sys.modules["random"] is random
    assert random.random() < 1


def test_options_reach_the_audit(file, capsys):
    command = ["audit", file("function.py:f"), "--range", "a=0:1", "--range", "b=2:3"]
    command += ["--wrt", "all", "--order", "2", "--modes", "ours:cvm", "--points", "15"]
    command += ["--sampling", "uniform", "--seed", "4", "--json"]
    assert main(command) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["modes"] == ["ours:cvm"]
    assert plain["points"] == 15
    assert len(plain["outputs"]) == 5
    assert all(2 <= o["worst_input"]["b"] <= 3 for o in plain["outputs"])


def test_shapes(file, capsys):
    assert main(["audit", file("vector.py"), "--shape", "v=3", "--points", "9"]) == 0
    assert main(["audit", file("vector.py")]) == 2
    assert "shapes=" in capsys.readouterr().err


def test_rules_lists_every_rule(capsys):
    assert main(["rules"]) == 0
    out = capsys.readouterr().out
    for rule in RULES:
        assert f"{rule.name}\n" in out
        assert rule.mends in out
    assert "1 - sigmoid(x)  ->  sigmoid(-x)" in out


def test_diff_shows_what_the_rules_change(file, capsys):
    assert main(["diff", file("one.py:y")]) == 1
    out = capsys.readouterr().out
    assert "- 1 - sigmoid(x)" in out
    assert "one_minus_sigmoid 1" in out
    assert main(["diff", file("two.py:a")]) == 0
    assert main(["diff", file("model.py:model")]) == 0
    assert main(["diff", file("one.py:y"), "--mode", "jax"]) == 1


def test_it_runs_as_a_module():
    done = run_python(
        "import runpy, sys; sys.argv[1:] = ['rules']; "
        "runpy.run_module('pytensor_stabilize', run_name='__main__')"
    )
    assert done.returncode == 0
    assert "one_minus_sigmoid" in done.stdout
