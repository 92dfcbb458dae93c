"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..op import JUXTAPOSITION, PRODUCT, SUM
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, attach, function, op
from .elementwise import mul
from .reduce import norm
from .shape import broadcast_like, insert_axes, unsqueeze


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


@function()
def addmm(x: Any, mat1: Any, mat2: Any) -> Any:
    """Matrix product plus a broadcast term: Y = X + A B, as ``torch.addmm``.

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
    return apply(affine.op, (mat1, mat2, x))


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


@function(keywords={"tensor": "other"})
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


@function(overrides=(np.outer,), keywords={"b": "vec2"})
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


# --- einsum -------------------------------------------------------------------------------------


def _einsum_rule(g: Any, i: int, xs: Any, subscripts: str) -> Any:
    terms, result = subscripts.split("->")
    names = terms.split(",")
    mine = names[i]
    others = names[:i] + names[i + 1 :]
    operands = [x for j, x in enumerate(xs) if j != i]
    available = set(result).union(*others) if others else set(result)
    # Letters found nowhere else were summed out of this operand alone: repeat along them.
    kept = "".join(c for c in dict.fromkeys(mine) if c in available)
    pulled = einsum_product(g, *operands, subscripts=",".join([result, *others]) + "->" + kept)
    return _spread_letters(pulled, kept, mine, xs[i])


def _spread_letters(pulled: Any, kept: str, mine: str, x: Any) -> Any:
    """Bring a cotangent with axes `kept` to the axes `mine` of the operand `x`."""
    unique = "".join(dict.fromkeys(mine))
    missing = tuple(k for k, c in enumerate(unique) if c not in kept)
    if missing:
        pulled = insert_axes.op(pulled, axis=missing)
    if unique == mine:
        return broadcast_like.op(pulled, x) if missing else pulled
    # A repeated letter took a diagonal: put the cotangent back on it.
    if missing:
        lengths = [np.shape(x)[mine.index(c)] if k in missing else 1 for k, c in enumerate(unique)]
        pulled = pulled * np.ones(lengths, dtype=pulled.dtype)
    free = iter(_unused(unique))
    spread = "".join(c if mine.count(c) == 1 else next(free) for c in mine)
    pairs = [(n, c + s) for n, c, s in zip(np.shape(x), mine, spread, strict=True) if c != s]
    eyes = [np.eye(n, dtype=pulled.dtype) for n, _ in pairs]
    subscripts = ",".join([unique, *(pair for _, pair in pairs)]) + "->" + spread
    return einsum_product(pulled, *eyes, subscripts=subscripts)


def _unused(letters: str) -> list[str]:
    """Return the letters that are free for further axes."""
    return [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in letters]


@op(
    kind="linalg",
    symbol="einsum",
    numpy="np.einsum({subscripts}, {xs})",
    public=False,
    dxs=_einsum_rule,
)
def einsum_(*xs: Any, subscripts: str = "") -> Any:
    """Einstein summation with explicit subscripts, such as ``ij,jk->ik``."""
    # `optimize` finds matrix products, which are far quicker than NumPy's plain loops.
    y = np.einsum(subscripts, *xs, optimize=len(xs) > 1)
    return y.copy() if len(xs) == 1 and np.may_share_memory(y, xs[0]) else y


einsum_product = einsum_.op


@function(method=False, keywords={"equation": "tensors", "subscripts": "tensors"})
def einsum(tensors: Any, *operands: Any) -> Any:
    """Einstein summation: ``einsum("ij,jk->ik", A, B)``; letters absent on the right are summed.

    Args:
        tensors: the subscripts, with ``...`` and an implicit right side as in NumPy.
        operands: the tensors, one per term.

    Raises:
        ShapeError: a wrong number of terms or axes, or one letter for different lengths.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tc.einsum("ij->j", A)
        tensor([4., 6.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    parts = tuple(as_tensor(x) for x in operands)
    full = _expand_subscripts(tensors, parts)
    return apply(einsum_product, parts, {"subscripts": full})


def _expand_subscripts(subscripts: Any, parts: tuple[Tensor, ...]) -> str:
    """Write an einsum with an explicit right side and letters instead of the ellipsis."""
    if not isinstance(subscripts, str):
        raise errors.DtypeError(f"einsum: the subscripts are a string, got {subscripts!r:.40}.")
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(parts):
        raise errors.ShapeError(
            f"einsum: {subscripts!r} has {len(terms)} terms for {len(parts)} operands."
        )
    free = _unused(text)
    extra = 0
    expanded = []
    for term, x in zip(terms, parts, strict=True):
        letters = term.replace("...", "")
        room = x.ndim - len(letters)
        if room < 0 or (room and "..." not in term):
            raise errors.ShapeError(
                f"einsum: the term {term!r} names {len(letters)} axes, its operand has shape "
                f"{x.shape}."
            )
        extra = max(extra, room)
        expanded.append((term, room))
    dots = "".join(free[:extra])
    written = [t.replace("...", dots[len(dots) - room :]) for t, room in expanded]
    if not arrow:
        joined = "".join(written)
        right = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
        right = right.replace("...", dots) if extra else right[3:]
        right = dots + "".join(c for c in right if c not in dots)
    return ",".join(written) + "->" + right.replace("...", dots)


def _numpy_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    return einsum(subscripts, *operands)


def _numpy_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, "fro") and (np.ndim(x) if axis is None else np.size(axis)) > 1:
        raise errors.ArgumentError("np.linalg.norm: only the Frobenius norm of matrices is here.")
    return norm(x, 2 if ord is None else ord, axis, keepdims)


NUMPY[np.einsum] = _numpy_einsum
NUMPY[np.linalg.norm] = _numpy_norm

__all__ = ["dot", "einsum", "matmul", "outer"]
