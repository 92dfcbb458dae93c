"""Stochastic gradient descent: the plain rule first, then with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.errors import ArgumentError
from tinygrad_course.tensor import Tensor

from .arrays import SMALL
from .checks import checked_number
from .optimizer import FRESH, Group, Optimizer, Work, directed, like

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with optional momentum.

    Plain::

        p ← p − α g

    With momentum μ, dampening τ and weight decay λ (g is first replaced by g + λ p)::

        v ← μ v + (1 − τ) g        (τ = 0 at the first step)
        p ← p − α v                (Nesterov: p ← p − α (g + μ v))

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        momentum: μ >= 0.
        dampening: τ.
        weight_decay: λ >= 0.
        nesterov: look ahead along the momentum; needs momentum > 0 and dampening 0.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning",
    2013, in the form of `torch.optim.SGD`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.SGD([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.0]
    """

    elementwise = True
    moments = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, options, others)
        self._rate: tuple[Any, Any, Any] = (None, None, None)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any = 1,
        v: Any = None,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        maximize: bool = False,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the velocity `v` in place."""
        a = work[0]
        if weight_decay or maximize:
            g = directed(g, p, weight_decay, maximize, work)
        if v is not None:
            v *= momentum
            v += np.multiply(like(1 - dampening * (t > 1), p), g, out=a) if dampening else g
            g = np.add(g, np.multiply(momentum, v, out=a), out=a) if nesterov else v
        if type(lr) is Tensor:
            lr = like(lr, p)
        p -= np.multiply(lr, g, out=a)

    def _check(self, group: Group) -> None:
        checked_number("SGD", "momentum", group["momentum"], least=0)
        checked_number("SGD", "dampening", group["dampening"])
        checked_number("SGD", "weight_decay", group["weight_decay"], least=0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError(
                f"SGD: got nesterov=True with momentum={group['momentum']} and "
                f"dampening={group['dampening']}, expected momentum > 0 and dampening 0. "
                "Pass for example momentum=0.9."
            )

    def _used(self, group: Group) -> tuple[str | None, ...]:
        return ("momentum_buffer",) if group["momentum"] else (None,)

    def _counts(self, group: Group) -> bool:
        return bool(group["momentum"] or group["weight_decay"] or group["maximize"])

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
        )

    def _step_group(self, group: Group, now: int) -> None:
        """Apply the formula; without any option, in the leanest loop."""
        if self._counts(group):
            super()._step_group(group, now)
            return
        update = type(self).update
        lr = group["lr"]
        number, dtype, rate = self._rate
        if lr != number:
            dtype = None
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            x = p._data
            if x.dtype is not dtype:
                # NumPy multiplies by an array of one number faster than by a Python float.
                dtype = x.dtype
                rate = np.array(lr, dtype)
                self._rate = (lr, dtype, rate)
            # Equal sizes are enough: where shapes differ all the same, NumPy raises.
            if type(grad) is not Tensor or grad._data.size != x.size:
                self._refuse_gradient(p)
            try:
                if x.size <= SMALL:
                    update(x, grad._data, rate)
                else:
                    update(x, grad._data, rate, work=self._work_for(x))
            except ValueError:
                self._refuse_gradient(p)
                raise
            (p._memory or p._stamp())[0] = now
