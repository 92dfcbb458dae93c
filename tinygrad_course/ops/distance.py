"""Distances and similarities of vectors along an axis, and vectors of length 1.

Where two points coincide, a distance has no derivative; it is set to 0 there, as in PyTorch (0 lies
between all the slopes of the cone).
"""

from __future__ import annotations

from typing import Any

from .. import errors
from ..tensor import Tensor, as_tensor
from .define import function
from .reduce import norm, sum


@function()
def normalize(x: Any, p: Any = 2.0, axis: Any = 1, eps: float = 1e-12) -> Any:
    """Divide vectors by their length: y = x / max(‖x‖ₚ, eps).

    Args:
        x: the vectors.
        p: which norm, see `norm`.
        axis: the axis along which a vector lies (PyTorch's ``dim``).
        eps: the smallest divisor, so that a vector of zeros stays one.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.normalize(tc.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6, 0.8],
                [0. , 0. ]])
    """
    return x / norm(x, p, axis, True).clamp(min=eps)


@function()
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    """Cosine of the angle between vectors: y = x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)).

    Args:
        x1: vectors.
        x2: vectors, of a shape that broadcasts with x1.
        axis: the axis along which a vector lies (PyTorch's ``dim``).
        eps: the smallest divisor; with a vector of zeros, y is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cosine_similarity(tc.tensor([[1.0, 0.0]]), tc.tensor([[3.0, 4.0]]))
        tensor([0.6])
    """
    return sum(normalize(x1, 2, axis, eps) * normalize(x2, 2, axis, eps), axis)


@function()
def pairwise_distance(
    x1: Any, x2: Any, p: Any = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Any:
    """Distance of each pair of vectors: y = ‖x₁ − x₂ + eps‖ₚ along the last axis.

    PyTorch adds eps so that equal vectors are a little apart; eps=0 leaves it out.

    Args:
        x1: vectors, (m, n) or (n,).
        x2: vectors, of a shape that broadcasts with x1.
        p: which norm, see `norm`.
        eps: what is added to the difference.
        keepdims: keep the last axis with length 1 (PyTorch's ``keepdim``).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.pairwise_distance(tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]))
        tensor([5.])
    """
    difference = x1 - x2
    return norm(difference + eps if eps else difference, p, -1, keepdims)


@function()
def cdist(x1: Any, x2: Any, p: Any = 2.0, compute_mode: str | None = None) -> Any:
    """Distances of all pairs: yᵢⱼ = ‖x₁ᵢ − x₂ⱼ‖ₚ.

    The differences are computed as such, (P, R, n) numbers; PyTorch's shortcut by a matrix product,
    which loses digits of small distances, is not taken.

    Args:
        x1: P vectors, (…, P, n).
        x2: R vectors, (…, R, n).
        p: which norm, see `norm`; 0 counts the entries that differ.
        compute_mode: accepted as in PyTorch, without effect.

    Returns:
        Distances, (…, P, R).

    Raises:
        ShapeError: inputs that are no matrices, or vectors of unequal lengths.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cdist(tc.tensor([[0.0, 0.0], [3.0, 0.0]]), tc.tensor([[3.0, 4.0]]))
        tensor([[5.],
                [4.]])
    """
    b: Tensor = as_tensor(x2)
    if x1.ndim < 2 or b.ndim < 2 or x1.shape[-1] != b.shape[-1]:
        raise errors.ShapeError(
            f"cdist: x1 has shape {x1.shape}, x2 {b.shape}; they must be (…, P, n) and (…, R, n), "
            "with vectors of one length n as rows."
        )
    difference = x1.unsqueeze(-2) - b.unsqueeze(-3)
    if p == 0:
        return sum(difference != 0, -1).to(difference.dtype)
    return norm(difference, p, -1)


__all__ = ["cdist", "cosine_similarity", "normalize", "pairwise_distance"]
