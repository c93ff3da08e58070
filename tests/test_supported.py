"""The check of versions at import."""

import re
import tomllib
import warnings
from pathlib import Path

import pytest
from helpers import run_python

from pytensor_stabilize.rewrites.supported import ANYWAY, PYTENSOR, PYTHON, check_versions

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("version", ["3.3.5", "3.3.8", "3.3.99", "3.3.9+4.gabc", "3.3.10rc1"])
@pytest.mark.parametrize("python", [(3, 12), (3, 13), (3, 14)])
def test_what_is_supported(python, version):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_versions(python, version, anyway=False)


@pytest.mark.parametrize(
    "version", ["3.2.4", "3.3", "3.3.4", "2.38.3", "3.4.0", "4.0", "3.4.0.dev0", "0+unknown"]
)
def test_another_pytensor_is_refused(version):
    with pytest.raises(
        ImportError, match=rf"from 3\.3\.5 on and below 3\.4; installed is {version[0]}"
    ):
        check_versions((3, 12), version, anyway=False)
    with pytest.warns(UserWarning, match="results are not tested"):
        check_versions((3, 12), version, anyway=True)


@pytest.mark.parametrize("anyway", [False, True])
def test_an_older_python_is_refused(anyway):
    with pytest.raises(ImportError, match=r"needs Python 3\.12 or later; this is 3\.11"):
        check_versions((3, 11), "3.3.7", anyway)


def test_pyproject_says_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    first, end = (".".join(map(str, version)) for version in PYTENSOR)
    assert f"pytensor>={first},<{end}" in project["dependencies"]
    assert project["requires-python"] == ">=" + ".".join(map(str, PYTHON))


OTHER = "import pytensor\npytensor.__version__ = '3.4.1'\nimport pytensor_stabilize"


def test_the_import_fails_before_anything_is_registered():
    code = f"try:\n    {OTHER.replace('\n', '\n    ')}\nexcept ImportError as error:\n"
    code += "    print(error)\nfrom pytensor.compile.mode import optdb\n"
    code += "print('one_minus_sigmoid' in optdb['stabilize'])"
    done = run_python(code)
    assert re.search(r"installed is 3\.4\.1.*\nFalse", done.stdout, re.S), done.stderr


def test_the_environment_makes_it_a_warning():
    done = run_python(OTHER + "\nprint(pytensor_stabilize.is_active('all'))", **{ANYWAY: "1"})
    assert "True" in done.stdout
    assert "installed is 3.4.1" in done.stderr
