"""Losses of one example, elementwise: what a cost then averages.

They are operations of their own, not compositions, so that they stay finite at the edges and so
that a picture or an equation shows "the loss" as one step. The costs with reductions and checks of
labels are in `nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import SUM, UNARY
from .activation import sigmoid
from .compare import clip_between
from .define import op

# Above this, and below 1, no logarithm is anywhere near the clamp at −100.
_SAFE = 1e-37


def _log_clamped(a: Any) -> Any:
    """Return max(log a, −100), without a warning at 0; NaN outside the domain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.log(a), -100)


def _log_odds(a: Any) -> Any:
    """Return log((1 − a)/a), infinite at 0 and 1 without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(1 - a) - np.log(a)


@op(
    symbol="L",
    text="-({target} * log({a}) + (1 - {target}) * log(1 - {a}))",
    latex=r"-\left({target} \odot \log({a}) + (1 - {target}) \odot \log(1 - {a})\right)",
    numpy="-({target} * np.log({a}) + (1 - {target}) * np.log(1 - {a}))",
    precedence=UNARY,
    public=False,
    da=lambda g, a, target: g * (a - target) / np.maximum(a * (1 - a), 1e-12),
    dtarget=lambda g, a: g * _log_odds(a),
)
def bce(a: Any, target: Any) -> Any:
    """Binary cross-entropy L(a, y) = −(y log a + (1 − y) log(1 − a)).

    The logarithms are clamped at −100 and the derivative's denominator at 1e-12, as in PyTorch.
    """
    b = 1 - a
    # a (1 − a) > 0 only inside (0, 1): one look for both logarithms.
    if not (np.size(a) and np.minimum.reduce(a * b, axis=None) > _SAFE):
        return -(target * _log_clamped(a) + (1 - target) * _log_clamped(b))
    out = target * np.log(a)
    out += (1 - target) * np.log(b)
    return np.negative(out)


@op(
    symbol="L",
    text="max({z}, 0) - {z} * {target} + log(1 + exp(-|{z}|))",
    latex=r"\max({z}, 0) - {z} \odot {target} + \log(1 + \exp(-\left|{z}\right|))",
    numpy="bce_with_logits",
    helper="""
def bce_with_logits(z, y):
    # The cross-entropy of sigmoid(z), log(1 + exp(z)) - z y, written so that nothing overflows.
    return np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
""",
    precedence=SUM,
    public=False,
    dz=lambda g, z, target: g * (sigmoid.op(z) - target),
    dtarget=lambda g, z: -g * z,
)
def bce_with_logits(z: Any, target: Any) -> Any:
    """Binary cross-entropy of σ(z): log(1 + eᶻ) − z y, finite for every z; dz = g (σ(z) − y)."""
    return np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))


@op(
    symbol="L",
    numpy="huber",
    helper="""
def huber(a, y, delta=1.0):
    # Half the squared error; beyond delta, it grows linearly.
    d = np.abs(a - y)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
""",
    public=False,
    da=lambda g, a, target, delta: g * clip_between.op(a - target, -delta, delta),
    dtarget=lambda g, a, target, delta: -g * clip_between.op(a - target, -delta, delta),
)
def huber(a: Any, target: Any, *, delta: float = 1.0) -> Any:
    """Huber loss of d = a − y: d²/2 where |d| ≤ δ, else δ (|d| − δ/2); da = g clip(d, −δ, δ)."""
    d = np.abs(a - target)
    near = np.minimum(d, delta)
    return near * (d - 0.5 * near)


@op(
    symbol="max",
    numpy="np.maximum({x}, {least})",
    public=False,
    dx=lambda g: g,
)
def at_least(x: Any, *, least: float = 0.0) -> Any:
    """The larger of x and a number, with the derivative of x itself: dx = g, below it too.

    For a variance that must not be 0 and yet be learned from there.
    """
    return np.maximum(x, least)
