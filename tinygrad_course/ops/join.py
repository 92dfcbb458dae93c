"""Operations that join, reorder, repeat and pad: cat, stack, meshgrid, flip, roll, tile, pad."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_tensor
from .define import NUMPY, function, op
from .shape import axis_of, broadcast_to, reshape, sizes, transpose, unsqueeze

# --- join ---------------------------------------------------------------------------------------


def _part(g: Any, i: int, xs: Any, axis: int) -> Any:
    start = sum([x.shape[axis] for x in xs[:i]])
    stop = start + xs[i].shape[axis]
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


@function(method=False, overrides=(np.vstack,), also=("row_stack",), keywords={"tup": "tensors"})
def vstack(tensors: Any) -> Any:
    """Join tensors on top of each other; a vector counts as one row.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.vstack([tc.zeros(3), tc.ones(2, 3)]).shape
        (3, 3)
    """
    parts = some_tensors(tensors, "vstack")
    return cat([x if x.ndim > 1 else reshape(x, 1, -1) for x in parts], 0)


@function(method=False, overrides=(np.dstack,), keywords={"tup": "tensors"})
def dstack(tensors: Any) -> Any:
    """Join tensors along their third axis; a vector counts as one row, a matrix as one layer.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.dstack([tc.zeros(2, 3), tc.ones(2, 3)]).shape
        (2, 3, 2)
    """
    parts = [x if x.ndim > 1 else reshape(x, 1, -1) for x in some_tensors(tensors, "dstack")]
    return cat([x if x.ndim > 2 else unsqueeze(x, 2) for x in parts], 2)


@function(method=False, overrides=(np.column_stack,), keywords={"tup": "tensors"})
def column_stack(tensors: Any) -> Any:
    """Join tensors side by side; a vector counts as one column.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.column_stack([tc.zeros(3), tc.ones(3, 2)]).shape
        (3, 3)
    """
    parts = some_tensors(tensors, "column_stack")
    return cat([x if x.ndim > 1 else reshape(x, -1, 1) for x in parts], 1)


# --- grids --------------------------------------------------------------------------------------


def _listed(tensors: tuple[Any, ...], name: str) -> tuple[Tensor, ...]:
    """Return ``f(a, b)`` and ``f([a, b])`` alike as the tensors (a, b)."""
    single = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
    return some_tensors(tensors[0] if single else tensors, name)


@function(method=False)
def broadcast_tensors(*tensors: Any) -> Any:
    """Repeat tensors along axes of length 1 until all have one shape, without copying.

    Raises:
        ShapeError: shapes that do not broadcast.

    Example:
        >>> import tinygrad_course as tc
        >>> [x.shape for x in tc.broadcast_tensors(tc.zeros(3), tc.ones(2, 1))]
        [(2, 3), (2, 3)]
    """
    parts = _listed(tensors, "broadcast_tensors")
    shape = np.broadcast_shapes(*(x.shape for x in parts))
    return tuple(broadcast_to(x, shape) for x in parts)


@function(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """The coordinates of a grid, one tensor for each axis: y_k[i, j, …] = x_k[its index].

    Args:
        tensors: vectors (or numbers), the coordinates along each axis.
        indexing: "ij", where the first vector runs along rows, or "xy", along columns, as for
            pictures.

    Raises:
        ShapeError: more than one axis; ArgumentError: another indexing.

    Example:
        >>> import tinygrad_course as tc
        >>> rows, columns = tc.meshgrid(tc.tensor([1, 2]), tc.tensor([5, 6, 7]), indexing="ij")
        >>> rows.tolist(), columns.tolist()
        ([[1, 1, 1], [2, 2, 2]], [[5, 6, 7], [5, 6, 7]])
    """
    parts = _listed(tensors, "meshgrid")
    if indexing not in ("ij", "xy"):
        raise errors.ArgumentError(f"meshgrid: indexing is 'ij' or 'xy', got {indexing!r:.40}.")
    for x in parts:
        if x.ndim > 1:
            raise errors.ShapeError(f"meshgrid: takes vectors, got shape {x.shape}.")
    axes = list(range(len(parts)))
    if indexing == "xy" and len(parts) > 1:
        axes[:2] = 1, 0
    lengths = [parts[k].numel() for k in axes]
    return tuple(
        broadcast_to(reshape(x, *(-1 if k == axis else 1 for k in range(len(parts)))), *lengths)
        for x, axis in zip(parts, axes, strict=True)
    )


@function(method=False)
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one element from each vector, a row for each.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cartesian_prod(tc.tensor([1, 2]), tc.tensor([5, 6])).tolist()
        [[1, 5], [1, 6], [2, 5], [2, 6]]
    """
    parts = _listed(tensors, "cartesian_prod")
    if len(parts) == 1:
        return parts[0].clone()
    return stack([reshape(x, -1) for x in meshgrid(*parts, indexing="ij")], -1)


@function()
def combinations(x: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of r elements of a vector, in order, a row for each.

    Raises:
        ShapeError: not a vector; ArgumentError: a negative r.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.combinations(tc.tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    if x.ndim != 1:
        raise errors.ShapeError(f"combinations: needs a vector, got shape {x.shape}.")
    if not isinstance(r, int) or r < 0:
        raise errors.ArgumentError(f"combinations: r must be 0 or more, got {r!r:.40}.")
    kind = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(kind(range(x.shape[0]), r))
    return x[np.array(rows, np.int64).reshape(len(rows), r)]


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


@function(overrides=(np.fliplr,))
def fliplr(x: Any) -> Any:
    """Reverse the columns: the second axis.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.fliplr(tc.tensor([[1.0, 2.0]]))
        tensor([[2., 1.]])
    """
    if x.ndim < 2:
        raise errors.ShapeError(f"fliplr: needs at least 2 axes, got shape {x.shape}. Use flip.")
    return flip(x, 1)


@function(overrides=(np.flipud,))
def flipud(x: Any) -> Any:
    """Reverse the rows: the first axis.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.flipud(tc.tensor([1.0, 2.0]))
        tensor([2., 1.])
    """
    if x.ndim < 1:
        raise errors.ShapeError("flipud: needs at least one axis, got a single number.")
    return flip(x, 0)


@function(overrides=(np.rot90,), keywords={"axes": "dims"})
def rot90(x: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turn by 90° from the first towards the second of two axes, k times.

    Raises:
        ShapeError: not two different axes.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.rot90(tc.tensor([[1, 2], [3, 4]])).tolist()
        [[2, 4], [1, 3]]
    """
    if not isinstance(k, (int, np.integer)):
        raise errors.ArgumentError(f"rot90: k is a number of quarter turns, got {k!r:.40}.")
    axes = [axis_of(a, x.ndim, "rot90") for a in dims]
    if len(set(axes)) != 2 or len(axes) != 2 or x.ndim < 2:
        raise errors.ShapeError(f"rot90: dims must name two different axes, got {dims}.")
    first, second = axes
    if k % 4 == 0:
        return x.clone()
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 1:
        return transpose(flip(x, second), first, second)
    return flip(transpose(x, first, second), second)


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


@function()
def repeat_interleave(
    x: Any, repeats: Any, axis: Any = None, *, output_size: int | None = None
) -> Any:
    """Repeat each element along an axis, ``np.repeat``.

    Args:
        x: the tensor.
        repeats: how often, for all or for each element.
        axis: the axis (PyTorch's ``dim``); None repeats the elements of the flattened tensor.
        output_size: accepted for PyTorch's sake; the resulting length, if given, must be right.

    Raises:
        ShapeError: another number of counts than elements; ArgumentError: negative counts.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.repeat_interleave(tc.tensor([1, 2]), 2)
        tensor([1, 1, 2, 2])
        >>> tc.repeat_interleave(tc.tensor([1, 2]), tc.tensor([3, 1]))
        tensor([1, 1, 1, 2])
    """
    if axis is None or x.ndim == 0:
        x, axis = reshape(x, -1), 0
    place = axis_of(axis, x.ndim, "repeat_interleave")
    length = x.shape[place]
    counts = repeats.numpy() if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0) or counts.ndim > 1:
        raise errors.ArgumentError(
            f"repeat_interleave: repeats are integers from 0 on, one or a row of them; got "
            f"{repeats!r:.60}."
        )
    if counts.size not in (1, length):
        raise errors.ShapeError(
            f"repeat_interleave: {counts.size} counts for an axis of length {length}; give one for "
            "all, or one for each."
        )
    if counts.size == 1:
        times = int(counts.reshape(-1)[0])
        before, behind = x.shape[:place], x.shape[place + 1 :]
        wide = broadcast_to(unsqueeze(x, place + 1), (*before, length, times, *behind))
        y = reshape(wide, (*before, length * times, *behind))
    else:
        y = x[(slice(None),) * place + (np.repeat(np.arange(length), counts),)]
    if output_size not in (None, y.shape[place]):
        raise errors.ArgumentError(
            f"repeat_interleave: output_size is {output_size}, the result has {y.shape[place]}."
        )
    return y


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


def _numpy_repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    return repeat_interleave(x, repeats, axis)


def _numpy_meshgrid(*vectors: Any, indexing: str = "xy") -> Any:
    """The grid with NumPy's default."""
    return meshgrid(*vectors, indexing=indexing)


NUMPY[np.repeat] = _numpy_repeat
NUMPY[np.meshgrid] = _numpy_meshgrid
