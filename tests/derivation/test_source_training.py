"""Emitted training: the optimizers' updates, loops, and the numbers of the course's labs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.data import course
from tinygrad_course.derivation.source import source

sys.path.insert(0, str(Path(__file__).parent))  # its own helpers, as in conftest.py

import source_models as models  # noqa: E402
from source_models import assert_agrees, graph_of, model  # noqa: E402


@pytest.fixture(autouse=True)
def _double():
    tc.set_default_dtype(tc.float64)


# --- optimizers and loops -----------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "dampening": (optim.SGD, {"momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "decay": (optim.SGD, {"weight_decay": 0.2}),
    "adagrad": (optim.Adagrad, {}),
    "adagrad_all": (
        optim.Adagrad,
        {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "maximize": True},
    ),
    "rmsprop": (optim.RMSprop, {}),
    "rmsprop_all": (
        optim.RMSprop,
        {"alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "maximize": True},
    ),
    "adam": (optim.Adam, {}),
    "adam_all": (
        optim.Adam,
        {"betas": (0.8, 0.9), "eps": 1e-6, "amsgrad": True, "weight_decay": 0.1, "maximize": True},
    ),
    "adam_without_momentum": (optim.Adam, {"betas": (0.0, 0.9)}),
    "adamw": (optim.AdamW, {}),
    "adadelta": (optim.Adadelta, {}),
    "adadelta_all": (optim.Adadelta, {"rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    "adamax": (optim.Adamax, {}),
    "adamax_all": (optim.Adamax, {"betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    "nadam": (optim.NAdam, {}),
    "nadam_all": (
        optim.NAdam,
        {"weight_decay": 0.1, "momentum_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "radam": (optim.RAdam, {}),
    "radam_all": (optim.RAdam, {"betas": (0.8, 0.7), "weight_decay": 0.1, "maximize": True}),
    "asgd": (optim.ASGD, {}),
    "asgd_all": (optim.ASGD, {"lambd": 0.1, "alpha": 0.5, "t0": 5, "weight_decay": 0.1}),
    "rprop": (optim.Rprop, {}),
    "rprop_all": (optim.Rprop, {"etas": (0.4, 1.3), "step_sizes": (0.01, 0.1), "maximize": True}),
    "adamw_all": (optim.AdamW, {"weight_decay": 0.3, "amsgrad": True, "maximize": True}),
}


def small_network():
    random = np.random.default_rng(1)
    network = nn.Sequential(nn.Dense(2, 3, activation="tanh"), nn.Dense(3, 1, activation="sigmoid"))
    for p in network.parameters():
        p.data = random.normal(size=p.shape)
    X, Y = random.normal(size=(30, 2)), (random.random((30, 1)) > 0.5) * 1.0
    network(X)  # numbers the layers
    return network, X, Y


def regression(kind, functions="one", **options):
    """Return a program with a training loop, its data, and its parameters."""
    network, X, Y = small_network()
    loss = nn.BCELoss()(network(tc.tensor(X, name="X")), tc.tensor(Y, name="Y"))
    optimizer = kind(network.parameters(), lr=0.05, **options)
    program = source(loss, functions=functions, optimizer=optimizer, loop=True)
    names = ("W1", "b1", "W2", "b2")
    values = [p.numpy().copy() for p in network.parameters()]
    return program, {"X": X, "Y": Y}, dict(zip(names, values, strict=True))


@pytest.mark.parametrize("functions", ["one", "layers"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loop_takes_the_steps_of_the_optimizer(name, functions):
    kind, options = OPTIMIZERS[name]
    program, data, parameters = regression(kind, functions, **options)
    before = {key: value.copy() for key, value in parameters.items()}
    trained, costs = program.compile().train(**data, parameters=parameters, num_iterations=20)
    network, X, Y = small_network()
    optimizer = kind(network.parameters(), lr=0.05, **options)
    expected = []
    for _ in range(20):
        loss = nn.BCELoss()(network(X), tc.tensor(Y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(costs, expected, rtol=1e-12)
    for key, p in zip(trained, network.parameters(), strict=True):
        np.testing.assert_allclose(trained[key], p.numpy(), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(parameters[key], before[key])  # the arguments are not changed


def test_an_optimizer_of_ones_own():
    class SignSGD(optim.Optimizer):
        def __init__(self, params, lr=0.1, scale=2.0):
            super().__init__(params, {"lr": lr, "scale": scale})

        def _options(self, group):
            return (group["scale"],)

        @staticmethod
        def update(p, g, lr, t, scale):
            p -= lr * scale * np.sign(g)

    program, data, parameters = regression(SignSGD)
    assert "def update_parameters(parameters, grads, learning_rate=0.05, scale=2.0):" in program
    assert "parameters[name] = W - learning_rate * scale * np.sign(dW)" in program
    trained, _ = program.compile().train(**data, parameters=parameters, num_iterations=1)
    assert np.allclose(np.abs(trained["W1"] - parameters["W1"]), 0.1)


def test_adam_is_written_as_in_the_course():
    text = source(model("shallow_columns").graph(5), optimizer="adam")
    for line in (
        "v[name] = beta1 * v[name] + (1 - beta1) * dW",
        "s[name] = beta2 * s[name] + (1 - beta2) * dW**2",
        "v_corrected = v[name] / (1 - beta1**t)",
        "s_corrected = s[name] / (1 - beta2**t)",
        "W - learning_rate * v_corrected / (np.sqrt(s_corrected) + epsilon)",
    ):
        assert line in text


def test_what_other_optimizers_compute_on_the_way_has_names():
    def written(name):
        return source(model("shallow_columns").graph(5), optimizer=name)

    for line in (
        "delta = (np.sqrt(acc_delta[name] + epsilon) / np.sqrt(s[name] + epsilon)) * dW",
        "acc_delta[name] = rho * acc_delta[name] + (1 - rho) * delta**2",
        "= W - learning_rate * delta",
    ):
        assert line in written("adadelta")
    assert "mu_product = {name: 1.0 for name, W in parameters.items()}" in written("nadam")
    assert "mu_product[name] = mu_product[name] * mu" in written("nadam")
    assert "rho_t = rho_max - 2 * t * beta2_t / (1 - beta2_t)" in written("radam")
    assert "exp_inf[name] = np.maximum(beta2 * exp_inf[name], np.abs(dW) + epsilon)" in written(
        "adamax"
    )
    # Its rate is where the step sizes start.
    assert "step_size = {name: np.full_like(W, 0.01) for name, W in" in written("rprop")
    assert "learning_rate" not in written("rprop")


def test_only_the_parameters_asked_for_are_updated():
    loss = model("shallow_columns").graph(5)
    program = source(loss, wrt=["W1", "b1"], loop=True)
    values = program.evaluate()
    assert set(values) == {"J", "dW[1]", "db[1]"}
    leaves = {n.name: n.value for n in program.derivation.leaves}
    data = leaves.pop("X"), leaves.pop("Y")
    parameters = {name.replace("[", "").replace("]", ""): x for name, x in leaves.items()}
    trained, _ = program.compile().train(*data, parameters, num_iterations=2)
    assert not np.allclose(trained["W1"], parameters["W1"])
    np.testing.assert_array_equal(trained["W2"], parameters["W2"])


@pytest.mark.parametrize("style", ["course", "exact"])
def test_derivatives_of_values_in_between(style):
    """The course's dZ is m times the derivative of the mean."""
    made = model("deep_rows")
    data = made.data(6)
    X, Y = (tc.tensor(value, name=name) for name, value in data.items())
    layers = [nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 1)]
    hidden = layers[0](X)
    hidden.name = "H"
    loss = nn.BCEWithLogitsLoss()(layers[1](hidden), Y)
    (expected,) = tc.autograd.grad(loss, [hidden], retain_graph=True)
    for wrt in ([hidden, layers[1].W], ["H"]):
        found = source(loss, wrt=wrt, style=style).evaluate()
        factor = 6 if style == "course" else 1
        np.testing.assert_allclose(found["dH"], factor * expected.numpy(), rtol=1e-12)
        assert len(found) == 1 + len(wrt)


def test_numbers_of_the_cost_are_arguments_with_defaults():
    made = model("lambda")
    loss = made.graph(5)
    program = source(loss, loop=True)
    assert program.arguments[-1] == "lambd"
    assert "lambd=0.7" in program
    assert_agrees(program, graph_of(loss))
    module = program.compile()
    leaves = {n.name: n.value for n in program.derivation.leaves}
    X, Y = leaves.pop("X"), leaves.pop("Y")
    del leaves["lambd"]
    parameters = {name.replace("[", "").replace("]", ""): x for name, x in leaves.items()}
    (with_it,) = module.train(X, Y, parameters, num_iterations=1)[1]
    (without,) = module.train(X, Y, parameters, lambd=0.0, num_iterations=1)[1]
    squares = sum((p**2).sum() for p in parameters.values())
    assert with_it - without == pytest.approx(0.35 * squares, rel=1e-12)


# --- the course's numbers -----------------------------------------------------------------------


def course_functions():
    made = model("deep_columns")
    return source(made.graph(5), functions="layers", loop=True).compile()


def test_linear_forward_gives_the_value_of_the_assignment():
    random = np.random.RandomState(1)
    A, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    Z, cache = course_functions().linear_forward(A, W, b)
    np.testing.assert_allclose(Z, [[3.26295337, -1.23429987]], atol=5e-9)
    assert cache[0] is A and cache[1] is W and cache[2] is b


def test_linear_activation_forward_gives_the_values_of_the_assignment():
    random = np.random.RandomState(2)
    A, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    forward = course_functions().linear_activation_forward
    found, (linear_cache, Z) = forward(A, W, b, activation="sigmoid")
    np.testing.assert_allclose(found, [[0.96890023, 0.11013289]], atol=5e-9)
    np.testing.assert_allclose(Z, W @ A + b)
    assert linear_cache[0] is A
    found, _ = forward(A, W, b, activation="relu")
    np.testing.assert_allclose(found, [[3.43896131, 0.0]], atol=5e-9)


def test_compute_cost_gives_the_value_of_the_assignment():
    cost = course_functions().compute_cost(np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 0]]))
    assert float(cost) == 0.2797765635793422


def test_the_last_layer_starts_as_the_course_starts():
    text = source(model("deep_columns").graph(5), functions="layers")
    assert "dAL = -(Y / AL) + (1 - Y) / (1 - AL)" in text


def test_logistic_regression_reaches_the_numbers_of_the_assignment():
    """DLS course 1, week 2: 100 steps of 0.009."""
    w = tc.tensor([[1.0], [2.0]], requires_grad=True, name="w")
    b = tc.tensor([[2.0]], requires_grad=True, name="b")
    X = tc.tensor([[1.0, 2.0, -1.0], [3.0, 4.0, -3.2]], name="X")
    Y = tc.tensor([[1.0, 0.0, 1.0]], name="Y")
    A = tc.sigmoid(w.T @ X + b)
    A.name = "A"
    loss = nn.BCELoss()(A, Y)
    for functions, names in (("one", ("w", "b")), ("layers", ("W1", "b1"))):
        module = source(loss, functions=functions, loop=True).compile()
        start = dict(zip(names, (w.numpy(), b.numpy()), strict=True))
        found, costs = module.train(X.numpy(), Y.numpy(), start, 0.009, 100)
        assert costs[0] == pytest.approx(5.801545319394553, rel=1e-14)
        np.testing.assert_allclose(found[names[0]].ravel(), [0.19033591, 0.12259159], atol=5e-9)
        np.testing.assert_allclose(found[names[1]].ravel(), [1.92535983], atol=5e-9)
    _, grads = source(loss).compile().forward_backward(X.numpy(), Y.numpy(), w.numpy(), b.numpy())
    np.testing.assert_allclose(grads["dw"].ravel(), [0.99845601, 2.39507239], atol=5e-9)
    assert grads["db"].item() == pytest.approx(0.001455578136784, rel=1e-9)


@pytest.mark.parametrize("functions", ["one", "layers"])
def test_the_planar_flower_trains_to_the_costs_of_the_lab(functions):
    """DLS course 1, week 3: four hidden units, lr 1.2."""
    X, Y = course.planar("columns")
    random = np.random.RandomState(2)
    W1, W2 = random.randn(4, 2) * 0.01, random.randn(1, 4) * 0.01
    parameters = {"W1": W1, "b1": np.zeros((4, 1)), "W2": W2, "b2": np.zeros((1, 1))}
    network = models.dense(2, 4, 1, activation="tanh", last="sigmoid", layout="columns")
    # Recorded with ten examples, trained with four hundred.
    few = tc.tensor(X[:, :10], name="X"), tc.tensor(Y[:, :10], name="Y")
    loss = nn.BCELoss()(network(few[0]), few[1])
    module = source(loss, functions=functions, loop=True).compile()
    _, costs = module.train(X, Y, parameters, learning_rate=1.2, num_iterations=1001)
    assert costs[0] == pytest.approx(0.693048, abs=5e-7)
    assert costs[1000] == pytest.approx(0.288083, abs=5e-7)


def test_training_runs_on_jax_numpy():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    program, data, parameters = regression(optim.Adam)
    trained, costs = program.compile().train(**data, parameters=parameters, num_iterations=3)
    again, others = program.compile(np=jax.numpy).train(
        **data, parameters=parameters, num_iterations=3
    )
    np.testing.assert_allclose(np.asarray(others), costs, rtol=1e-12)
    for name, value in trained.items():
        np.testing.assert_allclose(np.asarray(again[name]), value, rtol=1e-11)
