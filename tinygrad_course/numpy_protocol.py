"""NumPy functions called on a tensor: recorded where there is an operation, else a clear error.

``np.exp(t)``, ``np.sum(t, axis=0)``, ``np.where(m, t, 0)`` arrive here through NumPy's
``__array_ufunc__`` and ``__array_function__``. A function without an operation runs on the plain
array when no gradient is at stake, and is refused when one would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import errors
from .journal import look
from .ops.define import NUMPY, UFUNC_OPS, attach
from .tensor import Tensor, apply

# Questions about a tensor, not computations from it: answered from the plain array. First those
# that do not depend on its values, apart from printing them.
SHAPES: frozenset[Any] = frozenset(
    {
        np.shape,
        np.ndim,
        np.size,
        np.array2string,
        np.array_repr,
        np.array_str,
        np.may_share_memory,
        np.shares_memory,
        np.can_cast,
        np.result_type,
        np.iscomplexobj,
        np.isrealobj,
        np.min_scalar_type,
    }
)
QUESTIONS: frozenset[Any] = SHAPES | frozenset(
    {
        np.allclose,
        np.array_equal,
        np.array_equiv,
        np.isclose,
        np.argsort,
        np.searchsorted,
        np.unique,
        np.nonzero,
        np.flatnonzero,
        np.argwhere,
        np.count_nonzero,
        np.save,
        np.savez,
        np.savetxt,
        np.array_split,
        np.histogram,
        np.bincount,
        np.copyto,
    }
)


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Record a ufunc called on tensors."""
    made = UFUNC_OPS.get(ufunc)
    if method == "__call__" and made is not None and not kwargs:
        return apply(made, inputs)
    if method == "__call__" and ufunc in NUMPY and not kwargs:
        return NUMPY[ufunc](*inputs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        # np.add.reduce works along axis 0 by default, np.sum over all.
        kwargs = {k: v for k, v in kwargs.items() if v is not None or k == "axis"}
        axis = inputs[1] if len(inputs) > 1 else kwargs.pop("axis", 0)
        keepdims = kwargs.pop("keepdims", False)
        if not kwargs:
            return NUMPY[_REDUCTIONS[ufunc]](inputs[0], axis=axis, keepdims=keepdims)
    return _on_arrays(f"np.{ufunc.__name__}", getattr(ufunc, method), inputs, kwargs)


_REDUCTIONS = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min, np.multiply: np.prod}


def _array_function(
    self: Tensor,
    func: Callable[..., Any],
    types: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Record a NumPy function called on tensors."""
    handler = NUMPY.get(func)
    if handler is not None:
        kwargs = {k: v for k, v in kwargs.items() if not (k in ("out", "dtype") and v is None)}
        return handler(*args, **kwargs)
    name = f"np.{func.__name__}"
    if func in QUESTIONS:
        return func(*_plain(args, name, func), **_plain(kwargs, name, func))
    return _on_arrays(name, func, args, kwargs)


def _on_arrays(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run on plain arrays, unless that would lose a gradient."""
    if any(t.requires_grad for t in _tensors((args, kwargs))):
        shown = ", ".join(sorted(k for k in kwargs if kwargs[k] is not None))
        raise errors.DtypeError(
            f"{name}{f' with {shown}' if shown else ''}: has no derivative here, and one of its "
            "tensors requires grad, so the gradient would be lost. Use an operation of "
            "tinygrad_course, or call it on .detach().numpy() when no gradient is wanted."
        )
    return func(*_plain(args, name, func), **_plain(kwargs, name, func))


def _plain(value: Any, name: str, func: Any) -> Any:
    """Replace tensors by their arrays, inside containers too."""
    if isinstance(value, Tensor):
        if func not in SHAPES:
            look(value, name)
        return value._array()
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(v, name, func) for v in value)
    if isinstance(value, dict):
        return {k: _plain(v, name, func) for k, v in value.items()}
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


attach(_array_ufunc, "__array_ufunc__")
attach(_array_function, "__array_function__")
