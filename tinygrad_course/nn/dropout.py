"""Dropout: units switched off at random while training."""

from __future__ import annotations

from typing import Any

from ..node import Node
from ..random import Generator
from ..tensor import Tensor
from .functional import _check_probability, dropout
from .module import Module
from .numbering import NUMBERED


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
        y = dropout(x, self.p, self.training, self.generator)
        node = y._node
        if node is not None and y is not x:
            _name(node, x)
        return y

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"


def _name(node: Any, x: Any) -> None:
    """Name the mask D[l] and the result, A_drop[l], after the input A[l]."""
    layer = NUMBERED.fullmatch(x.name or "") if isinstance(x, Tensor) else None
    if layer is None:
        return
    node.name = f"{layer[1]}_drop{layer[2]}"
    mask = node.inputs[1]
    if isinstance(mask, Node):
        mask.name = f"D{layer[2]}"
