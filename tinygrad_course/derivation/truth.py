"""What autodiff says: a captured model computed and differentiated again, on other numbers.

`truth_of` replays the recorded forward operations in float64 on tensors, and differentiates them.
Parameters are drawn around the values they have, examples are drawn from those there are, so that
labels stay labels and probabilities stay probabilities. What a random operation drew is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import autograd, errors
from ..graph import Graph, GraphNode
from ..modes import enable_grad
from ..op import Op
from ..tensor import apply, wrap
from .lines import Derivation, Lengths
from .sizes import Sizes

Values = dict[str, Any]

# Where σ comes closer to 0 or 1 than this, guards against division by zero set in.
SATURATED = 1e-5


@dataclass
class Truth:
    """What autodiff says.

    Attributes:
        leaves: values of the leaves, by name.
        fixed: index of a node -> its value, such as what a random operation drew.
        values: index of a node -> its value.
        slopes: index of a node -> the derivative with respect to it.
    """

    leaves: Values
    fixed: dict[int, Any]
    values: dict[int, Any]
    slopes: dict[int, Any]


def truth_of(d: Derivation, random: np.random.Generator, m: int | None) -> Truth:
    """Differentiate a captured graph's forward pass on new numbers."""
    graph = d.simplifier.original
    sampler = _Sampler(graph, random, m)
    leaves = _consistent(d, sampler.leaves())
    fixed = sampler.drawn()
    numbers = _in_terms_of_m(d, leaves)
    scale = 1.0
    for _ in range(40):
        found = replayed(graph, sampler.scaled(leaves, scale), fixed, numbers)
        if not _saturated(graph, found):
            break
        scale /= 2
    if not all(_finite(x) for x in found.values.values()):
        found = replayed(graph, sampler.captured(leaves), fixed, numbers)
    return found


def _consistent(d: Derivation, leaves: Values) -> Values:
    """Make data exactly, in float64, what the derivation takes them for."""
    s = d.simplifier
    r = s.rewriter
    for i, axis in r.assumed.items():  # labels that sum to 1
        name = r.nodes[i].name
        leaves[name] = leaves[name] / leaves[name].sum(axis=axis, keepdims=True)
    for node in s.original:
        index = s.new.get(node.index, 0)
        if node.name in leaves and r.is_op(index, "neg"):  # data of the values −Y
            leaves[r.nodes[r.inputs(index)[0]].name] = -leaves[node.name]
        elif node.name in leaves and r.is_op(index, "sub"):  # data of the values 1 − Y
            leaves[node.name] = 1 - leaves[r.nodes[r.inputs(index)[1]].name]
    return leaves


def _in_terms_of_m(d: Derivation, leaves: Values) -> dict[tuple[int, int], float]:
    """Return the numbers that the derivation takes for 1/m and the like, for these examples."""
    found = {}
    for use, (k, places) in d.simplifier.by_m.items():
        for leaf, place, exponent in places:
            k = k * float(leaves[d.simplifier.original[leaf].name].shape[place]) ** exponent
        found[use] = k
    return found


class _Sampler:
    """Draws numbers for the leaves of a graph, from those they have."""

    def __init__(self, graph: Graph, random: np.random.Generator, m: int | None) -> None:
        self.graph = graph
        self.random = random
        self.sizes = Sizes.of(graph)
        symbols = {self.sizes.length(a): a for axes in self.sizes.axes for a in axes}
        self.axis = self.sizes.root(symbols["m"]) if m is not None and "m" in symbols else None
        known = self.sizes.symbols().get("m", 1)
        # Drawn once, so that each example keeps its label.
        self.rows = random.integers(0, max(known, 1), m or 0)
        if m == known:
            self.rows = random.permutation(known)

    def leaves(self) -> Values:
        """Return values for parameters and data, by name."""
        found = {}
        for node in self.graph:
            if node.op is not None or node.role not in ("parameter", "data", "state"):
                continue
            if node.value is None:
                raise errors.GraphError(
                    f"verify: the value of {node.name!r} was overwritten after it was used, most "
                    "often by optimizer.step(). Derive the equations before the step."
                )
            found[node.name] = self.picked(node) if node.role == "data" else self.moved(node)
        return found

    def moved(self, node: GraphNode) -> Any:
        """Return a parameter with other values; what is 0 throughout, such as a bias, is drawn.

        States of optimizers, such as means of squares, stay positive.
        """
        value = self.rows_of(node)  # of X, by which a derivative is asked
        if value.dtype.kind != "f":
            return value
        if not value.any():
            drawn = self.random.normal(0, 0.1, value.shape)
            return drawn if node.role == "parameter" else np.abs(drawn)
        return value * self.random.uniform(0.8, 1.2, value.shape)

    def picked(self, node: GraphNode) -> Any:
        """Return data of other examples, drawn from those there are."""
        value = self.rows_of(node)
        value = value.astype(np.float64) if value.dtype.kind == "f" else value
        if value.dtype.kind == "f" and _is_measured(value):
            value = value * self.random.uniform(0.8, 1.2, value.shape)
        return value

    def rows_of(self, node: GraphNode) -> Any:
        """Return the values of a leaf for the examples picked."""
        value = np.asarray(node.value)
        for place, axis in enumerate(self.sizes.axes[node.index]):
            if self.axis is not None and self.sizes.root(axis) == self.axis:
                value = np.take(value, self.rows, place)
        return value

    def drawn(self) -> dict[int, Any]:
        """Return what the random operations drew, for the examples picked."""
        return {
            n.index: (np.asarray(self.picked(n)) != 0) / (n.params["keep"] or 1.0)
            for n in self.graph
            if n.op is not None and n.op.kind == "random" and n.value is not None
        }

    def scaled(self, leaves: Values, factor: float) -> Values:
        """Return the leaves with the parameters multiplied by a factor."""
        names = {n.name for n in self.graph if n.role == "parameter" and n.dtype.kind == "f"}
        return {k: x * factor if k in names and factor != 1 else x for k, x in leaves.items()}

    def captured(self, leaves: Values) -> Values:
        """Return the leaves with the parameters as they were captured."""
        kept = {n.name: np.asarray(n.value) for n in self.graph if n.role == "parameter"}
        return {**leaves, **{name: value for name, value in kept.items() if name in leaves}}


def _is_measured(value: Any) -> bool:
    """Return True for data that are neither labels, whole numbers, nor probabilities."""
    inside = np.min(value, initial=0) >= 0 and np.max(value, initial=0) <= 1
    return not inside and not bool((value == np.round(value)).all())


def replayed(
    graph: Graph,
    leaves: Values,
    fixed: dict[int, Any],
    numbers: dict[tuple[int, int], float] | None = None,
) -> Truth:
    """Record the forward operations again, on other leaves in float64, and differentiate.

    Args:
        graph: captured.
        leaves: values of parameters and data, by name.
        fixed: values of other nodes, by index.
        numbers: (node, input) -> a number that the node reads in place of this input.
    """
    numbers = numbers or {}
    lengths = Lengths(graph, Sizes.of(graph), leaves)
    tensors: dict[int, Any] = {}
    with enable_grad():
        for node in graph:
            if node.is_backward or node.role == "update":
                continue
            if node.op is not None and node.index not in fixed:
                if not all(i in tensors for i in node.inputs):
                    raise errors.GraphError(
                        f"verify: {node.name!r} is computed after an update. Trace one step."
                    )
                operands = tuple(numbers.get((node.index, i), tensors[i]) for i in node.inputs)
                tensors[node.index] = apply(node.op, operands, _wide(node.op, lengths.params(node)))
                continue
            value = fixed.get(node.index, leaves.get(node.name, node.value))
            if node.role == "constant":
                tensors[node.index] = _plain(value)
                continue
            array = np.array(value, np.float64 if node.dtype.kind == "f" else None)
            tensors[node.index] = wrap(array)
            tensors[node.index]._requires_grad = node.role == "parameter"
        outputs = [tensors[n.index] for n in graph.outputs]
    values = {i: np.asarray(getattr(x, "_data", x)) for i, x in tensors.items()}
    slopes: dict[int, Any] = {}
    if graph.has_backward:
        wanted = [n.index for n in graph if n.grad is not None and n.index in tensors]
        inputs = [tensors[i] for i in wanted]
        seeds = [np.ones(y.shape) for y in outputs]
        found = autograd.grad(outputs, inputs, seeds, allow_unused=True)
        for i, g in zip(wanted, found, strict=True):
            slopes[i] = np.zeros(values[i].shape) if g is None else g._data
    known = dict(values)
    for i, g in slopes.items():
        grad = graph[i].grad
        if grad is not None:
            known[grad] = g
    for node in graph:
        if node.role == "update" and node.op is not None:
            params = _wide(node.op, node.params)
            arrays = [known[i] for i in node.inputs]
            known[node.index] = values[node.index] = node.op.forward(*arrays, **params)
    return Truth(leaves, fixed, values, slopes)


def _wide(op: Op, params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters for computing in float64."""
    dtype = params.get("dtype")
    narrow = dtype is not None and np.dtype(dtype).kind == "f"
    return {**params, "dtype": "float64"} if narrow else params


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.ndarray, np.generic)) else value


def _saturated(graph: Graph, truth: Truth) -> bool:
    for node in graph:
        if node.op is not None and node.op.name == "sigmoid" and not node.is_backward:
            a = truth.values[node.index]
            if a.size and np.min(a * (1 - a)) < SATURATED:
                return True
    return False


def _finite(value: Any) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())
