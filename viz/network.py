"""The layered picture of circles that every lecture on deep learning shows.

One column of circles per layer, thin lines for the weights, and under each column what the layer
is: its units, activation, the shapes of W and b, and how many numbers training adjusts.
`draw_network` needs only a list of sizes; of a model it looks at nothing but the attributes that
layers have by convention.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import ArgumentError, DtypeError
from viz import dot, style
from viz.axes import array
from viz.render import Drawing

MAX_LAYERS = 40
"""More columns than this do not fit on any page."""
MAX_WEIGHTED_LINES = 150
"""Above this number of lines, colour and thickness cannot be told apart."""

# All lengths in inches, because Graphviz reads fixed positions in inches.
_DIAMETER = 0.4
_PITCH = 0.54
_MIN_GAP = 1.7
_POINTS = 72.0
_LINE = "#c6ced8"

_ACTIVATIONS = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leakyrelu": "leaky ReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "swish": "SiLU",
    "mish": "Mish",
    "softplus": "softplus",
    "softsign": "softsign",
    "softmax": "softmax",
    "logsoftmax": "log softmax",
    "logsigmoid": "log sigmoid",
    "hardtanh": "hard tanh",
    "hardsigmoid": "hard sigmoid",
    "step": "step",
    "heaviside": "step",
    "sign": "sign",
    "identity": "linear",
    "linear": "linear",
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, slots=True)
class _Layer:
    """What the picture says about one layer."""

    inputs: int
    units: int
    activation: str | None
    weight_shape: str
    bias_shape: str | None
    parameters: int
    weights: NDArray[Any] | None  # (inputs, units)
    kernel: str = ""  # of a convolution, whose units are channels: "3×3"
    then: str = ""  # the pooling behind it


def draw_network(
    model_or_sizes: Any,
    max_neurons: int = 12,
    labels: bool = True,
    *,
    activations: Sequence[str | None] | None = None,
    weights: bool | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw a feed-forward network as columns of circles.

    Layer l computes a[l] = g(W[l] a[l-1] + b[l]), with a[0] = x and a[L] = ŷ. A convolution
    computes g(W[l] ∗ a[l-1] + b[l]): its column has a square for each channel, not a circle for
    each unit.

    Args:
        model_or_sizes: The number of units of each column, such as `[64, 25, 15, 1]`; or a model,
            of which the modules with `in_features` and `out_features`, or with `in_channels` and
            `out_channels`, are drawn, in order.
        max_neurons: A column with more units shows the first and the last of them, and dots.
        labels: Whether to write x₁, a₁, ŷ into the circles.
        activations: The name of each layer's activation, for a list of sizes; None for none.
        weights: Whether the lines show weights: blue positive, amber negative, thicker for
            larger. By default only for a model so small that every line can be followed.
        title: Line above the picture; by default the sizes and the number of parameters. An
            empty string leaves it out.

    Returns:
        The drawing. It has fixed positions (engine "neato").

    Raises:
        TypeError: When the first argument is neither a model nor a sequence of whole numbers.
        ValueError: For sizes below one, fewer than two columns, layers that do not fit
            together, or a model without dense layers and convolutions.

    >>> drawing = draw_network([2, 3, 1], activations=["tanh", "sigmoid"])
    >>> drawing.engine
    'neato'
    >>> "3 units, tanh" in drawing.source
    True
    """
    max_neurons = _whole_number("max_neurons", max_neurons)
    if max_neurons < 3:
        raise ArgumentError(
            f"draw_network: max_neurons is {max_neurons}; expected at least 3 (first, dots, last)"
        )
    if callable(getattr(model_or_sizes, "modules", None)):
        if activations is not None:
            raise ArgumentError(
                "draw_network: activations= goes with a list of sizes; a model has its own"
            )
        layers = _layers_of_model(model_or_sizes)
    else:
        layers = _layers_of_sizes(model_or_sizes, activations)
    if len(layers) > MAX_LAYERS:
        raise ArgumentError(
            f"draw_network: got {len(layers)} layers; at most {MAX_LAYERS} fit on a page. "
            "Draw a part of the model"
        )
    sizes = [layers[0].inputs, *(layer.units for layer in layers)]
    weighted = _decide_weights(weights, layers, sizes, max_neurons)
    return _draw(layers, sizes, max_neurons, labels, weighted, title)


def _whole_number(what: str, value: Any) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise DtypeError(f"draw_network: {what} is {value!r}; expected a whole number") from None


def _layers_of_sizes(sizes: Any, activations: Sequence[str | None] | None) -> list[_Layer]:
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Iterable):
        raise DtypeError(
            f"draw_network: got {type(sizes).__name__}; expected a model (with a method modules()) "
            "or the number of units of each column, such as [64, 25, 15, 1]"
        )
    units = [_whole_number(f"size {index}", size) for index, size in enumerate(sizes)]
    if len(units) < 2 or min(units) < 1:
        raise ArgumentError(
            f"draw_network: got the sizes {units}; expected two or more, each at least 1: "
            "the inputs, then the units of each layer"
        )
    if isinstance(activations, str):
        activations = [activations] * (len(units) - 1)
    if activations is not None and len(activations) != len(units) - 1:
        raise ArgumentError(
            f"draw_network: got {len(activations)} activations for {len(units) - 1} layers; "
            "expected one per layer (the inputs have none)"
        )
    names = activations if activations is not None else [None] * (len(units) - 1)
    return [
        _Layer(
            inputs=before,
            units=after,
            activation=name if name is None else _activation_name(name) or name,
            weight_shape=f"({after}×{before})",
            bias_shape=f"({after}×1)",
            parameters=after * before + after,
            weights=None,
        )
        for before, after, name in zip(units[:-1], units[1:], names, strict=True)
    ]


def _layers_of_model(model: Any) -> list[_Layer]:
    modules = list(model.modules())
    layers: list[_Layer] = []
    for index, module in enumerate(modules):
        if not _is_layer(module):
            continue
        activation = _own_activation(module)
        if activation is None:
            activation = _following_activation(modules[index + 1 :])
        if _is_convolution(module):
            pooling = _following_pooling(modules[index + 1 :])
            layers.append(_layer_of_convolution(module, activation, pooling))
        else:
            layers.append(_layer_of_module(module, activation))
    name = type(model).__name__
    if not layers:
        raise ArgumentError(
            f"draw_network: found no layer with in_features and out_features in {name}; it draws "
            "Dense and Linear layers and convolutions. viz.draw shows the graph of any model"
        )
    for number, (before, after) in enumerate(zip(layers, layers[1:], strict=False), start=2):
        flattened = before.kernel and not after.kernel and after.inputs % before.units == 0
        if before.units != after.inputs and not flattened:
            raise ArgumentError(
                f"draw_network: layer {number} of {name} takes {after.inputs} inputs, but layer "
                f"{number - 1} has {before.units} units; it draws layers that follow one another. "
                "viz.draw shows the graph of any model"
            )
    return layers


def _has_counts(module: Any, *names: str) -> bool:
    return all(isinstance(getattr(module, name, None), (int, np.integer)) for name in names)


def _is_convolution(module: Any) -> bool:
    return _has_counts(module, "in_channels", "out_channels") and hasattr(module, "kernel_size")


def _is_layer(module: Any) -> bool:
    return _has_counts(module, "in_features", "out_features") or _is_convolution(module)


def _activation_name(activation: Any) -> str | None:
    """Return how to write an activation, or None when this is not a known one."""
    if isinstance(activation, str):
        name = activation
    else:
        name = getattr(activation, "__name__", None) or type(activation).__name__
    return _ACTIVATIONS.get(name.replace("_", "").replace(" ", "").lower())


def _own_activation(module: Any) -> str | None:
    activation = getattr(module, "activation", None)
    if activation is None:
        return None
    known = _activation_name(activation)
    if known is not None:
        return known
    return activation if isinstance(activation, str) else getattr(activation, "__name__", "g")


def _following_activation(modules: Iterable[Any]) -> str | None:
    """Return the first activation among the modules before the next layer."""
    for module in modules:
        if _is_layer(module):
            return None
        known = _activation_name(module)
        if known is not None:
            return known
    return None


def _following_pooling(modules: Iterable[Any]) -> str:
    """Return how the first pooling before the next layer is written."""
    for module in modules:
        if _is_layer(module):
            return ""
        pooling = re.fullmatch(r"(?:Adaptive)?(Max|Avg)Pool\d?d?", type(module).__name__)
        if pooling is not None:
            kind = "max" if pooling[1] == "Max" else "average"
            size = getattr(module, "kernel_size", None)
            return f"{kind} pooling" + ("" if size is None else f" {_lengths(size, 2)}")
    return ""


def _lengths(size: Any, axes: int) -> str:
    lengths = size if isinstance(size, (tuple, list)) else (size,) * axes
    return "×".join(str(length) for length in lengths)


def _shape(array: NDArray[Any]) -> str:
    if array.ndim == 1:
        return f"({array.shape[0]},)"
    return f"({'×'.join(str(length) for length in array.shape)})"


def _layer_of_module(module: Any, activation: str | None) -> _Layer:
    inputs, units = int(module.in_features), int(module.out_features)
    weight = getattr(module, "weight", None)
    bias = getattr(module, "bias", None)
    matrix = None if weight is None else array(weight)
    vector = None if bias is None or isinstance(bias, bool) else array(bias)
    if matrix is not None and matrix.shape not in ((inputs, units), (units, inputs)):
        matrix = None
    return _Layer(
        inputs=inputs,
        units=units,
        activation=activation,
        weight_shape=f"({units}×{inputs})" if matrix is None else _shape(matrix),
        bias_shape=None if vector is None else _shape(vector),
        parameters=inputs * units + (0 if vector is None else vector.size),
        weights=None if matrix is None else _inputs_first(module, matrix, inputs, units),
    )


def _layer_of_convolution(module: Any, activation: str | None, pooling: str) -> _Layer:
    weight = array(module.weight)
    bias = None if getattr(module, "bias", None) is None else array(module.bias)
    return _Layer(
        inputs=int(module.in_channels),
        units=int(module.out_channels),
        activation=activation,
        weight_shape=_shape(weight),
        bias_shape=None if bias is None else _shape(bias),
        parameters=weight.size + (0 if bias is None else bias.size),
        weights=None,
        kernel=_lengths(module.kernel_size, weight.ndim - 2),
        then=pooling,
    )


def _inputs_first(module: Any, matrix: NDArray[Any], inputs: int, units: int) -> NDArray[Any]:
    """Return the weights as (inputs, units), whichever way the layer stores them."""
    if inputs != units:
        return matrix if matrix.shape == (inputs, units) else matrix.T
    # A square matrix does not tell; Dense says it in `layout`, Linear is always (out, in).
    return matrix if getattr(module, "layout", "columns") == "rows" else matrix.T


def _decide_weights(
    wanted: bool | None, layers: list[_Layer], sizes: list[int], max_neurons: int
) -> bool:
    known = all(layer.weights is not None for layer in layers)
    if wanted is None:
        lines = sum(layer.inputs * layer.units for layer in layers)
        return known and max(sizes) <= max_neurons and lines <= MAX_WEIGHTED_LINES
    if wanted and not known:
        raise ArgumentError(
            "draw_network: weights=True needs a model whose layers have a weight matrix; "
            "a list of sizes has none"
        )
    return wanted


def _shown(count: int, most: int) -> tuple[list[int], list[int]]:
    """Return the units above and below the dots; nothing below when all fit.

    >>> _shown(3, 12)
    ([0, 1, 2], [])
    >>> _shown(64, 5)
    ([0, 1], [62, 63])
    """
    if count <= most:
        return list(range(count)), []
    above = math.ceil((most - 1) / 2)
    below = most - 1 - above
    return list(range(above)), list(range(count - below, count))


def _caption(number: int, layers: list[_Layer]) -> list[tuple[str, str, bool]]:
    """Return the lines under a column as (text, colour, bold)."""
    if number == 0:
        inputs = layers[0].inputs
        count = f"{inputs} {'channel' if layers[0].kernel else 'input'}" + "s" * (inputs != 1)
        return [("a[0] = x", style.INK, True), (count, style.MUTED, False)]
    layer = layers[number - 1]
    name = f"a[{number}] = ŷ" if number == len(layers) else f"a[{number}]"
    units = f"{layer.units} {'channel' if layer.kernel else 'unit'}" + "s" * (layer.units != 1)
    if layer.activation is not None:
        units += f", {layer.activation}"
    if layer.then:
        units += f", {layer.then}"
    shapes = f"W[{number}] {layer.weight_shape}"
    if layer.bias_shape is not None:
        shapes += f", b[{number}] {layer.bias_shape}"
    count = f"{_count(layer.parameters)} parameter" + ("s" if layer.parameters != 1 else "")
    return [
        (name, style.INK, True),
        (f"layer {number}: {units}", style.MUTED, False),
        (shapes, style.GREEN, False),
        (count, style.GREEN, False),
    ]


def _count(number: int) -> str:
    return f"{number:,}" if number >= 10_000 else str(number)


def _width(lines: list[tuple[str, str, bool]]) -> float:
    """Return about how wide a caption is, in inches (the letters are half as wide as high)."""
    return max(len(text) for text, _, _ in lines) * 0.52 * style.SIZE_TINY / _POINTS


def _at(x: float, y: float) -> str:
    return f"{x:.3f},{y:.3f}!"


def _draw(
    layers: list[_Layer],
    sizes: list[int],
    max_neurons: int,
    labels: bool,
    weighted: bool,
    title: str | None,
) -> Drawing:
    captions = [_caption(number, layers) for number in range(len(sizes))]
    columns = [_shown(size, max_neurons) for size in sizes]
    tallest = max(_slots(column) for column in columns)
    height = (tallest - 1) * _PITCH + _DIAMETER
    gap = _gap(captions, height)
    drawing = Drawing(
        "network",
        engine="neato",
        graph_attr=dot.graph_style(layout="neato", splines="line", outputorder="edgesfirst"),
        node_attr=dot.node_style(),
        edge_attr=dot.edge_style(arrowhead="none", color=_LINE, penwidth="0.7"),
    )
    for number, column in enumerate(columns):
        channels = bool(layers[max(number - 1, 0)].kernel)
        _draw_column(drawing, number, column, number * gap, sizes, labels, channels)
    for number, layer in enumerate(layers, start=1):
        _draw_lines(drawing, number, layer, columns, weighted)
    middle = (len(sizes) - 1) * gap / 2
    heading = _heading(sizes, layers) if title is None else title
    if heading:
        label = dot.html(dot.span(heading, size=style.SIZE, bold=True))
        drawing.node("title", shape="plain", label=label, pos=_at(middle, height / 2 + 0.35))
    rows = max(len(lines) for lines in captions)
    caption_height = (style.SIZE + (rows - 1) * style.SIZE_TINY) * 1.5 / _POINTS
    y = -height / 2 - 0.2 - caption_height / 2
    for number, lines in enumerate(captions):
        _draw_caption(drawing, f"caption{number}", lines, rows, _at(number * gap, y))
    if weighted:
        explained = dot.join(
            dot.span("positive", color=style.POSITIVE, size=style.SIZE_TINY, bold=True),
            dot.span(" and ", color=style.MUTED, size=style.SIZE_TINY),
            dot.span("negative", color=style.NEGATIVE, size=style.SIZE_TINY, bold=True),
            dot.span(" weights, thicker for larger", color=style.MUTED, size=style.SIZE_TINY),
        )
        place = _at(middle, y - caption_height / 2 - 0.2)
        drawing.node("explained", shape="plain", label=dot.html(explained), pos=place)
    return drawing


def _heading(sizes: list[int], layers: list[_Layer]) -> str:
    total = sum(layer.parameters for layer in layers)
    network = "-".join(str(size) for size in sizes)
    kind = "convolutional network" if any(layer.kernel for layer in layers) else "network"
    return f"{network} {kind}, {_count(total)} parameters"


def _gap(captions: list[list[tuple[str, str, bool]]], height: float) -> float:
    """Return the distance of columns: captions must not touch, nor lines be too steep."""
    widths = [_width(lines) for lines in captions]
    touching = max((a + b) / 2 for a, b in zip(widths, widths[1:], strict=False))
    return max(_MIN_GAP, touching + 0.25, 0.36 * height)


def _slots(column: tuple[list[int], list[int]]) -> int:
    above, below = column
    return len(above) + (1 + len(below) if below else 0)


def _places(column: tuple[list[int], list[int]]) -> Iterator[tuple[int | None, float]]:
    """Return each shown unit, and None for the dots, with its y; the middle is 0."""
    above, below = column
    units: list[int | None] = [*above, None, *below] if below else [*above]
    top = (len(units) - 1) / 2 * _PITCH
    for slot, unit in enumerate(units):
        yield unit, top - slot * _PITCH


def _draw_column(
    drawing: Drawing,
    number: int,
    column: tuple[list[int], list[int]],
    x: float,
    sizes: list[int],
    labels: bool,
    channels: bool,
) -> None:
    shades = style.tone("data" if number == 0 else "forward")
    for unit, y in _places(column):
        if unit is None:
            _draw_dots(drawing, number, x, y)
            continue
        text = _unit_name(number, unit, sizes) if labels else " "
        size = 10.5 if len(text) <= 3 else 8.5 if len(text) <= 4 else 6.5
        drawing.node(
            _unit_id(number, unit),
            label=dot.html(dot.span(text, color=shades.line, size=size)),
            shape="square" if channels else "circle",
            style="filled",
            fixedsize="true",
            width=f"{_DIAMETER:g}",
            color=shades.line,
            fillcolor=shades.fill,
            penwidth="1.2",
            margin="0",
            pos=_at(x, y),
        )


def _unit_id(number: int, unit: int) -> str:
    return f"a{number}_{unit + 1}"


def _unit_name(number: int, unit: int, sizes: list[int]) -> str:
    last = number == len(sizes) - 1
    letter = "x" if number == 0 else "ŷ" if last else "a"
    if last and sizes[number] == 1:
        return letter
    return letter + str(unit + 1).translate(_SUBSCRIPTS)


def _draw_dots(drawing: Drawing, number: int, x: float, y: float) -> None:
    for index, offset in enumerate((0.12, 0.0, -0.12)):
        drawing.node(
            f"dots{number}_{index}",
            shape="circle",
            style="filled",
            fixedsize="true",
            width="0.045",
            color=style.MUTED,
            fillcolor=style.MUTED,
            pos=_at(x, y + offset),
        )


def _draw_lines(
    drawing: Drawing,
    number: int,
    layer: _Layer,
    columns: list[tuple[list[int], list[int]]],
    weighted: bool,
) -> None:
    """Draw one line per weight between shown units; `weighted` ones say sign and size."""
    largest = 0.0
    if weighted and layer.weights is not None:
        finite = np.abs(layer.weights[np.isfinite(layer.weights)])
        largest = float(finite.max(initial=0.0))
    before = columns[number - 1][0] + columns[number - 1][1]
    after = columns[number][0] + columns[number][1]
    for source in before:
        for target in after:
            look: dict[str, str] = {}
            if weighted and layer.weights is not None:
                look = _line_look(float(layer.weights[source, target]), largest)
            drawing.edge(_unit_id(number - 1, source), _unit_id(number, target), **look)


def _line_look(weight: float, largest: float) -> dict[str, str]:
    if not math.isfinite(weight):
        return {"color": style.RED, "style": "dashed", "penwidth": "1.5"}
    share = abs(weight) / largest if largest > 0 else 0.0
    color = style.POSITIVE if weight >= 0 else style.NEGATIVE
    opacity = round(70 + 160 * share)
    return {"color": f"{color}{opacity:02x}", "penwidth": f"{0.3 + 2.9 * share:.2f}"}


def _draw_caption(
    drawing: Drawing, name: str, lines: list[tuple[str, str, bool]], rows: int, place: str
) -> None:
    # Empty rows below keep the first lines of all captions at one height.
    padded = [*lines, *[(" ", style.MUTED, False)] * (rows - len(lines))]
    markup = [
        dot.span(text, color=color, size=style.SIZE if bold else style.SIZE_TINY, bold=bold)
        for text, color, bold in padded
    ]
    label = dot.html(dot.table(markup, padding=0, margin=2))
    drawing.node(name, shape="plain", label=label, pos=place)
