"""Activations as modules, and by name for `Dense`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, ClassVar

from .. import errors
from ..inplace import change
from ..node import NO_PARAMS
from ..op import Op
from ..ops import activation as ops
from ..ops import logarithms, piecewise, trigonometry
from ..tensor import Tensor, apply, as_tensor
from .module import Module


def overwrite(function: Callable[..., Any], x: Tensor, *args: Any, **params: Any) -> Tensor:
    """Return x, holding the function of what it held; derivatives read what it held."""
    y: Tensor = function(x.clone(), *args, **params)
    return x.copy_(y)


class Activation(Module):
    """Base class of the activations: one operation, elementwise or along an axis.

    Example:
        >>> from tinygrad_course import nn
        >>> [isinstance(m, nn.Activation) for m in (nn.Tanh(), nn.Softmax(1), nn.Dense(2, 1))]
        [True, True, False]
    """

    is_activation = True
    op: ClassVar[Op]
    # What the operation is called with, in the order of its parameters.
    _params: dict[str, Any] = NO_PARAMS
    inplace = False

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        if inplace:
            self.inplace = True

    def forward(self, x: Any) -> Tensor:
        """Apply the operation; with `inplace`, its result overwrites x."""
        if self.inplace:
            return change(as_tensor(x), self.op, (), self._params)
        return apply(self.op, (x,), self._params)

    def extra_repr(self) -> str:
        """Return the parameters."""
        names = {"axis": "dim"}
        shown = [f"{names.get(k, k)}={v!r}" for k, v in self._params.items()]
        return ", ".join([*shown, "inplace=True"] if self.inplace else shown)


class Composed(Activation):
    """Base class of the activations that several operations compute together.

    Example:
        >>> from tinygrad_course import nn
        >>> isinstance(nn.GLU(), nn.Activation)
        True
    """

    function: ClassVar[Callable[..., Any]]

    def forward(self, x: Any) -> Tensor:
        """Apply the function; with `inplace`, its result overwrites x."""
        function = type(self).function
        if self.inplace:
            return overwrite(function, x, **self._params)
        return function(x, **self._params)  # type: ignore[no-any-return]


class Sigmoid(Activation):
    """Logistic function: a = 1 / (1 + e⁻ᶻ), with da/dz = a (1 − a).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Sigmoid()(tc.tensor([0.0]))
        tensor([0.5])
    """

    op = ops.sigmoid.op


class Tanh(Activation):
    """Hyperbolic tangent: a = tanh z, with da/dz = 1 − a².

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Tanh()(tc.tensor([0.0]))
        tensor([0.])
    """

    op = trigonometry.tanh.op


class ReLU(Activation):
    """Rectified linear unit: a = max(z, 0), with da/dz = 1 where z > 0, else 0.

    Args:
        inplace: True overwrites the input, as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReLU()(tc.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    op = ops.relu.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class LeakyReLU(Activation):
    """Leaky ReLU: a = z where z > 0, else s z.

    Args:
        negative_slope: the slope s.
        inplace: True overwrites the input.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.LeakyReLU()(tc.tensor([-1.0, 2.0]))
        tensor([-0.01,  2.  ])
    """

    op = ops.leaky_relu.op

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)
        self._params = {"negative_slope": negative_slope}


class ELU(Activation):
    """Exponential linear unit: a = z where z > 0, else α (eᶻ − 1).

    Args:
        alpha: the limit −α for large negative z.
        inplace: True overwrites the input.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ELU()(tc.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.    ])
    """

    op = ops.elu.op

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)
        self._params = {"alpha": alpha}


class CELU(Activation):
    """Exponential linear unit with slope 1 at 0: a = z where z > 0, else α (exp(z/α) − 1).

    Args:
        alpha: the limit −α for large negative z.
        inplace: True overwrites the input.

    Source:
        Barron 2017, arXiv:1704.07483.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.CELU(2.0)(tc.tensor([-1.0, 2.0]))
        tensor([-0.7869,  2.    ])
    """

    op = ops.celu.op

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)
        self._params = {"alpha": alpha}


class SELU(Activation):
    """Self-normalizing ELU: a = 1.0507 · z where z > 0, else 1.0507 · 1.6733 (eᶻ − 1).

    Args:
        inplace: True overwrites the input.

    Source:
        Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.SELU()(tc.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """

    op = ops.selu.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Softplus(Activation):
    """Softplus: a = log(1 + exp(β z)) / β, a smooth ReLU.

    Args:
        beta: β; the larger, the nearer to ReLU.
        threshold: accepted as in PyTorch, which takes a = z for β z beyond it. The formula here is
            exact for every z, and needs no such case.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Softplus()(tc.tensor([0.0]))
        tensor([0.6931])
        >>> nn.Softplus(beta=10.0)
        Softplus(beta=10.0)
    """

    op = ops.softplus.op

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Tensor:
        """Apply softplus."""
        if self.beta == 1:
            return apply(self.op, (x,))
        return ops.softplus(as_tensor(x) * self.beta) / self.beta

    def extra_repr(self) -> str:
        """Return β, unless 1."""
        return "" if self.beta == 1 else f"beta={self.beta!r}"


class LogSigmoid(Activation):
    """Logarithm of the logistic function: a = log σ(z).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.LogSigmoid()(tc.tensor([0.0]))
        tensor([-0.6931])
    """

    op = logarithms.logsigmoid.op


class GELU(Activation):
    """GELU: a = z Φ(z), with Φ the normal distribution function.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the approximation by tanh.

    Raises:
        ArgumentError: another approximation.

    Source:
        Hendrycks, Gimpel 2016, arXiv:1606.08415.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.GELU()(tc.tensor([1.0]))
        tensor([0.8413])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise errors.ArgumentError(
                f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}."
            )
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        """Apply GELU."""
        return ops.gelu(x, self.approximate)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the approximation, unless exact."""
        return "" if self.approximate == "none" else f"approximate={self.approximate!r}"


class SiLU(Activation):
    """SiLU (swish): a = z σ(z).

    Args:
        inplace: True overwrites the input, as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.SiLU()(tc.tensor([1.0]))
        tensor([0.7311])
    """

    op = ops.silu.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Mish(Activation):
    """Mish: a = z tanh(softplus z), smooth and much like SiLU.

    Args:
        inplace: True overwrites the input.

    Source:
        Misra 2019, arXiv:1908.08681.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Mish()(tc.tensor([1.0]))
        tensor([0.8651])
    """

    op = ops.mish.op

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class GLU(Composed):
    """Gated linear unit: y = a σ(b), of the halves a and b of the input along an axis.

    Args:
        dim: the axis; its length must be even.

    Source:
        Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.GLU()(tc.tensor([[1.0, 2.0, 0.0, 0.0]]))
        tensor([[0.5, 1. ]])
    """

    function = staticmethod(ops.glu)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self._params = {"axis": dim}


class Softsign(Activation):
    """Softsign: a = z / (1 + |z|).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Softsign()(tc.tensor([-1.0, 3.0]))
        tensor([-0.5 ,  0.75])
    """

    op = ops.softsign.op


class Tanhshrink(Composed):
    """What tanh takes away: a = z − tanh z.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Tanhshrink()(tc.tensor([-2.0, 0.0]))
        tensor([-1.036,  0.   ])
    """

    function = staticmethod(ops.tanhshrink)


class Step(Activation):
    """Unit step of the perceptron: a = 1 where z ≥ 0, else 0; its derivative is 0 everywhere.

    Gradient descent cannot train through it; the perceptron's own rule is w += (y − a) x.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Step()(tc.tensor([-0.5, 0.0, 2.0]))
        tensor([0., 1., 1.])
    """

    op = ops.step.op


class Softmax(Activation):
    """Softmax: aᵢ = exp(zᵢ) / Σⱼ exp(zⱼ) along an axis.

    Args:
        dim: the class axis; 0 when examples are columns.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Softmax()(tc.tensor([[0.0, 0.0]]))
        tensor([[0.5, 0.5]])
    """

    op = ops.softmax.op

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self._params = {"axis": dim}


class Softmin(Composed):
    """Softmax of −z along an axis: the smallest entry gets the largest share.

    Args:
        dim: the class axis; 0 when examples are columns.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Softmin()(tc.tensor([0.0, 1.0, 2.0]))
        tensor([0.6652, 0.2447, 0.09  ])
    """

    function = staticmethod(ops.softmin)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self._params = {"axis": dim}


class LogSoftmax(Activation):
    """Logarithm of softmax: zᵢ − log Σⱼ exp(zⱼ) along an axis; goes with NLLLoss.

    Args:
        dim: the class axis; 0 when examples are columns.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.LogSoftmax()(tc.tensor([[0.0, 0.0]]))
        tensor([[-0.6931, -0.6931]])
    """

    op = ops.log_softmax.op

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self._params = {"axis": dim}


BY_NAME: dict[str, Any] = {
    "sigmoid": ops.sigmoid,
    "tanh": trigonometry.tanh,
    "relu": ops.relu,
    "leaky_relu": ops.leaky_relu,
    "elu": ops.elu,
    "selu": ops.selu,
    "celu": ops.celu,
    "relu6": piecewise.relu6,
    "hardtanh": piecewise.hardtanh,
    "hardsigmoid": piecewise.hardsigmoid,
    "hardswish": piecewise.hardswish,
    "softsign": ops.softsign,
    "mish": ops.mish,
    "logsigmoid": logarithms.logsigmoid,
    "softplus": ops.softplus,
    "gelu": ops.gelu_exact,
    "step": ops.step,
    "silu": ops.silu,
    "swish": ops.silu,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "linear": None,
    "identity": None,
}


def resolve(activation: Any, axis: int) -> tuple[Callable[[Any], Any] | None, Op | None, Any]:
    """Return an activation as (function, operation, parameters of the operation).

    The operation is None when `activation` is not one operation of this package; all are None for
    no activation.

    Args:
        activation: None, a name, a function or a module.
        axis: the class axis, for softmax.

    Raises:
        ArgumentError: an unknown name; DtypeError: something that cannot be called.
    """
    function: Any = activation
    if isinstance(activation, str):
        name = activation.lower().replace(" ", "_").replace("-", "_")
        if name not in BY_NAME:
            close = difflib.get_close_matches(name, BY_NAME, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise errors.ArgumentError(
                f"activation: {activation!r} is unknown; known are {', '.join(BY_NAME)}.{hint}"
            )
        function = BY_NAME[name]
    if function is None:
        return None, None, NO_PARAMS
    if not callable(function) or isinstance(function, type):
        what = f"the class {function.__name__}" if isinstance(function, type) else repr(function)
        raise errors.DtypeError(
            f"activation: must be a name, a function or a module, got {what}. "
            'Write "relu", tc.relu or nn.ReLU().'
        )
    made = getattr(function, "op", None)
    if isinstance(function, Module) or not isinstance(made, Op) or len(made.inputs) != 1:
        return function, None, NO_PARAMS
    params = dict(made.defaults)
    if "axis" in params:
        params["axis"] = axis
    return function, made, params or NO_PARAMS
