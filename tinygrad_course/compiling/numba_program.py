"""Programs of fused loops, compiled to machine code by numba.

The text of a program is Python: one function of loops for each run of groups (`fusion`,
`loop_writer`), and the function that calls them and NumPy in turn. Loops work on memory at
addresses that they find in a table: first the program's own memory, then the states, in order. So
a call passes one number and the arguments, and what was compiled can be kept on disk for the next
process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Graph, GraphNode
from . import loop_forms
from .fusion import Fusion, read_by
from .loop_writer import LoopWriter, Names
from .machine_code import in_numpy, machine_code, machine_code_of_several
from .numpy_program import NumpyProgram
from .plan import Plan
from .several import loop_around

ALIGNMENT = 64
HEADER = '''"""Loops of a compiled function, written by tinygrad_course."""

import numpy as np
from math import sqrt
from numba import njit
from numpy import float32, float64, int32, int64
from tinygrad_course.compiling.loop_math import *

'''
NEVER = 1 << 60


class NumbaProgram:
    """A compiled function: its source, and the memory that it works on.

    Args:
        graph: lowered, with its sums.
        plan: what its leaves are; where values lie is decided here.
        arguments: the leaves that are given in each call, in order.
        name: of the function.
        apart: a function of its own for each group, as they are profiled.

    Attributes:
        source: the program's text.
        ends: where in the calling function's lines each piece of groups ends.
        making: the seconds that machine code took, and whether it was there already.
        fusion: its groups.
        notes: what was left to NumPy, and whether machine code is kept, in sentences.
        planned, naive: bytes of memory, and what it would be with an array for every value.
    """

    # Sums are to stay sums, see `lower`.
    for_loops = True

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        arguments: list[int],
        name: str = "step",
        apart: bool = False,
    ) -> None:
        self.graph = graph
        self.plan = plan
        self.arguments = arguments
        self.name = name
        self.notes: list[str] = []
        self.ends: list[int] = []
        self.making = (0.0, False)
        self._instead: NumpyProgram | None = None
        self.fusion = Fusion(graph)
        self.names = Names(graph)
        self._names_first()
        self.pieces = self.fusion.pieces()
        if apart:
            self.pieces = [[g] for g in range(len(self.fusion.groups))]
        self._memory = _Memory(self)
        leaves = (n.index for n in graph if self.fusion.kinds[n.index] == "leaf")
        self.states = [i for i in leaves if i not in arguments]
        self._place = {i: k + 1 for k, i in enumerate(self.states)}
        calls = (graph[g.nodes[0]].op for g in self.fusion.groups if g.kind == "call")
        self.quiet = any(op is not None and op.quiet for op in calls)
        self.bound: dict[str, Any] = {}
        self.loops: list[tuple[str, list[int], str]] = []
        self.body: list[str] = []
        self._write()
        text = "\n".join(code for _, _, code in self.loops)
        parameters = ", ".join(self.names[i] for i in arguments)
        lines = "".join(f"    {line}\n" for line in self.body)
        self.wrapper = f"def {self.name}({parameters}):\n{lines}"
        self.numbers = [i for i in self.states if not graph[i].shape]
        self.module = HEADER + text + loop_around(self)
        self.source = f"{text}\n\n{self.wrapper}".lstrip() if text else self.wrapper
        self._entries: dict[str, Any] | None = None
        self.table = 0
        self._kept: Any = None
        self._several: Any = None
        self.loaded: Any = None

    @property
    def planned(self) -> int:
        """The bytes of the program's own memory."""
        return self._memory.size

    @property
    def naive(self) -> int:
        """The bytes that an array for every value would take."""
        computed = (n for n in self.graph if self.fusion.kinds[n.index] in _COMPUTED)
        return sum(n.size * n.dtype.itemsize for n in computed)

    def _names_first(self) -> None:
        for i in self.arguments:
            self.names[i]  # noqa: B018 - the first to ask has the plain name

    # --- writing ----------------------------------------------------------------------------

    def _write(self) -> None:
        kept = self._saved_outputs()
        for i in sorted(self._loop_arguments()):
            if self.graph[i].shape:
                name = self.names[i]
                self.bound["ascontiguousarray"] = np.ascontiguousarray
                self.body.append(f"if not {name}.flags.c_contiguous:")
                self.body.append(f"    {name} = ascontiguousarray({name})")
        count = 0
        for piece in self.pieces:
            groups = [self.fusion.groups[g] for g in piece]
            if groups[0].kind == "call":
                for group in groups:
                    for i in group.nodes:
                        self._write_call(self.graph[i])
                self.ends.append(len(self.body))
                continue
            count += 1
            writer = LoopWriter(self.fusion, self.names, self._memory.stored)
            for group in groups:
                writer.write(group)
            name = f"{self.name}_loops_{count}"
            given = [i for i in self.arguments if i in writer.read]
            self.loops.append((name, given, self._function(name, given, writer)))
            passed = "".join(f", {self.names[i]}" for i in given)
            self.body.append(f"{name}(table{passed})")
            self.ends.append(len(self.body))
        self._write_updates()
        results = [n.index for n in self.graph.outputs]
        results += [n.grad for n in self.graph if n.op is None and n.grad is not None]
        shown = [kept.get(i) or self._array(i) for i in results]
        self.body.append(f"return {', '.join(shown)}{',' if len(shown) == 1 else ''}")
        calls = [self.graph[g.nodes[0]] for g in self.fusion.groups if g.kind == "call"]
        left = sorted({n.op.name for n in calls if n.op is not None} - {"matrix_product"})
        if left:
            self.notes.append(f"left to NumPy: {', '.join(left)}")

    def _loop_arguments(self) -> set[int]:
        found = set()
        for group in self.fusion.groups:
            if group.kind == "loop":
                for i in group.nodes:
                    found |= {self.fusion.root(x) for x in read_by(self.graph[i])}
        return found & set(self.arguments)

    def _function(self, name: str, given: list[int], writer: LoopWriter) -> str:
        """Return the text of a function of loops: where its memory is, then the loops."""
        parameters = "".join(f", {self.names[i]}" for i in given)
        lines = []
        for i in sorted(writer.read):
            node = self.graph[i]
            array = self.names[i] if node.shape else f"{self.names[i]}_"
            shape = " × ".join(map(str, node.shape)) or "number"
            known = i in given
            memory = f"flat({self.names[i]}, {node.size})" if known else self.memory_of(i)
            lines.append(f"{array} = {memory}  # {shape}")
        body = "\n".join(f"    {line}" for line in [*lines, *writer.lines])
        return f"def {name}(table{parameters}):\n{body}\n    return\n"

    def is_loops_alone(self) -> bool:
        """Return whether a call consists of the loops and nothing else."""
        changed = {s for s, _ in self.graph.updates}
        return (
            all(group.kind == "loop" for group in self.fusion.groups)
            and all(self._memory.into.get(v) == s for s, v in self.graph.updates)
            and not any(self.fusion.root(n.index) in changed for n in self.graph.outputs)
        )

    def lies_in_order(self, i: int) -> bool:
        """Return whether a value lies in memory of the program, or of a state, in order."""
        root = self.fusion.root(i)
        known = self._memory.into.get(root, root) in self._place or root in self._memory.offsets
        return known and self.fusion.identical(i, self.graph[i].shape)

    def memory_of(self, i: int) -> str:
        """Return the memory of a value, as text in a function of loops."""
        node = self.graph[i]
        place, offset = self._address(self.fusion.root(i))
        dtype = "np.bool_" if node.dtype.kind == "b" else node.dtype.name
        return f"at(table, {place}, {offset}, {node.size}, {dtype})"

    def several(self) -> Any:
        """Return the function of `loop_around` as machine code, or None where there is none."""
        if self._several is None and self._entries and "_several(" in self.module:
            whole = len(self._entries) == len(self.loops)
            self._several = whole and machine_code_of_several(self)
        return self._several or None if self.table else None

    def is_stored(self, i: int) -> bool:
        """Return whether a value is written to memory."""
        return i in self._memory.stored

    def _address(self, i: int) -> tuple[int, int]:
        """Return which address of the table a value lies behind, and how far."""
        state = self._memory.into.get(i, i)
        if state in self._place:
            return self._place[state], 0
        return 0, self._memory.offsets[i]

    def _array(self, i: int) -> str:
        """Return a value as an array in the calling function, computing views of arguments."""
        node, kind = self.graph[i], self.fusion.kinds[i]
        name = self.names[i]
        if kind == "number":
            self.bound[name] = node.value
            return name
        root = self.fusion.root(i)
        if kind == "view" and (root in self.arguments or root in self._memory.fresh):
            first = self._array(node.inputs[0])
            text = self._forward(node, [first, *(self._like(j) for j in node.inputs[1:])])
            if f"{name} = {text}" not in self.body:
                self.body.append(f"{name} = {text}")
        return name

    def _like(self, i: int) -> str:
        """Return an array of the shape of a node, for those that read no more than that."""
        name = f"{self.names[i]}_shape"
        self.bound[name] = np.broadcast_to(np.zeros((), self.graph[i].dtype), self.graph[i].shape)
        return name

    def _write_call(self, node: GraphNode) -> None:
        assert node.op is not None
        read = read_by(node)
        operands = [self._array(i) if i in read else self._like(i) for i in node.inputs]
        name = self.names[node.index]
        comment = f"  # {node.name}" if node.name and not node.anonymous else ""
        if node.index in self._memory.fresh:
            self.body.append(f"{name} = {self._forward(node, operands)}{comment}")
            return
        if node.op.name == "matrix_product" and self._fits_out(node):
            dot = "dot" if all(len(self.graph[i].shape) <= 2 for i in node.inputs) else "matmul"
            self.bound[dot] = getattr(np, dot)
            self.body.append(f"{dot}({', '.join(operands)}, {name}){comment}")
            return
        self.bound["copyto"] = np.copyto
        forward = self._forward(node, operands)
        self.body.append(f"copyto({name}, {forward}, 'unsafe'){comment}")

    def _fits_out(self, node: GraphNode) -> bool:
        return bool(node.shape) and all(self.graph[i].dtype == node.dtype for i in node.inputs)

    def _forward(self, node: GraphNode, operands: list[str]) -> str:
        """Return a call of an operation's own forward function."""
        assert node.op is not None
        made = f"{node.op.name}_{node.index}"
        self.bound[made] = node.op.forward
        if node.op.name == "take_along_axis":
            self.bound[made] = _picking(self.graph[node.inputs[0]].shape, node.params["axis"])
            return f"{made}({', '.join(operands)})"
        parts = list(operands)
        for key, value in node.params.items():
            literal = repr(value)
            plain = isinstance(value, (int, float, bool, str, tuple, type(None)))
            if not plain or any(part in literal for part in ("(", "inf", "nan")):
                literal = f"{made}_{key}"
                self.bound[literal] = value
            parts.append(f"{key}={literal}")
        return f"{made}({', '.join(parts)})"

    def _saved_outputs(self) -> dict[int, str]:
        """Copy the states that are returned with their old values."""
        changed = {s for s, _ in self.graph.updates}
        kept = {}
        for n in self.graph.outputs:
            if self.fusion.root(n.index) in changed:
                name = self._array(n.index)
                kept[n.index] = f"{name}_old"
                self.body.append(f"{name}_old = {name}.copy()")
        return kept

    def _write_updates(self) -> None:
        """Give states the new values that were computed elsewhere."""
        late = [(s, v) for s, v in self.graph.updates if self._memory.into.get(v) != s]
        copies = {}
        if late:
            self.bound["copyto"] = np.copyto
        changed = {s for s, _ in self.graph.updates}
        for _, v in late:
            if self.fusion.root(v) in changed:  # a state that gets another's old value
                name = self._array(v)
                copies[v] = f"{name}_before"
                # Before anything is overwritten.
                self.body.insert(0, f"{name}_before = {name}.copy()")
                self.ends = [end + 1 for end in self.ends]
        for s, v in late:
            self.body.append(
                f"copyto({self.names[s]}, {copies.get(v) or self._array(v)}, 'unsafe')"
            )

    # --- running ----------------------------------------------------------------------------

    def bind(self, states: dict[int, Any]) -> Callable[..., Any]:
        """Return the function, working on these arrays of the states."""
        if self._entries is None and self._instead is None:
            try:
                self._entries = machine_code(self)
            except Exception as error:  # not even the text can be read
                reason = " ".join(str(error).split())[:120] or type(error).__name__
                self.notes.append(f"numba cannot compile it ({reason}): NumPy runs it")
                self._instead = NumpyProgram(self.graph, self.plan, self.arguments, self.name)
                self.source, self.quiet = self._instead.source, self._instead.quiet
        if self._instead is not None:
            return self._instead.bind(states)  # type: ignore[no-any-return]
        assert self._entries is not None
        memory = _aligned(self._memory.size)
        held = {i: np.asarray(states[i] if i in states else self.graph[i].value)
                for i in self.states}  # fmt: skip
        arrays = {i: x if x.flags.c_contiguous else x.copy("C") for i, x in held.items()}
        addresses = [memory, *(arrays[i] for i in self.states)]
        table = np.array([x.__array_interface__["data"][0] for x in addresses], np.int64)
        space = {**self.bound, **self._entries, "table": table.__array_interface__["data"][0]}
        self._kept = space["_kept"] = (memory, table, arrays)
        for node in self.graph:
            root = self.fusion.root(node.index)
            state = self._memory.into.get(root, root)
            if state in arrays:
                space[self.names[node.index]] = self._view(node, arrays[state].reshape(-1))
            elif root in self._memory.offsets:
                size = self.graph[root].size * self.graph[root].dtype.itemsize
                start = self._memory.offsets[root]
                whole = memory[start : start + size].view(self.graph[root].dtype)
                space[self.names[node.index]] = self._view(node, whole)
        pieces = (piece for piece in self.pieces if self.fusion.groups[piece[0]].kind == "loop")
        for (name, given, _), piece in zip(self.loops, pieces, strict=True):
            if name not in self._entries:
                space[name] = in_numpy(self, piece, given, space)
        exec(compile(self.wrapper, f"<compiled {self.name}>", "exec"), space)
        function: Callable[..., Any] = space[self.name]
        strange = [(held[i], arrays[i]) for i in self.states if held[i] is not arrays[i]]
        self.table = 0 if strange else space["table"]
        return _copying(function, strange) if strange else function

    def _view(self, node: GraphNode, whole: Any) -> Any:
        layout = self.fusion.layouts[node.index]
        strides = tuple(s * node.dtype.itemsize for s in layout.strides)
        return np.lib.stride_tricks.as_strided(whole[layout.offset :], node.shape, strides)


_COMPUTED = ("loop", "reduce", "scatter", "product", "alone", "call")


def _picking(shape: tuple[int, ...], axis: int) -> Callable[..., Any]:
    """Return np.take_along_axis for arrays of a shape: the places on the other axes are fixed."""
    axis %= len(shape)
    places: list[Any] = list(np.ogrid[tuple(map(slice, shape))])
    before, after = tuple(places[:axis]), tuple(places[axis + 1 :])

    def pick(x: Any, index: Any) -> Any:
        return x[(*before, index, *after)]

    return pick


def _copying(function: Callable[..., Any], strange: list[tuple[Any, Any]]) -> Callable[..., Any]:
    """Return the function on copies of states whose elements do not lie in order."""

    def run(*arguments: Any) -> Any:
        for array, copy in strange:
            copy[...] = array
        results = function(*arguments)
        for array, copy in strange:
            array[...] = copy
        return results

    return run


def _aligned(size: int) -> Any:
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + size]


class _Memory:
    """Where the values that are read outside of their loops lie.

    Attributes:
        stored: nodes that have memory.
        fresh: results of NumPy calls that no loop reads: they stay where NumPy put them.
        into: node -> the state whose memory it is written into.
        offsets: node -> place in the program's memory, in bytes.
        size: of the program's memory.
    """

    def __init__(self, program: NumbaProgram) -> None:
        self.graph, self.fusion = program.graph, program.fusion
        self.pieces = program.pieces
        self.piece_of = {
            i: p
            for p, groups in enumerate(self.pieces)
            for g in groups
            for i in self.fusion.groups[g].nodes
        }
        self.kept = {self.fusion.root(n.index) for n in self.graph.outputs}
        self.kept |= {
            self.fusion.root(n.grad) for n in self.graph if n.op is None and n.grad is not None
        }
        self.updates = {self.fusion.root(v) for _, v in self.graph.updates}
        self.stored: set[int] = set()
        self.fresh: set[int] = set()
        for i in self.fusion.group_of:
            self._decide(i)
        self.into = self._in_states()
        self.offsets: dict[int, int] = {}
        self.size = 0
        self._lay_out()

    def _decide(self, i: int) -> None:
        group_of, kinds = self.fusion.group_of, self.fusion.kinds
        readers = self.fusion.readers(i)
        if kinds[i] == "call":
            node = self.graph[i]
            by_loops = any(kinds[r] != "call" for r in readers)
            product = node.op is not None and node.op.name == "matrix_product"
            known = node.dtype in loop_forms.DTYPES
            if (by_loops or product) and known:
                self.stored.add(i)
            else:
                self.fresh.add(i)
            return
        outside = [r for r in readers if group_of[r] != group_of[i]]
        if not self.graph[i].shape:  # a number stays in a variable of its function
            outside = [r for r in outside if self.piece_of[r] != self.piece_of[i]]
        partial = kinds[i] == "reduce" and self.graph[i].shape
        whole = kinds[i] in ("product", "scatter", "alone")
        if outside or partial or whole or i in self.kept | self.updates:
            self.stored.add(i)

    def _in_states(self) -> dict[int, int]:
        """Return which new values go where the old ones are, after all who read those."""
        into: dict[int, int] = {}
        fusion = self.fusion
        for s, v in self.graph.updates:
            old, new = self.graph[s], self.graph[v]
            same = old.shape == new.shape and old.dtype == new.dtype and s != v
            if not same or fusion.kinds[v] != "loop" or s in self.kept or v in into:
                continue
            if fusion.kinds[s] != "leaf" or s in into.values() or s in self.updates:
                continue
            g = fusion.group_of[v]
            if all(self._read_before(r, s, g) for r in fusion.readers(s)):
                into[v] = s
        return into

    def _read_before(self, reader: int, state: int, g: int) -> bool:
        fusion = self.fusion
        if fusion.group_of[reader] != g:
            return fusion.group_of[reader] < g
        shape, node = fusion.groups[g].shape, self.graph[reader]
        return all(
            fusion.reads_in_place(node, i, shape) for i in node.inputs if fusion.root(i) == state
        )

    def _lay_out(self) -> None:
        """Give each value a place that is free while it is needed."""
        live: list[tuple[int, int, int]] = []  # (last use, start, end)
        for i in sorted(self.stored, key=lambda i: (self.fusion.group_of[i], i)):
            if i in self.into:
                continue
            now = self.fusion.group_of[i]
            last = max((self.fusion.group_of[r] for r in self.fusion.readers(i)), default=now)
            if i in self.kept | self.updates:
                last = NEVER
            live = [x for x in live if x[0] >= now]
            node = self.graph[i]
            size = -(-max(node.size * node.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
            start = 0
            for _, begin, end in sorted(live, key=lambda x: x[1]):
                if begin - start >= size:
                    break
                start = max(start, end)
            self.offsets[i] = start
            live.append((last, start, start + size))
            self.size = max(self.size, start + size)


__all__ = ["NumbaProgram"]
