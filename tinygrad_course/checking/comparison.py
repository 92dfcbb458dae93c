"""Analytic beside numeric derivatives: where they agree, and how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class Options:
    """How to check; see `tinygrad_course.gradcheck.check_gradients`."""

    eps: float | None = None
    atol: float | None = None
    rtol: float = 1e-5
    strict: bool = False
    max_entries: int | None = None
    seed: int = 0
    nondet_tol: float = 0.0
    recorded: bool = False

    def limit(self, analytic: Array, numeric: Array, noise: Array) -> Array:
        """Return how far apart the two may be."""
        if self.atol is not None:
            return self.atol + self.rtol * np.abs(numeric)
        return self.rtol * np.maximum(np.abs(analytic), np.abs(numeric)) + noise

    def words(self) -> str:
        """Say when an entry agrees."""
        if self.atol is not None:
            return (
                "an entry agrees when |analytic − numeric| ≤ "
                f"{self.atol:g} + {self.rtol:g}·|numeric|"
            )
        return (
            f"an entry agrees when |analytic − numeric| ≤ {self.rtol:g}·max(|analytic|, |numeric|)"
            " + rounding"
        )


class Comparison:
    """Analytic and numeric derivatives of one point's checked entries: (rows, entries)."""

    def __init__(self, analytic: Array, numeric: Array, noise: Array, options: Options) -> None:
        self.analytic = analytic
        self.numeric = numeric
        self.doubt = noise
        self.options = options
        self.aside: Array = np.zeros(analytic.shape[1], dtype=bool)
        self.direction_failed = False
        self._excess: Array | None = None

    def ratio(self) -> Array:
        """Return error over allowed error; infinite where either is not finite."""
        with np.errstate(all="ignore"):
            room = self.options.limit(self.analytic, self.numeric, self.doubt)
            ratio = np.abs(self.analytic - self.numeric) / np.maximum(room, 1e-300)
        return np.where(np.isfinite(self.analytic) & np.isfinite(self.numeric), ratio, np.inf)

    def excess(self) -> Array:
        """Return, per entry, the largest ratio of its rows; 0 for an entry set aside."""
        if self._excess is None:
            largest = self.ratio().max(axis=0, initial=0.0)
            self._excess = np.where(self.aside, 0.0, largest)
        return self._excess

    def wrong(self) -> Array:
        """Return where the derivatives disagree."""
        return np.asarray((self.ratio() > 1) & ~self.aside)

    def usable(self) -> Array:
        """Return where both derivatives are numbers to be compared."""
        finite = np.isfinite(self.analytic) & np.isfinite(self.numeric)
        return np.asarray(finite & ~self.aside)

    def worst(self) -> tuple[int, int]:
        """Return the row and place of the largest disagreement."""
        ratio = np.where(self.aside, -1.0, self.ratio())
        row, place = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        return int(row), int(place)

    def worst_row(self, place: int) -> int:
        """Return the row in which the entry at `place` disagrees most."""
        return int(np.argmax(self.ratio()[:, place]))

    def replace(self, place: int, better: Array, doubt: Array) -> None:
        """Take better numeric derivatives of one entry."""
        trusted = np.isfinite(better)
        self.numeric[:, place] = np.where(trusted, better, self.numeric[:, place])
        # A doubt as large as the value would let anything pass.
        most = 1e-3 * np.maximum(np.abs(better), np.abs(self.analytic[:, place]))
        bounded = np.minimum(doubt, np.maximum(most, self.doubt[:, place]))
        self.doubt[:, place] = np.where(trusted, bounded, self.doubt[:, place])
        self._excess = None

    def between(self, place: int, left: Array, right: Array, noise: Array) -> bool:
        """Return True when all rows of an entry lie between their one-sided slopes."""
        a = self.analytic[:, place]
        low, high = np.minimum(left, right), np.maximum(left, right)
        room = self.options.limit(a, high, noise) + noise
        return bool(np.all((a >= low - room) & (a <= high + room)))

    def set_aside(self, place: int) -> None:
        """Leave an entry out of the comparison: it lies at a kink."""
        self.aside[place] = True
        self._excess = None

    def set_aside_bent(self, bends: Array) -> None:
        """Leave out all entries whose error a kink explains: half of right minus left slope."""
        with np.errstate(all="ignore"):
            gap = np.abs(self.analytic - self.numeric)
            explained = gap <= 0.51 * np.abs(bends) + self.doubt
        self.aside |= (self.excess() > 1) & explained.all(axis=0)
        self._excess = None

    def largest_numeric(self) -> float:
        """Return the largest numeric slope that is more than rounding, 0 if there is none."""
        size = np.where(np.isfinite(self.numeric), np.abs(self.numeric), 0.0)
        return float(np.max(np.where(size > self.doubt, size, 0.0), initial=0.0))

    def squares(self) -> Array:
        """Return ‖a − n‖², ‖a‖², ‖n‖² over the usable entries."""
        good = self.usable()
        a, n = self.analytic[good], self.numeric[good]
        return np.array([(a - n) @ (a - n), a @ a, n @ n])


def difference(squares: Array) -> float:
    """Return ‖a − n‖ / (‖a‖ + ‖n‖) from the three squares; 0 when all is zero."""
    apart, a, n = np.sqrt(squares)
    return float(apart / (a + n)) if a + n > 0 else 0.0
