"""Replaying a graph: the same operations, in the same order, on other values of the leaves.

A graph is captured from particular arrays but holds for others: for any number of examples too,
where the program did not write it down in a way that nobody can follow. Lengths that operations
carry as parameters (``reshape(400, 64)``) are adapted to the data that is given.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import errors
from .graph import Graph, GraphNode
from .messages import CAUGHT, explain
from .naming import compact, derivative_name
from .tensor import to_array

if TYPE_CHECKING:
    from .derivation.sizes import Sizes


def evaluate(graph: Graph, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return outputs, derivatives of parameters and new states by name; see `Graph.evaluate`."""
    results = run(graph, values)
    found: dict[str, Any] = {}
    for node in graph.outputs:
        found[node.name] = np.array(results[node.index])
    # What a parameter shares its derivative with was not asked for.
    shared = {n.grad for n in graph if n.op is None and n.role == "parameter"}
    for node in graph:
        if node.grad is not None and _is_wanted(graph, node, shared):
            found[derivative_name(node.name)] = np.array(results[node.grad])
    for state, new in graph.updates:
        found[graph[state].name] = np.array(results[new])
    return found


def _is_wanted(graph: Graph, node: GraphNode, shared: set[int | None]) -> bool:
    """Return whether the derivative with respect to a node was asked for."""
    assert node.grad is not None
    if node.op is None:
        return node.role == "parameter"
    g = graph[node.grad]
    return g.role == "gradient" and g.grad_of == node.index and node.grad not in shared


def run(graph: Graph, values: Mapping[str, Any]) -> list[Any]:
    """Return the value of every node; see `Graph.run`."""
    given = _given(graph, values)
    lengths = _Lengths(graph, given)
    results: list[Any] = []
    with np.errstate(all="ignore"):
        for node in graph:
            if node.index in given:
                results.append(given[node.index])
            elif node.op is None:
                results.append(lengths.value(node))
            else:
                results.append(_compute(node, results, lengths))
    if lengths.changed:
        _check_sums(graph, results)
    return results


def _check_sums(graph: Graph, results: list[Any]) -> None:
    """Raise when a derivative lacks the sum over examples, which are more than were captured.

    With one example, the bias (n, 1) of a layer has the shape of what it is added to: no sum was
    recorded.
    """
    for node in graph:
        if node.grad is not None and np.shape(results[node.grad]) != np.shape(results[node.index]):
            raise errors.ShapeError(
                f"Graph.evaluate: the graph was captured with one example, where the derivative of "
                f"{node.name} needs no sum over examples. Capture it with two examples or more."
            )


def _compute(node: GraphNode, results: list[Any], lengths: _Lengths) -> Any:
    assert node.op is not None
    arrays = [results[i] for i in node.inputs]
    params = lengths.params(node, arrays) if lengths.changed else node.params
    try:
        return node.op.forward(*arrays, **params)
    except CAUGHT as error:
        try:
            explain(node.op, arrays, params, error)
        except errors.TinygradCourseError as ours:
            raise type(ours)(f"Graph.evaluate: {node.name} cannot be computed. {ours}") from None


# --- values -------------------------------------------------------------------------------------


def _given(graph: Graph, values: Mapping[str, Any]) -> dict[int, Any]:
    """Return the given values by index, each in its leaf's dtype."""
    if not values:
        return {}
    leaves: dict[str, GraphNode] = {}
    for node in reversed(graph.nodes):
        if (node.op is None and node.role != "constant") or _is_draw(node):
            leaves[compact(node.name)] = node
    leaves.update({n.name: n for n in list(leaves.values())})
    given = {}
    for name, value in values.items():
        node_of = leaves.get(name) or leaves.get(compact(name))
        if node_of is None:
            raise errors.ArgumentError(_unknown(graph, name, leaves))
        given[node_of.index] = _converted(node_of, value)
    return given


def _is_draw(node: GraphNode) -> bool:
    return node.op is not None and node.op.kind == "random"


def _unknown(graph: Graph, name: str, leaves: Mapping[str, GraphNode]) -> str:
    names = list(dict.fromkeys(n.name for n in sorted(leaves.values(), key=_index)))
    if any(name in (n.name, compact(n.name)) for n in graph):
        cure = "it is computed. Give leaves: "
    else:
        close = difflib.get_close_matches(name, names, n=3)
        cure = f"close to it: {', '.join(close)}. All: " if close else "they are "
    return f"Graph.evaluate: no leaf is called {name!r}; {cure}{', '.join(names) or 'none'}."


def _index(node: GraphNode) -> int:
    return node.index


def _converted(node: GraphNode, value: Any) -> Any:
    """Return a given value in the leaf's dtype; its number of axes must be the leaf's."""
    # Plain numbers get the leaf's dtype at once: 0.1 must not pass through float32.
    plain = node.dtype.kind == "f" and not hasattr(value, "dtype")
    try:
        array = to_array(value, node.dtype if plain else None)
    except errors.TinygradCourseError as error:
        raise type(error)(f"Graph.evaluate: {node.name}: {error}") from None
    if array.ndim != len(node.shape):
        raise errors.ShapeError(
            f"Graph.evaluate: {node.name} was given with shape {array.shape}, but has shape "
            f"{node.shape}. Reshape it to {len(node.shape)} axes."
        )
    converted = array.astype(node.dtype)
    if node.dtype.kind in "iub" and not np.array_equal(converted, array):
        raise errors.DtypeError(
            f"Graph.evaluate: {node.name} holds {node.dtype}, and was given other numbers "
            f"({array.dtype}). Round them, or capture the graph with floats."
        )
    return converted


# --- lengths ------------------------------------------------------------------------------------


class _Lengths:
    """What follows from data that is given with other lengths than it was captured with."""

    def __init__(self, graph: Graph, given: Mapping[int, Any]) -> None:
        """Find the axes that have another length, and all that are tied to them."""
        self.graph = graph
        self.given = given
        # What represents a class of tied axes -> its old and new length, and the leaf that says so.
        self.changed: dict[int, tuple[int, int, GraphNode]] = {}
        if all(array.shape == graph[i].shape for i, array in given.items()):
            return
        from .derivation.sizes import Sizes

        self.sizes: Sizes = Sizes.of(graph)
        for i, array in given.items():
            self._note(graph[i], array.shape)
        for node in graph:
            if node.op is None:
                self._check(node)
        self._refuse_loops()

    def _note(self, node: GraphNode, shape: tuple[int, ...]) -> None:
        if shape == node.shape or node.op is not None:
            return
        if node.role not in ("data", "state"):
            raise errors.ShapeError(
                f"Graph.evaluate: the {node.role} {node.name} was given with shape {shape}, but "
                f"has shape {node.shape}; only data may have other lengths."
            )
        for axis, (old, new) in enumerate(zip(node.shape, shape, strict=True)):
            if old != new:
                self.changed.setdefault(self._class(node, axis), (old, new, node))

    def _class(self, node: GraphNode, axis: int) -> int:
        return self.sizes.root(self.sizes.axes[node.index][axis])

    def _check(self, node: GraphNode) -> None:
        """Raise when a leaf has a length that does not go with the data that was given."""
        value = self.given.get(node.index)
        for axis, old in enumerate(node.shape):
            _, new, source = self.changed.get(self._class(node, axis), (old, old, node))
            have = old if value is None else value.shape[axis]
            if have == new or (value is None and self._is_grown(node)):
                continue
            if node.role == "parameter":
                raise errors.ShapeError(
                    f"Graph.evaluate: {source.name} was given with a length of {new}, where "
                    f"{node.name} of shape {node.shape} needs {have}. Only the number of examples "
                    "may change."
                )
            cure = "Give both with the same number." if value is not None else "Give it too."
            raise errors.ShapeError(
                f"Graph.evaluate: {source.name} was given with a length of {new}, but "
                f"{node.name} has {have} along axis {axis}. {cure}"
            )

    def _is_grown(self, node: GraphNode) -> bool:
        return node.made or node.role in ("backward", "gradient")

    def value(self, node: GraphNode) -> Any:
        """Return the captured value of a leaf, with the lengths that the given data asks for."""
        value = node.value
        if value is None:
            raise errors.ArgumentError(
                f"Graph.evaluate: the value of {node.name} is not known (it was overwritten before "
                "the capture, or is not stored). Give it."
            )
        if self.changed and self._is_grown(node):
            if node.made and len(node.shape) == 1 and node.dtype.kind in "iu":
                # np.arange(m) as an index is tied to nothing.
                for old, new, source in self.changed.values():
                    if node.shape == (old,) and np.array_equal(value, np.arange(old)):
                        return _grown(node, value, 0, new, source)
            for axis in range(len(node.shape)):
                change = self.changed.get(self._class(node, axis))
                if change is not None:
                    value = _grown(node, value, axis, *change[1:])
        return value

    def _refuse_loops(self) -> None:
        """Raise when the program took the examples one by one, as many as there were."""
        picked: dict[int, set[int]] = {}
        for node in self.graph:
            if node.op is None or node.op.name != "getitem":
                continue
            axis = 0
            pattern = self.graph[node.inputs[0]]
            used = sum(part is not None and part is not Ellipsis for part in node.params["index"])
            for part in node.params["index"]:
                if part is Ellipsis:
                    axis += len(pattern.shape) - used
                elif part is not None:
                    if type(part) is int:
                        picked.setdefault(self._class(pattern, axis), set()).add(part)
                    axis += 1
        for root, (old, _, source) in self.changed.items():
            if len(picked.get(root, ())) == old > 1:
                raise errors.ShapeError(
                    f"Graph.evaluate: the program takes the {old} elements of {source.name} one by "
                    "one, so its graph holds for this number only. Write it with operations on "
                    "whole arrays, or trace it again."
                )

    # --- parameters of operations -----------------------------------------------------------

    def params(self, node: GraphNode, arrays: list[Any]) -> dict[str, Any]:
        """Return the parameters of an operation, with the lengths they hold adapted."""
        assert node.op is not None
        name = node.op.name
        if name == "broadcast_shape":
            return {"shape": tuple(self._adapted(node, node.params["shape"]))}
        if name == "reshape_to":
            return {"shape": self._reshaped(node, np.size(arrays[0]))}
        if name in ("getitem", "setitem", "place"):
            pattern = self.graph[node.inputs[1 if name == "place" else 0]]
            return {"index": self._indexed(pattern, node.params["index"])}
        return node.params

    def _adapted(self, node: GraphNode, shape: tuple[int, ...]) -> list[int]:
        return [
            n if n < 0 else self.changed.get(self._class(node, axis), (n, n, node))[1]
            for axis, n in enumerate(shape)
        ]

    def _reshaped(self, node: GraphNode, size: int) -> tuple[int, ...]:
        shape = node.params["shape"]
        adapted = self._adapted(node, shape)
        if -1 in adapted or math.prod(adapted) == size:
            return tuple(adapted)
        # A length that is written down: that of the data, or a product with it.
        old = {before: new for before, new, _ in self.changed.values()}
        written = [k for k, n in enumerate(shape) if adapted[k] == n]
        replaced = [old.get(n, n) if k in written else n for k, n in enumerate(adapted)]
        if math.prod(replaced) == size:
            return tuple(replaced)
        moved = [k for k in written if shape[k] > 1 and any(shape[k] % n == 0 for n in old if n)]
        if len(moved) == 1:
            adapted[moved[0]] = -1
        return tuple(adapted)

    def _indexed(self, pattern: GraphNode, index: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return an index with slices that end at the end of an axis still ending there."""
        if not any(isinstance(part, slice) and part.stop is not None for part in index):
            return index
        adapted: list[Any] = []
        axis = 0
        used = sum(part is not None and part is not Ellipsis for part in index)
        for part in index:
            if part is Ellipsis:
                axis += len(pattern.shape) - used
            elif isinstance(part, slice) and part.stop == pattern.shape[axis]:
                same = (part.stop, part.stop, pattern)
                _, new, _ = self.changed.get(self._class(pattern, axis), same)
                part = slice(part.start, new, part.step)
            axis += part is not None and part is not Ellipsis
            adapted.append(part)
        return tuple(adapted)


def _grown(node: GraphNode, value: Any, axis: int, length: int, source: GraphNode) -> Any:
    """Return an array that the program made, longer or shorter along an axis."""
    first = np.take(value, [0], axis) if value.shape[axis] else value
    if value.shape[axis] and bool((value == first).all()):
        return np.repeat(first, length, axis)
    if value.ndim == 1 and np.array_equal(value, np.arange(len(value))):
        return np.arange(length, dtype=value.dtype)
    raise errors.ShapeError(
        f"Graph.evaluate: {source.name} was given with a length of {length}, but {node.name} of "
        f"shape {node.shape} was made by the program and cannot be continued. Give it too."
    )
