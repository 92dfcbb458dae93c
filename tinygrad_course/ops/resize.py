"""Resizing signals, images and volumes.

Along each axis, resizing is a product with a matrix that says what share each new place has of each
old one. The matrices depend on the lengths alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from .define import function, op
from .pooling import adaptive_avg_pool
from .windows import batched

LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}


def _shares(n: int, m: int, linear: bool, corners: bool, step: float) -> Any:
    """Return the (n, m) matrix from n old places to m new ones, `step` old places apart."""
    k, old = np.arange(m), np.arange(n)[:, None]
    if not linear:
        return (old == np.clip(np.floor(k * step), 0, n - 1)) * 1.0
    at = k * step if corners else (k + 0.5) * step - 0.5
    return np.maximum(1 - abs(np.clip(at, 0, n - 1) - old), 0)


def _along_axes(x: Any, matrices: Any) -> Any:
    for axis, matrix in enumerate(matrices, 2):
        wide = np.matmul(np.moveaxis(x, axis, -1), matrix.astype(x.dtype))
        x = np.moveaxis(wide, -1, axis)
    return np.ascontiguousarray(x)


_HELPER = """
def shares(n, m, linear, corners, step):
    # What share each of m new places has of each of n old ones, `step` old places apart.
    k, old = np.arange(m), np.reshape(np.arange(n), (n, 1))
    if not linear:
        return (old == np.clip(np.floor(k * step), 0, n - 1)) * 1.0
    at = k * step if corners else (k + 0.5) * step - 0.5
    return np.maximum(1 - abs(np.clip(at, 0, n - 1) - old), 0)

def along_axes(x, matrices):
    # The product of x with a matrix along each of its last axes.
    for axis, matrix in enumerate(matrices, 2):
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.astype(x.dtype), -1, axis)
    return x

def resize(x, lengths, linear, corners, steps):
    # Images x (N, C, *old) with other lengths.
    ends = zip(np.shape(x)[2:], lengths, steps)
    return along_axes(x, [shares(n, m, linear, corners, s) for n, m, s in ends])

def resize_back(h, lengths, linear, corners, steps):
    # The adjoint of resizing: what h gives to images of these lengths.
    ends = zip(lengths, np.shape(h)[2:], steps)
    return along_axes(h, [shares(n, m, linear, corners, s).T for n, m, s in ends])
"""


@op(
    kind="shape",
    like="x",
    symbol="resize",
    public=False,
    helper=_HELPER,
    numpy="resize({x}, {lengths}, {linear}, {corners}, {steps})",
    dx=lambda g, x, linear, corners, steps: resize_back.op(  # type: ignore[has-type]
        g, lengths=x.shape[2:], linear=linear, corners=corners, steps=steps
    ),
)
def resize(
    x: Any, *, lengths: Any = (), linear: bool = False, corners: bool = False, steps: Any = ()
) -> Any:
    """Images (N, C, *old) with other lengths."""
    ends = zip(x.shape[2:], lengths, steps, strict=True)
    return _along_axes(x, [_shares(n, m, linear, corners, s) for n, m, s in ends])


@op(
    kind="shape",
    like="h",
    symbol="resizeᵀ",
    public=False,
    numpy="resize_back({h}, {lengths}, {linear}, {corners}, {steps})",
    dh=lambda g, h, linear, corners, steps: resize.op(
        g, lengths=h.shape[2:], linear=linear, corners=corners, steps=steps
    ),
)
def resize_back(
    h: Any, *, lengths: Any = (), linear: bool = False, corners: bool = False, steps: Any = ()
) -> Any:
    """What h gives to images of these lengths: the adjoint of resizing."""
    ends = zip(lengths, h.shape[2:], steps, strict=True)
    return _along_axes(h, [_shares(n, m, linear, corners, s).T for n, m, s in ends])


@function(name="nn.functional.interpolate", method=False, keywords={"input": "x"})
def interpolate(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """Resize signals, images or volumes, as ``torch.nn.functional.interpolate``.

    Args:
        x: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: the new lengths, one number or one for each axis.
        scale_factor: instead of them, how many times as long, rounded down.
        mode: "nearest" repeats the place before; "linear", "bilinear" and "trilinear" lie between
            neighbours; "area" averages.
        align_corners: of the linear modes: True lets the first and the last places stay where they
            are; else places are the middles of squares.

    Raises:
        ArgumentError: neither or both of size and scale_factor, an unknown mode, or one for other
            images.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.interpolate(tc.tensor([[[0.0, 2.0]]]), size=3, mode="linear", align_corners=True)
        tensor([[[0., 1., 2.]]])
    """
    axes = x.ndim - 2
    if axes not in (1, 2, 3):
        batched("interpolate", x, 2)
    name = "interpolate"
    if mode not in ("nearest", "area", *LINEAR):
        modes = ", ".join(["nearest", *LINEAR, "area"])
        raise errors.ArgumentError(f"{name}: got mode={mode!r}, expected one of {modes}.")
    if LINEAR.get(mode, axes) != axes:
        fits = next(m for m, n in LINEAR.items() if n == axes)
        raise errors.ArgumentError(
            f"{name}: mode={mode!r} is not for an input of shape {x.shape}; expected {fits!r}."
        )
    if align_corners is not None and mode not in LINEAR:
        raise errors.ArgumentError(
            f"{name}: align_corners is of the linear modes, got mode={mode!r}. Leave it out."
        )
    if (size is None) == (scale_factor is None):
        raise errors.ArgumentError(f"{name}: expected either size or scale_factor.")
    given = size if scale_factor is None else scale_factor
    parts = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    if len(parts) != axes:
        raise errors.ArgumentError(
            f"{name}: got {given!r} for an input of shape {x.shape}, expected one number or {axes}."
        )
    old = x.shape[2:]
    if scale_factor is None:
        lengths, steps = tuple(map(int, parts)), [n / m for n, m in zip(old, parts, strict=True)]
    else:
        lengths = tuple(int(n * f) for n, f in zip(old, parts, strict=True))
        steps = [1 / f for f in parts]
    if min(lengths) < 1:
        raise errors.ArgumentError(f"{name}: the new lengths {lengths} are not all at least 1.")
    if mode == "area":
        return adaptive_avg_pool(name, axes, x, lengths)
    if align_corners:
        steps = [(n - 1) / (m - 1) if m > 1 else 0.0 for n, m in zip(old, lengths, strict=True)]
    return resize.op(
        x, lengths=lengths, linear=mode in LINEAR, corners=bool(align_corners), steps=tuple(steps)
    )
