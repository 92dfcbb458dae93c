"""Normalisation as functions: over the last axes, over groups of channels, over the batch.

`functional` gives them under PyTorch's names; the layers in `norm` and `batch_norm` call them with
their parameters, and with the names that their results have in equations.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .. import errors
from ..inplace import set_state
from ..node import RECORD_GRAD, recording
from ..ops.elementwise import sqrt
from ..ops.reduce import count, mean
from ..tensor import Tensor, apply, as_input
from .numbering import NUMBERED

Names = tuple[str, ...] | None
"""What is called how, where layers are numbered: μ, σ², √(σ² + ε), the normalised input and the
result; and the mean and deviation of evaluation."""


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Layer normalisation: y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² over the last axes.

    Args:
        input: x, of a shape that ends in `normalized_shape`.
        normalized_shape: the lengths of these axes.
        weight: γ, or None.
        bias: β, or None.
        eps: ε.

    Raises:
        ShapeError: an input that does not end so.

    Source:
        Ba, Kiros, Hinton 2016, arXiv:1607.06450.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> print(F.layer_norm(tc.tensor([[1.0, 3.0]]), 2).numpy().round(3))
        [[-1.  1.]]
    """
    x, axes = last_axes("layer_norm", input, normalized_shape)
    return over_last(x, axes, weight, bias, eps, None)  # type: ignore[no-any-return]


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Tensor:
    """Root-mean-square normalisation: y = γ x / √(mean(x²) + ε) over the last axes.

    Args:
        input: x, of a shape that ends in `normalized_shape`.
        normalized_shape: the lengths of these axes.
        weight: γ, or None.
        eps: ε; None takes the distance from 1 to the next number of x's dtype.

    Raises:
        ShapeError: an input that does not end so.

    Source:
        Zhang, Sennrich 2019, arXiv:1910.07467.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.rms_norm(tc.tensor([[1.0, 7.0]]), 2)
        tensor([[0.2, 1.4]])
    """
    x, axes = last_axes("rms_norm", input, normalized_shape)
    return by_root_mean_square(x, axes, weight, eps, None)  # type: ignore[no-any-return]


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Group normalisation: y = γ (x − μ) / √(σ² + ε) + β, μ and σ² of each example's groups.

    A group is C / G channels with all their places; γ and β belong to channels.

    Args:
        input: x, (m, C, …).
        num_groups: G, a divisor of C.
        weight: γ, (C,), or None.
        bias: β, (C,), or None.
        eps: ε.

    Raises:
        ShapeError: channels that G does not divide.

    Source:
        Wu, He 2018, arXiv:1803.08494.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x = tc.tensor([[1.0, 3.0, 10.0, 30.0]])
        >>> print(F.group_norm(x, 2).numpy().round(3))
        [[-1.  1. -1.  1.]]
    """
    return by_groups(as_input(input), num_groups, weight, bias, eps, None)  # type: ignore[no-any-return]


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch normalisation: y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of each channel.

    Args:
        input: x, (m, C) or (m, C, …).
        running_mean: (C,), or None; in training it moves towards the batch's, in place.
        running_var: (C,), or None, likewise, towards the unbiased variance.
        weight: γ, (C,), or None.
        bias: β, (C,), or None.
        training: True takes the batch's μ and σ²; False the running ones.
        momentum: how far the running ones move, from 0 to 1.
        eps: ε.

    Raises:
        ShapeError: a training batch with one value per channel.
        ArgumentError: no running statistics to evaluate with.

    Source:
        Ioffe, Szegedy 2015, arXiv:1502.03167.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> mean, var = tc.zeros(1), tc.ones(1)
        >>> y = F.batch_norm(tc.tensor([[1.0], [3.0]]), mean, var, training=True)
        >>> print(y.numpy().round(3).T, mean.numpy(), var.numpy())
        [[-1.  1.]] [0.2] [1.1]
    """
    x = as_input(input)
    if not training:
        if running_mean is None or running_var is None:
            raise errors.ArgumentError(
                "batch_norm: needs running_mean and running_var where training=False. Pass them, "
                "or training=True."
            )
        return by_running(x, running_mean, running_var, weight, bias, eps, None)  # type: ignore[no-any-return]
    y, average, variance = by_batch("batch_norm", x, eps, None)
    if running_mean is not None and running_var is not None:
        follow(x, channel_axes(x), (running_mean, running_var), (average, variance), momentum)
    return per_channel(y, weight, bias, None)  # type: ignore[no-any-return]


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance normalisation: each channel of each example at mean 0 and variance 1.

    Args:
        input: x, (m, C, L), (m, C, H, W) ….
        running_mean: (C,), or None; moves towards the mean over the examples, in place.
        running_var: (C,), or None, likewise.
        weight: γ, (C,), or None.
        bias: β, (C,), or None.
        use_input_stats: False takes the running statistics.
        momentum: how far the running ones move.
        eps: ε.

    Raises:
        ShapeError: channels of one value.

    Source:
        Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x = tc.tensor([[[1.0, 3.0], [10.0, 30.0]]])
        >>> print(F.instance_norm(x).numpy().round(3))
        [[[-1.  1.]
          [-1.  1.]]]
    """
    x = as_input(input)
    if not use_input_stats:
        return by_running(x, running_mean, running_var, weight, bias, eps, None)  # type: ignore[no-any-return]
    y, average, variance = by_instance("instance_norm", x, eps, None)
    if running_mean is not None and running_var is not None:
        axes = tuple(range(2, x.ndim))
        follow(x, axes, (running_mean, running_var), (average, variance), momentum)
    return per_channel(y, weight, bias, None)  # type: ignore[no-any-return]


# --- what functions and layers share --------------------------------------------------------------


def last_axes(name: str, input: Any, shape: Any) -> tuple[Tensor, tuple[int, ...]]:
    """Return the input and its last axes, or refuse it.

    Raises:
        ShapeError: it does not end in `shape`.
    """
    x = as_input(input)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    n = len(shape)
    if x.shape[max(0, x.ndim - n) :] != shape:
        raise errors.ShapeError(
            f"{name}: got an input of shape {x.shape}, expected it to end in {shape}."
        )
    return x, tuple(range(x.ndim - n, x.ndim))


def over_last(
    x: Tensor, axes: tuple[int, ...], weight: Any, bias: Any, eps: float, names: Names
) -> Any:
    """Return γ (x − μ) / √(σ² + ε) + β over `axes`."""
    y, _, _ = standardise(x, axes, eps, names)
    return _affine(y, weight, bias, names)


def by_root_mean_square(
    x: Any, axes: tuple[int, ...], weight: Any, eps: float | None, names: Names
) -> Any:
    """Return γ x / √(mean(x²) + ε) over `axes`."""
    if eps is None:
        eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float32).eps)
    square = apply(mean.op, (x * x,), {"axis": axes, "keepdims": True})
    root: Any = called(sqrt(square + eps), names, 2)
    return _affine(called(x / root, names, 3), weight, None, names)


def by_groups(x: Any, groups: int, weight: Any, bias: Any, eps: float, names: Names) -> Any:
    """Return the group normalisation of x (m, C, …)."""
    if x.ndim < 2 or x.shape[1] % groups:
        raise errors.ShapeError(
            f"group_norm: got an input of shape {x.shape} for {groups} groups, expected (m, C, …) "
            f"with a number of channels C that {groups} divides."
        )
    m = -1 if x._data.size else x.shape[0]
    inside = x.reshape(m, groups, int(np.prod(x.shape[1:])) // groups)
    y, _, _ = standardise(inside, (inside.ndim - 1,), eps, names)
    return per_channel(y.reshape_as(x), weight, bias, names)


def by_batch(name: str, x: Tensor, eps: float, names: Names, least: int = 2) -> tuple[Any, ...]:
    """Return x normalised over all but its channels, with the mean and variance of each."""
    m = x._data.size // max(1, x.shape[1])
    if m < least:
        raise errors.ShapeError(
            f"{name}: got a training batch of shape {x.shape}, with {m} values per "
            "feature; a variance needs two. Use a larger batch (drop_last=True in the "
            "DataLoader), or call model.eval() to predict."
        )
    return standardise(x, channel_axes(x), eps, names)


def by_instance(name: str, x: Tensor, eps: float, names: Names) -> tuple[Any, ...]:
    """Return x with each channel of each example normalised, and the mean and variance of each."""
    places = int(np.prod(x.shape[2:]))
    if x.ndim < 3 or places < 2:
        raise errors.ShapeError(
            f"{name}: got an input of shape {x.shape}, expected (m, C, L) or more axes, with more "
            "than one value in each channel."
        )
    return standardise(x, tuple(range(2, x.ndim)), eps, names)


def by_running(
    x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float, names: Names
) -> Any:
    """Return x normalised with the running statistics."""
    average: Any = _along_channels(running_mean, x.ndim)
    deviation: Any = sqrt(_along_channels(running_var, x.ndim) + eps)
    if names is not None:
        average.name, deviation.name = names[5:]
    y = called((x - average) / deviation, names, 3)
    return per_channel(y, weight, bias, names)


def follow(
    x: Tensor,
    axes: tuple[int, ...],
    running: tuple[Any, Any],
    found: tuple[Any, Any],
    part: Any,
) -> None:
    """Move the running statistics towards those found over `axes`, in place.

    Those of each example (instance normalisation) are averaged.
    """
    # Without a gradient; but recorded when everything is.
    token = recording.set(recording.get() & ~RECORD_GRAD)
    try:
        m: Any = apply(count.op, (x,), {"axis": axes})
        average, variance = found
        unbiased = variance * (m / (m - 1))
        for state, new in zip(running, (average, unbiased), strict=True):
            if 0 not in axes:
                new = new.mean(axis=0)
            set_state(state, state * (1 - part) + new.reshape(state.shape) * part)
    finally:
        recording.reset(token)


def channel_axes(x: Tensor) -> tuple[int, ...]:
    """Return all axes but that of the channels."""
    return (0, *range(2, x._data.ndim))


def per_channel(y: Any, weight: Any, bias: Any, names: Names) -> Any:
    """Return γ y + β, with γ and β along axis 1."""
    ndim = y.ndim
    weight = None if weight is None else _along_channels(as_input(weight), ndim)
    bias = None if bias is None else _along_channels(as_input(bias), ndim)
    return _affine(y, weight, bias, names)


def _affine(y: Any, weight: Any, bias: Any, names: Names) -> Any:
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y if weight is bias is None else called(y, names, 4)


def _along_channels(x: Any, ndim: int) -> Any:
    """Return a vector over channels in a shape that broadcasts over (m, C, …)."""
    return x if ndim == 2 else x.reshape((-1,) + (1,) * (ndim - 2))


def standardise(x: Any, axes: tuple[int, ...], eps: float, names: Names) -> tuple[Any, Any, Any]:
    """Return (x − μ) / √(σ² + ε) over `axes`, with μ and the population variance σ²."""
    params = {"axis": axes, "keepdims": True}
    average: Any = called(apply(mean.op, (x,), params), names, 0)
    centred = x - average
    variance: Any = called(apply(mean.op, (centred * centred,), params), names, 1)
    deviation = called(sqrt(variance + eps), names, 2)
    return called(centred / deviation, names, 3), average, variance


# --- names ----------------------------------------------------------------------------------------


def names_for(x: Tensor, weight: Any) -> Names:
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


def called(y: Any, names: Names, place: int) -> Any:
    """Return a recorded result under its name."""
    node = y._node
    if names is not None and node is not None:
        node.name = names[place]
    return y


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
