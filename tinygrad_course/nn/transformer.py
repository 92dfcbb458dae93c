"""Transformer layers: attention and a small network, each with a residual and a normalisation.

From `TransformerEncoderLayer` (a block) over `TransformerEncoder` (a stack of them) to the decoder
and the whole `Transformer`, with PyTorch's names and arguments; and the positions, which attention
itself does not see.
"""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar

from .. import creation, errors
from ..tensor import Tensor, as_input
from . import init as initializers
from .activation import resolve
from .attend import causal_mask
from .attention import MultiheadAttention
from .containers import ModuleList
from .dense import Linear, check_count
from .dropout import Dropout
from .module import Module
from .norm import LayerNorm
from .parameter import Parameter


class _Block(Module):
    """What the layers of encoder and decoder share."""

    _kinds: ClassVar[tuple[str, ...]] = ("self_attn",)

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        for name in self._kinds:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        count = len(self._kinds) + 1
        for i in range(1, count + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in range(1, count + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        function, _, _ = resolve(activation, -1)
        if function is None:
            raise errors.ArgumentError(
                f'{type(self).__name__}: the activation must be "relu", "gelu" or a function, got '
                f"{activation!r}."
            )
        self.activation = function

    def _around(self, i: int, x: Any, part: Any) -> Any:
        """Return x + part(norm(x)), or norm(x + part(x))."""
        norm = getattr(self, f"norm{i}")
        drop = getattr(self, f"dropout{i}")
        if self.norm_first:
            return x + drop(part(norm(x)))
        return norm(x + drop(part(x)))

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Block):
    """One block: attention to the other positions, then a network for each position.

    x = LN(x + SA(x)), y = LN(x + FF(x)); with `norm_first` x = x + SA(LN(x)), y = x + FF(LN(x)).
    SA is multi-head self-attention, FF(x) = g(x W₁ᵀ + b₁) W₂ᵀ + b₂.

    Args:
        d_model: E, the features of each position.
        nhead: the number of heads, a divisor of E.
        dim_feedforward: the units inside FF.
        dropout: the probability of dropping, in training: weights of A, units of FF, and what is
            added to x.
        activation: g, "relu", "gelu" or a function.
        layer_norm_eps: ε of LN.
        batch_first: True takes (m, L, E); False (L, m, E), as PyTorch's default does.
        norm_first: where LN stands.
        bias: False leaves out all b and β.
        dtype: a float dtype.

    Raises:
        ArgumentError: d_model not divisible by nhead; ShapeError: when called: other inputs.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762; norm_first: Xiong et al. 2020, arXiv:2002.04745.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> block = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
        >>> block(tc.zeros(5, 3, 8)).shape
        (5, 3, 8)
    """

    self_attn: MultiheadAttention

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Compute the block.

        Args:
            src: x.
            src_mask: (L, L) or (m h, L, L), True where a position must not look, or numbers.
            src_key_padding_mask: (m, L), True for padding.
            is_causal: positions see only earlier ones; `src_mask` can then be left out.
        """

        def attend(x: Any) -> Any:
            return self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )[0]

        x = src if isinstance(src, Tensor) else Tensor(src)
        x = self._around(1, x, attend)
        return self._around(2, x, self._feed_forward)  # type: ignore[no-any-return]


class TransformerDecoderLayer(_Block):
    """One block of a decoder: attention to itself, then to what an encoder found, then a network.

    As `TransformerEncoderLayer`, with attention from `tgt` to `memory` in between.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> block = nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
        >>> block(tc.zeros(5, 3, 8), tc.zeros(5, 4, 8)).shape
        (5, 3, 8)
    """

    _kinds = ("self_attn", "multihead_attn")

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Compute the block; masks as in `MultiheadAttention`."""

        def attend(x: Any) -> Any:
            return self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )[0]

        def attend_memory(x: Any) -> Any:
            padding = memory_key_padding_mask
            return self.multihead_attn(
                x, memory, memory, padding, False, memory_mask, is_causal=memory_is_causal
            )[0]

        x = tgt if isinstance(tgt, Tensor) else Tensor(tgt)
        x = self._around(1, x, attend)
        x = self._around(2, x, attend_memory)
        return self._around(3, x, self._feed_forward)  # type: ignore[no-any-return]


class _Stack(Module):
    """Copies of a layer one after another, and a last normalisation."""

    norm: Module | None

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        self.num_layers = check_count(type(self).__name__, "num_layers", num_layers)
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(self.num_layers)])
        self.norm = norm


class TransformerEncoder(_Stack):
    """Blocks one after another: num_layers copies of `encoder_layer`, then `norm`.

    All copies start with the same values, as in PyTorch; reset them if that is not wanted.

    Args:
        encoder_layer: a `TransformerEncoderLayer`.
        num_layers: how many.
        norm: a last normalisation, or None.
        enable_nested_tensor, mask_check: accepted as in PyTorch; there is nothing to choose here.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> block = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
        >>> encoder = nn.TransformerEncoder(block, num_layers=2)
        >>> encoder(tc.zeros(5, 3, 8), is_causal=True).shape
        (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Compute all blocks, with the same masks."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)  # type: ignore[no-any-return]


class TransformerDecoder(_Stack):
    """Decoder blocks one after another, each looking at the same `memory`.

    Args:
        decoder_layer: a `TransformerDecoderLayer`.
        num_layers: how many.
        norm: a last normalisation, or None.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> block = nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
        >>> nn.TransformerDecoder(block, 2)(tc.zeros(5, 3, 8), tc.zeros(5, 4, 8)).shape
        (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(self, tgt: Any, memory: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Compute all blocks, with the same masks (see `TransformerDecoderLayer`)."""
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, *args, **kwargs)
        return x if self.norm is None else self.norm(x)  # type: ignore[no-any-return]


class Transformer(Module):
    """Encoder and decoder, as the paper has them: `src` is read, `tgt` is written.

    The arguments are those of `TransformerEncoderLayer`, and the numbers of blocks. Weights start
    Glorot uniform.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> model = nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
        >>> mask = nn.Transformer.generate_square_subsequent_mask(4)
        >>> model(tc.zeros(5, 3, 8), tc.zeros(5, 4, 8), tgt_mask=mask).shape
        (5, 4, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        layout = (batch_first, norm_first, bias, device, dtype)
        if custom_encoder is None:
            block: Module = TransformerEncoderLayer(*options, *layout)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            custom_encoder = TransformerEncoder(block, num_encoder_layers, norm)
        if custom_decoder is None:
            block = TransformerDecoderLayer(*options, *layout)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            custom_decoder = TransformerDecoder(block, num_decoder_layers, norm)
        self.encoder, self.decoder = custom_encoder, custom_decoder
        for parameter in self.parameters():
            if parameter.ndim > 1:
                initializers.xavier_uniform_(parameter)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode `src`, and decode `tgt` with what the encoder found; masks as in the layers."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(  # type: ignore[no-any-return]
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            bool(tgt_is_causal),
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """Return (sz, sz) numbers that hide later positions: −∞ above the diagonal, else 0.

        Example:
            >>> from tinygrad_course import nn
            >>> nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[  0., -inf],
                    [  0.,   0.]])
        """
        return causal_mask(sz, sz, dtype)  # type: ignore[no-any-return]


# --- positions ----------------------------------------------------------------------------------


def sinusoidal_positions(length: int, d_model: int, dtype: Any = None) -> Tensor:
    """Return the paper's positions: P[p, 2i] = sin(p ω), P[p, 2i+1] = cos(p ω), ω = 10000^(−2i/E).

    Each pair of features is the hand of a clock, the later pairs of slower ones; moving by a number
    of positions turns every hand by an angle of its own, wherever it starts.

    Args:
        length: the number of positions.
        d_model: E, the number of features.
        dtype: a float dtype; by default the default dtype.

    Returns:
        P, (length, d_model).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5.

    Example:
        >>> from tinygrad_course import nn
        >>> nn.sinusoidal_positions(2, 4)
        tensor([[0.    , 1.    , 0.    , 1.    ],
                [0.8415, 0.5403, 0.01  , 0.9999]])
    """
    length = check_count("sinusoidal_positions", "length", length)
    d_model = check_count("sinusoidal_positions", "d_model", d_model)
    pairs = (d_model + 1) // 2
    # In float64, so that late positions keep their angle.
    p: Any = creation.arange(length, dtype=float).reshape(-1, 1)
    i: Any = creation.arange(pairs, dtype=float)
    angle = p * (i * (-2 * math.log(10000.0) / d_model)).exp()
    both = creation.zeros(length, pairs, 2, dtype=float)
    both[:, :, 0], both[:, :, 1] = angle.sin(), angle.cos()
    flat: Any = both.reshape(length, 2 * pairs)[:, :d_model]
    return flat.to(creation.zeros(0, dtype=dtype).dtype)  # type: ignore[no-any-return]


class PositionalEncoding(Module):
    """Add to each position a vector that tells which one it is: y = dropout(x + P).

    Args:
        d_model: E, the features of each position.
        dropout: the probability of dropping, in training.
        max_len: the most positions there can be.
        learned: False takes the paper's sines and cosines (`sinusoidal_positions`), kept as the
            buffer ``pe``; True a parameter ``pe`` that is trained, started N(0, 0.02²), as in GPT.
        batch_first: True takes (…, L, E); False (L, m, E).
        dtype: a float dtype.

    Raises:
        ShapeError: when called: more positions than max_len, or other features.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5; learned: Radford et al. 2018.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> positions = nn.PositionalEncoding(4, dropout=0.0, max_len=100)
        >>> positions(tc.zeros(1, 2, 4))[0, 1]
        tensor([0.8415, 0.5403, 0.01  , 0.9999])
    """

    symbols = {"pe": "P"}

    pe: Tensor

    def __init__(
        self,
        d_model: int,
        dropout: float = 0.1,
        max_len: int = 5000,
        learned: bool = False,
        batch_first: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.d_model = check_count("PositionalEncoding", "d_model", d_model)
        self.max_len = check_count("PositionalEncoding", "max_len", max_len)
        self.batch_first = batch_first
        self.dropout = Dropout(dropout)
        if learned:
            self.pe = initializers.new((self.max_len, self.d_model), dtype)
            initializers.normal_(self.pe, std=0.02)
        else:
            self.register_buffer("pe", sinusoidal_positions(self.max_len, self.d_model, dtype))

    def forward(self, x: Any) -> Tensor:
        """Add the positions 0 … L−1."""
        x = as_input(x)
        axis = -2 if self.batch_first or x.ndim == 2 else 0
        if x.ndim < 2 or x.shape[-1] != self.d_model or x.shape[axis] > self.max_len:
            layout = "(…, L, E)" if self.batch_first else "(L, m, E)"
            raise errors.ShapeError(
                f"PositionalEncoding: got an input of shape {x.shape}, expected {layout} with "
                f"E = {self.d_model} features and at most max_len = {self.max_len} positions."
            )
        p: Any = self.pe[: x.shape[axis]]
        if axis == 0:
            p = p.unsqueeze(1)
        return self.dropout(x + p)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the sizes."""
        kind = ", learned=True" if isinstance(self.pe, Parameter) else ""
        return f"{self.d_model}, max_len={self.max_len}{kind}"


__all__ = [
    "PositionalEncoding",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "sinusoidal_positions",
]
