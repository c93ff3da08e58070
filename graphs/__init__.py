"""Tools to compare compiled graphs, and to see what the rewrites did to them."""

from pytensor_stabilize.graphs.compare import GraphDiff, diff, same_graph
from pytensor_stabilize.graphs.counts import op_counts
from pytensor_stabilize.graphs.explain import Explanation, explain
from pytensor_stabilize.graphs.printing import debugprint
from pytensor_stabilize.graphs.report import report
from pytensor_stabilize.graphs.truth import Truth, truth
from pytensor_stabilize.graphs.ulps import ulp_error

__all__ = [
    "Explanation",
    "GraphDiff",
    "Truth",
    "debugprint",
    "diff",
    "explain",
    "op_counts",
    "report",
    "same_graph",
    "truth",
    "ulp_error",
]
