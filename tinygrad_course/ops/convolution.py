"""Convolutions, as deep learning calls them: the kernel is not turned round.

Three bilinear operations are each other's adjoints, in one, two or three axes of space::

    y = conv(w, x)              y[n, o, p] = Σ_c Σ_k w[o, c, k] x[n, c, stride p + dilation k − padding]
    dx = conv_transpose(w, dy)  adds w[o, c, k] dy[n, o, p] to the x that it came from
    dw = conv_kernel(dy, x)     dw[o, c, k] = Σ_n Σ_p dy[n, o, p] x[n, c, stride p + dilation k − padding]

so that derivatives of every order are made of the three. On arrays each is a product of matrices
over unfolded windows (see `windows`). An option is one number for all axes, or one for each.
"""  # noqa: E501

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import errors
from ..op import PRODUCT
from ..tensor import as_tensor
from .define import function, op
from .join import pad
from .windows import (
    Lengths,
    add_columns,
    add_rows,
    batched,
    chunks,
    columns,
    count,
    each,
    fits,
    in_rows,
    inside,
    padded,
    short,
    wide,
)


def _grouped(w: Any, groups: int) -> Any:
    """Return kernels as matrices (groups, O / groups, C / groups · places)."""
    return w.reshape(groups, w.shape[0] // groups, -1)


def _cols(x: Any, groups: int, size: Lengths, out: Lengths, **how: Any) -> Any:
    """Return windows as matrices (N, groups, C / groups · places, windows)."""
    made = columns(x, size, how["stride"], how["dilation"], out)
    return made.reshape(len(x), groups, -1, math.prod(out))


def _bytes(x: Any, size: Lengths, out: Lengths) -> int:
    """Return the memory of one example's columns."""
    return int(x.shape[1]) * math.prod(size) * math.prod(out) * int(x.dtype.itemsize)


def _missing(x: Any, g: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return how many last places of x no window reached: the output_padding to get x's lengths."""
    size = w.shape[2:]
    ends = (x.shape[2:], g.shape[2:], size, *(wide(v, size) for v in (stride, padding, dilation)))
    return short(
        tuple(
            n - (s * (m - 1) + d * (k - 1) + 1 - 2 * p)
            for n, m, k, s, p, d in zip(*ends, strict=True)
        )
    )


def _first(y: Any, x: Any) -> Any:
    """Return the first windows of y, as many as x has places.

    There are more where an output_padding is larger than the stride, as a dilation allows.
    """
    if y.shape[2:] == x.shape[2:]:
        return y
    return y[(..., *(slice(0, n) for n in x.shape[2:]))]


_HELPER = """
def tap(x, at, count, stride, dilation):
    # What lies at one place of all windows.
    ends = zip(at, count, each(stride, x), each(dilation, x))
    return x[(..., *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, n, s, d in ends))]

def each(value, x):
    # An option for each axis of x in space: one number stands for all.
    return value if isinstance(value, tuple) else (value,) * (np.ndim(x) - 2)

def zeros_around(x, padding):
    # Zeros around the last axes of x.
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in each(padding, x))])

def in_groups(x, groups, axis):
    # The channels of x along an axis as (groups, channels of each), and what is in space as one.
    shape = np.shape(x)
    each = shape[axis] // groups
    return np.reshape(x, (*shape[:axis], groups, each, *shape[axis + 1 : 2], -1))

def windows(x, size, stride, dilation):
    # How many windows there are along each axis.
    ends = zip(np.shape(x)[2:], size, each(stride, x), each(dilation, x))
    return [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in ends]

def correlated(w, x, stride, dilation, groups):
    # y[n, o, p] = the sum over c, k of w[o, c, k] x[n, c, stride p + dilation k].
    size = np.shape(w)[2:]
    n = windows(x, size, stride, dilation)
    taps = (in_groups(tap(x, at, n, stride, dilation), groups, 1) for at in grid(size))
    kernels = (in_groups(w[(slice(None), slice(None), *at)], groups, 0) for at in grid(size))
    y = sum(np.einsum("ngcp,goc->ngop", a, b[..., 0]) for a, b in zip(taps, kernels))
    return np.reshape(y, (np.shape(x)[0], np.shape(w)[0], *n))

def conv(w, x, stride, padding, dilation, groups):
    # y[n, o, p] = the sum over c, k of w[o, c, k] x[n, c, stride p + dilation k - padding].
    return correlated(w, zeros_around(x, padding), stride, dilation, groups)

def spaced(x, stride):
    # Zeros between the elements of x along its last axes.
    for axis, s in enumerate(each(stride, x), 2):
        x = np.moveaxis(x, axis, -1)
        wide = np.reshape(x[..., None] * (np.arange(s) == 0), (*np.shape(x)[:-1], -1))
        x = np.moveaxis(wide[..., : np.shape(wide)[-1] - s + 1], -1, axis)
    return x

def turned(w, groups):
    # Kernels the other way: from outputs to inputs, and back to front in space.
    size, apart = np.shape(w)[2:], (groups, np.shape(w)[0] // groups, *np.shape(w)[1:])
    back = np.reshape(np.swapaxes(np.reshape(w, apart), 1, 2), (-1, apart[1], *size))
    return np.flip(back, range(2, np.ndim(w)))

def conv_transpose(w, x, stride, padding, output_padding, dilation, groups):
    # Each x[n, o, p] adds w[o, c, k] x[n, o, p] to y[n, c, stride p + dilation k - padding].
    reach = [d * (k - 1) for d, k in zip(each(dilation, w), np.shape(w)[2:])]
    ends = [(r, r + e) for r, e in zip(reach, each(output_padding, w))]
    x = np.pad(spaced(x, stride), [(0, 0), (0, 0), *ends])
    y = correlated(turned(w, groups), x, 1, dilation, groups)
    return y[(..., *(slice(p, n - p) for p, n in zip(each(padding, y), np.shape(y)[2:])))]

def conv_kernel(h, x, size, stride, padding, dilation, groups):
    # dw[o, c, k] = the sum over n, p of h[n, o, p] x[n, c, stride p + dilation k - padding].
    x, n, size = zeros_around(x, padding), np.shape(h)[2:], each(size, x)
    taps = (in_groups(tap(x, at, n, stride, dilation), groups, 1) for at in grid(size))
    parts = [np.einsum("ngop,ngcp->goc", in_groups(h, groups, 1), a) for a in taps]
    return np.reshape(np.stack(parts, axis=-1), (np.shape(h)[1], -1, *size))
"""


def _spell(infix: str, name: str) -> Callable[[str, list[str], dict[str, Any]], str]:
    """Return a template: an infix in formulas, a call in texts that have options to tell."""

    def spell(form: str, operands: list[str], params: dict[str, Any]) -> str:
        a, b = operands
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
        more = {k: v for k, v in params.items() if v != usual.get(k)}
        if form == "latex":
            more.pop("size", None)
            under = r",\,".join(f"{_LETTERS[k]}={v}" for k, v in more.items() if k in _LETTERS)
            return f"{a} {infix}_{{{under}}} {b}" if under else f"{a} {infix} {b}"
        if name == "conv" and not more:
            return f"{a} ∗ {b}"
        return f"{name}({', '.join([a, b, *(f'{k}={v}' for k, v in more.items())])})"

    return spell


_LETTERS = {"stride": "s", "padding": "p", "dilation": "d", "groups": "g"}


@op(
    kind="linalg",
    symbol="∗",
    public=False,
    helper=_HELPER,
    text=_spell(r"\ast", "conv"),
    latex=_spell(r"\ast", "conv"),
    numpy="conv({w}, {x}, {stride}, {padding}, {dilation}, {groups})",
    precedence=PRODUCT,
    dw=lambda g, w, x, stride, padding, dilation, groups: conv_kernel.op(  # type: ignore[has-type]
        g,
        x,
        size=short(w.shape[2:]),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    ),
    dx=lambda g, w, x, stride, padding, dilation, groups: conv_transpose.op(  # type: ignore[has-type]
        w,
        g,
        stride=stride,
        padding=padding,
        output_padding=_missing(x, g, w, stride, padding, dilation),
        dilation=dilation,
        groups=groups,
    ),
)
def conv(
    w: Any, x: Any, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Y = W ∗ X, with dX = conv_transpose(W, G) and dW = conv_kernel(G, X)."""
    size = w.shape[2:]
    stride, dilation = wide(stride, size), wide(dilation, size)
    x = padded(x, wide(padding, size))
    out = tuple(
        count(n, k, s, d, 0) for n, k, s, d in zip(x.shape[2:], size, stride, dilation, strict=True)
    )
    kernels = _grouped(w, groups)
    y = np.empty((len(x), *kernels.shape[:2], math.prod(out)), np.result_type(x, w))
    for part in chunks(len(x), _bytes(x, size, out)):
        cols = _cols(x[part], groups, size, out, stride=stride, dilation=dilation)
        np.matmul(kernels, cols, out=y[part])
    return y.reshape(len(x), w.shape[0], *out)


@op(
    kind="linalg",
    symbol="∗ᵀ",
    public=False,
    text=_spell(r"\ast^{\mathsf{T}}", "conv_transpose"),
    latex=_spell(r"\ast^{\mathsf{T}}", "conv_transpose"),
    numpy="conv_transpose({w}, {x}, {stride}, {padding}, {output_padding}, {dilation}, {groups})",
    precedence=PRODUCT,
    dw=lambda g, w, x, stride, padding, dilation, groups: conv_kernel.op(  # type: ignore[has-type]
        x,
        g,
        size=short(w.shape[2:]),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    ),
    dx=lambda g, w, x, stride, padding, dilation, groups: _first(
        conv.op(w, g, stride=stride, padding=padding, dilation=dilation, groups=groups), x
    ),
)
def conv_transpose(
    w: Any,
    x: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The adjoint of a convolution in its input, with dX = W ∗ G and dW = conv_kernel(X, G)."""
    size, places = w.shape[2:], x.shape[2:]
    stride, dilation, padding = (wide(v, size) for v in (stride, dilation, padding))
    lengths = tuple(
        s * (n - 1) + d * (k - 1) + 1 + e
        for n, k, s, d, e in zip(
            places, size, stride, dilation, wide(output_padding, size), strict=True
        )
    )
    kernels = _grouped(w, groups).mT
    channels = w.shape[1] * groups
    dtype = np.result_type(x, w)
    y: Any = np.zeros((len(x), channels, *lengths), dtype)
    # Zeros between the rows of x must not meet infinite weights.
    rows = all(s == 1 for s in stride) and bool(np.isfinite(w).all())
    flat = in_rows(x, lengths) if rows else x.reshape(len(x), w.shape[0], -1)
    flat = flat.reshape(len(x), groups, w.shape[0] // groups, -1)
    for part in chunks(len(x), channels * math.prod(size) * flat.shape[-1] * dtype.itemsize):
        cols = np.matmul(kernels, flat[part])
        if rows:
            add_rows(cols.reshape(-1, channels, *size, flat.shape[-1]), y[part], size, dilation)
        else:
            add_columns(cols.reshape(-1, channels, *size, *places), y[part], stride, dilation)
    if any(padding):
        inner = [n - 2 * p for n, p in zip(lengths, padding, strict=True)]
        y = y[(..., *inside(inner, [(p, p) for p in padding]))]
    return y


@op(
    kind="linalg",
    symbol="⋆",
    public=False,
    text=_spell(r"\star", "conv_kernel"),
    latex=_spell(r"\star", "conv_kernel"),
    numpy="conv_kernel({h}, {x}, {size}, {stride}, {padding}, {dilation}, {groups})",
    precedence=PRODUCT,
    dh=lambda g, x, stride, padding, dilation, groups: conv.op(
        g, x, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    dx=lambda g, h, x, stride, padding, dilation, groups: conv_transpose.op(
        g,
        h,
        stride=stride,
        padding=padding,
        output_padding=_missing(x, h, g, stride, padding, dilation),
        dilation=dilation,
        groups=groups,
    ),
)
def conv_kernel(
    h: Any,
    x: Any,
    *,
    size: Any = 1,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The adjoint of a convolution in its kernel, with dH = G ∗ X and dX = conv_transpose(G, H)."""
    out = h.shape[2:]
    size, stride, dilation = wide(size, out), wide(stride, out), wide(dilation, out)
    x = padded(x, wide(padding, out))
    flat = h.reshape(len(h), groups, h.shape[1] // groups, -1)
    total: Any = 0
    for part in chunks(len(x), _bytes(x, size, out)):
        cols = _cols(x[part], groups, size, out, stride=stride, dilation=dilation)
        total = total + np.matmul(flat[part], cols.mT).sum(axis=0)
    dtype = np.result_type(h, x)
    if not len(x):
        total = np.zeros((h.shape[1], x.shape[1] // groups, *size), dtype)
    return total.reshape(h.shape[1], x.shape[1] // groups, *size).astype(dtype, copy=False)


# --- functions ----------------------------------------------------------------------------------


def _convolve(
    name: str, axes: int, x: Any, weight: Any, bias: Any, options: tuple[Any, Any, Any, Any]
) -> Any:
    stride, padding, dilation, groups = options
    weight = as_tensor(weight)
    x, alone = batched(name, x, axes)
    _check_weight(name, weight, axes)
    stride = each(name, "stride", stride, axes)
    dilation = each(name, "dilation", dilation, axes)
    size = weight.shape[2:]
    channels = weight.shape[1] * _groups(name, groups, weight.shape[0], "output")
    if x.shape[1] != channels:
        raise errors.ShapeError(
            f"{name}: the input has {x.shape[1]} channels, but a weight of shape {weight.shape} "
            f"with groups={groups} takes {channels}. The weight is (out_channels, in_channels / "
            "groups, *kernel_size); images are (N, C, H, W), not (N, H, W, C)."
        )
    if isinstance(padding, str):
        x, padding = _padded_same(name, x, padding, size, stride, dilation)
    padding = each(name, "padding", padding, axes, least=0)
    fits(name, tuple(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)), size, dilation)
    y = conv.op(
        weight,
        x,
        stride=short(stride),
        padding=short(padding),
        dilation=short(dilation),
        groups=groups,
    )
    return _finished(name, y, bias, alone, axes)


def _padded_same(
    name: str, x: Any, padding: str, size: Lengths, stride: Lengths, dilation: Lengths
) -> tuple[Any, Any]:
    """Return the input and the padding for "valid" and "same"."""
    if padding == "valid":
        return x, (0,) * len(size)
    if padding != "same":
        raise errors.ArgumentError(
            f"{name}: got padding={padding!r}, expected 'same', 'valid', an integer, or "
            f"{len(size)} of them."
        )
    if any(s != 1 for s in stride):
        raise errors.ArgumentError(
            f"{name}: padding='same' keeps the lengths, which stride={stride} does not. Use "
            "stride=1, or give the padding as a number."
        )
    total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    odd = [n % 2 for n in total]
    if any(odd):  # one zero more at the end, as in PyTorch
        x = pad(x, [n for extra in reversed(odd) for n in (0, extra)])
    return x, tuple(n // 2 for n in total)


def _check_weight(name: str, weight: Any, axes: int) -> None:
    if weight.ndim != axes + 2:
        raise errors.ShapeError(
            f"{name}: got a weight of shape {weight.shape}, expected {axes + 2} axes: channels, "
            f"channels, and {axes} of the kernel."
        )


def _groups(name: str, groups: Any, channels: int, which: str) -> int:
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or channels % groups:
        raise errors.ArgumentError(
            f"{name}: got groups={groups!r}, expected a number that divides the {channels} {which} "
            "channels."
        )
    return groups


def _finished(name: str, y: Any, bias: Any, alone: bool, axes: int) -> Any:
    """Return an output with its bias, without an axis of examples if there was none."""
    if bias is not None:
        bias = as_tensor(bias)
        if bias.shape != (y.shape[1],):
            raise errors.ShapeError(
                f"{name}: got a bias of shape {bias.shape}, expected ({y.shape[1]},): one number "
                "for each output channel."
            )
        y = y + bias.unsqueeze(tuple(range(1, axes + 1)))
    return y[0] if alone else y


@function(method=False, keywords={"input": "x"})
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolution of signals, as ``torch.nn.functional.conv1d``; see `conv2d`.

    Args:
        x: (N, C, L), or (C, L) for one example.
        weight: (out_channels, C / groups, kernel_size).
        bias: (out_channels,), or None.
        stride: between windows.
        padding: zeros at both ends; "same" or "valid".
        dilation: between the elements of a window.
        groups: the channels are split into so many, each with kernels of its own.

    Returns:
        (N, out_channels, L').

    Raises:
        ShapeError: channels that do not fit, or a kernel longer than the signal.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.conv1d(tc.tensor([[[1.0, 2.0, 4.0, 8.0]]]), tc.tensor([[[-1.0, 1.0]]]))
        tensor([[[1., 2., 4.]]])
    """
    return _convolve("conv1d", 1, x, weight, bias, (stride, padding, dilation, groups))


@function(method=False, keywords={"input": "x"})
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolution of images, as ``torch.nn.functional.conv2d``.

    Z = W ∗ X + b: Z[n, o, i, j] = b[o] + Σ_c Σ_{k, l} W[o, c, k, l] X[n, c, s i + d k − p,
    s j + d l − p] with stride s, dilation d and padding p, where X is 0 outside. Deep learning
    calls this convolution; in mathematics it is the cross-correlation.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        weight: (out_channels, C / groups, kH, kW).
        bias: (out_channels,), or None.
        stride: between windows, one number or one for each axis.
        padding: zeros around the image; "same" (as many as keep the lengths) or "valid" (none).
        dilation: between the elements of a window.
        groups: the channels are split into so many, each with kernels of its own.

    Returns:
        (N, out_channels, H', W') with H' = ⌊(H + 2p − d (kH − 1) − 1) / s⌋ + 1.

    Raises:
        ShapeError: channels that do not fit, or a kernel larger than the image.
        ArgumentError: options out of range.

    Source:
        Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning.

    Example:
        >>> import tinygrad_course as tc
        >>> image = tc.tensor([[[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]]])
        >>> edge = tc.tensor([[[[1.0, -1.0], [1.0, -1.0]]]])
        >>> tc.conv2d(image, edge)
        tensor([[[[ 0., -2.],
                  [ 0., -2.]]]])
    """
    return _convolve("conv2d", 2, x, weight, bias, (stride, padding, dilation, groups))


@function(method=False, keywords={"input": "x"})
def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolution of volumes, as ``torch.nn.functional.conv3d``; see `conv2d`.

    Args:
        x: (N, C, D, H, W), or (C, D, H, W) for one example.
        weight: (out_channels, C / groups, kD, kH, kW).
        bias: (out_channels,), or None.
        stride: between windows.
        padding: zeros around the volume; "same" or "valid".
        dilation: between the elements of a window.
        groups: the channels are split into so many, each with kernels of its own.

    Raises:
        ShapeError: channels that do not fit, or a kernel larger than the volume.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.conv3d(tc.ones(1, 1, 3, 3, 3), tc.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 2, 2, 2)
    """
    return _convolve("conv3d", 3, x, weight, bias, (stride, padding, dilation, groups))


def _convolve_transposed(
    name: str, axes: int, x: Any, weight: Any, bias: Any, options: tuple[Any, Any, Any, Any, Any]
) -> Any:
    stride, padding, output_padding, groups, dilation = options
    weight = as_tensor(weight)
    x, alone = batched(name, x, axes)
    _check_weight(name, weight, axes)
    stride = each(name, "stride", stride, axes)
    dilation = each(name, "dilation", dilation, axes)
    padding = each(name, "padding", padding, axes, least=0)
    extra = each(name, "output_padding", output_padding, axes, least=0)
    _groups(name, groups, weight.shape[0], "input")
    if x.shape[1] != weight.shape[0]:
        raise errors.ShapeError(
            f"{name}: the input has {x.shape[1]} channels, a weight of shape {weight.shape} takes "
            f"{weight.shape[0]}. The weight is (in_channels, out_channels / groups, *kernel_size)."
        )
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise errors.ArgumentError(
                f"{name}: got output_padding={output_padding!r}, expected less than the stride "
                f"{stride} or the dilation {dilation}."
            )
    lengths = [
        s * (n - 1) + d * (k - 1) + 1 + e - 2 * p
        for n, k, s, p, e, d in zip(
            x.shape[2:], weight.shape[2:], stride, padding, extra, dilation, strict=True
        )
    ]
    if min(lengths) < 1:
        raise errors.ShapeError(
            f"{name}: an input of shape {x.shape} and padding={padding} leave lengths {lengths}, "
            "expected at least 1. Take less padding."
        )
    y = conv_transpose.op(
        weight,
        x,
        stride=short(stride),
        padding=short(padding),
        output_padding=short(extra),
        dilation=short(dilation),
        groups=groups,
    )
    return _finished(name, y, bias, alone, axes)


@function(method=False, keywords={"input": "x"})
def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Transposed convolution of signals, as ``torch.nn.functional.conv_transpose1d``.

    See `conv_transpose2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.conv_transpose1d(tc.tensor([[[1.0, 2.0]]]), tc.tensor([[[1.0, 10.0]]]), stride=2)
        tensor([[[ 1., 10.,  2., 20.]]])
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _convolve_transposed("conv_transpose1d", 1, x, weight, bias, options)


@function(method=False, keywords={"input": "x"})
def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Transposed convolution of images, as ``torch.nn.functional.conv_transpose2d``.

    The adjoint of `conv2d` in its input: each x[n, o, i, j] adds its multiple of the kernel to the
    output at s i + d k − p, s j + d l − p. It makes images larger.

    Args:
        x: (N, C, H, W), or (C, H, W) for one example.
        weight: (C, out_channels / groups, kH, kW).
        bias: (out_channels,), or None.
        stride: between the kernels in the output.
        padding: how much is cut off around the output.
        output_padding: how much is added at the end of each axis.
        groups: the channels are split into so many, each with kernels of its own.
        dilation: between the elements of a kernel.

    Returns:
        (N, out_channels, H', W') with H' = s (H − 1) + d (kH − 1) + 1 − 2p + output_padding.

    Raises:
        ShapeError: channels that do not fit, or nothing left of the output.
        ArgumentError: options out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.conv_transpose2d(tc.ones(1, 1, 2, 2), tc.ones(1, 1, 2, 2))
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _convolve_transposed("conv_transpose2d", 2, x, weight, bias, options)
