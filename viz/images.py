"""Grids of small images: examples with predictions, and the weights of a first layer.

Each function draws a whole grid on one Matplotlib axes, given as `ax` or of a new figure, and
returns it. Matplotlib is imported when the first plot is drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_course.errors import ArgumentError
from viz import style
from viz.axes import array, one

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_images(
    images: ArrayLike,
    labels: ArrayLike | None = None,
    predictions: ArrayLike | None = None,
    columns: int = 8,
    ax: Axes | None = None,
    *,
    limit: int = 64,
    title: str | None = None,
) -> Axes:
    """Show images in a grid with what the model says: errors framed red, correct ones blue.

    Args:
        images: Shape (m, height, width) or (m, height, width, channels); or one image per row,
            (m, height * width), of square images.
        labels: The right classes, (m,) or (m, 1).
        predictions: The predicted classes, (m,) or (m, 1); not probabilities.
        columns: Images side by side.
        ax: Axes to draw on.
        limit: At most this many images are shown, the first ones.
        title: Title; by default how many of all predictions are right.

    Raises:
        ValueError: For shapes that do not fit, or predictions that are not classes.

    >>> ax = plot_images(np.zeros((3, 64)), labels=[0, 1, 1], predictions=[0, 1, 0])
    >>> ax.get_title()
    '2 of 3 right'
    """
    pictures = _as_images(array(images))
    truth = _classes("labels", labels, len(pictures))
    guess = _classes("predictions", predictions, len(pictures))
    shown = min(len(pictures), max(int(limit), 1))
    columns = max(1, min(int(columns), shown))
    rows = math.ceil(shown / columns)
    # One image is 1 wide; frames, texts and gaps need the rest of its cell.
    cell_width, cell_height = 1.22, 1.22 if truth is None and guess is None else 1.5
    with style.plotting():
        ax = one(ax, columns * 0.85 * cell_width, rows * 0.85 * cell_height + 0.3)
        ax.set_axis_off()
        low, high = float(pictures.min()), float(pictures.max())
        for index in range(shown):
            row, column = divmod(index, columns)
            corner = (column * cell_width, -row * cell_height)
            _draw_image(ax, pictures[index], corner, low, high)
            right = None if truth is None or guess is None else bool(truth[index] == guess[index])
            _annotate(ax, corner, _caption(index, truth, guess), right)
        ax.set_xlim(-0.12, columns * cell_width - 0.1)
        ax.set_ylim(-rows * cell_height + 1.1, 1.1)
        ax.set_aspect("equal")
        if title is None and truth is not None and guess is not None:
            title = f"{int(np.sum(truth == guess))} of {len(pictures)} right"
        if title is None and shown < len(pictures):
            title = f"the first {shown} of {len(pictures)}"
        ax.set_title(title or "")
    return ax


def _as_images(images: NDArray[Any]) -> NDArray[Any]:
    side = math.isqrt(images.shape[1]) if images.ndim == 2 else 0
    if images.ndim == 2 and side and side * side == images.shape[1]:
        images = images.reshape(-1, side, side)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    colour = images.ndim == 4 and images.shape[3] in (3, 4)
    if not (images.ndim == 3 or colour) or 0 in images.shape:
        raise ArgumentError(
            f"viz.plot_images: got images of shape {images.shape}; expected (m, height, width), "
            "(m, height, width, 3), or (m, height * width) for square images, with m at least 1"
        )
    return images


def _classes(what: str, values: ArrayLike | None, count: int) -> NDArray[Any] | None:
    if values is None:
        return None
    classes = array(values)
    if classes.shape not in ((count,), (count, 1), (1, count)):
        raise ArgumentError(
            f"viz.plot_images: got {what} of shape {classes.shape} for {count} images; expected "
            f"one class per image, ({count},)"
        )
    classes = classes.reshape(count)
    if classes.dtype.kind == "f":
        if np.any(classes != np.round(classes)):
            raise ArgumentError(
                f"viz.plot_images: {what} are not whole numbers; expected classes. Turn "
                "probabilities into classes with (p >= 0.5), or p.argmax(1)"
            )
        classes = classes.astype(np.int64)
    if classes.dtype.kind == "b":
        classes = classes.astype(np.int64)
    return classes


def _caption(index: int, truth: NDArray[Any] | None, guess: NDArray[Any] | None) -> str:
    if truth is not None and guess is not None:
        right = truth[index] == guess[index]
        return f"{guess[index]}" if right else f"{guess[index]}, not {truth[index]}"
    if truth is not None:
        return f"{truth[index]}"
    return "" if guess is None else f"{guess[index]}"


def _draw_image(
    ax: Axes,
    image: NDArray[Any],
    corner: tuple[float, float],
    low: float,
    high: float,
    colormap: Any = "gray_r",
) -> Any:
    """Draw one image into the square above and right of `corner`; keep its proportions."""
    height, width = image.shape[:2]
    wide, tall = min(1.0, width / height), min(1.0, height / width)
    x, y = corner[0] + (1 - wide) / 2, corner[1] + (1 - tall) / 2
    if high <= low:
        high = low + 1.0
    extent = (x, x + wide, y, y + tall)
    return ax.imshow(image, cmap=colormap, vmin=low, vmax=high, extent=extent)


def _annotate(ax: Axes, corner: tuple[float, float], text: str, right: bool | None) -> None:
    from matplotlib.patches import Rectangle

    color = style.FAINT if right is None else style.BLUE if right else style.RED
    width = 2.6 if right is False else 1.2
    ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=width))
    if text:
        x, y = corner[0] + 0.5, corner[1] - 0.08
        ink = style.MUTED if right is None else color
        weight = "bold" if right is False else "normal"
        ax.text(x, y, text, ha="center", va="top", fontsize=9, color=ink, fontweight=weight)


def plot_weights(
    weight_matrix: ArrayLike,
    image_shape: tuple[int, int],
    ax: Axes | None = None,
    *,
    columns: int | None = None,
    limit: int = 64,
    layout: str | None = None,
) -> Axes:
    """Show the weights into each unit as an image: blue positive, amber negative.

    Args:
        weight_matrix: Weights of the first layer, (inputs, units) or (units, inputs).
        image_shape: Height and width of an input image; their product is `inputs`.
        ax: Axes to draw on.
        columns: Units side by side; by default a number that fills the rows.
        limit: At most this many units are shown, the first ones.
        layout: "rows" for (inputs, units), "columns" for (units, inputs); needed only when
            the matrix is square.

    Raises:
        ValueError: When no side of the matrix is as long as an image has pixels.

    >>> ax = plot_weights(np.zeros((64, 25)), (8, 8))
    >>> ax.get_title()
    'weights of 25 units'
    """
    matrix = array(weight_matrix)
    pixels = math.prod(image_shape)
    if matrix.ndim != 2 or pixels not in matrix.shape or len(image_shape) != 2:
        raise ArgumentError(
            f"viz.plot_weights: got weights of shape {matrix.shape} for images of {image_shape}; "
            f"expected ({pixels}, units) or (units, {pixels})"
        )
    if layout is None:
        layout = "rows" if matrix.shape[0] == pixels else "columns"
    if layout not in ("rows", "columns"):
        raise ArgumentError(f'viz.plot_weights: layout is {layout!r}; expected "rows" or "columns"')
    units = (matrix.T if layout == "rows" else matrix).reshape(-1, *image_shape)
    shown = min(len(units), max(int(limit), 1))
    if columns is None:
        # Fewest empty places in the last row, then closest to eight.
        columns = min(range(5, 11), key=lambda count: (-shown % count, abs(count - 8)))
    columns = max(1, min(int(columns), shown))
    rows = math.ceil(shown / columns)
    finite = units[np.isfinite(units)]
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    cell = 1.12
    with style.plotting():
        ax = one(ax, columns * 0.85 * cell + 0.7, rows * 0.85 * cell + 0.4)
        ax.set_axis_off()
        colormap = style.diverging_colormap()
        image: Any = None
        for index in range(shown):
            row, column = divmod(index, columns)
            corner = (column * cell, -row * cell)
            image = _draw_image(ax, units[index], corner, -largest, largest, colormap)
            _annotate(ax, corner, "", None)
        ax.set_xlim(-0.06, columns * cell - 0.06)
        ax.set_ylim(-(rows - 1) * cell - 0.06, 1.06)
        ax.set_aspect("equal")
        few = "" if shown == len(units) else f"the first {shown} of "
        ax.set_title(f"weights of {few}{len(units)} units")
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
        bar.outline.set_visible(False)
    return ax
