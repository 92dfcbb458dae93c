"""Determinants: how much a matrix stretches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..tensor import apply
from .decomposition import singular_values, singular_vectors
from .define import function, op
from .diagonal import make_diagonal, take_diagonal
from .inverse import computed, inverse, matrices, per_matrix


@op(
    kind="linalg",
    symbol="det",
    text="det",
    latex=r"\det",
    numpy="np.linalg.det",
    overrides=(np.linalg.det,),
    also=("linalg.det",),
    keywords={"A": "a"},
    da=lambda g, a: per_matrix(g) * cofactor.op(a),  # type: ignore[has-type]  # below
)
def det(a: Any) -> Any:
    """Determinants of square matrices; dA is g times the cofactors, g |A| A⁻ᵀ (Giles 2008).

    The cofactors are computed without the inverse, so that the derivative is right for singular
    matrices too.

    Args:
        a: (…, n, n).

    Raises:
        ShapeError: what is not square.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)  # singular
        >>> tc.det(A).backward()
        >>> A.grad.round(decimals=5)
        tensor([[ 4., -2.],
                [-2.,  1.]])
    """
    return computed("det", "", np.linalg.det, a)


def _cofactor_rule(g: Any, a: Any) -> Any:
    """Return the adjoint of the derivative of cof(A), a sum over the minors without two rows.

    In the bases of A = U S Vᵀ, the cofactors of S + M change by Σₖ Mₖₖ pᵢₖ on the diagonal and by
    −Mⱼᵢ pᵢⱼ beside it, where pᵢⱼ is the product of the singular values other than i and j.
    """
    n = np.shape(a)[-1]
    k = np.arange(n)
    w = singular_vectors.op(a)
    s = singular_values.op(a, w)
    u, v = w[..., :n, :], w[..., n:, :]
    others = (k != k[:, None, None]) & (k != k[:, None])
    p = np.prod(np.where(others, s[..., None, None, :], 1), axis=-1)
    p = p * (k != k[:, None])
    h = u.mT @ g @ v
    axes = {"offset": 0, "dim1": np.ndim(a) - 2, "dim2": np.ndim(a) - 1}
    column = take_diagonal.op(h, **axes)[..., None]
    m = make_diagonal.op((p @ column)[..., 0], **axes) - p * h.mT
    return per_matrix(det_sign.op(u @ v.mT)) * (u @ m @ v.mT)


@op(
    kind="linalg",
    symbol="cof",
    text="cof",
    latex=r"\mathrm{{cof}}",
    numpy="cofactor",
    helper="""
def cofactor(a):
    # det(a) * inv(a).T, for singular matrices too: each singular value becomes the product of the
    # others, and the sign is that of the rotations.
    u, s, vh = np.linalg.svd(a)
    k = np.arange(np.shape(a)[-1])
    others = np.prod(np.where(k == k[:, None], 1, s[..., None, :]), axis=-1)
    sign = np.linalg.slogdet(u @ vh)[0]
    return sign[..., None, None] * ((u * others[..., None, :]) @ vh)
""",
    public=False,
    da=_cofactor_rule,
)
def cofactor(a: Any) -> Any:
    """Matrix of cofactors, det(A) A⁻ᵀ where A has an inverse: the derivative of det(A)."""
    u, s, vh = computed("det", "", np.linalg.svd, a)
    k = np.arange(np.shape(a)[-1])
    others = np.prod(np.where(k == k[:, None], s.dtype.type(1), s[..., None, :]), axis=-1)
    sign = np.asarray(np.linalg.slogdet(u @ vh)[0])
    return sign[..., None, None] * ((u * others[..., None, :]) @ vh)


@op(
    kind="linalg",
    symbol="log|det|",
    latex=r"\log\left|\det\left({a}\right)\right|",
    numpy="np.linalg.slogdet({a})[1]",
    public=False,
    da=lambda g, a: per_matrix(g) * inverse.op(a.mT),
)
def logabsdet(a: Any) -> Any:
    """Logarithm of the absolute determinant, with dA = g A⁻ᵀ; it does not overflow as det does."""
    return computed("slogdet", "", np.linalg.slogdet, a)[1]


@op(
    kind="linalg",
    symbol="sign det",
    latex=r"\mathrm{{sign}}\left(\det\left({a}\right)\right)",
    numpy="np.linalg.slogdet({a})[0]",
    public=False,
)
def det_sign(a: Any) -> Any:
    """Sign of the determinant, or 0; no derivative."""
    return computed("slogdet", "", np.linalg.slogdet, a)[0]


class SlogdetResult(NamedTuple):
    """The pair that `slogdet` returns."""

    sign: Any
    logabsdet: Any


@function(also=("linalg.slogdet",), overrides=(np.linalg.slogdet,), keywords={"A": "a"})
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the absolute determinant, as a pair (sign, logabsdet).

    The derivative of the logarithm is A⁻ᵀ (Magnus & Neudecker 1988); the sign has none. For a
    singular matrix the pair is (0, −inf), and a derivative is refused.

    Args:
        a: (…, n, n).

    Raises:
        ShapeError: what is not square.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.slogdet(tc.tensor([[0.0, 1.0], [1.0, 0.0]]))
        SlogdetResult(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    matrices("slogdet", a, square=True)
    return SlogdetResult(apply(det_sign.op, (a,)), apply(logabsdet.op, (a,)))


@op(
    kind="linalg",
    symbol="log det",
    latex=r"\log\left(\det\left({a}\right)\right)",
    numpy="logdet",
    helper="""
def logdet(a):
    # The logarithm of the determinant, which may overflow itself; NaN where it is negative.
    sign, y = np.linalg.slogdet(a)
    return np.where(sign < 0, np.nan, y)
""",
    da=lambda g, a: per_matrix(g) * inverse.op(a.mT),
)
def logdet(a: Any) -> Any:
    """Logarithm of the determinant, with dA = g A⁻ᵀ; −inf where det is 0, NaN where it is < 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logdet(tc.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor(1.7918)
    """
    sign, y = computed("logdet", "", np.linalg.slogdet, a)
    return np.where(sign < 0, y.dtype.type(np.nan), y)


__all__ = ["det", "logdet", "slogdet"]
