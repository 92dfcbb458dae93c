"""How far one distribution is from another."""

from __future__ import annotations

from ..errors import DtypeError
from ..ops.elementwise import log, square
from ..ops.reduce import sum as total
from ..tensor import Tensor
from .continuous import Normal
from .discrete import Categorical
from .distribution import Distribution


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Return the Kullback–Leibler divergence KL(p‖q), the mean under p of log p − log q.

    Args:
        p: a `Normal` or a `Categorical`.
        q: a distribution of the same kind.

    Raises:
        DtypeError: distributions whose divergence has no formula here.

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B, for normal distributions.

    Example:
        >>> from tinygrad_course.distributions import Normal, kl_divergence
        >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
        tensor(0.5)
    """
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = square(p.scale / q.scale)
        distance = square((p.loc - q.loc) / q.scale)
        return (ratio + distance - 1 - log(ratio)) / 2
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return total(p.probs * (p.logits - q.logits), axis=-1)
    raise DtypeError(
        f"kl_divergence: has no formula for {type(p).__name__} and {type(q).__name__}. Estimate "
        "it: the mean of p.log_prob(x) - q.log_prob(x) over samples x of p."
    )
