"""Straight-line NumPy: one call per operation, each into the array that the plan gives it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..derivation.writer import identifier
from ..graph import Graph, GraphNode
from .join import JOIN, joins, spanning
from .lower import PRODUCT_SUM
from .plan import IN_ORDER, REDUCTIONS, Plan, allocate, is_arithmetic

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

    # Sums of products are products of vectors, see `lower`.
    for_loops = False

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
        self._whole = {i for i in plan.buffer if plan.kinds[i] == "buffer"} | {*plan.pieces}
        self._whole |= {node.index for node in graph if joins(node)}
        # Numbers that calls read: NumPy takes an array of shape () faster than a number, and faster
        # than an array of shape (1, 1). Name -> the node of one element that it stands for.
        self._numbers: dict[str, int] = {}
        self._in_calls = {i for node in graph if self._is_call(node) for i in node.inputs}
        elsewhere = {i for node in graph if not self._is_call(node) for i in node.inputs}
        kept = [n.index for n in graph.outputs] + [v for _, v in graph.updates]
        kept += [n.grad for n in graph if n.op is None and n.grad is not None]
        self._elsewhere = elsewhere.union(kept)
        self.quiet = any(n.op is not None and n.op.quiet for n in graph)
        self._head, *self._body, self._end = self._write()
        self.source = "\n".join([self._head, *self._body, self._end, ""])

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
        kind = self.plan.kinds[i]
        if kind != "constant":
            name = self._name(i)
            if self._is_call(node) and self._is_number(i, node):
                return self._number(i)
            read = kind in ("state", "argument") and self.plan.kinds[node.index] == "scalar"
            return f"{name}[()]" if read and not self.graph[i].shape else name
        value = self.graph[i].value
        plain = isinstance(value, (int, float)) and not isinstance(value, (bool, np.generic))
        # NumPy takes an array of one number faster than a Python number, in the same precision.
        if node.shape and isinstance(value, np.generic):
            value = np.array(value)
        elif plain and node.shape:
            dtypes = {self.graph[j].dtype for j in node.inputs if j != i}
            dtype = dtypes.pop() if node.dtype.kind == "b" and len(dtypes) == 1 else node.dtype
            value = np.array(value, dtype) if dtype.kind == "f" else value
        elif plain and node.dtype.kind == "f":
            value = node.dtype.type(value)
        number = "".join(c if c.isalnum() else "_" for c in str(self.graph[i].value)[:12])
        stem = f"c{number}" if np.ndim(value) == 0 else f"array{i}"
        kind = np.asarray(value).dtype.char.replace("?", "b")
        name = f"{stem}_{kind}{'a' if node.shape else ''}"
        if name in self.bound and not np.array_equal(self.bound[name], value):
            name = f"{name}_{i}"  # the first digits are the same
        self.bound.setdefault(name, value)
        return name

    def _is_call(self, node: GraphNode) -> bool:
        """Return whether a node is computed by a ufunc into an array."""
        op = node.op
        ufunc = op is not None and (op.ufunc is not None or op.name == "reciprocal")
        return ufunc and self.plan.kinds[node.index] == "buffer"

    def _is_number(self, i: int, node: GraphNode) -> bool:
        """Return whether a call can read an operand as an array of shape ()."""
        if self.plan.kinds[i] == "scalar":
            return True
        return self._is_element(i) and node.size > 1

    def _is_element(self, i: int) -> bool:
        """Return whether a node is a kept array of one element."""
        kept = self.plan.kinds[i] in ("buffer", "state") or i in self._views
        return kept and self.graph[i].size == 1

    def _is_single(self, node: GraphNode) -> bool:
        """Return whether an operation on arrays of one element can be done in numbers: faster."""
        single = self._is_call(node) and node.size == 1 and is_arithmetic(node)
        return single and all(map(self._is_element, node.inputs))

    def _number(self, i: int) -> str:
        """Return the name of a node of one element as an array of shape ()."""
        i = self.plan.into.get(i, i)
        for name, k in self._numbers.items():
            if k == i:
                return name
        name = f"{self._name(i)}_0d"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        self._numbers[name] = i
        return name

    # --- text -------------------------------------------------------------------------------

    def _write(self) -> list[str]:
        """Return the lines of the program."""
        parameters = ", ".join(self._name(i) for i in self.arguments)
        computed = [node for node in self.graph if node.op is not None]
        self.steps = [(line, node.index) for node in computed for line in self._lines(node)]
        results = [self._name(n.index) for n in self.graph.outputs]
        lines = [line for line, _ in self.steps] + self._late_updates(results)
        results += [self._name(n.grad) for n in self.graph if n.op is None and n.grad is not None]
        lines.append(f"return {', '.join(results)}{',' if len(results) == 1 else ''}")
        return [f"def {self.name}({parameters}):", *(f"    {line}" for line in lines)]

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
            value = self._scalar(node, operands)
            cast = node.op is not None and node.op.name == "cast"
            if node.index not in self._in_calls and not cast:
                return [f"{name} = {value}{comment}"]
            number = self._number(node.index)
            if cast and node.index in self._elsewhere:
                return [f"{number}[()] = {value}{comment}", f"{name} = {number}[()]"]
            if node.index in self._elsewhere:
                return [f"{name} = {value}{comment}", f"{number}[()] = {name}"]
            return [f"{number}[()] = {value}{comment}"]
        if kind == "fresh":
            return [f"{name} = {self._forward(node, operands)}{comment}"]
        if node.index in self.plan.into:
            self.names[node.index] = name = self._name(self.plan.into[node.index])
        if self._is_single(node):
            a, b = (f"{self._number(i)}[()]" for i in node.inputs)
            operator = _OPERATORS[node.op.name]  # type: ignore[union-attr]
            return [f"{self._number(node.index)}[()] = {a} {operator} {b}{comment}"]
        calls = self._calls(node, operands, name)
        if node.index in self.plan.pieces:
            comment = f"{comment or '  #'} in {self._name(self.plan.pieces[node.index][0])}"
        if calls:
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
        if first in self._whole and node.op.name in (*IN_ORDER, "part"):
            self._whole.add(node.index)
        return True

    def _calls(self, node: GraphNode, operands: list[str], out: str) -> list[str]:
        op = node.op
        assert op is not None
        if op.name == "matrix_product":
            if all(len(self.graph[i].shape) <= 2 for i in node.inputs):
                # As a method it takes two thirds of the time of `np.dot` to start.
                return [f"{operands[0]}.dot({operands[1]}, {out})"]
            self.bound["matmul"] = np.matmul
            return [f"matmul({', '.join(operands)}, {out})"]
        if op.name in REDUCTIONS:
            return [f"{self._reduction(node, operands[0], out)}"]
        if op.name == "cast":
            return [f"{out}[...] = {operands[0]}"]
        if op.name == "where":
            self.bound["copyto"] = np.copyto
            condition, a, b = operands
            first = [] if b == out or self._same(node, 2) else [f"copyto({out}, {b}, 'unsafe')"]
            return [*first, f"copyto({out}, {a}, 'unsafe', {condition})"]
        if op is JOIN:
            return self._join(node, operands, out)
        if op.name == "join":
            self.bound["concatenate"] = np.concatenate
            return [f"concatenate({_tuple(operands)}, {node.params['axis']}, {out})"]
        ufunc = np.reciprocal if op.name == "reciprocal" else op.ufunc
        self.bound[ufunc.__name__] = ufunc
        first = []
        if node.index in self.plan.spread:
            place = self.plan.spread[node.index]
            first = [f"{out}[...] = {operands[place]}"]
            operands[place] = out
        # By position it is a little faster; NumPy wants the word for these two.
        word = "out=" if ufunc in (np.maximum, np.minimum) else ""
        return [*first, f"{ufunc.__name__}({', '.join(operands)}, {word}{out})"]

    def _join(self, node: GraphNode, operands: list[str], out: str) -> list[str]:
        """Return the calls that join what was not computed in its place."""
        starts = {start for whole, start in self.plan.pieces.values() if whole == node.index}
        if not starts:
            self.bound["concatenate"] = np.concatenate
            return [f"concatenate({_tuple(operands)}, None, {out})"]
        calls = []
        start = 0
        for i, x in zip(node.inputs, operands, strict=True):
            stop = start + self.graph[i].size
            if start not in starts:
                piece = f"{out}_{start}"
                flat = self.arrays[node.index][start:stop]
                self.bound[piece] = flat.reshape(self.graph[i].shape)
                calls.append(f"{piece}[...] = {x}")
            start = stop
        return calls

    def _same(self, node: GraphNode, position: int) -> bool:
        """Return True when the result is written over this operand."""
        mine = self.plan.buffer.get(node.index)
        return mine is not None and mine == self.plan.buffer.get(node.inputs[position])

    def _flat(self, i: int, x: str) -> str:
        """Return an operand with one axis."""
        if len(self.graph[i].shape) == 1:
            return x
        if i not in self._whole or i not in self.arrays:
            return f"{x}.ravel()"
        name = f"{x}_1d"
        self.bound[name] = self.arrays[i].reshape(-1)
        return name

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
            a, b = (self._flat(i, x) for i, x in zip(node.inputs, operands, strict=True))
            return f"{a}.dot({b})"
        if op.name == "cast":
            return operands[0]  # what it is assigned to has the dtype
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
            plain = isinstance(value, (int, float, bool, str, tuple, type(None)))
            if not plain or "inf" in literal or "nan" in literal:  # no names of a program
                literal = f"{made}_{key}{node.index}"
                self.bound[literal] = value
            parts.append(f"{key}={literal}")
        return f"{made}({', '.join(parts)})"

    def _late_updates(self, results: list[str]) -> list[str]:
        """Return the lines that give states new values that were computed elsewhere.

        Where a result is the old value of a state, its name becomes that of a copy.
        """
        late = [(s, v) for s, v in self.graph.updates if self.plan.into.get(v) != s]
        lines = []
        roots = {s for s, _ in late}
        copies = {}
        for _, v in late:
            if self.plan.root[v] in roots:  # a state that gets another's old value
                copies[v] = f"{self._name(v)}_old"
                lines.append(f"{copies[v]} = {self._name(v)}.copy()")
        for k, node in enumerate(self.graph.outputs):
            if self.plan.root[node.index] in roots:
                results[k] = f"{self._name(node.index)}_old"
                if node.index not in copies:
                    copies[node.index] = results[k]
                    lines.append(f"{results[k]} = {self._name(node.index)}.copy()")
        for s, v in late:
            lines.append(f"{self._name(s)}[...] = {copies.get(v, self._name(v))}")
        return lines

    # --- running ----------------------------------------------------------------------------

    def _pattern(self, i: int) -> Any:
        """Return a node that has no memory yet, of which a view needs the shape alone."""
        node = self.graph[i]
        return np.broadcast_to(np.empty((), node.dtype), node.shape)

    def bind(self, states: dict[int, Any]) -> Any:
        """Return the function, working on these arrays of the states."""
        space = dict(self.bound)
        values: dict[int, Any] = {**self.arrays, **states}
        before, after = self._join_states(values, space)
        for i, state in self.plan.into.items():
            values[i] = values[state]
        for i in self._views:
            node = self.graph[i]
            assert node.op is not None
            inputs = [values[j] if j in values else self._pattern(j) for j in node.inputs]
            values[i] = node.op.forward(*inputs, **node.params)
        for i, name in self.names.items():
            if i in values:
                space[name] = values[i]
            elif self.plan.kinds[i] == "constant":
                space[name] = self.graph[i].value
        for name, i in self._numbers.items():
            if self.plan.kinds[i] == "scalar":
                space[name] = np.empty((), self.graph[i].dtype)
            else:
                space[name] = values[i].reshape(())
        self.source = "\n".join([self._head, *before, *self._body, *after, self._end, ""])
        exec(compile(self.source, f"<compiled {self.name}>", "exec"), space)
        return space[self.name]

    def _join_states(self, values: dict[int, Any], space: dict[str, Any]) -> tuple[list[str], ...]:
        """Give joined states their arrays.

        Where the states do not lie together, since someone gave one of them another array, they
        are copied: return the lines to do before and after the others.
        """
        before: list[str] = []
        after: list[str] = []
        for node in self.graph:
            states = joins(node)
            if not states:
                continue
            arrays = [values[i] for i in states]
            flat = spanning(arrays)
            if flat is None:
                flat = np.empty(node.shape, node.dtype)
                space["concatenate"] = np.concatenate
                name, start = self._name(node.index), 0
                listed = ", ".join(self._name(i) for i in states)
                before.append(f"    concatenate(({listed}), None, {name})")
                for i, array in zip(states, arrays, strict=True):
                    stop = start + array.size
                    space[f"{name}_{start}"] = flat[start:stop].reshape(array.shape)
                    after.append(f"    {self._name(i)}[...] = {name}_{start}")
                    start = stop
            values[node.index] = flat
        return before, after


def _tuple(operands: list[str]) -> str:
    return f"({', '.join(operands)}{',' if len(operands) == 1 else ''})"
