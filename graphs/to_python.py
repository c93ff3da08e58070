"""Print a graph as the Python program that rebuilds it."""

import ast
import base64
import builtins
import keyword
import pickle
import re
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from inspect import signature
from itertools import chain, count
from textwrap import indent
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import pytensor.scalar as ps
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.configdefaults import config
from pytensor.graph import Apply, Constant, Op, Type, Variable
from pytensor.scan.op import ScanInfo
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.graphs.graphlike import Graph, GraphView, view

# Characters of an expression that stays inside the one that uses it, and of all such together;
# elements of an array that is written out.
_INLINE, _ROOM, _LISTED = 44, 64, 50

_OTHERS = ("base64", "pickle", "zlib", "numpy as np")
_OURS = ("pytensor", "pytensor.scalar as ps", "pytensor.tensor as pt", "pytensor_stabilize")
_IMPORTS = {module.split()[-1]: f"import {module}" for module in (*_OTHERS, *_OURS)}
_IMPORTS |= {name: f"from numpy import {name}" for name in ("inf", "nan")}
_RESERVED = {*keyword.kwlist, *dir(builtins), "inputs", "outputs", "_"}
# What repr writes so that Python reads it back.
_PLAIN = (type(None), bool, int, float, complex, str, bytes, tuple, slice, Mapping)

# Spellings by class of the op, or of the scalar op that an Elemwise applies.  A spelling is
# tried on the real operands and printed only if it makes the very node, so the table may be
# generous.  {0} is an operand, {all} are all of them, other names are attributes of the op.
_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "TrueDiv": "/", "IntDiv": "//", "Mod": "%"}
_LOGIC = {"AND": "&", "OR": "|", "XOR": "^", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}
_INFIX = {**_ARITHMETIC, **_LOGIC, "Pow": "**"}
_REDUCTIONS = ("All", "Any", "Max", "Min", "Prod", "Sum")
_REDUCED = ("()", "(axis={axis})", "(axis={axis}, dtype={dtype}, acc_dtype={acc_dtype})")
_SPELLINGS: dict[str, tuple[str, ...]] = {
    **{kind: (f"{{0}} {symbol} {{1}}",) for kind, symbol in _INFIX.items()},
    **{k: tuple(f"{{0}}.{k.lower()}{end}" for end in _REDUCED) for k in _REDUCTIONS},
    "ARange": ("pt.arange({all}, dtype={dtype})",),
    "Cast": ("{0}.astype({ctor})",),
    "CumOp": ("pt.cumsum({0}, axis={axis})", "pt.cumprod({0}, axis={axis})"),
    "DimShuffle": ("{0}.T", "{0}.dimshuffle({new_order})"),
    "Dot": ("pt.dot({0}, {1})",),
    "Eye": ("pt.eye({all}, dtype={dtype})",),
    "IfElse": ("pytensor.conditional.ifelse({0}, {1}, {2})",),
    "IncSubtensor": ("pt.set_subtensor({0}[{index}], {1})", "pt.inc_subtensor({0}[{index}], {1})"),
    "Invert": ("~{0}",),
    "Join": ("pt.join({axis}, {all})",),
    "LogSoftmax": ("pt.special.log_softmax({0}, axis={axis})",),
    "MakeVector": ("pt.stack([{all}])",),
    "Neg": ("-{0}",),
    "Reshape": ("{0}.reshape({1}, ndim={ndim})",),
    "Shape": ("{0}.shape",),
    "Sigmoid": ("pytensor_stabilize.sigmoid({0}, pullback={pullback_form})",),
    "Softmax": ("pt.special.softmax({0}, axis={axis})",),
    "SpecifyShape": ("pt.specify_shape({0}, [{rest}])",),
    "Split": ("pt.split({0}, {1}, n_splits={len_splits}, axis={axis})",),
    "Subtensor": ("{0}[{index}]",),
}


def to_python(variables: Graph) -> str:
    """Print a graph as a short Python program that rebuilds it, for example for a bug report.

    Run, it leaves two lists, `inputs` and `outputs`, and the graph between them is equal to the one
    printed: the same operations, constants, dtypes and static shapes, whatever `floatX` is there.

    Parameters
    ----------
    variables
        A compiled function, a FunctionGraph, a variable or a list of variables.  Shared variables
        have their present values and are not among the `inputs`, so that
        ``pytensor.function(inputs, outputs)`` works.

    Returns
    -------
    str
        The program.  What no public function or constructor makes is in it as a pickle, which a
        comment names; trust it as much as you trust who printed it.

    Raises
    ------
    TypeError
        `variables` is none of the things that count as a graph.
    NotImplementedError
        Something in the graph has no public spelling and cannot be pickled; the message names it.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_stabilize.graphs.to_python import to_python
    >>> print(to_python(1 - pt.sigmoid(pt.dvector("x"))))
    import pytensor.tensor as pt
    <BLANKLINE>
    x = pt.dvector('x')
    out = 1 - pt.sigmoid(x)
    inputs = [x]
    outputs = [out]
    """
    graph, writer = view(variables, "to_python()"), _Writer()
    # The variables that are built on the way need no traces.
    with config.change_flags(traceback__limit=0):
        inputs, outputs = writer.write(graph)
    writer.lines += [f"inputs = {inputs}", f"outputs = {outputs}"]
    return writer.program()


class _Writer:
    """A program in the making; its names stand for the variables of the graph that is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        # Imports, ops and long constants go first, where functions of inner graphs see them too.
        self._definitions = dict(_IMPORTS)
        self._namespace: dict[str, Any] = {}
        exec("\n".join(_IMPORTS.values()), self._namespace)
        self._texts: dict[Variable, str] = {}
        self._inlined: set[Variable] = set()
        self._uses: Counter[Variable] = Counter()
        # By identity: the equality of ops overlooks things, as the mode of a Scan.
        self._known: dict[int, tuple[object, str]] = {}
        self._depends_on_float_x = False

    def program(self) -> str:
        """The program: imports and definitions as far as they are used, then the graph."""
        used, imports, rest = _names("\n".join(self.lines)), list[str](), list(self.lines)
        if self._depends_on_float_x:
            used.add("pytensor")
        for name, text in reversed(self._definitions.items()):
            if name in used:
                used |= _names(text)
                text = re.sub(r"import (\w+) as \1$", r"import \1", text)
                (imports if text.startswith(("import ", "from ")) else rest).insert(0, text)
        if self._depends_on_float_x:
            flags = f"with pytensor.config.change_flags(floatX={config.floatX!r}):"
            rest = [flags, *(indent(text, "    ") for text in rest)]
        return "\n".join([*imports, "", *rest])

    def write(self, graph: GraphView) -> tuple[str, str]:
        """Write the lines of a graph; return the lists of its inputs and outputs."""
        made = {variable for node in graph.nodes for variable in node.outputs}
        operands = [variable for node in graph.nodes for variable in node.inputs]
        for variable in dict.fromkeys([*graph.inputs, *operands, *graph.outputs]):
            if variable not in made and not isinstance(variable, Constant):
                self._assign([variable], self._declaration(variable), "x")
        # Outputs count twice: they get names.
        self._uses.update([*operands, *graph.outputs, *graph.outputs])
        for node in graph.nodes:
            first, text = node.outputs[0], self._expression(node)
            self._texts[first] = text
            if len(node.outputs) == self._uses[first] == 1:
                self._inlined.add(first)
            if first not in self._inlined or len(self._operand(first, 0)) > _INLINE:
                self._assign(node.outputs, text, "out" if first in graph.outputs else "t")
        inputs = [self._texts[v] for v in graph.inputs if not isinstance(v, SharedVariable)]
        outputs = [self._operand(variable, 2) for variable in graph.outputs]
        return f"[{', '.join(inputs)}]", f"[{', '.join(outputs)}]"

    def _assign(self, variables: Sequence[Variable], text: str, default: str) -> None:
        names = [self._fresh(str(variable.name or default)) for variable in variables]
        self.lines.append(f"{', '.join(names)} = {text}")
        self._texts.update(zip(variables, names, strict=True))
        self._namespace.update(zip(names, variables, strict=True))
        self._inlined.difference_update(variables)

    def _fresh(self, wanted: str) -> str:
        """A valid name near to `wanted` that nothing else has."""
        # Python reads names in this normal form: two that differ before may be one.
        name = unicodedata.normalize("NFKC", wanted)
        if not name.isidentifier():
            name = re.sub(r"\W+|^(?=\d)", "_", name, flags=re.ASCII) or "_"
        names = chain([name], (f"{name}_{number}" for number in count(2)))
        name = next(n for n in names if n not in _RESERVED and n not in self._namespace)
        self._namespace[name] = None
        return name

    def _declaration(self, variable: Variable) -> str:
        kind, name = variable.type, "" if variable.name is None else repr(variable.name)
        shape = f"shape={getattr(kind, 'shape', None)})"
        if isinstance(variable, SharedVariable):
            call = f"pytensor.shared({self.value(variable.get_value())}, name={name or None}"
            texts = [f"{call})", f"{call}, {shape}"]
        else:
            tensor = f"pt.tensor({name or None}, dtype={getattr(kind, 'dtype', None)!r}, {shape}"
            texts = [tensor, f"{self.value(kind)}({name})"][kind in _public() :]
        for text in texts:
            if getattr(self._attempt(text), "type", None) == kind:
                return text
        return self.value(variable)

    def _expression(self, node: Apply) -> str:
        lengths = {v: len(self._operand(v, 0)) for v in node.inputs if v in self._inlined}
        for longest in sorted(lengths, key=lengths.__getitem__, reverse=True):
            if sum(lengths.values()) > _ROOM:
                self._assign([longest], self._texts[longest], "t")
                del lengths[longest]
        made = list(node.outputs) if len(node.outputs) > 1 else node.outputs[0]
        for text in self._candidates(node):
            if self._rebuilds(text, made):
                # Without superfluous parentheses.
                return ast.unparse(ast.parse(text))
        raise NotImplementedError(f"to_python() found no spelling of {node}.")

    def _candidates(self, node: Apply) -> Iterator[str]:
        op = node.op.scalar_op if isinstance(node.op, Elemwise) else node.op
        # Of Python numbers only, Python would work out the value itself.
        is_constant = all(isinstance(variable, Constant) for variable in node.inputs)
        levels = [[self._operand(v, level) for v in node.inputs] for level in (0, 1, 2)]
        for operands in levels[is_constant:]:
            for spelling in _SPELLINGS.get(type(op).__name__.removeprefix("Advanced"), ()):
                yield self._fill(spelling, op, operands)
        made = self.value(node.op)
        for operands in levels:
            yield f"{made}({', '.join(operands)})"
        exact, several = ", ".join(levels[2]), "" if len(node.outputs) > 1 else "[0]"
        yield f"{made}.make_node({exact}).outputs{several}"
        # A rewrite may have learnt more about the operands than the types of the node say.
        types = ", ".join(f"{self.value(variable.type)}()" for variable in node.outputs)
        yield f"{self.value(Apply)}({made}, [{exact}], [{types}]).outputs{several}"

    def _fill(self, spelling: str, op: Any, operands: Sequence[str]) -> str:
        """Put operands and attributes of the op where the braces are."""
        fields = {"all": ", ".join(operands), "rest": ", ".join(operands[1:])}
        # The first operand is indexed; the second may be the value that is set.
        numbered = enumerate(operands[1 + hasattr(op, "set_instead_of_inc") :])
        texts, entries = {None: "", **dict[Any, str](numbered)}, getattr(op, "idx_list", ())
        index = [(e.start, e.stop, e.step) if isinstance(e, slice) else (e,) for e in entries]
        fields["index"] = ", ".join(":".join(texts[number] for number in part) for part in index)
        for name in re.findall(r"{([a-z_]+)}", spelling):
            if name not in fields:
                fields[name] = self.value(getattr(op, name, None))
        return spelling.format(*[f"({text})" for text in operands], **fields)

    def _operand(self, variable: Variable, level: int) -> str:
        # At level 0 Python numbers stand for constants, and what PyTensor adds by itself, to
        # broadcast and to index, is left out; level 1 spells the latter out, level 2 all.
        if isinstance(variable, Constant):
            return self._constant(variable, variable.data, level)
        if level == 0 and variable in self._inlined:
            op = variable.owner.op
            is_conversion = op in (pt.scalar_from_tensor, pt.tensor_from_scalar)
            if is_conversion or getattr(op, "is_left_expand_dims", False):
                return self._operand(variable.owner.inputs[0], 0)
        return self._texts[variable]

    def _constant(self, constant: Constant, data: Any, level: int) -> str:
        if data is None and level < 2:
            return "None"
        # What a Python float becomes depends on floatX, unless float32 holds it.
        if level == 0 and getattr(data, "shape", None) == () and data.dtype != "float64":
            is_same = self._same(self._attempt(f"pt.as_tensor({data.item()!r})"), constant)
            if is_same or isinstance(data, np.generic):
                return repr(data.item())
        text = self.value(constant)
        return text if level == 2 else re.sub(r"^p[st]\.constant", "", text)

    def value(self, item: Any) -> str:
        """An expression for a constant, an op, a type or anything that those have in them."""
        if isinstance(item, _PLAIN) and not isinstance(item, np.generic):
            return repr(dict(item) if isinstance(item, Mapping) else item)
        if isinstance(item, list):
            return f"[{', '.join(map(self.value, item))}]"
        if id(item) not in self._known:
            self._known[id(item)] = (item, self._spell(item, type(item).__name__))
        return self._known[id(item)][1]

    def _spell(self, item: Any, name: str) -> str:
        # Whatever goes wrong with a spelling, there is the pickle.
        with suppress(Exception):
            for text in self._value_spellings(item):
                if self._rebuilds(text, item):
                    return text if len(text) <= _INLINE else self._define(name.lower(), text)
        try:
            comment = " ".join(f"{name} {item}".split())
            text = f"pickle.loads({_packed(pickle.dumps(item))})  # {comment}"
            return self._define(name.lower(), text)
        except Exception as error:
            raise NotImplementedError(f"to_python() cannot print {name} {item}: {error}") from error

    def _value_spellings(self, item: Any) -> Iterator[str]:
        if isinstance(item, Op | Type | Constant) and item in _public():
            yield _public()[item]
        elif isinstance(item, Constant):
            value = self.value(item.data if item.data.shape else item.data[()])
            yield f"pt.constant({value})"
            yield f"ps.constant({value})"
        elif isinstance(item, np.ndarray | np.generic):
            details, is_array = f"dtype={item.dtype.name!r}", isinstance(item, np.ndarray)
            if item.size <= _LISTED:
                yield f"np.array({item.tolist()}, {details})" if is_array else repr(item)
            yield f"np.full({item.shape}, {item.ravel()[:1].tolist() or 0}, {details})"
            end = f".reshape({item.shape})" if is_array else "[0]"
            yield f"np.frombuffer({_packed(item.tobytes())}, {details}){end}"
        elif isinstance(item, type | FunctionType):
            name, module = item.__qualname__, item.__module__
            for alias, line in _IMPORTS.items():
                if module.startswith(line.split()[1]):
                    yield f"{alias}.{name}"
            yield self._define(name, module, f"from {{1}} import {name} as {{0}}")
        elif isinstance(item, Op | Type | ScanInfo):
            yield self._constructor(item, ("input_types", *getattr(item, "__props__", ())))
            yield self._constructor(item, [*signature(type(item)).parameters])

    def _constructor(self, item: Any, names: Sequence[str]) -> str:
        """Call the class with the attributes of these names that there are."""
        arguments = [f"*{self._inner_graph(item)}()"] if "outputs" in names else []
        for name in [n for n in names if n not in ("inputs", "outputs", "fgraph", "kwargs")]:
            # Without an attribute of the name it is a method, which is no argument either.
            attribute = getattr(item, name, getattr(item, f"is_{name}", self.value))
            if not isinstance(attribute, MethodType):
                arguments.append(f"{name}={self.value(attribute)}")
        return f"{self.value(type(item))}({', '.join(arguments)})"

    def _inner_graph(self, op: Any) -> str:
        graph = view(op.fgraph.unfreeze(), "to_python()")
        outer, self.lines = self.lines, []
        inputs, outputs = self.write(graph)
        body = "\n    ".join([*self.lines, f"return {inputs}, {outputs}"])
        self.lines = outer
        return self._define("inner", body, "def {0}():\n    {1}")

    def _define(self, wanted: str, text: str, form: str = "{0} = {1}") -> str:
        name = self._fresh(wanted)
        self._definitions[name] = form.format(name, text)
        exec(self._definitions[name], self._namespace)
        return name

    def _attempt(self, text: str) -> Any:
        """What `text` stands for; None if it is wrong."""
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(text, self._namespace)
        return None

    def _rebuilds(self, text: str, old: Any) -> bool:
        """Whether `text` makes the like of `old` here; notes if elsewhere it would not."""
        if not self._same(self._attempt(text), old):
            return False
        with config.change_flags(floatX="float64" if config.floatX != "float64" else "float32"):
            self._depends_on_float_x |= not self._same(self._attempt(text), old)
        return True

    def _same(self, new: Any, old: Any) -> bool:
        """Whether `new` is as good as `old`: of a variable, computed alike from the same ones."""
        # What is pickled need not be equal to itself afterwards.
        _, name = self._known.get(id(old), (None, ""))
        if new is old or new is self._namespace.get(name, self):
            return True
        if type(new) is not type(old) or getattr(new, "type", None) != getattr(old, "type", None):
            return False
        if isinstance(old, np.ndarray | np.generic):
            return (new.dtype, new.shape, new.tobytes()) == (old.dtype, old.shape, old.tobytes())
        if isinstance(old, list):
            return len(new) == len(old) and all(map(self._same, new, old))
        if isinstance(old, Constant):
            return self._same(new.data, old.data)
        if not isinstance(old, Variable):
            return bool(new == old)
        a, b = new.owner, old.owner
        is_made = a is not None and b is not None and new.index == old.index
        return is_made and self._same(a.op, b.op) and self._same(list(a.inputs), list(b.inputs))


@cache
def _public() -> dict[Any, str]:
    """Ops, types and constants that have a name in PyTensor's public modules."""
    names: dict[Any, str] = {}
    for alias, module in (("pt", pt), ("ps", ps)):
        named = {k: v for k, v in vars(module).items() if isinstance(v, Op | Type | Constant)}
        # Of several names, as expit and sigmoid, the op's own.
        for name in sorted(named, key=lambda name: name == str(named[name]).lower()):
            names[named[name]] = f"{alias}.{name}"
    return names


def _packed(data: bytes) -> str:
    return f"zlib.decompress(base64.b64decode({base64.b64encode(zlib.compress(data, 9))!r}))"


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
