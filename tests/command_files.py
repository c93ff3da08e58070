"""Files for the tests of the command line: what it can audit, and what it cannot."""

from pathlib import Path

FILES = {
    "one": "import pytensor.tensor as pt\nx = pt.dscalar('x')\ns = pt.sigmoid(x)\n"
    "y = s * (1 - s)\ny.name = 'y'\ndel s\n",
    "two": "import pytensor.tensor as pt\nx = pt.dscalar('x')\na = pt.exp(x)\n"
    "b = [pt.log1p(a), a]\n",
    "function": "import pytensor.tensor as pt\ndef f(a, b):\n    return pt.tanh(a) * b\n"
    "def number():\n    return 3\ndef broken(a):\n    return a.nothing\n",
    "model": "import pymc as pm\nwith pm.Model() as model:\n    mu = pm.Normal('mu')\n"
    "    pm.Normal('y', mu, observed=[1.0])\n",
    "build": "import pymc as pm\ndef build():\n    with pm.Model() as model:\n"
    "        pm.Normal('mu')\n    return model\n",
    "free": "import pymc as pm, pytensor.tensor as pt\nwith pm.Model() as model:\n"
    "    pm.Normal('mu', pt.dscalar('t'))\n",
    "compiled": "import pytensor, pytensor.tensor as pt\nx = pt.dscalar()\n"
    "f = pytensor.function([x], pt.exp(x))\n",
    "raises": "import math\nmath.sqrt(-1)\n",
    "syntax": "x = (\n",
    "exits": "import sys\nsys.exit(3)\n",
    "missing": "import a_module_that_is_not_there\n",
    "empty": "number = 3\n",
    "vector": "import pytensor.tensor as pt\nv = pt.dvector('v')\nt = v - v.sum()\n",
    "random": "import pytensor.tensor as pt\nr = pt.random.normal(0, 1)\n",
}


def write_files(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
