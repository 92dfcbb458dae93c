"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..op import JUXTAPOSITION, PRODUCT, SUM
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, attach, function, op
from .elementwise import mul
from .join import stack
from .shape import axis_of, unsqueeze


@op(
    kind="linalg",
    symbol="@",
    text="{a} {b}",
    latex="{a} {b}",
    numpy="{a} @ {b}",
    precedence=JUXTAPOSITION,
    public=False,
    da=lambda g, b: g @ b.mT,
    db=lambda g, a: a.mT @ g,
)
def matrix_product(a: Any, b: Any) -> Any:
    """Y = A B for matrices and stacks of them, with dA = G Bᵀ and dB = Aᵀ G."""
    return np.matmul(a, b)


@function(overrides=(np.matmul,))
def matmul(x: Any, other: Any) -> Any:
    """Matrix product Y = A B, with dA = G Bᵀ and dB = Aᵀ G.

    Vectors count as a row (left) or a column (right); leading axes of stacks broadcast, as in
    ``np.matmul``.

    Args:
        x: (n,), (m, n) or (…, m, n).
        other: (n,), (n, p) or (…, n, p).

    Raises:
        ShapeError: inner lengths that differ, or a 0-d operand.

    Example:
        >>> import tinygrad_course as tc
        >>> W = tc.tensor([[1.0, -3.0, 5.0], [2.0, 4.0, -6.0]])
        >>> tc.matmul(tc.tensor([-2.0, 4.0]), W) + tc.tensor([-1.0, 1.0, 2.0])
        tensor([  5.,  23., -32.])
    """
    other = as_tensor(other)
    left, right = x.ndim, other.ndim
    if left >= 2 and right >= 2:
        return apply(matrix_product.op, (x, other))
    if left == 0 or right == 0 or x.shape[-1] != other.shape[-2 if right > 1 else 0]:
        raise errors.ShapeError(
            f"matmul: shapes {x.shape} and {other.shape} do not multiply: the last length of the "
            "left must equal the first of a right vector or the last but one of a right matrix. "
            "Use * for the elementwise product, or transpose one with .mT."
        )
    if left == 1 and right == 1:
        return apply(inner.op, (x, other))
    a = unsqueeze(x, 0) if left == 1 else x
    b = unsqueeze(other, 1) if right == 1 else other
    y = apply(matrix_product.op, (a, b))
    return y.squeeze(-2 if left == 1 else -1)


@op(
    kind="linalg",
    symbol="@ +",
    text="{a} {b} + {c}",
    latex="{a} {b} + {c}",
    numpy="{a} @ {b} + {c}",
    precedence=SUM,
    public=False,
    da=lambda g, b: g @ b.mT,
    db=lambda g, a: a.mT @ g,
    dc=lambda g: g,
)
def affine(a: Any, b: Any, c: Any) -> Any:
    """Y = A B + C, the weighted sums of a layer; dA = G Bᵀ, dB = Aᵀ G, dC = G.

    C broadcasts to the product, never the other way round.
    """
    y = np.matmul(a, b)
    if y.dtype != c.dtype:
        y = y.astype(np.result_type(y, c))
    return np.add(y, c, out=y)  # in place: one array less


def _needs(name: str, **operands: tuple[Any, int]) -> None:
    """Refuse operands with another number of axes than these."""
    if any(np.ndim(x) != ndim for x, ndim in operands.values()):
        kinds = {0: "a number", 1: "a vector", 2: "a matrix", 3: "a stack of matrices (b, m, n)"}
        expected = ", ".join(f"{key} {kinds[ndim]}" for key, (_, ndim) in operands.items())
        shapes = ", ".join(str(np.shape(x)) for x, _ in operands.values())
        raise errors.ShapeError(
            f"{name}: needs {expected}; got shapes {shapes}. Use matmul (@) for other products."
        )


def _plus(x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """Return β X + α P; with β = 0 without X, whose NaN then do not matter."""
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return (x if beta == 1 else x * beta) + product


@function()
def addmm(x: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Matrix product plus a broadcast term: Y = β X + α A B, as ``torch.addmm``.

    Raises:
        ShapeError: matrices that do not multiply, or an X that does not broadcast to A B.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addmm(tc.tensor([1.0, 2.0]), tc.eye(2), tc.ones(2, 2))
        tensor([[2., 3.],
                [2., 3.]])
    """
    mat1, mat2 = as_tensor(mat1), as_tensor(mat2)
    if mat1.ndim < 2 or mat2.ndim < 2:
        raise errors.ShapeError(
            f"addmm: needs two matrices, got shapes {mat1.shape} and {mat2.shape}. "
            "Use matmul (@) for vectors."
        )
    if beta == 1 and alpha == 1:
        return apply(affine.op, (mat1, mat2, x))
    return _plus(x, apply(matrix_product.op, (mat1, mat2)), beta, alpha)


@function()
def addmv(x: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Matrix times vector, plus a vector: y = β x + α A v.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addmv(tc.ones(2), tc.eye(2), tc.tensor([3.0, 4.0]), alpha=2)
        tensor([7., 9.])
    """
    mat, vec = as_tensor(mat), as_tensor(vec)
    _needs("addmv", mat=(mat, 2), vec=(vec, 1))
    return _plus(x, matmul(mat, vec), beta, alpha)


@function()
def addr(x: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Outer product plus a matrix: Y = β X + α a bᵀ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addr(tc.zeros(2, 2), tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    return _plus(x, outer(vec1, vec2), beta, alpha)


@function()
def baddbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Products of two stacks of matrices, plus a stack: Yᵢ = β Xᵢ + α Aᵢ Bᵢ.

    Raises:
        ShapeError: what is no stack (b, m, n), or stacks that do not multiply.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.baddbmm(tc.ones(2, 1, 1), tc.ones(2, 1, 3), tc.ones(2, 3, 1)).flatten()
        tensor([4., 4.])
    """
    return _plus(x, bmm(batch1, batch2), beta, alpha)


@function()
def addbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Sum of the products of two stacks of matrices, plus a matrix: Y = β X + α Σᵢ Aᵢ Bᵢ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addbmm(tc.ones(1, 1), tc.ones(2, 1, 3), tc.ones(2, 3, 1))
        tensor([[7.]])
    """
    return _plus(x, bmm(batch1, batch2).sum(axis=0), beta, alpha)


@function()
def mm(x: Any, mat2: Any) -> Any:
    """Product of two matrices, without broadcasting: Y = A B.

    Raises:
        ShapeError: what is no matrix, or matrices that do not multiply.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mm(tc.ones(2, 3), tc.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    mat2 = as_tensor(mat2)
    _needs("mm", input=(x, 2), mat2=(mat2, 2))
    return apply(matrix_product.op, (x, mat2))


@function()
def mv(x: Any, vec: Any) -> Any:
    """Product of a matrix and a vector: y = A v.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mv(tc.eye(2), tc.tensor([3.0, 4.0]))
        tensor([3., 4.])
    """
    vec = as_tensor(vec)
    _needs("mv", input=(x, 2), vec=(vec, 1))
    return matmul(x, vec)


@function()
def bmm(x: Any, mat2: Any) -> Any:
    """Products of two stacks of matrices, pair by pair: Yᵢ = Aᵢ Bᵢ; nothing broadcasts.

    Args:
        x: (b, m, n).
        mat2: (b, n, p).

    Raises:
        ShapeError: what is no such stack.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.bmm(tc.ones(4, 2, 3), tc.ones(4, 3, 5)).shape
        (4, 2, 5)
    """
    mat2 = as_tensor(mat2)
    _needs("bmm", input=(x, 3), mat2=(mat2, 3))
    if x.shape[0] != mat2.shape[0]:
        raise errors.ShapeError(
            f"bmm: stacks of {x.shape[0]} and {mat2.shape[0]} matrices, shapes {x.shape} and "
            f"{mat2.shape}; they need equally many. Use matmul (@) to broadcast."
        )
    return apply(matrix_product.op, (x, mat2))


def _matmul_operator(self: Tensor, other: Any) -> Any:
    """``A @ B``: straight to the matrix product in the common case."""
    if type(other) is not Tensor and not isinstance(other, Tensor):
        return matmul(self, other)
    if self._data.ndim >= 2 and other._data.ndim >= 2:
        return apply(matrix_product.op, (self, other))
    return matmul(self, other)


def _reflected_matmul(self: Tensor, other: Any) -> Any:
    return matmul(other, self)


attach(_matmul_operator, "__matmul__")
attach(_reflected_matmul, "__rmatmul__")


@op(
    kind="linalg",
    symbol="·",
    text="{a} · {b}",
    latex=r"{a} \cdot {b}",
    numpy="{a} @ {b}",
    precedence=PRODUCT,
    public=False,
    da=lambda g, b: g * b,
    db=lambda g, a: g * a,
)
def inner(a: Any, b: Any) -> Any:
    """Scalar product of two vectors: y = Σ a b, with da = g b and db = g a."""
    return np.dot(a, b)


@function(keywords={"tensor": "other"}, also=("vdot",), overrides=(np.vdot,))
def dot(x: Any, other: Any) -> Any:
    """Scalar product of two vectors: y = Σᵢ aᵢ bᵢ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.dot(tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0]))
        tensor(11.)
    """
    other = as_tensor(other)
    if x.ndim != 1 or other.ndim != 1:
        raise errors.ShapeError(
            f"dot: needs two vectors, got shapes {x.shape} and {other.shape}. "
            "Use matmul (@) for matrices."
        )
    return matmul(x, other)


@function(overrides=(np.outer,), keywords={"b": "vec2"}, also=("ger",))
def outer(x: Any, vec2: Any) -> Any:
    """Outer product of two vectors: Y[i, j] = a[i] b[j].

    Example:
        >>> import tinygrad_course as tc
        >>> tc.outer(tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    vec2 = as_tensor(vec2)
    if x.ndim != 1 or vec2.ndim != 1:
        raise errors.ShapeError(f"outer: needs two vectors, got {x.shape} and {vec2.shape}.")
    return mul(unsqueeze(x, 1), unsqueeze(vec2, 0))


def _numpy_dot(a: Any, b: Any) -> Any:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim > 2:
        raise errors.ShapeError("np.dot: use matmul (@) for stacks of matrices.")
    return matmul(a, b)


NUMPY[np.dot] = _numpy_dot


@function(name="linalg.vecdot", method=False)
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Scalar products of vectors along an axis: y = Σ a b; the other axes broadcast.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.vecdot(tc.ones(2, 3), tc.tensor([1.0, 2.0, 3.0]))
        tensor([6., 6.])
    """
    return (x * as_tensor(y)).sum(axis=dim)


def _spell_cross(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write a × b in brackets, so that it can stand anywhere; the axis when it is not the last."""
    below = "" if params["dim"] == -1 else rf"_{{\mathrm{{dim}}={params['dim']}}}"
    return rf"({operands[0]} \times {operands[1]}){below}"


@op(
    kind="linalg",
    symbol="×",
    latex=_spell_cross,
    numpy="np.cross({a}, {b}, axis={dim})",
    public=False,
    da=lambda g, b, dim: cross.op(b, g, dim=dim),  # type: ignore[has-type]  # itself
    db=lambda g, a, dim: cross.op(g, a, dim=dim),  # type: ignore[has-type]
)
def cross(a: Any, b: Any, *, dim: int = -1) -> Any:
    """Vector product of vectors with three components: y = a × b, with da = b × g, db = g × a."""
    return np.cross(a, b, axis=dim)


@function(name="cross", keywords={"axis": "dim", "b": "other"})
def _cross_first(x: Any, other: Any, dim: Any = None) -> Any:
    """Vector product of vectors with three components, y = a × b, with da = b × g and db = g × a.

    Args:
        x: vectors along the axis `dim`, of length 3.
        other: likewise; the other axes broadcast.
        dim: the axis; by default the first of length 3, as in PyTorch (`linalg.cross` takes the
            last).

    Raises:
        ShapeError: an axis of another length than 3.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cross(tc.tensor([1.0, 0.0, 0.0]), tc.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    if dim is None:
        dim = x.shape.index(3) - x.ndim if 3 in x.shape else -1
    return linalg_cross(x, other, dim=dim)


@function(name="linalg.cross", method=False, keywords={"axis": "dim", "b": "other"})
def linalg_cross(x: Any, other: Any, *, dim: int = -1) -> Any:
    """Vector product along an axis of length 3, the last by default (see `cross`).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.cross(tc.eye(3), tc.tensor([0.0, 0.0, 1.0]))
        tensor([[ 0., -1.,  0.],
                [ 1.,  0.,  0.],
                [ 0.,  0.,  0.]])
    """
    other = as_tensor(other)
    # Counted from the end, where broadcasting aligns the axes of both.
    places = [axis_of(dim, t.ndim, "cross") - t.ndim for t in (x, other)]
    if places[0] != places[1] or x.shape[places[0]] != 3 or other.shape[places[0]] != 3:
        raise errors.ShapeError(
            f"cross: vectors have three components along axis {dim}, got shapes {x.shape} and "
            f"{other.shape}. In the plane, write a[0] * b[1] - a[1] * b[0]."
        )
    return apply(cross.op, (x, other), {"dim": places[0]})


def _numpy_cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if axis is None and not axisa == axisb == axisc:
        raise errors.ArgumentError("np.cross: give the axis of all three as axis=…")
    return linalg_cross(a, b, dim=axisa if axis is None else axis)


NUMPY[np.cross] = NUMPY[np.linalg.cross] = _numpy_cross


@function(overrides=(np.kron,), keywords={"b": "other"})
def kron(x: Any, other: Any) -> Any:
    """Kronecker product: the blocks x[i, j] · other, for any number of axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.kron(tc.tensor([[1.0, 2.0]]), tc.eye(2))
        tensor([[1., 0., 2., 0.],
                [0., 1., 0., 2.]])
    """
    other = as_tensor(other)
    ndim = max(x.ndim, other.ndim)
    a = unsqueeze(x, tuple(range(ndim - x.ndim))) if x.ndim < ndim else x
    b = unsqueeze(other, tuple(range(ndim - other.ndim))) if other.ndim < ndim else other
    if ndim == 0:
        return a * b
    blocks = unsqueeze(a, tuple(range(1, 2 * ndim, 2))) * unsqueeze(b, tuple(range(0, 2 * ndim, 2)))
    lengths = [n * k for n, k in zip(a.shape, b.shape, strict=True)]
    # The first length is left open: rows may be examples.
    return blocks.reshape(-1 if 0 not in lengths else lengths[0], *lengths[1:])


@function(name="linalg.multi_dot", method=False, overrides=(np.linalg.multi_dot,))
def multi_dot(tensors: Any) -> Any:
    """Product of several matrices, in the order with the fewest multiplications.

    Args:
        tensors: two or more matrices; the first and the last may be vectors.

    Raises:
        ShapeError: shapes that do not multiply.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.multi_dot([tc.ones(2, 100), tc.ones(100, 2), tc.ones(2)])
        tensor([200., 200.])
    """
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise errors.ShapeError("linalg.multi_dot: needs matrices, got none.")
    if len(parts) == 1:
        return parts[0].clone()
    inside = parts[1:-1]
    if any(x.ndim != 2 for x in inside) or any(x.ndim not in (1, 2) for x in parts):
        shapes = ", ".join(str(x.shape) for x in parts)
        raise errors.ShapeError(
            f"linalg.multi_dot: needs matrices, and at the ends matrices or vectors; got {shapes}."
        )
    rows = [unsqueeze(parts[0], 0) if parts[0].ndim == 1 else parts[0], *parts[1:]]
    rows[-1] = unsqueeze(rows[-1], 1) if rows[-1].ndim == 1 else rows[-1]
    lengths = [rows[0].shape[0], *(x.shape[1] for x in rows)]
    split = _cheapest(lengths)

    def product(first: int, last: int) -> Any:
        if first == last:
            return rows[first]
        middle = split[first, last]
        return matmul(product(first, middle), product(middle + 1, last))

    y = product(0, len(rows) - 1)
    if parts[-1].ndim == 1:
        y = y.squeeze(-1)
    return y.squeeze(0) if parts[0].ndim == 1 else y


def _cheapest(lengths: list[int]) -> dict[tuple[int, int], int]:
    """Return after which matrix to split each product of a chain (dynamic programming).

    Matrix k has shape (lengths[k], lengths[k + 1]).
    """
    count = len(lengths) - 1
    cost = {(k, k): 0 for k in range(count)}
    split = {}
    for span in range(1, count):
        for first in range(count - span):
            last = first + span
            costs = {
                k: cost[first, k]
                + cost[k + 1, last]
                + lengths[first] * lengths[k + 1] * lengths[last + 1]
                for k in range(first, last)
            }
            best = min(costs, key=costs.__getitem__)
            cost[first, last], split[first, last] = costs[best], best
    return split


@function(name="chain_matmul", method=False)
def chain_matmul(tensors: Any, *others: Any) -> Any:
    """Product of several matrices, in the cheapest order; PyTorch's older name of `multi_dot`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.chain_matmul(tc.ones(2, 3), tc.ones(3, 4), tc.ones(4, 1)).flatten()
        tensor([12., 12.])
    """
    return multi_dot([tensors, *others] if others else tensors)


@function(method=False, overrides=(np.vander,), keywords={"n": "N"})
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Matrix of powers, one row per element: from xⁿ⁻¹ down to 1, or up with `increasing`.

    Args:
        x: a vector (n,).
        N: the number of columns, by default n.
        increasing: powers from 0 upwards.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.vander(tc.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 1., 1.],
                [4., 2., 1.],
                [9., 3., 1.]])
    """
    _needs("vander", x=(x, 1))
    powers = _powers("vander", x, N)
    return stack(powers if increasing else powers[::-1], -1)


@function(name="linalg.vander", method=False)
def linalg_vander(x: Any, *, N: Any = None) -> Any:
    """Matrix of powers 1, x, x², … for each element of the last axis (`vander` counts down).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.vander(tc.tensor([2.0, 3.0]), N=3)
        tensor([[1., 2., 4.],
                [1., 3., 9.]])
    """
    return stack(_powers("linalg.vander", x, N), -1)


def _powers(name: str, x: Any, count: Any) -> list[Any]:
    """Return 1, x, x², …; by default as many as x has elements."""
    if x.ndim == 0:
        raise errors.ShapeError(f"{name}: needs a vector, got shape ().")
    count = x.shape[-1] if count is None else count
    if not isinstance(count, (int, np.integer)) or not 1 <= count <= 10_000:
        raise errors.ArgumentError(
            f"{name}: N is the number of powers, from 1 to 10,000, got {count!r:.40}."
        )
    return [x**k for k in range(count)]


__all__ = ["dot", "matmul", "outer"]
