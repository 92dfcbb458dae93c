"""Two moons: micrograd's demo, a 2-16-16-1 ReLU network with a max-margin loss.

You see the whole lecture in one file: scores instead of probabilities, the loss
mean(max(0, 1 - y s)) + 1e-4 sum p^2 with labels y = -1 or 1, and a learning rate that falls from 1
to 0.1 in 100 steps. The points and the 337 weights are the notebook's own (its two seeds are 1337),
so its curve comes out here as well, a whole batch at a time instead of one number at a time.

Source: A. Karpathy, "The spelled-out intro to neural networks and backpropagation: building
micrograd", and its demo notebook.

    python examples/moons.py --out pictures
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def readme() -> dict[str, float]:
    """The expression of micrograd's README."""
    a = tc.tensor(-4.0, dtype=tc.float64, requires_grad=True, name="a")
    b = tc.tensor(2.0, dtype=tc.float64, requires_grad=True, name="b")
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    print(f"g = {g:.4f}, dg/da = {a.grad:.4f}, dg/db = {b.grad:.4f}")
    return {"g": g.item(), "da": a.grad.item(), "db": b.grad.item()}


def the_model() -> nn.Sequential:
    """2-16-16-1; each weight is drawn from -1 to 1, unit by unit, and biases are 0."""
    sizes = (2, 16, 16, 1)
    model = nn.Sequential(
        nn.Dense(2, 16, activation="relu", dtype=tc.float64),
        nn.Dense(16, 16, activation="relu", dtype=tc.float64),
        nn.Dense(16, 1, dtype=tc.float64),
    )
    stream = random.Random(1337)
    for layer, inputs, units in zip(model, sizes, sizes[1:], strict=False):
        W = np.array([[stream.uniform(-1, 1) for _ in range(inputs)] for _ in range(units)]).T
        layer.set_weights([W, np.zeros(units)])
    return model


def main(out: Path | None = None, steps: int = 100) -> dict[str, Any]:
    expression = readme()

    X, labels = course.moons(100, noise=0.1, seed=1337)
    X, y = tc.tensor(X), tc.tensor(2 * labels - 1)
    model = the_model()
    parameters = list(model.parameters())
    optimizer = optim.SGD(parameters, lr=1.0)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1.0 - 0.9 * k / 100)

    losses, accuracies = [], []
    for k in range(steps):
        scores = model(X)
        data_loss = tc.relu(1 - y * scores).mean()
        regularisation = 1e-4 * sum((p * p).sum() for p in parameters)
        loss = data_loss + regularisation
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        accuracies.append(100 * float(((scores > 0) == (y > 0)).numpy().mean()))
        if k % 10 == 0 or k == steps - 1:
            print(f"step {k} loss {losses[-1]:.6f}, accuracy {accuracies[-1]:.0f}%")

    if out is not None:
        ax = viz.plot_decision_boundary(model, X, y, title="Two moons")
        ax.figure.savefig(out / "moons.png")
    count = sum(p.numel() for p in parameters)
    return {**expression, "parameters": count, "losses": losses, "accuracies": accuracies}


if __name__ == "__main__":
    main(pictures_folder())
