"""What PyTensor itself could take over, measured; prints the blocks of `docs/upstream.md`.

Each change is made to stock PyTensor as its source would have it: a pattern in stabilize and
specialize, or another pullback.  Our rules are off, but where a column says so.

    python benchmarks/upstream.py [--write] [--repeats 9]
"""

import argparse
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytensor
import pytensor.tensor as pt
from measured_time import interleaved
from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import PatternNodeRewriter
from pytensor.tensor import math as ptm
from readme import fill_printed
from versions import versions

from pytensor_stabilize import excluding, only, with_pullback
from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.graphs.explain import rewrite
from pytensor_stabilize.rewrites.branch_free import ops
from pytensor_stabilize.rewrites.branch_free.ops import KernelOp
from pytensor_stabilize.rewrites.internals import remove
from pytensor_stabilize.rewrites.matching import exact_constant
from pytensor_stabilize.rewrites.normal.ops import NormalOp

PAGE = Path(__file__).parents[1] / "docs" / "upstream.md"
TRANSCENDENTAL = {"exp", "expm1", "log", "log1p", "sigmoid", "softplus", "log1mexp", "tanh"}
TRANSCENDENTAL |= {"sin", "cos", "cosh", "sinh", "erf", "erfc", "erfcx", "logaddexp"}
# Ours that stand for one of these; what is made of their results is arithmetic.
ARITHMETIC = (ops.SigmoidFromExp, ops.DensityFromExp, ops.SoftplusFromLog, ops.TanhFromExp)
ARITHMETIC += (ops.SigmoidOfMinusFromExp, ops.SoftplusOfMinusFromLog)
ELEMENTS = 100_000

x = pt.dvector("x")
y = pt.dvector("y")
one = {"pattern": "one", "constraint": lambda v: exact_constant(v) == 1}
Graphs = Sequence[pt.TensorVariable]


@dataclass(frozen=True)
class Pattern:
    """A rewrite as PyTensor's source would state it."""

    left: tuple
    right: object

    @contextmanager
    def registered(self) -> Iterator[None]:
        names = []
        for database in ("stabilize", "specialize"):
            rewriter = PatternNodeRewriter(
                self.left, self.right, allow_multiple_clients=True, name="proposed"
            )
            optdb[database].register("local_proposed", rewriter, "fast_run", "stabilize")
            names.append(database)
        try:
            yield
        finally:
            for database in names:
                remove(optdb[database], "local_proposed")


MANY_CLIENTS = Pattern((ptm.sub, one, (ptm.sigmoid, "x")), (ptm.sigmoid, (ptm.neg, "x")))


@contextmanager
def stock(change: Pattern | None = None) -> Iterator[None]:
    with excluding("all"), change.registered() if change else nullcontext():
        yield


def gradient(graph: pt.TensorVariable) -> pt.TensorVariable:
    return pt.grad(graph.sum(), x)


# --- single changes


@dataclass(frozen=True)
class Proposal:
    """A failure, the rule of ours that mends it, and the smallest change to PyTensor.

    Where the change is no pattern, the rule alone is measured in its place.
    """

    what: str
    graph: Callable[[], pt.TensorVariable]
    points: np.ndarray
    rule: str
    change: str
    pattern: Pattern | None = None


def both_signs(largest: float, least: float = 1e-12) -> np.ndarray:
    sizes = np.geomspace(least, largest, 200)
    return np.concatenate([-sizes, sizes])


POSITIVE = np.geomspace(1e-12, 700, 400)
PROPOSALS = (
    Proposal(
        "gradient of `sigmoid(x)`",
        lambda: gradient(pt.sigmoid(x)),
        both_signs(700),
        "one_minus_sigmoid",
        "`allow_multiple_clients=True` for `local_1msigmoid`",
        MANY_CLIENTS,
    ),
    Proposal(
        "gradient of `softplus(x)`, twice",
        lambda: gradient(gradient(pt.softplus(x))),
        both_signs(700),
        "one_minus_sigmoid",
        "the same",
        MANY_CLIENTS,
    ),
    Proposal(
        "`1 - exp(x)`",
        lambda: 1 - pt.exp(x),
        both_signs(700),
        "sum_at_critical_value",
        "a pattern: `1 - exp(x) -> -expm1(x)`, beside that for `exp(x) - 1`",
        Pattern((ptm.sub, one, (ptm.exp, "x")), (ptm.neg, (ptm.expm1, "x"))),
    ),
    Proposal(
        "gradient of `tanh(x)`",
        lambda: gradient(pt.tanh(x)),
        both_signs(350),
        "sum_at_critical_value",
        "a pattern: `1 - tanh(x)**2 -> 4 sigmoid(2 x) sigmoid(-2 x)`",
        Pattern(
            (ptm.sub, one, (ptm.sqr, (ptm.tanh, "x"))),
            (
                ptm.mul,
                4.0,
                (ptm.sigmoid, (ptm.mul, 2.0, "x")),
                (ptm.sigmoid, (ptm.mul, -2.0, "x")),
            ),
        ),
    ),
    Proposal(
        "`1 - cos(x)`",
        lambda: 1 - pt.cos(x),
        both_signs(3),
        "sum_at_critical_value",
        "a pattern: `1 - cos(x) -> 2 sin(x / 2)**2`",
        Pattern(
            (ptm.sub, one, (ptm.cos, "x")),
            (ptm.mul, 2.0, (ptm.sqr, (ptm.sin, (ptm.mul, 0.5, "x")))),
        ),
    ),
    Proposal(
        "`softplus(x) - x`",
        lambda: pt.softplus(x) - x,
        both_signs(700),
        "softplus_minus_argument",
        "a pattern: `softplus(x) - x -> softplus(-x)`",
        Pattern((ptm.sub, (ptm.softplus, "x"), "x"), (ptm.softplus, (ptm.neg, "x"))),
    ),
    Proposal(
        "`sqrt(1 + x) - 1`",
        lambda: pt.sqrt(1 + x) - 1,
        POSITIVE,
        "difference_of_roots",
        "a rewriter of `sqrt(a) - b` that multiplies by the conjugate",
    ),
    Proposal(
        "`log(erfc(x))`",
        lambda: pt.log(pt.erfc(x)),
        both_signs(20),
        "log_erfc",
        "`local_log_erfc`: erfcx above 0, log1p(-erf(x)) around 0",
    ),
    Proposal(
        "gradient of `log(erfc(x))`",
        lambda: gradient(pt.log(pt.erfc(x))),
        both_signs(30),
        "exp_over_erfc",
        "`local_grad_log_erfc_neg`: `exp(-x**2) / erfc(x) -> 1 / erfcx(x)`",
    ),
    Proposal(
        "`log(cosh(x))`",
        lambda: pt.log(pt.cosh(x)),
        both_signs(1e4),
        "log_cosh",
        "a rewriter with a branch: log1p and sinh near 0, `softplus(-2 abs(x))` elsewhere",
    ),
)


def compiled(graphs: Graphs, inputs: Graphs, linker: str) -> Callable:
    mode = pytensor.compile.get_mode(linker)
    return pytensor.function(list(inputs), list(graphs), mode=mode)


def worst(values: Sequence[np.ndarray], exact: Sequence) -> list[float]:
    """Largest error of each output where the exact value is a normal float."""
    found = []
    for value, true in zip(values, exact, strict=True):
        normal = true.decided & np.isfinite(true.value)
        normal &= np.abs(true.value) >= np.finfo("float64").tiny
        found.append(float(ulp_error(value, true)[normal].max()))
    return found


def shown(error: float) -> str:
    if not np.isfinite(error):
        return "inf or nan"
    return f"{error:.1f}" if error < 1000 else f"{error:.0e}"


def functions_in(graphs: Graphs) -> int:
    """Transcendental functions in what is compiled, those that fusion or lowering hides too."""
    nodes = rewrite(list(graphs), "NUMBA").apply_nodes
    found = [getattr(node.op, "scalar_op", None) for node in nodes]
    return sum(
        type(op).__name__.lower() in TRANSCENDENTAL
        or (isinstance(op, KernelOp | NormalOp) and not isinstance(op, ARITHMETIC))
        for op in found
    )


def measured(graph: pt.TensorVariable, points: np.ndarray, exact) -> tuple[str, int]:
    with np.errstate(all="ignore"):
        values = compiled([graph], [x], "CVM")(points)
    return shown(worst(values, [exact])[0]), functions_in([graph])


def proposals() -> Iterator[str]:
    yield "| quantity | stock | changed | ours | functions | rule | smallest change |"
    yield "|---|---|---|---|---|---|---|"
    for p in PROPOSALS:
        graph = p.graph()
        exact = truth(graph, {x: p.points})
        with stock():
            before = measured(graph, p.points, exact)
        with stock(p.pattern) if p.pattern else only(p.rule):
            after = measured(graph, p.points, exact)
        ours = measured(graph, p.points, exact)[0]
        change = p.change if p.pattern else f"{p.change} (measured: the rule)"
        yield (
            f"| {p.what} | {before[0]} | {after[0]} | {ours} | {before[1]} to {after[1]} | "
            f"`{p.rule}` | {change} |"
        )


# --- one client, any number, or the pullback


@dataclass(frozen=True)
class Choice:
    name: str
    change: Pattern | None = None
    eager: bool = False

    @contextmanager
    def rules(self) -> Iterator[None]:
        with stock(self.change):
            yield


ONE, ANY = Choice("one client (today)"), Choice("any number of clients", MANY_CLIENTS)
EAGER = Choice("`s * sigmoid(-x)` in the pullback", eager=True)
BOTH = Choice("both", MANY_CLIENTS, eager=True)
CHOICES = (ONE, ANY, EAGER, BOTH)
s = pt.sigmoid(x)
# Value of one sigmoid, whose first derivative is taken, and of some the second as well.
LOSSES: dict[str, tuple[pt.TensorVariable, int]] = {
    "`sigmoid(x)`": (s, 1),
    "`sigmoid(x)`, two derivatives": (s, 2),
    "`log(sigmoid(x))`": (pt.log(s), 1),
    "`log(1 - sigmoid(x))`": (pt.log(1 - s), 1),
    "`log(1 - sigmoid(x))`, two derivatives": (pt.log(1 - s), 2),
    "`-y log(s) - (1 - y) log(1 - s)`": (-y * pt.log(s) - (1 - y) * pt.log(1 - s), 1),
    "`log(s / (1 - s))`": (pt.log(s / (1 - s)), 1),
    "`s / (1 - s)`": (s / (1 - s), 1),
    "`1 / (1 - s)`": (1 / (1 - s), 1),
    "`x sigmoid(x)`": (x * s, 1),
}


def quantities(loss: pt.TensorVariable, order: int, choice: Choice | None) -> list:
    if choice is not None and choice.eager:
        loss = with_pullback(loss, "stable")
    found = [loss]
    for _ in range(order):
        found.append(gradient(found[-1]))
    return found


def side_by_side(repeats: int) -> Iterator[str]:
    heads = " | ".join(f"{c.name}" for c in (*CHOICES, Choice("ours")))
    yield f"| value and gradient of | measured | {heads} |"
    yield "|---" * (len(CHOICES) + 3) + "|"
    rng = np.random.default_rng(0)
    points = both_signs(700)
    labels = rng.integers(0, 2, len(points)).astype("float64")
    timed = rng.normal(scale=5, size=ELEMENTS), rng.integers(0, 2, ELEMENTS).astype("float64")
    for what, (loss, order) in LOSSES.items():
        inputs = [x, y] if "y" in what else [x]
        at, size = [points, labels][: len(inputs)], timed[: len(inputs)]
        exact = truth(quantities(loss, order, None), dict(zip(inputs, at, strict=True)))
        errors, functions, calls = [], [], {"NUMBA": {}, "CVM": {}}
        for choice in (*CHOICES, None):
            graphs = quantities(loss, order, choice)
            with choice.rules() if choice else nullcontext():
                with np.errstate(all="ignore"):
                    values = compiled(graphs, inputs, "CVM")(*at)
                errors.append(", ".join(map(shown, worst(values, exact))))
                functions.append(str(functions_in(graphs)))
                for linker, found in calls.items():
                    function = compiled(graphs, inputs, linker)
                    found[choice.name if choice else "ours"] = lambda f=function, v=size: f(*v)
        yield f"| {what} | ulps | {' | '.join(errors)} |"
        yield f"| | functions | {' | '.join(functions)} |"
        for linker, label in (("NUMBA", "time, numba"), ("CVM", "time, C")):
            times = interleaved(calls[linker], ELEMENTS, repeats)
            ratios = [f"{time / times[ONE.name]:.2f}" for time in times.values()]
            yield f"| | {label} | {' | '.join(ratios)} |"


def blocks(repeats: int) -> Iterator[str]:
    for name, lines in (("proposals", proposals()), ("choices", side_by_side(repeats))):
        yield f"<!-- begin {name} -->"
        yield f"{versions()}\n"
        yield from lines
        yield f"<!-- end {name} -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="fill the page")
    parser.add_argument("--repeats", type=int, default=9, help="of each timing (%(default)s)")
    options = parser.parse_args()
    printed = []
    for line in blocks(options.repeats):
        print(line, flush=True)
        printed.append(line)
    if options.write:
        PAGE.write_text(fill_printed(PAGE.read_text(), "\n".join(printed)))


if __name__ == "__main__":
    main()
