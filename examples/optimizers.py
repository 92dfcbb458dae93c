"""Optimizers compared: gradient descent, momentum, RMSprop and Adam on the same mini-batches.

You see one network, 2-5-2-1, from one start on one set of moons, in the lab's mini-batches of 64
with the learning rate 0.0007 for all. Plain descent crawls, momentum alone changes little at such a
rate, and the two that divide by the gradients' size are there in a fifth of the time. The costs are
those that the lab prints; momentum's to four digits, since the lab starts from v = 0, and
`optim.SGD`, like PyTorch's, from the first gradient.

Course: Deep Learning Specialization, course 2 week 2, lab "Optimization methods".

    python examples/optimizers.py --out pictures
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

SIZES = (2, 5, 2, 1)
LR = 0.0007


def the_model() -> nn.Sequential:
    """The network with the lab's start: He's weights from seed 3, b = 0."""
    draw = np.random.RandomState(3).randn
    model = nn.Sequential(
        nn.Dense(2, 5, activation="relu", layout="columns", dtype=tc.float64),
        nn.Dense(5, 2, activation="relu", layout="columns", dtype=tc.float64),
        nn.Dense(2, 1, activation="sigmoid", layout="columns", dtype=tc.float64),
    )
    for layer, n_in, n_out in zip(model, SIZES, SIZES[1:], strict=False):
        layer.set_weights([draw(n_out, n_in) * np.sqrt(2 / n_in), np.zeros((n_out, 1))])
    return model


def the_optimizer(name: str, model: nn.Module) -> optim.Optimizer:
    """Return the optimizer with the lab's numbers."""
    parameters = model.parameters()
    if name == "momentum":
        # The course's v = β v + (1 - β) dW.
        return optim.SGD(parameters, lr=LR, momentum=0.9, dampening=0.9)
    if name == "RMSprop":
        return optim.RMSprop(parameters, lr=LR, alpha=0.999)
    if name == "Adam":
        return optim.Adam(parameters, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    return optim.SGD(parameters, lr=LR)


def train(name: str, X: np.ndarray, Y: np.ndarray, epochs: int) -> tuple[nn.Module, list[float]]:
    """Mini-batches of 64, drawn anew in each epoch from the lab's seeds 11, 12, …."""
    model = the_model()
    cost = nn.BCELoss(reduction="sum")
    optimizer = the_optimizer(name, model)

    @tc.compile  # tens of thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        total = cost(model(X), Y)
        optimizer.zero_grad()
        (total / X.shape[1]).backward()
        optimizer.step()
        return total

    m = X.shape[1]
    costs = []
    for epoch in range(epochs):
        order = np.random.RandomState(11 + epoch).permutation(m)
        totals = [
            step(tc.tensor(X[:, batch]), tc.tensor(Y[:, batch])).item()
            for batch in np.split(order, range(64, m, 64))
        ]
        costs.append(sum(totals) / m)
    return model, costs


def main(out: Path | None = None, epochs: int = 5000) -> dict[str, Any]:
    X, Y = (array.T for array in course.moons(300, noise=0.2, seed=3))
    found: dict[str, Any] = {}
    for name in ("gradient descent", "momentum", "RMSprop", "Adam"):
        model, costs = train(name, X, Y, epochs)
        right = 100 * float(((model(tc.tensor(X)) > 0.5) == tc.tensor(Y)).double().mean())
        print(f"{name}: costs", *(f"{c:.6f}" for c in costs[::1000]), f"and {right:.1f} % right")
        found[name] = {"costs": costs, "right": right, "model": model}

    if out is not None:
        import matplotlib.pyplot as plt

        fig, axes = plt.subplots(1, 5, figsize=(20, 4), layout="constrained")
        for name, result in found.items():
            axes[0].plot(result["costs"], label=name)
        axes[0].set_xlabel("epoch")
        axes[0].set_ylabel("cost")
        axes[0].legend()
        for ax, (name, result) in zip(axes[1:], found.items(), strict=True):
            title = f"{name}: {result['right']:.1f} %"
            viz.plot_decision_boundary(result["model"], X, Y, ax, title=title)
        fig.savefig(out / "optimizers.png")
        plt.close(fig)
    return found


if __name__ == "__main__":
    main(pictures_folder())
