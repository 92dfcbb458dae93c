"""Losses of one example, elementwise: what a cost then averages.

They are operations of their own, not compositions, so that they stay finite at the edges and so that
a picture or an equation shows "the loss" as one step. The costs with reductions and checks of labels
are in `nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import sigmoid
from .define import op

# PyTorch clamps log(a) at −100; e^−100 is what that means for a.
_LEAST = np.exp(-100.0)


def _log_clamped(a: Any) -> Any:
    """Return max(log a, −100), without a warning at 0; NaN outside the domain stays NaN."""
    return np.log(np.where(a >= 0, np.maximum(a, _least(a)), np.nan))


def _least(a: Any) -> Any:
    return np.asarray(a).dtype.type(_LEAST)


@op(
    symbol="L",
    text="-({target} * log({a}) + (1 - {target}) * log(1 - {a}))",
    latex=r"-\left({target}\log {a} + (1 - {target})\log(1 - {a})\right)",
    numpy="-({target} * np.log({a}) + (1 - {target}) * np.log(1 - {a}))",
    public=False,
    da=lambda g, a, target: g * (a - target) / np.maximum(a * (1 - a), 1e-12),
    dtarget=lambda g, a: g * (np.log(1 - a) - np.log(a)),
)
def bce(a: Any, target: Any) -> Any:
    """Binary cross-entropy L(a, y) = −(y log a + (1 − y) log(1 − a)).

    The logarithms are clamped at −100 and the derivative's denominator at 1e-12, as in PyTorch.
    """
    least = _least(a)
    b = 1 - a
    if a.size and not (np.minimum.reduce(a, axis=None) > least < np.minimum.reduce(b, axis=None)):
        return -(target * _log_clamped(a) + (1 - target) * _log_clamped(b))
    np.log(b, out=b)
    b *= 1 - target
    out = target * np.log(a)
    out += b
    return np.negative(out, out=out)


@op(
    symbol="L",
    text="max({z}, 0) - {z} * {target} + log(1 + exp(-|{z}|))",
    latex=r"\max({z}, 0) - {z}\,{target} + \log(1 + e^{{-|{z}|}})",
    numpy="np.logaddexp(0, {z}) - {z} * {target}",
    public=False,
    dz=lambda g, z, target: g * (sigmoid.op(z) - target),
    dtarget=lambda g, z: -g * z,
)
def bce_with_logits(z: Any, target: Any) -> Any:
    """Binary cross-entropy of σ(z): log(1 + eᶻ) − z y, finite for every z; dz = g (σ(z) − y)."""
    return np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))
