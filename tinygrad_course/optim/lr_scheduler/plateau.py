"""A rate that falls when a metric has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_course.errors import ArgumentError

from ..checks import checked_number
from ..optimizer import Optimizer
from .base import LRScheduler, checked_optimizer, for_each_group

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau:
    """Multiply the rate by `factor` when a metric has stopped improving.

    Args:
        optimizer: whose rates are changed.
        mode: "min" when a smaller metric is better, "max" when a larger one is.
        factor: what the rate is multiplied by, below 1.
        patience: epochs without improvement that are tolerated.
        threshold: the least change that counts as an improvement.
        threshold_mode: "rel": relative to the best value; "abs": absolute.
        cooldown: epochs to wait after a reduction before counting again.
        min_lr: the lowest rate, or a list with one for each group.
        eps: a reduction smaller than this is left out.

    Raises:
        ArgumentError: an unknown mode, `factor` >= 1, or a list of the wrong length.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in (5.0, 4.0, 4.0, 4.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        """Check the options."""
        who = "ReduceLROnPlateau"
        self.optimizer = checked_optimizer(who, optimizer)
        checked_number(who, "factor", factor, least=0, below=1)
        checked_number(who, "patience", patience, least=0)
        for name, value, choices in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in choices:
                raise ArgumentError(f"{who}: got {name}={value!r}, expected one of {choices}.")
        self.min_lrs = for_each_group(who, "min_lr", min_lr, optimizer)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: Any) -> None:
        """Take note of the epoch's metric, and reduce the rates when it is time.

        Args:
            metrics: the value to watch, a number or a tensor with one element.
        """
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                reduced = max(group["lr"] * self.factor, least)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """Return the present rates, one per group."""
        return self._last_lr

    state_dict = LRScheduler.state_dict
    load_state_dict = LRScheduler.load_state_dict

    def _better(self, value: float) -> bool:
        if self.threshold_mode == "rel":
            # Relative to a negative best value too, as PyTorch has it: the sign is the mode's.
            sign = -1 if self.mode == "min" else 1
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + (self.threshold if self.mode == "max" else -self.threshold)
        return value < bound if self.mode == "min" else value > bound
