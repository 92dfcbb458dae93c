"""Activation functions: elementwise nonlinearities, and softmax along an axis.

Each forward is written so that it neither overflows nor warns, however large its input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .define import op


@op(
    symbol="σ",
    text="σ({x})",
    latex=r"\sigma({x})",
    numpy="1 / (1 + np.exp(-{x}))",
    dx=lambda g, y: g * (y * (1 - y)),
)
def sigmoid(x: Any) -> Any:
    """Logistic function: y = 1 / (1 + e⁻ˣ), with dx = g y (1 − y).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sigmoid(tc.tensor([0.0, 2.0]))
        tensor([0.5   , 0.8808])
    """
    # With e = exp(−|x|) ≤ 1 nothing overflows: y = 1/(1+e) for x ≥ 0, e/(1+e) for x < 0.
    e = np.abs(x)
    if type(e) is not np.ndarray or e.dtype.kind != "f":
        e = np.asarray(e, dtype=np.result_type(x, np.float16))
    np.negative(e, out=e)
    np.exp(e, out=e)
    top = np.maximum(e, np.greater_equal(x, 0))
    e += 1
    top /= e
    return top


@op(
    symbol="relu",
    text="relu({x})",
    latex=r"\mathrm{{relu}}({x})",
    numpy="np.maximum({x}, 0)",
    dx=lambda g, x: g * (x > 0),
)
def relu(x: Any) -> Any:
    """Rectified linear unit: y = max(x, 0), with dx = g where x > 0, else 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.relu(tc.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return np.maximum(x, 0)


@op(
    symbol="lrelu",
    text="leaky_relu({x})",
    latex=r"\mathrm{{leaky\_relu}}({x})",
    numpy="np.where({x} > 0, {x}, {negative_slope} * {x})",
    dx=lambda g, x, negative_slope: np.where(x > 0, g, negative_slope * g),
)
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Leaky ReLU: y = x where x > 0, else s x; dx = g or s g (s g at 0).

    Args:
        x: the tensor.
        negative_slope: the slope s for negative x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.leaky_relu(tc.tensor([-1.0, 2.0]))
        tensor([-0.01,  2.  ])
    """
    return np.where(x > 0, x, negative_slope * x)


@op(
    symbol="elu",
    text="elu({x})",
    latex=r"\mathrm{{elu}}({x})",
    numpy="np.where({x} > 0, {x}, {alpha} * np.expm1(np.minimum({x}, 0)))",
    dx=lambda g, x, alpha: g * np.where(x > 0, np.ones_like(x), alpha * np.exp(np.minimum(x, 0))),
)
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Exponential linear unit: y = x where x > 0, else α (eˣ − 1).

    Args:
        x: the tensor.
        alpha: the limit −α for large negative x.

    Source:
        Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.elu(tc.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.    ])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@op(
    symbol="softplus",
    text="softplus({x})",
    latex=r"\mathrm{{softplus}}({x})",
    numpy="np.logaddexp(0, {x})",
    dx=lambda g, x: g * sigmoid.op(x),
)
def softplus(x: Any) -> Any:
    """Softplus: y = log(1 + eˣ), with dx = g σ(x); finite for every x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.softplus(tc.tensor([0.0, 1e4]))
        tensor([6.9315e-01, 1.0000e+04])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@op(
    symbol="silu",
    text="silu({x})",
    latex=r"\mathrm{{silu}}({x})",
    numpy="{x} / (1 + np.exp(-{x}))",
    dx=lambda g, y, x: g * (y + sigmoid.op(x) * (1 - y)),
)
def silu(x: Any) -> Any:
    """SiLU (swish): y = x σ(x), with dx = g (y + σ(x) (1 − y)).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.silu(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7311])
    """
    return x * sigmoid.op.forward(x)


@op(
    symbol="softmax",
    text="softmax({x})",
    latex=r"\mathrm{{softmax}}({x})",
    numpy="np.exp({x} - np.max({x}, axis={axis}, keepdims=True)) / np.sum("
    "np.exp({x} - np.max({x}, axis={axis}, keepdims=True)), axis={axis}, keepdims=True)",
    dx=lambda g, y, axis: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
)
def softmax(x: Any, axis: int = -1) -> Any:
    """Softmax along an axis: yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ), with dx = y (g − Σ g y).

    Args:
        x: the tensor of logits.
        axis: the axis whose entries sum to 1 (PyTorch's ``dim``).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.softmax(tc.tensor([0.0, 1.0, 2.0]))
        tensor([0.09  , 0.2447, 0.6652])
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@op(
    symbol="log softmax",
    text="log_softmax({x})",
    latex=r"\log\mathrm{{softmax}}({x})",
    numpy="{x} - np.max({x}, axis={axis}, keepdims=True) - np.log(np.sum("
    "np.exp({x} - np.max({x}, axis={axis}, keepdims=True)), axis={axis}, keepdims=True))",
    dx=lambda g, y, axis: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True),
)
def log_softmax(x: Any, axis: int = -1) -> Any:
    """Logarithm of softmax: yᵢ = xᵢ − log Σⱼ exp(xⱼ), with dx = g − eʸ Σ g.

    Args:
        x: the tensor of logits.
        axis: the axis that is normalised (PyTorch's ``dim``).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.log_softmax(tc.tensor([0.0, 1.0, 2.0]))
        tensor([-2.4076, -1.4076, -0.4076])
    """
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
