"""Distributions with parameters that learn: samples, log-probabilities, entropies, divergences.

Policies and variational autoencoders need four: `Normal`, `Categorical`, `Bernoulli` and `Uniform`,
under the names of ``torch.distributions``.
"""

from tinygrad_course.distributions.continuous import Normal, Uniform
from tinygrad_course.distributions.discrete import Bernoulli, Categorical
from tinygrad_course.distributions.distribution import Distribution
from tinygrad_course.distributions.divergence import kl_divergence

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "Uniform", "kl_divergence"]
