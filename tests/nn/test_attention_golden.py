"""Attention, transformer and normalisation layers against PyTorch's values and gradients."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from attention_cases import CASES, wave  # noqa: E402

sys.path.remove(str(HERE))
GOLDEN = json.loads((HERE / "attention_golden.json").read_text())


def array(values: Any) -> Any:
    """Return an array; null is NaN."""
    return np.array(values, dtype=float)


def inputs(name: str) -> list[Any]:
    _, shapes = CASES[name]
    return [tc.tensor(wave(*s, phase=i), requires_grad=True) for i, s in enumerate(shapes)]


def run(name: str, *xs: Any) -> Any:
    return CASES[name][0](tc, nn, F, *xs)


def test_every_program_has_its_numbers() -> None:
    assert list(CASES) == list(GOLDEN)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("recorded", [False, True])
def test_value_and_gradients_equal_pytorch(name: str, recorded: bool) -> None:
    """Also with the rules on tensors (create_graph)."""
    xs = inputs(name)
    y = run(name, *xs)
    np.testing.assert_allclose(y.numpy(), array(GOLDEN[name]["y"]), rtol=1e-10, atol=1e-12)
    cotangent = tc.tensor(wave(*y.shape, phase=0.5))
    grads = tc.autograd.grad(y, xs, cotangent, create_graph=recorded, allow_unused=True)
    for g, expected in zip(grads, GOLDEN[name]["grads"], strict=True):
        if expected is None:
            assert g is None or not g.numpy().any()
        else:
            np.testing.assert_allclose(g.numpy(), array(expected), rtol=1e-10, atol=1e-11)


# NaN; and running statistics, which differences follow and derivatives do not.
NOT_SMOOTH = {"heads blind", "instance tracked", "batch 2d", "batch 3d", "batch function"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_SMOOTH])
def test_second_derivatives(name: str) -> None:
    """Of a scalar, along one direction, against differences of the gradient."""
    xs = inputs(name)
    step = 1e-5

    def slopes(*points: Any) -> list[Any]:
        y = run(name, *points)
        J = (y * tc.tensor(wave(*y.shape, phase=0.5))).sum()
        found = tc.autograd.grad(J, points, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    grads = slopes(*xs)
    inner: Any = sum(
        ((g * tc.tensor(wave(*g.shape, phase=3))).sum() for g in grads), start=tc.tensor(0.0)
    )
    second = tc.autograd.grad(inner, xs, allow_unused=True)
    along = [wave(*x.shape, phase=4) for x in xs]

    def moved(sign: float) -> float:
        points = [
            tc.tensor(x.numpy() + sign * step * d, requires_grad=True)
            for x, d in zip(xs, along, strict=True)
        ]
        return sum(float((g.numpy() * wave(*g.shape, phase=3)).sum()) for g in slopes(*points))

    found = sum(
        float((h.numpy() * d).sum()) for h, d in zip(second, along, strict=True) if h is not None
    )
    expected = (moved(1) - moved(-1)) / (2 * step)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
