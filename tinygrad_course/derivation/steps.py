"""The chain rule, link by link: why each derivative is what it is.

Nothing is computed here; the sentences are read off the graph: in which equations a value is used,
and along which axes it was broadcast there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph import GraphNode
    from .lines import Derivation, Line
    from .writer import Writer

Reason = tuple[str, str]
"""A sentence as text, and with its formulas in LaTeX between dollar signs."""


def reasons(d: Derivation, writers: Sequence[Writer]) -> dict[str, Reason]:
    """Return for each derivative where it comes from.

    Args:
        d: lines derived link by link.
        writers: one for text, one for LaTeX.
    """
    links = Links(d)
    return {
        line.name: (links.sentence(line, writers[0]), links.sentence(line, writers[1]))
        for line in d.lines
        if line.of is not None and links.users(line)
    }


class Links:
    """Which equations of the forward pass use a value, and how their derivatives are called."""

    def __init__(self, d: Derivation) -> None:
        self.d = d
        self.derivative = {line.of: line for line in d.lines if line.of is not None}
        # Value -> (equation that uses it, the operation in it that does).
        self._uses: dict[int, list[tuple[Line, GraphNode]]] = {}
        needed = _ancestors(d)
        for line in d.lines:
            if line.section == "backward" or line.index not in needed:
                continue
            for i in d.body(line):
                node = d.graph[i]
                if node.op is not None and node.op.name != "count":
                    for x in dict.fromkeys(node.inputs):
                        self._uses.setdefault(x, []).append((line, node))

    def users(self, line: Line) -> list[Line]:
        """Return the equations that use what `line` is the derivative of."""
        return list(dict.fromkeys(user for user, _ in self._uses.get(self._target(line), [])))

    def _target(self, line: Line) -> int:
        return self.d.graph.find(str(line.of)).index

    def sentence(self, line: Line, w: Writer) -> str:
        """Return the link: what is multiplied with what, and what follows from broadcasting."""
        math = "{}" if w.form == "text" else "${}$"
        users = self.users(line)
        links = [self._link(line, user, w) for user in users]
        if len(users) > 1:
            names = [math.format(w.left(user)) for user in users]
            text = math.format(" + ".join(links))
            x = math.format(w.symbol(str(line.of)))
            text += f", because {x} is used in {', '.join(names[:-1])} and {names[-1]}"
        elif users[0].name in self.derivative:
            text = f"{math.format(links[0])}, where {math.format(w.equation(users[0]))}"
        else:
            text = f"from {math.format(w.equation(users[0]))}"
        return text + self._broadcast(line, w, math) + self._share(line, users, w, math)

    def _link(self, line: Line, user: Line, w: Writer) -> str:
        """Return dZ · ∂Z/∂W: the derivative of the equation's left side, times its own."""
        sign = "d" if self.d.scalar else "∂"
        mark = sign if w.form == "text" or sign == "d" else r"\partial "
        of, x = w.symbol(user.name), w.symbol(str(line.of))
        if w.form == "text":
            own = f"{mark}{of}/{mark}{x}"
        else:
            own = rf"\frac{{{mark}{of}}}{{{mark}{x}}}"
        outer = self.derivative.get(user.name)
        if outer is None:  # the cost itself
            return own
        dot = " · " if w.form == "text" else r" \cdot "
        factor = ""
        if outer.scale > line.scale:
            factor = "(1/m) " if w.form == "text" else r"\frac{1}{m} "
        return f"{factor}{w.left(outer)}{dot}{own}"

    def _broadcast(self, line: Line, w: Writer, math: str) -> str:
        """Return why a sum over an axis appears."""
        target = self.d.graph[self._target(line)]
        uses = self._uses[target.index]
        axes = sorted({axis for _, node in uses for axis in self._repeated(target, node)})
        if not axes:
            return ""
        along = ("axis " if len(axes) == 1 else "axes ") + _listed(axes)
        name = math.format(w.symbol(target.name))
        return f"; {name} was broadcast along {along}, so its derivative is summed over {along}"

    def _repeated(self, target: GraphNode, user: GraphNode) -> list[int]:
        """Return the axes of `user` along which `target` was repeated."""
        if user.op is None:
            return []
        if user.op.name == "insert_axes":  # a bias for each channel: what it is added to
            uses = self._uses.get(user.index, [])
            return [axis for _, node in uses for axis in self._repeated(user, node)]
        if user.op.name == "affine":
            if user.inputs[2] != target.index:
                return []
        elif user.op.kind != "elementwise":
            return []
        own, whole = self.d.sizes.axes[target.index], self.d.sizes.axes[user.index]
        extra = len(whole) - len(own)
        root = self.d.sizes.root
        stretched = [
            k + extra
            for k, axis in enumerate(own)
            if target.shape[k] == 1 and root(axis) != root(whole[k + extra])
        ]
        return [*range(extra), *stretched]

    def _share(self, line: Line, users: list[Line], w: Writer, math: str) -> str:
        """Return how much each example counts in a mean."""
        if not any(self.d.graph[i].op is not None for i in self.d.body(line)):
            return ""
        ops = {op.name for i in self.d.body(line) if (op := self.d.graph[i].op) is not None}
        if "ones_like" not in ops or len(users) != 1 or users[0].name in self.derivative:
            return ""
        if self.d.convention == "exact" and self.d.m is not None:
            one = "1/m" if w.form == "text" else r"\frac{1}{m}"
            return f": each example counts {math.format(one)}" if "div" in ops else ""
        return ": each example counts 1"


def _ancestors(d: Derivation) -> set[int]:
    """Return what the result is computed from."""
    found: set[int] = set()
    stack = [node.index for node in d.graph.outputs]
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            stack.extend(d.graph[i].inputs)
    return found


def _listed(axes: list[int]) -> str:
    *first, last = map(str, axes)
    return f"{', '.join(first)} and {last}" if first else last
