"""Normalisation: features brought to mean 0 and variance 1.

`Normalization` takes the statistics of a data set once (`adapt`), as the coffee lab does;
`LayerNorm` those of each example; `BatchNorm1d` those of each batch, and remembers them for
evaluation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .. import errors
from ..inplace import set_state
from ..node import RECORD_GRAD, recording
from ..ops.compare import maximum
from ..ops.elementwise import sqrt
from ..ops.reduce import count, mean
from ..ops.shape import axis_of
from ..tensor import Tensor, apply, default_dtype, wrap
from . import init
from .dense import check_count
from .module import Module
from .numbering import NUMBERED
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
        x = x if isinstance(x, Tensor) else Tensor(x)
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
        dtype: Any = None,
    ) -> None:
        super().__init__()
        many = isinstance(normalized_shape, (tuple, list))
        shape = normalized_shape if many else (normalized_shape,)
        self.normalized_shape = tuple(check_count("LayerNorm", "a length", n) for n in shape)
        self.eps = eps
        _affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, x: Any) -> Tensor:
        """Normalise over the last axes."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        n = len(self.normalized_shape)
        if x.shape[max(0, x.ndim - n) :] != self.normalized_shape:
            raise errors.ShapeError(
                f"LayerNorm: got an input of shape {x.shape}, expected it to end in "
                f"{self.normalized_shape}."
            )
        axes = tuple(range(x.ndim - n, x.ndim))
        names = _names_for(x, self.weight)
        y, _, _ = _standardise(x, axes, self.eps, names)
        if self.weight is not None:
            y = y * self.weight
        if self.bias is not None:
            y = y + self.bias
        if self.weight is not None or self.bias is not None:
            _called(y, names, 4)
        return y  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return shape and ε."""
        return f"{self.normalized_shape}, eps={self.eps}"


class BatchNorm1d(Module):
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

    symbols = {"weight": "γ", "bias": "β"}

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        num_features = check_count("BatchNorm1d", "num_features", num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        _affine(self, (num_features,), affine, affine, dtype)
        if track_running_stats:
            kind = default_dtype() if dtype is None else np.dtype(dtype)
            self.register_buffer("running_mean", np.zeros(num_features, kind))
            self.register_buffer("running_var", np.ones(num_features, kind))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)

    def forward(self, x: Any) -> Tensor:
        """Normalise over the batch, or with the running statistics."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise errors.ShapeError(
                f"BatchNorm1d: got an input of shape {x.shape}, expected (m, {self.num_features}) "
                f"or (m, {self.num_features}, L)."
            )
        shape = (self.num_features, 1)[: x.ndim - 1]
        names = _names_for(x, self.weight)
        if self.training or self.running_mean is None or self.running_var is None:
            y = self._by_batch(x, names)
        else:
            average: Any = _shaped(self.running_mean, shape)
            deviation: Any = sqrt(_shaped(self.running_var, shape) + self.eps)
            if names is not None:
                average.name, deviation.name = names[5:]
            y = _called((x - average) / deviation, names, 3)
        if self.weight is not None and self.bias is not None:
            y = y * _shaped(self.weight, shape) + _shaped(self.bias, shape)
            _called(y, names, 4)
        return y  # type: ignore[no-any-return]

    def _by_batch(self, x: Tensor, names: Names) -> Any:
        """Normalise by the batch's statistics, and let the running ones follow."""
        axes = (0, 2)[: x.ndim - 1]
        m = x._data.size // max(1, self.num_features)
        if m == 0 or (self.training and m == 1):
            raise errors.ShapeError(
                f"BatchNorm1d: got a training batch of shape {x.shape}, with {m} values per "
                "feature; a variance needs two. Use a larger batch (drop_last=True in the "
                "DataLoader), or call model.eval() to predict."
            )
        y, average, variance = _standardise(x, axes, self.eps, names)
        if self.training and self.running_mean is not None:
            self._follow(x, average, variance, axes)
        return y

    def _follow(self, x: Tensor, average: Any, variance: Any, axes: tuple[int, ...]) -> None:
        """Move the running statistics towards the batch's, in place."""
        running_mean: Any = self.running_mean
        running_var: Any = self.running_var
        batches: Any = self.num_batches_tracked
        # Without a gradient; but recorded when everything is.
        token = recording.set(recording.get() & ~RECORD_GRAD)
        try:
            counted = batches + 1
            part: Any = 1.0 / counted if self.momentum is None else self.momentum
            m: Any = apply(count.op, (x,), {"axis": axes})
            unbiased = variance * (m / (m - 1))
            set_state(batches, counted)
            for running, new in ((running_mean, average), (running_var, unbiased)):
                set_state(running, running * (1 - part) + new.reshape(running.shape) * part)
        finally:
            recording.reset(token)

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        if not self.affine:
            text += ", affine=False"
        return text if self.track_running_stats else text + ", track_running_stats=False"


def _affine(module: Module, shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any) -> None:
    """Register γ = 1 and β = 0, or keep their places empty."""
    for name, wanted, fill in (("weight", weight, init.ones_), ("bias", bias, init.zeros_)):
        parameter = init.new(shape, dtype) if wanted else None
        if parameter is not None:
            fill(parameter)
        module.register_parameter(name, parameter)


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Any:
    """Return a vector over features in a shape that broadcasts over the batch."""
    y: Any = x
    return y if len(shape) == 1 else y.reshape(shape)


def _standardise(x: Any, axes: tuple[int, ...], eps: float, names: Names) -> tuple[Any, Any, Any]:
    """Return (x − μ) / √(σ² + ε) over `axes`, with μ and the population variance σ²."""
    params = {"axis": axes, "keepdims": True}
    average: Any = _called(apply(mean.op, (x,), params), names, 0)
    centred = x - average
    variance: Any = _called(apply(mean.op, (centred * centred,), params), names, 1)
    deviation = _called(sqrt(variance + eps), names, 2)
    return _called(centred / deviation, names, 3), average, variance


# --- names --------------------------------------------------------------------------------------

Names = tuple[str, ...] | None
"""What is called how, where layers are numbered: μ, σ², √(σ² + ε), the normalised input and the
result; and the mean and deviation of evaluation."""


def _names_for(x: Tensor, weight: Parameter | None) -> Names:
    """Return names after those of the input or of γ: for Z[1] they are μ[1], …, Z_norm[1], Z̃[1]."""
    return _names_after(x.name, weight.name if weight is not None else None)


@lru_cache(maxsize=256)
def _names_after(input: str | None, weight: str | None) -> Names:
    own = NUMBERED.fullmatch(input or "")
    found = own or NUMBERED.fullmatch(weight or "")
    if found is None:
        return None
    # The tilde is a mark of its own, so that any letter can have it.
    stem = own[1] if own else "X"
    names = ("μ", "σ²", "σ", f"{stem}_norm", f"{stem}\u0303", "μ_run", "σ_run")
    return tuple(name + found[2] for name in names)


def _called(y: Any, names: Names, place: int) -> Any:
    """Return a recorded result under its name."""
    node = y._node
    if names is not None and node is not None:
        node.name = names[place]
    return y
