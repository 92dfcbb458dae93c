"""The labs that ``tinygrad-course train`` knows: their data, networks and settings.

A recipe is what the lab does. A setting that the user changes replaces one of its entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course import nn
from tinygrad_course.data import course, train_test_split
from tinygrad_course.nn import init
from tinygrad_course.optim.lr_scheduler import LambdaLR
from tinygrad_course.tensor import Tensor

__all__ = ["RECIPES", "Data", "Recipe", "build", "objective", "schedule", "whole"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Data:
    """Examples to learn from, and to judge on.

    Attributes:
        X, Y: what the network is trained on.
        plain: the same as measured, and without copies: for pictures and the final figures.
        test: (X, Y) that training never sees, or None.
        words: what it is, in a line.
        axes: names of the two columns of X, for the picture of the boundary.
        normalization: what X went through before training.
    """

    X: Array
    Y: Array
    plain: tuple[Array, Array]
    test: tuple[Array, Array] | None
    words: str
    axes: tuple[str, str] = ("x₁", "x₂")
    normalization: nn.Normalization | None = None


@dataclass(frozen=True)
class Recipe:
    """A lab, with the settings it uses.

    Attributes:
        title: what it is about, and which lab it is.
        data: makes the data, from the seed.
        hidden: units of the hidden layers.
        activation: of the hidden layers.
        outputs: units of the last layer.
        last: activation of the last layer.
        loss: "bce", "cross_entropy", or "max-margin".
        init: how weights start.
        optimizer, lr, batch_size, epochs: as for `fit`.
    """

    title: str
    data: Callable[[int], Data]
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    lr: float
    epochs: int
    batch_size: int | None
    outputs: int = 1
    last: str = "sigmoid"
    loss: str = "bce"
    init: Any = None


def _coffee(seed: int) -> Data:
    X, Y = course.coffee()
    normalization = nn.Normalization(axis=-1)
    normalization.adapt(X)
    # As the lab does: normalise once, and copy so that ten epochs are enough.
    tiled = np.tile(normalization(X).numpy(), (1000, 1)), np.tile(Y, (1000, 1))
    words = "200 roasts, normalised, each copied 1000 times as in the lab"
    axes = ("temperature (°C)", "duration (min)")
    return Data(*tiled, (X, Y), None, words, axes, normalization)


def _digits(seed: int) -> Data:
    X, labels = course.digits()
    X_train, X_test, Y_train, Y_test = train_test_split(
        X, labels, test_size=0.2, seed=seed, stratify=labels
    )
    words = f"{len(X_train)} images of 8 x 8 pixels, {len(X_test)} more held out"
    return Data(X_train, Y_train, (X_train, Y_train), (X_test, Y_test), words)


def _planar(seed: int) -> Data:
    X, Y = course.planar()
    return Data(X, Y, (X, Y), None, "400 points of the flower; the lab judges on them too")


def _moons(seed: int) -> Data:
    X, Y = course.moons(100, noise=0.1, seed=1337)
    test = course.moons(100, noise=0.1, seed=1338)
    return Data(X, Y, (X, Y), test, "100 points of two moons, 100 fresh ones to judge on")


def _circles(seed: int) -> Data:
    X, Y = course.circles(300, 0.05, seed=1)
    test = course.circles(100, 0.05, seed=2)
    return Data(X, Y, (X, Y), test, "300 points on two circles, 100 fresh ones to judge on")


def _small(weight: Tensor, generator: Any = None) -> Tensor:
    return init.normal_(weight, 0.0, 0.01, generator)


def _between_ones(weight: Tensor, generator: Any = None) -> Tensor:
    return init.uniform_(weight, -1.0, 1.0, generator)


RECIPES: dict[str, Recipe] = {
    "coffee": Recipe(
        "coffee roasting (Machine Learning Specialization, course 2 week 1)",
        _coffee,
        hidden=(3,),
        activation="sigmoid",
        optimizer="adam",
        lr=0.01,
        epochs=10,
        batch_size=32,
    ),
    "digits": Recipe(
        "ten handwritten digits (Machine Learning Specialization, course 2 week 2)",
        _digits,
        hidden=(25, 15),
        activation="relu",
        optimizer="adam",
        lr=0.001,
        epochs=40,
        batch_size=32,
        outputs=10,
        last="linear",
        loss="cross_entropy",
    ),
    "planar": Recipe(
        "the planar flower (Deep Learning Specialization, course 1 week 3)",
        _planar,
        hidden=(4,),
        activation="tanh",
        optimizer="sgd",
        lr=1.2,
        epochs=10_000,
        batch_size=None,
        init=_small,
    ),
    "moons": Recipe(
        "two moons (micrograd's demo)",
        _moons,
        hidden=(16, 16),
        activation="relu",
        optimizer="sgd",
        lr=1.0,
        epochs=100,
        batch_size=None,
        last="linear",
        loss="max-margin",
        init=_between_ones,
    ),
    "circles": Recipe(
        "two circles (Deep Learning Specialization, course 2 week 1)",
        _circles,
        hidden=(10, 5),
        activation="relu",
        optimizer="sgd",
        lr=0.01,
        epochs=15_000,
        batch_size=None,
        init="he_normal",
    ),
}


def build(recipe: Recipe, hidden: tuple[int, ...], activation: str, data: Data) -> nn.Sequential:
    """Return the network to train, its weights drawn from the default generator."""
    sizes = (data.X.shape[1], *hidden)
    layers = [
        nn.Dense(n, units, activation=activation, init=recipe.init) for n, units in pairwise(sizes)
    ]
    layers.append(nn.Dense(sizes[-1], recipe.outputs, activation=recipe.last, init=recipe.init))
    return nn.Sequential(*layers)


def whole(model: nn.Sequential, data: Data) -> nn.Sequential:
    """Return the network as it is used: on plain data, with the normalisation in front."""
    if data.normalization is None:
        return model
    return nn.Sequential(data.normalization, *model)


def objective(recipe: Recipe, model: nn.Module) -> tuple[Any, Any]:
    """Return loss and metrics as `fit` takes them."""
    if recipe.loss != "max-margin":
        return recipe.loss, "accuracy"

    def max_margin(score: Tensor, y: Tensor) -> Tensor:
        """SVM's loss with classes -1 and 1, and a penalty on large weights."""
        losses: Any = (1 - (2 * y - 1) * score).relu()
        penalty: Any = sum((p * p).sum() for p in model.parameters())
        total: Tensor = losses.mean() + 1e-4 * penalty
        return total

    def accuracy(score: Tensor, y: Tensor) -> float:
        return float(np.mean((score.numpy() > 0) == (y.numpy() > 0.5)))

    return max_margin, {"accuracy": accuracy}


def schedule(recipe: Recipe) -> Any:
    """Return what makes the learning-rate schedule, if the lab has one."""
    if recipe.loss != "max-margin":
        return None
    return lambda optimizer: LambdaLR(optimizer, _falling)


def _falling(epoch: int) -> float:
    """Return micrograd's 1 - 0.9 k/100, which stays at its end after 100 epochs.

    It does not depend on the number of epochs of the run: more of them can be added later.
    """
    return max(1.0 - 0.9 * epoch / 100, 0.1)
