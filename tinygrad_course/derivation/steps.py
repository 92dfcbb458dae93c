"""The chain rule, link by link: why each derivative is what it is.

Nothing is computed here; the sentences are read off the graph: what a value was used in, and along
which axes it was broadcast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph import GraphNode
    from .lines import Derivation
    from .writer import Writer


def reasons(d: Derivation, writer: Writer) -> dict[str, str]:
    """Return for each line of the backward pass where it comes from."""
    found = {}
    users = _users(d)
    for line in d.lines:
        if line.of is None:
            continue
        target = d.graph.find(line.of)
        sentence = _because(d, target, users, writer)
        if sentence:
            found[line.name] = sentence
    return found


def _users(d: Derivation) -> dict[int, list[GraphNode]]:
    """Return for each node the forward operations that read it."""
    found: dict[int, list[GraphNode]] = {}
    for node in d.graph:
        if node.op is not None and node.op.name != "count" and not node.is_backward:
            for i in node.inputs:
                found.setdefault(i, []).append(node)
    return found


def _because(
    d: Derivation, target: GraphNode, readers: dict[int, list[GraphNode]], writer: Writer
) -> str:
    users = readers.get(target.index, [])
    if not users:
        return ""
    names = [_shown(d, user, readers, writer) for user in users]
    parts = []
    if len(users) > 1:
        parts.append(f"used in {_listed(names)}: the derivatives add up")
    else:
        parts.append(f"used in {names[0]}")
        repeated = _repeated(d, target, users[0])
        if repeated:
            axes = "axis" if len(repeated) == 1 else "axes"
            listed = ", ".join(str(k) for k in repeated)
            parts.append(
                f"{writer.symbol(target.name)} was broadcast along {axes} {listed}, so its "
                "derivative sums over it"
            )
    return "; ".join(parts)


def _shown(
    d: Derivation, node: GraphNode, readers: dict[int, list[GraphNode]], writer: Writer
) -> str:
    """Return the line that a node is part of, by its name."""
    while d.name_of(node.index) is None and readers.get(node.index):
        node = readers[node.index][0]
    return writer.symbol(node.name)


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    if len(unique) == 1:
        return f"{unique[0]} more than once"
    return ", ".join(unique[:-1]) + " and " + unique[-1]


def _repeated(d: Derivation, target: GraphNode, user: GraphNode) -> list[int]:
    """Return the axes of `user` along which `target` was repeated."""
    if user.op is None or user.op.kind not in ("elementwise", "linalg"):
        return []
    if user.op.name == "affine" and user.inputs[2] != target.index:
        return []
    if user.op.name in ("matrix_product", "inner", "einsum"):
        return []
    own, whole = d.sizes.axes[target.index], d.sizes.axes[user.index]
    extra = len(whole) - len(own)
    root = d.sizes.root
    stretched = [
        k + extra
        for k, axis in enumerate(own)
        if target.shape[k] == 1 and root(axis) != root(whole[k + extra])
    ]
    return [*range(extra), *stretched]
