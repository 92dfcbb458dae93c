"""Operations that move elements without changing them: reshape, transpose, broadcast, join.

Derivative rules here use the *shape* of an input, never its values; so that a recorded backward pass
can be replayed with another batch size, they take the input itself as the pattern (`sum_like`,
`broadcast_like`, `reshape_like`) instead of writing its lengths down.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, function, op

# --- patterns used by derivative rules -----------------------------------------------------------


@op(
    kind="reduction",
    like="x pattern",
    symbol="Σ",
    text="sum_like({x}, {pattern})",
    public=False,
    dx=lambda g, x: broadcast_like.op(g, x),
)
def sum_like(x: Any, pattern: Any) -> Any:
    """Sum over the axes along which an array of `pattern`'s shape was broadcast to `x`'s."""
    shape = np.shape(pattern)
    x = np.asarray(x)
    extra = x.ndim - len(shape)
    if extra == 1 and x.shape[1:] == shape:
        return np.add.reduce(x, axis=0)
    stretched = [i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1]
    axes = (*range(extra), *stretched)
    return np.add.reduce(x, axis=axes, keepdims=True).reshape(shape) if axes else x.copy()


@op(
    kind="shape",
    view=True,
    like="x pattern",
    symbol="expand",
    text="{x}",
    numpy="np.broadcast_to({x}, {pattern}.shape)",
    public=False,
    dx=lambda g, x: sum_like.op(g, x),
)
def broadcast_like(x: Any, pattern: Any) -> Any:
    """Repeat `x` to the shape of `pattern`."""
    shape = np.shape(pattern)
    if type(x) is np.ndarray and x.ndim == 0:
        # The same read-only view as np.broadcast_to gives, ten times sooner.
        repeated = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
        repeated.flags.writeable = False
        return repeated
    return np.broadcast_to(x, shape)


@op(
    kind="shape",
    view=True,
    like="x pattern",
    symbol="reshape",
    text="{x}",
    numpy="np.reshape({x}, {pattern}.shape)",
    public=False,
    dx=lambda g, x: reshape_like.op(g, x),
)
def reshape_like(x: Any, pattern: Any) -> Any:
    """Give `x` the shape of `pattern`."""
    return np.reshape(x, np.shape(pattern))


# --- reshape ------------------------------------------------------------------------------------


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="reshape",
    text="reshape({x}, {shape})",
    numpy="np.reshape({x}, {shape})",
    public=False,
    dx=lambda g, x: reshape_like.op(g, x),
)
def reshape_to(x: Any, *, shape: Any = None) -> Any:
    """Give `x` another shape."""
    return np.reshape(x, shape)


def sizes(args: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return ``f(2, 3)`` and ``f((2, 3))`` alike as the tuple (2, 3)."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = tuple(args[0])
    try:
        return tuple(int(n.__index__()) for n in args)
    except (AttributeError, TypeError):
        raise errors.DtypeError(f"{name}: lengths and axes are integers, got {args}.") from None


@function(methods=("view",), overrides=(np.reshape,))
def reshape(x: Any, *shape: Any) -> Any:
    """Give a tensor another shape with the same elements; one length may be −1.

    Memory is shared where possible.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(6).reshape(2, -1).shape
        (2, 3)
    """
    return apply(reshape_to.op, (x,), {"shape": sizes(shape, "reshape")})


@function(overrides=(np.ravel,), methods=("ravel",))
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the axes start_dim … end_dim into one.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3, 4).flatten(1).shape
        (2, 12)
    """
    shape = x.shape or (1,)
    start = axis_of(start_dim, len(shape), "flatten")
    end = axis_of(end_dim, len(shape), "flatten")
    joined = (*shape[:start], -1, *shape[end + 1 :])
    if 0 in shape:
        size = int(np.prod(shape[start : end + 1]))
        joined = (*shape[:start], size, *shape[end + 1 :])
    return apply(reshape_to.op, (x,), {"shape": joined})


def axis_of(axis: Any, ndim: int, name: str) -> int:
    """Return `axis` counted from the front, or refuse it."""
    limit = max(ndim, 1)
    if not isinstance(axis, (int, np.integer)) or not -limit <= axis < limit:
        raise errors.ShapeError(
            f"{name}: axis {axis!r} does not exist: the tensor has {ndim} axes, numbered "
            f"{-limit} to {limit - 1}."
        )
    return int(axis) % limit


@function(overrides=(np.expand_dims,))
def unsqueeze(x: Any, axis: int) -> Any:
    """Insert an axis of length 1.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3).unsqueeze(1).shape
        (2, 1, 3)
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    places = tuple(sorted(axis_of(a, ndim, "unsqueeze") for a in axes))
    return apply(insert_axes.op, (x,), {"axis": places})


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="unsqueeze",
    text="{x}",
    numpy="np.expand_dims({x}, {axis})",
    public=False,
    dx=lambda g, x: reshape_like.op(g, x),
)
def insert_axes(x: Any, *, axis: Any = None) -> Any:
    """Insert axes of length 1 at the places `axis`."""
    return np.expand_dims(x, axis)


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="squeeze",
    text="{x}",
    numpy="np.squeeze({x}, axis={axis})",
    public=False,
    dx=lambda g, x: reshape_like.op(g, x),
)
def remove_axes(x: Any, *, axis: Any = None) -> Any:
    """Remove the axes `axis`, of length 1."""
    return np.squeeze(x, axis=axis)


@function(overrides=(np.squeeze,))
def squeeze(x: Any, axis: Any = None) -> Any:
    """Remove axes of length 1: all of them, or those named (an axis of another length stays).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(1, 3, 1).squeeze().shape
        (3,)
    """
    named = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = tuple(axis_of(a, x.ndim, "squeeze") for a in named)
    places = tuple(a for a in places if x.ndim and x.shape[a] == 1)
    return apply(remove_axes.op, (x,), {"axis": places})


# --- transpose ----------------------------------------------------------------------------------


@op(
    kind="shape",
    view=True,
    symbol="ᵀ",
    text="transpose({x})",
    numpy="np.transpose({x}, {axes})",
    public=False,
    dx=lambda g, axes: permute_axes.op(g, axes=tuple(int(i) for i in np.argsort(axes))),
)
def permute_axes(x: Any, *, axes: Any = None) -> Any:
    """Reorder axes: axis i of the result is axis axes[i] of `x`."""
    return np.transpose(x, axes)


@op(
    kind="shape",
    view=True,
    symbol="ᵀ",
    text="{x}ᵀ",
    latex="{x}^{{\\top}}",
    numpy="np.swapaxes({x}, -1, -2)",
    public=False,
    dx=lambda g: g.mT,
)
def matrix_transpose(x: Any) -> Any:
    """Swap the last two axes."""
    return x.mT


@function()
def permute(x: Any, *dims: Any) -> Any:
    """Reorder the axes: axis i of the result is axis dims[i] of `x`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3, 4).permute(2, 0, 1).shape
        (4, 2, 3)
    """
    order = sizes(dims, "permute")
    axes = tuple(axis_of(a, x.ndim, "permute") for a in order)
    if sorted(axes) != list(range(x.ndim)):
        raise errors.ShapeError(
            f"permute: {order} must name each of the {x.ndim} axes of shape {x.shape} once."
        )
    return apply(permute_axes.op, (x,), {"axes": axes})


@function(methods=("swapaxes",), overrides=(np.swapaxes,))
def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """Swap two axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3).transpose(0, 1).shape
        (3, 2)
    """
    first = axis_of(dim0, x.ndim, "transpose")
    second = axis_of(dim1, x.ndim, "transpose")
    if {first, second} == {x.ndim - 1, x.ndim - 2}:
        return apply(matrix_transpose.op, (x,))
    axes = list(range(x.ndim))
    axes[first], axes[second] = axes[second], axes[first]
    return apply(permute_axes.op, (x,), {"axes": tuple(axes)})


@function()
def t(x: Any) -> Any:
    """Transpose a matrix; vectors and numbers stay.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3).t().shape
        (3, 2)
    """
    if x.ndim > 2:
        raise errors.ShapeError(f"t: needs at most 2 axes, got shape {x.shape}. Use .mT.")
    return x if x.ndim < 2 else apply(matrix_transpose.op, (x,))


def _numpy_transpose(x: Any, axes: Any = None) -> Any:
    return permute(x, tuple(range(x.ndim))[::-1] if axes is None else axes)


NUMPY[np.transpose] = _numpy_transpose


# --- broadcast ----------------------------------------------------------------------------------


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="expand",
    text="broadcast_to({x}, {shape})",
    numpy="np.broadcast_to({x}, {shape})",
    public=False,
    dx=lambda g, x: sum_like.op(g, x),
)
def broadcast_shape(x: Any, *, shape: Any = None) -> Any:
    """Repeat `x` along new axes and axes of length 1."""
    return np.broadcast_to(x, shape)


@function(overrides=(np.broadcast_to,))
def broadcast_to(x: Any, *shape: Any) -> Any:
    """Repeat a tensor along axes of length 1, and new leading axes, without copying.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]).broadcast_to((3, 2)).sum().item()
        9.0
    """
    return apply(broadcast_shape.op, (x,), {"shape": sizes(shape, "broadcast_to")})


@function()
def expand(x: Any, *shape: Any) -> Any:
    """Repeat axes of length 1 without copying; −1 keeps a length.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(3, 1).expand(-1, 4).shape
        (3, 4)
    """
    asked = sizes(shape, "expand")
    extra = len(asked) - x.ndim
    lengths = tuple(
        x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(asked)
    )
    if extra < 0 or -1 in lengths:
        raise errors.ShapeError(
            f"expand: cannot expand shape {x.shape} to {asked}: name every axis, and use -1 only "
            "for axes that exist."
        )
    return apply(broadcast_shape.op, (x,), {"shape": lengths})


# --- join, split, reorder -----------------------------------------------------------------------


def _part(g: Any, i: int, xs: Any, axis: int) -> Any:
    start = sum(np.shape(x)[axis] for x in xs[:i])
    stop = start + np.shape(xs[i])[axis]
    index = [slice(None)] * g.ndim
    index[axis] = slice(start, stop)
    return g[tuple(index)]


@op(
    kind="shape",
    like="xs",
    symbol="cat",
    numpy="np.concatenate([{xs}], axis={axis})",
    public=False,
    dxs=lambda g, i, xs, axis: _part(g, i, xs, axis),
)
def join(*xs: Any, axis: int = 0) -> Any:
    """Join arrays along an axis."""
    return np.concatenate(xs, axis=axis)


@function(method=False, overrides=(np.concatenate,))
def cat(tensors: Any, axis: int = 0) -> Any:
    """Join tensors along an existing axis.

    Args:
        tensors: tensors of equal shape but for that axis.
        axis: the axis (PyTorch's ``dim``).

    Raises:
        ArgumentError: nothing to join.
        ShapeError: shapes that differ elsewhere.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cat([tc.zeros(2, 3), tc.ones(1, 3)]).shape
        (3, 3)
    """
    return apply(join.op, some_tensors(tensors, "cat"), {"axis": axis})


def some_tensors(tensors: Any, name: str) -> tuple[Tensor, ...]:
    """Return a non-empty tuple of tensors, or refuse."""
    if not isinstance(tensors, (list, tuple, Tensor)):
        raise errors.DtypeError(f"{name}: needs a list of tensors, got {type(tensors).__name__}.")
    if len(tensors) == 0:
        raise errors.ArgumentError(f"{name}: got an empty list; give at least one tensor.")
    return tuple(as_tensor(x) for x in tensors)


@function(method=False, overrides=(np.stack,))
def stack(tensors: Any, axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.stack([tc.zeros(3), tc.ones(3)]).shape
        (2, 3)
    """
    parts = some_tensors(tensors, "stack")
    shapes = {x.shape for x in parts}
    if len(shapes) > 1:
        raise errors.ShapeError(
            f"stack: all tensors must have one shape, got {sorted(shapes)}. "
            "Use cat to join along an existing axis."
        )
    return cat([unsqueeze(x, axis) for x in parts], axis)


@op(
    kind="shape",
    symbol="flip",
    numpy="np.flip({x}, {axis})",
    overrides=(np.flip,),
    dx=lambda g, axis: np.flip(g, axis),
)
def flip(x: Any, axis: Any = None) -> Any:
    """Reverse the order along axes (all by default); a copy.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.flip(tc.tensor([1.0, 2.0, 3.0]), 0)
        tensor([3., 2., 1.])
    """
    return np.flip(x, axis).copy()


def _negate(shift: Any) -> Any:
    return tuple(-s for s in shift) if isinstance(shift, (tuple, list)) else -shift


@op(
    kind="shape",
    symbol="roll",
    numpy="np.roll({x}, {shifts}, {axis})",
    overrides=(np.roll,),
    dx=lambda g, shifts, axis: np.roll(g, _negate(shifts), axis),
)
def roll(x: Any, shifts: Any = 1, axis: Any = None) -> Any:
    """Shift elements along an axis; those pushed off the end come in at the front.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.roll(tc.tensor([1.0, 2.0, 3.0]), 1)
        tensor([3., 1., 2.])
    """
    return np.roll(x, shifts, axis)


@function()
def split(x: Any, split_size: Any, axis: int = 0) -> Any:
    """Cut a tensor into pieces of `split_size`, or of the lengths in a list; returns a tuple.

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.zeros(5, 2).split(2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    place = axis_of(axis, x.ndim, "split")
    length = x.shape[place]
    if isinstance(split_size, (list, tuple)):
        lengths = list(split_size)
        if sum(lengths) != length:
            raise errors.ShapeError(
                f"split: the lengths {lengths} add up to {sum(lengths)}, the axis has {length}."
            )
    else:
        if split_size <= 0:
            raise errors.ArgumentError(f"split: split_size must be positive, got {split_size}.")
        lengths = [min(split_size, length - start) for start in range(0, length, split_size)]
    pieces = []
    start = 0
    for n in lengths:
        index = (slice(None),) * place + (slice(start, start + n),)
        pieces.append(x[index])
        start += n
    return tuple(pieces)


@function()
def chunk(x: Any, chunks: int, axis: int = 0) -> Any:
    """Cut a tensor into at most `chunks` pieces of equal length (the last may be shorter).

    Example:
        >>> import tinygrad_course as tc
        >>> [p.shape for p in tc.zeros(5, 2).chunk(2)]
        [(3, 2), (2, 2)]
    """
    if not isinstance(chunks, int) or chunks <= 0:
        raise errors.ArgumentError(f"chunk: chunks must be a positive integer, got {chunks!r}.")
    length = x.shape[axis_of(axis, x.ndim, "chunk")]
    return split(x, max(1, -(-length // chunks)), axis)


@function(overrides=(np.tile,))
def tile(x: Any, *reps: Any) -> Any:
    """Repeat the whole tensor along each axis, as ``np.tile``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tile(tc.tensor([1.0, 2.0]), 2)
        tensor([1., 2., 1., 2.])
    """
    counts = sizes(reps, "tile")
    counts = (1,) * (x.ndim - len(counts)) + counts
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    paired = [n for length in shape for n in (1, length)]
    wide = [n for count, length in zip(counts, shape, strict=True) for n in (count, length)]
    joined = tuple(count * length for count, length in zip(counts, shape, strict=True))
    return reshape(broadcast_to(reshape(x, *paired), *wide), joined)


@function()
def repeat(x: Any, *sizes_: Any) -> Any:
    """Repeat the whole tensor along each axis (PyTorch's ``Tensor.repeat``).

    Raises:
        ShapeError: fewer counts than axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]).repeat(2, 2)
        tensor([[1., 2., 1., 2.],
                [1., 2., 1., 2.]])
    """
    counts = sizes(sizes_, "repeat")
    if len(counts) < x.ndim:
        raise errors.ShapeError(f"repeat: give a count for each of the {x.ndim} axes: {counts}.")
    return tile(x, counts)


@op(
    kind="shape",
    like="x",
    symbol="pad",
    numpy="np.pad({x}, {widths}, constant_values={value})",
    public=False,
    dx=lambda g, widths: g[
        tuple(slice(b, n - a) for (b, a), n in zip(widths, g.shape, strict=True))
    ],
)
def pad_constant(x: Any, *, widths: Any = (), value: float = 0.0) -> Any:
    """Surround `x` with a constant: `widths` holds (before, after) for each axis."""
    return np.pad(x, widths, constant_values=value)


@function()
def pad(x: Any, pad: Any, mode: str = "constant", value: float = 0.0) -> Any:
    """Pad a tensor as ``torch.nn.functional.pad``: pairs from the last axis backward.

    Args:
        x: the tensor.
        pad: (before, after) of the last axis, then of the one before it, and so on. Negative
            widths crop. NumPy's ((before, after), …) per axis is accepted too.
        mode: ``constant``, ``reflect``, ``replicate`` or ``circular``.
        value: the constant.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.pad(tc.tensor([1.0, 2.0]), (1, 2))
        tensor([0., 1., 2., 0., 0.])
    """
    widths = _pad_widths(pad, x.ndim)
    for axis, (before, after) in enumerate(widths):
        if before < 0 or after < 0:
            length = x.shape[axis]
            keep = slice(max(0, -before), length - max(0, -after))
            x = x[(slice(None),) * axis + (keep,)]
    positive = tuple((max(b, 0), max(a, 0)) for b, a in widths)
    if mode == "constant":
        return apply(pad_constant.op, (x,), {"widths": positive, "value": value})
    modes = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in modes:
        raise errors.ArgumentError(f"pad: mode must be constant, {', '.join(modes)}; got {mode!r}.")
    for axis, (before, after) in enumerate(positive):
        if before or after:
            if x.shape[axis] == 0 or (mode == "reflect" and max(before, after) >= x.shape[axis]):
                raise errors.ShapeError(
                    f"pad: {mode} padding of {(before, after)} does not fit an axis of length "
                    f"{x.shape[axis]}."
                )
            index = np.pad(np.arange(x.shape[axis]), (before, after), mode=modes[mode])  # type: ignore[call-overload]
            x = x[(slice(None),) * axis + (index,)]
    return x


def _pad_widths(pad: Any, ndim: int) -> list[tuple[int, int]]:
    flat = list(pad) if isinstance(pad, (tuple, list)) else [pad]
    if flat and isinstance(flat[0], (tuple, list)):
        pairs = [(int(b), int(a)) for b, a in flat]
    else:
        if len(flat) % 2:
            raise errors.ArgumentError(f"pad: widths come in pairs (before, after), got {pad}.")
        backward = [(int(flat[i]), int(flat[i + 1])) for i in range(0, len(flat), 2)]
        pairs = backward[::-1]
    if len(pairs) > ndim:
        raise errors.ShapeError(f"pad: {len(pairs)} pairs of widths for {ndim} axes.")
    return [(0, 0)] * (ndim - len(pairs)) + pairs
