"""What training reports: one value per epoch of the loss and of every metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_course.errors import ArgumentError

__all__ = ["History", "better", "direction"]

_LARGER_IS_BETTER = ("acc", "auc", "f1", "precision", "recall", "r2", "score")


class History:
    """The values of each epoch: ``history["loss"]`` is a list of numbers.

    Attributes:
        history: a dictionary of lists: ``loss``, the metrics, and each with ``val_`` in front when
            there is validation data; ``lr`` when there is a scheduler.

    Example:
        >>> from tinygrad_course.train import History
        >>> h = History({"loss": [0.9, 0.4, 0.5], "accuracy": [0.5, 0.8, 0.8]})
        >>> h.epochs, h["loss"][-1], h.best
        (3, 0.5, {'epoch': 2, 'loss': 0.4, 'accuracy': 0.8})
        >>> h
        History of 3 epochs
                  epoch     loss  accuracy
          first       1      0.9       0.5
          best        2      0.4       0.8
          last        3      0.5       0.8
    """

    def __init__(self, history: Mapping[str, Any] | None = None) -> None:
        """Start with the values of earlier epochs, if any."""
        self.history: dict[str, list[float]] = {k: list(v) for k, v in (history or {}).items()}

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return max((len(values) for values in self.history.values()), default=0)

    @property
    def best(self) -> dict[str, Any]:
        """The values of the best epoch, that with the least ``val_loss`` (else ``loss``).

        ``epoch`` counts from 1; the dictionary is empty before the first epoch.
        """
        name = "val_loss" if "val_loss" in self.history else "loss"
        values = self.history.get(name)
        if not values:
            return {}
        finite = [math.inf if math.isnan(value) else value for value in values]
        return self._row(finite.index(min(finite)))

    def add(self, values: Mapping[str, float]) -> None:
        """Append the values of one epoch."""
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plot the curves with `viz.plot_history`, and return the axes.

        Raises:
            MissingDependencyError: Matplotlib is not installed.
        """
        from viz import plot_history

        return plot_history(self, ax, **options)

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of one curve."""
        if name not in self.history:
            raise ArgumentError(
                f"History: has no {name!r}, only {', '.join(self.history) or 'nothing yet'}. "
                "Pass metrics= or validation_data= to fit."
            )
        return self.history[name]

    def __contains__(self, name: object) -> bool:
        return name in self.history

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def keys(self) -> Any:
        """Return the names of the curves."""
        return self.history.keys()

    def __repr__(self) -> str:
        """Show the first, the best and the last epoch in a table."""
        count = self.epochs
        if count == 0:
            return "History of 0 epochs"
        rows = [("first", self._row(0)), ("best", self.best), ("last", self._row(count - 1))]
        names = ["epoch", *self.history]
        cells = [["", *names]]
        for label, row in rows:
            if row:
                cells.append([label, *(_text(row.get(name)) for name in names)])
        widths = [max(len(line[i]) for line in cells) for i in range(len(names) + 1)]
        widths = [widths[0], *(max(width, 7) for width in widths[1:])]
        lines = []
        for line in cells:
            pairs = zip(line, widths, strict=True)
            first, *others = [t.rjust(w) if i else t.ljust(w) for i, (t, w) in enumerate(pairs)]
            lines.append("  ".join(["", first, *others]).rstrip())
        title = f"History of {count} epoch{'s' if count > 1 else ''}"
        return "\n".join([title, *lines])

    def _row(self, place: int) -> dict[str, Any]:
        values = {k: v[place] for k, v in self.history.items() if place < len(v)}
        return {"epoch": place + 1, **values}


def direction(who: str, name: str, mode: str) -> int:
    """Return 1 when a larger value of `name` is better, -1 when a smaller one is."""
    if mode not in ("auto", "min", "max"):
        raise ArgumentError(f"{who}: got mode={mode!r}, expected 'auto', 'min' or 'max'.")
    if mode == "auto":
        bare = name.removeprefix("val_")
        return 1 if any(word in bare for word in _LARGER_IS_BETTER) else -1
    return 1 if mode == "max" else -1


def better(value: float, best: float | None, sign: int, least: float = 0.0) -> bool:
    """Return True when `value` improves on `best` by more than `least`; NaN never does."""
    if math.isnan(value):
        return False
    return best is None or sign * (value - best) > least


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
