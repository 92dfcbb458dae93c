"""Reductions: sums, means, products, extremes and norms along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from ..spelling import options
from ..tensor import Tensor, apply
from .compare import maximum, minimum, where
from .define import NUMPY, function, op
from .elementwise import abs as absolute
from .elementwise import sqrt
from .index import Selected, take_along_axis
from .join import cat
from .shape import axis_of, broadcast_like, insert_axes, squeeze, unsqueeze

# NumPy's stubs know `reduce` only with literal `keepdims`.
_ADD: Any = np.add


def _spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Repeat the cotangent of a reduction over the axes that were reduced away."""
    if axis is None and type(x) is np.ndarray and x.size < 4096 and np.ndim(g) == 0:
        out = np.empty_like(x)  # for few elements, quicker than a view
        out.fill(g)
        return out
    if axis is not None and not keepdims:
        g = insert_axes.op(g, axis=_places(axis, len(np.shape(x))))
    return broadcast_like.op(g, x)


def _places(axis: Any, ndim: int) -> tuple[int, ...]:
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(a % ndim for a in axes)) if ndim else ()


def _keep(y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Return the result of a reduction with the reduced axes kept as length 1."""
    if axis is None or keepdims:
        return y
    return insert_axes.op(y, axis=_places(axis, len(np.shape(x))))


@op(
    kind="reduction",
    like="x",
    symbol="Σ",
    text="np.sum",
    latex=r"\mathrm{{np.sum}}",
    numpy="np.sum",
    overrides=(np.sum,),
    dx=lambda g, x, axis, keepdims: _spread(g, x, axis, keepdims),
)
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes: dx repeats g along them.

    Args:
        x: the tensor.
        axis: an axis, several, or None for all (PyTorch's ``dim``).
        keepdims: keep the reduced axes with length 1 (PyTorch's ``keepdim``).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sum(tc.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        tensor([4., 6.])
    """
    return _ADD.reduce(x, axis=axis, keepdims=keepdims)


def _count(x: Any, *, axis: Any = None) -> float:
    shape = np.shape(x)
    if axis is None:
        return float(math.prod(shape))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return float(math.prod(shape[a] for a in axes))


def _spell_count(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write the number of elements along axes as a product of lengths."""
    (x,), axis = operands, params["axis"]
    if axis is None:
        return f"np.size({x})"
    axes = axis if isinstance(axis, tuple) else (axis,)
    return " * ".join(f"np.shape({x})[{a}]" for a in axes) or "1"


def _m(x: Any, axis: Any) -> Any:
    """Return the number of elements along axes: a plain number, or recorded for a tensor."""
    return x.size if axis is None and type(x) is np.ndarray else count.op(x, axis=axis)


@op(
    kind="reduction",
    symbol="m",
    numpy=_spell_count,
    public=False,
)
def count(x: Any, *, axis: Any = None) -> Any:
    """Count the elements along axes: the m of a mean."""
    n = _count(x, axis=axis)
    kind = np.asarray(x).dtype
    return kind.type(n) if kind.kind == "f" else n


@op(
    kind="reduction",
    like="x",
    symbol="mean",
    text="np.mean",
    latex=r"\mathrm{{np.mean}}",
    numpy="np.mean",
    overrides=(np.mean,),
    dx=lambda g, x, axis, keepdims: _spread(g / _m(x, axis), x, axis, keepdims),
)
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over axes: y = (1/m) Σ x, with dx = g / m repeated along them.

    Args:
        x: the tensor.
        axis: an axis, several, or None for all (PyTorch's ``dim``).
        keepdims: keep the reduced axes with length 1 (PyTorch's ``keepdim``).

    Raises:
        ShapeError: a mean of no elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mean(tc.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(2.5)
    """
    total = _ADD.reduce(x, axis=axis, keepdims=keepdims)
    n = x.size if axis is None and type(x) is np.ndarray else _count(x, axis=axis)
    if n == 0:
        raise ValueError("a mean of no elements does not exist")
    return total / n


def _ties(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Split the cotangent evenly among the elements equal to the extreme."""
    mask = (x == _keep(y, x, axis, keepdims)).astype(x.dtype)
    share = mask / np.sum(mask, axis=axis, keepdims=True)
    return _keep(g, x, axis, keepdims) * share


@op(
    kind="reduction",
    symbol="max",
    text="np.max",
    latex=r"\mathrm{{np.max}}",
    numpy="np.max",
    overrides=(np.max, np.amax),
    dx=lambda g, y, x, axis, keepdims: _ties(g, y, x, axis, keepdims),
)
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Maximum over axes; elements that tie share the cotangent evenly.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.amax(tc.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
        tensor([4., 3.])
    """
    return np.max(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    symbol="min",
    text="np.min",
    latex=r"\mathrm{{np.min}}",
    numpy="np.min",
    overrides=(np.min, np.amin),
    dx=lambda g, y, x, axis, keepdims: _ties(g, y, x, axis, keepdims),
)
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Minimum over axes; elements that tie share the cotangent evenly.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.amin(tc.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
        tensor([1., 2.])
    """
    return np.min(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    symbol="argmax",
    text="np.argmax",
    latex=r"\mathrm{{np.argmax}}",
    numpy="np.argmax",
    overrides=(np.argmax,),
)
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the maximum (the first, on a tie); no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.argmax(tc.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
        tensor([1, 0])
    """
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    symbol="argmin",
    text="np.argmin",
    latex=r"\mathrm{{np.argmin}}",
    numpy="np.argmin",
    overrides=(np.argmin,),
)
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the minimum (the first, on a tie); no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.argmin(tc.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
        tensor([0, 1])
    """
    return np.argmin(x, axis=axis, keepdims=keepdims)


def _extreme(x: Any, axis: Any, keepdims: bool, full: Any, arg: Any, pair: Any) -> Any:
    if isinstance(axis, (Tensor, np.ndarray)):
        return pair(x, axis)
    if axis is None:
        return full(x)
    axis_of(axis, x.ndim, arg.__name__)
    indices = arg(x, axis, True)
    values = take_along_axis(x, indices, axis)
    if not keepdims:
        values, indices = squeeze(values, axis), squeeze(indices, axis)
    return Selected(values, indices)


@function()
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Maximum, with PyTorch's three meanings.

    ``max(x)`` is the largest element (ties share the cotangent); ``max(x, axis)`` returns
    (values, indices) along the axis and picks one element; ``max(x, other)`` is `maximum`.

    Example:
        >>> import tinygrad_course as tc
        >>> values, indices = tc.max(tc.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
        >>> values.tolist(), indices.tolist()
        ([4.0, 3.0], [1, 0])
    """
    return _extreme(x, axis, keepdims, amax, argmax, maximum)


@function()
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Minimum, with PyTorch's three meanings (see `max`).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.min(tc.tensor([3.0, 1.0, 2.0])).item()
        1.0
    """
    return _extreme(x, axis, keepdims, amin, argmin, minimum)


@function(overrides=(np.prod,))
def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over an axis, or of all elements; the derivative is exact at zeros too.

    It multiplies halves with each other, so every derivative is a product of the others.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.prod(tc.tensor([2.0, 3.0, 4.0]))
        tensor(24.)
    """
    original = x.ndim
    if axis is None:
        y = _prod_first(x.reshape(-1))
        return y.reshape((1,) * original) if keepdims else y
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = sorted((axis_of(a, original, "prod") for a in axes), reverse=True)
    for place in places:
        order = (place, *(i for i in range(x.ndim) if i != place))
        x = _prod_first(x.permute(order))
        if keepdims:
            x = unsqueeze(x, place)
    return x


def _prod_first(x: Any) -> Any:
    n = x.shape[0]
    if n == 0:
        return x.sum(axis=0) + 1
    while n > 1:
        half = n // 2
        paired = x[:half] * x[half : 2 * half]
        if n % 2:
            paired = cat([paired, x[2 * half :]])
        x = paired
        n = x.shape[0]
    return x[0]


@op(
    kind="reduction",
    quiet=True,
    symbol="logΣexp",
    numpy="logsumexp",
    helper="""
def logsumexp(x, axis=None, keepdims=False):
    # log(sum(exp(x))), with the largest x taken out, so that no exponential overflows.
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)
""",
    dx=lambda g, y, x, axis, keepdims: (
        _keep(g, x, axis, keepdims) * np.exp(x - _keep(y, x, axis, keepdims))
    ),
)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Logarithm of a sum of exponentials: y = log Σ eˣ, with dx = g exp(x − y); never overflows.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logsumexp(tc.tensor([1000.0, 1000.0]), axis=0)
        tensor(1000.6932)
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)


def _spell_norm(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write bars, or a call where axes matter."""
    (x,) = operands
    more = options(params, {"axis": None, "keepdims": False}, form)
    if more:
        return rf"\mathrm{{norm}}({x}{more})" if form == "latex" else f"norm({x}{more})"
    return rf"\left\|{x}\right\|_2" if form == "latex" else f"‖{x}‖"


@op(
    kind="reduction",
    symbol="‖·‖",
    text=_spell_norm,
    latex=_spell_norm,
    numpy="np.sqrt(np.sum(np.square({x}){options}))",
    public=False,
    dx=lambda g, y, x, axis, keepdims: x * _keep(_over(g, y), x, axis, keepdims),
)
def norm2(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Euclidean norm, with dx = g x / y, and 0 at 0."""
    return np.sqrt(_ADD.reduce(x * x, axis=axis, keepdims=keepdims))


def _over(g: Any, y: Any) -> Any:
    """Return g / y, and 0 where y is 0."""
    zero = y == 0
    return np.where(zero, 0, g / np.where(zero, 1, y))


@function()
def norm(x: Any, p: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norm (Σ |x|ᵖ)^(1/p) over axes; p may be 1, 2, any positive number, inf or 'fro'.

    The derivative at 0 is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.norm(tc.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if p in (2, "fro", None):
        return apply(norm2.op, (x,), {"axis": axis, "keepdims": keepdims})
    if p == 1:
        return sum(absolute(x), axis, keepdims)
    if p == math.inf:
        return amax(absolute(x), axis, keepdims)
    if not isinstance(p, (int, float)) or p <= 0:
        raise errors.ArgumentError(f"norm: p must be a positive number, inf or 'fro', got {p!r}.")
    total = sum(absolute(x) ** p, axis, keepdims)
    zero = total == 0
    return where(zero, 0.0, where(zero, 1.0, total) ** (1 / p))


@function()
def var(x: Any, axis: Any = None, correction: Any = 1, keepdims: bool = False) -> Any:
    """Variance over axes: Σ (x − mean)² / (m − correction).

    Args:
        x: the tensor.
        axis: an axis, several, or None for all (PyTorch's ``dim``).
        correction: 1 (PyTorch's default) or 0 (``np.var``'s); ``unbiased=True`` means 1.
        keepdims: keep the reduced axes with length 1.

    Raises:
        ArgumentError: not more elements than `correction`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.var(tc.tensor([1.0, 2.0, 3.0, 4.0]))
        tensor(1.6667)
    """
    if isinstance(axis, bool):  # torch.var(x, unbiased)
        axis, correction = None, axis
    if axis is not None:
        axes = axis if isinstance(axis, (tuple, list)) else (axis,)
        axis = tuple(axis_of(a, x.ndim, "var") for a in axes)
    m = int(_count(x._data, axis=axis))
    free = m - int(correction)
    if free <= 0:
        raise errors.ArgumentError(
            f"var: {m} elements with correction {int(correction)} leave nothing to divide by. "
            "Use correction=0, or more elements."
        )
    centred = x - mean(x, axis, True)
    y = mean(centred * centred, axis, keepdims)
    return y if free == m else y * (m / free)


@function()
def std(x: Any, axis: Any = None, correction: Any = 1, keepdims: bool = False) -> Any:
    """Standard deviation over axes, the root of `var`; its derivative where it is 0 is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.std(tc.tensor([1.0, 2.0, 3.0, 4.0]))
        tensor(1.291)
    """
    variance = var(x, axis, correction, keepdims)
    zero = variance == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, variance)))


@op(
    kind="reduction",
    symbol="all",
    text="np.all",
    latex=r"\mathrm{{np.all}}",
    numpy="np.all",
    overrides=(np.all,),
)
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True when every element is; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.all(tc.tensor([True, False])).item()
        False
    """
    return np.all(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    symbol="any",
    text="np.any",
    latex=r"\mathrm{{np.any}}",
    numpy="np.any",
    overrides=(np.any,),
)
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """True when one element is; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.any(tc.tensor([True, False])).item()
        True
    """
    return np.any(x, axis=axis, keepdims=keepdims)


def _numpy_var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Variance with NumPy's default, for ``np.var(t)``."""
    return var(x, axis, ddof, keepdims)


def _numpy_std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Standard deviation with NumPy's default, for ``np.std(t)``."""
    return std(x, axis, ddof, keepdims)


NUMPY[np.var] = _numpy_var
NUMPY[np.std] = _numpy_std
