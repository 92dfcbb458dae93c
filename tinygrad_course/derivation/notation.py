"""One model in another notation: examples as rows or as columns, and the names of a course.

`relayout` computes a recorded loss once more with every matrix transposed, so that a model with
examples as rows (Z = X W + b) is written with examples as columns (Z = W X + b), or the other way
round. It is the same function of transposed data and parameters; its derivatives follow from it as
from any other.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import errors
from ..graph import Graph, GraphNode
from ..modes import enable_grad, record_all
from ..random import Generator
from ..tensor import Tensor, apply, wrap
from .sizes import Sizes

NOTATIONS = ("columns", "rows", "welch")

_LAYER = re.compile(r"(.*)\[(\d+)\]")
# Taken along an axis: with the axes swapped, the axis is the other one.
_ALONG = ("sum", "mean", "amax", "amin", "softmax", "log_softmax", "logsumexp", "norm2", "cumsum",
          "take_along_axis", "argmax", "argmin", "flip", "join", "one_hot",
          "remove_axes", "count")  # fmt: skip
_PRODUCTS = ("affine", "matrix_product")


def relayout(source: Any, notation: str) -> Any:
    """Return the loss written in a notation; `source` itself when it is written so already.

    Raises:
        GraphError: the graph holds an operation that has no transposed form here.
    """
    wanted = {"welch": "rows"}.get(notation, notation)
    if wanted == "auto" or not isinstance(source, (Tensor, Graph)):
        return source
    graph = source if isinstance(source, Graph) else Graph.of(source)
    own = layout_of(graph)
    if own in (None, wanted):
        return source
    return _Transposed(graph, wanted).graph()


def layout_of(graph: Graph) -> str | None:
    """Return "rows" or "columns", as the examples of the data lie; None when there is no saying.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> model = nn.Dense(2, 3, layout="columns")
        >>> layout_of(tc.Graph.of(model(tc.ones(2, 5))))
        'columns'
    """
    sizes = Sizes.of(graph)
    for node in graph:
        if node.op is not None and node.op.name in ("affine", "matrix_product"):
            axes = sizes.axes[node.index]
            if len(axes) == 2:
                if sizes.counts(axes[0]) and not sizes.counts(axes[1]):
                    return "rows"
                if sizes.counts(axes[1]) and not sizes.counts(axes[0]):
                    return "columns"
    return None


class _Transposed:
    """Computes a graph's forward pass with every matrix transposed."""

    def __init__(self, graph: Graph, layout: str) -> None:
        self.old = graph
        self.layout = layout
        # (node, transposed?) -> tensor.
        self.made: dict[tuple[int, bool], Any] = {}
        self.leaves: dict[int, Tensor] = {}
        self.users: dict[int, list[GraphNode]] = {}
        for node in graph:
            if not node.is_backward:
                for i in node.inputs:
                    self.users.setdefault(i, []).append(node)

    def graph(self) -> Graph:
        with enable_grad(), record_all():
            outputs = [self.value(n.index, len(n.shape) == 2) for n in self.old.outputs]
        backward = all(y.requires_grad and y._data.size == 1 for y in outputs)
        return Graph.of(outputs, backward=backward)

    def value(self, index: int, transposed: bool) -> Any:
        """Return a node's value, transposed or not, computing what it needs first."""
        stack = [(index, transposed)]
        while stack:
            key = stack[-1]
            if key in self.made:
                stack.pop()
                continue
            needed = [k for k in self._needs(*key) if k not in self.made]
            if needed:
                stack.extend(needed)
                continue
            self.made[key] = self._compute(*key)
            stack.pop()
        return self.made[index, transposed]

    def _needs(self, index: int, transposed: bool) -> list[tuple[int, bool]]:
        """Return the inputs in the form in which a node is computed from them."""
        node = self.old[index]
        if node.op is None:
            return []
        name = node.op.name
        if name == "matrix_transpose":
            return [(node.inputs[0], not transposed)]
        if name in _PRODUCTS and transposed:
            return [(i, len(self.old[i].shape) == 2) for i in node.inputs]
        flipped = transposed if len(node.shape) == 2 else True
        if node.shape == () and node.params.get("axis", 0) is None:
            flipped = not self._is_kept(node.inputs[0])  # a sum over all elements
        return [(i, flipped and len(self.old[i].shape) == 2) for i in node.inputs]

    def _is_kept(self, index: int) -> bool:
        """Return True for W², say, where W is only ever transposed before it multiplies."""
        node = self.old[index]
        while node.op is not None and node.op.kind == "elementwise":
            matrices = {i for i in node.inputs if len(self.old[i].shape) == 2}
            if len(matrices) != 1:
                return False
            node = self.old[matrices.pop()]
        ops = {n.op.name for n in self.users.get(node.index, []) if n.op is not None}
        return node.op is None and "matrix_transpose" in ops and not ops.intersection(_PRODUCTS)

    def _compute(self, index: int, transposed: bool) -> Any:
        node = self.old[index]
        if node.op is None:
            return self._leaf(node, transposed)
        inputs = [self.made[key] for key in self._needs(index, transposed)]
        name = node.op.name
        if name == "matrix_transpose":
            return inputs[0]
        if name in _PRODUCTS and transposed:
            swapped = (inputs[1], inputs[0], *(self._bias(c) for c in inputs[2:]))
            return self._named(apply(node.op, swapped), node)
        if node.op.kind == "random":
            return self._drawn(node, inputs, transposed)
        if not transposed and len(node.shape) == 2 and node.op.kind != "elementwise":
            self._refuse(node)
        params = node.params
        if name in _ALONG and len(self.old[node.inputs[0]].shape) == 2:
            params = {**params, "axis": _other_axis(params["axis"])}
        elif node.op.kind not in ("elementwise", "custom") and name not in (*_ALONG, "inner"):
            if any(len(self.old[i].shape) == 2 for i in node.inputs):
                self._refuse(node)
        if node.op.kind == "elementwise" and transposed:
            inputs = [self._bias(x) for x in inputs]
        if name == "insert_axes" and len(node.shape) == 2:
            params = {**params, "axis": _other_axis(params["axis"])}
        if name == "one_hot":
            params = {**node.params, "axis": -3 - node.params["axis"]}
        return self._named(apply(node.op, tuple(inputs), params), node)

    def _drawn(self, node: GraphNode, inputs: list[Any], transposed: bool) -> Any:
        """Return a random operation with what it drew."""
        assert node.op is not None
        made = apply(node.op, tuple(inputs), {**node.params, "generator": Generator(0)})
        if node.value is not None and made._node is not None:
            value = np.asarray(node.value)
            made._data = made._node._data = value.T.copy() if transposed else value
        return self._named(made, node)

    def _bias(self, x: Any) -> Any:
        """Return a vector that was broadcast over rows as a column, or a column as a vector."""
        if self.layout == "columns" and isinstance(x, Tensor) and x.ndim == 1:
            return x.unsqueeze(1)
        return x

    def _leaf(self, node: GraphNode, transposed: bool) -> Any:
        if node.role == "constant":
            return node.value
        known = self.leaves.get(node.index)
        if known is not None:
            return known.T
        if node.value is None:
            raise errors.GraphError(
                f"equations: the value of {node.name!r} was overwritten since it was used. Derive "
                "the equations before optimizer.step()."
            )
        array = np.asarray(node.value)
        if transposed:
            array = np.ascontiguousarray(array.T)
        elif array.ndim == 1 and self._is_bias(node):
            array = array.reshape(-1, 1)
        if transposed and self.layout == "rows" and array.shape[0] == 1 and self._is_bias(node):
            array = array.reshape(-1)
        leaf = wrap(array.copy())
        leaf._name = node.name
        leaf._requires_grad = node.role == "parameter"
        self.leaves[node.index] = leaf
        return leaf

    def _is_bias(self, node: GraphNode) -> bool:
        """Return True for a leaf that only ever meets matrices element by element: b, γ."""
        users = self.users.get(node.index, [])
        return bool(users) and all(
            n.op is not None
            and len(n.shape) == 2
            and (n.op.kind == "elementwise" or n.op.name == "affine" and n.inputs[2] == node.index)
            for n in users
        )

    def _named(self, value: Any, node: GraphNode) -> Any:
        if not node.anonymous and isinstance(value, Tensor):
            value.name = node.name
        return value

    def _refuse(self, node: GraphNode) -> None:
        assert node.op is not None
        raise errors.GraphError(
            f"equations: {node.op.name!r} ({node.name}, of shape {node.shape}) cannot be written "
            f"with examples as {self.layout}. Use notation='auto' for the model's own layout."
        )


def _other_axis(axis: Any) -> Any:
    """Return an axis of a matrix as it counts in the transposed one."""
    if axis is None:
        return None
    if isinstance(axis, tuple):
        return tuple(_other_axis(a) for a in axis)
    return 1 - axis % 2


def names_in(notation: str, derivation: Any) -> dict[str, str]:
    """Return how a notation calls the values of a derivation, where it differs from W[1], Z[1]."""
    if notation != "welch":
        return {}
    names: dict[str, str] = {}
    layers = [int(m[2]) for m in map(_LAYER.fullmatch, _all_names(derivation)) if m]
    last = max(layers, default=0)
    for name in _all_names(derivation):
        layer = _LAYER.fullmatch(name)
        if layer is None:
            continue
        stem, number = layer[1], int(layer[2])
        if stem in ("Z", "A"):
            names[name] = f"{stem.lower()}({number + 1})"
        elif stem in ("dZ", "dA"):
            letter = "δ" if stem == "dZ" else "∂J/∂a"
            names[name] = f"{letter}({number + 1})"
        elif stem.startswith("d"):
            names[name] = f"∂J/∂{stem[1:]}({number})"
        else:
            names[name] = f"{stem}({number})"
    names[f"A[{last}]"] = "ŷ"
    names[f"dA[{last}]"] = "∂J/∂ŷ"
    names["Y"] = "y"
    return names


def _all_names(derivation: Any) -> list[str]:
    return [line.name for line in derivation.lines] + [n.name for n in derivation.leaves]
