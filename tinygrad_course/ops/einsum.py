"""Einstein summation, and the products that are sums over named axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, function, op
from .shape import axis_of, broadcast_like, insert_axes

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _einsum_rule(g: Any, i: int, xs: Any, subscripts: str) -> Any:
    terms, result = subscripts.split("->")
    names = terms.split(",")
    mine = names[i]
    others = names[:i] + names[i + 1 :]
    operands = [x for j, x in enumerate(xs) if j != i]
    available = set(result).union(*others)
    # Letters found nowhere else were summed out of this operand alone: repeat along them.
    kept = "".join(c for c in dict.fromkeys(mine) if c in available)
    pulled = g
    if operands or kept != result:
        pulled = einsum_product(g, *operands, subscripts=",".join([result, *others]) + "->" + kept)
    if len(set(mine)) < len(mine):  # a repeated letter took a diagonal: put it back there
        return onto_diagonal.op(pulled, xs[i], subscripts=f"{kept}->{mine}")
    missing = tuple(k for k, c in enumerate(mine) if c not in kept)
    return broadcast_like.op(insert_axes.op(pulled, axis=missing), xs[i]) if missing else pulled


def _back(subscripts: str) -> str:
    """Return the subscripts of the other direction."""
    given, _, result = subscripts.partition("->")
    return f"{result}->{given}"


@op(
    kind="linalg",
    like="x",
    symbol="diag",
    numpy="onto_diagonal({values}, {x}, {subscripts})",
    helper="""
def onto_diagonal(values, x, subscripts):
    # "i->ii": values on the diagonal of zeros of the shape of x.
    given, to = subscripts.split("->")
    new = [None if c in to[:k] or c not in given else slice(None) for k, c in enumerate(to)]
    at = np.indices(np.shape(x))
    on = [at[k] == at[to.index(c)] for k, c in enumerate(to)]
    return np.where(np.all(np.stack(on), axis=0), np.asarray(values)[tuple(new)], 0)
""",
    public=False,
    dvalues=lambda g, subscripts: einsum_product(g, subscripts=_back(subscripts)),
)
def onto_diagonal(values: Any, x: Any, *, subscripts: str = "") -> Any:
    """Zeros of the shape of `x` with values on a diagonal: the adjoint of an einsum "ii->i"."""
    given, letters = subscripts.split("->")
    order = "".join(dict.fromkeys(letters))
    y = np.zeros(np.shape(x), np.asarray(values).dtype)
    new = tuple(slice(None) if c in given else None for c in order)
    np.einsum(f"{letters}->{order}", y)[...] = np.asarray(values)[new]
    return y


def _unused(letters: str) -> list[str]:
    """Return the letters that are free for further axes."""
    return [c for c in LETTERS if c not in letters]


@op(
    kind="linalg",
    symbol="einsum",
    numpy="np.einsum({subscripts}, {xs})",
    public=False,
    dxs=_einsum_rule,
)
def einsum_(*xs: Any, subscripts: str = "") -> Any:
    """Einstein summation with explicit subscripts, such as ``ij,jk->ik``."""
    # `optimize` finds matrix products, which are far quicker than NumPy's plain loops.
    y = np.einsum(subscripts, *xs, optimize=len(xs) > 1)
    return y.copy() if len(xs) == 1 and np.may_share_memory(y, xs[0]) else y


einsum_product: Any = einsum_.op


@function(method=False, keywords={"equation": "tensors", "subscripts": "tensors"})
def einsum(tensors: Any, *operands: Any) -> Any:
    """Einstein summation: ``einsum("ij,jk->ik", A, B)``; letters absent on the right are summed.

    Args:
        tensors: the subscripts, with ``...`` and an implicit right side as in NumPy.
        operands: the tensors, one per term.

    Raises:
        ShapeError: a wrong number of terms or axes, or one letter for different lengths.

    Example:
        >>> import tinygrad_course as tc
        >>> A = tc.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tc.einsum("ij->j", A)
        tensor([4., 6.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    parts = tuple(as_tensor(x) for x in operands)
    full = _expand_subscripts(tensors, parts)
    return apply(einsum_product, parts, {"subscripts": full})


def _expand_subscripts(subscripts: Any, parts: tuple[Tensor, ...]) -> str:
    """Write an einsum with an explicit right side and letters instead of the ellipsis."""
    if not isinstance(subscripts, str):
        raise errors.DtypeError(f"einsum: the subscripts are a string, got {subscripts!r:.40}.")
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(parts):
        raise errors.ShapeError(
            f"einsum: {subscripts!r} has {len(terms)} terms for {len(parts)} operands."
        )
    free = _unused(text)
    extra = 0
    expanded = []
    for term, x in zip(terms, parts, strict=True):
        letters = term.replace("...", "")
        room = x.ndim - len(letters)
        if room < 0 or (room and "..." not in term):
            raise errors.ShapeError(
                f"einsum: the term {term!r} names {len(letters)} axes, its operand has shape "
                f"{x.shape}."
            )
        extra = max(extra, room)
        expanded.append((term, room))
    dots = "".join(free[:extra])
    written = [t.replace("...", dots[len(dots) - room :]) for t, room in expanded]
    if not arrow:
        joined = "".join(written)
        right = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
        right = right.replace("...", dots) if extra else right[3:]
        right = dots + "".join(c for c in right if c not in dots)
    return ",".join(written) + "->" + right.replace("...", dots)


def _numpy_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    return einsum(subscripts, *operands)


@function(
    method=False,
    overrides=(np.tensordot,),
    keywords={"a": "x", "b": "other", "axes": "dims"},
)
def tensordot(x: Any, other: Any, dims: Any = 2) -> Any:
    """Sum of products over several axes at once, as an einsum.

    Args:
        x: the left tensor.
        other: the right tensor.
        dims: how many of the last axes of `x` meet the first of `other`; or two lists of axes.

    Raises:
        ShapeError: axes that do not exist, or of different lengths.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensordot(tc.ones(2, 3, 4), tc.ones(3, 4, 5)).shape
        (2, 5)
    """
    other = as_tensor(other)
    left, right = _paired_axes(dims, x, other)
    letters = iter(LETTERS)
    a = [next(letters) for _ in range(x.ndim)]
    b = [next(letters) for _ in range(other.ndim)]
    for i, j in zip(left, right, strict=True):
        if x.shape[i] != other.shape[j]:
            raise errors.ShapeError(
                f"tensordot: axis {i} of shape {x.shape} and axis {j} of {other.shape} have "
                "different lengths and cannot be summed together."
            )
        b[j] = a[i]
    rest = [c for k, c in enumerate(a) if k not in left]
    rest += [c for k, c in enumerate(b) if k not in right]
    text = f"{''.join(a)},{''.join(b)}->{''.join(rest)}"
    return apply(einsum_product, (x, other), {"subscripts": text})


def _paired_axes(dims: Any, x: Tensor, other: Tensor) -> tuple[list[int], list[int]]:
    """Return the axes of both operands that a tensordot sums over."""
    if isinstance(dims, (int, np.integer)) and not isinstance(dims, bool):
        if not 0 <= dims <= min(x.ndim, other.ndim):
            raise errors.ShapeError(
                f"tensordot: dims={dims} needs as many axes in both, got shapes {x.shape} and "
                f"{other.shape}."
            )
        return list(range(x.ndim - dims, x.ndim)), list(range(dims))
    if not isinstance(dims, (tuple, list)) or len(dims) != 2:
        raise errors.ArgumentError(
            f"tensordot: dims is a number of axes or two lists of axes, got {dims!r:.40}."
        )
    given = [list(d) if isinstance(d, (tuple, list)) else [d] for d in dims]
    left = [axis_of(k, x.ndim, "tensordot") for k in given[0]]
    right = [axis_of(k, other.ndim, "tensordot") for k in given[1]]
    if len(left) != len(right) or len(set(left)) < len(left) or len(set(right)) < len(right):
        raise errors.ShapeError(
            f"tensordot: dims {dims} must name equally many axes of both, each once."
        )
    return left, right


@function(name="inner", overrides=(np.inner,))
def _inner_last(x: Any, other: Any) -> Any:
    """Sum of products over the last axes: of two vectors their scalar product.

    Raises:
        ShapeError: last axes of different lengths.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.inner(tc.ones(2, 3), tc.ones(4, 3)).shape
        (2, 4)
    """
    other = as_tensor(other)
    if x.ndim == 0 or other.ndim == 0:
        return x * other
    if x.shape[-1] != other.shape[-1]:
        raise errors.ShapeError(
            f"inner: the last axes of shapes {x.shape} and {other.shape} must be equally long."
        )
    if x.ndim == other.ndim == 1:
        return x @ other
    return tensordot(x, other, ([-1], [-1]))


NUMPY[np.einsum] = _numpy_einsum

__all__ = ["einsum", "tensordot"]
