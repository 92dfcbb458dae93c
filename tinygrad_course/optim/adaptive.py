"""Optimizers that give every weight a step size of its own, from simple to complex.

Adagrad divides by the root of the sum of all squared gradients, RMSprop by that of their moving
average, Adadelta scales by the steps before as well; Adam adds a moving average of the gradient
itself, and AdamW decays the weights apart from it. In all formulas g is the gradient, t counts the
steps from 1, ε keeps the divisor from zero, and weight decay λ first replaces g by g + λ p (AdamW
excepted).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checks import checked_adam, checked_number
from .optimizer import FRESH, Group, Optimizer, Work, directed, like, named

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "RMSprop"]


class Adagrad(Optimizer):
    """Steps that shrink with the sum of all squared gradients.

    The formula::

        s ← s + g²
        p ← p − α / (1 + (t − 1) η) · g / (√s + ε)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        lr_decay: η >= 0.
        weight_decay: λ >= 0.
        initial_accumulator_value: what s starts from, >= 0.
        eps: ε >= 0.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", 2011, in the form of `torch.optim.Adagrad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Adagrad([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.5]
    """

    elementwise = True
    moments = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        s: Any,
        lr_decay: float,
        weight_decay: float,
        eps: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the sum of squares `s` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        s += np.multiply(g, g, out=w)
        root = np.sqrt(s, out=w)
        step = np.divide(g, np.add(root, eps, out=w), out=w)
        p -= np.multiply(like(lr / (1 + (t - 1) * lr_decay), p), step, out=w)

    def _check(self, group: Group) -> None:
        for name in ("lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            checked_number("Adagrad", name, group[name], least=0)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (group["lr_decay"], group["weight_decay"], group["eps"], group["maximize"])

    def _first(self, name: str, array: Any, group: Group) -> Any:
        return np.full_like(array, group["initial_accumulator_value"])


class RMSprop(Optimizer):
    """Steps divided by a moving root mean square of the gradient.

    The formula (centered: √(s − m²) in place of √s)::

        s ← ρ s + (1 − ρ) g²
        m ← ρ m + (1 − ρ) g                  (centered only)
        p ← p − α g / (√s + ε)

    With momentum μ the last line becomes::

        b ← μ b + g / (√s + ε)
        p ← p − α b

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        alpha: the smoothing ρ, 0 <= ρ < 1.
        eps: ε >= 0.
        weight_decay: λ >= 0.
        momentum: μ >= 0.
        centered: divide by an estimate of the standard deviation.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Tieleman and Hinton, "Lecture 6.5, rmsprop", 2012; centered: Graves, "Generating
    Sequences With Recurrent Neural Networks", 2013; in the form of `torch.optim.RMSprop`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.RMSprop([w], lr=0.25, alpha=0.75)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.5]
    """

    elementwise = True
    moments = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, options, others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        s: Any,
        m: Any,
        b: Any,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p`, the averages `s` and `m` and the momentum `b` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        s *= alpha
        s += np.multiply(1 - alpha, np.multiply(g, g, out=w), out=w)
        variance = s
        if m is not None:
            m *= alpha
            m += np.multiply(1 - alpha, g, out=w)
            variance = np.subtract(s, np.multiply(m, m, out=w), out=w)
        root = np.sqrt(variance, out=w)
        step = np.divide(g, np.add(root, eps, out=w), out=w)
        if b is not None:
            b *= momentum
            b += step
            step = b
        p -= np.multiply(like(lr, p), step, out=w)

    def _check(self, group: Group) -> None:
        for name in ("eps", "weight_decay", "momentum"):
            checked_number("RMSprop", name, group[name], least=0)
        checked_number("RMSprop", "alpha", group["alpha"], least=0, below=1)

    def _used(self, group: Group) -> tuple[str | None, ...]:
        return (
            "square_avg",
            "grad_avg" if group["centered"] else None,
            "momentum_buffer" if group["momentum"] else None,
        )

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["maximize"],
        )


class Adadelta(Optimizer):
    """Steps as large as those before, in relation to the gradients before: no rate need be chosen.

    The formula::

        s ← ρ s + (1 − ρ) g²
        Δ = √(d + ε) / √(s + ε) · g
        d ← ρ d + (1 − ρ) Δ²
        p ← p − α Δ

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the factor α >= 0.
        rho: the smoothing ρ, 0 <= ρ < 1.
        eps: ε >= 0.
        weight_decay: λ >= 0.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, in the form of
    `torch.optim.Adadelta`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Adadelta([w], rho=0.75, eps=1.0)
        >>> w.grad = tc.tensor([0.0, -16.0])
        >>> optimizer.step()  # Δ = −16 / √(0.25 · 256 + 1)
        >>> [round(x, 4) for x in w.tolist()]
        [1.0, -0.0154]
    """

    elementwise = True
    moments = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        options = {
            "lr": lr,
            "rho": rho,
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
        s: Any,
        d: Any,
        rho: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the averages `s` and `d` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        s *= rho
        s += np.multiply(1 - rho, np.multiply(g, g, out=w), out=w)
        root = np.sqrt(np.add(d, eps, out=w), out=w)
        step = named(np.multiply(np.divide(root, np.sqrt(s + eps), out=w), g, out=w), "delta")
        d *= rho
        d += (1 - rho) * (step * step)
        p -= np.multiply(like(lr, p), step, out=w)

    def _check(self, group: Group) -> None:
        for name in ("eps", "weight_decay"):
            checked_number("Adadelta", name, group[name], least=0)
        checked_number("Adadelta", "rho", group["rho"], least=0, below=1)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (group["rho"], group["eps"], group["weight_decay"], group["maximize"])


class Adam(Optimizer):
    """Adaptive moments: averages of the gradient and of its square, both corrected for their start.

    The formula (AMSGrad: the largest v so far in place of v in the last line)::

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        p ← p − α · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        betas: (β₁, β₂), both in [0, 1).
        eps: ε >= 0.
        weight_decay: λ >= 0, added to the gradient as λ p.
        amsgrad: use AMSGrad.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015; Reddi, Kale and
    Kumar, "On the Convergence of Adam and Beyond", 2018; in the form of `torch.optim.Adam`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Adam([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5, -1.5]
    """

    elementwise = True
    moments = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
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
            "amsgrad": amsgrad,
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
        v_max: Any,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the moments `m`, `v`, `v_max` in place."""
        w, _ = work
        g = directed(g, p, weight_decay, maximize, work)
        m *= beta1
        m += np.multiply(1 - beta1, g, out=w)
        v *= beta2
        v += np.multiply(1 - beta2, np.multiply(g, g, out=w), out=w)
        if v_max is not None:
            v_max[...] = np.maximum(v_max, v, out=w)
            v = v_max
        root = np.sqrt(np.divide(v, like(1 - beta2**t, p), out=w), out=w)
        step = np.divide(m, np.add(root, eps, out=w), out=w)
        p -= np.multiply(like(lr / (1 - beta1**t), p), step, out=w)

    def _check(self, group: Group) -> None:
        checked_adam(type(self).__name__, group)

    def _used(self, group: Group) -> tuple[str | None, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else None)

    def _options(self, group: Group) -> tuple[Any, ...]:
        return (*group["betas"], group["eps"], group["weight_decay"], group["maximize"])


class AdamW(Adam):
    """Adam with decoupled weight decay: the weights shrink apart from the adaptive step.

    The formula::

        p ← p − α λ p
        p ← Adam(p)                           (without λ)

    Args:
        params: leaf tensors that require grad, or groups of them; see `Optimizer`.
        lr: the learning rate α >= 0.
        betas: (β₁, β₂), both in [0, 1).
        eps: ε >= 0.
        weight_decay: λ >= 0.
        amsgrad: use AMSGrad.
        maximize: go up the gradient instead of down.
        others: see `Optimizer`.

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, in the form of
    `torch.optim.AdamW`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.AdamW([w], lr=0.5, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.25, -1.0]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **others: Any,
    ) -> None:
        """Check the options and the parameters."""
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, **others)

    @staticmethod
    def update(
        p: Any,
        g: Any,
        lr: Any,
        t: Any,
        m: Any,
        v: Any,
        v_max: Any,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
        work: Work = FRESH,
    ) -> None:
        """Change `p` and the moments `m`, `v`, `v_max` in place."""
        if weight_decay:
            p *= like(1 - lr * weight_decay, p)
        Adam.update(p, g, lr, t, m, v, v_max, beta1, beta2, eps, 0, maximize, work)
