"""Multi-head attention, with PyTorch's arguments, parameters and starting values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, as_input
from . import init as initializers
from .attend import as_mask, attend
from .dense import Linear, check_count
from .functional import _check_probability, linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention in h heads side by side: O = [head₁ … head_h] W_Oᵀ + b_O.

    Each head attends in its own d = embed_dim / h features of the queries Q = X W_Qᵀ + b_Q, and
    likewise of keys and values: head = softmax(Q Kᵀ / √d + M) V.

    Args:
        embed_dim: E, the features of the queries and of the result.
        num_heads: h, a divisor of E.
        dropout: the probability of dropping a weight, in training.
        bias: False leaves b_Q, b_K, b_V and b_O out.
        kdim, vdim: the features of the keys and of the values, by default E.
        batch_first: True takes (m, L, E); False (L, m, E), as PyTorch's default does.
        dtype: a float dtype; by default the default dtype.
        add_bias_kv, add_zero_attn: accepted as False only.

    Attributes:
        in_proj_weight: W_Q, W_K and W_V one below the other, (3 E, E); with another kdim or vdim
            there are q_proj_weight, k_proj_weight and v_proj_weight instead. They start Glorot
            uniform.
        in_proj_bias: b_Q, b_K and b_V, (3 E,), started at 0.
        out_proj: the `Linear` layer of W_O and b_O.

    Raises:
        ArgumentError: embed_dim not divisible by num_heads.
        ShapeError: when called: inputs or masks that do not fit; DtypeError: a mask of integers.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> attention = nn.MultiheadAttention(8, num_heads=2, batch_first=True)
        >>> x = tc.zeros(5, 3, 8)
        >>> y, weights = attention(x, x, x)
        >>> y.shape, weights.shape
        ((5, 3, 8), (5, 3, 3))
    """

    is_layer = True
    symbols = {
        "in_proj_weight": "W_QKV",
        "in_proj_bias": "b_QKV",
        "q_proj_weight": "W_Q",
        "k_proj_weight": "W_K",
        "v_proj_weight": "W_V",
    }

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    _names: tuple[str, ...] | None = None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if add_bias_kv or add_zero_attn:
            raise errors.ArgumentError(
                f"{name}: add_bias_kv and add_zero_attn are not here; leave them False, and append "
                "positions to key and value with tc.cat."
            )
        self.embed_dim = E = check_count(name, "embed_dim", embed_dim)
        self.num_heads = check_count(name, "num_heads", num_heads)
        self.kdim = E if kdim is None else check_count(name, "kdim", kdim)
        self.vdim = E if vdim is None else check_count(name, "vdim", vdim)
        if E % self.num_heads:
            raise errors.ArgumentError(
                f"{name}: got embed_dim={E} for num_heads={self.num_heads}; the heads share the "
                f"features equally. Use embed_dim={E + self.num_heads - E % self.num_heads}, or "
                "another number of heads."
            )
        _check_probability(name, dropout)
        self.dropout = float(dropout)
        self.batch_first = batch_first
        self.head_dim = E // self.num_heads
        widths = (E, self.kdim, self.vdim)
        same = widths == (E, E, E)
        shapes: tuple[Any, ...] = ((3 * E, E),) if same else ()
        shapes += (None,) * (not same) + tuple(None if same else (E, n) for n in widths)
        for part, shape in zip(_WEIGHTS, shapes, strict=True):
            weight = None if shape is None else initializers.new(shape, dtype, "columns")
            if weight is not None:
                initializers.xavier_uniform_(weight)
            self.register_parameter(part, weight)
        offset = initializers.zeros_(initializers.new((3 * E,), dtype)) if bias else None
        self.register_parameter("in_proj_bias", offset)  # type: ignore[arg-type]
        self.out_proj = OutProjection(E, E, bias=bias, dtype=dtype)
        if self.out_proj.bias is not None:
            initializers.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from each query to the keys.

        Args:
            query: (m, L, E), or (L, m, E) unless `batch_first`, or (L, E) for one example.
            key: likewise, with S positions and kdim features.
            value: likewise, with S positions and vdim features.
            key_padding_mask: (m, S), True for keys to ignore (padding); or numbers added to scores.
            need_weights: False returns None for the weights.
            attn_mask: (L, S) or (m h, L, S), True where a query must not look (the other way round
                than in `scaled_dot_product_attention`, as in PyTorch); or numbers M.
            average_attn_weights: the mean over the heads; False gives the weights of each.
            is_causal: position i sees only 0 … i; beside an attn_mask it says that this is what the
                mask does.

        Returns:
            The result in the layout of `query`, and the weights (m, L, S), or (m, h, L, S). A query
            with no key to look at gives NaN with `need_weights`, and 0 without, as in PyTorch.
        """
        inputs = [as_input(x) for x in (query, key, value)]
        single = inputs[0].ndim == 2
        q, k, v = self._checked(inputs, single)
        m, L, S = q.shape[0], q.shape[1], k.shape[1]
        mask = None
        causal = is_causal and (
            attn_mask is None or not (need_weights or key_padding_mask is not None)
        )
        if attn_mask is not None and not causal:
            mask = self._mask(attn_mask, m, L, S, q.dtype)
        if key_padding_mask is not None:
            padding = self._padding(key_padding_mask, single, m, S, q.dtype)
            mask = padding if mask is None else mask + padding
        names = self._names
        heads = [self._heads(x, i) for i, x in enumerate((q, k, v))]
        p = self.dropout if self.training else 0.0
        o, a = attend(
            heads[0],
            heads[1],
            heads[2],
            mask,
            p,
            causal,
            guarded=not need_weights,
            names=None if names is None else (names[3], names[4], names[5]),
        )
        one = self.num_heads == 1
        y: Any = self.out_proj(o if one else o.transpose(1, 2).flatten(2))
        if single:
            y = y[0]
        elif not self.batch_first:
            y = y.transpose(0, 1)
        if not need_weights:
            return y, None
        if one:
            a = a if average_attn_weights else a.unsqueeze(1)
        elif average_attn_weights:
            a = a.mean(axis=1)
        return y, a[0] if single else a

    def _heads(self, x: Any, i: int) -> Any:
        """Return Q, K or V (i = 0, 1, 2) as (m, h, L, d); of a single head as (m, L, d)."""
        E = self.embed_dim
        part = slice(i * E, (i + 1) * E)
        weight: Any = self.in_proj_weight
        weight = getattr(self, _WEIGHTS[i + 1]) if weight is None else weight[part]
        bias: Any = self.in_proj_bias
        bias = None if bias is None else bias[part]
        projected: Any = linear(x, weight, bias)
        heads = projected
        if self.num_heads > 1:
            heads = projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        if self._names is not None:
            for y, name in ((heads, self._names[i]), (weight, self._names[6 + i])):
                _call(y, name)
            if bias is not None:
                _call(bias, self._names[9 + i])
        return heads

    def _checked(self, inputs: list[Any], single: bool) -> list[Any]:
        """Return the inputs as (m, L, features)."""
        name = self._label()
        widths = (self.embed_dim, self.kdim, self.vdim)
        shapes = ", ".join(
            f"{what} {x.shape}" for what, x in zip(("query", "key", "value"), inputs, strict=True)
        )
        layout = "(m, L, E)" if self.batch_first else "(L, m, E)"
        if any(x.ndim != (2 if single else 3) for x in inputs):
            raise errors.ShapeError(
                f"{name}: got {shapes}; expected three inputs {layout}, or (L, E) for one example."
            )
        for x, width, what in zip(inputs, widths, ("embed_dim", "kdim", "vdim"), strict=True):
            if x.shape[-1] != width:
                raise errors.ShapeError(
                    f"{name}: got {shapes}; expected {width} features in the last axis, since "
                    f"{what}={width}. Project them with nn.Linear first, or change {what}."
                )
        if single:
            inputs = [x.unsqueeze(0) for x in inputs]
        elif not self.batch_first:
            same = inputs[0] is inputs[1] is inputs[2]
            first = inputs[0].transpose(0, 1)
            inputs = [first] * 3 if same else [first, *(x.transpose(0, 1) for x in inputs[1:])]
        q, k, v = inputs
        if k.shape[1] != v.shape[1] or not q.shape[0] == k.shape[0] == v.shape[0]:
            raise errors.ShapeError(
                f"{name}: got {shapes}; expected {layout} with equally many examples in all, and a "
                "value for each key. Is batch_first right?"
            )
        return inputs

    def _mask(self, mask: Any, m: int, L: int, S: int, dtype: Any) -> Any:
        """Return attn_mask as numbers that broadcast to the scores."""
        shape = np.shape(mask)
        heads = self.num_heads
        if shape not in ((L, S), (m * heads, L, S)):
            raise errors.ShapeError(
                f"{self._label()}: attn_mask has shape {shape}, expected (L, S) = {(L, S)}, or "
                f"(m h, L, S) = {(m * heads, L, S)} for {m} examples and {heads} heads."
            )
        found = as_mask(self._label(), "attn_mask", mask, shape, dtype, hides=True)
        return found if len(shape) == 2 or heads == 1 else found.unflatten(0, (-1, heads))

    def _padding(self, mask: Any, single: bool, m: int, S: int, dtype: Any) -> Any:
        """Return key_padding_mask as numbers (m, 1, 1, S); of a single head as (m, 1, S)."""
        shape = np.shape(mask)
        expected = (S,) if single else (m, S)
        if shape != expected:
            raise errors.ShapeError(
                f"{self._label()}: key_padding_mask has shape {shape}, expected {expected}: one "
                "row for each example, True for the keys to ignore."
            )
        found = as_mask(self._label(), "key_padding_mask", mask, shape, dtype, hides=True)
        places = (1,) if self.num_heads == 1 else (1, 2)
        return found.unsqueeze((0, *places) if single else places)

    def name_results(self) -> None:
        """Prepare the paper's names: ``Q[l]``, …, ``S[l]``, ``A[l]``, ``O[l]``."""
        stems = ("Q", "K", "V", "S", "A", "O", "W_Q", "W_K", "W_V", "b_Q", "b_K", "b_V")
        vars(self)["_names"] = tuple(f"{stem}[{self._layer}]" for stem in stems)

    def _label(self) -> str:
        kind = type(self).__name__
        return f"{kind} (layer {self._layer})" if self._layer else kind

    def extra_repr(self) -> str:
        """Return the sizes."""
        text = f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
        return f"{text}, batch_first=True" if self.batch_first else text


_WEIGHTS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class OutProjection(Linear):
    """The last product of an attention layer: a part of it, not a layer with its own number."""

    is_layer = False
    symbols = {"weight": "W_O", "bias": "b_O"}

    def name_results(self) -> None:
        """Leave the result without a name of its own."""


def _call(y: Any, name: str) -> None:
    if y._node is not None:
        y._node.name = name


__all__ = ["MultiheadAttention"]
