"""What the rules of the softmax family have in common: read a node, change its terms, build it."""

from collections.abc import Callable

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.matching import is_complex
from pytensor_stabilize.rewrites.rules import Left, Transform
from pytensor_stabilize.rewrites.softmax_matching import is_near, lifted, picks
from pytensor_stabilize.rewrites.softmax_reader import InexactError, Reader
from pytensor_stabilize.rewrites.softmax_terms import Term

Finder = Callable[[Reader, list[Term]], list[Term] | None]

_COMPLEX = Left("the result is complex")
_INEXACT = Left("a product of its constants is no float")


def of_sum(find: Finder, wanted: Callable[[Apply], bool]) -> Transform:
    """Make the transform of a sum of which some terms are replaced by what `find` returns."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        (output,) = node.outputs
        if not is_near(output, wanted):
            return None
        if is_complex(output):
            return _COMPLEX
        picked = picks(output)
        try:
            for distribute in (False, True):
                reader = Reader(fgraph, output.type.dtype, distribute)
                read = reader.read(output)
                found = find(reader, read) if len(read) > 1 else None
                if found is not None:
                    return reader.build_sum(found)
            if picked is not None:
                read = reader.read(lifted(output, picked))
                found = find(reader, read) if len(read) > 1 else None
                if found is not None:
                    whole = reader.build_sum(found)
                    return picked.op.make_node(whole, *picked.inputs[1:]).outputs[0]
        except InexactError:
            return _INEXACT
        return None

    return transform


def converting(wanted: Callable[[Apply], bool]) -> Transform:
    """Make the transform of a product that is shorter as it is read."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        (output,) = node.outputs
        if not is_near(output, wanted):
            return None
        if is_complex(output):
            return _COMPLEX
        for distribute in (False, True):
            reader = Reader(fgraph, output.type.dtype, distribute)
            try:
                terms = reader.read(output)
                if all(term.converted for term in terms):
                    return reader.build_sum(terms)
            except InexactError:
                return _INEXACT
        return None

    return transform
