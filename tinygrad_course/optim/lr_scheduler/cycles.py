"""Rates that go up and down: restarts, one cycle, many cycles, with the momentum in return."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_course.errors import ArgumentError, DtypeError

from ..checks import checked_number
from ..optimizer import Optimizer
from .base import LRScheduler, checked_optimizer, for_each_group

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the rate fall along half a cosine, and begin again, in periods that may grow.

    With T_i epochs in the present period, of which t are over:
    α = η + (α₀ − η)(1 + cos(π t / T_i)) / 2.

    Args:
        optimizer: whose rates are changed.
        T_0: the epochs of the first period, an integer >= 1.
        T_mult: each period is so many times as long as the one before, an integer >= 1.
        eta_min: η, the smallest rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a period below 1.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> optimizer = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(round(optimizer.param_groups[0]["lr"], 12))
        ...     scheduler.step()
        >>> rates
        [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        who = "CosineAnnealingWarmRestarts"
        _checked_count(who, "T_0", T_0)
        _checked_count(who, "T_mult", T_mult)
        checked_number(who, "eta_min", eta_min)
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates on the cosine of the present period."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch and set its rates.

        Args:
            epoch: go to this epoch instead; with fractions, such as ``epoch + batch / batches``.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            checked_number("CosineAnnealingWarmRestarts.step", "epoch", epoch, least=0)
            self.last_epoch = math.floor(epoch)
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                if self.T_mult == 1:
                    self.T_cur %= self.T_i
                else:
                    self.T_cur -= self.T_i
                    self.T_i *= self.T_mult
        self._set(self.get_lr())


class _Cycle(LRScheduler):
    """What lets the momentum, or β₁, fall while the rate rises."""

    base_momentums: list[float]
    max_momentums: list[float]

    def _take_momentum(self, cycle: bool, base: Any, most: Any, last_epoch: int) -> None:
        who = type(self).__name__
        self.cycle_momentum = cycle
        if not cycle:
            return
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ArgumentError(
                f"{who}: {type(self.optimizer).__name__} has no momentum and no betas to cycle. "
                "Pass cycle_momentum=False."
            )
        self.base_momentums = for_each_group(who, "base_momentum", base, self.optimizer)
        self.max_momentums = for_each_group(who, "max_momentum", most, self.optimizer)
        for name in ("base_momentum", "max_momentum"):
            for value in getattr(self, f"{name}s"):
                checked_number(who, name, value, least=0, below=1)
        if last_epoch == -1:
            self._set_momentum(self.max_momentums)

    def _set_momentum(self, values: Sequence[float]) -> None:
        for group, value in zip(self._groups(), values, strict=True):
            if "betas" in self.optimizer.defaults:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value


class OneCycleLR(_Cycle):
    """One rise of the rate to its largest, and one long fall: to be stepped after each batch.

    The rate goes from max_lr / div_factor to max_lr, then to 1 / final_div_factor of the first
    one, while the momentum (or Adam's β₁) falls and rises again.

    Args:
        optimizer: whose rates are changed.
        max_lr: the largest rate, or a list with one for each group.
        total_steps: how many steps there will be;
        epochs, steps_per_epoch: or this many times that many.
        pct_start: the part of the steps in which the rate rises, in [0, 1].
        anneal_strategy: "cos", or "linear".
        cycle_momentum: change the momentum as well.
        base_momentum: the smallest momentum, or a list.
        max_momentum: the largest, or a list.
        div_factor: max_lr / div_factor is the first rate.
        final_div_factor: the first rate / final_div_factor is the last one.
        three_phase: fall as quickly as it rose, and then to the last rate.
        last_epoch: see `LRScheduler`; it counts batches here.

    Raises:
        ArgumentError: no number of steps; a number out of range; an optimizer without momentum;
            a step beyond the last.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2017.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.ones(1, requires_grad=True)
        >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        >>> scheduler = optim.lr_scheduler.OneCycleLR(
        ...     optimizer, max_lr=1.0, total_steps=5, pct_start=0.4, anneal_strategy="linear"
        ... )
        >>> for step in range(5):
        ...     group = optimizer.param_groups[0]
        ...     print(round(group["lr"], 4), round(group["momentum"], 4))
        ...     scheduler.step()
        0.04 0.95
        1.0 0.85
        0.6667 0.8833
        0.3333 0.9167
        0.0 0.95
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        who = "OneCycleLR"
        self.optimizer = checked_optimizer(who, optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(
                    f"{who}: got no number of steps. Pass total_steps, or epochs and "
                    "steps_per_epoch=len(loader)."
                )
            _checked_count(who, "epochs", epochs)
            _checked_count(who, "steps_per_epoch", steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        _checked_count(who, "total_steps", total_steps)
        checked_number(who, "pct_start", pct_start, least=0)
        if pct_start > 1:
            raise ArgumentError(f"{who}: got pct_start={pct_start!r}, expected a number in [0, 1].")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                f"{who}: got anneal_strategy={anneal_strategy!r}, expected 'cos' or 'linear'."
            )
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.three_phase = bool(three_phase)
        self.max_lrs = for_each_group(who, "max_lr", max_lr, optimizer)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            checked_number(who, name, value)
            if not value > 0:
                raise ArgumentError(f"{who}: got {name}={value!r}, expected a positive number.")
        for rate in self.max_lrs:
            checked_number(who, "max_lr", rate, least=0)
        self.final_div_factor = final_div_factor
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group["initial_lr"] = rate / div_factor
        self._take_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of this step; the momentum is changed along with them."""
        if self.last_epoch > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {self.last_epoch} of {self.total_steps}: there is no rate after "
                "the last one. Pass the number of batches in all epochs as total_steps."
            )
        rise = float(self.pct_start * self.total_steps) - 1
        # (the step at which a phase ends, where the rate comes from and goes to); 0 is the first
        # rate, 1 the largest, 2 the last.
        phases = [(rise, 0, 1), (self.total_steps - 1, 1, 2)]
        if self.three_phase:
            back = float(2 * self.pct_start * self.total_steps) - 2
            phases = [(rise, 0, 1), (back, 1, 0), (self.total_steps - 1, 0, 2)]
        place = sum(self.last_epoch > end for end, _, _ in phases[:-1])
        end, start, stop = phases[place]
        begin = phases[place - 1][0] if place else 0.0
        part = (self.last_epoch - begin) / (end - begin) if end != begin else 1.0
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            ends = [((high, low, high)[start], (high, low, high)[stop]) for low, high in pairs]
            self._set_momentum([self._between(*pair, part) for pair in ends])
        rates = []
        for base, most in zip(self.base_lrs, self.max_lrs, strict=True):
            three = (base, most, base / self.final_div_factor)
            rates.append(self._between(three[start], three[stop], part))
        return rates

    def _between(self, start: float, stop: float, part: float) -> float:
        if self.anneal_strategy == "cos":
            return stop + (start - stop) / 2 * (1 + math.cos(math.pi * part))
        return start + (stop - start) * part


class CyclicLR(_Cycle):
    """Rates that rise and fall in triangles: to be stepped after each batch.

    Args:
        optimizer: whose rates are changed.
        base_lr: the lower end, or a list with one for each group.
        max_lr: the upper end, or a list.
        step_size_up: the steps of a rise.
        step_size_down: the steps of a fall; by default as many.
        mode: "triangular"; "triangular2", in which each triangle has half the height of the one
            before; or "exp_range", in which the height shrinks by `gamma` in each step.
        gamma: see `mode`.
        scale_fn: a function of one's own that gives the height, in place of `mode`.
        scale_mode: "cycle" or "iterations": what `scale_fn` is given the number of.
        cycle_momentum: change the momentum as well, the other way round.
        base_momentum: the smallest momentum, or a list.
        max_momentum: the largest, or a list.
        last_epoch: see `LRScheduler`; it counts batches here.

    Raises:
        ArgumentError: an unknown mode; a number out of range; an optimizer without momentum.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.ones(1, requires_grad=True)
        >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, 0.5, 1.0, step_size_up=2)
        >>> rates = []
        >>> for step in range(6):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        """Check the options and set the first rates."""
        who = "CyclicLR"
        self.optimizer = checked_optimizer(who, optimizer)
        bases = for_each_group(who, "base_lr", base_lr, optimizer)
        self.max_lrs = for_each_group(who, "max_lr", max_lr, optimizer)
        for rate in (*bases, *self.max_lrs):
            checked_number(who, "base_lr and max_lr", rate, least=0)
        down = step_size_up if step_size_down is None else step_size_down
        checked_number(who, "step_size_up", step_size_up, least=1)
        checked_number(who, "step_size_down", down, least=1)
        checked_number(who, "gamma", gamma)
        if scale_fn is not None and not callable(scale_fn):
            raise DtypeError(f"{who}: got scale_fn={scale_fn!r}, expected a function of a number.")
        modes = ("triangular", "triangular2", "exp_range")
        if scale_fn is None and mode not in modes:
            raise ArgumentError(f"{who}: got mode={mode!r}, expected one of {modes}.")
        if scale_mode not in ("cycle", "iterations"):
            raise ArgumentError(
                f"{who}: got scale_mode={scale_mode!r}, expected 'cycle' or 'iterations'."
            )
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, bases, strict=True):
                group["lr"] = rate
        self._take_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def get_lr(self) -> list[float]:
        """Return the rates of this step; the momentum is changed along with them."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            self._set_momentum([high - (high - low) * height for low, high in pairs])
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def _scale(self, cycle: int) -> float:
        """Return the height of the present triangle."""
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "exp_range":
            return self.gamma**self.last_epoch
        return 0.5 ** (cycle - 1) if self.mode == "triangular2" else 1.0


def _checked_count(who: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DtypeError(f"{who}: got {name}={value!r}, expected an integer >= 1.")
    checked_number(who, name, value, least=1)
