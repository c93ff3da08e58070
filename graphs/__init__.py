"""Tools to compare and inspect compiled graphs, and to measure them against exact values."""

from typing import TYPE_CHECKING, Any

from pytensor_stabilize.graphs.auditing.measure import audit
from pytensor_stabilize.graphs.auditing.model import audit_model
from pytensor_stabilize.graphs.auditing.result import Audit
from pytensor_stabilize.graphs.auditing.sampling import Range
from pytensor_stabilize.graphs.compare import GraphDiff, diff, same_graph
from pytensor_stabilize.graphs.counts import op_counts
from pytensor_stabilize.graphs.explain import Explanation, explain
from pytensor_stabilize.graphs.printing import debugprint
from pytensor_stabilize.graphs.report import report
from pytensor_stabilize.graphs.to_python import to_python
from pytensor_stabilize.graphs.truth import Truth, import_exact, truth
from pytensor_stabilize.graphs.ulps import ulp_error

if TYPE_CHECKING:
    from pytensor_stabilize.graphs.exact import register_exact

__all__ = [
    "Audit",
    "Explanation",
    "GraphDiff",
    "Range",
    "Truth",
    "audit",
    "audit_model",
    "debugprint",
    "diff",
    "explain",
    "op_counts",
    "register_exact",
    "report",
    "same_graph",
    "to_python",
    "truth",
    "ulp_error",
]


def __getattr__(name: str) -> Any:
    # It lives among the modules that need python-flint, which the other tools do without.
    if name == "register_exact":
        return import_exact().register_exact
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
