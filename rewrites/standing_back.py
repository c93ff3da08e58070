"""Rules that PyTensor has by now itself, beside which ours stand back.

PyTensor calls a rewrite after what it does, with ``local_`` before it.  Where one stands in a
database under the name of a rule, with that prefix or under another name that the rule declares,
it is tried on the rule's left side, with other clients as a gradient has them; if it makes the
right side of it, ours is not registered.  Under the very name of the rule ours cannot be
registered at all, and stands back whatever PyTensor's does.

A name alone would not do: PyTensor's `local_log_erfc` switches to an asymptotic series, and our
`log_erfc` is there to mend what that loses.  The trial alone would take seconds, for a hundred
rules at every import.

Where PyTensor has the rewrite by any other name, nothing has to be detected: for one op rewriters
run in the order of their registration, PyTensor's first, and what it has rewritten our rule no
longer finds.
"""

from collections.abc import Iterable
from inspect import signature
from typing import Any

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors

from pytensor_stabilize.rewrites.internals import names_in
from pytensor_stabilize.rewrites.rules import Rule

# Where PyTensor keeps rewriters of single nodes.
SEARCHED = ("canonicalize", "stabilize", "specialize")
# PyTensor's that are something else, whatever their name.  They need no trial, which for this one
# would make an op of ours at import and load numba, and with it PyTensor's sparse matrices.
DIFFERENT = {"local_log_erfc"}


def repeated_by_pytensor(rules: Iterable[Rule]) -> dict[str, str]:
    """Of the rules that PyTensor has, what it calls its own and where that stands.

    None of ours may be registered when this is asked.
    """
    present = {database: names_in(optdb[database]) for database in SEARCHED}
    found: dict[str, str] = {}
    for rule in rules:
        for database, theirs in present.items():
            names = {f"local_{rule.name}", *rule.upstream} & theirs - DIFFERENT
            same = [n for n in sorted(names) if does_the_same(database, n, rule)]
            if rule.name in theirs:
                same = [rule.name]
            if same:
                found.setdefault(rule.name, f"{same[0]} in {database}")
    return found


def does_the_same(database: str, name: str, rule: Rule) -> bool:
    """Whether a rewriter of PyTensor turns the left side of a rule into the right one."""
    # Without dimensions, since a pattern does not see a constant behind its broadcasting.
    arguments = [pt.dscalar(argument) for argument in signature(rule.before).parameters]
    before, after = (as_variable(side(*arguments)) for side in (rule.before, rule.after))
    # As in a gradient, what is inside has other clients: PyTensor's patterns may need to be alone.
    inside = [v for v in ancestors([before]) if v.owner is not None and v is not before]
    fgraph = FunctionGraph(arguments, [before, *inside], clone=True)
    optdb[database].query(f"+{name}").rewrite(fgraph)
    return equal_computations([fgraph.outputs[0]], [after], list(fgraph.inputs), list(arguments))


def as_variable(side: Any) -> Variable:
    """A side of a rule, which may be a plain number."""
    return pt.as_tensor_variable(side)
