"""One step of a recurrent layer: the functions, and the modules `RNNCell`, `LSTMCell`, `GRUCell`.

A step takes the sums p = W_ih x + b_ih of its element (of all gates, side by side), the state
before and W_hhᵀ, and computes the new state in as few operations as its equations have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import errors
from ..ops.activation import relu, sigmoid
from ..ops.elementwise import add, mul, sub
from ..ops.index import select
from ..ops.linalg import affine, matrix_product
from ..ops.shape import zeros_like
from ..ops.trigonometry import tanh
from ..random import Generator
from ..tensor import Tensor, apply, as_input
from . import init as initializers
from .dense import check_count
from .module import Module
from .parameter import Parameter

State = tuple[Any, ...]

_ADD, _MUL, _SUB = add.op, mul.op, sub.op
_AFFINE, _PRODUCT = affine.op, matrix_product.op
_SIGMOID, _TANH, _RELU = sigmoid.op, tanh.op, relu.op


def _named(op: Any, inputs: tuple[Any, ...], name: str, params: Any = None) -> Any:
    """Record an operation, and give its result a name."""
    y = apply(op, inputs, params) if params else apply(op, inputs)
    if y._node is not None and name:
        y._node.name = name
    return y


def _gate(z: Any, k: int, hidden: int, name: str) -> Any:
    """Return the sums of gate k."""
    index = (slice(None), slice(k * hidden, (k + 1) * hidden))
    return _named(select, (z,), name, {"index": index})


def _sums(p: Any, h: Any, w: Any, b: Any, at: str) -> Any:
    """Return p + h w + b."""
    if b is None:
        return _named(_AFFINE, (h, w, p), "z" + at)
    return _named(_ADD, (apply(_AFFINE, (h, w, p)), b), "z" + at)


def _tanh_step(p: Any, state: State, w: Any, b: Any, at: str) -> State:
    """h⟨t⟩ = tanh(p + W_hh h⟨t−1⟩)."""
    return (_named(_TANH, (_sums(p, state[0], w, b, at),), "h" + at),)


def _relu_step(p: Any, state: State, w: Any, b: Any, at: str) -> State:
    """h⟨t⟩ = max(0, p + W_hh h⟨t−1⟩)."""
    return (_named(_RELU, (_sums(p, state[0], w, b, at),), "h" + at),)


def _lstm_step(p: Any, state: State, w: Any, b: Any, at: str) -> State:
    """The gates i, f, g, o, then c⟨t⟩ = f c⟨t−1⟩ + i g and h⟨t⟩ = o tanh(c⟨t⟩)."""
    h, c = state
    n = h._data.shape[1]
    z = _sums(p, h, w, b, at)
    i = _named(_SIGMOID, (_gate(z, 0, n, "z_i" + at),), "i" + at)
    f = _named(_SIGMOID, (_gate(z, 1, n, "z_f" + at),), "f" + at)
    g = _named(_TANH, (_gate(z, 2, n, "z_g" + at),), "g" + at)
    o = _named(_SIGMOID, (_gate(z, 3, n, "z_o" + at),), "o" + at)
    c = _named(_ADD, (apply(_MUL, (f, c)), apply(_MUL, (i, g))), "c" + at)
    return _named(_MUL, (o, _named(_TANH, (c,), "a" + at)), "h" + at), c


def _gru_step(p: Any, state: State, w: Any, b: Any, at: str) -> State:
    """The gates r and z, the candidate n, then h⟨t⟩ = n + z (h⟨t−1⟩ − n)."""
    (h,) = state
    k = h._data.shape[1]
    sums: tuple[Any, Any] = (_PRODUCT, (h, w)) if b is None else (_AFFINE, (h, w, b))
    u = _named(sums[0], sums[1], "u" + at)
    parts = [(_gate(p, g, k, ""), _gate(u, g, k, f"u_{'rzn'[g]}" + at)) for g in range(3)]
    r = _named(_SIGMOID, (_named(_ADD, parts[0], "z_r" + at),), "r" + at)
    z = _named(_SIGMOID, (_named(_ADD, parts[1], "z_z" + at),), "z" + at)
    inner = apply(_MUL, (r, parts[2][1]))
    n = _named(_TANH, (_named(_ADD, (parts[2][0], inner), "z_n" + at),), "n" + at)
    carried = apply(_MUL, (z, _named(_SUB, (h, n), "v" + at)))
    return (_named(_ADD, (n, carried), "h" + at),)


class Step(NamedTuple):
    """What tells the recurrent layers apart."""

    compute: Callable[[Any, State, Any, Any, str], State]
    """Returns the new state, given (p, state, W_hhᵀ, b_hh or None, what names end in)."""
    gates: int
    """How many times hidden the weights have rows."""
    states: int
    """1 for h, 2 for (h, c)."""
    own_bias: bool = False
    """Whether b_hh has a place of its own in the step; else it is added to b_ih beforehand."""

    def zeros(self, p: Any, at: str) -> State:
        """Return the state before the first step, where none is given."""
        names = ("h", "c")[: self.states]
        n = p._data.shape[1] // self.gates
        # Each like another gate: equations write equal expressions once, and c⟨0⟩ would be h⟨0⟩.
        parts = [_gate(p, k, n, "") if self.gates > 1 else p for k in range(self.states)]
        return tuple(
            _named(zeros_like.op, (part,), name + at, {"dtype": None})
            for name, part in zip(names, parts, strict=True)
        )


STEPS = {
    "tanh": Step(_tanh_step, 1, 1),
    "relu": Step(_relu_step, 1, 1),
    "lstm": Step(_lstm_step, 4, 2),
    "gru": Step(_gru_step, 3, 1, own_bias=True),
}


class _Cell(Module):
    """What the cells share."""

    mode: str
    numbers_symbols = False
    symbols = {"weight_ih": "W_ih", "weight_hh": "W_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_count(name, "input_size", input_size)
        self.hidden_size = check_count(name, "hidden_size", hidden_size)
        self.bias = bool(bias)
        self._step = STEPS[self.mode]
        rows = self._step.gates * self.hidden_size
        bound = self.hidden_size**-0.5
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, self.input_size),
            "weight_hh": (rows, self.hidden_size),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for part, shape in shapes.items():
            if part.startswith("bias") and not bias:
                self.register_parameter(part, None)
                continue
            parameter = initializers.new(shape, dtype, "columns")
            initializers.uniform_(parameter, -bound, bound, generator)
            setattr(self, part, parameter)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the state after the element `input`, (m, input_size) or (input_size,)."""
        x: Any = as_input(input)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise errors.ShapeError(
                f"{type(self).__name__}: got an input of shape {x.shape}, expected (m, "
                f"{self.input_size}), or ({self.input_size},) for one example: "
                f"input_size={self.input_size}. A cell takes one step; for sequences use "
                f"nn.{type(self).__name__.removesuffix('Cell')}."
            )
        single = x.ndim == 1
        if single:
            x = x.unsqueeze(0)
        step = self._step
        b_ih, b_hh = self.bias_ih, self.bias_hh
        if b_ih is not None and not step.own_bias:
            b_ih, b_hh = b_ih + b_hh, None  # type: ignore[assignment]
        w: Any = self.weight_ih.mT
        p = apply(_PRODUCT, (x, w)) if b_ih is None else apply(_AFFINE, (x, w, b_ih))
        state = step.zeros(p, "⟨0⟩") if hx is None else self._given(hx, x.shape[0], single)
        made = step.compute(p, state, self.weight_hh.mT, b_hh, "⟨1⟩")
        if single:
            made = tuple(s.squeeze(0) for s in made)
        return made if step.states == 2 else made[0]

    def _given(self, hx: Any, m: int, single: bool) -> State:
        """Check the state before; return it in rows."""
        name = type(self).__name__
        if self._step.states == 2 and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise errors.DtypeError(f"{name}: the state is a pair (h, c), got {type(hx).__name__}.")
        wanted = (self.hidden_size,) if single else (m, self.hidden_size)
        states = []
        for what, given in zip(("h", "c"), hx if self._step.states == 2 else (hx,), strict=False):
            s: Any = given if isinstance(given, Tensor) else Tensor(given)
            if s.shape != wanted:
                raise errors.ShapeError(
                    f"{name}: the state {what} has shape {s.shape}, expected {wanted}: one row per "
                    f"example, hidden_size={self.hidden_size}."
                )
            states.append(s.unsqueeze(0) if single else s)
        return tuple(states)

    def extra_repr(self) -> str:
        """Return the sizes."""
        bias = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(_Cell):
    """One step of `RNN`: h′ = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size: features of x.
        hidden_size: units of h.
        bias: False leaves b_ih and b_hh out.
        nonlinearity: "tanh" or "relu".
        device, dtype: as in PyTorch; the CPU, and the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: uniform in ±1/√hidden.

    Raises:
        ArgumentError: sizes below 1, an unknown nonlinearity; ShapeError: an input or state that
            does not fit.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> cell = nn.RNNCell(3, 4)
        >>> h = tc.zeros(2, 4)
        >>> for x in tc.zeros(5, 2, 3):
        ...     h = cell(x, h)
        >>> h.shape
        (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        check_nonlinearity("RNNCell", nonlinearity)
        vars(self).update(mode=nonlinearity, nonlinearity=nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype, generator)


class LSTMCell(_Cell):
    """One step of `LSTM`: (h, c) from x and the (h, c) before; see there for the equations.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> h, c = nn.LSTMCell(3, 4)(tc.zeros(2, 3))
        >>> h.shape, c.shape
        ((2, 4), (2, 4))
    """

    mode = "lstm"


class GRUCell(_Cell):
    """One step of `GRU`; see there for the equations.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.GRUCell(3, 4)(tc.zeros(2, 3), tc.zeros(2, 4)).shape
        (2, 4)
    """

    mode = "gru"


def check_nonlinearity(name: str, value: Any) -> None:
    """Refuse all but the two activations that a plain recurrent layer may have."""
    if value not in ("tanh", "relu"):
        raise errors.ArgumentError(f'{name}: nonlinearity is "tanh" or "relu", got {value!r:.40}.')


__all__ = ["STEPS", "GRUCell", "LSTMCell", "RNNCell", "State", "Step"]
