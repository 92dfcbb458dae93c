"""Sorting and what follows from it: sort, argsort, topk, kthvalue, mode, searchsorted, bucketize.

There is one primitive without a derivative, the order that sorts; values are picked by it, so the
derivative of a sorted value goes to the place that it came from. Everywhere, equal elements keep
their order, and NaN counts as larger than any number, as in PyTorch (which promises the order of
equal elements only for ``stable=True``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..spelling import options
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, function, op
from .index import Selected, take_along_axis
from .reduce import argmax
from .shape import axis_of, movedim, reshape, squeeze


def _spell_order(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write NumPy's own function where it can say it."""
    (x,) = operands
    if params["descending"]:
        return f"argsort({x}{options(params, {'axis': -1, 'descending': False}, form)})"
    return f"np.argsort({x}, axis={params['axis']}, stable=True)"


@op(
    kind="index",
    symbol="argsort",
    text="argsort",
    latex=r"\mathrm{{argsort}}",
    numpy=_spell_order,
    helper="""
def argsort(x, axis=-1, descending=False):
    # The places of the elements in order; equal ones keep theirs, NaN is the largest.
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    backward = np.argsort(np.flip(x, axis), axis=axis, stable=True)
    return np.shape(x)[axis] - 1 - np.flip(backward, axis)
""",
    public=False,
)
def sort_order(x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """The places of the elements along an axis, in the order that sorts them; no derivative."""
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    # Backward twice, so that equal elements keep their order.
    backward = np.argsort(np.flip(x, axis), axis=axis, stable=True)
    return np.shape(x)[axis] - 1 - np.flip(backward, axis)


def ordered(x: Tensor, axis: Any, name: str, descending: bool = False) -> tuple[Tensor, int]:
    """Return the order that sorts `x`, and the axis counted from the front."""
    if x.ndim == 0:
        raise errors.ShapeError(
            f"{name}: needs a tensor with at least one axis, got a single number. Use "
            ".reshape(1) for a vector of it."
        )
    place = axis_of(axis, x.ndim, name)
    order = apply(sort_order.op, (x,), {"axis": place, "descending": bool(descending)})
    return order, place


@function()
def argsort(x: Any, axis: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort a tensor along an axis; no derivative.

    Args:
        x: the tensor.
        axis: the axis (PyTorch's ``dim``).
        descending: the largest first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.

    Raises:
        ShapeError: an axis that does not exist.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.argsort(tc.tensor([3.0, 1.0, 2.0]))
        tensor([1, 2, 0])
    """
    return ordered(x, axis, "argsort", descending)[0]


@function()
def sort(x: Any, axis: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Sort along an axis; returns (values, indices), as PyTorch does.

    The derivative of each value goes to the place it came from. NaN counts as the largest.

    Args:
        x: the tensor.
        axis: the axis (PyTorch's ``dim``).
        descending: the largest first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.

    Raises:
        ShapeError: an axis that does not exist.

    Example:
        >>> import tinygrad_course as tc
        >>> values, indices = tc.sort(tc.tensor([3.0, 1.0, 2.0]), descending=True)
        >>> values.tolist(), indices.tolist()
        ([3.0, 2.0, 1.0], [0, 2, 1])
    """
    order, place = ordered(x, axis, "sort", descending)
    return Selected(take_along_axis(x, order, place), order)


@function()
def topk(x: Any, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest elements along an axis, the largest first; returns (values, indices).

    Args:
        x: the tensor.
        k: how many.
        axis: the axis (PyTorch's ``dim``).
        largest: False for the k smallest, the smallest first.
        sorted: accepted for PyTorch's sake; the result is always sorted.

    Raises:
        ArgumentError: more elements asked for than there are.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.topk(tc.tensor([1.0, 4.0, 3.0]), 2).indices
        tensor([1, 2])
    """
    order, place = ordered(x, axis, "topk", largest)
    _count_of(k, 0, x.shape[place], "topk")
    indices = order[(slice(None),) * place + (slice(0, int(k)),)]
    return Selected(take_along_axis(x, indices, place), indices)


def _count_of(k: Any, least: int, length: int, name: str) -> None:
    if not isinstance(k, (int, np.integer)) or not least <= k <= length:
        raise errors.ArgumentError(
            f"{name}: k is {k!r:.40}, but must be an integer from {least} to {length}, the length "
            "of the axis."
        )


@function()
def kthvalue(x: Any, k: int, axis: int = -1, keepdims: bool = False) -> Any:
    """The k-th smallest element along an axis, counted from 1; returns (values, indices).

    Of equal elements, it is the one that `sort` puts there.

    Raises:
        ArgumentError: k is not from 1 to the length of the axis.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.kthvalue(tc.tensor([1.0, 4.0, 3.0]), 2).values
        tensor(3.)
    """
    order, place = ordered(x, axis, "kthvalue")
    _count_of(k, 1, x.shape[place], "kthvalue")
    indices = order[(slice(None),) * place + (slice(int(k) - 1, int(k)),)]
    return picked(x, indices, place, keepdims)


def picked(x: Any, indices: Any, place: int, keepdims: bool) -> Selected:
    """Return the elements at `indices`, of length 1 along an axis, with or without that axis."""
    values = take_along_axis(x, indices, place)
    if keepdims:
        return Selected(values, indices)
    return Selected(squeeze(values, place), squeeze(indices, place))


@function()
def mode(x: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """The most frequent element along an axis; returns (values, indices).

    Of equally frequent ones it is the smallest, and its index is where it stands last.

    Raises:
        ShapeError: an axis without elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mode(tc.tensor([3, 1, 1, 3, 2]))
        Selected(values=tensor(1), indices=tensor(2))
    """
    order, place = ordered(x, axis, "mode")
    some(x, place, "mode")
    rows = movedim(take_along_axis(x.detach(), order, place), place, -1)
    ends = apply(insert_places.op, (rows, rows), {"right": True})
    starts = apply(insert_places.op, (rows, rows), {"right": False})
    best = argmax(ends - starts, -1, True)
    last = movedim(take_along_axis(ends, best, -1) - 1, -1, place)
    return picked(x, take_along_axis(order, last, place), place, keepdims)


def some(x: Tensor, place: int, name: str) -> None:
    """Refuse an axis without elements."""
    if x.shape[place] == 0:
        raise errors.ShapeError(
            f"{name}: axis {place} of shape {x.shape} has no elements to choose from."
        )


# --- searching ----------------------------------------------------------------------------------


def _spell_search(form: str, operands: list[str], params: dict[str, Any]) -> str:
    boundaries, values = operands
    more = options(params, {"right": False}, form)
    return f"searchsorted({boundaries}, {values}{more})"


@op(
    kind="index",
    symbol="search",
    text="searchsorted",
    latex=r"\mathrm{{searchsorted}}",
    numpy=_spell_search,
    helper="""
def searchsorted(boundaries, values, right=False):
    # How many boundaries are below each value (or equal, for right=True), row by row.
    side = "right" if right else "left"
    if np.ndim(boundaries) == 1:
        return np.searchsorted(boundaries, values, side)
    rows = np.vectorize(lambda b, v: np.searchsorted(b, v, side), signature="(n),(k)->(k)")
    return rows(boundaries, values)
""",
    public=False,
)
def insert_places(boundaries: Any, values: Any, *, right: bool = False) -> Any:
    """Where values would be inserted into sorted boundaries; no derivative."""
    side: Any = "right" if right else "left"
    if np.ndim(boundaries) == 1:
        return np.searchsorted(boundaries, values, side)
    found = np.zeros(np.shape(values), np.int64)
    for row in np.ndindex(np.shape(values)[:-1]):
        found[row] = np.searchsorted(boundaries[row], values[row], side)
    return found


@function(method=False, keywords={"input": "values", "sorted_sequence": "boundaries"})
def searchsorted(boundaries: Any, values: Any, right: bool = False, side: Any = None) -> Any:
    """Where each value would be inserted into sorted numbers, so that they stay sorted.

    Args:
        boundaries: numbers that increase along the last axis (PyTorch's ``sorted_sequence``).
        values: any shape for one row of boundaries, else the same number of rows.
        right: insert behind equal numbers instead of before them.
        side: "left" or "right", another way to say it.

    Raises:
        ShapeError: rows that do not correspond; ArgumentError: another side.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.searchsorted(tc.tensor([1.0, 3.0, 5.0]), tc.tensor([0.0, 3.0, 9.0]))
        tensor([0, 1, 3])
    """
    values = as_tensor(values)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise errors.ArgumentError(
            f"searchsorted: side is 'left' or 'right' and must agree with right={right}, got "
            f"{side!r}."
        )
    if boundaries.ndim == 0 or (boundaries.ndim > 1 and boundaries.shape[:-1] != values.shape[:-1]):
        raise errors.ShapeError(
            f"searchsorted: the boundaries have shape {boundaries.shape}, the values "
            f"{values.shape}. Give one row of boundaries, or as many rows as there are of values."
        )
    return apply(insert_places.op, (boundaries, values), {"right": bool(right or side == "right")})


@function(method=False)
def bucketize(x: Any, boundaries: Any, right: bool = False) -> Any:
    """The number of the interval that each value falls into: `searchsorted` the other way round.

    Interval i has boundaries[i − 1] < x ≤ boundaries[i]; for ``right=True``,
    boundaries[i − 1] ≤ x < boundaries[i].

    Raises:
        ShapeError: boundaries that are not one row of numbers.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.bucketize(tc.tensor([0.5, 2.0, 7.0]), tc.tensor([1.0, 2.0, 5.0]))
        tensor([0, 1, 3])
    """
    boundaries = as_tensor(boundaries)
    if boundaries.ndim != 1:
        raise errors.ShapeError(
            f"bucketize: the boundaries are one row of increasing numbers, got shape "
            f"{boundaries.shape}."
        )
    return searchsorted(boundaries, x, right)


# --- NumPy's own --------------------------------------------------------------------------------


def _numpy_sort(x: Any, axis: Any = -1, *, kind: Any = None, stable: Any = None) -> Any:
    """Sort as np.sort does: values alone, of all elements when the axis is None."""
    x = as_tensor(x)
    return sort(reshape(x, -1) if axis is None else x, -1 if axis is None else axis).values


NUMPY[np.sort] = _numpy_sort
