"""A deep network step by step: L layers, the course's functions, and what depth buys.

You see the four equations of layer l that the whole of backpropagation repeats, and the program in
the course's own functions (`linear_forward`, `L_model_backward`, …) that is written from a model of
this package. On the lab's values each function gives the number that the lab prints. Then the
lab's L-20-7-5-1 network learns, beside logistic regression, whether a handwritten digit is odd.

Course: Deep Learning Specialization, course 1 week 4, labs "Building your deep neural network: step
by step" and "Deep neural network: application", whose pictures of cats are replaced by digits.

    python examples/deep_network.py --out pictures
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def the_model(sizes: tuple[int, ...]) -> nn.Sequential:
    """ReLU layers and a sigmoid, with the lab's start: randn / √n[l-1] from seed 1, b = 0."""
    draw = np.random.RandomState(1).randn
    model = nn.Sequential()
    for n_in, n_out in pairwise(sizes):
        activation = "sigmoid" if n_out == 1 else "relu"
        layer = nn.Dense(n_in, n_out, activation=activation, layout="columns", dtype=tc.float64)
        layer.set_weights([draw(n_out, n_in) / np.sqrt(n_in), np.zeros((n_out, 1))])
        model.append(layer)
    return model


def step_by_step(program: Any) -> dict[str, Any]:
    """Call the functions of the program on the values of the lab, each by itself."""
    found: dict[str, Any] = {}

    randn = np.random.RandomState(1).randn
    A, W, b = randn(3, 2), randn(1, 3), randn(1, 1)
    found["linear_forward"], _ = program.linear_forward(A, W, b)

    randn = np.random.RandomState(2).randn
    A, W, b = randn(3, 2), randn(1, 3), randn(1, 1)
    for activation in ("sigmoid", "relu"):
        found[activation], _ = program.linear_activation_forward(A, W, b, activation)

    randn = np.random.RandomState(6).randn
    X = randn(5, 4)
    parameters = {}
    for layer, (n_in, n_out) in enumerate(pairwise((5, 4, 3, 1)), start=1):
        parameters[f"W{layer}"] = randn(n_out, n_in)
        parameters[f"b{layer}"] = randn(n_out, 1)
    found["L_model_forward"], caches = program.L_model_forward(X, parameters)
    found["caches"] = len(caches)

    found["compute_cost"] = program.compute_cost(np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 0]]))

    randn = np.random.RandomState(2).randn
    dA, A_prev, W, b, Z = randn(1, 2), randn(3, 2), randn(1, 3), randn(1, 1), randn(1, 2)
    for activation in ("sigmoid", "relu"):
        backward = program.linear_activation_backward(dA, ((A_prev, W, b), Z), activation)
        found[f"{activation}_backward"] = backward
    return found


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


def main(out: Path | None = None, steps: int = 2500) -> dict[str, Any]:
    images, labels = course.digits()
    odd = (labels % 2).reshape(1, -1).astype(float)
    X, X_test = (tc.tensor(part, name="X") for part in np.split(images.T, [1437], axis=1))
    Y, Y_test = (tc.tensor(part, name="Y") for part in np.split(odd, [1437], axis=1))

    deep = the_model((64, 20, 7, 5, 1))
    J = nn.BCELoss()(deep(X), Y)
    sheet = tc.equations(J, layers="general", activations="general")
    print(sheet)

    program = tc.source(J, functions="layers").compile()
    by_step = step_by_step(program)
    print("\nThe program's functions on the lab's values:")
    for name in ("linear_forward", "sigmoid", "relu", "L_model_forward", "compute_cost"):
        print(f"  {name}: {by_step[name]}")

    found: dict[str, Any] = {"sheet": sheet, "by_step": by_step}
    for name, sizes in (("logistic regression", (64, 1)), ("64-20-7-5-1", (64, 20, 7, 5, 1))):
        model = the_model(sizes)
        costs = train(model, X, Y, steps, lr=0.1)
        pairs = ((X, Y), (X_test, Y_test))
        right = [100 * float(((model(x) > 0.5) == y).float().mean()) for x, y in pairs]
        print(f"{name}: cost {costs[0]:.4f} -> {costs[-1]:.4f};", end=" ")
        print(f"right: {right[0]:.1f} % of the training, {right[1]:.1f} % of the test images")
        found[name] = {"costs": costs, "right": right, "model": model}

    if out is not None:
        import matplotlib.pyplot as plt

        viz.draw_network(deep).render(out / "deep_network.svg")
        fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
        names = ("logistic regression", "64-20-7-5-1")
        viz.plot_history({name: found[name]["costs"] for name in names}, ax, title="odd or even?")
        ax.set(xlabel="step", ylabel="cost")
        fig.savefig(out / "deep_network.png")
        plt.close(fig)
    return found


if __name__ == "__main__":
    main(pictures_folder())
