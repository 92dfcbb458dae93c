"""Logarithms of sums, products and odds, written so that nothing overflows or cancels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import sigmoid
from .compare import clamp
from .define import function, op


@op(
    ufunc=np.logaddexp,
    latex=r"\mathrm{{logaddexp}}",
    quiet=True,
    da=lambda g, a, b: g * sigmoid.op(a - b),
    db=lambda g, a, b: g * sigmoid.op(b - a),
)
def logaddexp(a: Any, b: Any) -> Any:
    """Logarithm of a sum of two exponentials: y = log(eᵃ + eᵇ), with da = g σ(a − b).

    Two equal infinities have the derivative NaN, as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logaddexp(tc.tensor([0.0, 2.0]), tc.tensor([0.0, 2.0]))
        tensor([0.6931, 2.6931])
    """


def _or_one(b: Any, no: Any) -> Any:
    """Return b, and 1 where the condition `no` holds (a positive number never needs it)."""
    return b if isinstance(b, (int, float)) and b > 0 else np.where(no, 1, b)


@op(
    symbol="x log y",
    numpy="xlogy",
    helper="""
def xlogy(a, b):
    # a log(b), and 0 where a = 0.
    b = np.asarray(b, dtype=np.result_type(a, b))
    return np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b))
""",
    quiet=True,
    da=lambda g, a, b: g * np.log(_or_one(b, (a == 0) & (b <= 0))),
    db=lambda g, a, b: g * (a / _or_one(b, (a == 0) & (b == 0))),
)
def xlogy(a: Any, b: Any) -> Any:
    """A log b, which is 0 where a = 0: da = g log b and db = g a / b, both 0 at (0, 0).

    This is a term of an entropy; PyTorch's derivative with respect to b is NaN at (0, 0).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.xlogy(tc.tensor([0.0, 2.0]), tc.tensor([0.0, 3.0]))
        tensor([0.    , 2.1972])
    """
    b = np.asarray(b, dtype=np.result_type(a, b))  # a Python number must not make it float64
    return np.where(np.equal(a, 0) & ~np.isnan(b), 0, a * np.log(b))


@op(
    symbol="logit",
    text="logit",
    latex=r"\mathrm{{logit}}",
    numpy="logit",
    helper="""
def logit(p):
    # The inverse of the logistic function, log(p/(1 - p)).
    middle = np.abs(p - 0.5) < 0.25
    return np.where(middle, 2 * np.arctanh(2 * np.where(middle, p, 0.5) - 1), np.log(p / (1 - p)))
""",
    quiet=True,
    public=False,
    dx=lambda g, x: g / x + g / (1 - x),
)
def log_odds(x: Any) -> Any:
    """Logarithm of the odds: y = log(x / (1 − x)), with dx = g / x + g / (1 − x)."""
    # In the middle, where the odds are near 1, their logarithm would lose the digits beyond 1.
    middle = np.less(np.abs(np.subtract(x, 0.5)), 0.25)
    inner = 2 * np.arctanh(2 * np.where(middle, x, 0.5) - 1)
    return np.where(middle, inner, np.log(x / np.subtract(1, x)))


@function()
def logit(x: Any, eps: float | None = None) -> Any:
    """Inverse of the logistic function: y = log(x / (1 − x)).

    Args:
        x: probabilities.
        eps: when given, x is first limited to [eps, 1 − eps].

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logit(tc.tensor([0.5, 0.9]))
        tensor([0.    , 2.1972])
    """
    return log_odds(x if eps is None else clamp(x, eps, 1 - eps))


@op(
    symbol="log σ",
    text="logsigmoid",
    latex=r"\log\sigma",
    numpy="logsigmoid",
    helper="""
def logsigmoid(z):
    # The logarithm of the logistic function; no exponential overflows.
    return -np.logaddexp(0, -z)
""",
    dx=lambda g, x: g * sigmoid.op(-x),
)
def logsigmoid(x: Any) -> Any:
    """Logarithm of the logistic function: y = log σ(x) = −log(1 + e⁻ˣ), with dx = g σ(−x).

    Finite for every x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logsigmoid(tc.tensor([-1000.0, 0.0]))
        tensor([-1.0000e+03, -6.9315e-01])
    """
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
