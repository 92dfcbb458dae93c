"""What a program does, part by part: loops and calls, what each computes, where its values lie.

`parts` lists what runs, in order: a fused loop or one call of NumPy. `equations` writes what nodes
compute, in the names of the program: values that nobody else reads are written inside the line that
reads them. Pictures (`viz.draw`), `profile` and `explain` are made of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph import Graph, GraphNode
from ..op import ATOM, UNARY, find
from .fusion import SHAPES_OF, read_by
from .join import PART
from .lower import PRODUCT_SUM
from .plan import Plan

MAX_LINE = 46
"""A longer equation gives one of its operands a line of its own."""

IN_PLACE, NEW = "in place", "new"


@dataclass
class Equation:
    """One line of a part.

    Attributes:
        node: the value that it gives.
        text: such as ``A[1] = 1 / (exp(-Z[1]) + 1)``.
        role: "forward", "loss", "backward" or "update".
        places: where the values lie that it computes: "#3" is buffer 3, "@384" the program's
            memory from byte 384 on, "in place" the array of a state, "new" an array that is made in
            each call. None of a value that stays in a register.
    """

    node: int
    text: str
    role: str
    places: tuple[str, ...] = ()


@dataclass
class Part:
    """What runs as one.

    Attributes:
        kind: "loop" or "call".
        shape: what a loop goes over, or the shape of a call's result.
        nodes: the operations of the program's graph that it computes.
        equations: the same in lines.
        reads: the nodes whose memory it reads.
        bytes: of memory that it reads and writes, each array once.
        flops: multiplications and additions of its matrix products.
        function: the compiled function that it is in, or "".
    """

    kind: str
    shape: tuple[int, ...]
    nodes: list[int]
    equations: list[Equation] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    bytes: int = 0
    flops: int = 0
    function: str = ""

    @property
    def text(self) -> str:
        """What it computes, in one line."""
        return "; ".join(e.text for e in self.equations)


def parts(program: Any) -> list[Part]:
    """Return what a program runs, in order.

    Args:
        program: a `NumpyProgram` or a `NumbaProgram`.
    """
    return View(program).parts()


class View:
    """A program as one reads it, whatever its backend.

    Attributes:
        graph: its graph, lowered.
        places: node -> where its value lies.
        steps: what runs, in order: kind, shape, nodes and compiled function.
    """

    def __init__(self, program: Any) -> None:
        program = getattr(program, "_instead", None) or program
        self.program = program
        self.graph: Graph = program.graph
        self.is_fused = hasattr(program, "fusion")
        self.steps: list[tuple[str, tuple[int, ...], list[int], str]] = []
        if self.is_fused:
            self._read_fused()
        else:
            self._read_calls(program.plan)
        self._readers: dict[int, list[int]] = {}
        for node in self.graph:
            if node.op is not None and not self.is_view(node.index):
                for i in read_by(node):
                    self._readers.setdefault(self.root(i), []).append(node.index)
        self._kept = {self.root(n.index) for n in self.graph.outputs}
        self._kept |= {self.root(v) for _, v in self.graph.updates}
        self._kept |= {self.root(n.grad) for n in self.graph if n.op is None and n.grad is not None}

    def _read_fused(self) -> None:
        fusion, memory = self.program.fusion, self.program._memory
        self._roots = [fusion.root(i) for i in range(len(self.graph))]
        self._views = {i for i, kind in enumerate(fusion.kinds) if kind == "view"}
        self.into: dict[int, int] = memory.into
        self.stored: set[int] = memory.stored
        self.places = {i: f"@{offset}" for i, offset in memory.offsets.items()}
        self.places.update(dict.fromkeys(memory.fresh, NEW))
        self.places.update(dict.fromkeys(memory.into, IN_PLACE))
        count = 0
        for piece in self.program.pieces:
            groups = [fusion.groups[g] for g in piece]
            count += groups[0].kind == "loop"
            for group in groups:
                name = f"{self.program.name}_loops_{count}" if group.kind == "loop" else ""
                self.steps.append((group.kind, group.shape, list(group.nodes), name))

    def _read_calls(self, plan: Plan) -> None:
        self._roots = plan.root
        self._views = {i for i, kind in enumerate(plan.kinds) if kind == "view"}
        self.into = plan.into
        self.stored = {n.index for n in self.graph if n.op is not None and n.shape}
        self.places = {i: f"#{number}" for i, number in plan.buffer.items()}
        for i, (whole, _) in plan.pieces.items():
            self.places[i] = f"#{plan.buffer[whole]}"
        self.places.update({i: NEW for i, kind in enumerate(plan.kinds) if kind == "fresh"})
        self.places.update(dict.fromkeys(plan.into, IN_PLACE))
        for _, i in self.program.steps:
            if self.steps and self.steps[-1][2] == [i]:
                continue  # a choice is two calls
            self.steps.append(("call", self.graph[i].shape, [i], ""))

    def root(self, i: int) -> int:
        """Return the node in whose memory a value lies."""
        return int(self._roots[i])

    def is_view(self, i: int) -> bool:
        """Return True for what has no memory of its own."""
        return i in self._views

    def name(self, i: int) -> str:
        """Return what a value is called: its own name, or that of the program's source."""
        node = self.graph[i]
        if node.name and node.role != "constant":
            return node.name
        names: Any = self.program.names
        return str(names[i]) if self.is_fused else str(names.get(i, f"t{i}"))

    def only_reader(self, i: int) -> int | None:
        """Return the operation that reads a value, when no other does and nobody else keeps it."""
        readers = self._readers.get(i, [])
        return readers[0] if len(readers) == 1 and i not in self._kept else None

    def readers(self, i: int) -> list[int]:
        """Return the operations that read a value, in whatever view."""
        return self._readers.get(self.root(i), [])

    # --- parts ------------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """Return what runs, in order."""
        return [self.part(*step) for step in self.steps] + self._copies()

    def part(self, kind: str, shape: tuple[int, ...], nodes: list[int], function: str) -> Part:
        """Return a part that computes these nodes."""
        made = Part(kind, shape, nodes, self.equations(nodes), function=function)
        read: dict[int, int] = {}
        for i in nodes:
            node = self.graph[i]
            if self.is_view(i):
                continue
            for x in read_by(node):
                root = self.root(x)
                if root not in nodes and not _is_number(self.graph[root]):
                    size = min(_bytes(self.graph[x]), _bytes(self.graph[root]))
                    read[root] = max(read.get(root, 0), size)
            if node.op is not None and node.op.name == "matrix_product":
                made.flops += 2 * node.size * self.graph[node.inputs[0]].shape[-1]
        made.reads = set(read)
        written = [i for i in nodes if i in self.stored and not self.is_view(i)]
        made.bytes = sum(read.values()) + sum(_bytes(self.graph[i]) for i in written)
        return made

    def _copies(self) -> list[Part]:
        """Return the states that get a value that was computed elsewhere."""
        made = []
        for s, v in self.graph.updates:
            if self.into.get(v) != s:
                text = f"{self.name(s)} ← {self.name(self.root(v))}"
                line = Equation(v, text, "update", (IN_PLACE,))
                size = 2 * _bytes(self.graph[s])
                made.append(Part("call", self.graph[s].shape, [], [line], {self.root(v)}, size))
        return made

    # --- equations --------------------------------------------------------------------------

    def equations(self, nodes: Iterable[int]) -> list[Equation]:
        """Return what some nodes compute, in lines; each value stands where it is read first."""
        inside = {i for i in nodes if not self.is_view(i)}
        if not inside:
            return [self._equation(i, set()) for i in nodes]
        folded = {
            i
            for i in inside
            if not self.graph[i].name and self.only_reader(i) in inside and i not in self.into
        }
        made = []
        for i in sorted(inside):
            while len(self._text(i, folded)) > MAX_LINE and (within := self._within(i, folded)):
                folded -= {max(within, key=lambda j: len(self._written(j, folded, True)[0]))}
        for i in sorted(inside - folded):
            made.append(self._equation(i, folded))
        return made

    def _within(self, i: int, folded: set[int]) -> set[int]:
        """Return the operands of a node that are written inside its line."""
        found = set()
        for x in self.graph[i].inputs:
            while self.is_view(x):
                x = self.graph[x].inputs[0]
            if x in folded:
                found.add(x)
        return found

    def _equation(self, i: int, folded: set[int]) -> Equation:
        node = self.graph[i]
        covered = [i]
        for j in covered:
            covered += self._within(j, folded)
        places = [i] if self.is_fused else sorted(covered)
        role = "backward" if node.is_backward else node.role
        role = role if role in ("backward", "update", "loss") else "forward"
        found = dict.fromkeys(self.places[j] for j in places if j in self.places)
        return Equation(i, self._text(i, folded), role, tuple(found))

    def _text(self, i: int, folded: set[int]) -> str:
        right = self._written(i, folded, True)[0]
        if i in self.into:
            return f"{self.name(self.into[i])} ← {right}"
        return f"{self.name(i)} = {right}"

    def _written(self, i: int, folded: set[int], whole: bool = False) -> tuple[str, int]:
        """Return a value as it is written in a line, and how tightly that binds."""
        node = self.graph[i]
        if node.op is None:
            return self._leaf(node)
        if not (whole or i in folded or self.is_view(i)):
            return self.name(i), ATOM
        op = node.op
        written = [self._written(x, folded) for x in node.inputs]
        if op is PRODUCT_SUM:
            op = find("mul")
        if op.name == "matrix_product" and (summed := self._summed(node)) is not None:
            position, axis = summed
            return f"np.sum({written[position][0]}, {axis})", ATOM
        if op.name in SHAPES_OF and self.is_view(i):
            return written[0]  # spread over a shape
        if len(written) == 1 and op.spell("text", ["x"], node.params) == "x":
            return written[0]  # the same number in another dtype
        if op is PART:
            start = node.params["start"]
            return f"{written[0][0]}[{start}:{start + node.size}]", ATOM
        least = op.bounds(len(written), node.params)
        texts = [
            f"({text})" if strength < bound else text
            for (text, strength), bound in zip(written, least, strict=True)
        ]
        if node.op is PRODUCT_SUM:
            return f"np.sum({op.spell('text', texts)})", ATOM
        return op.spell("text", texts, node.params), op.precedence

    def _summed(self, node: GraphNode) -> tuple[int, str] | None:
        """Return which operand a product with ones adds up, and how."""
        for k, axis in ((0, "axis=0"), (1, "axis=1, keepdims=True")):
            factor = self.graph[node.inputs[k]]
            value = factor.value
            if factor.role == "constant" and value is not None and np.all(np.asarray(value) == 1):
                return 1 - k, axis
        return None

    def _leaf(self, node: GraphNode) -> tuple[str, int]:
        if node.role != "constant":
            return self.name(node.index), ATOM
        value = np.asarray(node.value)
        if value.size and (value == value.flat[0]).all():
            text = f"{value.flat[0].item():.6g}" if value.dtype.kind == "f" else str(value.flat[0])
            if value.ndim:
                text = "ones" if text == "1" else f"[{text} …]"
            return text, UNARY if text.startswith("-") else ATOM
        return self.name(node.index), ATOM


def _is_number(node: GraphNode) -> bool:
    return node.op is None and node.role == "constant" and not node.shape


def _bytes(node: GraphNode) -> int:
    return int(node.size * node.dtype.itemsize)


__all__ = ["IN_PLACE", "NEW", "Equation", "Part", "View", "parts"]
