"""The speed benchmark's PyTorch column: another Python that has it, or has not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
TORCH = os.environ.get("TORCH_PYTHON")
SPEED = ["speed.py", "--sizes", "50", "--repeats", "1", "--dtypes", "float64"]
SPEED += ["--no-models", "--no-memory"]

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the sdist has no benchmarks")

# Talks like `torch_worker.py`.
STAND_IN = """
import pickle, sys
import numpy as np

def reply(value):
    pickle.dump((True, value), sys.stdout.buffer)
    sys.stdout.flush()

reply("torch 0.0 (Python 0.0)")
while True:
    try:
        name, arguments = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    if name == "prepare":
        x = arguments[1][0]
        reply({"compiled": "NoCompiler: none", "eager": [EAGER]})
    else:
        reply(123456 * x.size * arguments[1])
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the benchmarks' modules at hand."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BENCHMARKS,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def stand_in(folder: Path, script: str) -> str:
    """An interpreter that runs this script, whatever it is given."""
    (folder / "stand_in.py").write_text(script)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "stand_in.py"}"\n')
    python.chmod(0o755)
    return str(python)


def test_an_interpreter_that_is_not_there_is_refused(tmp_path):
    done = run(*SPEED, "--torch-python", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--torch-python" in done.stderr
    assert "none' does not run: No such file" in done.stderr


def test_an_interpreter_without_pytorch_is_refused(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('there is no PyTorch')")
    done = run(*SPEED, TORCH_PYTHON=sys.executable, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no PyTorch: there is no PyTorch." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["", "print('hello')", "print('I')"], ids=repr)
def test_what_does_not_answer_is_refused(tmp_path, script):
    done = run(*SPEED, "--torch-python", stand_in(tmp_path, script))
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not answer" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--only", "("), ("--only", "nothing"), ("--sizes", "0"), ("--dtypes", "int8")],
    ids=" ".join,
)
def test_options_that_measure_nothing_are_refused(arguments):
    done = run(*SPEED, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument {arguments[0]}" in done.stderr


def test_another_process_has_its_columns_and_what_it_cannot_do_a_note(tmp_path):
    python = stand_in(tmp_path, STAND_IN.replace("EAGER", "1 / np.cosh(x) ** 2"))
    done = run(*SPEED, "--only", "^tanh'$", "--torch-python", python)
    assert not done.returncode, done.stderr
    assert "torch 0.0 (Python 0.0) on" in done.stdout
    head, row = (
        [cell.strip() for cell in line.split("|")]
        for line in done.stdout.splitlines()
        if line.startswith(("| quantity", "| tanh'"))
    )
    assert row[head.index("PyTorch, eager")] == "123456.00"
    assert row[head.index("PyTorch, compiled")] == ""
    assert "No time of PyTorch, compiled, for tanh': NoCompiler: none" in done.stdout


def test_a_process_that_computes_something_else_is_not_timed(tmp_path):
    python = stand_in(tmp_path, STAND_IN.replace("EAGER", "1 / np.cosh(x)"))
    done = run(*SPEED, "--only", "^tanh'$", "--torch-python", python)
    assert done.returncode == 1
    assert "PyTorch, eager computes something else: tanh', float64" in done.stderr
    assert "| tanh'" not in done.stdout


def test_results_agree_only_if_all_of_them_do():
    done = run(
        "-c",
        "import numpy as np\n"
        "from speed_candidates import agree\n"
        "ours = [np.float32(-1e6), np.linspace(0, 1, 1000, dtype='float32')]\n"
        "assert agree([x * np.float32(1 + 1e-5) for x in ours], ours)\n"
        "others = {\n"
        "    'another sum': [ours[0] * np.float32(1.01), ours[1]],\n"
        "    'one element': [ours[0], np.where(ours[1] == 1, np.float32(1.01), ours[1])],\n"
        "    'nan': [ours[0], np.where(ours[1] == 1, np.float32('nan'), ours[1])],\n"
        "    'precision': [np.float64(ours[0]), ours[1].astype('float64')],\n"
        "    'shape': [ours[0], ours[1][:, None]],\n"
        "    'one less': ours[:1],\n"
        "}\n"
        "for name, other in others.items():\n"
        "    assert not agree(other, ours), name\n",
    )
    assert not done.returncode, done.stderr


@pytest.mark.skipif(TORCH is None, reason="TORCH_PYTHON names no Python with PyTorch")
def test_pytorch_computes_every_quantity_both_ways():
    done = run(
        "-c",
        "import os, numpy as np\n"
        "from speed import arrays, measure\n"
        "from speed_quantities import QUANTITIES\n"
        "from torch_side import Worker\n"
        "worker = Worker(os.environ['TORCH_PYTHON'])\n"
        "for quantity in QUANTITIES:\n"
        "    times = measure(quantity, 50, 'float32', 1, worker)\n"
        "    assert min(times[f'PyTorch, {way}'] for way in ('eager', 'compiled')) > 0\n"
        "assert not worker.notes\n",
    )
    assert not done.returncode, done.stderr


@pytest.mark.skipif(TORCH is None, reason="TORCH_PYTHON names no Python with PyTorch")
def test_pytorch_differentiates_functions_of_the_accuracy_page():
    done = run(
        "-c",
        "import os, numpy as np\n"
        "from accuracy_family import FAMILY\n"
        "from torch_side import Worker\n"
        "member = next(m for m in FAMILY if m.name == 'tanh')\n"
        "worker = Worker(os.environ['TORCH_PYTHON'])\n"
        "x = np.linspace(-2, 2, 9)\n"
        "value, slope = (f(x) for f in worker.functions(member, 'x', ['value', 'dx']))\n"
        "np.testing.assert_allclose(value, np.tanh(x), rtol=1e-12)\n"
        "np.testing.assert_allclose(slope, 1 / np.cosh(x) ** 2, rtol=1e-12)\n",
    )
    assert not done.returncode, done.stderr
