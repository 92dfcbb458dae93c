"""Dense, Linear, Flatten: shapes, gradients, and messages for inputs that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError, StateDictError
from tinygrad_course.nn import functional as F

ACTIVATIONS = (
    "sigmoid tanh relu leaky_relu elu softplus gelu silu swish softmax log_softmax linear".split()
)


def layer_of(activation: Any, layout: str, bias: bool = True) -> Any:
    layer = nn.Dense(3, 4, activation, bias, layout, dtype=tc.float64)
    if bias:
        nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_agree_with_differences(activation: str, layout: str) -> None:
    layer = layer_of(activation, layout)
    x = np.random.default_rng(1).normal(size=(5, 3) if layout == "rows" else (3, 5))
    weights = np.random.default_rng(2).normal(size=(5, 4) if layout == "rows" else (4, 5))

    def f(x: Any, W: Any, b: Any) -> Any:
        layer.set_weights([W, b])
        return (layer(x).numpy() * weights).sum()

    points = [x, layer.weight.numpy().copy(), layer.bias.numpy().copy()]
    expected = differences(f, points)
    layer.set_weights(points[1:])
    leaf = tc.tensor(x, requires_grad=True)
    (layer(leaf) * weights).sum().backward()
    got = [leaf.grad, layer.W.grad, layer.b.grad]
    for name, g, e in zip(("dX", "dW", "db"), got, expected, strict=True):
        assert_close(g.numpy(), e, 1e-8, name)


def test_rows_and_columns_by_hand() -> None:
    X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    W = np.array([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0]])
    b = np.array([0.1, 0.2, 0.3])
    rows = nn.Dense(2, 3, dtype=tc.float64)
    rows.set_weights([W, b])
    np.testing.assert_allclose(rows(X).numpy(), X @ W + b)
    columns = nn.Dense(2, 3, layout="columns", dtype=tc.float64)
    columns.set_weights([W.T, b.reshape(3, 1)])
    np.testing.assert_allclose(columns(X.T).numpy(), (X @ W + b).T)
    assert rows.b.shape == (3,) and columns.b.shape == (3, 1)


def test_softmax_runs_over_the_units_in_both_layouts() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    for given in ("softmax", tc.softmax, F.softmax):
        rows = nn.Dense(3, 4, given)(x)
        np.testing.assert_allclose(rows.numpy().sum(axis=1), np.ones(5), rtol=1e-6)
        columns = nn.Dense(3, 4, given, layout="columns")(x.T)
        np.testing.assert_allclose(columns.numpy().sum(axis=0), np.ones(5), rtol=1e-6)
    logs = nn.Dense(3, 4, "log_softmax", layout="columns")(x.T)
    np.testing.assert_allclose(np.exp(logs.numpy()).sum(axis=0), np.ones(5), rtol=1e-6)


def test_one_example_and_stacks() -> None:
    layer = layer_of("tanh", "rows")
    X = np.random.default_rng(0).normal(size=(2, 5, 3))
    whole = layer(X).numpy()
    assert whole.shape == (2, 5, 4)
    np.testing.assert_allclose(layer(X[1, 2]).numpy(), whole[1, 2], rtol=1e-14)
    linear = nn.Linear(3, 4, dtype=tc.float64)
    np.testing.assert_allclose(linear(X[1, 2]).numpy(), linear(X).numpy()[1, 2], rtol=1e-14)
    np.testing.assert_allclose(
        F.linear(X, linear.weight, linear.bias).numpy(), linear(X).numpy(), rtol=1e-14
    )


def test_without_bias() -> None:
    for layer in (layer_of(None, "rows", bias=False), nn.Linear(3, 4, bias=False)):
        assert layer.bias is None and layer.b is None
        assert [n for n, _ in layer.named_parameters()] == ["weight"]
        assert layer(np.zeros((1, 3))).tolist() == [[0.0] * 4]
    assert "bias=False" in repr(layer)


def test_weights_may_be_replaced_under_either_name() -> None:
    layer = nn.Dense(2, 1)
    layer.W = nn.Parameter([[1.0], [2.0]])
    layer.b = nn.Parameter([3.0])
    assert layer([[1.0, 1.0]]).tolist() == [[6.0]]
    assert layer.weight is layer.W and len(list(layer.parameters())) == 2


def test_activation_given_as_a_module_with_parameters_is_trained() -> None:
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = nn.Parameter(0.5)

        def forward(self, z: Any) -> Any:
            return z * self.slope

    layer = nn.Dense(2, 1, Slope())
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias", "activation.slope"]
    layer.activation = "relu"
    assert layer.activation == "relu"
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]


def test_numpy_functions_and_lambdas_are_activations() -> None:
    x = np.ones((2, 2))
    layer = nn.Dense(2, 3, np.tanh)
    y = layer(x)
    assert y.requires_grad
    np.testing.assert_allclose(y.numpy(), np.tanh(x @ layer.W.numpy() + 0), rtol=1e-6)
    assert "activation=tanh" in repr(layer)


def test_repr() -> None:
    layer = nn.Dense(2, 3, "relu", layout="columns")
    assert repr(layer) == (
        "Dense(in_features=2, out_features=3, activation='relu', layout='columns')  # 9 parameters"
    )
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"
    assert repr(nn.Sequential(nn.Dense(2, 3, nn.ReLU()))) == (
        "Sequential(\n"
        "  (0): Dense(in_features=2, out_features=3,\n"
        "    (activation): ReLU()\n"
        "  )  # 9 parameters\n"
        ")  # 9 parameters"
    )


def test_flatten_and_identity() -> None:
    assert nn.Flatten()(tc.zeros(5, 2, 3, 4)).shape == (5, 24)
    assert nn.Flatten(2)(tc.zeros(5, 2, 3, 4)).shape == (5, 2, 12)
    assert nn.Flatten()(tc.zeros(0, 2, 3)).shape == (0, 6)
    x = tc.zeros(2)
    assert nn.Identity(3, anything=True)(x) is x


def test_empty_batch_gives_an_empty_result() -> None:
    assert layer_of("relu", "rows")(np.zeros((0, 3))).shape == (0, 4)


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "shape", "cure"),
    [
        ("rows", (5, 4), "in_features the number of features"),
        ("rows", (3, 5), r"transpose would fit: pass X\.T.*layout='columns'"),
        ("rows", (5, 3, 1), r"nn\.Flatten\(\)"),
        ("rows", (4,), "in_features the number"),
        ("rows", (), "in_features the number"),
        ("columns", (5, 3), r"transpose would fit: pass X\.T.*layout='rows'"),
        ("columns", (3,), r"x\.reshape\(3, 1\)"),
        ("columns", (5, 1, 3), r"X\.reshape\(5, -1\)\.T"),
        ("columns", (4, 5), "in_features the number"),
    ],
)
def test_wrong_input_shape(layout: str, shape: tuple[int, ...], cure: str) -> None:
    layer = layer_of("relu", layout)
    expected = r"\(m, 3\)" if layout == "rows" else r"\(3, m\)"
    with pytest.raises(
        ShapeError, match=rf"Dense .layer 1.: got an input.*expected {expected}.*{cure}"
    ):
        layer(np.zeros(shape))


def test_wrong_width_names_the_layer_by_its_number() -> None:
    model = nn.Sequential(nn.Dense(2, 3), nn.Dense(4, 1))
    with pytest.raises(ShapeError, match=r"Dense \(layer 2\): got an input of shape \(5, 3\)"):
        model(np.zeros((5, 2)))
    with pytest.raises(ShapeError, match=r"Linear .layer 1.: got .*expected \(m, 3\)"):
        nn.Linear(3, 1)(np.zeros((5, 2)))
    with pytest.raises(ShapeError, match=r"x\.reshape\(-1, 1\)"):
        nn.Linear(1, 1)(np.zeros(5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_features": 0}, ArgumentError, "in_features must be at least 1, got 0"),
        ({"out_features": 2.5}, DtypeError, "out_features is a whole number, got 2.5"),
        ({"out_features": "relu"}, DtypeError, "whole number"),
        ({"in_features": True}, DtypeError, "whole number"),
        ({"layout": "row"}, ArgumentError, "layout must be \"rows\".*got 'row'"),
        ({"activation": "relo"}, ArgumentError, "'relo' is unknown.*Did you mean 'relu'"),
        ({"activation": nn.ReLU}, DtypeError, "got the class ReLU"),
        ({"activation": 3}, DtypeError, "must be a name, a function or a module, got 3"),
        ({"init": "he_norml"}, ArgumentError, "Did you mean 'he_normal'"),
        ({"init": np.zeros((2, 3))}, DtypeError, "use layer.set_weights"),
        ({"dtype": tc.int64}, DtypeError, "parameters are floats"),
    ],
)
def test_wrong_arguments(arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        nn.Dense(**{"in_features": 2, "out_features": 3, **arguments})


def test_activation_without_return_is_named() -> None:
    with pytest.raises(DtypeError, match="returned NoneType.*return"):
        nn.Dense(2, 1, lambda z: None)(np.zeros((1, 2)))


def test_set_weights_messages() -> None:
    layer = nn.Dense(2, 3)
    before = layer.weight.tolist()
    with pytest.raises(StateDictError, match=r"got 1 arrays, expected 2: \[weight, bias\]"):
        layer.set_weights([np.zeros((2, 3))])
    with pytest.raises(StateDictError, match=r"weight has shape \(3, 2\), expected \(2, 3\)"):
        layer.set_weights([np.zeros((3, 2)), np.zeros(3)])
    assert layer.weight.tolist() == before
    weights = layer.get_weights()
    weights[0][0, 0] = 99.0
    assert layer.weight.tolist() == before


def test_a_learners_buffer_may_be_reused_before_backward() -> None:
    layer = nn.Dense(1, 1, dtype=tc.float64)
    buffer = np.array([[2.0]])
    y = layer(buffer).sum()
    buffer[0, 0] = 100.0
    y.backward()
    assert layer.W.grad.tolist() == [[2.0]]
