"""Is the tumour benign? Logistic regression on 30 measurements of its cells.

You see a real table: standardise with the training examples' mean and variance, train one sigmoid
unit by gradient descent, and count what matters on examples it has not seen: how many malignant
tumours it misses. With L2 regularization (λ/2m) ‖w‖², λ = 1, the minimum is a single point; on all
569 examples gradient descent arrives at the weights that scikit-learn's solver finds.

Data: "Breast Cancer Wisconsin (Diagnostic)", UCI repository, inside scikit-learn.
Course: Deep Learning Specialization, course 1 week 2, "Logistic regression" and its cost.

    python examples/breast_cancer.py --out pictures
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


def train(X: np.ndarray, Y: np.ndarray, steps: int) -> tuple[Any, list[float], Any]:
    """Full-batch gradient descent from zero weights; return the unit, its costs, its equations."""
    m = len(Y)
    unit = nn.Dense(X.shape[1], 1, init="zeros", dtype=tc.float64)
    loss = nn.BCEWithLogitsLoss()
    optimizer = optim.SGD(unit.parameters(), lr=0.5)
    inputs, targets = tc.tensor(X, name="X"), tc.tensor(Y, name="Y")

    def cost(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        return loss(unit(X), Y) + (unit.W**2).sum() / (2 * m)

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = cost(X, Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    costs = [step(inputs, targets).item() for _ in range(steps)]
    return unit, costs, tc.equations(cost(inputs, targets), notation="columns")


def main(out: Path | None = None, steps: int = 10_000) -> dict[str, Any]:
    X, Y = course.breast_cancer()

    # Three quarters to train on. The test examples must not tell their mean and variance either.
    order = np.random.default_rng(0).permutation(len(X))
    known, unseen = order[:427], order[427:]
    norm = nn.Normalization(axis=-1)
    norm.adapt(X[known])
    unit, _, _ = train(norm(X[known]).numpy(), Y[known], steps=1000)
    benign = unit(norm(X[unseen])).numpy() > 0
    truth = Y[unseen] == 1
    table = [[int((benign[truth == t] == g).sum()) for g in (False, True)] for t in (False, True)]
    print(f"{len(unseen)} examples not seen in training, said to be malignant and benign:")
    print(f"  malignant  {table[0][0]:3d} {table[0][1]:3d}")
    print(f"  benign     {table[1][0]:3d} {table[1][1]:3d}")

    # All of them, to the minimum.
    norm.adapt(X)
    Z = norm(X).numpy()
    unit, costs, sheet = train(Z, Y, steps)
    errors = int(((unit(tc.tensor(Z)).numpy() > 0) != Y).sum())
    print(f"all {len(X)}: cost {costs[0]:.4f} -> {costs[-1]:.6f}, {errors} errors")
    print(sheet)

    if out is not None:
        import matplotlib.pyplot as plt

        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
        viz.plot_history({"loss": costs[:1000]}, left)
        left.set(xlabel="step", ylabel="cost")
        probability = unit(tc.tensor(Z)).sigmoid().numpy()
        for value, label in ((0, "malignant"), (1, "benign")):
            right.hist(probability[value == Y], bins=30, range=(0, 1), alpha=0.6, label=label)
        right.set_yscale("log")
        right.set_xlabel("a = σ(w x + b)")
        right.set_ylabel("tumours")
        right.legend()
        fig.savefig(out / "breast_cancer.png")
        plt.close(fig)
    return {
        "table": table,
        "costs": costs,
        "errors": errors,
        "W": unit.W.numpy(),
        "b": unit.b.numpy(),
        "sheet": sheet,
    }


if __name__ == "__main__":
    main(pictures_folder())
