"""Batch and instance normalisation, with PyTorch's arguments and buffers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import errors
from ..creation import check_device
from ..inplace import set_state
from ..node import RECORD_GRAD, recording
from ..tensor import Tensor, as_input, default_dtype
from .dense import check_count
from .module import Module
from .norm import affine
from .normalise import (
    by_batch,
    by_instance,
    by_running,
    channel_axes,
    follow,
    names_for,
    per_channel,
)
from .parameter import Parameter


class _Tracking(Module):
    """What the layers with running statistics share: parameters, buffers and options."""

    symbols = {"weight": "γ", "bias": "β"}

    # Numbers of axes of an input, and how a message writes them after C.
    axes: ClassVar[dict[int, str]]

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        wanted: bool,
        track_running_stats: bool,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.num_features = check_count(type(self).__name__, "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = wanted
        self.track_running_stats = track_running_stats
        shape = (self.num_features,)
        affine(self, shape, wanted, wanted, dtype)
        if track_running_stats:
            kind = default_dtype() if dtype is None else np.dtype(dtype)
            self.register_buffer("running_mean", np.zeros(shape, kind))
            self.register_buffer("running_var", np.ones(shape, kind))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)

    def _checked(self, x: Tensor, channels: int = 1) -> None:
        """Refuse an input with other axes or channels."""
        if x.ndim not in self.axes or x.shape[channels] != self.num_features:
            C = self.num_features
            expected = " or ".join(text.format(C=C) for text in self.axes.values())
            raise errors.ShapeError(
                f"{type(self).__name__}: got an input of shape {x.shape}, expected {expected}."
            )

    def _follow(self, x: Tensor, axes: tuple[int, ...], average: Any, variance: Any) -> None:
        """Move the running statistics towards those of a batch, and count it."""
        if self.running_mean is None or self.running_var is None:
            return
        token = recording.set(recording.get() & ~RECORD_GRAD)
        try:
            batches: Any = self.num_batches_tracked
            counted: Any = batches + 1
            part: Any = 1.0 / counted if self.momentum is None else self.momentum
            set_state(batches, counted)
        finally:
            recording.reset(token)
        follow(x, axes, (self.running_mean, self.running_var), (average, variance), part)

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        if self.affine != self._usual:
            text += f", affine={self.affine}"
        if self.track_running_stats != self._usual:
            text += f", track_running_stats={self.track_running_stats}"
        return text

    # What `affine` and `track_running_stats` are by default.
    _usual: ClassVar[bool]


class _BatchNorm(_Tracking):
    """Batch normalisation for any number of axes; see `BatchNorm1d`."""

    _usual = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> Tensor:
        """Normalise over the batch, or with the running statistics."""
        x = as_input(x)
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            self._checked(x)
        names = names_for(x, self.weight)
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None and var is not None:
            y: Tensor = by_running(x, mean, var, self.weight, self.bias, self.eps, names)
            return y
        least = 2 if self.training else 1
        y, average, variance = by_batch(type(self).__name__, x, self.eps, names, least)
        if self.training:
            self._follow(x, channel_axes(x), average, variance)
        return per_channel(y, self.weight, self.bias, names)  # type: ignore[no-any-return]


class BatchNorm1d(_BatchNorm):
    """Each feature at mean 0 and variance 1 over the batch: y = γ (x − μ) / √(σ² + ε) + β.

    Training uses the batch's mean and population variance, and moves the running statistics by
    (1 − momentum) old + momentum new, where the new variance is the unbiased one. Evaluation uses
    the running statistics.

    Args:
        num_features: C, for inputs (m, C) or (m, C, L).
        eps: ε, for constant features.
        momentum: how fast the running statistics follow; None averages over all batches.
        affine: False leaves γ and β out.
        track_running_stats: False uses the batch's statistics in evaluation too.
        dtype: a float dtype.

    Attributes:
        weight, bias: γ, started at 1, and β, started at 0.
        running_mean, running_var, num_batches_tracked: buffers.

    Raises:
        ShapeError: when called: another shape, or a training batch of one value per feature.

    Source:
        Ioffe, Szegedy 2015, arXiv:1502.03167.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> norm = nn.BatchNorm1d(1)
        >>> print(norm(tc.tensor([[1.0], [3.0]])).numpy().round(3).T)
        [[-1.  1.]]
        >>> print(norm.running_mean.numpy(), norm.running_var.numpy())
        [0.2] [1.1]
    """

    axes = {2: "(m, {C})", 3: "(m, {C}, L)"}


class BatchNorm2d(_BatchNorm):
    """Each channel of images at mean 0 and variance 1, over the batch and all places.

    As `BatchNorm1d`, for inputs (m, C, H, W).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> norm = nn.BatchNorm2d(3)
        >>> norm(tc.rand(5, 3, 4, 4)).shape, norm.weight.shape
        ((5, 3, 4, 4), (3,))
    """

    axes = {4: "(m, {C}, H, W)"}


class BatchNorm3d(_BatchNorm):
    """Each channel of volumes at mean 0 and variance 1, over the batch and all places.

    As `BatchNorm1d`, for inputs (m, C, D, H, W).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.BatchNorm3d(3)(tc.rand(5, 3, 2, 4, 4)).shape
        (5, 3, 2, 4, 4)
    """

    axes = {5: "(m, {C}, D, H, W)"}


class _InstanceNorm(_Tracking):
    """Instance normalisation for any number of axes; see `InstanceNorm2d`."""

    _usual = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> Tensor:
        """Normalise each channel of each example; or with the running statistics, if tracked."""
        x = as_input(x)
        single = x.ndim == min(self.axes)
        self._checked(x, 0 if single else 1)
        if single:
            x = x.unsqueeze(0)
        names = names_for(x, self.weight)
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None and var is not None:
            y = by_running(x, mean, var, self.weight, self.bias, self.eps, names)
        else:
            y, average, variance = by_instance(type(self).__name__, x, self.eps, names)
            self._follow(x, tuple(range(2, x.ndim)), average, variance)
            y = per_channel(y, self.weight, self.bias, names)
        return y[0] if single else y  # type: ignore[no-any-return]


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each example at mean 0 and variance 1, over its places.

    As `InstanceNorm2d`, for inputs (m, C, L) or (C, L).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> print(nn.InstanceNorm1d(1)(tc.tensor([[[1.0, 3.0]]])).numpy().round(3))
        [[[-1.  1.]]]
    """

    axes = {2: "({C}, L)", 3: "(m, {C}, L)"}


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image at mean 0 and variance 1: y = γ (x − μ) / √(σ² + ε) + β.

    Args:
        num_features: C, for inputs (m, C, H, W) or (C, H, W).
        eps: ε, for constant channels.
        momentum: how fast the running statistics follow; None averages over all batches.
        affine: True has γ and β.
        track_running_stats: True keeps running statistics, and uses them in evaluation.
        dtype: a float dtype.

    Raises:
        ShapeError: when called: another shape, or channels of one value.

    Source:
        Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.InstanceNorm2d(3)(tc.rand(5, 3, 4, 4)).shape
        (5, 3, 4, 4)
    """

    axes = {3: "({C}, H, W)", 4: "(m, {C}, H, W)"}


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each volume at mean 0 and variance 1, over its places.

    As `InstanceNorm2d`, for inputs (m, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.InstanceNorm3d(3)(tc.rand(5, 3, 2, 4, 4)).shape
        (5, 3, 2, 4, 4)
    """

    axes = {4: "({C}, D, H, W)", 5: "(m, {C}, D, H, W)"}


__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]
