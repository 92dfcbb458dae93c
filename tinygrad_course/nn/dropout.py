"""Dropout: units switched off at random while training."""

from __future__ import annotations

from typing import Any

from ..random import Generator
from ..tensor import Tensor
from .functional import _check_probability, dropout
from .module import Module


class Dropout(Module):
    """Inverted dropout: in training y = x d / (1 − p), each d 0 with probability p; else y = x.

    Args:
        p: the probability of dropping a unit (1 − keep_prob).
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: p outside [0, 1].

    Source:
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, JMLR 15.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> drop = nn.Dropout(0.5, generator=tc.Generator(6))
        >>> drop(tc.ones(4))
        tensor([2., 0., 0., 2.])
        >>> drop.eval()(tc.ones(4))
        tensor([1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        super().__init__()
        _check_probability("Dropout", p)
        self.p = float(p)
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        """Drop units, in training."""
        return dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"
