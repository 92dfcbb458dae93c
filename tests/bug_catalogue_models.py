"""What the programs of the catalogue run on: inputs, and the same costs computed in tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.nn import functional as F

Arrays = dict[str, Any]

LAMBDA = 0.7
KEEP = 0.75

# --- inputs ---------------------------------------------------------------------------------------


def drawn(sizes: tuple[int, ...], layout: str, labels: str, biases: bool = True) -> Any:
    """Return a function that draws X, Y, W1, b1, W2 … for layers of these sizes.

    labels: "binary", "one-hot", "classes" (numbers) or "real".
    """

    def draw(rng: np.random.Generator, m: int) -> Arrays:
        values: Arrays = {"X": rng.normal(size=(sizes[0], m))}
        if labels == "real":
            values["Y"] = rng.normal(size=(sizes[-1], m))
        elif labels == "binary":
            values["Y"] = (rng.random((sizes[-1], m)) > 0.5).astype(float)
            values["Y"][0, :2] = 0, 1
        else:
            classes = rng.integers(0, sizes[-1], size=m)
            values["Y"] = np.eye(sizes[-1])[:, classes]
        for number, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False), start=1):
            values[f"W{number}"] = rng.normal(size=(n_out, n_in)) * 1.4 / np.sqrt(n_in)
            if biases:
                values[f"b{number}"] = rng.normal(size=(n_out, 1)) * 0.3
        if layout == "rows":
            values = {k: v.reshape(-1) if k[0] == "b" else v.T.copy() for k, v in values.items()}
        if labels == "classes":
            values["Y"] = classes
        return values

    return draw


def draw_logistic(rng: np.random.Generator, m: int) -> Arrays:
    values = drawn((3, 1), "columns", "binary")(rng, m)
    return {
        "X": values["X"],
        "Y": values["Y"],
        "w": values["W1"].T.copy(),
        "b": float(values["b1"][0, 0]),
    }


def draw_vectors(labels: str) -> Any:
    """Return a function that draws X (m, n), y (m,), w (n,) and a number b."""

    def draw(rng: np.random.Generator, m: int) -> Arrays:
        values = drawn((4, 1), "rows", labels)(rng, m)
        return {
            "X": values["X"],
            "y": values["Y"][:, 0],
            "w": values["W1"][:, 0],
            "b": float(values["b1"][0]),
        }

    return draw


def draw_dropout(rng: np.random.Generator, m: int) -> Arrays:
    values = drawn((2, 5, 4, 1), "columns", "binary")(rng, m)
    for name, units in (("D1", 5), ("D2", 4)):
        values[name] = (rng.random((units, m)) < KEEP).astype(float)
        values[name][0, 0], values[name][1, 1] = 0, 1
    return values


# --- the same costs in tensors --------------------------------------------------------------------


def parameters(values: Arrays) -> dict[str, tc.Tensor]:
    """Return tensors of the same names; weights and biases require grad."""
    return {
        name: tc.tensor(np.asarray(value), requires_grad=name[0] in "Wwb", name=name)
        for name, value in values.items()
    }


def network(*activations: str | None, layout: str, loss: nn.Module, bias: bool = True) -> Any:
    """Return a function that builds `nn.Dense` layers on W1, b1, W2 … and computes a loss."""

    def model(values: Arrays) -> tc.Tensor:
        layers = []
        for number, activation in enumerate(activations, start=1):
            W = values[f"W{number}"]
            sizes = W.shape if layout == "rows" else W.shape[::-1]
            layer = nn.Dense(*sizes, activation=activation, layout=layout, bias=bias).double()
            layer.set_weights([W, values[f"b{number}"]] if bias else [W])
            layers.append(layer)
        output = nn.Sequential(*layers)(tc.tensor(values["X"], name="X"))
        return loss(output, tc.tensor(values["Y"], name="Y"))

    return model


def model_logistic(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    return F.binary_cross_entropy(tc.sigmoid(t["w"].T @ t["X"] + t["b"]), t["Y"])


def model_linear(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    return ((t["X"] @ t["w"] + t["b"] - t["y"]) ** 2).mean() / 2


def model_regularized_logistic(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    m = len(values["y"])
    cost = F.binary_cross_entropy(tc.sigmoid(t["X"] @ t["w"] + t["b"]), t["y"])
    return cost + LAMBDA / (2 * m) * (t["w"] ** 2).sum()


def model_softmax_columns(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    hidden = tc.tanh(t["W1"] @ t["X"] + t["b1"])
    P = tc.softmax(t["W2"] @ hidden + t["b2"], axis=0)
    return -(t["Y"] * tc.log(P)).sum() / values["X"].shape[1]


def model_half_mse(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    output = t["W2"] @ tc.relu(t["W1"] @ t["X"] + t["b1"]) + t["b2"]
    return ((output - t["Y"]) ** 2).sum() / (2 * values["X"].shape[1])


def model_welch(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    yHat = tc.sigmoid(tc.sigmoid(t["X"] @ t["W1"]) @ t["W2"])
    return 0.5 * ((t["Y"] - yHat) ** 2).sum()


def model_l2(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    m = values["X"].shape[1]
    A1 = tc.relu(t["W1"] @ t["X"] + t["b1"])
    A2 = tc.relu(t["W2"] @ A1 + t["b2"])
    A3 = tc.sigmoid(t["W3"] @ A2 + t["b3"])
    squares = sum((t[name] ** 2).sum() for name in ("W1", "W2", "W3"))
    return F.binary_cross_entropy(A3, t["Y"]) + LAMBDA / (2 * m) * squares


def model_dropout(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    A1 = tc.relu(t["W1"] @ t["X"] + t["b1"]) * t["D1"] / KEEP
    A1.name = "A1"
    A2 = tc.relu(t["W2"] @ A1 + t["b2"]) * t["D2"] / KEEP
    A2.name = "A2"
    return F.binary_cross_entropy(tc.sigmoid(t["W3"] @ A2 + t["b3"]), t["Y"])


def model_leaky(values: Arrays) -> tc.Tensor:
    t = parameters(values)
    A1 = tc.leaky_relu(t["X"] @ t["W1"] + t["b1"], 0.01)
    return F.binary_cross_entropy(tc.sigmoid(A1 @ t["W2"] + t["b2"]), t["Y"])
