"""Rates that fall, or rise, by a rule of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

from tinygrad_course.errors import ArgumentError, DtypeError

from ..checks import checked_number
from ..optimizer import Optimizer
from .base import LRScheduler, checked_optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
    "checked_milestones",
]


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


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` when each of some epochs is reached.

    Args:
        optimizer: whose rates are changed.
        milestones: the epochs; one that is given twice counts twice.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    Raises:
        DtypeError: milestones that are no integers.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        checked_number("MultiStepLR", "gamma", gamma)
        self.milestones = checked_milestones("MultiStepLR", milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the present rates, multiplied by gamma at a milestone."""
        times = self.milestones.count(self.last_epoch)
        return [rate * self.gamma**times for rate in self._rates()]


class ConstantLR(LRScheduler):
    """Multiply the rate by `factor` for the first `total_iters` epochs.

    Args:
        optimizer: whose rates are changed.
        factor: the factor, 0 < factor <= 1.
        total_iters: how many epochs.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a factor outside (0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2)
        >>> rates = []
        >>> for epoch in range(4):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [0.25, 0.25, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        _checked_factor("ConstantLR", "factor", factor)
        checked_number("ConstantLR", "total_iters", total_iters, least=0)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the present rates, made smaller at first and larger again at the end."""
        if self.last_epoch == 0:
            return [rate * self.factor for rate in self._rates()]
        if self.last_epoch != self.total_iters:
            return self._rates()
        return [rate * (1.0 / self.factor) for rate in self._rates()]


class LinearLR(LRScheduler):
    """Change a factor of the rate evenly over the first `total_iters` epochs: a warm-up.

    With T epochs from the factor a to b: αₜ = α₀ (a + (b − a) min(t, T) / T).

    Args:
        optimizer: whose rates are changed.
        start_factor: a, 0 < a <= 1.
        end_factor: b, 0 <= b <= 1.
        total_iters: T, >= 1.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a factor or T out of range.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> rates = []
        >>> for epoch in range(4):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        _checked_factor("LinearLR", "start_factor", start_factor)
        if end_factor != 0:
            _checked_factor("LinearLR", "end_factor", end_factor)
        checked_number("LinearLR", "total_iters", total_iters, least=1)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates on the line, computed from those of the epoch before."""
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self._rates()]
        if self._first or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [rate * (1 + rise / before) for rate in self._rates()]


class PolynomialLR(LRScheduler):
    """Let the rate fall to 0 over `total_iters` epochs: αₜ = α₀ (1 − t / T)ᵖ.

    Args:
        optimizer: whose rates are changed.
        total_iters: T, >= 1.
        power: p; 1 is a line.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: T below 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2)
        >>> rates = []
        >>> for epoch in range(6):
        ...     rates.append(round(optimizer.param_groups[0]["lr"], 12))
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        checked_number("PolynomialLR", "total_iters", total_iters, least=1)
        checked_number("PolynomialLR", "power", power)
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates on the curve, computed from those of the epoch before."""
        if self._first or self.last_epoch > self.total_iters:
            return self._rates()
        left = 1 - self.last_epoch / self.total_iters
        before = 1 - (self.last_epoch - 1) / self.total_iters
        return [rate * (left / before) ** self.power for rate in self._rates()]


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
        self.lr_lambdas = _functions(type(self).__name__, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the initial rates times the functions' values."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


class MultiplicativeLR(LRScheduler):
    """Multiply the rate by a function of the epoch: αₜ = αₜ₋₁ f(t).

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
        >>> scheduler = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 1 / epoch)
        >>> for epoch in range(4):
        ...     scheduler.step()
        >>> round(1 / scheduler.get_last_lr()[0])
        24
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        """Check the functions and set the first rates."""
        self.lr_lambdas = _functions("MultiplicativeLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the present rates times the functions' values."""
        if self._first:
            return self._rates()
        pairs = zip(self._rates(), self.lr_lambdas, strict=True)
        return [rate * function(self.last_epoch) for rate, function in pairs]

    def _restart(self) -> None:
        # Nothing but the present rate is there to multiply.
        self.last_epoch = -1
        self.step()


def checked_milestones(who: str, milestones: Any) -> list[int]:
    """Return epochs in order, or raise when they are none."""
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        raise DtypeError(f"{who}: got milestones={milestones!r}, expected a list of epochs.")
    found = list(milestones)
    for epoch in found:
        if isinstance(epoch, bool) or not isinstance(epoch, Integral):
            raise DtypeError(
                f"{who}: got the milestone {epoch!r}, expected the number of an epoch, an integer."
            )
    return sorted(map(int, found))


def _checked_factor(who: str, name: str, factor: Any) -> None:
    checked_number(who, name, factor)
    if not 0 < factor <= 1:
        raise ArgumentError(
            f"{who}: got {name}={factor!r}, expected 0 < {name} <= 1. Choose the optimizer's lr as "
            "the largest rate."
        )


def _functions(who: str, optimizer: Any, given: Any) -> list[Callable[[int], float]]:
    """Return one function for each parameter group."""
    count = len(checked_optimizer(who, optimizer).param_groups)
    functions = list(given) if isinstance(given, (list, tuple)) else [given] * count
    if len(functions) != count:
        raise ArgumentError(
            f"{who}: got {len(functions)} functions, expected {count}, one for each "
            "parameter group. Pass one function to use it for all."
        )
    for function in functions:
        if not callable(function):
            raise DtypeError(
                f"{who}: got a {type(function).__name__}, expected a function of the epoch."
            )
    return functions
