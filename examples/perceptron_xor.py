"""The perceptron learns AND and OR, but not XOR; one hidden layer does.

You see why networks have hidden layers. A perceptron is one unit with a step for its activation;
its learning rule adds the input when it should have fired and subtracts it when it should not. It
stops when it makes no mistake, which for XOR it never does: no straight line separates the classes.
A hidden layer of two steps does, with weights set by hand; and since a step has derivative 0, a
network that shall learn by backpropagation uses tanh instead.

Source: Minsky and Papert, "Perceptrons", 1969.

    python examples/perceptron_xor.py --out pictures
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


def train_perceptron(gate: Any, epochs: int = 25) -> tuple[nn.Dense, int]:
    """Return the unit, and how many of the four inputs it gets wrong in the end."""
    X, Y = course.logic(gate)
    unit = nn.Dense(2, 1, activation="step", init="zeros")
    with tc.no_grad():
        for _ in range(epochs):
            mistakes = 0
            for x, y in zip(X, Y, strict=True):
                error = y - unit(x).numpy()  # 1: should have fired, -1: should not have
                unit.W += np.outer(x, error)
                unit.b += error
                mistakes += int(error[0] != 0)
            if mistakes == 0:
                break
        wrong = int((unit(X).numpy() != Y).sum())
    return unit, wrong


def xor_by_hand() -> int:
    """XOR is (a or b) and not (a and b): two hidden steps and one more."""
    X, Y = course.xor()
    model = nn.Sequential(nn.Dense(2, 2, "step"), nn.Dense(2, 1, "step"))
    model[0].set_weights([[[1.0, 1.0], [1.0, 1.0]], [-0.5, -1.5]])  # or, and
    model[1].set_weights([[[1.0], [-1.0]], [-0.5]])
    return int((model(X).numpy() != Y).sum())


def xor_learned() -> tuple[nn.Sequential, tc.train.History]:
    """A hidden layer of four tanh units learns XOR by backpropagation."""
    X, Y = course.xor()
    tc.manual_seed(0)
    model = nn.Sequential(nn.Dense(2, 4, "tanh"), nn.Dense(4, 1, "sigmoid"))
    history = tc.fit(model, X, Y, loss="bce", optimizer="adam", lr=0.1, epochs=200, batch_size=None)
    return model, history


def main(out: Path | None = None) -> dict[str, Any]:
    wrong = {}
    for gate in ("and", "or", "xor"):
        unit, wrong[gate] = train_perceptron(gate)
        w1, w2 = unit.W.numpy().ravel()
        print(f"perceptron, {gate:>3}: w = ({w1:g}, {w2:g}), b = {unit.b:g}, wrong: {wrong[gate]}")
    by_hand = xor_by_hand()
    print(f"two layers of steps set by hand, xor: wrong: {by_hand}")

    model, history = xor_learned()
    X, Y = course.xor()
    predictions = model(X).numpy()
    learned = int(((predictions >= 0.5) != Y).sum())
    print(f"2-4-1 network learned, xor: wrong: {learned}, cost {history['loss'][-1]:.5f}")

    if out is not None:
        ax = viz.plot_decision_boundary(model, X, Y, title="XOR with one hidden layer")
        ax.figure.savefig(out / "xor.png")
    return {"wrong": wrong, "by_hand": by_hand, "learned": learned, "cost": history["loss"][-1]}


if __name__ == "__main__":
    main(pictures_folder())
