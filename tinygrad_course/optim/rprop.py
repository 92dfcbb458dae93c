"""Resilient backpropagation: only the signs of the gradient count."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_course.errors import ArgumentError

from .checks import checked_number
from .optimizer import FRESH, Group, Optimizer, Work, directed

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """A step size for each weight, larger while its gradient keeps the sign, smaller when it turns.

    The formula, with h the gradient of the step before::

        η ← η η⁺ where g h > 0,  η η⁻ where g h < 0,  within [η_min, η_max]
        g ← 0 where g h < 0
        p ← p − η sign(g)

    It is meant for gradients of all examples at once: those of small batches change their signs by
    chance.

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the first step size, >= 0.
        etas: (η⁻, η⁺) with 0 < η⁻ < 1 < η⁺.
        step_sizes: (η_min, η_max).
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm", 1993, in the form of `torch.optim.Rprop`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Rprop([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.5]
    """

    elementwise = True
    moments = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        prev: Any,
        size: Any,
        etaminus: float,
        etaplus: float,
        least: float,
        most: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p`, the gradient before `prev` and the step sizes `size` in place."""
        w, _ = work
        g = directed(g, p, 0, maximize, work)
        turn = np.multiply(g, prev, out=w)
        smaller = np.where(turn < 0, size * etaminus, size)
        size[...] = np.clip(np.where(turn > 0, size * etaplus, smaller), least, most)
        prev[...] = np.where(turn < 0, 0 * g, g)
        p -= np.multiply(np.sign(prev, out=w), size, out=w)

    def _check(self, group: Group) -> None:
        for name, wanted in (("etas", "0 < η⁻ < 1 < η⁺"), ("step_sizes", "0 <= η_min <= η_max")):
            pair = group[name]
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ArgumentError(f"Rprop: got {name}={pair!r}, expected two numbers, {wanted}.")
            for i, value in enumerate(pair):
                checked_number("Rprop", f"{name}[{i}]", value, least=0)
            low, high = pair
            if not (0 < low < 1 < high if name == "etas" else low <= high):
                raise ArgumentError(f"Rprop: got {name}={pair!r}, expected {wanted}.")

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (*group["etas"], *group["step_sizes"], group["maximize"])

    def _first(self, name: str, array: Any, group: Group) -> Any:
        return np.full_like(array, group["lr"] if name == "step_size" else 0)
