"""Windows of images, signals and volumes: unfolding them into columns and adding columns back.

Arrays are (N, C, *lengths): examples, channels, and one, two or three axes in space. A window takes
`size` places along each axis, `dilation` apart; windows lie `stride` apart, after `padding` zeros
at both ends. What convolution and pooling share is here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import errors
from .define import function, op
from .join import pad

Lengths = tuple[int, ...]
# Columns are made for as many examples at once as fit a processor's cache.
CHUNK = 1 << 21


def count(length: int, size: int, stride: int, dilation: int, padding: int) -> int:
    """Return how many windows there are along an axis, ``padding`` being that of both ends."""
    return (length + padding - dilation * (size - 1) - 1) // stride + 1


def offsets(
    size: Lengths, stride: Lengths, dilation: Lengths, out: Lengths
) -> Iterator[tuple[Lengths, tuple[Any, ...]]]:
    """Yield each place in a window, and the index of the elements that lie there in all windows."""
    for place in np.ndindex(*size):
        yield (
            place,
            (
                ...,
                *(
                    slice(k * d, k * d + s * (n - 1) + 1, s)
                    for k, s, d, n in zip(place, stride, dilation, out, strict=True)
                ),
            ),
        )


def padded(x: Any, padding: Any, value: float = 0.0) -> Any:
    """Return an array with `value` around its last axes; pairs (before, after), or a number."""
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    if not any(a or b for a, b in pairs):
        return x
    lead = x.ndim - len(pairs)
    lengths = [n + a + b for n, (a, b) in zip(x.shape[lead:], pairs, strict=True)]
    wide: Any = np.full((*x.shape[:lead], *lengths), value, x.dtype)
    wide[(..., *inside(x.shape[lead:], pairs))] = x
    return wide


def inside(lengths: Any, pairs: Any) -> tuple[slice, ...]:
    """Return the index of what is not padding."""
    return tuple(slice(a, a + n) for n, (a, _) in zip(lengths, pairs, strict=True))


def short(values: Any) -> Any:
    """Return an option as one number where it is the same for all axes."""
    return values[0] if values and all(v == values[0] for v in values) else tuple(values)


def wide(value: Any, lengths: Any) -> Any:
    """Return an option for each axis."""
    return value if isinstance(value, tuple) else (value,) * len(lengths)


def columns(x: Any, size: Lengths, stride: Lengths, dilation: Lengths, out: Lengths) -> Any:
    """Return the windows of a padded array as (N, C, *size, *out), a copy."""
    if all(n == 1 for n in (*size, *stride)):
        return x.reshape(*x.shape[:2], *size, *out)
    made: Any = np.empty((*x.shape[:2], *size, *out), x.dtype)
    for place, index in offsets(size, stride, dilation, out):
        made[(slice(None), slice(None), *place)] = x[index]
    return made


def add_columns(cols: Any, into: Any, stride: Lengths, dilation: Lengths) -> None:
    """Add windows, (N, C, *size, *out), to the elements that they are of: the adjoint."""
    axes = len(stride)
    size, out = cols.shape[2 : 2 + axes], cols.shape[2 + axes :]
    for place, index in offsets(size, stride, dilation, out):
        part = into[index]
        np.add(part, cols[(slice(None), slice(None), *place)], out=part)


def in_rows(x: Any, lengths: Lengths) -> Any:
    """Return (N, C, *places) laid out in a grid of these lengths, in one row that ends with x.

    What windows one apart hold of the grid, for one place in them, then is such a row too; short
    rows of an image would be added one by one.
    """
    grid: Any = np.zeros((*x.shape[:3], *lengths[1:]), x.dtype)
    grid[(..., *(slice(0, n) for n in x.shape[3:]))] = x
    end = sum((n - 1) * s for n, s in zip(x.shape[2:], steps_of(lengths), strict=True)) + 1
    return grid.reshape(*x.shape[:2], -1)[..., :end]


def add_rows(cols: Any, into: Any, size: Lengths, dilation: Lengths) -> None:
    """Add windows one apart, (N, C, *size, row of `in_rows`), to (N, C, *lengths)."""
    steps, flat = steps_of(into.shape[2:]), into.reshape(*into.shape[:2], -1)
    for place in np.ndindex(*size):
        start = sum(k * d * s for k, d, s in zip(place, dilation, steps, strict=True))
        part = flat[..., start : start + cols.shape[-1]]
        np.add(part, cols[(slice(None), slice(None), *place)], out=part)


def steps_of(lengths: Lengths) -> Lengths:
    """Return how many elements apart neighbours along each axis are."""
    return tuple(math.prod(lengths[k + 1 :]) for k in range(len(lengths)))


def chunks(number: int, bytes_each: int) -> Iterator[slice]:
    """Yield runs of examples whose columns fit the cache."""
    step = max(1, CHUNK // max(1, bytes_each))
    for start in range(0, number, step):
        yield slice(start, min(start + step, number))


def each(name: str, what: str, value: Any, axes: int, least: int = 1) -> Lengths:
    """Return an option that is one integer or one for each axis as a tuple.

    Raises:
        ArgumentError: something else, or too small.
    """
    values = value if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) == 1:
        values = tuple(values) * axes
    fine = len(values) == axes and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values
    )
    if not fine:
        raise errors.ArgumentError(
            f"{name}: got {what}={value!r}, expected an integer >= {least}, or {axes} of them."
        )
    return tuple(int(v) for v in values)


# --- F.unfold and F.fold ------------------------------------------------------------------------


@op(
    kind="shape",
    like="x",
    symbol="unfold",
    public=False,
    helper="""
def grid(size):
    # All places of a window.
    return [(k, *rest) for k in range(size[0]) for rest in grid(size[1:])] if size else [()]

def unfold(x, size, stride, dilation):
    # The windows of x, (N, C, *lengths), as (N, C, *size, *windows).
    size = each(size, x)
    n = windows(x, size, stride, dilation)
    cols = np.stack([tap(x, at, n, stride, dilation) for at in grid(size)], axis=2)
    return np.reshape(cols, (*np.shape(x)[:2], *size, *n))
""",
    numpy="unfold({x}, {size}, {stride}, {dilation})",
    dx=lambda g, x, stride, dilation: fold_windows.op(  # type: ignore[has-type]
        g, lengths=x.shape[2:], stride=stride, dilation=dilation
    ),
)
def unfold_windows(x: Any, *, size: Any = 1, stride: Any = 1, dilation: Any = 1) -> Any:
    """The windows of (N, C, *lengths) as (N, C, *size, *windows)."""
    lengths = x.shape[2:]
    size, stride, dilation = wide(size, lengths), wide(stride, lengths), wide(dilation, lengths)
    out = tuple(
        count(n, k, s, d, 0) for n, k, s, d in zip(lengths, size, stride, dilation, strict=True)
    )
    return columns(x, size, stride, dilation, out)


@op(
    kind="shape",
    like="cols",
    symbol="fold",
    public=False,
    helper="""
def fold(cols, lengths, stride, dilation):
    # Zeros (N, C, *lengths) with the windows added: each element of cols where unfold took it.
    shape = (*np.shape(cols)[:2], *lengths)
    numbers = positions(np.zeros(shape))
    at = unfold(numbers, np.shape(cols)[2 : len(shape)], stride, dilation)
    total = np.bincount(np.ravel(at), np.ravel(cols), np.size(numbers))
    return np.reshape(total, shape).astype(np.result_type(cols))
""",
    numpy="fold({cols}, {lengths}, {stride}, {dilation})",
    dcols=lambda g, cols, lengths, stride, dilation: unfold_windows.op(
        g, size=short(cols.shape[2 : 2 + len(lengths)]), stride=stride, dilation=dilation
    ),
)
def fold_windows(cols: Any, *, lengths: Any = (), stride: Any = 1, dilation: Any = 1) -> Any:
    """Windows added to zeros (N, C, *lengths): the adjoint of unfolding."""
    into = np.zeros((*cols.shape[:2], *lengths), cols.dtype)
    add_columns(cols, into, wide(stride, lengths), wide(dilation, lengths))
    return into


@function(name="nn.functional.unfold", method=False, keywords={"kernel_size": "size"})
def unfold(x: Any, size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows of images as columns, as ``torch.nn.functional.unfold``.

    Args:
        x: images (N, C, H, W), or one alone (C, H, W).
        size: of a window, PyTorch's ``kernel_size``.
        dilation: between the elements of a window.
        padding: zeros around the image.
        stride: between windows.

    Returns:
        (N, C · kH · kW, L): each of the L windows in a column, row by row.

    Raises:
        ShapeError: no images, or a window larger than the image.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.unfold(tc.arange(9.0).reshape(1, 1, 3, 3), 2)[0, :, 0]
        tensor([0., 1., 3., 4.])
    """
    size = each("unfold", "kernel_size", size, 2)
    stride, dilation = each("unfold", "stride", stride, 2), each("unfold", "dilation", dilation, 2)
    padding = each("unfold", "padding", padding, 2, least=0)
    x, alone = batched("unfold", x, 2)
    x = pad_zeros(x, padding)
    fits("unfold", x.shape[2:], size, dilation)
    options = {"size": short(size), "stride": short(stride), "dilation": short(dilation)}
    cols = unfold_windows.op(x, **options)
    y = cols.flatten(1, 3).flatten(2)
    return y[0] if alone else y


@function(name="nn.functional.fold", method=False, keywords={"kernel_size": "size"})
def fold(
    x: Any, output_size: Any, size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Columns added up to images, as ``torch.nn.functional.fold``: the adjoint of `unfold`.

    Args:
        x: (N, C · kH · kW, L).
        output_size: (H, W) of the images.
        size: of a window, PyTorch's ``kernel_size``.
        dilation: between the elements of a window.
        padding: zeros around the image, which are cut off.
        stride: between windows.

    Raises:
        ShapeError: columns that are not those of such images.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.fold(tc.ones(1, 4, 4), (3, 3), 2)[0, 0]
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    size = each("fold", "kernel_size", size, 2)
    stride, dilation = each("fold", "stride", stride, 2), each("fold", "dilation", dilation, 2)
    padding = each("fold", "padding", padding, 2, least=0)
    lengths = tuple(n + 2 * p for n, p in zip(each("fold", "output_size", output_size, 2), padding, strict=True))  # noqa: E501  # fmt: skip
    fits("fold", lengths, size, dilation)
    out = tuple(count(n, k, s, d, 0) for n, k, s, d in zip(lengths, size, stride, dilation, strict=True))  # noqa: E501  # fmt: skip
    if x.ndim != 3 or x.shape[1] % int(np.prod(size)) or x.shape[2] != int(np.prod(out)):
        raise errors.ShapeError(
            f"fold: got {x.shape}, expected (N, C · {np.prod(size)}, {np.prod(out)}) for images of "
            f"{output_size} and windows of {size}."
        )
    channels = x.shape[1] // int(np.prod(size))
    cols = x.reshape(-1, channels, *size, *out)
    y = fold_windows.op(cols, lengths=lengths, stride=short(stride), dilation=short(dilation))
    return y[(..., *(slice(p, n - p) for n, p in zip(lengths, padding, strict=True)))]


def batched(name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return a tensor (N, C, *lengths), and whether it came as one example alone.

    Raises:
        ShapeError: too few or too many axes.
    """
    if x.ndim == axes + 1:
        return x.unsqueeze(0), True
    if x.ndim != axes + 2:
        lengths = {1: "L", 2: "H, W", 3: "D, H, W"}[axes]
        raise errors.ShapeError(
            f"{name}: got an input of shape {x.shape}, expected (N, C, {lengths}) or, for one "
            f"example, (C, {lengths}). For one channel add it: x.unsqueeze(1)."
        )
    return x, False


def fits(name: str, lengths: Lengths, size: Lengths, dilation: Lengths) -> None:
    """Refuse windows that are larger than what they are taken from."""
    wide = tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))
    if any(n < w for n, w in zip(lengths, wide, strict=True)):
        raise errors.ShapeError(
            f"{name}: a window of {' × '.join(map(str, wide))} does not fit into "
            f"{' × '.join(map(str, lengths))}, padding included. Take a smaller kernel or "
            "dilation, or more padding."
        )


def pad_zeros(x: Any, padding: Lengths) -> Any:
    """Return a tensor with zeros around its last axes."""
    if not any(padding):
        return x
    return pad(x, [n for p in reversed(padding) for n in (p, p)])
