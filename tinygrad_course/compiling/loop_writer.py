"""Writes groups of operations as loops, in Python that numba compiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..derivation.writer import identifier
from ..graph import Graph, GraphNode
from . import loop_forms
from .fusion import Fusion, Group
from .loop_places import row_major, spread

# From here on a row is worth a loop of its own in a matrix product.
WIDE = 8
# Inside a loop, an element has a bar behind its name, and a sum, a place … says so.
ENDS = ("_", "_sum", "_nan", "_at", "_row")
COUNTERS = "i j l n o p q r".split()
START = {"sum": 0.0, "amax": -np.inf, "amin": np.inf}
ORDER = {"amax": "most", "amin": "least"}
REDUCE = {"amax": "larger({}, {})", "amin": "smaller({}, {})", "all": "{} & {}", "any": "{} | {}"}


class Names:
    """Names of values, each once, away from what loops and programs call."""

    RESERVED = frozenset(
        "table at flat np sqrt plus plus_product larger smaller sign_of step_of float32 float64 "
        "int32 int64 bool abs range k factor counted dot matmul copyto ascontiguousarray".split()
    )
    RESERVED |= {f"{f}{b}" for f in ("most", "least", "unordered", "in_order") for b in (32, 64)}
    RESERVED |= {*COUNTERS, *(f"{f}{b}" for f in loop_forms.OWN.values() for b in (32, 64))}

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._of: dict[int, str] = {}
        self._taken = set(self.RESERVED)

    def __getitem__(self, i: int) -> str:
        name = self._of.get(i)
        if name is None:
            node = self.graph[i]
            name = f"c{i}" if node.role == "constant" else f"t{i}"
            if node.name and node.role != "constant":
                name = identifier(node.name)
            while self._taken & {name, *(f"{name}{end}" for end in ENDS)}:
                name += "x"
            self._taken |= {name, *(f"{name}{end}" for end in ENDS)}
            self._of[i] = name
        return name


class LoopWriter:
    """Writes the loops of one function.

    Args:
        fusion: the groups.
        names: of the values.
        stored: the values that lie in memory.

    Attributes:
        read: roots whose memory the function uses.
    """

    def __init__(self, fusion: Fusion, names: Names, stored: set[int]) -> None:
        self.fusion = fusion
        self.graph = fusion.graph
        self.names = names
        self.stored = stored
        self.read: set[int] = set()
        self.lines: list[str] = []
        self._numbers: set[int] = set()  # 0-d values in local variables
        self._group: Group | None = None

    def write(self, group: Group) -> None:
        """Append the lines of a group."""
        _GroupWriter(self, group).write()

    # --- operands ---------------------------------------------------------------------------

    def number(self, node: GraphNode, dtype: Any) -> str:
        """Return a constant, in a dtype."""
        value = dtype.type(node.value) if dtype.kind != "b" else bool(node.value)
        if dtype.kind != "f":
            return f"{dtype.name}({value!s})" if dtype.kind != "b" else str(value)
        plain = float(value)
        text = repr(plain) if np.isfinite(plain) else f"np.{plain}".replace("np.-", "-np.")
        if dtype == np.float32 and np.isfinite(plain):
            text = str(value)
        if dtype == np.float32 or "." not in text:
            return f"{dtype.name}({text})"
        return f"({text})" if text.startswith("-") else text

    def converted(self, text: str, of: Any, dtype: Any) -> str:
        """Return an expression of one dtype in another."""
        if of == dtype:
            return text
        if dtype.kind == "b":
            return f"({text} != 0)"
        return f"{dtype.name}({text})"


class _GroupWriter:
    """Writes one group: its loops, from the outermost in."""

    def __init__(self, writer: LoopWriter, group: Group) -> None:
        self.w = writer
        self.fusion, self.graph, self.names = writer.fusion, writer.graph, writer.names
        self.group = group
        self.inside: dict[int, str] = {}  # nodes of the group -> their variable
        nodes = [self.graph[i] for i in group.nodes]
        self.product = nodes[0] if self.fusion.kinds[nodes[0].index] == "product" else None
        self.reductions = [n for n in nodes if self.fusion.kinds[n.index] == "reduce"]
        self.placed = [n for n in nodes if n.index in self.fusion.places]
        self.dims, self.walks = self._walks()
        self.held = self._operands_of_rows()

    # --- the shape of the loops -------------------------------------------------------------

    def _walks(self) -> tuple[list[int], dict[Any, tuple[int, list[int]]]]:
        """Return the lengths of the loops, and how each operand goes along them."""
        shape = self.group.shape
        own = row_major(shape)
        steps: dict[Any, tuple[int, tuple[int, ...]]] = {"own": (0, own)}
        for i in self.group.nodes:
            node, kind = self.graph[i], self.fusion.kinds[i]
            if kind == "product":
                steps.update(self._product_steps(node))
                continue
            if i in self.fusion.places:
                steps.update(self._steps_of_places(i))
                continue
            for x in node.inputs:
                if x not in self.group.nodes:
                    layout = self.fusion.layouts[x]
                    strides = spread(layout.strides, self.graph[x].shape, len(shape))
                    steps[x] = (layout.offset, strides)
            if kind == "reduce":
                steps["to", i] = (0, self._kept_strides(node))
        return collapsed(shape, steps)

    def _steps_of_places(self, i: int) -> dict[Any, tuple[int, tuple[int, ...]]]:
        """Return how the fixed part, the index arrays and the source of places go along."""
        found = self.fusion.places[i]
        wide = len(found.shape)
        steps: dict[Any, tuple[int, tuple[int, ...]]] = {("to", i): (found.offset, found.strides)}
        for k, term in enumerate(found.terms):
            layout, index = self.fusion.layouts[term.index], self.graph[term.index]
            along = spread(layout.strides, index.shape, wide - term.behind)
            steps["index", i, k] = (layout.offset, along + (0,) * term.behind)
        x = found.source
        if x >= 0 and x not in self.group.nodes:
            layout = self.fusion.layouts[x]
            steps[x] = (layout.offset, spread(layout.strides, self.graph[x].shape, wide))
        return steps

    def _product_steps(self, node: GraphNode) -> dict[Any, tuple[int, tuple[int, ...]]]:
        a, b = (self.fusion.layouts[i] for i in node.inputs)
        tall = len(self.graph[node.inputs[0]].shape) == 2
        wide = len(self.graph[node.inputs[1]].shape) == 2
        zero = (0,) if wide else ()
        rows = ((a.strides[0],) if tall else ()) + zero
        columns = ((0,) if tall else ()) + ((b.strides[1],) if wide else ())
        return {("a", node.index): (a.offset, rows), ("b", node.index): (b.offset, columns)}

    def _kept_strides(self, node: GraphNode) -> tuple[int, ...]:
        """Return the strides of a reduction's result over the axes of its operand."""
        shape = self.group.shape
        axis = node.params["axis"]
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % len(shape) for a in axes} if shape else set()
        kept = [1 if k in gone else n for k, n in enumerate(shape)]
        return tuple(0 if k in gone else s for k, s in enumerate(row_major(tuple(kept))))

    def _place(self, key: Any, extra: str = "", counters: list[str] | None = None) -> str:
        """Return the index of an operand at the place of the loops."""
        offset, strides = self.walks[key]
        terms = [extra] if extra else []
        for name, s in zip(counters or COUNTERS, strides, strict=False):
            if s:
                terms.append(name if s == 1 else f"{s} * {name}")
        if offset or not terms:
            terms.append(str(offset))
        return " + ".join(terms).replace("+ -", "- ")

    def _operands_of_rows(self) -> dict[int, int]:
        """Return what inner loops read again and again, and how many loops are around it.

        It is read before them: that nothing overwrites it in between, the compiler cannot know.
        """
        found = {}
        for i, (_, strides) in self.walks.items():
            depth = max((k + 1 for k, s in enumerate(strides) if s), default=0)
            if type(i) is int and depth < len(self.dims):
                root = self.fusion.root(i)
                if self.fusion.kinds[root] != "number" and root not in self.w._numbers:
                    found[i] = depth
        return found

    # --- writing ----------------------------------------------------------------------------

    def _line(self, depth: int, text: str) -> None:
        self.w.lines.append("    " * depth + text)

    def write(self) -> None:
        """Append the lines."""
        self._line(0, self._comment())
        if self.group.closed:
            self._write_alone(self.graph[self.group.nodes[0]])
            return
        for n in self.placed:
            if self.fusion.kinds[n.index] == "scatter":
                self._begun(n)
        depths = {n.index: self._depth(n) for n in self.reductions}
        for n in self.reductions:
            if depths[n.index] < 0 or self._is_added(n, depths[n.index]):
                self._cleared(n)
        levels = len(self.dims)
        row = self._row_product()
        for depth in range(levels + 1):
            for n in self.reductions:
                if depths[n.index] == depth and depth < levels:
                    self._begin(n, depth)
            for i in [i for i, d in self.held.items() if d == depth]:
                value = f"{self._memory(self.fusion.root(i))}[{self._place(i)}]"
                self._line(depth, f"{self.names[i]}_row = {value}")
            if row is not None and depth == levels - 1:
                self._write_row(depth, row)
            for n in self.placed:
                if self._depth_of_places(n) == depth:
                    self._find_place(depth, n)
            if depth < levels:
                self._line(depth, f"for {COUNTERS[depth]} in range({self.dims[depth]}):")
        self._body(levels, depths, row is not None)
        for depth in range(levels, -1, -1):
            for n in self.reductions:
                if depths[n.index] == depth and depth < levels:
                    self._finish(n, depth)

    def _comment(self) -> str:
        named = [self.graph[i] for i in self.group.nodes]
        names = [n.name for n in named if n.name and not n.anonymous]
        shape = " × ".join(map(str, self.group.shape)) or "number"
        return f"# {', '.join(names)}: {shape}" if names else f"# {shape}"

    def _body(self, depth: int, depths: dict[int, int], has_row: bool) -> None:
        stores = []
        for i in self.group.nodes:
            node, kind = self.graph[i], self.fusion.kinds[i]
            if kind == "reduce":
                self._add(node, depth, depths[i])
                continue
            if kind == "scatter":
                self._put(depth, node)
                continue
            name = self.names[i] if not self.group.shape else f"{self.names[i]}_"
            if kind == "product":
                if has_row:
                    self._line(depth, f"{name} = {self._memory(i)}[{self._place('own')}]")
                else:
                    self._sum_product(depth, node, name)
            else:
                self._line(depth, f"{name} = {self._expression(node)}")
            self.inside[i] = name
            if not self.group.shape:
                self.w._numbers.add(i)
            if i in self.w.stored and not (kind == "product" and has_row):
                self._memory(i)
                stores.append((i, name))
        for i, name in stores:
            self._line(depth, f"{self._array(i)}[{self._place('own')}] = {name}")

    def _memory(self, i: int) -> str:
        self.w.read.add(i)
        return self._array(i)

    def _array(self, i: int) -> str:
        """Return the name of a value's memory; a number's own name is its local variable."""
        return self.names[i] if self.graph[i].shape else f"{self.names[i]}_"

    def _operand(self, i: int, dtype: Any, key: Any = None) -> str:
        """Return an operand in a dtype; `key` says which of its walks, if not its own."""
        node = self.graph[i]
        if i in self.inside:
            return self.w.converted(self.inside[i], node.dtype, dtype)
        root = self.fusion.root(i)
        if self.fusion.kinds[root] == "number":
            return self.w.number(self.graph[root], dtype)
        if root in self.w._numbers:
            return self.w.converted(self.names[root], node.dtype, dtype)
        text = f"{self._memory(root)}[{self._place(i if key is None else key)}]"
        if key is None and i in self.held:
            text = f"{self.names[i]}_row"
        return self.w.converted(text, node.dtype, dtype)

    def _expression(self, node: GraphNode) -> str:
        if node.index in self.fusion.places:
            return self._taken(node)
        found = loop_forms.form(self.graph, node)
        assert found is not None
        template, dtypes = found
        if "{" not in template:
            return template
        operands = [self._operand(i, dtype) for i, dtype in zip(node.inputs, dtypes, strict=True)]
        text = template.format(*operands)
        if node.dtype.kind in "iu" or loop_forms.narrows(node):
            text = f"{node.dtype.name}({text})"
        return text

    # --- matrix products --------------------------------------------------------------------

    def _contracted(self, node: GraphNode) -> tuple[int, int, int]:
        """Return how many products are summed, and the steps of both factors."""
        a, b = node.inputs
        length = self.graph[a].shape[-1]
        return length, self.fusion.layouts[a].strides[-1], self.fusion.layouts[b].strides[0]

    def _factor(self, node: GraphNode, which: str) -> str:
        """Return one element of a factor, at the counter k of the sum."""
        _, *steps = self._contracted(node)
        step = steps["ab".index(which)]
        i = node.inputs["ab".index(which)]
        extra = "k" if step == 1 else f"{step} * k"
        root = self.fusion.root(i)
        if root in self.w._numbers or self.fusion.kinds[root] == "number":
            return self._operand(i, node.dtype)
        return f"{self._memory(root)}[{self._place((which, node.index), extra)}]"

    def _sum_product(self, depth: int, node: GraphNode, name: str) -> None:
        length, _, _ = self._contracted(node)
        self._line(depth, f"{name} = {node.dtype.name}(0)")
        self._line(depth, f"for k in range({length}):")
        a, b = self._factor(node, "a"), self._factor(node, "b")
        self._line(depth + 1, f"{name} = plus_product({name}, {a}, {b})")

    def _row_product(self) -> tuple[str, str] | None:
        """Return which factor stays and which goes along the last loop, when a row is worth it."""
        node = self.product
        if node is None or not self.dims or self.dims[-1] < WIDE:
            return None
        last = {which: self.walks[which, node.index][1][-1] for which in "ab"}
        own = self.walks["own"][1][-1]
        if own == 1 and sorted(last.values()) == [0, 1]:
            return ("a", "b") if last["b"] == 1 else ("b", "a")
        return None

    def _write_row(self, depth: int, row: tuple[str, str]) -> None:
        node = self.product
        assert node is not None
        length, _, _ = self._contracted(node)
        counter = COUNTERS[depth]
        along = f"for {counter} in range({self.dims[-1]}):"
        out = f"{self._memory(node.index)}[{self._place('own')}]"
        self._line(depth, along)
        self._line(depth + 1, f"{out} = {node.dtype.name}(0)")
        self._line(depth, f"for k in range({length}):")
        self._line(depth + 1, f"factor = {self._factor(node, row[0])}")
        self._line(depth + 1, along)
        self._line(depth + 2, f"{out} = plus_product({out}, factor, {self._factor(node, row[1])})")

    # --- reductions -------------------------------------------------------------------------

    def _depth(self, node: GraphNode) -> int:
        """Return how many loops are around the variable of a reduction, -1 when it has none."""
        strides = self.walks["to", node.index][1]
        depth = len(strides)
        while depth and not strides[depth - 1]:
            depth -= 1
        return depth

    def _is_added(self, node: GraphNode, depth: int) -> bool:
        """Return True when sums over inner loops are added up in memory."""
        strides = self.walks["to", node.index][1]
        return any(not s for s in strides[:depth])

    def _total(self, node: GraphNode) -> str:
        return f"{self.names[node.index]}_sum"

    def _wide(self, node: GraphNode) -> Any:
        """Return the dtype in which a variable adds up: sums of float32 are kept in float64."""
        assert node.op is not None
        short = node.dtype == np.float32 and node.op.name == "sum"
        return np.dtype(np.float64) if short else node.dtype

    def _start(self, node: GraphNode) -> str:
        assert node.op is not None
        dtype = self._wide(node)
        if dtype.kind == "b":
            return str(node.op.name == "all")
        value: Any = START[node.op.name]
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            value = {"sum": 0, "amax": limits.min, "amin": limits.max}[node.op.name]
            return f"{dtype.name}({value})"
        return f"{dtype.name}({str(value).replace('inf', 'np.inf')})"

    def _is_ordered(self, node: GraphNode) -> bool:
        """Return whether integers in the order of floats are compared, see `loop_math`."""
        assert node.op is not None
        return node.op.name in ORDER and node.dtype.kind == "f"

    def _begin(self, node: GraphNode, depth: int) -> None:
        """Write what a variable of a reduction starts from."""
        assert node.op is not None
        start = self._start(node)
        if self._is_ordered(node):
            bits = 8 * node.dtype.itemsize
            limit = -(2 ** (bits - 1)) if node.op.name == "amax" else 2 ** (bits - 1) - 1
            start = f"int{bits}({limit})"
            self._line(depth, f"{self.names[node.index]}_nan = int{bits}(0)")
        self._line(depth, f"{self._total(node)} = {start}")

    def _cleared(self, node: GraphNode) -> None:
        self._line(0, f"for i in range({node.size}):")
        start = self._start(node)
        if node.dtype == np.float32:
            start = start.replace("float64", "float32")
        self._line(1, f"{self._memory(node.index)}[i] = {start}")

    def _joined(self, node: GraphNode, total: str, x: str, free: bool) -> str:
        assert node.op is not None
        if node.op.name == "sum":
            return f"plus({total}, {x})" if free else f"{total} + {x}"
        return REDUCE[node.op.name].format(total, x)

    def _add(self, node: GraphNode, depth: int, start: int) -> None:
        if start == depth and not node.shape:  # of one number
            self._begin(node, depth)
            self._add(node, depth, -1)
            self._finish(node, depth)
            return
        if start == depth:  # into memory
            out = f"{self._memory(node.index)}[{self._place(('to', node.index))}]"
            x = self._operand(node.inputs[0], node.dtype)
            added = self._is_added(node, start)
            self._line(depth, f"{out} = {self._joined(node, out, x, False) if added else x}")
            return
        x = self._operand(node.inputs[0], self._wide(node))
        total = self._total(node)
        if self._is_ordered(node):
            assert node.op is not None
            nan, bits = f"{self.names[node.index]}_nan", 8 * node.dtype.itemsize
            self._line(depth, f"{total} = {ORDER[node.op.name]}{bits}({total}, {x})")
            self._line(depth, f"{nan} = unordered{bits}({nan}, {x})")
            return
        self._line(depth, f"{total} = {self._joined(node, total, x, True)}")

    def _finish(self, node: GraphNode, depth: int) -> None:
        value = self.w.converted(self._total(node), self._wide(node), node.dtype)
        if self._is_ordered(node):
            bits = 8 * node.dtype.itemsize
            value = f"in_order{bits}({self._total(node)}, {self.names[node.index]}_nan)"
        if not node.shape:
            self._line(depth, f"{self.names[node.index]} = {value}")
            self.w._numbers.add(node.index)
            value = self.names[node.index]
            if node.index not in self.w.stored:
                return
        place = self._place(("to", node.index))
        out = f"{self._memory(node.index)}[{place}]"
        if self._is_added(node, depth):
            value = self._joined(node, out, value, False)
        self._line(depth, f"{out} = {value}")

    # --- places -----------------------------------------------------------------------------

    def _depth_of_places(self, node: GraphNode) -> int:
        """Return how many loops are around the place that index arrays name, -1 for none."""
        terms = range(len(self.fusion.places[node.index].terms))
        along = [self.walks["index", node.index, k][1] for k in terms]
        return max((k + 1 for s in along for k in range(len(s)) if s[k]), default=-1 + bool(along))

    def _find_place(self, depth: int, node: GraphNode) -> None:
        """Write what index arrays add to a place; negative ones count from the end."""
        parts = []
        for k, term in enumerate(self.fusion.places[node.index].terms):
            index = self._operand(term.index, np.dtype(np.int64), ("index", node.index, k))
            part = f"counted({index}, {term.length})"
            parts.append(part if term.stride == 1 else f"{term.stride} * {part}")
        self._line(depth, f"{self.names[node.index]}_at = {' + '.join(parts)}")

    def _place_of(self, node: GraphNode) -> str:
        named = f"{self.names[node.index]}_at" if self.fusion.places[node.index].terms else ""
        return self._place(("to", node.index), named)

    def _taken(self, node: GraphNode) -> str:
        """Return the element of the table that a gather reads."""
        i = self.fusion.places[node.index].table
        root = self.fusion.root(i)
        text = f"{self._memory(root)}[{self._place_of(node)}]"
        return self.w.converted(text, self.graph[i].dtype, node.dtype)

    def _put(self, depth: int, node: GraphNode) -> None:
        """Write an element of a scatter's source to its place, or add it to what is there."""
        found = self.fusion.places[node.index]
        out = f"{self._memory(node.index)}[{self._place_of(node)}]"
        x = self._operand(found.source, node.dtype)
        self._line(depth, f"{out} = {out} + {x}" if found.adds else f"{out} = {x}")

    def _begun(self, node: GraphNode) -> None:
        """Write what a scatter starts from."""
        found = self.fusion.places[node.index]
        if found.start_from < 0:
            value = node.dtype.type(found.start)
            start = str(bool(value)) if node.dtype.kind == "b" else self._number(value)
            self._line(0, f"for i in range({node.size}):")
            self._line(1, f"{self._memory(node.index)}[i] = {start}")
        else:
            self._copied(node, found.start_from, 0)

    def _number(self, value: Any) -> str:
        text = str(value) if np.isfinite(value) else f"np.{value}".replace("np.-", "-np.")
        return f"{value.dtype.name}({text})"

    def _copied(self, node: GraphNode, i: int, offset: int) -> None:
        """Copy an operand into a part of a result that begins at an offset."""
        shape, layout = self.graph[i].shape, self.fusion.layouts[i]
        own = self.walks
        dims, self.walks = collapsed(
            shape, {i: (layout.offset, layout.strides), "to": (offset, row_major(node.shape))}
        )
        for depth, n in enumerate(dims):
            self._line(depth, f"for {COUNTERS[depth]} in range({n}):")
        to = f"{self._memory(node.index)}[{self._place('to')}]"
        self._line(len(dims), f"{to} = {self._operand(i, node.dtype)}")
        self.walks = own

    # --- loops that nothing joins -----------------------------------------------------------

    def _write_alone(self, node: GraphNode) -> None:
        assert node.op is not None
        if node.op.name == "join":
            offset = 0
            axis = node.params["axis"] % len(node.shape)
            for i in node.inputs:
                self._copied(node, i, offset)
                offset += self.graph[i].shape[axis] * row_major(node.shape)[axis]
            return
        (i,) = node.inputs
        x, layout = self.graph[i], self.fusion.layouts[i]
        rows = x.shape[:-1] if node.params["axis"] is not None else ()
        row = x.shape[len(rows) :]
        to = row_major(x.shape)
        if node.op.name != "cumsum":
            to = (*row_major(node.shape)[: len(rows)], *(0 for _ in row))
        self.walks = {i: (layout.offset, list(layout.strides)), "to": (0, list(to))}
        depth = len(rows)
        for k, n in enumerate(rows):
            self._line(k, f"for {COUNTERS[k]} in range({n}):")
        name = self.names[node.index]
        write = self._write_sums if node.op.name == "cumsum" else self._write_largest
        write(depth, node, name, row)

    def _write_sums(self, depth: int, node: GraphNode, name: str, row: tuple[int, ...]) -> None:
        """Write the sums of all numbers up to each one, in order."""
        self._line(depth, f"{name}_sum = {node.dtype.name}(0)")
        for k, n in enumerate(row, depth):
            self._line(k, f"for {COUNTERS[k]} in range({n}):")
        depth += len(row)
        x = self._operand(node.inputs[0], node.dtype)
        self._line(depth, f"{name}_sum = {node.dtype.name}({name}_sum + {x})")
        self._line(depth, f"{self._memory(node.index)}[{self._place('to')}] = {name}_sum")

    def _write_largest(self, depth: int, node: GraphNode, name: str, row: tuple[int, ...]) -> None:
        """Write where the first of the largest, or smallest, numbers is; NaN comes first."""
        assert node.op is not None
        i = node.inputs[0]
        out = f"{self._memory(node.index)}[{self._place('to')}]"
        self._line(depth, f"{name}_at = 0")
        self._line(depth, f"{name}_sum = {self._first(i, depth)}")
        for k, n in enumerate(row, depth):
            self._line(k, f"for {COUNTERS[k]} in range({n}):")
        inside = depth + len(row)
        self._line(inside, f"{name}_ = {self._operand(i, self.graph[i].dtype)}")
        less = "<=" if node.op.name == "argmax" else ">="
        test = f"if not {name}_ {less} {name}_sum and {name}_sum == {name}_sum:"
        self._line(inside, test)
        self._line(inside + 1, f"{name}_sum = {name}_")
        place = " + ".join(
            COUNTERS[k] if s == 1 else f"{s} * {COUNTERS[k]}"
            for k, s in enumerate(row_major(row), depth)
        )
        self._line(inside + 1, f"{name}_at = {place}")
        self._line(depth, f"{out} = {node.dtype.name}({name}_at)")

    def _first(self, i: int, depth: int) -> str:
        """Return the first element of a row."""
        offset, strides = self.walks[i]
        self.walks["first"] = (offset, [*strides[:depth], *(0 for _ in strides[depth:])])
        return self._operand(i, self.graph[i].dtype, "first")


def collapsed(
    shape: tuple[int, ...], steps: dict[Any, tuple[int, tuple[int, ...]]]
) -> tuple[list[int], dict[Any, tuple[int, list[int]]]]:
    """Return the lengths of loops over a shape, as few as can be, and how operands go along them.

    Args:
        shape: what the loops go over.
        steps: of each operand, the offset and the strides along the axes.
    """
    keep = [k for k, n in enumerate(shape) if n != 1]
    dims = [shape[k] for k in keep]
    found = {key: (o, [s[k] for k in keep]) for key, (o, s) in steps.items()}
    k = len(dims) - 2
    while k >= 0:
        if all(s[k] == s[k + 1] * dims[k + 1] for _, s in found.values()):
            dims[k : k + 2] = [dims[k] * dims[k + 1]]
            for _, s in found.values():
                del s[k]
        k -= 1
    return dims, found
