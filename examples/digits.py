"""Handwritten digits: the lecture's 64-25-15-1 network tells zeros from ones.

You see real data: 360 images of 8 x 8 pixels, full-batch gradient descent with learning rate 1, and
the cost falling from about ln 2 to nearly nothing in 500 steps; then what the first layer looks at.

Course: Machine Learning Specialization, course 2 week 1, "Inference: making predictions (forward
propagation)" and lab "Neural Networks for Binary Classification".

    python examples/digits.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def main(out: Path | None = None, steps: int = 500) -> dict[str, Any]:
    X, Y = (tc.tensor(array, dtype=tc.float32) for array in course.digits01())
    tc.manual_seed(1)
    model = nn.Sequential(
        nn.Dense(64, 25, activation="sigmoid"),
        nn.Dense(25, 15, activation="sigmoid"),
        nn.Dense(15, 1, activation="sigmoid"),
    )
    print(nn.summary(model, (64,)))
    loss_fn = nn.BCELoss()
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    costs = []
    for step in range(steps):
        J = loss_fn(model(X), Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        costs.append(J.item())
        if step % 100 == 0:
            print(f"step {step:3d}: cost {J:.4f}")

    with tc.no_grad():
        A = model(X)
        cost = loss_fn(A, Y).item()
    predictions = (A.numpy() >= 0.5).astype(int)
    errors = int((predictions != Y.numpy()).sum())
    print(f"step {steps}: cost {cost:.4f}, {errors} errors in {len(X)} images")

    if out is not None:
        viz.draw_network(model).render(out / "digits_network.svg")
        ax = viz.plot_images(X, Y, predictions, limit=24)
        ax.figure.savefig(out / "digits.png")
        viz.plot_weights(model[0].W, (8, 8)).figure.savefig(out / "digits_weights.png")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "costs": costs,
        "cost": cost,
        "errors": errors,
    }


if __name__ == "__main__":
    main(pictures_folder())
