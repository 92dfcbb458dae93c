"""Linear regression on the diabetes table: gradient descent against the closed form.

You see the normal equations' answer reached by descent, and why it takes so long: two of the serum
columns say nearly the same, and the cost curves 470 times as much across its valley as along it.
In each step the error along a direction shrinks by 1 - lr times the curvature there, no more.
L-BFGS learns the curvatures on the way, and is there in a few dozen steps.

Data: B. Efron et al., "Least angle regression" (2004), inside scikit-learn.
Course: Machine Learning Specialization, course 1 week 2, "Multiple linear regression".

    python examples/diabetes.py --out pictures
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


def descend(X: tc.Tensor, Y: tc.Tensor, steps: int, lr: float) -> tuple[nn.Dense, list[float]]:
    """Full-batch gradient descent on the mean squared error, from zero weights."""
    line = nn.Dense(X.shape[1], 1, init="zeros", dtype=tc.float64)
    loss = nn.MSELoss()
    optimizer = optim.SGD(line.parameters(), lr=lr)

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = loss(line(X), Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    return line, [step(X, Y).item() for _ in range(steps)]


def main(out: Path | None = None, steps: int = 10_000) -> dict[str, Any]:
    table, progress = course.diabetes()
    m = len(progress)
    X = tc.tensor(table * np.sqrt(m), name="X")  # each column: mean 0, variance 1
    Y = tc.tensor(progress, name="Y")

    # The closed form: a column of ones stands for b.
    A = np.hstack([X.numpy(), np.ones((m, 1))])
    best, *_ = np.linalg.lstsq(A, progress, rcond=None)
    least = float(((A @ best - progress) ** 2).mean())
    R2 = 1 - least / progress.var()
    curvatures = 2 * np.linalg.eigvalsh(X.numpy().T @ X.numpy() / m)
    print(f"least squares: mean squared error {least:.4f}, R² {R2:.4f}")
    print(f"curvatures of the cost: {curvatures[0]:.4f} to {curvatures[-1]:.4f}")

    line, costs = descend(X, Y, steps, lr=0.2)
    for k in (0, 10, 100, 1000, steps - 1):
        print(f"gradient descent, step {k}: {costs[k]:.4f}")

    quick = nn.Dense(table.shape[1], 1, init="zeros", dtype=tc.float64)
    loss = nn.MSELoss()
    optimizer = optim.LBFGS(quick.parameters(), max_iter=100, line_search_fn="strong_wolfe")
    evaluations = []

    def closure() -> tc.Tensor:
        J = loss(quick(X), Y)
        optimizer.zero_grad()
        J.backward()
        evaluations.append(J.item())
        return J

    optimizer.step(closure)
    print(f"L-BFGS, {len(evaluations)} evaluations: {evaluations[-1]:.4f}")
    sheet = tc.equations(loss(line(X), Y), notation="columns")
    print(sheet)

    if out is not None:
        import matplotlib.pyplot as plt

        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
        for label, curve in (("gradient descent", costs), ("L-BFGS", evaluations)):
            left.loglog(np.arange(1, len(curve) + 1), np.array(curve) - least, label=label)
        left.set_ylim(bottom=1e-6)
        left.set_xlabel("evaluations")
        left.set_ylabel("cost above the least")
        left.legend()
        right.plot(progress, line(X).numpy(), ".", color=viz.style.BLUE)
        right.plot([25, 346], [25, 346], color=viz.style.RED)
        right.set_xlabel("progress after a year")
        right.set_ylabel("predicted")
        fig.savefig(out / "diabetes.png")
        plt.close(fig)
    return {
        "best": best.ravel(),
        "least": least,
        "R2": float(R2),
        "curvatures": curvatures,
        "costs": costs,
        "descended": np.append(line.W.numpy(), line.b.numpy()),
        "lbfgs": np.append(quick.W.numpy(), quick.b.numpy()),
        "evaluations": evaluations,
        "sheet": sheet,
    }


if __name__ == "__main__":
    main(pictures_folder())
