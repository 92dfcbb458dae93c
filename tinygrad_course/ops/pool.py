"""Pooling: the largest number or the average of each window.

The largest: `pool_max` has the adjoint `pool_place`, which puts numbers where the largest were, and
that one `pool_pick`, which takes the numbers from there. Of equal numbers the first counts. The
average is a sum of windows, `pool_sum`, with the adjoint `pool_spread`, times a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .define import op
from .windows import Lengths, count, inside, offsets, padded, wide


class Windows(NamedTuple):
    """The options of a pooling, written out for each axis; padding in pairs (before, after)."""

    size: Lengths
    stride: Lengths
    padding: Any
    dilation: Lengths

    def windows(self, lengths: Lengths) -> Lengths:
        """Return how many windows there are along each axis."""
        ends = zip(lengths, self.size, self.stride, self.dilation, self.padding, strict=True)
        return tuple(count(n, k, s, d, a + b) for n, k, s, d, (a, b) in ends)

    def places(self, out: Lengths) -> Iterator[Any]:
        """Yield, for each place in a window, the index of what lies there in all windows."""
        for _, index in offsets(self.size, self.stride, self.dilation, out):
            yield index


def written(lengths: Lengths, size: Any, stride: Any, padding: Any, dilation: Any) -> Windows:
    """Return options that may be one number for all axes; no stride means windows side by side."""
    size = wide(size, lengths)
    pairs = tuple(p if isinstance(p, tuple) else (p, p) for p in wide(padding, lengths))
    steps = size if stride is None else wide(stride, lengths)
    return Windows(size, steps, pairs, wide(dilation, lengths))


def _lowest(x: Any, padding: Any) -> Any:
    """Return an array with the smallest number around it."""
    lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return padded(x, padding, lowest)


def _winners(x: Any, how: Windows) -> Any:
    """Return which place of each window holds its largest number, the first of equal ones.

    Places are counted as `Windows.places` yields them. NaN is the largest, as in NumPy.
    """
    if x.dtype.kind == "f" and any(a or b for a, b in how.padding):
        x = np.maximum(x, np.finfo(x.dtype).min)  # in a window of -inf, nothing outside wins
    around, out = _lowest(x, how.padding), how.windows(x.shape[2:])
    y = won = None
    for k, index in enumerate(how.places(out)):
        tap = around[index]
        if y is None or won is None:
            y = tap.copy()
            won = np.zeros(y.shape, np.uint8 if math.prod(how.size) < 256 else np.int64)
            continue
        # The last place that is larger than all before is the first of the largest.
        np.maximum(won, (tap > y) * won.dtype.type(k), out=won)
        np.maximum(y, tap, out=y)
    assert y is not None and won is not None
    if np.isnan(y).any():
        found = np.zeros(y.shape, bool)
        for k, index in enumerate(how.places(out)):
            here = np.isnan(around[index]) & ~found
            np.putmask(won, here, k)
            found |= here
    return won


def hits(x: Any, how: Windows) -> Iterator[tuple[Any, Any]]:
    """Yield the index of a place in all windows, and in which the first largest is there."""
    won = _winners(x, how)
    for k, index in enumerate(how.places(won.shape[2:])):
        yield index, won == k


_HELPER = """
def pool_windows(x, size, stride, padding, dilation, value):
    # The windows of x, (N, C, *lengths), as (N, C, *windows, places), with `value` around it.
    size, stride = each(size, x), size if stride is None else stride
    ends = [p if isinstance(p, tuple) else (p, p) for p in each(padding, x)]
    x = np.pad(x, [(0, 0), (0, 0), *ends], constant_values=value)
    n = windows(x, size, stride, dilation)
    return np.stack([tap(x, at, n, stride, dilation) for at in grid(size)], axis=-1)

def pool_at(x, size, stride, padding, dilation):
    # Where the largest of each window is, as a number of `positions`.
    least = np.finfo(np.result_type(x, np.float32)).min  # more than what is outside
    above = pool_windows(np.maximum(x, least), size, stride, padding, dilation, -np.inf)
    best = np.argmax(above, axis=-1)
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
    x: Any, *, size: Any = 1, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Any:
    """The largest number of each window of (N, C, *lengths)."""
    how = written(x.shape[2:], size, stride, padding, dilation)
    around = _lowest(x, how.padding)
    y: Any = None
    for index in how.places(how.windows(x.shape[2:])):
        tap = around[index]
        y = tap.copy() if y is None else np.maximum(y, tap, out=y)
    return y


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
    size: Any = 1,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Any:
    """Zeros like x, plus h where the largest number of each window of x is."""
    how = written(x.shape[2:], size, stride, padding, dilation)
    lengths = [n + a + b for n, (a, b) in zip(x.shape[2:], how.padding, strict=True)]
    around: Any = np.zeros((*x.shape[:2], *lengths), h.dtype)
    ends = zip(how.stride, how.size, how.dilation, strict=True)
    apart = all(s >= d * (k - 1) + 1 for s, k, d in ends)
    plain = bool(np.isfinite(h).all())
    for index, hit in hits(x, how):
        part = around[index]
        if not plain:  # 0 times infinity were NaN
            np.add(part, h, out=part, where=hit)
        elif apart:
            np.multiply(h, hit, out=part)
        else:
            np.add(part, h * hit, out=part)
    return around[(..., *inside(x.shape[2:], how.padding))]


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
    size: Any = 1,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Any:
    """The numbers of c that lie where the largest number of each window of x is."""
    how = written(x.shape[2:], size, stride, padding, dilation)
    around = padded(c, how.padding)
    picked = np.zeros((*x.shape[:2], *how.windows(x.shape[2:])), c.dtype)
    for index, hit in hits(x, how):
        np.copyto(picked, around[index], where=hit)
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
    x: Any, *, size: Any = 1, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Any:
    """The sum of each window of (N, C, *lengths)."""
    how = written(x.shape[2:], size, stride, padding, dilation)
    around = padded(x, how.padding)
    y: Any = None
    for index in how.places(how.windows(x.shape[2:])):
        tap = around[index]
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
    size: Any = 1,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Any:
    """Each number of h added to all places of its window: the adjoint of `pool_sum`."""
    how = written(lengths, size, stride, padding, dilation)
    wider = [n + a + b for n, (a, b) in zip(lengths, how.padding, strict=True)]
    around: Any = np.zeros((*h.shape[:2], *wider), h.dtype)
    for index in how.places(h.shape[2:]):
        part = around[index]
        np.add(part, h, out=part)
    return around[(..., *inside(lengths, how.padding))]
