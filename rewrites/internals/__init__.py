"""All that this package takes from inside PyTensor: the one place to mend for a new release.

Inside is what PyTensor may change without saying so:

- names that begin with an underscore, also those of its databases that end with two (`__db__`);
- the modules below `pytensor.link` and `pytensor.tensor.rewriting`, `pytensor.compile.executor`;
- single names that no page of its manual shows: those in `UNDOCUMENTED` of
  `tests/test_internals.py`, which lets no other module use any of this.

What the manual's chapters on extending PyTensor work with is outside: ops and types with their
modules and methods, graphs and their features, node and graph rewriters, databases, modes.

numba and JAX are slow to import, so `internals.numba` and `internals.jax` stand apart and are
imported when something is compiled for them; `internals.conditional` registers rewrites of sparse
matrices when it is imported, and only exact values need it; `internals.equilibrium` asks the
rules, which are made of all this.  What is taken from PyMC's inside
stands in `rewrites/pymc_unwrapping.py` and `graphs/auditing/model.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pytensor.compile.builders import FinalizedOpFromGraph
from pytensor.compile.executor import Function
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.basic import Apply
from pytensor.graph.features import Feature
from pytensor.graph.fg import AbstractFunctionGraph, FunctionGraph
from pytensor.graph.replace import _vectorize_node as vectorize_node
from pytensor.graph.rewriting.basic import (
    EquilibriumGraphRewriter,
    GraphRewriter,
    NodeRewriter,
    Rewriter,
    get_active_mode,
)
from pytensor.graph.rewriting.db import (
    EquilibriumDB,
    RewriteDatabase,
    RewriteDatabaseQuery,
    SequenceDB,
)
from pytensor.link.c.basic import CLinker, OpWiseCLinker
from pytensor.link.jax.linker import JAXLinker
from pytensor.link.mlx.linker import MLXLinker
from pytensor.link.numba.linker import NumbaLinker
from pytensor.link.pytorch.linker import PytorchLinker
from pytensor.link.vm import VMLinker
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.rewriting.basic import broadcast_like_elemwise
from pytensor.tensor.rewriting.subtensor import (
    local_adv_idx_to_slice,
    local_subtensor_merge_integer,
    local_subtensor_merge_slice,
    local_useless_slice,
)
from pytensor.tensor.rewriting.subtensor_lift import local_subtensor_of_expand_dims

__all__ = [
    "READ_REWRITERS",
    "CLinker",
    "FinalizedOpFromGraph",
    "Function",
    "JAXLinker",
    "MLXLinker",
    "NumbaLinker",
    "OpWiseCLinker",
    "PytorchLinker",
    "VMLinker",
    "broadcast_like_elemwise",
    "core_node",
    "features_of",
    "free_name",
    "get_active_mode",
    "names_in",
    "query_of",
    "remove",
    "rewriter_named",
    "rewriters_of",
    "under_mode_of",
    "vectorize_node",
]

# How PyTensor itself writes ``x[1:][0]``.
READ_REWRITERS: tuple[Any, ...] = (
    local_adv_idx_to_slice,
    local_subtensor_of_expand_dims,
    local_useless_slice,
    local_subtensor_merge_slice,
    local_subtensor_merge_integer,
)


# --- databases, which have no way to take out what was put in


def names_in(database: RewriteDatabase) -> frozenset[str]:
    """Names of the rewriters that are registered in a database, without its tags."""
    return frozenset(database._names)


def rewriter_named(
    database: RewriteDatabase, name: str
) -> NodeRewriter | GraphRewriter | RewriteDatabase:
    """The one rewriter of that name."""
    (rewriter,) = database.__db__[name]
    return rewriter


def free_name(database: RewriteDatabase, name: str) -> None:
    """Let a name be registered that somebody has asked for.

    A query that names a tag leaves an empty set behind, and the database then takes the name for
    a tag that is in use: ``PYTENSOR_FLAGS=optimizer_excluding=one_minus_sigmoid`` does that.
    """
    if name not in database._names and not database.__db__.get(name, True):
        del database.__db__[name]


def remove(database: RewriteDatabase, name: str) -> None:
    """Remove a rewriter and everything that its registration left in the database."""
    rewriter = rewriter_named(database, name)
    for tag in [tag for tag, members in database.__db__.items() if rewriter in members]:
        database.__db__[tag].remove(rewriter)
        # Queries make empty sets for unknown tags; ours go, so that `in` says what it said.
        if not database.__db__[tag]:
            del database.__db__[tag]
    database._names.discard(name)
    if isinstance(database, EquilibriumDB):
        database.__final__.pop(name, None)
        database.__cleanup__.pop(name, None)
    if isinstance(database, SequenceDB):
        database.__position__.pop(name, None)


# --- modes


def rewriters_of(mode: Mode | str | None) -> Iterator[Rewriter]:
    """Every rewriter that a mode runs, those inside others too."""
    return _below(get_mode(mode).optimizer._rewriter)


def _below(rewriter: Rewriter) -> Iterator[Rewriter]:
    yield rewriter
    for inner in getattr(rewriter, "data", ()):
        yield from _below(inner)
    if isinstance(rewriter, EquilibriumGraphRewriter):
        for node_rewriter in rewriter.get_node_rewriters():
            yield from _below(node_rewriter)


def query_of(fgraph: AbstractFunctionGraph) -> RewriteDatabaseQuery | None:
    """The query of the mode that a graph is compiled by, if it is compiled at all."""
    query = getattr(getattr(fgraph, "_compile_mode", None), "_optimizer", None)
    return query if isinstance(query, RewriteDatabaseQuery) else None


@contextmanager
def under_mode_of(inner: FunctionGraph, outer: AbstractFunctionGraph) -> Iterator[None]:
    """Let rewriters of an inner graph see the mode that the outer one is compiled by."""
    inner._compile_mode = outer._compile_mode  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del inner._compile_mode


# --- graphs and ops


def features_of(fgraph: AbstractFunctionGraph) -> Sequence[Feature]:
    """The features that are attached to a graph; a frozen one has none."""
    return getattr(fgraph, "_features", ())


def core_node(op: Blockwise, inputs: Sequence[Any]) -> Apply:
    """The node that a Blockwise runs for each index of the batch, with inputs that stand for it."""
    return op._create_dummy_core_node(inputs)
