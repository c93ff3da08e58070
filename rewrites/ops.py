"""A sigmoid whose pullback can be chosen, and the switch for models that others wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args, overload

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.rewriting.basic import (
    GraphRewriter,
    copy_stack_trace,
    dfs_rewriter,
    node_rewriter,
)
from pytensor.graph.traversal import toposort
from pytensor.scalar.basic import Composite
from pytensor.scalar.math import Sigmoid as ScalarSigmoid
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.symbolic import TensorSymbolicOp
from pytensor.tensor.type import DenseTensorType
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.checks import shown
from pytensor_stabilize.rewrites.internals import vectorize_node
from pytensor_stabilize.rewrites.matching import is_a, is_complex, is_sigmoid_node

Pullback = Literal["naive", "stable"]
PULLBACKS: tuple[str, ...] = get_args(Pullback)


def check_pullback(pullback: object) -> Pullback:
    """Return `pullback` if it is one of the two.

    Raises
    ------
    ValueError
        It is not; the message lists the valid choices.
    """
    if not isinstance(pullback, str) or pullback not in PULLBACKS:
        choices = " or ".join(repr(choice) for choice in PULLBACKS)
        raise ValueError(f"pullback must be {choices}, got {shown(pullback)}.")
    return pullback  # type: ignore[return-value]


class Sigmoid(TensorSymbolicOp):
    r"""Logistic function :math:`1 / (1 + e^{-x})` with a choice of pullback.

    Called on a variable it applies itself elementwise.  Wherever PyTensor's rewrites run, it is
    replaced by PyTensor's own sigmoid, so that all rules for that one apply; the choice has had
    its effect by then, because differentiation comes first.  Where nothing is rewritten the
    inner graph runs: :math:`e = \exp(-|x|)`, then :math:`(x \ge 0\,?\,1 : e) / (1 + e)`, which
    never overflows and underflows gradually.

    PyMC rewrites a model's logp before it differentiates, so there the pullback is always
    PyTensor's, and it is our rules that mend the gradient.  To force one form use
    `with_pullback` on the logp and differentiate with `pytensor.grad`.

    Parameters
    ----------
    pullback
        "naive": ``g * s * (1 - s)``, PyTensor's own form.  It is 0 for x > 36.7 (17.3 in
        float32) unless a rewrite mends it, and it lets PyTensor's cancellations work where our
        rules are off.  "stable": ``g * s * sigmoid(-x)``, right by itself, but
        ``(1 - s) / (1 - s)`` no longer cancels unless our rules are on.

    Raises
    ------
    ValueError
        `pullback` is neither of the two.
    TypeError
        Called on a complex or sparse variable, or on something that is no tensor.
    """

    inline = True

    def __init__(self, input_types: list | None = None, *, pullback: Pullback = "naive", **kwargs):
        self.pullback_form = check_pullback(pullback)
        if input_types is not None:
            _check_types(input_types)
        super().__init__(input_types, **kwargs)

    def __call__(self, x, **kwargs):  # type: ignore[override]
        try:
            # PyTensor refuses a lone True, which it takes for a slip.
            (x,) = self.filter_inputs(np.asarray(x) if isinstance(x, bool) else x)
        except (TypeError, NotImplementedError, ValueError, OverflowError) as error:
            raise TypeError(
                f"sigmoid takes what PyTensor takes as a dense tensor of real numbers; {shown(x)} "
                f"of type {type(x).__name__} cannot be made a tensor."
            ) from error
        if hasattr(self, "fgraph") and [x.type] == self.input_types:
            return Op.__call__(self, x, **kwargs)
        typed = type(self)([x.type], pullback=self.pullback_form)
        return Op.__call__(typed, x, **kwargs)

    def make_node(self, *inputs):
        if hasattr(self, "fgraph"):
            return super().make_node(*inputs)
        return self(*inputs).owner

    def build_inner_graph(self, x):
        x = _as_result(x)
        one = np.asarray(1, dtype=x.type.dtype)
        e = pt.exp(-pt.abs(x))
        return [pt.switch(pt.ge(x, 0), one, e) / (one + e)]

    def pullback(self, inputs, outputs, cotangents):
        (g,) = cotangents
        if isinstance(g.type, DisconnectedType):
            return [disconnected_type()]
        return [g * self._derivative(inputs[0], outputs[0])]

    def pushforward(self, inputs, outputs, tangents):
        (t,) = tangents
        if isinstance(t.type, DisconnectedType):
            return [disconnected_type()]
        return [t * self._derivative(inputs[0], outputs[0])]

    def _derivative(self, x, s):
        if self.pullback_form == "stable":
            # Cast first: the negation of an unsigned integer wraps.
            return s * type(self)(pullback="stable")(-_as_result(x))
        return s * (np.asarray(1, dtype=s.type.dtype) - s)

    def infer_shape(self, node, shapes):
        return shapes

    def connection_pattern(self, node):
        return [[True]]

    def __eq__(self, other):
        # Without the pullback PyTensor, which interns inner graphs by equality, would let the
        # first kind that it saw stand for both inside Scan and OpFromGraph.
        if self is other:
            return True
        if type(self) is not type(other) or self.pullback_form != other.pullback_form:
            return False
        if hasattr(self, "fgraph") != hasattr(other, "fgraph"):
            return False
        return not hasattr(self, "fgraph") or OpFromGraph.__eq__(self, other)

    def __hash__(self):
        own = OpFromGraph.__hash__(self) if hasattr(self, "fgraph") else None
        return hash((type(self), self.pullback_form, own))

    def __str__(self):
        return f"Sigmoid{{pullback={self.pullback_form}}}"

    def __reduce__(self):
        return _restore, (getattr(self, "input_types", None), self.pullback_form)


def _check_types(input_types: object) -> None:
    """Refuse what is not one real dense tensor type, before PyTensor builds the inner graph."""
    types = input_types if isinstance(input_types, list | tuple) else [input_types]
    if len(types) != 1 or not isinstance(types[0], DenseTensorType):
        raise TypeError(
            f"Sigmoid takes one dense tensor, got {input_types!r}. "
            "Use Sigmoid(pullback='stable')(x), or the function sigmoid(x, pullback='stable')."
        )
    if types[0].dtype.startswith("complex"):
        raise TypeError(f"Sigmoid takes real numbers, got {types[0]}. Cast the input first.")


def _restore(input_types: list | None, pullback: Pullback) -> Sigmoid:
    return Sigmoid(input_types, pullback=pullback)


def _as_result(x: TensorVariable) -> TensorVariable:
    """Cast `x` to the dtype that the sigmoid of it has."""
    return pt.cast(x, pt.sigmoid(x).type.dtype)


def sigmoid(x, pullback: Pullback = "naive") -> TensorVariable:
    r"""Logistic function :math:`1 / (1 + e^{-x})`, elementwise.

    Parameters
    ----------
    x
        Anything that PyTensor takes as a real tensor, of any shape.  Integers and booleans give
        the float dtype that PyTensor's sigmoid gives.
    pullback
        "naive" or "stable"; see `Sigmoid`.

    Returns
    -------
    TensorVariable
        Of the shape of `x`, with values in [0, 1].

    Raises
    ------
    ValueError
        `pullback` is neither of the two.
    TypeError
        `x` is complex or sparse, or cannot be a tensor.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_stabilize import sigmoid
    >>> x = pt.dscalar("x")
    >>> print(pt.grad(sigmoid(x, pullback="stable"), x).eval({x: 40.0}))
    4.248354255291589e-18
    """
    return Sigmoid(pullback=check_pullback(pullback))(x)


@vectorize_node.register(Sigmoid)
def _vectorize_sigmoid(op, node, batched_x):
    return type(op)(pullback=op.pullback_form)(batched_x).owner


@node_rewriter([Sigmoid])
def local_unwrap_sigmoid(fgraph, node):
    """Replace our Sigmoid by PyTensor's, for which the rules of everybody else are written."""
    new = pt.sigmoid(node.inputs[0])
    copy_stack_trace(node.outputs[0], new)
    return [new]


class UnwrapSigmoid(GraphRewriter):
    """Unwraps every Sigmoid of a graph; a graph without one is not walked."""

    def __init__(self):
        self.walk = dfs_rewriter(local_unwrap_sigmoid)

    def apply(self, fgraph):
        if any(is_a(node.op, Sigmoid) for node in fgraph.apply_nodes):
            self.walk.apply(fgraph)


@overload
def with_pullback(variables: TensorVariable, pullback: Pullback) -> TensorVariable: ...
@overload
def with_pullback(variables: Sequence[Variable], pullback: Pullback) -> list[Variable]: ...


def with_pullback(variables, pullback):
    """Return a copy of a graph in which every sigmoid has the pullback asked for.

    PyTensor's sigmoid and ours are replaced by `Sigmoid`, in the bodies of Scan and OpFromGraph
    too, so that a gradient taken of the copy has the form asked for.  Inputs and parts without
    a sigmoid are shared with the original; what depends on a sigmoid is new, so to differentiate
    with respect to such an intermediate variable, switch it in the same call.

    Parameters
    ----------
    variables
        A variable or a sequence of variables, for example the logp of a PyMC model.
    pullback
        "naive" or "stable"; see `Sigmoid`.

    Returns
    -------
    Variable or list of Variable
        As `variables`.

    Raises
    ------
    ValueError
        `pullback` is neither of the two.
    TypeError
        `variables` is not made of PyTensor variables, for example a compiled function, whose
        gradient is already taken.
    NotImplementedError
        A sigmoid is fused into a Composite: the graph was taken from a compiled function.
    """
    check_pullback(pullback)
    single = isinstance(variables, Variable)
    outputs = [variables] if single else variables
    if (
        not isinstance(outputs, list | tuple)
        or not outputs
        or not all(isinstance(v, Variable) for v in outputs)
    ):
        raise TypeError(
            "with_pullback takes a PyTensor variable or a list of them, got "
            f"{shown(variables)} of type {type(variables).__name__}. Of a PyMC model pass "
            "model.logp(); a compiled function is too late, its gradient is already taken."
        )
    switched = _switch(outputs, pullback)
    return switched[0] if single else switched


def _switch(outputs: Sequence[Variable], pullback: Pullback) -> list[Variable]:
    new: dict[Variable, Variable] = {}
    for node in toposort(outputs):
        inputs = [new.get(i, i) for i in node.inputs]
        replaced = _switch_node(node, inputs, pullback)
        if replaced is None:
            continue
        for old, variable in zip(node.outputs, replaced, strict=True):
            variable.name = old.name
            copy_stack_trace(old, variable)
            new[old] = variable
    return [new.get(v, v) for v in outputs]


def _switch_node(node: Apply, inputs: list[Variable], pullback: Pullback) -> list[Variable] | None:
    if is_sigmoid_node(node) or is_a(node.op, Sigmoid):
        if is_complex(node.inputs[0]):
            return None
        return [Sigmoid(pullback=pullback)(inputs[0])]
    if is_a(node.op, Elemwise) and is_a(node.op.scalar_op, Composite):
        inner = node.op.scalar_op.fgraph.toposort()
        if any(is_a(scalar.op, ScalarSigmoid) for scalar in inner):
            raise NotImplementedError(
                "with_pullback: a sigmoid is fused into a Composite, because the graph comes from "
                "a compiled function. Switch the graph that the function was compiled from."
            )
    op = _switch_op(node.op, pullback)
    if op is None and all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return None
    if op is None:
        return list(node.clone_with_new_inputs(inputs).outputs)
    return list(op.make_node(*inputs).outputs)


def _switch_op(op: Op, pullback: Pullback) -> Op | None:
    """Return `op` with its inner graph switched, None if nothing in it changes."""
    if is_a(op, Blockwise):
        core = _switch_op(op.core_op, pullback)
        if core is None:
            return None
        return Blockwise(core, signature=op.signature, name=op.name, gufunc_spec=op.gufunc_spec)
    if not is_a(op, HasInnerGraph) or not hasattr(op, "clone_with_inner_graph"):
        return None
    inner = op.fgraph.unfreeze()  # type: ignore[attr-defined]
    outputs = _switch(inner.outputs, pullback)
    if all(a is b for a, b in zip(outputs, inner.outputs, strict=True)):
        return None
    return op.clone_with_inner_graph(FunctionGraph(inner.inputs, outputs, clone=False))
