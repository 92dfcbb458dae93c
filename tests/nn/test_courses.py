"""The courses' labs, with the numbers they print."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.data import course
from tinygrad_course.nn import functional as F


def close(got: Any, expected: Any, digits: float = 1e-7) -> None:
    got = got.numpy() if isinstance(got, tc.Tensor) else got
    np.testing.assert_allclose(got, expected, rtol=digits, atol=digits)


def test_one_linear_neuron_predicts_300_and_500() -> None:
    X, Y = course.housing()
    layer = nn.Dense(1, 1, activation="linear")
    layer.set_weights([np.array([[200.0]]), np.array([100.0])])
    close(layer(X), Y)
    close(layer.get_weights()[0], [[200.0]])


def test_one_logistic_neuron() -> None:
    X, Y = course.logistic1d()
    model = nn.Sequential(nn.Dense(1, 1, activation="sigmoid"))
    model[0].set_weights([[[2.0]], [-4.5]])
    # The lab prints 0.01 for the first example: sigmoid(-4.5) = 0.010986942630593.
    assert model(X)[0, 0].item() == pytest.approx(0.010986942630593, rel=1e-6)
    assert ((model(X).numpy() >= 0.5) == Y).all()


def test_my_dense_by_hand() -> None:
    layer = nn.Dense(2, 3, activation="sigmoid", dtype=tc.float64)
    layer.set_weights([0.1 * np.arange(1, 7).reshape(2, 3), 0.1 * np.arange(1, 4)])
    expected = [0.54735762, 0.57932425, 0.61063923]
    close(layer(np.array([0.1, 0.2])), expected, 1e-8)
    close(layer(np.array([[0.1, 0.2]])), [expected], 1e-8)


def test_layer_output_of_the_slide() -> None:
    layer = nn.Dense(2, 3)
    layer.set_weights([[[1.0, -3.0, 5.0], [2.0, 4.0, -6.0]], [-1.0, 1.0, 2.0]])
    assert layer([-2.0, 4.0]).tolist() == [5.0, 23.0, -32.0]


@pytest.fixture
def coffee() -> Any:
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", dtype=tc.float64),
        nn.Dense(3, 1, activation="sigmoid", dtype=tc.float64),
    )
    W1 = [[-8.93, 0.29, 12.9], [-0.1, -7.32, 10.81]]
    model[0].set_weights([W1, [-9.82, -9.28, 0.96]])
    model[1].set_weights([[[-31.18], [-27.59], [-32.56]], [15.41]])
    return model


def test_coffee_with_the_labs_weights(coffee: Any) -> None:
    X, Y = course.coffee()
    norm = nn.Normalization(axis=-1)
    norm.adapt(X)
    close(norm.mean, [218.6678, 13.43068], 1e-6)
    close(norm.variance, [1596.934, 1.273325], 1e-6)
    predicted = coffee(norm(np.array([[200.0, 13.9], [200.0, 17.0]])))
    close(predicted[0], [0.971930379], 1e-9)
    np.testing.assert_allclose(predicted[1].numpy(), [3.28979e-8], rtol=1e-5)
    A = coffee(norm(X))
    assert ((A.numpy() >= 0.5) == (Y == 1)).all()
    assert nn.BCELoss()(A, Y).item() == pytest.approx(0.00765618, abs=5e-9)


def test_numbers_of_parameters(coffee: Any) -> None:
    assert sum(p.numel() for p in coffee.parameters()) == 13
    digits = nn.Sequential(nn.Dense(400, 25), nn.Dense(25, 15), nn.Dense(15, 1))
    assert [sum(p.numel() for p in m.parameters()) for m in digits] == [10025, 390, 16]


def test_logistic_regression_as_a_network() -> None:
    X = np.array([[1.0, 2.0, -1.0], [3.0, 4.0, -3.2]])
    Y = np.array([[1.0, 0.0, 1.0]])
    layer = nn.Dense(2, 1, activation="sigmoid", layout="columns", dtype=tc.float64)
    layer.set_weights([[[1.0, 2.0]], [[2.0]]])
    J = nn.BCELoss()(layer(X), Y)
    J.backward()
    assert J.item() == pytest.approx(5.801545319394553, rel=1e-12)
    close(layer.W.grad, [[0.99845601, 2.39507239]], 5e-9)
    assert layer.b is not None
    close(layer.b.grad, [[0.001455578136784]], 1e-12)
    for _ in range(100):
        layer.zero_grad()
        nn.BCELoss()(layer(X), Y).backward()
        with tc.no_grad():
            for p in layer.parameters():
                p -= 0.009 * p.grad
    close(layer.W, [[0.19033591, 0.12259159]], 5e-9)
    close(layer.b, [[1.92535983]], 5e-9)


def test_linear_forward_of_the_deep_network_lab() -> None:
    draw = np.random.RandomState(1).randn
    A, W, b = draw(3, 2), draw(1, 3), draw(1, 1)
    layer = nn.Dense(3, 1, layout="columns", dtype=tc.float64)
    layer.set_weights([W, b])
    close(layer(A), [[3.26295337, -1.23429987]], 5e-9)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("sigmoid", [[0.96890023, 0.11013289]]), ("relu", [[3.43896131, 0.0]])],
)
def test_linear_activation_forward(activation: str, expected: Any) -> None:
    draw = np.random.RandomState(2).randn
    A, W, b = draw(3, 2), draw(1, 3), draw(1, 1)
    layer = nn.Dense(3, 1, activation, layout="columns", dtype=tc.float64)
    layer.set_weights([W, b])
    close(layer(A), expected, 5e-9)


def test_cost_of_the_deep_network_lab() -> None:
    A = np.array([[0.8, 0.9, 0.4]])
    J = F.binary_cross_entropy(A, np.array([[1.0, 1.0, 0.0]]))
    assert J.item() == pytest.approx(0.2797765635793422, rel=1e-14)


def test_perceptron_learns_and_but_not_xor() -> None:
    def errors(gate: Any) -> int:
        X, Y = course.logic(gate)
        unit = nn.Dense(2, 1, activation="step", init="zeros", dtype=tc.float64)
        with tc.no_grad():
            for _ in range(25):
                for x, y in zip(X, Y, strict=True):
                    wrong = y - unit(x).numpy()
                    unit.W += np.outer(x, wrong)
                    unit.b += wrong
            return int((unit(X).numpy() != Y).sum())

    assert errors("and") == 0
    assert errors("or") == 0
    assert errors("xor") > 0


def test_planar_cost_at_the_start() -> None:
    """DLS W3: 2-4-1 with tanh, W = 0.01 randn (seed 2), zero biases: the cost is 0.693048."""
    X, Y = course.planar("columns")
    draw = np.random.RandomState(2).randn
    model = nn.Sequential(
        nn.Dense(2, 4, "tanh", layout="columns", dtype=tc.float64),
        nn.Dense(4, 1, "sigmoid", layout="columns", dtype=tc.float64),
    )
    model[0].set_weights([draw(4, 2) * 0.01, np.zeros((4, 1))])
    model[1].set_weights([draw(1, 4) * 0.01, np.zeros((1, 1))])
    assert nn.BCELoss()(model(X), Y).item() == pytest.approx(0.693048, abs=5e-7)


def test_both_layouts_compute_the_same() -> None:
    X = np.random.default_rng(0).normal(size=(5, 2))
    Y = np.array([[0.0], [1.0], [1.0], [0.0], [1.0]])
    rows = nn.Sequential(
        nn.Dense(2, 3, "tanh", dtype=tc.float64), nn.Dense(3, 1, "sigmoid", dtype=tc.float64)
    )
    columns = nn.Sequential(
        nn.Dense(2, 3, "tanh", layout="columns", dtype=tc.float64),
        nn.Dense(3, 1, "sigmoid", layout="columns", dtype=tc.float64),
    )
    for a, b in zip(rows, columns, strict=True):
        b.set_weights([a.weight.numpy().T, a.bias.numpy().reshape(-1, 1)])
    nn.BCELoss()(rows(X), Y).backward()
    nn.BCELoss()(columns(X.T), Y.T).backward()
    for a, b in zip(rows, columns, strict=True):
        close(b.weight.grad, a.weight.grad.numpy().T, 1e-14)
        close(b.bias.grad, a.bias.grad.numpy().reshape(-1, 1), 1e-14)
