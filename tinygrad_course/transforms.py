"""Derivatives of plain functions: gradients, products with Jacobians and Hessians, and these whole.

Each takes a function of tensors (or arrays) and returns its derivative, as a function or a value.
Forward-mode products come from differentiating the recorded reverse pass, so there is one
derivative rule per operation, never two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import errors
from .autograd import grad as _grad
from .modes import enable_grad
from .ops.join import stack
from .tensor import Tensor, as_tensor, note_same, wrap

Fun = Callable[..., Any]


def _leaf(value: Any, name: str) -> Tensor:
    """Return an argument as a fresh point of differentiation, keeping outer history."""
    x = as_tensor(value)
    if x.dtype.kind != "f":
        raise errors.DtypeError(
            f"{name}: can only differentiate with respect to floats, got dtype {x.dtype}."
        )
    if x.requires_grad:
        return x.view(x.shape) if x.ndim else x.reshape(())  # a node of its own
    out = wrap(x._data)
    out._name = x.name
    out._memory = x._stamp()
    out._requires_grad = True
    note_same(out, x)
    return out


def _split(args: tuple[Any, ...], argnums: int | Sequence[int], name: str) -> tuple[int, ...]:
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in wanted:
        if not isinstance(n, int):
            raise errors.DtypeError(
                f"{name}: argnums is {argnums!r}, expected the number of an argument, counted from "
                "0, or a tuple of numbers."
            )
        if not -len(args) <= n < len(args):
            raise errors.ArgumentError(
                f"{name}: argnums names argument {n}, but {len(args)} were given."
            )
    return tuple(n % len(args) for n in wanted)


def _call(f: Fun, args: tuple[Any, ...], wanted: tuple[int, ...], kw: Any, name: str) -> Any:
    """Call `f` with the wanted arguments as points of differentiation."""
    if not callable(f):
        raise errors.DtypeError(
            f"{name}: got {type(f).__name__} to differentiate, expected a function. For a tensor "
            "that is already computed, use tc.autograd.grad(y, x)."
        )
    points = list(args)
    for n in wanted:
        points[n] = _leaf(args[n], name)
    with enable_grad():
        value = f(*points, **kw)
    return value, [points[n] for n in wanted]


def _tensor_result(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise errors.DtypeError(
            f"{name}: the function returned {type(value).__name__}, expected a tensor computed "
            "from its arguments."
        )
    return value


def _grads(
    outputs: Tensor, points: list[Tensor], cotangent: Any = None, create_graph: bool = True
) -> list[Tensor]:
    """Return gradients, zeros where the output does not depend on a point."""
    if not outputs.requires_grad:
        return [wrap(np.zeros_like(p._data)) for p in points]
    found = _grad(
        outputs, points, cotangent, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    zero = [wrap(np.zeros_like(p._data)) for p in points]
    return [z if g is None else g for g, z in zip(found, zero, strict=True)]


def _finish(results: list[Any], argnums: Any, keep: bool) -> Any:
    if not keep:
        results = [r.detach() for r in results]
    return results[0] if isinstance(argnums, int) else tuple(results)


def _outer(args: tuple[Any, ...]) -> bool:
    """Return True when an argument has history: results must stay differentiable."""
    return any(isinstance(a, Tensor) and a.requires_grad for a in args)


def value_and_grad(f: Fun, argnums: int | Sequence[int] = 0) -> Fun:
    """Return a function that gives ``(f(…), gradient)``.

    Args:
        f: a function that returns a scalar tensor.
        argnums: the argument, or arguments, to differentiate with respect to.

    Raises:
        ShapeError: the result is not a scalar.

    Example:
        >>> import tinygrad_course as tc
        >>> value, slope = tc.value_and_grad(lambda x: x**3)(2.0)
        >>> value.item(), slope.item()
        (8.0, 12.0)
    """

    def differentiated(*args: Any, **kw: Any) -> Any:
        wanted = _split(args, argnums, "grad")
        value, points = _call(f, args, wanted, kw, "grad")
        value = _tensor_result(value, "grad")
        if value.numel() != 1:
            raise errors.ShapeError(
                f"grad: the function returned shape {value.shape}; a gradient needs a scalar. "
                "Return .sum() or .mean(), or use jacobian."
            )
        keep = _outer(args)
        results = _grads(value, points, create_graph=keep)
        return (value if keep else value.detach()), _finish(list(results), argnums, keep)

    return differentiated


def grad(f: Fun, argnums: int | Sequence[int] = 0) -> Fun:
    """Return the gradient function of a scalar function; can be applied again for higher orders.

    Args:
        f: a function that returns a scalar tensor.
        argnums: the argument, or arguments, to differentiate with respect to.

    Example:
        >>> import tinygrad_course as tc
        >>> cube = lambda x: x**3
        >>> tc.grad(cube)(2.0).item(), tc.grad(tc.grad(cube))(2.0).item()
        (12.0, 12.0)
    """
    both = value_and_grad(f, argnums)

    def gradient(*args: Any, **kw: Any) -> Any:
        return both(*args, **kw)[1]

    return gradient


def vjp(f: Fun, *primals: Any) -> tuple[Any, Fun]:
    """Return ``(f(*primals), pull)``, where ``pull(v)`` is the vector–Jacobian product vᵀ J.

    Example:
        >>> import tinygrad_course as tc
        >>> y, pull = tc.vjp(lambda x: x**2, tc.tensor([1.0, 2.0]))
        >>> pull(tc.tensor([1.0, 10.0]))
        tensor([ 2., 40.])
    """
    wanted = tuple(range(len(primals)))
    value, points = _call(f, primals, wanted, {}, "vjp")
    value = _tensor_result(value, "vjp")
    keep = _outer(primals)

    def pull(cotangent: Any) -> Any:
        recorded = keep or (isinstance(cotangent, Tensor) and cotangent.requires_grad)
        results = _grads(value, points, cotangent, create_graph=recorded)
        return _finish(list(results), 0 if len(points) == 1 else None, recorded)

    return (value if keep else value.detach()), pull


@enable_grad()
def jvp(f: Fun, primals: Any, tangents: Any) -> tuple[Tensor, Tensor]:
    """Return ``(f(*primals), J v)``: the derivative along the direction `tangents`.

    Example:
        >>> import tinygrad_course as tc
        >>> y, dy = tc.jvp(lambda x: x**2, tc.tensor([1.0, 2.0]), tc.tensor([1.0, 10.0]))
        >>> dy
        tensor([ 2., 40.])
    """
    points_in = tuple(primals) if isinstance(primals, (tuple, list)) else (primals,)
    directions = tuple(tangents) if isinstance(tangents, (tuple, list)) else (tangents,)
    if len(points_in) != len(directions):
        raise errors.ArgumentError(
            f"jvp: {len(points_in)} primals and {len(directions)} tangents; give one for each."
        )
    for p, v in zip(points_in, directions, strict=True):
        if np.shape(p) != np.shape(v):
            raise errors.ShapeError(f"jvp: primal {np.shape(p)}, tangent {np.shape(v)}: not equal.")
    value, points = _call(f, points_in, tuple(range(len(points_in))), {}, "jvp")
    value = _tensor_result(value, "jvp")
    keep = _outer(points_in) or _outer(directions)
    # u ↦ uᵀJ is linear in u; its own vector–Jacobian product with v is J v.
    u = wrap(np.zeros_like(value._data))
    u._requires_grad = True
    pulled = _grads(value, points, u)
    total: Any = 0.0
    for row, v in zip(pulled, directions, strict=True):
        total = total + (row * as_tensor(v)).sum()
    if not isinstance(total, Tensor) or not total.requires_grad:
        return value.detach(), wrap(np.zeros_like(value._data))
    (pushed,) = _grads(total, [u], create_graph=keep)
    return (value, pushed) if keep else (value.detach(), pushed.detach())


@enable_grad()
def hvp(f: Fun, primals: Any, v: Any) -> Any:
    """Return the Hessian–vector product H v of a scalar function, without forming H.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hvp(lambda x: (x**3).sum(), tc.tensor([1.0, 2.0]), tc.tensor([1.0, 1.0]))
        tensor([ 6., 12.])
    """
    many = isinstance(primals, (tuple, list))
    points_in = tuple(primals) if many else (primals,)
    directions = tuple(v) if isinstance(v, (tuple, list)) else (v,)
    value, points = _call(f, points_in, tuple(range(len(points_in))), {}, "hvp")
    slopes = _grads(_tensor_result(value, "hvp"), points)
    total: Any = 0.0
    for slope, direction in zip(slopes, directions, strict=True):
        if np.shape(direction) != slope.shape:
            raise errors.ShapeError(
                f"hvp: primal {slope.shape}, vector {np.shape(direction)}: not equal."
            )
        total = total + (slope * as_tensor(direction)).sum()
    keep = _outer(points_in)
    results = _grads(total, points, create_graph=keep)
    return _finish(list(results), None if many else 0, keep)


def jacobian(f: Fun, argnums: int | Sequence[int] = 0) -> Fun:
    """Return a function that gives the Jacobian, of shape ``f(x).shape + x.shape``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.jacobian(lambda x: x**2)(tc.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    def full(*args: Any, **kw: Any) -> Any:
        wanted = _split(args, argnums, "jacobian")
        value, points = _call(f, args, wanted, kw, "jacobian")
        value = _tensor_result(value, "jacobian")
        keep = _outer(args)
        rows: list[list[Tensor]] = []
        for k in range(value.numel()):
            unit = np.zeros(value.numel(), value.dtype)
            unit[k] = 1
            rows.append(_grads(value, points, unit.reshape(value.shape), create_graph=keep))
        results = []
        for i, point in enumerate(points):
            if rows:
                flat = stack([row[i] for row in rows])
            else:
                flat = wrap(np.zeros((0, *point.shape), point.dtype))
            results.append(flat.reshape(value.shape + point.shape))
        return _finish(results, argnums, keep)

    return full


def hessian(f: Fun, argnums: int = 0) -> Fun:
    """Return a function that gives the Hessian of a scalar function, ``x.shape + x.shape``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hessian(lambda x: (x**3).sum())(tc.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    slope = grad(f, argnums)

    def full(*args: Any, **kw: Any) -> Any:
        return jacobian(slope, argnums)(*args, **kw)

    return full


__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
