"""Models for the tests of the emitted programs: what they are fed, and their loss."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn


@dataclass
class Model:
    """A loss as a function of named data.

    Attributes:
        data: m -> the arrays, by the names that the tensors get.
        loss: the tensors -> the loss.
        layers: True for a chain of layers, which the functions of the course can write.
        counts: the numbers of examples to try.
        traced: True when it computes with data alone, which only `trace` records.
    """

    data: Callable[[int], dict[str, Any]]
    loss: Callable[..., Any]
    layers: bool = False
    counts: tuple[int, ...] = (1, 7, 400)
    traced: bool = False

    def graph(self, m: int) -> Any:
        """Return the loss, or its graph, for new data of m examples."""
        data = self.data(m)
        if self.traced:
            return tc.trace(self.loss, *data.values(), backward=True)
        return self.loss(**{name: tc.tensor(value, name=name) for name, value in data.items()})


RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def parameter(name: str, *shape: int, low: float | None = None) -> Any:
    value = normal(*shape) if low is None else RNG.uniform(low, low + 1, size=shape)
    return tc.tensor(value, requires_grad=True, name=name)


def labels(m: int, n: int = 1) -> np.ndarray:
    return (RNG.random((m, n)) > 0.5) * 1.0


def one_hot(m: int, n: int) -> np.ndarray:
    return np.eye(n)[RNG.integers(0, n, m)]


def rows(n: int, k: int, target: str) -> Callable[[int], dict[str, Any]]:
    """Return data with examples as rows: n features, k outputs."""
    make = {
        "binary": lambda m: labels(m, k),
        "one_hot": lambda m: one_hot(m, k),
        "classes": lambda m: RNG.integers(0, k, m),
        "real": lambda m: normal(m, k),
    }[target]
    return lambda m: {"X": normal(m, n), "Y": make(m)}


def columns(n: int, k: int, target: str) -> Callable[[int], dict[str, Any]]:
    """Return data with examples as columns."""
    data = rows(n, k, target)
    return lambda m: {name: value.T.copy() for name, value in data(m).items()}


def dense(*sizes: int, activation: str, last: str | None, bias: bool = True, **options: Any) -> Any:
    kinds = [*[activation] * (len(sizes) - 2), last]
    layers = [
        nn.Dense(n, k, activation=a, bias=bias, **options)
        for n, k, a in zip(sizes, sizes[1:], kinds, strict=False)
    ]
    return nn.Sequential(*layers)


def supervised(model: Any, loss: Any, data: Any, layers: bool = False, **options: Any) -> Model:
    for p in model.parameters():
        p.data = p.numpy() + 0.1 * normal(*p.shape)
    return Model(data, lambda X, Y: loss(model(X), Y), layers, **options)


def chains() -> dict[str, Model]:
    """Return models that are chains of fully connected layers."""
    found: dict[str, Model] = {}
    for layout, data, axis in (("rows", rows, 1), ("columns", columns, 0)):

        def add(name, model, loss, given, layout=layout):
            found[f"{name}_{layout}"] = supervised(model, loss, given, layers=True)

        def net(*sizes, activation="tanh", last=None, layout=layout, **options):
            return dense(*sizes, activation=activation, last=last, layout=layout, **options)

        bce, mse = nn.BCELoss(), nn.MSELoss()
        add("shallow", net(2, 4, 1, last="sigmoid"), bce, data(2, 1, "binary"))
        add(
            "deep", net(3, 5, 4, 3, 1, activation="relu", last="sigmoid"), bce, data(3, 1, "binary")
        )
        add("several_labels", net(2, 4, 3, last="sigmoid"), bce, data(2, 3, "binary"))
        add("no_bias", net(2, 4, 1, last="sigmoid", bias=False), bce, data(2, 1, "binary"))
        add("logistic", net(3, 1, last="sigmoid"), bce, data(3, 1, "binary"))
        add("sum", net(2, 3, 1, last="sigmoid"), nn.BCELoss(reduction="sum"), data(2, 1, "binary"))
        add("logits", net(2, 3, 1), nn.BCEWithLogitsLoss(), data(2, 1, "binary"))
        add("regression", net(2, 3, 1), mse, data(2, 1, "real"))
        add("regression_2", net(2, 3, 2), mse, data(2, 2, "real"))
        add("mse_sum", net(2, 3, 2), nn.MSELoss(reduction="sum"), data(2, 2, "real"))
        add("l1", net(2, 3, 2), nn.L1Loss(), data(2, 2, "real"))
        add("huber", net(2, 3, 2), nn.HuberLoss(delta=0.7), data(2, 2, "real"))
        add("smooth_l1", net(2, 3, 2), nn.SmoothL1Loss(beta=0.5), data(2, 2, "real"))
        add("half_sum", net(2, 3, 1, last="sigmoid", bias=False), welch, data(2, 1, "binary"))
        add("half_mean", net(2, 3, 2), half_mean, data(2, 2, "real"))
        add("softmax_logits", net(2, 4, 3), nn.CrossEntropyLoss(dim=axis), data(2, 3, "one_hot"))
        add("classes", net(2, 4, 3), nn.CrossEntropyLoss(dim=axis), data(2, 3, "classes"))
        smooth = nn.CrossEntropyLoss(dim=axis, label_smoothing=0.1)
        add("smoothed", net(2, 4, 3), smooth, data(2, 3, "classes"))
        add("softmax", net(2, 4, 3, last="softmax"), by_hand(axis), data(2, 3, "one_hot"))
        add("bce_by_hand", net(2, 4, 1, last="sigmoid"), bce_by_hand, data(2, 1, "binary"))
        add("linear_hidden", net(2, 4, 1, activation=None), mse, data(2, 1, "real"))
        add("mixed", mixed(layout), bce, data(2, 1, "binary"))
        for a in ("sigmoid", "leaky_relu", "elu", "softplus", "gelu", "silu", "step", "softmax"):
            add(a, net(2, 4, 1, activation=a), mse, data(2, 1, "real"))
    linear = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    found["linear"] = supervised(linear, nn.CrossEntropyLoss(), rows(2, 3, "classes"), layers=True)
    approximate = nn.Sequential(
        nn.Linear(2, 4), nn.GELU("tanh"), nn.LeakyReLU(0.3), nn.Linear(4, 2)
    )
    found["gelu_tanh"] = supervised(approximate, nn.MSELoss(), rows(2, 2, "real"))
    slopes = nn.Sequential(
        nn.Linear(2, 4), nn.LeakyReLU(0.3), nn.Linear(4, 4), nn.LeakyReLU(0.1), nn.Linear(4, 2)
    )
    found["two_slopes"] = supervised(slopes, nn.MSELoss(), rows(2, 2, "real"), layers=True)
    found["transposed"] = transposed()
    return found


def mixed(layout: str) -> Any:
    return nn.Sequential(
        nn.Dense(2, 4, activation="tanh", layout=layout),
        nn.Dense(4, 4, activation="relu", layout=layout),
        nn.Dense(4, 3, layout=layout),
        nn.Dense(3, 1, activation="sigmoid", layout=layout),
    )


def welch(yhat: Any, y: Any) -> Any:
    return 0.5 * ((y - yhat) ** 2).sum()


def half_mean(a: Any, y: Any) -> Any:
    return ((a - y) ** 2).mean() / 2


def by_hand(axis: int) -> Any:
    return lambda P, Y: -(Y * P.log()).sum(axis=axis).mean()


def bce_by_hand(A: Any, Y: Any) -> Any:
    return -(Y * A.log() + (1 - Y) * (1 - A).log()).mean()


def transposed() -> Model:
    """Return logistic regression as the course first writes it: A = σ(wᵀ X + b)."""
    w, b = parameter("w", 3, 1), parameter("b", 1, 1)
    return Model(
        columns(3, 1, "binary"), lambda X, Y: nn.BCELoss()((w.T @ X + b).sigmoid(), Y), layers=True
    )


def others() -> dict[str, Model]:
    """Return models that are no chains."""
    found: dict[str, Model] = {}

    def add(name: str, model: Any, loss: Any, data: Any, **options: Any) -> None:
        found[name] = supervised(model, loss, data, **options)

    mse = nn.MSELoss()
    many = (2, 7, 400)
    net = dense(2, 4, 1, activation="tanh", last="sigmoid")
    found["l2"] = Model(
        rows(2, 1, "binary"),
        lambda X, Y: nn.BCELoss()(net(X), Y) + 0.01 * sum((p * p).sum() for p in net.parameters()),
    )
    found["lambda"] = Model(
        lambda m: {**rows(2, 1, "binary")(m), "lambd": np.float64(0.7)},
        lambda X, Y, lambd: (
            nn.BCELoss()(net(X), Y) + sum((p**2).sum() for p in net.parameters()) / 2 * lambd
        ),
    )
    batch = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dense(3, 2))
    add("batch_norm", batch, mse, rows(2, 2, "real"), counts=many)
    layer = nn.Sequential(nn.Dense(2, 3), nn.LayerNorm(3), nn.Tanh(), nn.Dense(3, 2))
    add("layer_norm", layer, mse, rows(2, 2, "real"))
    evaluated = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Dense(3, 2))
    add("evaluated", evaluated.eval(), mse, rows(2, 2, "real"))
    first, second = nn.Dense(2, 2, activation="tanh"), nn.Dense(2, 1)
    found["residual"] = Model(rows(2, 1, "real"), lambda X, Y: mse(second(X + first(X)), Y))
    W = parameter("W", 2, 2)
    found["shared"] = Model(
        rows(2, 2, "real"), lambda X, Y: mse(((X @ W).tanh() @ W).tanh() @ W.T, Y)
    )
    w = parameter("w", 2, 1)
    found["cube"] = Model(
        rows(2, 1, "real"), lambda X, Y: mse((X @ w) ** 3 + (X * X * X) @ w, Y), traced=True
    )
    v = parameter("v", 3)
    found["sliced"] = Model(
        rows(3, 1, "real"),
        lambda X, Y: (X[:, 1:] * v[1:] + X[:, :1] * v[0]).square().mean(),
        traced=True,
    )
    found["joined"] = Model(
        rows(2, 1, "real"),
        lambda X, Y: mse((tc.cat([X @ W, X], axis=1) * 2).sum(axis=1, keepdims=True), Y),
    )
    found["einsum"] = Model(
        rows(2, 2, "real"), lambda X, Y: mse(tc.einsum("mi,io->mo", X, W).tanh(), Y)
    )
    u, c = parameter("u", 2), parameter("c")
    found["vectors"] = Model(
        lambda m: {"X": normal(m, 2), "y": normal(m)}, lambda X, y: mse(X @ u + c, y)
    )
    found["weighted"] = Model(
        lambda m: {"X": normal(m, 2), "y": normal(m), "r": RNG.uniform(0, 1, m)},
        lambda X, y, r: (r * (X @ u - y) ** 2).sum() / (2 * 3.5),
    )
    scale = parameter("scale")
    found["shared_scalar"] = Model(
        rows(2, 2, "real"),
        lambda X, Y: mse((X @ W * scale.exp()).tanh() * scale.exp(), Y),
    )
    found["reshaped"] = Model(
        lambda m: {"X": normal(m, 2, 3), "y": normal(m)},
        lambda X, y: mse((X.reshape(X.shape[0], 6) @ parameter_of("R", 6, 1)).reshape(-1), y),
        traced=True,
    )
    found["maximum"] = Model(
        rows(2, 2, "real"), lambda X, Y: (tc.maximum(X @ W, Y).amax(axis=1) ** 2).mean()
    )
    found["hinge"] = Model(
        lambda m: {"X": normal(m, 2), "y": np.sign(normal(m, 1))},
        lambda X, y: tc.relu(1 - y * (X @ w)).mean() + 1e-4 * (w * w).sum(),
    )
    found["where"] = Model(
        rows(2, 2, "real"),
        lambda X, Y: tc.where(Y > 0, (X @ W).tanh(), X @ W).square().sum(),
        traced=True,
    )
    found["norm"] = Model(
        rows(2, 2, "real"), lambda X, Y: (X @ W - Y).norm() + W.norm(axis=0).sum()
    )
    found["greek"] = greek()
    found["images"] = images()
    return found


def images() -> Model:
    """Return a convolutional network: strides, padding, both poolings, channels in groups."""
    net = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)),
        *(nn.Conv2d(4, 6, 2, stride=2, groups=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(6, 3)),
    ).double()
    return Model(
        lambda m: {"X": normal(m, 2, 8, 8), "Y": RNG.integers(0, 3, m)},
        lambda X, Y: nn.CrossEntropyLoss()(net(X), Y),
        counts=(1, 5),
    )


_PARAMETERS: dict[str, Any] = {}


def parameter_of(name: str, *shape: int) -> Any:
    """Return a parameter that is made once."""
    return _PARAMETERS.setdefault(name, parameter(name, *shape))


def greek() -> Model:
    """Return a model whose names are no good identifiers, or taken."""
    names = ("w₁", "lambda", "np", "θ̂", "m", "grads", "sigmoid")
    ws = {name: parameter(name, 2, 1) for name in names}
    return Model(
        lambda m: {"in": normal(m, 2), "w[1]": normal(m, 1)},
        lambda **data: (
            (sum((data["in"] @ w).sigmoid() for w in ws.values()) - data["w[1]"]).square().mean()
        ),
    )


# --- for the tests --------------------------------------------------------------------------------

TOLERANCE = 1e-12


@functools.cache
def all_models():
    global RNG
    RNG = np.random.default_rng(0)
    return {**chains(), **others()}


def model(name):
    """Return a model, and make its data the same each time."""
    global RNG
    found = all_models()[name]
    RNG = np.random.default_rng(len(name))
    return found


def assert_agrees(program, graph):
    """Compare a program's results with autodiff's, on the values of a graph."""
    values = {node.name: node.value for node in graph.inputs}
    found = program.evaluate(values)
    gradients = [node for node in graph if node.op is None and node.grad is not None]
    assert {f"d{node.name}" for node in gradients} <= set(found)
    size = max(np.linalg.norm(graph[node.grad].value) for node in gradients)
    for name, value in found.items():
        expected = graph.find(name).value
        assert np.shape(value) == np.shape(expected), name
        # What vanishes but for rounding is compared with the size of the other gradients.
        least = TOLERANCE * max(np.linalg.norm(expected), 0.1 * size)
        assert np.linalg.norm(value - expected) <= least, name


def graph_of(loss):
    return loss if isinstance(loss, tc.Graph) else tc.Graph.of(loss, backward=True)
