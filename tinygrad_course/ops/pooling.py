"""Pooling functions: the largest or the average of windows, or of so many cells.

They check their arguments and call the operations of `pool`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor
from .define import function
from .join import cat, pad
from .pool import Windows, hits, pool_max, pool_sum
from .reduce import mean
from .shape import ones_like
from .windows import Lengths, batched, each, padded, short

# Cells are computed one by one where they are not of one size.
MOST_CELLS = 100_000


def _options(
    name: str, x: Any, axes: int, size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> Windows:
    size = each(name, "kernel_size", size, axes)
    stride = size if stride is None else each(name, "stride", stride, axes)
    pads = each(name, "padding", padding, axes, least=0)
    dilation = each(name, "dilation", dilation, axes)
    if any(2 * p > k for p, k in zip(pads, size, strict=True)):
        raise errors.ArgumentError(
            f"{name}: got padding={padding} for kernel_size={size}, expected at most half the "
            "window, so that each holds at least one number."
        )
    pairs = []
    for n, k, s, p, d in zip(x.shape[2:], size, stride, pads, dilation, strict=True):
        wide = d * (k - 1) + 1
        if n + 2 * p < wide:
            raise errors.ShapeError(
                f"{name}: a window of length {wide} does not fit into {n} with padding={p} (the "
                f"input has shape {x.shape}). Take a smaller kernel."
            )
        extra = 0
        if ceil:
            windows = -(-(n + 2 * p - wide) // s) + 1
            if (windows - 1) * s >= n + p:  # a window must start inside
                windows -= 1
            extra = max(0, (windows - 1) * s + wide - n - 2 * p)
        pairs.append((p, p + extra))
    return Windows(size, stride, tuple(pairs), dilation)


def _short(how: Windows) -> dict[str, Any]:
    """Return options as an operation is given them: one number if it is the same for all axes."""
    same = all(a == b for a, b in how.padding)
    padding = short([a for a, _ in how.padding]) if same else how.padding
    stride = None if how.stride == how.size else short(how.stride)
    return {
        "size": short(how.size),
        "stride": stride,
        "padding": padding,
        "dilation": short(how.dilation),
    }


def _max(name: str, axes: int, x: Any, options: tuple[Any, ...], indices: bool) -> Any:
    size, stride, padding, dilation, ceil = options
    x, alone = batched(name, x, axes)
    how = _options(name, x, axes, size, stride, padding, dilation, ceil)
    y: Any = pool_max.op(x, **_short(how))
    if not indices:
        return y[0] if alone else y
    at = Tensor(_places(x.detach().numpy(), how))
    return (y[0], at[0]) if alone else (y, at)


def _places(x: Any, how: Windows) -> Any:
    """Return where the largest of each window is, counted through an example's channel."""
    numbers = padded(np.arange(math.prod(x.shape[2:])).reshape(1, 1, *x.shape[2:]), how.padding)
    at = np.zeros((*x.shape[:2], *how.windows(x.shape[2:])), np.int64)
    for index, hit in hits(x, how):
        np.copyto(at, numbers[index], where=hit)
    return at


def _average(
    name: str, axes: int, x: Any, options: tuple[Any, ...], include: bool, divisor: Any
) -> Any:
    size, stride, padding, ceil = options
    x, alone = batched(name, x, axes)
    how = _options(name, x, axes, size, stride, padding, 1, ceil)
    total = pool_sum.op(x, **_short(how))
    if divisor is not None:
        if divisor == 0:
            raise errors.ArgumentError(f"{name}: got divisor_override=0, expected another number.")
        number: Any = 1 / divisor
    elif any(a or b for a, b in how.padding):
        number = _shares(x, how, include)
    else:
        number = 1 / math.prod(how.size)
    y = total * number
    return y[0] if alone else y


def _shares(x: Any, how: Windows, include: bool) -> Any:
    """Return one over the number of places in each window, those of the padding among them or not.

    What `ceil_mode` adds at the end is never counted.
    """
    ones = ones_like(x[:1, :1])
    rest: Any = how.padding
    if include:
        ones = pad(ones, [a for a, _ in reversed(how.padding) for a in (a, a)], value=1.0)
        rest = tuple((0, b - a) for a, b in how.padding)
    return 1 / pool_sum.op(ones, **_short(how._replace(padding=rest)))


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def max_pool1d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest number of each window of signals, as ``torch.nn.functional.max_pool1d``.

    The derivative goes to the largest number, of equal ones to the first.

    Args:
        x: (N, C, L), or (C, L) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: how far windows reach over the edge; at most half a window.
        dilation: between the elements of a window.
        ceil_mode: take windows that begin inside and end outside, too.
        return_indices: also return where the largest are, counted through a channel.

    Returns:
        (N, C, L'), and with `return_indices` the places of the same shape.

    Raises:
        ShapeError: a window larger than the signal.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.max_pool1d(tc.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[3., 5.]]])
    """
    return _max("max_pool1d", 1, x, (size, stride, padding, dilation, ceil_mode), return_indices)


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def max_pool2d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest number of each window of images, as ``torch.nn.functional.max_pool2d``.

    The derivative goes to the largest number, of equal ones to the first.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: how far windows reach over the edge; at most half a window.
        dilation: between the elements of a window.
        ceil_mode: take windows that begin inside and end outside, too.
        return_indices: also return where the largest are, counted through a channel.

    Returns:
        (N, C, H', W'), and with `return_indices` the places of the same shape.

    Raises:
        ShapeError: a window larger than the image.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([[[[1.0, 3.0, 2.0, 1.0], [4.0, 2.0, 0.0, 7.0]]]])
        >>> tc.nn.functional.max_pool2d(x, 2)
        tensor([[[[4., 7.]]]])
    """
    return _max("max_pool2d", 2, x, (size, stride, padding, dilation, ceil_mode), return_indices)


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def max_pool3d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest number of each window of volumes, as ``torch.nn.functional.max_pool3d``.

    The derivative goes to the largest number, of equal ones to the first.

    Args:
        x: (N, C, D, H, W), or (C, D, H, W) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: how far windows reach over the edge; at most half a window.
        dilation: between the elements of a window.
        ceil_mode: take windows that begin inside and end outside, too.
        return_indices: also return where the largest are, counted through a channel.

    Returns:
        (N, C, D', H', W'), and with `return_indices` the places of the same shape.

    Raises:
        ShapeError: a window larger than the volume.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.max_pool3d(tc.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
        7.0
    """
    return _max("max_pool3d", 3, x, (size, stride, padding, dilation, ceil_mode), return_indices)


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def avg_pool1d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The average of each window of signals, as ``torch.nn.functional.avg_pool1d``.

    Args:
        x: (N, C, L), or (C, L) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: zeros around the signal; at most half a window.
        ceil_mode: take windows that begin inside and end outside, too.
        count_include_pad: the zeros around count in the average.

    Returns:
        (N, C, L').

    Raises:
        ShapeError: a window larger than the signal.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.avg_pool1d(tc.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[2. , 3.5]]])
    """
    options = (size, stride, padding, ceil_mode)
    return _average("avg_pool1d", 1, x, options, count_include_pad, None)


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def avg_pool2d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    """The average of each window of images, as ``torch.nn.functional.avg_pool2d``.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: zeros around the image; at most half a window.
        ceil_mode: take windows that begin inside and end outside, too.
        count_include_pad: the zeros around count in the average.
        divisor_override: divide by this instead.

    Returns:
        (N, C, H', W').

    Raises:
        ShapeError: a window larger than the image.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([[[[1.0, 3.0, 2.0, 1.0], [4.0, 2.0, 0.0, 7.0]]]])
        >>> tc.nn.functional.avg_pool2d(x, 2)
        tensor([[[[2.5, 2.5]]]])
    """
    options = (size, stride, padding, ceil_mode)
    return _average("avg_pool2d", 2, x, options, count_include_pad, divisor_override)


@function(method=False, keywords={"input": "x", "kernel_size": "size"})
def avg_pool3d(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    """The average of each window of volumes, as ``torch.nn.functional.avg_pool3d``.

    Args:
        x: (N, C, D, H, W), or (C, D, H, W) for one example.
        size: of a window, PyTorch's ``kernel_size``.
        stride: between windows; None for windows side by side.
        padding: zeros around the volume; at most half a window.
        ceil_mode: take windows that begin inside and end outside, too.
        count_include_pad: the zeros around count in the average.
        divisor_override: divide by this instead.

    Returns:
        (N, C, D', H', W').

    Raises:
        ShapeError: a window larger than the volume.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.avg_pool3d(tc.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
        3.5
    """
    options = (size, stride, padding, ceil_mode)
    return _average("avg_pool3d", 3, x, options, count_include_pad, divisor_override)


def _cells(length: int, cells: int) -> list[tuple[int, int]]:
    """Return where each of so many cells begins and ends."""
    return [(k * length // cells, -(-(k + 1) * length // cells)) for k in range(cells)]


def _cut(x: Any, axis: int, start: int, end: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, end),)]


def _adaptive(name: str, axes: int, x: Any, output: Any) -> tuple[Any, bool, Lengths]:
    x, alone = batched(name, x, axes)
    wanted = output if isinstance(output, (tuple, list)) else (output,) * axes
    if len(wanted) == axes:
        wanted = [n if w is None else w for w, n in zip(wanted, x.shape[2:], strict=True)]
    cells = each(name, "output_size", tuple(wanted), axes)
    if max(cells) > MOST_CELLS:
        raise errors.ArgumentError(
            f"{name}: got output_size={output!r}, expected at most {MOST_CELLS:,} cells."
        )
    return x, alone, cells


def adaptive_avg_pool(name: str, axes: int, x: Any, output: Any) -> Any:
    """Return averages of cells, for whichever function is to be named in an error."""
    x, alone, wanted = _adaptive(name, axes, x, output)
    if not any(n % w for n, w in zip(x.shape[2:], wanted, strict=True)):
        size = tuple(n // w for n, w in zip(x.shape[2:], wanted, strict=True))
        x = _average(name, axes, x, (size, None, 0, False), True, None)
        return x[0] if alone else x
    for axis, (n, w) in enumerate(zip(x.shape[2:], wanted, strict=True), 2):
        x = cat([mean(_cut(x, axis, a, b), axis, keepdims=True) for a, b in _cells(n, w)], axis)
    return x[0] if alone else x


def _adaptive_max(name: str, axes: int, x: Any, output: Any) -> Any:
    x, alone, wanted = _adaptive(name, axes, x, output)
    for axis, (n, w) in enumerate(zip(x.shape[2:], wanted, strict=True)):
        parts = []
        for start, end in _cells(n, w):
            size = tuple(end - start if k == axis else 1 for k in range(axes))
            parts.append(pool_max.op(_cut(x, axis + 2, start, end), size=short(size)))
        x = cat(parts, axis + 2)
    return x[0] if alone else x


@function(method=False, keywords={"input": "x"})
def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """Averages of as many parts as asked for, as ``torch.nn.functional.adaptive_avg_pool1d``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.adaptive_avg_pool1d(tc.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[2. , 3.5]]])
    """
    return adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


@function(method=False, keywords={"input": "x"})
def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """Averages of as many cells as asked for, as ``torch.nn.functional.adaptive_avg_pool2d``.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        output_size: (H', W'), or one number for both; None keeps a length. Cell k of H' begins at
            ⌊k H / H'⌋ and ends before ⌈(k + 1) H / H'⌉.

    Raises:
        ShapeError: no image. ArgumentError: no such output size.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.adaptive_avg_pool2d(tc.arange(6.0).reshape(1, 1, 2, 3), 1).item()
        2.5
    """
    return adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


@function(method=False, keywords={"input": "x"})
def adaptive_max_pool1d(x: Any, output_size: Any) -> Any:
    """The largest of as many parts as asked for, as ``torch.nn.functional.adaptive_max_pool1d``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.adaptive_max_pool1d(tc.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[3., 5.]]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, x, output_size)


@function(method=False, keywords={"input": "x"})
def adaptive_max_pool2d(x: Any, output_size: Any) -> Any:
    """The largest of as many cells as asked for, as ``torch.nn.functional.adaptive_max_pool2d``.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        output_size: (H', W'), or one number for both; None keeps a length; see
            `adaptive_avg_pool2d`.

    Raises:
        ShapeError: no image. ArgumentError: no such output size.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nn.functional.adaptive_max_pool2d(tc.arange(6.0).reshape(1, 1, 2, 3), 1).item()
        5.0
    """
    return _adaptive_max("adaptive_max_pool2d", 2, x, output_size)
