"""What the steps of a sequence do in small pieces, done at once.

A recurrent layer reads slices of one array, joins its states and adds a gradient up over its steps.
Step by step, that is an array of zeros for each slice and a product of small matrices for each
step. `together` returns a graph that computes the same with

- the piece itself, where a slice of joined pieces is read, and nothing where zeros were added;
- pieces joined, where each was placed in zeros and the arrays were added up;
- one product of joined matrices for a sum of products: Σ Aₜᵀ Bₜ = [A₁ … A_T]ᵀ [B₁ … B_T].

Pieces are computed where they are joined (see `plan`), so that nothing is copied.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Graph, GraphNode
from ..op import Op, find
from .scale import live

# Operations that arrange elements without computing.
_VIEWS = frozenset(
    "matrix_transpose permute_axes reshape_to reshape_like insert_axes remove_axes getitem".split()
)
# Where the elements of an array come from is found by trying, on arrays of at most so many.
MOST_ELEMENTS = 1 << 22
# Products of larger matrices are as fast one by one; and two or three small ones likewise.
LARGEST, FEWEST = 1 << 16, 4
# A product of small matrices takes two or three times as long where the right one is transposed.
ROWS = Op(
    "in_rows",
    np.ascontiguousarray,
    inputs=("x",),
    kind="shape",
    text="{x}",
    latex="{x}",
    numpy="np.ascontiguousarray",
)


def together(graph: Graph) -> Graph:
    """Return a graph in which pieces are read, placed and added up at once."""
    if not any(n.op is not None and n.op.name in ("join", "place") for n in graph):
        return graph
    return _Turner(live(_Adder(live(_Reader(graph).graph())).graph())).graph()


class _Copy:
    """Copies a graph, with other nodes in the place of some."""

    def __init__(self, graph: Graph) -> None:
        self.old = graph
        self.nodes: list[GraphNode] = []
        self.new: dict[int, int] = {}

    def graph(self) -> Graph:
        """Return the copy."""
        old = self.old
        for node in old:
            found = self.instead(node)
            if found is None:
                inputs = tuple(self.new[i] for i in node.inputs)
                found = self._append(replace(node, inputs=inputs, grad=None))
            self.new[node.index] = found
        outputs = [self.new[n.index] for n in old.outputs]
        updates = [(self.new[s], self.new[v]) for s, v in old.updates]
        made = Graph(self.nodes, outputs, updates, old.notes)
        for node in old:
            if node.op is None and node.grad is not None:
                made[self.new[node.index]].grad = self.new[node.grad]
        return made

    def instead(self, node: GraphNode) -> int | None:
        """Return what stands in the place of a node, None for a copy of it."""
        raise NotImplementedError

    def _append(self, node: GraphNode) -> int:
        self.nodes.append(replace(node, index=len(self.nodes)))
        return len(self.nodes) - 1

    def _make(self, op: Op | str, to: Any, *inputs: int, **params: Any) -> int:
        """Append an operation of the backward pass, of this shape."""
        kind = find(op) if isinstance(op, str) else op
        dtype = self.nodes[inputs[0]].dtype
        params = {**kind.defaults, **params}
        node = GraphNode(0, kind, inputs, params, "", "backward", tuple(to), dtype, None)
        node.anonymous = True
        return self._append(node)


class _Reader(_Copy):
    """Reads the pieces that were joined instead of slices of the whole."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._labels: dict[int, Any] = {}
        # Where the numbers of each source's elements start, and the sources; 0 stands for zero.
        self._starts: list[int] = []
        self._sources: list[int] = []
        self._next = 1
        self._zeros: set[int] = set()
        self._arranged: set[int] = set()
        for node in graph:
            if node.op is None or node.size > MOST_ELEMENTS:
                continue
            made = node.op.name == "join" or (node.op.name == "place" and len(node.inputs) == 2)
            moved = self._is_view(node) and node.inputs[0] in self._arranged
            if made or moved:
                self._arranged.add(node.index)

    @staticmethod
    def _is_view(node: GraphNode) -> bool:
        assert node.op is not None
        plain = node.op.name != "getitem" or len(node.inputs) == 1
        return node.op.name in _VIEWS and plain

    def instead(self, node: GraphNode) -> int | None:
        op = node.op
        if op is None:
            return None
        if op.name == "add" and node.is_backward:
            for zero, other in (node.inputs, node.inputs[::-1]):
                if zero in self._zeros and self.old[other].shape == node.shape:
                    return self.new[other]
            return None
        if op.name != "getitem" or node.index not in self._arranged or not node.size:
            return None
        labels = self._label(node.index)
        first = int(labels.flat[0])
        if first == 0:
            if not labels.any():
                self._zeros.add(node.index)
            return None
        k = bisect_right(self._starts, first) - 1
        source = self.old[self._sources[k]]
        numbers = self._starts[k] + np.arange(source.size)
        if source.dtype != node.dtype or not np.array_equal(labels.reshape(-1), numbers):
            return None
        piece = self.new[source.index]
        if source.shape == node.shape:
            return piece
        params = {"shape": node.shape}
        return self._append(
            replace(node, op=find("reshape_to"), inputs=(piece,), params=params, grad=None)
        )

    def _label(self, i: int) -> Any:
        """Return for each element of a node the number of the element that it is."""
        stack = [i]
        while stack:
            i = stack[-1]
            node = self.old[i]
            if i in self._labels:
                stack.pop()
            elif i not in self._arranged:
                numbers = np.arange(self._next, self._next + node.size).reshape(node.shape)
                self._labels[i] = numbers
                self._starts.append(self._next)
                self._sources.append(i)
                self._next += node.size
            else:
                wanted = node.inputs if node.op.name == "join" else node.inputs[:1]  # type: ignore[union-attr]
                ahead = [j for j in wanted if j not in self._labels]
                stack += ahead
                if not ahead:
                    self._labels[i] = self._moved(node)
        return self._labels[i]

    def _moved(self, node: GraphNode) -> Any:
        assert node.op is not None
        labels = [self._labels[j] for j in node.inputs if j in self._labels]
        if node.op.name == "place":
            whole = np.zeros(node.shape, np.int64)
            whole[node.params["index"]] = labels[0]
            return whole
        if node.op.name == "reshape_like":
            return labels[0].reshape(node.shape)
        return node.op.forward(*labels, **node.params)


class _Adder(_Copy):
    """Adds many small terms up at once."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._joined: dict[Any, int] = {}
        uses = [0] * len(graph)
        for node in graph:
            for i in node.inputs:
                uses[i] += 1
        kept = [n.index for n in graph.outputs] + [v for _, v in graph.updates]
        kept += [n.grad for n in graph if n.op is None and n.grad is not None]
        for i in kept:
            uses[i] += 2
        # Sums that are only a part of a larger one.
        self._inner: set[int] = set()
        for node in graph:
            if self._is_sum(node):
                self._inner |= {i for i in node.inputs if uses[i] == 1 and self._is_sum(graph[i])}

    @staticmethod
    def _is_sum(node: GraphNode) -> bool:
        return node.op is not None and node.op.name == "add" and node.is_backward

    def instead(self, node: GraphNode) -> int | None:
        if not self._is_sum(node) or node.index in self._inner:
            return None
        terms = self._terms(node)
        if len(terms) < 2 or any(t.shape != node.shape or t.dtype != node.dtype for t in terms):
            return None
        found: list[int] = []
        for collect in (self._placed, self._products, self._totals):
            terms = collect(terms, found)
        if not found:
            return None
        indices = [self.new[t.index] for t in terms] + found
        total = indices[0]
        for i in indices[1:-1]:
            total = self._make("add", node.shape, total, i)
        if len(indices) == 1:
            return total
        return self._append(replace(node, inputs=(total, indices[-1]), grad=None))

    def _terms(self, node: GraphNode) -> list[GraphNode]:
        """Return what is added up, in order."""
        terms: list[GraphNode] = []
        stack = [node.index]
        while stack:
            i = stack.pop()
            if i == node.index or i in self._inner:
                stack += reversed(self.old[i].inputs)
            else:
                terms.append(self.old[i])
        return terms

    def _join(self, pieces: list[int], axis: int) -> int:
        """Join nodes of the new graph along an axis."""
        key = (*pieces, axis)
        if key not in self._joined:
            shape = list(self.nodes[pieces[0]].shape)
            shape[axis] = sum(self.nodes[i].shape[axis] for i in pieces)
            self._joined[key] = self._make("join", shape, *pieces, axis=axis)
        return self._joined[key]

    def _placed(self, terms: list[GraphNode], found: list[int]) -> list[GraphNode]:
        """Join what is placed in slices next to each other that make up the whole of an axis."""
        placed = [t for t in terms if t.op is not None and t.op.name == "place"]
        slices = [_slice(t) for t in placed]
        if len(placed) < 2 or None in slices:
            return terms
        whole = placed[0].shape
        axes = {s[0] for s in slices if s is not None}
        order = sorted(range(len(placed)), key=lambda k: slices[k] or ())
        ends = [0]
        for k in order:
            _, start, stop, _ = slices[k] or (0, 0, 0, False)
            if start != ends[-1]:
                return terms
            ends.append(stop)
        axis = axes.pop()
        if axes or ends[-1] != whole[axis]:
            return terms
        single = [s is not None and s[3] for s in slices]
        pieces = [self.new[placed[k].inputs[0]] for k in order]
        if all(single) and axis == 0 and len(whole) > 1:
            rows = self._join(pieces, 0)
            found.append(self._make("reshape_to", whole, rows, shape=whole))
        elif any(single):
            return terms
        else:
            found.append(self._join(pieces, axis))
        return _without(terms, placed)

    def _products(self, terms: list[GraphNode], found: list[int]) -> list[GraphNode]:
        """Make one product of those of transposed matrices with others."""
        groups: dict[Any, list[GraphNode]] = {}
        for t in terms:
            if t.op is None or t.op.name != "matrix_product" or len(t.shape) != 2:
                continue
            left, b = (self.old[i] for i in t.inputs)
            if left.op is not None and left.op.name == "matrix_transpose":
                a = self.old[left.inputs[0]]
                if a.dtype == b.dtype and len(b.shape) == 2 and max(a.size, b.size) <= LARGEST:
                    groups.setdefault((a.shape[1:], b.shape[1:]), []).append(t)
        for products in groups.values():
            if len(products) < FEWEST:
                continue
            pairs = [
                (self.new[self.old[t.inputs[0]].inputs[0]], self.new[t.inputs[1]]) for t in products
            ]
            pairs.sort()  # in the order of the forward pass, as the slices are
            lefts, rights = zip(*pairs, strict=True)
            whole, other = self._join(list(lefts), 0), self._join(list(rights), 0)
            turned = self._make("matrix_transpose", self.nodes[whole].shape[::-1], whole)
            found.append(self._make("matrix_product", products[0].shape, turned, other))
            terms = _without(terms, products)
        return terms

    def _totals(self, terms: list[GraphNode], found: list[int]) -> list[GraphNode]:
        """Add the rows of many matrices up at once."""
        sums = [
            t
            for t in terms
            if t.op is not None
            and t.op.name == "sum"
            and t.params["axis"] in (0, (0,))
            and not t.params["keepdims"]
            and len(self.old[t.inputs[0]].shape) == 2
            and self.old[t.inputs[0]].size <= LARGEST
        ]
        if len(sums) < FEWEST:
            return terms
        rows = self._join(sorted(self.new[t.inputs[0]] for t in sums), 0)
        found.append(self._make("sum", sums[0].shape, rows, axis=0))
        return _without(terms, sums)


class _Turner(_Copy):
    """Writes the transpose of a matrix out, where many small products have it on the right."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._many: set[int] = set()
        self._rows: dict[int, int] = {}
        uses: dict[int, int] = {}
        for node in graph:
            if self._is_turned(node):
                uses[node.inputs[1]] = uses.get(node.inputs[1], 0) + 1
        self._many = {i for i, count in uses.items() if count >= FEWEST}

    def _is_turned(self, node: GraphNode) -> bool:
        """Return whether a node is a product of small matrices, the right one transposed."""
        if node.op is None or node.op.name not in ("matrix_product", "affine"):
            return False
        left, right = (self.old[i] for i in node.inputs[:2])
        turned = right.op is not None and right.op.name == "matrix_transpose"
        return turned and len(right.shape) == 2 and max(left.size, right.size) <= LARGEST

    def instead(self, node: GraphNode) -> int | None:
        if not self._is_turned(node) or node.inputs[1] not in self._many:
            return None
        left, right, *others = (self.new[i] for i in node.inputs)
        if right not in self._rows:
            self._rows[right] = self._make(ROWS, self.nodes[right].shape, right)
        inputs = (left, self._rows[right], *others)
        return self._append(replace(node, inputs=inputs, grad=None))


def _without(terms: list[GraphNode], done: list[GraphNode]) -> list[GraphNode]:
    gone = {t.index for t in done}
    return [t for t in terms if t.index not in gone]


def _slice(node: GraphNode) -> tuple[int, int, int, bool] | None:
    """Return the axis along which a `place` puts its value, from where to where.

    And whether the value is without that axis; None where it is not along one axis.
    """
    if len(node.inputs) != 2:
        return None
    index = list(node.params["index"])
    ndim = len(node.shape)
    if Ellipsis in index:
        k = index.index(Ellipsis)
        index[k : k + 1] = [slice(None)] * (ndim - len(index) + 1)
    index += [slice(None)] * (ndim - len(index))
    if len(index) != ndim or None in index:
        return None
    axes = [k for k, part in enumerate(index) if part != slice(None)]
    if len(axes) != 1:
        return None
    (axis,) = axes
    part, n = index[axis], node.shape[axis]
    if isinstance(part, slice):
        start, stop, step = part.indices(n)
        return (axis, start, stop, False) if step == 1 and start < stop else None
    return axis, part % n, part % n + 1, True


__all__ = ["together"]
