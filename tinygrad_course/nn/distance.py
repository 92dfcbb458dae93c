"""Distances and similarities as modules, for siamese networks and embeddings."""

from __future__ import annotations

from typing import Any

from ..ops import distance as ops
from ..tensor import Tensor
from .module import Module


class CosineSimilarity(Module):
    """Cosine of the angle between vectors along an axis.

    Args:
        dim: the axis along which a vector lies.
        eps: the smallest length to divide by.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.CosineSimilarity()(tc.tensor([[1.0, 0.0]]), tc.tensor([[3.0, 4.0]]))
        tensor([0.6])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Tensor:
        """Return the similarities."""
        return ops.cosine_similarity(x1, x2, self.dim, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class PairwiseDistance(Module):
    """Distance of each pair of vectors: ‖x₁ − x₂ + eps‖ₚ along the last axis.

    Args:
        p: which norm.
        eps: what is added to the difference.
        keepdim: keep the last axis with length 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.PairwiseDistance()(tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]))
        tensor([5.])
    """

    def __init__(self, p: Any = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Tensor:
        """Return the distances."""
        return ops.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the norm."""
        return f"p={self.norm}"
