"""The shallow network's backpropagation, read off the model: 4 equations forward, 6 backward.

You see that the equations of the slide come out of a recorded graph: in columns and in rows, with
the course's 1/m and exactly. Then two of them are computed by hand, with the same result.

Course: Deep Learning Specialization, course 1 week 3, "Backpropagation intuition" and "Gradient
descent for neural networks".

    python examples/equations_shallow.py --out sheets
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.data import course
from tinygrad_course.derivation.documents import to_html


def main(out: Path | None = None) -> dict[str, Any]:
    tc.manual_seed(0)
    X, Y = (tc.tensor(a, name=n) for a, n in zip(course.planar("columns"), "XY", strict=True))
    model = nn.Sequential(
        nn.Dense(2, 4, activation="tanh", layout="columns", dtype=tc.float64),
        nn.Dense(4, 1, activation="sigmoid", layout="columns", dtype=tc.float64),
    )
    J = nn.BCELoss()(model(X), Y)

    # With g for the hidden activation these are the course's, word for word.
    sheet = tc.equations(J, activations="general", verify=True)
    print(sheet)
    rows = tc.equations(J, notation="rows", mean="exact")
    print("\nThe same in rows, exactly:", *rows.backward, sep="\n  ")

    # The last two, by hand, beside what backward() computes.
    J.backward()
    W1, b1, W2, b2 = (p.numpy() for p in model.parameters())
    m = X.shape[1]
    A1 = np.tanh(W1 @ X.numpy() + b1)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    dZ2 = A2 - Y.numpy()
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    dW1, db1 = (1 / m) * dZ1 @ X.numpy().T, (1 / m) * np.sum(dZ1, axis=1, keepdims=True)
    difference = max(
        np.abs(dW1 - model[0].W.grad.numpy()).max(), np.abs(db1 - model[0].b.grad.numpy()).max()
    )
    print(f"\nBy hand, dW[1] and db[1] differ from .grad by {difference:.0e} at most")

    if out is not None:
        page = to_html("The shallow network", tc.equations(J))
        (out / "equations_shallow.html").write_text(page, encoding="utf-8")
    return {"sheet": sheet, "rows": rows, "difference": float(difference)}


if __name__ == "__main__":
    main(pictures_folder())
