"""Writing elements to places, along an axis or by mask: scatter, index_add, index_put and others.

Each returns a copy; the forms with an underscore write in place. Where several elements meet at one
place, sums add them, `scatter` keeps the last one, and its derivative goes to that one alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..inplace import assign, change
from ..node import NO_PARAMS
from ..tensor import Tensor, apply, as_tensor
from .compare import where
from .define import attach, function, op
from .index import (
    ARRAY,
    _along,
    _assigns_twice,
    _check_range,
    _index_like,
    _mask,
    _numpy_take_along_axis,
    gather_along,
    parse,
    place,
    put,
    scatter_add,
)
from .join import cat
from .reduce import amax, amin, any, prod
from .shape import axis_of, broadcast_to, movedim, reshape, unsqueeze, zeros_like

# --- scatter ------------------------------------------------------------------------------------


def _last(x: Any, index: Any, axis: int) -> Any:
    """Return which elements of a scatter stay: those that no later one is written over."""
    at = np.arange(np.size(x)).reshape(np.shape(x))[_along(x, index, axis)]
    found = np.zeros(at.size, bool)
    found[at.size - 1 - np.unique(at.reshape(-1)[::-1], return_index=True)[1]] = True
    return found.reshape(at.shape)


@op(
    kind="index",
    like="x",
    symbol="last",
    numpy="is_last(gather(positions({x}), {index}, {axis}))",
    helper="""
def is_last(at):
    # True where no later element of `at` is the same.
    firsts = np.unique(np.ravel(at)[::-1], return_index=True)[1]
    return np.reshape(np.isin(np.arange(np.size(at)), firsts)[::-1], np.shape(at))
""",
    public=False,
)
def is_last(x: Any, index: Any, *, axis: int = 0) -> Any:
    """Which elements of a scatter are not written over by a later one; no derivative."""
    return _last(x, index, axis)


@op(
    kind="index",
    like="x",
    symbol="scatter",
    numpy="overwrite({x}, {source}, gather(positions({x}), {index}, {axis}))",
    helper="""
def overwrite(x, value, at):
    # A copy of x with value at the positions `at`; of several at one, the last stays.
    value = np.broadcast_to(value, np.shape(at))
    return put(x, np.where(is_last(at), value, 0), at)
""",
    public=False,
    dx=lambda g, index, axis: scatter_over.op(  # type: ignore[has-type]  # defined below
        g, index, np.zeros((), g.dtype), axis=axis
    ),
    dsource=lambda g, x, index, axis: np.where(
        is_last.op(x, index, axis=axis), gather_along.op(g, index, axis=axis), 0
    ),
)
def scatter_over(x: Any, index: Any, source: Any, *, axis: int = 0) -> Any:
    """A copy of `x` with `source` written at `index` along an axis."""
    out = np.array(x)
    out[_along(x, index, axis)] = source
    return out


def _source(src: Any, index: Tensor, x: Tensor, name: str) -> Tensor:
    """Return the elements to write, one for each index; a number stands for all."""
    values = src if isinstance(src, Tensor) else as_tensor(np.asarray(src, x.dtype))
    if values.ndim == 0 or values.shape == index.shape:
        return values
    if values.ndim != index.ndim or any_shorter(values.shape, index.shape):
        raise errors.ShapeError(
            f"{name}: src has shape {values.shape}, the index {index.shape}; src must be at "
            "least as large, or a number."
        )
    part: Tensor = values[tuple(slice(n) for n in index.shape)]
    return part


def any_shorter(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether some axis is shorter than in another shape of equally many axes."""
    return bool(np.less(shape, other).any())


@function(keywords={"value": "src"})
def scatter(x: Any, axis: int, index: Any, src: Any, reduce: Any = None) -> Any:
    """Write `src` at the places `index` along an axis: y[index[i][j]][j] = src[i][j] for axis 0.

    Args:
        x: the tensor to write into a copy of.
        axis: the axis the indices count along (PyTorch's ``dim``).
        index: integers, with as many axes as `x`.
        src: the elements, or a number for all (PyTorch's ``value``). Where several meet at one
            place, the last stays.
        reduce: None, or "add" or "multiply" to combine with what is there, as `scatter_reduce`.

    Raises:
        IndexingError: an index outside the axis; ShapeError: another number of axes, or fewer
        elements than indices; ArgumentError: another `reduce`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3).scatter(1, tc.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise errors.ArgumentError(
                f"scatter: reduce must be None, 'add' or 'multiply', got {reduce!r:.40}."
            )
        index = as_tensor(index)
        src = _source(src, index, x, "scatter")
        kind = {"add": "sum", "multiply": "prod"}[reduce]
        return scatter_reduce(x, axis, index, broadcast_to(src, index.shape), kind)
    index, at = _index_like(x, axis, index, "scatter")
    return apply(scatter_over.op, (x, index, _source(src, index, x, "scatter")), {"axis": at})


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@function()
def scatter_reduce(
    x: Any, axis: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """Combine the elements of `src` that meet at each place `index` along an axis.

    Args:
        x: the tensor to write into a copy of.
        axis: the axis the indices count along (PyTorch's ``dim``).
        index: integers, with as many axes as `x`.
        src: the elements, at least as many as indices.
        reduce: "sum", "prod", "mean", "amax" or "amin"; extremes that tie share the cotangent.
        include_self: combine with what is there; else only places that no index names keep it.

    Raises:
        IndexingError: an index outside the axis; ShapeError: shapes that do not correspond;
        ArgumentError: another `reduce`.

    Example:
        >>> import tinygrad_course as tc
        >>> index, src = tc.tensor([0, 0, 1]), tc.tensor([1.0, 2.0, 3.0])
        >>> tc.zeros(2).scatter_reduce(0, index, src, "amax")
        tensor([2., 3.])
    """
    if reduce not in REDUCTIONS:
        raise errors.ArgumentError(
            f"scatter_reduce: reduce must be one of {', '.join(REDUCTIONS)}; got {reduce!r:.40}."
        )
    index, at = _index_like(x, axis, index, "scatter_reduce")
    src = _source(src, index, x, "scatter_reduce")
    src = broadcast_to(src, index.shape)
    ones = np.ones(index.shape, x.dtype)
    met = scatter_add(zeros_like(x), at, index, ones)  # how many elements meet at each place
    if reduce in ("sum", "mean"):
        total = scatter_add(x if include_self else where(met > 0, 0, x), at, index, src)
        if reduce == "sum":
            return total
        return total / (met + 1 if include_self else where(met > 0, met, 1))
    inside = tuple(slice(None) if a == at else slice(n) for a, n in enumerate(index.shape))
    part = x[inside] if x.ndim else x
    y = _combined(part, index, src, at, reduce, include_self)
    if not include_self:
        y = where(met[inside] > 0, y, part)
    return y if part.shape == x.shape else apply(put, (x, y), {"index": inside})


def _combined(x: Any, index: Any, src: Any, at: int, reduce: str, include_self: bool) -> Any:
    """Return the product or an extreme of what meets: all of `src`, in a row for each place."""
    combine: Any = {"prod": prod, "amax": amax, "amin": amin}[reduce]
    limits: Any = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
    neutral = {
        "prod": 1,
        "amax": -np.inf if limits is None else limits.min,
        "amin": np.inf if limits is None else limits.max,
    }[reduce]
    line, places, values = (
        unsqueeze(movedim(t, at, -1), a) for t, a in ((x, -1), (index, -2), (src, -2))
    )
    numbers = np.arange(x.shape[at])[:, None]
    rows = where(places == numbers, values, np.asarray(neutral, x.dtype))
    if include_self:
        rows = cat([line, rows], -1)
    return movedim(combine(rows, -1), -1, at)


# --- whole slices -------------------------------------------------------------------------------


def _slices(x: Tensor, axis: Any, index: Any, name: str) -> tuple[Tensor, int, dict[str, Any]]:
    """Check a vector of indices; return it, the axis from 0, and the parameters of x[:, index]."""
    if x.ndim == 0:
        raise errors.ShapeError(f"{name}: needs a tensor with at least one axis, got a number.")
    at = axis_of(axis, x.ndim, name)
    index = as_tensor(index)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise errors.ShapeError(
            f"{name}: the index is a vector of integers, got shape {index.shape} and dtype "
            f"{index.dtype}."
        )
    _check_range(index, x.shape[at], name)
    return index, at, {"index": (*(slice(None),) * at, ARRAY)}


def _as_slices(source: Any, x: Tensor, index: Tensor, at: int, name: str) -> Tensor:
    slices: Tensor = as_tensor(source)
    expected = (*x.shape[:at], index.shape[0], *x.shape[at + 1 :])
    if slices.shape != expected:
        raise errors.ShapeError(
            f"{name}: source has shape {slices.shape}, expected {expected}: {index.shape[0]} "
            f"indices along axis {at} of a tensor {x.shape}."
        )
    return slices


@function()
def index_add(x: Any, axis: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Add slices to a copy of `x`: y[index[k]] += alpha · source[k]; repeats add up.

    Args:
        x: the tensor.
        axis: the axis of the slices (PyTorch's ``dim``).
        index: a vector of integers.
        source: as many slices.
        alpha: a factor of `source`.

    Raises:
        IndexingError: an index outside the axis; ShapeError: shapes that do not correspond.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(3).index_add(0, tc.tensor([0, 2, 0]), tc.tensor([1.0, 2.0, 3.0]))
        tensor([4., 0., 2.])
    """
    index, at, params = _slices(x, axis, index, "index_add")
    source = _as_slices(source, x, index, at, "index_add")
    source = source if alpha == 1 else source * alpha
    return x + apply(place, (source, x, index), params)


@function()
def index_copy(x: Any, axis: int, index: Any, source: Any) -> Any:
    """Replace slices of a copy of `x`: y[index[k]] = source[k].

    Raises:
        IndexingError: an index outside the axis, or twice the same; ShapeError: shapes that do not
        correspond.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(3).index_copy(0, tc.tensor([2, 0]), tc.tensor([1.0, 2.0]))
        tensor([2., 0., 1.])
    """
    index, at, params = _slices(x, axis, index, "index_copy")
    source = _as_slices(source, x, index, at, "index_copy")
    _refuse_twice(x, params["index"], (index,), "index_copy", "index_add")
    return apply(put, (x, source, index), params)


def _refuse_twice(x: Tensor, fixed: Any, arrays: Any, name: str, other: str) -> None:
    if _assigns_twice(x, fixed, arrays):
        raise errors.IndexingError(
            f"{name}: the index names an element twice, so which value it gets is undefined. "
            f"Use unique indices, or {other} to add them up."
        )


@function()
def index_fill(x: Any, axis: int, index: Any, value: Any) -> Any:
    """Set slices of a copy of `x` to one number.

    Raises:
        IndexingError: an index outside the axis; ShapeError: an index that is no vector.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.ones(3).index_fill(0, tc.tensor([2, 0]), -1.0)
        tensor([-1.,  1., -1.])
    """
    index, at, _ = _slices(x, axis, index, "index_fill")
    n = x.shape[at]
    each = unsqueeze(index, 1)
    named = any((each == np.arange(n)) | (each == np.arange(-n, 0)), 0)
    return where(reshape(named, -1, *(1,) * (x.ndim - at - 1)), value, x)


@function()
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of `x` after ``x[indices] = values``, or ``+=`` with repeats added up.

    Args:
        x: the tensor.
        indices: a tuple of index arrays or masks, as in ``x[indices]``.
        values: what broadcasts to the elements selected.
        accumulate: add instead of replacing.

    Raises:
        IndexingError: indices that do not select, or name an element twice without `accumulate`.

    Example:
        >>> import tinygrad_course as tc
        >>> x, index = tc.zeros(2, 2), (tc.tensor([0, 1]), tc.tensor([1, 1]))
        >>> tc.index_put(x, index, tc.tensor([5.0, 6.0]))
        tensor([[0., 5.],
                [0., 6.]])
    """
    indices = tuple(indices) if isinstance(indices, (tuple, list)) else (indices,)
    fixed, arrays = parse(indices, "index_put")
    values = values if isinstance(values, Tensor) else as_tensor(np.asarray(values, x.dtype))
    if not accumulate:
        _refuse_twice(x, fixed, arrays, "index_put", "accumulate=True")
        return apply(put, (x, values, *arrays), {"index": fixed})
    values = broadcast_to(values, x.detach()[indices].shape)
    return x + apply(place, (values, x, *arrays), {"index": fixed})


# --- taking -------------------------------------------------------------------------------------


@function()
def take(x: Any, index: Any) -> Any:
    """Pick elements by their number in the flattened tensor.

    Raises:
        IndexingError: a number outside the tensor; DtypeError: not integers.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.take(tc.tensor([[4.0, 3.0], [2.0, 1.0]]), tc.tensor([0, 3]))
        tensor([4., 1.])
    """
    index = as_tensor(index)
    if index.dtype.kind not in "iu":
        raise errors.DtypeError(f"take: the index must hold integers, got {index.dtype}.")
    _check_range(index, x.numel(), "take")
    return reshape(x, -1)[index]


@function()
def take_along_dim(x: Any, indices: Any, axis: Any = None) -> Any:
    """Pick x[…, index, …] along an axis, as ``np.take_along_axis``; the other axes broadcast.

    Args:
        x: the tensor.
        indices: integers, with as many axes; such as `argsort` and ``argmax(…, keepdim=True)``
            return.
        axis: the axis (PyTorch's ``dim``); None takes from the flattened tensor.

    Raises:
        IndexingError: an index outside the axis; DtypeError: not integers.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([[3.0, 1.0], [2.0, 4.0]])
        >>> tc.take_along_dim(x, x.argsort(1), 1)
        tensor([[1., 3.],
                [2., 4.]])
    """
    indices = as_tensor(indices)
    if indices.dtype.kind not in "iu":
        raise errors.DtypeError(
            f"take_along_dim: the indices must be integers, got {indices.dtype}."
        )
    if axis is not None and indices.ndim != x.ndim:
        raise errors.ShapeError(
            f"take_along_dim: the indices have shape {indices.shape}, the tensor {x.shape}; they "
            "need equally many axes."
        )
    length = x.numel() if axis is None else x.shape[axis_of(axis, x.ndim, "take_along_dim")]
    _check_range(indices, length, "take_along_dim")
    return _numpy_take_along_axis(x, indices, axis)


@function()
def masked_select(x: Any, mask: Any) -> Any:
    """The elements where a mask is True, as a vector; the two broadcast.

    Raises:
        DtypeError: a mask that is not boolean; ShapeError: shapes that do not broadcast.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([1.0, -2.0, 3.0])
        >>> tc.masked_select(x, x > 0)
        tensor([1., 3.])
    """
    mask = _mask(mask, "masked_select")
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, mask = (t if t.shape == shape else broadcast_to(t, shape) for t in (x, mask))
    return x[mask]


@function()
def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """Replace the elements where a mask is True by those of `source`, in order.

    Raises:
        DtypeError: a mask that is not boolean; ShapeError: too few elements in `source`.

    Example:
        >>> import tinygrad_course as tc
        >>> mask = tc.tensor([True, False, True])
        >>> tc.masked_scatter(tc.zeros(3), mask, tc.tensor([1.0, 2.0, 3.0]))
        tensor([1., 0., 2.])
    """
    mask, source = _mask(mask, "masked_scatter"), reshape(as_tensor(source), -1)
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, mask = (t if t.shape == shape else broadcast_to(t, shape) for t in (x, mask))
    needed = int(np.count_nonzero(mask._data))
    if source.numel() < needed:
        raise errors.ShapeError(
            f"masked_scatter: the mask is True at {needed} places, the source has only "
            f"{source.numel()} elements."
        )
    if source.numel() == 0:
        return x.clone()
    # The n-th place that is True gets element n − 1; what others pick does not count.
    place_ = reshape(mask, -1).long().cumsum(0) - 1
    return where(mask, reshape(source[place_], shape), x)


# --- in place -----------------------------------------------------------------------------------


def _writing(call: Any) -> Any:
    """Return the in-place method of a function that returns a copy."""

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return change(self, assign, (call(self, *args, **kwargs),), NO_PARAMS)

    write.__name__ = write.__qualname__ = f"{call.__name__}_"
    write.__doc__ = f"In-place `{call.__name__}`: the result replaces this tensor's values."
    write.__wrapped__ = call.__wrapped__  # type: ignore[attr-defined]  # for its signature
    return write


for _call in (
    scatter, scatter_reduce, index_add, index_copy, index_fill, index_put, masked_scatter
):  # fmt: skip
    attach(_writing(_call), f"{_call.__name__}_")
