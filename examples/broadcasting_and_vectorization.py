"""Broadcasting, and why loops are slow.

You see the calories table of the lecture: column sums with axis=0, then percentages by broadcasting
(3, 4) / (1, 4); its derivative, which sums over what was broadcast; the traps of shapes (n,); and a
dot product as a loop against the same one vectorised, for n from 10,000 to 1,000,000.

Course: Deep Learning Specialization, course 1 week 2, "Vectorization" and "Broadcasting in Python".

    python examples/broadcasting_and_vectorization.py
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
from tinygrad_course import nn


def calories() -> dict[str, Any]:
    """Calories from carbohydrates, proteins and fats in 100 g of four foods, in percent."""
    A = tc.tensor([[56.0, 0.0, 4.4, 68.0], [1.2, 104.0, 52.0, 8.0], [1.8, 135.0, 99.0, 0.9]])
    cal = A.sum(axis=0)
    percentage = 100 * A / cal.reshape(1, 4)
    print("column sums:", cal.numpy().round(1))
    print(percentage.numpy().round(1))
    return {"sums": cal.numpy(), "percentage": percentage.numpy()}


def derivatives_of_broadcasting() -> list[float]:
    """A bias of shape (4,) is added to three rows, so its derivative is a sum over three rows."""
    b = tc.zeros(4, requires_grad=True, name="b")
    Z = tc.ones(3, 4) + b
    Z.sum().backward()
    print("Z = X + b with X (3, 4), b (4,): db =", b.grad.tolist())
    return b.grad.tolist()


def traps() -> str:
    """Shapes (n,) and (n, 1) broadcast to (n, n); a loss refuses that instead."""
    a = np.zeros(5)
    print("a (5,): a.T has shape", a.T.shape, "- use (5, 1) or (1, 5) instead")
    try:
        nn.MSELoss()(tc.zeros(5), tc.zeros(5, 1))
    except ValueError as error:
        message = str(error)
        print("refused:", message)
    return message


def loop(a: Any, b: Any) -> float:
    """The dot product, number by number."""
    c = 0.0
    for i in range(len(a)):
        c += a[i] * b[i]
    return c


def timing(sizes: tuple[int, ...]) -> dict[int, tuple[float, float]]:
    """Milliseconds of the loop and of np.dot for each n."""
    draw = np.random.default_rng(0).random
    found = {}
    for n in sizes:
        a, b = draw(n), draw(n)
        start = time.perf_counter()
        by_loop = loop(a, b)
        middle = time.perf_counter()
        vectorised = np.dot(a, b)
        end = time.perf_counter()
        assert np.isclose(by_loop, vectorised)
        slow, fast = 1000 * (middle - start), 1000 * (end - middle)
        print(f"n = {n:>9,}: loop {slow:8.2f} ms, vectorised {fast:7.3f} ms, {slow / fast:,.0f}x")
        found[n] = slow, fast
    return found


def main(
    out: Path | None = None, sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
) -> dict[str, Any]:
    results = {**calories(), "db": derivatives_of_broadcasting(), "refused": traps()}
    results["milliseconds"] = times = timing(sizes)
    if out is not None:
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots()
        for row, label in enumerate(("loop", "vectorised")):
            ax.loglog(sizes, [times[n][row] for n in sizes], "o-", label=label)
        ax.set_xlabel("n")
        ax.set_ylabel("milliseconds")
        ax.legend()
        fig.savefig(out / "vectorization.png")
        plt.close(fig)
    return results


if __name__ == "__main__":
    main(pictures_folder())
