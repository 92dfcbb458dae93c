"""A long chain of small operations: what recording and differentiating cost by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

KINDS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "y * 0.99999": lambda lib, y, x: y * 0.99999,
    "y + x": lambda lib, y, x: y + x,
    "sin(y)": lambda lib, y, x: lib.sin(y),
}


def chain_time(lib: Any, kind: str, n: int) -> float:
    """Return the seconds to build, differentiate and free a chain of `n` operations."""
    operation = KINDS[kind]
    x = lib.tensor(0.5, requires_grad=True)
    start = time.perf_counter()
    y = x
    for _ in range(n):
        y = operation(lib, y, x)
    y.backward()
    del y
    return time.perf_counter() - start
