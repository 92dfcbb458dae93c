"""Initialization: zeros learn nothing, large weights learn badly, He's learn well.

You see the same 2-10-5-1 network (ReLU, ReLU, sigmoid) on two circles from three starts. With zeros
every unit of a layer computes the same for ever, and the cost stays at ln 2; weights ten times too
large start from a huge cost, saturated; He's variance 2 / n keeps the size of the signals.

The sigmoid of the last layer is part of the loss here (`BCEWithLogitsLoss`, dZ = A - Y): with the
large weights A is 0 or 1 to the last bit, and sigmoid'(z) = A (1 - A) alone would be exactly 0.

Course: Deep Learning Specialization, course 2 week 1, lab "Initialization".

    python examples/initialization.py --out pictures
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

SIZES = (2, 10, 5, 1)


def the_model(start: str) -> nn.Sequential:
    """The network with weights drawn from the lab's seed 3, scaled as `start` says; b = 0."""
    draw = np.random.RandomState(3).randn
    model = nn.Sequential(
        nn.Dense(2, 10, activation="relu", layout="columns", dtype=tc.float64),
        nn.Dense(10, 5, activation="relu", layout="columns", dtype=tc.float64),
        nn.Dense(5, 1, layout="columns", dtype=tc.float64),
    )
    for layer, n_in, n_out in zip(model, SIZES, SIZES[1:], strict=False):
        scale = {"zeros": 0.0, "large": 10.0, "he": np.sqrt(2 / n_in)}[start]
        layer.set_weights([draw(n_out, n_in) * scale, np.zeros((n_out, 1))])
    return model


def train(model: nn.Module, X: tc.Tensor, Y: tc.Tensor, steps: int) -> list[float]:
    """Gradient descent with learning rate 0.01; return the cost before each step."""
    cost = nn.BCEWithLogitsLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = cost(model(X), Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    return [step(X, Y).item() for _ in range(steps)]


def accuracy(model: nn.Module, X: tc.Tensor, Y: tc.Tensor) -> float:
    """Return the fraction of examples that are right."""
    with tc.no_grad():
        return ((model(X) > 0) == Y).double().mean().item()


def main(out: Path | None = None, steps: int = 15_000) -> dict[str, Any]:
    X, Y = (tc.tensor(array.T) for array in course.circles(300, noise=0.05, seed=1))
    X_test, Y_test = (tc.tensor(array.T) for array in course.circles(100, noise=0.05, seed=2))

    results: dict[str, Any] = {}
    models = {start: the_model(start) for start in ("zeros", "large", "he")}
    for start, model in models.items():
        costs = train(model, X, Y, steps)
        right = accuracy(model, X, Y), accuracy(model, X_test, Y_test)
        print(f"{start:>5}: cost {costs[0]:.4f} -> {costs[-1]:.4f}", end="; ")
        print(f"right: {right[0]:.1%} of the training, {right[1]:.1%} of the test examples")
        results[start] = {"costs": costs, "accuracy": right}

    if out is not None:
        import matplotlib.pyplot as plt

        fig, axes = plt.subplots(1, 4, figsize=(16, 4), layout="constrained")
        for start, result in results.items():
            axes[0].plot(result["costs"], label=start)
        axes[0].set_ylim(0, 2)
        axes[0].set_xlabel("step")
        axes[0].set_ylabel("cost")
        axes[0].legend()
        for ax, (start, model) in zip(axes[1:], models.items(), strict=True):
            viz.plot_decision_boundary(model, X, Y, ax, threshold=0, title=start)
        fig.savefig(out / "initialization.png")
        plt.close(fig)
    return results


if __name__ == "__main__":
    main(pictures_folder())
