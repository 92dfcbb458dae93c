"""The computations that the commands know by name: those on the courses' slides and in their labs.

Each is a function without arguments that computes a loss afresh, always with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_course import nn
from tinygrad_course.creation import tensor
from tinygrad_course.data import course
from tinygrad_course.random import Generator
from tinygrad_course.tensor import Tensor

__all__ = ["SAMPLES"]


def slide() -> Tensor:
    """J = 3(a + bc), the slide on computation graphs."""
    a, b, c = _numbers(a=5.0, b=3.0, c=2.0)
    J: Tensor = 3 * (a + b * c)
    return J


def fanout() -> Tensor:
    """J = ab + ac - (b + c): each of a, b, c is used twice."""
    a, b, c = _numbers(a=3.0, b=2.0, c=4.0)
    J: Tensor = a * b + a * c - (b + c)
    return J


def logistic1() -> Tensor:
    """One example through logistic regression: z = w1 x1 + w2 x2 + b, a = sigma(z), loss."""
    w1, w2, b = _numbers(w1=0.5, w2=-0.25, b=0.1)
    x1, x2, y = tensor(1.5, name="x1"), tensor(2.0, name="x2"), tensor(1.0, name="y")
    z = w1 * x1 + w2 * x2 + b
    a = z.sigmoid()
    z.name, a.name = "z", "a"
    J: Tensor = -(y * a.log() + (1 - y) * (1 - a).log())
    return J


def micrograd() -> Tensor:
    """The g of micrograd's README: 24.7041, with dg/da = 138.8338 and dg/db = 645.5773."""
    a, b = _numbers(a=-4.0, b=2.0)
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g: Tensor = f / 2.0
    return g + 10.0 / f


def linear() -> Tensor:
    """House prices by one linear unit, rows (MLS): J = (1/2m) sum of squared errors."""
    X, Y = _data(*course.housing())
    w = tensor([[150.0]], requires_grad=True, name="w")
    b = tensor([50.0], requires_grad=True, name="b")
    A = X @ w + b
    A.name = "A"
    J: Tensor = ((A - Y) ** 2).mean() / 2
    return J


def logistic() -> Tensor:
    """Logistic regression of m examples, columns (DLS): A = sigma(w^T X + b), with its numbers."""
    w = tensor([[1.0], [2.0]], requires_grad=True, name="w")
    b = tensor(2.0, requires_grad=True, name="b")
    X, Y = _data(np.array([[1.0, 2.0, -1.0], [3.0, 4.0, -3.2]]), np.array([[1.0, 0.0, 1.0]]))
    A = (w.T @ X + b).sigmoid()
    A.name = "A"
    J: Tensor = nn.BCELoss()(A, Y)
    return J


def softmax() -> Tensor:
    """Three classes: a 2-4-3 network, ReLU and softmax, examples as columns."""
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    centres = np.array([[0.0, 1.5], [-1.3, -0.8], [1.3, -0.8]])
    X, Y = _data((centres[labels] + 0.5 * random.standard_normal((300, 2))).T, np.eye(3)[labels].T)
    model = _columns((2, 4, 3), ("relu", "softmax"), seed=0)
    J: Tensor = -(Y * model(X).log()).sum(axis=0).mean()
    return J


def welch() -> Tensor:
    """Neural Networks Demystified: hours of sleep and study, a 2-3-1 network without biases."""
    X = np.array([[3.0, 5.0], [5.0, 1.0], [10.0, 2.0]])
    x, y = _data(X / X.max(axis=0), np.array([[75.0], [82.0], [93.0]]) / 100)
    generator = Generator(0)
    model = nn.Sequential(
        nn.Dense(2, 3, "sigmoid", bias=False, generator=generator),
        nn.Dense(3, 1, "sigmoid", bias=False, generator=generator),
    )
    J: Tensor = 0.5 * ((y - model(x)) ** 2).sum()
    return J


def shallow() -> Tensor:
    """The planar flower's 2-4-1 network, tanh and sigmoid, examples as columns (DLS)."""
    model = _columns((2, 4, 1), ("tanh", "sigmoid"), seed=2)
    return _bce(model, *course.planar(layout="columns"))


def deep() -> Tensor:
    """The planar flower's points through 4 layers, 2-5-4-3-1, ReLU and sigmoid, columns (DLS)."""
    model = _columns((2, 5, 4, 3, 1), ("relu", "relu", "relu", "sigmoid"), seed=3)
    return _bce(model, *course.planar(layout="columns"))


def coffee() -> Tensor:
    """Coffee roasting's 2-3-1 network, with the weights that the NumPy lab gives."""
    X, Y = course.coffee()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = nn.Sequential(nn.Dense(2, 3, activation="sigmoid"), nn.Dense(3, 1, "sigmoid"))
    W1, b1 = [[-8.93, 0.29, 12.9], [-0.1, -7.32, 10.81]], [-9.82, -9.28, 0.96]
    W2, b2 = [[-31.18], [-27.59], [-32.56]], [15.41]
    for layer, weights in zip(model, ((W1, b1), (W2, b2)), strict=True):
        layer.set_weights([np.array(w) for w in weights])
    return _bce(model, X, Y)


def digits() -> Tensor:
    """The lecture's 64-25-15-1 network on 32 real images of zeros and ones."""
    X, Y = course.digits01()
    generator = Generator(0)
    sizes = ((64, 25), (25, 15), (15, 1))
    model = nn.Sequential(
        *(nn.Dense(n, k, activation="sigmoid", generator=generator) for n, k in sizes)
    )
    return _bce(model, X[:32], Y[:32])


SAMPLES: dict[str, Callable[[], Tensor]] = {
    f.__name__: f
    for f in (slide, fanout, logistic1, micrograd)  # numbers
    + (linear, logistic, shallow, deep, softmax, welch, coffee, digits)  # matrices
}


def _numbers(**values: float) -> list[Tensor]:
    """Return parameters with these names and values."""
    return [tensor(v, requires_grad=True, name=name) for name, v in values.items()]


def _columns(sizes: tuple[int, ...], activations: tuple[str, ...], seed: int) -> nn.Sequential:
    """Return a chain of layers on examples as columns."""
    generator = Generator(seed)
    pairs = zip(sizes, sizes[1:], activations, strict=False)
    return nn.Sequential(
        *(nn.Dense(n, k, g, layout="columns", generator=generator) for n, k, g in pairs)
    )


def _data(X: Any, Y: Any) -> tuple[Tensor, Tensor]:
    return tensor(X.astype(np.float32), name="X"), tensor(Y.astype(np.float32), name="Y")


def _bce(model: nn.Module, X: Any, Y: Any) -> Tensor:
    x, y = _data(X, Y)
    J: Tensor = nn.BCELoss()(model(x), y)
    return J
