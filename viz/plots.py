"""Plots of what happens in training: learning curves, activations, boundaries, gradients.

Every function draws on the Matplotlib axes given as `ax`, or on those of a new figure, and returns
the axes; `ax.figure.savefig("plot.png")` writes a file. A plot with several panels returns the axes
of the first; all of them are in `ax.figure.axes`.

Matplotlib is imported when the first plot is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_course.errors import ArgumentError, DtypeError
from viz import style
from viz.axes import AxesOrMany, array, one, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus")
"""The activations that `plot_activations` shows by default."""

_TITLES = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU"}

Activation = Callable[[Any], Any]


def plot_history(history: Any, ax: AxesOrMany = None, *, title: str | None = None) -> Axes:
    """Plot loss and accuracy against epochs; the values on validation data are dashed.

    Args:
        history: What `fit` returned, or its `history`: a dictionary such as
            `{"loss": [...], "val_loss": [...], "accuracy": [...]}` with one value per epoch.
        ax: Axes to draw on, or a pair of them for loss and accuracy.
        title: Title of the first panel.

    Returns:
        The axes of the loss; with a new figure and other metrics, these stand beside it.

    Raises:
        TypeError: When `history` is neither.
        ValueError: When there is nothing to plot.

    >>> ax = plot_history({"loss": [0.7, 0.4, 0.2], "accuracy": [0.5, 0.9, 1.0]})
    >>> [axes.get_ylabel() for axes in ax.figure.axes]
    ['loss', 'accuracy']
    """
    curves = _curves(history)
    losses = [name for name in curves if "loss" in name or "cost" in name]
    others = [name for name in curves if name not in losses and name.removeprefix("val_") != "lr"]
    groups = [group for group in (losses, others) if group]
    if not groups:
        raise ArgumentError(
            "viz.plot_history: the history holds no values; expected lists with one number per "
            'epoch, such as {"loss": [0.7, 0.4]}. Was the model trained for at least one epoch?'
        )
    with style.plotting():
        result, axes = panels(ax, len(groups), len(groups), 4.6, 3.3)
        for panel, group in zip(axes, groups, strict=True):
            _draw_curves(panel, {name: curves[name] for name in group}, is_loss=group is losses)
        if title is not None:
            axes[0].set_title(title)
    return result


def _curves(history: Any) -> dict[str, NDArray[Any]]:
    values = history if isinstance(history, Mapping) else getattr(history, "history", None)
    if not isinstance(values, Mapping):
        raise DtypeError(
            f"viz.plot_history: got {type(history).__name__}; expected what fit returned, or a "
            'dictionary such as {"loss": [...], "val_loss": [...]}'
        )
    curves = {}
    for name, numbers in values.items():
        if isinstance(numbers, (str, bytes)) or not isinstance(numbers, (Iterable, np.ndarray)):
            continue
        curve = np.asarray([_number(number) for number in numbers], dtype=float)
        if curve.size and str(name) not in ("epoch", "epochs", "step", "steps"):
            curves[str(name)] = curve
    return curves


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    return float(value.item()) if callable(getattr(value, "item", None)) else float(value)


def _draw_curves(ax: Axes, curves: dict[str, NDArray[Any]], *, is_loss: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    metrics = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    palette = [style.AMBER, style.RED] if is_loss else [style.BLUE, style.GREEN, style.GREY]
    for name, curve in curves.items():
        metric = name.removeprefix("val_")
        color = palette[metrics.index(metric) % len(palette)]
        epochs = np.arange(1, curve.size + 1)
        dashed = name.startswith("val_")
        label = f"validation {metric}" if dashed else metric
        marker = "o" if curve.size == 1 else None
        ax.plot(epochs, curve, "--" if dashed else "-", color=color, label=label, marker=marker)
    values = np.concatenate(list(curves.values()))
    finite = values[np.isfinite(values)]
    if is_loss and finite.size and finite.min() > 0 and finite.max() / finite.min() > 100:
        ax.set_yscale("log")
    elif not is_loss and finite.size and finite.min() >= 0 and finite.max() <= 1:
        ax.set_ylim(min(0.5, float(finite.min()) - 0.03), 1.02)
    longest = max(curve.size for curve in curves.values())
    ax.set_xlim(1 - 0.02 * longest, longest + 0.02 * longest)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(metrics[0] if len(metrics) == 1 else "loss" if is_loss else "metric")
    ax.legend()


def plot_activations(
    names: Iterable[str] | Mapping[str, Activation | tuple[Activation, Activation]] | None = None,
    ax: AxesOrMany = None,
    *,
    limit: float = 4.0,
) -> Axes:
    """Plot activations g(z) in blue, and their derivatives g'(z) dashed in red.

    Args:
        names: Names of functions of `tinygrad_course`, by default `ACTIVATIONS`; or a dictionary
            from titles to functions, or to pairs (function, derivative). A function without its
            derivative is differentiated with `tinygrad_course.grad`.
        ax: Axes to draw on (it becomes the frame of all panels), or one for each function.
        limit: z runs from -limit to limit.

    Returns:
        The axes of the first panel, or the given frame.

    Raises:
        ValueError: For an unknown name, or none at all.

    >>> ax = plot_activations({"square": (lambda z: z**2, lambda z: 2 * z)})
    >>> ax.get_title()
    'square'
    """
    functions = _functions(names)
    z = np.linspace(-limit, limit, 401)
    columns = min(3, len(functions))
    lows: list[float] = []
    highs: list[float] = []
    with style.plotting():
        result, axes = panels(ax, len(functions), columns, 3.1, 2.6)
        for panel, (title, (function, derivative)) in zip(axes, functions.items(), strict=True):
            value = array(function(z))
            slope = array(derivative(z)).astype(float)
            # A derivative that jumps, as that of ReLU at 0, has no value in between.
            slope[:-1][np.abs(np.diff(slope)) > 0.5] = np.nan
            panel.axhline(0, color=style.MUTED, linewidth=0.8)
            panel.axvline(0, color=style.MUTED, linewidth=0.8)
            panel.plot(z, value, color=style.BLUE, label="g(z)")
            panel.plot(z, slope, "--", color=style.RED, label="g′(z)")
            lows.append(min(np.nanmin(value), np.nanmin(slope)))
            highs.append(max(np.nanmax(value), np.nanmax(slope)))
            panel.set_xlim(-limit, limit)
            panel.set_title(title)
            panel.set_xlabel("z")
        # One scale for all panels: that the slope of tanh at 0 is four times that of the sigmoid
        # should be seen.
        low, high = float(np.nanmin(lows)), float(np.nanmax(highs))
        for panel in axes:
            panel.set_ylim(max(low, -1.5) - 0.15, min(high, 2.0) + 0.15)
        axes[0].legend(loc="upper left", handlelength=1.6)
    return result


def _functions(
    names: Iterable[str] | Mapping[str, Activation | tuple[Activation, Activation]] | None,
) -> dict[str, tuple[Activation, Activation]]:
    """Return title -> (function of arrays, its derivative)."""
    found: dict[str, tuple[Activation, Activation]] = {}
    if isinstance(names, Mapping):
        for title, entry in names.items():
            found[str(title)] = entry if isinstance(entry, tuple) else _with_derivative(entry)
    else:
        chosen = (
            [names] if isinstance(names, str) else list(ACTIVATIONS if names is None else names)
        )
        for name in chosen:
            found[_TITLES.get(name, name)] = _with_derivative(_library_function(name))
    if not found:
        raise ArgumentError("viz.plot_activations: got no function; expected at least one")
    return found


def _library_function(name: str) -> Activation:
    import tinygrad_course as tc

    function: Any = getattr(tc, name, None)
    if not callable(function):
        raise ArgumentError(
            f"viz.plot_activations: tinygrad_course has no function {name!r}; expected a name "
            f"such as {', '.join(ACTIVATIONS)}, or a dictionary from titles to functions"
        )
    return function  # type: ignore[no-any-return]


def _with_derivative(function: Activation) -> tuple[Activation, Activation]:
    """Return an elementwise function, on arrays, and the derivative that the library derives."""
    import tinygrad_course as tc

    library: Any = tc

    def total(z: Any) -> Any:
        # The elements do not interact: the gradient of their sum is g'(z), element by element.
        return function(z).sum()

    def value(z: NDArray[Any]) -> NDArray[Any]:
        return array(function(library.tensor(z)))

    def slope(z: NDArray[Any]) -> NDArray[Any]:
        return array(library.grad(total)(library.tensor(z)))

    return value, slope


def plot_decision_boundary(
    predict: Any,
    X: ArrayLike,
    y: ArrayLike,
    ax: Axes | None = None,
    *,
    threshold: float | None = None,
    resolution: int = 240,
    title: str | None = None,
) -> Axes:
    """Plot labelled points of the plane, and where the prediction changes from class to class.

    Args:
        predict: A model, or a function from points (k, 2) to predictions (k,) or (k, 1), or
            scores of several classes (k, classes).
        X: The points, (m, 2); with columns as examples, (2, m), `predict` gets (2, k).
        y: Their classes, m numbers; -1 and 1 are fine too.
        ax: Axes to draw on.
        threshold: Predictions above it mean the second class; by default 0.5 when all
            predictions are between 0 and 1, and 0 otherwise.
        resolution: Points of the grid in each direction.
        title: Title of the plot.

    Raises:
        ValueError: When the shapes do not fit.

    >>> points = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> ax = plot_decision_boundary(lambda p: p[:, 0] > 0.5, points, [0, 1])
    >>> ax.get_xlabel()
    'x₁'
    """
    points = array(X)
    classes = array(y).reshape(-1)
    as_columns = points.ndim == 2 and points.shape[0] == 2 and points.shape[1] == classes.size != 2
    if as_columns:
        points = points.T
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != classes.size or not len(points):
        raise ArgumentError(
            f"viz.plot_decision_boundary: got X of shape {array(X).shape} and {classes.size} "
            "classes; expected X of shape (m, 2), or (2, m), and y of m classes, m at least 1"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    axis0 = np.linspace(low[0] - margin[0], high[0] + margin[0], resolution)
    axis1 = np.linspace(low[1] - margin[1], high[1] + margin[1], resolution)
    grid = np.stack(np.meshgrid(axis0, axis1), axis=-1).reshape(-1, 2)
    kind = points.dtype if points.dtype.kind == "f" else np.dtype(np.float64)
    scores = _predictions(predict, grid.astype(kind), as_columns)
    with style.plotting():
        ax = one(ax, 4.6, 4.0)
        names, indices = np.unique(classes, return_inverse=True)
        if scores.ndim == 2:
            _fill_classes(ax, axis0, axis1, scores.argmax(axis=1), scores.shape[1])
        else:
            _fill_scores(ax, axis0, axis1, scores, threshold)
        for index, name in enumerate(names):
            chosen = points[indices == index]
            # Scores of classes are shaded by class number, even where a class has no point.
            number = int(name) if scores.ndim == 2 and classes.dtype.kind in "iuf" else index
            color = style.CLASSES[number % len(style.CLASSES)]
            label = f"y = {name:g}" if classes.dtype.kind in "iuf" else f"y = {name}"
            ax.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=22,
                color=color,
                edgecolors=style.PAPER,
                linewidths=0.6,
                label=label,
                zorder=3,
            )
        ax.set_xlabel("x₁")
        ax.set_ylabel("x₂")
        ax.grid(False)
        ax.legend(frameon=True, framealpha=0.85, edgecolor="none", loc="best")
        ax.set_title(title or "")
    return ax


def _predictions(predict: Any, grid: NDArray[Any], as_columns: bool) -> NDArray[Any]:
    """Return the predictions for the points of the grid: (k,), or (k, classes)."""
    points = np.ascontiguousarray(grid.T) if as_columns else grid
    if callable(getattr(predict, "parameters", None)):
        import tinygrad_course as tc

        library: Any = tc
        with library.no_grad():
            scores = array(predict(library.tensor(points)))
    else:
        scores = array(predict(points))
    count = len(grid)
    if scores.shape in ((count,), (count, 1), (1, count)):
        return scores.reshape(count).astype(float)
    if as_columns and scores.ndim == 2 and scores.shape[1] == count:
        scores = scores.T
    if scores.ndim != 2 or scores.shape[0] != count:
        raise ArgumentError(
            f"viz.plot_decision_boundary: predict returned shape {scores.shape} for "
            f"{count} points; expected ({count},), ({count}, 1) or ({count}, classes)"
        )
    return scores


def _fill_scores(
    ax: Axes,
    axis0: NDArray[Any],
    axis1: NDArray[Any],
    scores: NDArray[Any],
    threshold: float | None,
) -> None:
    """Shade by prediction, amber below the threshold and blue above, with the line between."""
    if threshold is None:
        threshold = 0.5 if scores.min() >= 0 and scores.max() <= 1 else 0.0
    surface = scores.reshape(axis1.size, axis0.size)
    reach = 0.5 if threshold == 0.5 else float(np.abs(surface - threshold).max()) or 1.0
    ax.imshow(
        surface,
        cmap=style.diverging_colormap(),
        vmin=threshold - reach,
        vmax=threshold + reach,
        alpha=0.5,
        extent=_extent(axis0, axis1),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
    )
    if surface.min() < threshold < surface.max():
        ax.contour(axis0, axis1, surface, levels=[threshold], colors=style.INK, linewidths=1.6)


def _fill_classes(
    ax: Axes, axis0: NDArray[Any], axis1: NDArray[Any], winners: NDArray[Any], count: int
) -> None:
    from matplotlib.colors import ListedColormap

    surface = winners.reshape(axis1.size, axis0.size)
    colors = [style.CLASSES[index % len(style.CLASSES)] for index in range(count)]
    ax.imshow(
        surface,
        cmap=ListedColormap(colors),
        vmin=-0.5,
        vmax=count - 0.5,
        alpha=0.25,
        extent=_extent(axis0, axis1),
        origin="lower",
        aspect="auto",
    )
    for index in range(count):
        one_against_others = (surface == index).astype(float)
        if 0 < one_against_others.mean() < 1:
            ax.contour(
                axis0, axis1, one_against_others, levels=[0.5], colors=style.INK, linewidths=1.0
            )


def _extent(axis0: NDArray[Any], axis1: NDArray[Any]) -> tuple[float, float, float, float]:
    """Return the edges of an image of which each pixel lies on a point of the grid."""
    half0, half1 = (axis0[1] - axis0[0]) / 2, (axis1[1] - axis1[0]) / 2
    return axis0[0] - half0, axis0[-1] + half0, axis1[0] - half1, axis1[-1] + half1


def plot_gradient_flow(named: Any, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Plot the size of each parameter's gradient, ||dW|| for every W, on a logarithmic scale.

    Bars that shrink from layer to layer show vanishing gradients, bars that grow exploding ones.

    Args:
        named: `model.named_parameters()` or a dictionary: names with tensors whose `.grad` is
            meant, with gradients as arrays, or with norms. Their order is kept.
        ax: Axes to draw on.
        title: Title of the plot.

    Raises:
        ValueError: When there is no parameter.

    >>> ax = plot_gradient_flow({"W[1]": np.array([[3.0, 4.0]]), "b[1]": 0.5})
    >>> [text.get_text() for text in ax.texts]
    ['5', '0.5']
    """
    pairs = list(named.items() if isinstance(named, Mapping) else named)
    if not pairs:
        raise ArgumentError(
            "viz.plot_gradient_flow: got no parameters; expected names with gradients, "
            "such as model.named_parameters() after loss.backward()"
        )
    norms = [_norm(value) for _, value in pairs]
    drawable = [norm for norm in norms if norm is not None and 0 < norm < math.inf]
    low = min(drawable, default=0.1) / 4
    high = max(drawable, default=1.0)
    with style.plotting():
        ax = one(ax, 4.6, 0.34 * len(pairs) + 1.0)
        for place, norm in enumerate(norms):
            text, length = _bar(norm, low, high)
            trouble = norm is not None and not (0 < norm < math.inf)
            ax.barh(place, length - low, left=low, height=0.62, color=style.RED)
            ink = style.RED if trouble else style.MUTED
            ax.annotate(
                text,
                (length, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=ink,
            )
        ax.set_xscale("log")
        ax.set_xlim(low, high * (high / low) ** 0.22)
        ax.set_yticks(range(len(pairs)), [str(name) for name, _ in pairs])
        ax.invert_yaxis()
        ax.grid(False, axis="y")
        ax.tick_params(axis="y", length=0, labelcolor=style.INK)
        ax.set_xlabel("norm of the gradient")
        ax.set_title(title or "")
    return ax


def _norm(value: Any) -> float | None:
    """Return the norm of a gradient, or None when a tensor has none."""
    if hasattr(value, "grad"):
        value = value.grad
    if value is None:
        return None
    return float(np.linalg.norm(array(value).astype(float).ravel()))


def _bar(norm: float | None, low: float, high: float) -> tuple[str, float]:
    """Return the text beside a bar, and where the bar ends."""
    if norm is None:
        return "no gradient", low
    if math.isnan(norm):
        return "nan", low
    if math.isinf(norm):
        return "infinite", high
    return f"{norm:.3g}", max(norm, low)
