"""Recurrent layers: `RNN`, `LSTM`, `GRU`, as PyTorch's; the step of each is in `cells`.

A layer reads a sequence x[1], x[2], …, x[T] and computes a state from each element and the state
before. The products of all elements with W_ih are one product of matrices; what is left for each
step are the product of the state before with W_hh, and the activations. All of it is recorded: step
t's results are called h[t] (and c[t], i[t], r[t] …), and the backward pass goes back through time.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import errors
from ..ops.join import cat, join
from ..ops.linalg import affine, matrix_product
from ..ops.shape import reshape, transpose
from ..random import Generator
from ..tensor import Tensor, apply, as_input
from . import init as initializers
from .cells import STEPS, State, Step, check_nonlinearity
from .dense import check_count
from .functional import dropout as drop
from .module import Module
from .parameter import Parameter
from .sequences import PackedSequence

_AFFINE, _PRODUCT, _JOIN = affine.op, matrix_product.op, join.op


class RNNBase(Module):
    """What the recurrent layers share: parameters, directions, layers, initial and final states.

    Example:
        >>> from tinygrad_course import nn
        >>> [isinstance(layer(2, 3), nn.RNNBase) for layer in (nn.RNN, nn.LSTM, nn.Linear)]
        [True, True, False]
    """

    mode: str  # which step, of `cells.STEPS`
    numbers_symbols = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_count(name, "input_size", input_size)
        self.hidden_size = check_count(name, "hidden_size", hidden_size)
        self.num_layers = check_count(name, "num_layers", num_layers)
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.bidirectional = bool(bidirectional)
        self.generator = generator
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise errors.ArgumentError(
                f"{name}: dropout is the probability of dropping a unit between two layers, from 0 "
                f"to 1; got {dropout!r}."
            )
        if proj_size:
            raise errors.ArgumentError(
                f"{name}: proj_size={proj_size!r} is not supported. Put nn.Linear({hidden_size}, "
                f"{proj_size}) behind the layer."
            )
        self.dropout = float(dropout)
        self.proj_size = 0
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout acts between layers, and num_layers=1 has none: it has no effect."
                " Use nn.Dropout on the result, or more layers.",
                stacklevel=3,
            )
        self._step: Step = STEPS[self.mode]
        symbols: dict[str, str] = {}
        self._start(dtype, generator, symbols)
        vars(self)["symbols"] = symbols

    def _start(self, dtype: Any, generator: Generator | None, symbols: dict[str, str]) -> None:
        """Make the parameters of every layer and direction, uniform in ±1/√hidden."""
        rows = self._step.gates * self.hidden_size
        bound = self.hidden_size**-0.5
        several = self.num_layers > 1
        for suffix, layer, back in self._directions():
            features = self.hidden_size * (1 + self.bidirectional) if layer else self.input_size
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (rows, features),
                "weight_hh": (rows, self.hidden_size),
            }
            if self.bias:
                shapes.update(bias_ih=(rows,), bias_hh=(rows,))
            for part, shape in shapes.items():
                parameter = initializers.new(shape, dtype, "columns")
                initializers.uniform_(parameter, -bound, bound, generator)
                setattr(self, part + suffix, parameter)
                symbol = f"{part[0].upper() if part[0] == 'w' else 'b'}_{part[-2:]}"
                at = f"_l{layer}" if several else ""
                symbols[part + suffix] = f"{symbol}{at}{'_reverse' if back else ''}"

    def _directions(self) -> list[tuple[str, int, bool]]:
        """Return (suffix of the parameters, number of the layer, whether it goes backward)."""
        ways = (False, True) if self.bidirectional else (False,)
        return [
            (f"_l{layer}{'_reverse' if back else ''}", layer, back)
            for layer in range(self.num_layers)
            for back in ways
        ]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of every layer and direction, as PyTorch's attribute."""
        parts = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if self.bias else ()))
        return [[getattr(self, p + suffix) for p in parts] for suffix, _, _ in self._directions()]

    def flatten_parameters(self) -> None:
        """Do nothing; PyTorch's arranges memory for graphics cards."""

    # --- forward ----------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the states of the last layer at all steps, and the final states of all layers."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        x: Any = as_input(input)
        single = x.ndim == 2
        self._check_input(x, single)
        if single:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = transpose(x, 0, 1)
        steps, m = x.shape[:2]
        states = self._initial(hx, m, single, x.dtype)
        flat, final = self._layers(reshape(x, (-1, self.input_size)), states, [m] * steps)
        y: Any = reshape(flat, (steps, -1, flat.shape[1]))
        if single:
            y = y.squeeze(1)
            final = tuple(s.squeeze(1) for s in final)
        elif self.batch_first:
            y = transpose(y, 0, 1)
        return y, final if self._step.states == 2 else final[0]

    def _packed(self, packed: PackedSequence, hx: Any) -> Any:
        """Run over sequences of different lengths, the longest first."""
        x = packed.data
        if x.ndim != 2 or x.shape[1] != self.input_size:
            raise errors.ShapeError(
                f"{type(self).__name__}: got packed data of shape {x.shape}, expected (all "
                f"elements, {self.input_size}): input_size={self.input_size}."
            )
        sizes = packed.sizes
        states = self._initial(hx, sizes[0], False, x.dtype)
        if packed.sorted_indices is not None:
            states = tuple(s if s is None else s[:, packed.sorted_indices] for s in states)
        flat, final = self._layers(x, states, sizes)
        if packed.unsorted_indices is not None:
            final = tuple(s[:, packed.unsorted_indices] for s in final)
        made = packed._replace(data=flat)
        return made, final if self._step.states == 2 else final[0]

    def _layers(self, x: Any, states: State, sizes: list[int]) -> tuple[Any, State]:
        """Run all layers over the rows of x, of which the first sizes[0] are step 1, and so on."""
        final: list[State] = []
        outputs: list[Any] = []
        for k, (suffix, layer, back) in enumerate(self._directions()):
            start = tuple(None if s is None else s[k] for s in states)
            y, last = self._direction(x, start, sizes, suffix, layer, back)
            outputs.append(y)
            final.append(last)
            if back or not self.bidirectional:
                x = outputs[0] if len(outputs) == 1 else cat(outputs, 1)
                outputs = []
                if self.dropout and self.training and layer + 1 < self.num_layers:
                    x = drop(x, self.dropout, True, self.generator)
        rows = (1, -1, self.hidden_size)
        return x, tuple(
            cat([reshape(s, rows) for s in part], 0) for part in zip(*final, strict=True)
        )

    def _direction(
        self, x: Any, state: State, sizes: list[int], suffix: str, layer: int, back: bool
    ) -> tuple[Any, State]:
        """Run one layer in one direction; return the states of all steps in rows, and the last."""
        w = getattr(self, "weight_ih" + suffix).mT
        w_hh = getattr(self, "weight_hh" + suffix).mT
        b_ih = getattr(self, "bias_ih" + suffix) if self.bias else None
        b_hh = getattr(self, "bias_hh" + suffix) if self.bias else None
        step = self._step
        if b_ih is not None and not step.own_bias:
            b_ih, b_hh = b_ih + b_hh, None
        p = apply(_PRODUCT, (x, w)) if b_ih is None else apply(_AFFINE, (x, w, b_ih))
        even = sizes[-1] == sizes[0]
        number = "" if self.num_layers == 1 else f"[{layer + 1}]"
        label = ("_reverse" if back else "") + number
        parts = self._cut(p, sizes, even, label)
        first = state
        if state[0] is None:
            first = step.zeros(parts[0], f"{label}⟨{len(sizes) + 1 if back else 0}⟩")
        state = first if even or not back else tuple(s[: sizes[-1]] for s in first)
        results: list[Any] = [None] * len(sizes)
        ended: list[State] = []
        for t in reversed(range(len(sizes))) if back else range(len(sizes)):
            if not even:
                state = self._fit(state, first, sizes[t], back, ended)
            state = step.compute(parts[t], state, w_hh, b_hh, f"{label}⟨{t + 1}⟩")
            results[t] = state[0]
        if ended:
            ended.append(state)
            state = tuple(cat(list(s), 0) for s in zip(*reversed(ended), strict=True))
        y = results[0] if len(results) == 1 else apply(_JOIN, tuple(results), {"axis": 0})
        return y, state

    def _cut(self, p: Any, sizes: list[int], even: bool, label: str) -> list[Any]:
        """Return the rows of each step."""
        steps = len(sizes)
        if even:
            p = reshape(p, (steps, -1, p.shape[1]))
            if p._node is not None:
                p._node.name = "U" + label
            parts = [p[t] for t in range(steps)]
            for t, part in enumerate(parts, start=1):
                if part._node is not None:
                    part._node.name = f"U{label}⟨{t}⟩"
            return parts
        starts = np.cumsum([0, *sizes]).tolist()
        return [p[a:b] for a, b in zip(starts, starts[1:], strict=False)]

    def _fit(self, state: State, first: State, m: int, back: bool, ended: list[State]) -> State:
        """Return the state for the sequences that have a step t; note those that have ended."""
        n = state[0].shape[0]
        if back and n < m:  # backward, the longest sequences come first
            return tuple(cat([s, s0[n:m]], 0) for s, s0 in zip(state, first, strict=True))
        if n > m:
            ended.append(tuple(s[m:] for s in state))
            return tuple(s[:m] for s in state)
        return state

    # --- what comes in ----------------------------------------------------------------------

    def _check_input(self, x: Any, single: bool) -> None:
        n = self.input_size
        if x.ndim in (2, 3) and x.shape[-1] == n and 0 not in x.shape:
            if x.dtype.kind == "f":
                return
            raise errors.DtypeError(
                f"{type(self).__name__}: got an input of dtype {x.dtype}, expected floats. For "
                "numbers of words or letters put nn.Embedding before it."
            )
        wanted = f"(m, T, {n})" if self.batch_first else f"(T, m, {n})"
        if 0 in x.shape[: x.ndim - 1]:
            cure = "A sequence needs at least one element, and a batch one sequence."
        elif x.ndim == 3 and n in x.shape:
            cure = "Swap its axes with .permute, so that the features are the last."
        elif x.ndim in (1, 2) and n == 1:
            cure = "Write x.unsqueeze(-1): one feature per element."
        else:
            cure = "Make input_size the number of features of an element."
        raise errors.ShapeError(
            f"{type(self).__name__}: got an input of shape {x.shape}, expected {wanted}, or "
            f"(T, {n}) for one sequence: input_size={n}. {cure}"
        )

    def _initial(self, hx: Any, m: int, single: bool, dtype: Any) -> State:
        """Check the given states; return them as (layers · directions, m, hidden) each, or None."""
        count = self._step.states
        if hx is None:
            return (None,) * count
        name = type(self).__name__
        given = hx if count == 2 else (hx,)
        if count == 2 and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise errors.DtypeError(
                f"{name}: the initial state is a pair (h_0, c_0), got {type(hx).__name__}."
            )
        rows = self.num_layers * (1 + self.bidirectional)
        wanted = (rows, self.hidden_size) if single else (rows, m, self.hidden_size)
        states = []
        for what, s in zip(("h_0", "c_0"), given, strict=False):
            s = s if isinstance(s, Tensor) else Tensor(s)
            if s.shape != wanted:
                meaning = (
                    "(layers × directions, hidden_size)"
                    if single
                    else ("(layers × directions, m, hidden_size), batch_first or not")
                )
                raise errors.ShapeError(
                    f"{name}: {what} has shape {s.shape}, expected {wanted}: {meaning}."
                )
            states.append(s.unsqueeze(1) if single else s)
        return tuple(states)

    def extra_repr(self) -> str:
        """Return sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for option, default in usual.items():
            if (value := getattr(self, option)) != default:
                text += f", {option}={value}"
        return text


class RNN(RNNBase):
    r"""Recurrent layer of Elman: h[t] = tanh(W_ih x[t] + b_ih + W_hh h[t−1] + b_hh), h[0] = 0.

    Args:
        input_size: features of an element x[t].
        hidden_size: units of the state h[t].
        num_layers: how many layers, each reading the states of the one before.
        nonlinearity: "tanh" or "relu".
        bias: False leaves b_ih and b_hh out.
        batch_first: sequences are (m, T, input_size) instead of (T, m, input_size), the results
            likewise; states are (layers, m, hidden_size) in both.
        dropout: the probability of dropping a unit between two layers, in training.
        bidirectional: a second set of states goes from the last element to the first.
        device, dtype: as in PyTorch; the CPU, and the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Call it with x, (T, m, input_size), (T, input_size) for one sequence, or a `PackedSequence`; and
    the initial state h_0, (layers · directions, m, hidden_size). It returns the pair (output, h_n):
    the states of the last layer at all steps, (T, m, directions · hidden_size), and the final
    states of all layers, like h_0.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: (hidden, input), (hidden, hidden) and
            (hidden,) each, uniform in ±1/√hidden; of layer 1 ``…_l1``, backward ``…_l0_reverse``.

    Raises:
        ArgumentError: sizes below 1, an unknown nonlinearity; ShapeError: an input or state that
            does not fit.

    Source:
        Elman 1990, Cognitive Science 14.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> rnn = nn.RNN(3, 4, batch_first=True)
        >>> output, h = rnn(tc.zeros(2, 5, 3))
        >>> output.shape, h.shape
        ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        check_nonlinearity("RNN", nonlinearity)
        vars(self).update(mode=nonlinearity, nonlinearity=nonlinearity)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
            generator=generator,
        )


class LSTM(RNNBase):
    """Long short-term memory: a cell c[t] that gates i, f and o write, forget and read.

    With the sums z = W_ih x[t] + b_ih + W_hh h[t−1] + b_hh of each gate::

        i[t] = σ(zᵢ)    f[t] = σ(z_f)    g[t] = tanh(z_g)    o[t] = σ(zₒ)
        c[t] = f[t] ⊙ c[t−1] + i[t] ⊙ g[t]
        h[t] = o[t] ⊙ tanh(c[t])

    Arguments, shapes and errors are those of `RNN`; the rows of the weights, (4 · hidden, …), are
    those of i, f, g, o. States are pairs: ``output, (h_n, c_n) = lstm(x, (h_0, c_0))``.

    Source:
        Hochreiter, Schmidhuber 1997, Neural Computation 9; Gers, Schmidhuber, Cummins 2000.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> lstm = nn.LSTM(3, 4, num_layers=2)
        >>> output, (h, c) = lstm(tc.zeros(5, 2, 3))
        >>> output.shape, h.shape, c.shape
        ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    mode = "lstm"


class GRU(RNNBase):
    """Gated recurrent unit: a state that r resets and z carries on.

    With a = W_ih x[t] + b_ih and u = W_hh h[t−1] + b_hh, the sums of each gate::

        r[t] = σ(a_r + u_r)    z[t] = σ(a_z + u_z)    n[t] = tanh(a_n + r[t] ⊙ u_n)
        h[t] = (1 − z[t]) ⊙ n[t] + z[t] ⊙ h[t−1]

    Arguments, shapes and errors are those of `RNN`; the rows of the weights, (3 · hidden, …), are
    those of r, z, n.

    Source:
        Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio 2014, arXiv:1406.1078.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> output, h = nn.GRU(3, 4, bidirectional=True)(tc.zeros(5, 2, 3))
        >>> output.shape, h.shape
        ((5, 2, 8), (2, 2, 4))
    """

    mode = "gru"


__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]
