"""A plan of memory: which array each value of a program is kept in.

Arrays are made once. A value's buffer is free again after its last reader, and an elementwise
result may overwrite an operand that nobody reads any more; the new value of a parameter is written
where the old one was. Views (a transpose, a reshape) have no memory of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph import Graph, GraphNode
from .join import JOIN

VIEWS = frozenset(
    "matrix_transpose permute_axes reshape_to reshape_like insert_axes remove_axes broadcast_like "
    "broadcast_shape part".split()
)
# Views that leave the elements of an array in their order.
IN_ORDER = ("reshape_to", "reshape_like", "insert_axes", "remove_axes")
# Up to this many elements, writing rows out is faster than letting NumPy repeat them.
SPREAD = 8192
REDUCTIONS = {
    "sum": np.add,
    "amax": np.maximum,
    "amin": np.minimum,
    "all": np.logical_and,
    "any": np.logical_or,
}


@dataclass
class Plan:
    """Where values are.

    Attributes:
        kinds: for each node: "argument", "state", "constant", "view", "scalar" (a computed
            number), "buffer" or "fresh" (made anew in each call).
        root: for each node the node whose memory it uses.
        buffer: node -> number of its buffer.
        sizes: bytes of each buffer.
        into: node -> the state whose array it is written into.
        pieces: node -> the join in whose array it is computed, and from which place on.
        spread: node -> which of its two operands is first repeated to the shape of the result.
        naive: bytes if every value had memory of its own.
    """

    kinds: list[str] = field(default_factory=list)
    root: list[int] = field(default_factory=list)
    buffer: dict[int, int] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    into: dict[int, int] = field(default_factory=dict)
    pieces: dict[int, tuple[int, int]] = field(default_factory=dict)
    spread: dict[int, int] = field(default_factory=dict)
    naive: int = 0

    @property
    def planned(self) -> int:
        """The bytes of all buffers."""
        return sum(self.sizes)


def plan(graph: Graph, arguments: set[int], calls: bool = False) -> Plan:
    """Plan the memory of a lowered graph.

    Args:
        graph: operations of one NumPy call each.
        arguments: the leaves that are given anew in each call.
        calls: each operation will be a call of NumPy, which takes longer to overwrite an array of
            one element than to write elsewhere, and longer to repeat rows than to write them out.
    """
    made = Plan()
    for node in graph:
        kind, root = _kind(graph, made, node, arguments)
        made.kinds.append(kind)
        made.root.append(root)
    last = _last_reads(graph, made)
    least = 2 if calls else 1
    made.into = _in_states(graph, made, least)
    made.pieces = _pieces(graph, made, last)
    if calls:
        made.spread = _spread(graph, made)
    _buffers(graph, made, last, least)
    return made


def computes_into(node: GraphNode) -> bool:
    """Return True for operations that can write their result into a given array."""
    op = node.op
    if op is None:
        return False
    if op.ufunc is not None or op is JOIN:
        return True
    if op.name in ("reciprocal", "matrix_product", "where", "cast", "join"):
        return True
    return op.name in REDUCTIONS


def is_arithmetic(node: GraphNode) -> bool:
    """Return True for sums, differences, products and quotients."""
    return node.op is not None and node.op.name in ("add", "sub", "mul", "div")


def _kind(graph: Graph, made: Plan, node: GraphNode, arguments: set[int]) -> tuple[str, int]:
    if node.op is None:
        if node.index in arguments:
            return "argument", node.index
        return ("constant" if node.role == "constant" else "state"), node.index
    if _is_view(node):
        first = node.inputs[0]
        if made.kinds[first] != "scalar" and made.kinds[first] != "constant":
            return "view", made.root[first]
    if node.shape == () and (computes_into(node) or node.op.kind == "linalg"):
        return "scalar", node.index
    return ("buffer" if computes_into(node) else "fresh"), node.index


def _is_view(node: GraphNode) -> bool:
    """Return True when an operation gives a view of every array like its first operand."""
    assert node.op is not None
    if node.op.name in VIEWS:
        return True
    if node.op.name == "getitem" and len(node.inputs) == 1:
        return True
    return False


def _last_reads(graph: Graph, made: Plan) -> dict[int, int]:
    """Return for each root the last node that reads it, in whatever view."""
    last: dict[int, int] = {}
    for node in graph:
        for i in node.inputs:
            last[made.root[i]] = node.index
    end = len(graph)
    kept = [n.index for n in graph.outputs]
    kept += [n.grad for n in graph if n.op is None and n.grad is not None]
    kept += [new for _, new in graph.updates]
    for i in kept:
        last[made.root[i]] = end
    return last


def _in_states(graph: Graph, made: Plan, least: int) -> dict[int, int]:
    """Return which new values can be written over the old ones as soon as they are computed."""
    reads: dict[int, int] = {}
    for node in graph:
        for i in node.inputs:
            reads[made.root[i]] = max(reads.get(made.root[i], -1), node.index)
    kept = {made.root[n.index] for n in graph.outputs}
    into: dict[int, int] = {}
    for state, new in graph.updates:
        old, node = graph[state], graph[new]
        if made.kinds[new] != "buffer" or old.shape != node.shape or old.dtype != node.dtype:
            continue
        late = reads.get(state, -1) > new or state in kept
        late = late or node.size < least and not is_arithmetic(node)
        elementwise = node.op is not None and (node.op.ufunc is not None)
        # Its own last reader may be the operation itself, if that goes element by element and
        # reads the state as it lies.
        seen = [i for i in node.inputs if made.root[i] == state]
        if late or (seen and (not elementwise or any(i != state for i in seen))):
            continue
        if new not in into:
            into[new] = state
    return into


def _pieces(graph: Graph, made: Plan, last: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Return what can be computed where it is joined; a join's array is in use as long as that."""
    pieces: dict[int, tuple[int, int]] = {}
    for node in graph:
        if node.op is not JOIN:
            continue
        start = 0
        for i in node.inputs:
            whole = i
            while made.kinds[whole] == "view" and _is_in_order(graph[whole]):
                whole = graph[whole].inputs[0]
            free = made.kinds[whole] == "buffer" and whole not in made.into
            if free and whole not in pieces and graph[whole].op is not JOIN:
                pieces[whole] = node.index, start
                last[node.index] = max(last.get(node.index, -1), last[whole])
            start += graph[i].size
    return pieces


def _spread(graph: Graph, made: Plan) -> dict[int, int]:
    """Return where a row or column meets a small matrix."""
    spread: dict[int, int] = {}
    for node in graph:
        i = node.index
        if node.op is None or node.op.ufunc is None or len(node.inputs) != 2:
            continue
        if made.kinds[i] != "buffer" or node.size > SPREAD or i in made.into or i in made.pieces:
            continue
        a, b = (graph[j] for j in node.inputs)
        whole, row = (a, b) if a.shape == node.shape else (b, a)
        if whole.shape == node.shape != row.shape and a.dtype == b.dtype == node.dtype:
            if row.size > 1:
                spread[i] = node.inputs.index(row.index)
    return spread


def _is_in_order(node: GraphNode) -> bool:
    return node.op is not None and node.op.name in IN_ORDER


def _buffers(graph: Graph, made: Plan, last: dict[int, int], least: int) -> None:
    free: list[int] = []
    ending: dict[int, list[int]] = {}
    for root, reader in last.items():
        ending.setdefault(reader, []).append(root)
    for node in graph:
        i = node.index
        if made.kinds[i] == "buffer":
            made.naive += _bytes(node)
            if i in made.pieces:
                whole, _ = made.pieces[i]
                if whole not in made.buffer:
                    made.buffer[whole] = _take(made, free, _bytes(graph[whole]))
            elif i not in made.into and i not in made.buffer:
                own = None
                if node.size >= least and i not in made.spread:
                    own = _over_operand(graph, made, node, last)
                if own is None:
                    own = _take(made, free, _bytes(node))
                made.buffer[i] = own
        for root in ending.get(i, ()):
            number = made.buffer.get(root)
            if number is not None and made.buffer.get(i) != number:
                free.append(number)
        if i not in last and i in made.buffer:
            free.append(made.buffer[i])


def _bytes(node: GraphNode) -> int:
    return max(node.size * node.dtype.itemsize, 1)


def _over_operand(graph: Graph, made: Plan, node: GraphNode, last: dict[int, int]) -> int | None:
    """Return the buffer of an operand that ends here and has the result's shape and dtype."""
    assert node.op is not None
    if node.op.name == "where":
        candidates = node.inputs[2:]
    elif node.op.ufunc is not None or node.op.name == "reciprocal":
        candidates = node.inputs
    else:
        return None
    for i in candidates:
        operand = graph[i]
        if made.kinds[i] != "buffer" or i not in made.buffer or last.get(i) != node.index:
            continue
        if operand.shape != node.shape or operand.dtype != node.dtype:
            continue
        others = [j for j in node.inputs if j != i and made.root[j] == i]
        if not others:
            return made.buffer[i]
    return None


def _take(made: Plan, free: list[int], size: int) -> int:
    """Return a free buffer that is large enough, or a new one."""
    fitting = [k for k in free if size <= made.sizes[k] <= max(4 * size, 4096)]
    if fitting:
        best = min(fitting, key=made.sizes.__getitem__)
        free.remove(best)
        return best
    made.sizes.append(size)
    return len(made.sizes) - 1


def allocate(made: Plan, graph: Graph) -> dict[int, Any]:
    """Return the array of each node that has a buffer."""
    memory = [np.empty(size, np.uint8) for size in made.sizes]
    # Values that overwrite one another are one object: NumPy need not find out that they lie alike.
    made_for: dict[Any, Any] = {}
    arrays = {}
    for i, number in made.buffer.items():
        node = graph[i]
        key = number, node.shape, node.dtype
        if key not in made_for:
            count = node.size * node.dtype.itemsize
            made_for[key] = memory[number][:count].view(node.dtype).reshape(node.shape)
        arrays[i] = made_for[key]
    for i, (whole, start) in made.pieces.items():
        node = graph[i]
        arrays[i] = arrays[whole][start : start + node.size].reshape(node.shape)
    return arrays
