"""One neuron: the price of a house, and a logistic unit that separates two classes.

You see that a layer with one unit is linear (or logistic) regression: set its weight and bias by
hand, then let gradient descent find them. A ReLU neuron never predicts a negative price.

Course: Machine Learning Specialization, course 2 week 1, lab "Neurons and Layers"; the housing
example of the Deep Learning Specialization, course 1 week 1.

    python examples/single_neuron.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def linear_neuron() -> dict[str, Any]:
    """Size in 1000 square feet -> price in 1000 dollars: a = w x + b."""
    X, Y = course.housing()
    neuron = nn.Dense(1, 1, activation="linear")
    neuron.set_weights([np.array([[200.0]]), np.array([100.0])])
    predictions = neuron(X)
    print("linear neuron, w = 200, b = 100:", predictions.tolist())

    tc.manual_seed(0)
    trained = nn.Dense(1, 1, dtype=tc.float64)
    optimizer = optim.SGD(trained.parameters(), lr=0.1)
    for _ in range(1000):
        loss = nn.MSELoss()(trained(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    w, b = trained.W.item(), trained.b.item()
    print(f"found by gradient descent: w = {w:.3f}, b = {b:.3f}")

    relu = nn.Dense(1, 1, activation="relu")
    relu.set_weights([np.array([[200.0]]), np.array([-100.0])])
    prices = relu([[0.25], [0.5], [1.0]])
    print("ReLU neuron, w = 200, b = -100:", prices.tolist())
    return {"predictions": predictions.tolist(), "w": w, "b": b, "relu": prices.tolist()}


def logistic_neuron() -> tuple[nn.Sequential, dict[str, Any]]:
    """Six points on a line in two classes: a = sigmoid(w x + b), class 1 where a >= 0.5."""
    X, Y = course.logistic1d()
    model = nn.Sequential(nn.Dense(1, 1, activation="sigmoid"))
    model[0].set_weights([[[2.0]], [-4.5]])
    A = model(X)
    right = int(((A.numpy() >= 0.5) == Y).sum())
    boundary = 4.5 / 2
    print(f"logistic neuron, w = 2, b = -4.5: a(0) = {A[0, 0]:.6f}, {right} of 6 right")
    print(f"it changes its mind at x = -b / w = {boundary}")
    return model, {"a0": A[0, 0].item(), "right": right, "boundary": boundary}


def main(out: Path | None = None) -> dict[str, Any]:
    linear = linear_neuron()
    model, logistic = logistic_neuron()

    if out is not None:
        import matplotlib.pyplot as plt

        X, Y = course.logistic1d()
        x = np.linspace(-0.5, 5.5, 200).reshape(-1, 1)
        fig, ax = plt.subplots()
        ax.plot(x, model(x).numpy(), label="σ(2x − 4.5)")
        ax.scatter(X, Y, c=Y, cmap="coolwarm", zorder=3)
        ax.axvline(logistic["boundary"], linestyle=":", color="grey")
        ax.set_xlabel("x")
        ax.legend()
        fig.savefig(out / "logistic_neuron.png")
        plt.close(fig)
    return {**linear, **logistic}


if __name__ == "__main__":
    main(pictures_folder())
