"""The steps of a sequence, compiled: pieces are read, placed and added up at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.compiling import compile
from tinygrad_course.compiling.together import _slice, together

RNG = np.random.default_rng(0)
STEPS = 12
X = RNG.normal(size=(5, STEPS, 2))
Y = (RNG.random((5, 1)) > 0.5) * 1.0


def training(kind: str, whole: bool) -> tuple[Any, Any]:
    """Return a model, and a step that reads its last state or all of its states."""
    tc.manual_seed(0)
    layer = getattr(nn, kind)(2, 3, batch_first=True, dtype=tc.float64)
    head = nn.Linear(3, 1, dtype=tc.float64)
    model = nn.ModuleList([layer, head])
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    loss_of = nn.BCEWithLogitsLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        states, _ = layer(x)
        z = head(states)[:, :, 0].mean(1, keepdim=True) if whole else head(states[:, -1])
        loss = loss_of(z, y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def operations(program: Any) -> Counter[str]:
    return Counter(n.op.name for n in program.graph if n.op is not None)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_steps(kind: str, whole: bool, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
        if whole or kind != "RNN":
            pytest.skip("numba takes long to compile a program for each")
    steps = 5 if backend == "numba" else STEPS
    model, step = training(kind, whole)
    other, fast = training(kind, whole)
    fast = compile(fast, backend=backend)
    for _ in range(3):
        costs = [f(tc.tensor(X[:, :steps]), tc.tensor(Y)) for f in (step, fast)]
        np.testing.assert_allclose(costs[1].numpy(), costs[0].numpy(), rtol=1e-12)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=1e-11, atol=1e-13)
    if backend == "numpy":
        counts = operations(fast._program().program)
        # Forward and back through each step; three for the weights, and what the head needs.
        assert counts["matrix_product"] <= 2 * STEPS + 9
        assert counts["place"] <= 1


def test_a_piece_is_read_where_it_was_computed() -> None:
    x = tc.tensor([[1.0, 2.0]], requires_grad=True)
    parts = [x * k for k in range(2, 6)]
    y = tc.stack(parts)[1] + tc.cat(parts, 1)[:, 4:6]
    graph = together(tc.Graph.of(y.sum()))
    counts = Counter(n.op.name for n in graph if n.op is not None)
    assert counts["join"] == 0 and counts["getitem"] == 0


def test_slices() -> None:
    x = tc.zeros(4, 3, requires_grad=True)
    for index, wanted in [
        ((1,), (0, 1, 2, True)),
        ((-1,), (0, 3, 4, True)),
        ((slice(None), slice(1, None)), (1, 1, 3, False)),
        ((Ellipsis, 2), (1, 2, 3, True)),
        ((slice(None), slice(None, None, 2)), None),
        ((1, 2), None),
        ((None, 1), None),
    ]:
        graph = tc.Graph.of((x[index] * x[index]).sum(), backward=True)
        places = [n for n in graph if n.op is not None and n.op.name == "place"]
        assert _slice(places[0]) == wanted, index


@pytest.mark.parametrize("axis", [0, 1])
def test_pieces_that_make_up_the_whole_are_joined(axis: int) -> None:
    x = tc.tensor(RNG.normal(size=(4, 6)), requires_grad=True)

    def f(x: Any) -> Any:
        a, b = x.split([1, 3] if axis == 0 else [2, 4], axis)
        (g,) = tc.autograd.grad((a.sin().sum() * b.cos().sum()), x, create_graph=True)
        return g

    np.testing.assert_allclose(compile(f, backend="numpy")(x).numpy(), f(x).numpy(), rtol=1e-13)


def test_pieces_that_overlap_or_leave_gaps() -> None:
    x = tc.tensor(RNG.normal(size=(5, 2)), requires_grad=True)

    def f(x: Any) -> Any:
        cost = sum((x[k : k + 2] ** 2).sum() for k in (0, 1, 3)) + (x[0] * x[2]).sum()
        (g,) = tc.autograd.grad(cost, x, create_graph=True)
        return g

    np.testing.assert_allclose(compile(f, backend="numpy")(x).numpy(), f(x).numpy(), rtol=1e-13)


def test_columns_are_joined_where_they_are_joined_again() -> None:
    x = tc.tensor(RNG.normal(size=(3, 2)))

    def f(x: Any) -> Any:
        parts = [tc.cat([x * k, x.sin()], 1) for k in range(1, 5)]
        return tc.cat(parts, 0), tc.cat([x.cos()], 1)

    fast = compile(f, backend="numpy")
    for mine, wanted in zip(fast(x), f(x), strict=True):
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-15)
