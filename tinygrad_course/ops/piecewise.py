"""Activations made of straight pieces: limits, shrinking, and the cheap forms of smooth ones.

At a corner, the derivative is that of PyTorch: of the flat side, unless a docstring says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import as_tensor
from .compare import clip_between, where
from .define import function, op


@op(
    symbol="hardtanh",
    numpy="np.clip({x}, {min_val}, {max_val})",
    dx=lambda g, x, min_val, max_val: g * ((x > min_val) & (x < max_val)),
)
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Straight form of tanh: y = min(max(x, low), high), with dx = g between the limits, else 0.

    At the limits themselves it is 0, where `clamp` passes the cotangent.

    Args:
        x: the tensor.
        min_val: the low limit.
        max_val: the high limit.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hardtanh(tc.tensor([-3.0, 0.5, 2.0]))
        tensor([-1. ,  0.5,  1. ])
    """
    return np.minimum(np.maximum(x, min_val), max_val)


@function()
def relu6(x: Any) -> Any:
    """ReLU that ends at 6: y = min(max(x, 0), 6).

    Source:
        Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.relu6(tc.tensor([-1.0, 2.0, 8.0]))
        tensor([0., 2., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


@op(
    symbol="hardσ",
    text="hardsigmoid",
    latex=r"\mathrm{{hardsigmoid}}",
    numpy="hardsigmoid",
    helper="""
def hardsigmoid(z):
    # The logistic function made of straight pieces.
    return np.clip(z + 3, 0, 6) / 6
""",
    dx=lambda g, x: g * ((x > -3) & (x < 3)) / 6,
)
def hardsigmoid(x: Any) -> Any:
    """Straight form of σ: y = min(max(x + 3, 0), 6) / 6, with dx = g / 6 where |x| < 3, else 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hardsigmoid(tc.tensor([-4.0, 0.0, 1.5]))
        tensor([0.  , 0.5 , 0.75])
    """
    return np.minimum(np.maximum(x + 3, 0), 6) / 6


@op(
    symbol="hardswish",
    numpy="hardswish",
    helper="""
def hardswish(z):
    # silu with the logistic function made of straight pieces.
    return z * hardsigmoid(z)
""",
    dx=lambda g, x: g * np.where(np.abs(x) < 3, x / 3 + 0.5, x > 0),
)
def hardswish(x: Any) -> Any:
    """SiLU with the straight form of σ: y = x min(max(x + 3, 0), 6) / 6.

    dx is g (x/3 + 1/2) where |x| < 3, g for larger x, and 0 for smaller.

    Source:
        Howard and others 2019, arXiv:1905.02244.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hardswish(tc.tensor([-4.0, 1.5, 4.0]))
        tensor([-0.   ,  1.125,  4.   ])
    """
    return x * np.minimum(np.maximum(x + 3, 0), 6) / 6


@function()
def threshold(x: Any, threshold: Any, value: Any) -> Any:
    """Keep what lies above a threshold: y = x where x > threshold, else the value.

    Args:
        x: the tensor.
        threshold: what x must exceed.
        value: what stands for the rest.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.threshold(tc.tensor([0.1, 0.5, 2.0]), 0.5, 9.0)
        tensor([9., 9., 2.])
    """
    return where(x > threshold, x, value)


@function()
def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """Set small numbers to 0: y = x where |x| > λ, else 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hardshrink(tc.tensor([-2.0, 0.3, 0.7]))
        tensor([-2. ,  0. ,  0.7])
    """
    return where((x > lambd) | (x < -lambd), x, 0.0)


@function()
def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """Move numbers towards 0 by λ, and not beyond: y = x − min(max(x, −λ), λ).

    Args:
        x: the tensor.
        lambd: λ ≥ 0.

    Raises:
        ArgumentError: a negative λ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.softshrink(tc.tensor([-2.0, 0.25, 0.75]))
        tensor([-1.5 ,  0.  ,  0.25])
    """
    if lambd < 0:
        raise errors.ArgumentError(f"softshrink: lambd must not be negative, got {lambd!r}.")
    return x - clip_between(x, -lambd, lambd)


@function()
def prelu(x: Any, weight: Any) -> Any:
    """Leaky ReLU whose slope is learned: y = x where x > 0, else a x.

    Args:
        x: (m, C, …), or any shape with a single slope.
        weight: a: one slope, or one for each of the C channels (axis 1; of a vector, axis 0).

    Raises:
        ShapeError: slopes that are neither one nor as many as channels.

    Source:
        He, Zhang, Ren, Sun 2015, arXiv:1502.01852.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.prelu(tc.tensor([[-1.0, -1.0], [2.0, 2.0]]), tc.tensor([0.25, 0.5]))
        tensor([[-0.25, -0.5 ],
                [ 2.  ,  2.  ]])
    """
    weight = as_tensor(weight)
    shape = weight.shape
    if shape not in ((), (1,)):
        channels = x.shape[1 if x.ndim > 1 else 0] if x.ndim else 1
        if shape != (channels,):
            raise errors.ShapeError(
                f"prelu: the slopes have shape {shape}, the input {x.shape}. Give one slope, or "
                f"one for each of the {channels} channels: shape ({channels},)."
            )
        weight = weight.reshape(channels, *(1,) * (x.ndim - 2))
    return where(x > 0, x, weight * x)
