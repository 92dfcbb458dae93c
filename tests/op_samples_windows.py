"""Samples of convolution and pooling, with their definitions written as loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from op_samples import Call, Sample, call, distinct, floats


def convolved(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    """Σ_c Σ_k weight[o, c, k] x[n, c, stride p + dilation k − padding], element by element."""
    lengths, size = x.shape[2:], weight.shape[2:]
    count = [
        (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for n, k in zip(lengths, size, strict=True)
    ]
    y = np.zeros((len(x), len(weight), *count))
    each = len(weight) // groups
    for n, o in np.ndindex(y.shape[:2]):
        for p in np.ndindex(*count):
            for c, *k in np.ndindex(*weight.shape[1:]):
                at = [stride * i + dilation * j - padding for i, j in zip(p, k, strict=True)]
                if all(0 <= a < m for a, m in zip(at, lengths, strict=True)):
                    channel = o // each * weight.shape[1] + c
                    y[(n, o, *p)] += weight[(o, c, *k)] * x[(n, channel, *at)]
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(count))


def transposed(
    x: np.ndarray,
    weight: np.ndarray,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> np.ndarray:
    """Each x[n, o, p] adds weight[o, c, k] x[n, o, p] at stride p + dilation k − padding."""
    lengths = [
        stride * (n - 1) + dilation * (k - 1) + 1 + output_padding - 2 * padding
        for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    ]
    y = np.zeros((len(x), weight.shape[1] * groups, *lengths))
    each = len(weight) // groups
    for n, o, *p in np.ndindex(*x.shape):
        for c, *k in np.ndindex(*weight.shape[1:]):
            at = [stride * i + dilation * j - padding for i, j in zip(p, k, strict=True)]
            if all(0 <= a < m for a, m in zip(at, lengths, strict=True)):
                y[(n, o // each * weight.shape[1] + c, *at)] += weight[(o, c, *k)] * x[(n, o, *p)]
    return y


def pooled(of: Callable[[Any], Any]) -> Callable[..., np.ndarray]:
    """Return a pooling that takes `of` the numbers of each window."""

    def pool(
        x: np.ndarray,
        size: int,
        stride: int | None = None,
        padding: int = 0,
        dilation: int = 1,
        ceil_mode: bool = False,
    ) -> np.ndarray:
        stride = size if stride is None else stride
        windows = []
        for n in x.shape[2:]:
            starts = [
                s
                for s in range(-padding, n + padding, stride)
                if s + dilation * (size - 1) < n + padding or (ceil_mode and s < n)
            ]
            windows.append([[s + dilation * k for k in range(size)] for s in starts])
        y = np.zeros((*x.shape[:2], *map(len, windows)))
        for n, c, *p in np.ndindex(*y.shape):
            places = [w[i] for w, i in zip(windows, p, strict=True)]
            found = [
                x[(n, c, *at)]
                for at in itertools.product(*places)
                if all(0 <= a < m for a, m in zip(at, x.shape[2:], strict=True))
            ]
            y[(n, c, *p)] = of(found)
        return y

    return pool


def adaptive(of: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Return a pooling into cells."""

    def pool(x: np.ndarray, output_size: Any) -> np.ndarray:
        axes = x.ndim - 2
        wanted = output_size if isinstance(output_size, tuple) else (output_size,) * axes
        y = np.zeros((*x.shape[:2], *wanted))
        for p in np.ndindex(*wanted):
            cell = [
                slice(int(np.floor(i * n / w)), int(np.ceil((i + 1) * n / w)))
                for i, n, w in zip(p, x.shape[2:], wanted, strict=True)
            ]
            part = x[(slice(None), slice(None), *cell)].reshape(*x.shape[:2], -1)
            y[(slice(None), slice(None), *p)] = of(part, axis=-1)
        return y

    return pool


def unfolded(
    x: np.ndarray, size: int, dilation: int = 1, padding: int = 0, stride: int = 1
) -> np.ndarray:
    """Windows as columns, one number at a time."""
    wide = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    reach = dilation * (size - 1)
    rows, columns = (range(0, n - reach, stride) for n in wide.shape[2:])
    made = [
        [
            [
                wide[n, c, i + dilation * k, j + dilation * m]
                for c, k, m in np.ndindex(x.shape[1], size, size)
            ]
            for i in rows
            for j in columns
        ]
        for n in range(len(x))
    ]
    return np.array(made).transpose(0, 2, 1)


def folded(
    x: np.ndarray, output_size: tuple[int, int], size: int, padding: int = 0, stride: int = 1
) -> np.ndarray:
    """Columns added up: the transpose of the matrix that unfolds."""
    channels = x.shape[1] // size**2
    count = channels * output_size[0] * output_size[1]
    units = np.eye(count).reshape(count, channels, *output_size)
    matrix = unfolded(units, size, 1, padding, stride).reshape(count, -1)
    return (x.reshape(len(x), -1) @ matrix.T).reshape(len(x), channels, *output_size)


TWO = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
SIDE: dict[str, Any] = {"size": 2}
OVER = {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 1)}
DEEP = {"size": 2, "stride": 1, "padding": ((1, 0),), "dilation": 2}

IMAGES = distinct(2, 2, 5, 4)
SIGNALS = distinct(2, 3, 6)


WINDOWS = (  # arrays, options, and how many windows there are
    (IMAGES, SIDE, (2, 2, 2, 2)),
    (IMAGES, OVER, (2, 2, 3, 4)),
    (SIGNALS, DEEP, (2, 3, 5)),
)


OPS: dict[str, list[Sample]] = {
    "conv": [
        Sample((floats(4, 3, 2), floats(2, 3, 5))),
        Sample((floats(4, 1, 2, 3), floats(2, 2, 5, 6)), {**TWO, "groups": 2}),
        Sample((floats(4, 3, 2, 2), floats(2, 3, 5, 4)), {"stride": 2, "padding": 1}),
    ],
    "conv_transpose": [
        Sample((floats(4, 3, 2), floats(2, 4, 4))),
        Sample(
            (floats(4, 1, 2, 3), floats(2, 4, 3, 2)),
            {**TWO, "output_padding": (1, 0), "groups": 2},
        ),
    ],
    "conv_kernel": [
        Sample((floats(2, 4, 4), floats(2, 3, 5)), {"size": 2}),
        Sample((floats(2, 4, 3, 2), floats(2, 2, 5, 6)), {**TWO, "size": (2, 3), "groups": 2}),
    ],
    "unfold_windows": [
        Sample((floats(2, 2, 4, 5),), {"size": (2, 3), "stride": (2, 1), "dilation": (1, 1)}),
        Sample((floats(1, 2, 6),), {"size": (2,), "stride": (1,), "dilation": (3,)}),
    ],
    "fold_windows": [
        Sample(
            (floats(2, 2, 2, 3, 2, 3),),
            {"lengths": (4, 5), "stride": (2, 1), "dilation": (1, 1)},
        ),
        Sample((floats(1, 2, 2, 3),), {"lengths": (6,), "stride": (1,), "dilation": (3,)}),
    ],
    "pool_max": [Sample((IMAGES,), SIDE), Sample((IMAGES,), OVER), Sample((SIGNALS,), DEEP)],
    "pool_place": [Sample((floats(*shape), x), how) for x, how, shape in WINDOWS],
    "pool_pick": [Sample((floats(*x.shape, key="c"), x), how) for x, how, _ in WINDOWS],
    "pool_sum": [Sample((IMAGES,), SIDE), Sample((IMAGES,), OVER), Sample((SIGNALS,), DEEP)],
    "resize": [
        Sample((floats(2, 2, 3, 4),), {"lengths": (5, 2), "linear": True, "steps": (0.6, 2.0)}),
        Sample(
            (floats(2, 2, 4),),
            {"lengths": (7,), "linear": True, "corners": True, "steps": (0.5,)},
        ),
        Sample((floats(2, 2, 3),), {"lengths": (5,), "linear": False, "steps": (0.6,)}),
    ],
    "resize_back": [
        Sample((floats(2, 2, 5, 2),), {"lengths": (3, 4), "linear": True, "steps": (0.6, 2.0)}),
        Sample((floats(2, 2, 5),), {"lengths": (3,), "linear": False, "steps": (0.6,)}),
    ],
    "pool_spread": [
        Sample((floats(2, 2, 2, 2),), {**SIDE, "lengths": (5, 4)}),
        Sample((floats(2, 2, 3, 4),), {**OVER, "lengths": (5, 4)}),
    ],
}


def convolutions(axes: int) -> list[Call]:
    lengths = (5, 4, 4)[:axes]
    size = (2, 3, 2)[:axes]
    return [
        call(convolved, floats(2, 2, *lengths), floats(3, 2, *size)),
        call(
            convolved,
            floats(1, 2, *lengths),
            floats(4, 1, *size),
            floats(4),
            stride=2,
            padding=1,
            groups=2,
        ),
        call(convolved, floats(1, 1, *lengths), floats(1, 1, *size), padding=2, dilation=2),
    ]


def convolutions_back(axes: int) -> list[Call]:
    lengths = (3, 2)[:axes]
    size = (2, 3)[:axes]
    return [
        call(transposed, floats(2, 3, *lengths), floats(3, 2, *size)),
        call(
            transposed,
            floats(1, 4, *lengths),
            floats(4, 1, *size),
            stride=2,
            padding=1,
            output_padding=1,
            groups=2,
        ),
        call(transposed, floats(1, 1, *lengths), floats(1, 1, *size), dilation=2),
    ]


def maxima(axes: int) -> list[Call]:
    x = distinct(2, 2, *(5, 4, 3)[:axes])
    return [
        call(pooled(max), x, 2),
        call(pooled(max), x, 3, stride=2, padding=1),
        call(pooled(max), x, 2, stride=2, ceil_mode=True),
    ]


def averages(axes: int) -> list[Call]:
    x = floats(2, 2, *(5, 4, 3)[:axes])
    zeros = pooled(sum)

    def with_zeros(x: np.ndarray, size: int, stride: int, padding: int) -> np.ndarray:
        return zeros(x, size, stride, padding) / size**axes

    def without(
        x: np.ndarray, size: int, stride: int, padding: int, count_include_pad: bool
    ) -> np.ndarray:
        return pooled(np.mean)(x, size, stride, padding)

    return [
        call(pooled(np.mean), x, 2),
        call(with_zeros, x, 3, stride=2, padding=1),
        call(without, x, 3, stride=2, padding=1, count_include_pad=False),
    ]


def between(
    x: np.ndarray, size: int, mode: str = "nearest", align_corners: bool = False
) -> np.ndarray:
    """Resize the last axis, one place at a time."""
    n = x.shape[-1]
    y = np.zeros((*x.shape[:-1], size))
    for k in range(size):
        if mode == "nearest":
            y[..., k] = x[..., k * n // size]
            continue
        at = k * (n - 1) / (size - 1) if align_corners else max((k + 0.5) * n / size - 0.5, 0)
        low = min(int(at), n - 1)
        high = min(low + 1, n - 1)
        y[..., k] = x[..., low] + (at - low) * (x[..., high] - x[..., low])
    return y


COMPOSED: dict[str, list[Call]] = {
    **{f"conv{axes}d": convolutions(axes) for axes in (1, 2, 3)},
    **{f"conv_transpose{axes}d": convolutions_back(axes) for axes in (1, 2)},
    **{f"max_pool{axes}d": maxima(axes) for axes in (1, 2, 3)},
    **{f"avg_pool{axes}d": averages(axes) for axes in (1, 2, 3)},
    **{
        f"adaptive_avg_pool{axes}d": [
            call(adaptive(np.mean), floats(2, 2, *(6, 5)[:axes]), n) for n in (2, 3)
        ]
        for axes in (1, 2)
    },
    **{
        f"adaptive_max_pool{axes}d": [
            call(adaptive(np.max), distinct(2, 2, *(6, 5)[:axes]), n) for n in (2, 3)
        ]
        for axes in (1, 2)
    },
    "nn.functional.interpolate": [
        call(between, floats(2, 2, 3), size=5),
        call(between, floats(2, 2, 3), size=7, mode="linear"),
        call(between, floats(2, 2, 4), size=7, mode="linear", align_corners=True),
        call(between, floats(2, 2, 5), size=2, mode="linear"),
    ],
    "nn.functional.unfold": [
        call(unfolded, floats(2, 2, 4, 3), 2),
        call(unfolded, floats(1, 2, 5, 4), 2, dilation=2, padding=1, stride=2),
    ],
    "nn.functional.fold": [
        call(folded, floats(2, 8, 6), (4, 3), 2),
        call(folded, floats(1, 4, 9), (4, 4), 2, padding=1, stride=2),
    ],
}
