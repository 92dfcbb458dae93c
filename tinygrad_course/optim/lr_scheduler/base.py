"""What all schedules share: the initial rates, the count of epochs, what is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_course.errors import ArgumentError, DtypeError, StateDictError

from ..optimizer import Group, Optimizer

__all__ = ["LRScheduler", "checked_optimizer", "for_each_group"]

# Functions are not saved, and neither is what belongs to others.
_NOT_SAVED = ("optimizer", "_first", "lr_lambdas", "scale_fn", "_schedulers")
_PER_GROUP = ("base_lrs", "max_lrs", "min_lrs", "base_momentums", "max_momentums", "_last_lr")


class LRScheduler:
    """Base class: a subclass says in `get_lr` what the rates of this epoch are.

    Args:
        optimizer: whose ``lr`` is changed, in each group.
        last_epoch: the epoch reached before; -1 to start, when the present rates become the
            initial ones.

    Attributes:
        base_lrs: the initial rate of each group.
        last_epoch: how often `step` was called.

    Raises:
        DtypeError: the optimizer is none, or `last_epoch` is no integer.
        ArgumentError: `last_epoch` >= 0, but the optimizer has no initial rates to go on from.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> class Halving(optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [rate / 2**self.last_epoch for rate in self.base_lrs]
        >>> optimizer = optim.SGD([tc.tensor(1.0, requires_grad=True)], lr=0.8)
        >>> scheduler = Halving(optimizer)
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.4]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        """Remember the initial rates and set those of epoch 0."""
        who = type(self).__name__
        self.optimizer = checked_optimizer(who, optimizer)
        if isinstance(last_epoch, bool) or not isinstance(last_epoch, int):
            raise DtypeError(f"{who}: got last_epoch={last_epoch!r}, expected an integer >= -1.")
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{who}: got last_epoch={last_epoch} for an optimizer without initial_lr, "
                    "expected a resumed one. Load its state dict first, or leave last_epoch out."
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def get_lr(self) -> list[float]:
        """Return the rate of each group in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr().")

    def get_last_lr(self) -> list[float]:
        """Return the rates that were set last, one per group."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one epoch and set its rates."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dictionary of numbers; functions are left out."""
        return {key: _copied(v) for key, v in vars(self).items() if key not in _NOT_SAVED}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict`; the optimizer's own state is loaded apart.

        Raises:
            StateDictError: it comes from another kind of scheduler, or from other groups.
        """
        mine = self.state_dict()
        if not isinstance(state_dict, Mapping) or set(state_dict) != set(mine):
            got = sorted(map(str, state_dict)) if isinstance(state_dict, Mapping) else state_dict
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: got {got!r:.80}, expected the keys "
                f"{sorted(mine)}. Pass what state_dict() of such a scheduler returned."
            )
        for key, value in mine.items():
            if key in _PER_GROUP and len(state_dict[key]) != len(value):
                raise StateDictError(
                    f"{type(self).__name__}.load_state_dict: got {len(state_dict[key])} values of "
                    f"{key}, expected {len(value)}, one for each parameter group."
                )
        for key, value in state_dict.items():
            setattr(self, key, _copied(value))

    def _groups(self) -> list[Group]:
        return self.optimizer.param_groups

    def _rates(self) -> list[float]:
        """Return the present rates."""
        return [group["lr"] for group in self._groups()]

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self._groups(), rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def _begin(self) -> None:
        """Take the first step, which sets the rates of the epoch that is begun with."""
        # True while the first rates are set: they are the present ones, there is nothing to chain.
        self._first = True
        self.step()
        self._first = False

    def _restart(self) -> None:
        """Set the rates of epoch 0, whatever the present ones are; `SequentialLR` asks for it."""
        for group, rate in zip(self._groups(), self.base_lrs, strict=True):
            group["lr"] = rate
        self.last_epoch = -1
        self._begin()


def checked_optimizer(who: str, optimizer: Any) -> Optimizer:
    """Return the optimizer, or raise when it is none."""
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(
            f"{who}: got a {type(optimizer).__name__}, expected an optimizer. "
            "Pass for example optim.SGD(model.parameters(), lr=0.1)."
        )
    return optimizer


def for_each_group(who: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """Return an argument as a list with one value for each parameter group."""
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, Sequence) else [value] * count
    if len(values) != count:
        raise ArgumentError(
            f"{who}: got {len(values)} values of {name}, expected {count}, one for each "
            "parameter group. Pass one number to use it for all."
        )
    return values


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
