"""Tools to compare and inspect compiled graphs, and to measure them against exact values."""

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
from pytensor_stabilize.graphs.truth import Truth, truth
from pytensor_stabilize.graphs.ulps import ulp_error

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
    "report",
    "same_graph",
    "to_python",
    "truth",
    "ulp_error",
]
