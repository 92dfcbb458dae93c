"""Making tensors: from data, filled with a number, or counted.

``dtype`` is a NumPy dtype; floats default to the default dtype (float32). Shapes may be given as
``zeros(2, 3)`` or ``zeros((2, 3))``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import errors
from .messages import CAUGHT, explain_call
from .ops.define import attach
from .ops.shape import sizes
from .tensor import Tensor, as_dtype, default_dtype, to_array, wrap


class device:
    """The place of computation: only ``device("cpu")`` exists here.

    Raises:
        ArgumentError: any other device.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.device("cpu")
        device(type='cpu')
    """

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        """Accept the CPU."""
        name = type.type if isinstance(type, device) else str(type).split(":")[0]
        if name != "cpu":
            raise errors.ArgumentError(
                f"device: {type!r} is not available; this package computes on the CPU. "
                'Use device("cpu").'
            )
        self.type = "cpu"
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash(self.type)

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"


Maker = TypeVar("Maker", bound=Callable[..., Any])


def maker(body: Maker) -> Maker:
    """Say of NumPy's errors which function met them, with which arguments."""
    signature = inspect.signature(body)
    starred = "shape" in signature.parameters and body.__name__ != "full"

    @functools.wraps(body)
    def make(*args: Any, **kwargs: Any) -> Any:
        if starred and "size" in kwargs:
            args = (*args, kwargs.pop("size"))
        try:
            return body(*args, **kwargs)
        except errors.TinygradCourseError:
            raise
        except CAUGHT as error:
            given = (*args, *kwargs.values())
            raise explain_call(body.__name__, given, error, signature) from None

    return make  # type: ignore[return-value]


def lengths_of(shape: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return the lengths of the axes, none of them negative."""
    lengths = sizes(shape, name)
    if any(n < 0 for n in lengths):
        raise errors.ShapeError(
            f"{name}: got the shape {lengths}; a length cannot be negative. −1 is only for reshape."
        )
    return lengths


def kind_of(dtype: Any, name: str) -> Any:
    """Return the dtype asked for, or the default one."""
    return default_dtype() if dtype is None else as_dtype(dtype, name)


def finish(array: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return the tensor on `array`, with what the caller asked for."""
    out = wrap(array)
    out._name = name
    if requires_grad:
        out.requires_grad_()
    return out


def tensor(
    data: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
    device: Any = None,
) -> Tensor:
    """Copy data into a new tensor.

    Args:
        data: numbers, nested lists, arrays or tensors.
        dtype: Python floats get the default dtype, ints int64, bools bool; arrays keep theirs.
        requires_grad: collect ``.grad`` here.
        name: how equations, pictures and messages call it.
        device: the CPU, if given.

    Raises:
        ShapeError: ragged lists; DtypeError: data that is not numeric.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([[1, 2], [3, 4]], dtype=tc.float32, name="X")
        tensor([[1., 2.],
                [3., 4.]], name='X')
    """
    check_device(device)
    return Tensor(data, dtype, requires_grad, name)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return data as a tensor, sharing memory where possible (arrays and tensors).

    Example:
        >>> import tinygrad_course as tc
        >>> import numpy as np
        >>> tc.as_tensor(np.ones(2)).dtype
        dtype('float64')
    """
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype in (None, data.dtype) else Tensor(data, dtype)
    return wrap(to_array(data, dtype))


@maker
def from_numpy(array: Any) -> Tensor:
    """Return a tensor on the memory of an array.

    Writes through the array are not seen by autograd; use ``tensor(array)`` for a copy.

    Raises:
        DtypeError: not an ndarray, or not numeric.

    Example:
        >>> import tinygrad_course as tc
        >>> import numpy as np
        >>> tc.from_numpy(np.zeros(2))
        tensor([0., 0.], dtype=float64)
    """
    if not isinstance(array, np.ndarray):
        raise errors.DtypeError(
            f"from_numpy: needs an ndarray, got {type(array).__name__}. Use tc.tensor(data)."
        )
    return wrap(to_array(array))


def check_device(place: Any) -> None:
    """Refuse a device other than the CPU."""
    if place is not None:
        device(place)


@maker
def zeros(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
    device: Any = None,
) -> Tensor:
    """Return a tensor of zeros.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 2)
        tensor([[0., 0.],
                [0., 0.]])
    """
    check_device(device)
    array = np.zeros(lengths_of(shape, "zeros"), kind_of(dtype, "zeros"))
    return finish(array, requires_grad, name)


@maker
def ones(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
    device: Any = None,
) -> Tensor:
    """Return a tensor of ones.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.ones(3)
        tensor([1., 1., 1.])
    """
    check_device(device)
    return finish(np.ones(lengths_of(shape, "ones"), kind_of(dtype, "ones")), requires_grad, name)


@maker
def empty(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
    device: Any = None,
) -> Tensor:
    """Return a tensor to be filled; it starts as zeros, so nothing is ever undefined.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.empty(2).shape
        (2,)
    """
    return zeros(*shape, dtype=dtype, requires_grad=requires_grad, name=name, device=device)


@maker
def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
    device: Any = None,
) -> Tensor:
    """Return a tensor filled with one number.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.full((2,), 7.0)
        tensor([7., 7.])
    """
    check_device(device)
    lengths = lengths_of(shape if isinstance(shape, tuple) else (shape,), "full")
    value = to_array(fill_value, dtype)
    return finish(np.full(lengths, value), requires_grad, name)


@maker
def zeros_like(
    x: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return zeros of a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros_like(tc.tensor([1, 2]))
        tensor([0, 0])
    """
    check_device(device)
    return finish(
        np.zeros(np.shape(x), dtype_of(x) if dtype is None else dtype), requires_grad, None
    )


@maker
def ones_like(
    x: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return ones of a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.ones_like(tc.tensor([1, 2]))
        tensor([1, 1])
    """
    check_device(device)
    return finish(
        np.ones(np.shape(x), dtype_of(x) if dtype is None else dtype), requires_grad, None
    )


@maker
def full_like(
    x: Any,
    fill_value: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return a tensor of another's shape and dtype, filled with one number.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.full_like(tc.tensor([1.0, 2.0]), 5)
        tensor([5., 5.])
    """
    check_device(device)
    return finish(
        np.full(np.shape(x), fill_value, dtype_of(x) if dtype is None else dtype),
        requires_grad,
        None,
    )


@maker
def empty_like(
    x: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return a tensor of another's shape and dtype, to be filled; it starts as zeros.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.empty_like(tc.tensor([1.0, 2.0])).shape
        (2,)
    """
    check_device(device)
    return zeros_like(x, dtype, requires_grad)


def dtype_of(x: Any) -> Any:
    """Return the dtype of a tensor, an array, or what would become one."""
    return x.dtype if hasattr(x, "dtype") else to_array(x).dtype


@maker
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return start, start + step, … below end; integers for integer arguments.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(2, 10, 3)
        tensor([2, 5, 8])
    """
    check_device(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise errors.ArgumentError("arange: step must not be 0.")
    if dtype is None and any(isinstance(v, float) for v in (start, end, step)):
        dtype = default_dtype()
    return finish(np.arange(start, end, step, dtype=dtype), requires_grad, None)


@maker
def linspace(
    start: Any,
    end: Any,
    steps: int = 100,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return `steps` evenly spaced numbers from start to end, both included.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linspace(0, 1, 5)
        tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    check_device(device)
    return finish(
        np.linspace(float(start), float(end), steps, dtype=kind_of(dtype, "linspace")),
        requires_grad,
        None,
    )


@maker
def eye(
    n: int,
    m: int | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return a matrix with ones on the diagonal.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_device(device)
    return finish(np.eye(n, m, dtype=kind_of(dtype, "eye")), requires_grad, None)


@maker
def logspace(
    start: Any,
    end: Any,
    steps: int = 100,
    base: float = 10.0,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return `steps` numbers from baseˢᵗᵃʳᵗ to baseᵉⁿᵈ, whose exponents are evenly spaced.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    check_device(device)
    powers = np.logspace(float(start), float(end), steps, base=base)
    return finish(powers.astype(kind_of(dtype, "logspace")), requires_grad, None)


@maker
def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Return the places of a lower triangle: the rows above, the columns below.

    Args:
        row: the number of rows of the matrix.
        col: the number of columns.
        offset: the last diagonal of the triangle: 0 the main one, 1 the one above it.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tril_indices(2, 2).tolist()
        [[0, 1, 1], [0, 0, 1]]
    """
    return wrap(np.stack(np.tril_indices(_side(row), offset, _side(col))))


@maker
def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Return the places of an upper triangle: the rows above, the columns below.

    Args:
        row: the number of rows of the matrix.
        col: the number of columns.
        offset: the first diagonal of the triangle: 0 the main one, 1 the one above it.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.triu_indices(2, 2).tolist()
        [[0, 0, 1], [0, 1, 1]]
    """
    return wrap(np.stack(np.triu_indices(_side(row), offset, _side(col))))


def _side(n: Any) -> int:
    return lengths_of((n,), "tril_indices")[0]


# --- after another tensor -----------------------------------------------------------------------


def _new_zeros(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a new tensor of zeros, with this one's dtype unless another is given."""
    dtype = self.dtype if dtype is None else dtype
    return zeros(*size, dtype=dtype, requires_grad=requires_grad, device=device)


def _new_ones(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a new tensor of ones, with this one's dtype unless another is given."""
    dtype = self.dtype if dtype is None else dtype
    return ones(*size, dtype=dtype, requires_grad=requires_grad, device=device)


def _new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a new tensor filled with one number, with this one's dtype unless another is given."""
    dtype = self.dtype if dtype is None else dtype
    return full(size, fill_value, dtype=dtype, requires_grad=requires_grad, device=device)


def _new_tensor(
    self: Tensor, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Copy data into a new tensor, with this one's dtype unless another is given."""
    dtype = self.dtype if dtype is None else dtype
    return tensor(data, dtype=dtype, requires_grad=requires_grad, device=device)


attach(_new_zeros, "new_zeros", "new_empty")
attach(_new_ones, "new_ones")
attach(_new_full, "new_full")
attach(_new_tensor, "new_tensor")
