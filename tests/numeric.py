"""Derivatives by central differences, independent of the package: what the tests compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def differences(
    f: Callable[..., float], points: Sequence[np.ndarray], eps: float = 1e-6
) -> list[np.ndarray]:
    """Return the gradient of the scalar function `f` at float64 arrays, element by element.

    Each derivative is (8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h: its error is of order h⁴,
    so that h may be large enough for rounding not to matter.
    """
    h = eps**0.5
    gradients = []
    for k, point in enumerate(points):
        assert point.dtype == np.float64
        gradient = np.zeros_like(point)
        for place in np.ndindex(point.shape):

            def at(step: float, k: int = k, place: tuple[int, ...] = place) -> float:
                moved = [np.array(p, copy=True, order="C") for p in points]
                moved[k][place] += step
                return float(f(*moved))

            near = at(h) - at(-h)
            far = at(2 * h) - at(-2 * h)
            gradient[place] = (8 * near - far) / (12 * h)
        gradients.append(gradient)
    return gradients


def slope_along(
    f: Callable[..., float],
    points: Sequence[np.ndarray],
    direction: Sequence[np.ndarray],
    h: float = 1e-3,
) -> float:
    """Return the derivative of `f` along a direction, by the same formula."""

    def at(step: float) -> float:
        return float(f(*[p + step * d for p, d in zip(points, direction, strict=True)]))

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def assert_slope(
    got: float,
    f: Callable[..., float],
    points: Sequence[np.ndarray],
    direction: Sequence[np.ndarray],
    tolerance: float,
) -> None:
    """Compare with the derivative along a direction, as far as differences can tell.

    Two step sizes show how accurate they are: a steep function makes both inaccurate.
    """
    coarse = slope_along(f, points, direction, 1e-3)
    fine = slope_along(f, points, direction, 4e-4)
    allowed = tolerance * max(1.0, abs(fine)) + 3 * abs(fine - coarse)
    assert abs(got - fine) <= allowed, f"{got}, differences say {fine} (or {coarse})"


def assert_close(got, expected, tolerance: float, what: str = "") -> None:
    """Compare relative to the largest expected value, and to 1."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if not got.size:
        return
    scale = max(1.0, float(np.max(np.abs(expected))))
    error = float(np.max(np.abs(got - expected))) / scale
    assert error <= tolerance, f"{what}: off by {error:.2e}\n{got}\nexpected\n{expected}"
