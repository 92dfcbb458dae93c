"""What is the derivative of what in a captured graph, and what led to it: read, not computed."""

from __future__ import annotations

import numpy as np

from .. import naming
from ..graph import Graph, GraphNode, leading_to


def needed(graph: Graph) -> set[int]:
    """Return the nodes behind the outputs and the derivatives of leaves."""
    starts = [n.index for n in graph.outputs]
    starts += [n.grad for n in graph if n.grad is not None]
    starts += [i for update in graph.updates for i in update]
    return leading_to(graph.nodes, starts)


def read_again(graph: Graph) -> dict[int, int]:
    """Return for arrays in derivative rules the data that they are, such as the mask of a where."""
    found = {}
    for node in graph:
        if node.rule_of is None:
            continue
        for i in node.inputs:
            if graph[i].op is None and graph[i].is_backward and i not in found:
                for k in graph[node.rule_of].inputs:
                    if graph[k].role == "data" and _equal(graph[i], graph[k]):
                        found[i] = k
    return found


def _equal(a: GraphNode, b: GraphNode) -> bool:
    """Return True for leaves of the same values and dtype."""
    known = a.value is not None and b.value is not None
    return known and a.dtype == b.dtype and np.array_equal(a.value, b.value)


def derivatives(graph: Graph) -> dict[int, list[int]]:
    """Return for each node of the backward pass what it is the derivative of, latest first."""
    of: dict[int, list[int]] = {}
    for node in graph:
        if node.grad is not None and graph[node.grad].is_backward:
            of.setdefault(node.grad, []).insert(0, node.index)
    return of


def sums(graph: Graph) -> dict[int, int]:
    """Return for each sum over several uses of a value, partial sums too, that value."""
    found: dict[int, int] = {}
    total = {n.grad: n.index for n in graph if n.grad is not None}
    for g, of in total.items():
        stack = [g]
        while stack:
            node = graph[stack.pop()]
            if node.op is None or node.op.name != "add" or not node.is_backward:
                continue
            if node.index == g or node.index not in total:
                found[node.index] = of
                stack.extend(node.inputs)
    return found


def from_data(graph: Graph) -> list[bool]:
    """Return for each node whether data, and not only parameters, led to it."""
    found: list[bool] = []
    for node in graph:
        if node.op is None:
            found.append(naming.is_data(node))
        else:
            found.append(any(found[i] for i in node.inputs))
    return found
