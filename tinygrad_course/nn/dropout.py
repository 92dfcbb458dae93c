"""Dropout: units switched off at random while training."""

from __future__ import annotations

from typing import Any, ClassVar

from ..node import Node
from ..random import Generator
from ..tensor import Tensor
from .functional import (
    _check_probability,
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
)
from .module import Module
from .numbering import NUMBERED


class Dropout(Module):
    """Inverted dropout: in training y = x d / (1 − p), each d 0 with probability p; else y = x.

    Args:
        p: the probability of dropping a unit (1 − keep_prob).
        inplace: accepted; the input keeps its values.
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

    def __init__(
        self, p: float = 0.5, inplace: bool = False, generator: Generator | None = None
    ) -> None:
        super().__init__()
        _check_probability("Dropout", p)
        self.p = float(p)
        self.inplace = inplace
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


class _Drawn(Module):
    """What the other kinds of dropout share."""

    _function: ClassVar[Any]

    def __init__(
        self, p: float = 0.5, inplace: bool = False, generator: Generator | None = None
    ) -> None:
        super().__init__()
        _check_probability(type(self).__name__, p)
        self.p = float(p)
        self.inplace = inplace
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        """Drop, in training."""
        y = type(self)._function(x, self.p, self.training, self.generator)
        if self.inplace and y is not x and isinstance(x, Tensor):
            y = x.copy_(y)
        return y  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return p."""
        return f"p={self.p}"


class Dropout1d(_Drawn):
    """Dropout of whole channels of sequences, (m, C, L) or (C, L): all places, or none.

    Neighbouring places of a channel say nearly the same; dropping single ones would hide little.

    Args:
        p: the probability of dropping a channel; those kept are divided by 1 − p.
        inplace: overwrite the input with the result.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: p outside [0, 1]; ShapeError: when called: another number of axes.

    Source:
        Tompson, Goroshin, Jain, LeCun, Bregler 2015, arXiv:1411.4280.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Dropout1d(0.5, generator=tc.Generator(6))(tc.ones(2, 3))
        tensor([[2., 2., 2.],
                [0., 0., 0.]])
    """

    _function = staticmethod(dropout1d)


class Dropout2d(_Drawn):
    """Dropout of whole channels of images, (m, C, H, W) or (m, C, L); see `Dropout1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Dropout2d(0.5).eval()(tc.ones(1, 2, 3, 3)).sum()
        tensor(18.)
    """

    _function = staticmethod(dropout2d)


class Dropout3d(_Drawn):
    """Dropout of whole channels of volumes, (m, C, D, H, W) or (C, D, H, W); see `Dropout1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Dropout3d(0.5).eval()(tc.ones(1, 2, 3, 3, 1)).sum()
        tensor(18.)
    """

    _function = staticmethod(dropout3d)


class AlphaDropout(_Drawn):
    """Dropout beside SELU, which keeps mean 0 and variance 1; see `functional.alpha_dropout`.

    Source:
        Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AlphaDropout(0.5).eval()(tc.ones(2))
        tensor([1., 1.])
    """

    _function = staticmethod(alpha_dropout)


def _name(node: Any, x: Any) -> None:
    """Name the mask D[l] and the result, A_drop[l], after the input A[l]."""
    layer = NUMBERED.fullmatch(x.name or "") if isinstance(x, Tensor) else None
    if layer is None:
        return
    node.name = f"{layer[1]}_drop{layer[2]}"
    mask = node.inputs[1]
    if isinstance(mask, Node):
        mask.name = f"D{layer[2]}"
