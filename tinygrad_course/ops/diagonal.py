"""Diagonals and triangles of matrices.

Taking a diagonal, placing one in zeros of a given shape, and making a matrix of one are linear, and
each is the derivative of another; a triangle is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply
from .define import NUMPY, attach, function, op
from .join import cat, pad_constant, some_tensors
from .reduce import sum
from .shape import axis_of, reshape

# --- the family ---------------------------------------------------------------------------------


@op(
    kind="index",
    like="x",
    symbol="diag",
    numpy="np.diagonal({x}, {offset}, {dim1}, {dim2})",
    public=False,
    dx=lambda g, x, offset, dim1, dim2: place_diagonal.op(  # type: ignore[has-type]  # below
        g, x, offset=offset, dim1=dim1, dim2=dim2
    ),
)
def take_diagonal(x: Any, *, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The elements x[i, i + offset] of two axes, as the last axis."""
    return np.diagonal(x, offset, dim1, dim2).copy()


@op(
    kind="index",
    like="x",
    symbol="place diag",
    numpy="place_diagonal({v}, {x}, {offset}, {dim1}, {dim2})",
    helper="""
def place_diagonal(v, x, offset, dim1, dim2):
    # Zeros in the shape of x, with v on a diagonal.
    return place(v, x, np.diagonal(positions(x), offset, dim1, dim2))
""",
    public=False,
    dv=lambda g, offset, dim1, dim2: take_diagonal.op(g, offset=offset, dim1=dim1, dim2=dim2),
)
def place_diagonal(v: Any, x: Any, *, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Zeros of the shape of `x`, with `v` on a diagonal: the adjoint of taking it."""
    out = np.zeros(np.shape(x), np.asarray(v).dtype)
    matrices = np.moveaxis(out, (dim1, dim2), (-2, -1))
    at = np.arange(np.shape(v)[-1])
    matrices[..., at + max(-offset, 0), at + max(offset, 0)] = v
    return out


@op(
    kind="index",
    symbol="diag",
    numpy="make_diagonal({x}, {offset}, {dim1}, {dim2})",
    helper="""
def make_diagonal(x, offset, dim1, dim2):
    # Square matrices, of zeros but for the rows of x on a diagonal.
    wide = np.pad(x, [(0, 0)] * (np.ndim(x) - 1) + [(0, abs(offset))])
    wide = wide[..., :, None] if offset >= 0 else wide[..., None, :]
    marks = np.eye(np.shape(x)[-1] + abs(offset), k=offset) == 1
    return np.moveaxis(np.where(marks, wide, 0), (-2, -1), (dim1, dim2))
""",
    public=False,
    dx=lambda g, offset, dim1, dim2: take_diagonal.op(g, offset=offset, dim1=dim1, dim2=dim2),
)
def make_diagonal(x: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Square matrices of zeros, with the last axis of `x` on a diagonal."""
    x = np.asarray(x)
    length = x.shape[-1]
    n = length + abs(offset)
    out = np.zeros((*x.shape[:-1], n, n), x.dtype)
    at = np.arange(length)
    out[..., at + max(-offset, 0), at + max(offset, 0)] = x
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def _plane(dim1: Any, dim2: Any, ndim: int, name: str) -> tuple[int, int]:
    """Return two different axes, counted from the front."""
    first, second = (axis_of(a, ndim, name) for a in (dim1, dim2))
    if first == second or ndim < 2:
        raise errors.ShapeError(
            f"{name}: needs two different axes, got {dim1} and {dim2} of {ndim} axes."
        )
    return first, second


# --- diagonals ----------------------------------------------------------------------------------


@function(overrides=(np.diagonal,), keywords={"axis1": "dim1", "axis2": "dim2"})
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of two axes, as the last axis of the result (a copy).

    Args:
        x: a matrix, or a stack of them.
        offset: above the main diagonal (positive) or below it (negative).
        dim1: the axis of the rows (NumPy's ``axis1``).
        dim2: the axis of the columns (NumPy's ``axis2``).

    Raises:
        ShapeError: not two different axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.diagonal(tc.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([1., 4.])
    """
    first, second = _plane(dim1, dim2, x.ndim, "diagonal")
    params = {"offset": _whole(offset, "diagonal"), "dim1": first, "dim2": second}
    return apply(take_diagonal.op, (x,), params)


def _whole(offset: Any, name: str) -> int:
    if not isinstance(offset, (int, np.integer)):
        raise errors.DtypeError(f"{name}: the diagonal is an integer, got {offset!r:.40}.")
    return int(offset)


@function()
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Make square matrices of zeros, with the last axis of `x` on their diagonal.

    Args:
        x: the diagonals.
        offset: above the main diagonal (positive) or below it (negative).
        dim1: the axis of the result that gets the rows.
        dim2: the axis of the result that gets the columns.

    Raises:
        ShapeError: not two different axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.diag_embed(tc.tensor([1.0, 2.0]), 1)
        tensor([[0., 1., 0.],
                [0., 0., 2.],
                [0., 0., 0.]])
    """
    first, second = _plane(dim1, dim2, x.ndim + 1, "diag_embed")
    params = {"offset": _whole(offset, "diag_embed"), "dim1": first, "dim2": second}
    return apply(make_diagonal.op, (x,), params)


@function(overrides=(np.diag,), keywords={"k": "diagonal"})
def diag(x: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    Args:
        x: a matrix or a vector.
        diagonal: above the main diagonal (positive) or below it (negative).

    Raises:
        ShapeError: neither a matrix nor a vector.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.diag(tc.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    offset = _whole(diagonal, "diag")
    if x.ndim == 1:
        return apply(make_diagonal.op, (x,), {"offset": offset, "dim1": 0, "dim2": 1})
    if x.ndim == 2:
        return apply(take_diagonal.op, (x,), {"offset": offset, "dim1": 0, "dim2": 1})
    raise errors.ShapeError(
        f"diag: needs a vector or a matrix, got shape {x.shape}. For stacks of matrices, use "
        "diagonal(x, 0, -2, -1) or diag_embed(x)."
    )


@function(overrides=(np.diagflat,), keywords={"k": "offset"})
def diagflat(x: Any, offset: int = 0) -> Any:
    """The matrix with all elements of `x` on its diagonal.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.diagflat(tc.tensor([[1.0], [2.0]]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    return diag(reshape(x, -1), offset)


def _trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal, as np.trace."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def _trace_of_matrix(self: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if self.ndim != 2:
        raise errors.ShapeError(
            f"trace: needs a matrix, got shape {self.shape}. For stacks of matrices, use "
            "diagonal(x, 0, -2, -1).sum(-1)."
        )
    return _trace(self)  # type: ignore[no-any-return]


# A method only: `tc.trace` traces a function.
attach(_trace_of_matrix, "trace")
NUMPY[np.trace] = _trace


# --- triangles ----------------------------------------------------------------------------------


def _matrices(x: Any, name: str) -> None:
    if np.ndim(x) < 2:
        raise errors.ShapeError(f"{name}: needs a matrix or a stack of them, got {np.shape(x)}.")


@op(
    kind="shape",
    symbol="◣",
    text="np.tril",
    latex=r"\mathrm{{np.tril}}",
    numpy="np.tril({x}, {diagonal})",
    overrides=(np.tril,),
    keywords={"k": "diagonal"},
    dx=lambda g, diagonal: np.tril(g, diagonal),
)
def tril(x: Any, diagonal: int = 0) -> Any:
    """The lower triangle of matrices: zeros above a diagonal.

    Args:
        x: a matrix, or a stack of them in the last two axes.
        diagonal: the last diagonal that is kept: 0 the main one, 1 the one above it.

    Raises:
        ShapeError: fewer than two axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tril(tc.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    _matrices(x, "tril")
    return np.tril(x, diagonal)


@op(
    kind="shape",
    symbol="◥",
    text="np.triu",
    latex=r"\mathrm{{np.triu}}",
    numpy="np.triu({x}, {diagonal})",
    overrides=(np.triu,),
    keywords={"k": "diagonal"},
    dx=lambda g, diagonal: np.triu(g, diagonal),
)
def triu(x: Any, diagonal: int = 0) -> Any:
    """The upper triangle of matrices: zeros below a diagonal.

    Args:
        x: a matrix, or a stack of them in the last two axes.
        diagonal: the first diagonal that is kept: 0 the main one, 1 the one above it.

    Raises:
        ShapeError: fewer than two axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.triu(tc.ones(2, 2), 1)
        tensor([[0., 1.],
                [0., 0.]])
    """
    _matrices(x, "triu")
    return np.triu(x, diagonal)


# --- blocks -------------------------------------------------------------------------------------


@function(method=False)
def block_diag(*tensors: Any) -> Any:
    """A matrix of zeros with matrices along its diagonal; a vector counts as one row.

    Raises:
        ShapeError: more than two axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.block_diag(tc.ones(1, 2), tc.tensor([[5.0]]))
        tensor([[1., 1., 0.],
                [0., 0., 5.]])
    """
    blocks = some_tensors(tensors, "block_diag")
    for x in blocks:
        if x.ndim > 2:
            raise errors.ShapeError(f"block_diag: needs matrices, got shape {x.shape}.")
    blocks = tuple(x if x.ndim == 2 else reshape(x, 1, -1) for x in blocks)
    width = int(np.sum([x.shape[1] for x in blocks]))
    rows, before = [], 0
    for x in blocks:
        after = width - before - x.shape[1]
        widths = ((0, 0), (before, after))
        rows.append(apply(pad_constant.op, (x,), {"widths": widths, "value": 0}))
        before += x.shape[1]
    return cat(rows, 0)
