"""Clipping gradients, between `backward()` and `step()`.

Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
2013; the names are those of `torch.nn.utils`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_course.errors import ArgumentError, DtypeError, GraphError
from tinygrad_course.inplace import stamp
from tinygrad_course.node import RECORD_ALL, recording
from tinygrad_course.tensor import Tensor, default_dtype, wrap

from .checks import checked_number

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

Parameters = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together so that their joint norm is at most `max_norm`.

    The gradients are multiplied by min(1, max_norm / (norm + 1e-6)), where the norm is that of all
    of them as one long vector.

    Args:
        parameters: one tensor or several; those without a gradient are skipped.
        max_norm: the largest norm allowed, >= 0.
        norm_type: the p of the p-norm, > 0; ``float("inf")`` for the largest absolute value.
        error_if_nonfinite: raise when the norm is NaN or infinite, instead of spreading it.

    Returns:
        The norm before clipping, a tensor of shape ().

    Raises:
        ArgumentError: a negative `max_norm`, or a `norm_type` that is not positive.
        DtypeError: something that is no tensor.
        GraphError: a norm that is not finite, with `error_if_nonfinite`; nothing is then changed.

    Source: `torch.nn.utils.clip_grad_norm_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([0.0, 0.0], requires_grad=True)
        >>> (w * tc.tensor([30.0, 40.0])).sum().backward()
        >>> optim.clip_grad_norm_([w], max_norm=5.0)
        tensor(50.)
        >>> w.grad
        tensor([3., 4.])
    """
    who = "clip_grad_norm_"
    checked_number(who, "max_norm", max_norm, least=0)
    checked_number(who, "norm_type", norm_type, least=0)
    if norm_type == 0:
        raise ArgumentError(f"{who}: got norm_type=0, expected a number > 0. Pass for example 2.")
    owners = _with_gradient(who, parameters)
    gradients = [p.grad for p in owners if p.grad is not None]
    if not gradients:
        return wrap(np.zeros((), default_dtype()))
    if recording.get() & RECORD_ALL:
        return _record_clip(owners, max_norm, norm_type)
    norm = _norm([_norm([g._data], norm_type) for g in gradients], norm_type)
    if not math.isfinite(norm):
        # The sum of squares may overflow where the norm itself does not.
        wide = [g._data.astype(np.float64) for g in gradients]
        norm = _norm(wide, norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise GraphError(
            f"{who}: the norm of the gradients is {norm}, expected a finite number. Look for the "
            "cause with tc.detect_anomaly(), or lower the learning rate."
        )
    scale = max_norm / (norm + 1e-6)
    if not scale >= 1:
        for g in gradients:
            with np.errstate(invalid="ignore"):
                g._data *= scale
            stamp(g)
    return wrap(np.array(norm, gradients[0].dtype))


def clip_grad_value_(parameters: Parameters, clip_value: float) -> None:
    """Limit each element of every gradient to the range from -clip_value to clip_value.

    Args:
        parameters: one tensor or several; those without a gradient are skipped.
        clip_value: the largest absolute value allowed, >= 0.

    Raises:
        ArgumentError: a negative `clip_value`.
        DtypeError: something that is no tensor.

    Source: `torch.nn.utils.clip_grad_value_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([0.0, 0.0], requires_grad=True)
        >>> (w * tc.tensor([0.5, -7.0])).sum().backward()
        >>> optim.clip_grad_value_([w], 1.0)
        >>> w.grad
        tensor([ 0.5, -1. ])
    """
    checked_number("clip_grad_value_", "clip_value", clip_value, least=0)
    for p in _with_gradient("clip_grad_value_", parameters):
        g: Any = p.grad
        if recording.get() & RECORD_ALL:
            p.grad = np.maximum(np.minimum(g, clip_value), -clip_value)
        else:
            np.clip(g._data, -clip_value, clip_value, out=g._data)
            stamp(g)


def _record_clip(owners: list[Tensor], max_norm: float, kind: float) -> Tensor:
    """Clip in recorded operations, as part of a training step that is being captured."""
    sizes: list[Any] = [np.abs(p.grad) for p in owners]  # type: ignore[arg-type]
    if kind == math.inf:
        norm = functools.reduce(np.maximum, [np.max(size) for size in sizes])
    else:
        norm = sum(np.sum(size**kind) for size in sizes) ** (1 / kind)
    scale = np.minimum(max_norm / (norm + 1e-6), 1.0)
    for p in owners:
        p.grad = p.grad * scale
    return norm  # type: ignore[no-any-return]


def _with_gradient(who: str, parameters: Parameters) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in listed:
        if not isinstance(p, Tensor):
            raise DtypeError(
                f"{who}: got a {type(p).__name__} among the parameters, expected tensors. "
                "Pass model.parameters()."
            )
    return [p for p in listed if p.grad is not None]


def _norm(parts: list[Any], kind: float) -> float:
    """Return the joint norm of arrays or numbers."""
    if kind == math.inf:
        return float(max((np.max(np.abs(x), initial=0.0) for x in parts), key=_nan_last))
    with np.errstate(over="ignore"):
        if kind == 2:
            return math.sqrt(sum(float(np.vdot(x, x)) for x in parts))
        return float(sum(float(np.sum(np.abs(x) ** kind)) for x in parts) ** (1 / kind))


def _nan_last(value: Any) -> float:
    """Order numbers so that `max` returns a NaN where there is one."""
    return math.inf if value != value else float(value)
