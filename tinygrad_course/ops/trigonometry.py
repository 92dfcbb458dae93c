"""Trigonometric and hyperbolic functions, elementwise; angles are in radians.

Sides and angles of a triangle (`hypot`, `arctan2`) and the sampling function `sinc` are here too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from ..messages import brief
from .define import op


@op(ufunc=np.sin, latex=r"\sin", quiet=True, dx=lambda g, x: g * np.cos(x))
def sin(x: Any) -> Any:
    """Sine: y = sin x (radians), with dx = g cos x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sin(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.8415])
    """


@op(ufunc=np.cos, latex=r"\cos", quiet=True, dx=lambda g, x: -g * np.sin(x))
def cos(x: Any) -> Any:
    """Cosine: y = cos x (radians), with dx = −g sin x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cos(tc.tensor([0.0, 1.0]))
        tensor([1.    , 0.5403])
    """


@op(ufunc=np.tan, latex=r"\tan", quiet=True, dx=lambda g, y: g * (1 + y * y))
def tan(x: Any) -> Any:
    """Tangent: y = tan x (radians), with dx = g (1 + y²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tan(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.5574])
    """


@op(
    ufunc=np.arcsin,
    latex=r"\arcsin",
    quiet=True,
    also=("asin",),
    dx=lambda g, x: g / np.sqrt(1 - x * x),
)
def arcsin(x: Any) -> Any:
    """Inverse sine, in radians: dx = g / √(1 − x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arcsin(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.5708])
    """


@op(
    ufunc=np.arccos,
    latex=r"\arccos",
    quiet=True,
    also=("acos",),
    dx=lambda g, x: -g / np.sqrt(1 - x * x),
)
def arccos(x: Any) -> Any:
    """Inverse cosine, in radians: dx = −g / √(1 − x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arccos(tc.tensor([1.0, 0.0]))
        tensor([0.    , 1.5708])
    """


@op(ufunc=np.arctan, latex=r"\arctan", also=("atan",), dx=lambda g, x: g / (1 + x * x))
def arctan(x: Any) -> Any:
    """Inverse tangent, in radians: dx = g / (1 + x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arctan(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7854])
    """


@op(ufunc=np.sinh, quiet=True, latex=r"\sinh", dx=lambda g, x: g * np.cosh(x))
def sinh(x: Any) -> Any:
    """Hyperbolic sine, with dx = g cosh x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sinh(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.1752])
    """


@op(ufunc=np.cosh, quiet=True, latex=r"\cosh", dx=lambda g, x: g * np.sinh(x))
def cosh(x: Any) -> Any:
    """Hyperbolic cosine, with dx = g sinh x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cosh(tc.tensor([0.0, 1.0]))
        tensor([1.    , 1.5431])
    """


@op(ufunc=np.tanh, latex=r"\tanh", dx=lambda g, y: g * (1 - y * y))
def tanh(x: Any) -> Any:
    """Hyperbolic tangent: y = tanh x, with dx = g (1 − y²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tanh(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7616])
    """


@op(
    ufunc=np.arcsinh,
    latex=r"\mathrm{{arcsinh}}",
    also=("asinh",),
    dx=lambda g, x: g / np.hypot(x, 1),  # x² overflows long before x
)
def arcsinh(x: Any) -> Any:
    """Inverse hyperbolic sine, with dx = g / √(1 + x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arcsinh(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.8814])
    """


@op(
    ufunc=np.arccosh,
    latex=r"\mathrm{{arccosh}}",
    quiet=True,
    also=("acosh",),
    dx=lambda g, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),
)
def arccosh(x: Any) -> Any:
    """Inverse hyperbolic cosine of x ≥ 1, with dx = g / √(x² − 1).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arccosh(tc.tensor([1.0, 2.0]))
        tensor([0.   , 1.317])
    """


@op(
    ufunc=np.arctanh,
    latex=r"\mathrm{{arctanh}}",
    quiet=True,
    also=("atanh",),
    dx=lambda g, x: g / ((1 - x) * (1 + x)),
)
def arctanh(x: Any) -> Any:
    """Inverse hyperbolic tangent of −1 < x < 1, with dx = g / (1 − x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arctanh(tc.tensor([0.0, 0.5]))
        tensor([0.    , 0.5493])
    """


# --- triangles ----------------------------------------------------------------------------------


def _length(a: Any, b: Any) -> Any:
    """Return √(a² + b²) to divide by: infinite at (0, 0), where the derivatives are set to 0."""
    length = np.hypot(a, b)
    return np.where(length == 0, np.inf, length)


@op(
    ufunc=np.hypot,
    latex=r"\mathrm{{hypot}}",
    quiet=True,
    da=lambda g, a, b: g * (a / _length(a, b)),
    db=lambda g, a, b: g * (b / _length(a, b)),
)
def hypot(a: Any, b: Any) -> Any:
    """Length of (a, b), without overflow: y = √(a² + b²), with da = g a / y and db = g b / y.

    The derivative at (0, 0) is 0, as that of a norm (PyTorch's is NaN).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hypot(tc.tensor([3.0, 5e20]), tc.tensor([4.0, 12e20]))
        tensor([5.0e+00, 1.3e+21])
    """


@op(
    ufunc=np.arctan2,
    latex=r"\mathrm{{arctan2}}",
    quiet=True,
    also=("atan2",),
    da=lambda g, a, b: g * (b / _length(a, b) / _length(a, b)),
    db=lambda g, a, b: -g * (a / _length(a, b) / _length(a, b)),
)
def arctan2(a: Any, b: Any) -> Any:
    """Angle of the point (b, a), from −π to π: da = g b / (a² + b²) and db = −g a / (a² + b²).

    The derivative at (0, 0) is 0, as in PyTorch.

    Args:
        a: the ordinate, up.
        b: the abscissa, to the right.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arctan2(tc.tensor([1.0, 1.0]), tc.tensor([0.0, -1.0]))
        tensor([1.5708, 2.3562])
    """


# --- sampling -----------------------------------------------------------------------------------


@op(
    symbol="sinc",
    numpy="sinc",
    helper="""
def sinc(x, n=0):
    # sin(z)/z for z = pi x, or its n-th derivative: from z f = sin z; a power series near 0.
    near = np.abs(np.pi * x) <= n + 1
    z, far, series = np.where(near, np.pi * x, 0), np.where(near, 1, x), 0
    f = (np.pi ** (n - 1) * np.sin(np.pi * (x + n / 2)) - (n and n * sinc(x, n - 1))) / far
    for m in range(24 + 4 * n + n % 2, -1, -2):
        series = 1 / (m + n + 1) - z**2 / ((m + 1) * (m + 2)) * series
    return np.where(near, (-1) ** ((n + 1) // 2) * np.pi**n * z ** (n % 2) * series, f)
""",
    overrides=(np.sinc,),
    dx=lambda g, x, n: g * _sinc(x, n + 1),
)
def sinc(x: Any, *, n: int = 0) -> Any:
    """Sampling function: y = sin(πx) / (πx), and 1 at 0.

    Its derivatives are operations of their own, smooth at 0 too: dx = g y′, where y′ is `sinc` of
    the next n. With z f = sin z, differentiated n times, each follows from the one before.

    Args:
        x: the tensor.
        n: which derivative, 0 for the function itself.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sinc(tc.tensor([0.0, 0.5, 1.5]))
        tensor([ 1.    ,  0.6366, -0.2122])
    """
    if not isinstance(n, int) or not 0 <= n <= 64:
        raise errors.ArgumentError(
            f"sinc: got n={brief(n)}, expected an integer from 0 to 64: which derivative. Leave it "
            "out for the function itself."
        )
    if n == 0:
        return np.sinc(x)
    near = np.abs(np.multiply(x, math.pi)) <= n + 1
    z, far = np.where(near, np.multiply(x, math.pi), 0), np.where(near, 1, x)
    sine = np.sin(np.pi * np.add(x, n / 2))
    f = (math.pi ** (n - 1) * sine - n * sinc.op.forward(x, n=n - 1)) / far
    series = np.zeros_like(z)
    for m in range(24 + 4 * n + n % 2, -1, -2):
        series = 1 / (m + n + 1) - z**2 / ((m + 1) * (m + 2)) * series
    return np.where(near, (-1) ** ((n + 1) // 2) * math.pi**n * z ** (n % 2) * series, f)


def _sinc(x: Any, n: int) -> Any:
    """Return a derivative of `sinc` of an array, or record it."""
    return sinc.op(x, n=n)
