"""Searching along a line for a point that is low enough and level enough: the Wolfe conditions.

With φ(t) the loss at the distance t along a direction, a point is accepted when

    φ(t) ≤ φ(0) + c₁ t φ′(0)        it is low enough
    |φ′(t)| ≤ −c₂ φ′(0)             and the slope there is much smaller

First steps of growing length find an interval with such a point in it, then the interval is made
smaller. New points are at the minimum of the cubic through two points and their slopes.

Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6; the safeguards
are those of `torch.optim.LBFGS`, so that the points are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Point", "strong_wolfe"]

LOW_ENOUGH, LEVEL_ENOUGH = 1e-4, 0.9


class Point(NamedTuple):
    """A point on the line.

    Attributes:
        t: how far it is from the start.
        value: φ(t), the loss there.
        slope: φ′(t), the derivative along the line.
        gradient: the whole gradient there.
    """

    t: float
    value: float
    slope: float
    gradient: Any


def strong_wolfe(
    at: Callable[[float], Point], start: Point, first: float, narrow: float, most: int
) -> tuple[Point, int]:
    """Return a point that fulfils the Wolfe conditions, or the lowest that was found.

    Args:
        at: computes the point at a distance.
        start: where the line starts, t = 0.
        first: the first distance to try.
        narrow: an interval shorter than this is not made smaller.
        most: how many further points may be looked at.

    Returns:
        The point, and how many were looked at.

    Example:
        >>> def at(t):
        ...     return Point(t, (t - 3) ** 2, 2 * (t - 3), None)
        >>> point, looked_at = strong_wolfe(at, at(0.0), 1.0, 1e-9, 25)
        >>> point.t, looked_at
        (1.0, 1)
    """
    ends, count = _bracket(at, start, first, most)
    if len(ends) == 1:
        return ends[0], count
    return _zoom(at, start, ends, narrow, most, count)


def _is_too_high(point: Point, start: Point) -> bool:
    return point.value > start.value + LOW_ENOUGH * point.t * start.slope


def _is_level(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -LEVEL_ENOUGH * start.slope


def _bracket(
    at: Callable[[float], Point], start: Point, first: float, most: int
) -> tuple[list[Point], int]:
    """Return the ends of an interval with an acceptable point, or such a point alone."""
    before, point = start, at(first)
    for looked in range(most):
        if _is_too_high(point, start) or (looked > 1 and point.value >= before.value):
            return [before, point], looked + 1
        if _is_level(point, start):
            return [point], looked + 1
        if point.slope >= 0:
            return [before, point], looked + 1
        nearest = point.t + 0.01 * (point.t - before.t)
        t = _lowest_of_cubic(before, point, nearest, 10 * point.t)
        before, point = point, at(t)
    return [start, point], most + 1


def _zoom(
    at: Callable[[float], Point],
    start: Point,
    ends: list[Point],
    narrow: float,
    most: int,
    count: int,
) -> tuple[Point, int]:
    """Make an interval smaller until its lower end is acceptable."""
    low, high = (ends[0], ends[1]) if ends[0].value <= ends[1].value else (ends[1], ends[0])
    # Which end is first matters to rounding alone.
    slow = False
    while count <= most and abs(high.t - low.t) >= narrow:
        left, right = (low, high) if low.t <= high.t else (high, low)
        t = _lowest_of_cubic(left, right, left.t, right.t)
        # Near an end again, or at it: a tenth of the interval inside, or it shrinks too slowly.
        margin = 0.1 * (right.t - left.t)
        near = min(right.t - t, t - left.t) < margin
        if near and (slow or t >= right.t or t <= left.t):
            nearer_right = abs(t - right.t) < abs(t - left.t)
            t = right.t - margin if nearer_right else left.t + margin
            near = False
        slow = near
        point = at(t)
        count += 1
        if _is_too_high(point, start) or point.value >= low.value:
            high = point
            if high.value < low.value:
                low, high = high, low
            continue
        if _is_level(point, start):
            return point, count
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, count


def _lowest_of_cubic(a: Point, b: Point, least: float, most: float) -> float:
    """Return where the cubic through two points is lowest, within limits."""
    if a.t > b.t:
        a, b = b, a
    d = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d * d - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    root = math.sqrt(square)
    bottom = b.slope - a.slope + 2 * root
    if bottom == 0:
        return (least + most) / 2
    lowest = b.t - (b.t - a.t) * ((b.slope + root - d) / bottom)
    return min(max(lowest, least), most)
