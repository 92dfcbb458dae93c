"""Samples of sorting, statistics, running computations, indexing, diagonals, joining and cutting.

What a composed function is compared with is written another way than in the package: with NumPy's
own function of the name, or with loops over places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from op_samples import Call, Sample, call, distinct, floats

MASK = np.array([[True, False, True], [False, False, True]])
TIES = np.array([3, 1, 1, 3, 2])
NAN = np.array([[1.0, np.nan, 3.0, 2.0], [4.0, 7.0, np.nan, np.nan]])
# From −3 to 3 in steps of 1/4, in some order, without a tie of values or of weights.
ROW = np.array([0.75, -2.0, 1.5, 0.25, -0.5])


def along(x: np.ndarray, axis: int, f: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Apply a function of vectors along an axis."""
    return np.apply_along_axis(f, axis, x)


def lines(*arrays: np.ndarray, axis: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the vectors of arrays along an axis, as views that can be written to."""
    rows = [np.moveaxis(a, axis, -1) for a in arrays]
    for place in np.ndindex(rows[-1].shape[:-1]):
        yield tuple(r[place] for r in rows)


# --- sorting ------------------------------------------------------------------------------------


def order_of(row: np.ndarray, descending: bool = False) -> list[int]:
    """Sort places by value; equal ones keep their order."""
    sign = -1 if descending else 1
    return sorted(range(len(row)), key=lambda k: sign * row[k])


def sorted_pair(x: np.ndarray, axis: int = -1, descending: bool = False) -> tuple[Any, Any]:
    order = along(x, axis, lambda row: order_of(row, descending))
    return np.take_along_axis(x, order, axis), order


def top(x: np.ndarray, k: int, axis: int = -1, largest: bool = True) -> tuple[Any, Any]:
    order = along(x, axis, lambda row: order_of(row, largest)[:k])
    return np.take_along_axis(x, order, axis), order


def kth(x: np.ndarray, k: int, axis: int = -1, keepdims: bool = False) -> tuple[Any, Any]:
    return one(x, axis, keepdims, lambda row: order_of(row)[k - 1])


def one(x: np.ndarray, axis: int, keepdims: bool, pick: Callable[[Any], int]) -> tuple[Any, Any]:
    """Pick one element along an axis, by the place that a function of vectors returns."""
    place = np.expand_dims(along(x, axis, pick), axis)
    pair = np.take_along_axis(x, place, axis), place
    return pair if keepdims else (pair[0].squeeze(axis), pair[1].squeeze(axis))


def commonest(row: Any) -> int:
    listed = row.tolist()
    best = max(sorted(set(listed)), key=listed.count)
    return len(listed) - 1 - listed[::-1].index(best)


def middle(x: np.ndarray, axis: int | None = None, keepdims: bool = False) -> Any:
    """The lower median."""
    if axis is None:
        y = np.sort(x.reshape(-1))[(x.size - 1) // 2]
        return np.reshape(y, (1,) * x.ndim) if keepdims else y
    return one(x, axis, keepdims, lambda row: order_of(row)[(len(row) - 1) // 2])


def middle_without_nan(x: np.ndarray, axis: int | None = None) -> Any:
    def place(row: Any) -> int:
        numbers = [k for k in range(len(row)) if row[k] == row[k]]
        return sorted(numbers, key=lambda k: row[k])[(len(numbers) - 1) // 2]

    return x.reshape(-1)[place(x.reshape(-1))] if axis is None else one(x, axis, False, place)


def quantiles(x: np.ndarray, q: Any, axis: Any = None, keepdims: bool = False, **how: Any) -> Any:
    return np.quantile(x, q, axis, keepdims=keepdims, method=how.get("interpolation", "linear"))


SORTING: dict[str, list[Call]] = {
    "argsort": [
        call(lambda x: sorted_pair(x)[1], distinct(2, 3)),
        call(lambda x, a, descending: sorted_pair(x, a, descending)[1], TIES, 0, descending=True),
        call(lambda x, axis: sorted_pair(x, axis)[1], distinct(2, 3), axis=0),
    ],
    "sort": [
        call(sorted_pair, distinct(2, 3)),
        call(sorted_pair, distinct(2, 3), 0, True),
        call(sorted_pair, distinct(2, 3, 2), axis=-2),
        call(sorted_pair, TIES, descending=True),
        call(lambda x: (x, np.zeros((0, 3), np.int64)), floats(0, 3)),
    ],
    "topk": [
        call(top, distinct(2, 4), 2),
        call(top, distinct(3, 2), 2, 0, False),
        call(top, distinct(3), 3),
    ],
    "kthvalue": [
        call(kth, distinct(2, 4), 2),
        call(kth, distinct(3, 2), 1, 0, True),
        call(kth, TIES, 2),
    ],
    "mode": [
        call(lambda x: one(x, -1, False, commonest), TIES),
        call(lambda x: one(x, -1, False, commonest), distinct(2, 3)),
        call(
            lambda x, axis, keepdims: one(x, axis, keepdims, commonest),
            np.array([[2, 1], [3, 1], [2, 0]]),
            axis=0,
            keepdims=True,
        ),
    ],
    "searchsorted": [
        call(np.searchsorted, np.array([1.0, 3.0, 5.0]), np.array([[0.0, 3.0], [9.0, 4.0]])),
        call(
            lambda b, v, right: np.array([[0, 2], [1, 1]]),
            np.array([[1.0, 3.0], [2.0, 8.0]]),
            np.array([[0.0, 3.0], [2.0, 4.0]]),
            right=True,
        ),
        call(lambda b, v, side: np.searchsorted(b, v, side), np.array([1, 3, 5]), 3, side="right"),
    ],
    "bucketize": [
        call(lambda x, b: np.digitize(x, b, right=True), floats(2, 3), np.array([-1.0, 0.0, 1.0])),
        call(lambda x, b, right: np.digitize(x, b), TIES, np.array([1, 2]), right=True),
    ],
}

STATISTICS: dict[str, list[Call]] = {
    "median": [
        call(middle, distinct(2, 3)),
        call(middle, distinct(2, 4), axis=1),
        call(middle, distinct(3, 2), 0, True),
        call(middle, distinct(2, 3), keepdims=True),
        call(middle, distinct()),
    ],
    "nanmedian": [
        call(middle_without_nan, distinct(2, 3)),
        call(middle_without_nan, distinct(2, 4), axis=1),
    ],
    "quantile": [
        call(quantiles, distinct(2, 3), 0.3),
        call(quantiles, distinct(2, 4), 0.75, axis=1),
        call(quantiles, distinct(4, 2), (0.1, 0.5, 1.0), 0, True),
        call(quantiles, distinct(2, 3), (0.2, 0.9)),
        call(quantiles, distinct(2, 3), 0.5, keepdims=True),
        *[
            call(quantiles, ROW, 0.4 + 0.05 * k, interpolation=how)
            for k, how in enumerate(("lower", "higher", "midpoint", "nearest"))
        ],
    ],
    "nanquantile": [
        call(np.nanquantile, distinct(2, 3), 0.3),
        call(np.nanquantile, distinct(2, 4), 0.75, axis=1),
    ],
    "nansum": [call(np.nansum, floats(2, 3)), call(np.nansum, floats(2, 3), axis=1)],
    "nanmean": [
        call(np.nanmean, floats(2, 3)),
        call(np.nanmean, floats(2, 3), 0, keepdims=True),
    ],
    "var_mean": [
        call(lambda x: (np.var(x, ddof=1), np.mean(x)), floats(2, 3)),
        call(
            lambda x, axis, correction: (np.var(x, axis), np.mean(x, axis)),
            floats(2, 3),
            axis=0,
            correction=0,
        ),
        call(lambda x, unbiased: (np.var(x), np.mean(x)), floats(2, 3), False),
    ],
    "std_mean": [
        call(lambda x: (np.std(x, ddof=1), np.mean(x)), floats(2, 3)),
        call(
            lambda x, axis, keepdims: (
                np.std(x, axis, ddof=1, keepdims=True),
                np.mean(x, axis, keepdims=True),
            ),
            floats(2, 3),
            axis=1,
            keepdims=True,
        ),
        call(lambda x, unbiased: (np.std(x), np.mean(x)), floats(2, 3), False),
    ],
    "aminmax": [
        call(lambda x: (np.min(x), np.max(x)), distinct(2, 3)),
        call(lambda x, axis: (np.min(x, axis), np.max(x, axis)), distinct(2, 3), axis=1),
    ],
    "dist": [
        call(lambda x, y: np.linalg.norm(x - y), floats(3), floats(3, key="b")),
        call(
            lambda x, y, p: np.sum(np.abs(x - y)), 3 + floats(2, 3), floats(3, low=-1, high=0), p=1
        ),
    ],
    "cov": [
        call(np.cov, floats(2, 4)),
        call(lambda x, correction: np.cov(x, ddof=correction), floats(3, 4), correction=0),
        call(np.cov, floats(4)),
    ],
    "corrcoef": [call(np.corrcoef, floats(3, 5)), call(lambda x: np.float64(1), floats(4))],
}


# --- running computations -----------------------------------------------------------------------


def running(x: np.ndarray, axis: int, better: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The best so far and its place, the last of equal ones."""
    values, places = x.copy(), np.zeros(x.shape, np.int64)
    for row, at in lines(values, places, axis=axis):
        for k in range(1, len(row)):
            keeps = better(row[k - 1], row[k]) and row[k - 1] != row[k]
            row[k], at[k] = (row[k - 1], at[k - 1]) if keeps else (row[k], k)
    return values, places


CUMULATIVE: dict[str, list[Call]] = {
    "cumprod": [
        call(np.cumprod, floats(4), 0),
        call(np.cumprod, floats(2, 3, 2), axis=-2),
        call(np.cumprod, np.array([2.0, 0.0, 3.0, 0.0, 4.0]), 0),
        call(np.cumprod, np.array([[0.0, 1.5], [2.0, 0.0]]), 1),
        call(np.cumprod, TIES, 0),
        call(lambda x, a: x, floats(), 0),
        call(np.cumprod, floats(0, 2), 0),
    ],
    "cummax": [
        call(lambda x, a: running(x, a, np.greater), distinct(5), 0),
        call(lambda x, axis: running(x, axis, np.greater), distinct(2, 4), axis=-1),
        call(lambda x, a: running(x, a, np.greater), TIES, 0),
        call(lambda x, a: (x, np.array(0)), distinct(), 0),
    ],
    "cummin": [
        call(lambda x, a: running(x, a, np.less), distinct(5), 0),
        call(lambda x, axis: running(x, axis, np.less), distinct(4, 2), axis=0),
        call(lambda x, a: running(x, a, np.less), TIES, 0),
    ],
    "logcumsumexp": [
        call(lambda x, a: np.log(np.cumsum(np.exp(x), a)), floats(4), 0),
        call(lambda x, axis: np.log(np.cumsum(np.exp(x), axis)), floats(2, 3, 2), axis=1),
        call(np.logaddexp.accumulate, np.array([900.0, 901.0, -900.0, 902.0]), 0),
        call(lambda x, a: x, floats(), -1),
    ],
    "diff": [
        call(np.diff, floats(4)),
        call(np.diff, floats(4, 2), 2, axis=0),
        call(
            lambda x, n, a, before, y: np.diff(x, n, a, append=y),
            floats(2, 3),
            1,
            1,
            None,
            floats(2, 2),
        ),
        call(np.diff, floats(2, 3), 1, 0, floats(1, 3)),
        call(np.diff, TIES),
        call(np.diff, floats(3), 5),
    ],
}


# --- places -------------------------------------------------------------------------------------


def scattered(combine: Callable[[Any, list[Any]], Any]) -> Callable[..., Any]:
    """Return a scatter along an axis that combines an element with all that meet at its place."""

    def scatter(
        x: np.ndarray, axis: int, index: np.ndarray, src: Any, *_: Any, **__: Any
    ) -> np.ndarray:
        src = np.broadcast_to(src, index.shape) if np.ndim(src) == 0 else src
        meeting: dict[tuple[int, ...], list[Any]] = {}
        for place in np.ndindex(index.shape):
            target = list(place)
            target[axis] = index[place]
            meeting.setdefault(tuple(target), []).append(src[place])
        out = x.copy()
        for target_, values in meeting.items():
            out[target_] = combine(x[target_], values)
        return out

    return scatter


def changed(write: Callable[..., None]) -> Callable[..., np.ndarray]:
    """Return a function that writes to a copy of its first argument."""

    def change(x: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        out = x.copy()
        write(out, *args, **params)
        return out

    return change


def _put(x: np.ndarray, index: Any, value: Any) -> None:
    x[index] = value


def _put_along_columns(x: np.ndarray, axis: int, index: Any, value: Any) -> None:
    x[:, index] = value


def _add_rows(x: np.ndarray, axis: int, index: Any, value: Any, alpha: float = 1) -> None:
    np.add.at(x, index, alpha * value)


def _add_at(x: np.ndarray, index: Any, value: Any, accumulate: bool) -> None:
    np.add.at(x, index, value)


INDEX = np.array([[2, 0, 1], [0, 0, 2]])
TWICE = np.array([[1, 1, 1], [0, 1, 1]])
PAIR = (np.array([1, 0, 1]), np.array([2, 0, 2]))

SCATTER: dict[str, list[Call]] = {
    "scatter": [
        call(scattered(lambda x, met: met[-1]), floats(3), 0, np.array([2, 0]), floats(2)),
        call(scattered(lambda x, met: met[-1]), floats(2, 3), 1, INDEX, floats(2, 4)),
        call(scattered(lambda x, met: met[-1]), floats(3, 4), -2, TWICE, floats(2, 3)),
        call(scattered(lambda x, met: met[-1]), floats(2, 3), 1, INDEX, 0.5),
        call(scattered(lambda x, met: x + sum(met)), floats(2, 3), 1, INDEX, floats(2, 3), "add"),
        call(
            scattered(lambda x, met: x * np.prod(met)),
            floats(2, 3),
            1,
            INDEX,
            1.5,
            reduce="multiply",
        ),
    ],
    "scatter_reduce": [
        call(scattered(lambda x, m: x + sum(m)), floats(2, 3), 1, INDEX, floats(2, 3), "sum"),
        call(
            scattered(lambda x, m: np.mean([x, *m])), floats(2, 3), 1, INDEX, floats(2, 4), "mean"
        ),
        call(
            scattered(lambda x, m: np.mean(m)),
            floats(3, 4),
            0,
            TWICE,
            floats(2, 3),
            "mean",
            include_self=False,
        ),
        call(scattered(lambda x, m: x * np.prod(m)), floats(3, 4), 0, TWICE, floats(2, 3), "prod"),
        call(scattered(lambda x, m: max(x, *m)), distinct(2, 3), 1, INDEX, distinct(2, 4), "amax"),
        call(
            scattered(lambda x, m: min(m)),
            distinct(3, 4),
            0,
            TWICE,
            distinct(2, 3),
            "amin",
            include_self=False,
        ),
    ],
    "index_add": [
        call(changed(_add_rows), floats(3, 2), 0, np.array([2, 0, 2]), floats(3, 2, key="s")),
        call(
            lambda x, a, i, s, alpha: x + alpha * s[:, ::-1],
            floats(2, 2),
            -1,
            np.array([1, 0]),
            floats(2, 2, key="s"),
            alpha=0.5,
        ),
    ],
    "index_copy": [
        call(changed(_put_along_columns), floats(2, 3), 1, np.array([2, 0]), floats(2, 2)),
        call(lambda x, a, i, s: s[::-1], floats(2), 0, np.array([1, 0]), floats(2, key="s")),
    ],
    "index_fill": [
        call(changed(_put_along_columns), floats(2, 3), 1, np.array([2, 0, 2]), 0.5),
        call(changed(_put_along_columns), floats(2, 3, 2), -2, np.array([-1]), floats(key="v")),
    ],
    "index_put": [
        call(changed(_put), floats(2, 3), (np.array([1, 0]), np.array([2, 0])), floats(2)),
        call(changed(_put), floats(2, 3), (MASK,), 0.5),
        call(changed(_add_at), floats(2, 3), PAIR, floats(3), True),
        call(changed(_add_at), floats(3, 2), (np.array([0, 0]),), floats(2), accumulate=True),
    ],
    "take": [
        call(np.take, floats(2, 3), np.array([[0, 5], [2, 2]])),
        call(np.take, floats(2, 3), np.array(4)),
    ],
    "take_along_dim": [
        call(np.take_along_axis, floats(2, 3), INDEX, 1),
        call(np.take_along_axis, floats(2, 3), np.array([[1, 0, 1]]), axis=0),
        call(np.take_along_axis, floats(2, 3), np.array([[2]]), -1),
        call(lambda x, i: x.reshape(-1)[i], floats(2, 3), np.array([4, 0])),
    ],
    "masked_select": [
        call(lambda x, m: x[m], floats(2, 3), MASK),
        call(lambda x, m: np.broadcast_to(x, (2, 3))[m], floats(3), MASK),
    ],
    "masked_scatter": [
        call(
            lambda x, m, s: changed(_put)(x, m, s.reshape(-1)[: m.sum()]),
            floats(2, 3),
            MASK,
            floats(2, 2),
        ),
        call(
            lambda x, m, s: changed(_put)(x, (slice(None), m), s.reshape(2, 2)),
            floats(2, 3),
            MASK[0],
            floats(4),
        ),
    ],
}

COUNTING: dict[str, list[Call]] = {
    "count_nonzero": [
        call(np.count_nonzero, np.array([[1.0, 0.0], [0.0, 0.0]])),
        call(np.count_nonzero, MASK, axis=1),
        call(np.count_nonzero, MASK, axis=(0, -1)),
    ],
    "nonzero": [
        call(np.argwhere, np.array([[1.0, 0.0], [2.0, 3.0]])),
        call(lambda x, as_tuple: np.nonzero(x), MASK, as_tuple=True),
    ],
    "argwhere": [call(np.argwhere, MASK), call(np.argwhere, floats(0, 2))],
    "bincount": [
        call(np.bincount, TIES),
        call(np.bincount, TIES, minlength=6),
        call(np.bincount, TIES, floats(5)),
        call(np.bincount, TIES, floats(5), 6),
    ],
    "histc": [
        call(
            lambda x, bins, min, max: np.histogram(x, bins, (min, max))[0] * 1.0,
            floats(2, 3),
            bins=4,
            min=-1,
            max=2,
        ),
        call(lambda x, bins: np.histogram(x, bins)[0] * 1.0, floats(5), 3),
        call(lambda x, bins: np.array([0.0, 0.0, 2.0, 0.0]), np.array([2.0, 2.0]), 4),
    ],
}


# --- shapes -------------------------------------------------------------------------------------


def blocks(*matrices: np.ndarray) -> np.ndarray:
    sides = np.array([np.atleast_2d(m).shape for m in matrices])
    out = np.zeros(sides.sum(0))
    for m, (row, column) in zip(matrices, sides.cumsum(0) - sides, strict=True):
        height, width = np.atleast_2d(m).shape
        out[row : row + height, column : column + width] = m
    return out


def windows(x: np.ndarray, dimension: int, size: int, step: int) -> np.ndarray:
    dimension = dimension % x.ndim
    rows = np.lib.stride_tricks.sliding_window_view(x, size, dimension)
    return np.moveaxis(np.moveaxis(rows, dimension, 0)[::step], 0, dimension)


def embedded(x: np.ndarray, offset: int = 0, dim1: int = -2, dim2: int = -1) -> np.ndarray:
    out = along(x, -1, lambda row: np.diag(row, offset).reshape(-1))
    side = x.shape[-1] + abs(offset)
    return np.moveaxis(out.reshape(*x.shape[:-1], side, side), (-2, -1), (dim1, dim2))


SHAPE: dict[str, list[Call]] = {
    "diagonal": [
        call(np.diagonal, floats(3, 4)),
        call(np.diagonal, floats(3, 4), 1),
        call(np.diagonal, floats(4, 2, 3), -1, 0, 2),
        call(lambda x, dim1, dim2: np.diagonal(x, 0, 1, 2), floats(2, 3, 3), dim1=-2, dim2=-1),
    ],
    "diag_embed": [
        call(embedded, floats(3)),
        call(embedded, floats(2, 3), 1),
        call(embedded, floats(2, 2), -2, 0, 2),
    ],
    "diag": [
        call(np.diag, floats(3)),
        call(np.diag, floats(2, 3), 1),
        call(np.diag, floats(2), -1),
    ],
    "diagflat": [call(np.diagflat, floats(2, 2)), call(np.diagflat, floats(2), -1)],
    "block_diag": [call(blocks, floats(2, 3), floats(2), floats(1, 1))],
    "dstack": [
        call(lambda xs: np.dstack(xs), [floats(2, 3), floats(2, 3, key="b")]),
        call(lambda xs: np.dstack(xs), [floats(3), floats(3, key="b")]),
    ],
    "column_stack": [
        call(lambda xs: np.column_stack(xs), [floats(3), floats(3, 2), floats(3, key="b")]),
    ],
    "broadcast_tensors": [
        call(lambda *xs: tuple(np.broadcast_arrays(*xs)), floats(3), floats(2, 1), floats()),
    ],
    "meshgrid": [
        call(lambda *xs: tuple(np.meshgrid(*xs, indexing="ij")), floats(3), floats(2), floats(1)),
        call(lambda *xs, indexing: tuple(np.meshgrid(*xs)), floats(3), floats(2), indexing="xy"),
        call(lambda xs: tuple(np.meshgrid(*xs, indexing="ij")), [floats(3), floats(2)]),
    ],
    "cartesian_prod": [
        call(lambda x, y: np.array([[a, b] for a in x for b in y]), floats(3), floats(2)),
        call(lambda x: x, floats(2)),
    ],
    "combinations": [
        call(lambda x: x[[[0, 1], [0, 2], [1, 2]]], floats(3)),
        call(lambda x, r, w: x[[[0], [1], [2]]], floats(3), 1, True),
        call(lambda x, r: np.zeros((0, 4)), floats(3), 4),
    ],
    "fliplr": [call(np.fliplr, floats(2, 3))],
    "flipud": [call(np.flipud, floats(2, 3)), call(np.flipud, floats(3))],
    "rot90": [
        call(np.rot90, floats(2, 3)),
        call(np.rot90, floats(2, 3), 2),
        call(np.rot90, floats(2, 3, 2), -1, (1, 2)),
        call(np.rot90, floats(2, 3), 4),
    ],
    "repeat_interleave": [
        call(np.repeat, floats(2, 3), 2),
        call(np.repeat, floats(2, 3), 3, 1),
        call(np.repeat, floats(2, 3), [2, 0, 1], axis=-1),
    ],
    "tensor_split": [
        call(np.array_split, floats(5, 2), 3),
        call(np.array_split, floats(2, 4), [1, 3], axis=-1),
    ],
    "hsplit": [call(np.hsplit, floats(2, 4), 2), call(np.hsplit, floats(4), [1])],
    "vsplit": [call(np.vsplit, floats(4, 2), 2)],
    "dsplit": [call(np.dsplit, floats(1, 2, 4), [1, 2])],
    "unfold": [
        call(windows, floats(5), 0, 2, 1),
        call(windows, floats(2, 5), -1, 3, 2),
        call(windows, floats(4, 2), 0, 4, 1),
    ],
    "unflatten": [
        call(lambda x, a, s: x.reshape(2, 3, 2), floats(2, 6), 1, (3, -1)),
        call(lambda x, a, s: x.reshape(2, 2, 3), floats(4, 3), -2, (2, 2)),
    ],
    "expand_as": [
        call(lambda x, o: np.broadcast_to(x, (2, 3)), floats(2, 1), np.zeros((2, 3), int))
    ],
    "reshape_as": [call(lambda x, o: x.reshape(3, 2), floats(2, 3), np.zeros((3, 2), int))],
}

COMPOSED: dict[str, list[Call]] = {
    **SORTING,
    **STATISTICS,
    **CUMULATIVE,
    **SCATTER,
    **COUNTING,
    **SHAPE,
}

# Arguments besides an axis, for a tensor of shape (2, 3) and axis 1.
AXIS_CALLS: dict[str, dict[str, Any]] = {
    "topk": {"k": 1},
    "kthvalue": {"k": 1},
    "quantile": {"q": 0.5},
    "nanquantile": {"q": 0.5},
    "unflatten": {"sizes": (3, 1)},
    "tensor_split": {"indices_or_sections": 2},
    "repeat_interleave": {"repeats": 2},
    "take_along_dim": {"indices": [[0], [1]]},
    "scatter": {"index": [[0], [1]], "src": 1.0},
    "scatter_reduce": {"index": [[0], [1]], "src": 1.0, "reduce": "sum"},
    "index_add": {"index": [0], "source": np.ones((2, 1))},
    "index_copy": {"index": [0], "source": np.ones((2, 1))},
    "index_fill": {"index": [0], "value": 1.0},
}
# They write into a copy of the first tensor, or give each back, in its own dtype.
KEEP_DTYPES = (
    "scatter_over is_last place_diagonal scatter scatter_reduce index_copy index_put meshgrid "
    "broadcast_tensors"
).split()

# --- primitives ---------------------------------------------------------------------------------

EMPTY_INDEX = np.zeros((0, 3), np.int64)

OPS: dict[str, list[Sample]] = {
    "sort_order": [
        Sample((distinct(2, 3),)),
        Sample((TIES,), {"axis": 0, "descending": True}),
        Sample((distinct(2, 3, 2),), {"axis": 1}),
        Sample((np.array([1.0, np.nan, 0.5, np.nan]),), {"axis": 0, "descending": True}),
    ],
    "insert_places": [
        Sample((np.array([1.0, 3.0, 5.0]), np.array([[0.0, 3.0], [9.0, 4.0]]))),
        Sample((np.array([1.0, 3.0]), np.array(3.0)), {"right": True}),
        Sample((np.array([[1.0, 3.0], [2.0, 8.0]]), np.array([[3.0], [2.0]])), {"right": True}),
    ],
    "middle_of_all": [
        Sample((distinct(2, 3),)),
        Sample((distinct(5),), {"ignore_nan": True}),
        Sample((distinct(),)),
    ],
    "recurrence": [
        Sample((floats(4), floats(4, key="b")), {"axis": 0}),
        Sample((floats(2, 3), floats(2, 3, key="b")), {"axis": 1}),
        Sample((floats(3, 1, 2), floats(3, 1, 2, key="b")), {"axis": 0}),
        Sample((floats(1), floats(1, key="b")), {"axis": 0}),
        Sample((floats(0, 2), floats(0, 2)), {"axis": 0}),
    ],
    "running_product": [
        Sample((floats(4),), {"axis": 0}),
        Sample((floats(2, 3),), {"axis": 1}),
        Sample((np.array([0.0, 2.0, 0.0, 3.0]),), {"axis": 0}),
        Sample((floats(0, 2),), {"axis": 0}),
    ],
    "running_argmax": [
        Sample((distinct(4),), {"axis": 0}),
        Sample((distinct(2, 4),), {"axis": 1, "smallest": True}),
        Sample((np.array([2.0, np.nan, 3.0, np.nan, 4.0]),), {"axis": 0}),
        Sample((TIES,), {"axis": 0}),
    ],
    "running_logsumexp": [
        Sample((floats(4),), {"axis": 0}),
        Sample((floats(2, 3),), {"axis": 1}),
        Sample((np.array([900.0, -900.0, 902.0]),), {"axis": 0}),
    ],
    "is_last": [
        Sample((floats(3), np.array([0, 2, 0])), {"axis": 0}),
        Sample((floats(2, 4), np.array([[3, 3], [0, 1]])), {"axis": 1}),
        Sample((floats(2, 3), EMPTY_INDEX), {"axis": 0}),
    ],
    "scatter_over": [
        Sample((floats(3), np.array([0, 2, 0]), floats(3, key="s")), {"axis": 0}),
        Sample((floats(2, 4), np.array([[3, 3], [0, 1]]), floats(2, 2)), {"axis": 1}),
        Sample((floats(2, 4), np.array([[3, 2], [0, 1]]), floats()), {"axis": 1}),
        Sample((floats(2, 3), EMPTY_INDEX, floats(0, 3)), {"axis": 0}),
    ],
    "all_indices": [Sample((floats(2, 3),)), Sample((floats(3),)), Sample((floats(),))],
    "add_up": [
        Sample((TIES, floats(5))),
        Sample((TIES, floats(5)), {"minlength": 6}),
        Sample((TIES, np.ones(5, np.int64))),
    ],
    "histogram_counts": [
        Sample((floats(2, 3),), {"bins": 4, "low": -1.0, "high": 2.0}),
        Sample((floats(6),), {"bins": 3}),
        Sample((np.array([2.0, 2.0]),), {"bins": 4}),
    ],
    "take_diagonal": [
        Sample((floats(3, 4),), {"offset": 1}),
        Sample((floats(4, 3),), {"offset": -1}),
        Sample((floats(2, 3, 2),), {"dim1": 2, "dim2": 0}),
    ],
    "place_diagonal": [
        Sample((floats(3), floats(3, 4)), {"offset": 1}),
        Sample((floats(3), floats(4, 3)), {"offset": -1}),
        Sample((floats(3, 2), floats(2, 3, 2)), {"dim1": 2, "dim2": 0}),
    ],
    "make_diagonal": [
        Sample((floats(3),), {"dim1": 0, "dim2": 1}),
        Sample((floats(2, 3),), {"offset": -1}),
        Sample((floats(2, 2),), {"offset": 2, "dim1": 2, "dim2": 0}),
    ],
    "tril": [
        Sample((floats(3, 3),)),
        Sample((floats(2, 3, 4),), {"diagonal": 1}),
        Sample((floats(3, 2),), {"diagonal": -1}),
    ],
    "triu": [
        Sample((floats(3, 3),)),
        Sample((floats(2, 3, 4),), {"diagonal": 1}),
        Sample((floats(3, 2),), {"diagonal": -1}),
    ],
}
