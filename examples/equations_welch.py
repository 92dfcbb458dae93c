"""Welch's network in his notation: delta 3, delta 2 and the two gradients, with their numbers.

You see the equations of Neural Networks Demystified come out of the model, and his two sums of
products computed as he does; they agree with .grad.

Course: Neural Networks Demystified, part 4, "Backpropagation", and part 5.

    python examples/equations_welch.py --out sheets
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation.documents import to_html


def main(out: Path | None = None) -> dict[str, Any]:
    tc.manual_seed(0)
    X = np.array([[3, 5], [5, 1], [10, 2]]) / [
        10,
        5,
    ]  # hours of sleep and study, divided by the most
    y = np.array([[75], [82], [93]]) / 100  # the score
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", bias=False, dtype=tc.float64),
        nn.Dense(3, 1, activation="sigmoid", bias=False, dtype=tc.float64),
    )
    inputs, labels = tc.tensor(X, name="X"), tc.tensor(y, name="Y")
    J = 0.5 * ((labels - model(inputs)) ** 2).sum()
    sheet = tc.equations(J, notation="welch", verify=True)
    print(sheet)

    # What his costFunctionPrime computes, line by line as on the sheet.
    W1, W2 = (p.numpy() for p in model.parameters())

    def f(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def f_prime(z: Any) -> Any:
        return f(z) * (1 - f(z))

    z2 = X @ W1
    a2 = f(z2)
    z3 = a2 @ W2
    delta3 = (f(z3) - y) * f_prime(z3)
    delta2 = delta3 @ W2.T * f_prime(z2)
    dJdW1, dJdW2 = X.T @ delta2, a2.T @ delta3
    J.backward()
    difference = max(
        np.abs(dJdW1 - model[0].W.grad.numpy()).max(), np.abs(dJdW2 - model[1].W.grad.numpy()).max()
    )
    print(f"\nThe gradients differ from .grad by {difference:.0e} at most")

    if out is not None:
        page = to_html("Neural Networks Demystified", sheet)
        (out / "equations_welch.html").write_text(page, encoding="utf-8")
    return {"sheet": sheet, "difference": float(difference)}


if __name__ == "__main__":
    main(pictures_folder())
