"""Statistics along axes: medians, quantiles, sums without NaN, variances with means, covariances.

Medians and quantiles pick from the sorted elements, so their derivative goes to the one or two
elements picked. How many elements there are is recorded, not written down.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor, default_dtype
from .compare import maximum, where
from .define import NUMPY, function, op
from .elementwise import sqrt
from .index import Selected, take_along_axis
from .join import cat
from .reduce import amax, amin, count, mean, norm, std, sum, var
from .rounding import ceil, floor
from .rounding import round as rounded
from .shape import axis_of, movedim, reshape, unsqueeze
from .sort import ordered, picked, some, sort


class Extremes(NamedTuple):
    """The pair (min, max) that ``aminmax`` returns."""

    min: Any
    """The smallest elements."""
    max: Any
    """The largest."""


# --- medians ------------------------------------------------------------------------------------


@op(
    kind="reduction",
    symbol="median",
    text="median",
    latex=r"\mathrm{{median}}",
    numpy="median",
    helper="""
def median(x, ignore_nan=False):
    # The middle element, of two the smaller; NaN stand behind all others, and count if not ignored.
    line = np.sort(np.ravel(x))
    n = np.sum(line == line)
    middle = np.maximum((n - 1) // 2, 0)
    return line[middle if ignore_nan else np.where(n < np.size(line), -1, middle)]
""",
    public=False,
    dx=lambda g, y, x: g * _share(x, y),
)
def middle_of_all(x: Any, *, ignore_nan: bool = False) -> Any:
    """The middle element of all; elements that tie share the cotangent evenly."""
    line = np.sort(np.ravel(x))
    if line.size == 0:
        raise errors.ShapeError("median: a median of no elements does not exist.")
    n = int(np.sum(line == line))
    return line[-1 if n < line.size and not ignore_nan else max((n - 1) // 2, 0)]


def _share(x: Any, y: Any) -> Any:
    """Return which elements are the median, divided by how many they are."""
    chosen = ((x == y) | ((x != x) & (y != y))).astype(x.dtype)
    return chosen / np.sum(chosen)


def _middle(x: Any, axis: Any, keepdims: bool, ignore_nan: bool, name: str) -> Any:
    if axis is None:
        y = apply(middle_of_all.op, (x,), {"ignore_nan": ignore_nan})
        return reshape(y, (1,) * x.ndim) if keepdims else y
    if x.ndim == 0:
        axis_of(axis, 0, name)
        return Selected(_middle(x, None, False, ignore_nan, name), as_tensor(0))
    order, place = ordered(x, axis, name)
    some(x, place, name)
    n = sum(x == x, place, True)  # NaN, which is unequal to itself, stands last
    rank = (n - 1) // 2
    if ignore_nan:
        rank = maximum(rank, 0)
    else:
        rank = where(n < apply(count.op, (x,), {"axis": place}), n, rank)
    return picked(x, take_along_axis(order, rank, place), place, keepdims)


@function()
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element; of the two in the middle, the smaller one, as in PyTorch.

    ``median(x)`` is the median of all elements (ties share the cotangent); ``median(x, axis)``
    returns (values, indices) along the axis and picks one element. With a NaN among them, it is
    NaN. (``np.median`` takes the mean of the two in the middle.)

    Args:
        x: the tensor.
        axis: an axis, or None for all elements (PyTorch's ``dim``).
        keepdims: keep the reduced axis with length 1.

    Raises:
        ShapeError: no elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.median(tc.tensor([4.0, 1.0, 3.0, 2.0]))
        tensor(2.)
        >>> tc.median(tc.tensor([[4.0, 1.0, 3.0]]), dim=1).indices
        tensor([2])
    """
    return _middle(x, axis, keepdims, False, "median")


@function()
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median of the elements that are not NaN, see `median`; NaN where all are.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nanmedian(tc.tensor([4.0, float("nan"), 3.0]))
        tensor(3.)
    """
    return _middle(x, axis, keepdims, True, "nanmedian")


# --- quantiles ----------------------------------------------------------------------------------

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    x: Tensor, q: Any, axis: Any, keepdims: bool, method: str, ignore_nan: bool, name: str
) -> Any:
    if x.dtype.kind != "f":
        raise errors.DtypeError(f"{name}: works on floats, got {x.dtype}. Use x.float().")
    if method not in METHODS:
        raise errors.ArgumentError(
            f"{name}: interpolation must be one of {', '.join(METHODS)}; got {method!r:.40}."
        )
    parts = np.asarray(q._data if isinstance(q, Tensor) else q, x.dtype)
    if parts.ndim > 1 or not bool(np.all((parts >= 0) & (parts <= 1))):
        raise errors.ArgumentError(
            f"{name}: q is a number from 0 to 1, or a row of them, got {q!r:.80}. The third "
            "quartile is 0.75."
        )
    original = x.ndim
    if axis is None or x.ndim == 0:
        x, axis = reshape(x, -1), 0
    place = axis_of(axis, x.ndim, name)
    some(x, place, name)
    line = movedim(sort(x, place).values, place, -1)
    valid = sum(line == line, -1, True)  # NaN, which is unequal to itself, stands last
    n = valid.to(x.dtype)
    if isinstance(q, Tensor):
        at = reshape(q, -1).to(x.dtype) * (n - 1)
    else:
        at = cat([(n - 1) * float(part) for part in parts.reshape(-1)], -1)
    if ignore_nan:
        at = maximum(at, 0)
    else:
        m = apply(count.op, (line,), {"axis": -1})
        at = where(n < m, m - 1, at)
    y = _between(line, at, method)
    if parts.ndim == 0:
        y = y[..., 0]
        if keepdims:
            full = original == x.ndim
            y = unsqueeze(y, place) if full else reshape(y, (1,) * original)
        return y
    y = movedim(y, -1, 0)
    if keepdims:
        full = original == x.ndim
        y = unsqueeze(y, place + 1) if full else reshape(y, (parts.size,) + (1,) * original)
    return y


def _between(line: Tensor, at: Tensor, method: str) -> Any:
    """Return the elements of sorted rows at places between whole numbers."""
    if method == "nearest":
        return take_along_axis(line, rounded(at).to(np.int64), -1)
    low = floor(at)
    below, above = (take_along_axis(line, k.to(np.int64), -1) for k in (low, ceil(at)))
    if method == "lower":
        return below
    if method == "higher":
        return above
    weight = 0.5 if method == "midpoint" else at - low
    return below + weight * (above - below)


@function()
def quantile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, interpolation: str = "linear"
) -> Any:
    """What a part q of the elements is below: the q-quantile, with linear interpolation.

    With n elements in order, it stands at place q (n − 1), counted from 0. With a NaN among them,
    it is NaN.

    Args:
        x: the tensor, of floats.
        q: a number from 0 to 1, or a row of them, which gives a first axis.
        axis: an axis, or None for all elements (PyTorch's ``dim``).
        keepdims: keep the reduced axis with length 1.
        interpolation: between two elements, ``linear``, ``lower``, ``higher``, ``midpoint`` or
            ``nearest``.

    Raises:
        ArgumentError: q is not from 0 to 1, or an unknown interpolation; DtypeError: not floats;
        ShapeError: no elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.quantile(tc.tensor([4.0, 1.0, 3.0, 2.0]), 0.5)
        tensor(2.5)
        >>> tc.quantile(tc.tensor([[1.0, 2.0, 5.0]]), tc.tensor([0.25, 1.0]), dim=1).tolist()
        [[1.5], [5.0]]
    """
    return _quantile(x, q, axis, keepdims, interpolation, False, "quantile")


@function()
def nanquantile(
    x: Any, q: Any, axis: Any = None, keepdims: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The quantile of the elements that are not NaN, see `quantile`; NaN where all are.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nanquantile(tc.tensor([4.0, float("nan"), 3.0]), 0.5)
        tensor(3.5)
    """
    return _quantile(x, q, axis, keepdims, interpolation, True, "nanquantile")


# --- sums and means -----------------------------------------------------------------------------


@function(overrides=(np.nansum,))
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum of the elements that are not NaN.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nansum(tc.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    return sum(where(x == x, x, 0), axis, keepdims)


@function(overrides=(np.nanmean,))
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean of the elements that are not NaN; NaN where all are.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nanmean(tc.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5)
    """
    number = x == x
    kind = x.dtype if x.dtype.kind == "f" else default_dtype()
    return nansum(x, axis, keepdims) / sum(number, axis, keepdims).to(kind)


@function()
def var_mean(x: Any, axis: Any = None, correction: Any = 1, keepdims: bool = False) -> Any:
    """The variance and the mean, as a pair; see `var`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.var_mean(tc.tensor([1.0, 3.0]))
        (tensor(2.), tensor(2.))
    """
    if isinstance(axis, bool):  # torch.var_mean(x, unbiased)
        axis, correction = None, axis
    return var(x, axis, correction, keepdims), mean(x, axis, keepdims)


@function()
def std_mean(x: Any, axis: Any = None, correction: Any = 1, keepdims: bool = False) -> Any:
    """The standard deviation and the mean, as a pair; see `std`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.std_mean(tc.tensor([1.0, 3.0]), unbiased=False)
        (tensor(1.), tensor(2.))
    """
    if isinstance(axis, bool):  # torch.std_mean(x, unbiased)
        axis, correction = None, axis
    return std(x, axis, correction, keepdims), mean(x, axis, keepdims)


@function()
def aminmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest and the largest element, as a pair (min, max); ties share the cotangent.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.aminmax(tc.tensor([3.0, 1.0, 2.0]))
        Extremes(min=tensor(1.), max=tensor(3.))
    """
    return Extremes(amin(x, axis, keepdims), amax(x, axis, keepdims))


@function()
def dist(x: Any, other: Any, p: Any = 2) -> Any:
    """The p-norm of a difference, (Σ |x − other|ᵖ)^(1/p); its derivative at 0 is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.dist(tc.tensor([3.0, 4.0]), tc.zeros(2))
        tensor(5.)
    """
    return norm(x - other, p)


# --- covariances --------------------------------------------------------------------------------


@function()
def cov(x: Any, correction: int = 1) -> Any:
    """Covariance of variables in rows, with observations in columns: (x − x̄)(x − x̄)ᵀ / (m − 1).

    Args:
        x: shape (variables, m), or (m,) for one variable, whose variance is returned.
        correction: 1, or 0 to divide by m.

    Raises:
        ShapeError: more than two axes; ArgumentError: not more observations than `correction`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cov(tc.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if x.ndim > 2:
        raise errors.ShapeError(f"cov: variables are rows of a matrix, got shape {x.shape}.")
    if x.ndim < 2:
        return var(reshape(x, -1), 0, correction)
    m = x.shape[1]
    free = m - int(correction)
    if free <= 0:
        raise errors.ArgumentError(
            f"cov: {m} observations with correction {int(correction)} leave nothing to divide by. "
            "Observations are columns: transpose with .T if yours are rows."
        )
    centred = x - mean(x, 1, True)
    return centred @ centred.T / free


@function()
def corrcoef(x: Any) -> Any:
    """Correlation of variables in rows: their covariance, divided by both standard deviations.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.corrcoef(tc.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    together = cov(x)
    if together.ndim == 0:
        return together / together
    deviation = sqrt(together.diagonal())
    return together / deviation / unsqueeze(deviation, 1)


# --- NumPy's own --------------------------------------------------------------------------------


def _numpy_median(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """NumPy's median, the mean of the two elements in the middle."""
    return _numpy_quantile(x, 0.5, axis, keepdims=keepdims)


def _numpy_quantile(
    x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    x = as_tensor(x)
    return quantile(
        x if x.dtype.kind == "f" else x.double(), q, axis, keepdims, interpolation=method
    )


def _numpy_cov(x: Any, *, ddof: int | None = None, bias: bool = False) -> Any:
    return cov(x, int(not bias) if ddof is None else ddof)


NUMPY[np.median] = _numpy_median
NUMPY[np.quantile] = _numpy_quantile
NUMPY[np.cov] = _numpy_cov
NUMPY[np.corrcoef] = corrcoef
