"""Gradient checking: is this backpropagation right, and if not, where is it wrong?

You see the lab's difference |grad - approx| / (|grad| + |approx|) for J = theta x; then
backpropagation written by hand for a 4-5-3-1 network, checked against differences: once right, once
with the two mistakes the lab plants, dW2 * 2 and 4 / m in db1. The report names the parameter and
the factor. With the lab's eps = 1e-7 even right code is off by 1e-7; a step chosen for float64
leaves a hundredth of that.

Course: Deep Learning Specialization, course 2 week 1, lab "Gradient Checking".

    python examples/gradient_check.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


class ByHand(tc.Function):
    """The lab's forward_propagation_n and backward_propagation_n, examples in columns."""

    dW2_factor = 1.0
    db1_factor = 1.0

    @classmethod
    def forward(cls, ctx: Any, X: Any, Y: Any, *parameters: Any) -> Any:
        """Return the cost J."""
        X, Y, W1, b1, W2, b2, W3, b3 = (t.numpy() for t in (X, Y, *parameters))
        Z1 = W1 @ X + b1
        A1 = np.maximum(0, Z1)
        Z2 = W2 @ A1 + b2
        A2 = np.maximum(0, Z2)
        A3 = sigmoid(W3 @ A2 + b3)
        ctx.cache = X, Y, A1, A2, A3, W2, W3
        return np.mean(-Y * np.log(A3) - (1 - Y) * np.log(1 - A3))

    @classmethod
    def backward(cls, ctx: Any, g: Any) -> Any:
        """Return the gradient of J for each argument of `forward`; none for X and Y."""
        X, Y, A1, A2, A3, W2, W3 = ctx.cache
        m = X.shape[1]
        dZ3 = A3 - Y
        dW3 = 1 / m * dZ3 @ A2.T
        db3 = 1 / m * np.sum(dZ3, axis=1, keepdims=True)
        dZ2 = W3.T @ dZ3 * (A2 > 0)
        dW2 = 1 / m * dZ2 @ A1.T * cls.dW2_factor
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dZ1 = W2.T @ dZ2 * (A1 > 0)
        dW1 = 1 / m * dZ1 @ X.T
        db1 = cls.db1_factor / m * np.sum(dZ1, axis=1, keepdims=True)
        return None, None, g * dW1, g * db1, g * dW2, g * db2, g * dW3, g * db3


class WithTheLabsMistakes(ByHand):
    """The same, with the two mistakes of the lab."""

    dW2_factor = 2.0
    db1_factor = 4.0


def the_case() -> tuple[tc.Tensor, tc.Tensor, dict[str, tc.Tensor]]:
    """The lab's data and parameters, drawn from seed 1."""
    draw = np.random.RandomState(1).randn
    X, Y = tc.tensor(draw(4, 3)), tc.tensor(np.array([[1.0, 1.0, 0.0]]))
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    parameters = {
        name: tc.tensor(draw(*shape), requires_grad=True, name=name)
        for name, shape in shapes.items()
    }
    return X, Y, parameters


def main(out: Path | None = None) -> dict[str, Any]:
    theta = tc.tensor(4.0, dtype=tc.float64, requires_grad=True, name="theta")
    one = tc.check_gradients(lambda theta: theta * 2.0, theta, eps=1e-7)
    print(f"J = theta x at x = 2, theta = 4: difference {one.difference}")

    X, Y, parameters = the_case()

    def check(network: Any, eps: float | None = None) -> Any:
        return tc.check_gradients(lambda **p: network.apply(X, Y, *p.values()), parameters, eps=eps)

    lab = check(ByHand, eps=1e-7)
    right = check(ByHand)
    wrong = check(WithTheLabsMistakes)
    print(f"by hand, right, eps = 1e-7: difference {lab.difference:.4e}")
    print(f"by hand, right, eps for float64: difference {right.difference:.4e}")
    print("with the lab's mistakes:")
    print(wrong)
    if out is not None:
        (out / "gradient_check.txt").write_text(f"{wrong}\n", encoding="utf-8")
    return {
        "theta": one.difference,
        "lab": lab.difference,
        "right": right.difference,
        "right_passed": right.passed,
        "wrong": wrong,
    }


if __name__ == "__main__":
    main(pictures_folder())
