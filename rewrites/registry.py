"""Put the rules into PyTensor's rewrite database, and take them out again."""

import gc
import platform
import sys
import threading
import warnings
from collections.abc import Iterator
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import GraphRewriter, NodeRewriter
from pytensor.graph.rewriting.db import RewriteDatabase, SequenceDB

from pytensor_stabilize.rewrites import registration_state, switches
from pytensor_stabilize.rewrites.checks import check_bool, check_text_file
from pytensor_stabilize.rewrites.engine import RuleRewriter
from pytensor_stabilize.rewrites.inner_graphs import StabilizeInnerGraphs
from pytensor_stabilize.rewrites.internals import (
    Function,
    free_name,
    names_in,
    remove,
    rewriter_named,
)
from pytensor_stabilize.rewrites.internals.equilibrium import (
    AskingRules,
    AskingWhenSettled,
    ask_rules_in,
)
from pytensor_stabilize.rewrites.jax_loading import load_with_jax
from pytensor_stabilize.rewrites.jax_lowering import JAX_LOWERING, JaxLoweringPass
from pytensor_stabilize.rewrites.lowering import LOWERING, LoweringPass
from pytensor_stabilize.rewrites.matching import is_sigmoid_node
from pytensor_stabilize.rewrites.ops import UnwrapSigmoid, local_unwrap_sigmoid
from pytensor_stabilize.rewrites.pymc_unwrapping import unwrap_in_pymc
from pytensor_stabilize.rewrites.rule_order import RULES
from pytensor_stabilize.rewrites.standing_back import repeated_by_pytensor

TAG = "pytensor_stabilize"
# Of the rules that run only where a mode includes them.
OPT_IN_TAG = "pytensor_stabilize_opt_in"
INNER_GRAPHS = "stabilize_inner_graphs"
UNWRAP = "unwrap_sigmoid"
UNWRAP_INCLUDED = "unwrap_sigmoid_for_included_rules"
# After specialize (2) and uncanonicalize (3), which would take the shared exponential for a
# sigmoid again, and before add_mul_fusion (48) and elemwise_fusion (49).
LOWERING_POSITION = 47.9
# By the name of a small database of its own, in which "stabilize" can be a tag.
LATE_PASSES: dict[str, LoweringPass | JaxLoweringPass] = {
    "pytensor_stabilize_lowering": LoweringPass(LOWERING[0]),
    "pytensor_stabilize_jax_lowering": JaxLoweringPass(JAX_LOWERING[0]),
}
# Before inline_ofg_expansion (-0.01), which would expand the inner graph instead.
UNWRAP_POSITION = -0.02
# Before scan_eqopt1 (0.05), which pushes out of a Scan what does not change.
INNER_GRAPHS_POSITION = 0.03

EQUILIBRIA = {
    "canonicalize": AskingRules,
    "stabilize": AskingRules,
    "specialize": AskingWhenSettled,
}

_lock = threading.RLock()
_HERE = Path(__file__).parent

switches.declare(rule.name for rule in RULES)
switches.read_environment()


def register(opt_in: bool = False) -> None:
    """Register the rules in PyTensor's rewrite database; importing the package does this.

    Takes effect for every mode used afterwards, also for modes made before, because a mode
    queries the database whenever it compiles.  Calling it again changes nothing, except that a
    different `opt_in` takes effect.

    Parameters
    ----------
    opt_in
        If True the rules run only where a mode includes them, by
        ``mode.including("pytensor_stabilize")`` or a rule's name.  They then lack the tag
        "stabilize", which PyMC's pre-gradient pass asks for.

    Raises
    ------
    TypeError
        `opt_in` is not a bool.

    Warns
    -----
    UserWarning
        Functions that contain a sigmoid were compiled before: they keep their graph.
    """
    check_bool("opt_in", opt_in)
    with _lock:
        if registration_state.is_registered:
            if registration_state.opt_in == opt_in:
                return
            unregister()
        _remove_left_overs()
        tags = (TAG,) if opt_in else ("fast_run", "stabilize", TAG)
        registration_state.stood_back.update(repeated_by_pytensor(RULES))
        for rule in RULES:
            if rule.name in registration_state.stood_back:
                continue
            for database in rule.databases:
                if database != "lowering":
                    own = (OPT_IN_TAG,) if rule.opt_in else (*tags, *rule.tags)
                    rewriter = RuleRewriter(rule)
                    _place(optdb[database], rule.name, rewriter, own, opt_in or rule.opt_in)
        # "stabilize" is a name in PyTensor's outermost database, so it cannot be a tag there.
        outer_tags = tuple(tag for tag in tags if tag != "stabilize")
        for database, late in LATE_PASSES.items():
            name, lowering = late.rule.name, SequenceDB()
            _place(lowering, name, late, tags, opt_in, position=0)
            late_tags = (*outer_tags, name)
            _place(optdb, database, lowering, late_tags, opt_in, position=LOWERING_POSITION)
        inner_tags = (*outer_tags, *(r.name for r in RULES if opt_in))
        _place(
            optdb,
            INNER_GRAPHS,
            StabilizeInnerGraphs(),
            inner_tags,
            opt_in,
            position=INNER_GRAPHS_POSITION,
        )
        # No tag of ours: excluding the rules must not take a Sigmoid's unwrapping with them.
        _place(optdb, UNWRAP, UnwrapSigmoid(), ("fast_run",), True, position=UNWRAP_POSITION)
        # FAST_COMPILE runs a Sigmoid's own form, unless it includes rules that want to see it.
        including = (TAG, *(rule.name for rule in RULES))
        _place(optdb, UNWRAP_INCLUDED, UnwrapSigmoid(), including, True, position=UNWRAP_POSITION)
        for database, kind in EQUILIBRIA.items():
            registration_state.undone.append(ask_rules_in(optdb[database], kind))
        _place(optdb["canonicalize"], UNWRAP, copy(local_unwrap_sigmoid), ("fast_run",), False)
        load_with_jax()
        unwrap_in_pymc()
        registration_state.is_registered = True
        registration_state.opt_in = opt_in
        _warn_about_old_functions()


def unregister() -> None:
    """Take the rules out of PyTensor's rewrite database and leave it as it was.

    Takes effect for every mode used afterwards.  `Sigmoid` still works; its inner graph is
    inlined then.  The unwrapping of `Sigmoid` in PyMC's logprob inference stays.

    Not while another thread compiles: PyTensor's databases have no lock.  `excluding` and `only`
    are what threads can use.
    """
    with _lock:
        for database, name in reversed(registration_state.placed):
            remove(database, name)
        registration_state.placed.clear()
        while registration_state.undone:
            registration_state.undone.pop()()
        registration_state.stood_back.clear()
        registration_state.is_registered = False


def is_active(name: str) -> bool:
    """Whether a rule would run now, in this thread, in a mode that includes it.

    Raises
    ------
    TypeError, ValueError
        `name` is not a string, or no rule has that name; the message lists the valid ones.
    """
    names = switches.check_names([name], "is_active()")
    stood_back = not registration_state.stood_back.keys().isdisjoint(names)
    on = registration_state.is_registered and not stood_back
    return on and all(map(switches.is_switched_on, names))


def show_config(file: TextIO | None = None) -> None:
    """Print versions, rules and switches, for bug reports.

    Parameters
    ----------
    file
        Where to print: an open text file; standard output by default.

    Raises
    ------
    TypeError
        `file` is not open, or takes bytes.
    """
    if file is not None:
        check_text_file("show_config()", file)
    print("\n".join(_config_lines()), file=file or sys.stdout)


def _config_lines() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in ("pytensor-stabilize", "pytensor", "pymc", "numpy", "numba", "jax"):
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} not installed"
    state = "not registered"
    if registration_state.is_registered:
        state = "registered"
        if registration_state.opt_in:
            state += f" as opt-in: they run only in modes that include {TAG!r} or a rule's name"
    yield f"rules: {state}"
    for rule in RULES:
        why = ""
        if rule.name in switches.excluded_in_process():
            why = f" ({switches.ENVIRONMENT_VARIABLE})"
        elif rule.name in switches.excluded_here():
            why = " (excluding or only, around this call)"
        elif rule.name in registration_state.stood_back:
            why = f" (stands back: PyTensor has {registration_state.stood_back[rule.name]})"
        on = "on " if is_active(rule.name) else "off"
        if rule.opt_in:
            why += f" (only in modes that include it or {OPT_IN_TAG!r})"
        yield f"  {on} {rule.name}: {', '.join(rule.databases)}{why}"


def _place(
    database: RewriteDatabase,
    name: str,
    rewriter: NodeRewriter | GraphRewriter | RewriteDatabase,
    tags: tuple[str, ...],
    opt_in: bool,
    **position: float,
) -> None:
    free_name(database, name)
    database.register(name, rewriter, *tags, use_db_name_as_tag=not opt_in, **position)
    registration_state.placed.append((database, name))


def _remove_left_overs() -> None:
    """Remove what another copy of this module registered: it was reloaded."""
    # Made of PyTensor's classes, so that only their names tell that they are ours.
    plain = {UNWRAP, UNWRAP_INCLUDED, *LATE_PASSES}
    names = plain | {INNER_GRAPHS} | {rule.name for rule in RULES}
    for database in (optdb, *(optdb[d] for d in ("canonicalize", "stabilize", "specialize"))):
        for name in names & names_in(database):
            module = type(rewriter_named(database, name)).__module__
            if name in plain or module.partition(".")[0] == TAG:
                remove(database, name)


def _warn_about_old_functions() -> None:
    """Warn once of functions that were compiled before the rules were there.

    PyMC and `Variable.eval` keep such functions; they are found among the objects that the
    garbage collector tracks.
    """
    if registration_state.warned_about_old_functions:
        return
    registration_state.warned_about_old_functions = True
    old = [
        function
        for function in gc.get_objects()
        if type(function) is Function and _has_sigmoid(function)
    ]
    if old:
        warnings.warn(
            f"{len(old)} compiled function(s) with a sigmoid were made before pytensor_stabilize "
            "was imported and keep their graph: those that you hold, those that PyMC compiled, "
            "and those that Variable.eval caches. Import pytensor_stabilize first, or compile "
            "them again.",
            UserWarning,
            # Without the suffix: CPython 3.12 does not match a prefix that is the whole name.
            skip_file_prefixes=(str(_HERE), str(_HERE.parent / "__init__")),
        )


def _has_sigmoid(function: object) -> bool:
    graphs = [getattr(getattr(function, "maker", None), "fgraph", None)]
    while graphs:
        fgraph = graphs.pop()
        for node in getattr(fgraph, "apply_nodes", ()):
            scalar_op = getattr(node.op, "scalar_op", None)
            if is_sigmoid_node(node) or type(node.op).__name__ == "Sigmoid":
                return True
            graphs.extend(
                g
                for g in (getattr(scalar_op, "fgraph", None), getattr(node.op, "fgraph", None))
                if g
            )
    return False
