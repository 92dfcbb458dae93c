"""Samples of further elementwise functions, activations and distances.

What a composed function is compared with is written another way than in the package: with branches
on single numbers, or with loops over vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from op_samples import Call, Sample, away, between, binary, call, distinct, floats, unary

# Away from whole numbers, where rounding jumps.
_INSIDE = np.array([[0.3, 1.7, -0.2], [-1.8, 2.4, -3.3]])
# Away from the corners at −3, −1, −0.5, 0, 0.5, 1, 3 and 6.
_PIECES = np.array([[-4.2, -1.7, -0.8, -0.25], [0.3, 0.7, 2.2, 7.1]])


def _right(*shape: int, **kw: Any) -> np.ndarray:
    return np.asarray(np.abs(away(*shape, **kw)))


def lengths(first: Any = away, second: Any = away) -> list[Sample]:
    """Coordinates away from (0, 0) and from the cut of the angle."""
    return [*binary(first, second), Sample((away(2, 3), 1.5)), Sample((2.0, away(3)))]


OPS: dict[str, list[Sample]] = {
    "rsqrt": between(0.3, 3.0),
    "exp2": unary(),
    "logaddexp": [
        *binary(),
        Sample((floats(2, 3), 0.5)),
        Sample((np.array([-800.0, 800.0]), np.array([0.3, -0.4]))),
    ],
    "xlogy": [
        Sample((floats(2, 3), floats(3, low=0.4, high=3.0, key="b"))),
        Sample((floats(2, 1), floats(1, 3, low=0.4, high=3.0, key="b"))),
        Sample((0.5, floats(2, 3, low=0.4, high=3.0))),
        Sample((floats(3), 2.0)),
        Sample((floats(), floats(low=0.4, high=3.0, key="b"))),
    ],
    "log_odds": [*between(0.3, 0.7), Sample((np.array([0.24, 0.26, 0.5, 0.74, 0.76]),))],
    "erfc": [*unary(), Sample((np.array([-3.0, -0.55, 0.45, 0.55, 4.0]),))],
    # rounding
    "trunc": unary(lambda *shape: distinct(*shape) + 0.03),
    "fmod": [
        Sample((np.array([[7.3, -7.3], [2.2, 0.4]]), np.array([3.0, -3.0]))),
        Sample((np.array([7.3, -7.3]), 3.0)),
    ],
    # trigonometry
    "arcsinh": unary(),
    "arccosh": between(1.4, 4.0),
    "arctanh": between(-0.8, 0.8),
    "hypot": lengths(),
    "arctan2": lengths(away, _right),
    "sinc": [
        *unary(),
        Sample((np.array([-7.3, -0.01, 0.0, 0.31, 0.33, 4.2]),)),
        Sample((np.array([-7.3, -0.01, 0.0, 0.6, 0.7, 4.2]),), {"n": 1}),
        Sample((np.array([[-2.2, 0.0, 0.9, 1.0]]),), {"n": 3}),
    ],
    # choice
    "heaviside": [
        Sample((np.array([[-1.5, 0.4, 2.0]]), np.array([0.5]))),
        Sample((np.array([-1.5, 2.0]), 0.5)),
        Sample((away(2, 3), floats(2, 1, key="v"))),
    ],
    "nan_to_num": [
        *unary(),
        Sample((np.array([1.5, -2.0]),), {"nan": 1.0, "posinf": 2.0, "neginf": -2.0}),
    ],
    # activations
    "celu": [*unary(away), Sample((away(4),), {"alpha": 0.4})],
    "selu": unary(away),
    "mish": [*unary(), Sample((np.array([-800.0, 0.5, 800.0]),))],
    "logsigmoid": [*unary(), Sample((np.array([-800.0, 0.5, 800.0]),))],
    "softsign": unary(away),
    "hardsigmoid": [Sample((_PIECES,)), *unary(lambda *shape: 1.1 * away(*shape))],
    "hardswish": [Sample((_PIECES,)), *unary(lambda *shape: 1.1 * away(*shape))],
    "hardtanh": [
        Sample((_PIECES,)),
        Sample((_PIECES,), {"min_val": 0.0, "max_val": 6.0}),
        *unary(lambda *shape: 1.1 * away(*shape)),
    ],
}


def pointwise(f: Callable[..., float]) -> Callable[..., np.ndarray]:
    """Return a function of arrays that calls one of numbers for each element."""

    def compute(x: np.ndarray, *args: Any, **params: Any) -> np.ndarray:
        arrays = np.broadcast_arrays(x, *args)
        out = np.empty(arrays[0].shape)
        for place in np.ndindex(out.shape):
            out[place] = f(*(float(a[place]) for a in arrays), **params)
        return out

    return compute


def _limited(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


def _logit(x: np.ndarray, eps: float = 0.0) -> np.ndarray:
    p = np.clip(x, eps, 1 - eps)
    return np.asarray(np.log(p) - np.log(1 - p))


def _softshrink(x: float, lambd: float = 0.5) -> float:
    return x - lambd if x > lambd else x + lambd if x < -lambd else 0.0


def _softmin(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.exp(-x) / np.sum(np.exp(-x), axis=axis, keepdims=True))


def _glu(x: np.ndarray, axis: int = -1) -> np.ndarray:
    a, b = np.split(x, 2, axis)
    return np.asarray(a / (1 + np.exp(-b)))


def _prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    out = x.copy()
    for place in np.ndindex(x.shape):
        if x[place] < 0:
            channel = place[min(1, x.ndim - 1)] if weight.size > 1 else 0
            out[place] = x[place] * weight.reshape(-1)[channel]
    return out


def _length(v: np.ndarray, p: float) -> float:
    if p == 0:
        return float(np.sum(v != 0))
    return float(np.max(np.abs(v)) if p == math.inf else np.sum(np.abs(v) ** p) ** (1 / p))


def _normalize(x: np.ndarray, p: float = 2, axis: int = 1, eps: float = 1e-12) -> np.ndarray:
    return np.apply_along_axis(lambda v: v / max(_length(v, p), eps), axis, x)


def _cosine(x1: np.ndarray, x2: np.ndarray, axis: int = 1) -> np.ndarray:
    a, b = (np.moveaxis(v, axis, -1) for v in np.broadcast_arrays(x1, x2))
    out = np.empty(a.shape[:-1])
    for place in np.ndindex(out.shape):
        u, v = a[place], b[place]
        out[place] = u @ v / (_length(u, 2) * _length(v, 2))
    return out


def _apart(
    x1: np.ndarray, x2: np.ndarray, p: float = 2, eps: float = 1e-6, keepdims: bool = False
) -> np.ndarray:
    d = np.apply_along_axis(lambda v: [_length(v, p)], -1, x1 - x2 + eps)
    return d if keepdims else d[..., 0]


def _cdist(x1: np.ndarray, x2: np.ndarray, p: float = 2) -> np.ndarray:
    batch = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    out = np.empty((*batch, x1.shape[-2], x2.shape[-2]))
    a = np.broadcast_to(x1, (*batch, *x1.shape[-2:]))
    b = np.broadcast_to(x2, (*batch, *x2.shape[-2:]))
    for *where, i, j in np.ndindex(out.shape):
        out[(*where, i, j)] = _length(a[(*where, i)] - b[(*where, j)], p)
    return out


# Each entry alone has the largest difference: no ties for p = inf.
_APART = np.array([[0.3, -1.2, 4.1], [2.6, 0.4, -0.7]])
_OTHERS = np.array([[1.1, 0.2, -0.5], [-3.3, 1.7, 0.9], [0.7, 2.9, 0.1]])

COMPOSED: dict[str, list[Call]] = {
    "lerp": [
        call(lambda x, end, w: (1 - w) * x + w * end, floats(2, 3), floats(2, 3, key="e"), 0.3),
        call(
            lambda x, end, w: (1 - w) * x + w * end,
            floats(2, 3),
            floats(3, key="e"),
            floats(2, 1, key="w"),
        ),
    ],
    "addcmul": [
        call(lambda x, a, b: x + a * b, floats(2, 3), floats(3, key="a"), floats(2, 1, key="b")),
        call(
            lambda x, a, b, value: x + value * a * b,
            floats(3),
            floats(3, key="a"),
            floats(3, key="b"),
            value=-0.5,
        ),
    ],
    "addcdiv": [
        call(lambda x, a, b: x + a / b, floats(2, 3), floats(3, key="a"), away(2, 1, key="b")),
        call(
            lambda x, a, b, value: x + value * a / b,
            floats(3),
            floats(3, key="a"),
            away(3, key="b"),
            value=-0.5,
        ),
    ],
    "frac": [call(lambda x: np.modf(x)[0], _INSIDE)],
    "logit": [
        call(_logit, floats(2, 3, low=0.3, high=0.7)),
        call(_logit, np.array([0.1, 0.4, 0.9]), eps=0.2),
    ],
    # activations
    "tanhshrink": [call(pointwise(lambda x: x - math.tanh(x)), floats(2, 3))],
    "relu6": [call(pointwise(lambda x: _limited(x, 0, 6)), _PIECES)],
    "threshold": [
        call(pointwise(lambda x, t, v: x if x > t else v), _PIECES, 0.6, 9.0),
        call(pointwise(lambda x, t, v: x if x > t else v), _PIECES, -1.2, -3.0),
    ],
    "hardshrink": [
        call(pointwise(lambda x: x if abs(x) > 0.5 else 0.0), _PIECES),
        call(pointwise(lambda x, lambd: x if abs(x) > lambd else 0.0), _PIECES, lambd=1.1),
    ],
    "softshrink": [
        call(pointwise(_softshrink), _PIECES),
        call(pointwise(_softshrink), _PIECES, lambd=1.1),
    ],
    "prelu": [
        call(_prelu, away(2, 3), np.array([0.25])),
        call(_prelu, away(2, 3), np.array([0.1, 0.2, -0.3])),
        call(_prelu, away(2, 2, 3), np.array([0.1, 0.2])),
        call(_prelu, away(4), floats(low=0.1, high=0.4, key="w")),
    ],
    "glu": [
        call(_glu, floats(2, 4)),
        call(_glu, floats(4, 3), axis=0),
        call(_glu, floats(2, 2, 3), 1),
    ],
    "softmin": [call(_softmin, floats(2, 3)), call(_softmin, floats(2, 3), axis=0)],
    # distances
    "normalize": [
        call(_normalize, away(2, 3)),
        call(_normalize, away(2, 3), p=1, axis=0),
        call(_normalize, away(2, 3, 2), p=3, axis=-1),
        call(_normalize, floats(2, 3), eps=9.0),
    ],
    "cosine_similarity": [
        call(_cosine, away(2, 3), away(2, 3, key="b")),
        call(_cosine, away(2, 3), away(1, 3, key="b"), axis=-1),
        call(_cosine, away(2, 3, 2), away(2, 3, 2, key="b"), 0),
    ],
    "pairwise_distance": [
        call(_apart, floats(2, 3), floats(2, 3, key="b") + 5),
        call(_apart, floats(2, 3), floats(3, key="b") + 5, p=1, keepdims=True),
        call(_apart, floats(3), floats(3, key="b") + 5, 3, eps=0.0),
    ],
    "cdist": [
        call(_cdist, _APART, _OTHERS),
        call(_cdist, _APART, _OTHERS, p=1),
        call(_cdist, _APART, _OTHERS, p=3.0),
        call(_cdist, _APART, _OTHERS, p=math.inf),
        call(_cdist, _APART, _OTHERS, p=0),
        call(_cdist, floats(2, 2, 3), floats(1, 3, 3, key="b") + 5),
    ],
}
