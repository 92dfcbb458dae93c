"""Straight-line NumPy: one call per operation, each into the array that the plan gives it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..derivation.writer import identifier
from ..graph import Graph, GraphNode
from .lower import PRODUCT_SUM
from .plan import REDUCTIONS, Plan, allocate

_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}


class NumpyProgram:
    """A compiled function: its source, and the arrays that it works on.

    Args:
        graph: lowered.
        plan: where its values are.
        arguments: the leaves that are given in each call, in order.
        name: of the function.

    Attributes:
        source: the program's text.
        bound: what its names stand for: buffers, states, constants, views of them.
        steps: its first lines, each with the node that it computes.
    """

    def __init__(self, graph: Graph, plan: Plan, arguments: list[int], name: str = "step") -> None:
        self.graph = graph
        self.plan = plan
        self.arguments = arguments
        self.name = name
        self.arrays = allocate(plan, graph)
        self.names: dict[int, str] = {}
        self.bound: dict[str, Any] = {}
        self._taken: set[str] = set()
        self._views: list[int] = []
        # Views that are made in each call, and values that lie in one piece.
        self._late: set[int] = set()
        self._whole = {i for i in plan.buffer if plan.kinds[i] == "buffer"}
        self.quiet = any(n.op is not None and n.op.quiet for n in graph)
        self.source = self._write()

    # --- names and arrays -------------------------------------------------------------------

    def _name(self, i: int) -> str:
        """Return the name of a node's value in the program."""
        name = self.names.get(i)
        if name is None:
            node = self.graph[i]
            stem = identifier(node.name) if node.name and node.role != "constant" else f"t{i}"
            if node.role == "constant":
                stem = f"c{i}"
            while stem in self._taken or hasattr(np, stem):
                stem += "_"
            self._taken.add(stem)
            name = self.names[i] = stem
        return name

    def _operand(self, i: int, node: GraphNode) -> str:
        """Return a node as an operand of another."""
        if self.plan.kinds[i] != "constant":
            return self._name(i)
        value = self.graph[i].value
        # NumPy takes an array of one number faster than a Python number, in the same precision.
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if plain and node.shape and node.dtype.kind == "f":
            value = np.array(value, node.dtype)
        elif plain and node.dtype.kind == "f":
            value = node.dtype.type(value)
        number = "".join(c if c.isalnum() else "_" for c in str(self.graph[i].value)[:12])
        stem = f"c{number}" if np.ndim(value) == 0 else f"array{i}"
        name = f"{stem}_{np.asarray(value).dtype.char}{'a' if node.shape else ''}"
        if name in self.bound and not np.array_equal(self.bound[name], value):
            name = f"{name}_{i}"  # the first digits are the same
        self.bound.setdefault(name, value)
        return name

    # --- text -------------------------------------------------------------------------------

    def _write(self) -> str:
        parameters = ", ".join(self._name(i) for i in self.arguments)
        computed = [node for node in self.graph if node.op is not None]
        self.steps = [(line, node.index) for node in computed for line in self._lines(node)]
        lines = [line for line, _ in self.steps] + self._late_updates()
        results = [self._name(n.index) for n in self.graph.outputs]
        results += [self._name(n.grad) for n in self.graph if n.op is None and n.grad is not None]
        lines.append(f"return {', '.join(results)}{',' if len(results) == 1 else ''}")
        body = "\n".join(f"    {line}" for line in lines)
        return f"def {self.name}({parameters}):\n{body}\n"

    def _lines(self, node: GraphNode) -> list[str]:
        """Return the lines that compute a node."""
        kind = self.plan.kinds[node.index]
        name = self._name(node.index)
        operands = [self._operand(i, node) for i in node.inputs]
        if kind == "view":
            if not self._is_kept(node):
                self._late.add(node.index)
                return [f"{name} = {self._forward(node, operands)}"]
            self._views.append(node.index)
            return []
        comment = f"  # {node.name}" if node.name and not node.anonymous else ""
        if kind == "scalar":
            return [f"{name} = {self._scalar(node, operands)}{comment}"]
        if kind == "fresh":
            return [f"{name} = {self._forward(node, operands)}{comment}"]
        if node.index in self.plan.into:
            self.names[node.index] = name = self._name(self.plan.into[node.index])
        calls = self._calls(node, operands, name)
        calls[-1] += comment
        return calls

    def _is_kept(self, node: GraphNode) -> bool:
        """Return whether a view is made once; of what is not in one piece, a reshape is a copy."""
        assert node.op is not None
        first = node.inputs[0]
        if self.plan.kinds[self.plan.root[first]] in ("argument", "fresh") or first in self._late:
            return False
        if node.op.name in ("reshape_to", "reshape_like") and first not in self._whole:
            return False
        in_order = ("reshape_to", "reshape_like", "insert_axes", "remove_axes")
        if first in self._whole and node.op.name in in_order:
            self._whole.add(node.index)
        return True

    def _calls(self, node: GraphNode, operands: list[str], out: str) -> list[str]:
        op = node.op
        assert op is not None
        if op.name == "matrix_product":
            dot = "dot" if all(len(self.graph[i].shape) <= 2 for i in node.inputs) else "matmul"
            self.bound[dot] = getattr(np, dot)
            return [f"{dot}({', '.join(operands)}, {out})"]
        if op.name in REDUCTIONS:
            return [f"{self._reduction(node, operands[0], out)}"]
        if op.name == "cast":
            self.bound["copyto"] = np.copyto
            return [f"copyto({out}, {operands[0]}, 'unsafe')"]
        if op.name == "where":
            self.bound["copyto"] = np.copyto
            condition, a, b = operands
            first = [] if b == out or self._same(node, 2) else [f"copyto({out}, {b}, 'unsafe')"]
            return [*first, f"copyto({out}, {a}, 'unsafe', {condition})"]
        ufunc = np.reciprocal if op.name == "reciprocal" else op.ufunc
        self.bound[ufunc.__name__] = ufunc
        # By position it is a little faster; NumPy wants the word for these two.
        word = "out=" if ufunc in (np.maximum, np.minimum) else ""
        return [f"{ufunc.__name__}({', '.join(operands)}, {word}{out})"]

    def _same(self, node: GraphNode, position: int) -> bool:
        """Return True when the result is written over this operand."""
        mine = self.plan.buffer.get(node.index)
        return mine is not None and mine == self.plan.buffer.get(node.inputs[position])

    def _reduction(self, node: GraphNode, x: str, out: str) -> str:
        assert node.op is not None
        ufunc = REDUCTIONS[node.op.name]
        name = f"{ufunc.__name__}_reduce"
        self.bound[name] = ufunc.reduce
        axis, keep = node.params["axis"], node.params["keepdims"]
        if out == "None":
            return f"{name}({x}, {axis})"
        return f"{name}({x}, {axis}, None, {out}{', True' if keep else ''})"

    def _scalar(self, node: GraphNode, operands: list[str]) -> str:
        op = node.op
        assert op is not None
        if op.name in _OPERATORS:
            return f"{operands[0]} {_OPERATORS[op.name]} {operands[1]}"
        if op.name == "neg":
            return f"-{operands[0]}"
        if op is PRODUCT_SUM:
            self.bound["vdot"] = np.vdot
            return f"vdot({operands[0]}, {operands[1]})"
        if op.name == "cast":
            kind = node.dtype.name
            self.bound[kind] = node.dtype.type
            return f"{kind}({operands[0]})"
        if op.name in REDUCTIONS and self.graph[node.inputs[0]].shape:
            return self._reduction(node, operands[0], "None")
        return self._forward(node, operands)

    def _forward(self, node: GraphNode, operands: list[str]) -> str:
        """Return a call of the operation's own forward function."""
        op = node.op
        assert op is not None
        if op.name == "matrix_transpose" and len(node.shape) == 2:
            return f"{operands[0]}.T"
        made = f"{op.name}_" if hasattr(np, op.name) else op.name
        self.bound[made] = op.forward
        parts = list(operands)
        for key, value in node.params.items():
            literal = repr(value)
            if not isinstance(value, (int, float, bool, str, tuple, type(None))):
                literal = f"{made}_{key}{node.index}"
                self.bound[literal] = value
            parts.append(f"{key}={literal}")
        return f"{made}({', '.join(parts)})"

    def _late_updates(self) -> list[str]:
        """Return the lines that give states new values that were computed elsewhere."""
        late = [(s, v) for s, v in self.graph.updates if self.plan.into.get(v) != s]
        lines = []
        if late:
            self.bound["copyto"] = np.copyto
        roots = {s for s, _ in late}
        copies = {}
        for _, v in late:
            if self.plan.root[v] in roots:  # a state that gets another's old value
                copies[v] = f"{self._name(v)}_old"
                lines.append(f"{copies[v]} = {self._name(v)}.copy()")
        for s, v in late:
            lines.append(f"copyto({self._name(s)}, {copies.get(v, self._name(v))}, 'unsafe')")
        return lines

    # --- running ----------------------------------------------------------------------------

    def bind(self, states: dict[int, Any]) -> Any:
        """Return the function, working on these arrays of the states."""
        space = dict(self.bound)
        values: dict[int, Any] = {**self.arrays, **states}
        for i, state in self.plan.into.items():
            values[i] = states[state]
        for i in self._views:
            node = self.graph[i]
            assert node.op is not None
            inputs = [values.get(j, self.graph[j].value) for j in node.inputs]
            values[i] = node.op.forward(*inputs, **node.params)
        for i, name in self.names.items():
            if i in values:
                space[name] = values[i]
            elif self.plan.kinds[i] == "constant":
                space[name] = self.graph[i].value
        exec(compile(self.source, f"<compiled {self.name}>", "exec"), space)
        return space[self.name]
