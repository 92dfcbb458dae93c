"""What all plots share: numbers out of tensors, and axes to draw on.

No display is needed: a new figure belongs to pyplot only where pyplot is in use already (a
notebook, or a script that calls `plt.show()`), so drawing many plots in a script leaks no figures.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AxesOrMany = Any
"""Matplotlib axes, a sequence of them, or None."""


def array(value: Any) -> NDArray[Any]:
    """Return the numbers of an array, or of a tensor that may require a gradient."""
    if callable(getattr(value, "detach", None)):
        value = value.detach()
    if callable(getattr(value, "numpy", None)):
        value = value.numpy()
    return np.asarray(value)


def new_axes(count: int, columns: int, width: float, height: float) -> list[Axes]:
    """Return `count` axes of a new figure, `columns` of them side by side, each of this size."""
    rows = math.ceil(count / columns)
    size = (width * columns, height * rows)
    interactive = "matplotlib.pyplot" in sys.modules or "ipykernel" in sys.modules
    if interactive:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=size, layout="constrained")
    else:
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
    return [figure.add_subplot(rows, columns, index + 1) for index in range(count)]


def one(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the given axes, or those of a new figure of this size in inches."""
    return new_axes(1, 1, width, height)[0] if ax is None else ax


def panels(
    ax: AxesOrMany, count: int, columns: int, width: float, height: float
) -> tuple[Axes, list[Axes]]:
    """Return what to give back, and `count` axes to draw on.

    One given axes becomes an empty frame, with the panels inside; several are used as they are.
    """
    if ax is None:
        axes = new_axes(count, columns, width, height)
        return axes[0], axes
    if isinstance(ax, (Sequence, np.ndarray)):
        several = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(several) < count:
            raise ArgumentError(
                f"viz.plot: got {len(several)} axes; expected {count}, one per panel"
            )
        return several[0], several[:count]
    if count == 1:
        return ax, [ax]
    rows = math.ceil(count / columns)
    ax.set_axis_off()
    inside = []
    for index in range(count):
        row, column = divmod(index, columns)
        left, bottom = (column + 0.17) / columns, (rows - 1 - row + 0.14) / rows
        panel = ax.inset_axes((left, bottom, 0.8 / columns, 0.72 / rows))
        panel.locator_params(nbins=4)
        inside.append(panel)
    return ax, inside
