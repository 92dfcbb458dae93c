"""Activations made of straight pieces as modules, and PReLU, whose slope is learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import piecewise as ops
from ..tensor import Tensor, default_dtype
from .activation import Activation, Composed
from .dense import check_count
from .parameter import Parameter


class Hardtanh(Activation):
    """Straight form of tanh: a = min(max(z, low), high).

    Args:
        min_val: the low limit.
        max_val: the high limit.
        inplace: True overwrites the input, as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Hardtanh()(tc.tensor([-3.0, 0.5, 2.0]))
        tensor([-1. ,  0.5,  1. ])
    """

    op = ops.hardtanh.op

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)
        self._params = {"min_val": min_val, "max_val": max_val}


class ReLU6(Composed):
    """ReLU that ends at 6: a = min(max(z, 0), 6).

    Args:
        inplace: True overwrites the input.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReLU6()(tc.tensor([-1.0, 2.0, 8.0]))
        tensor([0., 2., 6.])
    """

    function = staticmethod(ops.relu6)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Hardsigmoid(Activation):
    """Straight form of the logistic function: a = min(max(z + 3, 0), 6) / 6.

    Args:
        inplace: True overwrites the input.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Hardsigmoid()(tc.tensor([-4.0, 0.0, 1.5]))
        tensor([0.  , 0.5 , 0.75])
    """

    op = ops.hardsigmoid.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Hardswish(Activation):
    """SiLU with the straight form of σ: a = z min(max(z + 3, 0), 6) / 6.

    Args:
        inplace: True overwrites the input.

    Source:
        Howard and others 2019, arXiv:1905.02244.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Hardswish()(tc.tensor([1.5, 4.0]))
        tensor([1.125, 4.   ])
    """

    op = ops.hardswish.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Threshold(Composed):
    """Keep what lies above a threshold: a = z where z > threshold, else the value.

    Args:
        threshold: what z must exceed.
        value: what stands for the rest.
        inplace: True overwrites the input.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Threshold(0.5, 9.0)(tc.tensor([0.1, 0.5, 2.0]))
        tensor([9., 9., 2.])
    """

    function = staticmethod(ops.threshold)

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)
        self._params = {"threshold": threshold, "value": value}


class Hardshrink(Composed):
    """Set small numbers to 0: a = z where |z| > λ, else 0.

    Args:
        lambd: λ.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Hardshrink()(tc.tensor([-2.0, 0.3, 0.7]))
        tensor([-2. ,  0. ,  0.7])
    """

    function = staticmethod(ops.hardshrink)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self._params = {"lambd": lambd}


class Softshrink(Composed):
    """Move numbers towards 0 by λ, and not beyond.

    Args:
        lambd: λ ≥ 0.

    Raises:
        ArgumentError: when called: a negative λ.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Softshrink()(tc.tensor([-2.0, 0.25, 0.75]))
        tensor([-1.5 ,  0.  ,  0.25])
    """

    function = staticmethod(ops.softshrink)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self._params = {"lambd": lambd}


class PReLU(Activation):
    """Leaky ReLU whose slope is learned: y = z where z > 0, else a z.

    Args:
        num_parameters: 1, or the number of channels (axis 1), each with a slope of its own.
        init: the slope that training starts from.
        dtype: a float dtype.

    Attributes:
        weight: a, (num_parameters,).

    Raises:
        ShapeError: when called: an input with another number of channels.

    Source:
        He, Zhang, Ren, Sun 2015, arXiv:1502.01852.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.PReLU()(tc.tensor([[-1.0, 2.0]])).tolist()
        [[-0.25, 2.0]]
    """

    symbols = {"weight": "a"}

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = check_count("PReLU", "num_parameters", num_parameters)
        start = np.full(self.num_parameters, init, dtype or default_dtype())
        self.weight = Parameter(start)

    def forward(self, x: Any) -> Tensor:
        """Apply the slopes."""
        return ops.prelu(x, self.weight)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"
