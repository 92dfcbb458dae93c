"""Learning rates that change from epoch to epoch.

A scheduler is stepped once per epoch, after the optimizer. Most are given in the chainable form:
each step computes the new rate from the present one, so that several act together on one optimizer.

Source: the names and rules are those of `torch.optim.lr_scheduler`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_course.errors import ArgumentError, DtypeError, StateDictError

from .checks import checked_number
from .optimizer import Group, Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "ReduceLROnPlateau",
    "StepLR",
]


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
        self.optimizer = _checked_optimizer(who, optimizer)
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
        # True while the first rates are set: they are the present ones, there is nothing to chain.
        self._first = True
        self.step()
        self._first = False

    def get_lr(self) -> list[float]:
        """Return the rate of each group in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr().")

    def get_last_lr(self) -> list[float]:
        """Return the rates that were set last, one per group."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one epoch and set its rates."""
        self.last_epoch += 1
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a dictionary of numbers; functions are left out."""
        skipped = ("optimizer", "_first", "lr_lambdas")
        return {key: _copied(v) for key, v in vars(self).items() if key not in skipped}

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
            if isinstance(value, list) and len(state_dict[key]) != len(value):
                raise StateDictError(
                    f"{type(self).__name__}.load_state_dict: got {len(state_dict[key])} values of "
                    f"{key}, expected {len(value)}, one for each parameter group."
                )
        for key, value in state_dict.items():
            setattr(self, key, _copied(value))

    def _groups(self) -> list[Group]:
        return self.optimizer.param_groups


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose rates are changed.
        step_size: epochs between two changes, >= 1.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: `step_size` is below 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        """Check the options and set the first rates."""
        checked_number("StepLR", "step_size", step_size, least=1)
        checked_number("StepLR", "gamma", gamma)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the present rates, multiplied by gamma when a period is over."""
        over = not self._first and self.last_epoch % self.step_size == 0
        return [group["lr"] * self.gamma if over else group["lr"] for group in self._groups()]


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` every epoch: α = α₀ γᵗ.

    Args:
        optimizer: whose rates are changed.
        gamma: the factor γ.
        last_epoch: see `LRScheduler`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        """Check the options and set the first rates."""
        checked_number("ExponentialLR", "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the present rates times gamma."""
        if self._first:
            return [group["lr"] for group in self._groups()]
        return [group["lr"] * self.gamma for group in self._groups()]


class CosineAnnealingLR(LRScheduler):
    """Swing the rate from its initial value to `eta_min` and back, along half a cosine each way.

    With T epochs each way: αₜ = η + (α₀ − η)(1 + cos(π t / T)) / 2.

    Args:
        optimizer: whose rates are changed.
        T_max: T, the epochs from the largest to the smallest rate, >= 1.
        eta_min: η, the smallest rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: `T_max` is below 1.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> scheduler.step()
        >>> round(scheduler.get_last_lr()[0], 12)
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        """Check the options and set the first rates."""
        checked_number("CosineAnnealingLR", "T_max", T_max, least=1)
        checked_number("CosineAnnealingLR", "eta_min", eta_min)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates on the cosine, computed from those of the epoch before."""
        low = self.eta_min
        if self._first:
            return [group["lr"] for group in self._groups()]
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The epoch before stood at the bottom, where every ratio is 0/0: start from there.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            pairs = zip(self._groups(), self.base_lrs, strict=True)
            return [group["lr"] + (base - low) * rise for group, base in pairs]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [low + ratio * (group["lr"] - low) for group in self._groups()]

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)


class LambdaLR(LRScheduler):
    """Set the rate to its initial value times a function of the epoch: αₜ = α₀ f(t).

    Args:
        optimizer: whose rates are changed.
        lr_lambda: f, or a list with one function for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a list whose length is not the number of groups.
        DtypeError: something that cannot be called.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        """Check the functions and set the first rates."""
        count = len(_checked_optimizer("LambdaLR", optimizer).param_groups)
        given: Any = lr_lambda
        self.lr_lambdas = list(given) if isinstance(given, (list, tuple)) else [given] * count
        if len(self.lr_lambdas) != count:
            raise ArgumentError(
                f"LambdaLR: got {len(self.lr_lambdas)} functions, expected {count}, one for each "
                "parameter group. Pass one function to use it for all."
            )
        for function in self.lr_lambdas:
            if not callable(function):
                raise DtypeError(
                    f"LambdaLR: got a {type(function).__name__}, expected a function of the epoch."
                )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the initial rates times the functions' values."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


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
        self.optimizer = _checked_optimizer(who, optimizer)
        checked_number(who, "factor", factor, least=0, below=1)
        checked_number(who, "patience", patience, least=0)
        for name, value, choices in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in choices:
                raise ArgumentError(f"{who}: got {name}={value!r}, expected one of {choices}.")
        count = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * count
        if len(self.min_lrs) != count:
            raise ArgumentError(
                f"{who}: got {len(self.min_lrs)} values of min_lr, expected {count}, one for each "
                "parameter group. Pass one number to use it for all."
            )
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


def _checked_optimizer(who: str, optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(
            f"{who}: got a {type(optimizer).__name__}, expected an optimizer. "
            "Pass for example optim.SGD(model.parameters(), lr=0.1)."
        )
    return optimizer


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
