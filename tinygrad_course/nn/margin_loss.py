"""Losses that ask for a margin, as modules.

Each calls the function of the same meaning in `nn.functional`, where the equations are.
"""

from __future__ import annotations

from typing import Any

from . import margins as F
from .loss import Loss


class HingeEmbeddingLoss(Loss):
    """Hinge loss of distances: x where y = 1, max(0, Δ − x) where y = −1.

    See `functional.hinge_embedding_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.HingeEmbeddingLoss()(tc.tensor([0.5, 0.25]), tc.tensor([1, -1]))
        tensor(0.625)
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """Compare distances with labels −1 and 1 of the same shape."""
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """Logistic loss for labels −1 and 1: log(1 + exp(−y x)). See `functional.soft_margin_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.SoftMarginLoss()(tc.tensor([0.0]), tc.tensor([1]))
        tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """Compare scores with labels −1 and 1 of the same shape."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """Hinge loss of an order: max(0, −y (x₁ − x₂) + Δ). See `functional.margin_ranking_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MarginRankingLoss(margin=0.5)(tc.tensor([1.0]), tc.tensor([3.0]), tc.tensor([1]))
        tensor(2.5)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """Compare two scores with what their order is to be."""
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class CosineEmbeddingLoss(Loss):
    """Loss of the angle of two vectors: 1 − cos where y = 1, max(0, cos − Δ) where y = −1.

    See `functional.cosine_embedding_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> x1, x2 = tc.tensor([[1.0, 0.0]]), tc.tensor([[0.0, 2.0]])
        >>> nn.CosineEmbeddingLoss()(x1, x2, tc.tensor([1]))
        tensor(1.)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """Compare two vectors with a label −1 or 1."""
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(Loss):
    """Hinge loss of three vectors: max(0, d(a, p) − d(a, n) + Δ).

    See `functional.triplet_margin_loss`.

    Args:
        margin: Δ > 0.
        p: which norm of the difference is the distance.
        eps: added to the difference.
        swap: take d(p, n) instead of d(a, n) where it is smaller.
        reduction: ``mean``, ``sum`` or ``none``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> a, p, n = tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]), tc.tensor([[0.0, 2.0]])
        >>> nn.TripletMarginLoss()(a, p, n)
        tensor(4.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """Compare an anchor with a vector that is to be near and one that is not."""
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """Hinge loss of three with a distance of one's own: max(0, d(a, p) − d(a, n) + Δ).

    See `functional.triplet_margin_with_distance_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> def largest(x1, x2):
        ...     return (x1 - x2).abs().amax(-1)
        >>> a, p, n = tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]), tc.tensor([[0.0, 2.0]])
        >>> nn.TripletMarginWithDistanceLoss(distance_function=largest)(a, p, n)
        tensor(3.)
    """

    def __init__(
        self,
        *,
        distance_function: Any = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """Compare an anchor with what is to be near and what is not."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiMarginLoss(Loss):
    """Hinge loss of classes: (1/C) Σ_{c≠y} max(0, Δ − x_y + x_c)ᵖ.

    See `functional.multi_margin_loss`.

    Args:
        p: 1 or 2.
        margin: Δ.
        weight: one factor per class.
        reduction: ``mean``, ``sum`` or ``none``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MultiMarginLoss()(tc.tensor([[0.1, 0.2, 0.4, 0.8]]), tc.tensor([3]))
        tensor(0.325)
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.p = p
        self.margin = margin
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Compare scores with class numbers."""
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class MultiLabelMarginLoss(Loss):
    """Hinge loss of several right classes. See `functional.multilabel_margin_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MultiLabelMarginLoss()(tc.tensor([[0.1, 0.2, 0.4, 0.8]]), tc.tensor([[3, 0, -1, 1]]))
        tensor(0.85)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """Compare scores with class numbers, ended by −1."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """Logistic loss of each class, averaged over the classes.

    See `functional.multilabel_soft_margin_loss`.

    Args:
        weight: one factor per class.
        reduction: ``mean``, ``sum`` or ``none``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MultiLabelSoftMarginLoss()(tc.tensor([[0.0, 0.0]]), tc.tensor([[1, 0]]))
        tensor(0.6931)
    """

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Compare scores with labels 0 and 1 of the same shape."""
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )
