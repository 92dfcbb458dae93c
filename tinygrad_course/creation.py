"""Making tensors: from data, filled with a number, counted, or drawn at random.

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
from .random import Generator, default_generator
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


def _maker(body: Maker) -> Maker:
    """Say of NumPy's errors which function met them, with which arguments."""
    signature = inspect.signature(body)

    @functools.wraps(body)
    def make(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except errors.TinygradCourseError:
            raise
        except CAUGHT as error:
            given = (*args, *kwargs.values())
            raise explain_call(body.__name__, given, error, signature) from None

    return make  # type: ignore[return-value]


def _lengths(shape: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return the lengths of the axes, none of them negative."""
    lengths = sizes(shape, name)
    if any(n < 0 for n in lengths):
        raise errors.ShapeError(
            f"{name}: got the shape {lengths}; a length cannot be negative. −1 is only for reshape."
        )
    return lengths


def _kind(dtype: Any, name: str) -> Any:
    """Return the dtype asked for, or the default one."""
    return default_dtype() if dtype is None else as_dtype(dtype, name)


def _finish(array: Any, requires_grad: bool, name: str | None) -> Tensor:
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
    _cpu(device)
    return Tensor(data, dtype, requires_grad, name)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return data as a tensor, sharing memory where possible (arrays and tensors).

    Example:
        >>> import tinygrad_course as tc
        >>> import numpy as np
        >>> tc.as_tensor(np.ones(2)).dtype
        dtype('float64')
    """
    _cpu(device)
    if isinstance(data, Tensor):
        return data if dtype in (None, data.dtype) else Tensor(data, dtype)
    return wrap(to_array(data, dtype))


@_maker
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


def _cpu(place: Any) -> None:
    if place is not None:
        device(place)


@_maker
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
    _cpu(device)
    array = np.zeros(_lengths(shape, "zeros"), _kind(dtype, "zeros"))
    return _finish(array, requires_grad, name)


@_maker
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
    _cpu(device)
    return _finish(np.ones(_lengths(shape, "ones"), _kind(dtype, "ones")), requires_grad, name)


@_maker
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


@_maker
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
    _cpu(device)
    lengths = _lengths(shape if isinstance(shape, tuple) else (shape,), "full")
    value = to_array(fill_value, dtype)
    return _finish(np.full(lengths, value), requires_grad, name)


@_maker
def zeros_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros_like(tc.tensor([1, 2]))
        tensor([0, 0])
    """
    return _finish(
        np.zeros(np.shape(x), _dtype_of(x) if dtype is None else dtype), requires_grad, None
    )


@_maker
def ones_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.ones_like(tc.tensor([1, 2]))
        tensor([1, 1])
    """
    return _finish(
        np.ones(np.shape(x), _dtype_of(x) if dtype is None else dtype), requires_grad, None
    )


@_maker
def full_like(x: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of another's shape and dtype, filled with one number.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.full_like(tc.tensor([1.0, 2.0]), 5)
        tensor([5., 5.])
    """
    return _finish(
        np.full(np.shape(x), fill_value, _dtype_of(x) if dtype is None else dtype),
        requires_grad,
        None,
    )


@_maker
def empty_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of another's shape and dtype, to be filled; it starts as zeros.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.empty_like(tc.tensor([1.0, 2.0])).shape
        (2,)
    """
    return zeros_like(x, dtype, requires_grad)


def _dtype_of(x: Any) -> Any:
    return x.dtype if hasattr(x, "dtype") else to_array(x).dtype


@_maker
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
    _cpu(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise errors.ArgumentError("arange: step must not be 0.")
    if dtype is None and any(isinstance(v, float) for v in (start, end, step)):
        dtype = default_dtype()
    return _finish(np.arange(start, end, step, dtype=dtype), requires_grad, None)


@_maker
def linspace(
    start: Any, end: Any, steps: int = 100, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return `steps` evenly spaced numbers from start to end, both included.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.linspace(0, 1, 5)
        tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return _finish(
        np.linspace(float(start), float(end), steps, dtype=_kind(dtype, "linspace")),
        requires_grad,
        None,
    )


@_maker
def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a matrix with ones on the diagonal.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    return _finish(np.eye(n, m, dtype=_kind(dtype, "eye")), requires_grad, None)


@_maker
def logspace(
    start: Any,
    end: Any,
    steps: int = 100,
    base: float = 10.0,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` numbers from baseˢᵗᵃʳᵗ to baseᵉⁿᵈ, whose exponents are evenly spaced.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    powers = np.logspace(float(start), float(end), steps, base=base)
    return _finish(powers.astype(_kind(dtype, "logspace")), requires_grad, None)


@_maker
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


@_maker
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
    return _lengths((n,), "tril_indices")[0]


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


# --- random -------------------------------------------------------------------------------------


def _numpy_generator(generator: Generator | None) -> np.random.Generator:
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise errors.DtypeError(
            f"random: generator is {type(generator).__name__}, expected a tc.Generator. Make one "
            "with tc.Generator(seed), or leave it out and call tc.manual_seed(seed)."
        )
    return generator.numpy


@_maker
def rand(
    *shape: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1).

    Args:
        shape: lengths of the axes.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        dtype: a float dtype.
        requires_grad: collect ``.grad`` here.
        device: the CPU, if given.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> bool((tc.rand(100) < 1).all())
        True
    """
    _cpu(device)
    draw = _numpy_generator(generator).random(_lengths(shape, "rand"))
    return _finish(np.asarray(draw, _kind(dtype, "rand")), requires_grad, None)


@_maker
def randn(
    *shape: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw from the standard normal distribution.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> tc.randn(2, 3).shape
        (2, 3)
    """
    _cpu(device)
    draw = _numpy_generator(generator).standard_normal(_lengths(shape, "randn"))
    return _finish(np.asarray(draw, _kind(dtype, "randn")), requires_grad, None)


@_maker
def randint(
    low: int, high: Any = None, size: Any = (), generator: Generator | None = None
) -> Tensor:
    """Draw integers from low … high − 1 (0 … low − 1 with one bound).

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> bool((tc.randint(0, 10, (5,)) < 10).all())
        True
    """
    if isinstance(high, (tuple, list)):  # randint(high, size)
        low, high, size = 0, low, high
    if high is None:
        low, high = 0, low
    if high <= low:
        raise errors.ArgumentError(f"randint: high must be above low, got {low} and {high}.")
    return wrap(np.asarray(_numpy_generator(generator).integers(low, high, tuple(size))))


@_maker
def randperm(n: int, generator: Generator | None = None) -> Tensor:
    """Return the numbers 0 … n − 1 in random order.

    Example:
        >>> import tinygrad_course as tc
        >>> sorted(tc.randperm(4).tolist())
        [0, 1, 2, 3]
    """
    return wrap(_numpy_generator(generator).permutation(n))


@_maker
def rand_like(x: Any, generator: Generator | None = None) -> Tensor:
    """Draw uniformly, in a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.rand_like(tc.zeros(2, 3)).shape
        (2, 3)
    """
    return rand(np.shape(x), generator=generator, dtype=_dtype_of(x))


@_maker
def randn_like(x: Any, generator: Generator | None = None) -> Tensor:
    """Draw from the standard normal distribution, in a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.randn_like(tc.zeros(2, 3)).shape
        (2, 3)
    """
    return randn(np.shape(x), generator=generator, dtype=_dtype_of(x))
