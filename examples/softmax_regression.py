"""Softmax regression: three species of iris, and the wines of three growers.

You see logistic regression for several classes: one layer, one row of weights for each class, and
dZ = A - Y as before. The weights are held small by L2 regularization as the course writes it,
(λ/2m) ‖W‖² with λ = 1, so that the minimum is a single point: gradient descent arrives at the
weights that scikit-learn's solver finds.

Data: R. A. Fisher's iris (1936) and the UCI repository's wine, both inside scikit-learn.
Course: Deep Learning Specialization, course 2 week 3, "Softmax regression".

    python examples/softmax_regression.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def standardised(X: np.ndarray) -> np.ndarray:
    """Return each column with mean 0 and variance 1."""
    return (X - X.mean(axis=0)) / X.std(axis=0)


def train(X: np.ndarray, labels: np.ndarray, steps: int, lr: float) -> tuple[Any, list[float], Any]:
    """Full-batch gradient descent from zero weights; return the layer, its costs, its equations."""
    m = len(labels)
    layer = nn.Dense(X.shape[1], 3, init="zeros", dtype=tc.float64)
    loss = nn.CrossEntropyLoss()
    optimizer = optim.SGD(layer.parameters(), lr=lr)
    inputs, targets = tc.tensor(X, name="X"), tc.tensor(labels, name="Y")

    def cost(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        return loss(layer(X), Y) + (layer.W**2).sum() / (2 * m)

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = cost(X, Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    costs = [step(inputs, targets).item() for _ in range(steps)]
    return layer, costs, tc.equations(cost(inputs, targets), notation="columns")


def main(out: Path | None = None, steps: int = 6000) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("iris", "wine"):
        X, labels = getattr(course, name)()
        X = standardised(X)
        layer, costs, sheet = train(X, labels, steps, lr=0.5)
        predictions = layer(tc.tensor(X)).argmax(axis=1).numpy()
        errors = int((predictions != labels).sum())
        print(f"{name}: cost {costs[0]:.4f} -> {costs[-1]:.4f}; {errors} errors in {len(labels)}")
        found[name] = {"costs": costs, "errors": errors, "W": layer.W.numpy(), "b": layer.b.numpy()}
    print(sheet)

    # The picture: petal length and width alone, where the classes are half planes.
    X, labels = course.iris()
    petals = standardised(X[:, 2:])
    plane, *_ = train(petals, labels, steps=1000, lr=0.5)
    if out is not None:
        import matplotlib.pyplot as plt

        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
        viz.plot_history({name: found[name]["costs"] for name in found}, left)
        left.set(xlabel="step", ylabel="cost")
        viz.plot_decision_boundary(plane, petals, labels, right, title="iris: petals alone")
        right.set_xlabel("length, standardised")
        right.set_ylabel("width, standardised")
        fig.savefig(out / "softmax_regression.png")
        plt.close(fig)
    return found | {"sheet": sheet}


if __name__ == "__main__":
    main(pictures_folder())
