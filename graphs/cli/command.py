"""The command `pytensor-stabilize`: audit a file, list the rules, compare graphs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytensor_stabilize.graphs.auditing.measure import DEFAULT_MODES, DEFAULT_POINTS, audit
from pytensor_stabilize.graphs.auditing.model import DEFAULT_ROWS, audit_model
from pytensor_stabilize.graphs.auditing.result import Audit
from pytensor_stabilize.graphs.auditing.sampling import SAMPLINGS
from pytensor_stabilize.graphs.auditing.ways import way_of, ways_of
from pytensor_stabilize.graphs.cli.files import FileError, Offer, offers, pick
from pytensor_stabilize.graphs.cli.rule_table import rule_table
from pytensor_stabilize.graphs.compare import diff
from pytensor_stabilize.graphs.explain import rewrite

# What the command returns: as grep and diff do, 1 says "found", 2 "could not look".
OK, FOUND, FAILED = 0, 1, 2
# A numba pass that makes scalars of tensors without dimensions, and a diff hard to read.
SCALAR_LOOPS = "fuse_indexed_into_elemwise"


# Options of `audit` that say something of variables only.
FOR_VARIABLES = ("wrt", "range", "shape", "order", "points", "sampling")


class UsageError(ValueError):
    """An option that cannot be understood."""


# What a user's file, options or graph may cause; the rest is a fault of ours and keeps its trace.
EXPECTED = (FileError, UsageError, ImportError, OSError, NotImplementedError, TypeError, ValueError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0: done, and within ``--max-ulp``.  1: an error is larger than ``--max-ulp``, or the graphs
    differ.  2: bad arguments, a file that does not import, a graph that cannot be audited.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        # Someone has read enough, as `head` does.
        sys.stderr.close()
        return OK
    except EXPECTED as error:
        text = " ".join(str(error).split())
        print(f"pytensor-stabilize: {text}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytensor-stabilize", description="Where a PyTensor graph or PyMC model loses digits."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _audit_parser(commands)
    rules = commands.add_parser("rules", help="the table of rules")
    rules.set_defaults(run=run_rules)
    compare = commands.add_parser("diff", help="a graph with and without our rules")
    compare.add_argument("file", metavar="FILE.py:NAME")
    compare.add_argument("--mode", default="", help="linker or mode of PyTensor (default: its own)")
    compare.set_defaults(run=run_diff)
    return parser


def _audit_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "audit",
        help="errors in ulps, and the operations to blame",
        description="Without NAME: audits what the file offers if it is one thing, else lists it.",
    )
    parser.add_argument(
        "file",
        metavar="FILE.py[:NAME]",
        help="NAME: a PyMC model, a variable or list of variables, or a function that returns one "
        "(its parameters become float64 scalars)",
    )
    parser.add_argument(
        "--modes", default=",".join(DEFAULT_MODES), help="as in stock,ours:cvm (%(default)s)"
    )
    parser.add_argument(
        "--range", action="append", default=[], metavar="X=LO:HI", help="range of an input"
    )
    parser.add_argument(
        "--shape", action="append", default=[], metavar="X=N[,M]", help="shape of an input"
    )
    parser.add_argument("--wrt", metavar="X[,Y]", help="differentiate by these inputs, or by all")
    # Without defaults, so that an option that does not belong to what is audited is an error.
    parser.add_argument("--order", type=int, choices=(1, 2), help="(1)")
    parser.add_argument("--points", type=int, help=f"({DEFAULT_POINTS})")
    parser.add_argument("--sampling", choices=SAMPLINGS, help="(mixed)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--rows", type=int, help=f"of a model's data, to look at singly ({DEFAULT_ROWS})"
    )
    parser.add_argument("--max-ulp", type=float, help="exit with 1 if an error of 'ours' is larger")
    parser.add_argument("--html", type=Path, metavar="FILE", help="save one page")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(run=run_audit_command)


def run_audit_command(options: argparse.Namespace) -> int:
    """The command ``audit``."""
    ways = ways_of([mode.strip() for mode in options.modes.split(",")])
    ranges = {name: _range(text) for name, text in _assignments("--range", options.range)}
    shapes = {name: _shape(text) for name, text in _assignments("--shape", options.shape)}
    if options.max_ulp is not None and not options.max_ulp >= 0:
        raise UsageError(f"--max-ulp: {options.max_ulp:g} is no error; name a number from 0 on.")
    if options.html is not None and options.html.is_dir():
        raise UsageError(f"--html: {options.html} is a folder; name a file.")
    if options.html is not None and not options.html.absolute().parent.is_dir():
        raise UsageError(f"--html: there is no folder {options.html.absolute().parent}.")
    found = offers(options.file)
    chosen = pick(found, options.file)
    if chosen is None:
        print(f"{options.file} offers several things; name one of them:")
        for offer in found:
            print(f"  {options.file}:{offer.name}  ({offer.kind})")
        return FAILED
    result = _audited(chosen, options, ways, ranges, shapes)
    if options.html is not None:
        result.to_html(options.html)
    print(result.to_json() if options.json else result)
    return _verdict(result, options.max_ulp)


def _audited(offer: Offer, options: Any, ways: Any, ranges: Any, shapes: Any) -> Audit:
    if offer.kind == "model":
        given = [name for name in FOR_VARIABLES if getattr(options, name) not in (None, [])]
        if given:
            raise UsageError(f"--{given[0]} is for variables; {offer.name} is a PyMC model.")
        return audit_model(offer.value, modes=ways, seed=options.seed, **_given(options, "rows"))
    if options.rows is not None:
        raise UsageError(f"--rows is for PyMC models; {offer.name} is no model.")
    wrt = options.wrt
    return audit(
        offer.variables,
        ranges=ranges,
        shapes=shapes,
        modes=ways,
        wrt=wrt if wrt in (None, "all") else [name.strip() for name in wrt.split(",")],
        seed=options.seed,
        title=f"audit of {offer.name}",
        **_given(options, "order", "points", "sampling"),
    )


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {n: getattr(options, n) for n in names if getattr(options, n) is not None}


def _verdict(result: Audit, max_ulp: float | None) -> int:
    if max_ulp is None:
        return OK
    # What stock PyTensor does is shown for comparison; it is not what is being checked.
    judged = [o for o in result.outputs if not o.mode.startswith("stock")] or result.outputs
    unknown = [o for o in judged if not o.measured]
    for output in unknown:
        print(
            f"pytensor-stabilize: {output.output}, {output.mode}: nothing could be measured",
            file=sys.stderr,
        )
    # A nan is not small.
    worse = [o for o in judged if not o.max_ulps <= max_ulp]
    for output in worse:
        if output.measured:
            print(
                f"pytensor-stabilize: {output.output}, {output.mode}: {output.max_ulps:.3g} ulp is "
                f"more than {max_ulp:g}",
                file=sys.stderr,
            )
    return FOUND if worse else OK


def _assignments(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            raise UsageError(f"{option}: {text!r} is not of the form X=VALUE.")
        if name in found:
            raise UsageError(f"{option}: {name} stands twice.")
        found[name] = value
    return list(found.items())


def _range(text: str) -> tuple[float, float]:
    lo, colon, hi = text.partition(":")
    try:
        return float(lo), float(hi if colon else "")
    except ValueError as error:
        raise UsageError(f"--range: {text!r} is not LO:HI, as in x=-40:40.") from error


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"--shape: {text!r} is not a list of integers, as in x=3,4.") from error


def run_rules(options: argparse.Namespace) -> int:
    """The command ``rules``."""
    print(rule_table())
    return OK


def run_diff(options: argparse.Namespace) -> int:
    """The command ``diff``."""
    if ":" not in Path(options.file).name:
        raise UsageError(f"diff needs a name: {options.file}:NAME.")
    chosen = pick(offers(options.file), options.file)
    assert chosen is not None
    graphs = []
    for rules in ("stock", "ours"):
        way = way_of(f"{rules}:{options.mode}" if options.mode else rules)
        with way.rules():
            graphs.append(rewrite(chosen.variables_rewritten(), way.mode.excluding(SCALAR_LOOPS)))
    difference = diff(*graphs)
    print(f"{chosen.name}: stock (-) against ours (+)")
    print(difference)
    return FOUND if difference else OK
