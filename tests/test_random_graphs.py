"""Random graphs with reuse, broadcasting and views: first and second derivatives.

A graph is a list of steps; each takes one or two earlier results (so results are reused) and gives
a new one. The same steps run on NumPy arrays, which gives the function to differentiate by
differences. Every step is smooth and bounded, so that differences are accurate to about 1e-9.

`HYPOTHESIS_PROFILE=thorough` draws ten times as many, new ones every time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numeric import assert_slope

import tinygrad_course as tc

# Each works on arrays and tensors; None where the shape does not allow it.
UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": lambda x: np.tanh(x),
    "sin": lambda x: np.sin(x),
    "exp": lambda x: np.exp(-(x * x)),
    "sqrt": lambda x: np.sqrt(1 + x * x),
    "log": lambda x: np.log(2 + np.cos(x)),
    "reciprocal": lambda x: 1 / (1 + x**2),
    "arctan": lambda x: np.arctan(2 * x) - 0.3,
    "power": lambda x: (1.5 + np.sin(x)) ** 1.7,
    "softmax": lambda x: _softmax(x) if x.ndim else None,
    "sum": lambda x: np.tanh(np.sum(x, axis=0)) if x.ndim else None,
    "mean": lambda x: np.mean(x, axis=-1, keepdims=True) if x.ndim else None,
    "total": lambda x: np.tanh(np.sum(x)),
    "cumsum": lambda x: np.sin(np.cumsum(x, axis=-1)) if x.ndim else None,
    "variance": lambda x: np.var(x, axis=0) if x.ndim else None,
    # views
    "transpose": lambda x: x.T,
    "row": lambda x: x[0] if x.ndim else None,
    "step": lambda x: x[..., ::2] if x.ndim else None,
    "reverse": lambda x: x[::-1] if x.ndim else None,
    "new axis": lambda x: x[None],
    "flat": lambda x: x.reshape(-1),
    "expand": lambda x: np.broadcast_to(x, (2, *x.shape)),
    # copies
    "pick": lambda x: x[[0, -1, 0]] if x.ndim else None,
    "roll": lambda x: np.roll(x, 1),
    "flip": lambda x: np.flip(x),
    "pad": lambda x: np.pad(x, 1) if 0 < x.ndim < 3 else None,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (1 + y * y),
    "where": lambda x, y: np.where(np.arange(x.shape[-1] if x.ndim else 1) % 2 == 0, x, y),
    "matmul": lambda x, y: np.tanh(x @ y),
    "outer": lambda x, y: np.sin(x[..., None] * y) if x.ndim else None,
    "concatenate": lambda x, y: np.concatenate([x.reshape(-1), y.reshape(-1)]),
    "einsum": lambda x, y: np.einsum("...,...->...", x, y),
}
LEAVES = [
    np.array([[0.4, -0.7, 0.2], [-0.3, 0.9, -0.5]]),
    np.array([0.6, -0.2, 0.8]),
    np.array(0.35),
    np.array([[0.5], [-0.4]]),
]
DIRECTION = [
    np.array([[1.0, -0.5, 0.3], [0.7, 0.2, -1.1]]),
    np.array([0.9, -1.3, 0.4]),
    np.array(1.2),
    np.array([[0.6], [-0.8]]),
]

MORE = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1
Step = tuple[str, int, int]
index = st.integers(0, 30)
step = st.tuples(st.sampled_from([*UNARY, *BINARY, *BINARY]), index, index)
graphs = st.lists(step, min_size=1, max_size=8)


def _softmax(x: Any) -> Any:
    if isinstance(x, tc.Tensor):
        return x.softmax(-1)
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def build(steps: list[Step], leaves: list[Any]) -> Any:
    """Run the steps and return a weighted sum over every result that grew out of them."""
    # NumPy turns 0-d results into scalars, which lack some operators.
    pool = [x if isinstance(x, tc.Tensor) else np.asarray(x) for x in leaves]
    for name, i, j in steps:
        x, y = pool[i % len(pool)], pool[j % len(pool)]
        try:
            made = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
        except (ValueError, IndexError):
            continue  # shapes that do not go together, on arrays and tensors alike
        if made is not None and 0 < np.size(made) <= 64 and np.ndim(made) <= 4:
            pool.append(made if isinstance(made, tc.Tensor) else np.asarray(made))
    total: Any = 0.0
    for k, made in enumerate(pool):
        total = total + np.sum(np.sin(made)) * (0.5 + 0.1 * k)
    return total


@settings(max_examples=MORE * 900)
@given(graphs)
def test_first_derivative_and_its_recording(steps):
    points = [tc.tensor(v, requires_grad=True) for v in LEAVES]
    total = build(steps, points)
    np.testing.assert_allclose(total.item(), build(steps, LEAVES), rtol=1e-12)
    fast = tc.autograd.grad(total, points, retain_graph=True)
    recorded = tc.autograd.grad(total, points, create_graph=True)
    for a, b in zip(fast, recorded, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12, atol=1e-14)
    got = sum(float(np.sum(g.numpy() * d)) for g, d in zip(fast, DIRECTION, strict=True))
    assert_slope(got, lambda *v: build(steps, list(v)), LEAVES, DIRECTION, 1e-9)


@settings(max_examples=MORE * 250)
@given(graphs)
def test_second_derivative(steps):
    """Curvature along a direction, recorded, against differences of the first derivative."""

    def slope(*values: np.ndarray) -> Any:
        points = [tc.tensor(v, requires_grad=True) for v in values]
        first = tc.autograd.grad(build(steps, points), points, create_graph=True)
        return points, sum((g * d).sum() for g, d in zip(first, DIRECTION, strict=True))

    points, along = slope(*LEAVES)
    second = tc.autograd.grad(along, points, allow_unused=True)
    got = sum(
        float(np.sum(g.numpy() * d))
        for g, d in zip(second, DIRECTION, strict=True)
        if g is not None
    )
    assert_slope(got, lambda *v: slope(*v)[1].item(), LEAVES, DIRECTION, 1e-9)


@settings(max_examples=MORE * 250)
@given(graphs)
def test_float32_graphs_keep_their_dtype(steps):
    points = [tc.tensor(v, dtype=tc.float32, requires_grad=True) for v in LEAVES]
    total = build(steps, points)
    assert total.dtype == np.float32
    wide = build(steps, LEAVES)
    np.testing.assert_allclose(total.item(), wide, rtol=1e-3, atol=1e-3)
    for recorded in (True, False):
        found = tc.autograd.grad(total, points, create_graph=recorded, retain_graph=True)
        assert all(g.dtype == np.float32 for g in found)
