"""Scaling early: α (1/m) multiplies one small array instead of every gradient.

The backward pass is linear in where it starts. A step of gradient descent multiplies the gradient
of every parameter by α/m; multiplying dZ of the last layer by it once comes to the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..graph import Graph, GraphNode, leading_to
from ..op import find

# Linear in the operands at these places.
LINEAR: dict[str, tuple[int, ...]] = {
    "matrix_product": (0, 1),
    "mul": (0, 1),
    "div": (0,),
    "neg": (0,),
    **dict.fromkeys(("conv", "conv_transpose", "conv_kernel"), (0, 1)),
    **dict.fromkeys(
        (
            "sum matrix_transpose insert_axes remove_axes reshape_to reshape_like pool_place "
            "pool_pick pool_sum pool_spread unfold_windows fold_windows resize resize_back"
        ).split(),
        (0,),
    ),
}
PRODUCTS = ("matrix_product", "conv", "conv_transpose", "conv_kernel")


def scale_early(graph: Graph) -> Graph:
    """Return a lowered graph in which a number that multiplies several gradients does so once."""
    factors = _factors(graph)
    return _Scaler(graph, factors).graph() if factors else graph


def _factors(graph: Graph) -> dict[int, int]:
    """Return the gradients times a number that two gradients or more share: node -> number."""
    uses = [0] * len(graph)
    for node in graph:
        for i in node.inputs:
            uses[i] += 1
    kept = {n.index for n in graph.outputs}
    kept |= {n.grad for n in graph if n.op is None and n.grad is not None}
    found: dict[int, list[int]] = {}
    for node in graph:
        if node.op is None or node.op.name != "mul" or not node.shape:
            continue
        numbers = [i for i in node.inputs if not graph[i].shape]
        if len(numbers) != 1 or graph[numbers[0]].dtype != node.dtype:
            continue
        core = graph[_other(node, numbers[0])]
        linear = core.op is not None and core.op.name in (*PRODUCTS, "sum")
        if linear and uses[core.index] == 1 and core.index not in kept:
            found.setdefault(numbers[0], []).append(node.index)
    return {node: s for s, nodes in found.items() if len(nodes) > 1 for node in nodes}


def _other(node: GraphNode, i: int) -> int:
    first, second = node.inputs
    return second if first == i else first


class _Scaler:
    """Copies a graph, with factors moved."""

    def __init__(self, graph: Graph, factors: dict[int, int]) -> None:
        self.old = graph
        self.factors = factors
        self.nodes: list[GraphNode] = []
        self.new: dict[int, int] = {}
        # (number, node) -> their product.
        self.scaled: dict[tuple[int, int], int] = {}
        # Cotangents are what came through a product with a weight.
        self.through = [False] * len(graph)
        for node in graph:
            if node.op is not None and node.is_backward:
                below = any(self.through[i] for i in node.inputs)
                self.through[node.index] = below or node.op.name in PRODUCTS

    def graph(self) -> Graph:
        """Return the copy, without what nothing needs any more."""
        old = self.old
        for node in old:
            s = self.factors.get(node.index)
            if s is None:
                inputs = tuple(self.new[i] for i in node.inputs)
                self.new[node.index] = self._add(node, node.op, inputs)
            else:
                self.new[node.index] = self._product(s, _other(node, s))
        made = Graph(
            self.nodes,
            [self.new[n.index] for n in old.outputs],
            [(self.new[s], self.new[v]) for s, v in old.updates],
        )
        for node in old:
            if node.op is None and node.grad is not None:
                made[self.new[node.index]].grad = self.new[node.grad]
        return live(made)

    def _add(self, like: GraphNode, op: Any, inputs: tuple[int, ...]) -> int:
        index = len(self.nodes)
        self.nodes.append(replace(like, index=index, op=op, inputs=inputs, grad=None))
        return index

    def _product(self, s: int, i: int) -> int:
        """Return a number times a node, pushed down to where the backward pass starts."""
        path = [i]
        while (s, path[-1]) not in self.scaled:
            below = self._carrier(path[-1])
            if below is None:
                node = self.old[path[-1]]
                inputs = (self.new[s], self.new[node.index])
                made = self._add(node, find("mul"), inputs)
                self.nodes[made].params = {}
                self.nodes[made].name, self.nodes[made].anonymous = "", True
                self.scaled[s, node.index] = made
            else:
                path.append(self.old[path[-1]].inputs[below])
        for k in reversed(path):
            if (s, k) in self.scaled:
                continue
            node = self.old[k]
            place = self._carrier(k)
            assert place is not None
            operands = [self.new[x] for x in node.inputs]
            operands[place] = self.scaled[s, node.inputs[place]]
            self.scaled[s, k] = self._add(node, node.op, tuple(operands))
        return self.scaled[s, i]

    def _carrier(self, i: int) -> int | None:
        """Return which operand of a node is the cotangent; None where there is no saying."""
        node = self.old[i]
        if node.op is None or node.op.name not in LINEAR or not node.is_backward:
            return None
        places = [k for k in LINEAR[node.op.name] if self._is_cotangent(node.inputs[k])]
        if len(places) > 1:
            places = [k for k in places if self.through[node.inputs[k]]]
        return places[0] if len(places) == 1 else None

    def _is_cotangent(self, i: int) -> bool:
        node = self.old[i]
        if node.op is None or not node.is_backward or not node.shape:
            return False
        if node.dtype.kind != "f":  # a mask: a number times it would be one, too
            return False
        # The transpose of an activation or weight is no cotangent.
        view = node.op.name == "matrix_transpose"
        return not view or self.old[node.inputs[0]].is_backward


def live(graph: Graph) -> Graph:
    """Return a graph without the nodes that no output, update or gradient needs."""
    starts = [n.index for n in graph.outputs]
    starts += [i for pair in graph.updates for i in pair]
    starts += [n.grad for n in graph if n.op is None and n.grad is not None]
    seen = sorted(leading_to(graph.nodes, starts))
    place = {i: k for k, i in enumerate(seen)}
    nodes = []
    for i in seen:
        node = graph[i]
        grad = None if node.grad is None else place.get(node.grad)
        inputs = tuple(place[j] for j in node.inputs)
        nodes.append(replace(node, index=place[i], inputs=inputs, grad=grad, grad_of=None))
    updates = [(place[s], place[v]) for s, v in graph.updates]
    return Graph(nodes, [place[n.index] for n in graph.outputs], updates, graph.notes)
