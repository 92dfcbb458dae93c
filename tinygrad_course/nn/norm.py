"""Normalisation: features brought to mean 0 and variance 1.

`Normalization` takes the statistics of a data set once (`adapt`), as the coffee lab does;
`LayerNorm`, `RMSNorm` and `GroupNorm` those of each example. Those of each batch, which are
remembered for evaluation, are in `batch_norm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..creation import check_device
from ..ops.compare import maximum
from ..ops.elementwise import sqrt
from ..ops.shape import axis_of
from ..tensor import Tensor, as_input, default_dtype, wrap
from . import init
from .dense import check_count
from .module import Module
from .normalise import (
    by_groups,
    by_root_mean_square,
    last_axes,
    names_for,
    over_last,
)
from .parameter import Parameter


class Normalization(Module):
    """Features at mean 0 and variance 1 over a data set: y = (x − μ) / σ, as Keras's layer.

    Call ``adapt(X)`` with the training data first. The variance is the population's (divided by m).

    Args:
        axis: the axis that counts features: −1 for examples in rows, 0 for examples in columns.

    Attributes:
        mean, variance: buffers, set by `adapt` or from a state dict.

    Raises:
        ModuleError: when called before `adapt`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> X = tc.tensor([[1.0, 10.0], [3.0, 30.0]])
        >>> norm = nn.Normalization()
        >>> norm.adapt(X)
        >>> norm(X).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
    """

    filled_by_state = frozenset({"mean", "variance"})
    # Keras's epsilon: a constant feature gives 0, not 0/0.
    _least = 1e-7

    mean: Tensor | None
    variance: Tensor | None

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("mean", None)
        self.register_buffer("variance", None)

    def adapt(self, data: Any) -> None:
        """Take mean and variance of each feature from `data`.

        Args:
            data: a tensor or array with the features along `axis`.

        Raises:
            ShapeError: no examples, or no such axis; ArgumentError: NaN or infinite data.
        """
        tensor = data if isinstance(data, Tensor) else Tensor(data)
        X = tensor.numpy()
        place = axis_of(self.axis, X.ndim, "Normalization.adapt")
        if X.ndim < 2 or not X.size:
            raise errors.ShapeError(
                f"Normalization.adapt: got shape {X.shape}, expected examples and features, such "
                "as (m, n). Reshape a single feature with X.reshape(-1, 1)."
            )
        if not np.isfinite(X).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(X))[0])
            raise errors.ArgumentError(
                f"Normalization.adapt: the value at index {index} is {X[index]}. Drop or fill in "
                "such examples first."
            )
        others = tuple(a for a in range(X.ndim) if a != place)
        wide = X.astype(np.float64)
        # Leading axes of length 1 are left out, so that the statistics fit any number of them.
        shape = X.shape[place : place + 1] + (1,) * (X.ndim - 1 - place)
        dtype = X.dtype if X.dtype.kind == "f" else default_dtype()
        self.mean = wrap(wide.mean(axis=others).reshape(shape).astype(dtype))
        self.variance = wrap(wide.var(axis=others).reshape(shape).astype(dtype))

    def forward(self, x: Any) -> Tensor:
        """Subtract the mean and divide by the standard deviation."""
        if self.mean is None or self.variance is None:
            raise errors.ModuleError(
                "Normalization: has no statistics yet. Call adapt(X) with the training data first, "
                "or load a state dict."
            )
        x = as_input(x)
        features = max(self.mean.shape, default=1)
        if x.ndim < self.mean.ndim or x.shape[-self.mean.ndim] != features:
            raise errors.ShapeError(
                f"Normalization: got an input of shape {x.shape}, expected {features} features "
                f"along axis {self.axis}, as in the data given to adapt."
            )
        mean, variance = self.mean, self.variance
        if x.dtype.kind == "f":  # float32 data stays float32, whatever adapt was given
            mean, variance = mean.to(x.dtype), variance.to(x.dtype)
        y: Any = (x - mean) / maximum(sqrt(variance), self._least)
        return y  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"axis={self.axis}"


class LayerNorm(Module):
    """Each example at mean 0 and variance 1: y = γ (x − μ) / √(σ² + ε) + β over the last axes.

    Args:
        normalized_shape: lengths of the last axes, over which μ and σ² are taken.
        eps: ε, for constant examples.
        elementwise_affine: False leaves γ and β out.
        bias: False leaves β out.
        dtype: a float dtype.

    Attributes:
        weight, bias: γ, started at 1, and β, started at 0.

    Raises:
        ShapeError: when called: an input that does not end in `normalized_shape`.

    Source:
        Ba, Kiros, Hinton 2016, arXiv:1607.06450.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> print(nn.LayerNorm(2)(tc.tensor([[1.0, 3.0]])).numpy().round(3))
        [[-1.  1.]]
    """

    symbols = {"weight": "γ", "bias": "β"}

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        super().__init__()
        self.normalized_shape = _lengths("LayerNorm", normalized_shape)
        self.eps = eps
        affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, x: Any) -> Tensor:
        """Normalise over the last axes."""
        x, axes = last_axes("LayerNorm", x, self.normalized_shape)
        names = names_for(x, self.weight)
        y: Tensor = over_last(x, axes, self.weight, self.bias, self.eps, names)
        return y

    def extra_repr(self) -> str:
        """Return shape and ε."""
        return f"{self.normalized_shape}, eps={self.eps}"


class RMSNorm(Module):
    """Each example at root mean square 1: y = γ x / √(mean(x²) + ε) over the last axes.

    Args:
        normalized_shape: lengths of the last axes, over which the mean is taken.
        eps: ε; None takes the distance from 1 to the next number of x's dtype.
        elementwise_affine: False leaves γ out.
        device: only the CPU.
        dtype: a float dtype.

    Attributes:
        weight: γ, started at 1.

    Raises:
        ShapeError: when called: an input that does not end in `normalized_shape`.

    Source:
        Zhang, Sennrich 2019, arXiv:1910.07467.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> print(nn.RMSNorm(2)(tc.tensor([[1.0, 7.0]])).numpy().round(3))
        [[0.2 1.4]]
    """

    symbols = {"weight": "γ"}

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_device(device)
        super().__init__()
        self.normalized_shape = _lengths("RMSNorm", normalized_shape)
        self.eps = eps
        affine(self, self.normalized_shape, elementwise_affine, None, dtype)

    def forward(self, x: Any) -> Tensor:
        """Divide by the root mean square over the last axes."""
        x, axes = last_axes("RMSNorm", x, self.normalized_shape)
        names = names_for(x, self.weight)
        y: Tensor = by_root_mean_square(x, axes, self.weight, self.eps, names)
        return y

    def extra_repr(self) -> str:
        """Return shape and ε."""
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Groups of channels of each example at mean 0 and variance 1: y = γ (x − μ) / √(σ² + ε) + β.

    Args:
        num_groups: G; a group is C / G channels, with all their places.
        num_channels: C, for inputs (m, C, …). γ and β belong to channels.
        eps: ε, for constant groups.
        affine: False leaves γ and β out.
        device: only the CPU.
        dtype: a float dtype.
        bias: False leaves β out.

    Raises:
        ArgumentError: G does not divide C; ShapeError: when called: another number of channels.

    Source:
        Wu, He 2018, arXiv:1803.08494.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> print(nn.GroupNorm(2, 4)(tc.tensor([[1.0, 3.0, 10.0, 30.0]])).numpy().round(3))
        [[-1.  1. -1.  1.]]
    """

    symbols = {"weight": "γ", "bias": "β"}

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = check_count("GroupNorm", "num_groups", num_groups)
        self.num_channels = check_count("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise errors.ArgumentError(
                f"GroupNorm: got num_groups={num_groups} for num_channels={num_channels}, expected "
                "a divisor: groups have equally many channels."
            )
        self.eps = eps
        self.affine = affine
        _register(self, (self.num_channels,), affine, affine and bias, dtype)

    def forward(self, x: Any) -> Tensor:
        """Normalise each group."""
        x = as_input(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise errors.ShapeError(
                f"GroupNorm: got an input of shape {x.shape}, expected (m, {self.num_channels}, …)."
            )
        names = names_for(x, self.weight)
        y: Tensor = by_groups(x, self.num_groups, self.weight, self.bias, self.eps, names)
        return y

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}"
        return text if self.affine else f"{text}, affine=False"


def _lengths(layer: str, shape: Any) -> tuple[int, ...]:
    """Return normalized_shape as a tuple."""
    many = isinstance(shape, (tuple, list))
    return tuple(check_count(layer, "a length", n) for n in (shape if many else (shape,)))


def affine(
    module: Module, shape: tuple[int, ...], weight: bool, bias: bool | None, dtype: Any
) -> None:
    """Register γ = 1 and β = 0, or keep their places empty; no place for β where `bias` is None."""
    for name, wanted, fill in (("weight", weight, init.ones_), ("bias", bias, init.zeros_)):
        if wanted is None:
            continue
        parameter = init.new(shape, dtype) if wanted else None
        if parameter is not None:
            fill(parameter)
        module.register_parameter(name, parameter)


_register = affine  # where a parameter is called affine
