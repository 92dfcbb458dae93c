"""Losses as modules: a reduction chosen once, then called with predictions and labels.

Each calls the function of the same meaning in `nn.functional`, where the equations are.
"""

from __future__ import annotations

from typing import Any

from . import densities as D
from . import losses as F
from .module import Module


class Loss(Module):
    """Base class of the losses: holds the reduction."""

    reductions: tuple[str, ...] = F.REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(type(self).__name__, reduction, self.reductions)

    def extra_repr(self) -> str:
        """Return the reduction, unless it is the mean."""
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """Mean squared error: J = (1/m) Σ (a − y)². See `functional.mse_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MSELoss()(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """Compare predictions with labels of the same shape."""
        return F.mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """Mean absolute error: J = (1/m) Σ |a − y|. See `functional.l1_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.L1Loss()(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 4.0]))
        tensor(1.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """Compare predictions with labels of the same shape."""
        return F.l1_loss(input, target, self.reduction)


class HuberLoss(Loss):
    """Huber loss: quadratic up to δ, linear beyond. See `functional.huber_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.HuberLoss(reduction="none")(tc.tensor([1.0, 3.0]), tc.tensor([0.0, 0.0]))
        tensor([0.5, 2.5])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """Compare predictions with labels of the same shape."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(Loss):
    """Smooth L1 loss: the Huber loss divided by β. See `functional.smooth_l1_loss`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.SmoothL1Loss(reduction="none")(tc.tensor([1.0, 3.0]), tc.tensor([0.0, 0.0]))
        tensor([0.5, 2.5])
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """Compare predictions with labels of the same shape."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: J = −(1/m) Σ (y log a + (1 − y) log(1 − a)).

    See `functional.binary_cross_entropy`.

    Args:
        weight: factors of the losses.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: when called: shapes that differ, such as (n,) and (n, 1).
        ArgumentError: when called: a label or probability that is NaN or outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.BCELoss()(tc.tensor([0.5]), tc.tensor([1.0]))
        tensor(0.6931)
    """

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Compare probabilities with labels of the same shape."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of σ(z), from the logits z; finite for every z.

    See `functional.binary_cross_entropy_with_logits`.

    Args:
        weight: factors of the losses.
        reduction: ``mean``, ``sum`` or ``none``.
        pos_weight: factor of the part y log a.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.BCEWithLogitsLoss()(tc.tensor([0.0]), tc.tensor([1.0]))
        tensor(0.6931)
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Compare logits with labels of the same shape."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class CrossEntropyLoss(Loss):
    """Softmax cross-entropy of logits with class numbers or probabilities.

    See `functional.cross_entropy`.

    Args:
        weight: one factor per class.
        ignore_index: a class number that does not count.
        reduction: ``mean``, ``sum`` or ``none``.
        label_smoothing: the part of each label spread evenly over all classes.
        dim: the class axis; by default 1. With examples in columns it is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.CrossEntropyLoss()(tc.tensor([[2.0, 0.0, 0.0]]), tc.tensor([0]))
        tensor(0.2395)
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        dim: int | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.dim = dim

    def forward(self, input: Any, target: Any) -> Any:
        """Compare logits with class numbers or probabilities."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            self.ignore_index,
            self.reduction,
            self.label_smoothing,
            self.dim,
        )


class NLLLoss(Loss):
    """Negative log-likelihood, from log-probabilities. See `functional.nll_loss`.

    Args:
        weight: one factor per class.
        ignore_index: a class number that does not count.
        reduction: ``mean``, ``sum`` or ``none``.
        dim: the class axis; by default 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> logp = nn.LogSoftmax(dim=1)(tc.tensor([[2.0, 0.0, 0.0]]))
        >>> nn.NLLLoss()(logp, tc.tensor([0]))
        tensor(0.2395)
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        dim: int | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.dim = dim

    def forward(self, input: Any, target: Any) -> Any:
        """Compare log-probabilities with class numbers."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction, self.dim)


class KLDivLoss(Loss):
    """Kullback-Leibler divergence: J = (1/…) Σ p (log p − log q). See `functional.kl_div`.

    Args:
        reduction: ``batchmean`` (the divergence), ``mean``, ``sum`` or ``none``.
        log_target: True when the targets are log p.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> q = tc.tensor([[0.5, 0.5]])
        >>> nn.KLDivLoss(reduction="batchmean")(q.log(), tc.tensor([[0.75, 0.25]]))
        tensor(0.1308)
    """

    reductions = (*F.REDUCTIONS, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """Compare log q with p of the same shape."""
        return D.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class PoissonNLLLoss(Loss):
    """Negative log-likelihood of counts: λ − y log λ. See `functional.poisson_nll_loss`.

    Args:
        log_input: True when the inputs are log λ.
        full: add Stirling's approximation of log y!.
        eps: keeps a logarithm from 0.
        reduction: ``mean``, ``sum`` or ``none``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.PoissonNLLLoss()(tc.tensor([0.0]), tc.tensor([2.0]))
        tensor(1.)
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any) -> Any:
        """Compare log λ with counts of the same shape."""
        return D.poisson_nll_loss(
            input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(Loss):
    """Negative log-likelihood under normal distributions: ½ (log σ² + (y − μ)² / σ²).

    See `functional.gaussian_nll_loss`.

    Args:
        full: add ½ log 2π.
        eps: variances below are taken as ε.
        reduction: ``mean``, ``sum`` or ``none``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.GaussianNLLLoss()(tc.tensor([0.0]), tc.tensor([2.0]), tc.tensor([4.0]))
        tensor(1.1931)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """Compare means and variances with labels."""
        return D.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )
