"""Derivatives of functions under PyTorch's names and arguments, ``autograd.functional``.

They are `transforms` with the function's arguments in a tuple instead of in a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import transforms
from .tensor import Tensor, as_tensor

Fun = Callable[..., Any]


def _arguments(inputs: Any, create_graph: bool) -> tuple[tuple[Tensor, ...], bool]:
    """Return the arguments as a tuple, and whether they were one; without history unless asked."""
    many = isinstance(inputs, tuple | list)
    given = tuple(as_tensor(x) for x in (inputs if many else (inputs,)))
    return (given if create_graph else tuple(x.detach() for x in given)), many


def jacobian(func: Fun, inputs: Any, create_graph: bool = False) -> Any:
    """Return the Jacobian of `func` at `inputs`, of shape ``func(x).shape + x.shape``.

    Args:
        func: a function of tensors that returns a tensor.
        inputs: its argument, or a tuple of its arguments; the result is then a tuple.
        create_graph: keep the result differentiable by inputs that require grad.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.autograd.functional.jacobian(lambda x: x**2, tc.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    given, many = _arguments(inputs, create_graph)
    return transforms.jacobian(func, range(len(given)) if many else 0)(*given)


def hessian(func: Fun, inputs: Any, create_graph: bool = False) -> Any:
    """Return the Hessian of a scalar function; for a tuple of inputs, a tuple of rows of blocks.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.autograd.functional.hessian(lambda x: (x**3).sum(), tc.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    given, many = _arguments(inputs, create_graph)
    places = range(len(given))
    if not many:
        return transforms.hessian(func)(*given)
    slopes = [transforms.grad(func, i) for i in places]
    return tuple(transforms.jacobian(slope, places)(*given) for slope in slopes)


def vjp(func: Fun, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``(func(inputs), vᵀ J)``; v is 1 for a scalar function.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.autograd.functional.vjp(lambda x: (x**2).sum(), tc.tensor([1.0, 2.0]))
        (tensor(5.), tensor([2., 4.]))
    """
    given, many = _arguments(inputs, create_graph)
    value, pull = transforms.vjp(func, *given)
    found = pull(1.0 if v is None else v)
    found = found if isinstance(found, tuple) else (found,)
    return value, found if many else found[0]


def jvp(func: Fun, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``(func(inputs), J v)``; v is 1 for a function of one number.

    Example:
        >>> import tinygrad_course as tc
        >>> x, v = tc.tensor([1.0, 2.0]), tc.tensor([1.0, 0.0])
        >>> tc.autograd.functional.jvp(lambda x: x**2, x, v)
        (tensor([1., 4.]), tensor([2., 0.]))
    """
    given, many = _arguments(inputs, create_graph)
    along = (as_tensor(1.0),) if v is None else tuple(v) if many else (v,)
    return transforms.jvp(func, given, along)


__all__ = ["hessian", "jacobian", "jvp", "vjp"]
