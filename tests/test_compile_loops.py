"""Selecting, placing, joining, activations in fused loops, against eager on fresh inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim

pytest.importorskip("numba")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep machine code away from the user's cache."""
    directory = tmp_path_factory.mktemp("cache")
    before = os.environ.get("TINYGRAD_COURSE_CACHE")
    os.environ["TINYGRAD_COURSE_CACHE"] = str(directory)
    yield directory
    os.environ.pop("TINYGRAD_COURSE_CACHE")
    if before is not None:
        os.environ["TINYGRAD_COURSE_CACHE"] = before


def fused(f: Callable[..., Any]) -> Any:
    return tc.compile(f, backend="numba")


def same(a: Any, b: Any, tolerance: float) -> None:
    """Assert that two arrays are equal, infinities and NaN too."""
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def both_ways(f: Callable[..., Any], makers: list[Callable[[Any], Any]], tolerance: float) -> None:
    """Compare results and derivatives of a function, eager and compiled, on fresh inputs.

    Floats are tensors that it finds. Integers, and what does not lie in order, are arguments.
    """
    first = [make(np.random.default_rng(9)) for make in makers]
    is_leaf = [a.dtype.kind == "f" and a.flags.c_contiguous for a in first]

    def made() -> Any:
        leaves = [
            tc.tensor(a, requires_grad=True) if leaf else None
            for a, leaf in zip(first, is_leaf, strict=True)
        ]

        def step(*xs: Any) -> Any:
            given = iter(xs)
            found = f(*(next(given) if x is None else x for x in leaves))
            sum((y * y + y).sum() for y in found if y.requires_grad).backward()
            return [y.detach() for y in found]

        return leaves, step

    (ours, step), (theirs, plain) = made(), made()
    fast = fused(step)
    for k in range(3):
        rng = np.random.default_rng(k)
        given = [make(rng) for make in makers]
        for x, y, a in zip(ours, theirs, given, strict=True):
            if x is not None:
                x.grad = y.grad = None
                with tc.no_grad():
                    x.copy_(a)
                    y.copy_(a)
        xs = [tc.from_numpy(a) for x, a in zip(ours, given, strict=True) if x is None]
        for a, b in zip(fast(*xs), plain(*xs), strict=True):
            same(a.numpy(), b.numpy(), tolerance)
        for x, y in zip(ours, theirs, strict=True):
            if x is not None:
                same(x.grad.numpy(), y.grad.numpy(), tolerance)
    assert fast.traced == 1
    assert "no form in a loop" not in fast.explain()


def floats(*shape: int, dtype: Any, turned: bool = False) -> Callable[[Any], Any]:
    """Return what draws an array, `turned` with its elements not in order."""

    def make(rng: Any) -> Any:
        x = rng.normal(size=shape).astype(dtype)
        return np.asfortranarray(x) if turned else x

    return make


def indices(*shape: int, least: int, below: int, dtype: Any = np.int64) -> Callable[[Any], Any]:
    return lambda rng: rng.integers(least, below, shape).astype(dtype)


PRECISIONS = [(np.float32, 1e-5), (np.float64, 1e-12)]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_gathers_and_scatters(dtype: Any, tolerance: float) -> None:
    def f(table: Any, words: Any, x: Any, labels: Any, column: Any, cube: Any) -> Any:
        rows = table[words]
        return (
            rows * 2,
            rows.sum(axis=(0, 1)),
            (table * 3)[words[0]],  # of what was just computed
            x[np.arange(6), labels],  # the score of each label
            tc.gather(x.tanh(), 1, column),
            np.take_along_axis(x, column, 1) - x[:, :2],
            tc.scatter_add(x * 1, 1, column, x[:, :2]),
            cube[:, labels, 1],
            cube[labels[:3], :, column[:3, 0]],  # parted by a slice: in front
            cube[..., column, 1:].exp(),
            tc.index_select(cube.permute(2, 0, 1), 1, labels[:2]),
            x[labels[2]],
            x[labels % 2, labels[0]],
        )

    both_ways(
        f,
        [
            floats(7, 3, dtype=dtype),
            indices(2, 4, least=-7, below=7),
            floats(6, 5, dtype=dtype, turned=True),
            indices(6, least=-4, below=4, dtype=np.int32),
            indices(6, 2, least=0, below=4),
            floats(4, 5, 5, dtype=dtype),
        ],
        tolerance,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_slices_joins_and_running_sums(dtype: Any, tolerance: float) -> None:
    def f(x: Any, y: Any, row: Any, one: Any, counts: Any) -> Any:
        z = x * 1
        z[1:, ::2] = row[:2] * 2
        z[0] = 5.0
        w = x + 0
        w[counts[:1] % 3] = y[1, :4]
        return (
            z, w,
            tc.cat([x, y * 2, x[:, :1]], 1), tc.stack([row, row.exp()], 1), tc.cat([one, row]),
            tc.pad(x, ((1, 0), (2, 1)), value=0.5), tc.pad(row, (1, 1)),
            x.cumsum(1), x.reshape(-1).cumsum(0), (y.T.cumsum(1) * 2).amax(axis=0), row.cumsum(0),
            one.cumsum(0), x[1:-1, ::-1] * 2, tc.flip(x, (0, 1)).exp(), x[..., 1] * x[-1, 0],
            tc.flip(y, 1)[0], counts.cumsum(0) * row[:1], x[:, None, 1:3] + 1,
        )  # fmt: skip

    both_ways(
        f,
        [
            floats(3, 4, dtype=dtype, turned=True),
            floats(3, 5, dtype=dtype),
            floats(4, dtype=dtype),
            floats(1, dtype=dtype),
            indices(5, least=0, below=9),
        ],
        tolerance,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_activations_in_loops(dtype: Any, tolerance: float) -> None:
    def f(x: Any, y: Any, one: Any) -> Any:
        return (
            tc.elu(x, alpha=0.7), tc.gelu(x), tc.gelu(x, approximate="tanh"), x.softplus(),
            x.silu(), x.erf() * y, x.expm1(), x.step() + x, x.softmax(axis=-1),
            (y * 9).log_softmax(axis=0), x.T.logsumexp(axis=0), y.logsumexp(axis=1, keepdims=True),
            x.logsumexp(), one.softmax(axis=-1), one.logsumexp(axis=0), (x * 3).round() * x,
            x**3, x.clip(-0.5, 0.5), tc.where((x > 0) & ~(y > 0), x, y), x.leaky_relu(0.2),
            (x > 0).all(axis=1) * x[:, 0], (x > 1).any(axis=0) * x[0], (x > 1).any() * one,
            x.max(axis=1)[0], x.min(axis=-1)[0],
        )  # fmt: skip

    both_ways(
        f,
        [
            floats(5, 7, dtype=dtype, turned=True),
            floats(5, 7, dtype=dtype),
            floats(1, 1, dtype=dtype),
        ],
        tolerance,
    )


def test_what_is_largest_and_whether_any() -> None:
    def f(x: Any, long: Any, none: Any) -> Any:
        return (
            x.argmax(axis=1), x.argmin(axis=-1, keepdims=True), x.argmax(), x.T.argmin(axis=1),
            x[:, :1].argmax(axis=1), long.argmax(axis=1), (x > 0).argmax(axis=1), x.argmax(axis=0),
            (x > 0).any(axis=1), (x > -9).all(), none.any(axis=0), none.all(), none.all(axis=1),
            none.cumsum(axis=0), tc.cat([none, none]), (x > 0) ^ (x < 1), tc.pad(x > 0, (1, 0)),
            x.logsumexp(axis=0), none.T.logsumexp(axis=1), (x.argmax(axis=1) == 2).sum(),
        )  # fmt: skip

    nan, inf = np.nan, np.inf
    rows = [
        [1, nan, 9, nan],
        [3, 3, -1, 3],
        [-inf, -inf, -inf, -inf],
        [nan, 1, 2, 3],
        [0, 1, inf, 5],
    ]
    given = [np.array(rows), np.random.default_rng(0).normal(size=(3, 99)), np.empty((0, 3))]
    fast = fused(f)
    with np.errstate(all="ignore"):
        for k in range(2):
            xs = [tc.tensor(a * (1 - 2 * k)) for a in given]
            for a, b in zip(fast(*xs), f(*xs), strict=True):
                same(a.numpy(), b.numpy(), 1e-14)


def test_an_index_outside_of_its_axis() -> None:
    table = tc.tensor(np.arange(5.0), requires_grad=True)

    def step(index: Any) -> None:
        (table[index] ** 2).sum().backward()
        with tc.no_grad():
            table.sub_(table.grad * 0.1)
        table.grad = None

    fast = fused(step)
    fast(tc.tensor([0, -1, 4]))
    before = table.numpy().copy()
    np.testing.assert_allclose(before, [0, 1, 2, 3, 4 - 0.1 * 16], rtol=1e-15)
    for wrong in ([0, 5, 1], [-6, 0, 0]):
        with pytest.raises(tc.errors.IndexingError, match="axis of length n"):
            fast(tc.tensor(wrong))
        np.testing.assert_array_equal(table.numpy(), before)


def test_tables_that_are_trained() -> None:
    """Rows are read and written where the table is; a row may be named twice."""

    def made() -> Any:
        tc.manual_seed(0)
        table = tc.tensor(np.random.default_rng(0).normal(size=(9, 4)), requires_grad=True)
        layer = nn.Linear(4, 3).to(np.float64)
        adam = optim.Adam([table, *layer.parameters()], lr=0.1)
        loss = nn.CrossEntropyLoss(weight=tc.tensor([1.0, 2.0, 0.5], dtype=tc.float64))

        def step(words: Any, labels: Any) -> Any:
            adam.zero_grad()
            J = loss(layer(table[words].mean(axis=1)), labels)
            J.backward()
            adam.step()
            with tc.no_grad():
                table.copy_(table[tc.tensor([1, 0, 2, 3, 4, 5, 6, 7, 8])])  # exchanges rows
            return J.detach()

        return table, step

    (one, plain), (two, step) = made(), made()
    fast = fused(step)
    rng = np.random.default_rng(1)
    for _ in range(5):
        words, labels = tc.tensor(rng.integers(0, 9, (6, 3))), tc.tensor(rng.integers(0, 3, 6))
        same(fast(words, labels).numpy(), plain(words, labels).numpy(), 1e-12)
        same(two.numpy(), one.numpy(), 1e-11)
    assert "left to NumPy" not in fast.explain()
