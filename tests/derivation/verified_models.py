"""Models for `verify`: every layer, activation and loss of the package, in both layouts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.tensor import Tensor

ACTIVATIONS = (
    "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu", "softmax", "step",
    "mish", "selu", "celu", "hardtanh", "relu6", "hardsigmoid", "hardswish", "softsign",
    "logsigmoid",
)  # fmt: skip


class Data:
    """Examples of three features, with labels of each kind, as rows or columns."""

    def __init__(self, m: int, layout: str, dtype: Any = np.float64) -> None:
        """Draw them."""
        rng = np.random.default_rng(m)
        self.layout = layout
        self.dtype = dtype
        self.X = self.tensor(rng.normal(size=(m, 3)))
        self.binary = self.tensor(rng.random((m, 1)) > 0.5)
        self.real = self.tensor(rng.normal(size=(m, 2)))
        labels = rng.integers(0, 4, m)
        self.classes = tc.tensor(labels)
        self.one_hot = self.tensor(np.eye(4)[labels])
        self.soft = self.tensor(rng.dirichlet(np.ones(4), m))
        self.axis = 1 if layout == "rows" else 0  # of the classes

    def tensor(self, rows: Any) -> Tensor:
        """Return rows of numbers in the layout."""
        array = np.asarray(rows, self.dtype)
        return tc.tensor(array if self.layout == "rows" else np.ascontiguousarray(array.T))

    def network(self, *units: int, activation: Any = "tanh", last: Any = None) -> nn.Sequential:
        """Return dense layers with these numbers of units."""
        kinds = [activation] * (len(units) - 2) + [last]
        layers = [
            nn.Dense(a, b, activation=kind, layout=self.layout, dtype=self.dtype)
            for a, b, kind in zip(units[:-1], units[1:], kinds, strict=True)
        ]
        return nn.Sequential(*layers)


def activations(m: int, layout: str) -> Iterator[tuple[str, Tensor]]:
    """Yield a classifier for each activation of its hidden layer."""
    data = Data(m, layout)
    for name in ACTIVATIONS:
        model = data.network(3, 4, 1, activation=name, last="sigmoid")
        yield name, nn.BCELoss()(model(data.X), data.binary)


def losses(m: int, layout: str, reduction: str) -> Iterator[tuple[str, Tensor]]:
    """Yield a model for each loss and its options."""
    data = Data(m, layout)
    weight = tc.tensor([0.5], dtype=data.dtype)
    one: list[tuple[str, Any, Any, Any]] = [
        ("MSE", nn.MSELoss(reduction), None, data.real),
        ("L1", nn.L1Loss(reduction), None, data.real),
        ("Huber", nn.HuberLoss(reduction, 0.4), None, data.real),
        ("SmoothL1", nn.SmoothL1Loss(reduction, 0.4), None, data.real),
        ("BCE", nn.BCELoss(reduction=reduction), "sigmoid", data.binary),
        ("BCE weight", nn.BCELoss(weight, reduction), "sigmoid", data.binary),
        ("logits", nn.BCEWithLogitsLoss(reduction=reduction), None, data.binary),
        ("logits pos", nn.BCEWithLogitsLoss(weight, reduction, weight * 3), None, data.binary),
    ]
    for name, loss, last, labels in one:
        units = 2 if labels is data.real else 1
        yield name, loss(data.network(3, 4, units, last=last)(data.X), labels)
    weights = tc.tensor([0.5, 1.0, 2.0, 0.1], dtype=data.dtype)
    common = {"reduction": reduction, "dim": data.axis}
    options: list[dict[str, Any]] = [
        {}, {"weight": weights}, {"label_smoothing": 0.1}, {"ignore_index": 1},
    ]  # fmt: skip
    for more in options:
        model = data.network(3, 5, 4)
        yield f"CE {list(more)}", nn.CrossEntropyLoss(**common, **more)(model(data.X), data.classes)
    for labels in (data.one_hot, data.soft):
        for more in options[:3]:
            model = data.network(3, 5, 4)
            yield (
                f"CE of vectors {list(more)}",
                nn.CrossEntropyLoss(**common, **more)(model(data.X), labels),
            )
    for more in ({}, {"weight": weights}, {"ignore_index": 2}):
        model = nn.Sequential(data.network(3, 4), nn.LogSoftmax(dim=data.axis))
        yield f"NLL {list(more)}", nn.NLLLoss(**common, **more)(model(data.X), data.classes)


def written_by_hand(m: int, layout: str) -> Iterator[tuple[str, Tensor]]:
    """Yield costs as courses write them, with logarithms and sums."""
    data = Data(m, layout)
    X, Y = data.X, data.binary

    def log_loss(a: Tensor) -> Tensor:
        return Y * a.log() + (1 - Y) * (1 - a).log()

    def predicted() -> Any:
        return data.network(3, 1)(X)

    yield "mean", -log_loss(predicted().sigmoid()).mean()
    yield "1/m sum", -(1 / m) * log_loss(predicted().sigmoid()).sum()
    yield "sum/m", log_loss(predicted().sigmoid()).sum() / -m
    yield "signs inside", (-Y * predicted().sigmoid().log()).mean()
    yield "1/2m squares", (1 / (2 * m)) * ((predicted() - Y) ** 2).sum()
    yield "tanh", ((predicted().tanh() - Y) ** 2).mean()
    yield "hinge", tc.relu(1 - (2 * Y - 1) * predicted()).mean()
    for labels in (data.one_hot, data.soft):
        P = data.network(3, 5, 4, activation="relu", last="softmax")(X)
        yield "softmax", -(labels * P.log()).sum(axis=data.axis).mean()
    model = data.network(3, 4, 1)
    penalty = 0.1 / (2 * m) * sum((w * w).sum() for w in model.parameters())
    yield "regularized", nn.BCEWithLogitsLoss()(model(X), Y) + penalty


def layers(m: int) -> Iterator[tuple[str, Tensor]]:
    """Yield a regression with each layer of the package, with examples as rows."""
    data = Data(m, "rows")
    X, Y = data.X, data.binary

    def linear(a: int, b: int) -> nn.Linear:
        return nn.Linear(a, b, dtype=data.dtype)

    def cost(*modules: Any) -> Tensor:
        return nn.MSELoss()(nn.Sequential(*modules)(X), Y)

    kinds = {"dtype": data.dtype}
    yield "Linear", cost(linear(3, 4), nn.ReLU(), linear(4, 1))
    yield "no bias", cost(data.network(3, 4, 1), nn.Linear(1, 1, bias=False, dtype=data.dtype))
    yield "LayerNorm", cost(linear(3, 4), nn.LayerNorm(4, **kinds), nn.Tanh(), linear(4, 1))
    plain = nn.LayerNorm(4, elementwise_affine=False, **kinds)
    yield "LayerNorm plain", cost(linear(3, 4), plain, linear(4, 1))
    if m > 1:
        norm = nn.BatchNorm1d(4, **kinds)
        yield "BatchNorm", cost(linear(3, 4), norm, nn.ReLU(), linear(4, 1))
        yield "BatchNorm eval", cost(linear(3, 4), norm.eval(), linear(4, 1))
        bare = nn.BatchNorm1d(4, affine=False, **kinds)
        yield "BatchNorm bare", cost(linear(3, 4), bare, linear(4, 1))
    yield "Dropout", cost(nn.Dropout(0.3), linear(3, 4), nn.ReLU(), nn.Dropout(0.5), linear(4, 1))
    yield "GELU tanh", cost(linear(3, 4), nn.GELU("tanh"), linear(4, 1))
    yield "slopes", cost(linear(3, 4), nn.LeakyReLU(0.3), nn.ELU(0.3), linear(4, 1))
    yield "softmax inside", cost(linear(3, 4), nn.Softmax(), linear(4, 1))
    normalize = nn.Normalization(axis=-1)
    normalize.adapt(np.random.default_rng(0).normal(size=(9, 3)))
    yield "Normalization", cost(normalize, nn.Identity(), linear(3, 1))
    images = tc.tensor(np.random.default_rng(1).normal(size=(m, 2, 3)))
    yield "Flatten", nn.MSELoss()(nn.Sequential(nn.Flatten(), linear(6, 1))(images), Y)
    yield "reshape", nn.MSELoss()(linear(6, 1)(images.reshape(-1, 6)).reshape(-1), Y[:, 0])


def expressions(m: int) -> Iterator[tuple[str, Tensor]]:
    """Yield costs written with operations alone: vectors, picking, in-place forms, derivatives."""
    data = Data(m, "rows")
    X, Y = data.X, data.binary
    rng = np.random.default_rng(2)

    def parameter(*shape: int) -> Tensor:
        return tc.tensor(rng.normal(size=shape), requires_grad=True)

    W, w, b, E = parameter(3, 1), parameter(3), parameter(), parameter(5, 3)
    yield "vector", ((X @ w + b - Y[:, 0]) ** 2).mean()
    yield "cost of shape (1, 1)", tc.ones(1, m, dtype=tc.float64) @ (X @ W).tanh()
    yield "extremes", (X @ W).amax() + (X @ W).amin(axis=0).sum()
    yield "log-sum-exp", (X @ W).logsumexp(axis=0).sum()
    yield "deviation", ((X @ W).var(axis=0, correction=0) + 1).sqrt().sum()
    yield "picked rows", ((E[tc.tensor(rng.integers(0, 5, m))] - X) ** 2).mean()
    z = X @ W
    yield "where", tc.where(z > 0, z.abs().sqrt(), z.exp()).mean()
    yield "einsum", tc.einsum("ij,jk->ik", X, W).tanh().mean()
    yield "running sum", z.cumsum(axis=0).tanh().mean()
    changed = z.clone()
    changed.mul_(2.0)
    changed[:, 0] += 1.0
    yield "in place", (changed * z).mean()
    whole = X @ W * 1.0
    part = whole.T
    part.mul_(3.0)
    yield "in place through a view", (whole**2).sum()
    (slope,) = tc.autograd.grad((z.tanh() ** 2).mean(), [W], create_graph=True)
    yield "second derivative", (z.tanh() ** 2).mean() + 0.1 * (slope * slope).sum()
