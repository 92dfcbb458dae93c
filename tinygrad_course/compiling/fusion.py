"""Which operations one loop computes, and where their values lie.

A loop goes over all places of a shape. At each place it may compute a chain of elementwise
operations in registers, after a small matrix product that it begins with, and add results into
sums, or at places that index arrays name. Only what others read is written to memory. What has no
form in a loop is a call of NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..graph import Graph, GraphNode
from . import loop_forms
from .loop_places import Places, places, row_major

# A matrix product with more multiplications is left to BLAS, whose call costs a microsecond.
SMALL_PRODUCT = 8192
MOST_NODES = 48
# The time to compile a function grows faster than its length.
MOST_GROUPS = 40
# In shorter rows, heavy functions had better not be computed row by row.
SHORT_ROW = 64
REDUCTIONS = ("sum", "amax", "amin", "all", "any")
# In longer rows NumPy finds the largest number faster, looking at several at once.
LONG_ROW = 64


@dataclass(slots=True)
class Layout:
    """Where the elements of a value are: in the memory of `root`, counted in elements."""

    root: int
    offset: int
    strides: tuple[int, ...]


@dataclass
class Group:
    """Nodes that one loop (or one call) computes.

    Attributes:
        kind: "loop" or "call".
        shape: what the loop goes over.
        nodes: in order.
        depends: the groups that must come before.
        flat: True while every operand lies as the loop goes, or is one number.
        heavy: True when it computes an exponential or the like.
        closed: True when no other operation can join.
    """

    kind: str
    shape: tuple[int, ...]
    nodes: list[int] = field(default_factory=list)
    depends: set[int] = field(default_factory=set)
    flat: bool = True
    heavy: bool = False
    closed: bool = False
    level: int = 0


# Operations that read no more than the shape of the operands at these places.
SHAPES_OF = {
    "zeros_like": (0,),
    "ones_like": (0,),
    "bernoulli_mask": (0,),
    "broadcast_like": (1,),
    "reshape_like": (1,),
    "place": (1,),
}


def read_by(node: GraphNode) -> list[int]:
    """Return the inputs whose values an operation reads, not only their shape."""
    passed = SHAPES_OF.get(node.op.name, ()) if node.op is not None else ()
    return [i for k, i in enumerate(node.inputs) if k not in passed]


class Fusion:
    """The groups of a lowered graph, in the order of computing.

    Attributes:
        kinds: for each node "leaf", "number", "view", "loop", "reduce", "scatter", "product",
            "alone" (a loop that nothing joins) or "call".
        layouts: for each node.
        places: of the nodes that gather or scatter.
        groups: in order.
        group_of: node -> its place in `groups`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kinds: list[str] = []
        self.layouts: list[Layout] = []
        self.places: dict[int, Places] = {}
        for node in graph:
            self._classify(node)
        self._readers: dict[int, list[int]] = {}
        for node in graph:
            if self.kinds[node.index] != "view":
                for i in read_by(node):
                    self._readers.setdefault(self.root(i), []).append(node.index)
        self._state_of = {v: s for s, v in graph.updates}
        self.groups: list[Group] = []
        self.group_of: dict[int, int] = {}
        for node in graph:
            if self.kinds[node.index] not in ("leaf", "number", "view"):
                self._place(node)
        self._order()

    def root(self, i: int) -> int:
        """Return the node in whose memory a value lies."""
        return self.layouts[i].root

    def readers(self, root: int) -> list[int]:
        """Return the nodes that read a value, in whatever view."""
        return self._readers.get(root, [])

    def identical(self, i: int, shape: tuple[int, ...]) -> bool:
        """Return True when a value lies in its memory as a loop over `shape` goes."""
        layout = self.layouts[i]
        if self.graph[i].shape != shape or layout.offset:
            return False
        pairs = zip(layout.strides, row_major(shape), shape, strict=True)
        return all(a == b or n == 1 for a, b, n in pairs)

    def reads_in_place(self, node: GraphNode, i: int, shape: tuple[int, ...]) -> bool:
        """Return True when a loop over `shape` reads an operand as it goes, and nowhere else."""
        found = self.places.get(node.index)
        if found is not None and i != found.source:
            return False
        return self.kinds[node.index] not in ("product", "alone") and self.identical(i, shape)

    # --- what each node is ------------------------------------------------------------------

    def _classify(self, node: GraphNode) -> None:
        kind, layout = self._kind(node), None
        if kind == "view":
            layout = self._seen(node)
            kind = "call" if layout is None else kind
        self.kinds.append(kind)
        self.layouts.append(layout or Layout(node.index, 0, row_major(node.shape)))

    def _kind(self, node: GraphNode) -> str:
        op = node.op
        if op is None:
            return "number" if node.role == "constant" and not node.shape else "leaf"
        if op.view and len(node.inputs) == (2 if op.name.endswith("_like") else 1):
            return "view"
        if op.name == "flip":
            return "view"
        if op.name == "matrix_product":
            return "product" if self._is_small(node) else "call"
        if op.name in REDUCTIONS:
            return "reduce" if self._has_loop(node) else "call"
        if op.name in ("join", "cumsum", "argmax", "argmin"):
            return "alone" if self._goes_alone(node) else "call"
        found = places(self.graph, node, self._layout_of)
        if found is not None:
            self.places[node.index] = found
            return "loop" if found.source < 0 else "scatter"
        return "loop" if loop_forms.form(self.graph, node) is not None else "call"

    def _is_small(self, node: GraphNode) -> bool:
        shapes = [self.graph[i].shape for i in node.inputs]
        if node.dtype not in loop_forms.FLOATS or any(len(s) > 2 for s in shapes):
            return False
        if any(self.graph[i].dtype != node.dtype for i in node.inputs):
            return False
        return node.size * shapes[0][-1] <= SMALL_PRODUCT

    def _has_loop(self, node: GraphNode) -> bool:
        x = self.graph[node.inputs[0]]
        known = node.dtype in loop_forms.DTYPES and x.dtype in loop_forms.DTYPES
        assert node.op is not None
        if not known or (node.dtype.kind == "b") != (node.op.name in ("all", "any")):
            return False
        return node.op.name in ("sum", "all", "any") or x.size > 0

    def _goes_alone(self, node: GraphNode) -> bool:
        """Return whether there is a loop that computes this operation alone."""
        assert node.op is not None
        operands = [self.graph[i] for i in node.inputs]
        if any(x.dtype not in loop_forms.DTYPES or not x.size for x in (node, *operands)):
            return False
        if node.op.name == "join":
            return all(x.dtype == node.dtype for x in operands)
        (x,) = operands
        axis = node.params["axis"]
        wide = len(x.shape)
        if not wide or not (axis is None or (type(axis) is int and axis % wide == wide - 1)):
            return False
        row = x.size if axis is None else x.shape[-1]
        return node.op.name == "cumsum" or row <= LONG_ROW

    def _layout_of(self, i: int) -> tuple[int, tuple[int, ...]]:
        return self.layouts[i].offset, self.layouts[i].strides

    def _seen(self, node: GraphNode) -> Layout | None:
        """Return where a view's elements are; None when NumPy makes a copy."""
        assert node.op is not None
        first, *others = node.inputs
        layout, x = self.layouts[first], self.graph[first]
        root = self.graph[layout.root]
        memory = np.empty(max(root.size, 1), np.int8)  # never read or written
        seen = as_strided(memory[layout.offset :], x.shape, layout.strides)
        patterns = [_pattern(self.graph[i]) for i in others]
        params = node.params
        forward = np.flip if node.op.name == "flip" else node.op.forward  # the latter copies
        if node.op.name == "getitem" and not node.shape:
            index = params["index"]
            params = {"index": (*(index if isinstance(index, tuple) else (index,)), ...)}
        try:
            made = forward(seen, *patterns, **params)
        except (ValueError, IndexError, TypeError):
            return None
        if not isinstance(made, np.ndarray) or made.shape != node.shape:
            return None
        start = made.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        if made.size and not 0 <= start < memory.size:
            return None
        return Layout(layout.root, start if made.size else 0, made.strides)

    # --- grouping ---------------------------------------------------------------------------

    def _place(self, node: GraphNode) -> None:
        kind = self.kinds[node.index]
        depends = {self.group_of[r] for r in map(self.root, read_by(node)) if r in self.group_of}
        state = self._state_of.get(node.index)
        if state is not None:  # written over the old value after all who read that
            before = [r for r in self.readers(state) if r in self.group_of]
            depends |= {self.group_of[r] for r in before}
        shape = self.graph[node.inputs[0]].shape if kind == "reduce" else node.shape
        if node.index in self.places:
            shape = self.places[node.index].shape
        flat = self._is_flat(node, kind, shape)
        heavy = node.op is not None and node.op.name in loop_forms.HEAVY
        found = None
        if kind in ("loop", "reduce", "scatter"):
            found = self._fitting(node, shape, max(depends, default=-1), flat, heavy)
        if found is None:
            found = len(self.groups)
            made = Group("call" if kind == "call" else "loop", shape, closed=kind == "alone")
            self.groups.append(made)
        group = self.groups[found]
        group.nodes.append(node.index)
        group.depends |= depends - {found}
        group.flat &= flat
        group.heavy |= heavy
        self.group_of[node.index] = found

    def _is_flat(self, node: GraphNode, kind: str, shape: tuple[int, ...]) -> bool:
        if kind in ("product", "alone") or node.index in self.places:
            return False
        if kind == "reduce" and node.size > 1:
            return False
        return all(self.graph[i].size == 1 or self.identical(i, shape) for i in node.inputs)

    def _fitting(
        self, node: GraphNode, shape: tuple[int, ...], least: int, flat: bool, heavy: bool
    ) -> int | None:
        """Return the group that a node joins: that of an operand, or one that reads the same."""
        first = least
        if least >= 0 and not self._joins(node, least):
            first = least + 1
        roots = {self.root(i) for i in node.inputs if self.kinds[self.root(i)] != "number"}
        for g in range(max(first, 0), len(self.groups)):
            group = self.groups[g]
            if group.kind != "loop" or group.shape != shape or len(group.nodes) >= MOST_NODES:
                continue
            if group.closed:
                continue
            if len(shape) > 1 and shape[-1] < SHORT_ROW and group.flat != flat:
                if group.heavy or heavy:
                    continue
            shares = g == least or not shape
            shares = shares or any(
                self.root(i) in roots for n in group.nodes for i in self.graph[n].inputs
            )
            if shares and (self._joins(node, g) if g == least else True):
                return g
        return None

    def _joins(self, node: GraphNode, g: int) -> bool:
        """Return True when a node reads what a group computes place by place."""
        shape = self.groups[g].shape
        found = self.places.get(node.index)
        for i in read_by(node):
            r = self.root(i)
            if self.group_of.get(r) != g:
                continue
            if i != r or self.graph[i].shape != shape or self.kinds[r] in ("reduce", "scatter"):
                return False
            if self.kinds[r] == "alone" or (found is not None and i != found.source):
                return False
        state = self._state_of.get(node.index)
        if state is None:
            return True
        return all(
            self.reads_in_place(self.graph[r], i, shape)
            for r in self.readers(state)
            if self.group_of.get(r) == g
            for i in self.graph[r].inputs
            if self.root(i) == state
        )

    def _order(self) -> None:
        """Bring loops together, between as few turns to NumPy as can be."""
        for group in self.groups:
            level = 0 if group.kind == "loop" else 1
            for g in group.depends:
                other = self.groups[g]
                level = max(level, other.level + (other.kind != group.kind))
            group.level = level
        order = sorted(range(len(self.groups)), key=lambda g: (self.groups[g].level, g))
        new = {old: k for k, old in enumerate(order)}
        self.groups = [self.groups[g] for g in order]
        for group in self.groups:
            group.depends = {new[g] for g in group.depends}
        self.group_of = {i: new[g] for i, g in self.group_of.items()}

    def pieces(self) -> list[list[int]]:
        """Return the groups in runs: loops that one function computes, or one call each."""
        found: list[list[int]] = []
        for g, group in enumerate(self.groups):
            last = self.groups[found[-1][0]] if found else None
            if (
                last is not None
                and last.kind == group.kind == "loop"
                and len(found[-1]) < MOST_GROUPS
            ):
                found[-1].append(g)
            else:
                found.append([g])
        return found


def _pattern(node: GraphNode) -> Any:
    """Return an array of a node's shape that takes no memory."""
    return as_strided(np.zeros(1, np.int8), node.shape, (0,) * len(node.shape))
