"""The derived operations, run on what a learner computed: what each of their values should be.

A `Tape` holds a derivation twice over, as one list of operations: in its simplest form, where
dZ = A − Y, and link by link, where dA has a line of its own and dZ = dA · g′(Z). A value may thus
have two recipes, and the learner may have followed either. `Tape.run` computes each value from the
learner's own values before it where they gave them, so that an error shows at the operation where
it arose and not at all that inherit it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import naming, op
from ..derivation.lines import Derivation
from ..derivation.writer import Writer
from ..graph import GraphNode

Array = NDArray[Any]
Values = Sequence[Array | None]
# Given a node and what its operation yields, what later operations read.
Reader = Callable[[int, Array | None], Array | None]

# What calling an operation costs, as a number of numbers.
CALL = 5000

# Operations whose result is as exact as the sizes of the terms they add allow.
_LINEAR = frozenset(
    "clone neg mul div matrix_product matrix_transpose sum mean add sub affine inner sum_like "
    "broadcast_like reshape_like reshape_to insert_axes remove_axes permute_axes einsum".split()
)


class Tape:
    """The operations of a derivation, by short names and ready to run.

    Args:
        plain: the derivation in its simplest form, in true derivatives.
        linked: the same link by link.

    Attributes:
        nodes: all operations and leaves; each after its inputs.
        names: short name -> node, such as ``dW1``.
        called: node -> short name, of values that have a meaning.
        of: node that is a derivative -> node whose derivative it is.
        grad: node -> its derivative.
        also: node -> another node that computes the same value in another way.
        leaves: the parameters and data.
        coefficients: numbers such as 1/m.
        shown: node -> what the learner calls it.
        right: the value of every node.
        m: the number of examples, None when there is no such axis.
        opaque: True when only the values are known, and not how they are computed.
    """

    def __init__(self, plain: Derivation, linked: Derivation) -> None:
        self.plain = plain
        self.m = plain.m
        self.nodes: list[GraphNode] = list(plain.graph)
        self.names = _names(plain.graph)
        self.also: dict[int, int] = {}
        self._linked_from: dict[int, int] = {}
        self._order: dict[int, int] = {}
        self._add(linked)
        self._again = {again: i for i, again in self.also.items()}
        self._separate()
        self.called = {i: name for name, i in reversed(self.names.items())}
        self.leaves = {i for i, n in enumerate(self.nodes) if n.op is None and i in self.called}
        self.of: dict[int, int] = {}
        self.grad: dict[int, int] = {}
        for name, i in self.names.items():
            derivative = self.names.get(_derivative(name))
            if derivative is not None and not name.startswith(("d", "∂")):
                self.grad[i] = derivative
                self.of.setdefault(derivative, i)
        self.users: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for i in set(node.inputs):
                self.users[i].append(node.index)
        self.coefficients = self._coefficients()
        self.shown: dict[int, str] = {}
        self.opaque = False
        self.right = self.run(lambda i, value: value)[0]
        self._writers: tuple[_Names, ...] = (_Names(self, plain), _Names(self, linked))

    def _add(self, linked: Derivation) -> None:
        """Append what only the derivation link by link has, and other recipes."""
        names = _names(linked.graph)
        place = {i: self.names[name] for name, i in names.items() if name in self.names}
        own = [i for name, i in names.items() if name not in self.names]
        again = [
            i
            for name, i in names.items()
            if name in self.names
            and linked.graph[i].is_backward
            and _reads(linked.graph, i, names) != _reads(self.nodes, self.names[name], self.names)
        ]
        wanted: set[int] = set()
        stack = [*own, *again]
        while stack:
            i = stack.pop()
            if i not in wanted:
                wanted.add(i)
                stack.extend(k for k in linked.graph[i].inputs if k not in place)
        for i in sorted(wanted):
            node = linked.graph[i]
            index = len(self.nodes)
            inputs = tuple(place[k] for k in node.inputs)
            self._linked_from[index] = i
            self.nodes.append(replace(node, index=index, inputs=inputs))
            if i in place:
                self.also[place[i]] = index
            else:
                place[i] = index
        self.names.update((name, place[i]) for name, i in names.items())
        self._order = {place[i]: i for i in names.values()}

    def _separate(self) -> None:
        """Give a value with two names (of v = a + u: dv = da = du) a node for each name."""
        seen: set[int] = set()
        for name, i in self.names.items():
            if i in seen:
                node = replace(
                    self.nodes[i],
                    index=len(self.nodes),
                    op=op.find("clone"),
                    inputs=(i,),
                    params={},
                )
                self.names[name] = node.index
                self._order[node.index] = self._order.get(i, i)
                self.nodes.append(node)
            seen.add(i)

    def copy(self) -> Tape:
        """Return a tape that can be given a learner's names without changing this one."""
        other = copy.copy(self)
        other.called, other.shown = dict(self.called), dict(self.shown)
        other._writers = tuple(_Names(other, w.d) for w in self._writers)
        return other

    @property
    def cost(self) -> int:
        """The node of the cost."""
        return self.plain.graph.outputs[0].index

    def order(self, index: int) -> tuple[bool, int]:
        """Return when a value is computed: forward before backward."""
        return self.nodes[index].is_backward, self._order.get(index, index)

    def recipes(self, index: int) -> list[int]:
        """Return the nodes that compute a value."""
        return [index, self.also[index]] if index in self.also else [index]

    def _coefficients(self) -> set[int]:
        found: set[int] = set()
        for i, node in enumerate(self.nodes):
            counts = node.op is not None and node.op.name == "count"
            if node.role == "constant" or counts:
                found.add(i)
            elif node.op is not None and node.shape == () and found.issuperset(node.inputs):
                found.add(i)
        return found - set(self.called)

    def own(self, index: int) -> int:
        """Return the value that a node computes, when it is another recipe for it."""
        return self._again.get(index, index)

    def is_gradient(self, index: int) -> bool:
        """Return True for the derivative by a parameter."""
        of = self.of.get(index)
        return of is not None and self.nodes[of].role == "parameter"

    def is_scaled(self, index: int) -> bool:
        """Return True for derivatives that courses write m times as large: dZ, dA."""
        return index in self.of and self.nodes[self.of[index]].role != "parameter"

    # --- running ----------------------------------------------------------------------------

    def run(self, read: Reader) -> tuple[list[Array | None], list[Array | None]]:
        """Compute every node from what `read` makes of those before it.

        Returns:
            What each operation yields, and what later ones read; None where shapes do not fit.
        """
        computed: list[Array | None] = []
        reads: list[Array | None] = []
        for node in self.nodes:
            value = (
                leaf(node) if node.op is None else forward(node, [reads[i] for i in node.inputs])
            )
            computed.append(value)
            reads.append(read(node.index, value))
        return computed, reads

    def region(self, index: int, given: Collection[int]) -> list[int]:
        """Return the nodes behind `index` down to those in `given`, oldest first."""
        found: set[int] = set()
        stack = [index]
        while stack:
            i = stack.pop()
            if i in found or (i != index and i in given):
                continue
            found.add(i)
            stack.extend(self.nodes[i].inputs)
        return sorted(found)

    def path(self, start: int, to: int, region: list[int]) -> list[int]:
        """Return the operations of a region that lead from one node to another, oldest first."""
        found = {start}
        for i in region:
            if start < i <= to and not found.isdisjoint(self.nodes[i].inputs):
                found.add(i)
        found.remove(start)
        return sorted(found) if to in found or to == start else []

    def rerun(self, changed: int, value: Array, path: list[int], reads: Values) -> Array | None:
        """Return what the end of a path becomes when its start yields `value`.

        It is None where shapes clash.
        """
        new: dict[int, Array | None] = {changed: value}
        result: Array | None = value
        for i in path:
            node = self.nodes[i]
            if node.shape == () and node.op is not None and node.op.name in ("sum", "mean"):
                node = replace(node, params={**node.params, "axis": None})
            result = forward(node, [new[k] if k in new else reads[k] for k in node.inputs])
            if result is None and _is_shape(node):
                result = new.get(node.inputs[0])  # a wrong shape passes on as it is
            if result is None:
                return None
            new[i] = result
        return result

    def work(self, index: int) -> int:
        """Return about how many numbers an operation handles, and no less than its call costs."""
        node = self.nodes[index]
        sizes = [self.nodes[i].size for i in node.inputs]
        if node.op is not None and node.op.name in ("matrix_product", "affine"):
            return CALL + sizes[0] * self.nodes[node.inputs[1]].shape[-1]
        return CALL + node.size + sum(sizes)

    def magnitude(self, index: int, region: set[int], reads: Values) -> Array | None:
        """Return how large the terms were that a value was summed from."""
        node = self.nodes[index]
        if node.op is None or node.op.name not in _LINEAR:
            return _size(reads[index])
        parts = [
            self.magnitude(i, region, reads) if i in region else _size(reads[i])
            for i in node.inputs
        ]
        if node.op.name in ("sub", "neg"):
            return None if any(p is None for p in parts) else np.asarray(sum(parts))  # type: ignore[arg-type]
        return forward(node, parts)

    # --- writing ----------------------------------------------------------------------------

    def name(self, index: int) -> str:
        """Return what to call a value: as the learner does, if they handed it in."""
        return self.shown.get(index) or self.called.get(index, "")

    def write(self, index: int, inside: bool = False) -> str:
        """Return a node as text: its name, or its expression.

        Args:
            index: the node.
            inside: write the expression even of a node that has a name.
        """
        name = self.name(index)
        if name and not inside:
            return name
        linked = index in self._linked_from
        return self._writers[linked].text(self._linked_from.get(index, index), inside)

    def behind(self, index: int, given: Collection[int] = ()) -> set[int]:
        """Return the nodes behind a value, in any of its recipes."""
        return {i for recipe in self.recipes(index) for i in self.region(recipe, given)}

    def owner(self, index: int, towards: int) -> int:
        """Return the value, on the way to `towards`, in whose line a node stands."""
        region = self.behind(towards)
        i = index
        while True:
            i = self.own(i)
            if i == towards or i in self.called:
                return i
            i = min(k for k in self.users[i] if k in region)

    def has_line(self, index: int) -> bool:
        """Return True for values that the equations give a line of their own."""
        if self.is_linked(index):
            return index in self.called
        return self.plain.name_of(index) is not None

    def is_linked(self, index: int) -> bool:
        """Return True for operations that only the derivation link by link has."""
        return index >= len(self.plain.graph)


def leaf(node: GraphNode) -> Array | None:
    """Return the value of a leaf, in float64 when it is a float."""
    if node.value is None:
        return None
    value = np.asarray(node.value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def forward(node: GraphNode, inputs: Values) -> Array | None:
    """Return what an operation yields, None where an operand is missing or does not fit."""
    if any(x is None for x in inputs):
        return None
    assert node.op is not None
    if node.op.name == "clone":
        return np.asarray(inputs[0])
    try:
        with np.errstate(all="ignore"):
            return np.asarray(node.op.forward(*inputs, **node.params))
    except (ValueError, IndexError, TypeError):
        return None


def _is_shape(node: GraphNode) -> bool:
    names = ("reshape_like", "reshape_to", "insert_axes", "remove_axes", "sum_like", "clone")
    return node.op is not None and node.op.name in names


def _size(value: Array | None) -> Array | None:
    return None if value is None else np.abs(value)


# --- names ----------------------------------------------------------------------------------------


def _names(graph: Any) -> dict[str, int]:
    """Return short names of the values that have a meaning, in the order of computing."""
    found: dict[str, int] = {}
    layers = _layers(graph)
    for node in graph:
        if node.role == "constant" or node.is_backward or node.anonymous:
            continue
        if node.index not in layers:
            found.setdefault(naming.compact(node.name), node.index)
    cost = graph.outputs[0]
    if cost.index not in found.values():
        found.setdefault("J", cost.index)
    called = {i: name for name, i in found.items()}
    for index, name in layers.items():
        node = graph[index]
        if name in found:  # the user calls another value so
            name = f"{node.op.symbol}({called.get(node.inputs[0], '')})"
        if found.setdefault(name, index) == index:
            called[index] = name
    for node in graph:
        if node.grad is None or node.index not in called or node.is_backward:
            continue
        if graph[node.grad].role != "constant" and node.role != "loss":
            found.setdefault(_derivative(called[node.index]), node.grad)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _reads(nodes: Any, index: int, names: Mapping[str, int]) -> set[str]:
    """Return the values with a name that a line reads."""
    named = {i: name for name, i in names.items()}
    found: set[str] = set()
    stack = list(nodes[index].inputs)
    while stack:
        i = stack.pop()
        if i in named:
            found.add(named[i])
        else:
            stack.extend(nodes[i].inputs)
    return found


def _derivative(name: str) -> str:
    """Return the short name of a derivative: dZ1, ∂J/∂relu(Z1)."""
    return f"d{name}" if re.fullmatch(r"\w+ᵀ?", name) else f"∂J/∂{name}"


def _layers(graph: Any) -> dict[int, str]:
    """Return ``Z1``, ``A1``, … for what the layer of W1 computes, where no one named it so.

    Z1 is the product with W1 plus the bias, A1 the activation of it.
    """
    found: dict[int, str] = {}
    for node in graph:
        if node.is_backward or node.op is None or not _is_unnamed(node):
            continue
        inputs = [graph[i] for i in node.inputs]
        weight = next((_number(n.name) for n in inputs if n.role == "parameter"), None)
        if node.op.name in ("matrix_product", "affine") and weight is not None:
            found[node.index] = f"Z{weight}"
        elif node.op.name == "add" and inputs[0].index in found and _is_bias(inputs[1]):
            found[node.index] = found.pop(inputs[0].index)
        elif node.op.name in naming.ACTIVATIONS and found.get(inputs[0].index, "A")[0] == "Z":
            found[node.index] = "A" + found[inputs[0].index][1:]
    return found


def _is_unnamed(node: GraphNode) -> bool:
    return node.anonymous or re.fullmatch(r"[ZAza]\d*", node.name) is not None


def _is_bias(node: GraphNode) -> bool:
    return node.role == "parameter" and node.name.startswith("b")


def _number(name: str) -> str | None:
    """Return the number in the name of a weight: "1" of W1 and W[1]."""
    match = re.fullmatch(r"[Ww](\d+)", naming.compact(name))
    return match[1] if match else None


class _Names(Writer):
    """Writes the expressions of one derivation with a tape's names."""

    def __init__(self, tape: Tape, derivation: Derivation) -> None:
        super().__init__(derivation)
        self.tape = tape
        self.short = {i: name for name, i in _names(derivation.graph).items()}

    def operand(self, index: int) -> tuple[str, int]:
        name = self.short.get(index)
        if name is not None:
            return self.tape.name(self.tape.names[name]), 9
        node = self.d.graph[index]
        if node.op is None:
            return super().operand(index)
        return self._compute(node)

    def text(self, index: int, inside: bool) -> str:
        node = self.d.graph[index]
        written = self._compute(node) if inside and node.op is not None else self.operand(index)
        return tidy(written[0])


def tidy(text: str) -> str:
    """Return a text with a real minus sign, and numbers as people write them."""
    text = re.sub(r"\d+\.\d{5,}(e-?\d+)?", lambda match: f"{float(match[0]):.4g}", text)
    return re.sub(r" - |(?<![\w)])-(?=[\w(])", _minus, text)


def _minus(match: re.Match[str]) -> str:
    return " − " if " " in match[0] else "−"
