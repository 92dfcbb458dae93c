"""Operations that arrange elements without changing them: reshape, transpose, broadcast.

Derivative rules here use the *shape* of an input, never its values; so that a recorded backward
pass can be replayed with another batch size, they take the input itself as the pattern
(`sum_like`, `broadcast_like`, `reshape_like`) instead of writing its lengths down. Joining,
splitting and padding are in `join`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..op import POWER
from ..spelling import subscript
from ..tensor import apply
from .define import NUMPY, attach, function, op

# --- patterns used by derivative rules -----------------------------------------------------------


@op(
    kind="reduction",
    like="x pattern",
    symbol="Σ",
    numpy="sum_like",
    helper="""
def sum_like(x, pattern):
    # Sum over the axes along which an array of the pattern's shape was broadcast.
    shape = np.shape(pattern)
    new = np.ndim(x) - len(shape)
    axes = (*range(new), *(new + k for k, n in enumerate(shape) if n == 1))
    return np.reshape(np.sum(x, axis=axes), shape)
""",
    public=False,
    dx=lambda g, x: broadcast_like.op(g, x),  # type: ignore[has-type]  # defined below
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
    numpy="np.broadcast_to({x}, np.shape({pattern}))",
    public=False,
    dx=lambda g, x: sum_like.op(g, x),
)
def broadcast_like(x: Any, pattern: Any) -> Any:
    """Repeat `x` to the shape of `pattern`."""
    shape = np.shape(pattern)
    if np.ndim(x) == 0:
        # The same read-only view as np.broadcast_to gives, ten times sooner.
        x = np.asarray(x)
        repeated = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
        repeated.flags.writeable = False
        return repeated
    return np.broadcast_to(x, shape)


@op(
    kind="shape",
    view=True,
    like="x pattern",
    symbol="reshape",
    numpy="np.reshape({x}, np.shape({pattern}))",
    public=False,
    dx=lambda g, x: reshape_like.op(g, x),  # type: ignore[has-type]
)
def reshape_like(x: Any, pattern: Any) -> Any:
    """Give `x` the shape of `pattern`."""
    return np.reshape(x, np.shape(pattern))


@op(kind="shape", like="x", symbol="0", numpy="np.zeros_like", public=False)
def zeros_like(x: Any, *, dtype: Any = None) -> Any:
    """Zeros of the shape and dtype of `x`; no derivative."""
    return np.zeros(np.shape(x), dtype or np.asarray(x).dtype)


@op(kind="shape", like="x", symbol="1", numpy="np.ones_like", public=False)
def ones_like(x: Any, *, dtype: Any = None) -> Any:
    """Ones of the shape and dtype of `x`; no derivative."""
    return np.ones(np.shape(x), dtype or np.asarray(x).dtype)


def _numpy_full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    return zeros_like(x, dtype=dtype) + fill_value


def _numpy_empty_like(x: Any, dtype: Any = None) -> Any:
    return zeros_like(x, dtype=dtype)


NUMPY[np.zeros_like] = zeros_like
NUMPY[np.ones_like] = ones_like
NUMPY[np.full_like] = _numpy_full_like
NUMPY[np.empty_like] = _numpy_empty_like


# --- reshape ------------------------------------------------------------------------------------


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="reshape",
    text="reshape",
    latex=r"\mathrm{{reshape}}",
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


@function(overrides=(np.reshape,))
def reshape(x: Any, *shape: Any) -> Any:
    """Give a tensor another shape with the same elements; one length may be −1.

    Memory is shared where possible.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(6).reshape(2, -1).shape
        (2, 3)
    """
    return apply(reshape_to.op, (x,), {"shape": sizes(shape, "reshape")})


attach(reshape, "view")


@function(overrides=(np.ravel,), also=("ravel",))
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


@function(keywords={"sizes": "sizes_"})
def unflatten(x: Any, axis: int, sizes_: Any) -> Any:
    """Make several axes of one; one of their lengths may be −1.

    Raises:
        ShapeError: lengths whose product is not that of the axis.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 6).unflatten(1, (3, -1)).shape
        (2, 3, 2)
    """
    place = axis_of(axis, x.ndim, "unflatten")
    parts = sizes((sizes_,), "unflatten")
    lengths = (*x.shape[:place], *parts, *x.shape[place + 1 :])
    return apply(reshape_to.op, (x,), {"shape": lengths})


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
def unsqueeze(x: Any, axis: Any) -> Any:
    """Insert an axis of length 1.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3).unsqueeze(1).shape
        (2, 1, 3)
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = int(x.ndim) + len(axes)
    places = tuple(sorted(axis_of(a, ndim, "unsqueeze") for a in axes))
    return apply(insert_axes.op, (x,), {"axis": places})


def _spell_insert(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write new axes as an index: x[:, None]."""
    axis = params["axis"]
    places = axis if isinstance(axis, tuple) else (axis,)
    if not places or None in places or min(places) < 0:
        name = r"\mathrm{insert\_axes}" if form == "latex" else "insert_axes"
        return f"{name}({operands[0]}, axis={axis})"
    if form == "latex" and places[0] > 0 and len(places) > 1:
        return operands[0]  # for each channel, as b in W ∗ X + b: papers write no more
    index = tuple(None if k in places else slice(None) for k in range(max(places) + 1))
    return f"{operands[0]}[{subscript(index, (), form)}]"


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="unsqueeze",
    text=_spell_insert,
    latex=_spell_insert,
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
    text="transpose",
    latex=r"\mathrm{{transpose}}",
    numpy="np.transpose({x}, {axes})",
    public=False,
    dx=lambda g, axes: permute_axes.op(g, axes=_inverse(axes)),  # type: ignore[has-type]
)
def permute_axes(x: Any, *, axes: Any = None) -> Any:
    """Reorder axes: axis i of the result is axis axes[i] of `x`."""
    return np.transpose(x, axes)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order of axes that undoes another."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@op(
    kind="shape",
    view=True,
    symbol="ᵀ",
    text="{x}ᵀ",
    latex=r"{{{x}}}^{{\top}}",
    numpy="np.swapaxes({x}, -1, -2)",
    precedence=POWER,
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


@function(
    also=("swapaxes", "swapdims"),
    overrides=(np.swapaxes,),
    keywords={"axis0": "dim0", "axis1": "dim1", "axis2": "dim1"},
)
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


@function(
    also=("moveaxis",),
    overrides=(np.moveaxis,),
)
def movedim(x: Any, source: Any, destination: Any) -> Any:
    """Move axes to other places; the others keep their order.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(2, 3, 4).movedim(0, -1).shape
        (3, 4, 2)
    """
    given = [a if isinstance(a, (tuple, list)) else (a,) for a in (source, destination)]
    old, new = ([axis_of(a, x.ndim, "movedim") for a in axes] for axes in given)
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise errors.ShapeError(
            f"movedim: source {source} and destination {destination} must name equally many axes, "
            "each once."
        )
    rest = iter(a for a in range(x.ndim) if a not in old)
    coming = dict(zip(new, old, strict=True))
    return permute(x, tuple(coming[a] if a in coming else next(rest) for a in range(x.ndim)))


def _numpy_transpose(x: Any, axes: Any = None) -> Any:
    return permute(x, tuple(range(x.ndim))[::-1] if axes is None else axes)


NUMPY[np.transpose] = _numpy_transpose


# --- broadcast ----------------------------------------------------------------------------------


@op(
    kind="shape",
    view=True,
    like="x",
    symbol="expand",
    text="broadcast_to",
    latex=r"\mathrm{{broadcast\_to}}",
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


# --- after another tensor -----------------------------------------------------------------------


@function()
def expand_as(x: Any, other: Any) -> Any:
    """Repeat axes of length 1 to the shape of another tensor, without copying.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.zeros(3, 1).expand_as(tc.ones(3, 4)).shape
        (3, 4)
    """
    if np.broadcast_shapes(x.shape, np.shape(other)) != np.shape(other):
        raise errors.ShapeError(
            f"expand_as: {x.shape} does not expand to {np.shape(other)}: only axes of length 1 do, "
            "and new ones in front."
        )
    return apply(broadcast_like.op, (x, other))


@function(also=("view_as",))
def reshape_as(x: Any, other: Any) -> Any:
    """Give a tensor the shape of another one.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arange(6).view_as(tc.zeros(2, 3)).shape
        (2, 3)
    """
    if x.numel() != np.size(other):
        raise errors.ShapeError(
            f"reshape_as: shape {x.shape} has {x.numel()} elements, {np.shape(other)} has "
            f"{np.size(other)}; the two must hold equally many."
        )
    return apply(reshape_like.op, (x, other))
