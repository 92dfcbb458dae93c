"""Sensitive functions from ±1e-300 to ±1e300, against numbers computed with 340 digits.

Values agree within 4 units in the last place, derivatives within 1e-12 of their size, and nothing
is NaN or infinite that should not be. Warnings are errors in this suite: none escapes either.
`make_extremes.py` made the numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course.ops.loss import bce_with_logits

GOLDEN = json.loads(Path(__file__).with_name("extremes.json").read_text(encoding="utf-8"))
# The derivatives of these are the courses' formulas, a (1 − a), 1 − a² and a − y: where a is next
# to 1, only as many digits are right as the formula has. They are within 1e-12 of the largest, 1.
FORMULAS = {"sigmoid", "tanh", "bce_with_logits"}
SMALLEST = np.finfo(np.float64).tiny


def function(name):
    return bce_with_logits if name == "bce_with_logits" else getattr(tc, name)


def leaves(name):
    columns = np.array(GOLDEN[name]["points"]).T
    return [tc.tensor(c, dtype=tc.float64, requires_grad=True) for c in columns]


def finite_as(got, expected):
    """Assert that infinities are where they should be, and nothing is NaN; return the rest."""
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(got[infinite], expected[infinite])
    assert np.isfinite(got[~infinite]).all()
    return got[~infinite], expected[~infinite]


@pytest.mark.parametrize("name", GOLDEN)
def test_values_to_the_last_digits(name):
    got = function(name)(*leaves(name)).numpy()
    got, expected = finite_as(got, np.array(GOLDEN[name]["values"]))
    units = np.abs(got - expected) / np.spacing(np.abs(expected))
    assert units.max() <= 4, leaves(name)[0].numpy()[units.argmax()]


@pytest.mark.parametrize("name", GOLDEN)
def test_derivatives(name):
    points = leaves(name)
    function(name)(*points).sum().backward()
    for x, slopes in zip(points, GOLDEN[name]["slopes"], strict=True):
        got, expected = finite_as(x.grad.numpy(), np.array(slopes))
        size = 1 if name in FORMULAS else np.maximum(np.abs(expected), SMALLEST)
        error = np.abs(got - expected) / size
        assert error.max() <= 1e-12, expected[error.argmax()]


@pytest.mark.parametrize("name", GOLDEN)
def test_recorded_derivatives_are_as_finite(name):
    points = leaves(name)
    total = function(name)(*points).sum()
    first = tc.autograd.grad(total, points, create_graph=True)
    for g, slopes in zip(first, GOLDEN[name]["slopes"], strict=True):
        finite_as(g.numpy(), np.array(slopes))


@pytest.mark.parametrize("name", GOLDEN)
def test_compiled_results_keep_their_digits(name):
    def both(*points):
        y = function(name)(*points)
        y.sum().backward()
        return y

    plain, compiled = leaves(name), leaves(name)
    expected = both(*plain)
    got = tc.compile(both, backend="numpy")(*compiled)
    pairs = [(got, expected), *((a.grad, b.grad) for a, b in zip(compiled, plain, strict=True))]
    for a, b in pairs:
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=SMALLEST)
