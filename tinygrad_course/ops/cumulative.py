"""Running computations along an axis: sums, products, extremes, logarithms of sums, differences.

The derivatives of running products and of running logarithms of sums are both a recurrence that
runs backward, λ[t] = g[t] + a[t+1] λ[t+1]. It is an operation, `recurrence`, and its derivative is
a recurrence again. So nothing is ever divided by an element that may be 0, and nothing overflows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor
from .cut import narrow
from .define import NUMPY, function, op
from .index import Selected, take_along_axis
from .join import cat, pad_constant
from .shape import axis_of, reshape

# NumPy's stubs know ufuncs only as functions of arrays.
_LOGADDEXP: Any = np.logaddexp


def _behind(x: Any, axis: int, first: float) -> Any:
    """Return x[t − 1] at every t along an axis, and `first` at 0."""
    before = (slice(None),) * axis
    widths = tuple((int(k == axis), 0) for k in range(len(np.shape(x))))
    return pad_constant.op(x, widths=widths, value=first)[(*before, slice(None, -1))]


def _backward(a: Any, g: Any, axis: int) -> Any:
    """Return λ with λ[t] = g[t] + a[t+1] λ[t+1]: the adjoint of a running computation."""
    steps = _behind(np.flip(a, axis), axis, 0.0)
    return np.flip(recurrence.op(steps, np.flip(g, axis), axis=axis), axis)


# --- sums ---------------------------------------------------------------------------------------


@op(
    kind="reduction",
    symbol="cumΣ",
    text="np.cumsum",
    latex=r"\mathrm{{np.cumsum}}",
    numpy="np.cumsum",
    overrides=(np.cumsum,),
    like="x",
    dx=lambda g, x, axis: (
        np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)
        if axis is not None
        else np.reshape(np.flip(np.cumsum(np.flip(g, 0), axis=0), 0), np.shape(x))
    ),
)
def cumsum(x: Any, axis: Any = None) -> Any:
    """Running sum along an axis (of the flattened tensor when axis is None).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cumsum(tc.tensor([1.0, 2.0, 3.0]), 0)
        tensor([1., 3., 6.])
    """
    return np.cumsum(x, axis=axis)


@op(
    kind="reduction",
    symbol="recurrence",
    numpy="recurrence({a}, {b}, {axis})",
    helper="""
def recurrence(a, b, axis):
    # y[t] = a[t] y[t-1] + b[t] along an axis, from y[0] = b[0].
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    y = list(b[:1])
    for p, q in zip(a[1:], b[1:]):
        y.append(p * y[-1] + q)
    return np.moveaxis(np.reshape(np.array(y, b.dtype), b.shape), 0, axis)
""",
    public=False,
    da=lambda g, y, a, axis: _backward(a, g, axis) * _behind(y, axis, 0.0),
    db=lambda g, a, axis: _backward(a, g, axis),
)
def recurrence(a: Any, b: Any, *, axis: int = 0) -> Any:
    """Linear recurrence y[t] = a[t] y[t−1] + b[t], from y[0] = b[0]."""
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    y = np.empty(b.shape, np.result_type(a, b))
    y[:1] = b[:1]
    for t in range(1, len(b)):
        np.multiply(a[t], y[t - 1], out=y[t, ...])
        y[t] += b[t]
    return np.moveaxis(y, 0, axis)


# --- products -----------------------------------------------------------------------------------


@op(
    kind="reduction",
    symbol="cumΠ",
    text="np.cumprod",
    latex=r"\mathrm{{np.cumprod}}",
    numpy="np.cumprod({x}, axis={axis})",
    public=False,
    dx=lambda g, y, x, axis: _behind(y, axis, 1.0) * _backward(x, g, axis),
)
def running_product(x: Any, *, axis: int = 0) -> Any:
    """Running product, with dx = (what stands before) · Σ g · (what is multiplied after)."""
    return np.cumprod(x, axis=axis)


@function()
def cumprod(x: Any, axis: int) -> Any:
    """Running product along an axis; the derivative is exact at zeros too: nothing is divided.

    Raises:
        ShapeError: an axis that does not exist.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([2.0, 0.0, 4.0], requires_grad=True)
        >>> y = tc.cumprod(x, 0)
        >>> y.sum().backward()
        >>> y.tolist(), x.grad.tolist()
        ([2.0, 0.0, 0.0], [1.0, 10.0, 0.0])
    """
    return _along(x, axis, "cumprod", running_product)


def _along(x: Tensor, axis: Any, name: str, made: Any, **params: Any) -> Tensor:
    """Record a running operation, for a single number too."""
    place = axis_of(axis, x.ndim, name)
    if x.ndim:
        return apply(made.op, (x,), {"axis": place, **params})
    return reshape(_along(reshape(x, 1), 0, name, made, **params), ())  # type: ignore[no-any-return]


# --- extremes -----------------------------------------------------------------------------------


@op(
    kind="index",
    symbol="cumarg",
    numpy="running_argmax({x}, {axis}, {smallest})",
    helper="""
def running_argmax(x, axis, smallest):
    # The place of the largest element so far (of equal ones the last), or of the smallest.
    extreme = np.minimum if smallest else np.maximum
    last = np.moveaxis((x == extreme.accumulate(x, axis=axis)) | (x != x), axis, -1)
    places = np.where(last, np.arange(np.shape(last)[-1]), 0)
    return np.moveaxis(np.maximum.accumulate(places, axis=-1), -1, axis)
""",
    public=False,
)
def running_argmax(x: Any, *, axis: int = 0, smallest: bool = False) -> Any:
    """The place of the largest element so far (or of the smallest); no derivative."""
    extreme: Any = np.minimum if smallest else np.maximum
    x = np.asarray(x)
    last = np.moveaxis((x == extreme.accumulate(x, axis=axis)) | (x != x), axis, -1)
    places = np.where(last, np.arange(last.shape[-1]), 0)
    return np.moveaxis(np.maximum.accumulate(places, axis=-1), -1, axis)


def _running(x: Any, axis: Any, name: str, smallest: bool) -> Selected:
    indices = _along(x, axis, name, running_argmax, smallest=smallest)
    if x.ndim == 0:
        return Selected(x.clone(), indices)
    return Selected(take_along_axis(x, indices, axis_of(axis, x.ndim, name)), indices)


@function()
def cummax(x: Any, axis: int) -> Any:
    """The largest element so far, along an axis; returns (values, indices).

    Of equal elements the last one counts, and from a NaN on, all are NaN, as in PyTorch. The
    derivative of each value goes to the one element that it is.

    Raises:
        ShapeError: an axis that does not exist.

    Example:
        >>> import tinygrad_course as tc
        >>> values, indices = tc.cummax(tc.tensor([1.0, 3.0, 2.0, 3.0]), 0)
        >>> values.tolist(), indices.tolist()
        ([1.0, 3.0, 3.0, 3.0], [0, 1, 1, 3])
    """
    return _running(x, axis, "cummax", False)


@function()
def cummin(x: Any, axis: int) -> Any:
    """The smallest element so far, along an axis; returns (values, indices), see `cummax`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cummin(tc.tensor([2.0, 3.0, 1.0]), 0).values
        tensor([2., 2., 1.])
    """
    return _running(x, axis, "cummin", True)


# --- logarithms of sums -------------------------------------------------------------------------


def _ratio(a: Any, y: Any) -> Any:
    """Return exp(a − y) for a ≤ y; a sum that is still 0, of log −∞, has no parts."""
    empty = y == -np.inf
    return np.exp(np.where(empty, -np.inf, a) - np.where(empty, 0, y))


@op(
    kind="reduction",
    quiet=True,
    symbol="cumlogΣexp",
    text="logcumsumexp",
    latex=r"\mathrm{{logcumsumexp}}",
    numpy="np.logaddexp.accumulate({x}, {axis})",
    public=False,
    dx=lambda g, y, x, axis: (
        _ratio(x, y) * _backward(_ratio(_behind(y, axis, -np.inf), y), g, axis)
    ),
)
def running_logsumexp(x: Any, *, axis: int = 0) -> Any:
    """Logarithm of the running sum of exponentials; never overflows."""
    return _LOGADDEXP.accumulate(x, axis=axis)


@function()
def logcumsumexp(x: Any, axis: int) -> Any:
    """Logarithm of the running sum of exponentials: y[t] = log Σ exp(x[s]) over s ≤ t.

    Neither it nor its derivative overflows. While the sum is still 0 (all x are −∞), y is −∞ and
    the derivative 0.

    Raises:
        ShapeError: an axis that does not exist; DtypeError: not floats.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logcumsumexp(tc.tensor([1000.0, 1000.0]), 0)
        tensor([1000.    , 1000.6932])
    """
    if x.dtype.kind != "f":
        raise errors.DtypeError(f"logcumsumexp: works on floats, got {x.dtype}. Use x.float().")
    return _along(x, axis, "logcumsumexp", running_logsumexp)


# --- differences --------------------------------------------------------------------------------


@function(overrides=(np.diff,))
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, x[t+1] − x[t], n times over.

    Args:
        x: the tensor; the differences of booleans are booleans, whether neighbours differ.
        n: how often; each time, the axis loses an element.
        axis: the axis (PyTorch's ``dim``).
        prepend: what to put before `x` beforehand.
        append: what to put behind it.

    Raises:
        ShapeError: a single number has no neighbours; ArgumentError: a negative n.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.diff(tc.tensor([1.0, 4.0, 9.0, 16.0]))
        tensor([3., 5., 7.])
    """
    if x.ndim == 0:
        raise errors.ShapeError("diff: needs a tensor with at least one axis, got a single number.")
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise errors.ArgumentError(f"diff: n is how often, an integer from 0 on; got {n!r:.40}.")
    place = axis_of(axis, x.ndim, "diff")
    parts = [as_tensor(part) for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        x = cat(parts, place)
    for _ in range(min(n, x.shape[place])):  # then nothing is left
        length = max(x.shape[place] - 1, 0)
        late, early = (narrow(x, place, min(k, x.shape[place]), length) for k in (1, 0))
        x = late != early if x.dtype == np.bool_ else late - early
    return x


# --- NumPy's own --------------------------------------------------------------------------------


def _numpy_cumprod(x: Any, axis: Any = None) -> Any:
    x = as_tensor(x)
    return cumprod(reshape(x, -1), 0) if axis is None else cumprod(x, axis)


NUMPY[np.cumprod] = _numpy_cumprod
