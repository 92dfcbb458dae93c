"""Samples of sorting, statistics and running computations.

What a composed function is compared with is written another way than in the package: with NumPy's
own function of the name, or with loops over vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from op_samples import Call, Sample, call, distinct, floats

TIES = np.array([3, 1, 1, 3, 2])
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

COMPOSED: dict[str, list[Call]] = {**SORTING, **STATISTICS, **CUMULATIVE}

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
}
