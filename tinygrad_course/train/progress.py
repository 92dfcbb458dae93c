"""How a run shows where it is: a bar on a terminal, plain lines where asked for, else nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tinygrad_course.errors import ArgumentError

__all__ = ["Progress", "progress"]

# Seconds between two refreshes of the bar: more often is not seen, and would cost time.
_PAUSE = 0.1


class Progress:
    """Shows nothing; the base of those that show something."""

    def start(self, epochs: int, batches: int, done: int) -> None:
        """Begin, with `done` epochs behind from an earlier run."""

    def batch(self, epoch: int, batch: int) -> None:
        """One more batch is finished."""

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """One more epoch is finished."""

    def close(self) -> None:
        """End, also after an error."""


class _Lines(Progress):
    """One plain line per epoch."""

    def start(self, epochs: int, batches: int, done: int) -> None:
        self._epochs = epochs

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        print(f"epoch {epoch}/{self._epochs}: {_values(logs)}", flush=True)


class _Bar(Progress):
    """A tqdm bar that counts batches over all epochs."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None

    def start(self, epochs: int, batches: int, done: int) -> None:
        self._batches = batches
        self._epochs = epochs
        self._bar = self._tqdm(
            total=epochs * batches,
            initial=done * batches,
            unit="batch",
            file=sys.stdout,
            mininterval=_PAUSE,
            dynamic_ncols=True,
            desc=f"epoch {done}/{epochs}",
        )
        self._next = time.perf_counter() + _PAUSE

    def batch(self, epoch: int, batch: int) -> None:
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _PAUSE
            self._bar.update((epoch - 1) * self._batches + batch - self._bar.n)

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        if time.perf_counter() >= self._next or epoch == self._epochs:
            self._bar.set_description_str(f"epoch {epoch}/{self._epochs}", refresh=False)
            self._bar.set_postfix_str(_values(logs), refresh=False)
            self._bar.update(epoch * self._batches - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def progress(verbose: Any) -> Progress:
    """Return what shows the progress.

    Args:
        verbose: "auto": a bar when stdout is a terminal or a notebook and tqdm is installed, else
            nothing; True: a bar, or plain lines without tqdm or a terminal; False: nothing.

    Raises:
        ArgumentError: something else.
    """
    if verbose not in ("auto", True, False):
        raise ArgumentError(f"fit: got verbose={verbose!r}, expected 'auto', True or False.")
    verbose = verbose if verbose == "auto" else bool(verbose)  # Keras's 0 and 1 too
    interactive = sys.stdout.isatty() or "ipykernel" in sys.modules
    if verbose is False or (verbose == "auto" and not interactive):
        return Progress()
    try:
        from tqdm import tqdm
    except ImportError:
        return _Lines() if verbose is True else Progress()
    return _Bar(tqdm) if interactive else _Lines()


def _values(logs: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
