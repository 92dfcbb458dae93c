"""Activation functions: elementwise nonlinearities, and softmax along an axis.

Each forward is written so that it neither overflows nor warns, however large its input.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from ..tensor import apply
from .define import function, op
from .shape import axis_of
from .special import erf
from .trigonometry import tanh


@op(
    symbol="σ",
    text="σ",
    latex=r"\sigma",
    numpy="sigmoid",
    helper="""
def sigmoid(z):
    # The logistic function.
    return 1 / (1 + np.exp(-z))
""",
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
    x = np.asarray(x)
    if x.ndim == 0:
        return sigmoid.op.forward(x.reshape(1))[0]
    if x.dtype.kind != "f":
        x = x.astype(np.result_type(x, np.float16))
    e = np.negative(x)
    np.minimum(e, x, out=e)
    np.exp(e, out=e)
    # max(sign x, e) is the numerator 1 or e, without a comparison and a branch.
    top = np.sign(x)
    np.maximum(top, e, out=top)
    e += 1
    top /= e
    return top


@op(
    symbol="relu",
    numpy="np.maximum(0, {x})",
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
    numpy="leaky_relu",
    helper="""
def leaky_relu(z, negative_slope=0.01):
    # ReLU with a small slope on the left.
    return np.where(z > 0, z, negative_slope * z)
""",
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
    numpy="elu",
    helper="""
def elu(z, alpha=1.0):
    # Exponential linear unit.
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
""",
    dx=lambda g, x, alpha: np.where(x > 0, g, g * alpha * np.exp(np.minimum(x, 0))),
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
    symbol="celu",
    numpy="celu",
    helper="""
def celu(z, alpha=1.0):
    # Exponential linear unit whose slope at 0 is 1 for every alpha.
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))
""",
    dx=lambda g, x, alpha: np.where(x > 0, g, g * np.exp(np.minimum(x, 0) / alpha)),
)
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Exponential linear unit with slope 1 at 0: y = x where x > 0, else α (exp(x/α) − 1).

    Args:
        x: the tensor.
        alpha: the limit −α for large negative x.

    Source:
        Barron 2017, arXiv:1704.07483.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.celu(tc.tensor([-1.0, 2.0]), alpha=2.0)
        tensor([-0.7869,  2.    ])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


# With these, means and variances of layers tend to 0 and 1 (the paper's appendix).
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@op(
    symbol="selu",
    numpy="selu",
    helper="""
def selu(z):
    # Exponential linear unit; with these numbers, means and variances of layers tend to 0 and 1.
    return 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
""",
    dx=lambda g, x: g * (SELU_SCALE * _elu_slope(x, SELU_ALPHA)),
)
def selu(x: Any) -> Any:
    """Self-normalizing ELU: y = s x where x > 0, else s a (eˣ − 1); s = 1.0507 and a = 1.6733.

    Source:
        Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.selu(tc.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return SELU_SCALE * elu.op.forward(x, alpha=SELU_ALPHA)


def _elu_slope(x: Any, alpha: float) -> Any:
    return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


@op(
    symbol="softsign",
    numpy="softsign",
    helper="""
def softsign(z):
    # Between -1 and 1, as tanh, but nearing them slowly.
    return z / (1 + np.abs(z))
""",
    dx=lambda g, x: g * np.square(1 / (1 + np.abs(x))),  # (1 + |x|)² overflows before its inverse
    quiet=True,
)
def softsign(x: Any) -> Any:
    """Softsign: y = x / (1 + |x|), with dx = g / (1 + |x|)².

    Example:
        >>> import tinygrad_course as tc
        >>> tc.softsign(tc.tensor([-1.0, 3.0]))
        tensor([-0.5 ,  0.75])
    """
    return x / (1 + np.abs(x))


@function()
def tanhshrink(x: Any) -> Any:
    """What tanh takes away: y = x − tanh x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tanhshrink(tc.tensor([-2.0, 0.0]))
        tensor([-1.036,  0.   ])
    """
    return x - tanh(x)


@op(
    symbol="softplus",
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
    numpy="silu",
    helper="""
def silu(z):
    # Sigmoid linear unit, also called swish.
    return z * sigmoid(z)
""",
    dx=lambda g, x: g * _silu_slope(x, sigmoid.op(x)),
)
def silu(x: Any) -> Any:
    """SiLU (swish): y = x σ(x), with dx = g σ(x) (1 + x (1 − σ(x))).

    Source:
        Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.silu(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7311])
    """
    return x * sigmoid.op.forward(x)


def _silu_slope(x: Any, s: Any) -> Any:
    return s * (1 + x * (1 - s))


@op(
    symbol="mish",
    numpy="mish",
    helper="""
def mish(z):
    # Smooth, and much like silu.
    return z * np.tanh(np.logaddexp(0, z))
""",
    dx=lambda g, x: g * _mish_slope(x, np.tanh(softplus.op(x))),
)
def mish(x: Any) -> Any:
    """Mish: y = x t with t = tanh(softplus x), and dx = g (t + x (1 − t²) σ(x)).

    Source:
        Misra 2019, arXiv:1908.08681.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mish(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.8651])
    """
    return x * np.tanh(softplus.op.forward(x))


def _mish_slope(x: Any, t: Any) -> Any:
    return t + x * (1 - t * t) * sigmoid.op(x)


@function()
def glu(x: Any, axis: int = -1) -> Any:
    """Gated linear unit: y = a σ(b), of the two halves a and b of x along an axis.

    Args:
        x: the tensor, of an even length along the axis; y has half of it.
        axis: the axis (PyTorch's ``dim``).

    Raises:
        ShapeError: an odd length.

    Source:
        Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.glu(tc.tensor([[1.0, 2.0, 0.0, 0.0]]))
        tensor([[0.5, 1. ]])
    """
    axis = axis_of(axis, x.ndim, "glu")
    if x.ndim == 0 or x.shape[axis] % 2:
        raise errors.ShapeError(
            f"glu: halves x along axis {axis}, but its shape is {x.shape}. The length there must "
            "be even: let the layer before have twice as many units."
        )
    a, b = x.chunk(2, axis)
    return a * sigmoid(b)


# --- GELU ---------------------------------------------------------------------------------------

_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@op(
    symbol="gelu",
    text="gelu",
    latex=r"\mathrm{{gelu}}",
    numpy="gelu",
    helper="""
def gelu(z):
    # Gaussian error linear unit: z times the normal distribution function.
    return z * (1 + erf(z / 2**0.5)) / 2
""",
    public=False,
    quiet=True,  # x² may overflow: exp(−x²/2) is 0 then
    dx=lambda g, x: g * _gelu_slope(x),
)
def gelu_exact(x: Any) -> Any:
    """GELU: y = x Φ(x), with Φ the standard normal distribution; dx = g (Φ(x) + x φ(x))."""
    return x * (0.5 * (1 + erf.op.forward(x * _ROOT_HALF)))


def _gelu_slope(x: Any) -> Any:
    density = np.exp(-0.5 * (x * x)) * (0.5 * _ROOT_2_OVER_PI)
    return 0.5 * (1 + erf.op(x * _ROOT_HALF)) + x * density


@op(
    symbol="gelu",
    numpy="gelu_tanh",
    helper="""
def gelu_tanh(z):
    # Gaussian error linear unit, with a tanh in place of the error function.
    return z * (1 + np.tanh((2 / np.pi) ** 0.5 * (z + 0.044715 * z**3))) / 2
""",
    public=False,
    quiet=True,
    dx=lambda g, x: g * _gelu_tanh_slope(x, np.tanh(_gelu_inner(x))),
)
def gelu_tanh(x: Any) -> Any:
    """GELU with Φ(x) approximated by (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""
    return x * (0.5 * (1 + np.tanh(_gelu_inner(x))))


def _gelu_inner(x: Any) -> Any:
    return _ROOT_2_OVER_PI * (x * (1 + 0.044715 * (x * x)))


def _gelu_tanh_slope(x: Any, t: Any) -> Any:
    inner = _ROOT_2_OVER_PI * (1 + (3 * 0.044715) * (x * x))
    # Where tanh is ±1 its derivative is 0, however large x is: no 0 · inf.
    bend = np.where(t * t < 1, x * (1 - t * t) * inner, 0)
    return 0.5 * (1 + t + bend)


@function()
def gelu(x: Any, approximate: str = "none") -> Any:
    """Gaussian error linear unit: y = x Φ(x), with Φ the standard normal distribution function.

    Args:
        x: the tensor.
        approximate: ``none`` for the exact Φ, ``tanh`` for (1 + tanh(√(2/π)(x + 0.044715 x³))) / 2.

    Raises:
        ArgumentError: another `approximate`.

    Source:
        Hendrycks, Gimpel 2016, arXiv:1606.08415.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.gelu(tc.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.    ,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise errors.ArgumentError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}.")
    return apply((gelu_exact if approximate == "none" else gelu_tanh).op, (x,))


@op(
    symbol="step",
    numpy="np.heaviside({x}, 1)",
    dx=lambda g: g * 0,
)
def step(x: Any) -> Any:
    """Unit step of the perceptron: y = 1 where x ≥ 0, else 0; its derivative is 0 everywhere.

    No gradient tells such a unit how to learn: it has a learning rule of its own.

    Source:
        Rosenblatt 1958, doi:10.1037/h0042519.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.step(tc.tensor([-0.5, 0.0, 2.0]))
        tensor([0., 1., 1.])
    """
    return np.heaviside(x, 1)


# --- softmax ------------------------------------------------------------------------------------


def _below_top(x: Any, axis: Any) -> Any:
    """Return x less its maximum along an axis, so that no exponential overflows."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    return x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)


@op(
    kind="reduction",
    quiet=True,
    symbol="softmax",
    numpy="softmax",
    helper="""
def softmax(z, axis=-1):
    # Exponentials divided by their sum; less the largest z, none overflows.
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)
""",
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
    e = np.exp(_below_top(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


@op(
    kind="reduction",
    quiet=True,
    symbol="log softmax",
    numpy="log_softmax",
    helper="""
def log_softmax(z, axis=-1):
    # The logarithm of softmax; less the largest z, no exponential overflows.
    z = z - np.max(z, axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))
""",
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
    shifted = _below_top(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@function()
def softmin(x: Any, axis: int = -1) -> Any:
    """Softmax of −x along an axis: the smallest entry gets the largest share.

    Args:
        x: the tensor.
        axis: the axis whose entries sum to 1 (PyTorch's ``dim``).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.softmin(tc.tensor([0.0, 1.0, 2.0]))
        tensor([0.6652, 0.2447, 0.09  ])
    """
    return softmax(-x, axis)
