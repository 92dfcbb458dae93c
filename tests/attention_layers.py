"""Layers of sequences and normalisation, each in a model of rows, for the tests of every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from image_layers import OfRows

from tinygrad_course import nn


class ToItself(nn.Module):
    """A layer that takes several inputs, given the same one for each."""

    def __init__(self, layer: nn.Module, inputs: int, **options: Any) -> None:
        super().__init__()
        self.layer = layer
        self.inputs = inputs
        self.options = options

    def forward(self, x: Any) -> Any:
        """Return the result, without attention weights."""
        y = self.layer(*[x] * self.inputs, **self.options)
        return y[0] if isinstance(y, tuple) else y


BLOCK = {"dim_feedforward": 3, "batch_first": True}


def heads() -> nn.Module:
    layer = nn.MultiheadAttention(4, 2, dropout=0.2, batch_first=True)
    return ToItself(layer, 3, need_weights=False, is_causal=True)


def encoder_layer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, activation="gelu", norm_first=True, **BLOCK)
    return ToItself(layer, 1, is_causal=True)


def encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1, **BLOCK), 2, nn.LayerNorm(4))


def decoder() -> nn.Module:
    layer = nn.TransformerDecoderLayer(4, 2, norm_first=True, **BLOCK)
    return ToItself(nn.TransformerDecoder(layer, 1), 2, tgt_is_causal=True)


# A layer, and the shape of one example.
MADE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "AlphaDropout": (lambda: nn.AlphaDropout(0.3), (4,)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (2, 2, 3)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2, momentum=None), (2, 1, 2, 3)),
    "Dropout1d": (lambda: nn.Dropout1d(0.3), (3, 2)),
    "Dropout2d": (lambda: nn.Dropout2d(0.3), (3, 2, 2)),
    "Dropout3d": (lambda: nn.Dropout3d(0.3), (3, 2, 1, 2)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (4, 3)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(2), (2, 4)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 2)),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(2, track_running_stats=True), (2, 2, 1, 2)),
    "MultiheadAttention": (heads, (3, 4)),
    "PositionalEncoding": (lambda: nn.PositionalEncoding(4, 0.1, 5, learned=True), (3, 4)),
    "PositionalEncoding of sines": (lambda: nn.PositionalEncoding(4, 0.0, 5), (3, 4)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (4,)),
    "Transformer": (lambda: ToItself(nn.Transformer(4, 2, 1, 1, **BLOCK), 2), (3, 4)),
    "TransformerDecoder": (decoder, (3, 4)),
    "TransformerDecoderLayer": (
        lambda: ToItself(nn.TransformerDecoderLayer(4, 2, **BLOCK), 2),
        (3, 4),
    ),
    "TransformerEncoder": (encoder, (3, 4)),
    "TransformerEncoderLayer": (encoder_layer, (3, 4)),
}


def of_rows(name: str) -> Callable[[], nn.Module]:
    """Return what makes a layer between dense layers."""
    make, shape = MADE[name]
    return lambda: OfRows(make(), shape)


ATTENTION_LAYERS = {name: of_rows(name) for name in MADE}
