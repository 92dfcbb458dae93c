"""Layers of images, each in a model of rows, for the tests that try every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinygrad_course as tc
from tinygrad_course import nn

# A layer, and the shape of one example.
MADE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), (2, 5)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 1)), (1, 4, 3)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3), (2, 5)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((2, 1)), (1, 4, 3)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2, padding=1), (2, 5)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (2, 4, 3)),
    "AvgPool3d": (lambda: nn.AvgPool3d(2, stride=1), (1, 2, 3, 3)),
    "CircularPad1d": (lambda: nn.CircularPad1d(1), (2, 4)),
    "CircularPad2d": (lambda: nn.CircularPad2d((1, 0, 2, 1)), (1, 3, 3)),
    "ConstantPad1d": (lambda: nn.ConstantPad1d(1, 0.5), (2, 4)),
    "ConstantPad2d": (lambda: nn.ConstantPad2d((1, 0, 2, 1), 0.5), (1, 3, 3)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 5)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 2), (2, 4, 3)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2), (1, 2, 3, 3)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 3)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 1, 2, stride=2, padding=1), (2, 3, 3)),
    "Fold": (lambda: nn.Fold((3, 3), 2), (4, 4)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (2, 5)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, stride=2, padding=1), (2, 4, 5)),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 2)),
    "ReflectionPad1d": (lambda: nn.ReflectionPad1d(1), (2, 4)),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 0, 2, 1)), (1, 3, 3)),
    "ReplicationPad1d": (lambda: nn.ReplicationPad1d(1), (2, 4)),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d((1, 0, 2, 1)), (1, 3, 3)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), (4, 3)),
    "Unfold": (lambda: nn.Unfold(2, padding=1), (1, 3, 3)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3)),
    "ZeroPad1d": (lambda: nn.ZeroPad1d(1), (2, 4)),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, 0, 2, 1)), (1, 3, 3)),
}


class OfRows(nn.Module):
    """A layer of images between dense layers: rows of 3 features in and out."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.first = nn.Dense(3, tc.zeros(*shape).numel())
        self.layer = layer
        self.last = nn.Dense(layer(tc.zeros(1, *shape)).numel(), 3)

    def forward(self, x: Any) -> Any:
        """Compute rows of 3 features."""
        images = self.first(x).reshape(-1, *self.shape)
        return self.last(self.layer(images).flatten(1))


def of_rows(name: str) -> Callable[[], nn.Module]:
    """Return what makes a layer of images between dense layers."""
    make, shape = MADE[name]
    return lambda: OfRows(make(), shape)


IMAGE_LAYERS = {name: of_rows(name) for name in MADE}
