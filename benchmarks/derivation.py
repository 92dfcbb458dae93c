"""What deriving costs: tracing a model, simplifying, and writing its equations and its program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

# Layers, and operations on single numbers: from a few hundred nodes to ten thousand.
LAYERS = (50, 200, 720)
OPERATIONS = (220, 670, 2200)


def network(layers: int) -> Callable[[], Any]:
    """Return a function that computes the cost of a network of narrow tanh layers."""
    from tinygrad_course import nn, tensor

    rng = np.random.default_rng(0)
    sizes = [4] * layers + [1]
    activations = ["tanh"] * (layers - 1) + ["sigmoid"]
    model = nn.Sequential(
        *(
            nn.Dense(n, k, g, layout="columns")
            for n, k, g in zip(sizes, sizes[1:], activations, strict=False)
        )
    )
    X = tensor(rng.normal(size=(4, 8)).astype(np.float32), name="X")
    Y = tensor((np.arange(8.0) % 2).reshape(1, 8).astype(np.float32), name="Y")
    return lambda: nn.BCELoss()(model(X), Y)


def numbers(operations: int) -> Callable[[], Any]:
    """Return a function that computes with single numbers, each used again and again."""
    from tinygrad_course import tensor

    a = tensor(0.5, requires_grad=True, name="a")

    def chain() -> Any:
        y = a
        for k in range(operations):
            y = (y * a).sin() if k % 2 else y + a
        return y

    return chain


def stages(compute: Callable[[], Any]) -> tuple[int, dict[str, float]]:
    """Return the number of nodes, and the seconds that each stage takes."""
    from tinygrad_course.derivation import derive, equations
    from tinygrad_course.derivation.source import source
    from tinygrad_course.graph import Graph

    loss = compute()
    found: dict[str, float] = {}

    def timed(name: str, stage: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = stage()
        found[name] = time.perf_counter() - start
        return result

    graph = timed("trace", lambda: Graph.of(loss, backward=True))
    timed("simplify", lambda: derive(graph))
    sheet = timed("equations", lambda: equations(graph))
    timed("LaTeX", lambda: sheet.latex)
    timed("program", lambda: source(graph))
    return len(graph), found
