"""Logistic regression as a network of one neuron, in the DL specialization's notation.

You see the graph z = w1 x1 + w2 x2 + b -> a = sigmoid(z) -> L(a, y) of one example with its
derivatives, then the same vectorised over m examples: one forward and one backward pass, and 100
steps of gradient descent, with the lab's numbers. Beside the derived gradients stand the slide's
formulas: dZ = A - Y, dw = (1/m) X dZᵀ, db = (1/m) sum dZ.

Course: Deep Learning Specialization, course 1 week 2, "Logistic regression with a neural network
mindset" (functions propagate and optimize).

    python examples/logistic_regression.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.nn import functional as F

X = np.array([[1.0, 2.0, -1.0], [3.0, 4.0, -3.2]])  # (n, m): one column per example
Y = np.array([[1.0, 0.0, 1.0]])  # (1, m)


def one_example() -> tuple[tc.Tensor, dict[str, float]]:
    """The graph of the slide, for one example."""
    w1, w2, b, x1, x2 = (
        tc.tensor(value, requires_grad=name in ("w1", "w2", "b"), name=name)
        for name, value in [("w1", 0.5), ("w2", -0.3), ("b", 0.1), ("x1", 1.0), ("x2", 3.0)]
    )
    y = tc.tensor(1.0, name="y")
    z = w1 * x1 + w2 * x2 + b
    z.name = "z"
    a = tc.sigmoid(z)
    a.name = "a"
    L = F.binary_cross_entropy(a, y, reduction="none")  # -(y log a + (1 - y) log(1 - a))
    L.name = "L"
    a.retain_grad()
    z.retain_grad()
    L.backward()
    print(f"one example: a = {a:.4f}, L = {L:.4f}")
    print(f"  da = -y/a + (1-y)/(1-a) = {a.grad:.4f}, dz = a - y = {z.grad:.4f}")
    print(f"  dw1 = x1 dz = {w1.grad:.4f}, dw2 = x2 dz = {w2.grad:.4f}, db = dz = {b.grad:.4f}")
    values = {"a": a.item(), "da": a.grad.item(), "dz": z.grad.item()}
    values |= {"dw1": w1.grad.item(), "dw2": w2.grad.item(), "db1": b.grad.item()}
    return L, values


def vectorised() -> dict[str, Any]:
    """All examples at once; w = [1, 2] and b = 2 at the start."""
    model = nn.Dense(2, 1, activation="sigmoid", layout="columns", dtype=tc.float64)
    model.set_weights([np.array([[1.0, 2.0]]), np.array([[2.0]])])
    cost = nn.BCELoss()

    A = model(X)
    J = cost(A, Y)
    J.backward()
    dw, db = model.W.grad.numpy().ravel(), model.b.grad.item()
    print(f"vectorised: cost = {J.item():.15f}, dw = {dw}, db = {db:.15f}")

    m = X.shape[1]
    dZ = A.numpy() - Y
    print(f"  by the slide's formulas: dw = {(X @ dZ.T / m).ravel()}, db = {dZ.sum() / m:.15f}")

    optimizer = optim.SGD(model.parameters(), lr=0.009)
    for _ in range(100):
        optimizer.zero_grad()
        cost(model(X), Y).backward()
        optimizer.step()
    w, b = model.W.numpy().ravel(), model.b.item()
    print(f"after 100 steps of 0.009: w = {w}, b = {b:.8f}")
    return {"cost": J.item(), "dw": dw.copy(), "db": db, "w": w, "b": b}


def main(out: Path | None = None) -> dict[str, Any]:
    L, single = one_example()
    results = vectorised()
    if out is not None:
        viz.draw(L, backward=True, title="Logistic regression, one example").render(
            out / "logistic_regression.svg"
        )
    return {**single, **results}


if __name__ == "__main__":
    main(pictures_folder())
