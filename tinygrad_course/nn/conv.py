"""Convolutional layers, with PyTorch's arguments, layouts and starting values."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import errors
from ..creation import check_device
from ..ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
)
from ..ops.join import pad
from ..ops.windows import each
from ..random import Generator
from ..tensor import Tensor, as_input
from . import init as initializers
from .dense import check_count
from .layer import Layer

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Layer):
    """What the convolutional layers share; see `Conv2d`."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        name, axes = type(self).__name__, self.axes
        self.in_channels = check_count(name, "in_channels", in_channels)
        self.out_channels = check_count(name, "out_channels", out_channels)
        self.groups = check_count(name, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise errors.ArgumentError(
                f"{name}: got groups={groups} for {in_channels} and {out_channels} channels, "
                "expected a number that divides both."
            )
        self.kernel_size = each(name, "kernel_size", kernel_size, axes)
        self.stride = each(name, "stride", stride, axes)
        self.dilation = each(name, "dilation", dilation, axes)
        if isinstance(padding, str):
            self.padding: Any = padding
        else:
            self.padding = each(name, "padding", padding, axes, least=0)
        channels = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (channels[0], channels[1] // groups, *self.kernel_size)
        bound = 1 / math.sqrt(shape[1] * math.prod(self.kernel_size))
        self.weight = initializers.new(shape, dtype, "columns")
        initializers.uniform_(self.weight, -bound, bound, generator)
        if bias:
            self.bias = initializers.new((out_channels,), dtype)
            initializers.uniform_(self.bias, -bound, bound, generator)
        else:
            self.register_parameter("bias", None)

    def _called(self, z: Any) -> Tensor:
        node = z._node
        if node is not None:
            node.name = self._z
        return z  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return sizes, and options that are not the usual ones."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding not in ((0,) * self.axes, "valid"):
            text += f", padding={self.padding!r}"
        if self.dilation != (1,) * self.axes:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else f"{text}, bias=False"


class _Conv(Convolution):
    """What the convolutions, not transposed, share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        check_device(device)
        if padding_mode not in PADDING_MODES:
            raise errors.ArgumentError(
                f"{type(self).__name__}: got padding_mode={padding_mode!r}, expected one of "
                f"{', '.join(PADDING_MODES)}."
            )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            dtype,
            generator,
        )
        self.padding_mode = padding_mode

    def forward(self, x: Any) -> Tensor:
        """Compute W ∗ x + b."""
        x = as_input(x)
        function: Any = (conv1d, conv2d, conv3d)[self.axes - 1]
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            x, padding = pad(x, self._around(), mode=self.padding_mode), 0
        z = function(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return self._called(z)

    def _around(self) -> list[int]:
        """Return how much to add before and after each axis, the last axis first."""
        if self.padding == "same":
            total = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            pairs = [(n // 2, n - n // 2) for n in total]
        else:
            pairs = [(p, p) for p in self.padding]
        return [n for pair in reversed(pairs) for n in pair]

    def extra_repr(self) -> str:
        """Return sizes and options."""
        text = super().extra_repr()
        return text if self.padding_mode == "zeros" else f"{text}, mode={self.padding_mode!r}"


class Conv1d(_Conv):
    """Convolution of signals (N, C, L); see `Conv2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Conv1d(2, 4, 3, padding="same")(tc.zeros(5, 2, 7)).shape
        (5, 4, 7)
    """

    axes = 1


class Conv2d(_Conv):
    """Convolution of images: Z = W ∗ X + b, see `tinygrad_course.conv2d`.

    Args:
        in_channels: C of inputs (N, C, H, W).
        out_channels: the number of kernels.
        kernel_size: of a kernel, one number or (kH, kW).
        stride: between windows.
        padding: zeros around the image; "same" or "valid".
        dilation: between the elements of a window.
        groups: the channels are split into so many, each with kernels of its own.
        bias: False leaves b out.
        padding_mode: what is around the image: "zeros", "reflect", "replicate" or "circular".
        dtype: a float dtype; by default the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    W, (out_channels, in_channels / groups, kH, kW), and b start uniform in ±1/√n as in PyTorch, n
    being the numbers that a window holds.

    Raises:
        ArgumentError: sizes below 1, or groups that do not divide the channels. ShapeError: when
            called: other channels, or a kernel larger than the image.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> layer = nn.Conv2d(1, 8, 3)
        >>> layer.weight.shape, layer(tc.zeros(64, 1, 28, 28)).shape
        ((8, 1, 3, 3), (64, 8, 26, 26))
    """

    axes = 2


class Conv3d(_Conv):
    """Convolution of volumes (N, C, D, H, W); see `Conv2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Conv3d(1, 2, 2)(tc.zeros(5, 1, 3, 4, 5)).shape
        (5, 2, 2, 3, 4)
    """

    axes = 3


class _ConvTranspose(Convolution):
    """What the transposed convolutions share."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        check_device(device)
        if padding_mode != "zeros":
            raise errors.ArgumentError(
                f"{type(self).__name__}: got padding_mode={padding_mode!r}; a transposed "
                "convolution knows 'zeros' only."
            )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            dtype,
            generator,
        )
        name = type(self).__name__
        self.output_padding = each(name, "output_padding", output_padding, self.axes, least=0)

    def forward(self, x: Any, output_size: Any = None) -> Tensor:
        """Compute the transposed convolution; `output_size` chooses among possible lengths."""
        x = as_input(x)
        function: Any = (conv_transpose1d, conv_transpose2d)[self.axes - 1]
        extra = self.output_padding if output_size is None else self._extra(x, output_size)
        z = function(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )
        return self._called(z)

    def _extra(self, x: Tensor, output_size: Any) -> tuple[int, ...]:
        """Return the output_padding that leads to these lengths."""
        wanted = tuple(output_size)[-self.axes :]
        least = [
            s * (n - 1) + d * (k - 1) + 1 - 2 * p
            for n, s, d, k, p in zip(
                x.shape[-self.axes :],
                self.stride,
                self.dilation,
                self.kernel_size,
                self.padding,
                strict=True,
            )
        ]
        extra = tuple(int(w) - n for w, n in zip(wanted, least, strict=True))
        if any(not 0 <= e < max(s, 1) for e, s in zip(extra, self.stride, strict=True)):
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            raise errors.ShapeError(
                f"{self._label()}: got output_size={tuple(output_size)}, expected lengths between "
                f"{tuple(least)} and {tuple(most)} for an input of shape {x.shape}."
            )
        return extra

    def extra_repr(self) -> str:
        """Return sizes and options."""
        text = super().extra_repr()
        return f"{text}, output_padding={self.output_padding}" if any(self.output_padding) else text


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of signals (N, C, L); see `ConvTranspose2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ConvTranspose1d(2, 4, 3, stride=2)(tc.zeros(5, 2, 7)).shape
        (5, 4, 15)
    """

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images, see `tinygrad_course.conv_transpose2d`.

    Args:
        in_channels: C of inputs (N, C, H, W).
        out_channels: channels of the output.
        kernel_size: of a kernel, one number or (kH, kW).
        stride: between the kernels in the output.
        padding: how much is cut off around the output.
        output_padding: how much is added at the end of each axis.
        groups: the channels are split into so many, each with kernels of its own.
        bias: False leaves b out.
        dilation: between the elements of a kernel.
        dtype: a float dtype; by default the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    W is (in_channels, out_channels / groups, kH, kW), and starts as PyTorch's.

    Raises:
        ArgumentError: sizes below 1, or groups that do not divide the channels. ShapeError: when
            called: other channels.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1)(tc.zeros(5, 8, 14, 14)).shape
        (5, 1, 28, 28)
    """

    axes = 2
