"""What a call may do or read besides computing: streams of random numbers, memory, made arrays."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..graph import Graph


def owner(array: Any) -> Any:
    """Return the array whose memory this one shares."""
    while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
        array = array.base
    return array


def streams() -> list[Any]:
    """Return where Python's and NumPy's hidden streams of random numbers are."""
    found: Any = np.random.get_state(legacy=False)
    return [found["state"]["key"].tobytes(), found["state"]["pos"], random.getstate()]


def state_of(generator: Any) -> Any:
    """Return the place in a stream, None for one that was never used."""
    return generator._stream and generator.get_state()


def set_state(generator: Any, state: Any) -> None:
    """Go back to a place in a stream."""
    if state is None:
        generator._stream = None
    else:
        generator.set_state(state)


def silence() -> None:
    """Ignore floating-point warnings: an infinite result is an answer."""
    np.seterr(all="ignore")


def behind(sources: list[Any]) -> Iterator[Any]:
    """Yield the nodes that values were computed by."""
    seen: set[Any] = set()
    stack = [s for s in sources if hasattr(s, "op")]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack += [s for s in node.inputs if hasattr(s, "op") and hasattr(s, "needs")]


def is_regular(array: Any) -> bool:
    """Return whether an array is one that programs make: equal numbers, a range, a unit matrix."""
    if not array.size or (array == array.flat[0]).all():
        return True
    if array.ndim == 1 or array.size == max(array.shape):
        flat = array.reshape(-1)
        return (
            array.size > 2
            and flat.dtype.kind in "iuf"
            and bool((np.diff(flat) == flat[1] - flat[0]).all())
        )
    if array.ndim == 2:
        rows, columns = array.shape
        below = np.tri(rows, columns)
        patterns = (np.eye(rows, columns), below, np.tri(rows, columns, -1), 1 - below)
        return any(np.array_equal(array, pattern) for pattern in patterns)
    return False


def selects_by_value(graph: Graph) -> bool:
    """Return whether the number of elements somewhere depends on how many of a mask are True."""
    return any(
        graph[i].dtype.kind == "b" and not (graph[i].op is None and graph[i].made)
        for node in graph
        if node.op is not None and node.op.name == "getitem"
        for i in node.inputs[1:]
    )
