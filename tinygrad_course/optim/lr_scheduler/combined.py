"""Several schedules on one optimizer: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_course.errors import ArgumentError, DtypeError, StateDictError

from ..optimizer import Optimizer
from .base import LRScheduler, checked_optimizer
from .simple import checked_milestones

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Several(LRScheduler):
    """Schedulers of one optimizer, saved together."""

    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dictionary of numbers, with that of each scheduler."""
        parts = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict`; the optimizer's own state is loaded apart.

        Raises:
            StateDictError: it comes from another kind of scheduler, or from other ones inside.
        """
        own = dict(state_dict) if isinstance(state_dict, Mapping) else state_dict
        parts = own.pop("_schedulers", None) if isinstance(own, dict) else None
        if not isinstance(parts, Sequence) or len(parts) != len(self._schedulers):
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: got the states of "
                f"{len(parts) if isinstance(parts, Sequence) else 'no'} schedulers, expected "
                f"{len(self._schedulers)}. Pass what state_dict() of such a scheduler returned."
            )
        before = [scheduler.state_dict() for scheduler in self._schedulers]
        try:
            for scheduler, part in zip(self._schedulers, parts, strict=True):
                scheduler.load_state_dict(part)
            self._load_own(own)
        except StateDictError:
            for scheduler, part in zip(self._schedulers, before, strict=True):
                scheduler.load_state_dict(part)
            raise

    def _load_own(self, own: Mapping[str, Any]) -> None:
        mine = super().state_dict()
        if set(own) != set(mine):
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: got the keys {sorted(own)}, expected "
                f"{sorted(mine)}. Pass what state_dict() of such a scheduler returned."
            )
        for key, value in own.items():
            setattr(self, key, list(value) if isinstance(value, list | tuple) else value)


class SequentialLR(_Several):
    """Schedules one after another, each from its own epoch 0 on.

    Args:
        optimizer: whose rates are changed.
        schedulers: what takes its turn, all made for `optimizer`.
        milestones: the epochs at which the second, the third, … takes over.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: not one milestone less than schedulers; a scheduler of another optimizer.
        DtypeError: something that is no scheduler, or that needs a metric.

    Example:
        A warm-up over two epochs, then a decay:

        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> from tinygrad_course.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> first = LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> then = ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = SequentialLR(optimizer, [first, then], milestones=[2])
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Iterable[int],
        last_epoch: int = -1,
    ) -> None:
        """Check the schedulers and set the first rates."""
        self.optimizer = checked_optimizer("SequentialLR", optimizer)
        self._schedulers = _checked_schedulers("SequentialLR", schedulers, optimizer)
        self.milestones = checked_milestones("SequentialLR", milestones)
        if len(self.milestones) != len(self._schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: got {len(self._schedulers)} schedulers and "
                f"{len(self.milestones)} milestones, expected one milestone less: the epochs at "
                "which the second and those after it take over."
            )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            self._present()._restart()
        self._last_lr = self._rates()

    def step(self) -> None:
        """Go on by one epoch and set the rates of the scheduler whose turn it is."""
        self.last_epoch += 1
        scheduler = self._present()
        if self.last_epoch in self.milestones:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def _present(self) -> LRScheduler:
        return self._schedulers[bisect_right(self.milestones, self.last_epoch)]

    def _restart(self) -> None:
        self.last_epoch = 0
        self._present()._restart()
        self._last_lr = self._rates()


class ChainedScheduler(_Several):
    """Schedules that act together: each changes the rate that the one before has left.

    Args:
        schedulers: at least one, all made for one optimizer, in the chainable form.
        optimizer: the optimizer; by default that of the first.

    Raises:
        ArgumentError: no schedulers, or schedulers of different optimizers.
        DtypeError: something that is no scheduler, or that needs a metric.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> from tinygrad_course.optim.lr_scheduler import ChainedScheduler, ConstantLR, StepLR
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> parts = [ConstantLR(optimizer, 0.5, total_iters=2), StepLR(optimizer, 3, gamma=0.5)]
        >>> scheduler = ChainedScheduler(parts)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [0.5, 0.5, 1.0, 0.5, 0.5]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        """Check the schedulers; their first rates are set already."""
        self._schedulers = _checked_schedulers("ChainedScheduler", schedulers, optimizer)
        self.optimizer = self._schedulers[0].optimizer
        self.last_epoch = self._schedulers[0].last_epoch
        self._last_lr = self._rates()

    def step(self) -> None:
        """Go on by one epoch in each of the schedulers."""
        self.last_epoch += 1
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()

    def _restart(self) -> None:
        for group in self._groups():
            group["lr"] = group["initial_lr"]
        self.last_epoch = 0
        for scheduler in self._schedulers:
            scheduler.last_epoch = -1
            scheduler._begin()
        self._last_lr = self._rates()


def _checked_schedulers(who: str, schedulers: Any, optimizer: Any) -> list[LRScheduler]:
    """Return the schedulers as a list, or raise when one does not fit."""
    found = list(schedulers) if isinstance(schedulers, Iterable) else [schedulers]
    if not found:
        raise ArgumentError(f"{who}: got no schedulers, expected at least one.")
    for k, scheduler in enumerate(found):
        if not isinstance(scheduler, LRScheduler):
            raise DtypeError(
                f"{who}: got a {type(scheduler).__name__} as scheduler {k}, expected one that is "
                "stepped without a metric. Step ReduceLROnPlateau by itself."
            )
        if scheduler.optimizer is not (optimizer or found[0].optimizer):
            raise ArgumentError(
                f"{who}: scheduler {k}, {type(scheduler).__name__}, belongs to another optimizer. "
                "Make all of them for the same one."
            )
    return found
