"""What a call may do or read besides computing: streams of random numbers, memory, made arrays."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..graph import Graph
from ..tensor import Tensor, wrap

ARRAYS = (np.ndarray, np.floating)
# Operations whose results have no other values than their first input.
_REARRANGING = frozenset(
    "cast clone getitem insert_axes matrix_transpose permute_axes remove_axes reshape_like "
    "reshape_to snapshot".split()
)


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


def is_fixed(array: Any, guards: Any) -> bool:
    """Return whether an array that a function made is the same in every call.

    Of floats only those are taken that are numbers in its code, or of a regular kind.
    """
    for a in guards.arrays:
        if np.may_share_memory(a, array):
            return False
        if array.size > 1 and a.shape == array.shape and (a == array).all():
            return False
    if array.dtype.kind in "iub":
        return True
    numbers = {array.dtype.type(n) for n in guards.numbers if abs(n) < 1e30}
    return is_regular(array) or numbers.issuperset(array.flat)


def is_regular(array: Any) -> bool:
    """Return whether an array is one that programs make: equal numbers, a range, a unit matrix.

    Or a single 1 among zeros, from which a row of a Jacobian starts.
    """
    if array.size <= 1 or (array == array.flat[0]).all():
        return True
    if np.count_nonzero(array) == 1 and array.max() == 1:
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
    """Return whether the number of elements somewhere depends on values, as those of a mask."""
    if any(node.op is not None and node.op.name == "add_up" for node in graph):
        return True  # as many as the largest number that is counted
    return any(
        graph[i].dtype.kind == "b" and not (graph[i].op is None and graph[i].made)
        for node in graph
        if node.op is not None and node.op.name == "getitem"
        for i in node.inputs[1:]
    )


def leaves_of(values: Any) -> Iterator[Any]:
    """Yield the tensors and arrays among arguments, also those in lists and dictionaries."""
    for value in values:
        if isinstance(value, (Tensor, *ARRAYS)):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from leaves_of(value)
        elif isinstance(value, dict):
            yield from leaves_of(value.values())


def others_of(values: Any) -> Iterator[Any]:
    """Yield what is no tensor and no array among arguments."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from others_of(value)
        elif isinstance(value, dict):
            yield from others_of(value.values())
        elif not isinstance(value, (Tensor, *ARRAYS)):
            yield value


def like(structure: Any, parts: list[Any]) -> Any:
    """Return a list or tuple of the same kind; those with names take one argument per part."""
    kind = type(structure)
    return kind(parts) if kind in (list, tuple) else kind(*parts)


def with_tensors(value: Any) -> Any:
    """Return arguments with tensors in the place of arrays, as a traced function gets them."""
    if isinstance(value, ARRAYS):
        return wrap(np.asarray(value))
    if isinstance(value, (list, tuple)):
        parts = [with_tensors(part) for part in value]
        if all(a is b for a, b in zip(parts, value, strict=True)):
            return value
        return like(value, parts)
    if type(value) is dict:
        return {key: with_tensors(part) for key, part in value.items()}
    return value


def has_history(x: Any) -> bool:
    """Return whether gradients of a tensor go on to what it was computed from."""
    return isinstance(x, Tensor) and x._node is not None and x._requires_grad


def views(results: Iterable[Any], sources: Iterable[Any], variables: Iterable[Tensor]) -> str:
    """Return why results that share memory with variables are no program's, or nothing."""
    owners = {id(owner(x._data)) for x in variables}
    for (_, y), source in zip(results, sources, strict=True):
        if y is not source and id(owner(y._data)) in owners:
            return "it returns a view of a tensor that it reads; return a .clone() of it"
    return ""


def requirements(journal: Any, given: Iterable[Any]) -> list[tuple[int, Any]]:
    """Return which of the leaves of the arguments must fulfil what."""
    found = []
    for x, fulfils in journal.expected:
        source = journal.source(x._node or x)[0]
        while hasattr(source, "op") and source.op.name in _REARRANGING:
            source = journal.source(source.inputs[0], source.time)[0]
        found += [(k, fulfils) for k, leaf in enumerate(given) if leaf is source]
    return found


def meets(required: Iterable[tuple[int, Any]], given: Any) -> bool:
    """Return whether arguments, or stacks of them, are as required."""
    return all(fulfils(getattr(given[k], "_data", given[k])) for k, fulfils in required)


def hollow(structure: Any) -> Any:
    """Return the structure of a result without its values."""
    if isinstance(structure, Tensor):
        return wrap(np.zeros(()))
    if isinstance(structure, (list, tuple)):
        return like(structure, [hollow(part) for part in structure])
    if isinstance(structure, dict):
        return {key: hollow(part) for key, part in structure.items()}
    return structure
