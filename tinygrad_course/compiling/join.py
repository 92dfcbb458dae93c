"""Joining: one chain of operations over many small arrays at once, as in `optim.arrays`.

An optimizer's step is the same dozen elementwise operations for each parameter, and NumPy takes
longer to start an operation than to do it on a few hundred numbers. `join` looks for such chains
behind the updates of parameters and puts one chain over flat arrays in their place. What the chains
start from is joined, what others read of their results is a part. The numbers are the same.

Moments have joined arrays of their own (`settle`); gradients are computed into the joined array
(see `plan`); a parameter stays where it is, and takes its part of the step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..derivation.writer import identifier
from ..graph import Graph, GraphNode, leading_to
from ..op import Op

# Joining saves the start of an operation: of larger arrays that is no longer much. (An optimizer,
# which copies parameters and gradients both ways, stops earlier.)
SMALL = 32768
# Joining one array by a copy takes as long as this many short operations.
COPYING = 3

Row = tuple[int, ...]


def _forward_join(*xs: Any) -> Any:
    return np.concatenate(xs, None)


def _forward_part(x: Any, start: int, shape: tuple[int, ...]) -> Any:
    return x[start : start + math.prod(shape)].reshape(shape)


JOIN = Op("flat_join", _forward_join, inputs=("xs",), kind="shape", variadic=True)
PART = Op(
    "part",
    _forward_part,
    inputs=("x",),
    defaults={"start": 0, "shape": ()},
    kind="shape",
    view=True,
)


def join(graph: Graph, moments: Mapping[str, tuple[str, str]]) -> Graph:
    """Return a lowered graph in which equal chains on small parameters are one chain.

    Args:
        graph: lowered.
        moments: name of a state that belongs to a parameter -> (the parameter's, what it is).
    """
    tried: set[tuple[str, ...]] = set()
    while True:
        for members in _classes(graph, moments):
            names = tuple(graph[m.parameter].name for m in members)
            chain = None if names in tried else _Chain(graph, members)
            tried.add(names)
            if chain is not None and chain.pays():
                joined = _Joiner(graph, chain).graph()
                if joined is not None:
                    graph = joined
                    break  # nodes have other places now
        else:
            return graph


def joins(node: GraphNode) -> Row:
    """Return the leaves that a leaf joins; of any other node, none."""
    return node.params.get("joins", ()) if node.op is None else ()


# --- arrays that lie together ---------------------------------------------------------------------


def spanning(arrays: Sequence[Any]) -> Any:
    """Return the flat array that consists of these, one behind the other, or None."""
    base = arrays[0].base
    if not isinstance(base, np.ndarray) or base.ndim != 1 or not base.flags.c_contiguous:
        return None
    first = start = _address(arrays[0])
    for a in arrays:
        whole = a.base is base and a.dtype == base.dtype and a.flags.c_contiguous
        if not whole or _address(a) != start:
            return None
        start += a.nbytes
    begin = (first - _address(base)) // base.itemsize
    return base[begin : begin + (start - first) // base.itemsize]


def settle(tensors: Sequence[Any]) -> bool:
    """Make the arrays of moments parts of one array; return whether they were moved."""
    arrays = [x._data for x in tensors]
    if spanning(arrays) is not None:
        return False
    flat = np.concatenate(arrays, None)
    for x, (start, stop) in zip(tensors, _places(a.size for a in arrays), strict=True):
        x._data = flat[start:stop].reshape(x._data.shape)
    return True


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _places(sizes: Iterable[int]) -> list[tuple[int, int]]:
    """Return where each of several arrays starts and stops in the one that joins them."""
    stops = list(itertools.accumulate(sizes, initial=0))
    return list(itertools.pairwise(stops))


# --- what is alike ------------------------------------------------------------------------------


@dataclass
class _Member:
    """A small parameter, and what is computed for it alone.

    Attributes:
        parameter: its leaf.
        moments: what each of its moments is -> (the leaf, its new value).
        roots: what its new value is computed from, in one operation.
    """

    parameter: int
    moments: dict[str, tuple[int, int]]
    roots: list[int]

    @property
    def row(self) -> list[int]:
        """What to look for chains behind, in order."""
        return [*(new for _, new in self.moments.values()), *self.roots]


def _is_elementwise(node: GraphNode) -> bool:
    op = node.op
    return op is not None and (op.ufunc is not None or op.name in ("reciprocal", "cast", "where"))


def _classes(graph: Graph, moments: Mapping[str, tuple[str, str]]) -> Iterator[list[_Member]]:
    """Yield the parameters that may be updated together, at least two at a time."""
    news = dict(graph.updates)
    own: dict[str, dict[str, tuple[int, int]]] = {}
    for state, new in graph.updates:
        if graph[state].name in moments:
            parameter, what = moments[graph[state].name]
            own.setdefault(parameter, {})[what] = state, new
    classes: dict[Any, list[_Member]] = {}
    for p, new in news.items():
        node, value = graph[p], graph[new]
        if node.role != "parameter" or not node.shape or not 0 < node.size <= SMALL:
            continue
        inputs = value.inputs if _is_elementwise(value) and value.shape == node.shape else ()
        # The last operation is that of the parameter: it would take as many calls to copy it back.
        roots = [i for i in inputs if i != p and graph[i].shape == node.shape]
        found = own.get(node.name, {})
        if any(graph[s].shape != node.shape for s, _ in found.values()):
            continue
        member = _Member(p, dict(sorted(found.items())), roots)
        key = (node.dtype, value.op, len(roots), tuple(member.moments), _numbers(graph, member))
        classes.setdefault(key, []).append(member)
    return (members for members in classes.values() if len(members) > 1)


def _numbers(graph: Graph, member: _Member) -> frozenset[int]:
    """Return the learning rate and other changing numbers that a parameter's chain reads."""
    seen: set[int] = set()
    stack = list(member.row)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            if _is_elementwise(graph[i]):
                stack += graph[i].inputs
    leaves = (graph[i] for i in seen if graph[i].op is None and not graph[i].shape)
    return frozenset(node.index for node in leaves if node.role != "constant")


class _Chain:
    """The operations that are the same for all members; a row has one node of each.

    Attributes:
        operands: row -> the rows that its operation reads; None for what the chain starts from.
    """

    def __init__(self, graph: Graph, members: list[_Member]) -> None:
        self.graph = graph
        self.members = members
        self.shapes = [graph[m.parameter].shape for m in members]
        self.operands: dict[Row, list[Row] | None] = {}
        for row in zip(*(m.row for m in members), strict=True):
            if self._fits(row):
                self._read(row)
        # The moments that all have new values in the chain: what they are -> (old, new) rows.
        self.moments: dict[str, tuple[Row, Row]] = {}
        for what in members[0].moments:
            old, new = zip(*(m.moments[what] for m in members), strict=True)
            if self.operands.get(new) is not None and len(set(old)) == len(old):
                self.moments[what] = old, new

    def _read(self, row: Row) -> None:
        """Go down from a row as long as all members do the same."""
        stack = [row]
        while stack:
            row = stack[-1]
            operands = self._alike(row)
            ahead = [r for r in operands or () if not self.is_number(r) and r not in self.operands]
            if row in self.operands or not ahead:
                self.operands.setdefault(row, operands)
                stack.pop()
            else:
                stack += ahead

    def _alike(self, row: Row) -> list[Row] | None:
        """Return the operands of one operation for all, or None."""
        first, *others = (self.graph[i] for i in row)
        if not _is_elementwise(first):
            return None
        if any(n.op is not first.op or n.params != first.params for n in others):
            return None
        operands = list(zip(*(self.graph[i].inputs for i in row), strict=True))
        fit = all(self.is_number(r) or self._fits(r) for r in operands)
        return operands if fit else None

    def is_number(self, row: Row) -> bool:
        """Return whether all members read one and the same number."""
        return len(set(row)) == 1 and not self.graph[row[0]].shape

    def _fits(self, row: Row) -> bool:
        """Return whether nodes can lie in one array, each in the place of its parameter."""
        nodes = [self.graph[i] for i in row]
        shapes = [n.shape for n in nodes]
        return shapes == self.shapes and len({n.dtype for n in nodes}) == 1

    def pays(self) -> bool:
        """Return whether joining saves more calls than it takes."""
        own = {old for old, _ in self.moments.values()}
        starts = [row for row, operands in self.operands.items() if operands is None]
        copied = [r for r in starts if r not in own and any(self.graph[i].op is None for i in r)]
        saved = (len(self.operands) - len(starts)) * (len(self.members) - 1)
        return saved > COPYING * len(copied)


# --- the joined graph ---------------------------------------------------------------------------


class _Joiner:
    """Puts one chain in the place of many."""

    def __init__(self, graph: Graph, chain: _Chain) -> None:
        self.old = graph
        self.chain = chain
        self.nodes = list(graph)
        # Row -> the node that joins it; node -> the part that stands for it.
        self.joined: dict[Row, int] = {}
        self.part: dict[int, int] = {}
        self.leaves = [graph[m.parameter] for m in chain.members]
        self.places = _places(math.prod(shape) for shape in chain.shapes)
        self.updates = [
            (s, v)
            for s, v in graph.updates
            if all(s not in old for old, _ in chain.moments.values())
        ]
        self._join_moments()
        for row, operands in chain.operands.items():
            if row not in self.joined:
                self._join(row, operands)
        self.updates += [(self.joined[a], self.joined[b]) for a, b in chain.moments.values()]

    def _join_moments(self) -> None:
        for what, (row, _) in self.chain.moments.items():
            self._add(row, None, (), {"joins": row}, f"joined_{what}", "state")

    def _join(self, row: Row, operands: list[Row] | None) -> None:
        if operands is None:
            parameters = all(self.old[i].role == "parameter" for i in row)
            self._add(row, JOIN, row, {}, "joined_p" if parameters else "joined_g", "update")
            return
        name = ""
        for what, (_, new) in self.chain.moments.items():
            if new == row:
                name = f"{what}_new of {', '.join(leaf.name for leaf in self.leaves)}"
        inputs = tuple(r[0] if self.chain.is_number(r) else self.joined[r] for r in operands)
        first = self.old[row[0]]
        self._add(row, first.op, inputs, first.params, name, "update")

    def _add(self, row: Row, op: Op | None, inputs: Row, params: Any, name: str, role: str) -> None:
        """Add a node that joins a row; parts of it are what others read instead of the row."""
        dtype = self.old[row[0]].dtype
        size = self.places[-1][1]
        self.joined[row] = index = self._append(op, inputs, params, name, role, (size,), dtype)
        if op is JOIN:
            return
        for i, (start, _), leaf in zip(row, self.places, self.leaves, strict=True):
            where = {"start": start, "shape": leaf.shape}
            called = f"part_{identifier(leaf.name)}"
            self.part[i] = self._append(PART, (index,), where, called, role, leaf.shape, dtype)

    def _append(
        self, op: Op | None, inputs: Row, params: Any, name: str, role: str, shape: Row, dtype: Any
    ) -> int:
        node = GraphNode(len(self.nodes), op, inputs, params, name, role, shape, dtype, None)
        node.anonymous = not name
        self.nodes.append(node)
        return node.index

    def _now(self, i: int) -> int:
        """Return what stands for a node of the old graph."""
        return self.part.get(i, i)

    def graph(self) -> Graph | None:
        """Return the new graph; None where a member's chain starts from another's end."""
        nodes = [replace(n, inputs=tuple(map(self._now, n.inputs))) for n in self.nodes]
        outputs = [self._now(n.index) for n in self.old.outputs]
        updates = [(s, self._now(v)) for s, v in self.updates]
        grads = {n.index: self._now(n.grad) for n in nodes if n.op is None and n.grad is not None}
        live = leading_to(nodes, [*outputs, *(v for _, v in updates), *grads.values()])
        leaves = [n.index for n in nodes if n.op is None]
        wanted = [i for i in range(len(nodes)) if i in live and nodes[i].op is not None]
        order = _in_order(nodes, [*leaves, *wanted])
        if order is None:
            return None
        place = {i: k for k, i in enumerate(order)}
        made = []
        for i in order:
            n = nodes[i]
            params = {"joins": tuple(place[j] for j in joins(n))} if joins(n) else n.params
            inputs = tuple(place[j] for j in n.inputs)
            grad = place[grads[i]] if i in grads else None
            made.append(replace(n, index=place[i], inputs=inputs, params=params, grad=grad))
        return Graph(
            made,
            [place[i] for i in outputs],
            [(place[s], place[v]) for s, v in updates],
            self.old.notes,
        )


def _in_order(nodes: list[GraphNode], wanted: list[int]) -> list[int] | None:
    """Return the nodes wanted, each after its inputs; None where they go round in a circle."""
    order: list[int] = []
    done: set[int] = set()
    open_: set[int] = set()
    for start in wanted:
        stack = [start]
        while stack:
            i = stack[-1]
            ahead = [j for j in nodes[i].inputs if j not in done]
            if i in done or not ahead:
                stack.pop()
                open_.discard(i)
                if i not in done:
                    done.add(i)
                    order.append(i)
            elif i in open_:
                return None
            else:
                open_.add(i)
                stack += ahead
    return order
