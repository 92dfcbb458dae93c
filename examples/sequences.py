"""Memory: an RNN and an LSTM add two numbers that they have seen long ago.

You see the adding problem, on which the LSTM was shown to do what plain recurrent networks cannot:
along a sequence of random numbers two are marked, and the target is their sum. Who answers 1 always
has the mean squared error 1/6. The gradient of the RNN shrinks with each step that it goes back in
time, and it stays near that; the LSTM's cell carries the gradient on, and it learns to add. The
equations of both are written once, for the time t.

Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997, experiment 4.
Course: Deep Learning Specialization, course 5 week 1, "Vanishing gradients with RNNs".

    python examples/sequences.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim


def adding(m: int, T: int, rng: np.random.Generator) -> tuple[tc.Tensor, tc.Tensor]:
    """Return m sequences (T, m, 2) of numbers in [0, 1] and marks, and the sums (m, 1).

    One mark stands in the first half of the sequence, the other in the second.
    """
    numbers = rng.random((T, m), dtype=np.float32)
    marks = np.zeros((T, m), np.float32)
    marks[rng.integers(0, T // 2, m), np.arange(m)] = 1
    marks[rng.integers(T // 2, T, m), np.arange(m)] = 1
    sums = (numbers * marks).sum(axis=0).reshape(m, 1)
    return tc.tensor(np.stack([numbers, marks], axis=2), name="X"), tc.tensor(sums, name="Y")


class Reader(nn.Module):
    """Read a sequence, answer from the last state."""

    def __init__(self, kind: type, hidden: int) -> None:
        super().__init__()
        self.memory = kind(2, hidden)
        self.answer = nn.Linear(hidden, 1)

    def forward(self, X: tc.Tensor) -> tc.Tensor:
        """Return one number for each sequence."""
        _, last = self.memory(X)
        h = last[0] if isinstance(last, tuple) else last  # an LSTM's state is (h, c)
        return self.answer(h[-1])


def train(model: nn.Module, steps: int, T: int) -> list[float]:
    """Take clipped steps of Adam, each on 32 new sequences; return the costs."""
    rng = np.random.default_rng(0)
    loss = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @tc.compile
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = loss(model(X), Y)
        optimizer.zero_grad()
        J.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return J

    return [step(*adding(32, T, rng)).item() for _ in range(steps)]


def main(out: Path | None = None, steps: int = 2000, T: int = 50) -> dict[str, Any]:
    found: dict[str, Any] = {}
    X, Y = adding(1000, T, np.random.default_rng(1))
    for name, kind in (("RNN", nn.RNN), ("LSTM", nn.LSTM)):
        tc.manual_seed(0)
        model = Reader(kind, hidden=24)
        sheet = tc.equations(nn.MSELoss()(model(X[:, :8]), Y[:8]), notation="columns")
        print(f"{name}\n{sheet}\n")
        costs = train(model, steps, T)
        with tc.no_grad():
            error = nn.MSELoss()(model(X), Y).item()
        print(f"{name}: mean squared error {costs[0]:.4f} -> {error:.5f} on new sequences\n")
        found[name] = {"costs": costs, "error": error, "sheet": sheet}

    if out is not None:
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
        for name, color in (("RNN", viz.style.AMBER), ("LSTM", viz.style.BLUE)):
            smooth = np.convolve(found[name]["costs"], np.full(25, 1 / 25), mode="valid")
            ax.semilogy(smooth, color=color, label=name)
        ax.axhline(1 / 6, color=viz.style.GREY, linestyle="--", label="always 1: 1/6")
        ax.set(xlabel="step", ylabel="mean squared error of 25 steps", title=f"adding, T = {T}")
        ax.legend()
        fig.savefig(out / "sequences.png")
        plt.close(fig)
    return found


if __name__ == "__main__":
    main(pictures_folder())
