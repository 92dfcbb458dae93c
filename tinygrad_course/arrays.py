"""From what a user gives to an array: numbers, nested lists, arrays and tensors; and their dtype.

Python floats get the default dtype, float32, which can be set; arrays keep theirs. What is not
numeric is refused here, in a sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import errors
from .messages import CAUGHT
from .op import recorders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_default_dtype = [np.dtype(np.float32)]


def default_dtype() -> np.dtype[Any]:
    """Return the dtype that Python floats get.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.get_default_dtype()
        dtype('float32')
    """
    return _default_dtype[0]


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats get: ``tc.float32`` or ``tc.float64``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.set_default_dtype(tc.float64)
        >>> tc.tensor(1.0).dtype
        dtype('float64')
        >>> tc.set_default_dtype(tc.float32)
    """
    kind = as_dtype(dtype, "set_default_dtype")
    if kind.kind != "f":
        raise errors.DtypeError(
            f"set_default_dtype: needs a float dtype, got {kind}. Use tc.float32 or tc.float64."
        )
    _default_dtype[0] = kind


def as_dtype(dtype: Any, caller: str) -> np.dtype[Any]:
    """Return `dtype` as NumPy's, or say that there is no such dtype."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise errors.DtypeError(
            f"{caller}: there is no dtype {dtype!r:.60}. Use tc.float32, tc.float64, tc.int64 or "
            "tc.bool_."
        ) from None
    return found


def to_array(data: Any, dtype: Any = None, copy: bool = False) -> Array:
    """Return `data` as a numeric array; Python floats get the default dtype."""
    if isinstance(data, recorders[0]):
        data = data._data
    if dtype is not None:
        dtype = as_dtype(dtype, "tensor")
    if isinstance(data, (np.ndarray, np.generic)):
        # A complex array is refused below; converted here it would lose its imaginary part.
        wanted = None if data.dtype.kind == "c" else dtype
        try:
            array = np.array(data, dtype=wanted, copy=copy or None, order="K")
        except (ValueError, TypeError) as error:
            raise errors.DtypeError(
                f"tensor: cannot convert an array of dtype {data.dtype} to {wanted}: {error}. "
                "Convert the data to numbers first."
            ) from None
    else:
        try:
            array = np.array(data, dtype=dtype)
        except CAUGHT as error:
            reason = str(error).rstrip(". ")
            raise errors.ShapeError(
                f"tensor: cannot make an array of {type(data).__name__}: {reason}. "
                "Nested lists must be rectangular and hold numbers."
            ) from None
        if dtype is None and array.dtype == np.float64:
            found = _array_dtype(data)
            array = array.astype(found or default_dtype(), copy=False)
    if array.dtype.kind not in "fiub":
        what = "complex numbers" if array.dtype.kind == "c" else f"dtype {array.dtype}"
        what += "" if isinstance(data, np.ndarray) else f" (from {data!r:.40})"
        raise errors.DtypeError(
            f"tensor: holds real numbers, integers or booleans, got {what}. "
            "Convert the data to numbers first (for example one-hot labels, or real and "
            "imaginary parts as two tensors)."
        )
    return array


def _array_dtype(data: Any) -> np.dtype[Any] | None:
    """Return the float dtype of the arrays inside nested lists, None when there are none."""
    found: set[np.dtype[Any]] = set()
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, (np.ndarray, np.generic, recorders[0])):
            found.add(item.dtype)
    return np.result_type(*found) if found else None
