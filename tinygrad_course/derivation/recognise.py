"""What a number or data of a captured graph stand for: 1/m, 1 − Y and −Y computed outside it.

A graph holds what was recorded. What was computed from plain numbers, such as 1/m, or from data
alone, such as 1 − Y, arrives as a value. Here it is known by that value.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from .. import naming
from ..graph import Graph, GraphNode
from .sizes import Sizes

Place = tuple[int, int, int]
"""A data leaf, one of its axes, and an exponent of the length of this axis."""


def numbers_of_examples(
    graph: Graph, sizes: Sizes
) -> tuple[dict[tuple[int, int], tuple[float, list[Place]]], list[str]]:
    """Find the constants that stand for 1/m, 1/(2m), m or 2m: factors of a sum over examples.

    A cost written with ``(1 / m) * (…).sum()`` arrives as ``0.0025 * Σ`` for 400 examples.

    Returns:
        For each (product, constant) a number, and the lengths that it is multiplied by; and a
        sentence about each. The same constant elsewhere, such as 0.01 for a λ, is a number.
    """
    found: dict[tuple[int, int], tuple[float, list[Place]]] = {}
    notes = []
    for node in graph:
        if node.op is None or node.is_backward or node.size != 1:
            continue
        if node.op.name not in ("mul", "div"):
            continue
        pairs = [node.inputs, node.inputs[::-1]][: 2 if node.op.name == "mul" else 1]
        for total, constant in pairs:
            if graph[constant].role != "constant" or graph[constant].op is not None:
                continue
            power = -1 if node.op.name == "mul" else 1
            places = _examples_summed(graph, sizes, total, power)
            m = math.prod(graph[leaf].shape[place] for leaf, place, _ in places)
            number = float(np.asarray(graph[constant].value))
            k = _multiple_of_m(number, m, power) if places else 0
            if k:
                found[node.index, constant] = k, places
                notes.append(
                    f"{number:.6g} is taken for {_in_terms_of_m(k, power)}, as it scales a sum "
                    f"over m examples and m is {m} here."
                )
    return found, notes


def _examples_summed(graph: Graph, sizes: Sizes, total: int, power: int) -> list[Place]:
    """Return the data axes that count what a number is a sum over."""
    roots = _summed_roots(graph, sizes, total)
    places = []
    for leaf in graph if roots else ():
        if naming.is_data(leaf):
            for place, axis in enumerate(sizes.axes[leaf.index]):
                if sizes.root(axis) in roots:
                    roots.remove(sizes.root(axis))
                    places.append((leaf.index, place, power))
    return places


def _summed_roots(graph: Graph, sizes: Sizes, total: int) -> list[int]:
    """Return the classes of axes of examples that a number sums over: Σ, or a product y aᵀ.

    The number may have a sign, a constant factor, axes of length 1, and be a sum of such sums.
    """
    found: list[list[int]] = []
    stack, seen = [total], {total}
    while stack:
        node = graph[stack.pop()]
        name = node.op.name if node.op is not None and node.size == 1 else ""
        inputs = node.inputs
        if name in ("neg", "add", "sub", "remove_axes", "insert_axes", "reshape_to"):
            stack.extend(set(inputs) - seen)
            seen.update(inputs)
            continue
        if name in ("mul", "div"):
            factors = [i for i in inputs if graph[i].role != "constant" or graph[i].op is not None]
            if len(factors) == 1 and (name == "mul" or factors[0] == inputs[0]):
                stack.extend(set(factors) - seen)
                seen.update(factors)
                continue
        first = 0 if name == "sum" and node.params["axis"] is None else -1
        if first and name not in ("matrix_product", "inner"):
            return []
        summed = zip(sizes.axes[inputs[0]][first:], graph[inputs[0]].shape[first:], strict=True)
        found.append(sorted(sizes.root(a) for a, n in summed if n > 1 and sizes.counts(a)))
    return found[0] if found and all(roots == found[0] for roots in found) else []


def _multiple_of_m(number: float, m: int, power: int) -> float:
    """Return k where a number is k times m (or k/m), for k = ±1 and ±2 (±½); else 0."""
    if m < 3:
        return 0
    for k in (1, -1, 2, -2) if power > 0 else (1, -1, 0.5, -0.5):
        if np.float32(number) == np.float32(k * float(m) ** power):
            return k
    return 0


def _in_terms_of_m(k: float, power: int) -> str:
    """Return k mᵖ in words of a formula."""
    size = abs(k)
    text = "m" if power > 0 else "1/m"
    if size == 2:
        text = "2m"
    elif size == 0.5:
        text = "1/(2m)"
    return f"-{text}" if k < 0 else text


def values_of(value: Any) -> Any:
    """Return something hashable that is equal for equal arrays."""
    array = np.ascontiguousarray(np.asarray(value, np.float64) + 0.0)  # -0 is 0
    return array.shape, array.tobytes()


def varies(value: Any) -> bool:
    """Return True for an array that is not one number throughout."""
    array = np.asarray(value)
    return array.size > 1 and bool((array != array.flat[0]).any())


def labels_of(node: GraphNode, graph: Graph) -> str | None:
    """Return what to call the labels Y of unnamed data −Y, of the values 0 and −1; else None."""
    value = np.asarray(node.value)
    unnamed = re.fullmatch(r"[XxYy]\d*", node.name) is not None
    if not unnamed or not varies(value) or not bool(((value == 0) | (value == -1)).all()):
        return None
    taken = {n.name for n in graph}
    stem = "Y" if len(node.shape) > 1 else "y"
    return next(y for y in (stem, f"{stem}2", f"{node.name}_labels") if y not in taken)
