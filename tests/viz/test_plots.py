"""Plots show the numbers they are given, on the axes they are given."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import viz
from viz import style

pytest.importorskip("matplotlib")

from matplotlib import colors, rcParams  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

HISTORY = {
    "epoch": [1, 2, 3],
    "loss": [0.7, 0.4, 0.2],
    "val_loss": [0.8, 0.5, 0.3],
    "accuracy": [0.5, 0.8, 1.0],
    "lr": [0.1, 0.1, 0.1],
}
SQUARE = {"square": (lambda z: z**2, lambda z: 2 * z)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lines(ax: Axes) -> dict[str, list[float]]:
    named = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): list(line.get_ydata()) for line in named}


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def test_history_has_loss_and_accuracy_side_by_side():
    result = viz.plot_history(HISTORY)
    loss, accuracy = result.figure.axes
    assert result is loss
    assert lines(loss) == {"loss": [0.7, 0.4, 0.2], "validation loss": [0.8, 0.5, 0.3]}
    assert lines(accuracy) == {"accuracy": [0.5, 0.8, 1.0]}
    assert list(loss.lines[0].get_xdata()) == [1, 2, 3]
    assert loss.lines[0].get_color() == loss.lines[1].get_color() == style.AMBER
    assert loss.lines[1].get_linestyle() == "--"


def test_history_object_and_loss_alone():
    class History:
        history = {"loss": [0.5]}

    result = viz.plot_history(History())
    assert len(result.figure.axes) == 1
    assert lines(result) == {"loss": [0.5]}


def test_history_with_gaps_and_large_range():
    result = viz.plot_history({"loss": [1000.0, 1.0], "val_loss": [None, 2.0]})
    assert result.get_yscale() == "log"
    assert np.isnan(lines(result)["validation loss"][0])
    assert viz.plot_history({"loss": [np.nan, np.inf]}).get_yscale() == "linear"


def test_history_on_given_axes(ax):
    assert viz.plot_history({"loss": [1, 2]}, ax=ax) is ax
    assert lines(ax) == {"loss": [1, 2]}
    pair = Figure().subplots(1, 2)
    assert viz.plot_history(HISTORY, ax=pair) is pair[0]
    assert list(lines(pair[1])) == ["accuracy"]
    frame = Figure().add_subplot()
    assert viz.plot_history(HISTORY, ax=frame) is frame
    assert len(frame.child_axes) == 2
    with pytest.raises(ValueError, match="got 1 axes; expected 2"):
        viz.plot_history(HISTORY, ax=[ax])


def test_history_that_is_none():
    with pytest.raises(ValueError, match="no values"):
        viz.plot_history({"loss": []})
    with pytest.raises(TypeError, match="got int"):
        viz.plot_history(3)


def test_activations_and_derivatives():
    functions = {
        "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
        "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    }
    result = viz.plot_activations(functions, limit=2)
    left, right = result.figure.axes
    assert (left.get_title(), right.get_title()) == ("sigmoid", "tanh")
    z = np.linspace(-2, 2, 401)
    np.testing.assert_allclose(lines(left)["g(z)"], sigmoid(z))
    # tanh'(0) is four times sigmoid'(0): both panels have the same scale, so that it shows.
    assert lines(right)["g′(z)"][200] == pytest.approx(4 * lines(left)["g′(z)"][200])
    assert left.get_ylim() == right.get_ylim()


def test_derivative_that_jumps_is_not_joined():
    relu = {"ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float))}
    slope = lines(viz.plot_activations(relu))["g′(z)"]
    assert np.isnan(slope).sum() == 1
    assert slope[0] == 0
    assert slope[-1] == 1


def test_activations_of_the_library():
    axes = viz.plot_activations().figure.axes
    titles = [ax.get_title() for ax in axes]
    assert titles == ["sigmoid", "tanh", "ReLU", "leaky ReLU", "ELU", "softplus"]
    z = np.linspace(-4, 4, 401)
    np.testing.assert_allclose(lines(axes[5])["g′(z)"], sigmoid(z), atol=1e-6)
    np.testing.assert_allclose(lines(axes[1])["g′(z)"], 1 - np.tanh(z) ** 2, atol=1e-6)
    # A function of NumPy is recorded when it is called on a tensor, and so has a derivative too.
    slope = lines(viz.plot_activations({"sin": np.sin}))["g′(z)"]
    np.testing.assert_allclose(slope, np.cos(z), atol=1e-6)
    with pytest.raises(ValueError, match="no function 'reluu'"):
        viz.plot_activations(["reluu"])


def test_activations_need_a_function():
    with pytest.raises(ValueError, match="no function"):
        viz.plot_activations({})


def test_images_mark_errors_red_and_correct_ones_blue():
    images = np.random.default_rng(0).random((5, 8, 8))
    result = viz.plot_images(images, labels=[0, 1, 0, 1, 1], predictions=[0, 1, 1, 1, 1])
    frames = [colors.to_hex(patch.get_edgecolor()) for patch in result.patches]
    assert frames == [style.BLUE, style.BLUE, style.RED, style.BLUE, style.BLUE]
    assert [text.get_text() for text in result.texts] == ["0", "1", "1, not 0", "1", "1"]
    assert result.get_title() == "4 of 5 right"
    assert len(result.images) == 5
    np.testing.assert_array_equal(result.images[3].get_array(), images[3])


@pytest.mark.parametrize("shape", [(3, 64), (3, 8, 8), (3, 8, 8, 1), (3, 8, 8, 3), (3, 4, 9)])
def test_images_of_any_layout(shape, ax):
    result = viz.plot_images(np.zeros(shape), columns=2, ax=ax)
    assert result is ax
    assert len(ax.images) == 3


def test_images_are_limited_and_labels_may_be_columns():
    result = viz.plot_images(np.zeros((70, 4)), labels=np.zeros((70, 1)), limit=10)
    assert len(result.images) == 10
    assert result.get_title() == "the first 10 of 70"
    assert result.texts[0].get_text() == "0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 63)),), "shape \\(3, 63\\)"),
        ((np.zeros((0, 64)),), "m at least 1"),
        ((np.zeros((3, 64)), [0, 1]), "labels of shape \\(2,\\) for 3 images"),
        ((np.zeros((3, 64)), None, [0.2, 0.9, 0.5]), "probabilities into classes"),
        ((np.zeros((3, 64)), None, np.zeros((3, 10))), "one class per image"),
    ],
)
def test_bad_images(arguments, message):
    with pytest.raises(ValueError, match=message):
        viz.plot_images(*arguments)


@pytest.mark.parametrize("shape", [(64, 25), (25, 64)])
def test_weights_of_either_layout(shape):
    matrix = np.arange(64 * 25, dtype=float).reshape(shape)
    result = viz.plot_weights(matrix, (8, 8))
    first = matrix[:, 0] if shape == (64, 25) else matrix[0]
    np.testing.assert_array_equal(result.images[0].get_array(), first.reshape(8, 8))
    assert len(result.images) == 25
    assert result.images[0].get_clim() == (-1599, 1599)


def test_weights_of_a_square_matrix_follow_layout():
    matrix = np.arange(16.0).reshape(4, 4)
    rows = viz.plot_weights(matrix, (2, 2))
    columns = viz.plot_weights(matrix, (2, 2), layout="columns")
    np.testing.assert_array_equal(rows.images[0].get_array(), matrix[:, 0].reshape(2, 2))
    np.testing.assert_array_equal(columns.images[0].get_array(), matrix[0].reshape(2, 2))
    with pytest.raises(ValueError, match=r"expected \(9, units\)"):
        viz.plot_weights(matrix, (3, 3))


def test_boundary_lies_where_the_prediction_changes(ax):
    X = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])

    def predict(points):
        assert points.shape[1] == 2
        return sigmoid(20 * (points[:, :1] - 0.3))

    result = viz.plot_decision_boundary(predict, X, [0, 1, 0, 1], ax=ax)
    assert result is ax
    (contour,) = [c for c in ax.collections if hasattr(c, "levels")]
    assert list(contour.levels) == [0.5]
    vertices = contour.get_paths()[0].vertices
    np.testing.assert_allclose(vertices[:, 0], 0.3, atol=1e-3)


def test_boundary_of_scores_around_zero_and_labels_of_minus_one():
    X = np.array([[-1.0, 0.0], [1.0, 0.0]])
    result = viz.plot_decision_boundary(lambda p: p[:, 0], X, [-1, 1])
    (contour,) = [c for c in result.collections if hasattr(c, "levels")]
    assert list(contour.levels) == [0.0]
    assert [text.get_text() for text in result.get_legend().get_texts()] == ["y = -1", "y = 1"]


def test_boundary_with_examples_in_columns():
    X = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 0.0]])

    def predict(points):
        assert points.shape[0] == 2
        return points[:1] > 0.5

    viz.plot_decision_boundary(predict, X, np.array([[0, 1, 1]]))


def test_boundary_of_several_classes_and_of_one():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
    result = viz.plot_decision_boundary(lambda p: np.c_[p, -p.sum(axis=1)], X, [0, 1, 2])
    assert len(result.images) == 1
    constant = viz.plot_decision_boundary(lambda p: np.full(len(p), 0.9), X, [1, 1, 1])
    assert not [c for c in constant.collections if hasattr(c, "levels")]


def test_bad_boundary():
    X = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"X of shape \(4, 3\)"):
        viz.plot_decision_boundary(lambda p: p, np.zeros((4, 3)), [0] * 4)
    with pytest.raises(ValueError, match=r"predict returned shape \(3,\)"):
        viz.plot_decision_boundary(lambda p: np.zeros(3), X, [0] * 4)


def test_gradient_flow_tells_what_is_wrong():
    class Parameter:
        def __init__(self, grad):
            self.grad = grad

    named = [
        ("W[1]", Parameter(np.array([[3.0, 4.0]]))),
        ("b[1]", Parameter(np.zeros(3))),
        ("W[2]", Parameter(None)),
        ("b[2]", Parameter(np.array([np.nan]))),
        ("W[3]", Parameter(np.array([np.inf]))),
    ]
    result = viz.plot_gradient_flow(iter(named))
    texts = [text.get_text() for text in result.texts]
    assert texts == ["5", "0", "no gradient", "nan", "infinite"]
    labels = [label.get_text() for label in result.get_yticklabels()]
    assert labels == ["W[1]", "b[1]", "W[2]", "b[2]", "W[3]"]
    result.figure.savefig(io.BytesIO())
    with pytest.raises(ValueError, match="no parameters"):
        viz.plot_gradient_flow({})


def test_user_settings_come_back_and_pyplot_stays_out():
    before = dict(rcParams)
    viz.plot_history(HISTORY)
    assert dict(rcParams) == before
    program = (
        "import io, sys, viz; ax = viz.plot_history({'loss': [1, 2]});"
        "ax.figure.savefig(io.BytesIO()); print('matplotlib.pyplot' in sys.modules)"
    )
    root = Path(viz.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "False"


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_course\[viz\]"'):
        viz.plot_history(HISTORY)


@pytest.mark.parametrize("role", style.ROLES)
def test_colours_are_opaque_and_readable(role):
    shades = style.tone(role)
    line, fill = (np.array(colors.to_rgb(shade)) for shade in (shades.line, shades.fill))
    assert line.mean() + 0.25 < fill.mean()
