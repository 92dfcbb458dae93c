"""Losses that are negative logarithms of densities, and the divergence of two distributions.

PyTorch's names, arguments and conventions; `nn.functional` exports them. Shapes must be equal, and
what can be no probability, count or variance is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from ..ops.compare import where
from ..ops.elementwise import exp, log, square
from ..ops.logarithms import xlogy
from ..ops.loss import at_least
from ..ops.reduce import sum
from ..tensor import Tensor, apply, as_input
from .losses import (
    REDUCTIONS,
    _outside,
    _pair,
    _reduce,
    _refuse_labels,
    check_reduction,
)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of q from p: J = (1/…) Σ p (log p − log q).

    Args:
        input: log q, logarithms of probabilities, as `log_softmax` gives; (m, …).
        target: p, probabilities, or log p; of the same shape.
        reduction: ``batchmean`` divides the sum by m, which is the divergence; ``mean`` by the
            number of elements, ``sum`` and ``none`` by nothing.
        log_target: True when `target` is log p.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a probability that is NaN or outside [0, 1].

    Source:
        Kullback and Leibler 1951, doi:10.1214/aoms/1177729694.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> q = tc.tensor([[0.5, 0.5]])
        >>> F.kl_div(q.log(), tc.tensor([[0.75, 0.25]]), reduction="batchmean")
        tensor(0.1308)
    """
    name = "kl_div"
    check_reduction(name, reduction, (*REDUCTIONS, "batchmean"))
    x, y = _pair(name, input, target)
    losses: Any
    if log_target:
        losses = exp(y) * (y - x)
    else:
        if _outside(y._data):
            _refuse_labels(name, y._data)
        losses = xlogy(y, y) - y * x
    if reduction != "batchmean":
        return _reduce(name, losses, reduction)
    if not losses.shape or not losses.shape[0]:
        raise errors.ShapeError(
            f"{name}: reduction='batchmean' divides by the number of examples, and the shape "
            f"{losses.shape} has none. Use reduction='sum'."
        )
    # The sum over the other axes, averaged: so that the mean is over the examples.
    others = tuple(range(1, losses.ndim))
    return _reduce(name, sum(losses, others) if others else losses, "mean")


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts y that are Poisson distributed with mean λ: λ − y log λ.

    Args:
        input: log λ, or λ itself.
        target: counts y ≥ 0, of the same shape.
        log_input: True when `input` is log λ: the loss is then exp(x) − y x.
        full: add log y! in Stirling's approximation, y log y − y + ½ log(2π y), where y > 1.
        eps: keeps the logarithm from 0 when `input` is λ: λ − y log(λ + ε).
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a count or a λ below 0.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.poisson_nll_loss(tc.tensor([0.0, 1.0]), tc.tensor([2.0, 3.0]), reduction="none")
        tensor([ 1.    , -0.2817])
    """
    name = "poisson_nll_loss"
    x, y = _pair(name, input, target)
    _refuse_negative(name, "the count", y, "Counts are 0, 1, 2, …")
    losses: Any
    if log_input:
        losses = exp(x) - y * x
    else:
        _refuse_negative(
            name, "the mean", x, "End the model with softplus, or give log λ with log_input=True."
        )
        losses = x - y * log(x + eps)
    if full:
        # Above 1 alone: where it does not count, the logarithm is taken of 1.
        some = where(y > 1, y, 1.0)
        stirling = some * log(some) - some + 0.5 * log(2 * math.pi * some)
        losses = losses + where(y > 1, stirling, 0.0)
    return _reduce(name, losses, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood under normal distributions: ½ (log σ² + (y − μ)² / σ²).

    Args:
        input: means μ.
        target: labels y, of the same shape.
        var: variances σ² ≥ 0, of the same shape; or one for each row, (…, 1) or without the last
            axis; or a number.
        full: add ½ log 2π, which changes no derivative.
        eps: variances below are taken as ε; the derivative passes through nevertheless.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that do not fit; ArgumentError: a variance below 0, ε ≤ 0.

    Source:
        Nix and Weigend 1994, "Estimating the mean and variance of the target probability
        distribution".

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.gaussian_nll_loss(tc.tensor([0.0]), tc.tensor([2.0]), tc.tensor([4.0]))
        tensor(1.1931)
    """
    name = "gaussian_nll_loss"
    if not isinstance(eps, (int, float, np.number)) or not eps > 0:
        raise errors.ArgumentError(f"{name}: eps must be a positive number, got {eps!r}.")
    mu, y = _pair(name, input, target)
    v: Any = as_input(var)
    if v.dtype != mu.dtype:
        v = v.to(mu.dtype)
    if v.shape != mu.shape and v.ndim:
        if v.shape == mu.shape[:-1]:
            v = v.unsqueeze(-1)
        elif v.shape != (*mu.shape[:-1], 1):
            raise errors.ShapeError(
                f"{name}: the means have shape {mu.shape}, the variances {v.shape}; expected the "
                f"same shape, or one variance for each row: {(*mu.shape[:-1], 1)}."
            )
    _refuse_negative(
        name, "the variance", v, "End the part of the model that gives it with softplus or exp."
    )
    v = apply(at_least.op, (v,), {"least": float(eps)})
    difference: Any = y - mu
    losses: Any = 0.5 * (log(v) + square(difference) / v)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return _reduce(name, losses, reduction)


def _refuse_negative(name: str, what: str, x: Tensor, cure: str) -> None:
    """Raise when a number is below 0 or NaN."""
    array = x._data
    if not array.size or np.minimum.reduce(array, axis=None) >= 0:
        return
    index = tuple(int(i) for i in np.argwhere(~(array >= 0))[0])
    place = f" at index {index[0] if len(index) == 1 else index}" if index else ""
    raise errors.ArgumentError(
        f"{name}: {what}{place} is {array[index].item()}, expected numbers >= 0. {cure}"
    )


__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]
