"""Decompositions: Cholesky, QR, eigenvectors and singular vectors.

All work on one matrix or on stacks of them, over the last two axes. An operation has one result, so
each decomposition is one operation for its factor (or factors, side by side), and what else belongs
to it follows from that: R = Qᵀ A, the eigenvalues qᵀ A q, the singular values ‖A v‖. Eigenvalues
and singular values do not change to first order when their vectors do, so their derivative has no
part through the vectors, and stays finite where values are equal.

Eigenvectors and singular vectors have no derivative where values are equal (any rotation of them
will do there): the rules then divide by 0, and give NaN or infinity, as in PyTorch. Their signs are
free; only functions that do not depend on the signs mean something.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..tensor import apply, as_tensor
from .define import NUMPY, function, op
from .diagonal import tril, triu
from .inverse import computed, identity_like, matrices, solve_matrix, solve_triangular
from .join import cat
from .shape import zeros_like

NOT_POSITIVE = (
    "A matrix with such a factor is symmetric with positive eigenvalues. Aᵀ A + λI is; for others "
    "take linalg.eigh."
)


# --- Cholesky -----------------------------------------------------------------------------------


def _cholesky_rule(g: Any, y: Any) -> Any:
    """I. Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10."""
    p = y.mT @ g
    half = (tril.op(p) + tril.op(p, diagonal=-1)) / 2
    right = solve_matrix.op(y.mT, half)
    s = solve_matrix.op(y.mT, right.mT)
    return (s + s.mT) / 2


@op(
    kind="linalg",
    symbol="L Lᵀ",
    text="cholesky",
    latex=r"\mathrm{{cholesky}}",
    numpy="cholesky",
    helper="""
def cholesky(a):
    # The lower triangular L of A = L Lᵀ, from the symmetric part of a.
    return np.linalg.cholesky((a + np.swapaxes(a, -1, -2)) / 2)
""",
    public=False,
    da=_cholesky_rule,
)
def cholesky_factor(a: Any) -> Any:
    """The lower triangular L of A = L Lᵀ; dA = ½ (S + Sᵀ), S = L⁻ᵀ Φ(Lᵀ G) L⁻¹ (Murray 2016)."""
    a = np.asarray(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("it needs square matrices (…, n, n)")
    return computed("cholesky", NOT_POSITIVE, np.linalg.cholesky, (a + a.mT) / 2)


@function(also=("linalg.cholesky",), overrides=(np.linalg.cholesky,), keywords={"A": "a"})
def cholesky(a: Any, upper: bool = False) -> Any:
    """Lower triangular L of a symmetric positive definite A = L Lᵀ.

    It reads the symmetric part (A + Aᵀ)/2, so that its derivative is symmetric, ½ (S + Sᵀ) with
    S = L⁻ᵀ Φ(Lᵀ G) L⁻¹, where Φ takes the lower triangle and half of the diagonal (I. Murray,
    "Differentiation of the Cholesky decomposition", 2016).

    Args:
        a: (…, n, n).
        upper: return Lᵀ instead.

    Raises:
        ShapeError: what is not square; LinAlgError: a matrix that is not positive definite.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cholesky(tc.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    matrices("cholesky", a, square=True)
    y = apply(cholesky_factor.op, (a,))
    return y.mT if upper else y


@function(keywords={"B": "b"})
def cholesky_solve(b: Any, L: Any, upper: bool = False) -> Any:
    """Solution X of A X = B, from the factor of A = L Lᵀ (or A = Lᵀ L with `upper`).

    Args:
        b: (…, n, k).
        L: (…, n, n), triangular.
        upper: L is the upper factor.

    Example:
        >>> import tinygrad_course as tc
        >>> L = tc.tensor([[2.0, 0.0], [1.0, 2.0]])
        >>> tc.cholesky_solve(tc.tensor([[6.0], [7.0]]), L)
        tensor([[1.],
                [1.]])
    """
    L = as_tensor(L)
    matrices("cholesky_solve", b)
    matrices("cholesky_solve", L, square=True)
    first, second = (L.mT, L) if upper else (L, L.mT)
    return solve_triangular(second, solve_triangular(first, b, upper=False), upper=True)


@function()
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """Inverse of A = L Lᵀ (or Lᵀ L with `upper`), from its factor.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cholesky_inverse(tc.tensor([[2.0, 0.0], [0.0, 1.0]]))
        tensor([[0.25, 0.  ],
                [0.  , 1.  ]])
    """
    matrices("cholesky_inverse", L, square=True)
    return cholesky_solve(identity_like(L), L, upper)


# --- QR -----------------------------------------------------------------------------------------


def _orthonormal_rule(g: Any, y: Any, a: Any) -> Any:
    """Seeger et al. (2017), for the factor Q alone: dA = (G − Q Qᵀ G + Q M) R⁻ᵀ."""
    r = triu.op(y.mT @ a)
    k = y.mT @ g
    m = tril.op(k - k.mT, diagonal=-1)
    return solve_matrix.op(r, (g - y @ (k - m)).mT).mT


@op(
    kind="linalg",
    symbol="Q",
    numpy="np.linalg.qr({a})[0]",
    public=False,
    da=_orthonormal_rule,
)
def orthonormal(a: Any) -> Any:
    """The Q of A = Q R: orthonormal columns that span those of A, of which there are m ≥ n."""
    return computed("qr", "", np.linalg.qr, a)[0]


@op(
    kind="linalg",
    symbol="⊥",
    numpy="complement",
    helper="""
def complement(q):
    # Orthonormal columns that complete those of q to a basis.
    return np.linalg.qr(q, mode="complete")[0][..., np.shape(q)[-1] :]
""",
    public=False,
)
def complement(q: Any) -> Any:
    """Orthonormal columns that complete those of `q` to a basis; no derivative."""
    return np.linalg.qr(q, mode="complete")[0][..., np.shape(q)[-1] :].copy()


class QRResult(NamedTuple):
    """The pair that `qr` returns."""

    Q: Any
    R: Any


@function(name="linalg.qr", method=False, keywords={"a": "A"})
def linalg_qr(A: Any, mode: str = "reduced") -> Any:
    """Factors of A = Q R: orthonormal columns and an upper triangular matrix.

    The derivative is that of M. Seeger et al., "Auto-differentiating linear algebra" (2017). With
    mode "complete", the columns of Q beyond those of A are free, and have no derivative.

    Args:
        A: (…, m, n).
        mode: "reduced", "complete", or "r" for R alone (and an empty Q).

    Raises:
        LinAlgError: a derivative for columns that are dependent.

    Example:
        >>> import tinygrad_course as tc
        >>> Q, R = tc.linalg.qr(tc.tensor([[3.0, 1.0], [4.0, 2.0]]))
        >>> (Q @ R).round(decimals=4)
        tensor([[3., 1.],
                [4., 2.]])
    """
    matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise errors.ArgumentError(
            f"linalg.qr: mode is 'reduced', 'complete' or 'r', got {mode!r:.40}."
        )
    m, n = A.shape[-2:]
    q = apply(orthonormal.op, (A[..., :m] if n > m else A,))
    if mode == "complete" and m > n:
        q = cat([q, apply(complement.op, (q,))], -1)
    r = apply(triu.op, (q.mT @ A,), {"diagonal": 0})
    return QRResult(q.flatten()[:0] if mode == "r" else q, r)


@function()
def qr(x: Any, some: bool = True) -> Any:
    """Factors of A = Q R (see `linalg.qr`); PyTorch's older name, with some=False for a full Q.

    Example:
        >>> import tinygrad_course as tc
        >>> Q, R = tc.qr(tc.eye(2))
        >>> Q.shape
        (2, 2)
    """
    return linalg_qr(x, "reduced" if some else "complete")


def _numpy_qr(a: Any, mode: str = "reduced") -> Any:
    found = linalg_qr(a, mode)
    return found.R if mode == "r" else found


# --- eigenvalues and eigenvectors of symmetric matrices -----------------------------------------


def _differences(values: Any) -> Any:
    """Return values[j] − values[i] at (i, j), and 1 on the diagonal, where nothing is divided."""
    differences = values[..., None, :] - values[..., :, None]
    return differences + identity_like(differences)


def _eigenvectors_rule(g: Any, y: Any, a: Any) -> Any:
    """Giles (2008): dA = Q (F ∘ Qᵀ G) Qᵀ with F[i, j] = 1 / (λⱼ − λᵢ), symmetrized."""
    k = y.mT @ g
    inside = (k - k.mT) / (2 * _differences(eigenvalues.op(a, y)))
    return y @ inside @ y.mT


@op(
    kind="linalg",
    symbol="eig Q",
    numpy="eigenvectors",
    helper="""
def eigenvectors(a):
    # Orthonormal eigenvectors of the symmetric part of a, as columns, by ascending eigenvalue.
    return np.linalg.eigh((a + np.swapaxes(a, -1, -2)) / 2)[1]
""",
    public=False,
    quiet=True,
    da=_eigenvectors_rule,
)
def eigenvectors(a: Any) -> Any:
    """Orthonormal eigenvectors of the symmetric part of A, as columns, by ascending eigenvalue."""
    a = np.asarray(a)
    return computed("linalg.eigh", "", np.linalg.eigh, (a + a.mT) / 2)[1]


@op(
    kind="linalg",
    symbol="eig λ",
    numpy="eigenvalues",
    helper="""
def eigenvalues(a, q):
    # The eigenvalue of each column of q: its Rayleigh quotient.
    return np.sum(q * (a @ q), axis=-2) / np.sum(q * q, axis=-2)
""",
    public=False,
    da=lambda g, q: (q * g[..., None, :]) @ q.mT,
)
def eigenvalues(a: Any, q: Any) -> Any:
    """Eigenvalues λ = qᵀ A q / qᵀ q of eigenvectors q, where they are stationary; dA = Σ g q qᵀ."""
    return np.sum(q * (a @ q), axis=-2) / np.sum(q * q, axis=-2)


class EighResult(NamedTuple):
    """The pair that `linalg.eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


def _symmetric(name: str, A: Any, UPLO: Any) -> Any:
    """Return the matrix whose symmetric part has the eigenvalues asked for."""
    matrices(name, A, square=True)
    if UPLO is None:
        return A
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise errors.ArgumentError(f"{name}: UPLO is 'L' or 'U', got {UPLO!r:.40}.")
    part = tril if UPLO.upper() == "L" else triu
    strict = -1 if UPLO.upper() == "L" else 1
    half = apply(part.op, (A,), {"diagonal": 0})
    return half + apply(part.op, (A,), {"diagonal": strict}).mT


@function(name="linalg.eigh", method=False, overrides=(np.linalg.eigh,), keywords={"a": "A"})
def eigh(A: Any, UPLO: Any = None) -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors of symmetric matrices: A = Q Λ Qᵀ.

    It reads the symmetric part (A + Aᵀ)/2, so that the derivative is symmetric:
    dA = Q (diag(dλ) + F ∘ Qᵀ dQ) Qᵀ with F[i, j] = 1 / (λⱼ − λᵢ) (Giles 2008). For equal
    eigenvalues the derivative of the eigenvectors is NaN; that of the eigenvalues exists.

    Args:
        A: (…, n, n).
        UPLO: "L" or "U" to read one triangle only, for matrices stored that way.

    Raises:
        ShapeError: what is not square; LinAlgError: no convergence, as with NaN.

    Example:
        >>> import tinygrad_course as tc
        >>> values, vectors = tc.linalg.eigh(tc.tensor([[2.0, 1.0], [1.0, 2.0]]))
        >>> values.round(decimals=4)
        tensor([1., 3.])
    """
    A = _symmetric("linalg.eigh", A, UPLO)
    q = apply(eigenvectors.op, (A,))
    return EighResult(apply(eigenvalues.op, (A, q)), q)


@function(
    name="linalg.eigvalsh", method=False, overrides=(np.linalg.eigvalsh,), keywords={"a": "A"}
)
def eigvalsh(A: Any, UPLO: Any = None) -> Any:
    """Eigenvalues of symmetric matrices, ascending (see `linalg.eigh`).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.eigvalsh(tc.tensor([[2.0, 1.0], [1.0, 2.0]])).round(decimals=4)
        tensor([1., 3.])
    """
    return eigh(A, UPLO).eigenvalues


# --- singular values and singular vectors -------------------------------------------------------


def _singular_vectors_rule(g: Any, y: Any, a: Any) -> Any:
    """J. Townsend, "Differentiating the singular value decomposition" (2016)."""
    m, n = np.shape(a)[-2:]
    u, v = y[..., :m, :], y[..., m:, :]
    gu, gv = g[..., :m, :], g[..., m:, :]
    s = singular_values.op(a, y)
    ku, kv = u.mT @ gu, v.mT @ gv
    gaps = _differences(s * s)
    columns, rows = s[..., None, :], s[..., :, None]
    inside = (ku - ku.mT) / gaps * columns + rows * ((kv - kv.mT) / gaps)
    da = u @ inside @ v.mT
    if m > n:
        da = da + ((gu - u @ ku) / columns) @ v.mT
    if n > m:
        da = da + u @ ((gv - v @ kv) / columns).mT
    return da


@op(
    kind="linalg",
    symbol="svd",
    numpy="singular_vectors",
    helper="""
def singular_vectors(a):
    # The singular vectors as columns, by descending singular value: u above v.
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, np.swapaxes(vh, -1, -2)], axis=-2)
""",
    public=False,
    quiet=True,
    da=_singular_vectors_rule,
)
def singular_vectors(a: Any) -> Any:
    """Left and right singular vectors [U; V] as columns, (…, m + n, k), by descending value."""
    u, _, vh = computed("linalg.svd", "", np.linalg.svd, a, full_matrices=False)
    return np.concatenate([u, vh.mT], axis=-2)


def _singular_values_rule(g: Any, a: Any, w: Any) -> Any:
    m = np.shape(a)[-2]
    return (w[..., :m, :] * g[..., None, :]) @ w[..., m:, :].mT


@op(
    kind="linalg",
    symbol="svd σ",
    numpy="singular_values",
    helper="""
def singular_values(a, w):
    # ‖A v‖ for each right singular vector v: the lower part of w.
    v = w[..., np.shape(a)[-2] :, :]
    return np.sqrt(np.sum((a @ v) ** 2, axis=-2) / np.sum(v * v, axis=-2))
""",
    public=False,
    da=_singular_values_rule,
)
def singular_values(a: Any, w: Any) -> Any:
    """Singular values σ = ‖A v‖ of singular vectors, where they are stationary; dA = Σ g u vᵀ."""
    v = w[..., np.shape(a)[-2] :, :]
    product = a @ v
    return np.sqrt(np.sum(product * product, axis=-2) / np.sum(v * v, axis=-2))


class SVDResult(NamedTuple):
    """What `linalg.svd` returns."""

    U: Any
    S: Any
    Vh: Any


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    V: Any


@function(name="linalg.svd", method=False, keywords={"a": "A"})
def linalg_svd(A: Any, full_matrices: bool = True, *, driver: Any = None) -> Any:
    """Singular value decomposition A = U diag(S) Vᵀ, as (U, S, Vh) with Vh = Vᵀ.

    The derivative is that of J. Townsend, "Differentiating the singular value decomposition"
    (2016): dA = U (F ∘ (Uᵀ dU − dUᵀ U) S + diag(dS) + S F ∘ (Vᵀ dV − dVᵀ V)) Vᵀ, F[i, j] =
    1 / (sⱼ² − sᵢ²), and for what is not square the parts beyond U or V. Where singular values are
    equal, or 0 in a matrix that is not square, the derivative of the vectors is NaN or infinite;
    that of the values exists.

    Args:
        A: (…, m, n).
        full_matrices: return square U and V. The vectors beyond min(m, n) are free, and have no
            derivative.
        driver: as PyTorch's, without effect.

    Raises:
        LinAlgError: no convergence, as with NaN.

    Example:
        >>> import tinygrad_course as tc
        >>> U, S, Vh = tc.linalg.svd(tc.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
        >>> U.shape, S.round(decimals=4).tolist(), Vh.shape
        ((3, 3), [4.0, 3.0], (2, 2))
    """
    matrices("linalg.svd", A)
    m, n = A.shape[-2:]
    w = apply(singular_vectors.op, (A,))
    s = apply(singular_values.op, (A, w))
    u, v = w[..., :m, :], w[..., m:, :]
    if full_matrices and m > n:
        u = cat([u, apply(complement.op, (u,))], -1)
    if full_matrices and n > m:
        v = cat([v, apply(complement.op, (v,))], -1)
    return SVDResult(u, s, v.mT)


@function()
def svd(x: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """Singular value decomposition as (U, S, V), A = U diag(S) Vᵀ; PyTorch's older form.

    `linalg.svd` returns Vᵀ, and square U and V by default.

    Example:
        >>> import tinygrad_course as tc
        >>> U, S, V = tc.svd(tc.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
        >>> U.shape, V.shape
        ((3, 2), (2, 2))
    """
    u, s, vh = linalg_svd(x, not some)
    if compute_uv:
        return SVD(u, s, vh.mT)
    return SVD(zeros_like(u), s, zeros_like(vh.mT))


@function(name="linalg.svdvals", method=False, keywords={"x": "A"})
def svdvals(A: Any, *, driver: Any = None) -> Any:
    """Singular values, descending; their derivative is dA = U diag(g) Vᵀ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linalg.svdvals(tc.tensor([[3.0, 0.0], [0.0, -4.0]])).round(decimals=4)
        tensor([4., 3.])
    """
    return linalg_svd(A, False).S


def _numpy_svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    found = linalg_svd(a, full_matrices)
    return found if compute_uv else found.S


NUMPY[np.linalg.qr] = _numpy_qr
NUMPY[np.linalg.svd] = _numpy_svd
NUMPY[np.linalg.svdvals] = svdvals

__all__ = ["cholesky", "eigh", "qr", "svd"]
