"""Samples of every operation: what the tests of forward, derivatives, source and pictures run on.

`OPS` maps the name of each registered operation to samples of its inputs and parameters; `COMPOSED`
does so for the public functions that are composed of others. Adding an operation means adding a
line here: `test_registry.py` fails for an operation without one. Samples keep away from kinks and
poles, where central differences do not exist; those points are tested in `ops/test_conventions.py`.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One call of an operation: arrays (float64 where differentiable), numbers, parameters."""

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def wrt(self) -> list[int]:
        """Positions of the float arrays."""
        return [k for k, a in enumerate(self.args) if _is_float(a)]

    def __repr__(self) -> str:
        shown = [str(a.shape) if isinstance(a, np.ndarray) else repr(a) for a in self.args]
        shown += [f"{k}={v!r:.30}" for k, v in self.params.items()]
        return "; ".join(shown)


def _is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def floats(*shape: int, low: float = -2.0, high: float = 2.0, key: str = "") -> np.ndarray:
    """Return distinct, reproducible float64 numbers between low and high."""
    return _drawn(shape, low, high, key).copy()


@functools.cache
def _drawn(shape: tuple[int, ...], low: float, high: float, key: str) -> np.ndarray:
    seed = zlib.crc32(f"{shape}{key}".encode())
    return np.asarray(np.random.default_rng(seed).uniform(low, high, shape))


def away(*shape: int, gap: float = 0.3, key: str = "") -> np.ndarray:
    """Return numbers at least `gap` away from 0, of both signs."""
    x = floats(*shape, key=key)
    return np.asarray(x + np.copysign(gap, x))


def distinct(*shape: int, key: str = "") -> np.ndarray:
    """Return numbers at least 0.2 apart from each other: no ties."""
    size = int(np.prod(shape))
    order = np.random.default_rng(zlib.crc32(f"{shape}{key}".encode())).permutation(size)
    return (0.2 + 0.35 * order - 0.1 * size).reshape(shape)


SHAPES = ((2, 3), (), (0, 3), (2, 1, 2))
PAIRS = (
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 2)),
    ((3,), ()),
    ((), ()),
    ((0, 3), (1, 3)),
    ((2, 1, 2), (3, 1)),
)

Draw = Callable[..., np.ndarray]


def unary(draw: Draw = floats, **kw: Any) -> list[Sample]:
    return [Sample((draw(*shape, **kw),)) for shape in SHAPES]


def binary(first: Draw = floats, second: Draw = floats, **kw: Any) -> list[Sample]:
    return [Sample((first(*a, key="a", **kw), second(*b, key="b", **kw))) for a, b in PAIRS]


def between(low: float, high: float) -> list[Sample]:
    return unary(low=low, high=high)


def compared() -> list[Sample]:
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return [
        Sample((x, np.array([1.0, 3.0, 3.0]))),
        Sample((x, 3.0)),
        Sample((np.array(2.0), np.array(2.0))),
        Sample((x[:0], x[:1])),
    ]


def ordered() -> list[Sample]:
    """Pairs that differ by at least 0.1 wherever broadcasting makes them meet."""
    return [
        Sample((np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([0.6, 1.4]))),
        Sample((np.array([[0.0], [1.0]]), np.array([-0.5, 0.5, 1.5]))),
        Sample((np.array(0.3), np.array([[0.1, 0.9]]))),
        Sample((np.array(0.3), np.array(0.7))),
        Sample((np.zeros((0, 2)), np.array([1.0, 2.0]))),
    ]


def reductions(draw: Draw = floats, empty: bool = True) -> list[Sample]:
    samples = [
        Sample((draw(2, 3),)),
        Sample((draw(2, 3),), {"axis": 0}),
        Sample((draw(2, 3),), {"axis": -1, "keepdims": True}),
        Sample((draw(2, 3, 2),), {"axis": (0, -1)}),
        Sample((draw(2, 3, 2),), {"axis": (2, 0), "keepdims": True}),
        Sample((draw(2, 3),), {"keepdims": True}),
        Sample((draw(),)),
        Sample((draw(2, 0),), {"axis": 0}),
        Sample((draw(1, 3),), {"axis": 0}),
    ]
    return samples + ([Sample((draw(2, 0),), {"axis": 1})] if empty else [])


def searches(draw: Draw = distinct) -> list[Sample]:
    return [
        Sample((draw(2, 3),)),
        Sample((draw(2, 3),), {"axis": 0}),
        Sample((draw(2, 3),), {"axis": -1, "keepdims": True}),
    ]


def along() -> list[Sample]:
    """Softmax and its logarithm."""
    return [
        Sample((floats(2, 3),)),
        Sample((floats(2, 3),), {"axis": 0}),
        Sample((floats(2, 3, 2),), {"axis": -2}),
        Sample((floats(4),), {"axis": 0}),
        Sample((floats(0, 3),), {"axis": 1}),
        Sample((np.array([[1000.0, 1001.0], [-1000.0, -999.0]]),), {"axis": 1}),
    ]


def booleans(count: int) -> list[Sample]:
    a = np.array([[True, False], [False, False]])
    b = np.array([True, False])
    return [Sample((a, b)[:count]), Sample((b, a)[:count]), Sample((a[:0], b)[:count])]


def probabilities() -> list[Sample]:
    low, high = 0.3, 0.7
    return [
        Sample((floats(3, 1, low=low, high=high), np.array([[1.0], [0.0], [1.0]]))),
        Sample((floats(2, 2, low=low, high=high), floats(2, 2, low=low, high=high, key="y"))),
        Sample((floats(low=low, high=high), np.array(1.0))),
        Sample((np.zeros((0, 1)), np.zeros((0, 1)))),
    ]


def views() -> dict[str, list[Sample]]:
    from tinygrad_course.op import REGISTRY

    part = (slice(None), slice(1, 3))
    return {
        "assign_view": [
            Sample(
                (floats(2, 3), floats(3, 2, key="v")),
                {"view": REGISTRY["permute_axes"], "view_params": {"axes": (1, 0)}},
            ),
            Sample(
                (floats(2, 3), floats(2, 2, key="v")),
                {"view": REGISTRY["getitem"], "view_params": {"index": part}},
            ),
            Sample(
                (floats(2, 3), floats(6, key="v")),
                {"view": REGISTRY["reshape_to"], "view_params": {"shape": (6,)}},
            ),
        ],
    }


MASK = np.array([[True, False, True], [False, False, True]])
ROWS = np.array([1, 0, 1])
COLUMNS = np.array([2, -1, 0])

OPS: dict[str, list[Sample]] = {
    # arithmetic
    "add": [*binary(), Sample((floats(2, 3), 2.0)), Sample((3, floats(2)))],
    "sub": [*binary(), Sample((2.0, floats(2, 3)))],
    "mul": [*binary(), Sample((floats(2, 3), 2.0))],
    "div": [*binary(floats, away), Sample((1.0, away(3)))],
    "neg": unary(),
    "pow": [
        *binary(low=0.4, high=2.0),
        Sample((away(2, 3), 2)),
        Sample((away(2, 3), 3.0)),
        Sample((away(3), -1)),
        Sample((away(3), 0)),
        Sample((floats(3, low=0.5), 0.5)),
        Sample((2.0, floats(2, 3))),
    ],
    "remainder": [
        Sample((np.array([[7.3, -7.3], [2.2, 0.4]]), np.array([3.0, -3.0]))),
        Sample((np.array([7.3, -7.3]), 3.0)),
    ],
    "abs": unary(away),
    "sign": unary(away),
    "sqrt": between(0.3, 3.0),
    "square": unary(),
    "reciprocal": unary(away),
    # exponentials and logarithms
    "exp": unary(),
    "expm1": unary(),
    "log": between(0.3, 3.0),
    "log1p": between(-0.6, 3.0),
    "log2": between(0.3, 3.0),
    "log10": between(0.3, 3.0),
    # trigonometry
    "sin": unary(),
    "cos": unary(),
    "tan": between(-1.2, 1.2),
    "arcsin": between(-0.8, 0.8),
    "arccos": between(-0.8, 0.8),
    "arctan": unary(),
    "sinh": unary(),
    "cosh": unary(),
    "tanh": unary(),
    "erf": [*unary(), Sample((np.array([-3.0, -0.99, 1.01, 4.0, 7.0]),))],
    # rounding
    "floor": unary(lambda *shape: distinct(*shape) + 0.03),
    "ceil": unary(lambda *shape: distinct(*shape) + 0.03),
    "round": [
        Sample((np.array([[0.3, 1.7], [-0.2, -1.8]]),)),
        Sample((np.array([0.333, -1.777]),), {"decimals": 1}),
    ],
    "floor_divide": [
        Sample((np.array([[7.3, -7.3]]), np.array([[3.0], [-3.0]]))),
        Sample((np.array([7, 8]), 2)),
    ],
    # comparison, choice, logic
    "eq": compared(),
    "ne": compared(),
    "lt": compared(),
    "le": compared(),
    "gt": compared(),
    "ge": compared(),
    "isclose": [*compared(), Sample((np.array([1.0, 2.0]), np.array([1.05, 3.0])), {"rtol": 0.1})],
    "isnan": [Sample((np.array([1.0, np.nan]),)), *unary()],
    "isinf": [Sample((np.array([1.0, -np.inf]),)), *unary()],
    "isfinite": [Sample((np.array([1.0, np.nan, np.inf]),)), *unary()],
    "where": [
        Sample((MASK, floats(2, 3), floats(2, 3, key="b"))),
        Sample((MASK, floats(3), floats(2, 1, key="b"))),
        Sample((MASK[0], floats(2, 3), 0.0)),
        Sample((np.array(True), floats(), floats(key="b"))),
        Sample((MASK[:0], floats(0, 3), floats(1, 3))),
    ],
    "maximum": ordered(),
    "minimum": ordered(),
    "clip_between": [
        Sample((np.array([[-2.0, 0.3], [0.8, 4.0]]), -1.0, 1.0)),
        Sample((np.array([-2.0, 0.3, 4.0]), np.array([-1.0]), np.array([1.0, 1.5, 2.0]))),
        Sample((np.array(0.3), np.array(0.5), np.array(0.1))),  # low > high: high wins
        Sample((np.array([-2.0, 4.0]), -np.inf, 1.0)),
    ],
    "logical_and": booleans(2),
    "logical_or": booleans(2),
    "logical_xor": booleans(2),
    "logical_not": booleans(1),
    "bitwise_and": booleans(2),
    "bitwise_or": booleans(2),
    "bitwise_xor": booleans(2),
    "bitwise_not": booleans(1),
    # conversion and copies
    "cast": [Sample((floats(2, 3),), {"dtype": "float64"}), Sample((MASK,), {"dtype": "int64"})],
    "clone": unary(),
    "snapshot": unary(),
    "assign": [
        Sample((floats(2, 3), floats(2, 3, key="v"))),
        Sample((floats(2, 3), floats(3, key="v"))),
        Sample((floats(2, 3), 1.5)),
    ],
    # activations
    "sigmoid": [*unary(), Sample((np.array([-800.0, 0.0, 800.0]),))],
    "relu": unary(away),
    "leaky_relu": [*unary(away), Sample((away(4),), {"negative_slope": 0.3})],
    "elu": [*unary(away), Sample((away(4),), {"alpha": 0.4})],
    "softplus": [*unary(), Sample((np.array([-800.0, 0.5, 800.0]),))],
    "silu": unary(),
    "gelu_exact": unary(),
    "gelu_tanh": unary(),
    "step": unary(away),
    "softmax": along(),
    "log_softmax": along(),
    # losses
    "bce": probabilities(),
    "bce_with_logits": [
        Sample((floats(3, 1), np.array([[1.0], [0.0], [1.0]]))),
        Sample((floats(2, 2), floats(2, 2, low=0.1, high=0.9, key="y"))),
        Sample((away(), np.array(1.0))),
        Sample((np.array([-900.0, 900.0]), np.array([1.0, 1.0]))),
    ],
    "huber": [
        Sample((np.array([0.3, 2.5, -3.0]), np.array([0.0, 0.1, 0.2]))),
        Sample((np.array([[0.3, 2.5]]), np.array([[0.0, 0.1]])), {"delta": 0.5}),
    ],
    "at_least": [
        Sample((np.array([0.3, 2.5]),), {"least": 1e-6}),
        Sample((floats(2, 3, low=0.1, high=1.0),), {"least": 0.01}),
        Sample((np.array(2.0),), {"least": 0.5}),
    ],
    # reductions
    "sum": reductions(),
    "mean": reductions(empty=False),
    "count": [Sample((floats(2, 3),)), Sample((floats(2, 3),), {"axis": 1})],
    "amax": reductions(distinct, empty=False),
    "amin": reductions(distinct, empty=False),
    "argmax": searches(),
    "argmin": searches(),
    "logsumexp": [
        *reductions(),
        Sample((np.array([[1000.0, 1001.0], [-1000.0, -999.0]]),), {"axis": 1}),
    ],
    "norm2": reductions(away),
    "cumsum": [
        Sample((floats(2, 3),)),
        Sample((floats(2, 3),), {"axis": 0}),
        Sample((floats(2, 3, 2),), {"axis": -2}),
        Sample((floats(0, 2),), {"axis": 0}),
    ],
    "all": searches(lambda *shape: floats(*shape) > 0),
    "any": searches(lambda *shape: floats(*shape) > 0),
    # patterns of derivative rules
    "sum_like": [
        Sample((floats(2, 3), floats(3))),
        Sample((floats(2, 3), floats(2, 1))),
        Sample((floats(4, 2, 3), floats(1, 3))),
        Sample((floats(2, 3), floats())),
        Sample((floats(2, 3), floats(2, 3))),
    ],
    "broadcast_like": [
        Sample((floats(3), floats(2, 3))),
        Sample((floats(2, 1), floats(2, 3))),
        Sample((floats(), floats(2, 3))),
        Sample((floats(), floats())),
    ],
    "reshape_like": [Sample((floats(2, 3), floats(3, 2))), Sample((floats(), floats(1, 1)))],
    "zeros_like": [Sample((floats(2, 3),)), Sample((floats(),))],
    "ones_like": [Sample((floats(2, 3),)), Sample((floats(),))],
    # shapes
    "reshape_to": [
        Sample((floats(2, 3),), {"shape": (3, 2)}),
        Sample((floats(2, 3),), {"shape": (-1,)}),
        Sample((floats(1, 1),), {"shape": ()}),
        Sample((floats(0, 3),), {"shape": (3, 0)}),
    ],
    "insert_axes": [
        Sample((floats(2, 3),), {"axis": (1,)}),
        Sample((floats(),), {"axis": (0, 1)}),
    ],
    "remove_axes": [
        Sample((floats(2, 1, 3, 1),), {"axis": (1, 3)}),
        Sample((floats(2, 3),), {"axis": ()}),
    ],
    "permute_axes": [
        Sample((floats(2, 3, 2),), {"axes": (2, 0, 1)}),
        Sample((floats(2, 3),), {"axes": (1, 0)}),
    ],
    "matrix_transpose": [Sample((floats(2, 3),)), Sample((floats(2, 1, 3),))],
    "broadcast_shape": [
        Sample((floats(3),), {"shape": (2, 3)}),
        Sample((floats(2, 1),), {"shape": (2, 2, 3)}),
        Sample((floats(),), {"shape": (2,)}),
        Sample((floats(1, 3),), {"shape": (0, 3)}),
    ],
    "join": [
        Sample((floats(2, 3), floats(1, 3)), {"axis": 0}),
        Sample((floats(2, 1), floats(2, 2), floats(2, 1, key="c")), {"axis": -1}),
        Sample((floats(0, 2), floats(2, 2)), {"axis": 0}),
        Sample((floats(3),), {"axis": 0}),
    ],
    "flip": [
        Sample((floats(2, 3),)),
        Sample((floats(2, 3),), {"axis": 0}),
        Sample((floats(2, 3),), {"axis": (0, -1)}),
    ],
    "roll": [
        Sample((floats(2, 3),), {"shifts": 1}),
        Sample((floats(2, 3),), {"shifts": -2, "axis": 1}),
        Sample((floats(2, 3),), {"shifts": (1, 2), "axis": (0, 1)}),
    ],
    "pad_constant": [
        Sample((floats(2, 3),), {"widths": ((1, 0), (0, 2)), "value": 0.5}),
        Sample((floats(2),), {"widths": ((0, 0),), "value": 0.0}),
    ],
    # indexing
    "getitem": [
        Sample((floats(3, 4),), {"index": (1,)}),
        Sample((floats(3, 4),), {"index": (2, -1)}),
        Sample((floats(3, 4),), {"index": (slice(None), slice(0, 4, 2))}),
        Sample((floats(3, 4),), {"index": (..., None, slice(None, None, -1))}),
        Sample((floats(3, 4), ROWS), {"index": ("array",)}),
        Sample((floats(3, 4), ROWS, COLUMNS), {"index": ("array", "array")}),
        Sample((floats(2, 3), MASK), {"index": ("array",)}),
        Sample((floats(2, 3), np.zeros(0, np.int64)), {"index": (slice(None), "array")}),
    ],
    "place": [
        Sample((floats(4), floats(3, 4)), {"index": (1,)}),
        Sample((floats(3, 4, key="g"), floats(3, 4), ROWS), {"index": ("array",)}),
        Sample((floats(3), floats(2, 3), MASK), {"index": ("array",)}),
    ],
    "setitem": [
        Sample((floats(3, 4), floats(4)), {"index": (1,)}),
        Sample((floats(3, 4), 0.5), {"index": (slice(1, 3),)}),
        Sample((floats(3, 4), floats(1, 4, key="v")), {"index": (1,)}),
        Sample(
            (floats(3, 4), floats(2), np.array([2, 0]), np.array([1, 1])),
            {"index": ("array", "array")},
        ),
        Sample((floats(2, 3), floats(3), MASK), {"index": ("array",)}),
    ],
    "take_along_axis": [
        Sample((floats(2, 3), np.array([[2, 0, 2], [1, 1, 0]])), {"axis": 1}),
        Sample((floats(2, 3), np.array([[1, 0, 1]])), {"axis": 0}),
        Sample((floats(2, 3), np.array([[2], [0]]))),
    ],
    "one_hot": [
        Sample((np.array([2, 0]),), {"classes": 3}),
        Sample((np.array([[1, 0, 1]]),), {"classes": 2, "axis": -2}),
    ],
    "gather_along": [
        Sample((floats(3, 4), np.array([[2, 0], [1, 1]])), {"axis": 1}),
        Sample((floats(3, 4), np.array([[2, 0, 0]])), {"axis": 0}),
    ],
    "scatter_into": [
        Sample((floats(3), np.array([0, 2, 0]), floats(3, key="s")), {"axis": 0}),
        Sample((floats(2, 4), np.array([[3, 3], [0, 1]]), floats(2, 2)), {"axis": 1}),
    ],
    # products
    "matrix_product": [
        Sample((floats(2, 3), floats(3, 4))),
        Sample((floats(2, 2, 3), floats(3, 2))),
        Sample((floats(3, 1, 2, 2), floats(2, 2, 3))),
        Sample((floats(0, 3), floats(3, 2))),
        Sample((floats(2, 0), floats(0, 3))),
    ],
    "affine": [
        Sample((floats(2, 3), floats(3, 4), floats(4))),
        Sample((floats(2, 3), floats(3, 4), floats(2, 1))),
        Sample((floats(2, 3), floats(3, 4), floats())),
        Sample((floats(2, 2, 3), floats(3, 2), floats(2))),
        Sample((floats(0, 3), floats(3, 2), floats(2))),
    ],
    "inner": [Sample((floats(3), floats(3, key="b"))), Sample((floats(0), floats(0)))],
    "einsum": [
        Sample((floats(2, 3), floats(3, 2)), {"subscripts": "ij,jk->ik"}),
        Sample((floats(2, 3),), {"subscripts": "ij->ji"}),
        Sample((floats(2, 3),), {"subscripts": "ij->"}),
        Sample((floats(3, 3),), {"subscripts": "ii->i"}),
        Sample((floats(3, 3),), {"subscripts": "ii->"}),
        Sample((floats(2, 3), floats(4)), {"subscripts": "ij,k->ik"}),
        Sample((floats(2, 3), floats(2, 3, key="b"), floats(3)), {"subscripts": "ij,ij,j->i"}),
        Sample((floats(2, 3, 3), floats(3)), {"subscripts": "bii,i->b"}),
    ],
    # random draws
    "bernoulli_mask": [Sample((floats(3, 4),), {"keep": 0.7})],
    **views(),
}

# --- public functions composed of others ----------------------------------------------------------
# Arguments as a user writes them; a list or tuple of arrays stands for one of tensors.


@dataclass(frozen=True)
class Call(Sample):
    """One call of a composed function, with the same computation in NumPy."""

    numpy: Callable[..., Any] | None = None


def call(numpy: Callable[..., Any] | None, *args: Any, **params: Any) -> Call:
    return Call(args, params, numpy)


def _gather(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
    """Pick with loops, as the definition of gather is written."""
    out = np.empty(index.shape)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[axis] = index[place]
        out[place] = x[tuple(source)]
    return out


def _scatter_add(x: np.ndarray, axis: int, index: np.ndarray, src: np.ndarray) -> np.ndarray:
    out = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis] = index[place]
        out[tuple(target)] += src[place]
    return out


def _extremes(pick: Any, where: Any) -> Callable[..., Any]:
    def both(x: np.ndarray, axis: int, keepdims: bool = False) -> tuple[Any, Any]:
        return pick(x, axis=axis, keepdims=keepdims), where(x, axis=axis, keepdims=keepdims)

    return both


def _erf_gelu(x: np.ndarray) -> np.ndarray:
    import math

    return np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))(x)


COMPOSED: dict[str, list[Call]] = {
    "clamp": [
        call(lambda x, min, max: np.clip(x, min, max), away(2, 3), min=-0.25, max=0.25),
        call(lambda x, min: np.maximum(x, min), away(2, 3), min=0.1),
        call(
            lambda x, low, high: np.clip(x, low, high), away(3), np.full(3, -0.1), np.full(1, 0.2)
        ),
    ],
    "clamp_min": [call(np.maximum, away(2, 3), 0.1)],
    "clamp_max": [call(np.minimum, away(2, 3), 0.1)],
    "gelu": [
        call(_erf_gelu, floats(2, 3)),
        call(
            lambda x, approximate: (
                x / (1 + np.exp(-2 * 0.7978845608028654 * (x + 0.044715 * x**3)))
            ),
            floats(2, 3),
            approximate="tanh",
        ),
    ],
    "reshape": [
        call(lambda x, *s: x.reshape(*s), floats(2, 3), 3, 2),
        call(lambda x, s: x.reshape(s), floats(2, 3), (-1,)),
    ],
    "flatten": [
        call(lambda x: x.reshape(-1), floats(2, 3)),
        call(lambda x, start_dim: x.reshape(2, 6), floats(2, 3, 2), start_dim=1),
        call(lambda x: x.reshape(1), floats()),
        call(lambda x, start_dim: x.reshape(0, 6), floats(0, 3, 2), start_dim=1),
    ],
    "unsqueeze": [
        call(lambda x, a: np.expand_dims(x, a), floats(2, 3), 1),
        call(lambda x, a: np.expand_dims(x, a), floats(2, 3), -1),
    ],
    "squeeze": [
        call(lambda x: np.squeeze(x), floats(1, 3, 1)),
        call(lambda x, a: np.squeeze(x, a), floats(1, 3, 1), -1),
        call(lambda x, a: x, floats(1, 3, 1), 1),
    ],
    "permute": [
        call(lambda x, *a: np.transpose(x, a), floats(2, 3, 2), 2, 0, 1),
        call(lambda x, a: np.transpose(x, a), floats(2, 3, 2), (-1, 0, 1)),
    ],
    "transpose": [
        call(lambda x, a, b: np.swapaxes(x, a, b), floats(2, 3), 0, 1),
        call(lambda x, a, b: np.swapaxes(x, a, b), floats(2, 3, 4), 0, -1),
    ],
    "t": [call(lambda x: x.T, floats(2, 3)), call(lambda x: x, floats(3))],
    "movedim": [
        call(lambda x, a, b: np.moveaxis(x, a, b), floats(2, 3, 4), 0, -1),
        call(lambda x, a, b: np.moveaxis(x, a, b), floats(2, 3, 4), (0, 1), (1, 2)),
    ],
    "broadcast_to": [call(lambda x, s: np.broadcast_to(x, s), floats(3), (2, 3))],
    "expand": [
        call(lambda x, *s: np.broadcast_to(x, (2, 3)), floats(2, 1), -1, 3),
        call(lambda x, *s: np.broadcast_to(x, s), floats(3), 2, 3),
    ],
    "cat": [
        call(lambda xs, axis: np.concatenate(xs, axis), [floats(2, 3), floats(1, 3)], 0),
        call(lambda xs, axis: np.concatenate(xs, axis), (floats(2, 1), floats(2, 3)), axis=-1),
    ],
    "stack": [
        call(lambda xs: np.stack(xs), [floats(3), floats(3, key="b")]),
        call(lambda xs, axis: np.stack(xs, axis), [floats(3), floats(3, key="b")], axis=-1),
    ],
    "hstack": [
        call(np.hstack, [floats(3), floats(2)]),
        call(np.hstack, [floats(2, 1), floats(2, 3)]),
        call(np.hstack, [floats(), floats(key="b")]),
    ],
    "vstack": [call(np.vstack, [floats(3), floats(2, 3)])],
    "split": [
        call(lambda x, n: np.split(x, [2, 4]), floats(5, 2), 2),
        call(lambda x, n, axis: np.split(x, [1], axis), floats(2, 4), [1, 3], axis=-1),
    ],
    "chunk": [call(lambda x, n: np.split(x, [3]), floats(5, 2), 2)],
    "unbind": [
        call(lambda x: tuple(x), floats(2, 3)),
        call(lambda x, axis: tuple(x.T), floats(2, 3), axis=1),
    ],
    "select": [call(lambda x, a, i: x[:, 2], floats(2, 4), -1, 2)],
    "narrow": [call(lambda x, a, s, n: x[:, 1:3], floats(2, 4), 1, 1, 2)],
    "tile": [
        call(np.tile, floats(2, 3), 2),
        call(np.tile, floats(3), (2, 2)),
        call(np.tile, floats(2, 1, 2), (1, 3)),
    ],
    "repeat": [call(lambda x, *n: np.tile(x, n), floats(2, 3), 2, 1, 2)],
    "pad": [
        call(lambda x, p: np.pad(x, ((0, 0), (1, 2))), floats(2, 3), (1, 2)),
        call(
            lambda x, p, value: np.pad(x, ((1, 0), (0, 2)), constant_values=value),
            floats(2, 3),
            (0, 2, 1, 0),
            value=1.5,
        ),
        call(lambda x, p: x[:, 1:], floats(2, 3), (-1, 0)),
        call(
            lambda x, p, mode: np.pad(x, ((0, 0), (2, 1)), mode="reflect"),
            floats(2, 3),
            (2, 1),
            mode="reflect",
        ),
        call(lambda x, p, m: np.pad(x, (1, 2), mode="edge"), floats(3), (1, 2), "replicate"),
        call(lambda x, p, m: np.pad(x, (1, 2), mode="wrap"), floats(3), (1, 2), "circular"),
    ],
    "gather": [
        call(_gather, floats(3, 4), 1, np.array([[2, 0], [1, 1]])),
        call(_gather, floats(3, 4), -2, np.array([[2, 0, 1, 1]])),
    ],
    "scatter_add": [
        call(_scatter_add, floats(3), 0, np.array([0, 2, 0]), floats(3, key="s")),
        call(_scatter_add, floats(2, 4), -1, np.array([[3, 3], [0, 1]]), floats(2, 3)),
    ],
    "index_select": [
        call(lambda x, a, i: np.take(x, i, a), floats(3, 2), 0, np.array([2, 0, 2])),
        call(lambda x, a, i: np.take(x, i, a), floats(3, 2), -1, np.array([1])),
    ],
    "masked_fill": [
        call(lambda x, m, v: np.where(m, v, x), floats(2, 3), MASK, 0.5),
        call(lambda x, m, v: np.where(m, v, x), floats(2, 3), MASK[0], floats(key="v")),
    ],
    "max": [
        call(np.max, distinct(2, 3)),
        call(_extremes(np.max, np.argmax), distinct(2, 3), 1),
        call(_extremes(np.max, np.argmax), distinct(2, 3), axis=0, keepdims=True),
        call(np.maximum, np.array([0.0, 1.0, 2.0]), np.array([[0.5], [1.5]])),
    ],
    "min": [
        call(np.min, distinct(2, 3)),
        call(_extremes(np.min, np.argmin), distinct(2, 3), -1),
        call(np.minimum, np.array([0.0, 1.0, 2.0]), np.array([[0.5], [1.5]])),
    ],
    "prod": [
        call(np.prod, floats(2, 3)),
        call(np.prod, floats(5), axis=0),
        call(np.prod, floats(2, 3, 2), axis=(0, -1), keepdims=True),
        call(np.prod, np.array([0.0, 2.0, 3.0])),
        call(np.prod, np.array([[0.0, 0.0, 3.0]]), axis=1),
        call(np.prod, floats(0)),
        call(np.prod, floats()),
    ],
    "norm": [
        call(lambda x: np.sqrt(np.sum(x * x)), floats(2, 3)),
        call(lambda x, p, axis: np.linalg.norm(x, 1, axis), away(2, 3), p=1, axis=1),
        call(lambda x, p, axis: np.linalg.norm(x, 3, axis), away(2, 3), p=3, axis=0),
        call(lambda x, p: np.max(np.abs(x)), distinct(2, 3) + 0.07, p=np.inf),
        call(
            lambda x, axis, keepdims: np.linalg.norm(x, None, axis, keepdims),
            floats(2, 3),
            axis=-1,
            keepdims=True,
        ),
    ],
    "var": [
        call(lambda x: np.var(x, ddof=1), floats(2, 3)),
        call(lambda x, axis, correction: np.var(x, axis), floats(2, 3), axis=0, correction=0),
        call(lambda x, axis: np.var(x, axis, ddof=1), floats(2, 3, 2), axis=(0, -1)),
        call(lambda x, unbiased: np.var(x), floats(4), unbiased=False),
    ],
    "std": [
        call(lambda x: np.std(x, ddof=1), floats(2, 3)),
        call(
            lambda x, axis, unbiased, keepdims: np.std(x, axis, keepdims=True),
            floats(2, 3),
            axis=1,
            unbiased=False,
            keepdims=True,
        ),
    ],
    "matmul": [
        call(np.matmul, floats(2, 3), floats(3, 2)),
        call(np.matmul, floats(3), floats(3, 2)),
        call(np.matmul, floats(2, 3), floats(3)),
        call(np.matmul, floats(3), floats(3, key="b")),
        call(np.matmul, floats(2, 2, 3), floats(3)),
        call(np.matmul, floats(3), floats(2, 3, 2)),
        call(np.matmul, floats(2, 1, 2, 3), floats(3, 3, 2)),
    ],
    "dot": [call(np.dot, floats(3), floats(3, key="b"))],
    "addmm": [
        call(lambda x, a, b: x + a @ b, floats(4), floats(2, 3), floats(3, 4)),
        call(lambda x, a, b: x + a @ b, floats(2, 1), floats(2, 3), floats(3, 4)),
    ],
    "outer": [call(np.outer, floats(3), floats(2))],
    "einsum": [
        call(np.einsum, "ij,jk", floats(2, 3), floats(3, 2)),
        call(np.einsum, "ij->j", floats(2, 3)),
        call(np.einsum, "ii", floats(3, 3)),
        call(np.einsum, "...ij,...jk->...ik", floats(2, 1, 2, 3), floats(3, 3, 2)),
        call(np.einsum, "b...,b...", floats(2, 3), floats(2, 3, key="b")),
        call(np.einsum, "i,j,k->kij", floats(2), floats(3), floats(2, key="c")),
        call(np.einsum, "ij,ij->ij", floats(1, 3), floats(2, 3)),
        call(np.einsum, "...ii->...i", floats(2, 3, 3)),
        call(np.einsum, "ij,k->k", floats(1, 3), floats(2)),
    ],
}

# Families with a file of their own; they take `Sample` and the drawn numbers from here.
import op_samples_arranging  # noqa: E402
import op_samples_elementwise  # noqa: E402
import op_samples_linalg  # noqa: E402
import op_samples_sorting  # noqa: E402
import op_samples_windows  # noqa: E402

OPS |= op_samples_elementwise.OPS
COMPOSED |= op_samples_elementwise.COMPOSED
OPS |= op_samples_windows.OPS
COMPOSED |= op_samples_windows.COMPOSED
OPS |= op_samples_arranging.OPS
COMPOSED |= op_samples_arranging.COMPOSED
OPS |= op_samples_sorting.OPS
COMPOSED |= op_samples_sorting.COMPOSED
OPS |= op_samples_linalg.OPS
COMPOSED |= op_samples_linalg.COMPOSED
