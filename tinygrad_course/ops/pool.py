"""Pooling: the largest number or the average of each window.

The largest: `pool_max` has the adjoint `pool_place`, which puts numbers where the largest were, and
that one `pool_pick`, which takes the numbers from there. Of equal numbers the first counts. The
average is a sum of windows, `pool_sum`, with the adjoint `pool_spread`, times a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .define import op
from .windows import Lengths, count, inside, offsets, padded


def _out(lengths: Any, size: Any, stride: Any, dilation: Any, padding: Any) -> Lengths:
    """Return how many windows there are along each axis; padding in pairs."""
    return tuple(
        count(n, k, s, d, a + b)
        for n, k, s, d, (a, b) in zip(lengths, size, stride, dilation, padding, strict=True)
    )


def _lowest(x: Any, padding: Any) -> Any:
    """Return an array with the smallest number around it."""
    lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return padded(x, padding, lowest)


def _largest(wide: Any, size: Lengths, stride: Lengths, dilation: Lengths) -> Any:
    """Return the largest of each window of a padded array."""
    out = tuple(
        count(n, k, s, d, 0)
        for n, k, s, d in zip(wide.shape[2:], size, stride, dilation, strict=True)
    )
    y: Any = None
    for _, index in offsets(size, stride, dilation, out):
        tap = wide[index]
        y = tap.copy() if y is None else np.maximum(y, tap, out=y)
    return y


def winners(x: Any, **how: Any) -> Any:
    """Return which place of each window holds its largest number, the first of equal ones.

    Places are counted as `offsets` yields them. NaN is the largest, as in NumPy.
    """
    wide = _lowest(x, how["padding"])
    out = _out(x.shape[2:], **how)
    y = won = None
    places = offsets(how["size"], how["stride"], how["dilation"], out)
    for k, (_, index) in enumerate(places):
        tap = wide[index]
        if y is None or won is None:
            y = tap.copy()
            won = np.zeros(y.shape, np.uint8 if math.prod(how["size"]) < 256 else np.int64)
            continue
        # The last place that is larger than all before is the first of the largest.
        np.maximum(won, (tap > y) * won.dtype.type(k), out=won)
        np.maximum(y, tap, out=y)
    assert y is not None and won is not None
    missing = np.isnan(y)
    if missing.any():
        found = np.zeros(y.shape, bool)
        places = offsets(how["size"], how["stride"], how["dilation"], out)
        for k, (_, index) in enumerate(places):
            here = np.isnan(wide[index]) & ~found
            np.putmask(won, here, k)
            found |= here
    return won


def hits(x: Any, **how: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the index of a place in all windows, and in which the first largest is there."""
    won = winners(x, **how)
    places = offsets(how["size"], how["stride"], how["dilation"], won.shape[2:])
    for k, (_, index) in enumerate(places):
        yield index, won == k


_HELPER = """
def pool_windows(x, size, stride, padding, dilation, value):
    # The windows of x, (N, C, *lengths), as (N, C, *windows, places), with `value` around it.
    x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=value)
    ends = zip(np.shape(x)[2:], size, stride, dilation)
    n = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in ends]
    return np.stack([tap(x, at, n, stride, dilation) for at in grid(size)], axis=-1)

def pool_at(x, size, stride, padding, dilation):
    # Where the largest of each window is, as a number of `positions`.
    best = np.argmax(pool_windows(x, size, stride, padding, dilation, -np.inf), axis=-1)
    taken = pool_windows(positions(x), size, stride, padding, dilation, 0)
    return np.take_along_axis(taken, best[..., None], axis=-1)[..., 0]

def pool_max(x, size, stride, padding, dilation):
    # The largest of each window.
    return np.max(pool_windows(x, size, stride, padding, dilation, -np.inf), axis=-1)

def pool_place(h, x, size, stride, padding, dilation):
    # Zeros like x, plus h where the largest of each window of x is.
    return place(h, x, pool_at(x, size, stride, padding, dilation))

def pool_pick(c, x, size, stride, padding, dilation):
    # The numbers of c that lie where the largest of each window of x is.
    return np.ravel(c)[pool_at(x, size, stride, padding, dilation)]

def pool_sum(x, size, stride, padding, dilation):
    # The sum of each window.
    return np.sum(pool_windows(x, size, stride, padding, dilation, 0), axis=-1)

def pool_spread(h, lengths, size, stride, padding, dilation):
    # Each number of h added to all places of its window.
    numbers = positions(np.zeros((*np.shape(h)[:2], *lengths)))
    at = pool_windows(numbers + 1, size, stride, padding, dilation, 0)  # 0: outside
    spread = np.broadcast_to(h[..., None], np.shape(at))
    total = np.bincount(np.ravel(at), np.ravel(spread), np.size(numbers) + 1)[1:]
    return np.reshape(total, np.shape(numbers)).astype(np.result_type(h))
"""


def _window(*names: str) -> str:
    return ", ".join([*names, "{size}", "{stride}", "{padding}", "{dilation}"])


@op(
    kind="reduction",
    symbol="max",
    public=False,
    helper=_HELPER,
    numpy=f"pool_max({_window('{x}')})",
    dx=lambda g, x, size, stride, padding, dilation: pool_place.op(  # type: ignore[has-type]
        g, x, size=size, stride=stride, padding=padding, dilation=dilation
    ),
)
def pool_max(
    x: Any, *, size: Any = (), stride: Any = (), padding: Any = (), dilation: Any = ()
) -> Any:
    """The largest number of each window of (N, C, *lengths)."""
    return _largest(_lowest(x, padding), size, stride, dilation)


@op(
    kind="reduction",
    symbol="place",
    public=False,
    numpy=f"pool_place({_window('{h}', '{x}')})",
    dh=lambda g, x, size, stride, padding, dilation: pool_pick.op(  # type: ignore[has-type]
        g, x, size=size, stride=stride, padding=padding, dilation=dilation
    ),
)
def pool_place(
    h: Any,
    x: Any,
    *,
    size: Any = (),
    stride: Any = (),
    padding: Any = (),
    dilation: Any = (),
) -> Any:
    """Zeros like x, plus h where the largest number of each window of x is."""
    lengths = [n + a + b for n, (a, b) in zip(x.shape[2:], padding, strict=True)]
    wide: Any = np.zeros((*x.shape[:2], *lengths), h.dtype)
    apart = all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, size, dilation, strict=True))
    plain = bool(np.isfinite(h).all())
    for index, hit in hits(x, size=size, stride=stride, padding=padding, dilation=dilation):
        part = wide[index]
        if not plain:  # 0 times infinity were NaN
            np.add(part, h, out=part, where=hit)
        elif apart:
            np.multiply(h, hit, out=part)
        else:
            np.add(part, h * hit, out=part)
    return wide[(..., *inside(x.shape[2:], padding))]


@op(
    kind="reduction",
    symbol="pick",
    public=False,
    numpy=f"pool_pick({_window('{c}', '{x}')})",
    dc=lambda g, x, size, stride, padding, dilation: pool_place.op(
        g, x, size=size, stride=stride, padding=padding, dilation=dilation
    ),
)
def pool_pick(
    c: Any,
    x: Any,
    *,
    size: Any = (),
    stride: Any = (),
    padding: Any = (),
    dilation: Any = (),
) -> Any:
    """The numbers of c that lie where the largest number of each window of x is."""
    wide = padded(c, padding)
    picked = np.zeros((*x.shape[:2], *_out(x.shape[2:], size, stride, dilation, padding)), c.dtype)
    for index, hit in hits(x, size=size, stride=stride, padding=padding, dilation=dilation):
        np.copyto(picked, wide[index], where=hit)
    return picked


@op(
    kind="reduction",
    symbol="Σ",
    public=False,
    numpy=f"pool_sum({_window('{x}')})",
    dx=lambda g, x, size, stride, padding, dilation: pool_spread.op(  # type: ignore[has-type]
        g, lengths=x.shape[2:], size=size, stride=stride, padding=padding, dilation=dilation
    ),
    like="x",
)
def pool_sum(
    x: Any, *, size: Any = (), stride: Any = (), padding: Any = (), dilation: Any = ()
) -> Any:
    """The sum of each window of (N, C, *lengths)."""
    wide = padded(x, padding)
    y: Any = None
    for _, index in offsets(size, stride, dilation, _out(x.shape[2:], size, stride, dilation, padding)):  # noqa: E501  # fmt: skip
        tap = wide[index]
        y = tap.copy() if y is None else np.add(y, tap, out=y)
    return y


@op(
    kind="reduction",
    symbol="spread",
    public=False,
    numpy=f"pool_spread({_window('{h}', '{lengths}')})",
    dh=lambda g, size, stride, padding, dilation: pool_sum.op(
        g, size=size, stride=stride, padding=padding, dilation=dilation
    ),
)
def pool_spread(
    h: Any,
    *,
    lengths: Any = (),
    size: Any = (),
    stride: Any = (),
    padding: Any = (),
    dilation: Any = (),
) -> Any:
    """Each number of h added to all places of its window: the adjoint of `pool_sum`."""
    wide: Any = np.zeros(
        (*h.shape[:2], *(n + a + b for n, (a, b) in zip(lengths, padding, strict=True))), h.dtype
    )
    for _, index in offsets(size, stride, dilation, h.shape[2:]):
        part = wide[index]
        np.add(part, h, out=part)
    return wide[(..., *inside(lengths, padding))]
