"""The planar flower: a straight line fails, four hidden units draw the petals.

You see why hidden units matter. Logistic regression gets 47 % of the flower right; a 2-4-1 network
(tanh, sigmoid) about 90 %. Everything is written as the DL specialization does, one column per
example, and starts from the lab's weights, so the costs are the lab's to the last digit shown.

Course: Deep Learning Specialization, course 1 week 3, "Planar data classification with one hidden
layer".

    python examples/planar_flower.py --out pictures
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


def the_model(hidden: int) -> nn.Sequential:
    """2-n-1 with the lab's start: W = 0.01 randn from seed 2, W1 before W2; b = 0."""
    draw = np.random.RandomState(2).randn
    model = nn.Sequential(
        nn.Dense(2, hidden, activation="tanh", layout="columns", dtype=tc.float64),
        nn.Dense(hidden, 1, activation="sigmoid", layout="columns", dtype=tc.float64),
    )
    model[0].set_weights([draw(hidden, 2) * 0.01, np.zeros((hidden, 1))])
    model[1].set_weights([draw(1, hidden) * 0.01, np.zeros((1, 1))])
    return model


def train(model: nn.Module, X: tc.Tensor, Y: tc.Tensor, steps: int, lr: float) -> list[float]:
    """Full-batch gradient descent; return the cost before each step."""
    cost = nn.BCELoss()
    optimizer = optim.SGD(model.parameters(), lr=lr)

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = cost(model(X), Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    return [step(X, Y).item() for _ in range(steps)]


def accuracy(model: nn.Module, X: tc.Tensor, Y: tc.Tensor) -> float:
    """Return the percentage of examples that are right."""
    with tc.no_grad():
        return 100 * ((model(X) > 0.5) == Y).float().mean().item()


def main(out: Path | None = None) -> dict[str, Any]:
    X, Y = (tc.tensor(array) for array in course.planar(layout="columns"))

    line = nn.Dense(2, 1, activation="sigmoid", layout="columns", init="zeros", dtype=tc.float64)
    train(line, X, Y, steps=1000, lr=0.1)
    baseline = accuracy(line, X, Y)
    print(f"logistic regression: {baseline:.0f} % right")

    models = {hidden: the_model(hidden) for hidden in (1, 2, 3, 4, 5)}
    costs = {}
    accuracies = {}
    for hidden, model in models.items():
        costs[hidden] = train(model, X, Y, steps=5000, lr=1.2)
        accuracies[hidden] = accuracy(model, X, Y)
        print(f"{hidden} hidden units, 5000 steps: {accuracies[hidden]:.2f} % right")

    lab = (costs[4] + train(models[4], X, Y, steps=2001, lr=1.2))[::1000]
    for k, cost in enumerate(lab):
        print(f"4 hidden units, cost after {1000 * k} steps: {cost:.6f}")

    if out is not None:
        import matplotlib.pyplot as plt

        viz.draw_network(models[4], title="2-4-1: the planar flower").render(
            out / "planar_network.svg"
        )
        fig, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
        panels = {"logistic regression": (line, baseline)}
        panels |= {f"{n} hidden units": (models[n], accuracies[n]) for n in models}
        for ax, (title, (shown, percent)) in zip(axes.flat, panels.items(), strict=True):
            viz.plot_decision_boundary(shown, X, Y, ax, title=f"{title}: {percent:.2f} %")
        fig.savefig(out / "planar_flower.png")
        plt.close(fig)
    return {"baseline": baseline, "costs": lab, "accuracies": accuracies}


if __name__ == "__main__":
    main(pictures_folder())
