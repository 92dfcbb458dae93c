"""Which nodes of a graph are drawn, and in the frame of which module."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_course.graph import Graph
from viz.sketch import Path


def hidden(graph: Graph, backward: bool, slide: bool) -> set[int]:
    """Return what is not drawn: the backward pass and the update, unless asked for."""
    if backward and not slide:
        return set()
    found = {n.index for n in graph if n.role == "update" or (n.is_backward and not backward)}
    users: dict[int, list[int]] = {}
    for node in graph:
        for i in node.inputs:
            users.setdefault(i, []).append(node.index)
    for node in graph:
        if node.op is None and node.index in users and found.issuperset(users[node.index]):
            found.add(node.index)
    return found


def scopes(graph: Graph) -> list[Path]:
    """Return the modules each node is drawn in; a parameter stands with its users, data outside."""
    found: list[Path] = [node.scope for node in graph]
    leaves: dict[int, Path] = {}
    for node in graph:
        if node.is_backward:
            continue
        for i in node.inputs:
            if graph[i].op is None:
                leaves[i] = _common(leaves[i], node.scope) if i in leaves else node.scope
    for i, path in leaves.items():
        found[i] = path if graph[i].role == "parameter" else ()
    return found


def _common(a: Sequence[str], b: Sequence[str]) -> Path:
    """Return the beginning that two paths share."""
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return tuple(a[:length])
