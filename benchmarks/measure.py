"""Measuring: steps that take turns, their agreement, the memory of a process.

Nothing here knows a library.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

Steps = Mapping[str, Callable[[], Any]]

# A sample lasts at least this long, so that reading the clock does not count.
SAMPLE = 5e-5
# Threads of a matrix library keep spinning for a while after their last product; those of one
# library shall not take the cores from the next.
PAUSE = 0.05


def interleave(steps: Steps, seconds: float, rounds: int = 10) -> dict[str, float]:
    """Return the median time of a step in µs, for each; the libraries take turns."""
    samples: dict[str, list[float]] = {name: [] for name in steps}
    gc.collect()
    for _ in range(rounds):
        for name, step in steps.items():
            time.sleep(min(PAUSE, seconds / rounds))
            step()
            count = max(1, round(SAMPLE / timed(step, 1)))
            end = time.perf_counter() + seconds / rounds
            while True:
                samples[name].append(timed(step, count))
                if time.perf_counter() >= end:
                    break
    return {name: median(s) * 1e6 for name, s in samples.items()}


def timed(step: Callable[[], Any], count: int) -> float:
    """Return the seconds that one of `count` steps takes."""
    turns = range(count)
    start = time.perf_counter()
    for _ in turns:
        step()
    return (time.perf_counter() - start) / count


def cores_used(step: Callable[[], Any], seconds: float) -> float:
    """Return processor time over wall time while stepping: 1.0 is one core."""
    start, spent = time.perf_counter(), time.process_time()
    while time.perf_counter() < start + seconds:
        step()
    return (time.process_time() - spent) / (time.perf_counter() - start)


def agreement(steps: Steps, count: int = 5, tolerance: float = 1e-4) -> dict[str, list[float]]:
    """Return the losses of the first `count` steps; stop if the libraries disagree.

    Raises:
        SystemExit: two losses of the same step differ by more than `tolerance`.
    """
    losses = {name: [float(step()) for _ in range(count)] for name, step in steps.items()}
    agree(losses, tolerance)
    return losses


def agree(losses: Mapping[str, list[float]], tolerance: float) -> None:
    """Stop if the k-th loss is not the same in all libraries.

    Raises:
        SystemExit: two of them differ by more than `tolerance`.
    """
    for column in zip(*losses.values(), strict=True):
        # Written so that a NaN disagrees.
        if not all(abs(x - column[0]) <= tolerance for x in column):
            found = ", ".join(f"{name} {x:.6g}" for name, x in zip(losses, column, strict=True))
            raise SystemExit(f"benchmarks: the libraries disagree on the loss: {found}")


class Memory:
    """The growth of this process in bytes since the object was made, at its largest.

    On Linux the kernel's high-water mark is reset first; elsewhere it is the largest size of the
    whole life of the process, so that a larger import hides a smaller growth.
    """

    def __init__(self) -> None:
        """Start here."""
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            pass
        self.start = status("VmRSS") or largest()

    def grown(self) -> int:
        """Return by how much the process grew at most."""
        return max(0, (status("VmHWM") or largest()) - self.start)


def status(key: str) -> int:
    """Return an entry of Linux's /proc/self/status in bytes, or 0."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return 0


def largest() -> int:
    """Return the largest size this process had, in bytes; 0 where that is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
