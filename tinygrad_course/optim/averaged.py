"""Averaged stochastic gradient descent: the weights of all steps, averaged, are the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .checks import checked_number
from .optimizer import FRESH, Group, Optimizer, Work, directed, like, named

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent with a falling rate, and the average of the weights on the way.

    The formula, after which ``state[p]["ax"]`` holds the average a::

        η = α / (1 + κ α (t − 1))^γ
        p ← (1 − κ η) p − η g
        a ← a + (p − a) / max(1, t − 1 − t₀)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        lambd: the decay κ >= 0.
        alpha: the power γ.
        t0: t₀, the step from which on weights are averaged.
        weight_decay: λ >= 0: g is first replaced by g + λ p.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, in
    the form of `torch.optim.ASGD` (which takes a rate that was changed one step later).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.ASGD([w], lr=0.25, lambd=0.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.0]
    """

    elementwise = True
    moments = ("ax",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        ax: Any,
        lambd: float,
        alpha: float,
        t0: float,
        weight_decay: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the average `ax` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        eta = named(lr / (1 + lambd * lr * (t - 1)) ** alpha, "eta")
        p *= like(1 - lambd * eta, p)
        p -= np.multiply(like(eta, p), g, out=w)
        # The maximum in arithmetic: a recorded step chooses anew.
        after = named(t - 1 - t0, "after")
        count = 1 + (after - 1) * (after > 1)
        ax += np.multiply(like(1 / count, p), np.subtract(p, ax, out=w), out=w)

    def _check(self, group: Group) -> None:
        for name in ("lambd", "weight_decay"):
            checked_number("ASGD", name, group[name], least=0)
        for name in ("alpha", "t0"):
            checked_number("ASGD", name, group[name])

    def _options(self, group: Group) -> tuple[Any, ...]:
        names = ("lambd", "alpha", "t0", "weight_decay", "maximize")
        return tuple(group[name] for name in names)
