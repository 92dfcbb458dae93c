"""Distributions of classes and of coins, given by probabilities or by logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..draws import bernoulli, multinomial
from ..errors import ArgumentError
from ..ops.activation import log_softmax, sigmoid, softplus
from ..ops.elementwise import exp, log
from ..ops.index import gather
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_to
from ..tensor import Tensor, as_tensor
from .distribution import Distribution, checked


def _one_of(name: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ArgumentError(f"{name}: give probs or logits, one of them.")


class Categorical(Distribution):
    """One of n classes: log p(k) = logit k − logsumexp(logits).

    Args:
        probs: weights of shape (…, n), not negative; they are divided by their sum.
        logits: their logarithms, up to a constant, instead.

    Raises:
        ArgumentError: both or neither given; negative weights, or a row of zeros.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.distributions import Categorical
        >>> Categorical(probs=tc.tensor([1.0, 3.0])).log_prob(1).exp()
        tensor(0.75)
    """

    def __init__(self, probs: Any = None, logits: Any = None) -> None:
        _one_of("Categorical", probs, logits)
        if logits is None:
            weights = as_tensor(probs)
            sums: Any = total(weights, axis=-1, keepdims=True)
            checked(
                "Categorical",
                "probs must not be negative, and each row needs one above 0",
                (weights.detach() >= 0) & (sums.detach() > 0),
            )
            self.probs: Tensor = weights / sums
            # The smallest float stands for 0, whose logarithm would make NaN of its gradient.
            least = float(np.finfo(self.probs.dtype).eps)
            self.logits: Tensor = log(self.probs.clamp(least, 1 - least))
        else:
            self.logits = log_softmax(as_tensor(logits), axis=-1)
            self.probs = exp(self.logits)
        self.batch_shape = self.probs.shape[:-1]

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of each class number."""
        k = as_tensor(value).to(np.int64)
        shape = np.broadcast_shapes(k.shape, self.batch_shape)
        rows = broadcast_to(self.logits, (*shape, self.logits.shape[-1]))
        index = broadcast_to(k, shape).unsqueeze(-1)
        return gather(rows, -1, index).squeeze(-1)  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        """Return −Σ p log p."""
        return -total(self.probs * self.logits, axis=-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw class numbers, in the shape ``sample_shape + batch_shape``."""
        rows = self.probs.detach().reshape(-1, self.probs.shape[-1])
        count = int(np.prod(sample_shape, dtype=np.int64))
        drawn = multinomial(rows, count, replacement=True)
        return drawn.mT.reshape((*sample_shape, *self.batch_shape))

    def __repr__(self) -> str:
        return f"Categorical(logits: {self.logits.shape})"


class Bernoulli(Distribution):
    """A coin that shows 1 with probability p: log p(x) = x log p + (1 − x) log(1 − p).

    Args:
        probs: the probability p of 1.
        logits: log(p / (1 − p)) instead.

    Raises:
        ArgumentError: both or neither given, or probabilities outside [0, 1].

    Example:
        >>> from tinygrad_course.distributions import Bernoulli
        >>> Bernoulli(probs=0.25).prob(0.0)
        tensor(0.75)
    """

    def __init__(self, probs: Any = None, logits: Any = None) -> None:
        _one_of("Bernoulli", probs, logits)
        if logits is None:
            self.probs: Tensor = as_tensor(probs)
            p = self.probs.detach()
            checked("Bernoulli", "probs must lie from 0 to 1", (p >= 0) & (p <= 1))
            least = float(np.finfo(self.probs.dtype).eps)
            inner = self.probs.clamp(least, 1 - least)
            self.logits: Tensor = log(inner) - log(1 - inner)
        else:
            self.logits = as_tensor(logits)
            self.probs = sigmoid(self.logits)
        self.batch_shape = self.probs.shape

    @property
    def mean(self) -> Tensor:
        """The probability p."""
        return self.probs

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of each 0 or 1."""
        return as_tensor(value) * self.logits - softplus(self.logits)

    def entropy(self) -> Tensor:
        """Return −p log p − (1 − p) log(1 − p)."""
        return softplus(self.logits) - self.probs * self.logits

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw zeros and ones, in the shape ``sample_shape + batch_shape``."""
        shape = (*sample_shape, *self.batch_shape)
        return bernoulli(broadcast_to(self.probs.detach(), shape))
