"""Every public function and class, and every option of the command, refuses what it cannot use.

The error is raised by our own code: what comes out of NumPy, PyTensor or Python where they
stumble over a value is a bare traceback, whatever its type is.
"""

import argparse
import re
import traceback
from pathlib import Path

import pytest
from bad_graphs_table import GRAPH_ROWS
from bad_input_table import GOOD_RULE, REASONS, REWRITE_ROWS, Row
from command_files import write_files

import pytensor_stabilize
from pytensor_stabilize import graphs, rewrites
from pytensor_stabilize.graphs.cli.command import _parser, main
from pytensor_stabilize.rewrites import Rule, functions

PUBLIC = {
    name: getattr(module, name)
    for module in (pytensor_stabilize, graphs, rewrites, functions)
    for name in module.__all__
}
ROWS = [*REWRITE_ROWS, *GRAPH_ROWS]
NUMBERED = [f"{row.name}-{i}" for i, row in enumerate(ROWS)]
# Written for the developer of a rule or a tool, not called by users; but it has rows as well.
FURTHER = {"PYTENSOR_STABILIZE_EXCLUDING"}
OURS = tuple(Path(pytensor_stabilize.__file__).parent / part for part in ("rewrites", "graphs"))


@pytest.mark.parametrize("row", ROWS, ids=NUMBERED)
def test_it_is_refused_and_the_message_says_why(row: Row):
    with pytest.raises(row.error, match=row.message) as caught:
        row.call()
    assert caught.type is row.error
    where = Path(traceback.extract_tb(caught.tb)[-1].filename)
    assert any(where.is_relative_to(folder) for folder in OURS), where
    assert len(str(caught.value)) < 6000


def test_every_public_name_has_a_row_or_a_reason():
    tested = {row.name for row in ROWS}
    assert set(PUBLIC) - tested - set(REASONS) == set()
    assert tested - FURTHER - set(PUBLIC) == set()
    assert {name for name in REASONS if name not in PUBLIC} == set()


def test_a_name_means_one_thing():
    for module in (pytensor_stabilize, graphs, rewrites, functions):
        for name in module.__all__:
            assert getattr(module, name) is PUBLIC[name]


def test_the_row_that_bad_parts_are_put_into_is_good():
    Rule(**GOOD_RULE)


# --- the command line

# Arguments, and what stands in the one line of error; "usage" for what argparse refuses.
COMMANDS = [
    (["audit", "nowhere.py"], "there is no file"),
    (["audit", "."], "there is no file"),
    (["audit", "notes.txt"], "must end in .py"),
    (["audit", "one.py:z"], "has no z; it offers y"),
    (["audit", "function.py:g"], "it offers f, number, broken"),
    (["audit", "one.py:pt"], "pt is a module"),
    (["audit", "compiled.py:f"], "has forgotten the graph"),
    (["audit", "function.py:number"], "returns a int"),
    (["audit", "function.py:broken"], "fails: AttributeError"),
    (["audit", "raises.py"], "raises.py:2 does not import: ValueError"),
    (["audit", "syntax.py"], "syntax.py:1 does not import: SyntaxError"),
    (["audit", "exits.py"], "does not import: SystemExit"),
    (["audit", "missing.py"], "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
    (["audit", "empty.py"], "offers no PyMC model"),
    (["audit", "free.py"], "without a value: t"),
    (["audit", "random.py"], "random|does not know"),
    (["audit", "one.py:x"], "is an input"),
    (["audit", "one.py", "--html", "."], "is a folder"),
    (["audit", "one.py", "--html", "no/such/folder.html"], "there is no folder"),
    (["audit", "one.py", "--order", "2"], "order=2 needs wrt="),
    (["audit", "one.py", "--order", "3"], "usage|invalid choice"),
    (["audit", "one.py", "--modes", "theirs"], "A mode is 'stock', 'ours'"),
    (["audit", "one.py", "--modes", "ours,ours"], "ours stands twice"),
    (["audit", "one.py", "--modes", ""], "A mode is 'stock', 'ours'"),
    (["audit", "one.py", "--range", "x"], "--range: 'x' is not of the form X=VALUE"),
    (["audit", "one.py", "--range", "x=1"], "is not LO:HI"),
    (["audit", "one.py", "--range", "x=a:b"], "is not LO:HI"),
    (["audit", "one.py", "--range", "x=nan:1"], "two finite ends"),
    (["audit", "one.py", "--range", "x=1:1"], "lo < hi"),
    (["audit", "one.py", "--range", "t=0:1"], "'t' is no input"),
    (["audit", "one.py", "--range", "x=0:1", "--range", "x=2:3"], "--range: x stands twice"),
    (["audit", "one.py", "--shape", "x=a"], "list of integers"),
    (["audit", "one.py", "--shape", "x"], "--shape: 'x' is not of the form X=VALUE"),
    (["audit", "vector.py", "--shape", "v=0"], "positive integers"),
    (["audit", "vector.py"], "shapes="),
    (["audit", "one.py", "--wrt", "t"], "'t' is no input"),
    (["audit", "one.py", "--wrt", ""], "'' is no input"),
    (["audit", "one.py", "--points", "0"], "points must be an integer of at least 1"),
    (["audit", "one.py", "--points", "many"], "usage|invalid int value"),
    (["audit", "one.py", "--seed", "-1"], "seed must be an integer of at least 0"),
    (["audit", "one.py", "--sampling", "even"], "usage|invalid choice"),
    (["audit", "one.py", "--max-ulp", "nan"], "--max-ulp: nan is no error"),
    (["audit", "one.py", "--max-ulp", "-1"], "--max-ulp: -1 is no error"),
    (["audit", "one.py", "--rows", "3"], "--rows is for PyMC models"),
    (["audit", "model.py", "--rows", "0"], "rows must be an integer of at least 1"),
    (["audit", "model.py", "--wrt", "mu"], "--wrt is for variables"),
    (["audit", "model.py", "--points", "9"], "--points is for variables"),
    (["audit", "one.py", "--json=yes"], "usage|ignored explicit argument"),
    (["audit"], "usage|required: FILE.py"),
    (["rules", "all"], "usage|unrecognized arguments: all"),
    (["diff", "one.py"], "diff needs a name"),
    (["diff", "one.py:z"], "has no z; it offers y"),
    (["diff", "nowhere.py:z"], "there is no file"),
    (["diff", "one.py:y", "--mode", "abacus"], "no mode 'abacus'"),
    (["look"], "usage|invalid choice"),
    ([], "usage|required: COMMAND"),
]


def command_id(row) -> str:
    return re.sub(r"[^\w.=:-]+", "_", " ".join(row[0])) or "nothing"


@pytest.mark.parametrize(("arguments", "message"), COMMANDS, ids=map(command_id, COMMANDS))
def test_the_commands_errors_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    write_files(tmp_path)
    (tmp_path / "notes.txt").write_text("x = 1")
    monkeypatch.chdir(tmp_path)
    usage, *parts = message.split("|") if message.startswith("usage|") else ("", message)
    if usage:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    else:
        assert main(arguments) == 2
        parts = message.split("|")
    lines = capsys.readouterr().err.strip().splitlines()
    assert usage or len(lines) == 1
    assert lines[-1].startswith("pytensor-stabilize")
    assert any(part in lines[-1] for part in parts), lines[-1]


def test_every_option_of_the_command_has_a_row():
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, parser in commands.choices.items():
        given = [row for row, _message in COMMANDS if row[:1] == [name]]
        assert given, name
        words = {word.partition("=")[0] for row in given for word in row}
        for action in parser._actions:
            options = set(action.option_strings) - {"-h", "--help"}
            assert not options or options & words, (name, action.option_strings)
