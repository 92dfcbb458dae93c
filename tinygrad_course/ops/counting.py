"""Counting elements and finding where they are: count_nonzero, nonzero, bincount, histc."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import apply, as_tensor
from .define import function, op
from .reduce import sum
from .shape import axis_of


@function()
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many elements along axes are not 0; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.count_nonzero(tc.tensor([[1.0, 0.0], [2.0, 3.0]]), dim=0)
        tensor([2, 1])
    """
    if axis is not None:
        axes = axis if isinstance(axis, tuple) else (axis,)
        axis = tuple(axis_of(a, x.ndim, "count_nonzero") for a in axes)
    return sum(x != 0, axis)


@op(
    kind="index",
    like="x",
    symbol="places",
    numpy="np.moveaxis(np.indices(np.shape({x})), 0, -1)",
    public=False,
)
def all_indices(x: Any) -> Any:
    """The index of every element, along a new last axis; no derivative."""
    return np.moveaxis(np.indices(np.shape(x)), 0, -1)


@function()
def nonzero(x: Any, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not 0; no derivative.

    Args:
        x: the tensor; of a mask, the places that are True.
        as_tuple: return a vector of indices for each axis, as NumPy does, with which ``x[…]``
            selects the elements. By default a row for each element.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([[1.0, 0.0], [2.0, 3.0]])
        >>> tc.nonzero(x).tolist()
        [[0, 0], [1, 0], [1, 1]]
        >>> x[x.nonzero(as_tuple=True)]
        tensor([1., 2., 3.])
    """
    if as_tuple and x.ndim == 0:
        x = x.reshape(1)
    found = apply(all_indices.op, (x,))[x != 0]
    return tuple(found[:, k] for k in range(x.ndim)) if as_tuple else found


@function()
def argwhere(x: Any) -> Any:
    """The indices of the elements that are not 0, a row for each: `nonzero`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.argwhere(tc.tensor([False, True, True])).tolist()
        [[1], [2]]
    """
    return nonzero(x)


@op(
    kind="index",
    symbol="bincount",
    text="np.bincount",
    latex=r"\mathrm{{np.bincount}}",
    numpy="np.bincount({x}, {weights}, {minlength}).astype(np.result_type({weights}))",
    public=False,
    dweights=lambda g, x: g[x],
)
def add_up(x: Any, weights: Any, *, minlength: int = 0) -> Any:
    """The weights of equal numbers 0, 1, 2 … added up."""
    return np.bincount(x, weights, minlength).astype(np.asarray(weights).dtype)


@function()
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of the numbers 0, 1, 2 … occurs in a vector, or the sum of its weights.

    Args:
        x: integers from 0 on.
        weights: what each counts; 1 by default.
        minlength: the least length of the result, for numbers that do not occur.

    Raises:
        DtypeError: not integers; ShapeError: not vectors of one length; ArgumentError: a negative
        number.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.bincount(tc.tensor([0, 2, 2]), minlength=4)
        tensor([1, 0, 2, 0])
    """
    if x.dtype.kind not in "iu":
        raise errors.DtypeError(f"bincount: counts integers, got {x.dtype}. Use x.long().")
    weights = np.ones(x.shape, np.int64) if weights is None else weights
    weights = as_tensor(weights)
    if x.ndim != 1 or x.shape != weights.shape:
        raise errors.ShapeError(
            f"bincount: needs vectors of one length, got shape {x.shape} with weights of shape "
            f"{weights.shape}. Use .flatten()."
        )
    if x.numel() and x._data.min() < 0:
        raise errors.ArgumentError(f"bincount: numbers count from 0, got {x._data.min()}.")
    if minlength < 0:
        raise errors.ArgumentError(f"bincount: minlength must not be negative, got {minlength}.")
    return apply(add_up.op, (x, weights), {"minlength": int(minlength)})


@op(
    kind="reduction",
    symbol="histogram",
    numpy="histogram({x}, {bins}, {low}, {high})",
    helper="""
def histogram(x, bins, low, high):
    # How many x fall into each of equal intervals from low to high, or from the least to the most.
    if low == high and np.size(x):
        low, high = np.min(x), np.max(x)
    low, high = (low - 1, high + 1) if low == high else (low, high)
    inside = x[(x >= low) & (x <= high)]
    return np.histogram(inside, bins, (low, high))[0].astype(x.dtype)
""",
    public=False,
)
def histogram_counts(x: Any, *, bins: int = 100, low: float = 0.0, high: float = 0.0) -> Any:
    """How many elements fall into each of equal intervals; no derivative."""
    if low == high and np.size(x):
        low, high = np.min(x), np.max(x)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise errors.ArgumentError(
                f"histc: the elements run from {low} to {high}; give min and max."
            )
    if low == high:
        low, high = low - 1, high + 1
    inside = x[(x >= low) & (x <= high)]
    return np.histogram(inside, bins, (low, high))[0].astype(x.dtype)


@function()
def histc(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal intervals; no derivative.

    Args:
        x: the tensor, whose dtype the counts have; NaN and elements outside do not count.
        bins: the number of intervals. Each contains its lower end, the last one its upper end too.
        min: where the first begins.
        max: where the last ends; when both are equal, the range of the elements.

    Raises:
        ArgumentError: no intervals, or min above max.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.histc(tc.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    if not isinstance(bins, (int, np.integer)) or bins < 1 or not min <= max:
        raise errors.ArgumentError(
            f"histc: needs at least one interval, from min to a larger max; got bins={bins!r:.40}, "
            f"min={min!r:.40}, max={max!r:.40}."
        )
    params = {"bins": int(bins), "low": float(min), "high": float(max)}
    return apply(histogram_counts.op, (x,), params)
