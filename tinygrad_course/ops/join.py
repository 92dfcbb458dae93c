"""Operations that join, cut, reorder, repeat and pad: cat, stack, split, flip, roll, tile, pad."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, function, op
from .shape import axis_of, broadcast_to, reshape, sizes, unsqueeze

# --- join ---------------------------------------------------------------------------------------


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
    text="cat",
    latex=r"\mathrm{{cat}}",
    numpy="np.concatenate([{xs}], axis={axis})",
    public=False,
    dxs=lambda g, i, xs, axis: _part(g, i, xs, axis),
)
def join(*xs: Any, axis: int = 0) -> Any:
    """Join arrays along an axis."""
    return np.concatenate(xs, axis=axis)


@function(method=False, overrides=(np.concatenate,), also=("concat", "concatenate"))
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


@function(method=False, overrides=(np.hstack,), keywords={"tup": "tensors"})
def hstack(tensors: Any) -> Any:
    """Join tensors side by side: vectors end to end, matrices along their columns.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.hstack([tc.zeros(2, 3), tc.ones(2, 1)]).shape
        (2, 4)
    """
    parts = [x if x.ndim else reshape(x, 1) for x in some_tensors(tensors, "hstack")]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


@function(method=False, overrides=(np.vstack,), keywords={"tup": "tensors"})
def vstack(tensors: Any) -> Any:
    """Join tensors on top of each other; a vector counts as one row.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.vstack([tc.zeros(3), tc.ones(2, 3)]).shape
        (3, 3)
    """
    parts = some_tensors(tensors, "vstack")
    return cat([x if x.ndim > 1 else reshape(x, 1, -1) for x in parts], 0)


# --- reorder ------------------------------------------------------------------------------------


@op(
    kind="shape",
    symbol="flip",
    numpy="np.flip",
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
    keywords={"shift": "shifts"},
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


# --- cut ----------------------------------------------------------------------------------------


@function(keywords={"split_size_or_sections": "split_size"})
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
        lengths = lengths or [0]
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


@function()
def unbind(x: Any, axis: int = 0) -> Any:
    """Return a tuple of all slices along an axis.

    Example:
        >>> import tinygrad_course as tc
        >>> [row.tolist() for row in tc.tensor([[1.0, 2.0], [3.0, 4.0]]).unbind()]
        [[1.0, 2.0], [3.0, 4.0]]
    """
    place = axis_of(axis, x.ndim, "unbind")
    return tuple(x[(slice(None),) * place + (i,)] for i in range(x.shape[place]))


@function()
def narrow(x: Any, axis: int, start: int, length: int) -> Any:
    """Return the `length` slices from `start` on, along an axis, without copying.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(6).narrow(0, 2, 3)
        tensor([2, 3, 4])
    """
    place = axis_of(axis, x.ndim, "narrow")
    first = start + x.shape[place] if start < 0 else start
    if first < 0 or length < 0 or first + length > x.shape[place]:
        raise errors.ShapeError(
            f"narrow: start {start} and length {length} leave an axis of length {x.shape[place]}."
        )
    return x[(slice(None),) * place + (slice(first, first + length),)]


# --- repeat and pad -----------------------------------------------------------------------------


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
    text="pad",
    latex=r"\mathrm{{pad}}",
    numpy="np.pad({x}, {widths}, constant_values={value})",
    public=False,
    dx=lambda g, widths: g[
        tuple(
            slice(b, n - a) if a or b else slice(None)
            for (b, a), n in zip(widths, g.shape, strict=True)
        )
    ],
)
def pad_constant(x: Any, *, widths: Any = (), value: float = 0.0) -> Any:
    """Surround `x` with a constant: `widths` holds (before, after) for each axis."""
    x = np.asarray(x)
    shape = tuple(b + n + a for (b, a), n in zip(widths, x.shape, strict=True))
    out = np.full(shape, value, x.dtype)
    out[tuple(slice(b, b + n) for (b, _), n in zip(widths, x.shape, strict=True))] = x
    return out


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
            if max(0, -before) + max(0, -after) > length:
                raise errors.ShapeError(
                    f"pad: cropping {(before, after)} takes more than the axis of length {length}."
                )
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
            places: Any = np.arange(x.shape[axis])
            index = np.pad(places, (before, after), mode=modes[mode])  # type: ignore[call-overload]
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


def _numpy_pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Pad with NumPy's arguments: one width, (before, after), or a pair per axis from the first."""
    x = as_tensor(x)
    pairs = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    names = {"edge": "replicate", "wrap": "circular"}
    return pad(x, [tuple(p) for p in pairs], names.get(mode, mode), constant_values)


NUMPY[np.pad] = _numpy_pad
