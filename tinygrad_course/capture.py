"""Capturing: from recorded operations to a `Graph`.

`captured` follows tensors back through the operations that computed them and lists these in order,
on request with the backward pass, which is recorded by the same derivative rules that ``backward``
runs. Capturing changes nothing: it works before and after ``backward()``, calls no hooks and leaves
every ``.grad`` alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np

from . import autograd, errors, naming
from .graph import GraphNode
from .node import RECORD_GRAD, Node, recording, scope, tick
from .op import Op
from .tensor import Tensor, refresh, wrap

Source = Node | Tensor


def captured(
    outputs: Any, backward: bool = False, wrt: Any = None
) -> tuple[list[GraphNode], list[int]]:
    """Return the nodes behind `outputs`, and the indices of the outputs; see `Graph.of`."""
    roots: list[Any] = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    _check_outputs(roots)
    builder = _Builder()
    if not backward:
        for node in _ancestors(y._node for y in roots if y._node is not None):
            builder.add_node(node, "forward")
        return builder.finish(roots)
    for y in roots:
        if y._data.size != 1:
            raise errors.ShapeError(
                f"Graph.of: a backward pass starts from a scalar, got shape {y.shape}. "
                "Reduce it with .sum() or .mean() first, or pass backward=False."
            )
    try:
        builder.add_both(roots, wrt)
    except errors.InplaceError as error:
        raise errors.InplaceError(
            "Graph.of: the backward pass of this graph can no longer be computed, so it "
            "cannot be captured or drawn: a value it needs was changed since, most often "
            "by optimizer.step(). Draw before the step, or compute the loss again. "
            f"({error})"
        ) from None
    return builder.finish(roots)


def _check_outputs(roots: Sequence[Any]) -> None:
    for y in roots:
        if not isinstance(y, Tensor):
            raise errors.DtypeError(
                f"Graph.of: the outputs must be tensors, got {type(y).__name__}. "
                "Pass the tensor you computed, such as the loss."
            )
        if y._view is not None and y._view.seen < y._stamp()[0]:
            refresh(y)
    if not roots:
        raise errors.ArgumentError("Graph.of: got no outputs; pass at least one tensor.")
    if all(y._node is None for y in roots):
        called = f" called {roots[0].name!r}" if roots[0].name else ""
        raise errors.GraphError(
            f"Graph.of: nothing was recorded for this tensor of shape {roots[0].shape}{called}: it "
            "is a leaf, or was computed under no_grad, detached, or from tensors none of which "
            "requires grad. Create the parameters with requires_grad=True before computing."
        )


def _ancestors(starts: Any, known: Any = ()) -> list[Node]:
    """Return the nodes behind `starts`, oldest first, without those in `known`."""
    seen: set[Node] = set()
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node in seen or node in known:
            continue
        seen.add(node)
        stack.extend(s for s in node.inputs if type(s) is Node)
    return sorted(seen, key=lambda node: node.time)


class _Builder:
    """Collects the nodes of one graph."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.index: dict[Source, int] = {}
        self.constants: dict[tuple[type, str], int] = {}
        self.scopes: list[tuple[Any, Any] | None] = []
        self.twin_of: dict[Source, Source] = {}

    # --- one node ---------------------------------------------------------------------------

    def add_node(self, node: Node, role: str) -> int:
        """Add a recorded operation, and those of its inputs that are leaves."""
        inputs = tuple([self.source(node, source, role) for source in node.inputs])
        data = node.data
        index = self._append(node.op, inputs, node.params, node.name, role, data, node.scope)
        if _written_after(node.memory, node.time):
            self.nodes[index].value = None
        self.index[node] = index
        return index

    def source(self, user: Node, source: Any, role: str) -> int:
        """Return the index of an input of `user`, adding it when it is a new leaf."""
        index = self.index.get(source) if isinstance(source, (Node, Tensor)) else None
        if index is None:
            if isinstance(source, Tensor):
                index = self.leaf(source, user, role)
            else:
                index = self.number(source, user, role)
        known = self.nodes[index]
        if known.value is None and user.op.name == "snapshot":
            known.value = user.data  # the copy made before an in-place change
        return index

    def leaf(self, tensor: Tensor, user: Node, role: str) -> int:
        """Add a leaf tensor, with the values that `user` read."""
        is_parameter = tensor._requires_grad or type(tensor) is not Tensor
        kind = "parameter" if is_parameter else "data"
        if role == "backward":
            kind = "backward" if tensor._data.size > 1 else "constant"
        index = self._append(None, (), {}, tensor.name, kind, tensor._data, user.scope)
        if _written_after(tensor._memory, user.time):
            self.nodes[index].value = None
        self.index[tensor] = index
        return index

    def number(self, value: Any, user: Node, role: str) -> int:
        """Add a plain number (equal ones share a node) or array."""
        if isinstance(value, np.ndarray) and value.ndim > 0:
            kind = "backward" if role == "backward" else "data"
            return self._append(None, (), {}, None, kind, value, user.scope)
        key = (type(value), repr(value))
        index = self.constants.get(key)
        if index is None:
            index = self._append(None, (), {}, None, "constant", value, None)
            self.constants[key] = index
        return index

    def _append(
        self,
        op: Op | None,
        inputs: tuple[int, ...],
        params: dict[str, Any],
        name: str | None,
        role: str,
        value: Any,
        where: tuple[Any, Any] | None,
    ) -> int:
        index = len(self.nodes)
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
        self.nodes.append(
            GraphNode(index, op, inputs, params, name or "", role, array.shape, array.dtype, value)
        )
        self.scopes.append(where)
        return index

    # --- forward and backward -----------------------------------------------------------------

    def add_both(self, roots: list[Tensor], wrt: Any) -> None:
        """Add the forward pass, then the backward pass, recorded on a copy of the nodes.

        The copy ("twins") keeps the capture apart from the user's graph, which may be spent, have
        hooks and retained gradients: none of these must run or change.
        """
        order = _ancestors(y._node for y in roots if y._node is not None)
        cotangents: list[tuple[int, Tensor]] = []
        pulls: list[tuple[int, int]] = []
        for node in order:
            twin = self._twin(node)
            self.twin_of[node] = twin
            index = self.add_node(twin, "forward")
            hook = partial(_see_cotangent, index, twin.scope, cotangents, pulls)
            twin.extra = {"hooks": {0: hook}}
        targets = self._targets(order, wrt)
        outputs = [self._twin_tensor(y) for y in roots]
        inputs = [self._twin_tensor(x) for x in targets]
        # A context of its own: the hooks move the module scope to that of the node they see.
        context = copy_context()
        found = context.run(_differentiate, outputs, inputs)
        for x, g in zip(inputs, found, strict=True):
            if g is not None and x._node is None:
                cotangents.append((self.index[x], g))
        starts = [g._node for _, g in cotangents if g._node is not None]
        for node in _ancestors(starts, self.index):
            rule = bisect_right(pulls, (node.time, -1)) - 1
            index = self.add_node(node, "backward")
            self.nodes[index].rule_of = pulls[rule][1] if rule >= 0 else None
        leaves = {self.index[x._node or x] for x in inputs}
        for of, g in cotangents:
            self._link(of, g, of in leaves)

    def _link(self, of: int, g: Tensor, is_target: bool) -> None:
        """Note that `g` is the derivative with respect to the node `of`."""
        source = g._node or g
        if source not in self.index:  # a seed that no rule read
            self.index[source] = self._append(None, (), {}, None, "backward", g._data, None)
        index = self.index[source]
        self.nodes[of].grad = index
        node = self.nodes[index]
        if node.role == "constant":
            node.role = "backward"
        if node.grad_of is None and node.is_backward:
            node.grad_of = of
        if is_target and node.role == "backward":
            node.role = "gradient"

    def _twin(self, node: Node) -> Node:
        inputs = tuple([self._twin_input(source) for source in node.inputs])
        twin = Node.__new__(Node)
        for slot in Node.__slots__:
            setattr(twin, slot, getattr(node, slot))
        twin.inputs = inputs
        twin.spent = False
        twin.extra = None
        return twin

    def _twin_input(self, source: Any) -> Any:
        if not isinstance(source, (Node, Tensor)):
            return source
        twin = self.twin_of.get(source)
        if twin is None:
            assert isinstance(source, Tensor)
            # Of the leaf's own class, so that a parameter stays one.
            twin = wrap(source._data, type(source))
            twin._requires_grad = source._requires_grad
            twin._name = source._name
            twin._memory = source._memory
            self.twin_of[source] = twin
        return twin

    def _twin_tensor(self, x: Tensor) -> Tensor:
        twin = self.twin_of[x._node or x]
        return twin if isinstance(twin, Tensor) else autograd._tensor_of(twin)

    def _targets(self, order: list[Node], wrt: Any) -> list[Tensor]:
        """Return the tensors to differentiate with respect to."""
        if wrt is None:
            leaves = [x for x in self.twin_of if isinstance(x, Tensor) and x._requires_grad]
            if not leaves:
                raise errors.GraphError(
                    "Graph.of: no leaf of this graph requires grad, so there is no backward pass. "
                    "Create the parameters with requires_grad=True, or pass backward=False."
                )
            return leaves
        wanted = [wrt] if isinstance(wrt, Tensor) else list(wrt)
        for x in wanted:
            if not isinstance(x, Tensor) or (x._node or x) not in self.twin_of:
                called = getattr(x, "name", None) or type(x).__name__
                raise errors.GraphError(
                    f"Graph.of: wrt names {called!r}, which is not in the graph of the outputs. "
                    "Pass tensors that the outputs were computed from."
                )
            if not x._requires_grad:
                raise errors.GraphError(
                    f"Graph.of: wrt names {x.name or 'a tensor'!r}, which does not require grad."
                )
        return wanted

    # --- the end ------------------------------------------------------------------------------

    def finish(self, roots: list[Tensor]) -> tuple[list[GraphNode], list[int]]:
        """Mark the outputs, and name everything."""
        outputs = []
        for y in roots:
            source = self.twin_of.get(y._node or y, y._node or y)
            index = self.index.get(source)
            if index is None:  # an output that is a leaf of its own
                assert isinstance(source, Tensor)
                kind = "parameter" if source._requires_grad else "data"
                index = self._append(None, (), {}, source.name, kind, source._data, None)
            outputs.append(index)
            node = self.nodes[index]
            if node.op is not None:
                node.role = "loss" if node.size == 1 else "output"
        self._name_scopes()
        names, anonymous = naming.names_of(self.nodes)
        for node, name in zip(self.nodes, names, strict=True):
            node.name = name
        for index in anonymous:
            self.nodes[index].anonymous = True
        return self.nodes, outputs

    def _name_scopes(self) -> None:
        """Write each node's modules as a path of labels, each call of a module on its own."""
        scopes = _Scopes()
        for node, where in zip(self.nodes, self.scopes, strict=True):
            if where is not None:
                node.scope = scopes.path(where)


class _Scopes:
    """Labels of module calls, given as linked scopes: (module, outer scope)."""

    def __init__(self) -> None:
        # Keyed by id: every scope here is kept alive by its node, and ids never reach a name.
        self.paths: dict[int, tuple[str, ...]] = {}
        self.calls: dict[tuple[tuple[str, ...], int], int] = {}
        self.labels: dict[tuple[tuple[str, ...], int], str] = {}
        self.kinds: dict[tuple[tuple[str, ...], str], int] = {}

    def path(self, where: tuple[Any, Any]) -> tuple[str, ...]:
        """Return the labels of the modules of a scope, outermost first."""
        chain = []
        level: tuple[Any, Any] | None = where
        while level is not None and id(level) not in self.paths:
            chain.append(level)
            level = level[1]
        path = self.paths[id(level)] if level is not None else ()
        for level in reversed(chain):
            path = (*path, self._label(path, level[0]))
            self.paths[id(level)] = path
        return path

    def _label(self, outer: tuple[str, ...], module: Any) -> str:
        """Return ``Tanh``, ``Tanh 2`` for another Tanh beside it, ``Tanh #2`` for a second call."""
        key = (outer, id(module))
        if key not in self.labels:
            label = naming.module_label(module)
            count = self.kinds[outer, label] = self.kinds.get((outer, label), 0) + 1
            self.labels[key] = label if count == 1 else f"{label} {count}"
        call = self.calls[key] = self.calls.get(key, 0) + 1
        return self.labels[key] if call == 1 else f"{self.labels[key]} #{call}"


def _written_after(memory: list[int] | None, time: int) -> bool:
    return memory is not None and memory[0] > time


def _see_cotangent(
    index: int,
    where: Any,
    cotangents: list[tuple[int, Tensor]],
    pulls: list[tuple[int, int]],
    g: Tensor,
) -> None:
    """Note the cotangent of a forward node, just before its derivative rule runs."""
    cotangents.append((index, g))
    pulls.append((tick(), index))
    scope.set(where)


def _differentiate(outputs: list[Tensor], inputs: list[Tensor]) -> tuple[Tensor | None, ...]:
    recording.set(RECORD_GRAD)
    return autograd.grad(outputs, inputs, create_graph=True, allow_unused=True)
