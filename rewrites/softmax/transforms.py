"""What the rules of the softmax family have in common: read a node, change its terms, build it."""

from collections.abc import Callable

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.matching import is_complex
from pytensor_stabilize.rewrites.rules import Left, Transform
from pytensor_stabilize.rewrites.softmax.matching import is_near, lifted, picks
from pytensor_stabilize.rewrites.softmax.reader import InexactError, Reader
from pytensor_stabilize.rewrites.softmax.terms import Term, merged, softmax_keys

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
                found = _found(find, reader, output)
                if found is not None:
                    return reader.build_sum(found)
            if picked is not None:
                found = _found(find, reader, lifted(output, picked))
                if found is not None:
                    whole = reader.build_sum(found)
                    return picked.op.make_node(whole, *picked.inputs[1:]).outputs[0]
        except InexactError:
            return _INEXACT
        return None

    return transform


def _found(find: Finder, reader: Reader, variable: Variable) -> list[Term] | None:
    """What is found among the terms, or what is left of them if some cancel as they stand.

    Of terms that cancel a rule must not change one alone: next to the others they can be large.
    """
    read = [term for term in reader.read(variable) if term.coefficient or term.dropped]
    terms = merged(read)
    if len(terms) < len(read) and _some_cancelled(read, terms):
        return terms if any(True for term in terms for _ in softmax_keys(term)) else None
    return find(reader, terms) if len(terms) > 1 else None


def _some_cancelled(read: list[Term], terms: list[Term]) -> bool:
    """Whether terms that were read cancelled, and were not just added up."""
    left = {term.powers for term in terms}
    return any(term.powers not in left for term in read)


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
