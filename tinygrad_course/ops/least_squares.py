"""Rank, pseudoinverse and least squares: matrices without an inverse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..op import POWER
from ..tensor import apply, as_tensor
from .decomposition import svdvals
from .define import NUMPY, function, op
from .inverse import computed, is_vector, matrices
from .shape import unsqueeze


def _spell_rank(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Count singular values: those above a tolerance, or as NumPy does."""
    (a,), tol, rtol = operands, params["tol"], params["rtol"]
    if tol is not None:
        return f"np.sum(np.linalg.svd({a}, compute_uv=False) > {tol}, axis=-1)"
    return f"np.linalg.matrix_rank({a}" + (")" if rtol is None else f", rtol={rtol})")


@op(
    kind="linalg",
    symbol="rank",
    numpy=_spell_rank,
    public=False,
)
def rank(a: Any, *, tol: Any = None, rtol: Any = None) -> Any:
    """Number of singular values that are not about 0; no derivative."""
    more = {} if rtol is None else {"rtol": rtol}
    return np.linalg.matrix_rank(a, tol, **more)


@function(
    name="linalg.matrix_rank",
    method=False,
    overrides=(np.linalg.matrix_rank,),
    keywords={"atol": "tol"},
)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Rank: how many singular values exceed the tolerance; no derivative.

    Args:
        A: (…, m, n).
        tol: the tolerance itself (PyTorch's ``atol``).
        hermitian: as PyTorch's, without effect.
        rtol: the tolerance as a part of the largest singular value, by default max(m, n) times the
            precision of the dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.matrix_rank(tc.tensor([[1.0, 2.0], [2.0, 4.0]])).item()
        1
    """
    matrices("linalg.matrix_rank", A)
    if tol is not None and rtol is not None:
        raise errors.ArgumentError("linalg.matrix_rank: give tol or rtol, not both.")
    return apply(rank.op, (A,), {"tol": tol, "rtol": rtol})


def _pinverse_rule(g: Any, y: Any, a: Any) -> Any:
    """Golub and Pereyra (1973): the derivative of A⁺ while the rank stays."""
    from_columns = g.mT @ y @ y.mT
    from_rows = y.mT @ y @ g.mT
    return (
        -(y.mT @ g @ y.mT)
        + (from_columns - a @ (y @ from_columns))
        + (from_rows - (from_rows @ y) @ a)
    )


def _spell_pinverse(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write A⁺, or a call where the tolerance matters."""
    (a,), rtol = operands, params["rtol"]
    if rtol is not None:
        name = r"\mathrm{pinverse}" if form == "latex" else "pinverse"
        return f"{name}({a}, rtol={rtol})"
    if form == "text":
        return f"{a}⁺"
    return rf"\left({a}\right)^{{+}}" if "^" in a else f"{a}^{{+}}"


@op(
    kind="linalg",
    symbol="⁺",
    text=_spell_pinverse,
    latex=_spell_pinverse,
    precedence=POWER,
    numpy="np.linalg.pinv({a}, rtol={rtol})",
    also=("linalg.pinv",),
    keywords={"A": "a", "rcond": "rtol"},
    da=_pinverse_rule,
)
def pinverse(a: Any, rtol: Any = None) -> Any:
    """Pseudoinverse A⁺ of Moore and Penrose, from the singular values.

    The derivative is that of G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and
    nonlinear least squares problems" (1973); it holds while the rank stays the same.

    Args:
        a: (…, m, n).
        rtol: singular values below this part of the largest count as zero; by default max(m, n)
            times the precision of the dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.pinverse(tc.tensor([[3.0], [4.0]]))
        tensor([[0.12, 0.16]])
    """
    a = np.asarray(a)
    a = a if a.dtype.kind == "f" else a.astype(np.float64)
    return computed("pinverse", "", np.linalg.pinv, a, rtol=rtol)


class LstsqResult(NamedTuple):
    """What `linalg.lstsq` returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


@function(name="linalg.lstsq", method=False)
def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: Any = None) -> Any:
    """Least-squares solution X of A X ≈ B, the shortest when there are several: X = A⁺ B.

    Args:
        A: (…, m, n).
        B: (…, m, k), or vectors (…, m) as in `linalg.solve`.
        rcond: singular values below this part of the largest count as zero.
        driver: as PyTorch's; all give the same result here.

    Returns:
        (solution, residuals, rank, singular_values): the residuals are the sums of squares of
        A X − B for m > n, else empty.

    Raises:
        ShapeError: shapes that do not fit.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])  # a line through three points
        >>> tc.linalg.lstsq(A, tc.tensor([1.0, 3.0, 5.0])).solution.round(decimals=4)
        tensor([1., 2.])
    """
    B = as_tensor(B)
    matrices("linalg.lstsq", A)
    vector = is_vector(A, B)
    if A.shape[-2] != B.shape[-1 if vector else -2 if B.ndim > 1 else -1] or B.ndim == 0:
        raise errors.ShapeError(
            f"linalg.lstsq: A has shape {A.shape}, B {B.shape}; they need as many rows."
        )
    b = unsqueeze(B, -1) if vector else B
    x = apply(pinverse.op, (A,), {"rtol": rcond}) @ b
    if A.shape[-2] > A.shape[-1]:
        residuals = ((A @ x - b) ** 2).sum(axis=-2)
    else:
        residuals = x.flatten()[:0]
    solution = x.squeeze(-1) if vector else x
    with_rank = matrix_rank(A.detach(), rtol=rcond)
    return LstsqResult(solution, residuals, with_rank, svdvals(A))


def _numpy_pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    return pinverse(a, rtol=1e-15 if rcond is None and rtol is None else rcond or rtol)


def _numpy_lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    return lstsq(as_tensor(a), b, rcond)


NUMPY[np.linalg.pinv] = _numpy_pinv
NUMPY[np.linalg.lstsq] = _numpy_lstsq

__all__ = ["lstsq", "matrix_rank", "pinverse"]
