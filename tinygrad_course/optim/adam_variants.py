"""Relatives of Adam: another norm, Nesterov's momentum, a start without warm-up.

In all formulas g is the gradient, t counts the steps from 1, m and v are Adam's moving averages of
g and g², and ε keeps the divisor from zero. Weight decay λ first replaces g by g + λ p; decoupled,
it shrinks the weights apart from the step, p ← p − α λ p, as in AdamW.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checks import checked_adam, checked_number
from .optimizer import FRESH, Group, Optimizer, Work, directed, like, named

__all__ = ["Adamax", "NAdam", "RAdam"]


class Adamax(Optimizer):
    """Adam with the largest gradient, decaying, in place of the root of the mean square.

    The formula::

        m ← β₁ m + (1 − β₁) g
        u ← max(β₂ u, |g| + ε)
        p ← p − α / (1 − β₁ᵗ) · m / u

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        betas: (β₁, β₂), both in [0, 1).
        eps: ε >= 0.
        weight_decay: λ >= 0, added to the gradient as λ p.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.1, in the
    form of `torch.optim.Adamax`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Adamax([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.5]
    """

    elementwise = True
    moments = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
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
        m: Any,
        u: Any,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p`, the average `m` and the largest gradient `u` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        m *= beta1
        m += np.multiply(1 - beta1, g, out=w)
        u *= beta2
        u[...] = np.maximum(u, np.add(np.abs(g, out=w), eps, out=w), out=w)
        p -= np.multiply(like(lr / (1 - beta1**t), p), np.divide(m, u, out=w), out=w)

    def _check(self, group: Group) -> None:
        checked_adam(type(self).__name__, group)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (*group["betas"], group["eps"], group["weight_decay"], group["maximize"])


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: the step looks ahead along the average of the gradients.

    The momentum grows from step to step, μₜ = β₁ (1 − ½ · 0.96^(t ψ)). The formula::

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        π ← π μₜ
        p ← p − α ((1 − μₜ) / (1 − π) · g + μₜ₊₁ / (1 − π μₜ₊₁) · m) / (√(v / (1 − β₂ᵗ)) + ε)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        betas: (β₁, β₂), both in [0, 1).
        eps: ε >= 0.
        weight_decay: λ >= 0.
        momentum_decay: ψ >= 0.
        decoupled_weight_decay: decay the weights as AdamW does.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016, in the form of
    `torch.optim.NAdam`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.NAdam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> [round(x, 4) for x in w.tolist()]
        [0.8944, -1.8944]
    """

    moments = ("mu_product", "exp_avg", "exp_avg_sq")
    single = ("mu_product",)

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        product: Any,
        m: Any,
        v: Any,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        momentum_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Change `p`, the product of the momenta and the moments `m` and `v` in place."""
        if weight_decay and decoupled:
            p *= like(1 - lr * weight_decay, p)
        g = directed(g, p, 0 if decoupled else weight_decay, maximize, FRESH)
        now = named(beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)), "mu")
        after = named(beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay)), "mu_next")
        product *= like(now, product)
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * (g * g)
        root = np.sqrt(v / like(1 - beta2**t, p)) + eps
        ahead = like(lr * (1 - now), p) / (1 - product) * g
        ahead += like(lr * after, p) / (1 - product * like(after, p)) * m
        p -= named(ahead / root, "delta")

    def _check(self, group: Group) -> None:
        checked_adam(type(self).__name__, group)
        checked_number("NAdam", "momentum_decay", group["momentum_decay"], least=0)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["momentum_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
        )

    def _first(self, name: str, array: Any, group: Group) -> Any:
        return np.ones((), array.dtype) if name == "mu_product" else np.zeros_like(array)


class RAdam(Optimizer):
    """Rectified Adam: plain momentum until the variance of v can be estimated, then Adam.

    With ρ∞ = 2 / (1 − β₂) − 1 and ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ), the length of the average behind
    v, the formula is::

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        r = √((ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)) · √(1 − β₂ᵗ) / (√v + ε)
        p ← p − α m / (1 − β₁ᵗ) · (r if ρₜ > 5 else 1)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        betas: (β₁, β₂), both in [0, 1).
        eps: ε >= 0.
        weight_decay: λ >= 0.
        decoupled_weight_decay: decay the weights as AdamW does.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020, in the
    form of `torch.optim.RAdam`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.RAdam([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> optimizer.step()  # the first step is plain gradient descent
        >>> [round(x, 4) for x in w.tolist()]
        [0.5, -1.0]
    """

    elementwise = True
    moments = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        m: Any,
        v: Any,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the moments `m` and `v` in place."""
        w, _ = work
        if weight_decay and decoupled:
            p *= like(1 - lr * weight_decay, p)
        g = directed(g, p, 0 if decoupled else weight_decay, maximize, work)
        m *= beta1
        m += np.multiply(1 - beta1, g, out=w)
        v *= beta2
        v += np.multiply(1 - beta2, np.multiply(g, g, out=w), out=w)
        decay = named(beta2**t, "beta2_t")
        most = named(2 / (1 - beta2) - 1, "rho_max")
        length = named(most - 2 * t * decay / (1 - decay), "rho_t")
        # A choice in arithmetic, so that a recorded step makes it anew; 5 is where the root exists.
        on = named(1.0 * (length > 5), "rectified")
        length = named(5 + on * (length - 5), "rho")
        ratio = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        adaptive = on * (ratio * (1 - decay)) ** 0.5
        scale = np.divide(like(adaptive, p), np.add(np.sqrt(v, out=w), eps, out=w), out=w)
        scale = named(np.add(scale, like(1 - on, p), out=w), "r")
        p -= np.multiply(like(lr / (1 - beta1**t), p), np.multiply(m, scale, out=w), out=w)

    def _check(self, group: Group) -> None:
        checked_adam(type(self).__name__, group)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
        )
