"""Rounding, and what division leaves over, elementwise.

A rounded number is constant between its jumps: its derivative is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import SUM
from .define import function, op


@op(ufunc=np.floor, latex=r"\lfloor{{{x}}}\rfloor", dx=lambda g: np.zeros_like(g))
def floor(x: Any) -> Any:
    """Largest integer not above x; the derivative is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.floor(tc.tensor([-1.5, 1.5]))
        tensor([-2.,  1.])
    """


@op(ufunc=np.ceil, latex=r"\lceil{{{x}}}\rceil", dx=lambda g: np.zeros_like(g))
def ceil(x: Any) -> Any:
    """Smallest integer not below x; the derivative is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.ceil(tc.tensor([-1.5, 1.5]))
        tensor([-1.,  2.])
    """


@op(
    numpy="np.round",
    overrides=(np.round,),
    dx=lambda g: np.zeros_like(g),
)
def round(x: Any, decimals: int = 0) -> Any:
    """Nearest integer (halves to the even one), or to a number of decimals; the derivative is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.round(tc.tensor([1.26, 2.5]))
        tensor([1., 2.])
    """
    return np.round(x, decimals)


@op(
    ufunc=np.trunc,
    latex=r"\mathrm{{trunc}}",
    overrides=(np.fix,),
    also=("fix",),
    dx=lambda g: np.zeros_like(g),
)
def trunc(x: Any) -> Any:
    """Whole part of x, rounded towards 0; the derivative is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.trunc(tc.tensor([-1.5, 1.5]))
        tensor([-1.,  1.])
    """


@function()
def frac(x: Any) -> Any:
    """Fraction of x, with its sign: y = x − trunc x; the derivative is 1.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.frac(tc.tensor([-1.5, 1.25]))
        tensor([-0.5 ,  0.25])
    """
    return x - trunc(x)


@op(
    ufunc=np.floor_divide,
    operator="floordiv",
    symbol="//",
    text="{a} // {b}",
    latex=r"\lfloor\frac{{{a}}}{{{b}}}\rfloor",
    numpy="{a} // {b}",
    precedence=SUM,  # c * (a // b) is not (c * a) // b
    quiet=True,
)
def floor_divide(a: Any, b: Any) -> Any:
    """Quotient rounded down; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([7, 8]) // 2
        tensor([3, 4])
    """


@op(
    ufunc=np.remainder,
    operator="mod",
    symbol="%",
    text="{a} mod {b}",
    latex=r"{a} \bmod {b}",
    numpy="{a} % {b}",
    precedence=SUM,
    quiet=True,
    da=lambda g: g,
    db=lambda g, a, b: -g * (a // b),
)
def remainder(a: Any, b: Any) -> Any:
    """Remainder a − b ⌊a / b⌋, with the sign of b: da = g and db = −g ⌊a / b⌋.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([7.0, -7.0]) % 3
        tensor([1., 2.])
    """


@op(
    ufunc=np.fmod,
    symbol="fmod",
    quiet=True,
    da=lambda g: g,
    db=lambda g, a, b: -g * np.trunc(a / b),
)
def fmod(a: Any, b: Any) -> Any:
    """Remainder a − b trunc(a / b), with the sign of a: da = g and db = −g trunc(a / b).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.fmod(tc.tensor([7.0, -7.0]), 3)
        tensor([ 1., -1.])
    """
