"""Fully connected layers: `Dense` as the courses write it, `Linear` as PyTorch does."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from .. import errors
from ..creation import check_device
from ..ops.linalg import affine, matmul, matrix_product
from ..ops.shape import flatten, unflatten
from ..random import Generator
from ..tensor import Tensor, apply, as_input
from . import init as initializers
from .activation import resolve
from .layer import Layer
from .module import Module
from .numbering import name_after

LAYOUTS = ("rows", "columns")
_PRODUCT = matrix_product.op
_AFFINE = affine.op


class Affine(Layer):
    """What `Dense` and `Linear` share: their sizes, and the weighted sums."""

    in_features: int
    out_features: int

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_features = check_count(name, "in_features", in_features)
        self.out_features = check_count(name, "out_features", out_features)

    def _sums(self, a: Tensor, b: Tensor) -> Any:
        """Return A B plus the bias; one of A and B is the weight."""
        bias = self.bias
        try:
            if a._data.ndim > 1 and b._data.ndim > 1:
                return apply(_PRODUCT, (a, b)) if bias is None else apply(_AFFINE, (a, b, bias))
            if a is not self.weight:
                z = matmul(a, b)
                return z if bias is None else z + bias
        except errors.ShapeError:
            if bias is not None and bias._data.size != self.out_features:
                raise  # it is the bias that does not fit
        columns = a is self.weight
        self._misfit(b if columns else a, columns)

    def _misfit(self, x: Tensor, columns: bool) -> NoReturn:
        """Raise the error for an input that does not fit the weight."""
        n = self.in_features
        shape = x.shape
        wanted = f"({n}, m)" if columns else f"(m, {n})"
        per = "one column per example" if columns else "one row per example"
        other = "rows" if columns else "columns"
        if columns and shape == (n,):
            cure = f"For one example write x.reshape({n}, 1)."
        elif len(shape) == 2 and shape[1 if columns else 0] == n:
            cure = f"The transpose would fit: pass X.T, or use nn.Dense(…, layout={other!r})."
        elif len(shape) > 2 and not columns and math.prod(shape[1:]) == n:
            cure = "Put nn.Flatten() before it."
        elif len(shape) > 2 and math.prod(shape[1:]) == n:
            # The other order, X.reshape(n, -1), would mix the pixels of different images.
            cure = f"Write X.reshape({shape[0]}, -1).T: first one row per example, then transpose."
        elif n == 1 and len(shape) == 1:
            cure = f"Write x.reshape({'1, -1' if columns else '-1, 1'})."
        else:
            cure = "Make in_features the number of features, or of the units of the layer before."
        raise errors.ShapeError(
            f"{self._label()}: got an input of shape {shape}, expected {wanted}: {per}, "
            f"in_features={n}. {cure}"
        )


class Dense(Affine):
    """Fully connected layer with an activation.

    In rows, as Keras and the ML specialization write it: A_out = g(A_in W + b), with
    W (in, out), b (out,) and A_in (m, in). In columns, as the DL specialization writes it:
    A[l] = g(W[l] A[l−1] + b[l]), with W (out, in), b (out, 1) and A (in, m).

    Args:
        in_features: number of inputs.
        out_features: number of units.
        activation: None, a name ("sigmoid", "relu", "tanh", "softmax", "linear", …), a function or
            a module.
        bias: False leaves b out.
        layout: ``"rows"`` or ``"columns"``.
        init: how W starts: None (Glorot uniform, as in Keras), the name of a function of `nn.init`
            such as ``"he_normal"``, or a function that fills a tensor in place. b starts at zero.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        dtype: a float dtype; by default the default dtype.

    Attributes:
        weight, bias: the parameters, also as ``W`` and ``b``.

    Raises:
        ArgumentError: sizes below 1, an unknown layout, activation or initializer.
        ShapeError: when called: an input of another width.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> layer = nn.Dense(2, 3, activation="sigmoid")
        >>> layer(tc.zeros(5, 2)).shape
        (5, 3)
        >>> nn.Dense(2, 3, layout="columns")(tc.zeros(2, 5)).shape
        (3, 5)
    """

    layout: str
    # The activation as a function, and as an operation where it is one.
    _g: Any
    _op: Any
    _params: Any

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: Any = None,
        bias: bool = True,
        layout: str = "rows",
        init: Any = None,
        generator: Generator | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features)
        if layout not in LAYOUTS:
            raise errors.ArgumentError(
                f'Dense: layout must be "rows" (X is (m, n), as Keras) or "columns" (X is (n, m), '
                f"as the DL specialization), got {layout!r}."
            )
        rows = layout == "rows"
        self.layout = layout
        n, units = self.in_features, self.out_features
        self.weight = initializers.new((n, units) if rows else (units, n), dtype, layout)
        initializers.start(self.weight, init, generator)
        if bias:
            self.bias = initializers.new((units,) if rows else (units, 1), dtype)
        else:
            self.register_parameter("bias", None)
        self.activation = activation

    @property
    def activation(self) -> Any:
        """The activation as it was given."""
        return vars(self).get("activation")

    @activation.setter
    def activation(self, activation: Any) -> None:
        g, op, params = resolve(activation, -1 if self.layout == "rows" else 0)
        if "activation" in self._members:
            del self._members["activation"]
        if isinstance(activation, Module):
            self._register("activation", "module", activation)
        else:
            vars(self)["activation"] = activation
            self._changed()
        vars(self).update(_g=g, _op=op, _params=params)

    @property
    def wants_activation(self) -> bool:
        """True when this layer has no activation of its own."""
        return self._g is None

    def forward(self, x: Any) -> Tensor:
        """Compute g(x W + b), or g(W x + b) in columns."""
        if not isinstance(x, Tensor):
            x = Tensor(x)
        columns = self.layout == "columns"
        z: Tensor = self._sums(self.weight, x) if columns else self._sums(x, self.weight)
        node = z._node
        if node is not None:
            node.name = self._z
        if self._g is None:
            return z
        if self._op is not None:
            a = apply(self._op, (z,), self._params)
        else:
            a = self._g(z)
            if not isinstance(a, Tensor):
                raise errors.DtypeError(
                    f"{self._label()}: the activation {self.activation!r} returned "
                    f"{type(a).__name__}, expected a tensor. Does it end with `return`?"
                )
        node = a._node
        if node is not None and a is not z:
            node.name = self._a
        return a

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        parts = [f"in_features={self.in_features}, out_features={self.out_features}"]
        activation = self.activation
        if isinstance(activation, str):
            parts.append(f"activation={activation!r}")
        elif activation is not None and not isinstance(activation, Module):
            parts.append(f"activation={getattr(activation, '__name__', repr(activation))}")
        if self.bias is None:
            parts.append("bias=False")
        if self.layout != "rows":
            parts.append(f"layout={self.layout!r}")
        return ", ".join(parts)


class Linear(Affine):
    """Affine layer as PyTorch's: y = x Wᵀ + b, with W (out, in), b (out,) and x (…, in).

    Args:
        in_features: number of inputs.
        out_features: number of units.
        bias: False leaves b out.
        device: the CPU, if given.
        dtype: a float dtype; by default the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    W and b start uniform in ±1/√in, as in PyTorch.

    Raises:
        ArgumentError: sizes below 1; ShapeError: when called: an input of another width.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> layer = nn.Linear(2, 3)
        >>> layer.weight.shape, layer(tc.zeros(5, 2)).shape
        ((3, 2), (5, 3))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        check_device(device)
        super().__init__(in_features, out_features)
        bound = self.in_features**-0.5
        self.weight = initializers.new((self.out_features, self.in_features), dtype, "columns")
        initializers.uniform_(self.weight, -bound, bound, generator)
        if bias:
            self.bias = initializers.new((self.out_features,), dtype)
            initializers.uniform_(self.bias, -bound, bound, generator)
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Any) -> Tensor:
        """Compute x Wᵀ + b."""
        if not isinstance(x, Tensor):
            x = Tensor(x)
        weight: Any = self.weight
        z: Tensor = self._sums(x, weight.mT)
        node = z._node
        if node is not None:
            node.name = self._z
        return z

    def extra_repr(self) -> str:
        """Return the sizes."""
        bias = "" if self.bias is not None else ", bias=False"
        return f"in_features={self.in_features}, out_features={self.out_features}{bias}"


class Flatten(Module):
    """Join axes into one: (m, 8, 8) becomes (m, 64).

    Args:
        start_dim: the first axis to join; 1 leaves the examples apart.
        end_dim: the last one.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Flatten()(tc.zeros(5, 8, 8)).shape
        (5, 64)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Tensor:
        """Join the axes."""
        x = as_input(x)
        y = flatten(x, self.start_dim, self.end_dim)
        return name_after(x, y, "F") if x.ndim > 2 else y  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split one axis into several: the inverse of `Flatten`.

    Args:
        dim: the axis to split.
        unflattened_size: the lengths it becomes.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Unflatten(1, (1, 8, 8))(tc.zeros(5, 64)).shape
        (5, 1, 8, 8)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        """Split the axis."""
        return unflatten(x, self.dim, self.unflattened_size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return axis and lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Return the input unchanged; takes any arguments, so that it can stand in for a layer.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Identity()(tc.tensor([1.0]))
        tensor([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


def check_count(layer: str, what: str, value: Any) -> int:
    """Return `value` as an int of at least 1, or raise an error that names the layer."""
    try:
        if isinstance(value, bool):
            raise TypeError
        count = int(value.__index__())
    except (AttributeError, TypeError):
        raise errors.DtypeError(
            f"{layer}: {what} is a whole number, got {value!r}. Sizes come first, as in "
            "Dense(in_features, out_features)."
        ) from None
    if count < 1:
        raise errors.ArgumentError(f"{layer}: {what} must be at least 1, got {count}.")
    return count


__all__ = ["Affine", "Dense", "Flatten", "Identity", "Linear", "Unflatten"]
