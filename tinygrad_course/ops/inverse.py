"""Inverses, linear equations, powers and the exponential of matrices.

All work on one matrix or on stacks of them, over the last two axes. The derivative rules are those
of J. R. Magnus and H. Neudecker, *Matrix Differential Calculus* (1988), as M. Giles lists them for
reverse mode in "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008); they are written with operations, so they differentiate again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..messages import describe
from ..op import JUXTAPOSITION, POWER
from ..tensor import Tensor, apply, as_tensor
from .define import function, op
from .diagonal import tril, triu
from .shape import insert_axes, unsqueeze

SINGULAR = (
    "The matrix is singular: some row is a combination of the others, so there is no inverse. "
    "linalg.lstsq and linalg.pinv give the least-squares answer; adding λI makes it regular."
)


def computed(name: str, cure: str, f: Callable[..., Any], *arrays: Any, **params: Any) -> Any:
    """Return ``f(*arrays)``, with our error for what NumPy's linear algebra refuses."""
    try:
        return f(*arrays, **params)
    except np.linalg.LinAlgError as error:
        got = f"{name}: got {describe([np.asarray(a) for a in arrays])}"
        reason = str(error).strip().rstrip(".")
        if "dimension" in reason or "square" in reason:
            raise errors.ShapeError(
                f"{got}. NumPy says: {reason}. It needs square matrices (…, n, n)."
            ) from None
        raise errors.LinAlgError(f"{got}. NumPy says: {reason}. {cure}") from None


def matrices(name: str, x: Any, square: bool = False) -> Any:
    """Return a tensor of matrices, or refuse it."""
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices (…, n, n)" if square else "matrices (…, m, n)"
        raise errors.ShapeError(f"{name}: needs {kind}, got shape {x.shape}.")
    return x


def identity_like(a: Any) -> Any:
    """Return identity matrices of the shape of `a`, recorded: for any length."""
    one = np.ones_like(a)
    return tril.op(one) - tril.op(one, diagonal=-1)


def per_matrix(g: Any) -> Any:
    """Give numbers, one per matrix, two axes more, so that they multiply the matrices."""
    ndim = np.ndim(g)
    return insert_axes.op(g, axis=(ndim, ndim + 1)) if ndim else g


# --- inverse and solve --------------------------------------------------------------------------


# The transpose of a name, in the brackets that a power of it would need.
_TRANSPOSED = re.compile(r"\((?:\\left\()?([^\s()]+(?:ᵀ|\^\{\\top\}|\\,\\top\}))\)")


def _inverted(form: str, a: str) -> str:
    """Write A⁻¹, or A⁻ᵀ for a transpose."""
    lone = _TRANSPOSED.fullmatch(a)
    a = lone[1] if lone else a
    if form == "text":
        return f"{a[:-1]}⁻ᵀ" if a.endswith("ᵀ") else f"{a}⁻¹"
    for transposed in (r"^{\top}", r"\,\top}"):
        if a.endswith(transposed):
            return a[: -len(transposed)] + transposed.replace(r"\top", r"-\top")
    if "^" in a and not a.endswith(")"):
        a = rf"\left({a}\right)"  # a layer's number is a superscript already
    return f"{a}^{{-1}}"


def _spell_inverse(form: str, operands: list[str], params: dict[str, Any]) -> str:
    return _inverted(form, operands[0])


def _spell_solve(form: str, operands: list[str], params: dict[str, Any]) -> str:
    return f"{_inverted(form, operands[0])} {operands[1]}"


@op(
    kind="linalg",
    symbol="⁻¹",
    text=_spell_inverse,
    latex=_spell_inverse,
    numpy="np.linalg.inv",
    precedence=POWER,
    overrides=(np.linalg.inv,),
    also=("linalg.inv",),
    keywords={"A": "a"},
    da=lambda g, y: -(y.mT @ g @ y.mT),
)
def inverse(a: Any) -> Any:
    """Inverse matrix Y = A⁻¹, with dA = −A⁻ᵀ G A⁻ᵀ (Giles 2008).

    Args:
        a: (…, n, n). To solve A X = B, use `linalg.solve`: it is quicker and more accurate.

    Raises:
        ShapeError: what is not square; LinAlgError: a singular matrix.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.inverse(tc.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5 , 0.  ],
                [0.  , 0.25]])
    """
    return computed("inverse", SINGULAR, np.linalg.inv, a)


@op(
    kind="linalg",
    symbol="A⁻¹ B",
    text=_spell_solve,
    latex=_spell_solve,
    numpy="np.linalg.solve",
    precedence=JUXTAPOSITION,
    public=False,
    da=lambda g, y, a: -(solve_matrix.op(a.mT, g) @ y.mT),  # type: ignore[has-type]  # itself
    db=lambda g, a: solve_matrix.op(a.mT, g),  # type: ignore[has-type]
)
def solve_matrix(a: Any, b: Any) -> Any:
    """The X of A X = B, with dB = A⁻ᵀ G and dA = −dB Xᵀ (Giles 2008)."""
    return computed("linalg.solve", SINGULAR, np.linalg.solve, a, b)


@function(name="linalg.solve", method=False, overrides=(np.linalg.solve,), keywords={"a": "A"})
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """Solution X of A X = B, or of X A = B with ``left=False``; dB = A⁻ᵀ G and dA = −dB Xᵀ.

    Args:
        A: (…, n, n).
        B: (n,), a stack of vectors (…, n) where A is a stack as large, or matrices (…, n, k).
        left: on which side A stands.

    Raises:
        ShapeError: shapes that do not fit; LinAlgError: a singular matrix.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[2.0, 1.0], [1.0, 3.0]])
        >>> tc.linalg.solve(A, tc.tensor([3.0, 5.0]))
        tensor([0.8, 1.4])
    """
    B = as_tensor(B)
    matrices("linalg.solve", A, square=True)
    vector = is_vector(A, B)
    if not vector and B.ndim < 2:
        raise _does_not_fit("linalg.solve", A, B)
    b = unsqueeze(B, -1) if vector and left else unsqueeze(B, -2) if vector else B
    return _side("linalg.solve", A, b, left, vector)


def is_vector(A: Tensor, B: Tensor) -> bool:
    """Return True for a right side that is a vector, or a vector for each matrix of a stack."""
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])


def _side(name: str, A: Tensor, b: Tensor, left: bool, vector: bool) -> Any:
    """Solve with A on the left or right; `b` has two axes or more."""
    if A.shape[-1] != b.shape[-2 if left else -1]:
        raise _does_not_fit(name, A, b)
    if left:
        y = apply(solve_matrix.op, (A, b))
    else:
        y = apply(solve_matrix.op, (A.mT, b.mT)).mT
    return y.squeeze(-1 if left else -2) if vector else y


def _does_not_fit(name: str, A: Tensor, B: Tensor) -> errors.ShapeError:
    return errors.ShapeError(
        f"{name}: A has shape {A.shape}, B {B.shape}; they need as many rows: (n, n) with (n,) or "
        "(n, k). Transpose B with .mT, or give left=False for X A = B."
    )


@function(name="linalg.solve_triangular", method=False)
def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    """Solution of A X = B (or X A = B) with a triangular A, whose other half is not read.

    Args:
        A: (…, n, n).
        B: (…, n, k).
        upper: which triangle counts.
        left: on which side A stands.
        unitriangular: take the diagonal for ones.

    Raises:
        ShapeError: shapes that do not fit; LinAlgError: a zero on the diagonal.

    Example:
        >>> import tinygrad_course as tc
        >>> L = tc.tensor([[2.0, 9.0], [1.0, 1.0]])  # the 9 is not read
        >>> tc.linalg.solve_triangular(L, tc.tensor([[2.0], [3.0]]), upper=False)
        tensor([[1.],
                [2.]])
    """
    B = as_tensor(B)
    matrices("linalg.solve_triangular", A, square=True)
    matrices("linalg.solve_triangular", B)
    return _side(
        "linalg.solve_triangular", _triangle(A, upper, unitriangular), B, left, vector=False
    )


def _triangle(A: Tensor, upper: bool, unitriangular: bool = False) -> Any:
    part = triu if upper else tril
    if not unitriangular:
        return apply(part.op, (A,), {"diagonal": 0})
    return apply(part.op, (A,), {"diagonal": 1 if upper else -1}) + identity_like(A)


class TriangularSolution(NamedTuple):
    """What `triangular_solve` returns."""

    solution: Any
    cloned_coefficient: Any


@function()
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """Solution of A X = B with a triangular A; PyTorch's older name, with B first.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.triangular_solve(tc.ones(2, 1), 2 * tc.eye(2)).solution.flatten()
        tensor([0.5, 0.5])
    """
    A = as_tensor(A)
    matrices("triangular_solve", b)
    matrices("triangular_solve", A, square=True)
    part = _triangle(A, upper, unitriangular)
    y = _side("triangular_solve", part.mT if transpose else part, b, True, vector=False)
    return TriangularSolution(y, A)


@function(name="linalg.tensorsolve", method=False, overrides=(np.linalg.tensorsolve,))
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """Solution of tensordot(A, X, X.ndim) = B, where the axes of A are rows and columns in turn.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.eye(6).reshape(2, 3, 6)
        >>> tc.linalg.tensorsolve(A, tc.ones(2, 3)).shape
        (6,)
    """
    B = as_tensor(B)
    if dims is not None:
        A = A.movedim(dims, tuple(range(A.ndim - len(dims), A.ndim)))
    if A.shape[: B.ndim] != B.shape or A.numel() != B.numel() ** 2:
        raise errors.ShapeError(
            f"linalg.tensorsolve: A has shape {A.shape}, B {B.shape}; the first axes of A must be "
            "those of B, and the rest must have as many elements."
        )
    rest = A.shape[B.ndim :]
    return solve(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(rest)


# --- powers and exponential ---------------------------------------------------------------------


@function(also=("linalg.matrix_power",), overrides=(np.linalg.matrix_power,), keywords={"A": "a"})
def matrix_power(a: Any, n: int) -> Any:
    """Aⁿ for an integer n, by squaring; a negative n takes the inverse first.

    Raises:
        ShapeError: what is not square; DtypeError: an n that is no integer.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.matrix_power(tc.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
        tensor([[1., 5.],
                [0., 1.]])
    """
    matrices("matrix_power", a, square=True)
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool):
        raise errors.DtypeError(f"matrix_power: n is an integer, got {n!r:.40}.")
    if n == 0:
        return identity_like(a)
    square = apply(inverse.op, (a,)) if n < 0 else a
    n = abs(int(n))
    y: Any = None
    while n:
        if n % 2:
            y = square if y is None else y @ square
        n //= 2
        square = square @ square if n else square
    return y if y is not a else a.clone()


def _matrix_exp_rule(g: Any, a: Any) -> Any:
    """Return the derivative of the exponential at Aᵀ in the direction G: a block of another."""
    n = np.shape(a)[-1]
    top = np.concatenate([a.mT, g], axis=-1)
    bottom = np.concatenate([np.zeros_like(a), a.mT], axis=-1)
    both = np.concatenate([top, bottom], axis=-2)
    return matrix_exp.op(both)[..., :n, n:]


@op(
    kind="linalg",
    symbol="eᴬ",
    latex="e^{{{a}}}",
    numpy="matrix_exp",
    helper="""
def matrix_exp(a):
    # The Taylor series of a small part of a, squared as often as that was halved.
    n = max(0, 2 + int(np.log2(np.max(np.sum(np.abs(a), axis=-2), initial=1))))
    y = one = np.eye(np.shape(a)[-1], dtype=a.dtype)
    for k in range(16, 0, -1):
        y = one + (a / 2**n) @ y / k
    return np.linalg.matrix_power(y, 2**n)
""",
    also=("linalg.matrix_exp",),
    keywords={"A": "a"},
    da=_matrix_exp_rule,
)
def matrix_exp(a: Any) -> Any:
    """Exponential of a matrix, Σ Aᵏ / k!, by scaling and squaring.

    C. Moler and C. Van Loan, "Nineteen dubious ways to compute the exponential of a matrix" (1978),
    method 3: the Taylor series of A / 2ʲ, squared j times. dA is the derivative at Aᵀ in the
    direction G, the upper right block of exp([[Aᵀ, G], [0, Aᵀ]]) (R. Mathias, "A chain rule for
    matrix functions and applications", 1996).

    Args:
        a: (…, n, n).

    Raises:
        ShapeError: what is not square.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.matrix_exp(tc.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])
    """
    a = np.asarray(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("it needs square matrices (…, n, n)")
    if a.dtype.kind != "f":
        a = a.astype(np.float64)
    size = float(np.max(np.sum(np.abs(a), axis=-2), initial=1))
    if not math.isfinite(size):
        return np.full_like(a, np.nan)
    halvings = max(0, 2 + int(math.log2(size)))  # then no column sum exceeds 1/2
    small = a / 2**halvings
    one = np.eye(a.shape[-1], dtype=a.dtype)
    y = np.broadcast_to(one, a.shape)
    for k in range(16, 0, -1):
        y = one + small @ y / k
    for _ in range(halvings):
        y = y @ y
    return y


__all__ = ["inverse", "matrix_power", "solve", "solve_triangular", "triangular_solve"]
