"""Norms of vectors and of matrices, and the condition number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from .compare import where
from .decomposition import svdvals
from .define import NUMPY, function
from .elementwise import abs as absolute
from .inverse import inverse, matrices
from .reduce import amax, amin, norm, sum
from .shape import axis_of, unsqueeze


@function(
    name="linalg.vector_norm",
    method=False,
    overrides=(np.linalg.vector_norm,),
)
def vector_norm(
    x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False, *, dtype: Any = None
) -> Any:
    """Norm (Σ |x|ᵖ)^(1/p) of all elements or along axes.

    Args:
        x: the tensor.
        ord: p: any number; inf and −inf are the largest and the smallest |x|, 0 counts what is
            not 0 (without a derivative).
        axis: an axis, several, or None for all (PyTorch's ``dim``).
        keepdims: keep the axes with length 1.
        dtype: convert to it first.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.vector_norm(tc.tensor([3.0, -4.0]), ord=1)
        tensor(7.)
    """
    x = x if dtype is None else x.to(dtype)
    if isinstance(ord, bool) or not isinstance(ord, (int, float, np.number)) or ord != ord:
        raise errors.ArgumentError(f"linalg.vector_norm: ord is a number, got {ord!r:.40}.")
    if ord == 0:
        return (x != 0).to(x.dtype).sum(axis, keepdims)
    if ord == -math.inf:
        return amin(absolute(x), axis, keepdims)
    if ord > 0:
        return norm(x, float(ord), axis, keepdims)
    return sum(absolute(x) ** float(ord), axis, keepdims) ** (1 / float(ord))


@function(name="linalg.matrix_norm", method=False, keywords={"axis": "dim", "x": "A"})
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Norm of matrices.

    Args:
        A: matrices over the two axes `dim`.
        ord: "fro", the root of the sum of squares; "nuc", the sum of the singular values; 2 and −2,
            the largest and smallest singular value; 1 and −1, the largest and smallest sum of |a|
            down a column; inf and −inf, along a row.
        dim: the axes of rows and columns.
        keepdim: keep these axes with length 1.
        dtype: convert to it first.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[1.0, -2.0], [3.0, 4.0]])
        >>> tc.linalg.matrix_norm(A, 1), tc.linalg.matrix_norm(A, float("inf"))
        (tensor(6.), tensor(7.))
    """
    A = A if dtype is None else A.to(dtype)
    matrices("linalg.matrix_norm", A)
    rows, columns = _two_axes(dim, A.ndim)
    if isinstance(ord, str) and ord == "fro":
        y = norm(A, 2, (rows, columns), keepdim)
    elif isinstance(ord, str) and ord == "nuc" or ord in (2, -2):
        values = svdvals(A.movedim((rows, columns), (-2, -1)))
        y = values.sum(axis=-1) if ord == "nuc" else (amax if ord == 2 else amin)(values, -1)
        y = unsqueeze(y, tuple(sorted((rows, columns)))) if keepdim else y
    elif ord in (1, -1, math.inf, -math.inf):
        added, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = sum(absolute(A), added, True)
        y = (amax if ord > 0 else amin)(sums, kept, True)
        y = y if keepdim else y.squeeze((rows, columns))
    else:
        raise errors.ArgumentError(
            f"linalg.matrix_norm: ord is 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2, got {ord!r:.40}."
        )
    return y


def _two_axes(dim: Any, ndim: int) -> tuple[int, int]:
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise errors.ShapeError(f"linalg.matrix_norm: dim names two axes, got {dim!r:.40}.")
    rows, columns = (axis_of(k, ndim, "linalg.matrix_norm") for k in dim)
    if rows == columns:
        raise errors.ShapeError(f"linalg.matrix_norm: dim names two axes, got {dim} twice.")
    return rows, columns


@function(name="linalg.norm", method=False, keywords={"axis": "dim", "x": "A"})
def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Norm of vectors or of matrices, as ``torch.linalg.norm``.

    Without `ord`, the root of the sum of squares. With it: the `vector_norm` along one axis or of a
    vector, the `matrix_norm` over two axes or of a matrix.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[3.0, 0.0], [0.0, 4.0]])
        >>> tc.linalg.norm(A), tc.linalg.norm(A, "nuc").round(decimals=4)
        (tensor(5.), tensor(7.))
    """
    axes = tuple(dim) if isinstance(dim, (tuple, list)) else dim
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if isinstance(axes, tuple) and len(axes) == 1:
        axes = axes[0]
    if isinstance(axes, tuple) or (axes is None and A.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if axes is None else axes, keepdim, dtype=dtype)
    if axes is None and A.ndim != 1:
        raise errors.ShapeError(
            f"linalg.norm: with ord={ord!r:.40} it needs a vector or a matrix, got shape "
            f"{A.shape}. Give dim, or call vector_norm or matrix_norm."
        )
    return vector_norm(A, ord, axes, keepdim, dtype=dtype)


@function(name="linalg.cond", method=False, overrides=(np.linalg.cond,), keywords={"x": "A"})
def cond(A: Any, p: Any = None) -> Any:
    """Condition number ‖A‖ ‖A⁻¹‖, by default of the norm 2: the ratio of the singular values.

    Args:
        A: (…, m, n), and square for other norms than 2 and −2.
        p: the norm, as in `matrix_norm`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.cond(tc.tensor([[2.0, 0.0], [0.0, 0.5]])).round(decimals=4)
        tensor(4.)
    """
    matrices("linalg.cond", A)
    if p is None or p in (2, -2):
        values = svdvals(A)
        ratio = values[..., 0], values[..., -1]
        high, low = ratio if p != -2 else ratio[::-1]
        zero = low == 0
        return where(zero, np.inf, high / where(zero, 1.0, low))
    return matrix_norm(A, p) * matrix_norm(inverse(A), p)


def _numpy_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return linalg_norm(x, ord, axis, keepdims)


def _numpy_matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return matrix_norm(x, ord, (-2, -1), keepdims)


NUMPY[np.linalg.norm] = _numpy_norm
NUMPY[np.linalg.matrix_norm] = _numpy_matrix_norm

__all__ = ["cond", "matrix_norm", "vector_norm"]
