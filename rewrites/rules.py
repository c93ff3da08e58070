"""What a rule is: one row of a table that is registered, documented, tested and explained from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from math import inf, isnan

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op

from pytensor_stabilize.rewrites.checks import check_bool, is_number, shown
from pytensor_stabilize.rewrites.symbols import Value

DATABASES = ("canonicalize", "stabilize", "specialize", "lowering")


@dataclass(frozen=True, slots=True)
class Left:
    """A candidate that a rule looked at and left, with the reason that `explain` gives.

    `lasts` says that the reason holds until something changes that the node is computed from.
    """

    reason: str
    lasts: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason:
            raise ValueError(
                f"A candidate is left for a reason in words, got {shown(self.reason)}."
            )


class ConstantPower:
    """Stands in `Rule.needs` for powers with a constant exponent; `Pow` is the others."""


# Classes of ops or scalar ops; a tuple among them asks for all of its own.
Needs = tuple[type | tuple[type, ...], ...]
# A list for a node with several outputs.
Transform = Callable[[FunctionGraph, Apply], Variable | list[Variable] | Left | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """Closed interval of real numbers; infinite ends belong to it."""

    lo: float = -inf
    hi: float = inf

    def __post_init__(self) -> None:
        for end in (self.lo, self.hi):
            if not is_number(end):
                raise TypeError(f"The ends of an interval are real numbers, got {shown(end)}.")
        if isnan(self.lo) or isnan(self.hi) or not self.lo < self.hi:
            raise ValueError(f"An interval needs lo < hi, got [{self.lo}, {self.hi}].")

    def __str__(self) -> str:
        return f"[{self.lo:g}, {self.hi:g}]"


REAL = Interval()


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity, and the rewriter that applies it.

    Parameters
    ----------
    name
        Snake-case name that says the identity; it is the name in PyTensor's database.
    before, after
        The two sides, callables of the arguments in `domain`.  They work on PyTensor variables
        and on exact numbers (`pytensor_stabilize.rewrites.symbols`).
    domain
        For each argument the interval on which the identity holds.
    promise
        Largest error of `after` in ulps of the true value, in float64 and where that value is
        a normal float.
    mends
        The failure that the rule mends, in a few words.
    databases
        The PyTensor databases that it is registered in: "canonicalize", "stabilize",
        "specialize", or "lowering" (the late pass of `rewrites.lowering`).
    tracks
        Ops, or classes of ops, whose nodes the rule looks at.
    transform
        Returns the replacement of the node's output (or a list, one for each of several), a
        `Left` with the reason if the node is a candidate that must stay, or None if it is no
        candidate.
    source
        Where the formula comes from.
    needs
        Classes of ops or scalar ops, one of which must be among what a node is computed by, itself
        included, for the rule to be asked; of a tuple among them all must be.
    sees_clients
        Whether the rule looks at the clients of a node, not only at what it is computed from; it
        is then asked again even where nothing changed upstream.
    is_local
        Whether what the rule finds depends on nothing but what the node is computed from, so that
        of nodes that are alike one is asked, see `rewrites.templates`.
    opt_in
        Whether the rule runs only in modes that include it by name: what it mends is too rare for
        what it costs.
    tags
        Further tags of the registration.  "symbolic_op_recognition" keeps a rule that makes a
        Softmax out of the inner graph of Softmax itself, where it would go on for ever.
    tested_in
        For a rule about rows of numbers, which the table's tests cannot state with scalars: the
        file with its tests.  The table still checks its identity, for rows of two.
    upstream
        What PyTensor would call the same rewrite, where that is neither the rule's name nor
        "local_" and the name: where PyTensor has one of these, the rule stands back.

    Raises
    ------
    ValueError
        The row lacks a domain or a promise, its sides take other arguments than the domain names,
        it names a database that does not exist, or it tracks nothing and could never run.
    TypeError
        A part of the row is of another type than it has to be; the message says which.
    """

    name: str
    before: Callable[..., Value]
    after: Callable[..., Value]
    domain: Mapping[str, Interval]
    promise: float
    mends: str
    databases: tuple[str, ...]
    tracks: tuple[Op | type[Op], ...] = ()
    transform: Transform | None = None
    source: str = ""
    needs: Needs = ()
    sees_clients: bool = False
    is_local: bool = False
    opt_in: bool = False
    tags: tuple[str, ...] = ()
    tested_in: str = ""
    upstream: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
            raise ValueError(f"A rule's name is snake_case, got {shown(name)}.")
        self._check_types()
        if not self.domain:
            raise ValueError(f"Rule {name!r} states no domain.")
        for side in (self.before, self.after):
            if _arguments(side) != list(self.domain):
                raise ValueError(
                    f"Rule {name!r}: the domain is that of {', '.join(self.domain)}, but a side "
                    f"takes {', '.join(_arguments(side)) or 'nothing'}."
                )
        if not 0 < self.promise < inf:
            raise ValueError(f"Rule {name!r} promises {self.promise} ulps; state a number.")
        if not self.mends:
            raise ValueError(f"Rule {name!r} does not say which failure it mends.")
        if not self.databases or not set(self.databases) <= set(DATABASES):
            raise ValueError(
                f"Rule {name!r} names the databases {self.databases}; valid: {DATABASES}."
            )
        if (self.transform is None) != (self.databases == ("lowering",)):
            raise ValueError(
                f"Rule {name!r} needs a transform, unless the lowering pass does its work."
            )
        if self.transform is not None and not self.tracks:
            raise ValueError(f"Rule {name!r} tracks no op, so that it would never run.")

    def _check_types(self) -> None:
        for part, accepted, good in (
            ("before", "a callable", callable(self.before)),
            ("after", "a callable", callable(self.after)),
            ("transform", "a callable or None", self.transform is None or callable(self.transform)),
            ("domain", "a dict of Interval by argument", _is_domain(self.domain)),
            ("promise", "a number of ulps", is_number(self.promise)),
            ("mends", "a few words", isinstance(self.mends, str)),
            ("source", "a text", isinstance(self.source, str)),
            ("tested_in", "the name of a file", isinstance(self.tested_in, str)),
            ("databases", "a tuple of names", _is_tuple_of(self.databases, str)),
            ("tags", "a tuple of names", _is_tuple_of(self.tags, str)),
            ("upstream", "a tuple of names", _is_tuple_of(self.upstream, str)),
            ("tracks", "a tuple of ops or classes of ops", _is_tuple_of(self.tracks, Op, type)),
            ("needs", "a tuple of classes and of tuples of them", _is_needs(self.needs)),
        ):
            if not good:
                got = shown(getattr(self, part))
                raise TypeError(f"Rule {self.name!r}: {part} must be {accepted}, got {got}.")
        check_bool(f"Rule {self.name!r}: sees_clients", self.sees_clients)
        check_bool(f"Rule {self.name!r}: is_local", self.is_local)
        check_bool(f"Rule {self.name!r}: opt_in", self.opt_in)
        if self.is_local and self.sees_clients:
            raise ValueError(f"Rule {self.name!r} looks at clients, so that it is not local.")


def _is_tuple_of(value: object, *types: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(part, types) for part in value)


def _is_domain(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(i, Interval) for i in value.values())


def _is_needs(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(kind, type) or _is_tuple_of(kind, type) for kind in value
    )


def _arguments(side: Callable[..., Value]) -> list[str]:
    """Names of the arguments without a default."""
    return [p.name for p in signature(side).parameters.values() if p.default is p.empty]
