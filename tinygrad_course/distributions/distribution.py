"""What all distributions have."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..modes import no_grad
from ..ops.elementwise import exp
from ..tensor import Tensor

Shape = tuple[int, ...]


class Distribution:
    """Base class of distributions.

    Attributes:
        batch_shape: the shape of the parameters; each element has a distribution of its own.

    Example:
        >>> from tinygrad_course import distributions
        >>> distributions.Normal([0.0, 1.0], 1.0).batch_shape
        (2,)
    """

    batch_shape: Shape = ()

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the density, or of the probability, of each value."""
        raise NotImplementedError(f"{type(self).__name__} must define log_prob.")

    def entropy(self) -> Tensor:
        """Return the mean of −log p."""
        raise NotImplementedError(f"{type(self).__name__} must define entropy.")

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw such that gradients pass to the parameters."""
        raise ArgumentError(
            f"{type(self).__name__}.rsample: a draw has no derivative in these parameters. Use "
            "sample() and the gradient of log_prob (REINFORCE)."
        )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw without a gradient, in the shape ``sample_shape + batch_shape``."""
        with no_grad():
            return self.rsample(sample_shape)

    def prob(self, value: Any) -> Tensor:
        """Return the density, or the probability, of each value."""
        return exp(self.log_prob(value))


def checked(name: str, what: str, holds: Any) -> None:
    """Refuse parameters for which `holds` is not True everywhere."""
    if not holds.all():
        raise ArgumentError(f"{name}: {what}.")
