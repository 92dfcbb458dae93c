"""Welch's network, trained to the end by BFGS on the vector of all its weights.

You see what he does in part 6: the weights as one flat vector, a cost and its gradient as functions
of it, and a minimizer of SciPy's that estimates the curvature from the gradients it has seen. Here
the gradient comes from automatic differentiation, and so can products with the Hessian, for
Newton's method. Gradient descent is shown beside them. SciPy is needed: the extra `scipy`.

Course: Neural Networks Demystified, part 6, "Training".

    python examples/welch_bfgs.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
from tinygrad_course import nn, optim

X = np.array([[3.0, 5.0], [5.0, 1.0], [10.0, 2.0]])  # hours of sleep and of study
y = np.array([[75.0], [82.0], [93.0]])  # the score


def network() -> tuple[nn.Module, Any]:
    """Return his 2-3-1 network, and its cost as a function without arguments."""
    inputs, labels = tc.tensor(X / X.max(axis=0)), tc.tensor(y / 100)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", bias=False, dtype=tc.float64),
        nn.Dense(3, 1, activation="sigmoid", bias=False, dtype=tc.float64),
    )
    stream = np.random.default_rng(0)
    for p in model.parameters():
        p.data = stream.normal(size=p.shape)
    return model, lambda: 0.5 * ((labels - model(inputs)) ** 2).sum()


def main(out: Path | None = None) -> dict[str, Any]:
    curves: dict[str, list[float]] = {}
    for method in ("BFGS", "Newton-CG"):
        model, cost = network()
        costs = curves[method] = [cost().item()]
        result = optim.minimize(
            cost,
            model,
            method,
            tol=1e-7,
            options={"maxiter": 1000},
            callback=lambda x, costs=costs, cost=cost: costs.append(cost().item()),
        )
        print(f"{method}: J = {result.fun:.1e} after {result.nit} iterations")
        if method == "BFGS":
            found = {"cost": float(result.fun), "nit": int(result.nit), "x": result.x}
            inputs = tc.tensor(X / X.max(axis=0))
            found["scores"] = (100 * model(inputs)).numpy().ravel().tolist()
            print("predicted scores:", [round(score, 3) for score in found["scores"]])
    model, cost = network()
    sgd = optim.SGD(model.parameters(), lr=3.0)
    curves["gradient descent"] = []
    for _ in range(len(curves["BFGS"])):
        J = cost()
        curves["gradient descent"].append(J.item())
        sgd.zero_grad()
        J.backward()
        sgd.step()
    print(f"gradient descent: J = {J.item():.1e} after as many steps as BFGS")
    if out is not None:
        picture(curves, out)
    return {**found, "curves": curves}


def picture(curves: dict[str, list[float]], out: Path) -> None:
    """Draw the cost over the iterations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, costs in curves.items():
        axes.semilogy(costs, label=name)
    axes.set(xlabel="iteration", ylabel="cost J", title="Welch's network")
    axes.legend()
    figure.savefig(out / "welch_bfgs.png", dpi=120)


if __name__ == "__main__":
    main(pictures_folder())
