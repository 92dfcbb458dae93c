"""Operations that cut a tensor along an axis: split, chunk, unbind, narrow, windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, as_tensor
from .define import NUMPY, function
from .shape import axis_of, movedim, sizes


@function(keywords={"split_size_or_sections": "split_size"})
def split(x: Any, split_size: Any, axis: int = 0) -> Any:
    """Cut a tensor into pieces of `split_size`, or of the lengths in a list; returns a tuple.

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.zeros(5, 2).split(2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    place = axis_of(axis, x.ndim, "split")
    length = x.shape[place]
    if isinstance(split_size, (list, tuple)):
        lengths = list(split_size)
        if sum(lengths) != length:
            raise errors.ShapeError(
                f"split: the lengths {lengths} add up to {sum(lengths)}, the axis has {length}."
            )
    else:
        if split_size <= 0:
            raise errors.ArgumentError(f"split: split_size must be positive, got {split_size}.")
        lengths = [min(split_size, length - start) for start in range(0, length, split_size)]
        lengths = lengths or [0]
    pieces = []
    start = 0
    for n in lengths:
        index = (slice(None),) * place + (slice(start, start + n),)
        pieces.append(x[index])
        start += n
    return tuple(pieces)


@function()
def chunk(x: Any, chunks: int, axis: int = 0) -> Any:
    """Cut a tensor into at most `chunks` pieces of equal length (the last may be shorter).

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.zeros(5, 2).chunk(2)]
        [(3, 2), (2, 2)]
    """
    if not isinstance(chunks, int) or chunks <= 0:
        raise errors.ArgumentError(f"chunk: chunks must be a positive integer, got {chunks!r}.")
    length = x.shape[axis_of(axis, x.ndim, "chunk")]
    return split(x, max(1, -(-length // chunks)), axis)


@function()
def unbind(x: Any, axis: int = 0) -> Any:
    """Return a tuple of all slices along an axis.

    Example:
        >>> import tinygrad_course as tc
        >>> [row.tolist() for row in tc.tensor([[1.0, 2.0], [3.0, 4.0]]).unbind()]
        [[1.0, 2.0], [3.0, 4.0]]
    """
    place = axis_of(axis, x.ndim, "unbind")
    return tuple(x[(slice(None),) * place + (i,)] for i in range(x.shape[place]))


@function()
def narrow(x: Any, axis: int, start: int, length: int) -> Any:
    """Return the `length` slices from `start` on, along an axis, without copying.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(6).narrow(0, 2, 3)
        tensor([2, 3, 4])
    """
    place = axis_of(axis, x.ndim, "narrow")
    first = start + x.shape[place] if start < 0 else start
    if first < 0 or length < 0 or first + length > x.shape[place]:
        raise errors.ShapeError(
            f"narrow: start {start} and length {length} leave an axis of length {x.shape[place]}."
        )
    return x[(slice(None),) * place + (slice(first, first + length),)]


@function()
def select(x: Any, axis: int, index: int) -> Any:
    """Return one slice along an axis, which is left out.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([[1.0, 2.0], [3.0, 4.0]]).select(1, 0)
        tensor([1., 3.])
    """
    return x[(slice(None),) * axis_of(axis, x.ndim, "select") + (index,)]


@function(keywords={"sections": "indices_or_sections", "indices": "indices_or_sections"})
def tensor_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Cut a tensor into a number of pieces of nearly equal length, or before given indices.

    Args:
        x: the tensor.
        indices_or_sections: the number of pieces (the first ones are longer by one where they
            cannot be equal), or a list of the indices where a new piece begins.
        axis: the axis (PyTorch's ``dim``).

    Raises:
        ArgumentError: not a positive number of pieces.

    Example:
        >>> import tinygrad_course as tc
        >>> [p.tolist() for p in tc.tensor_split(tc.arange(5), 2)]
        [[0, 1, 2], [3, 4]]
        >>> [p.tolist() for p in tc.tensor_split(tc.arange(5), [1, 3])]
        [[0], [1, 2], [3, 4]]
    """
    if x.ndim == 0:
        raise errors.ShapeError("tensor_split: needs at least one axis, got a single number.")
    place = axis_of(axis, x.ndim, "tensor_split")
    length = x.shape[place]
    ends = _ends(indices_or_sections, length)
    lead = (slice(None),) * place
    return tuple(
        x[(*lead, slice(start, stop))]
        for start, stop in zip([0, *ends], [*ends, length], strict=True)
    )


def _ends(given: Any, length: int) -> list[int]:
    """Return the indices where pieces but the first begin."""
    if isinstance(given, Tensor):
        given = given.tolist()
    if isinstance(given, (list, tuple, np.ndarray)):
        return list(sizes(tuple(given), "tensor_split"))
    if not isinstance(given, (int, np.integer)) or given < 1:
        raise errors.ArgumentError(
            "tensor_split: give a positive number of pieces or a list of indices, got "
            f"{given!r:.40}."
        )
    if given > max(length, 1000):
        raise errors.ArgumentError(
            f"tensor_split: {given:g} pieces of an axis of length {length} would nearly all be "
            "empty. Give at most as many pieces as there are elements."
        )
    short, longer = divmod(length, int(given))
    return [short * k + min(k, longer) for k in range(1, int(given))]


def _even(x: Any, pieces: Any, axis: int, name: str) -> Any:
    """Cut into pieces, equal ones when their number is given."""
    if isinstance(pieces, (int, np.integer)) and (pieces < 1 or x.shape[axis] % pieces):
        raise errors.ArgumentError(
            f"{name}: an axis of length {x.shape[axis]} cannot be cut into {pieces} equal pieces. "
            "Use tensor_split, whose pieces may differ."
        )
    return tensor_split(x, pieces, axis)


def _at_least(x: Any, ndim: int, name: str) -> None:
    if x.ndim < ndim:
        raise errors.ShapeError(f"{name}: needs at least {ndim} axes, got shape {x.shape}.")


@function(overrides=(np.hsplit,))
def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """Cut into equal pieces side by side, or before given columns (of a vector, elements).

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.hsplit(tc.zeros(2, 4), 2)]
        [(2, 2), (2, 2)]
    """
    _at_least(x, 1, "hsplit")
    return _even(x, indices_or_sections, min(x.ndim - 1, 1), "hsplit")


@function(overrides=(np.vsplit,))
def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """Cut into equal pieces on top of each other, or before given rows.

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.vsplit(tc.zeros(4, 2), [1])]
        [(1, 2), (3, 2)]
    """
    _at_least(x, 2, "vsplit")
    return _even(x, indices_or_sections, 0, "vsplit")


@function(overrides=(np.dsplit,))
def dsplit(x: Any, indices_or_sections: Any) -> Any:
    """Cut into equal pieces along the third axis, or before given indices.

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.dsplit(tc.zeros(1, 2, 4), 2)]
        [(1, 2, 2), (1, 2, 2)]
    """
    _at_least(x, 3, "dsplit")
    return _even(x, indices_or_sections, 2, "dsplit")


@function(keywords={"dim": "dimension", "axis": "dimension"})
def unfold(x: Any, dimension: int, size: int, step: int) -> Any:
    """Windows along an axis: y[…, w, …, k] = x[…, w · step + k, …].

    Args:
        x: the tensor.
        dimension: the axis; in the result it counts windows.
        size: the length of a window, a new last axis.
        step: from one window to the next.

    Raises:
        ShapeError: a window longer than the axis; ArgumentError: a step that is not positive.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(5).unfold(0, 3, 2).tolist()
        [[0, 1, 2], [2, 3, 4]]
    """
    _at_least(x, 1, "unfold")
    place = axis_of(dimension, x.ndim, "unfold")
    if not 0 <= size <= x.shape[place]:
        raise errors.ShapeError(
            f"unfold: a window of {size} does not fit an axis of length {x.shape[place]}."
        )
    if step < 1:
        raise errors.ArgumentError(f"unfold: step must be positive, got {step}.")
    starts = np.arange(0, x.shape[place] - size + 1, step)
    windows = x[(slice(None),) * place + (starts[:, None] + np.arange(size),)]
    return movedim(windows, place + 1, -1)


# --- NumPy's own --------------------------------------------------------------------------------


def _numpy_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Cut into equal pieces, or before given indices."""
    x = as_tensor(x)
    return _even(x, indices_or_sections, axis_of(axis, x.ndim, "np.split"), "np.split")


NUMPY[np.split] = _numpy_split
NUMPY[np.array_split] = tensor_split
