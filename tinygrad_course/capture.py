"""Capturing: from recorded operations to a `Graph`.

`captured` follows tensors back through the operations that computed them and lists these in order,
on request with the backward pass, which is recorded by the same derivative rules that ``backward``
runs. It changes nothing: it works before and after ``backward()``, calls no hooks and leaves every
``.grad`` alone. `Trace` does the same for all that a traced function did, its backward passes and
updates too, as its `Journal` knows it (see `tracing`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from . import autograd, errors, naming
from .graph import Graph, GraphNode
from .journal import Journal, Pass, keeping
from .node import RECORD_GRAD, Node
from .op import Op
from .tensor import Tensor, refresh, wrap

Source = Node | Tensor

# Of values, copies are the values themselves; an update is full of them.
COPIES = frozenset({"snapshot", "clone", "cast", "assign"})


def captured(outputs: Any, backward: bool = False, wrt: Any = None) -> Graph:
    """Return the graph behind `outputs`; see `Graph.of`."""
    roots: list[Any] = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    _check_outputs(roots)
    builder = Builder(Journal())
    if not backward:
        for node in _ancestors(y._node for y in roots if y._node is not None):
            builder.add_node(node, "forward")
    else:
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
    builder.mark_outputs([builder.twin_of.get(y._node or y, y._node or y) for y in roots])
    return builder.graph()


def _is_unsqueezed(x: Tensor) -> bool:
    """Return True for unnamed data that is other data with axes of length 1 added or removed."""
    view = x._view
    return (
        view is not None
        and view.op is not None
        and view.op.name in ("insert_axes", "remove_axes")
        and not (x._name or x._requires_grad or view.base._requires_grad)
        and view.base._node is None
        and view.seen >= x._stamp()[0]
    )


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


def _ancestors(starts: Iterable[Node], known: Any = ()) -> list[Node]:
    """Return the nodes behind `starts`, oldest first, without those in `known`."""
    seen: set[Node] = set()
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node in seen or node in known:
            continue
        seen.add(node)
        stack.extend(s for s in node.inputs if type(s) is Node)
    return sorted(seen, key=_time)


def _time(node: Node) -> int:
    return node.time


class Builder:
    """Collects the nodes of one graph.

    Attributes:
        nodes, outputs, updates: what the graph will have; the nodes are named at the end.
        index: tensor or recorded node -> its place in `nodes`.
    """

    def __init__(self, journal: Journal) -> None:
        """Start an empty graph, of which `journal` knows the backward passes."""
        self.journal = journal
        self.nodes: list[GraphNode] = []
        self.outputs: list[int] = []
        self.updates: list[tuple[int, int]] = []
        self.index: dict[Source, int] = {}
        self.constants: dict[tuple[type, str], int] = {}
        self.scopes: list[tuple[Any, Any] | None] = []
        self.twin_of: dict[Source, Source] = {}

    # --- one node ---------------------------------------------------------------------------

    def add_node(self, node: Node, role: str) -> int:
        """Add a recorded operation, and those of its inputs that are leaves."""
        inputs = tuple([self.source(node, source, role) for source in node.inputs])
        known = self.known(node, inputs, role)
        if known is not None:
            self.index[node] = known
            return known
        data = node.data
        index = self.append(node.op, inputs, node.params, node.name, role, data, node.scope)
        if _written_after(node.memory, node.time):
            self.nodes[index].value = None
        self.index[node] = index
        self._own_value(self.nodes[index])
        return index

    def known(self, node: Node, inputs: tuple[int, ...], role: str) -> int | None:
        """Return the index of the same value, if it is there already."""
        return None

    def _own_value(self, node: GraphNode) -> None:
        """Compute a value again that was overwritten, or is a view of memory that may be."""
        assert node.op is not None
        if not (node.value is None or node.op.view) or node.op.kind in ("random", "custom"):
            return
        arrays = [self.nodes[i].value for i in node.inputs]
        if all(array is not None for array in arrays):
            node.value = np.asarray(node.op.forward(*arrays, **node.params))

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
        if _is_unsqueezed(tensor) and role == "forward":
            return self._view_of_data(tensor, user, role)
        is_parameter = tensor._requires_grad or type(tensor) is not Tensor
        kind = "parameter" if is_parameter else "data"
        if role == "backward":
            kind = "backward" if tensor._data.size > 1 else "constant"
        value = tensor._data.copy()
        index = self.append(None, (), {}, tensor.name, kind, value, user.scope)
        if _written_after(tensor._memory, user.time):
            self.nodes[index].value = None
        self.index[tensor] = index
        return index

    def _view_of_data(self, tensor: Tensor, user: Node, role: str) -> int:
        """Add data with another axis of length 1, as labels get in a loss, as what it was made of.

        Nothing is recorded of what is computed from data alone; but the labels that a program is
        given are those of the user, of shape (m,), not the (m, 1) that a loss picks with.
        """
        view = tensor._view
        assert view is not None
        base = self.index.get(view.base)
        if base is None:
            base = self.leaf(view.base, user, role)
        value = tensor._data.copy()
        index = self.append(view.op, (base,), view.params, None, role, value, user.scope)
        self.index[tensor] = index
        return index

    def number(self, value: Any, user: Node, role: str) -> int:
        """Add a plain number (equal ones share a node) or array."""
        if isinstance(value, np.ndarray) and value.ndim > 0:
            kind = "backward" if role == "backward" else "data"
            index = self.append(None, (), {}, None, kind, value, user.scope)
            self.nodes[index].made = True
            return index
        key = (type(value), repr(value))
        index = self.constants.get(key, -1)
        if index < 0:
            index = self.append(None, (), {}, None, "constant", value, None)
            self.constants[key] = index
        return index

    def append(
        self,
        op: Op | None,
        inputs: tuple[int, ...],
        params: dict[str, Any],
        name: str | None,
        role: str,
        value: Any,
        where: tuple[Any, Any] | None,
    ) -> int:
        """Add a node and return its index."""
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
        for node in _ancestors(y._node for y in roots if y._node is not None):
            self.twin_of[node] = twin = self._twin(node)
            self.add_node(twin, "forward")
        outputs = [self._twin_tensor(y) for y in roots]
        inputs = [self._twin_tensor(x) for x in self._targets(wrt)]
        copy_context().run(_differentiate, self.journal, outputs, inputs)
        (noted,) = self.journal.passes
        starts = [g._node for _, g, _ in noted.cotangents if g._node is not None]
        for node in _ancestors(starts, self.index):
            self.add_node(node, "backward")
            self.name_rule(node, noted)
        self.link(noted)

    def name_rule(self, node: Node, noted: Pass) -> None:
        """Note whose derivative rule computed a node of a backward pass."""
        k = bisect_right(noted.pulls, node.time, key=_pull_time) - 1
        if k >= 0:
            self.nodes[self.index[node]].rule_of = self.index.get(noted.pulls[k][1])

    def link(self, noted: Pass) -> None:
        """Note which node is the derivative of which."""
        for of, g, asked in noted.cotangents:
            source = self.journal.source(of, noted.start)[0]
            if source in self.index:
                self._link(self.index[source], g, asked)

    def _link(self, of: int, g: Tensor, is_target: bool) -> None:
        source = g._node or g
        if source not in self.index:  # a seed that no rule read
            self.index[source] = self.append(None, (), {}, None, "backward", g._data, None)
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
            twin._view = source._view if _is_unsqueezed(source) else None
            self.twin_of[source] = twin
        return twin

    def _twin_tensor(self, x: Tensor) -> Tensor:
        twin = self.twin_of[x._node or x]
        return twin if isinstance(twin, Tensor) else autograd._tensor_of(twin)

    def _targets(self, wrt: Any) -> list[Tensor]:
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

    def mark_outputs(self, sources: Iterable[Source]) -> None:
        """Make these the outputs."""
        for source in sources:
            index = self.index.get(source)
            if index is None:  # an output that is a leaf of its own
                assert isinstance(source, Tensor)
                kind = "parameter" if source._requires_grad else "data"
                index = self.append(None, (), {}, source.name, kind, source._data, None)
            self.outputs.append(index)
            self.mark_result(index)

    def mark_result(self, index: int) -> None:
        """Make a computed number a loss, and a computed array an output."""
        node = self.nodes[index]
        if node.op is not None and node.role == "forward":
            node.role = "loss" if node.size == 1 else "output"

    def graph(self, notes: Sequence[str] = ()) -> Graph:
        """Name everything, and return the graph."""
        scopes = _Scopes()
        for node, where in zip(self.nodes, self.scopes, strict=True):
            if where is not None:
                node.scope = scopes.path(where)
        names, anonymous = naming.names_of(self.nodes, self.updates)
        for node, name in zip(self.nodes, names, strict=True):
            node.name = name
        for index in anonymous:
            self.nodes[index].anonymous = True
        return Graph(self.nodes, self.outputs, self.updates, notes)


class Trace(Builder):
    """Collects all that a traced function did: forward, backward and update.

    Args:
        journal: what was noted while it ran.
        names: names for leaves and results that have none of their own.
    """

    def __init__(self, journal: Journal, names: dict[Source, str]) -> None:
        """Start an empty graph."""
        super().__init__(journal)
        self.names = names
        # State -> what holds its value at the end.
        self.states: dict[Tensor, Source] = {}
        for state, _ in journal:
            self.states.setdefault(state, journal.source(state)[0])
        self._claimed: set[int] = set()
        self._updating: dict[Any, int] = {}

    def add_all(self, outputs: list[Source], losses: list[Source]) -> None:
        """Add what the outputs, the backward passes and the updates need, in order."""
        passes = self.journal.passes
        starts = [*outputs, *losses]
        for noted in passes:
            starts += [g._node or g for _, g, _ in noted.cotangents]
        computing: set[Node] = set()
        crossed = self._walk(starts, computing)
        reread = bool(crossed)
        updating = set(computing)
        crossed += self.states.values()
        while crossed:
            crossed = self._walk(crossed, updating)
        # The updates come last, unless the function goes on computing with the new values.
        order = sorted(updating, key=_time)
        if not reread:
            order.sort(key=computing.__contains__, reverse=True)
        places = [noted.start for noted in passes]
        for node in order:
            k = bisect_right(places, node.time) - 1
            if k >= 0 and node.time < passes[k].end:
                self.add_node(node, "backward")
                self.name_rule(node, passes[k])
            else:
                self.add_node(node, "forward" if node in computing else "update")
        for noted in passes:
            self.link(noted)
        for state, source in self.states.items():
            if source in self.index:
                self.updates.append((self._state(state), self.index[source]))

    def _walk(self, starts: Iterable[Source], seen: set[Node]) -> list[Source]:
        """Add the nodes behind `starts` to `seen`; return where it stopped: at assigned states."""
        stack = [s for s in starts if isinstance(s, Node)]
        crossed: list[Source] = []
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            for source in node.inputs:
                if type(source) is Node:
                    stack.append(source)
                elif isinstance(source, Tensor):
                    source, assigned = self.journal.source(source, node.time)
                    if type(source) is Node:
                        (crossed if assigned else stack).append(source)
        return crossed

    def add_node(self, node: Node, role: str) -> int:
        """Add a recorded operation; in an update, a copy is what it is a copy of."""
        if role == "update" and node.op.name in COPIES:
            index = self.source(node, node.inputs[-1], role)
            source = self.nodes[index]
            same = source.shape == node.data.shape and source.dtype == node.data.dtype
            if same and (node.op.name != "assign" or self._claim(source)):
                self.index[node] = index
                return index
        index = super().add_node(node, role)
        self.nodes[index].name = node.name or self.names.get(node, "")
        return index

    def known(self, node: Node, inputs: tuple[int, ...], role: str) -> int | None:
        """Return the index of the same operation on the same values in an update.

        An optimizer computes 1 − βᵗ anew for every parameter.
        """
        if role != "update" or node.op.kind in ("random", "custom") or node.name:
            return None
        key = (node.op.name, inputs, repr(node.params))
        found = self._updating.setdefault(key, len(self.nodes))
        return found if found < len(self.nodes) else None

    def _claim(self, node: GraphNode) -> bool:
        """Return whether a value may itself be the new value of a state, without an assignment."""
        if node.role != "update" or node.op is None or node.index in self._claimed:
            return False
        self._claimed.add(node.index)
        return True

    def source(self, user: Node, source: Any, role: str) -> int:
        """Return the index of an input of `user`: of a leaf, in the version that it read."""
        if isinstance(source, Tensor):
            source = self.journal.source(source, user.time)[0]
        return super().source(user, source, role)

    def leaf(self, tensor: Tensor, user: Node, role: str) -> int:
        """Add a leaf tensor, with the values it had before the function ran."""
        born = tensor in self.journal.born and tensor not in self.states
        if role == "backward" and born:
            index = super().leaf(tensor, user, role)
            self.nodes[index].made = True
            return index
        name = tensor.name or self.names.get(tensor)
        if tensor._requires_grad or type(tensor) is not Tensor:
            kind = "parameter"
        elif tensor in self.states:
            kind = "state"
        elif born and tensor._data.size == 1 and not name:
            kind = "constant"
        else:
            kind = "data"
        old = self.journal.old.get(tensor)
        value = tensor._data.copy() if old is None else old
        index = self.append(None, (), {}, name, kind, value, user.scope)
        if old is None and _written_after(tensor._memory, user.time):
            self.nodes[index].value = None
        self.nodes[index].made = born
        self.index[tensor] = index
        return index

    def _state(self, state: Tensor) -> int:
        """Return the index of a state's leaf; of one that is never read, a new one."""
        if state not in self.index:
            kind = "parameter" if state._requires_grad else "state"
            name = state.name or self.names.get(state)
            self.index[state] = self.append(None, (), {}, name, kind, self.journal.old[state], None)
        return self.index[state]


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


def _pull_time(pull: tuple[int, Node]) -> int:
    return pull[0]


def _differentiate(journal: Journal, outputs: list[Tensor], inputs: list[Tensor]) -> None:
    with keeping(journal, RECORD_GRAD):
        autograd.grad(outputs, inputs, create_graph=True, allow_unused=True)
