"""Softmax and cross-entropy: dZ = A − Y, whichever way the labels are given.

You see the equations of a classifier with three classes: from a cost written by hand with one-hot
labels, and from PyTorch's CrossEntropyLoss with class numbers. Then the chain rule link by link, in
which the derivative of softmax stands written out before it cancels.

Course: Deep Learning Specialization, course 2 week 3, "Training a softmax classifier".

    python examples/equations_softmax.py --out sheets
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
    rng = np.random.default_rng(0)
    m = 300
    classes = rng.integers(0, 3, m)
    X = tc.tensor(rng.normal(size=(2, m)) + [[1.5], [0.5]] * np.eye(3)[:2, classes], name="X")
    Y = tc.tensor(np.eye(3)[:, classes], name="Y")  # one column per example

    model = nn.Sequential(
        nn.Dense(2, 4, activation="relu", layout="columns", dtype=tc.float64),
        nn.Dense(4, 3, activation="softmax", layout="columns", dtype=tc.float64),
    )
    J = -(1 / m) * (Y * model(X).log()).sum()
    by_hand = tc.equations(J, verify=True)
    print(by_hand)

    # PyTorch's way: rows, the last layer without activation, and labels that are class numbers.
    logits = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    loss = nn.CrossEntropyLoss()(logits(X.T), tc.tensor(classes, name="Y"))
    numbers = tc.equations(loss, notation="columns")
    print("\nFrom class numbers:", *numbers.cost, *numbers.backward[:2], sep="\n  ")

    steps = tc.equations(J, steps=True)
    print("\nLink by link:", *steps.backward[:2], sep="\n  ")

    if out is not None:
        page = to_html("A softmax classifier", steps)
        (out / "equations_softmax.html").write_text(page, encoding="utf-8")
    return {"by_hand": by_hand, "numbers": numbers, "steps": steps}


if __name__ == "__main__":
    main(pictures_folder())
