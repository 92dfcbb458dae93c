"""Selecting and placing elements: x[i], x[i] = v, gather, scatter, masks.

An index may hold integers, slices, None, Ellipsis, and arrays or tensors of integers or booleans.
Arrays in an index are *inputs* of the recorded operation, so that a replay on fresh inputs selects
with fresh indices; the rest is its parameter `index`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..inplace import assign, change
from ..node import NO_PARAMS
from ..op import Op, register
from ..spelling import subscript
from ..tensor import Tensor, apply, as_tensor, to_array
from .compare import where
from .define import NUMPY, attach, function, op
from .shape import axis_of, broadcast_to

# Stands in `index` where an array from the inputs goes.
ARRAY = "array"


def _fill(index: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    if not arrays:
        return index
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY or part == ARRAY else part for part in index)


def parse(index: Any, name: str = "x[…]") -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split an index into its fixed part and its arrays.

    Raises:
        IndexingError: something that cannot select (a float, a string, a float array).
    """
    if type(index) is not tuple:
        index = (index,)
    fixed: list[Any] = []
    arrays: list[Any] = []
    for part in index:
        if part is None or part is Ellipsis:
            fixed.append(part)
        elif isinstance(part, slice):
            fixed.append(_plain_slice(part))
        elif isinstance(part, (bool, np.bool_)):
            fixed.append(ARRAY)
            arrays.append(np.asarray(part))
        elif isinstance(part, (int, np.integer)):
            fixed.append(int(part))
        else:
            array: Any = part if isinstance(part, Tensor) else np.asarray(part)
            if isinstance(part, (list, tuple)) and array.size == 0:
                array = array.astype(np.int64)
            if array.dtype.kind not in "iub":
                raise errors.IndexingError(
                    f"{name}: an index is an integer, slice, None, Ellipsis, or an array of "
                    f"integers or booleans; got {type(part).__name__} of dtype {array.dtype}. "
                    "Convert it with .long(), or compare it to get a mask."
                )
            fixed.append(ARRAY)
            arrays.append(array)
    return tuple(fixed), tuple(arrays)


def _plain_slice(part: slice) -> slice:
    """Turn 0-d tensors in a slice into integers, so that the index is plain data."""
    ends = (part.start, part.stop, part.step)
    return slice(*(None if e is None else int(e.__index__()) for e in ends))


def _select(x: Any, *arrays: Any, index: Any = ()) -> Any:
    if arrays:
        return x[_fill(index, arrays)]
    part = x[index]
    # Integers alone give a NumPy scalar, a copy; with an ellipsis, a 0-d view as in PyTorch.
    return part if type(part) is np.ndarray else x[(*index, ...)]


def _place_forward(g: Any, pattern: Any, *arrays: Any, index: Any = ()) -> Any:
    out = np.zeros(np.shape(pattern), dtype=np.asarray(g).dtype)
    if not arrays:
        out[index] = g
    elif all(np.asarray(a).dtype.kind == "b" for a in arrays) and len(arrays) == 1:
        out[_fill(index, arrays)] = g
    else:
        # Unlike `out[i] += g`, this adds every time an element is selected twice.
        np.add.at(out, _fill(index, arrays), g)
    return out


def _add_into(total: Any, g: Any, xs: Any, params: dict[str, Any]) -> None:
    """Add a cotangent where x[index] was selected from."""
    index = _fill(params["index"], xs[1:])
    if len(xs) == 1:
        total[index] += g
    else:
        np.add.at(total, index, g)


def _spell_select(form: str, operands: list[str], params: dict[str, Any]) -> str:
    x, *arrays = operands
    return f"{x}[{subscript(params['index'], arrays, form)}]"


def _spell_place(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write the index as brackets without an array; in NumPy, as the positions it selects."""
    g, pattern, *arrays = operands
    name = r"\mathrm{place}" if form == "latex" else "place"
    selected = f"positions({pattern})" if form == "numpy" else ""
    return f"{name}({g}, {pattern}, {selected}[{subscript(params['index'], arrays, form)}])"


def _spell_put(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write the index likewise."""
    x, value, *arrays = operands
    name = {"latex": r"\mathrm{setitem}", "numpy": "put"}.get(form, "setitem")
    selected = f"positions({x})" if form == "numpy" else ""
    return f"{name}({x}, {value}, {selected}[{subscript(params['index'], arrays, form)}])"


# Variadic: the first input is the tensor, the others the arrays of the index.
select: Op = register(
    Op(
        "getitem",
        _select,
        inputs=("xs",),
        defaults={"index": ()},
        rules={"xs": lambda g, i, xs, index: place(g, *xs, index=index) if i == 0 else None},
        kind="index",
        view=True,
        variadic=True,
        like="xs[0]",
        symbol="[ ]",
        text=_spell_select,
        latex=_spell_select,
        numpy=_spell_select,
        adds=_add_into,
        doc="Select elements, as x[index].",
    )
)

place: Op = register(
    Op(
        "place",
        _place_forward,
        inputs=("xs",),
        defaults={"index": ()},
        rules={"xs": lambda g, i, xs, index: select(g, *xs[2:], index=index) if i == 0 else None},
        kind="index",
        variadic=True,
        like="xs[0] xs[1]",
        symbol="place",
        text=_spell_place,
        latex=_spell_place,
        numpy=_spell_place,
        helper="""
def positions(x):
    # Number the elements of x: 0, 1, 2 … in the shape of x.
    return np.reshape(np.arange(np.size(x)), np.shape(x))

def place(g, x, at):
    # Zeros in the shape of x, plus g at the positions `at`; what meets at one adds up.
    total = np.bincount(np.ravel(at), np.ravel(g), np.size(x))
    return np.reshape(total, np.shape(x)).astype(np.result_type(g))
""",
        doc="Zeros of a pattern's shape, plus given values at an index: the adjoint of getitem.",
    )
)


def _put_forward(x: Any, value: Any, *arrays: Any, index: Any = ()) -> Any:
    out = np.array(x)
    out[_fill(index, arrays)] = value
    return out


def _put_rule(g: Any, i: int, xs: Any, index: Any) -> Any:
    if i == 0:
        return put(g, np.zeros((), dtype=g.dtype), *xs[2:], index=index)
    part = select(g, *xs[2:], index=index)
    # x[0] = v accepts a v with more leading axes, all of length 1.
    extra = len(np.shape(xs[1])) - len(np.shape(part))
    return part[(None,) * extra] if extra > 0 else part


put: Op = register(
    Op(
        "setitem",
        _put_forward,
        inputs=("xs",),
        defaults={"index": ()},
        rules={"xs": _put_rule},
        kind="index",
        variadic=True,
        like="xs[0]",
        symbol="[ ]←",
        text=_spell_put,
        latex=_spell_put,
        numpy=_spell_put,
        helper="""
def put(x, value, at):
    # A copy of x with the elements at the positions `at` replaced by value.
    value = np.reshape(value, np.shape(value)[max(0, np.ndim(value) - np.ndim(at)) :])
    value = np.broadcast_to(value, np.shape(at))
    replaced = place(np.ones_like(value), x, at) > 0
    return np.where(replaced, place(value, x, at), x).astype(x.dtype)
""",
        doc="A copy with the selected elements replaced.",
    )
)


def _getitem(self: Tensor, index: Any) -> Tensor:
    fixed, arrays = parse(index)
    return apply(select, (self, *arrays), {"index": fixed})


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    fixed, arrays = parse(index, "x[…] = v")
    if isinstance(value, (list, tuple)):
        value = to_array(value, self.dtype)
    if _assigns_twice(self, fixed, arrays):
        raise errors.IndexingError(
            "x[…] = v: the index names an element twice, so which value it gets is undefined. "
            "Use unique indices, or scatter_add to add them up."
        )
    change(self, put, (value, *arrays), {"index": fixed})


def _assigns_twice(x: Tensor, fixed: tuple[Any, ...], arrays: tuple[Any, ...]) -> bool:
    """Return True when an index with integer arrays selects some element more than once."""
    plain = tuple(np.asarray(getattr(a, "_data", a)) for a in arrays)
    if all(a.dtype.kind == "b" for a in plain):
        return False
    try:
        chosen = np.arange(x._data.size).reshape(x.shape)[_fill(fixed, plain)]
    except IndexError:
        return False  # reported by the operation itself
    return bool(np.unique(chosen).size != chosen.size)


attach(_getitem, "__getitem__")
attach(_setitem, "__setitem__")


# --- along an axis ------------------------------------------------------------------------------


def _along(x: Any, index: Any, axis: int) -> tuple[Any, ...]:
    """Return the full index that picks ``index`` along `axis` and its own place elsewhere."""
    grid = list(np.ogrid[tuple(slice(n) for n in np.shape(index))])
    grid[axis] = index
    return tuple(grid)


def _check_range(index: Any, length: int, name: str) -> None:
    array = np.asarray(getattr(index, "_data", index))
    if array.size and (array.min() < -length or array.max() >= length):
        bad = array.flat[int(np.argmax((array < -length) | (array >= length)))]
        raise errors.IndexingError(
            f"{name}: index {bad} is outside an axis of length {length}; indices run from 0 to "
            f"{length - 1}."
        )


class Selected(NamedTuple):
    """What ``sort``, ``topk``, ``max`` along an axis and others return: (values, indices)."""

    values: Any
    """The elements picked; the cotangent of each goes to the one element it was."""
    indices: Any
    """Their places along the axis."""


@op(
    kind="index",
    like="x",
    symbol="gather",
    numpy="np.take_along_axis({x}, {index}, axis={axis})",
    public=False,
    dx=lambda g, x, index, axis: _scatter(g, x, index, axis),
)
def take_along_axis(x: Any, index: Any, axis: int = -1) -> Any:
    """Pick x[…, index, …] along an axis."""
    return np.take_along_axis(x, index, axis)


@op(
    kind="index",
    symbol="gather",
    numpy="gather({x}, {index}, {axis})",
    helper="""
def gather(x, index, axis):
    # Pick x[…, index, …] along an axis; the other axes of index may be shorter than those of x.
    axis = axis % np.ndim(x)
    lengths = [None if k == axis else n for k, n in enumerate(np.shape(index))]
    return np.take_along_axis(x[tuple(map(slice, lengths))], index, axis=axis)
""",
    public=False,
    like="x",
    dx=lambda g, x, index, axis: _scatter(g, x, index, axis),
)
def gather_along(x: Any, index: Any, *, axis: int = 0) -> Any:
    """PyTorch's gather: like take_along_axis, where the other axes of index may be shorter."""
    return x[_along(x, index, axis)]


@op(
    kind="index",
    symbol="scatter+",
    numpy="{x} + place({source}, {x}, gather(positions({x}), {index}, {axis}))",
    public=False,
    dx=lambda g: g,
    dsource=lambda g, index, axis: gather_along.op(g, index, axis=axis),
)
def scatter_into(x: Any, index: Any, source: Any, *, axis: int = 0) -> Any:
    """A copy of `x` with `source` added at `index` along an axis."""
    out = np.array(x)
    np.add.at(out, _along(x, index, axis), source)
    return out


def _scatter(g: Any, x: Any, index: Any, axis: int) -> Any:
    """Return the adjoint of a gather: zeros like `x`, plus g at the places it came from."""
    return scatter_into.op(np.zeros_like(x), index, g, axis=axis)


def _spell_one_hot(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write a comparison with the class numbers, laid along the axis."""
    behind = -1 - params["axis"]
    place = "".join([", :"] * behind)
    numbers = f"np.arange({params['classes']})"
    if behind:
        numbers += f"[:{', None' * behind}]"
    return f"1.0 * ({operands[0]}[..., None{place}] == {numbers})"


@op(
    kind="index",
    symbol="one-hot",
    numpy=_spell_one_hot,
    public=False,
)
def one_hot(index: Any, *, classes: int = 2, axis: int = -1) -> Any:
    """Class numbers as vectors with a single 1, along a new axis."""
    behind = np.ndim(index) - axis if axis >= 0 else -1 - axis
    numbers = np.arange(classes).reshape((-1,) + (1,) * behind)
    return (np.expand_dims(index, axis) == numbers).astype(np.float64)


@function()
def gather(x: Any, axis: int, index: Any) -> Any:
    """Pick one element per entry of `index`: y[i][j] = x[index[i][j]][j] for axis 0.

    Args:
        x: the tensor.
        axis: the axis the indices count along (PyTorch's ``dim``).
        index: integers, with as many axes as `x`.

    Raises:
        IndexingError: an index outside the axis; ShapeError: another number of axes.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tc.gather(x, 1, tc.tensor([[0], [1]]))
        tensor([[1.],
                [4.]])
    """
    index, place = _index_like(x, axis, index, "gather")
    return apply(gather_along.op, (x, index), {"axis": place})


def _index_like(x: Any, axis: int, index: Any, name: str) -> tuple[Tensor, int]:
    """Check the index of a gather or scatter; return it as a tensor, with the axis from 0."""
    index = as_tensor(index)
    place = axis_of(axis, x.ndim, name)
    if index.dtype.kind not in "iu":
        raise errors.DtypeError(f"{name}: the index must hold integers, got {index.dtype}.")
    if index.ndim != x.ndim:
        raise errors.ShapeError(
            f"{name}: the index has shape {index.shape}, the tensor {x.shape}; they need equally "
            "many axes."
        )
    if any(n > m for a, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if a != place):
        raise errors.ShapeError(
            f"{name}: the index of shape {index.shape} is larger than the tensor {x.shape} along "
            f"an axis other than {axis}."
        )
    _check_range(index, x.shape[place], name)
    return index, place


@function()
def scatter_add(x: Any, axis: int, index: Any, src: Any) -> Any:
    """Add `src` to a copy of `x` at the places `index` along an axis; repeats add up.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.scatter_add(tc.zeros(3), 0, tc.tensor([0, 2, 0]), tc.tensor([1.0, 2.0, 3.0]))
        tensor([4., 0., 2.])
    """
    index, place = _index_like(x, axis, index, "scatter_add")
    src = as_tensor(src)
    if src.shape != index.shape:
        if src.ndim != index.ndim or any(
            n < m for n, m in zip(src.shape, index.shape, strict=True)
        ):
            raise errors.ShapeError(
                f"scatter_add: src has shape {src.shape}, the index {index.shape}; src must be at "
                "least as large."
            )
        src = src[tuple(slice(n) for n in index.shape)]
    return apply(scatter_into.op, (x, index, src), {"axis": place})


@function()
def index_select(x: Any, axis: int, index: Any) -> Any:
    """Pick whole slices along an axis, in the order of `index`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.index_select(tc.tensor([[1.0], [2.0], [3.0]]), 0, [2, 0])
        tensor([[3.],
                [1.]])
    """
    place = axis_of(axis, x.ndim, "index_select")
    index = as_tensor(index)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise errors.ShapeError(
            f"index_select: the index is a vector of integers, got shape {index.shape} and dtype "
            f"{index.dtype}."
        )
    _check_range(index, x.shape[place], "index_select")
    return x[(slice(None),) * place + (index,)]


@function()
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Replace elements where the mask is True.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([1.0, -2.0])
        >>> x.masked_fill(x < 0, 0.0)
        tensor([1., 0.])
    """
    return where(_mask(mask, "masked_fill"), value, x)


def _mask(value: Any, name: str) -> Tensor:
    mask = as_tensor(value)
    if mask.dtype != np.bool_:
        raise errors.DtypeError(
            f"{name}: the mask must be boolean, got {mask.dtype}. Compare it, as in x > 0."
        )
    return mask


# --- in place -----------------------------------------------------------------------------------


def _copy_(self: Tensor, value: Any) -> Tensor:
    """Overwrite the values (broadcast and cast), in place."""
    return change(self, assign, (value,), NO_PARAMS)


def _fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to a number, in place."""
    return change(self, assign, (value,), NO_PARAMS)


def _zero_(self: Tensor) -> Tensor:
    """Set every element to 0, in place."""
    return change(self, assign, (0,), NO_PARAMS)


def _masked_fill_(self: Tensor, mask: Any, value: Any) -> Tensor:
    """Replace elements where the mask is True, in place."""
    self[broadcast_to(_mask(mask, "masked_fill_"), self.shape)] = value
    return self


def _scatter_add_(self: Tensor, dim: int, index: Any, src: Any) -> Tensor:
    """Add `src` at the places `index` along an axis, in place; repeats add up."""
    return change(self, assign, (scatter_add(self, dim, index, src),), NO_PARAMS)


attach(_copy_, "copy_", "assign")
attach(_fill_, "fill_")
attach(_zero_, "zero_")
attach(_masked_fill_, "masked_fill_")
attach(_scatter_add_, "scatter_add_")


def _numpy_take(x: Any, indices: Any, axis: Any = None) -> Any:
    x = as_tensor(x)
    if axis is None:
        return x.reshape(-1)[indices]
    return x[(slice(None),) * axis_of(axis, x.ndim, "np.take") + (indices,)]


def _without(shape: tuple[int, ...], place: int) -> tuple[int, ...]:
    return (*shape[:place], *shape[place + 1 :])


def _numpy_take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    x, indices = as_tensor(x), as_tensor(indices)
    if axis is None:
        return x.reshape(-1)[indices]
    place = axis_of(axis, x.ndim, "np.take_along_axis")
    # NumPy broadcasts the two against each other, except along the axis.
    rest = np.broadcast_shapes(_without(x.shape, place), _without(indices.shape, place))
    x, indices = (
        broadcast_to(t, (*rest[:place], t.shape[place], *rest[place:])) for t in (x, indices)
    )
    return take_along_axis(x, indices, place)


NUMPY[np.take] = _numpy_take
NUMPY[np.take_along_axis] = _numpy_take_along_axis
