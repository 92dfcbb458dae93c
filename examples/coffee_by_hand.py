"""Coffee roasting by hand: what a dense layer computes, written three times.

You see my_dense, a loop over units with one dot product each; the same layer as one matrix product
over all roasts; and nn.Dense, which agrees with both. With the lab's trained weights the network
tells good roasts from bad ones, 200 of 200.

Course: Machine Learning Specialization, course 2 week 1, lab "Coffee Roasting in NumPy".

    python examples/coffee_by_hand.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn
from tinygrad_course.data import course

W1 = np.array([[-8.93, 0.29, 12.9], [-0.1, -7.32, 10.81]])
b1 = np.array([-9.82, -9.28, 0.96])
W2 = np.array([[-31.18], [-27.59], [-32.56]])
b2 = np.array([15.41])


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def my_dense(a_in: Any, W: Any, b: Any) -> Any:
    """One example, unit by unit: a_out[j] = g(w_j · a_in + b_j)."""
    units = W.shape[1]
    a_out = np.zeros(units)
    for j in range(units):
        w = W[:, j]
        z = np.dot(w, a_in) + b[j]
        a_out[j] = sigmoid(z)
    return a_out


def my_predict(X: Any) -> Any:
    """Every example, one after another."""
    return np.array([my_dense(my_dense(x, W1, b1), W2, b2) for x in X])


def my_predict_vectorised(X: Any) -> Any:
    """All examples at once: A_out = g(A_in W + b)."""
    return sigmoid(sigmoid(X @ W1 + b1) @ W2 + b2)


def the_model() -> nn.Sequential:
    """The same network of layers."""
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", dtype=tc.float64),
        nn.Dense(3, 1, activation="sigmoid", dtype=tc.float64),
    )
    model[0].set_weights([W1, b1])
    model[1].set_weights([W2, b2])
    return model


def main(out: Path | None = None) -> dict[str, Any]:
    layer = my_dense([0.1, 0.2], 0.1 * np.arange(1, 7).reshape(2, 3), [0.1, 0.2, 0.3])
    print("one layer by hand:", layer)
    z = np.array([-2, 4]) @ np.array([[1, -3, 5], [2, 4, -6]]) + np.array([-1, 1, 2])
    print("z of the slide's layer:", z)

    X, Y = course.coffee()
    norm = nn.Normalization(axis=-1)
    norm.adapt(X)
    model = the_model()

    tests = np.array([[200.0, 13.9], [200.0, 17.0]])  # a good roast, and one too long
    scaled = norm(tests).numpy()
    by_loops = my_predict(scaled)
    vectorised = my_predict_vectorised(scaled)
    by_layers = model(scaled)
    print("200 °C for 13.9 and 17 minutes:")
    print(f"  loops      {by_loops[0, 0]:.9f} {by_loops[1, 0]:.5e}")
    print(f"  vectorised {vectorised[0, 0]:.9f} {vectorised[1, 0]:.5e}")
    print(f"  nn.Dense   {by_layers[0, 0]:.9f} {by_layers[1, 0]:.5e}")

    A = model(norm(X))
    right = int(((A.numpy() >= 0.5) == Y).sum())
    cost = nn.BCELoss()(A, Y).item()
    print(f"{right} of {len(X)} roasts right, cost {cost:.8f}")

    if out is not None:
        viz.draw_network(model).render(out / "coffee_network.svg")
        ax = viz.plot_decision_boundary(lambda points: model(norm(points)), X, Y)
        ax.set_xlabel("temperature (°C)")
        ax.set_ylabel("duration (minutes)")
        ax.figure.savefig(out / "coffee_by_hand.png")
    return {
        "layer": layer,
        "z": z.tolist(),
        "loops": by_loops.ravel(),
        "vectorised": vectorised.ravel(),
        "layers": by_layers.numpy().ravel(),
        "mean": norm.mean.numpy().ravel(),
        "variance": norm.variance.numpy().ravel(),
        "right": right,
        "cost": cost,
    }


if __name__ == "__main__":
    main(pictures_folder())
