"""Regularization: a network that overfits, held back by L2 and by dropout.

You see the lab's 2-20-3-1 network learn noisy moons three times from the same start: freely, it
bends its boundary round single points; with (λ/2m) Σ‖W[l]‖² in the cost, or with hidden units
dropped at random, the boundary is smooth and more of the unseen points are right. The equations
show what changes: λ/m W[l] is added to dW[l], and the mask D[l] stands in the backward pass too.

Course: Deep Learning Specialization, course 2 week 1, lab "Regularization", whose values the
functions below are tested on; its football field is replaced by moons.

    python examples/regularization.py --out pictures
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


def the_model(sizes: tuple[int, int, int, int], draw: Any, drop: float = 0.0) -> nn.Sequential:
    """ReLU, ReLU, sigmoid, dropout after hidden layers; `draw(n_out, n_in)` gives [W, b]."""
    model = nn.Sequential()
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        last = len(model) == 4
        activation = "sigmoid" if last else "relu"
        layer = nn.Dense(n_in, n_out, activation=activation, layout="columns", dtype=tc.float64)
        layer.set_weights(draw(n_out, n_in))
        model.append(layer)
        if not last:
            model.append(nn.Dropout(drop))
    return model


def regularized_cost(model: nn.Sequential, X: tc.Tensor, Y: tc.Tensor, penalty: Any) -> tc.Tensor:
    """Return the mean cross-entropy + (λ/2m) Σ‖W[l]‖², with λ = `penalty`."""
    J = nn.BCELoss()(model(X), Y)
    squares = sum((layer.W**2).sum() for layer in model if isinstance(layer, nn.Dense))
    return J + penalty * squares / (2 * Y.shape[1])


def on_the_labs_values() -> dict[str, Any]:
    """Return what the lab's three exercises print: cost, gradients, and A[3] with dropout."""
    randn = np.random.RandomState(1).randn
    A3 = tc.tensor([[0.40682402, 0.01629284, 0.16722898, 0.10118111, 0.40682402]], dtype=tc.float64)
    Y = tc.tensor([[1, 1, 0, 1, 0]], dtype=tc.float64)
    model = the_model((3, 2, 3, 1), lambda *shape: [randn(*shape), randn(shape[0], 1)])
    squares = sum((model[k].W ** 2).sum() for k in (0, 2, 4))
    cost = nn.BCELoss()(A3, Y) + 0.1 * squares / (2 * 5)

    randn = np.random.RandomState(1).randn
    X = tc.tensor(randn(3, 5))
    model = the_model((3, 2, 3, 1), lambda *shape: [randn(*shape), randn(shape[0], 1)])
    regularized_cost(model, X, Y, 0.7).backward()
    gradients = [model[k].W.grad.numpy() for k in (0, 2, 4)]

    # The lab draws D[1] and D[2] from its own seed; nn.Dropout draws from the package's.
    rand = np.random.RandomState(1).rand
    D1, D2 = (tc.tensor(rand(n, 5) < 0.7) for n in (2, 3))
    dropped = model[4](model[2](model[0](X) * D1 / 0.7) * D2 / 0.7)
    return {"cost": cost.item(), "gradients": gradients, "dropped": dropped.numpy()}


def the_labs_start() -> Any:
    """Return the lab's start: W = randn / √n[l-1] from seed 3, b = 0."""
    randn = np.random.RandomState(3).randn

    def draw(n_out: int, n_in: int) -> list[np.ndarray]:
        return [randn(n_out, n_in) / np.sqrt(n_in), np.zeros((n_out, 1))]

    return draw


def train(model: nn.Sequential, X: tc.Tensor, Y: tc.Tensor, penalty: float, steps: int) -> Any:
    """Full-batch gradient descent with the lab's learning rate 0.3; return the costs."""
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    model.train()

    @tc.compile  # thousands of steps
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = regularized_cost(model, X, Y, penalty)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    costs = [step(X, Y).item() for _ in range(steps)]
    model.eval()
    return costs


def main(out: Path | None = None, steps: int = 20_000) -> dict[str, Any]:
    found = on_the_labs_values()
    print(f"the lab's cost with λ = 0.1: {found['cost']:.11f}")
    print(f"its A[3] with dropout: {found['dropped'].round(8)}")

    X, Y = (tc.tensor(array.T) for array in course.moons(200, noise=0.3, seed=3))
    X_test, Y_test = (tc.tensor(array.T) for array in course.moons(1000, noise=0.3, seed=4))
    ways = {"freely": (0.0, 0.0), "L2, λ = 0.7": (0.7, 0.0), "dropout, keep 0.86": (0.0, 0.14)}
    for way, (penalty, drop) in ways.items():
        tc.manual_seed(1)
        model = the_model((2, 20, 3, 1), the_labs_start(), drop)
        costs = train(model, X, Y, penalty, steps)
        pairs = ((X, Y), (X_test, Y_test))
        right = [100 * float(((model(x) > 0.5) == y).double().mean()) for x, y in pairs]
        print(
            f"{way}: right: {right[0]:.1f} % of the training, {right[1]:.1f} % of the test points"
        )
        found[way] = {"costs": costs, "right": right, "model": model}

    strength = tc.tensor(0.7, dtype=tc.float64, name="λ", requires_grad=True)
    model = found["L2, λ = 0.7"]["model"]
    sheet = tc.equations(regularized_cost(model, X, Y, strength))
    print(*sheet.cost, *(line for line in sheet.backward if line.startswith("dW")), sep="\n")
    dropout = tc.equations(nn.BCELoss()(found["dropout, keep 0.86"]["model"].train()(X), Y))
    print(*(line for line in dropout.forward + dropout.backward if "D[1]" in line), sep="\n")
    found["dropout, keep 0.86"]["model"].eval()

    if out is not None:
        import matplotlib.pyplot as plt

        fig, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
        for ax, way in zip(axes, ways, strict=True):
            title = f"{way}: {found[way]['right'][1]:.1f} % of the test points"
            viz.plot_decision_boundary(found[way]["model"], X, Y, ax, title=title)
        fig.savefig(out / "regularization.png")
        plt.close(fig)
    return found | {"sheet": sheet, "dropout": dropout}


if __name__ == "__main__":
    main(pictures_folder())
