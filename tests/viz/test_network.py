"""The layered picture: what is drawn where, and what its captions say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from viz import style
from viz.network import draw_network
from viz.render import Drawing


class Module:
    """As much of a module as the picture looks at."""

    def __init__(self, *children):
        self.children = children

    def modules(self):
        yield self
        for child in self.children:
            yield from child.modules()


class Sequential(Module):
    pass


class Sigmoid(Module):
    pass


class LeakyReLU(Module):
    pass


class Dropout(Module):
    pass


class Tensor:
    """A tensor that has to be detached before it gives its numbers."""

    def __init__(self, data, free=False):
        self._data, self._free = data, free

    def detach(self):
        return Tensor(self._data, free=True)

    def numpy(self):
        assert self._free
        return self._data


class Dense(Module):
    def __init__(self, in_features, out_features, activation=None, bias=True, layout="rows"):
        super().__init__(*([activation] if isinstance(activation, Module) else []))
        self.in_features, self.out_features = in_features, out_features
        self.activation, self.layout = activation, layout
        rows = layout == "rows"
        shape = (in_features, out_features) if rows else (out_features, in_features)
        weight = np.arange(1.0, in_features * out_features + 1).reshape(shape)
        self.weight = Tensor(weight)
        bias_shape = (out_features,) if rows else (out_features, 1)
        self.bias = Tensor(np.zeros(bias_shape)) if bias else None


class Linear(Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = np.ones((out_features, in_features))
        self.bias = np.ones(out_features)


def units(drawing: Drawing) -> list[str]:
    """Return the identifiers of the circles, in order."""
    return re.findall(r"^\t(a\d+_\d+) \[", drawing.source, flags=re.MULTILINE)


def lines(drawing: Drawing) -> list[tuple[str, str]]:
    return re.findall(r"^\t(a\d+_\d+) -> (a\d+_\d+)", drawing.source, flags=re.MULTILINE)


def texts(drawing: Drawing) -> str:
    """Return what can be read in the picture, without markup."""
    return re.sub(r"<[^<>]*>", "|", drawing.source)


def test_lecture_network():
    drawing = draw_network([64, 25, 15, 1], activations=["sigmoid"] * 3)
    read = texts(drawing)
    assert "64-25-15-1 network, 2031 parameters" in read
    for expected in (
        "a[0] = x",
        "64 inputs",
        "layer 1: 25 units, sigmoid",
        "W[1] (25×64), b[1] (25×1)",
        "1625 parameters",
        "390 parameters",
        "layer 3: 1 unit, sigmoid",
        "W[3] (1×15), b[3] (1×1)",
        "16 parameters",
        "a[3] = ŷ",
    ):
        assert f"|{expected}|" in read


def test_tall_columns_show_first_dots_and_last():
    drawing = draw_network([64, 3, 1], max_neurons=5)
    names = units(drawing)
    assert [name for name in names if name.startswith("a0")] == ["a0_1", "a0_2", "a0_63", "a0_64"]
    assert drawing.source.count("\tdots0_") == 3
    assert "dots1_" not in drawing.source
    assert len(lines(drawing)) == 4 * 3 + 3
    assert "x₆₄" in drawing.source


@pytest.mark.parametrize(("size", "shown"), [(11, 11), (12, 12), (13, 11), (10**9, 11)])
def test_number_of_circles(size, shown):
    names = units(draw_network([size, 1]))
    assert sum(name.startswith("a0_") for name in names) == shown


def test_columns_are_centred_and_evenly_spaced():
    drawing = draw_network([5, 3, 1])
    places: dict[str, list[tuple[float, float]]] = {}
    pattern = r'^\t(a\d+)_\d+ \[.*pos="([-\d.]+),([-\d.]+)!"'
    for column, x, y in re.findall(pattern, drawing.source, flags=re.MULTILINE):
        places.setdefault(column, []).append((float(x), float(y)))
    assert [len(column) for column in places.values()] == [5, 3, 1]
    for column in places.values():
        assert len({x for x, _ in column}) == 1
        assert sum(y for _, y in column) == pytest.approx(0)
    xs = [column[0][0] for column in places.values()]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.002)


def test_labels_can_be_left_out():
    assert "x₁" in draw_network([2, 1]).source
    assert "x₁" not in draw_network([2, 1], labels=False).source


def test_model_with_own_and_following_activations():
    model = Sequential(
        Dense(2, 4, "relu"), Dropout(), Dense(4, 3), Dropout(), LeakyReLU(), Dense(3, 1, Sigmoid())
    )
    read = texts(draw_network(model))
    assert "layer 1: 4 units, ReLU" in read
    assert "layer 2: 3 units, leaky ReLU" in read
    assert "layer 3: 1 unit, sigmoid" in read
    assert "W[1] (2×4), b[1] (4,)" in read


def test_activation_given_as_function_and_none_at_all():
    def my_own(z):
        return z

    assert "1 unit, tanh" in texts(draw_network(Sequential(Dense(2, 1, np.tanh))))
    assert "1 unit, my_own" in texts(draw_network(Sequential(Dense(2, 1, my_own))))
    assert "|layer 1: 1 unit|" in texts(draw_network(Sequential(Dense(2, 1))))


def test_shapes_are_those_of_the_model():
    read = texts(draw_network(Sequential(Dense(2, 3, layout="columns", bias=False), Linear(3, 1))))
    assert "|W[1] (3×2)|" in read
    assert "W[2] (1×3), b[2] (1,)" in read
    assert "2-3-1 network, 10 parameters" in read


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_lines_show_the_right_weights(layout):
    layer = Dense(2, 2, layout=layout)
    matrix = np.array([[4.0, -1.0], [0.0, 2.0]])  # row: input, column: unit
    layer.weight = Tensor(matrix if layout == "rows" else matrix.T)
    source = draw_network(Sequential(layer)).source
    strong = re.search(r'a0_1 -> a1_1 \[color="(.{9})" penwidth=3.20\]', source)
    negative = re.search(r'a0_1 -> a1_2 \[color="(.{9})" penwidth=1.0\d\]', source)
    assert strong is not None and strong[1].startswith(style.POSITIVE)
    assert negative is not None and negative[1].startswith(style.NEGATIVE)
    assert re.search(r'a0_2 -> a1_1 \[color="(.{9})" penwidth=0.30\]', source)


def test_weights_are_left_out_when_too_many():
    assert "positive" not in draw_network(Sequential(Dense(16, 16))).source
    assert "positive" in draw_network(Sequential(Dense(3, 1))).source
    assert "positive" not in draw_network(Sequential(Dense(3, 1)), weights=False).source
    assert "positive" in draw_network(Sequential(Dense(16, 16)), weights=True).source
    with pytest.raises(ValueError, match="a list of sizes has none"):
        draw_network([2, 1], weights=True)


def test_weights_that_are_zero_or_not_numbers():
    layer = Dense(2, 2)
    layer.weight = Tensor(np.array([[np.nan, np.inf], [0.0, 0.0]]))
    source = draw_network(Sequential(layer)).source
    assert source.count("style=dashed") == 2


def test_title():
    assert "|my &lt;network&gt;|" in texts(draw_network([2, 1], title="my <network>"))
    assert "title" not in draw_network([2, 1], title="").source


def test_hostile_activation_is_escaped():
    svg = draw_network([2, 1], activations=["<<B>x</B>>"]).pipe("svg", encoding="utf-8")
    assert "&lt;&lt;B&gt;x&lt;/B&gt;&gt;" in svg


@pytest.mark.parametrize("engine", ["neato"])
@pytest.mark.parametrize("format", ["svg", "png"])
def test_it_renders(engine, format, tmp_path):
    drawing = draw_network([64, 25, 15, 1])
    assert drawing.engine == engine
    drawing.render(tmp_path / f"network.{format}")
    assert (tmp_path / f"network.{format}").stat().st_size > 5_000


def test_positions_are_kept_by_the_layout():
    svg = draw_network([3, 1]).pipe("svg", encoding="utf-8")
    circles = re.findall(r'<ellipse [^>]*cx="([-\d.]+)" cy="([-\d.]+)" rx="14.4', svg)
    assert len(circles) == 4
    xs = [float(x) for x, _ in circles]
    ys = [float(y) for _, y in circles]
    assert xs[0] == xs[1] == xs[2] < xs[3]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.02)
    assert ys[3] == pytest.approx(ys[1], abs=0.02)


def test_same_network_same_text():
    model = Sequential(Dense(3, 2), Sigmoid())
    assert draw_network(model).source == draw_network(model).source
    assert draw_network([3, 2]).source == draw_network(np.array([3, 2])).source


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ([3], ValueError, "two or more"),
        ([], ValueError, "two or more"),
        ([3, 0, 1], ValueError, "each at least 1"),
        ([3, 2.5], TypeError, "size 1 is 2.5"),
        ([True, 2], TypeError, "size 0 is True"),
        ("64-25", TypeError, "got str; expected a model"),
        (7, TypeError, "got int; expected a model"),
        ([2] * 100, ValueError, "at most 40"),
        (Sequential(Sigmoid()), ValueError, "found no layer .* in Sequential"),
        (Sequential(Dense(2, 3), Dense(4, 1)), ValueError, "layer 2 .* takes 4 inputs"),
    ],
)
def test_bad_networks(argument, error, message):
    with pytest.raises(error, match=message):
        draw_network(argument)


def test_bad_options():
    with pytest.raises(ValueError, match="2 activations for 1 layers"):
        draw_network([2, 1], activations=["a", "b"])
    with pytest.raises(ValueError, match="at least 3"):
        draw_network([2, 1], max_neurons=2)
    with pytest.raises(TypeError, match=r"max_neurons is 2\.5"):
        draw_network([2, 1], max_neurons=2.5)
    with pytest.raises(ValueError, match="a model has its own"):
        draw_network(Sequential(Dense(2, 1)), activations=["relu"])


def test_a_convolutional_network():
    from tinygrad_course import nn

    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, (3, 2), bias=False),
        nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    text = draw_network(model).source
    # 4 · 9 + 4, 6 · 4 · 6, and 24 · 10 + 10 parameters
    assert "1-4-6-10 convolutional network, 434 parameters" in text
    assert "layer 1: 4 channels, ReLU, max pooling 2×2" in text
    assert "W[1] (4×1×3×3), b[1] (4,)" in text and "W[2] (6×4×3×2)" in text
    assert text.count("shape=square") == 1 + 4 + 6
    with pytest.raises(ValueError, match="layer 2 of Sequential takes 3 inputs"):
        draw_network(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(3, 4, 3)))
