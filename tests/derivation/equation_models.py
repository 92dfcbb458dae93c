"""Models whose equations are tested: those of the courses, with few examples and fixed numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.graph import Graph
from tinygrad_course.tensor import Tensor

M = 400
MODELS: dict[str, Callable[[], Tensor | Graph]] = {}


def model(build: Callable[[], Tensor | Graph]) -> Callable[[], Tensor | Graph]:
    """Note a function that computes a loss, under its name."""
    MODELS[build.__name__] = build
    return build


def data(layout: str = "rows", classes: int = 0) -> tuple[Tensor, Tensor]:
    """Return 400 examples of two features, with labels 0 and 1, or one-hot of some classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, 2))
    Y = rng.integers(0, max(classes, 2), M)
    labels = np.eye(classes)[Y] if classes else Y.reshape(-1, 1) * 1.0
    if layout == "columns":
        X, labels = X.T, labels.T
    return tc.tensor(X, name="X"), tc.tensor(labels, name="Y")


def numbers(layout: str = "rows") -> Tensor:
    """Return the class numbers of the same examples, of three classes."""
    return tc.tensor(np.random.default_rng(1).integers(0, 3, M), name="Y")


def dense(*sizes: int, g: str, layout: str = "rows", **options: Any) -> nn.Sequential:
    """Return dense layers; `g` lists their activations."""
    pairs = zip(sizes, sizes[1:], g.split(), strict=False)
    return nn.Sequential(
        *(nn.Dense(a, b, None if act == "-" else act, layout=layout, **options)
          for (a, b, act) in pairs)
    )  # fmt: skip


def bce(net: nn.Module, layout: str = "rows") -> Tensor:
    X, Y = data(layout)
    return nn.BCELoss()(net(X), Y)


# --- the shallow and the deep network -----------------------------------------------------------


@model
def shallow_columns() -> Tensor:
    return bce(dense(2, 4, 1, g="tanh sigmoid", layout="columns"), "columns")


@model
def shallow_rows() -> Tensor:
    return bce(dense(2, 4, 1, g="tanh sigmoid"))


@model
def linear_layers() -> Tensor:
    """PyTorch's layout of the weights."""
    return bce(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid()))


@model
def deep() -> Tensor:
    net = dense(2, 5, 4, 3, 1, g="relu relu tanh sigmoid", layout="columns")
    return bce(net, "columns")


@model
def regularised() -> Graph:
    """L2: lambda is an input of the cost, so that it is written with its name."""
    net = dense(2, 4, 1, g="tanh sigmoid", layout="columns")
    X, Y = data("columns")

    def cost(X: Any, Y: Any, lam: Any) -> Any:
        m = X.shape[1]
        cost = nn.BCELoss()(net(X), Y)
        return cost + lam / (2 * m) * sum((layer.W**2).sum() for layer in net)

    return tc.trace(cost, X, Y, tc.tensor(0.7, name="λ"), backward=True)


# --- logistic and linear regression -------------------------------------------------------------


def logit() -> tuple[Any, Any]:
    """Return Z and Y of logistic regression in columns."""
    X, Y = data("columns")
    w = tc.tensor([[0.5], [-0.3]], requires_grad=True, name="w")
    b = tc.tensor([[0.1]], requires_grad=True, name="b")
    return w.T @ X + b, Y


@model
def logistic_by_hand() -> Any:
    Z, Y = logit()
    A = Z.sigmoid()
    A.name = "A"
    return -(1 / M) * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))


@model
def logistic() -> Tensor:
    Z, Y = logit()
    return nn.BCELoss()(Z.sigmoid(), Y)


@model
def logistic_with_logits() -> Tensor:
    return nn.BCEWithLogitsLoss()(*logit())


@model
def sigmoid_by_hand() -> Any:
    Z, Y = logit()
    Z.name = "Z"
    A = 1 / (1 + np.exp(-Z))
    A.name = "A"
    return -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))


@model
def logistic_with_vector() -> Tensor:
    X, Y = data()
    w = tc.tensor([0.5, -0.3], requires_grad=True, name="w")
    b = tc.tensor(0.1, requires_grad=True, name="b")
    return nn.BCELoss()((X @ w + b).sigmoid(), tc.tensor(Y.numpy()[:, 0], name="y"))


@model
def linear_regression() -> Tensor:
    X, Y = data()
    return nn.MSELoss()(dense(2, 1, g="-")(X), Y)


@model
def linear_regression_by_hand() -> Any:
    X, Y = data()
    w = tc.tensor([[0.5], [-0.3]], requires_grad=True, name="w")
    b = tc.tensor([0.1], requires_grad=True, name="b")
    f = X @ w + b
    f.name = "f"
    return ((f - Y) ** 2).sum() / (2 * M)


# --- softmax ------------------------------------------------------------------------------------


@model
def softmax_numbers() -> Tensor:
    X, _ = data()
    return nn.CrossEntropyLoss()(dense(2, 4, 3, g="relu -")(X), numbers())


@model
def softmax_one_hot() -> Tensor:
    X, Y = data(classes=3)
    return nn.CrossEntropyLoss()(dense(2, 4, 3, g="relu -")(X), Y)


@model
def softmax_by_hand() -> Any:
    X, Y = data("columns", classes=3)
    P = dense(2, 4, 3, g="relu softmax", layout="columns")(X)
    return -(1 / M) * (Y * P.log()).sum()


# --- Welch --------------------------------------------------------------------------------------


@model
def welch() -> Any:
    X = tc.tensor(np.array([[3, 5], [5, 1], [10, 2]]) / [10, 5], name="X")
    y = tc.tensor(np.array([[0.75], [0.82], [0.93]]), name="Y")
    return 0.5 * ((y - dense(2, 3, 1, g="sigmoid sigmoid", bias=False)(X)) ** 2).sum()


# --- single numbers -----------------------------------------------------------------------------


def scalars(**values: float) -> list[Any]:
    return [
        tc.tensor(v, requires_grad=True, name=name, dtype=tc.float64) for name, v in values.items()
    ]


@model
def slide() -> Any:
    a, b, c = scalars(a=5.0, b=3.0, c=2.0)
    return 3 * (a + b * c)


@model
def fan_out() -> Any:
    a, b, c = scalars(a=5.0, b=3.0, c=2.0)
    return a * b + a * c - (b + c)


@model
def micrograd() -> Any:
    a, b = scalars(a=-4.0, b=2.0)
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.name = "g"
    return g


# --- other layers -------------------------------------------------------------------------------


@model
def batch_norm() -> Tensor:
    return bce(
        nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dense(3, 1, "sigmoid"))
    )


@model
def batch_norm_evaluated() -> Tensor:
    net = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dense(3, 1, "sigmoid"))
    return bce(net.eval())


@model
def layer_norm() -> Tensor:
    return bce(nn.Sequential(nn.Dense(2, 3), nn.LayerNorm(3), nn.ReLU(), nn.Dense(3, 1, "sigmoid")))


@model
def dropout() -> Tensor:
    net = nn.Sequential(nn.Dense(2, 3, "relu"), nn.Dropout(0.2), nn.Dense(3, 1, "sigmoid"))
    return bce(net)


@model
def embedding() -> Any:
    """Rows of a table, picked by number."""
    ids = tc.tensor(np.random.default_rng(2).integers(0, 10, M), name="ids")
    rng = np.random.default_rng(3)
    E = tc.tensor(rng.normal(size=(10, 4)), requires_grad=True, name="E")
    v = tc.tensor(rng.normal(size=(4, 1)), requires_grad=True, name="v")
    return nn.MSELoss()(E[ids] @ v, data()[1])


class Residual(nn.Module):
    """Adds what its layer computes to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Dense(2, 2, "relu")
        self.outer = nn.Dense(2, 1, "sigmoid")

    def forward(self, x: Any) -> Any:
        return self.outer(x + self.inner(x))


@model
def residual() -> Tensor:
    return bce(Residual())


# --- images -------------------------------------------------------------------------------------


def images(channels: int) -> tuple[Tensor, Tensor]:
    """Return five images of 8 × 8, and their classes."""
    rng = np.random.default_rng(4)
    X = tc.tensor(rng.normal(size=(5, channels, 8, 8)), name="X")
    return X, tc.tensor(rng.integers(0, 3, 5), name="Y")


@model
def convolution() -> Tensor:
    X, Y = images(1)
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    )
    return nn.CrossEntropyLoss()(net(X), Y)


@model
def deep_convolution() -> Tensor:
    """Strides, padding, groups, batch norm, and the average of windows."""
    X, Y = images(2)
    net = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(6, 3)),
    )
    return nn.CrossEntropyLoss()(net(X), Y)
