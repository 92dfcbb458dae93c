"""Error messages for what NumPy refuses: the operation, what it got, what it expected, the cure.

NumPy knows why a computation is impossible, but not which operation of ours asked for it, with
which tensors, or what to do. `explain` puts the three together. Nothing here computes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from . import errors
from .op import Op

# Operations that the user calls by another name.
CALLED = {
    "_einsum": "einsum",
    "assign": "copy",
    "bitwise_and": "&",
    "bitwise_not": "~",
    "bitwise_or": "|",
    "broadcast_shape": "expand",
    "clip_between": "clamp",
    "getitem": "x[…]",
    "join": "cat",
    "matrix_product": "matmul",
    "norm2": "norm",
    "pad_constant": "pad",
    "permute_axes": "permute",
    "reshape_to": "reshape",
    "setitem": "x[…] = v",
}
CAUGHT = (ValueError, TypeError, IndexError, OverflowError)


def describe(values: Sequence[Any]) -> str:
    """Return shapes and dtypes of operands: ``(2, 3) float32 and (4,) int64``."""
    parts = []
    for value in values:
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            parts.append(f"{value.shape} {value.dtype}")
        else:
            parts.append(f"the number {value!r:.40}")
    return " and ".join(parts) if parts else "nothing"


def explain(op: Op, arrays: Sequence[Any], params: dict[str, Any], error: Exception) -> NoReturn:
    """Raise our error for the one that computing `op` raised."""
    if isinstance(error, errors.TinygradCourseError):
        raise error
    shown = ", ".join(f"{k}={v!r:.60}" for k, v in params.items())
    got = f"{CALLED.get(op.name, op.name)}: got {describe(arrays)}"
    got += f" with {shown}" if shown else ""
    kind = kind_of(error)
    reason = str(error).strip().rstrip(". ")
    cure = _cure(op, arrays, params, error)
    raise kind(f"{got}. NumPy says: {reason}. {cure}".rstrip()) from None


def kind_of(error: Exception) -> type[errors.TinygradCourseError]:
    """Return which of our errors corresponds to a built-in one."""
    if isinstance(error, np.exceptions.AxisError):
        return errors.ShapeError
    if isinstance(error, TypeError):
        return errors.DtypeError
    if isinstance(error, IndexError):
        return errors.IndexingError
    return errors.ArgumentError if isinstance(error, OverflowError) else errors.ShapeError


def explain_call(
    name: str, args: Sequence[Any], error: Exception, signature: Any
) -> errors.TinygradCourseError:
    """Return our error for the one that a function composed of operations ran into."""
    got = ", ".join(brief(a) for a in args)
    reason = str(error).strip().rstrip(". ")
    return kind_of(error)(f"{name}: got ({got}): {reason}. It is {name}{plain(signature)}.")


def plain(signature: Any) -> str:
    """Return a signature without its annotations: ``(x, axis=None, keepdims=False)``."""
    if not isinstance(signature, inspect.Signature):
        return str(signature)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def brief(value: Any) -> str:
    """Return an argument in a few characters: shape and dtype of a tensor, else its value."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__.lower()} {value.shape} {value.dtype}"
    return f"{value!r:.40}"


def _cure(op: Op, arrays: Sequence[Any], params: dict[str, Any], error: Exception) -> str:
    first = arrays[0] if len(arrays) else 0
    axis = params.get("axis", params.get("dim"))
    if isinstance(error, np.exceptions.AxisError):
        return f"Axes run from {-np.ndim(first)} to {np.ndim(first) - 1} here."
    if "axis" in params and not _is_axis(axis):
        return "An axis is an integer, or a tuple of them."
    if isinstance(error, TypeError):
        if op.name.startswith("bitwise"):
            return "It works on booleans and integers: compare first, as in (x > 0) & (y > 0)."
        return "Convert the operands with .float() or .to(dtype)."
    if isinstance(error, IndexError):
        return "Along an axis of length n, indices run from −n to n − 1."
    cure = CURES.get(op.name)
    if cure is not None:
        return cure(first)
    if op.kind == "elementwise":
        return (
            "Shapes broadcast when, aligned from the right, the lengths are equal or 1. "
            "Reshape or unsqueeze one of them."
        )
    return ""


def _is_axis(axis: Any) -> bool:
    each = axis if isinstance(axis, (tuple, list)) else (axis,)
    return axis is None or all(isinstance(a, (int, np.integer)) for a in each)


CURES: dict[str, Callable[[Any], str]] = {
    "matrix_product": lambda a: (
        "(n, k) @ (k, m) gives (n, m): the columns of the left must be as many as the rows of the "
        "right. Transpose one with .T, or use * for the elementwise product."
    ),
    "reshape_to": lambda a: (
        f"The new shape must hold the same {np.size(a)} elements; one length may be −1, and is "
        "then worked out."
    ),
    "broadcast_shape": lambda a: (
        f"Only axes of length 1 can be expanded, here of {np.shape(a)}; new axes come in front."
    ),
    "join": lambda a: "All lengths must agree, except along the axis that is joined.",
    "setitem": lambda a: "The value must broadcast to the shape of the part it is written to.",
}


def user_line() -> str:
    """Return ``file:line`` of the innermost frame outside this package."""
    package = __name__.rpartition(".")[0]
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if module != package and not module.startswith(package + "."):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
