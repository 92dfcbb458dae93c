"""Trigonometric and hyperbolic functions, elementwise; angles are in radians."""

from __future__ import annotations

from typing import Any

import numpy as np

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
