"""Callbacks: what happens beside the training itself, at its start, at its end and in between.

Epochs and batches are counted from 1. A callback with state that matters for going on
(`EarlyStopping` counts epochs) gives it in `state_dict`, so that a resumed run behaves like an
uninterrupted one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course import checkpoint
from tinygrad_course.errors import ArgumentError, DtypeError

from .history import better, direction

if TYPE_CHECKING:
    from .fit import Run

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "LambdaCallback", "ModelCheckpoint"]

Logs = Mapping[str, float]


class Callback:
    """Base class: override what you need; the rest does nothing.

    Attributes:
        run: the training run: ``run.model``, ``run.optimizer``, ``run.history``, ``run.epoch``;
            setting ``run.stop = True`` ends it after the epoch.

    Example:
        >>> from tinygrad_course.train import Callback
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs):
        ...         print("EPOCH", epoch)
    """

    run: Run

    def on_train_begin(self) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self) -> None:
        """Called once, after the last epoch (not when an error ended the training)."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Called before each epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Called after each epoch with its values, such as ``{"loss": 0.4, "val_loss": 0.5}``."""

    def on_batch_end(self, batch: int, loss: float) -> None:
        """Called after each batch with its loss; costs nothing unless overridden."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, as dictionaries of arrays and numbers."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""


class LambdaCallback(Callback):
    """A callback from functions.

    Args:
        on_epoch_end: called with (epoch, logs).
        on_epoch_begin: called with (epoch).
        on_batch_end: called with (batch, loss).
        on_train_begin: called with nothing.
        on_train_end: called with nothing.

    Raises:
        DtypeError: something that cannot be called.

    Example:
        >>> from tinygrad_course.train import LambdaCallback
        >>> report = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        >>> report.on_epoch_end(1, {"loss": 0.25})
        1 0.25
    """

    def __init__(
        self,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_epoch_begin: Callable[[int], Any] | None = None,
        on_batch_end: Callable[[int, float], Any] | None = None,
        on_train_begin: Callable[[], Any] | None = None,
        on_train_end: Callable[[], Any] | None = None,
    ) -> None:
        """Take the functions that are given."""
        given = {
            "on_epoch_end": on_epoch_end,
            "on_epoch_begin": on_epoch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
        }
        for name, function in given.items():
            if function is None:
                continue
            if not callable(function):
                raise DtypeError(
                    f"LambdaCallback: got a {type(function).__name__} as {name}, expected a "
                    "function."
                )
            setattr(self, name, function)


class _Monitor(Callback):
    """Watches one value of the logs; shared by the callbacks that look for the best epoch."""

    def __init__(self, monitor: str | None, mode: str) -> None:
        self.monitor = monitor
        self.mode = mode
        direction(type(self).__name__, monitor or "loss", mode)  # checks the mode
        self.best: float | None = None

    def _value(self, logs: Logs) -> tuple[float, int]:
        """Return the watched value, and 1 when larger is better, -1 when smaller is."""
        who = type(self).__name__
        name = self.monitor or ("val_loss" if "val_loss" in logs else "loss")
        if name not in logs:
            raise ArgumentError(
                f"{who}: watches {name!r}, which this run does not report; it reports "
                f"{', '.join(logs)}. Pass validation_data= or metrics= to fit, or another monitor."
            )
        return logs[name], direction(who, name, self.mode)


class EarlyStopping(_Monitor):
    """Stop when a value has not improved for `patience` epochs.

    Args:
        patience: epochs without improvement that are tolerated.
        monitor: the value to watch; by default ``val_loss``, or ``loss`` without validation data.
        restore_best: give the model the weights of its best epoch at the end.
        min_delta: the least change that counts as an improvement.
        mode: "min", "max", or "auto": accuracies and scores are to grow, all else to shrink.

    Attributes:
        best: the best value; `best_epoch` is when it was reached.
        stopped_epoch: when it stopped the training, or None.

    Raises:
        ArgumentError: a negative patience, an unknown mode, a value that is not reported.

    Example:
        >>> from tinygrad_course.train import EarlyStopping
        >>> EarlyStopping(patience=5, monitor="val_accuracy").patience
        5
    """

    def __init__(
        self,
        patience: int = 0,
        monitor: str | None = None,
        restore_best: bool = False,
        min_delta: float = 0.0,
        mode: str = "auto",
    ) -> None:
        """Check the options."""
        super().__init__(monitor, mode)
        if isinstance(patience, bool) or not isinstance(patience, int):
            raise DtypeError(f"EarlyStopping: got patience={patience!r}, expected an integer >= 0.")
        if patience < 0 or not min_delta >= 0:
            raise ArgumentError(
                f"EarlyStopping: got patience={patience} and min_delta={min_delta}, expected both "
                ">= 0."
            )
        self.patience = patience
        self.restore_best = restore_best
        self.min_delta = min_delta
        self._reset()

    def _reset(self) -> None:
        self.best = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.waited = 0
        self._weights: dict[str, Any] | None = None

    def on_train_begin(self) -> None:
        """Forget an earlier run."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Count, and stop when it is time."""
        value, sign = self._value(logs)
        if better(value, self.best, sign, self.min_delta):
            self.best, self.best_epoch, self.waited = value, epoch, 0
            if self.restore_best:
                state = self.run.model.state_dict()
                self._weights = {name: t.numpy().copy() for name, t in state.items()}
            return
        self.waited += 1
        if self.waited > self.patience:
            self.stopped_epoch = epoch
            self.run.stop = True

    def on_train_end(self) -> None:
        """Restore the best weights, if asked to."""
        if self._weights is not None:
            self.run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the best weights so far."""
        names = ("best", "best_epoch", "stopped_epoch", "waited")
        return {**{name: getattr(self, name) for name in names}, "weights": self._weights}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        state = dict(state_dict)
        self._weights = state.pop("weights")
        for name, value in state.items():
            setattr(self, name, value)


class ModelCheckpoint(_Monitor):
    """Write the model's weights to a file after each epoch, or after each that is the best so far.

    Read them back with ``model.load_state_dict(tc.load(path))``. To continue a run exactly, use
    ``fit(checkpoint=...)`` instead, which also writes the optimizer and all that is drawn.

    Args:
        path: where to write; ``{epoch}`` in it becomes the number of the epoch.
        save_best_only: write only when the watched value has improved.
        monitor: the value to watch; by default ``val_loss``, or ``loss`` without validation data.
        mode: see `EarlyStopping`.

    Raises:
        ArgumentError: an unknown mode, a value that is not reported.
        OSError: the file cannot be written.

    Example:
        >>> from tinygrad_course.train import ModelCheckpoint
        >>> ModelCheckpoint("best.safetensors", save_best_only=True).save_best_only
        True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        save_best_only: bool = False,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        """Check the options."""
        super().__init__(monitor, mode)
        self.path = os.fspath(path)
        self.save_best_only = save_best_only

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the weights, if they are to be kept."""
        if self.save_best_only:
            value, sign = self._value(logs)
            if not better(value, self.best, sign):
                return
            self.best = value
        path = self.path.replace("{epoch}", str(epoch))
        numbers = {name: float(value) for name, value in logs.items()}
        checkpoint.save(
            self.run.model.state_dict(), path, metadata={"epoch": epoch, "values": numbers}
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.best = state_dict["best"]


class CSVLogger(Callback):
    """Write the values of each epoch as a line of a CSV file, for spreadsheets.

    Args:
        path: where to write. A new run starts the file anew, a resumed one keeps the lines of the
            epochs that it does not repeat.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> from tinygrad_course.train import CSVLogger
        >>> CSVLogger("log.csv").path
        'log.csv'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Remember the path."""
        self.path = os.fspath(path)

    def on_train_begin(self) -> None:
        """Start the file with the epochs that the history has already."""
        Path(self.path).write_text("")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the table anew: it is small, and a resumed run needs no special case."""
        history = self.run.history.history
        with open(self.path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["epoch", *history])
            for i in range(self.run.history.epochs):
                table.writerow([i + 1, *(values[i] for values in history.values())])
