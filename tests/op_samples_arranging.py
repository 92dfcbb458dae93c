"""Samples of writing to places, counting, diagonals, joining and cutting.

What a composed function is compared with is written another way than in the package: with NumPy's
own function of the name, or with loops over places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from op_samples import Call, Sample, call, distinct, floats

MASK = np.array([[True, False, True], [False, False, True]])
TIES = np.array([3, 1, 1, 3, 2])


def along(x: np.ndarray, axis: int, f: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Apply a function of vectors along an axis."""
    return np.apply_along_axis(f, axis, x)


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
            lambda x, m, s: changed(_put)(x, (slice(None), m), s[:4].reshape(2, 2)),
            floats(2, 3),
            MASK[0],
            floats(6),
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
