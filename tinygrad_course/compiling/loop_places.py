"""Where operations that select and place elements read and write, inside a compiled loop.

A gather reads ``table[place]`` and a scatter writes there, for a place that consists of a fixed
part, which goes along with the loop, and of what index arrays say. Both are written down in the
same way here; what is not of this kind (masks, ranges of unknown length) is left to NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..graph import Graph, GraphNode
from .loop_forms import DTYPES

INDICES = frozenset(np.dtype(name) for name in ("int32", "int64"))
GATHERS = ("getitem", "take_along_axis", "gather_along")
SCATTERS = ("place", "scatter_into", "setitem", "pad_constant")


@dataclass
class Term:
    """An index array: it says where along one axis of the table.

    Attributes:
        index: its node.
        behind: how many axes of the loop come after its own.
        length: of the table's axis.
        stride: of the table's axis, in elements.
    """

    index: int
    behind: int
    length: int
    stride: int


@dataclass
class Places:
    """Places in a table, for a loop over a shape.

    Attributes:
        shape: of the loop.
        offset, strides: the fixed part, in elements.
        terms: index arrays.
        table: the operand that a gather reads, -1 for a scatter.
        source: the operand that a scatter writes.
        start, start_from: the number, or the operand, that a scatter starts from.
        adds: whether a scatter adds to what is there.
    """

    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]
    terms: list[Term] = field(default_factory=list)
    table: int = -1
    source: int = -1
    start: float = 0.0
    start_from: int = -1
    adds: bool = False


def places(graph: Graph, node: GraphNode, strides: Any) -> Places | None:
    """Return the places of a gather or scatter, or None.

    Args:
        graph: that of the node.
        node: the operation.
        strides: function of a node: the strides and offset of its value.
    """
    assert node.op is not None
    name = node.op.name
    if name not in GATHERS and name not in SCATTERS:
        return None
    operands = [graph[i] for i in node.inputs]
    if node.dtype not in DTYPES or not node.size:
        return None
    if name in ("take_along_axis", "gather_along"):
        x, index = node.inputs
        found = _along(graph, node.shape, x, index, node.params["axis"], strides(x))
        return found and _reading(found, x)
    if name == "scatter_into":
        x, index, source = node.inputs
        if graph[source].shape != graph[index].shape or graph[x].dtype != node.dtype:
            return None
        own = 0, row_major(node.shape)
        found = _along(graph, graph[source].shape, node.index, index, node.params["axis"], own)
        return found and _writing(found, source, x, True)
    if name == "pad_constant":
        (x,) = node.inputs
        region = tuple(
            slice(before, before + n)
            for (before, _), n in zip(node.params["widths"], operands[0].shape, strict=True)
        )
        found = _region(node.shape, row_major(node.shape), 0, region)
        value = float(node.params["value"])
        if found.shape != operands[0].shape or (node.dtype.kind != "f" and value % 1):
            return None
        found.start = value
        return _writing(found, x, -1, False)
    index = node.params["index"]
    if name == "getitem":
        x, *arrays = node.inputs
        if not arrays or operands[0].dtype != node.dtype:
            return None
        offset, steps = strides(x)
        found = _selected(graph, graph[x].shape, offset, steps, index, arrays)
        return found and found.shape == node.shape and _reading(found, x) or None
    first, second, *arrays = node.inputs
    found = _selected(graph, node.shape, 0, row_major(node.shape), index, arrays)
    if found is None:
        return None
    if name == "place":
        right = graph[first].shape == found.shape and graph[first].dtype == node.dtype
        return _writing(found, first, -1, bool(arrays)) if right else None
    given = graph[second].shape
    fits = len(given) <= len(found.shape) and all(
        n in (1, m) for n, m in zip(given[::-1], found.shape[::-1], strict=False)
    )
    return _writing(found, second, first, False) if fits else None


def _reading(found: Places, table: int) -> Places:
    found.table = table
    return found


def _writing(found: Places, source: int, start_from: int, adds: bool) -> Places | None:
    if 0 in found.shape:
        return None
    found.source, found.start_from, found.adds = source, start_from, adds
    return found


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a contiguous array, in elements."""
    strides = [1] * len(shape)
    for k in range(len(shape) - 2, -1, -1):
        strides[k] = strides[k + 1] * max(shape[k + 1], 1)
    return tuple(strides)


def spread(strides: tuple[int, ...], shape: tuple[int, ...], wide: int) -> tuple[int, ...]:
    """Return the strides of an operand over the `wide` axes of a broadcast result."""
    kept = tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))
    return (0,) * (wide - len(shape)) + kept


def _along(
    graph: Graph, shape: tuple[int, ...], x: int, index: int, axis: int, layout: Any
) -> Places | None:
    """Return the places along one axis; on the others, the loop's own."""
    offset, steps = layout
    table = graph[x].shape
    i = graph[index]
    if i.dtype not in INDICES or len(table) != len(shape) or len(i.shape) != len(shape):
        return None
    axis %= len(shape)
    for a, (n, own) in enumerate(zip(i.shape, shape, strict=True)):
        if n not in (1, own) or (a != axis and table[a] not in (1,) and table[a] < own):
            return None
    fixed = [0 if n == 1 else s for s, n in zip(steps, table, strict=True)]
    fixed[axis] = 0
    term = Term(index, 0, table[axis], steps[axis])
    return Places(shape, offset, tuple(fixed), [term])


def _region(
    shape: tuple[int, ...], steps: tuple[int, ...], offset: int, index: tuple[Any, ...]
) -> Places:
    """Return the places that slices and integers select."""
    memory = np.empty(1, np.int8)  # never read or written
    whole = as_strided(memory, shape, steps)
    part = whole[index if Ellipsis in index else (*index, ...)]
    start = part.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return Places(part.shape, offset + start, part.strides)


def _selected(
    graph: Graph,
    shape: tuple[int, ...],
    offset: int,
    steps: tuple[int, ...],
    index: Any,
    arrays: list[int],
) -> Places | None:
    """Return the places that x[index] selects."""
    index = index if isinstance(index, tuple) else (index,)
    if not arrays:
        return _region(shape, steps, offset, index)
    if any(graph[a].dtype not in INDICES for a in arrays) or any(i is None for i in index):
        return None
    missing = len(shape) - sum(i is not Ellipsis for i in index)
    full: list[Any] = []
    for i in index:
        full += [slice(None)] * missing if i is Ellipsis else [i]
    full += [slice(None)] * (len(shape) - len(full))
    if len(full) != len(shape):
        return None
    # Arrays, and with them integers, become axes where the first is, or in front if a slice parts
    # them.
    chosen = [k for k, i in enumerate(full) if not isinstance(i, slice)]
    common = np.broadcast_shapes(*(graph[a].shape for a in arrays))
    apart = chosen[-1] - chosen[0] + 1 != len(chosen)
    before = 0 if apart else chosen[0]
    lengths, strides = [], []
    rest = iter(arrays)
    terms = []
    behind = len(full) - len(chosen) - before
    for k, i in enumerate(full):
        if isinstance(i, slice):
            start, stop, step = i.indices(shape[k])
            n = len(range(start, stop, step))
            offset += start * steps[k] if n else 0
            lengths.append(n)
            strides.append(step * steps[k])
        elif isinstance(i, int):
            if not -shape[k] <= i < shape[k]:
                return None
            offset += (i % shape[k]) * steps[k]
        else:
            terms.append(Term(next(rest), behind, shape[k], steps[k]))
    made = (*lengths[:before], *common, *lengths[before:])
    fixed = (*strides[:before], *(0 for _ in common), *strides[before:])
    return Places(made, offset, fixed, terms)
