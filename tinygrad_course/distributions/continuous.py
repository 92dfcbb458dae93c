"""Distributions of real numbers."""

from __future__ import annotations

import math
from typing import Any

from ..draws import rand, randn
from ..ops.compare import where
from ..ops.elementwise import log, square
from ..ops.shape import broadcast_to
from ..tensor import Tensor, as_tensor
from .distribution import Distribution, checked


class Normal(Distribution):
    """The normal distribution: log p(x) = −(x − μ)² / 2σ² − log σ − ½ log 2π.

    Args:
        loc: the mean μ, a tensor or a number.
        scale: the standard deviation σ > 0.

    Raises:
        ArgumentError: a scale that is not above 0.

    Source: Kingma and Welling 2014, arXiv:1312.6114, for ``rsample``: x = μ + σ ε.

    Example:
        >>> from tinygrad_course.distributions import Normal
        >>> round(Normal(0.0, 1.0).log_prob(0.0).item(), 4)
        -0.9189
    """

    def __init__(self, loc: Any, scale: Any) -> None:
        self.loc, self.scale = _together(loc, scale)
        checked(
            "Normal",
            "the scale must be above 0; pass for example log_sigma.exp()",
            self.scale.detach() > 0,
        )
        self.batch_shape = self.loc.shape

    @property
    def mean(self) -> Tensor:
        """The mean μ."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation σ."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance σ²."""
        return square(self.scale)

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the density of each value."""
        distance: Any = (as_tensor(value) - self.loc) / self.scale
        return -square(distance) / 2 - log(self.scale) - 0.5 * math.log(2 * math.pi)

    def entropy(self) -> Tensor:
        """Return ½ + ½ log 2π + log σ."""
        return log(self.scale) + (0.5 + 0.5 * math.log(2 * math.pi))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw x = μ + σ ε, ε from N(0, 1): gradients pass to μ and σ."""
        noise = randn((*sample_shape, *self.batch_shape), dtype=self.loc.dtype)
        return self.loc + self.scale * noise

    def __repr__(self) -> str:
        return f"Normal(loc: {self.loc.shape}, scale: {self.scale.shape})"


class Uniform(Distribution):
    """The uniform distribution on [low, high): p(x) = 1 / (high − low).

    Args:
        low: the lower end.
        high: the upper end, above `low`.

    Raises:
        ArgumentError: ends in the wrong order.

    Example:
        >>> from tinygrad_course.distributions import Uniform
        >>> Uniform(0.0, 4.0).prob(1.0)
        tensor(0.25)
    """

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = _together(low, high)
        checked("Uniform", "low must be below high", self.low.detach() < self.high.detach())
        self.batch_shape = self.low.shape

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.low + self.high) / 2

    def log_prob(self, value: Any) -> Tensor:
        """Return −log(high − low) between the ends, −∞ outside."""
        x = as_tensor(value)
        inside = (x >= self.low) & (x < self.high)
        return where(inside, -log(self.high - self.low), -math.inf)

    def entropy(self) -> Tensor:
        """Return log(high − low)."""
        return log(self.high - self.low)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw low + (high − low) u: gradients pass to the ends."""
        u = rand((*sample_shape, *self.batch_shape), dtype=self.low.dtype)
        return self.low + (self.high - self.low) * u


def _together(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two parameters as tensors of one shape."""
    a, b = as_tensor(a), as_tensor(b)
    shape = (a.detach() + b.detach()).shape
    return broadcast_to(a, shape), broadcast_to(b, shape)
